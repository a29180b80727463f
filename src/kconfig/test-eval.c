/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of the evaluator: each rule on a tree of a few lines, in the eras that differ, what is
 * written, and why. That whole trees come out as conf's do is tests/kconfig/test_values.py's.
 */
#include "kconfig/test-trees.h"

#include "base/text.h"

#define OLD     "VERSION = 6\nPATCHLEVEL = 1\n"
#define NEWEST  "VERSION = 7\nPATCHLEVEL = 0\n"
#define MODULES "config MODULES\n\tbool \"Modules\"\n\tmodules\n\tdefault y\n"

static struct us_kvalues *values_of(const struct us_ktree *tree, enum us_kstart start,
				    const char *wishes)
{
	_us_kconfig_free_ struct us_kconfig *config = NULL;
	struct us_kvalues *values = NULL;

	if (wishes)
		assert_null(us_kconfig_parse(us_bytes_of(wishes, strlen(wishes)), &config));
	assert_null(us_ktree_evaluate(tree, start, config, &values));
	return values;
}

/* All values of a tree, "A=y B=64", in order of appearance. */
static void assert_values_from(const char *makefile, const char *kconfig, enum us_kstart start,
			       const char *wishes, const char *wanted)
{
	_us_ktree_free_ struct us_ktree *tree = us_test_tree(makefile, kconfig);
	_us_kvalues_free_ struct us_kvalues *values = values_of(tree, start, wishes);
	_us_text_deinit_ struct us_text text = { 0 };
	const struct us_ksym *sym;

	for (size_t i = 0; (sym = us_ktree_symbol_at(tree, i)); i++)
		us_text_add(&text, "%s%s=%s", i ? " " : "", sym->name, us_kvalues_text(values, sym));
	assert_string_equal(text.s, wanted);
}

static void assert_values(const char *kconfig, const char *wishes, const char *wanted)
{
	assert_values_from(US_TEST_MODERN, kconfig, US_KSTART_DEFAULTS, wishes, wanted);
}

static void test_a_wish_counts_as_far_as_a_prompt_shows(void **state)
{
	const char *tree = MODULES "config A\n\ttristate \"A\"\n"
				   "config B\n\ttristate \"B\"\n\tdepends on A\n\tdefault A\n"
				   "config C\n\tbool\n\tdefault B\n";

	(void)state;
	assert_values(tree, NULL, "MODULES=y A=n B=n C=n");
	assert_values(tree, "CONFIG_A=m\nCONFIG_B=y\nCONFIG_C=n\n", "MODULES=y A=m B=m C=y");
	assert_values(tree, "CONFIG_A=y\n", "MODULES=y A=y B=y C=y");
	assert_values(tree, "CONFIG_B=y\n", "MODULES=y A=n B=n C=n");
	/* without modules m is y */
	assert_values(tree, "CONFIG_MODULES=n\nCONFIG_A=m\n", "MODULES=n A=y B=y C=y");
}

static void test_m_in_a_condition_asks_for_modules_in_a_default_not(void **state)
{
	const char *tree = "config MODULES\n\tbool \"Modules\"\n\tmodules\n"
			   "config A\n\ttristate \"A\"\n\tdepends on m\n\tdefault y\n"
			   "config B\n\ttristate\n\tdefault m\n";

	(void)state;
	assert_values(tree, NULL, "MODULES=n A=n B=y");
	assert_values(tree, "CONFIG_MODULES=y\n", "MODULES=y A=m B=m");
}

static void test_a_select_ignores_what_its_target_depends_on(void **state)
{
	const char *tree = MODULES "config NEVER\n\tbool\n"
				   "config T\n\ttristate \"T\"\n\tdepends on NEVER\n"
				   "config S\n\ttristate \"S\"\n\tselect T if MODULES\n\timply I\n"
				   "config D\n\tbool \"D\"\n"
				   "config I\n\ttristate \"I\"\n\tdepends on D\n";

	(void)state;
	assert_values(tree, "CONFIG_S=m\nCONFIG_T=n\n", "MODULES=y NEVER=n T=m S=m D=n I=n");
	assert_values(tree, "CONFIG_S=m\nCONFIG_D=y\n", "MODULES=y NEVER=n T=m S=m D=y I=m");
	assert_values(tree, "CONFIG_S=y\nCONFIG_D=y\nCONFIG_I=n\n",
		      "MODULES=y NEVER=n T=y S=y D=y I=n");
}

static void test_numbers(void **state)
{
	const char *tree = "config N\n\tint \"N\"\n\trange 2 BIG\n\tdefault 1\n"
			   "config BIG\n\tint\n\tdefault 64\n"
			   "config TAKEN\n\tint\n\tdefault N\n"
			   "config H\n\thex\n"
			   "config MORE\n\tbool\n\tdefault y if N > 9 && TAKEN = N\n";

	(void)state;
	assert_values(tree, NULL, "N=2 BIG=64 TAKEN=2 H=0x0 MORE=n");
	assert_values(tree, "CONFIG_N=10\n", "N=10 BIG=64 TAKEN=10 H=0x0 MORE=y");
	assert_values(tree, "CONFIG_N=\"10\"\n", "N=2 BIG=64 TAKEN=2 H=0x0 MORE=n");
	assert_values(tree, "CONFIG_N=ten\n", "N=2 BIG=64 TAKEN=2 H=0x0 MORE=n");
	assert_values(tree, "CONFIG_N=100\n", "N=64 BIG=64 TAKEN=64 H=0x0 MORE=y");
	/* 6.1 forgets what is out of range, when the others have seen it */
	assert_values_from(OLD, tree, US_KSTART_DEFAULTS, "CONFIG_N=100\n",
			   "N=2 BIG=64 TAKEN=64 H= MORE=y");
}

static void test_comparisons(void **state)
{
	const char *tree = "config S\n\tstring\n\tdefault \"text\"\n"
			   "config H\n\thex\n\tdefault 0x10\n"
			   "config B\n\tbool\n\tdefault y\n"
			   "config R1\n\tbool\n\tdefault y if S = \"text\" && H = 16 && H < 0x11\n"
			   "config R2\n\tbool\n\tdefault y if NOWHERE = \"NOWHERE\"\n"
			   "config R3\n\tbool\n\tdefault y if B >= m && B > H\n";

	(void)state;
	assert_values(tree, NULL, "S=text H=0x10 B=y R1=y R2=y R3=n");
}

static void test_a_choice_has_one_member(void **state)
{
	const char *tree = "choice\n\tprompt \"Which\"\n\tdefault B\n"
			   "config A\n\tbool \"A\"\n"
			   "config B\n\tbool \"B\"\n"
			   "config C\n\tbool \"C\"\n\tdepends on D\n"
			   "endchoice\n"
			   "config D\n\tbool \"D\"\n";
	static const char *const eras[] = { OLD, US_TEST_MODERN };

	(void)state;
	for (size_t i = 0; i < us_array_size(eras); i++) {
		assert_values_from(eras[i], tree, US_KSTART_DEFAULTS, NULL, "A=n B=y C=n D=n");
		assert_values_from(eras[i], tree, US_KSTART_DEFAULTS, "CONFIG_A=y\n",
				   "A=y B=n C=n D=n");
		/* the last counts; one that does not show counts only in the old ones, for nothing */
		assert_values_from(eras[i], tree, US_KSTART_DEFAULTS, "CONFIG_A=y\nCONFIG_B=y\n",
				   "A=n B=y C=n D=n");
		assert_values_from(eras[i], tree, US_KSTART_YES, NULL, "A=n B=y C=n D=y");
	}
	assert_values_from(OLD, tree, US_KSTART_DEFAULTS, "CONFIG_A=y\nCONFIG_C=y\n",
			   "A=n B=y C=n D=n");
	assert_values_from(US_TEST_MODERN, tree, US_KSTART_DEFAULTS, "CONFIG_A=y\nCONFIG_C=y\n",
			   "A=y B=n C=n D=n");
	/* wished away: the old ones take the default all the same */
	assert_values_from(OLD, tree, US_KSTART_DEFAULTS, "CONFIG_B=n\n", "A=n B=y C=n D=n");
	assert_values_from(US_TEST_MODERN, tree, US_KSTART_DEFAULTS, "CONFIG_B=n\n",
			   "A=y B=n C=n D=n");
	assert_values_from(US_TEST_MODERN, tree, US_KSTART_DEFAULTS, "CONFIG_B=n\nCONFIG_A=n\n",
			   "A=n B=y C=n D=n");
}

static void test_an_old_tristate_choice_may_have_several_m(void **state)
{
	const char *tree = MODULES "choice\n\tprompt \"Which\"\n"
				   "config A\n\ttristate \"A\"\n"
				   "config B\n\ttristate \"B\"\n"
				   "endchoice\n"
				   "choice\n\tprompt \"Or none\"\n\toptional\n"
				   "config C\n\tbool \"C\"\n"
				   "endchoice\n";

	(void)state;
	assert_values_from(OLD, tree, US_KSTART_DEFAULTS, NULL, "MODULES=y A=n B=n C=n");
	assert_values_from(OLD, tree, US_KSTART_DEFAULTS, "CONFIG_A=m\nCONFIG_B=m\n",
			   "MODULES=y A=m B=m C=n");
	assert_values_from(OLD, tree, US_KSTART_DEFAULTS, "CONFIG_A=m\nCONFIG_B=y\nCONFIG_C=y\n",
			   "MODULES=y A=n B=y C=y");
	assert_values_from(OLD, tree, US_KSTART_MODULES, NULL, "MODULES=y A=m B=m C=y");
	assert_values_from(OLD, tree, US_KSTART_YES, NULL, "MODULES=y A=y B=n C=y");
}

static void test_a_transitional_symbol_hands_its_value_on(void **state)
{
	const char *tree = "config OLD_NAME\n\tbool\n\ttransitional\n"
			   "config NEW_NAME\n\tbool \"New\"\n\tdefault OLD_NAME\n";
	_us_ktree_free_ struct us_ktree *parsed = us_test_tree(NEWEST, tree);
	_us_kvalues_free_ struct us_kvalues *values =
		values_of(parsed, US_KSTART_DEFAULTS, "CONFIG_OLD_NAME=y\n");
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const char *text;

	(void)state;
	assert_values_from(NEWEST, tree, US_KSTART_DEFAULTS, NULL, "OLD_NAME=n NEW_NAME=n");
	assert_values_from(NEWEST, tree, US_KSTART_DEFAULTS, "CONFIG_OLD_NAME=y\n",
			   "OLD_NAME=y NEW_NAME=y");
	assert_null(us_kvalues_write(values, &pool, &text));
	assert_null(strstr(text, "OLD_NAME"));
}

static void test_what_is_written(void **state)
{
	_us_ktree_free_ struct us_ktree *tree =
		us_test_tree(US_TEST_MODERN, "mainmenu \"Made up\"\n"
					     "config A\n\tbool \"A\"\n"
					     "menu \"First\"\n"
					     "config S\n\tstring \"S\"\n"
					     "config N\n\tbool\n"
					     "menu \"Hidden\"\n\tdepends on A\n"
					     "config H\n\tbool \"H\"\n"
					     "endmenu\n"
					     "comment \"Said\"\n"
					     "endmenu\n"
					     "config M\n\tint \"M\"\n\tdefault 5\n"
					     "config A\n\tbool\n");
	_us_kvalues_free_ struct us_kvalues *values =
		values_of(tree, US_KSTART_DEFAULTS, "CONFIG_S=\"a \\\"b\\\" c\\\\\"\n");
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const char *text;

	(void)state;
	assert_null(us_kvalues_write(values, &pool, &text));
	assert_string_equal(text, "#\n# Automatically generated file; DO NOT EDIT.\n# Made up\n#\n"
				  "# CONFIG_A is not set\n"
				  "\n#\n# First\n#\n"
				  "CONFIG_S=\"a \\\"b\\\" c\\\\\"\n"
				  "\n#\n# Said\n#\n"
				  "# end of First\n"
				  "\n"
				  "CONFIG_M=5\n");
}

static void assert_why(const struct us_ktree *tree, const char *wishes, const char *name,
		       const char *wanted)
{
	_us_kvalues_free_ struct us_kvalues *values = values_of(tree, US_KSTART_DEFAULTS, wishes);
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const char *text;

	assert_null(us_kvalues_why(values, us_ktree_symbol(tree, name), &pool, &text));
	assert_string_equal(text, wanted);
}

static void test_why(void **state)
{
	_us_ktree_free_ struct us_ktree *tree =
		us_test_tree(US_TEST_MODERN, MODULES
			     "config DUMP\n\tbool \"Dump\"\n\tdepends on CORE\n"
			     "config CORE\n\tbool\n"
			     "config LOAD\n\tbool \"Load\"\n\tselect CORE\n"
			     "config CPUS\n\tint \"CPUs\" if LOAD\n\trange 2 9\n\tdefault 4\n"
			     "if MODULES\n"
			     "config D\n\ttristate \"D\"\n\tdepends on m\n\tdefault y\n"
			     "endif\n"
			     "choice\n\tprompt \"Which\"\n"
			     "config C1\n\tbool \"C1\"\n"
			     "endchoice\n");

	(void)state;
	assert_why(tree, "CONFIG_DUMP=y\n", "DUMP",
		   "the wish y is not heard\n"
		   "depends on CORE is n (CORE=n), Kconfig:7\n"
		   "it has no default\n"
		   "nothing selects it\n");
	assert_why(tree, NULL, "CORE",
		   "it has no default\n"
		   "it has no prompt: nobody can set it\n"
		   "none of those that could selects it\n");
	assert_why(tree, "CONFIG_LOAD=y\nCONFIG_CORE=n\n", "CORE",
		   "selected by LOAD=y, Kconfig:12\n"
		   "the wish n cannot undo that\n");
	assert_why(tree, "CONFIG_LOAD=y\n", "LOAD", "y was wished for\n");
	assert_why(tree, "CONFIG_CPUS=8\n", "CPUS",
		   "the wish 8 is not heard\n"
		   "its prompt shows if LOAD is n (LOAD=n), Kconfig:14\n"
		   "default 4, Kconfig:16\n"
		   "range 2 to 9, Kconfig:15\n");
	assert_why(tree, NULL, "D",
		   "default y, Kconfig:21\n"
		   "that default is held down to m\n"
		   "depends on m is m (MODULES=y), Kconfig:20\n");
	assert_why(tree, "CONFIG_D=y\n", "D",
		   "the wish y is held down to m\n"
		   "depends on m is m (MODULES=y), Kconfig:20\n");
	assert_why(tree, NULL, "C1",
		   "it is a member of the choice \"Which\", Kconfig:23\n"
		   "of that choice, C1 is y: the default, or the first that shows\n");
}

/* Each symbol depends on the next. */
static void test_a_chain_without_end_is_refused(void **state)
{
	_us_text_deinit_ struct us_text text = { 0 };
	_us_ktree_free_ struct us_ktree *tree = NULL;
	struct us_kvalues *values = NULL;

	(void)state;
	for (int i = 0; i < 20000; i++)
		us_text_add(&text, "config S%d\n\tbool \"S\"\n\tdepends on S%d\n", i, i + 1);
	tree = us_test_tree(US_TEST_MODERN, text.s);
	_us_err_free_ struct us_err *err =
		us_ktree_evaluate(tree, US_KSTART_DEFAULTS, NULL, &values);

	assert_null(values);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_UNSUPPORTED);
	assert_non_null(strstr(err->text, "too many symbols depend on one another"));
}

/* As the conf of Linux 5.4 and 4.19 computes it. */
static void test_until_5_6_an_imply_is_strict(void **state)
{
	static const char text[] =
		"config MODULES\n\tbool \"Modules\"\n\toption modules\n\tdefault y\n"
		"config C\n\ttristate \"C\"\nconfig A\n\ttristate \"A\"\n"
		"config B\n\ttristate \"B\"\n\timply A\n\timply D\n"
		"config D\n\ttristate\n\tdepends on C\n";
	static const char wishes[] = "CONFIG_C=m\nCONFIG_A=m\nCONFIG_B=y\n";

	(void)state;
	assert_values_from("VERSION = 5\nPATCHLEVEL = 6\n", text, US_KSTART_DEFAULTS, wishes,
			   "MODULES=y C=m A=y B=y D=y");
	assert_values_from("VERSION = 5\nPATCHLEVEL = 7\n", text, US_KSTART_DEFAULTS, wishes,
			   "MODULES=y C=m A=m B=y D=m");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_until_5_6_an_imply_is_strict),
		cmocka_unit_test(test_a_wish_counts_as_far_as_a_prompt_shows),
		cmocka_unit_test(test_m_in_a_condition_asks_for_modules_in_a_default_not),
		cmocka_unit_test(test_a_select_ignores_what_its_target_depends_on),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_comparisons),
		cmocka_unit_test(test_a_choice_has_one_member),
		cmocka_unit_test(test_an_old_tristate_choice_may_have_several_m),
		cmocka_unit_test(test_a_transitional_symbol_hands_its_value_on),
		cmocka_unit_test(test_what_is_written),
		cmocka_unit_test(test_why),
		cmocka_unit_test(test_a_chain_without_end_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
