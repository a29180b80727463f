/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an object store of the S3 kind wants beyond plain HTTP (Amazon S3 API Reference): lists in
 * pages, uploads in parts, errors as XML. Part 1 goes last, so a dump's header can be written when
 * all else is known, and the object is the plain file. Parts grow slowly: 10000 of them are 500
 * GiB, and a small dump needs little memory.
 */
#include "base/cleanup.h"
#include "target/web-int.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#define PART_BYTES (5u << 20) /* the least that S3 takes, but for the last part */
#define PARTS_MAX  10000u
#define PARTS_STEP 500u /* after each so many parts, parts grow by PART_BYTES */
#define PAGES_MAX  1000u

/* ---- errors ---- */

static const struct {
	const char *s3;
	enum us_err_code code;
	const char *why;
} reasons[] = {
	{ "NoSuchBucket", US_ERR_NOT_FOUND, "there is no such bucket" },
	{ "NoSuchKey", US_ERR_NOT_FOUND, "there is no such object" },
	{ "NoSuchUpload", US_ERR_NOT_FOUND, "the upload was given up there" },
	{ "AccessDenied", US_ERR_DENIED, "these credentials may not do that in this bucket" },
	{ "InvalidAccessKeyId", US_ERR_DENIED, "the access key of credentials= is not known" },
	{ "SignatureDoesNotMatch", US_ERR_DENIED,
	  "the secret of credentials= is not the right one, or region= is another" },
	{ "ExpiredToken", US_ERR_DENIED, "the token of credentials= has expired" },
	{ "AuthorizationHeaderMalformed", US_ERR_USAGE, "region= is not the bucket's" },
	{ "PermanentRedirect", US_ERR_USAGE, "the bucket is at another endpoint=" },
	{ "RequestTimeTooSkewed", US_ERR_REFUSED, "the clock here is wrong" },
	{ "QuotaExceeded", US_ERR_NO_ROOM, "the quota there is used up" },
	{ "XMinioStorageFull", US_ERR_NO_ROOM, "no space is left there" },
	{ "EntityTooLarge", US_ERR_NO_ROOM, "that is more than the store takes" },
};

/* The text of the first element with that name; NULL if there is none. */
static const char *text_of(const struct us_web_answer *a, struct us_pool *pool, const char *wanted)
{
	struct us_xml xml = { .bytes = us_bytes_of(a->body.p, a->body.n) };
	const char *name, *text;

	for (;;) {
		struct us_err *err = us_xml_next(&xml, pool, &name, &text);

		if (err) {
			us_err_free(err);
			return NULL;
		}
		if (!name || (text && !strcmp(name, wanted)))
			return name ? text : NULL;
	}
}

/* "Fri, 24 May 2013 00:00:00 GMT" against our clock. */
static bool set_clock(struct us_web *web, const char *date)
{
	int64_t was = web->skew_s;
	struct tm tm = { 0 };
	const char *end = strptime(date, "%a, %d %b %Y %H:%M:%S", &tm);

	if (!end)
		return false;
	web->skew_s = (int64_t)timegm(&tm) - (int64_t)time(NULL);
	return web->skew_s != was;
}

struct us_err *us_s3_error(struct us_web *web, const struct us_web_answer *a, bool *ret_again)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const char *code = text_of(a, &pool, "Code"), *said = text_of(a, &pool, "Message");

	if (code && !strcmp(code, "RequestTimeTooSkewed") && set_clock(web, a->date))
		*ret_again = true;
	for (size_t i = 0; code && i < us_array_size(reasons); i++)
		if (!strcmp(reasons[i].s3, code))
			return us_err_new(reasons[i].code, "%s (%s, status %ld)", reasons[i].why,
					  code, a->status);
	if (a->status == 403 || a->status == 401)
		return us_err_new(US_ERR_DENIED,
				  "the store refuses these credentials (%s%sstatus %ld)",
				  code ? code : "", code ? ", " : "", a->status);
	if (a->status == 404)
		return us_err_new(US_ERR_NOT_FOUND, "no such bucket or object (status 404)");
	return us_err_new(US_ERR_OS, "the store answers with status %ld%s%s%s%s", a->status,
			  code ? ", " : "", code ? code : "", said ? ": " : "", said ? said : "");
}

/* ---- lists ---- */

static struct us_err *list_page(struct us_web *web, const char *prefix, const char *token,
				struct us_pool *pool, struct us_text *out, const char **ret_next)
{
	_us_web_answer_deinit_ struct us_web_answer answer = { 0 };
	_us_text_deinit_ struct us_text query = { 0 };
	struct us_web_request r = { .method = "GET", .name = "" };
	const char *name, *text, *key = NULL, *size = "0", *next = NULL, *more = "false";
	struct us_xml xml = { 0 };

	if (token) {
		us_text_add(&query, "continuation-token=");
		us_sigv4_encode(&query, token, false);
		us_text_add(&query, "&");
	}
	us_text_add(&query, "list-type=2&prefix=");
	us_sigv4_encode(&query, prefix, false);
	if (query.failed)
		return us_err_nomem();
	r.query = query.s;
	US_TRY(us_web_do(web, &r, &answer));
	xml.bytes = us_bytes_of(answer.body.p, answer.body.n);
	for (;;) {
		US_TRY(us_xml_next(&xml, pool, &name, &text));
		if (!name)
			break;
		if (text && !strcmp(name, "Key"))
			key = text;
		else if (text && !strcmp(name, "Size"))
			size = text;
		else if (text && !strcmp(name, "NextContinuationToken"))
			next = text;
		else if (text && !strcmp(name, "IsTruncated"))
			more = text;
		else if (!text && !strcmp(name, "Contents") && key &&
			 !strncmp(key, prefix, strlen(prefix)) && !strchr(key, '\n')) {
			us_text_add(out, "%s %s\n", size, key + strlen(prefix));
			key = NULL;
			size = "0";
		}
	}
	*ret_next = !strcmp(more, "true") ? next : NULL;
	return NULL;
}

struct us_err *us_s3_list(struct us_web *web, struct us_text *ret)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	_us_text_deinit_ struct us_text prefix = { 0 };
	const char *token = NULL;

	us_text_add(&prefix, "%s", web->spec.path);
	if (prefix.n && prefix.s[prefix.n - 1] != '/')
		us_text_add(&prefix, "/");
	if (prefix.failed)
		return us_err_nomem();
	for (unsigned int i = 0; i < PAGES_MAX; i++) {
		US_TRY(list_page(web, prefix.s, token, &pool, ret, &token));
		if (!token)
			return NULL;
	}
	return us_err_new(US_ERR_UNSUPPORTED, "too many objects");
}

/* ---- uploads ---- */

struct us_err *us_s3_begin(struct us_web *web, const char *name, struct us_s3_upload *ret)
{
	_us_web_answer_deinit_ struct us_web_answer answer = { 0 };
	struct us_web_request r = { .method = "POST", .query = "uploads=", .has_body = true };
	struct us_s3_upload up = { .web = web, .part = 2 };

	up.name = us_pool_strdup(&up.pool, name);
	up.etags = calloc(PARTS_MAX + 1, sizeof(*up.etags));
	up.buf = malloc(PART_BYTES);
	up.room = PART_BYTES;
	*ret = up;
	if (!up.name || !up.etags || !up.buf)
		return us_err_nomem();
	r.name = ret->name;
	US_TRY(us_web_do(web, &r, &answer));
	ret->id = text_of(&answer, &ret->pool, "UploadId");
	return ret->id ? NULL : us_err_new(US_ERR_BAD_DATA, "the store gives no UploadId");
}

void us_s3_upload_deinit(struct us_s3_upload *up)
{
	us_pool_deinit(&up->pool);
	free(up->etags);
	free(up->buf);
	*up = (struct us_s3_upload){ 0 };
}

static struct us_err *put_part(struct us_s3_upload *up, size_t number)
{
	_us_web_answer_deinit_ struct us_web_answer answer = { 0 };
	_us_text_deinit_ struct us_text query = { 0 };
	struct us_web_request r = { .method = "PUT",
				    .name = up->name,
				    .body = us_bytes_of(up->buf, up->n),
				    .has_body = true };

	if (number > PARTS_MAX)
		return us_err_new(US_ERR_NO_ROOM, "an object has %u parts at most", PARTS_MAX);
	us_text_add(&query, "partNumber=%zu&uploadId=", number);
	us_sigv4_encode(&query, up->id, false);
	if (query.failed)
		return us_err_nomem();
	r.query = query.s;
	US_TRY(us_web_do(up->web, &r, &answer));
	if (!*answer.etag)
		return us_err_new(US_ERR_BAD_DATA, "the store gives a part no ETag");
	up->etags[number] = us_pool_strdup(&up->pool, answer.etag);
	up->n = 0;
	return up->etags[number] ? NULL : us_err_nomem();
}

/* Room for n bytes more; the head has no bound but memory. */
static struct us_err *make_room(struct us_s3_upload *up, size_t room)
{
	uint8_t *more;

	if (room <= up->room)
		return NULL;
	more = realloc(up->buf, room);
	if (!more)
		return us_err_nomem();
	up->buf = more;
	up->room = room;
	return NULL;
}

static size_t part_bytes(size_t number)
{
	return (size_t)PART_BYTES * (1 + number / PARTS_STEP);
}

struct us_err *us_s3_data(struct us_s3_upload *up, struct us_bytes bytes)
{
	while (bytes.n) {
		size_t full = part_bytes(up->part), n;

		if (up->head)
			US_TRY(make_room(up, up->n + bytes.n));
		else
			US_TRY(make_room(up, full));
		n = up->head || bytes.n < full - up->n ? bytes.n : full - up->n;
		memcpy(up->buf + up->n, bytes.p, n);
		up->n += n;
		bytes = us_bytes_of(bytes.p + n, bytes.n - n);
		if (!up->head && up->n == full)
			US_TRY(put_part(up, up->part++));
	}
	return NULL;
}

struct us_err *us_s3_head(struct us_s3_upload *up)
{
	if (up->n)
		US_TRY(put_part(up, up->part++));
	up->head = true;
	return NULL;
}

struct us_err *us_s3_finish(struct us_s3_upload *up)
{
	_us_web_answer_deinit_ struct us_web_answer answer = { 0 };
	_us_text_deinit_ struct us_text query = { 0 }, xml = { 0 };
	struct us_web_request r = { .method = "POST", .name = up->name, .has_body = true };
	const char *code;

	if (up->n)
		US_TRY(put_part(up, up->head ? 1 : up->part++));
	us_text_add(&query, "uploadId=");
	us_sigv4_encode(&query, up->id, false);
	us_text_add(&xml, "<CompleteMultipartUpload>");
	for (size_t i = 1; i < up->part; i++)
		if (up->etags[i])
			us_text_add(&xml,
				    "<Part><PartNumber>%zu</PartNumber><ETag>%s</ETag></Part>", i,
				    up->etags[i]);
	us_text_add(&xml, "</CompleteMultipartUpload>");
	if (query.failed || xml.failed)
		return us_err_nomem();
	r.query = query.s;
	r.type = "application/xml";
	r.body = us_bytes_of(xml.s, xml.n);
	US_TRY(us_web_do(up->web, &r, &answer));
	/* the status was sent before the work was done: an error may follow it */
	code = text_of(&answer, &up->pool, "Code");
	return code ? us_err_new(US_ERR_REFUSED, "the store cannot put the parts together: %s", code)
		    : NULL;
}

struct us_err *us_s3_abort(struct us_s3_upload *up)
{
	_us_web_answer_deinit_ struct us_web_answer answer = { 0 };
	_us_text_deinit_ struct us_text query = { 0 };
	struct us_web_request r = { .method = "DELETE", .name = up->name };

	if (!up->id)
		return NULL;
	us_text_add(&query, "uploadId=");
	us_sigv4_encode(&query, up->id, false);
	if (query.failed)
		return us_err_nomem();
	r.query = query.s;
	return us_web_do(up->web, &r, &answer);
}
