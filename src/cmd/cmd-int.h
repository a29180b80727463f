/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to cmd: the straight line that check, load and kexec share (work.c), opening the machine
 * and jumping (machine.c), and small helpers for a command's end. */
#ifndef US_CMD_CMD_INT_H
#define US_CMD_CMD_INT_H

#include "check/check.h"
#include "cmd/cmd.h"
#include "crash/crash.h"
#include "report/report.h"

/* The machine of a command, and what it may do to it. */
struct us_machine {
	struct us_host *host;
	struct us_act_recording recording;
	FILE *record; /* owned; NULL = nothing is recorded, or to stderr */
	bool records; /* UNDERSTUDY_ACT=record: calls are written down instead of made */
};
/* root NULL: UNDERSTUDY_HOST, else this machine. */
struct us_err *us_machine_open(const char *root, struct us_machine *ret) us_must_check;
/* US_ERR_USAGE if this machine is a recorded one, which nothing can change. */
struct us_err *us_machine_may_act(const struct us_machine *m) us_must_check;
/* For commands that arm or disarm: one at a time, until *ret_fd is closed. */
struct us_err *us_machine_lock(struct us_machine *m, int *ret_fd) us_must_check;
/* For commands that load or unload a crash kernel otherwise: not while somebody arms. What cannot be
 * locked, or has never been armed, does not stop them. */
void us_machine_lock_out(struct us_machine *m, int *ret_fd);
void us_machine_deinit(struct us_machine *m);
#define _us_machine_deinit_ __attribute__((cleanup(us_machine_deinit)))

/* Why the loaded kernel cannot be started: NULL if it can be tried. *ret_exit: the status that
 * means. bare: by reboot(2) of this very process. */
struct us_err *us_jump_why_not(const struct us_host *host, bool bare, int *ret_exit) us_must_check;
struct us_jump {
	bool sync, ifdown;
};
/* Straight into the loaded kernel; returns only on failure (or when recording). */
struct us_err *us_jump_now(struct us_host *host, const struct us_jump *how) us_must_check;
/* Let the init system stop everything and jump: systemctl kexec, else shutdown -r. */
struct us_err *us_jump_orderly(struct us_host *host) us_must_check;

/* The row of nearly every table of options; struct opts has a bool json. */
#define US_OPTION_JSON                                                                             \
	{                                                                                          \
		0, "json", US_OPT_FLAG, NULL, "Write JSON (docs/json.md)",                         \
			offsetof(struct opts, json)                                                \
	}

/* What check, load and kexec take alike. */
struct us_ask {
	bool crash, deep, no_deep, reuse, json, verbose, list_rules;
	bool no_efi, hotplug, no_cma, no_checks, force_dtb;
	bool accept_unknown, dry_run;
	const char *call, *host, *cmdline, *append, *config, *policy, *picture;
	struct us_opt_list initrd, accept;
	uint64_t mem_min, mem_max;
};
#define US_ASK(letter, name, type, arg, help, field)                                               \
	{                                                                                          \
		letter, name, type, arg, help, offsetof(struct us_ask, field)                      \
	}
/* The options that check and load share. */
#define US_ASK_OPTIONS                                                                              \
	US_ASK(0, "initrd", US_OPT_LIST, "FILE",                                                    \
	       "Initial ramdisk; several are joined in order, microcode first", initrd),            \
		US_ASK(0, "cmdline", US_OPT_TEXT, "WORDS", "Command line of the next kernel",       \
		       cmdline),                                                                    \
		US_ASK(0, "reuse-cmdline", US_OPT_FLAG, NULL,                                       \
		       "Take the running kernel's command line, without what must not be "          \
		       "inherited",                                                                 \
		       reuse),                                                                      \
		US_ASK(0, "append", US_OPT_TEXT, "WORDS", "Add words to the command line", append), \
		US_ASK(0, "crash", US_OPT_FLAG, NULL,                                               \
		       "As the capture kernel that takes over after a crash", crash),               \
		US_ASK(0, "call", US_OPT_TEXT, "auto|file|load",                                    \
		       "Which system call: kexec_file_load(2) where it exists, or one by name",     \
		       call),                                                                       \
		US_ASK('s', NULL, US_OPT_SET, "file", "Short for --call file", call),               \
		US_ASK('c', NULL, US_OPT_SET, "load", "Short for --call load", call),               \
		US_ASK(0, "deep", US_OPT_FLAG, NULL,                                                \
		       "Unpack image and initrd and judge what is inside (the default with "        \
		       "--crash)",                                                                  \
		       deep),                                                                       \
		US_ASK(0, "no-deep", US_OPT_FLAG, NULL, "Read headers only, with --crash too",      \
		       no_deep),                                                                    \
		US_ASK(0, "config", US_OPT_FILE, "FILE",                                            \
		       "The image's .config, where it carries none itself (with --deep)", config),  \
		US_ASK(0, "policy", US_OPT_TEXT, "POLICY",                                          \
		       "How far apart the two kernels may be: warn:MAJOR[.MINOR] or "               \
		       "block:MAJOR[.MINOR], then releases allowed in any case after commas",       \
		       policy),                                                                     \
		US_ASK(0, "accept", US_OPT_LIST, "RULE",                                            \
		       "Go on in spite of this blocking rule (its id); the report says so",         \
		       accept),                                                                     \
		US_ASK(0, "accept-unknown", US_OPT_FLAG, NULL,                                      \
		       "Go on although facts that decide are not known", accept_unknown),           \
		US_ASK(0, "mem-min", US_OPT_SIZE, "ADDR", "Lowest address to load to", mem_min),    \
		US_ASK(0, "mem-max", US_OPT_SIZE, "ADDR", "Highest address to load to", mem_max),   \
		US_ASK(0, "no-efi", US_OPT_FLAG, NULL,                                              \
		       "Do not hand the EFI runtime over (kexec_load)", no_efi),                    \
		US_ASK(0, "hotplug", US_OPT_FLAG, NULL,                                             \
		       "Let the kernel follow CPU and memory hotplug in the crash header",          \
		       hotplug),                                                                    \
		US_ASK(0, "no-cma", US_OPT_FLAG, NULL,                                              \
		       "Do not place segments in CMA memory (kexec_file_load)", no_cma),            \
		US_ASK(0, "no-checks", US_OPT_FLAG, NULL,                                           \
		       "No digest over the loaded bytes between the kernels (kexec_load)",          \
		       no_checks),                                                                  \
		US_ASK(0, "host", US_OPT_DIR, "DIR",                                                \
		       "Judge the machine recorded in DIR (understudy snapshot) instead of this "   \
		       "one",                                                                       \
		       host),                                                                       \
		US_ASK('v', "verbose", US_OPT_FLAG, NULL, "List the checks that passed too",        \
		       verbose),                                                                    \
		US_ASK(0, "json", US_OPT_FLAG, NULL, "Write JSON (docs/json.md)", json)

/* Facts, plan and verdict for one image. Pointers are owned. */
struct us_work {
	struct us_machine machine;
	struct us_image *image;
	struct us_initrd *initrd;
	char *cmdline;
	struct us_wanted wanted;
	struct us_policy policy;
	struct us_pool pool;         /* policy's */
	struct us_plan *plan;        /* NULL: plan_problem says why */
	struct us_err *plan_problem; /* NULL if there is a plan */
	struct us_case c;
	struct us_verdict *verdict;
};
/* Read image, initrds and machine, make the plan, judge. acting: a load follows. */
struct us_err *us_work_do(const struct us_ask *ask, const char *path, bool acting,
			  struct us_work *w) us_must_check;
void us_work_deinit(struct us_work *w);
#define _us_work_deinit_ __attribute__((cleanup(us_work_deinit)))
/* The exit status that the verdict (and the lack of a plan) means. */
int us_work_exit(const struct us_work *w, bool acting);
/* Verdict, plan if asked, and why there is none, as text. */
void us_work_report(struct us_out *out, const struct us_work *w, bool with_plan);
/* Ask the kernel to take the plan; for a crash the set that is armed now is kept and restored. */
struct us_err *us_work_commit(struct us_work *w, struct us_outcome *ret) us_must_check;

#define US_RUN_DIR "/run/understudy"
/* The crash kernel was unloaded, or another one was loaded: what was noted for putting it back, and
 * as armed by arm, is void. */
void us_forget_armed(const struct us_machine *m);
/* The user's --accept: findings that block, or whose lack of a fact decides, no longer do.
 * US_ERR_USAGE for a rule that there is not. */
struct us_err *us_findings_accept(const struct us_opt_list *rules, bool unknown,
				  struct us_verdict *verdict) us_must_check;

/* All of unload and disarm. host: as for us_machine_open(). */
int us_unloading_do(const char *host, bool crash, bool json);

/* arm --import; dry_run: the text goes to standard output and nothing is written. */
struct us_err *us_import_config(struct us_machine *m, bool dry_run) us_must_check;

/* arming.c: what arming found. */
void us_arming_print(struct us_out *out, const struct us_arming *a, bool dry_run);
json_object *us_arming_json(const struct us_arming *a, bool dry_run,
			    const struct us_outcome *outcome, int status);
/* The exit status that it means. */
int us_arming_exit(const struct us_arming *a);
void us_need_print(struct us_out *out, const struct us_crash_need *need);
void us_need_json(json_object *obj, const char *key, const struct us_crash_need *need);
void us_json_texts(json_object *obj, const char *key, const char *const *texts);

/* A dump and the kernel in it, for log, info and vmcore-dmesg. */
struct us_opened {
	struct us_vmcore *core;
	struct us_layout *layout; /* NULL: layout_problem says why */
	struct us_err *layout_problem;
};
struct us_err *us_opened_open(char *const *paths, size_t n, struct us_opened *ret) us_must_check;
void us_opened_deinit(struct us_opened *opened);
#define _us_opened_deinit_ __attribute__((cleanup(us_opened_deinit)))
/* The kernel log, printed by report. What the log is damaged in gives US_EXIT_BLOCKED. */
int us_log_print(const struct us_opened *opened, struct us_log_report *report);

/* All that info found out about a dump; the info points into it. */
struct us_seen {
	struct us_opened opened;
	struct us_panic panic;
	struct us_log_stats log;
	struct us_scan scan;
	struct us_err *log_problem, *scan_problem;
	struct us_memory_picture *picture; /* NULL: not asked for */
	struct us_info info;
};
enum us_see { US_SEE_PICTURE = 1, US_SEE_QUICK = 2 }; /* QUICK: no pages are counted */
struct us_err *us_seen_look(char *const *paths, size_t n, unsigned int wish,
			    struct us_progress *progress, struct us_seen *ret) us_must_check;
void us_seen_deinit(struct us_seen *seen);
#define _us_seen_deinit_ __attribute__((cleanup(us_seen_deinit)))

/* What dump and convert take alike; words as they were given. */
struct us_dump_ask {
	bool convert, estimate, json, force, no_sync;
	const char *exclude, *level, *format, *codec, *jobs, *deadline, *progress_fd;
	uint64_t limit;
};
#define US_DUMP_ASK(letter, name, type, arg, help, field)                                          \
	{                                                                                          \
		letter, name, type, arg, help, offsetof(struct us_dump_ask, field)                 \
	}
#define US_DUMP_ASK_OPTIONS                                                                        \
	US_DUMP_ASK(                                                                               \
		0, "format", US_OPT_TEXT, "kdump|elf|flat",                                        \
		"kdump-compressed (the default), ELF core without packing, or kdump-compressed "   \
		"as a stream (the default for -)",                                                 \
		format),                                                                           \
		US_DUMP_ASK(0, "limit", US_OPT_SIZE, "BYTES",                                      \
			    "Stop at this size; the least valuable pages are left out", limit),    \
		US_DUMP_ASK(0, "deadline", US_OPT_TEXT, "SECONDS",                                 \
			    "Close the dump after this time, with the pages it has by then",       \
			    deadline),                                                             \
		US_DUMP_ASK('j', "jobs", US_OPT_TEXT, "N",                                         \
			    "Threads that pack and write; one per CPU if not said", jobs),         \
		US_DUMP_ASK('f', "force", US_OPT_FLAG, NULL, "Replace OUT if it is there", force), \
		US_DUMP_ASK(0, "no-sync", US_OPT_FLAG, NULL, "Do not wait until the disk has it",  \
			    no_sync),                                                              \
		US_DUMP_ASK(0, "progress-fd", US_OPT_TEXT, "FD",                                   \
			    "Write progress to this open descriptor, as lines of JSON",            \
			    progress_fd),                                                          \
		US_DUMP_ASK(0, "json", US_OPT_FLAG, NULL,                                          \
			    "Write JSON (docs/json.md); to standard error if OUT is -", json)
/* All of dump and convert: words are the inputs and, but for an estimate, the output. */
int us_dumping_do(const struct us_dump_ask *ask, int argc, char **argv);
/* As much of level as can be had: where the kernel in the dump is not understood its pages have no
 * classes. *ret_blind says why then, NULL if the whole level can be had. */
unsigned int us_dumping_level(const struct us_opened *opened, unsigned int level,
			      const struct us_err **ret_blind);
#define _us_dump_result_free_ __attribute__((cleanup(us_dump_result_deinit)))

/* status.c, for crashes as well. "pstore": what it has of logs of crashes, or null. */
void us_json_kept_log(json_object *obj, const struct us_crash_kept_log *kept);
/* The stages and the memory of a capture as report draws them; texts belong to state. */
struct us_err *us_cmd_timeline(const struct us_capture_state *state, struct us_pool *pool,
			       struct us_timeline *ret) us_must_check;
/* Print obj to stdout; its failure is the exit status, else status. */
int us_cmd_json(json_object *obj, int status);
/* The bash completion for all commands, and the OPTIONS section of a command's manual page. */
void us_complete_bash(FILE *f, const struct us_cmd *const *commands);
void us_options_scd(FILE *f, const struct us_cmd *cmd);
/* s, with what scdoc would take for markup escaped. */
void us_scd_put(FILE *f, const char *s);
/* The configuration's keys as the sample file and as a manual page's section. */
void us_config_sample(FILE *f);
void us_config_scd(FILE *f);
/* Of the drop-in names only the tables are used: see us_compat_kexec() and the like. */
extern const struct us_cmd us_cmd_kexec, us_cmd_makedumpfile, us_cmd_vmcore_dmesg;

#endif
