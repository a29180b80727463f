/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many bytes a dump of this machine would have now, unpacked: the pages of RAM by the flags
 * that /proc/kpageflags has for each (Linux 6.12 Documentation/admin-guide/mm/pagemap.rst), in
 * classes as dump levels have them; on large machines a sample of them. Without that file (not
 * root) by the sums of /proc/meminfo. Pages of zeros are not known before a dump and count as kept.
 */
#include "crash/crash.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_PAGES 512       /* read at once */
#define LOOK_AT     (1 << 21) /* pages; more are sampled */

enum {
	SLAB = 7,
	BUDDY = 10,
	ANON = 12,
	HUGE = 17,
	HWPOISON = 19,
	NOPAGE = 20,
	THP = 22,
	OFFLINE = 23,
	LRU = 5,
	PRIVATE = 35
};
#define BIT(n) (UINT64_C(1) << (n))

/* Dump levels, as makedumpfile(8) numbers them. */
enum { CACHE = 2, CACHE_PRIVATE = 4, USER = 8, FREE = 16 };

static bool kept(uint64_t flags, unsigned int level)
{
	if (flags & (BIT(NOPAGE) | BIT(HWPOISON) | BIT(OFFLINE)))
		return false;
	if (flags & BIT(BUDDY))
		return !(level & FREE);
	if (flags & BIT(SLAB))
		return true;
	if (flags & (BIT(ANON) | BIT(HUGE)))
		return !(level & USER);
	if (flags & (BIT(LRU) | BIT(THP)))
		return flags & BIT(PRIVATE) ? !(level & CACHE_PRIVATE)
					    : !(level & (CACHE | CACHE_PRIVATE));
	return true;
}

struct count {
	uint64_t looked_at, kept;
};

static struct us_err *look_at_block(int fd, uint64_t pfn, uint64_t n, unsigned int level,
				    struct count *count)
{
	uint64_t flags[BLOCK_PAGES];
	ssize_t got = pread(fd, flags, n * sizeof(*flags), (off_t)(pfn * sizeof(*flags)));

	if (got < 0)
		return us_err_os(errno, "reading /proc/kpageflags");
	for (size_t i = 0; i < (size_t)got / sizeof(*flags); i++) {
		count->looked_at++;
		count->kept += kept(flags[i], level);
	}
	return NULL;
}

/* What a dump holds: RAM with the running kernel in it, without the reservation. */
static bool is_dumped(enum us_mem_kind kind)
{
	return kind == US_MEM_RAM || kind == US_MEM_KERNEL_CODE || kind == US_MEM_KERNEL_DATA;
}

static uint64_t dumped_bytes(const struct us_host *host)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < host->map.n; i++)
		if (is_dumped(host->map.entries[i].kind))
			bytes += host->map.entries[i].range.size;
	return bytes;
}

static struct us_err *by_flags(const struct us_host *host, int fd, unsigned int level, uint64_t *ret)
{
	uint64_t page = host->arch->page_bytes, total = dumped_bytes(host) / page, block = 0;
	uint64_t stride = total / LOOK_AT + 1; /* of so many blocks one is looked at */
	struct count count = { 0 };

	for (size_t i = 0; i < host->map.n; i++) {
		struct us_range r = host->map.entries[i].range;
		uint64_t pfn = r.start / page, end = us_range_end(r) / page;

		if (!is_dumped(host->map.entries[i].kind))
			continue;
		for (; pfn < end; pfn += BLOCK_PAGES) {
			uint64_t n = end - pfn < BLOCK_PAGES ? end - pfn : BLOCK_PAGES;

			if (block++ % stride == 0)
				US_TRY(look_at_block(fd, pfn, n, level, &count));
		}
	}
	if (!count.looked_at)
		return us_err_new(US_ERR_NOT_FOUND, "/proc/kpageflags has nothing for this memory");
	*ret = (uint64_t)((double)count.kept / (double)count.looked_at * (double)total) * page;
	return NULL;
}

/* "Name:   123 kB" -> bytes; 0 if it is not there. */
static uint64_t meminfo(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (!strncmp(line, name, n) && line[n] == ':')
			return strtoull(line + n + 1, NULL, 10) * 1024;
	}
	return 0;
}

static struct us_err *by_meminfo(const struct us_host *host, unsigned int level, uint64_t *ret)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	uint64_t total = dumped_bytes(host), gone = 0;
	const char *text;

	US_TRY(us_file_read_at(host->root_fd, "/proc/meminfo", 65536, &blob));
	text = (const char *)blob.p;
	if (!total)
		total = meminfo(text, "MemTotal");
	if (!total)
		return us_err_new(US_ERR_NOT_FOUND, "/proc/meminfo has no MemTotal");
	if (level & FREE)
		gone += meminfo(text, "MemFree");
	if (level & CACHE_PRIVATE)
		gone += meminfo(text, "Buffers");
	if (level & (CACHE | CACHE_PRIVATE))
		gone += meminfo(text, "Cached") + meminfo(text, "SwapCached");
	if (level & USER)
		gone += meminfo(text, "AnonPages") + meminfo(text, "Hugetlb");
	*ret = total > gone ? total - gone : 0;
	return NULL;
}

struct us_err *us_crash_predict(const struct us_host *host, unsigned int level, uint64_t *ret_bytes)
{
	_us_close_ int fd = openat(host->root_fd, "proc/kpageflags", O_RDONLY | O_CLOEXEC);
	_us_err_free_ struct us_err *err = NULL;

	if (fd >= 0 && dumped_bytes(host)) {
		err = by_flags(host, fd, level, ret_bytes);
		if (!err)
			return NULL;
	}
	return by_meminfo(host, level, ret_bytes);
}
