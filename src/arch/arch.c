/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The architectures as data. ELF machines: linux/elf-em.h; PE machines: the PE/COFF specification
 * as include/linux/pe.h of Linux 6.12 has it; KEXEC_ARCH: linux/kexec.h; COMMAND_LINE_SIZE and
 * CRASH_ALIGN: arch/.../setup.h and crash_reserve.h of Linux 6.12; NT_PRSTATUS sizes: 112 bytes of
 * common fields, the general registers, 8 bytes of pr_fpvalid and padding.
 */
#include "arch/arch.h"

#include <elf.h>
#include <string.h>

#define KEXEC_ARCH(machine) ((uint32_t)(machine) << 16)
#define KIB                 1024u
#define MIB                 (1024u * KIB)

static const struct us_arch archs[US_ARCH_COUNT] = {
	[US_ARCH_UNKNOWN] = { .id = US_ARCH_UNKNOWN, .name = "unknown", .kconfig_dir = "" },
	[US_ARCH_X86_64] = { .id = US_ARCH_X86_64,
			     .name = "x86_64",
			     .uname = { "x86_64" },
			     .kconfig_dir = "x86",
			     .elf_machine = EM_X86_64,
			     .pe_machine = 0x8664,
			     .kexec_arch = KEXEC_ARCH(EM_X86_64),
			     .page_bytes = 4 * KIB,
			     .cmdline_max = 2047,
			     .crash_align = 16 * MIB,
			     .prstatus_bytes = 336,
			     .can_load = true },
	[US_ARCH_I386] = { .id = US_ARCH_I386,
			   .name = "i386",
			   .uname = { "i386", "i586", "i686" },
			   .kconfig_dir = "x86",
			   .elf_machine = EM_386,
			   .pe_machine = 0x014c,
			   .kexec_arch = KEXEC_ARCH(EM_386),
			   .page_bytes = 4 * KIB,
			   .cmdline_max = 2047,
			   .crash_align = 16 * MIB,
			   .prstatus_bytes = 144 },
	[US_ARCH_ARM64] = { .id = US_ARCH_ARM64,
			    .name = "arm64",
			    .uname = { "aarch64", "aarch64_be" },
			    .kconfig_dir = "arm64",
			    .elf_machine = EM_AARCH64,
			    .pe_machine = 0xaa64,
			    .kexec_arch = KEXEC_ARCH(EM_AARCH64),
			    .page_bytes = 4 * KIB,
			    .cmdline_max = 2047,
			    .crash_align = 2 * MIB,
			    .prstatus_bytes = 392 },
	[US_ARCH_ARM] = { .id = US_ARCH_ARM,
			  .name = "arm",
			  .uname = { "armv7l", "armv6l", "armv5tel" },
			  .kconfig_dir = "arm",
			  .elf_machine = EM_ARM,
			  .pe_machine = 0x01c2,
			  .kexec_arch = KEXEC_ARCH(EM_ARM),
			  .page_bytes = 4 * KIB,
			  .cmdline_max = 1023,
			  .crash_align = 128 * MIB,
			  .prstatus_bytes = 148 },
	[US_ARCH_RISCV64] = { .id = US_ARCH_RISCV64,
			      .name = "riscv64",
			      .uname = { "riscv64" },
			      .kconfig_dir = "riscv",
			      .elf_machine = EM_RISCV,
			      .pe_machine = 0x5064,
			      .kexec_arch = KEXEC_ARCH(EM_RISCV),
			      .page_bytes = 4 * KIB,
			      .cmdline_max = 1023,
			      .crash_align = 2 * MIB,
			      .prstatus_bytes = 376 },
	[US_ARCH_PPC64] = { .id = US_ARCH_PPC64,
			    .name = "ppc64",
			    .uname = { "ppc64le", "ppc64" },
			    .kconfig_dir = "powerpc",
			    .elf_machine = EM_PPC64,
			    .kexec_arch = KEXEC_ARCH(EM_PPC64),
			    .page_bytes = 64 * KIB,
			    .cmdline_max = 2047,
			    .crash_align = 64 * KIB,
			    .prstatus_bytes = 504 },
	[US_ARCH_S390X] = { .id = US_ARCH_S390X,
			    .name = "s390x",
			    .uname = { "s390x" },
			    .kconfig_dir = "s390",
			    .elf_machine = EM_S390,
			    .kexec_arch = KEXEC_ARCH(EM_S390),
			    .page_bytes = 4 * KIB,
			    .cmdline_max = 4095,
			    .crash_align = 1 * MIB,
			    .prstatus_bytes = 336 },
	[US_ARCH_LOONGARCH64] = { .id = US_ARCH_LOONGARCH64,
				  .name = "loongarch64",
				  .uname = { "loongarch64" },
				  .kconfig_dir = "loongarch",
				  .elf_machine = 258,
				  .pe_machine = 0x6264,
				  .kexec_arch = KEXEC_ARCH(258),
				  .page_bytes = 16 * KIB,
				  .cmdline_max = 4095,
				  .crash_align = 2 * MIB,
				  .prstatus_bytes = 480 },
};

/* Which ELF files of a machine number are kernels of that architecture. */
static const struct {
	enum us_arch_id id;
	bool is_64, little, big;
} elf_shapes[] = {
	{ US_ARCH_X86_64, true, true, false },  { US_ARCH_I386, false, true, false },
	{ US_ARCH_ARM64, true, true, true },    { US_ARCH_ARM, false, true, true },
	{ US_ARCH_RISCV64, true, true, false }, { US_ARCH_PPC64, true, true, true },
	{ US_ARCH_S390X, true, false, true },   { US_ARCH_LOONGARCH64, true, true, false },
};

const struct us_arch *us_arch_by_id(enum us_arch_id id)
{
	return (unsigned int)id < US_ARCH_COUNT ? &archs[id] : &archs[US_ARCH_UNKNOWN];
}

const struct us_arch *us_arch_by_uname(const char *machine)
{
	for (size_t i = 0; i < US_ARCH_COUNT; i++)
		for (size_t k = 0; k < us_array_size(archs[i].uname) && archs[i].uname[k]; k++)
			if (strcmp(archs[i].uname[k], machine) == 0)
				return &archs[i];
	return &archs[US_ARCH_UNKNOWN];
}

const struct us_arch *us_arch_by_elf(uint16_t elf_machine, bool is_64, bool big_endian)
{
	for (size_t i = 0; i < us_array_size(elf_shapes); i++)
		if (archs[elf_shapes[i].id].elf_machine == elf_machine &&
		    elf_shapes[i].is_64 == is_64 &&
		    (big_endian ? elf_shapes[i].big : elf_shapes[i].little))
			return &archs[elf_shapes[i].id];
	return &archs[US_ARCH_UNKNOWN];
}

const struct us_arch *us_arch_by_pe(uint16_t pe_machine)
{
	for (size_t i = 0; i < US_ARCH_COUNT; i++)
		if (pe_machine && archs[i].pe_machine == pe_machine)
			return &archs[i];
	return &archs[US_ARCH_UNKNOWN];
}
