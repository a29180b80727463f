/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to src/target: the words between this program and understudy-http, and what is inside the
 * latter. Both sides speak in frames: one byte of type, four of length (little-endian), then that
 * many bytes. A request is answered by one frame, but for DATA, which is answered only when it is
 * in vain.
 */
#ifndef US_TARGET_HTTP_INT_H
#define US_TARGET_HTTP_INT_H

#include "base/text.h"
#include "target/target-int.h"

#define US_HTTP_FRAME_HEAD 5
#define US_HTTP_FRAME_MAX  (64u << 20)
#define US_HTTP_DATA_MAX   (1u << 20) /* of one DATA frame */

enum us_http_frame {
	/* target.h's words of the target, NUL, decimal milliseconds that are left (0 = any) */
	US_HTTP_OPEN = 'o',
	US_HTTP_PUT = 'p',    /* name, NUL, bytes */
	US_HTTP_GET = 'g',    /* decimal most bytes, NUL, name */
	US_HTTP_LIST = 'l',   /* -> lines "BYTES NAME" */
	US_HTTP_DELETE = 'd', /* name */
	US_HTTP_BEGIN = 'b',  /* name: an upload of unknown size, by DATA */
	US_HTTP_DATA = 'w',
	US_HTTP_HEAD = 'h',   /* S3: DATA from now on is what the object begins with */
	US_HTTP_FINISH = 'f', /* all was sent */
	US_HTTP_ABORT = 'a',  /* nothing of it is wanted */
	US_HTTP_POST = 'P',   /* URL, NUL, CA file or empty, NUL, JSON; OPEN is not needed */
	/* answers */
	US_HTTP_OK = 'O',   /* bytes */
	US_HTTP_FAIL = 'E', /* decimal enum us_err_code, blank, decimal errno, blank, text */
};

/* ---- credentials.c ---- */
struct us_credentials { /* texts belong to the pool */
	const char *access, *secret, *token; /* S3; token NULL if there is none */
	const char *authorization;           /* HTTP: the header's value */
};
struct us_err *us_credentials_read(const char *path, enum us_target_kind kind, struct us_pool *pool,
				   struct us_credentials *ret) us_must_check;

/* ---- sigv4.c: AWS Signature Version 4 ---- */
struct us_sigv4_key {
	const char *access, *secret, *region, *service;
};
struct us_sigv4_header {
	const char *name, *value; /* the name in small letters */
};
struct us_sigv4_request {
	const char *method, *path, *query;     /* path and query as in the URL, query sorted */
	const struct us_sigv4_header *headers; /* sorted by name, host and x-amz-date among them */
	size_t n_headers;
	const char *payload;  /* its SHA-256 in hex, or UNSIGNED-PAYLOAD */
	const char *amz_date; /* "20130524T000000Z" */
};
/* The value of the Authorization header. */
struct us_err *us_sigv4_sign(const struct us_sigv4_key *key, const struct us_sigv4_request *request,
			     char **ret) us_must_check;
/* Percent-encoded as S3 wants it; slashes stay if keep_slash. */
void us_sigv4_encode(struct us_text *text, const char *s, bool keep_slash);
#define US_SHA256_HEX 65
void us_sha256_hex(struct us_bytes bytes, char ret[US_SHA256_HEX]);

/* ---- xml.c: as much XML as an object store answers ---- */
struct us_xml {
	struct us_bytes bytes;
	size_t at;
	struct us_bytes open; /* name of the element that was opened last */
	size_t text_at;       /* what follows it */
};
/* The end of the next element: its name, and its text if it has no elements in it (*ret_text owned
 * by pool; NULL otherwise). *ret_name NULL: the end. US_ERR_BAD_DATA with the offset. */
struct us_err *us_xml_next(struct us_xml *xml, struct us_pool *pool, const char **ret_name,
			   const char **ret_text) us_must_check;

#endif
