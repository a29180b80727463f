/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the rules about firmware, machine, the two sides of a crash, initrd and policy: see
 * test-rules.h for the form. */
#include "check/test-rules.h"

static void test_firmware(void **state)
{
	struct bench *b = *state;

	FAILS("firmware.efi-32bit", "32-bit", { host->efi_bits.v = 32; });
	PASSES("firmware.efi-32bit", "64-bit", {});
	PASSES("firmware.efi-32bit", "BIOS", {
		host->efi.v = US_NO;
		host->efi_bits.o = HIDDEN;
	});
	FAILS("firmware.efi-runtime-lost", "no runtime map", { host->n_efi_regions = 0; });
	FAILS("firmware.efi-runtime-lost", "kexec_load of an image without the bit", {
		by_load(b);
		image->setup.xloadflags = 0x6f;
	});
	FAILS("firmware.efi-runtime-lost", "--no-efi", {
		by_load(b);
		wanted->no_efi = true;
	});
	PASSES("firmware.efi-runtime-lost", "kexec_file_load does not ask for the bit",
	       { image->setup.xloadflags = 0x6f; });
	PASSES("firmware.efi-runtime-lost", "BIOS", { host->efi.v = US_NO; });
	UNKNOWN("firmware.efi-runtime-lost", "not root", {
		host->n_efi_regions = 0;
		host->efi_regions_from = HIDDEN;
	});
	FAILS("firmware.no-rsdp", "EFI lost and no address", {
		by_load(b);
		wanted->no_efi = true;
		host->acpi_rsdp.v = 0;
	});
	PASSES("firmware.no-rsdp", "EFI lost, address known", {
		by_load(b);
		wanted->no_efi = true;
	});
	PASSES("firmware.no-rsdp", "given by hand", {
		by_load(b);
		wanted->no_efi = true;
		host->acpi_rsdp.v = 0;
		next_cmdline(b, "acpi_rsdp=0x7f001000");
	});
	FAILS("firmware.image-without-efi", "no EFI in it", { image->caps[US_CAP_EFI].v = US_NO; });
	PASSES("firmware.image-without-efi", "EFI in it", {});
	PASSES("firmware.image-without-efi", "not looked into, and the header shows it",
	       { image->caps[US_CAP_EFI].v = US_UNKNOWN; });
	UNKNOWN("firmware.image-without-efi", "the header shows nothing", {
		image->caps[US_CAP_EFI].v = US_UNKNOWN;
		image->setup.xloadflags = 0x63;
	});
}

static void test_guests_and_hosts(void **state)
{
	struct bench *b = *state;

	FAILS("host.xen", "PV", { host->xen_pv.v = US_YES; });
	PASSES("host.xen", "no Xen", {});
	FAILS("host.tdx", "TDX host", { host->tdx_host.v = US_YES; });
	PASSES("host.tdx", "none", {});
	FAILS("guest.sev", "6.1", {
		host->sev_guest.v = US_YES;
		host->release.v = "6.1.0-56-amd64";
	});
	PASSES("guest.sev", "6.12", { host->sev_guest.v = US_YES; });
	FAILS("guest.tdx", "6.8", {
		host->tdx_guest.v = US_YES;
		host->release.v = "6.8.0";
	});
	PASSES("guest.tdx", "6.12", { host->tdx_guest.v = US_YES; });
	FAILS("guest.unaccepted-memory", "6.12", { host->unaccepted.v = GIB; });
	FAILS("guest.unaccepted-memory", "a release that is no version", {
		host->unaccepted.v = GIB;
		host->release.v = "next";
	});
	PASSES("guest.unaccepted-memory", "all is accepted", {});
	PASSES("guest.unaccepted-memory", "6.15", {
		host->unaccepted.v = GIB;
		host->release.v = "6.15.0";
	});
	UNKNOWN("guest.unaccepted-memory", "no /proc", { host->unaccepted.o = HIDDEN; });
	SILENT("guest.unaccepted-memory", "a crash", {
		on_crash(b);
		host->unaccepted.v = GIB;
	});
	FAILS("memory.encryption-mismatch", "switched on by hand and not passed on", {
		on_crash(b);
		host->sme_active.v = US_YES;
		host->cmdline.v = "root=/dev/sda1 mem_encrypt=on";
	});
	FAILS("memory.encryption-mismatch", "the image cannot", {
		on_crash(b);
		host->sme_active.v = US_YES;
		image->caps[US_CAP_MEM_ENCRYPT].v = US_NO;
	});
	PASSES("memory.encryption-mismatch", "passed on", {
		on_crash(b);
		host->sme_active.v = US_YES;
		host->cmdline.v = "root=/dev/sda1 mem_encrypt=on";
		next_cmdline(b, "nr_cpus=1 mem_encrypt=on");
	});
	PASSES("memory.encryption-mismatch", "not encrypted", { on_crash(b); });
}

static void test_devices(void **state)
{
	struct bench *b = *state;

	FAILS("cpu.x2apic", "not in the image", { image->caps[US_CAP_X2APIC].v = US_NO; });
	PASSES("cpu.x2apic", "in the image", {});
	PASSES("cpu.x2apic", "not in use", {
		image->caps[US_CAP_X2APIC].v = US_NO;
		host->x2apic.v = US_NO;
	});
	FAILS("cpu.nox2apic", "in use", { next_cmdline(b, "root=/dev/sda1 nox2apic"); });
	PASSES("cpu.nox2apic", "not in use", {
		host->x2apic.v = US_NO;
		next_cmdline(b, "root=/dev/sda1 nox2apic");
	});
	FAILS("iommu.not-in-image", "Intel", {
		on_crash(b);
		image->caps[US_CAP_INTEL_IOMMU].v = US_NO;
	});
	FAILS("iommu.not-in-image", "AMD", {
		on_crash(b);
		host->iommu_kind.v = "amd";
		image->caps[US_CAP_AMD_IOMMU].v = US_NO;
	});
	PASSES("iommu.not-in-image", "the driver for it is there", {
		on_crash(b);
		image->caps[US_CAP_AMD_IOMMU].v = US_NO;
	});
	FAILS("iommu.switched-off", "by word", {
		on_crash(b);
		next_cmdline(b, "nr_cpus=1 intel_iommu=off");
	});
	PASSES("iommu.switched-off", "left on", { on_crash(b); });
	FAILS("gpu.not-reset", "nouveau", { host->gpu_drivers.v = "nouveau"; });
	PASSES("gpu.not-reset", "no graphics", {});
	FAILS("kho.not-in-image", "an old image", {
		host->cmdline.v = "kho=on";
		image->setup.setup_type_max = 0x80000009;
	});
	FAILS("kho.not-in-image", "kexec_load", {
		by_load(b);
		host->cmdline.v = "kho=on";
	});
	PASSES("kho.not-in-image", "an image that knows it", { host->cmdline.v = "kho=on"; });
}

static void test_panic_side(void **state)
{
	struct bench *b = *state;

	FAILS("panic-side.no-crash-dump", "6.12 without it", {
		on_crash(b);
		host->crash_loaded.o = HIDDEN;
		host->has_crash_dump.v = US_NO;
	});
	PASSES("panic-side.no-crash-dump", "6.1 needs it on the other side only", {
		on_crash(b);
		host->crash_loaded.o = HIDDEN;
		host->has_crash_dump.v = US_NO;
		host->release.v = "6.1.0";
	});
	PASSES("panic-side.no-crash-dump", "the file is there", {
		on_crash(b);
		host->has_crash_dump.v = US_NO;
	});
	UNKNOWN("panic-side.no-crash-dump", "nothing readable", {
		on_crash(b);
		host->crash_loaded.o = HIDDEN;
		host->has_crash_dump = (struct us_fact_tri){ HIDDEN, US_UNKNOWN };
	});
	FAILS("panic-side.no-vmcoreinfo", "empty", {
		on_crash(b);
		host->vmcoreinfo_size.v = 0;
	});
	PASSES("panic-side.no-vmcoreinfo", "a page", { on_crash(b); });
	FAILS("panic-side.oops-continues", "0", {
		on_crash(b);
		host->panic_on_oops.v = 0;
	});
	PASSES("panic-side.oops-continues", "1", { on_crash(b); });
	FAILS("panic-side.post-notifiers", "1", {
		on_crash(b);
		host->crash_post_notifiers.v = 1;
	});
	PASSES("panic-side.post-notifiers", "0", { on_crash(b); });
	FAILS("hotplug.dump-goes-stale", "kexec_load without --hotplug", {
		on_crash(b);
		by_load(b);
	});
	FAILS("hotplug.dump-goes-stale", "6.1", {
		on_crash(b);
		host->elfcorehdr_size.o = HIDDEN;
		host->kconfig = b->other_config;
	});
	PASSES("hotplug.dump-goes-stale", "kexec_file_load on 6.12", { on_crash(b); });
	FAILS("hotplug.not-supported", "6.1", {
		on_crash(b);
		by_load(b);
		wanted->hotplug = true;
		host->elfcorehdr_size.o = HIDDEN;
		host->kconfig = b->other_config;
	});
	PASSES("hotplug.not-supported", "6.12", {
		on_crash(b);
		by_load(b);
		wanted->hotplug = true;
	});
}

static void test_capture_side(void **state)
{
	struct bench *b = *state;

	FAILS("capture.no-crash-dump", "not built", {
		on_crash(b);
		image->caps[US_CAP_CRASH_DUMP].v = US_NO;
	});
	PASSES("capture.no-crash-dump", "built", { on_crash(b); });
	PASSES("capture.no-crash-dump", "no kexec system call needed", {
		on_crash(b);
		image->caps[US_CAP_KEXEC].v = image->caps[US_CAP_KEXEC_FILE].v = US_NO;
	});
	UNKNOWN("capture.no-crash-dump", "no trace of it either way", {
		on_crash(b);
		image->caps[US_CAP_CRASH_DUMP].v = US_UNKNOWN;
	});
	SILENT("capture.no-crash-dump", "a reboot does not ask",
	       { image->caps[US_CAP_CRASH_DUMP].v = US_NO; });
	FAILS("capture.no-crash-dump", "by its .config", {
		on_crash(b);
		image->kconfig = b->other_config;
	});
	FAILS("capture.no-proc-vmcore", "not built", {
		on_crash(b);
		image->caps[US_CAP_PROC_VMCORE].v = US_NO;
	});
	PASSES("capture.no-proc-vmcore", "built", { on_crash(b); });
	FAILS("capture.kasan", "a debug kernel", {
		on_crash(b);
		image->caps[US_CAP_KASAN].v = US_YES;
	});
	PASSES("capture.kasan", "an ordinary kernel", { on_crash(b); });
	FAILS("capture.debug-heavy", "a debug kernel", {
		on_crash(b);
		image->caps[US_CAP_DEBUG_HEAVY].v = US_YES;
	});
	PASSES("capture.debug-heavy", "an ordinary kernel", { on_crash(b); });
}

static void test_initrd(void **state)
{
	static const char *const others[] = { "6.1.0-56-amd64", NULL };
	static const char *const none[] = { NULL };
	struct bench *b = *state;

	FAILS("initrd.damaged", "cut", { b->parts[0].problem = "zstd stream ends early"; });
	PASSES("initrd.damaged", "whole", {});
	SILENT("initrd.damaged", "no initrd", { b->c.initrd = NULL; });
	FAILS("initrd.not-taken", "not built", { image->caps[US_CAP_INITRD].v = US_NO; });
	PASSES("initrd.not-taken", "built", {});
	FAILS("initrd.codec-unsupported", "zstd", { image->caps[US_CAP_RD_ZSTD].v = US_NO; });
	PASSES("initrd.codec-unsupported", "another one is missing",
	       { image->caps[US_CAP_RD_XZ].v = US_NO; });
	PASSES("initrd.codec-unsupported", "not compressed", {
		image->caps[US_CAP_RD_ZSTD].v = US_NO;
		b->parts[0].codec = NULL;
	});
	FAILS("initrd.wrong-modules", "of another release", { b->initrd.releases = others; });
	PASSES("initrd.wrong-modules", "of this release", {});
	PASSES("initrd.wrong-modules", "none", { b->initrd.releases = none; });
	UNKNOWN("initrd.wrong-modules", "not looked into", { b->initrd.deep = false; });
	FAILS("initrd.reordered", "microcode moved",
	      { b->initrd.order_note = "ucode.img moved to the front"; });
	PASSES("initrd.reordered", "as given", {});
	FAILS("initrd.microcode-late", "behind a compressed archive",
	      { b->parts[0].microcode_late = true; });
	PASSES("initrd.microcode-late", "none, or in front", {});
}

static void test_policy(void **state)
{
	static const char *const allow[] = { "3.10.0-1160", NULL };
	struct bench *b = *state;

	FAILS("distance.beyond-policy", "RHEL 10 to RHEL 7", { image->release = "3.10.0-1160"; });
	PASSES("distance.beyond-policy", "one major version", { image->release = "5.4.0"; });
	PASSES("distance.beyond-policy", "on the list", {
		image->release = "3.10.0-1160";
		b->policy.allow = allow;
	});
	FAILS("distance.beyond-policy", "too many minor versions", {
		image->release = "6.1.0";
		b->policy.max_minor = 6;
	});
	SILENT("distance.beyond-policy", "a different version alone is no finding", {
		image->release = "3.10.0-1160";
		b->c.policy = NULL;
	});
}

static void test_no_plan(void **state)
{
	_us_err_free_ struct us_err *err = us_err_new(US_ERR_UNSUPPORTED, "no such flag");
	_us_err_free_ struct us_err *denied = us_err_new(US_ERR_DENIED, "no memory map");
	struct bench *b = *state;

	FAILS("call.no-plan", "a flag that the kernel lacks", {
		without_plan(b);
		b->c.plan_problem = err;
	});
	PASSES("call.no-plan", "a plan", {});
	SILENT("call.no-plan", "another rule says why", {
		without_plan(b);
		b->c.plan_problem = err;
		host->load_disabled.v = 1;
	});
	SILENT("call.no-plan", "a fact is missing", {
		without_plan(b);
		b->c.plan_problem = denied;
	});
}

static void test_every_rule_is_covered(void **state)
{
	bench_done(*state, &us_rules_firmware);
	bench_done(*state, &us_rules_machine);
	bench_done(*state, &us_rules_crash);
	bench_done(*state, &us_rules_capture);
	bench_done(*state, &us_rules_initrd);
	bench_done(*state, &us_rules_policy);
	bench_done(*state, &us_rules_call);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_firmware),
		cmocka_unit_test(test_guests_and_hosts),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_panic_side),
		cmocka_unit_test(test_capture_side),
		cmocka_unit_test(test_initrd),
		cmocka_unit_test(test_no_plan),
		cmocka_unit_test(test_policy),
		cmocka_unit_test(test_every_rule_is_covered),
	};

	return cmocka_run_group_tests(tests, bench_open, bench_close);
}
