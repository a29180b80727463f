/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file or a split set -> us_vmcore: which format it is by its first bytes, and the parts that all
 * formats share (warnings, RAM ranges, the words for memory that is missing).
 */
#include "base/cleanup.h"
#include "vmcore/vmcore-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAGIC_BYTES 8u

const uint8_t us_zero_page[US_ZERO_BYTES];

const char *us_vmcore_format_name(enum us_vmcore_format format)
{
	static const char *const names[US_VMCORE_FORMATS] = {
		[US_VMCORE_ELF] = "ELF core",           [US_VMCORE_PROC] = "/proc/vmcore",
		[US_VMCORE_KDUMP] = "kdump-compressed", [US_VMCORE_DISKDUMP] = "diskdump",
		[US_VMCORE_RAW] = "raw memory",
	};

	return (unsigned int)format < US_VMCORE_FORMATS ? names[format] : "unknown";
}

char *us_vmcore_printable(char *s)
{
	for (char *p = s; p && *p; p++)
		if (*p < ' ' || *p > '~')
			*p = '?';
	return s;
}

void us_vmcore_warn(struct us_vmcore *core, const char *fmt, ...)
{
	const char **list = (const char **)core->warnings;
	char text[512];
	va_list ap;
	size_t n = 0;

	while (list[n])
		n++;
	if (n == US_WARNINGS_MAX)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	list[n] = n + 1 == US_WARNINGS_MAX ? "there are more contradictions than are listed here"
					   : us_pool_strdup(&core->pool, us_vmcore_printable(text));
}

struct us_err *us_vmcore_new(const char *path, struct us_vmcore **ret)
{
	_us_vmcore_free_ struct us_vmcore *core = calloc(1, sizeof(*core));

	if (!core)
		return us_err_nomem();
	core->path = us_pool_strdup(&core->pool, path);
	core->warnings = us_pool_array(&core->pool, US_WARNINGS_MAX + 1, sizeof(*core->warnings));
	if (!core->path || !core->warnings)
		return us_err_nomem();
	core->arch = us_arch_by_id(US_ARCH_UNKNOWN);
	core->dump_level = -1;
	core->release = "";
	for (size_t i = 0; i < us_array_size(core->uts); i++)
		core->uts[i] = "";
	*ret = us_steal(&core);
	return NULL;
}

void us_vmcore_free(struct us_vmcore *core)
{
	if (!core)
		return;
	if (core->ops)
		core->ops->close(core);
	us_pool_deinit(&core->pool);
	free(core);
}

void us_vmcore_freep(struct us_vmcore **core)
{
	us_vmcore_free(*core);
}

static int range_by_start(const void *a, const void *b)
{
	const struct us_range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

struct us_err *us_vmcore_set_ram(struct us_vmcore *core, struct us_range *ranges, size_t n)
{
	uint64_t page = core->page_bytes;
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		uint64_t end;

		if (!ranges[i].size)
			continue;
		if (!us_align_up(us_range_end(ranges[i]), page, &end))
			end = us_align_down(UINT64_MAX, page);
		ranges[kept].start = us_align_down(ranges[i].start, page);
		if (ranges[kept].start >= end)
			continue;
		ranges[kept].size = end - ranges[kept].start;
		kept++;
	}
	n = kept;
	qsort(ranges, n, sizeof(*ranges), range_by_start);
	kept = 0;
	for (size_t i = 0; i < n; i++) {
		struct us_range *last = kept ? &ranges[kept - 1] : NULL;

		if (last && ranges[i].start <= us_range_end(*last)) {
			if (us_range_end(ranges[i]) > us_range_end(*last))
				last->size = us_range_end(ranges[i]) - last->start;
			continue;
		}
		ranges[kept++] = ranges[i];
	}
	core->ram = ranges;
	core->n_ram = kept;
	core->max_pfn = kept ? us_range_end(ranges[kept - 1]) >> core->page_shift : 0;
	return NULL;
}

struct us_err *us_vmcore_missing(const struct us_vmcore *core, uint64_t phys,
				 enum us_page_state state)
{
	static const char *const why[] = {
		[US_PAGE_ABSENT] = "there is no memory",
		[US_PAGE_PRESENT] = "there is memory after all",
		[US_PAGE_EXCLUDED] = "memory was left out of the dump",
		[US_PAGE_LOST] = "memory is missing: the dump is not complete",
	};

	return us_err_new(US_ERR_NOT_FOUND, "%s: at physical address 0x%" PRIx64 " %s", core->path,
			  phys, why[state]);
}

static const struct {
	const char *magic;
	size_t n;
	const char *what;
} strangers[] = {
	{ "\x1f\x8b", 2, "a gzip file; unpack it first" },
	{ "\x28\xb5\x2f\xfd", 4, "a zstd file; unpack it first" },
	{ "\xfd"
	  "7zXZ",
	  5, "an xz file; unpack it first" },
	{ "BZh", 3, "a bzip2 file; unpack it first" },
	{ "QEVM", 4, "a saved QEMU machine, not a dump of its memory" },
	{ "LiME", 4, "a LiME memory image, which is not handled" },
	{ "EMiL", 4, "a LiME memory image, which is not handled" },
	{ "PAGEDU", 6, "a Windows crash dump" },
};

static struct us_err *not_a_dump(struct us_vmcore *core, struct us_store *store)
{
	bool is_raw;
	struct us_bytes head = us_store_view(store, 0, MAGIC_BYTES);

	for (size_t i = 0; i < us_array_size(strangers); i++)
		if (us_bytes_match(head, 0, strangers[i].magic, strangers[i].n))
			return us_err_new(US_ERR_UNSUPPORTED, "%s is %s", store->path,
					  strangers[i].what);
	US_TRY(us_raw_open(core, store, &is_raw));
	if (is_raw)
		return NULL;
	return us_err_new(
		US_ERR_BAD_DATA,
		"%s is no dump: it begins with none of \\177ELF, KDUMP, DISKDUMP, and is no "
		"raw memory with a kernel in it",
		store->path);
}

/* The stores are core's to close as soon as core->ops is set. */
static struct us_err *open_format(struct us_vmcore *core, struct us_store *stores, size_t n)
{
	uint8_t magic[MAGIC_BYTES] = { 0 };

	core->flattened = stores[0].flattened;
	core->n_files = n;
	if (stores[0].bytes < sizeof(magic))
		return us_err_new(US_ERR_BAD_DATA,
				  "%s is too short to be a dump (%" PRIu64 " bytes)",
				  stores[0].path, stores[0].bytes);
	US_TRY(us_store_read(&stores[0], 0, magic, sizeof(magic)));
	if (memcmp(magic, "KDUMP   ", 8) == 0 || memcmp(magic, "DISKDUMP", 8) == 0)
		return us_kdump_open(core, stores, n);
	if (memcmp(magic, "\177ELF", 4) != 0)
		return not_a_dump(core, &stores[0]);
	if (n > 1)
		return us_err_new(
			US_ERR_USAGE,
			"%s is an ELF core; only kdump-compressed dumps come as split sets",
			stores[0].path);
	return us_elf_open(core, &stores[0]);
}

static struct us_err *finish(struct us_vmcore *core, struct us_store *stores, size_t n)
{
	struct us_err *err = open_format(core, stores, n);

	if (err && !core->ops)
		for (size_t i = 0; i < n; i++)
			us_store_close(&stores[i]);
	if (err)
		return err;
	for (size_t i = 0; i < n; i++)
		if (stores[i].cut) {
			core->incomplete = true;
			us_vmcore_warn(core, "%s: the flattened file ends without its end mark",
				       stores[i].path);
		}
	return NULL;
}

struct us_err *us_vmcore_open(const char *const *paths, size_t n, struct us_vmcore **ret)
{
	_us_vmcore_free_ struct us_vmcore *core = NULL;
	struct us_store *stores;
	struct us_err *err = NULL;
	size_t opened;

	if (!n)
		return us_err_new(US_ERR_USAGE, "no dump was named");
	US_TRY(us_vmcore_new(paths[0], &core));
	stores = us_pool_array(&core->pool, n, sizeof(*stores));
	if (!stores)
		return us_err_nomem();
	for (opened = 0; opened < n; opened++) {
		const char *path = us_pool_strdup(&core->pool, paths[opened]);

		err = path ? us_store_open(&core->pool, path, &stores[opened]) : us_err_nomem();
		if (err)
			break;
	}
	if (err) {
		while (opened)
			us_store_close(&stores[--opened]);
		return err;
	}
	US_TRY(finish(core, stores, n));
	*ret = us_steal(&core);
	return NULL;
}

struct us_err *us_vmcore_parse(const char *path, struct us_bytes file, struct us_vmcore **ret)
{
	_us_vmcore_free_ struct us_vmcore *core = NULL;
	struct us_store *store;

	US_TRY(us_vmcore_new(path, &core));
	store = us_pool_array(&core->pool, 1, sizeof(*store));
	if (!store)
		return us_err_nomem();
	US_TRY(us_store_of_bytes(&core->pool, core->path, file, store));
	US_TRY(finish(core, store, 1));
	*ret = us_steal(&core);
	return NULL;
}
