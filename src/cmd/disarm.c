/* SPDX-License-Identifier: GPL-2.0-or-later */
/* understudy disarm: the capture kernel is unloaded; what it was stays noted for the next arming. */
#include "cmd/cmd-int.h"

struct opts {
	bool json;
	const char *host;
};

static const struct us_option options[] = {
	{ 0, "host", US_OPT_DIR, "DIR", "Look at the machine recorded in DIR (for tests)",
	  offsetof(struct opts, host) },
	US_OPTION_JSON,
	{ 0 },
};

static int run(void *opts, int argc, char **argv)
{
	const struct opts *o = opts;

	(void)argc;
	(void)argv;
	return us_unloading_do(o->host, true, o->json);
}

const struct us_cmd us_cmd_disarm = {
	.name = "disarm",
	.brief = "Unload the capture kernel: a crash is not saved from then on",
	.options = options,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
