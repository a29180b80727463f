/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where segments may go: RAM by both firmware's word and the running kernel's, limits, the crash
 * reservation; and the taking of places. The rules are those of sanity_check_segment_list()
 * (Linux 6.12 kernel/kexec_core.c). Pure: knows no system call.
 */
#include "load/load-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct us_err *us_build_text(struct us_build *b, const char **ret, const char *fmt, ...)
{
	_us_text_deinit_ struct us_text t = { 0 };
	va_list ap;

	va_start(ap, fmt);
	us_text_vadd(&t, fmt, ap);
	va_end(ap);
	if (t.failed || !t.s)
		return us_err_nomem();
	*ret = us_pool_strdup(&b->plan->pool, t.s);
	return *ret ? NULL : us_err_nomem();
}

struct us_err *us_build_note(struct us_build *b, const char *fmt, ...)
{
	_us_text_deinit_ struct us_text t = { 0 };
	const char **more;
	va_list ap;

	va_start(ap, fmt);
	us_text_vadd(&t, fmt, ap);
	va_end(ap);
	more = us_pool_array(&b->plan->pool, b->n_why + 2, sizeof(*more));
	if (!more || t.failed || !t.s)
		return us_err_nomem();
	for (size_t i = 0; i < b->n_why; i++)
		more[i] = b->why[i];
	more[b->n_why] = us_pool_strdup(&b->plan->pool, t.s);
	if (!more[b->n_why])
		return us_err_nomem();
	b->why = more;
	b->n_why++;
	b->plan->why = more;
	return NULL;
}

struct us_err *us_build_no_room(struct us_build *b, uint64_t short_bytes, const char *fmt, ...)
{
	_us_text_deinit_ struct us_text t = { 0 };
	va_list ap;

	if (b->plan->no_room)
		return NULL;
	va_start(ap, fmt);
	us_text_vadd(&t, fmt, ap);
	va_end(ap);
	if (t.failed || !t.s)
		return us_err_nomem();
	b->plan->no_room = us_pool_strdup(&b->plan->pool, t.s);
	b->plan->short_bytes = short_bytes;
	return b->plan->no_room ? NULL : us_err_nomem();
}

bool us_release_at_least(const char *release, unsigned int major, unsigned int minor)
{
	unsigned int is_major, is_minor;

	if (sscanf(release, "%u.%u", &is_major, &is_minor) != 2)
		return false;
	return is_major > major || (is_major == major && is_minor >= minor);
}

bool us_cmdline_has(const char *cmdline, const char *word)
{
	_us_free_ char *value = NULL;

	return us_cmdline_get(cmdline, word, &value);
}

static bool is_ram(enum us_mem_kind kind)
{
	return kind == US_MEM_RAM || kind == US_MEM_CRASH || kind == US_MEM_KERNEL_CODE ||
	       kind == US_MEM_KERNEL_DATA;
}

struct us_err *us_system_ram(const struct us_host *host, struct us_map *ret)
{
	_us_map_deinit_ struct us_map ram = { 0 };

	for (size_t i = 0; i < host->map.n; i++)
		if (is_ram(host->map.entries[i].kind))
			US_TRY(us_map_set(&ram, host->map.entries[i].range, US_MEM_RAM));
	*ret = ram;
	ram = (struct us_map){ 0 };
	return NULL;
}

/* RAM for firmware and for the running kernel; one of them alone where the other is not known. */
static struct us_err *common_ram(const struct us_host *host, struct us_map *ret)
{
	const struct us_map *fw = &host->firmware_map;
	uint64_t at = 0;

	US_TRY(us_system_ram(host, ret));
	if (!fw->n)
		return NULL;
	for (size_t i = 0; i < fw->n; i++) { /* cut what firmware does not call RAM */
		struct us_range r = fw->entries[i].range;

		if (fw->entries[i].kind != US_MEM_RAM)
			continue;
		if (host->map.n)
			US_TRY(us_map_cut(ret, (struct us_range){ at, r.start - at }));
		else
			US_TRY(us_map_set(ret, r, US_MEM_RAM));
		at = us_range_end(r);
	}
	return host->map.n ? us_map_cut(ret, (struct us_range){ at, UINT64_MAX - at }) : NULL;
}

/* Segments of a crash image lie in the main reservation: the highest one (crashk_res). */
static struct us_err *crash_ram(struct us_build *b)
{
	const struct us_host *host = b->host;

	if (!host->n_crash)
		return us_build_no_room(b, 0, "no memory is reserved for a crash kernel (%s)",
					us_known(host->map_from)
						? "/proc/iomem has no \"Crash kernel\" line"
						: host->map_from.missing);
	b->crash = host->crash[host->n_crash - 1];
	return us_map_set(&b->ram, b->crash, US_MEM_RAM);
}

struct us_err *us_build_memory(struct us_build *b, bool four_level)
{
	const struct us_host *host = b->host;

	if (!host->map.n && !host->firmware_map.n)
		return us_err_new(US_ERR_DENIED, "the memory map is not known: %s: %s",
				  host->map_from.path ? host->map_from.path : "/proc/iomem",
				  host->map_from.missing ? host->map_from.missing : "empty");
	b->min = b->wanted->mem_min > US_MIB ? b->wanted->mem_min : US_MIB;
	b->max = 1ull << 52; /* the architecture's physical address space */
	if (four_level) {
		b->max = 64 * US_TIB;
		if (us_map_top(&host->map, US_MEM_RAM) > b->max)
			b->max_why = "below 64 TiB, all that a kernel with 4-level paging reaches";
	}
	if (b->wanted->mem_max && b->wanted->mem_max < b->max) {
		b->max = b->wanted->mem_max;
		b->max_why = "below the limit that was asked for";
	}
	if (b->wanted->purpose == US_CRASH)
		return crash_ram(b);
	b->efi_low = host->efi.v == US_YES;
	return common_ram(host, &b->ram);
}

/* On EFI above 4 GiB first, then from below. */
static struct us_err *search(const struct us_build *b, struct us_wish wish, struct us_range *ret,
			     uint64_t *ret_largest)
{
	_us_err_free_ struct us_err *err = NULL;
	struct us_wish high = wish;

	if (!b->efi_low || wish.bottom_up)
		return us_map_place(&b->ram, &wish, ret, ret_largest);
	high.min = wish.min > 4 * US_GIB ? wish.min : 4 * US_GIB;
	err = us_map_place(&b->ram, &high, ret, ret_largest);
	if (!err)
		return NULL;
	wish.bottom_up = true;
	return us_map_place(&b->ram, &wish, ret, ret_largest);
}

struct us_err *us_build_place(struct us_build *b, const char *what, struct us_wish wish,
			      struct us_range *ret, const char **ret_why)
{
	_us_err_free_ struct us_err *err = NULL;
	uint64_t largest = 0;
	struct us_range place = { 0 };

	wish.align = wish.align > US_PAGE ? wish.align : US_PAGE;
	wish.min = wish.min > b->min ? wish.min : b->min;
	wish.max = wish.max && wish.max < b->max ? wish.max : b->max;
	if (!us_align_up(wish.size, US_PAGE, &wish.size) || !wish.size)
		return us_err_new(US_ERR_BAD_DATA, "%s: its size makes no sense", what);
	err = search(b, wish, &place, &largest);
	if (err && err->code != US_ERR_NO_ROOM)
		return us_steal(&err);
	if (err) {
		US_TRY(us_build_no_room(b, wish.size > largest ? wish.size - largest : wish.align,
					"%s: %s", what, err->text));
		*ret = (struct us_range){ 0, wish.size };
		*ret_why = "no room";
		return NULL;
	}
	US_TRY(us_map_cut(&b->ram, place));
	*ret = place;
	return us_build_text(b, ret_why, "%s hole that holds it above 0x%" PRIx64 "%s%s%s",
			     wish.bottom_up || (b->efi_low && place.start < 4 * US_GIB) ? "lowest"
											: "highest",
			     wish.min, b->crash.size ? ", inside the crash reservation" : "",
			     b->max_why ? ", " : "", b->max_why ? b->max_why : "");
}

struct us_err *us_build_take(struct us_build *b, struct us_range dest, bool *ret)
{
	const struct us_map_entry *e = us_map_at(&b->ram, dest.start);

	*ret = e && us_range_has(e->range, dest) && dest.start >= b->min &&
	       us_range_end(dest) <= b->max;
	return *ret ? us_map_cut(&b->ram, dest) : NULL;
}

struct us_err *us_build_segment(struct us_build *b, const struct us_segment *segment)
{
	struct us_plan *plan = b->plan;

	if (plan->n_segments == US_SEGMENTS_MAX)
		return us_build_no_room(b, 0, "the kernel takes at most %d segments",
					US_SEGMENTS_MAX);
	plan->segments[plan->n_segments++] = *segment;
	return NULL;
}
