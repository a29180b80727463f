/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The sub-words of understudy config, and what those share that look at a source tree. */
#ifndef US_CMD_CONFIG_INT_H
#define US_CMD_CONFIG_INT_H

#include "cmd/cmd-int.h"
#include "image/image.h"
#include "kconfig/tree.h"

extern const struct us_cmd us_config_roles, us_config_why, us_config_table, us_config_diff,
	us_config_show;

/* What they take alike; words as they were given. */
struct us_tree_ask {
	bool json;
	const char *arch, *toolchain, *base, *symbols;
	struct us_opt_list drop, pin;
};
/* An option of a command whose options are a struct opts with a us_tree_ask named ask. */
#define US_TREE_OPTION(name, type, arg, help, field)                                               \
	{                                                                                          \
		0, name, type, arg, help, offsetof(struct opts, ask.field)                         \
	}
#define US_TREE_ARCH                                                                               \
	US_TREE_OPTION("arch", US_OPT_TEXT, "ARCH",                                                \
		       "Architecture, as make's ARCH (x86_64, arm64, ...); else that of --base, "  \
		       "else this machine's",                                                      \
		       arch)
#define US_TREE_ARCHES                                                                             \
	US_TREE_OPTION("arch", US_OPT_TEXT, "ARCH,...",                                            \
		       "Architectures, as make's ARCH; all (that is \"all\") if not said", arch)
#define US_TREE_BASE(help) US_TREE_OPTION("base", US_OPT_FILE, "CONFIG", help, base)
/* more: what else is looked at without it. */
#define US_TREE_SYMBOLS(more)                                                                      \
	US_TREE_OPTION("symbols", US_OPT_TEXT, "'A B C'",                                          \
		       "Symbols (bool or tristate) whose combinations are looked at, at most 6; "  \
		       "else KEXEC, KEXEC_FILE, CRASH_DUMP and CRASH_HOTPLUG" more,                \
		       symbols)
#define US_TREE_COMMON                                                                             \
	US_TREE_OPTION("toolchain", US_OPT_TEXT, "PREFIX",                                         \
		       "Run the tree's compiler tests with this toolchain, as make's "             \
		       "CROSS_COMPILE (a relative path: from the top of the tree, or from here); " \
		       "else nothing of the tree is run, and a test may come out either way",                                                               \
		       toolchain),                                                                 \
		US_TREE_OPTION("json", US_OPT_FLAG, NULL, "Write JSON (docs/json.md)", json)

/* The words understood. */
struct us_question {
	struct us_pool pool;
	struct us_kconfig *base; /* owned, or NULL */
	struct us_ktree_options options;
	const char *const *pins; /* NULL-terminated, or NULL */
};
/* options.arch stays NULL where --arch is a list (several). */
struct us_err *us_question_read(const struct us_tree_ask *asked, bool several,
				struct us_question *ret) us_must_check;
void us_question_deinit(struct us_question *q);
#define _us_question_deinit_ __attribute__((cleanup(us_question_deinit)))
/* The architectures of --arch, or all of the tree; NULL-terminated. */
struct us_err *us_question_arches(const struct us_tree_ask *asked, struct us_ksource *source,
				  struct us_pool *pool, const char *const **ret) us_must_check;

/* make's name for an architecture, NULL if it is none that is known. */
const char *us_make_arch(const struct us_arch *arch);

/* Names in words, separated by spaces or commas: at most max. */
struct us_err *us_words_split(const char *words, const char *what, size_t max, struct us_pool *pool,
			      const char *const **ret, size_t *ret_n) us_must_check;

/* What is said of a symbol in a tree. */
struct us_said {
	bool defined, tristate, prompt;
	const char *value_type; /* "int", "hex", "string"; NULL: it is y, m or n */
};
struct us_err *us_symbol_said(const struct us_ktree *tree, const char *name, struct us_said *ret)
	us_must_check;

/* Why it has its value: one step a line, and none behind the last. */
struct us_err *us_symbol_why(const struct us_kvalues *values, const struct us_ksym *sym,
			     struct us_pool *pool, const char **ret) us_must_check;

/* Symbols that a table is about, and its cells. */
#define US_SYMBOLS_MAX 6
struct us_combos {
	const char *const *symbols;
	size_t n;
};
/* Of --symbols, or the usual ones. */
struct us_err *us_combos_read(const struct us_tree_ask *asked, struct us_pool *pool,
			      struct us_combos *ret) us_must_check;
/* ret of US_SYMBOLS_MAX. US_ERR_USAGE: one is a number or text, which no column can have. */
struct us_err *us_combos_said(const struct us_ktree *tree, const struct us_combos *c,
			      struct us_said *ret) us_must_check;
/* "KEXEC=n KEXEC_FILE=y": combination i, NULL without memory. Of symbols that are tristate in said
 * (may be NULL), "y|m". */
const char *us_combo_want(const struct us_combos *c, const struct us_said *said, size_t i,
			  struct us_pool *pool);
/* A cell per combination, as report has them. */
struct us_err *us_combos_ask(struct us_ktree *tree, const struct us_combos *c, struct us_pool *pool,
			     const char **ret_cells, bool *ret_defines) us_must_check;

#endif
