/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Half-open ranges of physical addresses: construction with overflow checks, containment, overlap,
 * intersection and alignment. Pure arithmetic; knows no machine.
 */
#include "mem/mem.h"

bool us_range_make(uint64_t start, uint64_t size, struct us_range *ret)
{
	uint64_t end;

	if (!us_add(start, size, &end))
		return false;
	*ret = (struct us_range){ .start = start, .size = size };
	return true;
}

bool us_range_from_last(uint64_t first, uint64_t last, struct us_range *ret)
{
	if (last < first || last == UINT64_MAX)
		return false;
	*ret = (struct us_range){ .start = first, .size = last - first + 1 };
	return true;
}

bool us_range_has(struct us_range outer, struct us_range inner)
{
	return inner.start >= outer.start && inner.start - outer.start < outer.size &&
	       inner.size <= outer.size - (inner.start - outer.start);
}

bool us_range_overlaps(struct us_range a, struct us_range b)
{
	return us_range_intersect(a, b).size != 0;
}

struct us_range us_range_intersect(struct us_range a, struct us_range b)
{
	uint64_t start = a.start > b.start ? a.start : b.start;
	uint64_t end = us_range_end(a) < us_range_end(b) ? us_range_end(a) : us_range_end(b);

	return (struct us_range){ .start = start, .size = end > start ? end - start : 0 };
}

bool us_align_up(uint64_t v, uint64_t align, uint64_t *ret)
{
	uint64_t sum;

	if (!us_add(v, align - 1, &sum))
		return false;
	*ret = sum & ~(align - 1);
	return true;
}

uint64_t us_align_down(uint64_t v, uint64_t align)
{
	return v & ~(align - 1);
}
