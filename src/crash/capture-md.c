/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * md arrays from their members, by the ioctls of linux/raid/md_u.h: the version of the superblocks
 * is set, members are added, and the array is started; all else md reads from the superblocks. A
 * member that does not show up is left out: what level allows that is md's to say.
 */
#include "base/cleanup.h"
#include "crash/capture-int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/major.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <linux/raid/md_u.h>

#define FIRST_MINOR    200 /* beyond what anybody else begins with */
#define MEMBER_SECONDS 10  /* for each but the first */

static struct us_err *add_member(struct us_capture *c, int fd, const char *name,
				 uint64_t deadline_ns)
{
	mdu_disk_info_t disk = { 0 };
	const char *node;
	struct stat st;

	US_TRY(us_capture_device(c, name, deadline_ns, &node));
	if (stat(node, &st))
		return us_err_os(errno, "%s", node);
	disk.major = (int)major(st.st_rdev);
	disk.minor = (int)minor(st.st_rdev);
	if (ioctl(fd, ADD_NEW_DISK, &disk))
		return us_err_os(errno, "adding %s", node);
	return NULL;
}

static struct us_err *add_members(struct us_capture *c, int fd, const struct us_recipe_device *d,
				  uint64_t deadline_ns)
{
	unsigned int n = 0;

	for (const char *const *m = d->members; *m; m++) {
		uint64_t soon = us_capture_until(c, MEMBER_SECONDS);
		_us_err_free_ struct us_err *err = NULL;

		err = add_member(c, fd, *m, n && soon < deadline_ns ? soon : deadline_ns);
		if (err)
			us_capture_note(c, "member", "%s: %s", d->name, err->text);
		n += !err;
	}
	return n ? NULL : us_err_new(US_ERR_NOT_FOUND, "%s: no member is there", d->name);
}

struct us_err *us_capture_md(struct us_capture *c, const struct us_recipe_device *d,
			     uint64_t deadline_ns, char ret_node[US_CAPTURE_NODE])
{
	mdu_array_info_t version = { .major_version = (int)d->md_major,
				     .minor_version = (int)d->md_minor };
	mdu_param_t none = { 0 };
	unsigned int number = FIRST_MINOR + (unsigned int)(d - c->recipe->devices);
	_us_close_ int fd = -1;

	snprintf(ret_node, US_CAPTURE_NODE, "/dev/understudy-md%u", number);
	if (mknod(ret_node, S_IFBLK | 0600, makedev(MD_MAJOR, number)) && errno != EEXIST)
		return us_err_os(errno, "making %s", ret_node);
	fd = open(ret_node, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return us_err_os(errno, "opening %s", ret_node);
	if (ioctl(fd, SET_ARRAY_INFO, &version))
		return us_err_os(errno, "%s: metadata of version %u.%u", d->name, d->md_major,
				 d->md_minor);
	US_TRY(add_members(c, fd, d, deadline_ns));
	if (ioctl(fd, RUN_ARRAY, &none))
		return us_err_os(errno, "%s: starting the array", d->name);
	return NULL;
}
