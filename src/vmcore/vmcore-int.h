/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to src/vmcore: what a dump format has to offer (us_vmcore_ops), and the bytes of a file
 * that may be mapped, only readable, or flattened (us_store).
 */
#ifndef US_VMCORE_VMCORE_INT_H
#define US_VMCORE_VMCORE_INT_H

#include "vmcore/vmcore.h"

#define US_PAGE_BYTES_MAX (1u << 20) /* of a dumped machine; 64 KiB is the largest in use */
#define US_WARNINGS_MAX   32

/* ---- disjoint pieces of an address space, and where their bytes are ---- */

enum us_piece_kind { US_PIECE_FILE, US_PIECE_ZERO, US_PIECE_LOST };
struct us_piece {
	uint64_t start, size; /* start + size does not overflow */
	uint64_t pos;         /* in the file, for US_PIECE_FILE */
	uint64_t rank;        /* where pieces overlap the highest rank counts */
	enum us_piece_kind kind;
};
struct us_pieces {
	struct us_piece *v; /* sorted and disjoint */
	size_t n;
};
/* From n pieces in any order (sorted in place); the result lives in pool. */
struct us_err *us_pieces_make(struct us_pool *pool, struct us_piece *from, size_t n,
			      struct us_pieces *ret) us_must_check;
/* The first piece that ends after at, or NULL; at lies in it or before it. */
const struct us_piece *us_pieces_from(const struct us_pieces *pieces, uint64_t at);

/* ---- the bytes of a file ---- */

struct us_store {
	const char *path;
	struct us_bytes map; /* all of the file; empty if it can only be read */
	int fd;              /* -1 if it is somebody's memory */
	uint64_t raw_bytes;  /* of the file as it stands */
	uint64_t bytes;      /* unflattened */
	bool flattened, cut; /* cut: a flattened file without its end */
	bool is_proc;
	bool is_mapped;            /* map is a mapping of the file, not somebody's memory */
	struct us_pieces segments; /* of a flattened file; holes read as zero */
};
struct us_err *us_store_open(struct us_pool *pool, const char *path, struct us_store *ret)
	us_must_check;
struct us_err *us_store_of_bytes(struct us_pool *pool, const char *path, struct us_bytes bytes,
				 struct us_store *ret) us_must_check;
void us_store_close(struct us_store *store); /* mappings go with the pool */
/* The bytes at off that are mapped in one piece: at most want, possibly none. */
struct us_bytes us_store_view(const struct us_store *store, uint64_t off, uint64_t want);
/* US_ERR_BAD_DATA past the end, US_ERR_OS where the file cannot be read: by read(2) even if it is
 * mapped, for a page of a mapping that can't be read would end the program. */
struct us_err *us_store_read(const struct us_store *store, uint64_t off, void *buf, size_t n)
	us_must_check;
/* The same from the mapping where there is one: for small things that are read by the million. */
struct us_err *us_store_peek(const struct us_store *store, uint64_t off, void *buf, size_t n)
	us_must_check;
/* Makes the pages of a view present, with less effort than touching each; false if one of them
 * can't be read. Views of less than US_TOUCH_BYTES are left to themselves. */
#define US_TOUCH_BYTES (64u << 10)
bool us_store_touch(const struct us_store *store, struct us_bytes view);
/*
 * Where in a mapped file a reader has been last. Who moves on lets go of what lies behind, so that
 * reading a large file does not look like using much memory; who looks there again gets it again.
 */
struct us_trail {
	const struct us_store *store;
	uint64_t step;
};
void us_store_pass(const struct us_store *store, struct us_trail *trail, struct us_bytes view);
/* A part as one view, which lives as long as pool. */
struct us_err *us_store_load(const struct us_store *store, struct us_pool *pool, uint64_t off,
			     uint64_t n, const char *what, struct us_bytes *ret) us_must_check;
/* flat.c: find the segments if this is a flattened file. */
struct us_err *us_store_unflatten(struct us_pool *pool, struct us_store *store) us_must_check;

/* ---- integers of either order; 0 outside b ---- */

static inline uint16_t us_get16(struct us_bytes b, uint64_t off, bool big)
{
	uint16_t v = 0;

	return (big ? us_be16(b, off, &v) : us_le16(b, off, &v)) ? v : 0;
}

static inline uint32_t us_get32(struct us_bytes b, uint64_t off, bool big)
{
	uint32_t v = 0;

	return (big ? us_be32(b, off, &v) : us_le32(b, off, &v)) ? v : 0;
}

static inline uint64_t us_get64(struct us_bytes b, uint64_t off, bool big)
{
	uint64_t v = 0;

	return (big ? us_be64(b, off, &v) : us_le64(b, off, &v)) ? v : 0;
}

/* ---- formats ---- */

struct us_vmcore_ops {
	void (*close)(struct us_vmcore *core);
	enum us_page_state (*page_state)(const struct us_vmcore *core, uint64_t pfn);
	/* pages that are in pfn's state; 0 or less than there are where that is not easily told */
	uint64_t (*page_run)(const struct us_vmcore *core, uint64_t pfn);
	/* phys + n does not overflow */
	struct us_err *(*read)(const struct us_vmcore *core, uint64_t phys, void *buf, size_t n);
	/* the format's own part of a reader */
	struct us_err *(*reader_new)(const struct us_vmcore *core, void **ret);
	void (*reader_free)(void *own);
	struct us_err *(*window)(const struct us_vmcore *core, void *own, uint64_t phys,
				 size_t want, struct us_bytes *ret);
	struct us_err *(*stored_page)(const struct us_vmcore *core, void *own, uint64_t pfn,
				      struct us_stored_page *ret); /* NULL: has none */
	struct us_err *(*read_file)(const struct us_vmcore *core, size_t which, uint64_t off,
				    void *buf, size_t n); /* NULL: headers are no matter of it */
};

/* Zeroed, with its pool and an empty list of warnings. */
struct us_err *us_vmcore_new(const char *path, struct us_vmcore **ret) us_must_check;
/* The format's part of opening: takes stores (in core's pool) over by setting core->ops. */
struct us_err *us_elf_open(struct us_vmcore *core, struct us_store *store) us_must_check;
struct us_err *us_kdump_open(struct us_vmcore *core, struct us_store *stores, size_t n)
	us_must_check;
/* The same for memory without a header; *ret false if it is none, and store is left alone. */
struct us_err *us_raw_open(struct us_vmcore *core, struct us_store *store, bool *ret) us_must_check;
/* Notes in raw -> core->notes, and what VMCOREINFO says about the whole. */
struct us_err *us_notes_read(struct us_vmcore *core, struct us_bytes raw) us_must_check;
/* The same for a VMCOREINFO text that stands by itself. */
void us_notes_take_info(struct us_vmcore *core, struct us_bytes text);
/* A contradiction that was survived; past US_WARNINGS_MAX only counted. */
void us_vmcore_warn(struct us_vmcore *core, const char *fmt, ...) us_printf(2, 3);
/* s (may be NULL), with '?' for each byte that a terminal or JSON should not get. */
char *us_vmcore_printable(char *s);
#define US_ZERO_BYTES (64u << 10)
extern const uint8_t us_zero_page[US_ZERO_BYTES];
/* Sorted, page-aligned and merged, from ranges in any order. */
struct us_err *us_vmcore_set_ram(struct us_vmcore *core, struct us_range *ranges, size_t n)
	us_must_check;
/* US_ERR_NOT_FOUND in words for what us_vmcore_page_state says. */
struct us_err *us_vmcore_missing(const struct us_vmcore *core, uint64_t phys,
				 enum us_page_state state) us_must_check;

#endif
