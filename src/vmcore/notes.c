/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ELF notes of a dump (System V ABI, "Note Section"; names and descriptors padded to 4 as the
 * kernel and QEMU write them), and what the VMCOREINFO note says about the dump as a whole: page
 * size, release, time of the crash. Registers in NT_PRSTATUS are not looked into here.
 */
#include "base/text.h"
#include "vmcore/vmcore-int.h"

#include <string.h>

#define NOTE_HEADER   12u
#define NAME_MAX_HERE 256u

struct cursor {
	struct us_bytes raw;
	uint64_t at;
	bool big;
};

enum next { NEXT_NOTE, NEXT_END, NEXT_DAMAGED };

/* The note at the cursor, which moves behind it. *ret_name is a part of raw. */
static enum next next_note(struct cursor *c, uint32_t *ret_type, struct us_bytes *ret_name,
			   struct us_bytes *ret_desc)
{
	uint64_t name_bytes, desc_bytes, name_at, desc_at;

	if (c->raw.n - c->at < NOTE_HEADER)
		return NEXT_END;
	name_bytes = us_get32(c->raw, c->at, c->big);
	desc_bytes = us_get32(c->raw, c->at + 4, c->big);
	*ret_type = us_get32(c->raw, c->at + 8, c->big);
	if (!name_bytes && !desc_bytes && !*ret_type)
		return NEXT_END; /* padding: the kernel rounds its notes up to a page */
	name_at = c->at + NOTE_HEADER;
	desc_at = name_at + ((name_bytes + 3) & ~3ull);
	if (!us_bytes_has(c->raw, name_at, name_bytes) || !us_bytes_has(c->raw, desc_at, desc_bytes))
		return NEXT_DAMAGED;
	*ret_name = us_bytes_clip(c->raw, name_at, name_bytes);
	*ret_desc = us_bytes_clip(c->raw, desc_at, desc_bytes);
	c->at = desc_at + ((desc_bytes + 3) & ~3ull);
	if (c->at > c->raw.n)
		c->at = c->raw.n;
	return NEXT_NOTE;
}

/* The first number of a key; false if it isn't there. */
static bool number(const struct us_vmcoreinfo *info, const char *key, uint64_t *ret)
{
	const char *text = us_vmcoreinfo_text(info, key);

	return text && us_text_u64(text, 10, ret);
}

static void take_page_size(struct us_vmcore *core)
{
	uint64_t bytes;

	if (!number(core->info, "PAGESIZE", &bytes))
		return;
	if (bytes < 4096 || bytes > US_PAGE_BYTES_MAX || (bytes & (bytes - 1)))
		us_vmcore_warn(core, "VMCOREINFO: PAGESIZE=%" PRIu64 " is no page size", bytes);
	else if (!core->page_bytes)
		core->page_bytes = (uint32_t)bytes;
	else if (core->page_bytes != bytes)
		us_vmcore_warn(core,
			       "VMCOREINFO says pages of %" PRIu64 " bytes, the header pages of %u",
			       bytes, core->page_bytes);
}

void us_notes_take_info(struct us_vmcore *core, struct us_bytes text)
{
	_us_err_free_ struct us_err *err = NULL;
	const char *release;

	text.n = us_bytes_trimmed(text);
	core->info_text = text;
	err = us_vmcoreinfo_parse(text, &core->pool, &core->info);
	if (err) {
		us_vmcore_warn(core, "VMCOREINFO can't be used: %s", err->text);
		return;
	}
	take_page_size(core);
	(void)number(core->info, "CRASHTIME", &core->crash_time);
	release = us_vmcoreinfo_text(core->info, "OSRELEASE");
	if (release)
		core->release = us_vmcore_printable(us_pool_strdup(&core->pool, release));
	if (!core->release)
		core->release = "";
}

struct us_err *us_notes_read(struct us_vmcore *core, struct us_bytes raw)
{
	struct cursor c = { .raw = raw, .big = core->big_endian };
	struct us_bytes name, desc, info = { 0 };
	struct us_vmcore_note *notes;
	enum next next;
	uint32_t type;
	size_t n = 0;

	while ((next = next_note(&c, &type, &name, &desc)) == NEXT_NOTE)
		n++;
	if (next == NEXT_DAMAGED)
		us_vmcore_warn(core,
			       "the note at 0x%" PRIx64 " of 0x%zx bytes of notes reaches past "
			       "them; it and what follows are left out",
			       c.at, raw.n);
	notes = us_pool_array(&core->pool, n + 1, sizeof(*notes));
	if (!notes)
		return us_err_nomem();
	c.at = 0;
	for (size_t i = 0; i < n; i++) {
		(void)next_note(&c, &type, &name, &desc);
		if (name.n > NAME_MAX_HERE)
			name.n = NAME_MAX_HERE;
		notes[i].name = us_pool_strndup(&core->pool, (const char *)name.p, name.n);
		notes[i].type = type;
		notes[i].desc = desc;
		if (!notes[i].name)
			return us_err_nomem();
		if (strcmp(notes[i].name, "VMCOREINFO") == 0 && desc.n)
			info = desc;
	}
	core->notes = notes;
	core->n_notes = n;
	core->notes_raw = raw;
	if (info.n)
		us_notes_take_info(core, info);
	return NULL;
}
