/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the vmcoreinfo table: each form of value, duplicates, cut and broken lines. */
#include "vmcore/vmcore.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct us_err *parse(const char *text, struct us_pool *pool, const struct us_vmcoreinfo **ret)
{
	return us_vmcoreinfo_parse(us_bytes_of(text, strlen(text)), pool, ret);
}

static void test_values_in_all_their_forms(void **state)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const struct us_vmcoreinfo *info;
	uint64_t symbol;
	int64_t n;

	(void)state;
	assert_null(parse("OSRELEASE=6.12.117+deb12-amd64\nBUILD-ID=\nPAGESIZE=4096\n"
			  "SYMBOL(mem_section)=ff3e1a003ffd4000\nOFFSET(page.flags)=0\n"
			  "SIZE(page)=64\nNUMBER(PAGE_SLAB_MAPCOUNT_VALUE)=-184549376\n"
			  "NUMBER(VMALLOC_START)=0xff5a7b4bc0000000\nLENGTH(zone.free_area)=11\n"
			  "NUMBER(broken)=-\nNUMBER(wide)=99999999999999999999\n",
			  &pool, &info));
	assert_string_equal(us_vmcoreinfo_text(info, "OSRELEASE"), "6.12.117+deb12-amd64");
	assert_string_equal(us_vmcoreinfo_text(info, "BUILD-ID"), "");
	assert_null(us_vmcoreinfo_text(info, "SYMBOL"));
	assert_null(us_vmcoreinfo_text(NULL, "OSRELEASE"));
	assert_true(us_vmcoreinfo_symbol(info, "mem_section", &symbol));
	assert_true(symbol == 0xff3e1a003ffd4000);
	assert_false(us_vmcoreinfo_symbol(info, "mem", &symbol));
	assert_true(us_vmcoreinfo_number(info, "OFFSET", "page.flags", &n) && n == 0);
	assert_true(us_vmcoreinfo_number(info, "SIZE", "page", &n) && n == 64);
	assert_true(us_vmcoreinfo_number(info, "NUMBER", "PAGE_SLAB_MAPCOUNT_VALUE", &n));
	assert_true((uint32_t)n == 0xf5000000);
	assert_true(us_vmcoreinfo_number(info, "NUMBER", "VMALLOC_START", &n));
	assert_true((uint64_t)n == 0xff5a7b4bc0000000);
	assert_true(us_vmcoreinfo_number(info, "LENGTH", "zone.free_area", &n) && n == 11);
	assert_false(us_vmcoreinfo_number(info, "NUMBER", "broken", &n));
	assert_false(us_vmcoreinfo_number(info, "NUMBER", "wide", &n));
	assert_false(us_vmcoreinfo_number(info, "NUMBER", "absent", &n));
	assert_int_equal(n, 11);
}

static void test_later_duplicates_win(void **state)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const struct us_vmcoreinfo *info;

	(void)state;
	assert_null(parse("A=1\nB=5\nA=2\nA=3\n", &pool, &info));
	assert_string_equal(us_vmcoreinfo_text(info, "A"), "3");
	assert_string_equal(us_vmcoreinfo_text(info, "B"), "5");
}

static void test_a_cut_last_line_is_dropped(void **state)
{
	static char page[4096];
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const struct us_vmcoreinfo *info;

	(void)state;
	assert_null(parse("A=1\nSYMBOL(mem_se", &pool, &info));
	assert_string_equal(us_vmcoreinfo_text(info, "A"), "1");
	assert_null(us_vmcoreinfo_text(info, "SYMBOL(mem_se"));
	memset(page, 'x', sizeof(page));
	memcpy(page, "B=2\nC=", 6);
	assert_null(us_vmcoreinfo_parse(us_bytes_of(page, sizeof(page)), &pool, &info));
	assert_string_equal(us_vmcoreinfo_text(info, "B"), "2");
	assert_null(us_vmcoreinfo_text(info, "C"));
	assert_null(us_vmcoreinfo_parse(us_bytes_of(page, sizeof(page) - 1), &pool, &info));
	assert_non_null(us_vmcoreinfo_text(info, "C"));
	assert_null(us_vmcoreinfo_parse(us_bytes_of(NULL, 0), &pool, &info));
	assert_null(us_vmcoreinfo_text(info, "A"));
}

static void test_a_line_without_a_value_is_named(void **state)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const struct us_vmcoreinfo *info = NULL;
	_us_err_free_ struct us_err *err = parse("A=1\n\nnonsense\nB=2\n", &pool, &info);

	(void)state;
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_BAD_DATA);
	assert_non_null(strstr(err->text, "line 3 \"nonsense\""));
	assert_null(info);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_in_all_their_forms),
		cmocka_unit_test(test_later_duplicates_win),
		cmocka_unit_test(test_a_cut_last_line_is_dropped),
		cmocka_unit_test(test_a_line_without_a_value_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
