/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What people and programs read. Each thing has a text form (colour only where asked) and a JSON
 * form whose shape is documented in docs/json.md and tests/cli/schema/.
 */
#ifndef US_REPORT_REPORT_H
#define US_REPORT_REPORT_H

#include "check/check.h"
#include "dump/dump.h"
#include "load/load.h"
#include "report/trust.h"

#include <json-c/json.h>
#include <stdio.h>

struct us_out {
	FILE *f;
	bool colour;  /* decided by us_out_init: a terminal, TERM not dumb, NO_COLOR unset */
	int width;    /* columns to wrap at */
	bool verbose; /* passed rules too */
};
void us_out_init(FILE *f, struct us_out *ret);

/* A paragraph, wrapped: its first line starts where the cursor is (column at), the others at
 * indent. Ends with a newline. */
void us_out_para(struct us_out *out, int at, int indent, const char *fmt, ...) us_printf(4, 5);
/* "  label     text", the text wrapped behind its label. */
void us_out_row(struct us_out *out, const char *label, const char *fmt, ...) us_printf(3, 4);
/* A headline with an empty line before it. */
void us_out_head(struct us_out *out, const char *fmt, ...) us_printf(2, 3);

/* "12.3 MiB (12897484 bytes)"; static text lives in buf. */
#define US_SIZE_LONG 80
const char *us_size_long(uint64_t bytes, char *buf);

void us_report_image(struct us_out *out, const struct us_image *image,
		     const struct us_initrd *initrd);
void us_report_verdict(struct us_out *out, const struct us_case *c,
		       const struct us_verdict *verdict);
void us_report_plan(struct us_out *out, const struct us_plan *plan);
void us_report_outcome(struct us_out *out, const struct us_plan *plan,
		       const struct us_outcome *outcome);
void us_report_machine(struct us_out *out, const struct us_host *host); /* one line */
void us_report_status(struct us_out *out, const struct us_host *host);
void us_report_rules(struct us_out *out); /* --list-rules */
/* The same table as the man page's section, in scdoc. */
void us_report_rules_scd(FILE *f);

/* Add to obj; a NULL string becomes null. */
void us_json_str(json_object *obj, const char *key, const char *s);
void us_json_num(json_object *obj, const char *key, uint64_t v);
void us_json_bool(json_object *obj, const char *key, bool v);
void us_json_tri(json_object *obj, const char *key, enum us_tri v); /* true, false, null */
/* bytes as text where it is clean text, else null. */
void us_json_text(json_object *obj, const char *key, struct us_bytes b);
json_object *us_json_sub(json_object *obj, const char *key);
json_object *us_json_list(json_object *obj, const char *key);
json_object *us_json_item(json_object *list);
void us_json_add_str(json_object *list, const char *s);
/* {"schema": "understudy.WHAT/1"} */
json_object *us_json_new(const char *what);

/* New objects, owned by the caller; NULL without memory. */
json_object *us_json_image(const struct us_image *image, const struct us_initrd *initrd);
json_object *us_json_verdict(const struct us_case *c, const struct us_verdict *verdict);
json_object *us_json_plan(const struct us_plan *plan);
json_object *us_json_outcome(const struct us_outcome *outcome);
json_object *us_json_status(const struct us_host *host);
json_object *us_json_rules(void);
json_object *us_json_error(const struct us_err *err);
/* Print obj to f, pretty, and free it. NULL obj is reported as out of memory. */
struct us_err *us_json_print(FILE *f, json_object *obj) us_must_check;

/* The parts that a kernel can play; shown, asked: US_PART_BIT()s. tree: the fragment is a tree's. */
void us_report_roles(struct us_out *out, const struct us_parts *parts, unsigned int shown);
json_object *us_json_roles(const struct us_parts *parts, unsigned int shown, unsigned int asked,
			   int status);
void us_report_roles_scd(FILE *f); /* the table of rules as a section of the man page */
void us_report_fragment(struct us_out *out, const struct us_parts *parts, unsigned int asked,
			bool tree, const struct us_part_fragment *fragment);
json_object *us_json_fragment(const struct us_parts *parts, unsigned int asked, const char *tree,
			      const struct us_part_fragment *fragment, int status);

/* The memory map with the plan in it: firmware ranges, reservation, each segment. SVG 1.1,
 * self-contained. */
struct us_err *us_picture_plan(FILE *f, const struct us_host *host, const struct us_plan *plan)
	us_must_check;

/* What a dump was made of and how it went. */
struct us_dump_report {
	const struct us_vmcore *core;
	const struct us_dump_wish *wish;
	const struct us_dump_result *result;
	unsigned int level;         /* that was asked for */
	const char *path;           /* NULL: an estimate */
	const struct us_err *blind; /* why the pages' classes are not known, NULL if they are */
	int exit;
};
void us_report_dump(struct us_out *out, const struct us_dump_report *report);
json_object *us_json_dump(const struct us_dump_report *report);

enum us_log_form { US_LOG_TEXT, US_LOG_PLAIN, US_LOG_JSON }; /* PLAIN: as vmcore-dmesg has it */
/* The kernel log, printed as it comes: begin, each record, end. */
struct us_log_report {
	struct us_out out; /* verbose: facility, level and caller in front of each line */
	enum us_log_form form;
	unsigned int level; /* records above are left out: 7 shows all */
	uint64_t zero_ns;   /* what time it was at 0, since 1970; 0: times since boot are shown */
	uint64_t shown;
	bool hidden, line_open; /* private */
};
struct us_err *us_log_report_begin(struct us_log_report *r, const struct us_vmcore *core)
	us_must_check;
struct us_err *us_log_report_record(void *report, const struct us_log_record *record)
	us_must_check; /* a us_log_fn */
struct us_err *us_log_report_end(struct us_log_report *r, const struct us_log_stats *stats,
				 const struct us_err *problem) us_must_check;
const char *us_log_level_name(unsigned int level);
/* "warning" or "4"; false if it is no level. */
bool us_log_level_parse(const char *words, unsigned int *ret);

/* What can be said about a dump. */
struct us_info {
	const struct us_vmcore *core;
	const struct us_panic *panic;
	const struct us_log_stats *log;
	struct us_symbols *symbols;                      /* NULL: not known */
	const struct us_scan *scan;                      /* NULL: not known */
	const struct us_err *log_problem, *scan_problem; /* why not; NULL if it is known */
	uint64_t states[US_PAGE_LOST + 1];               /* pages of memory by enum us_page_state */
	bool states_known;
	int exit;
};
void us_report_info(struct us_out *out, const struct us_info *info);
json_object *us_json_info(const struct us_info *info);

void us_report_verify(struct us_out *out, const struct us_vmcore *core,
		      const struct us_verify_result *result);
json_object *us_json_verify(const struct us_vmcore *core, const struct us_verify_result *result,
			    int status);

/* Memory by class, gathered during a scan (us_memory_picture_run is a us_run_fn) and drawn as SVG. */
struct us_memory_picture;
struct us_err *us_memory_picture_new(const struct us_vmcore *core, struct us_memory_picture **ret)
	us_must_check;
struct us_err *us_memory_picture_run(void *picture, const struct us_run *run) us_must_check;
struct us_err *us_memory_picture_draw(FILE *f, const struct us_memory_picture *picture,
				      const struct us_info *info) us_must_check;
void us_memory_picture_free(struct us_memory_picture *picture);

/* ---- the capture over time: memory and stages (picture-timeline.c) ---- */
struct us_timeline_stage {
	const char *name;
	uint64_t begin_ms, end_ms; /* end UINT64_MAX: it did not end */
};
struct us_timeline_sample {
	uint64_t ms, available, used; /* bytes */
};
struct us_timeline {
	const struct us_timeline_stage *stages;
	size_t n_stages;
	const struct us_timeline_sample *samples;
	size_t n_samples;
	uint64_t total_bytes; /* of memory; 0 = not known */
};
/* page: as part of an HTML page, whose styles it takes; else a file of its own. */
struct us_err *us_picture_timeline(FILE *f, const struct us_timeline *timeline, bool page)
	us_must_check;

/* A page that needs nothing beside it: up to the beginning of its body, and its end; and a text
 * within it. */
void us_html_open(FILE *f, const char *title);
void us_html_close(FILE *f);
void us_html_text(FILE *f, const char *s);
/* A row of two cells: <tr><th>label<td>text. Nothing for a NULL or empty text. */
void us_html_row(FILE *f, const char *label, const char *fmt, ...) us_printf(3, 4);
void us_json_timeline(json_object *obj, const struct us_timeline *timeline);

/* ---- a crash, told (crash-text.c: words only, it needs neither JSON nor a dump) ---- */
struct us_crash_words {
	struct us_pool pool;
	const struct us_panic *panic;   /* never NULL */
	const char *release, *nodename; /* NULL = not known */
	uint64_t crash_time;            /* seconds since 1970, 0 = not known */
	const char *tainted, *modules;  /* as the log has them; NULL: it does not say */
};
/* Looks for the taint and the modules in a line of the log that stands behind the cause. */
struct us_err *us_crash_line(struct us_crash_words *words, const char *line) us_must_check;
void us_crash_words_deinit(struct us_crash_words *words);
/* One line that two crashes of the same kind have in common: what, and the calls that led there. */
struct us_err *us_crash_signature(const struct us_panic *panic, char **ret) us_must_check;
/* A short plain report. */
struct us_err *us_crash_text(const struct us_crash_words *words, char **ret) us_must_check;
/* Bit n of the taint mask: its letter and what it means; NULL past the last. */
const char *us_taint_words(unsigned int bit, char *ret_letter);
/* "G        W  O" or "[W]=WARN, [O]=OOT_MODULE" as a mask. */
uint64_t us_taint_parse(const char *words);

struct us_story_line {
	uint64_t ns;
	uint8_t level; /* 8: not known */
	const char *text;
};
/* All that can be said of a crash, from a dump, or from a saved log alone. */
struct us_story {
	const char *path;
	const struct us_info *info;         /* NULL: there is no dump */
	const struct us_crash_words *words; /* by the log */
	const struct us_kernel *kernel;     /* by memory; NULL: not known */
	struct us_log_stats log;
	bool has_log;
	const struct us_story_line *lines; /* the last n_lines */
	size_t n_lines;
	const char *const *stack; /* guesses, innermost first */
	size_t n_stack;
	const char *signature; /* NULL: there was no panic in the log */
	struct us_timeline capture;
	const char *const *state_keys, *const *state_values; /* of state.txt, n_state */
	size_t n_state;
	const struct us_memory_picture *picture; /* NULL: none */
	const char *const *unknown; /* NULL-terminated: what could not be told, and why */
	int exit;
};
void us_report_story(struct us_out *out, const struct us_story *story);
json_object *us_json_story(const struct us_story *story);
struct us_err *us_html_story(FILE *f, const struct us_story *story) us_must_check;

/*
 * A progress that draws one line on a terminal after the first second, and nothing elsewhere. With
 * fd >= 0 it writes JSON lines there as well, terminal or not, twice a second and when a stage
 * begins or ends.
 */
struct us_progress_line {
	struct us_progress p;
	FILE *f;
	int fd;
	const char *what; /* the stage, and when it began */
	uint64_t began_ms, stage_ms, drawn_ms, told_ms;
	bool visible, draws;
};
void us_progress_line_init(struct us_progress_line *line, FILE *f);
void us_progress_line_end(struct us_progress_line *line);

#include "report/config.h"

#endif
