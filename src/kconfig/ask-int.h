/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A question while it is being answered: between ask*.c, fragment.c and draw.c.
 */
#ifndef US_KCONFIG_ASK_INT_H
#define US_KCONFIG_ASK_INT_H

#include "kconfig/encode.h"

enum us_kgoal_from { US_KGOAL_ASKED, US_KGOAL_PINNED, US_KGOAL_BASE };

/* "A=y|m": one assignment that has to hold. */
struct us_kgoal {
	enum us_kgoal_from from;
	const char *name;
	const char *text;
	struct us_ksym *sym; /* NULL: the tree speaks of none */
	const char *const *values;
	size_t n_values;
	size_t line; /* of the base configuration */
	int lit;
};

/* How many lines of dependencies lie between a symbol and those asked; of one beyond the cone. */
#define US_KFAR UINT16_MAX

struct us_kquestion {
	struct us_ktree *tree;
	struct us_ksolver *s;
	struct us_pool *pool; /* the answer's */
	struct us_kgoal *goals;
	size_t n_goals;
	uint16_t *distance; /* by us_ksym.index */
	size_t cone;
	struct us_kvalues *base; /* what the base configuration comes to, or NULL */
	bool *fixed;             /* by us_ksym.index: held as in the base */
	int *assumed;            /* room for what one call of the solver assumes */
	size_t n_assumed, cap_assumed;
	bool unproved; /* it can be where open numbers have other values */
};

/* ask-want.c: adds the assignments of text to q->goals. */
struct us_err *us_kask_want(struct us_kquestion *q, const char *text, enum us_kgoal_from from)
	us_must_check;
/* Does text ("y", "64") satisfy the goal? */
bool us_kgoal_met(const struct us_kgoal *goal, const char *text);

/* ask.c: from an ask to a question whose cone is encoded. deinit is the caller's in any case. */
struct us_err *us_kquestion_init(struct us_kquestion *q, struct us_ktree *tree,
				 const struct us_kask *ask, struct us_pool *pool) us_must_check;
void us_kquestion_deinit(struct us_kquestion *q);
#define _us_kquestion_deinit_ __attribute__((cleanup(us_kquestion_deinit)))
/* Collects assumptions for the next us_kask_solve(), which forgets them. */
void us_kask_assume(struct us_kquestion *q, int lit);
void us_kask_assume_goals(struct us_kquestion *q);
/* The tree as it stands, and of open numbers none but the values looked at. */
void us_kask_assume_tree(struct us_kquestion *q);
bool us_kask_solve(struct us_kquestion *q);
/* As assumptions: sym has the value text. */
int us_kask_equals(struct us_kquestion *q, struct us_ksym *sym, const char *text);
/* The value in the solver's model; NULL: another than those that were looked at. */
const char *us_kask_model(struct us_kquestion *q, const struct us_ksym *sym);
/* How the model has comparisons of what only a compiler knows, for the evaluator. */
struct us_err *us_kask_outcomes(struct us_kquestion *q, struct us_kvalues *values) us_must_check;

/* ask-core.c: why not. */
struct us_err *us_kask_cores(struct us_kquestion *q, size_t more, struct us_kanswer *answer)
	us_must_check;
/* ask-words.c: a core's literals as reasons, in order. */
struct us_err *us_kask_words(struct us_kquestion *q, const int *core, size_t n,
			     struct us_kcore *ret) us_must_check;
/* The line that owns a selector, or NULL. */
const struct us_kline_lit *us_kask_line(const struct us_kquestion *q, int lit);
const struct us_kgoal *us_kask_goal(const struct us_kquestion *q, int lit);

/* fragment.c: an example, after the solver said that there is one. */
struct us_err *us_kask_fragment(struct us_kquestion *q, struct us_kanswer *answer) us_must_check;

#endif
