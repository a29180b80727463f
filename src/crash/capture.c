/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The story of a capture: the log to every target, then the dump to the first that holds it, then
 * the machine starts anew. The supervisor (PID 1) tells a worker to do it and watches; a worker
 * that dies is started once more and then leaves the crashed kernel's structures alone; a worker
 * whose time is over is left behind. Whatever happens the end is reached.
 */
#include "base/cleanup.h"
#include "crash/capture-int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#define RECIPE_MOST  (1u << 20)
#define BUDGET_S     1800
#define HOOK_S       60
#define UNMOUNT_S    30
#define LOG_LEAST    (256u << 10)
#define LOG_MOST     (2u << 20)
#define LAST_SECONDS 90 /* beyond the budget, for the last words, the state, the unmounting */
#define DAY          86400u
#define SAMPLE_MS    100

/* ---- what the worker does ---- */

/* How much of the log's end is kept: an eighth of the memory that is left, within bounds. */
static size_t log_most(struct us_capture *c)
{
	unsigned int n = c->shared->n_samples;
	uint64_t bytes = n ? c->shared->samples[n - 1].available_kb * UINT64_C(128) : LOG_LEAST;

	return bytes < LOG_LEAST ? LOG_LEAST : bytes > LOG_MOST ? LOG_MOST : (size_t)bytes;
}

static struct us_err *take_record(void *data, const struct us_log_record *r)
{
	struct us_capture *c = data;
	struct us_text *t = &c->log;
	size_t most = c->log_most;

	if (!r->continued)
		us_text_add(t, "%s[%5" PRIu64 ".%06" PRIu64 "] ", t->n ? "\n" : "",
			    r->ns / 1000000000, r->ns % 1000000000 / 1000);
	us_text_put(t, r->text.p, r->text.n);
	if (t->n > 2 * most) {
		memmove(t->s, t->s + most, t->n - most);
		t->n -= most;
		t->s[t->n] = 0;
	}
	return t->failed ? us_err_nomem() : NULL;
}

static void add_line(struct us_text *t, const char *label, const char *value)
{
	if (value && *value)
		us_text_add(t, "%-10s %s\n", label, value);
}

static void write_report(struct us_capture *c, const struct us_panic *p)
{
	_us_text_deinit_ struct us_text t = { 0 };
	_us_err_free_ struct us_err *err = NULL;

	add_line(&t, "crash", c->shared->crash);
	add_line(&t, "host", c->recipe->host_tag);
	add_line(&t, "kernel", c->core->release);
	add_line(&t, "capture", c->recipe->capture_release);
	add_line(&t, "panic", p->panic);
	add_line(&t, "cause", p->cause);
	add_line(&t, "hardware", p->hardware);
	if (p->has_cpu)
		us_text_add(&t, "%-10s CPU %" PRIu64 ", PID %" PRIu64 "%s%s\n", "by", p->cpu,
			    p->pid, p->comm ? ", " : "", p->comm ? p->comm : "");
	add_line(&t, "at", p->ip);
	for (size_t i = 0; i < p->n_trace; i++)
		us_text_add(&t, "%-10s %s\n", i ? "" : "trace", p->trace[i]);
	err = us_text_take(&t, &c->report);
	if (p->panic)
		us_capture_note(c, "panic", "%s", p->panic);
}

static void read_log(struct us_capture *c)
{
	struct us_log_stats stats = { 0 };
	struct us_panic panic = { 0 };
	struct us_err *err;

	c->log_most = log_most(c);
	err = us_vmcore_log(c->core, c->layout, take_record, c, &stats);
	us_text_put(&c->log, "\n", 1);
	if (err)
		us_capture_note(c, "log", "%s", err->text);
	us_err_free(err);
	us_err_free(us_vmcore_log(c->core, c->layout, us_panic_look, &panic, &stats));
	write_report(c, &panic);
	us_panic_deinit(&panic);
}

/* Days since 1970 as the number YYYYMMDD, UTC. gmtime(3) would bring the C library's time zones
 * along, which are a tenth of this program. */
static unsigned int date_of(uint64_t days)
{
	static const unsigned char lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	unsigned int year = 1970, month = 0;

	if (days > 2000000) /* a clock that was never set right */
		days = 0;
	for (;; year++) {
		unsigned int n = year % 4 || (!(year % 100) && year % 400) ? 365 : 366;

		if (days < n)
			break;
		days -= n;
	}
	for (;; month++) {
		bool leap = month == 1 && !(year % 4 || (!(year % 100) && year % 400));
		unsigned int n = lengths[month] + leap;

		if (days < n)
			break;
		days -= n;
	}
	return year * 10000 + (month + 1) * 100 + (unsigned int)days + 1;
}

static void name_crash(struct us_capture *c)
{
	const char *release = c->core && *c->core->release ? c->core->release
			      : c->recipe->armed_release   ? c->recipe->armed_release
							   : "unknown";
	uint64_t at = c->core && c->core->crash_time ? c->core->crash_time : (uint64_t)time(NULL);

	snprintf(c->shared->crash, sizeof(c->shared->crash), "%08u-%02u%02u%02u-%.80s",
		 date_of(at / DAY), (unsigned int)(at % DAY / 3600), (unsigned int)(at % 3600 / 60),
		 (unsigned int)(at % 60), release);
	for (char *p = c->shared->crash; *p; p++)
		if (*p == '/' || *p <= ' ' || *p > '~')
			*p = '_';
}

static void open_core(struct us_capture *c)
{
	const char *path = c->wish->vmcore ? c->wish->vmcore : "/proc/vmcore";
	struct us_err *err = us_vmcore_open(&path, 1, &c->core);

	if (err)
		us_capture_note(c, "vmcore", "%s", err->text);
	us_err_free(err);
	if (c->core && !c->blind) {
		err = us_layout_find(c->core, &c->layout);
		if (err)
			us_capture_note(c, "layout", "%s", err->text);
		us_err_free(err);
		us_vmcore_look_uts(c->core, c->layout); /* the dump's header has it */
	}
	name_crash(c);
	if (c->core && c->layout)
		read_log(c);
}

static bool put_logs(struct us_capture *c)
{
	bool any = false;

	for (unsigned int i = 0; i < c->recipe->n_targets && i < US_CAPTURE_TARGETS; i++) {
		_us_err_free_ struct us_err *err = NULL;

		us_capture_stage(c, "log to target %u", i);
		us_capture_load_modules(c, (int)i);
		err = us_capture_put_log(c, i);
		if (err)
			us_capture_note(c, "unreached", "%s", err->text);
		any |= c->shared->targets[i].has_log;
	}
	if (any && c->shared->held < US_HELD_LOG)
		c->shared->held = US_HELD_LOG;
	return any;
}

static void run_hook(struct us_capture *c, const char *which, const char *program)
{
	static const char *const words[] = { "nothing", "log", "partial", "saved" };
	const char *args[] = { program, c->shared->crash, words[c->shared->held], c->shared->where,
			       NULL };
	unsigned int seconds = c->recipe->hook_budget_s ? c->recipe->hook_budget_s : HOOK_S;
	_us_err_free_ struct us_err *err = NULL;

	if (!program || !*program)
		return;
	us_capture_stage(c, "%s hook", which);
	err = us_guard_program(c, args, us_capture_until(c, seconds));
	if (err)
		us_capture_note(c, "hook", "%s: %s", which, err->text);
}

static void put_dump(struct us_capture *c)
{
	for (unsigned int i = 0; i < c->recipe->n_targets && i < US_CAPTURE_TARGETS; i++) {
		_us_err_free_ struct us_err *err = NULL;

		if (!c->shared->targets[i].has_log)
			continue; /* it could not even take that */
		us_capture_stage(c, "dump to target %u", i);
		err = us_capture_put_dump(c, i);
		if (err && us_guard_died(err)) { /* for want of memory, most likely */
			us_capture_note(c, "again", "%s", err->text);
			us_err_free(err);
			c->frugal = true;
			err = us_capture_put_dump(c, i);
		}
		if (err)
			us_capture_note(c, "failed", "%s", err->text);
		if (c->shared->held == US_HELD_WHOLE)
			return;
	}
}

static struct us_err *unmount(struct us_capture *c, void *data)
{
	(void)data;
	for (unsigned int i = 0; i < US_CAPTURE_TARGETS; i++) {
		char at[128];

		snprintf(at, sizeof(at), "%s/%u", c->mounts, i);
		if (c->shared->targets[i].mounted && umount2(at, 0))
			return us_err_os(errno, "unmounting %s", at);
	}
	return NULL;
}

static void end_targets(struct us_capture *c)
{
	_us_err_free_ struct us_err *err = NULL;

	us_capture_stages_end(c);
	for (unsigned int i = 0; i < c->recipe->n_targets && i < US_CAPTURE_TARGETS; i++) {
		struct us_err *e;

		if (!c->shared->targets[i].has_log)
			continue;
		e = us_capture_put_state(c, i);
		if (e)
			us_capture_say(c, "state: %s", e->text);
		us_err_free(e);
	}
	err = us_guard(c, "unmounting", us_capture_until(c, UNMOUNT_S), unmount, NULL);
	if (err)
		us_capture_say(c, "%s", err->text);
}

/* What the recipe asks for is looked for and nothing is changed: no module, no mount, no network. */
static void look_only(struct us_capture *c)
{
	const char *node;

	for (size_t i = 0; i < c->recipe->n_devices; i++) {
		const struct us_recipe_device *d = &c->recipe->devices[i];
		_us_err_free_ struct us_err *err = NULL;

		if (d->kind != US_DEVICE_FOUND) {
			us_capture_say(c, "%s would be assembled", d->name);
			continue;
		}
		err = us_capture_device(c, d->name, us_capture_now_ns(), &node);
		if (err)
			us_capture_say(c, "%s", err->text);
	}
	for (size_t i = 0; i < c->recipe->n_targets; i++)
		us_capture_say(c, "target %zu: %s", i, c->recipe->targets[i].spec.text);
	us_capture_say(c, "the crash would be called %s", c->shared->crash);
}

static struct us_err *work(struct us_capture *c, void *data)
{
	(void)data;
	if (c->wish->dry_run) {
		open_core(c);
		look_only(c);
		return NULL;
	}
	us_capture_oom_score(c, -500);
	us_capture_stage(c, "modules");
	us_capture_load_modules(c, -1);
	us_capture_fence_begin(c);
	us_capture_stage(c, "core");
	open_core(c);
	put_logs(c);
	run_hook(c, "pre", c->recipe->pre);
	if (c->core)
		put_dump(c);
	run_hook(c, "post", c->recipe->post);
	us_capture_webhook(c);
	c->deadline_ns += LAST_SECONDS / 2 * UINT64_C(1000000000);
	if (c->shared->held == US_HELD_NOTHING)
		us_capture_last_words(c, us_bytes_of(c->log.s, c->log.n));
	end_targets(c);
	us_layout_free(c->layout);
	us_vmcore_free(c->core);
	us_text_deinit(&c->log);
	free(c->report);
	return NULL;
}

/* ---- the supervisor ---- */

static void tick(struct us_capture *c)
{
	us_capture_sample(c);
	if (c->wish->pid1)
		us_capture_watchdog_pet(c);
	us_capture_fence(c);
}

static struct us_err *read_recipe(struct us_capture *c)
{
	const char *path = c->wish->recipe ? c->wish->recipe : US_RECIPE_PATH;
	_us_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	_us_blob_deinit_ struct us_blob b = { 0 };
	ssize_t n;

	if (fd < 0)
		return us_err_os(errno, "opening %s", path);
	US_TRY(us_blob_new(RECIPE_MOST, &b));
	n = read(fd, b.p, b.n);
	if (n < 0)
		return us_err_os(errno, "reading %s", path);
	return us_recipe_parse(us_bytes_of(b.p, (size_t)n), &c->recipe);
}

static void supervise(struct us_capture *c)
{
	unsigned int budget = c->recipe->budget_s ? c->recipe->budget_s : BUDGET_S;
	struct us_err *err;

	c->deadline_ns = us_capture_now_ns() + budget * UINT64_C(1000000000);
	for (int i = 0; i < 2; i++) {
		err = us_guard(c, "the capture",
			       c->deadline_ns + LAST_SECONDS * UINT64_C(1000000000), work, NULL);
		if (!err || us_capture_now_ns() >= c->deadline_ns)
			break;
		us_capture_note(c, "worker", "%s", err->text);
		us_err_free(err);
		err = NULL;
		c->blind = true;
	}
	us_err_free(err);
	us_capture_stages_end(c);
	if (c->wish->dry_run)
		return;
	us_capture_say(c, "result %s%s%s",
		       c->shared->held == US_HELD_WHOLE     ? "saved"
		       : c->shared->held == US_HELD_PARTIAL ? "partial"
		       : c->shared->held == US_HELD_LOG     ? "log"
							    : "nothing",
		       *c->shared->where ? " " : "", c->shared->where);
}

static struct us_err *result_of(const struct us_capture *c)
{
	if (c->wish->dry_run)
		return NULL;
	return c->shared->held >= US_HELD_PARTIAL
		       ? NULL
		       : us_err_new(US_ERR_NOT_FOUND, "no target holds a dump%s",
				    c->shared->held == US_HELD_LOG ? "; the log is saved" : "");
}

struct us_err *us_capture_run(const struct us_capture_wish *wish)
{
	struct us_capture c = { .wish = wish,
				.console = wish->console_fd > 0 ? wish->console_fd : -1,
				.meminfo = -1,
				.watchdog = -1,
				.tick = tick,
				.mounts = US_CAPTURE_MOUNTS };
	struct us_err *err;

	signal(SIGPIPE, SIG_IGN);
	c.shared = mmap(NULL, sizeof(*c.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	if (c.shared == MAP_FAILED)
		return us_err_os(errno, "sharing memory");
	c.shared->sample_every_ms = SAMPLE_MS;
	if (wish->pid1)
		us_capture_mount_kernel(&c);
	mkdir("/run/understudy", 0700);
	c.meminfo = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	us_capture_stage(&c, "begin");
	err = read_recipe(&c);
	if (err) {
		us_capture_say(&c, "%s", err->text);
		if (wish->pid1) /* no targets: the log's end still goes where it can */
			c.recipe = calloc(1, sizeof(*c.recipe));
	}
	if (c.recipe)
		supervise(&c);
	if (wish->pid1 || (wish->reboot && !wish->dry_run))
		us_capture_finish(&c);
	if (!err)
		err = result_of(&c);
	us_recipe_free(c.recipe);
	us_closep(&c.meminfo);
	munmap(c.shared, sizeof(*c.shared));
	return err;
}
