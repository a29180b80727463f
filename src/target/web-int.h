/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to src/target, inside understudy-http only: one request after the other by libcurl
 * (http-request.c), what an object store needs beyond that (http-s3.c), and the frames
 * (http-main.c).
 */
#ifndef US_TARGET_WEB_INT_H
#define US_TARGET_WEB_INT_H

#include "target/http-int.h"

#include <curl/curl.h>

struct us_web {
	struct us_pool pool;
	struct us_target_spec spec;
	uint64_t deadline_ns;
	CURL *curl;
	struct us_credentials credentials; /* nothing without credentials= */
	int64_t skew_s;                    /* what the server's clock is ahead of ours */
};

struct us_web_request {
	const char *method;
	const char *url;          /* whole; NULL: made of the target and name */
	const char *name, *query; /* the query encoded and sorted; "" */
	struct us_bytes body;
	bool has_body;
	size_t most;      /* bytes of the answer that are wanted; 0: all, as far as that is sane */
	const char *type; /* Content-Type or NULL */
	/* a body of unknown size instead: 0 at the end, SIZE_MAX to give up */
	size_t (*pull)(void *data, char *to, size_t n);
	void *pull_data;
};
struct us_web_answer {
	long status;
	struct us_blob body; /* with a NUL behind it */
	char etag[128], date[64], location[256];
};
struct us_err *us_web_open(struct us_web *web, const char *words, uint64_t deadline_ns)
	us_must_check;
void us_web_deinit(struct us_web *web);
/* With another try where that makes sense. A status that is no success is an error in words. */
struct us_err *us_web_do(struct us_web *web, const struct us_web_request *request,
			 struct us_web_answer *ret) us_must_check;
void us_web_answer_deinit(struct us_web_answer *answer);
#define _us_web_answer_deinit_ __attribute__((cleanup(us_web_answer_deinit)))

/* ---- http-s3.c ---- */
/* A refusal of an object store in words; *ret_again: the clock was corrected, it is worth another
 * try. */
struct us_err *us_s3_error(struct us_web *web, const struct us_web_answer *answer, bool *ret_again)
	us_must_check;
struct us_err *us_s3_list(struct us_web *web, struct us_text *ret) us_must_check;

/* An upload in parts. Part 1 comes last: until then data are kept for the next part. */
struct us_s3_upload {
	struct us_web *web;
	struct us_pool pool;
	const char *name, *id;
	const char **etags; /* of parts 1, 2... */
	size_t cap, part;   /* the next one */
	uint8_t *buf;
	size_t n, room;
	bool head; /* what comes now is part 1 */
};
struct us_err *us_s3_begin(struct us_web *web, const char *name, struct us_s3_upload *ret)
	us_must_check;
struct us_err *us_s3_data(struct us_s3_upload *up, struct us_bytes bytes) us_must_check;
struct us_err *us_s3_head(struct us_s3_upload *up) us_must_check;
struct us_err *us_s3_finish(struct us_s3_upload *up) us_must_check;
struct us_err *us_s3_abort(struct us_s3_upload *up) us_must_check;
void us_s3_upload_deinit(struct us_s3_upload *up);

#endif
