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

#include <json-c/json.h>
#include <stdio.h>

struct us_out {
	FILE *f;
	bool colour;  /* decided by us_out_init: a terminal, TERM not dumb, NO_COLOR unset */
	int width;    /* columns to wrap at */
	bool verbose; /* passed rules too */
};
void us_out_init(FILE *f, struct us_out *ret);

void us_report_image(struct us_out *out, const struct us_image *image,
		     const struct us_initrd *initrd);
void us_report_verdict(struct us_out *out, const struct us_case *c,
		       const struct us_verdict *verdict);
void us_report_plan(struct us_out *out, const struct us_plan *plan);
void us_report_outcome(struct us_out *out, const struct us_plan *plan,
		       const struct us_outcome *outcome);
void us_report_status(struct us_out *out, const struct us_host *host);
void us_report_rules(struct us_out *out); /* --list-rules */
/* The same table as the man page's section, in scdoc. */
void us_report_rules_scd(FILE *f);

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

/* The memory map with the plan in it: firmware ranges, reservation, each segment. SVG 1.1,
 * self-contained. */
struct us_err *us_picture_plan(FILE *f, const struct us_host *host, const struct us_plan *plan)
	us_must_check;

/* What a dump was made of and how it went. */
struct us_dump_report {
	const struct us_vmcore *core;
	const struct us_dump_wish *wish;
	const struct us_dump_result *result;
	const char *path;           /* NULL: an estimate */
	const struct us_err *blind; /* why the pages' classes are not known, NULL if they are */
	int exit;
};
void us_report_dump(struct us_out *out, const struct us_dump_report *report);
json_object *us_json_dump(const struct us_dump_report *report);

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

#endif
