/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where the struct pages are: SPARSEMEM's sections (Linux 6.12 include/linux/mmzone.h), with
 * SPARSEMEM_EXTREME's two levels, the only form that 64-bit x86 and arm64 have had since 4.18. A
 * kernel without sections but with an exported vmemmap is read through that. FLATMEM and
 * DISCONTIGMEM are not understood.
 */
#include "vmcore/pages-int.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define SECTION_PRESENT 1
/* The low bits of section_mem_map are flags (4 to 6 of them); the rest is a multiple of a page. */
#define SECTION_FLAGS 0xfff

static uint64_t at_least_zero(const struct us_layout *layout, enum us_field field)
{
	int64_t v = us_has(layout, field) ? layout->value[field] : 0;

	return v > 0 ? (uint64_t)v : 0;
}

struct us_err *us_page_map_init(const struct us_vmcore *core, const struct us_layout *layout,
				struct us_page_map *ret)
{
	uint64_t bits = at_least_zero(layout, US_F_SECTION_SIZE_BITS);
	uint64_t section_bytes = at_least_zero(layout, US_F_SIZE_MEM_SECTION);
	uint64_t map_at = at_least_zero(layout, US_F_SECTION_MEM_MAP);
	struct us_page_map map = { .core = core, .layout = layout };

	if (layout->rules_missing)
		return us_err_new(US_ERR_UNSUPPORTED, "vmcoreinfo has no %s", layout->rules_missing);
	if (bits <= core->page_shift || bits > 40)
		return us_err_new(US_ERR_UNSUPPORTED, "vmcoreinfo has no NUMBER(SECTION_SIZE_BITS)");
	map.section_pages = 1ull << (bits - core->page_shift);
	if (us_has(layout, US_F_MEM_SECTION) && section_bytes >= 16 &&
	    section_bytes <= core->page_bytes && map_at <= section_bytes - 8) {
		map.roots = (uint64_t)layout->value[US_F_MEM_SECTION];
		map.n_roots = at_least_zero(layout, US_F_LENGTH_MEM_SECTION);
		map.per_root = core->page_bytes / section_bytes;
		map.section_bytes = (uint32_t)section_bytes;
		map.map_at = (uint32_t)map_at;
		map.has_roots = true;
	} else if (us_has(layout, US_F_VMEMMAP)) {
		map.vmemmap = (uint64_t)layout->value[US_F_VMEMMAP];
	} else {
		return us_err_new(US_ERR_UNSUPPORTED,
				  "vmcoreinfo has neither mem_section nor vmemmap");
	}
	US_TRY(us_walker_init(core, layout, &map.walker));
	map.root = malloc(core->page_bytes);
	if (!map.root) {
		us_walker_deinit(&map.walker);
		return us_err_nomem();
	}
	*ret = map;
	return NULL;
}

void us_page_map_deinit(struct us_page_map *map)
{
	us_walker_deinit(&map->walker);
	free(map->root);
	map->root = NULL;
}

static bool hold_root(struct us_page_map *map, uint64_t index)
{
	struct us_err *err;
	uint64_t root;

	if (map->root_held && map->root_index == index)
		return map->root_ok;
	map->root_held = true;
	map->root_index = index;
	map->root_ok = false;
	err = us_vmcore_read_virt(map->core, map->layout, map->roots + index * 8, &root,
				  sizeof(root));
	if (!err && root)
		err = us_vmcore_read_virt(map->core, map->layout, le64toh(root), map->root,
					  map->per_root * map->section_bytes);
	else if (!err)
		return false;
	map->root_ok = !err;
	us_err_free(err);
	return map->root_ok;
}

bool us_page_map_section(struct us_page_map *map, uint64_t section, uint64_t *ret)
{
	uint64_t first = section * map->section_pages, encoded;

	if (!map->has_roots) {
		*ret = map->vmemmap + first * map->layout->rules.size;
		return true;
	}
	if (section / map->per_root >= map->n_roots || !hold_root(map, section / map->per_root))
		return false;
	memcpy(&encoded, map->root + section % map->per_root * map->section_bytes + map->map_at,
	       sizeof(encoded));
	encoded = le64toh(encoded);
	if (!(encoded & SECTION_PRESENT) || !(encoded & ~(uint64_t)SECTION_FLAGS))
		return false;
	/* it is the address that struct page 0 would have */
	*ret = (encoded & ~(uint64_t)SECTION_FLAGS) + first * map->layout->rules.size;
	return true;
}

bool us_page_map_at(struct us_page_map *map, uint64_t pfn, uint64_t *ret_virt)
{
	if (!us_page_map_section(map, pfn / map->section_pages, ret_virt))
		return false;
	*ret_virt += pfn % map->section_pages * map->layout->rules.size;
	return true;
}

size_t us_page_map_read(struct us_page_map *map, uint64_t pfn, size_t n, uint8_t *buf)
{
	const uint32_t size = map->layout->rules.size;
	uint64_t bytes = (uint64_t)n * size, done = 0;

	while (done < bytes) {
		uint64_t virt, phys, mapped;
		struct us_err *err;

		if (!us_page_map_at(map, pfn + done / size, &virt))
			break;
		err = us_walk(&map->walker, virt + done % size, &phys, &mapped);
		if (!err) {
			if (mapped > bytes - done)
				mapped = bytes - done;
			err = us_vmcore_read(map->core, phys, buf + done, mapped);
		}
		if (err) {
			us_err_free(err);
			break;
		}
		done += mapped;
	}
	return done / size;
}

bool us_page_map_judge(struct us_page_map *map, uint64_t pfn, struct us_page_says *ret)
{
	const struct us_page_rules *rules = &map->layout->rules;
	uint8_t two[2 * US_STRUCT_PAGE_MAX];
	size_t n = us_page_map_read(map, pfn, 2, two);

	if (n)
		*ret = us_page_classify(rules, pfn, two, n > 1 ? two + rules->size : NULL);
	return n > 0;
}
