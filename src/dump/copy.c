/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The copying: each job takes chunks of the sequence of kept pages by one atomic counter, packs
 * their pages into an arena of its own and hands the chunk on. No page is copied on the way but by
 * its codec, and jobs meet only in that counter (and in the queue of an ordered output). Pages that
 * repeat one word, and pages that a job wrote before, are stored once for each job; zeros once for
 * the file.
 */
#include "base/cleanup.h"
#include "dump/dump-int.h"

#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <time.h>

#define CHUNK_BYTES (1u << 20)
#define N_WORDS     64
#define NOT_HERE    UINT32_MAX
#define N_SEEN      8192 /* pages that a job remembers */

struct word {
	uint64_t word;
	struct us_page_desc desc;
	uint32_t here; /* index in the chunk being made, until that has its place */
	bool used;
};

struct seen {
	uint64_t pfn;
	struct us_page_desc desc; /* with its checksum; size 0: nothing yet */
	uint32_t here;
};

struct shared {
	struct us_copy *copy;
	size_t chunk_pages;
	atomic_uint_fast64_t next, pages_done;
	uint64_t zero_sum;
	uint64_t end;  /* of the sequence */
	bool has_sums; /* the input's descriptors hold checksums */
	struct us_auto pace;
	pthread_mutex_t lock; /* of the next two: whose turn it is in an ordered output */
	pthread_cond_t turn_came;
	uint64_t turn;
	bool over;         /* nothing is taken after this */
	sem_t places;      /* in an ordered output: so many may pack at a time */
	uint64_t taken_at; /* when its last chunk was written */
};

struct job {
	struct shared *shared;
	struct us_copy *copy;
	struct us_vmcore_reader *reader;
	struct us_page_packer *packer;
	struct us_page_unpacker *unpacker; /* for pages that keep their stored form */
	struct us_walk walk;
	struct us_chunk chunk;
	uint8_t *arena, *page;
	enum us_page_codec codec; /* of this chunk */
	unsigned int choice;      /* if it is auto's */
	struct word words[N_WORDS];
	struct seen *seen;
	uint32_t *fresh; /* which of them are of this chunk */
	size_t n_fresh;
	struct us_copy_stats made, stats; /* of this chunk; of those that were taken */
	struct us_err *err;
	bool leads; /* reports the progress */
};

uint64_t us_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void us_copy_stop(struct us_copy *copy, const char *why)
{
	const char *none = NULL;

	atomic_compare_exchange_strong(&copy->stopped, &none, why);
}

void us_page_desc_put(uint8_t *p, const struct us_page_desc *desc)
{
	us_put_le64(p, desc->offset);
	us_put_le32(p + 8, desc->size);
	us_put_le32(p + 12, desc->flags);
	us_put_le64(p + 16, desc->sum);
}

static struct us_page_desc pack_page(struct job *job, const uint8_t *p, uint64_t sum)
{
	struct us_chunk *c = &job->chunk;
	size_t n = job->copy->core->page_bytes;
	struct us_page_desc desc = { .offset = US_DESC_HERE | c->n_bytes, .sum = sum };

	desc.size = (uint32_t)us_page_pack(job->packer, job->codec, p, n, job->arena + c->n_bytes,
					   &desc.flags);
	c->n_bytes += desc.size;
	return desc;
}

/* A page of one word, if it stands in the file or in this chunk already. */
static struct us_page_desc repeated(struct job *job, const uint8_t *p, uint64_t word)
{
	struct us_chunk *c = &job->chunk;
	struct word *w = &job->words[word * 0x9e3779b97f4a7c15u >> 58];

	if (!word) {
		job->made.zero++;
		return (struct us_page_desc){ .offset = job->copy->zero_offset,
					      .sum = job->shared->zero_sum,
					      .size = job->copy->core->page_bytes };
	}
	if (w->used && w->word == word) {
		job->made.shared++;
		return w->desc;
	}
	*w = (struct word){ .used = true, .word = word, .here = (uint32_t)c->n_descs };
	w->desc = pack_page(job, p, us_sum_of(p, job->copy->core->page_bytes));
	return w->desc;
}

static bool is_same(struct job *job, const struct seen *seen, const uint8_t *p)
{
	const struct us_vmcore *core = job->copy->core;
	struct us_err *err =
		us_vmcore_read(core, seen->pfn << core->page_shift, job->page, core->page_bytes);
	bool same = !err && memcmp(job->page, p, core->page_bytes) == 0;

	us_err_free(err);
	return same;
}

/* A page that this job wrote not long ago is not written again. */
static struct us_page_desc pack_once(struct job *job, uint64_t pfn, const uint8_t *p)
{
	struct us_chunk *c = &job->chunk;
	uint64_t sum = us_sum_of(p, job->copy->core->page_bytes);
	struct seen *seen = &job->seen[sum % N_SEEN];

	if (seen->desc.size && seen->desc.sum == sum && is_same(job, seen, p)) {
		job->made.shared++;
		return seen->desc;
	}
	*seen = (struct seen){ .pfn = pfn, .here = (uint32_t)c->n_descs };
	seen->desc = pack_page(job, p, sum);
	job->fresh[job->n_fresh++] = (uint32_t)(sum % N_SEEN);
	return seen->desc;
}

static void add_page(struct job *job, uint64_t pfn, const uint8_t *p)
{
	struct us_chunk *c = &job->chunk;
	size_t n = job->copy->core->page_bytes;
	struct us_page_desc desc;
	uint64_t word;

	/* words are offsets where pages keep their stored form: only zeros are looked for then */
	if (us_repeats(p, n, &word) && (!word || !job->copy->stored))
		desc = repeated(job, p, word);
	else
		desc = pack_once(job, pfn, p);
	c->descs[c->n_descs++] = desc;
}

static void add_unreadable(struct job *job)
{
	struct us_chunk *c = &job->chunk;

	job->made.unreadable++;
	if (job->copy->raw) {
		memset(job->arena + c->n_bytes, 0, job->copy->core->page_bytes);
		c->n_bytes += job->copy->core->page_bytes;
	}
	c->descs[c->n_descs++] = (struct us_page_desc){ 0 };
}

static void add_raw(struct job *job, const uint8_t *p, size_t pages)
{
	struct us_chunk *c = &job->chunk;
	size_t n = pages * job->copy->core->page_bytes;

	memcpy(job->arena + c->n_bytes, p, n);
	c->n_bytes += n;
	memset(c->descs + c->n_descs, 0, pages * sizeof(*c->descs));
	c->n_descs += pages;
}

/* The checksum of a stored page: the input's own, or that of what it unpacks to. */
static bool stored_sum(struct job *job, const struct us_stored_page *stored, uint64_t *ret)
{
	size_t n = job->copy->core->page_bytes;
	struct us_err *err;

	if (stored->flags ? stored->bytes.n >= n : stored->bytes.n != n)
		return false;
	if (!stored->flags || job->shared->has_sums) {
		*ret = stored->flags ? stored->page_flags : us_sum_of(stored->bytes.p, n);
		return true;
	}
	err = us_page_unpack(job->unpacker, stored->flags, stored->bytes, job->page, n);
	if (err) {
		us_err_free(err);
		return false;
	}
	*ret = us_sum_of(job->page, n);
	return true;
}

/* The files of a split set have the same offsets. */
static bool same_file(const struct job *job, const struct word *w,
		      const struct us_stored_page *stored)
{
	if (job->copy->core->n_files <= 1)
		return true;
	return job->shared->has_sums && w->desc.sum == stored->page_flags;
}

/* A page as the input holds it; descriptors that share an offset there do so here. False if it has
 * to be read instead. */
static bool add_stored(struct job *job, uint64_t pfn)
{
	struct us_chunk *c = &job->chunk;
	struct us_stored_page stored;
	struct us_err *err = us_vmcore_stored_page(job->reader, pfn, &stored);
	struct word *w;
	uint64_t sum, word;

	if (err) {
		us_err_free(err);
		return false;
	}
	w = &job->words[stored.offset * 0x9e3779b97f4a7c15u >> 58];
	if (w->used && w->word == stored.offset && same_file(job, w, &stored)) {
		job->made.shared++;
		c->descs[c->n_descs++] = w->desc;
		return true;
	}
	if (!stored_sum(job, &stored, &sum))
		return false;
	if (!stored.flags && us_repeats(stored.bytes.p, stored.bytes.n, &word) && !word) {
		c->descs[c->n_descs++] = repeated(job, stored.bytes.p, 0);
		return true;
	}
	*w = (struct word){ .used = true, .word = stored.offset, .here = (uint32_t)c->n_descs };
	w->desc = (struct us_page_desc){ .offset = US_DESC_HERE | c->n_bytes,
					 .sum = sum,
					 .size = (uint32_t)stored.bytes.n,
					 .flags = stored.flags };
	memcpy(job->arena + c->n_bytes, stored.bytes.p, stored.bytes.n);
	c->n_bytes += stored.bytes.n;
	c->descs[c->n_descs++] = w->desc;
	return true;
}

/* The processor's own prefetching ends with a page; ours brings the next one while this one is
 * packed. */
static void prefetch(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i += 64)
		__builtin_prefetch(p + i);
}

/* How many of count pages at pfn were added: as many as one window shows. */
static uint64_t add_window(struct job *job, uint64_t pfn, uint64_t count)
{
	const struct us_vmcore *core = job->copy->core;
	size_t n = core->page_bytes, pages = 0;
	_us_err_free_ struct us_err *err = NULL;
	struct us_bytes view;

	if (job->copy->stored && add_stored(job, pfn))
		return 1;
	err = us_vmcore_window(job->reader, pfn << core->page_shift, count * n, &view);
	if (!err)
		pages = view.n / n < count ? view.n / n : count;
	if (!pages) {
		us_err_free(err);
		err = us_vmcore_read(core, pfn << core->page_shift, job->page, n);
		if (err) {
			add_unreadable(job);
			return 1;
		}
		view = us_bytes_of(job->page, n);
		pages = 1;
	}
	if (job->copy->raw)
		add_raw(job, view.p, pages);
	for (size_t i = 0; i < pages && !job->copy->raw; i++) {
		if (i + 1 < pages)
			prefetch(view.p + (i + 1) * n, n);
		add_page(job, pfn + i, view.p + i * n);
	}
	return pages;
}

static void add_run(struct job *job, const struct us_keep *keep)
{
	struct us_chunk *c = &job->chunk;
	struct us_slice *s = c->n_slices ? &c->slices[c->n_slices - 1] : NULL;

	if (!s || s->rank + s->n != keep->rank) {
		s = &c->slices[c->n_slices++];
		*s = (struct us_slice){ .rank = keep->rank, .first = (uint32_t)c->n_descs };
	}
	s->n += (uint32_t)keep->count;
	for (uint64_t done = 0; done < keep->count;)
		done += add_window(job, keep->pfn + done, keep->count - done);
}

/* False if the sequence ends before first. */
static bool fill(struct job *job, uint64_t first)
{
	size_t pages = job->shared->chunk_pages;
	struct us_chunk *c = &job->chunk;
	struct us_keep keep;

	c->bytes = job->arena;
	c->n_bytes = c->n_descs = c->n_slices = 0;
	c->no_room = false;
	job->made = (struct us_copy_stats){ 0 };
	if (pages > job->shared->end - first)
		pages = (size_t)(job->shared->end - first);
	while (c->n_descs < pages &&
	       us_walk_to(&job->walk, first + c->n_descs, pages - c->n_descs, &keep))
		add_run(job, &keep);
	return c->n_descs;
}

/* Where the page went that was number here of the chunk; size 0: nowhere. */
static struct us_page_desc settled(const struct us_chunk *chunk, uint32_t here)
{
	struct us_page_desc desc = chunk->descs[here];

	if (chunk->no_room || desc.offset & US_DESC_HERE)
		desc.size = 0;
	return desc;
}

/* What was stored with this chunk is where the chunk went. */
static void settle(struct job *job)
{
	while (job->n_fresh) {
		struct seen *seen = &job->seen[job->fresh[--job->n_fresh]];

		if (seen->here != NOT_HERE)
			seen->desc = settled(&job->chunk, seen->here);
		seen->here = NOT_HERE;
	}
	for (size_t i = 0; i < N_WORDS; i++) {
		struct word *w = &job->words[i];

		if (!w->used || w->here == NOT_HERE)
			continue;
		w->desc = settled(&job->chunk, w->here);
		w->used = w->desc.size;
		w->here = NOT_HERE;
	}
}

/* False if another job failed, stopped or found no room: what is ordered has its end there. */
static bool await_turn(struct shared *s, uint64_t index)
{
	bool ok;

	pthread_mutex_lock(&s->lock);
	while (s->turn != index && !s->over)
		pthread_cond_wait(&s->turn_came, &s->lock);
	ok = !s->over;
	pthread_mutex_unlock(&s->lock);
	return ok;
}

static void end_turn(struct shared *s, bool over)
{
	pthread_mutex_lock(&s->lock);
	s->turn++;
	s->over |= over;
	pthread_cond_broadcast(&s->turn_came);
	pthread_mutex_unlock(&s->lock);
}

static void report(struct shared *shared)
{
	const struct us_copy *copy = shared->copy;

	us_progress_at(copy->progress, "pages",
		       (copy->before + atomic_load(&shared->pages_done)) * copy->core->page_bytes,
		       copy->runs->pages * copy->core->page_bytes);
}

static void add_stats(struct us_copy_stats *to, const struct us_copy_stats *from)
{
	to->pages += from->pages;
	to->zero += from->zero;
	to->shared += from->shared;
	to->unreadable += from->unreadable;
	to->bytes += from->bytes;
}

static void account(struct job *job)
{
	atomic_fetch_add(&job->shared->pages_done, job->chunk.n_descs);
	job->made.pages = job->chunk.n_descs;
	job->made.bytes = job->chunk.n_bytes;
	if (!job->chunk.no_room)
		add_stats(&job->stats, &job->made);
	if (job->leads)
		report(job->shared);
}

static void pick_codec(struct job *job)
{
	job->codec = job->copy->codec;
	if (job->codec != US_PAGE_AUTO)
		return;
	job->choice = us_auto_pick(&job->shared->pace);
	job->codec = us_auto_choices[job->choice].codec;
	if (job->codec == US_PAGE_ZSTD)
		us_page_packer_zstd(job->packer, us_auto_choices[job->choice].level);
}

/* What the job read and packed is in its chunk; false if there is no more, or a reason to stop. */
static bool pack(struct job *job, uint64_t *ret_turn, uint64_t *ret_ns)
{
	struct us_copy *copy = job->copy;
	struct shared *s = job->shared;
	uint64_t turn = atomic_fetch_add(&s->next, 1), begin = us_now_ns();
	uint64_t first = turn * copy->every * s->chunk_pages;

	if (first >= s->end) /* all is packed, however late it is */
		return false;
	if (copy->deadline_ns && begin > copy->deadline_ns)
		us_copy_stop(copy, "deadline");
	pick_codec(job);
	if (atomic_load(&copy->stopped)) {
		end_turn(s, true);
		return false;
	}
	if (!fill(job, first))
		return false;
	*ret_turn = turn;
	*ret_ns = us_now_ns() - begin;
	return true;
}

static void note_pace(struct job *job, uint64_t pack_ns, uint64_t write_ns, uint64_t now)
{
	struct shared *s = job->shared;
	uint64_t round_ns =
		job->copy->ordered && s->taken_at ? now - s->taken_at : pack_ns + write_ns;

	if (job->copy->ordered) /* it is this job's turn: nobody else is here */
		s->taken_at = now;
	us_auto_note(&s->pace, job->choice, job->chunk.n_descs * job->copy->core->page_bytes,
		     job->chunk.n_bytes, pack_ns, write_ns, round_ns);
}

/* One chunk; false if it was the last for this job. */
static bool step(struct job *job)
{
	struct us_copy *copy = job->copy;
	struct shared *s = job->shared;
	uint64_t turn, pack_ns, begin, now;
	bool packed;

	while (copy->ordered && sem_wait(&s->places) != 0)
		; /* a signal came */
	packed = pack(job, &turn, &pack_ns);
	if (copy->ordered)
		sem_post(&s->places);
	if (!packed || (copy->ordered && !await_turn(s, turn)))
		return false;
	begin = us_now_ns();
	job->err = copy->take(copy->data, &job->chunk);
	now = us_now_ns();
	if (copy->codec == US_PAGE_AUTO)
		note_pace(job, pack_ns, now - begin, now);
	settle(job);
	account(job);
	if (job->err)
		us_copy_stop(copy, "error");
	end_turn(s, job->err || job->chunk.no_room);
	return !job->err;
}

static void *work(void *data)
{
	struct job *job = data;

	while (step(job))
		;
	return NULL;
}

static struct us_err *job_init(struct job *job, struct shared *shared, bool leads)
{
	struct us_copy *copy = shared->copy;
	size_t pages = shared->chunk_pages, n = copy->core->page_bytes;
	struct us_chunk *c = &job->chunk;

	*job = (struct job){ .shared = shared, .copy = copy, .leads = leads };
	us_walk_init(&job->walk, copy->runs, copy->by_address, copy->part, copy->bitmap_out,
		     copy->bitmap_at, copy->core->max_pfn);
	job->arena = malloc((pages - 1) * n + us_page_pack_room(n));
	job->page = malloc(n);
	c->descs = malloc(pages * sizeof(*c->descs));
	c->slices = malloc(pages * sizeof(*c->slices));
	job->seen = calloc(N_SEEN, sizeof(*job->seen));
	job->fresh = malloc(pages * sizeof(*job->fresh));
	c->table = malloc(pages * US_DESC_BYTES);
	if (!job->arena || !job->page || !c->descs || !c->slices || !c->table || !job->seen ||
	    !job->fresh)
		return us_err_nomem();
	US_TRY(us_page_packer_new(copy->codec, copy->codec_level, &job->packer));
	if (copy->stored)
		US_TRY(us_page_unpacker_new(&job->unpacker));
	return us_vmcore_reader_new(copy->core, &job->reader);
}

static void job_deinit(struct job *job)
{
	add_stats(&job->copy->stats, &job->stats);
	if (job->reader)
		us_vmcore_reader_free(job->reader);
	us_page_packer_free(job->packer);
	us_page_unpacker_free(job->unpacker);
	free(job->arena);
	free(job->page);
	free(job->seen);
	free(job->fresh);
	free(job->chunk.descs);
	free(job->chunk.slices);
	free(job->chunk.table);
}

static struct us_err *zero_sum(struct shared *shared)
{
	_us_blob_deinit_ struct us_blob page = { 0 };

	US_TRY(us_blob_new(shared->copy->core->page_bytes, &page));
	shared->zero_sum = us_sum_of(page.p, page.n);
	return NULL;
}

/* Jobs beyond the first may fail to begin: memory is short, and fewer do the same. */
static struct us_err *run_jobs(struct shared *shared, struct job *jobs, unsigned int n)
{
	_us_free_ pthread_t *threads = calloc(n, sizeof(*threads));
	struct us_err *err = NULL;
	unsigned int running = 0;

	if (!threads)
		return us_err_nomem();
	err = job_init(&jobs[0], shared, true);
	while (!err && ++running < n) {
		_us_err_free_ struct us_err *other = job_init(&jobs[running], shared, false);

		if (other || pthread_create(&threads[running], NULL, work, &jobs[running]) != 0) {
			job_deinit(&jobs[running]);
			break;
		}
	}
	if (!err)
		work(&jobs[0]);
	for (unsigned int i = 1; i < running; i++)
		pthread_join(threads[i], NULL);
	for (unsigned int i = 0; i < (running ? running : 1); i++) {
		if (!err)
			err = us_steal(&jobs[i].err);
		us_err_free(jobs[i].err);
		job_deinit(&jobs[i]);
	}
	return err;
}

struct us_err *us_copy_run(struct us_copy *copy)
{
	size_t pages = CHUNK_BYTES / copy->core->page_bytes;
	struct shared shared = { .copy = copy, .chunk_pages = pages ? pages : 1 };
	unsigned int packing = copy->jobs ? copy->jobs : 1;
	/* Auto asks what packing and waiting cost: one waits for the sink while the others pack.
	 * Other codecs need not ask, and one job gives the same stream each time. */
	bool one_more = copy->ordered && copy->codec == US_PAGE_AUTO;
	unsigned int n = packing + one_more;
	_us_free_ struct job *jobs = calloc(n, sizeof(*jobs));
	struct us_err *err;

	if (!jobs)
		return us_err_nomem();
	US_TRY(zero_sum(&shared));
	shared.end = copy->part.count ? copy->part.count : copy->runs->pages;
	shared.has_sums = us_sum_note(copy->core) != NULL;
	us_auto_init(&shared.pace, packing, copy->ordered);
	if (!copy->every)
		copy->every = 1;
	pthread_mutex_init(&shared.lock, NULL);
	pthread_cond_init(&shared.turn_came, NULL);
	sem_init(&shared.places, 0, packing);
	err = run_jobs(&shared, jobs, n);
	if (!err && !atomic_load(&copy->stopped))
		report(&shared);
	sem_destroy(&shared.places);
	pthread_cond_destroy(&shared.turn_came);
	pthread_mutex_destroy(&shared.lock);
	us_auto_deinit(&shared.pace);
	return err;
}
