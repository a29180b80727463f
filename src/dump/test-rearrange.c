/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of rearrange.c: streams made here, by files (a pipe is what the command line cases use). */
#include "dump/dump.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

struct made {
	uint8_t bytes[8192];
	size_t n;
};

static void put_be64(struct made *m, uint64_t v)
{
	for (int i = 7; i >= 0; i--)
		m->bytes[m->n++] = (uint8_t)(v >> (8 * i));
}

static void segment(struct made *m, uint64_t offset, const char *text)
{
	put_be64(m, offset);
	put_be64(m, strlen(text));
	memcpy(m->bytes + m->n, text, strlen(text));
	m->n += strlen(text);
}

static void begin(struct made *m)
{
	memset(m, 0, sizeof(*m));
	memcpy(m->bytes, "makedumpfile", 12);
	m->n = 16;
	put_be64(m, 1);
	put_be64(m, 1);
	m->n = 4096;
}

static void end(struct made *m)
{
	put_be64(m, UINT64_MAX);
	put_be64(m, UINT64_MAX);
}

/* The file that comes of it, in a folder that is gone afterwards; or the error. */
static struct us_err *rearranged(const struct made *m, struct us_blob *ret)
{
	char folder[] = "/tmp/understudy-test-XXXXXX", path[64];
	_us_close_ int fd = -1;
	uint64_t bytes = 0;
	struct us_err *err;

	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/out", folder);
	err = us_file_memfd("stream", us_bytes_of(m->bytes, m->n), &fd);
	assert_null(err);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	err = us_dump_rearrange(fd, path, false, NULL, &bytes);
	if (!err) {
		assert_null(us_file_map(path, ret));
		assert_int_equal(ret->n, bytes);
		/* once more: the file is there */
		assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
		err = us_dump_rearrange(fd, path, false, NULL, &bytes);
		assert_non_null(err);
		assert_int_equal(err->code, US_ERR_USAGE);
		us_err_free(err);
		err = us_dump_rearrange(fd, path, true, NULL, &bytes);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(rmdir(folder), 0); /* nothing is left beside it */
	return err;
}

static void test_segments_land_at_their_offsets(void **state)
{
	_us_blob_deinit_ struct us_blob file = { 0 };
	struct made m;

	(void)state;
	begin(&m);
	segment(&m, 6, "world");
	segment(&m, 0, "hello");
	segment(&m, 20, "!");
	segment(&m, 7, "or"); /* later ones win */
	end(&m);
	assert_null(rearranged(&m, &file));
	assert_int_equal(file.n, 21);
	assert_memory_equal(file.p, "hello\0world\0\0\0\0\0\0\0\0\0!", 21);
}

static void test_streams_that_are_cut_leave_nothing(void **state)
{
	_us_blob_deinit_ struct us_blob file = { 0 };
	struct made m, cut;

	(void)state;
	begin(&m);
	segment(&m, 0, "hello");
	end(&m);
	for (size_t n = 0; n < m.n; n += n < 4090 ? 409 : 1) {
		struct us_err *err;

		cut = m;
		cut.n = n;
		err = rearranged(&cut, &file);
		assert_non_null(err);
		assert_int_equal(err->code, US_ERR_BAD_DATA);
		assert_non_null(strstr(err->text, "ends at"));
		us_err_free(err);
	}
}

static void test_other_files_are_refused(void **state)
{
	_us_blob_deinit_ struct us_blob file = { 0 };
	static const struct {
		size_t at;
		uint8_t byte;
		enum us_err_code code;
	} damage[] = {
		{ 0, 'M', US_ERR_BAD_DATA },     { 13, 1, US_ERR_BAD_DATA },
		{ 23, 2, US_ERR_UNSUPPORTED },   { 31, 9, US_ERR_UNSUPPORTED },
		{ 4096, 0x7f, US_ERR_BAD_DATA }, { 4104, 0x80, US_ERR_BAD_DATA },
	};

	(void)state;
	for (size_t i = 0; i < us_array_size(damage); i++) {
		struct us_err *err;
		struct made m;

		begin(&m);
		segment(&m, 0, "hello");
		end(&m);
		m.bytes[damage[i].at] = damage[i].byte;
		if (damage[i].at == 4096) /* offset + size past what a file can have */
			memset(m.bytes + 4097, 0xff, 7);
		err = rearranged(&m, &file);
		assert_non_null(err);
		assert_int_equal(err->code, damage[i].code);
		us_err_free(err);
	}
}

static void test_no_segments_are_no_dump(void **state)
{
	_us_blob_deinit_ struct us_blob file = { 0 };
	struct us_err *err;
	struct made m;

	(void)state;
	begin(&m);
	end(&m);
	err = rearranged(&m, &file);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_BAD_DATA);
	us_err_free(err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_segments_land_at_their_offsets),
		cmocka_unit_test(test_streams_that_are_cut_leave_nothing),
		cmocka_unit_test(test_other_files_are_refused),
		cmocka_unit_test(test_no_segments_are_no_dump),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
