/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which member of a choice is y (Linux scripts/kconfig/symbol.c). Until 6.10 a choice has a value
 * of its own: y, one member is y; m (a tristate choice), several may be m; n, none is anything.
 * Since then exactly one visible member is y, and what was wished for last weighs most.
 */
#include "kconfig/eval-int.h"

static bool is_visible(const struct us_kvalues *v, const struct us_ksym *sym)
{
	return v->v[sym->index].visible != US_KN;
}

/* The member that a choice falls back to: of its defaults, else the first that can be seen. */
static struct us_ksym *fallback(struct us_kvalues *v, const struct us_kchoice *choice)
{
	for (size_t i = 0; i < choice->n_defaults; i++) {
		const struct us_kprop *prop = &choice->defaults[i];

		if (us_kcalc_expr(v, prop->cond) != US_KN && prop->value->op == US_KX_SYM &&
		    is_visible(v, prop->value->x))
			return prop->value->x;
	}
	for (size_t i = 0; i < choice->n_members; i++) {
		if (is_visible(v, choice->members[i]))
			return choice->members[i];
	}
	return NULL;
}

/* The member that was wished for last; only_visible: of those that can be seen. */
static struct us_ksym *wished(const struct us_kvalues *v, const struct us_kchoice *choice,
			      bool only_visible)
{
	struct us_ksym *found = NULL;
	size_t order = 0;

	for (size_t i = 0; i < choice->n_members; i++) {
		const struct us_kvalue *value = &v->v[choice->members[i]->index];

		if (value->user && value->wished == US_KY && value->order > order &&
		    (!only_visible || value->visible != US_KN)) {
			order = value->order;
			found = choice->members[i];
		}
	}
	return found;
}

static struct us_ksym *pick_old(struct us_kvalues *v, const struct us_kchoice *choice)
{
	struct us_ksym *wish = wished(v, choice, false);

	return wish && is_visible(v, wish) ? wish : fallback(v, choice);
}

/* Nobody is wished for, and the fallback is wished away: one of whom nothing was said, else the one
 * that was wished away first. */
static struct us_ksym *pick_unwanted(const struct us_kvalues *v, const struct us_kchoice *choice)
{
	struct us_ksym *found = NULL;

	for (size_t i = 0; i < choice->n_members; i++) {
		struct us_ksym *sym = choice->members[i];
		const struct us_kvalue *value = &v->v[sym->index];

		if (value->visible == US_KN)
			continue;
		if (!value->user)
			return sym;
		if (!found || value->order < v->v[found->index].order)
			found = sym;
	}
	return found;
}

static struct us_ksym *pick(struct us_kvalues *v, const struct us_kchoice *choice)
{
	struct us_ksym *sym;

	for (size_t i = 0; i < choice->n_members; i++)
		us_kcalc_visibility(v, choice->members[i]);
	if (us_kcalc_old_choices(v->tree))
		return pick_old(v, choice);
	sym = wished(v, choice, true);
	if (sym)
		return sym;
	sym = fallback(v, choice);
	if (sym && v->v[sym->index].user && v->v[sym->index].wished == US_KN)
		return pick_unwanted(v, choice);
	return sym;
}

static enum us_ktri visibility(struct us_kvalues *v, const struct us_kchoice *choice)
{
	enum us_ktri t = choice->prompt ? us_kcalc_expr(v, choice->prompt_cond) : US_KN;
	bool nested = choice->outer && us_kcalc_old_choices(v->tree);

	if (nested && t != US_KN)
		t = us_ktri_and(t, us_kcalc_choice(v, choice->outer)->tri);
	for (size_t i = 0; i < choice->n_depends && t != US_KN; i++) {
		if (!nested || !choice->depends[i].outer)
			t = us_ktri_and(t, us_kcalc_expr(v, choice->depends[i].x));
	}
	return t == US_KN ? t
			  : us_ktri_and(t, us_kcalc_terms(v, choice->visible, choice->n_visible));
}

const struct us_kchosen *us_kcalc_choice(struct us_kvalues *v, const struct us_kchoice *choice)
{
	struct us_kchosen *c = &v->choices[choice->index];
	enum us_ktri prompt;

	if (c->state != US_KSTATE_NONE)
		return c;
	c->state = US_KSTATE_BUSY;
	prompt = visibility(v, choice);
	c->visible = us_kcalc_rounded(v, choice->type, prompt);
	c->wish = wished(v, choice, false);
	if (us_kcalc_old_choices(v->tree)) {
		c->tri = us_ktri_and(c->wished, c->visible);
		if (!choice->optional)
			c->tri = us_ktri_or(c->tri, us_ktri_and(prompt, US_KM));
		c->tri = us_kcalc_rounded(v, choice->type, c->tri);
		c->sym = c->tri == US_KY ? pick(v, choice) : NULL;
	} else {
		c->sym = pick(v, choice);
		c->tri = c->sym ? US_KY : US_KN;
	}
	c->state = US_KSTATE_DONE;
	return c;
}
