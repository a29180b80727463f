/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of what is read out of the last lines of a kernel, and of a CPU's registers. */
#include "vmcore/vmcore.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

struct said {
	uint64_t second;
	const char *text;
};

static void look(struct us_panic *p, const struct said *said, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct us_log_record record = {
			.ns = said[i].second * UINT64_C(1000000000),
			.text = us_bytes_of(said[i].text, strlen(said[i].text)),
		};

		assert_null(us_panic_look(p, &record));
	}
}

static void test_a_panic_by_sysrq(void **state)
{
	static const struct said said[] = {
		{ 1, "CPU: 9 PID: 9 Comm: early" },
		{ 20, "sysrq: Trigger a crash" },
		{ 20, "Kernel panic - not syncing: sysrq triggered crash" },
		{ 20,
		  "CPU: 1 PID: 70 Comm: my sh Kdump: loaded Not tainted 6.1.0-56-amd64 #1  Debian" },
		{ 20, "Hardware name: QEMU Standard PC (i440FX + PIIX, 1996)" },
		{ 20, "Call Trace:" },
		{ 20, " <TASK>" },
		{ 20, " dump_stack_lvl+0x44/0x5c" },
		{ 20, " panic+0x118/0x2ed" },
		{ 20, " ? _printk+0x58/0x70" },
		{ 20, " sysrq_handle_crash+0x16/0x20" },
		{ 20, "RIP: 0033:0x4c1e97" },
		{ 20, "Kernel Offset: 0x18e00000 from 0xffffffff81000000" },
	};
	struct us_panic p = { 0 };

	(void)state;
	look(&p, said, us_array_size(said));
	assert_string_equal(p.panic, "sysrq triggered crash");
	assert_string_equal(p.cause, "sysrq: Trigger a crash");
	assert_string_equal(p.comm, "my sh");
	assert_string_equal(p.hardware, "QEMU Standard PC (i440FX + PIIX, 1996)");
	assert_true(p.has_cpu && p.cpu == 1 && p.pid == 70);
	assert_null(p.ip);
	assert_int_equal(p.n_trace, 3);
	assert_string_equal(p.trace[2], "sysrq_handle_crash+0x16/0x20");
	assert_true(p.panic_ns == UINT64_C(20000000000) && p.last_ns == p.panic_ns);
	us_panic_deinit(&p);
}

static void test_an_oops_that_led_to_a_panic(void **state)
{
	static const struct said said[] = {
		{ 5, "WARNING: CPU: 0 PID: 1 at kernel/x.c:1 old+0x1/0x2" },
		{ 5, "CPU: 0 PID: 1 Comm: init Not tainted" },
		{ 900, "BUG: kernel NULL pointer dereference, address: 0000000000000000\n#PF: "
		       "supervisor write access in kernel mode" },
		{ 900, "Oops: Oops: 0002 [#1] PREEMPT SMP NOPTI" },
		{ 900, "CPU: 3 UID: 0 PID: 1234 Comm: insmod Tainted: G           OE      6.12.1" },
		{ 900, "RIP: 0010:init_bad+0x5/0x1000 [bad]" },
		{ 900, "Call Trace:" },
		{ 900, " <TASK>" },
		{ 900, " do_one_initcall+0x5b/0x340" },
		{ 900, " </TASK>" },
		{ 900, "Modules linked in: bad(OE+)" },
		{ 901, "Kernel panic - not syncing: Fatal exception" },
		{ 901, "Call Trace:" },
		{ 901, " panic+0x118/0x2ed" },
	};
	struct us_panic p = { 0 };

	(void)state;
	look(&p, said, us_array_size(said));
	assert_string_equal(p.panic, "Fatal exception");
	assert_string_equal(p.cause,
			    "BUG: kernel NULL pointer dereference, address: 0000000000000000");
	assert_string_equal(p.ip, "init_bad+0x5/0x1000 [bad]");
	assert_string_equal(p.comm, "insmod");
	assert_true(p.cpu == 3 && p.pid == 1234);
	assert_int_equal(p.n_trace, 1);
	us_panic_deinit(&p);
}

static void test_an_old_complaint_is_not_the_cause(void **state)
{
	static const struct said said[] = {
		{ 10, "watchdog: BUG: soft lockup - CPU#0 stuck for 22s!" },
		{ 10, "CPU: 0 PID: 5 Comm: slow Not tainted" },
		{ 4000, "Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009" },
		{ 4000, "CPU: 1 PID: 1 Comm: init Not tainted" },
	};
	struct us_panic p = { 0 };

	(void)state;
	look(&p, said, us_array_size(said));
	assert_null(p.cause);
	assert_string_equal(p.comm, "init");
	us_panic_deinit(&p);
}

static void test_arm64_has_other_words(void **state)
{
	static const struct said said[] = {
		{ 7, "Unable to handle kernel NULL pointer dereference at virtual address 0" },
		{ 7, "Internal error: Oops: 0000000096000044 [#1] SMP" },
		{ 7, "CPU: 2 PID: 300 Comm: bash Kdump: loaded Not tainted 6.6.0" },
		{ 7, "pc : sysrq_handle_crash+0x24/0x30" },
		{ 7, "Call trace:" },
		{ 7, " sysrq_handle_crash+0x24/0x30" },
		{ 7, " __handle_sysrq+0x90/0x1c0" },
		{ 7, "Code: 52800020 b90de020 d5033e9f d2800001 (39000020)" },
	};
	struct us_panic p = { 0 };

	(void)state;
	look(&p, said, us_array_size(said));
	assert_null(p.panic);
	assert_non_null(strstr(p.cause, "Unable to handle"));
	assert_string_equal(p.ip, "sysrq_handle_crash+0x24/0x30");
	assert_int_equal(p.n_trace, 2);
	us_panic_deinit(&p);
}

static void test_registers_of_x86_64(void **state)
{
	uint8_t desc[336] = { 0 };
	struct us_vmcore core = { .arch = us_arch_by_id(US_ARCH_X86_64) };
	struct us_vmcore_note note = { .name = "CORE", .type = 1, .desc = { desc, sizeof(desc) } };
	struct us_cpu cpu = { 0 };

	(void)state;
	us_put_le32(desc + 32, 4711);
	us_put_le64(desc + 112 + 8 * 16, 0xffffffff81000123);
	us_put_le64(desc + 112 + 8 * 19, 0xffffc90000000040);
	assert_true(us_vmcore_cpu(&core, &note, &cpu));
	assert_int_equal(cpu.pid, 4711);
	assert_string_equal(cpu.names[cpu.ip], "rip");
	assert_string_equal(cpu.names[cpu.sp], "rsp");
	assert_string_equal(cpu.names[cpu.n - 1], "gs");
	assert_true(cpu.regs[cpu.ip] == 0xffffffff81000123);
	assert_true(cpu.regs[cpu.sp] == 0xffffc90000000040);
	note.desc.n = 112 + 27 * 8 - 1;
	assert_false(us_vmcore_cpu(&core, &note, &cpu));
	note.desc.n = sizeof(desc);
	note.name = "QEMU";
	assert_false(us_vmcore_cpu(&core, &note, &cpu));
	note.name = "CORE";
	core.arch = us_arch_by_id(US_ARCH_ARM64);
	assert_true(us_vmcore_cpu(&core, &note, &cpu) == false); /* 34 registers are longer */
	core.arch = us_arch_by_id(US_ARCH_RISCV64);
	assert_false(us_vmcore_cpu(&core, &note, &cpu));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_panic_by_sysrq),
		cmocka_unit_test(test_an_oops_that_led_to_a_panic),
		cmocka_unit_test(test_an_old_complaint_is_not_the_cause),
		cmocka_unit_test(test_arm64_has_other_words),
		cmocka_unit_test(test_registers_of_x86_64),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
