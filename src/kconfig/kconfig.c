/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A .config as values: a copy of the text with the names and values cut out of it in place, sorted
 * by name. Format: Documentation/kbuild/kconfig.rst and scripts/kconfig/confdata.c (Linux 6.12):
 * "CONFIG_X=y|m|number|0xhex|"text"", "# CONFIG_X is not set", comments, blank lines; the last of
 * several lines for one symbol counts. It knows no dependencies between symbols: it reads what was
 * decided, not why.
 */
#include "kconfig/kconfig.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct entry {
	const char *name;  /* without CONFIG_ */
	const char *value; /* NULL: not set */
	size_t line;
};

struct us_kconfig {
	char *text; /* names and values point into it */
	const char *made_for;
	struct entry *entries;
	size_t n, cap;
};

#define PREFIX     "CONFIG_"
#define PREFIX_LEN (sizeof(PREFIX) - 1)

static bool is_symbol_char(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

static size_t symbol_len(const char *s)
{
	size_t n = 0;

	while (is_symbol_char(s[n]))
		n++;
	return n;
}

static struct us_err *add(struct us_kconfig *config, const char *name, const char *value,
			  size_t line)
{
	if (config->n == config->cap) {
		size_t cap = config->cap ? config->cap * 2 : 1024;
		struct entry *more = reallocarray(config->entries, cap, sizeof(*more));

		if (!more)
			return us_err_nomem();
		config->entries = more;
		config->cap = cap;
	}
	config->entries[config->n++] = (struct entry){ name, value, line };
	return NULL;
}

/* Cuts the quoted text at s (after the opening quote) to its value in place; false without a
 * closing quote at the end of the line. */
static bool unquote(char *s)
{
	char *out = s;

	for (; *s && *s != '"'; s++) {
		if (*s == '\\' && s[1])
			s++;
		*out++ = *s;
	}
	if (*s != '"' || s[1])
		return false;
	*out = '\0';
	return true;
}

static struct us_err *parse_setting(struct us_kconfig *config, char *line, size_t number)
{
	char *name = line + PREFIX_LEN, *value = name + symbol_len(name);
	bool quoted;

	if (value == name || *value != '=')
		return us_err_new(US_ERR_BAD_DATA, "line %zu: no CONFIG_NAME=value", number);
	*value++ = '\0';
	quoted = *value == '"';
	if (quoted && !unquote(++value))
		return us_err_new(US_ERR_BAD_DATA, "line %zu: text without its closing quote",
				  number);
	return add(config, name, !quoted && strcmp(value, "n") == 0 ? NULL : value, number);
}

/* "# CONFIG_X is not set", "# Linux/x86 6.12.117 Kernel Configuration", or just a comment. */
static struct us_err *parse_comment(struct us_kconfig *config, char *line, size_t number)
{
	char *s = line + 1, *end;

	while (*s == ' ')
		s++;
	if (strncmp(s, PREFIX, PREFIX_LEN) == 0) {
		char *name = s + PREFIX_LEN;

		end = name + symbol_len(name);
		if (end == name || strcmp(end, " is not set") != 0)
			return NULL;
		*end = '\0';
		return add(config, name, NULL, number);
	}
	end = strstr(s, " Kernel Configuration");
	if (end && !config->made_for) {
		*end = '\0';
		config->made_for = s;
	}
	return NULL;
}

static struct us_err *parse_line(struct us_kconfig *config, char *line, size_t number)
{
	line = us_text_strip(line);
	if (!*line)
		return NULL;
	if (*line == '#')
		return parse_comment(config, line, number);
	if (strncmp(line, PREFIX, PREFIX_LEN) == 0)
		return parse_setting(config, line, number);
	return us_err_new(US_ERR_BAD_DATA, "line %zu: neither CONFIG_NAME=value nor a comment",
			  number);
}

static int by_name_then_line(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->line > y->line) - (x->line < y->line);
}

static void keep_last_of_each(struct us_kconfig *config)
{
	size_t kept = 0;

	qsort(config->entries, config->n, sizeof(*config->entries), by_name_then_line);
	for (size_t i = 0; i < config->n; i++) {
		if (kept && strcmp(config->entries[kept - 1].name, config->entries[i].name) == 0)
			kept--;
		config->entries[kept++] = config->entries[i];
	}
	config->n = kept;
}

struct us_err *us_kconfig_parse(struct us_bytes text, struct us_kconfig **ret)
{
	_us_kconfig_free_ struct us_kconfig *config = calloc(1, sizeof(*config));
	char *line, *end;

	if (!config)
		return us_err_nomem();
	if (text.n && memchr(text.p, 0, text.n))
		return us_err_new(US_ERR_BAD_DATA, "a zero byte: not a .config");
	config->text = malloc(text.n + 1);
	if (!config->text)
		return us_err_nomem();
	if (text.n)
		memcpy(config->text, text.p, text.n);
	config->text[text.n] = '\0';
	line = config->text;
	for (size_t number = 1; line; number++, line = end) {
		end = strchr(line, '\n');
		if (end)
			*end++ = '\0';
		US_TRY(parse_line(config, line, number));
	}
	if (!config->n)
		return us_err_new(US_ERR_BAD_DATA, "no line is CONFIG_NAME=value: not a .config");
	keep_last_of_each(config);
	*ret = us_steal(&config);
	return NULL;
}

void us_kconfig_free(struct us_kconfig *config)
{
	if (!config)
		return;
	free(config->entries);
	free(config->text);
	free(config);
}

const char *us_kconfig_made_for(const struct us_kconfig *config)
{
	return config->made_for;
}

static int by_name(const void *key, const void *entry)
{
	return strcmp(key, ((const struct entry *)entry)->name);
}

static const struct entry *find(const struct us_kconfig *config, const char *symbol)
{
	if (!config)
		return NULL;
	return bsearch(symbol, config->entries, config->n, sizeof(*config->entries), by_name);
}

const char *us_kconfig_value(const struct us_kconfig *config, const char *symbol)
{
	const struct entry *e = find(config, symbol);

	return e ? e->value : NULL;
}

bool us_kconfig_names(const struct us_kconfig *config, const char *symbol)
{
	return find(config, symbol);
}

size_t us_kconfig_line(const struct us_kconfig *config, const char *symbol)
{
	const struct entry *e = find(config, symbol);

	return e ? e->line : 0;
}

bool us_kconfig_quoted(const struct us_kconfig *config, const char *symbol)
{
	const struct entry *e = find(config, symbol);

	return e && e->value && e->value[-1] == '"'; /* unquote() left the first one there */
}

enum us_tri us_kconfig_builtin(const struct us_kconfig *config, const char *symbol)
{
	const char *value = us_kconfig_value(config, symbol);

	return config ? us_tri_of(value && strcmp(value, "y") == 0) : US_UNKNOWN;
}

enum us_tri us_kconfig_enabled(const struct us_kconfig *config, const char *symbol)
{
	const char *value = us_kconfig_value(config, symbol);

	return config ? us_tri_of(value && (strcmp(value, "y") == 0 || strcmp(value, "m") == 0))
		      : US_UNKNOWN;
}
