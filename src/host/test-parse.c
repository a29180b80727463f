/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the text parsers of host/: what /proc and /sys hold, and what they never should. */
#include "host/host-int.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct us_bytes text(const char *s)
{
	return us_bytes_of(s, strlen(s));
}

static void test_iomem_cuts_the_kernel_and_the_reservation_in(void **state)
{
	_us_iomem_deinit_ struct us_iomem iomem = { 0 };

	(void)state;
	assert_null(us_iomem_parse(text("00000000-00000fff : Reserved\n"
					"00001000-0009ffff : System RAM\n"
					"000f0000-000fffff : Reserved\n"
					"  000f0000-000fffff : System ROM\n"
					"00100000-3fffffff : System RAM\n"
					"  01000000-01ffffff : Kernel code\n"
					"  02000000-022fffff : Kernel rodata\n"
					"  02400000-025fffff : Kernel bss\n"
					"  20000000-2fffffff : Crash kernel\n"
					"40000000-40000fff : ACPI Tables\n"
					"40001000-40001fff : ACPI Non-volatile Storage\n"
					"e0000000-efffffff : PCI ECAM 0000 [bus 00-ff]\n"
					"  e0000000-efffffff : Reserved\n"
					"100000000-17fffffff : Persistent Memory\n"
					"  100000000-13fffffff : dax0.0\n"
					"    100000000-13fffffff : System RAM (kmem)\n"),
				   &iomem));
	assert_int_equal(iomem.code_start, 0x1000000);
	assert_int_equal(iomem.bss_end, 0x2600000);
	assert_int_equal(iomem.n_crash, 1);
	assert_int_equal(iomem.crash[0].start, 0x20000000);
	assert_int_equal(iomem.reserved_entries, 5);
	assert_false(iomem.masked);
	assert_int_equal(us_map_at(&iomem.map, 0x1000000)->kind, US_MEM_KERNEL_CODE);
	assert_int_equal(us_map_at(&iomem.map, 0x2000000)->kind, US_MEM_KERNEL_DATA);
	assert_int_equal(us_map_at(&iomem.map, 0x2fffffff)->kind, US_MEM_CRASH);
	assert_int_equal(us_map_at(&iomem.map, 0x30000000)->kind, US_MEM_RAM);
	assert_int_equal(us_map_at(&iomem.map, 0xe0000000)->kind, US_MEM_RESERVED);
	assert_int_equal(us_map_at(&iomem.map, 0x100000000)->kind, US_MEM_RAM);
	assert_int_equal(us_map_at(&iomem.map, 0x140000000)->kind, US_MEM_PMEM);
}

static void test_iomem_of_arm64_keeps_what_is_taken_inside_ram(void **state)
{
	_us_iomem_deinit_ struct us_iomem iomem = { 0 };

	(void)state;
	assert_null(us_iomem_parse(text("40000000-bfffffff : System RAM\n"
					"  40210000-4149ffff : Kernel code\n"
					"  b0000000-b1ffffff : reserved\n"),
				   &iomem));
	assert_int_equal(us_map_at(&iomem.map, 0xb0000000)->kind, US_MEM_RESERVED);
	assert_int_equal(iomem.reserved_entries, 0);
}

static void test_iomem_that_is_masked_says_so(void **state)
{
	_us_iomem_deinit_ struct us_iomem iomem = { 0 };

	(void)state;
	assert_null(us_iomem_parse(text("00000000-00000000 : System RAM\n"
					"  00000000-00000000 : Crash kernel\n"),
				   &iomem));
	assert_true(iomem.masked);
	assert_int_equal(iomem.map.n, 0);
	assert_int_equal(iomem.n_crash, 0);
}

static void test_iomem_with_a_bad_line_names_it(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "00000000-00000fff : Reserved\nnonsense\n", "line 2 is no memory range" },
		{ "00000000-0000ffff Reserved\n", "line 1 is no memory range" },
		{ "00002000-00001fff : System RAM\n", "line 1: the range ends at 0x1fff before" },
		{ "11111111111111111-00001fff : System RAM\n", "line 1 is no memory range" },
	};

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++) {
		_us_iomem_deinit_ struct us_iomem iomem = { 0 };
		_us_err_free_ struct us_err *err = us_iomem_parse(text(cases[i].text), &iomem);

		assert_non_null(err);
		assert_int_equal(err->code, US_ERR_BAD_DATA);
		assert_non_null(strstr(err->text, cases[i].says));
	}
}

static void test_cpuinfo_takes_whole_words(void **state)
{
	struct us_cpuinfo cpu =
		us_cpuinfo_parse(text("processor\t: 0\napicid\t\t: 0\ninitial apicid\t: 0\n"
				      "flags\t\t: fpu xla57 x2apic sme_coherent hypervisor\n"
				      "address sizes\t: 46 bits physical, 57 bits virtual\n\n"
				      "processor\t: 1\napicid\t\t: 258\nflags\t\t: fpu la57\n"));

	(void)state;
	assert_int_equal(cpu.cpus, 2);
	assert_int_equal(cpu.max_apicid, 258);
	assert_false(cpu.la57);
	assert_false(cpu.sme);
	assert_true(cpu.x2apic);
	assert_true(cpu.hypervisor);
	assert_true(us_cpuinfo_parse(text("flags : la57")).la57);
	assert_false(us_cpuinfo_parse(text("")).has_flags);
}

static void test_keyrings_say_what_counts(void **state)
{
	static const char keys[] =
		"0000000a I------     1 perm 1f0b0000     0     0 keyring   .builtin_trusted_keys: 1\n"
		"0000000b I------     1 perm 1f0f0000     0     0 keyring   .secondary_trusted_keys: 2\n"
		"0000000c I------     1 perm 1f0b0000     0     0 keyring   .machine: 1\n"
		"00000010 I------     1 perm 1f010000     0     0 asymmetri One: aabb: X509.rsa aabb []\n"
		"00000011 I------     1 perm 1f010000     0     0 asymmetri Two: ccdd: X509.rsa ccdd []\n"
		"00000012 I------     1 perm 0c030000     0     0 blacklist tbs:00ff\n";
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_host_key *list = NULL;
	struct us_keyrings rings;
	size_t n = 0;

	(void)state;
	assert_null(us_keys_parse(&pool, text(keys), &list, &n));
	assert_int_equal(n, 3);
	assert_int_equal(list[0].serial, 0x10);
	assert_string_equal(list[0].keyring, "");
	assert_true(list[2].hash);
	assert_string_equal(list[2].description, "tbs:00ff");
	assert_string_equal(list[2].keyring, ".blacklist");
	assert_null(us_keyrings_apply(&pool, text(keys),
				      text("0000000a: 00000010\n0000000b: 0000000a\n"
					   "0000000c: 00000011\nzz\n"),
				      list, n, &rings));
	assert_string_equal(list[0].keyring, ".builtin_trusted_keys");
	assert_string_equal(list[1].keyring, ".machine");
	assert_int_equal(rings.machine_linked, US_NO);
	assert_string_equal(rings.unlisted, "");
	assert_true(rings.seen);
	assert_null(us_keyrings_apply(&pool, text(keys), text("0000000b: 0000000a 0000000c\n"),
				      list, n, &rings));
	assert_int_equal(rings.machine_linked, US_YES);
	assert_string_equal(rings.unlisted, ".builtin_trusted_keys .machine");
	assert_null(us_keyrings_apply(&pool, text(keys), text("0000000a:\n"), list, n, &rings));
	assert_int_equal(rings.machine_linked, US_UNKNOWN);
	assert_string_equal(rings.unlisted, ".secondary_trusted_keys .machine");
	assert_null(us_keyrings_apply(&pool, text(""), text(""), list, n, &rings));
	assert_false(rings.seen);
}

static void test_keys_are_certificates_only(void **state)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_host_key *keys = NULL;
	size_t n = 0;

	(void)state;
	assert_null(us_keys_parse(
		&pool,
		text("0db9a20e I------     1 perm 1f0f0000     0     0 keyring   .platform: 2\n"
		     "37df46b0 I------     1 perm 1f010000     0     0 asymmetri Debian: CA: 6cCe01: "
		     "X509.rsa bb419ea1 []\n"
		     "37df46b1 I------     1   3d 1f010000     0     0 asymmetri no id here: "
		     "X509.rsa []\n"
		     "37df46b2 I------     1 perm 1f010000     0     0 logon     asymmetri: 1\n"),
		&keys, &n));
	assert_int_equal(n, 2);
	assert_string_equal(keys[0].description, "Debian: CA: 6cCe01");
	assert_string_equal(keys[0].key_id, "6cCe01");
	assert_string_equal(keys[1].description, "no id here");
	assert_string_equal(keys[1].key_id, "");
}

static void test_cpu_lists_are_counted(void **state)
{
	uint64_t n = 0;

	(void)state;
	assert_true(us_cpulist_count(text("0-3,8,10-11\n"), &n) && n == 7);
	assert_true(us_cpulist_count(text("0"), &n) && n == 1);
	assert_false(us_cpulist_count(text("3-0"), &n));
	assert_false(us_cpulist_count(text(""), &n));
	assert_false(us_cpulist_count(text("0,"), &n));
	assert_false(us_cpulist_count(text("0-18446744073709551615,1"), &n));
}

static void test_brackets_mark_the_choice(void **state)
{
	struct us_bytes word;

	(void)state;
	assert_true(us_bracketed(text("none [integrity] confidentiality\n"), &word));
	assert_true(us_bytes_equal(word, text("integrity")));
	assert_false(us_bracketed(text("none [integrity"), &word));
	assert_false(us_bracketed(text("none"), &word));
}

static void test_kallsyms_tells_weak_stand_ins_apart(void **state)
{
	struct us_bytes syms = text("ffffffff81000000 T _text\n"
				    "ffffffff8138ccf0 W __x64_sys_kexec_load\n"
				    "ffffffff8138ccf0 t __pfx___x64_sys_other\n"
				    "ffffffff813902c0 T __x64_sys_kexec_file_load\n"
				    "ffffffffc0001000 t my_text\t[mod]\n");
	uint64_t addr = 0;

	(void)state;
	assert_true(us_kallsyms_find(syms, "_text", &addr));
	assert_int_equal(addr, 0xffffffff81000000);
	assert_false(us_kallsyms_find(syms, "__x64_sys_kexec_load", &addr));
	assert_true(us_kallsyms_find(syms, "__x64_sys_kexec_file_load", &addr));
	assert_false(us_kallsyms_find(syms, "__x64_sys_other", &addr));
	assert_true(us_kallsyms_find(syms, "my_text", &addr));
	assert_false(us_kallsyms_find(syms, "kexec_file", &addr));
}

static void test_notes_lead_to_vmcoreinfo(void **state)
{
	static const uint8_t notes[] = {
		5,   0,   0,   0,   2, 0, 0,   0,   1,   0,    0,   0,   'C', 'O',
		'R', 'E', 0,   0,   0, 0, 9,   9,   0,   0,    11,  0,   0,   0,
		8,   0,   0,   0,   0, 0, 0,   0,   'V', 'M',  'C', 'O', 'R', 'E',
		'I', 'N', 'F', 'O', 0, 0, 'A', '=', '1', '\n', 0,   0,   0,   0,
	};
	struct us_bytes info, value;

	(void)state;
	assert_true(us_notes_vmcoreinfo(us_bytes_of(notes, sizeof(notes)), &info));
	assert_int_equal(info.n, 4);
	assert_true(us_vmcoreinfo_get(info, "A", &value));
	assert_true(us_bytes_equal(value, text("1")));
	assert_false(us_vmcoreinfo_get(info, "", &value));
	for (size_t n = 0; n < sizeof(notes); n++)
		assert_false(us_notes_vmcoreinfo(us_bytes_of(notes, n), &info));
}

static void test_recorded_program_headers_are_read_back(void **state)
{
	_us_free_ struct us_kcore_load *loads = NULL;
	_us_err_free_ struct us_err *err = NULL;
	size_t n = 0;

	(void)state;
	assert_null(us_kcore_parse_text(text("load 0xffffffff81000000 0x1000000 0x3000000\n"
					     "load 0xff11000000001000 0x1000 0x9e000\n"),
					&loads, &n));
	assert_int_equal(n, 2);
	assert_int_equal(loads[1].size, 0x9e000);
	err = us_kcore_parse_text(text("load 0x1 0x2\n"), &(struct us_kcore_load *){ NULL }, &n);
	assert_non_null(err);
	assert_non_null(strstr(err->text, "line 1"));
}

static void test_words_are_cut_as_the_kernel_cuts_them(void **state)
{
	const char *at =
		"  quiet dyndbg=\"file a.c +p\" \"name=a b\" crash-kernel=1 -- crashkernel=2";
	struct us_cmdline_word word;

	(void)state;
	assert_true(us_cmdline_next(&at, &word));
	assert_true(us_cmdline_is(&word, "quiet"));
	assert_false(us_cmdline_is(&word, "quie"));
	assert_false(us_cmdline_is(&word, "quiet2"));
	assert_true(us_cmdline_next(&at, &word));
	assert_true(us_cmdline_is(&word, "dyndbg"));
	assert_int_equal(word.n, strlen("dyndbg=\"file a.c +p\""));
	assert_true(us_cmdline_next(&at, &word));
	assert_true(us_cmdline_is(&word, "name"));
	assert_true(us_cmdline_next(&at, &word));
	assert_true(us_cmdline_is(&word, "crash_kernel"));
	assert_false(us_cmdline_next(&at, &word));
	assert_string_equal(at, "-- crashkernel=2");
	at = "lone \"quote never ends";
	assert_true(us_cmdline_next(&at, &word) && us_cmdline_next(&at, &word));
	assert_false(us_cmdline_next(&at, &word));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_iomem_cuts_the_kernel_and_the_reservation_in),
		cmocka_unit_test(test_iomem_of_arm64_keeps_what_is_taken_inside_ram),
		cmocka_unit_test(test_iomem_that_is_masked_says_so),
		cmocka_unit_test(test_iomem_with_a_bad_line_names_it),
		cmocka_unit_test(test_cpuinfo_takes_whole_words),
		cmocka_unit_test(test_keys_are_certificates_only),
		cmocka_unit_test(test_keyrings_say_what_counts),
		cmocka_unit_test(test_cpu_lists_are_counted),
		cmocka_unit_test(test_brackets_mark_the_choice),
		cmocka_unit_test(test_kallsyms_tells_weak_stand_ins_apart),
		cmocka_unit_test(test_notes_lead_to_vmcoreinfo),
		cmocka_unit_test(test_recorded_program_headers_are_read_back),
		cmocka_unit_test(test_words_are_cut_as_the_kernel_cuts_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
