/* SPDX-License-Identifier: GPL-2.0-or-later */
/* understudy check: can this machine hand over to that image, and why not. Read-only, for any user. */
#include "cmd/cmd-int.h"

#include <string.h>

static const struct us_option options[] = {
	US_ASK_OPTIONS,
	US_ASK(0, "list-rules", US_OPT_FLAG, NULL, "List all rules and end", list_rules),
	{ 0 },
};

static int list_rules(const struct us_ask *ask)
{
	struct us_out out;

	if (ask->json)
		return us_cmd_json(us_json_rules(), US_EXIT_OK);
	us_out_init(stdout, &out);
	us_report_rules(&out);
	return US_EXIT_OK;
}

static int print_json(const struct us_work *w, int status)
{
	json_object *obj = us_json_verdict(&w->c, w->verdict);

	if (obj) {
		json_object_object_add(obj, "plan", w->plan ? us_json_plan(w->plan) : NULL);
		json_object_object_add(obj, "plan_problem",
				       w->plan_problem ? us_json_error(w->plan_problem) : NULL);
		json_object_object_add(obj, "exit", json_object_new_int(status));
	}
	return us_cmd_json(obj, status);
}

static int run(void *opts, int argc, char **argv)
{
	_us_work_deinit_ struct us_work w = { 0 };
	const struct us_ask *ask = opts;
	struct us_err *err;
	struct us_out out;
	int status;

	if (ask->list_rules && !argc)
		return list_rules(ask);
	if (ask->list_rules)
		return us_cmd_fail(us_err_new(US_ERR_USAGE, "--list-rules takes no IMAGE"),
				   ask->json);
	if (!argc)
		return us_cmd_fail(us_err_new(US_ERR_USAGE, "check needs IMAGE"), ask->json);
	err = us_work_do(ask, argv[0], false, &w);
	if (err)
		return us_cmd_fail(err, ask->json);
	status = us_work_exit(&w, false);
	if (ask->json)
		return print_json(&w, status);
	us_out_init(stdout, &out);
	out.verbose = ask->verbose;
	us_work_report(&out, &w, false);
	return status;
}

const struct us_cmd us_cmd_check = {
	.name = "check",
	.args = "IMAGE",
	.brief = "Say whether this machine can hand over to IMAGE, and why not",
	.options = options,
	.max_args = 1,
	.opts_bytes = sizeof(struct us_ask),
	.run = run,
};
