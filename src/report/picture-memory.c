/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory by class as SVG: one bar of shares, and a map in which each cell is the same number of
 * pages, in the order of their addresses, coloured by what is in it. Holes between ranges take no
 * room. Runs of pages come from a scan, in ascending order; memory of any size needs the same few
 * cells.
 */
#include "report/report-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <inttypes.h>
#include <string.h>

#define WIDTH     1000
#define MARGIN    24
#define MAP_X     150
#define COLUMNS   96
#define ROWS      48
#define CELLS     (COLUMNS * ROWS)
#define CELL_W    8.5
#define CELL_H    11
#define BAR_Y     66
#define BAR_H     30
#define LEGEND_Y  124
#define LEGEND_DY 19
#define PART_MIN  0.12 /* of a cell: smaller parts are not drawn */

struct us_memory_picture {
	const struct us_range *ram; /* borrowed from the dump */
	size_t n_ram, at;           /* the range that the last run was in */
	uint64_t before;            /* pages in the ranges before that */
	uint32_t page_shift;
	uint64_t pages, per_cell;
	uint64_t cells[CELLS][US_CLASS_COUNT];
};

static const char *const colours[US_CLASS_COUNT] = {
	[US_CLASS_PROTECTED] = "#9467bd", [US_CLASS_SLAB] = "#1f77b4",
	[US_CLASS_KEEP] = "#6baed6",      [US_CLASS_USER] = "#ff7f0e",
	[US_CLASS_CACHE] = "#98df8a",     [US_CLASS_CACHE_PRIVATE] = "#2ca02c",
	[US_CLASS_FREE] = "#eeeeee",      [US_CLASS_OFFLINE] = "#bdbdbd",
	[US_CLASS_POISON] = "#d62728",
};

struct us_err *us_memory_picture_new(const struct us_vmcore *core, struct us_memory_picture **ret)
{
	struct us_memory_picture *p = calloc(1, sizeof(*p));

	if (!p)
		return us_err_nomem();
	p->ram = core->ram;
	p->n_ram = core->n_ram;
	p->page_shift = core->page_shift;
	for (size_t i = 0; i < core->n_ram; i++)
		p->pages += core->ram[i].size >> core->page_shift;
	p->per_cell = (p->pages + CELLS - 1) / CELLS;
	p->per_cell += !p->per_cell;
	*ret = p;
	return NULL;
}

void us_memory_picture_free(struct us_memory_picture *picture)
{
	free(picture);
}

/* Pages [from, from + count), counted without the holes. */
static void add(struct us_memory_picture *p, uint64_t from, uint64_t count, enum us_page_class class)
{
	while (count) {
		uint64_t cell = from / p->per_cell, room = p->per_cell - from % p->per_cell;

		if (cell >= CELLS)
			return;
		if (room > count)
			room = count;
		p->cells[cell][class] += room;
		from += room;
		count -= room;
	}
}

struct us_err *us_memory_picture_run(void *picture, const struct us_run *run)
{
	struct us_memory_picture *p = picture;
	uint64_t pfn = run->pfn, left = run->count;

	while (left && p->at < p->n_ram) {
		uint64_t start = p->ram[p->at].start >> p->page_shift;
		uint64_t size = p->ram[p->at].size >> p->page_shift, take;

		if (pfn >= start + size) {
			p->before += size;
			p->at++;
			continue;
		}
		if (pfn < start) { /* not in memory at all */
			take = start - pfn < left ? start - pfn : left;
		} else {
			take = start + size - pfn < left ? start + size - pfn : left;
			add(p, p->before + pfn - start, take, run->class);
		}
		pfn += take;
		left -= take;
	}
	return NULL;
}

static uint64_t sum(const uint64_t counts[US_CLASS_COUNT])
{
	uint64_t total = 0;

	for (int c = 0; c < US_CLASS_COUNT; c++)
		total += counts[c];
	return total;
}

static void draw_bar(FILE *f, const uint64_t counts[US_CLASS_COUNT])
{
	double x = MARGIN,
	       scale = (double)(WIDTH - 2 * MARGIN) / (double)(sum(counts) + !sum(counts));

	for (int i = 0; i < US_CLASS_COUNT; i++) {
		double w = (double)counts[us_class_order[i]] * scale;
		char style[80];

		if (w <= 0)
			continue;
		snprintf(style, sizeof(style),
			 "fill=\"%s\" stroke=\"#777777\" stroke-width=\"0.5\"",
			 colours[us_class_order[i]]);
		us_svg_box(f, x, BAR_Y, w, BAR_H, style);
		if (w > 60)
			us_svg_text(f, x + w / 2, BAR_Y + BAR_H / 2.0 + 4,
				    "class=\"small on\" text-anchor=\"middle\"", "%.1f %%",
				    w / scale * 100 / (double)sum(counts));
		x += w;
	}
}

/* Two columns; the height that it took. */
static double draw_legend(FILE *f, const uint64_t counts[US_CLASS_COUNT], uint32_t page_bytes)
{
	int n = 0;

	for (int i = 0; i < US_CLASS_COUNT; i++) {
		double x = n % 2 ? WIDTH / 2.0 : MARGIN, y = LEGEND_Y + n / 2 * LEGEND_DY;
		char style[64], size[US_TEXT_SIZE_MAX];

		if (!counts[us_class_order[i]])
			continue;
		snprintf(style, sizeof(style), "fill=\"%s\" stroke=\"#777777\"",
			 colours[us_class_order[i]]);
		us_svg_box(f, x, y - 10, 14, 12, style);
		us_svg_text(f, x + 20, y, "class=\"label\"", "%s",
			    us_class_words(us_class_order[i]));
		us_svg_text(f, x + 220, y, "class=\"small\"", "%s, %.1f %%",
			    us_text_size(counts[us_class_order[i]] * page_bytes, size),
			    100.0 * (double)counts[us_class_order[i]] / (double)sum(counts));
		n++;
	}
	return (n + 1) / 2 * LEGEND_DY;
}

/* The parts of a cell, from the bottom up. */
static void draw_cell(FILE *f, const uint64_t counts[US_CLASS_COUNT], double x, double y)
{
	uint64_t total = sum(counts);
	double base = y + CELL_H;

	for (int i = 0; total && i < US_CLASS_COUNT; i++) {
		double part = (double)counts[us_class_order[i]] / (double)total;

		if (part < PART_MIN)
			continue;
		if (base - part * CELL_H < y || i + 1 == US_CLASS_COUNT)
			part = (base - y) / CELL_H;
		fprintf(f,
			"<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" "
			"fill=\"%s\"/>\n",
			x, base - part * CELL_H, CELL_W, part * CELL_H, colours[us_class_order[i]]);
		base -= part * CELL_H;
	}
}

/* The class that a cell is full of, but for parts that are not drawn; -1 if there is none. */
static int full_of(const uint64_t counts[US_CLASS_COUNT])
{
	uint64_t total = sum(counts);

	for (int c = 0; total && c < US_CLASS_COUNT; c++)
		if ((double)counts[c] > (double)total * (1 - PART_MIN))
			return c;
	return -1;
}

/* Neighbours of one colour are one box. */
static void draw_row(FILE *f, const struct us_memory_picture *p, uint64_t first, uint64_t end,
		     double y)
{
	for (uint64_t i = first, n; i < end; i += n) {
		double x = MAP_X + (double)(i - first) * CELL_W;
		int class = full_of(p->cells[i]);
		char style[32];

		n = 1;
		if (class < 0) {
			draw_cell(f, p->cells[i], x, y);
			continue;
		}
		while (i + n < end && full_of(p->cells[i + n]) == class)
			n++;
		snprintf(style, sizeof(style), "fill=\"%s\"", colours[class]);
		us_svg_box(f, x, y, (double)n * CELL_W, CELL_H, style);
	}
}

/* The address of a page that is counted without the holes. */
static uint64_t address_of(const struct us_memory_picture *p, uint64_t page)
{
	for (size_t i = 0; i < p->n_ram; i++) {
		uint64_t n = p->ram[i].size >> p->page_shift;

		if (page < n)
			return p->ram[i].start + (page << p->page_shift);
		page -= n;
	}
	return 0;
}

static void draw_map(FILE *f, const struct us_memory_picture *p, double top)
{
	uint64_t used = (p->pages + p->per_cell - 1) / p->per_cell;
	uint64_t rows = (used + COLUMNS - 1) / COLUMNS;

	us_svg_box(f, MAP_X, top, COLUMNS * CELL_W, (double)rows * CELL_H,
		   "fill=\"#ffffff\" stroke=\"#aaaaaa\"");
	for (uint64_t row = 0; row < rows; row++) {
		uint64_t end = (row + 1) * COLUMNS;

		draw_row(f, p, row * COLUMNS, end < used ? end : used, top + (double)row * CELL_H);
		if (row % 2 == 0)
			us_svg_text(f, MAP_X - 8, top + (double)row * CELL_H + 10,
				    "class=\"address\" text-anchor=\"end\"", "0x%" PRIx64,
				    address_of(p, row * COLUMNS * p->per_cell));
	}
}

/* Where a range of memory ends and the next one begins. */
static void draw_borders(FILE *f, const struct us_memory_picture *p, double top)
{
	uint64_t page = 0;

	for (size_t i = 0; i + 1 < p->n_ram; i++) {
		double x, y;

		page += p->ram[i].size >> p->page_shift;
		x = MAP_X + (double)(page / p->per_cell % COLUMNS) * CELL_W;
		y = top + (double)(page / p->per_cell / COLUMNS) * CELL_H;
		fprintf(f,
			"<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#000000\" "
			"stroke-width=\"1.2\"/>\n",
			x, y, x, y + CELL_H);
	}
}

#define HEIGHT (LEGEND_Y + 5 * LEGEND_DY + 40 + ROWS * CELL_H + MARGIN)

/* All but the headline. */
static void draw_body(FILE *f, const struct us_memory_picture *p, uint32_t page_bytes)
{
	uint64_t counts[US_CLASS_COUNT] = { 0 }, cell_bytes = p->per_cell << p->page_shift;
	char size[US_TEXT_SIZE_MAX];
	double top;

	for (size_t i = 0; i < CELLS; i++)
		for (int c = 0; c < US_CLASS_COUNT; c++)
			counts[c] += p->cells[i][c];
	draw_bar(f, counts);
	top = LEGEND_Y + draw_legend(f, counts, page_bytes) + 16;
	us_svg_text(f, MAP_X, top, "class=\"small\"",
		    "Each cell is %s; addresses grow to the right and down; a black line is a hole "
		    "between two ranges.",
		    us_text_size(cell_bytes, size));
	draw_map(f, p, top + 8);
	draw_borders(f, p, top + 8);
	fputs("</svg>\n", f);
}

struct us_err *us_memory_picture_draw(FILE *f, const struct us_memory_picture *p,
				      const struct us_info *info)
{
	const struct us_vmcore *core = info->core;
	char size[US_TEXT_SIZE_MAX];

	us_svg_open(f, WIDTH, HEIGHT);
	us_svg_text(f, MARGIN, 28, "class=\"title\"", "Memory of %s, Linux %s", core->path,
		    core->release);
	us_svg_text(f, MARGIN, 48, "class=\"small\"", "%s by what it was used for.%s%s",
		    us_text_size(p->pages << p->page_shift, size),
		    info->panic && info->panic->panic ? " Panic: " : "",
		    info->panic && info->panic->panic ? info->panic->panic : "");
	draw_body(f, p, core->page_bytes);
	return ferror(f) ? us_err_new(US_ERR_OS, "writing the picture failed") : NULL;
}

void us_memory_picture_inline(FILE *f, const struct us_memory_picture *p, uint32_t page_bytes)
{
	uint64_t rows = (p->pages + p->per_cell * COLUMNS - 1) / (p->per_cell * COLUMNS);

	us_svg_inline(f, 0, BAR_Y - 10, WIDTH,
		      (int)(HEIGHT - BAR_Y + 10 - (double)(ROWS - rows) * CELL_H),
		      "Memory by what it was used for");
	draw_body(f, p, page_bytes);
}
