/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files below a folder, whose names come from a client: no link is followed and no name leads out
 * (far-request.c has seen to ".."). What is received lies below .uploads until it is whole, then it
 * takes its name by rename(2). Nothing is flushed to the disk: this outlives no rehearsal.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "target/far-int.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

#define OPEN_FLAGS (O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK)

/* The failed system call as what a client is told. */
static struct us_err *failed(struct us_far_conn *c, const char *doing)
{
	int e = errno;

	switch (e) {
	case ENOENT:
		return us_far_refuse(c, US_FAR_NO_SUCH_FILE, "it is not there");
	case ENOTDIR:
	case EISDIR:
	case ELOOP:
	case EEXIST:
	case ENOTEMPTY:
		return us_far_refuse(c, US_FAR_CONFLICT, "something else has that name");
	case ENAMETOOLONG:
		return us_far_refuse(c, US_FAR_INVALID_URI, "a name is too long");
	default:
		return us_target_os(e, "%s", doing);
	}
}

struct us_err *us_far_random(char ret[33])
{
	uint64_t noise[2];

	if (getrandom(noise, sizeof(noise), 0) != sizeof(noise))
		return us_err_os(errno, "asking for random numbers");
	snprintf(ret, 33, "%016llx%016llx", (unsigned long long)noise[0],
		 (unsigned long long)noise[1]);
	return NULL;
}

struct us_err *us_far_parent(struct us_far_conn *c, int root, const char *path, bool make,
			     int *ret_fd, const char **ret_name)
{
	size_t own = strlen(US_FAR_UPLOADS);
	_us_close_ int fd = -1;

	path += *path == '/';
	if (!strncmp(path, US_FAR_UPLOADS, own) && (!path[own] || path[own] == '/'))
		return us_far_refuse(c, US_FAR_INVALID_URI, "%s is not for clients", US_FAR_UPLOADS);
	fd = openat(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (const char *slash; fd >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
		_us_close_ int above = us_steal_fd(&fd);
		char *name = us_pool_strndup(&c->r.pool, path, (size_t)(slash - path));

		if (!name)
			return us_err_nomem();
		if (make && mkdirat(above, name, 0700) && errno != EEXIST)
			return failed(c, "making a folder");
		fd = openat(above, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	}
	if (fd < 0 && !make && errno == ENOTDIR) /* a link, too */
		errno = ENOENT;
	if (fd < 0)
		return failed(c, "opening a folder");
	if (!*path)
		return us_far_refuse(c, US_FAR_NO_SUCH_FILE, "that is a folder");
	*ret_fd = us_steal_fd(&fd);
	*ret_name = path;
	return NULL;
}

struct us_err *us_far_open(struct us_far_conn *c, int root, const char *path, int *ret_fd,
			   struct stat *ret)
{
	_us_close_ int folder = -1, fd = -1;
	const char *name;

	US_TRY(us_far_parent(c, root, path, false, &folder, &name));
	fd = openat(folder, name, O_RDONLY | OPEN_FLAGS);
	if (fd < 0 && errno != ELOOP) /* a link */
		return failed(c, "opening a file");
	if (fd < 0 || fstat(fd, ret) || !S_ISREG(ret->st_mode))
		return us_far_refuse(c, US_FAR_NO_SUCH_FILE, "that is no file");
	*ret_fd = us_steal_fd(&fd);
	return NULL;
}

struct us_err *us_far_remove(struct us_far_conn *c, int root, const char *path)
{
	_us_close_ int folder = -1;
	const char *name;

	US_TRY(us_far_parent(c, root, path, false, &folder, &name));
	return unlinkat(folder, name, 0) ? failed(c, "removing a file") : NULL;
}

/* ---- what is being received ---- */

void us_far_file_deinit(struct us_far_file *file)
{
	if (*file->name)
		unlinkat(file->folder, file->name, 0);
	us_closep(&file->folder);
	us_closep(&file->fd);
	*file = (struct us_far_file)US_FAR_NO_FILE;
}

struct us_err *us_far_begin(struct us_far_conn *c, int root, struct us_far_file *ret)
{
	_us_far_file_deinit_ struct us_far_file file = US_FAR_NO_FILE;
	char random[33];

	US_TRY(us_far_random(random));
	if (mkdirat(root, US_FAR_UPLOADS, 0700) && errno != EEXIST)
		return failed(c, "making the folder for uploads");
	file.folder = openat(root, US_FAR_UPLOADS, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (file.folder < 0)
		return failed(c, "opening the folder for uploads");
	snprintf(file.name, sizeof(file.name), "part-%s", random);
	file.fd = openat(file.folder, file.name, O_WRONLY | O_CREAT | O_EXCL | OPEN_FLAGS, 0600);
	if (file.fd < 0) {
		*file.name = 0;
		return failed(c, "creating a file");
	}
	*ret = file;
	file = (struct us_far_file)US_FAR_NO_FILE;
	return NULL;
}

static struct us_err *append(struct us_far_conn *c, int fd, struct us_bytes bytes)
{
	for (size_t done = 0; done < bytes.n;) {
		ssize_t n = write(fd, bytes.p + done, bytes.n - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return failed(c, "writing what comes");
		done += (size_t)n;
	}
	return NULL;
}

static void free_md(EVP_MD_CTX **md)
{
	EVP_MD_CTX_free(*md);
}

struct us_err *us_far_receive(struct us_far_conn *c, struct us_far_file *file,
			      char ret_hash[US_SHA256_HEX])
{
	__attribute__((cleanup(free_md))) EVP_MD_CTX *md = EVP_MD_CTX_new();
	uint8_t hash[EVP_MAX_MD_SIZE];
	struct us_bytes bytes;
	unsigned int n = 0;

	if (!md || !EVP_DigestInit_ex(md, EVP_sha256(), NULL))
		return us_err_nomem();
	for (;;) {
		US_TRY(us_far_body(c, &bytes));
		if (!bytes.n)
			break;
		US_TRY(append(c, file->fd, bytes));
		if (ret_hash && !EVP_DigestUpdate(md, bytes.p, bytes.n))
			return us_err_nomem();
	}
	if (!EVP_DigestFinal_ex(md, hash, &n))
		return us_err_nomem();
	for (unsigned int i = 0; ret_hash && i < n; i++)
		snprintf(ret_hash + (size_t)2 * i, 3, "%02x", hash[i]);
	return NULL;
}

struct us_err *us_far_settle(struct us_far_conn *c, struct us_far_file *file, int folder,
			     const char *name)
{
	if (renameat(file->folder, file->name, folder, name))
		return failed(c, "naming a file");
	*file->name = 0;
	return NULL;
}
