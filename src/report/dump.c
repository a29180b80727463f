/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a dump was made of, what is in it and what was left out, as text and as JSON
 * (understudy.dump/1). It judges nothing: the numbers are the writer's and the scan's.
 */
#include "report/report-int.h"

#include "base/text.h"

#include <inttypes.h>

static const struct {
	enum us_page_class class;
	unsigned int levels; /* any of these leaves the class out */
} classes[] = {
	{ US_CLASS_FREE, US_DUMP_FREE },
	{ US_CLASS_CACHE, US_DUMP_CACHE | US_DUMP_CACHE_PRIVATE },
	{ US_CLASS_CACHE_PRIVATE, US_DUMP_CACHE_PRIVATE },
	{ US_CLASS_USER, US_DUMP_USER },
	{ US_CLASS_OFFLINE, ~0U },
	{ US_CLASS_POISON, ~0U },
};

static const char *const formats[] = {
	[US_DUMP_KDUMP] = "kdump",
	[US_DUMP_ELF] = "elf",
	[US_DUMP_FLAT] = "flat",
};

static uint64_t left_out(const struct us_dump_report *r, size_t i)
{
	bool out = classes[i].levels == ~0U || classes[i].levels & r->result->level_used;

	return out ? r->result->scan.pages[classes[i].class] : 0;
}

static const char *pages_words(const struct us_dump_report *r, uint64_t pages, char *buf, size_t n)
{
	char size[US_TEXT_SIZE_MAX];

	snprintf(buf, n, "%" PRIu64 " pages (%s)", pages,
		 us_text_size(pages * r->core->page_bytes, size));
	return buf;
}

static uint64_t ram_bytes(const struct us_vmcore *core)
{
	uint64_t bytes = 0;

	for (size_t i = 0; i < core->n_ram; i++)
		bytes += core->ram[i].size;
	return bytes;
}

static void report_left_out(struct us_out *out, const struct us_dump_report *r)
{
	_us_text_deinit_ struct us_text text = { 0 };
	char pages[64];

	for (size_t i = 0; i < us_array_size(classes); i++)
		if (left_out(r, i))
			us_text_add(&text, "%s%s %s", text.n ? ", " : "",
				    us_page_class_name(classes[i].class),
				    pages_words(r, left_out(r, i), pages, sizeof(pages)));
	us_out_row(out, "left out", "%s", text.n && !text.failed ? text.s : "nothing");
}

/* What the scan could not tell matters only where classes are left out. */
static const char *const *told_notes(const struct us_dump_report *r)
{
	return r->wish->level & ~(unsigned int)US_DUMP_ZERO ? r->result->scan.notes : NULL;
}

static void report_notes(struct us_out *out, const struct us_dump_report *r)
{
	const struct us_dump_result *d = r->result;
	char pages[64];

	if (r->blind)
		us_out_row(out, "warning",
			   "all pages are kept, for their classes are not known: %s",
			   r->blind->text);
	for (const char *const *n = told_notes(r); n && *n; n++)
		us_out_row(out, "warning", "%s", *n);
	for (const char *const *w = r->core->warnings; w && *w; w++)
		us_out_row(out, "warning", "%s", *w);
	if (d->pages_unreadable)
		us_out_row(out, "warning", "%s could not be read from the input",
			   pages_words(r, d->pages_unreadable, pages, sizeof(pages)));
	if (d->pages_dropped || !d->complete)
		us_out_row(out, "not in it", "%s that were asked for, the least valuable first: %s",
			   pages_words(r, d->pages_dropped, pages, sizeof(pages)),
			   d->stopped ? d->stopped : "the input has them not");
}

void us_report_dump(struct us_out *out, const struct us_dump_report *r)
{
	const struct us_dump_result *d = r->result;
	const struct us_dump_wish *w = r->wish;
	char a[US_TEXT_SIZE_MAX], pages[64];

	fputs(us_out_colour(out, d->complete ? US_GREEN : US_YELLOW), out->f);
	if (r->path)
		us_out_para(out, 0, 0, "%s holds the dump%s.", r->path,
			    d->complete ? "" : ", smaller than asked");
	else
		us_out_para(out, 0, 0, "The dump would take about %s.",
			    us_text_size(d->bytes_estimated, a));
	fputs(us_out_colour(out, US_PLAIN), out->f);
	us_out_row(out, "input", "%s: %s%s, %s, %s of memory", r->core->path,
		   r->core->release[0] ? "Linux " : "",
		   r->core->release[0] ? r->core->release : "?",
		   r->core->arch ? r->core->arch->name : "?", us_text_size(ram_bytes(r->core), a));
	if (r->path)
		us_out_row(out, "output", "%s, %s, %s", formats[w->format],
			   w->format == US_DUMP_ELF ? "not packed"
			   : w->stored              ? "pages as they were stored"
						    : us_page_codec_name(w->codec),
			   us_text_size(d->bytes_out, a));
	us_out_row(out, "kept", "%s, %" PRIu64 " of them zero, %" PRIu64 " stored once for several",
		   pages_words(r, d->pages_kept, pages, sizeof(pages)), d->pages_zero,
		   d->pages_shared);
	report_left_out(out, r);
	us_out_row(out, "time", "%.2f s (%.2f s to sort the pages)", d->seconds, d->scan_seconds);
	report_notes(out, r);
}

static void json_pages(json_object *obj, const struct us_dump_report *r)
{
	const struct us_dump_result *d = r->result;
	json_object *pages = us_json_sub(obj, "pages"), *sub;

	us_json_num(pages, "kept", d->pages_kept);
	us_json_num(pages, "zero", d->pages_zero);
	us_json_num(pages, "shared", d->pages_shared);
	us_json_num(pages, "unreadable", d->pages_unreadable);
	us_json_num(pages, "dropped", d->pages_dropped);
	sub = us_json_sub(pages, "left_out");
	for (size_t i = 0; i < us_array_size(classes); i++)
		us_json_num(sub, us_page_class_name(classes[i].class), left_out(r, i));
	sub = us_json_sub(pages, "classes");
	for (int c = 0; c < US_CLASS_COUNT; c++)
		us_json_num(sub, us_page_class_name((enum us_page_class)c), d->scan.pages[c]);
}

static void json_texts(json_object *obj, const char *key, const char *first,
		       const char *const *more, const char *const *most)
{
	json_object *list = us_json_list(obj, key);

	if (first)
		json_object_array_add(list, json_object_new_string(first));
	for (; more && *more; more++)
		json_object_array_add(list, json_object_new_string(*more));
	for (; most && *most; most++)
		json_object_array_add(list, json_object_new_string(*most));
}

json_object *us_json_dump(const struct us_dump_report *r)
{
	const struct us_dump_result *d = r->result;
	json_object *obj = us_json_new("dump");

	if (!obj)
		return NULL;
	us_json_str(obj, "input", r->core->path);
	us_json_str(obj, "release", r->core->release[0] ? r->core->release : NULL);
	us_json_str(obj, "arch", r->core->arch ? r->core->arch->name : NULL);
	us_json_num(obj, "page_bytes", r->core->page_bytes);
	us_json_num(obj, "memory_bytes", ram_bytes(r->core));
	us_json_str(obj, "output", r->path);
	us_json_str(obj, "format", formats[r->wish->format]);
	us_json_str(obj, "codec",
		    r->wish->format == US_DUMP_ELF ? "none"
		    : r->wish->stored              ? "stored"
						   : us_page_codec_name(r->wish->codec));
	us_json_num(obj, "level", r->level);
	us_json_num(obj, "level_used", d->level_used);
	us_json_bool(obj, "complete", d->complete);
	us_json_str(obj, "stopped", d->stopped);
	json_pages(obj, r);
	us_json_tri(obj, "free_consistent", d->scan.free_ok);
	us_json_tri(obj, "slab_consistent", d->scan.slab_ok);
	if (r->path)
		us_json_num(obj, "bytes", d->bytes_out);
	else
		us_json_num(obj, "bytes_estimated", d->bytes_estimated);
	json_object_object_add(obj, "seconds", json_object_new_double(d->seconds));
	json_object_object_add(obj, "scan_seconds", json_object_new_double(d->scan_seconds));
	json_texts(obj, "warnings", r->blind ? r->blind->text : NULL, told_notes(r),
		   r->core->warnings);
	us_json_num(obj, "exit", (uint64_t)r->exit);
	return obj;
}
