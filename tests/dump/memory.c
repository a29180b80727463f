/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * memory [--lines] [--read] DUMP...: the CRC-32 of all memory of a dump (several: a split set), taken
 * through windows, and how many pages are what. --lines: one line a page, "pfn crc" or "pfn state".
 * --read: by us_vmcore_read() instead of windows. A tool for tests, not installed.
 */
#include "base/cleanup.h"
#include "vmcore/vmcore.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

static const char *const states[] = {
	[US_PAGE_ABSENT] = "absent",
	[US_PAGE_PRESENT] = "present",
	[US_PAGE_EXCLUDED] = "excluded",
	[US_PAGE_LOST] = "lost",
};

struct job {
	bool lines, by_read;
	const struct us_vmcore *core;
	struct us_vmcore_reader *reader;
	uint8_t *page;
	uint64_t counts[us_array_size(states)], failed;
	uLong all;
};

static struct us_err *page_crc(struct job *job, uint64_t phys, uLong *ret)
{
	size_t page_bytes = job->core->page_bytes;
	uLong crc = crc32(0, NULL, 0);

	if (job->by_read) {
		US_TRY(us_vmcore_read(job->core, phys, job->page, page_bytes));
		*ret = crc32(crc, job->page, (uInt)page_bytes);
		return NULL;
	}
	for (size_t at = 0; at < page_bytes;) {
		struct us_bytes part;

		US_TRY(us_vmcore_window(job->reader, phys + at, page_bytes - at, &part));
		crc = crc32(crc, part.p, (uInt)part.n);
		at += part.n;
	}
	*ret = crc;
	return NULL;
}

static void do_page(struct job *job, uint64_t pfn)
{
	enum us_page_state state = us_vmcore_page_state(job->core, pfn);
	_us_err_free_ struct us_err *err = NULL;
	uint8_t raw[4];
	uLong crc = 0;

	job->counts[state]++;
	if (state == US_PAGE_PRESENT)
		err = page_crc(job, pfn << job->core->page_shift, &crc);
	if (err) {
		fprintf(stderr, "%s\n", err->text);
		job->failed++;
	}
	us_put_le32(raw, (uint32_t)crc);
	job->all = crc32(job->all, raw, sizeof(raw));
	if (job->lines && state == US_PAGE_PRESENT && !err)
		printf("%" PRIx64 " %08lx\n", pfn, crc);
	else if (job->lines)
		printf("%" PRIx64 " %s\n", pfn, err ? "failed" : states[state]);
}

static struct us_err *run(struct job *job, const char *const *paths, size_t n)
{
	_us_vmcore_free_ struct us_vmcore *core = NULL;
	_us_free_ uint8_t *page = NULL;
	struct timespec start, end;

	US_TRY(us_vmcore_open(paths, n, &core));
	for (size_t i = 0; core->warnings[i]; i++)
		fprintf(stderr, "warning: %s\n", core->warnings[i]);
	job->core = core;
	job->page = page = malloc(core->page_bytes);
	if (!page)
		return us_err_nomem();
	US_TRY(us_vmcore_reader_new(core, &job->reader));
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (size_t i = 0; i < core->n_ram; i++)
		for (uint64_t phys = core->ram[i].start; phys < us_range_end(core->ram[i]);
		     phys += core->page_bytes)
			do_page(job, phys >> core->page_shift);
	clock_gettime(CLOCK_MONOTONIC, &end);
	us_vmcore_reader_free(job->reader);
	printf("format %s\nincomplete %d\ncrc %08lx\nfailed %" PRIu64 "\n",
	       us_vmcore_format_name(core->format), core->incomplete, job->all, job->failed);
	for (size_t i = 0; i < us_array_size(states); i++)
		printf("%s %" PRIu64 "\n", states[i], job->counts[i]);
	printf("seconds %.3f\n",
	       (double)(end.tv_sec - start.tv_sec) + (double)(end.tv_nsec - start.tv_nsec) / 1e9);
	return NULL;
}

int main(int argc, char **argv)
{
	_us_err_free_ struct us_err *err = NULL;
	struct job job = { .all = crc32(0, NULL, 0) };
	int i = 1;

	for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		job.lines |= strcmp(argv[i], "--lines") == 0;
		job.by_read |= strcmp(argv[i], "--read") == 0;
	}
	err = run(&job, (const char *const *)argv + i, (size_t)(argc - i));
	if (err)
		fprintf(stderr, "memory: %s\n", err->text);
	return err != NULL;
}
