/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory map with a plan in it, as SVG 1.1 (https://www.w3.org/TR/SVG11/), self-contained. The
 * axis is broken at every border and each stretch between two borders is as high as the logarithm
 * of its size, so that one page beside a terabyte can still be seen. It reads nothing: machine and
 * plan are given.
 */
#include "report/report-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <inttypes.h>
#include <string.h>

#define TOP         92
#define AXIS_X      150 /* right edge of the address labels */
#define MAP_X       160
#define MAP_WIDTH   210
#define PLAN_X      380
#define PLAN_WIDTH  130
#define LABEL_X     560
#define WIDTH       960
#define LABEL_STEP  34
#define HIGH_ENOUGH 1500 /* a picture that would be higher is squeezed */

struct stretch {
	uint64_t start, end;
	double y, h; /* relative to TOP */
};

struct picture {
	FILE *f;
	const struct us_map *map; /* never NULL */
	const struct us_host *host;
	const struct us_plan *plan;
	uint64_t *borders;
	struct stretch *stretches;
	size_t n_borders, n;
	double height;
};

static const char *const kind_colour[US_MEM_KINDS] = {
	[US_MEM_RAM] = "#d5e8d4",         [US_MEM_RESERVED] = "#d9d9d9",
	[US_MEM_ACPI] = "#fff2cc",        [US_MEM_NVS] = "#ffe0a3",
	[US_MEM_UNUSABLE] = "#8c8c8c",    [US_MEM_PMEM] = "#c5d9f1",
	[US_MEM_PRAM] = "#b4cbe8",        [US_MEM_SOFT_RESERVED] = "#e6e6fa",
	[US_MEM_CRASH] = "#f8cecc",       [US_MEM_KERNEL_CODE] = "#9fc9a0",
	[US_MEM_KERNEL_DATA] = "#b7d8b6", [US_MEM_OTHER] = "#eeeeee",
};

static const char *const role_colour[US_SEG_ROLES] = {
	[US_SEG_PURGATORY] = "#9467bd",  [US_SEG_BOOT_PARAMS] = "#e377c2",
	[US_SEG_KERNEL] = "#1f77b4",     [US_SEG_INITRD] = "#2ca02c",
	[US_SEG_SETUP_DATA] = "#bcbd22", [US_SEG_ELFCOREHDR] = "#d62728",
	[US_SEG_DTB] = "#8c564b",
};

/* A place that is known: the kernel may decide by itself where a predicted segment goes. */
static bool is_placed(const struct picture *p, const struct us_segment *s)
{
	return s->dest.size && (s->dest.start || !p->plan->predicted);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void add_borders(struct picture *p, struct us_range r)
{
	p->borders[p->n_borders++] = r.start;
	p->borders[p->n_borders++] = us_range_end(r);
}

/* All borders of the map and of the segments, sorted, once each. */
static struct us_err *find_borders(struct picture *p)
{
	size_t room = 2 * (p->map->n + p->plan->n_segments + 1), n = 0;

	p->borders = calloc(room, sizeof(*p->borders));
	p->stretches = calloc(room, sizeof(*p->stretches));
	if (!p->borders || !p->stretches)
		return us_err_nomem();
	for (size_t i = 0; i < p->map->n; i++)
		add_borders(p, p->map->entries[i].range);
	for (size_t i = 0; i < p->plan->n_segments; i++)
		if (is_placed(p, &p->plan->segments[i]))
			add_borders(p, p->plan->segments[i].dest);
	qsort(p->borders, p->n_borders, sizeof(*p->borders), by_value);
	for (size_t i = 0; i < p->n_borders; i++)
		if (!n || p->borders[i] != p->borders[n - 1])
			p->borders[n++] = p->borders[i];
	p->n_borders = n;
	return NULL;
}

static const struct us_map_entry *kind_at(const struct picture *p, uint64_t addr)
{
	return us_map_at(p->map, addr);
}

static double height_of(const struct picture *p, uint64_t start, uint64_t size)
{
	double h = 5;

	if (!kind_at(p, start))
		return 12; /* a hole: the axis is broken there */
	for (uint64_t pages = size >> 12; pages > 1; pages >>= 1)
		h += 4.2;
	return h;
}

static void lay_out(struct picture *p)
{
	double total = 0, squeeze;

	for (size_t i = 0; i + 1 < p->n_borders; i++) {
		struct stretch *s = &p->stretches[p->n++];

		*s = (struct stretch){ .start = p->borders[i], .end = p->borders[i + 1] };
		s->h = height_of(p, s->start, s->end - s->start);
		total += s->h;
	}
	squeeze = total > HIGH_ENOUGH ? HIGH_ENOUGH / total : 1;
	for (size_t i = 0; i < p->n; i++) {
		struct stretch *s = &p->stretches[i];

		s->h = s->h * squeeze < 3 ? 3 : s->h * squeeze;
		s->y = p->height;
		p->height += s->h;
	}
}

/* Where an address that is a border stands. */
static double y_of(const struct picture *p, uint64_t addr)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->stretches[i].start >= addr)
			return TOP + p->stretches[i].y;
	return TOP + p->height;
}

static void draw_hole(const struct picture *p, const struct stretch *s)
{
	double y = TOP + s->y;

	us_svg_box(p->f, MAP_X, y, MAP_WIDTH, s->h,
		   "fill=\"#ffffff\" stroke=\"#aaaaaa\" stroke-dasharray=\"3 3\"");
	if (s->h >= 11)
		us_svg_text(p->f, MAP_X + MAP_WIDTH / 2.0, y + s->h / 2 + 3,
			    "class=\"small\" text-anchor=\"middle\"", "nothing here");
}

static void draw_kind(const struct picture *p, const struct us_map_entry *e)
{
	double y = y_of(p, e->range.start), h = y_of(p, us_range_end(e->range)) - y;
	char style[80], size[US_TEXT_SIZE_MAX];

	snprintf(style, sizeof(style), "fill=\"%s\" stroke=\"#777777\" stroke-width=\"0.6\"",
		 kind_colour[e->kind]);
	us_svg_box(p->f, MAP_X, y, MAP_WIDTH, h, style);
	if (h >= 12)
		us_svg_text(p->f, MAP_X + 6, y + (h > 40 ? 16 : h / 2 + 4), "class=\"small\"",
			    "%s, %s", us_mem_kind_name(e->kind), us_text_size(e->range.size, size));
}

static void draw_map(const struct picture *p)
{
	double free_from = 0;

	for (size_t i = 0; i < p->n; i++)
		if (!kind_at(p, p->stretches[i].start))
			draw_hole(p, &p->stretches[i]);
	for (size_t i = 0; i < p->map->n; i++)
		draw_kind(p, &p->map->entries[i]);
	for (size_t i = 0; i < p->n_borders; i++) {
		double y = y_of(p, p->borders[i]);

		if (y < free_from)
			continue;
		us_svg_text(p->f, AXIS_X, y + 4, "class=\"address\" text-anchor=\"end\"",
			    "0x%" PRIx64, p->borders[i]);
		fprintf(p->f,
			"<line x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\" stroke=\"#777777\"/>\n",
			AXIS_X + 3, y, MAP_X, y);
		free_from = y + 12;
	}
}

struct label {
	const struct us_segment *s;
	double wish, y;
};

static int by_wish(const void *a, const void *b)
{
	const struct label *x = a, *y = b;

	return (x->wish > y->wish) - (x->wish < y->wish);
}

/* Labels stand beside their segments, pushed down, and then up again, until none overlaps. */
static size_t place_labels(const struct picture *p, struct label *labels)
{
	size_t n = 0;

	for (size_t i = 0; i < p->plan->n_segments; i++) {
		const struct us_segment *s = &p->plan->segments[i];
		double a, b;

		if (!is_placed(p, s))
			continue;
		a = y_of(p, s->dest.start);
		b = y_of(p, us_range_end(s->dest));
		labels[n++] = (struct label){ .s = s, .wish = (a + b) / 2 };
	}
	qsort(labels, n, sizeof(*labels), by_wish);
	for (size_t i = 0; i < n; i++) {
		labels[i].y = labels[i].wish;
		if (i && labels[i].y < labels[i - 1].y + LABEL_STEP)
			labels[i].y = labels[i - 1].y + LABEL_STEP;
	}
	for (size_t i = n; i-- > 0;) {
		double limit = i + 1 < n ? labels[i + 1].y - LABEL_STEP : TOP + p->height - 10;
		double least = TOP + 8 + (double)i * LABEL_STEP;

		if (labels[i].y > limit)
			labels[i].y = limit;
		if (labels[i].y < least)
			labels[i].y = least;
	}
	return n;
}

static void draw_segment(const struct picture *p, const struct label *l)
{
	const struct us_segment *s = l->s;
	double y = y_of(p, s->dest.start), h = y_of(p, us_range_end(s->dest)) - y;
	const char *colour = role_colour[s->role];
	char style[96], size[US_TEXT_SIZE_MAX], bytes[US_TEXT_SIZE_MAX];

	snprintf(style, sizeof(style), "fill=\"%s\" stroke=\"#222222\" stroke-width=\"0.6\"",
		 colour);
	us_svg_box(p->f, PLAN_X, y, PLAN_WIDTH, h, style);
	fprintf(p->f,
		"<polyline points=\"%d,%.1f %d,%.1f %d,%.1f\" fill=\"none\" stroke=\"%s\"/>\n",
		PLAN_X + PLAN_WIDTH, l->wish, PLAN_X + PLAN_WIDTH + 14, l->wish, LABEL_X - 4, l->y,
		colour);
	us_svg_text(p->f, LABEL_X, l->y - 1, "class=\"label\"", "%s: %s%s%s%s",
		    us_segment_role_name(s->role), us_text_size(s->dest.size, size),
		    s->bytes.n ? ", content " : "",
		    s->bytes.n ? us_text_size(s->bytes.n, bytes) : "",
		    s->hashed && p->plan->call == US_CALL_LOAD ? ", digest" : "");
	us_svg_text(p->f, LABEL_X, l->y + 12, "class=\"address\"", "0x%" PRIx64 " - 0x%" PRIx64,
		    s->dest.start, us_range_end(s->dest) - 1);
}

static void draw_segments(const struct picture *p)
{
	struct label labels[US_SEGMENTS_MAX];
	size_t n = place_labels(p, labels);

	for (size_t i = 0; i < n; i++)
		draw_segment(p, &labels[i]);
}

static void draw_legend(const struct picture *p)
{
	double x = MAP_X, y = TOP + p->height + 34;

	for (int kind = 0; kind < US_MEM_KINDS; kind++) {
		char style[64];

		if (!us_map_total(p->map, kind))
			continue;
		snprintf(style, sizeof(style), "fill=\"%s\" stroke=\"#777777\"", kind_colour[kind]);
		us_svg_box(p->f, x, y - 10, 14, 12, style);
		us_svg_text(p->f, x + 19, y, "class=\"small\"", "%s", us_mem_kind_name(kind));
		x += 40 + 6.2 * (double)strlen(us_mem_kind_name(kind));
		if (x > WIDTH - 160) {
			x = MAP_X;
			y += 18;
		}
	}
}

static void draw_heads(const struct picture *p)
{
	const struct us_plan *plan = p->plan;

	us_svg_text(p->f, 24, 28, "class=\"title\"", "%s, loaded by %s(2) for a %s",
		    plan->image ? plan->image->path : "image", us_call_name(plan->call),
		    us_purpose_name(plan->purpose));
	us_svg_text(
		p->f, 24, 48, "class=\"small\"",
		"Physical memory, low addresses at the top; heights grow with the logarithm of the "
		"size.%s",
		plan->predicted ? " The kernel places the segments itself: predicted." : "");
	us_svg_text(p->f, MAP_X, TOP - 14, "class=\"label\"", "%s",
		    p->map->n ? "machine" : "machine: unknown");
	us_svg_text(p->f, PLAN_X, TOP - 14, "class=\"label\"", "plan");
	for (size_t i = 0, k = 0; i < plan->n_segments; i++)
		if (!is_placed(p, &plan->segments[i]))
			us_svg_text(p->f, LABEL_X, 62 + 13.0 * (double)k++, "class=\"small\"",
				    "%s: the kernel decides where",
				    us_segment_role_name(plan->segments[i].role));
}

static void draw(const struct picture *p)
{
	int height = (int)(TOP + p->height + 80);

	us_svg_open(p->f, WIDTH, height);
	draw_heads(p);
	draw_map(p);
	draw_segments(p);
	draw_legend(p);
	fputs("</svg>\n", p->f);
}

struct us_err *us_picture_plan(FILE *f, const struct us_host *host, const struct us_plan *plan)
{
	struct picture p = {
		.f = f,
		.map = host->map.n ? &host->map : &host->firmware_map,
		.host = host,
		.plan = plan,
	};
	struct us_err *err = find_borders(&p);

	if (!err) {
		lay_out(&p);
		if (p.height < LABEL_STEP * ((double)plan->n_segments + 1))
			p.height = LABEL_STEP * ((double)plan->n_segments + 1);
		draw(&p);
		if (ferror(f))
			err = us_err_new(US_ERR_OS, "writing the picture failed");
	}
	free(p.borders);
	free(p.stretches);
	return err;
}
