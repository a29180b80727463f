/* SPDX-License-Identifier: GPL-2.0-or-later */
/* understudy status: what is loaded, what is reserved and what this machine allows, on one screen. */
#include "cmd/cmd-int.h"

struct opts {
	bool json, verbose;
	const char *host;
};

static const struct us_option options[] = {
	{ 0, "host", US_OPT_DIR, "DIR", "Show the machine recorded in DIR",
	  offsetof(struct opts, host) },
	{ 'v', "verbose", US_OPT_FLAG, NULL, "Say where each fact was read",
	  offsetof(struct opts, verbose) },
	{ 0, "json", US_OPT_FLAG, NULL, "Write JSON (docs/json.md)", offsetof(struct opts, json) },
	{ 0 },
};

static int run(void *opts, int argc, char **argv)
{
	_us_machine_deinit_ struct us_machine m = { 0 };
	const struct opts *o = opts;
	struct us_err *err;
	struct us_out out;

	(void)argc;
	(void)argv;
	err = us_machine_open(o->host, &m);
	if (err)
		return us_cmd_fail(err, o->json);
	if (o->json)
		return us_cmd_json(us_json_status(m.host), US_EXIT_OK);
	us_out_init(stdout, &out);
	out.verbose = o->verbose;
	us_report_status(&out, m.host);
	return US_EXIT_OK;
}

const struct us_cmd us_cmd_status = {
	.name = "status",
	.brief = "Show what is loaded and armed, and what this machine allows",
	.options = options,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
