/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to the walk (walk*.c): from a target to what lies below it. Files are read below the
 * host's root; what only a living kernel can be asked goes through struct us_walk_sources, so that
 * a test gives its own answers. An error that is not a lack of memory means: this target cannot be
 * used, and its text is the reason.
 */
#ifndef US_CRASH_WALK_INT_H
#define US_CRASH_WALK_INT_H

#include "crash/crash.h"

#include <netinet/in.h>

#define US_WALK_DEVICES_MAX 64
#define US_WALK_MODULES_MAX 512
#define US_WALK_NETS_MAX    16
#define US_WALK_DEPTH_MAX   16 /* of devices on devices */

struct us_walk_sources {
	/* The active table of a device-mapper device: lines "START LENGTH TYPE PARAMS\n". */
	struct us_err *(*dm_table)(void *data, unsigned int major, unsigned int minor,
				   struct us_pool *pool, const char **ret);
	/* The addresses of an interface: "10.0.2.15/24", NULL-terminated, link-local ones last. */
	struct us_err *(*addresses)(void *data, const char *interface, struct us_pool *pool,
				    const char *const **ret);
	/* The addresses of a host, as text, NULL-terminated, the best first. */
	struct us_err *(*resolve)(void *data, const char *host, struct us_pool *pool,
				  const char *const **ret);
	/* The metadata of the volume group on an LVM physical volume. */
	struct us_err *(*lvm_text)(int fd, struct us_blob *ret);
	void *data;
};
/* Of this machine; of files below a root, tables stand in dev/mapper/tables/MAJOR:MINOR. */
struct us_walk_sources us_walk_sources_of(const struct us_host *host);
struct us_err *us_walk_with(const struct us_host *host, const struct us_crash_config *config,
			    const struct us_walk_sources *sources, struct us_walk_result **ret)
	us_must_check;

struct us_walk {
	const struct us_host *host;
	const struct us_crash_config *config;
	const struct us_walk_sources *sources;
	struct us_walk_result *out;
	struct us_pool *pool;                        /* out's */
	struct us_recipe_device *devices;            /* of out, while it grows */
	const char *device_sys[US_WALK_DEVICES_MAX]; /* "sys/devices/.../vda1" of each */
	struct us_wanted_module *modules;
	struct us_recipe_net *nets;
	const char **hosts;
	size_t n_hosts;
	int target; /* the one that is walked */
};

/* ---- walk-sys.c: files of /sys ---- */
/* One line of a small file without its newline, in the pool; NULL if it cannot be read. */
const char *us_walk_read(struct us_walk *walk, const char *fmt, ...) us_printf(2, 3);
bool us_walk_exists(struct us_walk *walk, const char *fmt, ...) us_printf(2, 3);
/* Where a symbolic link leads, as a path from the root without a leading slash; NULL if it is none. */
const char *us_walk_link(struct us_walk *walk, const char *fmt, ...) us_printf(2, 3);
/* The names in a directory, sorted, NULL-terminated; none if it is not there. */
struct us_err *us_walk_list(struct us_walk *walk, const char *dir, const char *const **ret)
	us_must_check;
/* The last part of a path. */
const char *us_walk_base(const char *path);

/* ---- walk-mount.c ---- */
struct us_mount {
	unsigned int major, minor;
	const char *root; /* what of the file system is mounted: "/", "/@" */
	const char *point, *type, *source, *options; /* options of the file system */
};
/* The mount that holds path, by the text of mountinfo. US_ERR_NOT_FOUND, US_ERR_BAD_DATA. */
struct us_err *us_mount_find(struct us_bytes mountinfo, const char *path, struct us_pool *pool,
			     struct us_mount *ret) us_must_check;

/* ---- walk-marks.c ---- */
enum us_mark_use { /* what is expected on a device */
		   US_MARK_NONE,
		   US_MARK_EXT,
		   US_MARK_XFS,
		   US_MARK_BTRFS,
		   US_MARK_LVM,
		   US_MARK_LUKS,
		   US_MARK_MD,   /* a member */
		   US_MARK_RAW,  /* our own mark */
		   US_MARK_DISK, /* the table of partitions */
		   US_MARK_USES
};
/* The device's node, "dev/vda1"; NULL: no memory. */
const char *us_walk_node(struct us_walk *walk, const char *sys);
/* The same, open for reading. */
struct us_err *us_walk_open(struct us_walk *walk, const char *sys, int *ret_fd) us_must_check;
/* Read what makes the device known; detail: of MD, the metadata version "1.2". */
struct us_err *us_walk_marks(struct us_walk *walk, const char *sys, enum us_mark_use use,
			     const char *detail, struct us_recipe_device *device) us_must_check;

/* ---- walk-block.c: a block device, "sys/devices/.../vda1", and all below it ---- */
struct us_err *us_walk_block(struct us_walk *walk, const char *sys, enum us_mark_use use,
			     const char *detail, unsigned int depth, const char **ret_name)
	us_must_check;
/* The drivers of a disk; refused if it is none of this machine. */
struct us_err *us_walk_disk(struct us_walk *walk, const char *sys) us_must_check;
/* "sys/devices/..." of a device number; NULL if there is none. */
const char *us_walk_block_of(struct us_walk *walk, unsigned int major, unsigned int minor);
/* The same of a path in /dev. */
const char *us_walk_block_by_node(struct us_walk *walk, const char *node);
/* A device of which name, kind, size and marks are known joins the result. */
struct us_err *us_walk_device_add(struct us_walk *walk, const char *sys,
				  const struct us_recipe_device *device, const char **ret_name)
	us_must_check;
/* ---- walk-stack.c: device mapper and md ---- */
struct us_err *us_walk_dm(struct us_walk *walk, const char *sys, unsigned int depth,
			  struct us_recipe_device *device) us_must_check;
struct us_err *us_walk_md(struct us_walk *walk, const char *sys, unsigned int depth,
			  struct us_recipe_device *device) us_must_check;

/* ---- walk-bus.c: the drivers on the way from the machine to a device ---- */
struct us_err *us_walk_bus(struct us_walk *walk, const char *sys) us_must_check;
struct us_err *us_walk_want(struct us_walk *walk, const char *name, const char *alias,
			    bool optional, const char *fmt, ...) us_must_check us_printf(5, 6);

/* ---- walk-net.c ---- */
struct us_err *us_walk_net(struct us_walk *walk, const char *host) us_must_check;

#endif
