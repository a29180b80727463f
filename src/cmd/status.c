/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * understudy status: is this machine protected, with what, where would a dump go, what has changed
 * since it was armed, what did the last crash leave; then what is loaded and reserved and what the
 * machine allows, on one screen. The exit status says whether a crash would be saved as it was
 * armed.
 */
#include "cmd/cmd-int.h"

#include "base/text.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

struct opts {
	bool json, verbose;
	const char *host, *config;
};

static const struct us_option options[] = {
	{ 0, "config", US_OPT_FILE, "FILE", "Another configuration than /etc/understudy.conf",
	  offsetof(struct opts, config) },
	{ 0, "host", US_OPT_DIR, "DIR", "Show the machine recorded in DIR",
	  offsetof(struct opts, host) },
	{ 'v', "verbose", US_OPT_FLAG, NULL,
	  "Say where each fact was read, and all that has changed", offsetof(struct opts, verbose) },
	US_OPTION_JSON,
	{ 0 },
};

static bool is_stale(const struct us_crash_state *s)
{
	return s->stale && *s->stale;
}

static int exit_of(const struct us_host *host, const struct us_crash_state *s)
{
	if (!us_known(host->crash_loaded.o))
		return US_EXIT_UNKNOWN;
	return host->crash_loaded.v && !is_stale(s) ? US_EXIT_OK : US_EXIT_BLOCKED;
}

/* "2026-01-02T03:04:05Z" -> "2026-01-02 03:04 UTC, 3 days ago" */
static const char *when(const char *iso, char *buf, size_t n)
{
	static const struct {
		long seconds;
		const char *name;
	} units[] = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" } };
	struct tm tm = { 0 };
	long age;

	if (!iso || !strptime(iso, "%Y-%m-%dT%H:%M:%SZ", &tm))
		return iso ? iso : "an unknown time";
	age = (long)(time(NULL) - timegm(&tm));
	for (size_t i = 0; i < us_array_size(units); i++) {
		long count = age / units[i].seconds;

		if (count < 1)
			continue;
		snprintf(buf, n, "%.10s %.5s UTC, %ld %s%s ago", iso, iso + 11, count,
			 units[i].name, count == 1 ? "" : "s");
		return buf;
	}
	snprintf(buf, n, "%.10s %.5s UTC, just now", iso, iso + 11);
	return buf;
}

static void print_armed(struct us_out *out, const struct us_host *host,
			const struct us_crash_state *s)
{
	bool loaded = us_known(host->crash_loaded.o) && host->crash_loaded.v;
	char at[80];

	if (!us_known(host->crash_loaded.o))
		us_out_row(out, "armed", "not known: %s", host->crash_loaded.o.missing);
	else if (!loaded)
		us_out_row(out, "armed", "NO: a crash will not be saved (understudy arm)%s%s",
			   s->noted ? "; last armed " : "",
			   s->noted ? when(s->armed_at, at, sizeof(at)) : "");
	else if (!s->armed_by_us)
		us_out_row(out, "armed", "yes, but not by understudy arm: with what is not known");
	else
		us_out_row(out, "armed", "yes, with %s (Linux %s), since %s",
			   s->armed_kernel ? s->armed_kernel : "",
			   s->armed_release ? s->armed_release : "?",
			   when(s->armed_at, at, sizeof(at)));
	for (size_t i = 0; s->stale && s->stale[i]; i++) {
		if (i == 3 && !out->verbose) {
			us_out_row(out, "", "... (--verbose lists all of it)");
			break;
		}
		us_out_row(out, i ? "" : "stale", "%s%s", s->stale[i],
			   i        ? ""
			   : loaded ? ": understudy arm makes it anew"
				    : "");
	}
}

static void print_memory(struct us_out *out, const struct us_host *host,
			 const struct us_crash_state *s)
{
	char need[US_TEXT_SIZE_MAX], has[US_TEXT_SIZE_MAX], left[US_TEXT_SIZE_MAX], at[80];
	uint64_t reserved = us_known(host->crash_size.o) ? host->crash_size.v : 0;

	if (s->noted)
		us_out_row(out, "memory", "%s%s reserved, the capture needs %s",
			   us_text_size(reserved, has), reserved < s->need ? " ONLY" : "",
			   us_text_size(s->need, need));
	if (s->rehearsed_at)
		us_out_row(out, "rehearsed", "%s: %s; %s of %s were left",
			   when(s->rehearsed_at, at, sizeof(at)), s->rehearsed_result,
			   us_text_size(s->rehearsed_available, left),
			   us_text_size(s->rehearsed_reserved, has));
	else if (s->noted)
		us_out_row(out, "rehearsed", "never with this set (understudy rehearse)");
}

static void print_targets(struct us_out *out, const struct us_crash_state *s)
{
	char size[US_TEXT_SIZE_MAX], dump[US_TEXT_SIZE_MAX], at[80];

	if (s->config_problem)
		us_out_row(out, "configuration", "%s", s->config_problem);
	for (size_t i = 0; i < s->n_targets; i++) {
		const struct us_crash_target_state *t = &s->targets[i];
		bool small = t->free_bytes < s->predicted_bytes && s->predicted_bytes != UINT64_MAX;

		if (t->problem)
			us_out_row(out, i ? "" : "target", "%s: %s", t->text, t->problem);
		else if (t->free_bytes == UINT64_MAX)
			us_out_row(out, i ? "" : "target", "%s", t->text);
		else
			us_out_row(out, i ? "" : "target", "%s: %s%s free, %zu saved crash%s",
				   t->text, small ? "ONLY " : "", us_text_size(t->free_bytes, size),
				   t->crashes, t->crashes == 1 ? "" : "es");
	}
	if (s->predicted_bytes != UINT64_MAX)
		us_out_row(out, "a dump now", "up to %s before it is packed",
			   us_text_size(s->predicted_bytes, dump));
	if (s->last_crash)
		us_out_row(out, "last crash", "%s%s: %s (%s)%s%s", s->last_crash,
			   s->last_crash_recent ? ", before this start" : "", s->last_crash_result,
			   s->last_crash_target, s->last_crash_panic ? ": " : "",
			   s->last_crash_panic ? s->last_crash_panic : "");
	if (s->kept_log.path)
		us_out_row(out, "pstore",
			   "has %zu part%s of logs of crashes; the newest, of %s: %s",
			   s->kept_log.n, s->kept_log.n == 1 ? "" : "s",
			   when(s->kept_log.at, at, sizeof(at)), s->kept_log.path);
}

static void print_hotplug(struct us_out *out, const struct us_host *host)
{
	if (us_known(host->crash_loaded.o) && host->crash_loaded.v)
		us_out_row(out, "hotplug", "CPUs and memory that come and go %s",
			   host->crash_hotplug_cpu.v == US_YES &&
					   host->crash_hotplug_memory.v == US_YES
				   ? "are followed by the kernel"
				   : "need a reload, which the udev rule asks for");
}

static void print(struct us_out *out, const struct us_host *host, const struct us_crash_state *s)
{
	us_out_head(out, "Crash");
	print_armed(out, host, s);
	print_memory(out, host, s);
	print_targets(out, s);
	print_hotplug(out, host);
}

static void put_bytes(json_object *obj, const char *key, uint64_t v)
{
	if (v == UINT64_MAX)
		json_object_object_add(obj, key, NULL);
	else
		us_json_num(obj, key, v);
}

static void put_rehearsal(json_object *obj, const struct us_crash_state *s)
{
	json_object *run;

	if (!s->rehearsed_at) {
		json_object_object_add(obj, "rehearsed", NULL);
		return;
	}
	run = us_json_sub(obj, "rehearsed");
	us_json_str(run, "at", s->rehearsed_at);
	us_json_bool(run, "passed", s->rehearsed_passed);
	us_json_str(run, "result", s->rehearsed_result);
	us_json_num(run, "reserved", s->rehearsed_reserved);
	us_json_num(run, "available", s->rehearsed_available);
	us_json_num(run, "seconds", s->rehearsed_seconds);
}

static void put_crash(json_object *obj, const struct us_crash_state *s)
{
	json_object *crash;

	if (!s->last_crash) {
		json_object_object_add(obj, "last_crash", NULL);
		return;
	}
	crash = us_json_sub(obj, "last_crash");
	us_json_str(crash, "crash", s->last_crash);
	us_json_str(crash, "result", s->last_crash_result);
	us_json_str(crash, "panic", s->last_crash_panic);
	us_json_str(crash, "target", s->last_crash_target);
	us_json_bool(crash, "before_this_start", s->last_crash_recent);
}

void us_json_kept_log(json_object *obj, const struct us_crash_kept_log *kept)
{
	json_object *log;

	if (!kept->path) {
		json_object_object_add(obj, "pstore", NULL);
		return;
	}
	log = us_json_sub(obj, "pstore");
	us_json_num(log, "files", kept->n);
	us_json_str(log, "newest", kept->path);
	us_json_str(log, "at", kept->at);
}

static int print_json(const struct us_host *host, const struct us_crash_state *s, int status)
{
	json_object *obj = us_json_status(host), *armed, *list;

	if (!obj)
		return us_cmd_json(NULL, status);
	armed = us_json_sub(obj, "armed");
	us_json_bool(armed, "by_arm", s->armed_by_us);
	us_json_str(armed, "at", s->armed_at);
	us_json_str(armed, "kernel", s->armed_kernel);
	us_json_str(armed, "release", s->armed_release);
	us_json_str(armed, "cmdline", s->cmdline);
	us_json_str(armed, "set", s->set);
	put_bytes(armed, "need", s->noted ? s->need : UINT64_MAX);
	us_json_texts(armed, "stale", s->stale);
	put_rehearsal(obj, s);
	us_json_str(obj, "config_problem", s->config_problem);
	list = us_json_list(obj, "targets");
	for (size_t i = 0; i < s->n_targets; i++) {
		json_object *t = us_json_item(list);

		us_json_str(t, "target", s->targets[i].text);
		us_json_str(t, "kind", s->targets[i].kind);
		us_json_str(t, "problem", s->targets[i].problem);
		put_bytes(t, "free_bytes", s->targets[i].free_bytes);
		us_json_num(t, "crashes", s->targets[i].crashes);
	}
	put_bytes(obj, "predicted_bytes", s->predicted_bytes);
	put_crash(obj, s);
	us_json_kept_log(obj, &s->kept_log);
	us_json_num(obj, "exit", (uint64_t)status);
	return us_cmd_json(obj, status);
}

static int run(void *opts, int argc, char **argv)
{
	_us_crash_state_free_ struct us_crash_state *s = NULL;
	_us_machine_deinit_ struct us_machine m = { 0 };
	const struct opts *o = opts;
	struct us_err *err;
	struct us_out out;
	int status;

	(void)argc;
	(void)argv;
	err = us_machine_open(o->host, &m);
	if (!err)
		err = us_crash_state_read(m.host, o->config, &s);
	if (err)
		return us_cmd_fail(err, o->json);
	status = exit_of(m.host, s);
	if (o->json)
		return print_json(m.host, s, status);
	us_out_init(stdout, &out);
	out.verbose = o->verbose;
	us_report_machine(&out, m.host);
	print(&out, m.host, s);
	us_report_status(&out, m.host);
	return status;
}

const struct us_cmd us_cmd_status = {
	.name = "status",
	.brief = "Show whether a crash would be saved, what is loaded, what this machine allows",
	.options = options,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
