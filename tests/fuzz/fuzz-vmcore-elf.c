/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ELF cores: notes, program headers in any place and order, overlapping memory. */
#include "dump.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	exercise_file(us_bytes_of(data, size));
	return 0;
}
