/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The far end of an HTTP target: files by PUT, GET, HEAD and DELETE (RFC 9110); what is POSTed (a
 * webhook) is taken and forgotten. Folders are made as needed and never shown.
 */
#include "base/cleanup.h"
#include "target/far-int.h"

#include <fcntl.h>
#include <string.h>

static struct us_err *put(struct us_far_http *h, struct us_far_conn *c)
{
	_us_far_file_deinit_ struct us_far_file file = US_FAR_NO_FILE;
	_us_close_ int folder = -1;
	const char *name;
	bool there;

	US_TRY(us_far_parent(c, h->root, c->r.path, true, &folder, &name));
	US_TRY(us_far_begin(c, h->root, &file));
	US_TRY(us_far_receive(c, &file, NULL));
	there = !faccessat(folder, name, F_OK, AT_SYMLINK_NOFOLLOW);
	US_TRY(us_far_settle(c, &file, folder, name));
	return us_far_answer(c, there ? 204 : 201, "", us_bytes_of("", 0));
}

static struct us_err *get(struct us_far_http *h, struct us_far_conn *c)
{
	_us_close_ int fd = -1;
	struct stat st;

	US_TRY(us_far_open(c, h->root, c->r.path, &fd, &st));
	return us_far_answer_file(c, fd, (uint64_t)st.st_size,
				  "Content-Type: application/octet-stream\r\n");
}

static struct us_err *drop(struct us_far_http *h, struct us_far_conn *c)
{
	US_TRY(us_far_remove(c, h->root, c->r.path));
	return us_far_answer(c, 204, "", us_bytes_of("", 0));
}

static struct us_err *post(struct us_far_http *h, struct us_far_conn *c)
{
	struct us_bytes bytes;

	(void)h;
	do
		US_TRY(us_far_body(c, &bytes));
	while (bytes.n);
	return us_far_answer(c, 200, "", us_bytes_of("", 0));
}

static const struct {
	const char *method;
	struct us_err *(*run)(struct us_far_http *h, struct us_far_conn *c);
} methods[] = {
	{ "PUT", put }, { "GET", get }, { "HEAD", get }, { "DELETE", drop }, { "POST", post },
};

struct us_err *us_far_http(void *data, struct us_far_conn *c)
{
	struct us_far_http *h = data;
	const char *wanted = h->credentials.authorization;
	const char *said = us_far_header(c, "authorization");

	if (wanted && (!said || strcmp(said, wanted) != 0))
		return us_far_refuse(c, US_FAR_UNAUTHORIZED, "%s",
				     said ? "the credentials are others" : "no credentials");
	for (size_t i = 0; i < us_array_size(methods); i++)
		if (!strcmp(methods[i].method, c->r.method))
			return methods[i].run(h, c);
	return us_far_refuse(c, US_FAR_METHOD_NOT_ALLOWED, "PUT, GET, HEAD, DELETE and POST are");
}
