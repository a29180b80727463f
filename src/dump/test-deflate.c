/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pages of many kinds through our deflate and back through zlib: every alphabet, every length of
 * match, frequencies that make codes too long, and what does not shrink. Nothing may be written
 * behind the room that was promised.
 */
#include "dump/deflate-int.h"
#include "dump/dump-int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROOM  (US_DEFLATE_MAX + 16)
#define GUARD 64

struct world {
	struct us_deflate *deflate;
	struct us_page_unpacker *unpacker;
	uint8_t page[US_DEFLATE_MAX], back[US_DEFLATE_MAX], out[ROOM + GUARD];
	uint64_t seed;
};

static uint32_t chance(struct world *w, uint32_t below)
{
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	return (uint32_t)(w->seed >> 32) % below;
}

static size_t round_trip(struct world *w, size_t n)
{
	size_t got;

	memset(w->out, 0xa5, sizeof(w->out));
	got = us_deflate_page(w->deflate, w->page, n, w->out);
	for (size_t i = n + 16; i < sizeof(w->out); i++)
		assert_int_equal(w->out[i], 0xa5);
	if (!got)
		return 0;
	assert_true(got < n);
	assert_null(us_page_unpack(w->unpacker, US_PAGE_ZLIB, us_bytes_of(w->out, got), w->back, n));
	assert_memory_equal(w->page, w->back, n);
	return got;
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	if (!w)
		return -1;
	w->seed = 88172645463325252ull;
	w->deflate = us_deflate_new();
	*state = w;
	return w->deflate && !us_page_unpacker_new(&w->unpacker) ? 0 : -1;
}

static int teardown(void **state)
{
	struct world *w = *state;

	us_deflate_free(w->deflate);
	us_page_unpacker_free(w->unpacker);
	free(w);
	return 0;
}

/* Noise of an alphabet, with copies of what came before. */
static void make_page(struct world *w, size_t n, uint32_t alphabet, uint32_t copies,
		      uint32_t longest)
{
	for (size_t at = 0; at < n;) {
		size_t len = 1 + chance(w, longest), from = at ? chance(w, (uint32_t)at) : 0;

		if (at && chance(w, 100) < copies) {
			for (; len-- && at < n; at++, from++)
				w->page[at] = w->page[from];
		} else {
			w->page[at++] = (uint8_t)chance(w, alphabet);
		}
	}
}

static void test_pages_of_all_kinds_come_back(void **state)
{
	static const size_t sizes[] = { US_DEFLATE_MIN, 65, 100, 1000, 4096, 8192, US_DEFLATE_MAX };
	struct world *w = *state;
	size_t packed = 0;

	for (unsigned int i = 0; i < 6000; i++) {
		size_t n = sizes[i % us_array_size(sizes)];

		make_page(w, n, 1 + chance(w, 256), chance(w, 101), 1 + chance(w, 700));
		packed += round_trip(w, n) > 0;
	}
	assert_true(packed > 4000);
}

static void test_each_length_and_distance_comes_back(void **state)
{
	struct world *w = *state;

	for (size_t length = 4; length < 600; length++) {
		size_t at = 600 + length * 23 % 7000;

		make_page(w, US_DEFLATE_MAX, 256, 0, 1);
		memset(w->page + 9000, 0, US_DEFLATE_MAX - 9000);
		memcpy(w->page + 8000, w->page + 8000 - at, length);
		assert_true(round_trip(w, US_DEFLATE_MAX) > 0);
	}
}

/* Each byte about 1.6 times as often as the one before it: codes of more than 15 bits. */
static void test_code_lengths_are_limited(void **state)
{
	struct world *w = *state;
	size_t n = 0, now = 1, before = 1;

	for (unsigned int c = 0; n < US_DEFLATE_MAX; c++) {
		size_t next = now + before;

		for (size_t i = 0; i < now && n < US_DEFLATE_MAX; i++)
			w->page[n++] = (uint8_t)c;
		before = now;
		now = next;
	}
	/* shuffled, or it would be a few matches */
	for (size_t i = US_DEFLATE_MAX - 1; i > 0; i--) {
		size_t other = chance(w, (uint32_t)i);
		uint8_t c = w->page[i];

		w->page[i] = w->page[other];
		w->page[other] = c;
	}
	assert_true(round_trip(w, US_DEFLATE_MAX) > 0);
}

static void test_plain_pages_are_small(void **state)
{
	struct world *w = *state;

	memset(w->page, 0, sizeof(w->page));
	assert_in_range(round_trip(w, 4096), 1, 40);
	memset(w->page, 0x5a, sizeof(w->page));
	assert_in_range(round_trip(w, US_DEFLATE_MAX), 1, 60);
	make_page(w, 4096, 256, 0, 1);
	assert_int_equal(round_trip(w, 4096), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pages_of_all_kinds_come_back),
		cmocka_unit_test(test_each_length_and_distance_comes_back),
		cmocka_unit_test(test_code_lengths_are_limited),
		cmocka_unit_test(test_plain_pages_are_small),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
