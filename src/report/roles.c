/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts that a kernel can play: each with its verdict, what was wanted, found, and what it
 * costs where it is not there. */
#include "report/report-int.h"

#include "base/text.h"

#include <string.h>

static const char *const titles[US_PARTS] = {
	[US_PART_SOURCE] = "Start another kernel (source)",
	[US_PART_TARGET] = "Be started (target)",
	[US_PART_PANIC] = "Hold a capture kernel and start it at a crash (panic)",
	[US_PART_CAPTURE] = "Be the capture kernel (capture)",
};

/* "A=y | B=n & C=n" -> "A=y or B=n and C=n" */
static void words_of(const char *want, struct us_text *t)
{
	for (const char *s = want; *s; s++)
		if (*s == '|')
			us_text_add(t, "or");
		else if (*s == '&')
			us_text_add(t, "and");
		else
			us_text_put(t, s, 1);
}

static enum us_colour colour_of(const struct us_part_verdict *v)
{
	return v->v == US_YES ? US_GREEN : v->v == US_NO ? US_RED : US_YELLOW;
}

static const char *call_words(const struct us_part_verdict *v)
{
	if (v->v != US_YES || v->by_load == US_NO)
		return "";
	if (v->by_file == US_NO)
		return ", with kexec_load only";
	return v->by_file == US_UNKNOWN   ? "; whether with kexec_file_load is not known"
	       : v->by_load == US_UNKNOWN ? "; whether with kexec_load is not known"
					  : "";
}

static const char *mark_of(const struct us_part_verdict *v, const struct us_part_finding *f)
{
	if (f->rule->weight == US_PART_TELLS)
		return "note";
	if (f->v == US_YES)
		return "ok";
	if (f->v == US_UNKNOWN)
		return "?";
	return v->v == US_NO && f->decides ? "NO" : "lacks";
}

/* Traps that are not there, and what comes with another option and cannot be told, are noise. */
static bool is_noise(const struct us_part_finding *f)
{
	return f->rule->unknown_ok && (f->v == US_YES || (f->v == US_UNKNOWN && f->rule->comes));
}

static void put_line(struct us_out *out, const char *text, const char *after)
{
	fprintf(out->f, "%9s", "");
	us_out_para(out, 9, 9, "%s%s", text, after);
}

static void put_finding(struct us_out *out, const struct us_part_verdict *v,
			const struct us_part_finding *f)
{
	const struct us_part_rule *rule = f->rule;
	_us_text_deinit_ struct us_text want = { 0 };

	if (!out->verbose && is_noise(f))
		return;
	fprintf(out->f, "  %-6s ", mark_of(v, f));
	if (rule->want)
		words_of(rule->want, &want);
	if (want.failed)
		return;
	if (rule->weight == US_PART_TELLS)
		us_out_para(out, 9, 9, "%s", rule->costs);
	else if (f->v == US_YES && !out->verbose)
		us_out_para(out, 9, 9, "%s", f->found);
	else
		us_out_para(out, 9, 9, "wanted %s, found: %s", want.s, f->found);
	if (rule->weight != US_PART_TELLS && (f->v != US_YES || out->verbose))
		put_line(out, f->v == US_NO ? "" : "if not so: ", rule->costs);
	if (out->verbose) {
		fprintf(out->f, "%9s", "");
		us_out_para(out, 9, 9, "%s: %s", rule->id, rule->see);
	}
}

static void put_part(struct us_out *out, const struct us_parts *parts, enum us_part part)
{
	const struct us_part_verdict *v = &parts->v[part];

	us_out_head(out, "%s: %s%s%s%s", titles[part], us_out_colour(out, colour_of(v)),
		    us_part_verdict_words(v), us_out_colour(out, US_PLAIN), call_words(v));
	for (size_t i = 0; i < v->n_findings; i++)
		put_finding(out, v, &v->findings[i]);
}

static const char *known_by(const struct us_witness *w)
{
	if (w->config_from)
		return w->config_from;
	return w->image ? "no .config was found: what the image's text proves"
			: "no .config was found: what the running kernel shows";
}

static const char *doubt_of(const struct us_parts *parts)
{
	const struct us_witness *w = &parts->witness;

	if (w->image && w->image->kconfig_note)
		return w->image->kconfig_note;
	if (w->config && !parts->whole)
		return "it has no headline of a whole .config, so it may be a fragment: what it "
		       "does not name is not known";
	return NULL;
}

void us_report_roles(struct us_out *out, const struct us_parts *parts, unsigned int shown)
{
	const struct us_witness *w = &parts->witness;
	const char *doubt = doubt_of(parts);

	us_out_para(out, 0, 2, "%s: Linux %s, %s", w->name,
		    w->release ? w->release : "of a version that is not known",
		    w->arch && w->arch->id != US_ARCH_UNKNOWN ? w->arch->name
							      : "architecture not known");
	us_out_row(out, "known by", "%s", known_by(w));
	if (doubt)
		us_out_row(out, "doubt", "%s", doubt);
	us_out_row(out, "rules of", "%s (%s)",
		   parts->age == US_AGE_CUT     ? "Linux 6.9 and later"
		   : parts->age == US_AGE_UNCUT ? "Linux to 6.8"
						: "all versions",
		   parts->age_from);
	for (enum us_part part = 0; part < US_PARTS; part++)
		if (shown & US_PART_BIT(part))
			put_part(out, parts, part);
}

static const char *weight_name(enum us_part_weight weight)
{
	return weight == US_PART_NEEDS ? "need" : weight == US_PART_WISHES ? "wish" : "note";
}

static void json_findings(json_object *list, const struct us_part_verdict *v)
{
	for (size_t i = 0; i < v->n_findings; i++) {
		const struct us_part_finding *f = &v->findings[i];
		json_object *item = us_json_item(list);

		us_json_str(item, "id", f->rule->id);
		us_json_str(item, "weight", weight_name(f->rule->weight));
		us_json_str(item, "wanted", f->rule->want);
		us_json_str(item, "found", f->found);
		us_json_tri(item, "holds", f->v);
		us_json_bool(item, "decides", f->decides);
		us_json_str(item, "call",
			    f->rule->calls == US_PART_BY_LOAD   ? "kexec_load"
			    : f->rule->calls == US_PART_BY_FILE ? "kexec_file_load"
								: NULL);
		us_json_str(item, "costs", f->rule->costs);
		us_json_str(item, "see", f->rule->see);
	}
}

json_object *us_json_roles(const struct us_parts *parts, unsigned int shown, unsigned int asked,
			   int status)
{
	json_object *obj = us_json_new("config-roles"), *list, *item;
	const struct us_witness *w = &parts->witness;

	if (!obj)
		return NULL;
	us_json_str(obj, "name", w->name);
	us_json_str(obj, "kind", w->image ? "image" : w->host ? "running" : "config");
	us_json_str(obj, "release", w->release);
	us_json_str(obj, "arch", w->arch && w->arch->id != US_ARCH_UNKNOWN ? w->arch->name : NULL);
	us_json_str(obj, "config_from", w->config_from);
	us_json_str(obj, "doubt", doubt_of(parts));
	us_json_tri(obj, "crash_code_apart",
		    parts->age == US_AGE_ANY ? US_UNKNOWN : us_tri_of(parts->age == US_AGE_CUT));
	us_json_str(obj, "crash_code_apart_from", parts->age_from);
	list = us_json_list(obj, "roles");
	for (enum us_part part = 0; part < US_PARTS; part++) {
		if (!(shown & US_PART_BIT(part)))
			continue;
		item = us_json_item(list);
		us_json_str(item, "role", us_part_name(part));
		us_json_bool(item, "asked", asked & US_PART_BIT(part));
		us_json_tri(item, "had", parts->v[part].v);
		us_json_str(item, "verdict", us_part_verdict_words(&parts->v[part]));
		us_json_tri(item, "by_kexec_load", parts->v[part].by_load);
		us_json_tri(item, "by_kexec_file_load", parts->v[part].by_file);
		json_findings(us_json_list(item, "options"), &parts->v[part]);
	}
	us_json_num(obj, "exit", (uint64_t)status);
	return obj;
}

/* "; x86_64, i386; from 6.6 on; before 6.17; where EFI=y" */
static void put_scope(FILE *f, const struct us_part_rule *rule)
{
	const char *comma = "; ";

	for (int id = 1; rule->arch && id < US_ARCH_COUNT; id++) {
		if (!(rule->arch & US_ARCH_BIT(id)))
			continue;
		fputs(comma, f);
		us_report_scd_text(f, us_arch_by_id(id)->name);
		comma = ", ";
	}
	if (rule->age != US_AGE_ANY)
		fputs(rule->age == US_AGE_CUT ? "; from 6.9 on" : "; before 6.9", f);
	if (rule->since)
		fprintf(f, "; from %u.%u on", rule->since >> 20, rule->since >> 10 & 0x3ff);
	if (rule->until && rule->until & 0x3ff)
		fprintf(f, "; before %u.%u.%u", rule->until >> 20, rule->until >> 10 & 0x3ff,
			rule->until & 0x3ff);
	else if (rule->until)
		fprintf(f, "; before %u.%u", rule->until >> 20, rule->until >> 10 & 0x3ff);
	if (rule->given) {
		_us_text_deinit_ struct us_text given = { 0 };

		words_of(rule->given, &given);
		fputs("; where ", f);
		us_report_scd_text(f, given.failed ? rule->given : given.s);
	}
}

/* The table of rules for the manual page, in scdoc. */
void us_report_roles_scd(FILE *f)
{
	const struct us_part_rule *rule;

	for (size_t i = 0; (rule = us_part_rule_at(i)); i++) {
		const char *comma = "";

		fputs("*", f);
		us_report_scd_text(f, rule->id);
		fputs("* (", f);
		for (enum us_part part = 0; part < US_PARTS; part++) {
			if (!(rule->parts & US_PART_BIT(part)))
				continue;
			fprintf(f, "%s%s", comma, us_part_name(part));
			comma = ", ";
		}
		fprintf(f, "; %s%s", weight_name(rule->weight),
			rule->calls == US_PART_BY_LOAD   ? " of kexec\\_load"
			: rule->calls == US_PART_BY_FILE ? " of kexec\\_file\\_load"
							 : "");
		put_scope(f, rule);
		fputs(")\n\t", f);
		if (rule->want) {
			_us_text_deinit_ struct us_text want = { 0 };

			words_of(rule->want, &want);
			us_report_scd_text(f, want.failed ? rule->want : want.s);
			fputs(". Otherwise: ", f);
		}
		us_report_scd_text(f, rule->costs);
		fputs(".\n\n", f);
	}
}

static void put_comments(struct us_out *out, const char *head, const char *const *lines)
{
	for (; lines && *lines; lines++) {
		fputs(head, out->f);
		us_out_safe(out->f, *lines, strlen(*lines));
		fputc('\n', out->f);
	}
}

void us_report_fragment(struct us_out *out, const struct us_parts *parts, unsigned int asked,
			bool tree, const struct us_part_fragment *fragment)
{
	unsigned int v = parts->version;
	const char *comma = "";

	fputs("# ", out->f);
	for (enum us_part part = 0; part < US_PARTS; part++) {
		if (!(asked & US_PART_BIT(part)))
			continue;
		fprintf(out->f, "%s%s", comma, us_part_name(part));
		comma = ", ";
	}
	fputs(v ? ": Linux " : ": a version that is not known", out->f);
	if (v)
		fprintf(out->f, "%u.%u.%u", v >> 20, v >> 10 & 0x3ff, v & 0x3ff);
	fprintf(out->f, ", %s\n", *fragment->arch ? fragment->arch : "architecture not known");
	if (!fragment->reachable) {
		fputs("# This tree does not allow it (what a .config sets is kept):\n", out->f);
		put_comments(out, "#   ", fragment->reasons);
		return;
	}
	fprintf(out->f, "# %s\n",
		tree ? "The tree was asked: its own configuration step keeps these lines."
		     : "What is missing, by that version's rules; no tree was asked (--tree).");
	put_comments(out, "# if ", fragment->assumed);
	if (!fragment->lines[0])
		fputs("# nothing\n", out->f);
	for (const char *const *line = fragment->lines; *line; line++)
		us_report_line(out, *line);
}

json_object *us_json_fragment(const struct us_parts *parts, unsigned int asked, const char *tree,
			      const struct us_part_fragment *fragment, int status)
{
	json_object *obj = us_json_new("config-fragment"), *list;

	if (!obj)
		return NULL;
	us_json_str(obj, "name", parts->witness.name);
	us_json_str(obj, "tree", tree);
	us_json_str(obj, "release", parts->witness.release);
	us_json_str(obj, "arch", *fragment->arch ? fragment->arch : NULL);
	list = us_json_list(obj, "asked");
	for (enum us_part part = 0; part < US_PARTS; part++)
		if (asked & US_PART_BIT(part))
			us_json_add_str(list, us_part_name(part));
	us_json_bool(obj, "reachable", fragment->reachable);
	list = us_json_list(obj, "lines");
	for (size_t i = 0; fragment->lines && fragment->lines[i]; i++)
		us_json_add_str(list, fragment->lines[i]);
	list = us_json_list(obj, "reasons");
	for (size_t i = 0; fragment->reasons && fragment->reasons[i]; i++)
		us_json_add_str(list, fragment->reasons[i]);
	list = us_json_list(obj, "assumed");
	for (size_t i = 0; fragment->assumed && fragment->assumed[i]; i++)
		us_json_add_str(list, fragment->assumed[i]);
	us_json_num(obj, "exit", (uint64_t)status);
	return obj;
}
