/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every target needs: libFuzzer's entry point (also called by replay.c), and MUST() for what
 * has to hold whatever the input was.
 */
#ifndef US_TESTS_FUZZ_H
#define US_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MUST(holds)                                                                                \
	do {                                                                                       \
		if (!(holds)) {                                                                    \
			fprintf(stderr, "%s:%d: must hold: %s\n", __FILE__, __LINE__, #holds);     \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#endif
