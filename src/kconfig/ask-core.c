/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a combination cannot be: minimal sets of lines (and of what was asked) that contradict each
 * other. PicoSAT names the assumptions that failed; deletion makes that set minimal, what is far
 * from the question being tried first. Further cores: Reiter's hitting-set tree (1987), that is,
 * without each line of a known core in turn. Taking a line away means what the encoding means by
 * it. Of more than US_KCORE_MAX lines nothing is told.
 */
#include "kconfig/ask-int.h"

#include "base/cleanup.h"

#include <string.h>

struct core {
	int *lits;
	size_t n;
	bool too_large;
};

static int by_literal(const void *key, const void *line)
{
	int lit = *(const int *)key, other = ((const struct us_kline_lit *)line)->lit;

	return (lit > other) - (lit < other);
}

/* Selectors are numbered as they are made: lines are sorted by them. */
const struct us_kline_lit *us_kask_line(const struct us_kquestion *q, int lit)
{
	return q->s->n_lines
		       ? bsearch(&lit, q->s->lines, q->s->n_lines, sizeof(*q->s->lines), by_literal)
		       : NULL;
}

const struct us_kgoal *us_kask_goal(const struct us_kquestion *q, int lit)
{
	for (size_t i = 0; i < q->n_goals; i++) {
		if (q->goals[i].lit == lit)
			return &q->goals[i];
	}
	return NULL;
}

static uint32_t line_distance(const struct us_kquestion *q, int lit)
{
	const struct us_kline_lit *line = us_kask_line(q, lit);
	const struct us_kgoal *goal;
	uint32_t d;

	if (!line) {
		goal = us_kask_goal(q, lit);
		return goal && goal->sym ? q->distance[goal->sym->index] : 0;
	}
	d = line->sym ? q->distance[line->sym->index] : 0;
	if (line->prop && line->prop->target && q->distance[line->prop->target->index] < d)
		d = q->distance[line->prop->target->index];
	return d;
}

/* What was asked or pinned, which holds while lines are tried. */
static bool is_asked(const struct us_kquestion *q, int lit)
{
	const struct us_kgoal *goal = us_kask_line(q, lit) ? NULL : us_kask_goal(q, lit);

	return goal && goal->from != US_KGOAL_BASE;
}

/* In which order minimising tries to do without: the far before the near. */
struct order {
	int lit;
	uint32_t rank;
};

static int by_rank(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	if (x->rank != y->rank)
		return x->rank < y->rank ? 1 : -1;
	return (x->lit < y->lit) - (x->lit > y->lit);
}

static bool holds(const struct core *core, int lit)
{
	for (size_t i = 0; i < core->n; i++) {
		if (core->lits[i] == lit)
			return true;
	}
	return false;
}

/* The last call's failed assumptions, as a core of its own. */
static struct us_err *take_failed(struct us_kquestion *q, struct core *ret)
{
	const int *failed = picosat_failed_assumptions(q->s->sat);
	struct core core = { 0 };
	size_t n = 0;

	while (failed[n])
		n++;
	if (n > US_KCORE_MAX) {
		ret->too_large = true;
		return NULL;
	}
	core.lits = calloc(n + 1, sizeof(*core.lits));
	if (!core.lits)
		return us_err_nomem();
	for (size_t i = 0; i < n; i++) { /* what was assumed twice stands there twice */
		if (!holds(&core, failed[i]))
			core.lits[core.n++] = failed[i];
	}
	free(ret->lits);
	*ret = core;
	return NULL;
}

/* One round: without each of what was asked, or without each of the rest while all that holds. */
static struct us_err *do_without(struct us_kquestion *q, struct core *core, bool asked)
{
	_us_free_ struct order *order = calloc(core->n + 1, sizeof(*order));
	size_t n = core->n;

	if (!order)
		return us_err_nomem();
	for (size_t i = 0; i < n; i++)
		order[i] = (struct order){ core->lits[i], line_distance(q, core->lits[i]) };
	qsort(order, n, sizeof(*order), by_rank);
	for (size_t i = 0; i < n; i++) {
		if (!holds(core, order[i].lit) || is_asked(q, order[i].lit) != asked)
			continue;
		for (size_t k = 0; k < q->n_goals && !asked; k++) {
			if (q->goals[k].from != US_KGOAL_BASE)
				us_kask_assume(q, q->goals[k].lit);
		}
		for (size_t k = 0; k < core->n; k++) {
			if (core->lits[k] != order[i].lit)
				us_kask_assume(q, core->lits[k]);
		}
		if (!us_kask_solve(q))
			US_TRY(take_failed(q, core));
	}
	return NULL;
}

/* A minimal core that has none of the lines in without; ret->lits NULL: it can be without them, or
 * the core is too large. The
 * lines are minimal for all that was asked, so that each of them is a cause; what was asked after
 * that. */
static struct us_err *find_core(struct us_kquestion *q, const int *without, size_t n_without,
				struct core *ret)
{
	us_kask_assume_goals(q);
	if (q->unproved)
		us_kask_assume(q, q->s->closed);
	for (size_t i = 0; i < q->s->n_lines; i++) {
		bool gone = false;

		for (size_t k = 0; k < n_without && !gone; k++)
			gone = without[k] == q->s->lines[i].lit;
		if (!gone)
			us_kask_assume(q, q->s->lines[i].lit);
	}
	if (us_kask_solve(q))
		return NULL;
	US_TRY(take_failed(q, ret));
	if (ret->too_large)
		return NULL;
	US_TRY(do_without(q, ret, false));
	return do_without(q, ret, true);
}

static int by_value(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* Takes core over, unless it is known. */
static bool is_new(struct core *cores, size_t n, struct core *core)
{
	qsort(core->lits, core->n, sizeof(*core->lits), by_value);
	for (size_t i = 0; i < n; i++) {
		if (cores[i].n == core->n &&
		    memcmp(cores[i].lits, core->lits, core->n * sizeof(*core->lits)) == 0)
			return false;
	}
	return true;
}

/* A node of the tree: the lines done without on the way to it. */
enum { DEPTH_MAX = 8, NODES_MAX = 256 };
struct node {
	int without[DEPTH_MAX];
	size_t n;
};

struct search {
	struct core *cores;
	size_t n_cores, max_cores;
	struct node *nodes;
	size_t n_nodes;
};

static void branch(struct us_kquestion *q, struct search *search, const struct node *from,
		   const struct core *core)
{
	for (size_t i = 0; i < core->n && search->n_nodes < NODES_MAX; i++) {
		struct node next = *from;

		if (next.n == DEPTH_MAX || !us_kask_line(q, core->lits[i]))
			continue;
		next.without[next.n++] = core->lits[i];
		search->nodes[search->n_nodes++] = next;
	}
}

static struct us_err *search_cores(struct us_kquestion *q, struct search *search)
{
	for (size_t i = 0; i < search->n_nodes && search->n_cores < search->max_cores; i++) {
		struct node node = search->nodes[i];
		struct core core = { 0 };
		struct us_err *err = find_core(q, node.without, node.n, &core);
		_us_free_ int *owned = core.lits;

		if (err)
			return err;
		if (!core.lits)
			continue;
		branch(q, search, &node, &core);
		if (is_new(search->cores, search->n_cores, &core)) {
			search->cores[search->n_cores++] = core;
			owned = NULL;
		}
	}
	return NULL;
}

static void free_search(struct search *search)
{
	for (size_t i = 0; search->cores && i < search->n_cores; i++)
		free(search->cores[i].lits);
	free(search->cores);
	free(search->nodes);
}
#define _cleanup_search_ __attribute__((cleanup(free_search)))

struct us_err *us_kask_cores(struct us_kquestion *q, size_t more, struct us_kanswer *answer)
{
	_cleanup_search_ struct search search = { .max_cores =
							  more < NODES_MAX ? more + 1 : NODES_MAX,
						  .n_nodes = 1 };
	struct us_kcore *cores;

	search.cores = calloc(search.max_cores, sizeof(*search.cores));
	search.nodes = calloc(NODES_MAX, sizeof(*search.nodes));
	if (!search.cores || !search.nodes)
		return us_err_nomem();
	US_TRY(search_cores(q, &search));
	cores = us_pool_array(q->pool, search.n_cores + 1, sizeof(*cores));
	if (!cores)
		return us_err_nomem();
	for (size_t i = 0; i < search.n_cores; i++)
		US_TRY(us_kask_words(q, search.cores[i].lits, search.cores[i].n, &cores[i]));
	answer->cores = cores;
	answer->n_cores = search.n_cores;
	return NULL;
}
