/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions about what can be, over the cone of influence of what is asked: the symbols that its
 * lines speak of, and theirs. Answered by PicoSAT, which is kept with the tree, so that a second
 * question finds most of its clauses there. A base configuration holds what it sets, where the tree
 * takes it and the question is not about it.
 */
#include "kconfig/ask-int.h"

#include "base/cleanup.h"

#include <string.h>

void us_kask_assume(struct us_kquestion *q, int lit)
{
	if (us_kenc_grow(q->s, &q->assumed, &q->cap_assumed, q->n_assumed, sizeof(*q->assumed)))
		q->assumed[q->n_assumed++] = lit;
}

void us_kask_assume_goals(struct us_kquestion *q)
{
	for (size_t i = 0; i < q->n_goals; i++)
		us_kask_assume(q, q->goals[i].lit);
}

void us_kask_assume_tree(struct us_kquestion *q)
{
	us_kask_assume(q, q->s->all);
	if (q->s->closed)
		us_kask_assume(q, q->s->closed);
}

bool us_kask_solve(struct us_kquestion *q)
{
	for (size_t i = 0; i < q->n_assumed; i++)
		picosat_assume(q->s->sat, q->assumed[i]);
	q->n_assumed = 0;
	return picosat_sat(q->s->sat, -1) == PICOSAT_SATISFIABLE;
}

int us_kask_equals(struct us_kquestion *q, struct us_ksym *sym, const char *text)
{
	struct us_k3 v;

	if (!us_kenc_is_tri(sym))
		return sym->type == US_K_UNKNOWN || !sym->n_defs
			       ? US_KLIT_FALSE
			       : us_kenc_number_is(q->s, sym, text);
	v = q->s->coded[sym->index].value;
	switch (*text) {
	case 'y':
		return v.y;
	case 'm':
		return us_kenc_and(q->s, v.m, -v.y);
	default:
		return -v.m;
	}
}

const char *us_kask_model(struct us_kquestion *q, const struct us_ksym *sym)
{
	const struct us_kcoded *coded = &q->s->coded[sym->index];

	if (us_kenc_is_tri(sym)) {
		if (picosat_deref(q->s->sat, coded->value.y) > 0)
			return "y";
		return picosat_deref(q->s->sat, coded->value.m) > 0 ? "m" : "n";
	}
	for (size_t i = 0; i < coded->number.n; i++) {
		if (coded->number.lits && picosat_deref(q->s->sat, coded->number.lits[i]) > 0)
			return coded->number.texts[i];
	}
	return NULL;
}

struct us_err *us_kask_outcomes(struct us_kquestion *q, struct us_kvalues *values)
{
	const struct us_ksolver *s = q->s;
	struct us_koutcome *outcomes =
		us_pool_array(&values->pool, s->n_atoms + 1, sizeof(*outcomes));

	if (!outcomes)
		return us_err_nomem();
	for (size_t i = 0; i < s->n_atoms; i++)
		outcomes[i] = (struct us_koutcome){ s->atoms[i].op, s->atoms[i].x, s->atoms[i].y,
						    picosat_deref(s->sat, s->atoms[i].lit) > 0 };
	values->outcomes = outcomes;
	values->n_outcomes = s->n_atoms;
	return NULL;
}

/* The values of goals have to be among those looked at; too late for a symbol of an earlier
 * question, the clauses are made anew. */
static struct us_err *add_domains(struct us_kquestion *q)
{
	for (int attempt = 0; attempt < 2; attempt++) {
		bool late = false;

		US_TRY(us_ksolver_get(q->tree, &q->s));
		for (size_t i = 0; i < q->n_goals; i++) {
			struct us_ksym *sym = q->goals[i].sym;

			if (!sym || !sym->n_defs || us_kenc_is_tri(sym) || sym->type == US_K_UNKNOWN)
				continue;
			for (size_t k = 0; k < q->goals[i].n_values; k++)
				late |= !us_kenc_domain_add(q->s, sym, q->goals[i].values[k]);
		}
		if (!late)
			return NULL;
		if (attempt == 0)
			us_ksolver_drop(q->tree);
	}
	return NULL;
}

static int goal_literal(struct us_kquestion *q, const struct us_kgoal *goal)
{
	int lit = US_KLIT_FALSE;

	if (!goal->sym || !goal->sym->n_defs)
		return us_kgoal_met(goal, "n") ? US_KLIT_TRUE : US_KLIT_FALSE;
	for (size_t i = 0; i < goal->n_values; i++)
		lit = us_kenc_or(q->s, lit, us_kask_equals(q, goal->sym, goal->values[i]));
	return lit;
}

static void encode_goals(struct us_kquestion *q, size_t from)
{
	for (size_t i = from; i < q->n_goals; i++) {
		if (q->goals[i].sym)
			us_kenc_symbol(q->s, q->goals[i].sym);
	}
	us_kenc_run(q->s);
	for (size_t i = from; i < q->n_goals; i++)
		q->goals[i].lit = goal_literal(q, &q->goals[i]);
}

/* What is as far as can be told is not beyond the cone. */
static uint16_t one_further(uint16_t distance)
{
	return distance < US_KFAR - 1 ? (uint16_t)(distance + 1) : distance;
}

/* How far each symbol of the cone lies from what is asked. */
static struct us_err *measure(struct us_kquestion *q)
{
	_us_free_ uint32_t *queue = calloc(q->tree->n_symbols + 1, sizeof(*queue));
	size_t n = 0;

	q->distance = calloc(q->tree->n_symbols + 1, sizeof(*q->distance));
	if (!queue || !q->distance)
		return us_err_nomem();
	memset(q->distance, 0xff, q->tree->n_symbols * sizeof(*q->distance));
	for (size_t i = 0; i < q->n_goals; i++) {
		struct us_ksym *sym = q->goals[i].sym;

		if (!sym || q->distance[sym->index] != US_KFAR)
			continue;
		q->distance[sym->index] = 0;
		queue[n++] = (uint32_t)sym->index;
	}
	for (size_t done = 0; done < n; done++) {
		const struct us_kcoded *coded = &q->s->coded[queue[done]];

		for (uint32_t i = 0; i < coded->n_refs; i++) {
			uint32_t next = q->s->refs[coded->refs + i];

			if (q->distance[next] != US_KFAR)
				continue;
			q->distance[next] = one_further(q->distance[queue[done]]);
			queue[n++] = next;
		}
	}
	for (size_t i = 0; i < n; i++)
		q->cone += q->tree->symbols[queue[i]]->n_defs != 0;
	return NULL;
}

static void release_expr(struct us_kquestion *q, bool *released, const struct us_kx *x)
{
	if (!x)
		return;
	if (x->op == US_KX_SYM || x->op >= US_KX_EQ) {
		released[x->x->index] = true;
		if (x->y)
			released[x->y->index] = true;
		return;
	}
	release_expr(q, released, x->a);
	release_expr(q, released, x->b);
}

/* Those asked, and all that they select. */
static struct us_err *release_selected(struct us_kquestion *q, bool *released)
{
	_us_free_ const struct us_ksym **queue = calloc(q->tree->n_symbols + 1, sizeof(*queue));
	size_t n = 0;

	if (!queue)
		return us_err_nomem();
	for (size_t g = 0; g < q->n_goals; g++) {
		const struct us_ksym *sym = q->goals[g].sym;

		if (!sym || released[sym->index])
			continue;
		released[sym->index] = true;
		queue[n++] = sym;
	}
	for (size_t done = 0; done < n; done++) {
		for (size_t i = 0; i < queue[done]->n_defs; i++) {
			const struct us_kdef *def = queue[done]->defs[i];

			for (size_t k = 0; k < def->n_selects; k++) {
				const struct us_ksym *target = def->selects[k].target;

				if (released[target->index])
					continue;
				released[target->index] = true;
				queue[n++] = target;
			}
		}
	}
	return NULL;
}

/* What the base does not hold: what is asked, the other members of its choice, what it selects, and
 * what its own lines speak of. */
static struct us_err *release(struct us_kquestion *q, bool *released)
{
	US_TRY(release_selected(q, released));
	for (size_t g = 0; g < q->n_goals; g++) {
		const struct us_ksym *sym = q->goals[g].sym;

		for (size_t i = 0; sym && i < sym->n_defs; i++) {
			const struct us_kdef *def = sym->defs[i];

			for (size_t k = 0; k < def->n_depends; k++)
				release_expr(q, released, def->depends[k].x);
			for (size_t k = 0; k < def->n_defaults; k++)
				release_expr(q, released, def->defaults[k].value);
			release_expr(q, released, def->prompt_cond);
		}
		for (size_t i = 0; sym && sym->choice && i < sym->choice->n_members; i++)
			released[sym->choice->members[i]->index] = true;
	}
	return NULL;
}

static struct us_err *hold(struct us_kquestion *q, struct us_ksym *sym, const char *value)
{
	const char **values = us_pool_array(q->pool, 1, sizeof(*values));
	struct us_kgoal goal = { .from = US_KGOAL_BASE,
				 .name = sym->name,
				 .sym = sym,
				 .line = q->base->v[sym->index].order },
			*more;

	goal.text = us_pool_format(q->pool, "%s=%s", sym->name, value);
	more = reallocarray(q->goals, q->n_goals + 1, sizeof(*more));
	if (more)
		q->goals = more;
	if (!values || !goal.text || !more)
		return us_err_nomem();
	values[0] = us_pool_strdup(q->pool, value);
	goal.values = values;
	goal.n_values = 1;
	goal.lit = goal_literal(q, &goal);
	q->goals[q->n_goals++] = goal;
	q->fixed[sym->index] = true;
	return NULL;
}

/* Holds what the base sets and the tree took from it; growing: but for what it says is n. */
static struct us_err *hold_base(struct us_kquestion *q, bool growing)
{
	_us_free_ bool *released = calloc(q->tree->n_symbols + 1, sizeof(*released));

	if (!released)
		return us_err_nomem();
	US_TRY(release(q, released));
	for (size_t i = 0; i < q->tree->n_symbols; i++) {
		struct us_ksym *sym = q->tree->symbols[i];
		const struct us_kvalue *v = &q->base->v[i];

		if (!v->user || !v->wish || released[i] || q->distance[i] == US_KFAR ||
		    v->visible == US_KN || strcmp(us_kvalues_text(q->base, sym), v->wish) != 0 ||
		    (growing && us_kenc_is_tri(sym) && v->wished == US_KN))
			continue;
		if (us_kenc_is_tri(sym) ||
		    us_kenc_number_is(q->s, sym, v->wish) != q->s->coded[i].number.other)
			US_TRY(hold(q, sym, v->wish));
	}
	return NULL;
}

struct us_err *us_kquestion_init(struct us_kquestion *q, struct us_ktree *tree,
				 const struct us_kask *ask, struct us_pool *pool)
{
	*q = (struct us_kquestion){ .tree = tree, .pool = pool };
	US_TRY(us_kask_want(q, ask->want, US_KGOAL_ASKED));
	for (size_t i = 0; ask->pins && ask->pins[i]; i++)
		US_TRY(us_kask_want(q, ask->pins[i], US_KGOAL_PINNED));
	US_TRY(add_domains(q));
	encode_goals(q, 0);
	US_TRY(measure(q));
	q->fixed = calloc(tree->n_symbols + 1, sizeof(*q->fixed));
	if (!q->fixed)
		return us_err_nomem();
	if (ask->base) {
		US_TRY(us_ktree_evaluate(tree, US_KSTART_DEFAULTS, ask->base, &q->base));
		if (ask->base_is != US_KBASE_NEAR)
			US_TRY(hold_base(q, ask->base_is == US_KBASE_GROWING));
	}
	return q->s->no_memory ? us_err_nomem() : NULL;
}

void us_kquestion_deinit(struct us_kquestion *q)
{
	/* clauses that lack some for want of memory answer nothing again */
	if (q->s && q->s->no_memory)
		us_ksolver_drop(q->tree);
	free(q->goals);
	free(q->distance);
	free(q->fixed);
	free(q->assumed);
	us_kvalues_free(q->base);
}

static struct us_err *name_unknown(struct us_kquestion *q, struct us_kanswer *answer)
{
	const char **unknown = us_pool_array(q->pool, q->n_goals + 1, sizeof(*unknown));
	size_t n = 0;

	if (!unknown)
		return us_err_nomem();
	for (size_t i = 0; i < q->n_goals; i++) {
		if (q->goals[i].from == US_KGOAL_ASKED &&
		    (!q->goals[i].sym || !q->goals[i].sym->n_defs))
			unknown[n++] = q->goals[i].name;
	}
	answer->unknown = unknown;
	return NULL;
}

/* What cannot be: would it be no more if open numbers had other values? */
static struct us_err *prove(struct us_kquestion *q, struct us_kanswer *answer)
{
	const char **open;
	size_t n = 0;

	if (!q->s->closed)
		return NULL;
	us_kask_assume(q, q->s->all);
	us_kask_assume_goals(q);
	q->unproved = us_kask_solve(q);
	if (!q->unproved)
		return NULL;
	open = us_pool_array(q->pool, q->cone + 1, sizeof(*open));
	if (!open)
		return us_err_nomem();
	for (size_t i = 0; i < q->tree->n_symbols; i++) {
		if (q->s->coded[i].number.open && q->distance[i] != US_KFAR)
			open[n++] = q->tree->symbols[i]->name;
	}
	answer->unproved = open;
	return NULL;
}

static bool holds_base(const struct us_kquestion *q)
{
	for (size_t i = 0; i < q->n_goals; i++) {
		if (q->goals[i].from == US_KGOAL_BASE)
			return true;
	}
	return false;
}

/* What cannot be while the base is held: the same question with its values free to change. */
static struct us_err *look_near(struct us_ktree *tree, const struct us_kask *ask,
				struct us_kanswer **ret)
{
	struct us_kask near = *ask;
	struct us_err *err;

	near.base_is = US_KBASE_NEAR;
	err = us_ktree_ask(tree, &near, ret);
	if (!err || err->code == US_ERR_NOMEM)
		return err;
	us_err_free(err); /* the answer stands without it */
	return NULL;
}

struct us_err *us_ktree_ask(struct us_ktree *tree, const struct us_kask *ask,
			    struct us_kanswer **ret)
{
	_us_kanswer_free_ struct us_kanswer *answer = calloc(1, sizeof(*answer));
	_us_kquestion_deinit_ struct us_kquestion q = { 0 };

	if (!answer)
		return us_err_nomem();
	US_TRY(us_kquestion_init(&q, tree, ask, &answer->pool));
	US_TRY(name_unknown(&q, answer));
	answer->cone = q.cone;
	us_kask_assume_tree(&q);
	us_kask_assume_goals(&q);
	answer->reachable = us_kask_solve(&q);
	if (answer->reachable) {
		US_TRY(us_kask_fragment(&q, answer));
	} else {
		US_TRY(prove(&q, answer));
		US_TRY(us_kask_cores(&q, ask->more, answer));
	}
	if (q.s->no_memory)
		return us_err_nomem();
	if (!answer->reachable && holds_base(&q))
		US_TRY(look_near(tree, ask, &answer->near));
	*ret = us_steal(&answer);
	return NULL;
}

void us_kanswer_free(struct us_kanswer *answer)
{
	if (!answer)
		return;
	us_kanswer_free(answer->near);
	us_pool_deinit(&answer->pool);
	free(answer);
}
