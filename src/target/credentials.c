/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The file of credentials= as both ends of a connection read it, by its first line: the value of
 * the Authorization header for HTTP, "ACCESS_KEY SECRET [TOKEN]" for an object store.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "target/http-int.h"

#include <string.h>

#define CREDENTIALS_MAX 4096

struct us_err *us_credentials_read(const char *path, enum us_target_kind kind, struct us_pool *pool,
				   struct us_credentials *ret)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	struct us_credentials c = { 0 };
	char *text, *rest;

	US_TRY(us_file_map(path, &blob));
	if (blob.n > CREDENTIALS_MAX)
		return us_err_new(US_ERR_BAD_DATA, "%s: too long for credentials", path);
	text = us_pool_strndup(pool, (const char *)blob.p, blob.n);
	if (!text)
		return us_err_nomem();
	text[strcspn(text, "\r\n")] = 0;
	text = us_text_strip(text);
	if (kind == US_TARGET_HTTP) {
		if (!*text)
			return us_err_new(US_ERR_BAD_DATA, "%s: its first line is empty", path);
		c.authorization = text;
		*ret = c;
		return NULL;
	}
	c.access = strtok_r(text, " \t:", &rest);
	c.secret = strtok_r(NULL, " \t", &rest);
	c.token = strtok_r(NULL, " \t", &rest);
	if (!c.access || !c.secret)
		return us_err_new(US_ERR_BAD_DATA, "%s: no line \"ACCESS_KEY SECRET\"", path);
	*ret = c;
	return NULL;
}
