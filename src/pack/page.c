/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Single pages as kdump-compressed files hold them: a zlib stream, an lzo1x block, snappy without
 * framing or one zstd frame, always of exactly one page. The decoders' working memory is kept from
 * page to page; zlib streams are read by libdeflate, at about twice zlib's speed. What a page
 * descriptor says besides is vmcore's business.
 */
#include "pack/pack.h"

#include <libdeflate.h>
#include <lzo/lzo1x.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zstd.h>

struct us_page_unpacker {
	struct libdeflate_decompressor *zlib;
	ZSTD_DCtx *zstd;
};

/* Each returns the size that came out, or SIZE_MAX. */
static size_t unpack_zlib(struct us_page_unpacker *u, struct us_bytes in, uint8_t *out, size_t n)
{
	size_t got;

	if (!u->zlib)
		u->zlib = libdeflate_alloc_decompressor();
	return u->zlib && libdeflate_zlib_decompress(u->zlib, in.p, in.n, out, n, &got) ==
				       LIBDEFLATE_SUCCESS
		       ? got
		       : SIZE_MAX;
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
	libdeflate_free_decompressor(unpacker->zlib);
	ZSTD_freeDCtx(unpacker->zstd);
	free(unpacker);
}
