/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The engine: walks the rule tables, leaves out what does not concern this purpose, architecture or
 * system call, asks for the inputs that a rule needs, runs it, and sorts what was found. It knows
 * no rule. A rule about one system call whose failure stands while the call is still undecided is
 * reported as "cannot tell", never as passed.
 */
#include "check/check-int.h"

#include <stdlib.h>
#include <string.h>

static const struct us_rule_table *const tables[] = {
	&us_rules_image,   &us_rules_paging, &us_rules_security,    &us_rules_signature,
	&us_rules_cmdline, &us_rules_memory, &us_rules_reservation, &us_rules_firmware,
	&us_rules_machine, &us_rules_crash,  &us_rules_capture,     &us_rules_initrd,
	&us_rules_policy,  &us_rules_call,
};

const struct us_rule *us_rule_at(size_t i)
{
	for (size_t t = 0; t < us_array_size(tables); t++) {
		if (i < tables[t]->n)
			return &tables[t]->rules[i];
		i -= tables[t]->n;
	}
	return NULL;
}

const struct us_rule *us_rule_by_id(const char *id)
{
	const struct us_rule *rule;

	for (size_t i = 0; (rule = us_rule_at(i)); i++)
		if (strcmp(rule->id, id) == 0)
			return rule;
	return NULL;
}

const char *us_severity_name(enum us_severity severity)
{
	static const char *const names[] = { "note", "warning", "block" };

	return names[severity];
}

enum us_call us_check_call(const struct us_case *c)
{
	if (c->plan)
		return c->plan->call;
	if (c->wanted && c->wanted->call != US_CALL_AUTO)
		return c->wanted->call;
	if (!c->host || c->host->has_kexec_file_load.v == US_UNKNOWN)
		return US_CALL_AUTO;
	if (c->image && c->image->kind != US_IMAGE_NONE &&
	    !us_file_load_takes(c->host->arch, c->image->kind))
		return US_CALL_LOAD;
	return c->host->has_kexec_file_load.v == US_YES ? US_CALL_FILE : US_CALL_LOAD;
}

static bool concerns(const struct us_rule *rule, const struct us_case *c)
{
	static const enum us_call calls[] = {
		[US_BY_FILE] = US_CALL_FILE, [US_BY_LOAD] = US_CALL_LOAD
	};
	enum us_call call = us_check_call(c);

	if (!(rule->when & (c->purpose == US_CRASH ? US_ON_CRASH : US_ON_REBOOT)))
		return false;
	if (rule->by != US_BY_ANY && call != US_CALL_AUTO && call != calls[rule->by])
		return false;
	if (!rule->arch)
		return true;
	if (c->image && (rule->needs & US_NEEDS_IMAGE) && c->image->arch &&
	    c->image->arch->id != US_ARCH_UNKNOWN && /* old boot protocols do not tell */
	    !(rule->arch & US_ARCH_BIT(c->image->arch->id)))
		return false;
	return !c->host || !(rule->needs & US_NEEDS_HOST) || !c->host->arch ||
	       (rule->arch & US_ARCH_BIT(c->host->arch->id));
}

/* US_PASS: all there. US_NOT_APPLICABLE: nothing of that kind to judge. */
static enum us_result inputs_there(const struct us_rule *rule, const struct us_case *c,
				   struct us_detail *d)
{
	bool about_image = rule->needs & (US_NEEDS_IMAGE | US_NEEDS_DEEP | US_NEEDS_BZIMAGE);

	if (about_image && !c->image)
		return us_cannot_tell(d, "naming the image");
	/* image.not-a-kernel says it once */
	if (about_image && c->image->kind == US_IMAGE_NONE)
		return US_NOT_APPLICABLE;
	if ((rule->needs & US_NEEDS_BZIMAGE) && c->image->kind != US_IMAGE_BZIMAGE)
		return US_NOT_APPLICABLE;
	if ((rule->needs & US_NEEDS_INITRD) && !c->initrd)
		return US_NOT_APPLICABLE;
	if ((rule->needs & US_NEEDS_CMDLINE) && !us_next_cmdline(c))
		return US_NOT_APPLICABLE;
	if ((rule->needs & US_NEEDS_HOST) && !c->host)
		return us_cannot_tell(d, "reading a machine (this one, or --host DIR)");
	if ((rule->needs & US_NEEDS_PLAN) && !c->plan)
		return us_cannot_tell(d,
				      "a plan: an image that can be loaded here and the memory map "
				      "of the machine");
	if ((rule->needs & US_NEEDS_DEEP) && !c->image->deep)
		return us_cannot_tell(d, "looking into the image's payload (--deep)");
	return US_PASS;
}

/* The role's kernel against a want such as "PROC_VMCORE=y". */
static enum us_result judge_want(const struct us_rule *rule, const struct us_case *c,
				 struct us_detail *d)
{
	bool panic_side = rule->role == US_ROLE_PANIC;
	const struct us_kconfig *config = panic_side ? c->host->kconfig : c->image->kconfig;
	enum us_tri met = us_kconfig_wants(config, rule->want);
	size_t n = strcspn(rule->want, "=");

	if (panic_side) {
		us_read(d, "%s", us_path(c->host->config_known.o));
	} else {
		us_read(d, "%s of %s",
			c->image->kconfig_from ? c->image->kconfig_from : "configuration",
			c->image->path);
	}
	if (met == US_UNKNOWN && panic_side)
		return us_missing(d, c->host->config_known.o);
	for (int cap = 0; met == US_UNKNOWN && cap < US_CAP_COUNT; cap++) {
		const char *name = us_cap_name(cap);

		/* without a .config only single wants of y or n can be judged, by what was found */
		if (strlen(name) != n || strncmp(name, rule->want, n) != 0)
			continue;
		return us_judge_cap(c, d, cap, strcmp(rule->want + n, "=n") == 0 ? US_YES : US_NO);
	}
	us_fact(d, "the kernel's configuration %s %s", met == US_YES ? "has" : "does not have",
		rule->want);
	if (met == US_UNKNOWN)
		return us_cannot_tell(d, "the image's .config (--config FILE)");
	return us_fail_if(met == US_NO);
}

static enum us_result judge(const struct us_rule *rule, const struct us_case *c, struct us_detail *d)
{
	enum us_result result;

	if (!concerns(rule, c))
		return US_NOT_APPLICABLE;
	result = inputs_there(rule, c, d);
	if (result != US_PASS)
		return result;
	result = rule->want ? judge_want(rule, c, d) : rule->test(c, d);
	if (result == US_FAIL && rule->by != US_BY_ANY && us_check_call(c) == US_CALL_AUTO)
		return us_cannot_tell(
			d, "choosing the system call (--call): this stands in the way of %s only",
			rule->by == US_BY_FILE ? "kexec_file_load" : "kexec_load");
	return result;
}

static void count(struct us_verdict *v, const struct us_finding *f)
{
	if (f->result == US_PASS)
		v->passed++;
	else if (f->result == US_CANNOT_TELL)
		v->unknown++;
	else if (f->severity == US_BLOCK)
		v->blocks++;
	else if (f->severity == US_WARN)
		v->warnings++;
	else
		v->notes++;
	if (us_finding_is_blind(f))
		v->blind++;
}

/* What stands in the way first, then what is not known, then what is fine; each by its weight. */
static int rank(const struct us_finding *f)
{
	if (f->result == US_PASS)
		return 100;
	return 2 * (US_BLOCK - (int)f->severity) + (f->result == US_CANNOT_TELL);
}

static int by_rank(const void *a, const void *b)
{
	const struct us_finding *fa = a, *fb = b;
	int diff = rank(fa) - rank(fb);

	return diff ? diff : (int)(fa->order > fb->order) - (int)(fa->order < fb->order);
}

static size_t n_rules(void)
{
	size_t n = 0;

	for (size_t t = 0; t < us_array_size(tables); t++)
		n += tables[t]->n;
	return n;
}

struct us_err *us_check(const struct us_case *c, struct us_verdict **ret)
{
	_us_verdict_free_ struct us_verdict *v = calloc(1, sizeof(*v));
	const struct us_rule *rule;

	if (!v)
		return us_err_nomem();
	v->findings = us_pool_array(&v->pool, n_rules(), sizeof(*v->findings));
	if (!v->findings)
		return us_err_nomem();
	for (size_t i = 0; (rule = us_rule_at(i)); i++) {
		struct us_finding f = {
			.rule = rule,
			.order = i,
			.d = { .pool = &v->pool, .severity = rule->severity },
		};

		f.result = judge(rule, c, &f.d);
		f.severity = f.d.severity;
		if (f.result == US_NOT_APPLICABLE || (rule->last_resort && v->blocks))
			continue;
		if ((f.result == US_FAIL && (!f.d.fact || !f.d.evidence)) ||
		    (f.result == US_CANNOT_TELL && !f.d.lets))
			return us_err_nomem();
		count(v, &f);
		v->findings[v->n_findings++] = f;
	}
	qsort(v->findings, v->n_findings, sizeof(*v->findings), by_rank);
	*ret = v;
	v = NULL;
	return NULL;
}

void us_verdict_free(struct us_verdict *verdict)
{
	if (!verdict)
		return;
	us_pool_deinit(&verdict->pool);
	free(verdict);
}
