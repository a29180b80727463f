/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * understudy-http: HTTP, TLS and object stores for programs that are to stay small (the capture
 * program is static and has no libraries). It reads frames (http-int.h) on standard input, one
 * request after the other, and answers on standard output. It ends when its input does.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "target/web-int.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>

struct server {
	struct us_web web;
	uint8_t *frame; /* the one that was read last; a NUL behind it */
	size_t n, room;
	uint8_t type;
	/* an upload by PUT that reads frames itself */
	struct us_bytes left; /* of the DATA frame at hand */
	bool closed;          /* FINISH or ABORT was read */
	bool at_end;          /* the input has ended */
};

/* ---- frames ---- */

static bool read_all(void *p, size_t n)
{
	uint8_t *to = p;

	while (n) {
		ssize_t got = read(0, to, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return false;
		to += got;
		n -= (size_t)got;
	}
	return true;
}

/* False at the end of the input, or if what comes is none of our frames. */
static bool read_frame(struct server *s)
{
	uint8_t head[US_HTTP_FRAME_HEAD];
	uint32_t n = 0;

	s->at_end = true;
	if (!read_all(head, sizeof(head)) || !us_le32(us_bytes_of(head + 1, 4), 0, &n) ||
	    n > US_HTTP_FRAME_MAX)
		return false;
	if (n + 1 > s->room) {
		free(s->frame);
		s->room = n + 1;
		s->frame = malloc(s->room);
		if (!s->frame)
			return false;
	}
	if (!read_all(s->frame, n))
		return false;
	s->frame[n] = 0;
	s->n = n;
	s->type = head[0];
	s->at_end = false;
	return true;
}

static struct us_err *answer(uint8_t type, struct us_bytes bytes)
{
	uint8_t head[US_HTTP_FRAME_HEAD] = { type };

	us_put_le32(head + 1, (uint32_t)bytes.n);
	US_TRY(us_file_write_all(1, us_bytes_of(head, sizeof(head)), "an answer"));
	return us_file_write_all(1, bytes, "an answer");
}

static struct us_err *answer_error(const struct us_err *err)
{
	_us_free_ char *text = NULL;

	US_TRY(us_text_format(&text, "%u %d %s", (unsigned int)err->code, err->os_errno, err->text));
	return answer(US_HTTP_FAIL, us_bytes_of(text, strlen(text)));
}

/* The text at the front of the frame, and what follows its NUL. */
static const char *split(struct server *s, struct us_bytes *ret_rest)
{
	size_t n = strnlen((const char *)s->frame, s->n);

	*ret_rest = n < s->n ? us_bytes_of(s->frame + n + 1, s->n - n - 1) : us_bytes_of("", 0);
	return (const char *)s->frame;
}

/* ---- requests ---- */

static struct us_err *open_target(struct server *s, struct us_text *out)
{
	struct us_bytes rest;
	const char *words = split(s, &rest);
	uint64_t ms = 0;

	(void)out;
	if (!us_text_u64((const char *)rest.p, 10, &ms))
		return us_err_new(US_ERR_BAD_DATA, "no time in the first frame");
	return us_web_open(&s->web, words, ms ? us_target_now_ns() + ms * 1000000 : 0);
}

static struct us_err *put(struct server *s, struct us_text *out)
{
	_us_web_answer_deinit_ struct us_web_answer a = { 0 };
	struct us_web_request r = { .method = "PUT", .query = "", .has_body = true };

	(void)out;
	r.name = split(s, &r.body);
	r.type = "application/octet-stream";
	return us_web_do(&s->web, &r, &a);
}

static struct us_err *get(struct server *s, struct us_text *out)
{
	_us_web_answer_deinit_ struct us_web_answer a = { 0 };
	struct us_web_request r = { .method = "GET", .query = "" };
	struct us_bytes rest;
	uint64_t most;

	if (!us_text_u64(split(s, &rest), 10, &most) || !most)
		return us_err_new(US_ERR_BAD_DATA, "how much is wanted?");
	r.most = most < US_HTTP_FRAME_MAX ? (size_t)most : US_HTTP_FRAME_MAX;
	r.name = (const char *)rest.p;
	US_TRY(us_web_do(&s->web, &r, &a));
	if (a.body.n)
		us_text_put(out, a.body.p, a.body.n);
	return NULL;
}

static struct us_err *list(struct server *s, struct us_text *out)
{
	if (s->web.spec.kind != US_TARGET_S3)
		return us_err_new(US_ERR_UNSUPPORTED, "HTTP has no lists");
	return us_s3_list(&s->web, out);
}

static struct us_err *drop(struct server *s, struct us_text *out)
{
	_us_web_answer_deinit_ struct us_web_answer a = { 0 };
	struct us_web_request r = { .method = "DELETE",
				    .query = "",
				    .name = (const char *)s->frame };

	(void)out;
	return us_web_do(&s->web, &r, &a);
}

static struct us_err *post(struct server *s, struct us_text *out)
{
	_us_web_answer_deinit_ struct us_web_answer a = { 0 };
	struct us_web_request r = { .method = "POST", .query = "", .has_body = true };
	struct us_bytes rest;
	const char *ca;

	(void)out;
	r.type = "application/json";
	r.url = split(s, &rest);
	ca = (const char *)rest.p;
	rest = us_bytes_of(rest.p + strlen(ca), rest.n - strlen(ca));
	r.body = rest.n ? us_bytes_of(rest.p + 1, rest.n - 1) : rest;
	if (!s->web.curl) {
		s->web.curl = curl_easy_init();
		if (!s->web.curl)
			return us_err_nomem();
	}
	s->web.spec.ca = *ca ? us_pool_strdup(&s->web.pool, ca) : s->web.spec.ca;
	return us_web_do(&s->web, &r, &a);
}

/* ---- uploads ---- */

/* What libcurl sends next of a PUT: out of DATA frames as they come. */
static size_t pull(void *data, char *to, size_t n)
{
	struct server *s = data;

	while (!s->left.n) {
		if (s->closed)
			return s->type == US_HTTP_FINISH ? 0 : SIZE_MAX;
		if (!read_frame(s))
			return SIZE_MAX;
		if (s->type == US_HTTP_FINISH || s->type == US_HTTP_ABORT)
			s->closed = true;
		else if (s->type == US_HTTP_DATA)
			s->left = us_bytes_of(s->frame, s->n);
		else
			return SIZE_MAX;
	}
	n = n < s->left.n ? n : s->left.n;
	memcpy(to, s->left.p, n);
	s->left = us_bytes_of(s->left.p + n, s->left.n - n);
	return n;
}

static struct us_err *upload_stream(struct server *s, const char *name)
{
	_us_web_answer_deinit_ struct us_web_answer a = { 0 };
	struct us_web_request r = { .method = "PUT",
				    .name = name,
				    .query = "",
				    .type = "application/octet-stream",
				    .pull = pull,
				    .pull_data = s };
	struct us_err *err = us_web_do(&s->web, &r, &a);

	if (s->closed && s->type == US_HTTP_ABORT) { /* so it was wanted */
		us_err_free(err);
		return NULL;
	}
	return err;
}

static struct us_err *next_of_parts(struct server *s, struct us_s3_upload *up)
{
	switch (s->type) {
	case US_HTTP_DATA:
		return us_s3_data(up, us_bytes_of(s->frame, s->n));
	case US_HTTP_HEAD:
		return us_s3_head(up);
	case US_HTTP_FINISH:
		s->closed = true;
		return us_s3_finish(up);
	case US_HTTP_ABORT:
		s->closed = true;
		return us_s3_abort(up);
	default:
		return us_err_new(US_ERR_BAD_DATA, "a frame that has no place in an upload");
	}
}

static struct us_err *upload_parts(struct server *s, const char *name)
{
	struct us_s3_upload up = { 0 };
	struct us_err *err = us_s3_begin(&s->web, name, &up);

	while (!err && !s->closed && read_frame(s))
		err = next_of_parts(s, &up);
	if (err || !s->closed)
		us_err_free(us_s3_abort(&up));
	us_s3_upload_deinit(&up);
	return err;
}

/* One answer, as soon as it is known; the frames that were on their way are read and dropped. */
static struct us_err *upload(struct server *s)
{
	_us_free_ char *name = strdup((const char *)s->frame);
	_us_err_free_ struct us_err *err = NULL;

	if (!name)
		return us_err_nomem();
	s->closed = false;
	s->left = us_bytes_of("", 0);
	err = s->web.spec.kind == US_TARGET_S3 ? upload_parts(s, name) : upload_stream(s, name);
	if (s->at_end)
		return NULL;
	US_TRY(err ? answer_error(err) : answer(US_HTTP_OK, us_bytes_of("", 0)));
	while (!s->closed && read_frame(s))
		s->closed = s->type == US_HTTP_FINISH || s->type == US_HTTP_ABORT;
	return NULL;
}

static const struct {
	uint8_t type;
	struct us_err *(*run)(struct server *s, struct us_text *out);
} requests[] = {
	{ US_HTTP_OPEN, open_target }, { US_HTTP_PUT, put },     { US_HTTP_GET, get },
	{ US_HTTP_LIST, list },        { US_HTTP_DELETE, drop }, { US_HTTP_POST, post },
};

static struct us_err *serve(struct server *s)
{
	_us_text_deinit_ struct us_text out = { 0 };
	_us_err_free_ struct us_err *err = NULL;

	if (s->type != US_HTTP_OPEN && s->type != US_HTTP_POST && !s->web.spec.host)
		return us_err_new(US_ERR_BAD_DATA, "no target was opened");
	if (s->type == US_HTTP_BEGIN)
		return upload(s);
	for (size_t i = 0; i < us_array_size(requests); i++) {
		if (requests[i].type != s->type)
			continue;
		err = requests[i].run(s, &out);
		if (!err && out.failed)
			err = us_err_nomem();
		return err ? answer_error(err) : answer(US_HTTP_OK, us_bytes_of(out.s, out.n));
	}
	return us_err_new(US_ERR_BAD_DATA, "an unknown frame");
}

int main(void)
{
	struct server s = { 0 };
	struct us_err *err = NULL;

	signal(SIGPIPE, SIG_IGN);
	if (curl_global_init(CURL_GLOBAL_DEFAULT))
		return 3;
	while (!err && read_frame(&s))
		err = serve(&s);
	if (err) {
		us_err_free(answer_error(err));
		us_err_free(err);
	}
	us_web_deinit(&s.web);
	free(s.frame);
	curl_global_cleanup();
	return err ? 3 : 0;
}
