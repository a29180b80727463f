/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The capture program packs pages and unpacks none: its input is memory. */
#include "pack/pack.h"

struct us_err *us_page_unpacker_new(struct us_page_unpacker **ret)
{
	(void)ret;
	return us_err_new(US_ERR_UNSUPPORTED, "the capture program unpacks no pages");
}

struct us_err *us_page_unpack(struct us_page_unpacker *unpacker, uint32_t flags, struct us_bytes in,
			      uint8_t *out, size_t n)
{
	(void)unpacker;
	(void)flags;
	(void)in;
	(void)out;
	(void)n;
	return us_err_new(US_ERR_UNSUPPORTED, "the capture program unpacks no pages");
}

void us_page_unpacker_free(struct us_page_unpacker *unpacker)
{
	(void)unpacker;
}
