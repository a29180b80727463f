/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reading memory of an open dump: the checks that all formats share, then the format's own code. */
#include "vmcore/vmcore-int.h"

#include <stdlib.h>

struct us_vmcore_reader {
	const struct us_vmcore *core;
	void *own; /* the format's part */
};

enum us_page_state us_vmcore_page_state(const struct us_vmcore *core, uint64_t pfn)
{
	return pfn < core->max_pfn ? core->ops->page_state(core, pfn) : US_PAGE_ABSENT;
}

uint64_t us_vmcore_page_run(const struct us_vmcore *core, uint64_t pfn, uint64_t max,
			    enum us_page_state *ret)
{
	uint64_t n = pfn < core->max_pfn ? core->ops->page_run(core, pfn) : max;

	*ret = us_vmcore_page_state(core, pfn);
	return n > max ? max : n + !n;
}

struct us_err *us_vmcore_read(const struct us_vmcore *core, uint64_t phys, void *buf, size_t n)
{
	uint64_t end;

	if (!us_add(phys, (uint64_t)n, &end))
		return us_vmcore_missing(core, phys, US_PAGE_ABSENT);
	return n ? core->ops->read(core, phys, buf, n) : NULL;
}

struct us_err *us_vmcore_reader_new(const struct us_vmcore *core, struct us_vmcore_reader **ret)
{
	struct us_vmcore_reader *reader = calloc(1, sizeof(*reader));
	struct us_err *err;

	if (!reader)
		return us_err_nomem();
	reader->core = core;
	err = core->ops->reader_new(core, &reader->own);
	if (err) {
		free(reader);
		return err;
	}
	*ret = reader;
	return NULL;
}

void us_vmcore_reader_free(struct us_vmcore_reader *reader)
{
	if (!reader)
		return;
	reader->core->ops->reader_free(reader->own);
	free(reader);
}

struct us_err *us_vmcore_window(struct us_vmcore_reader *reader, uint64_t phys, size_t want,
				struct us_bytes *ret)
{
	uint64_t left = UINT64_MAX - phys;

	if (!want)
		want = 1;
	if (want > left)
		want = left;
	if (!want)
		return us_vmcore_missing(reader->core, phys, US_PAGE_ABSENT);
	return reader->core->ops->window(reader->core, reader->own, phys, want, ret);
}

struct us_err *us_vmcore_stored_page(struct us_vmcore_reader *reader, uint64_t pfn,
				     struct us_stored_page *ret)
{
	const struct us_vmcore *core = reader->core;

	if (!core->ops->stored_page)
		return us_err_new(US_ERR_UNSUPPORTED,
				  "%s: pages of an %s are not packed one by one", core->path,
				  us_vmcore_format_name(core->format));
	return core->ops->stored_page(core, reader->own, pfn, ret);
}

struct us_err *us_vmcore_read_file(const struct us_vmcore *core, size_t which, uint64_t off,
				   void *buf, size_t n)
{
	if (!core->ops->read_file)
		return us_err_new(US_ERR_UNSUPPORTED, "%s: an %s has no headers of that kind",
				  core->path, us_vmcore_format_name(core->format));
	return core->ops->read_file(core, which, off, buf, n);
}
