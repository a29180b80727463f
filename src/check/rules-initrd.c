/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules about the initrd against the image: can it be unpacked, does the image know its
 * compression, are the modules in it for this image. Linux 6.12 init/initramfs.c, usr/Kconfig;
 * Documentation/driver-api/early-userspace/buffer-format.rst. Which drivers a machine needs is not
 * judged here.
 */
#include "check/check-int.h"

#include <string.h>

static enum us_result damaged(const struct us_case *c, struct us_detail *d)
{
	for (size_t i = 0; i < c->initrd->n_parts; i++) {
		const struct us_initrd_part *part = &c->initrd->parts[i];

		if (!part->problem)
			continue;
		us_fact(d, "archive %zu: %s", i + 1, part->problem);
		us_read(d, "offset 0x%" PRIx64 " of the initrd", part->offset);
		return US_FAIL;
	}
	return US_PASS;
}

static enum us_result not_taken(const struct us_case *c, struct us_detail *d)
{
	return us_judge_cap(c, d, US_CAP_INITRD, US_NO);
}

/* The capability behind a codec's option, or US_CAP_COUNT. */
static enum us_cap cap_of(const struct us_codec *codec)
{
	static const enum us_cap caps[US_CODEC_COUNT] = {
		[US_CODEC_GZIP] = US_CAP_RD_GZIP, [US_CODEC_BZIP2] = US_CAP_RD_BZIP2,
		[US_CODEC_LZMA] = US_CAP_RD_LZMA, [US_CODEC_XZ] = US_CAP_RD_XZ,
		[US_CODEC_ZSTD] = US_CAP_RD_ZSTD, [US_CODEC_LZ4] = US_CAP_RD_LZ4,
		[US_CODEC_LZO] = US_CAP_RD_LZO,
	};

	return caps[codec->id];
}

static enum us_result codec_unsupported(const struct us_case *c, struct us_detail *d)
{
	enum us_result worst = US_PASS;

	for (size_t i = 0; i < c->initrd->n_parts; i++) {
		const struct us_initrd_part *part = &c->initrd->parts[i];
		const struct us_cap_fact *f;

		if (!part->codec)
			continue;
		f = &c->image->caps[cap_of(part->codec)];
		us_fact(d, "archive %zu is compressed with %s, and the image's CONFIG_%s is: %s",
			i + 1, part->codec->name, part->codec->kconfig_initrd, us_tri_name(f->v));
		us_read(d, "offset 0x%" PRIx64 " of the initrd; %s: %s", part->offset,
			c->image->path, f->from ? f->from : "deep look");
		if (f->v == US_NO)
			return US_FAIL;
		if (f->v == US_UNKNOWN)
			worst = us_cannot_tell(d, "the image's .config (--config FILE)");
	}
	return worst;
}

static enum us_result wrong_modules(const struct us_case *c, struct us_detail *d)
{
	const char *const *releases = c->initrd->releases;

	if (!c->initrd->deep)
		return us_cannot_tell(d, "unpacking the initrd (--deep)");
	if (!releases || !releases[0])
		return US_PASS; /* it has none */
	if (c->image->kconfig && us_kconfig_builtin(c->image->kconfig, "MODULES") == US_NO)
		return US_PASS;
	if (!c->image->release)
		return us_cannot_tell(d, "an image that names its release");
	for (size_t i = 0; releases[i]; i++)
		if (strcmp(releases[i], c->image->release) == 0)
			return US_PASS;
	us_fact(d, "the initrd has modules for %s%s, the image is %s", releases[0],
		releases[1] ? " and others" : "", c->image->release);
	us_read(d, "lib/modules/ in the initrd; version string of %s", c->image->path);
	return US_FAIL;
}

static enum us_result reordered(const struct us_case *c, struct us_detail *d)
{
	us_fact(d, "%s", c->initrd->order_note ? c->initrd->order_note : "in order");
	us_read(d, "the initrd files given");
	return us_fail_if(c->initrd->order_note);
}

static enum us_result microcode_late(const struct us_case *c, struct us_detail *d)
{
	for (size_t i = 0; i < c->initrd->n_parts; i++) {
		const struct us_initrd_part *part = &c->initrd->parts[i];

		if (!part->microcode_late)
			continue;
		us_fact(d, "archive %zu holds microcode and follows a compressed one", i + 1);
		us_read(d, "offset 0x%" PRIx64 " of the initrd", part->offset);
		return US_FAIL;
	}
	return US_PASS;
}

static const struct us_rule rules[] = {
	{
		.id = "initrd.damaged",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.needs = US_NEEDS_INITRD,
		.says = "The initrd cannot be unpacked to its end",
		.fix = "Make the initrd again (update-initramfs -u, dracut -f)",
		.see = "init/initramfs.c (Linux 6.12): \"Initramfs unpacking failed\"",
		.test = damaged,
	},
	{
		.id = "initrd.not-taken",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.needs = US_NEEDS_INITRD | US_NEEDS_IMAGE | US_NEEDS_DEEP,
		.unknown_ok = true,
		.says = "The image was built without support for an initrd",
		.fix = "Choose an image with CONFIG_BLK_DEV_INITRD=y",
		.see = "init/Kconfig: BLK_DEV_INITRD",
		.test = not_taken,
	},
	{
		.id = "initrd.codec-unsupported",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.needs = US_NEEDS_INITRD | US_NEEDS_IMAGE | US_NEEDS_DEEP,
		.unknown_ok = true,
		.says = "The image cannot unpack an initrd of this compression",
		.fix = "Compress the initrd with gzip, or choose an image that knows this one",
		.see = "usr/Kconfig (Linux 6.12): RD_GZIP, RD_ZSTD ...",
		.test = codec_unsupported,
	},
	{
		.id = "initrd.wrong-modules",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.needs = US_NEEDS_INITRD | US_NEEDS_IMAGE,
		.unknown_ok = true,
		.says = "The modules in the initrd are for another kernel: the image can load none of "
			"them",
		.fix = "Give the initrd that was made for this image (initrd.img of the same release)",
		.see = "kernel/module/version.c: modules fit one release only",
		.test = wrong_modules,
	},
	{
		.id = "initrd.reordered",
		.severity = US_NOTE,
		.when = US_ON_BOTH,
		.needs = US_NEEDS_INITRD,
		.says = "The initrd files were put in another order, since microcode is only found at "
			"the front",
		.fix = "Name the microcode archive first",
		.see = "Documentation/arch/x86/microcode.rst",
		.test = reordered,
	},
	{
		.id = "initrd.microcode-late",
		.severity = US_NOTE,
		.when = US_ON_BOTH,
		.arch = US_X86,
		.needs = US_NEEDS_INITRD,
		.says = "The next kernel will not find the microcode in the initrd, which must stand "
			"before everything compressed; it keeps what the processor has loaded now",
		.fix = "Give the microcode as a file of its own, or make the initrd again "
		       "(update-initramfs -u, dracut -f)",
		.see = "Documentation/arch/x86/microcode.rst",
		.test = microcode_late,
	},
};

const struct us_rule_table us_rules_initrd = US_RULE_TABLE(rules);
