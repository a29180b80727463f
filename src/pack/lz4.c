/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lz4: the frame format by liblz4's frame decoder, and the legacy format (magic, then blocks that
 * unpack to 8 MiB each, the last one to less) block by block. Specification: lz4 1.9.4,
 * doc/lz4_Frame_format.md. The legacy format has no end mark: it ends where no block can follow.
 */
#include "pack/pack-int.h"

#include <lz4.h>
#include <lz4frame.h>
#include <stdlib.h>
#include <string.h>

#define LEGACY_BLOCK (8u << 20)

static const uint8_t legacy_magic[4] = { 0x02, 0x21, 0x4c, 0x18 };

struct lz4_state {
	LZ4F_dctx *frame; /* NULL while no frame was seen */
	bool started, legacy;
	bool any;         /* a legacy block was seen */
	bool short_block; /* the last one was not full: the stream ends after it */
};

static struct us_err *lz4_open(void **ret_state)
{
	struct lz4_state *s = calloc(1, sizeof(*s));

	if (!s)
		return us_err_nomem();
	*ret_state = s;
	return NULL;
}

static void lz4_close(void *state)
{
	struct lz4_state *s = state;

	if (s)
		LZ4F_freeDecompressionContext(s->frame);
	free(s);
}

static void legacy_block(struct lz4_state *s, struct us_pack_io *io)
{
	uint32_t n;
	int got;

	if (s->short_block || !us_le32(io->in, 0, &n) || !n ||
	    n > (uint32_t)LZ4_COMPRESSBOUND(LEGACY_BLOCK)) {
		io->end = s->any;
		if (!s->any)
			io->problem = "no block";
		return;
	}
	if (n > io->in.n - 4) {
		/* four bytes and no more: the size that the kernel's build appends */
		io->end = s->any && io->in.n == 4;
		if (!io->end)
			io->problem = "cut short: a block is not all there";
		return;
	}
	if (io->room < LEGACY_BLOCK) {
		io->need = LEGACY_BLOCK;
		return;
	}
	got = LZ4_decompress_safe((const char *)io->in.p + 4, (char *)io->out, (int)n, LEGACY_BLOCK);
	if (got < 0) {
		io->problem = "damaged block";
		return;
	}
	us_pack_eat(io, 4 + (size_t)n);
	us_pack_filled(io, (size_t)got);
	s->any = true;
	s->short_block = got < (int)LEGACY_BLOCK;
}

static void frame_part(struct lz4_state *s, struct us_pack_io *io)
{
	size_t room = io->room, eaten = io->in.n;
	size_t rc = LZ4F_decompress(s->frame, io->out, &room, io->in.p, &eaten, NULL);

	if (LZ4F_isError(rc)) {
		io->problem = LZ4F_getErrorName(rc);
		return;
	}
	us_pack_eat(io, eaten);
	us_pack_filled(io, room);
	io->end = rc == 0;
}

static struct us_err *lz4_step(void *state, struct us_pack_io *io)
{
	struct lz4_state *s = state;

	if (!s->started) {
		s->started = true;
		s->legacy = us_bytes_match(io->in, 0, legacy_magic, sizeof(legacy_magic));
		if (s->legacy)
			us_pack_eat(io, sizeof(legacy_magic));
		else if (LZ4F_isError(LZ4F_createDecompressionContext(&s->frame, LZ4F_VERSION)))
			return us_err_nomem();
	}
	if (s->legacy)
		legacy_block(s, io);
	else
		frame_part(s, io);
	return NULL;
}

const struct us_decoder us_decoder_lz4 = {
	.open = lz4_open,
	.step = lz4_step,
	.close = lz4_close,
};
