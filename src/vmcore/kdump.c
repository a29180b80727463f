/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The headers of kdump-compressed dumps, versions 1 to 6, and of their elder diskdump (makedumpfile
 * 1.7.9 diskdump_mod.h: disk_dump_header, kdump_sub_header): either byte order, 64 bits and 32
 * (where i386 packs what ARM pads), whole or split over several files. A header does not say which
 * of these it is; the shape in which machine, block size and bitmap agree is taken. Pages are
 * kdump-read.c.
 */
#include "base/cleanup.h"
#include "vmcore/kdump-int.h"

#include <stdlib.h>
#include <string.h>

#define VERSION_MAX  6u
#define UTS_BYTES    65u
#define UTS_AT       12u
#define HEADER_BYTES 464u
#define SUB_BYTES    104u

/* Where things stand in the header: only what follows utsname depends on the word size. */
static const struct header_shape {
	bool is_64;
	uint16_t seconds, status, block, sub_blocks, bitmap_blocks, max_mapnr, bytes;
} header_shapes[] = {
	{ true, 408, 424, 428, 432, 436, 440, 464 },
	{ false, 404, 412, 416, 420, 424, 428, 448 },
};

/* And in the sub header. */
static const struct sub_shape {
	const char *name;
	bool is_64, padded;
	uint16_t dump_level, split, start, end, info, info_bytes, notes, notes_bytes, start_64,
		end_64, max_64;
} sub_shapes[] = {
	{ "64-bit", true, false, 8, 12, 16, 24, 32, 40, 48, 56, 80, 88, 96 },
	{ "32-bit packed", false, false, 4, 8, 12, 16, 20, 28, 32, 40, 56, 64, 72 },
	{ "32-bit padded", false, true, 4, 8, 12, 16, 24, 32, 40, 48, 72, 80, 88 },
};

struct header {
	bool big;
	const struct header_shape *shape;
	uint32_t version, block, sub_blocks, bitmap_blocks, max_mapnr, status;
	uint64_t seconds;
	const struct us_arch *arch;
};

#define STATUS_INCOMPLETE 8u

struct sub {
	const char *shape;
	uint64_t phys_base, start, end, info, info_bytes, notes, notes_bytes, max_mapnr;
	uint32_t dump_level;
	bool split;
};

static uint64_t word(struct us_bytes b, uint64_t off, const struct header *h)
{
	return h->shape->is_64 ? us_get64(b, off, h->big) : us_get32(b, off, h->big);
}

/* How much speaks for this reading of the header; 0 if it can't be. */
static unsigned int believe(const struct us_store *store, struct us_bytes b, struct header *h)
{
	uint64_t first, bitmap_bits;
	unsigned int score = 1;
	bool is_64;

	h->version = us_get32(b, 8, h->big);
	h->block = us_get32(b, h->shape->block, h->big);
	h->sub_blocks = us_get32(b, h->shape->sub_blocks, h->big);
	h->bitmap_blocks = us_get32(b, h->shape->bitmap_blocks, h->big);
	h->max_mapnr = us_get32(b, h->shape->max_mapnr, h->big);
	h->status = us_get32(b, h->shape->status, h->big);
	h->seconds = word(b, h->shape->seconds, h);
	if (h->version > VERSION_MAX || h->block < 1024 || h->block > US_PAGE_BYTES_MAX ||
	    (h->block & (h->block - 1)) || !h->bitmap_blocks)
		return 0;
	first = (1 + (uint64_t)h->sub_blocks) * h->block;
	bitmap_bits = (uint64_t)h->bitmap_blocks * h->block * 8;
	score += first + bitmap_bits / 8 <= store->bytes;
	score += h->max_mapnr <= bitmap_bits;
	if (h->arch->id != US_ARCH_UNKNOWN) {
		is_64 = us_arch_by_elf(h->arch->elf_machine, true, h->big)->id == h->arch->id;
		score += is_64 == h->shape->is_64 ? 4 : 0;
	}
	return score;
}

static struct us_err *read_header(const struct us_store *store, struct us_bytes b,
				  struct header *ret)
{
	struct header best = { 0 };
	unsigned int best_score = 0;
	char machine[UTS_BYTES + 1] = { 0 };

	memcpy(machine, b.p + UTS_AT + 4 * UTS_BYTES, UTS_BYTES);
	for (size_t i = 0; i < 2 * us_array_size(header_shapes); i++) {
		struct header h = { .big = i & 1,
				    .shape = &header_shapes[i / 2],
				    .arch = us_arch_by_uname(machine) };
		unsigned int score = believe(store, b, &h);

		if (score > best_score) {
			best = h;
			best_score = score;
		}
	}
	if (!best_score)
		return us_err_new(US_ERR_BAD_DATA,
				  "%s: the kdump header makes no sense in any word size and byte "
				  "order (version 0x%08x, block size 0x%08x at 428, 0x%08x at 416)",
				  store->path, us_get32(b, 8, false), us_get32(b, 428, false),
				  us_get32(b, 416, false));
	*ret = best;
	return NULL;
}

static const struct sub_shape *sub_shape_of(const struct header *h)
{
	bool padded = h->arch->id != US_ARCH_I386;

	for (size_t i = 0; i < us_array_size(sub_shapes); i++)
		if (sub_shapes[i].is_64 == h->shape->is_64 &&
		    (h->shape->is_64 || sub_shapes[i].padded == padded))
			return &sub_shapes[i];
	return &sub_shapes[0];
}

/* What the header's version does not have stays 0. */
static struct us_err *read_sub(const struct us_store *store, const struct header *h, struct sub *ret)
{
	const struct sub_shape *at = sub_shape_of(h);
	uint8_t raw[SUB_BYTES] = { 0 };
	struct us_bytes b = us_bytes_of(raw, sizeof(raw));
	size_t have = sizeof(raw);

	*ret = (struct sub){ .shape = at->name, .max_mapnr = h->max_mapnr, .end = UINT64_MAX };
	if (!h->sub_blocks)
		return NULL;
	if (store->bytes < h->block)
		return us_err_new(US_ERR_BAD_DATA, "%s ends within its first block", store->path);
	if (have > store->bytes - h->block)
		have = store->bytes - h->block;
	US_TRY(us_store_read(store, h->block, raw, have));
	ret->phys_base = word(b, 0, h);
	if (h->version >= 1)
		ret->dump_level = us_get32(b, at->dump_level, h->big);
	if (h->version >= 2 && us_get32(b, at->split, h->big)) {
		ret->split = true;
		ret->start = word(b, at->start, h);
		ret->end = word(b, at->end, h);
	}
	if (h->version >= 3) {
		ret->info = us_get64(b, at->info, h->big);
		ret->info_bytes = word(b, at->info_bytes, h);
	}
	if (h->version >= 4) {
		ret->notes = us_get64(b, at->notes, h->big);
		ret->notes_bytes = word(b, at->notes_bytes, h);
	}
	if (h->version >= 6) {
		if (us_get64(b, at->max_64, h->big))
			ret->max_mapnr = us_get64(b, at->max_64, h->big);
		if (ret->split) {
			ret->start = us_get64(b, at->start_64, h->big);
			ret->end = us_get64(b, at->end_64, h->big);
		}
	}
	return NULL;
}

static struct us_err *take_header(struct us_vmcore *core, struct us_bytes b, const struct header *h)
{
	static const char *const fields[] = { "sysname", "nodename", "release",
					      "version", "machine",  "domainname" };

	core->format = us_bytes_match(b, 0, "DISKDUMP", 8) ? US_VMCORE_DISKDUMP : US_VMCORE_KDUMP;
	core->big_endian = h->big;
	core->arch = h->arch;
	core->page_bytes = h->block;
	core->page_shift = (uint32_t)__builtin_ctz(h->block);
	core->crash_time = h->seconds;
	core->incomplete = h->status & STATUS_INCOMPLETE;
	for (size_t i = 0; i < us_array_size(fields); i++) {
		const char *text = (const char *)b.p + UTS_AT + i * UTS_BYTES;

		if (strnlen(text, UTS_BYTES) == UTS_BYTES)
			us_vmcore_warn(core, "utsname.%s in the header has no end", fields[i]);
		core->uts[i] = us_vmcore_printable(us_pool_strndup(&core->pool, text, UTS_BYTES));
		if (!core->uts[i])
			return us_err_nomem();
	}
	core->release = core->uts[2];
	return NULL;
}

static struct us_err *take_bitmaps(struct us_vmcore *core, struct kdump_core *k,
				   const struct header *h, const struct sub *sub)
{
	uint64_t at = (1 + (uint64_t)h->sub_blocks) * h->block;
	uint64_t bytes = (uint64_t)h->bitmap_blocks * h->block, half = bytes / 2;
	struct us_bytes both;

	US_TRY(us_store_load(&k->stores[0], &core->pool, at, bytes, "the bitmap", &both));
	k->pages = sub->max_mapnr;
	if (h->bitmap_blocks < 2 || (k->pages + 7) / 8 > half) {
		k->exists = k->in_file = both; /* one bitmap for both: everything is in the file */
	} else {
		k->exists = us_bytes_clip(both, 0, half);
		k->in_file = us_bytes_clip(both, half, half);
	}
	if (k->pages > (uint64_t)k->exists.n * 8) {
		us_vmcore_warn(core,
			       "the header counts %" PRIu64 " pages and the bitmap has bits for "
			       "%" PRIu64,
			       k->pages, (uint64_t)k->exists.n * 8);
		k->pages = (uint64_t)k->exists.n * 8;
	}
	return NULL;
}

uint64_t us_kdump_count(struct us_bytes map, uint64_t from, uint64_t i)
{
	uint64_t n = 0, at = from;

	for (; i - at >= 64 && us_bytes_has(map, at / 8, 8); at += 64) {
		uint64_t bits;

		memcpy(&bits, map.p + at / 8, 8);
		n += (uint64_t)__builtin_popcountll(bits);
	}
	for (; at < i; at++)
		n += us_kdump_bit(map, at);
	return n;
}

uint64_t us_kdump_rank(const struct kdump_core *k, uint64_t i)
{
	uint64_t group = i / US_KDUMP_RANK_PAGES;

	return k->ranks[group] + us_kdump_count(k->in_file, group * US_KDUMP_RANK_PAGES, i);
}

static struct us_err *count_ranks(struct us_vmcore *core, struct kdump_core *k)
{
	uint64_t groups = k->pages / US_KDUMP_RANK_PAGES + 2, n = 0;

	k->ranks = us_pool_array(&core->pool, groups, sizeof(*k->ranks));
	if (!k->ranks)
		return us_err_nomem();
	for (uint64_t i = 0; i < groups; i++) {
		uint64_t start = i * US_KDUMP_RANK_PAGES, end = start + US_KDUMP_RANK_PAGES;

		k->ranks[i] = n;
		if (start < k->pages)
			n += us_kdump_count(k->in_file, start, end < k->pages ? end : k->pages);
	}
	return NULL;
}

/* The first page from i on whose presence is want. */
static uint64_t next_change(const struct kdump_core *k, uint64_t i, bool want)
{
	uint64_t same = want ? 0 : UINT64_MAX;

	while (i < k->pages) {
		uint64_t one, two;

		if (i % 64 == 0 && us_bytes_has(k->exists, i / 8, 8)) {
			memcpy(&one, k->exists.p + i / 8, 8);
			memcpy(&two, k->in_file.p + i / 8, 8);
			if ((one | two) == same) {
				i += 64;
				continue;
			}
		}
		if ((us_kdump_bit(k->exists, i) || us_kdump_bit(k->in_file, i)) == want)
			return i;
		i++;
	}
	return k->pages;
}

/* Runs of memory, counted first, then written to ram and loads. */
static size_t runs(const struct us_vmcore *core, const struct kdump_core *k, struct us_range *ram,
		   struct us_vmcore_load *loads)
{
	size_t n = 0;

	for (uint64_t i = next_change(k, 0, true); i < k->pages;) {
		uint64_t end = next_change(k, i, false);
		uint64_t phys = (i + k->bias) << core->page_shift;
		uint64_t bytes = (end - i) << core->page_shift;

		if (ram) {
			ram[n] = (struct us_range){ .start = phys, .size = bytes };
			loads[n] = (struct us_vmcore_load){ .phys = phys,
							    .bytes = bytes,
							    .file_bytes = bytes };
		}
		n++;
		i = next_change(k, end, true);
	}
	return n;
}

static struct us_err *take_ram(struct us_vmcore *core, struct kdump_core *k)
{
	size_t n = runs(core, k, NULL, NULL);
	struct us_range *ram = us_pool_array(&core->pool, n + 1, sizeof(*ram));
	struct us_vmcore_load *loads = us_pool_array(&core->pool, n + 1, sizeof(*loads));

	if (!ram || !loads)
		return us_err_nomem();
	runs(core, k, ram, loads);
	core->loads = loads;
	core->n_loads = n;
	return us_vmcore_set_ram(core, ram, n);
}

static struct us_err *take_notes(struct us_vmcore *core, const struct us_store *store,
				 const struct sub *sub)
{
	struct us_bytes notes = { 0 }, text;
	struct us_err *err = NULL;

	if (sub->notes && sub->notes_bytes)
		err = us_store_load(store, &core->pool, sub->notes, sub->notes_bytes, "the notes",
				    &notes);
	if (err) {
		us_vmcore_warn(core, "%s", err->text);
		us_err_free(err);
	}
	US_TRY(us_notes_read(core, notes));
	if (core->info || !sub->info || !sub->info_bytes)
		return NULL;
	err = us_store_load(store, &core->pool, sub->info, sub->info_bytes, "VMCOREINFO", &text);
	if (err) {
		us_vmcore_warn(core, "%s", err->text);
		us_err_free(err);
		return NULL;
	}
	us_notes_take_info(core, text);
	return NULL;
}

static int part_by_start(const void *a, const void *b)
{
	const struct kdump_part *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

/* Which file has which pages: sorted, and what two files claim is the first one's. */
static void order_parts(struct us_vmcore *core, struct kdump_core *k)
{
	uint64_t at = 0;

	qsort(k->parts, k->n_parts, sizeof(*k->parts), part_by_start);
	for (size_t i = 0; i <= k->n_parts; i++) {
		uint64_t start = i < k->n_parts ? k->parts[i].start : k->pages;

		if (start > at &&
		    us_kdump_count(k->in_file, 0, start) != us_kdump_count(k->in_file, 0, at)) {
			us_vmcore_warn(core,
				       "pages 0x%" PRIx64 " to 0x%" PRIx64
				       " are in a file of the split set that wasn't given",
				       at, start);
			core->incomplete = true;
		}
		if (i < k->n_parts && k->parts[i].end > at)
			at = k->parts[i].end;
	}
	for (size_t i = 0; i < k->n_parts; i++)
		k->parts[i].first_rank = us_kdump_rank(k, k->parts[i].start);
}

static struct us_err *read_part(struct us_vmcore *core, struct kdump_core *k, size_t number,
				struct us_bytes first)
{
	struct us_store *store = &k->stores[number];
	uint8_t raw[HEADER_BYTES] = { 0 };
	struct us_bytes b = us_bytes_of(raw, sizeof(raw));
	struct header h;
	struct sub sub;

	if (store->bytes < sizeof(raw))
		return us_err_new(US_ERR_BAD_DATA, "%s: the kdump header ends at 0x%" PRIx64,
				  store->path, store->bytes);
	US_TRY(us_store_read(store, 0, raw, sizeof(raw)));
	US_TRY(read_header(store, b, &h));
	if (memcmp(raw, first.p, h.shape->bytes) != 0)
		return us_err_new(US_ERR_BAD_DATA, "%s is not of the same split set as %s",
				  store->path, core->path);
	US_TRY(read_sub(store, &h, &sub));
	if (k->n_stores > 1 && !sub.split)
		return us_err_new(US_ERR_USAGE, "%s is a whole dump, no part of a split set",
				  store->path);
	if (sub.end > k->pages)
		sub.end = k->pages;
	if (sub.start > sub.end)
		return us_err_new(US_ERR_BAD_DATA,
				  "%s: its part of the split set begins at page 0x%" PRIx64
				  " and ends at 0x%" PRIx64,
				  store->path, sub.start, sub.end);
	k->parts[number] = (struct kdump_part){
		.store = store,
		.start = sub.start,
		.end = sub.end,
		.table = (1 + (uint64_t)h.sub_blocks + h.bitmap_blocks) * h.block,
	};
	return NULL;
}

struct us_err *us_kdump_open(struct us_vmcore *core, struct us_store *stores, size_t n)
{
	struct kdump_core *k = us_pool_alloc(&core->pool, sizeof(*k));
	uint8_t raw[HEADER_BYTES] = { 0 };
	struct us_bytes b = us_bytes_of(raw, sizeof(raw));
	struct header h;
	struct sub sub;

	if (!k)
		return us_err_nomem();
	k->stores = stores;
	k->n_stores = k->n_parts = n;
	pthread_mutex_init(&k->lock, NULL);
	core->data = k;
	core->ops = &us_kdump_ops;
	if (stores[0].bytes < sizeof(raw))
		return us_err_new(US_ERR_BAD_DATA, "%s: the kdump header ends at 0x%" PRIx64,
				  core->path, stores[0].bytes);
	US_TRY(us_store_read(&stores[0], 0, raw, sizeof(raw)));
	US_TRY(read_header(&stores[0], b, &h));
	US_TRY(take_header(core, b, &h));
	US_TRY(read_sub(&stores[0], &h, &sub));
	core->dump_level = (int)(sub.dump_level & 31);
	if (h.arch->id == US_ARCH_ARM && !h.shape->is_64)
		k->bias = sub.phys_base >> core->page_shift;
	US_TRY(take_bitmaps(core, k, &h, &sub));
	US_TRY(count_ranks(core, k));
	US_TRY(take_notes(core, &stores[0], &sub));
	US_TRY(take_ram(core, k));
	k->parts = us_pool_array(&core->pool, n, sizeof(*k->parts));
	if (!k->parts)
		return us_err_nomem();
	for (size_t i = 0; i < n; i++)
		US_TRY(read_part(core, k, i, b));
	order_parts(core, k);
	return core->ops->reader_new(core, &k->shared);
}
