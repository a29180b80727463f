/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What arming, sizing and the noted state share. */
#ifndef US_CRASH_ARM_INT_H
#define US_CRASH_ARM_INT_H

#include "crash/crash.h"

/* resident.c: bytes of an unpacked kernel that stay in memory while it runs, and those that it
 * takes until it has started and frees its .init sections and the gaps. False: elf is no ELF file
 * of 64 bits with section headers. */
bool us_crash_resident(struct us_bytes elf, uint64_t *ret, uint64_t *ret_starting);

/* keys.c: does a target lie on an encrypted volume, and then: name its keys to the kernel, which must
 * be done before each load, and that by kexec_file_load. */
bool us_crash_needs_keys(const struct us_walk_result *walk);
struct us_err *us_crash_hand_keys(struct us_host *host, const struct us_walk_result *walk)
	us_must_check;

/* A list of texts that grows in a pool; always NULL-terminated once something was added. */
struct us_texts {
	struct us_pool *pool;
	const char **v;
	size_t n;
};
struct us_err *us_texts_add(struct us_texts *texts, const char *fmt, ...)
	us_must_check us_printf(2, 3);

/* "/boot/vmlinuz" below the root of a recorded machine, as it is on this one. */
struct us_err *us_crash_path(const struct us_host *host, struct us_pool *pool, const char *path,
			     const char **ret) us_must_check;

/* ---- state.c ---- */
struct us_noted { /* about the set that was armed last; texts are NULL if unknown */
	struct us_pool pool;
	const char *boot_id;      /* of the boot in which it was loaded; NULL: no more */
	const char *set, *loaded; /* as in struct us_arming */
	const char *at, *running, *capture, *kernel, *kernel_hash, *cmdline;
	uint64_t need;
};
/* US_ERR_NOT_FOUND: nothing is noted. */
struct us_err *us_noted_read(const struct us_host *host, struct us_noted *ret) us_must_check;
void us_noted_deinit(struct us_noted *noted);
#define _us_noted_deinit_ __attribute__((cleanup(us_noted_deinit)))
/* at NULL: now. The set itself is kept by us_armed_save() before. */
struct us_err *us_noted_write(const struct us_host *host, const struct us_noted *noted)
	us_must_check;
struct us_err *us_noted_manifest_write(const struct us_host *host, const char *manifest)
	us_must_check;
struct us_err *us_noted_manifest_read(const struct us_host *host, struct us_pool *pool,
				      const char **ret) us_must_check;
/* What has changed since it was armed: the kernel and what the manifest lists; an empty
 * list: nothing. early: as for us_manifest_stale(). */
struct us_err *us_noted_stale(const struct us_host *host, const struct us_noted *noted, bool early,
			      struct us_pool *pool, const char *const **ret) us_must_check;
/* It was loaded in this boot, and something is loaded. */
bool us_noted_is_loaded(const struct us_host *host, const struct us_noted *noted);
/* The folder of the state, made if need be. */
struct us_err *us_crash_state_dir(const struct us_host *host, struct us_pool *pool,
				  const char **ret) us_must_check;
/* This boot's id, NULL where it is not told. */
const char *us_crash_boot_id(const struct us_host *host, struct us_pool *pool);

#endif
