/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Values as a .config, line for line as conf writes it (Linux scripts/kconfig/confdata.c): in the
 * order of the files, with the menus and comments that can be seen.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "kconfig/eval-int.h"

#include <stdlib.h>
#include <string.h>

struct writer {
	const struct us_kvalues *values;
	struct us_text out;
	const struct us_kentry **open; /* the menus around */
	size_t n_open;
	bool *written;     /* by us_ksym.index */
	bool need_newline; /* after the end of a menu */
};

static bool is_shown(const struct writer *w, const struct us_kentry *entry)
{
	struct us_kvalues *v = (struct us_kvalues *)w->values; /* all is computed */

	return us_kcalc_terms(v, entry->depends, entry->n_depends) != US_KN &&
	       us_kcalc_terms(v, entry->visible, entry->n_visible) != US_KN;
}

static void close_menus(struct writer *w, uint32_t depth)
{
	while (w->n_open && w->open[w->n_open - 1]->depth >= depth) {
		const struct us_kentry *menu = w->open[--w->n_open];

		if (!is_shown(w, menu))
			continue;
		us_text_add(&w->out, "# end of %s\n", menu->title);
		w->need_newline = true;
	}
}

static void write_title(struct writer *w, const struct us_kentry *entry)
{
	if (is_shown(w, entry)) {
		us_text_add(&w->out, "\n#\n# %s\n#\n", entry->title);
		w->need_newline = false;
	}
	if (entry->menu)
		w->open[w->n_open++] = entry;
}

static void write_quoted(struct us_text *out, const char *s)
{
	us_text_put(out, "\"", 1);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			us_text_put(out, "\\", 1);
		us_text_put(out, s, 1);
	}
	us_text_put(out, "\"\n", 2);
}

static void write_symbol(struct writer *w, const struct us_ksym *sym)
{
	const struct us_kvalue *value = &w->values->v[sym->index];

	if (!value->write || w->written[sym->index])
		return;
	w->written[sym->index] = true;
	if (w->need_newline)
		us_text_put(&w->out, "\n", 1);
	w->need_newline = false;
	if (us_kcalc_is_tri(sym) && value->tri == US_KN) {
		us_text_add(&w->out, "# CONFIG_%s is not set\n", sym->name);
		return;
	}
	us_text_add(&w->out, "CONFIG_%s=", sym->name);
	if (sym->type == US_K_STRING)
		write_quoted(&w->out, value->text);
	else
		us_text_add(&w->out, "%s\n", value->text);
}

struct us_err *us_kvalues_write(const struct us_kvalues *values, struct us_pool *pool,
				const char **ret)
{
	const struct us_ktree *tree = values->tree;
	struct us_pool scratch _us_pool_deinit_ = { 0 };
	_us_free_ char *text = NULL;
	struct writer w = { .values = values };
	struct us_err *err;
	const char *copy;

	w.open = us_pool_array(&scratch, tree->n_entries + 1, sizeof(*w.open));
	w.written = us_pool_array(&scratch, tree->n_symbols + 1, sizeof(*w.written));
	if (!w.open || !w.written)
		return us_err_nomem();
	us_text_add(&w.out, "#\n# Automatically generated file; DO NOT EDIT.\n# %s\n#\n",
		    tree->title ? tree->title : "Main menu");
	for (size_t i = 0; i < tree->n_entries; i++) {
		const struct us_kentry *entry = &tree->entries[i];

		close_menus(&w, entry->depth);
		if (entry->title)
			write_title(&w, entry);
		else if (entry->def)
			write_symbol(&w, entry->def->sym);
	}
	close_menus(&w, 0);
	err = us_text_take(&w.out, &text);
	if (err)
		return err;
	copy = us_pool_strdup(pool, text);
	if (!copy)
		return us_err_nomem();
	*ret = copy;
	return NULL;
}
