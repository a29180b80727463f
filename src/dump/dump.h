/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Writing dumps: filter, compress, write. The file is valid at every instant of its writing:
 * header, notes and bitmaps stand first with the incomplete mark, page data and descriptors follow
 * in any order, and success is said only after the header was read back.
 */
#ifndef US_DUMP_DUMP_H
#define US_DUMP_DUMP_H

#include "base/sink.h"
#include "vmcore/vmcore.h"

/* makedumpfile's dump level bits. */
#define US_DUMP_ZERO          1
#define US_DUMP_CACHE         2
#define US_DUMP_CACHE_PRIVATE 4
#define US_DUMP_USER          8
#define US_DUMP_FREE          16

enum us_dump_format { US_DUMP_KDUMP, US_DUMP_ELF, US_DUMP_FLAT };
/* Page codecs of the kdump format; the values are its page_desc flags. */
enum us_page_codec {
	US_PAGE_RAW = 0,
	US_PAGE_ZLIB = 1,
	US_PAGE_LZO = 2,
	US_PAGE_SNAPPY = 4,
	US_PAGE_ZSTD = 0x20,
	US_PAGE_AUTO = -1
};
const char *us_page_codec_name(enum us_page_codec codec);
/* "zstd", "zstd:3", "auto", "none"...; false if unknown or not built in. */
bool us_page_codec_parse(const char *words, enum us_page_codec *ret, int *ret_level);

struct us_dump_wish {
	unsigned int level; /* bits above */
	enum us_dump_format format;
	enum us_page_codec codec;
	int codec_level;         /* 0 = the codec's own default here */
	unsigned int jobs;       /* 0 = as many as CPUs allow */
	uint64_t limit;          /* bytes of output, 0 = none */
	unsigned int deadline_s; /* 0 = none */
	bool estimate;           /* classify and sample, write nothing */
	bool no_sync;            /* leave out fdatasync (a pipe does anyway) */
	bool flush;              /* bring what is written to the disk now and then, not at the end only */
	bool overwrite;
	bool stored; /* pages of a kdump input keep the form they have there; codec is for others */
};

struct us_dump_result {
	struct us_scan scan;
	/* kept: in the dump, zero and shared ones included; dropped: for limit, room or time */
	uint64_t pages_kept, pages_zero, pages_shared, pages_unreadable, pages_dropped;
	uint64_t bytes_out, bytes_estimated;
	bool complete;       /* all that the level asked for is in */
	const char *stopped; /* why not: "no space left", "limit", "deadline"...; NULL if complete */
	double seconds, scan_seconds;
	unsigned int level_used;
};

/*
 * Dump core to path ("-" streams to out_fd, which must then be US_DUMP_FLAT or US_DUMP_ELF; not
 * used for an estimate). layout is NULL where the level names no page class (0 and US_DUMP_ZERO).
 * What the input left out stays left out. Written beside path and renamed at the end; on an error
 * that leaves a valid smaller dump, that dump keeps the name path.incomplete.
 */
struct us_err *us_dump_write(const struct us_vmcore *core, const struct us_layout *layout,
			     const struct us_dump_wish *wish, const char *path, int out_fd,
			     struct us_progress *progress, struct us_dump_result *ret)
	us_must_check;
/*
 * The same to a sink. US_SINK_STREAM takes US_DUMP_FLAT and US_DUMP_ELF, the others any format.
 * US_SINK_HEAD_LAST with US_DUMP_KDUMP keeps header, bitmaps and table in memory until the end:
 * US_ERR_NO_ROOM before the first byte is sent if there is not enough, and then US_DUMP_FLAT is
 * what still goes. On an error nothing is said of what the far side has.
 */
struct us_err *us_dump_to(const struct us_vmcore *core, const struct us_layout *layout,
			  const struct us_dump_wish *wish, struct us_sink *sink,
			  struct us_progress *progress, struct us_dump_result *ret) us_must_check;
/* The same as a split set (kdump format): n files that share the kept pages evenly. */
struct us_err *us_dump_split(const struct us_vmcore *core, const struct us_layout *layout,
			     const struct us_dump_wish *wish, const char *const *paths, size_t n,
			     struct us_progress *progress, struct us_dump_result *ret)
	us_must_check;
void us_dump_result_deinit(struct us_dump_result *result);
/*
 * A flattened stream from in_fd (a pipe is fine) as the file it stands for, at path; written beside
 * it and renamed. US_ERR_BAD_DATA, with the offset in the stream, if that is no flattened dump or
 * ends early; US_ERR_USAGE if path is there and overwrite is false. *ret_bytes: the file's size.
 */
struct us_err *us_dump_rearrange(int in_fd, const char *path, bool overwrite,
				 struct us_progress *progress, uint64_t *ret_bytes) us_must_check;

struct us_verify_result {
	struct us_pool pool;
	uint64_t pages, bad_pages, lost_pages, checked_sums, bad_sums;
	bool has_sums, complete;
	const char *const *problems; /* NULL-terminated, at most 100, each with pfn and file offset */
};
/* Every descriptor, page and checksum of a kdump-compressed dump; for ELF every program header and
 * note. */
struct us_err *us_dump_verify(const struct us_vmcore *core, unsigned int jobs,
			      struct us_progress *progress, struct us_verify_result *ret)
	us_must_check;
void us_verify_result_deinit(struct us_verify_result *result);

#endif
