/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of base: views never leave their bounds, errors read from the outside in, pools keep what
 * they gave. */
#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/pool.h"
#include "base/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <fcntl.h>
#include <cmocka.h>

static void test_views_refuse_what_is_outside(void **state)
{
	static const uint8_t raw[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	struct us_bytes b = us_bytes_of(raw, sizeof(raw)), sub;
	uint32_t v32 = 99;
	uint64_t v64 = 99;
	uint16_t v16;

	(void)state;
	assert_true(us_le32(b, 4, &v32) && v32 == 0x08070605);
	assert_true(us_be32(b, 4, &v32) && v32 == 0x05060708);
	assert_false(us_le32(b, 5, &v32));
	assert_int_equal(v32, 0x05060708);
	assert_false(us_le64(b, UINT64_MAX, &v64));
	assert_false(us_le64(b, UINT64_MAX - 7, &v64));
	assert_int_equal(v64, 99);
	assert_true(us_be16(b, 0, &v16) && v16 == 0x0102);
	assert_null(us_bytes_sub(b, 8, 0, "tail", &sub));
	assert_int_equal(sub.n, 0);
	assert_int_equal(us_bytes_clip(b, 6, 100).n, 2);
	assert_int_equal(us_bytes_clip(b, 9, 1).n, 0);
	assert_int_equal(us_bytes_find(b, 0, "\4\5", 2), 3);
	assert_int_equal(us_bytes_find(b, 4, "\4\5", 2), SIZE_MAX);
	assert_false(us_bytes_match(b, 7, "\10\11", 2));
}

static void test_sub_names_both_ends(void **state)
{
	struct us_bytes b = us_bytes_of("abcd", 4), sub;
	_us_err_free_ struct us_err *err = us_bytes_sub(b, 2, 3, "section 3", &sub);

	(void)state;
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_BAD_DATA);
	assert_string_equal(err->text, "section 3: 0x3 bytes at 0x2, past the end at 0x4");
	err = us_err_wrap(err, "reading %s", "/boot/vmlinuz");
	assert_string_equal(
		err->text,
		"reading /boot/vmlinuz: section 3: 0x3 bytes at 0x2, past the end at 0x4");
}

static void test_text_without_end_is_refused(void **state)
{
	_us_free_ char *text = NULL;
	_us_err_free_ struct us_err *err = NULL;

	(void)state;
	assert_null(us_bytes_text(us_bytes_of("ab\0c", 4), 0, 10, "name", &text));
	assert_string_equal(text, "ab");
	err = us_bytes_text(us_bytes_of("abcd", 4), 1, 10, "name", &text);
	assert_non_null(err);
}

static void test_trimmed_counts_to_the_last_byte_set(void **state)
{
	uint8_t raw[40] = { 0 };

	(void)state;
	assert_int_equal(us_bytes_trimmed(us_bytes_of(raw, sizeof(raw))), 0);
	raw[17] = 1;
	assert_int_equal(us_bytes_trimmed(us_bytes_of(raw, sizeof(raw))), 18);
	raw[39] = 1;
	assert_int_equal(us_bytes_trimmed(us_bytes_of(raw, sizeof(raw))), 40);
}

static void test_os_errors_carry_code_and_words(void **state)
{
	_us_err_free_ struct us_err *denied = us_err_os(EPERM, "opening %s", "x");
	_us_err_free_ struct us_err *gone = us_err_os(ENOENT, "opening %s", "x");

	(void)state;
	assert_int_equal(denied->code, US_ERR_DENIED);
	assert_int_equal(denied->os_errno, EPERM);
	assert_string_equal(denied->text, "opening x: Operation not permitted");
	assert_int_equal(gone->code, US_ERR_NOT_FOUND);
	us_err_free(us_err_wrap(us_err_nomem(), "whatever"));
}

static void test_pool_gives_zeroed_memory_that_stays(void **state)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	char *first = us_pool_strdup(&pool, "first");

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint8_t *p = us_pool_alloc(&pool, 100);

		for (int k = 0; k < 100; k++)
			assert_int_equal(p[k], 0);
		memset(p, 0xff, 100);
	}
	assert_string_equal(first, "first");
	assert_string_equal(us_pool_format(&pool, "%d-%s", 7, "x"), "7-x");
	assert_null(us_pool_array(&pool, SIZE_MAX / 2, 4));
	assert_non_null(us_pool_alloc(&pool, 100000));
}

static void test_numbers_take_the_kernels_suffixes(void **state)
{
	const char *end;
	uint64_t v;
	char buf[US_TEXT_SIZE_MAX];

	(void)state;
	assert_true(us_text_memsize("256M@16M", &end, &v));
	assert_int_equal(v, 256 << 20);
	assert_string_equal(end, "@16M");
	assert_true(us_text_memsize("0x10k,", &end, &v));
	assert_int_equal(v, 0x4000);
	assert_false(us_text_memsize("99999999999E", &end, &v));
	assert_false(us_text_memsize("-1", &end, &v));
	assert_true(us_text_u64(" 42\n", 10, &v));
	assert_int_equal(v, 42);
	assert_false(us_text_u64("-42", 10, &v));
	assert_false(us_text_u64("42x", 10, &v));
	assert_string_equal(us_text_size(512, buf), "512 bytes");
	assert_string_equal(us_text_size(2 << 20, buf), "2 MiB");
	assert_string_equal(us_text_size(1536, buf), "1.5 KiB");
}

static void test_text_grows_and_is_taken(void **state)
{
	struct us_text t = { 0 };
	_us_free_ char *s = NULL;

	(void)state;
	for (int i = 0; i < 1000; i++)
		us_text_add(&t, "%d,", i % 10);
	assert_null(us_text_take(&t, &s));
	assert_int_equal(strlen(s), 2000);
	assert_null(t.s);
}

static void test_files_below_a_root_stay_below_it(void **state)
{
	char dir[] = "/tmp/us-base-XXXXXX";
	_us_close_ int fd = -1;
	_us_blob_deinit_ struct us_blob blob = { 0 };
	_us_err_free_ struct us_err *err = NULL;
	char path[64];

	(void)state;
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	snprintf(path, sizeof(path), "%s/a", dir);
	assert_null(us_file_replace(path, us_bytes_of("hello", 5)));
	assert_null(us_file_read_at(fd, "/a", 100, &blob));
	assert_string_equal((char *)blob.p, "hello");
	snprintf(path, sizeof(path), "%s/out", dir);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	us_blob_deinit(&blob);
	err = us_file_read_at(fd, "out", 100000, &blob);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_NOT_FOUND);
	unlink(path);
	us_err_free(err);
	err = us_file_read_at(fd, "a", 4, &blob);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_BAD_DATA);
	snprintf(path, sizeof(path), "%s/a", dir);
	unlink(path);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_views_refuse_what_is_outside),
		cmocka_unit_test(test_sub_names_both_ends),
		cmocka_unit_test(test_text_without_end_is_refused),
		cmocka_unit_test(test_trimmed_counts_to_the_last_byte_set),
		cmocka_unit_test(test_os_errors_carry_code_and_words),
		cmocka_unit_test(test_pool_gives_zeroed_memory_that_stays),
		cmocka_unit_test(test_numbers_take_the_kernels_suffixes),
		cmocka_unit_test(test_text_grows_and_is_taken),
		cmocka_unit_test(test_files_below_a_root_stay_below_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
