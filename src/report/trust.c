/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What verify-image found out: the signature, its chain, the keys, and the kernel's answer. */
#include "report/report-int.h"

#include <inttypes.h>
#include <string.h>

static const char *use_name(enum us_anchor_use use)
{
	static const char *const names[] = { "trusted", "revoked", "revoked-certificate-hash",
					     "revoked-file-hash" };

	return names[use];
}

static enum us_tri verified(const struct us_trust *t)
{
	return t->unsure ? US_UNKNOWN : us_tri_of(!t->os_errno);
}

/* One line that answers. */
static const char *verdict(const struct us_trust *t)
{
	return t->unsure      ? "who trusts it could not be found out"
	       : !t->os_errno ? "signed, unchanged, and a trusted key vouches for it"
			      : "not verified";
}

/* What the verifier says of the signature and some keys. */
static void trust(struct us_out *out, const struct us_trust *t)
{
	if (t->os_errno)
		us_out_row(out, "why", "%s: %s", us_errno_name(t->os_errno), t->why);
	else
		us_out_row(out, "vouches", "%s (%s)", t->anchor->description, t->anchor->from);
	if (!t->os_errno && !t->anchor->cert)
		us_out_row(out, "note",
			   "found by its id, which anyone can write into a certificate: the key "
			   "itself is not seen; with its file (--keyring) it is verified");
	if (t->unsure)
		us_out_row(out, "not sure", "%s", t->unsure);
	if (t->revoked && t->anchor)
		us_out_row(out, "revoked by", "%s (%s)",
			   t->anchor->hash ? t->anchor->hash : t->anchor->description,
			   t->anchor->from);
	if (t->file_revoked)
		us_out_row(out, "note",
			   "the hash of this file is revoked (%s): firmware and shim "
			   "refuse to start it; kexec_file_load does not look at that",
			   t->file_revoked->from);
}

static void chain(struct us_out *out, const struct us_signature *s, int at)
{
	for (size_t depth = 0; at >= 0 && depth < s->n_certs; depth++) {
		const struct us_cert *c = &s->certs[at];

		us_out_row(out, depth ? "issued by" : "signer", "%s", c->subject);
		us_out_row(out, "", "%s, signed with %s, key id %s, serial %s, until %s%s", c->key,
			   *c->hash_name ? c->hash_name : "an unknown hash",
			   *c->key_id ? c->key_id : "none", c->serial, c->until,
			   c->link_ok == US_NO ? ", BROKEN: its issuer's key did not sign it" : "");
		if (c->issued_by == at)
			return;
		if (c->issued_by < 0)
			us_out_row(out, "issued by", "%s (not in the file), key id %s", c->issuer,
				   *c->authority_key_id ? c->authority_key_id : "not named");
		at = c->issued_by;
	}
}

static void signature(struct us_out *out, const struct us_signature *s)
{
	if (*s->digest)
		us_out_row(out, "digest", "%s %s: %s", s->digest_name, s->digest,
			   s->digest_ok == US_YES ? "equals the signed one"
						  : "DIFFERS from the signed one");
	for (size_t i = 0; i < s->n_signers; i++) {
		const struct us_signer *signer = &s->signers[i];

		us_out_row(out, "signature", "%s with %s%s",
			   signer->ok == US_YES  ? "verifies"
			   : signer->ok == US_NO ? "DOES NOT VERIFY"
						 : "could not be verified",
			   signer->hash_name,
			   signer->out_of_season ? ", made while its certificate was not valid"
						 : "");
		if (signer->cert < 0)
			us_out_row(out, "signer", "not in the file; issued by %s, serial %s",
				   signer->issuer, signer->serial);
		chain(out, s, signer->cert);
	}
}

static void keys(struct us_out *out, const char *title, const struct us_anchors *anchors)
{
	us_out_head(out, "%s", title);
	for (size_t i = 0; i < anchors->n; i++) {
		const struct us_anchor *a = &anchors->v[i];

		if (a->hash)
			us_out_row(out, "revoked", "%s (%s)", a->hash, a->from);
		else
			us_out_row(out, use_name(a->use), "%s (%s)", a->description, a->from);
	}
}

static void answer(struct us_out *out, const struct us_trust_report *r)
{
	const struct us_kexec_answer *a = &r->answer;

	us_out_head(out, "What kexec_file_load says on this machine");
	if (a->taken == US_NO)
		us_out_row(out, "answer", "%s (%d): %s", us_errno_name(a->os_errno), a->os_errno,
			   a->why ? a->why : a->trust.why);
	else
		us_out_row(out, "answer", "%s%s%s",
			   a->taken == US_YES ? "it takes the image" : "not known",
			   a->why && (a->trust.os_errno || a->taken != US_YES) ? ": " : "",
			   a->why && (a->trust.os_errno || a->taken != US_YES) ? a->why : "");
	if (a->from && *a->from)
		us_out_row(out, "by", "%s", a->from);
	if (r->by_files) {
		us_out_para(out, 2, 4, "By the keys of this machine alone: %s",
			    verdict(&r->own_trust));
		trust(out, &r->own_trust);
	}
	if (!us_known(r->host->keyrings_from) && us_known(r->host->keys_from))
		us_out_row(out, "note", "not every keyring that is asked is known: %s",
			   r->host->keyrings_from.missing);
}

void us_report_trust(struct us_out *out, const struct us_trust_report *r)
{
	const struct us_signature *s = us_handed_signature(r->image);

	us_out_para(out, 0, 2, "%s: %s", r->image->path, verdict(&r->trust));
	trust(out, &r->trust);
	if (r->image->n_nest > 1)
		us_out_row(out, "note",
			   "this is the kernel inside another file: kexec_file_load gets "
			   "it alone, and only its own signature counts");
	signature(out, s);
	for (size_t i = 0; i < s->n_others; i++) {
		us_out_head(out, "Signature %zu, which the kernel does not look at", i + 2);
		signature(out, &s->others[i]);
	}
	if (r->host)
		answer(out, r);
	if (out->verbose)
		keys(out, "Keys asked", r->asked);
	if (out->verbose && r->by_files && r->host)
		keys(out, "Keys of this machine", r->own);
}

static void anchor_into(json_object *obj, const struct us_anchor *a)
{
	us_json_str(obj, "use", use_name(a->use));
	us_json_str(obj, "from", a->from);
	us_json_str(obj, "description", a->description);
	us_json_str(obj, "key_id", a->key_id);
	us_json_str(obj, "hash", a->hash);
}

void us_json_anchors(json_object *list, const struct us_anchor *anchors, size_t n)
{
	for (size_t i = 0; i < n; i++)
		anchor_into(us_json_item(list), &anchors[i]);
}

static void put_anchor(json_object *obj, const char *key, const struct us_anchor *a)
{
	if (a)
		anchor_into(us_json_sub(obj, key), a);
	else
		json_object_object_add(obj, key, NULL);
}

static void put_signature(json_object *obj, const struct us_signature *s)
{
	json_object *list;

	us_json_str(obj, "problem", s->problem);
	us_json_str(obj, "digest_name", s->digest_name);
	us_json_str(obj, "digest", s->digest);
	us_json_tri(obj, "digest_ok", s->digest_ok);
	list = us_json_list(obj, "signers");
	for (size_t i = 0; i < s->n_signers; i++) {
		json_object *item = us_json_item(list);

		us_json_str(item, "hash", s->signers[i].hash_name);
		us_json_tri(item, "verifies", s->signers[i].ok);
		us_json_bool(item, "in_validity", !s->signers[i].out_of_season);
		us_json_str(item, "issuer", s->signers[i].issuer);
		us_json_str(item, "serial", s->signers[i].serial);
		json_object_object_add(
			item, "certificate",
			s->signers[i].cert < 0 ? NULL : json_object_new_int(s->signers[i].cert));
	}
	list = us_json_list(obj, "certificates");
	for (size_t i = 0; i < s->n_certs; i++) {
		const struct us_cert *c = &s->certs[i];
		json_object *item = us_json_item(list);

		us_json_str(item, "subject", c->subject);
		us_json_str(item, "issuer", c->issuer);
		us_json_str(item, "serial", c->serial);
		us_json_str(item, "key", c->key);
		us_json_str(item, "key_id", c->key_id);
		us_json_str(item, "authority_key_id", c->authority_key_id);
		us_json_str(item, "hash", c->hash_name);
		us_json_str(item, "tbs", c->tbs);
		us_json_str(item, "until", c->until);
		json_object_object_add(item, "issued_by",
				       c->issued_by < 0 ? NULL : json_object_new_int(c->issued_by));
		us_json_tri(item, "link_ok", c->link_ok);
	}
}

/* What the machine's own keys make of it. */
static void put_answer(json_object *obj, const struct us_trust_report *r)
{
	const struct us_kexec_answer *a = &r->answer;
	json_object *sub;

	if (!r->host) {
		json_object_object_add(obj, "kexec_file_load", NULL);
		return;
	}
	sub = us_json_sub(obj, "kexec_file_load");
	us_json_tri(sub, "taken", a->taken);
	us_json_num(sub, "errno", (uint64_t)a->os_errno);
	us_json_str(sub, "errno_name", a->os_errno ? us_errno_name(a->os_errno) : NULL);
	us_json_str(sub, "why", a->why);
	us_json_str(sub, "from", a->from);
	us_json_tri(sub, "verified", verified(&r->own_trust));
	put_anchor(sub, "key", r->own_trust.anchor);
	us_json_bool(sub, "keyrings_known", us_known(r->host->keyrings_from));
	us_json_str(sub, "keyrings_missing", r->host->keyrings_from.missing);
}

json_object *us_json_trust(const struct us_trust_report *r)
{
	const struct us_signature *s = us_handed_signature(r->image);
	json_object *obj = us_json_new("verify-image"), *list;

	if (!obj)
		return NULL;
	us_json_str(obj, "path", r->image->path);
	us_json_bool(obj, "inner", r->image->n_nest > 1);
	us_json_tri(obj, "verified", verified(&r->trust));
	us_json_num(obj, "errno", (uint64_t)r->trust.os_errno);
	us_json_str(obj, "errno_name", r->trust.os_errno ? us_errno_name(r->trust.os_errno) : NULL);
	us_json_str(obj, "why", r->trust.why);
	us_json_str(obj, "unsure", r->trust.unsure);
	us_json_bool(obj, "revoked", r->trust.revoked);
	put_anchor(obj, "key", r->trust.anchor);
	put_anchor(obj, "file_revoked", r->trust.file_revoked);
	list = us_json_list(obj, "signatures");
	if (s->present == US_YES)
		put_signature(us_json_item(list), s);
	for (size_t i = 0; i < s->n_others; i++)
		put_signature(us_json_item(list), &s->others[i]);
	list = us_json_list(obj, "keys");
	us_json_anchors(list, r->asked->v, r->asked->n);
	if (r->by_files)
		us_json_anchors(list, r->own->v, r->own->n);
	put_answer(obj, r);
	us_json_num(obj, "exit", (uint64_t)r->exit);
	return obj;
}
