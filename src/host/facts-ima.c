/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IMA: whether its policy appraises kernels and initrds for kexec, and whether what it finds counts
 * (Linux 6.12 security/integrity/ima/{ima_policy,ima_main,ima_appraise}.c). The first rule that
 * matches a file decides, an appraise or a dont_appraise one; a rule with conditions (fsmagic=,
 * fowner=...) matches some files only, so that what follows from it is not known here. kexec_load
 * is refused by the mere presence of an appraise rule for kernels, whatever its conditions.
 */
#include "host/host-int.h"

#include "base/cleanup.h"

#include <string.h>

#define KERNELS "func=KEXEC_KERNEL_CHECK"
#define INITRDS "func=KEXEC_INITRAMFS_CHECK"

struct rule {
	bool appraise; /* else dont_appraise */
	bool by_signature, conditional, named;
};

static bool next_word(struct us_bytes *line, struct us_bytes *ret)
{
	size_t end = us_bytes_find(*line, 0, " ", 1);

	if (!line->n)
		return false;
	if (end == SIZE_MAX)
		end = line->n;
	*ret = us_bytes_clip(*line, 0, end);
	*line = us_bytes_clip(*line, end + 1, line->n);
	return true;
}

static bool begins(struct us_bytes word, const char *with)
{
	return us_bytes_match(word, 0, with, strlen(with));
}

/* Words that say how a file is appraised, not which. */
static bool is_manner(struct us_bytes word)
{
	static const char *const words[] = { "appraise_", "digest_type=", "template=", "pcr=",
					     "permit_directio" };

	for (size_t i = 0; i < us_array_size(words); i++)
		if (begins(word, words[i]))
			return true;
	return !word.n;
}

/* False if the line says nothing about what is read as func. */
static bool read_rule(struct us_bytes line, const char *func, struct rule *ret)
{
	struct us_bytes word;

	*ret = (struct rule){ 0 };
	if (!next_word(&line, &word))
		return false;
	ret->appraise = begins(word, "appraise");
	if (!ret->appraise && !begins(word, "dont_appraise"))
		return false;
	while (next_word(&line, &word)) {
		if (begins(word, "func=")) {
			if (!us_bytes_equal(word, us_bytes_of(func, strlen(func))))
				return false;
			ret->named = true;
		} else if (begins(word, "mask=")) {
			if (us_bytes_find(word, 0, "MAY_READ", 8) == SIZE_MAX)
				return false; /* they are read */
		} else if (begins(word, "appraise_type=")) {
			ret->by_signature = true;
		} else if (!is_manner(word)) {
			ret->conditional = true;
		}
	}
	return true;
}

/* ret_by_hash: somewhere a mere hash is enough. */
static struct us_fact_tri judge(struct us_host *host, struct us_bytes policy, const char *func,
				bool *ret_by_hash)
{
	const char *path = us_host_files[US_FILE_IMA_POLICY].path;
	bool some[2] = { false, false }, decision = false; /* some: of no, of yes, for some files */
	struct us_bytes line;

	*ret_by_hash = false;
	while (us_line_next(&policy, &line)) {
		struct rule rule;

		if (!read_rule(line, func, &rule))
			continue;
		*ret_by_hash |= rule.appraise && !rule.by_signature;
		decision = rule.appraise;
		if (!rule.conditional)
			break;
		some[rule.appraise] = true;
		decision = false;
	}
	if (some[!decision])
		return us_fact_tri_unknown(
			path,
			us_host_say(&host->pool,
				    "its rules for %s have conditions: they hold for some files "
				    "and not for others",
				    func));
	return us_fact_tri_known(path, decision);
}

/* Is there an appraise rule for kernels, on whatever condition? */
static bool names_kernels(struct us_bytes policy)
{
	struct us_bytes line;
	struct rule rule;

	while (us_line_next(&policy, &line))
		if (read_rule(line, KERNELS, &rule) && rule.appraise && rule.named)
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

/* The last word called name; false if there is none. */
static bool last_word(const struct us_host *host, const char *name, struct us_cmdline_word *ret)
{
	const char *at = host->cmdline.v;
	struct us_cmdline_word word;
	bool found = false;

	while (us_cmdline_next(&at, &word)) {
		if (!us_cmdline_is(&word, name))
			continue;
		*ret = word;
		found = true;
	}
	return found;
}

/* What the kernel was told and built with: rules that are there from the start. missing: why the
 * policy itself cannot be read, NULL if it was. */
static struct us_fact_tri by_boot(struct us_host *host, const char *missing)
{
	struct us_fact_tri arch = arch_policy_appraises(host);
	struct us_cmdline_word word;

	if (us_kconfig_builtin(host->kconfig, "IMA_APPRAISE_REQUIRE_KEXEC_SIGS") == US_YES)
		return us_fact_tri_known(us_host_say(&host->pool,
						     "%s: CONFIG_IMA_APPRAISE_REQUIRE_KEXEC_SIGS",
						     host->config_known.o.path),
					 true);
	if (arch.v != US_NO || !last_word(host, "ima_policy", &word))
		return arch;
	if (memmem(word.p, word.n, "secure_boot", 11))
		return us_fact_tri_known("/proc/cmdline: ima_policy has secure_boot", true);
	if (!missing)
		return arch;
	return us_fact_tri_unknown(
		us_host_files[US_FILE_IMA_POLICY].path,
		us_host_say(&host->pool,
			    "a policy is chosen on the command line; the policy itself: %s",
			    missing));
}

/* Why it is not known whether the kernel heeds ima_appraise= (it does not under Secure Boot); NULL:
 * it is known. */
static const char *why_not_known(const struct us_host *host, enum us_tri built)
{
	if (built == US_UNKNOWN)
		return "whether the kernel heeds it (CONFIG_IMA_APPRAISE_BOOTPARAM) is not known";
	if (host->secure_boot.v == US_UNKNOWN)
		return "Secure Boot would overrule it, and whether that is on is not known";
	if (host->secure_boot.v == US_YES)
		return "Secure Boot is on, and kernels without CONFIG_IMA_ARCH_POLICY differ in "
		       "whether that overrules it";
	return NULL;
}

/* Does a file that fails its appraisal stay out? ima_appraise=off, log and fix let it in. */
static struct us_fact_tri enforces(struct us_host *host)
{
	enum us_tri built = us_kconfig_builtin(host->kconfig, "IMA_APPRAISE_BOOTPARAM");
	enum us_tri overruled = us_kconfig_builtin(host->kconfig, "IMA_ARCH_POLICY");
	static const char *const soft[] = { "off", "log", "fix" };
	struct us_cmdline_word word;
	const char *value = NULL;

	if (!us_known(host->cmdline.o))
		return us_fact_tri_unknown(host->cmdline.o.path, host->cmdline.o.missing);
	if (last_word(host, "ima_appraise", &word))
		value = memchr(word.p, '=', word.n);
	if (built == US_NO || (overruled == US_YES && host->secure_boot.v == US_YES))
		value = NULL; /* the kernel does not listen */
	for (size_t i = 0; value && i < us_array_size(soft); i++) {
		const char *path, *missing = why_not_known(host, built);

		if (strncmp(value + 1 + (value[1] == '"'), soft[i], 3) != 0)
			continue;
		path = us_host_say(&host->pool, "/proc/cmdline: ima_appraise=%s", soft[i]);
		return missing ? us_fact_tri_unknown(path, missing)
			       : us_fact_tri_known(path, false);
	}
	return us_fact_tri_known("/proc/cmdline: no ima_appraise= that lets files in", true);
}

/* A rule counts where IMA enforces. */
static struct us_fact_tri where(struct us_fact_tri enforced, struct us_fact_tri rule)
{
	return rule.v == US_NO || enforced.v == US_YES ? rule : enforced;
}

void us_host_read_ima(struct us_host *host)
{
	_us_blob_deinit_ struct us_blob policy = { 0 };
	struct us_fact_tri kernels, initrds, refuses, enforced;
	struct us_origin from;
	bool by_hash = false;

	if (us_kconfig_builtin(host->kconfig, "IMA_APPRAISE") == US_NO) {
		host->ima_appraises_kexec = host->ima_appraises_initrd =
			host->ima_refuses_kexec_load = us_fact_tri_known(
				us_host_say(&host->pool, "%s: CONFIG_IMA_APPRAISE is off",
					    host->config_known.o.path),
				false);
		return;
	}
	enforced = enforces(host);
	if (us_host_read(host, &host->pool, US_FILE_IMA_POLICY, NULL, &policy, &from)) {
		struct us_bytes text = us_blob_bytes(&policy);

		initrds = judge(host, text, INITRDS, &by_hash);
		if (by_hash) /* which whoever may load can write */
			initrds = us_fact_tri_known(from.path, false);
		kernels = judge(host, text, KERNELS, &host->ima_by_hash);
		refuses = names_kernels(text) ? us_fact_tri_known(from.path, true)
					      : by_boot(host, NULL);
	} else {
		/* no policy that the kernel brings along speaks of initrds */
		initrds = us_fact_tri_unknown(from.path, from.missing);
		kernels = refuses = by_boot(host, from.missing);
	}
	host->ima_appraises_kexec = where(enforced, kernels);
	host->ima_appraises_initrd = where(enforced, initrds);
	host->ima_refuses_kexec_load = where(enforced, refuses);
}
