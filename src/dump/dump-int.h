/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to src/dump. The line of work: scan -> runs to keep (runs.c) -> chunks of packed pages,
 * made by several jobs at a time (copy.c) -> a writer that gives each chunk its place (kdump.c,
 * flat.c, elf.c).
 */
#ifndef US_DUMP_DUMP_INT_H
#define US_DUMP_DUMP_INT_H

#include "dump/dump.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

/* ---- codec.c: packing single pages; one packer for each thread ---- */
struct us_page_packer {
	void *zlib, *zstd, *lzo;
	void (*close_zlib)(void *zlib);
};
/* One row a codec, a name of NULL at the end: codec-table.c, or codec-table-capture.c. */
struct us_page_method {
	enum us_page_codec codec;
	const char *name;
	int min, max; /* levels; both 0: has none */
	struct us_err *(*open)(struct us_page_packer *p, int level);
	/* the packed size, or 0 if it does not fit into n bytes or fails */
	size_t (*pack)(struct us_page_packer *p, const uint8_t *in, size_t n, uint8_t *out);
};
extern const struct us_page_method us_page_methods[];
struct us_err *us_page_open_lzo(struct us_page_packer *p, int level) us_must_check;
struct us_err *us_page_open_zstd(struct us_page_packer *p, int level) us_must_check;
size_t us_page_pack_lzo(struct us_page_packer *p, const uint8_t *in, size_t n, uint8_t *out);
size_t us_page_pack_zstd(struct us_page_packer *p, const uint8_t *in, size_t n, uint8_t *out);
struct us_err *us_page_packer_new(enum us_page_codec codec, int level, struct us_page_packer **ret)
	us_must_check;
void us_page_packer_free(struct us_page_packer *packer);
/* n bytes packed to out, which has room for us_page_pack_room(n). The result is the packed size and
 * less than n, or n with the bytes as they were if they did not shrink. *ret_flags: as page_desc
 * has them. codec may be any but US_PAGE_AUTO. */
size_t us_page_pack(struct us_page_packer *packer, enum us_page_codec codec, const uint8_t *in,
		    size_t n, uint8_t *out, uint32_t *ret_flags);
size_t us_page_pack_room(size_t n);
/* From now on, for a packer of US_PAGE_AUTO. */
void us_page_packer_zstd(struct us_page_packer *packer, int level);

/* ---- sum.c: XXH64 (seed 0), and pages that repeat one word ---- */
struct us_sum {
	uint64_t lane[4], total;
	uint8_t rest[32];
};
void us_sum_init(struct us_sum *sum);
void us_sum_add(struct us_sum *sum, const void *p, size_t n);
uint64_t us_sum_end(const struct us_sum *sum);
uint64_t us_sum_of(const void *p, size_t n);
/* The checksum of a file of ours: of its bitmaps', its table's and its front (its own there as 0). */
uint64_t us_sum_of_file(const struct us_sum *bitmaps, const struct us_sum *table,
			struct us_bytes front);
/* True if the n bytes (a multiple of 64) are one 8-byte word again and again. */
bool us_repeats(const uint8_t *p, size_t n, uint64_t *ret_word);

/* ---- runs.c: what is kept, in little memory ---- */
#define US_TIERS 6 /* 0 = the most valuable pages */
struct us_runs_block;
struct us_runs {
	struct us_runs_block *first, *last;
	size_t bytes, max_bytes;
	uint64_t pages; /* in all, the tail's too */
	uint64_t n_runs;
	uint64_t last_end;   /* of the entries encoded so far */
	uint64_t pfn, count; /* the run that may still grow */
	uint64_t tail_pfn,
		tail_rank; /* what did not fit any more starts here; UINT64_MAX: all fits */
	unsigned int tier;
};
void us_runs_init(struct us_runs *runs, size_t max_bytes);
void us_runs_deinit(struct us_runs *runs);
/* In ascending order. */
void us_runs_add(struct us_runs *runs, uint64_t pfn, uint64_t count, unsigned int tier);
void us_runs_end(struct us_runs *runs);

/* One more than tiers: runs may have another of their writer's own, behind all. */
struct us_quota {
	uint64_t pages[US_TIERS + 1];
};
/* How many pages each tier has. */
struct us_quota us_runs_count(const struct us_runs *runs);
/* The n most valuable ones of them; none behind the tiers. */
struct us_quota us_quota_of(struct us_quota all, uint64_t n);
/* The runs without what is over the quota. US_ERR_NOMEM also if they have a tail then. */
struct us_err *us_runs_choose(const struct us_runs *from, struct us_quota quota,
			      struct us_runs *ret) us_must_check;

struct us_keep {
	uint64_t pfn, count;
	uint64_t rank; /* kept pages with a lower pfn */
	unsigned int tier;
};
/* All entries in ascending order; false after the last. Set to { .runs = r } to begin. */
struct us_runs_cursor {
	const struct us_runs *runs;
	const struct us_runs_block *block;
	size_t at;
	uint64_t pfn, rank;
	bool begun;
};
bool us_runs_next(struct us_runs_cursor *cursor, struct us_keep *ret);

struct us_out;
/* The kept pages as one sequence: tier by tier (or by address alone), then the tail, which is read
 * from bitmap 2 in the file. Parts of it are a sequence of their own. */
struct us_part {
	uint64_t first, count;       /* ranks; count 0: all */
	unsigned int tier, tier_end; /* by value: from one to before the other; tier_end 0: all */
};
struct us_walk {
	struct us_runs_cursor cursor;
	struct us_keep run; /* the run that seq is the first page of */
	uint64_t seq;
	struct us_part part;
	unsigned int tier;
	bool by_address, in_tail;
	const struct us_out *out; /* of bitmap 2, if there is a tail */
	uint64_t bitmap_at, max_pfn, tail_pfn, tail_rank;
	uint8_t buf[4096];
	uint64_t buf_pfn, buf_pfns;
};
void us_walk_init(struct us_walk *walk, const struct us_runs *runs, bool by_address,
		  struct us_part part, const struct us_out *out, uint64_t bitmap_at,
		  uint64_t max_pfn);
/* The run at position at of the sequence (which never goes back), at most max pages of it. False
 * at the end or if bitmap 2 cannot be read. */
bool us_walk_to(struct us_walk *walk, uint64_t at, uint64_t max, struct us_keep *ret);

/* ---- sink.c: a sink as the file that is written ---- */
struct us_far;
struct us_err *us_far_new(struct us_sink *sink, struct us_far **ret) us_must_check;
void us_far_free(struct us_far *far);
struct us_err *us_far_write(struct us_far *far, uint64_t at, const void *p, size_t n) us_must_check;
struct us_err *us_far_read(struct us_far *far, uint64_t at, void *p, size_t n) us_must_check;
/* What was written so far is there. */
struct us_err *us_far_settle(struct us_far *far) us_must_check;
/* What is kept back is sent. */
struct us_err *us_far_finish(struct us_far *far) us_must_check;
/* The file begins with *bytes that may be written again and again; more of them if the sink wants
 * that. US_ERR_NO_ROOM if they would have to be kept back and are too many. */
struct us_err *us_far_head(struct us_far *far, uint64_t *bytes) us_must_check;
/* All before the data is kept back. */
bool us_far_keeps_head(const struct us_far *far);

/* ---- out.c: the file that is written ---- */
struct us_out {
	struct us_far *far; /* instead of fd */
	int fd;
	bool seekable;
	uint64_t device_bytes; /* of a block device, which is written in place; else 0 */
	char *path, *path_tmp; /* NULL for a stream that somebody else opened */
	uint64_t at;           /* bytes appended */
	bool no_sync;
	/* what writes; tests have their own */
	ssize_t (*pwrite)(void *data, int fd, const void *p, size_t n, off_t at);
	void *pwrite_data;
};
struct us_err *us_out_open(const char *path, int out_fd, bool overwrite, struct us_out *ret)
	us_must_check;
struct us_err *us_out_open_sink(struct us_sink *sink, enum us_dump_format format,
				struct us_out *ret) us_must_check;
/* All of it; US_ERR_NO_ROOM if the file cannot grow (ENOSPC, EDQUOT, EFBIG). */
struct us_err *us_out_write(struct us_out *out, uint64_t at, const void *p, size_t n) us_must_check;
struct us_err *us_out_append(struct us_out *out, const void *p, size_t n) us_must_check;
/* Only then what was written may be relied on: a far side may say later that it is full. */
struct us_err *us_out_settle(const struct us_out *out) us_must_check;
struct us_err *us_out_read(const struct us_out *out, uint64_t at, void *p, size_t n) us_must_check;
struct us_err *us_out_resize(struct us_out *out, uint64_t bytes) us_must_check;
/* Zeros in [from, end), where only holes have been: a device has old bytes there. */
struct us_err *us_out_clear(struct us_out *out, uint64_t from, uint64_t end) us_must_check;
/* The offset that it must end before: of a device, or by the process's limit; UINT64_MAX: none. */
uint64_t us_out_limit(const struct us_out *out);
/* How much it can hold, as far as that is known beforehand; UINT64_MAX if it is not. */
uint64_t us_out_room(const struct us_out *out);
struct us_err *us_out_sync(const struct us_out *out) us_must_check;
/* These bytes are on their way to the disk from now on; nobody waits for them. */
void us_out_push(const struct us_out *out, uint64_t at, uint64_t n);
/* Takes its name; before that it is path_tmp. */
struct us_err *us_out_finish(struct us_out *out) us_must_check;
void us_out_deinit(struct us_out *out);

/* ---- auto.c: which codec the sink can use ---- */
#define US_AUTO_CHOICES 3
struct us_auto_choice {
	enum us_page_codec codec;
	int level;
};
extern const struct us_auto_choice us_auto_choices[US_AUTO_CHOICES];
struct us_auto_taken {
	double ns_per_byte, ratio; /* of input; 0 = not measured */
};
struct us_auto {
	pthread_mutex_t lock;
	unsigned int jobs, writers, best;
	struct us_auto_taken taken[US_AUTO_CHOICES];
	double out, waited, rounds; /* of the last chunks: bytes, ns in the sink, ns in all */
	double sink; /* bytes per ns while the sink was what all waited for; 0 = it never was */
	uint64_t chunks, hold, hold_until;
};
/* jobs pack; ordered: one chunk is written at a time, else one of each job. */
void us_auto_init(struct us_auto *pace, unsigned int jobs, bool ordered);
void us_auto_deinit(struct us_auto *pace);
unsigned int us_auto_pick(struct us_auto *pace);
/* round_ns: from the end of the writer's last chunk to the end of this one. */
void us_auto_note(struct us_auto *pace, unsigned int choice, uint64_t in, uint64_t out,
		  uint64_t pack_ns, uint64_t write_ns, uint64_t round_ns);

/* ---- copy.c: pages -> chunks ---- */
struct us_page_desc {
	uint64_t offset; /* in the file; with US_DESC_HERE: in its chunk */
	uint64_t sum;
	uint32_t size, flags;
};
#define US_DESC_BYTES 24
#define US_DESC_HERE  (1ull << 63)
void us_page_desc_put(uint8_t *p, const struct us_page_desc *desc);

struct us_slice { /* neighbours in the table */
	uint64_t rank;
	uint32_t first, n; /* in descs */
};
struct us_chunk {
	const uint8_t *bytes; /* packed pages, one after the other */
	size_t n_bytes;
	struct us_page_desc *descs; /* offset 0: the page could not be read */
	size_t n_descs;
	struct us_slice *slices;
	size_t n_slices;
	uint8_t *table; /* room for n_descs descriptors in their form on disk */
	bool no_room;   /* set by who takes it: nothing of it was written */
};
struct us_copy_stats {
	uint64_t pages, zero, shared, unreadable, bytes;
};
struct us_copy {
	const struct us_vmcore *core;
	const struct us_runs *runs;
	enum us_page_codec codec;
	int codec_level;
	unsigned int jobs;
	bool by_address, ordered, raw; /* raw: all pages as they are, for ELF */
	bool stored;                   /* pages of a kdump input as that holds them */
	struct us_part part;           /* of the sequence */
	uint64_t before;               /* pages copied before this part, for the progress */
	unsigned int every;            /* > 1: only each such chunk, for an estimate */
	uint64_t zero_offset;          /* of the page of zeros that stands in the file */
	uint64_t deadline_ns;          /* CLOCK_MONOTONIC; 0 = none */
	const struct us_out *bitmap_out;
	uint64_t bitmap_at;
	struct us_progress *progress;
	struct us_err *(*take)(void *data, struct us_chunk *chunk); /* by any thread */
	void *data;
	/* results */
	struct us_copy_stats stats;
	_Atomic(const char *) stopped; /* why it ended early */
};
struct us_err *us_copy_run(struct us_copy *copy) us_must_check;
/* From take(): no more chunks, the first reason counts. */
void us_copy_stop(struct us_copy *copy, const char *why);
uint64_t us_now_ns(void);

/* ---- head.c: header, sub header and notes of the kdump format ---- */
struct us_kdump_layout {
	uint32_t page_bytes;
	uint64_t max_pfn;
	uint64_t sub_blocks, bitmap_blocks; /* bitmap_blocks: both */
	uint64_t bitmap1_at, bitmap2_at, table_at;
	uint64_t data_at, pages; /* known after the scan */
};
#define US_HEAD_STATUS       424
#define US_HEAD_SUB_BLOCKS   432
#define US_STATUS_INCOMPLETE 8
/* The note that announces the checksums: any reader skips it. */
#define US_SUM_NOTE_NAME "UNDERSTUDY"
#define US_SUM_NOTE_TYPE 0x55530001u
#define US_SUM_NOTE_SIZE 16 /* version, algorithm (1 = XXH64), checksum of the file */
/* Programs that filter or join our files keep the notes and have other pages. So it counts only with
 * this mark, behind what the header defines of its first block. */
#define US_HEAD_MARK      512
#define US_HEAD_MARK_TEXT "XXH64-US" /* 8 bytes */
struct us_head {
	struct us_blob bytes; /* all blocks before the first bitmap */
	size_t file_sum_at;   /* where its own checksum stands; counted as zero in it */
};
struct us_err *us_head_make(const struct us_vmcore *core, const struct us_dump_wish *wish,
			    unsigned int level, struct us_kdump_layout *ret_layout,
			    struct us_head *ret) us_must_check;
/* Notes of the input without our own, with VMCOREINFO, and with the announcement if sums. */
struct us_err *us_notes_make(const struct us_vmcore *core, bool sums, struct us_blob *ret,
			     size_t *ret_sum_at) us_must_check;
/* The announcement among notes, or NULL. */
const struct us_vmcore_note *us_sum_note(const struct us_vmcore *core);

/* ---- bits.c: bitmaps, written as they become known ---- */
struct us_bits {
	struct us_err *(*put)(void *data, uint64_t at, const void *p, size_t n);
	void *data;
	uint64_t base;   /* file offset of the bitmap */
	uint64_t window; /* first byte of the bitmap in buf */
	bool skip_zero;  /* holes read as zero */
	size_t n;        /* used in buf */
	uint64_t total;  /* bytes of the bitmap */
	struct us_sum *sum;
	uint8_t *buf;
};
#define US_BITS_WINDOW (256u << 10)
struct us_err *us_bits_init(struct us_bits *bits, uint64_t base, uint64_t total) us_must_check;
void us_bits_deinit(struct us_bits *bits);
struct us_err *us_bits_set(struct us_bits *bits, uint64_t pfn, uint64_t count) us_must_check;
struct us_err *us_bits_end(struct us_bits *bits) us_must_check;

/* ---- write.c ---- */
typedef struct us_err *(*us_scan_fn)(void *data, us_run_fn fn, void *fn_data,
				     struct us_progress *progress, struct us_scan *ret);
struct us_dump_job {
	const struct us_vmcore *core;
	const struct us_dump_wish *wish;
	us_scan_fn scan; /* where runs come from */
	void *scan_data;
	struct us_progress *progress;
	struct us_sink *sink; /* instead of a path */
	struct us_out out;
	uint64_t begun_ns, deadline_ns;
	struct us_runs runs;
	struct us_dump_result *result;
};
/* Classify and keep: fills runs and, if bits is not NULL, bitmap 2. */
struct us_err *us_dump_scan(struct us_dump_job *job, struct us_bits *bits) us_must_check;
void us_dump_account(struct us_dump_job *job, const struct us_copy *copy);
/* What all formats have in common of a copy. */
struct us_copy us_dump_copy(struct us_dump_job *job);
struct us_err *us_dump_kdump(struct us_dump_job *job) us_must_check;
/* A split set: outs of n files, opened by the caller. */
struct us_err *us_dump_kdump_set(struct us_dump_job *job, struct us_out *outs, size_t n)
	us_must_check;
struct us_err *us_dump_flat(struct us_dump_job *job) us_must_check;
struct us_err *us_dump_elf(struct us_dump_job *job) us_must_check;
/* us_dump_write with the scan and the writing function of a test. */
struct us_err *us_dump_run(struct us_dump_job *job, const char *path, int out_fd) us_must_check;

/* ---- close.c: ending a kdump file ---- */
struct us_kdump_file {
	struct us_out *out;
	struct us_kdump_layout at;
	struct us_head head;
	uint64_t end;   /* of the data */
	uint64_t limit; /* bytes that the file may have; UINT64_MAX: as many as fit */
	uint64_t first; /* rank of its first page among those of the set */
	uint64_t dropped;
	/* while it is closed smaller */
	uint64_t bitmaps_at, new_end; /* of what is written anew */
	uint64_t need;                /* by that */
	uint64_t room;                /* that there seems to be */
	unsigned int tries;
};
/* All pages of bitmap 2 are there. */
struct us_err *us_kdump_close(struct us_kdump_file *file) us_must_check;
/* Some are not, in one file of the set at least: bitmap 2 and table are written anew behind the
 * data without them, and the headers turn to those. */
struct us_err *us_kdump_close_smaller(struct us_kdump_file *const *files, size_t n) us_must_check;

#endif
