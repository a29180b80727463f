/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xz (with every filter liblzma has: x86, arm64... BCJ) and .lzma "alone", both by liblzma. The
 * memory limit holds against headers that ask for absurd dictionaries; the largest that Linux 6.12
 * scripts/xz_wrap.sh asks for is 128 MiB.
 */
#include "pack/pack-int.h"

#include <lzma.h>
#include <stdlib.h>

#define MEMORY_MAX (512u << 20)

typedef lzma_ret (*lzma_opener)(lzma_stream *stream, uint64_t memory_max);

static lzma_ret start_xz(lzma_stream *stream, uint64_t memory_max)
{
	return lzma_stream_decoder(stream, memory_max, 0);
}

static lzma_ret start_lzma(lzma_stream *stream, uint64_t memory_max)
{
	return lzma_alone_decoder(stream, memory_max);
}

static struct us_err *open_with(lzma_opener start, void **ret_state)
{
	lzma_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return us_err_nomem();
	if (start(stream, MEMORY_MAX) != LZMA_OK) {
		free(stream);
		return us_err_nomem();
	}
	*ret_state = stream;
	return NULL;
}

static struct us_err *xz_open(void **ret_state)
{
	return open_with(start_xz, ret_state);
}

static struct us_err *lzma_open(void **ret_state)
{
	return open_with(start_lzma, ret_state);
}

static void xz_close(void *state)
{
	if (state)
		lzma_end(state);
	free(state);
}

static struct us_err *xz_step(void *state, struct us_pack_io *io)
{
	lzma_stream *stream = state;
	lzma_ret rc;

	stream->next_in = io->in.p;
	stream->avail_in = io->in.n;
	stream->next_out = io->out;
	stream->avail_out = io->room;
	rc = lzma_code(stream, LZMA_RUN);
	us_pack_eat(io, io->in.n - stream->avail_in);
	us_pack_filled(io, io->room - stream->avail_out);
	switch (rc) {
	case LZMA_OK:
	case LZMA_BUF_ERROR: /* no progress: pack.c sees that */
		break;
	case LZMA_STREAM_END:
		io->end = true;
		break;
	case LZMA_MEM_ERROR:
		return us_err_nomem();
	case LZMA_MEMLIMIT_ERROR:
		io->problem = "a dictionary of more than 512 MiB";
		break;
	case LZMA_FORMAT_ERROR:
		io->problem = "no header of this format";
		break;
	case LZMA_OPTIONS_ERROR:
		io->problem = "options or filters that liblzma does not know";
		break;
	default:
		io->problem = "damaged data";
	}
	return NULL;
}

const struct us_decoder us_decoder_xz = {
	.open = xz_open,
	.step = xz_step,
	.close = xz_close,
};

const struct us_decoder us_decoder_lzma = {
	.open = lzma_open,
	.step = xz_step,
	.close = xz_close,
};
