/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * runs DUMP [bits FILE]: what the page scan says, one line a run ("pfn count class"), then what it
 * says about itself. With "bits LEVEL FILE" instead: the pages that a dump of that level keeps, one
 * bit a page as in a kdump file's second bitmap. A tool for tests, not installed.
 */
#include "base/cleanup.h"
#include "dump/dump.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

static struct us_err *print(void *data, const struct us_run *run)
{
	(void)data;
	printf("%" PRIu64 " %" PRIu64 " %s\n", run->pfn, run->count, us_page_class_name(run->class));
	return NULL;
}

static struct us_err *ignore(void *data, const struct us_run *run)
{
	(void)data;
	(void)run;
	return NULL;
}

struct bits {
	unsigned int level;
	uint8_t *map;
};

static bool is_kept(enum us_page_class class, unsigned int level)
{
	switch (class) {
	case US_CLASS_FREE:
		return !(level & US_DUMP_FREE);
	case US_CLASS_CACHE:
		return !(level & (US_DUMP_CACHE | US_DUMP_CACHE_PRIVATE));
	case US_CLASS_CACHE_PRIVATE:
		return !(level & US_DUMP_CACHE_PRIVATE);
	case US_CLASS_USER:
		return !(level & US_DUMP_USER);
	case US_CLASS_OFFLINE:
	case US_CLASS_POISON:
		return false;
	default:
		return true;
	}
}

static struct us_err *mark(void *data, const struct us_run *run)
{
	struct bits *bits = data;

	if (is_kept(run->class, bits->level)) {
		for (uint64_t pfn = run->pfn; pfn < run->pfn + run->count; pfn++)
			bits->map[pfn >> 3] |= (uint8_t)(1 << (pfn & 7));
	}
	return NULL;
}

static void print_scan(const struct us_scan *scan, double seconds)
{
	for (int i = 0; i < US_CLASS_COUNT; i++)
		printf("total %s %" PRIu64 "\n", us_page_class_name((enum us_page_class)i),
		       scan->pages[i]);
	printf("unreadable %" PRIu64 "\nfree_ok %s\nslab_ok %s\n", scan->unreadable,
	       us_tri_name(scan->free_ok), us_tri_name(scan->slab_ok));
	for (const char *const *note = scan->notes; *note; note++)
		printf("note %s\n", *note);
	printf("seconds %.6f\n", seconds);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct us_err *run(int argc, char **argv)
{
	const char *const paths[] = { argv[1] };
	_us_vmcore_free_ struct us_vmcore *core = NULL;
	struct us_layout *layout = NULL;
	struct us_scan scan;
	struct us_err *err;
	double begin;

	US_TRY(us_vmcore_open(paths, 1, &core));
	begin = now();
	US_TRY(us_layout_find(core, &layout));
	printf("layout %.6f\n", now() - begin);
	begin = now();
	if (argc == 5 && strcmp(argv[2], "bits") == 0) {
		struct bits bits = { .level = (unsigned int)atoi(argv[3]) };
		_us_fclose_ FILE *out = fopen(argv[4], "wb");

		bits.map = calloc(core->max_pfn / 8 + 1, 1);
		if (!bits.map || !out)
			return us_err_new(US_ERR_OS, "no room for the bitmap");
		err = us_vmcore_scan(core, layout, mark, &bits, NULL, &scan);
		fwrite(bits.map, 1, core->max_pfn / 8 + 1, out);
		free(bits.map);
	} else {
		err = us_vmcore_scan(core, layout, argc > 2 ? ignore : print, NULL, NULL, &scan);
	}
	us_layout_free(layout);
	if (err)
		return err;
	print_scan(&scan, now() - begin);
	us_scan_deinit(&scan);
	return NULL;
}

int main(int argc, char **argv)
{
	_us_err_free_ struct us_err *err = NULL;

	if (argc < 2) {
		fprintf(stderr, "usage: runs DUMP [quiet | bits LEVEL FILE]\n");
		return 2;
	}
	err = run(argc, argv);
	if (err)
		fprintf(stderr, "%s\n", err->text);
	return err ? 1 : 0;
}
