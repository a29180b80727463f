/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who may read what crashes leave: the modes of the configured directories, of those above them and
 * of what is in them. A dump holds all of memory, with every key and password in it. A directory
 * that can be reached on a second way (a bind mount) is judged by the one that is configured.
 * Looks, changes nothing.
 */
#include "crash/crash.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ENTRIES_MAX 4096 /* looked at in one directory */

struct walk {
	const struct us_host *host;
	struct us_pool *pool;
	struct us_exposure *ret;
	const char *found;  /* a file that others may read; NULL so far */
	const char *blind;  /* a directory that could not be read; NULL so far */
	const char *guard;  /* a directory that keeps others out, with its mode; NULL so far */
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

/* A directory that nobody else may pass: say so. */
static struct us_err *keeps_out(struct walk *w, const char *path, mode_t mode)
{
	w->guard = us_pool_format(w->pool, "%s (mode %04o)", path, (unsigned int)mode & 07777);
	return w->guard ? NULL : us_err_nomem();
}

/* Where an open directory is. */
static struct us_err *place_of(struct walk *w, int fd, const char **ret)
{
	char link[32], text[4096];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, text, sizeof(text));
	*ret = n > 0 ? us_pool_strndup(w->pool, text, (size_t)n) : "a directory above";
	return *ret ? NULL : us_err_nomem();
}

static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/* From an open directory up to the root: the first one that keeps others out. */
static struct us_err *look_up(struct walk *w, int start, bool *ret_shut)
{
	_us_close_ int fd = dup(start);
	struct stat root, st, below = { 0 };
	const char *path;

	*ret_shut = false;
	if (fd < 0 || fstat(w->host->root_fd, &root) < 0)
		return us_err_os(errno, "looking at the root directory");
	for (;;) {
		int up;

		if (fstat(fd, &st) < 0)
			return us_err_os(errno, "looking at a directory");
		if (!(st.st_mode & S_IXOTH)) {
			*ret_shut = true;
			US_TRY(place_of(w, fd, &path));
			return keeps_out(w, path, st.st_mode);
		}
		if (is_same(&st, &root) || is_same(&st, &below))
			return NULL;
		below = st;
		up = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0)
			return us_err_os(errno, "opening the directory above another");
		close(fd);
		fd = up;
	}
}

/* It could not be opened, but a directory on the way that shuts others out is answer enough. */
static struct us_err *look_down(struct walk *w, const char *path)
{
	struct stat st;

	for (size_t n = strcspn(path, "/");; n += 1 + strcspn(path + n + 1, "/")) {
		const char *part = us_pool_format(w->pool, "/%.*s", (int)n, path);

		if (!part)
			return us_err_nomem();
		if (fstatat(w->host->root_fd, part + 1, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
		    !S_ISDIR(st.st_mode))
			break;
		if (!(st.st_mode & S_IXOTH))
			return keeps_out(w, part, st.st_mode);
		if (!path[n])
			break;
	}
	w->blind = us_pool_format(w->pool, "/%s", path);
	return w->blind ? NULL : us_err_nomem();
}

static struct us_err *look_at(struct walk *w, const char *path)
{
	_us_close_ int fd = -1;
	bool shut;

	path += strspn(path, "/");
	fd = openat(w->host->root_fd, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd < 0 && errno != EACCES)
		return us_err_os(errno, "opening /%s", path);
	w->places++;
	if (fd < 0)
		return look_down(w, path);
	US_TRY(look_up(w, fd, &shut));
	return shut ? NULL : look_into(w, fd, us_pool_format(w->pool, "/%s", path), 0);
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
					     w.guard    ? us_pool_format(pool,
									 "not everyone may read "
									    "what is saved: %s keeps "
									    "others out",
									 w.guard)
					     : w.places ? "not everyone may read what is saved"
					     : w.far ? "dumps go to other places than a directory"
						     : "no directory for dumps is there" };
	ret->places = w.places;
	ret->far = w.far;
	ret->targets = targets;
	return ret->fact && targets ? NULL : us_err_nomem();
}
