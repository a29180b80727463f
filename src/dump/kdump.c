/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kdump-compressed file, version 6, with data in any order. At every instant it is a dump:
 * the header stands first, with the incomplete mark; bitmap 2 grows with the scan; the table is a
 * hole that reads as "page lost" until a page's data and then its descriptor are written. How it is
 * ended is in close.c. 32 MiB of memory and 2 MiB for each job do for any size.
 */
#include "base/cleanup.h"
#include "dump/dump-int.h"

#include <string.h>

#define DISK_PAGE      4096u /* what a killed write never tears */
#define FLUSH_FIRST_NS UINT64_C(250000000)
#define FLUSH_MOST_NS  UINT64_C(5000000000)

struct kdump {
	struct us_dump_job *job;
	struct us_kdump_file file;
	struct us_copy copy;
	atomic_uint_fast64_t end;      /* of the space that chunks have taken */
	atomic_uint_fast64_t written;  /* end of the highest chunk that is there */
	uint64_t begun_ns;             /* the copying */
	atomic_uint_fast64_t flush_ns; /* when the next flush is due */
	bool split;
};

struct set { /* the files that the scan's bitmap 2 goes to */
	struct kdump *v;
	size_t n;
	struct us_bits bits;
};

static struct us_err *put_bits(void *data, uint64_t at, const void *p, size_t n)
{
	struct set *set = data;

	for (size_t i = 0; i < set->n; i++)
		US_TRY(us_out_write(set->v[i].file.out, at, p, n));
	return NULL;
}

/* The front of all files, and bitmap 1; bitmap 2 is empty. */
static struct us_err *begin(struct set *set)
{
	struct us_dump_job *job = set->v->job;
	const struct us_vmcore *core = job->core;
	const struct us_kdump_layout *at = &set->v->file.at;

	for (size_t i = 0; i < set->n; i++) {
		struct us_kdump_file *file = &set->v[i].file;

		US_TRY(us_head_make(core, job->wish, job->wish->level, &file->at, &file->head));
		US_TRY(us_out_resize(file->out, at->table_at));
		US_TRY(us_out_clear(file->out, 0, at->table_at));
		US_TRY(us_out_write(file->out, at->page_bytes, file->head.bytes.p + at->page_bytes,
				    file->head.bytes.n - at->page_bytes));
	}
	set->bits = (struct us_bits){ .put = put_bits, .data = set, .skip_zero = true };
	US_TRY(us_bits_init(&set->bits, at->bitmap1_at, at->bitmap2_at - at->bitmap1_at));
	for (size_t i = 0; i < core->n_ram; i++)
		US_TRY(us_bits_set(&set->bits, core->ram[i].start >> core->page_shift,
				   core->ram[i].size >> core->page_shift));
	US_TRY(us_bits_end(&set->bits));
	US_TRY(us_bits_init(&set->bits, at->bitmap2_at, at->table_at - at->bitmap2_at));
	for (size_t i = 0; i < set->n; i++) {
		struct us_kdump_file *file = &set->v[i].file;

		US_TRY(us_out_write(file->out, 0, file->head.bytes.p, at->page_bytes));
	}
	return NULL;
}

/* The table takes its size, and the page of zeros its place: data follows. */
static struct us_err *lay_out(struct kdump *k)
{
	_us_blob_deinit_ struct us_blob zeros = { 0 };
	struct us_kdump_layout *at = &k->file.at;
	uint64_t n;

	if (!us_mul(at->pages, US_DESC_BYTES, &n) || !us_add(at->table_at, n, &n) ||
	    !us_align_up(n, at->page_bytes, &at->data_at))
		return us_err_new(US_ERR_UNSUPPORTED, "too many pages");
	if (k->file.out->far)
		US_TRY(us_far_head(k->file.out->far, &at->data_at));
	US_TRY(us_out_resize(k->file.out, at->data_at));
	US_TRY(us_out_clear(k->file.out, at->table_at, at->data_at));
	US_TRY(us_blob_new(at->page_bytes, &zeros));
	k->file.end = at->data_at + at->page_bytes;
	atomic_store(&k->end, k->file.end);
	atomic_store(&k->written, k->file.end);
	if (k->file.end > k->file.limit)
		return us_err_new(US_ERR_NO_ROOM,
				  "%" PRIu64 " bytes do not hold header, bitmaps and table",
				  k->file.limit);
	US_TRY(us_out_write(k->file.out, at->data_at, zeros.p, zeros.n));
	return us_out_settle(k->file.out);
}

/*
 * Neighbours in the table, last disk page first: a descriptor that crosses two pages gets its
 * offset, which is what makes it count, last.
 */
static struct us_err *put_slice(struct kdump *k, const uint8_t *p, uint64_t rank, uint64_t n)
{
	uint64_t from = k->file.at.table_at + (rank - k->file.first) * US_DESC_BYTES;
	uint64_t end = from + n * US_DESC_BYTES;

	while (end > from) {
		uint64_t start = us_align_down(end - 1, DISK_PAGE);

		if (start < from)
			start = from;
		US_TRY(us_out_write(k->file.out, start, p + (start - from), end - start));
		end = start;
	}
	return NULL;
}

static struct us_err *put_table(struct kdump *k, struct us_chunk *chunk, uint64_t base)
{
	for (size_t i = 0; i < chunk->n_descs; i++) {
		if (chunk->descs[i].offset & US_DESC_HERE)
			chunk->descs[i].offset = base + (chunk->descs[i].offset & ~US_DESC_HERE);
		us_page_desc_put(chunk->table + i * US_DESC_BYTES, &chunk->descs[i]);
	}
	for (size_t i = 0; i < chunk->n_slices; i++) {
		const struct us_slice *s = &chunk->slices[i];

		US_TRY(put_slice(k, chunk->table + (size_t)s->first * US_DESC_BYTES, s->rank, s->n));
	}
	return NULL;
}

/*
 * After a power cut the file shall have most of what was written: it is brought to the disk after a
 * quarter of a second, then whenever the time so far has doubled, then every five seconds. Chunks
 * are on their way before, so that there is little to wait for.
 */
static struct us_err *flush(struct kdump *k, uint64_t at, uint64_t n)
{
	uint64_t now = us_now_ns(), so_far = now - k->begun_ns, due = atomic_load(&k->flush_ns);

	us_out_push(k->file.out, at, n);
	if (now < due)
		return NULL;
	so_far = so_far < FLUSH_MOST_NS ? so_far : FLUSH_MOST_NS;
	if (!atomic_compare_exchange_strong(&k->flush_ns, &due, now + so_far))
		return NULL; /* another job does it */
	return us_out_sync(k->file.out);
}

static struct us_err *take(void *data, struct us_chunk *chunk)
{
	struct kdump *k = data;
	uint64_t base = atomic_fetch_add(&k->end, chunk->n_bytes);
	struct us_err *err = NULL;

	if (base + chunk->n_bytes > k->file.limit) {
		us_copy_stop(&k->copy,
			     k->job->wish->limit == k->file.limit ? "limit" : "no space left");
		chunk->no_room = true;
		return NULL;
	}
	if (chunk->n_bytes)
		err = us_out_write(k->file.out, base, chunk->bytes, chunk->n_bytes);
	if (!err)
		err = us_out_settle(k->file.out);
	if (!err)
		err = put_table(k, chunk, base);
	if (err && err->code == US_ERR_NO_ROOM) {
		us_err_free(err);
		us_copy_stop(&k->copy, "no space left");
		chunk->no_room = true;
		return NULL;
	}
	for (uint64_t was = atomic_load(&k->written); was < base + chunk->n_bytes;)
		if (atomic_compare_exchange_weak(&k->written, &was, base + chunk->n_bytes))
			break;
	if (!err && k->job->wish->flush)
		err = flush(k, base, chunk->n_bytes);
	return err;
}

static bool is_whole(const struct kdump *k)
{
	return !atomic_load(&k->copy.stopped) && !k->copy.stats.unreadable;
}

static void prepare(struct kdump *k)
{
	k->copy = us_dump_copy(k->job);
	k->copy.zero_offset = k->file.at.data_at;
	k->copy.ordered = k->file.out->far != NULL;
	k->copy.bitmap_out = k->file.out;
	k->copy.bitmap_at = k->file.at.bitmap2_at;
	k->copy.part.first = k->file.first;
	k->copy.part.count = k->split ? k->file.at.pages : 0;
	k->copy.take = take;
	k->copy.data = k;
	k->begun_ns = us_now_ns();
	atomic_store(&k->flush_ns, k->begun_ns + FLUSH_FIRST_NS);
}

/* The files of a set take turns with each tier: whichever is full or late, the others have what is
 * most valuable of theirs. */
static struct us_err *copy_pages(struct set *set)
{
	unsigned int tiers = set->n > 1 ? US_TIERS : 1;
	uint64_t done = 0;

	for (unsigned int tier = 0; tier < tiers; tier++)
		for (size_t i = 0; i < set->n; i++) {
			struct kdump *k = &set->v[i];
			uint64_t before = k->copy.stats.pages;

			if (!k->file.at.pages || atomic_load(&k->copy.stopped))
				continue;
			k->copy.part.tier = tier;
			k->copy.part.tier_end = tiers > 1 ? tier + 1 : US_TIERS;
			k->copy.before = done;
			US_TRY(us_copy_run(&k->copy));
			done += k->copy.stats.pages - before;
		}
	for (size_t i = 0; i < set->n; i++) /* the runs' tail is read from there */
		if (set->v[i].copy.stats.pages < set->v[i].file.at.pages)
			us_copy_stop(&set->v[i].copy, "bitmap 2 could not be read back");
	return NULL;
}

static struct us_err *close_files(struct set *set)
{
	_us_free_ struct us_kdump_file **files = calloc(set->n, sizeof(struct us_kdump_file *));
	struct us_dump_result *result = set->v->job->result;
	uint64_t dropped = 0, wanted = 0;
	bool whole = true;

	if (!files)
		return us_err_nomem();
	for (size_t i = 0; i < set->n; i++) {
		files[i] = &set->v[i].file;
		files[i]->end = atomic_load(&set->v[i].written);
		whole &= is_whole(&set->v[i]);
	}
	for (size_t i = 0; whole && i < set->n; i++)
		US_TRY(us_kdump_close(files[i]));
	if (whole)
		return NULL;
	US_TRY(us_kdump_close_smaller(files, set->n));
	for (size_t i = 0; i < set->n; i++) {
		wanted += files[i]->at.pages;
		dropped += files[i]->dropped;
	}
	result->pages_kept = wanted - dropped;
	if (dropped > result->pages_unreadable)
		result->pages_dropped = dropped - result->pages_unreadable;
	return NULL;
}

static struct us_err *finish(struct set *set)
{
	struct us_dump_result *result = set->v->job->result;

	for (size_t i = 0; i < set->n; i++)
		us_dump_account(set->v->job, &set->v[i].copy);
	US_TRY(close_files(set));
	for (size_t i = 0; i < set->n; i++) {
		struct kdump *k = &set->v[i];

		if (!result->stopped)
			result->stopped = atomic_load(&k->copy.stopped);
		result->bytes_out += k->file.end;
		US_TRY(us_out_finish(k->file.out));
	}
	result->complete = !result->stopped;
	return NULL;
}

/* The page with this rank. */
static uint64_t pfn_of(const struct kdump *k, uint64_t rank)
{
	struct us_walk walk;
	struct us_keep keep;

	us_walk_init(&walk, &k->job->runs, true, (struct us_part){ 0 }, k->file.out,
		     k->file.at.bitmap2_at, k->file.at.max_pfn);
	return us_walk_to(&walk, rank, 1, &keep) ? keep.pfn : k->file.at.max_pfn;
}

/* Which pages a file of the set has: [start, end) by address, in both widths. */
static struct us_err *put_share(struct kdump *k, uint64_t start, uint64_t end)
{
	uint8_t *sub = k->file.head.bytes.p + k->file.at.page_bytes;

	us_put_le32(sub + 12, 1);
	us_put_le64(sub + 16, start);
	us_put_le64(sub + 24, end);
	us_put_le64(sub + 80, start);
	us_put_le64(sub + 88, end);
	return us_out_write(k->file.out, k->file.at.page_bytes, sub, k->file.at.page_bytes);
}

static struct us_err *run(struct set *set)
{
	struct us_dump_job *job = set->v->job;
	uint64_t all, start = 0;

	US_TRY(begin(set));
	US_TRY(us_dump_scan(job, &set->bits));
	all = job->runs.pages;
	for (size_t i = 0; i < set->n; i++) {
		struct kdump *k = &set->v[i];
		uint64_t next = all / set->n * (i + 1), end;

		k->split = set->n > 1;
		k->file.first = all / set->n * i;
		if (i + 1 == set->n)
			next = all;
		k->file.at.pages = next - k->file.first;
		end = i + 1 < set->n ? pfn_of(k, next) : k->file.at.max_pfn;
		if (k->split)
			US_TRY(put_share(k, start, end));
		start = end;
	}
	for (size_t i = 0; i < set->n; i++) {
		US_TRY(lay_out(&set->v[i]));
		prepare(&set->v[i]);
	}
	US_TRY(copy_pages(set));
	return finish(set);
}

struct us_err *us_dump_kdump_set(struct us_dump_job *job, struct us_out *outs, size_t n)
{
	struct set set = { .v = calloc(n, sizeof(*set.v)), .n = n };
	struct us_err *err;

	if (!set.v)
		return us_err_nomem();
	for (size_t i = 0; i < n; i++) {
		set.v[i].job = job;
		set.v[i].file.out = &outs[i];
		set.v[i].file.limit = job->wish->limit ? job->wish->limit : UINT64_MAX;
		if (us_out_limit(&outs[i]) < set.v[i].file.limit)
			set.v[i].file.limit = us_out_limit(&outs[i]);
	}
	err = run(&set);
	us_bits_deinit(&set.bits);
	for (size_t i = 0; i < n; i++)
		us_blob_deinit(&set.v[i].file.head.bytes);
	free(set.v);
	return err;
}

struct us_err *us_dump_kdump(struct us_dump_job *job)
{
	if (!job->out.seekable)
		return us_err_new(US_ERR_USAGE, "the kdump format needs a file: a stream or a "
						"device takes the flattened format");
	return us_dump_kdump_set(job, &job->out, 1);
}
