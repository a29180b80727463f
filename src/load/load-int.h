/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to load/: the plan while it is made. Each step is a function over struct us_build; memory
 * that a step takes is cut out of .ram, so the next step cannot take it again.
 */
#ifndef US_LOAD_LOAD_INT_H
#define US_LOAD_LOAD_INT_H

#include "load/load.h"

#define US_PAGE             4096u
#define US_MIB              (1024ull * 1024)
#define US_GIB              (1024ull * US_MIB)
#define US_TIB              (1024ull * US_GIB)
#define US_E820_IN_PAGE_MAX 128 /* entries of boot_params.e820_table */

/* flags of kexec_load(2), linux/kexec.h */
#define US_KEXEC_ON_CRASH          0x1u
#define US_KEXEC_UPDATE_ELFCOREHDR 0x4u
/* flags of kexec_file_load(2) */
#define US_KEXEC_FILE_UNLOAD       0x01u
#define US_KEXEC_FILE_ON_CRASH     0x02u
#define US_KEXEC_FILE_NO_INITRAMFS 0x04u
#define US_KEXEC_FILE_NO_CMA       0x10u
#define US_KEXEC_FILE_FORCE_DTB    0x20u

struct us_build {
	struct us_plan *plan;
	const struct us_image *image;
	const struct us_initrd *initrd;
	const struct us_host *host;
	const struct us_wanted *wanted;
	struct us_map ram;     /* what may still be taken */
	uint64_t min, max;     /* limits of every segment */
	const char *max_why;   /* why max is what it is, NULL if nothing limits */
	bool efi_low;          /* without room above 4 GiB search from below: firmware keeps its
				  tables at the top of low memory */
	struct us_range crash; /* the reservation that segments must lie in */
	const char **why;      /* grows; becomes plan->why */
	size_t n_why;
};

struct us_err *us_build_note(struct us_build *b, const char *fmt, ...)
	us_must_check us_printf(2, 3);
/* A pool copy or US_ERR_NOMEM: for the many texts of a plan. */
struct us_err *us_build_text(struct us_build *b, const char **ret, const char *fmt, ...)
	us_must_check us_printf(3, 4);
/* The plan does not fit: keep the first reason. */
struct us_err *us_build_no_room(struct us_build *b, uint64_t short_bytes, const char *fmt, ...)
	us_must_check us_printf(3, 4);
/*
 * Find a place for wish (its size is rounded up to pages, its limits are cut to the plan's) and
 * take it. Without one *ret.start is 0 and the plan has no_room. what names the segment in words.
 */
struct us_err *us_build_place(struct us_build *b, const char *what, struct us_wish wish,
			      struct us_range *ret, const char **ret_why) us_must_check;
/* Take exactly dest if it is free; *ret says whether it was. */
struct us_err *us_build_take(struct us_build *b, struct us_range dest, bool *ret) us_must_check;
struct us_err *us_build_segment(struct us_build *b, const struct us_segment *segment) us_must_check;

/* layout.c: .ram, .min, .max, .crash from host and wish. US_ERR_DENIED if no memory map is known. */
struct us_err *us_build_memory(struct us_build *b, bool four_level) us_must_check;
/* True if the words of cmdline contain word itself. */
bool us_cmdline_has(const char *cmdline, const char *word);
/* RAM, whatever it is used for now, as System RAM of /proc/iomem has it, in one map. */
struct us_err *us_system_ram(const struct us_host *host, struct us_map *ret) us_must_check;

/* e820.c: what the next kernel is told about memory, as handover.e820. */
struct us_err *us_e820_reboot(struct us_build *b) us_must_check;
/* elfcorehdr: its range, kept out of the RAM; size 0 = none. */
struct us_err *us_e820_crash(struct us_build *b, struct us_range elfcorehdr) us_must_check;

/* elfcorehdr.c */
struct us_elfcorehdr {
	struct us_bytes bytes;
	uint64_t memory_bytes; /* with room for hotplug */
};
/* The header's bytes; US_ERR_DENIED or US_ERR_NOT_FOUND names the fact that is not known. */
struct us_err *us_elfcorehdr_make(const struct us_host *host, bool hotplug, struct us_pool *pool,
				  struct us_elfcorehdr *ret) us_must_check;
/* Its size alone, from possible CPUs and RAM ranges; what the kernel's own loader would take. */
struct us_err *us_elfcorehdr_size(const struct us_host *host, uint64_t *ret) us_must_check;

/* plan-x86.c: segments for kexec_load(2). */
struct us_err *us_plan_x86(struct us_build *b) us_must_check;
/* predict.c: what kexec_file_load(2) will do. */
struct us_err *us_plan_predict(struct us_build *b) us_must_check;

/* boot-x86.c: the zero page and what hangs on it, one segment. */
struct us_x86_page {
	uint64_t addr;
	size_t cmdline_off, cmdline_room, efi_map_off, efi_map_bytes, efi_off, e820_off, rng_off,
		bytes; /* offset 0 = not there */
};
/* Whether EFI runtime services go over (handover.efi), with a note if not. */
struct us_err *us_x86_decide_efi(struct us_build *b) us_must_check;
/* Sizes and offsets; the command line's room must be known, addresses need not. */
struct us_err *us_x86_page_layout(struct us_build *b, size_t cmdline_room, struct us_x86_page *ret)
	us_must_check;
/* Write it into p (page->bytes zeroed bytes) and fill the plan's handover. */
struct us_err *us_x86_page_fill(struct us_build *b, const struct us_x86_page *page,
				struct us_range initrd, uint8_t *p) us_must_check;
/* The 32 bytes of the RNG seed in a written page at addr, or NULL: filled at the last moment. */
uint8_t *us_x86_page_rng(uint8_t *p, size_t n, uint64_t addr);
#define US_RNG_SEED_BYTES 32

/* purgatory-x86.c: the blob with its parameters; the digest is computed at commit. */
struct us_err *us_purgatory_make(struct us_build *b, uint64_t entry, uint64_t boot_params,
				 struct us_bytes *ret) us_must_check;
/* Hash segments and write the digest into the purgatory's bytes. */
void us_purgatory_seal(uint8_t *blob, const struct us_kexec_segment *segments, size_t n);

/* errno.c: what os_errno of call means on this host, in words. Never NULL. */
const char *us_errno_meaning(const struct us_plan *plan, const struct us_host *host,
			     enum us_call call, int os_errno);

#endif
