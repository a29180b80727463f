/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of the purgatory can be tested without a jump: its SHA-256 against the standard's examples
 * and against libcrypto, and the shape of the blob. The jump itself is tested in the VM scenarios.
 */
#include "load/load.h"
#include "purgatory/purgatory.h"

#include <openssl/sha.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void hash(bool fast, const uint8_t *p, size_t n, size_t step, uint8_t ret[32])
{
	struct us_sha256 s;

	us_sha256_init(&s, fast);
	for (size_t i = 0; i < n; i += step)
		us_sha256_add(&s, p + i, n - i < step ? n - i : step);
	us_sha256_end(&s, ret);
}

static void test_sha256_gives_the_standards_example(void **state)
{
	static const uint8_t abc[32] = { 0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
					 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
					 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
					 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad };
	uint8_t got[32];

	(void)state;
	hash(false, (const uint8_t *)"abc", 3, 3, got);
	assert_memory_equal(got, abc, 32);
}

static void test_sha256_equals_libcrypto(void **state)
{
	static const size_t steps[] = { 1, 7, 63, 64, 65, 1000, 5000 };
	uint8_t data[4100], want[32], got[32];

	(void)state;
	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 131 + (i >> 8));
	for (size_t n = 0; n < sizeof(data); n += n < 300 ? 1 : 311) {
		SHA256(data, n, want);
		for (size_t k = 0; k < us_array_size(steps); k++) {
			hash(false, data, n, steps[k], got);
			assert_memory_equal(got, want, 32);
			hash(us_sha256_cpu_is_fast(), data, n, steps[k], got);
			assert_memory_equal(got, want, 32);
		}
	}
}

static void test_blob_has_room_for_the_parameters(void **state)
{
	size_t n;
	const uint8_t *blob = us_purgatory_blob(&n);

	(void)state;
	if (!us_arch_by_uname("x86_64")->can_load || !n) {
		print_message("no code between two kernels is built for this machine\n");
		skip();
	}
	assert_true(n > US_PURGATORY_PARAMS_OFFSET + sizeof(struct us_purgatory_params));
	assert_true(n <= 32768);
	for (size_t i = 0; i < sizeof(struct us_purgatory_params); i++)
		assert_int_equal(blob[US_PURGATORY_PARAMS_OFFSET + i], 0);
	assert_int_equal(blob[0], 0xfa); /* cli: entered at its first byte */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sha256_gives_the_standards_example),
		cmocka_unit_test(test_sha256_equals_libcrypto),
		cmocka_unit_test(test_blob_has_room_for_the_parameters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
