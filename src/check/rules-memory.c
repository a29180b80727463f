/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules about memory of the machine and places in it: does the plan fit, would the kernel take its
 * segments (Linux 6.12 kernel/kexec_core.c: sanity_check_segment_list()), can the next kernel be
 * told of all memory (arch/x86/kernel/crash.c, kexec-bzimage64.c: 128 entries of e820), does the
 * list of memory for a dump hold (kernel/crash_core.c). The reservation itself is in
 * rules-reservation.c.
 */
#include "check/check-int.h"

#define PAGE       4096
#define E820_MAX   128
#define PHDR_BYTES 56
#define EHDR_BYTES 64
#define PHNUM_MAX  65535
/* what the kernel adds by itself to a crash e820: pieces of the low megabyte, two reservations */
#define CRASH_E820_OWN 4

static enum us_result no_room(const struct us_case *c, struct us_detail *d)
{
	const struct us_host *host = c->host;

	if (c->purpose == US_CRASH && us_known(host->crash_size.o) && !host->crash_size.v)
		return US_NOT_APPLICABLE; /* reservation.missing says it */
	us_fact(d, "%s", c->plan->no_room ? c->plan->no_room : "every segment has a place");
	us_read(d, "the plan, over %s",
		c->purpose == US_CRASH       ? "the crash reservation"
		: us_path(c->host->map_from) ? us_path(c->host->map_from)
					     : "the memory map");
	return us_fail_if(c->plan->no_room);
}

static enum us_result init_size_over_holes(const struct us_case *c, struct us_detail *d)
{
	uint64_t need = us_run_bytes(c->image), best = 0;
	struct us_origin from;
	const struct us_map *map = us_ram(c->host, &from);

	if (!map)
		return us_missing(d, from);
	for (size_t i = 0; i < map->n; i++)
		if (map->entries[i].kind == US_MEM_RAM && map->entries[i].range.size > best)
			best = map->entries[i].range.size;
	us_fact(d,
		"the image needs 0x%" PRIx64 " bytes in one piece to start; the largest piece of "
		"memory has 0x%" PRIx64,
		need, best);
	us_read(d, "%s of %s; %s",
		c->image->kind == US_IMAGE_BZIMAGE ? "offset 0x260 (init_size)" : "header",
		c->image->path, us_path(from));
	return us_fail_if(need > best);
}

static enum us_result half_of_ram(const struct us_case *c, struct us_detail *d)
{
	const struct us_fact_u64 *ram = &c->host->total_ram;
	uint64_t total = us_run_bytes(c->image) + (c->initrd ? c->initrd->bytes.n : 0);

	if (!us_known(ram->o))
		return us_missing(d, ram->o);
	if (c->plan && c->plan->n_segments && !c->plan->no_room) {
		total = 0;
		for (size_t i = 0; i < c->plan->n_segments && i < US_SEGMENTS_MAX; i++)
			if (!us_add(total, c->plan->segments[i].dest.size, &total))
				total = UINT64_MAX;
	}
	us_fact(d, "all segments take 0x%" PRIx64 " bytes, half of the memory is 0x%" PRIx64, total,
		ram->v / 2);
	us_read(d, "the plan; %s", us_path(ram->o));
	return us_fail_if(total > ram->v / 2);
}

static enum us_result initrd_too_large(const struct us_case *c, struct us_detail *d)
{
	const struct us_fact_u64 *ram = &c->host->total_ram;
	uint64_t packed = c->initrd->bytes.n, unpacked = c->initrd->unpacked_bytes, need;

	if (!us_known(ram->o))
		return us_missing(d, ram->o);
	if (!us_add(us_run_bytes(c->image) + packed, unpacked > packed ? unpacked : packed, &need))
		need = UINT64_MAX;
	us_fact(d,
		"kernel, packed and unpacked initrd take 0x%" PRIx64
		" bytes, the machine has 0x%" PRIx64,
		need, ram->v);
	us_read(d, "the initrd; %s", us_path(ram->o));
	return us_fail_if(need > ram->v);
}

/* Bytes of range in memory that is free once this kernel is gone. */
static uint64_t free_bytes(const struct us_map *map, struct us_range range)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < map->n; i++) {
		enum us_mem_kind kind = map->entries[i].kind;

		if (kind == US_MEM_RAM || kind == US_MEM_CRASH || kind == US_MEM_KERNEL_CODE ||
		    kind == US_MEM_KERNEL_DATA)
			sum += us_range_intersect(map->entries[i].range, range).size;
	}
	return sum;
}

/* NULL if the kernel would take segment i of plan, else why not. */
static const char *bad_segment(const struct us_case *c, const struct us_map *map, size_t i)
{
	const struct us_plan *plan = c->plan;
	const struct us_range dest = plan->segments[i].dest;
	bool inside = false;

	if (dest.start % PAGE || dest.size % PAGE)
		return "is not on page borders";
	if (plan->segments[i].bytes.n > dest.size)
		return "has more bytes than its place";
	for (size_t k = 0; k < i; k++)
		if (us_range_overlaps(dest, plan->segments[k].dest))
			return "overlaps another one";
	for (size_t k = 0; c->purpose == US_CRASH && k < c->host->n_crash; k++)
		inside |= us_range_has(c->host->crash[k], dest);
	if (c->purpose == US_CRASH)
		return inside || !c->host->n_crash ? NULL : "lies outside of the crash reservation";
	return map && free_bytes(map, dest) != dest.size ? "lies over what is not free memory"
							 : NULL;
}

/* This and the next one need no plan in the engine's sense: without one there is nothing to judge,
 * and memory.no-room says that there is none. */
static enum us_result bad_segments(const struct us_case *c, struct us_detail *d)
{
	struct us_origin from;
	const struct us_map *ram = us_ram(c->host, &from);

	if (!c->plan || c->plan->no_room) /* places are not all chosen: memory.no-room says it */
		return US_NOT_APPLICABLE;
	if (c->plan->n_segments > US_SEGMENTS_MAX) {
		us_fact(d, "%zu segments, the kernel takes %d", c->plan->n_segments,
			US_SEGMENTS_MAX);
		us_read(d, "the plan");
		return US_FAIL;
	}
	for (size_t i = 0; i < c->plan->n_segments; i++) {
		const char *why = bad_segment(c, ram, i);

		if (!why)
			continue;
		us_fact(d, "segment %zu at 0x%" PRIx64 " (0x%" PRIx64 " bytes) %s", i,
			c->plan->segments[i].dest.start, c->plan->segments[i].dest.size, why);
		us_read(d, "the plan; %s", us_path(from) ? us_path(from) : "the memory map");
		return US_FAIL;
	}
	return US_PASS;
}

static enum us_result hashed_hotplug(const struct us_case *c, struct us_detail *d)
{
	const struct us_segment *header = us_plan_segment(c->plan, US_SEG_ELFCOREHDR);

	if (!c->plan)
		return US_NOT_APPLICABLE;
	us_fact(d, "the kernel updates elfcorehdr after hotplug, and the digest covers it");
	us_read(d, "the plan");
	return us_fail_if(c->plan->wanted.hotplug && header && header->hashed);
}

static enum us_result e820_over_128(const struct us_case *c, struct us_detail *d)
{
	if (!us_known(c->host->firmware_map_from))
		return us_missing(d, c->host->firmware_map_from);
	us_fact(d, "the firmware's memory map has %zu entries", c->host->firmware_entries);
	us_read(d, "%s", us_path(c->host->firmware_map_from));
	return us_fail_if(c->host->firmware_entries > E820_MAX);
}

static enum us_result e820_over_128_crash(const struct us_case *c, struct us_detail *d)
{
	const struct us_host *host = c->host;

	if (us_known(host->map_from)) {
		us_fact(d,
			"%zu ACPI and reserved ranges come before the reservation itself in the table",
			host->reserved_entries);
		us_read(d, "%s", us_path(host->map_from));
		return us_fail_if(host->reserved_entries + CRASH_E820_OWN > E820_MAX);
	}
	/* the kernel's list comes from the firmware's, which everybody may read */
	if (!us_known(host->firmware_map_from) || host->firmware_entries > E820_MAX / 2)
		return us_missing(d, host->map_from);
	us_fact(d, "the firmware's memory map has %zu entries only", host->firmware_entries);
	us_read(d, "%s", us_path(host->firmware_map_from));
	return US_PASS;
}

static bool dump_ranges(const struct us_host *host, struct us_detail *d, uint64_t *ret_cpus,
			uint64_t *ret_ranges, enum us_result *ret_result)
{
	struct us_origin from;
	const struct us_map *map = us_ram(host, &from);

	*ret_result = US_CANNOT_TELL;
	if (!us_known(host->possible_cpus.o)) {
		us_missing(d, host->possible_cpus.o);
		return false;
	}
	if (!map) {
		us_missing(d, from);
		return false;
	}
	*ret_cpus = host->possible_cpus.v;
	*ret_ranges = 0;
	for (size_t i = 0; i < map->n; i++)
		*ret_ranges += map->entries[i].kind == US_MEM_RAM;
	us_fact(d, "%" PRIu64 " possible CPUs and %" PRIu64 " ranges of memory", *ret_cpus,
		*ret_ranges);
	us_read(d, "%s; %s", us_path(host->possible_cpus.o), us_path(from));
	return true;
}

static enum us_result too_many_headers(const struct us_case *c, struct us_detail *d)
{
	uint64_t cpus, ranges;
	enum us_result result;

	if (!dump_ranges(c->host, d, &cpus, &ranges, &result))
		return result;
	/* one for vmcoreinfo, one for the kernel's text */
	return us_fail_if(cpus > PHNUM_MAX || ranges > PHNUM_MAX || cpus + ranges + 2 > PHNUM_MAX);
}

static enum us_result headers_too_small(const struct us_case *c, struct us_detail *d)
{
	const struct us_fact_u64 *size = &c->host->elfcorehdr_size;
	uint64_t cpus, ranges, need;
	enum us_result result;

	if (!us_known(size->o))
		return US_NOT_APPLICABLE; /* hotplug.dump-goes-stale judges that */
	if (!dump_ranges(c->host, d, &cpus, &ranges, &result))
		return result;
	if (!us_mul(cpus + ranges + 2, (uint64_t)PHDR_BYTES, &need) ||
	    !us_add(need, (uint64_t)EHDR_BYTES, &need))
		need = UINT64_MAX;
	us_fact(d,
		"the dump's list of memory needs 0x%" PRIx64
		" bytes now, and the kernel keeps 0x%" PRIx64 " for updates",
		need, size->v);
	us_read(d, "%s; %s", us_path(size->o), us_path(c->host->map_from));
	return us_fail_if(need > size->v);
}

static const struct us_rule rules[] = {
	{
		.id = "memory.no-room",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.needs = US_NEEDS_PLAN | US_NEEDS_HOST,
		.unknown_ok = true,
		.says = "There is no room in memory for a part of the next kernel",
		.fix = "Use a smaller initrd, lift --mem-min and --mem-max, or reserve more "
		       "(crashkernel=) for a crash kernel",
		.see = "kernel/kexec_file.c (Linux 6.12): EADDRNOTAVAIL, without a message",
		.test = no_room,
	},
	{
		.id = "memory.init-size",
		.severity = US_BLOCK,
		.when = US_ON_REBOOT,
		.needs = US_NEEDS_IMAGE | US_NEEDS_HOST,
		.unknown_ok = true,
		.says = "No piece of memory is large enough for the image to start in",
		.fix = "Choose a smaller kernel, or give the machine more memory",
		.see = "Documentation/arch/x86/boot.rst, field init_size",
		.test = init_size_over_holes,
	},
	{
		.id = "memory.half-of-ram",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.needs = US_NEEDS_IMAGE | US_NEEDS_HOST,
		.unknown_ok = true,
		.says = "The kernel refuses to load more than half of the memory",
		.fix = "Use a smaller initrd",
		.see = "kernel/kexec_core.c (Linux 6.12): sanity_check_segment_list(), EINVAL without a "
		       "message",
		.test = half_of_ram,
	},
	{
		.id = "memory.initrd-too-large",
		.severity = US_WARN,
		.when = US_ON_REBOOT,
		.needs = US_NEEDS_IMAGE | US_NEEDS_HOST | US_NEEDS_INITRD,
		.says = "The next kernel runs out of memory while it unpacks the initrd",
		.fix = "Use a smaller initrd",
		.see = "init/initramfs.c (Linux 6.12)",
		.test = initrd_too_large,
	},
	{
		.id = "memory.bad-segments",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.by = US_BY_LOAD,
		.needs = US_NEEDS_HOST,
		.says = "The kernel would refuse a segment of this plan, or it would destroy what lies "
			"there",
		.fix = "Report this plan (--dry-run --json): plans should never come out like this",
		.see = "kernel/kexec_core.c (Linux 6.12): sanity_check_segment_list(), EADDRNOTAVAIL or "
		       "EINVAL",
		.test = bad_segments,
	},
	{
		.id = "memory.hashed-hotplug",
		.severity = US_BLOCK,
		.when = US_ON_CRASH,
		.by = US_BY_LOAD,
		.says = "The digest covers a segment that the kernel changes later, so the crash kernel "
			"would not start",
		.fix = "Load without --hotplug",
		.see = "arch/x86/kernel/crash.c (Linux 6.12): arch_crash_handle_hotplug_event()",
		.test = hashed_hotplug,
	},
	{
		.id = "e820.over-128",
		.severity = US_WARN,
		.when = US_ON_REBOOT,
		.arch = US_X86,
		.by = US_BY_FILE,
		.needs = US_NEEDS_HOST,
		.says = "kexec_file_load hands over the first 128 entries of the memory map and drops "
			"the rest without a word",
		.fix = "Use kexec_load (--call load), which hands over all",
		.see = "arch/x86/kernel/kexec-bzimage64.c (Linux 6.12): setup_e820_entries()",
		.test = e820_over_128,
	},
	{
		.id = "e820.over-128-crash",
		.severity = US_BLOCK,
		.when = US_ON_CRASH,
		.arch = US_X86,
		.by = US_BY_FILE,
		.needs = US_NEEDS_HOST,
		.unknown_ok = true,
		.says = "The capture kernel's memory map overflows at 128 entries before its own memory "
			"is entered, so it would start with none",
		.fix = "Use kexec_load (--call load)",
		.see = "arch/x86/kernel/crash.c (Linux 6.12): crash_setup_memmap_entries() ignores the "
		       "result of add_e820_entry()",
		.test = e820_over_128_crash,
	},
	{
		.id = "elfcorehdr.too-many-headers",
		.severity = US_BLOCK,
		.when = US_ON_CRASH,
		.needs = US_NEEDS_HOST,
		.unknown_ok = true,
		.says = "The dump's list of CPUs and memory has more entries than its format can count",
		.fix = "Limit the CPUs of this kernel (possible_cpus=)",
		.see = "kernel/crash_core.c (Linux 6.12): e_phnum has 16 bits",
		.test = too_many_headers,
	},
	{
		.id = "elfcorehdr.too-small",
		.severity = US_WARN,
		.when = US_ON_CRASH,
		.needs = US_NEEDS_HOST,
		.says = "The room for the dump's list of memory is too small for this machine, so "
			"hotplug would leave it stale",
		.fix = "Use a kernel with a larger CONFIG_CRASH_MAX_MEMORY_RANGES",
		.see = "arch/x86/kernel/crash.c (Linux 6.12): \"update elfcorehdr elfsz > memsz\"",
		.test = headers_too_small,
	},
};

const struct us_rule_table us_rules_memory = US_RULE_TABLE(rules);
