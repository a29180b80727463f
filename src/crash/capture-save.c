/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One target in the capture kernel: bring up what it lies on, mount, write the log, and later the
 * dump. All of it runs in children (capture-guard.c); what they found out is in shared memory. A
 * dump that does not fit is made to fit: older crashes go first if the policy allows it, then the
 * level is raised, then the dump is closed smaller, with the most valuable pages in it.
 */
#include "base/cleanup.h"
#include "crash/capture-int.h"
#include "dump/dump.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#define LEVEL_MOST     31
#define LOG_SECONDS    60 /* for one target, to be brought up and to take the log */
#define STATE_SECONDS  30
#define TARGET_SECONDS 600
#define CLOSE_SECONDS  20 /* at least, for ending a dump that is out of time */
#define LOG_LEAST      4096
#define STATE_ROOM     (1u << 20) /* left free beside a dump that fills its target */

static struct us_err *mount_it(struct us_capture *c, unsigned int target, const char *node)
{
	const struct us_recipe_target *t = &c->recipe->targets[target];
	const char *options = t->fs_options && *t->fs_options ? t->fs_options : NULL;
	char at[128];

	snprintf(at, sizeof(at), "%s/%u", c->mounts, target);
	if (mkdir(c->mounts, 0700) && errno != EEXIST)
		return us_err_os(errno, "making %s", c->mounts);
	if (mkdir(at, 0700) && errno != EEXIST)
		return us_err_os(errno, "making %s", at);
	if (mount(node, at, t->fs, MS_NOATIME | MS_NOSUID | MS_NODEV | MS_NOEXEC, options))
		return us_err_os(errno, "mounting %s (%s)", node, t->fs);
	c->shared->targets[target].mounted = true;
	return NULL;
}

/* The target, ready for use; root has room for its mount point. */
static struct us_err *open_target(struct us_capture *c, unsigned int target, uint64_t deadline_ns,
				  char root[128], struct us_target **ret)
{
	const struct us_recipe_target *t = &c->recipe->targets[target];
	struct us_target_spec spec = t->spec;
	const char *node = NULL;

	*root = 0;
	if (spec.kind == US_TARGET_DIR && !t->device && c->wish->pid1)
		return us_err_new(US_ERR_BAD_DATA, "%s: the recipe names no device for it",
				  spec.text);
	if (t->network)
		US_TRY(us_capture_net(c, deadline_ns));
	if (t->device)
		US_TRY(us_capture_device(c, t->device, deadline_ns, &node));
	if (t->fs && node) {
		if (!c->shared->targets[target].mounted)
			US_TRY(mount_it(c, target, node));
		snprintf(root, 128, "%s/%u", c->mounts, target);
	} else if (node) {
		spec.path = node;
	}
	return us_target_open(&spec, root, deadline_ns, ret);
}

struct work {
	unsigned int target;
	uint64_t deadline_ns;
};

static struct us_err *put_text(struct us_target *t, const char *crash, const char *name,
			       const char *text)
{
	return us_target_put(t, crash, name, us_bytes_of(text, strlen(text)));
}

/* All of it, else as much of its end as there is room for. */
static struct us_err *put_log(struct us_capture *c, struct us_target *t)
{
	struct us_bytes log = us_bytes_of(c->log.s, c->log.n);

	for (;;) {
		struct us_err *err = us_target_put(t, c->shared->crash, "log.txt", log);

		if (!err || err->code != US_ERR_NO_ROOM || log.n < LOG_LEAST)
			return err;
		us_err_free(err);
		log = us_bytes_of(log.p + log.n / 2, log.n - log.n / 2);
	}
}

static struct us_err *save_log(struct us_capture *c, void *data)
{
	const struct work *w = data;
	_us_target_close_ struct us_target *t = NULL;
	_us_free_ char *state = NULL;
	char root[128];

	US_TRY(open_target(c, w->target, w->deadline_ns, root, &t));
	US_TRY(put_log(c, t));
	c->shared->targets[w->target].has_log = true;
	if (c->report)
		US_TRY(put_text(t, c->shared->crash, "report.txt", c->report));
	US_TRY(us_capture_state_write(c, &state));
	return put_text(t, c->shared->crash, "state.txt", state);
}

static struct us_err *save_state(struct us_capture *c, void *data)
{
	const struct work *w = data;
	_us_target_close_ struct us_target *t = NULL;
	_us_free_ char *state = NULL;
	char root[128];

	US_TRY(open_target(c, w->target, w->deadline_ns, root, &t));
	US_TRY(us_capture_state_write(c, &state));
	return put_text(t, c->shared->crash, "state.txt", state);
}

static struct us_err *guarded(struct us_capture *c, unsigned int target, unsigned int seconds,
			      us_guard_fn fn)
{
	struct work w = { .target = target, .deadline_ns = us_capture_until(c, seconds) };

	return us_guard(c, c->recipe->targets[target].spec.text, w.deadline_ns, fn, &w);
}

static unsigned int budget(const struct us_capture *c, unsigned int target, unsigned int most)
{
	unsigned int s = c->recipe->targets[target].spec.budget_s;

	s = s ? s : TARGET_SECONDS;
	return s < most ? s : most;
}

struct us_err *us_capture_put_log(struct us_capture *c, unsigned int target)
{
	return guarded(c, target, budget(c, target, LOG_SECONDS), save_log);
}

struct us_err *us_capture_put_state(struct us_capture *c, unsigned int target)
{
	return guarded(c, target, budget(c, target, STATE_SECONDS), save_state);
}

/* ---- the dump ---- */

static uint64_t ram_of(const struct us_vmcore *core)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < core->n_ram; i++)
		bytes += core->ram[i].size;
	return bytes;
}

/* What a dump that begins now may take: the rest is for ending it. */
static unsigned int dump_seconds(uint64_t deadline_ns)
{
	uint64_t now = us_capture_now_ns();
	uint64_t left = deadline_ns > now ? (deadline_ns - now) / UINT64_C(1000000000) : 0;

	return (unsigned int)(left > 10 * CLOSE_SECONDS ? left - left / 10
			      : left > CLOSE_SECONDS    ? left - CLOSE_SECONDS
							: 1);
}

static struct us_err *estimate(struct us_capture *c, struct us_dump_wish wish, uint64_t deadline_ns,
			       uint64_t *ret)
{
	struct us_dump_result result;

	wish.estimate = true;
	wish.deadline_s = dump_seconds(deadline_ns);
	US_TRY(us_dump_write(c->core, c->layout, &wish, NULL, -1, NULL, &result));
	*ret = result.bytes_estimated;
	us_dump_result_deinit(&result);
	return NULL;
}

static void prune(struct us_capture *c, struct us_target *t, uint64_t need)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	_us_err_free_ struct us_err *err = NULL;
	const char *const *removed = NULL;

	err = us_target_prune(t, &c->recipe->keep, need, &pool, &removed);
	for (size_t i = 0; removed && removed[i]; i++)
		us_capture_note(c, "pruned", "%s", removed[i]);
	if (err && err->code != US_ERR_UNSUPPORTED)
		us_capture_note(c, "prune", "%s", err->text);
}

/* Where room may be short the dump is measured first, and room is made for it. */
static struct us_err *make_room(struct us_capture *c, struct us_target *t, uint64_t deadline_ns,
				struct us_dump_wish *wish)
{
	_us_err_free_ struct us_err *err = NULL;
	uint64_t room = UINT64_MAX, need = 0;

	err = us_target_free_bytes(t, &room);
	if (err && err->code != US_ERR_UNSUPPORTED)
		return us_steal(&err);
	if (room < ram_of(c->core) / 2) {
		US_TRY(estimate(c, *wish, deadline_ns, &need));
		us_capture_note(c, "estimated", "%" PRIu64 " bytes, %" PRIu64 " are free", need,
				room);
	}
	prune(c, t, need);
	if (!need)
		return NULL;
	US_TRY(us_target_free_bytes(t, &room));
	if (room < need && wish->level != LEVEL_MOST && c->layout) {
		wish->level = LEVEL_MOST;
		us_capture_note(c, "level", "%d: there is no room for more", LEVEL_MOST);
		US_TRY(estimate(c, *wish, deadline_ns, &need));
	}
	if (room < need)
		wish->limit = room > 2 * STATE_ROOM ? room - STATE_ROOM : room / 2;
	return NULL;
}

static struct us_dump_wish wish_of(struct us_capture *c)
{
	struct us_dump_wish wish = { .level = c->recipe->level,
				     .codec = US_PAGE_AUTO,
				     .jobs = c->recipe->jobs,
				     .flush = true,
				     .overwrite = true };

	if (c->recipe->codec &&
	    !us_page_codec_parse(c->recipe->codec, &wish.codec, &wish.codec_level))
		us_capture_note(c, "codec", "%s is not known here: auto", c->recipe->codec);
	if (!c->layout)
		wish.level &= US_DUMP_ZERO;
	if (c->frugal) {
		wish.codec = US_PAGE_LZO;
		wish.jobs = 1;
	}
	return wish;
}

struct at_progress {
	struct us_progress p;
	struct us_capture *c;
	uint64_t told_ns;
};

/* Every ten seconds a line: who watches the console sees that it lives. */
static void tell(struct us_progress *p, const char *what, uint64_t done, uint64_t total)
{
	struct at_progress *at = p->data;
	uint64_t now = us_capture_now_ns();

	if (now < at->told_ns + UINT64_C(10000000000))
		return;
	at->told_ns = now;
	us_capture_say(at->c, "%s: %" PRIu64 " of %" PRIu64, what, done, total);
}

/* To path or sink; what was done before has cost some of the time. */
static struct us_err *write_dump(struct us_capture *c, const struct us_dump_wish *asked,
				 uint64_t deadline_ns, const char *path, struct us_sink *sink,
				 struct us_dump_result *result)
{
	struct at_progress progress = { .p = { .at = tell }, .c = c };
	struct us_dump_wish wish = *asked;
	struct us_err *err;

	progress.p.data = &progress;
	progress.told_ns = us_capture_now_ns();
	wish.deadline_s = dump_seconds(deadline_ns);
	if (path)
		return us_dump_write(c->core, c->layout, &wish, path, -1, &progress.p, result);
	wish.format = sink->order == US_SINK_STREAM ? US_DUMP_FLAT : US_DUMP_KDUMP;
	err = us_dump_to(c->core, c->layout, &wish, sink, &progress.p, result);
	if (!err || err->code != US_ERR_NO_ROOM || sink->order != US_SINK_HEAD_LAST)
		return err;
	us_err_free(err); /* no memory for its head: as a stream it needs none */
	wish.format = US_DUMP_FLAT;
	wish.deadline_s = dump_seconds(deadline_ns);
	return us_dump_to(c->core, c->layout, &wish, sink, &progress.p, result);
}

/* Where the dump is once the machine runs again: in a directory's own words, not below our mount
 * point. */
static void name_place(struct us_capture *c, unsigned int target, const char *where)
{
	const struct us_target_spec *spec = &c->recipe->targets[target].spec;
	const char *crash = strstr(where, c->shared->crash);
	size_t room = sizeof(c->shared->where);

	if (spec->kind == US_TARGET_DIR && crash)
		snprintf(c->shared->where, room, "%s/%s", spec->text, crash);
	else
		snprintf(c->shared->where, room, "%s",
			 spec->kind == US_TARGET_RAW ? spec->text : where);
}

static void note_result(struct us_capture *c, unsigned int target, const char *where,
			const struct us_dump_result *r)
{
	enum us_capture_held held = r->complete ? US_HELD_WHOLE : US_HELD_PARTIAL;

	c->shared->targets[target].held = held;
	if (held > c->shared->held || !*c->shared->where) {
		c->shared->holder = target;
		c->shared->dump_bytes = r->bytes_out;
		c->shared->dump_pages = r->pages_kept;
		name_place(c, target, where);
		c->shared->held = held;
	}
	us_capture_note(c, "dump",
			"%s at %s, %" PRIu64 " bytes, %" PRIu64 " pages, %" PRIu64
			" dropped, level %u, scan %.1f s of %.1f s",
			r->complete  ? "complete"
			: r->stopped ? r->stopped
				     : "not complete",
			c->recipe->targets[target].spec.text, r->bytes_out, r->pages_kept,
			r->pages_dropped, r->level_used, r->scan_seconds, r->seconds);
}

static struct us_err *save_dump(struct us_capture *c, void *data)
{
	const struct work *w = data;
	_us_target_close_ struct us_target *t = NULL;
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_dump_wish wish = wish_of(c);
	struct us_dump_result result = { 0 };
	const char *path = NULL, *where = NULL;
	struct us_sink *sink = NULL;
	struct us_err *err;
	char root[128];

	US_TRY(open_target(c, w->target, w->deadline_ns, root, &t));
	US_TRY(make_room(c, t, w->deadline_ns, &wish));
	US_TRY(us_target_dump_begin(t, c->shared->crash, &path, &sink));
	err = write_dump(c, &wish, w->deadline_ns, path, sink, &result);
	if (err) {
		us_err_free(us_target_dump_end(t, false, &pool, &where));
		return err;
	}
	err = us_target_dump_end(t, true, &pool, &where);
	if (!err)
		note_result(c, w->target, where, &result);
	us_dump_result_deinit(&result);
	return err;
}

struct us_err *us_capture_put_dump(struct us_capture *c, unsigned int target)
{
	return guarded(c, target, budget(c, target, UINT32_MAX), save_dump);
}
