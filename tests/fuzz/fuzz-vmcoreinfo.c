/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The VMCOREINFO text: whatever it says, lookups stay inside it; the first line's key is asked for. */
#include "fuzz.h"

#include "vmcore/layout-int.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const kinds[] = { "OFFSET", "SIZE", "LENGTH", "NUMBER" };
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const struct us_vmcoreinfo *info = NULL;
	struct us_err *err = us_vmcoreinfo_parse(us_bytes_of(data, size), &pool, &info);
	struct us_layout *layout = NULL;
	struct us_vmcore core = {
		.arch = us_arch_by_id(size % 2 ? US_ARCH_X86_64 : US_ARCH_ARM64),
		.page_bytes = 4096,
		.page_shift = 12,
	};
	uint64_t symbol;
	int64_t number;

	if (err) {
		MUST(err->code == US_ERR_BAD_DATA && !info);
		us_err_free(err);
		return 0;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		(void)!us_vmcoreinfo_number(info, kinds[i], "page.flags", &number);
	(void)!us_vmcoreinfo_symbol(info, "mem_section", &symbol);
	core.info = info;
	core.release = us_vmcoreinfo_text(info, "OSRELEASE");
	/* no memory is behind it: _stext would lead to a search there */
	if (us_vmcoreinfo_symbol(info, "_stext", &symbol))
		return 0;
	MUST(!us_layout_find(&core, &layout) && layout);
	MUST(layout->rules_missing || layout->rules.size <= US_STRUCT_PAGE_MAX);
	us_layout_free(layout);
	return 0;
}
