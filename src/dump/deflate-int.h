/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to src/dump: a page as a zlib stream, quickly. */
#ifndef US_DUMP_DEFLATE_INT_H
#define US_DUMP_DEFLATE_INT_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>

#define US_DEFLATE_MIN 64
#define US_DEFLATE_MAX 16384 /* bytes of a page */

struct us_deflate;
struct us_deflate *us_deflate_new(void); /* NULL: no memory */
/* n bytes (US_DEFLATE_MIN to US_DEFLATE_MAX) packed to out, which has room for n + 16; 0 if they do not shrink. */
size_t us_deflate_page(struct us_deflate *deflate, const uint8_t *in, size_t n, uint8_t *out);
void us_deflate_free(struct us_deflate *deflate);

#endif
