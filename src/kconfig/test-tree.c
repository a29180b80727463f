/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of the tree's parser: the language piece by piece on trees of a few lines, what is refused
 * with its file and line, and the miniature tree of tests/fixtures/kconfig as directory and archive.
 */
#include "kconfig/test-trees.h"

#define OLD "VERSION = 5\nPATCHLEVEL = 4\n"

static const struct us_kdef *def_of(const struct us_ktree *tree, const char *name)
{
	const struct us_ksym *sym = us_ktree_symbol(tree, name);

	assert_non_null(sym);
	assert_true(sym->n_defs > 0);
	return sym->defs[0];
}

static void assert_expr(struct us_ktree *tree, const struct us_kx *x, const char *text)
{
	assert_string_equal(us_kx_text(&tree->pool, x), text);
}

/* The error of a tree, with its place in front. */
static void assert_refused(const char *kconfig, const char *text)
{
	struct us_ktree *tree = NULL;
	_us_err_free_ struct us_err *err =
		us_test_read(US_TEST_MODERN, kconfig, "source \"Kconfig\"\n", NULL, &tree);

	assert_null(tree);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_BAD_DATA);
	assert_string_equal(err->text, text);
}

static void test_an_entry_keeps_each_line_apart(void **state)
{
	_us_ktree_free_ struct us_ktree *tree =
		us_test_tree(US_TEST_MODERN, "config CAR\n"
					     "\ttristate \"Car\" if ROAD\n"
					     "\tdepends on WHEELS \\\n"
					     "\t\t&& ENGINE\n"
					     "\n"
					     "\tdepends on !(SNOW || ICE=y)\n"
					     "\tdefault m if A < 3\n"
					     "\tdefault y\n"
					     "\tselect FUEL if ENGINE != n\n"
					     "\timply RADIO\n");
	const struct us_kdef *car = def_of(tree, "CAR");

	(void)state;
	assert_int_equal(car->sym->type, US_K_TRISTATE);
	assert_string_equal(car->prompt, "Car");
	assert_expr(tree, car->prompt_cond, "ROAD");
	assert_int_equal(car->n_depends, 2);
	assert_int_equal(car->depends[0].at.line, 3);
	assert_expr(tree, car->depends[0].x, "WHEELS && ENGINE");
	assert_int_equal(car->depends[1].at.line, 6);
	assert_expr(tree, car->depends[1].x, "!(SNOW || ICE = y)");
	assert_int_equal(car->n_defaults, 2);
	assert_int_equal(car->defaults[1].at.line, 8);
	assert_expr(tree, car->defaults[0].value, "m");
	assert_expr(tree, car->defaults[0].cond, "A < 3");
	assert_string_equal(car->selects[0].target->name, "FUEL");
	assert_ptr_equal(us_ktree_symbol(tree, "FUEL")->selected_by[0], &car->selects[0]);
	assert_int_equal(us_ktree_symbol(tree, "RADIO")->n_implied_by, 1);
	assert_null(us_ktree_symbol(tree, "PLANE"));
	assert_ptr_equal(us_ktree_symbol_at(tree, 0), car->sym);
	assert_null(us_ktree_symbol_at(tree, 1));
}

static void test_operators_bind_as_in_conf(void **state)
{
	_us_ktree_free_ struct us_ktree *tree = us_test_tree(
		US_TEST_MODERN,
		"config X\n\tbool\n\tdepends on A || B && !C = y || (D || E) && F >= 0x10\n");
	const struct us_kx *x = def_of(tree, "X")->depends[0].x;

	(void)state;
	assert_expr(tree, x, "A || B && !(C = y) || (D || E) && F >= 0x10");
	assert_int_equal(x->op, US_KX_OR);
	assert_int_equal(x->a->op, US_KX_OR);
	assert_int_equal(x->b->op, US_KX_AND);
	assert_int_equal(x->a->b->b->op, US_KX_NOT);
	assert_int_equal(x->a->b->b->a->op, US_KX_EQ);
}

static void test_m_needs_modules_in_conditions_only(void **state)
{
	_us_ktree_free_ struct us_ktree *tree = us_test_tree(
		US_TEST_MODERN, "config X\n\ttristate\n\tdepends on m\n\tdefault m if m\n"
				"config MODULES\n\tbool\n\tmodules\n");
	_us_ktree_free_ struct us_ktree *none =
		us_test_tree(US_TEST_MODERN, "config X\n\tbool\n\tdepends on m\n");
	const struct us_kdef *x = def_of(tree, "X");

	(void)state;
	assert_ptr_equal(tree->modules, us_ktree_symbol(tree, "MODULES"));
	assert_int_equal(x->depends[0].x->op, US_KX_AND);
	assert_ptr_equal(x->depends[0].x->b->x, tree->modules);
	assert_int_equal(x->defaults[0].value->op, US_KX_SYM);
	assert_ptr_equal(x->defaults[0].value->x, tree->mod);
	assert_int_equal(x->defaults[0].cond->op, US_KX_AND);
	assert_expr(tree, x->depends[0].x, "m");
	assert_null(none->modules);
	assert_ptr_equal(def_of(none, "X")->depends[0].x->b->x, none->no);
}

static void test_a_dependency_may_have_a_condition(void **state)
{
	_us_ktree_free_ struct us_ktree *tree =
		us_test_tree("VERSION = 7\nPATCHLEVEL = 1\n",
			     "config X\n\tbool\n\tdepends on A if B || !C && D=\"x\"\n");

	(void)state;
	assert_expr(tree, def_of(tree, "X")->depends[0].x, "A || B = n && (C != n || !(D = \"x\"))");
}

static void test_blocks_hand_their_terms_down(void **state)
{
	_us_ktree_free_ struct us_ktree *tree = us_test_tree(US_TEST_MODERN, "menu \"Cars\"\n"
									     "\tdepends on ROAD\n"
									     "\tvisible if !SNOW\n"
									     "if FAST\n"
									     "config X\n"
									     "\tbool \"X\"\n"
									     "\tdepends on OWN\n"
									     "endif\n"
									     "comment \"the end\"\n"
									     "\tdepends on LATE\n"
									     "endmenu\n"
									     "config Y\n"
									     "\tbool\n");
	const struct us_kdef *x = def_of(tree, "X");

	(void)state;
	assert_int_equal(x->n_depends, 3);
	assert_expr(tree, x->depends[0].x, "OWN");
	assert_expr(tree, x->depends[1].x, "FAST");
	assert_true(x->depends[1].block && x->depends[1].at.line == 4);
	assert_expr(tree, x->depends[2].x, "ROAD");
	assert_true(!x->depends[2].block && x->depends[2].at.line == 2);
	assert_int_equal(x->n_visible, 1);
	assert_int_equal(x->visible[0].at.line, 3);
	assert_int_equal(def_of(tree, "Y")->n_depends, 0);
	assert_int_equal(tree->n_entries, 4);
	assert_true(tree->entries[0].menu && tree->entries[0].depth == 0);
	assert_int_equal(tree->entries[0].n_visible, 1);
	assert_int_equal(tree->entries[1].depth, 1);
	assert_string_equal(tree->entries[2].title, "the end");
	assert_int_equal(tree->entries[2].n_depends, 2);
	assert_int_equal(tree->entries[3].depth, 0);
}

static const char choice_text[] = "choice\n"
				  "\tprompt \"Colour\" if BRIGHT\n"
				  "\tdepends on PAINT\n"
				  "\tdefault BLUE if SKY\n"
				  "config RED\n"
				  "\tbool \"Red\"\n"
				  "config DARK\n"
				  "\tbool \"Dark red\"\n"
				  "\tdepends on RED\n"
				  "if !SNOW\n"
				  "config BLUE\n"
				  "\tbool \"Blue\"\n"
				  "endif\n"
				  "config RED\n"
				  "\tbool\n"
				  "endchoice\n";

static void test_a_choice_and_its_members(void **state)
{
	_us_ktree_free_ struct us_ktree *tree = us_test_tree(US_TEST_MODERN, choice_text);
	const struct us_kchoice *choice = tree->choices[0];
	const struct us_kdef *blue = def_of(tree, "BLUE");

	(void)state;
	assert_int_equal(tree->n_choices, 1);
	assert_string_equal(choice->prompt, "Colour");
	assert_expr(tree, choice->prompt_cond, "BRIGHT");
	assert_int_equal(choice->type, US_K_BOOL);
	assert_int_equal(choice->n_members, 3);
	assert_string_equal(choice->members[1]->name, "DARK");
	assert_string_equal(choice->members[2]->name, "BLUE");
	assert_expr(tree, choice->defaults[0].value, "BLUE");
	assert_ptr_equal(blue->choice, choice);
	assert_int_equal(blue->n_depends, 2);
	assert_true(!blue->depends[0].outer && blue->depends[1].outer);
	assert_expr(tree, blue->depends[1].x, "PAINT");
}

static void test_until_6_8_a_submenu_holds_no_members(void **state)
{
	_us_ktree_free_ struct us_ktree *tree = us_test_tree(OLD, choice_text);
	_us_ktree_free_ struct us_ktree *factors =
		us_test_tree(OLD, "choice\n\tprompt \"P\"\n\toptional\n"
				  "config A\n\ttristate \"A\"\n\tdepends on Q\n"
				  "config B\n\ttristate \"B\"\n\tdepends on Q && (A || R)\n"
				  "config C\n\ttristate \"C\"\n\tdepends on A || R\n"
				  "endchoice\n");
	const struct us_kchoice *choice = factors->choices[0];

	(void)state;
	assert_int_equal(tree->choices[0]->n_members, 2);
	assert_string_equal(tree->choices[0]->members[1]->name, "BLUE");
	assert_null(def_of(tree, "DARK")->choice);
	assert_ptr_equal(def_of(tree, "DARK")->inside, tree->choices[0]);
	assert_true(choice->optional && choice->type == US_K_TRISTATE);
	assert_int_equal(choice->n_members, 2); /* B depends on all that A does, C does not */
	assert_string_equal(choice->members[1]->name, "C");
}

static void test_a_macro_gives_one_word(void **state)
{
	_us_ktree_free_ struct us_ktree *tree = us_test_tree(
		US_TEST_MODERN, "comma := ,\n"
				"later = $(now)\n"
				"now := 7\n"
				"now += 8\n"
				"swap = $(2)$(comma)$(1)\n"
				"one := 1\n"
				"config A$(one)B\n\tstring\n\tdefault \"$(later) $(swap,x,y)\"\n"
				"config C\n\tstring\n"
				"\tdefault \"$(filename):$(lineno) $(ARCH) $ $(none).\"\n"
				"$(warning-if,y,nobody reads it)$(info,nor this)\n");

	(void)state;
	assert_expr(tree, def_of(tree, "A1B")->defaults[0].value, "\"7 8 y,x\"");
	assert_expr(tree, def_of(tree, "C")->defaults[0].value, "\"Kconfig:12 x86 $ .\"");
}

static void test_commands_are_free_probes(void **state)
{
	_us_ktree_free_ struct us_ktree *tree = us_test_tree(
		US_TEST_MODERN,
		"can = $(shell,{ $(1); } && echo y || echo n)\n"
		"cc-option = $(can,$(CC) $(1))\n"
		"version := $(shell,cc-version $(CC))\n"
		"$(error-if,$(can,false),cannot be known)\n"
		"config A\n\tdef_bool $(cc-option,-ma)\n"
		"config B\n\tdef_bool !$(cc-option,-mb)\n\tdepends on $(cc-option,-ma)\n"
		"config C\n\tint\n\tdefault $(version)\n"
		"config D\n\tstring\n\tdefault \"cc $(version)\"\n");
	const struct us_kx *a = def_of(tree, "A")->defaults[0].value;
	const struct us_kx *b = def_of(tree, "B")->defaults[0].value;

	(void)state;
	assert_true(a->x->probe && !a->x->constant);
	assert_string_equal(a->x->name, "$(cc-option,-ma)");
	assert_ptr_not_equal(b->a->x, a->x);
	assert_ptr_equal(def_of(tree, "B")->depends[0].x->x, a->x);
	assert_string_equal(def_of(tree, "C")->defaults[0].value->x->name, "$(version)");
	assert_string_equal(def_of(tree, "D")->defaults[0].value->x->name, "cc $(version)");
	assert_true(def_of(tree, "D")->defaults[0].value->x->probe);
}

static void test_help_is_passed_over(void **state)
{
	_us_ktree_free_ struct us_ktree *tree =
		us_test_tree(US_TEST_MODERN, "config A\n"
					     "\tbool\n"
					     "\thelp\n"
					     "\n"
					     "\t  config IN_HELP\n"
					     "\n"
					     "\t    endmenu $( \"\n"
					     "      \tselect NOT_HELP\n"
					     "\tselect B\n"
					     "config C\n"
					     "\thelp\n"
					     "config SWALLOWED\n"
					     "\tbool\n");

	(void)state;
	assert_null(us_ktree_symbol(tree, "IN_HELP"));
	assert_int_equal(def_of(tree, "A")->n_selects, 2);
	assert_null(us_ktree_symbol(tree, "SWALLOWED"));
}

static void test_words_of_old_trees(void **state)
{
	_us_ktree_free_ struct us_ktree *tree = us_test_tree(
		"VERSION = 4\nPATCHLEVEL = 18\n", "source arch/x86/Kconfig\n"
						  "config M\n\tbool\n\toption modules\n"
						  "config L\n\tstring\n\toption defconfig_list\n"
						  "config E\n\tbool\n\toption allnoconfig_y\n"
						  "\t---help---\n\t  old\n");

	(void)state;
	assert_int_equal(us_ktree_files(tree), 2);
	assert_string_equal(tree->modules->name, "M");
	assert_true(us_ktree_symbol(tree, "E")->allnoconfig_y);
	assert_true(us_ktree_symbol(tree, "L")->defconfig_list);
}

static void test_what_is_refused_has_a_place(void **state)
{
	(void)state;
	assert_refused("config A\n\tbool\n\tfrobnicate B\n",
		       "Kconfig:3: unknown statement 'frobnicate'");
	assert_refused("\tselect B\n", "Kconfig:1: 'select' has no place here");
	assert_refused("config A\n\tbool\n\tdepends B\n",
		       "Kconfig:3: 'on' is missing behind 'depends'");
	assert_refused("config A\n\tdepends on B &&\n", "Kconfig:2: a symbol is missing here");
	assert_refused("config A\n\tdepends on (B\n", "Kconfig:2: a ')' is missing here");
	assert_refused("config A\n\tbool \"x\" y\n", "Kconfig:2: 'y' is not expected here");
	assert_refused("config A\n\tbool \"x\n", "Kconfig:2: the string does not end on its line");
	assert_refused("config A\n\tdefault B | C\n", "Kconfig:2: a '|' has no meaning here");
	assert_refused(
		"if A\nmenu \"x\"\nendif\n",
		"Kconfig:3: 'endif' stands where 'endmenu' would end what begins at Kconfig:2");
	assert_refused("endmenu\n", "Kconfig:1: 'endmenu' without a beginning in this file");
	assert_refused("\nif A\n\n",
		       "Kconfig:4: the file ends, and what begins at Kconfig:2 does not");
	assert_refused("source \"none\"\n", "Kconfig:1: the tree has no file 'none'");
	assert_refused("\nsource \"more\"\n", "more:1: Kconfig is read while it is being read");
	assert_refused("config A\n\tbool \"\1\"\n", "Kconfig:2: the byte 0x01: this is no text");
	assert_refused("config y\n", "Kconfig:1: 'y' is a constant, no symbol");
	assert_refused("config A\n\tmodules\nconfig B\n\tmodules\n",
		       "Kconfig:4: 'modules' is 'A' already");
	assert_refused("$(error-if,y,no such machine)\n",
		       "Kconfig:1: the tree says: 'no such machine'");
	assert_refused("a = $(b)\nb = x$(a)\nconfig $(a)\n",
		       "Kconfig:3: the variable stands in its own value: 'a'");
	assert_refused("config $(A\n", "Kconfig:1: no ')' ends '$(A'");
	assert_refused("\nsource \"$(shell,ls)\"\n",
		       "Kconfig:2: a file's name that a command would have to tell");
}

static void test_macros_that_explode_end(void **state)
{
	struct us_ktree *tree = NULL;
	_us_err_free_ struct us_err *deep = NULL, *wide = NULL;

	(void)state;
	deep = us_test_read(US_TEST_MODERN, "f = $(f,$(1)x)\nconfig $(f,a)\n", NULL, NULL, &tree);
	assert_non_null(deep);
	assert_string_equal(deep->text, "Kconfig:2: macros call each other more than 64 deep");
	wide = us_test_read(US_TEST_MODERN,
			    "a = $(1)$(1)$(1)$(1)$(1)$(1)$(1)$(1)\n"
			    "b = $(a,$(a,$(a,$(a,$(1)))))\n"
			    "config $(b,$(b,$(b,$(b,x))))\n",
			    NULL, NULL, &tree);
	assert_non_null(wide);
	assert_string_equal(wide->text, "Kconfig:3: the macros grow beyond 16 MiB");
	assert_null(tree);
}

static void test_a_long_line_and_a_deep_expression(void **state)
{
	_us_text_deinit_ struct us_text text = { 0 };
	_us_ktree_free_ struct us_ktree *tree = NULL;
	struct us_ktree *none = NULL;
	_us_err_free_ struct us_err *err = NULL;

	(void)state;
	us_text_add(&text, "config A\n\tstring\n\tdefault \"");
	for (size_t i = 0; i < (10u << 20) / 16; i++)
		us_text_put(&text, "0123456789abcdef", 16);
	us_text_add(&text, "\"\n\tbool\n");
	assert_false(text.failed);
	tree = us_test_tree(US_TEST_MODERN, text.s);
	assert_int_equal(strlen(def_of(tree, "A")->defaults[0].value->x->name), 10u << 20);
	us_text_deinit(&text);
	text = (struct us_text){ 0 };
	us_text_add(&text, "config A\n\tdepends on ");
	for (size_t i = 0; i < 100000; i++)
		us_text_put(&text, "!(", 2);
	us_text_add(&text, "B\n");
	err = us_test_read(US_TEST_MODERN, text.s, NULL, NULL, &none);
	assert_non_null(err);
	assert_string_equal(err->text, "Kconfig:2: an expression of more than 1000 operators");
}

static void test_dropped_lines(void **state)
{
	static const char text[] = "config A\n\tbool \"A\"\n\tdepends on B\n\tselect C\n"
				   "if D\nconfig E\n\tbool \"E\"\nendif\n"
				   "config F\n\tdef_bool y\n"
				   "variable = (\n";
	const struct us_kplace lines[] = {
		{ "Kconfig", 4 }, { "Kconfig", 5 }, { "Kconfig", 9 }, { "Kconfig", 11 }
	};
	const struct us_kplace nothing = { "Kconfig", 99 }, end = { "Kconfig", 8 };
	const struct us_ktree_options four = { .arch = "x86", .drop = lines, .n_drop = 4 };
	const struct us_ktree_options none = { .arch = "x86", .drop = &nothing, .n_drop = 1 };
	const struct us_ktree_options bad = { .arch = "x86", .drop = &end, .n_drop = 1 };
	_us_ktree_free_ struct us_ktree *tree = NULL;
	struct us_ktree *no = NULL;
	_us_err_free_ struct us_err *err = NULL, *usage = NULL;

	(void)state;
	assert_null(us_test_read(US_TEST_MODERN, text, NULL, &four, &tree));
	assert_int_equal(def_of(tree, "A")->n_selects, 0);
	assert_int_equal(def_of(tree, "A")->n_depends, 1);
	assert_int_equal(def_of(tree, "E")->n_depends, 0);
	assert_null(us_ktree_symbol(tree, "F"));
	usage = us_test_read(US_TEST_MODERN, text, NULL, &none, &no);
	assert_non_null(usage);
	assert_int_equal(usage->code, US_ERR_USAGE);
	assert_string_equal(usage->text, "Kconfig:99: no statement begins on that line");
	err = us_test_read(US_TEST_MODERN, text, NULL, &bad, &no);
	assert_non_null(err);
	assert_null(no);
}

/* ---- the miniature tree ---- */

static const char *fixture(char *path, size_t size)
{
	snprintf(path, size, "%s/kconfig/toys", getenv("US_FIXTURES"));
	return path;
}

static void check_toys(const char *path)
{
	_us_ktree_free_ struct us_ktree *tree = NULL;
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const struct us_ktree_options options = { .arch = "i386" };
	const struct us_kline *lines;
	size_t n;

	assert_null(us_ktree_open(path, &options, NULL, &tree));
	assert_string_equal(us_ktree_version(tree), "6.12.3-toys");
	assert_string_equal(us_ktree_arch(tree), "i386");
	assert_int_equal(us_ktree_files(tree), 3);
	assert_expr(tree, def_of(tree, "BIG")->defaults[0].value, "\"i386\" != \"i386\"");
	assert_null(us_ktree_lines(tree, us_ktree_symbol(tree, "AXLE"), NULL, &pool, &lines, &n));
	assert_int_equal(n, 9);
	assert_string_equal(lines[0].text, "config AXLE");
	assert_string_equal(lines[2].text, "prompt \"Axle\"");
	assert_string_equal(lines[3].text, "depends on CAN_STEER && !FLAT");
	assert_string_equal(lines[4].text, "if WHEELS");
	assert_string_equal(lines[5].text, "depends on X86 || ARM");
	assert_string_equal(lines[6].text, "visible if !FLAT");
	assert_string_equal(lines[7].text, "select GREASE if WHEELS = m");
	assert_int_equal(lines[8].kind, US_KLINE_IMPLIED_BY);
	assert_string_equal(lines[8].symbol, "WHEELS");
	assert_string_equal(lines[8].at.file, "wheels/Kconfig");
	assert_int_equal(lines[8].at.line, 13);
}

/* What each statement gives under the defaults of the 64-bit toys. */
static void test_lines_with_values(void **state)
{
	char path[512];
	_us_ktree_free_ struct us_ktree *tree = NULL;
	_us_kvalues_free_ struct us_kvalues *values = NULL;
	_us_kconfig_free_ struct us_kconfig *wishes = NULL;
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const struct us_ktree_options options = { .arch = "x86_64" };
	const char *text = "CONFIG_MODULES=y\nCONFIG_WHEELS=m\n";
	const struct us_kline *lines;
	size_t n;

	(void)state;
	assert_null(us_ktree_open(fixture(path, sizeof(path)), &options, NULL, &tree));
	assert_null(us_kconfig_parse(us_bytes_of(text, strlen(text)), &wishes));
	assert_null(us_ktree_evaluate(tree, US_KSTART_DEFAULTS, wishes, &values));
	assert_null(us_ktree_lines(tree, us_ktree_symbol(tree, "AXLE"), values, &pool, &lines, &n));
	assert_int_equal(n, 9);
	assert_string_equal(lines[0].now, "m"); /* implied by WHEELS */
	assert_null(lines[1].now);
	assert_string_equal(lines[2].now, "m");
	assert_string_equal(lines[3].now, "y");
	assert_string_equal(lines[4].now, "m");
	assert_string_equal(lines[7].now, "m");
	assert_string_equal(lines[8].now, "m");
	assert_null(
		us_ktree_lines(tree, us_ktree_symbol(tree, "SPOKES"), values, &pool, &lines, &n));
	assert_string_equal(lines[0].now, "12");
	assert_string_equal(lines[n - 2].now, "12");
	assert_string_equal(lines[n - 1].now, "3 to 48");
}

static void test_a_directory(void **state)
{
	char path[512];
	_us_pool_deinit_ struct us_pool pool = { 0 };
	_us_ksource_free_ struct us_ksource *source = NULL;
	const struct us_ktree_options options = { .arch = "vax" };
	struct us_ktree *tree = NULL;
	_us_err_free_ struct us_err *err = NULL, *none = NULL;
	const char *const *arches;

	(void)state;
	check_toys(fixture(path, sizeof(path)));
	assert_null(us_ksource_open(path, NULL, &source));
	assert_null(us_ksource_arches(source, &pool, &arches));
	assert_string_equal(arches[0], "arm");
	assert_string_equal(arches[1], "i386");
	assert_string_equal(arches[2], "x86");
	assert_string_equal(arches[3], "x86_64");
	assert_null(arches[4]);
	err = us_ktree_open(path, &options, NULL, &tree);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_USAGE);
	assert_string_equal(err->text,
			    "the tree has no architecture 'vax', but: arm i386 x86 x86_64");
	none = us_ktree_open(getenv("US_FIXTURES"), &options, NULL, &tree);
	assert_non_null(none);
	assert_int_equal(none->code, US_ERR_BAD_DATA);
	assert_null(tree);
}

static void test_an_archive(void **state)
{
	char folder[512], path[] = "/tmp/us-test-tree-XXXXXX";
	const struct us_ktree_options tools = { .arch = "i386", .toolchain = "" };
	struct us_ktree *tree = NULL;
	_us_err_free_ struct us_err *err = NULL, *bad = NULL;
	_us_close_ int fd = mkstemp(path);
	char pack[1200];

	(void)state;
	fixture(folder, sizeof(folder));
	snprintf(pack, sizeof(pack),
		 "tar -cJf %s --transform 's,^,./toys-6.12/,' -C '%s' Makefile Kconfig "
		 "arch/x86/Kconfig arch/arm/Kconfig wheels/Kconfig",
		 path, folder);
	assert_int_equal(system(pack), 0);
	check_toys(path);
	err = us_ktree_open(path, &tools, NULL, &tree);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_USAGE);
	assert_int_equal(ftruncate(fd, 100), 0);
	bad = us_ktree_open(path, &tools, NULL, &tree);
	assert_non_null(bad);
	assert_int_equal(bad->code, US_ERR_BAD_DATA);
	unlink(path);
}

/* With a toolchain the commands run, in a folder of their own. */
static void test_a_toolchain_answers(void **state)
{
	char folder[] = "/tmp/us-test-tree-XXXXXX";
	static const char kconfig[] =
		"config PLACE\n\tstring\n\tdefault \"$(shell,cat $(srctree)/note)\"\n"
		"config CC\n\tstring\n\tdefault \"$(shell,echo a; echo $(CC) $ARCH)\"\n";
	const struct us_ktree_options options = { .arch = "x86", .toolchain = "none-" };
	_us_ktree_free_ struct us_ktree *tree = NULL;

	(void)state;
	us_test_folder(folder, kconfig, "from the tree\n\n");
	assert_null(us_ktree_open(folder, &options, NULL, &tree));
	assert_expr(tree, def_of(tree, "PLACE")->defaults[0].value, "\"from the tree\"");
	assert_expr(tree, def_of(tree, "CC")->defaults[0].value, "\"a none-gcc x86\"");
	us_test_folder_remove(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_entry_keeps_each_line_apart),
		cmocka_unit_test(test_operators_bind_as_in_conf),
		cmocka_unit_test(test_m_needs_modules_in_conditions_only),
		cmocka_unit_test(test_a_dependency_may_have_a_condition),
		cmocka_unit_test(test_blocks_hand_their_terms_down),
		cmocka_unit_test(test_a_choice_and_its_members),
		cmocka_unit_test(test_until_6_8_a_submenu_holds_no_members),
		cmocka_unit_test(test_a_macro_gives_one_word),
		cmocka_unit_test(test_commands_are_free_probes),
		cmocka_unit_test(test_help_is_passed_over),
		cmocka_unit_test(test_words_of_old_trees),
		cmocka_unit_test(test_what_is_refused_has_a_place),
		cmocka_unit_test(test_macros_that_explode_end),
		cmocka_unit_test(test_a_long_line_and_a_deep_expression),
		cmocka_unit_test(test_dropped_lines),
		cmocka_unit_test(test_a_directory),
		cmocka_unit_test(test_lines_with_values),
		cmocka_unit_test(test_an_archive),
		cmocka_unit_test(test_a_toolchain_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
