/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All page codecs that a dump may have, and the two that only the full program packs: zlib streams,
 * made by deflate.c, or by libdeflate where a level was asked for, and snappy. The capture program
 * has a table of its own (codec-table-capture.c).
 */
#include "dump/deflate-int.h"
#include "dump/dump-int.h"

#include <libdeflate.h>
#include <snappy-c.h>
#include <stdlib.h>

struct zlib {
	struct us_deflate *deflate; /* for pages that are no larger than it takes, at no level */
	struct libdeflate_compressor *other;
};

static size_t pack_zlib(struct us_page_packer *p, const uint8_t *in, size_t n, uint8_t *out)
{
	const struct zlib *zlib = p->zlib;

	if (zlib->deflate && n >= US_DEFLATE_MIN && n <= US_DEFLATE_MAX)
		return us_deflate_page(zlib->deflate, in, n, out);
	return libdeflate_zlib_compress(zlib->other, in, n, out, n);
}

static size_t pack_snappy(struct us_page_packer *p, const uint8_t *in, size_t n, uint8_t *out)
{
	size_t got = us_page_pack_room(n);

	(void)p;
	return snappy_compress((const char *)in, n, (char *)out, &got) == SNAPPY_OK ? got : 0;
}

static void close_zlib(void *own)
{
	struct zlib *zlib = own;

	us_deflate_free(zlib->deflate);
	if (zlib->other)
		libdeflate_free_compressor(zlib->other);
	free(zlib);
}

static struct us_err *open_zlib(struct us_page_packer *p, int level)
{
	struct zlib *zlib = calloc(1, sizeof(*zlib));

	if (!zlib)
		return us_err_nomem();
	p->zlib = zlib;
	p->close_zlib = close_zlib;
	zlib->other = libdeflate_alloc_compressor(level ? level : 1);
	if (!level)
		zlib->deflate = us_deflate_new();
	return zlib->other && (level || zlib->deflate) ? NULL : us_err_nomem();
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
