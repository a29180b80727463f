/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Asked by the build: does libzstd, linked as the capture program links it, pack and unpack memory
 * pages at each level that the capture program offers? Ends with 0 if all come back as they were.
 */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define PAGES 64

static const size_t sizes[] = { 4096, 16384, 65536 };
static unsigned char in[65536], packed[70000], out[65536];

/* From zeros over words that repeat to noise. */
static void fill(unsigned int page)
{
	unsigned int x = page * 2654435761u + 1, mask = (1u << page % 9) - 1;

	for (size_t i = 0; i < sizeof(in); i++) {
		x = x * 1664525u + 1013904223u;
		in[i] = (unsigned char)(page & 16 && i >= 512 && x >> 29 ? in[i - 8 - (x >> 24)]
									 : x >> 24 & mask);
	}
}

static int packs(ZSTD_CCtx *ctx, size_t n)
{
	size_t got = ZSTD_compress2(ctx, packed, sizeof(packed), in, n);

	if (ZSTD_isError(got))
		return 0;
	memset(out, 0x55, sizeof(out));
	return ZSTD_decompress(out, sizeof(out), packed, got) == n && !memcmp(in, out, n);
}

int main(void)
{
	for (int level = -50; level <= 3; level++) {
		ZSTD_CCtx *ctx = ZSTD_createCCtx();

		if (!ctx ||
		    ZSTD_isError(ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, level)))
			return 2;
		for (unsigned int page = 0; page < PAGES; page++) {
			fill(page);
			for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
				if (!packs(ctx, sizes[i]))
					return 1;
		}
		ZSTD_freeCCtx(ctx);
	}
	return 0;
}
