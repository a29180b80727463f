/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts asked of a source tree: what the rules want is put to the tree as one question, and the
 * tree answers with the fewest lines that its configuration step keeps, or with the lines that
 * forbid it. The rules are those of the tree's version and architecture.
 */
#include "check/check-int.h"

#include <string.h>

struct us_witness us_witness_of_tree(const struct us_ktree *tree)
{
	const char *make_arch = us_ktree_arch(tree);
	const struct us_arch *arch = us_arch_by_uname(make_arch);

	for (int id = 1; arch->id == US_ARCH_UNKNOWN && id < US_ARCH_COUNT; id++)
		if (!strcmp(us_arch_by_id(id)->kconfig_dir, make_arch))
			arch = us_arch_by_id(id);
	return (struct us_witness){ .name = us_ktree_version(tree),
				    .release = us_ktree_version(tree),
				    .arch = arch };
}

/* By which call first: the one that base has, else the one that can check signatures. */
static size_t calls_to_try(const struct us_arch *arch, const struct us_kconfig *base,
			   enum us_part_call calls[2])
{
	bool file = us_part_arch_has_file(arch);

	calls[0] = us_kconfig_builtin(base, "KEXEC_FILE") == US_YES ? US_PART_BY_FILE
		   : us_kconfig_builtin(base, "KEXEC") == US_YES    ? US_PART_BY_LOAD
		   : file                                           ? US_PART_BY_FILE
								    : US_PART_BY_LOAD;
	calls[1] = US_PART_BY_LOAD + US_PART_BY_FILE - calls[0];
	return file ? 2 : 1;
}

static struct us_err *wish_all(struct us_parts *parts, unsigned int asked, enum us_part_call call,
			       struct us_part_wishes *wishes)
{
	/* a tree has architectures that we know nothing of, and no rule is for */
	bool is_foreign = parts->witness.arch->id == US_ARCH_UNKNOWN;

	for (enum us_part part = 0; part < US_PARTS; part++) {
		const struct us_part_verdict *v = &parts->v[part];

		for (size_t i = 0; asked & US_PART_BIT(part) && i < v->n_findings; i++) {
			const struct us_part_finding *f = &v->findings[i];

			if (us_part_wishable(f) && (!f->rule->calls || f->rule->calls & call) &&
			    !(f->rule->arch && is_foreign))
				US_TRY(us_part_wish(wishes, f->rule->want));
		}
	}
	return NULL;
}

/* Does base say that very line? */
static bool is_said(const struct us_kconfig *base, const char *line)
{
	size_t n = strcspn(line, "=");
	const char *have;
	char symbol[128];

	if (!base || strncmp(line, "CONFIG_", 7) || n < 8 || n - 7 >= sizeof(symbol))
		return false;
	memcpy(symbol, line + 7, n - 7);
	symbol[n - 7] = '\0';
	have = us_kconfig_value(base, symbol);
	return have && !strcmp(have, line + n + 1);
}

/* Without what base says already. */
static struct us_err *copy_list(struct us_pool *pool, const char *const *from,
				const struct us_kconfig *base, const char *const **ret)
{
	const char **to;
	size_t n = 0, kept = 0;

	while (from && from[n])
		n++;
	to = us_pool_array(pool, n + 1, sizeof(*to));
	for (size_t i = 0; to && i < n; i++) {
		if (is_said(base, from[i]))
			continue;
		to[kept] = us_pool_strdup(pool, from[i]);
		if (!to[kept++])
			return us_err_nomem();
	}
	*ret = to;
	return to ? NULL : us_err_nomem();
}

static struct us_err *take_answer(struct us_pool *pool, const struct us_kanswer *answer,
				  const struct us_kconfig *base, struct us_part_fragment *ret)
{
	const char **reasons;
	size_t n = answer->n_cores ? answer->cores[0].n : 0;

	ret->reachable = answer->reachable;
	US_TRY(copy_list(pool, answer->fragment, base, &ret->lines));
	US_TRY(copy_list(pool, answer->assumed, NULL, &ret->assumed));
	reasons = us_pool_array(pool, n + 1, sizeof(*reasons));
	if (!reasons)
		return us_err_nomem();
	for (size_t i = 0; i < n; i++) {
		reasons[i] = us_pool_strdup(pool, answer->cores[0].reasons[i].says);
		if (!reasons[i])
			return us_err_nomem();
	}
	ret->reasons = reasons;
	return NULL;
}

static struct us_err *ask(struct us_parts *parts, unsigned int asked, enum us_part_call call,
			  struct us_ktree *tree, const struct us_kconfig *base,
			  struct us_part_fragment *ret)
{
	_us_kanswer_free_ struct us_kanswer *answer = NULL;
	struct us_part_wishes wishes = { .pool = &parts->pool };
	struct us_kask question = { .base = base, .base_is = US_KBASE_GROWING, .want = "" };

	US_TRY(wish_all(parts, asked, call, &wishes));
	for (size_t i = 0; i < wishes.n; i++) {
		question.want = us_pool_format(&parts->pool, "%s %s=%s", question.want,
					       wishes.v[i].symbol, wishes.v[i].value);
		if (!question.want)
			return us_err_nomem();
	}
	US_TRY(us_ktree_ask(tree, &question, &answer));
	return take_answer(&parts->pool, answer, base, ret);
}

struct us_err *us_parts_ask(struct us_parts *parts, unsigned int asked, struct us_ktree *tree,
			    const struct us_kconfig *base, struct us_part_fragment *ret)
{
	struct us_part_fragment first = { 0 }, second = { 0 };
	enum us_part_call calls[2];
	size_t n = calls_to_try(parts->witness.arch, base, calls);

	US_TRY(ask(parts, asked, calls[0], tree, base, &first));
	if (!first.reachable && n > 1)
		US_TRY(ask(parts, asked, calls[1], tree, base, &second));
	*ret = second.reachable ? second : first;
	ret->arch = us_pool_strdup(&parts->pool, us_ktree_arch(tree));
	return ret->arch ? NULL : us_err_nomem();
}
