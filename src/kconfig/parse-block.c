/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entries and the blocks around them. What an entry inherits from if, menu and choice are terms of
 * their own, with the places of the lines that state them.
 */
#include "kconfig/parse-int.h"

#include <string.h>

#define TERMS_MAX   4000000 /* of all entries; Linux 7.3 has 43,000 */
#define CHOICES_MAX 2000    /* who reads one may recurse into others; Linux 6.12 has 184 */

static const char *const block_ends[] = {
	[US_KB_IF] = "endif",
	[US_KB_MENU] = "endmenu",
	[US_KB_CHOICE] = "endchoice",
};

struct us_kblock *us_kparse_block(const struct us_kparse *p)
{
	return p->blocks.n ? (struct us_kblock *)p->blocks.v + p->blocks.n - 1 : NULL;
}

/* own, then what is inherited. */
static struct us_err *join(struct us_kparse *p, const struct us_kterm *own, size_t n_own,
			   const struct us_kterm *inherited, size_t n_inherited,
			   const struct us_kterm **ret, size_t *ret_n)
{
	struct us_kterm *all;

	*ret_n = n_own + n_inherited;
	*ret = inherited;
	if (!n_own)
		return NULL;
	p->n_terms += *ret_n;
	if (p->n_terms > TERMS_MAX)
		return us_kparse_error(p, "more dependencies are inherited than any tree needs");
	all = us_pool_array(&p->tree->pool, *ret_n, sizeof(*all));
	if (!all)
		return us_err_nomem();
	memcpy(all, own, n_own * sizeof(*all));
	if (n_inherited)
		memcpy(all + n_own, inherited, n_inherited * sizeof(*all));
	*ret = all;
	return NULL;
}

static struct us_err *join_depends(struct us_kparse *p, const struct us_kterm **ret, size_t *ret_n)
{
	const struct us_kblock *block = us_kparse_block(p);

	return join(p, p->terms.v, p->terms.n, block ? block->terms : NULL,
		    block ? block->n_terms : 0, ret, ret_n);
}

struct us_err *us_kparse_block_open(struct us_kparse *p, enum us_kblock_kind kind,
				    const struct us_kterm *own, size_t n_own,
				    struct us_kblock **ret)
{
	struct us_kblock block = { .kind = kind, .at = p->at };
	const struct us_kblock *outer = us_kparse_block(p);
	struct us_kblock *at;

	US_TRY(join(p, own, n_own, outer ? outer->terms : NULL, outer ? outer->n_terms : 0,
		    &block.terms, &block.n_terms));
	if (outer) {
		block.visible = outer->visible;
		block.n_visible = outer->n_visible;
		block.choice = outer->choice;
		block.node = outer->node;
		block.depth = outer->depth;
	}
	at = us_kvec_push(&p->blocks, sizeof(*at));
	if (!at)
		return us_err_nomem();
	*at = block;
	*ret = at;
	if (kind == US_KB_IF && block.node)
		return us_kparse_node(p, at, NULL, &at->node);
	return NULL;
}

struct us_err *us_kparse_block_close(struct us_kparse *p, enum us_kblock_kind kind)
{
	const struct us_kfile *file = (const struct us_kfile *)p->files.v + p->files.n - 1;
	const struct us_kblock *block = us_kparse_block(p);

	if (p->blocks.n <= file->n_blocks)
		return us_kparse_error(p, "'%s' without a beginning in this file", block_ends[kind]);
	if (block->kind != kind)
		return us_kparse_error(p, "'%s' stands where '%s' would end what begins at %s:%u",
				       block_ends[kind], block_ends[block->kind], block->at.file,
				       block->at.line);
	p->blocks.n--;
	return NULL;
}

/* ---- entries ---- */

static struct us_kentry *push_entry(struct us_kparse *p)
{
	const struct us_kblock *block = us_kparse_block(p);
	struct us_kentry *entry = us_kvec_push(&p->entries, sizeof(*entry));

	if (entry) {
		entry->at = p->entry_at;
		entry->depth = block ? block->depth : 0;
	}
	return entry;
}

static struct us_err *move_props(struct us_kvec *vec, struct us_pool *pool,
				 const struct us_kdef *def, const struct us_kprop **ret,
				 size_t *ret_n)
{
	struct us_kprop *props = vec->v;

	for (size_t i = 0; i < vec->n; i++)
		props[i].def = def;
	return us_kvec_move(vec, sizeof(*props), pool, ret, ret_n);
}

static struct us_err *end_config(struct us_kparse *p)
{
	struct us_pool *pool = &p->tree->pool;
	struct us_kblock *block = us_kparse_block(p);
	struct us_kdef *def = us_pool_alloc(pool, sizeof(*def));
	struct us_kentry *entry = push_entry(p);
	struct us_knode *node;

	if (!def || !entry)
		return us_err_nomem();
	*def = p->def;
	entry->def = def;
	US_TRY(join_depends(p, &def->depends, &def->n_depends));
	if (block) {
		def->visible = block->visible;
		def->n_visible = block->n_visible;
		def->inside = block->choice;
	}
	US_TRY(move_props(&p->defaults, pool, def, &def->defaults, &def->n_defaults));
	US_TRY(move_props(&p->selects, pool, def, &def->selects, &def->n_selects));
	US_TRY(move_props(&p->implies, pool, def, &def->implies, &def->n_implies));
	US_TRY(move_props(&p->ranges, pool, def, &def->ranges, &def->n_ranges));
	if (block && block->node)
		US_TRY(us_kparse_node(p, block, def, &node));
	return us_kvec_push_pointer(&p->defs, def);
}

/* Members inherit what the choice inherits and depends on, marked as not their own. */
static struct us_err *open_choice(struct us_kparse *p, struct us_kchoice *choice)
{
	struct us_kterm *outer = us_pool_array(&p->tree->pool, choice->n_depends, sizeof(*outer));
	struct us_knode *root = us_pool_alloc(&p->tree->pool, sizeof(*root));
	struct us_kblock *block;

	if (!outer || !root)
		return us_err_nomem();
	p->n_terms += choice->n_depends;
	for (size_t i = 0; i < choice->n_depends; i++) {
		outer[i] = choice->depends[i];
		outer[i].outer = true;
	}
	US_TRY(us_kparse_block_open(p, US_KB_CHOICE, NULL, 0, &block));
	block->at = choice->at;
	block->terms = outer;
	block->n_terms = choice->n_depends;
	block->choice = choice;
	block->node = root;
	return us_kvec_push_pointer(&p->roots, root);
}

static struct us_err *end_choice(struct us_kparse *p)
{
	const struct us_kblock *block = us_kparse_block(p);
	struct us_kchoice *choice = us_pool_alloc(&p->tree->pool, sizeof(*choice));
	struct us_kentry *entry = push_entry(p);

	if (p->choices.n == CHOICES_MAX)
		return us_kparse_error(p, "more than %d choices", CHOICES_MAX);
	if (!choice || !entry)
		return us_err_nomem();
	*choice = p->choice;
	entry->choice = choice;
	choice->index = p->choices.n;
	US_TRY(join_depends(p, &choice->depends, &choice->n_depends));
	if (block) {
		choice->visible = block->visible;
		choice->n_visible = block->n_visible;
		choice->outer = block->choice;
	}
	US_TRY(move_props(&p->defaults, &p->tree->pool, NULL, &choice->defaults,
			  &choice->n_defaults));
	US_TRY(us_kvec_push_pointer(&p->choices, choice));
	return open_choice(p, choice);
}

static struct us_err *end_title(struct us_kparse *p, bool menu)
{
	struct us_kentry *entry = push_entry(p);
	struct us_kblock *block;

	if (!entry)
		return us_err_nomem();
	entry->title = p->title;
	entry->menu = menu;
	US_TRY(join_depends(p, &entry->depends, &entry->n_depends));
	if (!menu)
		return NULL;
	US_TRY(join(p, p->visible.v, p->visible.n, NULL, 0, &entry->visible, &entry->n_visible));
	US_TRY(us_kparse_block_open(p, US_KB_MENU, p->terms.v, p->terms.n, &block));
	block->at = p->entry_at;
	block->depth++;
	return join(p, p->visible.v, p->visible.n, block->visible, block->n_visible,
		    &block->visible, &block->n_visible);
}

struct us_err *us_kparse_entry_end(struct us_kparse *p)
{
	enum us_kentry_kind kind = p->kind;

	p->kind = US_KE_NONE;
	if (kind == US_KE_CONFIG)
		US_TRY(end_config(p));
	else if (kind == US_KE_CHOICE)
		US_TRY(end_choice(p));
	else if (kind == US_KE_MENU || kind == US_KE_COMMENT)
		US_TRY(end_title(p, kind == US_KE_MENU));
	p->def = (struct us_kdef){ 0 };
	p->choice = (struct us_kchoice){ 0 };
	p->terms.n = p->visible.n = p->defaults.n = p->selects.n = p->implies.n = p->ranges.n = 0;
	return NULL;
}

/* ---- the end of the tree ---- */

/* Who selects or implies whom: counted first, then filled in. */
static struct us_err *link_targets(struct us_kparse *p, bool implies)
{
	const struct us_kdef *const *defs = p->defs.v;

	for (int fill = 0; fill < 2; fill++) {
		for (size_t i = 0; i < p->defs.n; i++) {
			const struct us_kprop *props =
				implies ? defs[i]->implies : defs[i]->selects;
			size_t n = implies ? defs[i]->n_implies : defs[i]->n_selects;

			for (size_t k = 0; k < n; k++) {
				struct us_ksym *sym = props[k].target;
				const struct us_kprop *const **list =
					implies ? &sym->implied_by : &sym->selected_by;
				size_t *n_list = implies ? &sym->n_implied_by : &sym->n_selected_by;

				if (!fill) {
					++*n_list;
					continue;
				}
				if (!*list) {
					*list = us_pool_array(&p->tree->pool, *n_list,
							      sizeof(**list));
					if (!*list)
						return us_err_nomem();
					*n_list = 0;
				}
				((const struct us_kprop **)(uintptr_t)*list)[(*n_list)++] =
					&props[k];
			}
		}
	}
	return NULL;
}

static struct us_err *link_defs(struct us_kparse *p)
{
	struct us_kindex *index = p->tree->index;
	struct us_kdef *const *defs = p->defs.v;

	for (size_t i = 0; i < p->defs.n; i++) {
		if (!defs[i]->sym->n_defs++)
			US_TRY(us_kvec_push_pointer(&index->defined, defs[i]->sym));
	}
	for (size_t i = 0; i < p->defs.n; i++) {
		struct us_ksym *sym = defs[i]->sym;

		if (!sym->defs) {
			sym->defs = us_pool_array(&p->tree->pool, sym->n_defs, sizeof(*sym->defs));
			if (!sym->defs)
				return us_err_nomem();
			sym->n_defs = 0;
		}
		((const struct us_kdef **)(uintptr_t)sym->defs)[sym->n_defs++] = defs[i];
	}
	return NULL;
}

struct us_err *us_kparse_finish(struct us_kparse *p)
{
	struct us_ktree *tree = p->tree;

	US_TRY(link_defs(p));
	US_TRY(link_targets(p, false));
	US_TRY(link_targets(p, true));
	US_TRY(us_kvec_move(&p->choices, sizeof(void *), &tree->pool, &tree->choices,
			    &tree->n_choices));
	US_TRY(us_kvec_move(&p->entries, sizeof(struct us_kentry), &tree->pool, &tree->entries,
			    &tree->n_entries));
	return us_kvec_move(&p->names, sizeof(char *), &tree->pool, &tree->files, &tree->n_files);
}
