/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who can replace the kernel of a machine, and how: one line a way, each with one word that a
 * policy can name, the fact, and where it was read. Nothing is tried. Part of check.h.
 */
#ifndef US_CHECK_AUDIT_H
#define US_CHECK_AUDIT_H

#include "host/host.h"

struct us_audit_line {
	const char *id;       /* "kexec-load" */
	const char *asks;     /* "Can any image be loaded by kexec_load?" */
	const char *value;    /* "reachable": one word of those that this line can say */
	enum us_tri open;     /* US_YES: a way in or a leak; US_UNKNOWN: value is "unknown" */
	const char *fact;     /* in words */
	const char *evidence; /* where it was read; what would let it be known */
	const char *fix;      /* where it is open; NULL */
};
struct us_audit {
	struct us_pool pool;
	struct us_audit_line *lines;
	size_t n;
};
/* What is not of the kernel: who may read saved dumps, as a word of the line "dumps" (private,
 * readable, nowhere, elsewhere, unknown), in words, and where that was seen. */
struct us_audit_dumps {
	const char *value, *fact, *evidence;
};
struct us_err *us_audit(const struct us_host *host, const struct us_audit_dumps *dumps,
			struct us_audit **ret) us_must_check;
void us_audit_free(struct us_audit *audit);
static inline void us_audit_freep(struct us_audit **audit)
{
	us_audit_free(*audit);
}
#define _us_audit_free_ __attribute__((cleanup(us_audit_freep)))
/* The words that the line called id can have, separated by spaces; "NUMBER" stands for any number.
 * NULL: there is no such line. */
const char *us_audit_values(const char *id);
/* A line of a policy that the machine breaks, or of which it is not known. */
struct us_audit_breach {
	unsigned int number; /* of the line in the file */
	const char *text;    /* the line */
	const struct us_audit_line *line;
	bool unknown;
};
/*
 * A policy: lines "ID = VALUE VALUE..." (one of them) or "ID != VALUE...", '#' comments; path names
 * it in errors. US_ERR_USAGE "FILE:LINE: ..." for a line that is none. What is not known passes
 * no line. Breaches are in the audit's pool.
 */
struct us_err *us_audit_policy(struct us_audit *audit, struct us_bytes text, const char *path,
			       const struct us_audit_breach **ret, size_t *ret_n) us_must_check;

#endif
