/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a source tree allows, for people: the lines that forbid a combination, or a fragment that
 * has it; what is said of a symbol; tables of combinations.
 */
#include "report/report-int.h"

#include "base/text.h"

#include <inttypes.h>
#include <string.h>

#define INDENT        2
#define PLACE_MAX     512
#define CHANGES_SHOWN 20

/* "Linux 6.12.117 for arm64" */
static const char *tree_words(const struct us_ktree *tree, char *buf, size_t n)
{
	snprintf(buf, n, "Linux %s for %s", us_ktree_version(tree), us_ktree_arch(tree));
	return buf;
}

/* buf of PLACE_MAX bytes; returns buf. */
static const char *place_words(const struct us_kplace *at, char *buf)
{
	snprintf(buf, PLACE_MAX, "%s:%" PRIu32, at->file, at->line);
	return buf;
}

/* ---- why ---- */

/* Text that may be put in front of a .config: every line of it is a comment. */
static void comment(struct us_out *out, const char *fmt, ...) us_printf(2, 3);
static void comment(struct us_out *out, const char *fmt, ...)
{
	_us_text_deinit_ struct us_text text = { 0 };
	va_list ap;

	va_start(ap, fmt);
	us_text_vadd(&text, fmt, ap);
	va_end(ap);
	for (const char *s = text.failed ? "" : text.s; *s; s += strspn(s, " ")) {
		size_t n = strlen(s), room = (size_t)out->width - 2;

		if (n > room)
			for (n = room; n && s[n] != ' ';)
				n--;
		if (!n)
			n = strcspn(s, " ");
		fputs("# ", out->f);
		us_out_safe(out->f, s, n);
		fputc('\n', out->f);
		s += n;
	}
}

void us_report_line(struct us_out *out, const char *line)
{
	bool plain = true;

	for (const char *c = line; *c; c++)
		plain &= ((unsigned char)*c >= ' ' && *c != 0x7f) || *c == '\t';
	if (plain)
		fprintf(out->f, "%s\n", line);
	else
		comment(out, "Left out for its control characters: %s", line);
}

/* "A: y becomes n, B: 4 becomes 8" */
void us_report_changes(const struct us_kanswer *k, struct us_text *text)
{
	for (size_t i = 0; i < k->n_changes; i++) {
		const struct us_kchange *c = &k->changes[i];

		if (i == CHANGES_SHOWN) {
			us_text_add(text, " and %zu more", k->n_changes - i);
			break;
		}
		us_text_add(text, "%s%s: %s becomes %s", i ? ", " : "", c->symbol,
			    *c->had ? c->had : "\"\"", *c->gets ? c->gets : "\"\"");
	}
}

static void put_fragment(struct us_out *out, const struct us_asked *a, const struct us_kanswer *k)
{
	char tree[128];

	_us_text_deinit_ struct us_text changes = { 0 };

	comment(out, "%s can have %s%s%s.", tree_words(a->tree, tree, sizeof(tree)), a->want,
		a->base ? " on top of " : "", a->base ? a->base : "");
	us_report_changes(k, &changes);
	if (changes.n)
		comment(out, "Values of %s that change for it: %s.", a->base, changes.s);
	for (const char *const *s = k->unknown; s && *s; s++)
		comment(out, "%s is not defined there: it is n.", *s);
	if (k->maybe)
		comment(out, "That is so if these come out as said:");
	for (const char *const *s = k->assumed; k->maybe && s && *s; s++)
		comment(out, "  %s", *s);
	if (a->drawn) {
		for (const char *const *s = a->drawn; *s; s++)
			us_report_line(out, *s);
		return;
	}
	if (!k->fragment || !*k->fragment)
		comment(out, "Every configuration has it without a word.");
	if (k->rough)
		comment(out, "Not all of these lines need be needed: the search for the fewest was "
			     "given up.");
	for (const char *const *s = k->fragment; s && *s; s++)
		us_report_line(out, *s);
}

/* What no line of the tree says: what was asked, pinned, or set by the configuration. */
static void put_given(struct us_out *out, const struct us_kcore *core, int indent)
{
	_us_text_deinit_ struct us_text given = { 0 };

	for (size_t i = 0; i < core->n; i++)
		if (!core->reasons[i].at.line)
			us_text_add(&given, "%s%s", given.n ? "; " : "", core->reasons[i].says);
	if (!given.n)
		return;
	fprintf(out->f, "%*s", indent, "");
	us_out_para(out, indent, indent + 4, "%s", given.s);
}

static void put_reason(struct us_out *out, const struct us_kreason *r, int indent)
{
	char place[PLACE_MAX], at[PLACE_MAX + 4];
	size_t n = strlen(r->says), tail;

	place_words(&r->at, place);
	/* the place stands in front already */
	tail = (size_t)snprintf(at, sizeof(at), " (%s)", place);
	if (n > tail && !strcmp(r->says + n - tail, at))
		n -= tail;
	fprintf(out->f, "%*s", indent, "");
	us_out_para(out, indent, indent + 4, "%s: %s", place, r->text ? r->text : "");
	fprintf(out->f, "%*s", indent + 4, "");
	us_out_para(out, indent + 4, indent + 4, "%.*s", (int)n, r->says);
}

/* "Cannot" that holds only as far as was looked. */
static void put_unproved(struct us_out *out, const struct us_kanswer *k, int indent)
{
	_us_text_deinit_ struct us_text names = { 0 };

	for (const char *const *s = k->unproved; s && *s; s++)
		us_text_add(&names, "%s%s", names.n ? ", " : "", *s);
	if (!names.n)
		return;
	fprintf(out->f, "%*s", indent, "");
	us_out_para(out, indent, indent + 4,
		    "This is not proved: not all values that may matter were tried of %s.",
		    names.s);
}

void us_report_cores(struct us_out *out, const struct us_kanswer *k, int indent)
{
	for (size_t i = 0; i < k->n_cores; i++) {
		const struct us_kcore *core = &k->cores[i];

		if (k->n_cores > 1)
			fprintf(out->f, "%s%*sReason %zu of %zu:\n", i ? "\n" : "", indent, "",
				i + 1, k->n_cores);
		put_given(out, core, indent);
		for (size_t n = 0; n < core->n; n++)
			if (core->reasons[n].at.line)
				put_reason(out, &core->reasons[n], indent);
	}
	if (!k->n_cores)
		fprintf(out->f, "%*sMore than %d lines together forbid it: too many to tell.\n",
			indent, "", US_KCORE_MAX);
	put_unproved(out, k, indent);
}

/* Is there a line of the tree that a user could take away? */
static bool has_lines(const struct us_kcore *core)
{
	for (size_t i = 0; i < core->n; i++)
		if (core->reasons[i].at.line)
			return true;
	return false;
}

static void put_near(struct us_out *out, const struct us_asked *a, const struct us_kanswer *near)
{
	_us_text_deinit_ struct us_text changes = { 0 };

	us_report_changes(near, &changes);
	us_out_para(out, 0, 0,
		    "\nThat is so while all of %s is held but what the question is about. It can be "
		    "had by changing %s:",
		    a->base, changes.n ? changes.s : "nothing that is set there");
	for (const char *const *s = near->fragment; s && *s; s++) {
		fprintf(out->f, "%*s", INDENT, "");
		us_out_safe(out->f, *s, strlen(*s));
		fputc('\n', out->f);
	}
	for (const char *const *s = near->assumed; near->maybe && s && *s; s++)
		us_out_item(out, "if %s", *s);
	us_out_para(out, 0, 0, "--pin SYMBOL=VALUE holds a value that is not to be among them.");
}

static void put_refusal(struct us_out *out, const struct us_asked *a, const struct us_kanswer *k)
{
	/* whatever the base sets: then it is no reason */
	bool never = k->near && !k->near->reachable;
	char tree[128];

	us_out_para(out, 0, 0, "%s cannot have %s%s.", tree_words(a->tree, tree, sizeof(tree)),
		    a->want,
		    never                ? ", whatever is set beside it"
		    : a->base || a->pins ? " and keep what was to be kept"
					 : "");
	for (const char *const *s = k->unknown; s && *s; s++)
		us_out_para(out, 0, 0, "%s is not defined there: it is n.", *s);
	fputc('\n', out->f);
	if (never)
		k = k->near;
	us_report_cores(out, k, INDENT);
	if (k->near)
		put_near(out, a, k->near);
	else if (k->n_cores && has_lines(&k->cores[0]))
		us_out_para(
			out, 0, 0,
			"\nEach of these lines is needed for that: --drop FILE:LINE asks as if one of "
			"them were gone. %s",
			k->n_cores > 1 ? "" : "There may be other reasons (--all N).");
}

void us_report_why(struct us_out *out, const struct us_asked *asked, const struct us_kanswer *answer)
{
	if (answer->reachable)
		put_fragment(out, asked, answer);
	else
		put_refusal(out, asked, answer);
}

/* ---- show ---- */

static const char *kind_words(enum us_kline_kind kind)
{
	static const char *const words[] = {
		[US_KLINE_CONFIG] = "defined",
		[US_KLINE_TYPE] = "type",
		[US_KLINE_PROMPT] = "prompt",
		[US_KLINE_DEPENDS] = "depends on",
		[US_KLINE_VISIBLE] = "visible if",
		[US_KLINE_DEFAULT] = "default",
		[US_KLINE_SELECT] = "selects",
		[US_KLINE_IMPLY] = "implies",
		[US_KLINE_SELECTED_BY] = "selected by",
		[US_KLINE_IMPLIED_BY] = "implied by",
		[US_KLINE_RANGE] = "range",
		[US_KLINE_CHOICE] = "choice",
	};

	return words[kind];
}

void us_report_shown(struct us_out *out, const struct us_shown *s)
{
	char tree[128], place[PLACE_MAX];

	us_out_title(out, "%s in %s", s->symbol, tree_words(s->tree, tree, sizeof(tree)));
	if (s->base) {
		us_out_row(out, "value", "%s", *s->value ? s->value : "\"\"");
		us_out_row(out, "why", "%s", s->why);
	}
	for (size_t i = 0; i < s->n; i++) {
		const struct us_kline *l = &s->lines[i];
		bool again = i && s->lines[i - 1].kind == l->kind;

		us_out_row(out, again ? "" : kind_words(l->kind), "%s%s%s%s%s%s  (%s)",
			   l->symbol ? l->symbol : "", l->symbol ? ": " : "", l->text,
			   l->now ? "  [" : "", l->now ? l->now : "", l->now ? "]" : "",
			   place_words(&l->at, place));
	}
	if (!s->n)
		us_out_item(out, "It is not defined: its value is n.");
}

/* ---- table ---- */

/* A name in a column of its own, that of an architecture's folder or of a word given. */
static void put_name(struct us_out *out, const char *name, int width)
{
	us_out_safe(out->f, name, strlen(name));
	fprintf(out->f, "%*s", width - (int)strlen(name), "");
}

/* One line per symbol: what each column has of it. */
static void put_heads(struct us_out *out, const struct us_config_table *t, int left)
{
	for (size_t k = 0; k < t->n_symbols; k++) {
		fprintf(out->f, "  %s", us_out_colour(out, US_DIM));
		put_name(out, t->symbols[k], left);
		fputs(us_out_colour(out, US_PLAIN), out->f);
		for (size_t i = 0; i < (size_t)1 << t->n_symbols; i++)
			fprintf(out->f, " %c", i >> (t->n_symbols - 1 - k) & 1 ? 'y' : 'n');
		fputc('\n', out->f);
	}
}

static void put_cell(struct us_out *out, char cell)
{
	enum us_colour colour = cell == '+' ? US_GREEN : cell == '.' ? US_RED : US_DIM;

	fprintf(out->f, " %s%c%s", us_out_colour(out, colour), cell, us_out_colour(out, US_PLAIN));
}

static void put_rows(struct us_out *out, const struct us_config_table *t, int left)
{
	for (size_t i = 0; i < t->n_rows; i++) {
		const struct us_config_row *r = &t->rows[i];

		if (!r->cells || !r->defines)
			continue;
		fputs("  ", out->f);
		put_name(out, r->arch, left);
		for (const char *c = r->cells; *c; c++)
			put_cell(out, *c);
		fputc('\n', out->f);
	}
}

void us_report_table(struct us_out *out, const struct us_config_table *t)
{
	_us_text_deinit_ struct us_text none = { 0 };
	int left = 8;

	for (size_t k = 0; k < t->n_symbols; k++)
		if ((int)strlen(t->symbols[k]) > left)
			left = (int)strlen(t->symbols[k]);
	for (size_t i = 0; i < t->n_rows; i++)
		if ((int)strlen(t->rows[i].arch) > left)
			left = (int)strlen(t->rows[i].arch);
	us_out_title(out, "%s: Linux %s", t->path,
		     t->version ? t->version : "of an unknown version");
	put_heads(out, t, left);
	put_rows(out, t, left);
	for (size_t i = 0; i < t->n_rows; i++) {
		if (t->rows[i].problem)
			us_out_item(out, "%s could not be read: %s", t->rows[i].arch,
				    t->rows[i].problem);
		else if (!t->rows[i].defines)
			us_text_add(&none, "%s%s", none.n ? ", " : "", t->rows[i].arch);
	}
	if (none.n)
		us_out_item(out, "None of these symbols: %s.", none.s);
}

void us_report_table_legend(struct us_out *out)
{
	us_out_para(out, 0, 0,
		    "\n+ can be had; . cannot; - wants what is not defined there; ? can be had if a "
		    "compiler test, a number or a string comes out so, or may be (not proved)");
}
