/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Single pages as kdump-compressed files hold them: a zlib stream, an lzo1x block, snappy without
 * framing or one zstd frame, always of exactly one page. The decoders' working memory is kept from
 * page to page. What a page descriptor says besides is vmcore's business.
 */
#include "pack/pack.h"

#include <lzo/lzo1x.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

struct us_page_unpacker {
	z_stream zlib;
	bool zlib_ready;
	ZSTD_DCtx *zstd;
};

/* Each returns the size that came out, or SIZE_MAX. */
static size_t unpack_zlib(struct us_page_unpacker *u, struct us_bytes in, uint8_t *out, size_t n)
{
	u->zlib.next_in = (uint8_t *)in.p;
	u->zlib.avail_in = (unsigned int)in.n;
	u->zlib.next_out = out;
	u->zlib.avail_out = (unsigned int)n;
	if (!u->zlib_ready && inflateInit(&u->zlib) != Z_OK)
		return SIZE_MAX;
	u->zlib_ready = true;
	if (inflateReset(&u->zlib) != Z_OK || inflate(&u->zlib, Z_FINISH) != Z_STREAM_END)
		return SIZE_MAX;
	return n - u->zlib.avail_out;
}

static size_t unpack_lzo(struct us_page_unpacker *u, struct us_bytes in, uint8_t *out, size_t n)
{
	lzo_uint got = n;

	(void)u;
	return lzo1x_decompress_safe(in.p, in.n, out, &got, NULL) == LZO_E_OK ? got : SIZE_MAX;
}

static size_t unpack_snappy(struct us_page_unpacker *u, struct us_bytes in, uint8_t *out, size_t n)
{
	size_t got = n;

	(void)u;
	return snappy_uncompress((const char *)in.p, in.n, (char *)out, &got) == SNAPPY_OK
		       ? got
		       : SIZE_MAX;
}

static size_t unpack_zstd(struct us_page_unpacker *u, struct us_bytes in, uint8_t *out, size_t n)
{
	size_t got;

	if (!u->zstd)
		u->zstd = ZSTD_createDCtx();
	got = u->zstd ? ZSTD_decompressDCtx(u->zstd, out, n, in.p, in.n) : SIZE_MAX;
	return ZSTD_isError(got) ? SIZE_MAX : got;
}

static const struct {
	enum us_page_form form;
	const char *name;
	size_t (*unpack)(struct us_page_unpacker *u, struct us_bytes in, uint8_t *out, size_t n);
} forms[] = {
	{ US_PAGE_FORM_ZLIB, "zlib", unpack_zlib },
	{ US_PAGE_FORM_LZO, "lzo", unpack_lzo },
	{ US_PAGE_FORM_SNAPPY, "snappy", unpack_snappy },
	{ US_PAGE_FORM_ZSTD, "zstd", unpack_zstd },
};

struct us_err *us_page_unpacker_new(struct us_page_unpacker **ret)
{
	struct us_page_unpacker *u = calloc(1, sizeof(*u));

	if (!u)
		return us_err_nomem();
	*ret = u;
	return NULL;
}

struct us_err *us_page_unpack(struct us_page_unpacker *unpacker, uint32_t flags, struct us_bytes in,
			      uint8_t *out, size_t n)
{
	for (size_t i = 0; i < us_array_size(forms); i++) {
		size_t got;

		if (flags != (uint32_t)forms[i].form)
			continue;
		got = in.n ? forms[i].unpack(unpacker, in, out, n) : SIZE_MAX;
		if (got == SIZE_MAX)
			return us_err_new(US_ERR_BAD_DATA, "damaged %s data", forms[i].name);
		if (got != n)
			return us_err_new(US_ERR_BAD_DATA, "%s data of %zu bytes instead of %zu",
					  forms[i].name, got, n);
		return NULL;
	}
	return us_err_new(US_ERR_UNSUPPORTED, "packed in a way that is not known (flags 0x%x)",
			  flags);
}

void us_page_unpacker_free(struct us_page_unpacker *unpacker)
{
	if (!unpacker)
		return;
	if (unpacker->zlib_ready)
		inflateEnd(&unpacker->zlib);
	ZSTD_freeDCtx(unpacker->zstd);
	free(unpacker);
}
