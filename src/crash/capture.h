/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The second kernel: read the recipe, bring up what the targets need, save the log first and then
 * the dump, and start the machine anew, whatever happens. Part of understudy-capture, which knows
 * neither host, image, load nor check.
 */
#ifndef US_CRASH_CAPTURE_H
#define US_CRASH_CAPTURE_H

#include "crash/recipe.h"

/* pid1: never returns. */
struct us_capture_wish {
	const char *recipe; /* path; NULL: US_RECIPE_PATH */
	const char *vmcore; /* NULL: /proc/vmcore */
	bool pid1, dry_run;
};
struct us_err *us_capture_run(const struct us_capture_wish *wish) us_must_check;

#endif
