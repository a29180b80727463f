/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A capture by hand of a core that is made here: to directories, with targets that fail, with hooks.
 * What may hang, hangs and is left behind. Device mapper is spoken to through functions of the test.
 */
#include "base/cleanup.h"
#include "crash/capture-int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <cmocka.h>

#define CRASH "20231114-221320-6.1.0-test"

struct place {
	char dir[64];
};

static int setup(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	strcpy(p->dir, "/tmp/understudy-capture-XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	*state = p;
	return 0;
}

static int teardown(void **state)
{
	char command[128];

	snprintf(command, sizeof(command), "rm -rf '%s'", ((struct place *)*state)->dir);
	assert_int_equal(system(command), 0);
	free(*state);
	return 0;
}

static void write_file(const struct place *p, const char *name, const void *bytes, size_t n,
		       mode_t mode)
{
	char path[128];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
	assert_true(fd >= 0 && write(fd, bytes, n) == (ssize_t)n);
	close(fd);
}

/* "" if it is not there. */
static const char *read_file(const struct place *p, const char *name, char *buf, size_t room)
{
	char path[256];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", p->dir, name);
	fd = open(path, O_RDONLY);
	if (fd >= 0) {
		n = read(fd, buf, room - 1);
		close(fd);
	}
	buf[n > 0 ? n : 0] = 0;
	return buf;
}

/* An ELF core of x86-64 with 256 KiB of memory and a VMCOREINFO that names no structure. */
static void make_core(const struct place *p)
{
	static const char info[] = "OSRELEASE=6.1.0-test\nPAGESIZE=4096\nCRASHTIME=1700000000\n";
	size_t memory = 256 << 10, at = 8192;
	uint8_t *b = calloc(1, at + memory), *head = b + 64, *note = b + 4096;
	uint32_t n = 12 + 12 + ((sizeof(info) + 3) & ~3u);

	memcpy(b, "\177ELF\2\1\1", 7);
	b[16] = 4; /* a core */
	b[18] = 62;
	b[20] = 1;
	us_put_le64(b + 32, 64);
	b[52] = 64;
	b[54] = 56;
	b[56] = 2;
	us_put_le32(head, 4); /* PT_NOTE */
	us_put_le64(head + 8, 4096);
	us_put_le64(head + 32, n);
	us_put_le64(head + 40, n);
	us_put_le32(head + 56, 1); /* PT_LOAD */
	us_put_le64(head + 64, at);
	us_put_le64(head + 80, 0x100000);
	us_put_le64(head + 88, memory);
	us_put_le64(head + 96, memory);
	us_put_le32(note, 11);
	us_put_le32(note + 4, sizeof(info));
	memcpy(note + 12, "VMCOREINFO", 11);
	memcpy(note + 24, info, sizeof(info));
	for (size_t i = 0; i < memory; i++)
		b[at + i] = (uint8_t)(i * 7 >> 4);
	write_file(p, "core", b, at + memory, 0600);
	free(b);
}

static struct us_err *capture(const struct place *p, const char *recipe, bool dry_run)
{
	char core[128], path[128];
	struct us_capture_wish wish = { .recipe = path, .vmcore = core, .dry_run = dry_run };

	snprintf(core, sizeof(core), "%s/core", p->dir);
	snprintf(path, sizeof(path), "%s/recipe", p->dir);
	write_file(p, "recipe", recipe, strlen(recipe), 0600);
	make_core(p);
	return us_capture_run(&wish);
}

static void test_the_dump_goes_to_the_first_target_that_holds(void **state)
{
	const struct place *p = *state;
	static const char hook[] = "#!/bin/sh\necho \"$@\" >> \"${0%/*}/said\"\n";
	char recipe[1024], buf[16384];
	struct us_capture_state s;
	struct stat st;

	write_file(p, "file", "", 0, 0600);
	write_file(p, "hook", hook, strlen(hook), 0700);
	snprintf(recipe, sizeof(recipe),
		 "recipe host=here level=31 jobs=1 codec=lzo budget=60 pre=%s/hook post=%s/hook\n"
		 "target kind=dir text=no-directory path=%s/file/x budget=20\n"
		 "target kind=dir text=the-place path=%s/place budget=20\n"
		 "target kind=dir text=third path=%s/third budget=20\n",
		 p->dir, p->dir, p->dir, p->dir, p->dir);
	assert_null(capture(p, recipe, false));
	read_file(p, "place/" CRASH "/state.txt", buf, sizeof(buf));
	assert_null(us_capture_state_parse(us_bytes_of(buf, strlen(buf)), &s));
	assert_string_equal(us_capture_state_text(&s, "result", 0), "saved");
	assert_string_equal(us_capture_state_text(&s, "target", 0), "the-place");
	assert_string_equal(us_capture_state_text(&s, "where", 0), "the-place/" CRASH "/dump");
	assert_non_null(strstr(us_capture_state_text(&s, "unreached", 0), "Not a directory"));
	assert_true(s.n_stages >= 5 && s.stages[s.n_stages - 1].end_ms != UINT64_MAX);
	us_capture_state_deinit(&s);
	assert_int_equal(
		memcmp(read_file(p, "place/" CRASH "/dump", buf, sizeof(buf)), "KDUMP   ", 8), 0);
	assert_non_null(strstr(read_file(p, "third/" CRASH "/state.txt", buf, sizeof(buf)),
			       "result=saved"));
	assert_string_equal(read_file(p, "third/" CRASH "/dump", buf, sizeof(buf)), "");
	snprintf(recipe, sizeof(recipe), "%s/place/" CRASH "/dump", p->dir);
	assert_int_equal(stat(recipe, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_string_equal(read_file(p, "said", buf, sizeof(buf)),
			    CRASH " log \n" CRASH " saved the-place/" CRASH "/dump\n");
}

static void test_a_module_that_hangs_is_abandoned(void **state)
{
	const struct place *p = *state;
	char recipe[512], buf[16384];

	snprintf(buf, sizeof(buf), "%s/hangs.ko", p->dir);
	assert_int_equal(mkfifo(buf, 0600), 0); /* opening it waits for a writer */
	snprintf(recipe, sizeof(recipe),
		 "recipe budget=60\nmodule file=%s/hangs.ko target=-1 budget=1\n"
		 "target kind=dir text=t path=%s/place budget=20\n",
		 p->dir, p->dir);
	assert_null(capture(p, recipe, false));
	read_file(p, "place/" CRASH "/state.txt", buf, sizeof(buf));
	assert_non_null(strstr(buf, "/hangs.ko: it took too long\n"));
	assert_non_null(strstr(buf, "\nresult=saved\n"));
}

static void test_no_target_is_said(void **state)
{
	const struct place *p = *state;
	char recipe[512], buf[64];
	struct us_err *err;

	write_file(p, "file", "", 0, 0600);
	snprintf(recipe, sizeof(recipe),
		 "recipe budget=60\ntarget kind=dir text=none path=%s/file/x budget=20\n", p->dir);
	err = capture(p, recipe, false);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_NOT_FOUND);
	us_err_free(err);
	snprintf(recipe, sizeof(recipe),
		 "recipe budget=60\ntarget kind=dir text=t path=%s/place budget=20\n", p->dir);
	assert_null(capture(p, recipe, true));
	assert_string_equal(read_file(p, "place/" CRASH "/state.txt", buf, sizeof(buf)), "");
}

/* ---- guards ---- */

static struct us_capture make(struct us_capture_wish *wish, struct us_recipe *recipe)
{
	struct us_capture c = { .wish = wish, .recipe = recipe, .console = -1, .meminfo = -1 };

	c.shared = mmap(NULL, sizeof(*c.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			-1, 0);
	assert_true(c.shared != MAP_FAILED);
	return c;
}

static struct us_err *say_no(struct us_capture *c, void *data)
{
	(void)c;
	return us_err_os(ENODEV, "%s", (const char *)data);
}

static struct us_err *die(struct us_capture *c, void *data)
{
	(void)c;
	(void)data;
	raise(SIGKILL);
	return NULL;
}

static struct us_err *hang(struct us_capture *c, void *data)
{
	(void)c;
	(void)data;
	for (;;)
		pause();
	return NULL;
}

static struct us_err *do_well(struct us_capture *c, void *data)
{
	(void)data;
	us_capture_note(c, "key", "one\ntwo");
	return NULL;
}

/* says: the end of its text. */
static void must_fail(struct us_err *err, int os_errno, const char *says)
{
	const char *found;

	assert_non_null(err);
	assert_int_equal(err->os_errno, os_errno);
	found = strstr(err->text, says);
	if (!found || found[strlen(says)])
		fail_msg("%s", err->text);
	us_err_free(err);
}

static void test_what_hangs_is_left_behind(void **state)
{
	struct us_capture_wish wish = { 0 };
	struct us_recipe recipe = { 0 };
	struct us_capture c = make(&wish, &recipe);
	uint64_t begin = us_capture_now_ns();
	_us_free_ char *text = NULL;

	(void)state;
	assert_null(us_guard(&c, "well", us_capture_until(&c, 20), do_well, NULL));
	must_fail(us_guard(&c, "no", us_capture_until(&c, 20), say_no, (void *)"the disk"), ENODEV,
		  "the disk: No such device");
	must_fail(us_guard(&c, "dying", us_capture_until(&c, 20), die, NULL), 0, "Killed");
	assert_true(us_capture_now_ns() - begin < UINT64_C(10000000000));
	must_fail(us_guard(&c, "hanging", us_capture_until(&c, 1), hang, NULL), ETIMEDOUT,
		  "hanging: Connection timed out");
	assert_true(us_capture_now_ns() - begin < UINT64_C(20000000000));
	assert_null(us_capture_state_write(&c, &text));
	assert_non_null(strstr(text, "\nkey=one two\n"));
	assert_non_null(strstr(text, "\nabandoned=hanging: it took too long\n"));
	munmap(c.shared, sizeof(*c.shared));
}

static void test_a_program_that_fails_is_told(void **state)
{
	static const char *const no[] = { "/bin/sh", "-c", "exit 3", NULL };
	static const char *const none[] = { "/nonexistent", NULL };
	struct us_capture_wish wish = { 0 };
	struct us_recipe recipe = { 0 };
	struct us_capture c = make(&wish, &recipe);

	(void)state;
	must_fail(us_guard_program(&c, no, us_capture_until(&c, 20)), 0, "status 3");
	must_fail(us_guard_program(&c, none, us_capture_until(&c, 20)), 0, "status 127");
	munmap(c.shared, sizeof(*c.shared));
}

static void test_many_samples_are_thinned_out(void **state)
{
	struct us_capture_wish wish = { 0 };
	struct us_recipe recipe = { 0 };
	struct us_capture c = make(&wish, &recipe);

	(void)state;
	c.meminfo = open("/proc/meminfo", O_RDONLY | O_CLOEXEC);
	c.shared->n_samples = US_CAPTURE_SAMPLES;
	c.shared->sample_every_ms = 1;
	for (unsigned int i = 0; i < US_CAPTURE_SAMPLES; i++)
		c.shared->samples[i].ms = i;
	us_capture_sample(&c);
	assert_int_equal(c.shared->n_samples, US_CAPTURE_SAMPLES / 2 + 1);
	assert_int_equal(c.shared->samples[100].ms, 200);
	assert_int_equal(c.shared->sample_every_ms, 2);
	assert_true(c.shared->memory_total_kb > 1000);
	close(c.meminfo);
	munmap(c.shared, sizeof(*c.shared));
}

/* ---- device mapper ---- */

struct mapper {
	unsigned long calls[8];
	size_t n;
	int fail_at; /* index of the call that fails; -1: none */
	int error;
	char uuid[DM_UUID_LEN];
};

static void check_load(const struct dm_ioctl *h)
{
	const char *p = (const char *)h + h->data_start;
	const struct dm_target_spec *one = (const void *)p, *two;

	assert_int_equal(h->target_count, 2);
	assert_true(one->sector_start == 0 && one->length == 2048);
	assert_string_equal(one->target_type, "linear");
	assert_string_equal(p + sizeof(*one), "8:1 2048");
	assert_int_equal(one->next % 8, 0);
	two = (const void *)(p + one->next);
	assert_true(two->sector_start == 2048 && two->length == 16);
	assert_string_equal(two->target_type, "striped");
	assert_string_equal((const char *)(two + 1), "2 32 8:1 0 8:2 0");
	assert_int_equal(h->data_size, sizeof(*h) + one->next + two->next);
}

static int answer(void *data, unsigned long request, void *arg)
{
	struct mapper *m = data;
	struct dm_ioctl *h = arg;

	assert_true(m->n < us_array_size(m->calls));
	m->calls[m->n++] = request;
	assert_string_equal(h->name, "vg0-dump");
	if (m->fail_at == (int)m->n - 1) {
		errno = m->error;
		return -1;
	}
	if (request == DM_DEV_CREATE)
		assert_string_equal(h->uuid, "LVM-abc");
	if (request == DM_TABLE_LOAD)
		check_load(h);
	if (request == DM_DEV_STATUS) {
		strcpy(h->uuid, m->uuid);
		h->dev = 254 << 8 | 7;
	}
	return 0;
}

static struct us_err *number_of(struct us_capture *c, const char *name, char ret[32])
{
	(void)c;
	snprintf(ret, 32, "8:%s", strcmp(name, "pv0") ? "2" : "1");
	return NULL;
}

static void test_a_table_is_loaded_with_todays_numbers(void **state)
{
	static const char *const table[] = { "0 2048 linear ${pv0} 2048",
					     "2048 16 striped 2 32 ${pv0} 0 ${pv1} 0", NULL };
	static const unsigned long all[] = { DM_DEV_CREATE, DM_TABLE_LOAD, DM_DEV_SUSPEND,
					     DM_DEV_STATUS };
	struct us_recipe_device d = {
		.name = "vg0-dump", .kind = US_DEVICE_DM, .uuid = "LVM-abc", .table = table
	};
	struct mapper m = { .fail_at = -1 };
	struct us_dm_io io = { answer, &m };
	unsigned int minor = 0;

	(void)state;
	assert_null(us_dm_assemble(NULL, &io, &d, number_of, &minor));
	assert_int_equal(minor, 7);
	assert_int_equal(m.n, 4);
	assert_memory_equal(m.calls, all, sizeof(all));
	/* a table that is refused leaves no device behind */
	m = (struct mapper){ .fail_at = 1, .error = EINVAL };
	must_fail(us_dm_assemble(NULL, &io, &d, number_of, &minor), EINVAL,
		  "loading its table: Invalid argument");
	assert_int_equal(m.calls[2], DM_DEV_REMOVE);
	/* it is there already: taken if it is the same, and left alone if it is not */
	m = (struct mapper){ .fail_at = 0, .error = EBUSY, .uuid = "LVM-abc" };
	assert_null(us_dm_assemble(NULL, &io, &d, number_of, &minor));
	assert_int_equal(m.calls[1], DM_DEV_STATUS);
	m = (struct mapper){ .fail_at = 0, .error = EBUSY, .uuid = "LVM-other" };
	must_fail(us_dm_assemble(NULL, &io, &d, number_of, &minor), 0, "another device");
	assert_int_equal(m.n, 2);
}

static void test_marks_tell_devices_apart(void **state)
{
	const struct place *p = *state;
	const struct us_recipe_mark marks[] = { { 4, us_bytes_of("EFGH", 4) },
						{ 0, us_bytes_of("A", 1) } };
	struct us_recipe_device d = { .marks = marks, .n_marks = 2 };
	char path[128];
	int fd;

	write_file(p, "disk", "ABCDEFGH", 8, 0600);
	snprintf(path, sizeof(path), "%s/disk", p->dir);
	fd = open(path, O_RDWR);
	assert_true(us_capture_marks_hold(&d, fd));
	assert_int_equal(pwrite(fd, "X", 1, 7), 1);
	assert_false(us_capture_marks_hold(&d, fd));
	assert_int_equal(ftruncate(fd, 6), 0);
	assert_false(us_capture_marks_hold(&d, fd));
	close(fd);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_the_dump_goes_to_the_first_target_that_holds),
		TEST(test_a_module_that_hangs_is_abandoned),
		TEST(test_no_target_is_said),
		TEST(test_what_hangs_is_left_behind),
		TEST(test_a_program_that_fails_is_told),
		TEST(test_many_samples_are_thinned_out),
		TEST(test_a_table_is_loaded_with_todays_numbers),
		TEST(test_marks_tell_devices_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
