/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a kernel can do, from the best witness there is: its header, its own IKCONFIG, strings in it
 * that only the capability brings, a .config that was found elsewhere, and last the absence of all
 * of those strings. They were read in the sources (Linux 6.12; the place is beside each) and compared
 * with the .config of Debian's 5.10, 6.1, 6.12 and 7.3 (x86_64) and 6.1 and 6.12 (arm64): absence
 * counts in that range only, and only if the kernel can print at all. The rest stays unknown.
 */
#include "image/deep-int.h"

#include <inttypes.h>
#include <string.h>

#define VERSION(major, minor) ((major) << 16 | (minor))
#define ABSENCE_FROM          VERSION(5u, 10u)
#define ABSENCE_UNTIL         VERSION(8u, 0u)
#define ALWAYS_5LEVEL         VERSION(6u, 17u)

#define TEXT(s)                                                                                    \
	{                                                                                          \
		s, sizeof(s) - 1                                                                   \
	}
#define WHOLE(s)                                                                                   \
	{                                                                                          \
		"\0" s "\0", sizeof(s) + 1                                                         \
	} /* a string of its own, not a part of one */
#define TEXTS_MAX 3

struct text {
	const char *p;
	size_t n;
};

static const struct cap {
	const char *symbol;
	const char *want;             /* of a .config */
	struct text texts[TEXTS_MAX]; /* each of them proves it */
	int given; /* absence counts only if this needle was found too; 0: PANIC alone */
	int also; /* from also_from on, this needle must be there too; 0: none */
	unsigned int also_from;
	bool no_absence;
} caps[US_CAP_COUNT] = {
	/* kernel/kexec_core.c, kernel/ksysfs.c */
	[US_CAP_KEXEC_CORE] = { "KEXEC_CORE",
				"KEXEC_CORE=y",
				{ WHOLE("kexec_loaded"), TEXT("Starting new kernel"),
				  TEXT("kexec_load_disabled") } },
	/* The name of the system call is only there with FTRACE_SYSCALLS; sys_reboot shows that. */
	[US_CAP_KEXEC] = { "KEXEC", "KEXEC=y", { WHOLE("sys_kexec_load") }, US_NEEDLE_REBOOT },
	/* kernel/kexec_file.c: pr_fmt */
	[US_CAP_KEXEC_FILE] = { "KEXEC_FILE", "KEXEC_FILE=y", { TEXT("kexec_file: ") } },
	/* kernel/kexec_file.c: kimage_validate_signature() */
	[US_CAP_KEXEC_SIG] = { "KEXEC_SIG",
			       "KEXEC_SIG=y",
			       { TEXT("kernel signature verification failed") } },
	/* a constant without a string of its own */
	[US_CAP_KEXEC_SIG_FORCE] = { "KEXEC_SIG_FORCE", "KEXEC_SIG_FORCE=y", .no_absence = true },
	/* To 6.8 kernel/crash_dump.c: early_param. From 6.9 on kernel/elfcorehdr.c has that, and comes
	   with VMCORE_INFO; the file in sysfs comes with CRASH_DUMP (6.12 kernel/ksysfs.c). */
	[US_CAP_CRASH_DUMP] = { "CRASH_DUMP",
				"CRASH_DUMP=y",
				{ WHOLE("elfcorehdr") },
				.also = US_NEEDLE_CRASH_LOADED,
				.also_from = VERSION(6u, 9u) },
	/* fs/proc/vmcore.c: parse_crash_elf_headers(); the other message is gone in 7.3 */
	[US_CAP_PROC_VMCORE] = { "PROC_VMCORE",
				 "PROC_VMCORE=y",
				 { TEXT("Core image elf header"),
				   TEXT("Kdump: vmcore not initialized") } },
	/* kernel/crash_core.c: pr_fmt; kernel/ksysfs.c */
	[US_CAP_CRASH_HOTPLUG] = { "CRASH_HOTPLUG",
				   "CRASH_HOTPLUG=y",
				   { TEXT("crash_elfcorehdr_size"), TEXT("crash hp: ") } },
	/* kernel/liveupdate/kexec_handover.c: pr_fmt */
	[US_CAP_KEXEC_HANDOVER] = { "KEXEC_HANDOVER", "KEXEC_HANDOVER=y", { TEXT("KHO: ") } },
	/* kernel/crash_dump_dm_crypt.c: early_param; the bzImage loader has "dmcryptkeys=" always */
	[US_CAP_CRASH_DM_CRYPT] = { "CRASH_DM_CRYPT", "CRASH_DM_CRYPT=y", { WHOLE("dmcryptkeys") } },
	[US_CAP_RELOCATABLE] = { "RELOCATABLE", "RELOCATABLE=y", .no_absence = true },
	[US_CAP_X86_5LEVEL] = { "X86_5LEVEL", "X86_5LEVEL=y", .no_absence = true },
	/* arch/x86/kernel/apic/apic.c: early_param */
	[US_CAP_X2APIC] = { "X86_X2APIC", "X86_X2APIC=y", { WHOLE("nox2apic") } },
	/* drivers/firmware/efi/efi.c: early_param */
	[US_CAP_EFI] = { "EFI", "EFI=y", { WHOLE("noefi") } },
	/* the folder in sysfs */
	[US_CAP_EFI_RUNTIME_MAP] = { "EFI_RUNTIME_MAP",
				     "EFI_RUNTIME_MAP=y",
				     { WHOLE("runtime-map") } },
	/* drivers/iommu/intel/iommu.c, drivers/iommu/amd/init.c: __setup */
	[US_CAP_INTEL_IOMMU] = { "INTEL_IOMMU", "INTEL_IOMMU=y", { WHOLE("intel_iommu=") } },
	[US_CAP_AMD_IOMMU] = { "AMD_IOMMU", "AMD_IOMMU=y", { WHOLE("amd_iommu=") } },
	/* arch/x86/coco/sev; 5.10: arch/x86/mm/mem_encrypt.c. ("SEV command-line option" is in
	   others, too.) */
	[US_CAP_MEM_ENCRYPT] = { "AMD_MEM_ENCRYPT",
				 "AMD_MEM_ENCRYPT=y",
				 { TEXT("in #VC exception"),
				   TEXT("AMD Memory Encryption Features") } },
	/* arch/x86/coco/tdx/tdx.c: tdx_early_init() */
	[US_CAP_TDX_GUEST] = { "INTEL_TDX_GUEST",
			       "INTEL_TDX_GUEST=y",
			       { TEXT("tdx: Guest detected") } },
	/* arch/x86/xen/enlighten_pv.c */
	[US_CAP_XEN_PV] = { "XEN_PV", "XEN_PV=y", { TEXT("Unknown trap in Xen PV mode") } },
	/* mm/kasan/report.c */
	[US_CAP_KASAN] = { "KASAN", "KASAN=y", { TEXT("BUG: KASAN: ") } },
	/* kernel/locking/lockdep.c, mm/debug_page_alloc.c: early_param */
	[US_CAP_DEBUG_HEAVY] = { "PROVE_LOCKING or DEBUG_PAGEALLOC",
				 "PROVE_LOCKING=y | DEBUG_PAGEALLOC=y",
				 { TEXT("possible circular locking dependency detected"),
				   WHOLE("debug_pagealloc") } },
	/* kernel/power/hibernate.c: __setup */
	[US_CAP_HIBERNATION] = { "HIBERNATION", "HIBERNATION=y", { WHOLE("resume=") } },
	[US_CAP_SMP] = { "SMP", "SMP=y", .no_absence = true },
	/* init/do_mounts_initrd.c: early_param, __setup */
	[US_CAP_INITRD] = { "BLK_DEV_INITRD",
			    "BLK_DEV_INITRD=y",
			    { WHOLE("initrdmem"), WHOLE("noinitrd"), WHOLE("retain_initrd") } },
	/* lib/decompress_*.c */
	[US_CAP_RD_GZIP] = { "RD_GZIP", "RD_GZIP=y", { WHOLE("Not a gzip file") } },
	[US_CAP_RD_BZIP2] = { "RD_BZIP2",
			      "RD_BZIP2=y",
			      { TEXT("Data integrity error when decompressing") } },
	[US_CAP_RD_LZMA] = { "RD_LZMA", "RD_LZMA=y", { TEXT("LZMA data is corrupt") } },
	[US_CAP_RD_XZ] = { "RD_XZ", "RD_XZ=y", { TEXT("Input is not in the XZ format") } },
	[US_CAP_RD_LZO] = { "RD_LZO", "RD_LZO=y", { TEXT("Compressed data violation") } },
	[US_CAP_RD_LZ4] = { "RD_LZ4",
			    "RD_LZ4=y",
			    { TEXT("chunk length is longer than allocated") } },
	[US_CAP_RD_ZSTD] = { "RD_ZSTD", "RD_ZSTD=y", { TEXT("Input is not in the ZSTD format") } },
};

static const struct text others[US_NEEDLE_CAPS] = {
	[US_NEEDLE_BANNER] = TEXT("Linux version "),
	[US_NEEDLE_BANNER_2] = TEXT("Linux version "),
	[US_NEEDLE_IKCONFIG] = TEXT(US_IKCONFIG_START),
	[US_NEEDLE_PANIC] = TEXT("Kernel panic - not syncing"),
	[US_NEEDLE_REBOOT] = WHOLE("sys_reboot"),
	[US_NEEDLE_CRASH_LOADED] = WHOLE("kexec_crash_loaded"),
};
_Static_assert(US_NEEDLE_CAPS + TEXTS_MAX * US_CAP_COUNT <= US_NEEDLES_MAX, "room for all");

const char *us_cap_name(enum us_cap cap)
{
	return (unsigned int)cap < US_CAP_COUNT ? caps[cap].symbol : "unknown";
}

size_t us_cap_needles(struct us_needle needles[US_NEEDLES_MAX])
{
	size_t n = 0;

	for (; n < US_NEEDLE_CAPS; n++)
		needles[n] = (struct us_needle){ others[n].p, others[n].n, US_NOWHERE };
	for (size_t c = 0; c < US_CAP_COUNT; c++)
		for (size_t t = 0; t < TEXTS_MAX && caps[c].texts[t].p; t++)
			needles[n++] = (struct us_needle){ caps[c].texts[t].p, caps[c].texts[t].n,
							   US_NOWHERE };
	return n;
}

/* A needle as people read it. */
static const char *quoted(const struct text *text, int *ret_len)
{
	bool whole = !text->p[0];

	*ret_len = (int)(whole ? text->n - 2 : text->n);
	return text->p + whole;
}

static struct us_err *set(struct us_image *image, enum us_cap cap, enum us_tri v, const char *from)
{
	if (!from)
		return us_err_nomem();
	image->caps[cap] = (struct us_cap_fact){ .v = v, .from = from };
	return NULL;
}

static unsigned int version_of(const struct us_image *image)
{
	unsigned int major, minor, patch;

	if (!image->release || !us_release_numbers(image->release, &major, &minor, &patch))
		return 0;
	return VERSION(major, minor);
}

/* What header and banner say, which no .config can change. */
static struct us_err *judge_header(struct us_image *image)
{
	const struct us_setup *s = &image->setup;
	bool bzimage = image->kind == US_IMAGE_BZIMAGE;

	if (bzimage && s->version >= 0x205)
		US_TRY(set(image, US_CAP_RELOCATABLE, us_tri_of(s->relocatable_kernel),
			   "relocatable_kernel at 0x234"));
	if (bzimage && s->version >= 0x20c && s->xloadflags & US_XLF_5LEVEL)
		US_TRY(set(image, US_CAP_X86_5LEVEL,
			   us_tri_of(s->xloadflags & US_XLF_5LEVEL_ENABLED),
			   "XLF_5LEVEL_ENABLED in xloadflags at 0x236"));
	else if (image->arch && image->arch->id == US_ARCH_X86_64 &&
		 version_of(image) >= ALWAYS_5LEVEL)
		US_TRY(set(image, US_CAP_X86_5LEVEL, US_YES, "always there since Linux 6.17"));
	if (image->banner && strstr(image->banner, " #"))
		US_TRY(set(image, US_CAP_SMP, us_tri_of(strstr(image->banner, " SMP ")),
			   "the banner of the kernel"));
	return NULL;
}

static struct us_err *judge_config(struct us_image *image, enum us_cap cap)
{
	enum us_tri v = us_kconfig_wants(image->kconfig, caps[cap].want);

	return set(image, cap, v,
		   us_pool_format(&image->pool, "CONFIG_%s%s in %s", caps[cap].symbol,
				  v == US_YES ? "=y" : " is not set", image->kconfig_from));
}

static struct us_err *note_contradiction(struct us_image *image, enum us_cap cap)
{
	if (image->kconfig_note || us_kconfig_wants(image->kconfig, caps[cap].want) != US_NO)
		return NULL;
	image->kconfig_note =
		us_pool_format(&image->pool,
			       "%s is not of this image: it has no CONFIG_%s, the image "
			       "has the %s",
			       image->kconfig_from, caps[cap].symbol, image->caps[cap].from);
	return image->kconfig_note ? NULL : us_err_nomem();
}

static struct us_err *judge_found(struct us_image *image, enum us_cap cap, const struct text *text,
				  uint64_t at)
{
	int len;
	const char *p = quoted(text, &len);

	US_TRY(set(image, cap, US_YES,
		   us_pool_format(&image->pool, "string \"%.*s\" at 0x%" PRIx64, len, p,
				  at + !text->p[0])));
	return image->kconfig ? note_contradiction(image, cap) : NULL;
}

static bool absence_counts(const struct us_image *image, enum us_cap cap,
			   const struct us_needle *needles)
{
	unsigned int version = version_of(image);
	int given = caps[cap].given ? caps[cap].given : US_NEEDLE_PANIC;

	return !caps[cap].no_absence && needles[US_NEEDLE_PANIC].at != US_NOWHERE &&
	       needles[given].at != US_NOWHERE && version >= ABSENCE_FROM &&
	       version < ABSENCE_UNTIL;
}

/* Is the other string that this version must have missing? US_UNKNOWN: which version is not known. */
static enum us_tri lacks_other(const struct us_image *image, enum us_cap cap,
			       const struct us_needle *needles)
{
	unsigned int version = version_of(image);

	if (!caps[cap].also || needles[caps[cap].also].at != US_NOWHERE)
		return US_NO;
	return version ? us_tri_of(version >= caps[cap].also_from) : US_UNKNOWN;
}

static struct us_err *judge_strings(struct us_image *image, enum us_cap cap,
				    const struct us_needle *needles, size_t first)
{
	enum us_tri lacks = lacks_other(image, cap, needles);
	const struct text *missing = &caps[cap].texts[0];
	int len;
	const char *p;

	for (size_t t = 0; lacks == US_NO && t < TEXTS_MAX && caps[cap].texts[t].p; t++)
		if (needles[first + t].at != US_NOWHERE)
			return judge_found(image, cap, &caps[cap].texts[t], needles[first + t].at);
	if (image->kconfig)
		return judge_config(image, cap);
	if (lacks == US_UNKNOWN || !absence_counts(image, cap, needles))
		return NULL;
	if (lacks == US_YES && needles[first].at != US_NOWHERE)
		missing = &others[caps[cap].also];
	p = quoted(missing, &len);
	return set(image, cap, US_NO,
		   us_pool_format(&image->pool, "no string \"%.*s\" in the image", len, p));
}

struct us_err *us_caps_judge(struct us_image *image, bool ikconfig, const struct us_needle *needles)
{
	size_t next = US_NEEDLE_CAPS, first;

	US_TRY(judge_header(image));
	for (enum us_cap cap = 0; cap < US_CAP_COUNT; cap++) {
		first = next;
		while (next - first < TEXTS_MAX && caps[cap].texts[next - first].p)
			next++;
		if (image->caps[cap].v != US_UNKNOWN)
			continue;
		if (ikconfig)
			US_TRY(judge_config(image, cap));
		else
			US_TRY(judge_strings(image, cap, needles, first));
	}
	if (image->caps[US_CAP_KEXEC_SIG_FORCE].v == US_UNKNOWN &&
	    image->caps[US_CAP_KEXEC_SIG].v == US_NO)
		US_TRY(set(image, US_CAP_KEXEC_SIG_FORCE, US_NO, "needs KEXEC_SIG"));
	return NULL;
}
