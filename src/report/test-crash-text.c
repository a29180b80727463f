/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What crashes are called, by logs of several kinds of end. */
#include "base/cleanup.h"
#include "report/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct told {
	struct us_panic panic;
	struct us_crash_words words;
	char *signature;
};

static void tell(const char *log, struct told *t)
{
	_us_free_ char *copy = strdup(log);
	char *rest = copy, *line;

	*t = (struct told){ 0 };
	t->words.panic = &t->panic;
	while ((line = strsep(&rest, "\n"))) {
		struct us_log_record record = { .ns = 1, .text = us_bytes_of(line, strlen(line)) };

		assert_null(us_panic_look(&t->panic, &record));
		assert_null(us_crash_line(&t->words, line));
	}
	assert_null(us_crash_signature(&t->panic, &t->signature));
}

static void forget(struct told *t)
{
	us_panic_deinit(&t->panic);
	us_crash_words_deinit(&t->words);
	free(t->signature);
}

static const char null_pointer[] =
	"BUG: kernel NULL pointer dereference, address: 0000000000000010\n"
	"CPU: 1 PID: 612 Comm: sh Kdump: loaded Tainted: G        W  OE      6.1.0-56-amd64 #1\n"
	"RIP: 0010:made_write+0x1f/0x40 [made]\n"
	"Call Trace:\n <TASK>\n ? page_fault_oops+0xd5/0x2c0\n asm_exc_page_fault+0x22/0x30\n"
	" made_write+0x1f/0x40 [made]\n vfs_write.part.0+0xc7/0x3f0\n ksys_write+0x6b/0xf0\n"
	" do_syscall_64+0x5d/0xb0\n </TASK>\nModules linked in: made(OE) ext4\n"
	"Kernel panic - not syncing: Fatal exception";

static void test_machinery_and_numbers_are_no_part_of_a_signature(void **unused)
{
	struct told t;

	(void)unused;
	tell(null_pointer, &t);
	assert_string_equal(t.signature, "BUG: kernel NULL pointer dereference: made_write < "
					 "vfs_write < ksys_write < do_syscall_64");
	forget(&t);
	tell("watchdog: BUG: soft lockup - CPU#3 stuck for 22s! [made:712]\n"
	     "Kernel panic - not syncing: softlockup: hung tasks",
	     &t);
	assert_string_equal(t.signature, "watchdog: BUG: soft lockup - CPU#N stuck for Ns!");
	forget(&t);
	tell("Kernel panic - not syncing: Out of memory: system-wide panic_on_oom is enabled", &t);
	assert_string_equal(t.signature, "Out of memory: system-wide panic_on_oom is enabled");
	forget(&t);
	tell("Kernel panic - not syncing: NMI: Not continuing\n"
	     "RIP: 0010:made_spin+0xa/0xff0 [made]\nCall Trace:\n <NMI>\n panic+0x344/0x3a0\n"
	     " nmi_panic+0x2b/0x40\n unknown_nmi_error+0x73/0xc0\n </NMI>\n <TASK>\n"
	     "RIP: 0010:made_spin+0xa/0xff0 [made]\nCode: eb fe\nRAX: 0000000000000000 RBX: 0\n"
	     " do_one_initcall+0x5a/0x360\n do_init_module+0x60/0x240\nModules linked in: made(E)\n"
	     " not_a_call+0x1/0x2",
	     &t);
	assert_string_equal(t.signature, "NMI: Not continuing: made_spin < do_one_initcall < "
					 "do_init_module");
	assert_int_equal(t.panic.n_trace, 5);
	forget(&t);
	tell("nothing happened", &t);
	assert_string_equal(t.signature, "unknown");
	forget(&t);
}

static void test_taint_is_read_in_both_spellings(void **unused)
{
	struct told t;
	char letter;

	(void)unused;
	tell(null_pointer, &t);
	assert_true(us_taint_parse(t.words.tainted) == (1 << 9 | 1 << 12 | 1 << 13));
	assert_string_equal(t.words.modules, "made(OE) ext4");
	forget(&t);
	tell("CPU: 1 UID: 0 PID: 7 Comm: sh Tainted: G        W           6.12.0 #1\n"
	     "Tainted: [W]=WARN, [D]=DIE",
	     &t);
	assert_true(us_taint_parse(t.words.tainted) == (1 << 9 | 1 << 7));
	forget(&t);
	tell("CPU: 1 PID: 7 Comm: sh Not tainted 6.12.0 #1", &t);
	assert_string_equal(t.words.tainted, "");
	forget(&t);
	assert_non_null(us_taint_words(0, &letter));
	assert_int_equal(letter, 'P');
	assert_null(us_taint_words(20, &letter));
}

static void test_the_short_report_says_what_is_known_only(void **unused)
{
	_us_free_ char *text = NULL, *nothing = NULL;
	struct told t;

	(void)unused;
	tell(null_pointer, &t);
	t.words.release = "6.1.0-56-amd64";
	t.words.crash_time = 1700000000;
	assert_null(us_crash_text(&t.words, &text));
	assert_non_null(strstr(text, "kernel     6.1.0-56-amd64\n"));
	assert_non_null(strstr(text, "time       2023-11-14 22:13:20 UTC\n"));
	assert_non_null(strstr(text, "panic      Fatal exception\n"));
	assert_non_null(strstr(text, "on         CPU 1, task 612 (sh)\n"));
	assert_non_null(strstr(text, "taint      O: a module from outside the kernel's tree"));
	assert_null(strstr(text, "host"));
	forget(&t);
	tell("", &t);
	assert_null(us_crash_text(&t.words, &nothing));
	assert_null(strstr(nothing, "panic"));
	forget(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_machinery_and_numbers_are_no_part_of_a_signature),
		cmocka_unit_test(test_taint_is_read_in_both_spellings),
		cmocka_unit_test(test_the_short_report_says_what_is_known_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
