/* SPDX-License-Identifier: GPL-2.0-or-later */
/* understudy config table: which combinations of symbols each architecture of a source tree allows. */
#include "cmd/config-int.h"

#include "base/cleanup.h"

struct opts {
	struct us_tree_ask ask;
};

static const struct us_option options[] = {
	US_TREE_ARCHES,
	US_TREE_SYMBOLS(""),
	US_TREE_COMMON,
	{ 0 },
};

struct run {
	const struct opts *o;
	struct us_question q;
	struct us_combos combos;
	struct us_out out;
	json_object *list;
	int status;
};

static struct us_err *fill_row(struct run *r, struct us_ksource *source, struct us_config_row *row,
			       const char **version)
{
	_us_ktree_free_ struct us_ktree *tree = NULL;
	struct us_ktree_options options_of = r->q.options;

	options_of.arch = row->arch;
	US_TRY(us_ktree_read(source, &options_of, &tree));
	if (!*version)
		*version = us_pool_strdup(&r->q.pool, us_ktree_version(tree));
	return us_combos_ask(tree, &r->combos, &r->q.pool, &row->cells, &row->defines);
}

/* One architecture that cannot be read is no reason to tell nothing of the others. */
static struct us_err *fill_table(struct run *r, struct us_ksource *source,
				 struct us_progress *progress, struct us_config_table *table)
{
	const char *const *arches = NULL;
	struct us_config_row *rows;
	size_t n = 0;

	US_TRY(us_question_arches(&r->o->ask, source, &r->q.pool, &arches));
	while (arches[n])
		n++;
	rows = us_pool_array(&r->q.pool, n + 1, sizeof(*rows));
	if (!rows)
		return us_err_nomem();
	for (size_t i = 0; i < n; i++) {
		const char *what = us_pool_format(&r->q.pool, "%s for %s, %zu of %zu", table->path,
						  arches[i], i + 1, n);
		_us_err_free_ struct us_err *err = NULL;

		us_progress_at(progress, what ? what : table->path, 0, 0);
		rows[i].arch = arches[i];
		err = fill_row(r, source, &rows[i], &table->version);
		if (err && (n == 1 || err->code == US_ERR_NOMEM || err->code == US_ERR_USAGE))
			return us_steal(&err);
		if (err) {
			rows[i].problem = us_pool_strdup(&r->q.pool, err->text);
			r->status = US_EXIT_UNKNOWN;
		}
	}
	table->rows = rows;
	table->n_rows = n;
	return NULL;
}

static struct us_err *one_tree(struct run *r, const char *path)
{
	struct us_config_table table = { .path = path,
					 .symbols = r->combos.symbols,
					 .n_symbols = r->combos.n };
	_us_ksource_free_ struct us_ksource *source = NULL;
	struct us_progress_line line;
	struct us_err *err;

	us_progress_line_init(&line, stderr);
	err = us_ksource_open(path, &line.p, &source);
	if (!err)
		err = fill_table(r, source, &line.p, &table);
	us_progress_line_end(&line);
	if (err)
		return err;
	if (r->list)
		us_json_table(r->list, &table);
	else
		us_report_table(&r->out, &table);
	return NULL;
}

static struct us_err *all_trees(struct run *r, int argc, char **argv)
{
	US_TRY(us_question_read(&r->o->ask, true, &r->q));
	US_TRY(us_combos_read(&r->o->ask, &r->q.pool, &r->combos));
	for (int i = 0; i < argc; i++)
		US_TRY(one_tree(r, argv[i]));
	if (!r->list)
		us_report_table_legend(&r->out);
	return NULL;
}

static int run(void *opts, int argc, char **argv)
{
	struct run r = { .o = opts };
	json_object *obj = NULL;
	struct us_err *err = NULL;

	us_out_init(stdout, &r.out);
	if (r.o->ask.json) {
		obj = us_json_new("config-table");
		r.list = obj ? us_json_list(obj, "trees") : NULL;
		err = r.list ? NULL : us_err_nomem();
	}
	if (!err)
		err = all_trees(&r, argc, argv);
	if (err) {
		json_object_put(obj);
		r.status = us_cmd_fail(err, r.o->ask.json);
	} else if (obj) {
		us_json_num(obj, "exit", (uint64_t)r.status);
		r.status = us_cmd_json(obj, r.status);
	}
	us_question_deinit(&r.q);
	return r.status;
}

const struct us_cmd us_config_table = {
	.name = "config table",
	.args = "TREE...",
	.brief = "Which combinations of symbols each architecture allows",
	.options = options,
	.min_args = 1,
	.max_args = -1,
	.opts_bytes = sizeof(struct opts),
	.run = run,
};
