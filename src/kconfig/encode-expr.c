/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Expressions as literals: symbols, not, and, or as minimum and maximum of n < m < y, comparisons
 * by the values that either side may have. Semantics: scripts/kconfig/expr.c (Linux 6.12).
 */
#include "kconfig/encode.h"

#include <string.h>

static void note_reference(struct us_ksolver *s, struct us_ksym *sym)
{
	if (us_kenc_grow(s, &s->refs, &s->cap_refs, s->n_refs, sizeof(*s->refs)))
		s->refs[s->n_refs++] = (uint32_t)sym->index;
}

bool us_kenc_is_tri(const struct us_ksym *sym)
{
	return sym->n_defs && (sym->type == US_K_BOOL || sym->type == US_K_TRISTATE);
}

static struct us_k3 constant_value(const struct us_ktree *tree, const struct us_ksym *sym)
{
	if (sym == tree->yes)
		return (struct us_k3){ US_KLIT_TRUE, US_KLIT_TRUE };
	if (sym == tree->mod)
		return (struct us_k3){ US_KLIT_TRUE, US_KLIT_FALSE };
	return (struct us_k3){ US_KLIT_FALSE, US_KLIT_FALSE };
}

/* Its value; a symbol spoken of for the first time joins the queue. */
struct us_k3 us_kenc_symbol(struct us_ksolver *s, struct us_ksym *sym)
{
	struct us_kcoded *coded = &s->coded[sym->index];

	note_reference(s, sym);
	if (coded->value.m)
		return coded->value;
	if (sym->probe) {
		coded->value.m = coded->value.y = us_kenc_new(s);
	} else if (!us_kenc_is_tri(sym)) {
		coded->value = constant_value(s->tree, sym);
	} else {
		coded->value.m = us_kenc_new(s);
		coded->value.y = sym->type == US_K_BOOL ? coded->value.m : us_kenc_new(s);
	}
	us_kenc_number_allot(s, sym);
	if (sym->n_defs)
		s->queue[s->n_queue++] = sym;
	return coded->value;
}

/* One value that a side of a comparison may have. text NULL: not known. */
struct side {
	const char *text;
	int lit;
};

static size_t tri_sides(struct us_k3 v, struct side *sides)
{
	sides[0] = (struct side){ "n", -v.m };
	sides[1] = (struct side){ "y", v.y };
	if (v.m == v.y)
		return 2;
	sides[2] = (struct side){ "m", US_KLIT_FALSE };
	return 3;
}

/* All values of sym; a probe compared with y, m or n is a tristate, else a text not known. */
static size_t sides_of(struct us_ksolver *s, struct us_ksym *sym, const struct us_ksym *other,
		       struct side *room, size_t cap)
{
	struct us_k3 value = us_kenc_symbol(s, sym);
	const struct us_knumber *number = &s->coded[sym->index].number;
	size_t n;

	if (sym->probe) {
		bool tri = other == s->tree->yes || other == s->tree->mod || other == s->tree->no ||
			   us_kenc_is_tri(other);

		if (tri)
			return tri_sides(value, room);
		room[0] = (struct side){ NULL, US_KLIT_TRUE };
		return 1;
	}
	if (us_kenc_is_tri(sym)) {
		n = tri_sides(value, room);
		if (n == 3)
			room[2].lit = us_kenc_and(s, value.m, -value.y);
		return n;
	}
	if (!sym->n_defs || sym->type == US_K_UNKNOWN) {
		room[0] = (struct side){ sym->name, US_KLIT_TRUE };
		return 1;
	}
	for (n = 0; n < number->n && n + 1 < cap; n++)
		room[n] = (struct side){ number->texts[n], number->lits[n] };
	room[n++] = (struct side){ NULL, number->other };
	return n;
}

static int atom(struct us_ksolver *s, const struct us_kx *x)
{
	for (size_t i = 0; i < s->n_atoms; i++) {
		if (s->atoms[i].op == x->op && s->atoms[i].x == x->x && s->atoms[i].y == x->y)
			return s->atoms[i].lit;
	}
	if (!us_kenc_grow(s, &s->atoms, &s->cap_atoms, s->n_atoms, sizeof(*s->atoms)))
		return US_KLIT_TRUE;
	s->atoms[s->n_atoms] = (struct us_katom){ x->op, x->x, x->y, us_kenc_new(s) };
	return s->atoms[s->n_atoms++].lit;
}

static enum us_ktype type_in_comparison(const struct us_ktree *tree, const struct us_ksym *sym)
{
	if (sym == tree->yes || sym == tree->mod || sym == tree->no)
		return US_K_TRISTATE;
	return sym->n_defs ? sym->type : US_K_UNKNOWN;
}

enum { SIDES_MAX = 512 };

static struct us_k3 comparison(struct us_ksolver *s, const struct us_kx *x)
{
	struct side a[SIDES_MAX], b[SIDES_MAX];
	size_t n_a = sides_of(s, x->x, x->y, a, SIDES_MAX);
	size_t n_b = sides_of(s, x->y, x->x, b, SIDES_MAX);
	enum us_ktype a_type = type_in_comparison(s->tree, x->x);
	enum us_ktype b_type = type_in_comparison(s->tree, x->y);
	int holds = US_KLIT_FALSE;

	for (size_t i = 0; i < n_a; i++) {
		for (size_t j = 0; j < n_b; j++) {
			int both;

			if (a[i].text && b[j].text &&
			    !us_kenc_compare(x->op, a[i].text, a_type, b[j].text, b_type))
				continue;
			both = us_kenc_and(s, a[i].lit, b[j].lit);
			if (both != US_KLIT_FALSE && (!a[i].text || !b[j].text))
				both = us_kenc_and(s, both, atom(s, x));
			holds = us_kenc_or(s, holds, both);
		}
	}
	return (struct us_k3){ holds, holds };
}

struct us_k3 us_kenc_expr(struct us_ksolver *s, const struct us_kx *x)
{
	struct us_k3 a;

	if (!x)
		return (struct us_k3){ US_KLIT_TRUE, US_KLIT_TRUE };
	switch (x->op) {
	case US_KX_SYM:
		return us_kenc_symbol(s, x->x);
	case US_KX_NOT:
		a = us_kenc_expr(s, x->a);
		return (struct us_k3){ -a.y, -a.m };
	case US_KX_AND:
		a = us_kenc_expr(s, x->a);
		return us_kenc_and3(s, a, us_kenc_expr(s, x->b));
	case US_KX_OR:
		a = us_kenc_expr(s, x->a);
		return us_kenc_or3(s, a, us_kenc_expr(s, x->b));
	default:
		return comparison(s, x);
	}
}

/* All of terms, each with its selector; inner_only: without those around a choice. */
struct us_k3 us_kenc_terms(struct us_ksolver *s, struct us_ksym *sym, const struct us_kterm *terms,
			   size_t n, enum us_kwhy why, bool inner_only)
{
	struct us_k3 all = { US_KLIT_TRUE, US_KLIT_TRUE };

	for (size_t i = 0; i < n; i++) {
		struct us_k3 v;
		int gone;

		if (inner_only && terms[i].outer)
			continue;
		v = us_kenc_expr(s, terms[i].x);
		gone = -us_kenc_line(
			s, (struct us_kline_lit){
				   .why = why, .at = terms[i].at, .sym = sym, .term = &terms[i] });
		all = us_kenc_and3(s, all, us_kenc_or3(s, v, (struct us_k3){ gone, gone }));
	}
	return all;
}
