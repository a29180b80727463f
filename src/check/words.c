/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What rules are written in: facts and where they were read, words of a command line (as Linux 6.12
 * lib/cmdline.c: next_arg() splits them), release numbers, sizes. No judgment is made here.
 */
#include "check/check-int.h"
#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *format(struct us_pool *pool, const char *fmt, va_list ap)
{
	struct us_text text = { 0 };
	const char *copy = NULL;

	us_text_vadd(&text, fmt, ap);
	if (!text.failed && text.s)
		copy = us_pool_strdup(pool, text.s);
	us_text_deinit(&text);
	return copy;
}

void us_fact(struct us_detail *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	d->fact = format(d->pool, fmt, ap);
	va_end(ap);
}

void us_read(struct us_detail *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	d->evidence = format(d->pool, fmt, ap);
	va_end(ap);
}

void us_remedy(struct us_detail *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	d->remedy = format(d->pool, fmt, ap);
	va_end(ap);
}

void us_read_at(struct us_detail *d, const struct us_image *image, uint64_t offset)
{
	us_read(d, "offset 0x%" PRIx64 " of %s%s", offset,
		image->n_nest > 1 ? "the kernel in " : "", image->path);
}

enum us_result us_cannot_tell(struct us_detail *d, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	d->lets = format(d->pool, fmt, ap);
	va_end(ap);
	return US_CANNOT_TELL;
}

enum us_result us_missing(struct us_detail *d, struct us_origin o)
{
	if (!d->evidence)
		us_read(d, "%s", o.path ? o.path : "the machine");
	return us_cannot_tell(d, "%s%s%s", o.path ? o.path : "", o.path ? ": " : "",
			      o.missing ? o.missing : "not known");
}

enum us_result us_judge_cap(const struct us_case *c, struct us_detail *d, enum us_cap cap,
			    enum us_tri bad)
{
	const struct us_cap_fact *f = &c->image->caps[cap];

	if (f->v == US_UNKNOWN)
		return us_cannot_tell(d, c->image->deep ? "the image's .config (--config FILE)"
							: "looking into the image's payload "
							  "(--deep)");
	us_fact(d, "%s in the image: %s", us_cap_name(cap), us_tri_name(f->v));
	us_read(d, "%s: %s", c->image->path, f->from ? f->from : "deep look");
	return us_fail_if(f->v == bad);
}

const char *us_next_cmdline(const struct us_case *c)
{
	if (c->plan && c->plan->handover.cmdline)
		return c->plan->handover.cmdline;
	return c->wanted ? c->wanted->cmdline : NULL;
}

/* One word of s from *pos on; false at the end. Quotes keep white space in it. */
static bool next_word(const char *s, size_t *pos, struct us_bytes *ret)
{
	bool quoted = false;
	size_t start;

	while (isspace((unsigned char)s[*pos]))
		(*pos)++;
	start = *pos;
	while (s[*pos] && (quoted || !isspace((unsigned char)s[*pos]))) {
		if (s[*pos] == '"')
			quoted = !quoted;
		(*pos)++;
	}
	*ret = us_bytes_of(s + start, *pos - start);
	return *pos > start;
}

static bool same_name(const uint8_t *a, const char *b, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char x = a[i] == '-' ? '_' : (char)a[i], y = b[i] == '-' ? '_' : b[i];

		if (x != y)
			return false;
	}
	return true;
}

/* The value of word, without the quotes around it. */
static const char *value_of(struct us_bytes word, size_t name_n, struct us_pool *pool)
{
	const char *v = (const char *)word.p + name_n;
	size_t n = word.n - name_n;

	if (n && *v == '=') {
		v++;
		n--;
	}
	if (n && *v == '"') {
		v++;
		n--;
	}
	if (n && v[n - 1] == '"')
		n--;
	return us_pool_strndup(pool, v, n);
}

size_t us_words(const char *cmdline, const char *name, struct us_pool *pool, const char **ret_last)
{
	size_t n = strlen(name), pos = 0, found = 0;
	struct us_bytes word, last = { 0 };

	while (cmdline && next_word(cmdline, &pos, &word)) {
		/* a quote before the name quotes the whole word */
		if (word.p[0] == '"')
			word = us_bytes_of(word.p + 1, word.n - 1);
		if (word.n < n || !same_name(word.p, name, n) ||
		    (word.n > n && word.p[n] != '=' && word.p[n] != '"'))
			continue;
		last = word;
		found++;
	}
	if (ret_last)
		*ret_last = found ? value_of(last, n, pool) : NULL;
	return found;
}

bool us_release_parse(const char *release, int *ret_major, int *ret_minor)
{
	char *end;
	unsigned long major, minor;

	if (!release || !isdigit((unsigned char)*release))
		return false;
	major = strtoul(release, &end, 10);
	if (*end != '.' || !isdigit((unsigned char)end[1]))
		return false;
	minor = strtoul(end + 1, NULL, 10);
	if (major > 10000 || minor > 10000)
		return false;
	*ret_major = (int)major;
	*ret_minor = (int)minor;
	return true;
}

enum us_tri us_release_before(const char *release, int major, int minor)
{
	int a, b;

	if (!us_release_parse(release, &a, &b))
		return US_UNKNOWN;
	return us_tri_of(a < major || (a == major && b < minor));
}

const struct us_segment *us_plan_segment(const struct us_plan *plan, enum us_segment_role role)
{
	for (size_t i = 0; plan && i < plan->n_segments && i < US_SEGMENTS_MAX; i++)
		if (plan->segments[i].role == role)
			return &plan->segments[i];
	return NULL;
}

uint64_t us_run_bytes(const struct us_image *image)
{
	uint64_t bytes = image->run_bytes ? image->run_bytes : image->kernel.n, page;

	return us_align_up(bytes, 4096, &page) ? page : bytes;
}

const struct us_map *us_ram(const struct us_host *host, struct us_origin *ret_from)
{
	*ret_from = host->map_from;
	if (us_known(host->map_from) && host->map.n)
		return &host->map;
	if (us_known(host->firmware_map_from) && host->firmware_map.n) {
		*ret_from = host->firmware_map_from;
		return &host->firmware_map;
	}
	if (!ret_from->missing)
		ret_from->missing = "it lists no memory";
	return NULL;
}
