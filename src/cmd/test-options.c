/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the option engine: every form of an option, and what is no option. */
#include "cmd/cmd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

struct opts {
	bool flag, other;
	const char *text, *call;
	struct us_opt_list list;
	uint64_t size, top;
};

static const struct us_option table[] = {
	{ 'f', "flag", US_OPT_FLAG, NULL, "A flag", offsetof(struct opts, flag) },
	{ 'o', "other", US_OPT_FLAG, NULL, "Another", offsetof(struct opts, other) },
	{ 't', "text", US_OPT_TEXT, "TEXT", "Words", offsetof(struct opts, text) },
	{ 0, "text-too", US_OPT_TEXT, "TEXT", NULL, offsetof(struct opts, text) },
	{ 's', NULL, US_OPT_SET, "file", "Short for call file", offsetof(struct opts, call) },
	{ 0, "initrd", US_OPT_LIST, "FILE", "Files", offsetof(struct opts, list) },
	{ 0, "mem-min", US_OPT_SIZE, "ADDR", "Lowest", offsetof(struct opts, size) },
	{ 0, "mem-max", US_OPT_SIZE, "ADDR", "Highest", offsetof(struct opts, top) },
	{ 0 },
};

static const struct us_cmd cmd = {
	.name = "made-up",
	.args = "IMAGE",
	.brief = "Nothing",
	.options = table,
	.min_args = 1,
	.max_args = 1,
	.opts_bytes = sizeof(struct opts),
};

/* argv from words */
#define WORDS(...) ((const char *[]){ "x", __VA_ARGS__ })
#define PARSE(c, opts, n, help, ...)                                                               \
	us_options_parse(c, sizeof(WORDS(__VA_ARGS__)) / sizeof(char *),                           \
			 argv = (char **)WORDS(__VA_ARGS__), opts, n, help)

static void test_every_form_is_understood(void **state)
{
	struct opts o = { 0 };
	bool help = true;
	char **argv;
	int n = 0;

	(void)state;
	assert_null(PARSE(&cmd, &o, &n, &help, "-fo", "--initrd=a", "image", "--initrd", "b",
			  "-tword", "-s", "--mem-mi", "2M"));
	assert_false(help);
	assert_int_equal(n, 1);
	assert_string_equal(argv[1], "image");
	assert_true(o.flag && o.other);
	assert_string_equal(o.text, "word");
	assert_string_equal(o.call, "file");
	assert_int_equal(o.list.n, 2);
	assert_string_equal(o.list.v[1], "b");
	assert_int_equal(o.size, 2 << 20);
	us_options_free(&cmd, &o);
	assert_int_equal(o.list.n, 0);
}

static void test_words_after_two_dashes_are_no_options(void **state)
{
	struct opts o = { 0 };
	bool help;
	char **argv;
	int n = 0;

	(void)state;
	assert_null(PARSE(&cmd, &o, &n, &help, "--", "-f"));
	assert_false(o.flag);
	assert_string_equal(argv[1], "-f");
}

static void test_empty_value_and_dash_value_are_values(void **state)
{
	struct opts o = { 0 };
	bool help;
	char **argv;
	int n = 0;

	(void)state;
	assert_null(PARSE(&cmd, &o, &n, &help, "--text=", "i"));
	assert_string_equal(o.text, "");
	o = (struct opts){ 0 };
	assert_null(PARSE(&cmd, &o, &n, &help, "--text", "-f", "i"));
	assert_string_equal(o.text, "-f");
	assert_false(o.flag);
}

#define REFUSES(words, ...)                                                                        \
	do {                                                                                       \
		struct us_err *err = PARSE(&cmd, &o, &n, &help, __VA_ARGS__);                      \
		assert_non_null(err);                                                              \
		assert_int_equal(err->code, US_ERR_USAGE);                                         \
		assert_string_equal(err->text, words);                                             \
		us_err_free(err);                                                                  \
		us_options_free(&cmd, &o);                                                         \
		o = (struct opts){ 0 };                                                            \
	} while (0)

static void test_refusals_name_the_word(void **state)
{
	struct opts o = { 0 };
	bool help;
	char **argv;
	int n = 0;

	(void)state;
	REFUSES("there is no option --nope", "--nope", "i");
	REFUSES("there is no option -z", "-fz", "i");
	REFUSES("--mem is short for both --mem-min and --mem-max", "--mem", "1", "i");
	REFUSES("--flag takes no value", "--flag=1", "i");
	REFUSES("--text needs a value: TEXT", "i", "--text");
	REFUSES("-t needs a value: TEXT", "i", "-t");
	REFUSES("--mem-min: 12Q is no number of bytes", "--mem-min", "12Q", "i");
	REFUSES("--text is given twice", "--text", "a", "--text", "b", "i");
	REFUSES("made-up needs IMAGE", "-f");
	REFUSES("made-up: unexpected word \"two\"", "one", "two");
}

static void test_last_wins_where_the_command_says_so(void **state)
{
	struct us_cmd lax = cmd;
	struct opts o = { 0 };
	bool help;
	char **argv;
	int n = 0;

	(void)state;
	lax.last_wins = true;
	assert_null(PARSE(&lax, &o, &n, &help, "--text", "a", "--text-too", "b", "i"));
	assert_string_equal(o.text, "b");
	assert_null(PARSE(&lax, &o, &n, &help, "--help"));
	assert_true(help);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_form_is_understood),
		cmocka_unit_test(test_words_after_two_dashes_are_no_options),
		cmocka_unit_test(test_empty_value_and_dash_value_are_values),
		cmocka_unit_test(test_refusals_name_the_word),
		cmocka_unit_test(test_last_wins_where_the_command_says_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
