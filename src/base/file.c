/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of file.h. Special files (/proc, /sys) report size 0 and are read until they end. */
#include "base/file.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct us_err *read_all(int fd, const char *path, size_t max, struct us_blob *ret)
{
	_us_free_ uint8_t *buf = NULL;
	size_t n = 0, cap = 0;

	for (;;) {
		ssize_t got;

		if (n + 1 >= cap) {
			uint8_t *more = realloc(buf, cap = cap ? cap * 2 : 4096);

			if (!more)
				return us_err_nomem();
			buf = more;
		}
		got = read(fd, buf + n, cap - n - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return us_err_os(errno, "reading %s at 0x%zx", path, n);
		n += (size_t)got;
		if (n > max)
			return us_err_new(US_ERR_BAD_DATA, "%s is longer than %zu bytes", path, max);
		if (!got)
			break;
	}
	buf[n] = '\0';
	*ret = (struct us_blob){ .p = us_steal(&buf), .n = n };
	return NULL;
}

struct us_err *us_file_map(const char *path, struct us_blob *ret)
{
	_us_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat st;
	void *p;

	if (fd < 0)
		return us_err_os(errno, "opening %s", path);
	if (fstat(fd, &st) < 0)
		return us_err_os(errno, "looking at %s", path);
	if (S_ISDIR(st.st_mode))
		return us_err_os(EISDIR, "reading %s", path);
	if (S_ISCHR(st.st_mode) || S_ISBLK(st.st_mode)) /* it may never end */
		return us_err_new(US_ERR_UNSUPPORTED, "%s is a device, not a file", path);
	if (S_ISREG(st.st_mode) && !st.st_size)
		return us_blob_new(0, ret);
	p = S_ISREG(st.st_mode) ? mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0)
				: MAP_FAILED;
	if (p == MAP_FAILED)
		return read_all(fd, path, SIZE_MAX / 4, ret);
	*ret = (struct us_blob){ .p = p, .n = (size_t)st.st_size, .mapped = (size_t)st.st_size };
	return NULL;
}

static bool is_root(int dirfd)
{
	struct stat here, root;

	return fstat(dirfd, &here) == 0 && stat("/", &root) == 0 && here.st_dev == root.st_dev &&
	       here.st_ino == root.st_ino;
}

struct us_err *us_file_read_at(int dirfd, const char *path, size_t max, struct us_blob *ret)
{
	struct open_how how = { .flags = O_RDONLY | O_CLOEXEC | O_NOCTTY };
	_us_close_ int fd = -1;

	while (*path == '/')
		path++;
	if (!is_root(dirfd))
		how.resolve = RESOLVE_IN_ROOT;
	fd = (int)syscall(SYS_openat2, dirfd, path, &how, sizeof(how));
	if (fd < 0 && errno == ENOSYS) /* before Linux 5.6: no protection, same answer */
		fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return us_err_os(errno, "opening /%s", path);
	return read_all(fd, path, max, ret);
}

struct us_err *us_file_write_all(int fd, struct us_bytes bytes, const char *what)
{
	for (size_t done = 0; done < bytes.n;) {
		ssize_t n = write(fd, bytes.p + done, bytes.n - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return us_err_os(errno, "writing %s at 0x%zx", what, done);
		done += (size_t)n;
	}
	return NULL;
}

struct us_err *us_file_replace(const char *path, struct us_bytes bytes)
{
	_us_free_ char *tmp = NULL;
	_us_close_ int fd = -1;
	struct us_err *err;
	mode_t mask = umask(0); /* there is no other way to ask for it */

	umask(mask);
	US_TRY(us_text_format(&tmp, "%s.XXXXXX", path));
	fd = mkostemp(tmp, O_CLOEXEC);
	if (fd < 0)
		return us_err_os(errno, "creating a file beside %s", path);
	err = us_file_write_all(fd, bytes, tmp);
	if (!err && (fchmod(fd, 0644 & ~mask) < 0 || fsync(fd) < 0 || rename(tmp, path) < 0))
		err = us_err_os(errno, "writing %s", path);
	if (err)
		unlink(tmp);
	return err;
}

const char *us_file_ours(const char *name, struct us_pool *pool)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const char *path = NULL;

	if (n > 0) {
		self[n] = 0;
		*strrchr(self, '/') = 0;
		path = us_pool_format(pool, "%s/%s", self, name);
	}
	if (path && !access(path, X_OK))
		return path;
	path = us_pool_format(pool, "%s/%s", US_LIBEXEC_DIR, name);
	return path && !access(path, X_OK) ? path : NULL;
}

struct us_err *us_file_memfd(const char *name, struct us_bytes bytes, int *ret_fd)
{
	_us_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return us_err_os(errno, "making an anonymous file for %s", name);
	US_TRY(us_file_write_all(fd, bytes, name));
	if (lseek(fd, 0, SEEK_SET) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		return us_err_os(errno, "sealing the anonymous file for %s", name);
	*ret_fd = us_steal_fd(&fd);
	return NULL;
}

struct us_err *us_file_private(const char *path, FILE **ret)
{
	_us_close_ int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0 || fstat(fd, &st))
		return us_err_os(errno, "creating %s", path);
	/* it may have been there; a terminal or a pipe keeps its mode */
	if (S_ISREG(st.st_mode) && st.st_mode & 077 && fchmod(fd, 0600))
		return us_err_os(errno, "keeping %s from others", path);
	*ret = fdopen(fd, "w");
	if (!*ret)
		return us_err_os(errno, "creating %s", path);
	fd = -1;
	return NULL;
}

struct us_err *us_file_folders(const char *path, mode_t above, mode_t last)
{
	_us_free_ char *copy = strdup(path);

	if (!copy)
		return us_err_nomem();
	for (char *slash = strchr(copy + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		/* one that is missing on a read-only file system is told by the next */
		if (mkdir(copy, above) && errno != EEXIST && errno != EROFS)
			return us_err_os(errno, "making %s", copy);
		*slash = '/';
	}
	if (mkdir(copy, last) && errno != EEXIST)
		return us_err_os(errno, "making %s", copy);
	return NULL;
}

struct us_err *us_file_temporary(const char *usual, const char *name, struct us_pool *pool,
				 const char **ret)
{
	const char *tmp = getenv("TMPDIR");
	char *path;

	if (!tmp || !*tmp)
		tmp = usual;
	path = us_pool_format(pool, "%s/%s-XXXXXX", tmp, name);
	if (!path)
		return us_err_nomem();
	if (!mkdtemp(path))
		return us_err_os(errno, "making a folder in %s", tmp);
	*ret = path;
	return NULL;
}
