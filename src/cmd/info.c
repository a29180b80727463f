/* SPDX-License-Identifier: GPL-2.0-or-later */
/* understudy info: what a dump is, how its kernel died, what its memory was used for. */
#include "base/cleanup.h"
#include "cmd/cmd-int.h"

#include <errno.h>
#include <string.h>

struct opts {
	bool json, verbose, quick;
	const char *picture;
};

static const struct us_option options[] = {
	{ 0, "picture", US_OPT_FILE, "FILE.svg", "Draw memory by class",
	  offsetof(struct opts, picture) },
	{ 0, "quick", US_OPT_FLAG, NULL, "Headers, notes and log only: count no pages",
	  offsetof(struct opts, quick) },
	{ 'v', "verbose", US_OPT_FLAG, NULL, "Show all registers", offsetof(struct opts, verbose) },
	US_OPTION_JSON,
	{ 0 },
};

void us_seen_deinit(struct us_seen *s)
{
	us_panic_deinit(&s->panic);
	us_scan_deinit(&s->scan);
	us_err_free(s->log_problem);
	us_err_free(s->scan_problem);
	us_memory_picture_free(s->picture);
	us_symbols_free(s->info.symbols);
	us_opened_deinit(&s->opened);
	*s = (struct us_seen){ 0 };
}

static struct us_err *ignore_run(void *data, const struct us_run *run)
{
	(void)data;
	(void)run;
	return NULL;
}

/* Which pages are there: formats that can leave some out say so. */
static void count_states(struct us_seen *s, struct us_progress *progress)
{
	const struct us_vmcore *core = s->opened.core;
	uint64_t steps = 0;

	s->info.states_known = true;
	for (size_t i = 0; i < core->n_ram; i++) {
		uint64_t pfn = core->ram[i].start >> core->page_shift;
		uint64_t end = us_range_end(core->ram[i]) >> core->page_shift;

		for (uint64_t n; pfn < end; pfn += n) {
			enum us_page_state state;

			n = us_vmcore_page_run(core, pfn, end - pfn, &state);
			s->info.states[state] += n;
			if (steps++ % 4096 == 0)
				us_progress_at(progress, "counting", pfn << core->page_shift,
					       core->max_pfn << core->page_shift);
		}
	}
}

struct us_err *us_seen_look(char *const *paths, size_t n, unsigned int wish,
			    struct us_progress *progress, struct us_seen *s)
{
	struct us_opened *opened = &s->opened;
	bool counts = !(wish & US_SEE_QUICK);

	US_TRY(us_opened_open(paths, n, opened));
	if (!opened->layout) {
		s->log_problem = us_err_new(US_ERR_NOT_FOUND, "%s", opened->layout_problem->text);
		s->scan_problem = us_err_new(US_ERR_NOT_FOUND, "%s", opened->layout_problem->text);
	} else {
		s->log_problem = us_vmcore_log(opened->core, opened->layout, us_panic_look,
					       &s->panic, &s->log);
	}
	if (opened->layout) /* names are a help; without them there are addresses */
		us_err_free(us_symbols_read(opened->core, opened->layout, &s->info.symbols));
	if (wish & US_SEE_PICTURE)
		US_TRY(us_memory_picture_new(opened->core, &s->picture));
	if (counts)
		count_states(s, progress);
	if (counts && opened->layout)
		s->scan_problem = us_vmcore_scan(opened->core, opened->layout,
						 s->picture ? us_memory_picture_run : ignore_run,
						 s->picture, progress, &s->scan);
	s->info.core = opened->core;
	s->info.panic = &s->panic;
	s->info.log = &s->log;
	s->info.scan = !counts || s->scan_problem ? NULL : &s->scan;
	s->info.log_problem = s->log_problem;
	s->info.scan_problem = s->scan_problem;
	return NULL;
}

static struct us_err *draw(const struct opts *o, const struct us_seen *s)
{
	_us_fclose_ FILE *f = NULL;

	if (!o->picture)
		return NULL;
	if (!s->info.scan)
		return us_err_new(US_ERR_NOT_FOUND, "no picture can be drawn: %s",
				  s->scan_problem ? s->scan_problem->text : "nothing was counted");
	f = fopen(o->picture, "we");
	if (!f)
		return us_err_os(errno, "creating %s", o->picture);
	US_TRY(us_memory_picture_draw(f, s->picture, &s->info));
	return fflush(f) ? us_err_os(errno, "writing %s", o->picture) : NULL;
}

/* An incomplete dump is a finding; a log or classes that cannot be had mean that not all is known. */
static int status_of(const struct us_seen *s)
{
	if (s->info.core->incomplete || s->info.states[US_PAGE_LOST])
		return US_EXIT_BLOCKED;
	return s->log_problem || s->scan_problem ? US_EXIT_UNKNOWN : US_EXIT_OK;
}

static int run(void *opts, int argc, char **argv)
{
	_us_seen_deinit_ struct us_seen s = { 0 };
	struct us_progress_line line;
	const struct opts *o = opts;
	struct us_err *err = NULL;
	struct us_out out;

	if (o->quick && o->picture)
		err = us_err_new(US_ERR_USAGE, "--quick counts no pages: there is no picture then");
	us_progress_line_init(&line, stderr);
	if (!err)
		err = us_seen_look(argv, (size_t)argc,
				   (o->picture ? US_SEE_PICTURE : 0) | (o->quick ? US_SEE_QUICK : 0),
				   &line.p, &s);
	us_progress_line_end(&line);
	if (!err)
		err = draw(o, &s);
	if (err)
		return us_cmd_fail(err, o->json);
	s.info.exit = status_of(&s);
	if (o->json)
		return us_cmd_json(us_json_info(&s.info), s.info.exit);
	us_out_init(stdout, &out);
	out.verbose = o->verbose;
	us_report_info(&out, &s.info);
	return s.info.exit;
}

const struct us_cmd us_cmd_info = {
	.name = "info",
	.args = "DUMP...",
	.brief = "Show what a dump is, how its kernel died, and its memory by class",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
