/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A symbol's value from its lines, as sym_calc_value() has it (scripts/kconfig/symbol.c, Linux 5.4,
 * 6.1 and 6.12): what it is when the user does not set it (first default that holds, imply,
 * select), and how far a visible prompt lets the user move it. Both directions are encoded: a
 * symbol without a prompt is exactly what its lines make of it.
 */
#include "kconfig/encode.h"
#include "kconfig/eval-int.h"

static const struct us_k3 yes3 = { US_KLIT_TRUE, US_KLIT_TRUE };
static const struct us_k3 no3 = { US_KLIT_FALSE, US_KLIT_FALSE };

static struct us_k3 both(int lit)
{
	return (struct us_k3){ lit, lit };
}

/* m is y for a bool, and for all without modules. */
struct us_k3 us_kenc_promote(struct us_ksolver *s, const struct us_ksym *sym, struct us_k3 v)
{
	if (sym->type != US_K_TRISTATE)
		return both(v.m);
	if (v.m == v.y)
		return v;
	v.y = us_kenc_or(s, v.y, us_kenc_and(s, v.m, -s->modules));
	return v;
}

struct us_k3 us_kenc_def_depends(struct us_ksolver *s, const struct us_kdef *def)
{
	struct us_kchoice *choice = def->choice;
	struct us_k3 around, inner;

	if (!s->old_choice || !choice)
		return us_kenc_terms(s, def->sym, def->depends, def->n_depends, US_KWHY_DEPENDS,
				     false);
	us_kenc_choice(s, choice);
	inner = us_kenc_terms(s, def->sym, def->depends, def->n_depends, US_KWHY_DEPENDS, true);
	around = s->choices[choice->index];
	if (def->sym->type != US_K_TRISTATE)
		around.m = around.y;
	return us_kenc_and3(s, around, inner);
}

struct us_k3 us_kenc_prop_cond(struct us_ksolver *s, enum us_kwhy why, const struct us_kprop *prop)
{
	struct us_k3 cond =
		us_kenc_and3(s, us_kenc_def_depends(s, prop->def), us_kenc_expr(s, prop->cond));
	int stands = us_kenc_line(s, (struct us_kline_lit){ .why = why,
							    .at = prop->at,
							    .sym = prop->def->sym,
							    .prop = prop,
							    .def = prop->def });

	return us_kenc_and3(s, cond, both(stands));
}

/* How far one entry's prompt is visible; depends: the entry's. */
struct us_k3 us_kenc_prompt(struct us_ksolver *s, const struct us_kdef *def, struct us_k3 depends)
{
	struct us_k3 cond = yes3;

	if (def->prompt_cond) {
		int gone = -us_kenc_line(s, (struct us_kline_lit){ .why = US_KWHY_PROMPT,
								   .at = def->prompt_at,
								   .sym = def->sym,
								   .def = def });

		cond = us_kenc_or3(s, us_kenc_expr(s, def->prompt_cond), both(gone));
	}
	cond = us_kenc_and3(
		s, cond,
		us_kenc_terms(s, def->sym, def->visible, def->n_visible, US_KWHY_VISIBLE, false));
	return us_kenc_and3(s, cond, depends);
}

static struct us_k3 visibility(struct us_ksolver *s, struct us_ksym *sym)
{
	struct us_k3 v = no3;
	bool prompt = false;

	if (sym->transitional)
		return yes3;
	for (size_t i = 0; i < sym->n_defs; i++) {
		const struct us_kdef *def = sym->defs[i];

		if (!def->prompt)
			continue;
		prompt = true;
		v = us_kenc_or3(s, v, us_kenc_prompt(s, def, us_kenc_def_depends(s, def)));
	}
	if (!prompt && !sym->choice) {
		const struct us_kdef *def = sym->defs[0];
		int gone = -us_kenc_line(s, (struct us_kline_lit){ .why = US_KWHY_NO_PROMPT,
								   .at = def->at,
								   .sym = sym,
								   .def = def });

		v = us_kenc_and3(s, us_kenc_def_depends(s, def), both(gone));
	}
	return us_kenc_promote(s, sym, v);
}

/* The first default whose condition is not n, bounded by that condition. */
struct us_k3 us_kenc_defaults(struct us_ksolver *s, struct us_ksym *sym)
{
	struct us_k3 v = no3;
	int none_before = US_KLIT_TRUE;

	for (size_t i = 0; i < sym->n_defs; i++) {
		for (size_t k = 0; k < sym->defs[i]->n_defaults; k++) {
			const struct us_kprop *prop = &sym->defs[i]->defaults[k];
			struct us_k3 cond = us_kenc_prop_cond(s, US_KWHY_DEFAULT, prop);
			struct us_k3 one = us_kenc_and3(s, us_kenc_expr(s, prop->value), cond);

			v = us_kenc_or3(s, v, us_kenc_and3(s, one, both(none_before)));
			none_before = us_kenc_and(s, none_before, -cond.m);
		}
	}
	return v;
}

static struct us_k3 reverse(struct us_ksolver *s, enum us_kwhy why,
			    const struct us_kprop *const *by, size_t n)
{
	struct us_k3 v = no3;

	for (size_t i = 0; i < n; i++) {
		struct us_k3 source = us_kenc_symbol(s, by[i]->def->sym);

		v = us_kenc_or3(s, v, us_kenc_and3(s, source, us_kenc_prop_cond(s, why, by[i])));
	}
	return v;
}

/* An imply does not reach beyond the dependencies; an entry without any does not lift another's. */
static struct us_k3 direct(struct us_ksolver *s, struct us_ksym *sym)
{
	struct us_k3 v = no3;
	bool any = false;

	for (size_t i = 0; i < sym->n_defs; i++) {
		if (!sym->defs[i]->n_depends)
			continue;
		any = true;
		v = us_kenc_or3(s, v, us_kenc_def_depends(s, sym->defs[i]));
	}
	return any ? us_kenc_promote(s, sym, v) : yes3;
}

/* Until 5.6 an imply counts in full unless the dependencies are n, and what y implies is not m. */
static struct us_k3 with_implied(struct us_ksolver *s, struct us_ksym *sym, struct us_k3 v)
{
	struct us_k3 value = s->coded[sym->index].value, implied, raised;

	if (!sym->n_implied_by)
		return v;
	implied = us_kenc_promote(s, sym,
				  reverse(s, US_KWHY_IMPLY, sym->implied_by, sym->n_implied_by));
	if (us_kcalc_before(s->tree, 5, 7)) {
		implied = us_kenc_and3(s, implied, both(direct(s, sym).m));
		if (!sym->choice)
			us_kenc_add(s, -implied.y, -value.m, value.y);
		return us_kenc_or3(s, v, implied);
	}
	raised = us_kenc_and3(s, us_kenc_or3(s, v, implied), direct(s, sym));
	return us_kenc_or3(s, us_kenc_and3(s, raised, both(implied.m)),
			   us_kenc_and3(s, v, both(-implied.m)));
}

int us_kenc_relation(struct us_ksolver *s, int guard, struct us_ksym *sym, struct us_k3 visible,
		     struct us_k3 selected, struct us_k3 unset)
{
	struct us_k3 v = s->coded[sym->index].value;
	int moved = us_kenc_xor(s, v.m, unset.m);

	us_kenc_add(s, -guard, -selected.m, v.m);
	if (v.m != v.y) {
		moved = us_kenc_or(s, moved, us_kenc_xor(s, v.y, unset.y));
		us_kenc_add(s, -guard, -selected.y, v.y);
		us_kenc_add(s, -guard, -moved, -v.y, visible.y, selected.y);
	}
	us_kenc_add(s, -guard, -moved, visible.m);
	return moved;
}

static void encode_tristate(struct us_ksolver *s, struct us_ksym *sym)
{
	struct us_kcoded *coded = &s->coded[sym->index];
	struct us_k3 visible, selected, unset;
	int guard = US_KLIT_TRUE;

	if (coded->value.m != coded->value.y) {
		if (s->tree->modules)
			us_kenc_symbol(s, s->tree->modules);
		us_kenc_add(s, -coded->value.y, coded->value.m);
		us_kenc_add(s, s->modules, -coded->value.m, coded->value.y);
	}
	if (sym->choice) {
		us_kenc_choice(s, sym->choice);
		for (size_t i = 0; i < sym->choice->n_members; i++)
			us_kenc_symbol(s, sym->choice->members[i]);
		guard = -us_kenc_line(s, (struct us_kline_lit){ .why = US_KWHY_CHOICE,
								.at = sym->choice->at,
								.sym = sym,
								.choice = sym->choice });
		if (guard == US_KLIT_FALSE)
			return;
	}
	visible = visibility(s, sym);
	selected = us_kenc_promote(
		s, sym, reverse(s, US_KWHY_SELECT, sym->selected_by, sym->n_selected_by));
	unset = with_implied(s, sym, us_kenc_defaults(s, sym));
	unset = us_kenc_promote(s, sym, us_kenc_or3(s, unset, selected));
	if (sym->choice) {
		us_kenc_relation(s, guard, sym, visible, selected, unset);
		return;
	}
	s->coded[sym->index].visible = visible;
	s->coded[sym->index].moved = us_kenc_relation(s, guard, sym, visible, selected, unset);
}

static void encode_symbol(struct us_ksolver *s, struct us_ksym *sym)
{
	size_t start = s->n_refs;

	if (us_kenc_is_tri(sym)) {
		encode_tristate(s, sym);
	} else if (sym->type != US_K_UNKNOWN) {
		struct us_k3 visible = visibility(s, sym);

		s->coded[sym->index].visible = visible;
		us_kenc_number(s, sym, visible);
	}
	s->coded[sym->index].refs = (uint32_t)start;
	s->coded[sym->index].n_refs = (uint32_t)(s->n_refs - start);
}

void us_kenc_run(struct us_ksolver *s)
{
	while (s->n_done < s->n_queue && !s->no_memory)
		encode_symbol(s, s->queue[s->n_done++]);
}
