/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One line of progress, drawn over itself, on terminals only and not before work took a second. */
#include "report/report-int.h"

#include "base/text.h"

#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define QUIET_MS  1000
#define REDRAW_MS 100

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void draw(struct us_progress *p, const char *what, uint64_t done, uint64_t total)
{
	struct us_progress_line *line = p->data;
	char a[US_TEXT_SIZE_MAX], b[US_TEXT_SIZE_MAX];
	uint64_t now = now_ms();

	if (now - line->began_ms < QUIET_MS || now - line->drawn_ms < REDRAW_MS)
		return;
	line->drawn_ms = now;
	line->visible = true;
	if (total)
		fprintf(line->f, "\r%s: %s of %s (%u %%)\033[K", what, us_text_size(done, a),
			us_text_size(total, b), (unsigned int)(done * 100.0 / total));
	else
		fprintf(line->f, "\r%s: %s\033[K", what, us_text_size(done, a));
	fflush(line->f);
}

static void draw_nothing(struct us_progress *p, const char *what, uint64_t done, uint64_t total)
{
	(void)p;
	(void)what;
	(void)done;
	(void)total;
}

void us_progress_line_init(struct us_progress_line *line, FILE *f)
{
	*line = (struct us_progress_line){
		.p = { .at = isatty(fileno(f)) ? draw : draw_nothing, .data = line },
		.f = f,
		.began_ms = now_ms(),
	};
}

void us_progress_line_end(struct us_progress_line *line)
{
	if (line->visible)
		fprintf(line->f, "\r\033[K");
	line->visible = false;
}
