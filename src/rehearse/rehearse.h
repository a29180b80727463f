/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rehearsal: this machine's kernel, the very capture kernel, capture image and command line,
 * and the reservation, in a virtual machine that is crashed; and what can be tried on the living
 * machine without a crash. What a virtual machine cannot prove is said.
 */
#ifndef US_REHEARSE_REHEARSE_H
#define US_REHEARSE_REHEARSE_H

#include "base/progress.h"
#include "crash/crash.h"

enum us_crash_kind {
	US_CRASH_SYSRQ,
	US_CRASH_NULL,   /* a null pointer in the kernel */
	US_CRASH_LOCKUP, /* a hard lockup, ended by the NMI watchdog */
	US_CRASH_OOM,    /* out of memory, with panic_on_oom */
	US_CRASH_KINDS
};
const char *us_crash_kind_name(enum us_crash_kind kind);
bool us_crash_kind_parse(const char *word, enum us_crash_kind *ret);

struct us_rehearse_wish {
	enum us_crash_kind kind;
	uint64_t memory_bytes; /* of the virtual machine; 0 = 1 GiB and what the reservation needs */
	uint64_t reserve_bytes; /* 0 = as reserved on this machine */
	unsigned int cpus;
	const char *qemu;       /* program; NULL = found in PATH */
	const char *keep_dir;   /* console, dump and disk stay here; NULL = removed */
	unsigned int timeout_s; /* 0 = 600 without KVM, 180 with */
	struct us_progress *progress;
};

struct us_rehearse_stage {
	const char *name; /* "boot", "load", "crash to capture kernel", "modules", "dump"... */
	uint64_t begin_ms, end_ms; /* since the crash; before it: negative is stored as 0 */
	uint64_t least_available;  /* bytes, MemAvailable at its lowest; UINT64_MAX unknown */
};
struct us_rehearse_sample {
	uint64_t ms, available, used; /* since the crash; bytes */
};

struct us_rehearsal {
	struct us_pool pool;
	bool passed;
	const char *failed_at; /* stage and reason in words; NULL if passed */
	bool exact;            /* the very capture image; else one like it, or more laid over */
	bool kvm;
	uint64_t reserve_bytes, capture_total, least_available, peak; /* bytes */
	const struct us_rehearse_stage *stages;
	size_t n_stages;
	const struct us_rehearse_sample *samples;
	size_t n_samples;
	uint64_t dump_bytes, dump_pages;
	const char *panic;                             /* as the dump's log has it */
	const char *const *proved, *const *not_proved; /* NULL-terminated */
	const char *console;                           /* its last lines; whole below keep_dir */
	double seconds;
};
/* US_ERR_NOT_FOUND: QEMU is missing, with the package to install. A rehearsal that fails is a
 * result (passed = false), not an error. */
struct us_err *us_rehearse(const struct us_host *host, const struct us_arming *arming,
			   const struct us_rehearse_wish *wish, struct us_rehearsal **ret)
	us_must_check;
void us_rehearsal_free(struct us_rehearsal *rehearsal);
/* The least reservation that works, by halving down to 4 MiB; each run is told to progress.
 * *ret_bytes has no margin. *ret: the run with it. */
struct us_err *us_rehearse_find_size(const struct us_host *host, const struct us_arming *arming,
				     const struct us_rehearse_wish *wish, uint64_t *ret_bytes,
				     struct us_rehearsal **ret) us_must_check;
/* Note the result for status and size (US_CRASH_STATE_DIR). */
struct us_err *us_rehearsal_note(const struct us_host *host, const struct us_arming *arming,
				 const struct us_rehearsal *rehearsal) us_must_check;

/* PID 1 of the machines that a rehearsal starts: never returns. */
_Noreturn void us_rehearse_guest(void);

struct us_live_part {
	const char *what, *result;
	enum us_tri ok;
};
/* From an arming that has tried its targets (no_probe and dry_run false): modules are there and at
 * work, targets take, keep and give back; the predicted size against free space. */
struct us_err *us_rehearse_live(const struct us_host *host, const struct us_arming *arming,
				struct us_pool *pool, const struct us_live_part **ret,
				size_t *ret_n) us_must_check;

#endif
