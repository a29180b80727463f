/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The 64-byte "Image" header of arm64 and riscv, which have the same shape: text_offset at 8,
 * image_size at 16, flags at 24, a magic at 56. Specifications: Documentation/arch/arm64/booting.rst
 * and Documentation/arch/riscv/boot-image-header.rst of Linux 6.12.
 */
#include "image/image-int.h"

#include <inttypes.h>

#define AT_MAGIC  56
#define ALIGN     (2ull << 20) /* of the base that text_offset counts from */
#define PHYS_BITS 52

static const struct {
	const char *magic;
	enum us_arch_id arch;
} shapes[] = {
	{ "ARM\x64", US_ARCH_ARM64 },
	{ "RSC\x05", US_ARCH_RISCV64 },
};

static const struct us_arch *arch_of(struct us_bytes file)
{
	for (size_t i = 0; i < us_array_size(shapes); i++)
		if (us_bytes_match(file, AT_MAGIC, shapes[i].magic, 4))
			return us_arch_by_id(shapes[i].arch);
	return NULL;
}

static bool header_probe(struct us_bytes file)
{
	return arch_of(file) != NULL;
}

/* The header does not say how long the file is; the PE sections of its EFI stub do. */
static struct us_err *judge_length(struct us_image *image, struct us_bytes file)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	const char *problem;
	struct us_pe pe;

	if (!us_bytes_match(file, 0, "MZ", 2)) /* built without EFI */
		return NULL;
	if (!us_pe_parse(&pool, file, &pe, &problem))
		return problem ? us_damage_add(image, 0x3c, "EFI stub: %s", problem)
			       : us_err_nomem();
	for (unsigned int i = 0; i < pe.n_sections; i++) {
		const struct us_pe_section *s = &pe.sections[i];

		if (!us_bytes_has(file, s->raw, s->raw_bytes))
			return us_damage_add(image, s->header,
					     "cut short: section %s has 0x%" PRIx32
					     " bytes at 0x%" PRIx32 ", the file has 0x%zx bytes",
					     s->name, s->raw_bytes, s->raw, file.n);
	}
	return NULL;
}

static struct us_err *header_read(struct us_image *image, struct us_bytes file, struct us_peel *ret)
{
	uint64_t end;

	(void)ret;
	image->arch = arch_of(file);
	image->cmdline_max = image->arch->cmdline_max;
	image->align = ALIGN;
	image->relocatable = US_YES;
	if (!us_le64(file, 8, &image->text_offset) || !us_le64(file, 16, &image->image_size) ||
	    !us_le64(file, 24, &image->header_flags) || file.n < 64)
		return us_damage_add(image, file.n,
				     "cut short: the header has 0x40 bytes, the file 0x%zx",
				     file.n);
	image->run_bytes = image->image_size;
	US_TRY(us_damage_if(image, image->image_size >> PHYS_BITS, 16,
			    "image_size 0x%" PRIx64 " is more than any memory", image->image_size));
	US_TRY(us_damage_if(image,
			    !us_add(image->text_offset, image->image_size, &end) ||
				    image->text_offset >> PHYS_BITS,
			    8, "text_offset 0x%" PRIx64 " is beyond any physical address",
			    image->text_offset));
	return judge_length(image, file);
}

const struct us_format us_format_header = {
	.kind = US_IMAGE_HEADER,
	.looked_for = "\"ARM\\x64\" or \"RSC\\x05\" at 0x38 (arm64 or riscv Image)",
	.probe = header_probe,
	.read = header_read,
};
