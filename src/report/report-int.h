/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to report: colours, pictures, and the names that its files share. */
#ifndef US_REPORT_REPORT_INT_H
#define US_REPORT_REPORT_INT_H

#include "base/text.h"
#include "report/report.h"

enum us_colour { US_PLAIN, US_BOLD, US_DIM, US_RED, US_GREEN, US_YELLOW, US_BLUE };

/* The escape sequence, "" where colour is off. */
const char *us_out_colour(const struct us_out *out, enum us_colour colour);
/* Words come from files as well: nothing that a terminal would act on is passed through. */
void us_out_safe(FILE *f, const char *s, size_t n);
/* The bytes of one UTF-8 character at p, 0 if it is none that a terminal should see. */
size_t us_utf8_bytes(const uint8_t *p, size_t n);

/* Pictures. style: attributes, class="small" and the like. What XML would take for markup is
 * escaped. */
void us_svg_open(FILE *f, int width, int height);
void us_svg_text(FILE *f, double x, double y, const char *style, const char *fmt, ...)
	us_printf(5, 6);
void us_svg_box(FILE *f, double x, double y, double w, double h, const char *style);

/* A picture within an HTML page, whose styles it takes (classes title, label, small, address, on,
 * grid, axis); title: for who cannot see it. */
void us_svg_inline(FILE *f, int x, int y, int width, int height, const char *title);
void us_svg_line(FILE *f, double x1, double y1, double x2, double y2, const char *style);
/* 1, 2 or 5 times a power of ten, so that there are few steps in span. */
uint64_t us_svg_step(uint64_t span);
void us_memory_picture_inline(FILE *f, const struct us_memory_picture *picture, uint32_t page_bytes);
/* When each of the last lines of a log was said, by how grave it is. */
void us_log_picture_inline(FILE *f, const struct us_story *story);

/* "2026-01-02 03:04:05 UTC" in buf, "" if it is no time. */
#define US_TIME_MAX 48
const char *us_time_words(uint64_t seconds, char *buf);
/* When the kernel ended, by its log. */
uint64_t us_panic_end_ns(const struct us_panic *panic);
/* Its rows but for the trace; after: what the time since the start is called. */
void us_out_panic(struct us_out *out, const struct us_panic *panic, const char *after);
/* As "crash" of obj. */
void us_json_panic(json_object *obj, const struct us_panic *panic);
/* Parts of info: the file and its completeness, memory by class, all registers of a CPU. */
void us_out_dump(struct us_out *out, const struct us_info *info);
void us_out_memory(struct us_out *out, const struct us_info *info);
void us_out_registers(struct us_out *out, const struct us_cpu *cpu);
/* The taint mask of a story, by memory or else by its log; false if neither says it. */
bool us_story_taint(const struct us_story *story, uint64_t *ret);
/* The nth CPU that left its registers; false past the last. *ret_comm may become NULL. */
bool us_story_cpu(const struct us_story *story, size_t nth, struct us_cpu *ret,
		  const char **ret_comm);
/* QEMU writes the CPU's number plus one where the kernel writes the task. */
bool us_core_by_qemu(const struct us_vmcore *core);
uint64_t us_core_memory(const struct us_vmcore *core);


/* As us_out_head(), for words that come from files. */
void us_out_title(struct us_out *out, const char *fmt, ...) us_printf(2, 3);
/* A paragraph that is set in by two, its further lines by four. */
void us_out_item(struct us_out *out, const char *fmt, ...) us_printf(2, 3);
/* What of a base configuration does not stay for it: "A: y becomes n, ...". */
void us_report_changes(const struct us_kanswer *answer, struct us_text *text);
/* A line for a .config as it is; a value that a terminal would act on is told, but not set. */
void us_report_line(struct us_out *out, const char *line);
/* The lines that forbid something, each with what it says. */
void us_report_cores(struct us_out *out, const struct us_kanswer *answer, int indent);

extern const enum us_page_class us_class_order[US_CLASS_COUNT];
const char *us_class_words(enum us_page_class class); /* "page cache" */
const char *us_purpose_name(enum us_purpose purpose); /* "reboot", "crash" */
const char *us_call_name(enum us_call call);          /* "kexec_file_load", "kexec_load", "auto" */
const char *us_result_name(enum us_result result);    /* "pass", "fail", "unknown", "n/a" */

/* Text with what scdoc takes as markup escaped. */
void us_report_scd_text(FILE *f, const char *s);

/* Which of the four questions a rule belongs to, by the area in its id. */
enum us_question { US_Q_ENTRY, US_Q_DEVICES, US_Q_PERMISSION, US_Q_POLICY, US_QUESTIONS };
enum us_question us_rule_question(const struct us_rule *rule);
/* "architecture", "devices", "permission", "policy" */
const char *us_question_name(enum us_question q);
/* "running kernel", "capture kernel" or "" (plain reboot). */
const char *us_rule_side(const struct us_rule *rule);

#endif
