/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * understudy config why: can a combination of symbols exist in a source tree? If so, a fragment
 * that has it, and random configurations that have it; if not, the lines that forbid it.
 */
#include "cmd/config-int.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

struct opts {
	struct us_tree_ask ask;
	const char *all, *draw, *seed, *out;
};

static const struct us_option options[] = {
	US_TREE_ARCH,
	US_TREE_OPTION("drop", US_OPT_LIST, "FILE:LINE",
		       "Read the tree as if this line were not there; several may be given", drop),
	US_TREE_BASE("Ask relative to this .config: what it sets is kept where it is not asked for"),
	US_TREE_OPTION("pin", US_OPT_LIST, "SYMBOL=VALUE",
		       "Hold this value while asking; several may be given", pin),
	{ 0, "all", US_OPT_TEXT, "N", "Tell up to N reasons that stand each on its own",
	  offsetof(struct opts, all) },
	{ 0, "randconfig", US_OPT_TEXT, "N",
	  "Draw N random configurations that satisfy CONDITION (with --out)",
	  offsetof(struct opts, draw) },
	{ 0, "out", US_OPT_DIR, "DIR", "Where --randconfig writes them: config-SEED",
	  offsetof(struct opts, out) },
	{ 0, "seed", US_OPT_TEXT, "N",
	  "Seed of the first of them, one more for each that follows; by the clock if not said",
	  offsetof(struct opts, seed) },
	US_TREE_COMMON,
	{ 0 },
};

#define ALL_MAX  100
#define DRAW_MAX 100000

struct run {
	const struct opts *o;
	struct us_question q;
	struct us_asked asked;
	struct us_ktree *tree;
	struct us_kanswer *answer;
	uint64_t all, draw;
	struct us_progress_line line;
};

static struct us_err *read_number(const char *word, const char *name, uint64_t max, uint64_t *ret)
{
	if (!word)
		return NULL;
	if (!us_text_u64(word, 10, ret) || !*ret || *ret > max)
		return us_err_new(US_ERR_USAGE, "%s %s: it is a number from 1 to %" PRIu64, name,
				  word, max);
	return NULL;
}

static struct us_err *join(struct us_pool *pool, int argc, char **argv, const char **ret)
{
	const char *all = "";

	for (int i = 0; all && i < argc; i++)
		all = us_pool_format(pool, "%s%s%s", all, i ? " " : "", argv[i]);
	*ret = all;
	return all ? NULL : us_err_nomem();
}

static struct us_err *read_numbers(struct run *r)
{
	const struct opts *o = r->o;

	r->all = 1;
	r->asked.seed = (uint64_t)time(NULL);
	US_TRY(read_number(o->all, "--all", ALL_MAX, &r->all));
	US_TRY(read_number(o->draw, "--randconfig", DRAW_MAX, &r->draw));
	US_TRY(read_number(o->seed, "--seed", UINT64_MAX - DRAW_MAX, &r->asked.seed));
	if (!o->draw != !o->out)
		return us_err_new(US_ERR_USAGE, "--randconfig N and --out DIR need each other");
	if (o->seed && !o->draw)
		return us_err_new(US_ERR_USAGE, "--seed has an effect with --randconfig only");
	if (o->draw && o->all)
		return us_err_new(US_ERR_USAGE, "--randconfig and --all exclude each other");
	return NULL;
}

static struct us_err *draw(struct run *r, const struct us_kask *ask)
{
	const char **drawn = us_pool_array(&r->q.pool, r->draw + 1, sizeof(*drawn));

	if (!drawn)
		return us_err_nomem();
	if (mkdir(r->o->out, 0755) < 0 && errno != EEXIST)
		return us_err_os(errno, "--out %s", r->o->out);
	r->asked.drawn = drawn;
	for (uint64_t i = 0; i < r->draw; i++) {
		_us_kvalues_free_ struct us_kvalues *values = NULL;
		_us_pool_deinit_ struct us_pool pool = { 0 };
		uint64_t seed = r->asked.seed + i;
		const char *text = NULL;

		US_TRY(us_ktree_draw(r->tree, ask, seed, &values));
		if (!values)
			return us_err_new(US_ERR_NOT_FOUND, "seed %" PRIu64 " draws nothing", seed);
		US_TRY(us_kvalues_write(values, &pool, &text));
		drawn[i] = us_pool_format(&r->q.pool, "%s/config-%" PRIu64, r->o->out, seed);
		if (!drawn[i])
			return us_err_nomem();
		US_TRY(us_file_replace(drawn[i], us_bytes_of(text, strlen(text))));
	}
	return NULL;
}

static struct us_err *answer(struct run *r, int argc, char **argv)
{
	struct us_asked *a = &r->asked;
	struct us_kask ask = { 0 };

	US_TRY(read_numbers(r));
	US_TRY(us_question_read(&r->o->ask, false, &r->q));
	a->path = argv[0];
	a->base = r->o->ask.base;
	a->pins = r->q.pins;
	a->drop = r->q.options.drop;
	a->n_drop = r->q.options.n_drop;
	US_TRY(join(&r->q.pool, argc - 1, argv + 1, &a->want));
	US_TRY(us_ktree_open(a->path, &r->q.options, &r->line.p, &r->tree));
	a->tree = r->tree;
	ask = (struct us_kask){
		.want = a->want, .base = r->q.base, .pins = a->pins, .more = r->all - 1
	};
	US_TRY(us_ktree_ask(r->tree, &ask, &r->answer));
	a->exit = r->answer->reachable ? US_EXIT_OK : US_EXIT_BLOCKED;
	return r->answer->reachable && r->draw ? draw(r, &ask) : NULL;
}

static int run(void *opts, int argc, char **argv)
{
	struct run r = { .o = opts };
	struct us_err *err;
	struct us_out out;
	int status;

	us_progress_line_init(&r.line, stderr);
	err = answer(&r, argc, argv);
	us_progress_line_end(&r.line);
	status = r.asked.exit;
	us_out_init(stdout, &out);
	if (err)
		status = us_cmd_fail(err, r.o->ask.json);
	else if (r.o->ask.json)
		status = us_cmd_json(us_json_why(&r.asked, r.answer), status);
	else
		us_report_why(&out, &r.asked, r.answer);
	us_kanswer_free(r.answer);
	us_ktree_free(r.tree);
	us_question_deinit(&r.q);
	return status;
}

const struct us_cmd us_config_why = {
	.name = "config why",
	.args = "TREE CONDITION...",
	.brief = "Whether a kernel can be configured so, or which lines forbid it",
	.options = options,
	.min_args = 2,
	.max_args = -1,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
