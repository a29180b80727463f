/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Plans from made facts against golden numbers: both system calls, reboot and crash, machines from
 * 1 GiB to more than 64 TiB, and what cannot be planned.
 */
#include "base/cleanup.h"
#include "load/test-made.h"
#include "purgatory/purgatory.h"

#include <elf.h>

#define PAGES(n) ((n)*4096ull)

/* Everything that one case needs; made by begin(), thrown away by end(). */
struct made {
	uint8_t file[MADE_BYTES], initrd_bytes[5000];
	struct us_image *image;
	struct us_initrd initrd;
	struct us_host host;
	struct us_wanted wanted;
	struct us_plan *plan;
};

static void begin(struct made *m, uint64_t ram_top)
{
	memset(m, 0, sizeof(*m));
	made_file(m->file);
	memset(m->initrd_bytes, 0x5a, sizeof(m->initrd_bytes));
	m->initrd.bytes = us_bytes_of(m->initrd_bytes, sizeof(m->initrd_bytes));
	made_host(&m->host, ram_top);
	m->wanted = (struct us_wanted){ .call = US_CALL_LOAD, .cmdline = "quiet" };
}

static struct us_err *plan(struct made *m)
{
	if (!m->image)
		m->image = made_image(m->file, sizeof(m->file));
	return us_plan_make(m->image, &m->initrd, &m->host, &m->wanted, &m->plan);
}

static void end(struct made *m)
{
	us_plan_free(m->plan);
	us_image_free(m->image);
	made_host_end(&m->host);
}

/* What must hold of every plan that fits. */
static void assert_sound(const struct made *m)
{
	const struct us_plan *p = m->plan;

	assert_null(p->no_room);
	for (size_t i = 0; i < p->n_segments; i++) {
		const struct us_segment *s = &p->segments[i];

		assert_int_equal(s->dest.start % 4096, 0);
		assert_int_equal(s->dest.size % 4096, 0);
		assert_true(s->dest.size >= s->bytes.n);
		assert_true(s->dest.start >= US_MIB || p->predicted);
		assert_non_null(s->why);
		for (size_t k = 0; k < i; k++)
			assert_false(us_range_overlaps(s->dest, p->segments[k].dest));
	}
}

static void refused(struct made *m, enum us_err_code code, const char *words)
{
	struct us_err *err = plan(m);

	assert_non_null(err);
	assert_int_equal(err->code, code);
	if (!strstr(err->text, words))
		fail_msg("\"%s\" lacks \"%s\"", err->text, words);
	us_err_free(err);
}

static void test_load_on_1_gib_is_top_down(void **state)
{
	struct made m;
	const struct us_segment *s;

	(void)state;
	begin(&m, US_GIB);
	assert_null(plan(&m));
	assert_sound(&m);
	assert_int_equal(m.plan->call, US_CALL_LOAD);
	assert_int_equal(m.plan->flags, 0x3e0000);
	s = made_find(m.plan, US_SEG_KERNEL);
	assert_int_equal(s->dest.start, 0x3c000000); /* 64 MiB below the top */
	assert_int_equal(s->dest.size, 64 * US_MIB);
	assert_int_equal(s->bytes.n, MADE_KERNEL_BYTES);
	s = made_find(m.plan, US_SEG_INITRD);
	assert_int_equal(s->dest.start, 0x3c000000 - PAGES(2));
	assert_int_equal(made_find(m.plan, US_SEG_BOOT_PARAMS)->dest.start, 0x3c000000 - PAGES(4));
	assert_int_equal(m.plan->entry, made_find(m.plan, US_SEG_PURGATORY)->dest.start);
	assert_string_equal(m.plan->handover.cmdline, "quiet");
	end(&m);
}

static void test_zero_page_carries_what_the_protocol_asks(void **state)
{
	uint8_t running[4096];
	struct us_bytes page;
	struct made m;

	(void)state;
	memset(running, 0xee, sizeof(running));
	begin(&m, US_GIB);
	m.host.boot_params = us_bytes_of(running, sizeof(running));
	assert_null(plan(&m));
	page = made_find(m.plan, US_SEG_BOOT_PARAMS)->bytes;
	assert_memory_equal(page.p + 0x202, "HdrS", 4);
	assert_memory_equal(page.p + 0x22c, m.file + 0x22c, 0x23c - 0x22c);
	assert_memory_equal(page.p + 0x258, m.file + 0x258, 0x26c - 0x258);
	assert_int_equal(page.p[0x26c], 0); /* the header was copied to its end, no further */
	assert_int_equal(page.p[0x210], 0xd0);
	assert_int_equal(page.p[0x211], 0);
	assert_int_equal(page.p[0x1ef], 0); /* sentinel */
	assert_int_equal(page.p[0x1ec], 0xee);
	assert_int_equal(page.p[0x140], 0xee);
	assert_memory_equal(page.p + 4, running + 4, 60);
	assert_int_equal(made_u64(page, 0x70), 0xf59d0);
	assert_int_equal(made_u32(page, 0x218), m.plan->handover.initrd_addr);
	assert_int_equal(made_u32(page, 0x21c), 5000);
	assert_int_equal(made_u32(page, 0x228), m.plan->handover.cmdline_addr);
	assert_string_equal((const char *)page.p + 4096, "quiet");
	assert_int_equal(made_u32(page, 0x1e0), (US_GIB - 1) / 1024 - 1024);
	assert_int_equal(page.p[0x1e8], 3);
	assert_int_equal(made_u64(page, 0x2d0 + 40), US_MIB);
	assert_int_equal(made_u64(page, 0x250), m.plan->handover.setup_data_addr);
	assert_int_equal(made_u32(page, m.plan->handover.setup_data_addr -
						made_find(m.plan, US_SEG_BOOT_PARAMS)->dest.start +
						8),
			 9);
	end(&m);
}

static void test_addresses_above_4_gib_are_split(void **state)
{
	struct us_bytes page;
	struct made m;

	(void)state;
	begin(&m, 6 * US_GIB);
	assert_null(plan(&m));
	assert_sound(&m);
	assert_int_equal(made_find(m.plan, US_SEG_KERNEL)->dest.start, 6 * US_GIB - 64 * US_MIB);
	page = made_find(m.plan, US_SEG_BOOT_PARAMS)->bytes;
	assert_int_equal(made_u32(page, 0xc0), 1);
	assert_int_equal(made_u32(page, 0xc8), 1);
	assert_int_equal(made_u32(page, 0xc4), 0);
	end(&m);
}

static void test_image_not_above_4_gib_stays_below(void **state)
{
	struct made m;

	(void)state;
	begin(&m, 6 * US_GIB);
	us_put_le16(m.file + 0x236, 0x7d);
	assert_null(plan(&m));
	assert_sound(&m);
	for (size_t i = 0; i < m.plan->n_segments; i++)
		assert_true(us_range_end(m.plan->segments[i].dest) <= 3 * US_GIB);
	end(&m);
}

static void test_4_level_kernel_stays_below_64_tib(void **state)
{
	static const struct {
		uint16_t xloadflags;
		const char *cmdline;
		uint64_t top;
	} cases[] = {
		{ 0x7f, "quiet", 68 * US_TIB },
		{ 0x3f, "quiet", 64 * US_TIB },
		{ 0x7f, "quiet no5lvl", 64 * US_TIB },
	};

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++) {
		struct made m;

		begin(&m, 68 * US_TIB);
		us_put_le16(m.file + 0x236, cases[i].xloadflags);
		m.wanted.cmdline = cases[i].cmdline;
		assert_null(plan(&m));
		assert_sound(&m);
		assert_int_equal(us_range_end(made_find(m.plan, US_SEG_KERNEL)->dest), cases[i].top);
		end(&m);
	}
}

static void test_limits_that_were_asked_for_are_kept(void **state)
{
	struct made m;

	(void)state;
	begin(&m, 6 * US_GIB);
	m.wanted.mem_min = 512 * US_MIB;
	m.wanted.mem_max = 768 * US_MIB;
	assert_null(plan(&m));
	assert_sound(&m);
	for (size_t i = 0; i < m.plan->n_segments; i++) {
		assert_true(m.plan->segments[i].dest.start >= 512 * US_MIB);
		assert_true(us_range_end(m.plan->segments[i].dest) <= 768 * US_MIB);
	}
	end(&m);
}

static void test_ram_of_one_side_only_is_left_alone(void **state)
{
	struct made m;

	(void)state;
	begin(&m, US_GIB);
	/* the running kernel keeps the top 100 MiB reserved; firmware calls it RAM */
	assert_null(us_map_set(&m.host.map, (struct us_range){ 0x39c00000, 0x6400000 },
			       US_MEM_RESERVED));
	/* firmware reserves 1 MiB that the running kernel does not know of */
	assert_null(us_map_set(&m.host.firmware_map, (struct us_range){ 0x39b00000, 0x100000 },
			       US_MEM_RESERVED));
	assert_null(plan(&m));
	assert_sound(&m);
	for (size_t i = 0; i < m.plan->n_segments; i++)
		assert_true(us_range_end(m.plan->segments[i].dest) <= 0x39b00000);
	end(&m);
}

static void test_crash_plan_lies_in_the_main_reservation(void **state)
{
	const struct us_segment *elf;
	struct us_bytes page;
	struct made m;

	(void)state;
	begin(&m, 6 * US_GIB);
	m.wanted.purpose = US_CRASH;
	made_crash(&m.host, 0x10000000, 128 * US_MIB);
	made_crash(&m.host, 5 * US_GIB, 256 * US_MIB);
	assert_null(plan(&m));
	assert_sound(&m);
	assert_int_equal(m.plan->flags, 0x3e0001);
	for (size_t i = 0; i < m.plan->n_segments; i++)
		assert_true(us_range_has(m.host.crash[1], m.plan->segments[i].dest));
	elf = made_find(m.plan, US_SEG_ELFCOREHDR);
	assert_int_equal(elf->dest.start, 5 * US_GIB);
	assert_true(elf->hashed);
	assert_string_equal(m.plan->handover.cmdline, "elfcorehdr=0x140000000 quiet");
	page = made_find(m.plan, US_SEG_BOOT_PARAMS)->bytes;
	assert_string_equal((const char *)page.p + 4096, "elfcorehdr=0x140000000 quiet");
	/* low RAM, reserved, low reservation, main reservation without the header */
	assert_int_equal(m.plan->handover.n_e820, 4);
	assert_int_equal(m.plan->handover.e820[0].range.size, 0x9fc00 - 0x1000);
	assert_int_equal(m.plan->handover.e820[1].kind, US_MEM_RESERVED);
	assert_int_equal(m.plan->handover.e820[2].range.start, 0x10000000);
	assert_int_equal(m.plan->handover.e820[3].range.start, 5 * US_GIB + 4096);
	end(&m);
}

static void test_elf_core_header_tells_all_memory(void **state)
{
	struct us_bytes b;
	struct made m;

	(void)state;
	begin(&m, 6 * US_GIB);
	m.wanted.purpose = US_CRASH;
	made_crash(&m.host, 5 * US_GIB, 256 * US_MIB);
	assert_null(plan(&m));
	b = made_find(m.plan, US_SEG_ELFCOREHDR)->bytes;
	assert_memory_equal(b.p, "\177ELF\2\1\1", 7);
	assert_int_equal(b.p[offsetof(Elf64_Ehdr, e_phnum)], 2 + 1 + 1 + 3);
	assert_int_equal(made_u32(b, 64), PT_NOTE);
	assert_int_equal(made_u64(b, 64 + 24), 0x2000);
	assert_int_equal(made_u64(b, 64 + 2 * 56 + 32), 0x1024);
	/* the text at its own address */
	assert_int_equal(made_u32(b, 64 + 3 * 56), PT_LOAD);
	assert_int_equal(made_u64(b, 64 + 3 * 56 + 16), 0xffffffff81000000);
	assert_int_equal(made_u64(b, 64 + 3 * 56 + 24), 0x1000000);
	/* RAM without the low 1 MiB and without the reservation */
	assert_int_equal(made_u64(b, 64 + 4 * 56 + 24), US_MIB);
	assert_int_equal(made_u64(b, 64 + 4 * 56 + 16), 0xff11000000000000 + US_MIB);
	assert_int_equal(made_u64(b, 64 + 5 * 56 + 32), US_GIB);
	assert_int_equal(made_u64(b, 64 + 6 * 56 + 8), 5 * US_GIB + 256 * US_MIB);
	end(&m);
}

static void test_hotplug_leaves_room_and_no_digest(void **state)
{
	const struct us_segment *elf;
	struct made m;

	(void)state;
	begin(&m, 6 * US_GIB);
	m.wanted.purpose = US_CRASH;
	m.wanted.hotplug = true;
	made_crash(&m.host, 5 * US_GIB, 256 * US_MIB);
	m.host.elfcorehdr_size = (struct us_fact_u64){ .v = 917616 };
	assert_null(plan(&m));
	assert_sound(&m);
	elf = made_find(m.plan, US_SEG_ELFCOREHDR);
	assert_int_equal(elf->dest.size, PAGES(225)); /* 917616 + 64 */
	assert_false(elf->hashed);
	assert_int_equal(m.plan->flags, 0x3e0005);
	end(&m);
}

static void test_header_facts_that_are_unknown_are_named(void **state)
{
	struct made m;

	(void)state;
	begin(&m, 6 * US_GIB);
	m.wanted.purpose = US_CRASH;
	made_crash(&m.host, 5 * US_GIB, 256 * US_MIB);
	m.host.page_offset.o = (struct us_origin){ "/proc/kcore", "readable by root only" };
	refused(&m, US_ERR_DENIED, "/proc/kcore: readable by root only");
	end(&m);
}

static void test_header_with_too_many_cpus_is_refused(void **state)
{
	struct us_range *notes = calloc(66000, sizeof(*notes));
	struct made m;

	(void)state;
	assert_non_null(notes);
	begin(&m, 6 * US_GIB);
	m.wanted.purpose = US_CRASH;
	made_crash(&m.host, 5 * US_GIB, 256 * US_MIB);
	m.host.crash_notes = notes;
	m.host.n_crash_notes = 66000;
	refused(&m, US_ERR_NO_ROOM, "program headers");
	end(&m);
	free(notes);
}

static void test_crash_without_reservation_has_no_room(void **state)
{
	struct made m;

	(void)state;
	begin(&m, US_GIB);
	m.wanted.purpose = US_CRASH;
	made_crash(&m.host, 0x10000000, 128 * US_MIB);
	m.host.n_crash = 0;
	assert_null(plan(&m));
	assert_non_null(strstr(m.plan->no_room, "no memory is reserved"));
	end(&m);
}

static void test_small_reservation_says_what_is_missing(void **state)
{
	static const enum us_call calls[] = { US_CALL_LOAD, US_CALL_FILE };

	(void)state;
	for (size_t i = 0; i < us_array_size(calls); i++) {
		struct made m;

		begin(&m, US_GIB);
		m.wanted.purpose = US_CRASH;
		m.wanted.call = calls[i];
		made_crash(&m.host, 0x10000000, 48 * US_MIB);
		assert_null(plan(&m));
		assert_non_null(m.plan->no_room);
		assert_non_null(strstr(m.plan->no_room, "kernel"));
		assert_true(m.plan->short_bytes >= 16 * US_MIB);
		assert_true(m.plan->short_bytes < 17 * US_MIB);
		end(&m);
	}
}

static void test_more_than_half_of_ram_is_refused(void **state)
{
	struct made m;

	(void)state;
	begin(&m, 112 * US_MIB);
	assert_null(plan(&m));
	assert_non_null(strstr(m.plan->no_room, "half of the memory"));
	assert_true(m.plan->short_bytes > 8 * US_MIB);
	end(&m);
}

static void test_140_map_entries_spill_into_setup_data(void **state)
{
	const struct us_segment *s;
	struct us_bytes page;
	uint64_t ext;
	struct made m;

	(void)state;
	begin(&m, US_GIB);
	for (uint64_t i = 0; i < 137; i++)
		assert_null(us_map_set(&m.host.firmware_map,
				       (struct us_range){ 8 * US_GIB + i * 2 * US_MIB, US_MIB },
				       US_MEM_RESERVED));
	assert_int_equal(m.host.firmware_map.n, 140);
	assert_null(plan(&m));
	assert_sound(&m);
	assert_int_equal(m.plan->handover.n_e820, 140);
	s = made_find(m.plan, US_SEG_BOOT_PARAMS);
	page = s->bytes;
	assert_int_equal(page.p[0x1e8], 128);
	/* chain: the seed first, then the entries */
	ext = made_u64(page, made_u64(page, 0x250) - s->dest.start) - s->dest.start;
	assert_int_equal(made_u32(page, ext + 8), 1);
	assert_int_equal(made_u32(page, ext + 12), 12 * 20);
	assert_int_equal(made_u64(page, ext + 16), 8 * US_GIB + 125 * 2 * US_MIB);
	assert_int_equal(made_u64(page, ext), 0);
	end(&m);
}

static void test_without_firmwares_map_the_kernels_own_is_handed_over(void **state)
{
	static const enum us_mem_kind kinds[] = { US_MEM_RAM, US_MEM_RESERVED, US_MEM_RAM,
						  US_MEM_ACPI };
	struct made m;

	(void)state;
	begin(&m, US_GIB);
	us_map_deinit(&m.host.firmware_map);
	assert_null(us_map_set(&m.host.map, (struct us_range){ 0x1000000, 0x1000000 },
			       US_MEM_KERNEL_CODE));
	assert_null(us_map_set(&m.host.map, (struct us_range){ US_GIB, US_MIB }, US_MEM_ACPI));
	assert_null(us_map_set(&m.host.map, (struct us_range){ 3 * US_GIB, US_MIB }, US_MEM_OTHER));
	assert_null(plan(&m));
	assert_sound(&m);
	assert_int_equal(m.plan->handover.n_e820, us_array_size(kinds));
	for (size_t i = 0; i < us_array_size(kinds); i++)
		assert_int_equal(m.plan->handover.e820[i].kind, kinds[i]);
	assert_int_equal(m.plan->handover.e820[2].range.size, US_GIB - US_MIB);
	end(&m);
}

static void test_unreadable_memory_is_no_plan(void **state)
{
	struct made m;

	(void)state;
	begin(&m, US_GIB);
	us_map_deinit(&m.host.firmware_map);
	us_map_deinit(&m.host.map);
	m.host.map_from = (struct us_origin){ "/proc/iomem", "shows addresses to root only" };
	refused(&m, US_ERR_DENIED, "/proc/iomem: shows addresses to root only");
	end(&m);
}

/* An EFI machine as far as the hand-over asks. */
static void make_efi(struct made *m, uint8_t *running)
{
	static const struct us_host_efi_region regions[] = {
		{ 5, 0x3ff00000, 0xfffffffeff000000, 16, 0x800000000000000f },
		{ 6, 0x3fe00000, 0xfffffffefe000000, 32, 0x800000000000000f },
	};

	memset(running, 0, 4096);
	memcpy(running + 0x1c0, "EL64", 4);
	us_put_le32(running + 0x1c4, 0x3ff01018);
	us_put_le32(running + 0x1cc, 1);
	us_put_le32(running + 0x1d4, 4800);
	m->host.boot_params = us_bytes_of(running, 4096);
	m->host.efi.v = US_YES;
	m->host.efi_regions = regions;
	m->host.n_efi_regions = 2;
	m->host.efi_fw_vendor.v = 0x3ff02000;
	m->host.efi_config_table.v = 0x3ff03000;
	m->host.efi_smbios.v = 0x3ff04000;
}

static void test_efi_runtime_is_handed_over(void **state)
{
	const struct us_segment *s;
	uint8_t running[4096];
	struct us_bytes page;
	uint64_t map, efi;
	struct made m;

	(void)state;
	begin(&m, US_GIB);
	make_efi(&m, running);
	assert_null(plan(&m));
	assert_sound(&m);
	assert_true(m.plan->handover.efi);
	assert_string_equal(m.plan->handover.cmdline, "quiet");
	s = made_find(m.plan, US_SEG_BOOT_PARAMS);
	page = s->bytes;
	assert_memory_equal(page.p + 0x1c0, "EL64", 4);
	assert_int_equal(made_u32(page, 0x1c8), 40);
	assert_int_equal(made_u32(page, 0x1d4), 80);
	map = made_u32(page, 0x1d0) - s->dest.start;
	assert_int_equal(made_u32(page, map), 5);
	assert_int_equal(made_u64(page, map + 40 + 8), 0x3fe00000);
	efi = made_u64(page, made_u64(page, 0x250) - s->dest.start) - s->dest.start;
	assert_int_equal(made_u32(page, efi + 8), 4);
	assert_int_equal(made_u32(page, efi + 12), 96);
	assert_int_equal(made_u64(page, efi + 16), 0x3ff02000);
	assert_int_equal(made_u64(page, efi + 32), 0x3ff03000);
	/* firmware's tables are at the top of low memory: nothing of ours is */
	assert_int_equal(made_find(m.plan, US_SEG_KERNEL)->dest.start, 16 * US_MIB);
	end(&m);
}

static void test_efi_is_left_out_where_it_cannot_go(void **state)
{
	static const struct {
		bool no_efi;
		uint16_t xloadflags;
		const char *words;
	} cases[] = {
		{ true, 0x7f, "asked not to" },
		{ false, 0x6f, "XLF_EFI_KEXEC" },
	};

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++) {
		uint8_t running[4096];
		struct made m;

		begin(&m, 6 * US_GIB);
		make_efi(&m, running);
		us_put_le16(m.file + 0x236, cases[i].xloadflags);
		m.wanted.no_efi = cases[i].no_efi;
		assert_null(plan(&m));
		assert_sound(&m);
		assert_false(m.plan->handover.efi);
		assert_string_equal(m.plan->handover.cmdline, "quiet acpi_rsdp=0xf59d0");
		assert_non_null(m.plan->why[0]);
		assert_non_null(strstr(m.plan->why[m.plan->why[1] ? 1 : 0], cases[i].words));
		assert_true(made_find(m.plan, US_SEG_KERNEL)->dest.start > 4 * US_GIB);
		end(&m);
	}
}

static void test_kernel_is_never_clipped(void **state)
{
	struct made m;

	(void)state;
	begin(&m, US_GIB);
	us_put_le32(m.file + 0x260, 4096);
	assert_null(plan(&m));
	assert_sound(&m);
	assert_int_equal(made_find(m.plan, US_SEG_KERNEL)->bytes.n, MADE_KERNEL_BYTES);
	assert_int_equal(made_find(m.plan, US_SEG_KERNEL)->dest.size, MADE_KERNEL_BYTES);
	end(&m);
}

static void test_fixed_kernel_goes_to_its_address_or_nowhere(void **state)
{
	struct made m;

	(void)state;
	begin(&m, US_GIB);
	m.file[0x234] = 0;
	assert_null(plan(&m));
	assert_sound(&m);
	assert_int_equal(made_find(m.plan, US_SEG_KERNEL)->dest.start, 16 * US_MIB);
	end(&m);
	begin(&m, US_GIB);
	m.file[0x234] = 0;
	m.wanted.purpose = US_CRASH;
	made_crash(&m.host, 0x10000000, 128 * US_MIB);
	assert_null(plan(&m));
	assert_non_null(strstr(m.plan->no_room, "pref_address"));
	end(&m);
}

static void test_what_load_cannot_enter_is_refused_in_words(void **state)
{
	struct made m;

	(void)state;
	begin(&m, US_GIB);
	us_put_le16(m.file + 0x236, 0x7e);
	refused(&m, US_ERR_UNSUPPORTED, "i386");
	end(&m);
	begin(&m, US_GIB);
	us_put_le16(m.file + 0x206, 0x0208);
	refused(&m, US_ERR_UNSUPPORTED, "2.12");
	end(&m);
	begin(&m, US_GIB);
	memset(m.file, 0xaa, sizeof(m.file));
	refused(&m, US_ERR_UNSUPPORTED, "no kernel image");
	end(&m);
	begin(&m, US_GIB);
	m.host.arch = us_arch_by_id(US_ARCH_ARM64);
	refused(&m, US_ERR_UNSUPPORTED, "this machine is arm64");
	end(&m);
}

/* A vmlinux with two loaded segments, linked at 16 MiB. */
static size_t make_elf(uint8_t *p)
{
	Elf64_Ehdr head = { .e_ident = "\177ELF\2\1\1",
			    .e_type = ET_EXEC,
			    .e_machine = EM_X86_64,
			    .e_version = 1,
			    .e_entry = 0x1000100,
			    .e_phoff = 64,
			    .e_ehsize = 64,
			    .e_phentsize = 56,
			    .e_phnum = 2 };
	Elf64_Phdr text = { .p_type = PT_LOAD,
			    .p_flags = PF_R | PF_X,
			    .p_offset = 4096,
			    .p_vaddr = 0xffffffff81000000,
			    .p_paddr = 0x1000000,
			    .p_filesz = 4096,
			    .p_memsz = 4096 };
	Elf64_Phdr data = text;

	data.p_flags = PF_R | PF_W;
	data.p_offset = 8192;
	data.p_vaddr += 0x200000;
	data.p_paddr += 0x200000;
	data.p_filesz = 100;
	data.p_memsz = 10000;
	memset(p, 0, MADE_BYTES);
	memcpy(p, &head, sizeof(head));
	memcpy(p + 64, &text, sizeof(text));
	memcpy(p + 64 + 56, &data, sizeof(data));
	return MADE_BYTES;
}

static void test_vmlinux_runs_where_linked_or_moved_whole(void **state)
{
	const struct us_segment *s;
	struct made m;

	(void)state;
	begin(&m, US_GIB);
	make_elf(m.file);
	assert_null(plan(&m));
	assert_sound(&m);
	s = made_find(m.plan, US_SEG_KERNEL);
	assert_int_equal(s[0].dest.start, 0x1000000);
	assert_int_equal(s[1].dest.start, 0x1200000);
	assert_int_equal(s[1].dest.size, PAGES(3));
	assert_int_equal(s[1].bytes.n, 0); /* the rest of a segment is zero by itself */
	end(&m);
	begin(&m, US_GIB);
	make_elf(m.file);
	m.wanted.purpose = US_CRASH;
	made_crash(&m.host, 0x10000000, 64 * US_MIB);
	m.file[8192 + 41] = 1;
	assert_null(plan(&m));
	assert_sound(&m);
	s = made_find(m.plan, US_SEG_KERNEL);
	assert_int_equal(s[1].bytes.n, 42);
	assert_int_equal(s[0].dest.start % (2 * US_MIB), 0);
	assert_int_equal(s[1].dest.start - s[0].dest.start, 0x200000);
	assert_int_equal(
		made_u64(made_find(m.plan, US_SEG_PURGATORY)->bytes,
			 US_PURGATORY_PARAMS_OFFSET + offsetof(struct us_purgatory_params, entry)),
		s[0].dest.start + 0x100);
	end(&m);
}

static void test_packed_kernel_is_placed_unpacked(void **state)
{
	uint8_t vmlinux[MADE_BYTES];
	struct made m;

	(void)state;
	begin(&m, US_GIB);
	m.wanted.unpacked = true;
	m.wanted.call = US_CALL_LOAD;
	refused(&m, US_ERR_UNSUPPORTED, "was not unpacked");
	m.image->vmlinux = us_bytes_of(vmlinux, make_elf(vmlinux));
	assert_null(plan(&m));
	assert_sound(&m);
	assert_int_equal(made_find(m.plan, US_SEG_KERNEL)->dest.start, 0x1000000);
	us_put_le64(vmlinux + 24, 0x2000000); /* e_entry */
	us_plan_free(us_steal(&m.plan));
	refused(&m, US_ERR_BAD_DATA, "outside what it loads");
	end(&m);
}

static void test_damaged_vmlinux_is_refused(void **state)
{
	static const struct {
		size_t off;
		uint64_t v;
	} cases[] = {
		{ 32, 0x100000 },             /* e_phoff past the file */
		{ 64 + 8, MADE_BYTES },       /* p_offset at the end */
		{ 64 + 32, MADE_BYTES },      /* p_filesz over p_memsz */
		{ 64 + 40, UINT64_MAX },      /* p_memsz */
		{ 64 + 24, UINT64_MAX - 10 }, /* p_paddr */
	};

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++) {
		struct us_err *err;
		struct made m;

		begin(&m, US_GIB);
		make_elf(m.file);
		us_put_le64(m.file + cases[i].off, cases[i].v);
		err = plan(&m);
		assert_non_null(err);
		us_err_free(err);
		end(&m);
	}
}

static void test_purgatory_knows_what_to_hash(void **state)
{
	struct us_purgatory_params params;
	const struct us_segment *s;
	struct made m;

	(void)state;
	begin(&m, US_GIB);
	assert_null(plan(&m));
	s = made_find(m.plan, US_SEG_PURGATORY);
	memcpy(&params, s->bytes.p + US_PURGATORY_PARAMS_OFFSET, sizeof(params));
	assert_int_equal(params.magic, US_PURGATORY_MAGIC);
	assert_int_equal(params.n_regions, 3);
	assert_int_equal(params.regions[0].bytes, MADE_KERNEL_BYTES); /* not the zero tail */
	assert_int_equal(params.entry, made_find(m.plan, US_SEG_KERNEL)->dest.start + 0x200);
	assert_int_equal(params.boot_params, made_find(m.plan, US_SEG_BOOT_PARAMS)->dest.start);
	assert_true(params.flags & US_PURGATORY_CHECK);
	end(&m);
}

static void test_file_call_is_foreseen_as_6_12_does_it(void **state)
{
	struct made m;

	(void)state;
	begin(&m, 6 * US_GIB);
	m.wanted.call = US_CALL_FILE;
	assert_null(plan(&m));
	assert_sound(&m);
	assert_true(m.plan->predicted);
	assert_int_equal(m.plan->flags, 0);
	assert_int_equal(made_find(m.plan, US_SEG_PURGATORY)->dest.start, 6 * US_GIB - PAGES(5));
	assert_int_equal(made_find(m.plan, US_SEG_BOOT_PARAMS)->dest.start, 6 * US_GIB - PAGES(7));
	assert_int_equal(made_find(m.plan, US_SEG_KERNEL)->dest.start, 6 * US_GIB - 66 * US_MIB);
	end(&m);
}

static void test_file_call_before_6_8_searches_from_below(void **state)
{
	struct made m;

	(void)state;
	begin(&m, 6 * US_GIB);
	m.wanted.call = US_CALL_FILE;
	m.host.release.v = "6.1.0-56-amd64";
	assert_null(plan(&m));
	assert_sound(&m);
	/* the purgatory fits into the first range, below 640 KiB; the kernel into the second */
	assert_int_equal(made_find(m.plan, US_SEG_PURGATORY)->dest.start, 0x9a000);
	assert_int_equal(made_find(m.plan, US_SEG_KERNEL)->dest.start, 3 * US_GIB - 64 * US_MIB);
	end(&m);
}

static void test_file_call_without_a_map_still_adds_up(void **state)
{
	struct made m;

	(void)state;
	begin(&m, US_GIB);
	m.wanted.call = US_CALL_FILE;
	m.wanted.purpose = US_CRASH;
	us_map_deinit(&m.host.map);
	m.host.map_from = (struct us_origin){ "/proc/iomem", "shows addresses to root only" };
	m.host.crash_size = (struct us_fact_u64){ .v = 64 * US_MIB };
	assert_null(plan(&m));
	assert_non_null(m.plan->no_room);
	assert_true(m.plan->short_bytes > 0);
	end(&m);
	begin(&m, US_GIB);
	m.wanted.call = US_CALL_FILE;
	m.wanted.purpose = US_CRASH;
	us_map_deinit(&m.host.map);
	m.host.crash_size = (struct us_fact_u64){ .v = 128 * US_MIB };
	assert_null(plan(&m));
	assert_null(m.plan->no_room);
	end(&m);
}

static void test_auto_takes_the_file_call_where_it_exists(void **state)
{
	static const struct {
		enum us_tri file, load;
		bool no_checks;
		enum us_call want;
	} cases[] = {
		{ US_YES, US_YES, false, US_CALL_FILE },
		{ US_NO, US_YES, false, US_CALL_LOAD },
		{ US_YES, US_NO, false, US_CALL_FILE },
		{ US_UNKNOWN, US_YES, false, US_CALL_FILE },
		{ US_YES, US_YES, true, US_CALL_LOAD },
	};

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++) {
		struct made m;

		begin(&m, US_GIB);
		m.wanted.call = US_CALL_AUTO;
		m.wanted.no_checks = cases[i].no_checks;
		m.host.has_kexec_file_load.v = cases[i].file;
		m.host.has_kexec_load.v = cases[i].load;
		assert_null(plan(&m));
		assert_int_equal(m.plan->call, cases[i].want);
		assert_non_null(m.plan->call_why);
		end(&m);
	}
}

static void test_wishes_that_a_call_cannot_fulfil_are_refused(void **state)
{
	struct made m;

	(void)state;
	begin(&m, US_GIB);
	m.wanted.call = US_CALL_FILE;
	m.wanted.mem_max = US_GIB;
	refused(&m, US_ERR_UNSUPPORTED, "limits for the addresses");
	end(&m);
	begin(&m, US_GIB);
	m.wanted.no_cma = true;
	refused(&m, US_ERR_UNSUPPORTED, "no CMA");
	end(&m);
	begin(&m, US_GIB);
	m.wanted.call = US_CALL_FILE;
	m.wanted.force_dtb = true;
	refused(&m, US_ERR_UNSUPPORTED, "6.18");
	end(&m);
}

static void test_flags_follow_the_running_kernel(void **state)
{
	static const struct {
		const char *release;
		uint64_t flags;
	} cases[] = { { "6.1.0", 0 }, { "6.12.1", 0 }, { "6.18.0", 0x10 } };

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++) {
		struct made m;

		begin(&m, US_GIB);
		m.wanted.call = US_CALL_FILE;
		m.wanted.no_cma = true;
		m.host.release.v = cases[i].release;
		assert_null(plan(&m));
		assert_int_equal(m.plan->flags, cases[i].flags);
		end(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_load_on_1_gib_is_top_down),
		cmocka_unit_test(test_zero_page_carries_what_the_protocol_asks),
		cmocka_unit_test(test_addresses_above_4_gib_are_split),
		cmocka_unit_test(test_image_not_above_4_gib_stays_below),
		cmocka_unit_test(test_4_level_kernel_stays_below_64_tib),
		cmocka_unit_test(test_limits_that_were_asked_for_are_kept),
		cmocka_unit_test(test_ram_of_one_side_only_is_left_alone),
		cmocka_unit_test(test_crash_plan_lies_in_the_main_reservation),
		cmocka_unit_test(test_elf_core_header_tells_all_memory),
		cmocka_unit_test(test_hotplug_leaves_room_and_no_digest),
		cmocka_unit_test(test_header_facts_that_are_unknown_are_named),
		cmocka_unit_test(test_header_with_too_many_cpus_is_refused),
		cmocka_unit_test(test_crash_without_reservation_has_no_room),
		cmocka_unit_test(test_small_reservation_says_what_is_missing),
		cmocka_unit_test(test_more_than_half_of_ram_is_refused),
		cmocka_unit_test(test_140_map_entries_spill_into_setup_data),
		cmocka_unit_test(test_without_firmwares_map_the_kernels_own_is_handed_over),
		cmocka_unit_test(test_unreadable_memory_is_no_plan),
		cmocka_unit_test(test_efi_runtime_is_handed_over),
		cmocka_unit_test(test_efi_is_left_out_where_it_cannot_go),
		cmocka_unit_test(test_kernel_is_never_clipped),
		cmocka_unit_test(test_fixed_kernel_goes_to_its_address_or_nowhere),
		cmocka_unit_test(test_what_load_cannot_enter_is_refused_in_words),
		cmocka_unit_test(test_vmlinux_runs_where_linked_or_moved_whole),
		cmocka_unit_test(test_packed_kernel_is_placed_unpacked),
		cmocka_unit_test(test_damaged_vmlinux_is_refused),
		cmocka_unit_test(test_purgatory_knows_what_to_hash),
		cmocka_unit_test(test_file_call_is_foreseen_as_6_12_does_it),
		cmocka_unit_test(test_file_call_before_6_8_searches_from_below),
		cmocka_unit_test(test_file_call_without_a_map_still_adds_up),
		cmocka_unit_test(test_auto_takes_the_file_call_where_it_exists),
		cmocka_unit_test(test_wishes_that_a_call_cannot_fulfil_are_refused),
		cmocka_unit_test(test_flags_follow_the_running_kernel),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
