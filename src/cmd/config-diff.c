/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * understudy config diff: what a newer source tree no longer allows, or allows at last:
 * combinations, roles, symbols; and which values of a .config would not survive the step. That
 * something was lost is told, not whether that is wrong.
 */
#include "cmd/config-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <string.h>

struct opts {
	struct us_tree_ask ask;
};

static const struct us_option options[] = {
	US_TREE_ARCHES,
	US_TREE_SYMBOLS(", and the roles that they grant"),
	US_TREE_BASE("Tell which values of this .config (of OLD) are not kept in NEW, and why"),
	US_TREE_COMMON,
	{ 0 },
};

/*
 * What combinations are good for. unless: the role is asked for in another way where the tree
 * defines that symbol (Linux 6.9 moved the panic side from KEXEC_CORE to CRASH_DUMP).
 */
static const struct {
	const char *name, *want, *unless;
} roles[] = {
	{ "starting another kernel by kexec_load(2)", "KEXEC=y", NULL },
	{ "starting another kernel by kexec_file_load(2) alone", "KEXEC=n KEXEC_FILE=y", NULL },
	{ "handing over to a capture kernel after a panic", "KEXEC_CORE=y", "CRASH_RESERVE" },
	{ "handing over to a capture kernel after a panic", "CRASH_DUMP=y", NULL },
	{ "being a capture kernel", "CRASH_DUMP=y PROC_VMCORE=y", NULL },
	{ "being a capture kernel that can start no other kernel",
	  "CRASH_DUMP=y PROC_VMCORE=y KEXEC=n KEXEC_FILE=n", NULL },
	{ "kdump on both sides without kexec_load(2)",
	  "KEXEC=n KEXEC_FILE=y CRASH_DUMP=y PROC_VMCORE=y", NULL },
};

/* What took a symbol's place, where its name alone does not tell (Linux 6.9). */
static const struct {
	const char *old, *now;
} renames[] = {
	{ "CRASH_CORE", "VMCORE_INFO and CRASH_RESERVE" },
};

#define CHANGES_MAX ((1 << US_SYMBOLS_MAX) + 2 * us_array_size(roles))

/* The two trees for one architecture, and what is found. */
struct pair {
	const struct opts *o;
	const struct us_question *q;
	struct us_ktree *old, *now;
	struct us_pool pool;
	struct us_kanswer **answers; /* owned: what the changes point to */
	size_t n_answers, cap_answers;
	struct us_config_change *changes;
	size_t n_changes;
	struct us_config_diff diff;
};

static void pair_deinit(struct pair *p)
{
	for (size_t i = 0; i < p->n_answers; i++)
		us_kanswer_free(p->answers[i]);
	free(p->answers);
	us_ktree_free(p->old);
	us_ktree_free(p->now);
	us_pool_deinit(&p->pool);
}

/* The answer lives as long as the pair. */
static struct us_err *ask(struct pair *p, struct us_ktree *tree, const char *want,
			  const struct us_kconfig *base, const struct us_kanswer **ret)
{
	if (p->n_answers == p->cap_answers) {
		size_t cap = p->cap_answers ? 2 * p->cap_answers : 64;
		struct us_kanswer **v = reallocarray(p->answers, cap, sizeof(struct us_kanswer *));

		if (!v)
			return us_err_nomem();
		p->answers = v;
		p->cap_answers = cap;
	}
	US_TRY(us_ktree_ask(tree, &(struct us_kask){ .want = want, .base = base },
			    &p->answers[p->n_answers]));
	*ret = p->answers[p->n_answers++];
	return NULL;
}

/* Is want reachable in one of the trees only? want_old and want_now differ for roles. */
static struct us_err *compare(struct pair *p, const char *role, const char *want_old,
			      const char *want_now)
{
	const struct us_kanswer *old = NULL, *now = NULL;
	bool lost;

	US_TRY(ask(p, p->old, want_old, NULL, &old));
	US_TRY(ask(p, p->now, want_now, NULL, &now));
	if (old->reachable == now->reachable)
		return NULL;
	lost = old->reachable;
	p->changes[p->n_changes++] = (struct us_config_change){
		.lost = lost,
		.role = role,
		.want = lost ? want_now : want_old,
		.why = lost ? now : old,
	};
	return NULL;
}

static struct us_err *compare_combos(struct pair *p, const struct us_combos *all)
{
	struct us_said said[US_SYMBOLS_MAX] = { 0 }, old[US_SYMBOLS_MAX], now[US_SYMBOLS_MAX];
	const char *both[US_SYMBOLS_MAX];
	struct us_combos c = { both, 0 };

	US_TRY(us_combos_said(p->old, all, old));
	US_TRY(us_combos_said(p->now, all, now));
	for (size_t k = 0; k < all->n; k++) {
		if (!old[k].defined || !now[k].defined)
			continue;
		said[c.n].tristate = old[k].tristate || now[k].tristate;
		both[c.n++] = all->symbols[k];
	}
	for (size_t i = 0; c.n && i < (size_t)1 << c.n; i++) {
		const char *want = us_combo_want(&c, said, i, &p->pool);

		if (!want)
			return us_err_nomem();
		US_TRY(compare(p, NULL, want, want));
	}
	return NULL;
}

static struct us_err *role_want(const struct us_ktree *tree, size_t first, const char *name,
				const char **ret)
{
	for (size_t i = first; i < us_array_size(roles) && !strcmp(roles[i].name, name); i++) {
		struct us_said said = { 0 };

		if (roles[i].unless)
			US_TRY(us_symbol_said(tree, roles[i].unless, &said));
		*ret = roles[i].want;
		if (!said.defined)
			return NULL;
	}
	return NULL;
}

static struct us_err *compare_roles(struct pair *p)
{
	for (size_t i = 0; i < us_array_size(roles); i++) {
		const char *old = NULL, *now = NULL;

		if (i && !strcmp(roles[i].name, roles[i - 1].name))
			continue;
		US_TRY(role_want(p->old, i, roles[i].name, &old));
		US_TRY(role_want(p->now, i, roles[i].name, &now));
		US_TRY(compare(p, roles[i].name, old, now));
	}
	return NULL;
}

/* ---- symbols ---- */

/* Is a symbol of this name about starting kernels and saving crashes? What is only said about the
 * code of an architecture is not. */
static bool is_kin(const char *name)
{
	static const char *const parts[] = { "KEXEC",         "CRASH_DUMP", "CRASH_CORE",
					     "CRASH_HOTPLUG", "VMCORE",     "CRASH_RESERVE",
					     "FA_DUMP",       "CRASH_DM_" };

	for (size_t i = 0; i < us_array_size(parts); i++)
		if (strstr(name, parts[i]))
			return strncmp(name, "ARCH_", 5) && strncmp(name, "HAVE_", 5) &&
			       strncmp(name, "GENERIC_", 8);
	return false;
}

/* The kin that tree defines and other does not. */
static struct us_err *only_in(const struct us_ktree *tree, const struct us_ktree *other,
			      struct us_pool *pool, const char ***ret, size_t *ret_n)
{
	const struct us_ksym *sym;
	size_t n = 0, cap = 0;
	const char **v;

	for (size_t i = 0; (sym = us_ktree_symbol_at(tree, i)); i++)
		cap += is_kin(us_ksym_name(sym));
	v = us_pool_array(pool, cap + 1, sizeof(*v));
	if (!v)
		return us_err_nomem();
	for (size_t i = 0; (sym = us_ktree_symbol_at(tree, i)); i++) {
		struct us_said said = { 0 };

		if (!is_kin(us_ksym_name(sym)))
			continue;
		US_TRY(us_symbol_said(other, us_ksym_name(sym), &said));
		if (!said.defined)
			v[n++] = us_ksym_name(sym);
	}
	*ret = v;
	*ret_n = n;
	return NULL;
}

static const char *instead_of(const char *symbol)
{
	for (size_t i = 0; i < us_array_size(renames); i++)
		if (!strcmp(renames[i].old, symbol))
			return renames[i].now;
	return NULL;
}

static struct us_err *compare_symbols(struct pair *p)
{
	const char **gone = NULL, **came = NULL;
	struct us_config_rename *list;
	size_t n = 0, n_came = 0;

	US_TRY(only_in(p->old, p->now, &p->pool, &gone, &n));
	US_TRY(only_in(p->now, p->old, &p->pool, &came, &n_came));
	list = us_pool_array(&p->pool, n + 1, sizeof(*list));
	if (!list)
		return us_err_nomem();
	for (size_t i = 0; i < n; i++)
		list[i] = (struct us_config_rename){ gone[i], instead_of(gone[i]) };
	p->diff.gone = list;
	p->diff.n_gone = n;
	p->diff.came = came;
	return NULL;
}

/* ---- the values of a configuration ---- */

/* sym is of OLD and can be set there; NULL in ret->symbol if its value survives. */
static struct us_err *follow(struct pair *p, const struct us_ksym *sym,
			     const struct us_kvalues *old, const struct us_kvalues *now,
			     struct us_config_victim *ret)
{
	const char *name = us_ksym_name(sym), *had = us_kvalues_text(old, sym);
	const struct us_ksym *there = us_ktree_symbol(p->now, name);
	struct us_said said = { 0 };

	US_TRY(us_symbol_said(p->now, name, &said));
	*ret = (struct us_config_victim){ .had = had };
	if (!said.defined) {
		if (strcmp(had, "n") && *had)
			ret->symbol = name;
		return NULL;
	}
	ret->gets = us_kvalues_text(now, there);
	if (!strcmp(had, ret->gets))
		return NULL;
	US_TRY(us_symbol_why(now, there, &p->pool, &ret->why));
	ret->want = us_kask_assignment(&p->pool, name, had);
	if (!ret->want)
		return us_err_nomem();
	ret->symbol = name;
	return ask(p, p->now, ret->want, p->q->base, &ret->ask);
}

static struct us_err *find_victims(struct pair *p, const struct us_combos *combos)
{
	_us_kvalues_free_ struct us_kvalues *old = NULL, *now = NULL;
	struct us_config_victim *list;
	const struct us_ksym *sym;
	size_t n = 0, cap = 0;

	while (us_ktree_symbol_at(p->old, cap))
		cap++;
	list = us_pool_array(&p->pool, cap + 1, sizeof(*list));
	if (!list)
		return us_err_nomem();
	US_TRY(us_ktree_evaluate(p->old, US_KSTART_DEFAULTS, p->q->base, &old));
	US_TRY(us_ktree_evaluate(p->now, US_KSTART_DEFAULTS, p->q->base, &now));
	for (size_t i = 0; (sym = us_ktree_symbol_at(p->old, i)); i++) {
		struct us_said said = { 0 };
		bool asked = is_kin(us_ksym_name(sym));

		for (size_t k = 0; !asked && k < combos->n; k++)
			asked = !strcmp(us_ksym_name(sym), combos->symbols[k]);
		if (!asked)
			continue;
		US_TRY(us_symbol_said(p->old, us_ksym_name(sym), &said));
		if (said.prompt)
			US_TRY(follow(p, sym, old, now, &list[n]));
		n += list[n].symbol != NULL;
	}
	/* the texts of values die with them */
	for (size_t i = 0; i < n; i++) {
		list[i].had = us_pool_strdup(&p->pool, list[i].had);
		list[i].gets = list[i].gets ? us_pool_strdup(&p->pool, list[i].gets) : NULL;
		if (!list[i].had)
			return us_err_nomem();
	}
	p->diff.victims = list;
	p->diff.n_victims = n;
	p->diff.base = p->o->ask.base;
	return NULL;
}

/* ---- the command ---- */

struct run {
	const struct opts *o;
	struct us_question q;
	struct us_combos combos;
	struct us_out out;
	json_object *obj, *list;
	struct us_ksource *sources[2]; /* OLD and NEW */
	const char *const *arches[2];
	struct us_progress_line line;
	struct us_text same; /* architectures of several that are as they were */
	int status;
};

static bool has(const char *const *list, const char *word)
{
	while (*list && strcmp(*list, word))
		list++;
	return *list != NULL;
}

static struct us_err *compare_all(struct pair *p, const struct us_combos *combos,
				  struct us_ksource *const *sources)
{
	struct us_ktree_options of = p->q->options;

	of.arch = p->diff.arch;
	US_TRY(us_ktree_read(sources[0], &of, &p->old));
	US_TRY(us_ktree_read(sources[1], &of, &p->now));
	p->diff.old_version = us_ktree_version(p->old);
	p->diff.new_version = us_ktree_version(p->now);
	p->changes = us_pool_array(&p->pool, CHANGES_MAX, sizeof(*p->changes));
	if (!p->changes)
		return us_err_nomem();
	if (!p->o->ask.symbols)
		US_TRY(compare_roles(p));
	US_TRY(compare_combos(p, combos));
	p->diff.changes = p->changes;
	p->diff.n_changes = p->n_changes;
	US_TRY(compare_symbols(p));
	return p->q->base ? find_victims(p, combos) : NULL;
}

static struct us_err *one_arch(struct run *r, const char *arch, bool alone)
{
	__attribute__((cleanup(pair_deinit))) struct pair p = { .o = r->o, .q = &r->q };
	struct us_config_diff *d = &p.diff;
	struct us_err *err = NULL;
	bool lost = false;

	d->arch = arch;
	if (has(r->arches[0], arch) != has(r->arches[1], arch))
		d->only = has(r->arches[0], arch) ? "OLD" : "NEW";
	else
		err = compare_all(&p, &r->combos, r->sources);
	if (err && (alone || err->code == US_ERR_NOMEM || err->code == US_ERR_USAGE))
		return err;
	if (err) {
		*d = (struct us_config_diff){ .arch = arch };
		d->problem = us_pool_strdup(&p.pool, err->text);
		us_err_free(err);
		r->status = US_EXIT_UNKNOWN;
	}
	for (size_t i = 0; i < d->n_changes; i++)
		lost |= d->changes[i].lost;
	lost |= d->n_victims || (d->only && has(r->arches[0], arch));
	if (lost && r->status == US_EXIT_OK)
		r->status = US_EXIT_BLOCKED;
	us_progress_line_end(&r->line);
	if (r->list)
		us_json_diff(r->list, d);
	else if (alone || d->n_changes || d->n_victims || d->problem || d->only)
		us_report_diff(&r->out, d);
	else
		us_text_add(&r->same, "%s%s", r->same.n ? ", " : "", arch);
	return NULL;
}

/* The architectures of either tree. */
static struct us_err *all_arches(struct run *r, const char *const **ret)
{
	const char **all;
	size_t n = 0;

	for (int i = 0; i < 2; i++)
		for (const char *const *arch = r->arches[i]; *arch; arch++)
			n++;
	all = us_pool_array(&r->q.pool, n + 1, sizeof(*all));
	if (!all)
		return us_err_nomem();
	n = 0;
	for (int i = 0; i < 2; i++)
		for (const char *const *arch = r->arches[i]; *arch; arch++)
			if (!i || !has(r->arches[0], *arch))
				all[n++] = *arch;
	*ret = all;
	return NULL;
}

static struct us_err *check_arches(const char *const *arches, const char *const *all)
{
	_us_text_deinit_ struct us_text known = { 0 };

	while (*arches && has(all, *arches))
		arches++;
	if (!*arches)
		return NULL;
	for (; *all; all++)
		us_text_add(&known, " %s", *all);
	return us_err_new(US_ERR_USAGE, "neither tree has an architecture '%s'; they have:%s",
			  *arches, known.s ? known.s : " none");
}

/* Those of --arch, else that of --base, else all. */
static struct us_err *find_arches(struct run *r, char **paths, const char *const **ret)
{
	const char *named = r->o->ask.arch, *const *all = NULL;

	for (int i = 0; i < 2; i++) {
		US_TRY(us_ksource_open(paths[i], &r->line.p, &r->sources[i]));
		US_TRY(us_ksource_arches(r->sources[i], &r->q.pool, &r->arches[i]));
	}
	US_TRY(all_arches(r, &all));
	if (!named)
		named = r->q.options.arch;
	if (!named || !strcmp(named, "all")) {
		*ret = all;
		return NULL;
	}
	US_TRY(us_words_split(named, "--arch", 64, &r->q.pool, ret, NULL));
	return check_arches(*ret, all);
}

static struct us_err *compare_arches(struct run *r, char **paths)
{
	const char *const *arches = NULL;

	US_TRY(us_question_read(&r->o->ask, !r->o->ask.base, &r->q));
	US_TRY(us_combos_read(&r->o->ask, &r->q.pool, &r->combos));
	US_TRY(find_arches(r, paths, &arches));
	for (size_t i = 0; arches[i]; i++) {
		const char *what = us_pool_format(&r->q.pool, "comparing %s", arches[i]);

		us_progress_at(&r->line.p, what ? what : arches[i], 0, 0);
		US_TRY(one_arch(r, arches[i], !arches[1]));
	}
	if (r->same.n)
		us_report_same(&r->out, r->same.s);
	return NULL;
}

static int run(void *opts, int argc, char **argv)
{
	struct run r = { .o = opts };
	struct us_err *err = NULL;

	(void)argc;
	us_out_init(stdout, &r.out);
	us_progress_line_init(&r.line, stderr);
	if (r.o->ask.json) {
		r.obj = us_json_new("config-diff");
		if (r.obj) {
			us_json_str(r.obj, "old", argv[0]);
			us_json_str(r.obj, "new", argv[1]);
			us_json_str(r.obj, "base", r.o->ask.base);
			r.list = us_json_list(r.obj, "arches");
		}
		err = r.obj ? NULL : us_err_nomem();
	}
	if (!err)
		err = compare_arches(&r, argv);
	us_progress_line_end(&r.line);
	if (err) {
		json_object_put(r.obj);
		r.status = us_cmd_fail(err, r.o->ask.json);
	} else if (r.obj) {
		us_json_num(r.obj, "exit", (uint64_t)r.status);
		r.status = us_cmd_json(r.obj, r.status);
	}
	us_text_deinit(&r.same);
	us_ksource_free(r.sources[0]);
	us_ksource_free(r.sources[1]);
	us_question_deinit(&r.q);
	return r.status;
}

const struct us_cmd us_config_diff = {
	.name = "config diff",
	.args = "OLD NEW",
	.brief = "What a newer source tree no longer allows, and by which lines",
	.options = options,
	.min_args = 2,
	.max_args = 2,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
