/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cpio archives of an initrd, "newc" with ("070702") and without ("070701") checksums, as
 * Linux 6.12 Documentation/driver-api/early-userspace/buffer-format.rst and init/initramfs.c read
 * them. Checksums are not verified (the kernel's are, for 070702 only) and nothing is extracted.
 */
#include "image/cpio.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define FIELDS       13 /* of 8 hex digits, behind the magic */
#define FIELD_MODE   1
#define FIELD_BYTES  6
#define FIELD_NAME   11
#define TRAILER_NAME "TRAILER!!!"

static void bad(struct us_cpio *cpio, const char *text)
{
	snprintf(cpio->problem, sizeof(cpio->problem), "cpio header at 0x%" PRIx64 ": %s",
		 cpio->base + cpio->start, text);
	cpio->state = US_CPIO_BAD;
}

/* 8 hex digits at s. */
static bool read_field(const char *s, uint32_t *ret)
{
	uint32_t v = 0;

	for (int i = 0; i < 8; i++) {
		char c = s[i];
		unsigned int digit = c >= '0' && c <= '9'   ? (unsigned int)(c - '0')
				     : c >= 'a' && c <= 'f' ? (unsigned int)(c - 'a' + 10)
				     : c >= 'A' && c <= 'F' ? (unsigned int)(c - 'A' + 10)
							    : 16;

		if (digit == 16)
			return false;
		v = v << 4 | digit;
	}
	*ret = v;
	return true;
}

static void read_header(struct us_cpio *cpio)
{
	uint32_t field[FIELDS];

	if (memcmp(cpio->buf, "070707", 6) == 0) {
		bad(cpio, "the old portable format, which the kernel does not read (cpio -H newc)");
		return;
	}
	if (memcmp(cpio->buf, "070701", 6) != 0 && memcmp(cpio->buf, "070702", 6) != 0) {
		bad(cpio, "bad magic");
		return;
	}
	for (size_t i = 0; i < FIELDS; i++) {
		if (!read_field(cpio->buf + 6 + 8 * i, &field[i])) {
			bad(cpio, "a field is no hex number");
			return;
		}
	}
	cpio->mode = field[FIELD_MODE];
	cpio->bytes = field[FIELD_BYTES];
	cpio->name_bytes = field[FIELD_NAME];
	if (!cpio->name_bytes || cpio->name_bytes > sizeof(cpio->buf)) {
		bad(cpio, "impossible length of the name");
		return;
	}
	cpio->have = 0;
	cpio->state = US_CPIO_NAME;
}

static uint64_t padding(uint64_t n)
{
	return -n & 3;
}

static struct us_err *read_name(struct us_cpio *cpio)
{
	struct us_cpio_entry entry = { cpio->buf, cpio->mode, cpio->bytes };

	if (cpio->buf[cpio->name_bytes - 1]) {
		bad(cpio, "the name has no end");
		return NULL;
	}
	cpio->skip = padding(US_CPIO_HEADER_BYTES + (uint64_t)cpio->name_bytes) + cpio->bytes +
		     padding(cpio->bytes);
	cpio->trailer = strcmp(cpio->buf, TRAILER_NAME) == 0;
	cpio->state = US_CPIO_SKIP;
	return cpio->trailer ? NULL : cpio->entry(cpio->data, &entry);
}

/* Collect want bytes into buf; true when they are all there. */
static bool collect(struct us_cpio *cpio, struct us_bytes *in, size_t want)
{
	size_t n = want - cpio->have;

	if (n > in->n)
		n = in->n;
	memcpy(cpio->buf + cpio->have, in->p, n);
	cpio->have += n;
	cpio->fed += n;
	*in = us_bytes_clip(*in, n, SIZE_MAX);
	return cpio->have == want;
}

static void step_over(struct us_cpio *cpio, struct us_bytes *in)
{
	uint64_t n = cpio->skip < in->n ? cpio->skip : in->n;

	cpio->skip -= n;
	cpio->fed += n;
	*in = us_bytes_clip(*in, n, SIZE_MAX);
	if (cpio->skip)
		return;
	cpio->state = cpio->trailer ? US_CPIO_END : US_CPIO_HEADER;
	cpio->start = cpio->fed;
	cpio->have = 0;
}

struct us_err *us_cpio_feed(struct us_cpio *cpio, struct us_bytes in, size_t *ret_eaten)
{
	size_t before = in.n;

	while ((in.n || (cpio->state == US_CPIO_SKIP && !cpio->skip)) && cpio->state < US_CPIO_END) {
		if (cpio->state == US_CPIO_SKIP)
			step_over(cpio, &in);
		else if (cpio->state == US_CPIO_HEADER && collect(cpio, &in, US_CPIO_HEADER_BYTES))
			read_header(cpio);
		else if (cpio->state == US_CPIO_NAME && collect(cpio, &in, cpio->name_bytes))
			US_TRY(read_name(cpio));
	}
	*ret_eaten = before - in.n;
	return NULL;
}

void us_cpio_finish(struct us_cpio *cpio)
{
	if (cpio->state >= US_CPIO_END)
		return;
	if (cpio->state == US_CPIO_HEADER && !cpio->have)
		snprintf(cpio->problem, sizeof(cpio->problem),
			 "cpio archive ends at 0x%" PRIx64 " without its %s entry",
			 cpio->base + cpio->fed, TRAILER_NAME);
	else
		snprintf(cpio->problem, sizeof(cpio->problem),
			 "cpio archive is cut at 0x%" PRIx64 ", inside the entry at 0x%" PRIx64,
			 cpio->base + cpio->fed, cpio->base + cpio->start);
	cpio->state = US_CPIO_BAD;
}
