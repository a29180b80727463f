/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The least that a filtering dump has to do, for the bench to hold ours beside: the bare codec of
 * the library (lzo1x_1 of liblzo2, libdeflate's zlib at level 1, snappy, zstd at level 1) over the
 * pages that a dump has kept, and one read of all struct pages. Pages of zeros are no work and left
 * out; the others stand packed in memory before the clock starts, their output is written over and
 * over the same page and goes nowhere. floor CODEC CORE DUMP TURNS prints the medians in ms: codec,
 * page array.
 */
#include "base/cleanup.h"
#include "dump/dump-int.h"
#include "vmcore/pages-int.h"

#include <libdeflate.h>
#include <lzo/lzo1x.h>
#include <snappy-c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <zstd.h>

#define TURNS_MAX 99

struct bare {
	struct libdeflate_compressor *zlib;
	ZSTD_CCtx *zstd;
	uint8_t lzo[LZO1X_1_MEM_COMPRESS] __attribute__((aligned(16)));
	uint8_t out[1u << 17];
};

static size_t bare_none(struct bare *b, const uint8_t *p, size_t n)
{
	memcpy(b->out, p, n);
	return n;
}

static size_t bare_lzo(struct bare *b, const uint8_t *p, size_t n)
{
	lzo_uint got = sizeof(b->out);

	return lzo1x_1_compress(p, n, b->out, &got, b->lzo) == LZO_E_OK ? got : 0;
}

static size_t bare_zlib(struct bare *b, const uint8_t *p, size_t n)
{
	return libdeflate_zlib_compress(b->zlib, p, n, b->out, sizeof(b->out));
}

static size_t bare_snappy(struct bare *b, const uint8_t *p, size_t n)
{
	size_t got = sizeof(b->out);

	return snappy_compress((const char *)p, n, (char *)b->out, &got) == SNAPPY_OK ? got : 0;
}

static size_t bare_zstd(struct bare *b, const uint8_t *p, size_t n)
{
	return ZSTD_compressCCtx(b->zstd, b->out, sizeof(b->out), p, n, 1);
}

static const struct {
	const char *name;
	size_t (*pack)(struct bare *b, const uint8_t *p, size_t n);
} codecs[] = {
	{ "none", bare_none },     { "lzo", bare_lzo },   { "zlib", bare_zlib },
	{ "snappy", bare_snappy }, { "zstd", bare_zstd },
};

/* What dump holds of core but zeros, one page after the other. */
static struct us_err *collect(const struct us_vmcore *core, const struct us_vmcore *dump,
			      uint8_t **ret, size_t *ret_pages)
{
	size_t size = core->page_bytes, n = 0;
	uint8_t *all = mmap(NULL, core->max_pfn * size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint64_t run, word;

	if (all == MAP_FAILED)
		return us_err_nomem();
	for (uint64_t pfn = 0; pfn < core->max_pfn; pfn += run) {
		enum us_page_state state;

		run = us_vmcore_page_run(dump, pfn, core->max_pfn - pfn, &state);
		for (uint64_t i = 0; i < run && state == US_PAGE_PRESENT; i++) {
			uint8_t *page = all + n * size;

			US_TRY(us_vmcore_read(core, (pfn + i) << core->page_shift, page, size));
			n += !us_repeats(page, size, &word) || word;
		}
	}
	*ret = all;
	*ret_pages = n;
	return NULL;
}

/* The sum of all words of the struct pages of core's memory. */
static struct us_err *read_page_array(const struct us_vmcore *core, struct us_page_map *map,
				      struct us_vmcore_reader *reader, uint64_t *ret)
{
	uint64_t sum = 0, size = map->layout->rules.size;

	for (size_t i = 0; i < core->n_ram; i++) {
		uint64_t pfn = core->ram[i].start >> core->page_shift;
		uint64_t end = us_range_end(core->ram[i]) >> core->page_shift;

		while (pfn < end) {
			uint64_t stop = us_align_down(pfn, map->section_pages) + map->section_pages;
			uint64_t virt, phys, mapped, left;

			stop = stop < end ? stop : end;
			if (!us_page_map_at(map, pfn, &virt)) {
				pfn = stop;
				continue;
			}
			for (left = (stop - pfn) * size; left; left -= mapped, virt += mapped) {
				struct us_bytes view;

				US_TRY(us_walk(&map->walker, virt, &phys, &mapped));
				US_TRY(us_vmcore_window(reader, phys, mapped < left ? mapped : left,
							&view));
				mapped = view.n;
				for (size_t at = 0; at + 8 <= view.n; at += 8) {
					uint64_t word;

					memcpy(&word, view.p + at, sizeof(word));
					sum += word;
				}
			}
			pfn = stop;
		}
	}
	*ret = sum;
	return NULL;
}

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static struct us_err *measure(char **words, size_t turns)
{
	const char *paths[] = { words[2], words[3] };
	_us_vmcore_free_ struct us_vmcore *core = NULL, *dump = NULL;
	struct us_layout *layout;
	struct us_vmcore_reader *reader;
	struct us_page_map map;
	_us_free_ struct bare *bare = calloc(1, sizeof(*bare));
	double codec_ms[TURNS_MAX], array_ms[TURNS_MAX];
	size_t pages = 0, packed = 0, codec = 0;
	uint64_t sum = 0;
	uint8_t *all = NULL;

	while (codec < us_array_size(codecs) && strcmp(codecs[codec].name, words[1]) != 0)
		codec++;
	if (codec == us_array_size(codecs))
		return us_err_new(US_ERR_USAGE, "no codec %s", words[1]);
	if (!bare)
		return us_err_nomem();
	bare->zlib = libdeflate_alloc_compressor(1);
	bare->zstd = ZSTD_createCCtx();
	if (!bare->zlib || !bare->zstd || lzo_init() != LZO_E_OK)
		return us_err_nomem();
	US_TRY(us_vmcore_open(&paths[0], 1, &core));
	US_TRY(us_vmcore_open(&paths[1], 1, &dump));
	US_TRY(us_layout_find(core, &layout));
	US_TRY(us_page_map_init(core, layout, &map));
	US_TRY(us_vmcore_reader_new(core, &reader));
	US_TRY(collect(core, dump, &all, &pages));
	for (size_t t = 0; t < turns; t++) {
		uint64_t begin = us_now_ns();

		packed = 0;
		for (size_t i = 0; i < pages; i++) {
			size_t n = codecs[codec].pack(bare, all + i * core->page_bytes,
						      core->page_bytes);

			packed += n && n < core->page_bytes ? n : core->page_bytes;
		}
		codec_ms[t] = (double)(us_now_ns() - begin) / 1e6;
		begin = us_now_ns();
		US_TRY(read_page_array(core, &map, reader, &sum));
		array_ms[t] = (double)(us_now_ns() - begin) / 1e6;
	}
	qsort(codec_ms, turns, sizeof(*codec_ms), by_size);
	qsort(array_ms, turns, sizeof(*array_ms), by_size);
	printf("%.2f %.2f\n%zu pages to %zu bytes; sum of the struct pages %llx\n",
	       codec_ms[turns / 2], array_ms[turns / 2], pages, packed, (unsigned long long)sum);
	return NULL;
}

int main(int argc, char **argv)
{
	int turns = argc == 5 ? atoi(argv[4]) : 0;
	struct us_err *err;

	if (turns < 1 || turns > TURNS_MAX) {
		fprintf(stderr, "usage: floor CODEC CORE DUMP TURNS\n");
		return 2;
	}
	err = measure(argv, (size_t)turns);
	if (err) {
		fprintf(stderr, "floor: %s\n", err->text);
		return 3;
	}
	return 0;
}
