/* SPDX-License-Identifier: GPL-2.0-or-later */
/* state.txt, whole and damaged. */
#include "crash/capture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void parse(const char *text, struct us_capture_state *ret)
{
	assert_null(us_capture_state_parse(us_bytes_of(text, strlen(text)), ret));
}

static void test_stages_samples_and_pairs_are_told_apart(void **unused)
{
	struct us_capture_state s;

	(void)unused;
	parse("crash=20260102-030405-6.12\nmemory_total=67108864\n"
	      "stage=120 340 load modules\nmemory=340 50000000 9000000\n"
	      "stage=340 - dump\nabandoned=nfs.ko: hung\nabandoned=target 0: no link\n"
	      "result=partial the time was over\n",
	      &s);
	assert_int_equal(s.n_stages, 2);
	assert_string_equal(s.stages[0].name, "load modules");
	assert_int_equal(s.stages[0].end_ms, 340);
	assert_true(s.stages[1].end_ms == UINT64_MAX);
	assert_int_equal(s.n_samples, 1);
	assert_int_equal(s.samples[0].used, 9000000);
	assert_string_equal(us_capture_state_text(&s, "abandoned", 1), "target 0: no link");
	assert_null(us_capture_state_text(&s, "abandoned", 2));
	assert_string_equal(us_capture_state_text(&s, "result", 0), "partial the time was over");
	us_capture_state_deinit(&s);
}

static void test_lines_without_sense_are_left_out(void **unused)
{
	struct us_capture_state s;

	(void)unused;
	parse("stage=9 3 back in time\nstage=x 3 dump\nstage=1 2\nmemory=1 2\nmemory=a b c\n=x\n"
	      "words\nk=",
	      &s);
	assert_int_equal(s.n_stages, 0);
	assert_int_equal(s.n_samples, 0);
	assert_int_equal(s.n, 1);
	assert_string_equal(us_capture_state_text(&s, "k", 0), "");
	us_capture_state_deinit(&s);
	parse("", &s);
	assert_int_equal(s.n, 0);
	us_capture_state_deinit(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stages_samples_and_pairs_are_told_apart),
		cmocka_unit_test(test_lines_without_sense_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
