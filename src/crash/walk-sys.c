/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reading /sys for the walk: small files, links, lists of names, all below the host's root.
 * Links of /sys are relative ("../../devices/..."); they are resolved as text, so that a recorded
 * machine is read as the running one is. Nothing here knows what the files mean.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "crash/walk-int.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>

#define FILE_MAX (256u << 10)

static bool path_of(char *buf, const char *fmt, va_list ap)
{
	int n = vsnprintf(buf, PATH_MAX, fmt, ap);

	return n > 0 && n < PATH_MAX;
}

const char *us_walk_read(struct us_walk *walk, const char *fmt, ...)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	char path[PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	bool ok = path_of(path, fmt, ap);
	va_end(ap);
	if (!ok)
		return NULL;
	_us_err_free_ struct us_err *err =
		us_file_read_at(walk->host->root_fd, path, FILE_MAX, &blob);
	if (err)
		return NULL;
	return us_pool_strndup(walk->pool, (const char *)blob.p,
			       strcspn((const char *)blob.p, "\n"));
}

bool us_walk_exists(struct us_walk *walk, const char *fmt, ...)
{
	char path[PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	bool ok = path_of(path, fmt, ap);
	va_end(ap);
	return ok && faccessat(walk->host->root_fd, path, F_OK, 0) == 0;
}

/* "a/b/../c" -> "a/c", in place; a path that would leave the root stays in it. */
static void tidy(char *path)
{
	char *out = path, *part = path;

	while (*part) {
		size_t n = strcspn(part, "/");

		if (n == 2 && part[0] == '.' && part[1] == '.') {
			while (out > path && *--out != '/')
				;
		} else if (n && !(n == 1 && part[0] == '.')) {
			if (out > path)
				*out++ = '/';
			memmove(out, part, n);
			out += n;
		}
		part += n;
		part += strspn(part, "/");
	}
	*out = '\0';
}

const char *us_walk_link(struct us_walk *walk, const char *fmt, ...)
{
	char path[PATH_MAX], to[PATH_MAX];
	va_list ap;

	va_start(ap, fmt);
	bool ok = path_of(path, fmt, ap);
	va_end(ap);
	ssize_t n = ok ? readlinkat(walk->host->root_fd, path, to, sizeof(to) - 1) : -1;
	if (n <= 0)
		return NULL;
	to[n] = '\0';
	char *slash = strrchr(path, '/');
	char *full = to[0] == '/' || !slash
			     ? us_pool_strdup(walk->pool, to)
			     : us_pool_format(walk->pool, "%.*s/%s", (int)(slash - path), path, to);
	if (full)
		tidy(full);
	return full;
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

struct us_err *us_walk_list(struct us_walk *walk, const char *dir, const char *const **ret)
{
	int fd = openat(walk->host->root_fd, dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_us_closedir_ DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
	size_t n = 0, cap = 0;
	const char **names = NULL;

	for (const struct dirent *e; d && (e = readdir(d));) {
		if (e->d_name[0] == '.')
			continue;
		if (n + 1 >= cap) {
			const char **more = us_pool_array(walk->pool, cap * 2 + 16, sizeof(*more));

			if (!more)
				return us_err_nomem();
			if (n)
				memcpy(more, names, n * sizeof(*more));
			names = more;
			cap = cap * 2 + 16;
		}
		names[n] = us_pool_strdup(walk->pool, e->d_name);
		if (!names[n++])
			return us_err_nomem();
	}
	if (!names)
		names = us_pool_array(walk->pool, 1, sizeof(*names));
	if (!names)
		return us_err_nomem();
	if (n)
		qsort(names, n, sizeof(*names), by_text);
	*ret = names;
	return NULL;
}

const char *us_walk_base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}
