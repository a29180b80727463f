/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Progress of long work. Who works calls us_progress_at() as often as it likes; who asked for the
 * work decides what a person sees (report/progress.c). A NULL progress costs nothing.
 */
#ifndef US_BASE_PROGRESS_H
#define US_BASE_PROGRESS_H

#include <stddef.h>
#include <stdint.h>

struct us_progress {
	/* done of total (0 = total unknown) bytes; both 0: what says all that is known */
	void (*at)(struct us_progress *p, const char *what, uint64_t done, uint64_t total);
	void *data;
};

static inline void us_progress_at(struct us_progress *p, const char *what, uint64_t done,
				  uint64_t total)
{
	if (p)
		p->at(p, what, done, total);
}

#endif
