/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks for many strings in one pass: the first four bytes at every place are hashed into a small
 * table that fits the first-level cache, and only where the table is not empty is compared. It
 * knows nothing of what it looks for.
 */
#include "image/deep-int.h"

#include <string.h>

#define HASH_BITS 14

static uint32_t hash_at(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v * 0x9e3779b1u >> (32 - HASH_BITS);
}

static void compare(struct us_bytes in, size_t i, uint64_t base, struct us_needle *needles,
		    const uint8_t *next, uint8_t first)
{
	for (uint8_t k = first; k; k = next[k - 1]) {
		struct us_needle *needle = &needles[k - 1];

		if (needle->at != US_NOWHERE || !us_bytes_match(in, i, needle->p, needle->n))
			continue;
		needle->at = base + i;
		return;
	}
}

void us_scan(struct us_bytes in, uint64_t base, struct us_needle *needles, size_t n)
{
	uint8_t table[1 << HASH_BITS] = { 0 }; /* 1 + the first needle with that hash */
	uint8_t next[US_NEEDLES_MAX] = { 0 };  /* 1 + the one after it */

	for (size_t k = n; k-- > 0;) {
		uint8_t *slot = &table[hash_at((const uint8_t *)needles[k].p)];

		next[k] = *slot;
		*slot = (uint8_t)(k + 1);
	}
	for (size_t i = 0; i + sizeof(uint32_t) <= in.n; i++) {
		uint8_t first = table[hash_at(in.p + i)];

		if (__builtin_expect(first, 0))
			compare(in, i, base, needles, next, first);
	}
}
