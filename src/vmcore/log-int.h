/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to vmcore: the two log walkers and the memory that they read. It can be any memory, so
 * that tests and the fuzzer need no dump. */
#ifndef US_VMCORE_LOG_INT_H
#define US_VMCORE_LOG_INT_H

#include "vmcore/vmcore.h"

struct us_log_source {
	const struct us_vmcoreinfo *info;
	bool big_endian;
	/* kernel virtual memory; an error means that nothing of [virt, virt + n) can be had */
	struct us_err *(*read)(void *data, uint64_t virt, void *buf, size_t n);
	void *data;
};

/* The last page that was read: a page that cannot be read is asked for once and costs itself only. */
#define US_LOG_PAGE 4096
struct us_log_page {
	uint64_t virt;
	bool tried, ok;
	uint8_t bytes[US_LOG_PAGE];
};

/* How many of the n bytes at virt could be read, from the first one on. */
size_t us_log_fetch(const struct us_log_source *source, struct us_log_page *page, uint64_t virt,
		    void *buf, size_t n);
/* The n (1, 2, 4 or 8) bytes at p as a number. */
uint64_t us_log_number(const struct us_log_source *source, const uint8_t *p, size_t n);
/* A number of n bytes in the kernel's memory; the error names what. */
struct us_err *us_log_value(const struct us_log_source *source, uint64_t virt, size_t n,
			    const char *what, uint64_t *ret) us_must_check;

/* A size or an offset of vmcoreinfo, and where it goes in the walker's own table. */
struct us_log_key {
	const char *kind, *name;
	size_t offset; /* of a uint32_t */
	bool optional; /* left alone if it is absent */
};
#define US_LOG_FIELD_MAX 1024 /* no size or offset is larger */
struct us_err *us_log_keys(const struct us_vmcoreinfo *info, const struct us_log_key *keys,
			   size_t n, void *table) us_must_check;

/* Linux 5.10 and later: a struct printk_ringbuffer behind SYMBOL(prb). */
struct us_err *us_log_ring(const struct us_log_source *source, us_log_fn fn, void *data,
			   struct us_log_stats *stats) us_must_check;
/* Linux 3.5 to 5.9: records of struct printk_log (struct log before 3.11) behind SYMBOL(log_buf). */
struct us_err *us_log_records(const struct us_log_source *source, us_log_fn fn, void *data,
			      struct us_log_stats *stats) us_must_check;
/* Whichever of the two it is. */
struct us_err *us_log_walk(const struct us_log_source *source, us_log_fn fn, void *data,
			   struct us_log_stats *ret) us_must_check;

/* kallsyms by the same kind of memory (symbols.c). */
struct us_err *us_symbols_of(const struct us_log_source *source, struct us_symbols **ret)
	us_must_check;

/* The bits of a record's flags (Linux 6.12 kernel/printk/internal.h: enum printk_info_flags). */
#define US_LOG_CONT 8

#endif
