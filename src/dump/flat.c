/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kdump format for streams, "flattened": a header and segments {offset, size, bytes}, both
 * numbers big-endian (makedumpfile 1.7 struct makedumpfile_data_header). No offset is written
 * twice. Data goes first, in ascending segments of about a chunk; what says which pages there are
 * (bitmap 2, the table, the front with its marks) comes last, in as few segments as memory allows.
 * So crash sorts few segments, and a stream that is ended early is a whole, smaller dump.
 */
#include "base/cleanup.h"
#include "dump/dump-int.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define FLAT_HEADER_BYTES 4096
#define TABLE_BYTES       (8u << 20)
#define TABLE_DESCS       (TABLE_BYTES / US_DESC_BYTES)
#define SAMPLES           256    /* chunks that are packed to see what fits */
#define MISSING_MAX       100000 /* stretches of pages that could not be read, in a large dump */
#define SEGMENT_BYTES     16
#define ROOM_SPARED       64 /* one part of so many */

struct flat {
	struct us_dump_job *job;
	struct us_kdump_layout at;
	struct us_head head;
	struct us_copy copy;
	struct us_bits bits;
	struct us_sum bitmaps_sum, table_sum;
	uint64_t end;   /* of the data, in the file that this describes */
	uint64_t pages; /* taken */
	/*
	 * Descriptors. If there is room for all of them each stands at its rank until the end.
	 * If not, pages come by address: these are the latest, those without data are left out.
	 */
	uint8_t *table;
	size_t table_room, table_n;
	bool all_fit;
	uint64_t limit;         /* bytes of output: what was wished, or what a file has room for */
	const char *no_room;    /* which of the two */
	uint64_t given_up;      /* pages, for it */
	uint64_t table_sent;    /* descriptors */
	uint64_t rank;          /* the next to come; those from here on are not there */
	struct us_runs missing; /* ranks before that which are not there either */
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
	us_sum_init(&f->bitmaps_sum);
	us_sum_init(&f->table_sum);
	us_runs_init(&f->missing, f->job->runs.max_bytes);
	f->bits = (struct us_bits){ .put = put_segment, .data = f, .sum = &f->bitmaps_sum };
	US_TRY(us_bits_init(&f->bits, at->bitmap1_at, at->bitmap2_at - at->bitmap1_at));
	for (size_t i = 0; i < core->n_ram; i++)
		US_TRY(us_bits_set(&f->bits, core->ram[i].start >> core->page_shift,
				   core->ram[i].size >> core->page_shift));
	return us_bits_end(&f->bits);
}

/* What the end takes if the dump has that many pages: bitmap 2, the rest of the table, the front. */
static uint64_t end_bytes(const struct flat *f, uint64_t pages)
{
	uint64_t bitmap = f->at.table_at - f->at.bitmap2_at, table = pages - f->table_sent;
	uint64_t segments = (bitmap + US_BITS_WINDOW - 1) / US_BITS_WINDOW +
			    (table + TABLE_DESCS - 1) / TABLE_DESCS + 1 + 1; /* front, end mark */

	return bitmap + table * US_DESC_BYTES + f->head.bytes.n + segments * SEGMENT_BYTES;
}

static struct us_err *take_nothing(void *data, struct us_chunk *chunk)
{
	(void)data;
	for (size_t i = 0; i < chunk->n_descs; i++)
		chunk->descs[i].offset &= ~US_DESC_HERE;
	return NULL;
}

/* Nothing is taken back in a stream, so where it must end is known before. Some of the room is for
 * what the file system adds and for others. */
static void find_limit(struct flat *f)
{
	uint64_t wish = f->job->wish->limit ? f->job->wish->limit : UINT64_MAX;
	uint64_t room = us_out_room(&f->job->out);

	room -= room / ROOM_SPARED;
	f->limit = wish < room ? wish : room;
	f->no_room = wish < room ? "limit" : "no space left";
}

/* A large dump is written by address, so what a limit has no room for is left out before: as many
 * pages stay as a sample says. If they are few enough, they are written by value after all. */
static struct us_err *choose(struct flat *f)
{
	struct us_dump_job *job = f->job;
	uint64_t pages = job->runs.pages, n, front = job->out.at + end_bytes(f, 0);
	struct us_copy sample = us_dump_copy(job);
	struct us_runs chosen;

	if (pages <= TABLE_DESCS || f->limit <= front ||
	    pages < (f->limit - front) / (job->core->page_bytes + US_DESC_BYTES))
		return NULL;
	sample.every = (unsigned int)((pages * job->core->page_bytes >> 20) / SAMPLES) + 1;
	sample.take = take_nothing;
	US_TRY(us_copy_run(&sample));
	if (!sample.stats.pages)
		return NULL;
	n = (uint64_t)((double)(f->limit - front) /
		       ((double)sample.stats.bytes / (double)sample.stats.pages + US_DESC_BYTES));
	if (n < TABLE_DESCS)
		n = TABLE_DESCS;
	if (n >= pages)
		return NULL;
	US_TRY(us_runs_choose(&job->runs, us_quota_of(us_runs_count(&job->runs), n), &chosen));
	us_runs_deinit(&job->runs);
	job->runs = chosen;
	f->given_up = pages - n;
	return NULL;
}

static struct us_err *lay_out(struct flat *f)
{
	_us_blob_deinit_ struct us_blob zeros = { 0 };
	struct us_kdump_layout *at = &f->at;
	uint64_t n;

	if (f->job->runs.tail_pfn != UINT64_MAX)
		return us_err_new(US_ERR_NO_ROOM,
				  "the pages to keep are scattered over more than %" PRIu64
				  " places, too many for a stream: write the kdump format to a file",
				  f->job->runs.n_runs);
	find_limit(f);
	US_TRY(choose(f));
	at->pages = f->job->runs.pages;
	if (!us_mul(at->pages, US_DESC_BYTES, &n) || !us_add(at->table_at, n, &n) ||
	    !us_align_up(n, at->page_bytes, &at->data_at))
		return us_err_new(US_ERR_UNSUPPORTED, "too many pages");
	f->all_fit = at->pages <= TABLE_DESCS;
	f->table_room = f->all_fit ? (size_t)at->pages : TABLE_DESCS;
	f->table = calloc(f->table_room + 1, US_DESC_BYTES);
	if (!f->table)
		return us_err_nomem();
	if (f->job->out.at + at->page_bytes + SEGMENT_BYTES + end_bytes(f, 0) > f->limit)
		return us_err_new(US_ERR_NO_ROOM,
				  "%" PRIu64 " bytes do not hold header and bitmaps", f->limit);
	US_TRY(us_blob_new(at->page_bytes, &zeros));
	f->end = at->data_at + at->page_bytes;
	return put_segment(f, at->data_at, zeros.p, zeros.n);
}

static struct us_err *flush_table(struct flat *f)
{
	size_t n = f->table_n * US_DESC_BYTES;

	if (!n)
		return NULL;
	us_sum_add(&f->table_sum, f->table, n);
	US_TRY(put_segment(f, f->at.table_at + f->table_sent * US_DESC_BYTES, f->table, n));
	f->table_sent += f->table_n;
	f->table_n = 0;
	return NULL;
}

static struct us_err *put_desc(struct flat *f, uint64_t rank, const struct us_page_desc *desc)
{
	if (f->all_fit) {
		us_page_desc_put(f->table + rank * US_DESC_BYTES, desc);
		return NULL;
	}
	f->rank = rank + 1;
	if (!desc->offset) {
		us_runs_add(&f->missing, rank, 1, 0);
		return NULL;
	}
	if (f->table_n == f->table_room)
		US_TRY(flush_table(f));
	us_page_desc_put(f->table + f->table_n++ * US_DESC_BYTES, desc);
	return NULL;
}

static const char *no_more(const struct flat *f, const struct us_chunk *chunk)
{
	if (f->missing.n_runs > MISSING_MAX)
		return "memory that cannot be read";
	if (f->job->out.at + SEGMENT_BYTES + chunk->n_bytes +
		    end_bytes(f, f->pages + chunk->n_descs) >
	    f->limit)
		return f->no_room;
	return NULL;
}

static struct us_err *take(void *data, struct us_chunk *chunk)
{
	struct flat *f = data;
	const char *why = no_more(f, chunk);

	if (why) {
		us_copy_stop(&f->copy, why);
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
	f->pages += chunk->n_descs;
	return NULL;
}

/* ---- the end ---- */

/* How many pages from rank on, of at most n, are all there or (*ret_there unset) all missing. */
static uint64_t stretch(const struct flat *f, struct us_runs_cursor *missing, struct us_keep *gap,
			uint64_t rank, uint64_t n, bool *ret_there)
{
	static const uint8_t none[8];
	uint64_t end = rank;

	if (f->all_fit) {
		*ret_there = memcmp(f->table + rank * US_DESC_BYTES, none, sizeof(none)) != 0;
		while (++end < rank + n && (memcmp(f->table + end * US_DESC_BYTES, none,
						   sizeof(none)) != 0) == *ret_there)
			;
		return end - rank;
	}
	while (gap->pfn + gap->count <= rank && us_runs_next(missing, gap))
		;
	if (rank >= f->rank || (gap->pfn <= rank && rank < gap->pfn + gap->count)) {
		*ret_there = false;
		end = rank >= f->rank ? UINT64_MAX : gap->pfn + gap->count;
	} else {
		*ret_there = true;
		end = gap->pfn > rank && gap->pfn < f->rank ? gap->pfn : f->rank;
	}
	return end - rank < n ? end - rank : n;
}

/* Bitmap 2: the pages that are there. */
static struct us_err *put_bitmap2(struct flat *f)
{
	struct us_runs_cursor cursor = { .runs = &f->job->runs }, missing = { .runs = &f->missing };
	struct us_keep keep, gap = { 0 };

	us_runs_end(&f->missing);
	US_TRY(us_bits_init(&f->bits, f->at.bitmap2_at, f->at.table_at - f->at.bitmap2_at));
	while (us_runs_next(&cursor, &keep))
		for (uint64_t at = 0, n; at < keep.count; at += n) {
			bool there;

			n = stretch(f, &missing, &gap, keep.rank + at, keep.count - at, &there);
			if (there)
				US_TRY(us_bits_set(&f->bits, keep.pfn + at, n));
		}
	return us_bits_end(&f->bits);
}

/* The whole table moves together: ranks count what is there. */
static void close_gaps(struct flat *f)
{
	static const uint8_t none[8];

	for (size_t i = 0; i < f->table_room; i++) {
		const uint8_t *desc = f->table + i * US_DESC_BYTES;

		if (memcmp(desc, none, sizeof(none)) != 0)
			memmove(f->table + f->table_n++ * US_DESC_BYTES, desc, US_DESC_BYTES);
	}
}

static struct us_err *finish(struct flat *f)
{
	struct us_dump_result *result = f->job->result;
	uint8_t *head = f->head.bytes.p;

	result->stopped = atomic_load(&f->copy.stopped);
	if (!result->stopped && f->given_up)
		result->stopped = f->no_room;
	result->complete = !result->stopped;
	result->pages_dropped = f->given_up + f->job->runs.pages - f->copy.stats.pages;
	US_TRY(put_bitmap2(f));
	if (f->all_fit)
		close_gaps(f);
	US_TRY(flush_table(f));
	head[US_HEAD_STATUS] &= (uint8_t)~US_STATUS_INCOMPLETE;
	us_put_le64(head + f->head.file_sum_at,
		    us_sum_of_file(&f->bitmaps_sum, &f->table_sum, us_blob_bytes(&f->head.bytes)));
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
	US_TRY(lay_out(f));
	f->copy = us_dump_copy(f->job);
	f->copy.by_address = !f->all_fit;
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
	us_runs_deinit(&f.missing);
	free(f.table);
	return err;
}
