/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Trust: lockdown, Secure Boot, whether kexec_file_load enforces signatures and whether IMA refuses
 * kexec_load, and the certificates in the kernel's keyrings. The kernel exports no "enforced" flag;
 * it follows from configuration and Secure Boot (Linux 6.12 kernel/kexec_file.c,
 * security/integrity/ima/ima_efi.c, ima_main.c: ima_load_data).
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

/* Does a policy that root could read appraise what is loaded so? type: NULL or how. */
static bool policy_appraises(struct us_bytes policy, const char *func, const char *type)
{
	struct us_bytes line;

	while (us_line_next(&policy, &line))
		if (us_line_after(line, "appraise ", NULL) && us_line_has_word(line, func) &&
		    (!type || us_line_has_word(line, type)))
			return true;
	return false;
}

/* Secure Boot brings in a rule that appraises kernels, but not where kexec checks signatures itself. */
static struct us_fact_tri arch_policy_appraises(struct us_host *host)
{
	if (us_kconfig_builtin(host->kconfig, "KEXEC_SIG") == US_YES)
		return us_fact_tri_known(us_host_say(&host->pool,
						     "%s: CONFIG_KEXEC_SIG: no rule of IMA's own",
						     host->config_known.o.path),
					 false);
	if (host->secure_boot.v != US_YES)
		return host->secure_boot;
	if (!host->kconfig)
		return us_fact_tri_unknown(host->config_known.o.path, host->config_known.o.missing);
	return us_fact_tri_known(us_host_say(&host->pool,
					     "%s: CONFIG_IMA_ARCH_POLICY, without CONFIG_KEXEC_SIG",
					     host->config_known.o.path),
				 us_kconfig_builtin(host->kconfig, "IMA_ARCH_POLICY") == US_YES);
}

/* The policy cannot be read: what is known of it is what the kernel was told and built with. */
static struct us_fact_tri policy_unread(struct us_host *host, const char *why)
{
	struct us_fact_tri arch = arch_policy_appraises(host);
	const char *at = host->cmdline.v;
	struct us_cmdline_word word;

	if (us_kconfig_builtin(host->kconfig, "IMA_APPRAISE_REQUIRE_KEXEC_SIGS") == US_YES)
		return us_fact_tri_known(us_host_say(&host->pool,
						     "%s: CONFIG_IMA_APPRAISE_REQUIRE_KEXEC_SIGS",
						     host->config_known.o.path),
					 true);
	while (arch.v == US_NO && us_cmdline_next(&at, &word)) {
		if (!us_cmdline_is(&word, "ima_policy"))
			continue;
		if (memmem(word.p, word.n, "secure_boot", 11))
			return us_fact_tri_known("/proc/cmdline: ima_policy has secure_boot", true);
		return us_fact_tri_unknown(
			us_host_files[US_FILE_IMA_POLICY].path,
			us_host_say(&host->pool,
				    "a policy is chosen on the command line; the policy itself: %s",
				    why));
	}
	return arch;
}

static struct us_fact_tri find_ima_appraises(struct us_host *host)
{
	_us_blob_deinit_ struct us_blob policy = { 0 };
	struct us_origin from;

	if (us_kconfig_builtin(host->kconfig, "IMA_APPRAISE") == US_NO)
		return us_fact_tri_known(us_host_say(&host->pool, "%s: CONFIG_IMA_APPRAISE is off",
						     host->config_known.o.path),
					 false);
	if (us_host_read(host, &host->pool, US_FILE_IMA_POLICY, NULL, &policy, &from))
		return us_fact_tri_known(
			from.path,
			policy_appraises(us_blob_bytes(&policy), "func=KEXEC_KERNEL_CHECK", NULL));
	return policy_unread(host, from.missing);
}

/* By signature: a mere hash can be written by whoever may load. No policy that the kernel brings
 * along has such a rule, so only one that can be read tells. */
static struct us_fact_tri find_ima_appraises_initrd(struct us_host *host)
{
	_us_blob_deinit_ struct us_blob policy = { 0 };
	struct us_origin from;

	if (us_kconfig_builtin(host->kconfig, "IMA_APPRAISE") == US_NO)
		return us_fact_tri_known(us_host_say(&host->pool, "%s: CONFIG_IMA_APPRAISE is off",
						     host->config_known.o.path),
					 false);
	if (!us_host_read(host, &host->pool, US_FILE_IMA_POLICY, NULL, &policy, &from))
		return us_fact_tri_unknown(from.path, from.missing);
	return us_fact_tri_known(from.path, policy_appraises(us_blob_bytes(&policy),
							     "func=KEXEC_INITRAMFS_CHECK",
							     "appraise_type=imasig"));
}

/* By its policy, or because signatures are enforced, which kexec_load could go around. */
static struct us_fact_tri find_ima_refuses(struct us_host *host)
{
	struct us_fact_tri enforced = by_secure_boot(host, "a refusal by IMA");

	if (host->ima_appraises_kexec.v == US_YES || enforced.v == US_NO)
		return host->ima_appraises_kexec;
	return enforced;
}

struct us_err *us_host_read_trust(struct us_host *host)
{
	_us_blob_deinit_ struct us_blob keys = { 0 }, members = { 0 };
	struct us_host_key *list = NULL;
	bool linked;

	host->secure_boot = find_secure_boot(host);
	host->lockdown = find_lockdown(host);
	host->sig_enforced = find_sig_enforced(host);
	host->ima_appraises_kexec = find_ima_appraises(host);
	host->ima_appraises_initrd = find_ima_appraises_initrd(host);
	host->ima_refuses_kexec_load = find_ima_refuses(host);
	if (!us_host_read(host, &host->pool, US_FILE_KEYS, NULL, &keys, &host->keys_from)) {
		host->keyrings_from = host->keys_from;
		return NULL;
	}
	US_TRY(us_keys_parse(&host->pool, us_blob_bytes(&keys), &list, &host->n_keys));
	US_TRY(us_keyrings_read(host, &host->pool, us_blob_bytes(&keys), &members,
				&host->keyrings_from));
	if (us_known(host->keyrings_from)) {
		US_TRY(us_keyrings_apply(&host->pool, us_blob_bytes(&keys), us_blob_bytes(&members),
					 list, host->n_keys, &linked));
		host->machine_linked = us_tri_of(linked);
	}
	host->keys = list;
	/* Everyone may read the file but sees only what may be viewed: for others than root an
	 * empty list proves nothing. */
	if (!host->n_keys && host->cap_sys_boot.v != US_YES)
		host->keys_from.missing = "only root sees the kernel's certificates there";
	return NULL;
}
