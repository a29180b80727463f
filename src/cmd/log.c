/* SPDX-License-Identifier: GPL-2.0-or-later */
/* understudy log: the kernel log out of a dump or /proc/vmcore, as far as it can be read. */
#include "base/cleanup.h"
#include "cmd/cmd-int.h"

#include <inttypes.h>

#define NS UINT64_C(1000000000)

struct opts {
	bool json, verbose, wall;
	const char *level;
};

static const struct us_option options[] = {
	{ 'l', "level", US_OPT_TEXT, "emerg|alert|crit|err|warning|notice|info|debug",
	  "Show records of this level and of graver ones only (a number 0 to 7 as well)",
	  offsetof(struct opts, level) },
	{ 0, "wall", US_OPT_FLAG, NULL,
	  "Show the time of day (UTC), reckoned back from the moment of the crash",
	  offsetof(struct opts, wall) },
	{ 'v', "verbose", US_OPT_FLAG, NULL,
	  "Show facility, level, and the task (T) or CPU (C) that spoke",
	  offsetof(struct opts, verbose) },
	US_OPTION_JSON,
	{ 0 },
};

struct us_err *us_opened_open(char *const *paths, size_t n, struct us_opened *ret)
{
	struct us_opened opened = { 0 };

	US_TRY(us_vmcore_open((const char *const *)paths, n, &opened.core));
	opened.layout_problem = us_layout_find(opened.core, &opened.layout);
	us_vmcore_look_uts(opened.core, opened.layout);
	*ret = opened;
	return NULL;
}

void us_opened_deinit(struct us_opened *opened)
{
	us_layout_free(opened->layout);
	us_vmcore_free(opened->core);
	us_err_free(opened->layout_problem);
	*opened = (struct us_opened){ 0 };
}

int us_log_print(const struct us_opened *opened, struct us_log_report *report)
{
	_us_err_free_ struct us_err *end = NULL;
	struct us_log_stats stats = { 0 };
	struct us_err *err = us_log_report_begin(report, opened->core);

	if (err)
		return us_cmd_fail(err, false);
	err = us_vmcore_log(opened->core, opened->layout, us_log_report_record, report, &stats);
	end = us_log_report_end(report, &stats, err);
	if (err || end)
		return us_cmd_fail(err ? err : us_steal(&end), report->form == US_LOG_JSON);
	if (report->form == US_LOG_TEXT && (stats.lost || stats.damaged))
		fprintf(stderr,
			"understudy: %" PRIu64 " older records were overwritten, %" PRIu64
			" are damaged\n",
			stats.lost, stats.damaged);
	return stats.damaged ? US_EXIT_BLOCKED : US_EXIT_OK;
}

/* When the clock of the log stood at zero: the crash time belongs to the last record. */
static struct us_err *find_zero(const struct us_opened *opened, uint64_t *ret)
{
	struct us_panic panic = { 0 };
	struct us_log_stats stats;
	struct us_err *err;
	uint64_t crash_ns;

	if (!us_mul(opened->core->crash_time, NS, &crash_ns) || !crash_ns)
		return us_err_new(US_ERR_NOT_FOUND, "--wall: %s does not say when it crashed",
				  opened->core->path);
	err = us_vmcore_log(opened->core, opened->layout, us_panic_look, &panic, &stats);
	if (!err && panic.last_ns < crash_ns)
		*ret = crash_ns - panic.last_ns;
	us_panic_deinit(&panic);
	return err;
}

static int run(void *opts, int argc, char **argv)
{
	_us_opened_deinit_ struct us_opened opened = { 0 };
	struct us_log_report report = { .level = 7 };
	const struct opts *o = opts;
	struct us_err *err = NULL;

	report.form = o->json ? US_LOG_JSON : US_LOG_TEXT;
	if (o->level && !us_log_level_parse(o->level, &report.level))
		err = us_err_new(US_ERR_USAGE, "--level %s: there is no such level", o->level);
	if (!err)
		err = us_opened_open(argv, (size_t)argc, &opened);
	if (!err && opened.layout_problem)
		err = us_steal(&opened.layout_problem);
	if (!err && o->wall)
		err = find_zero(&opened, &report.zero_ns);
	if (err)
		return us_cmd_fail(err, o->json);
	us_out_init(stdout, &report.out);
	report.out.verbose = o->verbose;
	return us_log_print(&opened, &report);
}

const struct us_cmd us_cmd_log = {
	.name = "log",
	.args = "DUMP...",
	.brief = "Show the kernel log in a dump or in /proc/vmcore",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
