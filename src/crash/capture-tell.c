/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the capture tells: stages with their times and notes on the console at once, all of it and
 * the trace of memory in state.txt (capture.h has its lines). It is kept in shared memory, so that
 * what a child has told is there when the child is not. /dev/kmsg is not used: the kernel limits
 * how much user space may say there.
 */
#include "base/cleanup.h"
#include "crash/capture-int.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <time.h>

#define CONSOLE_MS 1000 /* that a console may be stuck */

uint64_t us_capture_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t now_ms(void)
{
	return us_capture_now_ns() / 1000000;
}

uint64_t us_capture_until(const struct us_capture *c, unsigned int seconds)
{
	uint64_t at = us_capture_now_ns() + seconds * UINT64_C(1000000000);

	return c->deadline_ns && at > c->deadline_ns ? c->deadline_ns : at;
}

/* The number behind "NAME:" in /proc/meminfo; 0 if it is not there. */
static uint64_t meminfo_kb(const char *text, const char *name)
{
	const char *p = strstr(text, name);

	return p ? strtoull(p + strlen(name), NULL, 10) : 0;
}

static uint64_t available_kb(struct us_capture *c, uint64_t *ret_used)
{
	char text[1024];
	ssize_t n = c->meminfo < 0 ? -1 : pread(c->meminfo, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = 0;
	c->shared->memory_total_kb = meminfo_kb(text, "MemTotal:");
	*ret_used = c->shared->memory_total_kb - meminfo_kb(text, "MemFree:");
	return meminfo_kb(text, "MemAvailable:");
}

void us_capture_sample(struct us_capture *c)
{
	struct us_capture_shared *s = c->shared;
	unsigned int n = s->n_samples;
	uint64_t ms = now_ms(), used = 0, available;

	if (n && ms < s->samples[n - 1].ms + s->sample_every_ms)
		return;
	available = available_kb(c, &used);
	if (!available)
		return;
	if (n == US_CAPTURE_SAMPLES) { /* half of them, at twice the distance */
		for (unsigned int i = 0; i < n / 2; i++)
			s->samples[i] = s->samples[2 * i];
		n /= 2;
		s->sample_every_ms *= 2;
	}
	s->samples[n].ms = (uint32_t)ms;
	s->samples[n].available_kb = (uint32_t)available;
	s->samples[n].used_kb = (uint32_t)used;
	s->n_samples = n + 1;
}

void us_capture_console(const struct us_capture *c, const void *p, size_t n)
{
	struct pollfd ready = { .fd = c->console, .events = POLLOUT };
	const char *from = p;

	while (n && c->console >= 0) {
		ssize_t got = write(c->console, from, n);

		if (got < 0 && errno == EAGAIN && poll(&ready, 1, CONSOLE_MS) > 0)
			continue;
		if (got <= 0 && errno != EINTR)
			return;
		from += got > 0 ? got : 0;
		n -= got > 0 ? (size_t)got : 0;
	}
}

static void put_line(struct us_capture *c, const char *text)
{
	char line[600];
	int n = snprintf(line, sizeof(line), "understudy: %s\n", text);

	if (n >= (int)sizeof(line)) {
		n = sizeof(line);
		line[n - 1] = '\n';
	}
	us_capture_console(c, line, n > 0 ? (size_t)n : 0);
}

void us_capture_say(struct us_capture *c, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put_line(c, text);
}

void us_capture_stages_end(struct us_capture *c)
{
	unsigned int n = c->shared->n_stages;

	if (n && !c->shared->stages[n - 1].end_ms)
		c->shared->stages[n - 1].end_ms = now_ms();
}

void us_capture_stage(struct us_capture *c, const char *fmt, ...)
{
	struct us_capture_shared *s = c->shared;
	uint64_t used, available = available_kb(c, &used);
	unsigned int n = s->n_stages;
	char name[sizeof(s->stages[0].name)];
	va_list ap;

	us_capture_stages_end(c);
	va_start(ap, fmt);
	vsnprintf(name, sizeof(name), fmt, ap);
	va_end(ap);
	us_capture_say(c, "stage %s at %" PRIu64 " ms, MemAvailable %" PRIu64 " kB", name, now_ms(),
		       available);
	if (n == US_CAPTURE_STAGES)
		return;
	memcpy(s->stages[n].name, name, sizeof(name));
	s->stages[n].begin_ms = now_ms();
	s->stages[n].end_ms = 0;
	s->n_stages = n + 1;
}

void us_capture_note(struct us_capture *c, const char *key, const char *fmt, ...)
{
	struct us_capture_shared *s = c->shared;
	char text[480], line[512];
	unsigned int at;
	va_list ap;
	int n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (char *p = text; *p; p++)
		if (*p == '\n')
			*p = ' ';
	n = snprintf(line, sizeof(line), "%s=%s\n", key, text);
	us_capture_say(c, "%s: %s", key, text);
	at = atomic_load(&s->n_notes);
	while (n > 0 && at + (unsigned int)n < sizeof(s->notes))
		if (atomic_compare_exchange_weak(&s->n_notes, &at, at + (unsigned int)n)) {
			memcpy(s->notes + at, line, (size_t)n);
			return;
		}
}

static const char *const result_words[] = { "nothing", "log", "partial", "saved" };

struct us_err *us_capture_state_write(const struct us_capture *c, char **ret)
{
	const struct us_capture_shared *s = c->shared;
	const struct us_recipe *r = c->recipe;
	_us_text_deinit_ struct us_text t = { 0 };
	unsigned int notes = s->n_notes < sizeof(s->notes) ? s->n_notes : sizeof(s->notes);

	us_text_add(&t, "crash=%s\nhost=%s\narmed=%s\ncapture=%s\n", s->crash,
		    r->host_tag ? r->host_tag : "", r->armed_release ? r->armed_release : "",
		    r->capture_release ? r->capture_release : "");
	us_text_add(&t, "memory_total=%" PRIu64 "\n", s->memory_total_kb * 1024);
	us_text_put(&t, s->notes, notes);
	for (unsigned int i = 0; i < s->n_stages; i++)
		if (s->stages[i].end_ms)
			us_text_add(&t, "stage=%" PRIu64 " %" PRIu64 " %s\n", s->stages[i].begin_ms,
				    s->stages[i].end_ms, s->stages[i].name);
		else
			us_text_add(&t, "stage=%" PRIu64 " - %s\n", s->stages[i].begin_ms,
				    s->stages[i].name);
	for (unsigned int i = 0; i < s->n_samples; i++)
		us_text_add(&t, "memory=%u %" PRIu64 " %" PRIu64 "\n", s->samples[i].ms,
			    (uint64_t)s->samples[i].available_kb * 1024,
			    (uint64_t)s->samples[i].used_kb * 1024);
	if (s->held >= US_HELD_PARTIAL && s->holder < r->n_targets)
		us_text_add(
			&t, "target=%s\nwhere=%s\ndump_bytes=%" PRIu64 "\ndump_pages=%" PRIu64 "\n",
			r->targets[s->holder].spec.text, s->where, s->dump_bytes, s->dump_pages);
	us_text_add(&t, "result=%s\n", result_words[s->held]);
	return us_text_take(&t, ret);
}
