/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to the parser: source.c gives files, lex.c tokens, macro.c expands $(...), parse.c reads
 * statements, parse-expr.c expressions, parse-block.c puts entries and the tree together,
 * parse-choice.c says who is a choice's member. All that a parse leaves behind lies in the tree's
 * pool.
 */
#ifndef US_KCONFIG_PARSE_INT_H
#define US_KCONFIG_PARSE_INT_H

#include "base/cleanup.h"
#include "base/text.h"
#include "kconfig/tree-int.h"

/* ---- tree.c: names, and vectors that grow ---- */

struct us_kmap {
	struct us_kmap_slot {
		const char *key; /* borrowed */
		size_t n;
		void *value;
	} * slots;
	size_t n, cap; /* cap: 0 or a power of two */
};
void *us_kmap_get(const struct us_kmap *map, const char *key, size_t n);
struct us_err *us_kmap_put(struct us_kmap *map, const char *key, size_t n, void *value)
	us_must_check;
void us_kmap_deinit(struct us_kmap *map);

struct us_kvec {
	void *v;
	size_t n, cap;
};
/* One more item of size, zeroed; NULL without memory. The items may move. */
void *us_kvec_push(struct us_kvec *vec, size_t size);
struct us_err *us_kvec_push_pointer(struct us_kvec *vec, const void *p) us_must_check;
/* A copy of the items in pool (NULL in *ret if there are none); vec is empty afterwards. */
struct us_err *us_kvec_move(struct us_kvec *vec, size_t size, struct us_pool *pool, void *ret,
			    size_t *ret_n) us_must_check;
static inline void us_kvec_deinit(struct us_kvec *vec)
{
	free(vec->v);
	*vec = (struct us_kvec){ 0 };
}

struct us_ksource;

/* us_ktree.index: three spaces of names, since FOO, "FOO" and $(FOO) are different things. */
struct us_kindex {
	struct us_kmap plain, constant, probe;
	struct us_kvec symbols; /* struct us_ksym *; us_ktree.symbols points into it */
	struct us_kvec defined; /* struct us_ksym *, in order of appearance */
};
/* The symbol of a word; made if it is new. */
struct us_err *us_ktree_word(struct us_ktree *tree, const char *name, size_t n, bool quoted,
			     struct us_ksym **ret) us_must_check;
/* The probe of a text with marks (see below), made if it is new; name (of the tree's pool): for
 * people. */
struct us_err *us_ktree_probe(struct us_ktree *tree, const char *text, const char *name,
			      struct us_ksym **ret) us_must_check;
struct us_err *us_ktree_new(const char *arch, struct us_ktree **ret) us_must_check;

/* ---- source.c: the files of a tree ---- */

/* A tree in memory, for tests: names and texts are borrowed. */
struct us_kfile_text {
	const char *name;
	struct us_bytes text;
};
struct us_err *us_ksource_of(const struct us_kfile_text *files, size_t n, struct us_ksource **ret)
	us_must_check;
/* A file of the tree; the bytes live as long as source. US_ERR_NOT_FOUND. */
struct us_err *us_ksource_read(struct us_ksource *source, const char *file, struct us_bytes *ret)
	us_must_check;
/* The folders of arch/ that hold a Kconfig, in any order. */
struct us_err *us_ksource_arch_folders(struct us_ksource *source, struct us_pool *pool,
				       const char ***ret, size_t *ret_n) us_must_check;
const char *us_ksource_path(const struct us_ksource *source);
/* NULL: an archive. */
const char *us_ksource_directory(const struct us_ksource *source);

/* The top Makefile's facts. */
struct us_kmakefile {
	const char *version; /* "6.12.117" */
	unsigned int major, minor;
	const struct us_kalias {
		const char *arch, *srcarch; /* "x86_64", "x86" */
	} * aliases;
	size_t n_aliases;
};
struct us_err *us_kmakefile_read(struct us_ksource *source, struct us_pool *pool,
				 struct us_kmakefile *ret) us_must_check;

/* ---- macro.c, macro-run.c: $(...) ---- */

struct us_kmacro {
	struct us_ktree *tree;
	struct us_pool pool; /* of what expansion leaves behind */
	struct us_kmap variables;
	struct us_kmap environment; /* name -> text */
	struct us_kmap shells;      /* free mode: text -> number in probes, from 1 */
	struct us_kvec probes;      /* struct us_kprobe */
	const char *const *run_env; /* with a toolchain: the environment, NULL-terminated */
	const char *run_in;         /* and an empty folder to run in; NULL: free mode */
	struct us_kplace at;        /* what is being read */
	unsigned int depth;
	size_t spent; /* bytes of all expansions */
};
struct us_err *us_kmacro_open(struct us_kmacro *m, struct us_ktree *tree,
			      const struct us_ksource *source, const char *srcarch,
			      const char *toolchain) us_must_check;
void us_kmacro_deinit(struct us_kmacro *m);
/*
 * Expand what follows a '$' at *at, of a text that ends at end; *at is moved behind it. In free
 * mode what a shell would say is a mark in the text, which us_kmacro_symbol() knows.
 */
struct us_err *us_kmacro_dollar(struct us_kmacro *m, const char **at, const char *end,
				struct us_text *out) us_must_check;
enum us_kflavor { US_K_RECURSIVE, US_K_SIMPLE, US_K_APPEND };
struct us_err *us_kmacro_assign(struct us_kmacro *m, const char *name, size_t n,
				enum us_kflavor flavor, struct us_bytes value) us_must_check;
/* The symbol of an expanded word: a probe if there is a mark in it. */
struct us_err *us_kmacro_symbol(struct us_kmacro *m, const char *s, size_t n, bool quoted,
				struct us_ksym **ret) us_must_check;
/* Text for people: marks replaced by what was asked; in the tree's pool. NULL without memory. */
const char *us_kmacro_readable(struct us_kmacro *m, const char *s, size_t n);
static inline bool us_kmacro_marked(const char *s, size_t n)
{
	return us_bytes_find(us_bytes_of(s, n), 0, "\1", 1) != SIZE_MAX;
}

/* With a toolchain: the environment, and the folder that commands run in. */
struct us_err *us_kmacro_run_open(struct us_kmacro *m, const char *directory, const char *prefix)
	us_must_check;
void us_kmacro_run_close(struct us_kmacro *m);
struct us_err *us_kmacro_run(struct us_kmacro *m, const char *command, struct us_text *out)
	us_must_check;

/* ---- lex.c: tokens ---- */

enum us_ktok {
	US_KTOK_WORD,
	US_KTOK_QUOTED,
	US_KTOK_EOL,
	US_KTOK_END,
	US_KTOK_OR,
	US_KTOK_AND,
	US_KTOK_NOT,
	US_KTOK_OPEN,
	US_KTOK_CLOSE,
	US_KTOK_EQ,
	US_KTOK_NE,
	US_KTOK_LT,
	US_KTOK_LE,
	US_KTOK_GT,
	US_KTOK_GE,
	US_KTOK_SIMPLE, /* := */
	US_KTOK_APPEND  /* += */
};
struct us_klex {
	struct us_kmacro *macro;
	const char *file;
	const char *at, *end;
	bool paths;        /* words may be paths: until 4.20 */
	uint32_t line;     /* of at */
	enum us_ktok tok;  /* the token before at */
	uint32_t tok_line; /* where it begins */
	const char *s;     /* WORD, QUOTED: its text, until the next token is read */
	size_t n;
	struct us_text text;
};
struct us_err *us_klex_next(struct us_klex *lex) us_must_check;
/* After WORD and =, := or +=: the rest of the line as it stands. */
struct us_bytes us_klex_rest(struct us_klex *lex);
/* After "help" and its EOL. */
void us_klex_help(struct us_klex *lex);
static inline bool us_klex_is(const struct us_klex *lex, const char *word)
{
	return lex->tok == US_KTOK_WORD && lex->n == __builtin_strlen(word) &&
	       !__builtin_memcmp(lex->s, word, lex->n);
}

/* ---- parse*.c ---- */

enum us_kblock_kind { US_KB_IF, US_KB_MENU, US_KB_CHOICE };
struct us_kblock {
	enum us_kblock_kind kind;
	struct us_kplace at;
	const struct us_kterm *terms; /* what an entry in it inherits, inside out */
	size_t n_terms;
	const struct us_kterm *visible;
	size_t n_visible;
	struct us_kchoice *choice; /* that is open here */
	struct us_knode *node;     /* in a choice */
	uint32_t depth;            /* menus around */
};

/* What stands in a choice block: until 6.8 not every entry there is a member. */
struct us_knode {
	struct us_kdef *def;          /* NULL: an if, a comment or another choice */
	const struct us_kterm *terms; /* up to the choice */
	size_t n_terms;
	struct us_knode *first, *last, *next, *parent;
};

enum us_kentry_kind {
	US_KE_NONE,
	US_KE_CONFIG,
	US_KE_CHOICE,
	US_KE_MENU,
	US_KE_COMMENT,
	US_KE_DROPPED
};
struct us_kparse {
	struct us_ktree *tree;
	struct us_ksource *source;
	struct us_kmacro macro;
	const struct us_ktree_options *options;
	bool *drop_hit;                               /* by options->drop */
	struct us_kvec files;                         /* struct us_kfile: the open ones */
	struct us_kvec names;                         /* const char *: all that were read */
	struct us_kmap seen;                          /* the same, as a set */
	struct us_klex *lex;                          /* of the innermost */
	struct us_kvec blocks;                        /* struct us_kblock: the open ones */
	struct us_kvec entries, defs, choices, roots; /* struct us_kentry; the rest pointers */
	struct us_kx *modules;                        /* the leaf MODULES of "m && MODULES" */
	const struct us_kx *mod_if_modules;
	size_t n_terms; /* of all entries and blocks */
	size_t n_ops;   /* operators of the expression that is being read */
	size_t n_bytes; /* of all files, each as often as it is read */
	/* the entry that is being read */
	enum us_kentry_kind kind;
	struct us_kdef def;
	struct us_kchoice choice;
	const char *title;
	struct us_kplace at;       /* the statement */
	struct us_kplace entry_at; /* and the head of the entry that it stands in */
	struct us_kvec terms, visible, defaults, selects, implies, ranges;
};
struct us_kfile {
	struct us_klex lex;
	size_t n_blocks; /* open ones when it was opened */
};

/* US_ERR_BAD_DATA with file:line of the token that was read last. */
struct us_err *us_kparse_error(const struct us_kparse *p, const char *fmt, ...)
	us_must_check us_printf(2, 3);
/* An expression up to "if" or the end of the statement. condition: m means m && MODULES. */
struct us_err *us_kparse_expr(struct us_kparse *p, bool condition, const struct us_kx **ret)
	us_must_check;
/* "if EXPR" or nothing; then the statement ends. */
struct us_err *us_kparse_if_end(struct us_kparse *p, const struct us_kx **ret) us_must_check;
struct us_err *us_kparse_end(struct us_kparse *p) us_must_check;
/* A word, quoted or not, as a symbol. */
struct us_err *us_kparse_symbol(struct us_kparse *p, struct us_ksym **ret) us_must_check;
/* "X if Y" of a depends line. */
struct us_err *us_kparse_unless(struct us_kparse *p, const struct us_kx *x, const struct us_kx *y,
				const struct us_kx **ret) us_must_check;
struct us_err *us_kx_new(struct us_pool *pool, enum us_kop op, const struct us_kx *a,
			 const struct us_kx *b, const struct us_kx **ret) us_must_check;
struct us_err *us_kx_leaf(struct us_pool *pool, enum us_kop op, struct us_ksym *x,
			  struct us_ksym *y, const struct us_kx **ret) us_must_check;
struct us_err *us_kparse_entry_end(struct us_kparse *p) us_must_check;
struct us_kblock *us_kparse_block(const struct us_kparse *p);
struct us_err *us_kparse_block_open(struct us_kparse *p, enum us_kblock_kind kind,
				    const struct us_kterm *own, size_t n_own,
				    struct us_kblock **ret) us_must_check;
struct us_err *us_kparse_block_close(struct us_kparse *p, enum us_kblock_kind kind) us_must_check;
/* In a choice: def, or an if block, behind what stands in block already. */
struct us_err *us_kparse_node(struct us_kparse *p, struct us_kblock *block, struct us_kdef *def,
			      struct us_knode **ret) us_must_check;
/* Which entries of the choice blocks are members. */
struct us_err *us_kparse_members(struct us_kparse *p) us_must_check;
struct us_err *us_kparse_finish(struct us_kparse *p) us_must_check;
struct us_err *us_kparse_run(struct us_kparse *p) us_must_check;

#endif
