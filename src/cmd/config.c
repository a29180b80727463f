/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * understudy config: what a kernel's configuration grants, and what a source tree lets it be. Each
 * sub-word is a command of its own, with its own options, in a file of its own; here is what those
 * share that look at a source tree.
 */
#include "cmd/config-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

static const struct us_cmd *const words[] = {
	&us_config_roles, &us_config_why, &us_config_table, &us_config_diff, &us_config_show, NULL,
};

const struct us_cmd us_cmd_config = {
	.name = "config",
	.args = "WORD",
	.brief = "What a kernel configuration grants, and what a source tree allows",
	.subs = words,
};

struct us_err *us_words_split(const char *text, const char *what, size_t max, struct us_pool *pool,
			      const char *const **ret, size_t *ret_n)
{
	const char **v = us_pool_array(pool, max + 1, sizeof(*v));
	size_t n = 0;

	if (!v)
		return us_err_nomem();
	for (text += strspn(text, " ,"); *text; text += strspn(text, " ,")) {
		size_t len = strcspn(text, " ,");

		if (n == max)
			return us_err_new(US_ERR_USAGE, "%s: at most %zu can be named", what, max);
		v[n] = us_pool_strndup(pool, text, len);
		if (!v[n++])
			return us_err_nomem();
		text += len;
	}
	if (!n)
		return us_err_new(US_ERR_USAGE, "%s names nothing", what);
	*ret = v;
	if (ret_n)
		*ret_n = n;
	return NULL;
}

/* "kernel/Kconfig.kexec:102" */
static struct us_err *read_place(const char *word, struct us_pool *pool, struct us_kplace *ret)
{
	const char *colon = strrchr(word, ':');
	uint64_t line = 0;

	if (!colon || colon == word || !us_text_u64(colon + 1, 10, &line) || !line ||
	    line > UINT32_MAX)
		return us_err_new(US_ERR_USAGE,
				  "--drop %s: it is FILE:LINE, as in kernel/Kconfig.kexec:102",
				  word);
	ret->file = us_pool_strndup(pool, word, (size_t)(colon - word));
	ret->line = (uint32_t)line;
	return ret->file ? NULL : us_err_nomem();
}

const char *us_make_arch(const struct us_arch *arch)
{
	if (!arch || arch->id == US_ARCH_UNKNOWN)
		return NULL;
	return arch->id == US_ARCH_X86_64 || arch->id == US_ARCH_I386 ? arch->name
								      : arch->kconfig_dir;
}

/* Of the machine that this program runs on. */
static struct us_err *arch_of_machine(const char **ret)
{
	struct utsname name;

	if (uname(&name) < 0)
		return us_err_os(errno, "uname");
	*ret = us_make_arch(us_arch_by_uname(name.machine));
	if (!*ret)
		return us_err_new(US_ERR_USAGE, "--arch is needed: %s is not known", name.machine);
	return NULL;
}

/* As make's ARCH: of a .config, by the comment at its top; NULL if it has none. */
static struct us_err *arch_of_config(const struct us_kconfig *config, struct us_pool *pool,
				     const char **ret)
{
	const char *made = us_kconfig_made_for(config), *slash = made ? strchr(made, '/') : NULL;

	*ret = NULL;
	if (!slash)
		return NULL;
	*ret = us_pool_strndup(pool, slash + 1, strcspn(slash + 1, " "));
	if (!*ret)
		return us_err_nomem();
	if (!strcmp(*ret, "x86"))
		*ret = us_kconfig_builtin(config, "64BIT") == US_YES ? "x86_64" : "i386";
	return NULL;
}

static struct us_err *read_words(const struct us_tree_ask *asked, struct us_question *q)
{
	struct us_kplace *drop = us_pool_array(&q->pool, asked->drop.n + 1, sizeof(*drop));
	const char **pins = us_pool_array(&q->pool, asked->pin.n + 1, sizeof(*pins));

	if (!drop || !pins)
		return us_err_nomem();
	for (size_t i = 0; i < asked->drop.n; i++)
		US_TRY(read_place(asked->drop.v[i], &q->pool, &drop[i]));
	for (size_t i = 0; i < asked->pin.n; i++)
		pins[i] = asked->pin.v[i];
	q->options.toolchain = asked->toolchain;
	q->options.drop = drop;
	q->options.n_drop = asked->drop.n;
	q->pins = asked->pin.n ? pins : NULL;
	return NULL;
}

struct us_err *us_question_read(const struct us_tree_ask *asked, bool several, struct us_question *q)
{
	US_TRY(read_words(asked, q));
	if (asked->base)
		US_TRY(us_image_config_read(asked->base, &q->base));
	if (several)
		return NULL;
	q->options.arch = asked->arch;
	if (!q->options.arch && q->base)
		US_TRY(arch_of_config(q->base, &q->pool, &q->options.arch));
	return q->options.arch ? NULL : arch_of_machine(&q->options.arch);
}

void us_question_deinit(struct us_question *q)
{
	us_kconfig_free(q->base);
	us_pool_deinit(&q->pool);
}

struct us_err *us_question_arches(const struct us_tree_ask *asked, struct us_ksource *source,
				  struct us_pool *pool, const char *const **ret)
{
	if (!asked->arch || !strcmp(asked->arch, "all"))
		return us_ksource_arches(source, pool, ret);
	return us_words_split(asked->arch, "--arch", 64, pool, ret, NULL);
}

struct us_err *us_symbol_said(const struct us_ktree *tree, const char *name, struct us_said *ret)
{
	static const char *const value_types[] = { "int", "hex", "string" };
	const struct us_ksym *sym = us_ktree_symbol(tree, name);
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const struct us_kline *lines = NULL;
	size_t n = 0;

	*ret = (struct us_said){ 0 };
	if (!sym)
		return NULL;
	US_TRY(us_ktree_lines(tree, sym, NULL, &pool, &lines, &n));
	for (size_t i = 0; i < n; i++) {
		ret->defined |= lines[i].kind == US_KLINE_CONFIG;
		ret->prompt |= lines[i].kind == US_KLINE_PROMPT;
		if (lines[i].kind != US_KLINE_TYPE)
			continue;
		ret->tristate |= !strcmp(lines[i].text, "tristate");
		for (size_t k = 0; k < us_array_size(value_types); k++)
			if (!strcmp(lines[i].text, value_types[k]))
				ret->value_type = value_types[k];
	}
	return NULL;
}

struct us_err *us_symbol_why(const struct us_kvalues *values, const struct us_ksym *sym,
			     struct us_pool *pool, const char **ret)
{
	const char *why = NULL;
	size_t n;

	US_TRY(us_kvalues_why(values, sym, pool, &why));
	n = strlen(why);
	*ret = us_pool_strndup(pool, why, n && why[n - 1] == '\n' ? n - 1 : n);
	return *ret ? NULL : us_err_nomem();
}

struct us_err *us_combos_read(const struct us_tree_ask *asked, struct us_pool *pool,
			      struct us_combos *ret)
{
	static const char usual[] = "KEXEC KEXEC_FILE CRASH_DUMP CRASH_HOTPLUG";

	return us_words_split(asked->symbols ? asked->symbols : usual, "--symbols", US_SYMBOLS_MAX,
			      pool, &ret->symbols, &ret->n);
}

struct us_err *us_combos_said(const struct us_ktree *tree, const struct us_combos *c,
			      struct us_said *ret)
{
	for (size_t k = 0; k < c->n; k++) {
		US_TRY(us_symbol_said(tree, c->symbols[k], &ret[k]));
		if (ret[k].value_type)
			return us_err_new(US_ERR_USAGE,
					  "--symbols %s: it is of type %s, and combinations are of "
					  "bool and tristate symbols (config why asks %s=VALUE)",
					  c->symbols[k], ret[k].value_type, c->symbols[k]);
	}
	return NULL;
}

static bool wanted(const struct us_combos *c, size_t i, size_t k)
{
	return i >> (c->n - 1 - k) & 1;
}

const char *us_combo_want(const struct us_combos *c, const struct us_said *said, size_t i,
			  struct us_pool *pool)
{
	const char *want = "";

	for (size_t k = 0; want && k < c->n; k++) {
		const char *value = !wanted(c, i, k) ? "n" : said && said[k].tristate ? "y|m" : "y";

		want = us_pool_format(pool, "%s%s%s=%s", want, k ? " " : "", c->symbols[k], value);
	}
	return want;
}

static struct us_err *ask_cell(struct us_ktree *tree, const char *want, char *ret)
{
	_us_kanswer_free_ struct us_kanswer *answer = NULL;

	US_TRY(us_ktree_ask(tree, &(struct us_kask){ .want = want }, &answer));
	if (answer->reachable)
		*ret = answer->maybe ? '?' : '+';
	else
		*ret = answer->unproved ? '?' : '.';
	return NULL;
}

struct us_err *us_combos_ask(struct us_ktree *tree, const struct us_combos *c, struct us_pool *pool,
			     const char **ret_cells, bool *ret_defines)
{
	struct us_said said[US_SYMBOLS_MAX] = { 0 };
	size_t n = (size_t)1 << c->n;
	char *cells = us_pool_alloc(pool, n + 1);
	bool defines = false;

	if (!cells)
		return us_err_nomem();
	US_TRY(us_combos_said(tree, c, said));
	for (size_t k = 0; k < c->n; k++)
		defines |= said[k].defined;
	for (size_t i = 0; i < n; i++) {
		const char *want = us_combo_want(c, said, i, pool);

		if (!want)
			return us_err_nomem();
		for (size_t k = 0; k < c->n; k++)
			if (wanted(c, i, k) && !said[k].defined)
				cells[i] = '-';
		if (!cells[i])
			US_TRY(ask_cell(tree, want, &cells[i]));
	}
	*ret_cells = cells;
	*ret_defines = defines;
	return NULL;
}
