/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to signature.c, authenticode.c, certs.c and trust.c: a signed PE file as the kernel's
 * verifier sees it. */
#ifndef US_IMAGE_SIGNATURE_INT_H
#define US_IMAGE_SIGNATURE_INT_H

#include "image/image.h"

#include <openssl/bio.h>
#include <openssl/x509.h>

static inline void us_x509_freep(X509 **x)
{
	X509_free(*x);
}
static inline void us_bio_freep(BIO **b)
{
	BIO_free(*b);
}
#define _x509_free_ __attribute__((cleanup(us_x509_freep)))
#define _bio_free_  __attribute__((cleanup(us_bio_freep)))

struct us_signed_pe {
	struct us_bytes file;
	uint64_t checksum;      /* offset of the CheckSum field (4 bytes) */
	uint64_t cert_dir;      /* offset of data directory 4 (8 bytes) */
	uint32_t headers_bytes; /* SizeOfHeaders */
	uint64_t sections;      /* offset of the section table */
	uint32_t n_sections;
	uint32_t certs, certs_bytes; /* certificate table */
	struct us_bytes pkcs7;       /* in the first WIN_CERTIFICATE */
};

/* A problem as the kernel would meet it: words and its errno. text NULL: none. */
struct us_pe_problem {
	const char *text;
	int os_errno;
};
/* ENOTSUPP, kernel-internal: user space sees the bare number. */
#define US_ENOTSUPP 524

/* ret is filled as far as the parsing came. */
struct us_pe_problem us_signed_pe_parse(struct us_bytes file, struct us_signed_pe *ret);

/* certs.c: facts about certificates, kept in pool. Texts are never NULL. */
struct us_err *us_cert_hex(struct us_pool *pool, const uint8_t *p, size_t n, const char **ret)
	us_must_check;
struct us_err *us_cert_name(struct us_pool *pool, const X509_NAME *name, const char **ret)
	us_must_check;
struct us_err *us_cert_number(struct us_pool *pool, const ASN1_INTEGER *number, const char **ret)
	us_must_check;
struct us_err *us_cert_read(struct us_pool *pool, X509 *x, struct us_cert *ret) us_must_check;
X509 *us_cert_x509(const struct us_cert *cert); /* to be freed; NULL without memory */
bool us_cert_signed_by(const struct us_cert *cert, const struct us_cert *issuer);
/* Fills in issued_by and link_ok of n certificates. */
void us_certs_link(struct us_cert *certs, size_t n);

/* The second half of us_image_verify_signature(), for one file. */
struct us_err *us_authenticode_verify(struct us_pool *pool, const struct us_signed_pe *pe,
				      struct us_signature *signature) us_must_check;
/* Did the key of cert make the signature of that signer? */
bool us_signer_is(const struct us_signature *signature, size_t signer, const struct us_cert *cert);

#endif
