/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The classifier on struct pages of each era: what such a kernel writes into a page of each kind,
 * and what its vmcoreinfo tells about that, both spelt out here; the verdict must be the same.
 */
#include "vmcore/layout-int.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define SIZE   64
#define ORDERS 11

enum order_form { ORDER_PAGE, ORDER_FOLIO, ORDER_FLAGS };
enum hugetlb_form { HUGETLB_DTOR, HUGETLB_FLAG, HUGETLB_TYPE };

/* One row an era: include/linux/page-flags.h and mm_types.h of that release. */
static const struct era {
	const char *release;
	int lru, private, swapcache, swapbacked, head, slab, poison; /* bits; slab -1: a type */
	enum order_form order;
	enum hugetlb_form hugetlb;
	int hugetlb_bit;
	uint32_t buddy, offline, hugetlb_type, slab_type, unaccepted; /* 0: there is none */
	const char *compound;
} eras[] = {
	{ "4.18.0", 5, 12, 9, 18, 15, 8, 21, ORDER_PAGE, HUGETLB_DTOR, 0, 0xffffff7f, 0, 0, 0, 0,
	  "compound_head" },
	{ "5.4.0", 4, 13, 10, 19, 16, 9, 22, ORDER_PAGE, HUGETLB_DTOR, 0, 0xffffff7f, 0xfffffeff, 0,
	  0, 0, "compound_head" },
	{ "5.15.0", 4, 13, 10, 19, 16, 9, 23, ORDER_PAGE, HUGETLB_DTOR, 0, 0xffffff7f, 0xfffffeff,
	  0, 0, 0, "compound_head" },
	{ "6.1.0", 4, 13, 10, 19, 16, 9, 23, ORDER_PAGE, HUGETLB_DTOR, 0, 0xffffff7f, 0xfffffeff, 0,
	  0, 0, "compound_head" },
	{ "6.3.0", 4, 13, 10, 19, 16, 9, 23, ORDER_FOLIO, HUGETLB_DTOR, 0, 0xffffff7f, 0xfffffeff,
	  0, 0, 0, "compound_head" },
	{ "6.6.0", 5, 15, 12, 19, 6, 11, 22, ORDER_FLAGS, HUGETLB_FLAG, 8, 0xffffff7f, 0xfffffeff,
	  0, 0, 0, "compound_head" },
	{ "6.9.0", 5, 15, 12, 19, 6, 11, 22, ORDER_FLAGS, HUGETLB_TYPE, 0, 0xffffff7f, 0xfffffeff,
	  0xfffff7ff, 0, 0, "compound_head" },
	{ "6.10.0", 5, 14, 11, 18, 6, -1, 21, ORDER_FLAGS, HUGETLB_TYPE, 0, 0xffffff7f, 0xfffffeff,
	  0xfffff7ff, 0xffffefff, 0, "compound_head" },
	{ "6.12.0", 5, 14, 10, 17, 6, -1, 20, ORDER_FLAGS, HUGETLB_TYPE, 0, 0xf0000000, 0xf1000000,
	  0xf4000000, 0xf5000000, 0, "compound_head" },
	{ "6.16.0", 5, 14, 10, 17, 6, -1, 20, ORDER_FLAGS, HUGETLB_TYPE, 0, 0xf0000000, 0xf1000000,
	  0xf4000000, 0xf5000000, 0xf7000000, "compound_head" },
	{ "7.1.0", 5, 14, 10, 17, 6, -1, 20, ORDER_FLAGS, HUGETLB_TYPE, 0, 0xf0000000, 0xf1000000,
	  0xf4000000, 0xf5000000, 0xf7000000, "compound_info" },
};

static void number(char *text, const char *key, int64_t value)
{
	sprintf(text + strlen(text), "NUMBER(%s)=%" PRId64 "\n", key, value);
}

/* The lines that a kernel of that era writes. */
static void describe(const struct era *era, char *text)
{
	sprintf(text,
		"OSRELEASE=%s\nSIZE(page)=%d\nOFFSET(page.flags)=0\nOFFSET(page.lru)=8\n"
		"OFFSET(page.mapping)=24\nOFFSET(page.private)=40\nOFFSET(page._mapcount)=48\n"
		"OFFSET(page.%s)=8\nLENGTH(zone.free_area)=%d\n",
		era->release, SIZE, era->compound, ORDERS);
	number(text, "PG_lru", era->lru);
	number(text, "PG_private", era->private);
	number(text, "PG_swapcache", era->swapcache);
	number(text, "PG_swapbacked", era->swapbacked);
	number(text, "PG_head_mask", 1 << era->head);
	number(text, "PG_hwpoison", era->poison);
	number(text, "PAGE_BUDDY_MAPCOUNT_VALUE", (int32_t)era->buddy);
	if (era->slab >= 0)
		number(text, "PG_slab", era->slab);
	else
		number(text, "PAGE_SLAB_MAPCOUNT_VALUE", (int32_t)era->slab_type);
	if (era->offline)
		number(text, "PAGE_OFFLINE_MAPCOUNT_VALUE", (int32_t)era->offline);
	if (era->unaccepted)
		number(text, "PAGE_UNACCEPTED_MAPCOUNT_VALUE", (int32_t)era->unaccepted);
	if (era->hugetlb == HUGETLB_DTOR)
		number(text, "HUGETLB_PAGE_DTOR", 2);
	else if (era->hugetlb == HUGETLB_FLAG)
		number(text, "PG_hugetlb", era->hugetlb_bit);
	else
		number(text, "PAGE_HUGETLB_MAPCOUNT_VALUE", (int32_t)era->hugetlb_type);
	if (era->order == ORDER_PAGE)
		strcat(text, "OFFSET(page.compound_dtor)=16\nOFFSET(page.compound_order)=17\n");
	else if (era->order == ORDER_FOLIO)
		strcat(text, "OFFSET(folio._folio_dtor)=80\nOFFSET(folio._folio_order)=81\n");
}

/* ---- pages as such a kernel writes them ---- */

struct pair {
	uint8_t head[SIZE], second[SIZE];
};

#define BIT(n) (1ull << (n))
#define ZONE   0x000fffffc0000000ull /* what stands above the flags is nobody's business */

static struct pair page(uint64_t flags, uint64_t mapping, uint32_t type)
{
	struct pair p = { 0 };

	us_put_le64(p.head, flags | ZONE);
	us_put_le64(p.head + 24, mapping);
	us_put_le32(p.head + 48, type);
	us_put_le64(p.second, ZONE);
	us_put_le32(p.second + 48, 0xffffffff);
	return p;
}

static struct pair compound(const struct era *era, struct pair p, uint8_t order, bool hugetlb)
{
	p.head[era->head / 8] |= (uint8_t)(1 << era->head % 8);
	us_put_le64(p.second + 8, 0xffffea0000000001);
	if (era->order == ORDER_FLAGS)
		p.second[0] = order;
	else
		p.second[17] = order;
	if (era->hugetlb == HUGETLB_DTOR)
		p.second[16] = hugetlb ? 2 : 1;
	else if (hugetlb && era->hugetlb == HUGETLB_FLAG)
		p.second[era->hugetlb_bit / 8] |= (uint8_t)(1 << era->hugetlb_bit % 8);
	else if (hugetlb)
		us_put_le32(p.head + 48, era->hugetlb_type);
	return p;
}

static struct pair slab(const struct era *era, uint64_t mapping)
{
	return era->slab >= 0 ? page(BIT(era->slab), mapping, 0xffffffff)
			      : page(0, mapping, era->slab_type);
}

static struct pair buddy(const struct era *era, uint64_t order)
{
	struct pair p = page(0, 0, era->buddy);

	us_put_le64(p.head + 40, order);
	return p;
}

static void expect_at(const struct us_layout *layout, const struct pair *p, uint64_t pfn,
		      enum us_page_class class, unsigned int order, int line)
{
	struct us_page_says says = us_page_classify(&layout->rules, pfn, p->head, p->second);

	if (says.class != class || says.order != order)
		fail_msg("kernel %u.%u, line %d: %s of order %u, expected %s of order %u",
			 layout->version >> 16, layout->version & 0xffff, line,
			 us_page_class_name(says.class), says.order, us_page_class_name(class),
			 order);
}
#define EXPECT(what, class, order)                                                                 \
	do {                                                                                       \
		struct pair pair_ = (what);                                                        \
		expect_at(layout, &pair_, 0x4000, class, order, __LINE__);                         \
	} while (0)

static void order_zero_pages(const struct era *e, const struct us_layout *layout)
{
	const uint32_t none = 0xffffffff;

	EXPECT(page(0, 0, none), US_CLASS_KEEP, 0);
	EXPECT(page(BIT(e->lru), 0xffff888000001230, none), US_CLASS_CACHE, 0);
	EXPECT(page(BIT(e->lru), 0xffff888000001230, 0), US_CLASS_CACHE, 0); /* mapped once */
	EXPECT(page(BIT(e->lru) | BIT(e->private), 0xffff888000001230, none),
	       US_CLASS_CACHE_PRIVATE, 0);
	EXPECT(page(BIT(e->swapbacked) | BIT(e->swapcache), 0xffff888000001230, none),
	       US_CLASS_CACHE, 0);
	EXPECT(page(BIT(e->swapbacked), 0xffff888000001230, none), US_CLASS_KEEP, 0);
	EXPECT(page(BIT(e->swapcache), 0xffff888000001230, none), US_CLASS_KEEP, 0);
	EXPECT(page(BIT(e->lru) | BIT(e->swapbacked), 0xffff888000001231, 0), US_CLASS_USER, 0);
	EXPECT(page(BIT(e->lru), 0xffff888000001233, 3), US_CLASS_USER, 0); /* KSM */
	EXPECT(page(BIT(e->poison), 0, none), US_CLASS_POISON, 0);
	EXPECT(page(BIT(e->poison) | BIT(e->lru), 0xffff888000001231, none), US_CLASS_POISON, 0);
	EXPECT(slab(e, 0), US_CLASS_SLAB, 0);
	EXPECT(slab(e, 0x80000021), US_CLASS_SLAB, 0); /* the mapping's place has another use */
	if (e->offline)
		EXPECT(page(0, 0, e->offline), US_CLASS_OFFLINE, 0);
}

static void runs_of_pages(const struct era *e, const struct us_layout *layout)
{
	const uint32_t none = 0xffffffff;
	uint64_t lru = BIT(e->lru);

	EXPECT(buddy(e, 0), US_CLASS_FREE, 0);
	EXPECT(buddy(e, ORDERS - 1), US_CLASS_FREE, ORDERS - 1);
	EXPECT(compound(e, page(lru, 0xffff888000001231, none), 9, false), US_CLASS_USER, 9);
	EXPECT(compound(e, page(lru, 0xffff888000001230, none), 4, false), US_CLASS_CACHE, 4);
	EXPECT(compound(e, page(0, 0, none), 9, true), US_CLASS_USER, 9);
	EXPECT(compound(e, page(0, 0, none), 9, false), US_CLASS_KEEP, 9);
	EXPECT(compound(e, slab(e, 0), 3, false), US_CLASS_SLAB, 3);
	if (e->unaccepted)
		EXPECT(page(0, 0, e->unaccepted), US_CLASS_FREE, ORDERS - 1);
}

static void what_cannot_be(const struct era *e, const struct us_layout *layout)
{
	struct pair p = compound(e, page(BIT(e->lru), 1, 0xffffffff), 9, false);
	struct us_page_says says;

	EXPECT(buddy(e, ORDERS), US_CLASS_KEEP, 0);
	EXPECT(buddy(e, UINT64_MAX), US_CLASS_KEEP, 0);
	EXPECT(compound(e, page(BIT(e->lru), 1, 0xffffffff), 200, false), US_CLASS_KEEP, 0);
	says = us_page_classify(&layout->rules, 0x4001, p.head, p.second); /* not aligned */
	assert_true(says.class == US_CLASS_KEEP && says.odd);
	says = us_page_classify(&layout->rules, 0x4000, p.head, NULL);
	assert_true(says.class == US_CLASS_KEEP && says.odd);
	p = buddy(e, 3);
	says = us_page_classify(&layout->rules, 0x4004, p.head, p.second);
	assert_true(says.class == US_CLASS_KEEP && says.odd);
	p = buddy(e, 3);
	us_put_le64(p.head + 8, 0xffffea0000000001);
	says = us_page_classify(&layout->rules, 0x4000, p.head, p.second);
	assert_true(says.class == US_CLASS_KEEP && says.tail && says.order == 0);
}

static struct us_err *layout_of(const char *text, struct us_pool *pool, struct us_layout **ret)
{
	struct us_vmcore core = {
		.arch = us_arch_by_id(US_ARCH_X86_64),
		.page_bytes = 4096,
		.page_shift = 12,
	};

	US_TRY(us_vmcoreinfo_parse(us_bytes_of(text, strlen(text)), pool, &core.info));
	core.release = us_vmcoreinfo_text(core.info, "OSRELEASE");
	return us_layout_find(&core, ret);
}

static void test_pages_of_every_era(void **state)
{
	(void)state;
	for (size_t i = 0; i < us_array_size(eras); i++) {
		_us_pool_deinit_ struct us_pool pool = { 0 };
		struct us_layout *layout;
		char text[2048];

		describe(&eras[i], text);
		assert_null(layout_of(text, &pool, &layout));
		assert_null(layout->rules_missing);
		order_zero_pages(&eras[i], layout);
		runs_of_pages(&eras[i], layout);
		what_cannot_be(&eras[i], layout);
		us_layout_free(layout);
	}
}

/* Pages of all kinds in any order: taken together they are what each is by itself. */
static void test_alike_pages_are_taken_together(void **state)
{
	enum { PAGES = 20000 };
	static uint8_t pages[(PAGES + 1) * SIZE];
	uint32_t random = 1;

	(void)state;
	for (size_t i = 0; i < us_array_size(eras); i++) {
		const struct era *e = &eras[i];
		const uint64_t flags[] = { 0,
					   BIT(e->lru),
					   BIT(e->lru) | BIT(e->private),
					   BIT(e->head),
					   BIT(e->poison),
					   BIT(e->swapbacked),
					   BIT(e->swapcache) };
		const uint32_t types[] = { 0xffffffff,
					   0,
					   7,
					   e->buddy,
					   e->hugetlb_type,
					   e->slab_type ? e->slab_type : 1,
					   e->offline };
		_us_pool_deinit_ struct us_pool pool = { 0 };
		struct us_layout *layout;
		char text[2048];

		for (size_t at = 0; at <= PAGES; at++) {
			struct pair p;

			random = random * 1664525 + 1013904223;
			if (random >> 29 && at) { /* mostly as the page before */
				memcpy(pages + at * SIZE, pages + (at - 1) * SIZE, SIZE);
				continue;
			}
			p = page(flags[(random >> 8) % us_array_size(flags)],
				 0x1000 | (random >> 16 & 3),
				 types[(random >> 20) % us_array_size(types)]);
			p.head[8] = random >> 26 == 9;
			memcpy(pages + at * SIZE, p.head, SIZE);
		}
		describe(e, text);
		assert_null(layout_of(text, &pool, &layout));
		assert_true(layout->rules.judged != 0);
		for (size_t at = 0, same; at < PAGES; at += same) {
			const uint8_t *p = pages + at * SIZE;
			struct us_page_says says =
				us_page_classify_many(&layout->rules, 1 + at, p, PAGES - at, &same);

			assert_true(same > 0 && same <= PAGES - at);
			for (size_t k = 0; k < same; k++, p += SIZE) {
				struct us_page_says one =
					us_page_classify(&layout->rules, 1 + at + k, p, p + SIZE);

				assert_true(one.class == says.class && one.order == says.order);
			}
		}
		us_layout_free(layout);
	}
}

/* From 6.12 the low 24 bits of a typed page have other uses; before it all bits count. */
static void test_only_the_top_byte_is_a_type(void **state)
{
	static const struct {
		size_t era;
		uint32_t type;
		enum us_page_class class;
	} rows[] = {
		{ 8, 0xf5000007, US_CLASS_SLAB },    { 8, 0xf4000001, US_CLASS_KEEP },
		{ 8, 0xf1123456, US_CLASS_OFFLINE }, { 7, 0xffffefff, US_CLASS_SLAB },
		{ 7, 0xffffeffe, US_CLASS_KEEP },    { 8, 0xf2000000, US_CLASS_KEEP },
	};

	(void)state;
	for (size_t i = 0; i < us_array_size(rows); i++) {
		_us_pool_deinit_ struct us_pool pool = { 0 };
		struct us_layout *layout;
		char text[2048];

		describe(&eras[rows[i].era], text);
		assert_null(layout_of(text, &pool, &layout));
		EXPECT(page(0, 0, rows[i].type), rows[i].class, 0);
		us_layout_free(layout);
	}
}

static void test_a_missing_field_is_named(void **state)
{
	static const char *const keys[] = { "SIZE(page)",           "OFFSET(page.flags)",
					    "OFFSET(page.mapping)", "OFFSET(page._mapcount)",
					    "OFFSET(page.private)", "OFFSET(page.compound_head)",
					    "NUMBER(PG_head_mask)" };

	(void)state;
	for (size_t i = 0; i < us_array_size(keys); i++) {
		_us_pool_deinit_ struct us_pool pool = { 0 };
		struct us_layout *layout;
		char text[2048];

		describe(&eras[3], text);
		*strstr(text, keys[i]) = '#';
		assert_null(layout_of(text, &pool, &layout));
		assert_string_equal(layout->rules_missing, keys[i]);
		us_layout_free(layout);
	}
}

/* Offsets and sizes that would lead out of a struct page are as good as missing. */
static void test_impossible_offsets_are_refused(void **state)
{
	static const char *const lines[] = { "OFFSET(page.flags)=60\n", "OFFSET(page.private)=-8\n",
					     "SIZE(page)=0\n", "SIZE(page)=1073741824\n" };

	(void)state;
	for (size_t i = 0; i < us_array_size(lines); i++) {
		_us_pool_deinit_ struct us_pool pool = { 0 };
		struct us_layout *layout;
		char text[2048];

		describe(&eras[3], text);
		strcat(text, lines[i]);
		assert_null(layout_of(text, &pool, &layout));
		assert_non_null(layout->rules_missing);
		us_layout_free(layout);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages_of_every_era),
		cmocka_unit_test(test_alike_pages_are_taken_together),
		cmocka_unit_test(test_only_the_top_byte_is_a_type),
		cmocka_unit_test(test_a_missing_field_is_named),
		cmocka_unit_test(test_impossible_offsets_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
