/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bzip2 by libbz2. One stream at a time; pack.c goes on with the next (pbzip2 writes many). */
#include "pack/pack-int.h"

#include <bzlib.h>
#include <limits.h>
#include <stdlib.h>

static struct us_err *bzip2_open(void **ret_state)
{
	bz_stream *bz = calloc(1, sizeof(*bz));

	if (!bz)
		return us_err_nomem();
	if (BZ2_bzDecompressInit(bz, 0, 0) != BZ_OK) {
		free(bz);
		return us_err_nomem();
	}
	*ret_state = bz;
	return NULL;
}

static void bzip2_close(void *state)
{
	if (state)
		BZ2_bzDecompressEnd(state);
	free(state);
}

static struct us_err *bzip2_step(void *state, struct us_pack_io *io)
{
	bz_stream *bz = state;
	unsigned int in = io->in.n > UINT_MAX ? UINT_MAX : (unsigned int)io->in.n;
	unsigned int room = io->room > UINT_MAX ? UINT_MAX : (unsigned int)io->room;
	int rc;

	bz->next_in = (char *)io->in.p;
	bz->avail_in = in;
	bz->next_out = (char *)io->out;
	bz->avail_out = room;
	rc = BZ2_bzDecompress(bz);
	us_pack_eat(io, in - bz->avail_in);
	us_pack_filled(io, room - bz->avail_out);
	switch (rc) {
	case BZ_OK:
		break;
	case BZ_STREAM_END:
		io->end = true;
		break;
	case BZ_MEM_ERROR:
		return us_err_nomem();
	case BZ_DATA_ERROR_MAGIC:
		io->problem = "no bzip2 header";
		break;
	default:
		io->problem = "damaged data";
	}
	return NULL;
}

const struct us_decoder us_decoder_bzip2 = {
	.open = bzip2_open,
	.step = bzip2_step,
	.close = bzip2_close,
};
