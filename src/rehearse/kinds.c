/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kinds of crash that can be rehearsed, by name. */
#include "rehearse/rehearse.h"

#include <string.h>

static const char *const names[US_CRASH_KINDS] = {
	[US_CRASH_SYSRQ] = "sysrq",
	[US_CRASH_NULL] = "null",
	[US_CRASH_LOCKUP] = "lockup",
	[US_CRASH_OOM] = "oom",
};

const char *us_crash_kind_name(enum us_crash_kind kind)
{
	return names[kind];
}

bool us_crash_kind_parse(const char *word, enum us_crash_kind *ret)
{
	for (int i = 0; i < US_CRASH_KINDS; i++)
		if (!strcmp(word, names[i])) {
			*ret = (enum us_crash_kind)i;
			return true;
		}
	return false;
}
