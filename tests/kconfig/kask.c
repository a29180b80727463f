/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * kask TREE ARCH TOOLCHAIN [FILE:LINE...]: parses a tree (TOOLCHAIN "-": probes stay free; the
 * lines named are dropped) and answers requests, one a line of the standard input; each answer ends
 * with a line "." and an error is a line "error: ...". A tool for tests, not installed.
 *
 * - base [FILE]: later questions are relative to that .config, or to none
 * - pin [ASSIGNMENTS]: later questions hold these
 * - more N: so many further cores
 * - ask ASSIGNMENTS: "reachable", "maybe" or "unreachable", the cone, the time, and the answer
 * - draw SEED ASSIGNMENTS: a random .config that has them, or "none"
 * - near NAME: the symbols that the lines of a symbol speak of
 * - symbols: names of bool and tristate symbols, with their types
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "kconfig/tree-int.h"

#include <string.h>
#include <time.h>

struct session {
	struct us_ktree *tree;
	struct us_kconfig *base;
	char *pins[2];
	size_t more;
};

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static struct us_err *set_base(struct session *s, char *file)
{
	struct us_blob text _us_blob_deinit_ = { 0 };

	us_kconfig_free(us_steal(&s->base));
	if (!*file)
		return NULL;
	US_TRY(us_file_map(file, &text));
	return us_kconfig_parse(us_bytes_of(text.p, text.n), &s->base);
}

static struct us_err *set_pin(struct session *s, char *text)
{
	free(s->pins[0]);
	s->pins[0] = *text ? strdup(text) : NULL;
	return NULL;
}

static struct us_err *set_more(struct session *s, char *text)
{
	s->more = strtoul(text, NULL, 10);
	return NULL;
}

static struct us_kask make_ask(struct session *s, const char *want)
{
	return (struct us_kask){
		.want = want, .base = s->base, .pins = (const char *const *)s->pins, .more = s->more
	};
}

static void print_answer(const struct us_kanswer *a, double ms)
{
	printf("%s %zu symbols %.1f ms\n",
	       !a->reachable ? "unreachable"
	       : a->maybe    ? "maybe"
			     : "reachable",
	       a->cone, ms);
	for (size_t i = 0; a->unknown && a->unknown[i]; i++)
		printf("unknown %s\n", a->unknown[i]);
	for (size_t i = 0; a->unproved && a->unproved[i]; i++)
		printf("unproved %s\n", a->unproved[i]);
	for (size_t i = 0; a->assumed && a->assumed[i]; i++)
		printf("assumed %s\n", a->assumed[i]);
	for (size_t i = 0; a->fragment && a->fragment[i]; i++)
		printf("+ %s\n", a->fragment[i]);
	for (size_t i = 0; i < a->n_cores; i++) {
		puts("core");
		for (size_t k = 0; k < a->cores[i].n; k++) {
			const struct us_kreason *r = &a->cores[i].reasons[k];

			printf("- %s:%u\t%s\t%s\n", r->at.file, r->at.line, r->text, r->says);
		}
	}
}

static struct us_err *ask(struct session *s, char *want)
{
	struct us_kask question = make_ask(s, want);
	_us_kanswer_free_ struct us_kanswer *answer = NULL;
	double start = now();

	US_TRY(us_ktree_ask(s->tree, &question, &answer));
	print_answer(answer, now() - start);
	return NULL;
}

static struct us_err *draw(struct session *s, char *text)
{
	_us_kvalues_free_ struct us_kvalues *values = NULL;
	struct us_pool pool _us_pool_deinit_ = { 0 };
	char *want = text + strcspn(text, " ");
	struct us_kask question = make_ask(s, want);
	const char *config;

	US_TRY(us_ktree_draw(s->tree, &question, strtoull(text, NULL, 10), &values));
	if (!values) {
		puts("none");
		return NULL;
	}
	US_TRY(us_kvalues_write(values, &pool, &config));
	fputs(config, stdout);
	return NULL;
}

static void print_expr(const struct us_kx *x)
{
	if (!x)
		return;
	if (x->x && x->x->n_defs)
		puts(x->x->name);
	if (x->y && x->y->n_defs)
		puts(x->y->name);
	print_expr(x->a);
	print_expr(x->b);
}

static struct us_err *near(struct session *s, char *name)
{
	const struct us_ksym *sym = us_ktree_symbol(s->tree, name);

	if (!sym)
		return us_err_new(US_ERR_NOT_FOUND, "no file speaks of %s", name);
	for (size_t i = 0; i < sym->n_defs; i++) {
		const struct us_kdef *def = sym->defs[i];

		for (size_t k = 0; k < def->n_depends; k++)
			print_expr(def->depends[k].x);
		for (size_t k = 0; k < def->n_selects; k++) {
			puts(def->selects[k].target->name);
			print_expr(def->selects[k].cond);
		}
		for (size_t k = 0; k < def->n_implies; k++)
			puts(def->implies[k].target->name);
		for (size_t k = 0; k < def->n_defaults; k++) {
			print_expr(def->defaults[k].value);
			print_expr(def->defaults[k].cond);
		}
		print_expr(def->prompt_cond);
	}
	for (size_t i = 0; i < sym->n_selected_by; i++)
		puts(sym->selected_by[i]->def->sym->name);
	for (size_t i = 0; sym->choice && i < sym->choice->n_members; i++)
		puts(sym->choice->members[i]->name);
	return NULL;
}

static struct us_err *symbols(struct session *s, char *text)
{
	const struct us_ksym *sym;

	(void)text;
	for (size_t i = 0; (sym = us_ktree_symbol_at(s->tree, i)); i++) {
		if (sym->type == US_K_BOOL || sym->type == US_K_TRISTATE)
			printf("%s %s\n", sym->name, sym->type == US_K_BOOL ? "bool" : "tristate");
	}
	return NULL;
}

static const struct request {
	const char *name;
	struct us_err *(*run)(struct session *s, char *text);
} requests[] = {
	{ "base", set_base }, { "pin", set_pin }, { "more", set_more },   { "ask", ask },
	{ "draw", draw },     { "near", near },   { "symbols", symbols },
};

static struct us_err *answer_line(struct session *s, char *line)
{
	size_t n = strcspn(line, " ");
	char *text = line + n + (line[n] == ' ');

	for (size_t i = 0; i < us_array_size(requests); i++) {
		if (strlen(requests[i].name) == n && strncmp(line, requests[i].name, n) == 0)
			return requests[i].run(s, text);
	}
	return us_err_new(US_ERR_USAGE, "no such request: %s", line);
}

static void answer_all(struct session *s)
{
	_us_free_ char *line = NULL;
	size_t cap = 0;

	while (getline(&line, &cap, stdin) >= 0) {
		_us_err_free_ struct us_err *err = NULL;

		line[strcspn(line, "\n")] = '\0';
		err = answer_line(s, line);
		if (err)
			printf("error: %s\n", err->text);
		puts(".");
		fflush(stdout);
	}
}

static struct us_err *run(int argc, char **argv)
{
	_us_free_ struct us_kplace *drop = calloc((size_t)argc, sizeof(*drop));
	struct us_ktree_options options = { .arch = argv[2], .drop = drop };
	_us_ktree_free_ struct us_ktree *tree = NULL;
	struct session s = { 0 };

	if (!drop)
		return us_err_nomem();
	if (strcmp(argv[3], "-") != 0)
		options.toolchain = argv[3];
	for (int i = 4; i < argc; i++) {
		char *colon = strrchr(argv[i], ':');

		if (!colon)
			return us_err_new(US_ERR_USAGE, "no FILE:LINE: %s", argv[i]);
		*colon = '\0';
		drop[options.n_drop++] =
			(struct us_kplace){ argv[i], (uint32_t)strtoul(colon + 1, NULL, 10) };
	}
	US_TRY(us_ktree_open(argv[1], &options, NULL, &tree));
	s.tree = tree;
	answer_all(&s);
	us_kconfig_free(s.base);
	free(s.pins[0]);
	return NULL;
}

int main(int argc, char **argv)
{
	_us_err_free_ struct us_err *err = NULL;

	if (argc < 4) {
		fputs("usage: kask TREE ARCH TOOLCHAIN [FILE:LINE...]\n", stderr);
		return 2;
	}
	err = run(argc, argv);
	if (err)
		fprintf(stderr, "%s\n", err->text);
	return err != NULL;
}
