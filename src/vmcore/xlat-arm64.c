/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arm64 kernel page tables: 4, 16 and 64 KiB pages, 39 to 52 bits of virtual address (Arm ARM D8.3;
 * Linux 6.12 arch/arm64/include/asm/pgtable-hwdef.h, Documentation/arch/arm64/memory.rst). The top
 * table lies in the image: kimage_voffset says where. A kernel built for 52 bits on a machine with
 * 48 uses the last entries of its large top table, or one level less.
 */
#include "vmcore/layout-int.h"

#define TYPE_MASK  3
#define TYPE_BLOCK 1
#define TYPE_TABLE 3 /* on the last level: a page */

#define BITS_47_12 0x0000fffffffff000ull
#define BITS_49_12 0x0003fffffffff000ull

static struct us_pte decode(const struct us_paging *paging, uint64_t entry, unsigned int level)
{
	unsigned int bits = paging->page_shift - 3;
	uint64_t type = entry & TYPE_MASK, phys;
	struct us_pte pte = {
		.present = type == TYPE_TABLE || (type == TYPE_BLOCK && level > 0),
		.leaf = level == 0 || type == TYPE_BLOCK,
	};

	if (paging->page_shift == 16)
		phys = (entry & BITS_47_12 & ~0xffffull) | (entry & 0xf000) << 36;
	else if (paging->high_address_bits)
		phys = (entry & BITS_49_12) | (entry & 0x300) << 42;
	else
		phys = entry & BITS_47_12;
	if (pte.leaf)
		phys &= ~((1ull << (paging->page_shift + bits * level)) - 1);
	else
		phys &= ~((1ull << paging->page_shift) - 1);
	pte.phys = phys;
	return pte;
}

static unsigned int levels_for(unsigned int va_bits, unsigned int page_shift)
{
	unsigned int bits = page_shift - 3;

	return (va_bits - page_shift + bits - 1) / bits;
}

void us_paging_arm64(const struct us_vmcore *core, struct us_layout *layout)
{
	int64_t built = us_has(layout, US_F_VA_BITS) ? layout->value[US_F_VA_BITS] : 48;
	int64_t actual = us_has(layout, US_F_T1SZ) ? 64 - layout->value[US_F_T1SZ] : built;
	struct us_paging *paging = &layout->paging;
	unsigned int shift = core->page_shift, va_bits;

	*paging = (struct us_paging){ .page_shift = shift, .decode = decode };
	if (built < 36 || built > 52 || actual < 36 || actual > built ||
	    (shift != 12 && shift != 14 && shift != 16))
		return;
	paging->levels = levels_for((unsigned int)actual, shift);
	va_bits = (unsigned int)(levels_for((unsigned int)built, shift) == paging->levels ? built
											  : actual);
	paging->top_bits = va_bits - shift - (paging->levels - 1) * (shift - 3);
	paging->high_address_bits = shift != 16 && actual == 52;
	if (us_has(layout, US_F_TOP_PGT) && us_has(layout, US_F_KIMAGE_VOFFSET)) {
		paging->root = (uint64_t)layout->value[US_F_TOP_PGT] -
			       (uint64_t)layout->value[US_F_KIMAGE_VOFFSET];
		paging->ok = true;
	}
}
