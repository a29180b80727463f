/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Verifying a dump: every page is unpacked or read, and where the dump announces checksums (see
 * head.c) they are compared, the file's own included. For ELF the program headers are held against
 * the file's size. Problems are named with page and file offset, the first hundred of them.
 */
#include "base/cleanup.h"
#include "dump/dump-int.h"

#include <fcntl.h>
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

static void check_block(struct checker *c, uint64_t block)
{
	const struct us_vmcore *core = c->v->core;
	uint64_t first = block * BLOCK_PAGES, end = first + BLOCK_PAGES;

	for (size_t i = 0; i < core->n_ram; i++) {
		uint64_t pfn = core->ram[i].start >> core->page_shift;
		uint64_t to = us_range_end(core->ram[i]) >> core->page_shift;

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

/* Bitmaps, table and front of a file of ours, as close.c sums them up. */
static struct us_err *file_sum(int fd, uint64_t notes_sum_at, const uint8_t *head, uint64_t *ret)
{
	uint64_t block = get(head + 428, 4), sub = get(head + US_HEAD_SUB_BLOCKS, 4);
	uint64_t bitmaps_at = (1 + sub) * block, table_at, pages = 0, front_n, at;
	_us_free_ uint8_t *buf = malloc(1u << 16);
	struct us_sum sum;
	ssize_t got = 1;

	if (!buf)
		return us_err_nomem();
	table_at = bitmaps_at + get(head + 436, 4) * block;
	us_sum_init(&sum);
	for (at = bitmaps_at; got > 0 && at < table_at + pages * US_DESC_BYTES; at += (size_t)got) {
		uint64_t end = at < table_at ? table_at : table_at + pages * US_DESC_BYTES;
		uint64_t second = bitmaps_at + (table_at - bitmaps_at) / 2;

		got = pread(fd, buf, end - at < 65536 ? (size_t)(end - at) : 65536, (off_t)at);
		if (got <= 0)
			break;
		us_sum_add(&sum, buf, (size_t)got);
		for (size_t i = 0; at < table_at && i < (size_t)got; i++)
			pages += at + i >= second ? (uint64_t)__builtin_popcount(buf[i]) : 0;
	}
	front_n = us_align_down(notes_sum_at + 8 + block - 1, block);
	for (at = 0; got > 0 && at < front_n; at += (size_t)got) {
		uint64_t n = front_n - at < 65536 ? front_n - at : 65536;

		got = pread(fd, buf, (size_t)n, (off_t)at);
		for (uint64_t i = 0; i < 8 && got > 0; i++)
			if (notes_sum_at + i >= at && notes_sum_at + i < at + (uint64_t)got)
				buf[notes_sum_at + i - at] = 0;
		if (got > 0)
			us_sum_add(&sum, buf, (size_t)got);
	}
	if (got <= 0)
		return us_err_new(US_ERR_BAD_DATA, "the file ends at 0x%llx",
				  (unsigned long long)at);
	*ret = us_sum_end(&sum);
	return NULL;
}

/* Ours stand last among the notes, which begin behind the sub header. */
static struct us_err *check_file_sum(struct verify *v, const struct us_vmcore_note *note)
{
	const struct us_vmcore *core = v->core;
	_us_close_ int fd = open(core->path, O_RDONLY | O_CLOEXEC);
	uint8_t head[512], sub[104];
	uint64_t want = get(note->desc.p + 8, 8), have = 0, sum_at;
	struct us_err *err;

	if (fd < 0 || pread(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) ||
	    memcmp(head, "KDUMP   ", 8) != 0 ||
	    pread(fd, sub, sizeof(sub), (off_t)get(head + 428, 4)) != (ssize_t)sizeof(sub))
		return NULL; /* flattened, or from memory: nothing to sum up in place */
	sum_at = get(sub + 48, 8) + get(sub + 56, 8) - 8;
	err = file_sum(fd, sum_at, head, &have);
	if (err)
		return us_err_wrap(err, "the file's checksum");
	v->result->checked_sums++;
	if (have == want)
		return NULL;
	v->result->bad_sums++;
	problem(v, "the file's checksum is another one: bitmaps, table or header were changed");
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
	if (r->has_sums && !core->incomplete && core->n_files <= 1 && !core->flattened)
		US_TRY(check_file_sum(v, note));
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
