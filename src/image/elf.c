/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ELF headers of either class and byte order, and the vmlinux image: loadable segments, entry,
 * what contradicts the headers. Specification: System V ABI (gabi 4.1), chapters 4 and 5, with the
 * extended numbering of section 0. Symbols and notes are not read here.
 */
#include "image/image-int.h"

#include <elf.h>
#include <inttypes.h>

#define LOADS_MAX  64 /* kexec_load(2) takes 16 segments */
#define DAMAGE_MAX 16 /* entries about segments; the first ones tell the story */

/* Walks over header fields of 2, 4 or 8 bytes in the file's byte order. */
struct reader {
	struct us_bytes b;
	uint64_t at;
	bool big, ok;
};

static uint64_t next(struct reader *r, unsigned int bytes)
{
	uint64_t v64 = 0;
	uint32_t v32 = 0;
	uint16_t v16 = 0;
	bool ok;

	switch (bytes) {
	case 2:
		ok = r->big ? us_be16(r->b, r->at, &v16) : us_le16(r->b, r->at, &v16);
		v64 = v16;
		break;
	case 4:
		ok = r->big ? us_be32(r->b, r->at, &v32) : us_le32(r->b, r->at, &v32);
		v64 = v32;
		break;
	default:
		ok = r->big ? us_be64(r->b, r->at, &v64) : us_le64(r->b, r->at, &v64);
	}
	r->at += bytes;
	r->ok = r->ok && ok;
	return v64;
}

static struct reader reader_at(const struct us_elf *elf, uint64_t at)
{
	return (struct reader){ .b = elf->file, .at = at, .big = elf->big_endian, .ok = true };
}

/* Counts that do not fit their header field stand in section 0. */
static void resolve_extended(struct us_elf *elf)
{
	uint64_t word = elf->is_64 ? 8 : 4;
	struct reader r = reader_at(elf, elf->shoff);
	uint64_t size, link, info;

	if (!elf->shoff || elf->shoff > elf->file.n)
		return;
	r.at += 8 + 3 * word; /* name, type, flags, addr, offset */
	size = next(&r, (unsigned int)word);
	link = next(&r, 4);
	info = next(&r, 4);
	if (!r.ok)
		return;
	if (elf->phnum == PN_XNUM)
		elf->phnum = (uint32_t)info;
	if (!elf->shnum)
		elf->shnum = size > UINT32_MAX ? UINT32_MAX : (uint32_t)size;
	if (elf->shstrndx == SHN_XINDEX)
		elf->shstrndx = (uint32_t)link;
}

bool us_elf_parse(struct us_bytes file, struct us_elf *ret)
{
	struct us_elf elf = { .file = file };
	unsigned int word;
	struct reader r;

	if (!us_bytes_match(file, 0, ELFMAG, SELFMAG) || !us_bytes_has(file, 0, EI_NIDENT) ||
	    file.p[EI_CLASS] < ELFCLASS32 || file.p[EI_CLASS] > ELFCLASS64 ||
	    file.p[EI_DATA] < ELFDATA2LSB || file.p[EI_DATA] > ELFDATA2MSB)
		return false;
	elf.is_64 = file.p[EI_CLASS] == ELFCLASS64;
	elf.big_endian = file.p[EI_DATA] == ELFDATA2MSB;
	word = elf.is_64 ? 8 : 4;
	r = reader_at(&elf, EI_NIDENT);
	elf.type = (uint16_t)next(&r, 2);
	elf.machine = (uint16_t)next(&r, 2);
	r.at += 4; /* e_version */
	elf.entry = next(&r, word);
	elf.phoff = next(&r, word);
	elf.shoff = next(&r, word);
	r.at += 6; /* e_flags, e_ehsize */
	elf.phentsize = (uint16_t)next(&r, 2);
	elf.phnum = (uint32_t)next(&r, 2);
	elf.shentsize = (uint16_t)next(&r, 2);
	elf.shnum = (uint32_t)next(&r, 2);
	elf.shstrndx = (uint32_t)next(&r, 2);
	if (!r.ok)
		return false;
	resolve_extended(&elf);
	*ret = elf;
	return true;
}

/* Where entry i of a table begins; false if entry or table leave 64 bits. */
static bool entry_at(uint64_t table, uint16_t bytes, uint32_t i, uint64_t *ret)
{
	return us_add(table, (uint64_t)bytes * i, ret) && *ret <= UINT64_MAX - UINT16_MAX;
}

bool us_elf_segment(const struct us_elf *elf, uint32_t i, struct us_elf_segment *ret)
{
	struct us_elf_segment s = { 0 };
	unsigned int word = elf->is_64 ? 8 : 4;
	struct reader r = reader_at(elf, 0);

	if (i >= elf->phnum || !entry_at(elf->phoff, elf->phentsize, i, &r.at))
		return false;
	s.type = (uint32_t)next(&r, 4);
	if (elf->is_64)
		s.flags = (uint32_t)next(&r, 4);
	s.offset = next(&r, word);
	s.virt = next(&r, word);
	s.phys = next(&r, word);
	s.file_bytes = next(&r, word);
	s.mem_bytes = next(&r, word);
	if (!elf->is_64)
		s.flags = (uint32_t)next(&r, 4);
	s.align = next(&r, word);
	if (!r.ok)
		return false;
	*ret = s;
	return true;
}

bool us_elf_section(const struct us_elf *elf, uint32_t i, struct us_elf_section *ret)
{
	struct us_elf_section s = { 0 };
	unsigned int word = elf->is_64 ? 8 : 4;
	struct reader r = reader_at(elf, 0);

	if (i >= elf->shnum || !entry_at(elf->shoff, elf->shentsize, i, &r.at))
		return false;
	s.name = (uint32_t)next(&r, 4);
	s.type = (uint32_t)next(&r, 4);
	s.flags = next(&r, word);
	s.addr = next(&r, word);
	s.offset = next(&r, word);
	s.bytes = next(&r, word);
	if (!r.ok)
		return false;
	*ret = s;
	return true;
}

static bool elf_probe(struct us_bytes file)
{
	struct us_elf elf;

	return us_elf_parse(file, &elf) && (elf.type == ET_EXEC || elf.type == ET_DYN);
}

/* Both tables whole and in the file; *ret_segments: whether the segment table can be read. */
static struct us_err *judge_tables(struct us_image *image, const struct us_elf *elf,
				   bool *ret_segments)
{
	uint16_t phent = elf->is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
	uint64_t ph_bytes = (uint64_t)elf->phnum * elf->phentsize;
	uint64_t sh_bytes = (uint64_t)elf->shnum * elf->shentsize;

	*ret_segments = false;
	US_TRY(us_damage_if(image, elf->shoff && !us_bytes_has(elf->file, elf->shoff, sh_bytes),
			    elf->is_64 ? 0x28 : 0x20,
			    "cut short: 0x%" PRIx64 " bytes of section headers at 0x%" PRIx64
			    ", the file has 0x%zx bytes",
			    sh_bytes, elf->shoff, elf->file.n));
	if (!elf->phnum)
		return us_damage_add(image, elf->is_64 ? 0x38 : 0x2c,
				     "no program headers: nothing to load");
	if (elf->phentsize != phent)
		return us_damage_add(image, elf->is_64 ? 0x36 : 0x2a,
				     "program headers of %u bytes instead of %u", elf->phentsize,
				     phent);
	if (!us_bytes_has(elf->file, elf->phoff, ph_bytes))
		return us_damage_add(image, elf->is_64 ? 0x20 : 0x1c,
				     "0x%" PRIx64 " bytes of program headers at 0x%" PRIx64
				     ", the file has 0x%zx bytes",
				     ph_bytes, elf->phoff, elf->file.n);
	*ret_segments = true;
	return NULL;
}

static struct us_err *judge_segment(struct us_image *image, const struct us_elf *elf, uint32_t i,
				    const struct us_elf_segment *s)
{
	uint64_t header = elf->phoff + (uint64_t)elf->phentsize * i, end;

	US_TRY(us_damage_if(image, !us_bytes_has(elf->file, s->offset, s->file_bytes), header,
			    "cut short: segment %" PRIu32 " has 0x%" PRIx64 " bytes at 0x%" PRIx64
			    ", the file has 0x%zx bytes",
			    i, s->file_bytes, s->offset, elf->file.n));
	US_TRY(us_damage_if(image, s->file_bytes > s->mem_bytes, header,
			    "segment %" PRIu32 " has 0x%" PRIx64
			    " bytes in the file and only 0x%" PRIx64 " in memory",
			    i, s->file_bytes, s->mem_bytes));
	US_TRY(us_damage_if(image, s->align & (s->align - 1), header,
			    "segment %" PRIu32 ": alignment 0x%" PRIx64 " is no power of two", i,
			    s->align));
	return us_damage_if(
		image, !us_add(s->phys, s->mem_bytes, &end) || !us_add(s->virt, s->mem_bytes, &end),
		header, "segment %" PRIu32 " ends past the last address", i);
}

struct loads {
	struct us_elf_segment s[LOADS_MAX];
	uint32_t n;
};

static bool inside(uint64_t v, uint64_t start, uint64_t bytes)
{
	return v >= start && v - start < bytes;
}

/* The entry may be physical (x86) or virtual (others). */
static struct us_err *judge_loads(struct us_image *image, const struct us_elf *elf,
				  const struct loads *loads)
{
	bool entered = false;

	for (uint32_t i = 0; i < loads->n; i++) {
		const struct us_elf_segment *a = &loads->s[i];

		entered = entered || inside(elf->entry, a->phys, a->mem_bytes) ||
			  inside(elf->entry, a->virt, a->mem_bytes);
		for (uint32_t k = 0; k < i; k++) {
			const struct us_elf_segment *b = &loads->s[k];

			if (!a->mem_bytes || !b->mem_bytes ||
			    !(inside(a->phys, b->phys, b->mem_bytes) ||
			      inside(b->phys, a->phys, a->mem_bytes)))
				continue;
			return us_damage_add(image, elf->phoff,
					     "two loadable segments share memory at 0x%" PRIx64,
					     a->phys > b->phys ? a->phys : b->phys);
		}
	}
	return us_damage_if(image, !entered, 0x18,
			    "the entry 0x%" PRIx64 " is in no loadable segment", elf->entry);
}

static void place(struct us_image *image, const struct loads *loads)
{
	uint64_t low = UINT64_MAX, high = 0, end;

	for (uint32_t i = 0; i < loads->n; i++) {
		const struct us_elf_segment *s = &loads->s[i];

		if (!us_add(s->phys, s->mem_bytes, &end))
			continue;
		low = s->phys < low ? s->phys : low;
		high = end > high ? end : high;
		image->align = s->align > image->align ? s->align : image->align;
	}
	if (low < high) {
		image->pref_address = low;
		image->run_bytes = high - low;
	}
}

static struct us_err *read_segments(struct us_image *image, const struct us_elf *elf)
{
	struct us_elf_segment s;
	struct loads loads = { .n = 0 };

	for (uint32_t i = 0; i < elf->phnum && us_elf_segment(elf, i, &s); i++) {
		US_TRY(us_damage_if(image, s.type == PT_INTERP,
				    elf->phoff + (uint64_t)elf->phentsize * i,
				    "wants a dynamic loader (PT_INTERP): a program, no kernel"));
		if (s.type != PT_LOAD)
			continue;
		if (loads.n == LOADS_MAX)
			return us_damage_add(image, elf->phoff, "more than %d loadable segments",
					     LOADS_MAX);
		US_TRY(judge_segment(image, elf, i, &s));
		if (image->n_damage > DAMAGE_MAX)
			return NULL;
		loads.s[loads.n++] = s;
	}
	if (!loads.n)
		return us_damage_add(image, elf->phoff, "no loadable segment");
	place(image, &loads);
	return judge_loads(image, elf, &loads);
}

static struct us_err *elf_read(struct us_image *image, struct us_bytes file, struct us_peel *ret)
{
	struct us_elf elf;
	bool segments;

	(void)ret;
	if (!us_elf_parse(file, &elf))
		return us_damage_add(image, 0, "the ELF header is not all there");
	image->arch = us_arch_by_elf(elf.machine, elf.is_64, elf.big_endian);
	image->entry = elf.entry;
	image->cmdline_max = image->arch->cmdline_max;
	/* ET_EXEC does not tell: an x86 vmlinux may be moved if it was built RELOCATABLE */
	image->relocatable = elf.type == ET_DYN ? US_YES : US_UNKNOWN;
	US_TRY(judge_tables(image, &elf, &segments));
	return segments ? read_segments(image, &elf) : NULL;
}

const struct us_format us_format_elf = {
	.kind = US_IMAGE_ELF,
	.looked_for = "an executable ELF at 0x0 (vmlinux)",
	.probe = elf_probe,
	.read = elf_read,
};
