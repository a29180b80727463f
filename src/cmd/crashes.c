/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * understudy crashes: what is saved on the configured targets; one of them in full; deleting by the
 * policy; and getting a raw partition's dump into a directory. A target that cannot be asked is
 * named, and the exit status says that not all is known.
 */
#include "cmd/cmd-int.h"
#include "cmd/places-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ASK_S   20          /* to list a target */
#define LOG_MAX (64u << 20) /* of log.txt */

struct opts {
	bool json, dry_run;
	const char *config, *target, *into, *lines;
};

static const struct us_option options[] = {
	{ 0, "config", US_OPT_FILE, "FILE",
	  "Take the targets of FILE instead of /etc/understudy.conf",
	  offsetof(struct opts, config) },
	{ 0, "target", US_OPT_TEXT, "TARGET",
	  "Look at this target only, in the configuration's words", offsetof(struct opts, target) },
	{ 'n', "lines", US_OPT_TEXT, "N", "show: lines of the kernel log, from its end (20)",
	  offsetof(struct opts, lines) },
	{ 0, "into", US_OPT_DIR, "DIR",
	  "recover: into this directory instead of the first one that is a target",
	  offsetof(struct opts, into) },
	{ 0, "dry-run", US_OPT_FLAG, NULL, "prune, recover: say what would be done, and do nothing",
	  offsetof(struct opts, dry_run) },
	US_OPTION_JSON,
	{ 0 },
};

struct run {
	const struct opts *o;
	const char *verb;
	struct us_places places;
	struct us_out out;
	json_object *json; /* NULL: text; owned */
	int status;
};

/* A line of a list, its other lines indented. */
#define item(r, ...) (fputs("  ", (r)->out.f), us_out_para(&(r)->out, 2, 6, __VA_ARGS__))

/* Why a target was not asked, without its own words again. */
static const char *problem_of(const struct us_place *place)
{
	size_t n = strlen(place->spec->text);

	return !strncmp(place->problem->text, place->spec->text, n) &&
			       !strncmp(place->problem->text + n, ": ", 2)
		       ? place->problem->text + n + 2
		       : place->problem->text;
}

/* ---- list ---- */

static json_object *json_place(struct run *r, const struct us_place *place)
{
	json_object *obj = us_json_item(json_object_object_get(r->json, "targets"));

	us_json_str(obj, "target", place->spec->text);
	us_json_str(obj, "kind", us_target_kind_name(place->spec->kind));
	us_json_str(obj, "problem", place->problem ? problem_of(place) : NULL);
	us_json_list(obj, "crashes");
	return obj;
}

static void json_saved(json_object *list, struct us_pool *pool, const struct us_place *place,
		       const struct us_saved *saved, const struct us_told *told)
{
	json_object *obj = us_json_item(list);
	char time[US_CRASH_TIME];
	const char *release;

	us_json_str(obj, "crash", saved->crash);
	us_json_str(obj, "time", us_crash_time(saved->crash, time, &release));
	us_json_str(obj, "release", release);
	us_json_num(obj, "bytes", saved->bytes);
	us_json_bool(obj, "has_dump", saved->has_dump);
	us_json_bool(obj, "incomplete", saved->incomplete);
	us_json_bool(obj, "has_log", saved->has_log);
	us_json_str(obj, "result", told->result);
	us_json_str(obj, "says", told->words);
	us_json_str(obj, "dump",
		    saved->has_dump || saved->incomplete
			    ? us_place_where(pool, place, saved->crash,
					     saved->has_dump ? "dump" : "dump.incomplete")
			    : NULL);
}

static struct us_err *list_one(struct run *r, const struct us_place *place, json_object *list,
			       const struct us_saved *saved)
{
	_us_told_deinit_ struct us_told told = { 0 };
	char size[US_TEXT_SIZE_MAX];

	US_TRY(us_crash_tell(&r->places, place, saved, &told));
	if (list)
		json_saved(list, &r->places.pool, place, saved, &told);
	else
		item(r, "%s: %s (%s)", saved->crash, told.words, us_text_size(saved->bytes, size));
	return NULL;
}

/* A target that was not asked, in words. True: there is nothing more to say of it. */
static bool told_problem(struct run *r, const struct us_place *place)
{
	if (place->problem && !place->unlisted)
		r->status = US_EXIT_UNKNOWN;
	if (r->json)
		return place->problem || !place->target;
	us_out_head(&r->out, "%s", place->spec->text);
	if (place->problem)
		item(r, "%s%s", place->unlisted ? "" : "It cannot be asked: ", problem_of(place));
	else if (!place->target)
		item(r, "The directory is not there: nothing was saved.");
	return place->problem || !place->target;
}

/* Where the log of a crash is that no target took. */
static struct us_err *list_pstore(struct run *r)
{
	_us_close_ int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct us_crash_kept_log kept;

	if (root < 0)
		return us_err_os(errno, "opening /");
	US_TRY(us_crash_kept_log(root, &r->places.pool, &kept));
	if (r->json) {
		us_json_kept_log(r->json, &kept);
	} else if (kept.path) {
		us_out_head(&r->out, "pstore");
		item(r, "%zu part%s of logs of crashes; the newest, of %s: %s", kept.n,
		     kept.n == 1 ? "" : "s", kept.at, kept.path);
	}
	return NULL;
}

static struct us_err *list_all(struct run *r)
{
	for (size_t i = 0; i < r->places.n; i++) {
		struct us_place *place = &r->places.v[i];
		json_object *obj = r->json ? json_place(r, place) : NULL;

		if (told_problem(r, place))
			continue;
		if (!place->n && !r->json)
			item(r, "Nothing is saved there.");
		for (size_t k = 0; k < place->n; k++)
			US_TRY(list_one(r, place,
					obj ? json_object_object_get(obj, "crashes") : NULL,
					&place->saved[k]));
	}
	return r->o->target ? NULL : list_pstore(r);
}

/* ---- show ---- */

/* The saved crash that name stands for on one target: its name, a beginning that only one has, or
 * "last". */
static const struct us_saved *find_on(const struct us_place *place, const char *name)
{
	const struct us_saved *hit = NULL;

	if (!strcmp(name, "last"))
		return place->n ? &place->saved[place->n - 1] : NULL;
	for (size_t i = 0; i < place->n; i++) {
		if (!strcmp(place->saved[i].crash, name))
			return &place->saved[i];
		if (!strncmp(place->saved[i].crash, name, strlen(name))) {
			if (hit)
				return NULL;
			hit = &place->saved[i];
		}
	}
	return hit;
}

static struct us_err *find_name(struct run *r, const char *name, const char **ret)
{
	const char *found = NULL;

	for (size_t i = 0; i < r->places.n; i++) {
		const struct us_saved *s = find_on(&r->places.v[i], name);
		bool newer = s && found && strcmp(s->crash, found) > 0;

		if (!s || (found && !strcmp(s->crash, found)))
			continue;
		if (found && strcmp(name, "last"))
			return us_err_new(US_ERR_USAGE, "%s is the beginning of %s and of %s", name,
					  found, s->crash);
		if (!found || newer)
			found = s->crash;
	}
	if (!found && !strcmp(name, "last"))
		return us_err_new(US_ERR_NOT_FOUND,
				  "no crash is saved on the targets that could be asked");
	if (!found)
		return us_err_new(US_ERR_NOT_FOUND,
				  "no target that could be asked has one crash \"%s\" (understudy "
				  "crashes lists them)",
				  name);
	*ret = found;
	return NULL;
}

/* What else the capture had to say: all lines that are not shown in another way. */
static void show_notes(struct run *r, const struct us_capture_state *state)
{
	static const char *const shown[] = { "crash",  "host",  "armed",       "capture",
					     "target", "where", "dump_bytes",  "dump_pages",
					     "result", "panic", "memory_total" };
	bool first = true;

	for (size_t i = 0; i < state->n; i++) {
		size_t k = 0;

		while (k < us_array_size(shown) && strcmp(shown[k], state->keys[i]))
			k++;
		if (k < us_array_size(shown))
			continue;
		us_out_row(&r->out, first ? "Noted" : "", "%s: %s", state->keys[i],
			   state->values[i]);
		first = false;
	}
}

static void show_stages(struct run *r, const struct us_capture_state *state)
{
	uint64_t used = 0, total = 0;
	const char *text = us_capture_state_text(state, "memory_total", 0);
	char a[US_TEXT_SIZE_MAX], b[US_TEXT_SIZE_MAX];

	for (size_t i = 0; i < state->n_stages; i++) {
		const struct us_state_stage *s = &state->stages[i];

		if (s->end_ms == UINT64_MAX)
			us_out_row(&r->out, i ? "" : "Stages", "%s: did not come to its end",
				   s->name);
		else
			us_out_row(&r->out, i ? "" : "Stages", "%s: %llu ms", s->name,
				   (unsigned long long)(s->end_ms - s->begin_ms));
	}
	for (size_t i = 0; i < state->n_samples; i++)
		used = state->samples[i].used > used ? state->samples[i].used : used;
	if (used && text && us_text_u64(text, 10, &total))
		us_out_row(&r->out, "Memory", "at most %s of %s in use", us_text_size(used, a),
			   us_text_size(total, b));
	show_notes(r, state);
}

static void json_stages(json_object *obj, const struct us_capture_state *state)
{
	json_object *stages = us_json_list(obj, "stages"), *list;

	for (size_t i = 0; i < state->n_stages; i++) {
		json_object *item = us_json_item(stages);

		us_json_str(item, "stage", state->stages[i].name);
		us_json_num(item, "begin_ms", state->stages[i].begin_ms);
		if (state->stages[i].end_ms == UINT64_MAX)
			json_object_object_add(item, "end_ms", NULL);
		else
			us_json_num(item, "end_ms", state->stages[i].end_ms);
	}
	list = us_json_list(obj, "memory");
	for (size_t i = 0; i < state->n_samples; i++) {
		json_object *item = us_json_item(list);

		us_json_num(item, "ms", state->samples[i].ms);
		us_json_num(item, "available", state->samples[i].available);
		us_json_num(item, "used", state->samples[i].used);
	}
	list = us_json_list(obj, "state");
	for (size_t i = 0; i < state->n; i++) {
		json_object *item = us_json_item(list);

		us_json_str(item, "key", state->keys[i]);
		us_json_str(item, "value", state->values[i]);
	}
}

/* The last lines of the log, cut apart in place. */
static size_t tail(char *text, size_t lines, const char **ret)
{
	size_t n = strlen(text), at = n, found = 0;

	while (at && found < lines) {
		if (text[at - 1] == '\n' && at != n)
			found++;
		if (found < lines)
			at--;
	}
	found = 0;
	for (char *line = text + at, *end; *line && found < lines; line = end) {
		end = line + strcspn(line, "\n");
		if (*end)
			*end++ = '\0';
		ret[found++] = line;
	}
	return found;
}

static struct us_err *show_log(struct run *r, const struct us_place *place, const char *crash,
			       size_t lines)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	const char **last = us_pool_array(&r->places.pool, lines + 1, sizeof(*last));
	struct us_err *err = us_target_get(place->target, crash, "log.txt", LOG_MAX, &blob);
	json_object *list = r->json ? us_json_list(r->json, "log") : NULL;
	_us_free_ char *text = NULL;
	size_t n;

	if (err && err->code != US_ERR_NOT_FOUND)
		return err;
	us_err_free(err);
	text = strndup(blob.p ? (const char *)blob.p : "", blob.n);
	if (!text || !last)
		return us_err_nomem();
	n = tail(text, lines, last);
	if (n && !list)
		us_out_head(&r->out, "The end of the kernel log");
	for (size_t i = 0; i < n; i++) {
		if (list)
			us_json_add_str(list, last[i]);
		else
			us_out_para(&r->out, 0, 2, "%s", last[i]);
	}
	return NULL;
}

/* The target that knows most about it: one with the dump, else the first. */
static const struct us_place *best(struct run *r, const char *crash)
{
	const struct us_place *hit = NULL;

	for (size_t i = 0; i < r->places.n; i++) {
		const struct us_saved *s = find_on(&r->places.v[i], crash);

		if (s && s->has_dump)
			return &r->places.v[i];
		if (s && !hit)
			hit = &r->places.v[i];
	}
	return hit;
}

static void show_places(struct run *r, const char *crash)
{
	struct us_pool *pool = &r->places.pool;
	char size[US_TEXT_SIZE_MAX];

	for (size_t i = 0; i < r->places.n; i++) {
		const struct us_place *p = &r->places.v[i];
		const struct us_saved *s = find_on(p, crash);

		if (s && (s->has_dump || s->incomplete))
			us_out_row(&r->out, "Dump", "%s (%s in all%s)",
				   us_place_where(pool, p, crash,
						  s->has_dump ? "dump" : "dump.incomplete"),
				   us_text_size(s->bytes, size), s->has_dump ? "" : "; incomplete");
		else if (s && s->has_log)
			us_out_row(&r->out, "Log", "%s", us_place_where(pool, p, crash, "log.txt"));
		else if (s)
			us_out_row(&r->out, "Empty", "%s", us_place_where(pool, p, crash, ""));
		else if (p->problem)
			us_out_row(&r->out, "Not asked", "%s: %s", p->spec->text, problem_of(p));
	}
}

static struct us_err *show(struct run *r, const char *name)
{
	_us_told_deinit_ struct us_told told = { 0 };
	const struct us_place *place;
	const char *crash = NULL, *release;
	char time[US_CRASH_TIME];
	uint64_t lines = 20;

	if (r->o->lines && (!us_text_u64(r->o->lines, 10, &lines) || lines > 100000))
		return us_err_new(US_ERR_USAGE, "--lines: \"%s\" is no number up to 100000",
				  r->o->lines);
	US_TRY(find_name(r, name, &crash));
	place = best(r, crash);
	US_TRY(us_crash_tell(&r->places, place, find_on(place, crash), &told));
	for (size_t i = 0; i < r->places.n; i++)
		if (r->places.v[i].problem && !r->places.v[i].unlisted)
			r->status = US_EXIT_UNKNOWN;
	if (r->json) {
		for (size_t i = 0; i < r->places.n; i++) {
			json_object *obj = json_place(r, &r->places.v[i]);
			const struct us_saved *s = find_on(&r->places.v[i], crash);

			if (s)
				json_saved(json_object_object_get(obj, "crashes"), &r->places.pool,
					   &r->places.v[i], s, &told);
		}
		json_stages(r->json, &told.state);
		return show_log(r, place, crash, (size_t)lines);
	}
	us_out_head(&r->out, "%s", crash);
	us_out_row(&r->out, "When", "%s", us_crash_time(crash, time, &release));
	us_out_row(&r->out, "Kernel", "%s", release);
	us_out_row(&r->out, "Saved", "%s", told.words);
	if (us_capture_state_text(&told.state, "panic", 0))
		us_out_row(&r->out, "Panic", "%s", us_capture_state_text(&told.state, "panic", 0));
	show_places(r, crash);
	show_stages(r, &told.state);
	return show_log(r, place, crash, (size_t)lines);
}

/* ---- prune ---- */

static struct us_err *prune_one(struct run *r, struct us_place *place, struct us_keep_policy *keep)
{
	json_object *list = NULL;
	const char *const *gone = NULL;
	struct us_err *err;

	if (r->json)
		list = us_json_list(json_place(r, place), "pruned");
	if (told_problem(r, place))
		return NULL;
	err = us_target_prune(place->target, keep, 0, &r->places.pool, &gone);
	if (!err && !*gone && !list)
		item(r, "Nothing has to be deleted.");
	for (; gone && *gone; gone++) {
		if (list && err) /* which becomes all that is said */
			err = us_err_wrap(err, "%s was deleted", *gone);
		else if (list)
			us_json_add_str(list, *gone);
		else
			item(r, "%s%s", keep->dry_run ? "would delete " : "deleted ", *gone);
	}
	return err;
}

/* Asked for by name, deleting is allowed whatever "prune" says about the capture kernel. */
static struct us_err *prune(struct run *r)
{
	struct us_keep_policy keep = r->places.config->keep;

	if (!keep.max_crashes && !keep.max_bytes && !keep.min_free)
		return us_err_new(US_ERR_USAGE,
				  "%s sets no limit (max-crashes, max-bytes, min-free): there is "
				  "nothing to prune by",
				  r->places.config->path ? r->places.config->path : US_CRASH_CONFIG);
	keep.may_prune = true;
	keep.dry_run = r->o->dry_run;
	for (size_t i = 0; i < r->places.n; i++)
		US_TRY(prune_one(r, &r->places.v[i], &keep));
	return NULL;
}

/* ---- recover ---- */

static struct us_err *find_into(struct run *r, struct us_target_spec *ret)
{
	const struct us_crash_config *c = r->places.config;

	if (r->o->into) {
		_us_free_ char *path = realpath(r->o->into, NULL);

		if (!path)
			return us_err_os(errno, "--into %s", r->o->into);
		*ret = (struct us_target_spec){ .kind = US_TARGET_DIR,
						.path = us_pool_strdup(&r->places.pool, path) };
		ret->text = ret->path;
		return ret->path ? NULL : us_err_nomem();
	}
	for (size_t i = 0; i < c->n_targets; i++)
		if (c->targets[i].kind == US_TARGET_DIR) {
			*ret = c->targets[i];
			return NULL;
		}
	return us_err_new(US_ERR_USAGE, "no target is a directory: say --into DIR");
}

/* What is small; a file that is not there is left out. */
static struct us_err *copy_files(struct us_target *from, struct us_target *to, const char *crash)
{
	static const char *const files[] = { "log.txt", "state.txt", "report.txt" };

	for (size_t i = 0; i < us_array_size(files); i++) {
		_us_blob_deinit_ struct us_blob blob = { 0 };
		struct us_err *err = us_target_get(from, crash, files[i], LOG_MAX, &blob);

		if (err && err->code == US_ERR_NOT_FOUND) {
			us_err_free(err);
			continue;
		}
		if (err)
			return err;
		US_TRY(us_target_put(to, crash, files[i], us_blob_bytes(&blob)));
	}
	return NULL;
}

/* The pages that the partition has, as they are packed there: what was not written is not read. */
static struct us_err *copy_dump(const char *device, struct us_target *to, const char *crash,
				struct us_pool *pool, bool *ret_complete, const char **ret_where)
{
	const struct us_dump_wish wish = { .codec = US_PAGE_LZO, .stored = true };
	_us_dump_result_free_ struct us_dump_result result = { 0 };
	_us_vmcore_free_ struct us_vmcore *core = NULL;
	struct us_sink *sink = NULL;
	const char *path = NULL;
	struct us_progress_line line;
	struct us_err *err;

	US_TRY(us_vmcore_open(&device, 1, &core));
	US_TRY(us_target_dump_begin(to, crash, &path, &sink));
	us_progress_line_init(&line, stderr);
	err = us_dump_write(core, NULL, &wish, path, -1, &line.p, &result);
	us_progress_line_end(&line);
	if (err)
		return err;
	*ret_complete = result.complete && !core->incomplete;
	return us_target_dump_end(to, true, pool, ret_where);
}

static struct us_err *recover_crash(struct run *r, struct us_place *place, struct us_target *to,
				    const struct us_saved *saved, json_object *list)
{
	const char *where = us_pool_format(&r->places.pool, "%s", saved->crash);
	bool complete = true;

	if (!where)
		return us_err_nomem();
	if (!r->o->dry_run) {
		US_TRY(copy_files(place->target, to, saved->crash));
		if (saved->has_dump || saved->incomplete)
			US_TRY(copy_dump(place->spec->path, to, saved->crash, &r->places.pool,
					 &complete, &where));
	}
	if (!complete)
		r->status = US_EXIT_BLOCKED;
	if (list)
		us_json_add_str(list, where);
	else
		item(r, "%s %s%s", r->o->dry_run ? "would recover" : "recovered", where,
		     complete ? "" : " (the dump is partial)");
	return NULL;
}

static bool is_there(struct us_target *to, const char *crash, struct us_pool *pool)
{
	_us_err_free_ struct us_err *err = NULL;
	const struct us_saved *saved = NULL;
	size_t n = 0;

	err = us_target_list(to, pool, &saved, &n);
	for (size_t i = 0; !err && i < n; i++)
		if (!strcmp(saved[i].crash, crash) && saved[i].has_dump)
			return true;
	return false;
}

static struct us_err *recover(struct run *r)
{
	_us_target_close_ struct us_target *to = NULL;
	struct us_target_spec into = { 0 };
	size_t n = 0;

	US_TRY(find_into(r, &into));
	for (size_t i = 0; i < r->places.n; i++) {
		struct us_place *place = &r->places.v[i];
		json_object *list = NULL;

		if (place->spec->kind != US_TARGET_RAW)
			continue;
		n++;
		if (r->json)
			list = us_json_list(json_place(r, place), "recovered");
		if (told_problem(r, place))
			continue;
		if (!to && place->n)
			US_TRY(us_target_open(&into, "", 0, &to));
		if (!place->n && !list)
			item(r, "Nothing is saved there.");
		for (size_t k = 0; k < place->n; k++) {
			if (!is_there(to, place->saved[k].crash, &r->places.pool))
				US_TRY(recover_crash(r, place, to, &place->saved[k], list));
			else if (!list)
				item(r, "%s is in %s already", place->saved[k].crash, into.text);
		}
	}
	return n ? NULL : us_err_new(US_ERR_USAGE, "no target is a raw partition");
}

/* ---- the command ---- */

static struct us_err *begin(struct run *r, int argc, char **argv)
{
	static const struct {
		const char *verb;
		int words;
	} verbs[] = { { "list", 1 }, { "show", 2 }, { "prune", 1 }, { "recover", 1 } };
	_us_close_ int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	size_t i = 0;

	r->verb = argc ? argv[0] : "list";
	while (i < us_array_size(verbs) && strcmp(verbs[i].verb, r->verb))
		i++;
	if (i == us_array_size(verbs))
		return us_err_new(US_ERR_USAGE,
				  "crashes: there is no \"%s\" (list, show, prune, recover)",
				  r->verb);
	if (argc > verbs[i].words)
		return us_err_new(US_ERR_USAGE, "crashes %s: unexpected word \"%s\"", r->verb,
				  argv[verbs[i].words]);
	if (argc < verbs[i].words && verbs[i].words == 2)
		return us_err_new(US_ERR_USAGE, "crashes show needs the crash's name, or \"last\"");
	if (root < 0)
		return us_err_os(errno, "opening /");
	US_TRY(us_places_find(root, r->o->config, r->o->target, &r->places));
	for (i = 0; i < r->places.n; i++) {
		struct us_place *place = &r->places.v[i];
		unsigned int seconds = !strcmp(r->verb, "recover") ? 0
				       : !strcmp(r->verb, "prune") ? place->spec->budget_s
								   : ASK_S;

		us_place_open(place, seconds);
		us_place_list(&r->places, place);
	}
	return NULL;
}

static struct us_err *act(struct run *r, char **argv)
{
	if (r->o->json) {
		r->json = us_json_new("crashes");
		if (!r->json)
			return us_err_nomem();
		us_json_str(r->json, "verb", r->verb);
		us_json_list(r->json, "targets");
	}
	if (!strcmp(r->verb, "show"))
		return show(r, argv[1]);
	if (!strcmp(r->verb, "prune"))
		return prune(r);
	if (!strcmp(r->verb, "recover"))
		return recover(r);
	return list_all(r);
}

static int run(void *opts, int argc, char **argv)
{
	struct run r = { .o = opts, .status = US_EXIT_OK };
	struct us_err *err;

	us_out_init(stdout, &r.out);
	err = begin(&r, argc, argv);
	if (!err)
		err = act(&r, argv);
	if (err) {
		json_object_put(r.json);
		r.status = us_cmd_fail(err, r.o->json);
	} else if (r.json) {
		us_json_num(r.json, "exit", (uint64_t)r.status);
		r.status = us_cmd_json(r.json, r.status);
	}
	us_places_deinit(&r.places);
	return r.status;
}

const struct us_cmd us_cmd_crashes = {
	.name = "crashes",
	.args = "[list|show CRASH|prune|recover]",
	.brief = "List, show, prune and recover saved crashes",
	.options = options,
	.max_args = 2,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
