/* SPDX-License-Identifier: GPL-2.0-or-later */
/* For the tests: trees of a few lines, for the architecture x86, from texts or in a folder. */
#ifndef US_KCONFIG_TEST_TREES_H
#define US_KCONFIG_TEST_TREES_H

#include "base/cleanup.h"
#include "base/file.h"
#include "kconfig/parse-int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#define US_TEST_MODERN "VERSION = 6\nPATCHLEVEL = 12\n"

/* more: a file of that name, or NULL; options may be NULL. */
static inline struct us_err *us_test_read(const char *makefile, const char *kconfig,
					  const char *more, const struct us_ktree_options *options,
					  struct us_ktree **ret)
{
	const struct us_kfile_text files[] = {
		{ "Makefile", us_bytes_of(makefile, strlen(makefile)) },
		{ "arch/x86/Kconfig", us_bytes_of("", 0) },
		{ "Kconfig", us_bytes_of(kconfig, strlen(kconfig)) },
		{ "more", us_bytes_of(more ? more : "", more ? strlen(more) : 0) },
	};
	const struct us_ktree_options plain = { .arch = "x86" };
	_us_ksource_free_ struct us_ksource *source = NULL;

	assert_null(us_ksource_of(files, us_array_size(files), &source));
	return us_ktree_read(source, options ? options : &plain, ret);
}

static inline struct us_ktree *us_test_tree(const char *makefile, const char *kconfig)
{
	struct us_ktree *tree = NULL;
	_us_err_free_ struct us_err *err = us_test_read(makefile, kconfig, NULL, NULL, &tree);

	if (err)
		fail_msg("%s", err->text);
	return tree;
}

static inline struct us_kanswer *us_test_ask(struct us_ktree *tree, const struct us_kask *ask)
{
	struct us_kanswer *answer = NULL;
	_us_err_free_ struct us_err *err = us_ktree_ask(tree, ask, &answer);

	if (err)
		fail_msg("%s: %s", ask->want, err->text);
	return answer;
}

/* folder: a template for mkdtemp(3). note: a file of that name, or NULL. */
static inline void us_test_folder(char *folder, const char *kconfig, const char *note)
{
	static const char *const folders[] = { "arch", "arch/x86" };
	const struct {
		const char *name, *text;
	} files[] = { { "Makefile", US_TEST_MODERN },
		      { "arch/x86/Kconfig", "" },
		      { "Kconfig", kconfig },
		      { "note", note } };
	char path[128];

	assert_non_null(mkdtemp(folder));
	for (size_t i = 0; i < us_array_size(folders); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, folders[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
	for (size_t i = 0; i < us_array_size(files) && files[i].text; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, files[i].name);
		assert_null(
			us_file_replace(path, us_bytes_of(files[i].text, strlen(files[i].text))));
	}
}

static inline void us_test_folder_remove(const char *folder)
{
	char command[160];

	snprintf(command, sizeof(command), "rm -r '%s'", folder);
	assert_int_equal(system(command), 0);
}

#endif
