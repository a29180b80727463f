/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands: one file a command, each a const struct with its option table. The table gives --help,
 * the man page's synopsis check and the completion. Only main.c knows the list.
 */
#ifndef US_CMD_CMD_H
#define US_CMD_CMD_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* One exit status table for every command. */
enum us_exit {
	US_EXIT_OK = 0,
	US_EXIT_BLOCKED = 1,
	US_EXIT_USAGE = 2,
	US_EXIT_UNKNOWN = 3,
	US_EXIT_REFUSED = 4
};

enum us_opt_type {
	US_OPT_FLAG, /* bool */
	US_OPT_TEXT, /* const char * */
	US_OPT_FILE, /* const char *, completed with files */
	US_OPT_DIR,  /* const char *, completed with directories */
	US_OPT_LIST, /* struct us_opt_list: may be given several times; completed with files */
	US_OPT_SIZE, /* uint64_t: a number with K, M, G, T */
	US_OPT_SET,  /* const char *: a flag that stands for .arg in a text field ("-s" is "--call
			file") */
};

struct us_option {
	char letter;      /* 0 = none */
	const char *name; /* long, without dashes; NULL = the letter alone */
	enum us_opt_type type;
	const char *arg;  /* "FILE", for --help; for US_OPT_SET the value */
	const char *help; /* NULL: understood, and not shown */
	size_t offset;    /* of the field in the command's option struct */
};

struct us_opt_list {
	const char **v;
	size_t n;
};

struct us_cmd {
	const char *name;                /* of a sub-word with its command: "config why" */
	const char *args;                /* "IMAGE", NULL = none */
	const char *brief;               /* one line for the list of commands */
	const struct us_option *options; /* ended by an entry without letter and name */
	int min_args, max_args;          /* max_args -1 = any */
	bool last_wins;                  /* an option given again replaces itself; else an error */
	size_t opts_bytes;               /* size of the option struct */
	int (*run)(void *opts, int argc, char **argv); /* -> enum us_exit; argv: what is left */
	/* Instead of all but name, args and brief: its sub-words, each a command of its own,
	 * NULL-terminated. */
	const struct us_cmd *const *subs;
};

/* What is typed for cmd behind the words before it: "why" of "config why". */
const char *us_cmd_word(const struct us_cmd *cmd);
/* NULL: none of the list is typed so. */
const struct us_cmd *us_cmd_find(const struct us_cmd *const *list, const char *word);

/*
 * Parse argv (argv[0] is skipped) by the table into opts (zeroed by the caller); the words that are
 * left are moved to the front of argv[1..], *ret_argc says how many. Long names may be shortened
 * while they stay unique. US_ERR_USAGE names the word. *ret_help: --help was asked.
 */
struct us_err *us_options_parse(const struct us_cmd *cmd, int argc, char **argv, void *opts,
				int *ret_argc, bool *ret_help) us_must_check;
void us_options_free(const struct us_cmd *cmd, void *opts);
/* --help, from the table. program: "understudy check". */
void us_options_help(const struct us_cmd *cmd, const char *program);

extern const struct us_cmd us_cmd_arm, us_cmd_disarm, us_cmd_size, us_cmd_rehearse, us_cmd_capture;
extern const struct us_cmd us_cmd_inspect, us_cmd_check, us_cmd_load, us_cmd_exec, us_cmd_unload,
	us_cmd_status, us_cmd_snapshot, us_cmd_log, us_cmd_info, us_cmd_verify, us_cmd_dump,
	us_cmd_convert, us_cmd_report, us_cmd_crashes, us_cmd_targets, us_cmd_config,
	us_cmd_verify_image, us_cmd_audit;

/* The name kexec (drop-in for kexec-tools). argv[0] is the name. */
int us_compat_kexec(int argc, char **argv);
/* The names makedumpfile and vmcore-dmesg. */
int us_compat_makedumpfile(int argc, char **argv);
int us_compat_vmcore_dmesg(int argc, char **argv);
/* Print err as "understudy: ..." (or JSON) to stderr, free it, give the exit status that its code
 * means. */
int us_cmd_fail(struct us_err *err, bool json);

#endif
