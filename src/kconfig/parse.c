/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Statements of the Kconfig language (Documentation/kbuild/kconfig-language.rst, Linux 4.18
 * to 7.x), a table of keywords: each says where it may stand. What no table knows ends the parse
 * with its file and line; nothing is skipped. Entries and blocks are put together in parse-block.c.
 */
#include "kconfig/parse-int.h"

#include <string.h>

#define FILES_MAX 64           /* open at the same time */
#define BYTES_MAX (64ul << 20) /* of all that is read; Linux 6.12 has 7 MB */

struct us_err *us_kparse_error(const struct us_kparse *p, const char *fmt, ...)
{
	_us_text_deinit_ struct us_text text = { 0 };
	va_list ap;

	va_start(ap, fmt);
	us_text_vadd(&text, fmt, ap);
	va_end(ap);
	return us_err_new(US_ERR_BAD_DATA, "%s:%u: %s", p->lex->file, p->lex->tok_line,
			  text.s ? text.s : "");
}

/* ---- pieces ---- */

/* Text in quotes (until 4.20 a bare word will do), for people. */
static struct us_err *read_text(struct us_kparse *p, const char *what, const char **ret)
{
	struct us_klex *lex = p->lex;
	const char *text;

	if (lex->tok != US_KTOK_QUOTED && lex->tok != US_KTOK_WORD)
		return us_kparse_error(p, "%s is missing here", what);
	text = us_kmacro_readable(&p->macro, lex->s, lex->n);
	if (!text)
		return us_err_nomem();
	*ret = text + strspn(text, " \t");
	return us_klex_next(lex);
}

/* The name of a symbol that is defined or selected: a plain one. */
static struct us_err *read_name(struct us_kparse *p, struct us_ksym **ret)
{
	struct us_klex *lex = p->lex;

	if (lex->tok != US_KTOK_WORD || us_klex_is(lex, "if"))
		return us_kparse_error(p, "the name of a symbol is missing here");
	if (us_kmacro_marked(lex->s, lex->n))
		return us_kparse_error(p, "a symbol's name that a command would have to tell");
	US_TRY(us_kparse_symbol(p, ret));
	if ((*ret)->constant)
		return us_kparse_error(p, "'%s' is a constant, no symbol", (*ret)->name);
	return NULL;
}

/* ---- properties of an entry ---- */

static struct us_err *push_term(struct us_kparse *p, struct us_kvec *vec, const struct us_kx *x)
{
	struct us_kterm *term = us_kvec_push(vec, sizeof(*term));

	if (!term)
		return us_err_nomem();
	*term = (struct us_kterm){ .x = x, .at = p->at };
	return NULL;
}

static struct us_err *read_depends(struct us_kparse *p)
{
	const struct us_kx *x, *unless = NULL;

	if (!us_klex_is(p->lex, "on"))
		return us_kparse_error(p, "'on' is missing behind 'depends'");
	US_TRY(us_klex_next(p->lex));
	US_TRY(us_kparse_expr(p, true, &x));
	US_TRY(us_kparse_if_end(p, &unless));
	if (unless)
		US_TRY(us_kparse_unless(p, x, unless, &x));
	return push_term(p, &p->terms, x);
}

static struct us_err *read_visible(struct us_kparse *p)
{
	const struct us_kx *x;

	if (!us_klex_is(p->lex, "if"))
		return us_kparse_error(p, "'if' is missing behind 'visible'");
	US_TRY(us_kparse_if_end(p, &x));
	return push_term(p, &p->visible, x);
}

static struct us_err *read_prompt(struct us_kparse *p)
{
	bool choice = p->kind == US_KE_CHOICE;

	US_TRY(read_text(p, "the prompt", choice ? &p->choice.prompt : &p->def.prompt));
	*(choice ? &p->choice.prompt_at : &p->def.prompt_at) = p->at;
	return us_kparse_if_end(p, choice ? &p->choice.prompt_cond : &p->def.prompt_cond);
}

static struct us_err *set_type(struct us_kparse *p, enum us_ktype type)
{
	if (p->kind == US_KE_CHOICE) {
		p->choice.type = type;
		return NULL;
	}
	/* the first type of a symbol counts */
	if (p->def.sym->type == US_K_UNKNOWN)
		p->def.sym->type = type;
	p->def.type_at = p->at;
	return NULL;
}

static struct us_err *read_type(struct us_kparse *p, enum us_ktype type)
{
	US_TRY(set_type(p, type));
	return p->lex->tok == US_KTOK_EOL ? NULL : read_prompt(p);
}

static struct us_err *read_bool(struct us_kparse *p)
{
	return read_type(p, US_K_BOOL);
}

static struct us_err *read_tristate(struct us_kparse *p)
{
	return read_type(p, US_K_TRISTATE);
}

static struct us_err *read_int(struct us_kparse *p)
{
	return read_type(p, US_K_INT);
}

static struct us_err *read_hex(struct us_kparse *p)
{
	return read_type(p, US_K_HEX);
}

static struct us_err *read_string(struct us_kparse *p)
{
	return read_type(p, US_K_STRING);
}

static struct us_err *push_prop(struct us_kparse *p, struct us_kvec *vec, struct us_kprop prop)
{
	struct us_kprop *at = us_kvec_push(vec, sizeof(*at));

	if (!at)
		return us_err_nomem();
	prop.at = p->at;
	*at = prop;
	return NULL;
}

static struct us_err *read_default(struct us_kparse *p)
{
	struct us_kprop prop = { 0 };

	US_TRY(us_kparse_expr(p, false, &prop.value));
	US_TRY(us_kparse_if_end(p, &prop.cond));
	return push_prop(p, &p->defaults, prop);
}

static struct us_err *read_def_bool(struct us_kparse *p)
{
	US_TRY(set_type(p, US_K_BOOL));
	return read_default(p);
}

static struct us_err *read_def_tristate(struct us_kparse *p)
{
	US_TRY(set_type(p, US_K_TRISTATE));
	return read_default(p);
}

static struct us_err *read_target(struct us_kparse *p, struct us_kvec *vec)
{
	struct us_kprop prop = { 0 };

	US_TRY(read_name(p, &prop.target));
	US_TRY(us_kx_leaf(&p->tree->pool, US_KX_SYM, prop.target, NULL, &prop.value));
	US_TRY(us_kparse_if_end(p, &prop.cond));
	return push_prop(p, vec, prop);
}

static struct us_err *read_select(struct us_kparse *p)
{
	return read_target(p, &p->selects);
}

static struct us_err *read_imply(struct us_kparse *p)
{
	return read_target(p, &p->implies);
}

static struct us_err *read_range(struct us_kparse *p)
{
	struct us_kprop prop = { 0 };
	struct us_ksym *low, *high;

	US_TRY(us_kparse_symbol(p, &low));
	US_TRY(us_kparse_symbol(p, &high));
	US_TRY(us_kx_leaf(&p->tree->pool, US_KX_SYM, low, NULL, &prop.low));
	US_TRY(us_kx_leaf(&p->tree->pool, US_KX_SYM, high, NULL, &prop.high));
	US_TRY(us_kparse_if_end(p, &prop.cond));
	return push_prop(p, &p->ranges, prop);
}

static struct us_err *read_modules(struct us_kparse *p)
{
	if (p->tree->modules && p->tree->modules != p->def.sym)
		return us_kparse_error(p, "'modules' is '%s' already", p->tree->modules->name);
	p->tree->modules = p->def.sym;
	return us_kparse_end(p);
}

static struct us_err *read_transitional(struct us_kparse *p)
{
	p->def.sym->transitional = true;
	return us_kparse_end(p);
}

static struct us_err *read_optional(struct us_kparse *p)
{
	p->choice.optional = true;
	return us_kparse_end(p);
}

/* option env="NAME": a default from the environment, until 4.17 */
static struct us_err *read_option_env(struct us_kparse *p)
{
	struct us_klex *lex = p->lex;
	struct us_kprop prop = { 0 };
	struct us_ksym *value;
	const char *text, *name;

	if (lex->tok != US_KTOK_EQ)
		return us_kparse_error(p, "'=' is missing behind 'env'");
	US_TRY(us_klex_next(lex));
	US_TRY(read_text(p, "the name of a variable", &name));
	text = us_kmap_get(&p->macro.environment, name, strlen(name));
	text = text ? text : "";
	US_TRY(us_kmacro_symbol(&p->macro, text, strlen(text), true, &value));
	US_TRY(us_kx_leaf(&p->tree->pool, US_KX_SYM, value, NULL, &prop.value));
	US_TRY(us_kparse_end(p));
	return push_prop(p, &p->defaults, prop);
}

/* Until 5.12. */
static struct us_err *read_option(struct us_kparse *p)
{
	struct us_klex *lex = p->lex;
	bool env = us_klex_is(lex, "env"), modules = us_klex_is(lex, "modules");

	if (us_klex_is(lex, "allnoconfig_y"))
		p->def.sym->allnoconfig_y = true;
	else if (us_klex_is(lex, "defconfig_list"))
		p->def.sym->defconfig_list = true;
	else if (!env && !modules)
		return us_kparse_error(p, "an unknown option");
	US_TRY(us_klex_next(lex));
	if (env)
		return read_option_env(p);
	return modules ? read_modules(p) : us_kparse_end(p);
}

static struct us_err *read_help(struct us_kparse *p)
{
	US_TRY(us_kparse_end(p));
	us_klex_help(p->lex);
	return NULL;
}

/* ---- entries and blocks ---- */

static struct us_err *read_config(struct us_kparse *p)
{
	US_TRY(read_name(p, &p->def.sym));
	p->kind = US_KE_CONFIG;
	p->def.at = p->at;
	return us_kparse_end(p);
}

static struct us_err *read_choice(struct us_kparse *p)
{
	struct us_ksym *name = NULL;

	p->kind = US_KE_CHOICE;
	p->choice.at = p->at;
	if (p->lex->tok != US_KTOK_EOL)
		US_TRY(read_name(p, &name));
	p->choice.name = name ? name->name : NULL;
	return us_kparse_end(p);
}

static struct us_err *read_menu(struct us_kparse *p)
{
	p->kind = US_KE_MENU;
	US_TRY(read_text(p, "the menu's title", &p->title));
	return us_kparse_end(p);
}

static struct us_err *read_comment(struct us_kparse *p)
{
	p->kind = US_KE_COMMENT;
	US_TRY(read_text(p, "the comment's text", &p->title));
	return us_kparse_end(p);
}

static struct us_err *read_if(struct us_kparse *p)
{
	struct us_kterm term = { .at = p->at, .block = true };
	struct us_kblock *block;

	US_TRY(us_kparse_expr(p, true, &term.x));
	US_TRY(us_kparse_end(p));
	return us_kparse_block_open(p, US_KB_IF, &term, 1, &block);
}

static struct us_err *read_endif(struct us_kparse *p)
{
	US_TRY(us_kparse_end(p));
	return us_kparse_block_close(p, US_KB_IF);
}

static struct us_err *read_endmenu(struct us_kparse *p)
{
	US_TRY(us_kparse_end(p));
	return us_kparse_block_close(p, US_KB_MENU);
}

static struct us_err *read_endchoice(struct us_kparse *p)
{
	US_TRY(us_kparse_end(p));
	return us_kparse_block_close(p, US_KB_CHOICE);
}

static struct us_err *read_mainmenu(struct us_kparse *p)
{
	US_TRY(read_text(p, "the title", &p->tree->title));
	return us_kparse_end(p);
}

/* ---- files ---- */

/* A control byte has no place in a text, and the marks of macro.c are such. */
static struct us_err *check_text(const char *name, struct us_bytes text)
{
	size_t at = us_bytes_find(text, 0, "\0", 1), line = 1;

	if (at == SIZE_MAX)
		at = us_bytes_find(text, 0, "\1", 1);
	if (at == SIZE_MAX)
		return NULL;
	for (size_t i = 0; i < at; i++)
		line += text.p[i] == '\n';
	return us_err_new(US_ERR_BAD_DATA, "%s:%zu: the byte 0x%02x: this is no text", name, line,
			  text.p[at]);
}

static struct us_err *open_file(struct us_kparse *p, const char *name)
{
	struct us_kfile *file;
	struct us_bytes bytes;

	US_TRY(us_ksource_read(p->source, name, &bytes));
	p->n_bytes += bytes.n;
	if (p->n_bytes > BYTES_MAX)
		return us_err_new(US_ERR_BAD_DATA, "%s: more text than any tree has, 64 MiB so far",
				  name);
	US_TRY(check_text(name, bytes));
	/* some files are read twice, by different blocks */
	if (!us_kmap_get(&p->seen, name, strlen(name))) {
		US_TRY(us_kmap_put(&p->seen, name, strlen(name), p));
		US_TRY(us_kvec_push_pointer(&p->names, name));
	}
	file = us_kvec_push(&p->files, sizeof(*file));
	if (!file)
		return us_err_nomem();
	file->lex = (struct us_klex){ .macro = &p->macro,
				      .file = name,
				      .at = (const char *)bytes.p,
				      .end = (const char *)bytes.p + bytes.n,
				      .line = 1,
				      .paths = p->tree->major < 5,
				      .tok = US_KTOK_EOL };
	file->n_blocks = p->blocks.n;
	p->lex = &file->lex;
	return NULL;
}

static struct us_err *read_source(struct us_kparse *p)
{
	struct us_kplace at = p->at;
	const struct us_kfile *files = p->files.v;
	struct us_err *err;
	const char *name;

	if (us_kmacro_marked(p->lex->s, p->lex->n))
		return us_kparse_error(p, "a file's name that a command would have to tell");
	US_TRY(read_text(p, "the file's name", &name));
	US_TRY(us_kparse_end(p));
	while (!strncmp(name, "./", 2))
		name += 2;
	if (p->files.n == FILES_MAX)
		return us_kparse_error(p, "files that are read by files, more than %d deep",
				       FILES_MAX);
	for (size_t i = 0; i < p->files.n; i++) {
		if (!strcmp(files[i].lex.file, name))
			return us_err_new(US_ERR_BAD_DATA,
					  "%s:%u: %s is read while it is being read", at.file,
					  at.line, name);
	}
	err = open_file(p, name);
	if (err && err->code == US_ERR_NOT_FOUND) {
		us_err_free(err);
		return us_err_new(US_ERR_BAD_DATA, "%s:%u: the tree has no file '%.200s'", at.file,
				  at.line, name);
	}
	return err ? us_err_wrap(err, "%s:%u", at.file, at.line) : NULL;
}

static struct us_err *close_file(struct us_kparse *p)
{
	struct us_kfile *file = (struct us_kfile *)p->files.v + p->files.n - 1;
	const struct us_kblock *block;

	US_TRY(us_kparse_entry_end(p));
	block = us_kparse_block(p);
	if (p->blocks.n > file->n_blocks)
		return us_kparse_error(p, "the file ends, and what begins at %s:%u does not",
				       block->at.file, block->at.line);
	us_text_deinit(&file->lex.text);
	p->files.n--;
	p->lex = p->files.n ? &file[-1].lex : NULL;
	return NULL;
}

/* ---- statements ---- */

#define IN_CONFIG  (1u << US_KE_CONFIG)
#define IN_CHOICE  (1u << US_KE_CHOICE)
#define IN_MENU    (1u << US_KE_MENU)
#define IN_COMMENT (1u << US_KE_COMMENT)

static const struct keyword {
	const char *name;
	unsigned int in; /* 0: it stands for itself and ends the entry before */
	struct us_err *(*read)(struct us_kparse *p);
} keywords[] = {
	{ "depends", IN_CONFIG | IN_CHOICE | IN_MENU | IN_COMMENT, read_depends },
	{ "select", IN_CONFIG, read_select },
	{ "help", IN_CONFIG | IN_CHOICE | IN_MENU | IN_COMMENT, read_help },
	{ "---help---", IN_CONFIG | IN_CHOICE | IN_MENU | IN_COMMENT, read_help },
	{ "config", 0, read_config },
	{ "default", IN_CONFIG | IN_CHOICE, read_default },
	{ "bool", IN_CONFIG | IN_CHOICE, read_bool },
	{ "tristate", IN_CONFIG | IN_CHOICE, read_tristate },
	{ "def_bool", IN_CONFIG, read_def_bool },
	{ "def_tristate", IN_CONFIG, read_def_tristate },
	{ "int", IN_CONFIG, read_int },
	{ "hex", IN_CONFIG, read_hex },
	{ "string", IN_CONFIG, read_string },
	{ "range", IN_CONFIG, read_range },
	{ "imply", IN_CONFIG, read_imply },
	{ "prompt", IN_CONFIG | IN_CHOICE, read_prompt },
	{ "modules", IN_CONFIG, read_modules },
	{ "transitional", IN_CONFIG, read_transitional },
	{ "option", IN_CONFIG, read_option },
	{ "optional", IN_CHOICE, read_optional },
	{ "visible", IN_MENU, read_visible },
	{ "source", 0, read_source },
	{ "if", 0, read_if },
	{ "endif", 0, read_endif },
	{ "menuconfig", 0, read_config },
	{ "choice", 0, read_choice },
	{ "endchoice", 0, read_endchoice },
	{ "menu", 0, read_menu },
	{ "endmenu", 0, read_endmenu },
	{ "comment", 0, read_comment },
	{ "mainmenu", 0, read_mainmenu },
};

static const struct keyword *keyword_of(const struct us_klex *lex)
{
	for (size_t i = 0; i < us_array_size(keywords); i++) {
		if (us_klex_is(lex, keywords[i].name))
			return &keywords[i];
	}
	return NULL;
}

static struct us_err *read_assignment(struct us_kparse *p)
{
	struct us_klex *lex = p->lex;
	const char *name = us_kmacro_readable(&p->macro, lex->s, lex->n);
	enum us_kflavor flavor;

	if (!name)
		return us_err_nomem();
	US_TRY(us_klex_next(lex));
	switch (lex->tok) {
	case US_KTOK_EQ:
		flavor = US_K_RECURSIVE;
		break;
	case US_KTOK_SIMPLE:
		flavor = US_K_SIMPLE;
		break;
	case US_KTOK_APPEND:
		flavor = US_K_APPEND;
		break;
	default:
		return us_kparse_error(p, "unknown statement '%.40s'", name);
	}
	p->macro.at = p->at;
	return us_kmacro_assign(&p->macro, name, strlen(name), flavor, us_klex_rest(lex));
}

static bool is_dropped(struct us_kparse *p)
{
	bool dropped = false;

	for (size_t i = 0; i < p->options->n_drop; i++) {
		const struct us_kplace *place = &p->options->drop[i];

		if (place->line != p->at.line || strcmp(place->file, p->at.file))
			continue;
		p->drop_hit[i] = true;
		dropped = true;
	}
	return dropped;
}

/*
 * A line that is to be read as if it were not there. What hangs on it goes with it: an entry's
 * properties with its head, an "endif" with its "if"; what stands in the block stays.
 */
static struct us_err *drop_statement(struct us_kparse *p, const struct keyword *keyword)
{
	struct us_kblock *block;

	if (keyword->read == read_endif || keyword->read == read_endmenu ||
	    keyword->read == read_endchoice)
		return us_kparse_error(p, "only the beginning of a block can be dropped");
	while (p->lex->tok != US_KTOK_EOL)
		US_TRY(us_klex_next(p->lex));
	if (keyword->read == read_help)
		us_klex_help(p->lex);
	if (keyword->in || keyword->read == read_source || keyword->read == read_mainmenu)
		return NULL;
	p->kind = keyword->read == read_if ? US_KE_NONE : US_KE_DROPPED;
	if (keyword->read == read_if)
		return us_kparse_block_open(p, US_KB_IF, NULL, 0, &block);
	if (keyword->read == read_menu)
		return us_kparse_block_open(p, US_KB_MENU, NULL, 0, &block);
	if (keyword->read == read_choice)
		return us_kparse_block_open(p, US_KB_CHOICE, NULL, 0, &block);
	return NULL;
}

static struct us_err *read_statement(struct us_kparse *p)
{
	struct us_klex *lex = p->lex;
	const struct keyword *keyword;

	if (lex->tok != US_KTOK_WORD)
		return us_kparse_error(p, "no statement begins so");
	keyword = keyword_of(lex);
	if (!keyword) {
		US_TRY(us_kparse_entry_end(p));
		p->at = (struct us_kplace){ .file = lex->file, .line = lex->tok_line };
		if (!is_dropped(p))
			return read_assignment(p);
		(void)us_klex_rest(lex);
		return NULL;
	}
	if (!keyword->in)
		US_TRY(us_kparse_entry_end(p));
	else if (p->kind != US_KE_DROPPED && !(keyword->in & (1u << p->kind)))
		return us_kparse_error(p, "'%s' has no place here", keyword->name);
	p->at = (struct us_kplace){ .file = lex->file, .line = lex->tok_line };
	if (!keyword->in)
		p->entry_at = p->at;
	US_TRY(us_klex_next(lex));
	if (is_dropped(p) || (keyword->in && p->kind == US_KE_DROPPED))
		return drop_statement(p, keyword);
	return keyword->read(p);
}

static struct us_err *read_files(struct us_kparse *p)
{
	while (p->lex) {
		US_TRY(us_klex_next(p->lex));
		if (p->lex->tok == US_KTOK_END)
			US_TRY(close_file(p));
		else if (p->lex->tok != US_KTOK_EOL)
			US_TRY(read_statement(p));
	}
	return NULL;
}

struct us_err *us_kparse_run(struct us_kparse *p)
{
	struct us_ktree *tree = p->tree;
	const struct us_kx *mod;

	/* MODULES is not known before the end: until then its leaf is n */
	p->modules = us_pool_alloc(&tree->pool, sizeof(*p->modules));
	if (!p->modules)
		return us_err_nomem();
	*p->modules = (struct us_kx){ .op = US_KX_SYM, .x = tree->no };
	US_TRY(us_kx_leaf(&tree->pool, US_KX_SYM, tree->mod, NULL, &mod));
	US_TRY(us_kx_new(&tree->pool, US_KX_AND, mod, p->modules, &p->mod_if_modules));
	US_TRY(open_file(p, "Kconfig"));
	US_TRY(read_files(p));
	for (size_t i = 0; i < p->options->n_drop; i++) {
		if (!p->drop_hit[i])
			return us_err_new(US_ERR_USAGE, "%s:%u: no statement begins on that line",
					  p->options->drop[i].file, p->options->drop[i].line);
	}
	if (tree->modules)
		p->modules->x = tree->modules;
	US_TRY(us_kparse_members(p));
	return us_kparse_finish(p);
}
