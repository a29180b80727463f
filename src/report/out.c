/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Text for people: columns, wrapping, and colour where a terminal wants it (https://no-color.org). */
#include "report/report-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_USUAL 90
#define WIDTH_LEAST 60
#define WIDTH_MOST  100
#define LABEL_WIDTH 16

static int width_of(FILE *f)
{
	struct winsize ws;

	if (!isatty(fileno(f)) || ioctl(fileno(f), TIOCGWINSZ, &ws) < 0 || !ws.ws_col)
		return WIDTH_USUAL;
	if (ws.ws_col < WIDTH_LEAST)
		return WIDTH_LEAST;
	return ws.ws_col > WIDTH_MOST ? WIDTH_MOST : ws.ws_col;
}

void us_out_init(FILE *f, struct us_out *ret)
{
	const char *term = getenv("TERM"), *no_color = getenv("NO_COLOR");

	*ret = (struct us_out){
		.f = f,
		.colour = isatty(fileno(f)) && term && strcmp(term, "dumb") &&
			  !(no_color && *no_color),
		.width = width_of(f),
	};
}

const char *us_out_colour(const struct us_out *out, enum us_colour colour)
{
	static const char *const codes[] = {
		[US_PLAIN] = "\033[0m",   [US_BOLD] = "\033[1m",   [US_DIM] = "\033[2m",
		[US_RED] = "\033[1;31m",  [US_GREEN] = "\033[32m", [US_YELLOW] = "\033[1;33m",
		[US_BLUE] = "\033[1;34m",
	};

	return out->colour ? codes[colour] : "";
}

/* Columns that n bytes of UTF-8 take, at one a character. */
static int columns(const char *s, size_t n)
{
	int c = 0;

	for (size_t i = 0; i < n; i++)
		c += ((unsigned char)s[i] & 0xc0) != 0x80;
	return c;
}

void us_out_safe(FILE *f, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 0x20 || c == 0x7f)
			fprintf(f, "\\x%02x", c);
		else
			fputc(c, f);
	}
}

static void wrap(struct us_out *out, int at, int indent, const char *s)
{
	bool first = true;

	for (;;) {
		size_t n;
		int w;

		while (*s == ' ')
			s++;
		if (*s == '\n') {
			fprintf(out->f, "\n%*s", indent, "");
			at = indent;
			first = true;
			s++;
			continue;
		}
		n = strcspn(s, " \n");
		if (!n)
			break;
		w = columns(s, n);
		if (!first && at + 1 + w > out->width) {
			fprintf(out->f, "\n%*s", indent, "");
			at = indent;
		} else if (!first) {
			fputc(' ', out->f);
			at++;
		}
		us_out_safe(out->f, s, n);
		at += w;
		first = false;
		s += n;
	}
	fputc('\n', out->f);
}

static void vpara(struct us_out *out, int at, int indent, const char *fmt, va_list ap)
{
	_us_text_deinit_ struct us_text t = { 0 };

	us_text_vadd(&t, fmt, ap);
	wrap(out, at, indent, t.s && !t.failed ? t.s : "(out of memory)");
}

void us_out_para(struct us_out *out, int at, int indent, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vpara(out, at, indent, fmt, ap);
	va_end(ap);
}

void us_out_title(struct us_out *out, const char *fmt, ...)
{
	va_list ap;

	fprintf(out->f, "\n%s", us_out_colour(out, US_BOLD));
	va_start(ap, fmt);
	vpara(out, 0, 4, fmt, ap);
	va_end(ap);
	fputs(us_out_colour(out, US_PLAIN), out->f);
}

void us_out_item(struct us_out *out, const char *fmt, ...)
{
	va_list ap;

	fputs("  ", out->f);
	va_start(ap, fmt);
	vpara(out, 2, 4, fmt, ap);
	va_end(ap);
}

void us_out_row(struct us_out *out, const char *label, const char *fmt, ...)
{
	va_list ap;

	fprintf(out->f, "  %s%-*s%s", us_out_colour(out, US_DIM), LABEL_WIDTH, label,
		us_out_colour(out, US_PLAIN));
	va_start(ap, fmt);
	vpara(out, LABEL_WIDTH + 2, LABEL_WIDTH + 2, fmt, ap);
	va_end(ap);
}

void us_out_head(struct us_out *out, const char *fmt, ...)
{
	va_list ap;

	fprintf(out->f, "\n%s", us_out_colour(out, US_BOLD));
	va_start(ap, fmt);
	vfprintf(out->f, fmt, ap);
	va_end(ap);
	fprintf(out->f, "%s\n", us_out_colour(out, US_PLAIN));
}

const char *us_size_long(uint64_t bytes, char *buf)
{
	char size[US_TEXT_SIZE_MAX];

	if (bytes < 1024)
		us_text_size(bytes, buf);
	else
		snprintf(buf, US_SIZE_LONG, "%s (%llu bytes)", us_text_size(bytes, size),
			 (unsigned long long)bytes);
	return buf;
}

const char *us_purpose_name(enum us_purpose purpose)
{
	return purpose == US_CRASH ? "crash" : "reboot";
}

const char *us_call_name(enum us_call call)
{
	return call == US_CALL_FILE   ? "kexec_file_load"
	       : call == US_CALL_LOAD ? "kexec_load"
				      : "auto";
}
