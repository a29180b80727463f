/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Files: images are mapped, /proc and /sys are read. Paths are taken relative to a directory
 * descriptor, so that the same code reads the running machine ("/") and a recorded one.
 */
#ifndef US_BASE_FILE_H
#define US_BASE_FILE_H

#include "base/pool.h"

#include <stdio.h>
#include <sys/types.h>

/* A regular file, mapped read-only (copied where mapping fails). Empty files give an empty blob. */
struct us_err *us_file_map(const char *path, struct us_blob *ret) us_must_check;
/*
 * All of a small or special file below dirfd (leading slashes of path are skipped, symbolic links
 * may not lead out of dirfd unless dirfd is the root directory). At most max bytes: a longer file
 * is US_ERR_BAD_DATA. The blob has a NUL behind its last byte (not counted in n). US_ERR_NOT_FOUND,
 * US_ERR_DENIED, US_ERR_OS.
 */
struct us_err *us_file_read_at(int dirfd, const char *path, size_t max, struct us_blob *ret)
	us_must_check;
/* Write bytes to path by a temporary file beside it, fsync and rename; 0644 without the umask. */
struct us_err *us_file_replace(const char *path, struct us_bytes bytes) us_must_check;
/* Write all of bytes to fd, however many calls that takes. */
struct us_err *us_file_write_all(int fd, struct us_bytes bytes, const char *what) us_must_check;
/* A new file of mode 0600 in place of what was there, to be written: logs and dumps tell secrets. */
struct us_err *us_file_private(const char *path, FILE **ret) us_must_check;
/* The folder and its parents, as far as they are missing: parents of mode above, it of mode last. */
struct us_err *us_file_folders(const char *path, mode_t above, mode_t last) us_must_check;
/* A new folder NAME-XXXXXX for passing files, in $TMPDIR, else in usual; the caller removes it. */
struct us_err *us_file_temporary(const char *usual, const char *name, struct us_pool *pool,
				 const char **ret) us_must_check;
/* A program that belongs to this one: beside it, or where it is installed; NULL: in neither place. */
const char *us_file_ours(const char *name, struct us_pool *pool);
/* A sealed anonymous file that holds bytes, for system calls that want a descriptor. */
struct us_err *us_file_memfd(const char *name, struct us_bytes bytes, int *ret_fd) us_must_check;

#endif
