/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A block device and all that it lies on: partition, disk, the disk's drivers; device mapper and md
 * are told apart here and taken further by walk-stack.c. By /sys/dev/block and the attributes of
 * Documentation/ABI/stable/sysfs-block. Disks that are no disks of this machine (files, memory,
 * another machine's) are refused with the reason.
 */
#include "base/text.h"
#include "crash/walk-int.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

const char *us_walk_block_of(struct us_walk *walk, unsigned int major, unsigned int minor)
{
	return us_walk_link(walk, "sys/dev/block/%u:%u", major, minor);
}

/* A link of /dev/mapper or a path that is no name of /sys: by device-mapper's name, else by stat. */
static const char *block_by_dm_name(struct us_walk *walk, const char *name)
{
	const char *const *names;
	struct us_err *err = us_walk_list(walk, "sys/class/block", &names);

	if (err) {
		us_err_free(err);
		return NULL;
	}
	for (; *names; names++) {
		const char *dm = us_walk_read(walk, "sys/class/block/%s/dm/name", *names);

		if (dm && !strcmp(dm, name))
			return us_walk_link(walk, "sys/class/block/%s", *names);
	}
	return NULL;
}

const char *us_walk_block_by_node(struct us_walk *walk, const char *node)
{
	struct stat st;

	if (walk->host->live && stat(node, &st) == 0 && S_ISBLK(st.st_mode))
		return us_walk_block_of(walk, major(st.st_rdev), minor(st.st_rdev));
	if (!strncmp(node, "/dev/mapper/", 12))
		return block_by_dm_name(walk, node + 12);
	const char *link = us_walk_link(walk, "%s", node + (*node == '/'));
	return us_walk_link(walk, "sys/class/block/%s", us_walk_base(link ? link : node));
}

/* A name that cannot be taken for one of ours, nor ends a ${NAME} early. */
static bool name_ok(const char *name)
{
	return name && !strpbrk(name, "} ") &&
	       !(name[0] == 'd' && name[1] && !name[1 + strspn(name + 1, "0123456789")]);
}

struct us_err *us_walk_device_add(struct us_walk *walk, const char *sys,
				  const struct us_recipe_device *device, const char **ret_name)
{
	size_t n = walk->out->n_devices;
	const char *name = us_pool_format(walk->pool, "d%zu", n);

	if (n == US_WALK_DEVICES_MAX)
		return us_err_new(US_ERR_NO_ROOM, "more than %d devices lie below the targets",
				  US_WALK_DEVICES_MAX);
	if (!name)
		return us_err_nomem();
	walk->devices[n] = *device;
	if (!name_ok(walk->devices[n].name))
		walk->devices[n].name = name;
	walk->device_sys[n] = sys;
	*ret_name = walk->devices[n].name;
	walk->out->n_devices++;
	return NULL;
}

/* Why a disk is none that a capture kernel of this machine finds again by itself; NULL: it is one. */
static const char *foreign(const char *sys)
{
	static const struct {
		const char *prefix, *why;
	} names[] = {
		{ "loop", "a file that is used as a disk" },
		{ "ram", "a disk in memory" },
		{ "zram", "a disk in memory" },
		{ "nbd", "a network block device" },
		{ "rbd", "a Ceph network block device" },
		{ "drbd", "a DRBD device" },
		{ "bcache", "a bcache device" },
		{ "zd", "a ZFS volume" },
	};
	const char *base = us_walk_base(sys);

	for (size_t i = 0; i < us_array_size(names); i++) {
		size_t n = strlen(names[i].prefix);

		if (!strncmp(base, names[i].prefix, n) && base[n] >= '0' && base[n] <= '9')
			return names[i].why;
	}
	if (strstr(sys, "/session"))
		return "an iSCSI disk";
	return NULL;
}

/* The controllers of an NVMe disk that several of them may share (nvme-subsystem). */
static struct us_err *nvme_shared(struct us_walk *walk, const char *subsystem)
{
	const char *const *names;

	US_TRY(us_walk_list(walk, subsystem, &names));
	for (; *names; names++) {
		const char *controller = us_walk_link(walk, "%s/%s", subsystem, *names);

		if (!controller || !strstr(controller, "/nvme/nvme"))
			continue;
		const char *transport = us_walk_read(walk, "%s/transport", controller);
		if (transport && strcmp(transport, "pcie") != 0)
			return us_err_new(US_ERR_UNSUPPORTED, "%s: an NVMe disk over %s",
					  us_walk_base(subsystem), transport);
		US_TRY(us_walk_bus(walk, controller));
	}
	return NULL;
}

struct us_err *us_walk_disk(struct us_walk *walk, const char *sys)
{
	const char *why = foreign(sys);
	char *up = us_pool_strdup(walk->pool, sys);

	if (!up)
		return us_err_nomem();
	if (why)
		return us_err_new(US_ERR_UNSUPPORTED, "%s is %s", us_walk_base(sys), why);
	char *slash = strrchr(up, '/');
	if (slash)
		*slash = '\0';
	if (strstr(sys, "/nvme-subsystem/"))
		return nvme_shared(walk, up);
	const char *transport = us_walk_read(walk, "%s/transport", up);
	if (transport && strcmp(transport, "pcie") != 0)
		return us_err_new(US_ERR_UNSUPPORTED, "%s is an NVMe disk over %s",
				  us_walk_base(sys), transport);
	return us_walk_bus(walk, sys);
}

/* The device that a partition is cut from. */
static struct us_err *below_partition(struct us_walk *walk, const char *sys, unsigned int depth,
				      struct us_recipe_device *device)
{
	char *disk = us_pool_strdup(walk->pool, sys);
	const char **members = us_pool_array(walk->pool, 2, sizeof(*members));
	char *slash = disk ? strrchr(disk, '/') : NULL;

	if (!disk || !members)
		return us_err_nomem();
	if (slash)
		*slash = '\0';
	if (!us_walk_exists(walk, "%s/md", disk))
		return us_walk_disk(walk, disk);
	device->members = members;
	return us_walk_block(walk, disk, US_MARK_NONE, NULL, depth + 1, &members[0]);
}

struct us_err *us_walk_block(struct us_walk *walk, const char *sys, enum us_mark_use use,
			     const char *detail, unsigned int depth, const char **ret_name)
{
	struct us_recipe_device device = { .kind = US_DEVICE_FOUND };
	const char *size = us_walk_read(walk, "%s/size", sys);
	uint64_t sectors = 0;

	if (depth > US_WALK_DEPTH_MAX)
		return us_err_new(US_ERR_UNSUPPORTED, "%s: devices on devices on devices, %d deep",
				  us_walk_base(sys), US_WALK_DEPTH_MAX);
	if (!size || !us_text_u64(size, 10, &sectors) || !us_mul(sectors, 512, &device.bytes))
		return us_err_new(US_ERR_NOT_FOUND, "/%s/size cannot be read", sys);
	if (us_walk_exists(walk, "%s/partition", sys))
		US_TRY(below_partition(walk, sys, depth, &device));
	else if (us_walk_exists(walk, "%s/dm", sys))
		US_TRY(us_walk_dm(walk, sys, depth, &device));
	else if (us_walk_exists(walk, "%s/md", sys))
		US_TRY(us_walk_md(walk, sys, depth, &device));
	else
		US_TRY(us_walk_disk(walk, sys));

	if (use == US_MARK_NONE && device.kind == US_DEVICE_FOUND && !device.members)
		use = US_MARK_DISK;
	for (size_t i = 0; i < walk->out->n_devices; i++)
		if (!strcmp(walk->device_sys[i], sys)) { /* of another target, too */
			*ret_name = walk->devices[i].name;
			return walk->devices[i].n_marks
				       ? NULL
				       : us_walk_marks(walk, sys, use, detail, &walk->devices[i]);
		}
	US_TRY(us_walk_marks(walk, sys, use, detail, &device));
	return us_walk_device_add(walk, sys, &device, ret_name);
}
