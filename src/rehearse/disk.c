/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a rehearsal's devices are made of: sparse files of the same size as the real ones, with the
 * same marks, so that the recipe finds them; what makes a physical volume or a member of an array
 * one is copied. The target has a file system of the same kind and the same UUID, made by its own
 * mkfs, as any user; nothing is mounted. What belongs on a device that is assembled is packed into
 * pieces, which a machine puts there.
 */
#include "base/cleanup.h"
#include "base/file.h"
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

bool us_disk_possible(const struct us_recipe_target *target)
{
	if (target->spec.kind == US_TARGET_RAW)
		return true;
	return target->spec.kind == US_TARGET_DIR && maker_of(target->fs) < us_array_size(makers);
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

/* mkfs has made some of them. */
static struct us_err *check_marks(int fd, const struct us_recipe_device *device)
{
	for (size_t i = 0; i < device->n_marks; i++) {
		const struct us_recipe_mark *m = &device->marks[i];
		uint8_t buf[64];

		if (m->bytes.n > sizeof(buf))
			return us_err_new(US_ERR_BAD_DATA, "a mark of %zu bytes", m->bytes.n);
		if (pread(fd, buf, m->bytes.n, (off_t)m->at) != (ssize_t)m->bytes.n ||
		    memcmp(buf, m->bytes.p, m->bytes.n) != 0)
			return us_err_new(US_ERR_BAD_DATA,
					  "the scratch disk does not get the mark at %" PRIu64,
					  m->at);
	}
	return NULL;
}

struct us_err *us_disk_make(const struct us_disk_wish *wish)
{
	uint64_t bytes = wish->device->bytes ? wish->device->bytes : BYTES_USUAL;
	_us_close_ int fd = open(wish->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return us_err_os(errno, "creating %s", wish->path);
	if (wish->most_bytes && bytes > wish->most_bytes)
		bytes = wish->most_bytes;
	if (ftruncate(fd, (off_t)bytes))
		return us_err_os(errno, "making %s as large as the real disk", wish->path);
	if (wish->fs)
		US_TRY(make_fs(wish->path, wish->device, wish->fs));
	else
		US_TRY(us_crash_copy_identity(wish->real, fd, wish->device));
	return check_marks(fd, wish->device);
}

/* ---- pieces ---- */

static struct us_err *put_block(int fd, const void *p, size_t n)
{
	uint8_t block[US_FILL_BLOCK] = { 0 };

	memcpy(block, p, n);
	return us_file_write_all(fd, us_bytes_of(block, sizeof(block)), "the pieces");
}

struct us_err *us_disk_pack_begin(int fd)
{
	return put_block(fd, US_REHEARSE_FILL, sizeof(US_REHEARSE_FILL) - 1);
}

struct us_err *us_disk_pack_end(int fd)
{
	const struct us_fill_head none = { 0 };

	return put_block(fd, &none, sizeof(none));
}

static bool counts(const uint8_t *block, size_t n, bool zeros)
{
	return n && (zeros || block[0] || memcmp(block, block + 1, n - 1));
}

/* From at on: where blocks that count begin, and how many bytes they are (0: there is nothing more). */
static struct us_err *next_run(int in, bool zeros, uint64_t *at, uint64_t *ret_bytes)
{
	uint8_t block[US_FILL_BLOCK];
	off_t data;
	ssize_t n;

	for (*ret_bytes = 0;;) {
		if (!zeros && !*ret_bytes) { /* holes are long */
			data = lseek(in, (off_t)*at, SEEK_DATA);
			if (data < 0)
				return errno == ENXIO ? NULL : us_err_os(errno, "looking for data");
			*at = (uint64_t)data / US_FILL_BLOCK * US_FILL_BLOCK;
		}
		n = pread(in, block, sizeof(block), (off_t)(*at + *ret_bytes));
		if (n <= 0)
			return n ? us_err_os(errno, "reading a scratch disk") : NULL;
		if (counts(block, (size_t)n, zeros))
			*ret_bytes += (uint64_t)n;
		else if (*ret_bytes)
			return NULL;
		else
			*at += (uint64_t)n;
	}
}

struct us_err *us_disk_pack(const char *path, const char *device, bool zeros, int fd)
{
	_us_close_ int in = open(path, O_RDONLY | O_CLOEXEC);
	struct us_fill_head head = { 0 };

	if (in < 0)
		return us_err_os(errno, "opening %s", path);
	if (strlen(device) >= sizeof(head.device))
		return us_err_new(US_ERR_BAD_DATA, "%s: the name is too long", device);
	strcpy(head.device, device);
	for (;; head.at += head.bytes) {
		uint8_t block[US_FILL_BLOCK];

		US_TRY(next_run(in, zeros, &head.at, &head.bytes));
		if (!head.bytes)
			return NULL;
		US_TRY(put_block(fd, &head, sizeof(head)));
		for (uint64_t done = 0; done < head.bytes; done += sizeof(block)) {
			ssize_t n = pread(in, block, sizeof(block), (off_t)(head.at + done));

			if (n <= 0)
				return us_err_os(errno, "reading %s", path);
			US_TRY(put_block(fd, block, (size_t)n));
		}
	}
}
