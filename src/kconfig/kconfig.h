/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel's .config as values. Symbols are named without "CONFIG_".
 * Format: Documentation/kbuild/kconfig.rst (Linux 6.12); "# CONFIG_X is not set" is n.
 */
#ifndef US_KCONFIG_KCONFIG_H
#define US_KCONFIG_KCONFIG_H

#include "base/bytes.h"
#include "base/tri.h"

struct us_kconfig;

/* Parse text (plain, not compressed). US_ERR_BAD_DATA with the line number if it is no .config. */
struct us_err *us_kconfig_parse(struct us_bytes text, struct us_kconfig **ret) us_must_check;
void us_kconfig_free(struct us_kconfig *config);
static inline void us_kconfig_freep(struct us_kconfig **config)
{
	us_kconfig_free(*config);
}
#define _us_kconfig_free_ __attribute__((cleanup(us_kconfig_freep)))

/* "Linux/x86 6.12.117" from the comment that Kconfig writes at the top, NULL if there is none. */
const char *us_kconfig_made_for(const struct us_kconfig *config);
/* The value as it stands in the file ("y", "m", "64", "\"text\"" without quotes), or NULL: not set
 * or absent. */
const char *us_kconfig_value(const struct us_kconfig *config, const char *symbol);
/* Does the file say anything of symbol: a value, or that it is not set? */
bool us_kconfig_names(const struct us_kconfig *config, const char *symbol);
/* The line that does, from 1; 0: none. */
size_t us_kconfig_line(const struct us_kconfig *config, const char *symbol);
/* Does its value stand in quotes, as that of a string does? */
bool us_kconfig_quoted(const struct us_kconfig *config, const char *symbol);
/* Built in (y)? m is US_NO here. An absent symbol is US_NO: a .config lists all that the kernel
 * knew and could be set. config NULL: US_UNKNOWN. */
enum us_tri us_kconfig_builtin(const struct us_kconfig *config, const char *symbol);
/* y or m. config NULL: US_UNKNOWN. */
enum us_tri us_kconfig_enabled(const struct us_kconfig *config, const char *symbol);
/*
 * Does config satisfy a want such as "PROC_VMCORE=y", "EXT4_FS=m", "KASAN=n" or "NR_CPUS>=8"?
 * Several, separated by '&' or '|' ('&' binds tighter). =m is satisfied by y. config NULL:
 * US_UNKNOWN, and so is a want that breaks this grammar. Operators: = != < <= > >=; numbers are
 * decimal or 0x, an absent symbol fails every comparison except =n and !=.
 */
enum us_tri us_kconfig_wants(const struct us_kconfig *config, const char *want);
/* The same by any witness: US_YES with the value in *ret, US_NO if symbol is not set, US_UNKNOWN.
 * Each symbol of want is asked for, in order, whatever the others were. */
typedef enum us_tri us_want_fn(void *data, const char *symbol, const char **ret);
enum us_tri us_want_judge(const char *want, us_want_fn *value, void *data);

#endif
