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

#define DISK_PAGE 4096u /* what a killed write never tears */

struct kdump {
	struct us_dump_job *job;
	struct us_kdump_file file;
	struct us_copy copy;
	struct us_bits bits;
	atomic_uint_fast64_t end;
};

static struct us_err *put_bits(void *data, uint64_t at, const void *p, size_t n)
{
	struct kdump *k = data;

	return us_out_write(&k->job->out, at, p, n);
}

static struct us_err *begin(struct kdump *k)
{
	const struct us_vmcore *core = k->job->core;
	struct us_kdump_layout *at = &k->file.at;
	struct us_out *out = &k->job->out;

	US_TRY(us_head_make(core, k->job->wish, k->job->wish->level, at, &k->file.head));
	US_TRY(us_out_write(out, at->page_bytes, k->file.head.bytes.p + at->page_bytes,
			    k->file.head.bytes.n - at->page_bytes));
	k->bits = (struct us_bits){ .put = put_bits, .data = k, .skip_zero = true };
	US_TRY(us_bits_init(&k->bits, at->bitmap1_at, at->bitmap2_at - at->bitmap1_at));
	for (size_t i = 0; i < core->n_ram; i++)
		US_TRY(us_bits_set(&k->bits, core->ram[i].start >> core->page_shift,
				   core->ram[i].size >> core->page_shift));
	US_TRY(us_bits_end(&k->bits));
	US_TRY(us_out_resize(out, at->table_at));
	US_TRY(us_bits_init(&k->bits, at->bitmap2_at, at->table_at - at->bitmap2_at));
	return us_out_write(out, 0, k->file.head.bytes.p, at->page_bytes);
}

/* The table takes its size, and the page of zeros its place: data follows. */
static struct us_err *lay_out(struct kdump *k)
{
	_us_blob_deinit_ struct us_blob zeros = { 0 };
	struct us_kdump_layout *at = &k->file.at;
	uint64_t n;

	at->pages = k->job->runs.pages;
	if (!us_mul(at->pages, US_DESC_BYTES, &n) || !us_add(at->table_at, n, &n) ||
	    !us_align_up(n, at->page_bytes, &at->data_at))
		return us_err_new(US_ERR_UNSUPPORTED, "too many pages");
	US_TRY(us_out_resize(&k->job->out, at->data_at));
	US_TRY(us_blob_new(at->page_bytes, &zeros));
	k->file.end = at->data_at + at->page_bytes;
	atomic_store(&k->end, k->file.end);
	if (k->file.end > k->file.limit)
		return us_err_new(US_ERR_NO_ROOM,
				  "%" PRIu64 " bytes do not hold header, bitmaps and table",
				  k->file.limit);
	return us_out_write(&k->job->out, at->data_at, zeros.p, zeros.n);
}

/*
 * Neighbours in the table, last disk page first: a descriptor that crosses two pages gets its
 * offset, which is what makes it count, last.
 */
static struct us_err *put_slice(struct kdump *k, const uint8_t *p, uint64_t rank, uint64_t n)
{
	uint64_t from = k->file.at.table_at + rank * US_DESC_BYTES;
	uint64_t end = from + n * US_DESC_BYTES;

	while (end > from) {
		uint64_t start = us_align_down(end - 1, DISK_PAGE);

		if (start < from)
			start = from;
		US_TRY(us_out_write(&k->job->out, start, p + (start - from), end - start));
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

static struct us_err *take(void *data, struct us_chunk *chunk)
{
	struct kdump *k = data;
	uint64_t base = atomic_fetch_add(&k->end, chunk->n_bytes);
	struct us_err *err = NULL;

	if (base + chunk->n_bytes > k->file.limit) {
		us_copy_stop(&k->copy, "limit");
		chunk->no_room = true;
		return NULL;
	}
	if (chunk->n_bytes)
		err = us_out_write(&k->job->out, base, chunk->bytes, chunk->n_bytes);
	if (!err)
		err = put_table(k, chunk, base);
	if (err && err->code == US_ERR_NO_ROOM) {
		us_err_free(err);
		us_copy_stop(&k->copy, "no space left");
		chunk->no_room = true;
		return NULL;
	}
	return err;
}

static struct us_err *finish(struct kdump *k)
{
	struct us_dump_result *result = k->job->result;
	const char *stopped = atomic_load(&k->copy.stopped);

	k->file.end = atomic_load(&k->end);
	if (!stopped && !k->copy.stats.unreadable)
		US_TRY(us_kdump_close(&k->file));
	else
		US_TRY(us_kdump_close_smaller(&k->file));
	result->stopped = stopped;
	result->pages_dropped = k->file.dropped > result->pages_unreadable
					? k->file.dropped - result->pages_unreadable
					: 0;
	result->complete = !stopped;
	result->bytes_out = k->file.end;
	return us_out_finish(&k->job->out);
}

static struct us_err *run(struct kdump *k)
{
	struct us_dump_job *job = k->job;

	US_TRY(begin(k));
	US_TRY(us_dump_scan(job, &k->bits));
	US_TRY(lay_out(k));
	k->copy = us_dump_copy(job);
	k->copy.zero_offset = k->file.at.data_at;
	k->copy.bitmap_fd = job->out.fd;
	k->copy.bitmap_at = k->file.at.bitmap2_at;
	k->copy.take = take;
	k->copy.data = k;
	US_TRY(us_copy_run(&k->copy));
	us_dump_account(job, &k->copy);
	return finish(k);
}

struct us_err *us_dump_kdump(struct us_dump_job *job)
{
	struct kdump k = { .job = job, .file = { .out = &job->out, .limit = UINT64_MAX } };
	struct us_err *err;

	if (!job->out.seekable)
		return us_err_new(US_ERR_USAGE, "the kdump format needs a file: a stream or a "
						"device takes the flattened format");
	if (job->wish->limit)
		k.file.limit = job->wish->limit;
	err = run(&k);
	us_bits_deinit(&k.bits);
	us_blob_deinit(&k.file.head.bytes);
	return err;
}
