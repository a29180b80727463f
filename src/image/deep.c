/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The deep look: the payload unpacked once and compared with what the file promises about it, the
 * vmlinux inside, its banner, its .config and what it can do. Specification of the payload:
 * Documentation/arch/x86/boot.rst (payload_offset, payload_length) and the sizes that
 * scripts/Makefile.lib appends (Linux 6.12). Only the sections that hold strings are searched.
 */
#include "image/deep-int.h"

#include "base/cleanup.h"
#include "image/image-int.h"

#include <ctype.h>
#include <elf.h>
#include <inttypes.h>
#include <string.h>

#define TRAILER_BYTES 4    /* the unpacked size, little endian */
#define SECTIONS_MAX  4096 /* a vmlinux has fewer than 100 */
#define BANNER_MAX    1024
#define BANNER_WORDS  (sizeof("Linux version ") - 1)

/* The size that the payload's last bytes promise (gzip's own or the appended one), 0 if none. */
static uint32_t promised_size(struct us_bytes payload)
{
	uint32_t size = 0;

	if (payload.n < TRAILER_BYTES || !us_le32(payload, payload.n - TRAILER_BYTES, &size))
		return 0;
	return size;
}

static struct us_err *judge_end(struct us_image *image, struct us_bytes payload, uint64_t offset,
				size_t eaten)
{
	size_t rest = payload.n - eaten;
	uint32_t promised = promised_size(payload);
	bool gzip = image->payload_codec->id == US_CODEC_GZIP;

	image->payload_whole = US_YES;
	if (rest != TRAILER_BYTES && !(gzip && !rest)) {
		image->payload_whole = US_NO;
		return us_damage_add(image, offset + eaten,
				     "payload: 0x%zx bytes behind the %s stream instead of its "
				     "unpacked size",
				     rest, image->payload_codec->name);
	}
	if (promised == (uint32_t)image->payload_bytes)
		return NULL;
	image->payload_whole = US_NO;
	return us_damage_add(image, offset + payload.n - TRAILER_BYTES,
			     "payload: 0x%" PRIx64 " bytes when unpacked, its last bytes promise "
			     "0x%" PRIx32,
			     image->payload_bytes, promised);
}

static struct us_err *unpack_payload(struct us_image *image, struct us_bytes payload,
				     uint64_t offset, struct us_progress *progress)
{
	uint64_t max = us_image_unpack_max(payload.n), hint = promised_size(payload);
	_us_blob_deinit_ struct us_blob out = { 0 };
	struct us_err *err;
	size_t eaten = 0;

	err = us_unpack(image->payload_codec, payload, max, hint > max ? 0 : hint, progress, &out,
			&eaten);
	if (err && err->code == US_ERR_BAD_DATA) {
		struct us_err *full = us_damage_add(image, offset, "payload: %s", err->text);

		us_err_free(err);
		image->payload_whole = US_NO;
		return full;
	}
	if (err)
		return us_err_wrap(err, "unpacking the payload of %s", image->path);
	image->payload_bytes = out.n;
	US_TRY(us_pool_adopt(&image->pool, &out, &image->vmlinux));
	return judge_end(image, payload, offset, eaten);
}

static struct us_err *open_payload(struct us_image *image, struct us_progress *progress)
{
	const struct us_setup *s = &image->setup;
	uint64_t offset = (uint64_t)s->kernel_offset + s->payload_offset;
	struct us_bytes payload = us_bytes_clip(image->kernel, offset, s->payload_length);
	struct us_elf elf;

	if (s->version < 0x208 || !payload.n)
		return NULL;
	image->payload_codec = us_codec_by_magic(payload);
	if (image->payload_codec && image->vmlinux.n) { /* known: it was whole */
		image->payload_bytes = image->vmlinux.n;
		image->payload_whole = US_YES;
	} else if (image->payload_codec) {
		US_TRY(unpack_payload(image, payload, offset, progress));
	} else if (us_elf_parse(payload, &elf)) {
		image->vmlinux = payload;
		image->payload_bytes = payload.n;
		image->payload_whole = us_tri_of(payload.n == s->payload_length);
	}
	if (!image->vmlinux.n)
		return NULL; /* what is wrong with it has been said */
	if (!us_elf_parse(image->vmlinux, &elf)) {
		image->vmlinux = us_bytes_of(NULL, 0);
		image->payload_whole = US_NO;
		return us_damage_add(image, offset, "payload: unpacks to something that is no ELF");
	}
	if (image->arch->id == US_ARCH_UNKNOWN) /* a header before protocol 2.12 does not tell */
		image->arch = us_arch_by_elf(elf.machine, elf.is_64, elf.big_endian);
	return NULL;
}

/* Strings are in .rodata and, those that only booting needs, in .init.data. */
static bool holds_strings(const struct us_elf *elf, const struct us_elf_section *names,
			  const struct us_elf_section *section)
{
	static const char *const prefixes[] = { ".rodata", ".init.data", ".init.rodata" };
	uint64_t at;

	if (section->type != SHT_PROGBITS || section->flags & SHF_EXECINSTR ||
	    !us_add(names->offset, (uint64_t)section->name, &at))
		return false;
	for (size_t i = 0; i < us_array_size(prefixes); i++)
		if (us_bytes_match(elf->file, at, prefixes[i], strlen(prefixes[i])))
			return true;
	return false;
}

static void scan_sections(struct us_bytes kernel, struct us_needle *needles, size_t n)
{
	struct us_elf_section names, section;
	uint64_t budget = kernel.n; /* sections of a made-up file may lie over each other */
	struct us_elf elf;

	if (!us_elf_parse(kernel, &elf) || !us_elf_section(&elf, elf.shstrndx, &names))
		return;
	for (uint32_t i = 1; i < SECTIONS_MAX && us_elf_section(&elf, i, &section); i++) {
		struct us_bytes part = us_bytes_clip(kernel, section.offset, section.bytes);

		if (part.n > budget || !holds_strings(&elf, &names, &section))
			continue;
		us_scan(part, section.offset, needles, n);
		budget -= part.n;
	}
}

/* Kernels without section headers (arm64 Image) and those that hide their strings: all of it. */
static void scan(struct us_bytes kernel, struct us_needle *needles, size_t n)
{
	scan_sections(kernel, needles, n);
	if (needles[US_NEEDLE_BANNER].at == US_NOWHERE)
		us_scan(kernel, 0, needles, n);
}

/* The line at at, if it is "Linux version " and a number. */
static struct us_bytes banner_at(struct us_bytes kernel, uint64_t at)
{
	struct us_bytes text = us_bytes_clip(kernel, at, BANNER_MAX);
	size_t n = 0;

	while (n < text.n && text.p[n] >= ' ' && text.p[n] <= '~')
		n++;
	text.n = n > BANNER_WORDS && isdigit(text.p[BANNER_WORDS]) ? n : 0;
	return text;
}

static bool has_build_number(struct us_bytes banner)
{
	size_t at = us_bytes_find(banner, 0, " #", 2);

	return at != SIZE_MAX && at + 2 < banner.n && isdigit(banner.p[at + 2]);
}

/*
 * "Linux version 6.12.117+deb12-amd64 (...) #1 SMP ...". Since 6.1 there are two, and the one
 * without the build number is a place holder (init/version.c, init/version-timestamp.c).
 */
static struct us_err *read_banner(struct us_image *image, struct us_bytes kernel,
				  const struct us_needle *needles)
{
	struct us_bytes text = banner_at(kernel, needles[US_NEEDLE_BANNER].at);
	struct us_bytes second = banner_at(kernel, needles[US_NEEDLE_BANNER_2].at);
	const char *release, *banner;

	if (!text.n || (second.n && !has_build_number(text) && has_build_number(second)))
		text = second;
	if (!text.n)
		return NULL;
	banner = us_pool_strndup(&image->pool, (const char *)text.p, text.n);
	if (!banner)
		return us_err_nomem();
	release = us_pool_strndup(&image->pool, banner + BANNER_WORDS,
				  strcspn(banner + BANNER_WORDS, " "));
	if (!release)
		return us_err_nomem();
	image->banner = banner;
	if (image->release && strcmp(image->release, release) != 0)
		return us_damage_add(image, 0x20e,
				     "the header says release %s, the kernel inside is %s",
				     image->release, release);
	image->release = release;
	return NULL;
}

static struct us_err *look(struct us_image *image, const char *config_path,
			   struct us_progress *progress)
{
	struct us_needle needles[US_NEEDLES_MAX];
	size_t n = us_cap_needles(needles);
	struct us_bytes kernel;
	bool ikconfig;

	if (image->kind == US_IMAGE_BZIMAGE)
		US_TRY(open_payload(image, progress));
	else if (image->kind == US_IMAGE_ELF)
		image->vmlinux = image->kernel;
	kernel = image->kind == US_IMAGE_HEADER ? image->kernel : image->vmlinux;
	scan(kernel, needles, n);
	US_TRY(read_banner(image, kernel, needles));
	if (needles[US_NEEDLE_IKCONFIG].at != US_NOWHERE)
		US_TRY(us_ikconfig_read(image, kernel, needles[US_NEEDLE_IKCONFIG].at));
	ikconfig = image->kconfig != NULL;
	if (!ikconfig)
		US_TRY(us_config_file_read(image, config_path));
	else if (config_path)
		image->kconfig_note =
			"the .config that was named is not used: the image has its own";
	return us_caps_judge(image, ikconfig, needles);
}

struct us_err *us_image_look_deep(struct us_image *image, const char *config_path,
				  struct us_progress *progress)
{
	if (image->deep || image->kind == US_IMAGE_NONE) {
		image->deep = true;
		return NULL;
	}
	US_TRY(look(image, config_path, progress));
	image->deep = true;
	return NULL;
}

struct us_err *us_image_payload_known(struct us_image *image, struct us_bytes packed)
{
	const struct us_codec *codec = us_codec_by_magic(packed);
	_us_blob_deinit_ struct us_blob out = { 0 };

	if (!codec || image->deep || image->kind != US_IMAGE_BZIMAGE)
		return us_err_new(US_ERR_UNSUPPORTED, "%s: its payload is not taken from elsewhere",
				  image->path);
	US_TRY(us_unpack(codec, packed, us_image_unpack_max(packed.n), 0, NULL, &out, NULL));
	return us_pool_adopt(&image->pool, &out, &image->vmlinux);
}
