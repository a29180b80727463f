/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * understudy load: the line of check, and if nothing blocks, the system call. What blocks is never
 * tried: the kernel would free the image that is loaded now before it looks at the new one.
 */
#include "cmd/cmd-int.h"

#include "base/cleanup.h"

#include <errno.h>

static const struct us_option options[] = {
	US_ASK_OPTIONS,
	US_ASK('n', "dry-run", US_OPT_FLAG, NULL,
	       "Show verdict and plan and make no system call that changes anything", dry_run),
	US_ASK(0, "picture", US_OPT_FILE, "FILE.svg", "Draw the memory map with the plan in it",
	       picture),
	{ 0 },
};

static struct us_err *draw(const struct us_ask *ask, const struct us_work *w)
{
	_us_fclose_ FILE *f = NULL;

	if (!ask->picture)
		return NULL;
	if (!w->plan)
		return us_err_new(US_ERR_UNSUPPORTED, "there is no plan to draw in %s",
				  ask->picture);
	f = fopen(ask->picture, "we");
	if (!f)
		return us_err_os(errno, "creating %s", ask->picture);
	US_TRY(us_picture_plan(f, w->machine.host, w->plan));
	return fflush(f) ? us_err_os(errno, "writing %s", ask->picture) : NULL;
}

static int print_json(const struct us_ask *ask, const struct us_work *w,
		      const struct us_outcome *outcome, int status)
{
	json_object *obj = json_object_new_object();

	if (obj) {
		json_object_object_add(obj, "schema", json_object_new_string("understudy.load/1"));
		json_object_object_add(obj, "dry_run", json_object_new_boolean(ask->dry_run));
		json_object_object_add(obj, "check", us_json_verdict(&w->c, w->verdict));
		json_object_object_add(obj, "plan", w->plan ? us_json_plan(w->plan) : NULL);
		json_object_object_add(obj, "plan_problem",
				       w->plan_problem ? us_json_error(w->plan_problem) : NULL);
		json_object_object_add(obj, "outcome", outcome ? us_json_outcome(outcome) : NULL);
		json_object_object_add(obj, "exit", json_object_new_int(status));
	}
	return us_cmd_json(obj, status);
}

static int print(const struct us_ask *ask, const struct us_work *w,
		 const struct us_outcome *outcome, int status)
{
	struct us_out out;

	if (ask->json)
		return print_json(ask, w, outcome, status);
	us_out_init(stdout, &out);
	out.verbose = ask->verbose;
	us_work_report(&out, w, ask->dry_run);
	if (outcome)
		us_report_outcome(&out, w->plan, outcome);
	else if (ask->dry_run)
		fprintf(out.f, "\nDry run: nothing was loaded.\n");
	else
		fprintf(out.f, "Nothing was loaded, and what was loaded before still is.\n");
	return status;
}

static int run(void *opts, int argc, char **argv)
{
	_us_outcome_deinit_ struct us_outcome outcome = { 0 };
	_us_work_deinit_ struct us_work w = { 0 };
	const struct us_ask *ask = opts;
	struct us_err *err;
	int status;

	(void)argc;
	err = us_work_do(ask, argv[0], !ask->dry_run, &w);
	if (!err && !ask->dry_run)
		err = us_machine_may_act(&w.machine);
	if (!err)
		err = draw(ask, &w);
	if (err)
		return us_cmd_fail(err, ask->json);
	status = us_work_exit(&w, true);
	if (status || ask->dry_run)
		return print(ask, &w, NULL, status);
	err = us_work_commit(&w, &outcome);
	if (err)
		return us_cmd_fail(err, ask->json);
	return print(ask, &w, &outcome, outcome.done ? US_EXIT_OK : US_EXIT_REFUSED);
}

const struct us_cmd us_cmd_load = {
	.name = "load",
	.args = "IMAGE",
	.brief =
		"Check IMAGE, then load it as the next kernel, or as the capture kernel with --crash",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.opts_bytes = sizeof(struct us_ask),
	.run = run,
};
