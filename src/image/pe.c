/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PE/COFF headers as far as sections go: machine and section table. Specification: Microsoft "PE
 * Format" (2024). Nothing is mapped or relocated; what a signature needs is signature.c's.
 */
#include "image/image-int.h"

#include <inttypes.h>
#include <string.h>

#define AT_LFANEW     0x3c
#define COFF_BYTES    20
#define SECTION_BYTES 40

static const char *problem(struct us_pool *pool, const char *what, uint64_t at, struct us_bytes file)
{
	return us_pool_format(pool, "%s at 0x%" PRIx64 ", the file has 0x%zx bytes", what, at,
			      file.n);
}

static const char *read_sections(struct us_pool *pool, struct us_bytes file, uint64_t table,
				 struct us_pe *pe)
{
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
	uint16_t optional_bytes;
	struct us_pe pe = { 0 };
	uint32_t at = 0;
	uint64_t coff;

	*ret_problem = NULL;
	if (!us_bytes_match(file, 0, "MZ", 2) || !us_le32(file, AT_LFANEW, &at)) {
		*ret_problem = "no \"MZ\" header";
		return false;
	}
	coff = (uint64_t)at + 4;
	if (!us_bytes_match(file, at, "PE\0\0", 4) || !us_le16(file, coff, &pe.machine) ||
	    !us_le16(file, coff + 2, &pe.n_sections) ||
	    !us_le16(file, coff + 16, &optional_bytes)) {
		*ret_problem = problem(pool, "no PE header", at, file);
		return false;
	}
	*ret_problem = read_sections(pool, file, coff + COFF_BYTES + optional_bytes, &pe);
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
