/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What every reader of dumps must hold, whatever the file: a page is what its state says, a window
 * is never empty, never too long and has the same bytes as reading; warnings and errors have words.
 */
#ifndef US_TESTS_DUMP_H
#define US_TESTS_DUMP_H

#include "fuzz.h"

#include "base/cleanup.h"
#include "vmcore/vmcore.h"

#include <string.h>

#define PAGES_MAX 512 /* of one dump; more of the same would show nothing new */

static inline void drop_error(struct us_err *err)
{
	MUST(!err || (err->text && err->text[0]));
	us_err_free(err);
}

static inline void exercise_page(const struct us_vmcore *core, struct us_vmcore_reader *reader,
				 uint64_t pfn, uint8_t *page)
{
	enum us_page_state state = us_vmcore_page_state(core, pfn);
	uint64_t phys = pfn << core->page_shift;
	struct us_err *err = us_vmcore_read(core, phys, page, core->page_bytes);
	struct us_stored_page stored = { 0 };
	struct us_bytes window = { 0 };

	MUST(err || state == US_PAGE_PRESENT);
	if (!err) {
		MUST(!us_vmcore_window(reader, phys + 8, core->page_bytes - 8, &window));
		MUST(window.n && window.n <= core->page_bytes - 8);
		MUST(memcmp(window.p, page + 8, window.n) == 0);
	}
	drop_error(err);
	err = us_vmcore_stored_page(reader, pfn, &stored);
	MUST(err || (stored.bytes.n && stored.bytes.n <= core->page_bytes));
	MUST(err || state == US_PAGE_PRESENT);
	drop_error(err);
}

static inline void exercise_dump(const struct us_vmcore *core)
{
	struct us_vmcore_reader *reader;
	_us_free_ uint8_t *page = malloc(core->page_bytes);
	uint64_t pages = 0, last = 0;

	MUST(page && !us_vmcore_reader_new(core, &reader));
	MUST(core->page_bytes == 1u << core->page_shift);
	for (size_t i = 0; core->warnings[i]; i++)
		MUST(core->warnings[i][0]);
	for (size_t i = 0; i < core->n_notes; i++)
		MUST(core->notes[i].name && (core->notes[i].desc.p || !core->notes[i].desc.n));
	for (size_t i = 0; i < core->n_ram; i++) {
		uint64_t pfn = core->ram[i].start >> core->page_shift;
		uint64_t end = us_range_end(core->ram[i]) >> core->page_shift;

		MUST(core->ram[i].size && (!i || core->ram[i].start > last) && end <= core->max_pfn);
		last = us_range_end(core->ram[i]);
		for (; pfn < end && pages < PAGES_MAX; pfn++, pages++)
			exercise_page(core, reader, pfn, page);
	}
	MUST(us_vmcore_page_state(core, core->max_pfn) == US_PAGE_ABSENT);
	us_vmcore_reader_free(reader);
}

/* True if the file could be opened. */
static inline bool exercise_file(struct us_bytes file)
{
	_us_vmcore_free_ struct us_vmcore *core = NULL;
	struct us_err *err = us_vmcore_parse("dump", file, &core);

	MUST(!err == !!core);
	if (core)
		exercise_dump(core);
	drop_error(err);
	return core;
}

#endif
