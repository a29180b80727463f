/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Random configurations under a condition: the solver draws the cone of what is asked (its choices
 * begin at random), the rest are random wishes, and the evaluator makes a whole configuration of
 * both. Not uniform: it is for finding what breaks, not for statistics.
 */
#include "kconfig/ask-int.h"

#include "base/cleanup.h"

#include <string.h>

/* splitmix64 (Steele, Lea, Flood 2014). */
static uint64_t next_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

static void set_phases(struct us_kquestion *q, uint64_t *random)
{
	picosat_reset_phases(q->s->sat);
	picosat_reset_scores(q->s->sat);
	for (size_t i = 0; i < q->tree->n_symbols; i++) {
		const struct us_kcoded *coded = &q->s->coded[i];

		if (coded->value.m <= US_KLIT_TRUE)
			continue;
		picosat_set_default_phase_lit(q->s->sat, coded->value.m,
					      next_random(random) & 1 ? 1 : -1);
		picosat_set_default_phase_lit(q->s->sat, coded->value.y,
					      next_random(random) & 1 ? 1 : -1);
	}
}

static void clear_phases(struct us_kquestion *q)
{
	for (size_t i = 0; i < q->tree->n_symbols; i++) {
		const struct us_kcoded *coded = &q->s->coded[i];

		if (coded->value.m <= US_KLIT_TRUE)
			continue;
		picosat_set_default_phase_lit(q->s->sat, coded->value.m, 0);
		picosat_set_default_phase_lit(q->s->sat, coded->value.y, 0);
	}
	picosat_reset_phases(q->s->sat);
}

static const char *random_wish(const struct us_ksym *sym, uint64_t *random)
{
	uint64_t r = next_random(random);

	if (!us_kenc_is_tri(sym))
		return NULL;
	if (sym->type == US_K_BOOL)
		return r & 1 ? "y" : "n";
	return r % 3 == 0 ? "y" : r % 3 == 1 ? "m" : "n";
}

static void wish_all(struct us_kquestion *q, struct us_kvalues *values, uint64_t *random)
{
	for (size_t i = 0; i < q->tree->n_symbols; i++) {
		struct us_ksym *sym = q->tree->symbols[i];
		size_t order = i + 1; /* of a choice's wishes; the model has one alone */
		const char *text;

		if (sym->probe && q->distance[i] != US_KFAR) {
			bool y = picosat_deref(q->s->sat, q->s->coded[i].value.y) > 0;

			values->probes[i] = y ? US_KY : US_KN;
			values->probe_texts[i] = us_kask_model(q, sym);
		}
		if (!sym->n_defs)
			continue;
		if (q->distance[i] != US_KFAR) {
			text = us_kask_model(q, sym);
		} else if (q->base) {
			text = q->base->v[i].user ? q->base->v[i].wish : NULL;
			order = q->base->v[i].order;
		} else {
			text = random_wish(sym, random);
		}
		if (text && us_kvalues_wish(values, sym, text))
			values->v[i].order = order;
	}
}

static bool keeps_goals(const struct us_kquestion *q, const struct us_kvalues *values)
{
	for (size_t i = 0; i < q->n_goals; i++) {
		const struct us_ksym *sym = q->goals[i].sym;

		if (!us_kgoal_met(&q->goals[i],
				  sym && sym->n_defs ? us_kvalues_text(values, sym) : "n"))
			return false;
	}
	return true;
}

enum { ATTEMPTS_MAX = 32 };

struct us_err *us_ktree_draw(struct us_ktree *tree, const struct us_kask *ask, uint64_t seed,
			     struct us_kvalues **ret)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	_us_kquestion_deinit_ struct us_kquestion q = { 0 };
	uint64_t random = seed;
	bool any = false;

	US_TRY(us_kquestion_init(&q, tree, ask, &pool));
	for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
		_us_kvalues_free_ struct us_kvalues *values = NULL;

		US_TRY(us_kvalues_new(tree, &values));
		set_phases(&q, &random);
		us_kask_assume_tree(&q);
		us_kask_assume_goals(&q);
		any = us_kask_solve(&q);
		if (any) {
			wish_all(&q, values, &random);
			US_TRY(us_kask_outcomes(&q, values));
		}
		clear_phases(&q);
		if (!any) {
			*ret = NULL;
			return NULL;
		}
		US_TRY(us_kvalues_compute(values));
		if (keeps_goals(&q, values)) {
			*ret = us_steal(&values);
			return NULL;
		}
	}
	return us_err_new(US_ERR_UNSUPPORTED, "%d drawn configurations lost what is asked",
			  ATTEMPTS_MAX);
}
