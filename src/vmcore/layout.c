/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dumped kernel's structures: each field of layout.def from vmcoreinfo, else from BTF in the
 * dump, else from the version. Never from the running machine. A field that nobody tells stays
 * unknown; who needs it says so.
 */
#include "vmcore/layout-int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define V(major, minor) US_KERNEL(major, minor)

struct field {
	const char *kind, *name, *former;
	uint32_t from, before; /* versions; 0: not said */
};

static const struct field fields[US_F_COUNT] = {
#define US_FIELD(id, kind_, name_, former_, from_, before_)                                        \
	[US_F_##id] = { kind_, name_, former_, from_, before_ },
#include "vmcore/layout.def"
};

static const struct enumerator {
	enum us_field field;
	const char *name;
	unsigned int shift;
} enumerators[] = {
#define US_BTF_ENUM(id, enumerator_, shift_) { US_F_##id, enumerator_, shift_ },
#include "vmcore/layout.def"
};

static const struct version_value {
	enum us_field field;
	enum us_arch_id arch;
	uint32_t page_bytes, from, before;
	int64_t value;
} version_values[] = {
#define US_VERSION_VALUE(id, arch_, page_, from_, before_, value_)                                 \
	{ US_F_##id, arch_, page_, from_, before_, value_ },
#include "vmcore/layout.def"
};

static void set(struct us_layout *layout, enum us_field field, int64_t value,
		enum us_field_source from)
{
	layout->value[field] = value;
	layout->from[field] = from;
}

/* "6.12.117+deb12-amd64" -> 6.12; 0 if it has no such start. */
static uint32_t version_of(const char *release)
{
	char *end;
	unsigned long major = strtoul(release, &end, 10), minor;

	if (end == release || *end != '.' || major > 0xff)
		return 0;
	minor = strtoul(end + 1, NULL, 10);
	return minor > 0xffff ? 0 : US_KERNEL(major, minor);
}

static bool in_versions(uint32_t version, uint32_t from, uint32_t before)
{
	return version >= from && (!before || version < before);
}

static bool ask_vmcoreinfo(const struct us_vmcoreinfo *info, const char *kind, const char *name,
			   int64_t *ret)
{
	uint64_t symbol;

	if (!name)
		return false;
	if (strcmp(kind, "SYMBOL") != 0)
		return us_vmcoreinfo_number(info, kind, name, ret);
	if (!us_vmcoreinfo_symbol(info, name, &symbol))
		return false;
	*ret = (int64_t)symbol;
	return true;
}

static void from_vmcoreinfo(const struct us_vmcoreinfo *info, struct us_layout *layout)
{
	int64_t value;

	for (int i = 0; i < US_F_COUNT; i++) {
		const struct field *f = &fields[i];

		if (ask_vmcoreinfo(info, f->kind, f->name, &value) ||
		    ask_vmcoreinfo(info, f->kind, f->former, &value))
			set(layout, (enum us_field)i, value, US_FROM_VMCOREINFO);
	}
}

static const struct enumerator *enumerator_of(enum us_field field)
{
	for (size_t i = 0; i < us_array_size(enumerators); i++) {
		if (enumerators[i].field == field)
			return &enumerators[i];
	}
	return NULL;
}

/* What this version should have, vmcoreinfo does not tell and BTF could. */
static bool is_missing(const struct us_layout *layout, enum us_field field)
{
	const struct field *f = &fields[field];

	return !us_has(layout, field) && f->from &&
	       in_versions(layout->version, f->from, f->before) &&
	       (strcmp(f->kind, "OFFSET") == 0 || strcmp(f->kind, "SIZE") == 0 ||
		enumerator_of(field));
}

static bool ask_btf(const struct us_btf *btf, enum us_field field, int64_t *ret)
{
	const struct field *f = &fields[field];
	const struct enumerator *e = enumerator_of(field);

	if (strcmp(f->kind, "OFFSET") == 0)
		return us_btf_offset(btf, f->name, ret) ||
		       (f->former && us_btf_offset(btf, f->former, ret));
	if (strcmp(f->kind, "SIZE") == 0)
		return us_btf_size(btf, f->name, ret);
	if (!e || !us_btf_enum(btf, e->name, ret))
		return false;
	*ret = (int64_t)((uint64_t)*ret << e->shift);
	return true;
}

static void from_btf(const struct us_vmcore *core, struct us_layout *layout)
{
	_us_err_free_ struct us_err *err = NULL;
	struct us_btf *btf = NULL;
	int64_t value;

	for (int i = 0; i < US_F_COUNT && !err; i++) {
		if (!is_missing(layout, (enum us_field)i))
			continue;
		if (!btf)
			err = us_btf_find(core, layout,
					  &btf); /* a dump without BTF is an ordinary one */
		if (btf && ask_btf(btf, (enum us_field)i, &value))
			set(layout, (enum us_field)i, value, US_FROM_BTF);
	}
	us_btf_free(btf);
}

static void from_version(const struct us_vmcore *core, struct us_layout *layout)
{
	for (size_t i = 0; i < us_array_size(version_values); i++) {
		const struct version_value *v = &version_values[i];

		if (!us_has(layout, v->field) && core->arch->id == v->arch &&
		    (!v->page_bytes || v->page_bytes == core->page_bytes) &&
		    in_versions(layout->version, v->from, v->before))
			set(layout, v->field, v->value, US_FROM_VERSION);
	}
}

struct us_err *us_layout_find(const struct us_vmcore *core, struct us_layout **ret)
{
	struct us_layout *layout;

	if (!core->info)
		return us_err_new(US_ERR_NOT_FOUND,
				  "no VMCOREINFO note: the layout of the kernel is unknown");
	if (core->big_endian ||
	    (core->arch->id != US_ARCH_X86_64 && core->arch->id != US_ARCH_ARM64))
		return us_err_new(US_ERR_UNSUPPORTED, "%s%s kernels can't be looked into",
				  core->big_endian ? "big-endian " : "", core->arch->name);
	layout = calloc(1, sizeof(*layout));
	if (!layout)
		return us_err_nomem();
	layout->version = version_of(core->release ? core->release : "");
	from_vmcoreinfo(core->info, layout);
	if (core->arch->id == US_ARCH_X86_64)
		us_paging_x86_64(core, layout);
	else
		us_paging_arm64(core, layout);
	from_btf(core, layout);
	from_version(core, layout);
	us_page_rules_make(layout);
	*ret = layout;
	return NULL;
}

void us_layout_free(struct us_layout *layout)
{
	free(layout);
}
