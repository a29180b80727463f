/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Private to src/image: how the format files talk to the peeling engine (open.c), and the PE and
 * ELF facts that several of them need. Formats are one table entry each; see open.c.
 */
#ifndef US_IMAGE_IMAGE_INT_H
#define US_IMAGE_IMAGE_INT_H

#include "image/image.h"

/* Where the next layer is. inner.n == 0: there is none, this file is the kernel. */
struct us_peel {
	const struct us_codec *codec; /* inner is packed by it and the engine unpacks; or NULL */
	uint64_t offset;              /* of the inner file in this one */
	struct us_bytes inner;        /* a view of the file */
	uint64_t hint;                /* bytes of inner when unpacked, 0 = not known */
	const char *layer;            /* with codec: its name for people, static or in the pool */
};

struct us_format {
	enum us_image_kind kind;
	const char *looked_for; /* "\"HdrS\" at 0x202 (x86 bzImage)" */
	bool (*probe)(struct us_bytes file);
	/* Facts and damage go into image; a damaged layer that cannot be peeled gives no inner. */
	struct us_err *(*read)(struct us_image *image, struct us_bytes file, struct us_peel *ret);
};
extern const struct us_format us_format_uki, us_format_zboot, us_format_bzimage, us_format_header,
	us_format_elf, us_format_packed;

/* Append to image->damage. */
struct us_err *us_damage_add(struct us_image *image, uint64_t offset, const char *fmt, ...)
	us_must_check us_printf(3, 4);
/* The same if wrong is true, else nothing. */
struct us_err *us_damage_if(struct us_image *image, bool wrong, uint64_t offset, const char *fmt,
			    ...) us_must_check us_printf(4, 5);

/* The most that a stream of in_bytes may unpack to: no kernel shrinks 256-fold, none has 1 GiB. */
uint64_t us_image_unpack_max(size_t in_bytes);

/* --- pe.c: PE/COFF headers (Microsoft PE format specification) --- */
struct us_pe_section {
	char name[9];              /* what is not printable is '?' */
	uint32_t virt_bytes, virt; /* VirtualSize, VirtualAddress */
	uint32_t raw_bytes, raw;   /* SizeOfRawData, PointerToRawData */
	uint64_t header;           /* offset of its header in the file */
};
struct us_pe {
	uint16_t machine, n_sections;
	const struct us_pe_section *sections; /* in the caller's pool */
};
/*
 * False with *ret_problem (static or in pool; *ret untouched) if file is no PE or its headers leave
 * the file. Section contents are not judged here. *ret_problem is NULL
 * without memory.
 */
bool us_pe_parse(struct us_pool *pool, struct us_bytes file, struct us_pe *ret,
		 const char **ret_problem);
/* What a section means when mapped: its first min(VirtualSize, SizeOfRawData) bytes; empty if they
 * are not all in the file. */
struct us_bytes us_pe_section_bytes(struct us_bytes file, const struct us_pe_section *section);

/* --- elf.c: ELF headers (System V ABI, gabi) of either class and byte order --- */
struct us_elf {
	struct us_bytes file;
	bool is_64, big_endian;
	uint16_t type, machine;
	uint64_t entry, phoff, shoff;
	uint16_t phentsize, shentsize;
	uint32_t phnum, shnum, shstrndx; /* with the extensions of section 0 resolved */
};
struct us_elf_segment {
	uint32_t type, flags;
	uint64_t offset, virt, phys, file_bytes, mem_bytes, align;
};
struct us_elf_section {
	uint32_t name, type;
	uint64_t flags, addr, offset, bytes;
};
/* False if file does not start with a complete ELF header. Tables may still leave the file. */
bool us_elf_parse(struct us_bytes file, struct us_elf *ret);
/* Header i; false if it is not all in the file (contents are not judged). */
bool us_elf_segment(const struct us_elf *elf, uint32_t i, struct us_elf_segment *ret);
bool us_elf_section(const struct us_elf *elf, uint32_t i, struct us_elf_section *ret);

/* --- signature.c: where the certificate table is and whether the kernel would parse it --- */
void us_signature_read(struct us_bytes file, struct us_signature *ret);

#endif
