/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pool owns many small things that die together: a parse result has one pool and one free.
 * What it gives is zeroed and stays where it is until the pool goes. Initialise with { 0 }.
 */
#ifndef US_BASE_POOL_H
#define US_BASE_POOL_H

#include "base/bytes.h"

struct us_pool_block;

struct us_pool {
	struct us_pool_block *blocks;
	struct us_blob *blobs;
	size_t n_blobs;
};

/* n zeroed bytes, aligned for any type; NULL without memory. */
void *us_pool_alloc(struct us_pool *pool, size_t n);
/* n items of size each; NULL without memory or when n * size overflows. */
void *us_pool_array(struct us_pool *pool, size_t n, size_t size);
/* Copies; NULL without memory. */
char *us_pool_strdup(struct us_pool *pool, const char *s);
char *us_pool_strndup(struct us_pool *pool, const char *s, size_t n);
char *us_pool_format(struct us_pool *pool, const char *fmt, ...) us_printf(2, 3);
/* The pool takes blob over (blob is empty afterwards) and frees it at its end; ret is the view of it. */
struct us_err *us_pool_adopt(struct us_pool *pool, struct us_blob *blob, struct us_bytes *ret)
	us_must_check;
void us_pool_deinit(struct us_pool *pool);
#define _us_pool_deinit_ __attribute__((cleanup(us_pool_deinit)))

#endif
