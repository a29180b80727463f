/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The capture program reads /proc/vmcore and other ELF cores and nothing else: what stands here in
 * place of the other formats' files says so.
 */
#include "vmcore/vmcore-int.h"

static struct us_err *elf_only(const struct us_store *store)
{
	return us_err_new(US_ERR_UNSUPPORTED,
			  "%s: the capture program reads ELF cores only; understudy reads others",
			  store->path);
}

struct us_err *us_kdump_open(struct us_vmcore *core, struct us_store *stores, size_t n)
{
	(void)core;
	(void)n;
	return elf_only(stores);
}

struct us_err *us_raw_open(struct us_vmcore *core, struct us_store *store, bool *ret)
{
	(void)core;
	(void)ret;
	return elf_only(store);
}
