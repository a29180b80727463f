/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The value of one symbol, as the tree's own conf computes it (Linux scripts/kconfig/symbol.c, 6.1,
 * 6.12 and 7.3): the user's wish as far as a prompt shows, else the first default that holds and
 * what is implied; then what selects it. One thing per era: choices (eval-choice.c), the value of a
 * number that nobody gives (until 6.7 empty, since then 0), transitional symbols (since 6.18).
 */
#include "kconfig/eval-int.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/*
 * How deep symbols and the operators between them may need one another, so that the stack suffices;
 * a symbol takes as much of it as so many operators. Real trees stay below 25 symbols.
 */
#define DEPTH_MAX    10000
#define DEPTH_SYMBOL 10

static struct us_kvalue *value_of(struct us_kvalues *v, const struct us_ksym *sym)
{
	return &v->v[sym->index];
}

/* ---- text ---- */

static bool valid_int(const char *s)
{
	if (*s == '-')
		s++;
	if (!isdigit((unsigned char)*s) || (*s == '0' && s[1]))
		return false;
	return s[strspn(s, "0123456789")] == '\0';
}

static bool valid_hex(const char *s)
{
	if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		s += 2;
	return *s && s[strspn(s, "0123456789abcdefABCDEF")] == '\0';
}

bool us_kcalc_valid(const struct us_ksym *sym, const char *text)
{
	switch (sym->type) {
	case US_K_BOOL:
		return *text == 'y' || *text == 'n';
	case US_K_TRISTATE:
		return *text == 'y' || *text == 'm' || *text == 'n';
	case US_K_INT:
		return valid_int(text);
	case US_K_HEX:
		return valid_hex(text);
	case US_K_STRING:
		return true;
	default:
		return false;
	}
}

bool us_kcalc_unknown(const struct us_kvalues *v, const struct us_ksym *sym)
{
	return sym->probe ? !v->probe_texts[sym->index] : v->v[sym->index].unknown;
}

/* What a number or text takes over from another symbol. */
static const char *taken_from(struct us_kvalues *v, const struct us_ksym *sym)
{
	us_kcalc(v, sym);
	if (sym->probe)
		return v->probe_texts[sym->index];
	if (sym->constant || sym->type == US_K_UNKNOWN)
		return sym->name;
	return us_kcalc_is_tri(sym) ? "n" : value_of(v, sym)->text;
}

static long long bound(struct us_kvalues *v, const struct us_ksym *of, const struct us_kx *x,
		       const char **text)
{
	enum us_ktype type =
		x->x->type == US_K_INT || x->x->type == US_K_HEX ? x->x->type : of->type;

	*text = taken_from(v, x->x);
	if (!*text)
		*text = "0";
	return strtoll(*text, NULL, type == US_K_HEX ? 16 : 10);
}

static const struct us_kprop *range_of(struct us_kvalues *v, const struct us_ksym *sym)
{
	if (sym->type != US_K_INT && sym->type != US_K_HEX)
		return NULL;
	for (size_t i = 0; i < sym->n_defs; i++) {
		const struct us_kdef *def = sym->defs[i];

		for (size_t k = 0; k < def->n_ranges; k++) {
			if (us_kcalc_condition(v, &def->ranges[k]) != US_KN)
				return &def->ranges[k];
		}
	}
	return NULL;
}

/* text, or the end of sym's range that it lies beyond. */
static const char *within_range(struct us_kvalues *v, const struct us_ksym *sym, const char *text)
{
	const struct us_kprop *range = range_of(v, sym);
	const char *low, *high;
	long long n;

	if (!range)
		return text;
	n = strtoll(text, NULL, sym->type == US_K_HEX ? 16 : 10);
	if (n < bound(v, sym, range->low, &low))
		return low;
	return n > bound(v, sym, range->high, &high) ? high : text;
}

bool us_kcalc_in_range(struct us_kvalues *v, const struct us_ksym *sym, const char *text)
{
	return within_range(v, sym, text) == text;
}

/* ---- parts ---- */

enum us_ktri us_kcalc_visibility(struct us_kvalues *v, const struct us_ksym *sym)
{
	struct us_kvalue *value = value_of(v, sym);
	enum us_ktri t = US_KN;

	if (sym->transitional) {
		value->visible = US_KY;
		return US_KY;
	}
	for (size_t i = 0; i < sym->n_defs && t != US_KY; i++) {
		const struct us_kdef *def = sym->defs[i];
		enum us_ktri prompt = def->prompt ? us_kcalc_prompt(v, def) : US_KN;

		/* where one member of a choice is y, those that could only be m are not offered */
		if (prompt == US_KM && sym->choice && sym->type == US_K_TRISTATE &&
		    us_kcalc_old_choices(v->tree) && us_kcalc_choice(v, sym->choice)->tri == US_KY)
			prompt = US_KN;
		t = us_ktri_or(t, prompt);
	}
	value->visible = us_kcalc_rounded(v, sym->type, t);
	return value->visible;
}

/*
 * What an imply may not exceed. Of several entries the one that depends on nothing does not count,
 * which is how conf does it.
 */
static enum us_ktri depends_of(struct us_kvalues *v, const struct us_ksym *sym)
{
	enum us_ktri t = US_KN;
	bool any = false;

	for (size_t i = 0; i < sym->n_defs && t != US_KY; i++) {
		if (!sym->defs[i]->n_depends)
			continue;
		any = true;
		t = us_ktri_or(t, us_kcalc_depends(v, sym->defs[i]));
	}
	return any ? t : US_KY;
}

static enum us_ktri reverse(struct us_kvalues *v, const struct us_kprop *const *props, size_t n)
{
	enum us_ktri t = US_KN;

	for (size_t i = 0; i < n && t != US_KY; i++) {
		const struct us_ksym *by = props[i]->def->sym;

		us_kcalc(v, by);
		if (value_of(v, by)->tri != US_KN)
			t = us_ktri_or(t, us_ktri_and(value_of(v, by)->tri,
						      us_kcalc_condition(v, props[i])));
	}
	return t;
}

static const struct us_kprop *default_of(struct us_kvalues *v, const struct us_ksym *sym,
					 enum us_ktri *condition)
{
	for (size_t i = 0; i < sym->n_defs; i++) {
		const struct us_kdef *def = sym->defs[i];

		for (size_t k = 0; k < def->n_defaults; k++) {
			*condition = us_kcalc_condition(v, &def->defaults[k]);
			if (*condition != US_KN)
				return &def->defaults[k];
		}
	}
	return NULL;
}

/* ---- values ---- */

/* Until 5.6 what y implies is not m, and an imply counts in full unless the depends are n. */
static bool strict_imply(const struct us_ktree *tree)
{
	return us_kcalc_before(tree, 5, 7);
}

/* Of a bool or tristate without a wish that counts. */
static enum us_ktri unasked(struct us_kvalues *v, const struct us_ksym *sym)
{
	struct us_kvalue *value = value_of(v, sym);
	enum us_ktri condition, t = US_KN;

	value->by_default = default_of(v, sym, &condition);
	if (value->by_default)
		t = us_ktri_and(us_kcalc_expr(v, value->by_default->value), condition);
	if (value->selected != US_KN || t != US_KN || value->implied != US_KN)
		value->write = true;
	if (value->implied != US_KN)
		t = us_ktri_and(us_ktri_or(t, value->implied),
				strict_imply(v->tree) ? US_KY : value->depends);
	return t;
}

static enum us_ktri tri_value(struct us_kvalues *v, const struct us_ksym *sym)
{
	struct us_kvalue *value = value_of(v, sym);
	enum us_ktri t;

	if (sym->choice) {
		const struct us_kchosen *chosen = us_kcalc_choice(v, sym->choice);

		if (!us_kcalc_old_choices(v->tree) || value->visible == US_KY)
			return value->visible != US_KN && chosen->sym == sym ? US_KY : US_KN;
	} else if (!sym->transitional) {
		value->depends = us_kcalc_rounded(v, sym->type, depends_of(v, sym));
		value->selected = us_kcalc_rounded(
			v, sym->type, reverse(v, sym->selected_by, sym->n_selected_by));
		value->implied = us_kcalc_rounded(v, sym->type,
						  reverse(v, sym->implied_by, sym->n_implied_by));
		if (strict_imply(v->tree) && value->depends == US_KN)
			value->implied = US_KN;
	}
	if (value->visible != US_KN && value->user)
		t = us_ktri_and(value->wished, value->visible);
	else
		t = unasked(v, sym);
	t = us_kcalc_rounded(v, sym->type, us_ktri_or(t, value->selected));
	return t == US_KM && value->implied == US_KY && strict_imply(v->tree) ? US_KY : t;
}

static const char *text_value(struct us_kvalues *v, const struct us_ksym *sym)
{
	struct us_kvalue *value = value_of(v, sym);
	bool zero = !us_kcalc_before(v->tree, 6, 8);
	const char *text = NULL;
	enum us_ktri condition;

	if (value->visible != US_KN && value->user)
		return value->wish;
	value->by_default = default_of(v, sym, &condition);
	if (value->by_default && value->by_default->value->op == US_KX_SYM) {
		value->write = true;
		text = taken_from(v, value->by_default->value->x);
		value->unknown = us_kcalc_unknown(v, value->by_default->value->x);
	}
	if (text)
		return text;
	return zero && sym->type == US_K_INT ? "0" : zero && sym->type == US_K_HEX ? "0x0" : "";
}

static void calc_defined(struct us_kvalues *v, const struct us_ksym *sym)
{
	struct us_kvalue *value = value_of(v, sym);

	value->write = us_kcalc_visibility(v, sym) != US_KN;
	if (us_kcalc_is_tri(sym)) {
		value->tri = tri_value(v, sym);
		value->text = us_ktri_text(value->tri);
	} else {
		value->text = text_value(v, sym);
		value->text = within_range(v, sym, value->text);
	}
	if (sym->transitional || sym->defconfig_list)
		value->write = false;
	if (sym == v->tree->modules)
		v->modules = value->tri;
}

void us_kcalc(struct us_kvalues *v, const struct us_ksym *sym)
{
	struct us_kvalue *value = value_of(v, sym);

	if (value->state != US_KSTATE_NONE)
		return;
	value->state = US_KSTATE_BUSY;
	value->tri = US_KN;
	value->text = us_kcalc_is_tri(sym) || !sym->n_defs ? "n" : "";
	if (sym->probe)
		value->tri = v->probes[sym->index];
	else if (sym->constant)
		value->tri = sym == v->tree->yes ? US_KY : sym == v->tree->mod ? US_KM : US_KN;
	else if (v->depth >= DEPTH_MAX)
		v->too_deep = sym;
	else if (sym->n_defs && sym->type != US_K_UNKNOWN) {
		v->depth += DEPTH_SYMBOL;
		calc_defined(v, sym);
		v->depth -= DEPTH_SYMBOL;
	}
	value->state = US_KSTATE_DONE;
}
