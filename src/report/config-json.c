/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a source tree allows, as JSON (docs/json.md: understudy.config-why/1 and its kin). */
#include "report/report-int.h"

#include <string.h>

static void put_place(json_object *obj, const struct us_kplace *at)
{
	us_json_str(obj, "file", at->line ? at->file : NULL);
	if (at->line)
		us_json_num(obj, "line", at->line);
	else
		json_object_object_add(obj, "line", NULL);
}

static void put_list(json_object *obj, const char *key, const char *const *texts)
{
	json_object *list = us_json_list(obj, key);

	for (; texts && *texts; texts++)
		us_json_add_str(list, *texts);
}

static void put_cores(json_object *obj, const struct us_kanswer *k)
{
	json_object *list = us_json_list(obj, "cores");

	for (size_t i = 0; k && i < k->n_cores; i++) {
		json_object *core = json_object_new_array();

		json_object_array_add(list, core);
		for (size_t n = 0; n < k->cores[i].n; n++) {
			const struct us_kreason *r = &k->cores[i].reasons[n];
			json_object *item = us_json_item(core);

			put_place(item, &r->at);
			us_json_str(item, "text", r->text);
			us_json_str(item, "says", r->says);
		}
	}
}

static void put_changed(json_object *obj, const struct us_kanswer *k)
{
	json_object *list = us_json_list(obj, "changed");

	for (size_t i = 0; i < k->n_changes; i++) {
		json_object *item = us_json_item(list);

		us_json_str(item, "symbol", k->changes[i].symbol);
		us_json_str(item, "had", k->changes[i].had);
		us_json_str(item, "gets", k->changes[i].gets);
	}
}

/* The answer if the base may change; null where that is no question. */
static void put_near(json_object *obj, const struct us_kanswer *near)
{
	json_object *sub;

	if (!near) {
		json_object_object_add(obj, "near", NULL);
		return;
	}
	sub = us_json_sub(obj, "near");
	us_json_bool(sub, "reachable", near->reachable);
	us_json_bool(sub, "maybe", near->maybe);
	put_list(sub, "assumed", near->assumed);
	put_list(sub, "fragment", near->fragment);
	put_changed(sub, near);
	put_cores(sub, near);
}

static void put_tree(json_object *obj, const char *path, const struct us_ktree *tree)
{
	us_json_str(obj, "tree", path);
	us_json_str(obj, "version", us_ktree_version(tree));
	us_json_str(obj, "arch", us_ktree_arch(tree));
}

json_object *us_json_why(const struct us_asked *a, const struct us_kanswer *k)
{
	json_object *obj = us_json_new("config-why"), *list;

	if (!obj)
		return NULL;
	put_tree(obj, a->path, a->tree);
	us_json_str(obj, "want", a->want);
	us_json_str(obj, "base", a->base);
	put_list(obj, "pins", a->pins);
	list = us_json_list(obj, "dropped");
	for (size_t i = 0; i < a->n_drop; i++)
		put_place(us_json_item(list), &a->drop[i]);
	us_json_bool(obj, "reachable", k->reachable);
	us_json_bool(obj, "maybe", k->maybe);
	put_list(obj, "assumed", k->assumed);
	put_list(obj, "fragment", k->fragment);
	us_json_bool(obj, "fewest", !k->rough);
	us_json_bool(obj, "proved", !k->unproved);
	put_list(obj, "unproved", k->unproved);
	put_cores(obj, k);
	put_changed(obj, k);
	put_near(obj, k->near);
	put_list(obj, "unknown", k->unknown);
	us_json_num(obj, "cone", k->cone);
	put_list(obj, "drawn", a->drawn);
	us_json_num(obj, "exit", (uint64_t)a->exit);
	return obj;
}

static const char *kind_name(enum us_kline_kind kind)
{
	static const char *const names[] = {
		[US_KLINE_CONFIG] = "config",
		[US_KLINE_TYPE] = "type",
		[US_KLINE_PROMPT] = "prompt",
		[US_KLINE_DEPENDS] = "depends",
		[US_KLINE_VISIBLE] = "visible",
		[US_KLINE_DEFAULT] = "default",
		[US_KLINE_SELECT] = "select",
		[US_KLINE_IMPLY] = "imply",
		[US_KLINE_SELECTED_BY] = "selected-by",
		[US_KLINE_IMPLIED_BY] = "implied-by",
		[US_KLINE_RANGE] = "range",
		[US_KLINE_CHOICE] = "choice",
	};

	return names[kind];
}

json_object *us_json_shown(const struct us_shown *s)
{
	json_object *obj = us_json_new("config-show"), *list;

	if (!obj)
		return NULL;
	put_tree(obj, s->path, s->tree);
	us_json_str(obj, "symbol", s->symbol);
	us_json_str(obj, "base", s->base);
	us_json_str(obj, "value", s->value);
	us_json_str(obj, "why", s->why);
	list = us_json_list(obj, "lines");
	for (size_t i = 0; i < s->n; i++) {
		json_object *item = us_json_item(list);

		us_json_str(item, "kind", kind_name(s->lines[i].kind));
		put_place(item, &s->lines[i].at);
		us_json_str(item, "text", s->lines[i].text);
		us_json_str(item, "symbol", s->lines[i].symbol);
		us_json_str(item, "now", s->lines[i].now);
	}
	return obj;
}

static const char *cell_name(char cell)
{
	return cell == '+' ? "yes" : cell == '.' ? "no" : cell == '?' ? "maybe" : "undefined";
}

static void put_row(json_object *rows, const struct us_config_table *t,
		    const struct us_config_row *r)
{
	json_object *row = us_json_item(rows), *cells;

	us_json_str(row, "arch", r->arch);
	us_json_str(row, "problem", r->problem);
	cells = us_json_list(row, "cells");
	for (size_t i = 0; r->cells && r->cells[i]; i++) {
		json_object *cell = us_json_item(cells), *values = us_json_sub(cell, "values");

		for (size_t k = 0; k < t->n_symbols; k++)
			us_json_bool(values, t->symbols[k], i >> (t->n_symbols - 1 - k) & 1);
		us_json_str(cell, "reachable", cell_name(r->cells[i]));
	}
}

void us_json_table(json_object *list, const struct us_config_table *t)
{
	json_object *tree = us_json_item(list), *rows;

	us_json_str(tree, "tree", t->path);
	us_json_str(tree, "version", t->version);
	rows = us_json_list(tree, "symbols");
	for (size_t k = 0; k < t->n_symbols; k++)
		us_json_add_str(rows, t->symbols[k]);
	rows = us_json_list(tree, "arches");
	for (size_t i = 0; i < t->n_rows; i++)
		put_row(rows, t, &t->rows[i]);
}

static void put_changes(json_object *obj, const struct us_config_diff *d)
{
	json_object *list = us_json_list(obj, "changes");

	for (size_t i = 0; i < d->n_changes; i++) {
		const struct us_config_change *c = &d->changes[i];
		json_object *item = us_json_item(list);

		us_json_str(item, "change", c->lost ? "lost" : "gained");
		us_json_str(item, "role", c->role);
		us_json_str(item, "want", c->want);
		us_json_bool(item, "proved", !c->why->unproved);
		put_cores(item, c->why);
	}
}

static void put_victims(json_object *obj, const struct us_config_diff *d)
{
	json_object *list = us_json_list(obj, "victims");

	for (size_t i = 0; i < d->n_victims; i++) {
		const struct us_config_victim *v = &d->victims[i];
		json_object *item = us_json_item(list);

		us_json_str(item, "symbol", v->symbol);
		us_json_str(item, "had", v->had);
		us_json_str(item, "gets", v->gets);
		us_json_str(item, "why", v->why);
		us_json_tri(item, "could_be_kept",
			    v->ask ? us_tri_of(v->ask->reachable) : US_UNKNOWN);
		put_cores(item, v->ask);
	}
}

void us_json_diff(json_object *arches, const struct us_config_diff *d)
{
	json_object *obj = us_json_item(arches), *list;

	us_json_str(obj, "arch", d->arch);
	us_json_str(obj, "only", d->only);
	us_json_str(obj, "problem", d->problem);
	us_json_str(obj, "old_version", d->old_version);
	us_json_str(obj, "new_version", d->new_version);
	put_changes(obj, d);
	list = us_json_list(obj, "gone");
	for (size_t i = 0; i < d->n_gone; i++) {
		json_object *item = us_json_item(list);

		us_json_str(item, "symbol", d->gone[i].symbol);
		us_json_str(item, "instead", d->gone[i].instead);
	}
	put_list(obj, "came", d->came);
	put_victims(obj, d);
}
