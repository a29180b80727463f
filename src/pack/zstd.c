/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * zstd by libzstd (RFC 8878). One frame a stream. Kernel payloads come from a pipe, so their frames
 * do not say how large they are and the streaming decoder would copy everything through a window:
 * with room known, the whole frame goes straight to its place instead.
 */
#include "pack/pack-int.h"

#include <zstd.h>

#define WINDOW_LOG_MAX 29 /* 512 MiB; zstd --ultra -22 uses 27 */

static struct us_err *zstd_open(void **ret_state)
{
	ZSTD_DCtx *ctx = ZSTD_createDCtx();

	if (!ctx)
		return us_err_nomem();
	if (ZSTD_isError(ZSTD_DCtx_setParameter(ctx, ZSTD_d_windowLogMax, WINDOW_LOG_MAX))) {
		ZSTD_freeDCtx(ctx);
		return us_err_new(US_ERR_UNSUPPORTED, "zstd refuses a window of 512 MiB");
	}
	*ret_state = ctx;
	return NULL;
}

static void zstd_close(void *state)
{
	ZSTD_freeDCtx(state);
}

static struct us_err *zstd_step(void *state, struct us_pack_io *io)
{
	ZSTD_inBuffer in = { .src = io->in.p, .size = io->in.n };
	ZSTD_outBuffer out = { .dst = io->out, .size = io->room };
	size_t rc = ZSTD_decompressStream(state, &out, &in);

	us_pack_eat(io, in.pos);
	us_pack_filled(io, out.pos);
	if (ZSTD_isError(rc))
		io->problem = ZSTD_getErrorName(rc);
	else if (rc == 0)
		io->end = true;
	return NULL;
}

static bool zstd_whole(struct us_bytes in, uint8_t *out, size_t room, size_t *ret_eaten,
		       size_t *ret_n)
{
	size_t frame = ZSTD_findFrameCompressedSize(in.p, in.n), n;

	if (ZSTD_isError(frame))
		return false;
	n = ZSTD_decompress(out, room, in.p, frame);
	if (ZSTD_isError(n))
		return false;
	*ret_eaten = frame;
	*ret_n = n;
	return true;
}

const struct us_decoder us_decoder_zstd = {
	.open = zstd_open,
	.step = zstd_step,
	.close = zstd_close,
	.whole = zstd_whole,
};
