/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * LVM2 metadata as it stands on a physical volume: whether a logical volume lies today where it lay
 * when the machine was armed. Private to src/crash: arming notes a hash, the capture compares it.
 */
#ifndef US_CRASH_LVM_INT_H
#define US_CRASH_LVM_INT_H

#include "base/bytes.h"

/* Where a physical volume keeps its metadata; all else of LVM's is in its first bytes. */
#define US_LVM_HEAD_BYTES 6144u
#define US_LVM_AREAS_MAX  8u
struct us_lvm_area {
	uint64_t at, bytes;
};
struct us_err *us_lvm_areas(int fd, struct us_lvm_area ret[US_LVM_AREAS_MAX], size_t *ret_n)
	us_must_check;

/* The committed metadata text of the volume group that the physical volume open as fd belongs to.
 * US_ERR_NOT_FOUND: it is no physical volume, or it holds no copy of the text. */
struct us_err *us_lvm_read(int fd, struct us_blob *ret) us_must_check;

#define US_LVM_HASH_MAX 17 /* with its NUL */
/*
 * The hash of all in text that says where the logical volume with this UUID (dashes do not matter)
 * lies: its segments, those of the volumes that it is made of, the physical volumes below, and the
 * size of an extent. Names, times, tags and other volumes do not change it. US_ERR_NOT_FOUND: there
 * is no such volume; US_ERR_BAD_DATA with the offset in text.
 */
struct us_err *us_lvm_hash(struct us_bytes text, const char *lv_uuid, char ret[US_LVM_HASH_MAX])
	us_must_check;

#endif
