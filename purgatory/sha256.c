/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SHA-256 (FIPS 180-4) without any library, for the purgatory and for the loader that computes what
 * the purgatory will compare. Two block functions: plain C with the rounds unrolled, and the x86
 * SHA extensions (Intel SDM, SHA256RNDS2, SHA256MSG1, SHA256MSG2) where the CPU has them.
 */
#include "purgatory/purgatory.h"

static const uint32_t k256[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2
};

static inline uint32_t rotr(uint32_t v, int n)
{
	return v >> n | v << (32 - n);
}

static inline uint32_t be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint32_t small0(uint32_t x)
{
	return rotr(x, 7) ^ rotr(x, 18) ^ x >> 3;
}

static inline uint32_t small1(uint32_t x)
{
	return rotr(x, 17) ^ rotr(x, 19) ^ x >> 10;
}

/* The word of a round: from the message, or made of four that came before it. */
#define LOAD(n) (w[n] = be32(p + 4 * (n)))
#define NEXT(n) (w[n] += small0(w[((n) + 1) & 15]) + w[((n) + 9) & 15] + small1(w[((n) + 14) & 15]))

/* One round; the eight names are rotated by the caller instead of moving values. */
#define ROUND(a, b, c, d, e, f, g, h, k, word)                                                     \
	do {                                                                                       \
		uint32_t t_ = h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + (g ^ (e & (f ^ g))) + \
			      (k) + (word);                                                        \
		d += t_;                                                                           \
		h = t_ + (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + ((a & b) | (c & (a | b)));     \
	} while (0)

#define EIGHT_ROUNDS(k, n, WORD)                                                                   \
	do {                                                                                       \
		ROUND(a, b, c, d, e, f, g, h, (k)[(n) + 0], WORD((n) + 0));                        \
		ROUND(h, a, b, c, d, e, f, g, (k)[(n) + 1], WORD((n) + 1));                        \
		ROUND(g, h, a, b, c, d, e, f, (k)[(n) + 2], WORD((n) + 2));                        \
		ROUND(f, g, h, a, b, c, d, e, (k)[(n) + 3], WORD((n) + 3));                        \
		ROUND(e, f, g, h, a, b, c, d, (k)[(n) + 4], WORD((n) + 4));                        \
		ROUND(d, e, f, g, h, a, b, c, (k)[(n) + 5], WORD((n) + 5));                        \
		ROUND(c, d, e, f, g, h, a, b, (k)[(n) + 6], WORD((n) + 6));                        \
		ROUND(b, c, d, e, f, g, h, a, (k)[(n) + 7], WORD((n) + 7));                        \
	} while (0)

static void blocks_plain(uint32_t *s, const uint8_t *p, size_t n)
{
	for (; n; n--, p += 64) {
		uint32_t w[16], a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5],
				g = s[6], h = s[7];

		EIGHT_ROUNDS(k256, 0, LOAD);
		EIGHT_ROUNDS(k256, 8, LOAD);
		for (const uint32_t *k = k256 + 16; k < k256 + 64; k += 16) {
			EIGHT_ROUNDS(k, 0, NEXT);
			EIGHT_ROUNDS(k, 8, NEXT);
		}
		s[0] += a;
		s[1] += b;
		s[2] += c;
		s[3] += d;
		s[4] += e;
		s[5] += f;
		s[6] += g;
		s[7] += h;
	}
}

#if defined(__x86_64__)
#include <immintrin.h>

/*
 * The SHA instructions keep the state as the two vectors ABEF and CDGH and do two rounds each; four
 * message words make one vector, of which the last four are enough to compute the next one.
 */
__attribute__((target("sha,sse4.1"))) static void blocks_fast(uint32_t *s, const uint8_t *p,
							      size_t n)
{
	const __m128i big_endian = _mm_set_epi64x(0x0c0d0e0f08090a0bll, 0x0405060700010203ll);
	__m128i dcba = _mm_loadu_si128((const __m128i *)s);
	__m128i hgfe = _mm_loadu_si128((const __m128i *)(s + 4));
	__m128i cdab = _mm_shuffle_epi32(dcba, 0xb1), efgh = _mm_shuffle_epi32(hgfe, 0x1b);
	__m128i abef = _mm_alignr_epi8(cdab, efgh, 8), cdgh = _mm_blend_epi16(efgh, cdab, 0xf0);

	for (; n; n--, p += 64) {
		__m128i abef_in = abef, cdgh_in = cdgh, m[4];

		for (int g = 0; g < 16; g++) {
			__m128i w, wk;

			if (g < 4) {
				w = _mm_loadu_si128((const __m128i *)(p + 16 * g));
				w = _mm_shuffle_epi8(w, big_endian);
			} else {
				w = _mm_sha256msg1_epu32(m[g & 3], m[(g + 1) & 3]);
				w = _mm_add_epi32(
					w, _mm_alignr_epi8(m[(g + 3) & 3], m[(g + 2) & 3], 4));
				w = _mm_sha256msg2_epu32(w, m[(g + 3) & 3]);
			}
			m[g & 3] = w;
			wk = _mm_add_epi32(w, _mm_loadu_si128((const __m128i *)(k256 + 4 * g)));
			cdgh = _mm_sha256rnds2_epu32(cdgh, abef, wk);
			abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(wk, 0x0e));
		}
		abef = _mm_add_epi32(abef, abef_in);
		cdgh = _mm_add_epi32(cdgh, cdgh_in);
	}
	efgh = _mm_shuffle_epi32(abef, 0x1b); /* now feba */
	cdab = _mm_shuffle_epi32(cdgh, 0xb1); /* now dchg */
	_mm_storeu_si128((__m128i *)s, _mm_blend_epi16(efgh, cdab, 0xf0));
	_mm_storeu_si128((__m128i *)(s + 4), _mm_alignr_epi8(cdab, efgh, 8));
}

static void cpuid(uint32_t leaf, uint32_t *ret_max_or_a, uint32_t *ret_b, uint32_t *ret_c)
{
	uint32_t d;

	__asm__ volatile("cpuid"
			 : "=a"(*ret_max_or_a), "=b"(*ret_b), "=c"(*ret_c), "=d"(d)
			 : "a"(leaf), "c"(0));
}

bool us_sha256_cpu_is_fast(void)
{
	const uint32_t ssse3_and_sse41 = 1u << 9 | 1u << 19, sha = 1u << 29;
	uint32_t max, a, b, c;

	cpuid(0, &max, &b, &c);
	if (max < 7)
		return false;
	cpuid(1, &a, &b, &c);
	if ((c & ssse3_and_sse41) != ssse3_and_sse41)
		return false;
	cpuid(7, &a, &b, &c);
	return b & sha;
}
#else
static void blocks_fast(uint32_t *s, const uint8_t *p, size_t n)
{
	blocks_plain(s, p, n);
}

bool us_sha256_cpu_is_fast(void)
{
	return false;
}
#endif

void us_sha256_init(struct us_sha256 *s, bool fast)
{
	*s = (struct us_sha256){
		.h = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
		       0x1f83d9ab, 0x5be0cd19 },
		.fast = fast,
	};
}

static void blocks(struct us_sha256 *s, const uint8_t *p, size_t n)
{
	if (s->fast)
		blocks_fast(s->h, p, n);
	else
		blocks_plain(s->h, p, n);
}

void us_sha256_add(struct us_sha256 *s, const uint8_t *p, size_t n)
{
	size_t used = s->bytes % 64;

	s->bytes += n;
	while (used && n) {
		s->block[used++] = *p++;
		n--;
		if (used == 64) {
			blocks(s, s->block, 1);
			used = 0;
		}
	}
	blocks(s, p, n / 64);
	for (size_t i = n & ~(size_t)63; i < n; i++)
		s->block[used++] = p[i];
}

void us_sha256_end(struct us_sha256 *s, uint8_t ret[32])
{
	static const uint8_t padding[64] = { 0x80 };
	uint64_t bits = s->bytes * 8;
	size_t used = s->bytes % 64;
	uint8_t length[8];

	us_sha256_add(s, padding, used < 56 ? 56 - used : 120 - used);
	for (int i = 0; i < 8; i++)
		length[i] = (uint8_t)(bits >> (56 - 8 * i));
	us_sha256_add(s, length, sizeof(length));
	for (int i = 0; i < 32; i++)
		ret[i] = (uint8_t)(s->h[i / 4] >> (24 - 8 * (i % 4)));
}
