/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What makes a device what it is for the capture, copied to a scratch disk of a rehearsal: marks of
 * the recipe; the label and the metadata areas of LVM (lvm.c); of an md member of version 1 all
 * that is not data (linux/raid/md_p.h: superblock, bitmap, list of bad blocks). Nothing else of a
 * real disk is read, and what is zero stays a hole.
 */
#include "base/cleanup.h"
#include "crash/crash.h"
#include "crash/lvm-int.h"

#include <errno.h>
#include <string.h>

#define BLOCK       4096u
#define MOST        (UINT64_C(256) << 20) /* of what is not data, at each end of a member */
#define SECTOR      512u
#define DATA_OFFSET 128u /* in the superblock: sectors */
#define DATA_SIZE   136u

static bool is_zero(const uint8_t *p, size_t n)
{
	return !p[0] && !memcmp(p, p + 1, n - 1);
}

static struct us_err *copy(int from, int to, uint64_t at, uint64_t bytes)
{
	uint8_t block[BLOCK];

	for (uint64_t done = 0; done < bytes;) {
		size_t n = bytes - done < BLOCK ? (size_t)(bytes - done) : BLOCK;
		ssize_t got = pread(from, block, n, (off_t)(at + done));

		if (got < 0)
			return us_err_os(errno, "reading the real device at %" PRIu64, at + done);
		if (!got)
			return NULL; /* its end */
		if (!is_zero(block, (size_t)got) &&
		    pwrite(to, block, (size_t)got, (off_t)(at + done)) != got)
			return us_err_os(errno, "writing to the scratch disk at %" PRIu64,
					 at + done);
		done += (uint64_t)got;
	}
	return NULL;
}

static struct us_err *copy_lvm(int from, int to)
{
	struct us_lvm_area areas[US_LVM_AREAS_MAX];
	size_t n = 0;

	US_TRY(us_lvm_areas(from, areas, &n));
	US_TRY(copy(from, to, 0, US_LVM_HEAD_BYTES));
	for (size_t i = 0; i < n; i++)
		if (areas[i].bytes <= MOST)
			US_TRY(copy(from, to, areas[i].at, areas[i].bytes));
	return NULL;
}

static struct us_err *copy_md(int from, int to, uint64_t super_at, uint64_t bytes)
{
	uint8_t super[256];
	struct us_bytes b = us_bytes_of(super, sizeof(super));
	uint64_t offset = 0, size = 0, end = 0;

	if (pread(from, super, sizeof(super), (off_t)super_at) != sizeof(super))
		return us_err_os(errno, "reading md's superblock at %" PRIu64, super_at);
	if (!us_le64(b, DATA_OFFSET, &offset) || !us_le64(b, DATA_SIZE, &size) ||
	    !us_mul(offset, SECTOR, &offset) || !us_mul(size, SECTOR, &size) ||
	    !us_add(offset, size, &end) || end > bytes)
		return us_err_new(US_ERR_BAD_DATA,
				  "md's superblock at %" PRIu64 " has its data beyond the device",
				  super_at);
	US_TRY(copy(from, to, 0, offset < MOST ? offset : MOST));
	return copy(from, to, bytes - end < MOST ? end : bytes - MOST,
		    bytes - end < MOST ? bytes - end : MOST);
}

static const struct us_recipe_mark *mark_of(const struct us_recipe_device *device,
					    const char *magic, size_t n)
{
	for (size_t i = 0; i < device->n_marks; i++)
		if (device->marks[i].bytes.n == n && !memcmp(device->marks[i].bytes.p, magic, n))
			return &device->marks[i];
	return NULL;
}

struct us_err *us_crash_copy_identity(int from, int to, const struct us_recipe_device *device)
{
	const struct us_recipe_mark *lvm = mark_of(device, "LABELONE", 8);
	const struct us_recipe_mark *md = mark_of(device, "\xfc\x4e\x2b\xa9", 4);

	if (from >= 0 && lvm)
		US_TRY(copy_lvm(from, to));
	if (from >= 0 && md)
		US_TRY(copy_md(from, to, md->at, device->bytes));
	for (size_t i = 0; i < device->n_marks; i++) {
		const struct us_recipe_mark *m = &device->marks[i];

		if (pwrite(to, m->bytes.p, m->bytes.n, (off_t)m->at) != (ssize_t)m->bytes.n)
			return us_err_os(errno, "writing a mark at %" PRIu64, m->at);
	}
	return NULL;
}
