/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Growing text and the number forms of the kernel's files and command lines (lib/cmdline.c:
 * memparse). */
#include "base/text.h"

#include "base/bytes.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool grow(struct us_text *t, size_t more)
{
	size_t need, cap = t->cap ? t->cap : 128;
	char *s;

	if (t->failed || !us_add(t->n, more, &need) || !us_add(need, (size_t)1, &need)) {
		t->failed = true;
		return false;
	}
	if (need <= t->cap)
		return true;
	while (cap < need)
		if (!us_mul(cap, (size_t)2, &cap))
			cap = need;
	s = realloc(t->s, cap);
	if (!s) {
		t->failed = true;
		return false;
	}
	t->s = s;
	t->cap = cap;
	return true;
}

void us_text_put(struct us_text *t, const void *p, size_t n)
{
	if (!grow(t, n))
		return;
	if (n)
		memcpy(t->s + t->n, p, n);
	t->n += n;
	t->s[t->n] = '\0';
}

void us_text_vadd(struct us_text *t, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0 || !grow(t, (size_t)n)) {
		t->failed = true;
		return;
	}
	vsnprintf(t->s + t->n, (size_t)n + 1, fmt, ap);
	t->n += (size_t)n;
}

void us_text_add(struct us_text *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	us_text_vadd(t, fmt, ap);
	va_end(ap);
}

struct us_err *us_text_take(struct us_text *t, char **ret)
{
	char *s;

	us_text_put(t, "", 0);
	if (t->failed) {
		us_text_deinit(t);
		return us_err_nomem();
	}
	s = t->s;
	*t = (struct us_text){ 0 };
	*ret = s;
	return NULL;
}

void us_text_deinit(struct us_text *t)
{
	free(t->s);
	*t = (struct us_text){ 0 };
}

struct us_err *us_text_format(char **ret, const char *fmt, ...)
{
	struct us_text t = { 0 };
	va_list ap;

	va_start(ap, fmt);
	us_text_vadd(&t, fmt, ap);
	va_end(ap);
	return us_text_take(&t, ret);
}

const char *us_text_size(uint64_t bytes, char *buf)
{
	static const char *const unit[] = { "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)bytes;
	size_t i = 0;

	if (bytes < 1024) {
		snprintf(buf, US_TEXT_SIZE_MAX, "%" PRIu64 " bytes", bytes);
		return buf;
	}
	for (v /= 1024; v >= 1024 && i + 1 < us_array_size(unit); i++)
		v /= 1024;
	if (v == (double)(uint64_t)v)
		snprintf(buf, US_TEXT_SIZE_MAX, "%" PRIu64 " %s", (uint64_t)v, unit[i]);
	else
		snprintf(buf, US_TEXT_SIZE_MAX, "%.1f %s", v, unit[i]);
	return buf;
}

bool us_text_u64(const char *s, int base, uint64_t *ret)
{
	unsigned long long v;
	char *end;

	while (isspace((unsigned char)*s))
		s++;
	if (!isalnum((unsigned char)*s)) /* strtoull would take a sign */
		return false;
	errno = 0;
	v = strtoull(s, &end, base);
	if (errno || end == s)
		return false;
	while (isspace((unsigned char)*end))
		end++;
	if (*end)
		return false;
	*ret = v;
	return true;
}

bool us_text_memsize(const char *s, const char **end, uint64_t *ret)
{
	static const char suffix[] = "KMGTPE";
	const char *hit;
	uint64_t v;
	char *stop;

	if (!isdigit((unsigned char)*s))
		return false;
	errno = 0;
	v = strtoull(s, &stop, 0);
	if (errno)
		return false;
	hit = *stop ? strchr(suffix, toupper((unsigned char)*stop)) : NULL;
	if (hit) {
		if (!us_mul(v, (uint64_t)1 << 10 * (hit - suffix + 1), &v))
			return false;
		stop++;
	}
	*end = stop;
	*ret = v;
	return true;
}

char *us_text_strip(char *s)
{
	size_t n;

	while (isspace((unsigned char)*s))
		s++;
	n = strlen(s);
	while (n && isspace((unsigned char)s[n - 1]))
		s[--n] = '\0';
	return s;
}
