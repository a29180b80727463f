/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How well this machine is protected now: the noted set and whether it is the loaded one, what has
 * changed since, its last rehearsal, the local targets and what the capture left on them at the
 * last crash. It asks no network target and changes nothing.
 */
#include "crash/arm-int.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define STATE_MOST   (1 << 20)
#define CAPTURE_MOST 7200 /* seconds from a crash to the next start */
#define CLOCK_SLACK  120

struct look {
	const struct us_host *host;
	struct us_crash_state *s;
	const struct us_crash_config *config;
};

static struct us_err *take_noted(struct look *l)
{
	struct us_crash_state *s = l->s;
	_us_noted_deinit_ struct us_noted noted = { 0 };
	_us_err_free_ struct us_err *err = us_noted_read(l->host, &noted);

	if (!err)
		err = us_noted_manifest_read(l->host, &noted.pool, &s->manifest);
	if (err) {
		s->manifest = NULL;
		return err->code == US_ERR_NOMEM ? us_steal(&err) : NULL;
	}
	err = us_noted_stale(l->host, &noted, false, &noted.pool, &s->stale);
	if (err && err->code == US_ERR_NOMEM)
		return us_steal(&err);
	s->noted = true;
	s->armed_by_us = us_noted_is_loaded(l->host, &noted);
	s->need = noted.need;
	s->armed_release = noted.capture;
	s->armed_at = noted.at;
	s->armed_kernel = noted.kernel;
	s->cmdline = noted.cmdline;
	s->set = noted.set;
	s->pool = noted.pool; /* the texts live in it */
	noted.pool = (struct us_pool){ 0 };
	return NULL;
}

static struct us_err *take_rehearsal(struct look *l)
{
	struct us_crash_state *s = l->s;
	const struct us_crash_rehearsed *runs;
	size_t n;

	if (!s->set)
		return NULL;
	US_TRY(us_crash_rehearsed_read(l->host, &s->pool, &runs, &n));
	for (size_t i = 0; i < n; i++) {
		if (strcmp(runs[i].set, s->set))
			continue;
		s->rehearsed_at = runs[i].at;
		s->rehearsed_result = runs[i].result;
		s->rehearsed_passed = runs[i].passed;
		s->rehearsed_reserved = runs[i].reserved;
		s->rehearsed_available = runs[i].available;
		s->rehearsed_seconds = runs[i].seconds;
	}
	return NULL;
}

/* ---- targets ---- */

/* A crash names its time in UTC: did it come shortly before this kernel was started? */
static bool is_recent(const struct us_host *host, const char *crash)
{
	_us_blob_deinit_ struct us_blob text = { 0 };
	_us_err_free_ struct us_err *err =
		us_file_read_at(host->root_fd, "/proc/stat", STATE_MOST, &text);
	const char *line = err ? NULL : strstr((const char *)text.p, "\nbtime ");
	struct tm tm = { 0 };
	long long before;

	if (!line || !strptime(crash, "%Y%m%d-%H%M%S", &tm))
		return false;
	before = strtoll(line + 7, NULL, 10) - timegm(&tm);
	return before >= -CLOCK_SLACK && before <= CAPTURE_MOST;
}

/* The latest crash of one target, if no other target has a later one. */
static struct us_err *take_crash(struct look *l, struct us_target *target,
				 const struct us_saved *saved, const char *text)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	struct us_capture_state state = { 0 };
	struct us_crash_state *s = l->s;
	_us_err_free_ struct us_err *err = NULL;
	const char *result, *panic;

	if (s->last_crash && strcmp(saved->crash, s->last_crash) <= 0)
		return NULL;
	s->last_crash = us_pool_strdup(&s->pool, saved->crash);
	s->last_crash_target = text;
	s->last_crash_panic = NULL;
	s->last_crash_recent = is_recent(l->host, saved->crash);
	s->last_crash_result = saved->has_dump     ? "a dump"
			       : saved->incomplete ? "an incomplete dump"
			       : saved->has_log    ? "the kernel log"
						   : "nothing of use";
	if (!s->last_crash)
		return us_err_nomem();
	err = us_target_get(target, saved->crash, "state.txt", STATE_MOST, &blob);
	if (!err)
		err = us_capture_state_parse(us_blob_bytes(&blob), &state);
	if (err)
		return err->code == US_ERR_NOMEM ? us_steal(&err) : NULL;
	result = us_capture_state_text(&state, "result", 0);
	panic = us_capture_state_text(&state, "panic", 0);
	if (result)
		s->last_crash_result = us_pool_strdup(&s->pool, result);
	s->last_crash_panic = panic ? us_pool_strdup(&s->pool, panic) : NULL;
	us_capture_state_deinit(&state);
	return s->last_crash_result && !panic == !s->last_crash_panic ? NULL : us_err_nomem();
}

/* A directory is made by arming, not by looking at it. */
static struct us_err *is_there(const struct us_host *host, const struct us_target_spec *spec)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const char *path;
	struct stat st;

	US_TRY(us_crash_path(host, &pool, spec->path, &path));
	return stat(path, &st) ? us_err_new(US_ERR_NOT_FOUND, "%s is not there", spec->path) : NULL;
}

static struct us_err *look_at_target(struct look *l, const struct us_target_spec *spec,
				     struct us_crash_target_state *t)
{
	_us_target_close_ struct us_target *target = NULL;
	const struct us_saved *saved;
	struct us_err *err;
	size_t n;

	US_TRY(is_there(l->host, spec));
	US_TRY(us_target_open(spec, l->host->live ? "" : l->host->root, 0, &target));
	err = us_target_free_bytes(target, &t->free_bytes);
	if (err && err->code != US_ERR_UNSUPPORTED)
		return err;
	us_err_free(err);
	US_TRY(us_target_list(target, &l->s->pool, &saved, &n));
	t->crashes = n;
	return n ? take_crash(l, target, &saved[n - 1], t->text) : NULL;
}

static struct us_err *look_at_targets(struct look *l)
{
	struct us_crash_state *s = l->s;
	struct us_crash_target_state *list =
		us_pool_array(&s->pool, l->config->n_targets + 1, sizeof(*list));

	if (!list)
		return us_err_nomem();
	for (size_t i = 0; i < l->config->n_targets; i++) {
		const struct us_target_spec *spec = &l->config->targets[i];
		struct us_crash_target_state *t = &list[i];
		_us_err_free_ struct us_err *err = NULL;

		t->text = us_pool_strdup(&s->pool, spec->text ? spec->text : spec->path);
		t->kind = us_target_kind_name(spec->kind);
		t->free_bytes = UINT64_MAX;
		if (!t->text)
			return us_err_nomem();
		if (spec->kind != US_TARGET_DIR && spec->kind != US_TARGET_RAW)
			continue;
		err = look_at_target(l, spec, t);
		if (err && err->code == US_ERR_NOMEM)
			return us_steal(&err);
		if (err)
			t->problem = us_pool_strdup(&s->pool, err->text);
	}
	s->targets = list;
	s->n_targets = l->config->n_targets;
	return NULL;
}

static struct us_err *look(struct look *l, const char *config_path)
{
	_us_crash_config_free_ struct us_crash_config *config = NULL;
	_us_err_free_ struct us_err *err = NULL;

	US_TRY(take_noted(l));
	US_TRY(take_rehearsal(l));
	US_TRY(us_crash_kept_log(l->host->root_fd, &l->s->pool, &l->s->kept_log));
	l->s->predicted_bytes = UINT64_MAX;
	err = us_crash_config_read(l->host->root_fd, config_path, &config);
	if (err) {
		l->s->config_problem = us_pool_strdup(&l->s->pool, err->text);
		return l->s->config_problem ? NULL : us_err_nomem();
	}
	l->config = config;
	us_err_free(us_crash_predict(l->host, config->level, &l->s->predicted_bytes));
	return look_at_targets(l);
}

struct us_err *us_crash_state_read(const struct us_host *host, const char *config_path,
				   struct us_crash_state **ret)
{
	_us_crash_state_free_ struct us_crash_state *s = calloc(1, sizeof(*s));
	struct look l = { .host = host, .s = s };

	if (!s)
		return us_err_nomem();
	US_TRY(look(&l, config_path));
	*ret = us_steal(&s);
	return NULL;
}

void us_crash_state_free(struct us_crash_state *state)
{
	if (!state)
		return;
	us_pool_deinit(&state->pool);
	free(state);
}
