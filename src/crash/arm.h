/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Arming: the capture kernel's command line, what the reservation has to hold, how large a dump
 * would be, all of it judged and loaded by one call, and what is noted about it for the next start
 * and for status. Part of the face crash.h.
 */
#ifndef US_CRASH_ARM_H
#define US_CRASH_ARM_H

#include "base/progress.h"
#include "check/check.h"
#include "host/host.h"
#include "load/load.h"
#include "target/target.h"

struct us_crash_config;
struct us_walk_result;
struct us_capture_image;

/* ---- words.c: the capture kernel's command line, built up from facts ---- */
struct us_crash_word {
	const char *word, *why;
};
struct us_err *us_crash_cmdline(const struct us_host *host, const struct us_crash_config *config,
				const struct us_image *kernel, struct us_pool *pool,
				const struct us_crash_word **ret, size_t *ret_n) us_must_check;

/* ---- state.c: the rehearsals that were made on this machine; pairs of kernels are proved by them
 * ---- */
struct us_crash_rehearsed {
	const char *set;               /* us_arming.set */
	const char *at;                /* UTC, "2026-01-02T03:04:05Z"; NULL when noting: now */
	const char *running, *capture; /* releases */
	const char *result;            /* "passed", or stage and reason */
	bool passed;
	uint64_t reserved;  /* bytes */
	uint64_t available; /* of them at the worst moment, bytes */
	uint64_t seconds;
};
struct us_err *us_crash_rehearsed_note(const struct us_host *host,
				       const struct us_crash_rehearsed *run) us_must_check;
/* Oldest first; none is no error. */
struct us_err *us_crash_rehearsed_read(const struct us_host *host, struct us_pool *pool,
				       const struct us_crash_rehearsed **ret, size_t *ret_n)
	us_must_check;

/* ---- size.c: what the reservation has to hold ---- */
struct us_crash_need { /* bytes; each with the fact it comes from */
	uint64_t kernel, image_packed, image_unpacked, base, modules, dumping, network, margin,
		total;
	uint64_t border;        /* of total: the reservation crosses one of 128 MiB (x86_64) */
	uint64_t reserved;      /* kexec_crash_size, all ranges */
	uint64_t recommended;   /* rounded up to 8 MiB */
	const char *parameter;  /* "crashkernel=96M" */
	bool measured;          /* total is of a rehearsal, not of the estimate */
	const char *const *why; /* NULL-terminated */
};
/* measured: the last rehearsal of this very set, or NULL. */
struct us_err *us_crash_size(const struct us_host *host, const struct us_crash_config *config,
			     const struct us_image *kernel, const struct us_capture_image *image,
			     const struct us_crash_rehearsed *measured, struct us_pool *pool,
			     struct us_crash_need *ret) us_must_check;
/* At most how many bytes a dump of this machine would have now: pages by /proc/kpageflags (else
 * /proc/meminfo), unpacked. US_ERR_NOT_FOUND if neither can be read. */
struct us_err *us_crash_predict(const struct us_host *host, unsigned int level, uint64_t *ret_bytes)
	us_must_check;

/* ---- arm.c ---- */
struct us_arming { /* all that was found, built and judged; nothing is changed yet */
	struct us_pool pool;
	struct us_crash_config *config;
	struct us_walk_result *walk; /* NULL if saved */
	struct us_image *kernel;
	struct us_capture_image *image; /* NULL if saved */
	struct us_initrd *initrd;
	const struct us_crash_word *words; /* none if saved */
	size_t n_words;
	const char *cmdline;
	struct us_wanted wanted;
	struct us_policy policy;
	struct us_plan *plan; /* NULL: plan_problem says why */
	struct us_err *plan_problem;
	struct us_case c;
	struct us_verdict *verdict;
	struct us_crash_need need;
	uint64_t predicted_bytes;      /* UINT64_MAX: not known */
	const struct us_probe *probes; /* one per target; steps NULL where probe_problems says why */
	const char *const *probe_problems;
	const char *const *blocks; /* NULL-terminated: what forbids arming, with the remedy */
	const char *const *warnings;
	const char *set;    /* hash of kernel, image and command line */
	const char *loaded; /* hash of the set, the call and, unless the kernel follows changes,
			       the memory map */
	const char *kernel_path; /* as configured or found */
	const char *kernel_hash; /* SHA-256 of that file */
	bool kernel_known;       /* what it unpacks to was kept from an earlier arming */
	bool saved;              /* early: the set that was armed last, which is not stale */
	bool same;               /* what is armed is this already: nothing to do */
};
struct us_arm_wish {
	const char *config_path; /* NULL: the default */
	bool dry_run, early, no_probe, accept_small;
	bool force; /* load it although it is armed already */
	struct us_progress *progress;
};
struct us_err *us_arm_prepare(struct us_host *host, const struct us_arm_wish *wish,
			      struct us_arming **ret) us_must_check;
/* One at a time: waits until no other process arms. Closing *ret_fd ends it. */
struct us_err *us_crash_lock(const struct us_host *host, int *ret_fd) us_must_check;
/* The one call, with the last good set at hand (of run_dir if arm did not load it), and then what
 * is armed is noted in the state directory. *ret_not_noted: why that could not be; it is armed all
 * the same. */
struct us_err *us_arm_commit(struct us_host *host, struct us_arming *arming, const char *run_dir,
			     struct us_outcome *ret, struct us_err **ret_not_noted) us_must_check;
/* The plan and the verdict anew, for the same machine after its reservation changed. */
struct us_err *us_arm_replan(const struct us_host *host, struct us_arming *arming) us_must_check;
void us_arming_free(struct us_arming *arming);
static inline void us_arming_freep(struct us_arming **arming)
{
	us_arming_free(*arming);
}
#define _us_arming_free_ __attribute__((cleanup(us_arming_freep)))

/* The set to load again if another load fails: what is armed now, as it was kept by arm, or in
 * run_dir by a load of a single image. NULL members, and the reason: it is not known. */
struct us_crash_kept {
	struct us_plan *plan;
	struct us_image *image;
	struct us_initrd *initrd;
};
/* arming: what is to be loaded now, which outlives *ret and may share its kernel; or NULL. */
struct us_err *us_crash_kept_read(const struct us_host *host, const char *run_dir,
				  const struct us_arming *arming, struct us_crash_kept *ret)
	us_must_check;
void us_crash_kept_deinit(struct us_crash_kept *kept);
/* What is noted as armed is so no more: it was unloaded, or another image was loaded. The set
 * itself stays, for the next start. */
void us_crash_forget_loaded(const struct us_host *host);

/* ---- pstore.c: logs that pstore kept of crashes, below root_fd ---- */
struct us_crash_kept_log {
	const char *path; /* the newest file; NULL: there is none */
	size_t n;         /* files; a crash may have several */
	const char *at;   /* its time: "2026-01-02T03:04:05Z" */
};
struct us_err *us_crash_kept_log(int root_fd, struct us_pool *pool, struct us_crash_kept_log *ret)
	us_must_check;

/* ---- status.c: what status shows; each text is NULL if unknown ---- */
struct us_crash_target_state {
	const char *text, *kind;
	const char *problem; /* why it cannot be looked at now; NULL if it can */
	uint64_t free_bytes; /* UINT64_MAX: not known */
	size_t crashes;      /* saved ones */
};
struct us_crash_state {
	struct us_pool pool;
	bool noted;       /* a set was armed once */
	bool armed_by_us; /* in this boot, and an image is loaded */
	const char *armed_release, *armed_at, *armed_kernel, *cmdline, *manifest, *set;
	uint64_t need;            /* bytes, of the set */
	const char *const *stale; /* what has changed since, NULL-terminated; NULL: not compared */
	const char *rehearsed_at, *rehearsed_result; /* of this very set */
	bool rehearsed_passed;
	uint64_t rehearsed_reserved, rehearsed_available, rehearsed_seconds;
	uint64_t predicted_bytes;   /* of a dump now; UINT64_MAX: not known */
	const char *config_problem; /* why the configuration cannot be read */
	const struct us_crash_target_state *targets;
	size_t n_targets;
	const char *last_crash, *last_crash_result, *last_crash_target; /* as the capture left it */
	const char *last_crash_panic;                                   /* NULL: not known */
	bool last_crash_recent;                                         /* this start followed it */
	struct us_crash_kept_log kept_log;
};
struct us_err *us_crash_state_read(const struct us_host *host, const char *config_path,
				   struct us_crash_state **ret) us_must_check;
void us_crash_state_free(struct us_crash_state *state);
static inline void us_crash_state_freep(struct us_crash_state **state)
{
	us_crash_state_free(*state);
}
#define _us_crash_state_free_ __attribute__((cleanup(us_crash_state_freep)))

#endif
