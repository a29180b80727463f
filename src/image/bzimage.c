/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The x86 bzImage: every field of the setup header to protocol 2.15 and what contradicts it.
 * Specification: Documentation/arch/x86/boot.rst of Linux 6.12; xloadflags bits 5 to 7 are only in
 * arch/x86/include/uapi/asm/bootparam.h. Does not unpack the payload (deep.c does).
 */
#include "image/image-int.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define SECTOR          512
#define AT_BOOT_FLAG    0x1fe
#define AT_JUMP         0x200
#define AT_MAGIC        0x202
#define HEADER_ROOM_END 0x290      /* where boot_params puts what follows the header */
#define PAYLOAD_MIN     16         /* bytes; less holds no stream of any codec */
#define RUN_BYTES_MAX   (1u << 30) /* KERNEL_IMAGE_SIZE at its largest */
#define CMDLINE_MAX     0xffff
#define PHYS_BITS_MAX   52
#define INFO_BYTES_MIN  16 /* kernel_info: "LToP", size, size_total, setup_type_max */
#define SETUP_INDIRECT  (1u << 31)

#define FIELD(off, since, name)                                                                    \
	{                                                                                          \
		off, since, sizeof(((struct us_setup *)0)->name), offsetof(struct us_setup, name)  \
	}
/* offset in the file, first protocol that has it, size, place in struct us_setup */
static const struct {
	uint16_t off, since;
	size_t bytes, at;
} fields[] = {
	FIELD(0x1f1, 0, setup_sects),
	FIELD(0x1f2, 0, root_flags),
	FIELD(0x1f4, 0, syssize),
	FIELD(0x1f8, 0, ram_size),
	FIELD(0x1fa, 0, vid_mode),
	FIELD(0x1fc, 0, root_dev),
	FIELD(0x1fe, 0, boot_flag),
	FIELD(0x206, 0, version),
	FIELD(0x208, 0x200, realmode_swtch),
	FIELD(0x20c, 0x200, start_sys_seg),
	FIELD(0x20e, 0x200, kernel_version),
	FIELD(0x210, 0x200, type_of_loader),
	FIELD(0x211, 0x200, loadflags),
	FIELD(0x212, 0x200, setup_move_size),
	FIELD(0x214, 0x200, code32_start),
	FIELD(0x218, 0x200, ramdisk_image),
	FIELD(0x21c, 0x200, ramdisk_size),
	FIELD(0x220, 0x200, bootsect_kludge),
	FIELD(0x224, 0x201, heap_end_ptr),
	FIELD(0x226, 0x202, ext_loader_ver),
	FIELD(0x227, 0x202, ext_loader_type),
	FIELD(0x228, 0x202, cmd_line_ptr),
	FIELD(0x22c, 0x203, initrd_addr_max),
	FIELD(0x230, 0x205, kernel_alignment),
	FIELD(0x234, 0x205, relocatable_kernel),
	FIELD(0x235, 0x20a, min_alignment),
	FIELD(0x236, 0x20c, xloadflags),
	FIELD(0x238, 0x206, cmdline_size),
	FIELD(0x23c, 0x207, hardware_subarch),
	FIELD(0x240, 0x207, hardware_subarch_data),
	FIELD(0x248, 0x208, payload_offset),
	FIELD(0x24c, 0x208, payload_length),
	FIELD(0x250, 0x209, setup_data),
	FIELD(0x258, 0x20a, pref_address),
	FIELD(0x260, 0x20a, init_size),
	FIELD(0x264, 0x20b, handover_offset),
	FIELD(0x268, 0x20f, kernel_info_offset),
};

const char *us_xloadflag_name(unsigned int bit)
{
	static const char *const names[] = {
		"XLF_KERNEL_64",       "XLF_CAN_BE_LOADED_ABOVE_4G",
		"XLF_EFI_HANDOVER_32", "XLF_EFI_HANDOVER_64",
		"XLF_EFI_KEXEC",       "XLF_5LEVEL",
		"XLF_5LEVEL_ENABLED",  "XLF_MEM_ENCRYPTION",
	};

	return bit < us_array_size(names) ? names[bit] : NULL;
}

static bool bzimage_probe(struct us_bytes file)
{
	return us_bytes_match(file, AT_MAGIC, "HdrS", 4);
}

static bool read_field(struct us_bytes file, uint16_t off, size_t bytes, void *at)
{
	switch (bytes) {
	case 1:
		return us_u8(file, off, at);
	case 2:
		return us_le16(file, off, at);
	case 4:
		return us_le32(file, off, at);
	default:
		return us_le64(file, off, at);
	}
}

/* All fields that the header's protocol has; the others stay 0. *ret_fields_end: where they end. */
static struct us_err *read_fields(struct us_image *image, struct us_bytes file,
				  uint32_t *ret_fields_end)
{
	struct us_setup *setup = &image->setup;
	uint16_t version = 0;
	uint32_t end = 0;
	bool cut = !us_le16(file, 0x206, &version);

	for (size_t i = 0; i < us_array_size(fields); i++) {
		if (fields[i].since > version)
			continue;
		if (!read_field(file, fields[i].off, fields[i].bytes,
				(uint8_t *)setup + fields[i].at))
			cut = true;
		if (end < fields[i].off + fields[i].bytes)
			end = (uint32_t)(fields[i].off + fields[i].bytes);
	}
	if (!setup->setup_sects)
		setup->setup_sects = 4;
	setup->kernel_offset = (setup->setup_sects + 1u) * SECTOR;
	*ret_fields_end = end;
	return us_damage_if(image, cut, file.n,
			    "cut short: the setup header ends at 0x%" PRIx32
			    ", the file has 0x%zx bytes",
			    end, file.n);
}

static struct us_err *judge_shape(struct us_image *image, struct us_bytes file, uint32_t fields_end)
{
	struct us_setup *s = &image->setup;
	uint8_t jump = 0, jump_by = 0;

	(void)!us_u8(file, AT_JUMP, &jump);
	(void)!us_u8(file, AT_JUMP + 1, &jump_by);
	s->header_end = AT_MAGIC + (uint32_t)jump_by;
	US_TRY(us_damage_if(image, s->boot_flag != 0xaa55, AT_BOOT_FLAG,
			    "boot_flag is 0x%04x instead of 0xaa55", s->boot_flag));
	US_TRY(us_damage_if(image, s->version < 0x200, 0x206,
			    "protocol version 0x%04x; the first with \"HdrS\" is 0x0200",
			    s->version));
	US_TRY(us_damage_if(image, jump != 0xeb, AT_JUMP,
			    "no short jump over the header (0x%02x instead of 0xeb)", jump));
	US_TRY(us_damage_if(image, s->header_end < fields_end, AT_JUMP + 1,
			    "the header ends at 0x%" PRIx32
			    ", protocol %u.%02u has fields to 0x%" PRIx32,
			    s->header_end, s->version >> 8, s->version & 0xffu, fields_end));
	US_TRY(us_damage_if(image, s->header_end > HEADER_ROOM_END, AT_JUMP + 1,
			    "the header ends at 0x%" PRIx32 ", boot_params has room to 0x%x",
			    s->header_end, HEADER_ROOM_END));
	return us_damage_if(image, s->kernel_offset < s->header_end, 0x1f1,
			    "setup_sects %u ends the real-mode part at 0x%" PRIx32
			    ", inside the header (0x%" PRIx32 ")",
			    s->setup_sects, s->kernel_offset, s->header_end);
}

static struct us_err *judge_length(struct us_image *image, struct us_bytes file)
{
	struct us_setup *s = &image->setup;
	uint64_t system = (uint64_t)s->syssize * 16, end = s->kernel_offset + system;

	if (s->version < 0x204) { /* only 16 bits of syssize were set before */
		s->kernel_bytes = (uint32_t)us_bytes_clip(file, s->kernel_offset, UINT32_MAX).n;
		return NULL;
	}
	s->kernel_bytes = (uint32_t)us_bytes_clip(file, s->kernel_offset,
						  system > UINT32_MAX ? UINT32_MAX : system)
				  .n;
	US_TRY(us_damage_if(image, !s->syssize, 0x1f4, "syssize is 0: no protected-mode part"));
	if (s->kernel_offset > file.n)
		return us_damage_add(image, 0x1f1,
				     "cut short: setup_sects %u promises 0x%" PRIx32
				     " bytes of real-mode part, the file has 0x%zx",
				     s->setup_sects, s->kernel_offset, file.n);
	return us_damage_if(image, end > file.n, 0x1f4,
			    "cut short: the header promises 0x%" PRIx64
			    " bytes (setup_sects %u, syssize 0x%" PRIx32 "), the file has 0x%zx",
			    end, s->setup_sects, s->syssize, file.n);
}

static struct us_err *judge_version_text(struct us_image *image, struct us_bytes file)
{
	struct us_setup *s = &image->setup;
	uint64_t at = s->kernel_version + (uint64_t)AT_JUMP;
	struct us_bytes text;
	const uint8_t *end;
	size_t word;

	if (!s->kernel_version)
		return NULL;
	if (at >= s->kernel_offset)
		return us_damage_add(image, 0x20e,
				     "kernel_version points to 0x%" PRIx64
				     ", past the real-mode part (0x%" PRIx32 ")",
				     at, s->kernel_offset);
	text = us_bytes_clip(us_bytes_clip(file, 0, s->kernel_offset), at, SECTOR);
	end = text.n ? memchr(text.p, 0, text.n) : NULL;
	if (!end)
		return us_damage_add(image, 0x20e, "the version string at 0x%" PRIx64 " has no end",
				     at);
	text.n = (size_t)(end - text.p);
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] < ' ' || text.p[i] > '~')
			return us_damage_add(image, 0x20e,
					     "the version string at 0x%" PRIx64 " is no text", at);
	image->banner = us_pool_strndup(&image->pool, (const char *)text.p, text.n);
	if (!image->banner)
		return us_err_nomem();
	word = strcspn(image->banner, " ");
	if (!word)
		return NULL;
	image->release = us_pool_strndup(&image->pool, image->banner, word);
	return image->release ? NULL : us_err_nomem();
}

static bool power_of_two(uint64_t v)
{
	return v && !(v & (v - 1));
}

static struct us_err *judge_placement(struct us_image *image)
{
	const struct us_setup *s = &image->setup;
	uint64_t end;

	US_TRY(us_damage_if(image, s->version >= 0x205 && !power_of_two(s->kernel_alignment), 0x230,
			    "kernel_alignment 0x%" PRIx32 " is no power of two",
			    s->kernel_alignment));
	US_TRY(us_damage_if(image, s->relocatable_kernel > 1, 0x234,
			    "relocatable_kernel is %u, neither 0 nor 1", s->relocatable_kernel));
	if (s->version < 0x20a)
		return NULL;
	US_TRY(us_damage_if(image, !s->init_size || s->init_size > RUN_BYTES_MAX, 0x260,
			    "init_size 0x%" PRIx32 " is not what a kernel needs to run",
			    s->init_size));
	US_TRY(us_damage_if(
		image, s->min_alignment > 31 || (1ull << s->min_alignment) > s->kernel_alignment,
		0x235,
		"min_alignment (2 to the power of %u) is more than kernel_alignment 0x%" PRIx32,
		s->min_alignment, s->kernel_alignment));
	US_TRY(us_damage_if(
		image,
		power_of_two(s->kernel_alignment) && s->pref_address & (s->kernel_alignment - 1),
		0x258, "pref_address 0x%" PRIx64 " is no multiple of kernel_alignment 0x%" PRIx32,
		s->pref_address, s->kernel_alignment));
	return us_damage_if(image,
			    !us_add(s->pref_address, (uint64_t)s->init_size, &end) ||
				    end >> PHYS_BITS_MAX,
			    0x258, "pref_address 0x%" PRIx64 " is beyond any physical address",
			    s->pref_address);
}

static struct us_err *judge_flags(struct us_image *image)
{
	const struct us_setup *s = &image->setup;
	uint16_t x = s->xloadflags;

	US_TRY(us_damage_if(
		image, s->version >= 0x206 && (!s->cmdline_size || s->cmdline_size > CMDLINE_MAX),
		0x238, "cmdline_size 0x%" PRIx32 " is not the length of any command line",
		s->cmdline_size));
	if (s->version < 0x20c)
		return NULL;
	US_TRY(us_damage_if(image, x & US_XLF_5LEVEL_ENABLED && !(x & US_XLF_5LEVEL), 0x236,
			    "xloadflags 0x%x: XLF_5LEVEL_ENABLED without XLF_5LEVEL", x));
	US_TRY(us_damage_if(image, x & US_XLF_5LEVEL && !(x & US_XLF_KERNEL_64), 0x236,
			    "xloadflags 0x%x: XLF_5LEVEL without XLF_KERNEL_64", x));
	return us_damage_if(
		image, x & US_XLF_ABOVE_4G && !s->relocatable_kernel, 0x236,
		"xloadflags 0x%x: XLF_CAN_BE_LOADED_ABOVE_4G, but relocatable_kernel is 0", x);
}

/* The bytes at the start of a payload of no known kind, for people. */
static struct us_err *judge_payload_magic(struct us_image *image, uint64_t at,
					  struct us_bytes payload)
{
	char hex[3 * 6 + 1] = "";
	size_t n = payload.n < 6 ? payload.n : 6;

	if (us_codec_by_magic(payload) || us_bytes_match(payload, 0,
							 "\x7f"
							 "ELF",
							 4))
		return NULL;
	for (size_t i = 0; i < n; i++)
		snprintf(hex + 3 * i, 4, " %02x", payload.p[i]);
	return us_damage_add(image, at,
			     "the payload starts with%s: neither an ELF nor a known compression",
			     hex);
}

static struct us_err *judge_payload(struct us_image *image, struct us_bytes file)
{
	const struct us_setup *s = &image->setup;
	uint64_t system = (uint64_t)s->syssize * 16;
	uint64_t end = (uint64_t)s->payload_offset + s->payload_length;
	uint64_t at = (uint64_t)s->kernel_offset + s->payload_offset;
	struct us_bytes payload = us_bytes_clip(file, at, s->payload_length);
	uint32_t unpacked;

	if (s->version < 0x208 || (!s->payload_offset && !s->payload_length))
		return NULL;
	if (end > system)
		return us_damage_add(image, 0x248,
				     "the payload (0x%" PRIx32 " bytes at 0x%" PRIx32
				     ") leaves the protected-mode part of 0x%" PRIx64 " bytes",
				     s->payload_length, s->payload_offset, system);
	if (s->payload_length < PAYLOAD_MIN)
		return us_damage_add(image, 0x24c, "payload_length %" PRIu32 " holds no kernel",
				     s->payload_length);
	image->payload_codec = us_codec_by_magic(payload);
	if (payload.n >= PAYLOAD_MIN)
		US_TRY(judge_payload_magic(image, at, payload));
	US_TRY(us_damage_if(image, s->version >= 0x20a && s->init_size < s->payload_length, 0x260,
			    "init_size 0x%" PRIx32 " is less than the packed payload's 0x%" PRIx32,
			    s->init_size, s->payload_length));
	if (s->version < 0x20a || payload.n < s->payload_length || !image->payload_codec ||
	    s->init_size < s->payload_length || !us_le32(payload, payload.n - 4, &unpacked))
		return NULL;
	return us_damage_if(image, s->init_size < unpacked, 0x260,
			    "init_size 0x%" PRIx32
			    " is less than what the payload unpacks to, 0x%" PRIx32
			    " by its last four bytes",
			    s->init_size, unpacked);
}

static struct us_err *judge_pointers(struct us_image *image, struct us_bytes file)
{
	struct us_setup *s = &image->setup;
	struct us_bytes system = us_bytes_clip(file, s->kernel_offset, s->kernel_bytes);
	uint32_t at = s->kernel_info_offset, size = 0, total = 0, type_max = 0;

	US_TRY(us_damage_if(image,
			    s->handover_offset >= (uint64_t)s->syssize * 16 && s->handover_offset,
			    0x264, "handover_offset 0x%" PRIx32 " is past the protected-mode part",
			    s->handover_offset));
	if (s->version < 0x20f || !at || at >= (uint64_t)s->syssize * 16)
		return us_damage_if(
			image, s->version >= 0x20f && at, 0x268,
			"kernel_info_offset 0x%" PRIx32 " is past the protected-mode part", at);
	if (at >= system.n) /* in the part that was cut off, which is said already */
		return NULL;
	if (!us_bytes_match(system, at, "LToP", 4) || !us_le32(system, (uint64_t)at + 4, &size) ||
	    !us_le32(system, (uint64_t)at + 8, &total) ||
	    !us_le32(system, (uint64_t)at + 12, &type_max))
		return us_damage_add(image, 0x268, "no kernel_info (\"LToP\") at 0x%" PRIx64,
				     (uint64_t)s->kernel_offset + at);
	if (size < INFO_BYTES_MIN || total < size || !us_bytes_has(system, at, total))
		return us_damage_add(image, (uint64_t)s->kernel_offset + at + 4,
				     "kernel_info: size 0x%" PRIx32 ", size_total 0x%" PRIx32
				     " do not fit each other or the file",
				     size, total);
	s->setup_type_max = type_max & ~SETUP_INDIRECT;
	return NULL;
}

static struct us_err *bzimage_read(struct us_image *image, struct us_bytes file, struct us_peel *ret)
{
	struct us_setup *s = &image->setup;
	uint32_t fields_end;

	(void)ret;
	US_TRY(read_fields(image, file, &fields_end));
	US_TRY(judge_shape(image, file, fields_end));
	US_TRY(judge_length(image, file));
	US_TRY(judge_version_text(image, file));
	US_TRY(judge_placement(image));
	US_TRY(judge_flags(image));
	US_TRY(judge_payload(image, file));
	US_TRY(judge_pointers(image, file));
	/* before xloadflags (Linux 3.8) the header does not tell 32 from 64 bits */
	if (s->version >= 0x20c)
		image->arch = us_arch_by_id(s->xloadflags & US_XLF_KERNEL_64 ? US_ARCH_X86_64
									     : US_ARCH_I386);
	image->relocatable = us_tri_of(s->relocatable_kernel);
	image->align = s->kernel_alignment;
	image->pref_address = s->pref_address;
	image->run_bytes = s->init_size;
	image->cmdline_max = s->version >= 0x206 ? s->cmdline_size : 255;
	return NULL;
}

const struct us_format us_format_bzimage = {
	.kind = US_IMAGE_BZIMAGE,
	.looked_for = "\"HdrS\" at 0x202 (x86 bzImage)",
	.probe = bzimage_probe,
	.read = bzimage_read,
};
