/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An example of a reachable combination: the few lines that differ from what the tree (or the base
 * configuration) makes of itself. All stays at its default until the solver says which of those
 * cannot all stay; then the nearest to the question is let go, and at the end what was let go in
 * vain is taken back, the farthest first. The evaluator confirms the lines; what it refuses is
 * forbidden to the solver, and the search goes on. A tree that would keep this busy for long (a
 * chain of 65,000 symbols) gets an example with more lines than it needs.
 */
#include "kconfig/ask-int.h"

#include "base/cleanup.h"

#include <string.h>

/* Something that should stay as it is. */
struct soft {
	struct us_ksym *sym;
	int lit;
	uint32_t cost; /* of letting it go */
	bool free;     /* let go */
	bool line;     /* in the fragment */
};

struct search {
	struct us_kquestion *q;
	struct soft *softs; /* dearest last */
	size_t n;
	int blocking; /* literal that switches on what the evaluator refused, or TRUE */
	struct us_kvalues *values;
	struct us_ksym **lines; /* of the fragment */
	const char **texts;
	size_t n_lines;
	const char **outcomes; /* texts of probes in the model, by softs; NULL: not known */
	int *atoms;            /* the outcomes of comparisons that only the evaluator knows */
	size_t n_atoms;
	size_t work; /* literals assumed so far */
	bool rough;  /* not all was tried */
};

static void free_search(struct search *search)
{
	free(search->softs);
	free(search->lines);
	free(search->texts);
	free(search->outcomes);
	free(search->atoms);
	us_kvalues_free(search->values);
}
#define _cleanup_search_ __attribute__((cleanup(free_search)))

enum { COST_OF_STEP = 4, COST_OF_DRIVER = 4000, COST_OF_PROBE = 1000000 };

static bool is_driver(const struct us_ksym *sym)
{
	static const char *const folders[] = { "drivers/", "sound/", "samples/",
					       "lib/Kconfig.debug" };

	for (size_t i = 0; i < us_array_size(folders); i++) {
		if (strncmp(sym->defs[0]->at.file, folders[i], strlen(folders[i])) == 0)
			return true;
	}
	return false;
}

/* As in the base, where that knows the symbol; else as without the user. 0: it cannot move. */
static int stay_literal(struct us_kquestion *q, struct us_ksym *sym)
{
	const struct us_kcoded *coded = &q->s->coded[sym->index];
	const struct us_kvalue *v = q->base ? &q->base->v[sym->index] : NULL;

	if (sym->probe)
		return coded->value.y;
	if (!coded->moved || coded->moved == US_KLIT_FALSE || q->fixed[sym->index])
		return 0;
	if (v && v->user && v->wish && v->visible != US_KN)
		return us_kask_equals(q, sym, us_kvalues_text(q->base, sym));
	return -coded->moved;
}

static int by_cost(const void *a, const void *b)
{
	const struct soft *x = a, *y = b;

	if (x->cost != y->cost)
		return x->cost < y->cost ? -1 : 1;
	return (x->sym->index > y->sym->index) - (x->sym->index < y->sym->index);
}

static struct us_err *collect_softs(struct search *search)
{
	struct us_kquestion *q = search->q;
	const struct us_ktree *tree = q->tree;

	search->softs = calloc(tree->n_symbols + 1, sizeof(*search->softs));
	if (!search->softs)
		return us_err_nomem();
	for (size_t i = 0; i < tree->n_symbols; i++) {
		struct us_ksym *sym = tree->symbols[i];
		struct soft soft = { .sym = sym };

		if (!q->s->coded[i].value.m || q->distance[i] == US_KFAR)
			continue;
		soft.lit = stay_literal(q, sym);
		if (!soft.lit)
			continue;
		soft.cost = q->distance[i] * COST_OF_STEP;
		if (sym->probe)
			soft.cost = COST_OF_PROBE;
		else if (is_driver(sym))
			soft.cost += COST_OF_DRIVER;
		soft.free = q->distance[i] == 0;
		search->softs[search->n++] = soft;
	}
	qsort(search->softs, search->n, sizeof(*search->softs), by_cost);
	return NULL;
}

static void assume_frame(struct search *search)
{
	us_kask_assume_tree(search->q);
	us_kask_assume(search->q, search->blocking);
	us_kask_assume_goals(search->q);
	for (size_t i = 0; i < search->n_atoms; i++)
		us_kask_assume(search->q, search->atoms[i]);
}

/* With all that is not let go; without is an index to leave out, or search->n. */
static bool solve_with_softs(struct search *search)
{
	assume_frame(search);
	for (size_t i = 0; i < search->n; i++) {
		if (!search->softs[i].free)
			us_kask_assume(search->q, search->softs[i].lit);
	}
	search->work += search->q->n_assumed;
	return us_kask_solve(search->q);
}

/* Real trees take less than a hundredth of it. */
enum { WORK_MAX = 10000000 };

static bool is_too_long(struct search *search)
{
	search->rough |= search->work > WORK_MAX;
	return search->work > WORK_MAX;
}

/* Indices of the softs that failed in the last call, cheapest first. */
static size_t failed_softs(struct search *search, size_t *ret)
{
	size_t n = 0;

	for (size_t i = 0; i < search->n; i++) {
		if (!search->softs[i].free &&
		    picosat_failed_assumption(search->q->s->sat, search->softs[i].lit))
			ret[n++] = i;
	}
	return n;
}

enum { TRIED_MAX = 64 };

/* Makes a failed set minimal, trying to do without the dearest first. */
static size_t minimise_failed(struct search *search, size_t *failed, size_t n)
{
	if (n > TRIED_MAX)
		return n;
	for (size_t i = n; i-- > 0 && n > 1;) {
		assume_frame(search);
		for (size_t k = 0; k < n; k++) {
			if (k != i)
				us_kask_assume(search->q, search->softs[failed[k]].lit);
		}
		if (us_kask_solve(search->q))
			continue;
		memmove(&failed[i], &failed[i + 1], (n - i - 1) * sizeof(*failed));
		n--;
	}
	return n;
}

/* Everything at once, but what compilers say only if nothing else is left. */
static void let_all_go(struct search *search)
{
	bool any = false;

	for (int probes = 0; probes < 2 && !any; probes++) {
		for (size_t i = 0; i < search->n; i++) {
			if (search->softs[i].free || (search->softs[i].sym->probe && !probes))
				continue;
			search->softs[i].free = any = true;
		}
	}
}

/* Lets go what has to be; false: the goals cannot be, whatever is let go. */
static struct us_err *let_go(struct search *search, bool *ret)
{
	_us_free_ size_t *failed = calloc(search->n + 1, sizeof(*failed));

	if (!failed)
		return us_err_nomem();
	while (!solve_with_softs(search)) {
		size_t n = failed_softs(search, failed);

		if (!n) {
			*ret = false;
			return NULL;
		}
		minimise_failed(search, failed, n);
		search->softs[failed[0]].free = true;
		if (is_too_long(search))
			let_all_go(search);
	}
	*ret = true;
	return NULL;
}

/* Takes back what need not have been let go, the dearest first; the last call's model stands. */
static void take_back(struct search *search)
{
	for (size_t i = search->n; i-- > 0 && !is_too_long(search);) {
		if (!search->softs[i].free)
			continue;
		search->softs[i].free = false;
		if (!solve_with_softs(search))
			search->softs[i].free = true;
	}
	solve_with_softs(search);
}

/* What is asked stands in the fragment even where it is so by default, but not that something is n. */
static bool is_named(const struct search *search, const struct us_ksym *sym, const char *text)
{
	const struct us_kquestion *q = search->q;

	if (!text || strcmp(text, "n") == 0 ||
	    picosat_deref(q->s->sat, q->s->coded[sym->index].visible.m) <= 0)
		return false;
	for (size_t i = 0; i < q->n_goals; i++) {
		if (q->goals[i].sym == sym && q->goals[i].from == US_KGOAL_ASKED)
			return true;
	}
	return false;
}

static struct us_err *read_lines(struct search *search)
{
	free(search->lines);
	free(search->texts);
	free(search->outcomes);
	search->lines = calloc(search->n + 1, sizeof(*search->lines));
	search->texts = calloc(search->n + 1, sizeof(*search->texts));
	search->outcomes = calloc(search->n + 1, sizeof(*search->outcomes));
	search->n_lines = 0;
	if (!search->lines || !search->texts || !search->outcomes)
		return us_err_nomem();
	for (size_t i = 0; i < search->n; i++) {
		struct soft *soft = &search->softs[i];
		const char *text;

		soft->line = false;
		text = us_kask_model(search->q, soft->sym);
		if (soft->sym->probe) {
			search->outcomes[i] = text;
			continue;
		}
		if (picosat_deref(search->q->s->sat, soft->lit) > 0 &&
		    !is_named(search, soft->sym, text))
			continue;
		if (!text)
			text = soft->sym->type == US_K_STRING ? "other" : "1";
		soft->line = true;
		search->lines[search->n_lines] = soft->sym;
		search->texts[search->n_lines++] = text;
	}
	return NULL;
}

/* order: which wish of a choice's members was the last. */
static void wish(struct us_kvalues *values, const struct us_ksym *sym, const char *text,
		 size_t order)
{
	if (us_kvalues_wish(values, sym, text))
		values->v[sym->index].order = order;
}

/* The whole configuration of the lines (over the base). modelled: what compilers say is as in the
 * solver's model. */
static struct us_err *evaluate(struct search *search, bool modelled)
{
	struct us_kquestion *q = search->q;
	size_t last = 0;

	us_kvalues_free(us_steal(&search->values));
	US_TRY(us_kvalues_new(q->tree, &search->values));
	for (size_t i = 0; q->base && i < q->tree->n_symbols; i++) {
		const struct us_kvalue *v = &q->base->v[i];

		if (v->user && v->wish)
			wish(search->values, q->tree->symbols[i], v->wish, v->order);
		if (v->order > last)
			last = v->order;
	}
	for (size_t i = 0; i < search->n_lines; i++)
		wish(search->values, search->lines[i], search->texts[i], last + i + 1);
	for (size_t i = 0; i < search->n; i++) {
		const struct us_ksym *sym = search->softs[i].sym;

		if (sym->probe && search->softs[i].free)
			search->values->probes[sym->index] = US_KN;
		if (sym->probe && search->outcomes)
			search->values->probe_texts[sym->index] = search->outcomes[i];
	}
	if (modelled)
		US_TRY(us_kask_outcomes(q, search->values));
	return us_kvalues_compute(search->values);
}

static bool is_confirmed(const struct search *search)
{
	const struct us_kquestion *q = search->q;

	for (size_t i = 0; i < q->n_goals; i++) {
		const struct us_ksym *sym = q->goals[i].sym;
		const char *text = sym && sym->n_defs ? us_kvalues_text(search->values, sym) : "n";

		if (!us_kgoal_met(&q->goals[i], text))
			return false;
	}
	return true;
}

/* Not these lines again. */
static struct us_err *forbid(struct search *search)
{
	struct us_ksolver *s = search->q->s;
	_us_free_ int *clause = calloc(search->n + search->n_lines + 2, sizeof(*clause));
	size_t n = 0;

	if (!clause)
		return us_err_nomem();
	if (search->blocking == US_KLIT_TRUE)
		search->blocking = us_kenc_new(s);
	clause[n++] = -search->blocking;
	for (size_t i = 0; i < search->n_lines; i++)
		clause[n++] = -us_kask_equals(search->q, search->lines[i], search->texts[i]);
	for (size_t i = 0; i < search->n; i++) {
		if (!search->softs[i].line && !search->softs[i].sym->probe)
			clause[n++] = -search->softs[i].lit;
	}
	us_kenc_clause(s, clause, n);
	return NULL;
}

static const char *line_text(struct us_pool *pool, const struct us_ksym *sym, const char *value)
{
	char *text, *out;

	if (us_kenc_is_tri(sym) && *value == 'n')
		return us_pool_format(pool, "# CONFIG_%s is not set", sym->name);
	if (sym->type != US_K_STRING)
		return us_pool_format(pool, "CONFIG_%s=%s", sym->name, value);
	text = us_pool_array(pool, strlen(value) + 1, 2);
	for (out = text; out && *value; *out++ = *value++) {
		if (*value == '"' || *value == '\\')
			*out++ = '\\';
	}
	return text ? us_pool_format(pool, "CONFIG_%s=\"%s\"", sym->name, text) : NULL;
}

static struct us_err *write_lines(struct search *search, struct us_kanswer *answer)
{
	const char **fragment =
		us_pool_array(search->q->pool, search->n_lines + 1, sizeof(*fragment));

	if (!fragment)
		return us_err_nomem();
	for (size_t i = 0; i < search->n_lines; i++) {
		fragment[i] = line_text(search->q->pool, search->lines[i], search->texts[i]);
		if (!fragment[i])
			return us_err_nomem();
	}
	answer->fragment = fragment;
	answer->rough = search->rough;
	return NULL;
}

/* ---- what the example takes for granted ---- */

static void assume_example(struct search *search, int denied)
{
	us_kask_assume_tree(search->q);
	us_kask_assume(search->q, denied);
	for (size_t i = 0; i < search->q->n_goals; i++) {
		if (search->q->goals[i].from == US_KGOAL_BASE)
			us_kask_assume(search->q, search->q->goals[i].lit);
	}
	for (size_t i = 0; i < search->n; i++) {
		if (!search->softs[i].sym->probe && !search->softs[i].free)
			us_kask_assume(search->q, search->softs[i].lit);
	}
}

/* The lines as the user's wishes: where the prompt is visible, the value is theirs. */
static void assume_lines(struct us_kquestion *q, const int *wishes, size_t n)
{
	for (size_t i = 0; i < n; i++)
		us_kask_assume(q, wishes[i]);
}

/* An outcome that is not known: as it is in the example. */
struct given {
	int lit;
	const char *text;
	bool needed;
};

static struct us_err *collect_given(struct search *search, struct given *given, size_t *ret_n)
{
	struct us_kquestion *q = search->q;
	size_t n = 0;

	for (size_t i = 0; i < search->n; i++) {
		const struct soft *soft = &search->softs[i];

		if (!soft->sym->probe)
			continue;
		if (search->outcomes[i]) {
			given[n].lit = us_kenc_number_is(q->s, soft->sym, search->outcomes[i]);
			given[n++].text = us_pool_format(q->pool, "%s = %s", soft->sym->name,
							 search->outcomes[i]);
		}
		given[n].lit = soft->free ? -soft->lit : soft->lit;
		given[n++].text =
			us_pool_format(q->pool, "%s = %s", soft->sym->name, soft->free ? "n" : "y");
	}
	for (size_t i = 0; i < q->s->n_atoms; i++) {
		const struct us_katom *atom = &q->s->atoms[i];
		struct us_kx x = { .op = atom->op, .x = atom->x, .y = atom->y };
		bool holds = us_kvalues_expr(search->values, &x) == US_KY;

		given[n].lit = holds ? atom->lit : -atom->lit;
		given[n++].text = us_pool_format(q->pool, "%s = %s", us_kx_text(q->pool, &x),
						 holds ? "y" : "n");
	}
	*ret_n = n;
	return NULL;
}

static struct us_err *find_needed(struct search *search, struct given *given, size_t n, int denied)
{
	struct us_kquestion *q = search->q;
	_us_free_ int *wishes = calloc(search->n_lines + 1, sizeof(*wishes));

	if (!wishes)
		return us_err_nomem();
	for (size_t i = 0; i < search->n_lines; i++)
		wishes[i] = us_kenc_or(q->s, -q->s->coded[search->lines[i]->index].visible.m,
				       us_kask_equals(q, search->lines[i], search->texts[i]));
	assume_example(search, denied);
	assume_lines(q, wishes, search->n_lines);
	for (size_t i = 0; i < n; i++)
		us_kask_assume(q, given[i].lit);
	if (us_kask_solve(q))
		return NULL;
	for (size_t i = 0; i < n; i++)
		given[i].needed = picosat_failed_assumption(q->s->sat, given[i].lit) != 0;
	for (size_t i = 0; i < n; i++) {
		if (!given[i].needed)
			continue;
		assume_example(search, denied);
		assume_lines(q, wishes, search->n_lines);
		for (size_t k = 0; k < n; k++) {
			if (k != i && given[k].needed)
				us_kask_assume(q, given[k].lit);
		}
		given[i].needed = us_kask_solve(q);
	}
	return NULL;
}

static struct us_err *find_assumed(struct search *search, struct us_kanswer *answer)
{
	struct us_kquestion *q = search->q;
	_us_free_ struct given *given = calloc(2 * search->n + q->s->n_atoms + 1, sizeof(*given));
	const char **assumed;
	int denied = US_KLIT_FALSE;
	size_t n = 0, n_assumed = 0;

	if (!given)
		return us_err_nomem();
	US_TRY(collect_given(search, given, &n));
	assumed = us_pool_array(q->pool, n + 1, sizeof(*assumed));
	if (!assumed)
		return us_err_nomem();
	for (size_t i = 0; i < q->n_goals; i++) {
		if (q->goals[i].from != US_KGOAL_BASE)
			denied = us_kenc_or(q->s, denied, -q->goals[i].lit);
	}
	if (n)
		US_TRY(find_needed(search, given, n, denied));
	for (size_t i = 0; i < n; i++) {
		if (given[i].needed)
			assumed[n_assumed++] = given[i].text;
	}
	answer->assumed = assumed;
	answer->maybe = n_assumed != 0;
	return NULL;
}

static bool is_asked(const struct us_kquestion *q, const struct us_ksym *sym)
{
	for (size_t i = 0; i < q->n_goals; i++) {
		if (q->goals[i].sym == sym && q->goals[i].from != US_KGOAL_BASE)
			return true;
	}
	return false;
}

/* What the tree takes from the base, and the example has otherwise. */
static struct us_err *find_changes(struct search *search, struct us_kanswer *answer)
{
	const struct us_kquestion *q = search->q;
	struct us_kchange *changes;
	size_t n = 0;

	if (!q->base)
		return NULL;
	changes = us_pool_array(q->pool, q->tree->n_symbols + 1, sizeof(*changes));
	if (!changes)
		return us_err_nomem();
	for (size_t i = 0; i < q->tree->n_symbols; i++) {
		const struct us_ksym *sym = q->tree->symbols[i];
		const char *had = us_kvalues_text(q->base, sym),
			   *gets = us_kvalues_text(search->values, sym);
		const struct us_kvalue *v = &q->base->v[i];

		if (!v->user || !v->wish || v->visible == US_KN || strcmp(had, v->wish) != 0 ||
		    !strcmp(had, gets) || is_asked(q, sym))
			continue;
		changes[n].symbol = sym->name;
		changes[n].had = us_pool_strdup(q->pool, had);
		changes[n].gets = us_pool_strdup(q->pool, gets);
		if (!changes[n].had || !changes[n].gets)
			return us_err_nomem();
		n++;
	}
	answer->changes = changes;
	answer->n_changes = n;
	return NULL;
}

/* A comparison with what a probe says comes out as the evaluator has it, while that is possible. */
static struct us_err *settle_atoms(struct search *search)
{
	const struct us_ksolver *s = search->q->s;

	US_TRY(evaluate(search, false));
	search->atoms = calloc(s->n_atoms + 1, sizeof(*search->atoms));
	if (!search->atoms)
		return us_err_nomem();
	for (size_t i = 0; i < s->n_atoms; i++) {
		struct us_kx x = { .op = s->atoms[i].op, .x = s->atoms[i].x, .y = s->atoms[i].y };

		search->atoms[i] = us_kvalues_expr(search->values, &x) == US_KY ? s->atoms[i].lit
										: -s->atoms[i].lit;
	}
	search->n_atoms = s->n_atoms;
	return NULL;
}

enum { ATTEMPTS_MAX = 12 };

struct us_err *us_kask_fragment(struct us_kquestion *q, struct us_kanswer *answer)
{
	_cleanup_search_ struct search search = { .q = q, .blocking = US_KLIT_TRUE };

	US_TRY(collect_softs(&search));
	US_TRY(settle_atoms(&search));
	for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
		bool possible = false;

		US_TRY(let_go(&search, &possible));
		if (!possible && !search.n_atoms)
			break;
		if (!possible) {
			search.n_atoms = 0;
			continue;
		}
		take_back(&search);
		US_TRY(read_lines(&search));
		US_TRY(evaluate(&search, true));
		if (is_confirmed(&search)) {
			US_TRY(find_assumed(&search, answer));
			US_TRY(find_changes(&search, answer));
			return write_lines(&search, answer);
		}
		US_TRY(forbid(&search));
	}
	return us_err_new(
		US_ERR_UNSUPPORTED,
		"the solver finds the combination reachable, but none of its examples keeps it "
		"once all symbols are computed");
}
