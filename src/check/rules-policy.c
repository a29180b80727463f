/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two rules that come last. The one about versions as such: how far the image may be from the
 * running kernel, if somebody set such a policy. No kernel asks this; every real dependency has a
 * rule of its own. Without a policy a different version is never a finding. And the one for what
 * only the planner knows (load/plan.c).
 */
#include "check/check-int.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

static bool read_distance(const char *s, int *ret)
{
	uint64_t v;

	if (!us_text_u64(s, 10, &v) || v > 1000)
		return false;
	*ret = (int)v;
	return true;
}

struct us_err *us_policy_parse(const char *text, struct us_pool *pool, struct us_policy *ret)
{
	struct us_policy policy = { .max_minor = -1 };
	char *words = us_pool_strdup(pool, text), *rest, *major, *minor, *word;
	const char **allow = us_pool_array(pool, strlen(text) + 1, sizeof(*allow));
	size_t n = 0;

	if (!words || !allow)
		return us_err_nomem();
	rest = words;
	minor = strsep(&rest, ",");
	word = strsep(&minor, ":");
	major = strsep(&minor, ".");
	policy.severity = strcmp(word, "block") ? US_WARN : US_BLOCK;
	if ((strcmp(word, "block") && strcmp(word, "warn")) || !major ||
	    !read_distance(major, &policy.max_major) ||
	    (minor && !read_distance(minor, &policy.max_minor)))
		return us_err_new(US_ERR_USAGE,
				  "--policy %s: it is warn:MAJOR[.MINOR] or block:MAJOR[.MINOR]",
				  text);
	while ((word = strsep(&rest, ",")))
		if (*word)
			allow[n++] = word;
	policy.allow = allow;
	*ret = policy;
	return NULL;
}

static bool allowed(const struct us_policy *policy, const char *release)
{
	for (size_t i = 0; policy->allow && policy->allow[i]; i++)
		if (strcmp(policy->allow[i], release) == 0)
			return true;
	return false;
}

/* "1 major and any number of minor versions" */
static const char *distance(const struct us_policy *p, struct us_pool *pool)
{
	const char *major =
		p->max_major < 0 ? "any number of" : us_pool_format(pool, "%d", p->max_major);
	const char *minor =
		p->max_minor < 0 ? "any number of" : us_pool_format(pool, "%d", p->max_minor);

	return us_pool_format(pool, "%s major and %s minor versions", major, minor);
}

static enum us_result beyond_policy(const struct us_case *c, struct us_detail *d)
{
	const struct us_policy *p = c->policy;
	const char *image = c->image->release, *host = c->host->release.v;
	int image_major, image_minor, host_major, host_minor;
	bool beyond;

	if (!p)
		return US_NOT_APPLICABLE;
	d->severity = p->severity;
	if (!us_release_parse(host, &host_major, &host_minor))
		return us_missing(d, c->host->release.o);
	if (!us_release_parse(image, &image_major, &image_minor))
		return us_cannot_tell(d, "an image that names its release");
	beyond = (p->max_major >= 0 && abs(image_major - host_major) > p->max_major) ||
		 (p->max_minor >= 0 && image_major == host_major &&
		  abs(image_minor - host_minor) > p->max_minor);
	us_fact(d, "the image is Linux %s, this kernel is %s; the policy allows %s between them",
		image, host, distance(p, d->pool));
	us_read(d, "version string of %s; %s", c->image->path, us_path(c->host->release.o));
	return us_fail_if(beyond && !allowed(p, image));
}

static const struct us_rule rules[] = {
	{
		.id = "distance.beyond-policy",
		.severity = US_WARN,
		.when = US_ON_BOTH,
		.needs = US_NEEDS_IMAGE | US_NEEDS_HOST,
		.says = "The image is further away from the running kernel than the policy of this "
			"machine allows",
		.fix = "Choose an image closer to it, or put its release on the policy's list",
		.see = "understudy-check(1), POLICY",
		.test = beyond_policy,
	},
};

const struct us_rule_table us_rules_policy = US_RULE_TABLE(rules);

/* The last word: whatever keeps a plan from being made, and no rule has a name for. */
static enum us_result no_plan(const struct us_case *c, struct us_detail *d)
{
	const struct us_err *err = c->plan_problem;

	if (!c->plan && (!err || err->code != US_ERR_UNSUPPORTED))
		return US_NOT_APPLICABLE; /* facts are missing: the rules that need them say so */
	us_fact(d, "%s", c->plan ? "there is a plan" : err->text);
	us_read(d, "the image, the options given and the running kernel");
	return us_fail_if(!c->plan);
}

static const struct us_rule last_rules[] = {
	{
		.id = "call.no-plan",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.last_resort = true,
		.says = "The system call cannot do what was asked for",
		.fix = "Leave the option out, choose the other system call (--call), or take "
		       "another form of the image",
		.see = "understudy-load(1)",
		.test = no_plan,
	},
};

const struct us_rule_table us_rules_call = US_RULE_TABLE(last_rules);
