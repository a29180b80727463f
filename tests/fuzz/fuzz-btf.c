/* SPDX-License-Identifier: GPL-2.0-or-later */
/* BTF: a section as it stands in a kernel image; what understudy asks of one is asked. */
#include "fuzz.h"

#include "vmcore/layout-int.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const paths[] = { "page.flags", "page.lru", "zone.vm_stat",
					     "page.absent" };
	struct us_btf *btf = NULL;
	struct us_err *err = us_btf_parse(us_bytes_of(data, size), &btf);
	int64_t v;

	if (err) {
		MUST(!btf);
		us_err_free(err);
		return 0;
	}
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		MUST(!us_btf_offset(btf, paths[i], &v) || v >= 0);
	(void)us_btf_size(btf, "page", &v);
	(void)us_btf_enum(btf, "PGTY_slab", &v);
	us_btf_free(btf);
	return 0;
}
