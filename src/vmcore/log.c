/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The kernel log of a dump: its memory is read by the dump's own page tables. */
#include "vmcore/log-int.h"

struct place {
	const struct us_vmcore *core;
	const struct us_layout *layout;
};

static struct us_err *read_core(void *data, uint64_t virt, void *buf, size_t n)
{
	const struct place *place = data;

	return us_vmcore_read_virt(place->core, place->layout, virt, buf, n);
}

struct us_err *us_vmcore_log(const struct us_vmcore *core, const struct us_layout *layout,
			     us_log_fn fn, void *data, struct us_log_stats *ret)
{
	struct place place = { .core = core, .layout = layout };
	const struct us_log_source source = {
		.info = core->info,
		.big_endian = core->big_endian,
		.read = read_core,
		.data = &place,
	};

	if (!core->info)
		return us_err_new(US_ERR_NOT_FOUND,
				  "%s has no vmcoreinfo, which says where the kernel log is",
				  core->path);
	return us_log_walk(&source, fn, data, ret);
}
