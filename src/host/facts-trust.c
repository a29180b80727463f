/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trust: lockdown, Secure Boot, whether kexec_file_load enforces signatures and whether IMA refuses
 * kexec_load, and the certificates in the kernel's keyrings. The kernel exports no "enforced" flag;
 * it follows from configuration and Secure Boot (Linux 6.12 kernel/kexec_file.c,
 * security/integrity/ima/ima_efi.c, ima_main.c: ima_load_data). IMA's policy is facts-ima.c.
 */
#include "host/host-int.h"

#include "base/cleanup.h"

#include <string.h>

#define BP_SECURE_BOOT 0x1ec /* 2 disabled, 3 enabled: enum efi_secureboot_mode */
#define BP_PATH        "/sys/kernel/boot_params/data, offset 0x1ec (secure_boot)"

/* The kernel's own view first: its stub also honours shim's MokSBState. */
static struct us_fact_tri find_secure_boot(struct us_host *host)
{
	_us_blob_deinit_ struct us_blob variable = { 0 };
	struct us_origin from;
	uint8_t mode = 0;

	if (us_u8(host->boot_params, BP_SECURE_BOOT, &mode) && (mode == 2 || mode == 3))
		return us_fact_tri_known(BP_PATH, mode == 3);
	if (host->efi.v == US_NO)
		return us_fact_tri_known("/sys/firmware/efi is absent", false);
	if (!us_host_read(host, &host->pool, US_FILE_EFI_SECURE_BOOT, NULL, &variable, &from))
		return us_fact_tri_unknown(from.path, from.missing);
	if (variable.n != 5) /* four bytes of attributes, then the value */
		return us_fact_tri_unknown(from.path, "it is not 5 bytes long");
	return us_fact_tri_known(from.path, variable.p[4] == 1);
}

static struct us_fact_str find_lockdown(struct us_host *host)
{
	struct us_fact_str fact = us_fact_str_of(host, US_FILE_LOCKDOWN);
	struct us_bytes word;

	if (!us_known(fact.o)) {
		if (us_kconfig_builtin(host->kconfig, "SECURITY_LOCKDOWN_LSM") == US_NO)
			return (struct us_fact_str){
				.o.path = us_host_say(&host->pool,
						      "%s: CONFIG_SECURITY_LOCKDOWN_LSM is off",
						      host->config_known.o.path),
				.v = "none"
			};
		return fact;
	}
	if (us_bracketed(us_bytes_of(fact.v, strlen(fact.v)), &word))
		fact.v = us_host_say(&host->pool, "%.*s", (int)word.n, word.p);
	else
		fact = (struct us_fact_str){ .o = { fact.o.path, "no word stands in brackets" },
					     .v = "" };
	return fact;
}

/* Does Secure Boot switch a kernel of this configuration to enforcing (IMA's architecture policy)? */
static struct us_fact_tri by_secure_boot(struct us_host *host, const char *what)
{
	const char *from = host->config_known.o.path;
	enum us_tri sig = us_kconfig_builtin(host->kconfig, "KEXEC_SIG");
	enum us_tri ima = us_kconfig_builtin(host->kconfig, "IMA_ARCH_POLICY");
	enum us_tri sb = host->secure_boot.v;

	if (sb == US_NO)
		return us_fact_tri_known(us_host_say(&host->pool, "%s: Secure Boot is off",
						     host->secure_boot.o.path),
					 false);
	if (sig == US_NO || ima == US_NO)
		return us_fact_tri_known(
			us_host_say(&host->pool, "%s: %s is off", from,
				    sig == US_NO ? "CONFIG_KEXEC_SIG" : "CONFIG_IMA_ARCH_POLICY"),
			false);
	if (sb == US_UNKNOWN)
		return us_fact_tri_unknown(host->secure_boot.o.path, host->secure_boot.o.missing);
	if (!host->kconfig)
		return us_fact_tri_unknown(
			from, us_host_say(&host->pool,
					  "Secure Boot is on, and %s depends on CONFIG_KEXEC_SIG "
					  "and CONFIG_IMA_ARCH_POLICY; %s",
					  what, host->config_known.o.missing));
	return us_fact_tri_known(us_host_say(&host->pool,
					     "%s: Secure Boot is on; %s: CONFIG_KEXEC_SIG and "
					     "CONFIG_IMA_ARCH_POLICY are on",
					     host->secure_boot.o.path, from),
				 true);
}

static struct us_fact_tri find_sig_enforced(struct us_host *host)
{
	if (us_kconfig_builtin(host->kconfig, "KEXEC_SIG_FORCE") == US_YES)
		return us_fact_tri_known(us_host_say(&host->pool, "%s: CONFIG_KEXEC_SIG_FORCE",
						     host->config_known.o.path),
					 true);
	if (us_kconfig_builtin(host->kconfig, "KEXEC_VERIFY_SIG") == US_YES) /* to 5.3 */
		return us_fact_tri_known(us_host_say(&host->pool, "%s: CONFIG_KEXEC_VERIFY_SIG",
						     host->config_known.o.path),
					 true);
	if (!host->kconfig && host->secure_boot.v == US_NO)
		return us_fact_tri_unknown(host->config_known.o.path,
					   us_host_say(&host->pool,
						       "CONFIG_KEXEC_SIG_FORCE may be on; %s",
						       host->config_known.o.missing));
	return by_secure_boot(host, "enforcement of signatures");
}

/* By its policy, or because signatures are enforced, which kexec_load could go around. */
static struct us_fact_tri refuses_kexec_load(struct us_host *host, struct us_fact_tri by_policy)
{
	struct us_fact_tri enforced = by_secure_boot(host, "a refusal by IMA");

	return by_policy.v == US_YES || enforced.v == US_NO ? by_policy : enforced;
}

static struct us_err *read_keyrings(struct us_host *host, struct us_bytes keys)
{
	_us_blob_deinit_ struct us_blob members = { 0 };
	struct us_host_key *list = NULL;
	struct us_keyrings rings;
	const char *why;

	US_TRY(us_keys_parse(&host->pool, keys, &list, &host->n_keys));
	US_TRY(us_keyrings_read(host, &host->pool, keys, &members, &host->keyrings_from, &why));
	US_TRY(us_keyrings_apply(&host->pool, keys, us_blob_bytes(&members), list, host->n_keys,
				 &rings));
	host->keys = list;
	host->unlisted = rings.unlisted;
	host->machine_linked = rings.machine_linked;
	if (!us_known(host->keyrings_from))
		why = host->keyrings_from.missing;
	host->keyrings_from.missing =
		*rings.unlisted ? us_host_say(&host->pool, "%s could not be listed: %s",
					      rings.unlisted, why)
				: NULL;
	/* Everyone may read the file but sees only what may be viewed: for others than root a list
	 * without the kernel's own keys proves nothing. */
	if ((!host->n_keys || !rings.seen) && host->cap_sys_boot.v != US_YES)
		host->keys_from.missing = host->keyrings_from.missing =
			"only root sees the kernel's certificates there";
	return NULL;
}

struct us_err *us_host_read_trust(struct us_host *host)
{
	_us_blob_deinit_ struct us_blob keys = { 0 };

	host->secure_boot = find_secure_boot(host);
	host->lockdown = find_lockdown(host);
	host->sig_enforced = find_sig_enforced(host);
	us_host_read_ima(host);
	host->ima_refuses_kexec_load = refuses_kexec_load(host, host->ima_refuses_kexec_load);
	host->unlisted = "";
	if (us_host_read(host, &host->pool, US_FILE_KEYS, NULL, &keys, &host->keys_from))
		return read_keyrings(host, us_blob_bytes(&keys));
	host->keyrings_from = host->keys_from;
	return NULL;
}
