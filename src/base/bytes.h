/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes: a borrowed view (us_bytes) and its owner (us_blob). Every reader is bounds-checked: a view
 * never yields a byte outside itself and an offset is never added to a size without a check.
 */
#ifndef US_BASE_BYTES_H
#define US_BASE_BYTES_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Checked arithmetic, the only way to add or multiply what came from a file: false on overflow. */
#define us_add(a, b, ret) (!__builtin_add_overflow((a), (b), (ret)))
#define us_mul(a, b, ret) (!__builtin_mul_overflow((a), (b), (ret)))

struct us_bytes {
	const uint8_t *p; /* borrowed; may be NULL when n is 0 */
	size_t n;         /* bytes */
};

static inline struct us_bytes us_bytes_of(const void *p, size_t n)
{
	return (struct us_bytes){ .p = p, .n = n };
}

/* True if [off, off + len) lies inside b. */
static inline bool us_bytes_has(struct us_bytes b, uint64_t off, uint64_t len)
{
	return off <= b.n && len <= b.n - off;
}

/* The part [off, off + len) of b; US_ERR_BAD_DATA, naming what and both ends, if it is not all
 * inside. */
struct us_err *us_bytes_sub(struct us_bytes b, uint64_t off, uint64_t len, const char *what,
			    struct us_bytes *ret) us_must_check;
/* As much of [off, off + len) as lies inside b: possibly empty, never outside. */
struct us_bytes us_bytes_clip(struct us_bytes b, uint64_t off, uint64_t len);
/* True if b has exactly the bytes of lit at off. */
bool us_bytes_match(struct us_bytes b, uint64_t off, const void *lit, size_t len);
bool us_bytes_equal(struct us_bytes a, struct us_bytes b);
/* First offset >= from at which needle occurs, or SIZE_MAX. */
size_t us_bytes_find(struct us_bytes b, size_t from, const void *needle, size_t len);
/* FNV-1a, 64 bits: tells whether bytes are as they were, where nobody wants to deceive. */
uint64_t us_bytes_hash(struct us_bytes b);
/* Length of b without its trailing zero bytes. */
size_t us_bytes_trimmed(struct us_bytes b);
/* NUL-terminated text at off, at most max bytes long without its NUL, copied; US_ERR_BAD_DATA if it
 * runs out of b or over max. */
struct us_err *us_bytes_text(struct us_bytes b, uint64_t off, size_t max, const char *what,
			     char **ret) us_must_check;

/* Integers at off; false (and *ret untouched) if they are not all inside b. */
bool us_u8(struct us_bytes b, uint64_t off, uint8_t *ret) us_must_check;
bool us_le16(struct us_bytes b, uint64_t off, uint16_t *ret) us_must_check;
bool us_le32(struct us_bytes b, uint64_t off, uint32_t *ret) us_must_check;
bool us_le64(struct us_bytes b, uint64_t off, uint64_t *ret) us_must_check;
bool us_be16(struct us_bytes b, uint64_t off, uint16_t *ret) us_must_check;
bool us_be32(struct us_bytes b, uint64_t off, uint32_t *ret) us_must_check;
bool us_be64(struct us_bytes b, uint64_t off, uint64_t *ret) us_must_check;

/* Writers for memory that we own. */
void us_put_le16(void *p, uint16_t v);
void us_put_le32(void *p, uint32_t v);
void us_put_le64(void *p, uint64_t v);

/* Owner of bytes: heap or a private read-only mapping of a file. */
struct us_blob {
	uint8_t *p;
	size_t n;
	size_t mapped; /* bytes to munmap, 0 for heap */
};

/* n zeroed bytes. */
struct us_err *us_blob_new(size_t n, struct us_blob *ret) us_must_check;
struct us_err *us_blob_copy(struct us_bytes b, struct us_blob *ret) us_must_check;
void us_blob_deinit(struct us_blob *blob); /* leaves an empty blob */
#define _us_blob_deinit_ __attribute__((cleanup(us_blob_deinit)))

static inline struct us_bytes us_blob_bytes(const struct us_blob *blob)
{
	return us_bytes_of(blob->p, blob->n);
}

/* The blob's bytes for a new owner; the blob is empty afterwards. */
static inline struct us_blob us_blob_steal(struct us_blob *blob)
{
	struct us_blob stolen = *blob;

	*blob = (struct us_blob){ 0 };
	return stolen;
}

#endif
