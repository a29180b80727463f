/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What each part of kexec and kdump wants of a kernel's configuration, by version, architecture and
 * capability, as data. Read in Linux 6.1, 6.12 and 7.3 (kernel/Kconfig.kexec and the architectures'
 * Kconfig, the sources named beside each rule); 6.6.0 to 6.6.8 by kernel/Kconfig.kexec of those
 * releases. How rules are judged is in roles.c.
 */
#include "check/check-int.h"

#define ARCH(id)   US_ARCH_BIT(US_ARCH_##id)
#define EFI_ARCHES (US_X86 | ARCH(ARM64) | ARCH(ARM) | ARCH(RISCV64) | ARCH(LOONGARCH64))
#define SOURCE     US_PART_BIT(US_PART_SOURCE)
#define TARGET     US_PART_BIT(US_PART_TARGET)
#define PANIC      US_PART_BIT(US_PART_PANIC)
#define CAPTURE    US_PART_BIT(US_PART_CAPTURE)

#define HOTPLUG_COSTS                                                                              \
	"After CPUs or memory were added or removed, the crash image must be loaded again from "   \
	"user space"

#define IOMMU_COSTS                                                                                \
	"On a machine with this IOMMU, devices keep the mappings of the kernel that died and "     \
	"fault: disks and network may be out of reach"

static const struct us_part_rule rules[] = {
	/* ---- starting another kernel; the side that dies must do that, too ---- */
	{
		.id = "source.kexec-load",
		.parts = SOURCE | PANIC,
		.calls = US_PART_BY_LOAD,
		.want = "KEXEC=y",
		.costs = "There is no kexec_load(2): only images that the kernel's own loader "
			 "takes can be loaded",
		.see = "kernel/kexec.c",
	},
	{
		.id = "source.kexec-file-load",
		.parts = SOURCE | PANIC,
		.calls = US_PART_BY_FILE,
		.want = "KEXEC_FILE=y",
		.costs = "There is no kexec_file_load(2): no signature is ever checked, and a kernel "
			 "that is locked down (secure boot) loads nothing",
		.see = "kernel/kexec_file.c",
	},
	{
		.id = "source.kexec-core",
		.parts = SOURCE | PANIC,
		.want = "KEXEC_CORE=y",
		.since = US_LINUX(4, 3, 0),
		.unknown_ok = true,
		.comes = true,
		.costs = "The kernel cannot hold another one at all",
		.see = "kernel/kexec_core.c; selected by KEXEC and KEXEC_FILE",
	},
	{
		.id = "source.forced-without-verifier",
		.parts = SOURCE | PANIC,
		.calls = US_PART_BY_FILE,
		.arch = ARCH(X86_64),
		.given = "KEXEC_FILE=y",
		.want = "KEXEC_BZIMAGE_VERIFY_SIG=y | KEXEC_SIG_FORCE=n & KEXEC_VERIFY_SIG=n",
		.unknown_ok = true,
		.costs = "Signatures are insisted on, and nothing can verify one: kexec_file_load "
			 "refuses every image (EKEYREJECTED)",
		.see = "kernel/kexec_file.c: kimage_validate_signature(); KEXEC_VERIFY_SIG to 5.3",
	},
	{
		.id = "source.locked-down",
		.parts = SOURCE | PANIC,
		.calls = US_PART_BY_LOAD,
		.since = US_LINUX(5, 4, 0),
		.given = "KEXEC=y",
		.want = "LOCK_DOWN_KERNEL_FORCE_INTEGRITY=n & "
			"LOCK_DOWN_KERNEL_FORCE_CONFIDENTIALITY=n",
		.unknown_ok = true,
		.costs = "The kernel is locked down from its start: kexec_load answers EPERM, "
			 "whoever asks",
		.see = "kernel/kexec.c: LOCKDOWN_KEXEC; security/lockdown/Kconfig",
	},
	{
		.id = "source.signatures",
		.parts = SOURCE | PANIC,
		.weight = US_PART_WISHES,
		.arch = ARCH(X86_64) | ARCH(ARM64) | ARCH(S390X),
		.since = US_LINUX(5, 4, 0),
		.given = "KEXEC_FILE=y",
		.want = "KEXEC_SIG=y",
		.costs = "kexec_file_load checks no signature, not even when the kernel is locked "
			 "down: whoever may load may start any code",
		.see = "kernel/kexec_file.c: the check is built with KEXEC_SIG alone",
	},
	{
		.id = "source.verifier-x86",
		.parts = SOURCE | PANIC,
		.weight = US_PART_WISHES,
		.arch = ARCH(X86_64),
		.given = "KEXEC_SIG=y",
		.want = "KEXEC_BZIMAGE_VERIFY_SIG=y",
		.costs = "KEXEC_SIG that can verify nothing: locked down, or where signatures are "
			 "insisted on, every image is refused",
		.see = "arch/x86/kernel/kexec-bzimage64.c: .verify_sig",
	},
	{
		.id = "source.verifier-arm64",
		.parts = SOURCE | PANIC,
		.weight = US_PART_WISHES,
		.arch = ARCH(ARM64),
		.given = "KEXEC_SIG=y",
		.want = "KEXEC_IMAGE_VERIFY_SIG=y",
		.costs = "KEXEC_SIG that can verify nothing: locked down, or where signatures are "
			 "insisted on, every image is refused",
		.see = "arch/arm64/kernel/kexec_image.c: .verify_sig",
	},
	{
		.id = "source.efi-runtime-map",
		.parts = SOURCE,
		.weight = US_PART_WISHES,
		.arch = ARCH(X86_64),
		.given = "EFI=y & KEXEC=y",
		.want = "EFI_RUNTIME_MAP=y",
		.costs = "kexec_load cannot hand on the firmware's runtime services: the next kernel "
			 "has no EFI variables",
		.see = "drivers/firmware/efi/runtime-map.c",
	},
	/* ---- being started ---- */
	{
		.id = "target.relocatable",
		.parts = TARGET | CAPTURE,
		.calls = US_PART_BY_FILE,
		.arch = ARCH(X86_64),
		.want = "RELOCATABLE=y",
		.costs = "kexec_file_load refuses it, since it cannot lie above 4 GiB; by kexec_load "
			 "it runs at its one address only",
		.see = "arch/x86/kernel/kexec-bzimage64.c: XLF_CAN_BE_LOADED_ABOVE_4G",
	},
	{
		.id = "target.64-bit",
		.parts = TARGET | CAPTURE,
		.calls = US_PART_BY_FILE,
		.arch = ARCH(I386),
		.want = "X86_64=y",
		.comes = true,
		.costs = "kexec_file_load takes no 32-bit image",
		.see = "arch/x86/kernel/kexec-bzimage64.c: XLF_KERNEL_64",
	},
	{
		.id = "target.initrd",
		.parts = TARGET,
		.weight = US_PART_WISHES,
		.want = "BLK_DEV_INITRD=y",
		.costs = "It takes no initrd: it starts only where its root file system needs no "
			 "module",
		.see = "init/Kconfig",
	},
	{
		.id = "target.efi",
		.parts = TARGET,
		.weight = US_PART_WISHES,
		.arch = EFI_ARCHES,
		.want = "EFI=y",
		.costs = "Started on an EFI machine it has no firmware services: no EFI variables, "
			 "no boot order",
		.see = "drivers/firmware/efi",
	},
	{
		.id = "target.5-level",
		.parts = TARGET,
		.weight = US_PART_WISHES,
		.arch = ARCH(X86_64),
		.since = US_LINUX(4, 14, 0),
		.until = US_LINUX(6, 17, 0),
		.want = "X86_5LEVEL=y",
		.costs = "On a machine that runs with five paging levels it must be placed below "
			 "64 TiB, and uses no memory above",
		.see = "Documentation/arch/x86/boot.rst: XLF_5LEVEL_ENABLED; always there from 6.17",
	},
	{
		.id = "target.x2apic",
		.parts = TARGET | CAPTURE,
		.weight = US_PART_WISHES,
		.arch = ARCH(X86_64),
		.want = "X86_X2APIC=y",
		.costs = "It does not start on machines whose x2APIC is locked or whose processors "
			 "have ids from 255 on",
		.see = "arch/x86/kernel/apic/apic.c",
	},
	/* ---- dying ---- */
	{
		.id = "panic.crash-dump",
		.parts = PANIC,
		.age = US_AGE_CUT,
		.want = "CRASH_DUMP=y",
		.costs = "From Linux 6.9 on the side that dies needs it, too: no memory is kept for "
			 "a capture kernel, and a crash image is taken for that of the next reboot "
			 "without a word (KEXEC_ON_CRASH is not refused)",
		.see = "kernel/kexec.c and kernel/kexec_file.c (Linux 6.12); without it "
		       "/sys/kernel/kexec_crash_loaded is missing",
	},
	{
		.id = "panic.crash-reserve",
		.parts = PANIC,
		.age = US_AGE_CUT,
		.want = "CRASH_RESERVE=y",
		.unknown_ok = true,
		.comes = true,
		.costs = "crashkernel= is not understood: no memory is kept for a capture kernel",
		.see = "kernel/crash_reserve.c; selected by CRASH_DUMP",
	},
	{
		.id = "panic.vmcore-info",
		.parts = PANIC,
		.age = US_AGE_CUT,
		.want = "VMCORE_INFO=y",
		.unknown_ok = true,
		.comes = true,
		.costs = "A dump of it does not describe itself: it cannot be filtered",
		.see = "kernel/vmcore_info.c; selected by CRASH_DUMP and PROC_KCORE",
	},
	{
		.id = "panic.crash-core",
		.parts = PANIC,
		.age = US_AGE_UNCUT,
		.since = US_LINUX(4, 13, 0),
		.want = "CRASH_CORE=y",
		.unknown_ok = true,
		.comes = true,
		.costs = "crashkernel= is not understood, and a dump does not describe itself",
		.see = "kernel/crash_core.c (Linux 6.1); selected by KEXEC_CORE",
	},
	{
		.id = "panic.hotplug",
		.parts = PANIC,
		.weight = US_PART_WISHES,
		.arch = US_X86,
		.since = US_LINUX(6, 6, 0),
		.given = "HOTPLUG_CPU=y | MEMORY_HOTPLUG=y",
		.want = "CRASH_HOTPLUG=y",
		.costs = HOTPLUG_COSTS,
		.see = "kernel/crash_core.c: crash_handle_hotplug_event()",
	},
	{
		.id = "panic.hotplug-ppc64",
		.parts = PANIC,
		.weight = US_PART_WISHES,
		.arch = ARCH(PPC64),
		.since = US_LINUX(6, 10, 0),
		.given = "HOTPLUG_CPU=y | MEMORY_HOTPLUG=y",
		.want = "CRASH_HOTPLUG=y",
		.costs = HOTPLUG_COSTS,
		.see = "kernel/crash_core.c: crash_handle_hotplug_event()",
	},
	{
		.id = "panic.debug-info",
		.parts = PANIC,
		.weight = US_PART_WISHES,
		.want = "DEBUG_INFO_BTF=y | DEBUG_INFO=y",
		.costs = "What a dump of it holds can be told only as far as VMCOREINFO goes",
		.see = "lib/Kconfig.debug",
	},
	{
		.id = "panic.sysrq",
		.parts = PANIC,
		.weight = US_PART_WISHES,
		.want = "MAGIC_SYSRQ=y",
		.costs = "A crash cannot be tried out through /proc/sysrq-trigger",
		.see = "drivers/tty/sysrq.c",
	},
	{
		.id = "panic.encrypted-volumes",
		.parts = PANIC | CAPTURE,
		.weight = US_PART_WISHES,
		.since = US_LINUX(6, 16, 0),
		.given = "DM_CRYPT=m & KEXEC_FILE=y",
		.want = "CRASH_DM_CRYPT=y",
		.costs = "Keys of encrypted volumes cannot be handed on: no dump can be saved there",
		.see = "kernel/crash_dump_dm_crypt.c",
	},
	/* ---- capturing ---- */
	{
		.id = "capture.crash-dump",
		.parts = CAPTURE,
		.want = "CRASH_DUMP=y",
		.costs = "elfcorehdr= is not understood: it boots as if nothing had happened",
		.see = "kernel/elfcorehdr.c (kernel/crash_dump.c to 6.8)",
	},
	{
		.id = "capture.proc-vmcore",
		.parts = CAPTURE,
		.want = "PROC_VMCORE=y",
		.costs = "There is no /proc/vmcore, the file that a dump is read from",
		.see = "fs/proc/vmcore.c",
	},
	{
		.id = "capture.initrd",
		.parts = CAPTURE,
		.want = "BLK_DEV_INITRD=y",
		.costs =
			"It takes no initrd, and that is where the program that saves the dump lies",
		.see = "init/Kconfig",
	},
	{
		.id = "capture.place",
		.parts = CAPTURE,
		.arch = US_X86,
		.want = "RELOCATABLE=y | PHYSICAL_START>0x1000000",
		.costs = "It runs at one address only, and there the kernel that died lies",
		.see = "arch/x86/Kconfig: PHYSICAL_START",
	},
	{
		.id = "capture.place-elsewhere",
		.parts = CAPTURE,
		.arch = ARCH(PPC64) | ARCH(LOONGARCH64),
		.want = "RELOCATABLE=y",
		.unknown_ok = true,
		.comes = true,
		.costs = "It runs at one address only, and there the kernel that died lies",
		.see = "selected by CRASH_DUMP",
	},
	{
		.id = "capture.initrd-codec",
		.parts = TARGET | CAPTURE,
		.weight = US_PART_WISHES,
		.given = "BLK_DEV_INITRD=y",
		.want = "RD_ZSTD=y | RD_GZIP=y | RD_XZ=y | RD_LZ4=y | RD_LZO=y | RD_BZIP2=y | "
			"RD_LZMA=y",
		.costs = "It unpacks no compressed initrd",
		.see = "usr/Kconfig",
	},
	{
		.id = "capture.kasan",
		.parts = CAPTURE,
		.weight = US_PART_WISHES,
		.want = "KASAN=n",
		.costs = "KASAN takes an eighth of the memory that was reserved, and makes the capture "
			 "slow; the capture kernel need not be the one that dies",
		.see = "Documentation/dev-tools/kasan.rst",
	},
	{
		.id = "capture.debug-kernel",
		.parts = CAPTURE,
		.weight = US_PART_WISHES,
		.want = "PROVE_LOCKING=n & DEBUG_PAGEALLOC=n",
		.cap = US_CAP_DEBUG_HEAVY,
		.by_cap = true,
		.costs = "A debug kernel, slow and large for the memory that was reserved",
		.see = "lib/Kconfig.debug",
	},
	{
		.id = "capture.console",
		.parts = CAPTURE,
		.weight = US_PART_WISHES,
		.want = "SERIAL_8250_CONSOLE=y | VT_CONSOLE=y | SERIAL_AMBA_PL011_CONSOLE=y | "
			"VIRTIO_CONSOLE=y | HVC_DRIVER=y | SCLP_CONSOLE=y",
		.costs = "Nothing is seen of a capture that fails",
		.see = "drivers/tty",
	},
	{
		.id = "capture.iommu-intel",
		.parts = CAPTURE,
		.weight = US_PART_WISHES,
		.arch = ARCH(X86_64),
		.want = "INTEL_IOMMU=y",
		.costs = IOMMU_COSTS,
		.see = "drivers/iommu: is_kdump_kernel()",
	},
	{
		.id = "capture.iommu-amd",
		.parts = CAPTURE,
		.weight = US_PART_WISHES,
		.arch = ARCH(X86_64),
		.want = "AMD_IOMMU=y",
		.costs = IOMMU_COSTS,
		.see = "drivers/iommu: is_kdump_kernel()",
	},
	{
		.id = "capture.memory-encryption",
		.parts = CAPTURE,
		.weight = US_PART_WISHES,
		.arch = ARCH(X86_64),
		.want = "AMD_MEM_ENCRYPT=y",
		.costs = "The memory of a kernel that ran with it encrypted (SME) cannot be read",
		.see = "fs/proc/vmcore.c: copy_oldmem_page_encrypted()",
	},
	/* ---- to know ---- */
	{
		.id = "capture.at-one-place",
		.parts = CAPTURE,
		.weight = US_PART_TELLS,
		.arch = US_X86,
		.given = "RELOCATABLE=n & PHYSICAL_START>0x1000000",
		.costs = "It runs at PHYSICAL_START only, so the reservation must begin there "
			 "(crashkernel=SIZE@ADDRESS), and kexec_load alone takes it",
		.see = "arch/x86/Kconfig: PHYSICAL_START",
	},
	{
		.id = "capture.brings-a-call",
		.parts = CAPTURE,
		.weight = US_PART_TELLS,
		.age = US_AGE_CUT,
		.given = "CRASH_DUMP=y",
		.costs = "From Linux 6.9 on CRASH_DUMP depends on KEXEC or KEXEC_FILE, so that a kernel "
			 "that shall only capture has a kexec call, too. KEXEC_FILE alone, or "
			 "kernel.kexec_load_disabled=1, is the way out",
		.see = "kernel/Kconfig.kexec: CRASH_DUMP, KEXEC_CORE",
	},
	{
		.id = "capture.would-be-dropped",
		.parts = PANIC | CAPTURE,
		.weight = US_PART_TELLS,
		.age = US_AGE_CUT,
		.given = "CRASH_DUMP=y & KEXEC=n & KEXEC_FILE=n",
		.costs =
			"From Linux 6.9 on this cannot be: CRASH_DUMP depends on KEXEC_CORE, and the "
			"kernel's own configuration step drops CRASH_DUMP and PROC_VMCORE without a "
			"word",
		.see = "kernel/Kconfig.kexec: CRASH_DUMP",
	},
	{
		.id = "kconfig.crash-dump-sets-kexec",
		.parts = SOURCE | PANIC | CAPTURE,
		.weight = US_PART_TELLS,
		.since = US_LINUX(6, 6, 0),
		.until = US_LINUX(6, 6, 7),
		.given = "CRASH_DUMP=y",
		.costs = "In Linux 6.6.0 to 6.6.6 CRASH_DUMP selects KEXEC: a wish for KEXEC=n is "
			 "overruled without a word. CRASH_DUMP with KEXEC_FILE alone can be had "
			 "again from 6.6.7 on (and to 6.5)",
		.see = "kernel/Kconfig.kexec of 6.6: \"select KEXEC\"",
	},
	{
		.id = "kconfig.crash-dump-needs-sleep",
		.parts = PANIC | CAPTURE,
		.weight = US_PART_TELLS,
		.arch = ARCH(ARM64) | ARCH(ARM),
		.since = US_LINUX(6, 6, 0),
		.until = US_LINUX(6, 6, 8),
		.given = "PM_SLEEP_SMP=n",
		.costs =
			"In Linux 6.6.0 to 6.6.7 CRASH_DUMP depends on ARCH_SUPPORTS_KEXEC, and that "
			"on SUSPEND or HIBERNATION here: without them the kernel's own configuration "
			"step drops CRASH_DUMP",
		.see = "kernel/Kconfig.kexec of 6.6: CRASH_DUMP",
	},
};

const struct us_part_rule *us_part_rule_at(size_t i)
{
	return i < us_array_size(rules) ? &rules[i] : NULL;
}

#define FILE_ARCHES (ARCH(X86_64) | ARCH(ARM64) | ARCH(PPC64) | ARCH(RISCV64) | ARCH(S390X))
#define LOAD_ARCHES (ARCH(I386) | ARCH(ARM) | ARCH(LOONGARCH64))

static const struct us_part_need needs[] = {
	{ "KEXEC_FILE", "CRYPTO=y & CRYPTO_SHA256=y", .until = US_LINUX(6, 8, 0),
	  .arch = ARCH(X86_64) | ARCH(PPC64) | ARCH(S390X) },
	{ "KEXEC_FILE", "CRYPTO_SHA256_S390=y", .until = US_LINUX(6, 8, 0), .arch = ARCH(S390X) },
	{ "KEXEC", "SUSPEND=y | HIBERNATION=y | SMP=n", .arch = ARCH(ARM64) | ARCH(ARM) },
	{ "KEXEC_BZIMAGE_VERIFY_SIG", "KEXEC_SIG=y & SIGNED_PE_FILE_VERIFICATION=y" },
	{ "CRASH_DUMP", "KEXEC_FILE=y | KEXEC=y", .age = US_AGE_CUT, .arch = FILE_ARCHES },
	{ "CRASH_DUMP", "KEXEC=y", .age = US_AGE_CUT, .arch = LOAD_ARCHES },
	{ "CRASH_DUMP", "HIGHMEM4G=y | HIGHMEM64G=y", .arch = ARCH(I386) },
	{ "PROC_VMCORE", "PROC_FS=y & CRASH_DUMP=y" },
};

const struct us_part_need *us_part_need_at(size_t i)
{
	return i < us_array_size(needs) ? &needs[i] : NULL;
}

bool us_part_arch_has_file(const struct us_arch *arch)
{
	return !arch || arch->id == US_ARCH_UNKNOWN || (FILE_ARCHES & US_ARCH_BIT(arch->id));
}
