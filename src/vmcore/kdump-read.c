/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages of a kdump-compressed dump: bitmap 2 says whether a page is in the file, its rank there
 * which descriptor it has, the descriptor where its bytes are and how they are packed. A descriptor
 * of zeros, or one whose bytes are past the end, is a lost page. Each reader keeps some unpacked
 * pages; us_vmcore_read() has a reader behind a lock.
 */
#include "base/cleanup.h"
#include "vmcore/kdump-int.h"

#include <stdlib.h>
#include <string.h>

#define SLOTS 32u

struct slot {
	uint64_t pfn; /* UINT64_MAX: empty */
	uint8_t *page;
};

struct kdump_reader {
	struct us_page_unpacker *unpacker;
	struct slot slots[SLOTS];
	struct us_trail trail;
	uint8_t *packed; /* of a page whose bytes don't lie in one piece */
};

struct desc {
	const struct us_store *store;
	uint64_t offset, page_flags;
	uint32_t size, flags;
};

static const struct kdump_part *part_of(const struct kdump_core *k, uint64_t i)
{
	for (size_t p = 0; p < k->n_parts; p++)
		if (i >= k->parts[p].start && i < k->parts[p].end)
			return &k->parts[p];
	return NULL;
}

/* ret is written for a page that is there. */
static enum us_page_state find(const struct us_vmcore *core, uint64_t pfn, struct desc *ret)
{
	const struct kdump_core *k = core->data;
	uint64_t i = pfn - k->bias, at;
	const struct kdump_part *part;
	uint8_t raw[US_KDUMP_DESC_BYTES];
	struct us_bytes b = us_bytes_of(raw, sizeof(raw));
	struct us_err *err;

	if (pfn < k->bias || i >= k->pages)
		return US_PAGE_ABSENT;
	if (!us_kdump_bit(k->in_file, i))
		return us_kdump_bit(k->exists, i) ? US_PAGE_EXCLUDED : US_PAGE_ABSENT;
	part = part_of(k, i);
	if (!part)
		return US_PAGE_LOST;
	/* no overflow: the table is below 2^63 and there are less than 2^40 pages */
	at = part->table + US_KDUMP_DESC_BYTES * (us_kdump_rank(k, i) - part->first_rank);
	err = us_store_peek(part->store, at, raw, sizeof(raw));
	if (err) {
		us_err_free(err);
		return US_PAGE_LOST;
	}
	*ret = (struct desc){
		.store = part->store,
		.offset = us_get64(b, 0, core->big_endian),
		.size = us_get32(b, 8, core->big_endian),
		.flags = us_get32(b, 12, core->big_endian),
		.page_flags = us_get64(b, 16, core->big_endian),
	};
	if (!ret->offset || !ret->size || ret->offset > part->store->bytes ||
	    ret->size > part->store->bytes - ret->offset)
		return US_PAGE_LOST;
	return US_PAGE_PRESENT;
}

static enum us_page_state kdump_page_state(const struct us_vmcore *core, uint64_t pfn)
{
	struct desc desc;

	return find(core, pfn, &desc);
}

/* Whole bytes of the bitmaps that say the same; a page that is in the file is looked at by itself. */
static uint64_t kdump_page_run(const struct us_vmcore *core, uint64_t pfn)
{
	const struct kdump_core *k = core->data;
	uint64_t first = pfn - k->bias, at = first / 8, exists;

	if (pfn < k->bias || first >= k->pages || first % 8 || at >= k->exists.n)
		return 1;
	exists = k->exists.p[at];
	if (exists && exists != 0xff)
		return 1;
	while (at < k->in_file.n && at < k->exists.n && at < k->pages / 8 && !k->in_file.p[at] &&
	       k->exists.p[at] == exists)
		at++;
	return 8 * at - first;
}

static void kdump_reader_free(void *own)
{
	struct kdump_reader *reader = own;

	if (!reader)
		return;
	us_page_unpacker_free(reader->unpacker);
	for (size_t i = 0; i < SLOTS; i++)
		free(reader->slots[i].page);
	free(reader->packed);
	free(reader);
}

static struct us_err *kdump_reader_new(const struct us_vmcore *core, void **ret)
{
	struct kdump_reader *reader = calloc(1, sizeof(*reader));
	struct us_err *err;

	(void)core;
	if (!reader)
		return us_err_nomem();
	for (size_t i = 0; i < SLOTS; i++)
		reader->slots[i].pfn = UINT64_MAX;
	err = us_page_unpacker_new(&reader->unpacker);
	if (err) {
		free(reader);
		return err;
	}
	*ret = reader;
	return NULL;
}

/* The bytes of a page as they stand in the file. */
static struct us_err *packed_bytes(const struct us_vmcore *core, struct kdump_reader *reader,
				   uint64_t pfn, const struct desc *desc, struct us_bytes *ret)
{
	if (desc->size > core->page_bytes)
		return us_err_new(US_ERR_BAD_DATA,
				  "%s: page 0x%" PRIx64 " has %u bytes in the file at 0x%" PRIx64
				  ", more than a page",
				  desc->store->path, pfn, desc->size, desc->offset);
	*ret = us_store_view(desc->store, desc->offset, desc->size);
	if (ret->n == desc->size) {
		us_store_pass(desc->store, &reader->trail, *ret);
		return NULL;
	}
	if (!reader->packed)
		reader->packed = malloc(core->page_bytes);
	if (!reader->packed)
		return us_err_nomem();
	*ret = us_bytes_of(reader->packed, desc->size);
	return us_store_read(desc->store, desc->offset, reader->packed, desc->size);
}

static struct us_err *unpack(const struct us_vmcore *core, struct kdump_reader *reader,
			     uint64_t pfn, const struct desc *desc, struct us_bytes packed,
			     uint8_t *page)
{
	struct us_err *err =
		us_page_unpack(reader->unpacker, desc->flags, packed, page, core->page_bytes);

	return err ? us_err_wrap(err, "%s: page 0x%" PRIx64 " at 0x%" PRIx64, desc->store->path,
				 pfn, desc->offset)
		   : NULL;
}

/* The page pfn, unpacked: in the file itself or in a slot of the reader. */
static struct us_err *get_page(const struct us_vmcore *core, struct kdump_reader *reader,
			       uint64_t pfn, const uint8_t **ret)
{
	struct slot *slot = &reader->slots[pfn % SLOTS];
	struct desc desc = { 0 };
	struct us_bytes packed;
	enum us_page_state state;

	if (slot->pfn == pfn) {
		*ret = slot->page;
		return NULL;
	}
	state = find(core, pfn, &desc);
	if (state != US_PAGE_PRESENT)
		return us_vmcore_missing(core, pfn << core->page_shift, state);
	US_TRY(packed_bytes(core, reader, pfn, &desc, &packed));
	if (!desc.flags && packed.n != core->page_bytes)
		return us_err_new(US_ERR_BAD_DATA,
				  "%s: page 0x%" PRIx64 " at 0x%" PRIx64
				  " is not packed and has %zu bytes",
				  desc.store->path, pfn, desc.offset, packed.n);
	if (!desc.flags && packed.p != reader->packed) {
		*ret = packed.p;
		return NULL;
	}
	slot->pfn = UINT64_MAX;
	if (!slot->page)
		slot->page = malloc(core->page_bytes);
	if (!slot->page)
		return us_err_nomem();
	if (desc.flags)
		US_TRY(unpack(core, reader, pfn, &desc, packed, slot->page));
	else
		memcpy(slot->page, packed.p, packed.n);
	slot->pfn = pfn;
	*ret = slot->page;
	return NULL;
}

static struct us_err *kdump_window(const struct us_vmcore *core, void *own, uint64_t phys,
				   size_t want, struct us_bytes *ret)
{
	uint64_t skip = phys & (core->page_bytes - 1);
	const uint8_t *page;

	US_TRY(get_page(core, own, phys >> core->page_shift, &page));
	if (want > core->page_bytes - skip)
		want = core->page_bytes - skip;
	*ret = us_bytes_of(page + skip, want);
	return NULL;
}

static struct us_err *read_pages(const struct us_vmcore *core, uint64_t phys, uint8_t *to, size_t n)
{
	const struct kdump_core *k = core->data;

	while (n) {
		struct us_bytes part;

		US_TRY(kdump_window(core, k->shared, phys, n, &part));
		memcpy(to, part.p, part.n);
		to += part.n;
		phys += part.n;
		n -= part.n;
	}
	return NULL;
}

static struct us_err *kdump_read(const struct us_vmcore *core, uint64_t phys, void *buf, size_t n)
{
	struct kdump_core *k = core->data;
	struct us_err *err;

	pthread_mutex_lock(&k->lock);
	err = read_pages(core, phys, buf, n);
	pthread_mutex_unlock(&k->lock);
	return err;
}

static struct us_err *kdump_stored_page(const struct us_vmcore *core, void *own, uint64_t pfn,
					struct us_stored_page *ret)
{
	struct desc desc = { 0 };
	enum us_page_state state = find(core, pfn, &desc);
	struct us_bytes packed;

	if (state != US_PAGE_PRESENT)
		return us_vmcore_missing(core, pfn << core->page_shift, state);
	US_TRY(packed_bytes(core, own, pfn, &desc, &packed));
	*ret = (struct us_stored_page){ .bytes = packed,
					.offset = desc.offset,
					.page_flags = desc.page_flags,
					.flags = desc.flags };
	return NULL;
}

static void kdump_close(struct us_vmcore *core)
{
	struct kdump_core *k = core->data;

	kdump_reader_free(k->shared);
	pthread_mutex_destroy(&k->lock);
	for (size_t i = 0; i < k->n_stores; i++)
		us_store_close(&k->stores[i]);
}

static struct us_err *kdump_read_file(const struct us_vmcore *core, size_t which, uint64_t off,
				      void *buf, size_t n)
{
	const struct kdump_core *k = core->data;

	return us_store_read(&k->stores[which], off, buf, n);
}

const struct us_vmcore_ops us_kdump_ops = {
	.close = kdump_close,
	.page_state = kdump_page_state,
	.page_run = kdump_page_run,
	.read = kdump_read,
	.reader_new = kdump_reader_new,
	.reader_free = kdump_reader_free,
	.window = kdump_window,
	.stored_page = kdump_stored_page,
	.read_file = kdump_read_file,
};
