/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unified kernel image: a PE file that carries a kernel in .linux and what belongs to it in other
 * sections. Specification: UAPI group, "Unified Kernel Image" (2024). Of several profiles the first
 * is taken, as the boot stub does when nobody chooses: what stands before the first .profile
 * section holds for all, what follows it up to the next one overrides.
 */
#include "image/image-int.h"

#include <inttypes.h>
#include <string.h>

struct part {
	const char *section;
	size_t at;       /* of its us_bytes in struct us_image */
	const char *pad; /* bytes at its end that do not belong to it */
	size_t pad_bytes;
};
#define TEXT_PAD " \t\n\r", 5 /* the NUL included */

static const struct part parts[] = {
	{ ".initrd", offsetof(struct us_image, initrd), NULL, 0 },
	{ ".cmdline", offsetof(struct us_image, cmdline), TEXT_PAD },
	{ ".osrel", offsetof(struct us_image, osrel), "", 1 },
	{ ".uname", offsetof(struct us_image, uname), TEXT_PAD },
	{ ".dtb", offsetof(struct us_image, dtb), NULL, 0 },
	{ ".ucode", offsetof(struct us_image, ucode), NULL, 0 },
};

/* The section of that name which holds for the first profile, or NULL. */
static const struct us_pe_section *choose(const struct us_pe *pe, const char *name)
{
	const struct us_pe_section *chosen = NULL, *s;
	unsigned int profiles = 0, chosen_in = 0;

	for (unsigned int i = 0; i < pe->n_sections && profiles < 2; i++) {
		s = &pe->sections[i];
		profiles += strcmp(s->name, ".profile") == 0;
		if (strcmp(s->name, name) != 0 || profiles > 1 || (chosen && chosen_in == profiles))
			continue;
		chosen = s;
		chosen_in = profiles;
	}
	return chosen;
}

static bool uki_probe(struct us_bytes file)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const char *problem;
	struct us_pe pe;

	return us_pe_parse(&pool, file, &pe, &problem) && choose(&pe, ".linux");
}

static struct us_err *read_part(struct us_image *image, struct us_bytes file,
				const struct us_pe_section *s, struct us_bytes *ret)
{
	struct us_bytes b = us_pe_section_bytes(file, s);

	if (!b.n)
		return us_damage_if(image, s->raw_bytes, s->header,
				    "UKI: cut short: section %s has 0x%" PRIx32
				    " bytes at 0x%" PRIx32 ", the file has 0x%zx bytes",
				    s->name, s->raw_bytes, s->raw, file.n);
	*ret = b;
	return NULL;
}

static struct us_err *uki_read(struct us_image *image, struct us_bytes file, struct us_peel *ret)
{
	const struct us_pe_section *s;
	struct us_peel peel = { 0 };
	const char *problem;
	struct us_pe pe;

	if (!us_pe_parse(&image->pool, file, &pe, &problem))
		return problem ? us_damage_add(image, 0x3c, "UKI: %s", problem) : us_err_nomem();
	image->arch = us_arch_by_pe(pe.machine);
	for (size_t i = 0; i < us_array_size(parts); i++) {
		struct us_bytes *b = (struct us_bytes *)((uint8_t *)image + parts[i].at);

		s = choose(&pe, parts[i].section);
		if (!s || b->n) /* a UKI in a UKI: the outer one's parts hold */
			continue;
		US_TRY(read_part(image, file, s, b));
		while (parts[i].pad && b->n &&
		       memchr(parts[i].pad, b->p[b->n - 1], parts[i].pad_bytes))
			b->n--;
	}
	s = choose(&pe, ".linux");
	if (!s)
		return us_damage_add(image, 0, "UKI: no .linux section");
	US_TRY(us_damage_if(image, !s->raw_bytes, s->header, "UKI: section .linux is empty"));
	US_TRY(read_part(image, file, s, &peel.inner));
	peel.offset = s->raw;
	*ret = peel;
	return NULL;
}

const struct us_format us_format_uki = {
	.kind = US_IMAGE_UKI,
	.looked_for = "a .linux section in a PE file (UKI)",
	.probe = uki_probe,
	.read = uki_read,
};
