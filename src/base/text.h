/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Growing text. A us_text is always NUL-terminated once something was added; an allocation failure
 * is remembered in .failed and reported once by us_text_take(), so that callers can append without
 * a check each time. Initialise with { 0 }.
 */
#ifndef US_BASE_TEXT_H
#define US_BASE_TEXT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct us_text {
	char *s;    /* owned; NULL while nothing was added */
	size_t n;   /* bytes without the NUL */
	size_t cap; /* bytes allocated */
	bool failed;
};

void us_text_add(struct us_text *t, const char *fmt, ...) us_printf(2, 3);
void us_text_vadd(struct us_text *t, const char *fmt, va_list ap) us_printf(2, 0);
void us_text_put(struct us_text *t, const void *p, size_t n);
/* The text (at least ""), owned by the caller; US_ERR_NOMEM if any addition had failed. t is empty
 * afterwards. */
struct us_err *us_text_take(struct us_text *t, char **ret) us_must_check;
void us_text_deinit(struct us_text *t);
#define _us_text_deinit_ __attribute__((cleanup(us_text_deinit)))

/* A formatted copy, or US_ERR_NOMEM. */
struct us_err *us_text_format(char **ret, const char *fmt, ...) us_must_check us_printf(2, 3);

/* "12.3 MiB", "4096 bytes": for people. buf of US_TEXT_SIZE_MAX bytes; returns buf. */
#define US_TEXT_SIZE_MAX 32
const char *us_text_size(uint64_t bytes, char *buf);

/* The whole of s (white space around it allowed) as an unsigned number; base 0 takes 0x. False if
 * it is anything else or too large. */
bool us_text_u64(const char *s, int base, uint64_t *ret);
/* "256M", "0x1000", "4096", "1G": K, M, G, T, P, E suffixes of 1024 as the kernel's memparse()
 * takes them. *end is set after it. */
bool us_text_memsize(const char *s, const char **end, uint64_t *ret);
/* s without leading and trailing white space, in place. */
char *us_text_strip(char *s);

#endif
