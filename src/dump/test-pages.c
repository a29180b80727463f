/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of what is done with single pages and runs: checksums, repeating words, codecs, run lists. */
#include "dump/dump-int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define PAGE 4096

/* Values of the reference program, xxhsum -H1. */
static void test_sum_is_xxh64(void **state)
{
	uint8_t sequence[101];
	struct us_sum sum;

	(void)state;
	for (size_t i = 0; i < sizeof(sequence); i++)
		sequence[i] = (uint8_t)i;
	assert_true(us_sum_of("", 0) == 0xef46db3751d8e999ull);
	assert_true(us_sum_of("a", 1) == 0xd24ec4f1a98c6e5bull);
	assert_true(us_sum_of("abc", 3) == 0x44bc2cf5ad770999ull);
	assert_true(us_sum_of("Nobody inspects the spammish repetition", 39) ==
		    0xfbcea83c8a378bf1ull);
	for (size_t cut = 0; cut <= sizeof(sequence); cut++) {
		us_sum_init(&sum);
		us_sum_add(&sum, sequence, cut);
		us_sum_add(&sum, sequence + cut, sizeof(sequence) - cut);
		assert_true(us_sum_end(&sum) == us_sum_of(sequence, sizeof(sequence)));
	}
}

static void test_repeating_words_are_seen(void **state)
{
	uint8_t room[PAGE + 8], *page = room + 3; /* windows need not be aligned */
	uint64_t word = 1;

	(void)state;
	memset(room, 0, sizeof(room));
	assert_true(us_repeats(page, PAGE, &word));
	assert_true(word == 0);
	for (size_t i = 0; i < PAGE; i++) {
		page[i] = 1;
		assert_false(us_repeats(page, PAGE, &word));
		page[i] = 0;
	}
	for (size_t i = 0; i < PAGE; i++)
		page[i] = "\x6b\x6b\x6b\x6b\x5a\x5a\x5a\xa5"[i % 8];
	assert_true(us_repeats(page, PAGE, &word));
	assert_memory_equal(&word, page, 8);
}

static void fill(uint8_t *page, unsigned int seed)
{
	for (size_t i = 0; i < PAGE; i++)
		page[i] = (uint8_t)(i / 64 * seed + (i % 8));
}

static void round_trip(enum us_page_codec codec, int level)
{
	struct us_page_packer *packer;
	struct us_page_unpacker *unpacker;
	uint8_t page[PAGE], back[PAGE], *out = malloc(us_page_pack_room(PAGE));

	assert_non_null(out);
	assert_null(us_page_packer_new(codec, level, &packer));
	assert_null(us_page_unpacker_new(&unpacker));
	for (unsigned int seed = 1; seed < 40; seed++) {
		uint32_t flags = 77;
		size_t n;

		fill(page, seed);
		n = us_page_pack(packer, codec, page, PAGE, out, &flags);
		assert_int_equal(flags, codec);
		assert_true(n < PAGE);
		assert_null(us_page_unpack(unpacker, flags, us_bytes_of(out, n), back, PAGE));
		assert_memory_equal(page, back, PAGE);
	}
	us_page_unpacker_free(unpacker);
	us_page_packer_free(packer);
	free(out);
}

static void test_codecs_come_back(void **state)
{
	(void)state;
	round_trip(US_PAGE_ZLIB, 0);
	round_trip(US_PAGE_ZLIB, 12);
	round_trip(US_PAGE_LZO, 0);
	round_trip(US_PAGE_SNAPPY, 0);
	round_trip(US_PAGE_ZSTD, 0);
	round_trip(US_PAGE_ZSTD, -5);
	round_trip(US_PAGE_ZSTD, 9);
}

static void test_what_does_not_shrink_stays(void **state)
{
	static const enum us_page_codec all[] = { US_PAGE_RAW, US_PAGE_ZLIB, US_PAGE_LZO,
						  US_PAGE_SNAPPY, US_PAGE_ZSTD };
	uint8_t page[PAGE], *out = malloc(us_page_pack_room(PAGE));
	uint64_t x = 88172645463325252ull;

	(void)state;
	assert_non_null(out);
	for (size_t i = 0; i < PAGE; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		page[i] = (uint8_t)x;
	}
	for (size_t i = 0; i < us_array_size(all); i++) {
		struct us_page_packer *packer;
		uint32_t flags = 77;

		assert_null(us_page_packer_new(all[i], 0, &packer));
		assert_int_equal(us_page_pack(packer, all[i], page, PAGE, out, &flags), PAGE);
		assert_int_equal(flags, 0);
		assert_memory_equal(page, out, PAGE);
		us_page_packer_free(packer);
	}
	free(out);
}

static void test_codec_words(void **state)
{
	static const char *const wrong[] = { "",        "zst",    "zstd:",    "zstd:0",
					     "zstd:20", "lzo:1",  "zstd:-51", "zlib:13",
					     "zlib:-1", "auto:3", "zstd:1x" };
	enum us_page_codec codec;
	int level;

	(void)state;
	assert_true(us_page_codec_parse("zstd:-2", &codec, &level));
	assert_int_equal(codec, US_PAGE_ZSTD);
	assert_int_equal(level, -2);
	assert_true(us_page_codec_parse("none", &codec, &level));
	assert_int_equal(codec, US_PAGE_RAW);
	assert_int_equal(level, 0);
	assert_true(us_page_codec_parse("auto", &codec, &level));
	assert_int_equal(codec, US_PAGE_AUTO);
	assert_string_equal(us_page_codec_name(US_PAGE_SNAPPY), "snappy");
	for (size_t i = 0; i < us_array_size(wrong); i++)
		assert_false(us_page_codec_parse(wrong[i], &codec, &level));
}

static void test_runs_come_back_in_order(void **state)
{
	struct us_runs runs;
	struct us_runs_cursor cursor = { .runs = &runs };
	struct us_keep keep;
	uint64_t pfn = 0, pages = 0, n = 0;

	(void)state;
	us_runs_init(&runs, 1u << 20);
	for (unsigned int i = 1; i <= 50000; i++) {
		pfn += i * 7919ull % 100000;
		us_runs_add(&runs, pfn, i % 37 + 1, i % US_TIERS);
		pfn += i % 37 + 1;
		pages += i % 37 + 1;
	}
	us_runs_end(&runs);
	assert_true(runs.pages == pages);
	assert_true(runs.tail_pfn == UINT64_MAX);
	pfn = pages = 0;
	while (us_runs_next(&cursor, &keep)) {
		n++;
		pfn += n * 7919ull % 100000;
		assert_true(keep.pfn == pfn);
		assert_true(keep.count == n % 37 + 1);
		assert_int_equal(keep.tier, n % US_TIERS);
		assert_true(keep.rank == pages);
		pfn += keep.count;
		pages += keep.count;
	}
	assert_int_equal(n, 50000);
	us_runs_deinit(&runs);
}

static void test_walk_goes_tier_by_tier(void **state)
{
	struct us_runs runs;
	struct us_walk walk;
	struct us_keep keep;

	(void)state;
	us_runs_init(&runs, 1u << 20);
	us_runs_add(&runs, 10, 5, 2);
	us_runs_add(&runs, 15, 5, 2); /* one run with the last */
	us_runs_add(&runs, 100, 3, 0);
	us_runs_add(&runs, 200, 4, 2);
	us_runs_end(&runs);
	assert_int_equal(runs.n_runs, 3);
	us_walk_init(&walk, &runs, false, (struct us_part){ 0 }, NULL, 0, 1000);
	assert_true(us_walk_to(&walk, 0, 2, &keep));
	assert_true(keep.pfn == 100 && keep.count == 2 && keep.rank == 10);
	assert_true(us_walk_to(&walk, 2, 9, &keep));
	assert_true(keep.pfn == 102 && keep.count == 1 && keep.rank == 12);
	assert_true(us_walk_to(&walk, 7, 100, &keep));
	assert_true(keep.pfn == 14 && keep.count == 6 && keep.rank == 4);
	assert_true(us_walk_to(&walk, 13, 100, &keep));
	assert_true(keep.pfn == 200 && keep.count == 4 && keep.rank == 13);
	assert_false(us_walk_to(&walk, 17, 1, &keep));
	us_walk_init(&walk, &runs, true, (struct us_part){ 0 }, NULL, 0, 1000);
	assert_true(us_walk_to(&walk, 0, 100, &keep));
	assert_true(keep.pfn == 10 && keep.count == 10);
	us_runs_deinit(&runs);
}

/* The sink of this machine takes rate bytes/ns: how many chunks of 1000 get the choice? */
static unsigned int times_chosen(double rate, unsigned int wanted)
{
	static const double pack_ns[US_AUTO_CHOICES] = { 1.06, 1.5, 2.0 };
	static const double ratio[US_AUTO_CHOICES] = { 0.221, 0.165, 0.147 };
	struct us_auto pace;
	unsigned int n = 0;

	us_auto_init(&pace, 1, true);
	for (unsigned int i = 0; i < 1000; i++) {
		unsigned int choice = us_auto_pick(&pace);
		double pack = (1 << 20) * pack_ns[choice], out = (1 << 20) * ratio[choice];
		double sink = out / rate;

		n += choice == wanted;
		us_auto_note(&pace, choice, 1 << 20, (uint64_t)out, (uint64_t)pack,
			     sink > pack ? (uint64_t)sink : 1000,
			     (uint64_t)(sink > pack ? sink : pack));
	}
	us_auto_deinit(&pace);
	return n;
}

static void test_auto_follows_the_sink(void **state)
{
	(void)state;
	assert_true(times_chosen(2.0, 0) > 990);
	assert_true(times_chosen(0.25, 0) > 990);
	assert_true(times_chosen(0.13, 1) > 950);
	assert_true(times_chosen(0.1, 2) > 950);
	assert_true(times_chosen(0.02, 2) > 950);
}

/* Chunks that shrink to little find room in the pipe at once: that says nothing of the sink. */
static void test_auto_is_not_misled_by_small_chunks(void **state)
{
	struct us_auto pace;
	unsigned int n = 0;

	(void)state;
	us_auto_init(&pace, 1, true);
	for (unsigned int i = 0; i < 1000; i++) {
		unsigned int choice = us_auto_pick(&pace);
		uint64_t out = choice == 2 ? 150000 : choice == 1 ? 170000 : 220000;

		n += choice == 2;
		us_auto_note(&pace, choice, 1 << 20, out, choice ? 1200000 : 900000, out * 10,
			     out * 10);
		if (i > 20 && i % 4 == 0)
			us_auto_note(&pace, choice, 1 << 20, 40000, 400000, 15000, 41000);
	}
	us_auto_deinit(&pace);
	assert_true(n > 900);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_auto_is_not_misled_by_small_chunks),
		cmocka_unit_test(test_sum_is_xxh64),
		cmocka_unit_test(test_repeating_words_are_seen),
		cmocka_unit_test(test_codecs_come_back),
		cmocka_unit_test(test_what_does_not_shrink_stays),
		cmocka_unit_test(test_codec_words),
		cmocka_unit_test(test_runs_come_back_in_order),
		cmocka_unit_test(test_walk_goes_tier_by_tier),
		cmocka_unit_test(test_auto_follows_the_sink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
