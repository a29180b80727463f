/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The signature of a file: whatever it claims, what is verified and what is not stay apart. */
#include "fuzz.h"

#include "image/image.h"

/* With its own certificates as keys: whoever is trusted or revoked, the answer has a reason. */
static void judge(const struct us_signature *s)
{
	struct us_anchor anchors[8];
	size_t n = 0;

	for (; n < s->n_certs && n < 8; n++)
		anchors[n] =
			(struct us_anchor){ .use = n % 2 ? US_ANCHOR_REVOKED : US_ANCHOR_TRUSTED,
					    .from = "fuzz",
					    .description = s->certs[n].subject,
					    .key_id = s->certs[n].key_id,
					    .cert = &s->certs[n] };
	for (size_t k = 0; k <= n; k++) {
		struct us_trust t = us_signature_trust(s, anchors, k);

		MUST(t.why && *t.why && *us_errno_name(t.os_errno));
		MUST(t.os_errno || (k && t.anchor && s->digest_ok == US_YES && !s->problem));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_us_image_free_ struct us_image *parsed = NULL;
	_us_err_free_ struct us_err *err = us_image_parse("fuzz", us_bytes_of(data, size), &parsed);
	const struct us_signature *s;

	MUST(!err && parsed);
	err = us_image_verify_signature(parsed);
	MUST(!err);
	s = &parsed->signature;
	MUST(s->verified && us_signature_signer(s).subject && s->digest_name);
	MUST(s->present == US_YES || s->problem);
	MUST(!s->problem == !s->problem_errno);
	MUST(!s->problem || s->late || s->signature_ok == US_UNKNOWN);
	MUST(s->digest_ok == US_UNKNOWN || us_bytes_has(parsed->file, s->offset, s->size));
	judge(s);
	return 0;
}
