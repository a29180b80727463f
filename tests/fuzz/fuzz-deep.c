/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The deep look: every fact has its witness, and a payload is whole or its damage is named. */
#include "fuzz.h"

#include "image/image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_us_image_free_ struct us_image *image = NULL;
	_us_err_free_ struct us_err *err = us_image_parse("fuzz", us_bytes_of(data, size), &image);

	MUST(!err && image);
	err = us_image_look_deep(image, NULL, NULL);
	MUST(!err && image->deep);
	for (enum us_cap cap = 0; cap < US_CAP_COUNT; cap++)
		MUST((image->caps[cap].v == US_UNKNOWN) == !image->caps[cap].from);
	MUST(image->payload_whole != US_NO || image->n_damage);
	MUST(image->payload_whole != US_YES || image->vmlinux.n);
	MUST(!image->kconfig || image->kconfig_from);
	MUST(!image->payload_codec || image->kind == US_IMAGE_BZIMAGE);
	return 0;
}
