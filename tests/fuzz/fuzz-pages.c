/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page tables, sections and struct pages: vmcoreinfo up to the first zero byte, then physical
 * memory from 0 on; what is behind its end can't be read. arm64 if the text has VA_BITS.
 * tests/fixtures/dumps/pages.py makes the seeds. Whatever is in there, the runs cover all memory
 * once, in order.
 */
#include "fuzz.h"

#include "vmcore/layout-int.h"
#include "vmcore/vmcore-int.h"

#include <string.h>

#define PAGES 1024

static struct us_err *read_memory(const struct us_vmcore *core, uint64_t phys, void *buf, size_t n)
{
	const struct us_bytes *memory = core->data;

	if (!us_bytes_has(*memory, phys, n))
		return us_err_new(US_ERR_NOT_FOUND, "0x%" PRIx64 " is not there", phys);
	memcpy(buf, memory->p + phys, n);
	return NULL;
}

static struct us_err *window(const struct us_vmcore *core, void *own, uint64_t phys, size_t want,
			     struct us_bytes *ret)
{
	(void)own;
	*ret = us_bytes_clip(*(const struct us_bytes *)core->data, phys, want);
	return ret->n ? NULL : us_err_new(US_ERR_NOT_FOUND, "0x%" PRIx64 " is not there", phys);
}

static struct us_err *reader_new(const struct us_vmcore *core, void **ret)
{
	(void)core;
	*ret = NULL;
	return NULL;
}

static void reader_free(void *own)
{
	(void)own;
}

static const struct us_vmcore_ops ops = {
	.read = read_memory,
	.window = window,
	.reader_new = reader_new,
	.reader_free = reader_free,
};

static struct us_err *see(void *data, const struct us_run *run)
{
	uint64_t *next = data;

	MUST(run->pfn == *next && run->count && run->class < US_CLASS_COUNT);
	*next += run->count;
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *zero = size ? memchr(data, 0, size) : NULL;
	size_t text = zero ? (size_t)(zero - data) : size;
	struct us_bytes memory = us_bytes_clip(us_bytes_of(data, size), text + 1, SIZE_MAX);
	_us_pool_deinit_ struct us_pool pool = { 0 };
	_us_err_free_ struct us_err *err = NULL;
	struct us_range ram = { 0, 0 };
	struct us_vmcore core = { .ram = &ram, .n_ram = 1, .ops = &ops, .data = &memory };
	struct us_layout *layout = NULL;
	struct us_scan scan;
	uint64_t next = 0;
	int64_t bits;

	err = us_vmcoreinfo_parse(us_bytes_of(data, text), &pool, &core.info);
	if (err)
		return 0;
	core.arch = us_arch_by_id(us_vmcoreinfo_number(core.info, "NUMBER", "VA_BITS", &bits)
					  ? US_ARCH_ARM64
					  : US_ARCH_X86_64);
	core.page_shift = core.arch->id == US_ARCH_ARM64 && size % 3 == 0 ? 14 : 12;
	core.page_bytes = 1u << core.page_shift;
	core.release = us_vmcoreinfo_text(core.info, "OSRELEASE");
	ram.size = (uint64_t)PAGES << core.page_shift;
	core.max_pfn = PAGES;
	MUST(!us_layout_find(&core, &layout));
	MUST(!us_vmcore_scan(&core, layout, see, &next, NULL, &scan));
	MUST(next == PAGES);
	us_scan_deinit(&scan);
	us_layout_free(layout);
	return 0;
}
