/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * understudy config: what a kernel's configuration grants, and what a source tree lets it be. Each
 * sub-word is a command of its own, with its own options, in a file of its own.
 */
#include "cmd/config-int.h"

static const struct us_cmd *const words[] = {
	&us_config_roles,
	NULL,
};

const struct us_cmd us_cmd_config = {
	.name = "config",
	.args = "WORD",
	.brief = "What a kernel configuration grants, and what a source tree allows",
	.subs = words,
};
