/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The running kernel: machine, release, command line, configuration, processors and paging levels,
 * and who asks (capabilities, namespaces, systemd). Linux 6.12 include/linux/proc_ns.h for the
 * inode numbers of the initial namespaces, include/uapi/linux/capability.h for CAP_SYS_BOOT.
 */
#include "host/host-int.h"

#include "base/cleanup.h"
#include "base/text.h"
#include "pack/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>

#define CAP_SYS_BOOT_BIT 22
#define INIT_PID_NS      "pid:[4026531836]"
#define INIT_USER_NS     "user:[4026531837]"
#define CONFIG_MAX       (16 << 20)

static struct us_fact_str machine_of(struct us_host *host)
{
	struct utsname uts;
	struct us_fact_str fact = us_fact_str_of(host, US_FILE_ARCH);

	if (us_known(fact.o))
		return fact;
	if (!host->live)
		return us_fact_str_of(host, US_FILE_MADE_MACHINE);
	if (uname(&uts) == 0)
		return (struct us_fact_str){ .o.path = "uname(2)",
					     .v = us_host_say(&host->pool, "%s", uts.machine) };
	return fact;
}

/* "crashkernel=512M,high crashkernel=256M,low": all that were given. */
static void find_crashkernel(struct us_host *host)
{
	_us_text_deinit_ struct us_text all = { 0 };
	const char *at = host->cmdline.v;
	struct us_cmdline_word word;

	host->crashkernel = (struct us_fact_str){ .o = host->cmdline.o, .v = "" };
	while (us_cmdline_next(&at, &word))
		if (us_cmdline_is(&word, "crashkernel"))
			us_text_add(&all, "%s%.*s", all.n ? " " : "", (int)word.n, word.p);
	if (all.n)
		host->crashkernel.v = us_host_say(&host->pool, "%s", all.failed ? "" : all.s);
}

static struct us_err *config_text(struct us_host *host, enum us_host_file file, struct us_blob *blob)
{
	_us_blob_deinit_ struct us_blob text = { 0 };

	if (file != US_FILE_CONFIG_GZ)
		return us_kconfig_parse(us_blob_bytes(blob), &host->kconfig);
	US_TRY(us_unpack(us_codec_by_id(US_CODEC_GZIP), us_blob_bytes(blob), CONFIG_MAX, 0, NULL,
			 &text, NULL));
	return us_kconfig_parse(us_blob_bytes(&text), &host->kconfig);
}

static struct us_err *find_config(struct us_host *host)
{
	_us_text_deinit_ struct us_text tried = { 0 };

	for (enum us_host_file file = US_FILE_CONFIG_GZ; file <= US_FILE_CONFIG_BUILD; file++) {
		_us_blob_deinit_ struct us_blob blob = { 0 };
		_us_err_free_ struct us_err *err = NULL;
		struct us_origin from;

		if (us_host_read(host, &host->pool, file, NULL, &blob, &from)) {
			err = config_text(host, file, &blob);
			if (!err) {
				host->config_known = us_fact_tri_known(from.path, true);
				return NULL;
			}
			if (err->code == US_ERR_NOMEM)
				return us_steal(&err);
		}
		us_text_add(&tried, "%s%s (%s)", tried.n ? "; " : "", from.path,
			    err ? err->text : from.missing);
	}
	host->config_known = us_fact_tri_unknown(
		us_host_path(host, &host->pool, US_FILE_CONFIG_BOOT, NULL),
		us_host_say(&host->pool, "the configuration of the running kernel was not found: %s",
			    tried.s ? tried.s : ""));
	return NULL;
}

/* A namespace link such as /proc/self/ns/pid; a recorded host has a file with the link's text. */
static struct us_fact_tri is_initial(struct us_host *host, enum us_host_file file,
				     const char *initial)
{
	const char *path = us_host_files[file].path;
	struct us_fact_str text;
	char link[64] = "";
	ssize_t n = host->live ? readlink(path, link, sizeof(link) - 1) : -1;

	if (n > 0)
		return us_fact_tri_known(path, strcmp(link, initial) == 0);
	if (host->live)
		return us_fact_tri_unknown(path, us_host_say(&host->pool, "%s", strerror(errno)));
	text = us_fact_str_of(host, file);
	if (!us_known(text.o))
		return us_fact_tri_unknown(path, text.o.missing);
	return us_fact_tri_known(path, strcmp(text.v, initial) == 0);
}

static void read_who(struct us_host *host)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	struct us_origin from;
	struct us_fact_str init = us_fact_str_of(host, US_FILE_INIT_COMM);
	uint64_t caps;

	if (!us_host_read(host, &host->pool, US_FILE_STATUS, NULL, &blob, &from))
		host->cap_sys_boot = us_fact_tri_unknown(from.path, from.missing);
	else if (!us_field_u64(us_blob_bytes(&blob), "CapEff:", 16, &caps))
		host->cap_sys_boot = us_fact_tri_unknown(from.path, "it has no line CapEff");
	else
		host->cap_sys_boot = us_fact_tri_known("/proc/self/status: CapEff",
						       caps >> CAP_SYS_BOOT_BIT & 1);
	host->init_pid_ns = is_initial(host, US_FILE_NS_PID, INIT_PID_NS);
	host->init_user_ns = is_initial(host, US_FILE_NS_USER, INIT_USER_NS);
	host->systemd = us_known(init.o)
				? us_fact_tri_known(init.o.path, strcmp(init.v, "systemd") == 0)
				: us_fact_tri_unknown(init.o.path, init.o.missing);
}

struct us_err *us_host_read_kernel(struct us_host *host)
{
	host->machine = machine_of(host);
	host->arch = us_arch_by_uname(host->machine.v);
	host->release = us_fact_str_of(host, US_FILE_OSRELEASE);
	host->version = us_fact_str_of(host, US_FILE_VERSION);
	host->cmdline = us_fact_str_of(host, US_FILE_CMDLINE);
	find_crashkernel(host);
	read_who(host);
	return find_config(host);
}

/* 5 with la57, which the kernel takes out of the flags when it runs with four levels. */
static struct us_fact_u64 paging_levels(struct us_host *host, const struct us_kcore *kcore,
					const struct us_cpuinfo *cpu, struct us_origin cpuinfo)
{
	struct us_bytes enabled;

	if (host->arch->id != US_ARCH_X86_64)
		return us_fact_u64_unknown("/proc/cpuinfo", "asked of x86_64 machines only");
	if (us_vmcoreinfo_get(us_blob_bytes(&kcore->vmcoreinfo), "NUMBER(pgtable_l5_enabled)",
			      &enabled))
		return us_fact_u64_known(us_host_say(&host->pool, "%s: NUMBER(pgtable_l5_enabled)",
						     kcore->from.path),
					 us_line_after(enabled, "1", NULL) ? 5 : 4);
	if (cpu->has_flags)
		return us_fact_u64_known(cpu->la57 ? "/proc/cpuinfo: flags has la57"
						   : "/proc/cpuinfo: flags has no la57",
					 cpu->la57 ? 5 : 4);
	return us_fact_u64_unknown(cpuinfo.path,
				   cpuinfo.missing ? cpuinfo.missing : "it has no line flags");
}

static struct us_fact_str hypervisor_of(struct us_host *host, const struct us_cpuinfo *cpu,
					struct us_origin cpuinfo)
{
	struct us_fact_str xen = us_fact_str_of(host, US_FILE_XEN_TYPE);
	struct us_fact_str vendor;

	if (us_known(xen.o))
		return xen;
	if (!cpu->hypervisor)
		return (struct us_fact_str){ .o = cpuinfo, .v = "" };
	vendor = us_fact_str_of(host, US_FILE_DMI_VENDOR);
	if (us_known(vendor.o) && *vendor.v)
		return vendor;
	return (struct us_fact_str){ .o.path = "/proc/cpuinfo: flags has hypervisor",
				     .v = "a hypervisor" };
}

/* Memory encryption of the host: vmcoreinfo tells, the processor's flag only that it could. */
static struct us_fact_tri sme_active(struct us_host *host, const struct us_kcore *kcore,
				     const struct us_cpuinfo *cpu, struct us_origin cpuinfo)
{
	struct us_bytes mask;

	if (us_vmcoreinfo_get(us_blob_bytes(&kcore->vmcoreinfo), "NUMBER(sme_mask)", &mask))
		return us_fact_tri_known(
			us_host_say(&host->pool, "%s: NUMBER(sme_mask)", kcore->from.path),
			mask.n != 1 || *mask.p != '0');
	if (cpu->has_flags && !cpu->sme)
		return us_fact_tri_known("/proc/cpuinfo: flags has no sme", false);
	return us_fact_tri_unknown(
		"/proc/kcore", us_known(cpuinfo)
				       ? "the processor has sme, and VMCOREINFO was not readable; "
					 "root may read it"
				       : cpuinfo.missing);
}

static struct us_fact_tri flag_fact(const struct us_cpuinfo *cpu, struct us_origin cpuinfo, bool v)
{
	if (cpu->has_flags)
		return us_fact_tri_known("/proc/cpuinfo: flags", v);
	return us_fact_tri_unknown("/proc/cpuinfo",
				   cpuinfo.missing ? cpuinfo.missing : "it has no line flags");
}

static void read_possible(struct us_host *host)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	struct us_origin from;
	uint64_t n = 0;

	if (us_host_read(host, &host->pool, US_FILE_POSSIBLE, NULL, &blob, &from) &&
	    !us_cpulist_count(us_blob_bytes(&blob), &n))
		from.missing = "it holds no list of CPUs";
	host->possible_cpus = (struct us_fact_u64){ .o = from, .v = n };
}

struct us_err *us_host_read_cpu(struct us_host *host, const struct us_kcore *kcore)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	struct us_origin from;
	struct us_fact_str xen;
	struct us_fact_tri tdx;
	struct us_cpuinfo cpu;
	const char *none = "it does not say";

	us_host_read(host, &host->pool, US_FILE_CPUINFO, NULL, &blob, &from);
	cpu = us_cpuinfo_parse(us_blob_bytes(&blob));
	if (from.missing)
		none = from.missing;
	read_possible(host);
	host->paging_levels = paging_levels(host, kcore, &cpu, from);
	host->max_apicid = cpu.has_apicid ? us_fact_u64_known(from.path, cpu.max_apicid)
					  : us_fact_u64_unknown(from.path, none);
	host->x2apic = flag_fact(&cpu, from, cpu.x2apic);
	host->sme_active = sme_active(host, kcore, &cpu, from);
	host->sev_guest = flag_fact(&cpu, from, cpu.sev && cpu.hypervisor);
	host->tdx_guest = flag_fact(&cpu, from, cpu.tdx_guest);
	tdx = us_fact_yes_no_of(host, US_FILE_KVM_TDX);
	host->tdx_host = tdx.v == US_YES ? tdx : flag_fact(&cpu, from, cpu.tdx_host);
	xen = us_fact_str_of(host, US_FILE_XEN_GUEST);
	host->xen_pv = us_fact_tri_known(xen.o.path, us_known(xen.o) && strcmp(xen.v, "PV") == 0);
	host->hypervisor = hypervisor_of(host, &cpu, from);
	return NULL;
}
