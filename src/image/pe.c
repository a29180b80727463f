/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PE/COFF headers: sections and the certificate table's place. Specification: Microsoft "PE
 * Format" (2024), with the field offsets of Linux 6.12 include/linux/pe.h. Nothing is mapped or
 * relocated; the certificates themselves are signature.c's.
 */
#include "image/image-int.h"

#include <inttypes.h>
#include <string.h>

#define AT_LFANEW       0x3c
#define COFF_BYTES      20
#define SECTION_BYTES   40
#define DIR_BYTES       8
#define DIR_CERTIFICATE 4
#define MAGIC_PE32      0x10b
#define MAGIC_PE32_PLUS 0x20b
#define OPT_HEADERS     60 /* SizeOfHeaders */
#define OPT_CHECKSUM    64

static const char *problem(struct us_pool *pool, const char *what, uint64_t at, struct us_bytes file)
{
	return us_pool_format(pool, "%s at 0x%" PRIx64 ", the file has 0x%zx bytes", what, at,
			      file.n);
}

/* The optional header's fields. */
static const char *read_optional(struct us_pool *pool, struct us_bytes file, struct us_pe *pe)
{
	uint64_t dirs;

	if (!us_le16(file, pe->optional, &pe->magic) ||
	    !us_bytes_has(file, pe->optional, pe->optional_bytes))
		return problem(pool, "the optional header is not all there", pe->optional, file);
	if (pe->magic != MAGIC_PE32 && pe->magic != MAGIC_PE32_PLUS)
		return us_pool_format(pool, "unknown optional header magic 0x%x at 0x%" PRIx64,
				      pe->magic, pe->optional);
	dirs = pe->magic == MAGIC_PE32 ? 96 : 112;
	if (pe->optional_bytes < dirs ||
	    !us_le32(file, pe->optional + OPT_HEADERS, &pe->headers_bytes) ||
	    !us_le32(file, pe->optional + dirs - 4, &pe->n_dirs))
		return us_pool_format(pool,
				      "the optional header at 0x%" PRIx64 " has only %u bytes",
				      pe->optional, pe->optional_bytes);
	pe->checksum_offset = pe->optional + OPT_CHECKSUM;
	if (pe->n_dirs <= DIR_CERTIFICATE ||
	    pe->optional_bytes < dirs + DIR_BYTES * (DIR_CERTIFICATE + 1))
		return NULL;
	pe->cert_dir_offset = pe->optional + dirs + DIR_BYTES * DIR_CERTIFICATE;
	if (!us_le32(file, pe->cert_dir_offset, &pe->cert_offset) ||
	    !us_le32(file, pe->cert_dir_offset + 4, &pe->cert_bytes))
		return problem(pool, "data directory 4 is not all there", pe->cert_dir_offset, file);
	return NULL;
}

static const char *read_sections(struct us_pool *pool, struct us_bytes file, struct us_pe *pe)
{
	uint64_t table = pe->optional + pe->optional_bytes;
	struct us_pe_section *list;

	if (!us_bytes_has(file, table, (uint64_t)pe->n_sections * SECTION_BYTES))
		return problem(pool, "the section headers are not all there", table, file);
	list = us_pool_array(pool, pe->n_sections, sizeof(*list));
	pe->sections = list;
	for (unsigned int i = 0; list && i < pe->n_sections; i++) {
		struct us_pe_section *s = &list[i];

		s->header = table + (uint64_t)i * SECTION_BYTES;
		for (size_t k = 0; k < 8 && file.p[s->header + k]; k++) {
			char c = (char)file.p[s->header + k];

			s->name[k] = c >= ' ' && c <= '~' ? c : '?';
		}
		if (!us_le32(file, s->header + 8, &s->virt_bytes) ||
		    !us_le32(file, s->header + 12, &s->virt) ||
		    !us_le32(file, s->header + 16, &s->raw_bytes) ||
		    !us_le32(file, s->header + 20, &s->raw))
			return problem(pool, "a section header is not all there", s->header, file);
	}
	return NULL;
}

bool us_pe_parse(struct us_pool *pool, struct us_bytes file, struct us_pe *ret,
		 const char **ret_problem)
{
	struct us_pe pe = { 0 };
	uint32_t at = 0;

	*ret_problem = NULL;
	if (!us_bytes_match(file, 0, "MZ", 2) || !us_le32(file, AT_LFANEW, &at))
		*ret_problem = "no \"MZ\" header";
	else if (!us_bytes_match(file, at, "PE\0\0", 4) || !us_bytes_has(file, at, 4 + COFF_BYTES))
		*ret_problem = problem(pool, "no PE header", at, file);
	if (*ret_problem)
		return false;
	pe.coff = (uint64_t)at + 4;
	pe.optional = pe.coff + COFF_BYTES;
	if (!us_le16(file, pe.coff, &pe.machine) || !us_le16(file, pe.coff + 2, &pe.n_sections) ||
	    !us_le16(file, pe.coff + 16, &pe.optional_bytes))
		return false;
	*ret_problem = read_optional(pool, file, &pe);
	if (*ret_problem)
		return false;
	*ret_problem = read_sections(pool, file, &pe);
	if (*ret_problem || !pe.sections)
		return false;
	*ret = pe;
	return true;
}

struct us_bytes us_pe_section_bytes(struct us_bytes file, const struct us_pe_section *section)
{
	uint32_t n = section->raw_bytes;

	if (section->virt_bytes && section->virt_bytes < n)
		n = section->virt_bytes;
	if (!us_bytes_has(file, section->raw, n))
		return us_bytes_of(NULL, 0);
	return us_bytes_of(file.p + section->raw, n);
}

const struct us_pe_section *us_pe_find(const struct us_pe *pe, unsigned int from, const char *name)
{
	for (unsigned int i = from; i < pe->n_sections; i++)
		if (strcmp(pe->sections[i].name, name) == 0)
			return &pe->sections[i];
	return NULL;
}
