/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All page codecs that a dump may have, and the two that only the full program packs: zlib streams,
 * made by libdeflate at about six times zlib's speed, and snappy. The capture program has a table
 * of its own (codec-table-capture.c).
 */
#include "dump/dump-int.h"

#include <libdeflate.h>
#include <snappy-c.h>

static size_t pack_zlib(struct us_page_packer *p, const uint8_t *in, size_t n, uint8_t *out)
{
	return libdeflate_zlib_compress(p->zlib, in, n, out, n);
}

static size_t pack_snappy(struct us_page_packer *p, const uint8_t *in, size_t n, uint8_t *out)
{
	size_t got = us_page_pack_room(n);

	(void)p;
	return snappy_compress((const char *)in, n, (char *)out, &got) == SNAPPY_OK ? got : 0;
}

static void close_zlib(void *zlib)
{
	libdeflate_free_compressor(zlib);
}

static struct us_err *open_zlib(struct us_page_packer *p, int level)
{
	p->zlib = libdeflate_alloc_compressor(level ? level : 1);
	p->close_zlib = close_zlib;
	return p->zlib ? NULL : us_err_nomem();
}

const struct us_page_method us_page_methods[] = {
	{ US_PAGE_RAW, "none", 0, 0, NULL, NULL },
	{ US_PAGE_ZLIB, "zlib", 1, 12, open_zlib, pack_zlib },
	{ US_PAGE_LZO, "lzo", 0, 0, us_page_open_lzo, us_page_pack_lzo },
	{ US_PAGE_SNAPPY, "snappy", 0, 0, NULL, pack_snappy },
	{ US_PAGE_ZSTD, "zstd", -50, 19, us_page_open_zstd, us_page_pack_zstd },
	{ US_PAGE_AUTO, "auto", 0, 0, NULL, NULL },
	{ 0 },
};
