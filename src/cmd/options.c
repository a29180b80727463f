/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The option engine: one table per command gives parsing, --help and completion. Grammar: the GNU
 * conventions for long and short options (getopt_long(3)): --name VALUE, --name=VALUE, -x VALUE,
 * -xVALUE, clustered flags, "--" ends the options, words may stand between options. It knows no
 * command.
 */
#include "cmd/cmd.h"

#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parse {
	const struct us_cmd *cmd;
	char **argv;
	int argc, at;
	int n_words;
	char *opts;
	bool *seen; /* one per table entry */
};

static bool is_end(const struct us_option *o)
{
	return !o->letter && !o->name;
}

static size_t count(const struct us_option *options)
{
	size_t n = 0;

	while (!is_end(&options[n]))
		n++;
	return n;
}

static bool wants_value(const struct us_option *o)
{
	return o->type != US_OPT_FLAG && o->type != US_OPT_SET;
}

static struct us_err *find_long(const struct us_cmd *cmd, const char *name, size_t len,
				const struct us_option **ret)
{
	const struct us_option *hit = NULL;

	for (const struct us_option *o = cmd->options; !is_end(o); o++) {
		if (!o->name || strncmp(o->name, name, len))
			continue;
		if (strlen(o->name) == len) {
			*ret = o;
			return NULL;
		}
		/* two names of one field and meaning are no ambiguity */
		if (hit && (hit->offset != o->offset || hit->type != o->type))
			return us_err_new(US_ERR_USAGE, "--%.*s is short for both --%s and --%s",
					  (int)len, name, hit->name, o->name);
		hit = o;
	}
	if (!hit)
		return us_err_new(US_ERR_USAGE, "there is no option --%.*s", (int)len, name);
	*ret = hit;
	return NULL;
}

static struct us_err *find_letter(const struct us_cmd *cmd, char letter,
				  const struct us_option **ret)
{
	for (const struct us_option *o = cmd->options; !is_end(o); o++)
		if (o->letter == letter) {
			*ret = o;
			return NULL;
		}
	return us_err_new(US_ERR_USAGE, "there is no option -%c", letter);
}

static struct us_err *append(struct us_opt_list *list, const char *value)
{
	const char **v = reallocarray(list->v, list->n + 1, sizeof(*v));

	if (!v)
		return us_err_nomem();
	list->v = v;
	v[list->n++] = value;
	return NULL;
}

static struct us_err *store(struct parse *p, const struct us_option *o, const char *word,
			    const char *value)
{
	bool *seen = &p->seen[o - p->cmd->options];
	char *field = p->opts + o->offset;
	const char *end;

	if (*seen && wants_value(o) && o->type != US_OPT_LIST && !p->cmd->last_wins)
		return us_err_new(US_ERR_USAGE, "%s is given twice", word);
	*seen = true;
	switch (o->type) {
	case US_OPT_FLAG:
		*(bool *)(void *)field = true;
		return NULL;
	case US_OPT_SET:
		*(const char **)(void *)field = o->arg;
		return NULL;
	case US_OPT_LIST:
		return append((struct us_opt_list *)(void *)field, value);
	case US_OPT_SIZE:
		if (!us_text_memsize(value, &end, (uint64_t *)(void *)field) || *end)
			return us_err_new(US_ERR_USAGE, "%s: %s is no number of bytes", word, value);
		return NULL;
	default:
		*(const char **)(void *)field = value;
		return NULL;
	}
}

static struct us_err *next_value(struct parse *p, const struct us_option *o, const char *word,
				 const char **ret)
{
	if (p->at >= p->argc)
		return us_err_new(US_ERR_USAGE, "%s needs a value: %s", word, o->arg ? o->arg : "");
	*ret = p->argv[p->at++];
	return NULL;
}

static struct us_err *take_long(struct parse *p, const char *word, bool *ret_help)
{
	const char *name = word + 2, *equals = strchr(name, '='), *value = NULL;
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	const struct us_option *o = NULL;

	if (len == 4 && !strncmp(name, "help", 4)) {
		*ret_help = true;
		return NULL;
	}
	US_TRY(find_long(p->cmd, name, len, &o));
	if (!wants_value(o)) {
		if (equals)
			return us_err_new(US_ERR_USAGE, "--%s takes no value", o->name);
	} else if (equals) {
		value = equals + 1;
	} else {
		US_TRY(next_value(p, o, word, &value));
	}
	return store(p, o, word, value);
}

static struct us_err *take_letters(struct parse *p, const char *word, bool *ret_help)
{
	for (const char *c = word + 1; *c; c++) {
		const struct us_option *o = NULL;
		const char name[] = { '-', *c, '\0' };
		const char *value = c + 1;

		if (*c == 'h') {
			*ret_help = true;
			continue;
		}
		US_TRY(find_letter(p->cmd, *c, &o));
		if (!wants_value(o)) {
			US_TRY(store(p, o, name, NULL));
			continue;
		}
		if (!*value)
			US_TRY(next_value(p, o, name, &value));
		return store(p, o, name, value);
	}
	return NULL;
}

static struct us_err *check_words(const struct us_cmd *cmd, int n, char **words)
{
	if (cmd->max_args >= 0 && n > cmd->max_args)
		return us_err_new(US_ERR_USAGE, "%s: unexpected word \"%s\"", cmd->name,
				  words[cmd->max_args]);
	if (n < cmd->min_args)
		return us_err_new(US_ERR_USAGE, "%s needs %s", cmd->name, cmd->args);
	return NULL;
}

static struct us_err *take_all(struct parse *p, bool *ret_help)
{
	bool only_words = false;

	while (p->at < p->argc) {
		char *word = p->argv[p->at++];

		if (only_words || word[0] != '-' || !word[1])
			p->argv[1 + p->n_words++] = word;
		else if (!strcmp(word, "--"))
			only_words = true;
		else if (word[1] == '-')
			US_TRY(take_long(p, word, ret_help));
		else
			US_TRY(take_letters(p, word, ret_help));
	}
	return NULL;
}

struct us_err *us_options_parse(const struct us_cmd *cmd, int argc, char **argv, void *opts,
				int *ret_argc, bool *ret_help)
{
	struct parse p = { .cmd = cmd, .argv = argv, .argc = argc, .at = 1, .opts = opts };
	struct us_err *err;
	bool help = false;

	p.seen = calloc(count(cmd->options) + 1, sizeof(*p.seen));
	if (!p.seen)
		return us_err_nomem();
	err = take_all(&p, &help);
	free(p.seen);
	if (!err && !help)
		err = check_words(cmd, p.n_words, argv + 1);
	if (err)
		return err;
	*ret_argc = p.n_words;
	*ret_help = help;
	return NULL;
}

const char *us_cmd_word(const struct us_cmd *cmd)
{
	const char *space = strrchr(cmd->name, ' ');

	return space ? space + 1 : cmd->name;
}

const struct us_cmd *us_cmd_find(const struct us_cmd *const *list, const char *word)
{
	while (*list && strcmp(us_cmd_word(*list), word))
		list++;
	return *list;
}

void us_options_free(const struct us_cmd *cmd, void *opts)
{
	for (const struct us_option *o = cmd->options; !is_end(o); o++) {
		struct us_opt_list *list = (void *)((char *)opts + o->offset);

		if (o->type != US_OPT_LIST)
			continue;
		free(list->v);
		*list = (struct us_opt_list){ 0 };
	}
}

/* The help text, broken at spaces to start in column 30 and end before column 100. */
static void print_wrapped(const char *s)
{
	const size_t room = 68;

	while (strlen(s) > room) {
		size_t n = room;

		while (n && s[n] != ' ')
			n--;
		if (!n)
			n = room;
		printf("%.*s\n%30s", (int)n, s, "");
		s += n + (s[n] == ' ');
	}
	printf("%s\n", s);
}

static void print_option(char letter, const char *name, const char *arg, const char *help)
{
	char left[64];
	int n;

	n = snprintf(left, sizeof(left), "  %s%c%s%s%s%s%s", letter ? "-" : " ",
		     letter ? letter : ' ', letter && name ? ", " : "  ", name ? "--" : "",
		     name ? name : "", arg ? " " : "", arg ? arg : "");
	if (n < 29)
		printf("%-30s", left);
	else
		printf("%s\n%30s", left, "");
	print_wrapped(help);
}

void us_options_help(const struct us_cmd *cmd, const char *program)
{
	printf("usage: %s [OPTIONS]%s%s\n%s.\n\n", program, cmd->args ? " " : "",
	       cmd->args ? cmd->args : "", cmd->brief);
	for (const struct us_option *o = cmd->options; !is_end(o); o++)
		if (o->help)
			print_option(o->letter, o->name, wants_value(o) ? o->arg : NULL, o->help);
	print_option('h', "help", NULL, "Show this help");
}
