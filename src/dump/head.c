/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The front of a kdump-compressed file, header version 6, for little-endian 64-bit machines:
 * disk_dump_header, kdump_sub_header and the notes (layout: makedumpfile 1.7 diskdump_mod.h, crash
 * diskdump.h). An ELF note of ours says that page_desc.page_flags holds the XXH64 of the page and
 * carries the checksum of the checksums of bitmaps and table, and of the front; readers skip notes
 * that they don't know.
 */
#include "base/cleanup.h"
#include "dump/dump-int.h"

#include <string.h>

#define SUB_HEADER_BYTES 104
#define NT_PRSTATUS      1

static uint64_t up(uint64_t v, uint64_t align)
{
	return (v + align - 1) / align * align;
}

static bool has_mark(const struct us_vmcore *core)
{
	uint8_t mark[8] = { 0 };
	_us_err_free_ struct us_err *err =
		us_vmcore_read_file(core, 0, US_HEAD_MARK, mark, sizeof(mark));

	return !err && memcmp(mark, US_HEAD_MARK_TEXT, sizeof(mark)) == 0;
}

const struct us_vmcore_note *us_sum_note(const struct us_vmcore *core)
{
	for (size_t i = 0; i < core->n_notes; i++) {
		const struct us_vmcore_note *n = &core->notes[i];

		if (n->type == US_SUM_NOTE_TYPE && !strcmp(n->name, US_SUM_NOTE_NAME) &&
		    n->desc.n == US_SUM_NOTE_SIZE && has_mark(core))
			return n;
	}
	return NULL;
}

static size_t note_bytes(const char *name, size_t desc_n)
{
	return 12 + up(strlen(name) + 1, 4) + up(desc_n, 4);
}

/* A note at p, which is zeroed; returns where its descriptor is. */
static size_t put_note(uint8_t *p, const char *name, uint32_t type, struct us_bytes desc)
{
	size_t name_n = strlen(name) + 1, at = 12 + up(name_n, 4);

	us_put_le32(p, (uint32_t)name_n);
	us_put_le32(p + 4, (uint32_t)desc.n);
	us_put_le32(p + 8, type);
	memcpy(p + 12, name, name_n);
	if (desc.n)
		memcpy(p + at, desc.p, desc.n);
	return at;
}

static bool is_own(const struct us_vmcore_note *n)
{
	return !strcmp(n->name, US_SUM_NOTE_NAME);
}

struct us_err *us_notes_make(const struct us_vmcore *core, bool sums, struct us_blob *ret,
			     size_t *ret_sum_at)
{
	static const char info_name[] = "VMCOREINFO";
	uint8_t own[US_SUM_NOTE_SIZE] = { 1, 0, 0, 0, 1 };
	size_t n = note_bytes(US_SUM_NOTE_NAME, sizeof(own)), at = 0;
	bool has_info = false;
	struct us_blob blob;

	n += note_bytes(info_name, core->info_text.n);
	for (size_t i = 0; i < core->n_notes; i++)
		n += note_bytes(core->notes[i].name, core->notes[i].desc.n);
	if (n > UINT32_MAX)
		return us_err_new(US_ERR_UNSUPPORTED, "notes of %zu bytes", n);
	US_TRY(us_blob_new(n, &blob));
	for (size_t i = 0; i < core->n_notes; i++) {
		const struct us_vmcore_note *note = &core->notes[i];

		if (is_own(note))
			continue;
		has_info |= !strcmp(note->name, info_name);
		put_note(blob.p + at, note->name, note->type, note->desc);
		at += note_bytes(note->name, note->desc.n);
	}
	if (!has_info && core->info_text.n) {
		put_note(blob.p + at, info_name, 0, core->info_text);
		at += note_bytes(info_name, core->info_text.n);
	}
	if (sums) {
		*ret_sum_at = at +
			      put_note(blob.p + at, US_SUM_NOTE_NAME, US_SUM_NOTE_TYPE,
				       us_bytes_of(own, sizeof(own))) +
			      8;
		at += note_bytes(US_SUM_NOTE_NAME, sizeof(own));
	}
	blob.n = at;
	*ret = blob;
	return NULL;
}

static void put_uts(uint8_t *p, const struct us_vmcore *core)
{
	/* libkdumpfile learns the machine from these only if none of the four is empty. */
	const char *other[6] = { "Linux", "", core->release, "#0", core->arch->uname[0], "" };

	for (size_t i = 0; i < 6; i++) {
		const char *s = core->uts[i] && *core->uts[i] ? core->uts[i] : other[i];

		if (s)
			memcpy(p + 65 * i, s, strnlen(s, 64));
	}
}

static void put_header(uint8_t *p, const struct us_vmcore *core, const struct us_dump_wish *wish,
		       const struct us_kdump_layout *at)
{
	uint32_t status = US_STATUS_INCOMPLETE, cpus = 0;

	if (wish->codec == US_PAGE_AUTO)
		status |= (uint32_t)US_PAGE_ZSTD | (uint32_t)US_PAGE_LZO;
	else
		status |= (uint32_t)wish->codec;
	for (size_t i = 0; i < core->n_notes; i++)
		cpus += core->notes[i].type == NT_PRSTATUS && !strcmp(core->notes[i].name, "CORE");
	memcpy(p, "KDUMP   ", 8);
	us_put_le32(p + 8, 6);
	put_uts(p + 12, core);
	us_put_le64(p + 408, core->crash_time);
	us_put_le32(p + US_HEAD_STATUS, status);
	us_put_le32(p + 428, at->page_bytes);
	us_put_le32(p + US_HEAD_SUB_BLOCKS, (uint32_t)at->sub_blocks);
	us_put_le32(p + 436, (uint32_t)at->bitmap_blocks);
	us_put_le32(p + 440, at->max_pfn > UINT32_MAX ? UINT32_MAX : (uint32_t)at->max_pfn);
	us_put_le32(p + 460, cpus ? cpus : 1); /* crash refuses 0 */
	memcpy(p + US_HEAD_MARK, US_HEAD_MARK_TEXT, 8);
}

static uint64_t phys_base(const struct us_vmcore *core)
{
	int64_t base;

	if (us_vmcoreinfo_number(core->info, "NUMBER", "phys_base", &base) ||
	    us_vmcoreinfo_number(core->info, "NUMBER", "PHYS_OFFSET", &base))
		return (uint64_t)base;
	return 0;
}

static void put_sub_header(uint8_t *p, const struct us_vmcore *core, unsigned int level,
			   const struct us_kdump_layout *at, struct us_bytes notes)
{
	uint64_t notes_at = at->page_bytes + SUB_HEADER_BYTES;
	uint64_t info_at = core->info_text.n
				   ? us_bytes_find(notes, 0, core->info_text.p, core->info_text.n)
				   : SIZE_MAX;

	if (core->dump_level > 0)
		level |= (unsigned int)core->dump_level;
	us_put_le64(p, phys_base(core));
	us_put_le32(p + 8, level);
	if (info_at != SIZE_MAX) {
		us_put_le64(p + 32, notes_at + info_at);
		us_put_le64(p + 40, core->info_text.n);
	}
	us_put_le64(p + 48, notes_at);
	us_put_le64(p + 56, notes.n);
	us_put_le64(p + 96, at->max_pfn);
}

struct us_err *us_head_make(const struct us_vmcore *core, const struct us_dump_wish *wish,
			    unsigned int level, struct us_kdump_layout *ret_layout,
			    struct us_head *ret)
{
	struct us_kdump_layout at = { .page_bytes = core->page_bytes, .max_pfn = core->max_pfn };
	_us_blob_deinit_ struct us_blob notes = { 0 };
	struct us_blob head;
	size_t sum_at;

	if (core->big_endian)
		return us_err_new(US_ERR_UNSUPPORTED,
				  "writing the kdump format for a big-endian machine");
	US_TRY(us_notes_make(core, true, &notes, &sum_at));
	at.sub_blocks = up(SUB_HEADER_BYTES + notes.n, at.page_bytes) / at.page_bytes;
	at.bitmap_blocks = up(up(at.max_pfn, 8) / 8, at.page_bytes) / at.page_bytes * 2;
	if (at.bitmap_blocks > INT32_MAX || at.sub_blocks > INT32_MAX)
		return us_err_new(US_ERR_UNSUPPORTED, "%" PRIu64 " pages are more than fit",
				  at.max_pfn);
	at.bitmap1_at = (1 + at.sub_blocks) * at.page_bytes;
	at.bitmap2_at = at.bitmap1_at + at.bitmap_blocks / 2 * at.page_bytes;
	at.table_at = at.bitmap1_at + at.bitmap_blocks * at.page_bytes;
	US_TRY(us_blob_new(at.bitmap1_at, &head));
	put_header(head.p, core, wish, &at);
	put_sub_header(head.p + at.page_bytes, core, level, &at, us_blob_bytes(&notes));
	memcpy(head.p + at.page_bytes + SUB_HEADER_BYTES, notes.p, notes.n);
	ret->bytes = head;
	ret->file_sum_at = at.page_bytes + SUB_HEADER_BYTES + sum_at;
	*ret_layout = at;
	return NULL;
}
