/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * As much XML as an object store answers with (XML 1.0): elements, text, the five named entities
 * and numbers; declarations, comments and attributes are passed over. No document types, no CDATA,
 * no namespaces but as part of names that are cut off. Depth needs no memory: an element's end is
 * all that is told.
 */
#include "base/cleanup.h"
#include "target/http-int.h"

#include <string.h>

static struct us_err *bad(const struct us_xml *x, const char *what)
{
	return us_err_new(US_ERR_BAD_DATA, "XML: %s at 0x%zx", what, x->at);
}

static size_t find(const struct us_xml *x, size_t from, const char *what)
{
	return us_bytes_find(x->bytes, from, what, strlen(what));
}

static bool starts(const struct us_xml *x, const char *what)
{
	return us_bytes_match(x->bytes, x->at, what, strlen(what));
}

static bool ends_name(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '/' || c == '>';
}

/* The name at off, without its prefix. */
static struct us_bytes name_at(const struct us_xml *x, size_t off)
{
	size_t end = off;

	while (end < x->bytes.n && !ends_name(x->bytes.p[end])) {
		if (x->bytes.p[end] == ':')
			off = end + 1;
		end++;
	}
	return us_bytes_of(x->bytes.p + off, end - off);
}

/* A character as UTF-8. */
static size_t put_utf8(char *to, unsigned long c)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = (char)(0xc0 | c >> 6);
		to[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		to[0] = (char)(0xe0 | c >> 12);
		to[1] = (char)(0x80 | (c >> 6 & 0x3f));
		to[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | c >> 18);
	to[1] = (char)(0x80 | (c >> 12 & 0x3f));
	to[2] = (char)(0x80 | (c >> 6 & 0x3f));
	to[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

/* The entity at s ("&lt;"); its text has at most as many bytes as itself. False if it is none. */
static bool entity(const char *s, char *to, size_t *ret_used, size_t *ret_n)
{
	static const struct {
		const char *name;
		char c;
	} names[] = { { "&lt;", '<' },
		      { "&gt;", '>' },
		      { "&amp;", '&' },
		      { "&quot;", '"' },
		      { "&apos;", '\'' } };
	unsigned long c;
	char *end;

	for (size_t i = 0; i < us_array_size(names); i++)
		if (!strncmp(s, names[i].name, strlen(names[i].name))) {
			*to = names[i].c;
			*ret_used = strlen(names[i].name);
			*ret_n = 1;
			return true;
		}
	if (s[1] != '#')
		return false;
	c = s[2] == 'x' ? strtoul(s + 3, &end, 16) : strtoul(s + 2, &end, 10);
	if (*end != ';' || !c || c > 0x10ffff)
		return false;
	*ret_used = (size_t)(end - s) + 1;
	*ret_n = put_utf8(to, c);
	return true;
}

static struct us_err *decode(const struct us_xml *x, struct us_bytes raw, struct us_pool *pool,
			     const char **ret)
{
	char *text = us_pool_strndup(pool, (const char *)raw.p, raw.n), *to = text, c[4];
	const char *from = text;
	size_t used, n;

	if (!text)
		return us_err_nomem();
	while (*from) {
		if (*from != '&') {
			*to++ = *from++;
			continue;
		}
		if (!entity(from, c, &used, &n))
			return bad(x, "an unknown entity before");
		memcpy(to, c, n);
		to += n;
		from += used;
	}
	*to = 0;
	*ret = text;
	return NULL;
}

/* Behind what is no element: "<?...?>", "<!--...-->". */
static struct us_err *skip(struct us_xml *x, const char *end)
{
	size_t at = find(x, x->at, end);

	if (at == SIZE_MAX)
		return bad(x, "a declaration or comment without end");
	x->at = at + strlen(end);
	return NULL;
}

static struct us_err *give(struct us_pool *pool, struct us_bytes name, const char **ret)
{
	*ret = us_pool_strndup(pool, (const char *)name.p, name.n);
	return *ret ? NULL : us_err_nomem();
}

/* "</name>" at x->at. */
static struct us_err *close_element(struct us_xml *x, struct us_pool *pool, const char **ret_name,
				    const char **ret_text)
{
	struct us_bytes name = name_at(x, x->at + 2);
	size_t end = find(x, x->at, ">"), begin = x->at;

	if (end == SIZE_MAX || !name.n)
		return bad(x, "an end without end");
	*ret_text = NULL;
	if (x->open.n) {
		if (!us_bytes_equal(x->open, name))
			return bad(x, "the end of another element");
		US_TRY(decode(x, us_bytes_of(x->bytes.p + x->text_at, begin - x->text_at), pool,
			      ret_text));
	}
	x->open.n = 0;
	x->at = end + 1;
	return give(pool, name, ret_name);
}

struct us_err *us_xml_next(struct us_xml *x, struct us_pool *pool, const char **ret_name,
			   const char **ret_text)
{
	for (;;) {
		size_t at = find(x, x->at, "<"), end;

		if (at == SIZE_MAX) {
			if (x->open.n)
				return bad(x, "an element without end");
			*ret_name = *ret_text = NULL;
			return NULL;
		}
		x->at = at;
		if (starts(x, "</"))
			return close_element(x, pool, ret_name, ret_text);
		if (starts(x, "<?")) {
			US_TRY(skip(x, "?>"));
			continue;
		}
		if (starts(x, "<!--")) {
			US_TRY(skip(x, "-->"));
			continue;
		}
		end = find(x, at, ">");
		x->open = name_at(x, at + 1);
		if (starts(x, "<!") || end == SIZE_MAX || !x->open.n)
			return bad(x, "something that is no element");
		x->at = x->text_at = end + 1;
		if (x->bytes.p[end - 1] != '/')
			continue;
		*ret_text = "";
		US_TRY(give(pool, x->open, ret_name));
		x->open.n = 0;
		return NULL;
	}
}
