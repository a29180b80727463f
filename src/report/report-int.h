/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to report: colours, pictures, and the names that its files share. */
#ifndef US_REPORT_REPORT_INT_H
#define US_REPORT_REPORT_INT_H

#include "report/report.h"

enum us_colour { US_PLAIN, US_BOLD, US_DIM, US_RED, US_GREEN, US_YELLOW, US_BLUE };

/* The escape sequence, "" where colour is off. */
const char *us_out_colour(const struct us_out *out, enum us_colour colour);
/* Pictures. style: attributes, class="small" and the like. What XML would take for markup is
 * escaped. */
void us_svg_open(FILE *f, int width, int height);
void us_svg_text(FILE *f, double x, double y, const char *style, const char *fmt, ...)
	us_printf(5, 6);
void us_svg_box(FILE *f, double x, double y, double w, double h, const char *style);

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
