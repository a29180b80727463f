/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * understudy convert: the same dump in another format; a split set becomes one file, a flattened
 * stream a dump. Nothing is left out that the input has. The work is in dumping.c.
 */
#include "cmd/cmd-int.h"

static const struct us_option options[] = {
	US_DUMP_ASK(0, "codec", US_OPT_TEXT, "none|lzo|zlib|snappy|zstd|auto",
		    "How pages are packed, with :LEVEL behind zlib and zstd; as they are in IN if "
		    "not said",
		    codec),
	US_DUMP_ASK_OPTIONS,
	{ 0 },
};

static int run(void *opts, int argc, char **argv)
{
	struct us_dump_ask *ask = opts;

	ask->convert = true;
	return us_dumping_do(ask, argc, argv);
}

const struct us_cmd us_cmd_convert = {
	.name = "convert",
	.args = "IN... OUT",
	.brief = "Write the dump IN to OUT in another format, with all that is in it",
	.options = options,
	.min_args = 2,
	.max_args = -1,
	.opts_bytes = sizeof(struct us_dump_ask),
	.run = run,
};
