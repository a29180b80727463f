/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The architecture table: every entry complete and findable by each of its names. */
#include "arch/arch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static void test_arch_every_entry_is_complete(void **state)
{
	(void)state;
	for (int id = US_ARCH_UNKNOWN + 1; id < US_ARCH_COUNT; id++) {
		const struct us_arch *a = us_arch_by_id((enum us_arch_id)id);

		assert_int_equal(a->id, id);
		assert_non_null(a->name);
		assert_true(a->kconfig_dir[0]);
		assert_int_equal(a->kexec_arch >> 16, a->elf_machine);
		assert_int_equal(a->kexec_arch & 0xffff, 0);
		assert_true(a->page_bytes >= 4096 && !(a->page_bytes & (a->page_bytes - 1)));
		assert_true(a->crash_align && !(a->crash_align & (a->crash_align - 1)));
		assert_true(a->cmdline_max >= 1023);
		assert_true(a->prstatus_bytes > 112);
		assert_non_null(a->uname[0]);
		for (size_t k = 0; k < us_array_size(a->uname) && a->uname[k]; k++)
			assert_ptr_equal(us_arch_by_uname(a->uname[k]), a);
		if (a->pe_machine)
			assert_ptr_equal(us_arch_by_pe(a->pe_machine), a);
	}
}

static void test_arch_numbers_of_linux(void **state)
{
	const struct us_arch *x86 = us_arch_by_uname("x86_64");

	(void)state;
	assert_int_equal(x86->elf_machine, 62);
	assert_int_equal(x86->kexec_arch, 0x3e0000);
	assert_int_equal(x86->prstatus_bytes, 336);
	assert_true(x86->can_load);
	assert_int_equal(us_arch_by_uname("aarch64")->kexec_arch, 0xb70000);
	assert_int_equal(us_arch_by_uname("riscv64")->pe_machine, 0x5064);
}

static void test_arch_by_elf_looks_at_class_and_byte_order(void **state)
{
	(void)state;
	assert_int_equal(us_arch_by_elf(62, true, false)->id, US_ARCH_X86_64);
	assert_int_equal(us_arch_by_elf(62, false, false)->id, US_ARCH_UNKNOWN); /* x32 */
	assert_int_equal(us_arch_by_elf(3, false, false)->id, US_ARCH_I386);
	assert_int_equal(us_arch_by_elf(21, true, true)->id, US_ARCH_PPC64);
	assert_int_equal(us_arch_by_elf(22, true, false)->id, US_ARCH_UNKNOWN);
	assert_int_equal(us_arch_by_elf(22, true, true)->id, US_ARCH_S390X);
	assert_int_equal(us_arch_by_elf(243, false, false)->id, US_ARCH_UNKNOWN);
	assert_int_equal(us_arch_by_elf(0, true, false)->id, US_ARCH_UNKNOWN);
}

static void test_arch_unknown_is_an_entry(void **state)
{
	(void)state;
	assert_int_equal(us_arch_by_id((enum us_arch_id)99)->id, US_ARCH_UNKNOWN);
	assert_int_equal(us_arch_by_uname("vax")->id, US_ARCH_UNKNOWN);
	assert_int_equal(us_arch_by_pe(0)->id, US_ARCH_UNKNOWN);
	assert_string_equal(us_arch_by_id(US_ARCH_UNKNOWN)->name, "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arch_every_entry_is_complete),
		cmocka_unit_test(test_arch_numbers_of_linux),
		cmocka_unit_test(test_arch_by_elf_looks_at_class_and_byte_order),
		cmocka_unit_test(test_arch_unknown_is_an_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
