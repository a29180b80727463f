/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lines of a .config that a kernel lacks for the parts asked, by the tables of role-rules.c
 * alone: what the rules want, and what those options need themselves where the tables know it. No
 * source tree is looked at, so nothing here says that a kernel's configuration step keeps the
 * lines.
 */
#include "check/check-int.h"

#include <string.h>

/* A term "SYMBOL=value" of a want, up to the next '&' or '|'; false where no assignment stands. */
static bool take_term(const char **s, struct us_bytes *symbol, struct us_bytes *value)
{
	const char *at = *s + strspn(*s, " &");
	size_t n = strcspn(at, "=<>!& |"), m;

	if (!n || at[n] != '=')
		return false;
	m = strcspn(at + n + 1, " &|");
	*symbol = us_bytes_of(at, n);
	*value = us_bytes_of(at + n + 1, m);
	at += n + 1 + m;
	*s = at + strspn(at, " ");
	return true;
}

static struct us_err *add(struct us_part_wishes *wishes, struct us_bytes symbol,
			  struct us_bytes value)
{
	struct us_part_wish wish = {
		us_pool_strndup(wishes->pool, (const char *)symbol.p, symbol.n),
		us_pool_strndup(wishes->pool, (const char *)value.p, value.n),
	};

	if (!wish.symbol || !wish.value)
		return us_err_nomem();
	for (size_t i = 0; i < wishes->n; i++)
		if (!strcmp(wishes->v[i].symbol, wish.symbol))
			return NULL;
	if (wishes->n == us_array_size(wishes->v))
		return us_err_new(US_ERR_NO_ROOM, "more than %zu options are wanted", wishes->n);
	wishes->v[wishes->n++] = wish;
	return NULL;
}

struct us_err *us_part_wish(struct us_part_wishes *wishes, const char *want)
{
	struct us_bytes symbol, value;
	const char *s = want;

	do {
		if (!take_term(&s, &symbol, &value))
			return NULL;
		US_TRY(add(wishes, symbol, value));
	} while (*s == '&');
	return NULL;
}

bool us_part_wishable(const struct us_part_finding *f)
{
	return f->rule->weight == US_PART_NEEDS && !f->rule->comes &&
	       !(f->rule->unknown_ok && f->v == US_UNKNOWN);
}

struct overlay {
	struct us_parts *parts;
	const struct us_part_wishes *wishes;
};

/* A us_want_fn: as it will be with the wishes. */
static enum us_tri value_with(void *data, const char *symbol, const char **ret)
{
	const struct overlay *o = data;

	for (size_t i = 0; i < o->wishes->n; i++) {
		if (strcmp(o->wishes->v[i].symbol, symbol))
			continue;
		*ret = o->wishes->v[i].value;
		return us_tri_of(strcmp(*ret, "n"));
	}
	return us_part_value(o->parts, symbol, ret);
}

/* What a wish needs itself, and what that needs. */
static struct us_err *add_needs(struct us_parts *parts, struct us_part_wishes *wishes)
{
	struct overlay o = { parts, wishes };
	const struct us_part_need *need;

	for (size_t i = 0; i < wishes->n; i++) {
		for (size_t j = 0; (need = us_part_need_at(j)); j++) {
			if (strcmp(need->symbol, wishes->v[i].symbol) ||
			    us_part_applies(parts, need->age, need->since, need->until,
					    need->arch) == US_NO ||
			    us_want_judge(need->want, value_with, &o) == US_YES)
				continue;
			US_TRY(us_part_wish(wishes, need->want));
		}
	}
	return NULL;
}

/* Each part asked: its own needs; and those of one call, if it has neither. */
static struct us_err *add_part(struct us_parts *parts, const struct us_part_verdict *v,
			       struct us_part_wishes *wishes)
{
	unsigned int call =
		us_part_arch_has_file(parts->witness.arch) ? US_PART_BY_FILE : US_PART_BY_LOAD;

	if (v->by_load == US_YES || v->by_file == US_YES)
		call = 0;
	for (size_t i = 0; i < v->n_findings; i++) {
		const struct us_part_finding *f = &v->findings[i];

		if (!us_part_wishable(f) || f->v == US_YES ||
		    (f->rule->calls && !(f->rule->calls & call)))
			continue;
		US_TRY(us_part_wish(wishes, f->rule->want));
	}
	return NULL;
}

static struct us_err *as_lines(struct us_parts *parts, const struct us_part_wishes *wishes,
			       const char *const **ret)
{
	const char **lines = us_pool_array(&parts->pool, wishes->n + 1, sizeof(*lines));

	for (size_t i = 0; lines && i < wishes->n; i++) {
		const struct us_part_wish *w = &wishes->v[i];

		lines[i] =
			strcmp(w->value, "n")
				? us_pool_format(&parts->pool, "CONFIG_%s=%s", w->symbol, w->value)
				: us_pool_format(&parts->pool, "# CONFIG_%s is not set", w->symbol);
		if (!lines[i])
			return us_err_nomem();
	}
	*ret = lines;
	return lines ? NULL : us_err_nomem();
}

struct us_err *us_parts_fragment(struct us_parts *parts, unsigned int asked,
				 struct us_part_fragment *ret)
{
	struct us_part_wishes wishes = { .pool = &parts->pool };

	for (enum us_part part = 0; part < US_PARTS; part++)
		if (asked & US_PART_BIT(part))
			US_TRY(add_part(parts, &parts->v[part], &wishes));
	US_TRY(add_needs(parts, &wishes));
	*ret = (struct us_part_fragment){ .reachable = true, .arch = "" };
	if (parts->witness.arch && parts->witness.arch->id != US_ARCH_UNKNOWN)
		ret->arch = parts->witness.arch->name;
	return as_lines(parts, &wishes, &ret->lines);
}
