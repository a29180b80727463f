/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What audit found out: a line a way, the keys, and what breaks the policy. */
#include "report/report-int.h"

#include <inttypes.h>

static void line(struct us_out *out, const struct us_audit_line *l)
{
	fprintf(out->f, "\n%s%s: %s%s\n", us_out_colour(out, US_BOLD), l->id, l->value,
		us_out_colour(out, US_PLAIN));
	us_out_row(out, "asked", "%s", l->asks);
	us_out_row(out,
		   l->open == US_YES  ? "OPEN"
		   : l->open == US_NO ? "fact"
				      : "UNKNOWN",
		   "%s", l->fact);
	us_out_row(out, "read in", "%s", l->evidence);
	if (l->fix)
		us_out_row(out, "closes it", "%s", l->fix);
}

static void keys(struct us_out *out, const struct us_audit_report *r)
{
	size_t hashes = 0;

	us_out_head(out, "Keys that vouch for an image, and revoked ones");
	for (size_t i = 0; i < r->n_anchors; i++) {
		const struct us_anchor *a = &r->anchors[i];

		if (a->hash)
			hashes++;
		else
			us_out_row(out, a->use == US_ANCHOR_TRUSTED ? "trusted" : "revoked",
				   "%s (%s)", a->description, a->from);
	}
	if (hashes)
		us_out_row(out, "revoked", "%zu %s (.blacklist)", hashes,
			   hashes == 1 ? "hash" : "hashes");
	if (us_known(r->host->keys_from) && !us_known(r->host->keyrings_from))
		us_out_row(out, "note", "which keyring a key is in is not known: %s",
			   r->host->keyrings_from.missing);
}

static void policy(struct us_out *out, const struct us_audit_report *r)
{
	us_out_head(out, "Policy %s: %s", r->policy, r->n_breaches ? "BROKEN" : "holds");
	for (size_t i = 0; i < r->n_breaches; i++)
		us_out_para(out, 2, 4, "  line %u, \"%s\": %s is %s%s", r->breaches[i].number,
			    r->breaches[i].text, r->breaches[i].line->id,
			    r->breaches[i].line->value,
			    r->breaches[i].unknown ? ", and what is not known does not pass" : "");
}

void us_report_audit(struct us_out *out, const struct us_audit_report *r)
{
	size_t open = 0, unknown = 0;

	for (size_t i = 0; i < r->audit->n; i++) {
		open += r->audit->lines[i].open == US_YES;
		unknown += r->audit->lines[i].open == US_UNKNOWN;
	}
	us_report_machine(out, r->host);
	us_out_para(out, 0, 2, "%zu lines: %zu open, %zu not known.", r->audit->n, open, unknown);
	for (size_t i = 0; i < r->audit->n; i++)
		line(out, &r->audit->lines[i]);
	if (r->n_anchors)
		keys(out, r);
	if (r->policy)
		policy(out, r);
}

static void put_policy(json_object *obj, const struct us_audit_report *r)
{
	json_object *sub, *list;

	if (!r->policy) {
		json_object_object_add(obj, "policy", NULL);
		return;
	}
	sub = us_json_sub(obj, "policy");
	us_json_str(sub, "path", r->policy);
	us_json_bool(sub, "holds", !r->n_breaches);
	list = us_json_list(sub, "broken");
	for (size_t i = 0; i < r->n_breaches; i++) {
		json_object *item = us_json_item(list);

		us_json_num(item, "line", r->breaches[i].number);
		us_json_str(item, "text", r->breaches[i].text);
		us_json_str(item, "id", r->breaches[i].line->id);
		us_json_str(item, "value", r->breaches[i].line->value);
		us_json_bool(item, "unknown", r->breaches[i].unknown);
	}
}

json_object *us_json_audit(const struct us_audit_report *r)
{
	json_object *obj = us_json_new("audit"), *list;

	if (!obj)
		return NULL;
	list = us_json_list(obj, "lines");
	for (size_t i = 0; i < r->audit->n; i++) {
		const struct us_audit_line *l = &r->audit->lines[i];
		json_object *item = us_json_item(list);

		us_json_str(item, "id", l->id);
		us_json_str(item, "asks", l->asks);
		us_json_str(item, "value", l->value);
		us_json_tri(item, "open", l->open);
		us_json_str(item, "fact", l->fact);
		us_json_str(item, "evidence", l->evidence);
		us_json_str(item, "fix", l->fix);
	}
	us_json_anchors(us_json_list(obj, "keys"), r->anchors, r->n_anchors);
	us_json_bool(obj, "keyrings_known", us_known(r->host->keyrings_from));
	put_policy(obj, r);
	us_json_num(obj, "exit", (uint64_t)r->exit);
	return obj;
}
