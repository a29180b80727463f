/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the files of host/ share: the table of every file that is read (and so recorded by a
 * snapshot), the way to read one, and the parsers, which are pure: text in, values out. A parser
 * fails with a line or an offset; a file that cannot be read is no failure but an unknown fact.
 */
#ifndef US_HOST_HOST_INT_H
#define US_HOST_HOST_INT_H

#include "host/host.h"

/* files.c: one row for each file that us_host_open() may read. In a path "*" stands for any name in
 * that folder, "@" for the running kernel's release. */
enum us_host_file {
	US_FILE_ARCH,
	US_FILE_OSRELEASE,
	US_FILE_VERSION,
	US_FILE_CMDLINE,
	US_FILE_CONFIG_GZ,
	US_FILE_CONFIG_BOOT,
	US_FILE_CONFIG_MODULES,
	US_FILE_CONFIG_BUILD,
	US_FILE_CPUINFO,
	US_FILE_POSSIBLE,
	US_FILE_XEN_TYPE,
	US_FILE_XEN_GUEST,
	US_FILE_DMI_VENDOR,
	US_FILE_KVM_TDX,
	US_FILE_MEMMAP_START,
	US_FILE_MEMMAP_END,
	US_FILE_MEMMAP_TYPE,
	US_FILE_IOMEM,
	US_FILE_MEMINFO,
	US_FILE_LOADED,
	US_FILE_LOADED_OLD,
	US_FILE_CRASH_LOADED,
	US_FILE_CRASH_LOADED_OLD,
	US_FILE_CRASH_SIZE,
	US_FILE_CRASH_SIZE_OLD,
	US_FILE_ELFCOREHDR_SIZE,
	US_FILE_ELFCOREHDR_SIZE_OLD,
	US_FILE_HOTPLUG_CPU,
	US_FILE_HOTPLUG_MEMORY,
	US_FILE_VMCOREINFO,
	US_FILE_CRASH_NOTES,
	US_FILE_CRASH_NOTES_SIZE,
	US_FILE_LOAD_DISABLED,
	US_FILE_LIMIT_PANIC,
	US_FILE_LIMIT_REBOOT,
	US_FILE_PANIC_ON_OOPS,
	US_FILE_POST_NOTIFIERS,
	US_FILE_KALLSYMS,
	US_FILE_STATUS,
	US_FILE_NS_PID,
	US_FILE_NS_USER,
	US_FILE_INIT_COMM,
	US_FILE_EFI_BITS,
	US_FILE_EFI_SYSTAB,
	US_FILE_EFI_FW_VENDOR,
	US_FILE_EFI_RUNTIME,
	US_FILE_EFI_CONFIG_TABLE,
	US_FILE_EFI_REGION_TYPE,
	US_FILE_EFI_REGION_PHYS,
	US_FILE_EFI_REGION_VIRT,
	US_FILE_EFI_REGION_PAGES,
	US_FILE_EFI_REGION_ATTRIBUTE,
	US_FILE_EFI_SECURE_BOOT,
	US_FILE_BOOT_PARAMS,
	US_FILE_LOCKDOWN,
	US_FILE_IMA_POLICY,
	US_FILE_KEYS,
	US_FILE_IOMMU,
	US_FILE_DRM,
	US_FILE_RESUME,
	US_FILE_RESUME_OFFSET,
	/* What a recording holds in place of what only a living machine can be asked. */
	US_FILE_MADE_MACHINE,
	US_FILE_MADE_VMCOREINFO,
	US_FILE_MADE_KCORE,
	US_FILE_MADE_HIBERNATION,
	US_FILE_MADE_KEYRINGS,
	US_FILE_MADE_DENIED, /* paths, one a line, that could not be read */
	US_FILE_COUNT
};

/* How a snapshot cleans a file. */
enum us_scrub {
	US_SCRUB_TEXT,   /* UUIDs and MAC addresses become numbers */
	US_SCRUB_BINARY, /* copied as it is */
	US_SCRUB_CMDLINE,
	US_SCRUB_VERSION,
	US_SCRUB_CPUINFO,
	US_SCRUB_STATUS,
	US_SCRUB_KEYS,
	US_SCRUB_KALLSYMS,
	US_SCRUB_BOOT_PARAMS,
	US_SCRUB_MADE /* written by snapshot.c itself */
};

struct us_host_file_row {
	const char *path;
	uint32_t max; /* bytes */
	enum us_scrub scrub;
	const char *absent; /* why it may be absent and what would let it be there */
};
extern const struct us_host_file_row us_host_files[US_FILE_COUNT];

/* A formatted string of the pool; without memory a static text that says so. Never NULL. */
const char *us_host_say(struct us_pool *pool, const char *fmt, ...) us_printf(2, 3);
/* The path of a file with "*" and "@" filled in (name may be NULL). */
const char *us_host_path(const struct us_host *host, struct us_pool *pool, enum us_host_file file,
			 const char *name);
/* Open below the root; -1 and errno. A symbolic link does not lead out of a recorded host. */
int us_host_openat(const struct us_host *host, const char *path, int flags);
/* Read one file. False: ret is untouched and ret_from->missing says why. The blob has a NUL behind
 * its last byte. */
bool us_host_read(const struct us_host *host, struct us_pool *pool, enum us_host_file file,
		  const char *name, struct us_blob *ret, struct us_origin *ret_from);
/* The first bytes of a large file of which only the start matters. */
bool us_host_read_head(const struct us_host *host, struct us_pool *pool, enum us_host_file file,
		       size_t bytes, struct us_blob *ret, struct us_origin *ret_from);
/* us_host_read() for a file that was renamed between kernel versions: file, else the row behind it. */
bool us_host_read_either(const struct us_host *host, struct us_pool *pool, enum us_host_file file,
			 struct us_blob *ret, struct us_origin *ret_from);
/* The names that "*" stands for, sorted as numbers where they are numbers. n 0 if there are none.
 * Only names for which the file exists. */
struct us_err *us_host_list(const struct us_host *host, struct us_pool *pool,
			    enum us_host_file file, const char *const **ret, size_t *ret_n)
	us_must_check;

/* parse.c: the next line of *rest without its newline; false at the end. */
bool us_line_next(struct us_bytes *rest, struct us_bytes *ret);
/* True if the line starts with word; ret (may be NULL) is what follows. */
bool us_line_after(struct us_bytes line, const char *word, struct us_bytes *ret);
/* A number at the start of b (base 10 or 16, 0x allowed for 16); ret_used: characters eaten. */
bool us_number_at(struct us_bytes b, int base, uint64_t *ret, size_t *ret_used);
/* "name value": a decimal number after a line's word, as in /proc/meminfo. */
bool us_field_u64(struct us_bytes text, const char *word, int base, uint64_t *ret);
/* True if word stands in line, separated by white space. */
bool us_line_has_word(struct us_bytes line, const char *word);

struct us_iomem {
	struct us_map map;
	struct us_range crash[4];
	size_t n_crash, reserved_entries, lines;
	uint64_t code_start, bss_end; /* of the running kernel, 0 if not listed */
	bool masked;                  /* every address reads as zero */
};
struct us_err *us_iomem_parse(struct us_bytes text, struct us_iomem *ret) us_must_check;
void us_iomem_deinit(struct us_iomem *iomem);
#define _us_iomem_deinit_ __attribute__((cleanup(us_iomem_deinit)))
/* The kind whose words (us_mem_kind_name()) name is; US_MEM_OTHER for any other. */
enum us_mem_kind us_mem_kind_of(struct us_bytes name);

struct us_cpuinfo {
	bool has_flags, has_apicid;
	bool la57, x2apic, sme, sev, hypervisor, tdx_guest, tdx_host;
	uint64_t cpus, max_apicid;
};
struct us_cpuinfo us_cpuinfo_parse(struct us_bytes text);

/* keyrings.c: which key is in which keyring, as text; why: what keeps a keyring out of it. */
struct us_err *us_keyrings_read(const struct us_host *host, struct us_pool *pool,
				struct us_bytes keys, struct us_blob *ret,
				struct us_origin *ret_from, const char **ret_why) us_must_check;
struct us_keyrings {
	const char *unlisted; /* as in us_host */
	enum us_tri machine_linked;
	bool seen; /* the kernel's own keyrings are seen at all */
};
/* keys: /proc/keys; members: that text. Fills in list[].keyring. */
struct us_err *us_keyrings_apply(struct us_pool *pool, struct us_bytes keys,
				 struct us_bytes members, struct us_host_key *list, size_t n,
				 struct us_keyrings *ret) us_must_check;
struct us_err *us_keys_parse(struct us_pool *pool, struct us_bytes text, struct us_host_key **ret,
			     size_t *ret_n) us_must_check;
/* The number of possible CPUs from "0-3,8". False if it is no CPU list. */
bool us_cpulist_count(struct us_bytes text, uint64_t *ret);
/* The word in brackets: "none [integrity] confidentiality". */
bool us_bracketed(struct us_bytes text, struct us_bytes *ret);

/* kcore.c: one line "KEY=value" of VMCOREINFO. */
bool us_vmcoreinfo_get(struct us_bytes text, const char *key, struct us_bytes *ret);
struct us_kcore_load {
	uint64_t virt, phys, size; /* phys UINT64_MAX: no physical address */
};
struct us_kcore {
	struct us_kcore_load *loads;
	size_t n_loads;
	struct us_blob vmcoreinfo; /* the note's text */
	struct us_origin from;
};
/* The VMCOREINFO text among ELF notes; false if it is not there. */
bool us_notes_vmcoreinfo(struct us_bytes notes, struct us_bytes *ret);
/* ELF program headers of /proc/kcore: loads, and where the notes are. */
struct us_err *us_kcore_parse_phdrs(struct us_bytes phdrs, uint16_t entry_bytes,
				    struct us_kcore_load **ret, size_t *ret_n,
				    struct us_range *ret_notes) us_must_check;
/* The text that a snapshot keeps of them ("load VIRT PHYS SIZE" lines). */
struct us_err *us_kcore_parse_text(struct us_bytes text, struct us_kcore_load **ret, size_t *ret_n)
	us_must_check;
struct us_err *us_kcore_read(const struct us_host *host, struct us_pool *pool, struct us_kcore *ret)
	us_must_check;
void us_kcore_deinit(struct us_kcore *kcore);
#define _us_kcore_deinit_ __attribute__((cleanup(us_kcore_deinit)))

/* The groups of facts, one file each. They fill host; an error is only a lack of memory. */
struct us_err *us_host_read_kernel(struct us_host *host) us_must_check; /* facts-kernel.c */
struct us_err *us_host_read_memory(struct us_host *host) us_must_check; /* facts-memory.c */
struct us_err *us_host_read_cpu(struct us_host *host, const struct us_kcore *kcore) us_must_check;
struct us_err *us_host_read_text(struct us_host *host, const struct us_kcore *kcore) us_must_check;
struct us_err *us_host_read_kexec(struct us_host *host) us_must_check;    /* facts-kexec.c */
struct us_err *us_host_read_firmware(struct us_host *host) us_must_check; /* facts-firmware.c */
struct us_err *us_host_read_trust(struct us_host *host) us_must_check;    /* facts-trust.c */
struct us_err *us_host_read_devices(struct us_host *host) us_must_check;  /* facts-devices.c */
/* facts-ima.c, after Secure Boot is known: what IMA appraises; of ima_refuses_kexec_load the part
 * that its policy has in it. */
void us_host_read_ima(struct us_host *host);

/* facts.c: a fact from a file that holds one number or word. */
struct us_fact_u64 us_fact_u64_of(struct us_host *host, enum us_host_file file, int base);
struct us_fact_tri us_fact_yes_no_of(struct us_host *host, enum us_host_file file); /* 1 Y / 0 N */
struct us_fact_str us_fact_str_of(struct us_host *host, enum us_host_file file);
struct us_fact_u64 us_fact_u64_either(struct us_host *host, enum us_host_file file, int base);
/* A tri that is known, or unknown with a reason. */
struct us_fact_tri us_fact_tri_known(const char *path, bool yes);
struct us_fact_tri us_fact_tri_unknown(const char *path, const char *missing);
struct us_fact_u64 us_fact_u64_known(const char *path, uint64_t v);
struct us_fact_u64 us_fact_u64_unknown(const char *path, const char *missing);

/* A line of /proc/kallsyms names symbol, defined and not a weak stand-in ('W'): its address in
 * *ret_addr (0 where hidden). */
bool us_kallsyms_find(struct us_bytes text, const char *symbol, uint64_t *ret_addr);

/* scrub.c: a cleaned copy of what is in text. */
struct us_scrubber; /* remembers which UUID became which number */
struct us_err *us_scrubber_new(struct us_scrubber **ret) us_must_check;
void us_scrubber_free(struct us_scrubber *scrubber);
static inline void us_scrubber_freep(struct us_scrubber **scrubber)
{
	us_scrubber_free(*scrubber);
}
#define _us_scrubber_free_ __attribute__((cleanup(us_scrubber_freep)))
struct us_err *us_scrub(struct us_scrubber *scrubber, enum us_scrub how, struct us_bytes in,
			struct us_blob *ret) us_must_check;

/* act.c: refuses everything with EPERM. */
struct us_act us_act_refusing(void);

#endif
