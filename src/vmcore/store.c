/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The bytes of a dump file. Ordinary files and disks are mapped whole (address space is free, pages
 * come and go with the page cache) for views without copying; what can't be mapped so, /proc/vmcore
 * above all, is read with pread(2) and mapped in windows by who needs speed (elf.c). Flattened
 * files are seen unflattened.
 */
#include "base/cleanup.h"
#include "vmcore/vmcore-int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#define MAP_FROM   (64u << 10) /* parts of a file that isn't mapped are mapped from this size on */
#define LOAD_MAX   (1ull << 30)
#define STEP_BYTES (4ull << 20)

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14 */
#endif

static struct us_err *measure(int fd, const char *path, struct us_store *store)
{
	struct statfs fs;
	struct stat st;
	off_t end;

	if (fstat(fd, &st) < 0)
		return us_err_os(errno, "looking at %s", path);
	if (S_ISDIR(st.st_mode))
		return us_err_os(EISDIR, "reading %s", path);
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return us_err_new(US_ERR_UNSUPPORTED,
				  "%s is a pipe or a device; a dump must be in a file", path);
	store->is_proc = fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
	end = S_ISBLK(st.st_mode) ? lseek(fd, 0, SEEK_END) : st.st_size;
	if (end < 0)
		return us_err_os(errno, "measuring %s", path);
	if (!end)
		return us_err_new(US_ERR_BAD_DATA, "%s is empty", path);
	store->raw_bytes = store->bytes = (uint64_t)end;
	return NULL;
}

struct us_err *us_store_open(struct us_pool *pool, const char *path, struct us_store *ret)
{
	_us_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct us_store store = { .path = path, .fd = -1 };
	struct us_err *err;
	void *p;

	if (fd < 0)
		return us_err_os(errno, "opening %s", path);
	US_TRY(measure(fd, path, &store));
	p = store.is_proc ? MAP_FAILED : mmap(NULL, store.raw_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p != MAP_FAILED) {
		struct us_blob blob = { .p = p, .n = store.raw_bytes, .mapped = store.raw_bytes };

		US_TRY(us_pool_adopt(pool, &blob, &store.map));
		store.is_mapped = true;
	}
	store.fd = us_steal_fd(&fd);
	err = us_store_unflatten(pool, &store);
	if (err)
		us_store_close(&store);
	else
		*ret = store;
	return err;
}

struct us_err *us_store_of_bytes(struct us_pool *pool, const char *path, struct us_bytes bytes,
				 struct us_store *ret)
{
	struct us_store store = {
		.path = path, .fd = -1, .map = bytes, .raw_bytes = bytes.n, .bytes = bytes.n
	};

	if (!bytes.n)
		return us_err_new(US_ERR_BAD_DATA, "%s is empty", path);
	US_TRY(us_store_unflatten(pool, &store));
	*ret = store;
	return NULL;
}

void us_store_close(struct us_store *store)
{
	if (store->fd >= 0)
		close(store->fd);
	store->fd = -1;
}

/* Of the file as it stands. */
static struct us_err *read_raw(const struct us_store *store, uint64_t pos, void *buf, size_t n)
{
	uint8_t *to = buf;

	if (pos > store->raw_bytes || n > store->raw_bytes - pos)
		return us_err_new(US_ERR_BAD_DATA,
				  "%s ends at 0x%" PRIx64 ", before 0x%" PRIx64 " + 0x%zx",
				  store->path, store->raw_bytes, pos, n);
	if (store->fd < 0) {
		memcpy(buf, store->map.p + pos, n);
		return NULL;
	}
	while (n) {
		ssize_t got = pread(store->fd, to, n, (off_t)pos);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return us_err_os(errno, "reading %s at 0x%" PRIx64, store->path, pos);
		if (!got)
			return us_err_new(US_ERR_BAD_DATA, "%s ends at 0x%" PRIx64, store->path,
					  pos);
		to += got;
		pos += (uint64_t)got;
		n -= (size_t)got;
	}
	return NULL;
}

struct us_bytes us_store_view(const struct us_store *store, uint64_t off, uint64_t want)
{
	const struct us_piece *piece;

	if (!store->map.p)
		return us_bytes_of(NULL, 0);
	if (!store->flattened)
		return us_bytes_clip(store->map, off, want);
	piece = us_pieces_from(&store->segments, off);
	if (!piece || piece->start > off)
		return us_bytes_of(NULL, 0);
	off -= piece->start;
	if (want > piece->size - off)
		want = piece->size - off;
	return us_bytes_clip(store->map, piece->pos + off, want);
}

struct us_err *us_store_read(const struct us_store *store, uint64_t off, void *buf, size_t n)
{
	uint8_t *to = buf;

	if (!store->flattened)
		return read_raw(store, off, buf, n);
	if (off > store->bytes || n > store->bytes - off)
		return us_err_new(US_ERR_BAD_DATA,
				  "%s, unflattened, ends at 0x%" PRIx64 ", before 0x%" PRIx64
				  " + 0x%zx",
				  store->path, store->bytes, off, n);
	while (n) {
		const struct us_piece *piece = us_pieces_from(&store->segments, off);
		uint64_t part = n;

		if (piece && piece->start <= off) {
			if (part > piece->size - (off - piece->start))
				part = piece->size - (off - piece->start);
			US_TRY(read_raw(store, piece->pos + (off - piece->start), to, part));
		} else {
			if (piece && part > piece->start - off)
				part = piece->start - off;
			memset(to, 0, part);
		}
		to += part;
		off += part;
		n -= part;
	}
	return NULL;
}

struct us_err *us_store_peek(const struct us_store *store, uint64_t off, void *buf, size_t n)
{
	struct us_bytes view = us_store_view(store, off, n);

	if (view.n != n)
		return us_store_read(store, off, buf, n);
	memcpy(buf, view.p, n);
	return NULL;
}

bool us_store_touch(const struct us_store *store, struct us_bytes view)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), start = (uintptr_t)view.p & ~(page - 1);

	if (!store->is_mapped || view.n < US_TOUCH_BYTES)
		return true;
	if (madvise((void *)start, (uintptr_t)view.p + view.n - start, MADV_POPULATE_READ) == 0)
		return true;
	return errno != EFAULT && errno != EHWPOISON; /* a kernel before 5.14 does not know it */
}

void us_store_pass(const struct us_store *store, struct us_trail *trail, struct us_bytes view)
{
	struct us_trail here = { .store = store };

	if (!store->is_mapped)
		return;
	here.step = (uint64_t)(view.p - store->map.p) / STEP_BYTES;
	if (here.store == trail->store && here.step == trail->step)
		return;
	if (trail->store && trail->store->raw_bytes - trail->step * STEP_BYTES > STEP_BYTES)
		madvise((void *)(uintptr_t)(trail->store->map.p + trail->step * STEP_BYTES),
			STEP_BYTES, MADV_DONTNEED);
	*trail = here;
}

/* A mapping of a part of a file that isn't mapped as a whole; empty if that fails. */
static struct us_blob map_part(const struct us_store *store, uint64_t off, uint64_t n,
			       size_t *ret_skip)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), start = us_align_down(off, page);
	void *p = MAP_FAILED;

	*ret_skip = 0;
	if (!store->map.p && !store->flattened && n >= MAP_FROM)
		p = mmap(NULL, n + (off - start), PROT_READ, MAP_PRIVATE, store->fd, (off_t)start);
	if (p == MAP_FAILED)
		return (struct us_blob){ 0 };
	*ret_skip = off - start;
	return (struct us_blob){ .p = p, .n = n + (off - start), .mapped = n + (off - start) };
}

struct us_err *us_store_load(const struct us_store *store, struct us_pool *pool, uint64_t off,
			     uint64_t n, const char *what, struct us_bytes *ret)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	struct us_bytes view;
	uint64_t most = store->map.p ? store->raw_bytes : LOAD_MAX;
	size_t skip = 0;

	if (off > store->bytes || n > store->bytes - off)
		return us_err_new(US_ERR_BAD_DATA,
				  "%s at 0x%" PRIx64 " + 0x%" PRIx64
				  " %s past the end of the file (0x%" PRIx64 ")",
				  what, off, n, off > store->bytes ? "lies" : "reaches",
				  store->bytes);
	view = us_store_view(store, off, n);
	if (view.n == n) {
		*ret = view;
		return NULL;
	}
	if (n > most)
		return us_err_new(US_ERR_BAD_DATA,
				  "%s at 0x%" PRIx64 " is unbelievably large (0x%" PRIx64 " bytes)",
				  what, off, n);
	blob = map_part(store, off, n, &skip);
	if (!blob.p) {
		US_TRY(us_blob_new(n, &blob));
		US_TRY(us_store_read(store, off, blob.p, n));
	}
	US_TRY(us_pool_adopt(pool, &blob, &view));
	*ret = us_bytes_of(view.p + skip, n);
	return NULL;
}
