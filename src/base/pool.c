/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The pool of pool.h: blocks of 4 KiB, larger wishes get a block of their own. */
#include "base/pool.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES 4096

struct us_pool_block {
	struct us_pool_block *next;
	size_t used, cap;
	alignas(max_align_t) uint8_t data[];
};

void *us_pool_alloc(struct us_pool *pool, size_t n)
{
	struct us_pool_block *block = pool->blocks;
	const size_t align = alignof(max_align_t);
	size_t cap, bytes;

	if (!us_add(n, align - 1, &n))
		return NULL;
	n &= ~(align - 1);
	if (!block || n > block->cap - block->used) {
		cap = n > BLOCK_BYTES ? n : BLOCK_BYTES;
		if (!us_add(cap, sizeof(*block), &bytes))
			return NULL;
		block = calloc(1, bytes);
		if (!block)
			return NULL;
		block->cap = cap;
		block->next = pool->blocks;
		pool->blocks = block;
	}
	block->used += n;
	return block->data + block->used - n;
}

void *us_pool_array(struct us_pool *pool, size_t n, size_t size)
{
	size_t bytes;

	return us_mul(n, size, &bytes) ? us_pool_alloc(pool, bytes) : NULL;
}

char *us_pool_strndup(struct us_pool *pool, const char *s, size_t n)
{
	char *copy;

	n = n ? strnlen(s, n) : 0; /* an empty view may be NULL */
	copy = us_pool_alloc(pool, n + 1);
	if (copy && n)
		memcpy(copy, s, n);
	return copy;
}

char *us_pool_strdup(struct us_pool *pool, const char *s)
{
	return us_pool_strndup(pool, s, strlen(s));
}

char *us_pool_format(struct us_pool *pool, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return NULL;
	s = us_pool_alloc(pool, (size_t)n + 1);
	if (!s)
		return NULL;
	va_start(ap, fmt);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return s;
}

struct us_err *us_pool_adopt(struct us_pool *pool, struct us_blob *blob, struct us_bytes *ret)
{
	struct us_blob *blobs;

	blobs = reallocarray(pool->blobs, pool->n_blobs + 1, sizeof(*blobs));
	if (!blobs)
		return us_err_nomem();
	pool->blobs = blobs;
	*ret = us_blob_bytes(blob);
	blobs[pool->n_blobs++] = us_blob_steal(blob);
	return NULL;
}

void us_pool_deinit(struct us_pool *pool)
{
	struct us_pool_block *next;

	for (struct us_pool_block *b = pool->blocks; b; b = next) {
		next = b->next;
		free(b);
	}
	for (size_t i = 0; i < pool->n_blobs; i++)
		us_blob_deinit(&pool->blobs[i]);
	free(pool->blobs);
	*pool = (struct us_pool){ 0 };
}
