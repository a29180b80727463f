/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Made machines and images for this folder's unit tests: a bzImage of 3 pages whose header fields
 * tests change, and a host of numbers.
 */
#ifndef US_LOAD_TEST_MADE_H
#define US_LOAD_TEST_MADE_H

#include "load/load-int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MADE_SETUP_BYTES  1024 /* setup_sects 1 */
#define MADE_KERNEL_BYTES 8192
#define MADE_BYTES        (MADE_SETUP_BYTES + MADE_KERNEL_BYTES)
#define MADE_CMDLINE_SIZE 2047

/* A whole bzImage of protocol 2.15; the kernel part counts upwards. */
static inline void made_file(uint8_t *p)
{
	memset(p, 0, MADE_BYTES);
	p[0x1f1] = 1;
	us_put_le32(p + 0x1f4, MADE_KERNEL_BYTES / 16);
	us_put_le16(p + 0x1fe, 0xaa55);
	us_put_le16(p + 0x200, 0x6aeb); /* jump: the header ends at 0x26c */
	memcpy(p + 0x202, "HdrS", 4);
	us_put_le16(p + 0x206, 0x020f);
	p[0x211] = 1;
	us_put_le32(p + 0x22c, 0x7fffffff);
	us_put_le32(p + 0x230, 2 * US_MIB);
	p[0x234] = 1;
	p[0x235] = 21;
	us_put_le16(p + 0x236, 0x7f);
	us_put_le32(p + 0x238, MADE_CMDLINE_SIZE);
	us_put_le64(p + 0x258, 16 * US_MIB);
	us_put_le32(p + 0x260, 64 * US_MIB);
	for (size_t i = 0; i < MADE_KERNEL_BYTES; i++)
		p[MADE_SETUP_BYTES + i] = (uint8_t)(i * 7 + (i >> 8));
}

static inline struct us_image *made_image(const uint8_t *file, size_t n)
{
	struct us_image *image = NULL;

	assert_null(us_image_parse("made", us_bytes_of(file, n), &image));
	return image;
}

static inline void made_ram(struct us_map *map, uint64_t start, uint64_t end)
{
	assert_null(us_map_set(map, (struct us_range){ start, end - start }, US_MEM_RAM));
}

/* BIOS machine with RAM up to top (holes below 1 MiB and, if it has more, from 3 to 4 GiB). */
static inline void made_host(struct us_host *host, uint64_t top)
{
	const struct us_origin unknown = { .path = "made", .missing = "not made" };
	uint64_t low_top = top > 3 * US_GIB ? 3 * US_GIB : top;

	*host = (struct us_host){ .root_fd = -1 };
	host->arch = us_arch_by_id(US_ARCH_X86_64);
	host->release.v = "6.12.1";
	host->version.v = host->machine.v = host->cmdline.v = host->lockdown.v = "";
	host->efi.v = US_NO;
	host->has_kexec_load.v = host->has_kexec_file_load.v = US_YES;
	host->paging_levels.v = 5;
	host->total_ram.v = top;
	host->possible_cpus.v = 2;
	host->limit_panic.v = host->limit_reboot.v = -1;
	host->elfcorehdr_size.o = host->crash_size.o = unknown;
	host->acpi_rsdp = (struct us_fact_u64){ .v = 0xf59d0 };
	made_ram(&host->firmware_map, 0, 0x9fc00);
	made_ram(&host->firmware_map, US_MIB, low_top);
	made_ram(&host->map, 0x1000, 0x9fc00);
	made_ram(&host->map, US_MIB, low_top);
	assert_null(us_map_set(&host->map, (struct us_range){ 0xf0000, 0x10000 }, US_MEM_RESERVED));
	assert_null(us_map_set(&host->firmware_map, (struct us_range){ 0xf0000, 0x10000 },
			       US_MEM_RESERVED));
	if (top > low_top) {
		made_ram(&host->firmware_map, 4 * US_GIB, top);
		made_ram(&host->map, 4 * US_GIB, top);
	}
}

static inline void made_host_end(struct us_host *host)
{
	us_map_deinit(&host->map);
	us_map_deinit(&host->firmware_map);
	us_pool_deinit(&host->pool);
}

/* A reservation, and what an ELF core header needs. */
static inline void made_crash(struct us_host *host, uint64_t start, uint64_t bytes)
{
	static const struct us_range notes[] = { { 0x2000, 0x170 }, { 0x3000, 0x170 } };
	struct us_range r = { start, bytes };

	assert_null(us_map_set(&host->map, r, US_MEM_CRASH));
	host->crash[host->n_crash++] = r;
	host->crash_notes = notes;
	host->n_crash_notes = 2;
	host->vmcoreinfo_addr.v = 0x5000;
	host->vmcoreinfo_size.v = 0x1024;
	host->text_virt.v = 0xffffffff81000000;
	host->text_phys.v = 0x1000000;
	host->text_end_phys.v = 0x3000000;
	host->page_offset.v = 0xff11000000000000;
}

static inline const struct us_segment *made_find(const struct us_plan *plan,
						 enum us_segment_role role)
{
	for (size_t i = 0; i < plan->n_segments; i++)
		if (plan->segments[i].role == role)
			return &plan->segments[i];
	fail_msg("the plan has no %s", us_segment_role_name(role));
	return NULL;
}

static inline uint64_t made_u64(struct us_bytes b, uint64_t off)
{
	uint64_t v = 0;

	assert_true(us_le64(b, off, &v));
	return v;
}

static inline uint32_t made_u32(struct us_bytes b, uint64_t off)
{
	uint32_t v = 0;

	assert_true(us_le32(b, off, &v));
	return v;
}

#endif
