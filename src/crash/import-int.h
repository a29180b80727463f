/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to crash: the import of other services' configurations from texts that were read. */
#ifndef US_CRASH_IMPORT_INT_H
#define US_CRASH_IMPORT_INT_H

#include "crash/crash.h"

struct us_import_files { /* p NULL: not there */
	struct us_bytes debian, conf, sysconfig, fstab;
};
/* See us_crash_import(). The text is always one that us_crash_config_parse() takes. */
struct us_err *us_import_texts(const struct us_import_files *files, struct us_pool *pool,
			       const char **ret_text, const char *const **ret_notes) us_must_check;

#endif
