/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arming: configuration, way to the targets, capture kernel, image, command line, plan and verdict;
 * targets are tried and what does not fit is said, all before the one system call. The early form
 * takes the set that was armed last if it is not stale. What the kernel is asked stands in
 * load/commit.c; what is noted afterwards in state.c.
 */
#include "crash/arm-int.h"
#include "crash/build-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PROBE_SECONDS 60
#define PROBE_BYTES   (1 << 20)

struct arm {
	struct us_host *host;
	const struct us_arm_wish *wish;
	struct us_arming *a;
	struct us_texts blocks, warnings;
};

/* ---- the capture kernel ---- */

static struct us_err *running_kernel(const struct us_host *host, struct us_pool *pool,
				     const char **ret)
{
	static const char *const places[] = { "/boot/vmlinuz-%s", "/lib/modules/%s/vmlinuz",
					      "/usr/lib/modules/%s/vmlinuz", "/boot/vmlinux-%s",
					      "/boot/Image-%s" };
	struct us_texts looked = { .pool = pool };
	_us_text_deinit_ struct us_text all = { 0 };

	for (size_t i = 0; i < us_array_size(places); i++) {
		const char *release = host->release.v, *full, *path;
		const char *percent = strchr(places[i], '%');

		path = us_pool_format(pool, "%.*s%s%s", (int)(percent - places[i]), places[i],
				      release, percent + 2);
		if (!path)
			return us_err_nomem();
		US_TRY(us_crash_path(host, pool, path, &full));
		if (!access(full, F_OK)) {
			*ret = path;
			return NULL;
		}
		US_TRY(us_texts_add(&looked, "%s", path));
	}
	for (size_t i = 0; i < looked.n; i++)
		us_text_add(&all, "%s%s", i ? ", " : "", looked.v[i]);
	if (!host->live && !faccessat(host->root_fd, "understudy/machine", F_OK, 0))
		return us_err_new(US_ERR_NOT_FOUND,
				  "the running kernel's image is in none of the usual places (%s): "
				  "%s is a snapshot: it has facts about a machine, not its kernels, "
				  "modules and disks. A kernel can be judged for it (understudy "
				  "check); for this, --host takes the machine's whole root",
				  all.s ? all.s : "", host->root);
	return us_err_new(US_ERR_NOT_FOUND,
			  "the running kernel's image is in none of the usual places (%s): install "
			  "it again, or name a capture kernel in the configuration (kernel)",
			  all.s ? all.s : "");
}

/* The .config that belongs to an image: as configured, or beside it, or NULL. */
static struct us_err *config_of(const struct us_host *host, const struct us_crash_config *config,
				const struct us_image *kernel, struct us_pool *pool,
				const char **ret)
{
	static const char *const places[] = { "/boot/config-", "/usr/lib/modules/",
					      "/lib/modules/" };

	*ret = NULL;
	if (*config->config)
		return us_crash_path(host, pool, config->config, ret);
	for (size_t i = 0; kernel->release && i < us_array_size(places); i++) {
		const char *full, *path = us_pool_format(pool, "%s%s%s", places[i], kernel->release,
							 i ? "/config" : "");

		if (!path)
			return us_err_nomem();
		US_TRY(us_crash_path(host, pool, path, &full));
		if (!access(full, R_OK)) {
			*ret = full;
			return NULL;
		}
	}
	return NULL;
}

/* Its hash, and from an earlier arming what it unpacks to. */
static struct us_err *know_kernel(struct arm *arm)
{
	struct us_arming *a = arm->a;
	char hash[65];
	const char *dir;

	US_TRY(us_manifest_hash(a->kernel->file, hash));
	a->kernel_hash = us_pool_strdup(&a->pool, hash);
	if (!a->kernel_hash)
		return us_err_nomem();
	US_TRY(us_crash_path(arm->host, &a->pool, US_CRASH_STATE_DIR, &dir));
	return us_armed_take_unpacked(dir, a->kernel, a->kernel_hash, &a->kernel_known);
}

static struct us_err *open_kernel(struct arm *arm)
{
	struct us_arming *a = arm->a;
	const char *full, *config;

	if (strcmp(a->config->kernel, "running"))
		a->kernel_path = a->config->kernel;
	else
		US_TRY(running_kernel(arm->host, &a->pool, &a->kernel_path));
	US_TRY(us_crash_path(arm->host, &a->pool, a->kernel_path, &full));
	US_TRY(us_image_open(full, arm->wish->progress, &a->kernel));
	US_TRY(know_kernel(arm));
	US_TRY(config_of(arm->host, a->config, a->kernel, &a->pool, &config));
	US_TRY(us_image_look_deep(a->kernel, config, arm->wish->progress));
	return us_image_verify_signature(a->kernel);
}

/* ---- what is loaded ---- */

static struct us_err *join_words(struct us_arming *a)
{
	_us_text_deinit_ struct us_text text = { 0 };

	for (size_t i = 0; i < a->n_words; i++)
		us_text_add(&text, "%s%s", i ? " " : "", a->words[i].word);
	a->cmdline = us_pool_strdup(&a->pool, text.s ? text.s : "");
	return text.failed || !a->cmdline ? us_err_nomem() : NULL;
}

static struct us_err *hash_text(struct us_pool *pool, struct us_text *text, const char **ret)
{
	char hash[65];

	if (text->failed)
		return us_err_nomem();
	US_TRY(us_manifest_hash(us_bytes_of(text->s, text->n), hash));
	*ret = us_pool_strdup(pool, hash);
	return *ret ? NULL : us_err_nomem();
}

static struct us_err *hash_set(struct us_arming *a)
{
	_us_text_deinit_ struct us_text text = { 0 };
	char initrd[65];

	US_TRY(us_manifest_hash(a->initrd->bytes, initrd));
	us_text_add(&text, "%s\n%s\n%s\n", a->kernel_hash, initrd, a->cmdline);
	return hash_text(&a->pool, &text, &a->set);
}

/* What the loaded set depends on beside itself: the ELF core header has the memory and the CPUs,
 * unless the kernel follows their changes itself. */
static struct us_err *hash_loaded(const struct us_host *host, struct us_arming *a)
{
	_us_text_deinit_ struct us_text text = { 0 };

	us_text_add(&text, "%s\n%d\n", a->set, a->plan ? (int)a->plan->call : 0);
	for (size_t i = 0; i < host->n_crash; i++)
		us_text_add(&text, "r %" PRIx64 " %" PRIx64 "\n", host->crash[i].start,
			    host->crash[i].size);
	if (!a->wanted.hotplug) {
		for (size_t i = 0; i < host->map.n; i++)
			us_text_add(&text, "m %" PRIx64 " %" PRIx64 " %d\n",
				    host->map.entries[i].range.start,
				    host->map.entries[i].range.size, host->map.entries[i].kind);
		for (size_t i = 0; i < host->n_crash_notes; i++)
			us_text_add(&text, "c %" PRIx64 "\n", host->crash_notes[i].start);
	}
	return hash_text(&a->pool, &text, &a->loaded);
}

struct us_err *us_arm_replan(const struct us_host *host, struct us_arming *a)
{
	us_verdict_free(a->verdict);
	us_plan_free(a->plan);
	us_err_free(a->plan_problem);
	a->verdict = NULL;
	a->plan = NULL;
	a->plan_problem = us_plan_make(a->kernel, a->initrd, host, &a->wanted, &a->plan);
	if (a->plan_problem && a->plan_problem->code == US_ERR_NOMEM)
		return us_steal(&a->plan_problem);
	a->c.host = host;
	a->c.plan = a->plan;
	a->c.plan_problem = a->plan_problem;
	US_TRY(us_check(&a->c, &a->verdict));
	return hash_loaded(host, a);
}

/*
 * Would the kernel take long to unpack itself after the crash (seconds for xz on a slow machine),
 * and can it be placed unpacked? Only kexec_load does that, so not where that is refused.
 */
static bool better_unpacked(const struct us_host *host, const struct us_arming *a)
{
	const struct us_codec *codec = a->kernel->payload_codec;

	return a->wanted.call == US_CALL_AUTO && !us_crash_needs_keys(a->walk) &&
	       a->kernel->kind == US_IMAGE_BZIMAGE && a->kernel->vmlinux.n && codec &&
	       (codec->id == US_CODEC_XZ || codec->id == US_CODEC_LZMA ||
		codec->id == US_CODEC_BZIP2) &&
	       host->has_kexec_load.v == US_YES && !strcmp(host->lockdown.v, "none") &&
	       host->sig_enforced.v != US_YES && host->ima_refuses_kexec_load.v != US_YES;
}

static struct us_err *plan(struct arm *arm)
{
	struct us_arming *a = arm->a;

	a->wanted.purpose = US_CRASH;
	a->wanted.cmdline = a->cmdline;
	if (!us_call_parse(a->config->call, &a->wanted.call))
		return us_err_new(US_ERR_BAD_DATA, "call = %s", a->config->call);
	/* the kernel says the size of its header exactly if it can follow hotplug */
	a->wanted.hotplug = us_known(arm->host->elfcorehdr_size.o);
	a->c = (struct us_case){
		.purpose = US_CRASH,
		.image = a->kernel,
		.initrd = a->initrd,
		.wanted = &a->wanted,
		.acting = !arm->wish->dry_run,
	};
	if (*a->config->policy) {
		US_TRY(us_policy_parse(a->config->policy, &a->pool, &a->policy));
		a->c.policy = &a->policy;
	}
	a->c.need_bytes = a->need.total;
	if (us_crash_needs_keys(a->walk)) { /* kexec_load hands no keys over */
		if (a->wanted.call == US_CALL_LOAD)
			US_TRY(us_texts_add(&arm->blocks,
					    "a target is encrypted, and kexec_load cannot hand its "
					    "key over: set call = file"));
		a->wanted.call = US_CALL_FILE;
	}
	if (better_unpacked(arm->host, a)) {
		a->wanted.unpacked = true;
		a->wanted.call = US_CALL_LOAD;
		US_TRY(us_arm_replan(arm->host, a));
		if (a->plan && !a->plan->no_room && !a->verdict->blocks)
			return NULL;
		a->wanted.unpacked = false;
		a->wanted.call = US_CALL_AUTO;
	}
	return us_arm_replan(arm->host, a);
}

/* ---- the set that was armed last ---- */

/* Why it cannot be taken, NULL if it can; then arming has kernel, initrd and command line of it. */
static struct us_err *take_saved(struct arm *arm, const struct us_noted *noted)
{
	struct us_arming *a = arm->a;
	_us_plan_free_ struct us_plan *saved = NULL;
	const char *const *stale, *dir, *manifest;

	US_TRY(us_noted_stale(arm->host, noted, true, &a->pool, &stale));
	if (*stale)
		return us_err_new(US_ERR_BAD_DATA, "%s", *stale);
	US_TRY(us_noted_manifest_read(arm->host, &a->pool, &manifest));
	if (strstr(manifest, ":logon:"))
		return us_err_new(US_ERR_BAD_DATA, "keys are handed over with a new set only");
	US_TRY(us_crash_path(arm->host, &a->pool, US_CRASH_STATE_DIR, &dir));
	US_TRY(us_armed_load(dir, arm->host, NULL, NULL, &saved, &a->kernel, &a->initrd));
	a->cmdline = us_pool_strdup(&a->pool, saved->wanted.cmdline);
	a->kernel_path = us_pool_strdup(&a->pool, noted->kernel ? noted->kernel : "");
	a->need.total = noted->need;
	a->need.reserved = us_known(arm->host->crash_size.o) ? arm->host->crash_size.v : 0;
	/* the file has it still, and so has the copy */
	a->kernel_hash = us_pool_strdup(&a->pool, noted->kernel_hash ? noted->kernel_hash : "");
	if (!a->cmdline || !a->kernel_path || !a->kernel_hash)
		return us_err_nomem();
	US_TRY(hash_set(a));
	return noted->set && !strcmp(a->set, noted->set)
		       ? NULL
		       : us_err_new(US_ERR_BAD_DATA, "its parts are not of one arming");
}

static struct us_err *try_saved(struct arm *arm)
{
	_us_noted_deinit_ struct us_noted noted = { 0 };
	struct us_arming *a = arm->a;
	struct us_err *err = us_noted_read(arm->host, &noted);

	if (!err)
		err = take_saved(arm, &noted);
	if (!err) {
		a->saved = true;
		return NULL;
	}
	us_image_free(us_steal(&a->kernel));
	us_initrd_free(us_steal(&a->initrd));
	if (err->code == US_ERR_NOMEM)
		return err;
	if (err->code != US_ERR_NOT_FOUND) {
		struct us_err *told = us_texts_add(
			&arm->warnings, "the set that was armed last is made anew: %s", err->text);

		us_err_free(err);
		return told;
	}
	us_err_free(err);
	return NULL;
}

static struct us_err *make_set(struct arm *arm)
{
	struct us_arming *a = arm->a;
	const struct us_bytes none = { 0 };

	US_TRY(open_kernel(arm));
	US_TRY(us_crash_walk(arm->host, a->config, &a->walk));
	US_TRY(us_capture_image_build(arm->host, a->config, a->walk, a->kernel, &a->image));
	US_TRY(us_initrd_open(NULL, 0, none, a->image->bytes, true, arm->wish->progress,
			      &a->initrd));
	US_TRY(us_crash_cmdline(arm->host, a->config, a->kernel, &a->pool, &a->words, &a->n_words));
	return join_words(a);
}

/* ---- the reservation ---- */

static struct us_err *size(struct arm *arm)
{
	const struct us_crash_rehearsed *runs, *measured = NULL;
	struct us_arming *a = arm->a;
	size_t n;

	US_TRY(us_crash_rehearsed_read(arm->host, &a->pool, &runs, &n));
	for (size_t i = 0; i < n; i++)
		if (!strcmp(runs[i].set, a->set) && runs[i].passed)
			measured = &runs[i];
	if (!a->saved)
		US_TRY(us_crash_size(arm->host, a->config, a->kernel, a->image, measured, &a->pool,
				     &a->need));
	return NULL;
}

static struct us_err *judge_size(struct arm *arm)
{
	const struct us_crash_need *n = &arm->a->need;
	char need[US_TEXT_SIZE_MAX], has[US_TEXT_SIZE_MAX];

	if (!n->reserved || n->reserved >= n->total) /* none: a rule blocks */
		return NULL;
	us_text_size(n->total, need);
	us_text_size(n->reserved, has);
	if (arm->wish->accept_small)
		return us_texts_add(&arm->warnings,
				    "the reservation has %s and the capture needs %s (%s): it will "
				    "probably run out of memory",
				    has, need, n->measured ? "measured" : "an estimate");
	return us_texts_add(&arm->blocks,
			    "the reservation is too small: the capture needs %s (%s), reserved are "
			    "%s. Boot with %s, or prove that less is enough (understudy rehearse), "
			    "or go on with --accept-small",
			    need, n->measured ? "measured" : "an estimate", has,
			    n->parameter ? n->parameter : "a larger crashkernel=");
}

/* ---- targets ---- */

static bool needs_network(const struct us_target_spec *spec)
{
	return spec->kind != US_TARGET_DIR && spec->kind != US_TARGET_RAW;
}

static const char *text_of(const struct us_target_spec *spec)
{
	return spec->text ? spec->text : spec->path;
}

static uint64_t seconds_from_now(unsigned int s)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return ((uint64_t)t.tv_sec + s) * 1000000000u + (uint64_t)t.tv_nsec;
}

static struct us_err *probe(struct arm *arm, size_t i, struct us_probe *ret)
{
	const struct us_target_spec *spec = &arm->a->config->targets[i];
	_us_target_close_ struct us_target *target = NULL;
	const char *root = arm->host->live ? "" : arm->host->root;

	us_progress_at(arm->wish->progress, text_of(spec), 0, 0);
	US_TRY(us_target_open(spec, root, seconds_from_now(PROBE_SECONDS), &target));
	return us_target_probe(target, PROBE_BYTES, ret);
}

/* Does the dump that is to be expected fit? */
static struct us_err *judge_room(struct arm *arm, size_t i, uint64_t room)
{
	uint64_t need = arm->a->predicted_bytes;
	char has[US_TEXT_SIZE_MAX], wants[US_TEXT_SIZE_MAX];

	if (room == UINT64_MAX || need == UINT64_MAX || room >= need)
		return NULL;
	return us_texts_add(&arm->warnings,
			    "%s has %s free, and a dump now would have up to %s before it is "
			    "packed: it may end as a partial one",
			    text_of(&arm->a->config->targets[i]), us_text_size(room, has),
			    us_text_size(need, wants));
}

static struct us_err *try_target(struct arm *arm, size_t i, struct us_probe *ret,
				 const char **ret_problem)
{
	const struct us_target_spec *spec = &arm->a->config->targets[i];
	struct us_err *err;

	if (arm->wish->no_probe || arm->wish->dry_run || (arm->wish->early && needs_network(spec)))
		return NULL;
	err = probe(arm, i, ret);
	if (!err)
		return judge_room(arm, i, ret->free_bytes);
	if (err->code == US_ERR_NOMEM)
		return err;
	*ret_problem = us_pool_strdup(&arm->a->pool, err->text);
	us_err_free(err);
	return us_texts_add(&arm->warnings, "%s was tried and failed: %s", text_of(spec),
			    *ret_problem ? *ret_problem : "");
}

/* Before the walk: a raw partition gets its mark by being tried. */
static struct us_err *try_targets(struct arm *arm)
{
	struct us_arming *a = arm->a;
	size_t n = a->config->n_targets;
	struct us_probe *probes = us_pool_array(&a->pool, n + 1, sizeof(*probes));
	const char **problems = us_pool_array(&a->pool, n + 1, sizeof(*problems));

	if (!probes || !problems)
		return us_err_nomem();
	a->probes = probes; /* before the first one is filled: all are freed with the arming */
	a->probe_problems = problems;
	for (size_t i = 0; i < n; i++) {
		probes[i].free_bytes = UINT64_MAX;
		US_TRY(try_target(arm, i, &probes[i], &problems[i]));
	}
	return NULL;
}

/* The walk took it for marked, and its mark is an empty one. */
static bool is_unmarked(const struct us_walk_result *walk, size_t target)
{
	static const uint8_t none[16];

	for (size_t i = 0; walk->targets[target].device && i < walk->n_devices; i++) {
		const struct us_recipe_device *d = &walk->devices[i];

		if (!strcmp(d->name, walk->targets[target].device))
			return d->n_marks && d->marks[0].bytes.n >= 32 &&
			       !memcmp(d->marks[0].bytes.p + 16, none, sizeof(none));
	}
	return false;
}

/* What the trial and the walk found together: one that holds is enough. */
static struct us_err *judge_targets(struct arm *arm)
{
	struct us_arming *a = arm->a;
	const char **problems = (const char **)a->probe_problems;
	size_t n = a->config->n_targets, bad = 0;

	for (size_t i = 0; i < n; i++) {
		if (a->walk && a->walk->problems[i]) {
			problems[i] = a->walk->problems[i];
			US_TRY(us_texts_add(&arm->warnings, "%s cannot be used: %s",
					    text_of(&a->config->targets[i]), problems[i]));
		} else if (a->walk && a->config->targets[i].kind == US_TARGET_RAW &&
			   is_unmarked(a->walk, i)) {
			US_TRY(us_texts_add(&arm->warnings,
					    "%s does not carry our mark yet: arming writes it into "
					    "its last 4 KiB",
					    text_of(&a->config->targets[i])));
		}
		bad += problems[i] != NULL;
	}
	if (!n)
		return us_texts_add(&arm->blocks, "no target is configured");
	if (bad < n)
		return NULL;
	return us_texts_add(&arm->blocks, "no target can be used%s",
			    arm->wish->no_probe
				    ? ""
				    : " (--no-probe arms without trying those that only "
				      "failed to answer)");
}

/* ---- hooks ---- */

static struct us_err *judge_hook(struct arm *arm, const char *key, const char *path)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const char *full;
	struct stat st;

	if (!path || !*path)
		return NULL;
	US_TRY(us_crash_path(arm->host, &pool, path, &full));
	if (stat(full, &st))
		return us_texts_add(&arm->blocks, "the hook %s = %s is not there: %s", key, path,
				    strerror(errno));
	if (!S_ISREG(st.st_mode) || access(full, X_OK))
		return us_texts_add(&arm->blocks, "the hook %s = %s cannot be executed", key, path);
	return NULL;
}

/* ---- all of it ---- */

static struct us_err *judge_same(struct arm *arm)
{
	_us_noted_deinit_ struct us_noted noted = { 0 };
	_us_err_free_ struct us_err *err = us_noted_read(arm->host, &noted);

	if (!err && !arm->wish->force && noted.loaded && !strcmp(noted.loaded, arm->a->loaded))
		arm->a->same = us_noted_is_loaded(arm->host, &noted);
	return NULL;
}

static struct us_err *prepare(struct arm *arm)
{
	static const char *const none[] = { NULL };
	struct us_arming *a = arm->a;

	a->blocks = a->warnings = none;
	a->predicted_bytes = UINT64_MAX;
	US_TRY(us_crash_config_read(arm->host->root_fd, arm->wish->config_path, &a->config));
	a->config->only_judged = arm->wish->dry_run;
	us_err_free(us_crash_predict(arm->host, a->config->level, &a->predicted_bytes));
	/* a configuration by another name is not the one that was armed */
	if (arm->wish->early && !arm->wish->config_path)
		US_TRY(try_saved(arm));
	US_TRY(try_targets(arm));
	if (!a->saved)
		US_TRY(make_set(arm));
	US_TRY(judge_targets(arm));
	if (!a->saved)
		US_TRY(hash_set(a));
	US_TRY(size(arm));
	US_TRY(judge_size(arm));
	US_TRY(plan(arm));
	US_TRY(judge_hook(arm, "pre", a->config->pre));
	US_TRY(judge_hook(arm, "post", a->config->post));
	US_TRY(judge_same(arm));
	if (arm->blocks.n)
		a->blocks = arm->blocks.v;
	if (arm->warnings.n)
		a->warnings = arm->warnings.v;
	return NULL;
}

struct us_err *us_arm_prepare(struct us_host *host, const struct us_arm_wish *wish,
			      struct us_arming **ret)
{
	_us_arming_free_ struct us_arming *a = calloc(1, sizeof(*a));
	struct arm arm = { .host = host, .wish = wish, .a = a };

	if (!a)
		return us_err_nomem();
	arm.blocks.pool = arm.warnings.pool = &a->pool;
	US_TRY(prepare(&arm));
	*ret = us_steal(&a);
	return NULL;
}

/* ---- the call, and what is noted ---- */

static struct us_err *note(const struct us_host *host, const struct us_arming *a)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_noted noted = {
		.boot_id = us_crash_boot_id(host, &pool),
		.set = a->set,
		.loaded = a->loaded,
		.running = us_known(host->release.o) ? host->release.v : NULL,
		.capture = a->kernel->release,
		.kernel = a->kernel_path,
		.kernel_hash = a->kernel_hash,
		.cmdline = a->cmdline,
		.need = a->need.total,
	};
	const char *dir;

	US_TRY(us_crash_state_dir(host, &pool, &dir));
	if (!a->saved) {
		US_TRY(us_armed_save(a->plan, dir));
		if (a->wanted.unpacked && !a->kernel_known)
			US_TRY(us_armed_save_unpacked(dir, a->kernel, a->kernel_hash));
		US_TRY(us_noted_manifest_write(host, a->image->manifest));
	}
	return us_noted_write(host, &noted);
}

/* One more warning. */
static struct us_err *warn_later(struct us_arming *a, const char *why)
{
	struct us_texts all = { .pool = &a->pool };

	for (const char *const *w = a->warnings; *w; w++)
		US_TRY(us_texts_add(&all, "%s", *w));
	US_TRY(us_texts_add(&all, "what was armed before could not have been put back: %s", why));
	a->warnings = all.v;
	return NULL;
}

struct us_err *us_arm_commit(struct us_host *host, struct us_arming *arming, const char *run_dir,
			     struct us_outcome *ret, struct us_err **ret_not_noted)
{
	__attribute__((cleanup(us_crash_kept_deinit))) struct us_crash_kept kept = { 0 };
	_us_err_free_ struct us_err *err = us_crash_kept_read(host, run_dir, arming, &kept);

	if (!arming->plan)
		return us_err_new(US_ERR_NO_ROOM, "there is no plan: %s",
				  arming->plan_problem ? arming->plan_problem->text : "");
	if (err)
		US_TRY(warn_later(arming, err->text));
	US_TRY(us_crash_hand_keys(host, arming->walk));
	US_TRY(us_plan_commit(arming->plan, host, kept.plan, ret));
	/* what a test's recording says about this very machine is not true */
	if (ret->done && !(host->live && host->act.recording)) {
		mode_t mask = umask(0077); /* the image may hold the keys of targets */

		*ret_not_noted = note(host, arming);
		umask(mask);
	}
	if (!ret->done && ret->armed == US_NO)
		us_crash_forget_loaded(host);
	return NULL;
}

void us_arming_free(struct us_arming *arming)
{
	if (!arming)
		return;
	for (size_t i = 0; arming->probes && i < arming->config->n_targets; i++)
		us_pool_deinit((struct us_pool *)&arming->probes[i].pool);
	us_verdict_free(arming->verdict);
	us_plan_free(arming->plan);
	us_err_free(arming->plan_problem);
	us_initrd_free(arming->initrd);
	us_capture_image_free(arming->image);
	us_image_free(arming->kernel);
	us_walk_result_free(arming->walk);
	us_crash_config_free(arming->config);
	us_pool_deinit(&arming->pool);
	free(arming);
}
