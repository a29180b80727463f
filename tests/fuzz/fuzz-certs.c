/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Files of keys: PEM, DER, EFI signature lists. Either an error, or anchors that can be used. */
#include "fuzz.h"

#include "image/image.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_us_anchors_deinit_ struct us_anchors anchors = { 0 };
	_us_err_free_ struct us_err *err =
		us_anchors_add_bytes(&anchors, us_bytes_of(data, size), "fuzz", size & 1);

	MUST(!err || (err->code == US_ERR_BAD_DATA && strstr(err->text, "fuzz")));
	for (size_t i = 0; i < anchors.n; i++) {
		const struct us_anchor *a = &anchors.v[i];

		MUST(a->from && a->description && a->key_id);
		MUST(!a->cert == (a->use >= US_ANCHOR_REVOKED_TBS) && !a->hash == !!a->cert);
		MUST(!a->cert ||
		     (a->cert->subject && a->cert->issuer && a->cert->key && a->cert->tbs));
		MUST(!a->hash || strlen(a->hash) % 2 == 0);
	}
	return 0;
}
