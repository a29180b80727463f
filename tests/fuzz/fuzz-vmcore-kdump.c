/* SPDX-License-Identifier: GPL-2.0-or-later */
/* kdump-compressed dumps: headers of every version, word size and byte order, bitmaps, descriptors,
 * pages. */
#include "dump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	exercise_file(us_bytes_of(data, size));
	return 0;
}
