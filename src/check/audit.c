/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The audit's lines: which calls are open, whether signatures are enforced and by what, limits,
 * keys, and what nobody signs. Order and errno of the kernel's own checks: Linux 6.12
 * kernel/kexec.c, kernel/kexec_file.c, kernel/kexec_core.c: kexec_load_permitted(),
 * security/integrity/ima. No call is tried.
 */
#include "check/check-int.h"

#include "base/cleanup.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct audit {
	const struct us_host *host;
	const struct us_audit_dumps *dumps;
	struct us_pool *pool;
};

static void say(const struct audit *a, struct us_audit_line *l, const char *value, enum us_tri open,
		const char *fmt, ...) us_printf(5, 6);

/* A NULL fact (no memory) is noticed at the end. */
static void say(const struct audit *a, struct us_audit_line *l, const char *value, enum us_tri open,
		const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	l->value = value;
	l->open = open;
	l->fact = text ? us_pool_strdup(a->pool, text) : NULL;
	free(text);
}

static void from(const struct audit *a, struct us_audit_line *l, struct us_origin o)
{
	l->evidence =
		o.missing ? us_pool_format(a->pool, "%s: %s", us_path(o), o.missing) : us_path(o);
}

static void unknown(const struct audit *a, struct us_audit_line *l, struct us_origin o,
		    const char *what)
{
	say(a, l, "unknown", US_UNKNOWN, "%s is not known", what);
	from(a, l, o);
}

/* One of the two limits; kernels before 6.3 have none. */
static enum us_tri is_used_up(const struct us_host *host, const struct us_fact_i64 *f)
{
	if (us_known(f->o))
		return us_tri_of(f->v == 0);
	return us_release_before(host->release.v, 6, 3) == US_YES ? US_NO : US_UNKNOWN;
}

/* What closes both calls alike: true if the line was said. */
static bool closed_for_all(const struct audit *a, struct us_audit_line *l)
{
	const struct us_host *h = a->host;

	if (us_known(h->load_disabled.o) && h->load_disabled.v) {
		say(a, l, "refused", US_NO,
		    "kernel.kexec_load_disabled is 1 until the next start: "
		    "EPERM");
		from(a, l, h->load_disabled.o);
	} else if (is_used_up(h, &h->limit_panic) == US_YES &&
		   is_used_up(h, &h->limit_reboot) == US_YES) {
		say(a, l, "refused", US_NO, "both kernel.kexec_load_limit_* are used up: EPERM");
		from(a, l, h->limit_panic.o);
	} else if (!us_known(h->load_disabled.o)) {
		unknown(a, l, h->load_disabled.o, "kernel.kexec_load_disabled");
	} else {
		return false;
	}
	return true;
}

static void kexec_load(const struct audit *a, struct us_audit_line *l)
{
	const struct us_host *h = a->host;

	l->fix = "CONFIG_KEXEC=n, lockdown, or kernel.kexec_load_disabled=1 once all is loaded";
	if (h->has_kexec_load.v == US_NO) {
		say(a, l, "absent", US_NO, "this kernel was built without kexec_load: ENOSYS");
		from(a, l, h->has_kexec_load.o);
	} else if (us_known(h->load_disabled.o) && closed_for_all(a, l)) {
		return;
	} else if (h->ima_refuses_kexec_load.v == US_YES) { /* asked before lockdown */
		say(a, l, "refused", US_NO, "IMA wants the kernel as a file: EACCES");
		from(a, l, h->ima_refuses_kexec_load.o);
	} else if (us_is_locked_down(h)) {
		say(a, l, "refused", US_NO, "the kernel is locked down (%s): EPERM", h->lockdown.v);
		from(a, l, h->lockdown.o);
	} else if (h->has_kexec_load.v == US_UNKNOWN) {
		unknown(a, l, h->has_kexec_load.o, "whether this kernel has kexec_load");
	} else if (closed_for_all(a, l)) {
		return;
	} else if (!us_known(h->lockdown.o)) {
		unknown(a, l, h->lockdown.o, "lockdown");
	} else if (h->ima_refuses_kexec_load.v == US_UNKNOWN) {
		unknown(a, l, h->ima_refuses_kexec_load.o, "what IMA's policy says");
	} else {
		say(a, l, "reachable", US_YES,
		    "whoever has CAP_SYS_BOOT loads any code: no signature is asked for");
		from(a, l, h->has_kexec_load.o);
	}
}

static void kexec_file_load(const struct audit *a, struct us_audit_line *l)
{
	const struct us_host *h = a->host;

	if (h->has_kexec_file_load.v == US_NO) {
		say(a, l, "absent", US_NO, "this kernel was built without kexec_file_load: ENOSYS");
		from(a, l, h->has_kexec_file_load.o);
	} else if (h->has_kexec_file_load.v == US_UNKNOWN) {
		unknown(a, l, h->has_kexec_file_load.o, "whether this kernel has kexec_file_load");
	} else if (!closed_for_all(a, l)) {
		/* by itself no way in: the line "signatures" says what it takes */
		say(a, l, "reachable", US_NO,
		    "CAP_SYS_BOOT is enough to ask; what it takes says "
		    "the line on signatures");
		from(a, l, h->has_kexec_file_load.o);
	}
}

static bool cannot_be_asked(const struct us_host *h)
{
	return h->has_kexec_file_load.v == US_NO ||
	       (us_known(h->load_disabled.o) && h->load_disabled.v) ||
	       (is_used_up(h, &h->limit_panic) == US_YES &&
		is_used_up(h, &h->limit_reboot) == US_YES);
}

/* Signatures are enforced, and the kernel's loader has no code that could find one good. With IMA
 * lockdown alone lets pass what IMA appraises. */
static bool none_can_pass(const struct us_host *h, enum us_tri enforced)
{
	return enforced == US_YES && us_lacks_verifier(h, h->arch) &&
	       (h->sig_enforced.v == US_YES || h->ima_appraises_kexec.v == US_NO);
}

static void signatures(const struct audit *a, struct us_audit_line *l)
{
	const struct us_host *h = a->host;
	struct us_origin o;
	const char *why;
	enum us_tri enforced = us_enforced(h, &o, &why);

	l->fix = "CONFIG_KEXEC_SIG_FORCE=y, or Secure Boot with CONFIG_KEXEC_SIG and "
		 "CONFIG_IMA_ARCH_POLICY";
	if (cannot_be_asked(h)) {
		say(a, l, "closed", US_NO, "kexec_file_load loads nothing here");
		from(a, l,
		     h->has_kexec_file_load.v == US_NO                    ? h->has_kexec_file_load.o
		     : us_known(h->load_disabled.o) && h->load_disabled.v ? h->load_disabled.o
									  : h->limit_panic.o);
	} else if (none_can_pass(h, enforced)) {
		say(a, l, "closed", US_NO,
		    "signatures are enforced, but the kernel was built without the code that "
		    "verifies them (CONFIG_KEXEC_BZIMAGE_VERIFY_SIG): kexec_file_load takes no "
		    "image, signed or not");
		l->evidence =
			us_pool_format(a->pool, "%s; %s", us_path(o), us_path(h->config_known.o));
	} else if (h->sig_enforced.v == US_YES) {
		say(a, l, "enforced", US_NO,
		    "only an image signed by one of the keys below is loaded");
		from(a, l, h->sig_enforced.o);
	} else if (h->ima_appraises_kexec.v == US_YES && !h->ima_by_hash) {
		say(a, l, "ima", US_NO, "IMA appraises every kernel by its own signature");
		from(a, l, h->ima_appraises_kexec.o);
	} else if (enforced == US_YES) {
		say(a, l, "lockdown", US_NO,
		    "the kernel is locked down (%s): only an image signed by one of the keys below "
		    "is loaded",
		    h->lockdown.v);
		from(a, l, o);
	} else if (enforced == US_UNKNOWN || h->ima_appraises_kexec.v == US_UNKNOWN) {
		unknown(a, l, enforced == US_UNKNOWN ? o : h->ima_appraises_kexec.o,
			"whether signatures are enforced");
	} else if (us_is_locked_down(h)) {
		say(a, l, "none", US_YES,
		    "the kernel is locked down, but was built without CONFIG_KEXEC_SIG: "
		    "kexec_file_load takes any image");
		from(a, l, h->config_known.o);
	} else {
		bool hash = h->ima_appraises_kexec.v == US_YES;

		say(a, l, "none", US_YES, "kexec_file_load takes any image, signed or not%s",
		    hash ? ": IMA asks for a hash, which whoever may load can write" : "");
		from(a, l, hash ? h->ima_appraises_kexec.o : h->sig_enforced.o);
	}
}

static void load_disabled(const struct audit *a, struct us_audit_line *l)
{
	const struct us_fact_u64 *f = &a->host->load_disabled;

	if (!us_known(f->o)) {
		if (us_has_no_kexec(a->host))
			say(a, l, "absent", US_NO, "this kernel has no kexec");
		else
			unknown(a, l, f->o, "kernel.kexec_load_disabled");
		from(a, l, f->o);
		return;
	}
	say(a, l, f->v ? "yes" : "no", US_NO, "kernel.kexec_load_disabled is %" PRIu64, f->v);
	from(a, l, f->o);
}

static void limit(const struct audit *a, struct us_audit_line *l, const struct us_fact_i64 *f)
{
	if (us_known(f->o) && f->v < 0)
		say(a, l, "unlimited", US_NO, "%s is %" PRId64, strrchr(f->o.path, '/') + 1, f->v);
	else if (us_known(f->o))
		say(a, l, us_pool_format(a->pool, "%" PRId64, f->v), US_NO,
		    f->v == 1 ? "%" PRId64 " more load is allowed"
			      : "%" PRId64 " more loads are allowed",
		    f->v);
	else if (us_release_before(a->host->release.v, 6, 3) == US_YES)
		say(a, l, "unlimited", US_NO, "Linux before 6.3 has no such limit");
	else if (us_has_no_kexec(a->host))
		say(a, l, "0", US_NO, "this kernel has no kexec");
	else
		unknown(a, l, f->o, "the limit");
	from(a, l, f->o);
}

static void limit_panic(const struct audit *a, struct us_audit_line *l)
{
	limit(a, l, &a->host->limit_panic);
}

static void limit_reboot(const struct audit *a, struct us_audit_line *l)
{
	limit(a, l, &a->host->limit_reboot);
}

/* From 6.9 on a kernel without CRASH_DUMP has no crash kernel, and no file that says so. */
static bool never_crash_loaded(const struct us_host *h)
{
	return h->has_crash_dump.v == US_NO && us_release_before(h->release.v, 6, 9) == US_NO;
}

static void loaded(const struct audit *a, struct us_audit_line *l)
{
	const struct us_host *h = a->host;
	const char *value;

	if (us_has_no_kexec(h) && !us_known(h->kexec_loaded.o)) {
		say(a, l, "nothing", US_NO, "this kernel has no kexec");
		from(a, l, h->has_kexec_load.o);
		return;
	}
	if (!us_known(h->kexec_loaded.o)) {
		unknown(a, l, h->kexec_loaded.o, "what is loaded");
		return;
	}
	if (!us_known(h->crash_loaded.o) && !never_crash_loaded(h)) {
		unknown(a, l, h->crash_loaded.o, "whether a crash kernel is loaded");
		return;
	}
	value = h->kexec_loaded.v && h->crash_loaded.v ? "both"
		: h->kexec_loaded.v                    ? "next"
		: h->crash_loaded.v                    ? "crash"
						       : "nothing";
	say(a, l, value, US_NO, "%s",
	    h->kexec_loaded.v || h->crash_loaded.v
		    ? "an image is loaded; who loaded it and whether it was signed is not told by "
		      "the kernel"
		    : "no image is loaded");
	from(a, l, h->kexec_loaded.o);
}

static void capability(const struct audit *a, struct us_audit_line *l)
{
	const struct us_host *h = a->host;

	if (!us_known(h->cap_sys_boot.o) || !us_known(h->init_user_ns.o)) {
		unknown(a, l, us_known(h->cap_sys_boot.o) ? h->init_user_ns.o : h->cap_sys_boot.o,
			"what this process may do");
		return;
	}
	if (h->cap_sys_boot.v == US_YES && h->init_user_ns.v == US_YES)
		say(a, l, "yes", US_NO,
		    "this process has CAP_SYS_BOOT in the initial user "
		    "namespace, as root has by default");
	else
		say(a, l, "no", US_NO, "this process has no CAP_SYS_BOOT that counts: EPERM");
	from(a, l, h->cap_sys_boot.o);
}

static void lockdown(const struct audit *a, struct us_audit_line *l)
{
	const struct us_fact_str *f = &a->host->lockdown;

	if (!us_known(f->o))
		unknown(a, l, f->o, "lockdown");
	else
		say(a, l, f->v, US_NO, "lockdown is %s", f->v);
	from(a, l, f->o);
}

static void secure_boot(const struct audit *a, struct us_audit_line *l)
{
	const struct us_fact_tri *f = &a->host->secure_boot;

	if (!us_known(f->o))
		unknown(a, l, f->o, "Secure Boot");
	else
		say(a, l, f->v == US_YES ? "on" : "off", US_NO, "Secure Boot is %s",
		    f->v == US_YES ? "on" : "off");
	from(a, l, f->o);
}

static void keys(const struct audit *a, struct us_audit_line *l)
{
	_us_anchors_deinit_ struct us_anchors anchors = { 0 };
	_us_err_free_ struct us_err *err = us_host_anchors(a->host, &anchors);
	size_t trusted = 0, revoked = 0;

	if (!us_known(a->host->keys_from)) {
		/* without keyrings there is nothing to see, and nothing that vouches */
		if (us_kconfig_builtin(a->host->kconfig, "KEYS") == US_NO)
			say(a, l, "0", US_NO, "this kernel has no keys");
		else
			unknown(a, l, a->host->keys_from, "which keys the kernel has");
		from(a, l, a->host->keys_from);
		return;
	}
	for (size_t i = 0; i < anchors.n; i++) {
		trusted += anchors.v[i].use == US_ANCHOR_TRUSTED;
		revoked += anchors.v[i].use != US_ANCHOR_TRUSTED;
	}
	if (!us_known(a->host->keyrings_from)) {
		say(a, l, "unknown", US_UNKNOWN,
		    "of the keys that are seen %zu may vouch for images; whether these are all, and "
		    "in keyrings that are asked, is not known",
		    trusted);
		from(a, l, a->host->keyrings_from);
		return;
	}
	say(a, l, err ? NULL : us_pool_format(a->pool, "%zu", trusted), US_NO,
	    "%zu key%s for images; %zu key%s revoked", trusted,
	    trusted == 1 ? " vouches" : "s vouch", revoked,
	    revoked == 1 ? " or hash is" : "s and hashes are");
	from(a, l, a->host->keys_from);
}

static bool is_shut(const struct us_audit_line *l)
{
	return strcmp(l->value, "reachable") != 0 && strcmp(l->value, "unknown") != 0;
}

static void initrd(const struct audit *a, struct us_audit_line *l)
{
	const struct us_host *h = a->host;
	struct us_audit_line load = { 0 }, file = { 0 }, signature = { 0 };

	l->fix = "Keep /boot, /var/lib/understudy and the configuration writable by root only; "
		 "kernel.kexec_load_disabled=1 or kexec_load_limit_* once all is loaded";
	kexec_load(a, &load);
	kexec_file_load(a, &file);
	signatures(a, &signature);
	if (is_shut(&load) && (is_shut(&file) || strcmp(signature.value, "closed") == 0)) {
		say(a, l, "closed", US_NO, "nothing can be loaded");
		l->evidence = is_shut(&file) ? file.evidence : signature.evidence;
	} else if (is_shut(&load) && h->ima_appraises_initrd.v == US_YES) {
		say(a, l, "ima", US_YES,
		    "IMA appraises the initrd by its own signature, but nothing covers the command "
		    "line, for a crash kernel either: whoever may load chooses it");
		from(a, l, h->ima_appraises_initrd.o);
	} else {
		say(a, l, "unsigned", US_YES,
		    "the signature of a kernel covers neither its initrd nor its command line, for "
		    "a crash kernel either: whoever may load chooses them%s",
		    is_shut(&load) && h->ima_appraises_initrd.v == US_UNKNOWN
			    ? "; whether IMA's policy asks for a signature of the initrd is not known"
			    : "");
		l->evidence = "kernel/kexec_file.c (Linux 6.12)";
	}
}

static void dumps(const struct audit *a, struct us_audit_line *l)
{
	const struct us_audit_dumps *d = a->dumps;

	l->fix = "chmod o-rwx on the directory: a dump holds all of memory";
	say(a, l, d->value,
	    strcmp(d->value, "unknown") == 0 ? US_UNKNOWN
					     : us_tri_of(strcmp(d->value, "readable") == 0),
	    "%s", d->fact);
	l->evidence = d->evidence;
}

static const struct {
	const char *id, *asks, *values;
	void (*look)(const struct audit *a, struct us_audit_line *l);
} questions[] = {
	{ "kexec-load", "Can code be loaded by kexec_load, which asks for no signature?",
	  "reachable refused absent", kexec_load },
	{ "kexec-file-load", "Can an image be loaded by kexec_file_load?",
	  "reachable refused absent", kexec_file_load },
	{ "signatures", "Does kexec_file_load insist on a good signature?",
	  "enforced lockdown ima none closed", signatures },
	{ "keys", "How many keys vouch for an image?", "NUMBER", keys },
	{ "secure-boot", "Did Secure Boot start this kernel?", "on off", secure_boot },
	{ "lockdown", "Is the kernel locked down?", "none integrity confidentiality", lockdown },
	{ "load-disabled", "Was loading switched off until the next start?", "yes no absent",
	  load_disabled },
	{ "limit-panic", "How many more crash kernels may be loaded?", "unlimited NUMBER",
	  limit_panic },
	{ "limit-reboot", "How many more next kernels may be loaded?", "unlimited NUMBER",
	  limit_reboot },
	{ "loaded", "Is something loaded already?", "nothing next crash both", loaded },
	{ "capability", "May this process load?", "yes no", capability },
	{ "initrd", "Are initrd and command line of what is loaded protected by a signature?",
	  "unsigned ima closed", initrd },
	{ "dumps", "Who may read saved dumps?", "private readable nowhere elsewhere", dumps },
};

struct us_err *us_audit(const struct us_host *host, const struct us_audit_dumps *dumps_seen,
			struct us_audit **ret)
{
	_us_audit_free_ struct us_audit *audit = calloc(1, sizeof(*audit));
	struct audit a = { .host = host, .dumps = dumps_seen };

	if (!audit)
		return us_err_nomem();
	a.pool = &audit->pool;
	audit->n = us_array_size(questions);
	audit->lines = us_pool_array(&audit->pool, audit->n, sizeof(*audit->lines));
	if (!audit->lines)
		return us_err_nomem();
	for (size_t i = 0; i < audit->n; i++) {
		struct us_audit_line *l = &audit->lines[i];

		l->id = questions[i].id;
		l->asks = questions[i].asks;
		questions[i].look(&a, l);
		if (!l->value || !l->fact || !l->evidence)
			return us_err_nomem();
		if (l->open != US_YES)
			l->fix = NULL;
	}
	*ret = us_steal(&audit);
	return NULL;
}

void us_audit_free(struct us_audit *audit)
{
	if (!audit)
		return;
	us_pool_deinit(&audit->pool);
	free(audit);
}

const char *us_audit_values(const char *id)
{
	for (size_t i = 0; i < us_array_size(questions); i++)
		if (strcmp(questions[i].id, id) == 0)
			return questions[i].values;
	return NULL;
}
