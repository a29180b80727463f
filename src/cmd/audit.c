/* SPDX-License-Identifier: GPL-2.0-or-later */
/* understudy audit: who can replace the kernel of this machine, and how; with a policy, a gate. */
#include "cmd/cmd-int.h"

#include "base/file.h"

struct opts {
	bool json;
	const char *host, *config, *policy;
};

static const struct us_option options[] = {
	{ 0, "policy", US_OPT_FILE, "FILE",
	  "Fail unless every line of this policy holds; what is not known does not",
	  offsetof(struct opts, policy) },
	{ 0, "host", US_OPT_DIR, "DIR", "Audit the machine recorded in DIR (understudy snapshot)",
	  offsetof(struct opts, host) },
	{ 0, "config", US_OPT_FILE, "FILE", "Another configuration than /etc/understudy.conf",
	  offsetof(struct opts, config) },
	US_OPTION_JSON,
	{ 0 },
};

struct work {
	struct us_machine machine;
	struct us_crash_config *config;
	struct us_pool pool;
	struct us_audit *audit;
	struct us_anchors anchors;
	struct us_audit_report report;
};

static void work_deinit(struct work *w)
{
	us_anchors_deinit(&w->anchors);
	us_audit_free(w->audit);
	us_crash_config_free(w->config);
	us_pool_deinit(&w->pool);
	us_machine_deinit(&w->machine);
}

/* A configuration or a directory that cannot be read leaves its line unknown, not all others. */
static struct us_err *look_at_dumps(const struct opts *o, struct work *w, struct us_audit_dumps *ret)
{
	const char *path = o->config ? o->config : US_CRASH_CONFIG;
	struct us_exposure e = { 0 };
	struct us_err *err;

	*ret = (struct us_audit_dumps){ "unknown", "what is saved is not recorded", path };
	if (!w->machine.host->live && !o->config)
		return NULL;
	err = us_crash_config_read(w->machine.host->root_fd, o->config, &w->config);
	if (!err)
		err = us_crash_exposed(w->machine.host, w->config, &w->pool, &e);
	if (err && err->code == US_ERR_NOMEM)
		return err;
	if (err) {
		ret->fact = us_pool_strdup(&w->pool, err->text);
		us_err_free(err);
		return ret->fact ? NULL : us_err_nomem();
	}
	ret->value = e.open == US_YES       ? "readable"
		     : e.open == US_UNKNOWN ? "unknown"
		     : e.places             ? "private"
		     : e.far                ? "elsewhere"
					    : "nowhere";
	ret->fact = e.fact;
	ret->evidence = e.targets;
	return NULL;
}

static struct us_err *hold_against(const char *path, struct work *w)
{
	_us_blob_deinit_ struct us_blob text = { 0 };

	US_TRY(us_file_map(path, &text));
	w->report.policy = path;
	return us_audit_policy(w->audit, us_blob_bytes(&text), path, &w->report.breaches,
			       &w->report.n_breaches);
}

static struct us_err *look(const struct opts *o, struct work *w)
{
	struct us_audit_dumps dumps;

	US_TRY(us_machine_open(o->host, &w->machine));
	US_TRY(look_at_dumps(o, w, &dumps));
	US_TRY(us_audit(w->machine.host, &dumps, &w->audit));
	US_TRY(us_host_anchors(w->machine.host, &w->anchors));
	w->report.host = w->machine.host;
	w->report.audit = w->audit;
	w->report.anchors = w->anchors.v;
	w->report.n_anchors = w->anchors.n;
	return o->policy ? hold_against(o->policy, w) : NULL;
}

/* Broken is worse than not known. */
static int status_of(const struct us_audit_report *r)
{
	int status = US_EXIT_OK;

	for (size_t i = 0; i < r->n_breaches; i++) {
		if (!r->breaches[i].unknown)
			return US_EXIT_BLOCKED;
		status = US_EXIT_UNKNOWN;
	}
	return status;
}

static int run(void *opts, int argc, char **argv)
{
	__attribute__((cleanup(work_deinit))) struct work w = { 0 };
	const struct opts *o = opts;
	struct us_err *err = look(o, &w);
	struct us_out out;

	(void)argc;
	(void)argv;
	if (err)
		return us_cmd_fail(err, o->json);
	w.report.exit = status_of(&w.report);
	if (o->json)
		return us_cmd_json(us_json_audit(&w.report), w.report.exit);
	us_out_init(stdout, &out);
	us_report_audit(&out, &w.report);
	return w.report.exit;
}

const struct us_cmd us_cmd_audit = {
	.name = "audit",
	.brief = "Say who can replace the kernel of this machine, and how",
	.options = options,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
