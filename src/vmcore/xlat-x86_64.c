/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * x86_64 page tables: 4 and 5 levels of 512 entries, blocks of 2 MiB and 1 GiB (Intel SDM volume 3,
 * 4.5; Linux 6.12 arch/x86/include/asm/pgtable_types.h). The top table lies in the kernel image,
 * whose place is phys_base.
 */
#include "vmcore/layout-int.h"

#define PRESENT    (1ull << 0)
#define PAGE_SIZED (1ull << 7)
#define ADDRESS    0x000ffffffffff000ull
#define IMAGE_BASE 0xffffffff80000000ull /* __START_KERNEL_map */
#define PAGE_SHIFT 12

static struct us_pte decode(const struct us_paging *paging, uint64_t entry, unsigned int level)
{
	struct us_pte pte = {
		.present = entry & PRESENT,
		.leaf = level == 0 || ((level == 1 || level == 2) && (entry & PAGE_SIZED)),
		.phys = entry & ADDRESS & ~paging->clear,
	};

	if (pte.leaf) /* bit 12 of a block's entry is no address */
		pte.phys &= ~((1ull << (PAGE_SHIFT + 9 * level)) - 1);
	return pte;
}

/* Where the image is: exported, else by a program header that maps it. */
static bool find_phys_base(const struct us_vmcore *core, const struct us_layout *layout,
			   uint64_t *ret)
{
	if (us_has(layout, US_F_PHYS_BASE)) {
		*ret = (uint64_t)layout->value[US_F_PHYS_BASE];
		return true;
	}
	for (size_t i = 0; i < core->n_loads; i++) {
		if (core->loads[i].virt >= IMAGE_BASE) {
			*ret = core->loads[i].phys - (core->loads[i].virt - IMAGE_BASE);
			return true;
		}
	}
	return false;
}

void us_paging_x86_64(const struct us_vmcore *core, struct us_layout *layout)
{
	uint64_t top = (uint64_t)layout->value[US_F_TOP_PGT], phys_base;
	struct us_paging *paging = &layout->paging;

	*paging = (struct us_paging){
		.levels = layout->value[US_F_L5_ENABLED] ? 5 : 4,
		.top_bits = 9,
		.page_shift = PAGE_SHIFT,
		.clear = (uint64_t)layout->value[US_F_SME_MASK],
		.decode = decode,
	};
	if (us_has(layout, US_F_TOP_PGT) && top >= IMAGE_BASE &&
	    find_phys_base(core, layout, &phys_base)) {
		paging->root = top - IMAGE_BASE + phys_base; /* phys_base may be negative */
		paging->ok = true;
	}
}
