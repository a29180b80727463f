/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BTF, the type information that kernels carry in their image (Linux 6.12
 * Documentation/bpf/btf.rst): structure sizes, member offsets and enumerators by name. It is found
 * by its header, since nothing exports where it is. Only vmlinux's own BTF is read, not that of
 * modules, and only little-endian.
 */
#include "base/cleanup.h"
#include "vmcore/layout-int.h"

#include <string.h>

#define HEADER_WORD  0x0001eb9f /* magic, version 1, no flags */
#define HEADER_BYTES 24
#define IMAGE_MAX    (64ull << 20) /* how far behind _stext to look */
#define SECTION_MAX  (64ull << 20)
#define WINDOW       (1u << 20)
#define UNREAD_MAX   256
#define NESTING_MAX  16
#define MEMBERS_MAX  100000 /* to look at for one question: nesting may multiply them */

enum { KIND_STRUCT = 4, KIND_UNION = 5, KIND_ENUM = 6, KIND_ENUM64 = 19 };

/* Bytes behind the 12 of each type, by kind: fixed, and for each of its vlen parts. */
static const struct {
	uint8_t fixed, each;
} kinds[] = {
	[1] = { 4, 0 },  /* INT */
	[3] = { 12, 0 }, /* ARRAY */
	[KIND_STRUCT] = { 0, 12 },
	[KIND_UNION] = { 0, 12 },
	[KIND_ENUM] = { 0, 8 },
	[13] = { 0, 8 },  /* FUNC_PROTO */
	[14] = { 4, 0 },  /* VAR */
	[15] = { 0, 12 }, /* DATASEC */
	[17] = { 4, 0 },  /* DECL_TAG */
	[KIND_ENUM64] = { 0, 12 },
};

struct type {
	uint32_t name, vlen, kind, size;
	uint64_t parts; /* offset of its parts in the types */
	bool bitfields; /* member offsets have a bitfield size on top */
};

struct us_btf {
	struct us_blob owned; /* if the section was copied */
	struct us_bytes types, strings;
	uint32_t *at; /* offset of each type; ids count from 1 */
	size_t n;
};

static bool read_type(const struct us_btf *btf, uint64_t at, struct type *ret)
{
	uint32_t info;

	if (!us_le32(btf->types, at, &ret->name) || !us_le32(btf->types, at + 4, &info) ||
	    !us_le32(btf->types, at + 8, &ret->size))
		return false;
	ret->vlen = info & 0xffff;
	ret->kind = info >> 24 & 0x1f;
	ret->bitfields = info >> 31;
	ret->parts = at + 12;
	return true;
}

static struct us_err *index_types(struct us_btf *btf)
{
	uint64_t at = 0;
	struct type type;

	btf->at = calloc(btf->types.n / 12 + 1, sizeof(*btf->at));
	if (!btf->at)
		return us_err_nomem();
	while (at < btf->types.n) {
		if (!read_type(btf, at, &type) || type.kind == 0 || type.kind > KIND_ENUM64)
			return us_err_new(US_ERR_BAD_DATA, "BTF: type %zu at 0x%llx is none",
					  btf->n + 1, (unsigned long long)at);
		btf->at[btf->n++] = (uint32_t)at;
		at = type.parts + kinds[type.kind].fixed + kinds[type.kind].each * type.vlen;
	}
	return NULL;
}

struct us_err *us_btf_parse(struct us_bytes section, struct us_btf **ret)
{
	uint32_t word, header, type_at, type_n, text_at, text_n;
	struct us_btf *btf;
	struct us_err *err;

	if (!us_le32(section, 0, &word) || word != HEADER_WORD || !us_le32(section, 4, &header) ||
	    header < HEADER_BYTES || !us_le32(section, 8, &type_at) ||
	    !us_le32(section, 12, &type_n) || !us_le32(section, 16, &text_at) ||
	    !us_le32(section, 20, &text_n))
		return us_err_new(US_ERR_BAD_DATA, "BTF: no header of version 1");
	btf = calloc(1, sizeof(*btf));
	if (!btf)
		return us_err_nomem();
	err = us_bytes_sub(section, (uint64_t)header + type_at, type_n, "BTF types", &btf->types);
	if (!err)
		err = us_bytes_sub(section, (uint64_t)header + text_at, text_n, "BTF strings",
				   &btf->strings);
	if (!err && (!text_n || btf->strings.p[text_n - 1]))
		err = us_err_new(US_ERR_BAD_DATA, "BTF: strings without an end");
	if (!err)
		err = index_types(btf);
	if (err) {
		us_btf_free(btf);
		return err;
	}
	*ret = btf;
	return NULL;
}

void us_btf_free(struct us_btf *btf)
{
	if (!btf)
		return;
	us_blob_deinit(&btf->owned);
	free(btf->at);
	free(btf);
}

/* ---- in a dump ---- */

/* The bytes that a header at phys announces; 0 if it is none. */
static uint64_t section_bytes(const struct us_vmcore *core, uint64_t phys)
{
	uint8_t raw[HEADER_BYTES];
	struct us_err *err = us_vmcore_read(core, phys, raw, sizeof(raw));
	struct us_bytes head = us_bytes_of(raw, sizeof(raw));
	uint32_t header, type_at, type_n, text_at, text_n;
	uint64_t end;

	if (err) {
		us_err_free(err);
		return 0;
	}
	if (!us_le32(head, 4, &header) || !us_le32(head, 8, &type_at) ||
	    !us_le32(head, 12, &type_n) || !us_le32(head, 16, &text_at) ||
	    !us_le32(head, 20, &text_n) || header != HEADER_BYTES || type_at || text_at != type_n ||
	    !type_n || !text_n)
		return 0;
	end = (uint64_t)header + text_at + text_n;
	return end <= SECTION_MAX ? end : 0;
}

static struct us_err *load_section(const struct us_vmcore *core, uint64_t phys, uint64_t bytes,
				   struct us_btf **ret)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };

	US_TRY(us_blob_new(bytes, &blob));
	US_TRY(us_vmcore_read(core, phys, blob.p, blob.n));
	US_TRY(us_btf_parse(us_blob_bytes(&blob), ret));
	(*ret)->owned = us_blob_steal(&blob);
	return NULL;
}

/* True if a header in window led to BTF. */
static bool look_in(const struct us_vmcore *core, uint64_t phys, struct us_bytes window,
		    struct us_btf **ret)
{
	for (size_t at = 0; at + 4 <= window.n; at += 4) {
		uint32_t word;
		uint64_t bytes;
		struct us_err *err;

		memcpy(&word, window.p + at, sizeof(word));
		if (word != HEADER_WORD)
			continue;
		bytes = section_bytes(core, phys + at);
		if (!bytes)
			continue;
		err = load_section(core, phys + at, bytes, ret);
		if (!err)
			return true;
		us_err_free(err); /* a chance likeness */
	}
	return false;
}

struct us_err *us_btf_find(const struct us_vmcore *core, const struct us_layout *layout,
			   struct us_btf **ret)
{
	uint64_t stext, phys, end;
	struct us_vmcore_reader *reader;
	unsigned int unread = 0;
	bool found = false;

	if (!us_vmcoreinfo_symbol(core->info, "_stext", &stext))
		return us_err_new(US_ERR_NOT_FOUND, "no SYMBOL(_stext)");
	US_TRY(us_vmcore_translate(core, layout, stext, &phys));
	US_TRY(us_vmcore_reader_new(core, &reader));
	phys &= ~(uint64_t)(core->page_bytes - 1);
	for (end = phys + IMAGE_MAX; phys < end && !found;) {
		struct us_bytes window;
		struct us_err *err = us_vmcore_window(reader, phys, WINDOW, &window);

		if (err) {
			us_err_free(err);
			phys += core->page_bytes;
			if (++unread == UNREAD_MAX) /* the image has no such holes */
				break;
			continue;
		}
		unread = 0;
		found = look_in(core, phys, window, ret);
		phys += window.n;
	}
	us_vmcore_reader_free(reader);
	return found ? NULL : us_err_new(US_ERR_NOT_FOUND, "no BTF behind _stext");
}

/* ---- questions ---- */

static bool named(const struct us_btf *btf, uint32_t name, const char *want, size_t n)
{
	return us_bytes_has(btf->strings, name, n + 1) &&
	       us_bytes_match(btf->strings, name, want, n) && btf->strings.p[name + n] == '\0';
}

static bool find_struct(const struct us_btf *btf, const char *name, size_t name_n, struct type *ret)
{
	for (size_t i = 0; i < btf->n; i++) {
		if (read_type(btf, btf->at[i], ret) &&
		    (ret->kind == KIND_STRUCT || ret->kind == KIND_UNION) &&
		    named(btf, ret->name, name, name_n))
			return true;
	}
	return false;
}

/* Bit offset of member in type, through members without a name. */
static bool find_member(const struct us_btf *btf, const struct type *type, const char *member,
			unsigned int depth, uint32_t *budget, uint64_t *ret_bits)
{
	for (uint32_t i = 0; i < type->vlen && *budget; i++) {
		uint64_t at = type->parts + 12ull * i, inner;
		uint32_t name, id, bits;
		struct type nested;

		--*budget;
		if (!us_le32(btf->types, at, &name) || !us_le32(btf->types, at + 4, &id) ||
		    !us_le32(btf->types, at + 8, &bits))
			return false;
		if (type->bitfields)
			bits &= 0xffffff;
		if (named(btf, name, member, strlen(member))) {
			*ret_bits = bits;
			return true;
		}
		if (named(btf, name, "", 0) && depth < NESTING_MAX && id >= 1 && id <= btf->n &&
		    read_type(btf, btf->at[id - 1], &nested) &&
		    (nested.kind == KIND_STRUCT || nested.kind == KIND_UNION) &&
		    find_member(btf, &nested, member, depth + 1, budget, &inner)) {
			*ret_bits = bits + inner;
			return true;
		}
	}
	return false;
}

bool us_btf_size(const struct us_btf *btf, const char *name, int64_t *ret)
{
	struct type type;

	if (!find_struct(btf, name, strlen(name), &type))
		return false;
	*ret = type.size;
	return true;
}

bool us_btf_offset(const struct us_btf *btf, const char *path, int64_t *ret)
{
	const char *dot = strchr(path, '.');
	uint32_t budget = MEMBERS_MAX;
	struct type type;
	uint64_t bits;

	if (!dot || !find_struct(btf, path, (size_t)(dot - path), &type) ||
	    !find_member(btf, &type, dot + 1, 0, &budget, &bits) || bits % 8)
		return false;
	*ret = (int64_t)(bits / 8);
	return true;
}

bool us_btf_enum(const struct us_btf *btf, const char *enumerator, int64_t *ret)
{
	for (size_t i = 0; i < btf->n; i++) {
		struct type type;
		uint32_t each, name, value;

		if (!read_type(btf, btf->at[i], &type) ||
		    (type.kind != KIND_ENUM && type.kind != KIND_ENUM64))
			continue;
		each = kinds[type.kind].each;
		for (uint32_t k = 0; k < type.vlen; k++) {
			uint64_t at = type.parts + (uint64_t)each * k;

			if (!us_le32(btf->types, at, &name) || !us_le32(btf->types, at + 4, &value))
				break;
			if (named(btf, name, enumerator, strlen(enumerator))) {
				*ret = (int32_t)value; /* what is asked for is small */
				return true;
			}
		}
	}
	return false;
}
