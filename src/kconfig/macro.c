/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The macro language of Kconfig (Documentation/kbuild/kconfig-macro-language.rst, Linux 4.18 to 7.x):
 * variables, functions with $(1)..., and the built-in functions. Without a toolchain no command is
 * run: $(shell,...) leaves a mark in the text, "\1NUMBER\2", and the word that holds it is a probe.
 */
#include "kconfig/parse-int.h"

#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX      64           /* of $(...) inside of what $(...) gave */
#define SPENT_MAX      (16ul << 20) /* bytes, over all expansions of a tree */
#define NAME_MAX_BYTES 1000         /* of a probe, for people */
#define ARGS_MAX       16

struct variable {
	const char *name, *value;
	bool simple;
	unsigned int busy;
};

struct args {
	const char *v[ARGS_MAX];
	size_t n;
};

struct us_kprobe {
	struct us_ksym *sym; /* NULL until a word is made of it */
	const char *command; /* marks included */
	const char *name;    /* the call that it came from, for people */
};

static struct us_err *bad(const struct us_kmacro *m, const char *what, const char *name)
{
	return us_err_new(US_ERR_BAD_DATA, "%s:%u: %s: '%.80s'", m->at.file, m->at.line, what, name);
}

static struct us_err *expand(struct us_kmacro *m, const char *s, size_t n, const struct args *args,
			     const char **ret);
static struct us_err *expand_dollar(struct us_kmacro *m, const char **at, const char *end,
				    const struct args *args, struct us_text *out);

/* ---- probes ---- */

/* The number of the mark that s begins with, and its length; 0 if there is none. */
static size_t mark_at(const struct us_kmacro *m, const char *s, size_t n, size_t *ret_len)
{
	size_t number = 0, i;

	if (!n || s[0] != '\1')
		return 0;
	for (i = 1; i < n && s[i] >= '0' && s[i] <= '9' && number <= m->probes.n; i++)
		number = number * 10 + (s[i] - '0');
	*ret_len = i + 1;
	return i < n && s[i] == '\2' && number <= m->probes.n ? number : 0;
}

/* The mark that is all of s, or NULL. */
static struct us_kprobe *only_mark(const struct us_kmacro *m, const char *s, size_t n)
{
	size_t len, number = mark_at(m, s, n, &len);

	return number && len == n ? (struct us_kprobe *)m->probes.v + number - 1 : NULL;
}

static const char *readable_in(struct us_pool *pool, const struct us_kmacro *m, const char *s,
			       size_t n)
{
	const struct us_kprobe *probes = m->probes.v;
	_us_text_deinit_ struct us_text text = { 0 };

	for (size_t i = 0, len; i < n; i += len) {
		size_t number = mark_at(m, s + i, n - i, &len);

		/* names hold names, so that they may double with each step */
		if (text.n > NAME_MAX_BYTES) {
			us_text_add(&text, "...");
			break;
		}

		if (number) {
			us_text_add(&text, "%s", probes[number - 1].name);
			continue;
		}
		for (len = 1; i + len < n && s[i + len] != '\1' && len < NAME_MAX_BYTES; len++)
			;
		us_text_put(&text, s + i, len);
	}
	return text.failed ? NULL : us_pool_strndup(pool, text.s ? text.s : "", text.n);
}

const char *us_kmacro_readable(struct us_kmacro *m, const char *s, size_t n)
{
	return us_kmacro_marked(s, n) ? readable_in(&m->tree->pool, m, s, n)
				      : us_pool_strndup(&m->tree->pool, s, n);
}

struct us_err *us_kmacro_symbol(struct us_kmacro *m, const char *s, size_t n, bool quoted,
				struct us_ksym **ret)
{
	struct us_kprobe *probe = only_mark(m, s, n);
	const char *text;

	if (!us_kmacro_marked(s, n))
		return us_ktree_word(m->tree, s, n, quoted, ret);
	if (probe && probe->sym) {
		*ret = probe->sym;
		return NULL;
	}
	text = readable_in(&m->tree->pool, m, s, n);
	s = us_pool_strndup(&m->tree->pool, s, n);
	if (!text || !s)
		return us_err_nomem();
	US_TRY(us_ktree_probe(m->tree, s, text, ret));
	if (probe)
		probe->sym = *ret;
	return NULL;
}

/* Free mode: the mark of command; the same command has the same. */
static struct us_err *leave_mark(struct us_kmacro *m, const char *command, struct us_text *out)
{
	size_t number = (size_t)us_kmap_get(&m->shells, command, strlen(command));
	struct us_kprobe *probe;
	const char *readable;

	if (!number) {
		readable = readable_in(&m->pool, m, command, strlen(command));
		probe = us_kvec_push(&m->probes, sizeof(*probe));
		if (!readable || !probe)
			return us_err_nomem();
		probe->command = command;
		probe->name = us_pool_format(&m->pool, "$(shell,%s)", readable);
		number = m->probes.n;
		US_TRY(us_kmap_put(&m->shells, command, strlen(command), (void *)number));
		if (!probe->name)
			return us_err_nomem();
	}
	us_text_add(out, "\1%zu\2", number);
	return NULL;
}

/* A probe is called by the outermost call that gave nothing else: "$(cc-option,-mfoo)". */
static struct us_err *name_probe(struct us_kmacro *m, const char *name, const struct args *args,
				 const char *value)
{
	struct us_kprobe *probe = only_mark(m, value, strlen(value));
	_us_text_deinit_ struct us_text text = { 0 };

	if (!probe || probe->sym)
		return NULL;
	us_text_add(&text, "$(%s", name);
	for (size_t i = 0; i < args->n; i++) {
		const char *arg = readable_in(&m->pool, m, args->v[i], strlen(args->v[i]));

		us_text_add(&text, ",%s", arg ? arg : "");
	}
	us_text_add(&text, ")");
	probe->name = text.failed ? NULL : us_pool_strndup(&m->pool, text.s, text.n);
	return probe->name ? NULL : us_err_nomem();
}

/* ---- variables ---- */

static struct us_err *expand_variable(struct us_kmacro *m, struct variable *v,
				      const struct args *args, const char **ret)
{
	struct us_err *err;

	if (v->simple) {
		*ret = v->value;
		return NULL;
	}
	if (v->busy && !args->n)
		return bad(m, "the variable stands in its own value", v->name);
	v->busy++;
	err = expand(m, v->value, strlen(v->value), args, ret);
	v->busy--;
	return err;
}

struct us_err *us_kmacro_assign(struct us_kmacro *m, const char *name, size_t n,
				enum us_kflavor flavor, struct us_bytes value)
{
	struct variable *v = us_kmap_get(&m->variables, name, n);
	const struct args none = { 0 };
	bool append = v && flavor == US_K_APPEND;
	const char *text;

	if (!v) {
		v = us_pool_alloc(&m->pool, sizeof(*v));
		if (!v || !(v->name = us_pool_strndup(&m->pool, name, n)))
			return us_err_nomem();
		v->value = "";
		US_TRY(us_kmap_put(&m->variables, v->name, n, v));
	}
	if (!append)
		v->simple = flavor == US_K_SIMPLE;
	if (v->simple)
		US_TRY(expand(m, (const char *)value.p, value.n, &none, &text));
	else
		text = us_pool_strndup(&m->pool, (const char *)value.p, value.n);
	if (append && text) {
		m->spent += strlen(v->value) + strlen(text);
		if (m->spent > SPENT_MAX)
			return bad(m, "the macros grow beyond 16 MiB", v->name);
		text = us_pool_format(&m->pool, "%s %s", v->value, text);
	}
	v->value = text;
	return text ? NULL : us_err_nomem();
}

/* ---- built-in functions ---- */

static struct us_err *do_shell(struct us_kmacro *m, const struct args *args, struct us_text *out)
{
	return m->run_in ? us_kmacro_run(m, args->v[0], out) : leave_mark(m, args->v[0], out);
}

/* A condition that a free probe decides stops nobody. */
static struct us_err *do_error_if(struct us_kmacro *m, const struct args *args, struct us_text *out)
{
	(void)out;
	return strcmp(args->v[0], "y") ? NULL : bad(m, "the tree says", args->v[1]);
}

/* Nobody reads what conf would print. */
static struct us_err *do_nothing(struct us_kmacro *m, const struct args *args, struct us_text *out)
{
	(void)m;
	(void)args;
	(void)out;
	return NULL;
}

static struct us_err *do_filename(struct us_kmacro *m, const struct args *args, struct us_text *out)
{
	(void)args;
	us_text_add(out, "%s", m->at.file);
	return NULL;
}

static struct us_err *do_lineno(struct us_kmacro *m, const struct args *args, struct us_text *out)
{
	(void)args;
	us_text_add(out, "%u", m->at.line);
	return NULL;
}

static const struct builtin {
	const char *name;
	size_t n_args;
	struct us_err *(*call)(struct us_kmacro *m, const struct args *args, struct us_text *out);
} builtins[] = {
	{ "shell", 1, do_shell },  { "error-if", 2, do_error_if }, { "warning-if", 2, do_nothing },
	{ "info", 1, do_nothing }, { "filename", 0, do_filename }, { "lineno", 0, do_lineno },
};

/* NULL in *ret: there is no such function. */
static struct us_err *call_builtin(struct us_kmacro *m, const char *name, const struct args *args,
				   const char **ret)
{
	_us_text_deinit_ struct us_text out = { 0 };

	for (size_t i = 0; i < us_array_size(builtins); i++) {
		if (strcmp(builtins[i].name, name))
			continue;
		if (builtins[i].n_args != args->n)
			return bad(m, "wrong number of arguments", name);
		US_TRY(builtins[i].call(m, args, &out));
		*ret = us_pool_strndup(&m->pool, out.s ? out.s : "", out.n);
		return out.failed || !*ret ? us_err_nomem() : NULL;
	}
	return NULL;
}

/* ---- $(...) ---- */

static struct us_err *split(struct us_kmacro *m, const char *s, const char *end, struct args *raw)
{
	size_t nest = 0;
	const char *from = s;

	for (const char *p = s;; p++) {
		if (p == end || (*p == ',' && !nest)) {
			if (raw->n == ARGS_MAX)
				return bad(m, "more than 15 arguments", raw->v[0]);
			raw->v[raw->n] = us_pool_strndup(&m->pool, from, p - from);
			if (!raw->v[raw->n++])
				return us_err_nomem();
			from = p + 1;
		}
		if (p == end)
			return NULL;
		nest += *p == '(';
		nest -= *p == ')' && nest;
	}
}

/* "1" to "16" is an argument of the call around. */
static const char *argument(const char *s, size_t n, const struct args *args)
{
	size_t number = 0;

	for (size_t i = 0; i < n; i++) {
		if (s[i] < '0' || s[i] > '9' || i > 2)
			return NULL;
		number = number * 10 + (s[i] - '0');
	}
	return number && number <= args->n ? args->v[number - 1] : NULL;
}

static struct us_err *call(struct us_kmacro *m, const char *s, const char *end,
			   const struct args *outer, const char **ret)
{
	struct args raw = { 0 }, args = { 0 };
	struct variable *v;
	const char *name;

	*ret = argument(s, end - s, outer);
	if (*ret)
		return NULL;
	US_TRY(split(m, s, end, &raw));
	US_TRY(expand(m, raw.v[0], strlen(raw.v[0]), outer, &name));
	for (; args.n + 1 < raw.n; args.n++) {
		const char *arg = raw.v[args.n + 1];

		US_TRY(expand(m, arg, strlen(arg), outer, &args.v[args.n]));
	}
	v = us_kmap_get(&m->variables, name, strlen(name));
	if (v)
		US_TRY(expand_variable(m, v, &args, ret));
	else
		US_TRY(call_builtin(m, name, &args, ret));
	if (v)
		return name_probe(m, name, &args, *ret);
	if (!*ret && !args.n)
		*ret = us_kmap_get(&m->environment, name, strlen(name));
	if (!*ret)
		*ret = "";
	return NULL;
}

static struct us_err *expand_dollar(struct us_kmacro *m, const char **at, const char *end,
				    const struct args *args, struct us_text *out)
{
	const char *p = *at, *value;
	size_t nest = 1;

	if (p == end || *p != '(') {
		us_text_put(out, "$", 1);
		return NULL;
	}
	for (p++; p < end; p++) {
		nest += *p == '(';
		nest -= *p == ')';
		if (!nest)
			break;
	}
	if (p == end)
		return us_err_new(US_ERR_BAD_DATA, "%s:%u: no ')' ends '$%.*s'", m->at.file,
				  m->at.line, end - *at > 80 ? 80 : (int)(end - *at), *at);
	if (m->depth >= DEPTH_MAX)
		return us_err_new(US_ERR_BAD_DATA,
				  "%s:%u: macros call each other more than %u deep", m->at.file,
				  m->at.line, DEPTH_MAX);
	m->depth++;
	US_TRY(call(m, *at + 1, p, args, &value));
	m->depth--;
	m->spent += strlen(value) + (p - *at);
	if (m->spent > SPENT_MAX)
		return us_err_new(US_ERR_BAD_DATA, "%s:%u: the macros grow beyond 16 MiB",
				  m->at.file, m->at.line);
	us_text_put(out, value, strlen(value));
	*at = p + 1;
	return out->failed ? us_err_nomem() : NULL;
}

static struct us_err *expand(struct us_kmacro *m, const char *s, size_t n, const struct args *args,
			     const char **ret)
{
	_us_text_deinit_ struct us_text out = { 0 };
	const char *end = s + n;

	while (s < end) {
		const char *dollar = memchr(s, '$', end - s);

		us_text_put(&out, s, (dollar ? dollar : end) - s);
		s = dollar ? dollar + 1 : end;
		if (dollar)
			US_TRY(expand_dollar(m, &s, end, args, &out));
	}
	*ret = us_pool_strndup(&m->pool, out.s ? out.s : "", out.n);
	return out.failed || !*ret ? us_err_nomem() : NULL;
}

struct us_err *us_kmacro_dollar(struct us_kmacro *m, const char **at, const char *end,
				struct us_text *out)
{
	const struct args none = { 0 };

	m->depth = 0;
	return expand_dollar(m, at, end, &none, out);
}

/* ---- the environment ---- */

static struct us_err *set(struct us_kmacro *m, const char *name, const char *value)
{
	name = us_pool_strdup(&m->pool, name);
	value = us_pool_strdup(&m->pool, value);
	if (!name || !value)
		return us_err_nomem();
	return us_kmap_put(&m->environment, name, strlen(name), (void *)(uintptr_t)value);
}

/* What make would find out from the toolchain: unknown, as what a shell says is. */
static const char *const unknown[] = {
	"AR",
	"BINDGEN",
	"CC",
	"CC_VERSION_TEXT",
	"CLANG_FLAGS",
	"CROSS_COMPILE_COMPAT",
	"HOSTCC",
	"HOSTCXX",
	"LD",
	"NM",
	"OBJCOPY",
	"OBJDUMP",
	"PAHOLE",
	"PYTHON3",
	"READELF",
	"RUSTC",
	"PAHOLE_VERSION",
	"RUSTC_VERSION_TEXT",
	"RUSTC_LLVM_VERSION",
	"STRIP",
};

static struct us_err *set_unknown(struct us_kmacro *m, const char *name)
{
	_us_text_deinit_ struct us_text mark = { 0 };
	const char *command = us_pool_format(&m->pool, "echo $%s", name);
	struct us_kprobe *probe;

	if (!command)
		return us_err_nomem();
	US_TRY(leave_mark(m, command, &mark));
	probe = (struct us_kprobe *)m->probes.v + m->probes.n - 1;
	probe->name = us_pool_format(&m->pool, "$(%s)", name);
	if (mark.failed || !probe->name)
		return us_err_nomem();
	return set(m, name, mark.s);
}

struct us_err *us_kmacro_open(struct us_kmacro *m, struct us_ktree *tree,
			      const struct us_ksource *source, const char *srcarch,
			      const char *toolchain)
{
	const char *directory = us_ksource_directory(source);
	bool um = !strcmp(srcarch, "um");

	m->tree = tree;
	m->at = (struct us_kplace){ .file = "Kconfig", .line = 1 };
	if (toolchain && !directory)
		return us_err_new(US_ERR_USAGE,
				  "a toolchain needs the tree as a directory, not an archive");
	US_TRY(set(m, "ARCH", tree->arch));
	US_TRY(set(m, "SRCARCH", srcarch));
	US_TRY(set(m, "KERNELVERSION", tree->version));
	/* um is built for the machine that builds it; x86 is the one that every tree has */
	US_TRY(set(m, "SUBARCH", um ? "x86_64" : tree->arch));
	if (um)
		US_TRY(set(m, "HEADER_ARCH", "x86"));
	if (toolchain)
		return us_kmacro_run_open(m, directory, toolchain);
	US_TRY(set(m, "srctree", "."));
	for (size_t i = 0; i < us_array_size(unknown); i++)
		US_TRY(set_unknown(m, unknown[i]));
	return NULL;
}

void us_kmacro_deinit(struct us_kmacro *m)
{
	us_kmacro_run_close(m);
	us_kmap_deinit(&m->variables);
	us_kmap_deinit(&m->environment);
	us_kmap_deinit(&m->shells);
	us_kvec_deinit(&m->probes);
	us_pool_deinit(&m->pool);
}
