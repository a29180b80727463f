/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Speaks with understudy-http, which knows HTTP, TLS and object stores, so that the program itself
 * needs none of their libraries. It is found where UNDERSTUDY_HTTP says, beside this program, where
 * it is installed, or in /bin of the capture image.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "target/helper-int.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

struct us_err *us_helper_find(struct us_pool *pool, const char **ret)
{
	const char *named = getenv("UNDERSTUDY_HTTP");
	const char *places[] = { named && *named ? named : NULL,
				 us_file_ours("understudy-http", pool), "/bin/understudy-http" };

	for (size_t i = 0; i < us_array_size(places); i++)
		if (places[i] && !access(places[i], X_OK)) {
			*ret = us_pool_strdup(pool, places[i]);
			return *ret ? NULL : us_err_nomem();
		}
	return us_err_new(
		US_ERR_NOT_FOUND,
		"the program understudy-http is missing: HTTP and S3 targets need it (it is "
		"installed as " US_LIBEXEC_DIR "/understudy-http)");
}

struct us_err *us_helper_start(uint64_t deadline_ns, struct us_helper *ret)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const char *argv[] = { NULL, NULL };

	US_TRY(us_helper_find(&pool, &argv[0]));
	return us_program_start(argv, deadline_ns, &ret->program);
}

void us_helper_end(struct us_helper *helper)
{
	us_program_end(&helper->program);
}

struct us_err *us_helper_send(struct us_helper *h, uint8_t type, struct us_bytes text,
			      struct us_bytes more)
{
	uint8_t head[US_HTTP_FRAME_HEAD] = { type };

	if (text.n + more.n > US_HTTP_FRAME_MAX)
		return us_err_new(US_ERR_USAGE, "too much for one frame");
	us_put_le32(head + 1, (uint32_t)(text.n + more.n));
	US_TRY(us_program_send(&h->program, head, sizeof(head)));
	US_TRY(us_program_send(&h->program, text.p, text.n));
	return us_program_send(&h->program, more.p, more.n);
}

/* "CODE ERRNO TEXT" */
static struct us_err *told(const struct us_blob *said)
{
	const char *text = (const char *)said->p;
	char *end;
	unsigned long code = strtoul(text, &end, 10);
	long os_errno = strtol(end, &end, 10);
	struct us_err *err;

	if (*end != ' ' || code > US_ERR_USAGE)
		return us_err_new(US_ERR_BAD_DATA, "understudy-http says \"%.100s\"", text);
	err = us_err_new((enum us_err_code)code, "%s", end + 1);
	if (err->code != US_ERR_NOMEM)
		err->os_errno = (int)os_errno;
	return err;
}

struct us_err *us_helper_receive(struct us_helper *h, struct us_blob *ret)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	uint8_t head[US_HTTP_FRAME_HEAD];
	uint32_t n = 0;

	US_TRY(us_program_receive(&h->program, head, sizeof(head)));
	if (!us_le32(us_bytes_of(head + 1, 4), 0, &n) || n > US_HTTP_FRAME_MAX)
		return us_err_new(US_ERR_BAD_DATA, "understudy-http says more than we can take");
	US_TRY(us_blob_new((size_t)n + 1, &blob)); /* a NUL behind it */
	US_TRY(us_program_receive(&h->program, blob.p, n));
	blob.n = n;
	if (head[0] == US_HTTP_FAIL)
		return told(&blob);
	if (head[0] != US_HTTP_OK)
		return us_err_new(US_ERR_BAD_DATA, "understudy-http speaks in riddles");
	if (ret)
		*ret = us_blob_steal(&blob);
	return NULL;
}

struct us_err *us_helper_ask(struct us_helper *h, uint8_t type, struct us_bytes text,
			     struct us_bytes more, struct us_blob *ret)
{
	US_TRY(us_helper_send(h, type, text, more));
	return us_helper_receive(h, ret);
}

bool us_helper_has_answer(struct us_helper *h)
{
	struct pollfd fd = { .fd = h->program.fd, .events = POLLIN };

	return poll(&fd, 1, 0) > 0;
}

/* Of a URL what may be told: paths, questions and user names of webhooks are often the key to them. */
static const char *host_of(const char *url, int *ret_chars)
{
	const char *host = strstr(url, "://"), *at;

	host = host ? host + 3 : url;
	*ret_chars = (int)strcspn(host, "/?#");
	at = memrchr(host, '@', (size_t)*ret_chars);
	if (at) {
		*ret_chars -= (int)(at + 1 - host);
		host = at + 1;
	}
	return host;
}

struct us_err *us_target_webhook(const char *url, const char *ca, const char *json,
				 uint64_t deadline_ns)
{
	struct us_helper h = { .program = { .fd = -1, .err_fd = -1 } };
	_us_text_deinit_ struct us_text text = { 0 };
	struct us_err *err;

	us_text_add(&text, "%s", url);
	us_text_put(&text, "", 1);
	us_text_add(&text, "%s", ca ? ca : "");
	us_text_put(&text, "", 1);
	if (text.failed)
		return us_err_nomem();
	err = us_helper_start(deadline_ns, &h);
	if (!err)
		err = us_helper_ask(&h, US_HTTP_POST, us_bytes_of(text.s, text.n),
				    us_bytes_of(json, strlen(json)), NULL);
	us_helper_end(&h);
	if (err) {
		int chars;
		const char *host = host_of(url, &chars);

		return us_err_wrap(err, "telling %.*s", chars, host);
	}
	return NULL;
}
