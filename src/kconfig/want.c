/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Wants: small conditions over a .config, as rule tables write them ("PROC_VMCORE=y & NR_CPUS>=8").
 * want = and { "|" and }; and = term { "&" term }; term = SYMBOL op value; white space is free.
 * Its own grammar, not Kconfig's language for dependencies.
 */
#include "base/text.h"
#include "kconfig/kconfig.h"

#include <ctype.h>
#include <string.h>

enum op { OP_EQ, OP_NE, OP_LE, OP_LT, OP_GE, OP_GT };

static const struct {
	const char *text;
	enum op op;
} ops[] = {
	/* the longer first */
	{ "!=", OP_NE }, { "<=", OP_LE }, { ">=", OP_GE },
	{ "=", OP_EQ },  { "<", OP_LT },  { ">", OP_GT },
};

#define WORD_MAX 64

static void skip_space(const char **s)
{
	while (isspace((unsigned char)**s))
		(*s)++;
}

/* The next word of symbol or value characters; false if there is none or it is too long. */
static bool take_word(const char **s, char word[WORD_MAX])
{
	size_t n = 0;

	skip_space(s);
	while (isalnum((unsigned char)(*s)[n]) || ((*s)[n] && strchr("_-./+", (*s)[n])))
		n++;
	if (!n || n >= WORD_MAX)
		return false;
	memcpy(word, *s, n);
	word[n] = '\0';
	*s += n;
	return true;
}

static bool take_op(const char **s, enum op *ret)
{
	skip_space(s);
	for (size_t i = 0; i < us_array_size(ops); i++) {
		if (strncmp(*s, ops[i].text, strlen(ops[i].text)) == 0) {
			*s += strlen(ops[i].text);
			*ret = ops[i].op;
			return true;
		}
	}
	return false;
}

static bool equals(const char *have, const char *want)
{
	if (strcmp(want, "n") == 0)
		return !have;
	if (!have)
		return false;
	return strcmp(have, want) == 0 || (strcmp(want, "m") == 0 && strcmp(have, "y") == 0);
}

static enum us_tri compare(const char *have, enum op op, const char *want)
{
	uint64_t a, b;

	if (op == OP_EQ || op == OP_NE)
		return us_tri_of(equals(have, want) == (op == OP_EQ));
	if (!us_text_u64(want, 0, &b))
		return US_UNKNOWN;
	if (!have || !us_text_u64(have, 0, &a))
		return US_NO;
	return us_tri_of(op == OP_LE ? a <= b : op == OP_LT ? a < b : op == OP_GE ? a >= b : a > b);
}

/* One term; *s is NULL after it if the grammar is broken. */
static enum us_tri term(const char **s, us_want_fn *value, void *data)
{
	char symbol[WORD_MAX], want[WORD_MAX];
	const char *have = NULL;
	enum us_tri known;
	enum op op;

	if (!take_word(s, symbol) || !take_op(s, &op) || !take_word(s, want)) {
		*s = NULL;
		return US_UNKNOWN;
	}
	skip_space(s);
	known = value(data, symbol, &have);
	if (known == US_UNKNOWN)
		return US_UNKNOWN;
	return compare(known == US_YES ? have : NULL, op, want);
}

enum us_tri us_want_judge(const char *want, us_want_fn *value, void *data)
{
	enum us_tri any = US_NO, all = US_YES;
	const char *s = want;

	for (;;) {
		all = us_tri_and(all, term(&s, value, data));
		if (!s)
			return US_UNKNOWN;
		if (*s != '&') {
			any = us_tri_or(any, all);
			all = US_YES;
		}
		if (!*s)
			return any;
		if (*s != '&' && *s != '|')
			return US_UNKNOWN;
		s++;
	}
}

static enum us_tri value_in_config(void *data, const char *symbol, const char **ret)
{
	const struct us_kconfig *const *config = data;

	*ret = us_kconfig_value(*config, symbol);
	return us_tri_of(*ret);
}

enum us_tri us_kconfig_wants(const struct us_kconfig *config, const char *want)
{
	return config ? us_want_judge(want, value_in_config, &config) : US_UNKNOWN;
}
