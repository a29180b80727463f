/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine and an image's signature: which of the kernel's keys count for kexec, and what
 * kexec_file_load would answer there (Linux 6.12 kernel/kexec_file.c: kimage_validate_signature,
 * kexec_kernel_verify_pe_sig; certs/system_keyring.c). The verifier itself is image/trust.c.
 */
#include "check/check-int.h"

#include <errno.h>
#include <string.h>

/* Keyrings that are asked: builtin and what the secondary one links to, then the platform's. */
static const char *const trusted[] = { ".builtin_trusted_keys", ".secondary_trusted_keys",
				       ".machine", ".platform" };

static enum us_tri counts(const struct us_host *host, const char *keyring)
{
	if (strcmp(keyring, ".machine") == 0)
		return host->machine_linked;
	for (size_t i = 0; i < us_array_size(trusted); i++)
		if (strcmp(keyring, trusted[i]) == 0)
			return US_YES;
	return US_NO;
}

/* May a keyring that could not be listed hold keys that vouch for images? */
static bool hides_trusted(const struct us_host *host)
{
	for (size_t i = 0; i < us_array_size(trusted); i++)
		if (strstr(host->unlisted, trusted[i]) && counts(host, trusted[i]) != US_NO)
			return true;
	return false;
}

bool us_hides_revoked(const struct us_host *host)
{
	return strstr(host->unlisted, ".blacklist") != NULL;
}

struct us_err *us_host_anchors(const struct us_host *host, struct us_anchors *ret)
{
	/* crypto/asymmetric_keys/x509_public_key.c: x509_get_sig_params() */
	enum us_tri older = us_release_before(host->release.v, 7, 0);
	enum us_tri by_sha256 = older == US_UNKNOWN ? US_UNKNOWN : us_tri_of(older == US_NO);

	for (size_t i = 0; i < host->n_keys; i++) {
		const struct us_host_key *key = &host->keys[i];
		struct us_anchor a = { .from = *key->keyring ? key->keyring : "/proc/keys",
				       .description = key->description,
				       .key_id = key->key_id };

		if (key->hash) {
			a.use = strncmp(key->description, "tbs:", 4) == 0 ? US_ANCHOR_REVOKED_TBS
									  : US_ANCHOR_REVOKED_FILE;
			a.hash = key->description + 4;
			a.tbs_sha256 = by_sha256;
		} else if (strcmp(key->keyring, ".blacklist") == 0) {
			a.use = US_ANCHOR_REVOKED;
		} else if (*key->keyring) {
			if (counts(host, key->keyring) == US_NO)
				continue;
			a.unplaced = counts(host, key->keyring) == US_UNKNOWN;
		} else if (hides_trusted(host)) {
			a.unplaced = true;
		} else {
			continue; /* in a keyring of somebody's own */
		}
		US_TRY(us_anchors_add(ret, a));
	}
	return NULL;
}

struct us_trust us_host_trust(const struct us_host *host, const struct us_signature *signature,
			      const struct us_anchors *anchors)
{
	struct us_trust t = us_signature_trust(signature, anchors->v, anchors->n);
	bool unknown = t.os_errno == ENOKEY, good = !t.os_errno;

	if (t.unsure)
		return t;
	if (!us_known(host->keys_from) && (unknown || good))
		t.unsure = "the kernel's keys are not known";
	else if (unknown && hides_trusted(host))
		t.unsure = "a keyring that could not be listed may hold the key";
	else if (good && us_hides_revoked(host))
		t.unsure = "the keyring of revoked keys could not be listed";
	return t;
}

struct us_origin us_unsure_from(const struct us_host *host)
{
	return us_known(host->keys_from) ? host->keyrings_from : host->keys_from;
}

bool us_lacks_verifier(const struct us_host *host, const struct us_arch *arch)
{
	return arch && (US_ARCH_BIT(arch->id) & US_X86) &&
	       us_kconfig_builtin(host->kconfig, "KEXEC_BZIMAGE_VERIFY_SIG") == US_NO;
}

/* A kernel that was built without the check never fails it; without the loader's part of it, always. */
static bool judged_without_looking(const struct us_host *host, const struct us_image *image,
				   struct us_kexec_answer *ret)
{
	if (us_kconfig_builtin(host->kconfig, "KEXEC_SIG") == US_NO &&
	    host->sig_enforced.v != US_YES) { /* to 5.3 it was KEXEC_VERIFY_SIG, and always so */
		ret->taken = US_YES;
		ret->why = "this kernel was built without CONFIG_KEXEC_SIG and looks at no "
			   "signature";
		ret->from = us_path(host->config_known.o);
		return true;
	}
	if (us_lacks_verifier(host, image->arch)) {
		ret->trust.unsure = NULL;
		ret->trust.os_errno = EKEYREJECTED;
		ret->trust.why = "this kernel was built without the code that verifies a "
				 "signature (CONFIG_KEXEC_BZIMAGE_VERIFY_SIG)";
	}
	return false;
}

struct us_kexec_answer us_kexec_answer(const struct us_host *host, const struct us_image *image,
				       struct us_trust trust)
{
	struct us_kexec_answer a = { .trust = trust, .from = "" };
	struct us_origin from;
	enum us_tri enforced;

	if (host->has_kexec_file_load.v == US_NO) {
		a.taken = US_NO;
		a.os_errno = ENOSYS;
		a.why = "this kernel has no kexec_file_load";
		a.from = us_path(host->has_kexec_file_load.o);
		return a;
	}
	if (judged_without_looking(host, image, &a))
		return a;
	enforced = us_enforced(host, &from, &a.why);
	a.from = us_path(from);
	if (a.trust.unsure && enforced != US_NO) {
		a.why = a.trust.unsure;
		a.from = us_path(us_unsure_from(host));
		return a;
	}
	a.taken = us_tri_of(!a.trust.os_errno);
	if (!a.trust.os_errno)
		return a;
	if (enforced == US_YES) {
		a.os_errno = host->sig_enforced.v == US_YES ? a.trust.os_errno : EPERM;
		if (a.os_errno == EPERM && host->ima_appraises_kexec.v != US_NO &&
		    !host->ima_by_hash &&
		    us_kconfig_builtin(host->kconfig, "INTEGRITY_TRUSTED_KEYRING") != US_NO) {
			a.taken = US_UNKNOWN;
			a.why = "IMA decides by its own signature of the file";
		}
	} else if (enforced == US_UNKNOWN) {
		a.taken = US_UNKNOWN;
		a.why = "whether this kernel insists on a signature is not known";
	} else {
		a.taken = US_YES;
		a.why = "this kernel does not insist on a good signature";
	}
	return a;
}
