/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configured targets on this machine, opened without changing anything: a directory that is not
 * there is not made. And what a saved crash's files say about how it went, in words.
 */
#include "cmd/places-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define STATE_MAX (1u << 20)

struct us_err *us_places_find(int root_fd, const char *path, const char *words,
			      struct us_places *ret)
{
	struct us_target_spec *own;
	const struct us_target_spec *specs;

	US_TRY(us_crash_config_read(root_fd, path, &ret->config));
	specs = ret->config->targets;
	ret->n = ret->config->n_targets;
	if (words) {
		own = us_pool_alloc(&ret->pool, sizeof(*own));
		if (!own)
			return us_err_nomem();
		US_TRY(us_target_parse(words, &ret->pool, own));
		specs = own;
		ret->n = 1;
	}
	ret->v = us_pool_array(&ret->pool, ret->n, sizeof(*ret->v));
	if (!ret->v)
		return us_err_nomem();
	for (size_t i = 0; i < ret->n; i++)
		ret->v[i].spec = &specs[i];
	return NULL;
}

static uint64_t deadline(unsigned int seconds)
{
	struct timespec t;

	if (!seconds)
		return 0;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return ((uint64_t)t.tv_sec + seconds) * 1000000000u + (uint64_t)t.tv_nsec;
}

void us_place_open(struct us_place *place, unsigned int seconds)
{
	const struct us_target_spec *spec = place->spec;
	struct stat st;

	if (spec->kind == US_TARGET_DIR && stat(spec->path, &st) && errno == ENOENT)
		return;
	place->problem = us_target_open(spec, "", deadline(seconds), &place->target);
}

void us_place_list(struct us_places *places, struct us_place *place)
{
	if (!place->target)
		return;
	place->problem = us_target_list(place->target, &places->pool, &place->saved, &place->n);
	place->unlisted = place->problem && place->problem->code == US_ERR_UNSUPPORTED;
}

void us_places_deinit(struct us_places *places)
{
	for (size_t i = 0; places->v && i < places->n; i++) {
		us_target_close(places->v[i].target);
		us_err_free(places->v[i].problem);
	}
	us_crash_config_free(places->config);
	us_pool_deinit(&places->pool);
	*places = (struct us_places){ 0 };
}

const char *us_place_where(struct us_pool *pool, const struct us_place *place, const char *crash,
			   const char *file)
{
	const struct us_target_spec *spec = place->spec;
	const char *text = spec->kind == US_TARGET_DIR ? spec->path : spec->text;
	size_t n = strcspn(text, " \t");

	while (n > 1 && text[n - 1] == '/')
		n--;
	if (spec->kind == US_TARGET_RAW && !strcmp(file, "dump"))
		return spec->path;
	return us_pool_format(pool, "%.*s/%s/%s", (int)n, text, crash, file);
}

const char *us_crash_time(const char *crash, char *buf, const char **ret_release)
{
	int y, mo, d, h, mi, s, n = 0;

	*ret_release = crash;
	buf[0] = '\0';
	if (sscanf(crash, "%4d%2d%2d-%2d%2d%2d-%n", &y, &mo, &d, &h, &mi, &s, &n) == 6 && n) {
		*ret_release = crash + n;
		snprintf(buf, US_CRASH_TIME, "%04d-%02d-%02d %02d:%02d:%02d UTC", y % 10000,
			 mo % 100, d % 100, h % 100, mi % 100, s % 100);
	}
	return buf;
}

/* ---- how it went ---- */

static const char *by_files(const struct us_saved *saved)
{
	if (saved->has_dump)
		return "a dump, and no word about how it went";
	if (saved->incomplete)
		return "an incomplete dump: the capture was cut off";
	return saved->has_log ? "the kernel log, and no dump: the capture was cut off"
			      : "nothing but its name: the capture was cut off";
}

static const char *by_result(struct us_pool *pool, const struct us_saved *saved,
			     const struct us_capture_state *state, const char *result)
{
	static const struct {
		const char *result, *words;
		bool dump;
	} known[] = {
		{ "saved", "the dump is whole", true },
		{ "partial", "a partial dump", true },
		{ "log", "the kernel log only", false },
		{ "nothing", "nothing was saved", false },
	};
	const char *details = strchr(result, ' '),
		   *where = us_capture_state_text(state, "where", 0);
	size_t n = strcspn(result, " ");

	for (size_t i = 0; i < us_array_size(known); i++) {
		if (strlen(known[i].result) != n || strncmp(known[i].result, result, n))
			continue;
		if (known[i].dump && !saved->has_dump && !saved->incomplete)
			return us_pool_format(pool, "the kernel log; %s in %s", known[i].words,
					      where ? where : "another target");
		return us_pool_format(pool, "%s%s%s", known[i].words, details ? ":" : "",
				      details ? details : "");
	}
	return us_pool_format(pool, "it says: %s", result);
}

/* What was told last before it was cut off: a stage that was begun and did not end. NULL: none. */
static const char *cut_off(const struct us_capture_state *state)
{
	for (size_t i = state->n_stages; i--;)
		if (state->stages[i].end_ms == UINT64_MAX)
			return state->stages[i].name;
	return NULL;
}

static const char *words_of(struct us_pool *pool, const struct us_saved *saved,
			    const struct us_capture_state *state, const char *result)
{
	const char *stage = cut_off(state);

	if (stage)
		return us_pool_format(pool, "%s: the capture was cut off; it last told of \"%s\"",
				      saved->has_dump     ? "a dump"
				      : saved->incomplete ? "an incomplete dump"
				      : saved->has_log    ? "the kernel log"
							  : "nothing",
				      stage);
	return result ? by_result(pool, saved, state, result) : by_files(saved);
}

struct us_err *us_crash_tell(struct us_places *places, const struct us_place *place,
			     const struct us_saved *saved, struct us_told *ret)
{
	_us_blob_deinit_ struct us_blob text = { 0 };
	struct us_told told = { 0 };
	struct us_err *err =
		us_target_get(place->target, saved->crash, "state.txt", STATE_MAX, &text);
	const char *result;

	if (err && err->code != US_ERR_NOT_FOUND)
		return err;
	told.has_state = !err;
	us_err_free(err);
	if (!told.has_state) {
		told.words = by_files(saved);
		*ret = told;
		return NULL;
	}
	US_TRY(us_capture_state_parse(us_blob_bytes(&text), &told.state));
	result = us_capture_state_text(&told.state, "result", 0);
	if (cut_off(&told.state)) /* what it says is what it had by then */
		result = NULL;
	if (result)
		told.result = us_pool_strndup(&places->pool, result, strcspn(result, " "));
	told.words = words_of(&places->pool, saved, &told.state, result);
	if (!told.words || (result && !told.result)) {
		us_told_deinit(&told);
		return us_err_nomem();
	}
	*ret = told;
	return NULL;
}

void us_told_deinit(struct us_told *told)
{
	us_capture_state_deinit(&told->state);
}
