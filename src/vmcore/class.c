/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A struct page -> what its page is for: one pure function over the rules of a kernel and the bytes
 * of one struct page (and the next, for compound pages). The rules come from exported numbers only,
 * never from a table of bits: bits move (PG_head was 16 and is 6). Encodings from 4.18 to 7.1:
 * include/linux/page-flags.h and mm_types.h of those kernels.
 *
 * The type word and _mapcount share their place: before 6.12 a type is a whole word with bits
 * cleared, from 6.12 it is the top byte and the rest has other uses.
 */
#include "vmcore/layout-int.h"

#include <endian.h>
#include <string.h>

#define MAPPING_ANON    1
#define COMPOUND_TAIL   1
#define ORDER_MAX       23 /* 16 GiB in pages of 4 KiB: the largest huge page there is */
#define STRUCT_PAGE_MIN 32

static uint64_t word(const uint8_t *page, uint32_t at)
{
	uint64_t v;

	memcpy(&v, page + at, sizeof(v));
	return le64toh(v);
}

static bool is_type(const struct us_type_rule *rule, uint32_t type)
{
	uint32_t differs = type ^ rule->value;

	return rule->known && (rule->top_byte ? differs >> 24 : differs) == 0;
}

static bool is_hugetlb(const struct us_page_rules *rules, uint32_t type, const uint8_t *second)
{
	switch (rules->hugetlb_by) {
	case US_HUGETLB_TYPE:
		return is_type(&rules->hugetlb, type);
	case US_HUGETLB_FLAG:
		return second && (word(second, rules->flags) & rules->hugetlb_flag);
	case US_HUGETLB_DTOR:
		return second && second[rules->dtor_at] == rules->dtor;
	case US_HUGETLB_UNKNOWN:
		break;
	}
	return false;
}

static bool fits(uint64_t pfn, uint64_t order)
{
	return order < ORDER_MAX && (pfn & ((1ull << order) - 1)) == 0;
}

/* Buddy or unaccepted: the run must be one that the allocator can have. */
static struct us_page_says free_run(const struct us_page_rules *rules, uint64_t pfn, uint64_t order)
{
	if (order >= rules->free_orders || !fits(pfn, order))
		return (struct us_page_says){ .class = US_CLASS_KEEP, .odd = true };
	return (struct us_page_says){ .class = US_CLASS_FREE, .order = (unsigned int)order };
}

/* Pages in use that are no slab: the flags and the mapping tell. */
static enum us_page_class used(const struct us_page_rules *rules, uint64_t flags,
			       const uint8_t *page)
{
	bool cache =
		(flags & rules->lru) || ((flags & rules->swapcache) && (flags & rules->swapbacked));

	if (word(page, rules->mapping) & MAPPING_ANON)
		return US_CLASS_USER;
	if (!cache)
		return US_CLASS_KEEP;
	return flags & rules->priv ? US_CLASS_CACHE_PRIVATE : US_CLASS_CACHE;
}

uint64_t us_page_flags(const struct us_page_rules *rules, const uint8_t *page)
{
	return word(page, rules->flags);
}

static inline struct us_page_says judge(const struct us_page_rules *rules, uint64_t pfn,
					const uint8_t *page, const uint8_t *second)
{
	uint64_t flags = word(page, rules->flags);
	struct us_page_says says = { .class = US_CLASS_KEEP };
	bool slab, hugetlb = false;
	uint32_t type;

	memcpy(&type, page + rules->type, sizeof(type));
	type = le32toh(type);
	if (page[rules->compound] & COMPOUND_TAIL) {
		says.tail = true;
		return says;
	}
	slab = rules->slab_flag ? flags & rules->slab_flag : is_type(&rules->slab, type);
	if (!slab && is_type(&rules->buddy, type))
		return free_run(rules, pfn, word(page, rules->private));
	if (!slab && is_type(&rules->unaccepted, type))
		return free_run(rules, pfn, rules->free_orders - 1);
	if (flags & rules->head) {
		if (!second || !rules->has_order || !fits(pfn, second[rules->order_at])) {
			says.odd = true;
			return says;
		}
		says.order = second[rules->order_at];
		hugetlb = is_hugetlb(rules, type, second);
	}
	if (flags & rules->poison)
		says.class = US_CLASS_POISON;
	else if (slab)
		says.class = US_CLASS_SLAB;
	else if (is_type(&rules->offline, type))
		says.class = US_CLASS_OFFLINE;
	else if (hugetlb)
		says.class = US_CLASS_USER;
	else
		says.class = used(rules, flags, page);
	return says;
}

struct us_page_says us_page_classify(const struct us_page_rules *rules, uint64_t pfn,
				     const uint8_t *page, const uint8_t *second)
{
	return judge(rules, pfn, page, second);
}

/* No type: _mapcount, which is -1 or more. */
static inline bool untyped(const struct us_page_rules *rules, const uint8_t *page)
{
	uint32_t type;

	memcpy(&type, page + rules->type, sizeof(type));
	return le32toh(type) + 1 <= INT32_MAX;
}

/* How many of n single pages without a type are alike in all that judge() looks at. */
static size_t count_alike(const struct us_page_rules *rules, const uint8_t *pages, size_t n)
{
	uint64_t flags = word(pages, rules->flags), mapping = word(pages, rules->mapping);
	uint64_t differs = 0;
	size_t i = 1;

	for (; i < n; i++) {
		const uint8_t *page = pages + i * rules->size;

		differs = (word(page, rules->flags) ^ flags) & rules->judged;
		differs |= (word(page, rules->mapping) ^ mapping) & MAPPING_ANON;
		differs |= page[rules->compound] & COMPOUND_TAIL;
		if (differs || !untyped(rules, page))
			break;
	}
	return i;
}

struct us_page_says us_page_classify_many(const struct us_page_rules *rules, uint64_t pfn,
					  const uint8_t *pages, size_t n, size_t *ret_same)
{
	struct us_page_says says = judge(rules, pfn, pages, pages + rules->size);

	*ret_same = 1;
	if (rules->judged && untyped(rules, pages) && !says.tail &&
	    !(word(pages, rules->flags) & rules->head))
		*ret_same = count_alike(rules, pages, n);
	return says;
}

/* ---- the rules of a kernel from its fields ---- */

static uint64_t flag(const struct us_layout *layout, enum us_field field)
{
	int64_t bit = layout->value[field];

	return us_has(layout, field) && bit >= 0 && bit < 64 ? 1ull << bit : 0;
}

static struct us_type_rule type_rule(const struct us_layout *layout, enum us_field field)
{
	uint32_t value = (uint32_t)layout->value[field];

	return (struct us_type_rule){
		.known = us_has(layout, field),
		.top_byte = (value & 0xffffff) == 0,
		.value = value,
	};
}

/* The order and the mark of hugetlb in the second struct page. */
static void second_page_rules(const struct us_layout *layout, struct us_page_rules *rules)
{
	int64_t order = rules->flags, dtor = 0; /* from 6.6: the low byte of the flags */
	bool has_dtor = true;

	if (us_has(layout, US_F_PAGE_COMPOUND_ORDER))
		order = layout->value[US_F_PAGE_COMPOUND_ORDER];
	else if (us_has(layout, US_F_FOLIO_ORDER))
		order = layout->value[US_F_FOLIO_ORDER] - rules->size;
	if (us_has(layout, US_F_PAGE_COMPOUND_DTOR))
		dtor = layout->value[US_F_PAGE_COMPOUND_DTOR];
	else if (us_has(layout, US_F_FOLIO_DTOR))
		dtor = layout->value[US_F_FOLIO_DTOR] - rules->size;
	else
		has_dtor = false;
	if (order >= 0 && order < rules->size) {
		rules->has_order = true;
		rules->order_at = (uint32_t)order;
	}
	rules->hugetlb_flag = flag(layout, US_F_PG_HUGETLB);
	if (rules->hugetlb.known) {
		rules->hugetlb_by = US_HUGETLB_TYPE;
	} else if (rules->hugetlb_flag) {
		rules->hugetlb_by = US_HUGETLB_FLAG;
	} else if (has_dtor && us_has(layout, US_F_HUGETLB_PAGE_DTOR) && dtor >= 0 &&
		   dtor < rules->size) {
		rules->hugetlb_by = US_HUGETLB_DTOR;
		rules->dtor_at = (uint32_t)dtor;
		rules->dtor = (uint8_t)layout->value[US_F_HUGETLB_PAGE_DTOR];
	}
}

/* As they are in all kernels, so that a count of mappings is never taken for a type. */
static bool are_types_negative(const struct us_page_rules *rules)
{
	const struct us_type_rule *types[] = { &rules->buddy, &rules->offline, &rules->hugetlb,
					       &rules->slab, &rules->unaccepted };

	for (size_t i = 0; i < us_array_size(types); i++) {
		if (types[i]->known && types[i]->value + 1 <= INT32_MAX)
			return false;
	}
	return true;
}

void us_page_rules_make(struct us_layout *layout)
{
	struct us_page_rules *rules = &layout->rules;
	const struct {
		enum us_field field;
		uint32_t bytes, *at;
		const char *name;
	} offsets[] = {
		{ US_F_PAGE_FLAGS, 8, &rules->flags, "OFFSET(page.flags)" },
		{ US_F_PAGE_MAPPING, 8, &rules->mapping, "OFFSET(page.mapping)" },
		{ US_F_PAGE_MAPCOUNT, 4, &rules->type, "OFFSET(page._mapcount)" },
		{ US_F_PAGE_PRIVATE, 8, &rules->private, "OFFSET(page.private)" },
		{ US_F_PAGE_COMPOUND_INFO, 8, &rules->compound, "OFFSET(page.compound_head)" },
	};
	int64_t size = us_has(layout, US_F_SIZE_PAGE) ? layout->value[US_F_SIZE_PAGE] : 0;
	int64_t orders =
		us_has(layout, US_F_LENGTH_FREE_AREA) ? layout->value[US_F_LENGTH_FREE_AREA] : 0;

	layout->rules_missing = NULL;
	if (size < STRUCT_PAGE_MIN || size > US_STRUCT_PAGE_MAX)
		layout->rules_missing = "SIZE(page)";
	for (size_t i = 0; i < us_array_size(offsets) && !layout->rules_missing; i++) {
		int64_t at = layout->value[offsets[i].field];

		if (!us_has(layout, offsets[i].field) || at < 0 || at > size - offsets[i].bytes)
			layout->rules_missing = offsets[i].name;
		else
			*offsets[i].at = (uint32_t)at;
	}
	rules->size = (uint32_t)size;
	rules->head =
		us_has(layout, US_F_PG_HEAD_MASK) ? (uint64_t)layout->value[US_F_PG_HEAD_MASK] : 0;
	if (!layout->rules_missing && !rules->head)
		layout->rules_missing = "NUMBER(PG_head_mask)";
	if (layout->rules_missing)
		return;
	rules->lru = flag(layout, US_F_PG_LRU);
	rules->priv = flag(layout, US_F_PG_PRIVATE);
	rules->swapcache = flag(layout, US_F_PG_SWAPCACHE);
	rules->swapbacked = flag(layout, US_F_PG_SWAPBACKED);
	rules->poison = flag(layout, US_F_PG_HWPOISON);
	rules->buddy = type_rule(layout, US_F_TYPE_BUDDY);
	rules->offline = type_rule(layout, US_F_TYPE_OFFLINE);
	rules->hugetlb = type_rule(layout, US_F_TYPE_HUGETLB);
	rules->slab = type_rule(layout, US_F_TYPE_SLAB);
	rules->unaccepted = type_rule(layout, US_F_TYPE_UNACCEPTED);
	rules->slab_flag = rules->slab.known ? 0 : flag(layout, US_F_PG_SLAB);
	rules->free_orders = orders > 0 && orders < ORDER_MAX ? (unsigned int)orders : 0;
	second_page_rules(layout, rules);
	if (are_types_negative(rules))
		rules->judged = rules->head | rules->lru | rules->priv | rules->swapcache |
				rules->swapbacked | rules->slab_flag | rules->poison;
}

const char *us_page_class_name(enum us_page_class class)
{
	static const char *const names[US_CLASS_COUNT] = {
		[US_CLASS_KEEP] = "kernel",         [US_CLASS_FREE] = "free",
		[US_CLASS_CACHE] = "cache",         [US_CLASS_CACHE_PRIVATE] = "cache-private",
		[US_CLASS_USER] = "user",           [US_CLASS_SLAB] = "slab",
		[US_CLASS_OFFLINE] = "offline",     [US_CLASS_POISON] = "poison",
		[US_CLASS_PROTECTED] = "protected",
	};

	return class < US_CLASS_COUNT ? names[class] : "unknown";
}
