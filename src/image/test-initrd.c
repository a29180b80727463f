/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of initrd and cpio: archives are made here, put into files and cut at every byte. */
#include "base/cleanup.h"
#include "base/file.h"
#include "image/cpio.h"
#include "image/image.h"
#include "image/test-buffer.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void pad(struct buffer *b)
{
	while (b->n % 4)
		put(b, "", 1);
}

static void add(struct buffer *b, const char *name, unsigned int mode, const char *text)
{
	char header[US_CPIO_HEADER_BYTES + 1];

	snprintf(header, sizeof(header),
		 "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x", 1, mode, 0, 0, 1, 0,
		 (unsigned int)strlen(text), 0, 0, 0, 0, (unsigned int)strlen(name) + 1, 0);
	put(b, header, US_CPIO_HEADER_BYTES);
	put(b, name, strlen(name) + 1);
	pad(b);
	put(b, text, strlen(text));
	pad(b);
}

static void add_dir(struct buffer *b, const char *name)
{
	add(b, name, 0040755, "");
}

static void end(struct buffer *b)
{
	add(b, "TRAILER!!!", 0, "");
}

static struct buffer microcode(void)
{
	struct buffer b = { .n = 0 };

	add_dir(&b, "kernel");
	add(&b, "kernel/x86/microcode/GenuineIntel.bin", 0100644, "microcode");
	end(&b);
	return b;
}

static struct buffer root(const char *release_path)
{
	struct buffer b = { .n = 0 };

	add_dir(&b, ".");
	add(&b, "init", 0100755, "#!/bin/sh\nexec sh\n");
	add_dir(&b, "lib/modules");
	add(&b, "lib/modules/notes.txt", 0100644, "no release");
	add_dir(&b, release_path);
	end(&b);
	return b;
}

static char folder[] = "/tmp/test-initrd-XXXXXX";

static const char *path_of(char *path, const char *name)
{
	snprintf(path, 64, "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const struct buffer *b)
{
	char path[64];

	assert_null(us_file_replace(path_of(path, name), us_bytes_of(b->p, b->n)));
}

/* The initrd made of up to two files. */
static struct us_initrd *open_files(const char *first, const char *second, bool deep)
{
	char a[64], b[64];
	const char *paths[] = { path_of(a, first), path_of(b, second ? second : "") };
	struct us_bytes no = { 0 };
	struct us_initrd *initrd = NULL;

	assert_null(us_initrd_open(paths, second ? 2 : 1, no, no, deep, NULL, &initrd));
	return initrd;
}

static struct us_initrd *open_uki(const struct buffer *b, bool deep)
{
	struct us_initrd *initrd = NULL;

	assert_null(us_initrd_open(NULL, 0, us_bytes_of(NULL, 0), us_bytes_of(b->p, b->n), deep,
				   NULL, &initrd));
	return initrd;
}

static void test_plain_archive_tells_its_release(void **state)
{
	struct buffer a = root("usr/lib/modules/6.12.1-lab/kernel");
	_us_initrd_free_ struct us_initrd *initrd = NULL;

	(void)state;
	add(&a, "garbage behind", 0, ""); /* a second archive without a trailer */
	write_file("root", &a);
	initrd = open_files("root", NULL, false);
	assert_int_equal(initrd->bytes.n, a.n);
	assert_int_equal(initrd->n_parts, 2);
	assert_null(initrd->parts[0].problem);
	assert_null(initrd->parts[0].codec);
	assert_int_equal(initrd->parts[0].files, 5);
	assert_int_equal(initrd->parts[0].unpacked_bytes, initrd->parts[0].size);
	assert_non_null(strstr(initrd->parts[1].problem, "without its TRAILER!!! entry"));
	assert_string_equal(initrd->releases[0], "6.12.1-lab");
	assert_null(initrd->releases[1]);
	assert_null(initrd->order_note);
	assert_int_equal(initrd->unpacked_bytes, 0);
	assert_non_null(strstr(initrd->path, "/root"));
}

static void test_microcode_goes_first_and_files_are_padded(void **state)
{
	struct buffer plain = root("lib/modules/6.1.0-9-amd64"), packed = gzip(&plain);
	struct buffer ucode = microcode();
	_us_initrd_free_ struct us_initrd *initrd = NULL, *uki = NULL, *fine = NULL;
	char path[64];
	const char *paths[] = { path_of(path, "root.gz") };

	(void)state;
	if (packed.n % 4 == 0)
		put(&packed, "", 1);
	write_file("root.gz", &packed);
	write_file("ucode", &ucode);
	initrd = open_files("root.gz", "ucode", true);
	assert_int_equal(initrd->n_parts, 2);
	assert_null(initrd->path); /* joined: no file holds these bytes */
	assert_true(initrd->parts[0].microcode);
	assert_null(initrd->parts[0].problem);
	assert_int_equal(initrd->parts[1].offset, ucode.n);
	assert_int_equal(initrd->bytes.n, ucode.n + (packed.n + 3) / 4 * 4);
	assert_memory_equal(initrd->bytes.p, ucode.p, ucode.n);
	assert_memory_equal(initrd->bytes.p + ucode.n, packed.p, packed.n);
	assert_non_null(strstr(initrd->order_note, "/ucode moved to the front"));
	assert_string_equal(initrd->parts[1].codec->name, "gzip");
	assert_null(initrd->parts[1].problem);
	assert_int_equal(initrd->parts[1].files, 5);
	assert_int_equal(initrd->parts[1].unpacked_bytes, plain.n);
	assert_int_equal(initrd->unpacked_bytes, plain.n + ucode.n);
	assert_string_equal(initrd->releases[0], "6.1.0-9-amd64");

	fine = open_files("ucode", "root.gz", false);
	assert_null(fine->order_note);
	assert_int_equal(fine->n_parts, 2);
	assert_int_equal(fine->parts[1].unpacked_bytes, 0);
	assert_null(fine->releases[0]);

	assert_null(us_initrd_open(paths, 1, us_bytes_of(ucode.p, ucode.n),
				   us_bytes_of(plain.p, plain.n), false, NULL, &uki));
	assert_int_equal(uki->n_parts, 3);
	assert_string_equal(uki->parts[0].from, "UKI .ucode");
	assert_string_equal(uki->parts[1].from, "UKI .initrd");
	assert_string_equal(uki->parts[2].from, path);
}

static void test_one_file_may_hold_many_archives(void **state)
{
	struct buffer plain = root("lib/modules/1"), other = root("./lib/modules/2"),
		      all = microcode();
	struct buffer packed = gzip(&plain), second = gzip(&other);
	_us_initrd_free_ struct us_initrd *deep = NULL, *late = NULL;

	(void)state;
	put(&all, packed.p, packed.n);
	put(&all, "\0\0\0\0", 4);
	pad(&all);
	put(&all, plain.p, plain.n);
	put(&all, second.p, second.n);
	deep = open_uki(&all, true);
	assert_int_equal(deep->n_parts, 4);
	for (size_t i = 0; i < 4; i++)
		assert_null(deep->parts[i].problem);
	assert_string_equal(deep->releases[0], "1");
	assert_string_equal(deep->releases[1], "2");
	assert_null(deep->releases[2]);

	/* microcode behind a compressed archive is not seen by the kernel */
	all = packed;
	pad(&all);
	other = microcode();
	put(&all, other.p, other.n);
	late = open_uki(&all, true);
	assert_int_equal(late->n_parts, 2);
	assert_null(late->parts[1].problem);
	assert_true(late->parts[1].microcode_late);
	assert_false(deep->parts[0].microcode_late);
}

static void test_every_cut_is_a_problem(void **state)
{
	struct buffer plain = root("lib/modules/6.12.1-lab"), packed = gzip(&plain);

	(void)state;
	for (size_t n = 1; n < plain.n; n++) {
		struct buffer cut = plain;
		_us_initrd_free_ struct us_initrd *initrd = NULL;

		cut.n = n;
		initrd = open_uki(&cut, false);
		assert_int_equal(initrd->n_parts, 1);
		if (!initrd->parts[0].problem)
			fail_msg("plain archive cut at %zu of %zu: no problem", n, plain.n);
	}
	for (size_t n = 1; n < packed.n; n++) {
		struct buffer cut = packed;
		_us_initrd_free_ struct us_initrd *initrd = NULL;

		cut.n = n;
		initrd = open_uki(&cut, true);
		assert_int_equal(initrd->n_parts, 1);
		if (!initrd->parts[0].problem)
			fail_msg("gzip archive cut at %zu of %zu: no problem", n, packed.n);
	}
}

static void test_problems_say_where(void **state)
{
	static const struct {
		size_t at;
		const char *bytes, *problem;
	} cases[] = {
		{ 0, "BZ", "neither cpio nor a known compression at 0x0 (byte 0x42)" },
		{ 0, "070707",
		  "cpio header at 0x0: the old portable format, which the kernel does "
		  "not read (cpio -H newc)" },
		{ 0, "070703", "cpio header at 0x0: bad magic" },
		{ 20, "x", "cpio header at 0x0: a field is no hex number" },
		{ 94, "00000000", "cpio header at 0x0: impossible length of the name" },
		{ 94, "00100000", "cpio header at 0x0: impossible length of the name" },
		{ 94, "00000001", "cpio header at 0x0: the name has no end" },
		{ 54, "ffffffff", "cpio archive is cut at 0x" },
		{ 116, "junk", "cpio header at 0x74: bad magic" },
	};

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++) {
		struct buffer b = { .n = 0 };
		_us_initrd_free_ struct us_initrd *initrd = NULL;

		add(&b, "abc", 0100644, "");
		b.n = b.n < 116 ? 116 : b.n;
		add(&b, "def", 0100644, "");
		end(&b);
		memcpy(b.p + cases[i].at, cases[i].bytes, strlen(cases[i].bytes));
		initrd = open_uki(&b, true);
		assert_int_equal(initrd->n_parts, 1);
		if (!initrd->parts[0].problem ||
		    strncmp(initrd->parts[0].problem, cases[i].problem, strlen(cases[i].problem)))
			fail_msg("case %zu: %s", i,
				 initrd->parts[0].problem ? initrd->parts[0].problem : "no problem");
	}
}

static void test_misaligned_and_empty_files_are_named(void **state)
{
	struct buffer plain = root("lib/modules/1"), packed = gzip(&plain), empty = { .n = 0 };
	_us_initrd_free_ struct us_initrd *odd = NULL, *none = NULL;

	(void)state;
	do /* end at an odd offset, whatever the compressor made of it */
		put(&packed, "", 1);
	while (packed.n % 4 != 2);
	put(&packed, plain.p, plain.n);
	odd = open_uki(&packed, true);
	assert_int_equal(odd->n_parts, 2);
	assert_non_null(strstr(odd->parts[1].problem, "not aligned to 4 bytes"));

	write_file("empty", &empty);
	none = open_files("empty", NULL, true);
	assert_int_equal(none->n_parts, 1);
	assert_string_equal(none->parts[0].problem, "the file is empty");
}

static struct us_err *count_entry(void *data, const struct us_cpio_entry *entry)
{
	unsigned int *count = data;

	assert_true(*entry->name);
	(*count)++;
	return NULL;
}

static void test_size_of_the_pieces_does_not_matter(void **state)
{
	struct buffer plain = root("lib/modules/1");
	struct us_bytes all = us_bytes_of(plain.p, plain.n);

	(void)state;
	for (size_t piece = 1; piece < 130; piece++) {
		unsigned int count = 0;
		struct us_cpio cpio = { .entry = count_entry, .data = &count };
		size_t eaten;

		for (size_t at = 0; at < all.n; at += piece)
			assert_null(us_cpio_feed(&cpio, us_bytes_clip(all, at, piece), &eaten));
		us_cpio_finish(&cpio);
		assert_int_equal(cpio.state, US_CPIO_END);
		assert_int_equal(cpio.fed, all.n);
		assert_int_equal(count, 5);
	}
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
	static const char *const names[] = { "root", "root.gz", "ucode", "empty" };
	char path[64];

	(void)state;
	for (size_t i = 0; i < us_array_size(names); i++)
		unlink(path_of(path, names[i]));
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_archive_tells_its_release),
		cmocka_unit_test(test_microcode_goes_first_and_files_are_padded),
		cmocka_unit_test(test_one_file_may_hold_many_archives),
		cmocka_unit_test(test_every_cut_is_a_problem),
		cmocka_unit_test(test_problems_say_where),
		cmocka_unit_test(test_misaligned_and_empty_files_are_named),
		cmocka_unit_test(test_size_of_the_pieces_does_not_matter),
	};

	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
