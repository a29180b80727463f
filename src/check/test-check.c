/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the engine: the good case has no finding, inputs that are absent are said, findings come
 * in order of weight, and the table itself is in shape. */
#include "check/test-rules.h"

#include <ctype.h>

static struct us_verdict *verdict_of(struct bench *b)
{
	struct us_verdict *v = NULL;

	assert_null(us_check(&b->c, &v));
	return v;
}

static void test_good_case_has_no_finding(void **state)
{
	struct bench *b = *state;

	for (int i = 0; i < 4; i++) {
		_us_verdict_free_ struct us_verdict *v = NULL;

		bench_reset(b);
		if (i & 1)
			on_crash(b);
		if (i & 2)
			by_load(b);
		b->wanted.hotplug = i == 3;
		/* the good machine has a reservation, and its reboots keep it */
		if (!(i & 1))
			next_cmdline(b, "root=/dev/sda1 crashkernel=512M");
		v = verdict_of(b);
		for (size_t k = 0; k < v->n_findings; k++)
			if (v->findings[k].result != US_PASS)
				fail_msg("case %d: %s: %s", i, v->findings[k].rule->id,
					 v->findings[k].d.fact ? v->findings[k].d.fact
							       : v->findings[k].d.lets);
		assert_int_equal(v->passed, v->n_findings);
		assert_true(v->passed > 40);
	}
}

static void test_absent_inputs_are_said(void **state)
{
	struct bench *b = *state;
	_us_verdict_free_ struct us_verdict *v = NULL;

	bench_reset(b);
	b->c = (struct us_case){ .purpose = US_REBOOT, .image = &b->image };
	v = verdict_of(b);
	assert_int_equal(v->blocks, 0);
	assert_int_equal(bench_find(v, "paging.4-level-above-64-tib")->result, US_CANNOT_TELL);
	assert_non_null(bench_find(v, "sysctl.kexec-load-disabled")->d.lets);
	assert_null(bench_find(v, "initrd.damaged"));
	assert_null(bench_find(v, "cmdline.too-long"));
	assert_true(v->blind > 0);
}

static void test_ordinary_user_is_not_blind(void **state)
{
	struct bench *b = *state;
	_us_verdict_free_ struct us_verdict *v = NULL;

	bench_reset(b);
	b->c.acting = false;
	b->c.plan = NULL;
	b->image.deep = b->initrd.deep = false;
	b->host.cap_sys_boot.v = US_NO;
	b->host.map_from = HIDDEN;
	b->host.n_crash = 0;
	b->host.keys_from = HIDDEN;
	b->host.acpi_rsdp.o = HIDDEN;
	b->host.ima_appraises_kexec = (struct us_fact_tri){ HIDDEN, US_UNKNOWN };
	b->host.lockdown = (struct us_fact_str){ HIDDEN, "" };
	b->host.n_efi_regions = 0;
	b->host.efi_regions_from = HIDDEN;
	v = verdict_of(b);
	assert_int_equal(v->blocks, 0);
	assert_int_equal(v->blind, 0);
	assert_true(v->unknown > 0);
	assert_int_equal(bench_find(v, "privilege.cap-sys-boot")->severity, US_NOTE);
}

static void test_blindness_counts(void **state)
{
	struct bench *b = *state;
	_us_verdict_free_ struct us_verdict *v = NULL;

	bench_reset(b);
	b->image.setup.xloadflags = 0x1f;
	b->host.paging_levels.o = HIDDEN;
	v = verdict_of(b);
	assert_int_equal(v->blocks, 0);
	assert_int_equal(v->blind, 1);
	assert_true(us_finding_is_blind(&v->findings[0]));
	assert_string_equal(v->findings[0].d.lets, "/hidden: readable by root only");
}

static void test_undecided_call_neither_blocks_nor_passes(void **state)
{
	struct bench *b = *state;
	_us_verdict_free_ struct us_verdict *v = NULL;

	bench_reset(b);
	b->c.plan = NULL;
	b->host.has_kexec_file_load = (struct us_fact_tri){ HIDDEN, US_UNKNOWN };
	b->host.lockdown.v = "integrity";
	assert_int_equal(us_check_call(&b->c), US_CALL_AUTO);
	v = verdict_of(b);
	assert_int_equal(bench_find(v, "lockdown.kexec-load")->result, US_CANNOT_TELL);
	b->wanted.call = US_CALL_LOAD;
	assert_int_equal(us_check_call(&b->c), US_CALL_LOAD);
	b->wanted.call = US_CALL_AUTO;
	b->host.has_kexec_file_load.v = US_NO;
	assert_int_equal(us_check_call(&b->c), US_CALL_LOAD);
}

static void test_findings_come_by_weight(void **state)
{
	struct bench *b = *state;
	_us_verdict_free_ struct us_verdict *v = NULL;
	int last = -1;

	bench_reset(b);
	b->host.gpu_drivers.v = "nouveau"; /* note */
	b->host.n_efi_regions = 0;         /* warning */
	b->host.load_disabled.v = 1;       /* block */
	b->host.limit_reboot.o = HIDDEN;   /* unknown, blocking */
	b->host.tdx_host.o = HIDDEN;       /* unknown, warning */
	v = verdict_of(b);
	assert_string_equal(v->findings[0].rule->id, "sysctl.kexec-load-disabled");
	assert_string_equal(v->findings[1].rule->id, "sysctl.limit-reached");
	assert_string_equal(v->findings[2].rule->id, "firmware.efi-runtime-lost");
	assert_int_equal(v->blocks, 1);
	assert_int_equal(v->warnings, 1);
	for (size_t i = 0; i < v->n_findings; i++) {
		const struct us_finding *f = &v->findings[i];
		int weight = f->result == US_PASS ? 3 : US_BLOCK - (int)f->severity;

		assert_true(weight >= last);
		last = weight;
	}
	assert_int_equal(v->n_findings, v->blocks + v->warnings + v->notes + v->unknown + v->passed);
}

static void test_words_are_split_as_the_kernel_does(void **state)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const char *line = "a=1 note=\"x resume=y\" \"quoted=two words\" no5lvl reset-devices a=2";
	const char *value;

	(void)state;
	assert_int_equal(us_words(line, "a", &pool, &value), 2);
	assert_string_equal(value, "2");
	assert_int_equal(us_words(line, "resume", &pool, &value), 0);
	assert_null(value);
	assert_int_equal(us_words(line, "note", &pool, &value), 1);
	assert_string_equal(value, "x resume=y");
	assert_int_equal(us_words(line, "quoted", &pool, &value), 1);
	assert_string_equal(value, "two words");
	assert_true(us_has_word(line, "no5lvl"));
	assert_true(us_has_word(line, "reset_devices"));
	assert_false(us_has_word(line, "no5"));
	assert_false(us_has_word("", "a"));
	assert_false(us_has_word(NULL, "a"));
	assert_false(us_has_word("\"", "a"));
}

static void test_releases_compare(void **state)
{
	(void)state;
	assert_int_equal(us_release_before("6.1.0-56-amd64", 6, 9), US_YES);
	assert_int_equal(us_release_before("6.9", 6, 9), US_NO);
	assert_int_equal(us_release_before("6.12.117+deb12-amd64", 6, 9), US_NO);
	assert_int_equal(us_release_before("5.19", 6, 1), US_YES);
	assert_int_equal(us_release_before("linux", 6, 1), US_UNKNOWN);
	assert_int_equal(us_release_before("", 6, 1), US_UNKNOWN);
	assert_int_equal(us_release_before(NULL, 6, 1), US_UNKNOWN);
	assert_int_equal(us_release_before("99999999999999999999.1", 6, 1), US_UNKNOWN);
}

static void test_table_is_in_shape(void **state)
{
	const struct us_rule *rule;

	(void)state;
	for (size_t i = 0; (rule = us_rule_at(i)); i++) {
		size_t n = strspn(rule->id, "abcdefghijklmnopqrstuvwxyz0123456789-");

		/* area.what-is-wrong, once */
		assert_int_equal(rule->id[n], '.');
		assert_int_equal(strspn(rule->id + n + 1, "abcdefghijklmnopqrstuvwxyz0123456789-"),
				 strlen(rule->id) - n - 1);
		assert_ptr_equal(us_rule_by_id(rule->id), rule);
		if (!rule->says || !rule->fix || !rule->see || !rule->when)
			fail_msg("%s: something is not said", rule->id);
		if (!rule->test == !rule->want)
			fail_msg("%s: needs either a function or a want", rule->id);
		/* texts are sentences without a full stop, which the report adds or not */
		assert_true(isalnum((unsigned char)rule->says[0]));
		assert_int_not_equal(rule->says[strlen(rule->says) - 1], '.');
		assert_int_not_equal(rule->fix[strlen(rule->fix) - 1], '.');
		/* unknown_ok has a meaning for blocking rules only */
		if (rule->unknown_ok && rule->severity != US_BLOCK &&
		    !strstr(rule->id, "signature."))
			fail_msg("%s: unknown_ok means nothing here", rule->id);
	}
	assert_null(us_rule_by_id("no.such-rule"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_case_has_no_finding),
		cmocka_unit_test(test_absent_inputs_are_said),
		cmocka_unit_test(test_ordinary_user_is_not_blind),
		cmocka_unit_test(test_blindness_counts),
		cmocka_unit_test(test_undecided_call_neither_blocks_nor_passes),
		cmocka_unit_test(test_findings_come_by_weight),
		cmocka_unit_test(test_words_are_split_as_the_kernel_does),
		cmocka_unit_test(test_releases_compare),
		cmocka_unit_test(test_table_is_in_shape),
	};

	return cmocka_run_group_tests(tests, bench_open, bench_close);
}
