/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of single packed pages: every form comes back, and only as exactly one page. */
#include "pack/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <lzo/lzo1x.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>

#define PAGE 4096

static const uint32_t forms[] = { US_PAGE_FORM_ZLIB, US_PAGE_FORM_LZO, US_PAGE_FORM_SNAPPY,
				  US_PAGE_FORM_ZSTD };

static void fill(uint8_t *page)
{
	for (size_t i = 0; i < PAGE; i++)
		page[i] = (uint8_t)(i / 7 * (i % 5));
}

static size_t packed(uint32_t form, const uint8_t *page, size_t n, uint8_t *out, size_t room)
{
	static const size_t work_bytes = LZO1X_1_MEM_COMPRESS;
	uint8_t *work = malloc(work_bytes);
	uLongf z = room;
	lzo_uint l = room;
	size_t s = room;

	assert_non_null(work);
	if (form == US_PAGE_FORM_ZLIB)
		assert_int_equal(compress2(out, &z, page, n, 1), Z_OK);
	else if (form == US_PAGE_FORM_LZO)
		assert_int_equal(lzo1x_1_compress(page, n, out, &l, work), LZO_E_OK);
	else if (form == US_PAGE_FORM_SNAPPY)
		assert_int_equal(snappy_compress((const char *)page, n, (char *)out, &s), SNAPPY_OK);
	free(work);
	switch (form) {
	case US_PAGE_FORM_ZLIB:
		return z;
	case US_PAGE_FORM_LZO:
		return l;
	case US_PAGE_FORM_SNAPPY:
		return s;
	default:
		return ZSTD_compress(out, room, page, n, 1);
	}
}

static void refused(struct us_err *err, enum us_err_code code)
{
	assert_non_null(err);
	assert_int_equal(err->code, code);
	us_err_free(err);
}

static void test_every_form_comes_back(void **state)
{
	uint8_t page[PAGE], in[2 * PAGE], out[PAGE];
	struct us_page_unpacker *u;

	(void)state;
	fill(page);
	assert_null(us_page_unpacker_new(&u));
	for (unsigned int round = 0; round < 2; round++)
		for (size_t i = 0; i < us_array_size(forms); i++) {
			size_t n = packed(forms[i], page, PAGE, in, sizeof(in));

			memset(out, 0xee, sizeof(out));
			assert_null(us_page_unpack(u, forms[i], us_bytes_of(in, n), out, PAGE));
			assert_memory_equal(out, page, PAGE);
		}
	us_page_unpacker_free(u);
	us_page_unpacker_free(NULL);
}

static void test_only_exactly_one_page_is_taken(void **state)
{
	uint8_t page[PAGE], in[2 * PAGE], out[PAGE];
	struct us_page_unpacker *u;

	(void)state;
	fill(page);
	assert_null(us_page_unpacker_new(&u));
	for (size_t i = 0; i < us_array_size(forms); i++) {
		size_t n = packed(forms[i], page, PAGE, in, sizeof(in));

		refused(us_page_unpack(u, forms[i], us_bytes_of(in, n / 2), out, PAGE),
			US_ERR_BAD_DATA);
		refused(us_page_unpack(u, forms[i], us_bytes_of(NULL, 0), out, PAGE),
			US_ERR_BAD_DATA);
		refused(us_page_unpack(u, forms[i], us_bytes_of(in, n), out, PAGE / 2),
			US_ERR_BAD_DATA);
		n = packed(forms[i], page, PAGE - 1, in, sizeof(in));
		refused(us_page_unpack(u, forms[i], us_bytes_of(in, n), out, PAGE), US_ERR_BAD_DATA);
	}
	refused(us_page_unpack(u, 0x40, us_bytes_of(in, 8), out, PAGE), US_ERR_UNSUPPORTED);
	refused(us_page_unpack(u, US_PAGE_FORM_ZLIB | US_PAGE_FORM_LZO, us_bytes_of(in, 8), out,
			       PAGE),
		US_ERR_UNSUPPORTED);
	us_page_unpacker_free(u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_form_comes_back),
		cmocka_unit_test(test_only_exactly_one_page_is_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
