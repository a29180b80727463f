/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules about who may load what: privileges, sysctls, which system calls exist, lockdown and IMA.
 * Order and errno of the kernel's own checks: Linux 6.12 kernel/kexec.c, kernel/kexec_file.c,
 * kernel/kexec_core.c: kexec_load_permitted(), security/integrity/ima/ima_main.c. No system call is
 * tried: each attempt counts against kexec_load_limit_*. Signatures are in rules-signature.c.
 */
#include "check/check-int.h"

#include <string.h>

/* What the caller lacks stands in the way only if it is the caller who loads next. */
static void only_if_acting(const struct us_case *c, struct us_detail *d)
{
	if (!c->acting)
		d->severity = US_NOTE;
}

static enum us_result cap_sys_boot(const struct us_case *c, struct us_detail *d)
{
	const struct us_fact_tri *cap = &c->host->cap_sys_boot, *ns = &c->host->init_user_ns;

	only_if_acting(c, d);
	if (!us_known(cap->o))
		return us_missing(d, cap->o);
	us_fact(d, "%s",
		cap->v == US_NO ? "this process has no CAP_SYS_BOOT"
				: "this process has CAP_SYS_BOOT in a user namespace of its "
				  "own only");
	us_read(d, "%s", cap->v == US_NO ? us_path(cap->o) : us_path(ns->o));
	return us_fail_if(cap->v == US_NO || ns->v == US_NO);
}

static enum us_result pid_namespace(const struct us_case *c, struct us_detail *d)
{
	only_if_acting(c, d);
	if (!us_known(c->host->init_pid_ns.o))
		return us_missing(d, c->host->init_pid_ns.o);
	us_fact(d, "this process runs in a PID namespace of its own (a container)");
	us_read(d, "%s", us_path(c->host->init_pid_ns.o));
	return us_fail_if(c->host->init_pid_ns.v == US_NO);
}

static enum us_result no_call(const struct us_host *host, const struct us_fact_tri *has,
			      const char *name, const char *option, struct us_detail *d)
{
	if (!us_known(has->o))
		return us_missing(d, has->o);
	if (us_has_no_kexec(host)) {
		us_fact(d, "the running kernel has neither kexec_file_load (CONFIG_KEXEC_FILE) nor "
			   "kexec_load (CONFIG_KEXEC)");
		us_read(d, "%s; %s", us_path(host->has_kexec_file_load.o),
			us_path(host->has_kexec_load.o));
		us_remedy(d, "Boot a kernel with CONFIG_KEXEC_FILE=y or CONFIG_KEXEC=y: this one "
			     "cannot load another in any way");
		return US_FAIL;
	}
	us_fact(d, "the running kernel has %s%s (CONFIG_%s)", has->v == US_YES ? "" : "no ", name,
		option);
	us_read(d, "%s", us_path(has->o));
	return us_fail_if(has->v == US_NO);
}

static enum us_result no_file_load(const struct us_case *c, struct us_detail *d)
{
	return no_call(c->host, &c->host->has_kexec_file_load, "kexec_file_load", "KEXEC_FILE", d);
}

static enum us_result no_load(const struct us_case *c, struct us_detail *d)
{
	return no_call(c->host, &c->host->has_kexec_load, "kexec_load", "KEXEC", d);
}

static enum us_result load_disabled(const struct us_case *c, struct us_detail *d)
{
	const struct us_fact_u64 *f = &c->host->load_disabled;

	if (us_has_no_kexec(c->host))
		return US_NOT_APPLICABLE;
	if (!us_known(f->o))
		return us_missing(d, f->o);
	us_fact(d, "kernel.kexec_load_disabled = %" PRIu64, f->v);
	us_read(d, "%s", us_path(f->o));
	return us_fail_if(f->v != 0);
}

/* The limit for this purpose, or unknown; kernels before 6.3 have none. */
static enum us_result limit(const struct us_case *c, struct us_detail *d, int64_t bad)
{
	bool crash = c->purpose == US_CRASH;
	const struct us_fact_i64 *f = crash ? &c->host->limit_panic : &c->host->limit_reboot;

	if (us_has_no_kexec(c->host))
		return US_NOT_APPLICABLE;
	if (!us_known(f->o))
		return us_release_before(c->host->release.v, 6, 3) == US_YES ? US_NOT_APPLICABLE
									     : us_missing(d, f->o);
	us_fact(d, "kernel.kexec_load_limit_%s = %" PRId64, crash ? "panic" : "reboot", f->v);
	us_read(d, "%s", us_path(f->o));
	return us_fail_if(f->v == bad);
}

static enum us_result limit_reached(const struct us_case *c, struct us_detail *d)
{
	return limit(c, d, 0);
}

static enum us_result limit_last(const struct us_case *c, struct us_detail *d)
{
	return limit(c, d, 1);
}

static enum us_result lockdown_load(const struct us_case *c, struct us_detail *d)
{
	const struct us_fact_str *f = &c->host->lockdown;

	if (!us_known(f->o))
		return us_missing(d, f->o);
	us_fact(d, "the kernel is locked down: %s", f->v);
	us_read(d, "%s", us_path(f->o));
	return us_fail_if(strcmp(f->v, "none") != 0);
}

static enum us_result ima_load(const struct us_case *c, struct us_detail *d)
{
	const struct us_fact_tri *f = &c->host->ima_refuses_kexec_load;

	if (!us_known(f->o))
		return us_missing(d, f->o);
	us_fact(d, "IMA wants every kernel for kexec to come from a file: %s", us_tri_name(f->v));
	us_read(d, "%s", us_path(f->o));
	return us_fail_if(f->v == US_YES);
}

static enum us_result ima_peeled(const struct us_case *c, struct us_detail *d)
{
	const struct us_fact_tri *f = &c->host->ima_appraises_kexec;

	if (c->image->n_nest < 2)
		return US_PASS;
	if (!us_known(f->o))
		return us_missing(d, f->o);
	us_fact(d,
		"IMA appraises kernels for kexec: %s; the kernel inside %s goes to the call from "
		"memory, without the file's attributes",
		us_tri_name(f->v), c->image->path);
	us_read(d, "%s; the nesting of %s", us_path(f->o), c->image->path);
	return us_fail_if(f->v == US_YES);
}

static const struct us_rule rules[] = {
	{
		.id = "privilege.cap-sys-boot",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.needs = US_NEEDS_HOST,
		.unknown_ok = true,
		.says = "Loading a kernel takes CAP_SYS_BOOT in the initial user namespace",
		.fix = "Run the load as root, outside of a container",
		.see = "kernel/kexec_core.c (Linux 6.12): kexec_load_permitted(), EPERM",
		.test = cap_sys_boot,
	},
	{
		.id = "privilege.pid-namespace",
		.severity = US_WARN,
		.when = US_ON_REBOOT,
		.needs = US_NEEDS_HOST,
		.says = "The jump does not work from inside a PID namespace",
		.fix = "Run understudy exec outside of the container",
		.see = "kernel/reboot.c (Linux 6.12): reboot_pid_ns(), EINVAL",
		.test = pid_namespace,
	},
	{
		.id = "syscall.no-kexec-file-load",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.by = US_BY_FILE,
		.needs = US_NEEDS_HOST,
		.unknown_ok = true,
		.says = "The running kernel was built without kexec_file_load",
		.fix = "Use kexec_load (--call load), or a kernel with CONFIG_KEXEC_FILE=y",
		.see = "kernel/Kconfig.kexec: KEXEC_FILE; ENOSYS",
		.test = no_file_load,
	},
	{
		.id = "syscall.no-kexec-load",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.by = US_BY_LOAD,
		.needs = US_NEEDS_HOST,
		.unknown_ok = true,
		.says = "The running kernel was built without kexec_load",
		.fix = "Use kexec_file_load (--call file), or a kernel with CONFIG_KEXEC=y",
		.see = "kernel/Kconfig.kexec: KEXEC; ENOSYS",
		.test = no_load,
	},
	{
		.id = "sysctl.kexec-load-disabled",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.needs = US_NEEDS_HOST,
		.says = "Loading kernels was switched off until the next reboot",
		.fix = "Reboot through the firmware; look in /etc/sysctl.d for who sets "
		       "kernel.kexec_load_disabled=1",
		.see = "Documentation/admin-guide/sysctl/kernel.rst: kexec_load_disabled; EPERM",
		.test = load_disabled,
	},
	{
		.id = "sysctl.limit-reached",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.needs = US_NEEDS_HOST,
		.unknown_ok = true,
		.says = "The number of loads that this boot allows is used up",
		.fix = "Reboot through the firmware, or set a higher kernel.kexec_load_limit_* at boot",
		.see = "Documentation/admin-guide/sysctl/kernel.rst: kexec_load_limit_panic; EPERM",
		.test = limit_reached,
	},
	{
		.id = "sysctl.limit-last",
		.severity = US_NOTE,
		.when = US_ON_BOTH,
		.needs = US_NEEDS_HOST,
		.says = "This load is the last one that this boot allows; a failing attempt and an "
			"unload count too",
		.fix = "Be sure that it is the right image",
		.see = "kernel/kexec_core.c (Linux 6.12): kexec_load_permitted()",
		.test = limit_last,
	},
	{
		.id = "ima.kexec-load",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.by = US_BY_LOAD,
		.needs = US_NEEDS_HOST,
		.unknown_ok = true,
		.says = "IMA refuses kexec_load, since it cannot appraise an image that does not come "
			"from a file",
		.fix = "Use kexec_file_load (--call file)",
		.see = "security/integrity/ima/ima_main.c (Linux 6.12): ima_load_data(), EACCES",
		.test = ima_load,
	},
	{
		.id = "ima.peeled-image",
		.severity = US_WARN,
		.when = US_ON_BOTH,
		.by = US_BY_FILE,
		.needs = US_NEEDS_HOST | US_NEEDS_IMAGE,
		.says = "IMA appraises the file that is loaded, and a kernel taken out of another file "
			"has no IMA signature",
		.fix = "Use the plain kernel file",
		.see = "security/integrity/ima/ima_main.c (Linux 6.12): EACCES",
		.test = ima_peeled,
	},
	{
		.id = "lockdown.kexec-load",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.by = US_BY_LOAD,
		.needs = US_NEEDS_HOST,
		.unknown_ok = true,
		.says = "The kernel is locked down and refuses kexec_load, which takes unsigned images",
		.fix = "Use kexec_file_load (--call file) with an image signed by a key that this "
		       "kernel trusts",
		.see = "kernel/kexec.c (Linux 6.12): LOCKDOWN_KEXEC, EPERM; kernel_lockdown(7)",
		.test = lockdown_load,
	},
};

const struct us_rule_table us_rules_security = US_RULE_TABLE(rules);
