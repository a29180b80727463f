/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory: what firmware listed (/sys/firmware/memmap), what the kernel made of it (/proc/iomem),
 * the crash reservation, and where kernel text and the direct map lie for the ELF core header
 * (x86_64: Linux 6.12 Documentation/arch/x86/x86_64/mm.rst).
 */
#include "host/host-int.h"

#include "base/cleanup.h"

#include <string.h>

#define X86_TEXT_START 0xffffffff80000000u /* __START_KERNEL_map */
#define X86_TEXT_END   0xffffffffc0000000u /* the modules' area follows */
#define KALLSYMS_HEAD  (256 << 10)
#define MASKED         "all addresses are shown as zero: readable by root only"

static struct us_err *firmware_entry(struct us_host *host, const char *name, bool *ret_taken)
{
	_us_blob_deinit_ struct us_blob start = { 0 }, end = { 0 }, type = { 0 };
	struct us_origin from;
	struct us_bytes words;
	struct us_range range;
	uint64_t first, last;
	size_t used;

	*ret_taken = false;
	if (!us_host_read(host, &host->pool, US_FILE_MEMMAP_START, name, &start, &from) ||
	    !us_host_read(host, &host->pool, US_FILE_MEMMAP_END, name, &end, &from) ||
	    !us_host_read(host, &host->pool, US_FILE_MEMMAP_TYPE, name, &type, &from) ||
	    !us_number_at(us_blob_bytes(&start), 16, &first, &used) ||
	    !us_number_at(us_blob_bytes(&end), 16, &last, &used) ||
	    !us_range_from_last(first, last, &range) ||
	    !us_line_next(&(struct us_bytes){ type.p, type.n }, &words))
		return NULL;
	*ret_taken = true;
	return us_map_set(&host->firmware_map, range, us_mem_kind_of(words));
}

static struct us_err *read_firmware_map(struct us_host *host)
{
	const char *const *names;
	bool taken;
	size_t n;

	host->firmware_map_from = (struct us_origin){ .path = "/sys/firmware/memmap" };
	US_TRY(us_host_list(host, &host->pool, US_FILE_MEMMAP_START, &names, &n));
	for (size_t i = 0; i < n; i++) {
		US_TRY(firmware_entry(host, names[i], &taken));
		if (!taken)
			host->firmware_map_from.missing = us_host_say(
				&host->pool, "entry %s could not be read as a memory range",
				names[i]);
	}
	host->firmware_entries = n;
	if (!n)
		host->firmware_map_from.missing =
			"not there: FIRMWARE_MEMMAP is off, or sysfs is not mounted";
	return NULL;
}

static int by_start(const void *a, const void *b)
{
	const struct us_range *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

static void take_iomem(struct us_host *host, struct us_iomem *iomem)
{
	host->map = iomem->map;
	iomem->map = (struct us_map){ 0 };
	memcpy(host->crash, iomem->crash, sizeof(host->crash));
	host->n_crash = iomem->n_crash;
	host->reserved_entries = iomem->reserved_entries;
	qsort(host->crash, host->n_crash, sizeof(*host->crash), by_start);
	if (iomem->code_start && host->arch->id == US_ARCH_X86_64) {
		host->text_phys = us_fact_u64_known("/proc/iomem: Kernel code", iomem->code_start);
		if (iomem->bss_end)
			host->text_end_phys =
				us_fact_u64_known("/proc/iomem: Kernel bss", iomem->bss_end);
	}
}

static struct us_err *read_iomem(struct us_host *host)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	_us_iomem_deinit_ struct us_iomem iomem = { 0 };
	_us_err_free_ struct us_err *err = NULL;
	const char *why;

	host->text_phys = us_fact_u64_unknown("/proc/iomem", "no line \"Kernel code\"");
	host->text_end_phys = us_fact_u64_unknown("/proc/iomem", "no line \"Kernel bss\"");
	if (us_host_read(host, &host->pool, US_FILE_IOMEM, NULL, &blob, &host->map_from)) {
		err = us_iomem_parse(us_blob_bytes(&blob), &iomem);
		if (err && err->code == US_ERR_NOMEM)
			return us_steal(&err);
		if (err)
			host->map_from.missing = us_host_say(&host->pool, "%s", err->text);
		else if (iomem.masked)
			host->map_from.missing = iomem.lines ? MASKED : "it is empty";
		else
			take_iomem(host, &iomem);
	}
	why = host->map_from.missing;
	if (why && !us_known(host->text_phys.o))
		host->text_phys.o.missing = host->text_end_phys.o.missing = why;
	return NULL;
}

/* A line of /proc/meminfo, which counts in kB. */
static bool meminfo_bytes(struct us_bytes text, const char *word, uint64_t *ret)
{
	uint64_t kib;

	return us_field_u64(text, word, 10, &kib) && us_mul(kib, (uint64_t)1024, ret);
}

static void read_meminfo(struct us_host *host)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	uint64_t total = 0, unaccepted = 0;
	struct us_origin from;

	if (us_host_read(host, &host->pool, US_FILE_MEMINFO, NULL, &blob, &from)) {
		/* without the line (UNACCEPTED_MEMORY=n) firmware accepted all there is */
		(void)meminfo_bytes(us_blob_bytes(&blob), "Unaccepted:", &unaccepted);
		host->unaccepted = us_fact_u64_known("/proc/meminfo: Unaccepted", unaccepted);
		if (!meminfo_bytes(us_blob_bytes(&blob), "MemTotal:", &total))
			from.missing = "it has no line MemTotal";
	} else {
		host->unaccepted = (struct us_fact_u64){ .o = from };
	}
	host->total_ram = (struct us_fact_u64){ .o = from, .v = total };
}

struct us_err *us_host_read_memory(struct us_host *host)
{
	read_meminfo(host);
	US_TRY(read_firmware_map(host));
	return read_iomem(host);
}

/* _text by name, when /proc/kcore could not be read. It stands near the start of a large file: only
 * symbols of per-CPU data come before it. */
static void text_from_kallsyms(struct us_host *host)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	struct us_origin from;
	uint64_t virt = 0;

	if (!us_known(host->text_phys.o)) /* no root: addresses are hidden there as well */
		return;
	if (!us_host_read_head(host, &host->pool, US_FILE_KALLSYMS, KALLSYMS_HEAD, &blob, &from))
		return;
	if (us_kallsyms_find(us_blob_bytes(&blob), "_text", &virt) && virt)
		host->text_virt = us_fact_u64_known("/proc/kallsyms: _text", virt);
}

struct us_err *us_host_read_text(struct us_host *host, const struct us_kcore *kcore)
{
	const char *why = kcore->from.missing ? kcore->from.missing : "no such program header";
	const char *path = us_host_say(&host->pool, "%s: program headers", kcore->from.path);
	uint64_t lowest = UINT64_MAX;

	host->text_virt = us_fact_u64_unknown(kcore->from.path, why);
	host->page_offset = us_fact_u64_unknown(kcore->from.path, why);
	if (host->arch->id != US_ARCH_X86_64)
		return NULL;
	for (size_t i = 0; i < kcore->n_loads; i++) {
		const struct us_kcore_load *load = &kcore->loads[i];
		uint64_t end;

		if (load->phys == UINT64_MAX || load->virt < load->phys ||
		    !us_add(load->phys, load->size, &end))
			continue;
		if (load->virt >= X86_TEXT_START && load->virt < X86_TEXT_END && load->phys) {
			host->text_virt = us_fact_u64_known(path, load->virt);
			host->text_phys = us_fact_u64_known(path, load->phys);
			host->text_end_phys = us_fact_u64_known(path, end);
		} else if (load->virt < X86_TEXT_START && load->phys && load->virt < lowest) {
			lowest = load->virt;
			host->page_offset = us_fact_u64_known(path, load->virt - load->phys);
		}
	}
	if (!us_known(host->text_virt.o))
		text_from_kallsyms(host);
	return NULL;
}
