/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A directory of a file system that is mounted (a block device's, or NFS): one directory a crash,
 * 0700, its files 0600. Each file is written beside its name, brought to the disk and renamed; the
 * directory, too, is brought to the disk, so that what is there after a power cut is whole. Links
 * that somebody has laid in the way are not followed below the target's own directory.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "target/target-int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define BLOCK 4096u

struct dir {
	char *path;
	int fd;
};

static struct dir *dir_of(const struct us_target *t)
{
	return t->data;
}

static struct us_err *make_folders(const char *path)
{
	_us_err_free_ struct us_err *err = us_file_folders(path, 0700, 0700);

	return err && err->os_errno ? us_target_os(err->os_errno, "making %s", path)
				    : us_steal(&err);
}

static struct us_err *dir_open(struct us_target *t)
{
	struct dir *d = us_pool_alloc(&t->pool, sizeof(*d));

	if (!d)
		return us_err_nomem();
	d->fd = -1;
	t->data = d;
	d->path = us_pool_format(&t->pool, "%s%s%s", t->root,
				 *t->root && *t->spec.path != '/' ? "/" : "", t->spec.path);
	if (!d->path)
		return us_err_nomem();
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->fd < 0 && errno == ENOENT) {
		US_TRY(make_folders(d->path));
		d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	return d->fd < 0 ? us_target_os(errno, "opening %s", d->path) : NULL;
}

static void dir_close(struct us_target *t)
{
	struct dir *d = dir_of(t);

	if (d)
		us_closep(&d->fd);
}

static struct us_err *dir_free_bytes(struct us_target *t, uint64_t *ret)
{
	struct statvfs fs;
	uint64_t bytes;

	if (fstatvfs(dir_of(t)->fd, &fs))
		return us_err_os(errno, "asking for the room in %s", dir_of(t)->path);
	if (!us_mul((uint64_t)fs.f_bavail, (uint64_t)fs.f_frsize, &bytes))
		bytes = UINT64_MAX;
	*ret = bytes;
	return NULL;
}

static struct us_err *open_crash(struct us_target *t, const char *crash, bool make, int *ret)
{
	struct dir *d = dir_of(t);
	int fd;

	if (make && mkdirat(d->fd, crash, 0700) && errno != EEXIST)
		return us_target_os(errno, "making %s/%s", d->path, crash);
	fd = openat(d->fd, crash, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return us_target_os(errno, "opening %s/%s", d->path, crash);
	*ret = fd;
	return NULL;
}

static struct us_err *write_beside(struct us_target *t, int dir, const char *beside,
				   struct us_bytes bytes)
{
	_us_close_ int fd =
		openat(dir, beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	_us_err_free_ struct us_err *err = NULL;

	if (fd < 0)
		return us_target_os(errno, "%s: creating %s", t->spec.text, beside);
	err = us_file_write_all(fd, bytes, beside);
	if (err)
		return us_target_os(err->os_errno, "%s: writing %s", t->spec.text, beside);
	if (fsync(fd))
		return us_target_os(errno, "%s: bringing %s to the disk", t->spec.text, beside);
	return NULL;
}

static struct us_err *dir_put(struct us_target *t, const char *crash, const char *name,
			      struct us_bytes bytes)
{
	_us_free_ char *beside = NULL;
	_us_close_ int dir = -1;
	struct us_err *err;

	US_TRY(us_text_format(&beside, ".%s.new", name));
	US_TRY(open_crash(t, crash, true, &dir));
	err = write_beside(t, dir, beside, bytes);
	if (!err && renameat(dir, beside, dir, name))
		err = us_target_os(errno, "%s: giving %s its name", t->spec.text, name);
	if (err) {
		unlinkat(dir, beside, 0);
		return err;
	}
	if (fsync(dir) || fsync(dir_of(t)->fd))
		return us_target_os(errno, "%s: bringing the name of %s to the disk", t->spec.text,
				    name);
	return NULL;
}

/* From the disk, not from memory, as far as the kernel follows the advice. */
static int open_cold(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd >= 0)
		posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	return fd;
}

static struct us_err *dir_get(struct us_target *t, const char *crash, const char *name, size_t max,
			      struct us_blob *ret)
{
	_us_blob_deinit_ struct us_blob b = { 0 };
	_us_close_ int dir = -1, fd = -1;
	struct stat st;
	size_t n = 0;

	US_TRY(open_crash(t, crash, false, &dir));
	fd = open_cold(dir, name);
	if (fd < 0 || fstat(fd, &st))
		return us_err_os(errno, "%s: opening %s/%s", t->spec.text, crash, name);
	US_TRY(us_blob_new((uint64_t)st.st_size < max ? (size_t)st.st_size : max, &b));
	while (n < b.n) {
		ssize_t got = read(fd, b.p + n, b.n - n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return us_err_os(errno, "%s: reading %s/%s", t->spec.text, crash, name);
		if (!got)
			break;
		n += (size_t)got;
	}
	b.n = n;
	*ret = us_blob_steal(&b);
	return NULL;
}

static struct us_err *dir_dump_begin(struct us_target *t, const char *crash, const char **ret_path,
				     struct us_sink **ret_sink)
{
	_us_close_ int dir = -1;
	const char *path;

	(void)ret_sink;
	US_TRY(open_crash(t, crash, true, &dir));
	path = us_pool_format(&t->pool, "%s/%s/dump", dir_of(t)->path, crash);
	if (!path)
		return us_err_nomem();
	*ret_path = path;
	return NULL;
}

static struct us_err *dir_dump_end(struct us_target *t, bool finished, struct us_pool *pool,
				   const char **ret_where)
{
	const char *name = finished ? "dump" : "dump.incomplete";
	const char *where = us_pool_format(pool, "%s/%s/%s", dir_of(t)->path, t->crash, name);
	_us_close_ int dir = -1, fd = -1;
	uint8_t block[BLOCK];
	ssize_t got;

	if (!where)
		return us_err_nomem();
	US_TRY(open_crash(t, t->crash, false, &dir));
	if (finished) {
		fd = open_cold(dir, name);
		got = fd < 0 ? -1 : pread(fd, block, sizeof(block), 0);
		if (got < 0)
			return us_err_os(errno, "%s: reading the dump back", t->spec.text);
		if (!got)
			return us_err_new(US_ERR_BAD_DATA, "%s: the dump is empty", t->spec.text);
	}
	if (fsync(dir) || fsync(dir_of(t)->fd))
		return us_target_os(errno, "%s: bringing the dump's name to the disk", t->spec.text);
	*ret_where = where;
	return NULL;
}

/* fd is taken over. */
static struct us_err *open_list(int fd, DIR **ret)
{
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir) {
		struct us_err *err = us_err_os(errno, "listing a directory");

		us_closep(&fd);
		return err;
	}
	*ret = dir;
	return NULL;
}

static struct us_err *measure_crash(struct us_target *t, const char *crash, struct us_saved *ret)
{
	_us_closedir_ DIR *dir = NULL;
	struct us_saved s = { .crash = crash };
	bool incomplete = false;
	const struct dirent *e;
	struct stat st;
	int fd = -1;

	US_TRY(open_crash(t, crash, false, &fd));
	US_TRY(open_list(fd, &dir));
	while ((e = readdir(dir))) {
		if (fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
			continue;
		s.bytes += (uint64_t)st.st_blocks * 512;
		s.has_dump |= !strcmp(e->d_name, "dump");
		s.has_log |= !strcmp(e->d_name, "log.txt");
		incomplete |= !strcmp(e->d_name, "dump.incomplete");
	}
	s.incomplete = incomplete && !s.has_dump;
	*ret = s;
	return NULL;
}

static struct us_err *dir_list(struct us_target *t, struct us_pool *pool,
			       const struct us_saved **ret, size_t *ret_n)
{
	_us_closedir_ DIR *dir = NULL;
	struct us_saved *list = NULL;
	size_t n = 0, room = 0;
	const struct dirent *e;

	US_TRY(open_list(openat(dir_of(t)->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), &dir));
	while ((e = readdir(dir))) {
		const char *name;

		if (!us_target_is_crash(e->d_name))
			continue;
		if (n == room) {
			struct us_saved *more =
				us_pool_array(pool, room ? room * 2 : 16, sizeof(*more));

			if (!more)
				return us_err_nomem();
			if (n)
				memcpy(more, list, n * sizeof(*more));
			list = more;
			room = room ? room * 2 : 16;
		}
		name = us_pool_strdup(pool, e->d_name);
		if (!name)
			return us_err_nomem();
		us_err_free(measure_crash(t, name, &list[n]));
		n += !!list[n].crash;
	}
	*ret = list;
	*ret_n = n;
	return NULL;
}

/* The files of a crash, and the crash. What hooks left may be folders, but not deep ones. */
static struct us_err *remove_below(int parent, const char *name, unsigned int depth)
{
	int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	_us_closedir_ DIR *dir = NULL;
	const struct dirent *e;

	if (fd < 0)
		return us_err_os(errno, "opening %s", name);
	US_TRY(open_list(fd, &dir));
	while ((e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (!unlinkat(fd, e->d_name, 0))
			continue;
		if (errno != EISDIR || !depth)
			return us_err_os(errno, "removing %s/%s", name, e->d_name);
		US_TRY(remove_below(fd, e->d_name, depth - 1));
	}
	if (unlinkat(parent, name, AT_REMOVEDIR))
		return us_err_os(errno, "removing %s", name);
	return NULL;
}

static struct us_err *dir_remove(struct us_target *t, const char *crash)
{
	return remove_below(dir_of(t)->fd, crash, 4);
}

const struct us_target_ops us_target_dir = {
	.open = dir_open,
	.close = dir_close,
	.free_bytes = dir_free_bytes,
	.put = dir_put,
	.get = dir_get,
	.dump_begin = dir_dump_begin,
	.dump_end = dir_dump_end,
	.list = dir_list,
	.remove = dir_remove,
};

/* The same, once it is mounted (nfs.c). */
const struct us_target_ops us_target_nfs = {
	.open = us_nfs_open,
	.close = us_nfs_close,
	.free_bytes = dir_free_bytes,
	.put = dir_put,
	.get = dir_get,
	.dump_begin = dir_dump_begin,
	.dump_end = us_nfs_dump_end,
	.list = dir_list,
	.remove = dir_remove,
};
