/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page scan: all struct pages once, in place, in ascending order -> runs of one class. Their
 * virtual addresses go through the page tables block by block (2 MiB where the kernel mapped them
 * so), the block is looked at through a window, and a head's order skips what follows. Memory use
 * does not depend on the size of the dump.
 *
 * What can't be judged is kept: unreadable struct pages, tails without a head, impossible orders,
 * classes that the gates don't believe, everything if vmcoreinfo lacks what it takes.
 */
#include "base/cleanup.h"
#include "vmcore/pages-int.h"

#include <string.h>

/* Struct pages that are looked at together. Behind a free block of which no more than its head was
 * needed another one is likely, and its head is read alone: most of a machine's memory may be free,
 * and to map the struct pages of it would take longer than all the rest. */
#define WINDOW_BYTES (64u << 10)

struct scan {
	const struct us_vmcore *core;
	const struct us_layout *layout;
	struct us_page_map map;
	struct us_vmcore_reader *reader;
	struct us_protected protected;
	size_t next_protected; /* the first one that may still be touched */
	struct us_gates gates;
	struct us_run run;    /* grows until another class begins */
	uint64_t until;       /* pages before this one belong to until_class */
	uint64_t until_count; /* of them */
	enum us_page_class until_class;
	us_run_fn fn;
	void *data;
	struct us_scan *result;
	uint64_t done;
	struct us_progress *progress;
	uint64_t total;
};

/* ---- runs ---- */

static struct us_err *flush(struct scan *s)
{
	struct us_run run = s->run;

	s->run.count = 0;
	if (!run.count)
		return NULL;
	s->result->pages[run.class] += run.count;
	return s->fn(s->data, &run);
}

static struct us_err *append(struct scan *s, uint64_t pfn, uint64_t count, enum us_page_class class)
{
	if (s->run.count && s->run.class == class && s->run.pfn + s->run.count == pfn) {
		s->run.count += count;
		return NULL;
	}
	US_TRY(flush(s));
	s->run = (struct us_run){ .pfn = pfn, .count = count, .class = class };
	return NULL;
}

/* The part of the run that is protected gets that class, but for what must not be read. */
static struct us_err *emit(struct scan *s, uint64_t pfn, uint64_t count, enum us_page_class class)
{
	while (count) {
		const struct us_pages *p = &s->protected.v[s->next_protected];
		uint64_t part;

		if (s->next_protected == s->protected.n || pfn + count <= p->pfn)
			return append(s, pfn, count, class);
		if (p->pfn + p->count <= pfn) {
			s->next_protected++;
			continue;
		}
		part = (pfn < p->pfn ? p->pfn : p->pfn + p->count) - pfn;
		if (part > count)
			part = count;
		US_TRY(append(
			s, pfn, part,
			pfn < p->pfn || class == US_CLASS_POISON ? class : US_CLASS_PROTECTED));
		pfn += part;
		count -= part;
	}
	return NULL;
}

static struct us_err *unreadable(struct scan *s, uint64_t pfn, uint64_t count)
{
	s->result->unreadable += count;
	return emit(s, pfn, count, US_CLASS_KEEP);
}

/* The poisoned pages of a run, each by its own struct page: only where the kernel knows of some. */
static struct us_err *emit_watchfully(struct scan *s, uint64_t pfn, uint64_t count,
				      enum us_page_class class)
{
	const struct us_page_rules *rules = &s->layout->rules;
	uint8_t page[US_STRUCT_PAGE_MAX];

	for (; count; pfn++, count--) {
		bool poison = us_page_map_read(&s->map, pfn, 1, page) &&
			      (us_page_flags(rules, page) & rules->poison);

		US_TRY(emit(s, pfn, 1, poison ? US_CLASS_POISON : class));
	}
	return NULL;
}

/* Pages [pfn, end) from the run that reaches into them. */
static struct us_err *continue_run(struct scan *s, uint64_t *pfn, uint64_t end)
{
	uint64_t stop = s->until < end ? s->until : end;

	if (*pfn >= stop)
		return NULL;
	if (s->protected.poisoned && s->until_class != US_CLASS_FREE)
		US_TRY(emit_watchfully(s, *pfn, stop - *pfn, s->until_class));
	else
		US_TRY(emit(s, *pfn, stop - *pfn, s->until_class));
	*pfn = stop;
	return NULL;
}

/* ---- struct pages ---- */

static enum us_page_class believed(struct scan *s, enum us_page_class class, uint64_t count)
{
	struct us_gates *gates = &s->gates;

	if (class == US_CLASS_FREE && !gates->distrust[class]) {
		uint64_t so_far =
			s->result->pages[class] + (s->run.class == class ? s->run.count : 0);

		if (so_far + count > gates->free_limit) {
			gates->distrust[class] = true;
			us_text_add(&gates->notes,
				    "free pages from 0x%llx on are kept: more were found than the "
				    "%llu that the kernel counts\n",
				    (unsigned long long)(s->run.pfn << s->core->page_shift),
				    (unsigned long long)gates->free_pages);
		}
	}
	return gates->distrust[class] ? US_CLASS_KEEP : class;
}

/* What the struct page of pfn says of count times its order goes out as far as end, the rest waits
 * in until. */
static struct us_err *take(struct scan *s, uint64_t *pfn, uint64_t end, struct us_page_says says,
			   uint64_t count)
{
	count <<= says.order;
	s->until = *pfn + count;
	s->until_count = count;
	s->until_class = believed(s, says.class, count);
	return continue_run(s, pfn, end);
}

/* n struct pages, pfn's first. A head at their very end is left: its successor is needed. */
static struct us_err *scan_window(struct scan *s, uint64_t *pfn, uint64_t end, const uint8_t *p,
				  uint64_t n)
{
	const struct us_page_rules *rules = &s->layout->rules;
	uint64_t first = *pfn, last = first + n - 1;
	const uint8_t *last_page = p + (n - 1) * rules->size;

	while (*pfn < last && *pfn < end) {
		uint64_t most = (last < end ? last : end) - *pfn;
		size_t same;
		struct us_page_says says = us_page_classify_many(
			rules, *pfn, p + (*pfn - first) * rules->size, most, &same);

		US_TRY(take(s, pfn, end, says, same));
	}
	if (*pfn == last && last < end && !(us_page_flags(rules, last_page) & rules->head))
		return take(s, pfn, end, us_page_classify(rules, last, last_page, NULL), 1);
	return NULL;
}

/* One struct page that stands across pieces, or a head that is the last of one. */
static struct us_err *scan_single(struct scan *s, uint64_t *pfn, uint64_t end)
{
	struct us_page_says says;
	uint64_t at = *pfn;

	if (us_page_map_judge(&s->map, at, &says))
		return take(s, pfn, end, says, 1);
	(*pfn)++;
	return unreadable(s, at, 1);
}

/* Did a large free block end before pfn? */
static bool behind_free(const struct scan *s, uint64_t pfn)
{
	return pfn == s->until && s->until_class == US_CLASS_FREE &&
	       s->until_count * s->layout->rules.size >= WINDOW_BYTES;
}

/* Pages [pfn, end) of one section; virt: of pfn's struct page. */
static struct us_err *scan_section(struct scan *s, uint64_t pfn, uint64_t end, uint64_t virt)
{
	const uint32_t size = s->layout->rules.size;
	uint64_t first = pfn;

	while (pfn < end) {
		uint64_t want = (end - pfn) * size, at = pfn, phys, mapped;

		struct us_bytes window = { 0 };
		struct us_err *err;

		if (pfn < s->until) {
			US_TRY(continue_run(s, &pfn, end));
			continue;
		}
		if (behind_free(s, pfn)) {
			US_TRY(scan_single(s, &pfn, end));
			continue;
		}
		err = us_walk(&s->map.walker, virt + (pfn - first) * size, &phys, &mapped);
		if (!err) {
			want = want < WINDOW_BYTES ? want : WINDOW_BYTES;
			err = us_vmcore_window(s->reader, phys, want < mapped ? want : mapped,
					       &window);
			if (err) /* only this page is bad */
				mapped = s->core->page_bytes - phys % s->core->page_bytes;
		}
		if (err) {
			uint64_t bad = mapped / size ? mapped / size : 1;

			if (err->code == US_ERR_NOMEM)
				return err;
			us_err_free(err);
			bad = bad < end - pfn ? bad : end - pfn;
			US_TRY(unreadable(s, pfn, bad));
			pfn += bad;
			continue;
		}

		if (window.n >= size)
			US_TRY(scan_window(s, &pfn, end, window.p, window.n / size));
		if (pfn == at)
			US_TRY(scan_single(s, &pfn, end));
	}
	return NULL;
}

/* ---- all memory ---- */

typedef struct us_err *(*range_fn)(struct scan *s, uint64_t pfn, uint64_t end);

static struct us_err *each_range(struct scan *s, range_fn fn)
{
	const struct us_vmcore *core = s->core;
	uint64_t next = 0;

	for (size_t i = 0; i < core->n_ram; i++) {
		uint64_t pfn = core->ram[i].start >> core->page_shift, end;

		if (!core->ram[i].size)
			continue;
		end = ((us_range_end(core->ram[i]) - 1) >> core->page_shift) + 1;
		pfn = pfn > next ? pfn : next;
		next = end;
		if (pfn < end)
			US_TRY(fn(s, pfn, end));
	}
	return NULL;
}

static struct us_err *count_range(struct scan *s, uint64_t pfn, uint64_t end)
{
	s->total += end - pfn;
	return NULL;
}

static struct us_err *keep_range(struct scan *s, uint64_t pfn, uint64_t end)
{
	return append(s, pfn, end - pfn, US_CLASS_KEEP);
}

static struct us_err *scan_range(struct scan *s, uint64_t pfn, uint64_t end)
{
	while (pfn < end) {
		uint64_t section = pfn / s->map.section_pages, virt;
		uint64_t stop = (section + 1) * s->map.section_pages;

		if (stop > end)
			stop = end;
		if (us_page_map_at(&s->map, pfn, &virt))
			US_TRY(scan_section(s, pfn, stop, virt));
		else
			US_TRY(unreadable(s, pfn, stop - pfn));
		s->done += stop - pfn;
		us_progress_at(s->progress, "classifying pages", s->done, s->total);
		pfn = stop;
	}
	return NULL;
}

/* Lines of text -> a NULL-terminated list in pool. */
static struct us_err *take_notes(struct us_text *text, struct us_scan *ret)
{
	_us_free_ char *lines = NULL;
	const char **list;
	size_t n = 0;
	char *copy;

	US_TRY(us_text_take(text, &lines));
	for (const char *p = lines; (p = strchr(p, '\n')); p++)
		n++;
	copy = us_pool_strdup(&ret->pool, lines);
	list = us_pool_array(&ret->pool, n + 1, sizeof(*list));
	if (!copy || !list)
		return us_err_nomem();
	for (size_t i = 0; i < n; i++) {
		list[i] = copy;
		copy = strchr(copy, '\n');
		*copy++ = '\0';
	}
	ret->notes = list;
	return NULL;
}

static struct us_err *scan_all(struct scan *s)
{
	US_TRY(us_vmcore_reader_new(s->core, &s->reader));
	US_TRY(us_protect_find(s->core, s->layout, &s->map, &s->protected));
	us_gates_find(s->core, s->layout, &s->map, &s->protected, &s->gates);
	US_TRY(each_range(s, scan_range));
	US_TRY(flush(s));
	s->result->free_ok =
		us_gates_free_ok(&s->gates, s->result->pages[US_CLASS_FREE], s->result->unreadable);
	s->result->slab_ok = us_gates_slab_ok(&s->gates, s->result->pages[US_CLASS_SLAB],
					      s->result->pages[US_CLASS_USER]);
	return NULL;
}

/* Without a layout there is one class. */
static struct us_err *keep_all(struct scan *s, const char *why)
{
	us_text_add(&s->gates.notes, "all pages are kept: %s\n", why);
	US_TRY(each_range(s, keep_range));
	return flush(s);
}

struct us_err *us_vmcore_scan(const struct us_vmcore *core, const struct us_layout *layout,
			      us_run_fn fn, void *data, struct us_progress *progress,
			      struct us_scan *ret)
{
	struct us_scan result = { 0 };
	struct scan s = {
		.core = core,
		.layout = layout,
		.fn = fn,
		.data = data,
		.result = &result,
		.progress = progress,
	};
	_us_err_free_ struct us_err *why = NULL;
	struct us_err *err;

	US_TRY(each_range(&s, count_range));
	if (layout)
		why = us_page_map_init(core, layout, &s.map);
	if (!layout || why)
		err = keep_all(&s, why ? why->text : "the layout of the kernel is unknown");
	else
		err = scan_all(&s);
	if (!err)
		err = take_notes(&s.gates.notes, &result);
	us_page_map_deinit(&s.map);
	us_vmcore_reader_free(s.reader);
	us_protected_deinit(&s.protected);
	us_gates_deinit(&s.gates);
	if (err) {
		us_scan_deinit(&result);
		return err;
	}
	*ret = result;
	return NULL;
}

void us_scan_deinit(struct us_scan *scan)
{
	us_pool_deinit(&scan->pool);
	*scan = (struct us_scan){ 0 };
}
