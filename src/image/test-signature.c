/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of signature and authenticode: a small PE file is made and signed here with a fresh key, so
 * that every lie about it can be told; the digest is computed apart from the code under test.
 */
#include "image/image-int.h"

#include "base/cleanup.h"

#include <errno.h>
#include <openssl/evp.h>
#include <openssl/pkcs7.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define PE         0x40
#define OPT        (PE + 24)
#define CHECKSUM   (OPT + 64)
#define DIRS       (OPT + 112)
#define N_DIRS     6
#define CERT_DIR   (DIRS + 4 * 8)
#define SECTIONS   (DIRS + N_DIRS * 8)
#define HEADERS    0x200
#define BODY_BYTES 0x610 /* headers, two sections and 16 bytes behind them */
#define FILE_BYTES 0x1000

static uint8_t file[FILE_BYTES];
#define SPC_OID "1.3.6.1.4.1.311.2.1.4"

struct signer {
	EVP_PKEY *key;
	X509 *cert;
};

static void make_section(unsigned int i, const char *name, uint32_t raw, uint32_t bytes)
{
	uint8_t *p = file + SECTIONS + i * 40;

	memcpy(p, name, strlen(name));
	us_put_le32(p + 8, bytes);
	us_put_le32(p + 12, raw + 0x1000);
	us_put_le32(p + 16, bytes);
	us_put_le32(p + 20, raw);
}

/* Sections stand in the table against their order in the file. */
static void make_pe(void)
{
	memset(file, 0, sizeof(file));
	memcpy(file, "MZ", 2);
	us_put_le32(file + 0x3c, PE);
	memcpy(file + PE, "PE\0", 4);
	us_put_le16(file + PE + 4, 0x8664);
	us_put_le16(file + PE + 6, 2);
	us_put_le16(file + OPT, 0x20b);
	us_put_le32(file + OPT + 60, HEADERS);
	us_put_le32(file + CHECKSUM, 0x12345678);
	us_put_le32(file + OPT + 108, N_DIRS);
	make_section(0, ".data", 0x400, 0x200);
	make_section(1, ".text", 0x200, 0x200);
	for (size_t i = HEADERS; i < BODY_BYTES; i++)
		file[i] = (uint8_t)(i * 7 + 1);
}

static void digest_pe(uint8_t sum[32])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
	EVP_DigestUpdate(ctx, file, CHECKSUM);
	EVP_DigestUpdate(ctx, file + CHECKSUM + 4, CERT_DIR - CHECKSUM - 4);
	EVP_DigestUpdate(ctx, file + CERT_DIR + 8, BODY_BYTES - CERT_DIR - 8);
	EVP_DigestFinal_ex(ctx, sum, NULL);
	EVP_MD_CTX_free(ctx);
}

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX ctx;
	X509_EXTENSION *ext;

	X509V3_set_ctx_nodb(&ctx);
	X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	assert_non_null(ext);
	X509_add_ext(cert, ext, -1);
	X509_EXTENSION_free(ext);
}

static struct signer make_signer(const char *name)
{
	struct signer s = { EVP_RSA_gen(2048), X509_new() };
	X509_NAME *subject = X509_get_subject_name(s.cert);

	assert_non_null(s.key);
	X509_set_version(s.cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(s.cert), 4711);
	X509_gmtime_adj(X509_getm_notBefore(s.cert), -86400);
	X509_gmtime_adj(X509_getm_notAfter(s.cert), -3600); /* expired: the kernel does not mind */
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1, 0);
	X509_set_issuer_name(s.cert, subject);
	X509_set_pubkey(s.cert, s.key);
	add_extension(s.cert, NID_subject_key_identifier, "hash");
	add_extension(s.cert, NID_authority_key_identifier, "keyid:always");
	assert_true(X509_sign(s.cert, s.key, EVP_sha256()) > 0);
	return s;
}

static void free_signer(struct signer s)
{
	EVP_PKEY_free(s.key);
	X509_free(s.cert);
}

/* SpcIndirectDataContent with this digest; its value starts 2 bytes in. */
static size_t make_content(uint8_t *out, const uint8_t sum[32])
{
	static const uint8_t before[] = {
		0x30, 76,   0x30, 23,   0x06, 10,   0x2b, 0x06, 0x01, 0x04, 0x01, 0x82,
		0x37, 0x02, 0x01, 0x0f, 0x30, 0x09, 0x03, 0x01, 0x00, 0xa0, 0x04, 0xa2,
		0x02, 0x80, 0x00, 0x30, 49,   0x30, 13,   0x06, 9,    0x60, 0x86, 0x48,
		0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 32,
	};

	memcpy(out, before, sizeof(before));
	memcpy(out + sizeof(before), sum, 32);
	return sizeof(before) + 32;
}

/* The PKCS#7 data over content by signer, written to out; returns its length. */
static size_t make_pkcs7(const struct signer *signer, const uint8_t *content, size_t n,
			 bool with_cert, uint8_t *out)
{
	PKCS7 *p7 = PKCS7_new(), *inner = PKCS7_new();
	PKCS7_SIGNER_INFO *si;
	ASN1_STRING *seq = ASN1_STRING_new();
	int length;
	BIO *bio;

	PKCS7_set_type(p7, NID_pkcs7_signed);
	si = PKCS7_add_signature(p7, signer->cert, signer->key, EVP_sha256());
	assert_non_null(si);
	PKCS7_add_signed_attribute(si, NID_pkcs9_contentType, V_ASN1_OBJECT,
				   OBJ_txt2obj(SPC_OID, 1));
	if (with_cert)
		PKCS7_add_certificate(p7, signer->cert);
	PKCS7_content_new(p7, NID_pkcs7_data);
	bio = PKCS7_dataInit(p7, NULL);
	assert_int_equal(BIO_write(bio, content + 2, (int)n - 2), n - 2);
	assert_int_equal(PKCS7_dataFinal(p7, bio), 1);
	BIO_free_all(bio);
	ASN1_STRING_set(seq, content, (int)n);
	inner->type = OBJ_txt2obj(SPC_OID, 1);
	inner->d.other = ASN1_TYPE_new();
	ASN1_TYPE_set(inner->d.other, V_ASN1_SEQUENCE, seq);
	assert_int_equal(PKCS7_set_content(p7, inner), 1);
	length = i2d_PKCS7(p7, &out);
	assert_true(length > 0);
	PKCS7_free(p7);
	return (size_t)length;
}

/* Put a certificate of n bytes (already at its place) into the file's tables; returns the file. */
static struct us_bytes close_file(size_t n)
{
	uint8_t *p = file + BODY_BYTES;
	size_t padded = (n + 8 + 7) / 8 * 8;

	assert_true(BODY_BYTES + padded <= sizeof(file));
	us_put_le32(p, (uint32_t)(n + 8));
	us_put_le16(p + 4, 0x0200);
	us_put_le16(p + 6, 2);
	us_put_le32(file + CERT_DIR, BODY_BYTES);
	us_put_le32(file + CERT_DIR + 4, (uint32_t)padded);
	return us_bytes_of(file, BODY_BYTES + padded);
}

static struct us_bytes make_signed(const struct signer *signer, bool with_cert)
{
	uint8_t sum[32], content[128];
	size_t n;

	make_pe();
	digest_pe(sum);
	n = make_content(content, sum);
	return close_file(make_pkcs7(signer, content, n, with_cert, file + BODY_BYTES + 8));
}

/* An image as opening leaves it, with only what signatures need. */
static struct us_image *image_of(struct us_bytes bytes)
{
	struct us_image *image = calloc(1, sizeof(*image));

	assert_non_null(image);
	image->file = image->kernel = bytes;
	us_signature_read(bytes, &image->signature);
	us_signature_read(bytes, &image->inner_signature);
	return image;
}

static void drop(struct us_image *image)
{
	us_pool_deinit(&image->pool);
	free(image);
}

static void test_good_signature_verifies_and_names_its_signer(void **state)
{
	struct signer signer = make_signer("Lab Kernel Signer");
	struct us_image *image = image_of(make_signed(&signer, true));
	const struct us_signature *s = &image->signature;
	struct us_cert by = us_signature_signer(s);

	(void)state;
	assert_string_equal(by.subject, ""); /* nobody has looked yet */
	assert_int_equal(s->present, US_YES);
	assert_int_equal(s->offset, BODY_BYTES);
	assert_null(s->problem);
	assert_int_equal(s->digest_ok, US_UNKNOWN);
	assert_null(us_image_verify_signature(image));
	assert_null(us_image_verify_signature(image));
	assert_true(s->verified);
	assert_null(s->problem);
	assert_string_equal(s->digest_name, "sha256");
	assert_int_equal(s->digest_ok, US_YES);
	assert_int_equal(s->signature_ok, US_YES);
	by = us_signature_signer(s);
	assert_string_equal(by.subject, "CN=Lab Kernel Signer");
	assert_string_equal(by.issuer, "CN=Lab Kernel Signer");
	assert_int_equal(strlen(by.key_id), 40);
	assert_string_equal(by.authority_key_id, by.key_id);
	assert_int_equal(image->inner_signature.digest_ok, US_YES);
	drop(image);
	free_signer(signer);
}

/* The answer with the image's own first certificate as the only anchor. */
static struct us_trust ask(const struct us_signature *s, enum us_anchor_use use)
{
	const struct us_anchor anchor = { .use = use,
					  .from = "test",
					  .description = "key",
					  .key_id = s->certs[0].key_id,
					  .hash = s->certs[0].tbs,
					  .cert = use == US_ANCHOR_TRUSTED ? &s->certs[0] : NULL };

	return us_signature_trust(s, &anchor, 1);
}

static void test_the_answer_is_the_kernels(void **state)
{
	struct signer signer = make_signer("x");
	struct us_bytes bytes;
	struct us_image *image;
	struct us_signature *s;

	(void)state;
	/* signed after its certificate had ended */
	image = image_of(make_signed(&signer, true));
	assert_null(us_image_verify_signature(image));
	assert_true(image->signature.signers[0].out_of_season);
	assert_int_equal(ask(&image->signature, US_ANCHOR_TRUSTED).os_errno, EKEYREJECTED);
	drop(image);

	X509_gmtime_adj(X509_getm_notAfter(signer.cert), 3600);
	assert_true(X509_sign(signer.cert, signer.key, EVP_sha256()) > 0);
	bytes = make_signed(&signer, true);
	image = image_of(bytes);
	assert_null(us_image_verify_signature(image));
	s = &image->signature;
	assert_int_equal(s->n_signers, 1);
	assert_int_equal(s->certs[0].issued_by, 0);
	assert_int_equal(s->certs[0].link_ok, US_YES);
	assert_int_equal(ask(s, US_ANCHOR_TRUSTED).os_errno, 0);
	assert_int_equal(us_signature_trust(s, NULL, 0).os_errno, ENOKEY);
	assert_int_equal(ask(s, US_ANCHOR_REVOKED).os_errno, EKEYREJECTED);
	assert_true(ask(s, US_ANCHOR_REVOKED).revoked);
	assert_int_equal(ask(s, US_ANCHOR_REVOKED_TBS).os_errno, EKEYREJECTED);
	assert_true(ask(s, US_ANCHOR_REVOKED_TBS).revoked);
	/* what is found out about the digest comes last */
	s->problem = "a digest that nobody knows";
	s->problem_errno = ENOPKG;
	s->late = true;
	assert_int_equal(ask(s, US_ANCHOR_TRUSTED).os_errno, ENOPKG);
	assert_int_equal(us_signature_trust(s, NULL, 0).os_errno, ENOKEY);
	drop(image);
	free_signer(signer);
}

static void test_every_changed_byte_breaks_the_digest(void **state)
{
	static const size_t places[] = {
		0x10, PE + 8, SECTIONS + 36, HEADERS, 0x5ff, BODY_BYTES - 1
	};
	struct signer signer = make_signer("x");
	struct us_bytes bytes = make_signed(&signer, true);

	(void)state;
	for (size_t i = 0; i < us_array_size(places); i++) {
		struct us_image *image;

		file[places[i]] ^= 0x40;
		image = image_of(bytes);
		assert_null(us_image_verify_signature(image));
		assert_int_equal(image->signature.digest_ok, US_NO);
		assert_int_equal(image->signature.signature_ok, US_YES);
		file[places[i]] ^= 0x40;
		drop(image);
	}
	{
		struct us_image *image;

		us_put_le32(file + CHECKSUM, 0); /* the one field that may change */
		image = image_of(bytes);
		assert_null(us_image_verify_signature(image));
		assert_int_equal(image->signature.digest_ok, US_YES);
		drop(image);
	}
	free_signer(signer);
}

static void test_signature_needs_its_content_and_its_key(void **state)
{
	struct signer signer = make_signer("x"), other = make_signer("x");
	struct us_bytes bytes = make_signed(&signer, true);
	uint8_t sum[32], content[128];
	struct us_image *image;
	size_t n, at;

	(void)state;
	digest_pe(sum);
	at = us_bytes_find(bytes, BODY_BYTES, sum, sizeof(sum));
	assert_true(at != SIZE_MAX);
	file[at] ^= 1; /* the signed digest lies: neither the file nor the signature agrees */
	image = image_of(bytes);
	assert_null(us_image_verify_signature(image));
	assert_int_equal(image->signature.digest_ok, US_NO);
	assert_int_equal(image->signature.signature_ok, US_NO);
	drop(image);

	/* without the certificate in the file only its issuer is known */
	n = make_content(content, sum);
	n = make_pkcs7(&signer, content, n, false, file + BODY_BYTES + 8);
	image = image_of(close_file(n));
	assert_null(us_image_verify_signature(image));
	assert_int_equal(image->signature.digest_ok, US_YES);
	assert_int_equal(image->signature.signature_ok, US_UNKNOWN);
	assert_string_equal(us_signature_signer(&image->signature).subject, "");
	assert_string_equal(us_signature_signer(&image->signature).issuer, "CN=x");
	drop(image);

	/* the same name and number, but the certificate has another key */
	n = make_content(content, sum);
	n = make_pkcs7(&(struct signer){ other.key, signer.cert }, content, n, true,
		       file + BODY_BYTES + 8);
	image = image_of(close_file(n));
	assert_null(us_image_verify_signature(image));
	assert_int_equal(image->signature.digest_ok, US_YES);
	assert_int_equal(image->signature.signature_ok, US_NO);
	drop(image);
	free_signer(signer);
	free_signer(other);
}

static void test_problems_are_the_kernels(void **state)
{
	static const struct {
		const char *what;
		size_t at;
		uint32_t value;
		uint8_t bytes;
		enum us_tri present;
		int os_errno;
	} cases[] = {
		{ "no MZ", 0, 0, 2, US_UNKNOWN, ELIBBAD },
		{ "PE offset outside", 0x3c, 0xfffffff0, 4, US_UNKNOWN, ELIBBAD },
		{ "PE offset inside the MZ header", 0x3c, 0x10, 4, US_UNKNOWN, ELIBBAD },
		{ "no PE", PE, 0, 4, US_UNKNOWN, ELIBBAD },
		{ "optional magic", OPT, 0x107, 2, US_UNKNOWN, ELIBBAD },
		{ "headers of 0 bytes", OPT + 60, 0, 4, US_UNKNOWN, ELIBBAD },
		{ "headers past the file", OPT + 60, 0x100000, 4, US_UNKNOWN, ELIBBAD },
		{ "directories past the headers", OPT + 108, 0x1000, 4, US_UNKNOWN, ELIBBAD },
		{ "four directories", OPT + 108, 4, 4, US_NO, ENODATA },
		{ "no certificate offset", CERT_DIR, 0, 4, US_NO, ENODATA },
		{ "no certificate size", CERT_DIR + 4, 0, 4, US_NO, ENODATA },
		{ "certificates in the headers", CERT_DIR, 0x100, 4, US_YES, ELIBBAD },
		{ "certificates past the file", CERT_DIR, 0xfffffff8, 4, US_YES, ELIBBAD },
		{ "certificate table too long", CERT_DIR + 4, 0xfffffff8, 4, US_YES, ELIBBAD },
		{ "certificate table too short", CERT_DIR + 4, 4, 4, US_YES, ELIBBAD },
		{ "sections past the headers", PE + 6, 0xffff, 2, US_YES, ELIBBAD },
		{ "certificate too long", BODY_BYTES, 0xffffffff, 4, US_YES, ELIBBAD },
		{ "certificate of its header only", BODY_BYTES, 8, 4, US_YES, EKEYREJECTED },
		{ "certificate of nothing", BODY_BYTES, 0, 4, US_YES, EKEYREJECTED },
		{ "revision 1", BODY_BYTES + 4, 0x100, 2, US_YES, 524 },
		{ "an X.509 certificate", BODY_BYTES + 6, 1, 2, US_YES, 524 },
		{ "no sequence", BODY_BYTES + 8, 0x02, 1, US_YES, ELIBBAD },
		{ "a sequence of 16 MiB", BODY_BYTES + 9, 0x83, 1, US_YES, EMSGSIZE },
		{ "a sequence longer than the certificate", BODY_BYTES + 10, 0xff, 1, US_YES,
		  ELIBBAD },
	};
	struct signer signer = make_signer("x");
	struct us_bytes bytes;

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++) {
		struct us_image *image;
		uint8_t value[4];

		bytes = make_signed(&signer, true);
		us_put_le32(value, cases[i].value);
		memcpy(file + cases[i].at, value, cases[i].bytes);
		image = image_of(bytes);
		if (image->signature.present != cases[i].present ||
		    image->signature.problem_errno != cases[i].os_errno ||
		    !image->signature.problem)
			fail_msg("%s: present %s, errno %d, %s", cases[i].what,
				 us_tri_name(image->signature.present),
				 image->signature.problem_errno,
				 image->signature.problem ? image->signature.problem : "no problem");
		assert_null(us_image_verify_signature(image));
		assert_int_equal(image->signature.signature_ok, US_UNKNOWN);
		drop(image);
	}
	free_signer(signer);
}

static void test_damaged_pkcs7_is_a_problem_not_a_crash(void **state)
{
	struct signer signer = make_signer("x");
	struct us_bytes bytes = make_signed(&signer, true);
	unsigned int good = 0;

	(void)state;
	for (size_t i = BODY_BYTES + 8; i < bytes.n; i++) {
		struct us_image *image;

		file[i] ^= 0x81;
		image = image_of(bytes);
		assert_null(us_image_verify_signature(image));
		good += image->signature.digest_ok == US_YES &&
			image->signature.signature_ok == US_YES;
		file[i] ^= 0x81;
		drop(image);
	}
	/* only bytes that no signature covers may be changed: versions, names of algorithms, the
	 * certificate's own signature and the fields beside its key, and padding */
	assert_in_range(good, 1, bytes.n - BODY_BYTES - 8 - 256 - 270);
	free_signer(signer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_signature_verifies_and_names_its_signer),
		cmocka_unit_test(test_the_answer_is_the_kernels),
		cmocka_unit_test(test_every_changed_byte_breaks_the_digest),
		cmocka_unit_test(test_signature_needs_its_content_and_its_key),
		cmocka_unit_test(test_problems_are_the_kernels),
		cmocka_unit_test(test_damaged_pkcs7_is_a_problem_not_a_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
