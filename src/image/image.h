/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A file -> struct us_image: what it is, peeled from the outside in ("zstd in bzImage in UKI"), and
 * every fact about it that a loader, a rule or a person wants. Opening reads headers only;
 * us_image_look_deep() unpacks the payload. A file that is damaged or of no known kind is a result
 * (us_image.damage, US_IMAGE_NONE), not an error: errors are only what kept us from reading it.
 */
#ifndef US_IMAGE_IMAGE_H
#define US_IMAGE_IMAGE_H

#include "arch/arch.h"
#include "base/pool.h"
#include "base/progress.h"
#include "base/tri.h"
#include "image/signature.h"
#include "kconfig/kconfig.h"
#include "pack/pack.h"

enum us_image_kind {
	US_IMAGE_NONE,    /* not a kernel image that we know */
	US_IMAGE_BZIMAGE, /* x86 boot protocol (Documentation/arch/x86/boot.rst) */
	US_IMAGE_ELF,     /* vmlinux */
	US_IMAGE_HEADER,  /* arm64 Image (Documentation/arch/arm64/booting.rst); riscv has the same
			     shape */
	US_IMAGE_ZBOOT,   /* EFI zboot (drivers/firmware/efi/libstub/zboot-header.S) */
	US_IMAGE_UKI,     /* PE with a .linux section (UAPI group, Unified Kernel Image) */
	US_IMAGE_PACKED,  /* a whole image compressed by one of the codecs */
	US_IMAGE_KINDS
};
const char *us_image_kind_name(enum us_image_kind kind);

/* One peel, outermost first; the last one is the kernel itself. */
struct us_nest {
	enum us_image_kind kind;
	const struct us_codec *codec; /* for US_IMAGE_PACKED and US_IMAGE_ZBOOT, else NULL */
	uint64_t offset;              /* of the inner file in the outer one (0 for PACKED) */
};

/* Something that contradicts the file's own headers. */
struct us_damage {
	uint64_t offset; /* in us_image.kernel unless text says otherwise */
	const char *text; /* "cut short: the header promises 0xb1c000 bytes, the file has 0x58e000" */
};

/* The x86 setup header, every field to protocol 2.15 (boot.rst); absent fields (older protocol) are
 * 0. */
struct us_setup {
	uint8_t setup_sects; /* as used: 0 in the file means 4 */
	uint16_t root_flags;
	uint32_t syssize;
	uint16_t ram_size, vid_mode, root_dev, boot_flag;
	uint16_t version; /* 0x020f */
	uint32_t realmode_swtch;
	uint16_t start_sys_seg, kernel_version;
	uint8_t type_of_loader, loadflags;
	uint16_t setup_move_size;
	uint32_t code32_start, ramdisk_image, ramdisk_size, bootsect_kludge;
	uint16_t heap_end_ptr;
	uint8_t ext_loader_ver, ext_loader_type;
	uint32_t cmd_line_ptr, initrd_addr_max, kernel_alignment;
	uint8_t relocatable_kernel, min_alignment;
	uint16_t xloadflags;
	uint32_t cmdline_size, hardware_subarch;
	uint64_t hardware_subarch_data;
	uint32_t payload_offset, payload_length;
	uint64_t setup_data, pref_address;
	uint32_t init_size, handover_offset, kernel_info_offset;
	uint32_t header_end;     /* offset in the file of the first byte after the header */
	uint32_t kernel_offset;  /* protected-mode part: (setup_sects + 1) * 512 */
	uint32_t kernel_bytes;   /* its length: syssize * 16, clipped to the file */
	uint32_t setup_type_max; /* kernel_info: highest SETUP_* but INDIRECT; 0 = there is none */
};
#define US_XLF_KERNEL_64       0x0001
#define US_XLF_ABOVE_4G        0x0002
#define US_XLF_EFI_HANDOVER_32 0x0004
#define US_XLF_EFI_HANDOVER_64 0x0008
#define US_XLF_EFI_KEXEC       0x0010
#define US_XLF_5LEVEL          0x0020
#define US_XLF_5LEVEL_ENABLED  0x0040
#define US_XLF_MEM_ENCRYPTION  0x0080
/* Name of xloadflags bit 0..15 ("XLF_5LEVEL"), NULL for one without a name. */
const char *us_xloadflag_name(unsigned int bit);

/* What an image can do, learned from its .config or, without one, from probe strings and symbols in
 * it. */
enum us_cap {
	US_CAP_KEXEC_CORE,
	US_CAP_KEXEC,
	US_CAP_KEXEC_FILE,
	US_CAP_KEXEC_SIG,
	US_CAP_KEXEC_SIG_FORCE,
	US_CAP_CRASH_DUMP,
	US_CAP_PROC_VMCORE,
	US_CAP_CRASH_HOTPLUG,
	US_CAP_KEXEC_HANDOVER,
	US_CAP_CRASH_DM_CRYPT,
	US_CAP_RELOCATABLE,
	US_CAP_X86_5LEVEL,
	US_CAP_X2APIC,
	US_CAP_EFI,
	US_CAP_EFI_RUNTIME_MAP,
	US_CAP_INTEL_IOMMU,
	US_CAP_AMD_IOMMU,
	US_CAP_MEM_ENCRYPT,
	US_CAP_TDX_GUEST,
	US_CAP_XEN_PV,
	US_CAP_KASAN,
	US_CAP_DEBUG_HEAVY /* lockdep, page alloc debug */,
	US_CAP_HIBERNATION,
	US_CAP_SMP,
	US_CAP_INITRD,
	US_CAP_RD_GZIP,
	US_CAP_RD_BZIP2,
	US_CAP_RD_LZMA,
	US_CAP_RD_XZ,
	US_CAP_RD_LZO,
	US_CAP_RD_LZ4,
	US_CAP_RD_ZSTD,
	US_CAP_COUNT
};
struct us_cap_fact {
	enum us_tri v;
	const char *from; /* "IKCONFIG in the image", "string \"elfcorehdr\" at 0x1a2b3c"; NULL if
			     unknown */
};
/* Symbol name without CONFIG_, e.g. "CRASH_DUMP". */
const char *us_cap_name(enum us_cap cap);

struct us_image {
	struct us_pool pool;
	const char *path;
	struct us_bytes file;   /* as on disk */
	struct us_bytes kernel; /* innermost file that a loader takes (bzImage, Image, ELF) */
	const struct us_nest *nest;
	size_t n_nest;
	enum us_image_kind kind; /* of the innermost */
	const char *why_none; /* for US_IMAGE_NONE: what was looked for and not found, with offsets */
	const struct us_arch *arch;
	const struct us_damage *damage;
	size_t n_damage;

	struct us_setup setup;            /* US_IMAGE_BZIMAGE */
	uint64_t text_offset, image_size; /* US_IMAGE_HEADER: bytes */
	uint64_t header_flags;
	uint64_t entry; /* US_IMAGE_ELF */
	enum us_tri relocatable;
	uint64_t align, pref_address; /* placement wishes in bytes; 0 = none */
	uint64_t run_bytes;   /* memory needed at its place when it starts (bzImage init_size) */
	uint32_t cmdline_max; /* characters without the NUL; 0 = unknown */
	const char *release;  /* "6.12.117+deb12-amd64", NULL if unknown */
	const char *banner;   /* "Linux version ..." or the header's version string; NULL */
	struct us_bytes initrd, cmdline, osrel, uname, dtb,
		ucode;                 /* UKI sections, empty if absent */
	struct us_signature signature; /* of .file */
	struct us_signature
		inner_signature; /* of .kernel when it was wrapped, else equal to signature */

	/* the deep look */
	bool deep;                            /* done */
	const struct us_codec *payload_codec; /* NULL: not compressed or unknown (set on opening) */
	uint64_t payload_bytes;               /* unpacked */
	enum us_tri payload_whole;            /* unpacked to its end and the sizes agree */
	struct us_bytes vmlinux;              /* the unpacked ELF */
	struct us_kconfig *kconfig;           /* owned; NULL if none was found */
	const char *kconfig_from;             /* "IKCONFIG in the image", or the file's path */
	const char *kconfig_note; /* why a .config was not taken, or what speaks against it; NULL */
	struct us_cap_fact caps[US_CAP_COUNT]; /* all US_UNKNOWN before the deep look */
};

struct us_err *us_image_open(const char *path, struct us_progress *progress, struct us_image **ret)
	us_must_check;
/* The same from memory that outlives the image (tests, fuzzing); path is only a name. */
struct us_err *us_image_parse(const char *path, struct us_bytes file, struct us_image **ret)
	us_must_check;
/* Unpack the payload, look for the ELF, the banner, IKCONFIG and the probe strings. config_path may
 * name a .config (plain or gzip) to use when the image carries none, else NULL. Idempotent. */
struct us_err *us_image_look_deep(struct us_image *image, const char *config_path,
				  struct us_progress *progress) us_must_check;
/* Before the deep look: what the payload of this very file unpacks to, packed in any format. */
struct us_err *us_image_payload_known(struct us_image *image, struct us_bytes packed) us_must_check;
/* A .config that lies in a file of its own, plain or packed (/proc/config.gz). */
struct us_err *us_image_config_read(const char *path, struct us_kconfig **ret) us_must_check;
/* Hash the file and verify what its signature says: fills digest_ok, signature_ok and the names and
 * key ids of signature and inner_signature (opening gives presence, place and problem only).
 * Idempotent; nothing to do without a signature. */
struct us_err *us_image_verify_signature(struct us_image *image) us_must_check;
void us_image_free(struct us_image *image);
static inline void us_image_freep(struct us_image **image)
{
	us_image_free(*image);
}
#define _us_image_free_ __attribute__((cleanup(us_image_freep)))

/* One archive of an initrd: they follow each other, each perhaps compressed
 * (Documentation/driver-api/early-userspace/buffer-format.rst). */
struct us_initrd_part {
	const char *from;             /* the file it stands in, or "UKI .initrd" */
	uint64_t offset, size;        /* in the joined initrd */
	const struct us_codec *codec; /* NULL: plain cpio */
	uint64_t unpacked_bytes;      /* 0 unless looked into */
	uint32_t files;
	bool microcode;      /* kernel/x86/microcode/ in a plain archive: must come first */
	bool microcode_late; /* behind a compressed archive: the kernel will not find it */
	const char *problem; /* "cpio header at 0x1f0: bad magic", NULL if fine */
};

struct us_initrd {
	struct us_pool pool;
	struct us_bytes bytes; /* all files in order, microcode first, each padded to 4 bytes */
	const char *path;      /* the file, if bytes is just that file; NULL if joined or a UKI's */
	const struct us_initrd_part *parts;
	size_t n_parts;
	const char *const *releases; /* names below lib/modules/, NULL-terminated */
	uint64_t unpacked_bytes;     /* of all parts, 0 unless deep */
	const char *order_note;      /* "ucode.img moved to the front", or NULL */
	bool deep;
};
/*
 * paths: n files; uki: ucode and initrd of a UKI to put first, or empty. deep: unpack and walk
 * every archive; else a compressed archive reaches to the end of its file. A broken archive is a
 * problem of its part, not an error.
 */
struct us_err *us_initrd_open(const char *const *paths, size_t n, struct us_bytes uki_ucode,
			      struct us_bytes uki_initrd, bool deep, struct us_progress *progress,
			      struct us_initrd **ret) us_must_check;
void us_initrd_free(struct us_initrd *initrd);
static inline void us_initrd_freep(struct us_initrd **initrd)
{
	us_initrd_free(*initrd);
}
#define _us_initrd_free_ __attribute__((cleanup(us_initrd_freep)))

#endif
