/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Compression formats behind one face: a table of codecs, found by magic or name, each unpacked by
 * its ordinary library (zlib, bzip2, liblzma, zstd, lz4, lzo). Only unpacking lives here so far.
 * Trailing bytes after the end of a stream are never an error: who calls learns how much was eaten
 * (the kernel appends a 4-byte size to most payloads: Linux 6.12 scripts/Makefile.lib: size_append).
 */
#ifndef US_PACK_PACK_H
#define US_PACK_PACK_H

#include "base/bytes.h"
#include "base/progress.h"

enum us_codec_id {
	US_CODEC_GZIP,
	US_CODEC_BZIP2,
	US_CODEC_LZMA, /* .lzma (alone) */
	US_CODEC_XZ,   /* with the BCJ filters that the kernel's payloads use */
	US_CODEC_ZSTD,
	US_CODEC_LZ4, /* legacy (02 21 4c 18) and frame (04 22 4d 18) */
	US_CODEC_LZO, /* lzop container */
	US_CODEC_COUNT
};

struct us_codec {
	enum us_codec_id id;
	const char *name;           /* "gzip": as in EFI zboot headers and for people */
	const char *kconfig_initrd; /* "RD_GZIP": what an image needs to unpack such an initrd */
};

/* Where unpacked bytes go, in order. An error ends the unpacking and is passed on. */
typedef struct us_err *(*us_unpack_sink)(void *data, struct us_bytes out);

/* The codec whose magic stands at the start of b, or NULL (Linux 6.12 lib/decompress.c for the
 * magics). */
const struct us_codec *us_codec_by_magic(struct us_bytes b);
/* By name; the kernel's own words "xzkern", "zstd22", "lz4", "lzo" are understood as well. NULL if
 * unknown. */
const struct us_codec *us_codec_by_name(const char *name);
const struct us_codec *us_codec_by_id(enum us_codec_id id);

/*
 * Unpack one stream (for gzip, bzip2, xz, zstd, lz4: all streams that directly follow each other)
 * from the start of in. More than max bytes of output is US_ERR_BAD_DATA, and so is a damaged or
 * cut stream, with the input offset at which the library stopped. *ret_consumed: input bytes eaten.
 */
struct us_err *us_unpack_to(const struct us_codec *codec, struct us_bytes in, uint64_t max,
			    us_unpack_sink sink, void *data, struct us_progress *progress,
			    size_t *ret_consumed) us_must_check;
/* The same into memory. hint: expected size in bytes, 0 if unknown. ret_consumed may be NULL. */
struct us_err *us_unpack(const struct us_codec *codec, struct us_bytes in, uint64_t max,
			 uint64_t hint, struct us_progress *progress, struct us_blob *ret,
			 size_t *ret_consumed) us_must_check;

/* How one page may be packed by itself; the values are the flags of kdump's page descriptors. */
enum us_page_form {
	US_PAGE_FORM_ZLIB = 0x01,   /* a zlib stream */
	US_PAGE_FORM_LZO = 0x02,    /* an lzo1x block */
	US_PAGE_FORM_SNAPPY = 0x04, /* without framing */
	US_PAGE_FORM_ZSTD = 0x20,   /* one frame */
};
/* What unpacking pages needs again and again; one for each thread. */
struct us_page_unpacker;
struct us_err *us_page_unpacker_new(struct us_page_unpacker **ret) us_must_check;
/* Unpack in to exactly n bytes at out; US_ERR_BAD_DATA for anything else, US_ERR_UNSUPPORTED for
 * flags that name no form. */
struct us_err *us_page_unpack(struct us_page_unpacker *unpacker, uint32_t flags, struct us_bytes in,
			      uint8_t *out, size_t n) us_must_check;
void us_page_unpacker_free(struct us_page_unpacker *unpacker);

#endif
