/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What pstore kept of a crash: records of a kernel's log ("dmesg-BACKEND-...") in its own file
 * system, or where systemd-pstore has moved them and put them together ("dmesg.txt", in folders of
 * up to two levels). Only names and times are read. Documentation/ABI/testing/pstore (Linux 6.12).
 */
#include "base/cleanup.h"
#include "crash/crash.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define DEPTH_MOST 2

struct look {
	struct us_pool *pool;
	struct us_crash_kept_log *ret;
	time_t newest;
};

static struct us_err *look_in(struct look *l, int dir, const char *name, const char *path,
			      unsigned int depth) us_must_check;

static struct us_err *look_at(struct look *l, int dir, const char *name, const char *folder,
			      unsigned int depth)
{
	const char *path = us_pool_format(l->pool, "%s/%s", folder, name);
	struct stat st;

	if (!path)
		return us_err_nomem();
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW))
		return NULL;
	if (S_ISDIR(st.st_mode) && depth < DEPTH_MOST)
		return look_in(l, dir, name, path, depth + 1);
	if (!S_ISREG(st.st_mode) || (strncmp(name, "dmesg-", 6) && strcmp(name, "dmesg.txt")))
		return NULL;
	l->ret->n++;
	if (!l->ret->path || st.st_mtime > l->newest ||
	    (st.st_mtime == l->newest && strcmp(path, l->ret->path) < 0)) {
		l->ret->path = path;
		l->newest = st.st_mtime;
	}
	return NULL;
}

/* A folder that cannot be read has nothing for us. */
static struct us_err *look_in(struct look *l, int dir, const char *name, const char *path,
			      unsigned int depth)
{
	int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_us_closedir_ DIR *d = fd >= 0 ? fdopendir(fd) : NULL;

	for (const struct dirent *e; d && (e = readdir(d));)
		if (e->d_name[0] != '.')
			US_TRY(look_at(l, dirfd(d), e->d_name, path, depth));
	return NULL;
}

struct us_err *us_crash_kept_log(int root_fd, struct us_pool *pool, struct us_crash_kept_log *ret)
{
	static const char *const places[] = { "/sys/fs/pstore", "/var/lib/systemd/pstore" };
	struct us_crash_kept_log all = { 0 };
	struct look l = { .pool = pool, .ret = &all };
	char at[32] = "";
	struct tm tm;

	for (size_t i = 0; i < us_array_size(places); i++)
		US_TRY(look_in(&l, root_fd, places[i] + 1, places[i], 0));
	if (all.path && gmtime_r(&l.newest, &tm))
		strftime(at, sizeof(at), "%Y-%m-%dT%H:%M:%SZ", &tm);
	all.at = us_pool_strdup(pool, at);
	if (!all.at)
		return us_err_nomem();
	*ret = all;
	return NULL;
}
