/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of questions on trees of a few lines: what makes a combination reachable or not, piece by
 * piece of the language, how reasons read, what an example takes, and what a base configuration
 * holds.
 */
#include "kconfig/test-trees.h"

#include "base/text.h"

#define MODULES "config MODULES\n\tbool \"m\"\n\tmodules\n"

static struct us_ktree *tree_of(const char *kconfig)
{
	return us_test_tree(US_TEST_MODERN, kconfig);
}

static struct us_kanswer *ask(struct us_ktree *tree, const char *want)
{
	return us_test_ask(tree, &(struct us_kask){ .want = want });
}

static void assert_reachable(const char *kconfig, const char *want, bool reachable)
{
	_us_ktree_free_ struct us_ktree *tree = tree_of(kconfig);
	_us_kanswer_free_ struct us_kanswer *answer = ask(tree, want);

	if (answer->reachable != reachable)
		fail_msg("%s is %sreachable", want, reachable ? "not " : "");
}

static void assert_fragment(const struct us_kanswer *answer, const char *text)
{
	char joined[512] = "";

	for (size_t i = 0; answer->fragment && answer->fragment[i]; i++) {
		strcat(joined, answer->fragment[i]);
		strcat(joined, ";");
	}
	assert_string_equal(joined, text);
}

/* ---- the language ---- */

static void test_select_ignores_what_its_target_depends_on(void **state)
{
	const char *k = "config A\n\tbool \"a\"\n\tdepends on B\n"
			"config B\n\tbool \"b\"\n"
			"config C\n\tbool \"c\"\n\tselect A\n";

	(void)state;
	assert_reachable(k, "A=y B=n", true);
	assert_reachable(k, "A=y B=n C=n", false);
	assert_reachable(k, "A=n C=y", false);
}

static void test_without_a_prompt_a_symbol_is_what_its_lines_make_of_it(void **state)
{
	const char *k = "config A\n\tdef_bool B\n\tdepends on C\n"
			"config B\n\tbool \"b\"\nconfig C\n\tbool \"c\"\n";

	(void)state;
	assert_reachable(k, "A=y B=y C=y", true);
	assert_reachable(k, "A=n B=y C=y", false);
	assert_reachable(k, "A=y C=n", false);
}

static void test_only_the_first_default_that_holds_counts(void **state)
{
	const char *k = "config A\n\tbool\n\tdefault n if B\n\tdefault y\nconfig B\n\tbool \"b\"\n";

	(void)state;
	assert_reachable(k, "A=y B=y", false);
	assert_reachable(k, "A=n B=n", false);
	assert_reachable(k, "A=y B=n", true);
}

static void test_imply_yields_to_the_user_and_to_dependencies(void **state)
{
	const char *k = "config A\n\tbool \"a\"\n\tdepends on C\n"
			"config B\n\tbool \"b\"\n\timply A\nconfig C\n\tbool \"c\"\n"
			"config D\n\tbool\n\tdepends on C\nconfig E\n\tbool \"e\"\n\timply D\n";

	(void)state;
	assert_reachable(k, "B=y A=n C=y", true);
	assert_reachable(k, "B=y A=y C=n", false);
	assert_reachable(k, "E=y D=n C=y", false);
	assert_reachable(k, "E=y D=n C=n", true);
}

/* As the conf of Linux 5.4 and 4.19 has it. */
static void test_until_5_6_an_imply_is_strict(void **state)
{
	static const char k[] =
		MODULES "config C\n\ttristate \"c\"\nconfig A\n\ttristate \"a\"\n\tdepends on C\n"
			"config B\n\ttristate \"b\"\n\timply A\n"
			"config D\n\ttristate\n\tdepends on C\n"
			"config E\n\ttristate \"e\"\n\timply D\n";
	static const struct {
		const char *want;
		bool until_5_6, later;
	} cases[] = {
		{ "B=y A=m C=y", false, true }, { "B=y A=n C=y", true, true },
		{ "B=m A=m C=y", true, true },  { "E=y D=y C=m", true, false },
		{ "E=y D=m C=m", false, true }, { "E=y D=y C=n", false, false },
	};
	_us_ktree_free_ struct us_ktree *old = us_test_tree("VERSION = 5\nPATCHLEVEL = 6\n", k);
	_us_ktree_free_ struct us_ktree *later = us_test_tree("VERSION = 5\nPATCHLEVEL = 7\n", k);

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++) {
		_us_kanswer_free_ struct us_kanswer *a = ask(old, cases[i].want),
						    *b = ask(later, cases[i].want);

		if (a->reachable != cases[i].until_5_6 || b->reachable != cases[i].later)
			fail_msg("%s: %d in 5.6, %d in 5.7", cases[i].want, a->reachable,
				 b->reachable);
	}
}

static void test_m_is_there_only_with_modules(void **state)
{
	const char *k = MODULES "config A\n\ttristate \"a\"\n"
				"config B\n\ttristate \"b\"\n\tdepends on A\n"
				"config C\n\tbool \"c\"\n\tdepends on A=m\n"
				"config D\n\tbool\n\tdefault y if m\n";

	(void)state;
	assert_reachable(k, "A=m MODULES=n", false);
	assert_reachable(k, "A=m B=y", false);
	assert_reachable(k, "A=m C=y", true);
	assert_reachable(k, "A=y C=y", false);
	assert_reachable(k, "D=y MODULES=n", false);
	assert_reachable(k, "D=n MODULES=y", false);
}

static void test_of_a_choice_one_member_is_chosen(void **state)
{
	const char *k =
		"choice\n\tprompt \"one\"\n\tdefault B\n"
		"config A\n\tbool \"a\"\nconfig B\n\tbool \"b\"\nconfig C\n\tbool \"c\"\n\tdepends on X\n"
		"endchoice\nconfig X\n\tbool \"x\"\nconfig S\n\tbool \"s\"\n\tselect A\n";
	_us_ktree_free_ struct us_ktree *tree = tree_of(k);
	_us_kanswer_free_ struct us_kanswer *answer = NULL;

	(void)state;
	assert_reachable(k, "A=y B=y", false);
	assert_reachable(k, "A=n B=n C=n", false);
	assert_reachable(k, "A=n B=n X=n", false);
	assert_reachable(k, "S=y A=n", true);
	answer = ask(tree, "C=y");
	assert_fragment(answer, "CONFIG_C=y;CONFIG_X=y;");
}

static void test_an_old_choice_may_be_optional_or_of_modules(void **state)
{
	const char *k =
		MODULES "choice\n\ttristate \"one\"\n\toptional\n"
			"config A\n\ttristate \"a\"\nconfig B\n\ttristate \"b\"\nendchoice\n";
	_us_ktree_free_ struct us_ktree *tree = us_test_tree("VERSION = 6\nPATCHLEVEL = 1\n", k);
	static const struct {
		const char *want;
		bool reachable;
	} cases[] = { { "A=m B=m", true },  { "A=n B=n", true },  { "A=y B=n", true },
		      { "A=y B=m", false }, { "A=y B=y", false }, { "A=m MODULES=n", false } };

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++) {
		_us_kanswer_free_ struct us_kanswer *answer = ask(tree, cases[i].want);

		if (answer->reachable != cases[i].reachable)
			fail_msg("%s: %d", cases[i].want, answer->reachable);
	}
}

static void test_numbers_stay_in_their_range(void **state)
{
	const char *k = "config N\n\tint \"n\"\n\trange 2 8 if SMALL\n\trange 1 64\n\tdefault 16\n"
			"config SMALL\n\tbool \"s\"\n"
			"config BIG\n\tbool\n\tdefault y if N > 10\n"
			"config FIXED\n\tint\n\tdefault 5 if SMALL\n\tdefault N\n";

	(void)state;
	assert_reachable(k, "N=64 SMALL=n", true);
	assert_reachable(k, "N=64 SMALL=y", false);
	assert_reachable(k, "N=1 SMALL=y", false);
	assert_reachable(k, "BIG=y SMALL=y", false);
	assert_reachable(k, "BIG=n SMALL=n", true);
	assert_reachable(k, "FIXED=7 N=8", false);
	assert_reachable(k, "FIXED=8 N=8", true);
}

/* Of numbers that are compared in a row not all values are tried. */
static void test_what_rests_on_values_not_tried_is_not_proved(void **state)
{
	_us_ktree_free_ struct us_ktree *tree =
		tree_of("config A\n\tint \"a\"\nconfig B\n\tint \"b\"\n"
			"config C\n\tint \"c\"\nconfig D\n\tint \"d\"\n"
			"config E\n\tint \"e\"\nconfig F\n\tint \"f\"\n"
			"config ROW\n\tbool \"r\"\n\tdepends on A > B && B > C && C > D\n"
			"\tdepends on D > E && E > F\n"
			"config TWO\n\tbool \"t\"\n\tdepends on A > B\n"
			"config NEVER\n\tbool \"v\"\n\tdepends on TWO && !TWO\n");
	_us_kanswer_free_ struct us_kanswer *row = ask(tree, "ROW=y"), *two = ask(tree, "TWO=y"),
					    *never = ask(tree, "NEVER=y");

	(void)state;
	assert_false(row->reachable);
	assert_non_null(row->unproved);
	assert_string_equal(row->unproved[0], "A");
	assert_true(row->n_cores == 1 && row->cores[0].n > 1);
	assert_true(two->reachable);
	assert_false(never->reachable);
	assert_null(never->unproved);
}

static void test_a_number_with_many_values_is_not_proved_beyond_them(void **state)
{
	_us_text_deinit_ struct us_text text = { 0 };
	_us_ktree_free_ struct us_ktree *tree = NULL;
	_us_kanswer_free_ struct us_kanswer *among = NULL, *beyond = NULL, *outside = NULL;

	(void)state;
	us_text_add(&text, "config N\n\tint \"n\"\n\trange 1 9000\nconfig A\n\tbool \"a\"\n");
	for (int i = 1; i <= 300; i++)
		us_text_add(&text, "\tdepends on N != %d\n", 10 * i);
	us_text_add(&text, "config B\n\tbool \"b\"\n\tdepends on N = 8888\n");
	tree = tree_of(text.s);
	among = ask(tree, "A=y N=9");
	assert_true(among->reachable);
	beyond = ask(tree, "B=y");
	assert_false(beyond->reachable);
	assert_string_equal(beyond->unproved[0], "N");
	outside = ask(tree, "N=10 A=y");
	assert_false(outside->reachable);
	assert_null(outside->unproved);
}

static void test_what_nothing_defines_is_n(void **state)
{
	_us_ktree_free_ struct us_ktree *tree =
		tree_of("config A\n\tbool \"a\"\n\tdepends on NOWHERE\n");
	_us_kanswer_free_ struct us_kanswer *answer = ask(tree, "NOWHERE=n A=n"), *no = NULL;

	(void)state;
	assert_true(answer->reachable);
	assert_string_equal(answer->unknown[0], "NOWHERE");
	no = ask(tree, "A=y");
	assert_false(no->reachable);
	assert_string_equal(no->cores[0].reasons[1].says,
			    "A needs NOWHERE (Kconfig:3); nothing defines NOWHERE here");
}

/* ---- reasons ---- */

static const char kdump[] = "config CORE\n\tbool\n"
			    "config LOAD\n\tbool \"load\"\n\tselect CORE\n"
			    "config FILE\n\tbool \"file\"\n\tselect CORE\n"
			    "config DUMP\n\tbool \"dump\"\n\tdepends on CORE\n\tdefault y\n"
			    "config UNRELATED\n\tbool \"u\"\n";

static void test_a_core_leads_from_what_was_asked_to_the_closed_world(void **state)
{
	_us_ktree_free_ struct us_ktree *tree = tree_of(kdump);
	_us_kanswer_free_ struct us_kanswer *answer = ask(tree, "UNRELATED=y DUMP=y LOAD=n FILE=n");
	static const char *const says[] = {
		"DUMP=y is asked", "LOAD=n is asked", "FILE=n is asked",
		"DUMP needs CORE (Kconfig:11)",
		"CORE has no prompt and no default; only LOAD (Kconfig:5) and FILE (Kconfig:8) select it"
	};

	(void)state;
	assert_false(answer->reachable);
	assert_int_equal(answer->n_cores, 1);
	assert_int_equal(answer->cores[0].n, us_array_size(says));
	for (size_t i = 0; i < us_array_size(says); i++)
		assert_string_equal(answer->cores[0].reasons[i].says, says[i]);
	assert_int_equal(answer->cores[0].reasons[3].at.line, 11);
	assert_string_equal(answer->cores[0].reasons[3].text, "depends on CORE");
}

static void test_independent_reasons_are_found_when_asked_for(void **state)
{
	_us_ktree_free_ struct us_ktree *tree =
		tree_of("config A\n\tbool \"a\"\n\tdepends on B\n\tdepends on C\n"
			"config B\n\tbool \"b\"\nconfig C\n\tbool \"c\"\n");
	struct us_kask question = { .want = "A=y B=n C=n" };
	_us_kanswer_free_ struct us_kanswer *one = us_test_ask(tree, &question), *all = NULL;

	(void)state;
	assert_int_equal(one->n_cores, 1);
	question.more = 5;
	all = us_test_ask(tree, &question);
	assert_int_equal(all->n_cores, 2);
	assert_true(all->cores[0].reasons[2].at.line != all->cores[1].reasons[2].at.line);
}

/* ---- examples ---- */

static void test_an_example_names_what_is_needed_and_no_more(void **state)
{
	_us_ktree_free_ struct us_ktree *tree = tree_of(kdump);
	_us_kanswer_free_ struct us_kanswer *answer = ask(tree, "DUMP=y LOAD=n");

	(void)state;
	assert_true(answer->reachable && !answer->maybe);
	assert_fragment(answer, "CONFIG_DUMP=y;CONFIG_FILE=y;");
}

static void test_a_probe_that_matters_is_told(void **state)
{
	_us_ktree_free_ struct us_ktree *tree = tree_of(
		"config HAS\n\tdef_bool $(shell,one)\nconfig OTHER\n\tdef_bool $(shell,two)\n"
		"config A\n\tbool \"a\"\n\tdepends on HAS || OTHER\nconfig B\n\tbool \"b\"\n");
	_us_kanswer_free_ struct us_kanswer *free_of = ask(tree, "B=y"), *bound = NULL;

	(void)state;
	assert_true(free_of->reachable && !free_of->maybe);
	bound = ask(tree, "A=y HAS=n");
	assert_true(bound->reachable && bound->maybe);
	assert_non_null(bound->assumed[0]);
	assert_non_null(bound->assumed[1]);
	assert_null(bound->assumed[2]);
}

/* A number that only a compiler knows is compared: either way may be. */
static void test_a_version_that_matters_is_told(void **state)
{
	_us_ktree_free_ struct us_ktree *tree = tree_of(
		"config VERSION\n\tint\n\tdefault $(shell,version)\n"
		"config SAME\n\tint\n\tdefault VERSION\n"
		"config A\n\tbool \"a\"\n\tdepends on VERSION >= 116\n"
		"config B\n\tbool \"b\"\n\tdepends on SAME >= 121\n\tdepends on VERSION < 200\n");
	_us_kanswer_free_ struct us_kanswer *a = ask(tree, "A=y"), *b = ask(tree, "B=y");
	struct us_kask question = { .want = "B=y" };
	_us_kvalues_free_ struct us_kvalues *values = NULL;
	long version = 0;

	(void)state;
	assert_true(a->reachable && a->maybe);
	assert_fragment(a, "CONFIG_A=y;");
	assert_int_equal(sscanf(a->assumed[0], "$(shell,version) = %ld", &version), 1);
	assert_true(version >= 116);
	assert_null(a->assumed[1]);
	assert_true(b->reachable && b->maybe);
	assert_null(us_ktree_draw(tree, &question, 7, &values));
	assert_string_equal(us_kvalues_text(values, us_ktree_symbol(tree, "B")), "y");
}

/* A compiler's version is not known where nothing is run: it may be any, but one at a time. */
static void test_a_number_that_a_probe_gives_may_be_any(void **state)
{
	_us_ktree_free_ struct us_ktree *tree =
		tree_of("config CLANG\n\tdef_bool $(shell,is)\n"
			"config GCC\n\tdef_bool !CLANG\n"
			"config OTHER\n\tint\n\tdefault $(shell,version) if GCC\n\tdefault 0\n"
			"config VERSION\n\tint\n\tdefault $(shell,version) if CLANG\n\tdefault 0\n"
			"config A\n\tbool \"a\"\n\tdepends on VERSION >= 140000\n"
			"config B\n\tbool \"b\"\n\tdepends on OTHER > 70 || VERSION > 150000\n");
	_us_kanswer_free_ struct us_kanswer *other = ask(tree, "B=y CLANG=n"),
					    *needs = ask(tree, "A=y B=n"),
					    *asked = ask(tree, "VERSION=150001 A=y B=y"),
					    *without = ask(tree, "A=y CLANG=n"),
					    *twice = ask(tree, "OTHER=90 VERSION=90");
	long version = 0;

	(void)state;
	assert_true(other->reachable && needs->reachable && needs->maybe && asked->reachable);
	for (size_t i = 0; i < 2; i++) {
		assert_non_null(needs->assumed[i]);
		if (sscanf(needs->assumed[i], "$(shell,version) = %ld", &version) != 1)
			assert_string_equal(needs->assumed[i], "$(shell,is) = y");
	}
	assert_true(version >= 140000);
	assert_false(without->reachable || twice->reachable);
}

static void test_a_base_holds_what_is_not_asked_about(void **state)
{
	static const char text[] = "# CONFIG_SLEEP is not set\nCONFIG_OTHER=y\n";
	_us_ktree_free_ struct us_ktree *tree =
		tree_of("config A\n\tbool \"a\"\n\tdepends on READY\n"
			"config READY\n\tdef_bool SLEEP\nconfig SLEEP\n\tbool \"s\"\n"
			"config OTHER\n\tbool \"o\"\n");
	_us_kconfig_free_ struct us_kconfig *base = NULL;
	struct us_kask question = { .want = "A=y", .base = NULL };
	_us_kanswer_free_ struct us_kanswer *any = us_test_ask(tree, &question), *held = NULL;

	(void)state;
	assert_true(any->reachable);
	assert_null(us_kconfig_parse(us_bytes_of(text, sizeof(text) - 1), &base));
	question.base = base;
	held = us_test_ask(tree, &question);
	assert_false(held->reachable);
	assert_string_equal(held->cores[0].reasons[held->cores[0].n - 1].says,
			    "SLEEP=n is set in the base configuration, line 1");
	assert_true(held->near->reachable);
	assert_fragment(held->near, "CONFIG_A=y;CONFIG_SLEEP=y;");
	assert_int_equal(held->near->n_changes, 1);
	assert_string_equal(held->near->changes[0].symbol, "SLEEP");
	assert_string_equal(held->near->changes[0].had, "n");
	assert_string_equal(held->near->changes[0].gets, "y");
}

/* As DEBUG_INFO_BTF stands behind the choice of the debug information. */
static void test_a_base_that_chose_otherwise_says_what_would_change(void **state)
{
	static const char text[] = "CONFIG_NONE=y\n# CONFIG_FULL is not set\nCONFIG_OTHER=y\n";
	_us_ktree_free_ struct us_ktree *tree =
		tree_of("config A\n\tbool \"a\"\n\tdepends on INFO && !NEVER\n"
			"config INFO\n\tbool\nchoice\n\tprompt \"which\"\n"
			"config NONE\n\tbool \"none\"\n"
			"config FULL\n\tbool \"full\"\n\tselect INFO\nendchoice\n"
			"config OTHER\n\tbool \"o\"\nconfig B\n\tbool \"b\"\n\tdepends on "
			"INFO && NEVER\n");
	_us_kconfig_free_ struct us_kconfig *base = NULL;
	struct us_kask question = { .want = "A=y" };
	_us_kanswer_free_ struct us_kanswer *a = NULL, *none = NULL, *pinned = NULL;

	(void)state;
	assert_null(us_kconfig_parse(us_bytes_of(text, sizeof(text) - 1), &base));
	question.base = base;
	a = us_test_ask(tree, &question);
	assert_true(!a->reachable && a->near->reachable);
	assert_fragment(a->near, "CONFIG_A=y;CONFIG_FULL=y;");
	assert_int_equal(a->near->n_changes, 2);
	assert_string_equal(a->near->changes[0].symbol, "NONE");
	assert_string_equal(a->near->changes[1].symbol, "FULL");
	question.pins = (const char *const[]){ "NONE=y", NULL };
	pinned = us_test_ask(tree, &question);
	assert_true(!pinned->reachable && !pinned->near); /* the base is no reason */
	question.pins = NULL;
	question.want = "B=y";
	none = us_test_ask(tree, &question);
	assert_false(none->reachable);
	assert_true(!none->near || !none->near->reachable);
	question.want = "FULL=y";
	us_kanswer_free(us_steal(&a));
	a = us_test_ask(tree, &question);
	assert_true(a->reachable && !a->near);
	assert_int_equal(a->n_changes, 1);
	assert_string_equal(a->changes[0].symbol, "NONE");
}

static void test_a_drawn_configuration_satisfies_what_is_asked(void **state)
{
	_us_ktree_free_ struct us_ktree *tree = tree_of(kdump);
	struct us_kask question = { .want = "DUMP=y" };
	bool both[2] = { false, false };

	(void)state;
	for (uint64_t seed = 1; seed <= 24; seed++) {
		_us_kvalues_free_ struct us_kvalues *values = NULL;

		assert_null(us_ktree_draw(tree, &question, seed, &values));
		assert_non_null(values);
		assert_string_equal(us_kvalues_text(values, us_ktree_symbol(tree, "DUMP")), "y");
		both[*us_kvalues_text(values, us_ktree_symbol(tree, "LOAD")) == 'y'] = true;
	}
	assert_true(both[0] && both[1]);
	question.want = "CORE=y LOAD=n FILE=n";
	for (uint64_t seed = 1; seed <= 2; seed++) {
		struct us_kvalues *values = NULL;

		assert_null(us_ktree_draw(tree, &question, seed, &values));
		assert_null(values);
	}
}

static void test_a_question_that_makes_no_sense_names_the_column(void **state)
{
	static const struct {
		const char *want, *text;
	} cases[] = {
		{ "A=y B", "\"A=y B\", column 6: expected \"=\" and a value" },
		{ "=y", "\"=y\", column 1: expected the name of a symbol" },
		{ "A=", "\"A=\", column 3: expected a value: y, m, n, a number or a quoted text" },
		{ "A=\"y", "\"A=\"y\", column 3: a text without its closing quote" },
		{ "A=64", "A: \"A=64\", column 1: the value can be y, m or n" },
	};
	_us_ktree_free_ struct us_ktree *tree = tree_of("config A\n\tbool \"a\"\n");

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++) {
		struct us_kask question = { .want = cases[i].want };
		struct us_kanswer *answer = NULL;
		_us_err_free_ struct us_err *err = us_ktree_ask(tree, &question, &answer);

		assert_non_null(err);
		assert_int_equal(err->code, US_ERR_USAGE);
		assert_string_equal(err->text, cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_select_ignores_what_its_target_depends_on),
		cmocka_unit_test(test_without_a_prompt_a_symbol_is_what_its_lines_make_of_it),
		cmocka_unit_test(test_only_the_first_default_that_holds_counts),
		cmocka_unit_test(test_imply_yields_to_the_user_and_to_dependencies),
		cmocka_unit_test(test_until_5_6_an_imply_is_strict),
		cmocka_unit_test(test_m_is_there_only_with_modules),
		cmocka_unit_test(test_of_a_choice_one_member_is_chosen),
		cmocka_unit_test(test_an_old_choice_may_be_optional_or_of_modules),
		cmocka_unit_test(test_numbers_stay_in_their_range),
		cmocka_unit_test(test_what_rests_on_values_not_tried_is_not_proved),
		cmocka_unit_test(test_a_number_with_many_values_is_not_proved_beyond_them),
		cmocka_unit_test(test_what_nothing_defines_is_n),
		cmocka_unit_test(test_a_core_leads_from_what_was_asked_to_the_closed_world),
		cmocka_unit_test(test_independent_reasons_are_found_when_asked_for),
		cmocka_unit_test(test_an_example_names_what_is_needed_and_no_more),
		cmocka_unit_test(test_a_probe_that_matters_is_told),
		cmocka_unit_test(test_a_version_that_matters_is_told),
		cmocka_unit_test(test_a_number_that_a_probe_gives_may_be_any),
		cmocka_unit_test(test_a_base_holds_what_is_not_asked_about),
		cmocka_unit_test(test_a_base_that_chose_otherwise_says_what_would_change),
		cmocka_unit_test(test_a_drawn_configuration_satisfies_what_is_asked),
		cmocka_unit_test(test_a_question_that_makes_no_sense_names_the_column),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
