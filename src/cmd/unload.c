/* SPDX-License-Identifier: GPL-2.0-or-later */
/* understudy unload: forget the loaded kernel, or disarm the crash kernel, as disarm does. */
#include "cmd/cmd-int.h"

#include "base/cleanup.h"
#include "crash/crash.h"

struct opts {
	bool crash, json;
	const char *host;
};

static const struct us_option options[] = {
	{ 0, "crash", US_OPT_FLAG, NULL, "Disarm the capture kernel", offsetof(struct opts, crash) },
	{ 0, "host", US_OPT_DIR, "DIR", "Look at the machine recorded in DIR (for tests)",
	  offsetof(struct opts, host) },
	US_OPTION_JSON,
	{ 0 },
};

static int nothing_loaded(bool json, const struct us_fact_u64 *loaded)
{
	json_object *obj;

	if (!json) {
		printf("Nothing was loaded (%s is 0).\n", loaded->o.path);
		return US_EXIT_OK;
	}
	obj = json_object_new_object();
	if (obj) {
		json_object_object_add(obj, "schema", json_object_new_string("understudy.unload/1"));
		json_object_object_add(obj, "outcome", NULL);
		json_object_object_add(obj, "exit", json_object_new_int(US_EXIT_OK));
	}
	return us_cmd_json(obj, US_EXIT_OK);
}

static int print(bool json, const struct us_outcome *outcome)
{
	int status = outcome->done ? US_EXIT_OK : US_EXIT_REFUSED;
	json_object *obj;
	struct us_out out;

	if (!json) {
		us_out_init(stdout, &out);
		us_report_outcome(&out, NULL, outcome);
		return status;
	}
	obj = json_object_new_object();
	if (obj) {
		json_object_object_add(obj, "schema", json_object_new_string("understudy.unload/1"));
		json_object_object_add(obj, "outcome", us_json_outcome(outcome));
		json_object_object_add(obj, "exit", json_object_new_int(status));
	}
	return us_cmd_json(obj, status);
}

int us_unloading_do(const char *host, bool crash, bool json)
{
	_us_outcome_deinit_ struct us_outcome outcome = { 0 };
	_us_machine_deinit_ struct us_machine m = { 0 };
	const struct us_fact_u64 *loaded;
	_us_close_ int lock = -1;
	struct us_err *err;

	err = us_machine_open(host, &m);
	if (err)
		return us_cmd_fail(err, json);
	loaded = crash ? &m.host->crash_loaded : &m.host->kexec_loaded;
	if (us_known(loaded->o) && !loaded->v)
		return nothing_loaded(json, loaded);
	err = us_machine_may_act(&m);
	if (!err && m.host->cap_sys_boot.v == US_NO) {
		us_cmd_fail(us_err_new(US_ERR_DENIED,
				       "this process lacks CAP_SYS_BOOT (%s): run it as root",
				       m.host->cap_sys_boot.o.path),
			    json);
		return US_EXIT_BLOCKED;
	}
	if (!err && crash)
		us_machine_lock_out(&m, &lock);
	if (!err)
		err = us_unload(m.host, crash ? US_CRASH : US_REBOOT, US_CALL_AUTO, &outcome);
	if (!err && crash && outcome.done)
		us_forget_armed(&m);
	return err ? us_cmd_fail(err, json) : print(json, &outcome);
}

static int run(void *opts, int argc, char **argv)
{
	const struct opts *o = opts;

	(void)argc;
	(void)argv;
	return us_unloading_do(o->host, o->crash, o->json);
}

const struct us_cmd us_cmd_unload = {
	.name = "unload",
	.brief = "Unload the next kernel, or the capture kernel with --crash",
	.options = options,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
