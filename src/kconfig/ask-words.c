/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A core in words: its lines in the order in which one leads to the next, beginning with what was
 * asked, with a sentence for each. That a symbol has no prompt forbids nothing by itself; its
 * sentence says what else could set it.
 */
#include "kconfig/ask-int.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <string.h>

/* A core being put in order. */
struct chain {
	struct us_kquestion *q;
	const int *core;
	size_t n;
	bool *placed;      /* by index in core */
	uint32_t *reached; /* by us_ksym.index: 0 not yet */
	const struct us_ksym **in_order;
	uint32_t n_reached;
	struct us_kreason *reasons;
	size_t n_reasons;
};

static void reach(struct chain *c, const struct us_ksym *sym)
{
	if (c->reached[sym->index])
		return;
	c->in_order[c->n_reached++] = sym;
	c->reached[sym->index] = c->n_reached;
}

static void reach_expr(struct chain *c, const struct us_kx *x)
{
	if (!x)
		return;
	if (x->x)
		reach(c, x->x);
	if (x->y)
		reach(c, x->y);
	reach_expr(c, x->a);
	reach_expr(c, x->b);
}

static bool has_term(const struct us_kterm *terms, size_t n, const struct us_kplace *at)
{
	for (size_t i = 0; i < n; i++) {
		if (terms[i].at.line == at->line && strcmp(terms[i].at.file, at->file) == 0)
			return true;
	}
	return false;
}

/* Does the line say something about sym? */
static bool is_about(const struct us_kline_lit *line, const struct us_ksym *sym)
{
	switch (line->why) {
	case US_KWHY_SELECT:
	case US_KWHY_IMPLY:
		return line->prop->target == sym || line->prop->def->sym == sym;
	case US_KWHY_CHOICE:
	case US_KWHY_CHOICE_PROMPT:
		return sym->choice == line->choice;
	case US_KWHY_DEPENDS:
	case US_KWHY_VISIBLE:
		for (size_t i = 0; i < sym->n_defs; i++) {
			const struct us_kdef *def = sym->defs[i];

			if (has_term(def->depends, def->n_depends, &line->at) ||
			    has_term(def->visible, def->n_visible, &line->at))
				return true;
		}
		return sym->choice &&
		       has_term(sym->choice->depends, sym->choice->n_depends, &line->at);
	default:
		return line->sym == sym;
	}
}

/* The symbol reached first that the line is about, or NULL. */
static const struct us_ksym *owner_of(const struct chain *c, const struct us_kline_lit *line)
{
	for (uint32_t i = 0; i < c->n_reached; i++) {
		if (is_about(line, c->in_order[i]))
			return c->in_order[i];
	}
	return NULL;
}

/* What gives a symbol without a prompt its value. */
static void reach_sources(struct chain *c, const struct us_ksym *sym)
{
	for (size_t i = 0; i < sym->n_defs; i++) {
		for (size_t k = 0; k < sym->defs[i]->n_defaults; k++) {
			reach_expr(c, sym->defs[i]->defaults[k].value);
			reach_expr(c, sym->defs[i]->defaults[k].cond);
		}
	}
	for (size_t i = 0; i < sym->n_selected_by; i++)
		reach(c, sym->selected_by[i]->def->sym);
}

static void reach_line(struct chain *c, const struct us_kline_lit *line)
{
	if (line->term)
		reach_expr(c, line->term->x);
	if (line->why == US_KWHY_PROMPT)
		reach_expr(c, line->def->prompt_cond);
	if (line->why == US_KWHY_CHOICE_PROMPT)
		reach_expr(c, line->choice->prompt_cond);
	if (line->prop) {
		reach(c, line->prop->def->sym);
		if (line->prop->target)
			reach(c, line->prop->target);
		reach_expr(c, line->prop->value);
		reach_expr(c, line->prop->cond);
	}
	for (size_t i = 0; line->why == US_KWHY_CHOICE && i < line->choice->n_members; i++)
		reach(c, line->choice->members[i]);
	if (line->why == US_KWHY_NO_PROMPT)
		reach_sources(c, line->sym);
}

static const char *place_text(struct us_pool *pool, const struct us_kplace *at)
{
	return us_pool_format(pool, "%s:%u", at->file, at->line);
}

/* A word that is no symbol is its own text: numbers are meant so. */
static bool is_number(const char *name)
{
	return isdigit((unsigned char)name[*name == '-']);
}

/* Adds the names in x that nothing defines to text. */
static void undefined_in(struct us_pool *pool, const struct us_kx *x, const char **text)
{
	if (!x || !*text)
		return;
	for (int i = 0; i < 2; i++) {
		const struct us_ksym *sym = i ? x->y : x->x;

		if (sym && !sym->constant && !sym->probe && !sym->n_defs && !is_number(sym->name))
			*text = us_pool_format(pool, "%s; nothing defines %s here", *text,
					       sym->name);
	}
	undefined_in(pool, x->a, text);
	undefined_in(pool, x->b, text);
}

enum { LISTED_MAX = 6 };

static const char *if_text(struct us_pool *pool, const struct us_kx *cond)
{
	return cond ? us_pool_format(pool, " if %s", us_kx_text(pool, cond)) : "";
}

/* "KEXEC (kernel/Kconfig.kexec:23) and KEXEC_FILE (...:43)"; of defaults what they give. */
static const char *list_props(struct us_pool *pool, const struct us_kprop *const *props, size_t n,
			      bool defaults)
{
	const char *text = "";

	for (size_t i = 0; i < n && text; i++) {
		const char *between = i == 0 ? "" : i + 1 == n ? " and " : ", ";
		const char *what =
			defaults ? us_kx_text(pool, props[i]->value) : props[i]->def->sym->name;

		if (i == LISTED_MAX)
			return us_pool_format(pool, "%s and %zu more", text, n - i);
		text = us_pool_format(pool, "%s%s%s%s (%s:%u)", text, between, what,
				      if_text(pool, props[i]->cond), props[i]->at.file,
				      props[i]->at.line);
	}
	return text;
}

static const char *defaults_text(struct us_pool *pool, const struct us_ksym *sym)
{
	const struct us_kprop *defaults[LISTED_MAX];
	const char *list;
	size_t n = 0, all = 0;

	for (size_t i = 0; i < sym->n_defs; i++) {
		for (size_t k = 0; k < sym->defs[i]->n_defaults; k++) {
			if (all++ < LISTED_MAX)
				defaults[n++] = &sym->defs[i]->defaults[k];
		}
	}
	if (!all)
		return us_pool_format(pool, "%s has no prompt and no default", sym->name);
	list = list_props(pool, defaults, n, true);
	return us_pool_format(pool, "%s has no prompt; its default%s %s%s", sym->name,
			      all == 1 ? " is" : "s are", list ? list : "",
			      all > n ? " and more" : "");
}

/* The closed world: all that could give a symbol without a prompt its value. */
static const char *no_prompt(struct us_pool *pool, const struct us_ksym *sym)
{
	const char *text = defaults_text(pool, sym), *list;

	if (!text || !sym->n_selected_by)
		return text ? us_pool_format(pool, "%s, and nothing selects it", text) : NULL;
	list = list_props(pool, sym->selected_by, sym->n_selected_by, false);
	return us_pool_format(pool, "%s; only %s select%s it", text, list ? list : "",
			      sym->n_selected_by == 1 ? "s" : "");
}

static const char *members_text(struct us_pool *pool, const struct chain *c,
				const struct us_kchoice *choice)
{
	const char *text = "";
	size_t n = 0;

	for (size_t i = 0; i < choice->n_members && text; i++) {
		const struct us_ksym *sym = choice->members[i];

		if (c->q->distance[sym->index] == US_KFAR || n == LISTED_MAX)
			continue;
		text = us_pool_format(pool, "%s%s%s", text, n ? ", " : "", sym->name);
		n++;
	}
	return text && choice->n_members > n ? us_pool_format(pool, "%s, ...", text) : text;
}

/* Fills text and says of a line whose owner is sym. */
static void describe(struct chain *c, const struct us_kline_lit *line, const struct us_ksym *sym,
		     struct us_kreason *r)
{
	struct us_pool *pool = c->q->pool;
	const char *name = sym ? sym->name : "it", *at = place_text(pool, &line->at), *x;

	switch (line->why) {
	case US_KWHY_DEPENDS:
		x = us_kx_text(pool, line->term->x);
		r->text = us_pool_format(pool, "depends on %s", x);
		r->says = us_pool_format(pool, "%s needs %s (%s)", name, x, at);
		undefined_in(pool, line->term->x, &r->says);
		break;
	case US_KWHY_VISIBLE:
		x = us_kx_text(pool, line->term->x);
		r->text = us_pool_format(pool, "visible if %s", x);
		r->says = us_pool_format(pool, "%s can be set only with %s (%s)", name, x, at);
		undefined_in(pool, line->term->x, &r->says);
		break;
	case US_KWHY_PROMPT:
		x = us_kx_text(pool, line->def->prompt_cond);
		r->text = us_pool_format(pool, "prompt \"%s\" if %s", line->def->prompt, x);
		r->says = us_pool_format(pool, "%s can be set only with %s (%s)", name, x, at);
		break;
	case US_KWHY_NO_PROMPT:
		r->text = us_pool_format(pool, "config %s", line->sym->name);
		r->says = no_prompt(pool, line->sym);
		break;
	case US_KWHY_DEFAULT:
		x = us_kx_text(pool, line->prop->value);
		r->text = us_pool_format(pool, "default %s%s", x, if_text(pool, line->prop->cond));
		r->says = us_pool_format(pool, "%s is %s by default%s (%s)", name, x,
					 if_text(pool, line->prop->cond), at);
		break;
	case US_KWHY_SELECT:
	case US_KWHY_IMPLY:
		x = line->why == US_KWHY_SELECT ? "select" : "imply";
		r->text = us_pool_format(pool, "%s %s%s", x, line->prop->target->name,
					 if_text(pool, line->prop->cond));
		r->says = us_pool_format(pool, "%s %s %s%s (%s)", line->prop->def->sym->name,
					 line->why == US_KWHY_SELECT ? "selects" : "implies",
					 line->prop->target->name, if_text(pool, line->prop->cond),
					 at);
		break;
	case US_KWHY_RANGE:
		r->text = us_pool_format(pool, "range %s %s%s", us_kx_text(pool, line->prop->low),
					 us_kx_text(pool, line->prop->high),
					 if_text(pool, line->prop->cond));
		r->says = us_pool_format(pool, "%s lies between %s and %s%s (%s)", name,
					 us_kx_text(pool, line->prop->low),
					 us_kx_text(pool, line->prop->high),
					 if_text(pool, line->prop->cond), at);
		break;
	case US_KWHY_CHOICE:
		r->text = "choice";
		r->says = us_pool_format(pool, "of %s exactly one is y: they are one choice (%s)",
					 members_text(pool, c, line->choice), at);
		break;
	case US_KWHY_CHOICE_PROMPT:
		x = us_kx_text(pool, line->choice->prompt_cond);
		r->text = us_pool_format(pool, "prompt \"%s\" if %s",
					 line->choice->prompt ? line->choice->prompt : "", x);
		r->says = us_pool_format(pool, "the choice around %s is there only with %s (%s)",
					 name, x, at);
		break;
	}
}

static const char *goal_says(struct us_pool *pool, const struct us_ktree *tree,
			     const struct us_kgoal *goal)
{
	const char *arch = us_ktree_arch(tree);

	if (!goal->sym || !goal->sym->n_defs)
		return us_pool_format(pool, "%s is n: nothing defines it for %s", goal->name, arch);
	if (goal->lit == US_KLIT_FALSE && us_kenc_is_tri(goal->sym))
		return us_pool_format(pool, "%s is bool, never m (%s:%u)", goal->name,
				      goal->sym->defs[0]->at.file, goal->sym->defs[0]->at.line);
	if (goal->from == US_KGOAL_BASE)
		return us_pool_format(pool, "%s is set in the base configuration, line %zu",
				      goal->text, goal->line);
	return us_pool_format(pool, "%s is %s", goal->text,
			      goal->from == US_KGOAL_ASKED ? "asked" : "pinned");
}

static void place_goal(struct chain *c, size_t i, const struct us_kgoal *goal)
{
	struct us_kreason *r = &c->reasons[c->n_reasons++];

	c->placed[i] = true;
	*r = (struct us_kreason){ .at = { "", 0 }, .text = goal->text };
	r->says = goal_says(c->q->pool, c->q->tree, goal);
	if (goal->sym)
		reach(c, goal->sym);
}

static void place_line(struct chain *c, size_t i, const struct us_kline_lit *line,
		       const struct us_ksym *owner)
{
	struct us_kreason *r = &c->reasons[c->n_reasons++];

	c->placed[i] = true;
	*r = (struct us_kreason){ .at = line->at };
	describe(c, line, owner, r);
	reach_line(c, line);
}

/* The line whose owner was reached first, or any that is left; false: none is. */
static bool place_next(struct chain *c)
{
	const struct us_ksym *best_owner = NULL;
	size_t best = c->n;

	for (size_t i = 0; i < c->n; i++) {
		const struct us_kline_lit *line =
			c->placed[i] ? NULL : us_kask_line(c->q, c->core[i]);
		const struct us_ksym *owner;

		if (!line)
			continue;
		owner = owner_of(c, line);
		if (best == c->n ||
		    (owner &&
		     (!best_owner || c->reached[owner->index] < c->reached[best_owner->index]))) {
			best = i;
			best_owner = owner;
		}
	}
	if (best == c->n)
		return false;
	place_line(c, best, us_kask_line(c->q, c->core[best]), best_owner);
	return true;
}

static void place_goals(struct chain *c, enum us_kgoal_from from)
{
	for (size_t g = 0; g < c->q->n_goals; g++) {
		const struct us_kgoal *goal = &c->q->goals[g];

		for (size_t i = 0; goal->from == from && i < c->n; i++) {
			if (!c->placed[i] && c->core[i] == goal->lit)
				place_goal(c, i, goal);
		}
	}
}

struct us_err *us_kask_words(struct us_kquestion *q, const int *core, size_t n, struct us_kcore *ret)
{
	_us_free_ bool *placed = calloc(n + 1, sizeof(*placed));
	_us_free_ uint32_t *reached = calloc(q->tree->n_symbols + 1, sizeof(*reached));
	_us_free_ const struct us_ksym **in_order =
		calloc(q->tree->n_symbols + 1, sizeof(*in_order));
	struct chain c = { .q = q,
			   .core = core,
			   .n = n,
			   .placed = placed,
			   .reached = reached,
			   .in_order = in_order };

	c.reasons = us_pool_array(q->pool, n + 1, sizeof(*c.reasons));
	if (!placed || !reached || !in_order || !c.reasons)
		return us_err_nomem();
	place_goals(&c, US_KGOAL_ASKED);
	place_goals(&c, US_KGOAL_PINNED);
	while (place_next(&c)) {
	}
	place_goals(&c, US_KGOAL_BASE);
	for (size_t i = 0; i < c.n_reasons; i++) {
		if (!c.reasons[i].text || !c.reasons[i].says)
			return us_err_nomem();
	}
	ret->reasons = c.reasons;
	ret->n = c.n_reasons;
	return NULL;
}
