/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules about firmware and the machine it describes: EFI and ACPI handed over, memory encryption,
 * guests and hypervisors, APIC mode, IOMMU, graphics. Linux 6.12
 * arch/x86/kernel/kexec-bzimage64.c: setup_efi_state(), apic/apic.c, arch/x86/coco/,
 * drivers/iommu. What cannot be read from outside (locked x2APIC, TDX erratum) is a warning.
 */
#include "check/check-int.h"

#include <string.h>

static enum us_result efi_32bit(const struct us_case *c, struct us_detail *d)
{
	const struct us_host *host = c->host;

	if (host->efi.v == US_NO)
		return US_PASS;
	if (!us_known(host->efi_bits.o))
		return us_missing(d, host->efi_bits.o);
	us_fact(d, "the firmware is %" PRIu64 "-bit EFI", host->efi_bits.v);
	us_read(d, "%s", us_path(host->efi_bits.o));
	return us_fail_if(host->efi_bits.v == 32);
}

/* Will the next kernel get the EFI runtime? why: what stands against it. */
static bool efi_handed_over(const struct us_case *c, const char **ret_why)
{
	bool by_load = us_check_call(c) == US_CALL_LOAD;

	if (by_load && !(c->image->setup.xloadflags & US_XLF_EFI_KEXEC)) {
		*ret_why = "xloadflags bit 4 (XLF_EFI_KEXEC) is 0";
		return false;
	}
	if (by_load && c->wanted && c->wanted->no_efi) {
		*ret_why = "--no-efi was given";
		return false;
	}
	*ret_why = "this kernel keeps no EFI runtime map (noefi, efi=noruntime, or "
		   "CONFIG_EFI_RUNTIME_MAP is not set)";
	return c->host->n_efi_regions > 0;
}

/* The regions' directory exists for all, but its files are for root only. */
static bool efi_regions_hidden(const struct us_host *host)
{
	return !us_known(host->efi_regions_from) && host->n_efi_regions == 0;
}

static enum us_result efi_runtime_lost(const struct us_case *c, struct us_detail *d)
{
	const struct us_host *host = c->host;
	const char *why;
	bool handed;

	if (host->efi.v != US_YES)
		return host->efi.v == US_NO ? US_PASS : us_missing(d, host->efi.o);
	handed = efi_handed_over(c, &why);
	us_fact(d, "%s", why);
	us_read(d, "offset 0x236 of %s; %s", c->image->path, us_path(host->efi_regions_from));
	if (!handed && efi_regions_hidden(host) && strncmp(why, "this kernel", 11) == 0)
		return us_missing(d, host->efi_regions_from);
	return us_fail_if(!handed);
}

static enum us_result image_without_efi(const struct us_case *c, struct us_detail *d)
{
	if (c->host->efi.v != US_YES)
		return c->host->efi.v == US_NO ? US_PASS : us_missing(d, c->host->efi.o);
	/* arch/x86/boot/header.S sets these only with CONFIG_EFI */
	if (c->image->caps[US_CAP_EFI].v == US_UNKNOWN &&
	    c->image->setup.xloadflags & (US_XLF_EFI_KEXEC | US_XLF_EFI_HANDOVER_64))
		return US_PASS;
	return us_judge_cap(c, d, US_CAP_EFI, US_NO);
}

static enum us_result no_rsdp(const struct us_case *c, struct us_detail *d)
{
	const struct us_host *host = c->host;
	const struct us_fact_u64 *rsdp = &host->acpi_rsdp;
	const char *why;

	/* a BIOS machine's tables are found by searching low memory */
	if (host->efi.v == US_NO || (us_known(rsdp->o) && rsdp->v) ||
	    us_has_word(us_next_cmdline(c), "acpi_rsdp"))
		return US_PASS;
	if (host->efi.v == US_UNKNOWN)
		return us_missing(d, host->efi.o);
	if (efi_handed_over(c, &why))
		return US_PASS;
	if (!us_known(rsdp->o))
		return us_missing(d, rsdp->o);
	us_fact(d, "EFI is not handed over (%s), and the address of the ACPI tables is not known",
		why);
	us_read(d, "%s; offset 0x236 of %s", us_path(rsdp->o), c->image->path);
	return US_FAIL;
}

static enum us_result encryption_mismatch(const struct us_case *c, struct us_detail *d)
{
	const struct us_fact_tri *sme = &c->host->sme_active;
	const char *line = us_next_cmdline(c), *now = NULL, *next = NULL;

	if (!us_known(sme->o))
		return us_missing(d, sme->o);
	if (sme->v == US_NO)
		return US_PASS;
	us_words(c->host->cmdline.v, "mem_encrypt", d->pool, &now);
	us_words(line, "mem_encrypt", d->pool, &next);
	us_fact(d,
		"memory encryption is active here (mem_encrypt=%s); the capture kernel gets %s%s",
		now ? now : "", next ? "mem_encrypt=" : "no mem_encrypt=", next ? next : "");
	us_read(d, "%s; the next command line", us_path(sme->o));
	if ((now && strcmp(now, "on") == 0 && !next) || (next && strcmp(next, "off") == 0))
		return US_FAIL;
	return us_judge_cap(c, d, US_CAP_MEM_ENCRYPT, US_NO);
}

/* A yes of f means trouble for kernels before major.minor; 0.0 for all. */
static enum us_result trouble_before(const struct us_host *host, struct us_detail *d,
				     const struct us_fact_tri *f, const char *what, int major,
				     int minor)
{
	enum us_tri old = major ? us_release_before(host->release.v, major, minor) : US_YES;

	if (!us_known(f->o))
		return us_missing(d, f->o);
	if (f->v == US_NO || old == US_NO)
		return US_PASS;
	us_fact(d, "%s, and this kernel is %s", what, host->release.v);
	us_read(d, "%s; %s", us_path(f->o), us_path(host->release.o));
	return US_FAIL;
}

static enum us_result guest_sev(const struct us_case *c, struct us_detail *d)
{
	return trouble_before(c->host, d, &c->host->sev_guest,
			      "this is an SEV guest with encrypted memory", 6, 12);
}

static enum us_result guest_tdx(const struct us_case *c, struct us_detail *d)
{
	return trouble_before(c->host, d, &c->host->tdx_guest, "this is a TDX guest", 6, 12);
}

static enum us_result unaccepted_memory(const struct us_case *c, struct us_detail *d)
{
	const struct us_host *host = c->host;

	if (!us_known(host->unaccepted.o))
		return us_missing(d, host->unaccepted.o);
	us_fact(d,
		"%" PRIu64
		" KiB of this guest's memory are not accepted yet, and this kernel is %s",
		host->unaccepted.v >> 10, host->release.v);
	us_read(d, "%s; %s", us_path(host->unaccepted.o), us_path(host->release.o));
	return us_fail_if(host->unaccepted.v && us_release_before(host->release.v, 6, 15) != US_NO);
}

static enum us_result host_tdx(const struct us_case *c, struct us_detail *d)
{
	return trouble_before(c->host, d, &c->host->tdx_host, "this machine can host TDX guests", 0,
			      0);
}

static enum us_result host_xen(const struct us_case *c, struct us_detail *d)
{
	return trouble_before(c->host, d, &c->host->xen_pv,
			      "this kernel runs as a paravirtual Xen domain", 0, 0);
}

static enum us_result x2apic(const struct us_case *c, struct us_detail *d)
{
	const struct us_host *host = c->host;
	enum us_result result;

	if (!us_known(host->x2apic.o))
		return us_missing(d, host->x2apic.o);
	if (host->x2apic.v == US_NO)
		return US_PASS;
	result = us_judge_cap(c, d, US_CAP_X2APIC, US_NO);
	/* with few CPUs only a locked x2APIC, which nobody can see from here, stands in the way */
	if (result == US_FAIL && us_known(host->max_apicid.o) && host->max_apicid.v >= 255)
		d->severity = US_BLOCK;
	return result;
}

static enum us_result nox2apic(const struct us_case *c, struct us_detail *d)
{
	const struct us_host *host = c->host;

	if (!us_has_word(us_next_cmdline(c), "nox2apic"))
		return US_PASS;
	if (!us_known(host->x2apic.o))
		return us_missing(d, host->x2apic.o);
	us_fact(d,
		"the processors are in x2APIC mode (highest APIC id %" PRIu64
		"), and the next command line says nox2apic",
		host->max_apicid.v);
	us_read(d, "%s; the next command line", us_path(host->x2apic.o));
	return us_fail_if(host->x2apic.v == US_YES);
}

static enum us_result iommu_not_in_image(const struct us_case *c, struct us_detail *d)
{
	const struct us_host *host = c->host;
	bool amd = strcmp(host->iommu_kind.v, "amd") == 0;

	if (!us_known(host->iommus.o))
		return us_missing(d, host->iommus.o);
	if (!host->iommus.v || (!amd && strcmp(host->iommu_kind.v, "intel") != 0))
		return US_PASS;
	return us_judge_cap(c, d, amd ? US_CAP_AMD_IOMMU : US_CAP_INTEL_IOMMU, US_NO);
}

static enum us_result iommu_switched_off(const struct us_case *c, struct us_detail *d)
{
	static const char *const words[] = { "intel_iommu", "amd_iommu", "iommu" };
	const char *value;

	if (!us_known(c->host->iommus.o))
		return us_missing(d, c->host->iommus.o);
	for (size_t i = 0; c->host->iommus.v && i < us_array_size(words); i++) {
		us_words(us_next_cmdline(c), words[i], d->pool, &value);
		if (!value || strcmp(value, "off") != 0)
			continue;
		us_fact(d,
			"%" PRIu64 " IOMMUs are in use here, and the next command line says %s=off",
			c->host->iommus.v, words[i]);
		us_read(d, "%s; the next command line", us_path(c->host->iommus.o));
		return US_FAIL;
	}
	return US_PASS;
}

static enum us_result gpu_not_reset(const struct us_case *c, struct us_detail *d)
{
	const struct us_fact_str *f = &c->host->gpu_drivers;

	if (!us_known(f->o))
		return us_missing(d, f->o);
	us_fact(d, "graphics drivers in use: %s", f->v);
	us_read(d, "%s", us_path(f->o));
	return us_fail_if(*f->v && !us_has_word(us_next_cmdline(c), "nomodeset"));
}

static enum us_result kho_not_in_image(const struct us_case *c, struct us_detail *d)
{
	const char *value = NULL;
	uint32_t max = c->image->setup.setup_type_max & 0x7fffffff;

	us_words(c->host->cmdline.v, "kho", d->pool, &value);
	if (!value || strcmp(value, "off") == 0 || strcmp(value, "0") == 0)
		return US_PASS;
	us_fact(d,
		"this kernel runs with kho=%s; the image knows setup_data types up to %u, and "
		"the handover is type 10",
		value, max);
	us_read(d, "/proc/cmdline; kernel_info of %s", c->image->path);
	return us_fail_if(max < 10 || us_check_call(c) == US_CALL_LOAD);
}

static const struct us_rule firmware_rules[] = {
	{
		.id = "firmware.efi-32bit",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.arch = US_X86_64B,
		.by = US_BY_FILE,
		.needs = US_NEEDS_HOST,
		.unknown_ok = true,
		.says = "kexec_file_load refuses to work over 32-bit EFI firmware",
		.fix = "Use kexec_load (--call load)",
		.see = "arch/x86/kernel/kexec-bzimage64.c (Linux 6.12): ENOEXEC, said at debug level "
		       "only",
		.test = efi_32bit,
	},
	{
		.id = "firmware.efi-runtime-lost",
		.severity = US_WARN,
		.when = US_ON_BOTH,
		.arch = US_X86_64B,
		.needs = US_NEEDS_HOST | US_NEEDS_IMAGE | US_NEEDS_BZIMAGE,
		.says = "The next kernel will have no EFI runtime: no EFI variables, no EFI reboot",
		.fix = "Choose an image with CONFIG_EFI and kexec support, and boot this kernel without "
		       "noefi",
		.see = "arch/x86/kernel/kexec-bzimage64.c (Linux 6.12): setup_efi_state()",
		.test = efi_runtime_lost,
	},
	{
		.id = "firmware.no-rsdp",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.arch = US_X86_64B,
		.needs = US_NEEDS_HOST | US_NEEDS_IMAGE | US_NEEDS_BZIMAGE,
		.unknown_ok = true,
		.says = "The next kernel would not find the ACPI tables, hence no interrupts and no PCI",
		.fix = "Add acpi_rsdp=ADDRESS to the next command line (dmesg | grep RSDP shows it)",
		.see = "Documentation/admin-guide/kernel-parameters.txt: acpi_rsdp",
		.test = no_rsdp,
	},
	{
		.id = "firmware.image-without-efi",
		.severity = US_WARN,
		.when = US_ON_BOTH,
		.arch = US_X86_64B,
		.needs = US_NEEDS_HOST | US_NEEDS_IMAGE,
		.says = "This machine started by EFI, and the image has no EFI support",
		.fix = "Choose an image with CONFIG_EFI=y",
		.see = "arch/x86/Kconfig: EFI",
		.test = image_without_efi,
	},
};

static const struct us_rule machine_rules[] = {
	{
		.id = "host.xen",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.arch = US_X86,
		.needs = US_NEEDS_HOST,
		.unknown_ok = true,
		.says = "Under Xen's paravirtual mode the kernel cannot start another one; crashkernel= "
			"is ignored",
		.fix = "Load through Xen's own tools in its first domain, or run the domain as PVH or "
		       "HVM",
		.see = "arch/x86/kernel/setup.c (Linux 6.12): \"Ignoring crashkernel for a Xen PV "
		       "domain\"",
		.test = host_xen,
	},
	{
		.id = "host.tdx",
		.severity = US_WARN,
		.when = US_ON_BOTH,
		.arch = US_X86_64B,
		.needs = US_NEEDS_HOST,
		.says = "On some processors with TDX the kernel refuses kexec because of an erratum",
		.fix = "Boot with TDX off (kvm_intel.tdx=0)",
		.see = "arch/x86/kernel/machine_kexec_64.c (Linux 6.18); before that INTEL_TDX_HOST "
		       "excludes kexec",
		.test = host_tdx,
	},
	{
		.id = "guest.sev",
		.severity = US_WARN,
		.when = US_ON_BOTH,
		.arch = US_X86_64B,
		.needs = US_NEEDS_HOST,
		.says = "This kernel does not give its shared pages back before the jump; the next one "
			"may hang or lose memory",
		.fix = "Use a kernel of Linux 6.12 or later as the first one",
		.see = "arch/x86/kernel/crash.c (Linux 6.12): enc_kexec_begin()",
		.test = guest_sev,
	},
	{
		.id = "guest.tdx",
		.severity = US_WARN,
		.when = US_ON_BOTH,
		.arch = US_X86_64B,
		.needs = US_NEEDS_HOST,
		.says = "This kernel does not take its shared pages back before the jump; the next one "
			"will stop when it touches them",
		.fix = "Use a kernel of Linux 6.12 or later as the first one",
		.see = "arch/x86/coco/tdx/tdx.c (Linux 6.12): tdx_kexec_begin()",
		.test = guest_tdx,
	},
	{
		.id = "guest.unaccepted-memory",
		.severity = US_WARN,
		.when = US_ON_REBOOT, /* a crash reservation is accepted when it is made */
		.arch = US_X86_64B,
		.needs = US_NEEDS_HOST,
		.says = "This kernel may put parts of the next one into memory that the guest has not "
			"accepted; the jump would end the guest",
		.fix = "Boot this kernel with accept_memory=eager, or use Linux 6.15 or later as the "
		       "first one",
		.see = "kernel/kexec_core.c (Linux 6.15) accepts the segments' places; before that "
		       "nothing does",
		.test = unaccepted_memory,
	},
	{
		.id = "memory.encryption-mismatch",
		.severity = US_BLOCK,
		.when = US_ON_CRASH,
		.role = US_ROLE_CAPTURE,
		.arch = US_X86_64B,
		.needs = US_NEEDS_HOST | US_NEEDS_IMAGE,
		.unknown_ok = true,
		.says = "Memory of this kernel is encrypted, and the capture kernel could not read it",
		.fix = "Add mem_encrypt=on to the capture command line, and choose an image with "
		       "CONFIG_AMD_MEM_ENCRYPT=y",
		.see = "fs/proc/vmcore.c (Linux 6.12): copy_oldmem_page_encrypted()",
		.test = encryption_mismatch,
	},
	{
		.id = "cpu.x2apic",
		.severity = US_WARN,
		.when = US_ON_BOTH,
		.arch = US_X86_64B,
		.needs = US_NEEDS_HOST | US_NEEDS_IMAGE,
		.says = "The processors are in x2APIC mode, and the image cannot drive that",
		.fix = "Choose an image with CONFIG_X86_X2APIC=y",
		.see = "arch/x86/kernel/apic/apic.c (Linux 6.12)",
		.test = x2apic,
	},
	{
		.id = "cpu.nox2apic",
		.severity = US_WARN,
		.when = US_ON_BOTH,
		.arch = US_X86_64B,
		.needs = US_NEEDS_HOST | US_NEEDS_CMDLINE,
		.says = "The next kernel is told to leave x2APIC mode, which locked or large machines "
			"cannot do",
		.fix = "Take nox2apic off the next command line",
		.see = "arch/x86/kernel/apic/apic.c (Linux 6.12): setup_nox2apic()",
		.test = nox2apic,
	},
	{
		.id = "iommu.not-in-image",
		.severity = US_WARN,
		.when = US_ON_CRASH,
		.role = US_ROLE_CAPTURE,
		.arch = US_X86_64B,
		.needs = US_NEEDS_HOST | US_NEEDS_IMAGE,
		.says = "An IOMMU is in use, and the capture kernel has no driver for it: devices keep "
			"running over the old tables and fault",
		.fix = "Choose an image with CONFIG_INTEL_IOMMU=y or CONFIG_AMD_IOMMU=y",
		.see = "drivers/iommu/intel/iommu.c (Linux 6.12): copy_translation_tables()",
		.test = iommu_not_in_image,
	},
	{
		.id = "iommu.switched-off",
		.severity = US_WARN,
		.when = US_ON_CRASH,
		.role = US_ROLE_CAPTURE,
		.arch = US_X86_64B,
		.needs = US_NEEDS_HOST | US_NEEDS_CMDLINE,
		.says = "An IOMMU is in use, and the capture kernel is told to leave it alone",
		.fix = "Take the word off the capture command line",
		.see = "drivers/iommu/intel/iommu.c (Linux 6.12)",
		.test = iommu_switched_off,
	},
	{
		.id = "gpu.not-reset",
		.severity = US_NOTE,
		.when = US_ON_BOTH,
		.needs = US_NEEDS_HOST,
		.says = "Graphics devices are not reset by the jump; some do not work afterwards",
		.fix = "Add nomodeset to the next command line, or leave the driver out of the initrd",
		.see = "drivers/gpu/drm: what a driver does at .shutdown differs",
		.test = gpu_not_reset,
	},
	{
		.id = "kho.not-in-image",
		.severity = US_WARN,
		.when = US_ON_REBOOT,
		.arch = US_X86_64B,
		.needs = US_NEEDS_HOST | US_NEEDS_IMAGE | US_NEEDS_BZIMAGE,
		.says = "What this kernel preserves by kexec handover (KHO) will not arrive",
		.fix = "Use kexec_file_load (--call file) and an image with CONFIG_KEXEC_HANDOVER=y",
		.see = "Documentation/admin-guide/mm/kho.rst (Linux 6.16)",
		.test = kho_not_in_image,
	},
};

const struct us_rule_table us_rules_firmware = US_RULE_TABLE(firmware_rules);
const struct us_rule_table us_rules_machine = US_RULE_TABLE(machine_rules);
