/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A made machine for this folder's tests of whole dumps: an ELF core of two stretches of memory
 * with made contents and made classes, and what a dump of it must be like.
 */
#ifndef US_DUMP_TEST_WORLD_H
#define US_DUMP_TEST_WORLD_H

#include "base/cleanup.h"
#include "dump/dump-int.h"

#include <elf.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#define PAGE      4096u
#define LOW       0x100u /* the first page of each stretch of memory */
#define LOW_N     900u
#define HIGH      0x1000u
#define HIGH_N    1500u
#define DATA_AT   (2 * PAGE)
#define CORE_SIZE (DATA_AT + (LOW_N + HIGH_N) * PAGE)

struct world {
	char folder[64];
	uint8_t *bytes; /* the core */
	struct us_vmcore *core;
};

static inline void fill_page(uint8_t *p, uint64_t pfn)
{
	uint64_t x = pfn * 0x9e3779b97f4a7c15u + 1;

	switch (pfn % 5) {
	case 0: /* zero */
		break;
	case 1: /* repeats */
		memset(p, (int)(pfn % 3) + 0x5a, PAGE);
		break;
	case 2: /* does not shrink */
		for (size_t i = 0; i < PAGE; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			p[i] = (uint8_t)x;
		}
		break;
	default:
		for (size_t i = 0; i < PAGE; i++)
			p[i] = (uint8_t)(i * pfn >> 6);
	}
}

static inline uint8_t *page_of(const struct world *w, uint64_t pfn)
{
	uint64_t i = pfn < HIGH ? pfn - LOW : pfn - HIGH + LOW_N;

	return w->bytes + DATA_AT + i * PAGE;
}

static inline enum us_page_class class_of(uint64_t pfn)
{
	static const enum us_page_class by[] = {
		US_CLASS_KEEP, US_CLASS_FREE, US_CLASS_USER,      US_CLASS_CACHE,
		US_CLASS_SLAB, US_CLASS_FREE, US_CLASS_PROTECTED, US_CLASS_CACHE_PRIVATE,
		US_CLASS_USER, US_CLASS_KEEP, US_CLASS_OFFLINE,
	};

	return by[pfn / 13 % us_array_size(by)];
}

static inline bool kept(uint64_t pfn, unsigned int level)
{
	switch (class_of(pfn)) {
	case US_CLASS_FREE:
		return !(level & 16);
	case US_CLASS_USER:
		return !(level & 8);
	case US_CLASS_CACHE:
		return !(level & 6);
	case US_CLASS_CACHE_PRIVATE:
		return !(level & 4);
	case US_CLASS_OFFLINE:
		return false;
	default:
		return true;
	}
}

static inline bool is_memory(uint64_t pfn)
{
	return (pfn >= LOW && pfn < LOW + LOW_N) || (pfn >= HIGH && pfn < HIGH + HIGH_N);
}

static inline struct us_err *scan(void *data, us_run_fn fn, void *fn_data,
				  struct us_progress *progress, struct us_scan *ret)
{
	const uint64_t *extra = data; /* a page that no stretch of memory has */

	(void)progress;
	for (uint64_t pfn = LOW; pfn < HIGH + HIGH_N; pfn++) {
		struct us_run run = { .pfn = pfn, .count = 1, .class = class_of(pfn) };

		if (extra && *extra == pfn)
			run.class = US_CLASS_KEEP;
		else if (!is_memory(pfn))
			continue;
		ret->pages[run.class]++;
		US_TRY(fn(fn_data, &run));
	}
	return NULL;
}

static inline void put_load(uint8_t *p, uint64_t pfn, uint64_t pages, uint64_t virt, uint64_t offset)
{
	Elf64_Phdr load = { .p_type = PT_LOAD,
			    .p_paddr = pfn * PAGE,
			    .p_vaddr = virt,
			    .p_filesz = pages * PAGE,
			    .p_memsz = pages * PAGE,
			    .p_offset = offset };

	memcpy(p, &load, sizeof(load));
}

static inline void make_core(uint8_t *p)
{
	static const char info[] = "OSRELEASE=6.1.0-test\nPAGESIZE=4096\nNUMBER(phys_base)=4096\n"
				   "CRASHTIME=1700000000\n";
	Elf64_Ehdr head = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
					 ELFDATA2LSB, EV_CURRENT },
			    .e_type = ET_CORE,
			    .e_machine = EM_X86_64,
			    .e_version = 1,
			    .e_phoff = sizeof(head),
			    .e_ehsize = sizeof(head),
			    .e_phentsize = sizeof(Elf64_Phdr),
			    .e_phnum = 4 };
	Elf64_Phdr note = { .p_type = PT_NOTE, .p_offset = PAGE };
	Elf64_Nhdr cpu = { 5, 336, 1 }, text = { 11, sizeof(info) - 1, 0 };
	uint8_t *to = p + PAGE;

	memcpy(to, &cpu, sizeof(cpu));
	memcpy(to + 12, "CORE", 5);
	to += 12 + 8 + 336;
	memcpy(to, &text, sizeof(text));
	memcpy(to + 12, "VMCOREINFO", 11);
	memcpy(to + 24, info, sizeof(info) - 1);
	note.p_filesz = (uint64_t)(to + 24 - (p + PAGE)) + (sizeof(info) + 2) / 4 * 4;
	memcpy(p, &head, sizeof(head));
	p += sizeof(head);
	memcpy(p, &note, sizeof(note));
	/* the kernel's image is mapped twice */
	put_load(p + 56, HIGH + 10, 100, 0xffffffff81000000u, DATA_AT + (LOW_N + 10) * PAGE);
	put_load(p + 112, LOW, LOW_N, 0xffff888000000000u + LOW * PAGE, DATA_AT);
	put_load(p + 168, HIGH, HIGH_N, 0xffff888000000000u + HIGH * PAGE, DATA_AT + LOW_N * PAGE);
}

static inline int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	strcpy(w->folder, "/tmp/us-dump-XXXXXX");
	assert_non_null(mkdtemp(w->folder));
	w->bytes = calloc(1, CORE_SIZE);
	assert_non_null(w->bytes);
	make_core(w->bytes);
	for (uint64_t pfn = LOW; pfn < HIGH + HIGH_N; pfn++)
		if (is_memory(pfn))
			fill_page(page_of(w, pfn), pfn);
	assert_null(us_vmcore_parse("made", us_bytes_of(w->bytes, CORE_SIZE), &w->core));
	*state = w;
	return 0;
}

static inline int teardown(void **state)
{
	struct world *w = *state;
	char command[128];

	us_vmcore_free(w->core);
	free(w->bytes);
	snprintf(command, sizeof(command), "rm -r %s", w->folder);
	assert_int_equal(system(command), 0);
	free(w);
	return 0;
}

static inline void name(const struct world *w, const char *what, char path[128])
{
	snprintf(path, 128, "%s/%s", w->folder, what);
}

static inline struct us_vmcore *open_dump(const char *path)
{
	struct us_vmcore *core = NULL;
	struct us_err *err = us_vmcore_open(&path, 1, &core);

	if (err)
		fail_msg("%s", err->text);
	return core;
}

/* Every page that the dump has is right; returns how many there are. */
static inline uint64_t right_pages(const struct world *w, const struct us_vmcore *dump)
{
	uint8_t page[PAGE];
	uint64_t n = 0;

	for (uint64_t pfn = LOW; pfn < HIGH + HIGH_N; pfn++) {
		struct us_err *err;

		if (!is_memory(pfn) || us_vmcore_page_state(dump, pfn) != US_PAGE_PRESENT)
			continue;
		err = us_vmcore_read(dump, pfn * PAGE, page, PAGE);
		if (err)
			fail_msg("page 0x%llx: %s", (unsigned long long)pfn, err->text);
		assert_memory_equal(page, page_of(w, pfn), PAGE);
		n++;
	}
	return n;
}

static inline uint64_t verified(const struct us_vmcore *dump)
{
	struct us_verify_result r;
	uint64_t bad;

	assert_null(us_dump_verify(dump, 2, NULL, &r));
	bad = r.bad_pages + r.bad_sums + r.lost_pages;
	if (!bad && r.problems[0])
		fail_msg("%s", r.problems[0]);
	us_verify_result_deinit(&r);
	return bad;
}

static inline void check_dump(const struct world *w, const char *path, unsigned int level)
{
	struct us_vmcore *dump = open_dump(path);

	assert_false(dump->incomplete);
	assert_string_equal(dump->release, "6.1.0-test");
	for (uint64_t pfn = LOW; pfn < HIGH + HIGH_N; pfn++)
		if (is_memory(pfn) &&
		    (us_vmcore_page_state(dump, pfn) == US_PAGE_PRESENT) != kept(pfn, level))
			fail_msg("page 0x%llx", (unsigned long long)pfn);
	right_pages(w, dump);
	assert_int_equal(verified(dump), 0);
	us_vmcore_free(dump);
}

static inline struct us_err *dump(const struct world *w, const struct us_dump_wish *wish,
				  const char *path, struct us_dump_job *with,
				  struct us_dump_result *result)
{
	struct us_dump_job job = { .out = { .fd = -1 } };

	if (with)
		job = *with;
	memset(result, 0, sizeof(*result));
	job.core = w->core;
	job.wish = wish;
	job.scan = scan;
	job.result = result;
	return us_dump_run(&job, path, -1);
}

static inline struct us_dump_wish wish_for(enum us_dump_format format, unsigned int level,
					   enum us_page_codec codec, unsigned int jobs)
{
	return (struct us_dump_wish){ .format = format,
				      .level = level,
				      .codec = codec,
				      .jobs = jobs,
				      .no_sync = true,
				      .overwrite = true };
}

static inline uint64_t file_size(const char *path)
{
	struct stat st;

	assert_int_equal(stat(path, &st), 0);
	return (uint64_t)st.st_size;
}

/* If any page of the users' is in that takes room, all that are more valuable are; of [from, end). */
static inline void check_order_in(const struct us_vmcore *core, uint64_t from, uint64_t end)
{
	bool user = false, all = true;

	for (uint64_t pfn = from; pfn < end; pfn++) {
		bool in = us_vmcore_page_state(core, pfn) == US_PAGE_PRESENT;

		if (!is_memory(pfn))
			continue;
		user |= class_of(pfn) == US_CLASS_USER && in && pfn % 5 > 1;
		all &= class_of(pfn) != US_CLASS_PROTECTED || in;
	}
	assert_true(all || !user);
}

static inline void check_order_of_value(const struct us_vmcore *core)
{
	check_order_in(core, LOW, HIGH + HIGH_N);
}

/* ---- 1 TiB ---- */

#define TIB_PAGES (1ull << 28)

/* About a hundredth of 1 TiB in some 330 000 runs. */
static inline struct us_err *scan_tib(void *data, us_run_fn fn, void *fn_data,
				      struct us_progress *progress, struct us_scan *ret)
{
	uint64_t x = 1;

	(void)data;
	(void)progress;
	(void)ret;
	for (uint64_t pfn = 0; pfn < TIB_PAGES - 2000;) {
		struct us_run run = { .class = US_CLASS_SLAB };

		x = x * 6364136223846793005ull + 1442695040888963407ull;
		run.pfn = pfn + (x >> 33) % 1600;
		run.count = 1 + (x >> 20) % 15;
		if (x >> 40 & 1)
			run.class = US_CLASS_KEEP;
		US_TRY(fn(fn_data, &run));
		pfn = run.pfn + run.count;
	}
	return NULL;
}

/* Its memory is nowhere in the file: it reads as zero. */
static inline struct us_vmcore *tib_core(uint8_t *p, size_t n)
{
	struct us_vmcore *core;
	Elf64_Ehdr head;
	Elf64_Phdr load = { .p_type = PT_LOAD, .p_memsz = TIB_PAGES * PAGE, .p_offset = n };

	make_core(p);
	memcpy(&head, p, sizeof(head));
	head.e_phnum = 2;
	memcpy(p, &head, sizeof(head));
	memcpy(p + sizeof(head) + sizeof(load), &load, sizeof(load));
	assert_null(us_vmcore_parse("1 TiB", us_bytes_of(p, n), &core));
	return core;
}

#endif
