/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A tree as clauses for PicoSAT: between encode*.c, which writes them, and ask*.c, fragment.c and
 * draw.c, which solve. Symbols are encoded when first spoken of, so the clauses are those of the
 * cones of all questions so far. Each line that can be taken away owns a selector: true, it stands
 * there; false, the clauses are those of the tree without it.
 */
#ifndef US_KCONFIG_ENCODE_H
#define US_KCONFIG_ENCODE_H

#include "kconfig/tree-int.h"

#include <picosat/picosat.h>

/* Literals are PicoSAT's: variable 1 is true. */
#define US_KLIT_TRUE  1
#define US_KLIT_FALSE (-1)

/* A tristate: at least m; y. */
struct us_k3 {
	int m, y;
};

enum us_kwhy {
	US_KWHY_DEPENDS,   /* a "depends on", or the condition of an if, menu or choice around */
	US_KWHY_VISIBLE,   /* "visible if" */
	US_KWHY_PROMPT,    /* the condition of a prompt */
	US_KWHY_NO_PROMPT, /* that there is none */
	US_KWHY_DEFAULT,
	US_KWHY_SELECT,
	US_KWHY_IMPLY,
	US_KWHY_RANGE,
	US_KWHY_CHOICE,        /* exactly one of the members */
	US_KWHY_CHOICE_PROMPT, /* its condition (a choice has a value until 6.10) */
};

/* A line that can be taken away. */
struct us_kline_lit {
	enum us_kwhy why;
	struct us_kplace at;
	int lit;
	struct us_ksym *sym; /* whose it is (of the first, where several share it), or NULL */
	const struct us_kterm *term;
	const struct us_kprop *prop;
	const struct us_kdef *def;
	struct us_kchoice *choice;
};

/* The values that a number or text may have: one of lits is true. */
struct us_knumber {
	const char **texts;
	int *lits;
	size_t n, cap;
	int other; /* none of texts */
	/* Other values than texts may make a difference: it is compared with numbers that are
	 * compared in turn, say. */
	bool open;
	const struct us_ksym *peer; /* that it is compared with, or NULL */
};

struct us_kcoded {
	struct us_k3 value;       /* .m 0: not spoken of yet */
	struct us_k3 visible;     /* of the prompt */
	struct us_knumber number; /* not of bool, tristate */
	int moved;                /* differs from what it is when the user does not set it */
	uint32_t refs, n_refs;    /* in us_ksolver.refs: what its lines speak of */
};

/* A comparison whose outcome is not known: of a probe's text, or of a value beyond those looked at. */
struct us_katom {
	enum us_kop op;
	struct us_ksym *x, *y;
	int lit;
};

struct us_ksolver {
	PicoSAT *sat;
	struct us_ktree *tree;
	struct us_pool pool;
	bool no_memory;
	bool old_choice; /* a choice has a value of its own (until 6.10) */
	int modules;     /* literal */
	int all;         /* implies every selector */
	int closed;      /* open numbers have none but the values looked at; 0: there are none */
	struct us_kcoded *coded; /* by us_ksym.index */
	struct us_k3 *choices;   /* by us_kchoice.index: .m 0 not yet; from 6.11 always y */
	struct us_ksym **queue;  /* spoken of; the first n_done are encoded */
	size_t n_queue, n_done;
	uint32_t *refs; /* indices of symbols */
	size_t n_refs, cap_refs;
	struct us_kgate {
		int a, b, out;
	} * gates; /* open hash of conjunctions */
	size_t n_gates, cap_gates;
	struct us_kline_lit *lines;
	size_t n_lines, cap_lines;
	uint32_t *line_index; /* open hash into lines, +1 */
	size_t cap_index;
	struct us_katom *atoms;
	size_t n_atoms, cap_atoms;
};

/* encode.c: gates */
int us_kenc_new(struct us_ksolver *s);
void us_kenc_clause(struct us_ksolver *s, const int *lits, size_t n);
#define us_kenc_add(s, ...)                                                                        \
	us_kenc_clause(s, (const int[]){ __VA_ARGS__ },                                            \
		       sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int))
int us_kenc_and(struct us_ksolver *s, int a, int b);
int us_kenc_or(struct us_ksolver *s, int a, int b);
int us_kenc_xor(struct us_ksolver *s, int a, int b);
struct us_k3 us_kenc_and3(struct us_ksolver *s, struct us_k3 a, struct us_k3 b);
struct us_k3 us_kenc_or3(struct us_ksolver *s, struct us_k3 a, struct us_k3 b);
/* The selector of a line: the same for the same why and place (no prompt: for the same symbol). */
int us_kenc_line(struct us_ksolver *s, struct us_kline_lit line);
/* Room for one more item of size in *array; false without memory. */
bool us_kenc_grow(struct us_ksolver *s, void *array, size_t *cap, size_t n, size_t size);

/* encode-expr.c: expressions */
bool us_kenc_is_tri(const struct us_ksym *sym);
struct us_k3 us_kenc_symbol(struct us_ksolver *s, struct us_ksym *sym);
struct us_k3 us_kenc_expr(struct us_ksolver *s, const struct us_kx *x); /* NULL: y */
struct us_k3 us_kenc_terms(struct us_ksolver *s, struct us_ksym *sym, const struct us_kterm *terms,
			   size_t n, enum us_kwhy why, bool inner_only);

/* encode-number.c: numbers and texts */
/* Which values are looked at: from every comparison, default and range of the tree. */
void us_kenc_domains(struct us_ksolver *s);
/* One more; false: it is too late, the symbol is encoded. */
bool us_kenc_domain_add(struct us_ksolver *s, struct us_ksym *sym, const char *text);
/* Its literals, when it is first spoken of. */
void us_kenc_number_allot(struct us_ksolver *s, struct us_ksym *sym);
void us_kenc_number(struct us_ksolver *s, struct us_ksym *sym, struct us_k3 visible);
int us_kenc_number_is(struct us_ksolver *s, struct us_ksym *sym, const char *text);
bool us_kenc_compare(enum us_kop op, const char *a, enum us_ktype a_type, const char *b,
		     enum us_ktype b_type);

/* encode-symbol.c: what a symbol is, from its lines */
void us_kenc_run(struct us_ksolver *s); /* empties the queue */
/* The condition under which prop holds, its selector included. */
struct us_k3 us_kenc_prop_cond(struct us_ksolver *s, enum us_kwhy why, const struct us_kprop *prop);
/* The relation between a value and what lines make of it, where guard is true; the literal: moved. */
int us_kenc_relation(struct us_ksolver *s, int guard, struct us_ksym *sym, struct us_k3 visible,
		     struct us_k3 selected, struct us_k3 unset);
struct us_k3 us_kenc_promote(struct us_ksolver *s, const struct us_ksym *sym, struct us_k3 v);
struct us_k3 us_kenc_def_depends(struct us_ksolver *s, const struct us_kdef *def);
struct us_k3 us_kenc_prompt(struct us_ksolver *s, const struct us_kdef *def, struct us_k3 depends);
struct us_k3 us_kenc_defaults(struct us_ksolver *s, struct us_ksym *sym);

/* encode-choice.c */
void us_kenc_choice(struct us_ksolver *s, struct us_kchoice *choice);

/* The solver of a tree, made with the first question. */
struct us_err *us_ksolver_get(struct us_ktree *tree, struct us_ksolver **ret) us_must_check;
void us_ksolver_drop(struct us_ktree *tree);

#endif
