/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The segments of kexec_load(2) on x86_64, exact: ELF core header, kernel, initrd, boot_params,
 * purgatory. A bzImage is entered at its 64-bit entry (Documentation/arch/x86/boot.rst, "64-bit
 * Boot Protocol"), a vmlinux at e_entry with its segments where they are linked or moved together
 * by a multiple of 2 MiB. Kernels without a 64-bit entry are refused with words: there is no way
 * back to 32-bit or real mode here.
 */
#include "load/load-int.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define PMD_BYTES        (2 * US_MIB)
#define INITRD_MIN       (16 * US_MIB) /* as the kernel's own loader */
#define ENTRY_64         0x200         /* behind the start of the protected-mode part */
#define PROTOCOL_2_12    0x020c
#define ELF_SEGMENTS_MAX 8

/* The plan's parts while they find their places. */
struct parts {
	struct us_range elfcorehdr, initrd, page_at;
	struct us_bytes elfcorehdr_bytes;
	uint64_t entry, initrd_bytes;
};

static bool four_level(const struct us_build *b)
{
	return (b->image->kind == US_IMAGE_BZIMAGE &&
		!(b->image->setup.xloadflags & US_XLF_5LEVEL_ENABLED)) ||
	       us_cmdline_has(b->wanted->cmdline, "no5lvl");
}

static struct us_err *add(struct us_build *b, enum us_segment_role role, struct us_bytes bytes,
			  struct us_range dest, bool hashed, const char *why)
{
	return us_build_segment(
		b,
		&(struct us_segment){
			.role = role, .bytes = bytes, .dest = dest, .why = why, .hashed = hashed });
}

static struct us_err *place_elfcorehdr(struct us_build *b, struct parts *parts)
{
	struct us_elfcorehdr header;
	const char *why;

	if (b->wanted->purpose != US_CRASH)
		return NULL;
	US_TRY(us_elfcorehdr_make(b->host, b->wanted->hotplug, &b->plan->pool, &header));
	US_TRY(us_build_place(b, "the ELF core header",
			      (struct us_wish){ .size = header.memory_bytes, .bottom_up = true },
			      &parts->elfcorehdr, &why));
	if (b->wanted->hotplug)
		US_TRY(us_build_note(
			b, "the ELF core header has room for hotplug and is left out of the "
			   "digest, because the kernel will rewrite it"));
	return add(b, US_SEG_ELFCOREHDR, header.bytes, parts->elfcorehdr, !b->wanted->hotplug, why);
}

/* What keeps a bzImage from being entered in 64-bit mode, NULL if nothing. */
static const char *bzimage_refusal(const struct us_setup *s)
{
	if (s->version < PROTOCOL_2_12)
		return "its boot protocol is older than 2.12 and has no 64-bit entry";
	if (!(s->xloadflags & US_XLF_KERNEL_64))
		return "it has no 64-bit entry (xloadflags bit 0, XLF_KERNEL_64)";
	if (!s->kernel_bytes)
		return "it has no protected-mode part";
	return NULL;
}

static struct us_err *bzimage_wish(struct us_build *b, struct us_wish *ret)
{
	const struct us_setup *s = &b->image->setup;
	uint64_t align = s->kernel_alignment;
	struct us_wish wish = { .size = s->init_size };

	if (align & (align - 1))
		return us_err_new(
			US_ERR_BAD_DATA,
			"kernel_alignment 0x%" PRIx64 " at offset 0x230 is no power of two", align);
	wish.align = align ? align : PMD_BYTES;
	wish.min = s->pref_address > US_MIB ? s->pref_address : US_MIB;
	if (wish.size < s->kernel_bytes) {
		US_TRY(us_build_note(b,
				     "init_size 0x%x at offset 0x260 is less than the kernel's own "
				     "0x%x bytes: all of them are loaded nevertheless",
				     s->init_size, s->kernel_bytes));
		wish.size = s->kernel_bytes;
	}
	if (!s->relocatable_kernel) {
		wish.min = s->pref_address;
		if (!us_add(s->pref_address, (wish.size + US_PAGE - 1) & ~(uint64_t)(US_PAGE - 1),
			    &wish.max))
			return us_err_new(US_ERR_BAD_DATA,
					  "pref_address at offset 0x258 makes no sense");
	}
	*ret = wish;
	return NULL;
}

static struct us_err *place_bzimage(struct us_build *b, struct parts *parts)
{
	const struct us_setup *s = &b->image->setup;
	const char *refusal = bzimage_refusal(s), *why;
	struct us_bytes bytes;
	struct us_range dest;
	struct us_wish wish;

	if (refusal)
		return us_err_new(US_ERR_UNSUPPORTED,
				  "kexec_load cannot take this bzImage: %s; understudy enters "
				  "kernels in 64-bit mode only",
				  refusal);
	US_TRY(bzimage_wish(b, &wish));
	US_TRY(us_bytes_sub(b->image->kernel, s->kernel_offset, s->kernel_bytes,
			    "the protected-mode part", &bytes));
	US_TRY(us_build_place(b,
			      s->relocatable_kernel
				      ? "the kernel"
				      : "the kernel, which runs only at its pref_address",
			      wish, &dest, &why));
	parts->entry = dest.start + ENTRY_64;
	return add(b, US_SEG_KERNEL, bytes, dest, true, why);
}

/* One PT_LOAD of a vmlinux. */
struct load {
	struct us_range phys;
	struct us_bytes bytes;
};

static struct us_err *read_load(struct us_bytes file, uint64_t at, struct load *ret, bool *ret_is)
{
	uint32_t type;
	uint64_t off, paddr, filesz, memsz;

	if (!us_le32(file, at, &type) ||
	    !us_le64(file, at + offsetof(Elf64_Phdr, p_offset), &off) ||
	    !us_le64(file, at + offsetof(Elf64_Phdr, p_paddr), &paddr) ||
	    !us_le64(file, at + offsetof(Elf64_Phdr, p_filesz), &filesz) ||
	    !us_le64(file, at + offsetof(Elf64_Phdr, p_memsz), &memsz))
		return us_err_new(US_ERR_BAD_DATA,
				  "the program header at 0x%" PRIx64 " is past the file", at);
	*ret_is = type == PT_LOAD && memsz;
	if (!*ret_is)
		return NULL;
	if (filesz > memsz || paddr % US_PAGE || !us_align_up(memsz, US_PAGE, &memsz) ||
	    !us_range_make(paddr, memsz, &ret->phys))
		return us_err_new(US_ERR_BAD_DATA,
				  "the program header at 0x%" PRIx64
				  " has sizes or an address that "
				  "make no sense",
				  at);
	return us_bytes_sub(file, off, filesz, "a loaded segment", &ret->bytes);
}

static struct us_err *read_loads(struct us_bytes file, struct load *loads, size_t *ret_n,
				 struct us_range *ret_span)
{
	uint64_t phoff = 0, first = UINT64_MAX, end = 0;
	uint16_t count, bytes;
	size_t n = 0;

	if (!us_le64(file, offsetof(Elf64_Ehdr, e_phoff), &phoff) ||
	    !us_le16(file, offsetof(Elf64_Ehdr, e_phnum), &count) ||
	    !us_le16(file, offsetof(Elf64_Ehdr, e_phentsize), &bytes) ||
	    bytes != sizeof(Elf64_Phdr) || phoff > file.n)
		return us_err_new(US_ERR_BAD_DATA, "the ELF header is damaged");
	for (uint16_t i = 0; i < count; i++) {
		struct load load;
		bool is = false;

		US_TRY(read_load(file, phoff + (uint64_t)i * bytes, &load, &is));
		if (!is)
			continue;
		if (n == ELF_SEGMENTS_MAX)
			return us_err_new(US_ERR_UNSUPPORTED,
					  "the vmlinux has more than %d loaded segments",
					  ELF_SEGMENTS_MAX);
		loads[n++] = load;
		first = load.phys.start < first ? load.phys.start : first;
		end = us_range_end(load.phys) > end ? us_range_end(load.phys) : end;
	}
	if (!n)
		return us_err_new(US_ERR_BAD_DATA, "the vmlinux has nothing to load");
	*ret_n = n;
	*ret_span = (struct us_range){ first, end - first };
	return NULL;
}

static struct us_err *place_elf(struct us_build *b, struct us_bytes vmlinux, struct parts *parts)
{
	struct load loads[ELF_SEGMENTS_MAX];
	struct us_range span, dest;
	uint64_t entry = 0;
	const char *why = "where it is linked to run";
	bool taken;
	size_t n = 0;

	US_TRY(read_loads(vmlinux, loads, &n, &span));
	if (!us_le64(vmlinux, offsetof(Elf64_Ehdr, e_entry), &entry) || entry < span.start ||
	    entry >= us_range_end(span))
		return us_err_new(US_ERR_BAD_DATA,
				  "the vmlinux is entered at 0x%" PRIx64 ", outside what it loads",
				  entry);
	dest = span;
	US_TRY(us_build_take(b, span, &taken));
	if (!taken)
		US_TRY(us_build_place(b, "the kernel, as linked or moved by 2 MiB steps",
				      (struct us_wish){ .size = span.size,
							.align = PMD_BYTES,
							.min = 16 * US_MIB },
				      &dest, &why));
	if (!taken && span.start % PMD_BYTES)
		return us_err_new(US_ERR_UNSUPPORTED,
				  "the vmlinux is linked at 0x%" PRIx64
				  ", which is taken, and cannot be moved by 2 MiB steps",
				  span.start);
	for (size_t i = 0; i < n; i++) {
		struct us_range at = { loads[i].phys.start - span.start + dest.start,
				       loads[i].phys.size };
		struct us_bytes bytes = loads[i].bytes;

		/* .bss is in the file where a section follows it: 20 MiB in Debian's kernels, which
		 * the running kernel clears faster than it copies, and which no digest has to cover */
		bytes.n = us_bytes_trimmed(bytes);
		US_TRY(add(b, US_SEG_KERNEL, bytes, at, true, why));
	}
	parts->entry = entry - span.start + dest.start;
	return NULL;
}

/* The kernel inside a bzImage, entered as the bzImage's own code would when it has unpacked it
 * (Linux 6.12 arch/x86/boot/compressed/head_64.S, arch/x86/kernel/head_64.S: startup_64). */
static struct us_err *place_unpacked(struct us_build *b, struct parts *parts)
{
	if (!b->image->vmlinux.n)
		return us_err_new(US_ERR_UNSUPPORTED,
				  "the kernel in this bzImage was not unpacked, so it cannot be "
				  "placed by itself");
	US_TRY(us_build_note(b, "the kernel is placed unpacked: it starts at once, at an address "
				"that is not random"));
	return place_elf(b, b->image->vmlinux, parts);
}

static struct us_err *place_initrd(struct us_build *b, struct parts *parts)
{
	const char *why;

	if (!b->initrd || !b->initrd->bytes.n)
		return NULL;
	US_TRY(us_build_place(b, "the initrd",
			      (struct us_wish){ .size = b->initrd->bytes.n, .min = INITRD_MIN },
			      &parts->initrd, &why));
	US_TRY(add(b, US_SEG_INITRD, b->initrd->bytes, parts->initrd, true, why));
	parts->initrd.size = b->initrd->bytes.n;
	return NULL;
}

/* The user's words with what the loader adds: elfcorehdr= as the kernel's own loader does, and the
 * ACPI root pointer for kernels that neither get EFI nor read it from boot_params (before 5.0). */
static struct us_err *final_cmdline(struct us_build *b, const struct parts *parts, const char **ret)
{
	const struct us_host *host = b->host;
	const char *user = b->wanted->cmdline, *elf = "", *rsdp = "";

	if (b->wanted->purpose == US_CRASH)
		US_TRY(us_build_text(b, &elf, "elfcorehdr=0x%" PRIx64 " ", parts->elfcorehdr.start));
	if (!b->plan->handover.efi && host->efi.v == US_YES && us_known(host->acpi_rsdp.o) &&
	    host->acpi_rsdp.v && !us_cmdline_has(user, "acpi_rsdp"))
		US_TRY(us_build_text(b, &rsdp, "%sacpi_rsdp=0x%" PRIx64, *user ? " " : "",
				     host->acpi_rsdp.v));
	return us_build_text(b, ret, "%s%s%s", elf, user, rsdp);
}

static struct us_err *place_page(struct us_build *b, struct parts *parts)
{
	struct us_handover *h = &b->plan->handover;
	struct us_x86_page page;
	const char *why;
	uint8_t *p;

	US_TRY(b->wanted->purpose == US_CRASH ? us_e820_crash(b, parts->elfcorehdr)
					      : us_e820_reboot(b));
	US_TRY(us_x86_decide_efi(b));
	US_TRY(final_cmdline(b, parts, &h->cmdline));
	US_TRY(us_x86_page_layout(b, strlen(h->cmdline) + 1, &page));
	US_TRY(us_build_place(b, "boot parameters and command line",
			      (struct us_wish){ .size = page.bytes }, &parts->page_at, &why));
	page.addr = parts->page_at.start;
	p = us_pool_alloc(&b->plan->pool, page.bytes);
	if (!p)
		return us_err_nomem();
	US_TRY(us_x86_page_fill(b, &page, parts->initrd, p));
	return add(b, US_SEG_BOOT_PARAMS, us_bytes_of(p, page.bytes), parts->page_at, true, why);
}

static struct us_err *place_purgatory(struct us_build *b, const struct parts *parts)
{
	struct us_segment s = { .role = US_SEG_PURGATORY };

	US_TRY(us_purgatory_make(b, parts->entry, parts->page_at.start, &s.bytes));
	US_TRY(us_build_place(b, "the purgatory", (struct us_wish){ .size = s.bytes.n }, &s.dest,
			      &s.why));
	b->plan->entry = s.dest.start;
	return us_build_segment(b, &s);
}

/* No more than half of RAM: sanity_check_segment_list(), Linux 6.12 kernel/kexec_core.c. */
static struct us_err *check_half(struct us_build *b)
{
	uint64_t total = 0, half = b->host->total_ram.v / 2;

	for (size_t i = 0; i < b->plan->n_segments; i++)
		total += b->plan->segments[i].dest.size;
	if (!us_known(b->host->total_ram.o) || total <= half)
		return NULL;
	return us_build_no_room(b, total - half,
				"all segments need 0x%" PRIx64 " bytes; the kernel takes at most "
				"half of the memory, 0x%" PRIx64,
				total, half);
}

struct us_err *us_plan_x86(struct us_build *b)
{
	struct parts parts = { 0 };

	US_TRY(us_build_memory(b, four_level(b)));
	if (b->image->kind == US_IMAGE_BZIMAGE && !(b->image->setup.xloadflags & US_XLF_ABOVE_4G) &&
	    b->max > 4 * US_GIB) {
		b->max = 4 * US_GIB;
		b->max_why = "below 4 GiB, because XLF_CAN_BE_LOADED_ABOVE_4G (xloadflags bit 1) "
			     "is not set";
	}
	US_TRY(place_elfcorehdr(b, &parts));
	US_TRY(b->image->kind == US_IMAGE_ELF ? place_elf(b, b->image->kernel, &parts)
	       : b->wanted->unpacked          ? place_unpacked(b, &parts)
					      : place_bzimage(b, &parts));
	US_TRY(place_initrd(b, &parts));
	US_TRY(place_page(b, &parts));
	US_TRY(place_purgatory(b, &parts));
	US_TRY(check_half(b));
	b->plan->flags =
		(b->wanted->purpose == US_CRASH ? US_KEXEC_ON_CRASH : 0) |
		(b->wanted->purpose == US_CRASH && b->wanted->hotplug ? US_KEXEC_UPDATE_ELFCOREHDR
								      : 0) |
		b->host->arch->kexec_arch;
	return NULL;
}
