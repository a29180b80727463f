/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much of a kernel stays in memory once it runs: the sections of its unpacked ELF file (System
 * V ABI, chapter 4) without those that it frees after starting (Linux 6.12 arch/x86/mm/init.c:
 * free_init_pages() takes .init.* and the gaps between text, read-only data and data). It reads
 * section headers only.
 */
#include "crash/arm-int.h"

#include <string.h>

/* Linked to be placed after the kernel, and used by the decompressor only. */
#define SCRATCH       ".init.scratch"
#define SHF_ALLOC     2
#define SECTION_BYTES 64
#define NAMES_MOST    (1 << 20)

/* What is gone after the start, or never used after the decompressor. */
static const char *const freed[] = {
	".init.",        ".data..percpu", ".x86_cpu_dev.init", ".x86_intel_mid",
	".altinstr",     ".parainstr",    ".retpoline_sites",  ".return_sites",
	".call_sites",   ".ibt_endbr",    ".cfi_sites",        ".apicdrivers",
	".exit.",        ".smp_locks",    ".iommu_table",      ".runtime_",
	"__init_rodata",
};

static bool stays(struct us_bytes name)
{
	for (size_t i = 0; i < us_array_size(freed); i++)
		if (us_bytes_match(name, 0, freed[i], strlen(freed[i])))
			return false;
	return true;
}

struct extent {
	uint64_t stays, start, end;
};

/* One section's share; false if the headers contradict themselves. */
static bool add_section(struct us_bytes elf, struct us_bytes names, uint64_t at, struct extent *e)
{
	uint64_t flags, addr, size, end;
	struct us_bytes own;
	uint32_t name;

	if (!us_le32(elf, at, &name) || !us_le64(elf, at + 8, &flags) ||
	    !us_le64(elf, at + 16, &addr) || !us_le64(elf, at + 32, &size) ||
	    !us_add(addr, size, &end))
		return false;
	own = us_bytes_clip(names, name, 32);
	if (!(flags & SHF_ALLOC) || us_bytes_match(own, 0, SCRATCH, sizeof(SCRATCH)))
		return true;
	if (addr) { /* per-CPU data is linked at 0 in some kernels */
		e->start = addr < e->start ? addr : e->start;
		e->end = end > e->end ? end : e->end;
	}
	return !stays(own) || us_add(e->stays, size, &e->stays);
}

bool us_crash_resident(struct us_bytes elf, uint64_t *ret, uint64_t *ret_starting)
{
	struct extent e = { .start = UINT64_MAX };
	uint64_t table, names_at, names_size;
	uint16_t entry, n, names_index;

	if (!us_bytes_match(elf, 0, "\177ELF\2\1", 6) || !us_le64(elf, 40, &table) ||
	    !us_le16(elf, 58, &entry) || !us_le16(elf, 60, &n) || !us_le16(elf, 62, &names_index) ||
	    entry != SECTION_BYTES || names_index >= n ||
	    !us_bytes_has(elf, table, (uint64_t)n * SECTION_BYTES))
		return false;
	if (!us_le64(elf, table + names_index * SECTION_BYTES + 24, &names_at) ||
	    !us_le64(elf, table + names_index * SECTION_BYTES + 32, &names_size) ||
	    names_size > NAMES_MOST || !us_bytes_has(elf, names_at, names_size))
		return false;
	for (uint64_t i = 0; i < n; i++)
		if (!add_section(elf, us_bytes_clip(elf, names_at, names_size),
				 table + i * SECTION_BYTES, &e))
			return false;
	if (!e.stays || e.end <= e.start)
		return false;
	*ret = e.stays;
	*ret_starting = e.end - e.start;
	return true;
}
