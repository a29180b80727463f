/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An initrd of files and of programs with all that they need to start, as a cpio archive that is
 * not packed: the first file system of a rehearsal's kernels.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "crash/build-int.h"

#include <string.h>

static struct us_err *put_file(struct us_archive *archive, const char *path, const char *source,
			       unsigned int mode)
{
	_us_blob_deinit_ struct us_blob file = { 0 };

	US_TRY(us_file_map(source, &file));
	return us_archive_file(archive, path, mode, us_blob_bytes(&file));
}

static struct us_err *put_program(struct us_archive *archive,
				  const struct us_crash_initrd_part *part)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_program_set set = { .pool = &pool, .root = "" };

	US_TRY(us_program_add(&set, part->source));
	for (size_t i = 0; i < set.n; i++) {
		bool own = !strcmp(set.files[i].path, part->source);

		US_TRY(put_file(archive, own ? part->path : set.files[i].path, set.files[i].source,
				0755));
	}
	return NULL;
}

struct us_err *us_crash_initrd_make(const struct us_crash_initrd_part *parts, size_t n,
				    struct us_blob *ret)
{
	static const char *const dirs[] = { "/dev", "/proc", "/sys", "/run", "/tmp", "/mnt" };
	_us_archive_deinit_ struct us_archive archive = { 0 };

	for (size_t i = 0; i < us_array_size(dirs); i++)
		US_TRY(us_archive_dir(&archive, dirs[i]));
	US_TRY(us_archive_device(&archive, "/dev/console", 5, 1));
	US_TRY(us_archive_device(&archive, "/dev/null", 1, 3));
	for (size_t i = 0; i < n; i++) {
		if (parts[i].program)
			US_TRY(put_program(&archive, &parts[i]));
		else if (parts[i].source)
			US_TRY(put_file(&archive, parts[i].path, parts[i].source, 0600));
		else
			US_TRY(us_archive_file(&archive, parts[i].path, 0600, parts[i].bytes));
	}
	return us_archive_take(&archive, ret);
}
