/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The codec table and the engine that drives a decoder: it makes room, keeps the bound, follows
 * concatenated streams and turns a decoder's complaint into an error with the input offset. Magics
 * are those of Linux 6.12 lib/decompress.c. Output in memory is an anonymous mapping that grows by
 * mremap, so nothing is copied and untouched room costs nothing.
 */
#include "pack/pack.h"

#include "base/cleanup.h"
#include "pack/pack-int.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>

#define ROOM_MIN   (64u << 10)  /* what a step gets at least */
#define ROOM_STEP  (4u << 20)   /* and at most: progress is told between steps */
#define SINK_BYTES (256u << 10) /* streaming: stays in the CPU's cache */
#define STREAM_MIN 14           /* bytes; an empty bzip2 stream. Shorter rests are trailers. */

static const struct {
	struct us_codec face;
	const char *alias[3];
	const char *magic[2];
	size_t magic_bytes;
	bool concatenates;
	const struct us_decoder *decoder;
} codecs[] = {
	{ { US_CODEC_GZIP, "gzip", "RD_GZIP" },
	  { "gz" },
	  { "\x1f\x8b\x08" },
	  3,
	  true,
	  &us_decoder_gzip },
	{ { US_CODEC_BZIP2, "bzip2", "RD_BZIP2" }, { "bz2" }, { "BZh" }, 3, true, &us_decoder_bzip2 },
	{ { US_CODEC_LZMA, "lzma", "RD_LZMA" }, { 0 }, { "\x5d\0\0" }, 3, false, &us_decoder_lzma },
	{ { US_CODEC_XZ, "xz", "RD_XZ" },
	  { "xzkern", "xzmisc" },
	  { "\xfd\x37zXZ\0" },
	  6,
	  true,
	  &us_decoder_xz },
	{ { US_CODEC_ZSTD, "zstd", "RD_ZSTD" },
	  { "zstd22", "zst" },
	  { "\x28\xb5\x2f\xfd" },
	  4,
	  true,
	  &us_decoder_zstd },
	{ { US_CODEC_LZ4, "lz4", "RD_LZ4" },
	  { 0 },
	  { "\x02\x21\x4c\x18", "\x04\x22\x4d\x18" },
	  4,
	  true,
	  &us_decoder_lz4 },
	{ { US_CODEC_LZO, "lzo", "RD_LZO" }, { "lzop" }, { "\x89LZO\0" }, 5, false, &us_decoder_lzo },
};
_Static_assert(us_array_size(codecs) == US_CODEC_COUNT, "one row a codec, in the enum's order");

const struct us_codec *us_codec_by_magic(struct us_bytes b)
{
	for (size_t i = 0; i < us_array_size(codecs); i++)
		for (size_t m = 0; m < us_array_size(codecs[i].magic) && codecs[i].magic[m]; m++)
			if (us_bytes_match(b, 0, codecs[i].magic[m], codecs[i].magic_bytes))
				return &codecs[i].face;
	return NULL;
}

const struct us_codec *us_codec_by_name(const char *name)
{
	for (size_t i = 0; i < us_array_size(codecs); i++) {
		if (strcmp(name, codecs[i].face.name) == 0)
			return &codecs[i].face;
		for (size_t a = 0; a < us_array_size(codecs[i].alias) && codecs[i].alias[a]; a++)
			if (strcmp(name, codecs[i].alias[a]) == 0)
				return &codecs[i].face;
	}
	return NULL;
}

const struct us_codec *us_codec_by_id(enum us_codec_id id)
{
	return &codecs[id].face;
}

struct output {
	uint8_t *p; /* mapped */
	size_t n, cap;
	uint64_t total, max; /* bytes so far, in all; and how many there may be */
	us_unpack_sink sink; /* NULL: everything stays in p */
	void *data;
};

static void output_deinit(struct output *out)
{
	if (out->p)
		munmap(out->p, out->cap);
}
#define _output_deinit_ __attribute__((cleanup(output_deinit)))

static struct us_err *output_flush(struct output *out)
{
	struct us_bytes full = us_bytes_of(out->p, out->n);

	if (!out->sink || !out->n)
		return NULL;
	out->n = 0;
	return out->sink(out->data, full);
}

static struct us_err *output_grow(struct output *out, size_t cap)
{
	void *p;

	if (out->p)
		p = mremap(out->p, out->cap, cap, MREMAP_MAYMOVE);
	else
		p = mmap(NULL, cap, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return us_err_os(errno, "making room for 0x%zx unpacked bytes", cap);
	if (cap >= ROOM_STEP)
		madvise(p, cap, MADV_HUGEPAGE); /* a wish: fewer page faults */
	out->p = p;
	out->cap = cap;
	return NULL;
}

/* At least need bytes of room behind p + n. */
static struct us_err *output_room(struct output *out, size_t need)
{
	size_t cap = out->cap;

	if (cap - out->n >= need)
		return NULL;
	US_TRY(output_flush(out));
	if (!out->sink && !us_mul(cap, (size_t)2, &cap))
		return us_err_nomem();
	if (cap - out->n < need && !us_add(out->n, need, &cap))
		return us_err_nomem();
	return cap == out->cap ? NULL : output_grow(out, cap);
}

struct session {
	const struct us_decoder *decoder;
	void *state;
};

static void session_deinit(struct session *s)
{
	s->decoder->close(s->state);
}
#define _session_deinit_ __attribute__((cleanup(session_deinit)))

/* One step of the decoder; *ret_stuck if it neither ate nor filled nor asked for anything. */
static struct us_err *step(const struct session *s, struct us_pack_io *io, struct output *out,
			   bool *ret_stuck)
{
	size_t in_before = io->in.n, given, filled;

	US_TRY(output_room(out, io->need > ROOM_MIN ? io->need : ROOM_MIN));
	given = out->cap - out->n;
	if (given > ROOM_STEP && given > io->need)
		given = io->need > ROOM_STEP ? io->need : ROOM_STEP;
	io->out = out->p + out->n;
	io->room = given;
	io->need = 0;
	US_TRY(s->decoder->step(s->state, io));
	filled = given - io->room;
	out->n += filled;
	out->total += filled;
	*ret_stuck = in_before == io->in.n && !filled && !io->need && !io->end;
	return NULL;
}

static bool take_whole(const struct us_decoder *decoder, struct us_pack_io *io, struct output *out)
{
	uint64_t room = out->cap - out->n;
	size_t eaten, n;

	if (out->sink || !decoder->whole)
		return false;
	if (room > out->max - out->total)
		room = out->max - out->total;
	if (!decoder->whole(io->in, out->p + out->n, room, &eaten, &n))
		return false;
	us_pack_eat(io, eaten);
	out->n += n;
	out->total += n;
	return true;
}

/* One stream from the start of *rest, which is what follows it afterwards. */
static struct us_err *unpack_stream(const struct us_codec *codec, struct us_bytes in,
				    struct us_bytes *rest, bool sized, struct output *out,
				    struct us_progress *progress)
{
	_session_deinit_ struct session s = { .decoder = codecs[codec->id].decoder };
	struct us_pack_io io = { .in = *rest };
	bool stuck;

	if (sized && take_whole(s.decoder, &io, out)) {
		*rest = io.in;
		return NULL;
	}
	US_TRY(s.decoder->open(&s.state));
	while (!io.end) {
		US_TRY(step(&s, &io, out, &stuck));
		if (stuck && !io.problem)
			io.problem = io.in.n ? "damaged data" : "cut short";
		if (io.problem)
			return us_err_new(US_ERR_BAD_DATA, "%s: %s at 0x%zx of 0x%zx bytes",
					  codec->name, io.problem, in.n - io.in.n, in.n);
		if (out->total > out->max)
			return us_err_new(US_ERR_BAD_DATA,
					  "%s: more than 0x%" PRIx64
					  " bytes of output, reached at 0x%zx of 0x%zx bytes",
					  codec->name, out->max, in.n - io.in.n, in.n);
		us_progress_at(progress, "unpacking", in.n - io.in.n, in.n);
	}
	*rest = io.in;
	return NULL;
}

static struct us_err *unpack_all(const struct us_codec *codec, struct us_bytes in, bool sized,
				 struct output *out, struct us_progress *progress,
				 size_t *ret_consumed)
{
	struct us_bytes rest = in;

	do
		US_TRY(unpack_stream(codec, in, &rest, sized, out, progress));
	while (codecs[codec->id].concatenates && rest.n >= STREAM_MIN &&
	       us_codec_by_magic(rest) == codec);
	US_TRY(output_flush(out));
	if (ret_consumed)
		*ret_consumed = in.n - rest.n;
	return NULL;
}

struct us_err *us_unpack_to(const struct us_codec *codec, struct us_bytes in, uint64_t max,
			    us_unpack_sink sink, void *data, struct us_progress *progress,
			    size_t *ret_consumed)
{
	_output_deinit_ struct output out = { .max = max, .sink = sink, .data = data };

	US_TRY(output_grow(&out, SINK_BYTES));
	return unpack_all(codec, in, false, &out, progress, ret_consumed);
}

struct us_err *us_unpack(const struct us_codec *codec, struct us_bytes in, uint64_t max,
			 uint64_t hint, struct us_progress *progress, struct us_blob *ret,
			 size_t *ret_consumed)
{
	_output_deinit_ struct output out = { .max = max };
	uint64_t cap = hint ? hint : 4 * (uint64_t)in.n;

	if (cap > max)
		cap = max;
	if (!us_add(cap, (uint64_t)ROOM_MIN, &cap) || cap > SIZE_MAX / 2)
		return us_err_nomem();
	US_TRY(output_grow(&out, (size_t)cap));
	US_TRY(unpack_all(codec, in, hint != 0, &out, progress, ret_consumed));
	if (!out.n)
		return us_blob_new(0, ret);
	US_TRY(output_grow(&out, out.n)); /* gives the pages behind back */
	*ret = (struct us_blob){ .p = out.p, .n = out.n, .mapped = out.cap };
	out.p = NULL;
	return NULL;
}
