/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The signature of a file: whatever it claims, what is verified and what is not stay apart. */
#include "fuzz.h"

#include "image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_us_image_free_ struct us_image *parsed = NULL;
	_us_err_free_ struct us_err *err = us_image_parse("fuzz", us_bytes_of(data, size), &parsed);
	const struct us_signature *s;

	MUST(!err && parsed);
	err = us_image_verify_signature(parsed);
	MUST(!err);
	s = &parsed->signature;
	MUST(s->verified && s->signer && s->issuer && s->signer_key_id && s->digest_name);
	MUST(s->present == US_YES || s->problem);
	MUST(!s->problem == !s->problem_errno);
	MUST(!s->problem || s->signature_ok == US_UNKNOWN);
	MUST(s->digest_ok == US_UNKNOWN || us_bytes_has(parsed->file, s->offset, s->size));
	return 0;
}
