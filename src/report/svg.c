/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The few things that pictures are made of: SVG 1.1 (https://www.w3.org/TR/SVG11/), self-contained. */
#include "report/report-int.h"

#include "base/text.h"

#define TICKS 6
void us_svg_open(FILE *f, int width, int height)
{
	fprintf(f,
		"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
		"<svg xmlns=\"http://www.w3.org/2000/svg\" version=\"1.1\" width=\"%d\" "
		"height=\"%d\" viewBox=\"0 0 %d %d\">\n",
		width, height, width, height);
	fputs("<style type=\"text/css\">text { font-family: sans-serif; fill: #222222; } "
	      ".title { font-size: 16px; font-weight: bold; } .label { font-size: 12px; font-weight: "
	      "bold; } .small { font-size: 11px; } .address { font-family: monospace; font-size: "
	      "11px; } .grid { stroke: #dddddd; } .axis { stroke: #555555; }</style>\n",
	      f);
	us_svg_box(f, 0, 0, width, height, "fill=\"#ffffff\"");
}

static void put_text(FILE *f, const char *s)
{
	for (; *s; s++) {
		switch (*s) {
		case '<':
			fputs("&lt;", f);
			break;
		case '>':
			fputs("&gt;", f);
			break;
		case '&':
			fputs("&amp;", f);
			break;
		default:
			fputc((unsigned char)*s < 0x20 || (unsigned char)*s >= 0x7f ? '?' : *s, f);
		}
	}
}

void us_svg_inline(FILE *f, int x, int y, int width, int height, const char *title)
{
	fprintf(f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"%d %d %d %d\">\n",
		x, y, width, height);
	fprintf(f, "<title>");
	put_text(f, title);
	fprintf(f, "</title>\n");
}

void us_svg_line(FILE *f, double x1, double y1, double x2, double y2, const char *style)
{
	fprintf(f, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>\n", x1, y1, x2, y2,
		style);
}

void us_svg_text(FILE *f, double x, double y, const char *style, const char *fmt, ...)
{
	_us_text_deinit_ struct us_text t = { 0 };
	va_list ap;

	va_start(ap, fmt);
	us_text_vadd(&t, fmt, ap);
	va_end(ap);
	fprintf(f, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, style);
	put_text(f, t.failed || !t.s ? "" : t.s);
	fputs("</text>\n", f);
}

void us_svg_box(FILE *f, double x, double y, double w, double h, const char *style)
{
	fprintf(f, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" %s/>\n", x, y, w, h,
		style);
}

uint64_t us_svg_step(uint64_t span)
{
	for (uint64_t ten = 1;; ten *= 10)
		for (uint64_t by = 1; by <= 5; by += by == 2 ? 3 : by)
			if (span / (ten * by) <= TICKS)
				return ten * by;
}
