/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Judging the parts that a kernel can play by the table in role-rules.c. Each symbol of a rule is
 * looked up in the best witness that knows it: what the image proves, what the running kernel
 * shows, a .config. A symbol that none knows is unknown, and so is a rule whose version or
 * architecture is not known, unless what it wants is there anyway.
 */
#include "check/check-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CUT_AT     US_LINUX(6, 9, 0)
#define ALL_ARCHES (US_ARCH_BIT(US_ARCH_COUNT) - 1)

static const char *const names[US_PARTS] = {
	[US_PART_SOURCE] = "source",
	[US_PART_TARGET] = "target",
	[US_PART_PANIC] = "panic",
	[US_PART_CAPTURE] = "capture",
};

const char *us_part_name(enum us_part part)
{
	return names[part];
}

struct us_err *us_parts_parse(const char *words, unsigned int *ret)
{
	unsigned int bits = 0;

	for (const char *s = words; s; s = strchr(s, ',')) {
		enum us_part part = 0;
		size_t n;

		s += *s == ',';
		n = strcspn(s, ",");
		while (part < US_PARTS && (strlen(names[part]) != n || strncmp(s, names[part], n)))
			part++;
		if (part == US_PARTS)
			return us_err_new(
				US_ERR_USAGE,
				"there is no role \"%.*s\": source, target, panic, capture", (int)n,
				s);
		bits |= US_PART_BIT(part);
	}
	*ret = bits;
	return NULL;
}

/* ---- witnesses ---- */

static bool is_set(const struct us_kconfig *config, const char *symbol)
{
	return us_kconfig_builtin(config, symbol) == US_YES;
}

/* The symbol that an architecture sets for itself. */
static const struct us_arch *arch_of_config(const struct us_kconfig *config)
{
	static const struct {
		const char *symbol;
		enum us_arch_id id;
	} own[] = {
		{ "X86_64", US_ARCH_X86_64 },         { "X86_32", US_ARCH_I386 },
		{ "ARM64", US_ARCH_ARM64 },           { "ARM", US_ARCH_ARM },
		{ "PPC64", US_ARCH_PPC64 },           { "S390", US_ARCH_S390X },
		{ "LOONGARCH", US_ARCH_LOONGARCH64 },
	};

	for (size_t i = 0; i < us_array_size(own); i++)
		if (is_set(config, own[i].symbol))
			return us_arch_by_id(own[i].id);
	if (is_set(config, "RISCV") && is_set(config, "64BIT"))
		return us_arch_by_id(US_ARCH_RISCV64);
	return NULL;
}

/* "6.12.117" of "Linux/x86 6.12.117", or NULL. */
static const char *version_made_for(const struct us_kconfig *config)
{
	const char *made_for = config ? us_kconfig_made_for(config) : NULL;
	const char *space = made_for ? strrchr(made_for, ' ') : NULL;

	return space ? space + 1 : NULL;
}

struct us_witness us_witness_of_config(const struct us_kconfig *config, const char *path)
{
	return (struct us_witness){ .name = path,
				    .release = version_made_for(config),
				    .arch = arch_of_config(config),
				    .config = config,
				    .config_from = path };
}

struct us_witness us_witness_of_image(const struct us_image *image)
{
	return (struct us_witness){ .name = image->path,
				    .release = image->release,
				    .arch = image->arch,
				    .config = image->kconfig,
				    .config_from = image->kconfig_from,
				    .image = image };
}

struct us_witness us_witness_of_host(const struct us_host *host)
{
	return (struct us_witness){ .name = "the running kernel",
				    .release = us_known(host->release.o) ? host->release.v : NULL,
				    .arch = host->arch,
				    .config = host->kconfig,
				    .config_from = host->kconfig ? host->config_known.o.path : NULL,
				    .host = host };
}

/* ---- one symbol ---- */

struct look {
	struct us_parts *parts;
	struct us_text known, unset; /* what was found, in words: what is set, and the rest */
	bool seen;                   /* at least one symbol is known */
};

static const struct us_cap_fact *cap_fact(const struct us_image *image, const char *symbol)
{
	for (enum us_cap cap = 0; image && cap < US_CAP_COUNT; cap++)
		if (!strcmp(us_cap_name(cap), symbol) && image->caps[cap].v != US_UNKNOWN)
			return &image->caps[cap];
	return NULL;
}

static const struct us_fact_tri *host_fact(const struct us_host *host, const char *symbol)
{
	const struct us_fact_tri *fact = NULL;

	if (!host || host->kconfig)
		return NULL;
	if (!strcmp(symbol, "KEXEC"))
		fact = &host->has_kexec_load;
	else if (!strcmp(symbol, "KEXEC_FILE"))
		fact = &host->has_kexec_file_load;
	else if (!strcmp(symbol, "CRASH_DUMP"))
		fact = &host->has_crash_dump;
	return fact && us_known(fact->o) ? fact : NULL;
}

static void say(struct look *l, const char *symbol, enum us_tri v, const char *value,
		const char *from)
{
	struct us_text *t = v == US_YES ? &l->known : &l->unset;
	bool first = !t->n; /* one place is proof enough of alternatives */

	l->seen |= v != US_UNKNOWN;
	us_text_add(t, "%s%s", t->n ? "; " : "", symbol);
	if (v == US_YES)
		us_text_add(t, "=%s", value);
	else
		us_text_add(t, v == US_NO ? " is not set" : ": not known");
	if (from && first)
		us_text_add(t, " (%s)", from);
}

static enum us_tri say_and_return(struct look *l, const char *symbol, enum us_tri v,
				  const char *from, const char **ret)
{
	*ret = v == US_YES ? "y" : NULL;
	say(l, symbol, v, "y", from);
	return v;
}

static enum us_tri in_config(struct look *l, const char *symbol, const char **ret)
{
	const struct us_kconfig *config = l->parts->witness.config;
	enum us_tri v = US_YES;

	*ret = us_kconfig_value(config, symbol);
	if (!*ret)
		v = l->parts->whole || us_kconfig_names(config, symbol) ? US_NO : US_UNKNOWN;
	say(l, symbol, v, *ret, NULL);
	return v;
}

/* A bzImage says where it wants to lie: PHYSICAL_START, aligned. */
static enum us_tri place_of(struct look *l, const struct us_image *image, const char **ret)
{
	*ret = us_pool_format(&l->parts->pool, "0x%" PRIx64, image->pref_address);
	if (!*ret)
		return US_UNKNOWN;
	say(l, "PHYSICAL_START", US_YES, *ret, "pref_address at 0x258");
	return US_YES;
}

/* A us_want_fn. */
static enum us_tri value_of(void *data, const char *symbol, const char **ret)
{
	struct look *l = data;
	const struct us_witness *w = &l->parts->witness;
	const struct us_cap_fact *cap = cap_fact(w->image, symbol);
	const struct us_fact_tri *fact = host_fact(w->host, symbol);

	if (cap) /* whose words name the .config where that is behind it */
		return say_and_return(l, symbol, cap->v, w->config ? NULL : cap->from, ret);
	if (fact)
		return say_and_return(l, symbol, fact->v, fact->o.path, ret);
	if (!strcmp(symbol, "PHYSICAL_START") && !w->config && w->image && w->image->pref_address)
		return place_of(l, w->image, ret);
	if (!strcmp(symbol, "X86_64") && w->arch)
		return say_and_return(l, symbol, us_tri_of(w->arch->id == US_ARCH_X86_64), NULL,
				      ret);
	if (w->config)
		return in_config(l, symbol, ret);
	return say_and_return(l, symbol, US_UNKNOWN, NULL, ret);
}

/* found: NULL, or what it stands on, in words. */
static enum us_tri judge(struct us_parts *parts, const char *want, const char **found)
{
	struct look l = { .parts = parts };
	enum us_tri v = us_want_judge(want, value_of, &l);
	/* of alternatives that are had, those that are not say nothing */
	bool enough = v == US_YES && l.known.n;

	if (found && (l.known.failed || l.unset.failed))
		*found = NULL;
	else if (found && !l.seen)
		*found = "not known";
	else if (found)
		*found = us_pool_format(&parts->pool, "%s%s%s", l.known.n ? l.known.s : "",
					l.known.n && l.unset.n && !enough ? "; " : "",
					l.unset.n && !enough ? l.unset.s : "");
	us_text_deinit(&l.known);
	us_text_deinit(&l.unset);
	return v;
}

enum us_tri us_part_value(struct us_parts *parts, const char *symbol, const char **ret)
{
	struct look l = { .parts = parts };
	enum us_tri v = value_of(&l, symbol, ret);

	us_text_deinit(&l.known);
	us_text_deinit(&l.unset);
	return v;
}

/* ---- one rule ---- */

static enum us_tri in_age(const struct us_parts *parts, enum us_part_age age)
{
	if (age == US_AGE_ANY)
		return US_YES;
	return parts->age == US_AGE_ANY ? US_UNKNOWN : us_tri_of(parts->age == age);
}

static enum us_tri in_versions(const struct us_parts *parts, unsigned int since, unsigned int until)
{
	if (!since && !until)
		return US_YES;
	if (!parts->version)
		return US_UNKNOWN;
	return us_tri_of(parts->version >= since && (!until || parts->version < until));
}

static enum us_tri on_arch(const struct us_parts *parts, unsigned int bits)
{
	const struct us_arch *arch = parts->witness.arch;

	if (!bits)
		return US_YES;
	if (!arch || arch->id == US_ARCH_UNKNOWN)
		return US_UNKNOWN;
	return us_tri_of(bits & US_ARCH_BIT(arch->id));
}

enum us_tri us_part_applies(const struct us_parts *parts, enum us_part_age age, unsigned int since,
			    unsigned int until, unsigned int arch)
{
	return us_tri_and(us_tri_and(in_age(parts, age), in_versions(parts, since, until)),
			  on_arch(parts, arch));
}

static enum us_tri applies(struct us_parts *parts, const struct us_part_rule *rule,
			   const char **found)
{
	enum us_tri v = us_part_applies(parts, rule->age, rule->since, rule->until, rule->arch);

	if (v == US_NO || !rule->given)
		return v;
	return us_tri_and(v, judge(parts, rule->given, found));
}

static struct us_err *judge_want(struct us_parts *parts, const struct us_part_rule *rule,
				 struct us_part_finding *f)
{
	const struct us_image *image = parts->witness.image;
	const struct us_cap_fact *cap = image && rule->by_cap ? &image->caps[rule->cap] : NULL;

	if (cap && cap->v != US_UNKNOWN) {
		f->v = us_tri_of(cap->v == US_NO);
		f->found = cap->from;
	} else {
		f->v = judge(parts, rule->want, &f->found);
	}
	return f->found ? NULL : us_err_nomem();
}

/* *ret_is false: the rule does not apply, or cannot be told to. */
static struct us_err *judge_rule(struct us_parts *parts, const struct us_part_rule *rule,
				 struct us_part_finding *f, bool *ret_is)
{
	enum us_tri given;

	*ret_is = false;
	*f = (struct us_part_finding){ .rule = rule, .v = US_YES, .found = "" };
	given = applies(parts, rule, &f->found);
	if (!f->found)
		return us_err_nomem();
	if (given == US_NO || (given == US_UNKNOWN && rule->weight == US_PART_TELLS))
		return NULL;
	*ret_is = true;
	if (rule->weight == US_PART_TELLS)
		return NULL;
	US_TRY(judge_want(parts, rule, f));
	if (given == US_UNKNOWN && f->v == US_NO) {
		f->v = US_UNKNOWN;
		/* another architecture's costs are of no use to anybody */
		*ret_is = rule->weight == US_PART_NEEDS || on_arch(parts, rule->arch) == US_YES;
	}
	return NULL;
}

/* ---- a part ---- */

static enum us_tri need_of(const struct us_part_finding *f)
{
	return f->v == US_UNKNOWN && f->rule->unknown_ok ? US_YES : f->v;
}

/* All needs that are the part's own (call 0), or one call's; US_YES if there are none. */
static enum us_tri needs_met(const struct us_part_verdict *v, unsigned int call)
{
	enum us_tri all = US_YES;

	for (size_t i = 0; i < v->n_findings; i++) {
		const struct us_part_rule *rule = v->findings[i].rule;

		if (rule->weight == US_PART_NEEDS &&
		    (call ? (rule->calls & call) != 0 : !rule->calls))
			all = us_tri_and(all, need_of(&v->findings[i]));
	}
	return all;
}

/* Where the verdict is yes, all that was needed; else what stands against it, or is not known. */
static bool decides(const struct us_part_verdict *v, const struct us_part_finding *f)
{
	enum us_tri group = f->rule->calls ? us_tri_or(v->by_load, v->by_file) : needs_met(v, 0);

	if (f->rule->weight != US_PART_NEEDS)
		return false;
	if (v->v == US_YES)
		return f->v != US_UNKNOWN;
	return group == v->v && need_of(f) == v->v;
}

static struct us_err *judge_part(struct us_parts *parts, enum us_part part)
{
	struct us_part_verdict *v = &parts->v[part];
	const struct us_part_rule *rule;
	size_t n = 0;
	bool is;

	while (us_part_rule_at(n))
		n++;
	v->findings = us_pool_array(&parts->pool, n, sizeof(*v->findings));
	if (!v->findings)
		return us_err_nomem();
	for (enum us_part_weight weight = US_PART_NEEDS; weight <= US_PART_TELLS; weight++) {
		for (size_t i = 0; (rule = us_part_rule_at(i)); i++) {
			if (rule->weight != weight || !(rule->parts & US_PART_BIT(part)))
				continue;
			US_TRY(judge_rule(parts, rule, &v->findings[v->n_findings], &is));
			v->n_findings += is;
		}
	}
	v->by_load = needs_met(v, US_PART_BY_LOAD);
	v->by_file = needs_met(v, US_PART_BY_FILE);
	v->v = us_tri_and(needs_met(v, 0), us_tri_or(v->by_load, v->by_file));
	if (part == US_PART_TARGET) /* which needs little, where what it needs is known */
		v->v = us_tri_and(v->v, on_arch(parts, ALL_ARCHES));
	for (size_t i = 0; i < v->n_findings; i++)
		v->findings[i].decides = decides(v, &v->findings[i]);
	return NULL;
}

const char *us_part_verdict_words(const struct us_part_verdict *v)
{
	if (v->v == US_YES)
		return v->by_load == US_NO ? "with kexec_file_load only" : "yes";
	return v->v == US_NO ? "no" : "not known";
}

/* ---- all ---- */

/* A .config says the very version; a distribution's release often ends in a number of its own. */
static unsigned int version_of(const struct us_witness *w)
{
	const char *made_for = version_made_for(w->config);
	unsigned int major, minor, patch = 0, m[2] = { 0 }, p = 0;

	if (!w->release || sscanf(w->release, "%3u.%3u.%3u", &major, &minor, &patch) < 2)
		return 0;
	if (made_for && sscanf(made_for, "%3u.%3u.%3u", &m[0], &m[1], &p) >= 2 && m[0] == major &&
	    m[1] == minor)
		patch = p;
	return US_LINUX(major, minor, patch);
}

static void find_age(struct us_parts *parts)
{
	static const char *const cut[] = { "VMCORE_INFO", "CRASH_RESERVE" };
	const struct us_kconfig *config = parts->witness.config;

	for (size_t i = 0; i < us_array_size(cut); i++) {
		if (!us_kconfig_value(config, cut[i]))
			continue;
		parts->age = US_AGE_CUT;
		parts->age_from = i ? "CONFIG_CRASH_RESERVE is set" : "CONFIG_VMCORE_INFO is set";
		return;
	}
	if (us_kconfig_value(config, "CRASH_CORE")) {
		parts->age = US_AGE_UNCUT;
		parts->age_from = "CONFIG_CRASH_CORE is set";
	} else if (parts->version) {
		parts->age = parts->version < CUT_AT ? US_AGE_UNCUT : US_AGE_CUT;
		parts->age_from = "its version";
	} else {
		parts->age_from = "neither its version nor a symbol tells";
	}
}

struct us_err *us_parts_judge(const struct us_witness *witness, struct us_parts **ret)
{
	_us_parts_free_ struct us_parts *parts = calloc(1, sizeof(*parts));

	if (!parts)
		return us_err_nomem();
	parts->witness = *witness;
	parts->version = version_of(witness);
	parts->whole = witness->config && us_kconfig_made_for(witness->config);
	find_age(parts);
	for (enum us_part part = 0; part < US_PARTS; part++)
		US_TRY(judge_part(parts, part));
	*ret = us_steal(&parts);
	return NULL;
}

void us_parts_free(struct us_parts *parts)
{
	if (!parts)
		return;
	us_pool_deinit(&parts->pool);
	free(parts);
}
