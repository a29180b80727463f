/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Verifying a dump: every page is unpacked or read, and where the dump announces checksums (see
 * head.c) they are compared, the file's own included. For ELF the program headers are held against
 * the file's size. Problems are named with page and file offset, the first hundred of them.
 */
#include "base/cleanup.h"
#include "dump/dump-int.h"

#include <string.h>
#include <sys/stat.h>

#define PROBLEMS_MAX 100
#define BLOCK_PAGES  2048
#define LONG_RUN     512

struct verify {
	const struct us_vmcore *core;
	struct us_progress *progress;
	struct us_verify_result *result;
	pthread_mutex_t lock; /* of result and problems */
	const char **problems;
	size_t n_problems;
	atomic_uint_fast64_t next; /* block of BLOCK_PAGES */
	bool stored;               /* pages have descriptors */
};

struct checker {
	struct verify *v;
	struct us_vmcore_reader *reader;
	struct us_page_unpacker *unpacker;
	uint8_t *page;
	uint64_t pages, bad, lost, sums, bad_sums;
	bool leads;
};

static void problem(struct verify *v, const char *fmt, ...) us_printf(2, 3);
static void problem(struct verify *v, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&v->lock);
	if (v->n_problems < PROBLEMS_MAX) {
		const char *copy = us_pool_strdup(&v->result->pool, text);

		if (copy)
			v->problems[v->n_problems++] = copy;
	}
	pthread_mutex_unlock(&v->lock);
}

static void check_stored(struct checker *c, uint64_t pfn)
{
	const struct us_vmcore *core = c->v->core;
	struct us_stored_page stored = { 0 };
	_us_err_free_ struct us_err *err = us_vmcore_stored_page(c->reader, pfn, &stored);
	const uint8_t *p = stored.bytes.p;

	if (!err && stored.flags)
		err = us_page_unpack(c->unpacker, stored.flags, stored.bytes, c->page,
				     core->page_bytes);
	else if (!err && stored.bytes.n != core->page_bytes)
		err = us_err_new(US_ERR_BAD_DATA, "%zu bytes as they are, instead of %u",
				 stored.bytes.n, core->page_bytes);
	if (err) {
		c->bad++;
		problem(c->v, "page 0x%llx at file offset 0x%llx: %s", (unsigned long long)pfn,
			(unsigned long long)stored.offset, err->text);
		return;
	}
	if (!c->v->result->has_sums)
		return;
	c->sums++;
	if (us_sum_of(stored.flags ? c->page : p, core->page_bytes) == stored.page_flags)
		return;
	c->bad_sums++;
	problem(c->v, "page 0x%llx at file offset 0x%llx: the checksum is another one",
		(unsigned long long)pfn, (unsigned long long)stored.offset);
}

static void check_read(struct checker *c, uint64_t pfn)
{
	const struct us_vmcore *core = c->v->core;
	_us_err_free_ struct us_err *err =
		us_vmcore_read(core, pfn << core->page_shift, c->page, core->page_bytes);

	if (!err)
		return;
	c->bad++;
	problem(c->v, "page 0x%llx: %s", (unsigned long long)pfn, err->text);
}

/* False if the file has no bytes for this page of an ELF core: it is zero then. */
static bool is_filled(const struct us_vmcore *core, uint64_t pfn)
{
	uint64_t phys = pfn << core->page_shift, end;

	for (size_t i = 0; i < core->n_loads; i++) {
		const struct us_vmcore_load *load = &core->loads[i];

		if (load->phys < phys + core->page_bytes &&
		    (!us_add(load->phys, load->file_bytes, &end) || end > phys))
			return true;
	}
	return false;
}

/* The pages [pfn, pfn + n) are there, by one program header or each by its own descriptor. There
 * can be very many that the file has no bytes for, and nothing to look at. */
static void check_present(struct checker *c, uint64_t pfn, uint64_t n)
{
	c->pages += n;
	if (!c->v->stored && n >= LONG_RUN && !is_filled(c->v->core, pfn))
		return;
	for (uint64_t end = pfn + n; pfn < end; pfn++)
		if (c->v->stored)
			check_stored(c, pfn);
		else
			check_read(c, pfn);
}

static void check_run(struct checker *c, uint64_t pfn, uint64_t n, enum us_page_state state)
{
	if (state == US_PAGE_PRESENT)
		check_present(c, pfn, n);
	if (state != US_PAGE_LOST)
		return;
	c->lost += n;
	if (n == 1)
		problem(c->v, "page 0x%llx is lost", (unsigned long long)pfn);
	else
		problem(c->v, "pages 0x%llx to 0x%llx are lost", (unsigned long long)pfn,
			(unsigned long long)(pfn + n - 1));
}

/* The first stretch of memory that ends behind pfn: an ELF core may have very many. */
static size_t ram_at(const struct us_vmcore *core, uint64_t pfn)
{
	size_t low = 0, high = core->n_ram;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (us_range_end(core->ram[mid]) >> core->page_shift <= pfn)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void check_block(struct checker *c, uint64_t block)
{
	const struct us_vmcore *core = c->v->core;
	uint64_t first = block * BLOCK_PAGES, end = first + BLOCK_PAGES;

	for (size_t i = ram_at(core, first); i < core->n_ram; i++) {
		uint64_t pfn = core->ram[i].start >> core->page_shift;
		uint64_t to = us_range_end(core->ram[i]) >> core->page_shift;

		if (pfn >= end)
			break;
		to = to < end ? to : end;
		pfn = pfn > first ? pfn : first;
		for (uint64_t n; pfn < to; pfn += n) {
			enum us_page_state state;

			n = us_vmcore_page_run(core, pfn, to - pfn, &state);
			check_run(c, pfn, n, state);
		}
	}
}

static void *check_blocks(void *data)
{
	struct checker *c = data;
	const struct us_vmcore *core = c->v->core;
	uint64_t blocks = core->max_pfn / BLOCK_PAGES + 1, block;

	while ((block = atomic_fetch_add(&c->v->next, 1)) < blocks) {
		check_block(c, block);
		if (c->leads)
			us_progress_at(c->v->progress, "pages", block, blocks);
	}
	return NULL;
}

static struct us_err *checker_init(struct checker *c, struct verify *v, bool leads)
{
	*c = (struct checker){ .v = v, .leads = leads };
	c->page = malloc(v->core->page_bytes);
	if (!c->page)
		return us_err_nomem();
	US_TRY(us_page_unpacker_new(&c->unpacker));
	return us_vmcore_reader_new(v->core, &c->reader);
}

static void checker_deinit(struct checker *c)
{
	struct us_verify_result *r = c->v->result;

	r->pages += c->pages;
	r->bad_pages += c->bad;
	r->lost_pages += c->lost;
	r->checked_sums += c->sums;
	r->bad_sums += c->bad_sums;
	if (c->reader)
		us_vmcore_reader_free(c->reader);
	us_page_unpacker_free(c->unpacker);
	free(c->page);
}

static struct us_err *check_pages(struct verify *v, unsigned int jobs)
{
	unsigned int n = jobs ? jobs : 1, running = 0;
	_us_free_ struct checker *checkers = calloc(n, sizeof(*checkers));
	_us_free_ pthread_t *threads = calloc(n, sizeof(*threads));
	struct us_err *err;

	if (!checkers || !threads)
		return us_err_nomem();
	err = checker_init(&checkers[0], v, true);
	while (!err && ++running < n) {
		_us_err_free_ struct us_err *other = checker_init(&checkers[running], v, false);

		if (other || pthread_create(&threads[running], NULL, check_blocks,
					    &checkers[running]) != 0) {
			checker_deinit(&checkers[running]);
			break;
		}
	}
	if (!err)
		check_blocks(&checkers[0]);
	for (unsigned int i = 1; i < running; i++)
		pthread_join(threads[i], NULL);
	for (unsigned int i = 0; i < (running ? running : 1); i++)
		checker_deinit(&checkers[i]);
	return err;
}

static uint64_t get(const uint8_t *p, unsigned int n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | p[n];
	return v;
}

#define STEP (64u << 10)

/* One file of a set, or the only one. */
struct file {
	const struct us_vmcore *core;
	size_t which;
	uint8_t *buf; /* STEP bytes */
	uint64_t block, bitmaps_at, second_at, table_at, notes_at, notes_end;
};

static struct us_err *add_part(const struct file *f, uint64_t at, uint64_t end, struct us_sum *sum,
			       uint64_t *bits)
{
	for (size_t n; at < end; at += n) {
		n = end - at < STEP ? (size_t)(end - at) : STEP;
		US_TRY(us_vmcore_read_file(f->core, f->which, at, f->buf, n));
		us_sum_add(sum, f->buf, n);
		for (size_t i = 0; bits && i < n; i++)
			*bits += (uint64_t)__builtin_popcount(f->buf[i]);
	}
	return NULL;
}

static struct us_err *read_front(const struct file *f, struct us_blob *ret)
{
	struct us_blob front;
	struct us_err *err;

	US_TRY(us_blob_new(us_align_down(f->notes_end + f->block - 1, f->block), &front));
	err = us_vmcore_read_file(f->core, f->which, 0, front.p, front.n);
	if (err)
		us_blob_deinit(&front);
	else
		*ret = front;
	return err;
}

/* How many pages the file has: those of bitmap 2, or its share of them. */
static struct us_err *count_pages(const struct file *f, struct us_bytes front, uint64_t *pages)
{
	const uint8_t *sub = front.p + f->block;
	uint64_t start = get(sub + 80, 8), end = get(sub + 88, 8), from, to;
	struct us_sum ignored;
	uint64_t before = 0, all = 0;
	uint8_t last[2] = { 0 };

	if (!get(sub + 12, 4))
		return NULL;
	from = f->second_at + start / 8;
	to = f->second_at + end / 8;
	if (start > end || to > f->table_at)
		return us_err_new(US_ERR_BAD_DATA, "its share ends past the bitmap");
	us_sum_init(&ignored);
	US_TRY(add_part(f, from, to, &ignored, &all));
	if (start % 8)
		US_TRY(us_vmcore_read_file(f->core, f->which, from, &last[0], 1));
	if (end % 8)
		US_TRY(us_vmcore_read_file(f->core, f->which, to, &last[1], 1));
	before = (uint64_t)__builtin_popcount(last[0] & ((1u << start % 8) - 1));
	*pages = all - before + (uint64_t)__builtin_popcount(last[1] & ((1u << end % 8) - 1));
	return NULL;
}

/* Bitmaps, table and front as close.c sums them up. Our note stands last of the notes. */
static struct us_err *file_sum(struct file *f, uint64_t *ret_want, uint64_t *ret_have)
{
	_us_blob_deinit_ struct us_blob front = { 0 };
	struct us_sum bitmaps, table;
	uint64_t pages = 0;
	uint8_t *sum;

	us_sum_init(&bitmaps);
	us_sum_init(&table);
	US_TRY(read_front(f, &front));
	US_TRY(add_part(f, f->bitmaps_at, f->second_at, &bitmaps, NULL));
	US_TRY(add_part(f, f->second_at, f->table_at, &bitmaps, &pages));
	US_TRY(count_pages(f, us_blob_bytes(&front), &pages));
	US_TRY(add_part(f, f->table_at, f->table_at + pages * US_DESC_BYTES, &table, NULL));
	sum = front.p + f->notes_end - 8;
	*ret_want = get(sum, 8);
	us_put_le64(sum, 0);
	*ret_have = us_sum_of_file(&bitmaps, &table, us_blob_bytes(&front));
	return NULL;
}

static struct us_err *find_parts(struct file *f)
{
	uint8_t head[US_HEAD_SUB_BLOCKS + 8], sub[64];
	uint64_t bitmap_bytes, n;

	US_TRY(us_vmcore_read_file(f->core, f->which, 0, head, sizeof(head)));
	f->block = get(head + 428, 4);
	US_TRY(us_vmcore_read_file(f->core, f->which, f->block, sub, sizeof(sub)));
	f->bitmaps_at = (1 + get(head + US_HEAD_SUB_BLOCKS, 4)) * f->block;
	bitmap_bytes = get(head + US_HEAD_SUB_BLOCKS + 4, 4) * f->block;
	f->second_at = f->bitmaps_at + bitmap_bytes / 2;
	f->table_at = f->bitmaps_at + bitmap_bytes;
	f->notes_at = get(sub + 48, 8);
	n = get(sub + 56, 8);
	if (!us_add(f->notes_at, n, &f->notes_end) || f->notes_at < f->block ||
	    n < US_SUM_NOTE_SIZE || f->notes_end > UINT32_MAX)
		return us_err_new(US_ERR_BAD_DATA, "its notes are not where they were");
	return NULL;
}

static struct us_err *check_file_sum(struct verify *v, size_t which)
{
	_us_free_ uint8_t *buf = malloc(STEP);
	struct file f = { .core = v->core, .which = which, .buf = buf };
	uint64_t want = 0, have = 0;
	struct us_err *err;

	if (!buf)
		return us_err_nomem();
	err = find_parts(&f);
	if (!err)
		err = file_sum(&f, &want, &have);
	if (err && err->code == US_ERR_NOMEM)
		return err;
	v->result->checked_sums++;
	if (!err && have == want)
		return NULL;
	v->result->bad_sums++;
	problem(v, "the checksum of file %zu %s%s", which + 1,
		err ? "cannot be taken: " : "is another one: bitmaps, table or header were changed",
		err ? err->text : "");
	us_err_free(err);
	return NULL;
}

static void check_loads(struct verify *v)
{
	struct stat st;

	if (v->core->format != US_VMCORE_ELF || v->core->flattened || stat(v->core->path, &st) ||
	    !S_ISREG(st.st_mode))
		return;
	for (size_t i = 0; i < v->core->n_loads; i++) {
		const struct us_vmcore_load *load = &v->core->loads[i];

		if (!load->file_bytes)
			continue;
		if (load->offset > (uint64_t)st.st_size ||
		    load->file_bytes > (uint64_t)st.st_size - load->offset)
			problem(v,
				"program header for 0x%llx: its bytes at file offset 0x%llx end "
				"past the file",
				(unsigned long long)load->phys, (unsigned long long)load->offset);
	}
}

static struct us_err *verify(struct verify *v, unsigned int jobs)
{
	const struct us_vmcore *core = v->core;
	const struct us_vmcore_note *note = us_sum_note(core);
	struct us_verify_result *r = v->result;

	v->problems = us_pool_array(&r->pool, PROBLEMS_MAX + 1, sizeof(*v->problems));
	if (!v->problems)
		return us_err_nomem();
	r->problems = v->problems;
	v->stored = core->format == US_VMCORE_KDUMP || core->format == US_VMCORE_DISKDUMP;
	r->has_sums = v->stored && note && get(note->desc.p + 4, 4) == 1;
	for (size_t i = 0; r->has_sums && !core->incomplete && i < core->n_files; i++)
		US_TRY(check_file_sum(v, i));
	check_loads(v);
	US_TRY(check_pages(v, jobs));
	r->complete = !core->incomplete && !r->lost_pages;
	return NULL;
}

struct us_err *us_dump_verify(const struct us_vmcore *core, unsigned int jobs,
			      struct us_progress *progress, struct us_verify_result *ret)
{
	struct us_verify_result result = { 0 };
	struct verify v = { .core = core, .progress = progress, .result = &result };
	struct us_err *err;

	pthread_mutex_init(&v.lock, NULL);
	err = verify(&v, jobs);
	pthread_mutex_destroy(&v.lock);
	if (err) {
		us_verify_result_deinit(&result);
		return err;
	}
	*ret = result;
	return NULL;
}

void us_verify_result_deinit(struct us_verify_result *result)
{
	us_pool_deinit(&result->pool);
}
