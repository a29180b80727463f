/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Physical memory as an algebra: half-open ranges and maps of them. No function here reads a
 * machine; everything can be tested from numbers.
 */
#ifndef US_MEM_MEM_H
#define US_MEM_MEM_H

#include "base/bytes.h"

#include <inttypes.h>

struct us_range {
	uint64_t start; /* physical address */
	uint64_t size;  /* bytes; start + size never overflows (one past the last byte may be 0 only
			   if size is 0) */
};

/* The only constructors for what comes from outside: false if the end would pass 2^64 - 1. */
bool us_range_make(uint64_t start, uint64_t size, struct us_range *ret) us_must_check;
/* From first and last byte, as /proc/iomem and the firmware map give them. False if last < first or
 * last is 2^64 - 1. */
bool us_range_from_last(uint64_t first, uint64_t last, struct us_range *ret) us_must_check;

static inline uint64_t us_range_end(struct us_range r)
{
	return r.start + r.size;
}

bool us_range_has(struct us_range outer,
		  struct us_range inner); /* an empty inner is inside if its start is */
bool us_range_overlaps(struct us_range a, struct us_range b);
/* The common part; size 0 if there is none. */
struct us_range us_range_intersect(struct us_range a, struct us_range b);
/* align: a power of two; false on overflow. */
bool us_align_up(uint64_t v, uint64_t align, uint64_t *ret) us_must_check;
uint64_t us_align_down(uint64_t v, uint64_t align);

enum us_mem_kind {
	US_MEM_RAM,
	US_MEM_RESERVED,
	US_MEM_ACPI, /* ACPI tables (reclaimable) */
	US_MEM_NVS,
	US_MEM_UNUSABLE,
	US_MEM_PMEM,
	US_MEM_PRAM,          /* persistent (legacy) RAM, e820 type 12 */
	US_MEM_SOFT_RESERVED, /* e820 type 0xefffffff */
	US_MEM_CRASH,         /* "Crash kernel" */
	US_MEM_KERNEL_CODE,   /* of the running kernel */
	US_MEM_KERNEL_DATA,
	US_MEM_OTHER, /* devices and what has another name */
	US_MEM_KINDS
};
/* "System RAM": the words of /proc/iomem. */
const char *us_mem_kind_name(enum us_mem_kind kind);
/* The e820 type number (Linux 6.12 arch/x86/include/asm/e820/types.h), 2 (reserved) for what has
 * none. */
uint32_t us_mem_kind_e820(enum us_mem_kind kind);

struct us_map_entry {
	struct us_range range;
	enum us_mem_kind kind;
};

/* Sorted by start, never overlapping, neighbours of one kind merged. Initialise with { 0 }. */
struct us_map {
	struct us_map_entry *entries;
	size_t n, cap;
};

/* Set range to kind, replacing whatever was there. Empty ranges are ignored. */
struct us_err *us_map_set(struct us_map *map, struct us_range range, enum us_mem_kind kind)
	us_must_check;
/* Take range out of the map. */
struct us_err *us_map_cut(struct us_map *map, struct us_range range) us_must_check;
struct us_err *us_map_copy(const struct us_map *map, struct us_map *ret) us_must_check;
void us_map_deinit(struct us_map *map);
#define _us_map_deinit_ __attribute__((cleanup(us_map_deinit)))
/* The entry that holds addr, or NULL. */
const struct us_map_entry *us_map_at(const struct us_map *map, uint64_t addr);
/* Bytes of one kind. */
uint64_t us_map_total(const struct us_map *map, enum us_mem_kind kind);
/* End of the highest entry of kind, 0 if there is none. */
uint64_t us_map_top(const struct us_map *map, enum us_mem_kind kind);

/* What a segment asks of its place. */
struct us_wish {
	uint64_t size;  /* bytes, not 0 */
	uint64_t align; /* a power of two */
	uint64_t min;   /* lowest first byte */
	uint64_t max;   /* one past the highest byte allowed */
	bool bottom_up; /* lowest place that fits, else the highest */
};
/*
 * A place in the RAM entries of map that satisfies wish. US_ERR_NO_ROOM names the size wanted, the
 * limits and the largest hole between them; *ret_largest (may be NULL) is written in both cases.
 */
struct us_err *us_map_place(const struct us_map *map, const struct us_wish *wish,
			    struct us_range *ret, uint64_t *ret_largest) us_must_check;

#endif
