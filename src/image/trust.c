/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the kernel's verifier says of a signature and its keys: the tests, their order and their
 * errno as in Linux 6.12 crypto/asymmetric_keys/{pkcs7_verify,pkcs7_trust,verify_pefile}.c and
 * certs/{system_keyring,blacklist}.c; 6.1 and 7.3 do the same, but for the hash by which revoked
 * certificates are known. Expiry does not count there, only
 * that the signature was made while its certificate was valid. A key is found by its ids and must
 * then have made the signature; of the kernel's own keys only the ids are known, and those are
 * believed. Pure: facts in, words out.
 */
#include "image/signature-int.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

const char *us_errno_name(int os_errno)
{
	const char *name = os_errno == US_ENOTSUPP ? "ENOTSUPP" : strerrorname_np(os_errno);

	return name ? name : "an errno without a name";
}

/* /proc/keys may show the tail of an id only. */
static bool id_ends(const char *a, const char *b)
{
	size_t na = strlen(a), nb = strlen(b);

	if (na < 8 || nb < 8)
		return false;
	return na <= nb ? strcasecmp(b + nb - na, a) == 0 || strncasecmp(b, a, na) == 0
			: strcasecmp(a + na - nb, b) == 0 || strncasecmp(a, b, nb) == 0;
}

/* The common name in a one-line subject such as "O=X, CN=Debian Secure Boot CA". */
static bool names_cn(const char *description, const char *subject)
{
	const char *cn = strstr(subject, "CN");
	size_t n;

	if (!cn || !description)
		return false;
	cn += 2;
	cn += strspn(cn, " =");
	n = strcspn(cn, ",/");
	return n > 0 && strncmp(description, cn, n) == 0 &&
	       (description[n] == '\0' || description[n] == ':');
}

/* Is that key the one called id, or, where there are no ids, name? */
static bool is_key(const struct us_anchor *anchor, const char *id, const char *name)
{
	if (*anchor->key_id && *id)
		return id_ends(anchor->key_id, id);
	return !*anchor->key_id && !anchor->cert && names_cn(anchor->description, name);
}

/* By issuer and serial number, and by the key id where the certificate has one. */
static bool is_same_cert(const struct us_anchor *anchor, const struct us_cert *c)
{
	if (anchor->cert)
		return strcmp(anchor->cert->serial, c->serial) == 0 &&
		       strcmp(anchor->cert->issuer, c->issuer) == 0 &&
		       (!*c->key_id || strcmp(anchor->cert->key_id, c->key_id) == 0);
	return is_key(anchor, *c->key_id ? c->key_id : c->serial, c->subject);
}

static bool is_issuer(const struct us_anchor *anchor, const struct us_cert *c)
{
	return is_key(anchor, c->authority_key_id, c->issuer);
}

/* Is it the certificate that the signature names? */
static bool is_signer(const struct us_anchor *anchor, const struct us_signer *signer)
{
	return anchor->cert && *signer->serial &&
	       strcmp(anchor->cert->serial, signer->serial) == 0 &&
	       strcmp(anchor->cert->issuer, signer->issuer) == 0;
}

struct question {
	const struct us_signature *s;
	const struct us_anchor *anchors;
	size_t n;
};

static const struct us_anchor *find_file(const struct question *q, const char *hash)
{
	for (size_t i = 0; *hash && i < q->n; i++)
		if (q->anchors[i].use == US_ANCHOR_REVOKED_FILE &&
		    strcasecmp(q->anchors[i].hash, hash) == 0)
			return &q->anchors[i];
	return NULL;
}

static const struct us_anchor *find_revoked(const struct question *q, const struct us_cert *c)
{
	for (size_t i = 0; i < q->n; i++) {
		const struct us_anchor *a = &q->anchors[i];

		if (a->use != US_ANCHOR_REVOKED_TBS)
			continue;
		if (a->tbs_sha256 != US_YES && *c->tbs && strcasecmp(a->hash, c->tbs) == 0)
			return a;
		if (a->tbs_sha256 != US_NO && *c->tbs_sha256 &&
		    strcasecmp(a->hash, c->tbs_sha256) == 0)
			return a;
	}
	return NULL;
}

/* The certificate that c hangs on within the signature, NULL at the top. */
static const struct us_cert *above(const struct us_signature *s, const struct us_cert *c)
{
	return c->issued_by >= 0 && &s->certs[c->issued_by] != c ? &s->certs[c->issued_by] : NULL;
}

static struct us_trust said(int os_errno, const char *why)
{
	return (struct us_trust){ .os_errno = os_errno, .why = why };
}

/* Is the signature sound in itself, as far as this signer goes? ENOKEY: yes, nothing against it. */
static struct us_trust judge_signer(const struct question *q, const struct us_signer *signer)
{
	const struct us_cert *c = signer->cert >= 0 ? &q->s->certs[signer->cert] : NULL;

	if (!signer->known_hash)
		return said(ENOPKG, "the signature uses a hash that the kernel does not know");
	if (!c && signer->ok == US_NO)
		return said(EKEYREJECTED, "what is signed is not what the signature holds");
	if (signer->out_of_season)
		return said(EKEYREJECTED, "it was signed at a time when the signer's certificate "
					  "was not valid");
	if (signer->ok == US_NO)
		return said(EKEYREJECTED, "the signature does not match its own certificate");
	for (size_t depth = 0; c && depth < q->s->n_certs; depth++, c = above(q->s, c)) {
		struct us_trust t = said(EKEYREJECTED, "a certificate of the signature is revoked "
						       "by its hash");

		t.anchor = find_revoked(q, c);
		t.cert = c;
		t.revoked = true;
		if (t.anchor)
			return t;
		if (c->issued_by >= 0 && c->link_ok != US_YES)
			return said(EKEYREJECTED, "the chain of certificates in the signature is "
						  "broken");
	}
	return said(ENOKEY, "no key vouches for it");
}

/*
 * What a key that was found by its ids makes of the signature. What it must have made is the
 * signature of the certificate below, or, if below is NULL, the signer's own.
 */
static struct us_trust by_anchor(const struct question *q, size_t signer,
				 const struct us_cert *below, const struct us_anchor *a,
				 const struct us_cert *c)
{
	struct us_trust t = { .anchor = a, .cert = c, .why = "a trusted key vouches for it" };

	if (a->unplaced)
		t.unsure = "the key is one of the kernel's, but whether it lies in a keyring that "
			   "is asked is not known";
	if (!a->cert ||
	    (below ? us_cert_signed_by(below, a->cert) : us_signer_is(q->s, signer, a->cert)))
		return t;
	t.os_errno = EKEYREJECTED;
	t.why = below ? "a certificate of the signature was not signed by the key that it names"
		      : "the signature was not made by the key that it names";
	return t;
}

/* No certificate in the signature leads to a key: the signer's own may be among the keys. */
static struct us_trust look_for_signer(const struct question *q, size_t signer,
				       enum us_anchor_use use)
{
	const struct us_signer *s = &q->s->signers[signer];
	struct us_trust t =
		said(ENOKEY, s->cert >= 0 ? "the key that issued the signer's certificate is "
					    "not among the trusted ones"
					  : "the signer's certificate is neither in the "
					    "signature nor among the trusted keys");

	for (size_t i = 0; i < q->n; i++) {
		const struct us_anchor *a = &q->anchors[i];

		if (a->use == use && is_signer(a, s))
			return by_anchor(q, signer, NULL, a, NULL);
		if (a->use == use && !a->cert && s->cert < 0)
			t.unsure = "the signature does not carry its signer's certificate, and of "
				   "the kernel's keys neither issuer nor serial number are seen";
	}
	return t;
}

/* Up the chain of one signer: each certificate itself, then the issuer of the last one, then the
 * signer's certificate where the signature does not carry it. */
static struct us_trust look_up(const struct question *q, size_t signer, enum us_anchor_use use)
{
	int at = q->s->signers[signer].cert;
	const struct us_cert *c = at >= 0 ? &q->s->certs[at] : NULL, *last = NULL;

	for (size_t depth = 0; c && depth < q->s->n_certs; depth++, c = above(q->s, c)) {
		for (size_t i = 0; i < q->n; i++)
			if (q->anchors[i].use == use && is_same_cert(&q->anchors[i], c))
				return by_anchor(q, signer, last, &q->anchors[i], c);
		if (c->issued_by >= 0 && &q->s->certs[c->issued_by] == c)
			return said(ENOKEY, "it leads to a certificate that signed itself and "
					    "that is not among the trusted keys");
		last = c;
	}
	for (size_t i = 0; last && i < q->n; i++)
		if (q->anchors[i].use == use && is_issuer(&q->anchors[i], last))
			return by_anchor(q, signer, last, &q->anchors[i], last);
	return look_for_signer(q, signer, use);
}

/* The best that any signer can show. */
static struct us_trust look_up_all(const struct question *q, enum us_anchor_use use)
{
	struct us_trust found = said(ENOKEY, "nobody signed it");

	for (size_t i = 0; i < q->s->n_signers; i++) {
		struct us_trust t;

		if (!q->s->signers[i].known_hash)
			continue;
		t = look_up(q, i, use);
		if (t.os_errno == EKEYREJECTED)
			return t;
		if (found.os_errno && (!t.os_errno || !found.unsure))
			found = t;
	}
	return found;
}

/* pkcs7_verify(): one sound signer is enough, one false signature is too many. */
static struct us_trust judge_all(const struct question *q)
{
	struct us_trust worst = said(ENOPKG, "the signature names no signer");
	bool sound = false;

	for (size_t i = 0; i < q->s->n_signers; i++) {
		struct us_trust t = judge_signer(q, &q->s->signers[i]);

		if (t.os_errno == EKEYREJECTED && !t.anchor)
			return t;
		sound |= t.os_errno == ENOKEY;
		if (worst.os_errno == ENOPKG)
			worst = t;
	}
	return sound ? said(0, NULL) : worst;
}

static struct us_trust verify(const struct question *q)
{
	const struct us_signature *s = q->s;
	const char *unsure;
	struct us_trust t;

	if (s->problem && !s->late)
		return said(s->problem_errno, s->problem);
	t = judge_all(q);
	if (t.os_errno)
		return t;
	t = look_up_all(q, US_ANCHOR_REVOKED);
	if (!t.os_errno) {
		t.os_errno = EKEYREJECTED;
		t.why = "a key that it hangs on is revoked";
		t.revoked = true;
		return t;
	}
	unsure = t.unsure; /* of its not being revoked */
	t = look_up_all(q, US_ANCHOR_TRUSTED);
	if (!t.unsure)
		t.unsure = unsure;
	if (t.os_errno)
		return t;
	if (s->problem)
		return said(s->problem_errno, s->problem);
	if (s->digest_ok == US_YES)
		return t;
	t.os_errno = EKEYREJECTED;
	t.why = "the file was changed after it was signed: its digest is not the signed one";
	return t;
}

struct us_trust us_signature_trust(const struct us_signature *signature,
				   const struct us_anchor *anchors, size_t n)
{
	const struct question q = { signature, anchors, n };
	struct us_trust t = verify(&q);

	t.file_revoked = find_file(&q, signature->digest);
	return t;
}
