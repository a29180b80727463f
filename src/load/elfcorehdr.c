/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The ELF core header that tells a capture kernel where the crashed kernel's memory is: a PT_NOTE
 * for each CPU's registers and one for vmcoreinfo, a PT_LOAD for the kernel's text at its virtual
 * address and one for each range of RAM. Same contents and order as crash_prepare_elf64_headers()
 * (Linux 6.12 kernel/crash_core.c): without the low 1 MiB, which the capture kernel uses, and
 * without the crash reservations. 64-bit little-endian only; no PN_XNUM, since no kernel reads it
 * here.
 */
#include "load/load-int.h"

#include <elf.h>
#include <string.h>

/* A fact that must be known to write the header. */
static struct us_err *need(struct us_origin o, const char *what)
{
	if (us_known(o))
		return NULL;
	return us_err_new(US_ERR_DENIED, "the ELF core header needs %s: %s: %s", what,
			  o.path ? o.path : "not found", o.missing);
}

/* What a dump holds. */
static struct us_err *dumped_ram(const struct us_host *host, struct us_map *ret)
{
	US_TRY(us_system_ram(host, ret));
	US_TRY(us_map_cut(ret, (struct us_range){ 0, US_MIB }));
	for (size_t i = 0; i < host->n_crash; i++)
		US_TRY(us_map_cut(ret, host->crash[i]));
	return NULL;
}

static struct us_err *bytes_for(size_t headers, uint64_t *ret)
{
	if (headers >= PN_XNUM)
		return us_err_new(US_ERR_NO_ROOM,
				  "the ELF core header would need %zu program headers, at most %d "
				  "can be counted in it",
				  headers, PN_XNUM - 1);
	*ret = sizeof(Elf64_Ehdr) + headers * sizeof(Elf64_Phdr);
	if (!us_align_up(*ret, US_PAGE, ret))
		return us_err_new(US_ERR_NO_ROOM, "the ELF core header is too large");
	return NULL;
}

/*
 * With hotplug the kernel keeps room: crash_elfcorehdr_size counts program headers only, and those
 * of memory only if memory can be plugged (Linux 6.12 arch/x86/kernel/crash.c).
 */
static struct us_err *room_for(const struct us_host *host, size_t ranges, uint64_t *ret)
{
	uint64_t room;

	if (us_kconfig_builtin(host->kconfig, "MEMORY_HOTPLUG") != US_NO)
		ranges = 0;
	if (!us_add(host->elfcorehdr_size.v, sizeof(Elf64_Ehdr) + ranges * sizeof(Elf64_Phdr),
		    &room))
		return us_err_new(US_ERR_BAD_DATA, "%s: the size makes no sense",
				  host->elfcorehdr_size.o.path);
	*ret = room;
	return NULL;
}

static Elf64_Phdr *put(Elf64_Phdr *at, uint32_t type, uint32_t flags, uint64_t virt,
		       struct us_range phys)
{
	*at = (Elf64_Phdr){ .p_type = type,
			    .p_flags = flags,
			    .p_offset = phys.start,
			    .p_vaddr = virt,
			    .p_paddr = phys.start,
			    .p_filesz = phys.size,
			    .p_memsz = phys.size };
	return at + 1;
}

static struct us_err *check_facts(const struct us_host *host)
{
	if (!host->map.n)
		US_TRY(need(host->map_from, "the memory map"));
	US_TRY(need(host->crash_notes_from, "the place of each CPU's registers"));
	if (!host->n_crash_notes)
		return us_err_new(US_ERR_NOT_FOUND,
				  "the ELF core header needs the place of each CPU's registers: "
				  "there is no crash_notes below /sys/devices/system/cpu");
	US_TRY(need(host->vmcoreinfo_addr.o, "the place of vmcoreinfo"));
	US_TRY(need(host->vmcoreinfo_size.o, "the size of vmcoreinfo"));
	US_TRY(need(host->text_virt.o, "the kernel's virtual address"));
	US_TRY(need(host->text_phys.o, "the kernel's physical address"));
	US_TRY(need(host->text_end_phys.o, "the kernel's end"));
	US_TRY(need(host->page_offset.o, "the base of the direct mapping"));
	if (host->text_end_phys.v <= host->text_phys.v)
		return us_err_new(
			US_ERR_BAD_DATA,
			"%s: the kernel ends at 0x%" PRIx64 ", before its start at 0x%" PRIx64,
			host->text_end_phys.o.path, host->text_end_phys.v, host->text_phys.v);
	return NULL;
}

static void fill(const struct us_host *host, const struct us_map *ram, uint8_t *p, size_t headers)
{
	const struct us_range text = { host->text_phys.v,
				       host->text_end_phys.v - host->text_phys.v };
	const struct us_range info = { host->vmcoreinfo_addr.v, host->vmcoreinfo_size.v };
	Elf64_Phdr *at = (Elf64_Phdr *)(void *)(p + sizeof(Elf64_Ehdr));
	Elf64_Ehdr head = { .e_type = ET_CORE,
			    .e_machine = host->arch->elf_machine,
			    .e_version = EV_CURRENT,
			    .e_phoff = sizeof(Elf64_Ehdr),
			    .e_ehsize = sizeof(Elf64_Ehdr),
			    .e_phentsize = sizeof(Elf64_Phdr),
			    .e_phnum = (uint16_t)headers };

	memcpy(head.e_ident, ELFMAG, SELFMAG);
	head.e_ident[EI_CLASS] = ELFCLASS64;
	head.e_ident[EI_DATA] = ELFDATA2LSB;
	head.e_ident[EI_VERSION] = EV_CURRENT;
	memcpy(p, &head, sizeof(head));
	for (size_t i = 0; i < host->n_crash_notes; i++)
		at = put(at, PT_NOTE, 0, 0, host->crash_notes[i]);
	at = put(at, PT_NOTE, 0, 0, info);
	at = put(at, PT_LOAD, PF_R | PF_W | PF_X, host->text_virt.v, text);
	for (size_t i = 0; i < ram->n; i++)
		at = put(at, PT_LOAD, PF_R | PF_W | PF_X,
			 host->page_offset.v + ram->entries[i].range.start, ram->entries[i].range);
}

struct us_err *us_elfcorehdr_make(const struct us_host *host, bool hotplug, struct us_pool *pool,
				  struct us_elfcorehdr *ret)
{
	_us_map_deinit_ struct us_map ram = { 0 };
	uint64_t bytes, memory;
	size_t headers;
	uint8_t *p;

	US_TRY(check_facts(host));
	US_TRY(dumped_ram(host, &ram));
	headers = host->n_crash_notes + 2 + ram.n;
	US_TRY(bytes_for(headers, &bytes));
	memory = bytes;
	if (hotplug) {
		US_TRY(need(host->elfcorehdr_size.o, "the room for hotplug"));
		US_TRY(room_for(host, ram.n, &memory));
		memory = memory > bytes ? memory : bytes;
	}
	p = us_pool_alloc(pool, bytes);
	if (!p)
		return us_err_nomem();
	fill(host, &ram, p, headers);
	ret->bytes = us_bytes_of(p, bytes);
	ret->memory_bytes = memory;
	return NULL;
}

struct us_err *us_elfcorehdr_size(const struct us_host *host, uint64_t *ret)
{
	_us_map_deinit_ struct us_map ram = { 0 };
	uint64_t cpus = us_known(host->possible_cpus.o) ? host->possible_cpus.v : 1, bytes;

	US_TRY(dumped_ram(host, &ram));
	if (us_known(host->elfcorehdr_size.o))
		return room_for(host, ram.n, ret);
	US_TRY(bytes_for(cpus + 2 + ram.n, &bytes));
	*ret = bytes;
	return NULL;
}
