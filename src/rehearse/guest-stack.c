/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the target of a rehearsal lies on, inside its machines: brought up by the capture's own
 * code, and given what belongs on each assembled device when the target is made, from the disk with
 * the pieces. Subvolumes of btrfs are made (linux/btrfs.h), and keys of encrypted volumes put where
 * the kernel looks for them (add_key(2); crash_dm_crypt_keys of Linux 6.16).
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "rehearse/rehearse-int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/dm-ioctl.h>
#include <linux/keyctl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define PATIENCE_S 10 /* until a disk is there */
#define KEY_MOST   128u
#define KEYS       "/sys/kernel/config/crash_dm_crypt_keys"

struct us_err *us_guest_find(const char *mark, struct us_pool *pool, const char **ret)
{
	_us_closedir_ DIR *dir = opendir("/sys/class/block");
	const struct dirent *e;
	size_t n = strlen(mark);

	while (dir && (e = readdir(dir))) {
		const char *node = us_pool_format(pool, "/dev/%s", e->d_name);
		_us_close_ int fd = node ? open(node, O_RDONLY | O_CLOEXEC) : -1;
		char got[32];

		if (fd < 0 || n > sizeof(got) || pread(fd, got, n, 0) != (ssize_t)n ||
		    memcmp(got, mark, n) != 0)
			continue;
		*ret = node;
		return NULL;
	}
	return us_err_new(US_ERR_NOT_FOUND, "no disk begins with %.*s", (int)n - 1, mark);
}

/* ---- what belongs on an assembled device ---- */

static struct us_err *copy_piece(int from, uint64_t from_at, int to, const struct us_fill_head *head)
{
	_us_blob_deinit_ struct us_blob b = { 0 };

	US_TRY(us_blob_new(US_FILL_BLOCK * 64, &b));
	for (uint64_t done = 0; done < head->bytes;) {
		size_t n = head->bytes - done < b.n ? (size_t)(head->bytes - done) : b.n;
		ssize_t got = pread(from, b.p, n, (off_t)(from_at + done));

		if (got <= 0)
			return us_err_os(errno, "reading what belongs on %s", head->device);
		if (pwrite(to, b.p, (size_t)got, (off_t)(head->at + done)) != got)
			return us_err_os(errno, "writing to %s", head->device);
		done += (uint64_t)got;
	}
	return NULL;
}

static struct us_err *put_pieces(int from, int to, const struct us_recipe_device *device)
{
	struct us_fill_head head;
	uint64_t at = US_FILL_BLOCK;

	for (;;) {
		if (pread(from, &head, sizeof(head), (off_t)at) != sizeof(head))
			return us_err_os(errno, "reading what belongs on %s", device->name);
		head.device[sizeof(head.device) - 1] = 0;
		at += US_FILL_BLOCK;
		if (!*head.device)
			return NULL;
		if (!strcmp(head.device, device->name))
			US_TRY(copy_piece(from, at, to, &head));
		at += (head.bytes + US_FILL_BLOCK - 1) / US_FILL_BLOCK * US_FILL_BLOCK;
	}
}

/* A thin volume is a number in its pool, which knows none at first. */
static struct us_err *make_thin(const struct us_recipe_device *pool, unsigned int number)
{
	struct {
		struct dm_ioctl head;
		uint64_t sector; /* struct dm_target_msg, which ends in its text */
		char text[32];
	} io = {
		.head = { .version = { 4 }, .data_size = sizeof(io), .data_start = sizeof(io.head) }
	};
	_us_close_ int fd = open("/dev/mapper/control", O_RDWR | O_CLOEXEC);

	if (strlen(pool->name) >= sizeof(io.head.name))
		return us_err_new(US_ERR_BAD_DATA, "%s: the name is too long", pool->name);
	strcpy(io.head.name, pool->name);
	snprintf(io.text, sizeof(io.text), "create_thin %u", number);
	if (fd < 0 || (ioctl(fd, DM_TARGET_MSG, &io) && errno != EEXIST))
		return us_err_os(errno, "%s: making volume %u in it", pool->name, number);
	return NULL;
}

static struct us_err *make_thins(const struct us_recipe *recipe, const struct us_recipe_device *pool)
{
	for (size_t i = 0; i < recipe->n_devices; i++) {
		const char *const *line = recipe->devices[i].table;

		for (; line && *line; line++) {
			char name[128];
			unsigned int number;

			if (sscanf(*line, "%*u %*u thin ${%127[^}]} %u", name, &number) == 2 &&
			    !strcmp(name, pool->name))
				US_TRY(make_thin(pool, number));
		}
	}
	return NULL;
}

struct filling {
	const struct us_recipe *recipe;
	const char *pieces; /* the node of the disk that has them */
};

static struct us_err *fill(void *data, const struct us_recipe_device *device, const char *node)
{
	const struct filling *f = data;
	_us_close_ int from = open(f->pieces, O_RDONLY | O_CLOEXEC), to = -1;

	US_TRY(make_thins(f->recipe, device));
	if (!device->n_marks)
		return NULL; /* nothing of its own */
	for (unsigned int i = 0; (to = open(node, O_WRONLY | O_CLOEXEC)) < 0; i++) {
		if (errno != ENOENT || i == PATIENCE_S * 10)
			return us_err_os(errno, "opening %s", node);
		usleep(100000); /* devtmpfs makes the node in its own time */
	}
	if (from < 0)
		return us_err_os(errno, "opening %s", f->pieces);
	US_TRY(put_pieces(from, to, device));
	return fsync(to) ? us_err_os(errno, "writing to %s", node) : NULL;
}

struct us_err *us_guest_stack(struct us_recipe *recipe, bool fill_it, struct us_pool *pool,
			      const char **ret_node)
{
	const char *device = recipe->targets[0].device;
	struct filling f = { .recipe = recipe };

	if (!device)
		return us_err_new(US_ERR_NOT_FOUND, "the recipe has no disk for its target");
	if (fill_it)
		US_TRY(us_guest_find(US_REHEARSE_FILL, pool, &f.pieces));
	return us_capture_assemble(recipe, device, PATIENCE_S, fill_it ? fill : NULL, &f, pool,
				   ret_node);
}

/* ---- subvolumes ---- */

static struct us_err *make_subvolume(const char *parent, const char *name)
{
	struct btrfs_ioctl_vol_args args = { 0 };
	_us_close_ int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return us_err_os(errno, "%s", parent);
	if (strlen(name) >= sizeof(args.name))
		return us_err_new(US_ERR_BAD_DATA, "the subvolume's name is too long");
	strcpy(args.name, name);
	return ioctl(fd, BTRFS_IOC_SUBVOL_CREATE, &args) && errno != EEXIST
		       ? us_err_os(errno, "making the subvolume %s", name)
		       : NULL;
}

/* Each part of the path is one: whatever the real ones are, the last has to be. */
struct us_err *us_guest_subvolume(const struct us_recipe_target *target, const char *node)
{
	const char *options = target->fs_options ? target->fs_options : "";
	const char *wish = strstr(options, "subvol=");
	char path[4096];
	struct us_err *err = NULL;

	if (!wish)
		return NULL;
	wish += strlen("subvol=");
	snprintf(path, sizeof(path), "/mnt/%.*s/", (int)strcspn(wish, ","), wish);
	if (mount(node, "/mnt", target->fs, 0, "subvolid=5"))
		return us_err_os(errno, "mounting %s as %s", node, target->fs);
	for (char *p = path + strlen("/mnt"), *end; !err && (end = strchr(p + 1, '/')); p = end) {
		*end = 0;
		*p = 0;
		if (p[1])
			err = make_subvolume(path, p + 1);
		*p = '/';
		*end = '/';
	}
	if (umount("/mnt") && !err)
		err = us_err_os(errno, "unmounting %s", node);
	return err;
}

/* ---- keys ---- */

struct us_err *us_guest_key(const char *type, const char *name, size_t bytes)
{
	uint8_t key[KEY_MOST];

	if (bytes > sizeof(key))
		return us_err_new(US_ERR_BAD_DATA, "a key of %zu bytes", bytes);
	for (size_t i = 0; i < bytes; i++)
		key[i] = (uint8_t)(i * 151 + 43); /* any: the disk is scratch */
	return syscall(SYS_add_key, type, name, key, bytes, KEY_SPEC_PROCESS_KEYRING) < 0
		       ? us_err_os(errno, "a key %s in the keyring", name)
		       : NULL;
}

struct us_err *us_guest_hand_key(const char *volume, const char *name)
{
	char path[512];
	_us_close_ int fd = -1;

	if (mount("configfs", "/sys/kernel/config", "configfs", 0, NULL) && errno != EBUSY)
		return us_err_os(errno, "mounting configfs");
	snprintf(path, sizeof(path), KEYS "/%s", volume);
	if (mkdir(path, 0700) && errno != EEXIST)
		return us_err_os(errno, "making %s", path);
	snprintf(path, sizeof(path), KEYS "/%s/description", volume);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, name, strlen(name)) < 0)
		return us_err_os(errno, "naming the key of %s", volume);
	return NULL;
}
