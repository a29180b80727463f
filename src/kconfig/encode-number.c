/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers and texts: of each symbol the values that can make a difference are looked at (its
 * defaults and ranges, what it is compared with and the numbers beside that, what is asked), and
 * "another". A number of which that need not be all is open: it keeps to them only where the solver
 * is told so, and what cannot be then is not proved. Comparison: expr_calc_value(), ranges:
 * sym_validate_range() (scripts/kconfig, Linux 6.12).
 */
#include "kconfig/encode.h"

#include "base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

enum number_kind { IS_TEXT, IS_SIGNED, IS_UNSIGNED };

static enum number_kind to_number(const char *text, enum us_ktype type, long long *ret)
{
	char *end;

	errno = 0;
	switch (type) {
	case US_K_BOOL:
	case US_K_TRISTATE:
		*ret = *text == 'n' ? 0 : *text == 'm' ? 1 : 2;
		return IS_SIGNED;
	case US_K_INT:
		*ret = strtoll(text, &end, 10);
		break;
	case US_K_HEX:
		*ret = (long long)strtoull(text, &end, 16);
		break;
	default:
		*ret = strtoll(text, &end, 0);
		break;
	}
	if (errno || *end || end == text || !isxdigit((unsigned char)end[-1]))
		return IS_TEXT;
	return type == US_K_HEX ? IS_UNSIGNED : IS_SIGNED;
}

bool us_kenc_compare(enum us_kop op, const char *a, enum us_ktype a_type, const char *b,
		     enum us_ktype b_type)
{
	enum number_kind a_kind = IS_TEXT, b_kind = IS_TEXT;
	long long x = 0, y = 0;
	int order;

	if (a_type != US_K_STRING || b_type != US_K_STRING) {
		a_kind = to_number(a, a_type, &x);
		b_kind = to_number(b, b_type, &y);
	}
	if (a_kind == IS_TEXT || b_kind == IS_TEXT)
		order = strcmp(a, b);
	else if (a_kind == IS_UNSIGNED || b_kind == IS_UNSIGNED)
		order = ((unsigned long long)x > (unsigned long long)y) -
			((unsigned long long)x < (unsigned long long)y);
	else
		order = (x > y) - (x < y);
	switch (op) {
	case US_KX_EQ:
		return order == 0;
	case US_KX_NE:
		return order != 0;
	case US_KX_LT:
		return order < 0;
	case US_KX_LE:
		return order <= 0;
	case US_KX_GT:
		return order > 0;
	default:
		return order >= 0;
	}
}

static bool is_number_type(const struct us_ksym *sym)
{
	return sym->n_defs && (sym->type == US_K_INT || sym->type == US_K_HEX);
}

static bool has_domain(const struct us_ksym *sym)
{
	return is_number_type(sym) || (sym->n_defs && sym->type == US_K_STRING);
}

static bool same_value(const struct us_ksym *sym, const char *a, const char *b)
{
	return strcmp(a, b) == 0 || (is_number_type(sym) && *a && *b &&
				     us_kenc_compare(US_KX_EQ, a, sym->type, b, sym->type));
}

/* A text may have other values than those looked at anyway. */
static void open_up(struct us_ksolver *s, const struct us_ksym *sym)
{
	s->coded[sym->index].number.open = is_number_type(sym);
}

static void open_both(struct us_ksolver *s, const struct us_ksym *a, const struct us_ksym *b)
{
	open_up(s, a);
	open_up(s, b);
}

enum { DOMAIN_MAX = 256 };

static struct us_ksym *probe_of(const struct us_kx *value)
{
	return value && value->op == US_KX_SYM && value->x->probe ? value->x : NULL;
}

/* A free probe that sym takes its value from may be all that sym may be. */
static bool add_to_probes(struct us_ksolver *s, const struct us_ksym *sym, const char *text)
{
	bool added = true;

	for (size_t i = 0; i < sym->n_defs; i++) {
		for (size_t k = 0; k < sym->defs[i]->n_defaults; k++) {
			struct us_ksym *probe = probe_of(sym->defs[i]->defaults[k].value);

			added &= !probe || us_kenc_domain_add(s, probe, text);
		}
	}
	return added;
}

bool us_kenc_domain_add(struct us_ksolver *s, struct us_ksym *sym, const char *text)
{
	struct us_knumber *number = &s->coded[sym->index].number;
	const char *copy;

	for (size_t i = 0; i < number->n; i++) {
		if (same_value(sym, number->texts[i], text))
			return true;
	}
	if (number->lits)
		return false;
	if (number->n == DOMAIN_MAX) {
		open_up(s, sym);
		return false;
	}
	if (!us_kenc_grow(s, &number->texts, &number->cap, number->n, sizeof(*number->texts)))
		return true;
	copy = us_pool_strdup(&s->pool, text);
	if (!copy)
		s->no_memory = true;
	else
		number->texts[number->n++] = copy;
	return !copy || add_to_probes(s, sym, copy);
}

/* text as a value of sym and, of a number, what lies beside it. */
static void add_with_neighbours(struct us_ksolver *s, struct us_ksym *sym, const char *text)
{
	long long v;

	us_kenc_domain_add(s, sym, text);
	if (!is_number_type(sym) || to_number(text, sym->type, &v) == IS_TEXT)
		return;
	for (int i = -1; i <= 1; i += 2) {
		char *beside = NULL;

		if (sym->type == US_K_HEX && v + i >= 0)
			beside = us_pool_format(&s->pool, "0x%llx", (unsigned long long)(v + i));
		else if (sym->type == US_K_INT && !(v == 0 && i < 0))
			beside = us_pool_format(&s->pool, "%lld", v + i);
		if (beside)
			us_kenc_domain_add(s, sym, beside);
	}
}

static bool is_plain_text(const struct us_ksym *sym)
{
	return !sym->n_defs && !sym->probe;
}

/* y is compared with x. Values are exchanged between two, which is not enough for three in a row. */
static void note_peer(struct us_ksolver *s, struct us_ksym *x, struct us_ksym *y)
{
	struct us_knumber *number = &s->coded[x->index].number;

	if (x == y || number->peer == y)
		return;
	if (!number->peer) {
		number->peer = y;
		return;
	}
	open_up(s, x);
	open_up(s, number->peer);
	open_up(s, y);
}

/* Of two symbols that are compared each may be what the other is, or what lies beside that. */
static void exchange(struct us_ksolver *s, struct us_ksym *x, struct us_ksym *y)
{
	size_t n_x = s->coded[x->index].number.n, n_y = s->coded[y->index].number.n;

	note_peer(s, x, y);
	note_peer(s, y, x);
	for (size_t i = 0; x != y && i < n_y; i++)
		add_with_neighbours(s, x, s->coded[y->index].number.texts[i]);
	for (size_t i = 0; x != y && i < n_x; i++)
		add_with_neighbours(s, y, s->coded[x->index].number.texts[i]);
}

/* What symbols are compared with, in either order: texts, or (pairs) each other. */
static void domains_of_expr(struct us_ksolver *s, const struct us_kx *x, bool pairs)
{
	if (!x || x->op == US_KX_SYM)
		return;
	if (x->op <= US_KX_OR) {
		domains_of_expr(s, x->a, pairs);
		domains_of_expr(s, x->b, pairs);
		return;
	}
	if (pairs && has_domain(x->x) && has_domain(x->y)) {
		if (x->x->type == x->y->type)
			exchange(s, x->x, x->y);
		else
			open_both(s, x->x, x->y);
	}
	if (pairs)
		return;
	if (has_domain(x->x) && is_plain_text(x->y))
		add_with_neighbours(s, x->x, x->y->name);
	if (has_domain(x->y) && is_plain_text(x->x))
		add_with_neighbours(s, x->y, x->x->name);
}

static void domain_from(struct us_ksolver *s, struct us_ksym *sym, const struct us_kx *from)
{
	if (has_domain(sym) && from && from->op == US_KX_SYM && is_plain_text(from->x))
		us_kenc_domain_add(s, sym, from->x->name);
}

static void domains_of_def(struct us_ksolver *s, const struct us_kdef *def, bool pairs)
{
	for (size_t i = 0; i < def->n_depends; i++)
		domains_of_expr(s, def->depends[i].x, pairs);
	for (size_t i = 0; i < def->n_visible; i++)
		domains_of_expr(s, def->visible[i].x, pairs);
	domains_of_expr(s, def->prompt_cond, pairs);
	for (size_t i = 0; i < def->n_defaults; i++) {
		domains_of_expr(s, def->defaults[i].cond, pairs);
		domains_of_expr(s, def->defaults[i].value, pairs);
		domain_from(s, def->sym, def->defaults[i].value);
	}
	for (size_t i = 0; i < def->n_ranges; i++) {
		domains_of_expr(s, def->ranges[i].cond, pairs);
		domain_from(s, def->sym, def->ranges[i].low);
		domain_from(s, def->sym, def->ranges[i].high);
	}
	for (size_t i = 0; i < def->n_selects; i++)
		domains_of_expr(s, def->selects[i].cond, pairs);
	for (size_t i = 0; i < def->n_implies; i++)
		domains_of_expr(s, def->implies[i].cond, pairs);
}

static bool has_prompt(const struct us_ksym *sym)
{
	for (size_t i = 0; i < sym->n_defs; i++) {
		if (sym->defs[i]->prompt)
			return true;
	}
	return false;
}

/* Takes over what the symbol in from may be; true if that was news. Where the user sets that
 * symbol, what sym is compared with matters there, too. */
static bool join_domain(struct us_ksolver *s, struct us_ksym *sym, const struct us_kx *from)
{
	struct us_knumber *number = &s->coded[sym->index].number;
	size_t before = number->n;

	if (!has_domain(sym) || !from || from->op != US_KX_SYM ||
	    (!has_domain(from->x) && !from->x->probe))
		return false;
	if (has_prompt(from->x))
		open_both(s, sym, from->x);
	for (size_t i = 0; i < s->coded[from->x->index].number.n; i++)
		us_kenc_domain_add(s, sym, s->coded[from->x->index].number.texts[i]);
	return number->n != before;
}

static bool join_domains(struct us_ksolver *s, const struct us_kdef *def)
{
	bool news = false;

	for (size_t i = 0; i < def->n_defaults; i++)
		news |= join_domain(s, def->sym, def->defaults[i].value);
	for (size_t i = 0; i < def->n_ranges; i++) {
		news |= join_domain(s, def->sym, def->ranges[i].low);
		news |= join_domain(s, def->sym, def->ranges[i].high);
	}
	return news;
}

/* What a number is that nothing sets: nothing until Linux 6.7. */
static const char *zero_text(const struct us_ksolver *s, const struct us_ksym *sym)
{
	const struct us_ktree *tree = s->tree;

	if (sym->type == US_K_STRING || tree->major < 6 || (tree->major == 6 && tree->minor < 8))
		return "";
	return sym->type == US_K_HEX ? "0x0" : "0";
}

static void join_all(struct us_ksolver *s)
{
	struct us_ktree *tree = s->tree;
	bool news = true;

	for (int round = 0; news && round < 16; round++) {
		news = false;
		for (size_t i = 0; i < tree->n_symbols; i++) {
			for (size_t k = 0;
			     has_domain(tree->symbols[i]) && k < tree->symbols[i]->n_defs; k++)
				news |= join_domains(s, tree->symbols[i]->defs[k]);
		}
	}
}

void us_kenc_domains(struct us_ksolver *s)
{
	struct us_ktree *tree = s->tree;

	for (int pairs = 0; pairs < 2; pairs++) {
		for (size_t i = 0; i < tree->n_symbols; i++) {
			struct us_ksym *sym = tree->symbols[i];

			for (size_t k = 0; k < sym->n_defs; k++)
				domains_of_def(s, sym->defs[k], pairs);
			if (has_domain(sym))
				us_kenc_domain_add(s, sym, zero_text(s, sym));
		}
		join_all(s);
	}
}

int us_kenc_number_is(struct us_ksolver *s, struct us_ksym *sym, const char *text)
{
	struct us_knumber *number = &s->coded[sym->index].number;

	for (size_t i = 0; i < number->n; i++) {
		if (same_value(sym, number->texts[i], text))
			return number->lits[i];
	}
	return number->other;
}

/* A bound or default as it is now: text i of from is lits[i]; a constant has one. */
struct source {
	const char *const *texts;
	const int *lits;
	size_t n;
	int other;
	const char *constant;
	int constant_lit;
};

static void allot(struct us_ksolver *s, struct us_knumber *number)
{
	number->lits = calloc(number->n + 1, sizeof(*number->lits));
	if (!number->lits) {
		s->no_memory = true;
		return;
	}
	for (size_t i = 0; i < number->n; i++)
		number->lits[i] = us_kenc_new(s);
	number->other = us_kenc_new(s);
}

void us_kenc_number_allot(struct us_ksolver *s, struct us_ksym *sym)
{
	struct us_knumber *number = &s->coded[sym->index].number;

	if (!number->lits && has_domain(sym))
		allot(s, number);
}

/* Exactly one of its values. */
static void one_value(struct us_ksolver *s, const struct us_knumber *number)
{
	int some = number->other;

	for (size_t i = 0; i < number->n; i++) {
		for (size_t k = i + 1; k < number->n; k++)
			us_kenc_add(s, -number->lits[i], -number->lits[k]);
		us_kenc_add(s, -number->lits[i], -number->other);
		some = us_kenc_or(s, some, number->lits[i]);
	}
	us_kenc_add(s, some);
}

static void allot_probe(struct us_ksolver *s, const struct us_ksym *probe)
{
	struct us_knumber *number = &s->coded[probe->index].number;

	if (number->lits)
		return;
	allot(s, number);
	if (number->lits)
		one_value(s, number);
}

static struct source source_of(struct us_ksolver *s, const struct us_kx *x)
{
	struct source from = { .other = US_KLIT_FALSE, .constant_lit = US_KLIT_TRUE };

	if (x->op != US_KX_SYM || (x->x->n_defs && !has_domain(x->x))) {
		us_kenc_expr(s, x);
		from.other = US_KLIT_TRUE;
		return from;
	}
	if (x->x->probe)
		allot_probe(s, x->x);
	if (!has_domain(x->x) && !x->x->probe) {
		from.constant = x->x->name;
		from.texts = &x->x->name;
		from.lits = NULL;
		from.n = 1;
		return from;
	}
	us_kenc_symbol(s, x->x);
	from.texts = s->coded[x->x->index].number.texts;
	from.lits = s->coded[x->x->index].number.lits;
	from.n = s->coded[x->x->index].number.n;
	from.other = s->coded[x->x->index].number.other;
	return from;
}

static int source_lit(const struct source *from, size_t i)
{
	return from->lits ? from->lits[i] : from->constant_lit;
}

/* "It is at least bound" (GE) or "at most" (LE), for the text v: true where the bound is not known. */
static int within(struct us_ksolver *s, const struct us_ksym *sym, const char *v, enum us_kop op,
		  const struct source *bound)
{
	int beyond = US_KLIT_FALSE;

	for (size_t i = 0; i < bound->n; i++) {
		const char *number = *v ? v : "0",
			   *limit = *bound->texts[i] ? bound->texts[i] : "0";

		if (!us_kenc_compare(op, number, sym->type, limit, sym->type))
			beyond = us_kenc_or(s, beyond, source_lit(bound, i));
	}
	return -beyond;
}

/* What a symbol's number is when the user does not set it: literals beside those of the number. */
struct unset {
	int *lits;
	int other;
};

static void add_source(struct us_ksolver *s, struct us_ksym *sym, struct unset *unset,
		       const struct source *from, int when)
{
	const struct us_knumber *number = &s->coded[sym->index].number;

	for (size_t i = 0; i < from->n; i++) {
		int lit = us_kenc_and(s, when, source_lit(from, i));
		bool found = false;

		for (size_t k = 0; k < number->n && !found; k++) {
			found = same_value(sym, number->texts[k], from->texts[i]);
			if (found)
				unset->lits[k] = us_kenc_or(s, unset->lits[k], lit);
		}
		if (!found)
			unset->other = us_kenc_or(s, unset->other, lit);
	}
	unset->other = us_kenc_or(s, unset->other, us_kenc_and(s, when, from->other));
}

static void collect_defaults(struct us_ksolver *s, struct us_ksym *sym, struct unset *unset)
{
	const char *zero = zero_text(s, sym);
	struct source nothing = {
		.texts = &zero, .n = 1, .other = US_KLIT_FALSE, .constant_lit = US_KLIT_TRUE
	};
	int none_before = US_KLIT_TRUE;

	for (size_t i = 0; i < sym->n_defs; i++) {
		for (size_t k = 0; k < sym->defs[i]->n_defaults; k++) {
			const struct us_kprop *prop = &sym->defs[i]->defaults[k];
			int cond = us_kenc_prop_cond(s, US_KWHY_DEFAULT, prop).m;
			struct source from = source_of(s, prop->value);

			add_source(s, sym, unset, &from, us_kenc_and(s, cond, none_before));
			none_before = us_kenc_and(s, none_before, -cond);
		}
	}
	add_source(s, sym, unset, &nothing, none_before);
}

/* Moves what lies outside of the range into it, and keeps the user inside. */
static void apply_range(struct us_ksolver *s, struct us_ksym *sym, struct unset *unset,
			const struct us_kprop *prop, int active, int visible)
{
	const struct us_knumber *number = &s->coded[sym->index].number;
	struct source low = source_of(s, prop->low), high = source_of(s, prop->high);
	int below = US_KLIT_FALSE, above = US_KLIT_FALSE;

	for (size_t i = 0; i < number->n; i++) {
		int over = -within(s, sym, number->texts[i], US_KX_GE, &low);
		int under =
			us_kenc_and(s, -over, -within(s, sym, number->texts[i], US_KX_LE, &high));
		int was = us_kenc_and(s, active, unset->lits[i]);

		us_kenc_add(s, -visible, -active, -over, -number->lits[i]);
		us_kenc_add(s, -visible, -active, -under, -number->lits[i]);
		below = us_kenc_or(s, below, us_kenc_and(s, was, over));
		above = us_kenc_or(s, above, us_kenc_and(s, was, under));
		unset->lits[i] = us_kenc_and(s, unset->lits[i],
					     -us_kenc_and(s, active, us_kenc_or(s, over, under)));
	}
	add_source(s, sym, unset, &low, below);
	add_source(s, sym, unset, &high, above);
}

static void collect_ranges(struct us_ksolver *s, struct us_ksym *sym, struct unset *unset,
			   int visible)
{
	int none_before = US_KLIT_TRUE;

	for (size_t i = 0; is_number_type(sym) && i < sym->n_defs; i++) {
		for (size_t k = 0; k < sym->defs[i]->n_ranges; k++) {
			const struct us_kprop *prop = &sym->defs[i]->ranges[k];
			int cond = us_kenc_prop_cond(s, US_KWHY_RANGE, prop).m;

			apply_range(s, sym, unset, prop, us_kenc_and(s, cond, none_before), visible);
			none_before = us_kenc_and(s, none_before, -cond);
		}
	}
}

void us_kenc_number(struct us_ksolver *s, struct us_ksym *sym, struct us_k3 visible)
{
	struct us_knumber *number = &s->coded[sym->index].number;
	_us_free_ int *lits = NULL;
	struct unset unset = { .other = US_KLIT_FALSE };
	int moved = US_KLIT_FALSE;

	us_kenc_number_allot(s, sym);
	unset.lits = lits = calloc(number->n + 1, sizeof(*lits));
	if (!lits || !number->lits) {
		s->no_memory = true;
		return;
	}
	for (size_t i = 0; i < number->n; i++)
		unset.lits[i] = US_KLIT_FALSE;
	collect_defaults(s, sym, &unset);
	collect_ranges(s, sym, &unset, visible.m);
	one_value(s, number);
	for (size_t i = 0; i < number->n; i++)
		moved = us_kenc_or(s, moved, us_kenc_and(s, number->lits[i], -unset.lits[i]));
	moved = us_kenc_or(s, moved, us_kenc_and(s, number->other, -unset.other));
	us_kenc_add(s, -moved, visible.m);
	/* of a number the values looked at are one of each kind: another makes no difference */
	if (is_number_type(sym)) {
		if (number->open && !s->closed)
			s->closed = us_kenc_new(s);
		us_kenc_add(s, number->open ? -s->closed : US_KLIT_FALSE, -number->other,
			    unset.other);
	}
	s->coded[sym->index].moved = moved;
}
