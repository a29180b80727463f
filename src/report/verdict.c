/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A verdict as text and JSON: the headline, the questions (can the image be entered, will the
 * devices behave, will the kernel allow it, does the policy), each finding with its fact, place and
 * remedy, and what could not be found out. It judges nothing itself.
 */
#include "report/report-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <string.h>

#define FINDING_INDENT 9

const char *us_result_name(enum us_result result)
{
	static const char *const names[] = {
		[US_PASS] = "pass",
		[US_FAIL] = "fail",
		[US_CANNOT_TELL] = "unknown",
		[US_NOT_APPLICABLE] = "n/a",
	};

	return names[result];
}

static const char *plural(size_t n, const char *one, const char *many)
{
	return n == 1 ? one : many;
}

static void headline(struct us_out *out, const struct us_case *c, const struct us_verdict *v)
{
	const char *does = c->purpose == US_CRASH ? "capture its crash with" : "hand over to";
	const char *name = c->image ? c->image->path : "a kernel";
	const char *who = !c->host || c->host->live ? "This machine" : "The recorded machine";
	enum us_colour colour = v->blocks ? US_RED : v->blind ? US_YELLOW : US_GREEN;
	char tail[80] = "";

	if (v->blocks)
		snprintf(tail, sizeof(tail), ": %zu %s", v->blocks,
			 plural(v->blocks, "reason", "reasons"));
	else if (v->blind)
		snprintf(tail, sizeof(tail), ": %zu %s not known", v->blind,
			 plural(v->blind, "fact that decides it is", "facts that decide it are"));
	else if (v->warnings)
		snprintf(tail, sizeof(tail), ", with %zu %s", v->warnings,
			 plural(v->warnings, "warning", "warnings"));
	fputs(us_out_colour(out, colour), out->f);
	us_out_para(out, 0, 0, "%s %s %s %s%s.", who,
		    v->blocks  ? "cannot"
		    : v->blind ? "may or may not be able to"
			       : "can",
		    does, name, tail);
	fputs(us_out_colour(out, US_PLAIN), out->f);
}

/* The weightiest word on one of the questions; "none" where there is no policy to ask. */
static const char *answer(const struct us_case *c, const struct us_verdict *v, enum us_question q)
{
	bool warned = false, unknown = false, accepted = false;

	if (q == US_Q_POLICY && !c->policy)
		return "none";
	for (size_t i = 0; i < v->n_findings; i++) {
		const struct us_finding *f = &v->findings[i];

		if (us_rule_question(f->rule) != q)
			continue;
		if (f->result == US_FAIL && f->severity == US_BLOCK && !f->accepted)
			return "no";
		accepted |= f->accepted;
		if (us_finding_is_blind(f) && !f->accepted)
			unknown = true;
		else if (f->result == US_FAIL && f->severity != US_NOTE)
			warned = true;
	}
	return unknown    ? "not known"
	       : accepted ? "overridden"
	       : warned   ? "yes, with warnings"
			  : "yes";
}

static void answers(struct us_out *out, const struct us_case *c, const struct us_verdict *v)
{
	static const char *const asks[] = {
		[US_Q_ENTRY] = "can the image be entered here?",
		[US_Q_DEVICES] = "are firmware and devices handed over?",
		[US_Q_PERMISSION] = "will the running kernel allow it?",
		[US_Q_POLICY] = "is the image close enough to the running kernel?",
	};

	for (int q = 0; q < (c->policy ? US_QUESTIONS : US_Q_POLICY); q++)
		fprintf(out->f, "  %-16s%-19s %s%s%s\n", us_question_name(q), answer(c, v, q),
			us_out_colour(out, US_DIM), asks[q], us_out_colour(out, US_PLAIN));
}

static const char *label_of(const struct us_finding *f, enum us_colour *ret)
{
	if (f->accepted) {
		*ret = US_YELLOW;
		return "accepted";
	}
	if (f->result == US_CANNOT_TELL) {
		*ret = us_finding_is_blind(f) ? US_YELLOW : US_PLAIN;
		return "unknown";
	}
	if (f->result == US_PASS) {
		*ret = US_GREEN;
		return "pass";
	}
	*ret = f->severity == US_BLOCK ? US_RED : f->severity == US_WARN ? US_YELLOW : US_BLUE;
	return us_severity_name(f->severity);
}

static void part(struct us_out *out, const char *label, const char *text)
{
	if (!text || !*text)
		return;
	fprintf(out->f, "%*s%s%-8s%s", FINDING_INDENT, "", us_out_colour(out, US_DIM), label,
		us_out_colour(out, US_PLAIN));
	us_out_para(out, FINDING_INDENT + 8, FINDING_INDENT + 8, "%s", text);
}

static void finding(struct us_out *out, const struct us_finding *f)
{
	const char *side = us_rule_side(f->rule);
	enum us_colour colour = US_PLAIN;
	const char *label = label_of(f, &colour);

	fprintf(out->f, "\n%s%-*s%s%s%s%s%s%s\n%*s", us_out_colour(out, colour), FINDING_INDENT,
		label, us_out_colour(out, US_PLAIN), us_out_colour(out, US_BOLD), f->rule->id,
		us_out_colour(out, US_PLAIN), *side ? ", judging the " : "", side, FINDING_INDENT,
		"");
	us_out_para(out, FINDING_INDENT, FINDING_INDENT, "%s.", f->rule->says);
	part(out, "fact", f->d.fact);
	part(out, "where", f->d.evidence);
	part(out, "remedy", f->d.remedy ? f->d.remedy : f->rule->fix);
	if (f->severity == US_BLOCK)
		part(out, "see", f->rule->see);
	if (f->accepted)
		part(out, "note", "overridden by the user: understudy goes on in spite of it");
}

static const char *lets(const struct us_finding *f)
{
	return f->d.lets ? f->d.lets : "a fact that could not be read";
}

static bool said_before(const struct us_verdict *v, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (v->findings[k].result == US_CANNOT_TELL &&
		    !strcmp(lets(&v->findings[k]), lets(&v->findings[i])))
			return true;
	return false;
}

/* What would let it be known, and all the rules that wait for it. */
static void unknowns(struct us_out *out, const struct us_verdict *v)
{
	if (!v->unknown)
		return;
	us_out_head(out, "Not known (%zu), for want of", v->unknown);
	for (size_t i = 0; i < v->n_findings; i++) {
		_us_text_deinit_ struct us_text t = { 0 };

		if (v->findings[i].result != US_CANNOT_TELL || said_before(v, i))
			continue;
		fprintf(out->f, "  ");
		us_out_para(out, 2, 4, "%s:", lets(&v->findings[i]));
		for (size_t k = i; k < v->n_findings; k++) {
			const struct us_finding *f = &v->findings[k];

			if (f->result == US_CANNOT_TELL && !strcmp(lets(f), lets(&v->findings[i])))
				us_text_add(&t, "%s%s%s", t.n ? ", " : "", f->rule->id,
					    f->accepted              ? " (accepted)"
					    : us_finding_is_blind(f) ? " (decides)"
								     : "");
		}
		fprintf(out->f, "    ");
		us_out_para(out, 4, 4, "%s", t.failed ? "" : t.s);
	}
}

static void passed(struct us_out *out, const struct us_verdict *v)
{
	for (size_t i = 0; i < v->n_findings; i++) {
		const struct us_finding *f = &v->findings[i];

		if (f->result != US_PASS)
			continue;
		fprintf(out->f, "  %spass%s  %s", us_out_colour(out, US_GREEN),
			us_out_colour(out, US_PLAIN), f->rule->id);
		if (f->d.fact)
			us_out_para(out, 8 + (int)strlen(f->rule->id), 12, ": %s", f->d.fact);
		else
			fputc('\n', out->f);
	}
}

void us_report_verdict(struct us_out *out, const struct us_case *c, const struct us_verdict *v)
{
	headline(out, c, v);
	answers(out, c, v);
	for (size_t i = 0; i < v->n_findings; i++)
		if (v->findings[i].result == US_FAIL)
			finding(out, &v->findings[i]);
	unknowns(out, v);
	fprintf(out->f, "\n%zu %s passed%s\n", v->passed, plural(v->passed, "check", "checks"),
		out->verbose ? ":"
		: v->passed  ? " (--verbose lists them)."
			     : ".");
	if (out->verbose)
		passed(out, v);
}

static void json_finding(json_object *list, const struct us_finding *f)
{
	const char *side = us_rule_side(f->rule);
	json_object *item = us_json_item(list);

	us_json_str(item, "id", f->rule->id);
	us_json_str(item, "result", us_result_name(f->result));
	us_json_str(item, "severity", us_severity_name(f->severity));
	us_json_bool(item, "accepted", f->accepted);
	us_json_bool(item, "decides", us_finding_is_blind(f));
	us_json_str(item, "question", us_question_name(us_rule_question(f->rule)));
	us_json_str(item, "side", *side ? side : NULL);
	us_json_str(item, "says", f->rule->says);
	us_json_str(item, "fact", f->d.fact);
	us_json_str(item, "evidence", f->d.evidence);
	us_json_str(item, "remedy", f->d.remedy ? f->d.remedy : f->rule->fix);
	us_json_str(item, "lets", f->d.lets);
	us_json_str(item, "see", f->rule->see);
}

json_object *us_json_verdict(const struct us_case *c, const struct us_verdict *v)
{
	json_object *obj = us_json_new("check"), *sub, *list;

	if (!obj)
		return NULL;
	us_json_str(obj, "image", c->image ? c->image->path : NULL);
	us_json_str(obj, "image_release", c->image ? c->image->release : NULL);
	us_json_str(obj, "machine", c->host ? c->host->root : NULL);
	us_json_str(obj, "running_release",
		    c->host && us_known(c->host->release.o) ? c->host->release.v : NULL);
	us_json_str(obj, "purpose", us_purpose_name(c->purpose));
	us_json_str(obj, "call", us_call_name(us_check_call(c)));
	us_json_str(obj, "verdict", v->blocks ? "block" : v->blind ? "unknown" : "pass");
	sub = us_json_sub(obj, "answers");
	for (int q = 0; q < US_QUESTIONS; q++)
		us_json_str(sub, us_question_name(q), answer(c, v, q));
	sub = us_json_sub(obj, "counts");
	us_json_num(sub, "blocks", v->blocks);
	us_json_num(sub, "warnings", v->warnings);
	us_json_num(sub, "notes", v->notes);
	us_json_num(sub, "unknown", v->unknown);
	us_json_num(sub, "decisive_unknown", v->blind);
	us_json_num(sub, "passed", v->passed);
	list = us_json_list(obj, "findings");
	for (size_t i = 0; i < v->n_findings; i++)
		json_finding(list, &v->findings[i]);
	return obj;
}
