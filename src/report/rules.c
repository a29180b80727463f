/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The rule table as a list, as JSON and as a section of the man page: one source for all three. */
#include "report/report-int.h"

#include <string.h>

struct area {
	const char *name; /* what stands before the dot of a rule's id */
	enum us_question question;
};

/* Areas that are not named here ask whether the image can be entered at all. */
static const struct area areas[] = {
	{ "cpu", US_Q_DEVICES },          { "firmware", US_Q_DEVICES },
	{ "gpu", US_Q_DEVICES },          { "guest", US_Q_DEVICES },
	{ "iommu", US_Q_DEVICES },        { "kho", US_Q_DEVICES },
	{ "call", US_Q_PERMISSION },      { "distance", US_Q_POLICY },
	{ "ima", US_Q_PERMISSION },       { "lockdown", US_Q_PERMISSION },
	{ "privilege", US_Q_PERMISSION }, { "signature", US_Q_PERMISSION },
	{ "syscall", US_Q_PERMISSION },   { "sysctl", US_Q_PERMISSION },
};

enum us_question us_rule_question(const struct us_rule *rule)
{
	size_t n = strcspn(rule->id, ".");

	for (size_t i = 0; i < us_array_size(areas); i++)
		if (strlen(areas[i].name) == n && !strncmp(areas[i].name, rule->id, n))
			return areas[i].question;
	return US_Q_ENTRY;
}

const char *us_question_name(enum us_question q)
{
	static const char *const names[] = {
		[US_Q_ENTRY] = "architecture",
		[US_Q_DEVICES] = "devices",
		[US_Q_PERMISSION] = "permission",
		[US_Q_POLICY] = "policy",
	};

	return names[q];
}

const char *us_rule_side(const struct us_rule *rule)
{
	if (rule->role == US_ROLE_CAPTURE)
		return "capture kernel";
	if (rule->role == US_ROLE_PANIC)
		return "running kernel";
	return "";
}

static const char *when_text(const struct us_rule *rule)
{
	return rule->when == US_ON_REBOOT  ? "reboot"
	       : rule->when == US_ON_CRASH ? "crash"
					   : "reboot, crash";
}

static const char *by_text(const struct us_rule *rule)
{
	return rule->by == US_BY_FILE   ? "kexec_file_load"
	       : rule->by == US_BY_LOAD ? "kexec_load"
					: "both calls";
}

void us_report_rules(struct us_out *out)
{
	const struct us_rule *r;
	size_t i;

	for (i = 0; (r = us_rule_at(i)); i++) {
		fprintf(out->f, "%s%s%s  %s, %s, %s%s%s\n", us_out_colour(out, US_BOLD), r->id,
			us_out_colour(out, US_PLAIN), us_severity_name(r->severity), when_text(r),
			by_text(r), *us_rule_side(r) ? ", " : "", us_rule_side(r));
		fprintf(out->f, "    ");
		us_out_para(out, 4, 4, "%s", r->says);
		if (r->fix) {
			fprintf(out->f, "    Remedy: ");
			us_out_para(out, 12, 12, "%s", r->fix);
		}
		if (r->see) {
			fprintf(out->f, "    See: ");
			us_out_para(out, 9, 9, "%s", r->see);
		}
	}
	fprintf(out->f, "%zu rules.\n", i);
}

json_object *us_json_rules(void)
{
	json_object *obj = us_json_new("rules"), *list;
	const struct us_rule *r;

	if (!obj)
		return NULL;
	list = us_json_list(obj, "rules");
	for (size_t i = 0; (r = us_rule_at(i)); i++) {
		json_object *item = us_json_item(list);

		us_json_str(item, "id", r->id);
		us_json_str(item, "severity", us_severity_name(r->severity));
		us_json_bool(item, "reboot", r->when & US_ON_REBOOT);
		us_json_bool(item, "crash", r->when & US_ON_CRASH);
		us_json_str(item, "call",
			    us_call_name(r->by == US_BY_FILE   ? US_CALL_FILE
					 : r->by == US_BY_LOAD ? US_CALL_LOAD
							       : US_CALL_AUTO));
		us_json_str(item, "question", us_question_name(us_rule_question(r)));
		us_json_str(item, "says", r->says);
		us_json_str(item, "fix", r->fix);
		us_json_str(item, "see", r->see);
		us_json_str(item, "want", r->want);
	}
	return obj;
}

/* scdoc takes these characters as markup. */
void us_report_scd_text(FILE *f, const char *s)
{
	for (; *s; s++) {
		if (strchr("*_\\`<>[]#~|", *s))
			fputc('\\', f);
		fputc(*s, f);
	}
}

void us_report_rules_scd(FILE *f)
{
	const struct us_rule *r;

	for (size_t i = 0; (r = us_rule_at(i)); i++) {
		fprintf(f, "*%s* (%s; %s; %s)\n\t", r->id, us_severity_name(r->severity),
			when_text(r),
			r->by == US_BY_FILE   ? "kexec\\_file\\_load"
			: r->by == US_BY_LOAD ? "kexec\\_load"
					      : "both calls");
		us_report_scd_text(f, r->says);
		fputs(".\n", f);
		if (r->fix) {
			fputs("\tRemedy: ", f);
			us_report_scd_text(f, r->fix);
			fputs(".\n", f);
		}
		fputc('\n', f);
	}
}
