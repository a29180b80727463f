/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of the page scan: where struct pages are (pagemap.c), what must stay whatever they say
 * (protect.c), whether they can be believed (gates.c). Private to the folder.
 */
#ifndef US_VMCORE_PAGES_INT_H
#define US_VMCORE_PAGES_INT_H

#include "base/text.h"
#include "vmcore/layout-int.h"

/* ---- pagemap.c: pfn -> virtual address of its struct page ---- */

struct us_page_map {
	const struct us_vmcore *core;
	const struct us_layout *layout;
	uint64_t section_pages; /* struct pages are virtually contiguous within a section */
	uint64_t roots, n_roots, per_root;
	uint32_t section_bytes, map_at; /* of struct mem_section */
	uint8_t *root;                  /* the one read last */
	uint64_t root_index;
	bool has_roots, root_held, root_ok;
	uint64_t vmemmap; /* address of struct page 0; 0: not known */
	struct us_walker walker;
};
/* US_ERR_UNSUPPORTED, naming what is missing. */
struct us_err *us_page_map_init(const struct us_vmcore *core, const struct us_layout *layout,
				struct us_page_map *ret) us_must_check;
void us_page_map_deinit(struct us_page_map *map);
/* Address of the struct page of the section's first page; false if it has none. */
bool us_page_map_section(struct us_page_map *map, uint64_t section, uint64_t *ret);
bool us_page_map_at(struct us_page_map *map, uint64_t pfn, uint64_t *ret_virt);
/* Struct pages from pfn's on to buf: how many of n could be read. */
size_t us_page_map_read(struct us_page_map *map, uint64_t pfn, size_t n, uint8_t *buf);
/* What the struct page of pfn says; false if it can't be read. */
bool us_page_map_judge(struct us_page_map *map, uint64_t pfn, struct us_page_says *ret);

/* ---- protect.c: sorted, disjoint ranges of pages ---- */

struct us_pages {
	uint64_t pfn, count;
};
struct us_protected {
	struct us_pages *v;
	size_t n, cap;
	bool full;     /* more than there is room for: the rest rests on its struct pages */
	bool failed;   /* no memory */
	bool poisoned; /* the kernel counts poisoned pages: some may be in the middle of others */
};
struct us_err *us_protect_find(const struct us_vmcore *core, const struct us_layout *layout,
			       struct us_page_map *map, struct us_protected *ret) us_must_check;
void us_protected_deinit(struct us_protected *list);

/* ---- gates.c ---- */

struct us_gates {
	bool distrust[US_CLASS_COUNT]; /* pages of this class are kept */
	bool knows_free;
	uint64_t free_pages;              /* by the kernel's own count */
	uint64_t free_limit;              /* more than this many can't be free */
	uint64_t free_asked, free_agreed; /* entries of the free lists; struct pages that agree */
	enum us_tri slab_ok;
	struct us_text notes; /* lines */
};
/* Before the scan. */
void us_gates_find(const struct us_vmcore *core, const struct us_layout *layout,
		   struct us_page_map *map, const struct us_protected *list, struct us_gates *ret);
/* After it: what the numbers say. */
enum us_tri us_gates_free_ok(struct us_gates *gates, uint64_t found, uint64_t unreadable);
enum us_tri us_gates_slab_ok(struct us_gates *gates, uint64_t slab, uint64_t user);
void us_gates_deinit(struct us_gates *gates);

#endif
