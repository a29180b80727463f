/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A bitmap of pages (bit pfn & 7 of byte pfn >> 3) that is written in windows as its runs become
 * known in ascending order: a bitmap of any size needs one window of memory.
 */
#include "dump/dump-int.h"

#include <stdlib.h>
#include <string.h>

struct us_err *us_bits_init(struct us_bits *bits, uint64_t base, uint64_t total)
{
	bits->base = base;
	bits->total = total;
	bits->window = 0;
	bits->n = 0;
	if (!bits->buf)
		bits->buf = malloc(US_BITS_WINDOW);
	if (!bits->buf)
		return us_err_nomem();
	memset(bits->buf, 0, US_BITS_WINDOW);
	return NULL;
}

void us_bits_deinit(struct us_bits *bits)
{
	free(bits->buf);
	bits->buf = NULL;
}

static struct us_err *flush(struct us_bits *bits)
{
	uint64_t left = bits->total - bits->window;
	size_t n = left < US_BITS_WINDOW ? (size_t)left : US_BITS_WINDOW;

	if (bits->sum)
		us_sum_add(bits->sum, bits->buf, n);
	if (bits->n || !bits->skip_zero)
		US_TRY(bits->put(bits->data, bits->base + bits->window, bits->buf, n));
	bits->window += n;
	if (bits->n)
		memset(bits->buf, 0, US_BITS_WINDOW);
	bits->n = 0;
	return NULL;
}

static void set_in_window(struct us_bits *bits, uint64_t first, uint64_t end)
{
	for (; first < end && first & 7; first++)
		bits->buf[first / 8] |= (uint8_t)(1u << (first & 7));
	if (end - first >= 8) {
		memset(bits->buf + first / 8, 0xff, (end - first) / 8);
		first += (end - first) & ~7ull;
	}
	for (; first < end; first++)
		bits->buf[first / 8] |= (uint8_t)(1u << (first & 7));
	bits->n = 1;
}

struct us_err *us_bits_set(struct us_bits *bits, uint64_t pfn, uint64_t count)
{
	const uint64_t window_bits = (uint64_t)US_BITS_WINDOW * 8;
	uint64_t end = pfn + count;

	if (end > bits->total * 8)
		return us_err_new(US_ERR_BAD_DATA, "page 0x%llx lies beyond the last one",
				  (unsigned long long)(end - 1));
	while (pfn < end) {
		uint64_t first;

		while (pfn / 8 >= bits->window + US_BITS_WINDOW)
			US_TRY(flush(bits));
		first = pfn - bits->window * 8;
		count = end - pfn < window_bits - first ? end - pfn : window_bits - first;
		set_in_window(bits, first, first + count);
		pfn += count;
	}
	return NULL;
}

struct us_err *us_bits_end(struct us_bits *bits)
{
	while (bits->window < bits->total)
		US_TRY(flush(bits));
	return NULL;
}
