/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bytes by which a device is known again whatever its name is then: UUIDs of file systems (ext4,
 * xfs, btrfs: Linux 6.12 fs/ext4/ext4.h, fs/xfs/libxfs/xfs_format.h,
 * include/uapi/linux/btrfs_tree.h), LVM's label and physical volume UUID, LUKS headers, md's
 * superblock (include/uapi/linux/raid/md_p.h), our own mark, the disk's identifier in GPT or MBR.
 * Offsets only: nothing here interprets them.
 */
#include "base/cleanup.h"
#include "crash/walk-int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define MARKS_MAX  4
#define MARK_BYTES 64

struct mark_row {
	enum us_mark_use use;
	uint64_t at;       /* of the bytes that must be there */
	const char *magic; /* what they must be */
	uint8_t magic_bytes;
	uint64_t id;      /* of the identifier */
	uint8_t id_bytes; /* 0: none */
};
/* All rows of a use must hold; LVM's label may stand in any of the first four sectors, LUKS and the
 * disk's table come in two kinds: of these one is enough. */
static const struct mark_row rows[] = {
	{ US_MARK_EXT, 1024 + 56, "\x53\xef", 2, 1024 + 104, 16 },
	{ US_MARK_XFS, 0, "XFSB", 4, 32, 16 },
	{ US_MARK_BTRFS, 65536 + 64, "_BHRfS_M", 8, 65536 + 32, 16 },
	{ US_MARK_LVM, 512, "LABELONE", 8, 512 + 32, 32 },
	{ US_MARK_LVM, 0, "LABELONE", 8, 32, 32 },
	{ US_MARK_LVM, 1024, "LABELONE", 8, 1024 + 32, 32 },
	{ US_MARK_LVM, 1536, "LABELONE", 8, 1536 + 32, 32 },
	{ US_MARK_LUKS, 0, "LUKS\xba\xbe", 6, 168, 40 },
	{ US_MARK_DISK, 512, "EFI PART", 8, 512 + 56, 16 },
	{ US_MARK_DISK, 510, "\x55\xaa", 2, 440, 4 },
};
static const char *const use_names[US_MARK_USES] = {
	[US_MARK_EXT] = "ext2/3/4 file system", [US_MARK_XFS] = "xfs file system",
	[US_MARK_BTRFS] = "btrfs file system",  [US_MARK_LVM] = "LVM physical volume",
	[US_MARK_LUKS] = "LUKS header",         [US_MARK_MD] = "md superblock",
	[US_MARK_RAW] = "mark of understudy",   [US_MARK_DISK] = "table of partitions",
};

const char *us_walk_node(struct us_walk *walk, const char *sys)
{
	char *path = us_pool_format(walk->pool, "dev/%s", us_walk_base(sys));

	/* in /dev a '!' of the name is a '/' */
	for (char *p = path; p && *p; p++)
		if (*p == '!')
			*p = '/';
	return path;
}

struct us_err *us_walk_open(struct us_walk *walk, const char *sys, int *ret_fd)
{
	const char *path = us_walk_node(walk, sys);

	if (!path)
		return us_err_nomem();
	*ret_fd = openat(walk->host->root_fd, path, O_RDONLY | O_CLOEXEC);
	return *ret_fd >= 0 ? NULL : us_err_os(errno, "opening /%s", path);
}

static struct us_err *read_at(int fd, uint64_t at, void *p, size_t n)
{
	ssize_t got = pread(fd, p, n, (off_t)at);

	if (got < 0)
		return us_err_os(errno, "reading %zu bytes at %" PRIu64, n, at);
	if ((size_t)got < n)
		return us_err_new(US_ERR_BAD_DATA, "the device ends before %" PRIu64, at + n);
	return NULL;
}

static struct us_err *mark_add(struct us_walk *walk, struct us_recipe_device *device, uint64_t at,
			       const void *p, size_t n)
{
	struct us_recipe_mark *marks = (struct us_recipe_mark *)device->marks;
	uint8_t *copy = us_pool_alloc(walk->pool, n);

	if (!marks)
		marks = us_pool_array(walk->pool, MARKS_MAX, sizeof(*marks));
	if (!marks || !copy)
		return us_err_nomem();
	memcpy(copy, p, n);
	marks[device->n_marks++] = (struct us_recipe_mark){ at, us_bytes_of(copy, n) };
	device->marks = marks;
	return NULL;
}

static struct us_err *marks_by_row(struct us_walk *walk, int fd, enum us_mark_use use,
				   struct us_recipe_device *device)
{
	uint8_t found[MARK_BYTES], id[MARK_BYTES];

	for (size_t i = 0; i < us_array_size(rows); i++) {
		const struct mark_row *row = &rows[i];

		if (row->use != use)
			continue;
		US_TRY(read_at(fd, row->at, found, row->magic_bytes));
		if (memcmp(found, row->magic, row->magic_bytes) != 0)
			continue;
		US_TRY(read_at(fd, row->id, id, row->id_bytes));
		US_TRY(mark_add(walk, device, row->at, found, row->magic_bytes));
		return mark_add(walk, device, row->id, id, row->id_bytes);
	}
	return us_err_new(US_ERR_NOT_FOUND, "no %s on it", use_names[use]);
}

/* Where md's superblock of a version stands on a device of that many bytes; version 0.90 has
 * another layout and is told by the caller. */
static bool md_super_at(const char *version, uint64_t bytes, uint64_t *ret)
{
	if (!strcmp(version, "1.2"))
		*ret = 4096;
	else if (!strcmp(version, "1.1"))
		*ret = 0;
	else if (!strcmp(version, "1.0") && bytes >= 8192 * 2)
		*ret = us_align_down(bytes - 8192, 4096);
	else
		return false;
	return true;
}

static struct us_err *marks_of_md(struct us_walk *walk, int fd, const char *version,
				  struct us_recipe_device *device)
{
	static const uint8_t magic[] = { 0xfc, 0x4e, 0x2b, 0xa9 };
	uint8_t super[192];
	uint64_t at;

	if (!md_super_at(version, device->bytes, &at))
		return us_err_new(US_ERR_UNSUPPORTED, "md metadata of version %s", version);
	US_TRY(read_at(fd, at, super, sizeof(super)));
	if (memcmp(super, magic, sizeof(magic)) != 0)
		return us_err_new(US_ERR_NOT_FOUND, "no md superblock at %" PRIu64, at);
	US_TRY(mark_add(walk, device, at, super, sizeof(magic)));
	US_TRY(mark_add(walk, device, at + 16, super + 16, 16));  /* of the array */
	return mark_add(walk, device, at + 168, super + 168, 16); /* of the member */
}

static struct us_err *marks_of_raw(struct us_walk *walk, int fd, struct us_recipe_device *device)
{
	static const char ours[] = "UNDERSTUDY-RAW";
	uint8_t mark[MARK_BYTES];

	if (device->bytes < 8192)
		return us_err_new(US_ERR_NO_ROOM, "the partition is too small");
	US_TRY(read_at(fd, device->bytes - 4096, mark, sizeof(mark)));
	if (memcmp(mark, ours, sizeof(ours)) != 0) {
		if (!walk->config->only_judged)
			return us_err_new(US_ERR_NOT_FOUND, "no %s on it yet: a probe writes it",
					  use_names[US_MARK_RAW]);
		if (!walk->config->targets[walk->target].force)
			US_TRY(us_target_raw_check(fd, "it"));
		memset(mark, 0, sizeof(mark));
		memcpy(mark, ours, sizeof(ours));
	}
	return mark_add(walk, device, device->bytes - 4096, mark, sizeof(mark));
}

struct us_err *us_walk_marks(struct us_walk *walk, const char *sys, enum us_mark_use use,
			     const char *detail, struct us_recipe_device *device)
{
	_us_close_ int fd = -1;
	struct us_err *err;

	if (use == US_MARK_NONE)
		return NULL;
	US_TRY(us_walk_open(walk, sys, &fd));
	if (use == US_MARK_MD)
		err = marks_of_md(walk, fd, detail, device);
	else if (use == US_MARK_RAW)
		err = marks_of_raw(walk, fd, device);
	else
		err = marks_by_row(walk, fd, use, device);
	return err ? us_err_wrap(err, "%s", us_walk_base(sys)) : NULL;
}
