/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ktree TREE ARCH [TOOLCHAIN]: parses a tree and answers requests, one a line of the standard
 * input; each answer ends with a line "." and an error is a line "error: ...". A tool for tests,
 * not installed.
 *
 * - evaluate defaults|no|yes|modules [FILE]: values, with the wishes of a .config; says nothing
 * - write: them as a .config
 * - values: NAME TYPE TEXT of every symbol that is defined
 * - why NAME: why it has its value
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "kconfig/tree-int.h"

#include <string.h>

struct session {
	struct us_ktree *tree;
	struct us_kvalues *values;
};

static struct us_err *evaluate(struct session *s, char *how)
{
	static const char *const starts[] = { "defaults", "no", "yes", "modules" };
	_us_kconfig_free_ struct us_kconfig *wishes = NULL;
	struct us_blob text _us_blob_deinit_ = { 0 };
	char *file = strchr(how, ' ');
	struct us_kvalues *values;

	if (file) {
		*file++ = '\0';
		US_TRY(us_file_map(file, &text));
		US_TRY(us_kconfig_parse(us_bytes_of(text.p, text.n), &wishes));
	}
	for (size_t i = 0; i < us_array_size(starts); i++) {
		if (strcmp(how, starts[i]) != 0)
			continue;
		US_TRY(us_ktree_evaluate(s->tree, (enum us_kstart)i, wishes, &values));
		us_kvalues_free(s->values);
		s->values = values;
		return NULL;
	}
	return us_err_new(US_ERR_USAGE, "no such start: %s", how);
}

static struct us_err *write_config(struct session *s, char *argument)
{
	struct us_pool pool _us_pool_deinit_ = { 0 };
	const char *text;

	(void)argument;
	US_TRY(us_kvalues_write(s->values, &pool, &text));
	fputs(text, stdout);
	return NULL;
}

static struct us_err *print_values(struct session *s, char *argument)
{
	static const char *const types[] = { "unknown", "bool", "tristate", "int", "hex", "string" };
	const struct us_ksym *sym;

	(void)argument;
	for (size_t i = 0; (sym = us_ktree_symbol_at(s->tree, i)); i++)
		printf("%s %s %s\n", sym->name, types[sym->type], us_kvalues_text(s->values, sym));
	return NULL;
}

static struct us_err *print_why(struct session *s, char *name)
{
	const struct us_ksym *sym = us_ktree_symbol(s->tree, name);
	struct us_pool pool _us_pool_deinit_ = { 0 };
	const char *text;

	if (!sym)
		return us_err_new(US_ERR_NOT_FOUND, "no file speaks of %s", name);
	US_TRY(us_kvalues_why(s->values, sym, &pool, &text));
	fputs(text, stdout);
	return NULL;
}

static const struct request {
	const char *name;
	bool needs_values;
	struct us_err *(*run)(struct session *s, char *argument);
} requests[] = {
	{ "evaluate", false, evaluate },
	{ "write", true, write_config },
	{ "values", true, print_values },
	{ "why", true, print_why },
};

static struct us_err *answer(struct session *s, char *line)
{
	char *argument = strchr(line, ' ');

	if (argument)
		*argument++ = '\0';
	else
		argument = line + strlen(line);
	for (size_t i = 0; i < us_array_size(requests); i++) {
		if (strcmp(requests[i].name, line) != 0)
			continue;
		if (requests[i].needs_values && !s->values)
			return us_err_new(US_ERR_USAGE, "no values yet: evaluate");
		return requests[i].run(s, argument);
	}
	return us_err_new(US_ERR_USAGE, "no such request: %s", line);
}

int main(int argc, char **argv)
{
	struct us_ktree_options options = { 0 };
	_us_ktree_free_ struct us_ktree *tree = NULL;
	struct session s = { 0 };
	_us_free_ char *line = NULL;
	size_t size = 0;
	ssize_t n;

	if (argc != 3 && argc != 4) {
		fputs("usage: ktree TREE ARCH [TOOLCHAIN]\n", stderr);
		return 2;
	}
	options.arch = argv[2];
	options.toolchain = argv[3];
	_us_err_free_ struct us_err *err = us_ktree_open(argv[1], &options, NULL, &tree);

	if (err) {
		fprintf(stderr, "ktree: %s\n", err->text);
		return 1;
	}
	s.tree = tree;
	while ((n = getline(&line, &size, stdin)) > 0) {
		if (line[n - 1] == '\n')
			line[n - 1] = '\0';
		_us_err_free_ struct us_err *failed = answer(&s, line);

		if (failed)
			printf("error: %s\n", failed->text);
		puts(".");
		fflush(stdout);
	}
	us_kvalues_free(s.values);
	return 0;
}
