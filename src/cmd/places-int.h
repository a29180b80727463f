/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to cmd: the configured targets, opened on this machine, for crashes and targets. */
#ifndef US_CMD_PLACES_INT_H
#define US_CMD_PLACES_INT_H

#include "crash/crash.h"

struct us_place {
	const struct us_target_spec *spec;
	struct us_target *target; /* NULL: not open */
	struct us_err *problem;   /* why not, or why it was not listed */
	bool unlisted;            /* the problem is the kind's: it never tells what it has */
	const struct us_saved *saved;
	size_t n;
};
struct us_places {
	struct us_pool pool;
	struct us_crash_config *config;
	struct us_place *v;
	size_t n;
};
/* words NULL: the targets of the configuration (path as us_crash_config_read() has it), else this
 * one. */
struct us_err *us_places_find(int root_fd, const char *path, const char *words,
			      struct us_places *ret) us_must_check;
/* Open one within seconds (0: any time). A directory that is not there is not made: then target and
 * problem stay NULL. */
void us_place_open(struct us_place *place, unsigned int seconds);
void us_place_list(struct us_places *places, struct us_place *place);
void us_places_deinit(struct us_places *places);
#define _us_places_deinit_ __attribute__((cleanup(us_places_deinit)))

/* Where a saved crash's dump (file "dump") or another file of it is, as people would type it. */
const char *us_place_where(struct us_pool *pool, const struct us_place *place, const char *crash,
			   const char *file);
/* "2026-01-02 03:04:05 UTC" of a saved crash's name; its release begins at *ret_release. */
#define US_CRASH_TIME 32
const char *us_crash_time(const char *crash, char *buf, const char **ret_release);

/* A saved crash and what its state.txt tells. */
struct us_told {
	struct us_capture_state state; /* empty without state.txt */
	bool has_state;
	const char *result; /* "saved", "partial", "log", "nothing"; NULL: it does not say */
	const char *words;  /* "dump saved", "cut off while writing the dump" */
};
struct us_err *us_crash_tell(struct us_places *places, const struct us_place *place,
			     const struct us_saved *saved, struct us_told *ret) us_must_check;
void us_told_deinit(struct us_told *told);
#define _us_told_deinit_ __attribute__((cleanup(us_told_deinit)))

#endif
