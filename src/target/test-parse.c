/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of parse.c: targets in words, to values and back, and what is refused. */
#include "base/cleanup.h"
#include "target/target-int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

static struct us_target_spec parsed(struct us_pool *pool, const char *words)
{
	struct us_target_spec spec;

	assert_null(us_target_parse(words, pool, &spec));
	return spec;
}

static void refused(const char *words, const char *because)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_target_spec spec;
	_us_err_free_ struct us_err *err = us_target_parse(words, &pool, &spec);

	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_USAGE);
	if (!strstr(err->text, because))
		fail_msg("%s: %s", words, err->text);
}

static void test_each_kind_is_known_by_its_words(void **state)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_target_spec s;

	(void)state;
	s = parsed(&pool, "/var/crash");
	assert_int_equal(s.kind, US_TARGET_DIR);
	assert_string_equal(s.path, "/var/crash");
	assert_int_equal(s.budget_s, 600);
	s = parsed(&pool, "raw:/dev/disk/by-partuuid/x budget=2m");
	assert_int_equal(s.kind, US_TARGET_RAW);
	assert_string_equal(s.path, "/dev/disk/by-partuuid/x");
	assert_int_equal(s.budget_s, 120);
	s = parsed(&pool, "nfs://[fd00::1]:2050/srv/crash//host/a options=nconnect=2");
	assert_int_equal(s.kind, US_TARGET_NFS);
	assert_string_equal(s.host, "fd00::1");
	assert_string_equal(s.port, "2050");
	assert_string_equal(s.share, "/srv/crash");
	assert_string_equal(s.path, "host/a");
	assert_string_equal(s.options, "nconnect=2");
	s = parsed(&pool, "ssh://crash@10.0.2.2:2222/srv/crash identity=/k");
	assert_int_equal(s.kind, US_TARGET_SSH);
	assert_string_equal(s.user, "crash");
	assert_string_equal(s.identity, "/k");
	assert_string_equal(s.known_hosts, US_TARGET_KNOWN_HOSTS);
	s = parsed(&pool, "https://h/a/ credentials=\"/with space\"");
	assert_int_equal(s.kind, US_TARGET_HTTP);
	assert_true(s.tls);
	assert_string_equal(s.credentials, "/with space");
	s = parsed(&pool, "s3://b/p credentials=/c region=eu-1");
	assert_int_equal(s.kind, US_TARGET_S3);
	assert_string_equal(s.share, "b");
	assert_string_equal(s.path, "p");
	assert_string_equal(s.host, "s3.eu-1.amazonaws.com");
	assert_true(s.tls);
	s = parsed(&pool, "s3://b credentials=/c endpoint=http://10.0.2.2:4568/");
	assert_string_equal(s.host, "10.0.2.2");
	assert_string_equal(s.port, "4568");
	assert_string_equal(s.path, "");
	assert_false(s.tls);
}

static void test_words_that_make_no_sense_are_named(void **state)
{
	(void)state;
	refused("", "missing");
	refused("var/crash", "absolute path");
	refused("raw:sda1", "absolute path");
	refused("/var/../crash", "\"..\"");
	refused("ssh://h/a/..", "\"..\"");
	refused("ssh://", "no host");
	refused("ssh://h:0/a", "port");
	refused("ssh://h:70000/a", "port");
	refused("ssh://[::1/a", "bracket");
	refused("ssh://[::1]x:22/a", "bracket");
	refused("ssh://[::g]/a", "IPv6");
	refused("ssh://-oProxyCommand=x/a", "host's name");
	refused("ssh://-o@h/a", "-o@h");
	refused("ssh://u:secret@h/a", "password");
	refused("nfs://h", "export");
	refused("nfs://h/a identity=/k", "identity=");
	refused("/var/crash budget=0", "budget");
	refused("/var/crash budget=99999999m", "budget");
	refused("/var/crash budget=5x", "budget");
	refused("/var/crash nonsense", "nonsense");
	refused("/var/crash a=b", "a=");
	refused("ssh://h/a identity=k", "absolute");
	refused("ssh://h/a address=h", "IP address");
	refused("\"/var/crash", "quotation");
	refused("s3://b/p", "credentials");
	refused("s3://b/p credentials=/c endpoint=h", "http://");
	refused("s3://b/p credentials=/c endpoint=http://h/path", "path");
}

static void test_a_password_is_not_repeated(void **state)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_target_spec spec;
	_us_err_free_ struct us_err *err = us_target_parse("https://u:secret@h/a", &pool, &spec);

	(void)state;
	assert_non_null(err);
	assert_null(strstr(err->text, "secret"));
}

static void test_words_come_back(void **state)
{
	static const char *const cases[] = {
		"/var/crash budget=600s",
		"\"/with \\\"quotes\\\" and \\\\\" budget=5s",
		"raw:/dev/sda3 budget=600s",
		"nfs://[fd00::1]:2050/srv/crash//host/a budget=600s options=nconnect=2",
		"nfs://h/srv budget=600s address=10.0.0.1",
		"ssh://u@h:2222/d budget=600s identity=/k known-hosts=/kh",
		"http://h:80/ budget=600s credentials=/c",
		"https://h/a/ budget=600s ca=/ca",
		"s3://b/p budget=600s endpoint=http://10.0.2.2:4568 region=eu credentials=/c",
	};

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++) {
		_us_pool_deinit_ struct us_pool pool = { 0 };
		struct us_target_spec spec = parsed(&pool, cases[i]);
		const char *words;

		assert_null(us_target_words(&spec, &pool, &words));
		assert_string_equal(words, cases[i]);
	}
}

static void test_needs_follow_from_the_kind(void **state)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_target_spec spec;
	struct us_target_needs needs;

	(void)state;
	spec = parsed(&pool, "/var/crash");
	assert_null(us_target_needs(&spec, &pool, &needs));
	assert_false(needs.network);
	assert_null(needs.modules[0]);
	assert_null(needs.programs[0]);
	assert_null(needs.files[0]);
	spec = parsed(&pool, "ssh://h/d");
	assert_null(us_target_needs(&spec, &pool, &needs));
	assert_true(needs.network);
	assert_string_equal(needs.programs[0], "ssh");
	assert_string_equal(needs.files[0], US_TARGET_IDENTITY);
	assert_string_equal(needs.files[1], US_TARGET_KNOWN_HOSTS);
	spec = parsed(&pool, "nfs://h/d");
	assert_null(us_target_needs(&spec, &pool, &needs));
	assert_string_equal(needs.modules[0], "nfsv4");
	spec = parsed(&pool, "s3://b credentials=/c");
	assert_null(us_target_needs(&spec, &pool, &needs));
	assert_string_equal(needs.programs[0], "understudy-http");
	assert_string_equal(needs.files[0], "/c");
	assert_non_null(needs.files[1]);
	assert_null(needs.files[2]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_kind_is_known_by_its_words),
		cmocka_unit_test(test_words_that_make_no_sense_are_named),
		cmocka_unit_test(test_a_password_is_not_repeated),
		cmocka_unit_test(test_words_come_back),
		cmocka_unit_test(test_needs_follow_from_the_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
