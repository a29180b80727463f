/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file a dump goes to: written beside its name as NAME.incomplete and renamed at the end; a
 * block device, written in place from its first byte; or a stream that is only appended to. What
 * cannot grow is US_ERR_NO_ROOM, so that the dump can be closed smaller; every other failure of
 * writing is an error.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "dump/dump-int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define CLEAR_BYTES (256u << 10)

static ssize_t plain_pwrite(void *data, int fd, const void *p, size_t n, off_t at)
{
	(void)data;
	return at < 0 ? write(fd, p, n) : pwrite(fd, p, n, at);
}

static struct us_err *open_beside(const char *path, struct us_out *out)
{
	US_TRY(us_text_format(&out->path_tmp, "%s.incomplete", path));
	(void)!unlink(out->path_tmp); /* whose it may be, and who may read it, is not known */
	out->fd = open(out->path_tmp, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (out->fd < 0)
		return us_err_os(errno, "creating %s", out->path_tmp);
	out->seekable = true;
	return NULL;
}

/* Not one that is mounted or in use otherwise. */
static struct us_err *open_device(const char *path, bool overwrite, struct us_out *out)
{
	off_t end;

	if (!overwrite)
		return us_err_new(US_ERR_USAGE,
				  "%s is a block device: what stands on it would be written over",
				  path);
	out->fd = open(path, O_RDWR | O_EXCL | O_CLOEXEC);
	if (out->fd < 0)
		return us_err_os(errno, "opening %s", path);
	end = lseek(out->fd, 0, SEEK_END);
	if (end <= 0 || lseek(out->fd, 0, SEEK_SET))
		return us_err_os(end ? errno : ENXIO, "measuring %s", path);
	out->device_bytes = (uint64_t)end;
	out->seekable = true;
	return NULL;
}

struct us_err *us_out_open(const char *path, int out_fd, bool overwrite, struct us_out *ret)
{
	struct us_out out = { .fd = -1, .pwrite = plain_pwrite };
	struct us_err *err = NULL;
	struct stat st;

	if (!strcmp(path, "-")) {
		out.fd = dup(out_fd);
		if (out.fd < 0)
			return us_err_os(errno, "the output");
		*ret = out;
		return NULL;
	}
	US_TRY(us_text_format(&out.path, "%s", path));
	if (stat(path, &st) || S_ISREG(st.st_mode)) {
		if (!overwrite && !access(path, F_OK))
			err = us_err_new(US_ERR_USAGE, "%s exists", path);
		else
			err = open_beside(path, &out);
	} else if (S_ISBLK(st.st_mode)) {
		err = open_device(path, overwrite, &out);
	} else {
		out.fd = open(path, O_WRONLY | O_CLOEXEC);
		if (out.fd < 0)
			err = us_err_os(errno, "opening %s", path);
	}
	if (err) {
		us_out_deinit(&out);
		return err;
	}
	*ret = out;
	return NULL;
}

struct us_err *us_out_open_sink(struct us_sink *sink, enum us_dump_format format, struct us_out *ret)
{
	struct us_out out = { .fd = -1, .pwrite = plain_pwrite };
	uint64_t least = 1;

	out.seekable = sink->order == US_SINK_ANY ||
		       (sink->order == US_SINK_HEAD_LAST && format == US_DUMP_KDUMP);
	US_TRY(us_far_new(sink, &out.far));
	if (!out.seekable) { /* a stream: the least that is kept back will do */
		struct us_err *err = us_far_head(out.far, &least);

		if (err) {
			us_out_deinit(&out);
			return err;
		}
	}
	*ret = out;
	return NULL;
}

static const char *out_name(const struct us_out *out)
{
	return out->path_tmp ? out->path_tmp : out->path ? out->path : "the output";
}

static struct us_err *write_at(struct us_out *out, off_t at, const void *p, size_t n)
{
	const uint8_t *from = p;

	while (n) {
		ssize_t got = out->pwrite(out->pwrite_data, out->fd, from, n, at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG)) {
			struct us_err *err = us_err_new(US_ERR_NO_ROOM, "%s: %s", out_name(out),
							strerror(errno));

			return err;
		}
		if (got < 0)
			return us_err_os(errno, "writing %s", out_name(out));
		if (!got)
			return us_err_new(US_ERR_OS, "writing %s: nothing was taken", out_name(out));
		from += got;
		n -= (size_t)got;
		if (at >= 0)
			at += got;
	}
	return NULL;
}

struct us_err *us_out_write(struct us_out *out, uint64_t at, const void *p, size_t n)
{
	if (out->far)
		return us_far_write(out->far, at, p, n);
	return write_at(out, (off_t)at, p, n);
}

struct us_err *us_out_append(struct us_out *out, const void *p, size_t n)
{
	if (out->far)
		US_TRY(us_far_write(out->far, out->at, p, n));
	else
		US_TRY(write_at(out, -1, p, n));
	out->at += n;
	return NULL;
}

struct us_err *us_out_settle(const struct us_out *out)
{
	return out->far ? us_far_settle(out->far) : NULL;
}

struct us_err *us_out_read(const struct us_out *out, uint64_t at, void *p, size_t n)
{
	uint8_t *to = p;

	if (out->far)
		return us_far_read(out->far, at, p, n);
	while (n) {
		ssize_t got = pread(out->fd, to, n, (off_t)at);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return us_err_os(errno, "reading %s back", out_name(out));
		if (!got)
			return us_err_new(US_ERR_BAD_DATA, "reading %s back: it ends at 0x%llx",
					  out_name(out), (unsigned long long)at);
		to += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return NULL;
}

struct us_err *us_out_resize(struct us_out *out, uint64_t bytes)
{
	if (out->device_bytes && bytes > out->device_bytes)
		return us_err_new(US_ERR_NO_ROOM, "%s has %" PRIu64 " bytes", out_name(out),
				  out->device_bytes);
	if (!out->far && !out->device_bytes && ftruncate(out->fd, (off_t)bytes))
		return us_err_os(errno, "setting the size of %s", out_name(out));
	return NULL;
}

struct us_err *us_out_clear(struct us_out *out, uint64_t from, uint64_t end)
{
	_us_free_ uint8_t *zeros = NULL;

	if (!out->device_bytes)
		return NULL;
	zeros = calloc(1, CLEAR_BYTES);
	if (!zeros)
		return us_err_nomem();
	for (uint64_t n; from < end; from += n) {
		n = end - from < CLEAR_BYTES ? end - from : CLEAR_BYTES;
		US_TRY(us_out_write(out, from, zeros, (size_t)n));
	}
	return NULL;
}

uint64_t us_out_limit(const struct us_out *out)
{
	struct rlimit size;

	if (!out->seekable || out->far)
		return UINT64_MAX;
	if (out->device_bytes)
		return out->device_bytes;
	if (getrlimit(RLIMIT_FSIZE, &size) || size.rlim_cur == RLIM_INFINITY)
		return UINT64_MAX;
	return size.rlim_cur;
}

uint64_t us_out_room(const struct us_out *out)
{
	uint64_t room = us_out_limit(out), disk;
	struct statvfs fs;
	struct stat st;

	if (!out->seekable || out->far || out->device_bytes)
		return room;
	/* a file system without blocks (in memory) does not say */
	if (!fstatvfs(out->fd, &fs) && fs.f_blocks && !fstat(out->fd, &st) &&
	    us_mul(fs.f_bavail, fs.f_frsize, &disk) &&
	    us_add(disk, (uint64_t)st.st_blocks * 512, &disk) && disk < room)
		room = disk;
	return room;
}

struct us_err *us_out_sync(const struct us_out *out)
{
	if (out->no_sync || !out->path)
		return NULL;
	if (fdatasync(out->fd) && errno != EINVAL)
		return us_err_os(errno, "bringing %s to its disk", out_name(out));
	return NULL;
}

void us_out_push(const struct us_out *out, uint64_t at, uint64_t n)
{
	if (!out->no_sync && out->path)
		(void)!sync_file_range(out->fd, (off_t)at, (off_t)n, SYNC_FILE_RANGE_WRITE);
}

/* The rename itself shall outlive a power cut. */
static void sync_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	_us_free_ char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	_us_close_ int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (fd >= 0)
		(void)!fsync(fd);
}

struct us_err *us_out_finish(struct us_out *out)
{
	if (out->far)
		return us_far_finish(out->far);
	if (!out->path_tmp)
		return NULL;
	if (rename(out->path_tmp, out->path))
		return us_err_os(errno, "giving %s its name %s", out->path_tmp, out->path);
	if (!out->no_sync)
		sync_folder(out->path);
	return NULL;
}

void us_out_deinit(struct us_out *out)
{
	if (out->fd >= 0)
		close(out->fd);
	free(out->path);
	free(out->path_tmp);
	us_far_free(out->far);
	*out = (struct us_out){ .fd = -1 };
}
