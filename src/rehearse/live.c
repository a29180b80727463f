/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What can be tried on the living machine without a crash, from an arming that has tried its
 * targets; and the note of a rehearsal. Nothing is loaded.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "rehearse/rehearse-int.h"

#include <string.h>

struct parts {
	struct us_pool *pool;
	struct us_live_part *v;
	size_t n, max;
};

static struct us_err *add(struct parts *parts, enum us_tri ok, const char *what, const char *fmt,
			  ...) us_must_check us_printf(4, 5);
static struct us_err *add(struct parts *parts, enum us_tri ok, const char *what, const char *fmt,
			  ...)
{
	_us_text_deinit_ struct us_text t = { 0 };
	struct us_live_part *p = &parts->v[parts->n];
	va_list ap;

	if (parts->n == parts->max)
		return us_err_new(US_ERR_NO_ROOM, "more than %zu parts", parts->max);
	va_start(ap, fmt);
	us_text_vadd(&t, fmt, ap);
	va_end(ap);
	*p = (struct us_live_part){ .what = us_pool_strdup(parts->pool, what),
				    .result = t.failed ? NULL : us_pool_strdup(parts->pool, t.s),
				    .ok = ok };
	if (!p->what || !p->result)
		return us_err_nomem();
	parts->n++;
	return NULL;
}

/* /sys/module has '_' where a file may have '-'. */
static bool is_loaded(const struct us_host *host, const char *file)
{
	const char *base = strrchr(file, '/');
	char path[160];
	size_t n;

	base = base ? base + 1 : file;
	n = strcspn(base, ".");
	snprintf(path, sizeof(path), "sys/module/%.*s", (int)(n < 100 ? n : 100), base);
	for (char *p = path; *p; p++)
		if (*p == '-')
			*p = '_';
	return !faccessat(host->root_fd, path, F_OK, 0);
}

static struct us_err *modules(const struct us_host *host, const struct us_arming *arming,
			      struct parts *parts)
{
	const struct us_recipe *recipe = arming->image->recipe;
	bool same = arming->kernel->release && !strcmp(arming->kernel->release, host->release.v);
	_us_text_deinit_ struct us_text not_now = { 0 };
	size_t loaded = 0;

	for (size_t i = 0; i < recipe->n_modules; i++) {
		bool now = is_loaded(host, recipe->modules[i].file);
		const char *base = strrchr(recipe->modules[i].file, '/');

		loaded += now;
		if (!now)
			us_text_add(&not_now, "%s%s", not_now.n ? " " : "",
				    base ? base + 1 : recipe->modules[i].file);
	}
	US_TRY(add(parts, US_YES, "modules", "all %zu that the way to the targets needs are there",
		   recipe->n_modules));
	for (const char *const *l = arming->image->left_out; l && *l; l++)
		if (!strncmp(*l, "missing", 7))
			US_TRY(add(parts, US_NO, "modules", "%s", *l));
	if (!same)
		return add(
			parts, US_UNKNOWN, "modules at work",
			"the capture kernel is another one (%s): its modules cannot be tried here",
			arming->kernel->release ? arming->kernel->release : "unknown");
	return add(parts, not_now.n ? US_UNKNOWN : US_YES, "modules at work",
		   "%zu of %zu run in this kernel now%s%s", loaded, recipe->n_modules,
		   not_now.n ? "; not: " : "", not_now.n ? not_now.s : "");
}

static struct us_err *target(const struct us_arming *arming, size_t i, struct parts *parts)
{
	const struct us_target_spec *spec = &arming->config->targets[i];
	const struct us_probe *probe = &arming->probes[i];
	const char *name = spec->text ? spec->text : us_target_kind_name(spec->kind);
	char has[US_TEXT_SIZE_MAX], need[US_TEXT_SIZE_MAX];

	if (arming->probe_problems[i])
		return add(parts, US_NO, name, "%s", arming->probe_problems[i]);
	if (!probe->steps)
		return add(parts, US_UNKNOWN, name, "it was not tried");
	for (const char *const *s = probe->steps; *s; s++)
		US_TRY(add(parts, US_YES, name, "%s", *s));
	if (probe->free_bytes == UINT64_MAX || arming->predicted_bytes == UINT64_MAX)
		return add(parts, US_UNKNOWN, name, "whether a dump has room there is not known");
	us_text_size(probe->free_bytes, has);
	us_text_size(arming->predicted_bytes, need);
	return add(parts, us_tri_of(probe->free_bytes >= arming->predicted_bytes), name,
		   "%s free, and a dump now would have up to %s before it is packed", has, need);
}

struct us_err *us_rehearse_live(const struct us_host *host, const struct us_arming *arming,
				struct us_pool *pool, const struct us_live_part **ret,
				size_t *ret_n)
{
	struct parts parts = { .pool = pool, .max = 16 + 16 * arming->config->n_targets };

	for (const char *const *l = arming->image ? arming->image->left_out : NULL; l && *l; l++)
		parts.max++;
	parts.v = us_pool_array(pool, parts.max, sizeof(*parts.v));
	if (!parts.v)
		return us_err_nomem();
	if (arming->image)
		US_TRY(modules(host, arming, &parts));
	for (size_t i = 0; i < arming->config->n_targets; i++)
		US_TRY(target(arming, i, &parts));
	*ret = parts.v;
	*ret_n = parts.n;
	return NULL;
}

struct us_err *us_rehearsal_note(const struct us_host *host, const struct us_arming *arming,
				 const struct us_rehearsal *r)
{
	const struct us_crash_rehearsed run = {
		.set = arming->set,
		.running = host->release.v,
		.capture = arming->kernel->release,
		.result = !r->passed ? r->failed_at
			  : r->exact ? "passed"
				     : "passed, with an image that is not the very one",
		.passed = r->passed,
		.reserved = r->reserve_bytes,
		.available = r->least_available == UINT64_MAX ? 0 : r->least_available,
		.seconds = (uint64_t)r->seconds,
	};

	return us_crash_rehearsed_note(host, &run);
}
