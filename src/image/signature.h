/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The signature of an image as the kernel's verifier sees it (crypto/asymmetric_keys/
 * verify_pefile.c, pkcs7_verify.c, pkcs7_trust.c), the keys that could vouch for it or that are
 * revoked, and what the verifier would say of the two together. Part of image.h.
 */
#ifndef US_IMAGE_SIGNATURE_H
#define US_IMAGE_SIGNATURE_H

#include "base/bytes.h"
#include "base/pool.h"
#include "base/tri.h"

/* A certificate. Texts are never NULL; hashes and ids are lower case hex. */
struct us_cert {
	struct us_bytes der;
	const char *subject, *issuer; /* one line each */
	const char *serial;
	const char *key_id, *authority_key_id; /* subject key id, that of its issuer; "" if none */
	const char *key;                       /* "RSA 2048", "EC 384" */
	const char *hash_name;                 /* what its own signature hashes with */
	const char *tbs; /* hash of its signed part by that, as ".blacklist" has it behind "tbs:" */
	const char *tbs_sha256; /* by SHA-256, as from Linux 7.0 on whatever its own is */
	const char *until;      /* the end of its validity; the kernel does not look at it */
	int issued_by;       /* index in the same list: of its issuer, of itself; -1: not there */
	enum us_tri link_ok; /* does that issuer's key verify it */
};

/* One of those that signed (PKCS#7 SignerInfo). */
struct us_signer {
	int cert;                    /* index of its certificate in the signature, -1: not there */
	const char *issuer, *serial; /* as the signature names it */
	const char *hash_name;
	bool known_hash; /* the kernel can compute it */
	enum us_tri ok;  /* its signature verifies with that certificate; without one: US_NO if it
			    cannot be true whatever the key */
	bool out_of_season; /* signed at a time when that certificate was not valid */
};

/* The PE signature of the file as a loader would hand it to the kernel. */
struct us_signature {
	enum us_tri present;   /* US_UNKNOWN: not a PE file */
	uint64_t offset, size; /* of the certificate table */
	const char *problem;   /* why the kernel would not take it whoever signed, or NULL */
	int problem_errno; /* what kexec_file_load would answer for that (ELIBBAD, 524...), 0 if none */
	bool late;         /* the problem is met only when the signer was found to be trusted */
	bool verified;     /* the fields below are filled: us_image_verify_signature() */
	enum us_tri digest_ok;    /* the Authenticode digest equals the signed one */
	enum us_tri signature_ok; /* every signature over it verifies with the signer's certificate
				     in the file */
	const char *digest_name;  /* "sha256" */
	const char *digest;       /* hex, of the file as it is; "" if not computed */
	const struct us_cert *certs;
	size_t n_certs;
	const struct us_signer *signers;
	size_t n_signers;
	struct us_bytes pkcs7; /* the signed data in the file */
	/* further signatures in the table, which the kernel does not look at */
	const struct us_signature *others;
	size_t n_others;
};

/* The first signer's certificate; of one that is not in the file only issuer and serial number are
 * known, and all other texts are "", as all are without a signer. */
struct us_cert us_signature_signer(const struct us_signature *signature);

enum us_anchor_use {
	US_ANCHOR_TRUSTED,
	US_ANCHOR_REVOKED,      /* the certificate */
	US_ANCHOR_REVOKED_TBS,  /* the certificate with this hash */
	US_ANCHOR_REVOKED_FILE, /* the image with this hash: firmware and shim look at it, kexec
				   does not */
};

/* What a keyring or a file has. */
struct us_anchor {
	enum us_anchor_use use;
	const char *from;        /* ".platform", "db.der" */
	const char *description; /* of a key: its name */
	const char *key_id; /* hex: subject key id, else the serial number; perhaps its end only */
	const char *hash;   /* hex, of the last two uses */
	const struct us_cert *cert; /* NULL: only its id is known, as from /proc/keys */
	bool unplaced;              /* it may lie where nobody looks for keys */
	/* US_ANCHOR_REVOKED_TBS: is such a hash looked for by SHA-256 (US_YES), or by what the
	 * certificate itself is signed with (US_NO)? US_UNKNOWN: one of the two is enough */
	enum us_tri tbs_sha256;
};
struct us_anchors {
	struct us_pool pool;
	struct us_anchor *v; /* owned */
	size_t n, cap;
};
/* Texts of anchor stay the caller's. */
struct us_err *us_anchors_add(struct us_anchors *anchors, struct us_anchor anchor) us_must_check;
/*
 * Certificates in PEM or DER, an EFI signature list, an EFI variable file that holds one (db, dbx,
 * MokListRT), or a directory of such files. revoked: they are not trusted but revoked, as is all in
 * a file called dbx or MokListX. US_ERR_BAD_DATA for a file that is none of these.
 */
struct us_err *us_anchors_add_file(struct us_anchors *anchors, const char *path, bool revoked)
	us_must_check;
/* The same of bytes; path names them. */
struct us_err *us_anchors_add_bytes(struct us_anchors *anchors, struct us_bytes bytes,
				    const char *path, bool revoked) us_must_check;
void us_anchors_deinit(struct us_anchors *anchors);
#define _us_anchors_deinit_ __attribute__((cleanup(us_anchors_deinit)))

/* What the verifier says of a signature and keys. */
struct us_trust {
	int os_errno;                   /* 0: it is good, and one of the keys vouches for it */
	const char *why;                /* static words */
	const char *unsure;             /* static words: why the truth may be another; NULL */
	const struct us_anchor *anchor; /* that vouches or revokes; NULL */
	const struct us_cert *cert;     /* of the signature: the one that it matched; NULL */
	bool revoked;                   /* that is why: anchor says what revokes cert */
	const struct us_anchor *file_revoked; /* the file's hash is revoked; NULL */
};
/* signature must be verified. */
struct us_trust us_signature_trust(const struct us_signature *signature,
				   const struct us_anchor *anchors, size_t n);
/* ENOTSUPP has no name outside of the kernel. Never NULL. */
const char *us_errno_name(int os_errno);

#endif
