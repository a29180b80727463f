/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arm --import: another kdump service's configuration becomes /etc/understudy.conf. One that has
 * settings already is never replaced; what has no like here is told.
 */
#include "cmd/cmd-int.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

#include <string.h>

#define CONFIG_MOST 65536

/* Does it say anything beside comments? */
static bool has_settings(const char *text)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += strspn(line, "\n \t");
		if (*line && *line != '#')
			return true;
	}
	return false;
}

static struct us_err *refuse_to_replace(const struct us_host *host)
{
	_us_blob_deinit_ struct us_blob text = { 0 };
	struct us_err *err = us_file_read_at(host->root_fd, US_CRASH_CONFIG, CONFIG_MOST, &text);

	if (err && err->code == US_ERR_NOT_FOUND) {
		us_err_free(err);
		return NULL;
	}
	if (err)
		return err;
	if (!has_settings((const char *)text.p))
		return NULL;
	return us_err_new(US_ERR_USAGE,
			  "%s has settings already, which an import would replace: move it away, or "
			  "see with --import --dry-run what would be imported",
			  US_CRASH_CONFIG);
}

static struct us_err *write_config(const struct us_machine *m, const char *text)
{
	_us_free_ char *path = NULL;

	if (m->records && m->host->live)
		return NULL;
	US_TRY(us_text_format(&path, "%s%s", m->host->live ? "" : m->host->root, US_CRASH_CONFIG));
	return us_file_replace(path, us_bytes_of(text, strlen(text)));
}

struct us_err *us_import_config(struct us_machine *m, bool dry_run)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const char *text, *const *notes;

	US_TRY(us_crash_import(m->host->root_fd, &pool, &text, &notes));
	for (; *notes; notes++)
		fprintf(stderr, "understudy: not imported: %s\n", *notes);
	if (dry_run) {
		fputs(text, stdout);
		return NULL;
	}
	US_TRY(refuse_to_replace(m->host));
	US_TRY(write_config(m, text));
	fprintf(stderr, "understudy: imported to %s\n", US_CRASH_CONFIG);
	return NULL;
}
