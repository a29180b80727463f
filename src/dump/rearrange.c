/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A flattened dump -> the file it stands for. The stream (makedumpfile's IMPLEMENTATION, "flattened
 * format"): a header of 4096 bytes ("makedumpfile", type 1, version 1), then segments of {offset,
 * size, bytes}, big-endian, until {-1, -1}; a later segment overwrites an earlier one. Memory is
 * one buffer, whatever the segments' sizes. It does not look at the dump inside.
 */
#include "dump/dump.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_BYTES 4096
#define BUFFER_BYTES (1 << 20)

static const char magic[16] = "makedumpfile";

struct stream {
	int in_fd, out_fd;
	uint8_t *buffer;
	uint64_t at;  /* in the stream */
	uint64_t end; /* highest byte written to out_fd */
	struct us_progress *progress;
};

static struct us_err *read_exactly(struct stream *s, size_t n, const char *what) us_must_check;
static struct us_err *read_exactly(struct stream *s, size_t n, const char *what)
{
	size_t have = 0;

	while (have < n) {
		ssize_t got = read(s->in_fd, s->buffer + have, n - have);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return us_err_os(errno, "reading the flattened dump at %#llx",
					 (unsigned long long)s->at + have);
		if (!got)
			return us_err_new(US_ERR_BAD_DATA,
					  "the flattened dump ends at %#llx, inside %s",
					  (unsigned long long)s->at + have, what);
		have += (size_t)got;
	}
	s->at += n;
	return NULL;
}

static struct us_err *write_at(struct stream *s, uint64_t offset, size_t n) us_must_check;
static struct us_err *write_at(struct stream *s, uint64_t offset, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t put = pwrite(s->out_fd, s->buffer + done, n - done, (off_t)(offset + done));

		if (put < 0 && errno == EINTR)
			continue;
		if (put <= 0)
			return us_err_os(put < 0 ? errno : ENOSPC, "writing at %#llx",
					 (unsigned long long)offset + done);
		done += (size_t)put;
	}
	if (offset + n > s->end)
		s->end = offset + n;
	return NULL;
}

static struct us_err *read_header(struct stream *s) us_must_check;
static struct us_err *read_header(struct stream *s)
{
	struct us_bytes b = us_bytes_of(s->buffer, HEADER_BYTES);
	uint64_t type = 0, version = 0;

	US_TRY(read_exactly(s, HEADER_BYTES, "its header"));
	if (!us_bytes_match(b, 0, magic, sizeof(magic)) || !us_be64(b, 16, &type) ||
	    !us_be64(b, 24, &version))
		return us_err_new(US_ERR_BAD_DATA,
				  "this is no flattened dump: it does not begin with "
				  "\"makedumpfile\"");
	if (type != 1 || version != 1)
		return us_err_new(US_ERR_UNSUPPORTED,
				  "flattened dump of type %llu, version %llu: only type 1, version "
				  "1 is known",
				  (unsigned long long)type, (unsigned long long)version);
	return NULL;
}

/* *ret_end: that was the end mark. */
static struct us_err *copy_segment(struct stream *s, bool *ret_end) us_must_check;
static struct us_err *copy_segment(struct stream *s, bool *ret_end)
{
	struct us_bytes b = us_bytes_of(s->buffer, 16);
	uint64_t offset = 0, size = 0, end;

	US_TRY(read_exactly(s, 16, "the head of a segment"));
	if (!us_be64(b, 0, &offset) || !us_be64(b, 8, &size))
		return us_err_nomem();
	*ret_end = offset == UINT64_MAX && size == UINT64_MAX;
	if (*ret_end)
		return NULL;
	if (!us_add(offset, size, &end) || end > INT64_MAX)
		return us_err_new(US_ERR_BAD_DATA,
				  "the segment at %#llx of the flattened dump claims %#llx bytes "
				  "for offset %#llx",
				  (unsigned long long)s->at - 16, (unsigned long long)size,
				  (unsigned long long)offset);
	while (size) {
		size_t n = size < BUFFER_BYTES ? (size_t)size : BUFFER_BYTES;

		US_TRY(read_exactly(s, n, "a segment"));
		US_TRY(write_at(s, offset, n));
		offset += n;
		size -= n;
		us_progress_at(s->progress, "rearranging", s->at, 0);
	}
	return NULL;
}

static struct us_err *copy_all(struct stream *s) us_must_check;
static struct us_err *copy_all(struct stream *s)
{
	bool end = false;

	US_TRY(read_header(s));
	while (!end)
		US_TRY(copy_segment(s, &end));
	if (!s->end)
		return us_err_new(US_ERR_BAD_DATA, "the flattened dump has no segments");
	if (fdatasync(s->out_fd) < 0 && errno != EINVAL)
		return us_err_os(errno, "writing back");
	return NULL;
}

struct us_err *us_dump_rearrange(int in_fd, const char *path, bool overwrite,
				 struct us_progress *progress, uint64_t *ret_bytes)
{
	struct stream s = { .in_fd = in_fd, .out_fd = -1, .progress = progress };
	_us_free_ uint8_t *buffer = malloc(BUFFER_BYTES);
	_us_free_ char *beside = NULL;
	_us_close_ int fd = -1;
	struct us_err *err;

	if (!buffer)
		return us_err_nomem();
	if (!overwrite && !access(path, F_OK))
		return us_err_new(US_ERR_USAGE, "%s is there already", path);
	US_TRY(us_text_format(&beside, "%s.XXXXXX", path));
	fd = mkostemp(beside, O_CLOEXEC);
	if (fd < 0)
		return us_err_os(errno, "%s", beside);
	s.out_fd = fd;
	s.buffer = buffer;
	err = copy_all(&s);
	if (!err && rename(beside, path) < 0)
		err = us_err_os(errno, "renaming %s", beside);
	if (err) {
		unlink(beside);
		return us_err_wrap(err, "%s", path);
	}
	*ret_bytes = s.end;
	return NULL;
}
