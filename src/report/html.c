/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What HTML pages are made of (WHATWG HTML, CSS 2.2 and custom properties): one file that loads
 * nothing, light or dark as the reader has it, light on paper, in a single column that a narrow
 * screen can hold. No scripts.
 */
#include "report/report-int.h"

#include "base/text.h"

#include <string.h>

static const char style[] =
	":root{--ink:#1c1f23;--soft:#5c6570;--paper:#fff;--card:#f5f6f8;--line:#d8dce1;--mark:#b42318;"
	"--warn:#8a5a00;--link:#0b5cad;color-scheme:light dark}\n"
	"@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#a0a8b2;--paper:#16181b;"
	"--card:#1f2226;--line:#3a3f46;--mark:#ff8a80;--warn:#f0c060;--link:#7fb8f0}}\n"
	"@media print{:root{--ink:#000;--soft:#444;--paper:#fff;--card:#fff;--line:#bbb;--mark:#900;"
	"--warn:#640;color-scheme:light}body{font-size:10pt;margin:0;max-width:none}"
	"section,figure,tr{break-inside:avoid}section.long{break-inside:auto}nav{display:none}"
	"details::details-content{content-visibility:visible;display:block}}\n"
	"*{box-sizing:border-box}body{margin:2rem auto;padding:0 1.25rem;max-width:66rem;background:"
	"var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}\n"
	"h1{font-size:1.6rem;line-height:1.25;margin:.2rem 0 .4rem;overflow-wrap:anywhere}"
	"h2{font-size:1.15rem;margin:2.2rem 0 .6rem;padding-bottom:.25rem;border-bottom:1px solid "
	"var(--line)}h3{font-size:1rem;margin:1.2rem 0 .3rem}\n"
	"p{margin:.4rem 0}a{color:var(--link)}nav{font-size:.9rem;margin:1rem 0}nav a{margin-right:1rem;"
	"white-space:nowrap}.soft,figcaption{color:var(--soft);font-size:.9rem}"
	".bad{color:var(--mark);font-weight:600}.kicker{color:var(--mark);font-weight:600;margin:0}\n"
	"code,pre,td.m,ol.calls{font-family:ui-monospace,monospace;font-size:.86rem}"
	".signature{display:block;background:var(--card);border-left:3px solid var(--mark);padding:"
	".5rem .75rem;overflow-wrap:anywhere}\n"
	"table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:"
	".22rem .75rem .22rem 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}"
	"th{font-weight:600;color:var(--soft);white-space:nowrap}table.facts th{width:9rem}"
	"table.cpus th:first-child{width:7rem}table.cpus th:nth-child(2){width:16rem}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}\n"
	"ol.calls{padding-left:2.2rem;margin:.3rem 0}ol.calls li{overflow-wrap:anywhere}"
	"ol.guess li{color:var(--soft)}ul.names{columns:14rem;padding:0;list-style:none;margin:0}\n"
	"figure{margin:.6rem 0}svg{display:block;width:100%;height:auto}svg text{fill:var(--ink);"
	"font-family:system-ui,sans-serif}svg .small{font-size:12px}svg .label{font-size:12px;"
	"font-weight:bold}svg .title{font-size:16px;font-weight:bold}svg .address{font:11px "
	"ui-monospace,monospace}svg .on{fill:#1c1f23}svg .grid{stroke:var(--line)}svg .axis{stroke:"
	"var(--soft)}\n"
	"table.log td{border:0;padding:0 .75rem 0 0;font:.82rem/1.45 ui-monospace,monospace;white-space:"
	"pre-wrap}table.log td.n{color:var(--soft);white-space:nowrap}.l0,.l1,.l2,.l3{color:var(--mark)}"
	".l4{color:var(--warn)}.l7{color:var(--soft)}\n"
	"details{margin:.5rem 0}summary{cursor:pointer;color:var(--link)}"
	"dl.regs{display:grid;grid-template-columns:repeat(auto-fill,minmax(15rem,1fr));gap:0 1rem;margin:"
	".3rem 0;font:.82rem ui-monospace,monospace}dl.regs div{display:flex;gap:.5rem}dl.regs dt{width:"
	"4.5rem;color:var(--soft);text-align:right}dl.regs dd{margin:0}\n";

void us_html_text(FILE *f, const char *s)
{
	static const struct {
		char c;
		const char *entity;
	} entities[] = { { '<', "&lt;" }, { '>', "&gt;" }, { '&', "&amp;" }, { '"', "&quot;" } };
	size_t left = strlen(s);

	while (left) {
		size_t n = us_utf8_bytes((const uint8_t *)s, left), e = 0;

		while (e < us_array_size(entities) && entities[e].c != *s)
			e++;
		if (e < us_array_size(entities))
			fputs(entities[e].entity, f);
		else if (n)
			fwrite(s, 1, n, f);
		else
			fprintf(f, "\\x%02x", (unsigned char)*s);
		s += n ? n : 1;
		left -= n ? n : 1;
	}
}

void us_html_open(FILE *f, const char *title)
{
	fputs("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
	      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
	      "<meta name=\"generator\" content=\"understudy " US_VERSION "\">\n<title>",
	      f);
	us_html_text(f, title);
	fprintf(f, "</title>\n<style>\n%s</style>\n</head>\n<body>\n", style);
}

void us_html_close(FILE *f)
{
	fputs("<footer><p class=\"soft\">Written by understudy " US_VERSION
	      ". This page loads nothing from elsewhere.</p></footer>\n</body>\n</html>\n",
	      f);
}

void us_html_row(FILE *f, const char *label, const char *fmt, ...)
{
	_us_text_deinit_ struct us_text t = { 0 };
	va_list ap;

	va_start(ap, fmt);
	us_text_vadd(&t, fmt, ap);
	va_end(ap);
	if (!t.s || t.failed || !*t.s)
		return;
	fputs("<tr><th scope=\"row\">", f);
	us_html_text(f, label);
	fputs("</th><td>", f);
	us_html_text(f, t.s);
	fputs("</td></tr>\n", f);
}
