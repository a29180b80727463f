/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The model of a parsed tree, between its three users: the parser fills it (parse*.c, macro.c,
 * source.c), the evaluator computes values over it (eval*.c), the solver encodes it (encode.c,
 * ask*.c). It says what stands in the files, with each line's place; the semantics are the users'.
 */
#ifndef US_KCONFIG_TREE_INT_H
#define US_KCONFIG_TREE_INT_H

#include "kconfig/tree.h"

enum us_ktype { US_K_UNKNOWN, US_K_BOOL, US_K_TRISTATE, US_K_INT, US_K_HEX, US_K_STRING };

/* An expression. The leaves are symbols, constants among them; comparisons compare two symbols. */
enum us_kop {
	US_KX_SYM,
	US_KX_NOT,
	US_KX_AND,
	US_KX_OR,
	US_KX_EQ,
	US_KX_NE,
	US_KX_LT,
	US_KX_LE,
	US_KX_GT,
	US_KX_GE
};
struct us_kx {
	enum us_kop op;
	const struct us_kx *a, *b; /* NOT: a; AND, OR: both */
	struct us_ksym *x, *y;     /* SYM: x; comparisons: both */
};

/*
 * A condition with the line that states it. In conditions the constant m stands as "m && MODULES"
 * already (conf rewrites it so); in the values of defaults it is m.
 */
struct us_kterm {
	const struct us_kx *x;
	struct us_kplace at;
	bool block; /* "if X" around it, not "depends on X" */
	bool outer; /* of a choice's member: it stands around the choice or is the choice's own */
};

struct us_kprop {
	struct us_kplace at;
	const struct us_kx *value; /* a default's; for select and imply: the symbol's name as SYM */
	const struct us_kx *low, *high; /* a range's, each a SYM */
	const struct us_kx *cond;       /* "if", NULL: always */
	struct us_ksym *target;         /* select, imply */
	const struct us_kdef *def;      /* the entry that it stands in */
};

/* One "config" or "menuconfig" entry. Every property of it holds only where all of depends do. */
struct us_kdef {
	struct us_ksym *sym;
	struct us_kplace at;
	struct us_kplace type_at;
	const char *prompt; /* NULL: none */
	const struct us_kx *prompt_cond;
	struct us_kplace prompt_at;
	const struct us_kterm *depends; /* own first, then of the blocks around, inside out */
	size_t n_depends;
	const struct us_kterm *visible; /* "visible if" of the menus around: for the prompt only */
	size_t n_visible;
	const struct us_kprop *defaults, *selects, *implies, *ranges;
	size_t n_defaults, n_selects, n_implies, n_ranges;
	struct us_kchoice *choice; /* that it is a member of, or NULL */
	struct us_kchoice *inside; /* in whose block it stands, member or not, or NULL */
};

struct us_ksym {
	const char *name; /* a constant's text; a probe's text as it stands after expansion */
	size_t index;     /* in us_ktree.symbols */
	enum us_ktype type;
	bool constant; /* quoted, or y, m, n */
	bool probe;    /* free: y or n, or as text unknown */
	bool transitional;
	bool allnoconfig_y;           /* "option allnoconfig_y" (until 5.12) */
	bool defconfig_list;          /* "option defconfig_list" (until 5.12): in no .config */
	const struct us_kdef *const *defs; /* in order of appearance; none: constant or undefined */
	size_t n_defs;
	const struct us_kprop *const *selected_by, *const *implied_by;
	size_t n_selected_by, n_implied_by;
	struct us_kchoice *choice; /* of the first entry that is a member, or NULL */
};

struct us_kchoice {
	size_t index; /* in us_ktree.choices */
	const char *name; /* "choice NAME" (until 6.8), or NULL */
	struct us_kplace at;
	enum us_ktype type; /* as stated, else that of the first member with one */
	const char *prompt;
	const struct us_kx *prompt_cond;
	struct us_kplace prompt_at;
	const struct us_kterm *depends;
	size_t n_depends;
	const struct us_kterm *visible;
	size_t n_visible;
	const struct us_kprop *defaults; /* value: SYM of a member */
	size_t n_defaults;
	bool optional;
	struct us_ksym *const *members; /* each once, in order of appearance */
	size_t n_members;
	struct us_kchoice *outer; /* a choice around this one, or NULL */
};

/* In the order of the files: what conf writes and walks. */
struct us_kentry {
	const struct us_kdef *def; /* or */
	struct us_kchoice *choice; /* or, for a menu or comment line of a .config: */
	const char *title;
	struct us_kplace at;
	const struct us_kterm *depends, *visible; /* title's */
	size_t n_depends, n_visible;
	bool menu;
	uint32_t depth;
};

struct us_ktree {
	struct us_pool pool;
	const char *path, *arch, *version;
	const char *title; /* of mainmenu, or NULL */
	unsigned int major, minor; /* of version */
	struct us_ksym **symbols;  /* all, constants and undefined ones too */
	size_t n_symbols;
	struct us_kchoice **choices;
	size_t n_choices;
	const struct us_kentry *entries;
	size_t n_entries;
	const char *const *files; /* that were read */
	size_t n_files;
	struct us_ksym *modules;     /* the symbol with "modules"; NULL: there are none */
	struct us_ksym *yes, *mod, *no; /* the constants */
	void *index;                 /* name -> symbol: parse.c's */
	void *solver;                /* made by the first question: ask.c's, freed by */
	void (*solver_free)(void *solver);
};

/* An expression in Kconfig's words. NULL without memory. */
const char *us_kx_text(struct us_pool *pool, const struct us_kx *x);

enum us_ktri { US_KN, US_KM, US_KY };

/* ---- values: eval*.c ---- */

/*
 * Values over a tree. Whoever wants values of his own (the solver, for a drawn configuration) makes
 * empty ones, sets wishes and probes, and has them computed.
 */
struct us_kvalues {
	struct us_pool pool;
	const struct us_ktree *tree;
	struct us_kvalue {
		enum us_ktri tri;     /* bool, tristate */
		const char *text;     /* as us_kvalues_text() tells */
		enum us_ktri visible; /* of the prompt */
		bool user;            /* a wish was given */
		const char *wish;     /* or NULL */
		/* from here on eval*.c's */
		enum us_ktri wished;                      /* bool, tristate */
		size_t order;                             /* of the wishes; the last of a choice's wins */
		enum us_ktri depends, selected, implied;  /* what they come to */
		const struct us_kprop *by_default;        /* that gave the value, or NULL */
		bool write;                               /* a .config says something of it */
		bool unknown;                             /* a text that only a compiler knows */
		unsigned char state;
	} *v; /* by us_ksym.index */
	/* what a probe came out as, as a tristate and (NULL: not known) as a number or text takes it
	 * over; by us_ksym.index of the probe */
	enum us_ktri *probes;
	const char **probe_texts;
	struct us_kchosen {
		enum us_ktri tri, visible, wished;
		struct us_ksym *sym; /* the member that is y, or NULL */
		struct us_ksym *wish; /* that was wished for last, or NULL */
		unsigned char state;
	} *choices; /* by us_kchoice.index */
	enum us_ktri all_choices; /* what allyesconfig and its like wish for choices */
	bool listed;              /* the wishes are those of a .config */
	enum us_ktri modules;
	/* comparisons of what only a compiler knows; one that is not here is of the text "" */
	const struct us_koutcome {
		enum us_kop op;
		const struct us_ksym *x, *y;
		bool holds;
	} *outcomes;
	size_t n_outcomes;
	unsigned int depth;
	const struct us_ksym *too_deep; /* NULL: no */
};

/* No wishes, all probes y and of unknown text. */
struct us_err *us_kvalues_new(const struct us_ktree *tree, struct us_kvalues **ret) us_must_check;
/* As a line of a .config would: false if the symbol's type does not take text. Borrowed for ever. */
bool us_kvalues_wish(struct us_kvalues *values, const struct us_ksym *sym, const char *text);
/* From the wishes and probes; again after they were changed. */
struct us_err *us_kvalues_compute(struct us_kvalues *values) us_must_check;
/* What an expression comes to under computed values; NULL is y. */
enum us_ktri us_kvalues_expr(const struct us_kvalues *values, const struct us_kx *x);
/* A symbol as comparisons see it: a name that is not defined is its own text. */
const char *us_kvalues_operand(const struct us_kvalues *values, const struct us_ksym *sym);

#endif
