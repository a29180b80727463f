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
	const char *crash;          /* of the dump that was begun; NULL: none */
	void *data;                 /* the kind's own, made by open(), freed by close() */
};

/* As the functions of the same names in target.h; names and the deadline were looked at, list() is in
 * any order. close() is called after a failed open() as well,
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
	/* once, before the probe writes; what was done in words, or NULL */
	struct us_err *(*prepare)(struct us_target *target, struct us_pool *pool,
				  const char **ret_step);
	size_t probe_most; /* bytes that put() takes at most; 0: any number */
};
extern const struct us_target_ops us_target_dir, us_target_raw, us_target_nfs, us_target_ssh,
	us_target_http, us_target_s3;

/* nfs.c: what it does beside dir.c. */
struct us_err *us_nfs_open(struct us_target *target) us_must_check;
void us_nfs_close(struct us_target *target);
struct us_err *us_nfs_dump_end(struct us_target *target, bool finished, struct us_pool *pool,
			       const char **ret_where) us_must_check;

/* A system call's failure in words; a full disk or quota is US_ERR_NO_ROOM. */
struct us_err *us_target_os(int os_errno, const char *fmt, ...) us_must_check us_printf(2, 3);
/* US_ERR_OS ETIMEDOUT if the deadline is over. */
struct us_err *us_target_in_time(const struct us_target *target, const char *what) us_must_check;
uint64_t us_target_now_ns(void);

/* "20260102-030405-6.12": a saved crash has such a name. */
bool us_target_is_crash(const char *name);
/* True for a name that we give: no '/', no leading '.', nothing that a shell or a URL minds. */
bool us_target_name_ok(const char *name);

#endif
