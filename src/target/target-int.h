/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to src/target: what a kind of target does itself. target.c has the table of kinds and all
 * that is the same for each of them (probe, prune, deadlines of the whole).
 */
#ifndef US_TARGET_TARGET_INT_H
#define US_TARGET_TARGET_INT_H

#include "target/target.h"

#define US_TARGET_PARTIAL ".incomplete" /* what a dump's name has behind it until it is whole */

struct us_target_ops;
struct us_target {
	const struct us_target_ops *ops;
	struct us_pool pool;        /* what open() and dump_begin() keep until close() */
	struct us_target_spec spec; /* texts belong to the caller of us_target_open() */
	const char *root;           /* never NULL */
	uint64_t deadline_ns;       /* CLOCK_MONOTONIC; 0 = none */
	void *data;                 /* the kind's own, made by open(), freed by close() */
};

/* As the functions of the same names in target.h. close() is called after a failed open() as well,
 * with data as that left it. NULL: the kind cannot (US_ERR_UNSUPPORTED). */
struct us_target_ops {
	struct us_err *(*open)(struct us_target *target);
	void (*close)(struct us_target *target);
	struct us_err *(*free_bytes)(struct us_target *target, uint64_t *ret);
	struct us_err *(*put)(struct us_target *target, const char *crash, const char *name,
			      struct us_bytes bytes);
	struct us_err *(*get)(struct us_target *target, const char *crash, const char *name,
			      size_t max, struct us_blob *ret);
	struct us_err *(*dump_begin)(struct us_target *target, const char *crash,
				     const char **ret_path, struct us_sink **ret_sink);
	struct us_err *(*dump_end)(struct us_target *target, bool finished, struct us_pool *pool,
				   const char **ret_where);
	struct us_err *(*list)(struct us_target *target, struct us_pool *pool,
			       const struct us_saved **ret, size_t *ret_n);
	struct us_err *(*remove)(struct us_target *target, const char *crash);
};
extern const struct us_target_ops us_target_dir, us_target_raw, us_target_nfs, us_target_ssh,
	us_target_http, us_target_s3;

/* True for a name that we give: no '/', no leading '.', nothing that a shell or a URL minds. */
bool us_target_name_ok(const char *name);

#endif
