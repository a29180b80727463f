/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Firmware: EFI tables and runtime regions, the boot parameters that this kernel was given, where
 * the ACPI tables start. Linux 6.12 drivers/firmware/efi/efi.c, arch/x86/kernel/ksysfs.c,
 * Documentation/arch/x86/zero-page.rst.
 */
#include "host/host-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <fcntl.h>
#include <string.h>

#define BP_ACPI_RSDP 0x070
#define BP_EFI_INFO  0x1c0 /* signature, systab, ..., systab_hi at +24 */

static void read_boot_params(struct us_host *host)
{
	_us_blob_deinit_ struct us_blob blob = { 0 };
	_us_err_free_ struct us_err *err = NULL;

	if (us_host_read(host, &host->pool, US_FILE_BOOT_PARAMS, NULL, &blob,
			 &host->boot_params_from))
		err = us_pool_adopt(&host->pool, &blob, &host->boot_params);
	if (err)
		host->boot_params_from.missing = us_host_say(&host->pool, "%s", err->text);
}

/* "SMBIOS=0xf5f40" in the text of systab. */
static struct us_fact_u64 table_address(struct us_host *host, const struct us_blob *systab,
					struct us_origin from, const char *name)
{
	struct us_fact_u64 fact = { .o = from };

	if (us_known(from) && !us_field_u64(us_blob_bytes(systab), name, 16, &fact.v))
		fact.o.missing = us_host_say(&host->pool, "it has no line %s", name);
	return fact;
}

static struct us_fact_u64 systab_address(const struct us_host *host)
{
	static const char *const path = "/sys/kernel/boot_params/data, offset 0x1c4 (efi_systab)";
	uint32_t low, high;

	if (!us_le32(host->boot_params, BP_EFI_INFO + 4, &low) ||
	    !us_le32(host->boot_params, BP_EFI_INFO + 24, &high))
		return (struct us_fact_u64){ .o = host->boot_params_from };
	if (!low && !high)
		return us_fact_u64_unknown(path, "it is zero: no EFI was handed to this kernel");
	return us_fact_u64_known(path, (uint64_t)high << 32 | low);
}

/* In the order of the kernel's own search: its boot parameters, EFI, the command line. */
static struct us_fact_u64 find_rsdp(struct us_host *host, const struct us_blob *systab,
				    struct us_origin from)
{
	static const char *const names[] = { "ACPI20=", "ACPI=" };
	const char *at = host->cmdline.v;
	struct us_cmdline_word word;
	struct us_fact_u64 fact;
	size_t used;

	if (us_le64(host->boot_params, BP_ACPI_RSDP, &fact.v) && fact.v)
		return us_fact_u64_known(
			"/sys/kernel/boot_params/data, offset 0x070 (acpi_rsdp_addr)", fact.v);
	for (size_t i = 0; i < us_array_size(names); i++) {
		fact = table_address(host, systab, from, names[i]);
		if (us_known(fact.o))
			return fact;
	}
	while (us_cmdline_next(&at, &word))
		if (us_cmdline_is(&word, "acpi_rsdp") &&
		    us_number_at(us_bytes_of(word.p + 10, word.n - 10), 16, &fact.v, &used))
			return us_fact_u64_known("/proc/cmdline: acpi_rsdp", fact.v);
	return us_fact_u64_unknown(
		"/sys/kernel/boot_params/data, offset 0x070 (acpi_rsdp_addr)",
		host->efi.v == US_NO
			? "it is zero: this BIOS machine finds ACPI by a search of low "
			  "memory"
			: "it is zero, and /sys/firmware/efi/systab was not readable");
}

static struct us_err *read_regions(struct us_host *host)
{
	static const enum us_host_file files[] = { US_FILE_EFI_REGION_TYPE, US_FILE_EFI_REGION_PHYS,
						   US_FILE_EFI_REGION_VIRT,
						   US_FILE_EFI_REGION_PAGES,
						   US_FILE_EFI_REGION_ATTRIBUTE };
	struct us_host_efi_region *regions;
	const char *const *names;
	size_t n;

	host->efi_regions_from = (struct us_origin){ .path = "/sys/firmware/efi/runtime-map" };
	US_TRY(us_host_list(host, &host->pool, US_FILE_EFI_REGION_TYPE, &names, &n));
	regions = us_pool_array(&host->pool, n + 1, sizeof(*regions));
	if (!regions)
		return us_err_nomem();
	if (!n)
		host->efi_regions_from.missing = us_host_files[US_FILE_EFI_REGION_TYPE].absent;
	for (size_t i = 0; i < n; i++) {
		struct us_host_efi_region *r = &regions[i];
		uint64_t type = 0, *const into[] = { &type, &r->phys, &r->virt, &r->pages,
						     &r->attribute };

		for (size_t k = 0; k < us_array_size(files); k++) {
			_us_blob_deinit_ struct us_blob blob = { 0 };

			if (!us_host_read(host, &host->pool, files[k], names[i], &blob,
					  &host->efi_regions_from))
				return NULL;
			if (!us_text_u64((char *)blob.p, 0, into[k])) {
				host->efi_regions_from.missing = "it holds no number";
				return NULL;
			}
		}
		r->type = (uint32_t)type;
	}
	host->efi_regions = regions;
	host->n_efi_regions = n;
	host->efi_regions_from.path = "/sys/firmware/efi/runtime-map";
	return NULL;
}

struct us_err *us_host_read_firmware(struct us_host *host)
{
	_us_close_ int sys = us_host_openat(host, "/sys", O_RDONLY | O_DIRECTORY);
	_us_close_ int efi = us_host_openat(host, "/sys/firmware/efi", O_RDONLY | O_DIRECTORY);
	_us_blob_deinit_ struct us_blob systab = { 0 };
	struct us_origin from;

	read_boot_params(host);
	host->efi = sys >= 0 ? us_fact_tri_known("/sys/firmware/efi", efi >= 0)
			     : us_fact_tri_unknown("/sys/firmware/efi", "mount sysfs");
	host->efi_bits = us_fact_u64_of(host, US_FILE_EFI_BITS, 10);
	host->efi_fw_vendor = us_fact_u64_of(host, US_FILE_EFI_FW_VENDOR, 0);
	host->efi_runtime = us_fact_u64_of(host, US_FILE_EFI_RUNTIME, 0);
	host->efi_config_table = us_fact_u64_of(host, US_FILE_EFI_CONFIG_TABLE, 0);
	us_host_read(host, &host->pool, US_FILE_EFI_SYSTAB, NULL, &systab, &from);
	host->efi_smbios = table_address(host, &systab, from, "SMBIOS=");
	host->efi_systab = systab_address(host);
	host->acpi_rsdp = find_rsdp(host, &systab, from);
	return read_regions(host);
}
