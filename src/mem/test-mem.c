/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ranges, maps and places. The map is compared with the plainest model there is, one byte of kind
 * per address in a small world, over many random operations; the placer with a search by hand.
 */
#include "mem/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define WORLD  512
#define ABSENT 255

/* A small generator of its own, so that a failure repeats (xorshift, Marsaglia 2003). */
static uint32_t next_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

static void test_range_constructors_refuse_overflow(void **state)
{
	struct us_range r;

	(void)state;
	assert_true(us_range_make(UINT64_MAX - 5, 5, &r));
	assert_false(us_range_make(UINT64_MAX - 5, 6, &r));
	assert_true(us_range_from_last(0x1000, 0x1fff, &r));
	assert_int_equal(r.size, 0x1000);
	assert_true(us_range_from_last(7, 7, &r));
	assert_int_equal(r.size, 1);
	assert_false(us_range_from_last(8, 7, &r));
	assert_false(us_range_from_last(0, UINT64_MAX, &r));
}

static void test_range_relations(void **state)
{
	struct us_range a = { 100, 50 }, b = { 120, 10 }, c = { 150, 10 }, empty = { 120, 0 };

	(void)state;
	assert_true(us_range_has(a, b));
	assert_true(us_range_has(a, a));
	assert_false(us_range_has(b, a));
	assert_true(us_range_has(a, empty));
	assert_false(us_range_has(a, (struct us_range){ 150, 0 }));
	assert_false(us_range_overlaps(a, c));
	assert_false(us_range_overlaps(a, empty));
	assert_true(us_range_overlaps(a, (struct us_range){ 149, 100 }));
	assert_int_equal(us_range_intersect(a, (struct us_range){ 140, 100 }).size, 10);
	assert_int_equal(us_range_intersect(a, c).size, 0);
}

static void test_align_up_says_when_it_overflows(void **state)
{
	uint64_t v;

	(void)state;
	assert_true(us_align_up(0x1001, 0x1000, &v));
	assert_int_equal(v, 0x2000);
	assert_true(us_align_up(0x1000, 0x1000, &v));
	assert_int_equal(v, 0x1000);
	assert_false(us_align_up(UINT64_MAX, 0x1000, &v));
	assert_int_equal(us_align_down(0x1fff, 0x1000), 0x1000);
}

static void assert_map_is_model(const struct us_map *map, const uint8_t *model)
{
	uint64_t totals[US_MEM_KINDS] = { 0 };

	for (uint64_t a = 0; a < WORLD; a++) {
		const struct us_map_entry *e = us_map_at(map, a);

		assert_int_equal(e ? (int)e->kind : ABSENT, model[a]);
		if (e)
			totals[e->kind]++;
	}
	for (int k = 0; k < US_MEM_KINDS; k++)
		assert_int_equal(us_map_total(map, (enum us_mem_kind)k), totals[k]);
	for (size_t i = 0; i < map->n; i++)
		assert_true(map->entries[i].range.size > 0);
	for (size_t i = 1; i < map->n; i++) {
		const struct us_map_entry *p = &map->entries[i - 1], *e = &map->entries[i];

		assert_true(us_range_end(p->range) <= e->range.start);
		assert_false(us_range_end(p->range) == e->range.start && p->kind == e->kind);
	}
}

static void test_map_equals_its_model(void **state)
{
	_us_map_deinit_ struct us_map map = { 0 };
	uint8_t model[WORLD];
	uint32_t seed = 0x2545f491;

	(void)state;
	memset(model, ABSENT, sizeof(model));
	for (int step = 0; step < 3000; step++) {
		struct us_range r = { .start = next_random(&seed) % WORLD };
		enum us_mem_kind kind = next_random(&seed) % 4;
		bool cut = next_random(&seed) % 4 == 0;

		r.size = next_random(&seed) % (WORLD - r.start + 1);
		if (step % 3)
			r.size %= 20;
		assert_null(cut ? us_map_cut(&map, r) : us_map_set(&map, r, kind));
		memset(model + r.start, cut ? ABSENT : (int)kind, r.size);
		assert_map_is_model(&map, model);
	}
}

static void test_map_copy_stands_alone(void **state)
{
	_us_map_deinit_ struct us_map map = { 0 }, copy = { 0 }, empty = { 0 };

	(void)state;
	assert_null(us_map_set(&map, (struct us_range){ 0, 100 }, US_MEM_RAM));
	assert_null(us_map_copy(&map, &copy));
	assert_null(us_map_cut(&map, (struct us_range){ 0, 50 }));
	assert_int_equal(us_map_total(&copy, US_MEM_RAM), 100);
	assert_int_equal(us_map_top(&copy, US_MEM_RAM), 100);
	assert_int_equal(us_map_top(&copy, US_MEM_NVS), 0);
	assert_null(us_map_at(&empty, 0));
	us_map_deinit(&copy);
	assert_null(us_map_copy(&empty, &copy));
	assert_int_equal(copy.n, 0);
}

/* The answer by trying every address. */
static bool search(const uint8_t *model, const struct us_wish *w, uint64_t *ret)
{
	bool found = false;

	for (uint64_t a = 0; a + w->size <= WORLD; a += w->align) {
		bool free = a >= w->min && a + w->size <= w->max;

		for (uint64_t i = a; free && i < a + w->size; i++)
			free = model[i] == US_MEM_RAM;
		if (free && !(found && w->bottom_up)) {
			*ret = a;
			found = true;
		}
	}
	return found;
}

static void test_place_equals_the_search_by_hand(void **state)
{
	uint32_t seed = 0x9e3779b9;

	(void)state;
	for (int round = 0; round < 400; round++) {
		_us_map_deinit_ struct us_map map = { 0 };
		uint8_t model[WORLD];

		memset(model, ABSENT, sizeof(model));
		for (int i = 0; i < 12; i++) {
			struct us_range r = { next_random(&seed) % (WORLD - 64), 0 };
			enum us_mem_kind kind = next_random(&seed) % 3 ? US_MEM_RAM : US_MEM_NVS;

			r.size = next_random(&seed) % 64;
			assert_null(us_map_set(&map, r, kind));
			memset(model + r.start, (int)kind, r.size);
		}
		for (int i = 0; i < 40; i++) {
			struct us_wish w = { .size = 1 + next_random(&seed) % 40,
					     .align = 1u << next_random(&seed) % 6,
					     .min = next_random(&seed) % WORLD,
					     .max = next_random(&seed) % (2 * WORLD),
					     .bottom_up = next_random(&seed) % 2 };
			struct us_range got = { 0 };
			uint64_t want = 0, largest = 0;
			struct us_err *err = us_map_place(&map, &w, &got, &largest);

			assert_int_equal(!err, search(model, &w, &want));
			if (!err) {
				assert_int_equal(got.start, want);
				assert_int_equal(got.size, w.size);
				assert_true(largest >= w.size);
			} else {
				assert_int_equal(err->code, US_ERR_NO_ROOM);
			}
			us_err_free(err);
		}
	}
}

static void test_place_error_names_the_largest_hole(void **state)
{
	_us_map_deinit_ struct us_map map = { 0 };
	struct us_wish w = { .size = 0x2000, .align = 0x1000, .min = 0x1000, .max = 0x4000 };
	struct us_range got;
	uint64_t largest = 0;
	struct us_err *err;

	(void)state;
	assert_null(us_map_set(&map, (struct us_range){ 0x0, 0x2000 }, US_MEM_RAM));
	err = us_map_place(&map, &w, &got, &largest);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_NO_ROOM);
	assert_int_equal(largest, 0x1000);
	assert_non_null(strstr(err->text, "0x4000"));
	us_err_free(err);
}

static void test_kinds_have_words_and_e820_numbers(void **state)
{
	(void)state;
	for (int k = 0; k < US_MEM_KINDS; k++) {
		assert_true(us_mem_kind_name((enum us_mem_kind)k)[0]);
		assert_true(us_mem_kind_e820((enum us_mem_kind)k) != 0);
	}
	assert_string_equal(us_mem_kind_name(US_MEM_RAM), "System RAM");
	assert_int_equal(us_mem_kind_e820(US_MEM_NVS), 4);
	assert_int_equal(us_mem_kind_e820(US_MEM_CRASH), 2);
	assert_int_equal(us_mem_kind_e820(US_MEM_SOFT_RESERVED), 0xefffffff);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_range_constructors_refuse_overflow),
		cmocka_unit_test(test_range_relations),
		cmocka_unit_test(test_align_up_says_when_it_overflows),
		cmocka_unit_test(test_map_equals_its_model),
		cmocka_unit_test(test_map_copy_stands_alone),
		cmocka_unit_test(test_place_equals_the_search_by_hand),
		cmocka_unit_test(test_place_error_names_the_largest_hole),
		cmocka_unit_test(test_kinds_have_words_and_e820_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
