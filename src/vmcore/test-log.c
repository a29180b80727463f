/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of the kernel log walkers on the seeds of the fuzz target "log" (tests/fixtures/dumps/logs.py
 * makes them): whole, with pages that are missing, and with each link of the chain broken.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "vmcore/log-int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define BASE  UINT64_C(0xffffffff82000000)
#define RING  0x100 /* where logs.py puts the parts of a ring */
#define DESCS 0x1000
#define INFOS 0x3000
#define TEXT  0x9000

struct made {
	struct us_blob file;
	struct us_pool pool;
	struct us_log_source source;
	uint8_t *memory; /* in file, to be damaged */
	size_t n;
	uint64_t missing; /* bit i: page i cannot be read */
	struct us_text said;
	struct us_log_stats stats;
	struct us_log_record last;
};

static struct us_err *read_made(void *data, uint64_t virt, void *buf, size_t n)
{
	struct made *m = data;
	uint64_t off = virt - BASE;

	if (virt < BASE || off >= m->n || m->missing >> (off / US_LOG_PAGE) & 1)
		return us_err_new(US_ERR_NOT_FOUND, "0x%" PRIx64 " is not there", virt);
	memset(buf, 0, n);
	memcpy(buf, m->memory + off, n < m->n - off ? n : m->n - off);
	return NULL;
}

static struct us_err *take(void *data, const struct us_log_record *record)
{
	struct made *m = data;

	us_text_add(&m->said, "%s%" PRIu64 "/%u/%u %.*s|", record->continued ? "+" : "",
		    record->seq, record->level, record->facility, (int)record->text.n,
		    (const char *)record->text.p);
	m->last = *record;
	return NULL;
}

static void open_made(struct made *m, const char *name)
{
	_us_blob_deinit_ struct us_blob file = { 0 };
	char path[4096];
	size_t text;

	*m = (struct made){ 0 };
	snprintf(path, sizeof(path), "%s/../fuzz/corpus/log/%s", getenv("US_FIXTURES"), name);
	assert_null(us_file_map(path, &file));
	assert_null(us_blob_copy(us_blob_bytes(&file), &m->file));
	text = us_bytes_find(us_blob_bytes(&m->file), 0, "", 1);
	assert_true(text < m->file.n);
	assert_null(us_vmcoreinfo_parse(us_bytes_of(m->file.p, text), &m->pool, &m->source.info));
	m->memory = m->file.p + text + 1;
	m->n = m->file.n - text - 1;
	m->source.read = read_made;
	m->source.data = m;
}

static struct us_err *walk(struct made *m)
{
	us_text_deinit(&m->said);
	return us_log_walk(&m->source, take, m, &m->stats);
}

static void close_made(struct made *m)
{
	us_text_deinit(&m->said);
	us_pool_deinit(&m->pool);
	us_blob_deinit(&m->file);
}

static void assert_stats(const struct made *m, uint64_t records, uint64_t lost, uint64_t damaged)
{
	assert_int_equal(m->stats.records, records);
	assert_int_equal(m->stats.lost, lost);
	assert_int_equal(m->stats.damaged, damaged);
}

static bool says(const struct made *m, const char *words)
{
	return m->said.s && strstr(m->said.s, words);
}

static size_t find(const struct made *m, const char *words)
{
	size_t at = us_bytes_find(us_bytes_of(m->memory, m->n), 0, words, strlen(words));

	assert_true(at < m->n);
	return at;
}

static void test_ring_is_told_whole(void **state)
{
	struct made m;

	(void)state;
	open_made(&m, "ring");
	assert_null(walk(&m));
	assert_stats(&m, 12, 0, 0);
	assert_memory_equal(m.said.s, "0/5/0 Linux version 6.12.0-made", 31);
	assert_true(says(&m, "|3/6/0 .... node  #0, CPUs:      |+4/6/0 #1 #2|"));
	assert_true(says(&m, "|5/6/3 systemd[1]: Started the second line\nand a third|"));
	assert_true(says(&m, "|7/6/0 |8/6/0 sysrq: Trigger a crash|"));
	assert_true(m.last.ns == UINT64_C(9000030000) && m.last.caller == 0x80000001);
	close_made(&m);
}

static void test_ring_that_wrapped_has_its_newest(void **state)
{
	static const char *const names[] = { "ring-wrapped", "ring-text-ends" };

	(void)state;
	for (size_t i = 0; i < us_array_size(names); i++) {
		struct made m;

		open_made(&m, names[i]);
		assert_null(walk(&m));
		assert_int_equal(m.last.seq, 99);
		assert_true(m.stats.records > 8 && m.stats.records < 100);
		assert_int_equal(m.stats.records + m.stats.lost, 100);
		assert_int_equal(m.stats.damaged, 0);
		close_made(&m);
	}
}

static void test_sequence_numbers_tell_what_is_lost(void **state)
{
	struct made m;

	(void)state;
	open_made(&m, "ring-late");
	assert_null(walk(&m));
	assert_stats(&m, 12, 1000, 0);
	close_made(&m);
}

static void test_a_record_in_the_making_is_left_out(void **state)
{
	struct made m;

	(void)state;
	open_made(&m, "ring-open");
	assert_null(walk(&m));
	assert_stats(&m, 4, 0, 0);
	assert_true(says(&m, "|3/6/0 .... node"));
	assert_false(says(&m, "#1 #2"));
	close_made(&m);
}

static void test_a_missing_page_costs_what_is_in_it(void **state)
{
	struct made m;

	(void)state;
	open_made(&m, "ring");
	m.missing = 1 << (INFOS / US_LOG_PAGE);
	assert_null(walk(&m));
	assert_stats(&m, 0, 0, 12);
	m.missing = 1 << (TEXT / US_LOG_PAGE);
	assert_null(walk(&m));
	assert_stats(&m, 1, 0, 11); /* the empty line needs no text */
	close_made(&m);
}

static void test_a_torn_text_is_told_as_far_as_it_goes(void **state)
{
	struct made m;

	(void)state;
	open_made(&m, "ring-two-pages");
	assert_null(walk(&m));
	assert_stats(&m, 100, 0, 0);
	m.missing = 1 << (TEXT / US_LOG_PAGE + 1);
	assert_null(walk(&m));
	assert_true(m.stats.records > 50 && m.stats.records < 100);
	assert_int_equal(m.stats.records + m.stats.damaged, 101);
	assert_true(m.last.text.n && m.last.text.n < 9 + m.last.seq % 50);
	close_made(&m);
}

static void test_contradictions_cost_one_record(void **state)
{
	static const struct {
		size_t at;
		uint8_t value;
	} damages[] = {
		{ DESCS + 24 * 5, 0x77 },     /* another descriptor's id */
		{ DESCS + 24 * 5 + 8, 0xee }, /* a text that starts elsewhere */
		{ DESCS + 24 * 5 + 22, 1 },   /* a text that ends elsewhere */
		{ INFOS + 88 * 5, 99 },       /* another record's number */
	};

	(void)state;
	for (size_t i = 0; i < us_array_size(damages); i++) {
		struct made m;

		open_made(&m, "ring");
		m.memory[damages[i].at] = damages[i].value;
		assert_null(walk(&m));
		assert_stats(&m, 11, 0, 1);
		assert_false(says(&m, "systemd[1]"));
		assert_true(says(&m, "|6/4/1 bell"));
		close_made(&m);
	}
}

static void test_wrong_ends_do_not_hide_the_ring(void **state)
{
	struct made m;

	(void)state;
	open_made(&m, "ring");
	m.memory[RING + 32 + 5] ^= 0x40; /* tail_id */
	assert_null(walk(&m));
	assert_int_equal(m.stats.records, 12);
	assert_true(says(&m, "0/5/0 Linux version"));
	close_made(&m);
}

static void assert_refused(const char *name, size_t at, uint8_t value, uint64_t missing,
			   const char *why)
{
	_us_err_free_ struct us_err *err = NULL;
	struct made m;

	open_made(&m, name);
	m.memory[at] = value;
	m.missing = missing;
	err = walk(&m);
	assert_non_null(err);
	assert_non_null(strstr(err->text, why));
	close_made(&m);
}

static void test_what_leads_nowhere_is_named(void **state)
{
	(void)state;
	assert_refused("ring", 7, 0x11, 0, "count_bits");
	assert_refused("ring", 0, 0, 1, "prb at 0xffffffff82000000");
	assert_refused("ring", RING, 40, 0, "a ring of 2^40 records");
	assert_refused("ring", RING + 48, 60, 0, "2^60 bytes");
	assert_refused("records", 0, 0, 1, "log_buf at 0xffffffff82000000");
	assert_refused("records", 18, 0xff, 0, "used to");
}

static struct us_err *walk_info(const char *text)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct made m = { 0 };

	m.source = (struct us_log_source){ .read = read_made, .data = &m };
	assert_null(us_vmcoreinfo_parse(us_bytes_of(text, strlen(text)), &pool, &m.source.info));
	return walk(&m);
}

static void test_missing_keys_are_named(void **state)
{
	static const struct {
		const char *info, *why;
	} cases[] = {
		{ "OSRELEASE=6.1\n", "neither SYMBOL(prb) nor" },
		{ "SYMBOL(prb)=1000\n", "no OFFSET(printk_ringbuffer.desc_ring)" },
		{ "SYMBOL(log_buf)=1000\n", "no SIZE(printk_log)" },
		{ "SYMBOL(prb)=1\nOFFSET(printk_ringbuffer.desc_ring)=-1\n", "is -1" },
	};

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++) {
		_us_err_free_ struct us_err *err = walk_info(cases[i].info);

		assert_non_null(err);
		assert_non_null(strstr(err->text, cases[i].why));
	}
}

static void test_records_are_told_whole(void **state)
{
	static const struct {
		const char *name;
		uint32_t caller;
	} cases[] = { { "records", 0x80000001 }, { "records-no-caller", 0 }, { "records-log", 0 } };

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++) {
		struct made m;

		open_made(&m, cases[i].name);
		assert_null(walk(&m));
		assert_stats(&m, 12, 0, 0);
		assert_memory_equal(m.said.s, "0/5/0 Linux version 6.12.0-made", 31);
		assert_true(says(&m, "|+4/6/0 #1 #2|5/6/3 systemd[1]"));
		assert_int_equal(m.last.caller, cases[i].caller);
		close_made(&m);
	}
}

static void test_records_that_wrapped_end_with_the_newest(void **state)
{
	struct made m;

	(void)state;
	open_made(&m, "records-wrapped");
	assert_null(walk(&m));
	assert_int_equal(m.stats.damaged, 0);
	assert_true(m.stats.records > 5 && m.stats.records < 30);
	assert_int_equal(m.last.ns, 99000);
	close_made(&m);
}

static void test_records_go_on_after_damage(void **state)
{
	struct made m;

	(void)state;
	open_made(&m, "records");
	m.memory[find(&m, "x86: Booting") - 20 + 8] = 3; /* len */
	assert_null(walk(&m));
	assert_int_equal(m.stats.records, 11);
	assert_int_equal(m.stats.damaged, 1);
	assert_false(says(&m, "x86: Booting"));
	assert_true(says(&m, ".... node"));
	close_made(&m);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ring_is_told_whole),
		cmocka_unit_test(test_ring_that_wrapped_has_its_newest),
		cmocka_unit_test(test_sequence_numbers_tell_what_is_lost),
		cmocka_unit_test(test_a_record_in_the_making_is_left_out),
		cmocka_unit_test(test_a_missing_page_costs_what_is_in_it),
		cmocka_unit_test(test_a_torn_text_is_told_as_far_as_it_goes),
		cmocka_unit_test(test_contradictions_cost_one_record),
		cmocka_unit_test(test_wrong_ends_do_not_hide_the_ring),
		cmocka_unit_test(test_what_leads_nowhere_is_named),
		cmocka_unit_test(test_missing_keys_are_named),
		cmocka_unit_test(test_records_are_told_whole),
		cmocka_unit_test(test_records_that_wrapped_end_with_the_newest),
		cmocka_unit_test(test_records_go_on_after_damage),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
