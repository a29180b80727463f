/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a PE file's signature is and whether the kernel would find it: the same tests in the same
 * order as Linux 6.12 crypto/asymmetric_keys/verify_pefile.c, with the errno that it answers
 * (formats: Microsoft PE specification, sections "Optional Header" and "Attribute Certificate
 * Table"). Only the first certificate counts, as there. Hashing and the PKCS#7 inside are
 * authenticode.c; whether anybody trusts the signer is not asked here.
 */
#include "image/signature-int.h"

#include "image/image-int.h"

#include <errno.h>
#include <string.h>

#define MZ_HEADER_BYTES   64
#define PE_HEADER_BYTES   24 /* "PE\0\0" and the COFF header */
#define DIRECTORY_BYTES   8
#define SECTION_BYTES     40
#define CERT_DIRECTORY    4
#define CERT_HEADER_BYTES 8
#define CERT_REVISION_2   0x0200
#define CERT_TYPE_PKCS    0x0002

static struct us_pe_problem problem(const char *text, int os_errno)
{
	return (struct us_pe_problem){ text, os_errno };
}

static const struct us_pe_problem none = { NULL, 0 };

/* The fields that PE32 and PE32+ keep in different places. */
static const struct {
	uint16_t magic;
	uint8_t bytes, n_dirs; /* size of the header without directories; NumberOfRvaAndSizes */
} optional_headers[] = {
	{ 0x10b, 96, 92 },
	{ 0x20b, 112, 108 },
};

/* CheckSum and SizeOfHeaders have the same place in both. */
#define OPT_SIZE_OF_HEADERS 60
#define OPT_CHECKSUM        64

static struct us_pe_problem parse_directories(struct us_signed_pe *pe, uint64_t dirs,
					      uint32_t n_dirs)
{
	uint32_t room;

	if (dirs >= pe->headers_bytes || pe->headers_bytes >= pe->file.n)
		return problem("SizeOfHeaders in the optional header is impossible", ELIBBAD);
	room = pe->headers_bytes - (uint32_t)dirs;
	if (n_dirs > room / DIRECTORY_BYTES)
		return problem("more data directories than SizeOfHeaders has room for", ELIBBAD);
	pe->cert_dir = dirs + CERT_DIRECTORY * DIRECTORY_BYTES;
	pe->sections = dirs + (uint64_t)n_dirs * DIRECTORY_BYTES;
	room -= n_dirs * DIRECTORY_BYTES;
	if (n_dirs <= CERT_DIRECTORY || !us_le32(pe->file, pe->cert_dir, &pe->certs) ||
	    !us_le32(pe->file, pe->cert_dir + 4, &pe->certs_bytes) || !pe->certs ||
	    !pe->certs_bytes)
		return problem("the file is not signed: no certificate table", ENODATA);
	if (pe->certs < pe->headers_bytes || !us_bytes_has(pe->file, pe->certs, pe->certs_bytes))
		return problem("the certificate table is not inside the file", ELIBBAD);
	if (pe->n_sections > room / SECTION_BYTES)
		return problem("more sections than SizeOfHeaders has room for", ELIBBAD);
	return none;
}

static struct us_pe_problem parse_headers(struct us_signed_pe *pe)
{
	uint32_t pe_offset, n_dirs;
	uint16_t magic, n_sections;
	uint64_t opt;

	if (!us_bytes_match(pe->file, 0, "MZ", 2) || !us_le32(pe->file, 0x3c, &pe_offset))
		return problem("no PE file: \"MZ\" is not at 0x0", ELIBBAD);
	if (pe_offset < MZ_HEADER_BYTES || !us_bytes_has(pe->file, pe_offset, PE_HEADER_BYTES) ||
	    !us_bytes_match(pe->file, pe_offset, "PE\0", 4))
		return problem("no PE file: no \"PE\" where the offset at 0x3c points", ELIBBAD);
	opt = (uint64_t)pe_offset + PE_HEADER_BYTES;
	if (!us_le16(pe->file, opt, &magic) ||
	    !us_le16(pe->file, (uint64_t)pe_offset + 6, &n_sections))
		return problem("the optional header is not inside the file", ELIBBAD);
	for (size_t i = 0; i < us_array_size(optional_headers); i++) {
		if (magic != optional_headers[i].magic)
			continue;
		pe->n_sections = n_sections;
		pe->checksum = opt + OPT_CHECKSUM;
		if (!us_bytes_has(pe->file, opt, optional_headers[i].bytes) ||
		    !us_le32(pe->file, opt + OPT_SIZE_OF_HEADERS, &pe->headers_bytes) ||
		    !us_le32(pe->file, opt + optional_headers[i].n_dirs, &n_dirs))
			return problem("the optional header is not inside the file", ELIBBAD);
		return parse_directories(pe, opt + optional_headers[i].bytes, n_dirs);
	}
	return problem("the optional header is neither PE32 nor PE32+", ELIBBAD);
}

/* Length of the DER element at the start of b as the kernel reads it: short form, 0x81 and 0x82. */
static struct us_pe_problem trim_pkcs7(struct us_bytes *b)
{
	static const struct us_pe_problem bad = { "the certificate holds no PKCS#7 data", ELIBBAD };
	size_t len;

	if (b->n < 4)
		return problem("the certificate is empty", EKEYREJECTED);
	if (b->p[0] != 0x30)
		return bad;
	if (b->p[1] < 0x80)
		len = b->p[1] + 2u;
	else if (b->p[1] == 0x80)
		return none;
	else if (b->p[1] == 0x81)
		len = b->p[2] + 3u;
	else if (b->p[1] == 0x82)
		len = (b->p[2] << 8 | b->p[3]) + 4u;
	else
		return problem("the PKCS#7 data is longer than 64 KiB", EMSGSIZE);
	if (len > b->n)
		return bad;
	b->n = len; /* the rest is padding */
	return none;
}

static struct us_pe_problem strip_wrapper(struct us_signed_pe *pe)
{
	uint32_t length;
	uint16_t revision, type;

	if (pe->certs_bytes < CERT_HEADER_BYTES || !us_le32(pe->file, pe->certs, &length) ||
	    !us_le16(pe->file, (uint64_t)pe->certs + 4, &revision) ||
	    !us_le16(pe->file, (uint64_t)pe->certs + 6, &type))
		return problem("the certificate table is too short for a certificate", ELIBBAD);
	if (length > pe->certs_bytes)
		return problem("the certificate is longer than the certificate table", ELIBBAD);
	if (revision != CERT_REVISION_2)
		return problem("the certificate is not revision 2.0", US_ENOTSUPP);
	if (type != CERT_TYPE_PKCS)
		return problem("the certificate is not PKCS signed data", US_ENOTSUPP);
	if (length < CERT_HEADER_BYTES)
		return problem("the certificate is empty", EKEYREJECTED);
	pe->pkcs7 = us_bytes_clip(pe->file, (uint64_t)pe->certs + CERT_HEADER_BYTES,
				  length - CERT_HEADER_BYTES);
	return trim_pkcs7(&pe->pkcs7);
}

/* The table's entry at offset at: its PKCS#7 data; false at the end, and for what is no such entry.
 * Entries begin at multiples of 8. */
static bool next_entry(const struct us_signed_pe *pe, uint64_t *at, struct us_bytes *ret)
{
	uint32_t length;
	uint16_t type;

	while (us_bytes_has(pe->file, *at, CERT_HEADER_BYTES) &&
	       *at + CERT_HEADER_BYTES <= (uint64_t)pe->certs + pe->certs_bytes &&
	       us_le32(pe->file, *at, &length) && us_le16(pe->file, *at + 6, &type) &&
	       length > CERT_HEADER_BYTES) {
		*ret = us_bytes_clip(pe->file, *at + CERT_HEADER_BYTES, length - CERT_HEADER_BYTES);
		*at += ((uint64_t)length + 7) / 8 * 8;
		if (type == CERT_TYPE_PKCS && !trim_pkcs7(ret).text)
			return true;
	}
	return false;
}

struct us_pe_problem us_signed_pe_parse(struct us_bytes file, struct us_signed_pe *ret)
{
	struct us_pe_problem p;

	*ret = (struct us_signed_pe){ .file = file };
	p = parse_headers(ret);
	return p.text ? p : strip_wrapper(ret);
}

static const struct us_signature nothing = {
	.digest_name = "",
	.digest = "",
};

struct us_cert us_signature_signer(const struct us_signature *signature)
{
	const struct us_signer *first = signature->signers;
	struct us_cert unknown = { .subject = "",
				   .issuer = "",
				   .serial = "",
				   .key_id = "",
				   .authority_key_id = "",
				   .key = "",
				   .hash_name = "",
				   .tbs = "",
				   .tbs_sha256 = "",
				   .until = "",
				   .issued_by = -1 };

	if (!signature->n_signers)
		return unknown;
	if (first->cert >= 0)
		return signature->certs[first->cert];
	unknown.issuer = first->issuer;
	unknown.serial = first->serial;
	return unknown;
}

void us_signature_read(struct us_bytes file, struct us_signature *ret)
{
	struct us_signed_pe pe;
	struct us_pe_problem p = us_signed_pe_parse(file, &pe);

	*ret = nothing;
	ret->present = pe.certs && pe.certs_bytes ? US_YES : pe.cert_dir ? US_NO : US_UNKNOWN;
	ret->offset = pe.certs;
	ret->size = pe.certs_bytes;
	ret->problem = p.text;
	ret->problem_errno = p.os_errno;
}

#define OTHERS_MAX 16

/* Signatures behind the first one. */
static struct us_err *verify_others(struct us_pool *pool, struct us_signed_pe *pe,
				    struct us_signature *s)
{
	struct us_signature *others = us_pool_array(pool, OTHERS_MAX, sizeof(*others));
	uint64_t at = pe->certs;

	if (!others)
		return us_err_nomem();
	if (!next_entry(pe, &at, &pe->pkcs7)) /* the first one itself */
		return NULL;
	s->others = others;
	while (s->n_others < OTHERS_MAX) {
		struct us_signature *other = &others[s->n_others];
		uint64_t begin = at;

		if (!next_entry(pe, &at, &pe->pkcs7))
			break;
		*other = nothing;
		other->present = US_YES;
		other->offset = begin;
		other->size = at - begin;
		US_TRY(us_authenticode_verify(pool, pe, other));
		other->verified = true;
		s->n_others++;
	}
	return NULL;
}

static struct us_err *verify(struct us_pool *pool, struct us_bytes file, struct us_signature *s)
{
	struct us_signed_pe pe;

	if (s->verified)
		return NULL;
	if (s->present == US_YES && !us_signed_pe_parse(file, &pe).text) {
		US_TRY(us_authenticode_verify(pool, &pe, s));
		US_TRY(verify_others(pool, &pe, s));
	}
	s->verified = true;
	return NULL;
}

struct us_err *us_image_verify_signature(struct us_image *image)
{
	US_TRY(verify(&image->pool, image->file, &image->signature));
	if (image->kernel.p == image->file.p && image->kernel.n == image->file.n) {
		image->inner_signature = image->signature;
		return NULL;
	}
	return verify(&image->pool, image->kernel, &image->inner_signature);
}
