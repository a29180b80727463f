/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ELF64 cores (System V ABI; PN_XNUM: Linux elf.h): /proc/vmcore, makedumpfile -E, QEMU's
 * dump-guest-memory, anybody's. Program headers may stand anywhere, segments may overlap and begin
 * within pages. Where segments overlap, one with bytes counts before one without, a larger one
 * before a smaller. The rest of a page of which a part is in the core reads as zero. How the bytes
 * are reached is elf-read.c.
 */
#include "base/cleanup.h"
#include "vmcore/elf-int.h"

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#define E_FLAGS_INCOMPLETE 1u           /* makedumpfile: DUMP_ELF_INCOMPLETE */
#define PHYS_END           (1ull << 52) /* of the widest physical addresses there are */
#define RANK_FILE          (3ull << 62)
#define RANK_LOST          (2ull << 62)
#define RANK_ZERO          (1ull << 62)
#define RANK_SIZE_MAX      ((1ull << 62) - 1)

struct header {
	uint16_t machine;
	uint32_t flags;
	uint64_t phoff;
	uint64_t phnum;
	uint64_t phentsize;
};

static struct us_err *read_header(struct us_vmcore *core, const struct us_store *store,
				  struct header *ret)
{
	uint8_t raw[sizeof(Elf64_Ehdr)];
	struct us_bytes b = us_bytes_of(raw, sizeof(raw));
	bool big;
	uint16_t type;

	if (store->bytes < sizeof(raw))
		return us_err_new(US_ERR_BAD_DATA, "%s: the ELF header ends at 0x%" PRIx64,
				  store->path, store->bytes);
	US_TRY(us_store_read(store, 0, raw, sizeof(raw)));
	if (raw[EI_CLASS] == ELFCLASS32)
		return us_err_new(US_ERR_UNSUPPORTED, "%s is a core of 32-bit ELF", store->path);
	if (raw[EI_CLASS] != ELFCLASS64 ||
	    (raw[EI_DATA] != ELFDATA2LSB && raw[EI_DATA] != ELFDATA2MSB))
		return us_err_new(US_ERR_BAD_DATA,
				  "%s: ELF class %u with data encoding %u makes no sense",
				  store->path, raw[EI_CLASS], raw[EI_DATA]);
	core->big_endian = big = raw[EI_DATA] == ELFDATA2MSB;
	type = us_get16(b, offsetof(Elf64_Ehdr, e_type), big);
	if (type != ET_CORE)
		return us_err_new(
			US_ERR_BAD_DATA, "%s is no core but an ELF file of type %u%s", store->path,
			type, type == ET_EXEC || type == ET_DYN ? " (a program or kernel)" : "");
	ret->machine = us_get16(b, offsetof(Elf64_Ehdr, e_machine), big);
	ret->flags = us_get32(b, offsetof(Elf64_Ehdr, e_flags), big);
	ret->phoff = us_get64(b, offsetof(Elf64_Ehdr, e_phoff), big);
	ret->phnum = us_get16(b, offsetof(Elf64_Ehdr, e_phnum), big);
	ret->phentsize = us_get16(b, offsetof(Elf64_Ehdr, e_phentsize), big);
	if (ret->phentsize < sizeof(Elf64_Phdr))
		return us_err_new(US_ERR_BAD_DATA, "%s: program headers of %" PRIu64 " bytes",
				  store->path, ret->phentsize);
	if (ret->phnum == PN_XNUM) {
		uint64_t shoff = us_get64(b, offsetof(Elf64_Ehdr, e_shoff), big);
		uint8_t section[sizeof(Elf64_Shdr)];

		if (!shoff || shoff > store->bytes || store->bytes - shoff < sizeof(section))
			return us_err_new(US_ERR_BAD_DATA,
					  "%s: e_phnum says that section 0 has the number of "
					  "program headers, but there is none at 0x%" PRIx64,
					  store->path, shoff);
		US_TRY(us_store_read(store, shoff, section, sizeof(section)));
		ret->phnum = us_get32(us_bytes_of(section, sizeof(section)),
				      offsetof(Elf64_Shdr, sh_info), big);
	}
	core->arch = us_arch_by_elf(ret->machine, true, big);
	if (core->arch->uname[0])
		core->uts[4] = core->arch->uname[0];
	core->incomplete = (ret->flags & E_FLAGS_INCOMPLETE) &&
			   (core->arch->id == US_ARCH_X86_64 || core->arch->id == US_ARCH_ARM64);
	return NULL;
}

/* The contents of all PT_NOTE segments, one after the other. */
static struct us_err *collect_notes(struct us_vmcore *core, const struct us_store *store,
				    const struct us_vmcore_load *v, size_t n, struct us_bytes *ret)
{
	_us_blob_deinit_ struct us_blob joined = { 0 };
	uint64_t total = 0, at = 0, claimed = 0;
	struct us_bytes one = { 0 };
	size_t readable = 0;

	for (size_t i = 0; i < n; i++) /* each byte once, or a small file takes all memory */
		if (!us_add(claimed, v[i].file_bytes, &claimed) || claimed > store->raw_bytes) {
			us_vmcore_warn(core,
				       "PT_NOTE %zu and what follows are left out: they claim "
				       "more bytes than the file has",
				       i);
			n = i;
		}
	for (size_t i = 0; i < n; i++) {
		_us_err_free_ struct us_err *err = us_store_load(
			store, &core->pool, v[i].offset, v[i].file_bytes, "the notes", &one);

		if (err) {
			us_vmcore_warn(core, "%s", err->text);
			continue;
		}
		readable++;
		total += (one.n + 3) & ~3ull;
		*ret = one;
	}
	if (readable < 2)
		return NULL;
	US_TRY(us_blob_new(total, &joined));
	for (size_t i = 0; i < n; i++) {
		struct us_err *err = us_store_load(store, &core->pool, v[i].offset, v[i].file_bytes,
						   "the notes", &one);

		if (err) {
			us_err_free(err);
			continue;
		}
		if (one.n && us_bytes_has(us_blob_bytes(&joined), at, one.n))
			memcpy(joined.p + at, one.p, one.n);
		at += (one.n + 3) & ~3ull;
	}
	return us_pool_adopt(&core->pool, &joined, ret);
}

/* One PT_LOAD as the pieces that it claims. A load of which the file lacks a part loses that. */
static size_t claims(struct us_vmcore *core, const struct us_store *store, size_t number,
		     struct us_vmcore_load *load, struct us_piece *out)
{
	uint64_t size = load->bytes < RANK_SIZE_MAX ? load->bytes : RANK_SIZE_MAX;
	uint64_t have = load->file_bytes, end;
	size_t n = 0;

	if (load->phys == UINT64_MAX || !load->bytes)
		return 0; /* /proc/kcore: no physical address */
	if (!us_add(load->phys, load->bytes, &end) || end > PHYS_END) {
		us_vmcore_warn(core,
			       "PT_LOAD %zu: memory at 0x%" PRIx64 " + 0x%" PRIx64
			       " is more than a machine can have; it is left out",
			       number, load->phys, load->bytes);
		load->bytes = load->file_bytes = 0;
		return 0;
	}
	if (!have && load->offset == UINT64_MAX)
		return 0; /* QEMU: mapped, but no memory of the machine */
	if (load->offset > store->bytes)
		have = 0;
	else if (have > store->bytes - load->offset)
		have = store->bytes - load->offset;
	if (have)
		out[n++] = (struct us_piece){ load->phys, have, load->offset, RANK_FILE + size,
					      US_PIECE_FILE };
	if (have < load->file_bytes) {
		us_vmcore_warn(core,
			       "PT_LOAD %zu: 0x%" PRIx64 " of 0x%" PRIx64
			       " bytes are past the end of the file",
			       number, load->file_bytes - have, load->file_bytes);
		core->incomplete = true;
		out[n++] = (struct us_piece){ load->phys + have, load->file_bytes - have, 0,
					      RANK_LOST + size, US_PIECE_LOST };
	}
	if (load->file_bytes < load->bytes)
		out[n++] = (struct us_piece){ load->phys + load->file_bytes,
					      load->bytes - load->file_bytes, 0, RANK_ZERO + size,
					      US_PIECE_ZERO };
	return n;
}

/* What fills the first and the last page of a load. */
static size_t fillers(const struct us_vmcore *core, struct us_range memory, struct us_piece *out)
{
	uint64_t mask = core->page_bytes - 1, end = us_range_end(memory), up;
	size_t n = 0;

	if (memory.start & mask)
		out[n++] = (struct us_piece){ memory.start & ~mask, memory.start & mask, 0, 0,
					      US_PIECE_ZERO };
	if ((end & mask) && us_align_up(end, core->page_bytes, &up))
		out[n++] = (struct us_piece){ end, up - end, 0, 0, US_PIECE_ZERO };
	return n;
}

static struct us_err *map_memory(struct us_vmcore *core, struct elf_core *elf,
				 struct us_vmcore_load *loads, size_t n)
{
	_us_free_ struct us_piece *pieces = calloc(5 * n + 1, sizeof(*pieces));
	struct us_range *ram = us_pool_array(&core->pool, n + 1, sizeof(*ram));
	size_t n_pieces = 0, n_ram = 0;

	if (!pieces || !ram)
		return us_err_nomem();
	for (size_t i = 0; i < n; i++) {
		struct us_range memory = { .start = loads[i].phys, .size = loads[i].bytes };
		size_t got = claims(core, &elf->store, i, &loads[i], pieces + n_pieces);

		if (!got)
			continue;
		n_pieces += got;
		n_pieces += fillers(core, memory, pieces + n_pieces);
		ram[n_ram++] = memory;
	}
	US_TRY(us_pieces_make(&core->pool, pieces, n_pieces, &elf->pieces));
	return us_vmcore_set_ram(core, ram, n_ram);
}

static struct us_vmcore_load load_of(struct us_bytes table, uint64_t at, bool big)
{
	struct us_vmcore_load load = {
		.phys = us_get64(table, at + offsetof(Elf64_Phdr, p_paddr), big),
		.virt = us_get64(table, at + offsetof(Elf64_Phdr, p_vaddr), big),
		.bytes = us_get64(table, at + offsetof(Elf64_Phdr, p_memsz), big),
		.file_bytes = us_get64(table, at + offsetof(Elf64_Phdr, p_filesz), big),
		.offset = us_get64(table, at + offsetof(Elf64_Phdr, p_offset), big),
	};

	return load;
}

/* All program headers: loads from the front of v, notes (in their order) at its back. */
static void split_headers(struct us_bytes table, const struct header *header, bool big,
			  struct us_vmcore_load *v, size_t *ret_loads, size_t *ret_notes)
{
	*ret_loads = *ret_notes = 0;
	for (uint64_t i = 0; i < header->phnum; i++)
		*ret_notes += us_get32(table, i * header->phentsize, big) == PT_NOTE;
	for (uint64_t i = 0, note = header->phnum - *ret_notes; i < header->phnum; i++) {
		uint64_t at = i * header->phentsize;
		struct us_vmcore_load load = load_of(table, at, big);
		uint32_t type = us_get32(table, at, big);

		if (type == PT_NOTE)
			v[note++] = load;
		if (type != PT_LOAD)
			continue;
		if (load.bytes < load.file_bytes) /* some writers leave p_memsz 0 */
			load.bytes = load.file_bytes;
		v[(*ret_loads)++] = load;
	}
}

static void take_page_size(struct us_vmcore *core)
{
	if (!core->page_bytes)
		core->page_bytes = core->arch->page_bytes ? core->arch->page_bytes : 4096;
	core->page_shift = (uint32_t)__builtin_ctz(core->page_bytes);
}

/* Only the kernel's cores of processes have the auxiliary vector in a note. */
static bool has_auxv(const struct us_vmcore *core)
{
	for (size_t i = 0; i < core->n_notes; i++)
		if (core->notes[i].type == NT_AUXV && strcmp(core->notes[i].name, "CORE") == 0)
			return true;
	return false;
}

struct us_err *us_elf_open(struct us_vmcore *core, struct us_store *store)
{
	struct elf_core *elf = us_pool_alloc(&core->pool, sizeof(*elf));
	struct us_bytes table, notes = { 0 };
	struct us_vmcore_load *v;
	struct header header = { 0 };
	size_t n_loads, n_notes;
	uint64_t bytes;

	if (!elf)
		return us_err_nomem();
	elf->store = *store;
	core->data = elf;
	core->ops = &us_elf_ops;
	core->format = store->is_proc ? US_VMCORE_PROC : US_VMCORE_ELF;
	US_TRY(read_header(core, store, &header));
	if (!us_mul(header.phnum, header.phentsize, &bytes))
		bytes = UINT64_MAX;
	US_TRY(us_store_load(store, &core->pool, header.phoff, bytes, "the program header table",
			     &table));
	v = us_pool_array(&core->pool, header.phnum + 1, sizeof(*v));
	if (!v)
		return us_err_nomem();
	split_headers(table, &header, core->big_endian, v, &n_loads, &n_notes);
	if (!n_loads)
		return us_err_new(US_ERR_BAD_DATA,
				  "%s: none of %" PRIu64 " program headers is a PT_LOAD",
				  store->path, header.phnum);
	US_TRY(collect_notes(core, store, v + header.phnum - n_notes, n_notes, &notes));
	US_TRY(us_notes_read(core, notes));
	if (has_auxv(core))
		return us_err_new(US_ERR_UNSUPPORTED,
				  "%s is the core of a process, not of a machine", store->path);
	take_page_size(core);
	core->loads = v;
	core->n_loads = n_loads;
	return map_memory(core, elf, v, n_loads);
}
