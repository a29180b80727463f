/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Opening an image: whatever the bytes are, there is a result, and it does not contradict itself. */
#include "fuzz.h"

#include "base/cleanup.h"
#include "image/image.h"

#include <string.h>

/* Reads every byte, so that a sanitizer sees a view that leaves its memory. */
static uint8_t touch(struct us_bytes b)
{
	uint8_t sum = 0;

	MUST(b.p || !b.n);
	for (size_t i = 0; i < b.n; i++)
		sum ^= b.p[i];
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_us_image_free_ struct us_image *image = NULL;
	_us_err_free_ struct us_err *err = us_image_parse("fuzz", us_bytes_of(data, size), &image);
	volatile uint8_t sum;

	MUST(!err && image);
	MUST(image->arch && us_image_kind_name(image->kind));
	MUST((image->kind == US_IMAGE_NONE) == (image->why_none != NULL));
	MUST(image->kind == US_IMAGE_NONE || image->n_nest);
	sum = touch(image->kernel) ^ touch(image->initrd) ^ touch(image->cmdline) ^
	      touch(image->osrel) ^ touch(image->uname) ^ touch(image->dtb) ^ touch(image->ucode);
	(void)sum;
	for (size_t i = 0; i < image->n_damage; i++)
		MUST(image->damage[i].text && image->damage[i].text[0]);
	for (size_t i = 0; i < image->n_nest; i++)
		MUST(image->nest[i].kind != US_IMAGE_NONE);
	if (image->kind == US_IMAGE_BZIMAGE) {
		MUST(image->setup.setup_sects);
		MUST(image->setup.kernel_bytes <= image->kernel.n);
	}
	MUST(!image->release || strchr(image->release, ' ') == NULL);
	return 0;
}
