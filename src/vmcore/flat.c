/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flattened files, as makedumpfile -F and QEMU write dumps that can't seek (makedumpfile 1.7.9
 * makedumpfile.h: struct makedumpfile_header, makedumpfile_data_header): a header of 4096 bytes,
 * then {offset, size} in big-endian order with their bytes, -1 and -1 at the end. Here they become
 * an index; of segments that overlap the later counts. A file that was cut keeps what it has.
 */
#include "base/cleanup.h"
#include "vmcore/vmcore-int.h"

#include <stdlib.h>
#include <string.h>

#define HEADER_BYTES  4096u
#define SEGMENT_BYTES 16u

static const char signature[16] = "makedumpfile";

struct list {
	struct us_piece *v;
	size_t n, cap;
	uint64_t end;
};

static struct us_err *append(struct list *list, uint64_t start, uint64_t size, uint64_t pos)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 256;
		struct us_piece *more = realloc(list->v, cap * sizeof(*more));

		if (!more)
			return us_err_nomem();
		list->v = more;
		list->cap = cap;
	}
	list->v[list->n] = (struct us_piece){
		.start = start, .size = size, .pos = pos, .rank = list->n, .kind = US_PIECE_FILE
	};
	list->n++;
	if (start + size > list->end)
		list->end = start + size;
	return NULL;
}

/* All segments up to the end mark; *ret_cut if there is none. */
static struct us_err *walk(const struct us_store *store, struct list *list, bool *ret_cut)
{
	uint64_t pos = HEADER_BYTES;

	*ret_cut = true;
	while (store->raw_bytes - pos >= SEGMENT_BYTES) {
		uint8_t head[SEGMENT_BYTES];
		struct us_bytes b = us_bytes_of(head, sizeof(head));
		uint64_t start, size, end;

		US_TRY(us_store_peek(store, pos, head, sizeof(head)));
		start = us_get64(b, 0, true);
		size = us_get64(b, 8, true);
		if (start == UINT64_MAX && size == UINT64_MAX) {
			*ret_cut = false;
			return NULL;
		}
		if (!us_add(start, size, &end) || end > INT64_MAX)
			return NULL;
		pos += SEGMENT_BYTES;
		if (size > store->raw_bytes - pos)
			size = store->raw_bytes - pos;
		if (size)
			US_TRY(append(list, start, size, pos));
		pos += size;
	}
	return NULL;
}

struct us_err *us_store_unflatten(struct us_pool *pool, struct us_store *store)
{
	_us_free_ struct us_piece *owned = NULL;
	struct list list = { 0 };
	uint8_t head[HEADER_BYTES];
	struct us_bytes b = us_bytes_of(head, sizeof(head));
	struct us_err *err;
	bool cut;

	if (store->is_proc || store->raw_bytes < sizeof(head))
		return NULL;
	US_TRY(us_store_read(store, 0, head, sizeof(head)));
	if (memcmp(head, signature, sizeof(signature)) != 0)
		return NULL;
	if (us_get64(b, 16, true) != 1 || us_get64(b, 24, true) != 1)
		return us_err_new(US_ERR_UNSUPPORTED,
				  "%s is flattened with type %" PRIu64 " version %" PRIu64
				  "; type 1 version 1 is known",
				  store->path, us_get64(b, 16, true), us_get64(b, 24, true));
	err = walk(store, &list, &cut);
	owned = list.v;
	if (err)
		return err;
	if (!list.n)
		return us_err_new(US_ERR_BAD_DATA, "%s is flattened and has nothing in it",
				  store->path);
	US_TRY(us_pieces_make(pool, list.v, list.n, &store->segments));
	store->flattened = true;
	store->cut = cut;
	store->bytes = list.end;
	return NULL;
}
