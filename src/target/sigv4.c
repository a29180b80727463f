/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * AWS Signature Version 4, as an object store of the S3 kind wants it: canonical request, string to
 * sign, derived key (Amazon S3 API Reference, "Signature Calculations for the Authorization
 * Header: Transferring Payload in a Single Chunk"). Chunked signatures are not done.
 */
#include "base/cleanup.h"
#include "target/http-int.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <string.h>

#define HASH_BYTES 32

static void hex(const uint8_t *p, size_t n, char *ret)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		ret[2 * i] = digits[p[i] >> 4];
		ret[2 * i + 1] = digits[p[i] & 15];
	}
	ret[2 * n] = 0;
}

void us_sha256_hex(struct us_bytes bytes, char ret[US_SHA256_HEX])
{
	uint8_t hash[HASH_BYTES];

	SHA256(bytes.p, bytes.n, hash);
	hex(hash, sizeof(hash), ret);
}

void us_sigv4_encode(struct us_text *text, const char *s, bool keep_slash)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if ((c < 0x80 && isalnum(c)) || strchr("-._~", c) || (c == '/' && keep_slash))
			us_text_put(text, s, 1);
		else
			us_text_add(text, "%%%02X", c);
	}
}

static bool mac(const uint8_t *key, size_t n_key, const char *text, uint8_t ret[HASH_BYTES])
{
	unsigned int n = HASH_BYTES;

	return HMAC(EVP_sha256(), key, (int)n_key, (const uint8_t *)text, strlen(text), ret, &n);
}

/* The names of the signed headers, with semicolons between them. */
static void signed_names(struct us_text *text, const struct us_sigv4_request *r)
{
	for (size_t i = 0; i < r->n_headers; i++)
		us_text_add(text, "%s%s", i ? ";" : "", r->headers[i].name);
}

static struct us_err *canonical_hash(const struct us_sigv4_request *r, char ret[US_SHA256_HEX])
{
	_us_text_deinit_ struct us_text text = { 0 };

	us_text_add(&text, "%s\n%s\n%s\n", r->method, r->path, r->query);
	for (size_t i = 0; i < r->n_headers; i++)
		us_text_add(&text, "%s:%s\n", r->headers[i].name, r->headers[i].value);
	us_text_add(&text, "\n");
	signed_names(&text, r);
	us_text_add(&text, "\n%s", r->payload);
	if (text.failed)
		return us_err_nomem();
	us_sha256_hex(us_bytes_of(text.s, text.n), ret);
	return NULL;
}

static struct us_err *signing_key(const struct us_sigv4_key *key, const char *day,
				  uint8_t ret[HASH_BYTES])
{
	_us_free_ char *first = NULL;
	uint8_t a[HASH_BYTES], b[HASH_BYTES];

	US_TRY(us_text_format(&first, "AWS4%s", key->secret));
	if (!mac((const uint8_t *)first, strlen(first), day, a) ||
	    !mac(a, sizeof(a), key->region, b) || !mac(b, sizeof(b), key->service, a) ||
	    !mac(a, sizeof(a), "aws4_request", ret))
		return us_err_nomem();
	return NULL;
}

struct us_err *us_sigv4_sign(const struct us_sigv4_key *key, const struct us_sigv4_request *r,
			     char **ret)
{
	_us_free_ char *scope = NULL, *to_sign = NULL;
	_us_text_deinit_ struct us_text text = { 0 };
	char canonical[US_SHA256_HEX], signature[US_SHA256_HEX], day[9];
	uint8_t secret[HASH_BYTES], signed_bytes[HASH_BYTES];

	memcpy(day, r->amz_date, 8);
	day[8] = 0;
	US_TRY(canonical_hash(r, canonical));
	US_TRY(us_text_format(&scope, "%s/%s/%s/aws4_request", day, key->region, key->service));
	US_TRY(us_text_format(&to_sign, "AWS4-HMAC-SHA256\n%s\n%s\n%s", r->amz_date, scope,
			      canonical));
	US_TRY(signing_key(key, day, secret));
	if (!mac(secret, sizeof(secret), to_sign, signed_bytes))
		return us_err_nomem();
	hex(signed_bytes, sizeof(signed_bytes), signature);
	us_text_add(&text, "AWS4-HMAC-SHA256 Credential=%s/%s,SignedHeaders=", key->access, scope);
	signed_names(&text, r);
	us_text_add(&text, ",Signature=%s", signature);
	return us_text_take(&text, ret);
}
