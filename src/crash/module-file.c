/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Modules stay packed in the capture image, each one lzo1x block, and are unpacked one after the
 * other when they are loaded: the kernel unpacks the whole image at the moment when it has least
 * memory, and 1.6 MiB of modules are 0.5 MiB then. Unpacked they are a file, not memory of the
 * program, since a kernel that asks where its modules come from (LoadPin, IMA) wants one.
 */
#include "crash/build-int.h"
#include "crash/capture.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <lzo/lzo1x.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#define LEVEL 6 /* the next two take two and eight times as long for 1 and 4 % of the bytes */

struct us_err *us_module_pack(struct us_bytes module, struct us_blob *ret)
{
	_us_free_ void *work = malloc(LZO1X_999_MEM_COMPRESS);
	_us_blob_deinit_ struct us_blob out = { 0 };
	lzo_uint n = 0;

	if (!work)
		return us_err_nomem();
	US_TRY(us_blob_new(module.n + module.n / 16 + 67, &out)); /* lzo.faq: its worst case */
	if (lzo1x_999_compress_level(module.p, module.n, out.p, &n, work, NULL, 0, NULL, LEVEL) !=
	    LZO_E_OK)
		return us_err_new(US_ERR_BAD_DATA, "lzo does not pack it");
	out.n = n;
	*ret = us_blob_steal(&out);
	return NULL;
}

/* Into the memory of a new file of m->bytes. */
static struct us_err *unpack_to(const struct us_recipe_module *m, struct us_bytes packed, int fd)
{
	lzo_uint n = m->bytes;

	if (ftruncate(fd, (off_t)m->bytes))
		return us_err_os(errno, "%s: %" PRIu64 " bytes", m->file, m->bytes);
	void *p = mmap(NULL, m->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return us_err_os(errno, "%s: its memory", m->file);
	int rc = lzo1x_decompress_safe(packed.p, packed.n, p, &n, NULL);
	munmap(p, m->bytes);
	if (rc != LZO_E_OK || n != m->bytes)
		return us_err_new(US_ERR_BAD_DATA,
				  "%s: %zu packed bytes do not unpack to %" PRIu64 " (lzo: %d)",
				  m->file, packed.n, m->bytes, rc);
	return NULL;
}

struct us_err *us_module_open(const struct us_recipe_module *m, int *ret_fd)
{
	_us_free_ char *path = NULL;
	_us_blob_deinit_ struct us_blob packed = { 0 };
	struct us_err *err;

	if (!m->bytes) {
		*ret_fd = open(m->file, O_RDONLY | O_CLOEXEC);
		return *ret_fd < 0 ? us_err_os(errno, "%s", m->file) : NULL;
	}
	US_TRY(us_file_map(m->file, &packed));
	US_TRY(us_text_format(&path, "%s.unpacked", m->file));
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return us_err_os(errno, "%s", path);
	err = unpack_to(m, us_blob_bytes(&packed), fd);
	close(fd); /* the kernel takes no file that somebody may write to */
	*ret_fd = err ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	if (!err && *ret_fd < 0)
		err = us_err_os(errno, "%s", path);
	unlink(path);
	return err;
}

struct us_err *us_module_insert(const struct us_recipe_module *m)
{
	_us_close_ int fd = -1;

	US_TRY(us_module_open(m, &fd));
	if (syscall(SYS_finit_module, fd, m->params ? m->params : "", 0) && errno != EEXIST)
		return us_err_os(errno, "%s", m->file);
	return NULL;
}
