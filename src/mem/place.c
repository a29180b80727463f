/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finding a hole: the highest (or lowest) aligned place in the RAM entries of a map within limits.
 * The order is that of the kernel's own search (Linux 6.12 kernel/kexec_file.c,
 * locate_mem_hole_top_down and _bottom_up): whole RAM range by whole RAM range from the wished end.
 */
#include "mem/mem.h"

#include "base/text.h"

/* The part of entry i that a wish may use; size 0 if none. */
static struct us_range hole(const struct us_map *map, size_t i, const struct us_wish *wish)
{
	struct us_range limits = { .start = wish->min };

	if (map->entries[i].kind != US_MEM_RAM || wish->max <= wish->min)
		return (struct us_range){ 0 };
	limits.size = wish->max - wish->min;
	return us_range_intersect(map->entries[i].range, limits);
}

static bool fits(struct us_range h, const struct us_wish *wish, struct us_range *ret)
{
	struct us_range place = { .size = wish->size };

	if (h.size < wish->size)
		return false;
	if (!wish->bottom_up)
		place.start = us_align_down(us_range_end(h) - wish->size, wish->align);
	else if (!us_align_up(h.start, wish->align, &place.start))
		return false;
	if (place.start < h.start || place.start - h.start > h.size - wish->size)
		return false;
	*ret = place;
	return true;
}

struct us_err *us_map_place(const struct us_map *map, const struct us_wish *wish,
			    struct us_range *ret, uint64_t *ret_largest)
{
	char size[US_TEXT_SIZE_MAX], most[US_TEXT_SIZE_MAX];
	uint64_t largest = 0;
	struct us_range place = { 0 };
	bool found = false;

	for (size_t n = 0; n < map->n; n++) {
		size_t i = wish->bottom_up ? n : map->n - 1 - n;
		struct us_range h = hole(map, i, wish);

		if (h.size > largest)
			largest = h.size;
		if (!found)
			found = fits(h, wish, &place);
	}
	if (ret_largest)
		*ret_largest = largest;
	if (!found)
		return us_err_new(US_ERR_NO_ROOM,
				  "no free RAM for %s aligned to 0x%" PRIx64 " between 0x%" PRIx64
				  " and 0x%" PRIx64 ": the largest hole there has %s",
				  us_text_size(wish->size, size), wish->align, wish->min, wish->max,
				  us_text_size(largest, most));
	*ret = place;
	return NULL;
}
