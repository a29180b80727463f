/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory map that the next kernel gets. Reboot: firmware's own map. Crash: low memory, what
 * firmware needs, and the reservation without the ELF core header, in the order of
 * crash_setup_memmap_entries() (Linux 6.12 arch/x86/kernel/crash.c). Both system calls are answered
 * by the same functions. Does not know how the entries are written down.
 */
#include "load/load-int.h"

/* plan->handover.e820 while it grows. */
struct table {
	struct us_map_entry *entries;
	size_t n, cap;
};

static struct us_err *table_new(struct us_build *b, size_t cap, struct table *ret)
{
	ret->entries = us_pool_array(&b->plan->pool, cap ? cap : 1, sizeof(*ret->entries));
	if (!ret->entries)
		return us_err_nomem();
	ret->n = 0;
	ret->cap = cap;
	return NULL;
}

static void table_add(struct table *t, struct us_range range, enum us_mem_kind kind)
{
	if (range.size && t->n < t->cap)
		t->entries[t->n++] = (struct us_map_entry){ range, kind };
}

static void table_add_kind(struct table *t, const struct us_map *map, enum us_mem_kind kind)
{
	for (size_t i = 0; i < map->n; i++)
		if (map->entries[i].kind == kind)
			table_add(t, map->entries[i].range, kind);
}

static void table_give(struct us_build *b, const struct table *t)
{
	b->plan->handover.e820 = t->entries;
	b->plan->handover.n_e820 = t->n;
}

/* Without firmware's map: what /proc/iomem tells, devices left out. */
static struct us_err *from_iomem(struct us_build *b, struct us_map *ret)
{
	US_TRY(us_system_ram(b->host, ret));
	for (size_t i = 0; i < b->host->map.n; i++) {
		const struct us_map_entry *e = &b->host->map.entries[i];

		if (e->kind != US_MEM_RAM && e->kind != US_MEM_CRASH && e->kind != US_MEM_OTHER &&
		    e->kind != US_MEM_KERNEL_CODE && e->kind != US_MEM_KERNEL_DATA)
			US_TRY(us_map_set(ret, e->range, e->kind));
	}
	return us_build_note(b,
			     "the memory map for the next kernel is made from /proc/iomem, because "
			     "/sys/firmware/memmap is not known");
}

struct us_err *us_e820_reboot(struct us_build *b)
{
	_us_map_deinit_ struct us_map made = { 0 };
	const struct us_map *map = &b->host->firmware_map;
	struct table t = { 0 };

	if (!map->n) {
		US_TRY(from_iomem(b, &made));
		map = &made;
	}
	US_TRY(table_new(b, map->n, &t));
	for (size_t i = 0; i < map->n; i++)
		table_add(&t, map->entries[i].range, map->entries[i].kind);
	table_give(b, &t);
	return NULL;
}

struct us_err *us_e820_crash(struct us_build *b, struct us_range elfcorehdr)
{
	_us_map_deinit_ struct us_map ram = { 0 }, main = { 0 };
	const struct us_range low = { 0, US_MIB };
	const struct us_host *host = b->host;
	struct table t = { 0 };

	US_TRY(us_system_ram(host, &ram));
	US_TRY(us_map_set(&main, b->crash, US_MEM_RAM));
	US_TRY(us_map_cut(&main, elfcorehdr));
	US_TRY(table_new(b, ram.n + host->map.n + host->n_crash + main.n, &t));
	for (size_t i = 0; i < ram.n; i++)
		table_add(&t, us_range_intersect(ram.entries[i].range, low), US_MEM_RAM);
	table_add_kind(&t, &host->map, US_MEM_ACPI);
	table_add_kind(&t, &host->map, US_MEM_NVS);
	table_add_kind(&t, &host->map, US_MEM_RESERVED);
	for (size_t i = 0; i < host->n_crash; i++)
		if (host->crash[i].start != b->crash.start)
			table_add(&t, host->crash[i], US_MEM_RAM);
	for (size_t i = 0; i < main.n; i++)
		if (main.entries[i].range.size >= US_PAGE)
			table_add(&t, main.entries[i].range, US_MEM_RAM);
	table_give(b, &t);
	return NULL;
}
