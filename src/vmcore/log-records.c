/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The record buffer of Linux 3.5 to 5.9 (5.4 kernel/printk/printk.c): records of struct printk_log,
 * each with its text and dictionary behind it, in one buffer that wraps between records. After a
 * record that makes no sense the walk goes on at the next place that looks like one.
 */
#include "base/cleanup.h"
#include "vmcore/log-int.h"

#define ALIGN    4
#define LEN_MAX  (UINT64_C(1) << 31)
#define TEXT_MAX UINT16_MAX
/* records are looked for after damage: one that says it is this much later is none */
#define GAP_MAX_NS UINT64_C(3600000000000)

struct fields {
	uint32_t bytes, ts_nsec, len, text_len, dict_len, caller_id;
};
#define KEYS(name)                                                                                 \
	{                                                                                          \
		{ "SIZE", name, offsetof(struct fields, bytes), false },                           \
			{ "OFFSET", name ".ts_nsec", offsetof(struct fields, ts_nsec), false },    \
			{ "OFFSET", name ".len", offsetof(struct fields, len), false },            \
			{ "OFFSET", name ".text_len", offsetof(struct fields, text_len), false },  \
			{ "OFFSET", name ".dict_len", offsetof(struct fields, dict_len), true },   \
			{ "OFFSET", name ".caller_id", offsetof(struct fields, caller_id), true }, \
	}
#define N_KEYS 6

static const struct us_log_key keys[N_KEYS] = KEYS("printk_log");
static const struct us_log_key elder_keys[N_KEYS] = KEYS("log");

struct buffer {
	const struct us_log_source *source;
	struct fields f;
	uint64_t virt, bytes, first, next;
	uint64_t last_ns;
	struct us_log_page page;
	uint8_t text[TEXT_MAX];
};

/* A record's head. */
struct head {
	uint64_t ns;
	uint32_t len, text_len, dict_len, caller;
	uint8_t facility, flags, level;
};

static struct us_err *check_fields(struct fields *f)
{
	if (!f->dict_len)
		f->dict_len = f->text_len + 2;
	if (f->bytes < 16 || f->bytes % ALIGN || f->ts_nsec + 8 > f->bytes ||
	    f->len + 2 > f->bytes || f->text_len + 2 > f->bytes || f->dict_len + 4 > f->bytes ||
	    (f->caller_id && f->caller_id + 4 > f->bytes))
		return us_err_new(US_ERR_BAD_DATA,
				  "the kernel log: a struct printk_log of %u bytes cannot have its "
				  "fields where vmcoreinfo says",
				  f->bytes);
	return NULL;
}

static struct us_err *value(const struct us_log_source *s, const char *name, size_t n, uint64_t *ret)
{
	uint64_t symbol;

	if (!us_vmcoreinfo_symbol(s->info, name, &symbol))
		return us_err_new(US_ERR_NOT_FOUND, "the kernel log: vmcoreinfo has no SYMBOL(%s)",
				  name);
	return us_log_value(s, symbol, n, name, ret);
}

static struct us_err *open_buffer(struct buffer *b)
{
	const struct us_log_source *s = b->source;
	int64_t size;
	bool elder = us_vmcoreinfo_number(s->info, "SIZE", "log", &size);

	US_TRY(us_log_keys(s->info, elder ? elder_keys : keys, N_KEYS, &b->f));
	US_TRY(check_fields(&b->f));
	US_TRY(value(s, "log_buf", 8, &b->virt));
	US_TRY(value(s, "log_buf_len", 4, &b->bytes));
	US_TRY(value(s, "log_first_idx", 4, &b->first));
	US_TRY(value(s, "log_next_idx", 4, &b->next));
	if (b->bytes > LEN_MAX || b->bytes < b->f.bytes || b->virt > UINT64_MAX - b->bytes ||
	    b->next > b->bytes)
		return us_err_new(US_ERR_BAD_DATA,
				  "the kernel log: a buffer of %" PRIu64 " bytes at 0x%" PRIx64
				  ", used to %" PRIu64,
				  b->bytes, b->virt, b->next);
	if (b->first >= b->bytes)
		b->first = 0;
	return NULL;
}

/* False if it cannot be read. */
static bool read_head(struct buffer *b, uint64_t at, struct head *ret)
{
	const struct us_log_source *s = b->source;
	const struct fields *f = &b->f;
	uint8_t raw[US_LOG_FIELD_MAX], bits;

	if (us_log_fetch(s, &b->page, b->virt + at, raw, f->bytes) != f->bytes)
		return false;
	bits = raw[f->dict_len + 3];
	*ret = (struct head){
		.ns = us_log_number(s, raw + f->ts_nsec, 8),
		.len = (uint32_t)us_log_number(s, raw + f->len, 2),
		.text_len = (uint32_t)us_log_number(s, raw + f->text_len, 2),
		.dict_len = (uint32_t)us_log_number(s, raw + f->dict_len, 2),
		.caller = f->caller_id ? (uint32_t)us_log_number(s, raw + f->caller_id, 4) : 0,
		.facility = raw[f->dict_len + 2],
		.flags = s->big_endian ? bits >> 3 : bits & 31,
		.level = s->big_endian ? bits & 7 : bits >> 5,
	};
	return true;
}

static bool is_sound(const struct buffer *b, uint64_t at, const struct head *h)
{
	uint32_t used = b->f.bytes + h->text_len + h->dict_len;

	return h->len >= used && h->len < used + 8 && h->len % ALIGN == 0 &&
	       h->len <= b->bytes - at;
}

/* The next place after at that holds a record of about that time, or the end of the buffer. */
static uint64_t resync(struct buffer *b, uint64_t at, uint64_t end)
{
	struct head h;

	for (at += ALIGN; at + b->f.bytes <= end; at += ALIGN) {
		if (!read_head(b, at, &h)) /* the rest of a page that is not there */
			at = us_align_down(b->virt + at, US_LOG_PAGE) + US_LOG_PAGE - ALIGN -
			     b->virt;
		else if (is_sound(b, at, &h) && h.text_len && h.ns >= b->last_ns &&
			 h.ns - b->last_ns < GAP_MAX_NS)
			return at;
	}
	return end;
}

static struct us_err *give(struct buffer *b, uint64_t at, const struct head *h, us_log_fn fn,
			   void *data, struct us_log_stats *stats)
{
	size_t got =
		us_log_fetch(b->source, &b->page, b->virt + at + b->f.bytes, b->text, h->text_len);
	struct us_log_record record = {
		.seq = stats->records,
		.ns = h->ns,
		.facility = h->facility,
		.level = h->level,
		.caller = h->caller,
		.continued = h->flags & US_LOG_CONT,
		.text = us_bytes_of(b->text, got),
	};

	if (got < h->text_len)
		stats->damaged++;
	if (!got && h->text_len)
		return NULL;
	b->last_ns = h->ns;
	stats->records++;
	return fn(data, &record);
}

/* The records of [at, end). */
static struct us_err *walk(struct buffer *b, uint64_t at, uint64_t end, us_log_fn fn, void *data,
			   struct us_log_stats *stats)
{
	while (at < end && b->f.bytes <= end - at) {
		struct head h;

		if (read_head(b, at, &h)) {
			if (!h.len) /* the rest was too small for a record */
				return NULL;
			if (is_sound(b, at, &h)) {
				US_TRY(give(b, at, &h, fn, data, stats));
				at += h.len;
				continue;
			}
		}
		stats->damaged++;
		at = resync(b, at, end);
	}
	return NULL;
}

struct us_err *us_log_records(const struct us_log_source *source, us_log_fn fn, void *data,
			      struct us_log_stats *stats)
{
	_us_free_ struct buffer *b = calloc(1, sizeof(*b));

	if (!b)
		return us_err_nomem();
	b->source = source;
	US_TRY(open_buffer(b));
	if (b->first <= b->next)
		return walk(b, b->first, b->next, fn, data, stats);
	US_TRY(walk(b, b->first, b->bytes, fn, data, stats));
	return walk(b, 0, b->next, fn, data, stats);
}
