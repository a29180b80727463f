/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * understudy snapshot: record the facts that the other commands read from this machine, scrubbed,
 * so that --host DIR judges it somewhere else.
 */
#include "cmd/cmd-int.h"

struct opts {
	bool json;
	const char *host;
};

static const struct us_option options[] = {
	{ 0, "host", US_OPT_DIR, "DIR", "Copy the machine recorded in DIR",
	  offsetof(struct opts, host) },
	US_OPTION_JSON,
	{ 0 },
};

static int run(void *opts, int argc, char **argv)
{
	_us_machine_deinit_ struct us_machine m = { 0 };
	const struct opts *o = opts;
	json_object *obj;
	struct us_err *err;
	size_t files = 0;

	(void)argc;
	err = us_machine_open(o->host, &m);
	if (!err)
		err = us_host_snapshot(m.host, argv[0], &files);
	if (err)
		return us_cmd_fail(err, o->json);
	if (!o->json) {
		printf("%zu files of facts are in %s.\n", files, argv[0]);
		return US_EXIT_OK;
	}
	obj = json_object_new_object();
	if (obj) {
		json_object_object_add(obj, "schema",
				       json_object_new_string("understudy.snapshot/1"));
		json_object_object_add(obj, "dir", json_object_new_string(argv[0]));
		json_object_object_add(obj, "files", json_object_new_uint64(files));
	}
	return us_cmd_json(obj, US_EXIT_OK);
}

const struct us_cmd us_cmd_snapshot = {
	.name = "snapshot",
	.args = "DIR",
	.brief = "Record this machine's facts in DIR, scrubbed of secrets, for --host",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
