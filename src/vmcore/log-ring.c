/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lockless printk ring buffer of Linux 5.10 and later (6.12 kernel/printk/printk_ringbuffer.h
 * and .c): a ring of descriptors, a ring of infos beside it, and a ring of texts. The newest and
 * the oldest descriptor are known by id; what stands between them is walked in order. A descriptor,
 * an info or a text that cannot be read, or that contradicts itself, costs that record only.
 */
#include "base/cleanup.h"
#include "vmcore/log-int.h"

#define LONG           8u /* all 64-bit kernels */
#define ID_BITS        62
#define ID_MASK        ((UINT64_C(1) << ID_BITS) - 1)
#define COUNT_BITS_MAX 26 /* LOG_BUF_LEN_MAX / 2^PRB_AVGBITS */
#define SIZE_BITS_MAX  31
#define TEXT_MAX       UINT16_MAX

/* The state of a descriptor, in the top bits of its state_var. */
enum { RESERVED, COMMITTED, FINALIZED, REUSABLE };

struct fields {
	uint32_t desc_ring, text_ring;
	uint32_t count_bits, descs, infos, head_id, tail_id;
	uint32_t desc_bytes, state_var, text_blk, begin, next, counter;
	uint32_t info_bytes, seq, ts_nsec, text_len, caller_id;
	uint32_t size_bits, data;
};
#define KEY(kind, name, field)                                                                     \
	{                                                                                          \
		kind, name, offsetof(struct fields, field), false                                  \
	}

static const struct us_log_key keys[] = {
	KEY("OFFSET", "printk_ringbuffer.desc_ring", desc_ring),
	KEY("OFFSET", "printk_ringbuffer.text_data_ring", text_ring),
	KEY("OFFSET", "prb_desc_ring.count_bits", count_bits),
	KEY("OFFSET", "prb_desc_ring.descs", descs),
	KEY("OFFSET", "prb_desc_ring.infos", infos),
	KEY("OFFSET", "prb_desc_ring.head_id", head_id),
	KEY("OFFSET", "prb_desc_ring.tail_id", tail_id),
	KEY("SIZE", "prb_desc", desc_bytes),
	KEY("OFFSET", "prb_desc.state_var", state_var),
	KEY("OFFSET", "prb_desc.text_blk_lpos", text_blk),
	KEY("OFFSET", "prb_data_blk_lpos.begin", begin),
	KEY("OFFSET", "prb_data_blk_lpos.next", next),
	KEY("OFFSET", "atomic_long_t.counter", counter),
	KEY("SIZE", "printk_info", info_bytes),
	KEY("OFFSET", "printk_info.seq", seq),
	KEY("OFFSET", "printk_info.ts_nsec", ts_nsec),
	KEY("OFFSET", "printk_info.text_len", text_len),
	KEY("OFFSET", "printk_info.caller_id", caller_id),
	KEY("OFFSET", "prb_data_ring.size_bits", size_bits),
	KEY("OFFSET", "prb_data_ring.data", data),
};

struct ring {
	const struct us_log_source *source;
	struct fields f;
	uint64_t count, head, tail; /* descriptors; ids */
	uint64_t descs, infos;      /* addresses */
	uint64_t text, text_bytes;
	struct us_log_page desc_page, info_page, text_page;
	uint8_t buf[TEXT_MAX];
};

/* What became of one descriptor. */
enum fate { FINE, NOTHING, DAMAGED };

static struct us_err *check_fields(const struct fields *f)
{
	const struct {
		const char *what;
		uint64_t end, limit;
	} ends[] = {
		{ "prb_desc.state_var", f->state_var + f->counter + LONG, f->desc_bytes },
		{ "prb_desc.text_blk_lpos", f->text_blk + f->begin + LONG, f->desc_bytes },
		{ "prb_desc.text_blk_lpos", f->text_blk + f->next + LONG, f->desc_bytes },
		{ "printk_info.seq", f->seq + 8, f->info_bytes },
		{ "printk_info.ts_nsec", f->ts_nsec + 8, f->info_bytes },
		{ "printk_info.text_len", f->text_len + 4, f->info_bytes },
		{ "printk_info.caller_id", f->caller_id + 4, f->info_bytes },
	};

	for (size_t i = 0; i < us_array_size(ends); i++)
		if (ends[i].end > ends[i].limit)
			return us_err_new(US_ERR_BAD_DATA,
					  "the kernel log: %s ends at %" PRIu64
					  " of a structure of %" PRIu64 " bytes",
					  ends[i].what, ends[i].end, ends[i].limit);
	return NULL;
}

/* Where the rings are, and how large. */
static struct us_err *open_ring(struct ring *r)
{
	const struct us_log_source *s = r->source;
	const struct fields *f = &r->f;
	uint64_t symbol = 0, prb, desc, text, count_bits, size_bits;

	US_TRY(us_log_keys(s->info, keys, us_array_size(keys), &r->f));
	US_TRY(check_fields(f));
	if (!us_vmcoreinfo_symbol(s->info, "prb", &symbol))
		return us_err_new(US_ERR_NOT_FOUND, "vmcoreinfo has no SYMBOL(prb)");
	US_TRY(us_log_value(s, symbol, LONG, "prb", &prb));
	/* offsets are small; a sum that wraps around is an address where nothing is */
	desc = prb + f->desc_ring;
	text = prb + f->text_ring;
	US_TRY(us_log_value(s, desc + f->count_bits, 4, "count_bits", &count_bits));
	US_TRY(us_log_value(s, desc + f->descs, LONG, "descs", &r->descs));
	US_TRY(us_log_value(s, desc + f->infos, LONG, "infos", &r->infos));
	US_TRY(us_log_value(s, desc + f->head_id + f->counter, LONG, "head_id", &r->head));
	US_TRY(us_log_value(s, desc + f->tail_id + f->counter, LONG, "tail_id", &r->tail));
	US_TRY(us_log_value(s, text + f->size_bits, 4, "size_bits", &size_bits));
	US_TRY(us_log_value(s, text + f->data, LONG, "data", &r->text));
	if (!count_bits || count_bits > COUNT_BITS_MAX || size_bits < 4 || size_bits > SIZE_BITS_MAX)
		return us_err_new(US_ERR_BAD_DATA,
				  "the kernel log: a ring of 2^%" PRIu64 " records and 2^%" PRIu64
				  " bytes",
				  count_bits, size_bits);
	r->count = UINT64_C(1) << count_bits;
	r->text_bytes = UINT64_C(1) << size_bits;
	return NULL;
}

static bool read_item(struct ring *r, struct us_log_page *page, uint64_t array, uint64_t index,
		      uint32_t bytes, uint8_t *buf)
{
	uint64_t off, virt;

	return us_mul(index, (uint64_t)bytes, &off) && us_add(array, off, &virt) &&
	       us_log_fetch(r->source, page, virt, buf, bytes) == bytes;
}

/* The block [begin, next) in the text ring, without the id in front: where it is, how long. */
static bool find_text(const struct ring *r, uint64_t begin, uint64_t next, uint64_t *ret_at,
		      uint64_t *ret_n)
{
	uint64_t mask = r->text_bytes - 1, bytes;

	if (begin / r->text_bytes == (next - 1) / r->text_bytes && begin < next) {
		*ret_at = begin & mask;
		bytes = next - begin;
	} else if (begin / r->text_bytes + 1 == next / r->text_bytes) {
		*ret_at = 0; /* a block that would wrap starts anew at the beginning */
		bytes = next & mask;
	} else {
		return false;
	}
	if (bytes < LONG)
		return false;
	*ret_n = bytes - LONG;
	return true;
}

static enum fate read_text(struct ring *r, const uint8_t *desc, uint64_t id, size_t text_len,
			   struct us_bytes *ret)
{
	const uint8_t *block = desc + r->f.text_blk;
	uint64_t begin = us_log_number(r->source, block + r->f.begin, LONG);
	uint64_t next = us_log_number(r->source, block + r->f.next, LONG);
	uint64_t at, n, virt;
	uint8_t own[LONG];
	size_t got;

	*ret = us_bytes_of(NULL, 0);
	if (begin & next & 1) /* without a text: 1 if there was no room, else an empty line */
		return begin == 1 ? NOTHING : FINE;
	if (!find_text(r, begin, next, &at, &n) || !us_add(r->text, at, &virt) ||
	    us_log_fetch(r->source, &r->text_page, virt, own, LONG) != LONG ||
	    (us_log_number(r->source, own, LONG) & ID_MASK) != id)
		return DAMAGED;
	if (n > text_len)
		n = text_len;
	got = us_log_fetch(r->source, &r->text_page, virt + LONG, r->buf, n);
	*ret = us_bytes_of(r->buf, got);
	return got == n ? FINE : DAMAGED;
}

/* For DAMAGED, a record with a text is what could be saved of it. */
static enum fate read_record(struct ring *r, uint64_t id, struct us_log_record *ret)
{
	uint8_t desc[US_LOG_FIELD_MAX], info[US_LOG_FIELD_MAX];
	const struct us_log_source *s = r->source;
	const struct fields *f = &r->f;
	uint64_t index = id & (r->count - 1), state;

	ret->text = us_bytes_of(NULL, 0);
	if (!read_item(r, &r->desc_page, r->descs, index, f->desc_bytes, desc))
		return DAMAGED;
	state = us_log_number(s, desc + f->state_var + f->counter, LONG);
	/* not yet written, or given back */
	if (state >> ID_BITS == RESERVED || state >> ID_BITS == REUSABLE)
		return NOTHING;
	if ((state & ID_MASK) != id ||
	    !read_item(r, &r->info_page, r->infos, index, f->info_bytes, info))
		return DAMAGED;
	ret->seq = us_log_number(s, info + f->seq, 8);
	ret->ns = us_log_number(s, info + f->ts_nsec, 8);
	ret->caller = (uint32_t)us_log_number(s, info + f->caller_id, 4);
	ret->facility = info[f->text_len + 2];
	/* a byte of bit fields: 5 bits of flags, then 3 of the level */
	ret->level = s->big_endian ? info[f->text_len + 3] & 7 : info[f->text_len + 3] >> 5;
	ret->continued =
		(s->big_endian ? info[f->text_len + 3] >> 3 : info[f->text_len + 3]) & US_LOG_CONT;
	/* records are numbered as their places are */
	if ((ret->seq & (r->count - 1)) != index)
		return DAMAGED;
	return read_text(r, desc, id, us_log_number(s, info + f->text_len, 2), &ret->text);
}

struct us_err *us_log_ring(const struct us_log_source *source, us_log_fn fn, void *data,
			   struct us_log_stats *stats)
{
	_us_free_ struct ring *r = calloc(1, sizeof(*r));
	uint64_t n, seen = 0, end = 0;

	if (!r)
		return us_err_nomem();
	r->source = source;
	US_TRY(open_ring(r));
	n = ((r->head - r->tail) & ID_MASK) + 1;
	if (n > r->count) { /* one of the two is wrong: all places, the newest one last */
		r->tail = r->head - (r->count - 1);
		n = r->count;
	}
	for (uint64_t i = 0; i < n; i++) {
		struct us_log_record record = { 0 };
		enum fate fate = read_record(r, (r->tail + i) & ID_MASK, &record);

		stats->damaged += fate == DAMAGED;
		seen += fate != NOTHING;
		if (fate == NOTHING || (fate == DAMAGED && !record.text.n))
			continue;
		stats->records++;
		end = record.seq + 1;
		US_TRY(fn(data, &record));
	}
	stats->lost = end > seen ? end - seen : 0;
	return NULL;
}
