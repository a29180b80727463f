/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules about the two sides of a crash, apart. The panic side is the running kernel: up to Linux
 * 6.8 it needs KEXEC_CORE only, from 6.9 CRASH_DUMP too (kernel/Kconfig.kexec). The capture side is
 * the image: CRASH_DUMP and PROC_VMCORE, never a kexec system call of its own.
 */
#include "check/check-int.h"

static enum us_result panic_no_crash_dump(const struct us_case *c, struct us_detail *d)
{
	const struct us_host *host = c->host;
	enum us_tri before = us_release_before(host->release.v, 6, 9);

	/* the file is there exactly if the kernel can hold a crash image, in every version */
	if (us_known(host->crash_loaded.o))
		return US_PASS;
	if (!us_known(host->has_crash_dump.o) || before == US_UNKNOWN)
		return us_missing(d, us_known(host->release.o) ? host->has_crash_dump.o
							       : host->release.o);
	us_fact(d, "CONFIG_CRASH_DUMP in the running kernel %s: %s", host->release.v,
		us_tri_name(host->has_crash_dump.v));
	us_read(d, "%s; %s", us_path(host->has_crash_dump.o), us_path(host->release.o));
	return us_fail_if(host->has_crash_dump.v == US_NO && before == US_NO);
}

static enum us_result oops_continues(const struct us_case *c, struct us_detail *d)
{
	const struct us_fact_u64 *f = &c->host->panic_on_oops;

	if (!us_known(f->o))
		return us_missing(d, f->o);
	us_fact(d, "kernel.panic_on_oops = %" PRIu64, f->v);
	us_read(d, "%s", us_path(f->o));
	return us_fail_if(f->v == 0);
}

static enum us_result post_notifiers(const struct us_case *c, struct us_detail *d)
{
	const struct us_fact_u64 *f = &c->host->crash_post_notifiers;

	if (!us_known(f->o))
		return us_missing(d, f->o);
	us_fact(d, "crash_kexec_post_notifiers = %" PRIu64, f->v);
	us_read(d, "%s", us_path(f->o));
	return us_fail_if(f->v != 0);
}

static enum us_result no_vmcoreinfo(const struct us_case *c, struct us_detail *d)
{
	const struct us_fact_u64 *f = &c->host->vmcoreinfo_size;

	if (!us_known(f->o))
		return us_missing(d, f->o);
	us_fact(d, "vmcoreinfo has %" PRIu64 " bytes", f->v);
	us_read(d, "%s", us_path(f->o));
	return us_fail_if(f->v == 0);
}

/* Does the running kernel update a dump's list of memory by itself? */
static enum us_tri updates_itself(const struct us_host *host)
{
	if (us_known(host->elfcorehdr_size.o))
		return US_YES;
	return us_kconfig_builtin(host->kconfig, "CRASH_HOTPLUG");
}

static enum us_result dump_goes_stale(const struct us_case *c, struct us_detail *d)
{
	enum us_tri updates = updates_itself(c->host);
	bool left_out = us_check_call(c) == US_CALL_LOAD && !(c->wanted && c->wanted->hotplug);

	if (updates == US_UNKNOWN)
		return us_missing(d, c->host->elfcorehdr_size.o);
	us_fact(d, "%s",
		updates == US_NO ? "the running kernel has no CRASH_HOTPLUG"
				 : "kexec_load was chosen without --hotplug");
	us_read(d, "%s; the options given", us_path(c->host->elfcorehdr_size.o));
	return us_fail_if(updates == US_NO || left_out);
}

static enum us_result hotplug_unsupported(const struct us_case *c, struct us_detail *d)
{
	enum us_tri updates = updates_itself(c->host);

	if (!c->wanted || !c->wanted->hotplug)
		return US_PASS;
	if (updates == US_UNKNOWN)
		return us_missing(d, c->host->elfcorehdr_size.o);
	us_fact(d, "--hotplug was given, and the running kernel has no CRASH_HOTPLUG");
	us_read(d, "%s", us_path(c->host->elfcorehdr_size.o));
	return us_fail_if(updates == US_NO);
}

static enum us_result debug_heavy(const struct us_case *c, struct us_detail *d)
{
	return us_judge_cap(c, d, US_CAP_DEBUG_HEAVY, US_YES);
}

static const struct us_rule crash_rules[] = {
	{
		.id = "panic-side.no-crash-dump",
		.severity = US_BLOCK,
		.when = US_ON_CRASH,
		.role = US_ROLE_PANIC,
		.needs = US_NEEDS_HOST,
		.unknown_ok = true,
		.says = "The running kernel cannot hold a crash image: it would take it as the image "
			"for the next reboot instead, without a word",
		.fix = "Boot a kernel with CONFIG_CRASH_DUMP=y",
		.see = "kernel/kexec.c and kernel/kexec_file.c (Linux 6.9 and later); "
		       "/sys/kernel/kexec_crash_loaded is missing",
		.test = panic_no_crash_dump,
	},
	{
		.id = "panic-side.no-vmcoreinfo",
		.severity = US_WARN,
		.when = US_ON_CRASH,
		.role = US_ROLE_PANIC,
		.needs = US_NEEDS_HOST,
		.says = "The running kernel describes itself to nobody, so a dump of it cannot be "
			"filtered",
		.fix = "Boot a kernel with CONFIG_VMCORE_INFO=y (CONFIG_CRASH_CORE before Linux 6.9)",
		.see = "kernel/vmcore_info.c (Linux 6.12)",
		.test = no_vmcoreinfo,
	},
	{
		.id = "panic-side.oops-continues",
		.severity = US_NOTE,
		.when = US_ON_CRASH,
		.role = US_ROLE_PANIC,
		.needs = US_NEEDS_HOST,
		.says = "An oops ends the process that caused it and takes no dump; only a panic does",
		.fix = "Set kernel.panic_on_oops=1 if an oops shall be dumped",
		.see = "kernel/crash_core.c (Linux 6.12): kexec_should_crash()",
		.test = oops_continues,
	},
	{
		.id = "panic-side.post-notifiers",
		.severity = US_NOTE,
		.when = US_ON_CRASH,
		.role = US_ROLE_PANIC,
		.needs = US_NEEDS_HOST,
		.says = "Panic notifiers run before the capture kernel starts, and one that hangs takes "
			"the dump with it",
		.fix = "Boot without crash_kexec_post_notifiers unless a hypervisor needs them",
		.see = "Documentation/admin-guide/kernel-parameters.txt: crash_kexec_post_notifiers",
		.test = post_notifiers,
	},
	{
		.id = "hotplug.dump-goes-stale",
		.severity = US_NOTE,
		.when = US_ON_CRASH,
		.role = US_ROLE_PANIC,
		.arch = US_X86_64B,
		.needs = US_NEEDS_HOST,
		.says = "After CPUs or memory are added or removed the crash image must be loaded again",
		.fix = "Use kexec_file_load, or --hotplug, on a kernel with CONFIG_CRASH_HOTPLUG=y "
		       "(Linux 6.6)",
		.see = "Documentation/ABI/testing/sysfs-devices-memory: crash_hotplug",
		.test = dump_goes_stale,
	},
	{
		.id = "hotplug.not-supported",
		.severity = US_BLOCK,
		.when = US_ON_CRASH,
		.role = US_ROLE_PANIC,
		.by = US_BY_LOAD,
		.needs = US_NEEDS_HOST,
		.unknown_ok = true,
		.says = "The running kernel does not know the flag that --hotplug needs",
		.fix = "Load without --hotplug",
		.see = "include/uapi/linux/kexec.h: KEXEC_UPDATE_ELFCOREHDR (Linux 6.6); EINVAL",
		.test = hotplug_unsupported,
	},
};

static const struct us_rule capture_rules[] = {
	{
		.id = "capture.no-crash-dump",
		.severity = US_BLOCK,
		.when = US_ON_CRASH,
		.role = US_ROLE_CAPTURE,
		.needs = US_NEEDS_IMAGE | US_NEEDS_DEEP,
		.want = "CRASH_DUMP=y",
		.says = "The image cannot be a capture kernel: it does not know elfcorehdr= and would "
			"boot as if nothing had happened",
		.fix = "Choose an image with CONFIG_CRASH_DUMP=y",
		.see = "kernel/elfcorehdr.c, kernel/Kconfig.kexec (Linux 6.12)",
	},
	{
		.id = "capture.no-proc-vmcore",
		.severity = US_BLOCK,
		.when = US_ON_CRASH,
		.role = US_ROLE_CAPTURE,
		.needs = US_NEEDS_IMAGE | US_NEEDS_DEEP,
		.want = "PROC_VMCORE=y",
		.says = "The image has no /proc/vmcore, the file that a dump is read from",
		.fix = "Choose an image with CONFIG_PROC_VMCORE=y",
		.see = "fs/proc/vmcore.c (Linux 6.12)",
	},
	{
		.id = "capture.kasan",
		.severity = US_WARN,
		.when = US_ON_CRASH,
		.role = US_ROLE_CAPTURE,
		.needs = US_NEEDS_IMAGE | US_NEEDS_DEEP,
		.want = "KASAN=n",
		.says = "The image is a debug kernel with KASAN, which takes an eighth of the memory "
			"reserved",
		.fix = "Capture with an ordinary kernel: it need not be the one that crashes",
		.see = "Documentation/dev-tools/kasan.rst",
	},
	{
		.id = "capture.debug-heavy",
		.severity = US_WARN,
		.when = US_ON_CRASH,
		.role = US_ROLE_CAPTURE,
		.needs = US_NEEDS_IMAGE | US_NEEDS_DEEP,
		.says = "The image is a debug kernel, slow and large for a capture kernel",
		.fix = "Capture with an ordinary kernel: it need not be the one that crashes",
		.see = "lib/Kconfig.debug: PROVE_LOCKING, DEBUG_PAGEALLOC",
		.test = debug_heavy,
	},
};

const struct us_rule_table us_rules_crash = US_RULE_TABLE(crash_rules);
const struct us_rule_table us_rules_capture = US_RULE_TABLE(capture_rules);
