/* SPDX-License-Identifier: GPL-2.0-or-later */
/* understudy verify-image: who signed an image, who trusts that, and what kexec_file_load would say. */
#include "cmd/cmd-int.h"

#include <errno.h>
#include <string.h>

struct opts {
	bool json, verbose;
	const char *host;
	struct us_opt_list keyring, revoked;
};

static const struct us_option options[] = {
	{ 0, "keyring", US_OPT_LIST, "running|FILE",
	  "Keys to trust: the running kernel's (the default), or of a file: PEM, DER, an EFI signature "
	  "list or variable, a directory of such; may be given several times",
	  offsetof(struct opts, keyring) },
	{ 0, "revoked", US_OPT_LIST, "FILE",
	  "Keys and hashes that are revoked, in the same kinds of files (dbx)",
	  offsetof(struct opts, revoked) },
	{ 0, "host", US_OPT_DIR, "DIR",
	  "Ask the machine recorded in DIR (understudy snapshot) instead of this one",
	  offsetof(struct opts, host) },
	{ 'v', "verbose", US_OPT_FLAG, NULL, "List the keys that were asked, too",
	  offsetof(struct opts, verbose) },
	{ 0, "json", US_OPT_FLAG, NULL, "Write JSON (docs/json.md)", offsetof(struct opts, json) },
	{ 0 },
};

/* Image, keys, and the machine where it is asked. */
struct work {
	struct us_machine machine;
	struct us_image *image;
	struct us_anchors anchors;
	struct us_trust_report report;
};

static void work_deinit(struct work *w)
{
	us_image_free(w->image);
	us_anchors_deinit(&w->anchors);
	us_machine_deinit(&w->machine);
}

static struct us_err *read_keys(const struct opts *o, struct work *w)
{
	bool running = !o->keyring.n;

	for (size_t i = 0; i < o->keyring.n; i++) {
		if (strcmp(o->keyring.v[i], "running") == 0)
			running = true;
		else
			US_TRY(us_anchors_add_file(&w->anchors, o->keyring.v[i], false));
	}
	for (size_t i = 0; i < o->revoked.n; i++)
		US_TRY(us_anchors_add_file(&w->anchors, o->revoked.v[i], true));
	if (!running && o->host)
		return us_err_new(US_ERR_USAGE, "--host and --keyring FILE exclude each other, "
						"unless --keyring running is there, too");
	if (!running)
		return NULL;
	US_TRY(us_machine_open(o->host, &w->machine));
	w->report.host = w->machine.host;
	return us_host_anchors(w->machine.host, &w->anchors);
}

static struct us_err *look(const struct opts *o, const char *path, struct us_progress *progress,
			   struct work *w)
{
	US_TRY(us_image_open(path, progress, &w->image));
	US_TRY(us_image_verify_signature(w->image));
	US_TRY(read_keys(o, w));
	w->report.image = w->image;
	w->report.anchors = w->anchors.v;
	w->report.n_anchors = w->anchors.n;
	w->report.trust =
		us_signature_trust(us_handed_signature(w->image), w->anchors.v, w->anchors.n);
	if (!w->report.host)
		return NULL;
	w->report.answer = us_kexec_answer(w->report.host, w->image, w->report.trust);
	/* a key that is not among keys that could not be read is not known, not missing */
	w->report.blind =
		w->report.trust.os_errno == ENOKEY && !us_known(w->report.host->keys_from);
	return NULL;
}

static int status_of(const struct us_trust_report *r)
{
	if (!r->trust.os_errno)
		return US_EXIT_OK;
	return r->blind ? US_EXIT_UNKNOWN : US_EXIT_BLOCKED;
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
	w.report.exit = status_of(&w.report);
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
