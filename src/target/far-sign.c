/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a request to an object store is signed with the right secret (AWS Signature Version 4 in
 * the Authorization header): the signature is made again of what was signed, by sigv4.c. No signed
 * URLs, no signatures chunk by chunk, no blanks in a row within a header's value.
 */
#include "base/cleanup.h"
#include "target/far-int.h"

#include <string.h>
#include <time.h>

#define ALGORITHM "AWS4-HMAC-SHA256 "
#define SKEW_S    900
#define DATE_N    16 /* 20130524T000000Z */

struct signature {
	char *access, *day, *region, *service, *last; /* Credential=, taken apart */
	char *names, *value;
};

static struct us_err *parse(struct us_far_conn *c, struct signature *ret)
{
	const char *header = us_far_header(c, "authorization");
	char *text, *word, *credential = NULL;

	if (!header)
		return us_far_refuse(c, US_FAR_ACCESS_DENIED, "the request is not signed");
	if (strncmp(header, ALGORITHM, strlen(ALGORITHM)) != 0)
		return us_far_refuse(c, US_FAR_AUTHORIZATION_MALFORMED, "no " ALGORITHM);
	text = us_pool_strdup(&c->r.pool, header + strlen(ALGORITHM));
	if (!text)
		return us_err_nomem();
	while ((word = strsep(&text, ","))) {
		word = us_text_strip(word);
		if (!strncmp(word, "Credential=", 11))
			credential = word + 11;
		else if (!strncmp(word, "SignedHeaders=", 14))
			ret->names = word + 14;
		else if (!strncmp(word, "Signature=", 10))
			ret->value = word + 10;
	}
	ret->access = strsep(&credential, "/");
	ret->day = strsep(&credential, "/");
	ret->region = strsep(&credential, "/");
	ret->service = strsep(&credential, "/");
	ret->last = strsep(&credential, "/");
	if (!ret->last || credential || !ret->names || !ret->value)
		return us_far_refuse(c, US_FAR_AUTHORIZATION_MALFORMED,
				     "Credential, SignedHeaders or Signature is missing");
	return NULL;
}

static struct us_err *check_scope(const struct us_far_s3 *s, struct us_far_conn *c,
				  const struct signature *is)
{
	const char *date = us_far_header(c, "x-amz-date"), *end = NULL;
	const char *token = us_far_header(c, "x-amz-security-token");
	struct tm tm = { 0 };
	int64_t skew;

	if (strcmp(is->access, s->credentials.access) != 0)
		return us_far_refuse(c, US_FAR_INVALID_ACCESS_KEY, "that access key is not known");
	if (strcmp(is->region, s->region) != 0 || strcmp(is->service, "s3") != 0 ||
	    strcmp(is->last, "aws4_request") != 0)
		return us_far_refuse(c, US_FAR_AUTHORIZATION_MALFORMED,
				     "signed for region %s and service %s, not %s and s3",
				     is->region, is->service, s->region);
	if (!token != !s->credentials.token || (token && strcmp(token, s->credentials.token) != 0))
		return us_far_refuse(c, US_FAR_INVALID_TOKEN, "the token is not the right one");
	if (date && strlen(date) == DATE_N)
		end = strptime(date, "%Y%m%dT%H%M%SZ", &tm);
	if (!end || *end || strlen(is->day) != 8 || strncmp(date, is->day, 8) != 0)
		return us_far_refuse(c, US_FAR_ACCESS_DENIED, "no X-Amz-Date of the day signed for");
	skew = (int64_t)timegm(&tm) - (int64_t)time(NULL);
	if (skew > SKEW_S || skew < -SKEW_S)
		return us_far_refuse(c, US_FAR_CLOCK_SKEWED, "the clocks differ by %lld s",
				     (long long)skew);
	return NULL;
}

/* The headers that are signed, in their order; what has to be among them is. */
static struct us_err *take_signed(struct us_far_conn *c, const char *names,
				  struct us_sigv4_request *ret)
{
	const struct us_far_request *r = &c->r;
	struct us_sigv4_header *list = us_pool_array(&c->r.pool, US_FAR_HEADERS_MAX, sizeof(*list));
	char *rest = us_pool_strdup(&c->r.pool, names), *name;
	size_t n = 0;

	if (!list || !rest)
		return us_err_nomem();
	while ((name = strsep(&rest, ";"))) {
		list[n] = (struct us_sigv4_header){ name, us_far_header(c, name) };
		if (!list[n].value || ++n == US_FAR_HEADERS_MAX)
			return us_far_refuse(c, US_FAR_ACCESS_DENIED, "%s is signed and not there",
					     name);
	}
	for (size_t i = 0; i < r->n_headers; i++) {
		const char *wanted = r->headers[i].name;
		bool found = strcmp(wanted, "host") != 0 && strncmp(wanted, "x-amz-", 6) != 0;

		for (size_t k = 0; k < n; k++)
			found |= !strcmp(list[k].name, wanted);
		if (!found)
			return us_far_refuse(c, US_FAR_ACCESS_DENIED, "%s is not signed", wanted);
	}
	ret->headers = list;
	ret->n_headers = n;
	return NULL;
}

struct us_err *us_far_signature(const struct us_far_s3 *s, struct us_far_conn *c)
{
	const struct us_sigv4_key key = { s->credentials.access, s->credentials.secret, s->region,
					  "s3" };
	_us_text_deinit_ struct us_text path = { 0 }, query = { 0 };
	struct us_sigv4_request r = { .method = c->r.method };
	_us_free_ char *right = NULL;
	struct signature is = { 0 };

	US_TRY(parse(c, &is));
	US_TRY(check_scope(s, c, &is));
	US_TRY(take_signed(c, is.names, &r));
	r.payload = us_far_header(c, "x-amz-content-sha256");
	r.amz_date = us_far_header(c, "x-amz-date");
	if (!r.payload)
		return us_far_refuse(c, US_FAR_BAD_REQUEST, "no X-Amz-Content-SHA256");
	us_sigv4_encode(&path, c->r.path, true);
	us_text_add(&query, "%s", "");
	for (size_t i = 0; i < c->r.n_query; i++) {
		us_text_add(&query, "%s", i ? "&" : "");
		us_sigv4_encode(&query, c->r.query[i].name, false);
		us_text_add(&query, "=");
		us_sigv4_encode(&query, c->r.query[i].value, false);
	}
	if (path.failed || query.failed)
		return us_err_nomem();
	r.path = path.s;
	r.query = query.s;
	US_TRY(us_sigv4_sign(&key, &r, &right));
	if (strcmp(strstr(right, ",Signature=") + 11, is.value) != 0)
		return us_far_refuse(c, US_FAR_SIGNATURE_DIFFERS,
				     "the signature is not the one of this request and secret");
	return NULL;
}

struct us_err *us_far_payload(struct us_far_conn *c, const char *hash)
{
	const char *said = us_far_header(c, "x-amz-content-sha256");

	if (!said || !strcmp(said, "UNSIGNED-PAYLOAD") || !strcmp(said, hash))
		return NULL;
	if (strlen(said) != US_SHA256_HEX - 1)
		return us_far_refuse(c, US_FAR_NOT_IMPLEMENTED, "signatures chunk by chunk");
	return us_far_refuse(c, US_FAR_SHA256_MISMATCH, "the body is not the one that was signed");
}
