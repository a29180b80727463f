/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fuzz target for the parser of Kconfig trees. The input is a small tree: "=== NAME" on a line of
 * its own begins a file; what stands before the first is Kconfig itself. Beyond not crashing: an
 * error has a place, and what was parsed hangs together.
 */
#include "fuzz.h"

#include "kconfig/parse-int.h"

#include <string.h>

#define FILES_MAX 8

static const char makefile[] = "VERSION = 6\nPATCHLEVEL = 12\n";

static size_t split(struct us_pool *pool, const uint8_t *data, size_t size,
		    struct us_kfile_text *files)
{
	struct us_bytes all = us_bytes_of(data, size);
	const char *name = "Kconfig";
	size_t n = 0, at = 0;

	/* a file of the input may take the place of these */
	files[n++] =
		(struct us_kfile_text){ "Makefile", us_bytes_of(makefile, sizeof(makefile) - 1) };
	files[n++] = (struct us_kfile_text){ "arch/x86/Kconfig", us_bytes_of("", 0) };
	for (;;) {
		size_t end = us_bytes_find(all, at, "\n=== ", 5);
		size_t stop = end == SIZE_MAX ? size : end + 1, eol;

		files[n++] = (struct us_kfile_text){ name, us_bytes_of(data + at, stop - at) };
		if (end == SIZE_MAX || n == FILES_MAX)
			break;
		eol = us_bytes_find(all, end + 5, "\n", 1);
		if (eol == SIZE_MAX)
			break;
		name = us_pool_strndup(pool, (const char *)data + end + 5, eol - end - 5);
		MUST(name);
		at = eol; /* a line end in front, so that the next "===" may follow at once */
	}
	return n;
}

static void check_terms(struct us_pool *pool, const struct us_kterm *terms, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		MUST(terms[i].at.file && terms[i].at.line);
		MUST(us_kx_text(pool, terms[i].x));
	}
}

static void check_def(struct us_pool *pool, const struct us_kdef *def)
{
	check_terms(pool, def->depends, def->n_depends);
	check_terms(pool, def->visible, def->n_visible);
	for (size_t i = 0; i < def->n_defaults; i++)
		MUST(def->defaults[i].def == def && us_kx_text(pool, def->defaults[i].value));
	for (size_t i = 0; i < def->n_selects; i++)
		MUST(def->selects[i].target->n_selected_by > 0);
	MUST(!def->choice || def->choice == def->inside);
}

static void check_tree(const struct us_ktree *tree)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const struct us_kline *lines;
	const struct us_ksym *sym;
	size_t n;

	for (size_t i = 0; (sym = us_ktree_symbol_at(tree, i)); i++) {
		_us_err_free_ struct us_err *err =
			us_ktree_lines(tree, sym, NULL, &pool, &lines, &n);

		MUST(!err && n);
		MUST(us_ktree_symbol(tree, us_ksym_name(sym)) == sym);
		for (size_t k = 0; k < sym->n_defs; k++)
			check_def(&pool, sym->defs[k]);
	}
	for (size_t i = 0; i < tree->n_symbols; i++)
		MUST(tree->symbols[i]->index == i);
	for (size_t i = 0; i < tree->n_choices; i++) {
		check_terms(&pool, tree->choices[i]->depends, tree->choices[i]->n_depends);
		for (size_t k = 0; k < tree->choices[i]->n_members; k++)
			MUST(tree->choices[i]->members[k]->choice == tree->choices[i]);
	}
	for (size_t i = 0; i < tree->n_entries; i++)
		MUST(tree->entries[i].def || tree->entries[i].choice || tree->entries[i].title);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct us_ktree_options options = { .arch = "x86" };
	_us_pool_deinit_ struct us_pool pool = { 0 };
	_us_ktree_free_ struct us_ktree *tree = NULL;
	struct us_kfile_text files[FILES_MAX];
	_us_ksource_free_ struct us_ksource *source = NULL;
	size_t n = split(&pool, data, size, files);

	MUST(!us_ksource_of(files, n, &source));
	{
		_us_err_free_ struct us_err *err = us_ktree_read(source, &options, &tree);

		MUST(!err == !!tree);
		MUST(!err || ((err->code == US_ERR_BAD_DATA || err->code == US_ERR_USAGE) &&
			      strchr(err->text, ':')));
	}
	if (tree)
		check_tree(tree);
	return 0;
}
