/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All that a tree says about a symbol, statement by statement, in Kconfig's words and with each
 * one's place; with values, also what each gives under them.
 */
#include "kconfig/eval-int.h"
#include "kconfig/parse-int.h"

#include <string.h>

struct lines {
	struct us_pool *pool;
	const struct us_ksym *sym;
	const struct us_kvalues *values; /* or NULL */
	struct us_kvec vec;              /* struct us_kline */
};

static const char *const type_names[] = {
	[US_K_UNKNOWN] = "unknown", [US_K_BOOL] = "bool", [US_K_TRISTATE] = "tristate",
	[US_K_INT] = "int",         [US_K_HEX] = "hex",   [US_K_STRING] = "string",
};

static struct us_err *add(struct lines *l, enum us_kline_kind kind, struct us_kplace at,
			  const char *symbol, const char *text, const char *now)
{
	struct us_kline *line = us_kvec_push(&l->vec, sizeof(*line));

	if (!line || !text)
		return us_err_nomem();
	*line = (struct us_kline){
		.kind = kind, .at = at, .text = text, .symbol = symbol, .now = now
	};
	return NULL;
}

/* ---- what a statement gives ---- */

static enum us_ktri value_of_terms(const struct us_kvalues *values, const struct us_kterm *terms,
				   size_t n)
{
	enum us_ktri t = US_KY;

	for (size_t i = 0; i < n; i++)
		t = us_ktri_and(t, us_kvalues_expr(values, terms[i].x));
	return t;
}

/* "if" and all that the entry depends on. */
static enum us_ktri applies(const struct us_kvalues *values, const struct us_kprop *prop)
{
	return us_ktri_and(us_kvalues_expr(values, prop->cond),
			   value_of_terms(values, prop->def->depends, prop->def->n_depends));
}

/* A default that does not apply gives nothing, which is NULL. */
static const char *default_now(const struct lines *l, const struct us_kprop *prop)
{
	enum us_ktri when;

	if (!l->values)
		return NULL;
	when = applies(l->values, prop);
	if (us_kcalc_is_tri(l->sym))
		return us_ktri_text(us_ktri_and(us_kvalues_expr(l->values, prop->value), when));
	return when != US_KN && prop->value->op == US_KX_SYM
		       ? us_kvalues_operand(l->values, prop->value->x)
		       : NULL;
}

static const char *select_now(const struct lines *l, const struct us_kprop *prop)
{
	const struct us_kvalues *values = l->values;

	return values ? us_ktri_text(us_ktri_and(values->v[prop->def->sym->index].tri,
						 applies(values, prop)))
		      : NULL;
}

static const char *prompt_now(const struct lines *l, const struct us_kdef *def)
{
	const struct us_kvalues *values = l->values;

	if (!values)
		return NULL;
	return us_ktri_text(
		us_ktri_and(us_kvalues_expr(values, def->prompt_cond),
			    us_ktri_and(value_of_terms(values, def->depends, def->n_depends),
					value_of_terms(values, def->visible, def->n_visible))));
}

static const char *range_now(const struct lines *l, const struct us_kprop *range)
{
	if (!l->values || applies(l->values, range) == US_KN)
		return NULL;
	return us_pool_format(l->pool, "%s to %s", us_kvalues_operand(l->values, range->low->x),
			      us_kvalues_operand(l->values, range->high->x));
}

static const char *choice_now(const struct lines *l, const struct us_kchoice *choice)
{
	const struct us_ksym *sym = l->values ? l->values->choices[choice->index].sym : NULL;

	return sym ? sym->name : NULL;
}

/* ---- the statements ---- */

/* "WORD X if COND" */
static const char *statement(struct us_pool *pool, const char *word, const struct us_kx *x,
			     const struct us_kx *cond)
{
	const char *text = us_kx_text(pool, x);
	const char *when = cond ? us_kx_text(pool, cond) : "";

	return text && when
		       ? us_pool_format(pool, "%s %s%s%s", word, text, cond ? " if " : "", when)
		       : NULL;
}

static const char *prompt_text(struct us_pool *pool, const char *word, const char *prompt,
			       const struct us_kx *cond)
{
	const char *when = cond ? us_kx_text(pool, cond) : "";

	return when ? us_pool_format(pool, "%s \"%s\"%s%s", word, prompt, cond ? " if " : "", when)
		    : NULL;
}

static struct us_err *add_config(struct lines *l, const struct us_kdef *def)
{
	return add(l, US_KLINE_CONFIG, def->at, NULL,
		   us_pool_format(l->pool, "config %s", l->sym->name),
		   l->values ? us_kvalues_text(l->values, l->sym) : NULL);
}

static struct us_err *add_type(struct lines *l, const struct us_kdef *def)
{
	return def->type_at.line
		       ? add(l, US_KLINE_TYPE, def->type_at, NULL, type_names[l->sym->type], NULL)
		       : NULL;
}

static struct us_err *add_prompt(struct lines *l, const struct us_kdef *def)
{
	return def->prompt ? add(l, US_KLINE_PROMPT, def->prompt_at, NULL,
				 prompt_text(l->pool, "prompt", def->prompt, def->prompt_cond),
				 prompt_now(l, def))
			   : NULL;
}

static struct us_err *add_terms(struct lines *l, enum us_kline_kind kind, const char *word,
				const struct us_kterm *terms, size_t n)
{
	for (size_t i = 0; i < n; i++)
		US_TRY(add(l, kind, terms[i].at, NULL,
			   statement(l->pool, terms[i].block ? "if" : word, terms[i].x, NULL),
			   l->values ? us_ktri_text(us_kvalues_expr(l->values, terms[i].x)) : NULL));
	return NULL;
}

static struct us_err *add_depends(struct lines *l, const struct us_kdef *def)
{
	return add_terms(l, US_KLINE_DEPENDS, "depends on", def->depends, def->n_depends);
}

static struct us_err *add_visible(struct lines *l, const struct us_kdef *def)
{
	return add_terms(l, US_KLINE_VISIBLE, "visible if", def->visible, def->n_visible);
}

static struct us_err *add_props(struct lines *l, enum us_kline_kind kind, const char *word,
				const struct us_kprop *props, size_t n)
{
	for (size_t i = 0; i < n; i++)
		US_TRY(add(l, kind, props[i].at, NULL,
			   statement(l->pool, word, props[i].value, props[i].cond),
			   kind == US_KLINE_DEFAULT ? default_now(l, &props[i])
						    : select_now(l, &props[i])));
	return NULL;
}

static struct us_err *add_defaults(struct lines *l, const struct us_kdef *def)
{
	return add_props(l, US_KLINE_DEFAULT, "default", def->defaults, def->n_defaults);
}

static struct us_err *add_selects(struct lines *l, const struct us_kdef *def)
{
	return add_props(l, US_KLINE_SELECT, "select", def->selects, def->n_selects);
}

static struct us_err *add_implies(struct lines *l, const struct us_kdef *def)
{
	return add_props(l, US_KLINE_IMPLY, "imply", def->implies, def->n_implies);
}

static struct us_err *add_ranges(struct lines *l, const struct us_kdef *def)
{
	for (size_t i = 0; i < def->n_ranges; i++) {
		const struct us_kprop *range = &def->ranges[i];
		const char *low = us_kx_text(l->pool, range->low);

		if (!low)
			return us_err_nomem();
		low = us_pool_format(l->pool, "range %s", low);
		US_TRY(add(l, US_KLINE_RANGE, range->at, NULL,
			   low ? statement(l->pool, low, range->high, range->cond) : NULL,
			   range_now(l, range)));
	}
	return NULL;
}

static struct us_err *add_choice(struct lines *l, const struct us_kdef *def)
{
	const struct us_kchoice *choice = def->choice;

	if (!choice)
		return NULL;
	return add(l, US_KLINE_CHOICE, choice->at, NULL,
		   choice->prompt
			   ? prompt_text(l->pool, "choice", choice->prompt, choice->prompt_cond)
			   : "choice",
		   choice_now(l, choice));
}

static struct us_err *add_each(struct lines *l,
			       struct us_err *(*of)(struct lines *l, const struct us_kdef *def))
{
	for (size_t i = 0; i < l->sym->n_defs; i++)
		US_TRY(of(l, l->sym->defs[i]));
	return NULL;
}

/* The selects or implies of others. */
static struct us_err *add_others(struct lines *l, enum us_kline_kind kind, const char *word,
				 const struct us_kprop *const *props, size_t n)
{
	for (size_t i = 0; i < n; i++)
		US_TRY(add(l, kind, props[i]->at, props[i]->def->sym->name,
			   statement(l->pool, word, props[i]->value, props[i]->cond),
			   select_now(l, props[i])));
	return NULL;
}

static struct us_err *collect(struct lines *l)
{
	const struct us_ksym *sym = l->sym;

	US_TRY(add_each(l, add_config));
	US_TRY(add_each(l, add_type));
	US_TRY(add_each(l, add_prompt));
	US_TRY(add_each(l, add_depends));
	US_TRY(add_each(l, add_visible));
	US_TRY(add_each(l, add_defaults));
	US_TRY(add_each(l, add_selects));
	US_TRY(add_each(l, add_implies));
	US_TRY(add_others(l, US_KLINE_SELECTED_BY, "select", sym->selected_by, sym->n_selected_by));
	US_TRY(add_others(l, US_KLINE_IMPLIED_BY, "imply", sym->implied_by, sym->n_implied_by));
	US_TRY(add_each(l, add_ranges));
	return add_each(l, add_choice);
}

struct us_err *us_ktree_lines(const struct us_ktree *tree, const struct us_ksym *sym,
			      const struct us_kvalues *values, struct us_pool *pool,
			      const struct us_kline **ret, size_t *ret_n)
{
	struct lines l = { .pool = pool, .sym = sym, .values = values };
	struct us_err *err;

	(void)tree;
	err = collect(&l);
	if (!err)
		err = us_kvec_move(&l.vec, sizeof(struct us_kline), pool, ret, ret_n);
	us_kvec_deinit(&l.vec);
	return err;
}
