/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine on one screen: what is loaded, what is reserved, what it would allow, and which facts
 * could not be read. One table of facts gives the text and the JSON.
 */
#include "report/report-int.h"

#include "base/text.h"

#include <inttypes.h>
#include <string.h>

enum kind { TRI, NUM, SIGNED, SIZE, HEX, STR };

struct row {
	const char *label, *key; /* label NULL: JSON only */
	enum kind kind;
	size_t offset; /* of the fact in struct us_host */
};
#define ROW(l, k, t, field)                                                                        \
	{                                                                                          \
		l, k, t, offsetof(struct us_host, field)                                           \
	}

static const struct row state[] = {
	ROW("next kernel", "kexec_loaded", NUM, kexec_loaded),
	ROW("crash kernel", "crash_loaded", NUM, crash_loaded),
	ROW("reservation", "crash_size", SIZE, crash_size),
	ROW("crashkernel=", "crashkernel", STR, crashkernel),
	ROW("elfcorehdr", "elfcorehdr_size", SIZE, elfcorehdr_size),
	ROW("follows CPUs", "crash_hotplug_cpu", TRI, crash_hotplug_cpu),
	ROW("follows memory", "crash_hotplug_memory", TRI, crash_hotplug_memory),
	ROW("panic_on_oops", "panic_on_oops", NUM, panic_on_oops),
	{ 0 },
};

static const struct row allows[] = {
	ROW("file_load", "has_kexec_file_load", TRI, has_kexec_file_load),
	ROW("kexec_load", "has_kexec_load", TRI, has_kexec_load),
	ROW("CRASH_DUMP", "has_crash_dump", TRI, has_crash_dump),
	ROW("disabled", "load_disabled", NUM, load_disabled),
	ROW("limit, reboot", "limit_reboot", SIGNED, limit_reboot),
	ROW("limit, crash", "limit_panic", SIGNED, limit_panic),
	ROW("lockdown", "lockdown", STR, lockdown),
	ROW("secure boot", "secure_boot", TRI, secure_boot),
	ROW("signatures", "sig_enforced", TRI, sig_enforced),
	ROW("IMA appraises", "ima_appraises_kexec", TRI, ima_appraises_kexec),
	ROW("IMA bars load", "ima_refuses_kexec_load", TRI, ima_refuses_kexec_load),
	ROW("CAP_SYS_BOOT", "cap_sys_boot", TRI, cap_sys_boot),
	ROW("systemd", "systemd", TRI, systemd),
	{ 0 },
};

static const struct row machine[] = {
	ROW(NULL, "release", STR, release),
	ROW(NULL, "machine", STR, machine),
	ROW(NULL, "version", STR, version),
	ROW("command line", "cmdline", STR, cmdline),
	ROW("config", "config_known", TRI, config_known),
	ROW("paging levels", "paging_levels", NUM, paging_levels),
	ROW("memory", "total_ram", SIZE, total_ram),
	ROW(NULL, "unaccepted", SIZE, unaccepted),
	ROW("CPUs", "possible_cpus", NUM, possible_cpus),
	ROW("x2apic", "x2apic", TRI, x2apic),
	ROW("hypervisor", "hypervisor", STR, hypervisor),
	ROW(NULL, "sev_guest", TRI, sev_guest),
	ROW(NULL, "tdx_guest", TRI, tdx_guest),
	ROW(NULL, "sme_active", TRI, sme_active),
	ROW(NULL, "xen_pv", TRI, xen_pv),
	ROW("EFI", "efi", TRI, efi),
	ROW(NULL, "efi_bits", NUM, efi_bits),
	ROW("ACPI RSDP", "acpi_rsdp", HEX, acpi_rsdp),
	ROW("IOMMUs", "iommus", NUM, iommus),
	ROW("display", "gpu_drivers", STR, gpu_drivers),
	ROW("resume from", "resume_device", STR, resume_device),
	{ 0 },
};

/* Every fact begins with its origin. */
static const struct us_origin *origin(const struct us_host *host, const struct row *r)
{
	return (const void *)((const char *)host + r->offset);
}

static const char *value(const struct us_host *host, const struct row *r, char *buf, size_t n)
{
	const void *fact = origin(host, r);
	uint64_t v = r->kind == NUM || r->kind == SIZE || r->kind == HEX
			     ? ((const struct us_fact_u64 *)fact)->v
			     : 0;

	switch (r->kind) {
	case TRI:
		return us_tri_name(((const struct us_fact_tri *)fact)->v);
	case STR:
		return ((const struct us_fact_str *)fact)->v;
	case SIGNED:
		if (((const struct us_fact_i64 *)fact)->v < 0)
			return "none";
		snprintf(buf, n, "%" PRId64 " more", ((const struct us_fact_i64 *)fact)->v);
		return buf;
	case SIZE:
		return us_size_long(v, buf);
	case HEX:
		snprintf(buf, n, "0x%" PRIx64, v);
		return buf;
	default:
		snprintf(buf, n, "%" PRIu64, v);
		return buf;
	}
}

static const char *words_for(const struct row *r, const char *v)
{
	if (!strcmp(r->key, "kexec_loaded"))
		return strcmp(v, "0") ? "loaded: understudy exec starts it" : "none loaded";
	if (!strcmp(r->key, "crash_loaded"))
		return strcmp(v, "0") ? "armed: a crash will be captured"
				      : "none armed: a crash will not be captured";
	if (!strcmp(r->key, "load_disabled"))
		return strcmp(v, "0") ? "yes: kernel.kexec_load_disabled is set until the reboot"
				      : "no";
	return v;
}

static void rows(struct us_out *out, const struct us_host *host, const struct row *r)
{
	for (; r->key; r++) {
		const struct us_origin *o = origin(host, r);
		char buf[US_SIZE_LONG];
		const char *v;

		if (!r->label)
			continue;
		if (!us_known(*o)) {
			us_out_row(out, r->label, "not known: %s%s%s", o->missing,
				   o->path ? ": " : "", o->path ? o->path : "");
			continue;
		}
		v = words_for(r, value(host, r, buf, sizeof(buf)));
		if (*v || out->verbose)
			us_out_row(out, r->label, "%s%s%s", *v ? v : "none",
				   out->verbose && o->path ? "  from " : "",
				   out->verbose && o->path ? o->path : "");
	}
}

void us_report_machine(struct us_out *out, const struct us_host *host)
{
	us_out_para(out, 0, 2, "Linux %s, %s%s%s", host->release.v, host->machine.v,
		    host->live ? "" : ", recorded in ", host->live ? "" : host->root);
}

void us_report_status(struct us_out *out, const struct us_host *host)
{
	us_out_head(out, "Loaded");
	rows(out, host, state);
	for (size_t i = 0; i < host->n_crash; i++) {
		char size[US_SIZE_LONG];

		us_out_row(out, "reserved at", "0x%" PRIx64 ", %s", host->crash[i].start,
			   us_size_long(host->crash[i].size, size));
	}
	us_out_head(out, "Allowed");
	rows(out, host, allows);
	us_out_head(out, "Machine");
	rows(out, host, machine);
}

static void put_row(json_object *list, const struct us_host *host, const struct row *r)
{
	const struct us_origin *o = origin(host, r);
	json_object *item = us_json_sub(list, r->key);
	const void *fact = o;

	if (!us_known(*o))
		json_object_object_add(item, "value", NULL);
	else if (r->kind == TRI)
		us_json_tri(item, "value", ((const struct us_fact_tri *)fact)->v);
	else if (r->kind == STR)
		us_json_str(item, "value", ((const struct us_fact_str *)fact)->v);
	else if (r->kind == SIGNED)
		json_object_object_add(item, "value",
				       json_object_new_int64(((const struct us_fact_i64 *)fact)->v));
	else
		us_json_num(item, "value", ((const struct us_fact_u64 *)fact)->v);
	us_json_str(item, "path", o->path);
	us_json_str(item, "missing", o->missing);
}

static void put_map(json_object *obj, const char *key, const struct us_map *map)
{
	json_object *list = us_json_list(obj, key);

	for (size_t i = 0; i < map->n; i++) {
		json_object *item = us_json_item(list);

		us_json_num(item, "start", map->entries[i].range.start);
		us_json_num(item, "size", map->entries[i].range.size);
		us_json_str(item, "kind", us_mem_kind_name(map->entries[i].kind));
	}
}

json_object *us_json_status(const struct us_host *host)
{
	static const struct row *const tables[] = { state, allows, machine };
	json_object *obj = us_json_new("status"), *list;

	if (!obj)
		return NULL;
	us_json_str(obj, "root", host->root);
	us_json_bool(obj, "live", host->live);
	us_json_str(obj, "arch", host->arch ? host->arch->name : NULL);
	list = us_json_sub(obj, "facts");
	for (size_t i = 0; i < us_array_size(tables); i++)
		for (const struct row *r = tables[i]; r->key; r++)
			put_row(list, host, r);
	list = us_json_list(obj, "crash_ranges");
	for (size_t i = 0; i < host->n_crash; i++) {
		json_object *item = us_json_item(list);

		us_json_num(item, "start", host->crash[i].start);
		us_json_num(item, "size", host->crash[i].size);
	}
	put_map(obj, "map", &host->map);
	put_map(obj, "firmware_map", &host->firmware_map);
	return obj;
}
