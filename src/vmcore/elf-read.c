/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory of an ELF core. A mapped file gives windows without copying; a reader lets go of what it
 * has passed, so that reading a large dump does not count as large memory. /proc/vmcore is mapped
 * in windows of 64 MiB (each costs a walk through the kernel; 6.12 fs/proc/vmcore.c: mmap_vmcore),
 * smaller ones where that fails, and read(2) where no mapping is to be had; there a page that can't
 * be read costs that page only.
 */
#include "base/cleanup.h"
#include "vmcore/elf-int.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define COPY_BYTES (64u << 10)
#define VIEW_BYTES (4ull << 20)

static const uint64_t window_bytes[] = { 64ull << 20, 2ull << 20 };

struct elf_reader {
	uint8_t *map; /* a window of a file that isn't mapped as a whole */
	uint64_t map_off;
	size_t map_bytes;
	uint8_t *copy; /* COPY_BYTES, made when needed */
	struct us_trail trail;
	struct us_piece at; /* the last piece */
};

static enum us_page_state state_of(enum us_piece_kind kind)
{
	return kind == US_PIECE_LOST ? US_PAGE_LOST : US_PAGE_PRESENT;
}

/* Of a page with several pieces, a lost one decides. */
static enum us_page_state elf_page_state(const struct us_vmcore *core, uint64_t pfn)
{
	const struct elf_core *elf = core->data;
	uint64_t phys = pfn << core->page_shift, last = phys + core->page_bytes - 1;
	const struct us_piece *piece = us_pieces_from(&elf->pieces, phys);
	const struct us_piece *end = elf->pieces.v + elf->pieces.n;
	enum us_page_state state = US_PAGE_ABSENT;

	for (; piece && piece < end && piece->start <= last; piece++) {
		state = state_of(piece->kind);
		if (state == US_PAGE_LOST)
			break;
	}
	return state;
}

/* Up to the end of the piece, or of the hole, that pfn is in. */
static uint64_t elf_page_run(const struct us_vmcore *core, uint64_t pfn)
{
	const struct elf_core *elf = core->data;
	uint64_t phys = pfn << core->page_shift;
	const struct us_piece *piece = us_pieces_from(&elf->pieces, phys);

	if (!piece)
		return core->max_pfn - pfn;
	if (piece->start > phys)
		return (piece->start - phys) >> core->page_shift;
	return (piece->start + piece->size - phys) >> core->page_shift;
}

/* The piece that holds phys. */
static struct us_err *find_piece(const struct us_vmcore *core, uint64_t phys,
				 const struct us_piece **ret)
{
	const struct elf_core *elf = core->data;
	const struct us_piece *piece = us_pieces_from(&elf->pieces, phys);

	if (!piece || piece->start > phys)
		return us_vmcore_missing(core, phys, US_PAGE_ABSENT);
	if (piece->kind == US_PIECE_LOST)
		return us_vmcore_missing(core, phys, US_PAGE_LOST);
	*ret = piece;
	return NULL;
}

static struct us_err *elf_read(const struct us_vmcore *core, uint64_t phys, void *buf, size_t n)
{
	const struct elf_core *elf = core->data;
	uint8_t *to = buf;

	while (n) {
		const struct us_piece *piece;
		uint64_t skip, part = n;

		US_TRY(find_piece(core, phys, &piece));
		skip = phys - piece->start;
		if (part > piece->size - skip)
			part = piece->size - skip;
		if (piece->kind == US_PIECE_ZERO)
			memset(to, 0, part);
		else
			US_TRY(us_store_read(&elf->store, piece->pos + skip, to, part));
		to += part;
		phys += part;
		n -= part;
	}
	return NULL;
}

static struct us_err *elf_reader_new(const struct us_vmcore *core, void **ret)
{
	struct elf_reader *reader = calloc(1, sizeof(*reader));

	(void)core;
	if (!reader)
		return us_err_nomem();
	*ret = reader;
	return NULL;
}

static void unmap(struct elf_reader *reader)
{
	if (reader->map)
		munmap(reader->map, reader->map_bytes);
	reader->map = NULL;
}

static void elf_reader_free(void *own)
{
	struct elf_reader *reader = own;

	unmap(reader);
	free(reader->copy);
	free(reader);
}

/* Maps around off; false if no size can be mapped. */
static bool map_window(struct elf_reader *reader, const struct us_store *store, uint64_t off)
{
	for (size_t i = 0; i < us_array_size(window_bytes); i++) {
		uint64_t start = us_align_down(off, window_bytes[i]);
		uint64_t bytes = window_bytes[i];
		void *p;

		if (bytes > store->raw_bytes - start)
			bytes = store->raw_bytes - start;
		unmap(reader);
		p = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, store->fd, (off_t)start);
		if (p == MAP_FAILED)
			continue;
		reader->map = p;
		reader->map_off = start;
		reader->map_bytes = bytes;
		return true;
	}
	return false;
}

/* Up to COPY_BYTES by read(2); where that fails, no more than to the end of the page. */
static struct us_err *copy_window(struct elf_reader *reader, const struct us_vmcore *core,
				  uint64_t off, uint64_t want, struct us_bytes *ret)
{
	const struct elf_core *elf = core->data;
	uint64_t page = core->page_bytes - (off & (core->page_bytes - 1));
	struct us_err *err;

	if (!reader->copy)
		reader->copy = malloc(COPY_BYTES);
	if (!reader->copy)
		return us_err_nomem();
	if (want > COPY_BYTES)
		want = COPY_BYTES;
	err = us_store_read(&elf->store, off, reader->copy, want);
	if (err && want > page) {
		us_err_free(err);
		want = page;
		err = us_store_read(&elf->store, off, reader->copy, want);
	}
	if (err)
		return err;
	*ret = us_bytes_of(reader->copy, want);
	return NULL;
}

static struct us_err *file_window(struct elf_reader *reader, const struct us_vmcore *core,
				  uint64_t off, uint64_t want, struct us_bytes *ret)
{
	const struct elf_core *elf = core->data;
	const struct us_store *store = &elf->store;
	uint64_t least = want < core->page_bytes ? want : core->page_bytes;
	struct us_bytes view;

	if (want > VIEW_BYTES)
		want = VIEW_BYTES;
	view = us_store_view(store, off, want);
	if (!store->map.p && !store->flattened) {
		bool inside = reader->map && off >= reader->map_off &&
			      off - reader->map_off < reader->map_bytes;

		if (inside || map_window(reader, store, off))
			view = us_bytes_clip(us_bytes_of(reader->map, reader->map_bytes),
					     off - reader->map_off, want);
	}
	/* what lies across the end of a mapping comes in one piece, too */
	if (view.n < least || !us_store_touch(store, view))
		return copy_window(reader, core, off, want, ret);
	us_store_pass(store, &reader->trail, view);
	*ret = view;
	return NULL;
}

static struct us_err *elf_window(const struct us_vmcore *core, void *own, uint64_t phys,
				 size_t want, struct us_bytes *ret)
{
	struct elf_reader *reader = own;
	uint64_t skip, most = want;

	if (phys < reader->at.start || phys - reader->at.start >= reader->at.size) {
		const struct us_piece *piece;

		US_TRY(find_piece(core, phys, &piece));
		reader->at = *piece;
	}
	skip = phys - reader->at.start;
	if (most > reader->at.size - skip)
		most = reader->at.size - skip;
	if (reader->at.kind == US_PIECE_ZERO) {
		*ret = us_bytes_of(us_zero_page, most < US_ZERO_BYTES ? most : US_ZERO_BYTES);
		return NULL;
	}
	return file_window(reader, core, reader->at.pos + skip, most, ret);
}

static void elf_close(struct us_vmcore *core)
{
	struct elf_core *elf = core->data;

	us_store_close(&elf->store);
}

const struct us_vmcore_ops us_elf_ops = {
	.close = elf_close,
	.page_state = elf_page_state,
	.page_run = elf_page_run,
	.read = elf_read,
	.reader_new = elf_reader_new,
	.reader_free = elf_reader_free,
	.window = elf_window,
};
