/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to the evaluator: eval.c gathers wishes and runs, eval-calc.c computes symbols,
 * eval-choice.c choices, eval-expr.c expressions, eval-write.c writes a .config, eval-why.c
 * explains.
 * Values are computed on demand: whoever needs one asks us_kcalc().
 */
#ifndef US_KCONFIG_EVAL_INT_H
#define US_KCONFIG_EVAL_INT_H

#include "kconfig/tree-int.h"

enum us_kstate { US_KSTATE_NONE, US_KSTATE_BUSY, US_KSTATE_DONE };

static inline enum us_ktri us_ktri_and(enum us_ktri a, enum us_ktri b)
{
	return a < b ? a : b;
}
static inline enum us_ktri us_ktri_or(enum us_ktri a, enum us_ktri b)
{
	return a > b ? a : b;
}
static inline const char *us_ktri_text(enum us_ktri t)
{
	return t == US_KY ? "y" : t == US_KM ? "m" : "n";
}
static inline bool us_kcalc_is_tri(const struct us_ksym *sym)
{
	return sym->type == US_K_BOOL || sym->type == US_K_TRISTATE;
}
static inline bool us_kcalc_before(const struct us_ktree *tree, unsigned int major,
				   unsigned int minor)
{
	return tree->major < major || (tree->major == major && tree->minor < minor);
}
/* Until 6.10 a choice has a value of its own, that bounds its members; then it is only its members. */
static inline bool us_kcalc_old_choices(const struct us_ktree *tree)
{
	return us_kcalc_before(tree, 6, 11);
}
/* m where only n and y can be: y. */
static inline enum us_ktri us_kcalc_rounded(const struct us_kvalues *v, enum us_ktype type,
					    enum us_ktri t)
{
	return t == US_KM && (type != US_K_TRISTATE || v->modules == US_KN) ? US_KY : t;
}

void us_kcalc(struct us_kvalues *v, const struct us_ksym *sym);
/* Of the prompts; a choice's members have theirs before their value. */
enum us_ktri us_kcalc_visibility(struct us_kvalues *v, const struct us_ksym *sym);
/* Is text one that sym's type takes, and within its range? */
bool us_kcalc_valid(const struct us_ksym *sym, const char *text);
/* Does only a compiler know its text? */
bool us_kcalc_unknown(const struct us_kvalues *v, const struct us_ksym *sym);
bool us_kcalc_in_range(struct us_kvalues *v, const struct us_ksym *sym, const char *text);

enum us_ktri us_kcalc_expr(struct us_kvalues *v, const struct us_kx *x);
enum us_ktri us_kcalc_terms(struct us_kvalues *v, const struct us_kterm *terms, size_t n);
/* All that def depends on. */
enum us_ktri us_kcalc_depends(struct us_kvalues *v, const struct us_kdef *def);
/* prop's "if" and all that its entry depends on. */
enum us_ktri us_kcalc_condition(struct us_kvalues *v, const struct us_kprop *prop);
/* The prompt of def: of what it depends on, its own condition and the menus around. */
enum us_ktri us_kcalc_prompt(struct us_kvalues *v, const struct us_kdef *def);
const char *us_kcalc_operand(struct us_kvalues *v, const struct us_ksym *sym);

/* Computes choice, where it has a value (old) also that. */
const struct us_kchosen *us_kcalc_choice(struct us_kvalues *v, const struct us_kchoice *choice);

#endif
