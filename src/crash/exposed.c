/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may read what crashes leave: the modes of the configured directories and of what is in them.
 * A dump holds all of memory, with every key and password in it. Looks, changes nothing.
 */
#include "crash/crash.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define ENTRIES_MAX 4096 /* looked at in one directory */

struct walk {
	const struct us_host *host;
	struct us_pool *pool;
	struct us_exposure *ret;
	const char *found;  /* a file that others may read; NULL so far */
	const char *blind;  /* a directory that could not be read; NULL so far */
	size_t places, far; /* directories that are there; targets on other machines */
};

/* Below a directory that others may enter: what they may read. */
static struct us_err *look_into(struct walk *w, int dirfd, const char *path, int depth)
{
	_us_closedir_ DIR *d = fdopendir(dup(dirfd));
	struct dirent *e;

	if (!d)
		return us_err_os(errno, "reading %s", path);
	for (int i = 0; !w->found && (e = readdir(d)); i++) {
		_us_close_ int fd = -1;
		const char *name;
		struct stat st;

		if (i >= ENTRIES_MAX) {
			w->blind = path;
			return NULL;
		}
		if (e->d_name[0] == '.' || fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
			continue;
		name = us_pool_format(w->pool, "%s/%s", path, e->d_name);
		if (!name)
			return us_err_nomem();
		if (S_ISREG(st.st_mode) && st.st_mode & S_IROTH)
			w->found = name;
		if (!S_ISDIR(st.st_mode) || !(st.st_mode & S_IXOTH) || depth > 2)
			continue;
		fd = openat(dirfd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (fd < 0)
			w->blind = name;
		else
			US_TRY(look_into(w, fd, name, depth + 1));
	}
	return NULL;
}

static struct us_err *look_at(struct walk *w, const char *path)
{
	_us_close_ int fd = -1;
	struct stat st;

	path += strspn(path, "/");
	fd = openat(w->host->root_fd, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd < 0 && errno != EACCES)
		return us_err_os(errno, "opening /%s", path);
	w->places++;
	if (fd < 0) {
		/* it can be judged by its mode alone if that shuts others out */
		if (fstatat(w->host->root_fd, path, &st, 0) < 0 || st.st_mode & S_IXOTH)
			w->blind = us_pool_format(w->pool, "/%s", path);
		return NULL;
	}
	if (fstat(fd, &st) < 0)
		return us_err_os(errno, "looking at /%s", path);
	if (!(st.st_mode & S_IXOTH))
		return NULL;
	return look_into(w, fd, us_pool_format(w->pool, "/%s", path), 0);
}

static const char *paths_of(struct us_pool *pool, const struct us_crash_config *config)
{
	const char *all = "";

	for (size_t i = 0; all && i < config->n_targets; i++)
		all = us_pool_format(pool, "%s%s%s", all, *all ? ", " : "", config->targets[i].text);
	return all;
}

struct us_err *us_crash_exposed(const struct us_host *host, const struct us_crash_config *config,
				struct us_pool *pool, struct us_exposure *ret)
{
	struct walk w = { .host = host, .pool = pool, .ret = ret };
	const char *targets = paths_of(pool, config);

	for (size_t i = 0; i < config->n_targets; i++) {
		if (config->targets[i].kind == US_TARGET_DIR)
			US_TRY(look_at(&w, config->targets[i].path));
		else
			w.far++;
	}
	if (w.found)
		*ret = (struct us_exposure){ US_YES, us_pool_format(pool, "everyone may read %s",
								    w.found) };
	else if (w.blind)
		*ret = (struct us_exposure){
			US_UNKNOWN,
			us_pool_format(pool, "%s could not be looked into wholly", w.blind)
		};
	else
		*ret = (struct us_exposure){ US_NO,
					     w.places ? "not everyone may read what is saved"
					     : w.far  ? "dumps go to other places than a directory"
						      : "no directory for dumps is there" };
	ret->places = w.places;
	ret->far = w.far;
	ret->targets = targets;
	return ret->fact && targets ? NULL : us_err_nomem();
}
