/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * understudy capture: what PID 1 of the capture kernel does, by hand: from a rescue shell there, or
 * with a dump in place of /proc/vmcore.
 */
#include "cmd/cmd-int.h"
#include "crash/crash.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct opts {
	const char *recipe, *vmcore;
	bool dry_run, reboot;
};

static const struct us_option options[] = {
	{ 0, "recipe", US_OPT_FILE, "FILE",
	  "What is to be done; /recipe of the capture image if not said, else the one that is armed",
	  offsetof(struct opts, recipe) },
	{ 0, "vmcore", US_OPT_FILE, "FILE", "An ELF core in place of /proc/vmcore",
	  offsetof(struct opts, vmcore) },
	{ 'n', "dry-run", US_OPT_FLAG, NULL, "Look for all that is needed and change nothing",
	  offsetof(struct opts, dry_run) },
	{ 0, "reboot", US_OPT_FLAG, NULL, "Restart the machine at the end, as PID 1 does",
	  offsetof(struct opts, reboot) },
	{ 0 },
};

static int run(void *opts, int argc, char **argv)
{
	const char *act = getenv("UNDERSTUDY_ACT");
	bool records = act && !strcmp(act, "record");
	const struct opts *o = opts;
	struct us_capture_wish wish = {
		.recipe = o->recipe,
		.vmcore = o->vmcore,
		.dry_run = o->dry_run || records,
		.reboot = o->reboot,
		.console_fd = STDERR_FILENO,
	};
	struct us_err *err;

	(void)argc;
	(void)argv;
	if (!wish.recipe && access(US_RECIPE_PATH, F_OK))
		wish.recipe = US_CRASH_STATE_DIR "/armed/recipe";
	if (!wish.vmcore && access("/proc/vmcore", F_OK))
		return us_cmd_fail(us_err_new(US_ERR_NOT_FOUND,
					      "there is no /proc/vmcore: no kernel has crashed "
					      "before this one (--vmcore names a core to take "
					      "instead)"),
				   false);
	err = us_capture_run(&wish);
	return err ? us_cmd_fail(err, false) : US_EXIT_OK;
}

const struct us_cmd us_cmd_capture = {
	.name = "capture",
	.brief = "Save a crash by hand, as the capture kernel does by itself",
	.options = options,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
