/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Packing one page as a zlib stream (RFC 1950, 1951) of one block, faster than libraries do:
 * those begin each stream by clearing tables for a window of 32 KiB, which for a page
 * takes longer than the page. Matches of four bytes and more by a table of 16 KiB, then the shorter
 * of own and fixed codes. For pages of at most US_DEFLATE_MAX bytes; larger ones and higher
 * levels are libdeflate's.
 */
#include "dump/deflate-int.h"

#include <libdeflate.h>
#include <stdlib.h>
#include <string.h>

#define HASH_BITS    13
#define MATCH_MIN    4
#define MATCH_MAX    258
#define MATCH_GOOD   16  /* long enough not to look for a longer one */
#define N_LITERALS   286 /* and lengths */
#define N_DISTANCES  30
#define N_PRECODES   19
#define END_OF_BLOCK 256
#define CODE_MAX     15
#define PRECODE_MAX  7
#define FEW          32 /* symbols that are sorted plainly */
#define TAIL         12 /* bytes at the end that no match begins in */

struct code {
	uint16_t bits; /* reversed, as the stream has them */
	uint16_t n;
};

struct match {
	uint16_t literals; /* before it */
	uint16_t length, distance;
};

struct us_deflate {
	uint16_t table[1 << HASH_BITS];
	struct match matches[US_DEFLATE_MAX / MATCH_MIN + 1];
	size_t n_matches, tail; /* tail: literals after the last match */
	uint32_t freq[N_LITERALS], distance_freq[N_DISTANCES];
	struct code literal[N_LITERALS], distance[N_DISTANCES], precode[N_PRECODES];
	struct code fixed_literal[N_LITERALS + 2], fixed_distance[N_DISTANCES];
	uint8_t length_symbol[MATCH_MAX + 1];      /* less 257 */
	uint8_t distance_symbol[512];              /* of distance - 1, from 256 on of that >> 7 */
	uint8_t runs[N_LITERALS + N_DISTANCES][2]; /* code lengths as symbols and extra bits */
	size_t n_runs, n_literals, n_distances, n_precodes;
};

static const uint8_t length_extra[29] = { 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2,
					  2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0 };
static const uint16_t length_base[29] = { 3,  4,  5,  6,   7,   8,   9,   10,  11, 13,
					  15, 17, 19, 23,  27,  31,  35,  43,  51, 59,
					  67, 83, 99, 115, 131, 163, 195, 227, 258 };
static const uint8_t distance_extra[N_DISTANCES] = { 0, 0, 0,  0,  1,  1,  2,  2,  3,  3,
						     4, 4, 5,  5,  6,  6,  7,  7,  8,  8,
						     9, 9, 10, 10, 11, 11, 12, 12, 13, 13 };
static const uint16_t distance_base[N_DISTANCES] = {
	1,   2,   3,   4,   5,   7,    9,    13,   17,   25,   33,   49,   65,    97,    129,
	193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577
};
static const uint8_t precode_order[N_PRECODES] = { 16, 17, 18, 0, 8,  7, 9,  6, 10, 5,
						   11, 4,  12, 3, 13, 2, 14, 1, 15 };

/* ---- little-endian loads and the bit stream ---- */

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return le64toh(v);
}

struct stream {
	uint8_t *p;
	uint64_t held;
	unsigned int n; /* bits held */
};

/* At most 56 bits between two flushes; up to 8 bytes behind the stream are written over. */
static inline void put(struct stream *s, uint64_t bits, unsigned int n)
{
	s->held |= bits << s->n;
	s->n += n;
}

static inline void flush(struct stream *s)
{
	uint64_t v = htole64(s->held);

	memcpy(s->p, &v, sizeof(v));
	s->p += s->n / 8;
	s->held >>= s->n & ~7u;
	s->n &= 7;
}

/* ---- codes ---- */

/* Lengths in n symbols sorted by frequency, ascending: f holds frequencies, then lengths (Moffat
 * and Katajainen, In-Place Calculation of Minimum-Redundancy Codes). */
static void code_lengths(uint32_t *f, size_t n)
{
	size_t leaf = 0, root = 0, next;
	int avail = 1, used = 0, depth = 0, node, at;

	for (next = 0; next + 1 < n; next++) {
		uint32_t sum = 0;

		for (int i = 0; i < 2; i++) {
			if (leaf >= n || (root < next && f[root] < f[leaf])) {
				sum += f[root];
				f[root++] = (uint32_t)next;
			} else {
				sum += f[leaf++];
			}
		}
		f[next] = sum;
	}
	f[n - 2] = 0;
	for (node = (int)n - 3; node >= 0; node--)
		f[node] = f[f[node]] + 1;
	for (node = (int)n - 2, at = (int)n - 1; avail > 0; avail = 2 * used, depth++, used = 0) {
		for (; node >= 0 && (int)f[node] == depth; node--)
			used++;
		for (; avail > used; avail--)
			f[at--] = (uint32_t)depth;
	}
}

/* No length above max, and just as many codes as there is room for: readers refuse less. */
static void limit_lengths(uint32_t *length, size_t n, unsigned int max)
{
	uint32_t room = 1u << max, used = 0;

	for (size_t i = 0; i < n; i++) {
		length[i] = length[i] < max ? length[i] : max;
		used += 1u << (max - length[i]);
	}
	for (size_t i = 0; used > room; i = i + 1 < n ? i + 1 : 0)
		if (length[i] < max)
			used -= 1u << (max - ++length[i]);
	for (size_t i = n - 1; used < room; i = i ? i - 1 : n - 1)
		if (1u << (max - length[i]) <= room - used)
			used += 1u << (max - length[i]--);
}

static uint16_t reversed(uint32_t code, unsigned int n)
{
	uint32_t v = code;

	v = (v & 0x5555) << 1 | (v >> 1 & 0x5555);
	v = (v & 0x3333) << 2 | (v >> 2 & 0x3333);
	v = (v & 0x0f0f) << 4 | (v >> 4 & 0x0f0f);
	v = (v & 0x00ff) << 8 | (v >> 8 & 0x00ff);
	return (uint16_t)(v >> (16 - n));
}

/* Codes in the order of symbols, from the lengths that are in them; used: the n symbols that have
 * one, ascending. */
static void number_codes(struct code *codes, const uint16_t *used, size_t n)
{
	uint32_t count[CODE_MAX + 1] = { 0 }, next[CODE_MAX + 2] = { 0 };

	for (size_t i = 0; i < n; i++)
		count[codes[used[i]].n]++;
	for (unsigned int i = 1; i <= CODE_MAX; i++)
		next[i + 1] = (next[i] + count[i]) << 1;
	for (size_t i = 0; i < n; i++) {
		struct code *code = &codes[used[i]];

		code->bits = reversed(next[code->n]++, code->n);
	}
}

static void sort_few(uint32_t *v, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		uint32_t at = v[i];
		size_t to = i;

		for (; to && v[to - 1] > at; to--)
			v[to] = v[to - 1];
		v[to] = at;
	}
}

/* {frequency, symbol} ascending, by two turns of seven bits. */
static void sort_many(uint32_t *v, uint32_t *other, size_t n)
{
	uint32_t low[130] = { 0 }, high[130] = { 0 };

	for (size_t i = 0; i < n; i++) {
		low[(v[i] >> 16 & 127) + 1]++;
		high[(v[i] >> 23) + 1]++;
	}
	for (size_t i = 0; i < 128; i++) {
		low[i + 1] += low[i];
		high[i + 1] += high[i];
	}
	for (size_t i = 0; i < n; i++)
		other[low[v[i] >> 16 & 127]++] = v[i];
	for (size_t i = 0; i < n; i++)
		v[high[other[i] >> 23]++] = other[i];
}

/* A code for the symbols that occur; at least two get one, as readers expect. */
static void make_code(const uint32_t *freq, size_t n, unsigned int max, struct code *codes)
{
	uint32_t sorted[N_LITERALS + 2], length[N_LITERALS + 2];
	uint16_t used[N_LITERALS + 2];
	size_t n_used = 0;

	memset(codes, 0, n * sizeof(*codes));
	for (size_t i = 0; i < n; i++) {
		used[n_used] = (uint16_t)i;
		sorted[n_used] = freq[i] << 16 | (uint32_t)i;
		n_used += freq[i] || (n_used < 2 && i + 2 - n_used >= n);
	}
	if (n_used <= FEW)
		sort_few(sorted, n_used);
	else
		sort_many(sorted, length, n_used);
	for (size_t i = 0; i < n_used; i++)
		length[i] = sorted[i] >> 16;
	code_lengths(length, n_used);
	if (length[0] > max)
		limit_lengths(length, n_used, max);
	for (size_t i = 0; i < n_used; i++)
		codes[sorted[i] & UINT16_MAX].n = (uint16_t)length[i];
	number_codes(codes, used, n_used);
}

/* ---- matches ---- */

static inline size_t hash(uint32_t v)
{
	return v * 0x9e3779b1u >> (32 - HASH_BITS);
}

static inline size_t match_length(const uint8_t *p, const uint8_t *match, const uint8_t *end)
{
	size_t n = MATCH_MIN;

	for (; p + n + 8 <= end; n += 8) {
		uint64_t differs = load64(p + n) ^ load64(match + n);

		if (differs)
			return n + (size_t)(__builtin_ctzll(differs) >> 3);
	}
	while (p + n < end && p[n] == match[n])
		n++;
	return n;
}

static inline uint8_t distance_symbol(const struct us_deflate *d, size_t distance)
{
	return d->distance_symbol[distance <= 256 ? distance - 1 : 256 + ((distance - 1) >> 7)];
}

/* Also what is longer than a match can be. */
static void add_match(struct us_deflate *d, const uint8_t *from, size_t literals, size_t length,
		      size_t distance)
{
	for (size_t i = 0; i < literals; i++)
		d->freq[from[i]]++;
	while (length) {
		size_t part = length;

		if (length > MATCH_MAX) /* no rest that is too short for one */
			part = length - MATCH_MAX < MATCH_MIN ? length - MATCH_MIN : MATCH_MAX;
		d->matches[d->n_matches++] =
			(struct match){ (uint16_t)literals, (uint16_t)part, (uint16_t)distance };
		d->freq[257 + d->length_symbol[part]]++;
		d->distance_freq[distance_symbol(d, distance)]++;
		length -= part;
		literals = 0;
	}
}

/* The last place where these four bytes may have been; from now on that is p. */
static inline const uint8_t *look_up(struct us_deflate *d, const uint8_t *in, const uint8_t *p)
{
	uint16_t *slot = &d->table[hash(load32(p))];
	const uint8_t *match = in + *slot;

	*slot = (uint16_t)(p - in);
	return match;
}

/* A match gives way to a longer one that begins a byte later. Of the places within a match only the
 * last two are noted: matches then keep to few distances, which packs better. */
static void find_matches(struct us_deflate *d, const uint8_t *in, size_t n)
{
	const uint8_t *p = in + 1, *from = in, *end = in + n, *last = end - TAIL;

	memset(d->table, 0, sizeof(d->table));
	memset(d->freq, 0, sizeof(d->freq));
	memset(d->distance_freq, 0, sizeof(d->distance_freq));
	d->n_matches = 0;
	while (p < last) {
		const uint8_t *match = look_up(d, in, p), *next;
		size_t length, more;

		if (load32(match) != load32(p)) {
			p += 1 + ((size_t)(p - from) >> 7);
			continue;
		}
		length = match_length(p, match, end);
		if (length < MATCH_GOOD) {
			next = look_up(d, in, p + 1);
			more = load32(next) == load32(p + 1) ? match_length(p + 1, next, end) : 0;
			if (more > length) {
				p++;
				match = next;
				length = more;
			}
		}
		add_match(d, from, (size_t)(p - from), length, (size_t)(p - match));
		p = from = p + length;
		if (p < last) {
			(void)look_up(d, in, p - 2);
			(void)look_up(d, in, p - 1);
		}
	}
	d->tail = (size_t)(end - from);
	for (; from < end; from++)
		d->freq[*from]++;
	d->freq[END_OF_BLOCK] = 1;
}

/* ---- the block ---- */

static size_t count_bits(const struct us_deflate *d, const struct code *literal,
			 const struct code *distance)
{
	size_t bits = 0;

	for (size_t i = 0; i < N_LITERALS; i++)
		bits += d->freq[i] * literal[i].n;
	for (size_t i = 0; i < 29; i++)
		bits += d->freq[257 + i] * length_extra[i];
	for (size_t i = 0; i < N_DISTANCES; i++)
		bits += d->distance_freq[i] * (distance[i].n + distance_extra[i]);
	return bits;
}

static void add_run(struct us_deflate *d, uint32_t *freq, unsigned int symbol, size_t extra)
{
	d->runs[d->n_runs][0] = (uint8_t)symbol;
	d->runs[d->n_runs++][1] = (uint8_t)extra;
	freq[symbol]++;
}

/* The lengths of both codes as runs. */
static void find_runs(struct us_deflate *d, uint32_t *freq)
{
	uint8_t length[N_LITERALS + N_DISTANCES];
	size_t n, at, run;

	for (d->n_literals = N_LITERALS; !d->literal[d->n_literals - 1].n;)
		d->n_literals--;
	for (d->n_distances = N_DISTANCES; !d->distance[d->n_distances - 1].n;)
		d->n_distances--;
	n = d->n_literals + d->n_distances;
	for (size_t i = 0; i < n; i++)
		length[i] = (uint8_t)(i < d->n_literals ? d->literal[i].n
							: d->distance[i - d->n_literals].n);
	d->n_runs = 0;
	for (at = 0; at < n; at += run) {
		for (run = 1; at + run < n && length[at + run] == length[at];)
			run++;
		if (!length[at] && run >= 3) {
			run = run > 138 ? 138 : run;
			if (run > 10)
				add_run(d, freq, 18, run - 11);
			else
				add_run(d, freq, 17, run - 3);
		} else if (run >= 4) {
			run = run > 7 ? 7 : run;
			add_run(d, freq, length[at], 0);
			add_run(d, freq, 16, run - 4);
		} else {
			run = 1;
			add_run(d, freq, length[at], 0);
		}
	}
}

static const uint8_t run_extra[3] = { 2, 3, 7 };

/* What goes before a block with its own codes: in bits. */
static size_t plan_header(struct us_deflate *d)
{
	uint32_t freq[N_PRECODES] = { 0 };
	size_t bits = 14;

	find_runs(d, freq);
	make_code(freq, N_PRECODES, PRECODE_MAX, d->precode);
	for (d->n_precodes = N_PRECODES; !d->precode[precode_order[d->n_precodes - 1]].n;)
		d->n_precodes--;
	for (size_t i = 0; i < N_PRECODES; i++)
		bits += freq[i] * (d->precode[i].n + (i > 15 ? run_extra[i - 16] : 0u));
	return bits + 3 * d->n_precodes;
}

static void put_header(const struct us_deflate *d, struct stream *s)
{
	put(s, d->n_literals - 257, 5);
	put(s, d->n_distances - 1, 5);
	put(s, d->n_precodes - 4, 4);
	for (size_t i = 0; i < d->n_precodes; i++) {
		put(s, d->precode[precode_order[i]].n, 3);
		flush(s);
	}
	for (size_t i = 0; i < d->n_runs; i++) {
		unsigned int symbol = d->runs[i][0];

		put(s, d->precode[symbol].bits, d->precode[symbol].n);
		if (symbol > 15)
			put(s, d->runs[i][1], run_extra[symbol - 16]);
		flush(s);
	}
}

static const uint8_t *put_literals(struct stream *s, const struct code *literal, const uint8_t *p,
				   size_t n)
{
	for (; n >= 3; n -= 3, p += 3) {
		for (size_t i = 0; i < 3; i++)
			put(s, literal[p[i]].bits, literal[p[i]].n);
		flush(s);
	}
	for (; n; n--, p++)
		put(s, literal[*p].bits, literal[*p].n);
	flush(s);
	return p;
}

static void put_block(const struct us_deflate *d, struct stream *s, const uint8_t *in,
		      const struct code *literal, const struct code *distance)
{
	for (size_t i = 0; i < d->n_matches; i++) {
		const struct match *m = &d->matches[i];
		unsigned int l = d->length_symbol[m->length], far = distance_symbol(d, m->distance);

		if (m->literals)
			in = put_literals(s, literal, in, m->literals);
		put(s, literal[257 + l].bits, literal[257 + l].n);
		put(s, m->length - length_base[l], length_extra[l]);
		put(s, distance[far].bits, distance[far].n);
		put(s, m->distance - distance_base[far], distance_extra[far]);
		flush(s);
		in += m->length;
	}
	put_literals(s, literal, in, d->tail);
	put(s, literal[END_OF_BLOCK].bits, literal[END_OF_BLOCK].n);
	flush(s);
}

size_t us_deflate_page(struct us_deflate *d, const uint8_t *in, size_t n, uint8_t *out)
{
	struct stream s = { .p = out + 2 };
	size_t own, fixed;
	uint32_t sum;

	find_matches(d, in, n);
	make_code(d->freq, N_LITERALS, CODE_MAX, d->literal);
	make_code(d->distance_freq, N_DISTANCES, CODE_MAX, d->distance);
	own = count_bits(d, d->literal, d->distance) + plan_header(d);
	fixed = count_bits(d, d->fixed_literal, d->fixed_distance);
	if ((own < fixed ? own : fixed) / 8 + 8 >= n)
		return 0;
	out[0] = 0x78;
	out[1] = 0x01;
	put(&s, 1, 1); /* the last block */
	put(&s, own < fixed ? 2 : 1, 2);
	if (own < fixed) {
		put_header(d, &s);
		put_block(d, &s, in, d->literal, d->distance);
	} else {
		put_block(d, &s, in, d->fixed_literal, d->fixed_distance);
	}
	s.n += s.n % 8 ? 8 - s.n % 8 : 0;
	flush(&s);
	sum = htobe32(libdeflate_adler32(1, in, n));
	memcpy(s.p, &sum, sizeof(sum));
	return (size_t)(s.p - out) + sizeof(sum);
}

/* ---- what all pages share ---- */

struct us_deflate *us_deflate_new(void)
{
	struct us_deflate *d = calloc(1, sizeof(*d));
	uint16_t all[N_LITERALS + 2];

	if (!d)
		return NULL;
	for (size_t i = 0; i < 29; i++)
		for (size_t n = length_base[i]; n <= MATCH_MAX; n++)
			d->length_symbol[n] = (uint8_t)i;
	for (size_t i = 0; i < N_DISTANCES; i++) {
		for (size_t n = distance_base[i]; n <= 256; n++)
			d->distance_symbol[n - 1] = (uint8_t)i;
		for (size_t n = distance_base[i] - 1u; n >> 7 < 256; n += 128)
			d->distance_symbol[256 + (n >> 7)] = (uint8_t)i;
	}
	for (size_t i = 0; i < N_LITERALS + 2; i++)
		d->fixed_literal[i].n = i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8;
	for (size_t i = 0; i < N_DISTANCES; i++)
		d->fixed_distance[i].n = 5;
	for (size_t i = 0; i < N_LITERALS + 2; i++)
		all[i] = (uint16_t)i;
	number_codes(d->fixed_literal, all, N_LITERALS + 2);
	number_codes(d->fixed_distance, all, N_DISTANCES);
	return d;
}

void us_deflate_free(struct us_deflate *d)
{
	free(d);
}
