/* SPDX-License-Identifier: GPL-2.0-or-later */
/* gzip by zlib (RFC 1952). One member a stream; pack.c goes on with the next member. */
#include "pack/pack-int.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

#define WINDOW_GZIP_ONLY (MAX_WBITS + 16) /* zlib.h: inflateInit2 */

static struct us_err *gzip_open(void **ret_state)
{
	z_stream *z = calloc(1, sizeof(*z));

	if (!z)
		return us_err_nomem();
	if (inflateInit2(z, WINDOW_GZIP_ONLY) != Z_OK) {
		free(z);
		return us_err_nomem();
	}
	*ret_state = z;
	return NULL;
}

static void gzip_close(void *state)
{
	if (state)
		inflateEnd(state);
	free(state);
}

static struct us_err *gzip_step(void *state, struct us_pack_io *io)
{
	z_stream *z = state;
	unsigned int in = io->in.n > UINT_MAX ? UINT_MAX : (unsigned int)io->in.n;
	unsigned int room = io->room > UINT_MAX ? UINT_MAX : (unsigned int)io->room;
	int rc;

	z->next_in = (unsigned char *)io->in.p;
	z->avail_in = in;
	z->next_out = io->out;
	z->avail_out = room;
	rc = inflate(z, Z_NO_FLUSH);
	us_pack_eat(io, in - z->avail_in);
	us_pack_filled(io, room - z->avail_out);
	if (rc == Z_MEM_ERROR)
		return us_err_nomem();
	if (rc == Z_STREAM_END)
		io->end = true;
	else if (rc != Z_OK && rc != Z_BUF_ERROR)
		io->problem = z->msg ? z->msg : "damaged";
	return NULL;
}

const struct us_decoder us_decoder_gzip = {
	.open = gzip_open,
	.step = gzip_step,
	.close = gzip_close,
};
