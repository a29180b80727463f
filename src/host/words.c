/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The words of a kernel command line, cut as the kernel cuts them (Linux 6.12 lib/cmdline.c:
 * next_arg; kernel/params.c: parameq for '-' and '_', parse_args for "--"). Values are not touched.
 */
#include "host/host.h"

#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

bool us_cmdline_next(const char **at, struct us_cmdline_word *ret)
{
	const char *p = *at, *start;
	bool quoted = false;

	while (is_blank(*p))
		p++;
	start = p;
	for (; *p && (quoted || !is_blank(*p)); p++)
		if (*p == '"')
			quoted = !quoted;
	if (p == start || (p - start == 2 && memcmp(start, "--", 2) == 0)) {
		*at = start;
		return false;
	}
	*ret = (struct us_cmdline_word){ .p = start, .n = (size_t)(p - start) };
	*at = p;
	return true;
}

static char plain(char c)
{
	return c == '-' ? '_' : c;
}

bool us_cmdline_is(const struct us_cmdline_word *word, const char *name)
{
	size_t skip = word->n && word->p[0] == '"', n = strlen(name);

	if (word->n - skip < n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (plain(word->p[skip + i]) != plain(name[i]))
			return false;
	return word->n - skip == n || word->p[skip + n] == '=' || word->p[skip + n] == '"';
}
