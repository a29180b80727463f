/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The few things that pictures are made of: SVG 1.1 (https://www.w3.org/TR/SVG11/), self-contained. */
#include "report/report-int.h"

#include "base/text.h"

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
	      "11px; }</style>\n",
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
