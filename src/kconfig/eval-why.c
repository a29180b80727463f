/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a symbol has its value, in words: the same steps as eval-calc.c and eval-choice.c take, each
 * with the line of the tree that decides it. It tells of one step only: why a selector is y is the
 * next question.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "kconfig/eval-int.h"

#include <stdlib.h>
#include <string.h>

#define NAMED_MAX 8 /* symbols of one expression, selectors of one symbol */

struct why {
	struct us_kvalues *v; /* all is computed: asking changes nothing */
	const struct us_ksym *sym;
	const struct us_kvalue *value;
	struct us_pool scratch;
	struct us_text out;
};

static const char *text_of(struct why *w, const struct us_kx *x)
{
	const char *text = us_kx_text(&w->scratch, x);

	if (!text)
		w->out.failed = true;
	return text ? text : "";
}

static void add_place(struct why *w, struct us_kplace at)
{
	if (at.line)
		us_text_add(&w->out, ", %s:%u", at.file, at.line);
	us_text_put(&w->out, "\n", 1);
}

/* ---- conditions ---- */

static void note(const struct us_ksym *sym, const struct us_ksym **named, size_t *n)
{
	for (size_t i = 0; i < *n; i++) {
		if (named[i] == sym)
			return;
	}
	if (!sym->constant && *n < NAMED_MAX)
		named[(*n)++] = sym;
}

static void collect(const struct us_kx *x, const struct us_ksym **named, size_t *n)
{
	if (x->a)
		collect(x->a, named, n);
	if (x->b)
		collect(x->b, named, n);
	if (x->x)
		note(x->x, named, n);
	if (x->y && x->y->n_defs)
		note(x->y, named, n);
}

/* "WORD A && B is n (A=y, B=n), file:line". */
static void add_condition(struct why *w, const char *word, const struct us_kx *x,
			  struct us_kplace at)
{
	const struct us_ksym *named[NAMED_MAX];
	size_t n = 0;

	us_text_add(&w->out, "%s %s is %s", word, text_of(w, x),
		    us_ktri_text(us_kcalc_expr(w->v, x)));
	collect(x, named, &n);
	for (size_t i = 0; i < n; i++)
		us_text_add(&w->out, "%s%s%s%s", i ? ", " : " (", named[i]->name,
			    named[i]->n_defs || named[i]->probe ? "=" : " is not defined",
			    named[i]->n_defs || named[i]->probe ? us_kcalc_operand(w->v, named[i])
								: "");
	if (n)
		us_text_put(&w->out, ")", 1);
	add_place(w, at);
}

/* Those of the terms that do not let t through. */
static bool add_terms(struct why *w, const char *word, const struct us_kterm *terms, size_t n,
		      enum us_ktri t)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		if (us_kcalc_expr(w->v, terms[i].x) >= t)
			continue;
		add_condition(w, terms[i].block ? "if" : word, terms[i].x, terms[i].at);
		any = true;
	}
	return any;
}

/* What keeps def from having t. */
static void add_depends(struct why *w, const struct us_kdef *def, enum us_ktri t)
{
	const struct us_kchoice *choice = def->inside;
	enum us_ktri has;

	if (add_terms(w, "depends on", def->depends, def->n_depends, t) || !choice ||
	    !us_kcalc_old_choices(w->v->tree))
		return;
	has = us_kcalc_choice(w->v, choice)->tri;
	if (has < t) {
		us_text_add(&w->out, "the choice around it is %s", us_ktri_text(has));
		add_place(w, choice->at);
	}
}

/* ---- the prompt ---- */

/* Why no prompt shows, or only as far as below t. */
static void add_hidden(struct why *w, enum us_ktri t)
{
	bool any = false;

	for (size_t i = 0; i < w->sym->n_defs; i++) {
		const struct us_kdef *def = w->sym->defs[i];

		if (!def->prompt)
			continue;
		any = true;
		if (def->prompt_cond && us_kcalc_expr(w->v, def->prompt_cond) < t)
			add_condition(w, "its prompt shows if", def->prompt_cond, def->prompt_at);
		add_depends(w, def, t);
		add_terms(w, "visible if", def->visible, def->n_visible, t);
	}
	if (!any)
		us_text_add(&w->out, "it has no prompt: nobody can set it\n");
}

static bool is_heard(const struct why *w)
{
	return w->value->user && w->value->visible != US_KN;
}

static void add_wish(struct why *w)
{
	const struct us_kvalue *value = w->value;

	if (!value->user)
		return;
	if (value->visible == US_KN) {
		us_text_add(&w->out, "the wish %s is not heard\n", value->wish);
		add_hidden(w, US_KM);
	} else if (us_kcalc_is_tri(w->sym) && value->wished > value->visible) {
		us_text_add(&w->out, "the wish %s is held down to %s\n", value->wish,
			    us_ktri_text(value->visible));
		add_hidden(w, value->wished);
	} else {
		us_text_add(&w->out, "%s was wished for\n", value->wish);
	}
}

/* ---- defaults, selects, implies ---- */

/* Those that give all of t. */
static void add_reverse(struct why *w, const char *word, const struct us_kprop *const *props,
			size_t n, enum us_ktri t)
{
	size_t told = 0, more = 0;

	for (size_t i = 0; i < n; i++) {
		const struct us_ksym *by = props[i]->def->sym;
		enum us_ktri gives =
			us_ktri_and(w->v->v[by->index].tri, us_kcalc_condition(w->v, props[i]));

		if (us_kcalc_rounded(w->v, w->sym->type, gives) < t)
			continue;
		if (told++ >= NAMED_MAX) {
			more++;
			continue;
		}
		us_text_add(&w->out, "%s by %s=%s", word, by->name,
			    us_ktri_text(w->v->v[by->index].tri));
		if (props[i]->cond)
			us_text_add(&w->out, " if %s", text_of(w, props[i]->cond));
		add_place(w, props[i]->at);
	}
	if (more)
		us_text_add(&w->out, "%s by %zu more\n", word, more);
}

static void add_default(struct why *w, const struct us_kprop *prop)
{
	enum us_ktri condition = us_kcalc_condition(w->v, prop);

	us_text_add(&w->out, "default %s", text_of(w, prop->value));
	if (prop->cond)
		us_text_add(&w->out, " if %s", text_of(w, prop->cond));
	add_place(w, prop->at);
	if (us_kcalc_is_tri(w->sym) && us_kcalc_expr(w->v, prop->value) > condition) {
		us_text_add(&w->out, "that default is held down to %s\n", us_ktri_text(condition));
		add_depends(w, prop->def, us_kcalc_expr(w->v, prop->value));
	} else if (us_kcalc_is_tri(w->sym) && prop->value->op != US_KX_SYM) {
		add_condition(w, "that default:", prop->value, prop->at);
	}
}

/* No default holds: the first that there is, and what it lacks. */
static void add_no_default(struct why *w)
{
	for (size_t i = 0; i < w->sym->n_defs; i++) {
		const struct us_kdef *def = w->sym->defs[i];

		if (!def->n_defaults)
			continue;
		us_text_add(&w->out, "no default holds; the first is %s",
			    text_of(w, def->defaults[0].value));
		add_place(w, def->defaults[0].at);
		if (us_kcalc_expr(w->v, def->defaults[0].cond) == US_KN)
			add_condition(w, "it holds if", def->defaults[0].cond, def->defaults[0].at);
		if (!def->prompt) /* else add_hidden() tells */
			add_depends(w, def, US_KM);
		return;
	}
	us_text_add(&w->out, "it has no default\n");
}

static void why_tri(struct why *w)
{
	const struct us_kvalue *value = w->value;
	const struct us_ksym *sym = w->sym;

	if (value->selected != US_KN)
		add_reverse(w, "selected", sym->selected_by, sym->n_selected_by, value->selected);
	if (value->selected == value->tri && value->selected != US_KN) {
		if (value->user && value->wished < value->tri)
			us_text_add(&w->out, "the wish %s cannot undo that\n", value->wish);
		return;
	}
	add_wish(w);
	if (is_heard(w))
		return;
	if (value->by_default)
		add_default(w, value->by_default);
	if (value->implied != US_KN)
		add_reverse(w, "implied", sym->implied_by, sym->n_implied_by, value->implied);
	if (!value->by_default && value->implied == US_KN)
		add_no_default(w);
	if (value->tri != US_KN)
		return;
	if (value->visible == US_KN && !value->user)
		add_hidden(w, US_KM);
	if (value->selected == US_KN)
		us_text_add(&w->out, "%s selects it\n",
			    sym->n_selected_by ? "none of those that could" : "nothing");
}

static void why_member(struct why *w)
{
	const struct us_kchoice *choice = w->sym->choice;
	const struct us_kchosen *chosen = us_kcalc_choice(w->v, choice);

	us_text_add(&w->out, "it is a member of the choice \"%s\"",
		    choice->prompt ? choice->prompt : "");
	add_place(w, choice->at);
	if (w->value->visible == US_KN)
		add_wish(w);
	if (w->value->visible == US_KN && !w->value->user)
		add_hidden(w, US_KM);
	if (!chosen->sym) {
		us_text_add(&w->out, "no member of it is y\n");
		return;
	}
	us_text_add(&w->out, "of that choice, %s is y: %s\n", chosen->sym->name,
		    chosen->sym == chosen->wish ? "it was wished for last"
						: "the default, or the first that shows");
}

static void why_text(struct why *w)
{
	add_wish(w);
	if (!is_heard(w)) {
		if (w->value->by_default)
			add_default(w, w->value->by_default);
		else
			add_no_default(w);
	}
	for (size_t i = 0; i < w->sym->n_defs; i++) {
		const struct us_kdef *def = w->sym->defs[i];

		for (size_t k = 0; k < def->n_ranges; k++) {
			if (us_kcalc_condition(w->v, &def->ranges[k]) == US_KN)
				continue;
			us_text_add(&w->out, "range %s to %s", text_of(w, def->ranges[k].low),
				    text_of(w, def->ranges[k].high));
			add_place(w, def->ranges[k].at);
			return; /* the first that holds counts */
		}
	}
}

struct us_err *us_kvalues_why(const struct us_kvalues *values, const struct us_ksym *sym,
			      struct us_pool *pool, const char **ret)
{
	struct why w = { .v = (struct us_kvalues *)values,
			 .sym = sym,
			 .value = &values->v[sym->index] };
	_us_free_ char *text = NULL;
	struct us_err *err;
	const char *copy;

	if (!sym->n_defs)
		us_text_add(&w.out, "no file of the tree defines it\n");
	else if (!us_kcalc_is_tri(sym))
		why_text(&w);
	else if (sym->choice)
		why_member(&w);
	else
		why_tri(&w);
	us_pool_deinit(&w.scratch);
	err = us_text_take(&w.out, &text);
	if (err)
		return err;
	copy = us_pool_strdup(pool, text);
	if (!copy)
		return us_err_nomem();
	*ret = copy;
	return NULL;
}
