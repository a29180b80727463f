/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ending a kdump-compressed file. With all pages there only the incomplete mark goes. With pages
 * missing (no space, a limit, a deadline, unreadable memory) bitmaps and table are written anew
 * behind the data, without those pages, and then the header turns to them in one write:
 * sub_hdr_size says where the bitmaps start. So the file is right before and after any instruction.
 */
#include "base/cleanup.h"
#include "dump/dump-int.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define STEP      (256u << 10)
#define STEP_DESC (STEP / 32) /* descriptors read at a time */
#define TRIES     6
#define EXTRA     (1u << 20) /* more room with each try: space may have been taken and not written */

/* Adds [at, end) of the file to sum. */
static struct us_err *sum_file(const struct us_out *out, uint64_t at, uint64_t end,
			       struct us_sum *sum)
{
	_us_free_ uint8_t *buf = malloc(STEP);

	if (!buf)
		return us_err_nomem();
	while (at < end) {
		size_t n = end - at < STEP ? (size_t)(end - at) : STEP;

		US_TRY(us_out_read(out, at, buf, n));
		us_sum_add(sum, buf, n);
		at += n;
	}
	return NULL;
}

/* The checksum of bitmaps and table as they stand, then of the front as it will. */
static struct us_err *finish_head(struct us_kdump_file *file, uint64_t bitmaps_at,
				  uint64_t table_at, uint64_t pages)
{
	struct us_sum bitmaps, table;
	uint8_t *head = file->head.bytes.p, status = head[US_HEAD_STATUS];

	head[US_HEAD_STATUS] = status & (uint8_t)~US_STATUS_INCOMPLETE;
	us_sum_init(&bitmaps);
	us_sum_init(&table);
	US_TRY(sum_file(file->out, bitmaps_at, table_at, &bitmaps));
	US_TRY(sum_file(file->out, table_at, table_at + pages * US_DESC_BYTES, &table));
	us_put_le64(head + file->head.file_sum_at, 0);
	us_put_le64(head + file->head.file_sum_at,
		    us_sum_of_file(&bitmaps, &table, us_blob_bytes(&file->head.bytes)));
	return NULL;
}

/* All but the first block, then all is on disk, then the first block, which makes it whole. */
static struct us_err *put_head(struct us_kdump_file *file)
{
	uint32_t block = file->at.page_bytes;
	const struct us_blob *head = &file->head.bytes;
	_us_blob_deinit_ struct us_blob back = { 0 };

	US_TRY(us_out_write(file->out, block, head->p + block, head->n - block));
	US_TRY(us_out_sync(file->out));
	US_TRY(us_out_write(file->out, 0, head->p, block));
	US_TRY(us_out_sync(file->out));
	if (file->out->fd >= 0) /* from the disk, where that can be had */
		(void)posix_fadvise(file->out->fd, 0, (off_t)head->n, POSIX_FADV_DONTNEED);
	US_TRY(us_blob_new(head->n, &back));
	US_TRY(us_out_read(file->out, 0, back.p, back.n));
	if (memcmp(back.p, head->p, head->n) != 0)
		return us_err_new(US_ERR_BAD_DATA, "the header reads back other than written");
	return NULL;
}

struct us_err *us_kdump_close(struct us_kdump_file *file)
{
	US_TRY(us_out_resize(file->out, file->end));
	US_TRY(finish_head(file, file->at.bitmap1_at, file->at.table_at, file->at.pages));
	return put_head(file);
}

struct sieve {
	struct us_kdump_file *file;
	uint64_t end;          /* data from here on is given up */
	uint64_t rank;         /* of the next descriptor to read, in this file */
	uint64_t set_rank;     /* of the next page of bitmap 2 */
	uint8_t *table;        /* descriptors read */
	size_t n_table, at;    /* in table */
	struct us_bits bits;   /* the new bitmap 2 */
	uint64_t out_at, kept; /* the new table */
	uint8_t *out;
	size_t n_out;
};

static struct us_err *sieve_put(void *data, uint64_t at, const void *p, size_t n)
{
	struct sieve *s = data;

	return us_out_write(s->file->out, at, p, n);
}

static struct us_err *next_desc(struct sieve *s, uint8_t **ret)
{
	uint64_t left = s->file->at.pages - s->rank;

	if (s->at == s->n_table) {
		s->n_table = left < STEP_DESC ? (size_t)left : STEP_DESC;
		s->at = 0;
		if (!s->n_table)
			return us_err_new(US_ERR_BAD_DATA, "bitmap 2 has more pages than the table");
		US_TRY(us_out_read(s->file->out, s->file->at.table_at + s->rank * US_DESC_BYTES,
				   s->table, s->n_table * US_DESC_BYTES));
	}
	*ret = s->table + s->at++ * US_DESC_BYTES;
	s->rank++;
	return NULL;
}

static bool is_there(const struct sieve *s, const uint8_t *desc)
{
	struct us_bytes b = us_bytes_of(desc, US_DESC_BYTES);
	uint64_t offset = 0, end;
	uint32_t size = 0;

	return us_le64(b, 0, &offset) && us_le32(b, 8, &size) && offset && size &&
	       us_add(offset, size, &end) && end <= s->end;
}

static struct us_err *flush_table(struct sieve *s)
{
	US_TRY(us_out_write(s->file->out, s->out_at, s->out, s->n_out));
	s->out_at += s->n_out;
	s->n_out = 0;
	return NULL;
}

static struct us_err *sieve_page(struct sieve *s, uint64_t pfn)
{
	uint64_t in_set = s->set_rank++;
	uint8_t *desc;

	if (in_set < s->file->first || in_set - s->file->first >= s->file->at.pages)
		return NULL; /* another file's */
	US_TRY(next_desc(s, &desc));
	if (!is_there(s, desc))
		return NULL;
	US_TRY(us_bits_set(&s->bits, pfn, 1));
	if (s->n_out + US_DESC_BYTES > STEP)
		US_TRY(flush_table(s));
	memcpy(s->out + s->n_out, desc, US_DESC_BYTES);
	s->n_out += US_DESC_BYTES;
	s->kept++;
	return NULL;
}

/* Old bitmap 2 and table -> new ones, without what is missing. */
static struct us_err *sieve_bitmap(struct sieve *s, uint8_t *window)
{
	const struct us_kdump_layout *at = &s->file->at;
	uint64_t from = at->bitmap2_at;

	while (from < at->table_at) {
		size_t n = at->table_at - from < STEP ? (size_t)(at->table_at - from) : STEP;

		US_TRY(us_out_read(s->file->out, from, window, n));
		for (size_t i = 0; i < n; i++)
			for (unsigned int bit = 0; window[i] >> bit; bit++)
				if (window[i] >> bit & 1)
					US_TRY(sieve_page(s, (from - at->bitmap2_at + i) * 8 + bit));
		from += n;
	}
	US_TRY(us_bits_end(&s->bits));
	return flush_table(s);
}

static struct us_err *copy_bitmap1(struct us_kdump_file *file, uint64_t to, uint8_t *buf)
{
	const struct us_kdump_layout *at = &file->at;

	for (uint64_t from = at->bitmap1_at; from < at->bitmap2_at;) {
		size_t n = at->bitmap2_at - from < STEP ? (size_t)(at->bitmap2_at - from) : STEP;

		US_TRY(us_out_read(file->out, from, buf, n));
		US_TRY(us_out_write(file->out, to, buf, n));
		from += n;
		to += n;
	}
	return NULL;
}

/* Pages whose data lies behind end lose their descriptors before something else comes there. */
static struct us_err *give_up(struct sieve *s, uint64_t *ret_left)
{
	uint64_t left = 0;
	uint8_t *desc;

	s->rank = 0;
	s->at = s->n_table = 0;
	while (s->rank < s->file->at.pages) {
		uint64_t offset = 0;

		US_TRY(next_desc(s, &desc));
		if (is_there(s, desc)) {
			left++;
			continue;
		}
		if (!us_le64(us_bytes_of(desc, 8), 0, &offset) || !offset)
			continue;
		memset(desc, 0, US_DESC_BYTES);
		US_TRY(us_out_write(s->file->out,
				    s->file->at.table_at + (s->rank - 1) * US_DESC_BYTES, desc,
				    US_DESC_BYTES));
	}
	*ret_left = left;
	return NULL;
}

/* Room for the new bitmaps and table is made at the cost of the data written last. */
static struct us_err *make_room(struct sieve *s)
{
	struct us_kdump_file *file = s->file;
	uint32_t block = file->at.page_bytes;
	uint64_t left, bitmaps = file->at.table_at - file->at.bitmap1_at;
	uint64_t extra = file->tries > 1 ? (uint64_t)(file->tries - 1) * EXTRA : 0;

	s->end = UINT64_MAX;
	US_TRY(give_up(s, &left));
	file->need = bitmaps + left * US_DESC_BYTES + block + extra;
	if (!us_align_up(file->end, block, &s->end))
		return us_err_new(US_ERR_NO_ROOM, "the dump is too large to close");
	if (file->room != UINT64_MAX && (s->end > file->room || file->room - s->end < file->need))
		s->end =
			file->room > file->need ? us_align_down(file->room - file->need, block) : 0;
	if (s->end < file->at.data_at + block)
		return us_err_new(US_ERR_NO_ROOM, "no room is left to close the dump; what is in "
						  "it can be read as an incomplete dump");
	file->end = s->end;
	return NULL;
}

static struct us_err *write_anew(struct sieve *s, uint8_t *buf)
{
	struct us_kdump_file *file = s->file;
	uint64_t half = file->at.bitmap2_at - file->at.bitmap1_at;

	s->rank = s->set_rank = 0;
	s->at = s->n_table = s->n_out = 0;
	s->kept = 0;
	s->out_at = file->bitmaps_at + 2 * half;
	US_TRY(copy_bitmap1(file, file->bitmaps_at, buf));
	s->bits.put = sieve_put;
	s->bits.data = s;
	US_TRY(us_bits_init(&s->bits, file->bitmaps_at + half, half));
	US_TRY(sieve_bitmap(s, buf));
	return us_out_settle(file->out);
}

/*
 * Behind the data of all: the headers of a set are the same, so its files have their bitmaps at the
 * same place. What lies between a file's data and that place takes no room on a disk, but it counts
 * for a limit.
 */
static struct us_err *place_bitmaps(struct us_kdump_file *const *files, size_t n)
{
	uint32_t block = files[0]->at.page_bytes;
	uint64_t at = 0;

	for (size_t i = 0; i < n; i++)
		at = files[i]->end > at ? files[i]->end : at;
	for (size_t i = 0; i < n; i++) /* the limit is more than what is needed: make_room() */
		if (at > files[i]->limit - files[i]->need)
			at = us_align_down(files[i]->limit - files[i]->need, block);
	for (size_t i = 0; i < n; i++)
		if (at < files[i]->at.data_at + block)
			return us_err_new(US_ERR_NO_ROOM, "no room is left to close the set");
	if (at / block - 1 > INT32_MAX)
		return us_err_new(US_ERR_UNSUPPORTED, "the dump is too large to close smaller; it "
						      "stays an incomplete dump");
	for (size_t i = 0; i < n; i++)
		files[i]->bitmaps_at = at;
	return NULL;
}

/* The file with new bitmaps and table, which its header does not know yet. */
static struct us_err *write_smaller(struct sieve *s, uint8_t *buf, bool *ret_again)
{
	struct us_kdump_file *file = s->file;
	struct us_err *err;
	uint64_t left;

	s->end = file->end < file->bitmaps_at ? file->end : file->bitmaps_at;
	US_TRY(give_up(s, &left));
	US_TRY(us_out_resize(file->out, s->end));
	err = write_anew(s, buf);
	if (err && err->code == US_ERR_NO_ROOM && file->tries++ < TRIES) {
		us_err_free(err); /* even that was too much, or no bound was known */
		file->room = file->end = s->end;
		*ret_again = true;
		return us_out_resize(file->out, s->end);
	}
	file->dropped = file->at.pages - s->kept;
	file->new_end = s->out_at;
	return err;
}

static struct us_err *write_all_smaller(struct sieve *s, struct us_kdump_file *const *files,
					size_t n, uint8_t *buf)
{
	bool again = true;

	for (size_t i = 0; i < n; i++) {
		files[i]->room = files[i]->limit;
		files[i]->tries = 0;
	}
	while (again) {
		again = false;
		for (size_t i = 0; i < n; i++) {
			s->file = files[i];
			US_TRY(make_room(s));
		}
		US_TRY(place_bitmaps(files, n));
		for (size_t i = 0; i < n && !again; i++) {
			s->file = files[i];
			US_TRY(write_smaller(s, buf, &again));
		}
	}
	return NULL;
}

/* Nothing of the front was sent yet: it is sieved where it is. */
static struct us_err *close_in_place(struct sieve *s, struct us_kdump_file *file, uint8_t *buf)
{
	s->file = file;
	s->end = file->end;
	s->out_at = file->at.table_at;
	s->bits.put = sieve_put;
	s->bits.data = s;
	US_TRY(us_bits_init(&s->bits, file->at.bitmap2_at, file->at.table_at - file->at.bitmap2_at));
	US_TRY(sieve_bitmap(s, buf));
	file->dropped = file->at.pages - s->kept;
	US_TRY(finish_head(file, file->at.bitmap1_at, file->at.table_at, s->kept));
	return put_head(file);
}

/* Each file has its own pages in its new bitmap 2 so far; all get those of all. */
static struct us_err *join_bitmaps(struct us_kdump_file *const *files, size_t n, uint8_t *all,
				   uint8_t *one)
{
	uint64_t half = files[0]->at.bitmap2_at - files[0]->at.bitmap1_at;

	for (uint64_t at = 0, part; n > 1 && at < half; at += part) {
		part = half - at < STEP ? half - at : STEP;
		memset(all, 0, part);
		for (size_t i = 0; i < n; i++) {
			US_TRY(us_out_read(files[i]->out, files[i]->bitmaps_at + half + at, one,
					   part));
			for (uint64_t j = 0; j < part; j++)
				all[j] |= one[j];
		}
		for (size_t i = 0; i < n; i++)
			US_TRY(us_out_write(files[i]->out, files[i]->bitmaps_at + half + at, all,
					    part));
	}
	return NULL;
}

static struct us_err *turn_to_new(struct us_kdump_file *file)
{
	const struct us_kdump_layout *at = &file->at;

	us_put_le32(file->head.bytes.p + US_HEAD_SUB_BLOCKS,
		    (uint32_t)(file->bitmaps_at / at->page_bytes - 1));
	US_TRY(finish_head(file, file->bitmaps_at,
			   file->bitmaps_at + (at->table_at - at->bitmap1_at),
			   at->pages - file->dropped));
	US_TRY(put_head(file));
	/* What the old bitmaps and table took is free now, where the file system can do that. */
	(void)!fallocate(file->out->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 (off_t)at->bitmap1_at, (off_t)(at->data_at - at->bitmap1_at));
	file->end = file->new_end;
	return NULL;
}

static struct us_err *close_anew(struct sieve *s, struct us_kdump_file *const *files, size_t n,
				 uint8_t *buf)
{
	US_TRY(write_all_smaller(s, files, n, buf));
	US_TRY(join_bitmaps(files, n, buf, s->out));
	for (size_t i = 0; i < n; i++)
		US_TRY(turn_to_new(files[i]));
	return NULL;
}

struct us_err *us_kdump_close_smaller(struct us_kdump_file *const *files, size_t n)
{
	_us_free_ uint8_t *buf = malloc(STEP), *table = malloc(STEP_DESC * US_DESC_BYTES);
	_us_free_ uint8_t *out = malloc(STEP);
	struct sieve s = { .table = table, .out = out };
	struct us_err *err;

	if (!buf || !table || !out)
		return us_err_nomem();
	if (files[0]->out->far && us_far_keeps_head(files[0]->out->far))
		err = close_in_place(&s, files[0], buf);
	else
		err = close_anew(&s, files, n, buf);
	us_bits_deinit(&s.bits);
	return err;
}
