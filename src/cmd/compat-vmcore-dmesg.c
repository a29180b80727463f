/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The drop-in name vmcore-dmesg: one dump, its kernel log to standard output, each record as
 * "[seconds.microseconds] text" like kexec-tools 2.0.32, which knows ELF cores only and has no
 * options. Any dump that understudy reads will do here.
 */
#include "base/cleanup.h"
#include "cmd/cmd-int.h"

struct opts {
	bool version;
};

static const struct us_option options[] = {
	{ 'v', "version", US_OPT_FLAG, NULL, "Print the version", offsetof(struct opts, version) },
	{ 0 },
};

const struct us_cmd us_cmd_vmcore_dmesg = {
	.name = "vmcore-dmesg",
	.args = "DUMP",
	.brief = "Print the kernel log in a dump",
	.options = options,
	.max_args = 1,
	.last_wins = true,
	.opts_bytes = sizeof(struct opts),
};

static int print(char *const *paths)
{
	_us_opened_deinit_ struct us_opened opened = { 0 };
	struct us_log_report report = { .form = US_LOG_PLAIN, .level = 7 };
	struct us_err *err = us_opened_open(paths, 1, &opened);
	int status;

	if (!err && opened.layout_problem)
		err = us_steal(&opened.layout_problem);
	if (err)
		return us_cmd_fail(err, false);
	us_out_init(stdout, &report.out);
	status = us_log_print(&opened, &report);
	return status == US_EXIT_BLOCKED ? US_EXIT_OK : status;
}

int us_compat_vmcore_dmesg(int argc, char **argv)
{
	struct opts o = { 0 };
	bool wants_help = false;
	int n = 0, status = US_EXIT_OK;
	struct us_err *err =
		us_options_parse(&us_cmd_vmcore_dmesg, argc, argv, &o, &n, &wants_help);

	if (!err && !n && !wants_help && !o.version)
		err = us_err_new(US_ERR_USAGE, "which DUMP? (vmcore-dmesg --help)");
	if (err)
		status = us_cmd_fail(err, false);
	else if (wants_help)
		us_options_help(&us_cmd_vmcore_dmesg, "vmcore-dmesg");
	else if (o.version)
		printf("understudy %s, called as vmcore-dmesg\n", US_VERSION);
	else
		status = print(argv + 1);
	us_options_free(&us_cmd_vmcore_dmesg, &o);
	return status;
}
