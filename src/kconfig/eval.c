/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values of all symbols of a tree, as conf's olddefconfig, alldefconfig, allnoconfig, allyesconfig
 * and allmodconfig give them (Linux scripts/kconfig/conf.c and confdata.c, 6.1 and 6.12): who
 * wishes what, then eval-calc.c. randconfig is not here: the solver draws.
 */
#include "base/cleanup.h"
#include "kconfig/eval-int.h"

#include <stdlib.h>
#include <string.h>

struct us_err *us_kvalues_new(const struct us_ktree *tree, struct us_kvalues **ret)
{
	_us_kvalues_free_ struct us_kvalues *v = calloc(1, sizeof(*v));

	if (!v)
		return us_err_nomem();
	v->tree = tree;
	v->v = us_pool_array(&v->pool, tree->n_symbols, sizeof(*v->v));
	v->probes = us_pool_array(&v->pool, tree->n_symbols, sizeof(*v->probes));
	v->probe_texts = us_pool_array(&v->pool, tree->n_symbols, sizeof(*v->probe_texts));
	v->choices = us_pool_array(&v->pool, tree->n_choices, sizeof(*v->choices));
	if (!v->v || !v->probes || !v->probe_texts || !v->choices)
		return us_err_nomem();
	for (size_t i = 0; i < tree->n_symbols; i++)
		v->probes[i] = US_KY;
	*ret = us_steal(&v);
	return NULL;
}

void us_kvalues_free(struct us_kvalues *values)
{
	if (!values)
		return;
	us_pool_deinit(&values->pool);
	free(values);
}

bool us_kvalues_wish(struct us_kvalues *values, const struct us_ksym *sym, const char *text)
{
	struct us_kvalue *value = &values->v[sym->index];

	if (sym->constant || sym->probe || !us_kcalc_valid(sym, text))
		return false;
	value->user = true;
	if (us_kcalc_is_tri(sym)) {
		value->wished = *text == 'y' ? US_KY : *text == 'm' ? US_KM : US_KN;
		value->wish = us_ktri_text(value->wished);
	} else {
		value->wish = text;
	}
	return true;
}

/* The lines of a .config; what the tree has not, or of another type, is passed over as conf does. */
static struct us_err *take_wishes(struct us_kvalues *v, const struct us_kconfig *wishes)
{
	for (size_t i = 0; i < v->tree->n_symbols; i++) {
		const struct us_ksym *sym = v->tree->symbols[i];
		size_t line = sym->n_defs ? us_kconfig_line(wishes, sym->name) : 0;
		const char *text;

		if (!line)
			continue;
		text = us_kconfig_value(wishes, sym->name);
		if (us_kconfig_quoted(wishes, sym->name) != (text && sym->type == US_K_STRING))
			continue;
		if (!text)
			text = us_kcalc_is_tri(sym) ? "n" : NULL;
		else if (!us_kcalc_is_tri(sym)) {
			text = us_pool_strdup(&v->pool, text);
			if (!text)
				return us_err_nomem();
		}
		if (text && us_kvalues_wish(v, sym, text))
			v->v[sym->index].order = line;
	}
	return NULL;
}

static bool has_prompt(const struct us_ksym *sym)
{
	for (size_t i = 0; i < sym->n_defs; i++) {
		if (sym->defs[i]->prompt)
			return true;
	}
	return false;
}

/* What allnoconfig and its like answer where no wish is. Since 6.11 a choice's members are not
 * asked. */
static void answer_all(struct us_kvalues *v, enum us_kstart start)
{
	static const char *const answers[] = {
		[US_KSTART_NO] = "n", [US_KSTART_YES] = "y", [US_KSTART_MODULES] = "m"
	};
	bool members = us_kcalc_old_choices(v->tree);

	for (size_t i = 0; i < v->tree->n_symbols; i++) {
		const struct us_ksym *sym = v->tree->symbols[i];
		struct us_kvalue *value = &v->v[i];
		const char *answer = answers[start];

		if (value->user || !us_kcalc_is_tri(sym) || !has_prompt(sym) ||
		    (sym->choice && !members))
			continue;
		if (start == US_KSTART_NO && sym->allnoconfig_y)
			answer = "y";
		value->user = true;
		value->wish = answer;
		value->wished = *answer == 'y' ? US_KY : *answer == 'm' ? US_KM : US_KN;
	}
}

/* What the members' wishes come to for an old choice: m after y contradicts itself and is no wish. */
static enum us_ktri choice_wish(const struct us_kvalues *v, const struct us_kchoice *choice)
{
	enum us_ktri wished = v->listed ? US_KN : v->all_choices;
	size_t first_y = SIZE_MAX, last_m = 0;

	for (size_t i = 0; i < choice->n_members; i++) {
		const struct us_kvalue *value = &v->v[choice->members[i]->index];

		if (!value->user || !value->order)
			continue;
		wished = us_ktri_or(wished, value->wished);
		if (value->wished == US_KY && value->order < first_y)
			first_y = value->order;
		if (value->wished == US_KM && value->order > last_m)
			last_m = value->order;
	}
	return last_m > first_y ? v->all_choices : wished;
}

static void reset(struct us_kvalues *v)
{
	for (size_t i = 0; i < v->tree->n_symbols; i++) {
		struct us_kvalue *value = &v->v[i];

		*value = (struct us_kvalue){ .user = value->user,
					     .wish = value->wish,
					     .wished = value->wished,
					     .order = value->order };
	}
	for (size_t i = 0; i < v->tree->n_choices; i++) {
		enum us_ktri wished = choice_wish(v, v->tree->choices[i]);

		v->choices[i] = (struct us_kchosen){ .wished = wished };
	}
	v->modules = US_KN;
	v->too_deep = NULL;
}

struct us_err *us_kvalues_compute(struct us_kvalues *values)
{
	const struct us_ktree *tree = values->tree;

	reset(values);
	if (tree->modules)
		us_kcalc(values, tree->modules);
	for (size_t i = 0; i < tree->n_symbols; i++)
		us_kcalc(values, tree->symbols[i]);
	for (size_t i = 0; i < tree->n_choices; i++)
		us_kcalc_choice(values, tree->choices[i]);
	if (values->too_deep)
		return us_err_new(
			US_ERR_UNSUPPORTED,
			"too many symbols depend on one another in a row, up to %s (%s:%u)",
			values->too_deep->name, values->too_deep->defs[0]->at.file,
			values->too_deep->defs[0]->at.line);
	return NULL;
}

/* A number or text that was wished for, and where conf's table of symbols has it. */
struct wished_text {
	uint32_t bucket;
	size_t index;
};

static int by_bucket(const void *a, const void *b)
{
	const struct wished_text *x = a, *y = b;

	if (x->bucket != y->bucket)
		return (x->bucket > y->bucket) - (x->bucket < y->bucket);
	return (x->index < y->index) - (x->index > y->index);
}

static uint32_t bucket_of(const char *name)
{
	uint32_t hash = 2166136261u; /* FNV-1, 32 bits */

	for (; *name; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619u;
	return hash % 9973;
}

/*
 * Until 6.10 reading a .config forgets a number beyond its range; what was computed from it until
 * then stays. Whether a range holds may hang on another such number, hence the order: conf's.
 */
static struct us_err *forget_out_of_range(struct us_kvalues *v)
{
	_us_free_ struct wished_text *texts = calloc(v->tree->n_symbols + 1, sizeof(*texts));
	size_t n = 0;

	if (!texts)
		return us_err_nomem();
	for (size_t i = 0; i < v->tree->n_symbols; i++) {
		const struct us_ksym *sym = v->tree->symbols[i];

		if (v->v[i].user && !us_kcalc_is_tri(sym))
			texts[n++] = (struct wished_text){ bucket_of(sym->name), i };
	}
	qsort(texts, n, sizeof(*texts), by_bucket);
	for (size_t i = 0; i < n; i++) {
		struct us_kvalue *value = &v->v[texts[i].index];

		if (us_kcalc_in_range(v, v->tree->symbols[texts[i].index], value->wish))
			continue;
		value->user = false;
		value->state = US_KSTATE_NONE;
	}
	for (size_t i = 0; i < n; i++)
		us_kcalc(v, v->tree->symbols[texts[i].index]);
	return NULL;
}

struct us_err *us_ktree_evaluate(const struct us_ktree *tree, enum us_kstart start,
				 const struct us_kconfig *wishes, struct us_kvalues **ret)
{
	_us_kvalues_free_ struct us_kvalues *v = NULL;

	US_TRY(us_kvalues_new(tree, &v));
	if (wishes)
		US_TRY(take_wishes(v, wishes));
	if (start != US_KSTART_DEFAULTS)
		answer_all(v, start);
	v->listed = wishes;
	v->all_choices = start == US_KSTART_YES       ? US_KY
			 : start == US_KSTART_MODULES ? US_KM
						      : US_KN;
	US_TRY(us_kvalues_compute(v));
	if (wishes && start == US_KSTART_DEFAULTS && us_kcalc_old_choices(tree))
		US_TRY(forget_out_of_range(v));
	*ret = us_steal(&v);
	return NULL;
}

const char *us_kvalues_text(const struct us_kvalues *values, const struct us_ksym *sym)
{
	return values->v[sym->index].text;
}
