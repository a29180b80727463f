/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Choices: of the members whose prompts are visible exactly one is y, and selects of members do not
 * count (scripts/kconfig/symbol.c, sym_calc_choice()). Until Linux 6.10 a choice has a value of its
 * own, which bounds its members, may be m (then several members may be m) and may be n if the
 * choice is optional; from 6.11 its members alone count.
 */
#include "kconfig/encode.h"

#include "base/cleanup.h"

static const struct us_k3 yes3 = { US_KLIT_TRUE, US_KLIT_TRUE };
static const struct us_k3 no3 = { US_KLIT_FALSE, US_KLIT_FALSE };

/* A member while the choice stands. */
struct member {
	struct us_ksym *sym;
	struct us_k3 visible;
	int in;     /* it may be the one that is chosen */
	int chosen; /* it is */
	int picked; /* it would be without the user */
};

static struct us_k3 choice_terms(struct us_ksolver *s, struct us_kchoice *choice)
{
	struct us_k3 v =
		us_kenc_terms(s, NULL, choice->depends, choice->n_depends, US_KWHY_DEPENDS, false);

	return us_kenc_and3(
		s, v,
		us_kenc_terms(s, NULL, choice->visible, choice->n_visible, US_KWHY_VISIBLE, false));
}

/* The value that a choice has until 6.10. */
static struct us_k3 own_value(struct us_ksolver *s, struct us_kchoice *choice)
{
	struct us_k3 visible = choice_terms(s, choice), v;

	if (choice->prompt_cond) {
		int gone = -us_kenc_line(s, (struct us_kline_lit){ .why = US_KWHY_CHOICE_PROMPT,
								   .at = choice->prompt_at,
								   .choice = choice });

		visible = us_kenc_and3(s, visible,
				       us_kenc_or3(s, us_kenc_expr(s, choice->prompt_cond),
						   (struct us_k3){ gone, gone }));
	}
	if (choice->type != US_K_TRISTATE) {
		v.m = choice->optional ? us_kenc_new(s) : visible.m;
		us_kenc_add(s, -v.m, visible.m);
		v.y = v.m;
		return v;
	}
	visible.y = us_kenc_or(s, visible.y, us_kenc_and(s, visible.m, -s->modules));
	v.m = choice->optional ? us_kenc_new(s) : visible.m;
	v.y = us_kenc_new(s);
	us_kenc_add(s, -v.m, visible.m);
	us_kenc_add(s, -v.y, v.m);
	us_kenc_add(s, -v.y, visible.y);
	us_kenc_add(s, s->modules, -v.m, v.y);
	return v;
}

static struct member member_of(struct us_ksolver *s, struct us_kchoice *choice, struct us_ksym *sym)
{
	struct us_k3 value = us_kenc_symbol(s, sym), own = s->choices[choice->index];
	struct member m = { .sym = sym, .visible = no3 };

	for (size_t i = 0; i < sym->n_defs; i++) {
		const struct us_kdef *def = sym->defs[i];

		if (def->prompt)
			m.visible = us_kenc_or3(
				s, m.visible, us_kenc_prompt(s, def, us_kenc_def_depends(s, def)));
	}
	m.visible = us_kenc_promote(s, sym, m.visible);
	if (s->old_choice && m.visible.m != m.visible.y)
		m.visible.m = us_kenc_and(s, m.visible.m, us_kenc_or(s, -own.y, m.visible.y));
	m.in = s->old_choice ? m.visible.y : m.visible.m;
	m.chosen = us_kenc_and(s, m.in, value.y);
	return m;
}

/* What the choice falls to: its first default that can be seen, else its first member. */
static void find_picked(struct us_ksolver *s, struct us_kchoice *choice, struct member *members)
{
	struct us_k3 around = s->old_choice ? s->choices[choice->index] : choice_terms(s, choice);
	int none_before = US_KLIT_TRUE;

	for (size_t i = 0; i < choice->n_members; i++)
		members[i].picked = US_KLIT_FALSE;
	for (size_t k = 0; k < choice->n_defaults; k++) {
		const struct us_kprop *prop = &choice->defaults[k];
		struct us_k3 cond = us_kenc_and3(s, around, us_kenc_expr(s, prop->cond));

		for (size_t i = 0; i < choice->n_members; i++) {
			int here;

			if (prop->value->x != members[i].sym)
				continue;
			here = us_kenc_and(s, us_kenc_and(s, cond.m, members[i].visible.m),
					   none_before);
			members[i].picked = us_kenc_or(s, members[i].picked, here);
			none_before = us_kenc_and(s, none_before, -here);
		}
	}
	for (size_t i = 0; i < choice->n_members; i++) {
		int here = us_kenc_and(s, members[i].visible.m, none_before);

		members[i].picked = us_kenc_or(s, members[i].picked, here);
		none_before = us_kenc_and(s, none_before, -here);
	}
}

/* Not in the running: n, or, until 6.10, m as its prompt and the choice allow. */
static int encode_outside(struct us_ksolver *s, int guard, const struct member *m)
{
	struct us_k3 value = s->coded[m->sym->index].value, unset;

	if (!s->old_choice) {
		us_kenc_add(s, -guard, m->in, -value.m);
		return US_KLIT_FALSE;
	}
	unset = us_kenc_promote(s, m->sym, us_kenc_defaults(s, m->sym));
	return us_kenc_and(
		s, -m->in,
		us_kenc_relation(s, us_kenc_and(s, guard, -m->in), m->sym, m->visible, no3, unset));
}

static void encode_members(struct us_ksolver *s, struct us_kchoice *choice, struct member *members)
{
	int any = US_KLIT_FALSE;

	for (size_t i = 0; i < choice->n_members; i++)
		any = us_kenc_or(s, any, members[i].chosen);
	for (size_t i = 0; i < choice->n_members; i++) {
		const struct member *m = &members[i];
		struct us_kcoded *coded = &s->coded[m->sym->index];
		struct us_kline_lit line = {
			.why = US_KWHY_CHOICE, .at = choice->at, .sym = m->sym, .choice = choice
		};
		int guard = us_kenc_line(s, line), outside;

		us_kenc_add(s, -guard, -m->in, any);
		us_kenc_add(s, -guard, -m->in, -coded->value.m, coded->value.y);
		for (size_t k = i + 1; k < choice->n_members; k++)
			us_kenc_add(s, -guard, -m->chosen, -members[k].chosen);
		outside = encode_outside(s, guard, m);
		coded = &s->coded[m->sym->index];
		coded->visible = m->visible;
		coded->moved = us_kenc_or(s, us_kenc_and(s, m->chosen, -m->picked), outside);
	}
}

void us_kenc_choice(struct us_ksolver *s, struct us_kchoice *choice)
{
	_us_free_ struct member *members = NULL;

	if (s->choices[choice->index].m)
		return;
	s->choices[choice->index] = s->old_choice ? own_value(s, choice) : yes3;
	members = calloc(choice->n_members + 1, sizeof(*members));
	if (!members) {
		s->no_memory = true;
		return;
	}
	for (size_t i = 0; i < choice->n_members; i++)
		members[i] = member_of(s, choice, choice->members[i]);
	find_picked(s, choice, members);
	encode_members(s, choice, members);
}
