/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages that stay whatever their struct pages say: the kernel image, its page tables, the struct
 * pages themselves, the stacks on which CPUs were when they stopped, and the first per-CPU areas
 * (from 6.0, by kallsyms). All of them are found from the dump alone. Parts of the image are given
 * back after boot (Linux 6.12 mm/init.c: free_kernel_image_pages) and may stay mapped; what is left
 * of it is reserved, and the bit for that is the one that the pages of exported symbols share.
 */
#include "base/cleanup.h"
#include "vmcore/pages-int.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define RANGES_MAX      (1u << 16)
#define STACK_BYTES     (16u << 10)
#define X86_IMAGE       0xffffffff80000000ull /* __START_KERNEL_map */
#define X86_IMAGE_MAX   (1ll << 30)
#define ARM64_IMAGE_MAX (128ull << 20)
#define IMAGE_ALIGN     (64u << 10)
#define TABLES_MAX      8192 /* to read: 32 MiB */
#define UNIT_PAGES_MAX  65536
#define UNITS_MAX       8192
#define FLAGS_AT_ONCE   64
#define FLAGS_MASK      0xffffff /* above are zone, node and section */

static int by_pfn(const void *a, const void *b)
{
	const struct us_pages *x = a, *y = b;

	return (x->pfn > y->pfn) - (x->pfn < y->pfn);
}

static void merge(struct us_protected *list)
{
	size_t kept = 0;

	if (!list->n)
		return;
	qsort(list->v, list->n, sizeof(*list->v), by_pfn);
	for (size_t i = 1; i < list->n; i++) {
		struct us_pages *last = &list->v[kept], next = list->v[i];
		uint64_t end = next.pfn + next.count;

		if (next.pfn > last->pfn + last->count)
			list->v[++kept] = next;
		else if (end > last->pfn + last->count)
			last->count = end - last->pfn;
	}
	list->n = kept + 1;
}

static void add(struct us_protected *list, uint64_t pfn, uint64_t count)
{
	struct us_pages *last = list->n ? &list->v[list->n - 1] : NULL;

	if (last && pfn == last->pfn + last->count) {
		last->count += count;
		return;
	}
	if (list->n == list->cap) {
		struct us_pages *v;
		size_t cap = list->cap ? 2 * list->cap : 256;

		merge(list);
		if (cap > RANGES_MAX && list->n > RANGES_MAX / 2)
			list->full = true;
		if (list->full || list->failed)
			return;
		v = cap > RANGES_MAX ? list->v : reallocarray(list->v, cap, sizeof(*v));
		if (!v) {
			list->failed = true;
			return;
		}
		list->v = v;
		list->cap = cap > RANGES_MAX ? list->cap : cap;
	}
	list->v[list->n++] = (struct us_pages){ pfn, count };
}

struct finder {
	const struct us_vmcore *core;
	const struct us_layout *layout;
	struct us_page_map *map;
	struct us_protected *list;
	struct us_walker walker;
	unsigned int tables_left; /* to be read */
	uint64_t reserved;        /* the flag in struct page; 0 if not known */
	uint8_t *pages;           /* room for FLAGS_AT_ONCE struct pages */
};

static void add_table(void *data, uint64_t phys)
{
	struct finder *f = data;

	add(f->list, phys >> f->core->page_shift, 1);
}

typedef void (*extent_fn)(struct finder *f, uint64_t pfn, uint64_t count);

static void add_all(struct finder *f, uint64_t pfn, uint64_t count)
{
	add(f->list, pfn, count);
}

/* The pages of the image that were not given back. */
static void add_reserved(struct finder *f, uint64_t pfn, uint64_t count)
{
	const struct us_page_rules *rules = &f->layout->rules;

	while (count) {
		size_t want = count < FLAGS_AT_ONCE ? count : FLAGS_AT_ONCE;
		size_t n = us_page_map_read(f->map, pfn, want, f->pages);

		for (size_t i = 0; i < want; i++) {
			if (i >= n ||
			    (us_page_flags(rules, f->pages + i * rules->size) & f->reserved))
				add(f->list, pfn + i, 1);
		}
		pfn += want;
		count -= want;
	}
}

/* fn for all that is mapped in [virt, virt + bytes), in as long pieces as there are; straight: only
 * where virt - phys is this, unless 0. */
static void each_mapped(struct finder *f, uint64_t virt, uint64_t bytes, uint64_t straight,
			extent_fn fn)
{
	uint64_t end = virt + bytes, page = f->core->page_bytes, pfn = 0, count = 0;

	while (virt < end) {
		uint64_t phys, mapped, pages;
		struct us_err *err = us_walk(&f->walker, virt, &phys, &mapped);

		if (mapped > end - virt)
			mapped = end - virt;
		if (!err && (!straight || virt - phys == straight)) {
			pages = (phys % page + mapped + page - 1) / page;
			if (count && phys / page != pfn + count) {
				fn(f, pfn, count);
				count = 0;
			}
			pfn = count ? pfn : phys / page;
			count += pages;
		}
		us_err_free(err);
		virt += mapped;
	}
	if (count)
		fn(f, pfn, count);
}

/* The flag that all pages of exported symbols have; 0 if that is not exactly one. */
static uint64_t reserved_flag(struct finder *f)
{
	static const char *const symbols[] = { "_stext",       "init_uts_ns",    "node_online_map",
					       "init_top_pgt", "swapper_pg_dir", "kallsyms_names" };
	const struct us_page_rules *rules = &f->layout->rules;
	uint8_t page[US_STRUCT_PAGE_MAX];
	uint64_t common = FLAGS_MASK, virt, phys, mapped;

	for (size_t i = 0; i < us_array_size(symbols); i++) {
		struct us_err *err;

		if (!us_vmcoreinfo_symbol(f->core->info, symbols[i], &virt))
			continue;
		err = us_walk(&f->walker, virt, &phys, &mapped);
		if (!err && us_page_map_read(f->map, phys >> f->core->page_shift, 1, page))
			common &= us_page_flags(rules, page);
		us_err_free(err);
	}
	return common & (common - 1) ? 0 : common;
}

static void add_image(struct finder *f)
{
	uint64_t stext, straight, bytes = ARM64_IMAGE_MAX, start;

	if (!us_vmcoreinfo_symbol(f->core->info, "_stext", &stext))
		return;
	start = stext & ~(uint64_t)(IMAGE_ALIGN - 1);
	straight = (uint64_t)f->layout->value[US_F_KIMAGE_VOFFSET]; /* among vmalloc's areas */
	if (f->core->arch->id == US_ARCH_X86_64) {
		int64_t size = X86_IMAGE_MAX;

		(void)us_vmcoreinfo_number(f->core->info, "NUMBER", "KERNEL_IMAGE_SIZE", &size);
		bytes = size <= 0 || size > X86_IMAGE_MAX ? X86_IMAGE_MAX : (uint64_t)size;
		start = X86_IMAGE; /* up to the modules */
		straight = 0;
	}
	f->reserved = reserved_flag(f);
	each_mapped(f, start, bytes, straight, f->reserved ? add_reserved : add_all);
}

/* The tables below one, as far down as lowest; what a table repeats (KASAN's shadow of nothing) is
 * gone into once. */
static void add_tables_below(struct finder *f, uint64_t table, unsigned int level,
			     unsigned int lowest)
{
	const struct us_paging *paging = &f->layout->paging;
	bool top = level + 1 == paging->levels;
	size_t n = (size_t)1 << (top ? paging->top_bits : paging->page_shift - 3);
	size_t first = top && f->core->arch->id == US_ARCH_X86_64 ? n / 2 : 0; /* the kernel's */
	_us_free_ uint64_t *entries = malloc(n * sizeof(*entries));
	struct us_err *err;
	uint64_t before = 0;

	if (!entries || !f->tables_left)
		return;
	f->tables_left--;
	err = us_vmcore_read(f->core, table, entries, n * sizeof(*entries));
	if (err) {
		us_err_free(err);
		return;
	}
	for (size_t i = first; i < n; i++) {
		struct us_pte pte = paging->decode(paging, le64toh(entries[i]), level);

		if (!pte.present || pte.leaf || pte.phys == before)
			continue;
		before = pte.phys;
		add(f->list, pte.phys >> f->core->page_shift, 1);
		if (level - 1 > lowest)
			add_tables_below(f, pte.phys, level - 1, lowest);
	}
}

/* All page tables of the kernel: upper levels first, the lowest as far as the budget goes. */
static void add_tables(struct finder *f)
{
	const struct us_paging *paging = &f->layout->paging;

	if (!paging->ok)
		return;
	add(f->list, paging->root >> f->core->page_shift, 1);
	for (unsigned int lowest = 2; lowest-- > 0;) {
		f->tables_left = TABLES_MAX;
		add_tables_below(f, paging->root, paging->levels - 1, lowest);
	}
}

static void add_struct_pages(struct finder *f)
{
	struct us_page_map *map = f->map;
	uint64_t next = 0;

	for (size_t i = 0; i < f->core->n_ram; i++) {
		uint64_t pfn = f->core->ram[i].start >> f->core->page_shift;
		uint64_t last = (us_range_end(f->core->ram[i]) - 1) >> f->core->page_shift;
		uint64_t section = pfn / map->section_pages;

		if (!f->core->ram[i].size)
			continue;
		for (section = section > next ? section : next;
		     section <= last / map->section_pages && !f->list->full; section++) {
			uint64_t virt;

			next = section + 1;
			if (us_page_map_section(map, section, &virt))
				each_mapped(f, virt, map->section_pages * f->layout->rules.size, 0,
					    add_all);
		}
	}
}

/* The stack pointer in an NT_PRSTATUS: its registers start at 112 (struct elf_prstatus_common). */
static void add_stacks(struct finder *f)
{
	bool x86 = f->core->arch->id == US_ARCH_X86_64;
	uint64_t at = 112 + 8 * (x86 ? 19 : 31);
	uint64_t bytes = f->core->page_bytes > STACK_BYTES ? f->core->page_bytes : STACK_BYTES;

	for (size_t i = 0; i < f->core->n_notes; i++) {
		const struct us_vmcore_note *note = &f->core->notes[i];
		uint64_t sp;

		if (note->type != 1 || strcmp(note->name, "CORE") != 0 ||
		    !us_le64(note->desc, at, &sp) || !(sp >> 63))
			continue;
		each_mapped(f, sp & ~(bytes - 1), bytes, 0, add_all);
	}
}

/* What kallsyms leads to. */
enum { PCPU_BASE, PCPU_OFFSETS, PCPU_PAGES, PCPU_UNITS, POISONED, SYMBOLS };

/* The units of the first per-CPU chunk (Linux 6.12 mm/percpu.c): what the kernel is built with and
 * the first of what it asks for later; a unit's unused end was given back. v: the variables.
 * Later chunks are vmalloc memory: pages without a mapping or a type, which are kept anyway. */
static void add_per_cpu(struct finder *f, const uint64_t v[SYMBOLS])
{
	uint64_t pages = v[PCPU_PAGES] & UINT32_MAX, units = v[PCPU_UNITS] & UINT32_MAX;
	struct us_err *err = NULL;

	if (!f->reserved || !v[PCPU_OFFSETS] || pages > UNIT_PAGES_MAX || units > UNITS_MAX)
		return;
	for (uint64_t i = 0; i < units && !err; i++) {
		uint64_t offset;

		err = us_walker_read(&f->walker, v[PCPU_OFFSETS] + 8 * i, &offset, sizeof(offset));
		if (!err)
			each_mapped(f, v[PCPU_BASE] + le64toh(offset), pages * f->core->page_bytes,
				    0, add_reserved);
	}
	us_err_free(err);
}

static void ask_symbols(struct finder *f)
{
	struct us_ksym symbols[SYMBOLS] = {
		[PCPU_BASE] = { .name = "pcpu_base_addr" },
		[PCPU_OFFSETS] = { .name = "pcpu_unit_offsets" },
		[PCPU_PAGES] = { .name = "pcpu_unit_pages" },
		[PCPU_UNITS] = { .name = "pcpu_nr_units" },
		[POISONED] = { .name = "num_poisoned_pages" },
	};
	uint64_t v[SYMBOLS] = { 0 };
	struct us_err *err = us_ksyms_find(&f->walker, symbols, SYMBOLS);

	us_err_free(err); /* kernels before 6.0 do not export where it is */
	for (size_t i = 0; i < SYMBOLS; i++) {
		uint64_t raw;

		if (!symbols[i].address)
			continue;
		err = us_walker_read(&f->walker, symbols[i].address, &raw, sizeof(raw));
		v[i] = err ? 0 : le64toh(raw);
		us_err_free(err);
	}
	f->list->poisoned = v[POISONED] > 0;
	add_per_cpu(f, v);
}

struct us_err *us_protect_find(const struct us_vmcore *core, const struct us_layout *layout,
			       struct us_page_map *map, struct us_protected *ret)
{
	struct finder f = { .core = core, .layout = layout, .map = map, .list = ret };

	_us_free_ uint8_t *pages = malloc((size_t)FLAGS_AT_ONCE * layout->rules.size);

	if (!pages)
		return us_err_nomem();
	f.pages = pages;
	*ret = (struct us_protected){ 0 };
	US_TRY(us_walker_init(core, layout, &f.walker));
	f.walker.on_table = add_table;
	f.walker.data = &f;
	add_image(&f);
	add_tables(&f);
	add_stacks(&f);
	ask_symbols(&f);
	add_struct_pages(&f);
	us_walker_deinit(&f.walker);
	merge(ret);
	if (ret->failed) {
		us_protected_deinit(ret);
		return us_err_nomem();
	}
	return NULL;
}

void us_protected_deinit(struct us_protected *list)
{
	free(list->v);
	*list = (struct us_protected){ 0 };
}
