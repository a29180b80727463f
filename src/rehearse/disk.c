/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The disk that a rehearsal writes to: a sparse file of the same size as the real one, with a file
 * system of the same kind and the same UUID, so that the recipe finds it by its marks; a raw target
 * has its marks alone. Made by the file system's own mkfs, as any user; nothing is mounted.
 */
#include "base/cleanup.h"
#include "rehearse/rehearse-int.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define BYTES_USUAL (UINT64_C(4) << 30)

/* Where magic number and UUID stand (as crash/walk-marks.c has it), and how mkfs is told it. %s:
 * the UUID. */
static const struct {
	const char *fs;
	uint64_t magic_at;
	const char *magic;
	uint64_t uuid_at;
	const char *words[8];
	const char *package;
} makers[] = {
	{ "ext4", 1080, "\x53\xef", 1128, { "mkfs.ext4", "-q", "-F", "-U", "%s" }, "e2fsprogs" },
	{ "ext3", 1080, "\x53\xef", 1128, { "mkfs.ext3", "-q", "-F", "-U", "%s" }, "e2fsprogs" },
	{ "ext2", 1080, "\x53\xef", 1128, { "mkfs.ext2", "-q", "-F", "-U", "%s" }, "e2fsprogs" },
	{ "xfs", 0, "XFSB", 32, { "mkfs.xfs", "-q", "-f", "-m", "uuid=%s" }, "xfsprogs" },
	{ "btrfs", 65600, "_BHRfS_M", 65568, { "mkfs.btrfs", "-q", "-f", "-U", "%s" }, "btrfs-progs" },
};

static size_t maker_of(const char *fs)
{
	size_t i = 0;

	while (i < us_array_size(makers) && (!fs || strcmp(makers[i].fs, fs)))
		i++;
	return i;
}

bool us_disk_marks(const char *fs, struct us_bytes uuid, struct us_recipe_mark ret[2])
{
	size_t row = maker_of(fs);

	if (!fs || row == us_array_size(makers))
		return false;
	ret[0] = (struct us_recipe_mark){
		makers[row].magic_at, us_bytes_of(makers[row].magic, strlen(makers[row].magic))
	};
	ret[1] = (struct us_recipe_mark){ makers[row].uuid_at, uuid };
	return true;
}

bool us_disk_possible(const struct us_recipe_device *device, const struct us_recipe_target *target)
{
	if (device->kind != US_DEVICE_FOUND)
		return false;
	if (target->spec.kind == US_TARGET_RAW)
		return true;
	return target->spec.kind == US_TARGET_DIR && maker_of(target->fs) < us_array_size(makers) &&
	       !(target->fs_options && strstr(target->fs_options, "subvol="));
}

static const struct us_recipe_mark *mark_at(const struct us_recipe_device *device, uint64_t at)
{
	for (size_t i = 0; i < device->n_marks; i++)
		if (device->marks[i].at == at && device->marks[i].bytes.n >= 16)
			return &device->marks[i];
	return NULL;
}

static void uuid_text(const uint8_t *p, char ret[37])
{
	size_t n = 0;

	for (size_t i = 0; i < 16; i++)
		n += (size_t)snprintf(ret + n, 37 - n, "%s%02x",
				      i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", p[i]);
}

static struct us_err *make_fs(const char *path, const struct us_recipe_device *device,
			      const char *fs)
{
	const struct us_recipe_mark *mark;
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const char *words[10] = { NULL };
	size_t row = maker_of(fs), n = 0;
	char uuid[37] = "";

	if (row == us_array_size(makers))
		return us_err_new(US_ERR_UNSUPPORTED, "a rehearsal cannot make a file system %s",
				  fs);
	mark = mark_at(device, makers[row].uuid_at);
	if (mark)
		uuid_text(mark->bytes.p, uuid);
	for (; makers[row].words[n]; n++) {
		const char *word = makers[row].words[n], *hole = strstr(word, "%s");

		words[n] = hole ? us_pool_format(&pool, "%.*s%s", (int)(hole - word), word, uuid)
				: word;
	}
	if (!mark)
		n -= 2; /* without the UUID */
	words[0] = us_vm_find_program(words[0], &pool);
	if (!words[0])
		return us_err_new(US_ERR_NOT_FOUND, "%s is not installed (package %s)",
				  makers[row].words[0], makers[row].package);
	words[n] = path;
	words[n + 1] = NULL;
	return us_vm_run_program(words);
}

/* The marks that are not the file system's own are written; all must hold then. */
static struct us_err *put_marks(int fd, const struct us_recipe_device *device, bool raw)
{
	for (size_t i = 0; i < device->n_marks; i++) {
		const struct us_recipe_mark *m = &device->marks[i];
		uint8_t buf[64];

		if (m->bytes.n > sizeof(buf))
			return us_err_new(US_ERR_BAD_DATA, "a mark of %zu bytes", m->bytes.n);
		if (raw && pwrite(fd, m->bytes.p, m->bytes.n, (off_t)m->at) != (ssize_t)m->bytes.n)
			return us_err_os(errno, "writing a mark");
		if (pread(fd, buf, m->bytes.n, (off_t)m->at) != (ssize_t)m->bytes.n ||
		    memcmp(buf, m->bytes.p, m->bytes.n) != 0)
			return us_err_new(US_ERR_BAD_DATA,
					  "the scratch disk does not get the mark at %" PRIu64,
					  m->at);
	}
	return NULL;
}

struct us_err *us_disk_make(const char *path, const struct us_recipe_device *device, const char *fs)
{
	_us_close_ int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return us_err_os(errno, "creating %s", path);
	if (ftruncate(fd, (off_t)(device->bytes ? device->bytes : BYTES_USUAL)))
		return us_err_os(errno, "making %s as large as the real disk", path);
	if (fs)
		US_TRY(make_fs(path, device, fs));
	return put_marks(fd, device, !fs);
}
