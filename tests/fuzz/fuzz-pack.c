/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decoders: the first byte chooses the hint, the rest is a stream of the codec that its magic says
 * (or the first byte, if it has none). In memory and through a sink the result must be the same.
 */
#include "fuzz.h"

#include "base/cleanup.h"
#include "pack/pack.h"

#include <string.h>

#define OUTPUT_MAX (1u << 20)

struct seen {
	struct us_bytes want;
	size_t n;
};

static struct us_err *compare(void *data, struct us_bytes out)
{
	struct seen *seen = data;

	MUST(us_bytes_has(seen->want, seen->n, out.n));
	MUST(!out.n || memcmp(seen->want.p + seen->n, out.p, out.n) == 0);
	seen->n += out.n;
	return NULL;
}

static struct us_err *ignore(void *data, struct us_bytes out)
{
	(void)data;
	(void)out;
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_us_blob_deinit_ struct us_blob out = { 0 };
	const struct us_codec *codec;
	struct us_err *in_memory, *by_sink;
	size_t eaten = 0, eaten_too = 0;
	struct seen seen = { 0 };
	struct us_bytes in;

	if (!size)
		return 0;
	in = us_bytes_of(data + 1, size - 1);
	codec = us_codec_by_magic(in);
	if (!codec)
		codec = us_codec_by_id((enum us_codec_id)(data[0] % US_CODEC_COUNT));
	in_memory = us_unpack(codec, in, OUTPUT_MAX, (uint64_t)data[0] << 8, NULL, &out, &eaten);
	seen.want = us_blob_bytes(&out);
	by_sink = us_unpack_to(codec, in, OUTPUT_MAX, in_memory ? ignore : compare, &seen, NULL,
			       &eaten_too);
	/* libzstd checks more when it streams than when it takes a frame as a whole */
	MUST(!in_memory == !by_sink || (by_sink && codec->id == US_CODEC_ZSTD));
	MUST(in_memory || by_sink || (eaten == eaten_too && seen.n == out.n && eaten <= in.n));
	MUST(out.n <= OUTPUT_MAX);
	us_err_free(in_memory);
	us_err_free(by_sink);
	return 0;
}
