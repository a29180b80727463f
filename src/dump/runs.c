/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The runs of pages to keep, as {gap, count and tier} in bytes of seven bits: about four bytes a
 * run, so that a run list of 16 MiB describes what is left of many TiB. What does not fit any more
 * is the tail: known only by bitmap 2 in the file, from where it is read back.
 */
#include "dump/dump-int.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_BYTES (64u << 10)
#define ENTRY_MAX   20 /* two numbers of at most 10 bytes */

struct us_runs_block {
	struct us_runs_block *next;
	size_t n;
	uint8_t bytes[BLOCK_BYTES];
};

void us_runs_init(struct us_runs *runs, size_t max_bytes)
{
	*runs = (struct us_runs){ .max_bytes = max_bytes, .tail_pfn = UINT64_MAX };
}

void us_runs_deinit(struct us_runs *runs)
{
	struct us_runs_block *b = runs->first, *next;

	for (; b; b = next) {
		next = b->next;
		free(b);
	}
	us_runs_init(runs, runs->max_bytes);
}

static size_t put(uint8_t *p, uint64_t v)
{
	size_t n = 0;

	for (; v >= 0x80; v >>= 7)
		p[n++] = (uint8_t)(v | 0x80);
	p[n++] = (uint8_t)v;
	return n;
}

static size_t get(const uint8_t *p, uint64_t *ret)
{
	uint64_t v = 0;
	size_t n = 0;

	do
		v |= (uint64_t)(p[n] & 0x7f) << 7 * n;
	while (p[n++] & 0x80);
	*ret = v;
	return n;
}

static bool make_room(struct us_runs *runs)
{
	struct us_runs_block *b;

	if (runs->last && runs->last->n + ENTRY_MAX <= BLOCK_BYTES)
		return true;
	if (runs->bytes + BLOCK_BYTES > runs->max_bytes)
		return false;
	b = malloc(sizeof(*b));
	if (!b)
		return false;
	b->next = NULL;
	b->n = 0;
	if (runs->last)
		runs->last->next = b;
	else
		runs->first = b;
	runs->last = b;
	runs->bytes += BLOCK_BYTES;
	return true;
}

static void flush(struct us_runs *runs)
{
	struct us_runs_block *b;

	if (!runs->count)
		return;
	runs->pages += runs->count;
	runs->n_runs++;
	if (runs->tail_pfn != UINT64_MAX)
		return;
	if (!make_room(runs)) {
		runs->tail_pfn = runs->pfn;
		runs->tail_rank = runs->pages - runs->count;
		return;
	}
	b = runs->last;
	b->n += put(b->bytes + b->n, runs->pfn - runs->last_end);
	b->n += put(b->bytes + b->n, runs->count << 3 | runs->tier);
	runs->last_end = runs->pfn + runs->count;
}

void us_runs_add(struct us_runs *runs, uint64_t pfn, uint64_t count, unsigned int tier)
{
	if (runs->count && runs->tier == tier && runs->pfn + runs->count == pfn) {
		runs->count += count;
		return;
	}
	flush(runs);
	runs->pfn = pfn;
	runs->count = count;
	runs->tier = tier;
}

void us_runs_end(struct us_runs *runs)
{
	flush(runs);
	runs->count = 0;
}

bool us_runs_next(struct us_runs_cursor *cursor, struct us_keep *ret)
{
	uint64_t gap, count;

	if (!cursor->begun) {
		cursor->begun = true;
		cursor->block = cursor->runs->first;
	}
	if (cursor->block && cursor->at == cursor->block->n) {
		cursor->block = cursor->block->next;
		cursor->at = 0;
	}
	if (!cursor->block)
		return false;
	cursor->at += get(cursor->block->bytes + cursor->at, &gap);
	cursor->at += get(cursor->block->bytes + cursor->at, &count);
	ret->tier = count & 7;
	ret->count = count >> 3;
	ret->pfn = cursor->pfn + gap;
	ret->rank = cursor->rank;
	cursor->pfn = ret->pfn + ret->count;
	cursor->rank += ret->count;
	return true;
}

struct us_quota us_runs_count(const struct us_runs *runs)
{
	struct us_runs_cursor cursor = { .runs = runs };
	struct us_quota all = { 0 };
	struct us_keep keep;

	while (us_runs_next(&cursor, &keep))
		all.pages[keep.tier] += keep.count;
	return all;
}

struct us_quota us_quota_of(struct us_quota all, uint64_t n)
{
	for (unsigned int tier = 0; tier < US_TIERS; tier++) {
		if (all.pages[tier] > n)
			all.pages[tier] = n;
		n -= all.pages[tier];
	}
	all.pages[US_TIERS] = 0;
	return all;
}

struct us_err *us_runs_choose(const struct us_runs *from, struct us_quota quota, struct us_runs *ret)
{
	struct us_runs_cursor cursor = { .runs = from };
	struct us_runs runs;
	struct us_keep keep;

	us_runs_init(&runs, from->max_bytes);
	while (us_runs_next(&cursor, &keep)) {
		uint64_t *left = &quota.pages[keep.tier];
		uint64_t count = keep.count < *left ? keep.count : *left;

		*left -= count;
		if (count)
			us_runs_add(&runs, keep.pfn, count, keep.tier);
	}
	us_runs_end(&runs);
	if (runs.tail_pfn != UINT64_MAX) {
		us_runs_deinit(&runs);
		return us_err_nomem();
	}
	*ret = runs;
	return NULL;
}

void us_walk_init(struct us_walk *walk, const struct us_runs *runs, bool by_address,
		  struct us_part part, const struct us_out *out, uint64_t bitmap_at,
		  uint64_t max_pfn)
{
	*walk = (struct us_walk){ .part = part,
				  .tier = part.tier,
				  .by_address = by_address,
				  .out = out,
				  .bitmap_at = bitmap_at,
				  .max_pfn = max_pfn };
	if (!part.count)
		walk->part.count = UINT64_MAX - part.first;
	if (!part.tier_end)
		walk->part.tier_end = US_TIERS;
	walk->cursor.runs = runs;
	walk->tail_pfn = runs->tail_pfn;
	walk->tail_rank = runs->tail_rank;
}

/* Is the page of the tail kept? False with *ok unset if bitmap 2 cannot be read. */
static bool tail_bit(struct us_walk *walk, uint64_t pfn, bool *ok)
{
	if (pfn - walk->buf_pfn >= walk->buf_pfns) {
		uint64_t left = walk->max_pfn / 8 + 1 - pfn / 8;
		size_t n = left < sizeof(walk->buf) ? (size_t)left : sizeof(walk->buf);
		struct us_err *err =
			us_out_read(walk->out, walk->bitmap_at + pfn / 8, walk->buf, n);

		if (err) {
			us_err_free(err);
			*ok = false;
			return false;
		}
		walk->buf_pfn = pfn & ~7ull;
		walk->buf_pfns = n * 8;
	}
	return walk->buf[(pfn - walk->buf_pfn) / 8] >> (pfn & 7) & 1;
}

static bool tail_next(struct us_walk *walk)
{
	uint64_t pfn = walk->tail_pfn, end;
	bool ok = true;

	while (pfn < walk->max_pfn && ok && !tail_bit(walk, pfn, &ok))
		pfn += pfn & 7 || walk->buf[(pfn - walk->buf_pfn) / 8] ? 1 : 8;
	for (end = pfn; end < walk->max_pfn && ok && tail_bit(walk, end, &ok);)
		end++;
	if (end == pfn)
		return false;
	walk->run = (struct us_keep){ .pfn = pfn, .count = end - pfn, .rank = walk->tail_rank };
	walk->tail_pfn = end;
	walk->tail_rank += end - pfn;
	return true;
}

/* What of the run belongs to the part. */
static bool clip(struct us_walk *walk)
{
	struct us_keep *run = &walk->run;
	uint64_t from = run->rank > walk->part.first ? run->rank : walk->part.first;
	uint64_t end = run->rank + run->count, stop = walk->part.first + walk->part.count;

	end = end < stop ? end : stop;
	run->pfn += from - run->rank;
	run->rank = from;
	run->count = end > from ? end - from : 0;
	return run->count;
}

static bool next_run(struct us_walk *walk)
{
	walk->seq += walk->run.count;
	walk->run.count = 0;
	while (!walk->in_tail) {
		if (us_runs_next(&walk->cursor, &walk->run)) {
			if ((walk->by_address || walk->run.tier == walk->tier) && clip(walk))
				return true;
			walk->run.count = 0;
			continue;
		}
		walk->cursor = (struct us_runs_cursor){ .runs = walk->cursor.runs };
		if (walk->by_address || ++walk->tier >= walk->part.tier_end)
			walk->in_tail = true;
	}
	while (walk->part.tier_end == US_TIERS && tail_next(walk))
		if (clip(walk))
			return true;
	walk->run.count = 0;
	return false;
}

bool us_walk_to(struct us_walk *walk, uint64_t at, uint64_t max, struct us_keep *ret)
{
	uint64_t skip;

	while (walk->seq + walk->run.count <= at)
		if (!next_run(walk))
			return false;
	skip = at - walk->seq;
	ret->pfn = walk->run.pfn + skip;
	ret->rank = walk->run.rank + skip;
	ret->tier = walk->run.tier;
	ret->count = walk->run.count - skip < max ? walk->run.count - skip : max;
	return true;
}
