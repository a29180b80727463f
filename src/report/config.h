/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Part of the face report.h: what source trees allow, as understudy config tells it. */
#ifndef US_REPORT_CONFIG_H
#define US_REPORT_CONFIG_H

#include "kconfig/tree.h"

#include <json-c/json.h>

struct us_out;

/* A question to one tree. */
struct us_asked {
	const struct us_ktree *tree;
	const char *path; /* of the tree */
	const char *want;
	const char *base;        /* path of a .config, or NULL */
	const char *const *pins; /* NULL-terminated, or NULL */
	const struct us_kplace *drop;
	size_t n_drop;
	const char *const *drawn; /* files that were written, NULL-terminated, or NULL */
	uint64_t seed;            /* of the first of them */
	int exit;
};
/* Reachable: a fragment that make(1) and merge_config.sh read, with the words as its comments. */
void us_report_why(struct us_out *out, const struct us_asked *asked,
		   const struct us_kanswer *answer);
json_object *us_json_why(const struct us_asked *asked, const struct us_kanswer *answer);

struct us_shown {
	const struct us_ktree *tree;
	const char *path, *symbol;
	const struct us_kline *lines;
	size_t n;
	const char *base;        /* path of a .config, or NULL: no values */
	const char *value, *why; /* with base */
};
void us_report_shown(struct us_out *out, const struct us_shown *shown);
json_object *us_json_shown(const struct us_shown *shown);

/*
 * The combinations of n_symbols: in combination i, bit (n_symbols - 1 - k) of i is symbol k. A cell
 * is '+' (reachable), '.' (not), '-' (wants y of what is not defined there) or '?' (reachable if a
 * compiler test, a number or a string comes out so).
 */
struct us_config_row {
	const char *arch;
	const char *cells;   /* one a combination, NULL: problem says why */
	const char *problem; /* or NULL */
	bool defines;        /* any of the symbols */
};
struct us_config_table {
	const char *path, *version; /* version NULL: no architecture could be read */
	const struct us_config_row *rows;
	size_t n_rows;
	const char *const *symbols;
	size_t n_symbols;
};
void us_report_table(struct us_out *out, const struct us_config_table *table);
void us_report_table_legend(struct us_out *out);
void us_json_table(json_object *list, const struct us_config_table *table);

/* Something that one of two trees has and the other has not. */
struct us_config_change {
	bool lost;                    /* NEW has it not; else OLD had it not */
	const char *role;             /* what it is good for, or NULL: a combination */
	const char *want;             /* the condition */
	const struct us_kanswer *why; /* of the tree that has it not */
};
/* A value of a configuration that NEW does not keep. */
struct us_config_victim {
	const char *symbol;
	const char *had, *gets; /* gets NULL: NEW does not define it */
	const char *want;       /* "SYMBOL=VALUE", as config why takes it; NULL where gets is */
	const char *why;        /* in words, or NULL */
	const struct us_kanswer *ask; /* whether it could be kept; NULL where gets is NULL */
};
struct us_config_rename {
	const char *symbol;  /* that only OLD defines */
	const char *instead; /* what NEW has in its place, or NULL: not known */
};
struct us_config_diff {
	const char *arch;
	const char *problem; /* why nothing is known, or NULL */
	const char *only;    /* "OLD" or "NEW": the other has not the architecture */
	const char *old_version, *new_version;
	const struct us_config_change *changes;
	size_t n_changes;
	const struct us_config_rename *gone;
	size_t n_gone;
	const char *const *came; /* symbols that only NEW defines, NULL-terminated */
	const struct us_config_victim *victims;
	size_t n_victims;
	const char *base; /* path of a .config, or NULL: nobody looked for victims */
};
void us_report_diff(struct us_out *out, const struct us_config_diff *diff);
/* arches: where nothing was lost or gained, in words. */
void us_report_same(struct us_out *out, const char *arches);
void us_json_diff(json_object *list, const struct us_config_diff *diff);

#endif
