/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The gates under the encoding: conjunctions with their clauses (Tseitin), each made once, and the
 * selectors of lines, each made once for its place. Solver: PicoSAT 965 (picosat.h). What a line
 * means is not known here.
 */
#include "kconfig/encode.h"

#include "base/cleanup.h"

#include <string.h>

int us_kenc_new(struct us_ksolver *s)
{
	return picosat_inc_max_var(s->sat);
}

/* A clause; one that holds anyway, or what is false in it, is left out. */
void us_kenc_clause(struct us_ksolver *s, const int *lits, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (lits[i] == US_KLIT_TRUE)
			return;
	}
	for (size_t i = 0; i < n; i++) {
		if (lits[i] != US_KLIT_FALSE)
			picosat_add(s->sat, lits[i]);
	}
	picosat_add(s->sat, 0);
}

bool us_kenc_grow(struct us_ksolver *s, void *array, size_t *cap, size_t n, size_t size)
{
	size_t more = *cap ? *cap * 2 : 256;
	void *p;

	if (n < *cap)
		return true;
	p = reallocarray(*(void **)array, more, size);
	if (!p) {
		s->no_memory = true;
		return false;
	}
	*(void **)array = p;
	*cap = more;
	return true;
}

static size_t hash_pair(uint32_t a, uint32_t b)
{
	uint64_t h = ((uint64_t)a << 32 | b) * 0x9e3779b97f4a7c15u;

	return h >> 24;
}

static struct us_kgate *gate_slot(struct us_kgate *gates, size_t cap, int a, int b)
{
	size_t i = hash_pair((uint32_t)a, (uint32_t)b) & (cap - 1);

	while (gates[i].out && (gates[i].a != a || gates[i].b != b))
		i = (i + 1) & (cap - 1);
	return &gates[i];
}

static bool grow_gates(struct us_ksolver *s)
{
	size_t cap = s->cap_gates ? s->cap_gates * 2 : 4096;
	struct us_kgate *more;

	if (s->n_gates * 2 < s->cap_gates)
		return true;
	more = calloc(cap, sizeof(*more));
	if (!more) {
		s->no_memory = true;
		return false;
	}
	for (size_t i = 0; i < s->cap_gates; i++) {
		if (s->gates[i].out)
			*gate_slot(more, cap, s->gates[i].a, s->gates[i].b) = s->gates[i];
	}
	free(s->gates);
	s->gates = more;
	s->cap_gates = cap;
	return true;
}

int us_kenc_and(struct us_ksolver *s, int a, int b)
{
	struct us_kgate *gate;

	if (a == US_KLIT_FALSE || b == US_KLIT_FALSE || a == -b)
		return US_KLIT_FALSE;
	if (a == US_KLIT_TRUE || a == b)
		return b;
	if (b == US_KLIT_TRUE)
		return a;
	if (a > b) {
		int swap = a;

		a = b;
		b = swap;
	}
	if (!grow_gates(s))
		return US_KLIT_TRUE;
	gate = gate_slot(s->gates, s->cap_gates, a, b);
	if (!gate->out) {
		*gate = (struct us_kgate){ a, b, us_kenc_new(s) };
		s->n_gates++;
		us_kenc_add(s, -gate->out, a);
		us_kenc_add(s, -gate->out, b);
		us_kenc_add(s, gate->out, -a, -b);
	}
	return gate->out;
}

int us_kenc_or(struct us_ksolver *s, int a, int b)
{
	return -us_kenc_and(s, -a, -b);
}

int us_kenc_xor(struct us_ksolver *s, int a, int b)
{
	return us_kenc_or(s, us_kenc_and(s, a, -b), us_kenc_and(s, -a, b));
}

struct us_k3 us_kenc_and3(struct us_ksolver *s, struct us_k3 a, struct us_k3 b)
{
	int m = us_kenc_and(s, a.m, b.m);

	return (struct us_k3){ m, a.m == a.y && b.m == b.y ? m : us_kenc_and(s, a.y, b.y) };
}

struct us_k3 us_kenc_or3(struct us_ksolver *s, struct us_k3 a, struct us_k3 b)
{
	int m = us_kenc_or(s, a.m, b.m);

	return (struct us_k3){ m, a.m == a.y && b.m == b.y ? m : us_kenc_or(s, a.y, b.y) };
}

static bool same_line(const struct us_kline_lit *a, const struct us_kline_lit *b)
{
	if (a->why != b->why || a->at.line != b->at.line)
		return false;
	if (a->why == US_KWHY_NO_PROMPT && a->sym != b->sym)
		return false;
	return a->at.file == b->at.file || strcmp(a->at.file, b->at.file) == 0;
}

static size_t hash_line(const struct us_kline_lit *line)
{
	uint32_t h = 2166136261u;

	for (const char *p = line->at.file; *p; p++)
		h = (h ^ (unsigned char)*p) * 16777619u;
	return hash_pair(h, line->at.line * 16 + line->why);
}

static uint32_t *line_slot(struct us_ksolver *s, const struct us_kline_lit *line)
{
	size_t i = hash_line(line) & (s->cap_index - 1);

	while (s->line_index[i] && !same_line(&s->lines[s->line_index[i] - 1], line))
		i = (i + 1) & (s->cap_index - 1);
	return &s->line_index[i];
}

static bool grow_index(struct us_ksolver *s)
{
	size_t cap = s->cap_index ? s->cap_index * 2 : 4096;
	uint32_t *more;

	if (s->n_lines * 2 < s->cap_index)
		return true;
	more = calloc(cap, sizeof(*more));
	if (!more) {
		s->no_memory = true;
		return false;
	}
	free(s->line_index);
	s->line_index = more;
	s->cap_index = cap;
	for (size_t i = 0; i < s->n_lines; i++)
		*line_slot(s, &s->lines[i]) = (uint32_t)i + 1;
	return true;
}

int us_kenc_line(struct us_ksolver *s, struct us_kline_lit line)
{
	uint32_t *slot;

	if (!line.at.file || !line.at.line)
		return US_KLIT_TRUE;
	if (!grow_index(s) ||
	    !us_kenc_grow(s, &s->lines, &s->cap_lines, s->n_lines, sizeof(*s->lines)))
		return US_KLIT_TRUE;
	slot = line_slot(s, &line);
	if (!*slot) {
		line.lit = us_kenc_new(s);
		us_kenc_add(s, -s->all, line.lit);
		s->lines[s->n_lines++] = line;
		*slot = (uint32_t)s->n_lines;
	}
	return s->lines[*slot - 1].lit;
}

static void solver_free(void *p)
{
	struct us_ksolver *s = p;

	if (!s)
		return;
	if (s->sat)
		picosat_reset(s->sat);
	for (size_t i = 0; s->coded && i < s->tree->n_symbols; i++) {
		free(s->coded[i].number.texts);
		free(s->coded[i].number.lits);
	}
	free(s->coded);
	free(s->choices);
	free(s->queue);
	free(s->refs);
	free(s->gates);
	free(s->lines);
	free(s->line_index);
	free(s->atoms);
	us_pool_deinit(&s->pool);
	free(s);
}

void us_ksolver_drop(struct us_ktree *tree)
{
	solver_free(tree->solver);
	tree->solver = NULL;
}

struct us_err *us_ksolver_get(struct us_ktree *tree, struct us_ksolver **ret)
{
	struct us_ksolver *s = tree->solver;

	if (s) {
		*ret = s;
		return NULL;
	}
	s = calloc(1, sizeof(*s));
	if (!s)
		return us_err_nomem();
	tree->solver = s;
	tree->solver_free = solver_free;
	s->tree = tree;
	s->old_choice = tree->major < 6 || (tree->major == 6 && tree->minor < 11);
	s->coded = calloc(tree->n_symbols + 1, sizeof(*s->coded));
	s->choices = calloc(tree->n_choices + 1, sizeof(*s->choices));
	s->queue = calloc(tree->n_symbols + 1, sizeof(*s->queue));
	s->sat = picosat_init();
	if (!s->coded || !s->choices || !s->queue || !s->sat) {
		us_ksolver_drop(tree);
		return us_err_nomem();
	}
	picosat_set_global_default_phase(s->sat, 0);
	picosat_add(s->sat, us_kenc_new(s)); /* variable 1 is true */
	picosat_add(s->sat, 0);
	s->all = us_kenc_new(s);
	us_kenc_domains(s);
	s->modules = tree->modules ? us_kenc_symbol(s, tree->modules).m : US_KLIT_FALSE;
	us_kenc_run(s);
	if (s->no_memory) {
		us_ksolver_drop(tree);
		return us_err_nomem();
	}
	*ret = s;
	return NULL;
}
