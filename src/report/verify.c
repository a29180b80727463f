/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was found when each page of a dump was looked at. */
#include "report/report-int.h"

#include <inttypes.h>

static const char *verdict(const struct us_verify_result *r)
{
	if (r->bad_pages || r->bad_sums)
		return "damaged";
	if (!r->complete)
		return "incomplete; what it holds is sound";
	if (r->problems && r->problems[0])
		return "it contradicts itself";
	return r->has_sums ? "sound, by its checksums"
			   : "sound, as far as a dump without checksums tells";
}

void us_report_verify(struct us_out *out, const struct us_vmcore *core,
		      const struct us_verify_result *r)
{
	us_out_para(out, 0, 2, "%s: %s", core->path, verdict(r));
	us_out_row(out, "pages", "%" PRIu64 " looked at, %" PRIu64 " bad, %" PRIu64 " lost",
		   r->pages, r->bad_pages, r->lost_pages);
	if (r->has_sums)
		us_out_row(out, "checksums", "%" PRIu64 " compared, %" PRIu64 " wrong",
			   r->checked_sums, r->bad_sums);
	else
		us_out_row(out, "checksums", "none in this dump");
	for (const char *const *w = core->warnings; w && *w; w++)
		us_out_row(out, "note", "%s", *w);
	if (!r->problems || !r->problems[0])
		return;
	us_out_head(out, "Problems");
	for (const char *const *p = r->problems; *p; p++)
		us_out_para(out, 2, 4, "  %s", *p);
}

json_object *us_json_verify(const struct us_vmcore *core, const struct us_verify_result *r,
			    int status)
{
	json_object *obj = us_json_new("verify"), *list;

	if (!obj)
		return NULL;
	us_json_str(obj, "path", core->path);
	us_json_str(obj, "format", us_vmcore_format_name(core->format));
	us_json_str(obj, "verdict", verdict(r));
	us_json_num(obj, "pages", r->pages);
	us_json_num(obj, "bad_pages", r->bad_pages);
	us_json_num(obj, "lost_pages", r->lost_pages);
	us_json_bool(obj, "has_sums", r->has_sums);
	us_json_num(obj, "checked_sums", r->checked_sums);
	us_json_num(obj, "bad_sums", r->bad_sums);
	us_json_bool(obj, "complete", r->complete);
	list = us_json_list(obj, "warnings");
	for (const char *const *w = core->warnings; w && *w; w++)
		json_object_array_add(list, json_object_new_string(*w));
	list = us_json_list(obj, "problems");
	for (const char *const *p = r->problems; p && *p; p++)
		json_object_array_add(list, json_object_new_string(*p));
	us_json_num(obj, "exit", (uint64_t)status);
	return obj;
}
