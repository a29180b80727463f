/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a PE signature says and whether it is true: the Authenticode digest of the file, the PKCS#7
 * SignedData around it (RFC 2315), and the certificate of its signer. Spec: Microsoft "Windows
 * Authenticode Portable Executable Signature Format"; the order of sections and the rest behind
 * them as Linux 6.12 crypto/asymmetric_keys/verify_pefile.c hashes them. Each signature is verified
 * with its signer's certificate that the file carries; who trusts that is trust.c's matter. A signer
 * named by its key id alone (CMS version 3), which no tool writes into a PE file, is not read.
 */
#include "image/signature-int.h"

#include "base/text.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pkcs7.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SPC_INDIRECT_DATA "1.3.6.1.4.1.311.2.1.4"

static void pkcs7_freep(PKCS7 **p)
{
	PKCS7_free(*p);
}

static void md_ctx_freep(EVP_MD_CTX **ctx)
{
	EVP_MD_CTX_free(*ctx);
}

static void bio_chain_freep(BIO **b)
{
	BIO_free_all(*b);
}

#define _pkcs7_free_     __attribute__((cleanup(pkcs7_freep)))
#define _md_ctx_free_    __attribute__((cleanup(md_ctx_freep)))
#define _bio_chain_free_ __attribute__((cleanup(bio_chain_freep)))

/* What the kernel can hash with (mscode_parser.c), by the bytes of its object identifier. */
static const struct digest {
	const char *name, *openssl_name;
	uint8_t oid_bytes;
	uint8_t oid[9];
} digests[] = {
	{ "sha1", "SHA1", 5, { 0x2b, 0x0e, 0x03, 0x02, 0x1a } },
	{ "sha256", "SHA256", 9, { 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1 } },
	{ "sha384", "SHA384", 9, { 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2 } },
	{ "sha512", "SHA512", 9, { 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3 } },
	{ "sha3-256", "SHA3-256", 9, { 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 8 } },
	{ "sha3-384", "SHA3-384", 9, { 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 9 } },
	{ "sha3-512", "SHA3-512", 9, { 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 10 } },
};

/* What SpcIndirectDataContent holds. */
struct signed_content {
	struct us_bytes value; /* what the PKCS#7 signature is over: all but its own tag and length */
	struct us_bytes digest_oid, digest;
};

/* Take the next DER element off rest if it has that universal tag and a definite length. */
static bool der_take(struct us_bytes *rest, int tag, struct us_bytes *ret)
{
	const unsigned char *p = rest->p;
	int found, class;
	long len;

	if (!rest->n || ASN1_get_object(&p, &len, &found, &class, (long)rest->n) & (0x80 | 0x01) ||
	    found != tag || class != V_ASN1_UNIVERSAL)
		return false;
	*ret = us_bytes_of(p, (size_t)len);
	*rest = us_bytes_clip(*rest, (size_t)(p - rest->p) + (size_t)len, SIZE_MAX);
	return true;
}

/* SpcIndirectDataContent ::= { data {...}, messageDigest { algorithm { oid ... }, digest } } */
static bool read_content(const PKCS7 *p7, struct signed_content *ret)
{
	const PKCS7 *contents =
		PKCS7_type_is_signed(p7) && p7->d.sign ? p7->d.sign->contents : NULL;
	struct us_bytes rest, data, message_digest, algorithm;
	const ASN1_TYPE *other;
	char oid[64];

	if (!contents || !contents->d.other ||
	    OBJ_obj2txt(oid, sizeof(oid), contents->type, 1) <= 0 ||
	    strcmp(oid, SPC_INDIRECT_DATA) != 0)
		return false;
	other = contents->d.other;
	if (other->type != V_ASN1_SEQUENCE)
		return false;
	rest = us_bytes_of(other->value.sequence->data, (size_t)other->value.sequence->length);
	if (!der_take(&rest, V_ASN1_SEQUENCE, &ret->value))
		return false;
	rest = ret->value;
	return der_take(&rest, V_ASN1_SEQUENCE, &data) &&
	       der_take(&rest, V_ASN1_SEQUENCE, &message_digest) &&
	       der_take(&message_digest, V_ASN1_SEQUENCE, &algorithm) &&
	       der_take(&message_digest, V_ASN1_OCTET_STRING, &ret->digest) &&
	       der_take(&algorithm, V_ASN1_OBJECT, &ret->digest_oid);
}

struct section {
	char name[8];
	uint32_t virt_bytes, virt, raw_bytes, raw;
};

static int in_hash_order(const void *a, const void *b)
{
	const struct section *x = a, *y = b;
	const uint32_t keys[][2] = { { x->raw, y->raw }, { x->virt, y->virt } };
	const uint32_t more_keys[][2] = { { x->virt_bytes, y->virt_bytes },
					  { x->raw_bytes, y->raw_bytes } };
	int names;

	for (size_t i = 0; i < us_array_size(keys); i++)
		if (keys[i][0] != keys[i][1])
			return keys[i][0] > keys[i][1] ? 1 : -1;
	names = strncmp(x->name, y->name, sizeof(x->name));
	if (names)
		return names;
	for (size_t i = 0; i < us_array_size(more_keys); i++)
		if (more_keys[i][0] != more_keys[i][1])
			return more_keys[i][0] > more_keys[i][1] ? 1 : -1;
	return 0;
}

/* The section table in the order of hashing; NULL without memory. */
static struct section *sorted_sections(struct us_pool *pool, const struct us_signed_pe *pe)
{
	struct section *sections = us_pool_array(pool, pe->n_sections + 1u, sizeof(*sections));

	if (!sections)
		return NULL;
	for (uint32_t i = 0; i < pe->n_sections; i++) {
		struct us_bytes header = us_bytes_clip(pe->file, pe->sections + i * 40ul, 40);
		struct section *s = &sections[i];

		if (header.n < 40 || !us_le32(header, 8, &s->virt_bytes) ||
		    !us_le32(header, 12, &s->virt) || !us_le32(header, 16, &s->raw_bytes) ||
		    !us_le32(header, 20, &s->raw))
			break; /* the parser has seen that all of them are inside the headers */
		memcpy(s->name, header.p, sizeof(s->name));
	}
	qsort(sections, pe->n_sections, sizeof(*sections), in_hash_order);
	return sections;
}

static bool hash(EVP_MD_CTX *ctx, struct us_bytes file, uint64_t from, uint64_t bytes)
{
	return us_bytes_has(file, from, bytes) && EVP_DigestUpdate(ctx, file.p + from, bytes) == 1;
}

/* False if the headers point outside the file. */
static bool hash_file(EVP_MD_CTX *ctx, const struct us_signed_pe *pe, const struct section *sections)
{
	uint64_t after_checksum = pe->checksum + 4, after_dir = pe->cert_dir + 8;
	uint64_t done = pe->headers_bytes;

	if (!hash(ctx, pe->file, 0, pe->checksum) ||
	    !hash(ctx, pe->file, after_checksum, pe->cert_dir - after_checksum) ||
	    !hash(ctx, pe->file, after_dir, pe->headers_bytes - after_dir))
		return false;
	for (uint32_t i = 0; i < pe->n_sections; i++) {
		if (!sections[i].raw_bytes)
			continue;
		if (!hash(ctx, pe->file, sections[i].raw, sections[i].raw_bytes))
			return false;
		done += sections[i].raw_bytes;
	}
	if (pe->file.n <= done)
		return true;
	return pe->file.n - done >= pe->certs_bytes &&
	       hash(ctx, pe->file, done, pe->file.n - done - pe->certs_bytes);
}

static void has_problem(struct us_signature *s, const char *text, int os_errno)
{
	s->problem = text;
	s->problem_errno = os_errno;
}

static struct us_err *check_digest(struct us_pool *pool, const struct us_signed_pe *pe,
				   const struct signed_content *content, struct us_signature *s)
{
	_md_ctx_free_ EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	struct section *sections = sorted_sections(pool, pe);
	const struct digest *d = NULL;
	uint8_t sum[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	if (!ctx || !sections)
		return us_err_nomem();
	for (size_t i = 0; i < us_array_size(digests); i++)
		if (us_bytes_equal(content->digest_oid,
				   us_bytes_of(digests[i].oid, digests[i].oid_bytes)))
			d = &digests[i];
	if (!d) {
		has_problem(s, "the signature uses a digest that the kernel does not know", ENOPKG);
		return NULL;
	}
	s->digest_name = d->name;
	if (EVP_DigestInit_ex(ctx, EVP_get_digestbyname(d->openssl_name), NULL) != 1)
		return us_err_new(US_ERR_UNSUPPORTED, "libcrypto does not offer %s", d->name);
	if (!hash_file(ctx, pe, sections)) {
		has_problem(s, "a section or the certificate table does not fit the file", ELIBBAD);
		s->digest_ok = US_NO;
		return NULL;
	}
	if (EVP_DigestFinal_ex(ctx, sum, &n) != 1)
		return us_err_nomem();
	if (content->digest.n != n)
		has_problem(s, "the signed digest has the wrong length", EBADMSG);
	US_TRY(us_cert_hex(pool, sum, n, &s->digest));
	s->digest_ok = us_tri_of(us_bytes_equal(content->digest, us_bytes_of(sum, n)));
	return NULL;
}

/* PKCS7_verify() of OpenSSL 3.0 leaks its copy of the content if it meets a digest that it does not
 * have. */
static bool has_digests(const PKCS7 *p7)
{
	const STACK_OF(X509_ALGOR) *algorithms = p7->d.sign->md_algs;

	for (int i = 0; i < sk_X509_ALGOR_num(algorithms); i++) {
		int nid = OBJ_obj2nid(sk_X509_ALGOR_value(algorithms, i)->algorithm);
		EVP_MD *digest =
			nid == NID_undef ? NULL : EVP_MD_fetch(NULL, OBJ_nid2sn(nid), NULL);

		if (!digest)
			return false;
		EVP_MD_free(digest);
	}
	return true;
}

/* Does that SignerInfo's signature over the content verify? */
static enum us_tri verify_signer(PKCS7 *p7, PKCS7_SIGNER_INFO *info, X509 *cert,
				 const struct signed_content *content)
{
	_bio_free_ BIO *data = BIO_new_mem_buf(content->value.p, (int)content->value.n);
	_bio_chain_free_ BIO *chain = data && has_digests(p7) ? PKCS7_dataInit(p7, data) : NULL;
	uint8_t buf[512];

	if (!chain)
		return US_NO;
	data = NULL; /* the chain has it */
	while (BIO_read(chain, buf, sizeof(buf)) > 0)
		;
	return us_tri_of(PKCS7_signatureVerify(chain, p7, info, cert) == 1);
}

/* Is what the signer vouches for the content at all? That takes no key. */
static bool means_content(PKCS7_SIGNER_INFO *info, const EVP_MD *md,
			  const struct signed_content *content)
{
	const ASN1_OCTET_STRING *named = PKCS7_digest_from_attributes(info->auth_attr);
	uint8_t sum[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	if (!sk_X509_ATTRIBUTE_num(info->auth_attr))
		return true; /* the signature is over the content itself */
	return named && EVP_Digest(content->value.p, content->value.n, sum, &n, md, NULL) == 1 &&
	       us_bytes_equal(us_bytes_of(sum, n), us_bytes_of(ASN1_STRING_get0_data(named),
							       (size_t)ASN1_STRING_length(named)));
}

/* The kernel compares the time that the signature claims with the certificate's validity. */
static bool is_out_of_season(PKCS7_SIGNER_INFO *info, const X509 *cert)
{
	const ASN1_TYPE *t = PKCS7_get_signed_attribute(info, NID_pkcs9_signingTime);
	const ASN1_TIME *time =
		t && (t->type == V_ASN1_UTCTIME || t->type == V_ASN1_GENERALIZEDTIME)
			? (const ASN1_TIME *)t->value.asn1_string
			: NULL;

	return time && (ASN1_TIME_compare(time, X509_get0_notBefore(cert)) == -1 ||
			ASN1_TIME_compare(time, X509_get0_notAfter(cert)) == 1);
}

static struct us_err *read_signer(struct us_pool *pool, PKCS7 *p7, PKCS7_SIGNER_INFO *info,
				  const struct signed_content *content, struct us_signer *ret)
{
	STACK_OF(X509) *certs = p7->d.sign->cert;
	const PKCS7_ISSUER_AND_SERIAL *ias = info->issuer_and_serial;
	int nid = info->digest_alg ? OBJ_obj2nid(info->digest_alg->algorithm) : NID_undef;

	*ret = (struct us_signer){ .cert = -1, .issuer = "", .serial = "" };
	ret->hash_name = nid == NID_undef ? "unknown" : us_pool_strdup(pool, OBJ_nid2ln(nid));
	if (!ret->hash_name)
		return us_err_nomem();
	for (size_t i = 0; i < us_array_size(digests); i++)
		ret->known_hash |= strcasecmp(ret->hash_name, digests[i].name) == 0;
	ret->known_hash |= nid == NID_sha224;
	if (!ias || !ias->issuer || !ias->serial)
		return NULL;
	US_TRY(us_cert_name(pool, ias->issuer, &ret->issuer));
	US_TRY(us_cert_number(pool, ias->serial, &ret->serial));
	if (ret->known_hash && !means_content(info, EVP_get_digestbynid(nid), content))
		ret->ok = US_NO;
	for (int i = 0; certs && i < sk_X509_num(certs); i++) {
		X509 *x = sk_X509_value(certs, i);

		if (ret->cert >= 0 || X509_NAME_cmp(X509_get_issuer_name(x), ias->issuer) != 0 ||
		    ASN1_INTEGER_cmp(X509_get0_serialNumber(x), ias->serial) != 0)
			continue;
		ret->cert = i;
		ret->ok = verify_signer(p7, info, x, content);
		ret->out_of_season = is_out_of_season(info, x);
	}
	return NULL;
}

static struct us_err *read_certs(struct us_pool *pool, PKCS7 *p7, struct us_signature *s)
{
	STACK_OF(X509) *certs = p7->d.sign->cert;
	int n = certs ? sk_X509_num(certs) : 0;
	struct us_cert *list = us_pool_array(pool, (size_t)n + 1, sizeof(*list));

	if (!list)
		return us_err_nomem();
	for (int i = 0; i < n; i++)
		US_TRY(us_cert_read(pool, sk_X509_value(certs, i), &list[i]));
	us_certs_link(list, (size_t)n);
	s->certs = list;
	s->n_certs = (size_t)n;
	return NULL;
}

static struct us_err *check_signers(struct us_pool *pool, PKCS7 *p7,
				    const struct signed_content *content, struct us_signature *s)
{
	STACK_OF(PKCS7_SIGNER_INFO) *infos = PKCS7_get_signer_info(p7);
	int n = infos ? sk_PKCS7_SIGNER_INFO_num(infos) : 0;
	struct us_signer *list;

	if (n < 1) {
		has_problem(s, "the PKCS#7 data names no signer", EBADMSG);
		return NULL;
	}
	list = us_pool_array(pool, (size_t)n, sizeof(*list));
	if (!list)
		return us_err_nomem();
	US_TRY(read_certs(pool, p7, s));
	s->signers = list;
	s->n_signers = (size_t)n;
	for (int i = 0; i < n; i++) {
		US_TRY(read_signer(pool, p7, sk_PKCS7_SIGNER_INFO_value(infos, i), content,
				   &list[i]));
		if (list[i].ok != US_UNKNOWN && s->signature_ok != US_NO)
			s->signature_ok = list[i].ok;
	}
	return NULL;
}

static PKCS7 *parse(struct us_bytes der)
{
	const unsigned char *p = der.p;

	return d2i_PKCS7(NULL, &p, (long)der.n);
}

bool us_signer_is(const struct us_signature *signature, size_t signer, const struct us_cert *cert)
{
	_pkcs7_free_ PKCS7 *p7 = parse(signature->pkcs7);
	_x509_free_ X509 *x = us_cert_x509(cert);
	struct signed_content content;
	PKCS7_SIGNER_INFO *info =
		p7 && read_content(p7, &content)
			? sk_PKCS7_SIGNER_INFO_value(PKCS7_get_signer_info(p7), (int)signer)
			: NULL;
	bool is = info && x && verify_signer(p7, info, x, &content) == US_YES;

	ERR_clear_error();
	return is;
}

struct us_err *us_authenticode_verify(struct us_pool *pool, const struct us_signed_pe *pe,
				      struct us_signature *signature)
{
	_pkcs7_free_ PKCS7 *p7 = parse(pe->pkcs7);
	struct signed_content content;
	struct us_err *err = NULL;

	signature->pkcs7 = pe->pkcs7;
	if (!p7 || !read_content(p7, &content)) {
		has_problem(signature, "the certificate's PKCS#7 data holds no file digest",
			    EBADMSG);
	} else {
		err = check_signers(pool, p7, &content, signature);
		if (!err && !signature->problem) {
			err = check_digest(pool, pe, &content, signature);
			signature->late = signature->problem != NULL;
		}
	}
	ERR_clear_error();
	return err;
}
