/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One const struct per architecture, all always built: an x86 laptop judges an arm64 image.
 * Numbers are from the kernel's uapi headers (linux/kexec.h, linux/elf-em.h) and the PE/COFF
 * specification.
 */
#ifndef US_ARCH_ARCH_H
#define US_ARCH_ARCH_H

#include "mem/mem.h"

enum us_arch_id {
	US_ARCH_UNKNOWN,
	US_ARCH_X86_64,
	US_ARCH_I386,
	US_ARCH_ARM64,
	US_ARCH_ARM,
	US_ARCH_RISCV64,
	US_ARCH_PPC64,
	US_ARCH_S390X,
	US_ARCH_LOONGARCH64,
	US_ARCH_COUNT
};
#define US_ARCH_BIT(id) (1u << (id))

struct us_arch {
	enum us_arch_id id;
	const char *name;        /* understudy's word, "x86_64" */
	const char *uname[4];    /* what uname -m may say, NULL-terminated */
	const char *kconfig_dir; /* the folder under arch/ in the kernel tree, "x86" */
	uint16_t elf_machine;
	uint16_t pe_machine;     /* 0 if Linux has no EFI stub there */
	uint32_t kexec_arch;     /* KEXEC_ARCH_*: flag bits 16-31 of kexec_load(2) */
	uint32_t page_bytes;     /* the usual page size; images may use others */
	uint32_t cmdline_max;    /* COMMAND_LINE_SIZE - 1 where the image does not say */
	uint64_t crash_align;    /* alignment of the crash reservation (kernel/crash_reserve.c,
				    CRASH_ALIGN) */
	uint32_t prstatus_bytes; /* descriptor size of an NT_PRSTATUS note */
	bool can_load; /* understudy loads images of this architecture itself (kexec_load) */
};

const struct us_arch *us_arch_by_id(
	enum us_arch_id id); /* never NULL: US_ARCH_UNKNOWN has an entry */
const struct us_arch *us_arch_by_uname(const char *machine);
const struct us_arch *us_arch_by_elf(uint16_t elf_machine, bool is_64, bool big_endian);
const struct us_arch *us_arch_by_pe(uint16_t pe_machine);

#endif
