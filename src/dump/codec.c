/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page codecs: names, levels, and packing one page with contexts that live as long as the thread's
 * packer. zlib streams are made by deflate.c, or by libdeflate where a level was asked for. What
 * kdump-compressed files may hold: reference is the page_desc of makedumpfile 1.7 and of crash's
 * diskdump reader (zlib, lzo1x, snappy without framing, one zstd frame). Unpacking is pack's.
 */
#include "base/text.h"
#include "dump/deflate-int.h"
#include "dump/dump-int.h"

#include <libdeflate.h>
#include <lzo/lzo1x.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

struct us_page_packer {
	struct us_deflate *deflate; /* for pages that are no larger than it takes */
	struct libdeflate_compressor *zlib;
	ZSTD_CCtx *zstd;
	void *lzo;
};

/* Each returns the packed size, or 0 if it does not fit into n bytes or fails. */
static size_t pack_zlib(struct us_page_packer *p, const uint8_t *in, size_t n, uint8_t *out)
{
	if (p->deflate && n >= US_DEFLATE_MIN && n <= US_DEFLATE_MAX)
		return us_deflate_page(p->deflate, in, n, out);
	return libdeflate_zlib_compress(p->zlib, in, n, out, n);
}

/* lzo1x_1 with a table of 8 KiB, which stays in the first cache: faster for pages and as small. */
static size_t pack_lzo(struct us_page_packer *p, const uint8_t *in, size_t n, uint8_t *out)
{
	lzo_uint got = 0;

	return lzo1x_1_12_compress(in, n, out, &got, p->lzo) == LZO_E_OK ? got : 0;
}

static size_t pack_snappy(struct us_page_packer *p, const uint8_t *in, size_t n, uint8_t *out)
{
	size_t got = us_page_pack_room(n);

	(void)p;
	return snappy_compress((const char *)in, n, (char *)out, &got) == SNAPPY_OK ? got : 0;
}

static size_t pack_zstd(struct us_page_packer *p, const uint8_t *in, size_t n, uint8_t *out)
{
	size_t got = ZSTD_compress2(p->zstd, out, n, in, n);

	return ZSTD_isError(got) ? 0 : got;
}

static struct us_err *open_zlib(struct us_page_packer *p, int level)
{
	p->zlib = libdeflate_alloc_compressor(level ? level : 1);
	if (!level)
		p->deflate = us_deflate_new();
	return p->zlib && (level || p->deflate) ? NULL : us_err_nomem();
}

static struct us_err *open_lzo(struct us_page_packer *p, int level)
{
	(void)level;
	if (lzo_init() != LZO_E_OK)
		return us_err_new(US_ERR_UNSUPPORTED, "liblzo2 does not fit this machine");
	p->lzo = malloc(LZO1X_1_12_MEM_COMPRESS);
	return p->lzo ? NULL : us_err_nomem();
}

static struct us_err *open_zstd(struct us_page_packer *p, int level)
{
	p->zstd = ZSTD_createCCtx();
	if (!p->zstd)
		return us_err_nomem();
	if (ZSTD_isError(
		    ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, level ? level : 1)))
		return us_err_new(US_ERR_USAGE, "zstd has no level %d", level);
	return NULL;
}

static const struct codec {
	enum us_page_codec codec;
	const char *name;
	int min, max; /* levels; both 0: has none */
	struct us_err *(*open)(struct us_page_packer *p, int level);
	size_t (*pack)(struct us_page_packer *p, const uint8_t *in, size_t n, uint8_t *out);
} codecs[] = {
	{ US_PAGE_RAW, "none", 0, 0, NULL, NULL },
	{ US_PAGE_ZLIB, "zlib", 1, 12, open_zlib, pack_zlib },
	{ US_PAGE_LZO, "lzo", 0, 0, open_lzo, pack_lzo },
	{ US_PAGE_SNAPPY, "snappy", 0, 0, NULL, pack_snappy },
	{ US_PAGE_ZSTD, "zstd", -50, 19, open_zstd, pack_zstd },
	{ US_PAGE_AUTO, "auto", 0, 0, NULL, NULL },
};

static const struct codec *codec_of(enum us_page_codec codec)
{
	for (size_t i = 0; i < us_array_size(codecs); i++)
		if (codecs[i].codec == codec)
			return &codecs[i];
	return NULL;
}

const char *us_page_codec_name(enum us_page_codec codec)
{
	const struct codec *c = codec_of(codec);

	return c ? c->name : "unknown";
}

static bool parse_level(const char *words, const struct codec *c, int *ret)
{
	uint64_t n;
	bool negative = *words == '-';
	int level;

	if (!us_text_u64(words + negative, 10, &n) || n > 50)
		return false;
	level = negative ? -(int)n : (int)n;
	if (!level || level < c->min || level > c->max)
		return false;
	*ret = level;
	return true;
}

bool us_page_codec_parse(const char *words, enum us_page_codec *ret, int *ret_level)
{
	size_t n = strcspn(words, ":");
	int level = 0;

	for (size_t i = 0; i < us_array_size(codecs); i++) {
		if (strlen(codecs[i].name) != n || strncmp(codecs[i].name, words, n))
			continue;
		if (words[n] && !parse_level(words + n + 1, &codecs[i], &level))
			return false;
		*ret = codecs[i].codec;
		*ret_level = level;
		return true;
	}
	return false;
}

struct us_err *us_page_packer_new(enum us_page_codec codec, int level, struct us_page_packer **ret)
{
	const struct codec *c = codec_of(codec);
	struct us_page_packer *p = c ? calloc(1, sizeof(*p)) : NULL;
	struct us_err *err = NULL;

	if (!c)
		return us_err_new(US_ERR_USAGE, "no codec of pages has the number %d", (int)codec);
	if (!p)
		return us_err_nomem();
	if (codec == US_PAGE_AUTO) {
		err = open_lzo(p, 0);
		if (!err)
			err = open_zstd(p, US_PAGE_AUTO_ZSTD_LEVEL);
	} else if (c->open) {
		err = c->open(p, level);
	}
	if (err) {
		us_page_packer_free(p);
		return err;
	}
	*ret = p;
	return NULL;
}

void us_page_packer_free(struct us_page_packer *packer)
{
	if (!packer)
		return;
	us_deflate_free(packer->deflate);
	if (packer->zlib)
		libdeflate_free_compressor(packer->zlib);
	ZSTD_freeCCtx(packer->zstd);
	free(packer->lzo);
	free(packer);
}

/* The larger of lzo's and snappy's worst cases; the others are told to stop at n. */
size_t us_page_pack_room(size_t n)
{
	return n + n / 6 + 128;
}

size_t us_page_pack(struct us_page_packer *packer, enum us_page_codec codec, const uint8_t *in,
		    size_t n, uint8_t *out, uint32_t *ret_flags)
{
	const struct codec *c = codec_of(codec);
	size_t got = c && c->pack ? c->pack(packer, in, n, out) : 0;

	if (!got || got >= n) {
		memcpy(out, in, n);
		*ret_flags = 0;
		return n;
	}
	*ret_flags = (uint32_t)codec;
	return got;
}
