/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Facts -> plan -> kernel. us_plan_make() is pure: from image, machine and wish it computes every
 * segment, its place and the reason, and what the next kernel will be handed. us_plan_commit() is
 * the only place that asks the kernel to take a plan.
 */
#ifndef US_LOAD_LOAD_H
#define US_LOAD_LOAD_H

#include "host/host.h"
#include "image/image.h"

enum us_call {
	US_CALL_AUTO,
	US_CALL_FILE /* kexec_file_load(2) */,
	US_CALL_LOAD /* kexec_load(2) */
};
/* "auto", "file", "load", as the configuration has it; false: another word. */
bool us_call_parse(const char *word, enum us_call *ret);
enum us_purpose { US_REBOOT, US_CRASH };

#define US_SEGMENTS_MAX 16 /* KEXEC_SEGMENT_MAX, linux/kexec.h */

/* What is asked for. */
struct us_wanted {
	enum us_purpose purpose;
	enum us_call call;
	const char *cmdline;       /* final words of the user, "" if none */
	uint64_t mem_min, mem_max; /* limits for every segment; mem_max 0 = none */
	bool no_efi;               /* do not hand EFI runtime over */
	bool no_checks;            /* no digest in the purgatory */
	bool hotplug; /* leave room for CPU and memory hotplug in elfcorehdr, update by the kernel */
	bool no_cma, force_dtb; /* KEXEC_FILE_* flags; a kernel without them refuses */
	bool unpacked; /* kexec_load of a bzImage: place the kernel that is packed in it, so that it
			  need not unpack itself when it starts; after the deep look */
};

enum us_segment_role {
	US_SEG_PURGATORY,
	US_SEG_BOOT_PARAMS,
	US_SEG_KERNEL,
	US_SEG_INITRD,
	US_SEG_SETUP_DATA,
	US_SEG_ELFCOREHDR,
	US_SEG_DTB,
	US_SEG_ROLES
};
const char *us_segment_role_name(enum us_segment_role role);

struct us_segment {
	enum us_segment_role role;
	struct us_bytes bytes; /* borrowed from the plan's pool, the image or the initrd */
	struct us_range dest;  /* page aligned; size >= bytes.n, the rest is zero */
	const char *why;       /* "highest hole above pref_address 16 MiB, below 64 TiB" */
	bool hashed;           /* covered by the purgatory's digest */
};

/* Everything that a reader of a plan may want to compare with what the next kernel reports. */
struct us_handover {
	uint64_t cmdline_addr, initrd_addr, initrd_bytes, setup_data_addr, acpi_rsdp;
	const char *cmdline; /* as the next kernel sees it, with what loaders add (elfcorehdr=...) */
	uint8_t type_of_loader;
	const struct us_map_entry *e820; /* in order */
	size_t n_e820;
	bool efi;
};

struct us_plan {
	struct us_pool pool;
	enum us_call call; /* decided: FILE or LOAD */
	const char *call_why;
	enum us_purpose purpose;
	struct us_wanted wanted; /* what was asked; its text belongs to the plan */
	uint64_t flags;          /* of the chosen system call */
	/* US_CALL_LOAD: exact. US_CALL_FILE: the kernel decides; what it will do is predicted from
	 * its source and placed in .segments with predicted = true */
	struct us_segment segments[US_SEGMENTS_MAX];
	size_t n_segments;
	bool predicted;
	uint64_t entry;
	const struct us_image *image;   /* borrowed */
	const struct us_initrd *initrd; /* borrowed, may be NULL */
	const char *cmdline;            /* what is given to the system call (US_CALL_FILE) */
	struct us_handover handover;
	const char *const *why; /* NULL-terminated notes: what was decided and what the next kernel
				   loses by the path chosen */
	const char *no_room;  /* a placement that failed, in words with the shortfall; then the plan
				 cannot be committed (a rule says so) */
	uint64_t short_bytes; /* how much memory was missing for it */
};

/*
 * image, host and initrd (may be NULL) are borrowed for the plan's life. A plan that does not fit
 * is a plan with no_room set, not an error. US_ERR_UNSUPPORTED: this image cannot be loaded by that
 * call at all, or the call cannot do what was asked. US_ERR_DENIED: a fact that the plan needs (the
 * memory map; for a crash by kexec_load what the ELF core header tells) cannot be read, with its
 * path.
 */
struct us_err *us_plan_make(const struct us_image *image, const struct us_initrd *initrd,
			    const struct us_host *host, const struct us_wanted *wanted,
			    struct us_plan **ret) us_must_check;
void us_plan_free(struct us_plan *plan);
static inline void us_plan_freep(struct us_plan **plan)
{
	us_plan_free(*plan);
}
#define _us_plan_free_ __attribute__((cleanup(us_plan_freep)))

/* How a commit went. */
struct us_outcome {
	struct us_pool pool;
	bool done;              /* loaded and the state read back says so */
	int os_errno;           /* of the refusing call, 0 if done */
	const char *call;       /* "kexec_file_load" */
	const char *meaning;    /* what that errno means here, in words */
	const char *kernel_log; /* the kernel's own lines since the call, "" if none or unreadable */
	enum us_tri armed;      /* crash: is a crash image loaded now (read back) */
	const char *
		armed_with; /* crash: "this image", "the previous image, loaded again", "none"... */
};
/*
 * Ask the kernel. A refusal is an outcome (done = false), not an error. For US_CRASH, previous (may
 * be NULL) is the plan that is armed now: if the call fails it is loaded again at once.
 * US_ERR_NO_ROOM, before anything was asked: the plan or its command line does not fit.
 */
struct us_err *us_plan_commit(const struct us_plan *plan, struct us_host *host,
			      const struct us_plan *previous, struct us_outcome *ret) us_must_check;
/* Unload by whichever call exists; kexec_file_load first, since lockdown and IMA refuse the other
 * one. */
struct us_err *us_unload(struct us_host *host, enum us_purpose purpose, enum us_call call,
			 struct us_outcome *ret) us_must_check;
void us_outcome_deinit(struct us_outcome *outcome);
#define _us_outcome_deinit_ __attribute__((cleanup(us_outcome_deinit)))

/*
 * The command line of the next kernel from the running one's, without what must not be inherited:
 * BOOT_IMAGE=, initrd=, elfcorehdr=, and for US_CRASH also crashkernel=, hugepages, resume= ...
 * (quotes respected), then append (may be NULL), before a "--" if there is one.
 */
struct us_err *us_cmdline_reuse(const struct us_host *host, enum us_purpose purpose,
				const char *append, char **ret) us_must_check;
/* The value of the last "name=" word of a command line (quotes respected), "" for a bare "name";
 * false if absent. ret owned by the caller. */
bool us_cmdline_get(const char *cmdline, const char *name, char **ret);

/* True if release ("6.12.117+deb12") is known and at least major.minor. */
bool us_release_at_least(const char *release, unsigned int major, unsigned int minor);

/* What a committed crash image was made of, copied to run_dir/armed (both are made if need be) so
 * that a failed reload can restore it. Loading refuses copies that changed (US_ERR_BAD_DATA);
 * US_ERR_NOT_FOUND: nothing was saved. */
struct us_err *us_armed_save(const struct us_plan *plan, const char *run_dir) us_must_check;
/* image, hash: a kernel that was looked into deeply, and its file's SHA-256 in hex, or NULL. If the
 * set has the same kernel, the plan is made of that one, which has to outlive it, and *ret_image is
 * NULL. */
struct us_err *us_armed_load(const char *run_dir, const struct us_host *host,
			     const struct us_image *image, const char *hash, struct us_plan **ret,
			     struct us_image **ret_image, struct us_initrd **ret_initrd)
	us_must_check;
/*
 * Beside the set: what the kernel's payload unpacks to, packed so that it unpacks many times faster.
 * An image of the same file is given it before its deep look; *ret_known false: nothing is kept of
 * that file. hash: the file's SHA-256 in hex.
 */
struct us_err *us_armed_save_unpacked(const char *run_dir, const struct us_image *image,
				      const char *hash) us_must_check;
struct us_err *us_armed_take_unpacked(const char *run_dir, struct us_image *image, const char *hash,
				      bool *ret_known) us_must_check;
/* Removes what was saved, which is in memory where run_dir is. */
void us_armed_forget(const char *run_dir);

#endif
