/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of opening dumps and reading their memory, on what tests/fixtures/dumps describes: each
 * page there holds numbers made of its own page number and their place, or one byte all over.
 */
#include "vmcore/vmcore.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

#include <pthread.h>
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define FLAT_HEADER_BYTES 4096
#define NUMBERS           (-1) /* a page as above; else the byte that it is full of */

static const struct {
	const char *file;
	enum us_vmcore_format format;
	bool flattened, big;
	enum us_arch_id arch;
	uint32_t page_bytes;
	const char *release;
	uint64_t crash_time;
	int level;
	bool incomplete;
	size_t n_notes, n_ram, n_loads, n_warnings;
} dumps[] = {
	{ "vmcore-elf/elf", US_VMCORE_ELF, false, false, US_ARCH_X86_64, 4096, "6.1.0-test",
	  1700000000, -1, false, 4, 3, 4, 0 },
	{ "vmcore-elf/elf-qemu", US_VMCORE_ELF, false, false, US_ARCH_X86_64, 4096, "6.12.0", 0, -1,
	  false, 3, 2, 2, 0 },
	{ "vmcore-elf/elf-xnum", US_VMCORE_ELF, false, false, US_ARCH_X86_64, 4096, "6.6.0", 0, -1,
	  false, 1, 2, 2, 0 },
	{ "vmcore-elf/elf-big", US_VMCORE_ELF, false, true, US_ARCH_S390X, 4096, "", 0, -1, false,
	  1, 1, 1, 0 },
	{ "vmcore-elf/elf-arm64", US_VMCORE_ELF, false, false, US_ARCH_ARM64, 65536, "6.12.0", 0,
	  -1, true, 1, 1, 1, 1 },
	{ "flat/elf-flat", US_VMCORE_ELF, true, false, US_ARCH_X86_64, 4096, "6.1.0", 0, -1, false,
	  1, 1, 1, 0 },
	{ "vmcore-kdump/kdump", US_VMCORE_KDUMP, false, false, US_ARCH_X86_64, 4096, "6.1.0-test",
	  1700000001, 31, true, 2, 2, 2, 0 },
	{ "vmcore-kdump/kdump-v1", US_VMCORE_KDUMP, false, false, US_ARCH_X86_64, 4096, "6.1.0", 0,
	  1, false, 0, 2, 2, 0 },
	{ "vmcore-kdump/kdump-v2", US_VMCORE_KDUMP, false, false, US_ARCH_X86_64, 4096, "6.1.0", 0,
	  1, false, 0, 2, 2, 0 },
	{ "vmcore-kdump/kdump-v3", US_VMCORE_KDUMP, false, false, US_ARCH_X86_64, 4096, "5.4.0", 0,
	  1, false, 0, 2, 2, 0 },
	{ "vmcore-kdump/kdump-v4", US_VMCORE_KDUMP, false, false, US_ARCH_X86_64, 4096, "5.4.0", 0,
	  1, false, 2, 2, 2, 0 },
	{ "vmcore-kdump/kdump-v5", US_VMCORE_KDUMP, false, false, US_ARCH_X86_64, 4096, "5.4.0", 0,
	  1, false, 2, 2, 2, 0 },
	{ "vmcore-kdump/diskdump", US_VMCORE_DISKDUMP, false, false, US_ARCH_X86_64, 4096, "2.6.9",
	  0, 0, false, 0, 2, 2, 0 },
	{ "vmcore-kdump/kdump-big", US_VMCORE_KDUMP, false, true, US_ARCH_PPC64, 65536, "6.6.0", 0,
	  0, false, 2, 2, 2, 0 },
	{ "vmcore-kdump/kdump-i386", US_VMCORE_KDUMP, false, false, US_ARCH_I386, 4096, "5.10.0", 0,
	  0, false, 1, 1, 1, 0 },
	{ "vmcore-kdump/kdump-arm", US_VMCORE_KDUMP, false, false, US_ARCH_ARM, 4096, "5.10.0", 0,
	  0, false, 1, 1, 1, 0 },
	{ "flat/kdump-flat", US_VMCORE_KDUMP, true, false, US_ARCH_X86_64, 4096, "6.1.0", 0, 0,
	  false, 2, 1, 1, 0 },
	{ "vmcore-kdump/kdump-split.1", US_VMCORE_KDUMP, false, false, US_ARCH_X86_64, 4096,
	  "6.1.0", 0, 0, true, 2, 4, 4, 1 },
};

static const struct {
	const char *file;
	uint64_t pfn, count;
	enum us_page_state state;
	int holds;
} pages[] = {
	{ "vmcore-elf/elf", 0, 1, US_PAGE_ABSENT, 0 },
	{ "vmcore-elf/elf", 1, 5, US_PAGE_PRESENT, NUMBERS },
	{ "vmcore-elf/elf", 6, 2, US_PAGE_ABSENT, 0 },
	{ "vmcore-elf/elf", 8, 1, US_PAGE_PRESENT, NUMBERS },
	{ "vmcore-elf/elf", 0x10, 1, US_PAGE_PRESENT, NUMBERS },
	{ "vmcore-elf/elf", 0x11, 3, US_PAGE_PRESENT, 0 },
	{ "vmcore-elf/elf", 0x14, 2, US_PAGE_ABSENT, 0 },
	{ "vmcore-elf/elf-qemu", 0, 2, US_PAGE_PRESENT, NUMBERS },
	{ "vmcore-elf/elf-qemu", 0x100, 1, US_PAGE_PRESENT, NUMBERS },
	{ "vmcore-elf/elf-xnum", 2, 1, US_PAGE_PRESENT, NUMBERS },
	{ "vmcore-elf/elf-xnum", 4, 1, US_PAGE_PRESENT, NUMBERS },
	{ "vmcore-elf/elf-big", 0, 3, US_PAGE_PRESENT, NUMBERS },
	{ "flat/elf-flat", 1, 3, US_PAGE_PRESENT, NUMBERS },
	{ "vmcore-kdump/kdump", 0, 1, US_PAGE_ABSENT, 0 },
	{ "vmcore-kdump/kdump", 1, 10, US_PAGE_PRESENT, NUMBERS },
	{ "vmcore-kdump/kdump", 11, 2, US_PAGE_PRESENT, 0 },
	{ "vmcore-kdump/kdump", 13, 1, US_PAGE_PRESENT, 0x55 },
	{ "vmcore-kdump/kdump", 14, 4, US_PAGE_EXCLUDED, 0 },
	{ "vmcore-kdump/kdump", 18, 1, US_PAGE_LOST, 0 },
	{ "vmcore-kdump/kdump", 19, 13, US_PAGE_ABSENT, 0 },
	{ "vmcore-kdump/kdump", 32, 2, US_PAGE_PRESENT, 0xaa },
	{ "vmcore-kdump/kdump", 34, 1, US_PAGE_PRESENT, NUMBERS },
	{ "vmcore-kdump/kdump", 35, 9, US_PAGE_ABSENT, 0 },
	{ "vmcore-kdump/kdump-v1", 2, 3, US_PAGE_PRESENT, NUMBERS },
	{ "vmcore-kdump/kdump-v2", 2, 3, US_PAGE_PRESENT, NUMBERS },
	{ "vmcore-kdump/kdump-v3", 2, 3, US_PAGE_PRESENT, NUMBERS },
	{ "vmcore-kdump/kdump-v4", 2, 3, US_PAGE_PRESENT, NUMBERS },
	{ "vmcore-kdump/kdump-v5", 8, 1, US_PAGE_EXCLUDED, 0 },
	{ "vmcore-kdump/diskdump", 0, 2, US_PAGE_PRESENT, NUMBERS },
	{ "vmcore-kdump/diskdump", 4, 2, US_PAGE_PRESENT, NUMBERS },
	{ "vmcore-kdump/kdump-big", 1, 1, US_PAGE_PRESENT, 0x11 },
	{ "vmcore-kdump/kdump-big", 3, 1, US_PAGE_PRESENT, NUMBERS },
	{ "vmcore-kdump/kdump-i386", 1, 3, US_PAGE_PRESENT, NUMBERS },
	{ "vmcore-kdump/kdump-arm", 0x80001, 3, US_PAGE_PRESENT, 0x33 },
	{ "vmcore-kdump/kdump-arm", 1, 3, US_PAGE_ABSENT, 0 },
	{ "flat/kdump-flat", 2, 6, US_PAGE_PRESENT, NUMBERS },
	{ "vmcore-kdump/kdump-split.1", 2, 4, US_PAGE_PRESENT, NUMBERS },
	{ "vmcore-kdump/kdump-split.1", 6, 4, US_PAGE_LOST, 0 },
};

static const char *seed_path(const char *file)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/../fuzz/corpus/%s", getenv("US_FIXTURES"), file);
	return path;
}

/* The seed of a flattened file lacks its first header. */
static void load_seed(const char *file, struct us_blob *ret)
{
	static const uint8_t start[] = "makedumpfile\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1";
	_us_blob_deinit_ struct us_blob raw = { 0 };
	size_t skip = strncmp(file, "flat/", 5) == 0 ? FLAT_HEADER_BYTES : 0;

	assert_null(us_file_map(seed_path(file), &raw));
	assert_null(us_blob_new(raw.n + skip, ret));
	memcpy(ret->p + skip, raw.p, raw.n);
	if (skip)
		memcpy(ret->p, start, sizeof(start) - 1);
}

static struct us_vmcore *parse(const char *file, struct us_blob *blob)
{
	struct us_vmcore *core = NULL;
	struct us_err *err;

	load_seed(file, blob);
	err = us_vmcore_parse(file, us_blob_bytes(blob), &core);
	if (err)
		fail_msg("%s: %s", file, err->text);
	return core;
}

static size_t count(const char *const *list)
{
	size_t n = 0;

	while (list[n])
		n++;
	return n;
}

static void test_headers_say_what_the_dump_is(void **state)
{
	(void)state;
	for (size_t i = 0; i < us_array_size(dumps); i++) {
		_us_blob_deinit_ struct us_blob blob = { 0 };
		_us_vmcore_free_ struct us_vmcore *core = parse(dumps[i].file, &blob);

		assert_int_equal(core->format, dumps[i].format);
		assert_int_equal(core->flattened, dumps[i].flattened);
		assert_int_equal(core->big_endian, dumps[i].big);
		assert_int_equal(core->arch->id, dumps[i].arch);
		assert_int_equal(core->page_bytes, dumps[i].page_bytes);
		assert_string_equal(core->release, dumps[i].release);
		assert_int_equal(core->crash_time, dumps[i].crash_time);
		assert_int_equal(core->dump_level, dumps[i].level);
		assert_int_equal(core->incomplete, dumps[i].incomplete);
		assert_int_equal(core->n_notes, dumps[i].n_notes);
		assert_int_equal(core->n_ram, dumps[i].n_ram);
		assert_int_equal(core->n_loads, dumps[i].n_loads);
		assert_int_equal(count(core->warnings), dumps[i].n_warnings);
		assert_int_equal(core->n_files, 1);
		assert_int_equal(us_range_end(core->ram[core->n_ram - 1]),
				 core->max_pfn << core->page_shift);
	}
}

static void assert_page(const uint8_t *page, size_t n, uint64_t pfn, int holds)
{
	for (size_t at = 0; at < n; at += 8) {
		uint64_t want = (uint64_t)(holds & 0xff) * 0x0101010101010101ull, got;

		if (holds == NUMBERS)
			want = pfn << 32 | at / 8;
		assert_true(us_le64(us_bytes_of(page, n), at, &got));
		assert_int_equal(got, want);
	}
}

static void assert_missing(struct us_err *err)
{
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_NOT_FOUND);
	assert_non_null(strstr(err->text, "0x"));
	us_err_free(err);
}

static void check_page(const struct us_vmcore *core, struct us_vmcore_reader *reader, uint64_t pfn,
		       enum us_page_state state, int holds)
{
	_us_free_ uint8_t *page = malloc(core->page_bytes);
	uint64_t phys = pfn << core->page_shift;
	struct us_bytes window;

	assert_non_null(page);
	assert_int_equal(us_vmcore_page_state(core, pfn), state);
	if (state != US_PAGE_PRESENT) {
		assert_missing(us_vmcore_read(core, phys + 8, page, 8));
		assert_missing(us_vmcore_window(reader, phys, core->page_bytes, &window));
		return;
	}
	assert_null(us_vmcore_read(core, phys, page, core->page_bytes));
	assert_page(page, core->page_bytes, pfn, holds);
	for (size_t at = 0; at < core->page_bytes; at += window.n) {
		assert_null(us_vmcore_window(reader, phys + at, core->page_bytes - at, &window));
		assert_true(window.n && window.n <= core->page_bytes - at);
		assert_memory_equal(window.p, page + at, window.n);
	}
}

static void test_pages_hold_what_was_put_there(void **state)
{
	(void)state;
	for (size_t i = 0; i < us_array_size(pages); i++) {
		_us_blob_deinit_ struct us_blob blob = { 0 };
		_us_vmcore_free_ struct us_vmcore *core = parse(pages[i].file, &blob);
		struct us_vmcore_reader *reader;

		assert_null(us_vmcore_reader_new(core, &reader));
		for (uint64_t k = 0; k < pages[i].count; k++)
			check_page(core, reader, pages[i].pfn + k, pages[i].state, pages[i].holds);
		us_vmcore_reader_free(reader);
	}
}

static void test_reads_cross_pages_and_stop_where_memory_ends(void **state)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	_us_vmcore_free_ struct us_vmcore *core = parse("vmcore-kdump/kdump", &blob);
	uint8_t got[3 * 4096];
	struct us_err *err;
	uint64_t word;

	(void)state;
	assert_null(us_vmcore_read(core, 0x1ff8, got, 4096 + 16));
	assert_true(us_le64(us_bytes_of(got, 8), 0, &word));
	assert_int_equal(word, 1ull << 32 | 511);
	assert_true(us_le64(us_bytes_of(got + 4096 + 8, 8), 0, &word));
	assert_int_equal(word, 3ull << 32);
	err = us_vmcore_read(core, 0xd000, got, sizeof(got));
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_NOT_FOUND);
	assert_non_null(strstr(err->text, "0xe000"));
	us_err_free(err);
	assert_missing(us_vmcore_read(core, UINT64_MAX - 4, got, 16));
	assert_null(us_vmcore_read(core, 0xd000, got, 0));
}

/* The last half page of a stretch of RAM reads as zero, and so does the part before a first one. */
static void test_a_part_of_a_page_is_filled_with_zeros(void **state)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	_us_vmcore_free_ struct us_vmcore *core = parse("vmcore-elf/elf", &blob);
	uint8_t page[4096];

	(void)state;
	assert_int_equal(us_vmcore_page_state(core, 9), US_PAGE_PRESENT);
	assert_null(us_vmcore_read(core, 0x9000, page, sizeof(page)));
	assert_page(page, 2048, 9, NUMBERS);
	assert_page(page + 2048, 2048, 9, 0);
}

/* Its 16 KiB are a part of a page of 64; the last 512 bytes are missing in the file. */
static void test_what_is_left_of_a_lost_page_can_be_read(void **state)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	_us_vmcore_free_ struct us_vmcore *core = parse("vmcore-elf/elf-arm64", &blob);
	uint8_t part[0x4000];

	(void)state;
	assert_int_equal(us_vmcore_page_state(core, 0x4000), US_PAGE_LOST);
	assert_null(us_vmcore_read(core, 0x40000000, part, sizeof(part) - 512));
	assert_page(part, 4096, 0x40000, NUMBERS);
	assert_missing(us_vmcore_read(core, 0x40000000, part, sizeof(part)));
	assert_null(us_vmcore_read(core, 0x40004000, part, 4096));
	assert_page(part, 4096, 0, 0);
}

static void test_stored_pages_are_as_they_stand(void **state)
{
	static const uint32_t flags[] = { [1] = 0, [3] = 1, [5] = 2, [7] = 4, [9] = 0x20 };
	_us_blob_deinit_ struct us_blob blob = { 0 };
	_us_vmcore_free_ struct us_vmcore *core = parse("vmcore-kdump/kdump", &blob);
	struct us_vmcore_reader *reader;
	struct us_stored_page stored, other;
	struct us_err *err;

	(void)state;
	assert_null(us_vmcore_reader_new(core, &reader));
	for (uint64_t pfn = 1; pfn < 10; pfn += 2) {
		assert_null(us_vmcore_stored_page(reader, pfn, &stored));
		assert_int_equal(stored.flags, flags[pfn]);
		assert_int_equal(stored.page_flags, 0);
		assert_true(pfn == 1 ? stored.bytes.n == 4096 : stored.bytes.n < 4096);
		assert_ptr_equal(stored.bytes.p, blob.p + stored.offset);
	}
	assert_null(us_vmcore_stored_page(reader, 32, &stored));
	assert_null(us_vmcore_stored_page(reader, 33, &other));
	assert_int_equal(stored.offset, other.offset);
	assert_missing(us_vmcore_stored_page(reader, 14, &stored));
	us_vmcore_reader_free(reader);
	us_vmcore_free(us_steal(&core));
	us_blob_deinit(&blob);
	core = parse("vmcore-elf/elf", &blob);
	assert_null(us_vmcore_reader_new(core, &reader));
	err = us_vmcore_stored_page(reader, 1, &stored);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_UNSUPPORTED);
	us_err_free(err);
	us_vmcore_reader_free(reader);
}

static struct us_err *open_parts(const char *first, const char *second, const char *third,
				 struct us_vmcore **ret)
{
	const char *names[] = { first, second, third }, *paths[3];
	char kept[3][4096];
	size_t n = 0;

	for (; n < 3 && names[n]; n++) {
		snprintf(kept[n], sizeof(kept[n]), "%s", seed_path(names[n]));
		paths[n] = kept[n];
	}
	return us_vmcore_open(paths, n, ret);
}

#define PART "vmcore-kdump/kdump-split"

static void test_a_split_set_is_one_dump_in_any_order(void **state)
{
	static const char *const orders[][3] = { { PART ".1", PART ".2", PART ".3" },
						 { PART ".3", PART ".1", PART ".2" } };

	(void)state;
	for (size_t i = 0; i < us_array_size(orders); i++) {
		_us_vmcore_free_ struct us_vmcore *core = NULL;
		struct us_vmcore_reader *reader;

		assert_null(open_parts(orders[i][0], orders[i][1], orders[i][2], &core));
		assert_int_equal(core->n_files, 3);
		assert_false(core->incomplete);
		assert_null(core->warnings[0]);
		assert_null(us_vmcore_reader_new(core, &reader));
		for (uint64_t pfn = 0; pfn < 40; pfn++) {
			bool there = (pfn >= 2 && pfn < 10) || (pfn >= 19 && pfn < 23) ||
				     (pfn >= 30 && pfn < 32);

			check_page(core, reader, pfn,
				   there                    ? US_PAGE_PRESENT
				   : pfn == 12 || pfn == 13 ? US_PAGE_EXCLUDED
							    : US_PAGE_ABSENT,
				   NUMBERS);
		}
		us_vmcore_reader_free(reader);
	}
}

static void test_a_set_with_a_missing_file_loses_its_pages_only(void **state)
{
	_us_vmcore_free_ struct us_vmcore *core = NULL;
	struct us_vmcore_reader *reader;

	(void)state;
	assert_null(open_parts(PART ".3", PART ".1", NULL, &core));
	assert_true(core->incomplete);
	assert_non_null(strstr(core->warnings[0], "0x6 to 0x14"));
	assert_null(us_vmcore_reader_new(core, &reader));
	check_page(core, reader, 2, US_PAGE_PRESENT, NUMBERS);
	check_page(core, reader, 6, US_PAGE_LOST, 0);
	check_page(core, reader, 19, US_PAGE_LOST, 0);
	check_page(core, reader, 20, US_PAGE_PRESENT, NUMBERS);
	us_vmcore_reader_free(reader);
}

static void assert_refused(struct us_err *err, enum us_err_code code, const char *words)
{
	assert_non_null(err);
	assert_int_equal(err->code, code);
	if (!strstr(err->text, words))
		fail_msg("'%s' does not say '%s'", err->text, words);
	us_err_free(err);
}

static void test_what_is_no_dump_is_named(void **state)
{
	struct us_vmcore *core = NULL;
	static const char gzip[] = "\x1f\x8b..............", text[] = "nothing of that kind";
	static const char elf32[64] = "\177ELF\1\1\1";

	(void)state;
	assert_refused(us_vmcore_parse("x", us_bytes_of(gzip, sizeof(gzip)), &core),
		       US_ERR_UNSUPPORTED, "gzip");
	assert_refused(us_vmcore_parse("x", us_bytes_of(text, sizeof(text)), &core),
		       US_ERR_BAD_DATA, "no dump");
	assert_refused(us_vmcore_parse("x", us_bytes_of(elf32, sizeof(elf32)), &core),
		       US_ERR_UNSUPPORTED, "32-bit");
	assert_refused(us_vmcore_parse("x", us_bytes_of(NULL, 0), &core), US_ERR_BAD_DATA, "empty");
	assert_refused(open_parts("vmcore-elf/elf", "vmcore-elf/elf-big", NULL, &core),
		       US_ERR_USAGE, "split");
	assert_refused(open_parts(PART ".1", "vmcore-kdump/kdump", NULL, &core), US_ERR_BAD_DATA,
		       "not of the same");
	assert_refused(open_parts("vmcore-elf/none", NULL, NULL, &core), US_ERR_NOT_FOUND, "none");
	assert_refused(open_parts(NULL, NULL, NULL, &core), US_ERR_USAGE, "no dump");
	assert_refused(open_parts(".", NULL, NULL, &core), US_ERR_OS, "directory");
	assert_refused(open_parts("vmcore-elf/elf-process", NULL, NULL, &core), US_ERR_UNSUPPORTED,
		       "core of a process");
	assert_null(core);
}

static void test_a_cut_flattened_file_keeps_what_it_has(void **state)
{
	_us_vmcore_free_ struct us_vmcore *core = NULL;
	_us_blob_deinit_ struct us_blob blob = { 0 };
	size_t lost = 0;

	(void)state;
	load_seed("flat/kdump-flat", &blob);
	assert_null(us_vmcore_parse("x", us_bytes_of(blob.p, blob.n - 3000), &core));
	assert_true(core->flattened && core->incomplete);
	assert_non_null(strstr(core->warnings[0], "end mark"));
	for (uint64_t pfn = 2; pfn < 8; pfn++)
		lost += us_vmcore_page_state(core, pfn) == US_PAGE_LOST;
	assert_int_equal(lost, 1); /* data stand in reverse order: page 2 is the last */
	assert_int_equal(us_vmcore_page_state(core, 2), US_PAGE_LOST);
}

#define THREADS 4

struct work {
	const struct us_vmcore *core;
	unsigned int wrong;
};

static void *read_all(void *data)
{
	struct work *work = data;
	struct us_vmcore_reader *reader = NULL;
	uint64_t word, want;

	if (us_vmcore_reader_new(work->core, &reader))
		return NULL;
	for (unsigned int round = 0; round < 200; round++)
		for (uint64_t pfn = 1; pfn < 11; pfn++) {
			struct us_bytes window = { 0 };
			uint8_t raw[8];

			want = pfn << 32 | 1;
			work->wrong += us_vmcore_read(work->core, (pfn << 12) + 8, raw, 8) ||
				       !us_le64(us_bytes_of(raw, 8), 0, &word) || word != want;
			work->wrong += us_vmcore_window(reader, (pfn << 12) + 8, 8, &window) ||
				       !us_le64(window, 0, &word) || word != want;
		}
	us_vmcore_reader_free(reader);
	return data;
}

static void test_many_threads_read_at_once(void **state)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	_us_vmcore_free_ struct us_vmcore *core = parse("vmcore-kdump/kdump", &blob);
	pthread_t threads[THREADS];
	struct work work[THREADS];

	(void)state;
	for (size_t i = 0; i < THREADS; i++) {
		work[i] = (struct work){ .core = core };
		assert_int_equal(pthread_create(&threads[i], NULL, read_all, &work[i]), 0);
	}
	for (size_t i = 0; i < THREADS; i++) {
		void *done = NULL;

		assert_int_equal(pthread_join(threads[i], &done), 0);
		assert_ptr_equal(done, &work[i]);
		assert_int_equal(work[i].wrong, 0);
	}
}

/* What is joined takes memory: a file of a few pages could claim all that there is. */
static void test_notes_claim_no_more_than_the_file_has(void **state)
{
	static uint8_t file[8192];
	Elf64_Ehdr head = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					 ELFDATA2LSB, EV_CURRENT },
			    .e_type = ET_CORE,
			    .e_machine = EM_X86_64,
			    .e_phoff = sizeof(head),
			    .e_phentsize = sizeof(Elf64_Phdr),
			    .e_phnum = 60 };
	Elf64_Phdr all = { .p_type = PT_NOTE, .p_filesz = sizeof(file) };
	Elf64_Phdr load = { .p_type = PT_LOAD, .p_memsz = 4096 };
	struct us_vmcore *core = NULL;

	(void)state;
	memcpy(file, &head, sizeof(head));
	for (size_t i = 0; i < 59; i++)
		memcpy(file + sizeof(head) + i * sizeof(all), &all, sizeof(all));
	memcpy(file + sizeof(head) + 59 * sizeof(all), &load, sizeof(load));
	assert_null(us_vmcore_parse("greedy", us_bytes_of(file, sizeof(file)), &core));
	assert_true(core->notes_raw.n <= sizeof(file));
	assert_non_null(strstr(core->warnings[0], "more bytes than the file has"));
	us_vmcore_free(core);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers_say_what_the_dump_is),
		cmocka_unit_test(test_pages_hold_what_was_put_there),
		cmocka_unit_test(test_reads_cross_pages_and_stop_where_memory_ends),
		cmocka_unit_test(test_a_part_of_a_page_is_filled_with_zeros),
		cmocka_unit_test(test_what_is_left_of_a_lost_page_can_be_read),
		cmocka_unit_test(test_stored_pages_are_as_they_stand),
		cmocka_unit_test(test_a_split_set_is_one_dump_in_any_order),
		cmocka_unit_test(test_a_set_with_a_missing_file_loses_its_pages_only),
		cmocka_unit_test(test_what_is_no_dump_is_named),
		cmocka_unit_test(test_a_cut_flattened_file_keeps_what_it_has),
		cmocka_unit_test(test_many_threads_read_at_once),
		cmocka_unit_test(test_notes_claim_no_more_than_the_file_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
