/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Can struct pages be believed? Before the scan three witnesses are heard: pages that are certainly
 * in use (the protected ones), entries of the buddy allocator's free lists, and a sample across all
 * memory in which slab must occur. After it, and during it as a limit, the kernel's own count of
 * free pages (zone.vm_stat[NR_FREE_PAGES]; Linux 6.12 include/linux/mmzone.h). A class that fails
 * is kept.
 */
#include "base/cleanup.h"
#include "vmcore/pages-int.h"

#include <endian.h>
#include <string.h>

#define WITNESSES       512
#define BAD_IN_100      2     /* more witnesses than this against a class: it is not believed */
#define LIST_ENTRIES    8     /* of each free list */
#define LISTS_MAX       16384 /* a damaged dump may seem to have many */
#define NODES_MAX       1024
#define ZONES_MAX       8
#define TYPES_MAX       16
#define SAMPLES         256  /* places ... */
#define SAMPLE_PAGES    64   /* ... of so many struct pages */
#define SAMPLE_USER     2048 /* with so many of them some slab must be seen */
#define GOLDEN          2654435761u
#define FREE_SLACK      2048 /* pages on their way between counters and lists */
#define FREE_SLACK_PART 20   /* and a twentieth */

struct gate {
	const struct us_vmcore *core;
	const struct us_layout *layout;
	struct us_page_map *map;
	struct us_gates *gates;
	unsigned int lists_left;
};

/* ---- the kernel's lists and counters of free pages ---- */

static bool read_u64(const struct gate *g, uint64_t virt, uint64_t *ret)
{
	uint64_t v, phys, mapped;
	struct us_err *err = us_walk(&g->map->walker, virt, &phys, &mapped);

	if (!err)
		err = us_vmcore_read(g->core, phys, &v, sizeof(v));
	if (err) {
		us_err_free(err);
		return false;
	}
	*ret = le64toh(v);
	return true;
}

static bool plausible(const struct us_layout *layout, enum us_field field, int64_t max)
{
	return us_has(layout, field) && layout->value[field] >= 0 && layout->value[field] <= max;
}

/* pfn of the struct page at virt, by the distance from the struct page of a page nearby. */
static bool pfn_of(struct gate *g, uint64_t virt, uint64_t *ret)
{
	uint64_t base, distance;

	if (!us_page_map_section(g->map, 0, &base) &&
	    !us_page_map_at(g->map, g->core->ram[g->core->n_ram - 1].start >> g->core->page_shift,
			    &base))
		return false;
	if (!us_page_map_section(g->map, 0, &distance))
		base -= (g->core->ram[g->core->n_ram - 1].start >> g->core->page_shift) *
			g->layout->rules.size;
	distance = virt - base;
	if (virt < base || distance % g->layout->rules.size)
		return false;
	*ret = distance / g->layout->rules.size;
	/* only if the way back leads here: sections need not be one array */
	return us_page_map_at(g->map, *ret, &base) && base == virt;
}

static void ask_list(struct gate *g, uint64_t head, unsigned int order)
{
	uint64_t entry = head, pfn;

	if (!g->lists_left)
		return;
	g->lists_left--;
	for (unsigned int i = 0; i < LIST_ENTRIES; i++) {
		struct us_page_says says;

		if (!read_u64(g, entry + (uint64_t)g->layout->value[US_F_LIST_NEXT], &entry) ||
		    entry == head || !entry)
			return;
		if (!pfn_of(g, entry - (uint64_t)g->layout->value[US_F_PAGE_LRU], &pfn) ||
		    !us_page_map_judge(g->map, pfn, &says))
			return;
		g->gates->free_asked++;
		if (says.class == US_CLASS_FREE && says.order == order)
			g->gates->free_agreed++;
	}
}

static void ask_zone(struct gate *g, uint64_t zone)
{
	const int64_t *v = g->layout->value;
	uint64_t count;

	if (!read_u64(g, zone + (uint64_t)(v[US_F_ZONE_VM_STAT] + 8 * v[US_F_NR_FREE_PAGES]),
		      &count) ||
	    count >> 40) {
		g->gates->knows_free = false;
		return;
	}
	g->gates->free_pages += count;
	if (!plausible(g->layout, US_F_LENGTH_FREE_LIST, TYPES_MAX) ||
	    !plausible(g->layout, US_F_SIZE_FREE_AREA, 4096) ||
	    !plausible(g->layout, US_F_FREE_LIST, 4096) ||
	    !plausible(g->layout, US_F_PAGE_LRU, US_STRUCT_PAGE_MAX) ||
	    !plausible(g->layout, US_F_LIST_NEXT, 8) ||
	    !plausible(g->layout, US_F_ZONE_FREE_AREA, 65536))
		return;
	for (unsigned int order = 0; order < g->layout->rules.free_orders; order++) {
		uint64_t lists = zone + (uint64_t)(v[US_F_ZONE_FREE_AREA] + v[US_F_FREE_LIST]) +
				 order * (uint64_t)v[US_F_SIZE_FREE_AREA];

		for (int64_t type = 0; type < v[US_F_LENGTH_FREE_LIST]; type++)
			ask_list(g, lists + 16 * (uint64_t)type, order);
	}
}

static void ask_node(struct gate *g, uint64_t node)
{
	const int64_t *v = g->layout->value;
	uint64_t zones;

	if (!read_u64(g, node + (uint64_t)v[US_F_NR_ZONES], &zones) ||
	    (zones & 0xffffffff) > ZONES_MAX) {
		g->gates->knows_free = false;
		return;
	}
	for (uint64_t i = 0; i < (zones & 0xffffffff); i++)
		ask_zone(g, node + (uint64_t)v[US_F_NODE_ZONES] + i * (uint64_t)v[US_F_SIZE_ZONE]);
}

/* An array of pointers; NULL where there is no node. */
static void ask_node_data(struct gate *g)
{
	size_t n = (size_t)g->layout->value[US_F_LENGTH_NODE_DATA];
	_us_free_ uint64_t *nodes = calloc(n + 1, sizeof(*nodes));
	struct us_err *err;

	if (!nodes) {
		g->gates->knows_free = false;
		return;
	}
	err = us_vmcore_read_virt(g->core, g->layout, (uint64_t)g->layout->value[US_F_NODE_DATA],
				  nodes, n * sizeof(*nodes));
	if (err)
		g->gates->knows_free = false;
	us_err_free(err);
	for (size_t i = 0; i < n; i++) {
		if (nodes[i])
			ask_node(g, le64toh(nodes[i]));
	}
}

static void ask_nodes(struct gate *g)
{
	const struct us_layout *layout = g->layout;

	if (!plausible(layout, US_F_NODE_ZONES, 1 << 20) ||
	    !plausible(layout, US_F_NR_ZONES, 1 << 24) ||
	    !plausible(layout, US_F_SIZE_ZONE, 1 << 20) ||
	    !plausible(layout, US_F_ZONE_VM_STAT, 1 << 20) ||
	    !plausible(layout, US_F_NR_FREE_PAGES, 64))
		return;
	g->gates->knows_free = true;
	if (us_has(layout, US_F_NODE_DATA) && plausible(layout, US_F_LENGTH_NODE_DATA, NODES_MAX)) {
		ask_node_data(g);
	} else if (us_has(layout, US_F_CONTIG_PAGE_DATA)) {
		ask_node(g, (uint64_t)layout->value[US_F_CONTIG_PAGE_DATA]);
	} else {
		g->gates->knows_free = false;
	}
	g->gates->knows_free = g->gates->knows_free && g->gates->free_pages;
	g->gates->free_limit =
		g->gates->knows_free
			? g->gates->free_pages + g->gates->free_pages / FREE_SLACK_PART + FREE_SLACK
			: UINT64_MAX;
}

/* ---- witnesses ---- */

static void distrust(struct gate *g, enum us_page_class class, const char *why)
{
	g->gates->distrust[class] = true;
	us_text_add(&g->gates->notes, "%s pages are kept: %s\n", us_page_class_name(class), why);
}

static void ask_protected(struct gate *g, const struct us_protected *list)
{
	static const enum us_page_class doubtful[] = { US_CLASS_FREE, US_CLASS_CACHE,
						       US_CLASS_CACHE_PRIVATE, US_CLASS_USER,
						       US_CLASS_OFFLINE };
	uint64_t pages = 0, asked = 0, step, skip = 0, against[US_CLASS_COUNT] = { 0 };

	for (size_t i = 0; i < list->n; i++)
		pages += list->v[i].count;
	step = pages / WITNESSES + 1;
	for (size_t i = 0; i < list->n; i++) {
		for (; skip < list->v[i].count; skip += step) {
			struct us_page_says says;

			if (!us_page_map_judge(g->map, list->v[i].pfn + skip, &says))
				continue;
			asked++;
			against[says.class]++;
		}
		skip -= list->v[i].count;
	}
	for (size_t i = 0; i < us_array_size(doubtful); i++) {
		enum us_page_class class = doubtful[i];

		if (against[class] * 100 > asked * BAD_IN_100)
			distrust(g, class,
				 "pages of the kernel image and its tables look like them");
	}
}

struct seen {
	uint64_t user, slab;
};

static void sample_at(struct gate *g, uint64_t pfn, uint64_t left, uint8_t *buf, struct seen *seen)
{
	const struct us_page_rules *rules = &g->layout->rules;
	size_t n = us_page_map_read(g->map, pfn, left < SAMPLE_PAGES ? left : SAMPLE_PAGES, buf);

	for (size_t i = 0; i < n; i++) {
		const uint8_t *page = buf + i * rules->size;
		struct us_page_says says = us_page_classify(rules, pfn + i, page,
							    i + 1 < n ? page + rules->size : NULL);

		seen->user += says.class == US_CLASS_USER;
		seen->slab += says.class == US_CLASS_SLAB;
	}
}

/* Slab occurs in any large sample of a running kernel: if it does not, it hides among what looks
 * like user pages. The places are spread without a rhythm, since memory has many. */
static void ask_sample(struct gate *g)
{
	const struct us_page_rules *rules = &g->layout->rules;
	_us_free_ uint8_t *buf = malloc((size_t)SAMPLE_PAGES * rules->size);
	uint64_t pages = 0, step, skip = 0, place = 0;
	struct seen seen = { 0 };

	if (!buf)
		return;
	if (!rules->slab.known && !rules->slab_flag) {
		distrust(g, US_CLASS_USER, "nothing tells slab pages from them");
		g->gates->slab_ok = US_NO;
		return;
	}
	for (size_t i = 0; i < g->core->n_ram; i++)
		pages += g->core->ram[i].size >> g->core->page_shift;
	step = pages / SAMPLES > SAMPLE_PAGES ? pages / SAMPLES : SAMPLE_PAGES;
	for (size_t i = 0; i < g->core->n_ram; i++) {
		uint64_t first = g->core->ram[i].start >> g->core->page_shift;
		uint64_t count = g->core->ram[i].size >> g->core->page_shift;

		for (; skip < count; skip += step) {
			uint64_t at = skip + ++place * GOLDEN % step / SAMPLE_PAGES * SAMPLE_PAGES;

			if (at < count)
				sample_at(g, first + at, count - at, buf, &seen);
		}
		skip -= count;
	}
	g->gates->slab_ok = seen.slab ? US_YES : seen.user < SAMPLE_USER ? US_UNKNOWN : US_NO;
	if (g->gates->slab_ok == US_NO)
		distrust(g, US_CLASS_USER, "no slab page was found in a large sample");
}

void us_gates_find(const struct us_vmcore *core, const struct us_layout *layout,
		   struct us_page_map *map, const struct us_protected *list, struct us_gates *ret)
{
	struct gate g = {
		.core = core, .layout = layout, .map = map, .gates = ret, .lists_left = LISTS_MAX
	};

	*ret = (struct us_gates){ .free_limit = UINT64_MAX };
	if (!layout->rules.buddy.known || !layout->rules.free_orders)
		us_text_add(&ret->notes, "free pages can't be told: vmcoreinfo has no %s\n",
			    layout->rules.buddy.known ? "LENGTH(zone.free_area)"
						      : "NUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)");
	ask_nodes(&g);
	if ((ret->free_asked - ret->free_agreed) * 100 > ret->free_asked * BAD_IN_100)
		distrust(&g, US_CLASS_FREE, "entries of the free lists do not look like them");
	ask_protected(&g, list);
	ask_sample(&g);
	if (list->full)
		us_text_add(&ret->notes, "there are more ranges to protect than are remembered\n");
}

enum us_tri us_gates_free_ok(struct us_gates *gates, uint64_t found, uint64_t unreadable)
{
	uint64_t slack = gates->free_pages / FREE_SLACK_PART + FREE_SLACK;

	if (gates->distrust[US_CLASS_FREE])
		return US_NO;
	if (!gates->knows_free)
		return US_UNKNOWN;
	if (found + unreadable + slack >= gates->free_pages)
		return found <= gates->free_limit ? US_YES : US_NO;
	us_text_add(&gates->notes, "%llu of %llu free pages were recognised; the others are kept\n",
		    (unsigned long long)found, (unsigned long long)gates->free_pages);
	return US_NO;
}

enum us_tri us_gates_slab_ok(struct us_gates *gates, uint64_t slab, uint64_t user)
{
	if (gates->slab_ok != US_UNKNOWN)
		return gates->slab_ok;
	if (slab)
		return US_YES;
	if (user < SAMPLE_USER)
		return US_UNKNOWN;
	us_text_add(&gates->notes, "there is no slab page: it may be among user pages\n");
	return US_NO;
}

void us_gates_deinit(struct us_gates *gates)
{
	us_text_deinit(&gates->notes);
}
