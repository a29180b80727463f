/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Kconfig of a kernel source tree: parsed, evaluated as the tree's own scripts/kconfig/conf
 * would, and asked what can be. Language: Documentation/kbuild/kconfig-language.rst and
 * kconfig-macro-language.rst (Linux 4.18 to 7.x). Nothing of the tree is executed unless a toolchain
 * is named. Symbols are named without "CONFIG_". A tree is not changed by a question: one parse
 * answers many.
 */
#ifndef US_KCONFIG_TREE_H
#define US_KCONFIG_TREE_H

#include "base/pool.h"
#include "base/progress.h"
#include "kconfig/kconfig.h"

struct us_ktree;
struct us_ksym;
struct us_kvalues;

/* A line of a Kconfig file; file is relative to the tree ("kernel/Kconfig.kexec"). */
struct us_kplace {
	const char *file;
	uint32_t line; /* from 1; 0: no line of the tree (a pin, a goal) */
};

struct us_ktree_options {
	const char *arch; /* as make's ARCH: "x86_64", "i386", "arm64", "parisc64" */
	/*
	 * $(shell ...) and what stands on it. NULL: each distinct text is a free variable that may be
	 * y or n, and nothing is run. Otherwise the prefix of the toolchain's programs, as make's
	 * CROSS_COMPILE ("" for the machine's own): the text is handed to /bin/sh in the tree, which
	 * must be a directory.
	 */
	const char *toolchain;
	const struct us_kplace *drop; /* lines to read as if they were not there */
	size_t n_drop;
};

/*
 * path: a directory or a tar archive (packed as libarchive knows it) whose top or only folder holds
 * Kconfig. US_ERR_BAD_DATA names file:line for what is not understood: an unknown keyword is never
 * skipped. US_ERR_USAGE: an architecture that the tree has not, a dropped line that holds nothing.
 */
struct us_err *us_ktree_open(const char *path, const struct us_ktree_options *options,
			     struct us_progress *progress, struct us_ktree **ret) us_must_check;
void us_ktree_free(struct us_ktree *tree);
static inline void us_ktree_freep(struct us_ktree **tree)
{
	us_ktree_free(*tree);
}
#define _us_ktree_free_ __attribute__((cleanup(us_ktree_freep)))

/*
 * The same in two steps, for several architectures: the files are read once, which for an archive
 * is nearly all of the work. A tree keeps nothing of its source.
 */
struct us_ksource;
struct us_err *us_ksource_open(const char *path, struct us_progress *progress,
			       struct us_ksource **ret) us_must_check;
void us_ksource_free(struct us_ksource *source);
static inline void us_ksource_freep(struct us_ksource **source)
{
	us_ksource_free(*source);
}
#define _us_ksource_free_ __attribute__((cleanup(us_ksource_freep)))
struct us_err *us_ktree_read(struct us_ksource *source, const struct us_ktree_options *options,
			     struct us_ktree **ret) us_must_check;
/* The architectures of a tree, as make's ARCH, sorted, NULL-terminated: those of arch/ and their
 * other names (i386, x86_64, parisc64, ...). */
struct us_err *us_ksource_arches(struct us_ksource *source, struct us_pool *pool,
				 const char *const **ret) us_must_check;

const char *us_ktree_version(const struct us_ktree *tree); /* "6.12.117", from the Makefile */
const char *us_ktree_arch(const struct us_ktree *tree);
size_t us_ktree_files(const struct us_ktree *tree);
/* NULL: no file that was read speaks of it. */
const struct us_ksym *us_ktree_symbol(const struct us_ktree *tree, const char *name);
/* The i-th symbol that is defined, in order of appearance; NULL past the last. */
const struct us_ksym *us_ktree_symbol_at(const struct us_ktree *tree, size_t i);
const char *us_ksym_name(const struct us_ksym *sym);

/* ---- what stands there (config show) ---- */

enum us_kline_kind {
	US_KLINE_CONFIG, /* the "config" line itself */
	US_KLINE_TYPE,
	US_KLINE_PROMPT,
	US_KLINE_DEPENDS, /* its own, and those of the if, menu and choice around it */
	US_KLINE_VISIBLE,
	US_KLINE_DEFAULT,
	US_KLINE_SELECT,
	US_KLINE_IMPLY,
	US_KLINE_SELECTED_BY, /* another symbol's select of this one */
	US_KLINE_IMPLIED_BY,
	US_KLINE_RANGE,
	US_KLINE_CHOICE /* the choice that it is a member of */
};
struct us_kline {
	enum us_kline_kind kind;
	struct us_kplace at;
	const char *text;   /* the statement in Kconfig's words: "select KEXEC_CORE if FOO" */
	const char *symbol; /* SELECTED_BY, IMPLIED_BY: who; else NULL */
	/* with values: what the statement gives under them ("y", "n", "64"), else NULL */
	const char *now;
};
/* All that the tree says about sym, in the order of the kinds, then of the files. values may be NULL. */
struct us_err *us_ktree_lines(const struct us_ktree *tree, const struct us_ksym *sym,
			      const struct us_kvalues *values, struct us_pool *pool,
			      const struct us_kline **ret, size_t *ret_n) us_must_check;
/* Why sym has its value under values, in words, one step a line ("selected by KEXEC, kernel/...:23"). */
struct us_err *us_kvalues_why(const struct us_kvalues *values, const struct us_ksym *sym,
			      struct us_pool *pool, const char **ret) us_must_check;

/* ---- values, as conf computes them ---- */

enum us_kstart {
	US_KSTART_DEFAULTS, /* alldefconfig; with wishes: olddefconfig */
	US_KSTART_NO,       /* allnoconfig */
	US_KSTART_YES,      /* allyesconfig */
	US_KSTART_MODULES   /* allmodconfig */
};
/* wishes: a .config's values, or NULL. Borrowed only for the call. */
struct us_err *us_ktree_evaluate(const struct us_ktree *tree, enum us_kstart start,
				 const struct us_kconfig *wishes, struct us_kvalues **ret) us_must_check;
void us_kvalues_free(struct us_kvalues *values);
static inline void us_kvalues_freep(struct us_kvalues **values)
{
	us_kvalues_free(*values);
}
#define _us_kvalues_free_ __attribute__((cleanup(us_kvalues_freep)))
/* "y", "m", "n", a number, a string; "n" or "" for what is not defined. */
const char *us_kvalues_text(const struct us_kvalues *values, const struct us_ksym *sym);
/* As a .config: what conf would write, in its order. */
struct us_err *us_kvalues_write(const struct us_kvalues *values, struct us_pool *pool, const char **ret)
	us_must_check;

/* ---- questions ---- */

enum us_kbase {
	US_KBASE_HELD,
	US_KBASE_GROWING, /* what it says is n may change, if it must */
	US_KBASE_NEAR     /* all may change that must: the nearest configuration is looked for */
};
struct us_kask {
	const char *want; /* "CRASH_DUMP=y KEXEC=n NR_CPUS=64"; "A=y|m" for either */
	/*
	 * Asked relative to a configuration: what base sets, and the tree takes from it, is held.
	 * Not held are the symbols of want and what they select, in turn; the other members of
	 * their choices; and what their dependencies, defaults and prompts speak of. NULL: any
	 * configuration.
	 */
	const struct us_kconfig *base;
	enum us_kbase base_is;
	const char *const *pins; /* more of want's form, NULL-terminated, or NULL: held, not asked */
	size_t more;             /* other cores besides the first, at most */
};
/* A value that base sets, and that an example has otherwise. */
struct us_kchange {
	const char *symbol, *had, *gets;
};
/* One line of a core: taken away, the rest no longer forbids. */
struct us_kreason {
	struct us_kplace at;
	const char *text;  /* the statement in Kconfig's words */
	const char *says;  /* a sentence: "CRASH_DUMP=y needs KEXEC_CORE (kernel/Kconfig.kexec:102)" */
};
#define US_KCORE_MAX 2000
struct us_kcore {
	const struct us_kreason *reasons; /* ordered from what was asked to what stands against it */
	size_t n;
};
struct us_kanswer {
	struct us_pool pool;
	bool reachable;
	bool maybe; /* reachable, but only if a free probe, a number or a string comes out as in
		       assumed */
	const char *const *assumed;  /* "$(cc-option,-mfoo) = y", NULL-terminated */
	const char *const *fragment; /* reachable: "CONFIG_KEXEC_FILE=y" lines, the fewest found that
					olddefconfig keeps; NULL-terminated */
	bool rough; /* the search for the fewest was given up: some lines may be needless */
	/* not reachable: at least one, or none where more than US_KCORE_MAX lines stand against it */
	const struct us_kcore *cores;
	size_t n_cores;
	/* not reachable as far as was looked: these numbers may have values that were not tried;
	   NULL-terminated, or NULL: it is proved */
	const char *const *unproved;
	/* reachable, with a base: what it sets and the example does not keep, but for what was asked */
	const struct us_kchange *changes;
	size_t n_changes;
	struct us_kanswer *near; /* not reachable while the base is held: the answer if all of it
				    may change (US_KBASE_NEAR); or NULL */
	const char *const *unknown; /* names in want that the tree does not define (they are n) */
	size_t cone;                /* symbols that were looked at */
};
/* "SYMBOL=value" as want takes it, in quotes where it has to be. NULL without memory. */
const char *us_kask_assignment(struct us_pool *pool, const char *symbol, const char *value);
/* US_ERR_USAGE: want or a pin is no list of assignments, with the column. */
struct us_err *us_ktree_ask(struct us_ktree *tree, const struct us_kask *ask, struct us_kanswer **ret)
	us_must_check;
void us_kanswer_free(struct us_kanswer *answer);
static inline void us_kanswer_freep(struct us_kanswer **answer)
{
	us_kanswer_free(*answer);
}
#define _us_kanswer_free_ __attribute__((cleanup(us_kanswer_freep)))

/* A random configuration that satisfies ask; the same seed draws the same. NULL in *ret: there is none. */
struct us_err *us_ktree_draw(struct us_ktree *tree, const struct us_kask *ask, uint64_t seed,
			     struct us_kvalues **ret) us_must_check;

#endif
