/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of trees that are made to exhaust the program: long chains of symbols, selects and choices,
 * files that read each other, files that are none. Each ends soon, with an answer or an error.
 */
#include "kconfig/test-trees.h"

#include "base/text.h"

/* More than a 16-bit counter counts. */
enum { LONG = 66000 };

/* S0, and each other one depends on the one before. */
static struct us_ktree *chain_of(int n)
{
	_us_text_deinit_ struct us_text text = { 0 };

	us_text_add(&text, "config S0\n\tbool \"s\"\n");
	for (int i = 1; i < n; i++)
		us_text_add(&text, "config S%d\n\tbool \"s\"\n\tdepends on S%d\n", i, i - 1);
	return us_test_tree(US_TEST_MODERN, text.s);
}

static size_t count(const char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

/* The end of the cone lies beyond what the distance counts; the fewest lines are not searched for. */
static void test_a_long_chain_is_answered(void **state)
{
	_us_ktree_free_ struct us_ktree *tree = chain_of(LONG);
	_us_kanswer_free_ struct us_kanswer *answer = NULL, *no = NULL;

	(void)state;
	answer = us_test_ask(tree, &(struct us_kask){ .want = "S65999=y" });
	assert_true(answer->reachable && answer->rough);
	assert_int_equal(answer->cone, LONG);
	assert_int_equal(count(answer->fragment), LONG);
	no = us_test_ask(tree, &(struct us_kask){ .want = "S65999=y S0=n" });
	assert_false(no->reachable);
	assert_int_equal(no->n_cores, 0);
}

static void test_a_short_chain_has_the_fewest_lines(void **state)
{
	_us_ktree_free_ struct us_ktree *tree = chain_of(300);
	_us_kanswer_free_ struct us_kanswer *answer = NULL, *no = NULL;

	(void)state;
	answer = us_test_ask(tree, &(struct us_kask){ .want = "S250=y" });
	assert_true(answer->reachable && !answer->rough);
	assert_int_equal(count(answer->fragment), 251);
	no = us_test_ask(tree, &(struct us_kask){ .want = "S250=y S0=n" });
	assert_false(no->reachable);
	assert_int_equal(no->cores[0].n, 252);
	assert_string_equal(no->cores[0].reasons[2].text, "depends on S249");
	assert_string_equal(no->cores[0].reasons[251].text, "depends on S0");
}

/* A base configuration lets go what is selected, however long that leads. */
static void test_a_long_chain_of_selects_over_a_base(void **state)
{
	static const char base_text[] = "# CONFIG_S0 is not set\n";
	_us_kconfig_free_ struct us_kconfig *base = NULL;
	_us_text_deinit_ struct us_text text = { 0 };
	_us_ktree_free_ struct us_ktree *tree = NULL;
	_us_kanswer_free_ struct us_kanswer *answer = NULL;

	(void)state;
	for (int i = 0; i < LONG; i++)
		us_text_add(&text, "config S%d\n\tbool \"s\"\n\tselect S%d\n", i, i + 1);
	us_text_add(&text, "config S%d\n\tbool \"s\"\n", LONG);
	tree = us_test_tree(US_TEST_MODERN, text.s);
	assert_null(us_kconfig_parse(us_bytes_of(base_text, strlen(base_text)), &base));
	answer = us_test_ask(tree, &(struct us_kask){ .want = "S66000=y", .base = base });
	assert_true(answer->reachable);
	us_kanswer_free(us_steal(&answer));
	answer = us_test_ask(tree, &(struct us_kask){ .want = "S0=y S66000=n", .base = base });
	assert_false(answer->reachable);
}

/* n choices of one member each, every one of which depends on the next. */
static void add_choices(struct us_text *text, int n)
{
	for (int i = 0; i < n; i++)
		us_text_add(text,
			    "choice\n\tprompt \"c\"\n\tdepends on C%d\nconfig C%d\n\tbool \"m\"\n"
			    "endchoice\n",
			    i + 1, i);
	us_text_add(text, "config C%d\n\tbool \"c\"\n", n);
}

static void test_choices_have_a_bound(void **state)
{
	_us_text_deinit_ struct us_text many = { 0 }, too_many = { 0 };
	_us_ktree_free_ struct us_ktree *tree = NULL;
	_us_kanswer_free_ struct us_kanswer *answer = NULL;
	struct us_ktree *none = NULL;
	_us_err_free_ struct us_err *err = NULL;

	(void)state;
	add_choices(&too_many, 2001);
	err = us_test_read(US_TEST_MODERN, too_many.s, NULL, NULL, &none);
	assert_null(none);
	assert_non_null(err);
	assert_non_null(strstr(err->text, ": more than 2000 choices"));
	add_choices(&many, 900);
	tree = us_test_tree(US_TEST_MODERN, many.s);
	answer = us_test_ask(tree, &(struct us_kask){ .want = "C0=y" });
	assert_true(answer->reachable);
}

/* Each file reads the next one twice: 2^40 files of 64 KiB. */
static void test_files_that_read_each_other_have_a_bound(void **state)
{
	enum { DEEP = 40, BYTES = 65536 };
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const struct us_ktree_options options = { .arch = "x86" };
	_us_ksource_free_ struct us_ksource *source = NULL;
	struct us_kfile_text files[2 + DEEP];
	struct us_ktree *tree = NULL;
	_us_err_free_ struct us_err *err = NULL;

	(void)state;
	for (int i = 0; i < DEEP; i++) {
		char *text = us_pool_alloc(&pool, BYTES + 1);
		int n = snprintf(text, BYTES, "source \"f%d\"\nsource \"f%d\"\n#", i + 1, i + 1);

		memset(text + n, 'x', (size_t)(BYTES - n));
		files[2 + i].name = i ? us_pool_format(&pool, "f%d", i) : "Kconfig";
		files[2 + i].text = us_bytes_of(text, i + 1 < DEEP ? BYTES : 0);
	}
	files[0] = (struct us_kfile_text){ "Makefile",
					   us_bytes_of(US_TEST_MODERN, strlen(US_TEST_MODERN)) };
	files[1] = (struct us_kfile_text){ "arch/x86/Kconfig", us_bytes_of("", 0) };
	assert_null(us_ksource_of(files, us_array_size(files), &source));
	err = us_ktree_read(source, &options, &tree);
	assert_null(tree);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_BAD_DATA);
	assert_non_null(strstr(err->text, "more text than any tree has, 64 MiB so far"));
}

/* A pipe that nobody writes to would be waited for. */
static void test_a_pipe_is_no_file(void **state)
{
	char folder[] = "/tmp/us-test-hostile-XXXXXX", path[64];
	const struct us_ktree_options options = { .arch = "x86" };
	struct us_ktree *tree = NULL;
	_us_err_free_ struct us_err *err = NULL;

	(void)state;
	us_test_folder(folder, "source \"pipe\"\n", NULL);
	snprintf(path, sizeof(path), "%s/pipe", folder);
	assert_int_equal(mkfifo(path, 0600), 0);
	err = us_ktree_open(folder, &options, NULL, &tree);
	us_test_folder_remove(folder);
	assert_null(tree);
	assert_non_null(err);
	assert_string_equal(err->text, "Kconfig:1: pipe: not a regular file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_long_chain_is_answered),
		cmocka_unit_test(test_a_short_chain_has_the_fewest_lines),
		cmocka_unit_test(test_a_long_chain_of_selects_over_a_base),
		cmocka_unit_test(test_choices_have_a_bound),
		cmocka_unit_test(test_files_that_read_each_other_have_a_bound),
		cmocka_unit_test(test_a_pipe_is_no_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
