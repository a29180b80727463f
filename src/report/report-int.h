/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to report: wrapped paragraphs, labelled rows, colours, and short hands for JSON. */
#ifndef US_REPORT_REPORT_INT_H
#define US_REPORT_REPORT_INT_H

#include "report/report.h"

enum us_colour { US_PLAIN, US_BOLD, US_DIM, US_RED, US_GREEN, US_YELLOW, US_BLUE };

/* The escape sequence, "" where colour is off. */
const char *us_out_colour(const struct us_out *out, enum us_colour colour);
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

/* Pictures. style: attributes, class="small" and the like. What XML would take for markup is
 * escaped. */
void us_svg_open(FILE *f, int width, int height);
void us_svg_text(FILE *f, double x, double y, const char *style, const char *fmt, ...)
	us_printf(5, 6);
void us_svg_box(FILE *f, double x, double y, double w, double h, const char *style);

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
/* {"schema": "understudy.WHAT/1"} */
json_object *us_json_new(const char *what);

extern const enum us_page_class us_class_order[US_CLASS_COUNT];
const char *us_class_words(enum us_page_class class); /* "page cache" */
const char *us_purpose_name(enum us_purpose purpose); /* "reboot", "crash" */
const char *us_call_name(enum us_call call);          /* "kexec_file_load", "kexec_load", "auto" */
const char *us_result_name(enum us_result result);    /* "pass", "fail", "unknown", "n/a" */

/* Which of the four questions a rule belongs to, by the area in its id. */
enum us_question { US_Q_ENTRY, US_Q_DEVICES, US_Q_PERMISSION, US_Q_POLICY, US_QUESTIONS };
enum us_question us_rule_question(const struct us_rule *rule);
/* "architecture", "devices", "permission", "policy" */
const char *us_question_name(enum us_question q);
/* "running kernel", "capture kernel" or "" (plain reboot). */
const char *us_rule_side(const struct us_rule *rule);

#endif
