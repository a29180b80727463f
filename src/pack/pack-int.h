/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to src/pack: one decoder per library, driven by pack.c. All input is in memory; output
 * room is given piece by piece, so the same decoder streams to a sink or fills one large buffer.
 */
#ifndef US_PACK_PACK_INT_H
#define US_PACK_PACK_INT_H

#include "pack/pack.h"

struct us_pack_io {
	struct us_bytes in;  /* not eaten yet */
	uint8_t *out;        /* where the next output goes */
	size_t room;         /* bytes there */
	size_t need;         /* set by a step that cannot go on with less room */
	const char *problem; /* set by a step that found the stream damaged */
	bool end;            /* set by the step that ate the stream's last byte */
};

struct us_decoder {
	struct us_err *(*open)(void **ret_state);
	/* Eats from in, fills out; sets one of need, problem, end, or has made progress. */
	struct us_err *(*step)(void *state, struct us_pack_io *io);
	void (*close)(void *state); /* state may be NULL */
	/*
	 * Optional short cut: the whole stream at once, without a window of its own. False: not
	 * possible, or damaged; then the steps say more.
	 */
	bool (*whole)(struct us_bytes in, uint8_t *out, size_t room, size_t *ret_eaten,
		      size_t *ret_n);
};

extern const struct us_decoder us_decoder_gzip, us_decoder_bzip2, us_decoder_lzma, us_decoder_xz,
	us_decoder_zstd, us_decoder_lz4, us_decoder_lzo;

static inline void us_pack_eat(struct us_pack_io *io, size_t n)
{
	io->in.p += n;
	io->in.n -= n;
}

static inline void us_pack_filled(struct us_pack_io *io, size_t n)
{
	io->out += n;
	io->room -= n;
}

#endif
