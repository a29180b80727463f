/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registers of a CPU in an NT_PRSTATUS note: struct elf_prstatus with the general registers in
 * the order of ptrace (Linux 6.12 arch/x86/include/asm/user_64.h: user_regs_struct, and
 * arch/arm64/include/uapi/asm/ptrace.h: user_pt_regs). The kernel fills in pid and registers only
 * (kernel/crash_core.c: crash_save_cpu).
 */
#include "vmcore/vmcore.h"

#include <string.h>

#define NT_PRSTATUS 1
#define PID_AT      32
#define REGS_AT     112

static const char *const x86_names[] = {
	"r15",    "r14", "r13", "r12",     "rbp",     "rbx", "r11",      "r10", "r9",
	"r8",     "rax", "rcx", "rdx",     "rsi",     "rdi", "orig_rax", "rip", "cs",
	"rflags", "rsp", "ss",  "fs_base", "gs_base", "ds",  "es",       "fs",  "gs",
};

static const char *const arm64_names[] = {
	"x0",  "x1",  "x2",  "x3",  "x4",  "x5",  "x6",  "x7",  "x8",  "x9",     "x10", "x11",
	"x12", "x13", "x14", "x15", "x16", "x17", "x18", "x19", "x20", "x21",    "x22", "x23",
	"x24", "x25", "x26", "x27", "x28", "x29", "x30", "sp",  "pc",  "pstate",
};

static const struct {
	enum us_arch_id arch;
	const char *const *names;
	size_t n, ip, sp;
} layouts[] = {
	{ US_ARCH_X86_64, x86_names, us_array_size(x86_names), 16, 19 },
	{ US_ARCH_ARM64, arm64_names, us_array_size(arm64_names), 32, 31 },
};

bool us_vmcore_cpu(const struct us_vmcore *core, const struct us_vmcore_note *note,
		   struct us_cpu *ret)
{
	if (note->type != NT_PRSTATUS || strcmp(note->name, "CORE"))
		return false;
	for (size_t i = 0; i < us_array_size(layouts); i++) {
		struct us_cpu cpu = { .names = layouts[i].names,
				      .n = layouts[i].n,
				      .ip = layouts[i].ip,
				      .sp = layouts[i].sp };
		bool (*u32)(struct us_bytes, uint64_t, uint32_t *) =
			core->big_endian ? us_be32 : us_le32;
		bool (*u64)(struct us_bytes, uint64_t, uint64_t *) =
			core->big_endian ? us_be64 : us_le64;
		bool whole = u32(note->desc, PID_AT, &cpu.pid);

		if (!core->arch || core->arch->id != layouts[i].arch)
			continue;
		for (size_t r = 0; r < cpu.n; r++)
			whole = whole && u64(note->desc, REGS_AT + 8 * r, &cpu.regs[r]);
		if (whole)
			*ret = cpu;
		return whole;
	}
	return false;
}
