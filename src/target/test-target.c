/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Directories and raw partitions (a file stands for the device): put, get, list, prune, probe. */
#include "base/cleanup.h"
#include "base/file.h"
#include "target/target-int.h"

#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define A "20260101-000000-6.1"
#define B "20260102-000000-6.1"
#define C "20260103-000000-6.1"

struct place {
	char dir[64], raw[80];
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));
	int fd;

	strcpy(p->dir, "/tmp/understudy-target-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	snprintf(p->raw, sizeof(p->raw), "%s/raw", p->dir);
	fd = open(p->raw, O_RDWR | O_CREAT, 0600);
	assert_true(fd >= 0 && !ftruncate(fd, 8 << 20));
	close(fd);
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	struct place *p = *state;
	char command[128];

	snprintf(command, sizeof(command), "rm -r '%s'", p->dir);
	assert_int_equal(system(command), 0);
	free(p);
	return 0;
}

static struct us_target *open_it(enum us_target_kind kind, const char *path)
{
	struct us_target_spec spec = { .kind = kind, .text = path, .path = path };
	struct us_target *t;
	struct us_err *err = us_target_open(&spec, NULL, 0, &t);

	if (err)
		fail_msg("%s", err->text);
	return t;
}

static void put(struct us_target *t, const char *crash, const char *name, const char *text)
{
	assert_null(us_target_put(t, crash, name, us_bytes_of(text, strlen(text))));
}

static void must_hold(struct us_target *t, const char *crash, const char *name, const char *text)
{
	_us_blob_deinit_ struct us_blob b = { 0 };

	assert_null(us_target_get(t, crash, name, 1 << 20, &b));
	assert_int_equal(b.n, strlen(text));
	assert_memory_equal(b.p, text, b.n);
}

static mode_t mode_of(const char *folder, const char *name)
{
	char path[256];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	assert_int_equal(stat(path, &st), 0);
	return st.st_mode & 07777;
}

static void must_fail(struct us_err *err, enum us_err_code code, const char *words)
{
	assert_non_null(err);
	assert_int_equal(err->code, code);
	if (!strstr(err->text, words))
		fail_msg("%s", err->text);
	us_err_free(err);
}

static void test_a_directory_keeps_files_for_its_owner_alone(void **state)
{
	const struct place *p = *state;
	_us_target_close_ struct us_target *t = NULL;
	char sub[128];

	snprintf(sub, sizeof(sub), "%s/var/crash", p->dir);
	umask(0);
	t = open_it(US_TARGET_DIR, sub);
	put(t, A, "log.txt", "panic");
	put(t, A, "log.txt", "panic, again");
	must_hold(t, A, "log.txt", "panic, again");
	assert_int_equal(mode_of(sub, A), 0700);
	assert_int_equal(mode_of(sub, A "/log.txt"), 0600);
	must_fail(us_target_put(t, "../x", "log.txt", us_bytes_of("", 0)), US_ERR_USAGE, "no name");
	must_fail(us_target_put(t, A, "..", us_bytes_of("", 0)), US_ERR_USAGE, "no name");
}

static void make_dump(struct us_target *t, const char *crash, const char *ending)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const char *path, *where = NULL;
	struct us_sink *sink;
	char name[256];
	int fd;

	assert_null(us_target_dump_begin(t, crash, &path, &sink));
	assert_null(sink);
	snprintf(name, sizeof(name), "%s%s", path, ending);
	fd = open(name, O_WRONLY | O_CREAT, 0600);
	assert_true(fd >= 0 && write(fd, "KDUMP   ", 8) == 8 && !ftruncate(fd, 100000));
	close(fd);
	assert_null(us_target_dump_end(t, !*ending, &pool, &where));
	assert_string_equal(where, name);
}

/* Folders in one another below the place's. */
static void nest(const struct place *p, const char *path)
{
	char whole[PATH_MAX];

	snprintf(whole, sizeof(whole), "%s/%s", p->dir, path);
	assert_null(us_file_folders(whole, 0700, 0700));
}

/* The last three of them go. */
static void unnest(const struct place *p, const char *path)
{
	char whole[PATH_MAX];

	snprintf(whole, sizeof(whole), "%s/%s", p->dir, path);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(rmdir(whole), 0);
		*strrchr(whole, '/') = 0;
	}
}

static void test_a_directory_lists_and_prunes_the_oldest(void **state)
{
	const struct place *p = *state;
	struct us_keep_policy keep = { .max_crashes = 2 };
	_us_target_close_ struct us_target *t = open_it(US_TARGET_DIR, p->dir);
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const char *const *removed;
	const struct us_saved *s;
	size_t n;

	make_dump(t, B, ".incomplete");
	make_dump(t, C, "");
	put(t, A, "log.txt", "a log");
	assert_null(us_target_list(t, &pool, &s, &n));
	assert_int_equal(n, 3);
	assert_string_equal(s[0].crash, A);
	assert_true(s[0].has_log && !s[0].has_dump && !s[0].incomplete);
	assert_true(s[1].incomplete && !s[1].has_dump);
	assert_true(s[2].has_dump && !s[2].incomplete && s[2].bytes);
	assert_null(us_target_prune(t, &keep, 0, &pool, &removed));
	assert_null(removed[0]);
	keep.may_prune = true;
	keep.dry_run = true;
	assert_null(us_target_prune(t, &keep, 0, &pool, &removed));
	assert_string_equal(removed[0], B);
	assert_null(removed[1]);
	assert_null(us_target_prune(t, &keep, UINT64_MAX, &pool, &removed));
	assert_string_equal(removed[1], A);
	assert_null(us_target_list(t, &pool, &s, &n));
	assert_int_equal(n, 3);
	keep.dry_run = false;
	assert_null(us_target_prune(t, &keep, 0, &pool, &removed));
	assert_string_equal(removed[0], B);
	assert_null(removed[1]);
	make_dump(t, B, ".incomplete");
	nest(p, A "/1/2/3/4/5");
	removed = NULL;
	_us_err_free_ struct us_err *err = us_target_prune(t, &keep, UINT64_MAX, &pool, &removed);
	assert_non_null(err);
	assert_string_equal(removed[0], B); /* though A is too deep */
	assert_null(removed[1]);
	unnest(p, A "/1/2/3/4/5");
	assert_null(us_target_prune(t, &keep, UINT64_MAX, &pool, &removed));
	assert_string_equal(removed[0], A);
	assert_null(removed[1]);
	assert_null(us_target_list(t, &pool, &s, &n));
	assert_int_equal(n, 1);
}

static void test_a_probe_leaves_nothing_behind(void **state)
{
	const struct place *p = *state;
	_us_target_close_ struct us_target *t = open_it(US_TARGET_DIR, p->dir);
	struct us_probe probe;

	assert_null(us_target_probe(t, 100000, &probe));
	assert_non_null(strstr(probe.steps[0], "wrote 100000 bytes"));
	assert_non_null(strstr(probe.steps[1], "same 100000 bytes"));
	assert_true(probe.free_bytes && probe.free_bytes < UINT64_MAX && probe.bytes_per_s > 0);
	us_probe_deinit(&probe);
	assert_int_equal(unlink(p->raw), 0);
	assert_int_equal(rmdir(p->dir), 0);
	assert_int_equal(mkdir(p->dir, 0700), 0);
}

static void test_a_partition_is_marked_and_probed(void **state)
{
	const struct place *p = *state;
	_us_target_close_ struct us_target *t = open_it(US_TARGET_RAW, p->raw);
	_us_close_ int fd = open(p->raw, O_RDONLY);
	struct us_probe probe;
	char mark[15];

	assert_null(us_target_raw_check(fd, p->raw));
	put(t, A, "log.txt", "kept");
	assert_null(us_target_probe(t, 1 << 20, &probe));
	assert_non_null(strstr(probe.steps[0], "wrote our mark"));
	assert_int_equal(probe.free_bytes, 7 << 20);
	us_probe_deinit(&probe);
	must_hold(t, A, "log.txt", "kept");
	assert_int_equal(pread(fd, mark, sizeof(mark), (8 << 20) - 4096), sizeof(mark));
	assert_memory_equal(mark, "UNDERSTUDY-RAW", 15);
	assert_null(us_target_probe(t, 1 << 20, &probe));
	assert_non_null(strstr(probe.steps[0], "carries our mark"));
	us_probe_deinit(&probe);
}

static void test_a_partition_of_somebody_else_is_not_taken(void **state)
{
	const struct place *p = *state;
	struct us_target_spec spec = { .kind = US_TARGET_RAW, .text = "raw", .path = p->raw };
	struct us_probe probe;
	struct us_target *t;
	int fd = open(p->raw, O_WRONLY);

	assert_int_equal(pwrite(fd, "XFSB", 4, 0), 4);
	close(fd);
	assert_null(us_target_open(&spec, NULL, 0, &t));
	must_fail(us_target_probe(t, 4096, &probe), US_ERR_REFUSED, "XFS");
	us_target_close(t);
	spec.force = true;
	assert_null(us_target_open(&spec, NULL, 0, &t));
	assert_null(us_target_probe(t, 4096, &probe));
	us_probe_deinit(&probe);
	us_target_close(t);
}

static void test_a_partition_holds_one_crash(void **state)
{
	const struct place *p = *state;
	_us_target_close_ struct us_target *t = open_it(US_TARGET_RAW, p->raw);
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const char *path, *where;
	const struct us_saved *s;
	struct us_sink *sink;
	size_t n;

	put(t, A, "state.txt", "one");
	put(t, A, "log.txt", "the log");
	put(t, A, "state.txt", "one, and more");
	must_hold(t, A, "state.txt", "one, and more");
	assert_null(us_target_dump_begin(t, A, &path, &sink));
	assert_null(path);
	assert_null(sink->write(sink, 0, us_bytes_of("KDUMP   ", 8)));
	assert_null(sink->write(sink, 8192, us_bytes_of("end", 3)));
	must_fail(sink->write(sink, (7 << 20) - 1, us_bytes_of("end", 3)), US_ERR_NO_ROOM, "full");
	assert_null(us_target_list(t, &pool, &s, &n));
	assert_true(n == 1 && s->incomplete && !s->has_dump);
	assert_null(us_target_dump_end(t, true, &pool, &where));
	assert_string_equal(where, p->raw);
	assert_null(us_target_list(t, &pool, &s, &n));
	assert_true(n == 1 && s->has_dump && s->has_log && s->bytes > 8195);
	put(t, B, "log.txt", "the next");
	must_hold(t, B, "log.txt", "the next");
	assert_null(us_target_list(t, &pool, &s, &n));
	assert_true(n == 1 && !s->has_dump && !strcmp(s->crash, B));
	assert_null(us_target_remove(t, B));
	assert_null(us_target_list(t, &pool, &s, &n));
	assert_int_equal(n, 0);
}

static void test_a_damaged_table_is_an_empty_one(void **state)
{
	const struct place *p = *state;
	_us_target_close_ struct us_target *t = open_it(US_TARGET_RAW, p->raw);
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const struct us_saved *s;
	struct us_blob b;
	size_t n;
	int fd;

	put(t, A, "log.txt", "the log");
	fd = open(p->raw, O_WRONLY);
	assert_int_equal(pwrite(fd, "\xff", 1, (7 << 20) + 208), 1);
	close(fd);
	must_fail(us_target_get(t, A, "log.txt", 100, &b), US_ERR_NOT_FOUND, "log.txt");
	assert_null(us_target_list(t, &pool, &s, &n));
	assert_int_equal(n, 0);
}

static void test_a_deadline_holds(void **state)
{
	const struct place *p = *state;
	struct us_target_spec spec = { .kind = US_TARGET_DIR, .text = "dir", .path = p->dir };
	struct us_target *t;

	assert_null(us_target_open(&spec, NULL, 1, &t));
	must_fail(us_target_put(t, A, "log.txt", us_bytes_of("", 0)), US_ERR_OS, "timed out");
	us_target_close(t);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_directory_keeps_files_for_its_owner_alone),
		TEST(test_a_directory_lists_and_prunes_the_oldest),
		TEST(test_a_probe_leaves_nothing_behind),
		TEST(test_a_partition_is_marked_and_probed),
		TEST(test_a_partition_of_somebody_else_is_not_taken),
		TEST(test_a_partition_holds_one_crash),
		TEST(test_a_damaged_table_is_an_empty_one),
		TEST(test_a_deadline_holds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
