/* SPDX-License-Identifier: GPL-2.0-or-later */
/* understudy dump: from /proc/vmcore or another dump to a smaller one. The work is in dumping.c. */
#include "cmd/cmd-int.h"

static const struct us_option options[] = {
	US_DUMP_ASK('x', "exclude", US_OPT_TEXT, "CLASSES",
		    "What to leave out: free, zero, cache, cache-private, user, with commas "
		    "between; all (the default) or none",
		    exclude),
	US_DUMP_ASK(
		'l', "level", US_OPT_TEXT, "N",
		"The same as makedumpfile's number: 1 zero, 2 cache, 4 private cache, 8 user, 16 "
		"free, added up",
		level),
	US_DUMP_ASK(0, "codec", US_OPT_TEXT, "none|lzo|zlib|snappy|zstd|auto",
		    "How pages are packed, with :LEVEL behind zlib and zstd (zstd:-2); lzo if not "
		    "said",
		    codec),
	US_DUMP_ASK(0, "estimate", US_OPT_FLAG, NULL,
		    "Say how large the dump would be and write nothing", estimate),
	US_DUMP_ASK_OPTIONS,
	{ 0 },
};

static int run(void *opts, int argc, char **argv)
{
	return us_dumping_do(opts, argc, argv);
}

const struct us_cmd us_cmd_dump = {
	.name = "dump",
	.args = "IN... OUT",
	.brief = "Write a smaller dump of IN (/proc/vmcore, a core, a dump) to OUT, - for a stream",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.opts_bytes = sizeof(struct us_dump_ask),
	.run = run,
};
