/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Page codecs: names, levels, and packing one page with contexts that live as long as the thread's
 * packer, by the program's table (codec-table.c). What kdump-compressed files may hold: reference
 * is the page_desc of makedumpfile 1.7 and of crash's diskdump reader (zlib, lzo1x, snappy without
 * framing, one zstd frame). Unpacking is pack's.
 */
#include "base/text.h"
#include "dump/dump-int.h"

#include <lzo/lzo1x.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

/* lzo1x_1 with a table of 8 KiB, which stays in the first cache: faster for pages and as small. */
size_t us_page_pack_lzo(struct us_page_packer *p, const uint8_t *in, size_t n, uint8_t *out)
{
	lzo_uint got = 0;

	return lzo1x_1_12_compress(in, n, out, &got, p->lzo) == LZO_E_OK ? got : 0;
}

size_t us_page_pack_zstd(struct us_page_packer *p, const uint8_t *in, size_t n, uint8_t *out)
{
	size_t got = ZSTD_compress2(p->zstd, out, n, in, n);

	return ZSTD_isError(got) ? 0 : got;
}

struct us_err *us_page_open_lzo(struct us_page_packer *p, int level)
{
	(void)level;
	if (lzo_init() != LZO_E_OK)
		return us_err_new(US_ERR_UNSUPPORTED, "liblzo2 does not fit this machine");
	p->lzo = malloc(LZO1X_1_12_MEM_COMPRESS);
	return p->lzo ? NULL : us_err_nomem();
}

struct us_err *us_page_open_zstd(struct us_page_packer *p, int level)
{
	p->zstd = ZSTD_createCCtx();
	if (!p->zstd)
		return us_err_nomem();
	if (ZSTD_isError(
		    ZSTD_CCtx_setParameter(p->zstd, ZSTD_c_compressionLevel, level ? level : 1)))
		return us_err_new(US_ERR_USAGE, "zstd has no level %d", level);
	return NULL;
}

static const struct us_page_method *codec_of(enum us_page_codec codec)
{
	for (const struct us_page_method *m = us_page_methods; m->name; m++)
		if (m->codec == codec)
			return m;
	return NULL;
}

const char *us_page_codec_name(enum us_page_codec codec)
{
	const struct us_page_method *c = codec_of(codec);

	return c ? c->name : "unknown";
}

static bool parse_level(const char *words, const struct us_page_method *c, int *ret)
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

	for (const struct us_page_method *m = us_page_methods; m->name; m++) {
		if (strlen(m->name) != n || strncmp(m->name, words, n))
			continue;
		if (words[n] && !parse_level(words + n + 1, m, &level))
			return false;
		*ret = m->codec;
		*ret_level = level;
		return true;
	}
	return false;
}

struct us_err *us_page_packer_new(enum us_page_codec codec, int level, struct us_page_packer **ret)
{
	const struct us_page_method *c = codec_of(codec);
	struct us_page_packer *p = c ? calloc(1, sizeof(*p)) : NULL;
	struct us_err *err = NULL;

	if (!c)
		return us_err_new(US_ERR_USAGE, "no codec of pages has the number %d", (int)codec);
	if (!p)
		return us_err_nomem();
	if (codec == US_PAGE_AUTO) {
		err = us_page_open_lzo(p, 0);
		if (!err)
			err = us_page_open_zstd(p, 0);
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

void us_page_packer_zstd(struct us_page_packer *packer, int level)
{
	ZSTD_CCtx_setParameter(packer->zstd, ZSTD_c_compressionLevel, level);
}

void us_page_packer_free(struct us_page_packer *packer)
{
	if (!packer)
		return;
	if (packer->close_zlib)
		packer->close_zlib(packer->zlib);
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
	const struct us_page_method *c = codec_of(codec);
	size_t got = c && c->pack ? c->pack(packer, in, n, out) : 0;

	if (!got || got >= n) {
		memcpy(out, in, n);
		*ret_flags = 0;
		return n;
	}
	*ret_flags = (uint32_t)codec;
	return got;
}
