/* SPDX-License-Identifier: GPL-2.0-or-later */
/* understudy verify-image: who signed an image, who trusts that, and what kexec_file_load would say. */
#include "cmd/cmd-int.h"

#include <string.h>

struct opts {
	bool json, verbose;
	const char *host;
	struct us_opt_list keyring, revoked;
};

static const struct us_option options[] = {
	{ 0, "keyring", US_OPT_LIST, "running|FILE",
	  "Keys to trust: the running kernel's (the default), or of a file: PEM, DER, an EFI signature "
	  "list or variable, a directory of such; may be given several times; the kernel's and those "
	  "of files are asked apart",
	  offsetof(struct opts, keyring) },
	{ 0, "revoked", US_OPT_LIST, "FILE",
	  "Keys and hashes that are revoked, in the same kinds of files (dbx)",
	  offsetof(struct opts, revoked) },
	{ 0, "host", US_OPT_DIR, "DIR",
	  "Ask the machine recorded in DIR (understudy snapshot) instead of this one",
	  offsetof(struct opts, host) },
	{ 'v', "verbose", US_OPT_FLAG, NULL, "List the keys that were asked, too",
	  offsetof(struct opts, verbose) },
	US_OPTION_JSON,
	{ 0 },
};

/* Image, keys, and the machine where it is asked. */
struct work {
	struct us_machine machine;
	struct us_image *image;
	struct us_anchors asked, own; /* the keys of the verdict; those of the machine alone */
	struct us_trust_report report;
};

static void work_deinit(struct work *w)
{
	us_image_free(w->image);
	us_anchors_deinit(&w->asked);
	us_anchors_deinit(&w->own);
	us_machine_deinit(&w->machine);
}

/* Files of keys are a question of their own: the machine answers with its own keys. */
static struct us_err *read_keys(const struct opts *o, struct work *w)
{
	bool running = !o->keyring.n;

	for (size_t i = 0; i < o->keyring.n; i++) {
		if (strcmp(o->keyring.v[i], "running") == 0) {
			running = true;
			continue;
		}
		US_TRY(us_anchors_add_file(&w->asked, o->keyring.v[i], false));
		w->report.by_files = true;
	}
	for (size_t i = 0; i < o->revoked.n; i++)
		US_TRY(us_anchors_add_file(&w->asked, o->revoked.v[i], true));
	if (!running && o->host)
		return us_err_new(US_ERR_USAGE, "--host and --keyring FILE exclude each other, "
						"unless --keyring running is there, too");
	if (!running)
		return NULL;
	US_TRY(us_machine_open(o->host, &w->machine));
	w->report.host = w->machine.host;
	US_TRY(us_host_anchors(w->machine.host, &w->own));
	return w->report.by_files ? NULL : us_host_anchors(w->machine.host, &w->asked);
}

static struct us_err *look(const struct opts *o, const char *path, struct us_progress *progress,
			   struct work *w)
{
	struct us_trust_report *r = &w->report;
	const struct us_signature *s;

	US_TRY(us_image_open(path, progress, &w->image));
	US_TRY(us_image_verify_signature(w->image));
	US_TRY(read_keys(o, w));
	s = us_handed_signature(w->image);
	r->image = w->image;
	r->asked = &w->asked;
	r->own = &w->own;
	r->trust = r->by_files ? us_signature_trust(s, w->asked.v, w->asked.n)
			       : us_host_trust(r->host, s, &w->asked);
	if (!r->host)
		return NULL;
	r->own_trust = us_host_trust(r->host, s, &w->own);
	r->answer = us_kexec_answer(r->host, w->image, r->own_trust);
	return NULL;
}

static int status_of(const struct us_trust *t)
{
	return t->unsure ? US_EXIT_UNKNOWN : t->os_errno ? US_EXIT_BLOCKED : US_EXIT_OK;
}

/* Of two answers the worse one: a refusal is worse than what is not known. */
static int worse(int a, int b)
{
	return a == US_EXIT_BLOCKED || b == US_EXIT_OK ? a : b;
}

static int run(void *opts, int argc, char **argv)
{
	__attribute__((cleanup(work_deinit))) struct work w = { 0 };
	struct us_progress_line line;
	const struct opts *o = opts;
	struct us_err *err;
	struct us_out out;

	(void)argc;
	us_progress_line_init(&line, stderr);
	err = look(o, argv[0], &line.p, &w);
	us_progress_line_end(&line);
	if (err)
		return us_cmd_fail(err, o->json);
	w.report.exit = status_of(&w.report.trust);
	if (w.report.host)
		w.report.exit = worse(w.report.exit, status_of(&w.report.own_trust));
	if (o->json)
		return us_cmd_json(us_json_trust(&w.report), w.report.exit);
	us_out_init(stdout, &out);
	out.verbose = o->verbose;
	us_report_trust(&out, &w.report);
	return w.report.exit;
}

const struct us_cmd us_cmd_verify_image = {
	.name = "verify-image",
	.args = "IMAGE",
	.brief = "Say who signed an image, and whether the kernel trusts that",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
