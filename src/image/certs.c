/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * X.509 certificates as facts (RFC 5280), and the files that hold keys: PEM, DER, EFI signature
 * lists (UEFI 2.10, 32.4.1) and the EFI variables with such lists. Whether anything is trusted is
 * trust.c's matter.
 */
#include "image/signature-int.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define CERTS_MAX 4096 /* in one file */

struct us_err *us_cert_hex(struct us_pool *pool, const uint8_t *p, size_t n, const char **ret)
{
	char *text = us_pool_array(pool, n + 1, 2);

	if (!text)
		return us_err_nomem();
	for (size_t i = 0; i < n; i++) {
		text[2 * i] = "0123456789abcdef"[p[i] >> 4];
		text[2 * i + 1] = "0123456789abcdef"[p[i] & 15];
	}
	*ret = text;
	return NULL;
}

/* One line, with control and non-ASCII characters escaped. */
struct us_err *us_cert_name(struct us_pool *pool, const X509_NAME *name, const char **ret)
{
	_bio_free_ BIO *bio = BIO_new(BIO_s_mem());
	char *p = NULL;
	long n;

	if (!bio)
		return us_err_nomem();
	*ret = "";
	if (!name || X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~XN_FLAG_SPC_EQ) < 0)
		return NULL;
	n = BIO_get_mem_data(bio, &p);
	*ret = us_pool_strndup(pool, p ? p : "", n > 0 ? (size_t)n : 0);
	return *ret ? NULL : us_err_nomem();
}

struct us_err *us_cert_number(struct us_pool *pool, const ASN1_INTEGER *number, const char **ret)
{
	return us_cert_hex(pool, ASN1_STRING_get0_data(number),
			   number ? (size_t)ASN1_STRING_length(number) : 0, ret);
}

static struct us_err *id_text(struct us_pool *pool, const ASN1_OCTET_STRING *id, const char **ret)
{
	return us_cert_hex(pool, id ? ASN1_STRING_get0_data(id) : NULL,
			   id ? (size_t)ASN1_STRING_length(id) : 0, ret);
}

static struct us_err *read_times(struct us_pool *pool, const X509 *x, const char **ret)
{
	struct tm tm;

	*ret = "";
	if (ASN1_TIME_to_tm(X509_get0_notAfter(x), &tm) != 1)
		return NULL;
	*ret = us_pool_format(pool, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
	return *ret ? NULL : us_err_nomem();
}

static struct us_err *hash_tbs(struct us_pool *pool, const unsigned char *tbs, int bytes,
			       const EVP_MD *md, const char **ret)
{
	uint8_t sum[EVP_MAX_MD_SIZE];
	unsigned int n;

	if (bytes <= 0 || EVP_Digest(tbs, (size_t)bytes, sum, &n, md, NULL) != 1)
		return NULL;
	return us_cert_hex(pool, sum, n, ret);
}

/* The hashes of the signed part, as kernels look for them. */
static struct us_err *read_tbs(struct us_pool *pool, X509 *x, struct us_cert *ret)
{
	const EVP_MD *md = NULL;
	int digest_nid = NID_undef, bytes;
	unsigned char *tbs = NULL;
	struct us_err *err;

	ret->hash_name = ret->tbs = ret->tbs_sha256 = "";
	bytes = i2d_re_X509_tbs(x, &tbs);
	err = hash_tbs(pool, tbs, bytes, EVP_sha256(), &ret->tbs_sha256);
	if (X509_get_signature_info(x, &digest_nid, NULL, NULL, NULL) == 1)
		md = EVP_get_digestbynid(digest_nid);
	if (!err && md)
		err = hash_tbs(pool, tbs, bytes, md, &ret->tbs);
	OPENSSL_free(tbs);
	if (err || !md)
		return err;
	ret->hash_name = us_pool_strdup(pool, OBJ_nid2sn(digest_nid));
	return ret->hash_name ? NULL : us_err_nomem();
}

static struct us_err *read_key(struct us_pool *pool, const X509 *x, const char **ret)
{
	const EVP_PKEY *key = X509_get0_pubkey(x);
	const char *type = key ? OBJ_nid2sn(EVP_PKEY_get_base_id(key)) : NULL;

	*ret = !type ? "a key of a kind that is not known here"
	       : EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA
		       ? us_pool_format(pool, "RSA %d", EVP_PKEY_get_bits(key))
	       : EVP_PKEY_get_base_id(key) == EVP_PKEY_EC
		       ? us_pool_format(pool, "EC %d", EVP_PKEY_get_bits(key))
		       : us_pool_strdup(pool, type);
	return *ret ? NULL : us_err_nomem();
}

struct us_err *us_cert_read(struct us_pool *pool, X509 *x, struct us_cert *ret)
{
	unsigned char *der = NULL;
	int bytes = i2d_X509(x, &der);
	uint8_t *copy = bytes > 0 ? us_pool_alloc(pool, (size_t)bytes) : NULL;

	*ret = (struct us_cert){ .issued_by = -1 };
	if (copy) {
		memcpy(copy, der, (size_t)bytes);
		ret->der = us_bytes_of(copy, (size_t)bytes);
	}
	OPENSSL_free(der);
	if (!copy)
		return us_err_nomem();
	US_TRY(us_cert_name(pool, X509_get_subject_name(x), &ret->subject));
	US_TRY(us_cert_name(pool, X509_get_issuer_name(x), &ret->issuer));
	US_TRY(us_cert_number(pool, X509_get0_serialNumber(x), &ret->serial));
	US_TRY(id_text(pool, X509_get0_subject_key_id(x), &ret->key_id));
	US_TRY(id_text(pool, X509_get0_authority_key_id(x), &ret->authority_key_id));
	US_TRY(read_times(pool, x, &ret->until));
	US_TRY(read_key(pool, x, &ret->key));
	return read_tbs(pool, x, ret);
}

X509 *us_cert_x509(const struct us_cert *cert)
{
	const unsigned char *p = cert->der.p;

	return d2i_X509(NULL, &p, (long)cert->der.n);
}

/* A key that cannot have made such a signature, as of another algorithm, has not made it. */
bool us_cert_signed_by(const struct us_cert *cert, const struct us_cert *issuer)
{
	_x509_free_ X509 *x = us_cert_x509(cert), *by = us_cert_x509(issuer);
	EVP_PKEY *key = by ? X509_get0_pubkey(by) : NULL;
	bool ok = x && key && X509_verify(x, key) == 1;

	ERR_clear_error();
	return ok;
}

/* Linux 6.12 crypto/asymmetric_keys/x509_public_key.c: x509_check_for_self_signed() */
static bool is_self_issued(const struct us_cert *c)
{
	return strcmp(c->subject, c->issuer) == 0 &&
	       (!*c->authority_key_id || strcmp(c->authority_key_id, c->key_id) == 0);
}

/* The kernel goes by ids, not by names: what does not name its issuer's key hangs on nothing. */
static int issuer_of(const struct us_cert *certs, size_t n, size_t i)
{
	const struct us_cert *c = &certs[i];

	if (is_self_issued(c))
		return (int)i;
	for (size_t k = 0; *c->authority_key_id && k < n; k++)
		if (strcmp(certs[k].key_id, c->authority_key_id) == 0)
			return (int)k;
	return -1;
}

void us_certs_link(struct us_cert *certs, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct us_cert *c = &certs[i];

		c->issued_by = issuer_of(certs, n, i);
		if (c->issued_by >= 0)
			c->link_ok = us_tri_of(us_cert_signed_by(c, &certs[c->issued_by]));
	}
}

/* ---- files ---- */

struct us_err *us_anchors_add(struct us_anchors *anchors, struct us_anchor anchor)
{
	if (anchors->n == anchors->cap) {
		size_t cap = anchors->cap ? 2 * anchors->cap : 16;
		struct us_anchor *more = reallocarray(anchors->v, cap, sizeof(*more));

		if (!more)
			return us_err_nomem();
		anchors->v = more;
		anchors->cap = cap;
	}
	anchors->v[anchors->n++] = anchor;
	return NULL;
}

void us_anchors_deinit(struct us_anchors *anchors)
{
	free(anchors->v);
	us_pool_deinit(&anchors->pool);
	*anchors = (struct us_anchors){ 0 };
}

/* A file on its way into the list. */
struct reading {
	struct us_anchors *anchors;
	const char *from;
	bool revoked;
};

static struct us_err *add_x509(struct reading *r, X509 *x)
{
	struct us_cert *cert = us_pool_alloc(&r->anchors->pool, sizeof(*cert));

	if (!cert)
		return us_err_nomem();
	US_TRY(us_cert_read(&r->anchors->pool, x, cert));
	return us_anchors_add(
		r->anchors,
		(struct us_anchor){ .use = r->revoked ? US_ANCHOR_REVOKED : US_ANCHOR_TRUSTED,
				    .from = r->from,
				    .description = cert->subject,
				    .key_id = *cert->key_id ? cert->key_id : cert->serial,
				    .cert = cert });
}

static struct us_err *add_pem(struct reading *r, struct us_bytes bytes)
{
	_bio_free_ BIO *bio = BIO_new_mem_buf(bytes.p, (int)bytes.n);

	if (!bio)
		return us_err_nomem();
	for (int i = 0; i < CERTS_MAX; i++) {
		_x509_free_ X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);

		if (!x)
			break;
		US_TRY(add_x509(r, x));
	}
	return NULL;
}

static struct us_err *add_der(struct reading *r, struct us_bytes bytes)
{
	const unsigned char *p = bytes.p;

	while (p < bytes.p + bytes.n) {
		_x509_free_ X509 *x = d2i_X509(NULL, &p, (long)(bytes.p + bytes.n - p));

		if (!x)
			break;
		US_TRY(add_x509(r, x));
	}
	return NULL;
}

/* Types of EFI signature lists, by their GUIDs as they stand in memory; data: bytes of an entry
 * without its owner, 0 = any. */
static const struct list_type {
	uint8_t guid[16];
	bool cert;
	enum us_anchor_use use;
	size_t hash_bytes;
} list_types[] = {
	{ { 0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b,
	    0xf0, 0x72 },
	  true,
	  US_ANCHOR_TRUSTED,
	  0 },
	{ { 0x26, 0x16, 0xc4, 0xc1, 0x4c, 0x50, 0x92, 0x40, 0xac, 0xa9, 0x41, 0xf9, 0x36, 0x93,
	    0x43, 0x28 },
	  false,
	  US_ANCHOR_REVOKED_FILE,
	  32 },
	{ { 0x92, 0xa4, 0xd2, 0x3b, 0xc0, 0x96, 0x79, 0x40, 0xb4, 0x20, 0xfc, 0xf9, 0x8e, 0xf1,
	    0x03, 0xed },
	  false,
	  US_ANCHOR_REVOKED_TBS,
	  32 },
	{ { 0x6e, 0x87, 0x76, 0x70, 0xc2, 0x80, 0xe6, 0x4e, 0xaa, 0xd2, 0x28, 0xb3, 0x49, 0xa6,
	    0x86, 0x5b },
	  false,
	  US_ANCHOR_REVOKED_TBS,
	  48 },
	{ { 0x63, 0xbf, 0x6d, 0x44, 0x02, 0x25, 0xda, 0x4c, 0xbc, 0xfa, 0x24, 0x65, 0xd2, 0xb0,
	    0xfe, 0x9d },
	  false,
	  US_ANCHOR_REVOKED_TBS,
	  64 },
};

static const struct list_type *list_type_at(struct us_bytes bytes, uint64_t at)
{
	for (size_t i = 0; i < us_array_size(list_types); i++)
		if (us_bytes_match(bytes, at, list_types[i].guid, 16))
			return &list_types[i];
	return NULL;
}

static struct us_err *add_entry(struct reading *r, const struct list_type *type,
				struct us_bytes data)
{
	const char *hash;

	if (type->cert)
		return add_der(r, data);
	if (!r->revoked || data.n < type->hash_bytes)
		return NULL; /* in a list of what is trusted it is no key */
	US_TRY(us_cert_hex(&r->anchors->pool, data.p, type->hash_bytes, &hash));
	return us_anchors_add(r->anchors, (struct us_anchor){ .use = type->use,
							      .from = r->from,
							      .description = "",
							      .key_id = "",
							      .hash = hash });
}

#define LIST_HEADER 28

static struct us_err *add_lists(struct reading *r, struct us_bytes bytes)
{
	while (bytes.n) {
		const struct list_type *type = list_type_at(bytes, 0);
		uint32_t size, header, entry;
		uint64_t at;

		if (!us_le32(bytes, 16, &size) || !us_le32(bytes, 20, &header) ||
		    !us_le32(bytes, 24, &entry) || size < LIST_HEADER || size > bytes.n ||
		    header > size - LIST_HEADER || entry <= 16)
			return us_err_new(US_ERR_BAD_DATA,
					  "%s: an EFI signature list does not fit the file",
					  r->from);
		at = LIST_HEADER + (uint64_t)header;
		for (; type && size - at >= entry; at += entry)
			US_TRY(add_entry(r, type, us_bytes_clip(bytes, at + 16, entry - 16)));
		bytes = us_bytes_clip(bytes, size, bytes.n);
	}
	return NULL;
}

static bool names_revoked(const char *path)
{
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;

	return strncasecmp(name, "dbx", 3) == 0 || strncasecmp(name, "MokListX", 8) == 0;
}

struct us_err *us_anchors_add_bytes(struct us_anchors *anchors, struct us_bytes bytes,
				    const char *path, bool revoked)
{
	struct reading r = { anchors, us_pool_strdup(&anchors->pool, path),
			     revoked || names_revoked(path) };
	size_t before = anchors->n;

	if (!r.from)
		return us_err_nomem();
	if (bytes.n > INT32_MAX)
		return us_err_new(US_ERR_BAD_DATA, "%s: too long for a file of certificates", path);
	if (list_type_at(bytes, 0))
		return add_lists(&r, bytes);
	if (list_type_at(bytes, 4)) /* an EFI variable: four bytes of attributes first */
		return add_lists(&r, us_bytes_clip(bytes, 4, bytes.n));
	if (us_bytes_find(bytes, 0, "-----BEGIN ", 11) != SIZE_MAX)
		US_TRY(add_pem(&r, bytes));
	else
		US_TRY(add_der(&r, bytes));
	ERR_clear_error();
	if (anchors->n == before)
		return us_err_new(
			US_ERR_BAD_DATA,
			"%s: neither a certificate (PEM or DER) nor an EFI signature list", path);
	return NULL;
}

static struct us_err *add_regular(struct us_anchors *anchors, const char *path, bool revoked)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };

	US_TRY(us_file_map(path, &blob));
	return us_anchors_add_bytes(anchors, us_blob_bytes(&blob), path, revoked);
}

/* What is no certificate in a directory is passed over: there are READMEs and keys. */
static struct us_err *add_directory(struct us_anchors *anchors, const char *path, bool revoked)
{
	_us_closedir_ DIR *d = opendir(path);
	size_t before = anchors->n;

	if (!d)
		return us_err_os(errno, "opening %s", path);
	for (struct dirent *e; (e = readdir(d));) {
		_us_free_ char *name = NULL;
		struct us_err *err;
		struct stat st;

		US_TRY(us_text_format(&name, "%s/%s", path, e->d_name));
		if (stat(name, &st) < 0 || !S_ISREG(st.st_mode) || !st.st_size)
			continue;
		err = add_regular(anchors, name, revoked);
		if (err && err->code != US_ERR_BAD_DATA)
			return err;
		us_err_free(err);
	}
	if (anchors->n == before)
		return us_err_new(US_ERR_BAD_DATA, "%s: no file in it is a certificate", path);
	return NULL;
}

struct us_err *us_anchors_add_file(struct us_anchors *anchors, const char *path, bool revoked)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return us_err_os(errno, "looking at %s", path);
	return S_ISDIR(st.st_mode) ? add_directory(anchors, path, revoked)
				   : add_regular(anchors, path, revoked);
}
