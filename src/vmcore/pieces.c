/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Overlapping claims on an address space -> disjoint pieces: a sweep from the lowest address up,
 * with a heap of the claims that are open there. The claim of the highest rank counts; of equal
 * ones the first to start. O(n log n) in any case, however wild the input.
 */
#include "base/cleanup.h"
#include "vmcore/vmcore-int.h"

#include <stdlib.h>
#include <string.h>

struct sweep {
	const struct us_piece *from;
	size_t n, next;
	size_t *heap; /* indexes into from */
	size_t n_heap;
	struct us_piece *out;
	size_t n_out;
};

static int by_start(const void *a, const void *b)
{
	const struct us_piece *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	return (x->rank < y->rank) - (x->rank > y->rank);
}

static uint64_t end_of(const struct us_piece *piece)
{
	return piece->start + piece->size;
}

static bool before(const struct sweep *s, size_t a, size_t b)
{
	uint64_t x = s->from[a].rank, y = s->from[b].rank;

	return x > y || (x == y && a < b);
}

static void swap(size_t *a, size_t *b)
{
	size_t t = *a;

	*a = *b;
	*b = t;
}

static void push(struct sweep *s, size_t item)
{
	size_t i = s->n_heap++;

	s->heap[i] = item;
	for (; i && before(s, s->heap[i], s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&s->heap[i], &s->heap[(i - 1) / 2]);
}

static void pop(struct sweep *s)
{
	size_t i = 0, child;

	s->heap[0] = s->heap[--s->n_heap];
	while ((child = 2 * i + 1) < s->n_heap) {
		if (child + 1 < s->n_heap && before(s, s->heap[child + 1], s->heap[child]))
			child++;
		if (!before(s, s->heap[child], s->heap[i]))
			return;
		swap(&s->heap[i], &s->heap[child]);
		i = child;
	}
}

/* [at, until) belongs to claim; it continues the piece before it if that is possible. */
static void emit(struct sweep *s, const struct us_piece *claim, uint64_t at, uint64_t until)
{
	struct us_piece *last = s->n_out ? &s->out[s->n_out - 1] : NULL;
	uint64_t pos = claim->kind == US_PIECE_FILE ? claim->pos + (at - claim->start) : 0;

	if (last && last->kind == claim->kind && end_of(last) == at &&
	    (claim->kind != US_PIECE_FILE || last->pos + last->size == pos)) {
		last->size += until - at;
		return;
	}
	s->out[s->n_out++] = (struct us_piece){
		.start = at, .size = until - at, .pos = pos, .rank = claim->rank, .kind = claim->kind
	};
}

static void run(struct sweep *s)
{
	uint64_t at = 0;

	for (;;) {
		const struct us_piece *top;
		uint64_t until;

		while (s->n_heap && end_of(&s->from[s->heap[0]]) <= at)
			pop(s);
		if (!s->n_heap && s->next < s->n && s->from[s->next].start > at)
			at = s->from[s->next].start;
		while (s->next < s->n && s->from[s->next].start <= at)
			push(s, s->next++);
		if (!s->n_heap && s->next == s->n)
			return;
		if (!s->n_heap || end_of(&s->from[s->heap[0]]) <= at)
			continue;
		top = &s->from[s->heap[0]];
		until = end_of(top);
		if (s->next < s->n && s->from[s->next].start < until)
			until = s->from[s->next].start;
		emit(s, top, at, until);
		at = until;
	}
}

struct us_err *us_pieces_make(struct us_pool *pool, struct us_piece *from, size_t n,
			      struct us_pieces *ret)
{
	_us_free_ size_t *heap = calloc(n + 1, sizeof(*heap));
	_us_free_ struct us_piece *out = calloc(2 * n + 1, sizeof(*out));
	struct sweep s = { .from = from, .n = n, .heap = heap, .out = out };
	struct us_piece *kept;

	if (!heap || !out)
		return us_err_nomem();
	qsort(from, n, sizeof(*from), by_start);
	run(&s);
	kept = us_pool_array(pool, s.n_out, sizeof(*kept));
	if (!kept)
		return us_err_nomem();
	memcpy(kept, out, s.n_out * sizeof(*kept));
	*ret = (struct us_pieces){ .v = kept, .n = s.n_out };
	return NULL;
}

const struct us_piece *us_pieces_from(const struct us_pieces *pieces, uint64_t at)
{
	size_t low = 0, high = pieces->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (end_of(&pieces->v[mid]) <= at)
			low = mid + 1;
		else
			high = mid;
	}
	return low < pieces->n ? &pieces->v[low] : NULL;
}
