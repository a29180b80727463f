/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Wanted names and aliases -> files of the capture kernel's modules in the order of loading, by
 * libkmod on that kernel's own tree (modules.dep, alias, builtin, softdep; modules.weakdep, which
 * older libraries do not know, is read here). Options come from the machine's modprobe.d. A bare
 * capture image has no modprobe that the kernel could ask, so that soft and weak dependencies are
 * loaded, too. Drivers of displays are never taken.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "crash/build-int.h"

#include <errno.h>
#include <libkmod.h>
#include <limits.h>
#include <string.h>

#define FILES_MAX    1024
#define DEPTH_MAX    32
#define FIRMWARE_MAX 64

struct tree {
	struct kmod_ctx *kmod;
	struct us_pool *pool;
	const char *dir;
	struct us_blob weakdep; /* text, empty if there is none */
	struct us_module_file *files;
	size_t n_files;
	struct visited {
		const char *name;
		int target; /* all that lead there; -1: several */
	} * visited;
	const char **left_out;
	size_t n_visited, n_left_out;
	const struct us_wanted_module *wanted; /* the one at hand */
};

static void no_log(void *data, int priority, const char *file, int line, const char *fn,
		   const char *format, va_list args)
{
	(void)data, (void)priority, (void)file, (void)line, (void)fn, (void)format, (void)args;
}

static void tree_deinit(struct tree *tree)
{
	if (tree->kmod)
		kmod_unref(tree->kmod);
	us_blob_deinit(&tree->weakdep);
}
static void listp(struct kmod_list **list)
{
	if (*list)
		kmod_module_unref_list(*list);
}
static void modulep(struct kmod_module **module)
{
	if (*module)
		kmod_module_unref(*module);
}
#define _tree_deinit_ __attribute__((cleanup(tree_deinit)))
#define _list_free_   __attribute__((cleanup(listp)))
#define _unref_       __attribute__((cleanup(modulep)))

static struct us_err *note(struct tree *tree, const char *fmt, ...) us_must_check us_printf(2, 3);
static struct us_err *note(struct tree *tree, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (size_t i = 0; i < tree->n_left_out; i++)
		if (!strcmp(tree->left_out[i], text))
			return NULL;
	if (tree->n_left_out == FILES_MAX)
		return NULL;
	tree->left_out[tree->n_left_out] = us_pool_strdup(tree->pool, text);
	return tree->left_out[tree->n_left_out++] ? NULL : us_err_nomem();
}

enum seen { SEEN_NEVER, SEEN_FOR_ANOTHER, SEEN };

/* A module that is needed by another target as well belongs to no one's alone, and so does all that
 * it needs. */
static enum seen seen(struct tree *tree, const char *name)
{
	struct visited *v = tree->visited, *end = v + tree->n_visited;

	while (v < end && strcmp(v->name, name) != 0)
		v++;
	if (v == end)
		return SEEN_NEVER;
	if (v->target == -1 || v->target == tree->wanted->target)
		return SEEN;
	v->target = -1;
	for (size_t i = 0; i < tree->n_files; i++)
		if (!strcmp(tree->files[i].name, name))
			tree->files[i].target = -1;
	return SEEN_FOR_ANOTHER;
}

/* The firmware that the module's own information names. */
static struct us_err *firmware_of(struct tree *tree, struct kmod_module *module,
				  const char *const **ret)
{
	struct kmod_list *info = NULL, *i;
	const char **names = us_pool_array(tree->pool, FIRMWARE_MAX + 1, sizeof(*names));
	size_t n = 0;

	if (!names)
		return us_err_nomem();
	if (kmod_module_get_info(module, &info) >= 0)
		kmod_list_foreach(i, info)
		{
			const char *key = kmod_module_info_get_key(i);
			const char *value = kmod_module_info_get_value(i);

			if (n < FIRMWARE_MAX && !strcmp(key, "firmware") && !strchr(value, '*') &&
			    !strstr(value, ".."))
				names[n++] = us_pool_strdup(tree->pool, value);
		}
	kmod_module_info_free_list(info);
	*ret = names;
	return NULL;
}

static struct us_err *file_add(struct tree *tree, struct kmod_module *module)
{
	const struct us_wanted_module *wanted = tree->wanted;
	const char *options = wanted->params && !strcmp(kmod_module_get_name(module), wanted->name)
				      ? wanted->params
				      : kmod_module_get_options(module);
	struct us_module_file f = {
		.name = us_pool_strdup(tree->pool, kmod_module_get_name(module)),
		.path = us_pool_strdup(tree->pool, kmod_module_get_path(module)),
		.options = us_pool_strdup(tree->pool, options ? options : ""),
		.wanted = wanted,
		.target = wanted->target,
	};

	if (!f.name || !f.path || !f.options)
		return us_err_nomem();
	US_TRY(firmware_of(tree, module, &f.firmware));
	tree->files[tree->n_files++] = f;
	return NULL;
}

static struct us_err *visit(struct tree *tree, struct kmod_module *module, unsigned int depth)
	us_must_check;

static struct us_err *visit_list(struct tree *tree, struct kmod_list *list, unsigned int depth)
{
	struct kmod_list *i;

	kmod_list_foreach(i, list)
	{
		_unref_ struct kmod_module *m = kmod_module_get_module(i);

		US_TRY(visit(tree, m, depth));
	}
	return NULL;
}

static struct us_err *visit_weak(struct tree *tree, const char *name, unsigned int depth)
{
	char *text = us_pool_strndup(tree->pool, (const char *)tree->weakdep.p, tree->weakdep.n);

	if (!text)
		return us_err_nomem();
	for (char *line; (line = strtok_r(text, "\n", &text));) {
		const char *word = strtok_r(line, " \t", &line);
		const char *of = word ? strtok_r(line, " \t", &line) : NULL;

		if (!of || strcmp(word, "weakdep") != 0 || strcmp(of, name) != 0)
			continue;
		for (const char *to; (to = strtok_r(line, " \t", &line));) {
			_list_free_ struct kmod_list *list = NULL;

			if (kmod_module_new_from_lookup(tree->kmod, to, &list) >= 0)
				US_TRY(visit_list(tree, list, depth));
		}
	}
	return NULL;
}

static struct us_err *visit(struct tree *tree, struct kmod_module *module, unsigned int depth)
{
	_list_free_ struct kmod_list *pre = NULL, *post = NULL, *below = NULL;
	const char *name = kmod_module_get_name(module), *path = kmod_module_get_path(module);
	enum seen before = seen(tree, name);

	if (before == SEEN)
		return NULL;
	if (depth > DEPTH_MAX || tree->n_visited == FILES_MAX)
		return us_err_new(US_ERR_BAD_DATA, "%s: the modules' dependencies do not end",
				  tree->dir);
	if (before == SEEN_NEVER) {
		struct visited *v = &tree->visited[tree->n_visited++];

		*v = (struct visited){ us_pool_strdup(tree->pool, name), tree->wanted->target };
		if (!v->name)
			return us_err_nomem();
	}
	if (!path)
		return note(tree, "built in: %s", name);
	if (strstr(path, "/drivers/gpu/"))
		return note(tree, "never: %s drives a display", name);
	kmod_module_get_softdeps(module, &pre, &post);
	below = kmod_module_get_dependencies(module);
	US_TRY(visit_list(tree, pre, depth + 1));
	US_TRY(visit_weak(tree, name, depth + 1));
	US_TRY(visit_list(tree, below, depth + 1));
	if (before == SEEN_NEVER)
		US_TRY(file_add(tree, module));
	return visit_list(tree, post, depth + 1);
}

/* Of several modules that answer to an alias, those for a special processor (a crypto card) only
 * help where the card is. */
static bool special(struct kmod_module *module)
{
	const char *path = kmod_module_get_path(module);

	return path && strstr(path, "/drivers/crypto/");
}

static struct us_err *want(struct tree *tree, const char *name, bool *ret_found)
{
	_list_free_ struct kmod_list *list = NULL;
	struct kmod_list *i;

	*ret_found = false;
	if (kmod_module_new_from_lookup(tree->kmod, name, &list) < 0 || !list)
		return NULL;
	*ret_found = true;
	kmod_list_foreach(i, list)
	{
		_unref_ struct kmod_module *m = kmod_module_get_module(i);

		if (kmod_list_next(list, list) && special(m))
			continue;
		US_TRY(visit(tree, m, 0));
	}
	return NULL;
}

static struct us_err *tree_open(const struct us_host *host, struct tree *tree)
{
	const char *root = strcmp(host->root, "/") ? host->root : "";
	const char *const configs[] = {
		us_pool_format(tree->pool, "%s/etc/modprobe.d", root),
		us_pool_format(tree->pool, "%s/run/modprobe.d", root),
		us_pool_format(tree->pool, "%s/lib/modprobe.d", root),
		NULL,
	};
	const char *dep = us_pool_format(tree->pool, "%s/modules.dep.bin", tree->dir);
	const char *weakdep = us_pool_format(tree->pool, "%s/modules.weakdep", tree->dir);

	if (!configs[0] || !configs[1] || !configs[2] || !dep || !weakdep)
		return us_err_nomem();
	if (access(dep, R_OK) < 0)
		return us_err_os(errno, "the capture kernel's modules: %s", dep);
	if (access(weakdep, R_OK) == 0)
		US_TRY(us_file_map(weakdep, &tree->weakdep));
	tree->kmod = kmod_new(tree->dir, configs);
	if (!tree->kmod)
		return us_err_nomem();
	kmod_set_log_fn(tree->kmod, no_log, NULL);
	kmod_load_resources(tree->kmod);
	tree->files = us_pool_array(tree->pool, FILES_MAX, sizeof(*tree->files));
	tree->visited = us_pool_array(tree->pool, FILES_MAX, sizeof(*tree->visited));
	tree->left_out = us_pool_array(tree->pool, FILES_MAX + 1, sizeof(*tree->left_out));
	return tree->files && tree->visited && tree->left_out ? NULL : us_err_nomem();
}

struct us_err *us_modules_resolve(const struct us_host *host, const char *dir,
				  const struct us_wanted_module *wanted, size_t n,
				  struct us_pool *pool, struct us_module_set *ret)
{
	_tree_deinit_ struct tree tree = { .pool = pool, .dir = dir };
	bool found;

	US_TRY(tree_open(host, &tree));
	for (size_t i = 0; i < n; i++) {
		tree.wanted = &wanted[i];
		US_TRY(want(&tree, wanted[i].name, &found));
		if (!found && wanted[i].alias)
			US_TRY(want(&tree, wanted[i].alias, &found));
		if (!found && !wanted[i].optional)
			US_TRY(note(&tree, "missing: %s (%s)", wanted[i].name, wanted[i].reason));
	}
	*ret = (struct us_module_set){ tree.files, tree.n_files, tree.left_out };
	return NULL;
}

struct us_err *us_modules_dir(const struct us_host *host, const struct us_crash_config *config,
			      const char *release, struct us_pool *pool, const char **ret)
{
	if (config->modules && *config->modules)
		*ret = us_pool_strdup(pool, config->modules);
	else if (!release)
		return us_err_new(US_ERR_NOT_FOUND,
				  "the capture kernel does not tell its release; name the "
				  "directory of its modules (modules = /lib/modules/RELEASE)");
	else
		*ret = us_pool_format(pool, "%s/lib/modules/%s",
				      strcmp(host->root, "/") ? host->root : "", release);
	return *ret ? NULL : us_err_nomem();
}
