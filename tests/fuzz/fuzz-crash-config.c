/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The configuration, and the import of other services' files: the input's first byte says whose the
 * rest is. What an import yields has to be a configuration. */
#include "fuzz.h"

#include "crash/import-int.h"

#include <string.h>

static void parse(struct us_bytes text)
{
	_us_crash_config_free_ struct us_crash_config *config = NULL;
	_us_err_free_ struct us_err *err = us_crash_config_parse(text, "fuzz", &config);

	MUST(!err == !!config);
	if (err) {
		MUST(err->code == US_ERR_BAD_DATA);
		MUST(!strncmp(err->text, "fuzz:", 5));
		return;
	}
	MUST(config->n_targets >= 1);
	MUST(config->level <= 31 && config->cpus >= 1 && config->budget_s >= 10);
	MUST(config->kernel && config->append && config->policy && config->extra_modules);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_import_files files = { 0 };
	const char *const *notes = NULL;
	const char *text = NULL;
	struct us_bytes rest;

	if (!size)
		return 0;
	rest = us_bytes_of(data + 1, size - 1);
	if (data[0] == 'D')
		files.debian = rest;
	else if (data[0] == 'C')
		files.conf = rest;
	else if (data[0] == 'S')
		files.sysconfig = rest;
	else
		parse(rest);
	if (strchr("DCS", data[0]) && data[0]) {
		_us_crash_config_free_ struct us_crash_config *config = NULL;
		_us_err_free_ struct us_err *err = us_import_texts(&files, &pool, &text, &notes);

		MUST(!err == !!text);
		MUST(!err || err->code == US_ERR_BAD_DATA);
		if (err)
			return 0;
		MUST(notes);
		err = us_crash_config_parse(us_bytes_of(text, strlen(text)), "imported", &config);
		MUST(!err && config);
	}
	return 0;
}
