/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bounds-checked views and their owner. The readers assemble integers byte by byte, so neither the
 * alignment nor the byte order of this machine matters.
 */
#include "base/bytes.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct us_err *us_bytes_sub(struct us_bytes b, uint64_t off, uint64_t len, const char *what,
			    struct us_bytes *ret)
{
	if (!us_bytes_has(b, off, len))
		return us_err_new(US_ERR_BAD_DATA,
				  "%s: 0x%" PRIx64 " bytes at 0x%" PRIx64 ", past the end at 0x%zx",
				  what, len, off, b.n);
	*ret = us_bytes_of(b.p ? b.p + off : NULL, len);
	return NULL;
}

struct us_bytes us_bytes_clip(struct us_bytes b, uint64_t off, uint64_t len)
{
	if (off >= b.n)
		return us_bytes_of(NULL, 0);
	if (len > b.n - off)
		len = b.n - off;
	return us_bytes_of(b.p + off, len);
}

bool us_bytes_match(struct us_bytes b, uint64_t off, const void *lit, size_t len)
{
	return us_bytes_has(b, off, len) && (!len || memcmp(b.p + off, lit, len) == 0);
}

bool us_bytes_equal(struct us_bytes a, struct us_bytes b)
{
	return a.n == b.n && us_bytes_match(a, 0, b.p, b.n);
}

uint64_t us_bytes_hash(struct us_bytes b)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < b.n; i++)
		hash = (hash ^ b.p[i]) * UINT64_C(0x100000001b3);
	return hash;
}

size_t us_bytes_find(struct us_bytes b, size_t from, const void *needle, size_t len)
{
	const uint8_t *hit;

	if (from > b.n || len > b.n - from)
		return SIZE_MAX;
	if (!len)
		return from;
	hit = memmem(b.p + from, b.n - from, needle, len);
	return hit ? (size_t)(hit - b.p) : SIZE_MAX;
}

size_t us_bytes_trimmed(struct us_bytes b)
{
	size_t n = b.n;

	while (n >= 8 && memcmp(b.p + n - 8, "\0\0\0\0\0\0\0\0", 8) == 0)
		n -= 8;
	while (n && !b.p[n - 1])
		n--;
	return n;
}

struct us_err *us_bytes_text(struct us_bytes b, uint64_t off, size_t max, const char *what,
			     char **ret)
{
	struct us_bytes part = us_bytes_clip(b, off, (uint64_t)max + 1);
	const uint8_t *end = part.n ? memchr(part.p, 0, part.n) : NULL;
	char *text;

	if (!end)
		return us_err_new(US_ERR_BAD_DATA, "%s at 0x%" PRIx64 ": no end within %zu bytes",
				  what, off, part.n);
	text = strndup((const char *)part.p, end - part.p);
	if (!text)
		return us_err_nomem();
	*ret = text;
	return NULL;
}

static uint64_t load(const uint8_t *p, unsigned int n, bool big)
{
	uint64_t v = 0;

	for (unsigned int i = 0; i < n; i++)
		v |= (uint64_t)p[i] << 8 * (big ? n - 1 - i : i);
	return v;
}

#define READER(name, type, big)                                                                    \
	bool name(struct us_bytes b, uint64_t off, type *ret)                                      \
	{                                                                                          \
		if (!us_bytes_has(b, off, sizeof(*ret)))                                           \
			return false;                                                              \
		*ret = (type)load(b.p + off, sizeof(*ret), big);                                   \
		return true;                                                                       \
	}

READER(us_u8, uint8_t, false)
READER(us_le16, uint16_t, false)
READER(us_le32, uint32_t, false)
READER(us_le64, uint64_t, false)
READER(us_be16, uint16_t, true)
READER(us_be32, uint32_t, true)
READER(us_be64, uint64_t, true)

static void store(uint8_t *p, uint64_t v, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

void us_put_le16(void *p, uint16_t v)
{
	store(p, v, sizeof(v));
}

void us_put_le32(void *p, uint32_t v)
{
	store(p, v, sizeof(v));
}

void us_put_le64(void *p, uint64_t v)
{
	store(p, v, sizeof(v));
}

struct us_err *us_blob_new(size_t n, struct us_blob *ret)
{
	uint8_t *p = calloc(1, n ? n : 1);

	if (!p)
		return us_err_nomem();
	*ret = (struct us_blob){ .p = p, .n = n };
	return NULL;
}

struct us_err *us_blob_copy(struct us_bytes b, struct us_blob *ret)
{
	US_TRY(us_blob_new(b.n, ret));
	if (b.n)
		memcpy(ret->p, b.p, b.n);
	return NULL;
}

void us_blob_deinit(struct us_blob *blob)
{
	if (blob->mapped)
		munmap(blob->p, blob->mapped);
	else
		free(blob->p);
	*blob = (struct us_blob){ 0 };
}
