/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state of kexec: what is loaded, what is reserved, which system calls this kernel has, limits,
 * hotplug support, where VMCOREINFO and the CPUs' crash notes lie. Linux 6.12 kernel/ksysfs.c,
 * kernel/crash_core.c, kernel/kexec_core.c. Nothing is found out by a trial call: a call, even a
 * wrong one, uses up kexec_load_limit_*.
 */
#include "host/host-int.h"

#include "base/cleanup.h"

#include <string.h>

static struct us_fact_tri from_config(struct us_host *host, const char *symbol)
{
	return us_fact_tri_known(
		us_host_say(&host->pool, "%s: CONFIG_%s", host->config_known.o.path, symbol),
		us_kconfig_builtin(host->kconfig, symbol) == US_YES);
}

/* A system call by its symbol. One that is not built in has a weak stand-in of the same name. */
static bool kallsyms_has(struct us_bytes kallsyms, const char *name)
{
	static const char *const prefixes[] = { "__x64_", "__arm64_", "__riscv_", "__se_", "" };
	uint64_t addr;

	for (size_t i = 0; i < us_array_size(prefixes); i++) {
		_us_pool_deinit_ struct us_pool pool = { 0 };

		if (us_kallsyms_find(kallsyms, us_host_say(&pool, "%ssys_%s", prefixes[i], name),
				     &addr))
			return true;
	}
	return false;
}

static void calls_from_kallsyms(struct us_host *host)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	struct us_origin from;
	struct us_bytes text;

	if (!us_host_read(host, &host->pool, US_FILE_KALLSYMS, NULL, &blob, &from)) {
		const char *why = us_host_say(&host->pool,
					      "%s, and no configuration of this kernel was found",
					      from.missing);

		host->has_kexec_load = host->has_kexec_file_load = host->has_crash_dump =
			us_fact_tri_unknown(from.path, why);
		return;
	}
	text = us_blob_bytes(&blob);
	host->has_kexec_load = us_fact_tri_known("/proc/kallsyms: sys_kexec_load",
						 kallsyms_has(text, "kexec_load"));
	host->has_kexec_file_load = us_fact_tri_known("/proc/kallsyms: sys_kexec_file_load",
						      kallsyms_has(text, "kexec_file_load"));
	host->has_crash_dump = us_fact_tri_known(
		"/proc/kallsyms: elfcorehdr_alloc or copy_oldmem_page",
		us_kallsyms_find(text, "elfcorehdr_alloc", &(uint64_t){ 0 }) ||
			us_kallsyms_find(text, "copy_oldmem_page", &(uint64_t){ 0 }));
}

static void read_calls(struct us_host *host)
{
	if (host->kconfig) {
		host->has_kexec_load = from_config(host, "KEXEC");
		host->has_kexec_file_load = from_config(host, "KEXEC_FILE");
		host->has_crash_dump = from_config(host, "CRASH_DUMP");
	} else if (us_known(host->release.o) && !us_known(host->kexec_loaded.o) &&
		   !us_known(host->load_disabled.o)) {
		host->has_kexec_load = host->has_kexec_file_load = us_fact_tri_known(
			"/sys/kernel/kexec_loaded and /proc/sys/kernel/kexec_load_disabled are "
			"absent",
			false);
		host->has_crash_dump = us_fact_tri_unknown(
			host->config_known.o.path, "no configuration of this kernel was found");
	} else {
		calls_from_kallsyms(host);
	}
}

/* A limit is a signed number; kernels that have kexec but no limits do not limit. */
static struct us_fact_i64 limit_of(struct us_host *host, enum us_host_file file)
{
	struct us_fact_str text = us_fact_str_of(host, file);
	struct us_fact_i64 fact = { .o = text.o, .v = -1 };
	char *end;

	if (!us_known(text.o)) {
		if (us_known(host->load_disabled.o))
			fact.o.missing = NULL;
		return fact;
	}
	fact.v = strtoll(text.v, &end, 10);
	if (end == text.v || *end)
		fact.o.missing = "it holds no number";
	return fact;
}

/* "0x000000010a5f3000 1024": both hexadecimal. */
static void read_vmcoreinfo(struct us_host *host)
{
	struct us_fact_str text = us_fact_str_of(host, US_FILE_VMCOREINFO);
	struct us_bytes at = us_bytes_of(text.v, strlen(text.v));
	size_t used = 0;

	host->vmcoreinfo_addr = (struct us_fact_u64){ .o = text.o };
	host->vmcoreinfo_size = (struct us_fact_u64){ .o = text.o };
	if (!us_known(text.o))
		return;
	if (us_number_at(at, 16, &host->vmcoreinfo_addr.v, &used) &&
	    us_line_after(us_bytes_clip(at, used, at.n), " ", &at) &&
	    us_number_at(at, 16, &host->vmcoreinfo_size.v, &used))
		return;
	host->vmcoreinfo_addr.o.missing = host->vmcoreinfo_size.o.missing =
		"it does not hold an address and a size";
}

/* False with the reason in host->crash_notes_from if one could not be read. */
static bool read_note(struct us_host *host, const char *cpu, struct us_range *ret)
{
	_us_blob_deinit_ struct us_blob addr = { 0 }, size = { 0 };
	uint64_t start, bytes;
	size_t used;

	if (!us_host_read(host, &host->pool, US_FILE_CRASH_NOTES, cpu, &addr,
			  &host->crash_notes_from) ||
	    !us_host_read(host, &host->pool, US_FILE_CRASH_NOTES_SIZE, cpu, &size,
			  &host->crash_notes_from))
		return false;
	if (us_number_at(us_blob_bytes(&addr), 16, &start, &used) &&
	    us_number_at(us_blob_bytes(&size), 10, &bytes, &used) &&
	    us_range_make(start, bytes, ret))
		return true;
	host->crash_notes_from.missing = "it holds no address or no size";
	return false;
}

static struct us_err *read_crash_notes(struct us_host *host)
{
	const char *const *cpus;
	struct us_range *notes;
	size_t n;

	US_TRY(us_host_list(host, &host->pool, US_FILE_CRASH_NOTES, &cpus, &n));
	if (!n) { /* none, or a recording without them: the first one says why */
		read_note(host, "cpu0", &(struct us_range){ 0 });
		return NULL;
	}
	notes = us_pool_array(&host->pool, n + 1, sizeof(*notes));
	if (!notes)
		return us_err_nomem();
	for (size_t i = 0; i < n; i++)
		if (!read_note(host, cpus[i], &notes[i]))
			return NULL;
	host->crash_notes = notes;
	host->n_crash_notes = n;
	host->crash_notes_from.path = us_host_files[US_FILE_CRASH_NOTES].path;
	return NULL;
}

struct us_err *us_host_refresh_kexec(struct us_host *host)
{
	host->kexec_loaded = us_fact_u64_either(host, US_FILE_LOADED, 10);
	host->crash_loaded = us_fact_u64_either(host, US_FILE_CRASH_LOADED, 10);
	host->crash_size = us_fact_u64_either(host, US_FILE_CRASH_SIZE, 10);
	host->elfcorehdr_size = us_fact_u64_either(host, US_FILE_ELFCOREHDR_SIZE, 10);
	host->crash_hotplug_cpu = us_fact_yes_no_of(host, US_FILE_HOTPLUG_CPU);
	host->crash_hotplug_memory = us_fact_yes_no_of(host, US_FILE_HOTPLUG_MEMORY);
	host->load_disabled = us_fact_u64_of(host, US_FILE_LOAD_DISABLED, 10);
	host->limit_panic = limit_of(host, US_FILE_LIMIT_PANIC);
	host->limit_reboot = limit_of(host, US_FILE_LIMIT_REBOOT);
	return NULL;
}

struct us_err *us_host_read_kexec(struct us_host *host)
{
	struct us_fact_tri after;

	US_TRY(us_host_refresh_kexec(host));
	read_calls(host);
	read_vmcoreinfo(host);
	host->panic_on_oops = us_fact_u64_of(host, US_FILE_PANIC_ON_OOPS, 10);
	after = us_fact_yes_no_of(host, US_FILE_POST_NOTIFIERS);
	host->crash_post_notifiers = (struct us_fact_u64){ .o = after.o, .v = after.v == US_YES };
	return read_crash_notes(host);
}
