/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules about the image file itself: is it a kernel, of this architecture, whole, in a form that
 * the system call takes. x86 facts: Documentation/arch/x86/boot.rst and the probe of Linux 6.12
 * arch/x86/kernel/kexec-bzimage64.c. What the image needs of memory is in rules-memory.c, paging
 * modes are in rules-paging.c.
 */
#include "check/check-int.h"

#include <string.h>

#define BOOT_RST       "Documentation/arch/x86/boot.rst"
#define BZIMAGE64      "arch/x86/kernel/kexec-bzimage64.c (Linux 6.12)"
#define PROTOCOL_64BIT 0x020c
#define LOADED_HIGH    0x01

/* Needs no image in the engine's sense, since it is about files that are none. */
static enum us_result not_a_kernel(const struct us_case *c, struct us_detail *d)
{
	if (!c->image)
		return US_NOT_APPLICABLE;
	us_fact(d, "%s",
		c->image->kind == US_IMAGE_NONE && c->image->why_none
			? c->image->why_none
			: us_image_kind_name(c->image->kind));
	us_read(d, "%s", c->image->path);
	return us_fail_if(c->image->kind == US_IMAGE_NONE);
}

/* A 32-bit x86 kernel on a 64-bit machine is judged by its header bits instead. */
static enum us_arch_id family(const struct us_arch *arch)
{
	return arch->id == US_ARCH_I386 ? US_ARCH_X86_64 : arch->id;
}

static enum us_result foreign_architecture(const struct us_case *c, struct us_detail *d)
{
	const struct us_arch *image = c->image->arch, *host = c->host->arch;

	if (!us_known(c->host->machine.o) || !host)
		return us_missing(d, c->host->machine.o);
	if (!image || image->id == US_ARCH_UNKNOWN)
		return us_cannot_tell(d, "an image whose header names its machine");
	us_fact(d, "the image is for %s, this machine is %s", image->name, host->name);
	us_read(d, "header of %s; %s", c->image->path, us_path(c->host->machine.o));
	return us_fail_if(family(image) != family(host));
}

#define AT_XLOADFLAGS 0x236

static bool is_cut(const struct us_damage *damage)
{
	return strstr(damage->text, "cut short") != NULL;
}

static enum us_result cut_short(const struct us_case *c, struct us_detail *d)
{
	const struct us_image *image = c->image;
	uint64_t promised = image->setup.kernel_offset + 16ull * image->setup.syssize;

	for (size_t i = 0; i < image->n_damage; i++) {
		if (!is_cut(&image->damage[i]))
			continue;
		us_fact(d, "%s", image->damage[i].text);
		us_read_at(d, image, image->damage[i].offset);
		return US_FAIL;
	}
	/* before protocol 2.04 half of syssize was left to chance */
	if (image->kind != US_IMAGE_BZIMAGE || image->setup.version < 0x0204)
		return US_PASS;
	us_fact(d, "setup_sects and syssize promise 0x%" PRIx64 " bytes, the file has 0x%zx",
		promised, image->kernel.n);
	us_read_at(d, image, 0x1f4);
	return us_fail_if(promised > image->kernel.n);
}

/* Flags that contradict each other harm nobody: the loaders look at single bits. */
static bool is_odd_flags(const struct us_image *image, const struct us_damage *damage)
{
	return image->kind == US_IMAGE_BZIMAGE && damage->offset == AT_XLOADFLAGS;
}

/* What another rule says with more words. */
static bool said_elsewhere(const struct us_image *image, const struct us_damage *damage)
{
	const struct us_setup *s = &image->setup;

	if (is_cut(damage) || is_odd_flags(image, damage))
		return true;
	if (image->kind != US_IMAGE_BZIMAGE)
		return false;
	return damage->offset == 0x230 || damage->offset == 0x235 ||
	       (damage->offset == 0x260 && s->init_size < s->kernel_bytes) ||
	       (image->payload_whole == US_NO && damage->offset >= s->kernel_offset);
}

static enum us_result damaged(const struct us_case *c, struct us_detail *d)
{
	const struct us_image *image = c->image;
	const struct us_damage *first = NULL;
	size_t n = 0;

	for (size_t i = 0; i < image->n_damage; i++) {
		if (said_elsewhere(image, &image->damage[i]))
			continue;
		first = first ? first : &image->damage[i];
		n++;
	}
	if (!first)
		return US_PASS;
	if (n > 1)
		us_fact(d, "%s; and %zu more (understudy inspect lists them)", first->text, n - 1);
	else
		us_fact(d, "%s", first->text);
	us_read_at(d, image, first->offset);
	return US_FAIL;
}

static enum us_result odd_flags(const struct us_case *c, struct us_detail *d)
{
	const struct us_image *image = c->image;

	for (size_t i = 0; i < image->n_damage; i++) {
		if (!is_odd_flags(image, &image->damage[i]))
			continue;
		us_fact(d, "%s", image->damage[i].text);
		us_read_at(d, image, AT_XLOADFLAGS);
		return US_FAIL;
	}
	return US_PASS;
}

static enum us_result payload_damaged(const struct us_case *c, struct us_detail *d)
{
	const struct us_image *image = c->image;

	if (image->kind == US_IMAGE_ELF)
		return US_NOT_APPLICABLE;
	if (image->payload_whole == US_UNKNOWN)
		return us_cannot_tell(d, "a payload of a known compression");
	us_fact(d, "the %s payload %s", image->payload_codec ? image->payload_codec->name : "plain",
		image->payload_whole == US_YES ? "unpacks to its end"
					       : "does not unpack to its end");
	us_read_at(d, image, image->setup.kernel_offset + (uint64_t)image->setup.payload_offset);
	return us_fail_if(image->payload_whole == US_NO);
}

static enum us_result protocol_too_old(const struct us_case *c, struct us_detail *d)
{
	uint16_t version = c->image->setup.version;

	us_fact(d, "boot protocol %u.%02u", version >> 8, version & 0xff);
	us_read_at(d, c->image, 0x206);
	return us_fail_if(version < PROTOCOL_64BIT);
}

static enum us_result not_loaded_high(const struct us_case *c, struct us_detail *d)
{
	us_fact(d, "loadflags = 0x%02x, bit 0 (LOADED_HIGH) is %d", c->image->setup.loadflags,
		c->image->setup.loadflags & LOADED_HIGH);
	us_read_at(d, c->image, 0x211);
	return us_fail_if(!(c->image->setup.loadflags & LOADED_HIGH));
}

static enum us_result flag_missing(const struct us_case *c, struct us_detail *d, unsigned int flag,
				   const char *name, unsigned int bit)
{
	uint16_t flags = c->image->setup.xloadflags;

	us_fact(d, "xloadflags = 0x%04x, bit %u (%s) is %d", flags, bit, name, !!(flags & flag));
	us_read_at(d, c->image, 0x236);
	return us_fail_if(!(flags & flag));
}

static enum us_result not_64_bit(const struct us_case *c, struct us_detail *d)
{
	return flag_missing(c, d, US_XLF_KERNEL_64, "XLF_KERNEL_64", 0);
}

static enum us_result not_above_4g(const struct us_case *c, struct us_detail *d)
{
	return flag_missing(c, d, US_XLF_ABOVE_4G, "XLF_CAN_BE_LOADED_ABOVE_4G", 1);
}

static enum us_result not_relocatable(const struct us_case *c, struct us_detail *d)
{
	const struct us_image *image = c->image;
	const struct us_segment *kernel = us_plan_segment(c->plan, US_SEG_KERNEL);
	struct us_range home = { .start = image->pref_address, .size = us_run_bytes(image) };

	if (image->relocatable == US_UNKNOWN)
		return us_cannot_tell(d, "an image whose header says whether it can be moved");
	if (image->relocatable == US_YES)
		return US_PASS;
	us_fact(d, "it runs only at 0x%" PRIx64 "; %s", home.start,
		kernel ? "the plan places it elsewhere" : "no place there is free");
	us_read_at(d, image, 0x234);
	if (kernel)
		return us_fail_if(kernel->dest.start != home.start);
	for (size_t i = 0; c->purpose == US_CRASH && i < c->host->n_crash; i++)
		if (us_range_has(c->host->crash[i], home))
			return US_PASS;
	if (c->purpose == US_CRASH && !c->host->n_crash)
		return us_missing(d, c->host->map_from);
	return c->purpose == US_CRASH ? US_FAIL : us_cannot_tell(d, "a plan for this image");
}

static enum us_result bad_alignment(const struct us_case *c, struct us_detail *d)
{
	const struct us_setup *s = &c->image->setup;
	uint32_t align = s->kernel_alignment;
	bool bad = align < 4096 || (align & (align - 1)) != 0 || s->min_alignment > 31 ||
		   (s->min_alignment && (1u << s->min_alignment) > align);

	us_fact(d, "kernel_alignment = 0x%x, min_alignment = 2^%u", align, s->min_alignment);
	us_read_at(d, c->image, 0x230);
	return us_fail_if(bad);
}

static enum us_result init_size_too_small(const struct us_case *c, struct us_detail *d)
{
	const struct us_setup *s = &c->image->setup;

	us_fact(d, "init_size = 0x%x, and the protected-mode part alone has 0x%x bytes",
		s->init_size, s->kernel_bytes);
	us_read_at(d, c->image, 0x260);
	return us_fail_if(s->init_size < s->kernel_bytes);
}

/* What kexec_file_load takes (Linux 6.12 arch/.../kernel/machine_kexec_file.c: kexec_file_loaders). */
#define KIND(kind) (1u << (kind))
static const unsigned int file_load_kinds[US_ARCH_COUNT] = {
	[US_ARCH_X86_64] = KIND(US_IMAGE_BZIMAGE),
	[US_ARCH_ARM64] = KIND(US_IMAGE_HEADER),
	[US_ARCH_RISCV64] = KIND(US_IMAGE_ELF) | KIND(US_IMAGE_HEADER),
	[US_ARCH_PPC64] = KIND(US_IMAGE_ELF),
	[US_ARCH_S390X] = KIND(US_IMAGE_ELF) | KIND(US_IMAGE_HEADER),
};

bool us_file_load_takes(const struct us_arch *arch, enum us_image_kind kind)
{
	return arch && (file_load_kinds[arch->id] & KIND(kind));
}

static enum us_result kind_not_for_file_load(const struct us_case *c, struct us_detail *d)
{
	const struct us_image *image = c->image;
	const struct us_arch *host = c->host->arch;

	if (!host)
		return us_missing(d, c->host->machine.o);
	us_fact(d, "the image is a %s", us_image_kind_name(image->kind));
	us_read(d, "header of %s", image->path);
	if (image->kind == US_IMAGE_ELF && host->id == US_ARCH_X86_64)
		us_remedy(d, "Choose the bzImage that was built from this vmlinux, or kexec_load "
			     "(--call load)");
	return us_fail_if(!us_file_load_takes(host, image->kind));
}

static enum us_result kind_not_for_load(const struct us_case *c, struct us_detail *d)
{
	enum us_image_kind kind = c->image->kind;

	us_fact(d, "the image is %s for %s", us_image_kind_name(kind),
		c->image->arch ? c->image->arch->name : "an unnamed machine");
	us_read(d, "header of %s", c->image->path);
	return us_fail_if(!(kind == US_IMAGE_BZIMAGE || kind == US_IMAGE_ELF) || !c->image->arch ||
			  family(c->image->arch) != US_ARCH_X86_64);
}

static enum us_result config_doubtful(const struct us_case *c, struct us_detail *d)
{
	const char *note = c->image->kconfig_note;

	if (c->image->kconfig) /* one was taken all the same */
		d->severity = US_NOTE;
	us_fact(d, "%s", note ? note : "nothing speaks against it");
	us_read(d, "%s", c->image->path);
	return us_fail_if(note);
}

static const struct us_rule rules[] = {
	{
		.id = "image.not-a-kernel",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.says = "The file is not a kernel image of any kind that is known here",
		.fix = "Name a bzImage, a vmlinux, an arm64 Image, an EFI zboot image or a unified "
		       "kernel image",
		.see = BOOT_RST ", section The Real-Mode Kernel Header",
		.test = not_a_kernel,
	},
	{
		.id = "image.foreign-architecture",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.needs = US_NEEDS_IMAGE | US_NEEDS_HOST,
		.says = "The image is for another machine architecture",
		.fix = "Choose an image that was built for this machine",
		.see = "kernel/kexec.c (Linux 6.12): EINVAL if the KEXEC_ARCH flag does not match",
		.test = foreign_architecture,
	},
	{
		.id = "image.cut-short",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.needs = US_NEEDS_IMAGE,
		.says = "The file ends before the image that its header describes",
		.fix = "Copy or install the image again",
		.see = BOOT_RST ", fields setup_sects and syssize; no kernel checks this itself",
		.test = cut_short,
	},
	{
		.id = "image.damaged",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.needs = US_NEEDS_IMAGE,
		.says = "The file contradicts its own headers",
		.fix = "Copy or install the image again",
		.see = BOOT_RST,
		.test = damaged,
	},
	{
		.id = "image.odd-flags",
		.severity = US_WARN,
		.when = US_ON_BOTH,
		.arch = US_X86,
		.needs = US_NEEDS_IMAGE | US_NEEDS_BZIMAGE,
		.says = "Flags in the header contradict each other, which no build of Linux does",
		.fix = "Install the image again if nobody changed it on purpose",
		.see = BOOT_RST ", field xloadflags",
		.test = odd_flags,
	},
	{
		.id = "image.payload-damaged",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.needs = US_NEEDS_IMAGE | US_NEEDS_DEEP,
		.unknown_ok = true,
		.says = "The compressed kernel inside the image does not unpack: it would stop right "
			"after the jump",
		.fix = "Copy or install the image again",
		.see = "arch/x86/boot/compressed/misc.c (Linux 6.12)",
		.test = payload_damaged,
	},
	{
		.id = "image.config-doubtful",
		.severity = US_WARN,
		.when = US_ON_BOTH,
		.needs = US_NEEDS_IMAGE,
		.says = "There is a doubt about the .config that the image is judged by",
		.fix = "Name the .config that the image was built with (--config "
		       "/boot/config-RELEASE), or none",
		.see = "kernel/configs.c (Linux 6.12): IKCONFIG; understudy-check(1)",
		.test = config_doubtful,
	},
	{
		.id = "image.protocol-too-old",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.arch = US_X86,
		.needs = US_NEEDS_IMAGE | US_NEEDS_BZIMAGE,
		.says = "The image speaks a boot protocol before 2.12, which has no 64-bit entry",
		.fix = "Choose an image of Linux 3.8 or later",
		.see = BZIMAGE64 ": ENOEXEC, \"Must be at least protocol version 2.12\"",
		.test = protocol_too_old,
	},
	{
		.id = "image.not-loaded-high",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.arch = US_X86,
		.needs = US_NEEDS_IMAGE | US_NEEDS_BZIMAGE,
		.says = "The image is a zImage, which runs in the first megabyte only",
		.fix = "Choose a bzImage",
		.see = BZIMAGE64 ": ENOEXEC, \"zImage not a bzImage\"",
		.test = not_loaded_high,
	},
	{
		.id = "image.not-64-bit",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.arch = US_X86,
		.needs = US_NEEDS_IMAGE | US_NEEDS_BZIMAGE,
		.says = "The image has no 64-bit entry point",
		.fix = "Choose a 64-bit (amd64) kernel",
		.see = BZIMAGE64 ": ENOEXEC, \"XLF_KERNEL_64 is not set\"",
		.test = not_64_bit,
	},
	{
		.id = "image.not-above-4g",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.arch = US_X86,
		.by = US_BY_FILE,
		.needs = US_NEEDS_IMAGE | US_NEEDS_BZIMAGE,
		.says = "The image cannot be placed above 4 GiB, and kexec_file_load takes no such image",
		.fix = "Choose an image with CONFIG_RELOCATABLE=y",
		.see = BZIMAGE64 ": ENOEXEC, \"XLF_CAN_BE_LOADED_ABOVE_4G is not set\"",
		.test = not_above_4g,
	},
	{
		.id = "image.not-relocatable",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.arch = US_X86,
		.by = US_BY_LOAD,
		.needs = US_NEEDS_IMAGE | US_NEEDS_BZIMAGE | US_NEEDS_HOST,
		.says = "The image runs at one fixed address only and cannot be placed there",
		.fix = "Choose an image with CONFIG_RELOCATABLE=y, or reserve memory at its address "
		       "(crashkernel=SIZE@ADDRESS)",
		.see = BOOT_RST ", fields relocatable_kernel and pref_address",
		.test = not_relocatable,
	},
	{
		.id = "image.bad-alignment",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.arch = US_X86,
		.needs = US_NEEDS_IMAGE | US_NEEDS_BZIMAGE,
		.says = "The alignment that the header asks for makes no sense",
		.fix = "Copy or install the image again",
		.see = BOOT_RST ", fields kernel_alignment and min_alignment",
		.test = bad_alignment,
	},
	{
		.id = "image.init-size-too-small",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.arch = US_X86,
		.needs = US_NEEDS_IMAGE | US_NEEDS_BZIMAGE,
		.says = "The header asks for less memory than the image itself takes",
		.fix = "Copy or install the image again",
		.see = "kernel/kexec_core.c (Linux 6.12): sanity_check_segment_list(), EINVAL without a "
		       "message",
		.test = init_size_too_small,
	},
	{
		.id = "image.kind-not-for-file-load",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.by = US_BY_FILE,
		.needs = US_NEEDS_IMAGE | US_NEEDS_HOST,
		.says = "kexec_file_load does not take images of this kind",
		.fix = "Choose an image in the form that the kernel takes",
		.see = "arch/x86/kernel/machine_kexec_64.c (Linux 6.12): kexec_file_loaders",
		.test = kind_not_for_file_load,
	},
	{
		.id = "image.kind-not-for-load",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.by = US_BY_LOAD,
		.needs = US_NEEDS_IMAGE,
		.says = "Images of this kind cannot be prepared for kexec_load here",
		.fix = "Use kexec_file_load (--call file), or choose an x86 bzImage or vmlinux",
		.see = "understudy-load(1)",
		.test = kind_not_for_load,
	},
};

const struct us_rule_table us_rules_image = US_RULE_TABLE(rules);
