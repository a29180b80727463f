/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An ELF core: program headers, notes, then the kept pages. Memory that is left out has no program
 * header, so readers say so instead of showing zeros; p_memsz > p_filesz is used for runs of pages
 * that were seen to be zero. Everything is known before the first byte, so it streams. What the
 * kernel maps twice (its image) gets a second header onto the same bytes, as in the input. More
 * than 65534 headers are counted in section header 0 (gABI, PN_XNUM).
 *
 * Nothing is packed, so what fits into a limit or onto a disk is known beforehand, and the most
 * valuable pages are taken. Data stands by address; where it may still end early (a deadline, a
 * disk that is nearly full) by value, and what is not reached is cut off.
 */
#include "base/cleanup.h"
#include "dump/dump-int.h"

#include <elf.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define ZERO_RUN     16 /* pages; shorter ones are written */
#define ZERO_TIER    US_TIERS
#define HEADER_STEP  512 /* program headers written at a time */
#define E_INCOMPLETE 1

struct segment {
	uint64_t phys, virt, bytes, file_bytes, data; /* data: offset from the first page's */
};

struct elf {
	struct us_dump_job *job;
	struct us_runs all;  /* runs, zeros apart in ZERO_TIER */
	struct us_runs data; /* only what is written */
	uint64_t wanted;     /* pages of data, before any were given up for room */
	const char *no_room; /* why they were */
	bool by_value;       /* how data stands in the file */
	struct us_vmcore_load *mains, *twins;
	size_t n_mains, n_twins;
	struct us_blob notes;
	uint64_t n_segments, notes_at, data_at;
	uint64_t written; /* bytes of data */
	struct us_copy copy;
	/* while headers are made */
	Elf64_Phdr *headers;
	size_t n_headers;
	uint64_t put_at, made;
	bool put;
};

/* ---- the input's program headers: each address once, the rest are twins ---- */

static int by_phys(const void *a, const void *b)
{
	const struct us_vmcore_load *x = a, *y = b;

	if (x->phys != y->phys)
		return x->phys < y->phys ? -1 : 1;
	return x->bytes > y->bytes ? -1 : x->bytes < y->bytes;
}

static struct us_err *sort_loads(struct elf *e)
{
	const struct us_vmcore *core = e->job->core;
	uint64_t end = 0;

	e->mains = calloc(core->n_loads + 1, sizeof(*e->mains));
	e->twins = calloc(core->n_loads + 1, sizeof(*e->twins));
	if (!e->mains || !e->twins)
		return us_err_nomem();
	if (core->n_loads)
		memcpy(e->mains, core->loads, core->n_loads * sizeof(*e->mains));
	qsort(e->mains, core->n_loads, sizeof(*e->mains), by_phys);
	for (size_t i = 0; i < core->n_loads; i++) {
		struct us_vmcore_load load = e->mains[i];

		if (!load.bytes)
			continue;
		if (load.phys + load.bytes <= end && load.virt) {
			e->twins[e->n_twins++] = load;
			continue;
		}
		e->mains[e->n_mains++] = load;
		if (load.phys + load.bytes > end)
			end = load.phys + load.bytes;
	}
	return NULL;
}

/* The header that phys lies in and where it or the gap before the next ends. phys ascends: *at is
 * where the last look ended, 0 at first. */
static const struct us_vmcore_load *load_at(const struct elf *e, size_t *at, uint64_t phys,
					    uint64_t *ret_end)
{
	uint64_t page = e->job->core->page_bytes;

	*ret_end = UINT64_MAX;
	for (; *at < e->n_mains; ++*at) {
		const struct us_vmcore_load *load = &e->mains[*at];

		if (phys + page <= load->phys) {
			*ret_end = us_align_down(load->phys, page);
			return NULL;
		}
		if (phys < load->phys + load->bytes) {
			uint64_t end = load->phys + load->bytes;

			*ret_end = us_align_down(end + page - 1, page);
			return load;
		}
	}
	return NULL;
}

/* ---- zero pages ---- */

struct looker {
	struct elf *e;
	struct us_vmcore_reader *reader;
	uint64_t zeros; /* seen just before pfn */
	unsigned int tier;
};

static void add_data(struct elf *e, uint64_t pfn, uint64_t count, unsigned int tier)
{
	us_runs_add(&e->all, pfn, count, tier);
	us_runs_add(&e->data, pfn, count, tier);
}

static void settle_zeros(struct looker *l, uint64_t pfn)
{
	if (l->zeros >= ZERO_RUN)
		us_runs_add(&l->e->all, pfn - l->zeros, l->zeros, ZERO_TIER);
	else if (l->zeros)
		add_data(l->e, pfn - l->zeros, l->zeros, l->tier);
	l->zeros = 0;
}

static void look_at_run(struct looker *l, const struct us_keep *keep)
{
	const struct us_vmcore *core = l->e->job->core;
	uint64_t pfn = keep->pfn, end = keep->pfn + keep->count;
	size_t page = core->page_bytes;

	l->tier = keep->tier;
	while (pfn < end) {
		struct us_bytes view = { 0 };
		struct us_err *err = us_vmcore_window(l->reader, pfn << core->page_shift,
						      (size_t)(end - pfn) * page, &view);
		uint64_t n = err ? 0 : view.n / page, word = 1;

		us_err_free(err);
		for (uint64_t i = 0; i < n && pfn < end; i++, pfn++) {
			if (us_repeats(view.p + i * page, page, &word) && !word) {
				l->zeros++;
				continue;
			}
			settle_zeros(l, pfn);
			add_data(l->e, pfn, 1, l->tier);
		}
		if (!n) { /* not to be seen in place: it is written */
			settle_zeros(l, pfn);
			add_data(l->e, pfn++, 1, l->tier);
		}
	}
	settle_zeros(l, end);
}

static struct us_err *split_zeros(struct elf *e)
{
	struct us_runs_cursor cursor = { .runs = &e->job->runs };
	struct looker l = { .e = e };
	struct us_keep keep;

	if (e->job->runs.tail_pfn != UINT64_MAX)
		return us_err_new(US_ERR_NO_ROOM,
				  "the pages to keep are scattered over more than %" PRIu64
				  " places, too many for an ELF file: write the kdump format",
				  e->job->runs.n_runs);
	us_runs_init(&e->all, e->job->runs.max_bytes);
	us_runs_init(&e->data, e->job->runs.max_bytes);
	if (e->job->wish->level & US_DUMP_ZERO)
		US_TRY(us_vmcore_reader_new(e->job->core, &l.reader));
	while (us_runs_next(&cursor, &keep)) {
		if (l.reader)
			look_at_run(&l, &keep);
		else
			add_data(e, keep.pfn, keep.count, keep.tier);
	}
	if (l.reader)
		us_vmcore_reader_free(l.reader);
	us_runs_end(&e->all);
	us_runs_end(&e->data);
	e->wanted = e->data.pages;
	if (e->all.tail_pfn != UINT64_MAX || e->data.tail_pfn != UINT64_MAX)
		return us_err_new(US_ERR_NO_ROOM, "no memory for %" PRIu64 " stretches of pages",
				  e->all.n_runs);
	return NULL;
}

/* ---- what there is room for ---- */

/* Of the pages that are not zero the n most valuable ones stay; without zeros, only those. */
static struct us_err *choose(struct elf *e, uint64_t n, bool zeros)
{
	struct us_quota all = us_runs_count(&e->all), quota = us_quota_of(all, n);
	struct us_runs runs, data;

	US_TRY(us_runs_choose(&e->all, quota, &data));
	us_runs_deinit(&e->data);
	e->data = data;
	if (zeros)
		quota.pages[ZERO_TIER] = all.pages[ZERO_TIER];
	US_TRY(us_runs_choose(&e->all, quota, &runs));
	us_runs_deinit(&e->all);
	e->all = runs;
	return NULL;
}

/* ---- program headers ---- */

static struct us_err *put_headers(struct elf *e)
{
	size_t n = e->n_headers * sizeof(*e->headers);

	e->n_headers = 0;
	if (!e->put || !n)
		return NULL;
	if (!e->job->out.seekable)
		return us_out_append(&e->job->out, e->headers, n);
	US_TRY(us_out_write(&e->job->out, e->put_at, e->headers, n));
	e->put_at += n;
	return NULL;
}

static struct us_err *put_header(struct elf *e, uint32_t type, const struct segment *s,
				 uint64_t offset)
{
	e->headers[e->n_headers++] = (Elf64_Phdr){
		.p_type = htole32(type),
		.p_flags = htole32(type == PT_LOAD ? PF_R | PF_W | PF_X : 0),
		.p_offset = htole64(offset),
		.p_vaddr = htole64(s->virt),
		.p_paddr = htole64(s->phys),
		.p_filesz = htole64(s->file_bytes),
		.p_memsz = htole64(s->bytes),
	};
	return e->n_headers == HEADER_STEP ? put_headers(e) : NULL;
}

/* A segment as far as its data was written (all of it, before the writing). */
static struct us_err *put_load(struct elf *e, struct segment s)
{
	if (!s.bytes || (s.file_bytes && s.data >= e->written))
		return NULL;
	if (s.data + s.file_bytes > e->written)
		s.bytes = s.file_bytes = e->written - s.data;
	e->made++;
	return put_header(e, PT_LOAD, &s, e->data_at + (s.file_bytes ? s.data : 0));
}

/* The runs with where their data stands. */
struct reel {
	struct us_runs_cursor cursor;
	unsigned int shift;
	bool by_value;
	uint64_t next[US_TIERS]; /* of each tier; by address only the first */
};

static void reel_init(const struct elf *e, struct reel *ret)
{
	struct us_quota all = us_runs_count(&e->all);
	uint64_t at = 0;

	*ret = (struct reel){ .cursor = { .runs = &e->all },
			      .shift = e->job->core->page_shift,
			      .by_value = e->by_value };
	for (unsigned int tier = 0; tier < US_TIERS && e->by_value; tier++) {
		ret->next[tier] = at << ret->shift;
		at += all.pages[tier];
	}
}

static bool reel_next(struct reel *reel, struct us_keep *ret, uint64_t *ret_data)
{
	uint64_t *next = reel->next;

	if (!us_runs_next(&reel->cursor, ret))
		return false;
	if (reel->by_value && ret->tier < US_TIERS)
		next += ret->tier;
	*ret_data = *next;
	if (ret->tier != ZERO_TIER)
		*next += ret->count << reel->shift;
	return true;
}

/* Runs -> segments: data, zeros behind it, cut where the input's headers end. */
struct joiner {
	struct elf *e;
	struct segment s;
};

static struct us_err *join(struct joiner *j, uint64_t phys, uint64_t virt, uint64_t bytes,
			   bool zeros, uint64_t data)
{
	struct segment *s = &j->s;
	bool follows = s->bytes && s->phys + s->bytes == phys &&
		       (virt ? s->virt && s->virt + s->bytes == virt : !s->virt);

	if (follows && (zeros || (s->bytes == s->file_bytes && s->data + s->file_bytes == data))) {
		s->bytes += bytes;
		s->file_bytes += zeros ? 0 : bytes;
		return NULL;
	}
	US_TRY(put_load(j->e, *s));
	*s = (struct segment){ .phys = phys,
			       .virt = virt,
			       .bytes = bytes,
			       .file_bytes = zeros ? 0 : bytes,
			       .data = data };
	return NULL;
}

static struct us_err *put_mains(struct elf *e)
{
	struct joiner j = { .e = e };
	struct us_keep keep;
	struct reel reel;
	uint64_t data;
	size_t at = 0;

	reel_init(e, &reel);
	while (reel_next(&reel, &keep, &data)) {
		uint64_t phys = keep.pfn << reel.shift, stop;
		uint64_t end = phys + (keep.count << reel.shift);
		bool zeros = keep.tier == ZERO_TIER;

		for (; phys < end; phys = stop) {
			const struct us_vmcore_load *load = load_at(e, &at, phys, &stop);
			uint64_t virt = load && load->virt ? load->virt + (phys - load->phys) : 0;

			if (stop > end)
				stop = end;
			US_TRY(join(&j, phys, virt, stop - phys, zeros, data));
			data += zeros ? 0 : stop - phys;
		}
	}
	return put_load(e, j.s);
}

static struct us_err *put_twin(struct elf *e, const struct us_vmcore_load *load)
{
	struct joiner j = { .e = e };
	struct us_keep keep;
	struct reel reel;
	uint64_t data, load_end;

	reel_init(e, &reel);
	load_end = us_align_down(load->phys + load->bytes, 1ull << reel.shift);
	while (reel_next(&reel, &keep, &data)) {
		uint64_t phys = keep.pfn << reel.shift;
		uint64_t end = phys + (keep.count << reel.shift);
		bool zeros = keep.tier == ZERO_TIER;
		uint64_t from = phys > load->phys ? phys : load->phys;
		uint64_t to = end < load_end ? end : load_end;

		if (from < to)
			US_TRY(join(&j, from, load->virt + (from - load->phys), to - from, zeros,
				    data + (zeros ? 0 : from - phys)));
	}
	return put_load(e, j.s);
}

/* All program headers, or with put unset only their number. */
static struct us_err *walk_headers(struct elf *e, bool put)
{
	struct segment note = { .bytes = e->notes.n, .file_bytes = e->notes.n };

	e->put = put;
	e->made = 0;
	e->n_headers = 0;
	e->put_at = sizeof(Elf64_Ehdr);
	US_TRY(put_header(e, PT_NOTE, &note, e->notes_at));
	for (size_t i = 0; i < e->n_twins; i++)
		US_TRY(put_twin(e, &e->twins[i]));
	US_TRY(put_mains(e));
	return put_headers(e);
}

static struct us_err *put_front(struct elf *e, bool incomplete)
{
	bool many = e->n_segments + 1 >= PN_XNUM;
	uint64_t sections_at = sizeof(Elf64_Ehdr) + (e->n_segments + 1) * sizeof(Elf64_Phdr);
	Elf64_Ehdr head = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			     EV_CURRENT },
		.e_type = htole16(ET_CORE),
		.e_machine = htole16(e->job->core->arch->elf_machine),
		.e_version = htole32(EV_CURRENT),
		.e_phoff = htole64(sizeof(Elf64_Ehdr)),
		.e_shoff = htole64(many ? sections_at : 0),
		.e_flags = htole32(incomplete ? E_INCOMPLETE : 0),
		.e_ehsize = htole16(sizeof(Elf64_Ehdr)),
		.e_phentsize = htole16(sizeof(Elf64_Phdr)),
		.e_phnum = htole16(many ? PN_XNUM : (uint16_t)(e->n_segments + 1)),
		.e_shentsize = htole16(many ? sizeof(Elf64_Shdr) : 0),
		.e_shnum = htole16(many ? 1 : 0),
	};
	Elf64_Shdr section = { .sh_info = htole32((uint32_t)(e->n_segments + 1)) };
	struct us_out *out = &e->job->out;

	if (!out->seekable) {
		US_TRY(us_out_append(out, &head, sizeof(head)));
		US_TRY(walk_headers(e, true));
		return many ? us_out_append(out, &section, sizeof(section)) : NULL;
	}
	US_TRY(walk_headers(e, true));
	if (many)
		US_TRY(us_out_write(out, sections_at, &section, sizeof(section)));
	return us_out_write(out, 0, &head, sizeof(head));
}

/* Where headers, notes and data of what is chosen stand. */
static struct us_err *place(struct elf *e)
{
	uint64_t page = e->job->core->page_bytes;

	e->written = e->data.pages * page;
	US_TRY(walk_headers(e, false));
	e->n_segments = e->made;
	if (e->n_segments >= UINT32_MAX)
		return us_err_new(US_ERR_UNSUPPORTED, "too many stretches of memory");
	e->notes_at =
		sizeof(Elf64_Ehdr) + (e->n_segments + 1) * sizeof(Elf64_Phdr) + sizeof(Elf64_Shdr);
	if (!us_align_up(e->notes_at + e->notes.n, page, &e->data_at))
		return us_err_new(US_ERR_UNSUPPORTED, "too many stretches of memory");
	return NULL;
}

/* Fewer pages until they fit; then not even the headers of those that are zero. */
static struct us_err *fit(struct elf *e, uint64_t room)
{
	uint64_t page = e->job->core->page_bytes;

	while (e->data_at + e->written > room) {
		uint64_t over = (e->data_at + e->written - room + page - 1) / page;

		if (!e->data.pages && e->all.pages == e->data.pages)
			return us_err_new(US_ERR_NO_ROOM,
					  "%" PRIu64 " bytes do not hold headers and notes", room);
		US_TRY(choose(e, e->data.pages > over ? e->data.pages - over : 0,
			      e->data.pages > 0));
		US_TRY(place(e));
	}
	return NULL;
}

static struct us_err *lay_out(struct elf *e)
{
	uint64_t limit = e->job->wish->limit ? e->job->wish->limit : UINT64_MAX;
	uint64_t disk = us_out_room(&e->job->out), room = limit < disk ? limit : disk;
	size_t sum_at;

	US_TRY(us_notes_make(e->job->core, false, &e->notes, &sum_at));
	e->headers = calloc(HEADER_STEP, sizeof(*e->headers));
	if (!e->headers)
		return us_err_nomem();
	e->by_value = e->job->deadline_ns != 0;
	US_TRY(place(e));
	if (e->data_at + e->written > disk - disk / 8 && !e->by_value) {
		e->by_value = true; /* others may take what is left of it */
		US_TRY(place(e));
	}
	if (e->data_at + e->written > room)
		e->no_room = room == limit ? "limit" : "no space left";
	return fit(e, room);
}

/* Everything before the data; a file gets it with the incomplete mark. */
static struct us_err *begin(struct elf *e)
{
	_us_blob_deinit_ struct us_blob pad = { 0 };
	struct us_out *out = &e->job->out;
	uint64_t done;

	US_TRY(lay_out(e));
	US_TRY(us_blob_new(e->job->core->page_bytes + sizeof(Elf64_Shdr), &pad));
	if (out->seekable) {
		US_TRY(us_out_write(out, e->notes_at, e->notes.p, e->notes.n));
		US_TRY(us_out_resize(out, e->data_at));
		US_TRY(put_front(e, true));
		out->at = e->data_at;
		return NULL;
	}
	US_TRY(put_front(e, false));
	US_TRY(us_out_append(out, pad.p, e->notes_at - out->at));
	US_TRY(us_out_append(out, e->notes.p, e->notes.n));
	done = out->at;
	return us_out_append(out, pad.p, e->data_at - done);
}

static struct us_err *take(void *data, struct us_chunk *chunk)
{
	struct elf *e = data;
	struct us_out *out = &e->job->out;
	struct us_err *err;

	if (!out->seekable)
		return us_out_append(out, chunk->bytes, chunk->n_bytes);
	err = us_out_write(out, out->at, chunk->bytes, chunk->n_bytes);
	if (!err)
		err = us_out_settle(out);
	if (!err) {
		out->at += chunk->n_bytes;
		return NULL;
	}
	if (err->code != US_ERR_NO_ROOM)
		return err;
	us_err_free(err);
	us_copy_stop(&e->copy, "no space left");
	chunk->no_room = true;
	return NULL;
}

static struct us_err *finish(struct elf *e)
{
	struct us_dump_result *result = e->job->result;
	struct us_out *out = &e->job->out;

	result->stopped = atomic_load(&e->copy.stopped);
	if (!result->stopped)
		result->stopped = e->no_room;
	result->complete = !result->stopped;
	result->pages_zero = e->all.pages - e->data.pages;
	result->pages_kept += result->pages_zero;
	e->written = out->at - e->data_at;
	result->pages_dropped = e->wanted - e->written / e->job->core->page_bytes;
	result->bytes_out = out->at;
	if (!out->seekable) /* what headers say of pages that did not come ends past the file */
		return us_out_finish(out);
	US_TRY(us_out_resize(out, out->at));
	US_TRY(us_out_sync(out));
	US_TRY(walk_headers(e, false));
	e->n_segments = e->made;
	US_TRY(put_front(e, false));
	US_TRY(us_out_sync(out));
	return us_out_finish(out);
}

static struct us_err *run(struct elf *e)
{
	US_TRY(us_dump_scan(e->job, NULL));
	US_TRY(sort_loads(e));
	US_TRY(split_zeros(e));
	US_TRY(begin(e));
	e->copy = us_dump_copy(e->job);
	e->copy.runs = &e->data;
	e->copy.codec = US_PAGE_RAW;
	e->copy.stored = false;
	e->copy.ordered = e->copy.raw = true;
	e->copy.by_address = !e->by_value;
	e->copy.take = take;
	e->copy.data = e;
	US_TRY(us_copy_run(&e->copy));
	us_dump_account(e->job, &e->copy);
	return finish(e);
}

struct us_err *us_dump_elf(struct us_dump_job *job)
{
	struct elf e = { .job = job };
	struct us_err *err;

	if (job->core->big_endian)
		return us_err_new(US_ERR_UNSUPPORTED, "writing ELF for a big-endian machine");
	err = run(&e);
	us_runs_deinit(&e.all);
	us_runs_deinit(&e.data);
	us_blob_deinit(&e.notes);
	free(e.headers);
	free(e.mains);
	free(e.twins);
	return err;
}
