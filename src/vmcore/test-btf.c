/* SPDX-License-Identifier: GPL-2.0-or-later */
/* BTF made here: members by name through what has no name, enumerators of both widths, damage. */
#include "vmcore/layout-int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define KIND(kind, vlen) ((uint32_t)(kind) << 24 | (vlen))
#define BITFIELDS        0x80000000u

/* Strings, with the offsets that the types below use. */
static const char strings[] =
	"\0page\0flags\0lru\0private\0pagetype\0PGTY_slab\0NEGATIVE\0WIDE\0bits";
enum {
	S_PAGE = 1,
	S_FLAGS = 6,
	S_LRU = 12,
	S_PRIVATE = 16,
	S_PAGETYPE = 24,
	S_SLAB = 33,
	S_NEGATIVE = 43,
	S_WIDE = 52,
	S_BITS = 57
};

static const uint32_t types[] = {
	S_FLAGS, KIND(1, 0), 8, 64,              /* 1: an integer */
	0, KIND(3, 0), 0, 1, 1, 4,               /* 2: an array */
	0, KIND(5, 2), 16, S_LRU, 1, 0, 0, 4, 0, /* 3: union { lru; struct 4 } */
	0, KIND(4, 1), 16, S_PRIVATE, 1, 64,     /* 4: struct { private } */
	/* 5: struct page { flags; union 3; bits } with sizes of bit fields */
	S_PAGE, KIND(4, 3) | BITFIELDS, 64, S_FLAGS, 1, 0, 0, 3, 64, S_BITS, 1, 3u << 24 | 195,
	S_PAGETYPE, KIND(6, 2), 4, S_SLAB, 0xf5, S_NEGATIVE, 0xffffffff, /* 6 */
	0, KIND(19, 1), 8, S_WIDE, 7, 1,                                 /* 7: 64 bits wide */
	S_PAGE, KIND(4, 0), 8, /* 8: another of the same name, later */
};

static struct us_err *made(uint8_t *to, size_t cut, struct us_btf **ret)
{
	uint32_t header[6] = { 0x0001eb9f, 24, 0, sizeof(types), sizeof(types), sizeof(strings) };
	size_t n = sizeof(header) + sizeof(types) + sizeof(strings);

	for (size_t i = 0; i < 6; i++)
		us_put_le32(to + 4 * i, header[i]);
	for (size_t i = 0; i < us_array_size(types); i++)
		us_put_le32(to + sizeof(header) + 4 * i, types[i]);
	memcpy(to + sizeof(header) + sizeof(types), strings, sizeof(strings));
	return us_btf_parse(us_bytes_of(to, n - cut), ret);
}

static void test_questions_are_answered(void **state)
{
	uint8_t raw[1024];
	struct us_btf *btf;
	int64_t v = -9;

	(void)state;
	assert_null(made(raw, 0, &btf));
	assert_true(us_btf_size(btf, "page", &v) && v == 64);
	assert_true(us_btf_offset(btf, "page.flags", &v) && v == 0);
	assert_true(us_btf_offset(btf, "page.lru", &v) && v == 8);
	assert_true(us_btf_offset(btf, "page.private", &v) && v == 16);
	assert_true(us_btf_enum(btf, "PGTY_slab", &v) && v == 0xf5);
	assert_true(us_btf_enum(btf, "NEGATIVE", &v) && v == -1);
	assert_true(us_btf_enum(btf, "WIDE", &v) && v == 7);
	v = -9;
	assert_false(us_btf_offset(btf, "page.bits", &v)); /* starts inside a byte */
	assert_false(us_btf_offset(btf, "page.mapping", &v));
	assert_false(us_btf_offset(btf, "pag.flags", &v));
	assert_false(us_btf_offset(btf, "page", &v));
	assert_false(us_btf_size(btf, "zone", &v));
	assert_false(us_btf_size(btf, "pagetype", &v)); /* is no structure */
	assert_false(us_btf_enum(btf, "PGTY_sla", &v));
	assert_true(v == -9);
	us_btf_free(btf);
}

static void test_every_cut_is_refused(void **state)
{
	(void)state;
	for (size_t cut = 1; cut < sizeof(types) + sizeof(strings) + 24; cut++) {
		struct us_btf *btf = NULL;
		uint8_t raw[1024];
		struct us_err *err = made(raw, cut, &btf);

		assert_non_null(err);
		assert_int_equal(err->code, US_ERR_BAD_DATA);
		assert_null(btf);
		us_err_free(err);
	}
}

static void test_a_structure_inside_itself_ends(void **state)
{
	/* struct page { struct page; struct page; ... } without names */
	uint32_t words[6 + 3 + 3 * 60] = { 0x0001eb9f,  24, 0, 12 + 12 * 60, 12 + 12 * 60, 6, 1,
					   KIND(4, 60), 64 };
	uint8_t raw[sizeof(words) + 6];
	struct us_btf *btf;
	int64_t v;

	(void)state;
	for (size_t i = 0; i < 60; i++)
		words[9 + 3 * i + 1] = 1;
	for (size_t i = 0; i < us_array_size(words); i++)
		us_put_le32(raw + 4 * i, words[i]);
	memcpy(raw + sizeof(words), "\0page", 6);
	assert_null(us_btf_parse(us_bytes_of(raw, sizeof(raw)), &btf));
	assert_false(us_btf_offset(btf, "page.flags", &v));
	us_btf_free(btf);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_questions_are_answered),
		cmocka_unit_test(test_every_cut_is_refused),
		cmocka_unit_test(test_a_structure_inside_itself_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
