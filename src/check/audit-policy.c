/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An audit against a policy file: "ID = VALUE VALUE..." or "ID != VALUE...", one a line, '#'
 * comments. A word that its line can never say is an error, so that no policy passes by a slip of
 * the pen; what is not known passes nothing.
 */
#include "check/check-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static bool is_number(const char *word)
{
	return *word && word[strspn(word, "0123456789")] == '\0';
}

/* Is word one of the words in the list? */
static bool among(const char *word, const char *list)
{
	size_t n = strlen(word);

	for (const char *at = list; (at = strstr(at, word)); at++)
		if ((at == list || at[-1] == ' ') && (at[n] == ' ' || at[n] == '\0'))
			return true;
	return is_number(word) && strstr(list, "NUMBER");
}

static const struct us_audit_line *line_called(const struct us_audit *audit, const char *id)
{
	for (size_t i = 0; i < audit->n; i++)
		if (strcmp(audit->lines[i].id, id) == 0)
			return &audit->lines[i];
	return NULL;
}

struct place {
	const char *path;
	unsigned int number;
};

/* rest: "= VALUE..." behind the id; text is cut into words. */
static struct us_err *judge(const struct us_audit_line *line, char *rest, struct place at,
			    bool *ret_kept)
{
	const char *values = us_audit_values(line->id);
	char *save = NULL, *word;
	bool found = false, no;

	rest += strspn(rest, " \t");
	no = *rest == '!';
	rest += no;
	if (*rest != '=')
		return us_err_new(US_ERR_USAGE, "%s:%u: \"=\" or \"!=\" is expected behind %s",
				  at.path, at.number, line->id);
	word = strtok_r(rest + 1, " \t", &save);
	if (!word)
		return us_err_new(US_ERR_USAGE, "%s:%u: %s needs a value (%s)", at.path, at.number,
				  line->id, values);
	for (; word; word = strtok_r(NULL, " \t", &save)) {
		if (!among(word, values))
			return us_err_new(US_ERR_USAGE, "%s:%u: %s is never \"%s\" (but %s)",
					  at.path, at.number, line->id, word, values);
		found |= strcmp(word, line->value) == 0;
	}
	*ret_kept = line->open != US_UNKNOWN && found != no;
	return NULL;
}

static struct us_err *judge_line(struct us_audit *audit, char *text, struct place at,
				 const struct us_audit_line **ret_line, bool *ret_kept)
{
	size_t n = strcspn(text, " \t=!");
	_us_free_ char *id = strndup(text, n);

	if (!id)
		return us_err_nomem();
	*ret_line = line_called(audit, id);
	if (!*ret_line)
		return us_err_new(US_ERR_USAGE, "%s:%u: the audit has no line \"%s\"", at.path,
				  at.number, id);
	return judge(*ret_line, text + n, at, ret_kept);
}

struct us_err *us_audit_policy(struct us_audit *audit, struct us_bytes text, const char *path,
			       const struct us_audit_breach **ret, size_t *ret_n)
{
	_us_free_ char *copy = strndup(text.n ? (const char *)text.p : "", text.n);
	struct place at = { .path = path };
	struct us_audit_breach *breaches;
	size_t lines = 1, n = 0;
	char *next = copy;

	if (!copy)
		return us_err_nomem();
	for (size_t i = 0; i < text.n; i++)
		lines += text.p[i] == '\n';
	breaches = us_pool_array(&audit->pool, lines, sizeof(*breaches));
	if (!breaches)
		return us_err_nomem();
	for (char *line; (line = strsep(&next, "\n"));) {
		const struct us_audit_line *found = NULL;
		const char *shown;
		bool kept = false;

		at.number++;
		line[strcspn(line, "#")] = '\0';
		line = us_text_strip(line);
		if (!*line)
			continue;
		shown = us_pool_strdup(&audit->pool, line);
		if (!shown)
			return us_err_nomem();
		US_TRY(judge_line(audit, line, at, &found, &kept));
		if (!kept)
			breaches[n++] = (struct us_audit_breach){ at.number, shown, found,
								  found->open == US_UNKNOWN };
	}
	*ret = breaches;
	*ret_n = n;
	return NULL;
}
