/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What an object store answers. */
#include "fuzz.h"

#include "base/cleanup.h"
#include "target/http-int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_xml xml = { .bytes = us_bytes_of(data, size) };
	const char *name = "", *text;

	while (name) {
		struct us_err *err = us_xml_next(&xml, &pool, &name, &text);

		if (err) {
			us_err_free(err);
			break;
		}
	}
	return 0;
}
