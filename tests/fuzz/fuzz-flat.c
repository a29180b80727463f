/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Flattened files: the input is what follows the first header of 4096 bytes, so that a fuzzer does
 * not have to find the way past it.
 */
#include "dump.h"

#define HEADER_BYTES 4096

static const uint8_t start[] = "makedumpfile\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_us_free_ uint8_t *file = calloc(1, HEADER_BYTES + size);

	if (!file)
		return 0;
	memcpy(file, start, sizeof(start) - 1);
	if (size)
		memcpy(file + HEADER_BYTES, data, size);
	exercise_file(us_bytes_of(file, HEADER_BYTES + size));
	return 0;
}
