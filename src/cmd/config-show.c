/* SPDX-License-Identifier: GPL-2.0-or-later */
/* understudy config show: all that a source tree says about a symbol, and its value under a .config. */
#include "cmd/config-int.h"

#include <string.h>

struct opts {
	struct us_tree_ask ask;
};

static const struct us_option options[] = {
	US_TREE_ARCH,
	US_TREE_BASE("Tell the value under this .config too, and why it has it"),
	US_TREE_COMMON,
	{ 0 },
};

struct run {
	const struct opts *o;
	struct us_question q;
	struct us_ktree *tree;
	struct us_kvalues *values;
	struct us_shown shown;
};

static struct us_err *look(struct run *r, char **argv, struct us_progress *progress)
{
	struct us_shown *s = &r->shown;
	const struct us_ksym *sym;

	s->symbol = strncmp(argv[0], "CONFIG_", 7) ? argv[0] : argv[0] + 7;
	s->path = argv[1];
	s->base = r->o->ask.base;
	US_TRY(us_question_read(&r->o->ask, false, &r->q));
	US_TRY(us_ktree_open(s->path, &r->q.options, progress, &r->tree));
	s->tree = r->tree;
	sym = us_ktree_symbol(r->tree, s->symbol);
	if (!sym)
		return us_err_new(US_ERR_NOT_FOUND, "%s: nothing speaks of a symbol %s for %s",
				  s->path, s->symbol, us_ktree_arch(r->tree));
	if (r->q.base) {
		US_TRY(us_ktree_evaluate(r->tree, US_KSTART_DEFAULTS, r->q.base, &r->values));
		s->value = us_kvalues_text(r->values, sym);
		US_TRY(us_symbol_why(r->values, sym, &r->q.pool, &s->why));
	}
	return us_ktree_lines(r->tree, sym, r->values, &r->q.pool, &s->lines, &s->n);
}

static int run(void *opts, int argc, char **argv)
{
	struct run r = { .o = opts };
	struct us_progress_line line;
	int status = US_EXIT_OK;
	struct us_err *err;
	struct us_out out;

	(void)argc;
	us_progress_line_init(&line, stderr);
	err = look(&r, argv, &line.p);
	us_progress_line_end(&line);
	us_out_init(stdout, &out);
	if (err)
		status = us_cmd_fail(err, r.o->ask.json);
	else if (r.o->ask.json)
		status = us_cmd_json(us_json_shown(&r.shown), status);
	else
		us_report_shown(&out, &r.shown);
	us_kvalues_free(r.values);
	us_ktree_free(r.tree);
	us_question_deinit(&r.q);
	return status;
}

const struct us_cmd us_config_show = {
	.name = "config show",
	.args = "SYMBOL TREE",
	.brief = "All that a source tree says about a symbol",
	.options = options,
	.min_args = 2,
	.max_args = 2,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
