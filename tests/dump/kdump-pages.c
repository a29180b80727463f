/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kdump-pages DUMP...: what libkdumpfile 0.5 reads of a dump (several: a split set), one line a
 * page of the memory it knows: "pfn crc32", "pfn excluded" (in an ELF core: memory without bytes in
 * the file), or the error. A tool for tests, not installed, and none of our own code: it is the
 * other opinion.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <libkdumpfile/kdumpfile.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

static void page_line(kdump_ctx_t *ctx, uint64_t pfn, unsigned char *page, size_t size)
{
	size_t n = size;
	kdump_status status = kdump_read(ctx, KDUMP_MACHPHYSADDR, pfn * size, page, &n);

	if (status == KDUMP_OK && n == size)
		printf("%" PRIx64 " %08lx\n", pfn, crc32(crc32(0, NULL, 0), page, (uInt)n));
	else if (status == KDUMP_ERR_NODATA)
		printf("%" PRIx64 " excluded\n", pfn);
	else
		printf("%" PRIx64 " %s\n", pfn, kdump_get_err(ctx));
}

static int all_pages(kdump_ctx_t *ctx)
{
	kdump_attr_t map = { .type = KDUMP_BITMAP };
	kdump_addr_t pfn = 0;
	kdump_num_t size;
	unsigned char *page;

	if (kdump_get_number_attr(ctx, "arch.page_size", &size) != KDUMP_OK ||
	    kdump_get_typed_attr(ctx, KDUMP_ATTR_MEMORY_PAGEMAP, &map) != KDUMP_OK)
		return 1;
	page = malloc(size);
	for (; page && kdump_bmp_find_set(map.val.bitmap, &pfn) == KDUMP_OK; pfn++)
		page_line(ctx, pfn, page, size);
	free(page);
	return !page;
}

int main(int argc, char **argv)
{
	kdump_ctx_t *ctx = kdump_new();
	int fds[64];
	int failed;

	if (!ctx || argc < 2 || argc > 65)
		return 2;
	for (int i = 1; i < argc; i++)
		fds[i - 1] = open(argv[i], O_RDONLY | O_CLOEXEC);
	failed = kdump_open_fdset(ctx, (unsigned int)argc - 1, fds) != KDUMP_OK || all_pages(ctx);
	if (failed)
		fprintf(stderr, "kdump-pages: %s\n", kdump_get_err(ctx));
	kdump_free(ctx);
	return failed;
}
