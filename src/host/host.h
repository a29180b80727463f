/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine: /proc and /sys under a root directory -> struct us_host. Every fact carries the path
 * it came from; a fact that could not be read says why and what would let it. Reading needs no root
 * and changes nothing. Changing the machine goes through us_host.act only (host/act.c).
 */
#ifndef US_HOST_HOST_H
#define US_HOST_HOST_H

#include "arch/arch.h"
#include "base/pool.h"
#include "base/tri.h"
#include "kconfig/kconfig.h"

#include <stdio.h>

/* Where a fact comes from. Known if missing is NULL; else missing says why not and what would let
 * it ("readable by root only"). */
struct us_origin {
	const char *path;
	const char *missing;
};
struct us_fact_u64 {
	struct us_origin o;
	uint64_t v;
};
struct us_fact_i64 {
	struct us_origin o;
	int64_t v;
};
struct us_fact_str {
	struct us_origin o;
	const char *v; /* "" when unknown, never NULL */
};
struct us_fact_tri {
	struct us_origin o;
	enum us_tri v; /* US_UNKNOWN exactly if o.missing */
};
static inline bool us_known(struct us_origin o)
{
	return o.missing == NULL;
}

/* One segment as the kernel takes it (struct kexec_segment of linux/kexec.h). */
struct us_kexec_segment {
	const void *buf;
	size_t bufsz;
	uint64_t mem;
	size_t memsz;
};

/* The only way to change the machine. Each returns 0 or a positive errno. data is the first
 * argument of each. */
struct us_act {
	int (*kexec_load)(void *data, uint64_t entry, size_t n,
			  const struct us_kexec_segment *segments, uint64_t flags);
	/* initrd_fd -1: none. cmdline_len counts the NUL; 0 = none. */
	int (*kexec_file_load)(void *data, int kernel_fd, int initrd_fd, size_t cmdline_len,
			       const char *cmdline, uint64_t flags);
	int (*sync_disks)(void *data);
	int (*reboot_kexec)(void *data); /* returns only on failure (or when recording) */
	int (*run)(void *data, const char *const *argv,
		   int *ret_status); /* wait(2) status of a program such as systemctl */
	int (*write_file)(void *data, const char *path,
			  struct us_bytes bytes); /* a sysfs or procfs file */
	void *data;
	bool recording; /* calls are only written down: the state read back is not their doing */
};
/* The real one. Its functions are the only ones in the tree that change the machine. */
struct us_act us_act_real(void);
/*
 * One that only writes a line per call to out (a JSON object each) and answers 0. Used by --dry-run
 * and every test outside a VM. out is borrowed. fail_call/fail_errno: this call (by name) answers
 * that errno, or NULL.
 */
struct us_act_recording {
	FILE *out;
	const char *fail_call;
	int fail_errno;
};
struct us_act us_act_recording(struct us_act_recording *recording);

struct us_host_key { /* one certificate or revoked hash in the kernel's keyrings, from /proc/keys */
	uint32_t serial;
	bool hash;           /* revoked: the description is "tbs:" or "bin:" and hex digits */
	const char *keyring; /* ".builtin_trusted_keys", ...; "" if in none that could be listed */
	const char *description; /* "Debian Secure Boot CA: 6ccece7e..." */
	const char *key_id;      /* hex, or "" */
};

struct us_host_efi_region { /* /sys/firmware/efi/runtime-map/N */
	uint32_t type;
	uint64_t phys, virt, pages, attribute;
};

struct us_host {
	struct us_pool pool;
	int root_fd;
	const char *root; /* "/" or the fixture's directory */
	bool live;        /* root is the running machine */
	struct us_act act;
	const struct us_arch *arch;
	struct us_fact_str machine, release, version, cmdline;
	struct us_fact_tri config_known; /* US_YES with the path when .config was found */
	struct us_kconfig *kconfig;      /* of the running kernel, or NULL; owned */

	/* CPU */
	struct us_fact_u64 paging_levels; /* in use: 4 or 5 (x86_64) */
	struct us_fact_u64 possible_cpus, max_apicid;
	struct us_fact_tri x2apic, sme_active, sev_guest, tdx_guest, tdx_host, xen_pv;
	struct us_fact_str hypervisor; /* "" = none seen */

	/* memory; masked: /proc/iomem shows zeros (not root) */
	struct us_map firmware_map; /* /sys/firmware/memmap: what firmware said */
	struct us_origin firmware_map_from;
	size_t firmware_entries; /* as listed, unmerged */
	struct us_map map;       /* /proc/iomem top level, RAM with CRASH and KERNEL_* cut in */
	struct us_origin map_from;
	size_t reserved_entries;       /* ACPI, NVS and Reserved lines of /proc/iomem, as listed */
	struct us_fact_u64 total_ram;  /* bytes, MemTotal */
	struct us_fact_u64 unaccepted; /* bytes a confidential guest has not accepted yet */
	struct us_range crash[4];      /* "Crash kernel" ranges, ascending */
	size_t n_crash;
	struct us_fact_u64 crash_size;  /* kexec_crash_size, bytes */
	struct us_fact_str crashkernel; /* the crashkernel= words of the command line, "" if none */

	/* kexec */
	struct us_fact_u64 kexec_loaded, crash_loaded;
	struct us_fact_tri has_kexec_load, has_kexec_file_load,
		has_crash_dump; /* by kallsyms, config, sysfs: never by a trial call */
	struct us_fact_u64 load_disabled;
	struct us_fact_i64 limit_panic, limit_reboot; /* -1 = unlimited */
	struct us_fact_u64 elfcorehdr_size;
	struct us_fact_tri crash_hotplug_cpu, crash_hotplug_memory;
	struct us_fact_u64 vmcoreinfo_addr, vmcoreinfo_size;
	/* where each CPU's registers go at a crash: physical address and bytes, by CPU number, from
	 * /sys/devices/system/cpu/cpuN/crash_notes and crash_notes_size */
	const struct us_range *crash_notes;
	size_t n_crash_notes;
	struct us_origin crash_notes_from;
	struct us_fact_u64 text_virt, text_phys, text_end_phys,
		page_offset; /* elfcorehdr: from /proc/kallsyms, /proc/iomem, /proc/kcore */
	struct us_fact_u64 panic_on_oops;
	struct us_fact_u64 crash_post_notifiers;

	/* who asks */
	struct us_fact_tri cap_sys_boot, init_pid_ns, init_user_ns;
	struct us_fact_tri systemd; /* runs as PID 1 */

	/* firmware */
	struct us_fact_tri efi;
	struct us_fact_u64 efi_bits; /* 32 or 64 */
	struct us_fact_u64 efi_systab, efi_fw_vendor, efi_runtime, efi_config_table, efi_smbios,
		acpi_rsdp;
	const struct us_host_efi_region *efi_regions;
	size_t n_efi_regions;
	struct us_origin efi_regions_from;
	struct us_bytes boot_params; /* /sys/kernel/boot_params/data, empty if unreadable */
	struct us_origin boot_params_from;

	/* trust */
	struct us_fact_str lockdown; /* "none", "integrity", "confidentiality" */
	struct us_fact_tri secure_boot,
		sig_enforced /* derived; o.path names all it was derived from */,
		ima_appraises_kexec /* kernels that kexec_file_load is given */,
		ima_appraises_initrd /* and initrds, by a signature of IMA's */,
		ima_refuses_kexec_load;
	bool ima_by_hash; /* it appraises kernels by a mere hash, which whoever may load can write */
	const struct us_host_key *keys;
	size_t n_keys;
	struct us_origin keys_from, keyrings_from; /* keyrings: which key is in which */
	const char *unlisted; /* of the keyrings that kexec asks, those whose content is not known:
				 names, a space between; never NULL. Then keyrings_from is missing */
	enum us_tri machine_linked; /* .machine counts for kexec: .secondary_trusted_keys has it */

	/* devices */
	struct us_fact_u64 iommus;        /* entries of /sys/class/iommu */
	struct us_fact_str iommu_kind;    /* "intel", "amd", "" */
	struct us_fact_str gpu_drivers;   /* DRM drivers in use, space separated */
	struct us_fact_str resume_device; /* hibernation: /sys/power/resume, "" or "0:0" = none */
	struct us_fact_tri
		hibernation_image; /* a swap area with a hibernation signature, where readable */
};

/* Read everything below root ("/" for this machine; a directory written by us_host_snapshot()
 * otherwise). A recorded host gets an act that only refuses. */
struct us_err *us_host_open(const char *root, struct us_host **ret) us_must_check;
void us_host_free(struct us_host *host);
static inline void us_host_freep(struct us_host **host)
{
	us_host_free(*host);
}
#define _us_host_free_ __attribute__((cleanup(us_host_freep)))

/* Read the kexec state (loaded, crash_loaded, crash_size, crash_hotplug...) again, after a call. */
struct us_err *us_host_refresh_kexec(struct us_host *host) us_must_check;

/* The kernel log between two moments: for explaining an errno by the kernel's own words. */
struct us_kmsg;
struct us_err *us_kmsg_mark(struct us_kmsg **ret)
	us_must_check; /* from now on; works without permission: then it yields nothing and says so */
/* The lines since the mark that speak of kexec, Lockdown, ima, PEFILE, keys; newline separated,
 * owned by the caller; "" if none. */
struct us_err *us_kmsg_since(struct us_kmsg *mark, char **ret) us_must_check;
void us_kmsg_free(struct us_kmsg *mark);

/* Why the log could not be followed ("readable by root only"), or NULL. */
const char *us_kmsg_missing(const struct us_kmsg *mark);

/*
 * One word of a kernel command line, as the kernel cuts it (Linux 6.12 lib/cmdline.c: next_arg):
 * white space ends a word except between double quotes. at is advanced; false at the end, which is
 * also a word "--" (what follows is for init).
 */
struct us_cmdline_word {
	const char *p; /* borrowed, as written */
	size_t n;
};
bool us_cmdline_next(const char **at, struct us_cmdline_word *ret);
/* Is it "name" or "name=..."? '-' and '_' are the same, as for the kernel. */
bool us_cmdline_is(const struct us_cmdline_word *word, const char *name);

/* Write all files that us_host_open() reads into dir as a fixture, scrubbed: no MAC, UUID, host
 * name, serial, keys; secrets on the command line blanked. dir is made, or it is there and empty
 * (else US_ERR_USAGE). */
struct us_err *us_host_snapshot(const struct us_host *host, const char *dir, size_t *ret_files)
	us_must_check;

#endif
