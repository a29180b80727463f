/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sizes from made ELF headers, predictions from made page flags, and what is noted and read back. */
#include "crash/arm-int.h"

#include "base/cleanup.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#define PAGE 4096u

/* ---- resident ---- */

#define NAMES "\0.text\0.init.text\0.bss\0.debug\0.data..percpu\0.init.scratch"

struct made_section {
	uint32_t name;
	uint64_t flags, size, addr;
};

static void make_elf(uint8_t *p, size_t n, const struct made_section *sections, uint16_t count)
{
	memset(p, 0, n);
	memcpy(p, "\177ELF\2\1", 6);
	us_put_le64(p + 40, 64);
	us_put_le16(p + 58, 64);
	us_put_le16(p + 60, count);
	us_put_le16(p + 62, 0);
	for (size_t i = 0; i < count; i++) {
		uint8_t *s = p + 64 + 64 * i;

		us_put_le32(s, sections[i].name);
		us_put_le64(s + 8, sections[i].flags);
		us_put_le64(s + 16, sections[i].addr);
		us_put_le64(s + 32, sections[i].size);
	}
	us_put_le64(p + 64 + 24, n - sizeof(NAMES));
	us_put_le64(p + 64 + 32, sizeof(NAMES));
	memcpy(p + n - sizeof(NAMES), NAMES, sizeof(NAMES));
}

#define TEXT UINT64_C(0xffffffff81000000)
static const struct made_section some[] = {
	{ 0, 0, 0, 0 },                        /* names */
	{ 1, 6, 0x1000000, TEXT },             /* .text */
	{ 7, 6, 0x200000, TEXT + 0x1200000 },  /* .init.text: freed, with the gap before it */
	{ 18, 3, 0x500000, TEXT + 0x1400000 }, /* .bss */
	{ 23, 0, 0x9000000, 0 },               /* .debug: not loaded */
	{ 30, 3, 0x35000, 0 },                 /* .data..percpu: copied and freed */
	{ 44, 3, 0x400000, TEXT + 0x2000000 }, /* .init.scratch: of the decompressor */
};

static void test_sections_that_stay_are_counted(void **state)
{
	uint8_t elf[1024];
	uint64_t bytes = 0, starting = 0;

	(void)state;
	make_elf(elf, sizeof(elf), some, us_array_size(some));
	assert_true(us_crash_resident(us_bytes_of(elf, sizeof(elf)), &bytes, &starting));
	assert_int_equal(bytes, 0x1500000);
	assert_int_equal(starting, 0x1900000);
}

static void test_headers_that_lie_are_no_size(void **state)
{
	struct made_section huge[] = { { 0, 0, 0 }, { 1, 2, UINT64_MAX, 0 }, { 18, 2, 2, 0 } };
	uint8_t elf[1024];
	uint64_t bytes = 7, starting = 7;

	(void)state;
	make_elf(elf, sizeof(elf), huge, us_array_size(huge));
	assert_false(us_crash_resident(us_bytes_of(elf, sizeof(elf)), &bytes, &starting));
	make_elf(elf, sizeof(elf), some, us_array_size(some));
	for (size_t n = 0; n < 64 * 8; n++)
		assert_false(us_crash_resident(us_bytes_of(elf, n), &bytes, &starting));
	us_put_le16(elf + 62, 7);
	assert_false(us_crash_resident(us_bytes_of(elf, sizeof(elf)), &bytes, &starting));
	assert_int_equal(bytes, 7);
}

/* ---- a machine in a temporary folder ---- */

struct made {
	char dir[64];
	struct us_host host;
};

static void write_file(const struct made *m, const char *name, const void *p, size_t n)
{
	char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", m->dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	fclose(f);
}

static int setup(void **state)
{
	struct made *m = calloc(1, sizeof(*m));
	char path[200];

	strcpy(m->dir, "/tmp/understudy-arm-XXXXXX");
	assert_non_null(mkdtemp(m->dir));
	snprintf(path, sizeof(path), "%s/proc", m->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	m->host.root = m->dir;
	m->host.root_fd = open(m->dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	m->host.arch = us_arch_by_id(US_ARCH_X86_64);
	m->host.crash_loaded.v = 1;
	*state = m;
	return 0;
}

static int teardown(void **state)
{
	struct made *m = *state;
	char command[200];

	snprintf(command, sizeof(command), "rm -r %s", m->dir);
	assert_int_equal(system(command), 0);
	us_map_deinit(&m->host.map);
	close(m->host.root_fd);
	free(m);
	return 0;
}

static void add_memory(struct made *m, uint64_t start_pages, uint64_t pages, enum us_mem_kind kind)
{
	struct us_range r = { start_pages * PAGE, pages * PAGE };

	assert_null(us_map_set(&m->host.map, r, kind));
}

/* ---- predict ---- */

enum {
	FREE = 1 << 10,
	CACHE = 1 << 5,
	ANON = 1 << 12 | 1 << 5,
	SLAB = 1 << 7,
	HOLE = 1 << 20,
	HUGE_TAIL = 1 << 22
};

static uint64_t predict(struct made *m, unsigned int level)
{
	uint64_t bytes = 0;

	assert_null(us_crash_predict(&m->host, level, &bytes));
	assert_int_equal(bytes % PAGE, 0);
	return bytes / PAGE;
}

static void test_pages_are_predicted_by_their_flags(void **state)
{
	const uint64_t private_cache = CACHE | UINT64_C(1) << 35;
	const uint64_t flags[16] = { 0,    FREE, FREE, CACHE, private_cache, ANON, SLAB, HOLE,
				     SLAB, SLAB, SLAB, SLAB,  HUGE_TAIL,     SLAB, SLAB, SLAB };
	struct made *m = *state;

	write_file(m, "proc/kpageflags", flags, sizeof(flags));
	add_memory(m, 0, 8, US_MEM_RAM);
	add_memory(m, 8, 4, US_MEM_CRASH); /* is not dumped */
	add_memory(m, 12, 2, US_MEM_KERNEL_CODE);
	assert_int_equal(predict(m, 0), 9);
	assert_int_equal(predict(m, 16), 7);
	assert_int_equal(predict(m, 2), 7);
	assert_int_equal(predict(m, 4), 6);
	assert_int_equal(predict(m, 8), 8);
	assert_int_equal(predict(m, 31), 3);
}

static void test_a_large_machine_is_sampled(void **state)
{
	struct made *m = *state;
	const uint64_t pages = 5 << 20;
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/proc/kpageflags", m->dir);
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)(pages * 8)), 0); /* no flags: kept */
	close(fd);
	add_memory(m, 0, pages, US_MEM_RAM);
	assert_int_equal(predict(m, 31), pages);
}

static void test_without_flags_the_sums_are_taken(void **state)
{
	static const char text[] =
		"MemTotal: 1000 kB\nMemFree: 400 kB\nBuffers: 20 kB\nCached: 100 kB\n"
		"SwapCached: 0 kB\nAnonPages: 80 kB\n";
	struct made *m = *state;
	uint64_t bytes = 0;

	write_file(m, "proc/meminfo", text, sizeof(text) - 1);
	assert_null(us_crash_predict(&m->host, 31, &bytes));
	assert_int_equal(bytes, 400 * 1024);
	assert_null(us_crash_predict(&m->host, 0, &bytes));
	assert_int_equal(bytes, 1000 * 1024);
}

/* ---- what is noted ---- */

static void test_rehearsals_are_read_as_they_were_noted(void **state)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const struct us_crash_rehearsed *runs;
	struct us_crash_rehearsed run = { .set = "abc",
					  .running = "6.12",
					  .result = "at dump: out of\nmemory",
					  .reserved = 128,
					  .available = 5,
					  .seconds = 9 };
	struct made *m = *state;
	size_t n;

	assert_null(us_crash_rehearsed_read(&m->host, &pool, &runs, &n));
	assert_int_equal(n, 0);
	for (int i = 0; i < 150; i++) {
		run.seconds = (uint64_t)i;
		run.passed = i == 149;
		assert_null(us_crash_rehearsed_note(&m->host, &run));
	}
	assert_null(us_crash_rehearsed_read(&m->host, &pool, &runs, &n));
	assert_int_equal(n, 100); /* the oldest are forgotten */
	assert_int_equal(runs[0].seconds, 50);
	assert_false(runs[98].passed);
	assert_true(runs[99].passed);
	assert_string_equal(runs[99].set, "abc");
	assert_string_equal(runs[99].capture, "-");
	assert_string_equal(runs[99].result, "at dump: out of memory");
	assert_int_equal(runs[99].reserved, 128);
	assert_int_equal(runs[99].available, 5);
	assert_int_equal(strlen(runs[99].at), 20);
}

static void test_a_noted_set_is_loaded_in_its_boot_only(void **state)
{
	struct made *m = *state;
	struct us_noted noted = {
		.boot_id = "1-2-3", .set = "s", .loaded = "l", .need = 77, .cmdline = "a=1 b=2"
	};
	_us_noted_deinit_ struct us_noted back = { 0 };
	_us_err_free_ struct us_err *none = us_noted_read(&m->host, &back);
	char path[200];

	assert_non_null(none);
	assert_int_equal(none->code, US_ERR_NOT_FOUND);
	snprintf(path, sizeof(path),
		 "mkdir -p %s/proc/sys/kernel/random %s/var/lib/understudy/armed", m->dir, m->dir);
	assert_int_equal(system(path), 0);
	write_file(m, "proc/sys/kernel/random/boot_id", "1-2-3\n", 6);
	assert_null(us_noted_write(&m->host, &noted));
	assert_null(us_noted_read(&m->host, &back));
	assert_string_equal(back.cmdline, "a=1 b=2");
	assert_int_equal(back.need, 77);
	assert_null(back.kernel);
	assert_true(us_noted_is_loaded(&m->host, &back));
	m->host.crash_loaded.v = 0;
	assert_false(us_noted_is_loaded(&m->host, &back));
	m->host.crash_loaded.v = 1;
	us_crash_forget_loaded(&m->host);
	us_noted_deinit(&back);
	assert_null(us_noted_read(&m->host, &back));
	assert_false(us_noted_is_loaded(&m->host, &back));
	assert_string_equal(back.set, "s");
}

/* ---- sizes and words ---- */

static void fine(struct us_err *err)
{
	if (err)
		fail_msg("%s", err->text);
}

static uint64_t dumping(enum us_target_kind kind, const char *codec)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_recipe_target target = { .spec.kind = kind };
	struct us_recipe recipe = { .targets = &target, .n_targets = 1 };
	struct us_capture_image image = { .recipe = &recipe };
	struct us_crash_config config = { .cpus = 1, .codec = codec };
	struct us_host host = { .crashkernel.v = "72M" };
	struct us_image kernel = { .run_bytes = 60 << 20 };
	struct us_crash_need need;

	fine(us_crash_size(&host, &config, &kernel, &image, NULL, &pool, &need));
	return need.dumping;
}

static void test_a_stream_has_one_more_thread(void **state)
{
	uint64_t one = dumping(US_TARGET_DIR, "auto"), more = dumping(US_TARGET_S3, "auto");

	(void)state;
	assert_true(more > one);
	assert_int_equal(dumping(US_TARGET_HTTP, "auto"), more);
	assert_int_equal(dumping(US_TARGET_S3, "lzo"), one);
	assert_int_equal(dumping(US_TARGET_SSH, "auto"), one);
}

static uint64_t border(uint64_t start, uint64_t size, enum us_arch_id arch)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_recipe recipe = { 0 };
	struct us_capture_image image = { .recipe = &recipe };
	struct us_crash_config config = { .cpus = 1, .codec = "lzo" };
	struct us_host host = { .crashkernel.v = "", .crash = { { start, size } }, .n_crash = 1 };
	struct us_image kernel = { .run_bytes = 60 << 20, .arch = us_arch_by_id(arch) };
	struct us_crash_need at, low;

	fine(us_crash_size(&host, &config, &kernel, &image, NULL, &pool, &at));
	host.crash[0].start = 0;
	fine(us_crash_size(&host, &config, &kernel, &image, NULL, &pool, &low));
	assert_int_equal(at.total - low.total, at.border);
	assert_int_equal(at.recommended, low.recommended);
	return at.border >> 20;
}

static void test_a_reservation_across_a_border_holds_less(void **state)
{
	(void)state;
	assert_int_equal(border(0x7a000000, 72 << 20, US_ARCH_X86_64), 0);
	assert_int_equal(border(0x75000000, 72 << 20, US_ARCH_X86_64), 2); /* 48 + 24 MiB */
	assert_int_equal(border(0x75000000, 48 << 20, US_ARCH_X86_64), 0); /* up to it */
	assert_int_equal(border(0x70000000, 160 << 20, US_ARCH_X86_64), 0);
	assert_int_equal(border(0x77000000, 160 << 20, US_ARCH_X86_64), 2); /* 16 + 128 + 16 */
	assert_int_equal(border(0x75000000, 72 << 20, US_ARCH_ARM64), 0);
}

static bool has_word(const char *release, const char *word)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_crash_config config = { .cpus = 1, .append = "" };
	struct us_host host = { .cmdline.v = "" };
	struct us_image kernel = { .release = release, .arch = us_arch_by_id(US_ARCH_X86_64) };
	const struct us_crash_word *words;
	size_t n;

	fine(us_crash_cmdline(&host, &config, &kernel, &pool, &words, &n));
	for (size_t i = 0; i < n; i++)
		if (!strcmp(words[i].word, word) && *words[i].why)
			return true;
	return false;
}

static void test_words_are_for_kernels_that_know_them(void **state)
{
	(void)state;
	assert_true(has_word("6.1.0-56-amd64", "cgroup.memory=nokmem"));
	assert_true(has_word("6.1.0-56-amd64", "initramfs_async=0"));
	assert_true(has_word("5.10.0-1-amd64", "cgroup.memory=nokmem"));
	assert_false(has_word("5.10.0-1-amd64", "initramfs_async=0"));
	assert_false(has_word("4.19.0-1-amd64", "cgroup.memory=nokmem"));
	assert_true(has_word("4.19.0-1-amd64", "reset_devices"));
}

#define ON_MACHINE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sections_that_stay_are_counted),
		cmocka_unit_test(test_headers_that_lie_are_no_size),
		cmocka_unit_test(test_a_stream_has_one_more_thread),
		cmocka_unit_test(test_a_reservation_across_a_border_holds_less),
		cmocka_unit_test(test_words_are_for_kernels_that_know_them),
		ON_MACHINE(test_pages_are_predicted_by_their_flags),
		ON_MACHINE(test_a_large_machine_is_sampled),
		ON_MACHINE(test_without_flags_the_sums_are_taken),
		ON_MACHINE(test_rehearsals_are_read_as_they_were_noted),
		ON_MACHINE(test_a_noted_set_is_loaded_in_its_boot_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
