/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * EFI zboot: a PE file whose payload is the compressed kernel image. Specification: Linux 6.12
 * drivers/firmware/efi/libstub/zboot-header.S ("zimg" at 4, payload offset and size at 8 and 12,
 * compression name at 24) and Makefile.zboot: the unpacked size follows the payload, except for
 * gzip, which ends with it.
 */
#include "image/image-int.h"

#include <inttypes.h>
#include <string.h>

#define AT_NAME    24
#define NAME_BYTES 32 /* to the PE magic at 0x38 */

static bool zboot_probe(struct us_bytes file)
{
	return us_bytes_match(file, 0, "MZ", 2) && us_bytes_match(file, 4, "zimg", 4);
}

/* Printable and NUL-terminated, else "". */
static void read_name(struct us_bytes file, char name[NAME_BYTES + 1])
{
	struct us_bytes raw = us_bytes_clip(file, AT_NAME, NAME_BYTES);

	memset(name, 0, NAME_BYTES + 1);
	for (size_t i = 0; i < raw.n && raw.p[i]; i++) {
		if (raw.p[i] < ' ' || raw.p[i] > '~') {
			name[0] = '\0';
			return;
		}
		name[i] = (char)raw.p[i];
	}
}

static struct us_err *zboot_read(struct us_image *image, struct us_bytes file, struct us_peel *ret)
{
	char name[NAME_BYTES + 1];
	uint32_t offset = 0, size = 0, hint = 0;
	struct us_peel peel = { 0 };

	if (!us_le32(file, 8, &offset) || !us_le32(file, 12, &size) || file.n < 0x40)
		return us_damage_add(
			image, file.n,
			"EFI zboot: cut short: the header has 0x40 bytes, the file 0x%zx", file.n);
	if (!us_bytes_has(file, offset, size) || !size)
		return us_damage_add(image, 8,
				     "EFI zboot: cut short: a payload of 0x%" PRIx32
				     " bytes at 0x%" PRIx32 ", the file has 0x%zx bytes",
				     size, offset, file.n);
	read_name(file, name);
	peel.inner = us_bytes_of(file.p + offset, size);
	peel.offset = offset;
	peel.codec = us_codec_by_name(name);
	if (!peel.codec)
		return us_damage_add(image, AT_NAME, "EFI zboot: unknown compression \"%s\"", name);
	/* no hint is fine, a wrong one too */
	(void)!us_le32(file, (uint64_t)offset + size - (peel.codec->id == US_CODEC_GZIP ? 4 : 0),
		       &hint);
	peel.hint = hint;
	peel.layer =
		us_pool_format(&image->pool, "EFI zboot: %s payload at 0x%" PRIx32, name, offset);
	if (!peel.layer)
		return us_err_nomem();
	*ret = peel;
	return NULL;
}

const struct us_format us_format_zboot = {
	.kind = US_IMAGE_ZBOOT,
	.looked_for = "\"zimg\" at 0x4 (EFI zboot)",
	.probe = zboot_probe,
	.read = zboot_read,
};
