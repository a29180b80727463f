/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of keys in a made configfs: what is asked of the machine, in order. */
#include "crash/arm-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#define KEYS "/sys/kernel/config/crash_dm_crypt_keys"

struct machine {
	char root[32];
	struct us_text said;
	struct us_host host;
	int refuses; /* errno of write_file */
};

static int take_run(void *data, const char *const *argv, int *ret_status)
{
	struct machine *m = data;

	for (; *argv; argv++)
		us_text_add(&m->said, "%s%s", *argv, argv[1] ? " " : "\n");
	*ret_status = 0;
	return 0;
}

static int take_write(void *data, const char *path, struct us_bytes bytes)
{
	struct machine *m = data;

	us_text_add(&m->said, "%s < %.*s\n", path, (int)bytes.n, (const char *)bytes.p);
	return m->refuses;
}

static void make_folder(const struct machine *m, const char *path)
{
	char full[200];

	snprintf(full, sizeof(full), "%s%s", m->root, path);
	for (char *slash = strchr(full + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		mkdir(full, 0700);
		*slash = '/';
	}
	assert_true(!mkdir(full, 0700) || errno == EEXIST);
}

static int set_up(void **state)
{
	struct machine *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	strcpy(m->root, "/tmp/test-keys-XXXXXX");
	assert_non_null(mkdtemp(m->root));
	m->host.root_fd = open(m->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	m->host.act = (struct us_act){ .run = take_run, .write_file = take_write, .data = m };
	*state = m;
	return 0;
}

static int take_away(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path);
}

static int tear_down(void **state)
{
	struct machine *m = *state;

	close(m->host.root_fd);
	nftw(m->root, take_away, 8, FTW_DEPTH | FTW_PHYS);
	us_text_deinit(&m->said);
	free(m);
	return 0;
}

static const char *const crypt_table[] = {
	"0 2064384 crypt aes-xts-plain64 :64:logon:cryptsetup:5af1-d0 0 ${d0} 32768", NULL
};
static const char *const no_name[] = { "0 8 crypt aes-xts-plain64 00ff 0 ${d0} 0", NULL };

static void test_a_key_is_named(void **state)
{
	struct machine *m = *state;
	struct us_recipe_device devices[] = {
		{ .name = "d0" },
		{ .name = "cdump", .needs_keys = true, .table = crypt_table },
	};
	struct us_walk_result walk = { .devices = devices, .n_devices = 2 };

	assert_true(us_crash_needs_keys(&walk));
	assert_null(us_crash_hand_keys(&m->host, &walk));
	assert_string_equal(m->said.s, "mount -t configfs configfs /sys/kernel/config\n"
				       "mkdir -p " KEYS "/cdump\n" KEYS
				       "/cdump/description < cryptsetup:5af1-d0\n");
}

#define OLD_GOES "rmdir " KEYS "/old\nmount "

/* The volume was a target once; its key may be in no keyring now, and a load would fail for it. */
static void test_names_that_nobody_needs_go(void **state)
{
	struct machine *m = *state;
	struct us_recipe_device devices[] = {
		{ .name = "cdump", .needs_keys = true, .table = crypt_table }
	};
	struct us_walk_result walk = { .devices = devices, .n_devices = 1 };

	make_folder(m, KEYS "/cdump");
	make_folder(m, KEYS "/old");
	assert_null(us_crash_hand_keys(&m->host, &walk));
	assert_int_equal(strncmp(m->said.s, OLD_GOES, strlen(OLD_GOES)), 0);
	assert_null(strstr(m->said.s, "rmdir " KEYS "/cdump"));
}

static void test_without_encrypted_targets_all_names_go(void **state)
{
	struct machine *m = *state;
	struct us_walk_result walk = { 0 };

	make_folder(m, KEYS "/cdump");
	assert_false(us_crash_needs_keys(&walk));
	assert_null(us_crash_hand_keys(&m->host, &walk));
	assert_string_equal(m->said.s, "rmdir " KEYS "/cdump\n");
}

static void test_a_machine_without_the_folder_is_asked_for_nothing(void **state)
{
	struct machine *m = *state;

	assert_null(us_crash_hand_keys(&m->host, NULL));
	assert_null(m->said.s);
}

static void test_a_table_without_a_name_and_a_refusal_are_errors(void **state)
{
	struct machine *m = *state;
	struct us_recipe_device device = { .name = "cdump", .needs_keys = true, .table = no_name };
	struct us_walk_result walk = { .devices = &device, .n_devices = 1 };
	_us_err_free_ struct us_err *nameless = us_crash_hand_keys(&m->host, &walk);
	_us_err_free_ struct us_err *err = NULL;

	assert_non_null(nameless);
	assert_non_null(strstr(nameless->text, "cdump: its table names no key"));
	device.table = crypt_table;
	m->refuses = EINVAL;
	err = us_crash_hand_keys(&m->host, &walk);
	assert_non_null(err);
	assert_int_equal(err->os_errno, EINVAL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_key_is_named),
		TEST(test_names_that_nobody_needs_go),
		TEST(test_without_encrypted_targets_all_names_go),
		TEST(test_a_machine_without_the_folder_is_asked_for_nothing),
		TEST(test_a_table_without_a_name_and_a_refusal_are_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
