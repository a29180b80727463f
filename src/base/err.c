/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The error object of err.h. Running out of memory is reported by one static object, so that the
 * failure path needs no memory itself (we run in a capture kernel with little of it).
 */
#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct us_err err_nomem = {
	.code = US_ERR_NOMEM,
	.os_errno = ENOMEM,
	.text = (char *)"out of memory",
};

struct us_err *us_err_nomem(void)
{
	return (struct us_err *)&err_nomem;
}

static struct us_err *err_make(enum us_err_code code, int os_errno, char *text)
{
	struct us_err *err;

	if (!text)
		return us_err_nomem();
	err = malloc(sizeof(*err));
	if (!err) {
		free(text);
		return us_err_nomem();
	}
	*err = (struct us_err){ .code = code, .os_errno = os_errno, .text = text };
	return err;
}

struct us_err *us_err_new(enum us_err_code code, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	return err_make(code, 0, text);
}

static enum us_err_code code_of_errno(int os_errno)
{
	switch (os_errno) {
	case EPERM:
	case EACCES:
		return US_ERR_DENIED;
	case ENOENT:
		return US_ERR_NOT_FOUND;
	case ENOMEM:
		return US_ERR_NOMEM;
	default:
		return US_ERR_OS;
	}
}

struct us_err *us_err_os(int os_errno, const char *fmt, ...)
{
	char *what = NULL, *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&what, fmt, ap) < 0)
		what = NULL;
	va_end(ap);
	if (what && asprintf(&text, "%s: %s", what, strerror(os_errno)) < 0)
		text = NULL;
	free(what);
	return err_make(code_of_errno(os_errno), os_errno, text);
}

struct us_err *us_err_wrap(struct us_err *err, const char *fmt, ...)
{
	char *what = NULL, *text = NULL;
	va_list ap;

	if (err == &err_nomem)
		return err;
	va_start(ap, fmt);
	if (vasprintf(&what, fmt, ap) < 0)
		what = NULL;
	va_end(ap);
	if (what && asprintf(&text, "%s: %s", what, err->text) < 0)
		text = NULL;
	free(what);
	if (text) { /* without memory the error keeps its shorter text */
		free(err->text);
		err->text = text;
	}
	return err;
}

void us_err_free(struct us_err *err)
{
	if (!err || err == &err_nomem)
		return;
	free(err->text);
	free(err);
}
