/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing a cpio archive as the kernel unpacks it into its first file system
 * (Documentation/driver-api/early-userspace/buffer-format.rst: "newc"). Everything belongs to root,
 * every time is 0, inode numbers are counted: the same files give the same bytes.
 */
#include "base/cleanup.h"
#include "crash/build-int.h"

#include <string.h>
#include <sys/stat.h>

static void pad(struct us_archive *archive)
{
	static const char zeros[4] = "";

	us_text_put(&archive->out, zeros, -archive->out.n & 3);
}

static struct us_err *entry(struct us_archive *archive, const char *path, unsigned int mode,
			    struct us_bytes bytes, unsigned int major, unsigned int minor)
{
	if (bytes.n > UINT32_MAX)
		return us_err_new(US_ERR_NO_ROOM, "%s has %zu bytes, more than an archive can hold",
				  path, bytes.n);
	unsigned int links = S_ISDIR(mode) ? 2 : 1;
	us_text_add(&archive->out, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		    ++archive->inode, mode, 0, 0, links, 0, (unsigned int)bytes.n, 0, 0, major,
		    minor, (unsigned int)strlen(path) + 1, 0);
	us_text_put(&archive->out, path, strlen(path) + 1);
	pad(archive);
	us_text_put(&archive->out, bytes.p, bytes.n);
	pad(archive);
	return archive->out.failed ? us_err_nomem() : NULL;
}

static bool has_dir(const struct us_archive *archive, const char *path)
{
	for (size_t i = 0; i < archive->n_dirs; i++)
		if (!strcmp(archive->dirs[i], path))
			return true;
	return false;
}

static struct us_err *parents(struct us_archive *archive, const char *path)
{
	for (const char *p = path + 1; (p = strchr(p, '/')); p++) {
		_us_free_ char *dir = strndup(path, (size_t)(p - path));

		if (!dir)
			return us_err_nomem();
		US_TRY(us_archive_dir(archive, dir));
	}
	return NULL;
}

struct us_err *us_archive_dir(struct us_archive *archive, const char *path)
{
	if (has_dir(archive, path))
		return NULL;
	US_TRY(parents(archive, path));
	if (archive->n_dirs == archive->cap_dirs) {
		size_t cap = archive->cap_dirs * 2 + 32;
		const char **more = us_pool_array(&archive->pool, cap, sizeof(*more));

		if (!more)
			return us_err_nomem();
		if (archive->n_dirs)
			memcpy(more, archive->dirs, archive->n_dirs * sizeof(*more));
		archive->dirs = more;
		archive->cap_dirs = cap;
	}
	archive->dirs[archive->n_dirs] = us_pool_strdup(&archive->pool, path);
	if (!archive->dirs[archive->n_dirs++])
		return us_err_nomem();
	return entry(archive, path + 1, S_IFDIR | 0755, (struct us_bytes){ 0 }, 0, 0);
}

struct us_err *us_archive_file(struct us_archive *archive, const char *path, unsigned int mode,
			       struct us_bytes bytes)
{
	US_TRY(parents(archive, path));
	return entry(archive, path + 1, S_IFREG | mode, bytes, 0, 0);
}

struct us_err *us_archive_link(struct us_archive *archive, const char *path, const char *to)
{
	US_TRY(parents(archive, path));
	return entry(archive, path + 1, S_IFLNK | 0777, us_bytes_of(to, strlen(to)), 0, 0);
}

struct us_err *us_archive_device(struct us_archive *archive, const char *path, unsigned int major,
				 unsigned int minor)
{
	US_TRY(parents(archive, path));
	return entry(archive, path + 1, S_IFCHR | 0600, (struct us_bytes){ 0 }, major, minor);
}

struct us_err *us_archive_take(struct us_archive *archive, struct us_blob *ret)
{
	char *bytes;

	archive->inode = 0xffffffff; /* the end is entry 0 */
	US_TRY(entry(archive, "TRAILER!!!", 0, (struct us_bytes){ 0 }, 0, 0));
	size_t n = archive->out.n;
	US_TRY(us_text_take(&archive->out, &bytes));
	*ret = (struct us_blob){ .p = (uint8_t *)bytes, .n = n };
	return NULL;
}

void us_archive_deinit(struct us_archive *archive)
{
	us_text_deinit(&archive->out);
	us_pool_deinit(&archive->pool);
}
