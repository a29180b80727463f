/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mount that holds a directory, by /proc/self/mountinfo (proc(5); Linux 6.12
 * fs/proc_namespace.c: show_mountinfo). Text in, values out.
 */
#include "crash/walk-int.h"

#include <string.h>

/* The next word of a line; octal escapes (\040) are still in it. */
static bool word_next(struct us_bytes *line, struct us_bytes *ret)
{
	size_t skip = 0, n = 0;

	while (skip < line->n && line->p[skip] == ' ')
		skip++;
	while (skip + n < line->n && line->p[skip + n] != ' ')
		n++;
	*ret = us_bytes_of(line->p + skip, n);
	*line = us_bytes_of(line->p + skip + n, line->n - skip - n);
	return n > 0;
}

static const char *unescaped(struct us_pool *pool, struct us_bytes word)
{
	char *s = us_pool_strndup(pool, (const char *)word.p, word.n);
	char *out = s;

	for (const char *p = s; p && *p; p++, out++) {
		*out = *p;
		if (p[0] == '\\' && p[1] >= '0' && p[1] <= '3' && p[2] >= '0' && p[2] <= '7' &&
		    p[3] >= '0' && p[3] <= '7') {
			*out = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			p += 3;
		}
	}
	if (s)
		*out = '\0';
	return s;
}

static struct us_err *line_parse(struct us_bytes line, struct us_pool *pool, struct us_mount *ret)
{
	struct us_bytes words[10] = { 0 };
	char numbers[32] = "";
	size_t n = 0;

	/* id parent major:minor root point options [tags...] - type source options */
	for (struct us_bytes w; n < 6 && word_next(&line, &w); n++)
		words[n] = w;
	for (struct us_bytes w; word_next(&line, &w) && !(w.n == 1 && w.p[0] == '-');)
		;
	for (struct us_bytes w; n >= 6 && n < 9 && word_next(&line, &w); n++)
		words[n] = w;
	if (n < 9 || words[2].n >= sizeof(numbers))
		return us_err_new(US_ERR_BAD_DATA, "a line of mountinfo is cut short");
	memcpy(numbers, words[2].p, words[2].n);
	if (sscanf(numbers, "%u:%u", &ret->major, &ret->minor) != 2)
		return us_err_new(US_ERR_BAD_DATA, "mountinfo: \"%s\" is no device number", numbers);
	ret->root = unescaped(pool, words[3]);
	ret->point = unescaped(pool, words[4]);
	ret->type = unescaped(pool, words[6]);
	ret->source = unescaped(pool, words[7]);
	ret->options = unescaped(pool, words[8]);
	return ret->options && ret->source && ret->type && ret->point && ret->root ? NULL
										   : us_err_nomem();
}

/* How much of path the mount point covers; 0 if path is not below it. */
static size_t covers(const char *point, const char *path)
{
	size_t n = strlen(point);

	if (!strcmp(point, "/"))
		return 1;
	return !strncmp(point, path, n) && (path[n] == '/' || !path[n]) ? n : 0;
}

struct us_err *us_mount_find(struct us_bytes mountinfo, const char *path, struct us_pool *pool,
			     struct us_mount *ret)
{
	size_t best = 0;

	while (mountinfo.n) {
		const uint8_t *end = memchr(mountinfo.p, '\n', mountinfo.n);
		size_t n = end ? (size_t)(end - mountinfo.p) : mountinfo.n;
		struct us_mount mount = { 0 };

		if (n) {
			US_TRY(line_parse(us_bytes_of(mountinfo.p, n), pool, &mount));
			size_t covered = covers(mount.point, path);
			if (covered && covered >= best) { /* of two at one place the later hides */
				best = covered;
				*ret = mount;
			}
		}
		n += end != NULL;
		mountinfo = us_bytes_of(mountinfo.p + n, mountinfo.n - n);
	}
	return best ? NULL : us_err_new(US_ERR_NOT_FOUND, "no mount holds %s", path);
}
