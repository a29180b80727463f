/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A tree from its opening to its end, its names, and expressions as text. What is read and how is
 * parse.c's.
 */
#include "kconfig/parse-int.h"

#include <stdlib.h>
#include <string.h>

/* ---- maps and vectors ---- */

static struct us_kmap_slot *slot_of(const struct us_kmap *map, const char *key, size_t n)
{
	size_t i = us_bytes_hash(us_bytes_of(key, n)) & (map->cap - 1);

	while (map->slots[i].key && (map->slots[i].n != n || memcmp(map->slots[i].key, key, n)))
		i = (i + 1) & (map->cap - 1);
	return &map->slots[i];
}

void *us_kmap_get(const struct us_kmap *map, const char *key, size_t n)
{
	return map->cap ? slot_of(map, key, n)->value : NULL;
}

struct us_err *us_kmap_put(struct us_kmap *map, const char *key, size_t n, void *value)
{
	struct us_kmap_slot *slot;

	if (map->n >= map->cap / 2) {
		struct us_kmap larger = { .cap = map->cap ? map->cap * 2 : 64 };

		larger.slots = calloc(larger.cap, sizeof(*larger.slots));
		if (!larger.slots)
			return us_err_nomem();
		for (size_t i = 0; i < map->cap; i++) {
			if (map->slots[i].key)
				*slot_of(&larger, map->slots[i].key, map->slots[i].n) =
					map->slots[i];
		}
		free(map->slots);
		map->slots = larger.slots;
		map->cap = larger.cap;
	}
	slot = slot_of(map, key, n);
	map->n += !slot->key;
	*slot = (struct us_kmap_slot){ .key = key, .n = n, .value = value };
	return NULL;
}

void us_kmap_deinit(struct us_kmap *map)
{
	free(map->slots);
	*map = (struct us_kmap){ 0 };
}

void *us_kvec_push(struct us_kvec *vec, size_t size)
{
	if (vec->n == vec->cap) {
		size_t cap = vec->cap ? vec->cap * 2 : 8;
		void *v = reallocarray(vec->v, cap, size);

		if (!v)
			return NULL;
		vec->v = v;
		vec->cap = cap;
	}
	return memset((char *)vec->v + vec->n++ * size, 0, size);
}

struct us_err *us_kvec_push_pointer(struct us_kvec *vec, const void *p)
{
	const void **at = us_kvec_push(vec, sizeof(p));

	if (!at)
		return us_err_nomem();
	*at = p;
	return NULL;
}

struct us_err *us_kvec_move(struct us_kvec *vec, size_t size, struct us_pool *pool, void *ret,
			    size_t *ret_n)
{
	void *items = vec->n ? us_pool_array(pool, vec->n, size) : NULL;

	if (vec->n) {
		if (!items)
			return us_err_nomem();
		memcpy(items, vec->v, vec->n * size);
	}
	memcpy(ret, &items, sizeof(items));
	*ret_n = vec->n;
	vec->n = 0;
	return NULL;
}

/* ---- names ---- */

static struct us_err *new_symbol(struct us_ktree *tree, struct us_kmap *map, const char *name,
				 size_t n, struct us_ksym **ret)
{
	struct us_kindex *index = tree->index;
	struct us_ksym *sym = us_pool_alloc(&tree->pool, sizeof(*sym));

	name = us_pool_strndup(&tree->pool, name, n);
	if (!sym || !name)
		return us_err_nomem();
	sym->name = name;
	sym->index = index->symbols.n;
	US_TRY(us_kvec_push_pointer(&index->symbols, sym));
	tree->symbols = index->symbols.v;
	tree->n_symbols = index->symbols.n;
	US_TRY(us_kmap_put(map, name, n, sym));
	*ret = sym;
	return NULL;
}

struct us_err *us_ktree_word(struct us_ktree *tree, const char *name, size_t n, bool quoted,
			     struct us_ksym **ret)
{
	struct us_kindex *index = tree->index;
	struct us_kmap *map;
	struct us_ksym *sym;

	quoted = quoted || (n == 1 && strchr("ymn", name[0]));
	map = quoted ? &index->constant : &index->plain;
	sym = us_kmap_get(map, name, n);
	if (!sym) {
		US_TRY(new_symbol(tree, map, name, n, &sym));
		sym->constant = quoted;
	}
	*ret = sym;
	return NULL;
}

struct us_err *us_ktree_probe(struct us_ktree *tree, const char *text, const char *name,
			      struct us_ksym **ret)
{
	struct us_kindex *index = tree->index;
	struct us_ksym *sym = us_kmap_get(&index->probe, text, strlen(text));

	if (!sym) {
		US_TRY(new_symbol(tree, &index->probe, text, strlen(text), &sym));
		sym->name = name;
		sym->probe = true;
	}
	*ret = sym;
	return NULL;
}

struct us_err *us_ktree_new(const char *arch, struct us_ktree **ret)
{
	_us_ktree_free_ struct us_ktree *tree = calloc(1, sizeof(*tree));

	if (!tree || !(tree->index = calloc(1, sizeof(struct us_kindex))))
		return us_err_nomem();
	tree->arch = us_pool_strdup(&tree->pool, arch);
	if (!tree->arch)
		return us_err_nomem();
	US_TRY(us_ktree_word(tree, "y", 1, true, &tree->yes));
	US_TRY(us_ktree_word(tree, "m", 1, true, &tree->mod));
	US_TRY(us_ktree_word(tree, "n", 1, true, &tree->no));
	tree->yes->type = tree->mod->type = tree->no->type = US_K_TRISTATE;
	*ret = us_steal(&tree);
	return NULL;
}

void us_ktree_free(struct us_ktree *tree)
{
	struct us_kindex *index;

	if (!tree)
		return;
	index = tree->index;
	if (tree->solver_free)
		tree->solver_free(tree->solver);
	if (index) {
		us_kmap_deinit(&index->plain);
		us_kmap_deinit(&index->constant);
		us_kmap_deinit(&index->probe);
		us_kvec_deinit(&index->symbols);
		us_kvec_deinit(&index->defined);
		free(index);
	}
	us_pool_deinit(&tree->pool);
	free(tree);
}

const char *us_ktree_version(const struct us_ktree *tree)
{
	return tree->version;
}

const char *us_ktree_arch(const struct us_ktree *tree)
{
	return tree->arch;
}

size_t us_ktree_files(const struct us_ktree *tree)
{
	return tree->n_files;
}

const struct us_ksym *us_ktree_symbol(const struct us_ktree *tree, const char *name)
{
	const struct us_kindex *index = tree->index;

	return us_kmap_get(&index->plain, name, strlen(name));
}

const struct us_ksym *us_ktree_symbol_at(const struct us_ktree *tree, size_t i)
{
	const struct us_kindex *index = tree->index;

	return i < index->defined.n ? ((struct us_ksym *const *)index->defined.v)[i] : NULL;
}

const char *us_ksym_name(const struct us_ksym *sym)
{
	return sym->name;
}

/* ---- opening ---- */

static const char *srcarch_of(const struct us_kmakefile *makefile, const char *arch)
{
	for (size_t i = 0; i < makefile->n_aliases; i++) {
		if (!strcmp(makefile->aliases[i].arch, arch))
			return makefile->aliases[i].srcarch;
	}
	return arch;
}

static bool among(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (!strcmp(names[i], name))
			return true;
	}
	return false;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The folders of arch/, and the other names that the Makefile knows of them. */
static struct us_err *list_arches(struct us_ksource *source, const struct us_kmakefile *makefile,
				  struct us_pool *pool, const char *const **ret)
{
	const char **folders, **all;
	size_t n_folders, n;

	US_TRY(us_ksource_arch_folders(source, pool, &folders, &n_folders));
	all = us_pool_array(pool, n_folders + makefile->n_aliases + 1, sizeof(*all));
	if (!all)
		return us_err_nomem();
	for (n = 0; n < n_folders; n++)
		all[n] = folders[n];
	for (size_t i = 0; i < makefile->n_aliases; i++) {
		const struct us_kalias *alias = &makefile->aliases[i];

		if (among(folders, n_folders, alias->srcarch) && !among(all, n, alias->arch))
			all[n++] = alias->arch;
	}
	qsort(all, n, sizeof(*all), by_name);
	*ret = all;
	return NULL;
}

struct us_err *us_ksource_arches(struct us_ksource *source, struct us_pool *pool,
				 const char *const **ret)
{
	struct us_kmakefile makefile;

	US_TRY(us_kmakefile_read(source, pool, &makefile));
	return list_arches(source, &makefile, pool, ret);
}

static struct us_err *check_arch(struct us_ksource *source, const struct us_kmakefile *makefile,
				 struct us_pool *pool, const char *arch)
{
	_us_text_deinit_ struct us_text known = { 0 };
	const char *const *arches;

	US_TRY(list_arches(source, makefile, pool, &arches));
	for (; *arches; arches++) {
		if (!strcmp(*arches, arch))
			return NULL;
		us_text_add(&known, " %s", *arches);
	}
	return us_err_new(US_ERR_USAGE, "the tree has no architecture '%s', but:%s", arch,
			  known.s ? known.s : " none");
}

static void parse_deinit(struct us_kparse *p)
{
	struct us_kvec *vecs[] = { &p->files,   &p->names,   &p->blocks, &p->entries, &p->defs,
				   &p->choices, &p->roots,   &p->terms,  &p->visible, &p->defaults,
				   &p->selects, &p->implies, &p->ranges };

	for (size_t i = 0; i < p->files.n; i++)
		us_text_deinit(&((struct us_kfile *)p->files.v)[i].lex.text);
	for (size_t i = 0; i < us_array_size(vecs); i++)
		us_kvec_deinit(vecs[i]);
	us_kmap_deinit(&p->seen);
	us_kmacro_deinit(&p->macro);
	free(p->drop_hit);
}

struct us_err *us_ktree_read(struct us_ksource *source, const struct us_ktree_options *options,
			     struct us_ktree **ret)
{
	__attribute__((cleanup(parse_deinit))) struct us_kparse p = { .source = source,
								      .options = options };
	_us_ktree_free_ struct us_ktree *tree = NULL;
	struct us_kmakefile makefile;

	US_TRY(us_ktree_new(options->arch, &tree));
	p.tree = tree;
	tree->path = us_pool_strdup(&tree->pool, us_ksource_path(source));
	p.drop_hit = calloc(options->n_drop + 1, sizeof(bool));
	if (!tree->path || !p.drop_hit)
		return us_err_nomem();
	US_TRY(us_kmakefile_read(source, &tree->pool, &makefile));
	US_TRY(check_arch(source, &makefile, &tree->pool, options->arch));
	tree->version = makefile.version;
	tree->major = makefile.major;
	tree->minor = makefile.minor;
	US_TRY(us_kmacro_open(&p.macro, tree, source, srcarch_of(&makefile, options->arch),
			      options->toolchain));
	US_TRY(us_kparse_run(&p));
	*ret = us_steal(&tree);
	return NULL;
}

struct us_err *us_ktree_open(const char *path, const struct us_ktree_options *options,
			     struct us_progress *progress, struct us_ktree **ret)
{
	_us_ksource_free_ struct us_ksource *source = NULL;

	US_TRY(us_ksource_open(path, progress, &source));
	return us_ktree_read(source, options, ret);
}

/* ---- expressions ---- */

static const char *const operators[] = {
	[US_KX_AND] = " && ", [US_KX_OR] = " || ", [US_KX_EQ] = " = ", [US_KX_NE] = " != ",
	[US_KX_LT] = " < ",   [US_KX_LE] = " <= ", [US_KX_GT] = " > ", [US_KX_GE] = " >= ",
};

static void add_symbol(struct us_text *text, const struct us_ksym *sym)
{
	bool bare = !sym->constant || sym->type == US_K_TRISTATE; /* y, m, n */

	us_text_add(text, bare ? "%s" : "\"%s\"", sym->name);
}

/* The m of a condition, which stands as m && MODULES (m && n in a tree without modules). */
static bool is_bare_m(const struct us_kx *x)
{
	return x->op == US_KX_AND && x->a->op == US_KX_SYM && x->b->op == US_KX_SYM &&
	       x->a->x->constant && !strcmp(x->a->x->name, "m") &&
	       (!strcmp(x->b->x->name, "MODULES") || !strcmp(x->b->x->name, "n"));
}

/* binding: of the operator around; what binds less takes parentheses. */
static void add_expr(struct us_text *text, const struct us_kx *x, int binding)
{
	int own = x->op == US_KX_OR ? 1 : x->op == US_KX_AND ? 2 : 3;

	switch (x->op) {
	case US_KX_SYM:
		add_symbol(text, x->x);
		return;
	case US_KX_NOT:
		us_text_add(text, "!");
		add_expr(text, x->a, 4);
		return;
	case US_KX_AND:
	case US_KX_OR:
		if (is_bare_m(x)) {
			us_text_add(text, "m");
			return;
		}
		us_text_add(text, "%s", own < binding ? "(" : "");
		add_expr(text, x->a, own);
		us_text_add(text, "%s", operators[x->op]);
		add_expr(text, x->b, own);
		us_text_add(text, "%s", own < binding ? ")" : "");
		return;
	default:
		us_text_add(text, "%s", own < binding ? "(" : "");
		add_symbol(text, x->x);
		us_text_add(text, "%s", operators[x->op]);
		add_symbol(text, x->y);
		us_text_add(text, "%s", own < binding ? ")" : "");
	}
}

const char *us_kx_text(struct us_pool *pool, const struct us_kx *x)
{
	_us_text_deinit_ struct us_text text = { 0 };

	add_expr(&text, x, 0);
	return text.failed ? NULL : us_pool_strdup(pool, text.s);
}
