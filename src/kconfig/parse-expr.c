/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Expressions (Documentation/kbuild/kconfig-language.rst, "Menu dependencies"): comparisons of two
 * symbols bind tightest, then !, &&, ||. In a condition the constant m stands for "m && MODULES",
 * as conf has it; MODULES is filled in at the end of the tree.
 */
#include "kconfig/parse-int.h"

#define OPS_MAX 1000 /* operators of one expression: who reads it may recurse over them */

struct us_err *us_kx_new(struct us_pool *pool, enum us_kop op, const struct us_kx *a,
			 const struct us_kx *b, const struct us_kx **ret)
{
	struct us_kx *x = us_pool_alloc(pool, sizeof(*x));

	if (!x)
		return us_err_nomem();
	*x = (struct us_kx){ .op = op, .a = a, .b = b };
	*ret = x;
	return NULL;
}

struct us_err *us_kx_leaf(struct us_pool *pool, enum us_kop op, struct us_ksym *x,
			  struct us_ksym *y, const struct us_kx **ret)
{
	struct us_kx *leaf = us_pool_alloc(pool, sizeof(*leaf));

	if (!leaf)
		return us_err_nomem();
	*leaf = (struct us_kx){ .op = op, .x = x, .y = y };
	*ret = leaf;
	return NULL;
}

struct us_err *us_kparse_symbol(struct us_kparse *p, struct us_ksym **ret)
{
	struct us_klex *lex = p->lex;

	if ((lex->tok != US_KTOK_WORD && lex->tok != US_KTOK_QUOTED) || us_klex_is(lex, "if"))
		return us_kparse_error(p, "a symbol is missing here");
	US_TRY(us_kmacro_symbol(&p->macro, lex->s, lex->n, lex->tok == US_KTOK_QUOTED, ret));
	return us_klex_next(lex);
}

static enum us_kop comparison(enum us_ktok tok)
{
	switch (tok) {
	case US_KTOK_EQ:
		return US_KX_EQ;
	case US_KTOK_NE:
		return US_KX_NE;
	case US_KTOK_LT:
		return US_KX_LT;
	case US_KTOK_LE:
		return US_KX_LE;
	case US_KTOK_GT:
		return US_KX_GT;
	case US_KTOK_GE:
		return US_KX_GE;
	default:
		return US_KX_SYM;
	}
}

static struct us_err *read_leaf(struct us_kparse *p, bool condition, const struct us_kx **ret)
{
	struct us_ksym *x, *y;
	enum us_kop op;

	US_TRY(us_kparse_symbol(p, &x));
	op = comparison(p->lex->tok);
	if (op == US_KX_SYM && condition && x == p->tree->mod) {
		*ret = p->mod_if_modules;
		return NULL;
	}
	if (op == US_KX_SYM)
		return us_kx_leaf(&p->tree->pool, op, x, NULL, ret);
	US_TRY(us_klex_next(p->lex));
	US_TRY(us_kparse_symbol(p, &y));
	return us_kx_leaf(&p->tree->pool, op, x, y, ret);
}

static struct us_err *count(struct us_kparse *p)
{
	return ++p->n_ops > OPS_MAX
		       ? us_kparse_error(p, "an expression of more than %d operators", OPS_MAX)
		       : NULL;
}

static struct us_err *read_or(struct us_kparse *p, bool condition, const struct us_kx **ret);

static struct us_err *read_unary(struct us_kparse *p, bool condition, const struct us_kx **ret)
{
	struct us_klex *lex = p->lex;
	const struct us_kx *a;

	if (lex->tok == US_KTOK_NOT) {
		US_TRY(count(p));
		US_TRY(us_klex_next(lex));
		US_TRY(read_unary(p, condition, &a));
		return us_kx_new(&p->tree->pool, US_KX_NOT, a, NULL, ret);
	}
	if (lex->tok == US_KTOK_OPEN) {
		US_TRY(count(p));
		US_TRY(us_klex_next(lex));
		US_TRY(read_or(p, condition, ret));
		if (lex->tok != US_KTOK_CLOSE)
			return us_kparse_error(p, "a ')' is missing here");
		return us_klex_next(lex);
	}
	return read_leaf(p, condition, ret);
}

static struct us_err *read_and(struct us_kparse *p, bool condition, const struct us_kx **ret)
{
	const struct us_kx *b;

	US_TRY(read_unary(p, condition, ret));
	while (p->lex->tok == US_KTOK_AND) {
		US_TRY(count(p));
		US_TRY(us_klex_next(p->lex));
		US_TRY(read_unary(p, condition, &b));
		US_TRY(us_kx_new(&p->tree->pool, US_KX_AND, *ret, b, ret));
	}
	return NULL;
}

static struct us_err *read_or(struct us_kparse *p, bool condition, const struct us_kx **ret)
{
	const struct us_kx *b;

	US_TRY(read_and(p, condition, ret));
	while (p->lex->tok == US_KTOK_OR) {
		US_TRY(count(p));
		US_TRY(us_klex_next(p->lex));
		US_TRY(read_and(p, condition, &b));
		US_TRY(us_kx_new(&p->tree->pool, US_KX_OR, *ret, b, ret));
	}
	return NULL;
}

struct us_err *us_kparse_expr(struct us_kparse *p, bool condition, const struct us_kx **ret)
{
	p->n_ops = 0;
	return read_or(p, condition, ret);
}

struct us_err *us_kparse_end(struct us_kparse *p)
{
	struct us_klex *lex = p->lex;

	if (lex->tok == US_KTOK_EOL)
		return NULL;
	if (lex->tok == US_KTOK_WORD || lex->tok == US_KTOK_QUOTED) {
		const char *word = us_kmacro_readable(&p->macro, lex->s, lex->n);

		return us_kparse_error(p, "'%.40s' is not expected here", word ? word : "");
	}
	return us_kparse_error(p, "the statement should end here");
}

struct us_err *us_kparse_if_end(struct us_kparse *p, const struct us_kx **ret)
{
	*ret = NULL;
	if (us_klex_is(p->lex, "if")) {
		US_TRY(us_klex_next(p->lex));
		US_TRY(us_kparse_expr(p, true, ret));
	}
	return us_kparse_end(p);
}

/* x = n, or x != n, with the comparison at the leaves, as conf pushes it down there. */
static struct us_err *compare_no(struct us_kparse *p, const struct us_kx *x, bool equal,
				 const struct us_kx **ret)
{
	struct us_pool *pool = &p->tree->pool;
	const struct us_kx *a, *b;

	if (x == p->mod_if_modules) /* conf puts MODULES in later: only the bare m is compared */
		return us_kx_leaf(pool, equal ? US_KX_EQ : US_KX_NE, p->tree->mod, p->tree->no, ret);
	switch (x->op) {
	case US_KX_SYM:
		return us_kx_leaf(pool, equal ? US_KX_EQ : US_KX_NE, x->x, p->tree->no, ret);
	case US_KX_NOT:
		return compare_no(p, x->a, !equal, ret);
	case US_KX_AND:
	case US_KX_OR:
		US_TRY(compare_no(p, x->a, true, &a));
		US_TRY(compare_no(p, x->b, true, &b));
		US_TRY(us_kx_new(pool, x->op == US_KX_AND ? US_KX_OR : US_KX_AND, a, b, ret));
		break;
	default:
		*ret = x;
		if (!equal)
			return NULL;
		return us_kx_new(pool, US_KX_NOT, x, NULL, ret);
	}
	return equal ? NULL : us_kx_new(pool, US_KX_NOT, *ret, NULL, ret);
}

struct us_err *us_kparse_unless(struct us_kparse *p, const struct us_kx *x, const struct us_kx *y,
				const struct us_kx **ret)
{
	const struct us_kx *off;

	US_TRY(compare_no(p, y, true, &off));
	return us_kx_new(&p->tree->pool, US_KX_OR, x, off, ret);
}
