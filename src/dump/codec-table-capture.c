/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page codecs of the capture program: lzo, and zstd's fast levels. It is linked without the
 * strategies of zstd that higher levels use (they are half of the library), so these are refused.
 */
#include "dump/dump-int.h"

const struct us_page_method us_page_methods[] = {
	{ US_PAGE_RAW, "none", 0, 0, NULL, NULL },
	{ US_PAGE_LZO, "lzo", 0, 0, us_page_open_lzo, us_page_pack_lzo },
	{ US_PAGE_ZSTD, "zstd", -50, 3, us_page_open_zstd, us_page_pack_zstd },
	{ US_PAGE_AUTO, "auto", 0, 0, NULL, NULL },
	{ 0 },
};
