/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dumped kernel's own utsname, for formats that do not carry it: struct new_utsname in
 * init_uts_ns (Linux 6.12 include/uapi/linux/utsname.h; vmcoreinfo has the place). What does not
 * look like one is left alone.
 */
#include "vmcore/vmcore.h"

#include <string.h>

#define FIELD_BYTES 65
#define FIELDS      6

/* Printable text with its end inside the field. */
static bool is_text(const char *field)
{
	size_t n = strnlen(field, FIELD_BYTES);

	for (size_t i = 0; i < n; i++)
		if (field[i] < ' ' || field[i] > '~')
			return false;
	return n < FIELD_BYTES;
}

void us_vmcore_look_uts(struct us_vmcore *core, const struct us_layout *layout)
{
	_us_err_free_ struct us_err *err = NULL;
	char raw[FIELDS * FIELD_BYTES];
	uint64_t ns;
	int64_t offset;

	if (!layout || !us_vmcoreinfo_symbol(core->info, "init_uts_ns", &ns) ||
	    !us_vmcoreinfo_number(core->info, "OFFSET", "uts_namespace.name", &offset) ||
	    !us_add(ns, (uint64_t)offset, &ns))
		return;
	err = us_vmcore_read_virt(core, layout, ns, raw, sizeof(raw));
	if (err || strncmp(raw, "Linux", FIELD_BYTES))
		return;
	for (size_t i = 0; i < FIELDS; i++) {
		const char *field = raw + i * FIELD_BYTES, *copy = NULL;

		if (!*core->uts[i] && is_text(field))
			copy = us_pool_strdup(&core->pool, field);
		if (copy)
			core->uts[i] = copy;
	}
	if (!*core->release)
		core->release = core->uts[2];
}
