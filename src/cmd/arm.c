/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * understudy arm: everything is built and judged, shown, and if nothing speaks against it loaded by
 * one call. What was armed before stays armed until that call, and is loaded again if it fails.
 */
#include "cmd/cmd-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <string.h>

struct opts {
	bool dry_run, early, force, no_probe, accept_small, json, verbose, accept_unknown, import;
	const char *host, *config;
	struct us_opt_list accept;
};
#define OPT(letter, name, type, arg, help, field)                                                  \
	{                                                                                          \
		letter, name, type, arg, help, offsetof(struct opts, field)                        \
	}

static const struct us_option options[] = {
	OPT('n', "dry-run", US_OPT_FLAG, NULL,
	    "Show what would be loaded, with each word's reason, and change nothing; targets are not "
	    "tried",
	    dry_run),
	OPT(0, "early", US_OPT_FLAG, NULL,
	    "Take the set that was armed last if nothing of it has changed, and try no network "
	    "target (for the unit before the network)",
	    early),
	OPT('f', "force", US_OPT_FLAG, NULL, "Load it although it is armed already", force),
	OPT(0, "no-probe", US_OPT_FLAG, NULL, "Do not write to the targets to try them", no_probe),
	OPT(0, "accept-small", US_OPT_FLAG, NULL,
	    "Go on although the reservation is smaller than what the capture needs", accept_small),
	OPT(0, "accept", US_OPT_LIST, "RULE",
	    "Go on in spite of this blocking rule (its id); the report says so", accept),
	OPT(0, "accept-unknown", US_OPT_FLAG, NULL,
	    "Go on although facts that decide are not known", accept_unknown),
	OPT(0, "config", US_OPT_FILE, "FILE", "Another configuration than /etc/understudy.conf",
	    config),
	OPT(0, "import", US_OPT_FLAG, NULL,
	    "First make /etc/understudy.conf from Debian's kdump-tools or Fedora's kdump.conf; with "
	    "--dry-run only show it",
	    import),
	OPT(0, "host", US_OPT_DIR, "DIR", "Judge the machine recorded in DIR", host),
	OPT('v', "verbose", US_OPT_FLAG, NULL, "List the checks that passed, and each file",
	    verbose),
	US_OPTION_JSON,
	{ 0 },
};

static struct us_err *act(struct us_machine *m, struct us_arming *a, struct us_outcome *ret)
{
	_us_err_free_ struct us_err *not_noted = NULL;

	US_TRY(us_arm_commit(m->host, a, US_RUN_DIR, ret, &not_noted));
	if (ret->done && !m->records)
		us_armed_forget(US_RUN_DIR);
	if (not_noted)
		fprintf(stderr,
			"understudy: armed, but what is armed could not be noted, so that it cannot be "
			"compared or restored later: %s\n",
			not_noted->text);
	return NULL;
}

/* For the journal: what led to this start. */
static void tell_last_crash(const struct us_machine *m)
{
	_us_crash_state_free_ struct us_crash_state *s = NULL;
	_us_err_free_ struct us_err *err = us_crash_state_read(m->host, NULL, &s);

	if (!err && s->last_crash_recent)
		fprintf(stderr, "understudy: this start follows the crash %s: %s (%s)\n",
			s->last_crash, s->last_crash_result, s->last_crash_target);
}

static int print(const struct opts *o, const struct us_arming *a, const struct us_outcome *outcome,
		 int status)
{
	struct us_out out;

	if (o->json)
		return us_cmd_json(us_arming_json(a, o->dry_run, outcome, status), status);
	us_out_init(stdout, &out);
	out.verbose = o->verbose;
	us_arming_print(&out, a, o->dry_run);
	if (outcome && outcome->call)
		us_report_outcome(&out, a->plan, outcome);
	else if (a->same && !status)
		us_out_para(&out, 0, 0, "\nAlready armed with this very set: nothing was loaded.");
	else if (o->dry_run)
		us_out_para(&out, 0, 0, "\nDry run: nothing was loaded.");
	else
		us_out_para(&out, 0, 0, "\nNothing was loaded, and what was armed before still is.");
	return status;
}

static int run(void *opts, int argc, char **argv)
{
	_us_outcome_deinit_ struct us_outcome outcome = { 0 };
	_us_machine_deinit_ struct us_machine m = { 0 };
	_us_arming_free_ struct us_arming *a = NULL;
	const struct opts *o = opts;
	struct us_progress_line line;
	struct us_arm_wish wish = { .config_path = o->config,
				    .dry_run = o->dry_run,
				    .early = o->early,
				    .force = o->force,
				    .no_probe = o->no_probe,
				    .accept_small = o->accept_small,
				    .progress = &line.p };
	_us_close_ int lock = -1;
	struct us_err *err;
	int status;

	(void)argc;
	(void)argv;
	if (o->import && o->config)
		return us_cmd_fail(us_err_new(US_ERR_USAGE, "--import and --config exclude each "
							    "other: it writes the usual file"),
				   o->json);
	us_progress_line_init(&line, stderr);
	err = us_machine_open(o->host, &m);
	if (!err && !o->dry_run)
		err = us_machine_may_act(&m);
	if (!err && !o->dry_run)
		err = us_machine_lock(&m, &lock);
	if (!err && o->import)
		err = us_import_config(&m, o->dry_run);
	if (!err && o->import && o->dry_run) {
		us_progress_line_end(&line);
		return US_EXIT_OK;
	}
	if (!err)
		err = us_arm_prepare(m.host, &wish, &a);
	us_progress_line_end(&line);
	if (!err)
		err = us_findings_accept(&o->accept, o->accept_unknown, a->verdict);
	if (err)
		return us_cmd_fail(err, o->json);
	if (o->early)
		tell_last_crash(&m);
	status = us_arming_exit(a);
	if (status || o->dry_run || a->same)
		return print(o, a, NULL, status);
	err = act(&m, a, &outcome);
	if (err)
		return us_cmd_fail(err, o->json);
	return print(o, a, &outcome, outcome.done ? US_EXIT_OK : US_EXIT_REFUSED);
}

const struct us_cmd us_cmd_arm = {
	.name = "arm",
	.brief = "Prepare this machine to save what a crash leaves: judge all of it, then load it",
	.options = options,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
