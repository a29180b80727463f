/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the build makes from the option tables: the bash completion (commands, options, files,
 * directories and the words that an option takes) and the OPTIONS sections of the manual pages
 * (scdoc(5)); and from the configuration's keys: the sample file and their manual page. It runs no
 * command.
 */
#include "cmd/cmd-int.h"
#include "crash/crash.h"

#include <ctype.h>
#include <string.h>

static bool is_end(const struct us_option *o)
{
	return !o->letter && !o->name;
}

static void option_words(FILE *f, const struct us_option *o)
{
	for (; !is_end(o); o++) {
		if (o->name)
			fprintf(f, "--%s ", o->name);
		if (o->letter)
			fprintf(f, "-%c ", o->letter);
	}
	fputs("--help", f);
}

static void rule_ids(FILE *f)
{
	const struct us_rule *r;

	for (size_t i = 0; (r = us_rule_at(i)); i++)
		fprintf(f, "%s%s", i ? " " : "", r->id);
}

/* "auto|file|load" -> words. What has no bar is free text: nothing to offer. */
static void choices(FILE *f, const char *arg)
{
	for (const char *c = strchr(arg, '|') ? arg : ""; *c; c++)
		fputc(*c == '|' ? ' ' : *c, f);
}

static void option_value(FILE *f, const struct us_option *o)
{
	if (o->type == US_OPT_FLAG || o->type == US_OPT_SET)
		return;
	fprintf(f, "\t\t--%s)", o->name);
	if (!strcmp(o->arg, "RULE")) {
		fputs(" COMPREPLY=($(compgen -W \"", f);
		rule_ids(f);
		fputs("\" -- \"$cur\")); return ;;\n", f);
	} else if (o->type == US_OPT_DIR) {
		fputs(" COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n", f);
	} else if (o->type == US_OPT_FILE || o->type == US_OPT_LIST) {
		fputs(" COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n", f);
	} else {
		fputs(" COMPREPLY=($(compgen -W \"", f);
		choices(f, o->arg);
		fputs("\" -- \"$cur\")); return ;;\n", f);
	}
}

/* "[list|show CRASH]" -> list show */
static void verbs(FILE *f, const char *args)
{
	for (const char *verb = args; verb; verb = strchr(verb, '|')) {
		verb++;
		fprintf(f, "%.*s ", (int)strcspn(verb, " |]"), verb);
	}
}

/* What compgen(1) is asked for the words that are no options. */
static void words(FILE *f, const char *args)
{
	if (!args)
		return;
	if (*args != '[' || !islower((unsigned char)args[1])) {
		fputs(strcmp(args, "DIR") ? "-f" : "-d", f);
		return;
	}
	fputs("\"-W", f);
	verbs(f, args);
	fputc('"', f);
}

static void command(FILE *f, const struct us_cmd *cmd)
{
	fprintf(f, "\t\"%s\")\n\t\toptions=\"", cmd->name);
	option_words(f, cmd->options);
	fputs("\"\n\t\twords=", f);
	words(f, cmd->args);
	fputs("\n\t\tcase $prev in\n", f);
	for (const struct us_option *o = cmd->options; !is_end(o); o++)
		option_value(f, o);
	fputs("\t\tesac\n\t\t;;\n", f);
}

/* The sub-words of cmd; once one of them is there, it is the command. */
static void sub_words(FILE *f, const struct us_cmd *cmd)
{
	fprintf(f,
		"\tif [ \"$command\" = %s ]; then\n"
		"\t\tif [ \"$COMP_CWORD\" -eq 2 ]; then\n"
		"\t\t\tCOMPREPLY=($(compgen -W \"--help",
		cmd->name);
	for (const struct us_cmd *const *c = cmd->subs; *c; c++)
		fprintf(f, " %s", us_cmd_word(*c));
	fputs("\" -- \"$cur\"))\n\t\t\treturn\n\t\tfi\n"
	      "\t\tcommand=\"$command ${COMP_WORDS[2]}\"\n\tfi\n",
	      f);
}

void us_complete_bash(FILE *f, const struct us_cmd *const *commands)
{
	fputs("# bash completion for understudy, made from its option tables\n"
	      "_understudy()\n{\n"
	      "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	      "\tlocal options words command=${COMP_WORDS[1]}\n"
	      "\t[ \"$cur\" = \"=\" ] && cur=\n"
	      "\t[ \"$prev\" = \"=\" ] && prev=${COMP_WORDS[COMP_CWORD-2]}\n"
	      "\tCOMPREPLY=()\n"
	      "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
	      "\t\tCOMPREPLY=($(compgen -W \"--help --version",
	      f);
	for (const struct us_cmd *const *c = commands; *c; c++)
		fprintf(f, " %s", (*c)->name);
	fputs("\" -- \"$cur\"))\n\t\treturn\n\tfi\n"
	      "\tcompopt -o filenames 2>/dev/null\n",
	      f);
	for (const struct us_cmd *const *c = commands; *c; c++)
		if ((*c)->subs)
			sub_words(f, *c);
	fputs("\tcase $command in\n", f);
	for (const struct us_cmd *const *c = commands; *c; c++) {
		if (!(*c)->subs)
			command(f, *c);
		for (const struct us_cmd *const *s = (*c)->subs; s && *s; s++)
			command(f, *s);
	}
	fputs("\t*) return ;;\n\tesac\n"
	      "\tif [[ $cur == -* ]]; then\n"
	      "\t\tCOMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
	      "\telif [ -n \"$words\" ]; then\n"
	      "\t\tCOMPREPLY=($(compgen \"$words\" -- \"$cur\"))\n"
	      "\tfi\n"
	      "}\n"
	      "complete -F _understudy understudy\n",
	      f);
}

void us_scd_put(FILE *f, const char *s)
{
	for (; *s; s++) {
		if (strchr("*_\\`<>[]#~|", *s))
			fputc('\\', f);
		fputc(*s, f);
	}
}

void us_options_scd(FILE *f, const struct us_cmd *cmd)
{
	for (const struct us_option *o = cmd->options; !is_end(o); o++) {
		if (!o->help)
			continue;
		if (o->letter)
			fprintf(f, "*-%c*%s", o->letter, o->name ? ", " : "");
		if (o->name)
			fprintf(f, "*--%s*", o->name);
		if (o->type != US_OPT_FLAG && o->type != US_OPT_SET) {
			fputs(" _", f);
			us_scd_put(f, o->arg);
			fputc('_', f);
		}
		fputs("\n\t", f);
		us_scd_put(f, o->help);
		fputs(".\n\n", f);
	}
	fputs("*-h*, *--help*\n\tShow the options and end.\n", f);
}

/* help as comment lines of at most 80 columns. */
static void put_comment(FILE *f, const char *help)
{
	const size_t room = 78;

	while (strlen(help) > room) {
		size_t n = room;

		while (n && help[n] != ' ')
			n--;
		fprintf(f, "# %.*s\n", (int)n, help);
		help += n + 1;
	}
	fprintf(f, "# %s\n", help);
}

void us_config_sample(FILE *f)
{
	const struct us_crash_key *k;

	fputs("# Configuration of understudy; see understudy.conf(5). Each key is shown with\n"
	      "# its default, so that nothing here needs an edit. \"#\" begins a comment at the\n"
	      "# start of a line or after white space. A change counts from the next arming.\n",
	      f);
	for (size_t i = 0; (k = us_crash_key_at(i)); i++) {
		fputc('\n', f);
		put_comment(f, k->help);
		fprintf(f, "#%s = %s\n", k->name, *k->fallback ? k->fallback : k->values);
	}
}

void us_config_scd(FILE *f)
{
	const struct us_crash_key *k;

	for (size_t i = 0; (k = us_crash_key_at(i)); i++) {
		fprintf(f, "*%s* = _", k->name);
		us_scd_put(f, k->values);
		fputs("_\n\t", f);
		us_scd_put(f, k->help);
		fputs(". ", f);
		if (*k->fallback) {
			fputs("The default is _", f);
			us_scd_put(f, k->fallback);
			fputs("_.", f);
		} else {
			fputs("It is not set by default.", f);
		}
		fputs("\n\n", f);
	}
}
