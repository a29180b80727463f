/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kdump format for streams, "flattened": a header and segments {offset, size, bytes}, both
 * numbers big-endian (makedumpfile 1.7 struct makedumpfile_data_header). No offset is written
 * twice, data goes in ascending segments of about a chunk, the table in as few as memory allows,
 * and the front with its marks comes last. So crash sorts few segments, and the mark "incomplete"
 * is right whatever happened on the way.
 */
#include "base/cleanup.h"
#include "dump/dump-int.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define FLAT_HEADER_BYTES 4096
#define TABLE_BYTES       (8u << 20)
#define TABLE_DESCS       (TABLE_BYTES / US_DESC_BYTES)

struct flat {
	struct us_dump_job *job;
	struct us_kdump_layout at;
	struct us_head head;
	struct us_copy copy;
	struct us_bits bits;
	struct us_sum sum; /* bitmaps, table, front */
	uint64_t end;      /* of the data, in the file that this describes */
	uint8_t *table;    /* descriptors from table_rank on */
	uint64_t table_rank;
	size_t table_room, table_n;
};

static struct us_err *put_pair(struct flat *f, int64_t first, int64_t second)
{
	uint64_t pair[2] = { htobe64((uint64_t)first), htobe64((uint64_t)second) };

	return us_out_append(&f->job->out, pair, sizeof(pair));
}

static struct us_err *put_segment(void *data, uint64_t at, const void *p, size_t n)
{
	struct flat *f = data;

	US_TRY(put_pair(f, (int64_t)at, (int64_t)n));
	return us_out_append(&f->job->out, p, n);
}

static struct us_err *begin(struct flat *f)
{
	static const uint8_t zeros[FLAT_HEADER_BYTES - 32];
	const struct us_vmcore *core = f->job->core;
	const struct us_kdump_layout *at = &f->at;

	US_TRY(us_head_make(core, f->job->wish, f->job->wish->level, &f->at, &f->head));
	US_TRY(us_out_append(&f->job->out, "makedumpfile\0\0\0\0", 16));
	US_TRY(put_pair(f, 1, 1));
	US_TRY(us_out_append(&f->job->out, zeros, sizeof(zeros)));
	us_sum_init(&f->sum);
	f->bits = (struct us_bits){ .put = put_segment, .data = f, .sum = &f->sum };
	US_TRY(us_bits_init(&f->bits, at->bitmap1_at, at->bitmap2_at - at->bitmap1_at));
	for (size_t i = 0; i < core->n_ram; i++)
		US_TRY(us_bits_set(&f->bits, core->ram[i].start >> core->page_shift,
				   core->ram[i].size >> core->page_shift));
	return us_bits_end(&f->bits);
}

static struct us_err *put_bitmap2(struct flat *f)
{
	struct us_runs_cursor cursor = { .runs = &f->job->runs };
	struct us_keep keep;

	if (f->job->runs.tail_pfn != UINT64_MAX)
		return us_err_new(US_ERR_NO_ROOM,
				  "the pages to keep are scattered over more than %" PRIu64
				  " places, too many for a stream: write the kdump format to a file",
				  f->job->runs.n_runs);
	US_TRY(us_bits_init(&f->bits, f->at.bitmap2_at, f->at.table_at - f->at.bitmap2_at));
	while (us_runs_next(&cursor, &keep))
		US_TRY(us_bits_set(&f->bits, keep.pfn, keep.count));
	return us_bits_end(&f->bits);
}

static struct us_err *lay_out(struct flat *f)
{
	_us_blob_deinit_ struct us_blob zeros = { 0 };
	struct us_kdump_layout *at = &f->at;
	uint64_t n;

	at->pages = f->job->runs.pages;
	if (!us_mul(at->pages, US_DESC_BYTES, &n) || !us_add(at->table_at, n, &n) ||
	    !us_align_up(n, at->page_bytes, &at->data_at))
		return us_err_new(US_ERR_UNSUPPORTED, "too many pages");
	f->table_room = at->pages < TABLE_DESCS ? (size_t)at->pages : TABLE_DESCS;
	f->table = calloc(f->table_room + 1, US_DESC_BYTES);
	if (!f->table)
		return us_err_nomem();
	US_TRY(us_blob_new(at->page_bytes, &zeros));
	f->end = at->data_at + at->page_bytes;
	return put_segment(f, at->data_at, zeros.p, zeros.n);
}

static struct us_err *flush_table(struct flat *f)
{
	size_t n = f->table_n * US_DESC_BYTES;

	if (!n)
		return NULL;
	us_sum_add(&f->sum, f->table, n);
	US_TRY(put_segment(f, f->at.table_at + f->table_rank * US_DESC_BYTES, f->table, n));
	f->table_rank += f->table_n;
	f->table_n = 0;
	memset(f->table, 0, n);
	return NULL;
}

/* Either the whole table fits (any order), or pages come by address, one rank after the other. */
static struct us_err *put_desc(struct flat *f, uint64_t rank, const struct us_page_desc *desc)
{
	if (rank - f->table_rank >= f->table_room)
		US_TRY(flush_table(f));
	us_page_desc_put(f->table + (rank - f->table_rank) * US_DESC_BYTES, desc);
	if (f->table_n <= rank - f->table_rank)
		f->table_n = (size_t)(rank - f->table_rank) + 1;
	return NULL;
}

static bool fits(const struct flat *f, const struct us_chunk *chunk)
{
	uint64_t table = f->table_room * (uint64_t)US_DESC_BYTES;

	return !f->job->wish->limit ||
	       f->job->out.at + chunk->n_bytes + table + f->head.bytes.n + 16 * 4 <=
		       f->job->wish->limit;
}

static struct us_err *take(void *data, struct us_chunk *chunk)
{
	struct flat *f = data;

	if (!fits(f, chunk)) {
		us_copy_stop(&f->copy, "limit");
		chunk->no_room = true;
		return NULL;
	}
	if (chunk->n_bytes)
		US_TRY(put_segment(f, f->end, chunk->bytes, chunk->n_bytes));
	for (size_t i = 0; i < chunk->n_slices; i++)
		for (uint32_t j = 0; j < chunk->slices[i].n; j++) {
			struct us_page_desc *d = &chunk->descs[chunk->slices[i].first + j];

			if (d->offset & US_DESC_HERE)
				d->offset = f->end + (d->offset & ~US_DESC_HERE);
			US_TRY(put_desc(f, chunk->slices[i].rank + j, d));
		}
	f->end += chunk->n_bytes;
	return NULL;
}

static struct us_err *finish(struct flat *f)
{
	struct us_dump_result *result = f->job->result;
	uint8_t *head = f->head.bytes.p;

	result->stopped = atomic_load(&f->copy.stopped);
	result->complete = !result->stopped;
	result->pages_dropped = f->job->runs.pages - f->copy.stats.pages;
	if (f->at.pages <= f->table_room)
		f->table_n = f->table_room; /* pages that are missing read as lost */
	US_TRY(flush_table(f));
	if (result->complete && !f->copy.stats.unreadable) {
		head[US_HEAD_STATUS] &= (uint8_t)~US_STATUS_INCOMPLETE;
		us_sum_add(&f->sum, head, f->head.bytes.n);
		us_put_le64(head + f->head.file_sum_at, us_sum_end(&f->sum));
	}
	US_TRY(put_segment(f, 0, head, f->head.bytes.n));
	US_TRY(put_pair(f, -1, -1));
	result->bytes_out = f->job->out.at;
	US_TRY(us_out_sync(&f->job->out));
	return us_out_finish(&f->job->out);
}

static struct us_err *run(struct flat *f)
{
	US_TRY(begin(f));
	US_TRY(us_dump_scan(f->job, NULL));
	US_TRY(put_bitmap2(f));
	US_TRY(lay_out(f));
	f->copy = us_dump_copy(f->job);
	f->copy.by_address = f->at.pages > f->table_room;
	f->copy.ordered = true;
	f->copy.zero_offset = f->at.data_at;
	f->copy.take = take;
	f->copy.data = f;
	US_TRY(us_copy_run(&f->copy));
	us_dump_account(f->job, &f->copy);
	return finish(f);
}

struct us_err *us_dump_flat(struct us_dump_job *job)
{
	struct flat f = { .job = job };
	struct us_err *err = run(&f);

	us_bits_deinit(&f.bits);
	us_blob_deinit(&f.head.bytes);
	free(f.table);
	return err;
}
