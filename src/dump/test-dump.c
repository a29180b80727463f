/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of whole dumps: a made ELF core with made classes goes through every writer and is read
 * back page by page; writers are killed and disks fill up on the way.
 */
#include "dump/test-world.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void test_every_format_and_level_comes_back(void **state)
{
	static const unsigned int levels[] = { 0, 1, 2, 4, 8, 16, 31 };
	static const enum us_page_codec codecs[] = { US_PAGE_RAW,    US_PAGE_ZLIB, US_PAGE_LZO,
						     US_PAGE_SNAPPY, US_PAGE_ZSTD, US_PAGE_AUTO };
	const struct world *w = *state;
	struct us_dump_result r;
	char path[128];

	name(w, "dump", path);
	for (size_t i = 0; i < us_array_size(levels); i++)
		for (unsigned int f = US_DUMP_KDUMP; f <= US_DUMP_FLAT; f++) {
			struct us_dump_wish wish =
				wish_for(f, levels[i], codecs[(i + f) % 6], 1 + i % 3);

			assert_null(dump(w, &wish, path, NULL, &r));
			assert_true(r.complete);
			assert_null(r.stopped);
			check_dump(w, path, levels[i]);
			us_dump_result_deinit(&r);
		}
	for (size_t i = 0; i < us_array_size(codecs); i++) {
		struct us_dump_wish wish = wish_for(US_DUMP_KDUMP, 31, codecs[i], 2);

		assert_null(dump(w, &wish, path, NULL, &r));
		check_dump(w, path, 31);
	}
}

static void test_twins_point_to_the_same_bytes(void **state)
{
	const struct world *w = *state;
	struct us_dump_wish wish = wish_for(US_DUMP_ELF, 1, US_PAGE_RAW, 1);
	struct us_vmcore *core;
	struct us_dump_result r;
	char path[128];
	uint64_t twins = 0;

	name(w, "dump", path);
	assert_null(dump(w, &wish, path, NULL, &r));
	core = open_dump(path);
	for (size_t i = 0; i < core->n_loads; i++)
		for (size_t j = 0; j < core->n_loads; j++) {
			const struct us_vmcore_load *a = &core->loads[i], *b = &core->loads[j];

			if (a->virt < 0xffffffff80000000u || b->virt >= 0xffffffff80000000u ||
			    a->phys < b->phys || a->phys >= b->phys + b->file_bytes)
				continue;
			twins++;
			assert_true(a->offset - b->offset == a->phys - b->phys);
			assert_true(a->virt - 0xffffffff81000000u == a->phys - (HIGH + 10) * PAGE);
		}
	assert_true(twins > 0);
	us_vmcore_free(core);
}

static void test_no_memory_for_runs_is_no_loss(void **state)
{
	const struct world *w = *state;
	struct us_dump_job with = { .out = { .fd = -1 }, .runs = { .max_bytes = 1 } };
	struct us_dump_wish wish = wish_for(US_DUMP_KDUMP, 16, US_PAGE_LZO, 2);
	struct us_dump_result r;
	struct us_err *err;
	char path[128];

	name(w, "dump", path);
	assert_null(dump(w, &wish, path, &with, &r));
	check_dump(w, path, 16);
	wish.format = US_DUMP_FLAT;
	err = dump(w, &wish, path, &with, &r);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_NO_ROOM);
	us_err_free(err);
}

static void test_a_limit_gives_a_smaller_dump(void **state)
{
	const struct world *w = *state;
	struct us_dump_wish wish = wish_for(US_DUMP_KDUMP, 0, US_PAGE_LZO, 1);
	struct us_dump_result r;
	uint64_t whole, last = 0;
	char path[128];

	name(w, "dump", path);
	assert_null(dump(w, &wish, path, NULL, &r));
	whole = file_size(path);
	for (unsigned int part = 6; part <= 10; part++) {
		struct us_vmcore *core;
		uint64_t pages;

		wish.limit = whole * part / 10;
		assert_null(dump(w, &wish, path, NULL, &r));
		assert_true(file_size(path) <= wish.limit);
		core = open_dump(path);
		assert_false(core->incomplete);
		pages = right_pages(w, core);
		assert_int_equal(verified(core), 0);
		assert_true(pages == r.pages_kept || !r.complete);
		assert_true(r.complete == (part == 10));
		if (!r.complete)
			assert_string_equal(r.stopped, "limit");
		check_order_of_value(core);
		assert_true(pages >= last);
		last = pages;
		us_vmcore_free(core);
	}
	assert_true(last > 0);
}

static void test_a_page_that_cannot_be_read_costs_itself(void **state)
{
	const struct world *w = *state;
	uint64_t extra = LOW + LOW_N + 50;
	struct us_dump_job with = { .out = { .fd = -1 }, .scan_data = &extra };
	struct us_dump_wish wish = wish_for(US_DUMP_KDUMP, 31, US_PAGE_ZSTD, 1);
	struct us_dump_result r;
	char path[128];

	name(w, "dump", path);
	assert_null(dump(w, &wish, path, &with, &r));
	assert_int_equal(r.pages_unreadable, 1);
	assert_int_equal(r.pages_dropped, 0);
	assert_true(r.complete);
	check_dump(w, path, 31);
}

/* ---- writing that ends ---- */

struct fault {
	uint64_t bytes;            /* written until it happens */
	atomic_uint_fast64_t done; /* by all jobs */
	bool kills;
};

/* What a killed process leaves of a write is a number of whole memory pages of the file. */
static ssize_t failing_pwrite(void *data, int fd, const void *p, size_t n, off_t at)
{
	struct fault *f = data;
	uint64_t done, left;

	if (!f->kills) {
		uint64_t room = (uint64_t)at < f->bytes ? f->bytes - (uint64_t)at : 0;

		if (!room) {
			errno = ENOSPC;
			return -1;
		}
		return pwrite(fd, p, n < room ? n : (size_t)room, at);
	}
	done = atomic_fetch_add(&f->done, n);
	left = done < f->bytes ? f->bytes - done : 0;
	if (n >= left) {
		uint64_t end = us_align_down((uint64_t)at + left, PAGE);

		if (end > (uint64_t)at && pwrite(fd, p, (size_t)(end - (uint64_t)at), at) < 0)
			_exit(1);
		_exit(42);
	}
	return pwrite(fd, p, n, at);
}

static void dump_and_die(const struct world *w, const char *path, uint64_t bytes)
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		struct fault fault = { .bytes = bytes, .kills = true };
		struct us_dump_job with = {
			.out = { .fd = -1, .pwrite = failing_pwrite, .pwrite_data = &fault }
		};
		struct us_dump_wish wish = wish_for(US_DUMP_KDUMP, 8, US_PAGE_LZO, 1 + bytes % 2);
		struct us_dump_result r;

		_exit(dump(w, &wish, path, &with, &r) ? 1 : 0);
	}
	assert_true(waitpid(child, &status, 0) == child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 42);
}

/* The header's block is written last of the front: it is there or it is not. */
static bool has_header(const char *path)
{
	int fd = open(path, O_RDONLY);
	uint8_t head[PAGE];
	bool has;

	assert_true(fd >= 0);
	has = pread(fd, head, sizeof(head), 0) == sizeof(head) && !memcmp(head, "KDUMP   ", 8);
	if (!has)
		assert_true(file_size(path) <= 5 * PAGE);
	close(fd);
	return has;
}

static void test_killed_at_200_points_it_is_a_dump(void **state)
{
	const struct world *w = *state;
	struct us_dump_wish wish = wish_for(US_DUMP_KDUMP, 8, US_PAGE_LZO, 1);
	struct us_dump_result r;
	char path[128], unfinished[160];
	uint64_t whole, most = 0;

	name(w, "killed", path);
	snprintf(unfinished, sizeof(unfinished), "%s.incomplete", path);
	assert_null(dump(w, &wish, path, NULL, &r));
	whole = file_size(path);
	assert_int_equal(unlink(path), 0);
	srand(1);
	for (unsigned int i = 0; i < 200; i++) {
		struct us_vmcore *core;
		uint64_t pages;

		dump_and_die(w, path, 1 + (uint64_t)rand() % (whole - PAGE));
		assert_int_equal(access(path, F_OK), -1);
		if (!has_header(unfinished))
			continue;
		core = open_dump(unfinished);
		assert_true(core->incomplete);
		pages = right_pages(w, core);
		most = pages > most ? pages : most;
		us_vmcore_free(core);
	}
	assert_true(most > 1000);
}

static void test_full_disk_at_50_sizes_gives_a_smaller_dump(void **state)
{
	const struct world *w = *state;
	struct us_dump_wish wish = wish_for(US_DUMP_KDUMP, 0, US_PAGE_LZO, 1);
	struct us_dump_result r;
	unsigned int closed = 0;
	uint64_t whole;
	char path[128], unfinished[160];

	name(w, "full", path);
	snprintf(unfinished, sizeof(unfinished), "%s.incomplete", path);
	assert_null(dump(w, &wish, path, NULL, &r));
	whole = file_size(path);
	for (unsigned int i = 0; i < 50; i++) {
		struct fault fault = { .bytes = whole * (i + 1) / 51 };
		struct us_dump_job with = {
			.out = { .fd = -1, .pwrite = failing_pwrite, .pwrite_data = &fault }
		};
		struct us_err *err;
		struct us_vmcore *core;

		wish.jobs = 1 + i % 2;
		err = dump(w, &wish, path, &with, &r);
		if (err) {
			assert_int_equal(err->code, US_ERR_NO_ROOM);
			us_err_free(err);
			continue; /* not even room for the table, or to close it */
		}
		assert_string_equal(r.stopped, "no space left");
		assert_false(r.complete);
		assert_true(file_size(path) <= fault.bytes);
		core = open_dump(path);
		assert_false(core->incomplete);
		closed += right_pages(w, core) > 0;
		assert_int_equal(verified(core), 0);
		if (wish.jobs == 1) /* jobs finish in any order */
			check_order_of_value(core);
		us_vmcore_free(core);
	}
	assert_true(closed > 20);
}

static struct us_err *slow_scan(void *data, us_run_fn fn, void *fn_data,
				struct us_progress *progress, struct us_scan *ret)
{
	US_TRY(scan(data, fn, fn_data, progress, ret));
	usleep(1100000);
	return NULL;
}

static void test_deadline_closes_the_dump(void **state)
{
	const struct world *w = *state;
	struct us_dump_wish wish = wish_for(US_DUMP_KDUMP, 0, US_PAGE_LZO, 2);
	struct us_dump_result r = { 0 };
	struct us_dump_job job = {
		.core = w->core, .wish = &wish, .scan = slow_scan, .result = &r, .out = { .fd = -1 }
	};
	struct us_vmcore *core;
	char path[128];

	name(w, "late", path);
	wish.deadline_s = 1;
	assert_null(us_dump_run(&job, path, -1));
	assert_string_equal(r.stopped, "deadline");
	core = open_dump(path);
	assert_false(core->incomplete);
	assert_true(right_pages(w, core) == r.pages_kept);
	assert_int_equal(verified(core), 0);
	us_vmcore_free(core);
}

static struct us_err *late_nothing(void *data, us_run_fn fn, void *fn_data,
				   struct us_progress *progress, struct us_scan *ret)
{
	(void)data;
	(void)fn;
	(void)fn_data;
	(void)progress;
	(void)ret;
	usleep(1100000);
	return NULL;
}

static void test_what_is_whole_is_not_late(void **state)
{
	const struct world *w = *state;
	struct us_dump_wish wish = wish_for(US_DUMP_FLAT, 0, US_PAGE_LZO, 2);
	struct us_dump_result r = { 0 };
	struct us_dump_job job = { .core = w->core,
				   .wish = &wish,
				   .scan = late_nothing,
				   .result = &r,
				   .out = { .fd = -1 } };
	char path[128];

	name(w, "late", path);
	wish.deadline_s = 1;
	assert_null(us_dump_run(&job, path, -1));
	assert_true(r.complete);
}

/* What an earlier dump left behind may be somebody else's. */
static void test_nobody_else_can_read_it(void **state)
{
	const struct world *w = *state;
	struct us_dump_wish wish = wish_for(US_DUMP_KDUMP, 31, US_PAGE_LZO, 1);
	struct us_dump_result r;
	char path[128], unfinished[160];
	struct stat st;

	name(w, "secret", path);
	snprintf(unfinished, sizeof(unfinished), "%s.incomplete", path);
	assert_int_equal(close(open(unfinished, O_WRONLY | O_CREAT, 0666)), 0);
	assert_int_equal(chmod(unfinished, 0666), 0);
	assert_null(dump(w, &wish, path, NULL, &r));
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

/* ---- size ---- */

/* Sanitizers take memory of their own. */
static bool running_instrumented(void)
{
#if defined(__SANITIZE_ADDRESS__)
	return true;
#else
	return getenv("ASAN_OPTIONS") != NULL;
#endif
}

static void test_memory_is_bounded_for_1_tib(void **state)
{
	const struct world *w = *state;
	uint8_t bytes[2 * PAGE] = { 0 };
	struct us_vmcore *core = tib_core(bytes, sizeof(bytes));
	struct us_dump_wish wish = wish_for(US_DUMP_KDUMP, 31, US_PAGE_LZO, 2);
	struct us_dump_result r = { 0 };
	struct us_dump_job job = {
		.core = core, .wish = &wish, .scan = scan_tib, .result = &r, .out = { .fd = -1 }
	};
	struct rusage before, after;
	char path[128];

	name(w, "tib", path);
	getrusage(RUSAGE_SELF, &before);
	assert_null(us_dump_run(&job, path, -1));
	getrusage(RUSAGE_SELF, &after);
	assert_true(r.complete);
	assert_true(r.pages_kept > 2000000);
	assert_true(r.pages_zero == r.pages_kept);
	if (!running_instrumented())
		assert_true(after.ru_maxrss - before.ru_maxrss < (32 + 2 * 2) * 1024);
	assert_int_equal(unlink(path), 0);
	us_vmcore_free(core);
}

/* ---- damage ---- */

static void flip(const char *path, uint64_t at)
{
	int fd = open(path, O_RDWR);
	uint8_t byte;

	assert_true(fd >= 0);
	assert_int_equal(pread(fd, &byte, 1, (off_t)at), 1);
	byte ^= 0x10;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
	close(fd);
}

static void test_verify_finds_any_flipped_byte(void **state)
{
	const struct world *w = *state;
	struct us_dump_wish wish = wish_for(US_DUMP_KDUMP, 31, US_PAGE_LZO, 1);
	struct us_dump_result r;
	char path[128];
	uint64_t size;

	name(w, "flipped", path);
	assert_null(dump(w, &wish, path, NULL, &r));
	size = file_size(path);
	/* bitmaps, table, data; then the whole is as it was */
	for (uint64_t at = 2 * PAGE + 40; at < size; at += size / 61) {
		struct us_vmcore *core;

		flip(path, at);
		core = open_dump(path);
		if (!verified(core) && at < 4 * PAGE)
			fail_msg("a flipped byte at 0x%llx is not found", (unsigned long long)at);
		us_vmcore_free(core);
		flip(path, at);
	}
	check_dump(w, path, 31);
}

/* ---- other ways in and out ---- */

static void test_flattened_is_the_same_file(void **state)
{
	const struct world *w = *state;
	struct us_dump_wish wish = wish_for(US_DUMP_FLAT, 31, US_PAGE_ZLIB, 2);
	struct us_dump_result r;
	char path[128], plain[128];
	uint64_t bytes;
	int fd;

	name(w, "flat", path);
	name(w, "plain", plain);
	assert_null(dump(w, &wish, path, NULL, &r));
	assert_true(r.bytes_out == file_size(path));
	fd = open(path, O_RDONLY);
	assert_true(fd >= 0);
	assert_null(us_dump_rearrange(fd, plain, true, NULL, &bytes));
	close(fd);
	check_dump(w, plain, 31);
}

static void test_stored_pages_keep_their_form(void **state)
{
	const struct world *w = *state;
	struct us_dump_wish wish = wish_for(US_DUMP_KDUMP, 2, US_PAGE_ZLIB, 1);
	struct us_vmcore *core;
	struct us_dump_result r;
	char path[128], again[128];

	name(w, "dump", path);
	name(w, "again", again);
	assert_null(dump(w, &wish, path, NULL, &r));
	core = open_dump(path);
	wish.stored = true;
	wish.codec = US_PAGE_LZO;
	wish.level = 0;
	assert_null(us_dump_write(core, NULL, &wish, again, -1, NULL, &r));
	us_dump_result_deinit(&r);
	assert_true(file_size(again) <= file_size(path) + PAGE);
	us_vmcore_free(core);
	check_dump(w, again, 2);
}

static void test_a_split_set_joins(void **state)
{
	const struct world *w = *state;
	struct us_dump_wish wish = wish_for(US_DUMP_KDUMP, 0, US_PAGE_LZO, 2);
	char paths[3][128], joined[128];
	const char *names[3] = { paths[2], paths[0], paths[1] }; /* any order */
	const char *in_order[3] = { paths[0], paths[1], paths[2] };
	struct us_vmcore *core;
	struct us_dump_result r;

	for (unsigned int i = 0; i < 3; i++) {
		name(w, "part", paths[i]);
		snprintf(paths[i] + strlen(paths[i]), 8, ".%u", i);
	}
	name(w, "joined", joined);
	assert_null(us_dump_split(w->core, NULL, &wish, in_order, 3, NULL, &r));
	assert_true(r.pages_kept == LOW_N + HIGH_N);
	us_dump_result_deinit(&r);
	assert_null(us_vmcore_open(names, 3, &core));
	wish.stored = true;
	assert_null(us_dump_write(core, NULL, &wish, joined, -1, NULL, &r));
	us_dump_result_deinit(&r);
	us_vmcore_free(core);
	core = open_dump(joined);
	assert_int_equal(right_pages(w, core), LOW_N + HIGH_N);
	assert_int_equal(verified(core), 0);
	us_vmcore_free(core);
}

static void test_estimate_is_near(void **state)
{
	const struct world *w = *state;
	char path[128];

	name(w, "estimated", path);
	for (unsigned int f = US_DUMP_KDUMP; f <= US_DUMP_FLAT; f++) {
		struct us_dump_wish wish = wish_for(f, 16, US_PAGE_LZO, 1);
		struct us_dump_result r, e;

		wish.estimate = true;
		assert_null(dump(w, &wish, path, NULL, &e));
		assert_int_equal(access(path, F_OK), -1);
		wish.estimate = false;
		assert_null(dump(w, &wish, path, NULL, &r));
		assert_true(e.bytes_estimated > r.bytes_out * 9 / 10);
		assert_true(e.bytes_estimated < r.bytes_out * 11 / 10);
		assert_true(e.pages_kept == r.pages_kept);
		assert_int_equal(unlink(path), 0);
	}
}

static void test_names_are_kept(void **state)
{
	const struct world *w = *state;
	struct us_dump_wish wish = wish_for(US_DUMP_KDUMP, 31, US_PAGE_LZO, 1);
	struct us_dump_result r;
	struct us_err *err;
	char path[128];

	name(w, "dump", path);
	assert_null(dump(w, &wish, path, NULL, &r));
	wish.overwrite = false;
	err = dump(w, &wish, path, NULL, &r);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_USAGE);
	us_err_free(err);
	err = dump(w, &wish, "/dev/null", NULL, &r);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_USAGE);
	us_err_free(err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_format_and_level_comes_back),
		cmocka_unit_test(test_twins_point_to_the_same_bytes),
		cmocka_unit_test(test_no_memory_for_runs_is_no_loss),
		cmocka_unit_test(test_a_limit_gives_a_smaller_dump),
		cmocka_unit_test(test_a_page_that_cannot_be_read_costs_itself),
		cmocka_unit_test(test_killed_at_200_points_it_is_a_dump),
		cmocka_unit_test(test_full_disk_at_50_sizes_gives_a_smaller_dump),
		cmocka_unit_test(test_deadline_closes_the_dump),
		cmocka_unit_test(test_what_is_whole_is_not_late),
		cmocka_unit_test(test_nobody_else_can_read_it),
		cmocka_unit_test(test_memory_is_bounded_for_1_tib),
		cmocka_unit_test(test_verify_finds_any_flipped_byte),
		cmocka_unit_test(test_flattened_is_the_same_file),
		cmocka_unit_test(test_stored_pages_keep_their_form),
		cmocka_unit_test(test_a_split_set_joins),
		cmocka_unit_test(test_estimate_is_near),
		cmocka_unit_test(test_names_are_kept),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
