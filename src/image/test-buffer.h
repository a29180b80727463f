/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Bytes that this folder's tests make, and the same packed. */
#ifndef US_IMAGE_TEST_BUFFER_H
#define US_IMAGE_TEST_BUFFER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>
#include <cmocka.h>

struct buffer {
	uint8_t p[16384];
	size_t n;
};

static inline void put(struct buffer *b, const void *p, size_t n)
{
	assert_true(b->n + n <= sizeof(b->p));
	memcpy(b->p + b->n, p, n);
	b->n += n;
}

static inline struct buffer gzip(const struct buffer *in)
{
	struct buffer out = { .n = 0 };
	z_stream z = { 0 };

	assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
	z.next_in = (uint8_t *)in->p;
	z.avail_in = (unsigned int)in->n;
	z.next_out = out.p;
	z.avail_out = sizeof(out.p);
	assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
	out.n = sizeof(out.p) - z.avail_out;
	deflateEnd(&z);
	return out;
}

#endif
