/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel virtual addresses -> physical ones by the dump's own page tables, whatever the
 * architecture: xlat-x86_64.c and xlat-arm64.c give geometry and the meaning of an entry. Where the
 * tables can't be read, the program headers that map the image and the direct map answer.
 */
#include "vmcore/layout-int.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

struct us_err *us_walker_init(const struct us_vmcore *core, const struct us_layout *layout,
			      struct us_walker *ret)
{
	*ret = (struct us_walker){ .core = core, .layout = layout };
	ret->tables = malloc((size_t)US_PAGING_LEVELS_MAX << layout->paging.page_shift);
	return ret->tables ? NULL : us_err_nomem();
}

void us_walker_deinit(struct us_walker *walker)
{
	free(walker->tables);
	walker->tables = NULL;
}

static struct us_err *read_entry(struct us_walker *walker, unsigned int level, uint64_t table,
				 uint64_t index, uint64_t *ret)
{
	size_t bytes = (size_t)1 << walker->layout->paging.page_shift;
	uint64_t entry;

	if (!walker->tables) {
		US_TRY(us_vmcore_read(walker->core, table + index * 8, &entry, sizeof(entry)));
	} else {
		uint8_t *held = walker->tables + level * bytes;

		if (!walker->held[level] || walker->phys[level] != table) {
			/* a small top table need not fill its page, nor start one */
			size_t used = level + 1 == walker->layout->paging.levels
					      ? (size_t)8 << walker->layout->paging.top_bits
					      : bytes;

			walker->held[level] = false;
			US_TRY(us_vmcore_read(walker->core, table, held, used));
			walker->held[level] = true;
			walker->phys[level] = table;
			if (walker->on_table)
				walker->on_table(walker->data, table);
		}
		memcpy(&entry, held + index * 8, sizeof(entry));
	}
	*ret = le64toh(entry);
	return NULL;
}

struct us_err *us_walk(struct us_walker *walker, uint64_t virt, uint64_t *ret_phys,
		       uint64_t *ret_bytes)
{
	const struct us_paging *paging = &walker->layout->paging;
	unsigned int bits = paging->page_shift - 3;
	uint64_t table = paging->root, entry;

	*ret_bytes = (1ull << paging->page_shift) - (virt & ((1ull << paging->page_shift) - 1));
	if (!paging->ok)
		return us_err_new(US_ERR_NOT_FOUND, "the kernel's page tables can't be located");
	for (unsigned int level = paging->levels; level-- > 0;) {
		unsigned int shift = paging->page_shift + level * bits;
		unsigned int width = level + 1 == paging->levels ? paging->top_bits : bits;
		uint64_t block = 1ull << shift, within = virt & (block - 1);
		struct us_err *err = read_entry(walker, level, table,
						virt >> shift & ((1ull << width) - 1), &entry);
		struct us_pte pte;

		if (err)
			return us_err_wrap(err, "page table of level %u for 0x%llx", level + 1,
					   (unsigned long long)virt);
		pte = paging->decode(paging, entry, level);
		*ret_bytes = block - within;
		if (!pte.present)
			return us_err_new(US_ERR_NOT_FOUND, "0x%llx is not mapped",
					  (unsigned long long)virt);
		if (pte.leaf) {
			*ret_phys = pte.phys + within;
			return NULL;
		}
		table = pte.phys;
	}
	return us_err_new(US_ERR_BAD_DATA, "page tables without a last level");
}

struct us_err *us_walker_read(struct us_walker *walker, uint64_t virt, void *buf, size_t n)
{
	uint64_t from = 0, more = 0, phys, mapped;
	uint8_t *to = buf;

	/* what is contiguous in both spaces is read at once */
	while (n) {
		US_TRY(us_walk(walker, virt, &phys, &mapped));
		if (mapped > n)
			mapped = n;
		if (more && phys != from + more) {
			US_TRY(us_vmcore_read(walker->core, from, to, more));
			to += more;
			more = 0;
		}
		from = more ? from : phys;
		more += mapped;
		n -= mapped;
		virt += mapped;
	}
	return more ? us_vmcore_read(walker->core, from, to, more) : NULL;
}

static bool by_loads(const struct us_vmcore *core, uint64_t virt, uint64_t *ret_phys)
{
	for (size_t i = 0; i < core->n_loads; i++) {
		const struct us_vmcore_load *load = &core->loads[i];

		if (load->virt && virt >= load->virt && virt - load->virt < load->bytes) {
			*ret_phys = load->phys + (virt - load->virt);
			return true;
		}
	}
	return false;
}

struct us_err *us_vmcore_translate(const struct us_vmcore *core, const struct us_layout *layout,
				   uint64_t virt, uint64_t *ret_phys)
{
	struct us_walker walker = { .core = core, .layout = layout };
	struct us_err *err;
	uint64_t bytes;

	err = us_walk(&walker, virt, ret_phys, &bytes);
	if (err && by_loads(core, virt, ret_phys)) {
		us_err_free(err);
		return NULL;
	}
	return err;
}

struct us_err *us_vmcore_read_virt(const struct us_vmcore *core, const struct us_layout *layout,
				   uint64_t virt, void *buf, size_t n)
{
	uint64_t page = 1ull << layout->paging.page_shift, phys;
	uint8_t *to = buf;

	while (n) {
		uint64_t left = page - (virt & (page - 1));
		size_t part = n < left ? n : (size_t)left;

		US_TRY(us_vmcore_translate(core, layout, virt, &phys));
		US_TRY(us_vmcore_read(core, phys, to, part));
		to += part;
		n -= part;
		virt += part;
	}
	return NULL;
}
