/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What vmcore knows of the dumped kernel: field values (layout.c), page tables (xlat*.c) and the
 * rules by which a struct page is read (class.c). Private to the folder.
 */
#ifndef US_VMCORE_LAYOUT_INT_H
#define US_VMCORE_LAYOUT_INT_H

#include "vmcore/vmcore.h"

#define US_KERNEL(major, minor) ((uint32_t)(major) << 16 | (minor))

enum us_field {
#define US_FIELD(id, kind, name, former, from, before) US_F_##id,
#include "vmcore/layout.def"
	US_F_COUNT
};

enum us_field_source { US_FROM_NOWHERE, US_FROM_VMCOREINFO, US_FROM_BTF, US_FROM_VERSION };

/* ---- page tables ---- */

#define US_PAGING_LEVELS_MAX 5

struct us_pte {
	bool present, leaf;
	uint64_t phys; /* of the next table, or of the block or page */
};

struct us_paging {
	uint64_t root;         /* physical address of the top table; */
	bool ok;               /* ... if it could be told */
	unsigned int levels;   /* 3..5 */
	unsigned int top_bits; /* bits of the address that index the top table */
	uint32_t page_shift;
	uint64_t clear;         /* bits of an entry that are no address: encryption */
	bool high_address_bits; /* arm64: address bits 48.. stand at the low end of an entry */
	struct us_pte (*decode)(const struct us_paging *paging, uint64_t entry, unsigned int level);
};

/* ---- how a struct page is read ---- */

enum us_hugetlb_rule {
	US_HUGETLB_UNKNOWN,
	US_HUGETLB_DTOR, /* a byte in the second struct page (until 6.5) */
	US_HUGETLB_FLAG, /* a flag in the second struct page (6.6-6.8) */
	US_HUGETLB_TYPE, /* the page type of the head (from 6.9) */
};

struct us_type_rule {
	bool known, top_byte; /* top_byte: the low 24 bits have other uses (from 6.12) */
	uint32_t value;
};

#define US_STRUCT_PAGE_MAX 1024

struct us_page_rules {
	uint32_t size;                                    /* of struct page */
	uint32_t flags, mapping, type, private, compound; /* offsets of fields */
	uint64_t lru, priv, swapcache, swapbacked, head;  /* masks in flags */
	uint64_t slab_flag, poison;                       /* 0: there is no such flag */
	uint64_t judged; /* all of these, if types can be told from counts at a glance; else 0 */
	struct us_type_rule buddy, offline, hugetlb, slab, unaccepted;
	bool has_order;
	uint32_t order_at; /* of a compound page's order: a byte of the second struct page */
	enum us_hugetlb_rule hugetlb_by;
	uint32_t dtor_at;
	uint8_t dtor;
	uint64_t hugetlb_flag;
	unsigned int free_orders; /* buddy orders are less than this */
};

/* What one struct page says: from its pfn on, 1 << order pages are of class. */
struct us_page_says {
	enum us_page_class class;
	unsigned int order;
	bool tail; /* belongs to a head before it */
	bool odd;  /* contradicts itself (an order that can't be); kept */
};

struct us_layout {
	uint32_t version; /* US_KERNEL(6, 12) */
	int64_t value[US_F_COUNT];
	enum us_field_source from[US_F_COUNT];
	struct us_paging paging;
	const char *rules_missing; /* the field without which no page can be judged, or NULL */
	struct us_page_rules rules;
};

static inline bool us_has(const struct us_layout *layout, enum us_field field)
{
	return layout->from[field] != US_FROM_NOWHERE;
}

/* Fills layout->rules from its fields; sets rules_missing. */
void us_page_rules_make(struct us_layout *layout);

/* page: the struct page of pfn; second: the one after it, NULL if it can't be had. Pure. */
struct us_page_says us_page_classify(const struct us_page_rules *rules, uint64_t pfn,
				     const uint8_t *page, const uint8_t *second);

/* The same for pages[0], of n with one more behind them: *ret_same of them say the same, each of
 * itself alone (1 if pages[0] speaks for more than itself). */
struct us_page_says us_page_classify_many(const struct us_page_rules *rules, uint64_t pfn,
					  const uint8_t *pages, size_t n, size_t *ret_same);
uint64_t us_page_flags(const struct us_page_rules *rules, const uint8_t *page);

/* x86_64 and arm64: root and geometry from fields and loads. */
void us_paging_x86_64(const struct us_vmcore *core, struct us_layout *layout);
void us_paging_arm64(const struct us_vmcore *core, struct us_layout *layout);

/* A walk that keeps the last table of each level: for many addresses in order. */
struct us_walker {
	const struct us_vmcore *core;
	const struct us_layout *layout;
	uint64_t phys[US_PAGING_LEVELS_MAX]; /* of the tables held */
	bool held[US_PAGING_LEVELS_MAX];
	uint8_t *tables; /* levels * page bytes; NULL: read single entries */
	/* told of each table when it is read; may be NULL */
	void (*on_table)(void *data, uint64_t phys);
	void *data;
};
struct us_err *us_walker_init(const struct us_vmcore *core, const struct us_layout *layout,
			      struct us_walker *ret) us_must_check;
void us_walker_deinit(struct us_walker *walker);
/* virt -> *ret_phys, valid for *ret_bytes from there (the rest of the page or block). If virt is
 * not mapped: US_ERR_NOT_FOUND and *ret_bytes is the size of the hole from virt on. */
struct us_err *us_walk(struct us_walker *walker, uint64_t virt, uint64_t *ret_phys,
		       uint64_t *ret_bytes) us_must_check;

/* Virtual memory by a walker: quicker than us_vmcore_read_virt for what is long. */
struct us_err *us_walker_read(struct us_walker *walker, uint64_t virt, void *buf, size_t n)
	us_must_check;

/* ---- kallsyms ---- */

#define US_KSYMS_MAX 16
struct us_ksym {
	const char *name;
	uint64_t address; /* 0: not found */
};
/* Fills in the addresses of at most US_KSYMS_MAX symbols, of names with 3 letters at least;
 * US_ERR_NOT_FOUND if the dump has no table. */
struct us_err *us_ksyms_find(struct us_walker *walker, struct us_ksym *wishes, size_t n)
	us_must_check;

/* ---- BTF ---- */

struct us_btf;
/* The kernel's own BTF in its image; US_ERR_NOT_FOUND if there is none. */
struct us_err *us_btf_find(const struct us_vmcore *core, const struct us_layout *layout,
			   struct us_btf **ret) us_must_check;
struct us_err *us_btf_parse(struct us_bytes section, struct us_btf **ret) us_must_check;
void us_btf_free(struct us_btf *btf);
/* "page" -> bytes; "page.lru" -> offset in bytes, through anonymous members; an enumerator's value. */
bool us_btf_size(const struct us_btf *btf, const char *name, int64_t *ret);
bool us_btf_offset(const struct us_btf *btf, const char *path, int64_t *ret);
bool us_btf_enum(const struct us_btf *btf, const char *enumerator, int64_t *ret);

#endif
