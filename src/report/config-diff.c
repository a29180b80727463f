/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What one of two source trees has and the other has not, for people; one architecture at a time. */
#include "report/report-int.h"

#include "base/text.h"

#include <string.h>

static bool same_lines(const struct us_kanswer *a, const struct us_kanswer *b)
{
	const struct us_kcore *x = a->cores, *y = b->cores;

	if (!a->n_cores || !b->n_cores || x->n != y->n)
		return false;
	for (size_t i = 0; i < x->n; i++)
		if (x->reasons[i].at.line != y->reasons[i].at.line ||
		    (x->reasons[i].at.line && strcmp(x->reasons[i].at.file, y->reasons[i].at.file)))
			return false;
	return true;
}

/* The first change of d whose lines are those of the i-th. */
static size_t first_so(const struct us_config_diff *d, size_t i)
{
	size_t k = 0;

	while (k < i && (d->changes[k].lost != d->changes[i].lost ||
			 !same_lines(d->changes[k].why, d->changes[i].why)))
		k++;
	return k;
}

static void put_change(struct us_out *out, const struct us_config_diff *d, size_t i)
{
	const struct us_config_change *c = &d->changes[i];

	fprintf(out->f, "  %s%s%s  ", us_out_colour(out, c->lost ? US_RED : US_GREEN),
		c->lost ? "lost  " : "gained", us_out_colour(out, US_PLAIN));
	if (c->role)
		us_out_para(out, 10, 10, "%s (%s)", c->role, c->want);
	else
		us_out_para(out, 10, 10, "%s", c->want);
}

/* Changes by the same lines stand together, and the lines once. */
static void put_changes(struct us_out *out, const struct us_config_diff *d, bool lost)
{
	for (size_t i = 0; i < d->n_changes; i++) {
		if (d->changes[i].lost != lost || first_so(d, i) != i)
			continue;
		for (size_t k = i; k < d->n_changes; k++)
			if (d->changes[k].lost == lost && first_so(d, k) == i)
				put_change(out, d, k);
		fprintf(out->f, "    what forbids it in %s:\n", lost ? "NEW" : "OLD");
		us_report_cores(out, d->changes[i].why, 6);
	}
}

static void put_symbols(struct us_out *out, const struct us_config_diff *d)
{
	_us_text_deinit_ struct us_text came = { 0 };

	for (size_t i = 0; i < d->n_gone; i++)
		us_out_item(out, "symbol %s is gone%s%s", d->gone[i].symbol,
			    d->gone[i].instead ? ": in its place " : "",
			    d->gone[i].instead ? d->gone[i].instead : "");
	for (const char *const *s = d->came; s && *s; s++)
		us_text_add(&came, "%s%s", came.n ? ", " : "", *s);
	if (came.n)
		us_out_item(out, "symbols that are new: %s", came.s);
}

/* A word as a shell takes it. */
static void add_quoted(struct us_text *text, const char *word)
{
	us_text_add(text, "'");
	for (; *word; word++)
		us_text_add(text, *word == '\'' ? "'\\''" : "%c", *word);
	us_text_add(text, "'");
}

/* By which other values it could be kept. */
static void put_near(struct us_out *out, const struct us_kanswer *near)
{
	_us_text_deinit_ struct us_text changes = { 0 };

	if (!near || !near->reachable)
		return;
	us_report_changes(near, &changes);
	fputs("      ", out->f);
	us_out_para(out, 6, 6, "It can be kept if other values change: %s.",
		    changes.n ? changes.s : "such as are not set there");
}

static void put_victims(struct us_out *out, const struct us_config_diff *d)
{
	for (size_t i = 0; i < d->n_victims; i++) {
		const struct us_config_victim *v = &d->victims[i];
		_us_text_deinit_ struct us_text command = { 0 };

		fprintf(out->f, "  %snot kept%s  ", us_out_colour(out, US_RED),
			us_out_colour(out, US_PLAIN));
		if (!v->gets) {
			us_out_para(out, 12, 12, "%s=%s: NEW does not define it", v->symbol, v->had);
			continue;
		}
		us_out_para(out, 12, 6, "%s=%s becomes %s", v->symbol, v->had,
			    *v->gets ? v->gets : "\"\"");
		if (!v->ask->reachable) {
			us_report_cores(out, v->ask, 6);
			put_near(out, v->ask->near);
			continue;
		}
		add_quoted(&command, v->want);
		us_text_add(&command, " --base ");
		add_quoted(&command, d->base);
		fputs("      ", out->f);
		us_out_para(out, 6, 6, "%s\nIt can be kept: config why NEW %s has the fragment.",
			    v->why, command.failed ? "" : command.s);
	}
	if (d->base && !d->n_victims)
		us_out_item(out, "%s: all values that matter here are kept.", d->base);
}

void us_report_diff(struct us_out *out, const struct us_config_diff *d)
{
	bool quiet = !d->n_changes && !d->n_victims && !d->n_gone && !(d->came && *d->came);

	if (d->only || d->problem)
		us_out_title(out, "%s", d->arch);
	else
		us_out_title(out, "%s: Linux %s to %s", d->arch, d->old_version, d->new_version);
	if (d->problem)
		us_out_item(out, "could not be compared: %s", d->problem);
	else if (d->only)
		us_out_item(out, "only %s has this architecture%s", d->only,
			    strcmp(d->only, "OLD") ? "" : ": all that it allowed there is lost");
	else if (quiet)
		us_out_item(out, "nothing lost, nothing gained");
	put_victims(out, d);
	put_changes(out, d, true);
	put_changes(out, d, false);
	put_symbols(out, d);
}

void us_report_same(struct us_out *out, const char *arches)
{
	us_out_para(out, 0, 0, "\nNothing lost, nothing gained: %s.", arches);
}
