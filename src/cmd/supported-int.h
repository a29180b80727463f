/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to cmd: the supported-targets table. One row says for one thing that a dump's way can
 * lead over whether it was shown, is taken but was never tried, or is refused, and why. */
#ifndef US_CMD_SUPPORTED_INT_H
#define US_CMD_SUPPORTED_INT_H

#include <stddef.h>
#include <stdio.h>

enum us_supported_state {
	US_SHOWN, /* .test crashes a machine and opens the dump, or runs against a real server */
	US_NOT_TRIED, /* it is taken; .test shows parts of it, if any */
	US_REFUSED,   /* arm says so; .note says why */
};
struct us_supported {
	const char *group; /* "Target", "File system"... */
	const char *key;   /* what code calls it: "ext4", "linear", "directory" */
	const char *name;  /* what people call it */
	enum us_supported_state state;
	const char *note; /* or NULL */
	const char *test; /* a file of this tree, or NULL */
};
const struct us_supported *us_supported_at(size_t i);           /* NULL past the last one */
const struct us_supported *us_supported_find(const char *key);  /* NULL: there is no such row */
const char *us_supported_state_name(enum us_supported_state s); /* "shown", ... */
/* The table as a manual page's section. */
void us_supported_scd(FILE *f);

#endif
