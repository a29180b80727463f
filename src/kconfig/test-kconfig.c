/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of kconfig: what a line means, what is refused with its line number, and the wants. */
#include "base/err.h"
#include "kconfig/kconfig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const char sample[] = "#\n"
			     "# Automatically generated file; DO NOT EDIT.\n"
			     "# Linux/x86 6.12.117 Kernel Configuration\n"
			     "#\n"
			     "CONFIG_PROC_VMCORE=y\n"
			     "CONFIG_EXT4_FS=m\r\n"
			     "# CONFIG_KASAN is not set\n"
			     "CONFIG_NR_CPUS=8192\n"
			     "CONFIG_PHYSICAL_START=0x1000000\n"
			     "CONFIG_CMDLINE=\"say \\\"hi\\\" a=b\"\n"
			     "CONFIG_EMPTY=\"\"\n"
			     "  CONFIG_TWICE=y\n"
			     "# CONFIG_TWICE is not set\n"
			     "\n"
			     "CONFIG_LAST=n";

static struct us_kconfig *parse(const char *text)
{
	struct us_kconfig *config = NULL;

	assert_null(us_kconfig_parse(us_bytes_of(text, strlen(text)), &config));
	assert_non_null(config);
	return config;
}

static void test_values_are_read_as_they_stand(void **state)
{
	_us_kconfig_free_ struct us_kconfig *config = parse(sample);

	(void)state;
	assert_string_equal(us_kconfig_made_for(config), "Linux/x86 6.12.117");
	assert_string_equal(us_kconfig_value(config, "PROC_VMCORE"), "y");
	assert_string_equal(us_kconfig_value(config, "EXT4_FS"), "m");
	assert_string_equal(us_kconfig_value(config, "NR_CPUS"), "8192");
	assert_string_equal(us_kconfig_value(config, "CMDLINE"), "say \"hi\" a=b");
	assert_string_equal(us_kconfig_value(config, "EMPTY"), "");
	assert_null(us_kconfig_value(config, "KASAN"));
	assert_null(us_kconfig_value(config, "TWICE"));
	assert_null(us_kconfig_value(config, "LAST"));
	assert_null(us_kconfig_value(config, "NEVER_HEARD_OF"));
}

static void test_built_in_and_module_differ(void **state)
{
	_us_kconfig_free_ struct us_kconfig *config = parse(sample);

	(void)state;
	assert_int_equal(us_kconfig_builtin(config, "PROC_VMCORE"), US_YES);
	assert_int_equal(us_kconfig_builtin(config, "EXT4_FS"), US_NO);
	assert_int_equal(us_kconfig_enabled(config, "EXT4_FS"), US_YES);
	assert_int_equal(us_kconfig_enabled(config, "KASAN"), US_NO);
	assert_int_equal(us_kconfig_builtin(config, "NEVER_HEARD_OF"), US_NO);
	assert_int_equal(us_kconfig_builtin(NULL, "PROC_VMCORE"), US_UNKNOWN);
	assert_int_equal(us_kconfig_enabled(NULL, "PROC_VMCORE"), US_UNKNOWN);
}

static void test_what_is_no_config_is_refused_with_its_line(void **state)
{
	static const struct {
		const char *text, *error;
	} cases[] = {
		{ "", "no line is CONFIG_NAME=value: not a .config" },
		{ "# nothing\n", "no line is CONFIG_NAME=value: not a .config" },
		{ "CONFIG_A=y\nhello\n", "line 2: neither CONFIG_NAME=value nor a comment" },
		{ "CONFIG_A=y\n\nCONFIG_B\n", "line 3: no CONFIG_NAME=value" },
		{ "CONFIG_=y\n", "line 1: no CONFIG_NAME=value" },
		{ "CONFIG_A=\"x\n", "line 1: text without its closing quote" },
		{ "CONFIG_A=\"x\\\"\n", "line 1: text without its closing quote" },
		{ "CONFIG_A=\"x\"y\n", "line 1: text without its closing quote" },
	};
	struct us_kconfig *config = NULL;

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++) {
		_us_err_free_ struct us_err *err = us_kconfig_parse(
			us_bytes_of(cases[i].text, strlen(cases[i].text)), &config);

		assert_non_null(err);
		assert_int_equal(err->code, US_ERR_BAD_DATA);
		assert_string_equal(err->text, cases[i].error);
	}
	{
		_us_err_free_ struct us_err *err =
			us_kconfig_parse(us_bytes_of("CONFIG_A=y\0", 11), &config);

		assert_non_null(err);
		assert_string_equal(err->text, "a zero byte: not a .config");
	}
	assert_null(config);
}

static void test_wants(void **state)
{
	static const struct {
		const char *want;
		enum us_tri is;
	} cases[] = {
		{ "PROC_VMCORE=y", US_YES },
		{ "PROC_VMCORE=m", US_YES },
		{ "PROC_VMCORE=n", US_NO },
		{ "PROC_VMCORE!=y", US_NO },
		{ "EXT4_FS=y", US_NO },
		{ "EXT4_FS=m", US_YES },
		{ "KASAN=n", US_YES },
		{ "NEVER_HEARD_OF=n", US_YES },
		{ "NEVER_HEARD_OF=y", US_NO },
		{ "NR_CPUS>=8", US_YES },
		{ "NR_CPUS>=8193", US_NO },
		{ "NR_CPUS<=8192", US_YES },
		{ "NR_CPUS>8192", US_NO },
		{ "NR_CPUS<0x2001", US_YES },
		{ "PHYSICAL_START=0x1000000", US_YES },
		{ "NEVER_HEARD_OF>=0", US_NO },
		{ "KASAN=y|PROC_VMCORE=y", US_YES },
		{ "KASAN=y | PROC_VMCORE=y & EXT4_FS=y", US_NO },
		{ "KASAN=y & EXT4_FS=y | PROC_VMCORE=y", US_YES },
		{ "KASAN=n & EXT4_FS=m & NR_CPUS>=8192", US_YES },
		{ "", US_UNKNOWN },
		{ "KASAN", US_UNKNOWN },
		{ "KASAN=", US_UNKNOWN },
		{ "KASAN=n &", US_UNKNOWN },
		{ "KASAN=n )", US_UNKNOWN },
		{ "NR_CPUS>=many", US_UNKNOWN },
	};
	_us_kconfig_free_ struct us_kconfig *config = parse(sample);

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++)
		if (us_kconfig_wants(config, cases[i].want) != cases[i].is)
			fail_msg("%s is not %s", cases[i].want, us_tri_name(cases[i].is));
	assert_int_equal(us_kconfig_wants(NULL, "KASAN=n"), US_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_are_read_as_they_stand),
		cmocka_unit_test(test_built_in_and_module_differ),
		cmocka_unit_test(test_what_is_no_config_is_refused_with_its_line),
		cmocka_unit_test(test_wants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
