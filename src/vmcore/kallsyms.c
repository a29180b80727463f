/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Addresses of symbols by the dumped kernel's own table, where vmcoreinfo says where that is (from
 * 6.0; Linux 6.12 kernel/kallsyms.c, scripts/kallsyms.c). A name is a length and so many tokens;
 * its address is an offset of one of three forms, and the form is the one under which init_uts_ns,
 * whose address is exported as well, comes out right. Symbols of modules are not in it.
 */
#include "base/cleanup.h"
#include "vmcore/layout-int.h"

#include <endian.h>
#include <string.h>

#define NAMES_MAX      (32u << 20)
#define TOKENS_MAX     (64u << 10)
#define NAME_BYTES_MAX 511
#define HEAD_BYTES     4 /* the type and so much of a name are looked at first */
#define KNOWN          "init_uts_ns"

struct table {
	struct us_walker *walker;
	struct us_blob names, tokens;
	uint16_t index[256];
	struct word {
		const char *text;
		size_t n;
	} words[256];
	bool letters[256]; /* with which a wish begins */
	uint32_t n;
	uint64_t offsets, base;
	bool has_base;
};

static struct us_err *load_part(struct us_walker *walker, uint64_t from, uint64_t to, uint64_t max,
				const char *what, struct us_blob *ret)
{
	if (to <= from || to - from > max)
		return us_err_new(US_ERR_BAD_DATA, "%s from 0x%llx to 0x%llx", what,
				  (unsigned long long)from, (unsigned long long)to);
	US_TRY(us_blob_new(to - from, ret));
	return us_walker_read(walker, from, ret->p, ret->n);
}

static struct us_err *load(struct us_walker *walker, struct table *t)
{
	const struct us_vmcoreinfo *info = walker->core->info;
	uint64_t count, names, tokens, index, base;

	if (!us_vmcoreinfo_symbol(info, "kallsyms_num_syms", &count) ||
	    !us_vmcoreinfo_symbol(info, "kallsyms_names", &names) ||
	    !us_vmcoreinfo_symbol(info, "kallsyms_token_table", &tokens) ||
	    !us_vmcoreinfo_symbol(info, "kallsyms_token_index", &index) ||
	    !us_vmcoreinfo_symbol(info, "kallsyms_offsets", &t->offsets))
		return us_err_new(US_ERR_NOT_FOUND, "vmcoreinfo does not say where kallsyms is");
	t->walker = walker;
	t->has_base = us_vmcoreinfo_symbol(info, "kallsyms_relative_base", &base);
	if (t->has_base) {
		US_TRY(us_walker_read(walker, base, &t->base, sizeof(t->base)));
		t->base = le64toh(t->base);
	}
	US_TRY(us_walker_read(walker, count, &t->n, sizeof(t->n)));
	t->n = le32toh(t->n);
	US_TRY(us_walker_read(walker, index, t->index, sizeof(t->index)));
	/* the names end somewhere before the tokens; num_syms says where */
	US_TRY(load_part(walker, names, tokens, NAMES_MAX, "kallsyms names", &t->names));
	return load_part(walker, tokens, index, TOKENS_MAX, "kallsyms tokens", &t->tokens);
}

/* Each token once, with its length. A token that runs out of the table is empty. */
static void index_tokens(struct table *t)
{
	for (size_t i = 0; i < us_array_size(t->words); i++) {
		size_t at = le16toh(t->index[i]);

		if (at >= t->tokens.n)
			at = t->tokens.n - 1;
		t->words[i].text = (const char *)t->tokens.p + at;
		t->words[i].n = strnlen(t->words[i].text, t->tokens.n - at);
	}
}

/* Copies up to room characters of the name; behind the letter of its type it begins at to[1]. */
static size_t unpack(const struct table *t, struct us_bytes packed, char *to, size_t room)
{
	size_t n = 0;

	for (size_t i = 0; i < packed.n && n < room; i++) {
		const struct word *word = &t->words[packed.p[i]];
		size_t part = word->n < room - n ? word->n : room - n;

		memcpy(to + n, word->text, part);
		n += part;
	}
	return n;
}

/* The first letter, behind that of the type, without unpacking. */
static inline uint8_t first_letter(const struct table *t, struct us_bytes packed)
{
	const struct word *first = &t->words[packed.p[0]];

	if (first->n > 1)
		return (uint8_t)first->text[1];
	return packed.n > 1 ? (uint8_t)t->words[packed.p[1]].text[0] : 0;
}

/* The index of the wish that packed is the name of; n if none. */
static size_t match(const struct table *t, struct us_bytes packed, const struct us_ksym *wishes,
		    size_t n)
{
	char name[NAME_BYTES_MAX + 1];
	size_t i = 0;

	if (unpack(t, packed, name, HEAD_BYTES) < HEAD_BYTES)
		return n;
	for (; i < n && memcmp(name + 1, wishes[i].name, HEAD_BYTES - 1) != 0; i++)
		;
	if (i == n)
		return n;
	name[unpack(t, packed, name, NAME_BYTES_MAX)] = '\0';
	for (; i < n && strcmp(name + 1, wishes[i].name) != 0; i++)
		;
	return i;
}

/* The next name in the stream; from 6.1 lengths of more than 127 take two bytes. */
static inline bool next_name(const struct table *t, size_t *at, struct us_bytes *ret)
{
	size_t left = t->names.n - *at, n;
	const uint8_t *p = t->names.p + *at;

	if (left < 2)
		return false;
	n = p[0] & 0x80 ? (size_t)2 + ((p[0] & 0x7f) | p[1] << 7) : (size_t)1 + p[0];
	*ret = us_bytes_of(p + 1 + (p[0] >> 7), n - 1 - (p[0] >> 7));
	*at += n;
	return n <= left && ret->n > 0;
}

enum form { FORM_PERCPU_ABSOLUTE, FORM_RELATIVE, FORM_PLACE, FORMS };

static uint64_t address(const struct table *t, uint32_t i, int32_t offset, enum form form)
{
	switch (form) {
	case FORM_PERCPU_ABSOLUTE: /* x86_64 before 6.15 */
		return offset >= 0 ? (uint64_t)offset : t->base - 1 - (uint64_t)(int64_t)offset;
	case FORM_RELATIVE:
		return t->base + (uint32_t)offset;
	default: /* from its own place, where there is no base */
		return t->offsets + 4ull * i + (uint64_t)(int64_t)offset;
	}
}

/* Wish 0 is KNOWN: all addresses in the form under which its own is right. */
static struct us_err *resolve(const struct table *t, const uint32_t *indexes,
			      struct us_ksym *wishes, size_t n)
{
	enum form form = t->has_base ? FORM_PERCPU_ABSOLUTE : FORM_PLACE;
	uint64_t known;

	if (indexes[0] >= t->n || !us_vmcoreinfo_symbol(t->walker->core->info, KNOWN, &known))
		return us_err_new(US_ERR_NOT_FOUND, "kallsyms has no " KNOWN);
	for (size_t i = 0; i < n; i++) {
		uint32_t raw;

		if (indexes[i] >= t->n)
			continue;
		US_TRY(us_walker_read(t->walker, t->offsets + 4ull * indexes[i], &raw, sizeof(raw)));
		raw = le32toh(raw);
		while (!i && form < FORMS && address(t, indexes[i], (int32_t)raw, form) != known)
			form++;
		if (form == FORMS)
			return us_err_new(US_ERR_UNSUPPORTED,
					  "kallsyms has addresses of an unknown form");
		wishes[i].address = address(t, indexes[i], (int32_t)raw, form);
	}
	return NULL;
}

static struct us_err *search(const struct table *t, struct us_ksym *wishes, size_t n)
{
	uint32_t indexes[US_KSYMS_MAX + 1];
	size_t at = 0;

	memset(indexes, 0xff, sizeof(indexes));
	for (uint32_t i = 0; i < t->n; i++) {
		struct us_bytes packed;
		size_t found;

		if (!next_name(t, &at, &packed))
			return us_err_new(US_ERR_BAD_DATA, "kallsyms: name %u is cut", i);
		if (!t->letters[first_letter(t, packed)])
			continue;
		found = match(t, packed, wishes, n);
		if (found < n)
			indexes[found] = i;
	}
	return resolve(t, indexes, wishes, n);
}

struct us_err *us_ksyms_find(struct us_walker *walker, struct us_ksym *wishes, size_t n)
{
	struct us_ksym all[US_KSYMS_MAX + 1] = { { .name = KNOWN } };
	struct table t = { 0 };
	struct us_err *err = load(walker, &t);

	n = n < US_KSYMS_MAX ? n : US_KSYMS_MAX;
	memcpy(&all[1], wishes, n * sizeof(*wishes));
	if (!err) {
		index_tokens(&t);
		for (size_t i = 0; i < n + 1; i++)
			t.letters[(uint8_t)all[i].name[0]] = true;
		err = search(&t, all, n + 1);
	}
	if (!err)
		memcpy(wishes, &all[1], n * sizeof(*wishes));
	us_blob_deinit(&t.names);
	us_blob_deinit(&t.tokens);
	return err;
}
