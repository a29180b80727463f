/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Private to vmcore: the modules of a dumped kernel, with where their own symbol tables are. */
#ifndef US_VMCORE_KERNEL_INT_H
#define US_VMCORE_KERNEL_INT_H

#include "vmcore/layout-int.h"

struct us_module_syms { /* kernel addresses of ELF symbols and of their names; n 0: none */
	uint64_t table, strings;
	uint32_t n;
};
struct us_module_list {
	const struct us_kernel_module *v;
	const struct us_module_syms *syms;
	size_t n;
};
struct us_err *us_modules_find(const struct us_vmcore *core, const struct us_layout *layout,
			       struct us_pool *pool, struct us_module_list *ret) us_must_check;

#endif
