/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts that a kernel can play: one line of a good .config is changed, and just the verdicts
 * that stand on it change. */
#include "check/check-int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define HEAD(arch, version) "# Linux/" arch " " version " Kernel Configuration\n"
#define COMMON                                                                                     \
	"CONFIG_X86_64=y\nCONFIG_KEXEC_CORE=y\nCONFIG_KEXEC=y\nCONFIG_KEXEC_FILE=y\n"              \
	"CONFIG_KEXEC_SIG=y\nCONFIG_KEXEC_BZIMAGE_VERIFY_SIG=y\nCONFIG_CRASH_DUMP=y\n"             \
	"CONFIG_PROC_VMCORE=y\nCONFIG_RELOCATABLE=y\nCONFIG_PHYSICAL_START=0x1000000\n"            \
	"CONFIG_BLK_DEV_INITRD=y\nCONFIG_RD_GZIP=y\n"
#define CUT   HEAD("x86", "6.12.117") COMMON "CONFIG_CRASH_RESERVE=y\nCONFIG_VMCORE_INFO=y\n"
#define UNCUT HEAD("x86", "6.1.192") COMMON "CONFIG_CRASH_CORE=y\n"

/* base without the symbols in off (space separated) and with the lines of on before it: the last
 * line for a symbol counts. */
static struct us_kconfig *changed(const char *base, const char *off, const char *on)
{
	struct us_kconfig *config = NULL;
	char text[4096], name[128];
	const char *s = base;
	size_t n = 0;

	for (; *s; s += strcspn(s, "\n") + 1) {
		size_t len = strcspn(s, "\n") + 1;

		if (sscanf(s, "CONFIG_%100[A-Z0-9_]", name + 1) == 1) {
			name[0] = ' ';
			strcat(name, " ");
			if (strstr(off, name))
				continue;
		}
		memcpy(text + n, s, len);
		n += len;
	}
	n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", on);
	assert_null(us_kconfig_parse(us_bytes_of(text, n), &config));
	return config;
}

/* y, f (kexec_file_load only), l (kexec_load only), n or ? for each part. */
static void letters(const struct us_parts *parts, char ret[US_PARTS + 1])
{
	for (enum us_part part = 0; part < US_PARTS; part++) {
		const struct us_part_verdict *v = &parts->v[part];

		ret[part] = v->v == US_NO         ? 'n'
			    : v->v == US_UNKNOWN  ? '?'
			    : v->by_load == US_NO ? 'f'
			    : v->by_file == US_NO ? 'l'
						  : 'y';
	}
	ret[US_PARTS] = '\0';
}

static const struct us_part_finding *finding(const struct us_parts *parts, enum us_part part,
					     const char *id)
{
	const struct us_part_verdict *v = &parts->v[part];

	for (size_t i = 0; i < v->n_findings; i++)
		if (!strcmp(v->findings[i].rule->id, id))
			return &v->findings[i];
	return NULL;
}

static struct us_parts *judged(const struct us_kconfig *config)
{
	struct us_witness w = us_witness_of_config(config, "a.config");
	struct us_parts *parts = NULL;

	assert_null(us_parts_judge(&w, &parts));
	return parts;
}

static const struct {
	const char *base, *off, *on, *want; /* source, target, panic, capture */
} table[] = {
	{ CUT, "", "", "yyyy" },
	{ CUT, " KEXEC ", "", "fyfy" },
	{ CUT, " KEXEC_FILE ", "", "lyly" },
	{ CUT, " KEXEC  KEXEC_FILE ", "", "nyny" },
	{ CUT, " KEXEC_CORE ", "", "nyny" },
	{ CUT, " KEXEC_SIG ", "", "yyyy" },
	{ CUT, " KEXEC_BZIMAGE_VERIFY_SIG ", "", "yyyy" },
	{ CUT, "", "CONFIG_KEXEC_SIG_FORCE=y\n", "yyyy" },
	{ CUT, " KEXEC ", "CONFIG_KEXEC_SIG_FORCE=y\n", "fyfy" },
	{ CUT, " KEXEC_BZIMAGE_VERIFY_SIG ", "CONFIG_KEXEC_SIG_FORCE=y\n", "lyly" },
	{ CUT, " KEXEC_BZIMAGE_VERIFY_SIG  KEXEC ", "CONFIG_KEXEC_SIG_FORCE=y\n", "nyny" },
	{ CUT, "", "CONFIG_LOCK_DOWN_KERNEL_FORCE_INTEGRITY=y\n", "fyfy" },
	{ CUT, " CRASH_DUMP ", "", "yynn" },
	{ CUT, " CRASH_RESERVE ", "", "yyny" },
	{ CUT, " VMCORE_INFO ", "", "yyny" },
	{ CUT, " PROC_VMCORE ", "", "yyyn" },
	{ CUT, " RELOCATABLE ", "", "ylyn" },
	{ CUT, " RELOCATABLE  PHYSICAL_START ", "CONFIG_PHYSICAL_START=0x4000000\n", "ylyl" },
	{ CUT, " BLK_DEV_INITRD ", "", "yyyn" },
	{ CUT, "", "CONFIG_KASAN=y\n", "yyyy" },
	{ UNCUT, "", "", "yyyy" },
	{ UNCUT, " CRASH_DUMP ", "", "yyyn" },
	{ UNCUT, " CRASH_DUMP  PROC_VMCORE ", "", "yyyn" },
	{ UNCUT, " KEXEC  KEXEC_FILE  KEXEC_CORE  CRASH_CORE ", "", "nyny" },
	{ UNCUT, " CRASH_CORE ", "", "yyny" },
	/* what was carried back decides, not the version */
	{ UNCUT, " CRASH_CORE  CRASH_DUMP ", "CONFIG_VMCORE_INFO=y\nCONFIG_CRASH_RESERVE=y\n",
	  "yynn" },
};

static void test_a_changed_line_changes_its_own_verdicts(void **state)
{
	(void)state;
	for (size_t i = 0; i < us_array_size(table); i++) {
		_us_kconfig_free_ struct us_kconfig *config =
			changed(table[i].base, table[i].off, table[i].on);
		_us_parts_free_ struct us_parts *parts = judged(config);
		char have[US_PARTS + 1];

		letters(parts, have);
		if (strcmp(have, table[i].want))
			fail_msg("row %zu, without%swith %s: %s, expected %s", i, table[i].off,
				 table[i].on, have, table[i].want);
	}
}

static const char *const raspi = HEAD("arm", "5.15.61") "CONFIG_ARM=y\nCONFIG_CRASH_DUMP=y\n"
							"CONFIG_PROC_VMCORE=y\n"
							"CONFIG_BLK_DEV_INITRD=y\n";
static const char *const no_dump = HEAD("riscv", "6.18.2") "CONFIG_RISCV=y\nCONFIG_64BIT=y\n"
							   "CONFIG_KEXEC=y\nCONFIG_KEXEC_FILE=y\n"
							   "CONFIG_KEXEC_CORE=y\n"
							   "CONFIG_VMCORE_INFO=y\n"
							   "CONFIG_BLK_DEV_INITRD=y\n";
static const char *const blind = HEAD("x86", "6.1.90") "CONFIG_X86_64=y\nCONFIG_KEXEC=y\n"
						       "CONFIG_KEXEC_FILE=y\nCONFIG_KEXEC_CORE=y\n"
						       "CONFIG_CRASH_CORE=y\nCONFIG_KEXEC_SIG=y\n"
						       "CONFIG_RELOCATABLE=y\nCONFIG_CRASH_DUMP=y\n"
						       "CONFIG_PROC_VMCORE=y\n"
						       "CONFIG_BLK_DEV_INITRD=y\n";

static void test_configurations_as_they_are_met(void **state)
{
	static const struct {
		const char *const *text;
		const char *want, *id;
		enum us_part part;
	} met[] = {
		{ &raspi, "nyny", "source.kexec-core", US_PART_PANIC },
		{ &no_dump, "yynn", "panic.crash-dump", US_PART_PANIC },
		{ &blind, "yyyy", "source.verifier-x86", US_PART_SOURCE },
	};

	(void)state;
	for (size_t i = 0; i < us_array_size(met); i++) {
		_us_kconfig_free_ struct us_kconfig *config = changed(*met[i].text, "", "");
		_us_parts_free_ struct us_parts *parts = judged(config);
		const struct us_part_finding *f = finding(parts, met[i].part, met[i].id);
		char have[US_PARTS + 1];

		letters(parts, have);
		assert_string_equal(have, met[i].want);
		assert_non_null(f);
		assert_int_equal(f->v, US_NO);
	}
}

static void test_the_coupling_of_6_6_is_told_by_version(void **state)
{
	static const struct {
		const char *head;
		bool told;
	} rows[] = {
		{ HEAD("x86", "6.5.13"), false }, { HEAD("x86", "6.6.0"), true },
		{ HEAD("x86", "6.6.3"), true },   { HEAD("x86", "6.6.6"), true },
		{ HEAD("x86", "6.6.7"), false },  { HEAD("x86", "6.6.8"), false },
	};

	(void)state;
	for (size_t i = 0; i < us_array_size(rows); i++) {
		_us_kconfig_free_ struct us_kconfig *config =
			changed(COMMON "CONFIG_CRASH_CORE=y\n", " KEXEC ", rows[i].head);
		_us_parts_free_ struct us_parts *parts = judged(config);

		assert_int_equal(finding(parts, US_PART_PANIC, "kconfig.crash-dump-sets-kexec") !=
					 NULL,
				 rows[i].told);
	}
}

static void test_what_nobody_says_is_not_known(void **state)
{
	/* no headline: perhaps a fragment */
	_us_kconfig_free_ struct us_kconfig *config = changed(
		"CONFIG_X86_64=y\nCONFIG_KEXEC=y\n# CONFIG_PROC_VMCORE is not set\n", "", "");
	_us_parts_free_ struct us_parts *parts = judged(config), *none = NULL;
	struct us_witness nobody = { .name = "nobody" };
	char have[US_PARTS + 1];

	(void)state;
	letters(parts, have);
	assert_string_equal(have, "yy?n");
	assert_int_equal(parts->age, US_AGE_ANY);
	assert_int_equal(finding(parts, US_PART_PANIC, "panic.crash-dump")->v, US_UNKNOWN);
	assert_null(us_parts_judge(&nobody, &none));
	letters(none, have);
	assert_string_equal(have, "????");
}

static void test_deciding_lines(void **state)
{
	_us_kconfig_free_ struct us_kconfig *config = changed(CUT, " KEXEC  CRASH_DUMP ", "");
	_us_parts_free_ struct us_parts *parts = judged(config);

	(void)state;
	/* kexec_file_load is there: that KEXEC is not, decides nothing */
	assert_false(finding(parts, US_PART_PANIC, "source.kexec-load")->decides);
	assert_true(finding(parts, US_PART_PANIC, "panic.crash-dump")->decides);
	assert_false(finding(parts, US_PART_PANIC, "panic.crash-reserve")->decides);
	assert_true(finding(parts, US_PART_SOURCE, "source.kexec-load")->decides);
	assert_string_equal(finding(parts, US_PART_PANIC, "panic.crash-dump")->found,
			    "CRASH_DUMP is not set");
}

static void assert_lines(const char *const *lines, const char *want)
{
	char have[1024] = "";

	for (size_t i = 0; lines[i]; i++) {
		strcat(have, lines[i]);
		strcat(have, "\n");
	}
	assert_string_equal(have, want);
}

static void test_fragments(void **state)
{
	static const struct {
		const char *base, *off, *on;
		unsigned int asked;
		const char *want;
	} rows[] = {
		{ CUT, "", "", US_PARTS_ALL, "" },
		{ CUT, " PROC_VMCORE ", "CONFIG_PROC_FS=y\n", US_PARTS_ALL,
		  "CONFIG_PROC_VMCORE=y\n" },
		{ CUT, " KEXEC  KEXEC_FILE  KEXEC_CORE ", "", US_PART_BIT(US_PART_SOURCE),
		  "CONFIG_KEXEC_FILE=y\n" },
		{ CUT, " KEXEC  KEXEC_FILE  KEXEC_CORE  CRASH_DUMP  CRASH_RESERVE ", "",
		  US_PART_BIT(US_PART_CAPTURE), "CONFIG_CRASH_DUMP=y\nCONFIG_KEXEC_FILE=y\n" },
		{ UNCUT, " KEXEC  KEXEC_FILE  KEXEC_CORE  CRASH_DUMP ", "",
		  US_PART_BIT(US_PART_CAPTURE), "CONFIG_CRASH_DUMP=y\n" },
		{ UNCUT, " KEXEC  KEXEC_FILE  KEXEC_CORE  CRASH_CORE ", "",
		  US_PART_BIT(US_PART_PANIC),
		  "CONFIG_KEXEC_FILE=y\nCONFIG_CRYPTO=y\nCONFIG_CRYPTO_SHA256=y\n" },
	};

	(void)state;
	for (size_t i = 0; i < us_array_size(rows); i++) {
		_us_kconfig_free_ struct us_kconfig *config =
			changed(rows[i].base, rows[i].off, rows[i].on);
		_us_parts_free_ struct us_parts *parts = judged(config);
		struct us_part_fragment fragment;

		assert_null(us_parts_fragment(parts, rows[i].asked, &fragment));
		assert_lines(fragment.lines, rows[i].want);
	}
}

static void test_words(void **state)
{
	unsigned int bits = 0;
	struct us_err *err;

	(void)state;
	assert_null(us_parts_parse("panic,capture", &bits));
	assert_int_equal(bits, US_PART_BIT(US_PART_PANIC) | US_PART_BIT(US_PART_CAPTURE));
	err = us_parts_parse("panic,", &bits);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_USAGE);
	us_err_free(err);
}

/* Every want and given is in the grammar, names an option that a kernel has, and each id once. */
static void test_the_table_is_sound(void **state)
{
	_us_kconfig_free_ struct us_kconfig *config = changed(CUT, "", "");
	const struct us_part_rule *rule;

	(void)state;
	for (size_t i = 0; (rule = us_part_rule_at(i)); i++) {
		assert_true(rule->parts && rule->costs && rule->see);
		assert_int_equal(rule->weight == US_PART_TELLS, !rule->want);
		if (rule->want)
			assert_int_not_equal(us_kconfig_wants(config, rule->want), US_UNKNOWN);
		if (rule->given)
			assert_int_not_equal(us_kconfig_wants(config, rule->given), US_UNKNOWN);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(rule->id, us_part_rule_at(j)->id);
	}
	for (size_t i = 0; us_part_need_at(i); i++)
		assert_int_not_equal(us_kconfig_wants(config, us_part_need_at(i)->want), US_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_changed_line_changes_its_own_verdicts),
		cmocka_unit_test(test_configurations_as_they_are_met),
		cmocka_unit_test(test_the_coupling_of_6_6_is_told_by_version),
		cmocka_unit_test(test_what_nobody_says_is_not_known),
		cmocka_unit_test(test_deciding_lines),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_the_table_is_sound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
