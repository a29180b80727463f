/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Expressions under values, and the conditions that the model spreads over terms (Linux
 * scripts/kconfig/expr.c and menu.c, 6.1 and 6.12). Comparisons compare numbers if both sides read
 * as numbers, n < m < y for bool and tristate, else texts.
 */
#include "kconfig/eval-int.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

const char *us_kcalc_operand(struct us_kvalues *v, const struct us_ksym *sym)
{
	us_kcalc(v, sym);
	if (sym->probe)
		return us_ktri_text(v->probes[sym->index]);
	if (sym->constant || sym->type == US_K_UNKNOWN)
		return sym->name;
	return v->v[sym->index].text;
}

struct operand {
	enum { TEXT, SIGNED, UNSIGNED } kind;
	long long s;
	unsigned long long u;
	const char *text;
};

static struct operand operand(struct us_kvalues *v, const struct us_ksym *sym)
{
	struct operand o = { .text = us_kcalc_operand(v, sym) };
	bool tri = us_kcalc_is_tri(sym) || sym->probe || sym == v->tree->yes ||
		   sym == v->tree->mod || sym == v->tree->no;
	char *tail;

	if (tri) {
		const char *at = strchr("nmy", *o.text);

		o.kind = SIGNED;
		o.s = at && *o.text ? at - "nmy" : -1;
		o.u = (unsigned long long)o.s;
		return o;
	}
	errno = 0;
	if (sym->type == US_K_HEX) {
		o.u = strtoull(o.text, &tail, 16);
		o.s = (long long)o.u;
		o.kind = UNSIGNED;
	} else {
		o.s = strtoll(o.text, &tail, sym->type == US_K_INT ? 10 : 0);
		o.u = (unsigned long long)o.s;
		o.kind = SIGNED;
	}
	if (errno || *tail || tail == o.text || !isxdigit((unsigned char)tail[-1]))
		o.kind = TEXT;
	return o;
}

static int compare(struct us_kvalues *v, const struct us_ksym *x, const struct us_ksym *y)
{
	struct operand a = operand(v, x), b = operand(v, y);

	if ((x->type == US_K_STRING && y->type == US_K_STRING) || a.kind == TEXT || b.kind == TEXT)
		return strcmp(a.text, b.text);
	if (a.kind == UNSIGNED || b.kind == UNSIGNED)
		return (a.u > b.u) - (a.u < b.u);
	return (a.s > b.s) - (a.s < b.s);
}

static enum us_ktri leaf(struct us_kvalues *v, const struct us_ksym *sym)
{
	us_kcalc(v, sym);
	return v->v[sym->index].tri;
}

/* A comparison whose outcome was settled; NULL: its operands are known, or nobody settled it. */
static const struct us_koutcome *outcome(const struct us_kvalues *v, const struct us_kx *x)
{
	if (!us_kcalc_unknown(v, x->x) && !us_kcalc_unknown(v, x->y))
		return NULL;
	for (size_t i = 0; i < v->n_outcomes; i++) {
		const struct us_koutcome *o = &v->outcomes[i];

		if (o->op == x->op && o->x == x->x && o->y == x->y)
			return o;
	}
	return NULL;
}

static enum us_ktri comparison(struct us_kvalues *v, const struct us_kx *x)
{
	int order = compare(v, x->x, x->y);
	const struct us_koutcome *settled = outcome(v, x);
	bool holds;

	if (settled)
		return settled->holds ? US_KY : US_KN;
	switch (x->op) {
	case US_KX_EQ:
		holds = order == 0;
		break;
	case US_KX_NE:
		holds = order != 0;
		break;
	case US_KX_LT:
		holds = order < 0;
		break;
	case US_KX_LE:
		holds = order <= 0;
		break;
	case US_KX_GT:
		holds = order > 0;
		break;
	default:
		holds = order >= 0;
	}
	return holds ? US_KY : US_KN;
}

static enum us_ktri combination(struct us_kvalues *v, const struct us_kx *x)
{
	enum us_ktri a = us_kcalc_expr(v, x->a);

	if (x->op == US_KX_NOT)
		return US_KY - a;
	if (a == (x->op == US_KX_AND ? US_KN : US_KY))
		return a;
	return x->op == US_KX_AND ? us_ktri_and(a, us_kcalc_expr(v, x->b))
				  : us_ktri_or(a, us_kcalc_expr(v, x->b));
}

enum us_ktri us_kcalc_expr(struct us_kvalues *v, const struct us_kx *x)
{
	enum us_ktri t;

	if (!x)
		return US_KY;
	if (x->op == US_KX_SYM)
		return leaf(v, x->x);
	v->depth++;
	t = x->op <= US_KX_OR ? combination(v, x) : comparison(v, x);
	v->depth--;
	return t;
}

enum us_ktri us_kcalc_terms(struct us_kvalues *v, const struct us_kterm *terms, size_t n)
{
	enum us_ktri t = US_KY;

	for (size_t i = 0; i < n && t != US_KN; i++)
		t = us_ktri_and(t, us_kcalc_expr(v, terms[i].x));
	return t;
}

/* What stands in an old choice's block depends on the choice's value, not on its conditions. */
static enum us_ktri in_old_choice(struct us_kvalues *v, const struct us_kdef *def)
{
	enum us_ktri t = us_kcalc_choice(v, def->inside)->tri;

	if (def->inside->type == US_K_TRISTATE && def->choice && def->sym->type != US_K_TRISTATE &&
	    t != US_KY)
		return US_KN;
	for (size_t i = 0; i < def->n_depends && t != US_KN; i++) {
		if (!def->depends[i].outer)
			t = us_ktri_and(t, us_kcalc_expr(v, def->depends[i].x));
	}
	return t;
}

enum us_ktri us_kcalc_depends(struct us_kvalues *v, const struct us_kdef *def)
{
	if (def->inside && us_kcalc_old_choices(v->tree))
		return in_old_choice(v, def);
	return us_kcalc_terms(v, def->depends, def->n_depends);
}

enum us_ktri us_kcalc_condition(struct us_kvalues *v, const struct us_kprop *prop)
{
	enum us_ktri t = us_kcalc_expr(v, prop->cond);

	return t == US_KN || !prop->def ? t : us_ktri_and(t, us_kcalc_depends(v, prop->def));
}

enum us_ktri us_kcalc_prompt(struct us_kvalues *v, const struct us_kdef *def)
{
	enum us_ktri t = us_kcalc_expr(v, def->prompt_cond);

	if (t != US_KN)
		t = us_ktri_and(t, us_kcalc_depends(v, def));
	return t == US_KN ? t : us_ktri_and(t, us_kcalc_terms(v, def->visible, def->n_visible));
}

/* All is computed by then, so that asking changes nothing. */
enum us_ktri us_kvalues_expr(const struct us_kvalues *values, const struct us_kx *x)
{
	return us_kcalc_expr((struct us_kvalues *)values, x);
}

const char *us_kvalues_operand(const struct us_kvalues *values, const struct us_ksym *sym)
{
	return us_kcalc_operand((struct us_kvalues *)values, sym);
}
