/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who is a choice's member (Linux scripts/kconfig/menu.c, 4.18 to 7.x): since 6.9 every entry in
 * the block. Before, an entry that depends on the one before it goes into a submenu of that one, as
 * in every menu, and what is in a submenu is no member.
 */
#include "kconfig/parse-int.h"

#include <string.h>

struct us_err *us_kparse_node(struct us_kparse *p, struct us_kblock *block, struct us_kdef *def,
			      struct us_knode **ret)
{
	struct us_knode *node = us_pool_alloc(&p->tree->pool, sizeof(*node));
	struct us_knode *parent = block->node;

	if (!node)
		return us_err_nomem();
	node->def = def;
	node->terms = def ? def->depends : block->terms;
	node->n_terms = def ? def->n_depends : block->n_terms;
	node->parent = parent;
	if (parent->last)
		parent->last->next = node;
	else
		parent->first = node;
	parent->last = node;
	*ret = node;
	return NULL;
}

/* ---- expressions, as far as submenus look at them ---- */

static bool mentions(const struct us_kx *x, const struct us_ksym *sym)
{
	if (x->x == sym || x->y == sym)
		return true;
	return (x->a && mentions(x->a, sym)) || (x->b && mentions(x->b, sym));
}

/* False without sym, for sure. */
static bool demands(const struct us_ktree *tree, const struct us_kx *x, const struct us_ksym *sym)
{
	switch (x->op) {
	case US_KX_AND:
		return demands(tree, x->a, sym) || demands(tree, x->b, sym);
	case US_KX_SYM:
		return x->x == sym;
	case US_KX_EQ:
		return x->x == sym && (x->y == tree->yes || x->y == tree->mod);
	case US_KX_NE:
		return x->x == sym && x->y == tree->no;
	default:
		return false;
	}
}

static bool same(const struct us_kx *x, const struct us_kx *y)
{
	if (x == y)
		return true;
	if (!x || !y || x->op != y->op || x->x != y->x || x->y != y->y)
		return false;
	return (same(x->a, y->a) && same(x->b, y->b)) ||
	       ((x->op == US_KX_AND || x->op == US_KX_OR) && same(x->a, y->b) && same(x->b, y->a));
}

/* Is c one of the factors of x? */
static bool has_factor(const struct us_kx *x, const struct us_kx *c)
{
	return same(x, c) || (x->op == US_KX_AND && (has_factor(x->a, c) || has_factor(x->b, c)));
}

/* ---- nodes ---- */

/* The terms of node that are not the choice's, then its prompt's condition; NULL past the last. */
static const struct us_kx *factor_at(const struct us_knode *node, size_t i)
{
	size_t n = 0;

	while (n < node->n_terms && !node->terms[n].outer)
		n++;
	if (i < n)
		return node->terms[i].x;
	return i == n && node->def && node->def->prompt ? node->def->prompt_cond : NULL;
}

static bool node_has_factor(const struct us_knode *node, const struct us_kx *c)
{
	const struct us_kx *x;

	if (c->op == US_KX_AND)
		return node_has_factor(node, c->a) && node_has_factor(node, c->b);
	for (size_t i = 0; (x = factor_at(node, i)); i++) {
		if (has_factor(x, c))
			return true;
	}
	return false;
}

/* Does node go into the submenu of the entry before? */
static bool goes_below(const struct us_ktree *tree, const struct us_knode *node,
		       const struct us_knode *before)
{
	const struct us_ksym *sym = before->def->sym;
	const struct us_kx *x;
	bool mentioned = false;

	for (size_t i = 0; (x = factor_at(node, i)); i++) {
		if (demands(tree, x, sym))
			return true;
		mentioned = mentioned || mentions(x, sym);
	}
	if (!mentioned)
		return false;
	/* also if it depends on sym in some way, and on all that sym depends on */
	for (size_t i = 0; before->def->prompt && (x = factor_at(before, i)); i++) {
		if (!node_has_factor(node, x))
			return false;
	}
	return true;
}

static struct us_err *add_member(struct us_kvec *members, struct us_kchoice *choice,
				 struct us_kdef *def)
{
	def->choice = choice;
	/* a symbol is a member of the first choice that has it, and once */
	if (def->sym->choice)
		return NULL;
	def->sym->choice = choice;
	return us_kvec_push_pointer(members, def->sym);
}

/*
 * The members among the nodes of one level: an "if" adds its own where it stands, and what goes
 * into a submenu is passed over, unless the submenu's head has no prompt and thus shows none.
 */
static struct us_err *collect(const struct us_ktree *tree, struct us_kvec *members,
			      struct us_kchoice *choice, const struct us_knode *level)
{
	bool submenus = tree->major < 6 || (tree->major == 6 && tree->minor < 9);
	const struct us_knode *next;

	for (const struct us_knode *node = level->first; node; node = next) {
		next = node->next;
		if (!node->def) {
			US_TRY(collect(tree, members, choice, node));
			continue;
		}
		US_TRY(add_member(members, choice, node->def));
		if (!submenus || !node->def->prompt)
			continue;
		while (next && goes_below(tree, next, node))
			next = next->next;
	}
	return NULL;
}

struct us_err *us_kparse_members(struct us_kparse *p)
{
	struct us_knode *const *roots = p->roots.v;
	struct us_kchoice *const *choices = p->choices.v;
	struct us_err *err = NULL;

	for (size_t i = 0; i < p->choices.n && !err; i++) {
		struct us_kchoice *choice = choices[i];
		struct us_kvec members = { 0 };

		err = collect(p->tree, &members, choice, roots[i]);
		for (size_t k = 0; k < members.n && choice->type == US_K_UNKNOWN; k++)
			choice->type = ((struct us_ksym **)members.v)[k]->type;
		for (size_t k = 0; k < members.n; k++) {
			struct us_ksym *sym = ((struct us_ksym **)members.v)[k];

			if (sym->type == US_K_UNKNOWN)
				sym->type = choice->type;
		}
		if (!err)
			err = us_kvec_move(&members, sizeof(void *), &p->tree->pool,
					   &choice->members, &choice->n_members);
		us_kvec_deinit(&members);
	}
	return err;
}
