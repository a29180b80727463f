/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel log, record by record as it is found: text as dmesg has it, text as kexec-tools'
 * vmcore-dmesg has it, or one JSON document. Nothing is held back, so a long log needs no memory.
 */
#include "report/report-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#define NS UINT64_C(1000000000)

static const char *const levels[] = { "emerg",   "alert",  "crit", "err",
				      "warning", "notice", "info", "debug" };

static const char *const facilities[] = {
	"kern", "user", "mail", "daemon", "auth",     "syslog",
	"lpr",  "news", "uucp", "cron",   "authpriv", "ftp",
};

const char *us_log_level_name(unsigned int level)
{
	return levels[level & 7];
}

bool us_log_level_parse(const char *words, unsigned int *ret)
{
	uint64_t n;

	for (unsigned int i = 0; i < us_array_size(levels); i++)
		if (!strcmp(words, levels[i])) {
			*ret = i;
			return true;
		}
	if (!us_text_u64(words, 10, &n) || n >= us_array_size(levels))
		return false;
	*ret = (unsigned int)n;
	return true;
}

static const char *facility_name(unsigned int facility, char buf[16])
{
	if (facility < us_array_size(facilities))
		return facilities[facility];
	if (facility >= 16 && facility < 24)
		snprintf(buf, 16, "local%u", facility - 16);
	else
		snprintf(buf, 16, "%u", facility);
	return buf;
}

/* "C1" for a CPU, "T300" for a task, "" where the kernel did not say. */
static const char *caller_name(uint32_t caller, char buf[16])
{
	buf[0] = 0;
	if (caller)
		snprintf(buf, 16, "%c%u", caller >> 31 ? 'C' : 'T', caller & ~(1u << 31));
	return buf;
}

static const char *wall_time(uint64_t ns, char buf[48])
{
	time_t seconds = (time_t)(ns / NS);
	struct tm tm;
	size_t n;

	buf[0] = 0;
	if (!gmtime_r(&seconds, &tm))
		return buf;
	n = strftime(buf, 32, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(buf + n, 48 - n, ".%03uZ", (unsigned int)(ns % NS / 1000000));
	return buf;
}

static enum us_colour level_colour(unsigned int level)
{
	return level <= 3 ? US_RED : level == 4 ? US_YELLOW : level == 7 ? US_DIM : US_PLAIN;
}

size_t us_utf8_bytes(const uint8_t *p, size_t n)
{
	size_t more = *p < 0x80                 ? 0
		      : *p >= 0xc2 && *p < 0xe0 ? 1
		      : (*p & 0xf0) == 0xe0     ? 2
		      : *p >= 0xf0 && *p < 0xf5 ? 3
						: n;

	if (more >= n || (*p < 0x20 && *p != '\t') || *p == 0x7f)
		return 0;
	if (*p == 0xc2 && p[1] < 0xa0) /* control characters again */
		return 0;
	for (size_t i = 1; i <= more; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return more + 1;
}

static void put_clean(FILE *f, const uint8_t *p, size_t n)
{
	while (n) {
		size_t len = us_utf8_bytes(p, n);

		if (len)
			fwrite(p, 1, len, f);
		else
			fprintf(f, "\\x%02x", *p);
		p += len ? len : 1;
		n -= len ? len : 1;
	}
}

static void prefix(struct us_log_report *r, const struct us_log_record *record)
{
	struct us_out *out = &r->out;
	char a[48], caller[16], facility[16], level[40];

	fputs(us_out_colour(out, US_GREEN), out->f);
	if (r->zero_ns)
		fprintf(out->f, "[%s]", wall_time(r->zero_ns + record->ns, a));
	else
		fprintf(out->f, "[%5" PRIu64 ".%06" PRIu64 "]", record->ns / NS,
			record->ns % NS / 1000);
	fputs(us_out_colour(out, US_PLAIN), out->f);
	if (out->verbose) {
		snprintf(level, sizeof(level), "%s.%s", facility_name(record->facility, facility),
			 us_log_level_name(record->level));
		fprintf(out->f, " %s%-14s %-7s%s", us_out_colour(out, US_DIM), level,
			caller_name(record->caller, caller), us_out_colour(out, US_PLAIN));
	}
	fputc(' ', out->f);
}

static void put_text(struct us_log_report *r, const struct us_log_record *record)
{
	const char *colour = us_out_colour(&r->out, level_colour(record->level));
	const uint8_t *p = record->text.p;
	size_t n = record->text.n;
	bool joins = record->continued && r->line_open;

	if (!joins) {
		if (r->line_open)
			fputc('\n', r->out.f);
		prefix(r, record);
	}
	for (;;) {
		const uint8_t *end = n ? memchr(p, '\n', n) : NULL;
		size_t len = end ? (size_t)(end - p) : n;

		fputs(colour, r->out.f);
		put_clean(r->out.f, p, len);
		fputs(us_out_colour(&r->out, US_PLAIN), r->out.f);
		if (!end)
			break;
		p = end + 1;
		n -= len + 1;
		fputc('\n', r->out.f);
		prefix(r, record);
	}
	r->line_open = true;
}

/* As kexec-tools 2.0.32 writes it: bytes in the C locale, white space as it is. */
static void put_plain(struct us_log_report *r, const struct us_log_record *record)
{
	fprintf(r->out.f, "[%5" PRIu64 ".%06" PRIu64 "] ", record->ns / NS, record->ns % NS / 1000);
	for (size_t i = 0; i < record->text.n; i++) {
		uint8_t c = record->text.p[i];

		if ((c >= 0x20 && c < 0x7f) || (c >= '\t' && c <= '\r'))
			fputc(c, r->out.f);
		else
			fprintf(r->out.f, "\\x%02x", c);
	}
	fputc('\n', r->out.f);
}

/* obj in one line, without the first and the last so many characters of it. */
static struct us_err *put_json(FILE *f, json_object *obj, size_t skip, size_t cut) us_must_check;
static struct us_err *put_json(FILE *f, json_object *obj, size_t skip, size_t cut)
{
	const char *s = obj ? json_object_to_json_string_ext(
				      obj, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE)
			    : NULL;

	if (s)
		fwrite(s + skip, 1, strlen(s) - skip - cut, f);
	json_object_put(obj);
	return s ? NULL : us_err_nomem();
}

static struct us_err *put_record(struct us_log_report *r, const struct us_log_record *record)
{
	json_object *obj = json_object_new_object();
	char buf[48];

	if (!obj)
		return us_err_nomem();
	us_json_num(obj, "seq", record->seq);
	us_json_num(obj, "ns", record->ns);
	us_json_str(obj, "time", r->zero_ns ? wall_time(r->zero_ns + record->ns, buf) : NULL);
	us_json_num(obj, "level", record->level);
	us_json_str(obj, "level_name", us_log_level_name(record->level));
	us_json_str(obj, "facility", facility_name(record->facility, buf));
	us_json_str(obj, "caller", record->caller ? caller_name(record->caller, buf) : NULL);
	us_json_bool(obj, "continued", record->continued);
	us_json_text(obj, "text", record->text);
	if (!record->text.n)
		us_json_str(obj, "text", "");
	fputs(r->shown ? ",\n  " : "\n  ", r->out.f);
	return put_json(r->out.f, obj, 0, 0);
}

/* The document is opened here and closed by us_log_report_end(); the records are its list. */
struct us_err *us_log_report_begin(struct us_log_report *r, const struct us_vmcore *core)
{
	json_object *obj;

	if (r->form != US_LOG_JSON)
		return NULL;
	obj = us_json_new("log");
	if (!obj)
		return us_err_nomem();
	us_json_str(obj, "path", core->path);
	us_json_str(obj, "release", core->release);
	US_TRY(put_json(r->out.f, obj, 0, 1));
	fputs(",\n \"records\": [", r->out.f);
	return NULL;
}

struct us_err *us_log_report_record(void *report, const struct us_log_record *record)
{
	struct us_log_report *r = report;
	struct us_err *err = NULL;

	/* what continues a line goes where the line went */
	if (record->continued ? r->hidden : record->level > r->level) {
		r->hidden = true;
		return NULL;
	}
	r->hidden = false;
	if (r->form == US_LOG_JSON)
		err = put_record(r, record);
	else if (r->form == US_LOG_PLAIN)
		put_plain(r, record);
	else
		put_text(r, record);
	r->shown++;
	if (!err && ferror(r->out.f))
		err = us_err_new(US_ERR_OS, "writing the log failed");
	return err;
}

struct us_err *us_log_report_end(struct us_log_report *r, const struct us_log_stats *stats,
				 const struct us_err *problem)
{
	json_object *obj, *list;

	if (r->line_open)
		fputc('\n', r->out.f);
	r->line_open = false;
	if (r->form != US_LOG_JSON)
		return fflush(r->out.f) ? us_err_new(US_ERR_OS, "writing the log failed") : NULL;
	obj = json_object_new_object();
	if (!obj)
		return us_err_nomem();
	list = us_json_sub(obj, "stats");
	us_json_num(list, "records", stats->records);
	us_json_num(list, "lost", stats->lost);
	us_json_num(list, "damaged", stats->damaged);
	json_object_object_add(obj, "problem", problem ? us_json_error(problem) : NULL);
	fputs(r->shown ? "\n ],\n " : "],\n ", r->out.f);
	US_TRY(put_json(r->out.f, obj, 1, 0));
	fputc('\n', r->out.f);
	return fflush(r->out.f) ? us_err_new(US_ERR_OS, "writing the log failed") : NULL;
}
