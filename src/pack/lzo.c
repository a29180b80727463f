/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lzop container, its blocks by liblzo2 (LZO1X). The layout is that of lzop 1.04's files:
 * a header of big-endian fields that its version and flags make longer, then blocks {unpacked
 * size, packed size, checksums, data} until an unpacked size of 0. Checksums are verified.
 */
#include "pack/pack-int.h"

#include <lzo/lzo1x.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define BLOCK_MAX (64u << 20) /* lzop's own limit */

#define VERSION_LONG_HEADER 0x0940

enum {
	F_ADLER32_DATA = 0x1,
	F_ADLER32_PACKED = 0x2,
	F_EXTRA_FIELD = 0x40,
	F_CRC32_DATA = 0x100,
	F_CRC32_PACKED = 0x200,
	F_FILTER = 0x800,
	F_CRC32_HEADER = 0x1000,
};

static const uint8_t magic[9] = { 0x89, 'L', 'Z', 'O', 0, '\r', '\n', 0x1a, '\n' };

struct lzo_state {
	bool started;
	uint32_t flags;
};

static struct us_err *lzo_open(void **ret_state)
{
	struct lzo_state *s = calloc(1, sizeof(*s));

	if (!s)
		return us_err_nomem();
	if (lzo_init() != LZO_E_OK) {
		free(s);
		return us_err_new(US_ERR_UNSUPPORTED, "liblzo2 does not fit this machine");
	}
	*ret_state = s;
	return NULL;
}

/* Eat the header; false if it is cut short or wrong. */
static bool read_header(struct lzo_state *s, struct us_pack_io *io)
{
	struct us_bytes in = io->in;
	uint64_t at = sizeof(magic);
	uint16_t version;
	uint8_t method, name_bytes;
	uint32_t stored, sum, extra_bytes;
	bool longer;

	if (!us_bytes_match(in, 0, magic, sizeof(magic)) || !us_be16(in, at, &version))
		return false;
	longer = version >= VERSION_LONG_HEADER;
	at += longer ? 6 : 4; /* version, library version, version needed */
	if (!us_u8(in, at, &method) || method < 1 || method > 3)
		return false;
	at += longer ? 2 : 1; /* method, level */
	if (!us_be32(in, at, &s->flags))
		return false;
	at += 4 + (s->flags & F_FILTER ? 4 : 0) + (longer ? 12 : 8); /* filter, mode, times */
	if (!us_u8(in, at, &name_bytes))
		return false;
	at += 1 + (uint64_t)name_bytes;
	if (!us_be32(in, at, &stored))
		return false;
	sum = (uint32_t)(s->flags & F_CRC32_HEADER
				 ? crc32(0, in.p + sizeof(magic), (uInt)(at - sizeof(magic)))
				 : adler32(1, in.p + sizeof(magic), (uInt)(at - sizeof(magic))));
	at += 4;
	if (sum != stored)
		return false;
	if (s->flags & F_EXTRA_FIELD) {
		if (!us_be32(in, at, &extra_bytes) ||
		    !us_bytes_has(in, at, (uint64_t)extra_bytes + 8))
			return false;
		at += (uint64_t)extra_bytes + 8; /* size, bytes, checksum */
	}
	us_pack_eat(io, at);
	return true;
}

struct block {
	uint32_t unpacked, packed;
	uint32_t adler, crc; /* of the unpacked data, as the flags say */
	uint64_t data;       /* offset */
};

/* NULL, or what is wrong with the block header at the start of in. */
static const char *read_block(uint32_t flags, struct us_bytes in, struct block *ret)
{
	static const char *const cut = "cut short: a block header is not all there";
	struct block b = { .data = 8 };

	if (!us_be32(in, 0, &b.unpacked))
		return cut;
	if (!b.unpacked) {
		*ret = b;
		return NULL;
	}
	if (!us_be32(in, 4, &b.packed))
		return cut;
	if (b.unpacked > BLOCK_MAX || !b.packed || b.packed > b.unpacked)
		return "a block of impossible size";
	if (flags & F_ADLER32_DATA) {
		if (!us_be32(in, b.data, &b.adler))
			return cut;
		b.data += 4;
	}
	if (flags & F_CRC32_DATA) {
		if (!us_be32(in, b.data, &b.crc))
			return cut;
		b.data += 4;
	}
	if (b.packed < b.unpacked)
		b.data += (flags & F_ADLER32_PACKED ? 4 : 0) + (flags & F_CRC32_PACKED ? 4 : 0);
	if (!us_bytes_has(in, b.data, b.packed))
		return "cut short: a block is not all there";
	*ret = b;
	return NULL;
}

static const char *unpack_block(uint32_t flags, const struct block *b, struct us_pack_io *io)
{
	lzo_uint n = b->unpacked;

	if (b->packed == b->unpacked)
		memcpy(io->out, io->in.p + b->data, b->packed);
	else if (lzo1x_decompress_safe(io->in.p + b->data, b->packed, io->out, &n, NULL) !=
			 LZO_E_OK ||
		 n != b->unpacked)
		return "damaged block";
	if ((flags & F_ADLER32_DATA && adler32(1, io->out, (uInt)n) != b->adler) ||
	    (flags & F_CRC32_DATA && crc32(0, io->out, (uInt)n) != b->crc))
		return "a block's checksum is wrong";
	return NULL;
}

static struct us_err *lzo_step(void *state, struct us_pack_io *io)
{
	struct lzo_state *s = state;
	struct block b;

	if (!s->started) {
		s->started = true;
		if (!read_header(s, io)) {
			io->problem = "damaged lzop header";
			return NULL;
		}
	}
	io->problem = read_block(s->flags, io->in, &b);
	if (io->problem)
		return NULL;
	if (!b.unpacked) {
		us_pack_eat(io, 4);
		io->end = true;
		return NULL;
	}
	if (io->room < b.unpacked) {
		io->need = b.unpacked;
		return NULL;
	}
	io->problem = unpack_block(s->flags, &b, io);
	if (io->problem)
		return NULL;
	us_pack_eat(io, (size_t)b.data + b.packed);
	us_pack_filled(io, b.unpacked);
	return NULL;
}

const struct us_decoder us_decoder_lzo = {
	.open = lzo_open,
	.step = lzo_step,
	.close = free,
};
