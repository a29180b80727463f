/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The page scan on made machines: memory that is computed when it is read, so that one of 16 TiB
 * costs nothing. Every section of 128 MiB has the same struct pages (one pattern of 2 MiB), which a
 * test may bend; page tables, sections and counters are those of an x86_64 kernel of 6.12's era.
 */
#include "vmcore/layout-int.h"
#include "vmcore/vmcore-int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <cmocka.h>

#define VMEMMAP  0xffffea0000000000ull
#define DIRECT   0xffff888000000000ull
#define IMAGE    0xffffffff80000000ull
#define MIB      (1ull << 20)
#define TIB      (1ull << 40)
#define SECTION  32768ull   /* pages */
#define STRUCTS  (32 * TIB) /* physical place of the struct pages: outside of what is counted */
#define BAD_NONE UINT64_MAX

/* Where things are in the first MiB and behind. */
enum {
	TOP = 0x1000,
	PUD_VMEMMAP = 0x2000,
	PUD_IMAGE = 0x3000,
	PMD_IMAGE = 0x4000,
	PUD_DIRECT = 0x5000,
	ROOTS = 0x6000,
	NODE = 0x8000,
	NODE_DATA = 0x9000,
	PMDS_VMEMMAP = 0x100000,
	ROOT_PAGES = 0x400000,
};
#define IMAGE_PAGES 512 /* 2 MiB mapped */

struct machine {
	struct us_vmcore core;
	struct us_range ram[2];
	uint8_t *pattern; /* SECTION struct pages */
	uint64_t bad;     /* the page at this physical address can't be read */
	uint64_t missing; /* this section is not there */
	uint64_t nr_free; /* what the zone counts; 0: no nodes are exported */
	char text[2048];
	uint8_t *scratch;
};

static const struct us_vmcore_ops ops;

/* ---- memory, word by word ---- */

static uint64_t word_at(const struct machine *m, uint64_t phys)
{
	uint64_t page = phys & ~0xfffull, index = (phys & 0xfff) / 8;

	if (phys >= STRUCTS) {
		uint64_t v;

		memcpy(&v, m->pattern + (phys - STRUCTS) % (SECTION * 64), sizeof(v));
		return v;
	}
	if (page == TOP)
		return index == (VMEMMAP >> 39 & 511)  ? PUD_VMEMMAP | 1
		       : index == (DIRECT >> 39 & 511) ? PUD_DIRECT | 1
		       : index == 511                  ? PUD_IMAGE | 1
						       : 0;
	if (page == PUD_VMEMMAP)
		return index < 256 ? (PMDS_VMEMMAP + 4096 * index) | 1 : 0; /* 16 TiB */
	if (page == PUD_IMAGE)
		return index == 510 ? PMD_IMAGE | 1 : 0;
	if (page == PMD_IMAGE)
		return index == 0 ? 0x81 : 0;
	if (page == PUD_DIRECT)
		return index << 30 | 0x81;
	if (page == ROOTS)
		return DIRECT + ROOT_PAGES + 4096 * index;
	if (page == NODE_DATA)
		return index == 0 && m->nr_free ? DIRECT + NODE : 0;
	if (page == NODE)
		return index == 0 ? 1 : index == 16 ? m->nr_free : 0;
	if (page >= PMDS_VMEMMAP && page < PMDS_VMEMMAP + 256 * 4096)
		return (STRUCTS + ((page - PMDS_VMEMMAP) / 4096 * 512 + index) * 2 * MIB) | 0x81;
	if (page >= ROOT_PAGES && page < ROOT_PAGES + 512 * 4096) {
		uint64_t section = (page - ROOT_PAGES) / 4096 * 256 + index / 2;

		return index % 2 || section == m->missing ? 0 : VMEMMAP | 7;
	}
	return 0;
}

static struct us_err *bad_page(uint64_t phys)
{
	return us_err_new(US_ERR_NOT_FOUND, "0x%llx is not in the dump", (unsigned long long)phys);
}

static struct us_err *read_made(const struct us_vmcore *core, uint64_t phys, void *buf, size_t n)
{
	const struct machine *m = core->data;

	for (size_t i = 0; i < n; i++) {
		uint64_t word;

		if ((phys + i) >> 12 == m->bad >> 12)
			return bad_page(phys + i);
		word = word_at(m, (phys + i) & ~7ull);
		((uint8_t *)buf)[i] = (uint8_t)(word >> (phys + i) % 8 * 8);
	}
	return NULL;
}

static struct us_err *window_made(const struct us_vmcore *core, void *own, uint64_t phys,
				  size_t want, struct us_bytes *ret)
{
	struct machine *m = core->data;

	(void)own;
	assert_true(want);
	if (phys < STRUCTS || phys >> 12 == m->bad >> 12)
		return bad_page(phys);
	if (m->bad > phys && m->bad - phys < want)
		want = (m->bad & ~0xfffull) - phys;
	*ret = us_bytes_of(m->pattern + (phys - STRUCTS) % (SECTION * 64), want);
	assert_true((phys - STRUCTS) % (SECTION * 64) + want <= SECTION * 64);
	return NULL;
}

static struct us_err *reader_made(const struct us_vmcore *core, void **ret)
{
	(void)core;
	*ret = NULL;
	return NULL;
}

static void reader_gone(void *own)
{
	(void)own;
}

static const struct us_vmcore_ops ops = {
	.read = read_made,
	.reader_new = reader_made,
	.reader_free = reader_gone,
	.window = window_made,
};

/* ---- the pattern ---- */

#define LRU      (1ull << 5)
#define HEAD     (1ull << 6)
#define RESERVED (1ull << 13)
#define NO_TYPE  0xffffffffu

static void put(struct machine *m, uint64_t pfn, uint64_t flags, uint64_t mapping, uint32_t type)
{
	uint8_t *p = m->pattern + pfn * 64;

	memset(p, 0, 64);
	us_put_le64(p, flags);
	us_put_le64(p + 24, mapping);
	us_put_le32(p + 48, type);
}

static void put_free(struct machine *m, uint64_t pfn, unsigned int order)
{
	put(m, pfn, 0, 0, 0xf0000000);
	us_put_le64(m->pattern + pfn * 64 + 40, order);
	for (uint64_t i = 1; i < 1ull << order; i++)
		put(m, pfn + i, 0, 0, NO_TYPE);
}

static void put_compound(struct machine *m, uint64_t pfn, unsigned int order, uint64_t flags,
			 uint64_t mapping, uint32_t type)
{
	put(m, pfn, flags | HEAD, mapping, type);
	for (uint64_t i = 1; i < 1ull << order; i++) {
		put(m, pfn + i, i == 1 ? order : 0, 0, NO_TYPE);
		us_put_le64(m->pattern + (pfn + i) * 64 + 8, VMEMMAP | 1);
	}
}

/* A section: 1024 pages in small change, a huge page of a process, a large folio of the page cache,
 * slabs; the rest free. What each has is counted here for comparison. */
static const uint64_t in_section[US_CLASS_COUNT] = {
	[US_CLASS_KEEP] = 512,         [US_CLASS_CACHE] = 128 + 64,
	[US_CLASS_CACHE_PRIVATE] = 64, [US_CLASS_USER] = 64 + 512,
	[US_CLASS_SLAB] = 256,         [US_CLASS_FREE] = 32768 - 2048 + 384,
	[US_CLASS_OFFLINE] = 63,       [US_CLASS_POISON] = 1,
};

static void fill_pattern(struct machine *m)
{
	for (uint64_t i = 0; i < 512; i++)
		put(m, i, RESERVED, 0, NO_TYPE);
	for (uint64_t i = 0; i < 128; i++)
		put(m, 512 + i, LRU, 0x1000, NO_TYPE);
	for (uint64_t i = 0; i < 64; i++) {
		put(m, 640 + i, LRU | 1ull << 14, 0x1000, 0);
		put(m, 704 + i, LRU, 0x1001, 0);
		put(m, 768 + i, 0, 0, 0xf1000000);
	}
	put(m, 800, 1ull << 20, 0, NO_TYPE);
	for (uint64_t i = 832; i < 1024; i += 64)
		put_free(m, i, 6);
	put_compound(m, 1024, 9, LRU, 0x1001, NO_TYPE);
	put_compound(m, 1536, 6, LRU, 0x1000, NO_TYPE);
	put_free(m, 1600, 6);
	put_free(m, 1664, 7);
	for (uint64_t i = 1792; i < 2048; i += 8)
		put_compound(m, i, 3, 0, 0, 0xf5000000);
	for (uint64_t i = 2048; i < SECTION; i += 1024)
		put_free(m, i, 10);
}

static void machine_make(struct machine *m, uint64_t bytes, uint64_t nr_free)
{
	*m = (struct machine){ .bad = BAD_NONE, .missing = UINT64_MAX, .nr_free = nr_free };
	m->pattern = calloc(SECTION, 64);
	assert_non_null(m->pattern);
	fill_pattern(m);
	m->ram[0] = (struct us_range){ 0, bytes };
	snprintf(
		m->text, sizeof(m->text),
		"OSRELEASE=6.12.0\nPAGESIZE=4096\nSYMBOL(_stext)=ffffffff80010000\n"
		"SYMBOL(init_top_pgt)=%llx\nNUMBER(phys_base)=0\nNUMBER(pgtable_l5_enabled)=0\n"
		"SYMBOL(mem_section)=%llx\nLENGTH(mem_section)=512\nSIZE(mem_section)=16\n"
		"OFFSET(mem_section.section_mem_map)=0\nNUMBER(SECTION_SIZE_BITS)=27\n"
		"SIZE(page)=64\nOFFSET(page.flags)=0\nOFFSET(page.lru)=8\nOFFSET(page.mapping)=24\n"
		"OFFSET(page.private)=40\nOFFSET(page._mapcount)=48\nOFFSET(page.compound_head)=8\n"
		"LENGTH(zone.free_area)=11\nNUMBER(PG_lru)=5\nNUMBER(PG_private)=14\n"
		"NUMBER(PG_swapcache)=10\nNUMBER(PG_swapbacked)=17\nNUMBER(PG_head_mask)=64\n"
		"NUMBER(PG_hwpoison)=20\nNUMBER(PAGE_BUDDY_MAPCOUNT_VALUE)=-268435456\n"
		"NUMBER(PAGE_OFFLINE_MAPCOUNT_VALUE)=-251658240\n"
		"NUMBER(PAGE_HUGETLB_MAPCOUNT_VALUE)=-201326592\n"
		"NUMBER(PAGE_SLAB_MAPCOUNT_VALUE)=-184549376\n"
		"NUMBER(PAGE_UNACCEPTED_MAPCOUNT_VALUE)=-150994944\n",
		IMAGE + TOP, DIRECT + ROOTS);
	if (nr_free)
		snprintf(m->text + strlen(m->text), sizeof(m->text) - strlen(m->text),
			 "SYMBOL(node_data)=%llx\nLENGTH(node_data)=4\n"
			 "OFFSET(pglist_data.node_zones)=64\nOFFSET(pglist_data.nr_zones)=0\n"
			 "SIZE(zone)=256\nOFFSET(zone.vm_stat)=64\nNUMBER(NR_FREE_PAGES)=0\n",
			 DIRECT + NODE_DATA);
	m->core = (struct us_vmcore){
		.arch = us_arch_by_id(US_ARCH_X86_64),
		.page_bytes = 4096,
		.page_shift = 12,
		.ram = m->ram,
		.n_ram = 1,
		.max_pfn = bytes >> 12,
		.release = "6.12.0",
		.ops = &ops,
		.data = m,
	};
	assert_null(us_vmcoreinfo_parse(us_bytes_of(m->text, strlen(m->text)), &m->core.pool,
					&m->core.info));
}

static void machine_free(struct machine *m)
{
	us_pool_deinit(&m->core.pool);
	free(m->pattern);
}

/* ---- what comes out ---- */

struct seen {
	const struct machine *m;
	uint64_t next, runs;
	uint64_t pages[US_CLASS_COUNT];
	enum us_page_class last, watched_class; /* of the page watched */
	uint64_t watched;
};

static struct us_err *see(void *data, const struct us_run *run)
{
	struct seen *seen = data;

	assert_true(run->count > 0 && run->pfn >= seen->next);
	assert_true(!seen->runs || run->pfn > seen->next || run->class != seen->last);
	if (run->pfn <= seen->watched && seen->watched < run->pfn + run->count)
		seen->watched_class = run->class;
	seen->next = run->pfn + run->count;
	seen->last = run->class;
	seen->pages[run->class] += run->count;
	seen->runs++;
	return NULL;
}

static void scan_made(struct machine *m, struct seen *seen, struct us_scan *scan)
{
	struct us_layout *layout;
	uint64_t sum = 0;

	assert_null(us_layout_find(&m->core, &layout));
	assert_null(us_vmcore_scan(&m->core, layout, see, seen, NULL, scan));
	us_layout_free(layout);
	for (int i = 0; i < US_CLASS_COUNT; i++) {
		assert_true(seen->pages[i] == scan->pages[i]);
		sum += seen->pages[i];
	}
	assert_true(sum == (m->ram[0].size + (m->core.n_ram > 1 ? m->ram[1].size : 0)) >> 12);
}

static void test_each_class_is_counted(void **state)
{
	struct seen seen = { .watched = 513 };
	struct machine m;
	struct us_scan scan;

	(void)state;
	machine_make(&m, 1024 * MIB, 0);
	scan_made(&m, &seen, &scan);
	for (int i = US_CLASS_FREE; i < US_CLASS_PROTECTED; i++)
		assert_true(scan.pages[i] == 8 * in_section[i]);
	/* the first 512 pages of memory are the image: they are marked as reserved */
	assert_true(scan.pages[US_CLASS_PROTECTED] >= IMAGE_PAGES);
	assert_true(scan.pages[US_CLASS_PROTECTED] + scan.pages[US_CLASS_KEEP] ==
		    8 * in_section[US_CLASS_KEEP]);
	assert_int_equal(seen.watched_class, US_CLASS_CACHE);
	assert_int_equal(scan.slab_ok, US_YES);
	assert_int_equal(scan.free_ok, US_UNKNOWN);
	assert_null(scan.notes[0]);
	assert_true(scan.unreadable == 0);
	us_scan_deinit(&scan);
	machine_free(&m);
}

static void scan_large(uint64_t bytes)
{
	struct rusage before, after;
	struct seen seen = { 0 };
	struct machine m;
	struct us_scan scan;

	machine_make(&m, bytes, 0);
	memset(&m.pattern[512 * 64], 0, 1); /* the pattern is in memory now */
	getrusage(RUSAGE_SELF, &before);
	scan_made(&m, &seen, &scan);
	getrusage(RUSAGE_SELF, &after);
	assert_true(scan.pages[US_CLASS_FREE] == (bytes >> 27) * in_section[US_CLASS_FREE]);
	assert_true(scan.pages[US_CLASS_USER] == (bytes >> 27) * in_section[US_CLASS_USER]);
	assert_true(after.ru_maxrss - before.ru_maxrss < 4096); /* KiB */
	us_scan_deinit(&scan);
	machine_free(&m);
}

static void test_memory_is_bounded_at_any_size(void **state)
{
	(void)state;
	scan_large(1 * TIB);
	scan_large(16 * TIB);
}

static void test_what_cannot_be_read_is_kept(void **state)
{
	struct seen seen = { .watched = 2 * SECTION + 8192 + 64 };
	struct machine m;
	struct us_scan scan;

	(void)state;
	machine_make(&m, 512 * MIB, 0);
	/* 64 struct pages of the third section, in the middle of a free block: only its head counts */
	m.bad = STRUCTS + (2 * SECTION + 8192 + 64) * 64;
	scan_made(&m, &seen, &scan);
	assert_int_equal(seen.watched_class, US_CLASS_FREE);
	assert_true(scan.unreadable == 0);
	us_scan_deinit(&scan);
	/* and with heads in it */
	m.bad = STRUCTS + (2 * SECTION + 8192) * 64;
	memset(&seen, 0, sizeof(seen));
	seen.watched = 2 * SECTION + 8192;
	scan_made(&m, &seen, &scan);
	assert_int_equal(seen.watched_class, US_CLASS_KEEP);
	assert_true(scan.unreadable == 64);
	us_scan_deinit(&scan);
	m.bad = BAD_NONE;
	m.missing = 1;
	memset(&seen, 0, sizeof(seen));
	seen.watched = SECTION + 513;
	scan_made(&m, &seen, &scan);
	assert_int_equal(seen.watched_class, US_CLASS_KEEP);
	assert_true(scan.unreadable == SECTION);
	us_scan_deinit(&scan);
	machine_free(&m);
}

static void test_runs_end_with_memory(void **state)
{
	struct seen seen = { .watched = SECTION + 2500 };
	struct machine m;
	struct us_scan scan;

	(void)state;
	machine_make(&m, 128 * MIB, 0);
	/* memory begins and ends inside free blocks of 1024 pages */
	m.ram[0] = (struct us_range){ 0, (4096 + 100) << 12 };
	m.ram[1] = (struct us_range){ (SECTION + 2048 + 100) << 12, 5000 << 12 };
	m.core.n_ram = 2;
	scan_made(&m, &seen, &scan);
	assert_true(seen.next == SECTION + 2148 + 5000);
	/* without its head nobody says that this is free */
	assert_int_equal(seen.watched_class, US_CLASS_KEEP);
	us_scan_deinit(&scan);
	machine_free(&m);
}

static void test_free_pages_are_compared_with_the_kernels_count(void **state)
{
	const uint64_t true_count = 8 * (in_section[US_CLASS_FREE]);
	static const struct {
		unsigned int percent;
		enum us_tri ok;
		const char *note;
	} rows[] = {
		{ 100, US_YES, NULL },
		{ 103, US_YES, NULL },
		{ 97, US_YES, NULL },
		{ 200, US_NO, "were recognised" },
		{ 25, US_NO, "more were found" },
	};

	(void)state;
	for (size_t i = 0; i < us_array_size(rows); i++) {
		uint64_t count = true_count * rows[i].percent / 100;
		struct seen seen = { 0 };
		struct machine m;
		struct us_scan scan;

		machine_make(&m, 1024 * MIB, count);
		scan_made(&m, &seen, &scan);
		assert_int_equal(scan.free_ok, rows[i].ok);
		assert_true(scan.pages[US_CLASS_FREE] <= count + count / 20 + 2048);
		if (rows[i].note)
			assert_non_null(strstr(scan.notes[0], rows[i].note));
		else
			assert_null(scan.notes[0]);
		us_scan_deinit(&scan);
		machine_free(&m);
	}
}

static void test_image_pages_that_look_like_cache_are_kept(void **state)
{
	struct seen seen = { .watched = 5 * SECTION + 513 };
	struct machine m;
	struct us_scan scan;

	(void)state;
	machine_make(&m, 1024 * MIB, 0);
	for (uint64_t i = 0; i < 256; i++)
		put(&m, i, RESERVED | LRU, 0, NO_TYPE);
	scan_made(&m, &seen, &scan);
	assert_true(scan.pages[US_CLASS_CACHE] == 0);
	assert_int_equal(seen.watched_class, US_CLASS_KEEP);
	assert_non_null(strstr(scan.notes[0], "cache pages are kept"));
	us_scan_deinit(&scan);
	machine_free(&m);
}

static void test_a_single_odd_image_page_is_protected(void **state)
{
	struct seen seen = { .watched = 7 };
	struct machine m;
	struct us_scan scan;

	(void)state;
	machine_make(&m, 1024 * MIB, 0);
	put(&m, 7, RESERVED | LRU, 0, NO_TYPE);
	scan_made(&m, &seen, &scan);
	assert_int_equal(seen.watched_class, US_CLASS_PROTECTED);
	assert_true(scan.pages[US_CLASS_CACHE] > 0);
	us_scan_deinit(&scan);
	machine_free(&m);
}

static void test_without_slab_user_pages_are_not_believed(void **state)
{
	struct seen seen = { 0 };
	struct machine m;
	struct us_scan scan;

	(void)state;
	machine_make(&m, 16384 * MIB, 0);
	for (uint64_t i = 1792; i < 2048; i += 8)
		put_compound(&m, i, 3, 0, 0, 0xf6000000);
	for (uint64_t i = 2048; i < SECTION; i++)
		put(&m, i, LRU, 0x1001, NO_TYPE);
	scan_made(&m, &seen, &scan);
	assert_int_equal(scan.slab_ok, US_NO);
	assert_true(scan.pages[US_CLASS_USER] == 0);
	assert_non_null(strstr(scan.notes[0], "user pages are kept"));
	us_scan_deinit(&scan);
	machine_free(&m);
}

static void test_without_a_layout_all_is_kept(void **state)
{
	struct seen seen = { 0 };
	struct us_layout *layout;
	struct machine m;
	struct us_scan scan;

	(void)state;
	machine_make(&m, 256 * MIB, 0);
	assert_null(us_vmcore_scan(&m.core, NULL, see, &seen, NULL, &scan));
	assert_true(scan.pages[US_CLASS_KEEP] == 65536 && seen.runs == 1);
	assert_non_null(strstr(scan.notes[0], "all pages are kept"));
	us_scan_deinit(&scan);
	*strstr(m.text, "SIZE(page)") = '#';
	assert_null(us_vmcoreinfo_parse(us_bytes_of(m.text, strlen(m.text)), &m.core.pool,
					&m.core.info));
	assert_null(us_layout_find(&m.core, &layout));
	memset(&seen, 0, sizeof(seen));
	assert_null(us_vmcore_scan(&m.core, layout, see, &seen, NULL, &scan));
	assert_true(scan.pages[US_CLASS_KEEP] == 65536);
	assert_non_null(strstr(scan.notes[0], "SIZE(page)"));
	us_scan_deinit(&scan);
	us_layout_free(layout);
	machine_free(&m);
}

static struct us_err *stop(void *data, const struct us_run *run)
{
	(void)run;
	++*(int *)data;
	return us_err_new(US_ERR_NO_ROOM, "enough");
}

static void test_an_error_ends_the_scan(void **state)
{
	struct us_layout *layout;
	struct machine m;
	struct us_scan scan;
	struct us_err *err;
	int calls = 0;

	(void)state;
	machine_make(&m, 256 * MIB, 0);
	assert_null(us_layout_find(&m.core, &layout));
	err = us_vmcore_scan(&m.core, layout, stop, &calls, NULL, &scan);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_NO_ROOM);
	assert_int_equal(calls, 1);
	us_err_free(err);
	us_layout_free(layout);
	machine_free(&m);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_class_is_counted),
		cmocka_unit_test(test_memory_is_bounded_at_any_size),
		cmocka_unit_test(test_what_cannot_be_read_is_kept),
		cmocka_unit_test(test_runs_end_with_memory),
		cmocka_unit_test(test_free_pages_are_compared_with_the_kernels_count),
		cmocka_unit_test(test_image_pages_that_look_like_cache_are_kept),
		cmocka_unit_test(test_a_single_odd_image_page_is_protected),
		cmocka_unit_test(test_without_slab_user_pages_are_not_believed),
		cmocka_unit_test(test_without_a_layout_all_is_kept),
		cmocka_unit_test(test_an_error_ends_the_scan),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
