/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A fact that may be unknown: the rule engine must then say so instead of passing. */
#ifndef US_BASE_TRI_H
#define US_BASE_TRI_H

#include <stdbool.h>

enum us_tri { US_UNKNOWN, US_NO, US_YES };

static inline enum us_tri us_tri_of(bool yes)
{
	return yes ? US_YES : US_NO;
}

static inline enum us_tri us_tri_and(enum us_tri a, enum us_tri b)
{
	if (a == US_NO || b == US_NO)
		return US_NO;
	return a == US_YES && b == US_YES ? US_YES : US_UNKNOWN;
}

static inline enum us_tri us_tri_or(enum us_tri a, enum us_tri b)
{
	if (a == US_YES || b == US_YES)
		return US_YES;
	return a == US_NO && b == US_NO ? US_NO : US_UNKNOWN;
}

static inline const char *us_tri_name(enum us_tri t)
{
	return t == US_YES ? "yes" : t == US_NO ? "no" : "unknown";
}

#endif
