/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Errors: a pointer that is NULL on success. An error means that understudy could not do its own
 * work; what it learned about the user's machine is a finding (check/check.h), never an error.
 * Context is prepended on the way up, so the text reads from the outside in:
 * "checking /boot/vmlinuz: payload: xz stream ends at 0x1f000 of 0x20000 bytes".
 */
#ifndef US_BASE_ERR_H
#define US_BASE_ERR_H

#include <stdarg.h>

#define us_must_check    __attribute__((warn_unused_result))
#define us_printf(f, a)  __attribute__((format(printf, f, a)))
#define us_array_size(a) (sizeof(a) / sizeof((a)[0]))

enum us_err_code {
	US_ERR_NOMEM,       /* no memory; the one error that is static */
	US_ERR_OS,          /* a system call failed: os_errno says how */
	US_ERR_BAD_DATA,    /* input breaks its own format */
	US_ERR_UNSUPPORTED, /* input is legal and we do not handle it */
	US_ERR_NOT_FOUND,   /* a named thing is not there */
	US_ERR_NO_ROOM,     /* memory map, segment table or region too small */
	US_ERR_DENIED,      /* a privilege is missing */
	US_ERR_REFUSED,     /* the kernel refused what we asked: os_errno says how */
	US_ERR_USAGE,       /* the caller's (the user's) words make no sense */
};

struct us_err {
	enum us_err_code code;
	int os_errno; /* 0 if no system call is behind it */
	char *text;
};

/* A new error with a text. Never returns NULL: without memory it is the static US_ERR_NOMEM. */
struct us_err *us_err_new(enum us_err_code code, const char *fmt, ...)
	us_must_check us_printf(2, 3);
/* US_ERR_OS (US_ERR_DENIED for EPERM and EACCES, US_ERR_NOT_FOUND for ENOENT); ": strerror" is
 * appended. */
struct us_err *us_err_os(int os_errno, const char *fmt, ...) us_must_check us_printf(2, 3);
struct us_err *us_err_nomem(void) us_must_check;
/* Prepend "fmt: " to err and return it. err must not be NULL; it is consumed. */
struct us_err *us_err_wrap(struct us_err *err, const char *fmt, ...) us_must_check us_printf(2, 3);
/* NULL-safe; the static error is left alone. */
void us_err_free(struct us_err *err);

static inline void us_err_freep(struct us_err **err)
{
	us_err_free(*err);
}
#define _us_err_free_ __attribute__((cleanup(us_err_freep)))

/* Run expr; on failure return its error from the calling function. */
#define US_TRY(expr)                                                                               \
	do {                                                                                       \
		struct us_err *us_try_err_ = (expr);                                               \
		if (us_try_err_)                                                                   \
			return us_try_err_;                                                        \
	} while (0)

#endif
