/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * boot_params (the "zero page") and what hangs on it, as one segment: command line, EFI memory map,
 * setup_data. Offsets: Documentation/arch/x86/zero-page.rst and boot.rst of Linux 6.12; what is
 * carried over from the running kernel follows setup_boot_parameters() in
 * arch/x86/kernel/kexec-bzimage64.c, plus what that one leaves out: e820 entries beyond 128 and
 * EDID. Knows nothing of places or system calls.
 */
#include "load/load-int.h"

#include <string.h>

/* offsets in boot_params */
#define BP_SCREEN_INFO       0x000 /* 64 bytes */
#define BP_EXT_MEM_K         0x002 /* in screen_info */
#define BP_ACPI_RSDP         0x070
#define BP_EXT_RAMDISK_IMAGE 0x0c0
#define BP_EXT_RAMDISK_SIZE  0x0c4
#define BP_EXT_CMD_LINE_PTR  0x0c8
#define BP_EDID              0x140 /* 128 bytes */
#define BP_EFI_SIGNATURE     0x1c0
#define BP_EFI_SYSTAB        0x1c4
#define BP_EFI_MEMDESC_SIZE  0x1c8
#define BP_EFI_MEMDESC_VER   0x1cc
#define BP_EFI_MEMMAP        0x1d0
#define BP_EFI_MEMMAP_SIZE   0x1d4
#define BP_EFI_SYSTAB_HI     0x1d8
#define BP_EFI_MEMMAP_HI     0x1dc
#define BP_ALT_MEM_K         0x1e0
#define BP_E820_ENTRIES      0x1e8
#define BP_EDDBUF_ENTRIES    0x1e9 /* and edd_mbr_sig_buf_entries behind it */
#define BP_SECURE_BOOT       0x1ec
#define BP_HDR               0x1f1
#define BP_HDR_MAX           0x290 /* first byte that cannot belong to the header */
#define BP_BOOT_FLAG         0x1fe
#define BP_HEADER            0x202
#define BP_VERSION           0x206
#define BP_TYPE_OF_LOADER    0x210
#define BP_LOADFLAGS         0x211
#define BP_RAMDISK_IMAGE     0x218
#define BP_RAMDISK_SIZE      0x21c
#define BP_CMD_LINE_PTR      0x228
#define BP_HARDWARE_SUBARCH  0x23c /* u32, and its u64 of data behind it */
#define BP_SETUP_DATA        0x250
#define BP_EDD_MBR_SIG       0x290 /* 64 bytes */
#define BP_E820_TABLE        0x2d0
#define BP_EDDBUF            0xd00 /* 492 bytes */
#define BP_BYTES             4096

#define SETUP_E820_EXT  1
#define SETUP_EFI       4
#define SETUP_RNG_SEED  9
#define SETUP_HEAD      16 /* u64 next, u32 type, u32 len */
#define EFI_SETUP_BYTES 96 /* struct efi_setup_data: 12 u64 */
#define EFI_DESC_BYTES  40 /* efi_memory_desc_t */
#define E820_BYTES      20
#define LOADER_KEXEC    0xd0

/* What the running kernel was given, or nothing. */
static struct us_bytes running(const struct us_build *b, size_t off, size_t n)
{
	return us_bytes_clip(b->host->boot_params, off, n);
}

static void carry(const struct us_build *b, uint8_t *p, size_t off, size_t n)
{
	struct us_bytes from = running(b, off, n);

	if (from.n)
		memcpy(p + off, from.p, from.n);
}

/* Why EFI runtime services cannot be handed over, NULL if they can. */
static const char *no_efi_why(const struct us_build *b)
{
	const struct us_host *host = b->host;
	uint32_t map_bytes = 0;

	if (b->wanted->no_efi)
		return "it was asked not to";
	if (b->image->kind == US_IMAGE_BZIMAGE && !(b->image->setup.xloadflags & US_XLF_EFI_KEXEC))
		return "the image does not take EFI from a loader (xloadflags bit 4, XLF_EFI_KEXEC)";
	if (!host->n_efi_regions)
		return "the runtime map is not known (/sys/firmware/efi/runtime-map)";
	if (!us_known(host->efi_fw_vendor.o) || !us_known(host->efi_config_table.o))
		return "the addresses of its tables are not known (/sys/firmware/efi)";
	if (!us_le32(host->boot_params, BP_EFI_MEMMAP_SIZE, &map_bytes) || !map_bytes)
		return "the running kernel's boot_params hold no EFI memory map";
	return NULL;
}

struct us_err *us_x86_decide_efi(struct us_build *b)
{
	const char *why;

	if (b->host->efi.v != US_YES)
		return NULL;
	why = no_efi_why(b);
	b->plan->handover.efi = !why;
	if (why)
		return us_build_note(b, "EFI runtime services are not handed over: %s", why);
	return NULL;
}

static size_t up(size_t v, size_t align)
{
	return (v + align - 1) & ~(align - 1);
}

struct us_err *us_x86_page_layout(struct us_build *b, size_t cmdline_room, struct us_x86_page *ret)
{
	uint32_t type_max = b->image->setup.setup_type_max;
	size_t n_e820 = b->plan->handover.n_e820;
	struct us_x86_page page = { .cmdline_off = BP_BYTES, .cmdline_room = cmdline_room };
	size_t at = up(BP_BYTES + cmdline_room, 16);

	if (b->plan->handover.efi) {
		page.efi_map_off = at;
		page.efi_map_bytes = b->host->n_efi_regions * EFI_DESC_BYTES;
		page.efi_off = up(at + page.efi_map_bytes, 16);
		at = page.efi_off + SETUP_HEAD + EFI_SETUP_BYTES;
	}
	if (n_e820 > US_E820_IN_PAGE_MAX) {
		page.e820_off = up(at, 16);
		at = page.e820_off + SETUP_HEAD + (n_e820 - US_E820_IN_PAGE_MAX) * E820_BYTES;
		US_TRY(us_build_note(b,
				     "%zu memory map entries: those beyond %d go into "
				     "SETUP_E820_EXT",
				     n_e820, US_E820_IN_PAGE_MAX));
	}
	/* kernels without a list of types reserve an unknown one and look no further */
	if (!type_max || type_max >= SETUP_RNG_SEED) {
		page.rng_off = up(at, 16);
		at = page.rng_off + SETUP_HEAD + US_RNG_SEED_BYTES;
	}
	page.bytes = at;
	*ret = page;
	return NULL;
}

static void put_split(uint8_t *p, size_t low, size_t high, uint64_t v)
{
	us_put_le32(p + low, (uint32_t)v);
	us_put_le32(p + high, (uint32_t)(v >> 32));
}

static void put_e820(uint8_t *p, const struct us_map_entry *e)
{
	us_put_le64(p, e->range.start);
	us_put_le64(p + 8, e->range.size);
	us_put_le32(p + 16, us_mem_kind_e820(e->kind));
}

/* A setup_data node at off becomes the head of the chain. Returns its data. */
static uint8_t *chain(const struct us_x86_page *page, uint8_t *p, size_t off, uint32_t type,
		      size_t n)
{
	memcpy(p + off, p + BP_SETUP_DATA, 8);
	us_put_le32(p + off + 8, type);
	us_put_le32(p + off + 12, (uint32_t)n);
	us_put_le64(p + BP_SETUP_DATA, page->addr + off);
	return p + off + SETUP_HEAD;
}

static void fill_header(const struct us_build *b, uint8_t *p)
{
	const struct us_setup *s = &b->image->setup;
	struct us_bytes hdr = { 0 };

	if (b->image->kind == US_IMAGE_BZIMAGE) {
		size_t end = s->header_end < BP_HDR_MAX ? s->header_end : BP_HDR_MAX;

		hdr = us_bytes_clip(b->image->kernel, BP_HDR, end > BP_HDR ? end - BP_HDR : 0);
		if (hdr.n)
			memcpy(p + BP_HDR, hdr.p, hdr.n);
	} else { /* an ELF file has no header of its own: the least that says which protocol */
		p[BP_BOOT_FLAG] = 0x55;
		p[BP_BOOT_FLAG + 1] = 0xaa;
		memcpy(p + BP_HEADER, "HdrS", 4);
		p[BP_VERSION] = 0x0c;
		p[BP_VERSION + 1] = 0x02;
	}
	p[BP_TYPE_OF_LOADER] = LOADER_KEXEC;
	p[BP_LOADFLAGS] = 0;
	us_put_le64(p + BP_SETUP_DATA, 0);
	carry(b, p, BP_HARDWARE_SUBARCH, 12);
}

/* What BIOS once said about memory above 1 MiB, in KiB, as the kernel's loader computes it. */
static void fill_memory_k(const struct us_plan *plan, uint8_t *p)
{
	uint32_t k = 0;

	for (size_t i = 0; i < plan->handover.n_e820; i++) {
		struct us_range r = plan->handover.e820[i].range;
		uint64_t last = us_range_end(r) - 1;

		if (plan->handover.e820[i].kind == US_MEM_RAM && r.start <= US_MIB && last > US_MIB)
			k = (last >> 10) - 1024 > UINT32_MAX ? UINT32_MAX
							     : (uint32_t)((last >> 10) - 1024);
	}
	us_put_le16(p + BP_EXT_MEM_K, k > 0xfc00 ? 0xfc00 : (uint16_t)k);
	us_put_le32(p + BP_ALT_MEM_K, k);
}

static void fill_e820(const struct us_plan *plan, const struct us_x86_page *page, uint8_t *p)
{
	const struct us_handover *h = &plan->handover;
	size_t n = h->n_e820 < US_E820_IN_PAGE_MAX ? h->n_e820 : US_E820_IN_PAGE_MAX;

	p[BP_E820_ENTRIES] = (uint8_t)n;
	for (size_t i = 0; i < n; i++)
		put_e820(p + BP_E820_TABLE + i * E820_BYTES, &h->e820[i]);
	if (page->e820_off) {
		uint8_t *data = chain(page, p, page->e820_off, SETUP_E820_EXT,
				      (h->n_e820 - n) * E820_BYTES);

		for (size_t i = n; i < h->n_e820; i++)
			put_e820(data + (i - n) * E820_BYTES, &h->e820[i]);
	}
}

static void fill_efi(const struct us_build *b, const struct us_x86_page *page, uint8_t *p)
{
	const struct us_host *host = b->host;
	uint64_t map_addr = page->addr + page->efi_map_off;
	uint8_t *data;

	carry(b, p, BP_EFI_SIGNATURE, 4);
	carry(b, p, BP_EFI_SYSTAB, 4);
	carry(b, p, BP_EFI_SYSTAB_HI, 4);
	carry(b, p, BP_EFI_MEMDESC_VER, 4);
	us_put_le32(p + BP_EFI_MEMDESC_SIZE, EFI_DESC_BYTES);
	us_put_le32(p + BP_EFI_MEMMAP_SIZE, (uint32_t)page->efi_map_bytes);
	put_split(p, BP_EFI_MEMMAP, BP_EFI_MEMMAP_HI, map_addr);
	for (size_t i = 0; i < host->n_efi_regions; i++) {
		const struct us_host_efi_region *r = &host->efi_regions[i];
		uint8_t *desc = p + page->efi_map_off + i * EFI_DESC_BYTES;

		us_put_le32(desc, r->type);
		us_put_le64(desc + 8, r->phys);
		us_put_le64(desc + 16, r->virt);
		us_put_le64(desc + 24, r->pages);
		us_put_le64(desc + 32, r->attribute);
	}
	data = chain(page, p, page->efi_off, SETUP_EFI, EFI_SETUP_BYTES);
	us_put_le64(data, host->efi_fw_vendor.v);
	us_put_le64(data + 16, host->efi_config_table.v);
	us_put_le64(data + 24, us_known(host->efi_smbios.o) ? host->efi_smbios.v : 0);
}

static struct us_err *fill_cmdline(struct us_build *b, const struct us_x86_page *page, uint8_t *p)
{
	struct us_handover *h = &b->plan->handover;
	size_t n = strlen(h->cmdline) + 1;

	if (n > page->cmdline_room)
		return us_err_new(US_ERR_NO_ROOM,
				  "the command line has %zu bytes, %zu were kept for it", n,
				  page->cmdline_room);
	memcpy(p + page->cmdline_off, h->cmdline, n);
	h->cmdline_addr = page->addr + page->cmdline_off;
	put_split(p, BP_CMD_LINE_PTR, BP_EXT_CMD_LINE_PTR, h->cmdline_addr);
	return NULL;
}

struct us_err *us_x86_page_fill(struct us_build *b, const struct us_x86_page *page,
				struct us_range initrd, uint8_t *p)
{
	struct us_handover *h = &b->plan->handover;

	carry(b, p, BP_SCREEN_INFO, 64);
	carry(b, p, BP_EDID, 128);
	carry(b, p, BP_EDDBUF_ENTRIES, 2);
	carry(b, p, BP_EDD_MBR_SIG, 64);
	carry(b, p, BP_EDDBUF, 492);
	carry(b, p, BP_SECURE_BOOT, 1);
	fill_header(b, p);
	h->type_of_loader = LOADER_KEXEC;
	h->acpi_rsdp = us_known(b->host->acpi_rsdp.o) ? b->host->acpi_rsdp.v : 0;
	us_put_le64(p + BP_ACPI_RSDP, h->acpi_rsdp);
	put_split(p, BP_RAMDISK_IMAGE, BP_EXT_RAMDISK_IMAGE, initrd.start);
	put_split(p, BP_RAMDISK_SIZE, BP_EXT_RAMDISK_SIZE, initrd.size);
	h->initrd_addr = initrd.start;
	h->initrd_bytes = initrd.size;
	US_TRY(fill_cmdline(b, page, p));
	fill_memory_k(b->plan, p);
	if (h->efi)
		fill_efi(b, page, p);
	fill_e820(b->plan, page, p);
	if (page->rng_off)
		chain(page, p, page->rng_off, SETUP_RNG_SEED, US_RNG_SEED_BYTES);
	if (!us_le64(us_bytes_of(p, page->bytes), BP_SETUP_DATA, &h->setup_data_addr))
		return us_err_new(US_ERR_NO_ROOM, "boot_params are cut short");
	return NULL;
}

uint8_t *us_x86_page_rng(uint8_t *p, size_t n, uint64_t addr)
{
	struct us_bytes page = us_bytes_of(p, n);
	uint64_t at = 0;
	uint32_t type;

	if (!us_le64(page, BP_SETUP_DATA, &at))
		return NULL;
	for (int hops = 0; at && hops < 8; hops++) {
		uint64_t off = at - addr;

		if (at < addr || !us_le32(page, off + 8, &type) || !us_le64(page, off, &at))
			return NULL;
		if (type == SETUP_RNG_SEED &&
		    us_bytes_has(page, off, SETUP_HEAD + US_RNG_SEED_BYTES))
			return p + off + SETUP_HEAD;
	}
	return NULL;
}
