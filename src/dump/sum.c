/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * XXH64 with seed 0 as its specification describes it (xxHash fast digest algorithm, revision
 * 0.1.1), and the test for pages that are one word again and again, zeros above all. Both run at
 * about the speed of memory without instructions that only some processors have.
 */
#include "dump/dump-int.h"

#include <string.h>

#define P1 0x9e3779b185ebca87ull
#define P2 0xc2b2ae3d27d4eb4full
#define P3 0x165667b19e3779f9ull
#define P4 0x85ebca77c2b2ae63ull
#define P5 0x27d4eb2f165667c5ull

static inline uint64_t rotl(uint64_t v, unsigned int by)
{
	return v << by | v >> (64 - by);
}

static inline uint64_t get64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static inline uint64_t mix(uint64_t acc, uint64_t lane)
{
	return rotl(acc + lane * P2, 31) * P1;
}

static inline uint64_t merge(uint64_t acc, uint64_t lane)
{
	return (acc ^ mix(0, lane)) * P1 + P4;
}

void us_sum_init(struct us_sum *sum)
{
	*sum = (struct us_sum){ .lane = { P1 + P2, P2, 0, 0ull - P1 } };
}

/* As many whole stripes of 32 bytes as there are; what is left over is returned. */
static size_t stripes(uint64_t lane[4], const uint8_t *p, size_t n)
{
	uint64_t a = lane[0], b = lane[1], c = lane[2], d = lane[3];

	for (; n >= 32; n -= 32, p += 32) {
		a = mix(a, get64(p));
		b = mix(b, get64(p + 8));
		c = mix(c, get64(p + 16));
		d = mix(d, get64(p + 24));
	}
	lane[0] = a;
	lane[1] = b;
	lane[2] = c;
	lane[3] = d;
	return n;
}

void us_sum_add(struct us_sum *sum, const void *p, size_t n)
{
	const uint8_t *in = p;
	size_t have = sum->total % 32, left;

	sum->total += n;
	if (have) {
		size_t take = n < 32 - have ? n : 32 - have;

		memcpy(sum->rest + have, in, take);
		in += take;
		n -= take;
		if (have + take < 32)
			return;
		stripes(sum->lane, sum->rest, 32);
	}
	left = stripes(sum->lane, in, n);
	if (left)
		memcpy(sum->rest, in + n - left, left);
}

uint64_t us_sum_end(const struct us_sum *sum)
{
	const uint8_t *p = sum->rest;
	size_t n = sum->total % 32;
	uint64_t h = P5;

	if (sum->total >= 32) {
		h = rotl(sum->lane[0], 1) + rotl(sum->lane[1], 7) + rotl(sum->lane[2], 12) +
		    rotl(sum->lane[3], 18);
		for (unsigned int i = 0; i < 4; i++)
			h = merge(h, sum->lane[i]);
	}
	h += sum->total;
	for (; n >= 8; n -= 8, p += 8)
		h = rotl(h ^ mix(0, get64(p)), 27) * P1 + P4;
	if (n >= 4) {
		h = rotl(h ^ get32(p) * P1, 23) * P2 + P3;
		n -= 4;
		p += 4;
	}
	for (; n; n--, p++)
		h = rotl(h ^ *p * P5, 11) * P1;
	h = (h ^ h >> 33) * P2;
	h = (h ^ h >> 29) * P3;
	return h ^ h >> 32;
}

uint64_t us_sum_of(const void *p, size_t n)
{
	struct us_sum sum;

	us_sum_init(&sum);
	us_sum_add(&sum, p, n);
	return us_sum_end(&sum);
}

uint64_t us_sum_of_file(const struct us_sum *bitmaps, const struct us_sum *table,
			struct us_bytes front)
{
	uint8_t parts[16];
	struct us_sum sum;

	us_put_le64(parts, us_sum_end(bitmaps));
	us_put_le64(parts + 8, us_sum_end(table));
	us_sum_init(&sum);
	us_sum_add(&sum, parts, sizeof(parts));
	us_sum_add(&sum, front.p, front.n);
	return us_sum_end(&sum);
}

typedef uint64_t vec __attribute__((vector_size(16)));

static inline vec load(const uint8_t *p)
{
	vec v;

	memcpy(&v, p, sizeof(v));
	return v;
}

bool us_repeats(const uint8_t *p, size_t n, uint64_t *ret_word)
{
	uint64_t word;
	vec want;

	memcpy(&word, p, sizeof(word));
	want = (vec){ word, word };
	for (size_t i = 0; i < n; i += 64) {
		vec diff = (load(p + i) ^ want) | (load(p + i + 16) ^ want) |
			   (load(p + i + 32) ^ want) | (load(p + i + 48) ^ want);

		if (diff[0] | diff[1])
			return false;
	}
	*ret_word = word;
	return true;
}
