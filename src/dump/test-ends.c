/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of dumps that end early, in every format: each is a whole dump of fewer pages, the most
 * valuable ones, and no larger than it may be.
 */
#include "dump/test-world.h"

#include <unistd.h>

#define JOBS_DIFFER (64u << 10)

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
	assert_true(r->complete == !r->stopped);
	assert_int_equal(verified(core), 0);
	check_order_of_value(core);
	us_vmcore_free(core);
}

static void check_limits(const struct world *w, enum us_dump_format format, bool streams,
			 unsigned int level)
{
	struct us_dump_wish wish = wish_for(format, level, US_PAGE_LZO, 2);
	uint64_t whole, pages = 0;
	struct us_dump_result r;
	struct us_err *err;
	char path[128];

	name(w, "ended", path);
	assert_null(dump(w, &wish, path, NULL, &r));
	whole = r.bytes_out;
	for (unsigned int part = 0; part <= 40; part++) {
		wish.limit = whole * part / 40 + !part;
		if (part == 40) /* jobs share pages of their own: it is not always the same size */
			wish.limit += JOBS_DIFFER;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_limit_is_exceeded),
		cmocka_unit_test(test_a_page_that_cannot_be_read_costs_a_stream_itself),
		cmocka_unit_test(test_a_deadline_cuts_a_stream),
		cmocka_unit_test(test_by_value_or_by_address_an_elf_core_is_the_same),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
