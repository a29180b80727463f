/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * understudy rehearse: what would happen if this machine crashed, tried in a virtual machine, or as
 * far as that goes on the living one. Nothing is loaded here and nothing crashes here.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "cmd/cmd-int.h"
#include "rehearse/rehearse.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define MIB UINT64_C(0x100000)

struct opts {
	bool find_size, live_parts, json, no_note;
	const char *kind, *keep, *html, *host, *config, *qemu, *cpus, *timeout;
	uint64_t memory, reserve;
};
#define OPT(letter, name, type, arg, help, field)                                                  \
	{                                                                                          \
		letter, name, type, arg, help, offsetof(struct opts, field)                        \
	}

static const struct us_option options[] = {
	OPT(0, "kind", US_OPT_TEXT, "sysrq|null|lockup|oom|all",
	    "How the kernel is brought down: on demand (the default), by a null pointer, by a CPU that "
	    "spins with interrupts off, by running out of memory",
	    kind),
	OPT(0, "find-size", US_OPT_FLAG, NULL,
	    "Find the least reservation that works, by trying, to 4 MiB", find_size),
	OPT(0, "live-parts", US_OPT_FLAG, NULL,
	    "No virtual machine: try what can be tried here without a crash (modules, targets, room)",
	    live_parts),
	OPT(0, "reserve", US_OPT_SIZE, "SIZE", "Another reservation than this machine's", reserve),
	OPT(0, "memory", US_OPT_SIZE, "SIZE",
	    "Memory of the virtual machine; 1 GiB and the reservation if not said", memory),
	OPT(0, "cpus", US_OPT_TEXT, "N", "Its CPUs, 1 if not said", cpus),
	OPT(0, "timeout", US_OPT_TEXT, "SECONDS",
	    "End it after this time; 180 with KVM and 600 without if not said", timeout),
	OPT(0, "keep", US_OPT_DIR, "DIR", "Keep the consoles, the dump and the disk in DIR", keep),
	OPT(0, "html", US_OPT_FILE, "FILE.html", "Write one HTML page with pictures, too", html),
	OPT(0, "config", US_OPT_FILE, "FILE", "Another configuration than /etc/understudy.conf",
	    config),
	OPT(0, "qemu", US_OPT_TEXT, "PROGRAM", "QEMU, if it is not qemu-system-x86_64 in PATH",
	    qemu),
	OPT(0, "no-note", US_OPT_FLAG, NULL, "Do not note the result for arm, status and size",
	    no_note),
	OPT(0, "host", US_OPT_DIR, "DIR", "Rehearse for the machine whose files are in DIR", host),
	US_OPTION_JSON,
	{ 0 },
};

/* All runs of one call. */
struct runs {
	struct us_rehearsal *v[US_CRASH_KINDS];
	enum us_crash_kind kinds[US_CRASH_KINDS];
	struct us_err *errors[US_CRASH_KINDS]; /* why a kind cannot be rehearsed */
	size_t n;
	uint64_t least_bytes; /* found by --find-size; 0: none works, or not asked */
};

static void runs_deinit(struct runs *runs)
{
	for (size_t i = 0; i < runs->n; i++) {
		us_rehearsal_free(runs->v[i]);
		us_err_free(runs->errors[i]);
	}
}

/* ---- text ---- */

static uint64_t recommended(uint64_t least)
{
	uint64_t margin = least / 10 > 4 * MIB ? least / 10 : 4 * MIB;

	return (least + margin + 8 * MIB - 1) / (8 * MIB) * (8 * MIB);
}

static void print_times(struct us_out *out, const struct us_rehearsal *r)
{
	char left[US_TEXT_SIZE_MAX];

	for (size_t i = 0; i < r->n_stages; i++) {
		const struct us_rehearse_stage *s = &r->stages[i];
		bool known = s->least_available != UINT64_MAX;

		if (s->end_ms == UINT64_MAX)
			us_out_row(out, i ? "" : "stages", "%s: did not end", s->name);
		else
			us_out_row(out, i ? "" : "stages", "%s: %.2f s%s%s%s", s->name,
				   (double)(s->end_ms - s->begin_ms) / 1000, known ? ", " : "",
				   known ? us_text_size(s->least_available, left) : "",
				   known ? " left" : "");
	}
}

static void print_words(struct us_out *out, const char *label, const char *const *words)
{
	for (size_t i = 0; words && words[i]; i++)
		us_out_row(out, i ? "" : label, "%s", words[i]);
}

static void print_run(struct us_out *out, const struct runs *runs, size_t i)
{
	const struct us_rehearsal *r = runs->v[i];
	char size[US_TEXT_SIZE_MAX];

	us_out_head(out, "Crash by %s: %s", us_crash_kind_name(runs->kinds[i]),
		    !r          ? "not possible here"
		    : r->passed ? "passed"
				: "FAILED");
	if (!r) {
		us_out_row(out, "why", "%s", runs->errors[i]->text);
		return;
	}
	if (!r->passed)
		us_out_row(out, "failed at", "%s", r->failed_at);
	us_out_row(out, "reservation", "%s", us_text_size(r->reserve_bytes, size));
	us_out_row(out, "took", "%.0f s in all, %s", r->seconds,
		   r->kvm ? "with KVM" : "without KVM: several times slower than this machine");
	print_words(out, "proved", r->proved);
	print_words(out, "not proved", r->not_proved);
	print_times(out, r);
	if (!r->passed && r->console) {
		us_out_head(out, "The last lines of the console");
		fprintf(out->f, "%s\n", r->console);
	}
}

static void print_runs(struct us_out *out, const struct runs *runs, bool find_size)
{
	char a[US_TEXT_SIZE_MAX], b[US_TEXT_SIZE_MAX];

	for (size_t i = 0; i < runs->n; i++)
		print_run(out, runs, i);
	if (!find_size)
		return;
	us_out_head(out, "Size");
	if (!runs->least_bytes) {
		us_out_row(out, "least", "not found: it does not work with what is reserved either");
		return;
	}
	us_out_row(out, "least", "%s", us_text_size(runs->least_bytes, a));
	us_out_row(out, "recommended",
		   "crashkernel=%" PRIu64 "M: %s and a margin of a tenth, at least 4 MiB, "
		   "rounded up to 8 MiB (%s)",
		   recommended(runs->least_bytes) / MIB, a,
		   us_text_size(recommended(runs->least_bytes), b));
}

/* ---- JSON ---- */

static void timeline_of(const struct us_rehearsal *r, struct us_pool *pool, struct us_timeline *ret)
{
	struct us_timeline_stage *stages = us_pool_array(pool, r->n_stages + 1, sizeof(*stages));
	struct us_timeline_sample *samples =
		us_pool_array(pool, r->n_samples + 1, sizeof(*samples));

	if (!stages || !samples)
		return;
	for (size_t i = 0; i < r->n_stages; i++)
		stages[i] = (struct us_timeline_stage){ r->stages[i].name, r->stages[i].begin_ms,
							r->stages[i].end_ms };
	for (size_t i = 0; i < r->n_samples; i++)
		samples[i] = (struct us_timeline_sample){ r->samples[i].ms, r->samples[i].available,
							  r->samples[i].used };
	*ret = (struct us_timeline){ stages, r->n_stages, samples, r->n_samples, r->capture_total };
}

static void json_words(json_object *obj, const char *key, const char *const *words)
{
	json_object *list = us_json_list(obj, key);

	for (; words && *words; words++)
		us_json_add_str(list, *words);
}

static void json_run(json_object *list, const struct runs *runs, size_t i)
{
	const struct us_rehearsal *r = runs->v[i];
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_timeline line = { 0 };
	json_object *obj = us_json_item(list);

	us_json_str(obj, "kind", us_crash_kind_name(runs->kinds[i]));
	json_object_object_add(obj, "problem",
			       runs->errors[i] ? us_json_error(runs->errors[i]) : NULL);
	if (!r)
		return;
	timeline_of(r, &pool, &line);
	us_json_bool(obj, "passed", r->passed);
	us_json_str(obj, "failed_at", r->failed_at);
	us_json_bool(obj, "exact", r->exact);
	us_json_bool(obj, "kvm", r->kvm);
	us_json_num(obj, "reserve_bytes", r->reserve_bytes);
	json_object_object_add(obj, "least_available",
			       r->least_available == UINT64_MAX
				       ? NULL
				       : json_object_new_uint64(r->least_available));
	json_object_object_add(obj, "peak", r->peak ? json_object_new_uint64(r->peak) : NULL);
	us_json_num(obj, "dump_bytes", r->dump_bytes);
	us_json_num(obj, "dump_pages", r->dump_pages);
	us_json_str(obj, "panic", r->panic);
	json_words(obj, "proved", r->proved);
	json_words(obj, "not_proved", r->not_proved);
	us_json_timeline(obj, &line);
	us_json_str(obj, "console", r->passed ? NULL : r->console);
	json_object_object_add(obj, "seconds", json_object_new_double(r->seconds));
}

static json_object *json_of(const struct runs *runs, int status)
{
	json_object *obj = us_json_new("rehearse"), *list;

	if (!obj)
		return NULL;
	list = us_json_list(obj, "runs");
	for (size_t i = 0; i < runs->n; i++)
		json_run(list, runs, i);
	json_object_object_add(obj, "least_bytes",
			       runs->least_bytes ? json_object_new_uint64(runs->least_bytes) : NULL);
	json_object_object_add(
		obj, "recommended_bytes",
		runs->least_bytes ? json_object_new_uint64(recommended(runs->least_bytes)) : NULL);
	us_json_num(obj, "exit", (uint64_t)status);
	return obj;
}

/* ---- the page ---- */

static void html_words(FILE *f, const char *name, const char *const *words)
{
	if (!words || !*words)
		return;
	fprintf(f, "<h3>%s</h3>\n<ul>\n", name);
	for (; *words; words++) {
		fputs("<li>", f);
		us_html_text(f, *words);
		fputs("</li>\n", f);
	}
	fputs("</ul>\n", f);
}

static struct us_err *html_run(FILE *f, const struct runs *runs, size_t i)
{
	const struct us_rehearsal *r = runs->v[i];
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_timeline line = { 0 };
	char size[US_TEXT_SIZE_MAX];

	fprintf(f, "<section>\n<h2>Crash by %s: %s</h2>\n", us_crash_kind_name(runs->kinds[i]),
		!r          ? "not possible here"
		: r->passed ? "passed"
			    : "failed");
	fputs("<table class=\"facts\">\n", f);
	if (!r) {
		us_html_row(f, "Why", "%s", runs->errors[i]->text);
		fputs("</table>\n</section>\n", f);
		return NULL;
	}
	us_html_row(f, "Failed at", "%s", r->passed ? "" : r->failed_at);
	us_html_row(f, "Reservation", "%s", us_text_size(r->reserve_bytes, size));
	if (r->least_available != UINT64_MAX)
		us_html_row(f, "Least left", "%s", us_text_size(r->least_available, size));
	us_html_row(f, "Panic", "%s", r->panic ? r->panic : "");
	us_html_row(f, "Dump", "%s, %" PRIu64 " pages", us_text_size(r->dump_bytes, size),
		    r->dump_pages);
	us_html_row(f, "Took", "%.0f s in all, %s KVM", r->seconds, r->kvm ? "with" : "without");
	fputs("</table>\n", f);
	timeline_of(r, &pool, &line);
	if (line.n_stages) {
		fputs("<figure>\n", f);
		US_TRY(us_picture_timeline(f, &line, true));
		fputs("<figcaption>Since the capture kernel began.</figcaption>\n</figure>\n", f);
	}
	html_words(f, "Proved", r->proved);
	html_words(f, "Not proved", r->not_proved);
	if (!r->passed && r->console) {
		fputs("<h3>The last lines of the console</h3>\n<pre>", f);
		us_html_text(f, r->console);
		fputs("</pre>\n", f);
	}
	fputs("</section>\n", f);
	return NULL;
}

static struct us_err *write_page(const char *path, const struct us_host *host,
				 const struct us_arming *a, const struct runs *runs)
{
	_us_fclose_ FILE *f = NULL;
	const char *capture = a->kernel->release;

	US_TRY(us_file_private(path, &f));
	us_html_open(f, "Rehearsal of a crash");
	fputs("<header>\n<p class=\"kicker\">Rehearsal</p>\n<h1>", f);
	us_html_text(f, host->release.v);
	fputs(" captured by ", f);
	us_html_text(f, capture ? capture : "an unknown kernel");
	fputs("</h1>\n<p class=\"soft\">In a virtual machine. Nothing crashed on this one.</p>\n</header>"
	      "\n<main>\n",
	      f);
	for (size_t i = 0; i < runs->n; i++)
		US_TRY(html_run(f, runs, i));
	if (runs->least_bytes) {
		fputs("<section>\n<h2>Size</h2>\n<table class=\"facts\">\n", f);
		us_html_row(f, "Least", "%" PRIu64 " MiB", runs->least_bytes / MIB);
		us_html_row(f, "Recommended", "crashkernel=%" PRIu64 "M",
			    recommended(runs->least_bytes) / MIB);
		fputs("</table>\n</section>\n", f);
	}
	fputs("</main>\n", f);
	us_html_close(f);
	return fflush(f) ? us_err_os(errno, "writing %s", path) : NULL;
}

/* ---- the living machine's half ---- */

static int live(const struct opts *o, const struct us_host *host, const struct us_arming *a)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const struct us_live_part *parts;
	json_object *obj, *list;
	struct us_err *err;
	struct us_out out;
	int status = US_EXIT_OK;
	size_t n;

	err = us_rehearse_live(host, a, &pool, &parts, &n);
	if (err)
		return us_cmd_fail(err, o->json);
	for (size_t i = 0; i < n; i++)
		if (parts[i].ok == US_NO)
			status = US_EXIT_BLOCKED;
	if (o->json) {
		obj = us_json_new("rehearse-live");
		list = obj ? us_json_list(obj, "parts") : NULL;
		for (size_t i = 0; list && i < n; i++) {
			json_object *item = us_json_item(list);

			us_json_str(item, "what", parts[i].what);
			us_json_str(item, "result", parts[i].result);
			us_json_tri(item, "ok", parts[i].ok);
		}
		if (obj)
			us_json_num(obj, "exit", (uint64_t)status);
		return us_cmd_json(obj, status);
	}
	us_out_init(stdout, &out);
	us_out_para(&out, 0, 0, "Tried on this machine, without a crash:");
	for (size_t i = 0; i < n; i++)
		us_out_row(&out, parts[i].what, "%s%s",
			   parts[i].ok == US_NO        ? "NO: "
			   : parts[i].ok == US_UNKNOWN ? "not known: "
						       : "",
			   parts[i].result);
	return status;
}

/* ---- all of it ---- */

static struct us_err *number(const char *name, const char *word, uint64_t most, unsigned int *ret)
{
	uint64_t v;

	if (!word)
		return NULL;
	if (!us_text_u64(word, 10, &v) || !v || v > most)
		return us_err_new(US_ERR_USAGE, "%s %s: a number from 1 to %" PRIu64 " is meant",
				  name, word, most);
	*ret = (unsigned int)v;
	return NULL;
}

static struct us_err *wish_of(const struct opts *o, struct us_progress *progress,
			      struct us_rehearse_wish *ret)
{
	struct us_rehearse_wish w = { .memory_bytes = o->memory,
				      .reserve_bytes = o->reserve,
				      .qemu = o->qemu,
				      .keep_dir = o->keep,
				      .progress = progress };

	US_TRY(number("--cpus", o->cpus, 64, &w.cpus));
	US_TRY(number("--timeout", o->timeout, 86400, &w.timeout_s));
	if (o->kind && strcmp(o->kind, "all") && !us_crash_kind_parse(o->kind, &w.kind))
		return us_err_new(US_ERR_USAGE,
				  "--kind %s: sysrq, null, lockup, oom or all is meant", o->kind);
	if (o->find_size && o->kind && !strcmp(o->kind, "all"))
		return us_err_new(US_ERR_USAGE, "--find-size tries one kind of crash");
	*ret = w;
	return NULL;
}

/* A kind that this kernel cannot die of is told; everything else that goes wrong is an error. */
static struct us_err *run_kind(const struct us_host *host, const struct us_arming *a,
			       const struct us_rehearse_wish *wish, bool all, struct runs *runs)
{
	size_t i = runs->n++;
	struct us_err *err;

	runs->kinds[i] = wish->kind;
	err = us_rehearse(host, a, wish, &runs->v[i]);
	if (!err || !all || err->code != US_ERR_UNSUPPORTED)
		return err;
	runs->errors[i] = err;
	return NULL;
}

static struct us_err *run_all(const struct opts *o, const struct us_host *host,
			      const struct us_arming *a, struct us_rehearse_wish *wish,
			      struct runs *runs)
{
	if (o->find_size) {
		runs->kinds[runs->n++] = wish->kind;
		return us_rehearse_find_size(host, a, wish, &runs->least_bytes, &runs->v[0]);
	}
	if (!o->kind || strcmp(o->kind, "all"))
		return run_kind(host, a, wish, false, runs);
	for (int kind = 0; kind < US_CRASH_KINDS; kind++) {
		wish->kind = (enum us_crash_kind)kind;
		US_TRY(run_kind(host, a, wish, true, runs));
	}
	return NULL;
}

/* What is noted is the worst of them. */
static void note(const struct us_host *host, const struct us_arming *a, const struct runs *runs)
{
	const struct us_rehearsal *worst = NULL;
	_us_err_free_ struct us_err *err = NULL;

	for (size_t i = 0; i < runs->n; i++) {
		const struct us_rehearsal *r = runs->v[i];

		if (r && (!worst || (worst->passed && (!r->passed || r->peak > worst->peak))))
			worst = r;
	}
	if (worst)
		err = us_rehearsal_note(host, a, worst);
	if (err)
		fprintf(stderr, "understudy: the result could not be noted: %s\n", err->text);
}

static int finish(const struct opts *o, const struct us_host *host, const struct us_arming *a,
		  const struct runs *runs)
{
	int status = US_EXIT_OK;
	struct us_out out;
	struct us_err *err = NULL;

	for (size_t i = 0; i < runs->n; i++)
		if (runs->v[i] && !runs->v[i]->passed)
			status = US_EXIT_BLOCKED;
	if (!o->no_note)
		note(host, a, runs);
	if (o->html)
		err = write_page(o->html, host, a, runs);
	if (err)
		return us_cmd_fail(err, o->json);
	if (o->json)
		return us_cmd_json(json_of(runs, status), status);
	us_out_init(stdout, &out);
	us_out_para(&out, 0, 2, "Rehearsed in a virtual machine: Linux %s, captured by %s.",
		    host->release.v, a->kernel->release ? a->kernel->release : "an unknown kernel");
	print_runs(&out, runs, o->find_size);
	if (o->keep)
		us_out_row(&out, "kept", "%s", o->keep);
	return status;
}

static int run(void *opts, int argc, char **argv)
{
	__attribute__((cleanup(runs_deinit))) struct runs runs = { 0 };
	_us_machine_deinit_ struct us_machine m = { 0 };
	_us_arming_free_ struct us_arming *a = NULL;
	const struct opts *o = opts;
	struct us_progress_line line;
	struct us_rehearse_wish wish = { 0 };
	struct us_arm_wish arm = { .config_path = o->config,
				   .dry_run = !o->live_parts,
				   .no_probe = !o->live_parts,
				   .accept_small = true,
				   .progress = &line.p };
	struct us_err *err;

	(void)argc;
	(void)argv;
	us_progress_line_init(&line, stderr);
	err = wish_of(o, &line.p, &wish);
	if (!err)
		err = us_machine_open(o->host, &m);
	if (!err)
		err = us_arm_prepare(m.host, &arm, &a);
	if (!err && !o->live_parts)
		err = run_all(o, m.host, a, &wish, &runs);
	us_progress_line_end(&line);
	if (err)
		return us_cmd_fail(err, o->json);
	return o->live_parts ? live(o, m.host, a) : finish(o, m.host, a, &runs);
}

const struct us_cmd us_cmd_rehearse = {
	.name = "rehearse",
	.brief = "Crash this machine's kernel in a virtual machine and see what is saved",
	.options = options,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
