/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is asked: assignments "A=y B=n|m NR_CPUS=64 NAME="a text"", separated by blanks or commas,
 * with or without CONFIG_ before the name; within quotes, a backslash makes the next character
 * plain, as in a .config. An error names the column, from 1.
 */
#include "kconfig/ask-int.h"

#include <ctype.h>
#include <string.h>

struct scan {
	const char *text, *at;
};

static struct us_err *bad(const struct scan *scan, const char *what)
{
	return us_err_new(US_ERR_USAGE, "\"%s\", column %zu: %s", scan->text,
			  (size_t)(scan->at - scan->text) + 1, what);
}

static struct us_err *scan_name(struct us_kquestion *q, struct scan *scan, const char **ret)
{
	const char *start;
	char *name;

	if (strncmp(scan->at, "CONFIG_", 7) == 0)
		scan->at += 7;
	start = scan->at;
	while (isalnum((unsigned char)*scan->at) || *scan->at == '_')
		scan->at++;
	if (scan->at == start)
		return bad(scan, "expected the name of a symbol");
	if (*scan->at != '=')
		return bad(scan, "expected \"=\" and a value");
	name = us_pool_strndup(q->pool, start, (size_t)(scan->at - start));
	if (!name)
		return us_err_nomem();
	scan->at++;
	*ret = name;
	return NULL;
}

/* What ends a value that stands without quotes. */
static const char bare_ends[] = " \t\n,|\"";

static struct us_err *scan_text(struct us_kquestion *q, struct scan *scan, const char **ret)
{
	char *value = us_pool_strdup(q->pool, scan->at + 1), *out = value;
	const char *s = scan->at + 1;

	if (!value)
		return us_err_nomem();
	for (; *s && *s != '"'; s++) {
		if (*s == '\\' && s[1])
			s++;
		*out++ = *s;
	}
	if (!*s)
		return bad(scan, "a text without its closing quote");
	*out = '\0';
	scan->at = s + 1;
	*ret = value;
	return NULL;
}

static struct us_err *scan_value(struct us_kquestion *q, struct scan *scan, const char **ret)
{
	size_t n = strcspn(scan->at, bare_ends);

	if (*scan->at == '"')
		return scan_text(q, scan, ret);
	if (!n)
		return bad(scan, "expected a value: y, m, n, a number or a quoted text");
	*ret = us_pool_strndup(q->pool, scan->at, n);
	scan->at += n;
	return *ret ? NULL : us_err_nomem();
}

enum { VALUES_MAX = 16 };

static struct us_err *scan_values(struct us_kquestion *q, struct scan *scan, struct us_kgoal *goal)
{
	const char **values = us_pool_array(q->pool, VALUES_MAX, sizeof(*values));

	if (!values)
		return us_err_nomem();
	for (;;) {
		if (goal->n_values == VALUES_MAX)
			return bad(scan, "too many values for one symbol");
		US_TRY(scan_value(q, scan, &values[goal->n_values]));
		goal->n_values++;
		if (*scan->at != '|')
			break;
		scan->at++;
	}
	goal->values = values;
	return NULL;
}

static bool is_tri_text(const char *text)
{
	return strlen(text) == 1 && strchr("ymn", *text);
}

/* Values that the symbol's type cannot have are the asker's slip. */
static struct us_err *check_type(const struct scan *scan, const struct us_kgoal *goal)
{
	for (size_t i = 0; i < goal->n_values; i++) {
		if ((!goal->sym || !goal->sym->n_defs || us_kenc_is_tri(goal->sym)) &&
		    !is_tri_text(goal->values[i]))
			return us_err_wrap(bad(scan, "the value can be y, m or n"), "%s",
					   goal->name);
	}
	return NULL;
}

static struct us_err *scan_goal(struct us_kquestion *q, struct scan *scan, enum us_kgoal_from from)
{
	struct us_kgoal goal = { .from = from }, *more;
	const char *start = scan->at;

	US_TRY(scan_name(q, scan, &goal.name));
	US_TRY(scan_values(q, scan, &goal));
	goal.text = us_pool_strndup(q->pool, start, (size_t)(scan->at - start));
	if (!goal.text)
		return us_err_nomem();
	goal.sym = (struct us_ksym *)us_ktree_symbol(q->tree, goal.name);
	US_TRY(check_type(&(struct scan){ scan->text, start }, &goal));
	more = reallocarray(q->goals, q->n_goals + 1, sizeof(*more));
	if (!more)
		return us_err_nomem();
	q->goals = more;
	q->goals[q->n_goals++] = goal;
	return NULL;
}

struct us_err *us_kask_want(struct us_kquestion *q, const char *text, enum us_kgoal_from from)
{
	struct scan scan = { text, text };

	for (;;) {
		scan.at += strspn(scan.at, " \t\n,");
		if (!*scan.at)
			return NULL;
		US_TRY(scan_goal(q, &scan, from));
		if (*scan.at && !strchr(" \t\n,", *scan.at))
			return bad(&scan, "expected a blank before the next assignment");
	}
}

const char *us_kask_assignment(struct us_pool *pool, const char *symbol, const char *value)
{
	char *text, *out;

	if (*value && !strpbrk(value, bare_ends))
		return us_pool_format(pool, "%s=%s", symbol, value);
	text = us_pool_array(pool, strlen(value) + 1, 2);
	for (out = text; out && *value; *out++ = *value++) {
		if (*value == '"' || *value == '\\')
			*out++ = '\\';
	}
	return text ? us_pool_format(pool, "%s=\"%s\"", symbol, text) : NULL;
}

bool us_kgoal_met(const struct us_kgoal *goal, const char *text)
{
	bool number = goal->sym && (goal->sym->type == US_K_INT || goal->sym->type == US_K_HEX);

	for (size_t i = 0; i < goal->n_values; i++) {
		if (strcmp(goal->values[i], text) == 0)
			return true;
		if (number && *text &&
		    us_kenc_compare(US_KX_EQ, goal->values[i], goal->sym->type, text,
				    goal->sym->type))
			return true;
	}
	return false;
}
