/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * understudy exec: start the loaded kernel. Safe by default: it refuses with nothing loaded, writes
 * the disks' caches back, and lets systemd stop everything; --now jumps at once.
 */
#include "cmd/cmd-int.h"

struct opts {
	bool now, json;
	const char *host;
};

static const struct us_option options[] = {
	{ 0, "now", US_OPT_FLAG, NULL, "Jump at once: services are not stopped, disks are synced",
	  offsetof(struct opts, now) },
	{ 0, "host", US_OPT_DIR, "DIR", "Look at the machine recorded in DIR (for tests)",
	  offsetof(struct opts, host) },
	US_OPTION_JSON,
	{ 0 },
};

static int done(const struct opts *o)
{
	const char *by = o->now ? "reboot(2)" : "systemctl kexec";
	json_object *obj;

	if (!o->json) {
		printf("Asked for the jump by %s.\n", by);
		return US_EXIT_OK;
	}
	obj = json_object_new_object();
	if (obj) {
		json_object_object_add(obj, "schema", json_object_new_string("understudy.exec/1"));
		json_object_object_add(obj, "by", json_object_new_string(by));
		json_object_object_add(obj, "exit", json_object_new_int(US_EXIT_OK));
	}
	return us_cmd_json(obj, US_EXIT_OK);
}

static int run(void *opts, int argc, char **argv)
{
	const struct us_jump how = { .sync = true };
	_us_machine_deinit_ struct us_machine m = { 0 };
	const struct opts *o = opts;
	struct us_err *err;
	int status = 0;

	(void)argc;
	(void)argv;
	err = us_machine_open(o->host, &m);
	if (err)
		return us_cmd_fail(err, o->json);
	err = us_jump_why_not(m.host, o->now, &status);
	if (err) {
		us_cmd_fail(err, o->json);
		return status;
	}
	err = us_machine_may_act(&m);
	if (!err)
		err = o->now ? us_jump_now(m.host, &how) : us_jump_orderly(m.host);
	return err ? us_cmd_fail(err, o->json) : done(o);
}

const struct us_cmd us_cmd_exec = {
	.name = "exec",
	.brief = "Start the loaded kernel, after everything was stopped in order",
	.options = options,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
