/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * us_dump_write: the scan's classes against the dump level, the choice of the writer, the numbers
 * that are reported. Which class a level leaves out is makedumpfile's rule (its manual, "-d"): 4
 * implies 2, pages that are offline or poisoned are never read. The order of value, for dumps that
 * end early: protected pages, slab, the kernel's other pages, then what users have.
 */
#include "base/cleanup.h"
#include "dump/dump-int.h"

#include <sched.h>
#include <string.h>
#include <sys/sysinfo.h>

#define RUNS_BYTES_MAX (16u << 20)
#define RUNS_BYTES_MIN (256u << 10)
#define JOB_BYTES      (2u << 20)
#define JOBS_MAX       64
#define SAMPLES        256 /* chunks that an estimate packs */
#define RUNS_PER_LOOK  64  /* at the clock */

static const struct {
	unsigned int tier;
	unsigned int left_out; /* by any of these level bits */
	bool never;
} classes[US_CLASS_COUNT] = {
	[US_CLASS_PROTECTED] = { 0, 0, false },
	[US_CLASS_SLAB] = { 1, 0, false },
	[US_CLASS_KEEP] = { 2, 0, false },
	[US_CLASS_USER] = { 3, US_DUMP_USER, false },
	[US_CLASS_CACHE_PRIVATE] = { 4, US_DUMP_CACHE_PRIVATE, false },
	[US_CLASS_CACHE] = { 4, US_DUMP_CACHE | US_DUMP_CACHE_PRIVATE, false },
	[US_CLASS_FREE] = { 5, US_DUMP_FREE, false },
	[US_CLASS_OFFLINE] = { 5, 0, true },
	[US_CLASS_POISON] = { 5, 0, true },
};

struct sorter {
	struct us_dump_job *job;
	struct us_bits *bits;
	bool by_page;      /* the input itself has left pages out */
	uint64_t until_ns; /* the scan may take; 0 = as long as it likes */
	bool late;
	uint64_t n_runs, next; /* next: pages before this one are sorted */
	uint64_t pages[US_CLASS_COUNT];
};

static struct us_err *keep(struct sorter *s, uint64_t pfn, uint64_t count, unsigned int tier)
{
	us_runs_add(&s->job->runs, pfn, count, tier);
	return s->bits ? us_bits_set(s->bits, pfn, count) : NULL;
}

static struct us_err *keep_present(struct sorter *s, uint64_t from, uint64_t count,
				   unsigned int tier)
{
	uint64_t end = from + count;

	if (!s->by_page)
		return keep(s, from, count, tier);
	for (uint64_t pfn = from; pfn <= end; pfn++) {
		if (pfn < end && us_vmcore_page_state(s->job->core, pfn) == US_PAGE_PRESENT)
			continue;
		if (pfn > from)
			US_TRY(keep(s, from, pfn - from, tier));
		from = pfn + 1;
	}
	return NULL;
}

static struct us_err *sort_run(void *data, const struct us_run *run)
{
	struct sorter *s = data;

	if (s->until_ns && s->n_runs++ % RUNS_PER_LOOK == 0 && us_now_ns() > s->until_ns) {
		s->late = true;
		return us_err_new(US_ERR_NO_ROOM, "no time is left to sort the pages");
	}
	s->next = run->pfn + run->count;
	if (run->class >= US_CLASS_COUNT)
		return NULL;
	s->pages[run->class] += run->count;
	if (classes[run->class].never || classes[run->class].left_out & s->job->wish->level)
		return NULL;
	return keep_present(s, run->pfn, run->count, classes[run->class].tier);
}

/* Pages that nobody looked at come last of all. */
static struct us_err *keep_unsorted(struct sorter *s)
{
	const struct us_vmcore *core = s->job->core;
	struct us_scan *scan = &s->job->result->scan;
	const char **notes = us_pool_array(&scan->pool, 2, sizeof(*notes));
	uint64_t unsorted = 0;
	char text[160];

	for (size_t i = 0; i < core->n_ram; i++) {
		uint64_t from = core->ram[i].start >> core->page_shift;
		uint64_t end = us_range_end(core->ram[i]) >> core->page_shift;

		from = from > s->next ? from : s->next;
		if (from >= end)
			continue;
		unsorted += end - from;
		US_TRY(keep_present(s, from, end - from, US_TIERS - 1));
	}
	memcpy(scan->pages, s->pages, sizeof(s->pages));
	scan->pages[US_CLASS_KEEP] += unsorted;
	snprintf(text, sizeof(text),
		 "half of the time was over when %" PRIu64
		 " pages were not sorted yet: they come last, whatever they are",
		 unsorted);
	if (!notes || !(notes[0] = us_pool_strdup(&scan->pool, text)))
		return us_err_nomem();
	scan->notes = notes;
	return NULL;
}

struct us_err *us_dump_scan(struct us_dump_job *job, struct us_bits *bits)
{
	uint64_t begin = us_now_ns();
	struct sorter s = { .job = job, .bits = bits };
	struct us_err *err;

	s.by_page = job->core->format == US_VMCORE_KDUMP || job->core->format == US_VMCORE_DISKDUMP;
	if (job->deadline_ns) /* half of it is for writing */
		s.until_ns = job->begun_ns + (job->deadline_ns - job->begun_ns) / 2;
	err = job->scan(job->scan_data, sort_run, &s, job->progress, &job->result->scan);
	if (err && s.late) {
		us_err_free(err);
		err = keep_unsorted(&s);
	}
	if (err)
		return err;
	us_runs_end(&job->runs);
	if (bits)
		US_TRY(us_bits_end(bits));
	job->result->scan_seconds = (double)(us_now_ns() - begin) / 1e9;
	job->result->level_used = job->wish->level;
	return NULL;
}

/* One for each CPU that we may use, as far as memory allows. */
static unsigned int jobs_for(unsigned int wished)
{
	cpu_set_t set;
	struct sysinfo info;
	unsigned int n = wished;
	uint64_t room;

	if (!n)
		n = sched_getaffinity(0, sizeof(set), &set) ? 1 : (unsigned int)CPU_COUNT(&set);
	if (!sysinfo(&info)) {
		room = ((uint64_t)info.freeram + info.bufferram) * info.mem_unit / 2 / JOB_BYTES;
		if (!wished && n > room)
			n = (unsigned int)room;
	}
	n = n > JOBS_MAX ? JOBS_MAX : n;
	return n ? n : 1;
}

static size_t runs_bytes(void)
{
	struct sysinfo info;
	uint64_t part;

	if (sysinfo(&info))
		return RUNS_BYTES_MIN;
	part = ((uint64_t)info.freeram + info.bufferram) * info.mem_unit / 8;
	if (part > RUNS_BYTES_MAX)
		return RUNS_BYTES_MAX;
	return part < RUNS_BYTES_MIN ? RUNS_BYTES_MIN : (size_t)part;
}

struct us_copy us_dump_copy(struct us_dump_job *job)
{
	return (struct us_copy){
		.core = job->core,
		.runs = &job->runs,
		.codec = job->wish->codec,
		.codec_level = job->wish->codec_level,
		.jobs = jobs_for(job->wish->jobs),
		.stored = job->wish->stored && job->core->format == US_VMCORE_KDUMP,
		.deadline_ns = job->deadline_ns,
		.progress = job->progress,
	};
}

void us_dump_account(struct us_dump_job *job, const struct us_copy *copy)
{
	struct us_dump_result *r = job->result;

	r->pages_kept += copy->stats.pages - copy->stats.unreadable;
	r->pages_zero += copy->stats.zero;
	r->pages_shared += copy->stats.shared;
	r->pages_unreadable += copy->stats.unreadable;
}

static struct us_err *take_nothing(void *data, struct us_chunk *chunk)
{
	(void)data;
	for (size_t i = 0; i < chunk->n_descs; i++)
		chunk->descs[i].offset &= ~US_DESC_HERE;
	return NULL;
}

/* Every n-th chunk is packed and counted, nothing is written. */
static struct us_err *estimate(struct us_dump_job *job)
{
	struct us_dump_result *r = job->result;
	struct us_kdump_layout at;
	struct us_head head = { 0 };
	struct us_copy copy;
	uint64_t chunks, rest, zeros;
	double part;

	US_TRY(us_dump_scan(job, NULL));
	US_TRY(us_head_make(job->core, job->wish, job->wish->level, &at, &head));
	us_blob_deinit(&head.bytes);
	copy = us_dump_copy(job);
	chunks = job->runs.pages * job->core->page_bytes >> 20;
	copy.every = chunks > SAMPLES ? (unsigned int)(chunks / SAMPLES) : 1;
	copy.take = take_nothing;
	US_TRY(us_copy_run(&copy));
	us_dump_account(job, &copy);
	part = copy.stats.pages ? (double)job->runs.pages / (double)copy.stats.pages : 0;
	zeros = (uint64_t)((double)copy.stats.zero * part);
	rest = at.table_at + job->runs.pages * US_DESC_BYTES + 2ull * at.page_bytes;
	if (job->wish->format != US_DUMP_ELF)
		r->bytes_estimated = rest + (uint64_t)((double)copy.stats.bytes * part);
	else /* which has zeros like any page, unless they are to be left out */
		r->bytes_estimated =
			(job->runs.pages - (job->wish->level & US_DUMP_ZERO ? zeros : 0)) *
				job->core->page_bytes +
			at.bitmap1_at;
	r->pages_kept = job->runs.pages;
	r->pages_zero = zeros;
	r->pages_shared = (uint64_t)((double)copy.stats.shared * part);
	r->complete = true;
	return NULL;
}

static struct us_err *write_it(struct us_dump_job *job)
{
	switch (job->wish->format) {
	case US_DUMP_KDUMP:
		return us_dump_kdump(job);
	case US_DUMP_FLAT:
		return us_dump_flat(job);
	default:
		return us_dump_elf(job);
	}
}

/* What no reader could open does not stay: a file without its front, a stream without its end. */
static void drop_useless(struct us_out *out, enum us_dump_format format)
{
	uint8_t first = 0;

	if (!out->path_tmp)
		return;
	if (format != US_DUMP_FLAT)
		us_err_free(us_out_read(out, 0, &first, 1));
	if (!first)
		(void)!unlink(out->path_tmp);
}

static void begin(struct us_dump_job *job)
{
	job->begun_ns = us_now_ns();
	if (job->wish->deadline_s)
		job->deadline_ns = job->begun_ns + job->wish->deadline_s * 1000000000ull;
	us_runs_init(&job->runs, job->runs.max_bytes ? job->runs.max_bytes : runs_bytes());
}

static void end(struct us_dump_job *job)
{
	us_runs_deinit(&job->runs);
	job->result->seconds = (double)(us_now_ns() - job->begun_ns) / 1e9;
}

struct us_err *us_dump_run(struct us_dump_job *job, const char *path, int out_fd)
{
	const struct us_out asked = job->out; /* a test's own writing */
	struct us_err *err;

	begin(job);
	if (job->wish->estimate) {
		err = estimate(job);
		end(job);
		return err;
	}
	if (job->sink)
		US_TRY(us_out_open_sink(job->sink, job->wish->format, &job->out));
	else
		US_TRY(us_out_open(path, out_fd, job->wish->overwrite, &job->out));
	if (asked.pwrite) {
		job->out.pwrite = asked.pwrite;
		job->out.pwrite_data = asked.pwrite_data;
	}
	job->out.no_sync = job->wish->no_sync;
	err = write_it(job);
	end(job);
	if (err)
		drop_useless(&job->out, job->wish->format);
	us_out_deinit(&job->out);
	return err;
}

struct scanned {
	const struct us_vmcore *core;
	const struct us_layout *layout;
};

static struct us_err *scan(void *data, us_run_fn fn, void *fn_data, struct us_progress *progress,
			   struct us_scan *ret)
{
	const struct scanned *s = data;
	const char **notes;

	if (s->layout)
		return us_vmcore_scan(s->core, s->layout, fn, fn_data, progress, ret);
	for (size_t i = 0; i < s->core->n_ram; i++) {
		struct us_run run = { .pfn = s->core->ram[i].start >> s->core->page_shift,
				      .count = s->core->ram[i].size >> s->core->page_shift,
				      .class = US_CLASS_KEEP };

		ret->pages[US_CLASS_KEEP] += run.count;
		US_TRY(fn(fn_data, &run));
	}
	notes = us_pool_array(&ret->pool, 2, sizeof(*notes));
	if (!notes)
		return us_err_nomem();
	notes[0] = "the kernel in it is not understood: no page is left out for what it is";
	ret->notes = notes;
	return NULL;
}

static struct us_err *dump_to(const struct us_vmcore *core, const struct us_layout *layout,
			      const struct us_dump_wish *wish, const char *path, int out_fd,
			      struct us_sink *sink, struct us_progress *progress,
			      struct us_dump_result *ret)
{
	struct scanned s = { .core = core, .layout = layout };
	struct us_dump_result result = { 0 };
	struct us_dump_job job = { .core = core,
				   .wish = wish,
				   .scan = scan,
				   .scan_data = &s,
				   .progress = progress,
				   .sink = sink,
				   .result = &result,
				   .out = { .fd = -1 } };
	struct us_err *err = us_dump_run(&job, path, out_fd);

	if (err) {
		us_dump_result_deinit(&result);
		return err;
	}
	*ret = result;
	return NULL;
}

struct us_err *us_dump_write(const struct us_vmcore *core, const struct us_layout *layout,
			     const struct us_dump_wish *wish, const char *path, int out_fd,
			     struct us_progress *progress, struct us_dump_result *ret)
{
	return dump_to(core, layout, wish, path, out_fd, NULL, progress, ret);
}

struct us_err *us_dump_to(const struct us_vmcore *core, const struct us_layout *layout,
			  const struct us_dump_wish *wish, struct us_sink *sink,
			  struct us_progress *progress, struct us_dump_result *ret)
{
	return dump_to(core, layout, wish, NULL, -1, sink, progress, ret);
}

static struct us_err *write_set(struct us_dump_job *job, const char *const *paths, size_t n)
{
	struct us_out *outs = calloc(n, sizeof(*outs));
	struct us_err *err = outs ? NULL : us_err_nomem();
	size_t opened = 0;

	while (!err && opened < n) {
		err = us_out_open(paths[opened], -1, job->wish->overwrite, &outs[opened]);
		if (err)
			break;
		outs[opened].no_sync = job->wish->no_sync;
		if (!outs[opened++].seekable)
			err = us_err_new(US_ERR_USAGE, "%s: a split set needs files",
					 paths[opened - 1]);
	}
	if (!err)
		err = us_dump_kdump_set(job, outs, n);
	for (size_t i = 0; i < opened; i++) {
		if (err)
			drop_useless(&outs[i], US_DUMP_KDUMP);
		us_out_deinit(&outs[i]);
	}
	free(outs);
	return err;
}

struct us_err *us_dump_split(const struct us_vmcore *core, const struct us_layout *layout,
			     const struct us_dump_wish *wish, const char *const *paths, size_t n,
			     struct us_progress *progress, struct us_dump_result *ret)
{
	struct scanned s = { .core = core, .layout = layout };
	struct us_dump_result result = { 0 };
	struct us_dump_job job = { .core = core,
				   .wish = wish,
				   .scan = scan,
				   .scan_data = &s,
				   .progress = progress,
				   .result = &result };
	struct us_err *err;

	if (!n || wish->format != US_DUMP_KDUMP)
		return us_err_new(US_ERR_USAGE, "a split set is of files in the kdump format");
	begin(&job);
	err = wish->estimate ? estimate(&job) : write_set(&job, paths, n);
	end(&job);
	if (err) {
		us_dump_result_deinit(&result);
		return err;
	}
	*ret = result;
	return NULL;
}

void us_dump_result_deinit(struct us_dump_result *result)
{
	us_scan_deinit(&result->scan);
}
