/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The program's door: which name it was called by, which command was asked for. */
#include "cmd/cmd-int.h"
#include "cmd/supported-int.h"
#include "rehearse/rehearse.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct us_cmd *const commands[] = {
	&us_cmd_inspect,
	&us_cmd_check,
	&us_cmd_load,
	&us_cmd_exec,
	&us_cmd_unload,
	&us_cmd_status,
	&us_cmd_snapshot,
	&us_cmd_log,
	&us_cmd_info,
	&us_cmd_verify,
	&us_cmd_dump,
	&us_cmd_convert,
	&us_cmd_report,
	&us_cmd_crashes,
	&us_cmd_targets,
	&us_cmd_config,
	&us_cmd_arm,
	&us_cmd_disarm,
	&us_cmd_size,
	&us_cmd_rehearse,
	&us_cmd_capture,
	&us_cmd_verify_image,
	&us_cmd_audit,
	NULL,
};

/* Other programs' names, with other programs' options. */
static const struct {
	const struct us_cmd *cmd;
	int (*run)(int argc, char **argv);
} dropins[] = {
	{ &us_cmd_kexec, us_compat_kexec },
	{ &us_cmd_makedumpfile, us_compat_makedumpfile },
	{ &us_cmd_vmcore_dmesg, us_compat_vmcore_dmesg },
};

static void help(FILE *f)
{
	fprintf(f, "usage: understudy COMMAND [OPTIONS]\n"
		   "Start one Linux kernel from another: say first whether it can, and why not;\n"
		   "and save what a crash leaves behind.\n\n");
	for (const struct us_cmd *const *c = commands; *c; c++)
		fprintf(f, "  %-12s %-10s %s\n", (*c)->name, (*c)->args ? (*c)->args : "",
			(*c)->brief);
	fprintf(f, "\n"
		   "understudy COMMAND --help tells the options of one command.\n"
		   "Exit status: 0 fine, 1 a blocking finding, 2 usage, 3 could not find out,\n"
		   "4 the kernel refused.\n"
		   "Called by the name kexec, makedumpfile or vmcore-dmesg it takes the options\n"
		   "of that program (kexec --help).\n");
}

/* Before the words are parsed: an error in them is told in JSON, too. */
static bool wants_json(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
		if (!strcmp(argv[i], "--json"))
			return true;
	return false;
}

static int run(const struct us_cmd *cmd, int argc, char **argv)
{
	void *opts = calloc(1, cmd->opts_bytes);
	bool wants_help, json = wants_json(argc, argv);
	struct us_err *err;
	char program[64];
	int n, status;

	if (!opts)
		return us_cmd_fail(us_err_nomem(), false);
	err = us_options_parse(cmd, argc, argv, opts, &n, &wants_help);
	if (err) {
		status = us_cmd_fail(err, json);
	} else if (wants_help) {
		snprintf(program, sizeof(program), "understudy %s", cmd->name);
		us_options_help(cmd, program);
		status = US_EXIT_OK;
	} else {
		status = cmd->run(opts, n, argv + 1);
	}
	us_options_free(cmd, opts);
	free(opts);
	return status;
}

static void help_subs(FILE *f, const struct us_cmd *cmd)
{
	fprintf(f, "usage: understudy %s %s [OPTIONS]\n%s.\n\n", cmd->name, cmd->args, cmd->brief);
	for (const struct us_cmd *const *c = cmd->subs; *c; c++)
		fprintf(f, "  %-9s %s\n", us_cmd_word(*c), (*c)->brief);
	fprintf(f, "\nunderstudy %s WORD --help tells the options of one of them.\n", cmd->name);
}

/* argv[0] is cmd's word, argv[1] that of one of its sub-words. */
static int run_sub(const struct us_cmd *cmd, int argc, char **argv)
{
	const struct us_cmd *sub = argc > 1 ? us_cmd_find(cmd->subs, argv[1]) : NULL;

	if (sub)
		return run(sub, argc - 1, argv + 1);
	if (argc < 2) {
		help_subs(stderr, cmd);
		return US_EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		help_subs(stdout, cmd);
		return US_EXIT_OK;
	}
	return us_cmd_fail(us_err_new(US_ERR_USAGE,
				      "%s: there is no \"%s\" (understudy %s --help lists the words)",
				      cmd->name, argv[1], cmd->name),
			   wants_json(argc, argv));
}

/* The options of the command of that name, for its manual page. */
static void dump_options(const char *name)
{
	for (const struct us_cmd *const *c = commands; *c; c++) {
		if (!(*c)->subs && !strcmp(name, (*c)->name))
			us_options_scd(stdout, *c);
		for (const struct us_cmd *const *s = (*c)->subs; s && *s; s++)
			if (!strcmp(name, (*s)->name))
				us_options_scd(stdout, *s);
	}
	for (size_t i = 0; i < us_array_size(dropins); i++)
		if (!strcmp(name, dropins[i].cmd->name))
			us_options_scd(stdout, dropins[i].cmd);
}

/* For the build: what is made from the tables. */
static bool dump(const char *word)
{
	static const char options[] = "--dump-options=";
	const char *name = word + sizeof(options) - 1;

	if (!strcmp(word, "--dump-completion")) {
		us_complete_bash(stdout, commands);
		return true;
	}
	if (!strcmp(word, "--dump-config-sample")) {
		us_config_sample(stdout);
		return true;
	}
	if (!strcmp(word, "--dump-config")) {
		us_config_scd(stdout);
		return true;
	}
	if (!strcmp(word, "--dump-supported")) {
		us_supported_scd(stdout);
		return true;
	}
	if (!strcmp(word, "--dump-roles")) {
		us_report_roles_scd(stdout);
		return true;
	}
	if (!strcmp(word, "--dump-rules")) {
		us_report_rules_scd(stdout);
		return true;
	}
	if (strncmp(word, options, sizeof(options) - 1))
		return false;
	dump_options(name);
	return true;
}

static int other_words(const char *word)
{
	if (!strcmp(word, "--help") || !strcmp(word, "-h") || !strcmp(word, "help")) {
		help(stdout);
		return US_EXIT_OK;
	}
	if (!strcmp(word, "--version") || !strcmp(word, "-V")) {
		printf("understudy %s\n", US_VERSION);
		return US_EXIT_OK;
	}
	if (dump(word))
		return US_EXIT_OK;
	return us_cmd_fail(us_err_new(US_ERR_USAGE,
				      "there is no command \"%s\" (understudy --help lists them)",
				      word),
			   false);
}

int main(int argc, char **argv)
{
	const char *slash = argc ? strrchr(argv[0], '/') : NULL;
	const char *name = slash ? slash + 1 : argc ? argv[0] : "";
	const struct us_cmd *cmd;

	if (getpid() == 1 && !strcmp(name, "init"))
		us_rehearse_guest(); /* in a machine that rehearse has started */
	signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of write(2), as a full disk is */
	for (size_t i = 0; i < us_array_size(dropins); i++)
		if (!strcmp(name, dropins[i].cmd->name))
			return dropins[i].run(argc, argv);
	if (argc < 2) {
		help(stderr);
		return US_EXIT_USAGE;
	}
	cmd = us_cmd_find(commands, argv[1]);
	if (cmd)
		return (cmd->subs ? run_sub : run)(cmd, argc - 1, argv + 1);
	return other_words(argv[1]);
}
