/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to src/target, inside understudy-far only: the far end of HTTP and S3 targets for a
 * rehearsal. One connection a process; what is kept lies in a folder, so several processes may
 * serve it at a time. Functions that get a connection answer nothing when they fail: us_far_serve()
 * tells the client why, unless the connection is lost.
 */
#ifndef US_TARGET_FAR_INT_H
#define US_TARGET_FAR_INT_H

#include "target/http-int.h"

#include <sys/stat.h>

#define US_FAR_HEAD_MAX    (64u << 10)
#define US_FAR_HEADERS_MAX 100u
#define US_FAR_IDLE_MS     300000
#define US_FAR_UPLOADS     ".uploads" /* what is not whole yet, below the folder; no name of a client */

/* ---- far-request.c: HTTP/1.1 ---- */
/* Why a request is refused: names and statuses as S3 has them, where it has. */
enum us_far_code {
	US_FAR_NOTHING,
	US_FAR_BAD_REQUEST,
	US_FAR_INVALID_URI,
	US_FAR_INVALID_ARGUMENT,
	US_FAR_MALFORMED_XML,
	US_FAR_INVALID_PART,
	US_FAR_INVALID_PART_ORDER,
	US_FAR_ENTITY_TOO_SMALL,
	US_FAR_SHA256_MISMATCH,
	US_FAR_AUTHORIZATION_MALFORMED,
	US_FAR_INVALID_TOKEN,
	US_FAR_UNAUTHORIZED,
	US_FAR_ACCESS_DENIED,
	US_FAR_INVALID_ACCESS_KEY,
	US_FAR_SIGNATURE_DIFFERS,
	US_FAR_CLOCK_SKEWED,
	US_FAR_NO_SUCH_FILE,
	US_FAR_NO_SUCH_BUCKET,
	US_FAR_NO_SUCH_KEY,
	US_FAR_NO_SUCH_UPLOAD,
	US_FAR_METHOD_NOT_ALLOWED,
	US_FAR_CONFLICT,
	US_FAR_LENGTH_REQUIRED,
	US_FAR_TOO_LARGE,
	US_FAR_INVALID_RANGE,
	US_FAR_HEAD_TOO_LARGE,
	US_FAR_INTERNAL,
	US_FAR_NOT_IMPLEMENTED,
	US_FAR_VERSION,
	US_FAR_FULL,
};

struct us_far_io {
	/* At least one byte; 0 at the end. */
	struct us_err *(*read)(void *data, void *p, size_t n, size_t *ret);
	struct us_err *(*write)(void *data, struct us_bytes bytes);
	void *data;
};

/* The request at hand; texts live until the next one. */
struct us_far_request {
	struct us_pool pool;
	const char *method;
	const char *path; /* decoded, with its first slash; no part is "", "." or "..", but the last
			     may be "" */
	struct us_sigv4_header *query; /* decoded; by name */
	size_t n_query;
	struct us_sigv4_header *headers; /* as they came */
	size_t n_headers;
	bool expects, chunked, in_chunks; /* 100-continue; the body's form */
	uint64_t left;                    /* bytes of the body, or of the chunk at hand */
	bool answered;
	enum us_far_code refused;
};

struct us_far_conn {
	struct us_far_io io;
	bool xml;   /* refusals are S3's XML; plain text otherwise */
	bool close; /* after this request */
	bool lost;  /* nothing can be said any more */
	/* what was refused, for people; NULL: nobody listens */
	void (*tell)(void *data, const struct us_err *err);
	void *tell_data;
	struct us_far_request r;
	size_t from, n; /* what of buf was read and not used */
	uint8_t buf[US_FAR_HEAD_MAX];
};

/* Requests, one after the other, until the client ends it; handle() reads the body and answers. */
struct us_err *us_far_serve(struct us_far_conn *c,
			    struct us_err *(*handle)(void *data, struct us_far_conn *c), void *data)
	us_must_check;
/* An error that is answered with this code. */
struct us_err *us_far_refuse(struct us_far_conn *c, enum us_far_code code, const char *fmt, ...)
	us_must_check us_printf(3, 4);
/* A header's value by its name in small letters, or NULL; a query's, decoded. */
const char *us_far_header(const struct us_far_conn *c, const char *name);
const char *us_far_query(const struct us_far_conn *c, const char *name);
/* The next piece of the body, good until the next call; empty at its end. */
struct us_err *us_far_body(struct us_far_conn *c, struct us_bytes *ret) us_must_check;
/* headers: lines "Name: value\r\n". */
struct us_err *us_far_answer(struct us_far_conn *c, unsigned int status, const char *headers,
			     struct us_bytes body) us_must_check;
/* A file, or the Range of it that is asked for; without its bytes for HEAD. */
struct us_err *us_far_answer_file(struct us_far_conn *c, int fd, uint64_t size, const char *headers)
	us_must_check;

/* Text of XML, with entities. */
void us_far_xml(struct us_text *text, const char *s);

/* ---- far-store.c: files below a folder, whose names come from the client ---- */
/* A file that is being received; it has no name before us_far_settle(). */
struct us_far_file {
	int fd, folder; /* -1: none */
	char name[40];  /* in folder; "" when it is not there any more */
};
#define US_FAR_NO_FILE                                                                             \
	{                                                                                          \
		.fd = -1, .folder = -1                                                             \
	}
void us_far_file_deinit(struct us_far_file *file);
#define _us_far_file_deinit_ __attribute__((cleanup(us_far_file_deinit)))

/* 32 hexadecimal digits that nobody guesses. */
struct us_err *us_far_random(char ret[33]) us_must_check;
/* The folder that path lies in (made, if make) and its last part; US_FAR_NO_SUCH_FILE. */
struct us_err *us_far_parent(struct us_far_conn *c, int root, const char *path, bool make,
			     int *ret_fd, const char **ret_name) us_must_check;
/* A regular file, to be read; US_FAR_NO_SUCH_FILE if it is none. */
struct us_err *us_far_open(struct us_far_conn *c, int root, const char *path, int *ret_fd,
			   struct stat *ret) us_must_check;
struct us_err *us_far_remove(struct us_far_conn *c, int root, const char *path) us_must_check;
struct us_err *us_far_begin(struct us_far_conn *c, int root, struct us_far_file *ret) us_must_check;
/* The body of the request, into it; its SHA-256, too, if ret_hash is not NULL. */
struct us_err *us_far_receive(struct us_far_conn *c, struct us_far_file *file,
			      char ret_hash[US_SHA256_HEX]) us_must_check;
/* It takes its name in folder, in place of what was there. */
struct us_err *us_far_settle(struct us_far_conn *c, struct us_far_file *file, int folder,
			     const char *name) us_must_check;

/* ---- far-http.c, far-s3.c: data of us_far_serve() ---- */
struct us_far_http {
	int root;
	struct us_credentials credentials;
};
struct us_err *us_far_http(void *data, struct us_far_conn *c) us_must_check;
struct us_far_s3 {
	int root;
	const char *bucket, *region;
	struct us_credentials credentials; /* access NULL: anybody may */
};
struct us_err *us_far_s3(void *data, struct us_far_conn *c) us_must_check;
/* far-sign.c: the request's signature. What it says of the body is compared with the hash of that. */
struct us_err *us_far_signature(const struct us_far_s3 *s, struct us_far_conn *c) us_must_check;
struct us_err *us_far_payload(struct us_far_conn *c, const char *hash) us_must_check;

/* ---- far-tls.c: descriptors 0 and 1 ---- */
struct us_far_wire;
/* pem: a file with key and certificate; NULL: no TLS. Both descriptors no longer block. */
struct us_err *us_far_wire_new(const char *pem, struct us_far_wire **ret, struct us_far_io *ret_io)
	us_must_check;
/* So that the client hears the last answer, though it may still be sending. */
void us_far_wire_free(struct us_far_wire *wire);
struct us_err *us_far_unblock(int fd) us_must_check;
/* US_ERR_OS ETIMEDOUT after US_FAR_IDLE_MS. */
struct us_err *us_far_wait(int fd, short events) us_must_check;
struct us_err *us_far_certificate(const char *path, const char *address) us_must_check;

#endif
