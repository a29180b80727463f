/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to src/image: a walk over cpio archives that arrive in pieces. Names are told as they
 * come; file contents are stepped over. All offsets count from the first byte that was fed.
 */
#ifndef US_IMAGE_CPIO_H
#define US_IMAGE_CPIO_H

#include "base/bytes.h"

#define US_CPIO_HEADER_BYTES 110
#define US_CPIO_NAME_MAX     4096 /* with its NUL: the kernel skips entries with longer names */
#define US_CPIO_DIR          0040000
#define US_CPIO_TYPE         0170000

struct us_cpio_entry {
	const char *name; /* valid during the call */
	uint32_t mode;
	uint32_t bytes;
};
typedef struct us_err *(*us_cpio_entry_cb)(void *data, const struct us_cpio_entry *entry);

enum us_cpio_state {
	US_CPIO_HEADER,
	US_CPIO_NAME,
	US_CPIO_SKIP,
	US_CPIO_END, /* the TRAILER!!! entry is behind us */
	US_CPIO_BAD, /* problem says why */
};

struct us_cpio {
	us_cpio_entry_cb entry;
	void *data;
	uint64_t base; /* added to the offsets in problem */

	enum us_cpio_state state;
	uint64_t fed;   /* bytes so far */
	uint64_t start; /* where the present entry starts */
	size_t have;    /* bytes in buf */
	uint64_t skip;  /* bytes left to step over */
	uint32_t mode, bytes, name_bytes;
	bool trailer;
	char buf[US_CPIO_NAME_MAX];
	char problem[128];
};

/* Walk on with in; stops behind the TRAILER!!! entry. *ret_eaten <= in.n. */
struct us_err *us_cpio_feed(struct us_cpio *cpio, struct us_bytes in, size_t *ret_eaten)
	us_must_check;
/* No more bytes will come: what is missing becomes the problem. */
void us_cpio_finish(struct us_cpio *cpio);

#endif
