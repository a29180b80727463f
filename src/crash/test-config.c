/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the configuration: defaults, each key, what is refused and in which words. */
#include "base/cleanup.h"
#include "base/err.h"
#include "base/text.h"
#include "crash/crash.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

static struct us_crash_config *parse(const char *text)
{
	struct us_crash_config *config = NULL;
	struct us_err *err =
		us_crash_config_parse(us_bytes_of(text, strlen(text)), "test.conf", &config);

	if (err)
		fail_msg("%s", err->text);
	return config;
}

/* The error that text gives; "test.conf:" stands in front. */
static void refused(const char *text, const char *words)
{
	struct us_crash_config *config = NULL;
	_us_err_free_ struct us_err *err =
		us_crash_config_parse(us_bytes_of(text, strlen(text)), "test.conf", &config);

	assert_non_null(err);
	assert_null(config);
	assert_int_equal(err->code, US_ERR_BAD_DATA);
	if (!strstr(err->text, words))
		fail_msg("\"%s\" is not in \"%s\"", words, err->text);
}

static void test_an_empty_file_gives_the_defaults(void **state)
{
	_us_crash_config_free_ struct us_crash_config *c = parse("");

	(void)state;
	assert_int_equal(c->n_targets, 1);
	assert_int_equal(c->targets[0].kind, US_TARGET_DIR);
	assert_string_equal(c->targets[0].path, "/var/crash");
	assert_string_equal(c->kernel, "running");
	assert_string_equal(c->modules, "");
	assert_string_equal(c->config, "");
	assert_int_equal(c->level, 31);
	assert_string_equal(c->codec, "auto");
	assert_int_equal(c->jobs, 0);
	assert_int_equal(c->cpus, 1);
	assert_string_equal(c->append, "");
	assert_string_equal(c->call, "auto");
	assert_false(c->keep.may_prune);
	assert_int_equal(c->keep.max_crashes, 0);
	assert_int_equal(c->keep.max_bytes, 0);
	assert_int_equal(c->keep.min_free, 0);
	assert_null(c->extra_modules[0]);
	assert_null(c->extra_programs[0]);
	assert_int_equal(c->budget_s, 3600);
	assert_int_equal(c->hook_budget_s, 60);
	assert_int_equal(c->module_budget_s, 20);
	assert_string_equal(c->final, "reboot");
	assert_string_equal(c->watchdog, "auto");
	assert_string_equal(c->webhook, "");
	assert_string_equal(c->fence_nodes, "");
	assert_int_equal(c->fence_port, 7410);
	assert_string_equal(c->policy, "");
}

static void test_every_key_is_read(void **state)
{
	_us_crash_config_free_ struct us_crash_config *c =
		parse("# a comment\n"
		      "\t kernel=/boot/vmlinuz-6.1.0-49-amd64   # the proven one\r\n"
		      "modules = /opt/modules\n"
		      "kernel-config = /boot/config-6.1\n"
		      "target = ssh://crash@10.0.2.2:2222/srv/crash identity=/etc/k  # far\n"
		      "target = /var/crash\n"
		      "level = 17\n"
		      "codec = zstd:3\n"
		      "jobs = 2\n"
		      "cpus = 4\n"
		      "append = debug=\"a # b\" initcall=x#y\n"
		      "call = load\n"
		      "prune = yes\n"
		      "max-crashes = 5\n"
		      "max-bytes = 20G\n"
		      "min-free = 512M\n"
		      "pre = /etc/understudy/pre\n"
		      "post = /etc/understudy/post\n"
		      "extra-modules = ipmi_si, ipmi-devintf\n"
		      "extra-modules = nvme\n"
		      "extra-programs = /bin/sh /bin/dd\n"
		      "budget = 15m\n"
		      "hook-budget = 5\n"
		      "module-budget = 3s\n"
		      "final = poweroff\n"
		      "watchdog = /dev/watchdog1\n"
		      "webhook = https://crash.example/h?a=b\n"
		      "fence-nodes = node1 node2\n"
		      "fence-port = 1\n"
		      "policy = block:0.11,6.1.0-49-amd64");

	(void)state;
	assert_string_equal(c->path, "test.conf");
	assert_string_equal(c->kernel, "/boot/vmlinuz-6.1.0-49-amd64");
	assert_string_equal(c->modules, "/opt/modules");
	assert_string_equal(c->config, "/boot/config-6.1");
	assert_int_equal(c->n_targets, 2);
	assert_int_equal(c->targets[0].kind, US_TARGET_SSH);
	assert_string_equal(c->targets[0].path, "/srv/crash");
	assert_string_equal(c->targets[0].identity, "/etc/k");
	assert_string_equal(c->targets[1].path, "/var/crash");
	assert_int_equal(c->level, 17);
	assert_string_equal(c->codec, "zstd:3");
	assert_int_equal(c->jobs, 2);
	assert_int_equal(c->cpus, 4);
	assert_string_equal(c->call, "load");
	assert_true(c->keep.may_prune);
	assert_int_equal(c->keep.max_crashes, 5);
	assert_true(c->keep.max_bytes == 20ull << 30);
	assert_true(c->keep.min_free == 512ull << 20);
	assert_string_equal(c->pre, "/etc/understudy/pre");
	assert_string_equal(c->post, "/etc/understudy/post");
	assert_string_equal(c->extra_modules[0], "ipmi_si");
	assert_string_equal(c->extra_modules[1], "ipmi-devintf");
	assert_string_equal(c->extra_modules[2], "nvme");
	assert_null(c->extra_modules[3]);
	assert_string_equal(c->extra_programs[1], "/bin/dd");
	assert_int_equal(c->budget_s, 900);
	assert_int_equal(c->hook_budget_s, 5);
	assert_int_equal(c->module_budget_s, 3);
	assert_string_equal(c->final, "poweroff");
	assert_string_equal(c->watchdog, "/dev/watchdog1");
	assert_string_equal(c->webhook, "https://crash.example/h?a=b");
	assert_string_equal(c->fence_nodes, "node1 node2");
	assert_int_equal(c->fence_port, 1);
	assert_string_equal(c->policy, "block:0.11,6.1.0-49-amd64");
}

static void test_a_comment_ends_a_value_and_quotes_do_not_hide_it(void **state)
{
	_us_crash_config_free_ struct us_crash_config *c =
		parse("append = a=b#c \"d #e\"\n  # target = /nowhere\n");

	(void)state;
	assert_string_equal(c->append, "a=b#c \"d");
	assert_string_equal(c->targets[0].path, "/var/crash");
}

static void test_every_default_is_a_value_of_its_key(void **state)
{
	const struct us_crash_key *k;

	(void)state;
	for (size_t i = 0; (k = us_crash_key_at(i)); i++) {
		_us_crash_config_free_ struct us_crash_config *c = NULL;
		_us_free_ char *line = NULL;

		assert_non_null(k->help);
		assert_non_null(k->values);
		assert_null(us_text_format(&line, "%s = %s\n", k->name, k->fallback));
		c = parse(line);
	}
	assert_true(us_crash_key_at(0) != NULL);
}

static void test_what_makes_no_sense_is_refused_with_its_line(void **state)
{
	static const struct {
		const char *text, *words;
	} cases[] = {
		{ "\n\nlevle = 3",
		  "test.conf:3: there is no key \"levle\"; did you mean \"level\"?" },
		{ "max_crashes = 3", "did you mean \"max-crashes\"?" },
		{ "Target = /x", "did you mean \"target\"?" },
		{ "path /var/crash", "test.conf:1: \"path /var/crash\" is not KEY = VALUE" },
		{ "completely-different = 1", "there is no key \"completely-different\" (" },
		{ "level = 32", "test.conf:1: level = 32: it is not from 0 to 31" },
		{ "level = all", "level = all: it is no number" },
		{ "level =", "level: it has no value" },
		{ "level = 1\n# x\nlevel = 2", "test.conf:3: level: it stands on line 1 already" },
		{ "prune = true", "it is neither yes nor no" },
		{ "max-bytes = 1 GB", "it is no number of bytes" },
		{ "max-bytes = 99999999999G", "it is no number of bytes" },
		{ "budget = 3w", "it is no time" },
		{ "budget = 99999999999999999h", "it is no time" },
		{ "budget = s", "it is no time" },
		{ "budget = 1", "it is not from 10 to 604800 seconds" },
		{ "final = restart", "it is none of reboot|poweroff|halt" },
		{ "final = re", "it is none of reboot|poweroff|halt" },
		{ "kernel = vmlinuz", "neither \"running\" nor an absolute path" },
		{ "pre = hook.sh", "it is no absolute path" },
		{ "codec = rar", "it is none of auto" },
		{ "watchdog = yes", "it is none of auto, no, /dev/NAME" },
		{ "webhook = ftp://x", "it is no http" },
		{ "webhook = http:///x", "it is no http" },
		{ "extra-modules = a b;c", "b;c: a module's name" },
		{ "extra-programs = sh", "sh: it is no absolute path" },
		{ "fence-nodes = a;b", "it is no list of hosts" },
		{ "policy = block", "it is warn:MAJOR" },
		{ "policy = block:1.", "it is warn:MAJOR" },
		{ "append = a\001b", "append: a control character" },
		{ "max-crashes = 3", "test.conf:1: max-crashes: nothing is deleted" },
		{ "min-free = 1G\nmax-crashes = 0", "test.conf:1: min-free: nothing is deleted" },
		{ "target =", "target: it has no value" },
		{ "\ntarget = var/crash", "test.conf:2: target var/crash: neither an absolute path" },
		{ "target = ssh://a@b/c budget=never", "test.conf:1: " },
	};

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++)
		refused(cases[i].text, cases[i].words);
}

static void test_limits_without_pruning_may_be_meant(void **state)
{
	_us_crash_config_free_ struct us_crash_config *c = parse("max-crashes = 3\nprune = no\n");
	_us_crash_config_free_ struct us_crash_config *none = parse("max-crashes = 0\n");

	(void)state;
	assert_int_equal(c->keep.max_crashes, 3);
	assert_false(c->keep.may_prune);
	assert_int_equal(none->keep.max_crashes, 0);
}

static void test_a_zero_byte_is_no_text(void **state)
{
	struct us_crash_config *config = NULL;
	_us_err_free_ struct us_err *err =
		us_crash_config_parse(us_bytes_of("level = 1\0\n", 11), "test.conf", &config);

	(void)state;
	assert_non_null(err);
	assert_non_null(strstr(err->text, "zero byte"));
}

static void test_too_many_are_refused(void **state)
{
	_us_text_deinit_ struct us_text t = { 0 };

	(void)state;
	for (int i = 0; i < 17; i++)
		us_text_add(&t, "target = /t%d\n", i);
	refused(t.s, "test.conf:17: there are more than 16 targets");
	us_text_deinit(&t);
	us_text_add(&t, "extra-modules =");
	for (int i = 0; i < 129; i++)
		us_text_add(&t, " m%d", i);
	refused(t.s, "there are more than 128");
}

static void test_only_the_default_file_may_be_missing(void **state)
{
	_us_crash_config_free_ struct us_crash_config *c = NULL;
	_us_err_free_ struct us_err *err = NULL;
	char dir[] = "/tmp/test-config-XXXXXX";
	_us_close_ int fd = -1;
	FILE *f;

	(void)state;
	assert_non_null(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_null(us_crash_config_read(fd, NULL, &c));
	assert_null(c->path);
	us_crash_config_free(us_steal(&c));
	err = us_crash_config_read(fd, "/etc/other.conf", &c);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_NOT_FOUND);
	assert_int_equal(mkdirat(fd, "etc", 0700), 0);
	f = fdopen(openat(fd, "etc/understudy.conf", O_WRONLY | O_CREAT, 0600), "w");
	assert_non_null(f);
	fputs("level = 1\n", f);
	fclose(f);
	assert_null(us_crash_config_read(fd, NULL, &c));
	assert_string_equal(c->path, US_CRASH_CONFIG);
	assert_int_equal(c->level, 1);
	unlinkat(fd, "etc/understudy.conf", 0);
	unlinkat(fd, "etc", AT_REMOVEDIR);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_empty_file_gives_the_defaults),
		cmocka_unit_test(test_every_key_is_read),
		cmocka_unit_test(test_a_comment_ends_a_value_and_quotes_do_not_hide_it),
		cmocka_unit_test(test_every_default_is_a_value_of_its_key),
		cmocka_unit_test(test_what_makes_no_sense_is_refused_with_its_line),
		cmocka_unit_test(test_limits_without_pruning_may_be_meant),
		cmocka_unit_test(test_a_zero_byte_is_no_text),
		cmocka_unit_test(test_too_many_are_refused),
		cmocka_unit_test(test_only_the_default_file_may_be_missing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
