/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A capture over time, as SVG: above how much memory was in use and how much was left, below one
 * bar for each stage, on the same axis. As a file of its own or as part of an HTML page. What the
 * capture did not measure is not drawn.
 */
#include "report/report-int.h"

#include "base/text.h"

#include <inttypes.h>

#define WIDTH    1000
#define LEFT     190 /* names of stages, sizes of memory */
#define RIGHT    976
#define TOP      44
#define MEMORY_H 170
#define ROW_H    20

struct picture {
	FILE *f;
	const struct us_timeline *t;
	uint64_t from, to; /* ms */
	uint64_t most;     /* bytes at the top of the memory part */
	double stages_y, axis_y, height;
};

static double x_of(const struct picture *p, uint64_t ms)
{
	ms = ms < p->from ? p->from : ms > p->to ? p->to : ms;
	return LEFT + (double)(ms - p->from) / (double)(p->to - p->from) * (RIGHT - LEFT);
}

static double y_of(const struct picture *p, uint64_t bytes)
{
	if (bytes > p->most)
		bytes = p->most;
	return TOP + MEMORY_H - (double)bytes / (double)p->most * MEMORY_H;
}

static void measure(struct picture *p)
{
	const struct us_timeline *t = p->t;

	p->from = UINT64_MAX;
	p->most = t->total_bytes;
	for (size_t i = 0; i < t->n_stages; i++) {
		const struct us_timeline_stage *s = &t->stages[i];
		uint64_t end = s->end_ms == UINT64_MAX ? s->begin_ms : s->end_ms;

		p->from = s->begin_ms < p->from ? s->begin_ms : p->from;
		p->to = end > p->to ? end : p->to;
	}
	for (size_t i = 0; i < t->n_samples; i++) {
		const struct us_timeline_sample *s = &t->samples[i];

		p->from = s->ms < p->from ? s->ms : p->from;
		p->to = s->ms > p->to ? s->ms : p->to;
		p->most = s->used > p->most ? s->used : p->most;
		p->most = s->available > p->most ? s->available : p->most;
	}
	if (p->from >= p->to) {
		p->from = p->from == UINT64_MAX ? 0 : p->from;
		p->to = p->from + 1;
	}
	p->most += !p->most;
	p->stages_y = t->n_samples ? TOP + MEMORY_H + 30 : TOP;
	p->axis_y = p->stages_y + (double)t->n_stages * ROW_H + 6;
	p->height = p->axis_y + 34;
}

static void draw_axis(const struct picture *p)
{
	uint64_t step = us_svg_step(p->to - p->from);

	for (uint64_t ms = (p->from + step - 1) / step * step; ms <= p->to; ms += step) {
		double x = x_of(p, ms);

		us_svg_line(p->f, x, TOP, x, p->axis_y, "class=\"grid\"");
		us_svg_text(p->f, x, p->axis_y + 16, "class=\"small\" text-anchor=\"middle\"",
			    "%.3g s", (double)ms / 1000);
	}
	us_svg_line(p->f, LEFT, p->axis_y, RIGHT, p->axis_y, "class=\"axis\"");
}

static void draw_line(const struct picture *p, bool used, const char *style)
{
	const struct us_timeline *t = p->t;

	fputs("<polyline points=\"", p->f);
	for (size_t i = 0; i < t->n_samples; i++)
		fprintf(p->f, "%s%.1f,%.1f", i ? " " : "", x_of(p, t->samples[i].ms),
			y_of(p, used ? t->samples[i].used : t->samples[i].available));
	fprintf(p->f, "\" fill=\"none\" stroke-width=\"2\" %s/>\n", style);
}

static void draw_area(const struct picture *p)
{
	const struct us_timeline *t = p->t;

	fprintf(p->f, "<polygon points=\"%.1f,%d", x_of(p, t->samples[0].ms), TOP + MEMORY_H);
	for (size_t i = 0; i < t->n_samples; i++)
		fprintf(p->f, " %.1f,%.1f", x_of(p, t->samples[i].ms), y_of(p, t->samples[i].used));
	fprintf(p->f, " %.1f,%d\" fill=\"#ff7f0e\" fill-opacity=\"0.22\"/>\n",
		x_of(p, t->samples[t->n_samples - 1].ms), TOP + MEMORY_H);
}

/* The least that was left, where it was. */
static void draw_least(const struct picture *p)
{
	const struct us_timeline *t = p->t;
	const struct us_timeline_sample *least = &t->samples[0];
	char size[US_TEXT_SIZE_MAX];
	double x, y;

	for (size_t i = 1; i < t->n_samples; i++)
		if (t->samples[i].available < least->available)
			least = &t->samples[i];
	x = x_of(p, least->ms);
	y = y_of(p, least->available);
	fprintf(p->f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"#1f77b4\"/>\n", x, y);
	us_svg_text(p->f, x + (x > RIGHT - 160 ? -8 : 8), y > TOP + 24 ? y - 8 : y + 18,
		    x > RIGHT - 160 ? "class=\"label\" text-anchor=\"end\"" : "class=\"label\"",
		    "least left: %s", us_text_size(least->available, size));
}

static void draw_memory(const struct picture *p)
{
	char size[US_TEXT_SIZE_MAX];

	for (int i = 0; i <= 4; i++) {
		uint64_t bytes = p->most / 4 * (uint64_t)i;

		us_svg_line(p->f, LEFT, y_of(p, bytes), RIGHT, y_of(p, bytes),
			    i ? "class=\"grid\"" : "class=\"axis\"");
		us_svg_text(p->f, LEFT - 8, y_of(p, bytes) + 4,
			    "class=\"small\" text-anchor=\"end\"", "%s", us_text_size(bytes, size));
	}
	draw_area(p);
	draw_line(p, true, "stroke=\"#d95f02\"");
	draw_line(p, false, "stroke=\"#1f77b4\" stroke-dasharray=\"6 3\"");
	draw_least(p);
	us_svg_line(p->f, LEFT, 24, LEFT + 26, 24, "stroke=\"#d95f02\" stroke-width=\"3\"");
	us_svg_text(p->f, LEFT + 32, 28, "class=\"small\"", "in use, with cache");
	us_svg_line(p->f, LEFT + 160, 24, LEFT + 186, 24,
		    "stroke=\"#1f77b4\" stroke-width=\"3\" stroke-dasharray=\"6 3\"");
	us_svg_text(p->f, LEFT + 192, 28, "class=\"small\"", "available");
	if (p->t->total_bytes)
		us_svg_text(p->f, RIGHT, 28, "class=\"small\" text-anchor=\"end\"",
			    "the capture kernel had %s", us_text_size(p->t->total_bytes, size));
}

static void draw_stage(const struct picture *p, size_t i)
{
	const struct us_timeline_stage *s = &p->t->stages[i];
	bool ended = s->end_ms != UINT64_MAX;
	double y = p->stages_y + (double)i * ROW_H, x = x_of(p, s->begin_ms);
	double w = x_of(p, ended ? s->end_ms : p->to) - x;
	double took = ended ? (double)(s->end_ms - s->begin_ms) / 1000 : 0;
	bool inside = x + w > RIGHT - 90;

	us_svg_text(p->f, LEFT - 8, y + 14, "class=\"small\" text-anchor=\"end\"", "%.30s", s->name);
	us_svg_box(p->f, x, y + 3, w < 1.5 ? 1.5 : w, ROW_H - 6,
		   ended ? "fill=\"#6baed6\" stroke=\"#3c7fa8\""
			 : "fill=\"#f4b6b6\" stroke=\"#b03030\" stroke-dasharray=\"4 2\"");
	us_svg_text(p->f, inside ? x + w - 5 : x + w + 6, y + 14,
		    inside && w > 70 ? "class=\"small on\" text-anchor=\"end\""
		    : inside         ? "class=\"small\" text-anchor=\"end\""
				     : "class=\"small\"",
		    ended ? "%.3g s" : "did not end", took);
}

struct us_err *us_picture_timeline(FILE *f, const struct us_timeline *timeline, bool page)
{
	struct picture p = { .f = f, .t = timeline };

	measure(&p);
	if (page)
		us_svg_inline(f, 0, 0, WIDTH, (int)p.height,
			      "Memory and stages of the capture kernel over time");
	else
		us_svg_open(f, WIDTH, (int)p.height);
	draw_axis(&p);
	if (timeline->n_samples)
		draw_memory(&p);
	for (size_t i = 0; i < timeline->n_stages; i++)
		draw_stage(&p, i);
	fputs("</svg>\n", f);
	return ferror(f) ? us_err_new(US_ERR_OS, "writing the picture failed") : NULL;
}
