/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a scratch disk gets from a real one, and what is packed for a device that is assembled. */
#include "base/cleanup.h"
#include "rehearse/rehearse-int.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MIB   0x100000u
#define BYTES (16u * MIB)

static int new_file(char path[64], off_t bytes)
{
	int fd;

	strcpy(path, "/tmp/us-test-disk-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, bytes), 0);
	return fd;
}

static void put(int fd, off_t at, const void *p, size_t n)
{
	assert_int_equal(pwrite(fd, p, n, at), n);
}

static void put_le64(int fd, off_t at, uint64_t v)
{
	uint8_t b[8];

	for (int i = 0; i < 8; i++)
		b[i] = (uint8_t)(v >> 8 * i);
	put(fd, at, b, sizeof(b));
}

static bool has(int fd, off_t at, const char *words)
{
	char got[32] = "";

	return pread(fd, got, strlen(words), at) == (ssize_t)strlen(words) && !strcmp(got, words);
}

static void done(int fd, const char *path)
{
	close(fd);
	unlink(path);
}

/* ---- pieces ---- */

static off_t expect_piece(int fd, off_t at, uint64_t where, uint64_t bytes)
{
	struct us_fill_head head;

	assert_int_equal(pread(fd, &head, sizeof(head), at), sizeof(head));
	assert_string_equal(head.device, "vg-lv");
	assert_int_equal(head.at, where);
	assert_int_equal(head.bytes, bytes);
	return at + US_FILL_BLOCK;
}

static void expect_end(int fd, off_t at)
{
	struct us_fill_head head;

	assert_int_equal(pread(fd, &head, sizeof(head), at), sizeof(head));
	assert_int_equal(head.device[0], 0);
	assert_int_equal(lseek(fd, 0, SEEK_END), at + US_FILL_BLOCK);
}

static void holes_and_zeros_are_no_pieces(void **state)
{
	char path[64], out_path[64];
	int fd = new_file(path, 64 * MIB), out = new_file(out_path, 0);
	static const char zeros[3 * US_FILL_BLOCK];
	off_t at = US_FILL_BLOCK;

	(void)state;
	put(fd, 8192 + 100, "first", 5);
	put(fd, 3 * US_FILL_BLOCK, zeros, sizeof(zeros));
	put(fd, 20 * MIB + 4095, "xy", 2); /* in two blocks */
	assert_null(us_disk_pack_begin(out));
	assert_null(us_disk_pack(path, "vg-lv", false, out));
	assert_null(us_disk_pack_end(out));
	assert_true(has(out, 0, US_REHEARSE_FILL));
	at = expect_piece(out, at, 8192, US_FILL_BLOCK);
	assert_true(has(out, at + 100, "first"));
	at = expect_piece(out, at + US_FILL_BLOCK, 20 * MIB, 2 * US_FILL_BLOCK);
	assert_true(has(out, at + 4095, "xy"));
	expect_end(out, at + 2 * US_FILL_BLOCK);
	done(fd, path);
	done(out, out_path);
}

static void zeros_count_where_the_device_has_noise(void **state)
{
	char path[64], out_path[64];
	int fd = new_file(path, 5 * US_FILL_BLOCK + 512), out = new_file(out_path, 0);

	(void)state;
	put(fd, US_FILL_BLOCK, "x", 1);
	assert_null(us_disk_pack_begin(out));
	assert_null(us_disk_pack(path, "vg-lv", true, out));
	assert_null(us_disk_pack_end(out));
	assert_int_equal(expect_piece(out, US_FILL_BLOCK, 0, 5 * US_FILL_BLOCK + 512),
			 2 * US_FILL_BLOCK);
	expect_end(out, 8 * US_FILL_BLOCK);
	done(fd, path);
	done(out, out_path);
}

/* ---- what is copied ---- */

static const uint8_t md_magic[] = { 0xfc, 0x4e, 0x2b, 0xa9 };

static void of_a_member_all_but_its_data_is_copied(void **state)
{
	const struct us_recipe_mark mark = { 4096, us_bytes_of(md_magic, sizeof(md_magic)) };
	const struct us_recipe_device device = {
		.name = "d0", .marks = &mark, .n_marks = 1, .bytes = BYTES
	};
	char path[64], to_path[64];
	int fd = new_file(path, BYTES), to = new_file(to_path, BYTES);
	struct us_err *err;

	(void)state;
	put(fd, 4096, md_magic, sizeof(md_magic));
	put_le64(fd, 4096 + 128, MIB / 512);
	put_le64(fd, 4096 + 136, 14 * MIB / 512);
	put(fd, 8192, "bitmap", 6);
	put(fd, 2 * MIB, "secret", 6);
	put(fd, 15 * MIB + 5, "behind", 6);
	assert_null(us_crash_copy_identity(fd, to, &device));
	assert_true(has(to, 8192, "bitmap") && has(to, 15 * MIB + 5, "behind"));
	assert_false(has(to, 2 * MIB, "secret"));
	put_le64(fd, 4096 + 136, 16 * MIB / 512);
	err = us_crash_copy_identity(fd, to, &device);
	assert_non_null(err);
	assert_non_null(strstr(err->text, "beyond the device"));
	us_err_free(err);
	done(fd, path);
	done(to, to_path);
}

static void of_a_physical_volume_its_metadata_is_copied(void **state)
{
	const struct us_recipe_mark mark = { 512, us_bytes_of("LABELONE", 8) };
	const struct us_recipe_device device = {
		.name = "d0", .marks = &mark, .n_marks = 1, .bytes = BYTES
	};
	char path[64], to_path[64];
	int fd = new_file(path, BYTES), to = new_file(to_path, BYTES);

	(void)state;
	put(fd, 512, "LABELONE", 8);
	put(fd, 512 + 20, "\x20\0\0\0LVM2 001", 12);
	put_le64(fd, 512 + 32 + 40, MIB); /* data, then two areas: one at the end */
	put_le64(fd, 512 + 32 + 72, 4096);
	put_le64(fd, 512 + 32 + 80, MIB - 4096);
	put_le64(fd, 512 + 32 + 88, BYTES - MIB);
	put_le64(fd, 512 + 32 + 96, MIB);
	put(fd, 300000, "metadata", 8);
	put(fd, 2 * MIB, "secret", 6);
	put(fd, BYTES - 512, "copy", 4);
	assert_null(us_crash_copy_identity(fd, to, &device));
	assert_true(has(to, 512, "LABELONE") && has(to, 300000, "metadata") &&
		    has(to, BYTES - 512, "copy"));
	assert_false(has(to, 2 * MIB, "secret"));
	done(fd, path);
	done(to, to_path);
}

static void marks_alone_need_no_real_device(void **state)
{
	const struct us_recipe_mark marks[] = { { 0, us_bytes_of("LUKS\xba\xbe", 6) },
						{ 168, us_bytes_of("uuid", 4) } };
	const struct us_recipe_device device = {
		.name = "d0", .marks = marks, .n_marks = 2, .bytes = BYTES
	};
	char path[64];
	int fd = new_file(path, 0);
	const struct us_disk_wish wish = { .path = path, .device = &device, .real = -1 };

	(void)state;
	assert_null(us_disk_make(&wish));
	assert_true(has(fd, 0, "LUKS\xba\xbe") && has(fd, 168, "uuid"));
	assert_int_equal(lseek(fd, 0, SEEK_END), BYTES);
	done(fd, path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holes_and_zeros_are_no_pieces),
		cmocka_unit_test(zeros_count_where_the_device_has_noise),
		cmocka_unit_test(of_a_member_all_but_its_data_is_copied),
		cmocka_unit_test(of_a_physical_volume_its_metadata_is_copied),
		cmocka_unit_test(marks_alone_need_no_real_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
