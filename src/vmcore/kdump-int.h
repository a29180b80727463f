/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between kdump.c, which understands the headers of a kdump-compressed dump, and kdump-read.c. */
#ifndef US_VMCORE_KDUMP_INT_H
#define US_VMCORE_KDUMP_INT_H

#include "vmcore/vmcore-int.h"

#include <pthread.h>

#define US_KDUMP_DESC_BYTES 24u   /* of a page descriptor */
#define US_KDUMP_RANK_PAGES 1024u /* pages per entry of ranks */

/* One file of the set. Page numbers here count from bit 0 of the bitmaps. */
struct kdump_part {
	struct us_store *store;
	uint64_t start, end; /* pages that it is for */
	uint64_t table;      /* offset of its page descriptors */
	uint64_t first_rank; /* rank of start */
};

struct kdump_core {
	struct us_store *stores;
	size_t n_stores;
	struct kdump_part *parts; /* sorted by start, disjoint */
	size_t n_parts;
	uint64_t pages;          /* bits that count */
	uint64_t bias;           /* page number of bit 0 (32-bit ARM) */
	struct us_bytes exists;  /* bitmap 1 */
	struct us_bytes in_file; /* bitmap 2 */
	uint64_t *ranks;         /* bits of in_file before each US_KDUMP_RANK_PAGES */
	pthread_mutex_t lock;    /* for shared */
	void *shared;            /* a reader of us_vmcore_read() */
};

extern const struct us_vmcore_ops us_kdump_ops;

static inline bool us_kdump_bit(struct us_bytes map, uint64_t i)
{
	return i / 8 < map.n && (map.p[i / 8] >> (i % 8) & 1);
}

/* Bits set in map before bit i, from bit from (a multiple of 64) on. */
uint64_t us_kdump_count(struct us_bytes map, uint64_t from, uint64_t i);
uint64_t us_kdump_rank(const struct kdump_core *k, uint64_t i);

#endif
