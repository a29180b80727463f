/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of dumps that end early, in every format: each is a whole dump of fewer pages, the most
 * valuable ones, and no larger than it may be.
 */
#include "dump/test-world.h"

#include <sys/resource.h>
#include <unistd.h>

/* As dump(), to a stream: nothing can be written twice. */
static struct us_err *stream(const struct world *w, const struct us_dump_wish *wish,
			     const char *path, us_scan_fn scan_fn, struct us_dump_result *result)
{
	struct us_dump_job job = { .core = w->core, .wish = wish, .out = { .fd = -1 } };
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	struct us_err *err;

	assert_true(fd >= 0);
	memset(result, 0, sizeof(*result));
	job.scan = scan_fn;
	job.result = result;
	err = us_dump_run(&job, "-", fd);
	close(fd);
	return err;
}

static uint64_t zero_pages(const struct us_vmcore *core)
{
	uint64_t n = 0;

	for (uint64_t pfn = LOW; pfn < HIGH + HIGH_N; pfn++)
		n += is_memory(pfn) && pfn % 5 == 0 &&
		     us_vmcore_page_state(core, pfn) == US_PAGE_PRESENT;
	return n;
}

static void check_smaller(const struct world *w, const char *path, const struct us_dump_result *r,
			  uint64_t limit)
{
	struct us_vmcore *core = open_dump(path);
	uint64_t pages;

	assert_true(file_size(path) <= limit);
	assert_true(r->bytes_out == file_size(path));
	assert_false(core->incomplete);
	pages = right_pages(w, core);
	assert_true(pages == r->pages_kept);
	if (core->format == US_VMCORE_KDUMP) /* an ELF core counts those that have no bytes */
		assert_int_equal(zero_pages(core), r->pages_zero);
	assert_true(r->complete == !r->stopped);
	assert_int_equal(verified(core), 0);
	check_order_of_value(core);
	us_vmcore_free(core);
}

static void check_limits(const struct world *w, enum us_dump_format format, bool streams,
			 unsigned int level)
{
	struct us_dump_wish wish = wish_for(format, level, US_PAGE_LZO, 1);
	uint64_t whole, pages = 0;
	struct us_dump_result r;
	struct us_err *err;
	char path[128];

	name(w, "ended", path);
	assert_null(dump(w, &wish, path, NULL, &r));
	whole = r.bytes_out;
	for (unsigned int part = 0; part <= 40; part++) {
		wish.limit = whole * part / 40 + !part;
		err = streams ? stream(w, &wish, path, scan, &r) : dump(w, &wish, path, NULL, &r);
		if (err) { /* not even what is there for no page */
			assert_int_equal(err->code, US_ERR_NO_ROOM);
			assert_true(wish.limit < 300000);
			us_err_free(err);
			continue;
		}
		check_smaller(w, path, &r, wish.limit);
		assert_true(r.pages_kept >= pages);
		assert_true(r.complete == (part == 40));
		if (!r.complete)
			assert_string_equal(r.stopped, "limit");
		assert_true(r.pages_dropped || r.complete);
		pages = r.pages_kept;
	}
	assert_true(pages > 500);
}

static void test_no_limit_is_exceeded(void **state)
{
	static const unsigned int levels[] = { 0, 1, 16, 31 };

	for (size_t i = 0; i < us_array_size(levels); i++) {
		check_limits(*state, US_DUMP_FLAT, true, levels[i]);
		check_limits(*state, US_DUMP_ELF, true, levels[i]);
		check_limits(*state, US_DUMP_ELF, false, levels[i]);
	}
}

/* Nothing of it could be taken back: where it must end is known before. */
static void test_a_flattened_file_ends_before_its_room_does(void **state)
{
	const struct world *w = *state;
	struct us_dump_wish wish = wish_for(US_DUMP_FLAT, 1, US_PAGE_LZO, 2);
	struct us_dump_result r;
	struct rlimit was, now;
	char path[128];

	name(w, "room", path);
	assert_null(dump(w, &wish, path, NULL, &r));
	assert_true(r.complete);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
	now = was;
	now.rlim_cur = r.bytes_out / 2;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &now), 0);
	assert_null(dump(w, &wish, path, NULL, &r));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
	assert_string_equal(r.stopped, "no space left");
	check_smaller(w, path, &r, now.rlim_cur);
	assert_true(file_size(path) > now.rlim_cur / 4);
}

static void test_what_nobody_could_open_does_not_stay(void **state)
{
	static const enum us_dump_format formats[] = { US_DUMP_FLAT, US_DUMP_ELF };
	const struct world *w = *state;
	char path[128], unfinished[160];

	name(w, "useless", path);
	snprintf(unfinished, sizeof(unfinished), "%s.incomplete", path);
	for (size_t i = 0; i < us_array_size(formats); i++) {
		struct us_dump_wish wish = wish_for(formats[i], 0, US_PAGE_LZO, 1);
		struct us_dump_result r;
		struct us_err *err;

		wish.limit = 100;
		err = dump(w, &wish, path, NULL, &r);
		assert_non_null(err);
		us_err_free(err);
		assert_int_equal(access(unfinished, F_OK), -1);
	}
}

static void test_a_page_that_cannot_be_read_costs_a_stream_itself(void **state)
{
	const struct world *w = *state;
	uint64_t extra = LOW + LOW_N + 50;
	struct us_dump_job with = { .out = { .fd = -1 }, .scan_data = &extra };
	struct us_dump_wish wish = wish_for(US_DUMP_FLAT, 31, US_PAGE_ZSTD, 1);
	struct us_dump_result r;
	char path[128];

	name(w, "holes", path);
	assert_null(dump(w, &wish, path, &with, &r));
	assert_int_equal(r.pages_unreadable, 1);
	assert_true(r.complete);
	check_dump(w, path, 31);
}

/* The first classes come at once, the others when all time is over. */
static struct us_err *late_scan(void *data, us_run_fn fn, void *fn_data,
				struct us_progress *progress, struct us_scan *ret)
{
	US_TRY(scan(data, fn, fn_data, progress, ret));
	usleep(1100000);
	return NULL;
}

static void test_a_deadline_cuts_a_stream(void **state)
{
	const struct world *w = *state;
	struct us_dump_wish wish = wish_for(US_DUMP_ELF, 0, US_PAGE_RAW, 2);
	struct us_vmcore *core;
	struct us_dump_result r;
	char path[128];

	name(w, "late", path);
	wish.deadline_s = 1;
	assert_null(stream(w, &wish, path, late_scan, &r));
	assert_string_equal(r.stopped, "deadline");
	core = open_dump(path);
	assert_true(core->incomplete); /* its headers went out before */
	assert_true(right_pages(w, core) == r.pages_kept);
	us_vmcore_free(core);
	wish.format = US_DUMP_FLAT;
	assert_null(stream(w, &wish, path, late_scan, &r));
	assert_string_equal(r.stopped, "deadline");
	check_smaller(w, path, &r, UINT64_MAX);
}

static void test_by_value_or_by_address_an_elf_core_is_the_same(void **state)
{
	const struct world *w = *state;
	struct us_dump_wish wish = wish_for(US_DUMP_ELF, 1, US_PAGE_RAW, 2);
	struct us_dump_result r;
	char path[128];

	name(w, "value", path);
	wish.deadline_s = 1000;
	assert_null(dump(w, &wish, path, NULL, &r));
	assert_true(r.complete);
	check_dump(w, path, 1);
	assert_null(stream(w, &wish, path, scan, &r));
	assert_true(r.complete);
	check_dump(w, path, 1);
}

/* What comes after half of the time is not looked at any more. */
static struct us_err *slow_scan(void *data, us_run_fn fn, void *fn_data,
				struct us_progress *progress, struct us_scan *ret)
{
	(void)data;
	(void)progress;
	(void)ret;
	for (uint64_t pfn = LOW; pfn < HIGH + HIGH_N; pfn++) {
		struct us_run run = { .pfn = pfn, .count = 1, .class = class_of(pfn) };

		if (pfn == HIGH)
			usleep(1100000);
		if (is_memory(pfn))
			US_TRY(fn(fn_data, &run));
	}
	return NULL;
}

static void test_a_scan_that_takes_too_long_is_ended(void **state)
{
	const struct world *w = *state;
	struct us_dump_wish wish = wish_for(US_DUMP_KDUMP, 31, US_PAGE_LZO, 1);
	struct us_dump_result r;
	char path[128];

	name(w, "slow", path);
	wish.deadline_s = 2;
	for (unsigned int f = US_DUMP_KDUMP; f <= US_DUMP_FLAT; f++) {
		struct us_dump_job job = {
			.core = w->core, .wish = &wish, .scan = slow_scan, .out = { .fd = -1 }
		};
		struct us_vmcore *core;
		uint64_t unsorted = 0;

		job.result = &r;
		wish.format = f;
		memset(&r, 0, sizeof(r));
		assert_null(us_dump_run(&job, path, -1));
		assert_true(r.complete); /* there was time left to write it all */
		assert_non_null(strstr(r.scan.notes[0], "not sorted yet"));
		core = open_dump(path);
		for (uint64_t pfn = LOW; pfn < HIGH + HIGH_N; pfn++) {
			bool in = us_vmcore_page_state(core, pfn) == US_PAGE_PRESENT;

			if (is_memory(pfn) && in != kept(pfn, 31)) {
				assert_true(in && pfn >= HIGH - 64);
				unsorted++;
			}
		}
		assert_true(unsorted > HIGH_N / 2);
		assert_int_equal(right_pages(w, core), r.pages_kept);
		us_vmcore_free(core);
		us_dump_result_deinit(&r);
	}
}

/* Too many pages for descriptors in memory: by address, but only the most valuable ones. */
static void test_a_limit_of_a_large_stream_takes_the_most_valuable(void **state)
{
	const struct world *w = *state;
	uint8_t bytes[2 * PAGE] = { 0 };
	struct world large = { .core = tib_core(bytes, sizeof(bytes)) };
	struct us_dump_wish wish = wish_for(US_DUMP_FLAT, 31, US_PAGE_LZO, 1);
	struct us_dump_result r;
	struct us_vmcore *core;
	uint64_t there = 0, lost = 0, last = 0;
	char path[128];

	name(w, "tib", path);
	assert_null(stream(&large, &wish, path, scan_tib, &r));
	assert_true(r.complete);
	wish.limit = r.bytes_out - r.pages_kept * US_DESC_BYTES / 4;
	assert_null(stream(&large, &wish, path, scan_tib, &r));
	assert_string_equal(r.stopped, "limit");
	assert_true(file_size(path) <= wish.limit && file_size(path) > wish.limit * 9 / 10);
	core = open_dump(path);
	assert_false(core->incomplete);
	for (uint64_t pfn = 0, n; pfn < core->max_pfn; pfn += n) {
		enum us_page_state is;

		n = us_vmcore_page_run(core, pfn, core->max_pfn - pfn, &is);
		there += is == US_PAGE_PRESENT ? n : 0;
		lost += is == US_PAGE_LOST ? n : 0;
		last = is == US_PAGE_PRESENT ? pfn : last;
	}
	assert_true(there == r.pages_kept && !lost);
	assert_true(last > core->max_pfn / 100 * 99); /* not what comes first by address */
	assert_true(r.pages_dropped > r.pages_kept / 5);
	us_vmcore_free(core);
	assert_int_equal(unlink(path), 0);
	us_vmcore_free(large.core);
}

#define FILES 3

/* A set with classes, which us_dump_split() takes from a layout only. */
static struct us_err *split(const struct world *w, const struct us_dump_wish *wish,
			    char paths[FILES][128], size_t runs_bytes, struct us_dump_result *r)
{
	struct us_out outs[FILES] = { 0 };
	struct us_dump_job job = { .core = w->core, .wish = wish, .scan = scan, .result = r };
	struct us_err *err;

	memset(r, 0, sizeof(*r));
	us_runs_init(&job.runs, runs_bytes);
	for (size_t i = 0; i < FILES; i++) {
		assert_null(us_out_open(paths[i], -1, true, &outs[i]));
		outs[i].no_sync = true;
	}
	err = us_dump_kdump_set(&job, outs, FILES);
	for (size_t i = 0; i < FILES; i++)
		us_out_deinit(&outs[i]);
	us_runs_deinit(&job.runs);
	return err;
}

static void check_set(const struct world *w, char paths[FILES][128], const struct us_dump_result *r,
		      bool in_order)
{
	const char *set[FILES] = { paths[1], paths[0], paths[2] };
	struct us_dump_wish wish = wish_for(US_DUMP_KDUMP, 0, US_PAGE_LZO, 1);
	struct us_dump_result joined;
	struct us_vmcore *core;
	struct us_err *err;
	char path[128];

	name(w, "joined", path);
	err = us_vmcore_open(set, FILES, &core);
	if (err)
		fail_msg("%s", err->text);
	assert_false(core->incomplete);
	assert_int_equal(right_pages(w, core), r->pages_kept);
	assert_int_equal(verified(core), 0);
	for (size_t i = 0; in_order && i < FILES; i++) {
		uint64_t share[2];
		int fd = open(paths[i], O_RDONLY);

		assert_int_equal(pread(fd, share, sizeof(share), PAGE + 80), sizeof(share));
		check_order_in(core, share[0], share[1]);
		close(fd);
	}
	assert_null(us_dump_write(core, NULL, &wish, path, -1, NULL, &joined));
	us_dump_result_deinit(&joined);
	us_vmcore_free(core);
	core = open_dump(path);
	assert_int_equal(right_pages(w, core), r->pages_kept);
	us_vmcore_free(core);
}

static void test_a_set_short_of_room_is_a_smaller_set(void **state)
{
	const struct world *w = *state;
	struct us_dump_wish wish = wish_for(US_DUMP_KDUMP, 16, US_PAGE_LZO, 2);
	uint64_t whole = 0, closed = 0;
	char paths[FILES][128];
	struct us_dump_result r;

	for (unsigned int i = 0; i < FILES; i++) {
		name(w, "part", paths[i]);
		snprintf(paths[i] + strlen(paths[i]), 8, ".%u", i);
	}
	for (unsigned int part = 40; part; part--) {
		bool runs_fit = part % 2;
		struct us_err *err;

		wish.jobs = 1 + part / 2 % 2;
		err = split(w, &wish, paths, runs_fit ? 1 << 20 : 1, &r);

		if (err) {
			assert_int_equal(err->code, US_ERR_NO_ROOM);
			us_err_free(err);
			continue;
		}
		for (unsigned int i = 0; i < FILES; i++) {
			assert_true(!wish.limit || file_size(paths[i]) <= wish.limit);
			if (file_size(paths[i]) > whole)
				whole = file_size(paths[i]);
		}
		check_set(w, paths, &r, runs_fit && wish.jobs == 1);
		closed += !r.complete;
		wish.limit = whole * (part - 1) / 40;
	}
	assert_true(closed > 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_limit_is_exceeded),
		cmocka_unit_test(test_a_flattened_file_ends_before_its_room_does),
		cmocka_unit_test(test_what_nobody_could_open_does_not_stay),
		cmocka_unit_test(test_a_page_that_cannot_be_read_costs_a_stream_itself),
		cmocka_unit_test(test_a_deadline_cuts_a_stream),
		cmocka_unit_test(test_a_limit_of_a_large_stream_takes_the_most_valuable),
		cmocka_unit_test(test_a_scan_that_takes_too_long_is_ended),
		cmocka_unit_test(test_by_value_or_by_address_an_elf_core_is_the_same),
		cmocka_unit_test(test_a_set_short_of_room_is_a_smaller_set),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
