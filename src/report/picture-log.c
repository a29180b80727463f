/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The last seconds of a kernel log as SVG within an HTML page: one mark a line, where it stands in
 * time, in one row for each grade. How far back it goes is chosen so that what led to the panic is
 * in it.
 */
#include "report/report-int.h"

#include <inttypes.h>

#define NS    UINT64_C(1000000000)
#define WIDTH 1000
#define LEFT  190
#define RIGHT 976
#define TOP   34
#define ROW_H 22
#define FEW   8 /* lines before it went wrong that should be in it */

static const struct {
	const char *words, *colour;
	uint8_t least, most; /* levels */
} rows[] = {
	{ "emergency to critical", "#d62728", 0, 2 },
	{ "errors", "#e8590c", 3, 3 },
	{ "warnings", "#b8860b", 4, 4 },
	{ "notices and below", "#1f77b4", 5, 7 },
	{ "level not known", "#7f7f7f", 8, 8 },
};
#define ROWS us_array_size(rows)

static const uint64_t spans[] = { 1, 2, 5, 10, 30, 60, 300, 1800, 3600, 86400 }; /* seconds */

static size_t lines_within(const struct us_story *s, uint64_t from, uint64_t to)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_lines; i++)
		n += s->lines[i].ns >= from && s->lines[i].ns < to;
	return n;
}

/* As far back as it takes to see what was said before it went wrong. */
static uint64_t span_of(const struct us_story *s, uint64_t end)
{
	const struct us_panic *panic = s->words->panic;
	uint64_t wrong = panic->cause_ns ? panic->cause_ns : panic->panic_ns;

	wrong = wrong && wrong < end ? wrong : end;
	for (size_t i = 0; i < us_array_size(spans); i++) {
		uint64_t from = end > spans[i] * NS ? end - spans[i] * NS : 0;

		if (lines_within(s, from, wrong) >= FEW || !from)
			return end - from;
	}
	return spans[us_array_size(spans) - 1] * NS;
}

static double x_of(uint64_t ns, uint64_t from, uint64_t span)
{
	return LEFT + (double)(ns - from) / (double)(span + !span) * (RIGHT - LEFT);
}

static bool is_in(const struct us_story *s, size_t row)
{
	for (size_t i = 0; i < s->n_lines; i++)
		if (s->lines[i].level >= rows[row].least && s->lines[i].level <= rows[row].most)
			return true;
	return false;
}

static void draw_event(FILE *f, double x, double bottom, const char *name, double text_y)
{
	us_svg_line(f, x, text_y + 3, x, bottom, "class=\"axis\" stroke-dasharray=\"3 3\"");
	us_svg_text(f, x, text_y, "class=\"label\" text-anchor=\"end\"", "%s", name);
}

void us_log_picture_inline(FILE *f, const struct us_story *s)
{
	const struct us_panic *panic = s->words->panic;
	uint64_t end = s->n_lines ? s->lines[s->n_lines - 1].ns : 0;
	uint64_t span = span_of(s, end), from = end - span;
	double y = TOP, bottom;
	size_t shown = 0;

	for (size_t r = 0; r < ROWS; r++)
		shown += is_in(s, r);
	bottom = TOP + (double)shown * ROW_H;
	us_svg_inline(f, 0, 0, WIDTH, (int)bottom + 30, "The last seconds of the kernel log");
	for (size_t r = 0; r < ROWS; r++) {
		char style[64];

		if (!is_in(s, r))
			continue;
		snprintf(style, sizeof(style), "fill=\"%s\" fill-opacity=\"0.7\"", rows[r].colour);
		us_svg_text(f, LEFT - 8, y + 15, "class=\"small\" text-anchor=\"end\"", "%s",
			    rows[r].words);
		us_svg_line(f, LEFT, y + ROW_H, RIGHT, y + ROW_H, "class=\"grid\"");
		for (size_t i = 0; i < s->n_lines; i++)
			if (s->lines[i].level >= rows[r].least &&
			    s->lines[i].level <= rows[r].most && s->lines[i].ns >= from &&
			    s->lines[i].ns <= end)
				us_svg_box(f, x_of(s->lines[i].ns, from, span) - 1, y + 4, 2.5,
					   ROW_H - 8, style);
		y += ROW_H;
	}
	if (panic->panic_ns >= from && panic->panic_ns <= end && panic->panic)
		draw_event(f, x_of(panic->panic_ns, from, span), bottom, "panic", 24);
	if (panic->cause_ns >= from && panic->cause_ns <= end && panic->cause)
		draw_event(f, x_of(panic->cause_ns, from, span), bottom, "first complaint", 12);
	for (uint64_t step = us_svg_step(span / 1000000), ms = step; ms <= span / 1000000;
	     ms += step)
		us_svg_text(f, x_of(end - ms * 1000000, from, span), bottom + 18,
			    "class=\"small\" text-anchor=\"middle\"", "%.3g s before",
			    (double)ms / 1000);
	us_svg_text(f, RIGHT, bottom + 18, "class=\"small\" text-anchor=\"end\"", "end of the log");
	fputs("</svg>\n", f);
}
