/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Recipes: there and back again, and what is refused. */
#include "crash/recipe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char whole[] =
	"recipe host=db1 armed=6.1.0-56-amd64 capture=6.1.0-56-amd64 level=31 jobs=1 codec=auto "
	"max-crashes=3 max-bytes=1099511627776 min-free=1 prune=yes pre=/hooks/pre hook-budget=30 "
	"budget=1200 final=reboot watchdog=/dev/watchdog\n"
	"module file=/m/ext4.ko params=\"\" feature=\"target 0\" target=0 budget=20\n"
	"module file=/m/dm-mod.ko params=\"a=\\\"b c\\\" d\" target=-1 budget=20\n"
	"module file=/m/efi-pstore.ko params=\"\" target=-2\n"
	"device name=d0 kind=found bytes=1073741824 mark=1080:53ef mark=1128:00112233445566778899aabbccddeeff\n"
	"device name=d1 kind=dm mark=0:01 table=\"0 2048 linear ${d0} 2048\" table=\"2048 10 zero\" "
	"uuid=LVM-x lvm-pv=d0 lvm-lv=abc lvm-hash=0123\n"
	"device name=d2 kind=md member=d0 member=d1 md-major=1 md-minor=2 keys=yes\n"
	"net mac=52:54:00:12:34:56 address=10.0.2.15/24 gateway=10.0.2.2 nameserver=10.0.2.3 "
	"nameserver=::1 name=eth0 vlan=9\n"
	"target kind=dir text=/var/crash path=var/crash budget=600 device=d1 fs=ext4 fs-options=\"\"\n"
	"target kind=s3 text=\"s3://b/p \\xc3\\xa4\" path=p share=b tls=yes budget=600 network=yes\n";

static struct us_recipe *parse(const char *text)
{
	struct us_recipe *r = NULL;
	struct us_err *err = us_recipe_parse(us_bytes_of(text, strlen(text)), &r);

	if (err)
		fail_msg("%s", err->text);
	return r;
}

static void test_a_recipe_is_the_same_after_a_round_trip(void **state)
{
	_us_recipe_free_ struct us_recipe *r = parse(whole);
	char *text;

	(void)state;
	assert_int_equal(r->n_modules, 3);
	assert_string_equal(r->modules[1].params, "a=\"b c\" d");
	assert_null(r->modules[1].feature);
	assert_int_equal(r->modules[1].target, -1);
	assert_int_equal(r->modules[2].target, US_RECIPE_LAST);
	assert_int_equal(r->n_devices, 3);
	assert_int_equal(r->devices[0].n_marks, 2);
	assert_int_equal(r->devices[0].marks[1].at, 1128);
	assert_int_equal(r->devices[0].marks[1].bytes.n, 16);
	assert_int_equal(r->devices[0].marks[1].bytes.p[15], 0xff);
	assert_string_equal(r->devices[1].table[1], "2048 10 zero");
	assert_null(r->devices[1].table[2]);
	assert_true(r->devices[2].needs_keys);
	assert_string_equal(r->devices[2].members[1], "d1");
	assert_string_equal(r->nets[0].nameservers[1], "::1");
	assert_int_equal(r->targets[1].spec.kind, US_TARGET_S3);
	assert_string_equal(r->targets[1].spec.text, "s3://b/p \xc3\xa4");
	assert_string_equal(r->targets[0].fs_options, "");
	assert_true(r->keep.may_prune && r->keep.max_bytes == 1ull << 40);
	assert_null(us_recipe_write(r, &text));
	assert_string_equal(text, whole);
	free(text);
}

static void test_what_makes_no_sense_is_refused(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "modul file=/m/x.ko\n", "line 1: there is no statement" },
		{ "\n# a remark\nmodule fil=/m/x.ko\n", "line 3: module has no \"fil\"" },
		{ "module file=\"/m/x.ko\n", "not well quoted" },
		{ "module file=\"\\x00\"\n", "not well quoted" },
		{ "module file\n", "no value" },
		{ "module file=m/x.ko\n", "no file" },
		{ "module file=/x budget=4294967296\n", "no number" },
		{ "module file=/x target=-3\n", "no number" },
		{ "device name=d0 kind=loop\n", "there is no \"loop\"" },
		{ "device name=d0 kind=found\n", "no marks" },
		{ "device name=d0 mark=12:0\n", "no mark" },
		{ "device name=d0 mark=12:0g\n", "no mark" },
		{ "device name=d0 kind=dm\n", "no table" },
		{ "device name=d0 kind=dm table=${d0}\n", "lies on \"d0\"" },
		{ "device name=d0 kind=md member=d1\n", "member \"d1\"" },
		{ "device kind=md\n", "no name" },
		{ "target kind=dir text=/x path=x device=d9 fs=ext4\n", "no device d9" },
		{ "target kind=raw text=/x\n", "no device" },
		{ "recipe prune=no\n", "prune is yes" },
	};

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++) {
		struct us_recipe *r;
		struct us_err *err =
			us_recipe_parse(us_bytes_of(cases[i].text, strlen(cases[i].text)), &r);

		if (!err)
			fail_msg("taken: %s", cases[i].text);
		if (!strstr(err->text, cases[i].says))
			fail_msg("%s: %s", cases[i].text, err->text);
		us_err_free(err);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_recipe_is_the_same_after_a_round_trip),
		cmocka_unit_test(test_what_makes_no_sense_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
