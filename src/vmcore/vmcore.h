/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A dump or /proc/vmcore -> readable physical memory -> classified page runs; and the kernel in it.
 * Nothing here looks at the running machine: layouts come from vmcoreinfo, then BTF in the dump,
 * then the version. A page that can't be read costs that page only.
 */
#ifndef US_VMCORE_VMCORE_H
#define US_VMCORE_VMCORE_H

#include "arch/arch.h"
#include "base/pool.h"
#include "base/progress.h"
#include "base/tri.h"
#include "mem/mem.h"
#include "pack/pack.h"

enum us_vmcore_format {
	US_VMCORE_ELF,      /* ELF64 core: kdump, QEMU dump-guest-memory, anybody's */
	US_VMCORE_PROC,     /* /proc/vmcore: an ELF core that is memory */
	US_VMCORE_KDUMP,    /* "KDUMP   " header versions 1-6 */
	US_VMCORE_DISKDUMP, /* "DISKDUMP", its elder */
	US_VMCORE_RAW,      /* memory and nothing else: offset is address */
	US_VMCORE_FORMATS
};
const char *us_vmcore_format_name(enum us_vmcore_format format);

struct us_vmcore_note {
	const char *name; /* "CORE", "VMCOREINFO", "QEMU"... */
	uint32_t type;
	struct us_bytes desc;
};

/* Where the file holds physical memory (ELF: program headers; kdump: one per run of bitmap 1). */
struct us_vmcore_load {
	uint64_t phys, virt; /* virt 0 where the format has none */
	uint64_t bytes;      /* in memory */
	uint64_t file_bytes; /* in the file; less than bytes: the rest reads as zero */
	uint64_t offset;     /* in the (unflattened) file */
};

enum us_page_state {                 /* as the file says it */
		     US_PAGE_ABSENT, /* no memory there (a hole between stretches) */
		     US_PAGE_PRESENT,
		     US_PAGE_EXCLUDED, /* memory, but left out on purpose */
		     US_PAGE_LOST,     /* should be here and is not: an incomplete dump */
};

struct us_vmcoreinfo; /* parsed once into a table */
/* text: the note's descriptor. US_ERR_BAD_DATA with the line. Of a key given twice the later wins. */
struct us_err *us_vmcoreinfo_parse(struct us_bytes text, struct us_pool *pool,
				   const struct us_vmcoreinfo **ret) us_must_check;
/* The value of "KEY=", e.g. "OSRELEASE"; NULL if absent (also for info NULL). */
const char *us_vmcoreinfo_text(const struct us_vmcoreinfo *info, const char *key);
/* SYMBOL(name), hexadecimal; false if absent or no number. */
bool us_vmcoreinfo_symbol(const struct us_vmcoreinfo *info, const char *name, uint64_t *ret);
/* kind "OFFSET", "SIZE", "LENGTH" or "NUMBER"; name "page.flags". Decimal, signed, or 0x... */
bool us_vmcoreinfo_number(const struct us_vmcoreinfo *info, const char *kind, const char *name,
			  int64_t *ret);

struct us_vmcore_ops; /* private: one table per format */
struct us_vmcore {
	struct us_pool pool;
	const char *path;
	enum us_vmcore_format format;
	bool flattened, big_endian;
	bool incomplete; /* the header says so */
	size_t n_files;  /* of a split set */
	const struct us_arch *arch;
	uint32_t page_bytes, page_shift;
	const struct us_vmcore_load *loads; /* as in the file */
	size_t n_loads;
	const struct us_range *ram; /* sorted, disjoint, merged: what physical memory there is */
	size_t n_ram;
	uint64_t max_pfn; /* one past the highest page */
	const struct us_vmcore_note *notes;
	size_t n_notes;
	struct us_bytes notes_raw;        /* the PT_NOTE contents as they stand, for a writer */
	const struct us_vmcoreinfo *info; /* NULL if there is none */
	struct us_bytes info_text;
	const char *release; /* OSRELEASE, else uts; "" if unknown */
	const char *uts[6];  /* sysname nodename release version machine domainname; or "" */
	uint64_t crash_time; /* CRASHTIME, seconds; 0 = unknown */
	int dump_level;      /* kdump: as its header says; -1 for others */
	const char *const *warnings; /* NULL-terminated: contradictions that were survived */
	const struct us_vmcore_ops *ops;
	void *data; /* the format's own */
};

/* paths: one file, or all files of a split set in any order. */
struct us_err *us_vmcore_open(const char *const *paths, size_t n, struct us_vmcore **ret)
	us_must_check;
/* From memory that outlives the result (tests, fuzzing). */
struct us_err *us_vmcore_parse(const char *path, struct us_bytes file, struct us_vmcore **ret)
	us_must_check;
void us_vmcore_free(struct us_vmcore *core);
void us_vmcore_freep(struct us_vmcore **core);
#define _us_vmcore_free_ __attribute__((cleanup(us_vmcore_freep)))

enum us_page_state us_vmcore_page_state(const struct us_vmcore *core, uint64_t pfn);
/* How many pages from pfn on are in the state *ret: from 1 to max (not 0). There may be more. */
uint64_t us_vmcore_page_run(const struct us_vmcore *core, uint64_t pfn, uint64_t max,
			    enum us_page_state *ret);
/*
 * Physical memory [phys, phys + n) to buf. US_ERR_NOT_FOUND: absent, excluded or lost, with the
 * first such address; US_ERR_OS: the file could not be read there. Thread-safe.
 */
struct us_err *us_vmcore_read(const struct us_vmcore *core, uint64_t phys, void *buf, size_t n)
	us_must_check;
/*
 * A window onto memory at phys without copying where the format allows it: at least one byte, at
 * most want bytes, valid until the reader's next call. Each thread has a reader of its own.
 */
struct us_vmcore_reader;
struct us_err *us_vmcore_reader_new(const struct us_vmcore *core, struct us_vmcore_reader **ret)
	us_must_check;
struct us_err *us_vmcore_window(struct us_vmcore_reader *reader, uint64_t phys, size_t want,
				struct us_bytes *ret) us_must_check;
/* The stored form of a page of a kdump file, for copying without unpacking and for checking. */
struct us_stored_page {
	struct us_bytes bytes; /* valid until the reader's next call */
	uint64_t offset;       /* in the (unflattened) file */
	uint64_t page_flags;   /* as in its page_desc; other writers leave 0 */
	uint32_t flags;        /* 0 = as it is, or one us_page_form of pack/pack.h */
};
/* US_ERR_UNSUPPORTED for other formats; US_ERR_NOT_FOUND as us_vmcore_read. */
struct us_err *us_vmcore_stored_page(struct us_vmcore_reader *reader, uint64_t pfn,
				     struct us_stored_page *ret) us_must_check;
void us_vmcore_reader_free(struct us_vmcore_reader *reader);
/* Of a file of a kdump set (which < n_files), unflattened; US_ERR_UNSUPPORTED for other formats. */
struct us_err *us_vmcore_read_file(const struct us_vmcore *core, size_t which, uint64_t off,
				   void *buf, size_t n) us_must_check;

/* ---- the kernel in it ---- */
/* Structure offsets and constants of the dumped kernel; layout.def has one line a field. */
struct us_layout;
struct us_err *us_layout_find(const struct us_vmcore *core, struct us_layout **ret) us_must_check;
void us_layout_free(struct us_layout *layout);
/* A kernel virtual address by the dump's page tables; US_ERR_NOT_FOUND if it is not mapped. */
struct us_err *us_vmcore_translate(const struct us_vmcore *core, const struct us_layout *layout,
				   uint64_t virt, uint64_t *ret_phys) us_must_check;
struct us_err *us_vmcore_read_virt(const struct us_vmcore *core, const struct us_layout *layout,
				   uint64_t virt, void *buf, size_t n) us_must_check;
/* Fill core->uts from the kernel's memory where the file has none; what can't be had stays "". */
void us_vmcore_look_uts(struct us_vmcore *core, const struct us_layout *layout);

enum us_page_class {
	US_CLASS_KEEP,  /* the kernel's own, or unknown: never left out */
	US_CLASS_FREE,  /* buddy and unaccepted */
	US_CLASS_CACHE, /* page cache without private data */
	US_CLASS_CACHE_PRIVATE,
	US_CLASS_USER, /* anonymous and hugetlb */
	US_CLASS_SLAB,
	US_CLASS_OFFLINE,   /* ballooned or unplugged: left out at every level */
	US_CLASS_POISON,    /* hardware-poisoned: never read */
	US_CLASS_PROTECTED, /* image, per-CPU, stacks, page tables: kept whatever the flags say */
	US_CLASS_COUNT
};
const char *us_page_class_name(enum us_page_class class);

struct us_run {
	uint64_t pfn, count;
	enum us_page_class class;
};
/* What the scan can say about itself: can its classes be trusted? */
struct us_scan {
	uint64_t pages[US_CLASS_COUNT];
	uint64_t unreadable;          /* struct pages that could not be read: kept */
	enum us_tri free_ok, slab_ok; /* consistency gates */
	const char *const *notes;     /* NULL-terminated: which class was not trusted and why */
	struct us_pool pool;
};
/* In ascending order over all RAM, without gaps and overlaps. An error from fn ends the scan. */
typedef struct us_err *(*us_run_fn)(void *data, const struct us_run *run);
struct us_err *us_vmcore_scan(const struct us_vmcore *core, const struct us_layout *layout,
			      us_run_fn fn, void *data, struct us_progress *progress,
			      struct us_scan *ret) us_must_check;
void us_scan_deinit(struct us_scan *scan);

/* ---- the kernel log (printk ring buffer 5.10+, struct printk_log 3.5-5.9) ---- */
struct us_log_record {
	uint64_t seq, ns;
	uint8_t facility, level; /* 0 emergency .. 7 debug */
	uint32_t caller;         /* bit 31: a CPU, else a task id; 0 = not recorded */
	bool continued;          /* belongs to the record before */
	struct us_bytes text;    /* valid during the call */
};
typedef struct us_err *(*us_log_fn)(void *data, const struct us_log_record *record);
struct us_log_stats {
	uint64_t records, lost, damaged;
};
struct us_err *us_vmcore_log(const struct us_vmcore *core, const struct us_layout *layout,
			     us_log_fn fn, void *data, struct us_log_stats *ret) us_must_check;

/* What a log says about the end of its kernel, told record by record. Initialise with { 0 }. */
struct us_panic {
	struct us_pool pool;              /* owns the texts; each is NULL where the log has none */
	const char *panic;                /* behind "Kernel panic - not syncing: " */
	const char *cause;                /* the first complaint of those that led there */
	const char *comm, *hardware, *ip; /* of "PID: 70 Comm: sh", "Hardware name:", "RIP:" */
	bool has_cpu, in_trace;           /* in_trace: private */
	uint64_t cpu, pid;
	const char *trace[32]; /* the calls, innermost first */
	size_t n_trace;
	uint64_t cause_ns, panic_ns, last_ns; /* last: of the last record */
};
/* panic: a struct us_panic; this is a us_log_fn. */
struct us_err *us_panic_look(void *panic, const struct us_log_record *record) us_must_check;
void us_panic_deinit(struct us_panic *panic);

struct us_cpu { /* the registers of one, of an NT_PRSTATUS note */
	uint32_t pid;
	const char *const *names; /* n of them */
	uint64_t regs[40];
	size_t n, ip, sp; /* which of them is the instruction, which the stack pointer */
};
/* False if note is none of x86_64's or arm64's. */
bool us_vmcore_cpu(const struct us_vmcore *core, const struct us_vmcore_note *note,
		   struct us_cpu *ret);

/* Names of the kernel's functions; core and layout must outlive them. */
struct us_symbols;
struct us_err *us_symbols_read(const struct us_vmcore *core, const struct us_layout *layout,
			       struct us_symbols **ret) us_must_check;
/* "panic+0x118", "ext4_sync_fs+0x7 [ext4]" in buf; NULL: in no function (or symbols is NULL). */
const char *us_symbols_at(struct us_symbols *symbols, uint64_t virt, char *buf, size_t n);
void us_symbols_free(struct us_symbols *symbols);
/* Places on the stack from sp up that hold an address behind a call: how many, at most max. They
 * are guesses: a call that has returned leaves its address behind. */
size_t us_symbols_stack(struct us_symbols *symbols, uint64_t sp, uint64_t *ret, size_t max);

/* What the kernel's memory says beside its log; what cannot be had stays 0 or NULL. */
struct us_kernel_module {
	const char *name;
	uint64_t base, bytes, taints; /* of its code; bits as in the kernel's taint mask */
};
struct us_kernel {
	struct us_pool pool;
	bool has_taint, has_modules;
	uint64_t taint, n_online;               /* n_online: CPUs */
	const struct us_kernel_module *modules; /* the latest first */
	size_t n_modules;
	const char *const *comms; /* the task's name for each NT_PRSTATUS note, in order */
	const char *const *notes; /* NULL-terminated: what is not known, and why */
};
struct us_err *us_kernel_look(const struct us_vmcore *core, const struct us_layout *layout,
			      struct us_kernel *ret) us_must_check;
void us_kernel_deinit(struct us_kernel *kernel);

#endif
