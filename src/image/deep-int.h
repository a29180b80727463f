/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to the deep look: the scan for strings, what they prove, and where a .config comes from. */
#ifndef US_IMAGE_DEEP_INT_H
#define US_IMAGE_DEEP_INT_H

#include "image/image.h"

/* --- scan.c --- */
#define US_NOWHERE UINT64_MAX
struct us_needle {
	const char *p; /* at least 4 bytes, perhaps with NULs */
	size_t n;
	uint64_t at; /* first place, US_NOWHERE before */
};
/*
 * One pass over in for all needles that are still nowhere; base is added to the places. A place
 * belongs to one needle: the same text twice finds its first two places.
 */
void us_scan(struct us_bytes in, uint64_t base, struct us_needle *needles, size_t n);

/* --- caps.c --- */
/* What the scan looks for besides the strings that prove capabilities. */
enum {
	US_NEEDLE_BANNER,
	US_NEEDLE_BANNER_2,
	US_NEEDLE_IKCONFIG,
	US_NEEDLE_PANIC,
	US_NEEDLE_REBOOT,
	US_NEEDLE_CRASH_LOADED,
	US_NEEDLE_CAPS
};
#define US_NEEDLES_MAX 128
/* Fill needles; returns how many. */
size_t us_cap_needles(struct us_needle needles[US_NEEDLES_MAX]);
/* Fill image->caps from header, .config and the needles found. ikconfig: kconfig is the image's own. */
struct us_err *us_caps_judge(struct us_image *image, bool ikconfig, const struct us_needle *needles)
	us_must_check;

/* --- ikconfig.c --- */
#define US_IKCONFIG_START "IKCFG_ST"
/* The .config behind IKCFG_ST at offset at of kernel; one that is damaged leaves a note. */
struct us_err *us_ikconfig_read(struct us_image *image, struct us_bytes kernel, uint64_t at)
	us_must_check;
/* A .config from config_path, or, with NULL, from where distributions put it beside the image. */
struct us_err *us_config_file_read(struct us_image *image, const char *config_path) us_must_check;
/* "6.12.117+deb12" -> 6, 12, 117; false without two numbers at its start. patch 0 if absent. */
bool us_release_numbers(const char *release, unsigned int *ret_major, unsigned int *ret_minor,
			unsigned int *ret_patch) us_must_check;

#endif
