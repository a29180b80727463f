/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A kernel module that is cut, and the same bytes read as a program: nothing grows, cutting ends. */
#include "fuzz.h"

#include "crash/build-int.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_us_blob_deinit_ struct us_blob once = { 0 }, twice = { 0 };
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_program_needs needs = { 0 };

	MUST(!us_module_strip(us_bytes_of(data, size), &once));
	MUST(once.n <= size);
	MUST(!us_module_strip(us_blob_bytes(&once), &twice));
	MUST(twice.n <= once.n);
	if (us_program_elf(&pool, us_bytes_of(data, size), &needs)) {
		MUST(size >= 64 && needs.n <= US_PROGRAM_NEEDS_MAX);
		for (size_t i = 0; i < needs.n; i++)
			MUST(needs.names[i] && strlen(needs.names[i]) < size);
	}
	return 0;
}
