/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules about the Authenticode signature of the image. They concern kexec_file_load, and only where
 * the running kernel insists (KEXEC_SIG_FORCE, Secure Boot with IMA's architecture policy,
 * lockdown); elsewhere Linux 5.8 and later take any image. What is judged is the file as the kernel
 * gets it: the inner one when it had to be peeled out. Linux 6.12 kernel/kexec_file.c,
 * crypto/asymmetric_keys/verify_pefile.c.
 */
#include "check/check-int.h"

#include <errno.h>

#define PEFILE "crypto/asymmetric_keys/verify_pefile.c (Linux 6.12)"

const struct us_signature *us_handed_signature(const struct us_image *image)
{
	return image->n_nest > 1 ? &image->inner_signature : &image->signature;
}

bool us_check_needs_signature(const struct us_host *host)
{
	return host->sig_enforced.v != US_NO || us_is_locked_down(host);
}

enum us_tri us_enforced(const struct us_host *host, struct us_origin *ret_from, const char **ret_why)
{
	*ret_from = host->sig_enforced.o;
	*ret_why = "this kernel insists on a good signature";
	if (host->sig_enforced.v == US_YES)
		return US_YES;
	/* Linux 6.12 kernel/kexec_file.c: lockdown asks for signatures only where they can be read */
	if (us_is_locked_down(host) && us_kconfig_builtin(host->kconfig, "KEXEC_SIG") != US_NO) {
		*ret_from = host->lockdown.o;
		*ret_why = "this kernel is locked down and takes signed images only";
		return US_YES;
	}
	if (host->sig_enforced.v == US_UNKNOWN)
		return US_UNKNOWN;
	if (us_kconfig_builtin(host->kconfig, "KEXEC_SIG") == US_NO) {
		*ret_from = host->sig_enforced.o;
		return US_NO;
	}
	*ret_from = host->lockdown.o;
	return us_known(host->lockdown.o) ? US_NO : US_UNKNOWN;
}

/*
 * What a bad signature means here: the verdict if the kernel insists, unknown if that is not known,
 * nothing if it does not.
 */
static enum us_result bad_if_enforced(const struct us_case *c, struct us_detail *d, const char *fact)
{
	struct us_origin from;
	const char *why;
	enum us_tri enforced = us_enforced(c->host, &from, &why);

	if (enforced == US_NO)
		return US_NOT_APPLICABLE; /* signature.not-checked says what follows from that */
	us_fact(d, "%s; %s", fact, enforced == US_YES ? why : "whether that matters is not known");
	us_read(d, "%s; %s", c->image->path, us_path(from) ? us_path(from) : "");
	return enforced == US_YES ? US_FAIL : us_missing(d, from);
}

static enum us_result not_pe(const struct us_case *c, struct us_detail *d)
{
	if (us_handed_signature(c->image)->present != US_UNKNOWN)
		return US_PASS;
	return bad_if_enforced(c, d, "the image is not a PE file and cannot carry a signature");
}

static enum us_result missing(const struct us_case *c, struct us_detail *d)
{
	const struct us_signature *s = us_handed_signature(c->image);

	if (s->present == US_UNKNOWN)
		return US_NOT_APPLICABLE;
	if (s->present == US_YES)
		return US_PASS;
	if (c->image->n_nest > 1 && c->image->signature.present == US_YES)
		us_remedy(d,
			  "Use the plain, signed kernel file: the signature of the outer file does "
			  "not cover the kernel inside it alone");
	return bad_if_enforced(c, d, "the image as the kernel gets it has no signature");
}

static enum us_result malformed(const struct us_case *c, struct us_detail *d)
{
	const struct us_signature *s = us_handed_signature(c->image);

	if (s->present != US_YES)
		return US_NOT_APPLICABLE;
	return s->problem ? bad_if_enforced(c, d, s->problem) : US_PASS;
}

static enum us_result tampered(const struct us_case *c, struct us_detail *d)
{
	const struct us_signature *s = us_handed_signature(c->image);
	struct us_origin from;
	const char *why;

	if (s->present != US_YES || s->problem)
		return US_NOT_APPLICABLE;
	if (s->digest_ok == US_NO)
		return bad_if_enforced(c, d,
				       "the file was changed after it was signed: its digest is "
				       "not the signed one");
	if (s->signature_ok == US_NO)
		return bad_if_enforced(c, d, "the signature does not match its own certificate");
	if (s->digest_ok == US_YES)
		return US_PASS;
	if (us_enforced(c->host, &from, &why) == US_NO)
		return US_NOT_APPLICABLE;
	return us_cannot_tell(d, "verifying the digest of the file (--deep)");
}

/* What the verifier says of the image and this kernel's keys. */
static struct us_trust ask_verifier(const struct us_case *c)
{
	_us_anchors_deinit_ struct us_anchors anchors = { 0 };
	_us_err_free_ struct us_err *err = us_host_anchors(c->host, &anchors);
	struct us_trust t = { .os_errno = ENOMEM, .why = "there is no memory to look at the keys" };

	if (!err)
		t = us_host_trust(c->host, us_handed_signature(c->image), &anchors);
	/* the anchors end here; what they describe is the host's and stays */
	t.anchor = NULL;
	t.file_revoked = NULL;
	return t;
}

static bool is_revoked(const struct us_trust *t)
{
	return t->os_errno == EKEYREJECTED && t->revoked;
}

/* Is there a signer to look up? The facts come with the verified signature. */
static bool has_signer(const struct us_signature *s)
{
	return s->present == US_YES && !s->problem && s->verified;
}

static enum us_result unsure(const struct us_host *host, struct us_detail *d, const char *why)
{
	struct us_origin o = us_unsure_from(host);

	return us_known(o) ? us_cannot_tell(d, "%s", why) : us_missing(d, o);
}

static enum us_result unknown_signer(const struct us_case *c, struct us_detail *d)
{
	const struct us_signature *s = us_handed_signature(c->image);
	struct us_origin from;
	const char *why;
	enum us_tri enforced = us_enforced(c->host, &from, &why);
	struct us_cert signer;
	struct us_trust t;

	if (s->present != US_YES || s->problem || enforced == US_NO)
		return US_NOT_APPLICABLE;
	if (!s->verified)
		return us_cannot_tell(d, "reading the certificates in the signature (--deep)");
	if (!us_known(c->host->keys_from))
		return us_missing(d, c->host->keys_from);
	t = ask_verifier(c);
	signer = us_signature_signer(s);
	if (t.unsure)
		return unsure(c->host, d, t.unsure);
	us_fact(d,
		"signed by %s, issued by %s (key %s), and none of this kernel's keys (%zu) vouches for "
		"it: %s",
		*signer.subject ? signer.subject : "somebody without a certificate in it",
		*signer.issuer ? signer.issuer : "nobody named",
		*signer.authority_key_id ? signer.authority_key_id : "not named", c->host->n_keys,
		t.why);
	us_read(d, "%s; %s", c->image->path, us_path(c->host->keys_from));
	if (t.os_errno != ENOKEY && t.os_errno != ENOPKG) {
		us_fact(d, "signed by %s, and this kernel has the key", signer.subject);
		return US_PASS;
	}
	return enforced == US_YES ? US_FAIL : us_missing(d, from);
}

static enum us_result revoked(const struct us_case *c, struct us_detail *d)
{
	const struct us_signature *s = us_handed_signature(c->image);
	struct us_origin from;
	struct us_trust t;
	const char *why;

	if (!has_signer(s) || us_enforced(c->host, &from, &why) == US_NO)
		return US_NOT_APPLICABLE;
	if (!us_known(c->host->keys_from))
		return us_missing(d, c->host->keys_from);
	t = ask_verifier(c);
	if (!is_revoked(&t))
		return us_hides_revoked(c->host) ? us_missing(d, c->host->keyrings_from) : US_PASS;
	us_remedy(d, "Choose an image signed with a key that is not revoked (%s)", t.cert->subject);
	return bad_if_enforced(c, d, t.why);
}

static enum us_result no_verifier(const struct us_case *c, struct us_detail *d)
{
	enum us_tri has = us_kconfig_builtin(c->host->kconfig, "KEXEC_BZIMAGE_VERIFY_SIG");
	struct us_origin from;
	const char *why;

	if (has == US_YES || us_enforced(c->host, &from, &why) == US_NO)
		return US_PASS;
	if (has == US_UNKNOWN)
		return us_missing(d, c->host->config_known.o);
	return bad_if_enforced(c, d,
			       "CONFIG_KEXEC_BZIMAGE_VERIFY_SIG is not set in the running kernel");
}

static enum us_result not_checked(const struct us_case *c, struct us_detail *d)
{
	const struct us_signature *s = us_handed_signature(c->image);
	bool bad = s->present != US_YES || s->problem || s->digest_ok == US_NO ||
		   s->signature_ok == US_NO;
	struct us_origin from;
	const char *why;
	enum us_tri enforced = us_enforced(c->host, &from, &why);

	if (!bad)
		return US_PASS;
	if (enforced != US_NO)
		return US_NOT_APPLICABLE;
	us_fact(d, "the image has no good signature and the running kernel does not ask for one");
	us_read(d, "%s; %s", c->image->path, us_path(c->host->sig_enforced.o));
	return US_FAIL;
}

static enum us_result initrd_not_covered(const struct us_case *c, struct us_detail *d)
{
	struct us_origin from;
	const char *why;
	enum us_tri enforced = us_enforced(c->host, &from, &why);

	if (enforced == US_UNKNOWN)
		return us_missing(d, from);
	us_fact(d, "%s, and the initrd and the command line are signed by nobody", why);
	us_read(d, "%s", us_path(from) ? us_path(from) : "");
	return us_fail_if(enforced == US_YES);
}

#define SIGNATURE_RULE                                                                             \
	.when = US_ON_BOTH, .by = US_BY_FILE, .needs = US_NEEDS_IMAGE | US_NEEDS_HOST,             \
	.unknown_ok = true

static const struct us_rule rules[] = {
	{
		.id = "signature.not-pe",
		.severity = US_BLOCK,
		SIGNATURE_RULE,
		.says = "The kernel insists on a signature, and this kind of image cannot carry one",
		.fix = "Choose a signed bzImage with an EFI stub",
		.see = PEFILE ": ELIBBAD; under lockdown alone EPERM",
		.test = not_pe,
	},
	{
		.id = "signature.missing",
		.severity = US_BLOCK,
		SIGNATURE_RULE,
		.says = "The kernel insists on a signature, and the image has none",
		.fix = "Sign the image (sbsign) with a key that this kernel trusts, or choose a signed one",
		.see = PEFILE ": ENODATA, \"Unsigned PE binary\"; under lockdown alone EPERM",
		.test = missing,
	},
	{
		.id = "signature.malformed",
		.severity = US_BLOCK,
		SIGNATURE_RULE,
		.says = "The kernel insists on a signature, and it cannot read this one",
		.fix = "Sign the image again (sbsign)",
		.see = PEFILE ": ELIBBAD or errno 524",
		.test = malformed,
	},
	{
		.id = "signature.tampered",
		.severity = US_BLOCK,
		SIGNATURE_RULE,
		.says = "The kernel insists on a signature, and this one does not fit the file",
		.fix = "Install the image again from its package",
		.see = PEFILE ": EKEYREJECTED, \"Digest mismatch\"",
		.test = tampered,
	},
	{
		.id = "signature.unknown-signer",
		.severity = US_BLOCK,
		SIGNATURE_RULE,
		.says = "The kernel insists on a signature by a key that it trusts, and it does not "
			"have the key of this one",
		.fix = "Enrol the signer's certificate (mokutil --import), or choose an image signed by "
		       "the distribution whose shim booted this machine",
		.see = "kernel/kexec_file.c (Linux 6.12): kexec_kernel_verify_pe_sig(), ENOKEY; under "
		       "lockdown alone EPERM",
		.test = unknown_signer,
	},
	{
		.id = "signature.revoked",
		.severity = US_BLOCK,
		SIGNATURE_RULE,
		.says = "The kernel insists on a signature, and the key of this one is revoked",
		.fix = "Choose an image signed with a key that is not revoked",
		.see = "certs/blacklist.c (Linux 6.12): is_key_on_revocation_list(), EKEYREJECTED",
		.test = revoked,
	},
	{
		.id = "signature.no-verifier",
		.severity = US_BLOCK,
		SIGNATURE_RULE,
		.arch = US_X86,
		.says = "The kernel insists on a signature and was built without the code that verifies "
			"one",
		.fix = "Use a kernel with CONFIG_KEXEC_BZIMAGE_VERIFY_SIG=y",
		.see = "kernel/kexec_file.c (Linux 6.12): kexec_image_verify_sig(), EKEYREJECTED",
		.test = no_verifier,
	},
	{
		.id = "signature.not-checked",
		.severity = US_NOTE,
		SIGNATURE_RULE,
		.says = "Nobody will check the image: that it loads proves nothing about where it comes "
			"from",
		.fix = "Boot with Secure Boot, or with lockdown=integrity, where images must be signed",
		.see = "kernel/kexec_file.c since Linux 5.8: errors count only when enforced",
		.test = not_checked,
	},
	{
		.id = "signature.initrd-not-covered",
		.severity = US_NOTE,
		.when = US_ON_BOTH,
		.by = US_BY_FILE,
		.needs = US_NEEDS_HOST | US_NEEDS_INITRD,
		.says = "The signature covers the kernel only",
		.fix = "Protect the initrd by file permissions, or use a signed unified kernel image for "
		       "the ordinary boot",
		.see = "kernel/kexec_file.c (Linux 6.12): only IMA measures the command line",
		.test = initrd_not_covered,
	},
};

const struct us_rule_table us_rules_signature = US_RULE_TABLE(rules);
