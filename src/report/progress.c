/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Progress: one line drawn over itself, on terminals only and not before work took a second, with
 * rate and time left; and JSON lines (docs/json.md, understudy.progress/1) on a descriptor that a
 * program asked for.
 */
#include "report/report-int.h"

#include "base/file.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define QUIET_MS  1000
#define REDRAW_MS 100
#define TELL_MS   500

static uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* Bytes a second since the stage began, 0 while nothing can be said. */
static double rate_of(const struct us_progress_line *line, uint64_t now, uint64_t done)
{
	return now > line->stage_ms ? (double)done * 1000 / (double)(now - line->stage_ms) : 0;
}

static void draw(struct us_progress_line *line, uint64_t now, uint64_t done, uint64_t total)
{
	char a[US_TEXT_SIZE_MAX], b[US_TEXT_SIZE_MAX], c[US_TEXT_SIZE_MAX];
	double rate = rate_of(line, now, done);

	line->drawn_ms = now;
	line->visible = true;
	fprintf(line->f, "\r%s", line->what);
	if (done || total)
		fprintf(line->f, ": %s", us_text_size(done, a));
	if (total)
		fprintf(line->f, " of %s (%u %%)", us_text_size(total, b),
			(unsigned int)((double)done * 100 / (double)total));
	if (now - line->stage_ms >= QUIET_MS && rate >= 1) {
		fprintf(line->f, ", %s/s", us_text_size((uint64_t)rate, c));
		if (total > done)
			fprintf(line->f, ", %.0f s left", (double)(total - done) / rate);
	}
	fprintf(line->f, "\033[K");
	fflush(line->f);
}

/* A reader that went away is no reason to stop the work: the line is given up. */
static void tell(struct us_progress_line *line, uint64_t now, uint64_t done, uint64_t total)
{
	_us_text_deinit_ struct us_text text = { 0 };
	double rate = rate_of(line, now, done);
	struct us_err *err;

	line->told_ms = now;
	us_text_add(&text,
		    "{\"schema\":\"understudy.progress/1\",\"what\":\"%s\",\"done\":%" PRIu64
		    ",\"total\":%" PRIu64 ",\"ms\":%" PRIu64 ",\"rate\":%.0f,\"left_ms\":",
		    line->what, done, total, now - line->began_ms, rate);
	if (total >= done && total && rate >= 1)
		us_text_add(&text, "%.0f}\n", (double)(total - done) * 1000 / rate);
	else
		us_text_add(&text, "null}\n");
	if (text.failed)
		return;
	err = us_file_write_all(line->fd, us_bytes_of(text.s, text.n), "progress");
	if (err)
		line->fd = -1;
	us_err_free(err);
}

static void at(struct us_progress *p, const char *what, uint64_t done, uint64_t total)
{
	struct us_progress_line *line = p->data;
	uint64_t now = now_ms();
	bool turn = !line->what || strcmp(line->what, what) || (total && done == total);

	if (!line->what || strcmp(line->what, what)) {
		line->what = what;
		line->stage_ms = now;
	}
	if (line->fd >= 0 && (turn || now - line->told_ms >= TELL_MS))
		tell(line, now, done, total);
	if (line->draws && now - line->began_ms >= QUIET_MS && now - line->drawn_ms >= REDRAW_MS)
		draw(line, now, done, total);
}

void us_progress_line_init(struct us_progress_line *line, FILE *f)
{
	*line = (struct us_progress_line){
		.p = { .at = at, .data = line },
		.f = f,
		.fd = -1,
		.began_ms = now_ms(),
		.draws = isatty(fileno(f)) == 1,
	};
}

void us_progress_line_end(struct us_progress_line *line)
{
	if (line->visible)
		fprintf(line->f, "\r\033[K");
	line->visible = false;
}
