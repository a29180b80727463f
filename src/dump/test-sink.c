/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of dumps to sinks: each order is kept to, and what the far side holds is the dump. */
#include "base/cleanup.h"
#include "dump/dump-int.h"

#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define PAGE      4096u
#define PAGES     3000u
#define DATA_AT   (2 * PAGE)
#define CORE_SIZE (DATA_AT + PAGES * PAGE)
#define FAR_MAX   (32u << 20)

struct world {
	uint8_t *bytes;
	struct us_vmcore *core;
	uint8_t *far; /* the far side */
	uint64_t far_end, next, room;
	bool begun, head_came, slips; /* slips: the next thing read back fails */
	bool lazy, fell;              /* lazy: that something fell is said later, so many calls */
	unsigned int calls;
	struct us_sink sink;
};

static void make_core(uint8_t *p)
{
	static const char info[] = "OSRELEASE=6.1.0-test\nPAGESIZE=4096\nNUMBER(phys_base)=4096\n";
	Elf64_Ehdr head = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					 ELFDATA2LSB, EV_CURRENT },
			    .e_type = ET_CORE,
			    .e_machine = EM_X86_64,
			    .e_version = 1,
			    .e_phoff = sizeof(head),
			    .e_ehsize = sizeof(head),
			    .e_phentsize = sizeof(Elf64_Phdr),
			    .e_phnum = 2 };
	Elf64_Nhdr text = { 11, sizeof(info) - 1, 0 };
	Elf64_Phdr segments[] = { { .p_type = PT_NOTE,
				    .p_offset = PAGE,
				    .p_filesz = 24 + (sizeof(info) + 2) / 4 * 4 },
				  { .p_type = PT_LOAD,
				    .p_offset = DATA_AT,
				    .p_paddr = 0x100000,
				    .p_vaddr = 0xffff888000100000u,
				    .p_filesz = PAGES * PAGE,
				    .p_memsz = PAGES * PAGE } };

	memcpy(p, &head, sizeof(head));
	memcpy(p + sizeof(head), segments, sizeof(segments));
	memcpy(p + PAGE, &text, sizeof(text));
	memcpy(p + PAGE + 12, "VMCOREINFO", 11);
	memcpy(p + PAGE + 24, info, sizeof(info) - 1);
	for (uint32_t i = 0, x = 1; i < PAGES * PAGE; i++) {
		x = x * 1664525 + 1013904223;
		p[DATA_AT + i] = i / PAGE % 3 ? (uint8_t)(x >> 24) : 0;
	}
}

static struct us_err *far_settle(struct us_sink *sink)
{
	struct world *w = sink->data;
	bool fell = w->fell;

	w->fell = false;
	w->calls = 0;
	return fell ? us_err_new(US_ERR_NO_ROOM, "full") : NULL;
}

static struct us_err *far_write(struct us_sink *sink, uint64_t at, struct us_bytes bytes)
{
	struct world *w = sink->data;

	assert_true(at + bytes.n <= FAR_MAX);
	assert_false(w->head_came);
	if (sink->order == US_SINK_HEAD_LAST && !w->begun) {
		if (at) { /* nothing but a head may come first if there is no data */
			assert_int_equal(at % sink->head_bytes, 0);
			w->next = at;
		}
		w->begun = true;
	}
	if (sink->order == US_SINK_HEAD_LAST && !at)
		w->head_came = true;
	else if (sink->order != US_SINK_ANY)
		assert_int_equal(at, w->next);
	if (w->fell && ++w->calls == 5)
		return far_settle(sink);
	if (w->room && at + bytes.n > w->room) {
		w->fell = true;
		return w->lazy ? NULL : far_settle(sink);
	}
	memcpy(w->far + at, bytes.p, bytes.n);
	if (sink->order != US_SINK_ANY)
		w->next = at + bytes.n;
	if (at + bytes.n > w->far_end)
		w->far_end = at + bytes.n;
	return NULL;
}

static struct us_err *far_read(struct us_sink *sink, uint64_t at, void *p, size_t n)
{
	struct world *w = sink->data;

	if (w->slips) {
		w->slips = false;
		return us_err_new(US_ERR_OS, "not this time");
	}
	US_TRY(far_settle(sink));
	memcpy(p, w->far + at, n);
	return NULL;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->bytes = calloc(1, CORE_SIZE);
	w->far = calloc(1, FAR_MAX);
	assert_non_null(w->bytes);
	assert_non_null(w->far);
	make_core(w->bytes);
	assert_null(us_vmcore_parse("made", us_bytes_of(w->bytes, CORE_SIZE), &w->core));
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	us_vmcore_free(w->core);
	free(w->bytes);
	free(w->far);
	free(w);
	return 0;
}

static void begin(struct world *w, enum us_sink_order order)
{
	memset(w->far, 0, FAR_MAX);
	w->far_end = w->next = w->room = 0;
	w->begun = w->head_came = w->lazy = w->fell = false;
	w->sink = (struct us_sink){ .write = far_write,
				    .settle = order == US_SINK_ANY ? far_settle : NULL,
				    .read = order == US_SINK_ANY ? far_read : NULL,
				    .order = order,
				    .head_bytes = order == US_SINK_HEAD_LAST ? 3u << 16 : 0,
				    .data = w };
}

/* What arrived is a dump with right pages; returns how many. */
static uint64_t check(const struct world *w, bool incomplete)
{
	struct us_verify_result r;
	struct us_vmcore *dump = NULL;
	uint8_t page[PAGE];
	uint64_t n = 0;

	assert_null(us_vmcore_parse("far", us_bytes_of(w->far, w->far_end), &dump));
	assert_int_equal(dump->incomplete, incomplete);
	for (uint64_t i = 0; i < PAGES; i++) {
		if (us_vmcore_page_state(dump, 0x100 + i) != US_PAGE_PRESENT)
			continue;
		assert_null(us_vmcore_read(dump, (0x100 + i) * PAGE, page, PAGE));
		assert_memory_equal(page, w->bytes + DATA_AT + i * PAGE, PAGE);
		n++;
	}
	assert_null(us_dump_verify(dump, 1, NULL, &r));
	assert_int_equal(r.bad_pages + r.bad_sums + r.lost_pages, 0);
	us_verify_result_deinit(&r);
	us_vmcore_free(dump);
	return n;
}

static void test_each_order_and_format_arrives(void **state)
{
	static const struct {
		enum us_sink_order order;
		enum us_dump_format format;
	} cases[] = {
		{ US_SINK_ANY, US_DUMP_KDUMP },     { US_SINK_ANY, US_DUMP_ELF },
		{ US_SINK_ANY, US_DUMP_FLAT },      { US_SINK_HEAD_LAST, US_DUMP_KDUMP },
		{ US_SINK_HEAD_LAST, US_DUMP_ELF }, { US_SINK_HEAD_LAST, US_DUMP_FLAT },
		{ US_SINK_STREAM, US_DUMP_ELF },    { US_SINK_STREAM, US_DUMP_FLAT },
	};
	struct world *w = *state;

	for (size_t i = 0; i < us_array_size(cases); i++)
		for (unsigned int jobs = 1; jobs < 4; jobs++) {
			struct us_dump_wish wish = { .format = cases[i].format,
						     .codec = US_PAGE_LZO,
						     .level = US_DUMP_ZERO,
						     .jobs = jobs };
			struct us_dump_result r;

			begin(w, cases[i].order);
			assert_null(us_dump_to(w->core, NULL, &wish, &w->sink, NULL, &r));
			assert_true(r.complete);
			assert_int_equal(check(w, false), PAGES);
			if (cases[i].order == US_SINK_HEAD_LAST)
				assert_true(w->head_came);
			us_dump_result_deinit(&r);
		}
}

static void test_a_stream_takes_no_kdump_format(void **state)
{
	struct world *w = *state;
	struct us_dump_wish wish = { .format = US_DUMP_KDUMP, .codec = US_PAGE_LZO };
	struct us_dump_result r;
	struct us_err *err;

	begin(w, US_SINK_STREAM);
	err = us_dump_to(w->core, NULL, &wish, &w->sink, NULL, &r);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_USAGE);
	assert_int_equal(w->far_end, 0);
	us_err_free(err);
}

/* Ended early, by a limit or since the far side is full: a smaller dump, marked so. */
static void test_a_smaller_dump_is_closed(void **state)
{
	static const enum us_sink_order orders[] = { US_SINK_ANY, US_SINK_HEAD_LAST };
	struct world *w = *state;

	for (size_t i = 0; i < us_array_size(orders); i++)
		for (unsigned int full = 0; full < 2; full++) {
			struct us_dump_wish wish = { .format = US_DUMP_KDUMP,
						     .codec = US_PAGE_RAW,
						     .limit = full ? 0 : 5u << 20,
						     .jobs = 2 };
			struct us_dump_result r;
			uint64_t n;

			begin(w, orders[i]);
			w->room = full ? 5u << 20 : 0;
			assert_null(us_dump_to(w->core, NULL, &wish, &w->sink, NULL, &r));
			assert_false(r.complete);
			n = check(w, false);
			assert_true(n > 500 && n < 2500);
			assert_int_equal(r.pages_dropped, PAGES - n);
			assert_true(w->far_end <= 5u << 20);
			us_dump_result_deinit(&r);
		}
}

/* A far side that says only later that it was full: nothing is told to be there that is not. */
static void test_a_late_answer_costs_no_page_that_is_told(void **state)
{
	struct world *w = *state;

	for (unsigned int i = 0; i < 40; i++) {
		struct us_dump_wish wish = { .format = i % 2 ? US_DUMP_ELF : US_DUMP_KDUMP,
					     .codec = US_PAGE_RAW,
					     .jobs = 1 + i / 2 % 2 };
		struct us_dump_result r;
		uint64_t n;

		begin(w, US_SINK_ANY);
		w->room = (3u << 20) + i * 30000;
		w->lazy = true;
		assert_null(us_dump_to(w->core, NULL, &wish, &w->sink, NULL, &r));
		assert_false(r.complete);
		n = check(w, false);
		assert_true(n > 100 && n == r.pages_kept);
		us_dump_result_deinit(&r);
	}
}

/* Too little memory to note all runs: they are read back from bitmap 2. */
static struct us_err *scatter(void *data, us_run_fn fn, void *fn_data, struct us_progress *progress,
			      struct us_scan *ret)
{
	(void)data;
	(void)progress;
	for (uint64_t i = 0; i < PAGES; i += 2) {
		struct us_run run = { .pfn = 0x100 + i, .count = 1, .class = US_CLASS_KEEP };

		ret->pages[US_CLASS_KEEP]++;
		US_TRY(fn(fn_data, &run));
	}
	return NULL;
}

static struct us_err *dump_scattered(struct world *w, unsigned int jobs, struct us_dump_result *r)
{
	struct us_dump_wish wish = { .format = US_DUMP_KDUMP, .codec = US_PAGE_LZO, .jobs = jobs };
	struct us_dump_job job = { .core = w->core,
				   .wish = &wish,
				   .scan = scatter,
				   .sink = &w->sink,
				   .runs = { .max_bytes = 1 },
				   .result = r,
				   .out = { .fd = -1 } };

	memset(r, 0, sizeof(*r));
	return us_dump_run(&job, NULL, -1);
}

static void test_runs_are_read_back_from_the_far_side(void **state)
{
	static const enum us_sink_order orders[] = { US_SINK_ANY, US_SINK_HEAD_LAST };
	struct world *w = *state;

	for (size_t i = 0; i < us_array_size(orders); i++) {
		struct us_dump_result r;

		begin(w, orders[i]);
		assert_null(dump_scattered(w, 2, &r));
		assert_true(r.complete);
		assert_int_equal(check(w, false), PAGES / 2);
		us_dump_result_deinit(&r);
	}
}

static void test_runs_that_cannot_be_read_back_are_said(void **state)
{
	struct world *w = *state;
	struct us_dump_result r;

	begin(w, US_SINK_ANY);
	w->slips = true;
	assert_null(dump_scattered(w, 1, &r));
	assert_false(r.complete);
	assert_non_null(strstr(r.stopped, "read back"));
	assert_int_equal(check(w, false), r.pages_kept);
	assert_int_equal(r.pages_kept + r.pages_dropped, PAGES / 2);
	us_dump_result_deinit(&r);
}

/* Takes three chunks and has no room for the fourth. */
static struct us_err *take_three(void *data, struct us_chunk *chunk)
{
	unsigned int *taken = data;

	chunk->no_room = ++*taken > 3;
	for (size_t i = 0; i < chunk->n_descs; i++)
		chunk->descs[i].offset &= ~US_DESC_HERE;
	return NULL;
}

/* What others have packed by then would stand at a wrong place. */
static void test_nothing_in_order_is_taken_behind_the_end(void **state)
{
	struct world *w = *state;
	struct us_runs runs;

	us_runs_init(&runs, 1u << 20);
	us_runs_add(&runs, 0x100, PAGES, 0);
	us_runs_end(&runs);
	for (unsigned int jobs = 1; jobs < 4; jobs++) {
		unsigned int taken = 0;
		struct us_copy copy = { .core = w->core,
					.runs = &runs,
					.codec = US_PAGE_LZO,
					.jobs = jobs,
					.ordered = true,
					.take = take_three,
					.data = &taken };

		assert_null(us_copy_run(&copy));
		assert_int_equal(taken, 4);
	}
	us_runs_deinit(&runs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_order_and_format_arrives),
		cmocka_unit_test(test_a_stream_takes_no_kdump_format),
		cmocka_unit_test(test_a_smaller_dump_is_closed),
		cmocka_unit_test(test_a_late_answer_costs_no_page_that_is_told),
		cmocka_unit_test(test_runs_are_read_back_from_the_far_side),
		cmocka_unit_test(test_runs_that_cannot_be_read_back_are_said),
		cmocka_unit_test(test_nothing_in_order_is_taken_behind_the_end),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
