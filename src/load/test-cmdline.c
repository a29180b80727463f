/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of command lines: what the next kernel inherits and what it must not. */
#include "load/load.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void test_values_of_words(void **state)
{
	static const struct {
		const char *line, *name, *value; /* value NULL: absent */
	} cases[] = {
		{ "quiet root=/dev/vda1 ro", "root", "/dev/vda1" },
		{ "quiet root=/dev/vda1 ro", "ro", "" },
		{ "xroot=/dev/vda1", "root", NULL },
		{ "console=tty0 console=ttyS0,115200", "console", "ttyS0,115200" },
		{ "a=\"two words\" b=1", "a", "two words" },
		{ "\"a=two words\" b=1", "a", "two words" },
		{ "a=\"never ends", "a", "never ends" },
		{ "a=1 -- a=2", "a", "1" },
		{ "-- a=2", "a", NULL },
		{ "log_buf_len=1M", "log-buf-len", "1M" },
		{ "a=b=c", "a", "b=c" },
		{ "a=", "a", "" },
		{ "", "a", NULL },
	};

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++) {
		_us_free_ char *value = NULL;
		bool found = us_cmdline_get(cases[i].line, cases[i].name, &value);

		assert_int_equal(found, cases[i].value != NULL);
		if (found)
			assert_string_equal(value, cases[i].value);
	}
}

static void test_inheriting_leaves_out_what_was_for_one_boot(void **state)
{
	static const struct {
		const char *line;
		enum us_purpose purpose;
		const char *append, *expected;
	} cases[] = {
		{ "BOOT_IMAGE=/vmlinuz root=/dev/vda1 initrd=initrd.img crashkernel=256M quiet",
		  US_REBOOT, NULL, "root=/dev/vda1 crashkernel=256M quiet" },
		{ "BOOT_IMAGE=/vmlinuz root=/dev/vda1 crashkernel=512M,high crashkernel=256M,low "
		  "hugepagesz=1G hugepages=16 default_hugepagesz=1G resume=/dev/vda2 quiet",
		  US_CRASH, "nr_cpus=1 irqpoll", "root=/dev/vda1 quiet nr_cpus=1 irqpoll" },
		{ "a crashkernels=1 no.crashkernel=2 my_initrd=3", US_CRASH, NULL,
		  "a crashkernels=1 no.crashkernel=2 my_initrd=3" },
		{ "dyndbg=\"file x crashkernel=1 +p\" crashkernel=1", US_CRASH, "",
		  "dyndbg=\"file x crashkernel=1 +p\"" },
		{ "quiet -- single", US_REBOOT, "debug", "quiet debug -- single" },
		{ "", US_REBOOT, "debug", "debug" },
		{ "elfcorehdr=0x1000 quiet", US_REBOOT, NULL, "quiet" },
	};
	struct us_host host = { .cmdline.o.path = "/proc/cmdline" };

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++) {
		_us_free_ char *line = NULL;

		host.cmdline.v = cases[i].line;
		assert_null(us_cmdline_reuse(&host, cases[i].purpose, cases[i].append, &line));
		assert_string_equal(line, cases[i].expected);
	}
}

static void test_unknown_command_line_is_not_reused(void **state)
{
	struct us_host host = { .cmdline = { .o = { "/proc/cmdline", "not there" }, .v = "" } };
	_us_free_ char *line = NULL;
	_us_err_free_ struct us_err *err = us_cmdline_reuse(&host, US_REBOOT, "quiet", &line);

	(void)state;
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_NOT_FOUND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_values_of_words),
		cmocka_unit_test(test_inheriting_leaves_out_what_was_for_one_boot),
		cmocka_unit_test(test_unknown_command_line_is_not_reused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
