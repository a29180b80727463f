/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The second kernel: read the recipe, bring up what the targets need, save the log first and then
 * the dump, and start the machine anew, whatever happens. Part of understudy-capture, which knows
 * neither host, image, load nor check.
 */
#ifndef US_CRASH_CAPTURE_H
#define US_CRASH_CAPTURE_H

#include "crash/recipe.h"

/* pid1, reboot: never returns. dry_run: look for all that is needed and change nothing. */
struct us_capture_wish {
	const char *recipe; /* path; NULL: US_RECIPE_PATH */
	const char *vmcore; /* NULL: /proc/vmcore */
	bool pid1, dry_run, reboot;
	int console_fd; /* where stages are told; 0: the console if pid1, else nowhere */
};
/* US_ERR_NOT_FOUND: no target holds a dump. */
struct us_err *us_capture_run(const struct us_capture_wish *wish) us_must_check;

/* A module of the capture image as the kernel takes it; what was unpacked for it is gone with the
 * descriptor. US_ERR_NOT_FOUND, US_ERR_OS, US_ERR_BAD_DATA if it does not unpack to what the recipe
 * says. */
struct us_err *us_module_open(const struct us_recipe_module *module, int *ret_fd) us_must_check;
/* Loads a module of the capture image into the running kernel; one that is there already is no
 * error. US_ERR_OS with the kernel's reason, and as above. */
struct us_err *us_module_insert(const struct us_recipe_module *module) us_must_check;

/*
 * For a rehearsal (capture-stack.c, no part of understudy-capture): the node of a device of the
 * recipe, found or assembled as the capture does it, with all that it lies on. Modules are loaded,
 * and keys in this process's keyring. fill, if it is not NULL, is told of each device that was
 * assembled, before the marks on it are looked for.
 */
typedef struct us_err *(*us_capture_fill_fn)(void *data, const struct us_recipe_device *device,
					     const char *node);
struct us_err *us_capture_assemble(struct us_recipe *recipe, const char *device,
				   unsigned int seconds, us_capture_fill_fn fill, void *data,
				   struct us_pool *pool, const char **ret_node) us_must_check;

/*
 * state.txt beside a saved log, told for the next boot, for report and for a rehearsal: one
 * "KEY=VALUE" a line, in the order of events, written anew after each stage. Times are ms of
 * CLOCK_MONOTONIC in the capture kernel, memory is bytes.
 *
 *   stage=BEGIN END NAME          END "-": begun, and not come to its end
 *   memory=MS AVAILABLE USED      AVAILABLE: MemAvailable; USED: MemTotal - MemFree
 *   memory_total=BYTES            MemTotal
 *   result=WORD[ DETAILS]         saved, partial, log or nothing
 *   abandoned=WHAT: WHY           any number of these
 *   target=WORDS                  where the dump is, without secrets
 *   KEY=VALUE                     anything else, kept as it comes
 */
struct us_state_stage {
	const char *name;
	uint64_t begin_ms, end_ms; /* end UINT64_MAX: it did not end */
};
struct us_state_sample {
	uint64_t ms, available, used;
};
struct us_capture_state {
	struct us_pool pool;
	const struct us_state_stage *stages;
	size_t n_stages;
	const struct us_state_sample *samples;
	size_t n_samples;
	const char *const *keys, *const *values; /* all other lines, n of them */
	size_t n;
};
/* What is damaged in text is left out: it was written by a dying machine. */
struct us_err *us_capture_state_parse(struct us_bytes text, struct us_capture_state *ret)
	us_must_check;
/* The value of key, from which on (0 first); NULL if there is none. */
const char *us_capture_state_text(const struct us_capture_state *state, const char *key, size_t nth);
void us_capture_state_deinit(struct us_capture_state *state);

#endif
