/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A typed memory map as a sorted vector without overlaps. Setting a range cuts what was there and
 * joins neighbours of one kind. The kinds' words are those of /proc/iomem and the e820 numbers
 * those of Linux 6.12 arch/x86/include/asm/e820/types.h.
 */
#include "mem/mem.h"

#include <stdlib.h>
#include <string.h>

struct kind_words {
	const char *name;
	uint32_t e820;
};

#define E820_RESERVED 2

static const struct kind_words kinds[US_MEM_KINDS] = {
	[US_MEM_RAM] = { "System RAM", 1 },
	[US_MEM_RESERVED] = { "Reserved", E820_RESERVED },
	[US_MEM_ACPI] = { "ACPI Tables", 3 },
	[US_MEM_NVS] = { "ACPI Non-volatile Storage", 4 },
	[US_MEM_UNUSABLE] = { "Unusable memory", 5 },
	[US_MEM_PMEM] = { "Persistent Memory", 7 },
	[US_MEM_PRAM] = { "Persistent Memory (legacy)", 12 },
	[US_MEM_SOFT_RESERVED] = { "Soft Reserved", 0xefffffff },
	[US_MEM_CRASH] = { "Crash kernel", E820_RESERVED },
	[US_MEM_KERNEL_CODE] = { "Kernel code", E820_RESERVED },
	[US_MEM_KERNEL_DATA] = { "Kernel data", E820_RESERVED },
	[US_MEM_OTHER] = { "other", E820_RESERVED },
};

const char *us_mem_kind_name(enum us_mem_kind kind)
{
	return kind < US_MEM_KINDS ? kinds[kind].name : "other";
}

uint32_t us_mem_kind_e820(enum us_mem_kind kind)
{
	return kind < US_MEM_KINDS ? kinds[kind].e820 : E820_RESERVED;
}

/* The first entry that ends behind addr. */
static size_t find(const struct us_map *map, uint64_t addr)
{
	size_t lo = 0, hi = map->n;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (us_range_end(map->entries[mid].range) > addr)
			hi = mid;
		else
			lo = mid + 1;
	}
	return lo;
}

static struct us_err *grow(struct us_map *map)
{
	struct us_map_entry *more;
	size_t cap = map->cap ? map->cap * 2 : 16;

	if (map->n < map->cap)
		return NULL;
	more = reallocarray(map->entries, cap, sizeof(*more));
	if (!more)
		return us_err_nomem();
	map->entries = more;
	map->cap = cap;
	return NULL;
}

static struct us_err *insert(struct us_map *map, size_t at, struct us_map_entry entry)
{
	US_TRY(grow(map));
	memmove(map->entries + at + 1, map->entries + at, (map->n - at) * sizeof(entry));
	map->entries[at] = entry;
	map->n++;
	return NULL;
}

static void drop(struct us_map *map, size_t at, size_t n)
{
	if (!n)
		return;
	memmove(map->entries + at, map->entries + at + n, (map->n - at - n) * sizeof(*map->entries));
	map->n -= n;
}

struct us_err *us_map_cut(struct us_map *map, struct us_range range)
{
	uint64_t end = us_range_end(range);
	size_t i, last;

	if (!range.size)
		return NULL;
	i = find(map, range.start);
	if (i < map->n && map->entries[i].range.start < range.start) {
		struct us_map_entry *e = &map->entries[i];
		uint64_t e_end = us_range_end(e->range);

		if (e_end > end) { /* a hole inside one entry: its tail becomes a new one */
			struct us_map_entry tail = { { end, e_end - end }, e->kind };

			US_TRY(insert(map, i + 1, tail));
			e = &map->entries[i];
		}
		e->range.size = range.start - e->range.start;
		i++;
	}
	for (last = i; last < map->n && us_range_end(map->entries[last].range) <= end; last++)
		;
	drop(map, i, last - i);
	if (i < map->n && map->entries[i].range.start < end) {
		struct us_range *r = &map->entries[i].range;

		r->size = us_range_end(*r) - end;
		r->start = end;
	}
	return NULL;
}

struct us_err *us_map_set(struct us_map *map, struct us_range range, enum us_mem_kind kind)
{
	struct us_map_entry *e;
	size_t i;

	if (!range.size)
		return NULL;
	US_TRY(us_map_cut(map, range));
	i = find(map, range.start);
	US_TRY(insert(map, i, (struct us_map_entry){ range, kind }));
	e = map->entries;
	if (i + 1 < map->n && e[i + 1].kind == kind &&
	    e[i + 1].range.start == us_range_end(e[i].range)) {
		e[i].range.size += e[i + 1].range.size;
		drop(map, i + 1, 1);
	}
	if (i > 0 && e[i - 1].kind == kind && us_range_end(e[i - 1].range) == e[i].range.start) {
		e[i - 1].range.size += e[i].range.size;
		drop(map, i, 1);
	}
	return NULL;
}

struct us_err *us_map_copy(const struct us_map *map, struct us_map *ret)
{
	struct us_map copy = { .n = map->n, .cap = map->n };

	if (map->n) {
		copy.entries = reallocarray(NULL, map->n, sizeof(*copy.entries));
		if (!copy.entries)
			return us_err_nomem();
		memcpy(copy.entries, map->entries, map->n * sizeof(*copy.entries));
	}
	*ret = copy;
	return NULL;
}

void us_map_deinit(struct us_map *map)
{
	free(map->entries);
	*map = (struct us_map){ 0 };
}

const struct us_map_entry *us_map_at(const struct us_map *map, uint64_t addr)
{
	size_t i = find(map, addr);

	return i < map->n && map->entries[i].range.start <= addr ? &map->entries[i] : NULL;
}

uint64_t us_map_total(const struct us_map *map, enum us_mem_kind kind)
{
	uint64_t total = 0;

	for (size_t i = 0; i < map->n; i++)
		if (map->entries[i].kind == kind)
			total += map->entries[i].range.size;
	return total;
}

uint64_t us_map_top(const struct us_map *map, enum us_mem_kind kind)
{
	for (size_t i = map->n; i-- > 0;)
		if (map->entries[i].kind == kind)
			return us_range_end(map->entries[i].range);
	return 0;
}
