/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tokens of the Kconfig language (Documentation/kbuild/kconfig-language.rst, Linux 4.18 to 7.x).
 * Words are not divided into keywords and names here: that depends on where they stand. $(...) is
 * expanded as soon as it is met, and what comes out is one word, whatever is in it.
 */
#include "kconfig/parse-int.h"

#include <string.h>

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-';
}

/* Before 5.0 the words behind a statement's first may be paths: source arch/x86/Kconfig */
static bool is_path(const struct us_klex *lex, char c)
{
	return lex->paths && lex->tok != US_KTOK_EOL && (c == '/' || c == '.');
}

static struct us_err *bad(const struct us_klex *lex, const char *what)
{
	return us_err_new(US_ERR_BAD_DATA, "%s:%u: %s", lex->file, lex->line, what);
}

/* Blanks, comments and escaped line ends. */
static void skip_blanks(struct us_klex *lex)
{
	for (; lex->at < lex->end; lex->at++) {
		if (*lex->at == '#') {
			const char *eol = memchr(lex->at, '\n', lex->end - lex->at);

			lex->at = eol ? eol : lex->end;
			return;
		}
		if (*lex->at == '\\' && lex->at + 1 < lex->end && lex->at[1] == '\n') {
			lex->at++;
			lex->line++;
		} else if (*lex->at != ' ' && *lex->at != '\t' && *lex->at != '\r') {
			return;
		}
	}
}

static const char *line_end(const struct us_klex *lex)
{
	const char *eol = memchr(lex->at, '\n', lex->end - lex->at);

	return eol ? eol : lex->end;
}

static struct us_err *dollar(struct us_klex *lex)
{
	lex->macro->at = (struct us_kplace){ .file = lex->file, .line = lex->line };
	lex->at++;
	return us_kmacro_dollar(lex->macro, &lex->at, line_end(lex), &lex->text);
}

/* The token's text is what was gathered, or, where nothing had to be, a piece of the file. */
static struct us_err *gathered(struct us_klex *lex, enum us_ktok tok)
{
	if (lex->text.failed)
		return us_err_nomem();
	lex->tok = tok;
	lex->s = lex->text.s ? lex->text.s : "";
	lex->n = lex->text.n;
	return NULL;
}

static struct us_err *read_quoted(struct us_klex *lex)
{
	char quote = *lex->at++;
	const char *from = lex->at;

	lex->text.n = 0;
	for (;;) {
		const char *p = lex->at;

		while (p < lex->end && *p != '$' && *p != '\'' && *p != '"' && *p != '\\' &&
		       *p != '\n')
			p++;
		if (p < lex->end && *p == quote && lex->at == from) {
			lex->tok = US_KTOK_QUOTED;
			lex->s = from;
			lex->n = p - from;
			lex->at = p + 1;
			return NULL;
		}
		us_text_put(&lex->text, lex->at, p - lex->at);
		lex->at = p;
		if (p == lex->end || *p == '\n')
			return bad(lex, "the string does not end on its line");
		if (*p == quote)
			break;
		if (*p == '$') {
			US_TRY(dollar(lex));
		} else if (*p == '\\' && p + 1 < lex->end && p[1] != '\n') {
			us_text_put(&lex->text, p + 1, 1);
			lex->at = p + 2;
		} else {
			if (*p != '\\')
				us_text_put(&lex->text, p, 1);
			lex->at = p + 1;
		}
		from = NULL;
	}
	lex->at++;
	return gathered(lex, US_KTOK_QUOTED);
}

/* False in *ret if the word has come out empty: then it was no word. */
static struct us_err *read_word(struct us_klex *lex, bool *ret)
{
	const char *from = lex->at;

	while (lex->at < lex->end && (is_word(*lex->at) || is_path(lex, *lex->at)))
		lex->at++;
	*ret = true;
	if (lex->at == lex->end || *lex->at != '$') {
		lex->tok = US_KTOK_WORD;
		lex->s = from;
		lex->n = lex->at - from;
		return NULL;
	}
	lex->text.n = 0;
	us_text_put(&lex->text, from, lex->at - from);
	while (lex->at < lex->end &&
	       (*lex->at == '$' || is_word(*lex->at) || is_path(lex, *lex->at))) {
		if (*lex->at == '$') {
			US_TRY(dollar(lex));
		} else {
			us_text_put(&lex->text, lex->at, 1);
			lex->at++;
		}
	}
	*ret = lex->text.n > 0;
	return gathered(lex, US_KTOK_WORD);
}

static const struct {
	char text[3];
	enum us_ktok tok;
} operators[] = {
	{ "||", US_KTOK_OR },     { "&&", US_KTOK_AND }, { "!=", US_KTOK_NE },
	{ "<=", US_KTOK_LE },     { ">=", US_KTOK_GE },  { ":=", US_KTOK_SIMPLE },
	{ "+=", US_KTOK_APPEND }, { "=", US_KTOK_EQ },   { "<", US_KTOK_LT },
	{ ">", US_KTOK_GT },      { "!", US_KTOK_NOT },  { "(", US_KTOK_OPEN },
	{ ")", US_KTOK_CLOSE },
};

static struct us_err *read_operator(struct us_klex *lex)
{
	unsigned char c = *lex->at;

	for (size_t i = 0; i < us_array_size(operators); i++) {
		size_t n = strlen(operators[i].text);

		if ((size_t)(lex->end - lex->at) >= n && !memcmp(lex->at, operators[i].text, n)) {
			lex->tok = operators[i].tok;
			lex->at += n;
			return NULL;
		}
	}
	return us_err_new(US_ERR_BAD_DATA,
			  c > ' ' && c < 127 ? "%s:%u: a '%c' has no meaning here"
					     : "%s:%u: the byte 0x%02x has no meaning here",
			  lex->file, lex->line, c);
}

struct us_err *us_klex_next(struct us_klex *lex)
{
	bool word = false;

	while (!word) {
		skip_blanks(lex);
		lex->tok_line = lex->line;
		if (lex->at == lex->end) {
			/* the last line may lack its end */
			lex->tok = lex->tok == US_KTOK_EOL || lex->tok == US_KTOK_END ? US_KTOK_END
										      : US_KTOK_EOL;
			return NULL;
		}
		if (*lex->at == '\n') {
			lex->at++;
			lex->line++;
			lex->tok = US_KTOK_EOL;
			return NULL;
		}
		if (*lex->at == '"' || *lex->at == '\'')
			return read_quoted(lex);
		if (*lex->at != '$' && !is_word(*lex->at) && !is_path(lex, *lex->at))
			return read_operator(lex);
		US_TRY(read_word(lex, &word));
	}
	return NULL;
}

struct us_bytes us_klex_rest(struct us_klex *lex)
{
	const char *eol = line_end(lex);
	const char *from = lex->at;

	while (from < eol && (*from == ' ' || *from == '\t'))
		from++;
	lex->at = eol;
	return us_bytes_of(from, eol - from);
}

/* The column where the text of a line begins; tabs go to the next multiple of 8. */
static unsigned int indentation(const char **at, const char *end)
{
	unsigned int column = 0;

	for (; *at < end && (**at == ' ' || **at == '\t'); (*at)++)
		column = **at == '\t' ? (column | 7) + 1 : column + 1;
	return column;
}

/*
 * Help ends before the first line that is indented less than its first line, and before any line
 * that is not indented at all.
 */
void us_klex_help(struct us_klex *lex)
{
	unsigned int first = 0;
	bool begun = false;

	while (lex->at < lex->end) {
		const char *p = lex->at, *eol = line_end(lex);
		unsigned int column = indentation(&p, eol);
		bool blank = p == eol;

		if (!blank && (begun ? column < first || !column : false))
			return;
		if (!blank && !begun) {
			first = column;
			begun = true;
		}
		lex->at = eol < lex->end ? eol + 1 : eol;
		lex->line += eol < lex->end;
		/* an empty line and then one without indentation: there was no help */
		if (blank && lex->at < lex->end && *lex->at != ' ' && *lex->at != '\t' &&
		    *lex->at != '\n')
			return;
	}
}
