/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Opening an image and peeling it from the outside in: each format is a table entry that says
 * whether a file is of its kind, reads its headers and names the file inside, if any. Nothing is
 * unpacked except where the kernel itself is inside a compressed layer.
 */
#include "image/image.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"
#include "image/image-int.h"

#include <inttypes.h>
#include <string.h>

#define LAYERS_MAX       8
#define UNPACK_RATIO_MAX 256
#define UNPACK_MIN       (64ull << 20)
#define UNPACK_MAX       (1ull << 30)

/* In this order: a UKI and a zboot image are PE files too, as most bzImages and Images are. */
static const struct us_format *const formats[] = {
	&us_format_uki,    &us_format_zboot, &us_format_bzimage,
	&us_format_header, &us_format_elf,   &us_format_packed,
};

/* What people name by mistake. */
static const struct {
	const char *magic;
	size_t magic_bytes;
	const char *what;
} strangers[] = {
	{ "070701", 6, "a cpio archive (an initrd?)" },
	{ "070702", 6, "a cpio archive (an initrd?)" },
	{ "\x7f"
	  "ELF",
	  4, "an ELF file, but neither an executable nor a shared object (a kernel module?)" },
	{ "MZ", 2, "a PE file, but with no Linux kernel in it" },
	{ "\x27\x05\x19\x56", 4, "a U-Boot uImage" },
	{ "\xd0\x0d\xfe\xed", 4, "a device tree or U-Boot FIT image" },
	{ "#!", 2, "a script" },
	{ "!<arch>\n", 8, "an ar archive (a Debian package?)" },
};

const char *us_image_kind_name(enum us_image_kind kind)
{
	static const char *const names[US_IMAGE_KINDS] = {
		[US_IMAGE_NONE] = "no kernel image",
		[US_IMAGE_BZIMAGE] = "bzImage",
		[US_IMAGE_ELF] = "ELF",
		[US_IMAGE_HEADER] = "Image",
		[US_IMAGE_ZBOOT] = "EFI zboot",
		[US_IMAGE_UKI] = "UKI",
		[US_IMAGE_PACKED] = "packed",
	};

	return (unsigned int)kind < US_IMAGE_KINDS ? names[kind] : "unknown";
}

static struct us_err *damage_vadd(struct us_image *image, uint64_t offset, const char *fmt,
				  va_list ap)
{
	_us_text_deinit_ struct us_text text = { 0 };
	struct us_damage *list = (struct us_damage *)image->damage;
	size_t n = image->n_damage;
	_us_free_ char *s = NULL;

	us_text_vadd(&text, fmt, ap);
	US_TRY(us_text_take(&text, &s));
	if (!(n & (n - 1))) { /* full at 0, 1, 2, 4...: the old array stays in the pool */
		list = us_pool_array(&image->pool, n ? 2 * n : 1, sizeof(*list));
		if (!list)
			return us_err_nomem();
		if (n)
			memcpy(list, image->damage, n * sizeof(*list));
	}
	list[n] = (struct us_damage){ .offset = offset, .text = us_pool_strdup(&image->pool, s) };
	if (!list[n].text)
		return us_err_nomem();
	image->damage = list;
	image->n_damage++;
	return NULL;
}

struct us_err *us_damage_add(struct us_image *image, uint64_t offset, const char *fmt, ...)
{
	struct us_err *err;
	va_list ap;

	va_start(ap, fmt);
	err = damage_vadd(image, offset, fmt, ap);
	va_end(ap);
	return err;
}

struct us_err *us_damage_if(struct us_image *image, bool wrong, uint64_t offset, const char *fmt,
			    ...)
{
	struct us_err *err;
	va_list ap;

	if (!wrong)
		return NULL;
	va_start(ap, fmt);
	err = damage_vadd(image, offset, fmt, ap);
	va_end(ap);
	return err;
}

uint64_t us_image_unpack_max(size_t in_bytes)
{
	uint64_t max = (uint64_t)in_bytes * UNPACK_RATIO_MAX;

	return in_bytes > UNPACK_MAX / UNPACK_RATIO_MAX ? UNPACK_MAX
	       : max < UNPACK_MIN                       ? UNPACK_MIN
							: max;
}

/* The packed inner file of peel, unpacked into the image's pool. A stream that is damaged, or
 * larger than a kernel can be, becomes damage ("<layer>: ...") and leaves *ret empty. */
static struct us_err *unpack(struct us_image *image, const struct us_peel *peel,
			     struct us_progress *progress, struct us_bytes *ret)
{
	_us_blob_deinit_ struct us_blob out = { 0 };
	uint64_t max = us_image_unpack_max(peel->inner.n), held = 0;
	struct us_err *err;

	for (size_t i = 0; i < image->pool.n_blobs; i++)
		held += image->pool.blobs[i].n;
	if (held >= UNPACK_MAX)
		max = 0;
	else if (max > UNPACK_MAX - held)
		max = UNPACK_MAX - held;
	err = us_unpack(peel->codec, peel->inner, max, peel->hint > max ? 0 : peel->hint, progress,
			&out, NULL);
	if (err && err->code == US_ERR_BAD_DATA) {
		struct us_err *full = us_damage_add(image, peel->offset, "%s: unpacking: %s",
						    peel->layer, err->text);

		us_err_free(err);
		*ret = us_bytes_of(NULL, 0);
		return full;
	}
	if (err)
		return us_err_wrap(err, "unpacking %s", peel->layer);
	return us_pool_adopt(&image->pool, &out, ret);
}

static bool packed_probe(struct us_bytes file)
{
	return us_codec_by_magic(file) != NULL;
}

static struct us_err *packed_read(struct us_image *image, struct us_bytes file, struct us_peel *ret)
{
	(void)image;
	*ret = (struct us_peel){ .codec = us_codec_by_magic(file),
				 .inner = file,
				 .layer = "packed file" };
	return NULL;
}

const struct us_format us_format_packed = {
	.kind = US_IMAGE_PACKED,
	.looked_for = "a magic of gzip, bzip2, lzma, xz, zstd, lz4 or lzo at 0x0",
	.probe = packed_probe,
	.read = packed_read,
};

/* Why file is nothing that we know: all that was looked for, and what it rather looks like. */
static struct us_err *explain_none(struct us_image *image, struct us_bytes file)
{
	_us_text_deinit_ struct us_text text = { 0 };
	_us_free_ char *s = NULL;

	for (size_t i = 0; i < image->n_nest; i++)
		us_text_add(&text, "inside the %s layer: ",
			    image->nest[i].codec ? image->nest[i].codec->name
						 : us_image_kind_name(image->nest[i].kind));
	for (size_t i = 0; i < us_array_size(strangers); i++)
		if (us_bytes_match(file, 0, strangers[i].magic, strangers[i].magic_bytes)) {
			us_text_add(&text, "looks like %s; ", strangers[i].what);
			break;
		}
	us_text_add(&text, "in 0x%zx bytes there is none of: ", file.n);
	for (size_t i = 0; i < us_array_size(formats); i++)
		us_text_add(&text, "%s%s", i ? "; " : "", formats[i]->looked_for);
	US_TRY(us_text_take(&text, &s));
	image->why_none = us_pool_strdup(&image->pool, s);
	return image->why_none ? NULL : us_err_nomem();
}

static const struct us_format *format_of(struct us_bytes file)
{
	for (size_t i = 0; i < us_array_size(formats); i++)
		if (formats[i]->probe(file))
			return formats[i];
	return NULL;
}

static bool is_wrapper(enum us_image_kind kind)
{
	return kind == US_IMAGE_UKI || kind == US_IMAGE_ZBOOT || kind == US_IMAGE_PACKED;
}

static struct us_err *peel_all(struct us_image *image, struct us_progress *progress)
{
	struct us_nest *nest = us_pool_array(&image->pool, LAYERS_MAX, sizeof(*nest));
	struct us_bytes file = image->file;

	if (!nest)
		return us_err_nomem();
	image->nest = nest;
	while (image->n_nest < LAYERS_MAX) {
		const struct us_format *format = format_of(file);
		struct us_peel peel = { 0 };

		image->kernel = file;
		if (!format)
			return explain_none(image, file);
		US_TRY(format->read(image, file, &peel));
		nest[image->n_nest++] = (struct us_nest){ format->kind, peel.codec, peel.offset };
		if (!is_wrapper(format->kind)) {
			image->kind = format->kind;
			return NULL;
		}
		if (peel.codec)
			US_TRY(unpack(image, &peel, progress, &peel.inner));
		if (!peel.inner.n) {
			image->why_none = image->n_damage ? image->damage[image->n_damage - 1].text
							  : "the layer is empty";
			return NULL;
		}
		file = peel.inner;
	}
	image->why_none = "more than 8 layers around a kernel";
	return NULL;
}

static struct us_err *parse(struct us_image *image, struct us_bytes file,
			    struct us_progress *progress)
{
	image->file = file;
	image->arch = us_arch_by_id(US_ARCH_UNKNOWN);
	US_TRY(peel_all(image, progress));
	us_signature_read(file, &image->signature);
	us_signature_read(image->kernel, &image->inner_signature);
	return NULL;
}

static struct us_err *image_new(const char *path, struct us_image **ret)
{
	_us_image_free_ struct us_image *image = calloc(1, sizeof(*image));

	if (!image)
		return us_err_nomem();
	image->path = us_pool_strdup(&image->pool, path);
	if (!image->path)
		return us_err_nomem();
	*ret = us_steal(&image);
	return NULL;
}

struct us_err *us_image_parse(const char *path, struct us_bytes file, struct us_image **ret)
{
	_us_image_free_ struct us_image *image = NULL;
	struct us_err *err;

	US_TRY(image_new(path, &image));
	err = parse(image, file, NULL);
	if (err)
		return us_err_wrap(err, "reading %s", path);
	*ret = us_steal(&image);
	return NULL;
}

struct us_err *us_image_open(const char *path, struct us_progress *progress, struct us_image **ret)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	_us_image_free_ struct us_image *image = NULL;
	struct us_bytes file;
	struct us_err *err;

	US_TRY(us_file_map(path, &blob));
	US_TRY(image_new(path, &image));
	US_TRY(us_pool_adopt(&image->pool, &blob, &file));
	err = parse(image, file, progress);
	if (err)
		return us_err_wrap(err, "reading %s", path);
	*ret = us_steal(&image);
	return NULL;
}

void us_image_free(struct us_image *image)
{
	if (!image)
		return;
	us_kconfig_free(image->kconfig);
	us_pool_deinit(&image->pool);
	free(image);
}
