/* SPDX-License-Identifier: GPL-2.0-or-later */
/* understudy verify: every descriptor, page and checksum of a dump. */
#include "base/text.h"
#include "cmd/cmd-int.h"

#include <unistd.h>

struct opts {
	bool json;
	const char *jobs;
};

static const struct us_option options[] = {
	{ 'j', "jobs", US_OPT_TEXT, "N", "Threads that read and unpack; one per CPU if not said",
	  offsetof(struct opts, jobs) },
	US_OPTION_JSON,
	{ 0 },
};

#define JOBS_MAX 1024

static struct us_err *verify(const struct opts *o, char *const *paths, size_t n,
			     struct us_progress *progress, struct us_vmcore **ret_core,
			     struct us_verify_result *ret)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);
	uint64_t jobs = cpus > 0 && cpus < JOBS_MAX ? (uint64_t)cpus : 1;

	if (o->jobs && (!us_text_u64(o->jobs, 10, &jobs) || !jobs || jobs > JOBS_MAX))
		return us_err_new(US_ERR_USAGE, "--jobs %s: a number from 1 to %d is wanted",
				  o->jobs, JOBS_MAX);
	US_TRY(us_vmcore_open((const char *const *)paths, n, ret_core));
	return us_dump_verify(*ret_core, (unsigned int)jobs, progress, ret);
}

static int run(void *opts, int argc, char **argv)
{
	__attribute__((cleanup(us_verify_result_deinit))) struct us_verify_result result = { 0 };
	_us_vmcore_free_ struct us_vmcore *core = NULL;
	struct us_progress_line line;
	const struct opts *o = opts;
	struct us_err *err;
	struct us_out out;
	int status;

	us_progress_line_init(&line, stderr);
	err = verify(o, argv, (size_t)argc, &line.p, &core, &result);
	us_progress_line_end(&line);
	if (err)
		return us_cmd_fail(err, o->json);
	status = result.complete && (!result.problems || !result.problems[0]) ? US_EXIT_OK
									      : US_EXIT_BLOCKED;
	if (o->json)
		return us_cmd_json(us_json_verify(core, &result, status), status);
	us_out_init(stdout, &out);
	us_report_verify(&out, core, &result);
	return status;
}

const struct us_cmd us_cmd_verify = {
	.name = "verify",
	.args = "DUMP...",
	.brief = "Look at every page of a dump, and at its checksums",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
