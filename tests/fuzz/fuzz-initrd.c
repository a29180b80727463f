/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An initrd of two files, cut in two where the first byte says; both are walked to their ends. */
#include "fuzz.h"

#include "image/image.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct us_bytes all = us_bytes_clip(us_bytes_of(data, size), 1, SIZE_MAX);
	size_t cut = size ? data[0] * 16u : 0;
	struct us_bytes first = us_bytes_clip(all, 0, cut);
	struct us_bytes second = us_bytes_clip(all, cut, SIZE_MAX);
	_us_initrd_free_ struct us_initrd *initrd = NULL;
	_us_err_free_ struct us_err *err =
		us_initrd_open(NULL, 0, first, second, true, NULL, &initrd);
	uint64_t end = 0;

	MUST(!err && initrd && initrd->releases);
	MUST(initrd->bytes.n >= all.n);
	for (size_t i = 0; i < initrd->n_parts; i++) {
		const struct us_initrd_part *part = &initrd->parts[i];

		MUST(part->from && part->offset >= end);
		MUST(us_bytes_has(initrd->bytes, part->offset, part->size));
		MUST(part->codec || part->problem || part->files || part->size >= 110);
		end = part->offset + part->size;
	}
	for (size_t i = 0; initrd->releases[i]; i++)
		MUST(initrd->releases[i][0] && !strchr(initrd->releases[i], '/'));
	return 0;
}
