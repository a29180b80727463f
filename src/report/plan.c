/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A plan and what became of it, as text and JSON: each segment with its place and reason, what the
 * next kernel is handed, what the kernel answered.
 */
#include "report/report-int.h"

#include "base/text.h"

#include <inttypes.h>
#include <string.h>

static void segment(struct us_out *out, const struct us_plan *plan, const struct us_segment *s)
{
	char size[US_TEXT_SIZE_MAX], bytes[US_TEXT_SIZE_MAX], where[48];
	uint64_t end = us_range_end(s->dest);

	if (s->dest.start || !plan->predicted)
		snprintf(where, sizeof(where), "0x%" PRIx64 "-0x%" PRIx64, s->dest.start,
			 end ? end - 1 : 0);
	else
		snprintf(where, sizeof(where), "the kernel decides");
	fprintf(out->f, "  %-16s %-34s %11s %11s%s\n", us_segment_role_name(s->role), where,
		us_text_size(s->dest.size, size),
		s->bytes.n ? us_text_size(s->bytes.n, bytes) : "the kernel's",
		s->hashed && plan->call == US_CALL_LOAD ? "  digest" : "");
	if (s->why && *s->why) {
		fputs("      ", out->f);
		us_out_para(out, 6, 6, "%s", s->why);
	}
}

static void segments(struct us_out *out, const struct us_plan *plan)
{
	us_out_head(out, "Segments%s",
		    plan->predicted ? " (predicted: the kernel places them by itself)" : "");
	fprintf(out->f, "  %s%-16s %-34s %11s %11s%s\n", us_out_colour(out, US_DIM), "what",
		"address", "room", "content", us_out_colour(out, US_PLAIN));
	for (size_t i = 0; i < plan->n_segments; i++)
		segment(out, plan, &plan->segments[i]);
}

static void handover(struct us_out *out, const struct us_plan *plan)
{
	const struct us_handover *h = &plan->handover;
	char size[US_SIZE_LONG];

	us_out_head(out, "Handed over");
	us_out_row(out, "command line", "%s",
		   h->cmdline && *h->cmdline ? h->cmdline
		   : plan->cmdline           ? plan->cmdline
					     : "(empty)");
	if (h->initrd_bytes && h->initrd_addr)
		us_out_row(out, "initrd", "at 0x%" PRIx64 ", %s", h->initrd_addr,
			   us_size_long(h->initrd_bytes, size));
	else if (h->initrd_bytes)
		us_out_row(out, "initrd", "%s", us_size_long(h->initrd_bytes, size));
	else
		us_out_row(out, "initrd", "none");
	us_out_row(out, "memory map", "%zu entries", h->n_e820);
	us_out_row(out, "firmware", "EFI runtime %s; ACPI RSDP %s0x%" PRIx64,
		   h->efi ? "handed over" : "not handed over",
		   h->acpi_rsdp ? "" : "left to the next kernel's search, ", h->acpi_rsdp);
}

void us_report_plan(struct us_out *out, const struct us_plan *plan)
{
	us_out_head(out, "Plan");
	us_out_row(out, "system call", "%s(2), flags 0x%" PRIx64 "%s%s", us_call_name(plan->call),
		   plan->flags, plan->call_why ? ": " : "", plan->call_why ? plan->call_why : "");
	us_out_row(out, "purpose", "%s", us_purpose_name(plan->purpose));
	if (plan->call == US_CALL_LOAD)
		us_out_row(out, "entry", "0x%" PRIx64, plan->entry);
	if (plan->no_room)
		us_out_row(out, "no room", "%s", plan->no_room);
	if (plan->n_segments)
		segments(out, plan);
	handover(out, plan);
	if (!plan->why || !plan->why[0])
		return;
	us_out_head(out, "Notes");
	for (size_t i = 0; plan->why[i]; i++) {
		fprintf(out->f, "  - ");
		us_out_para(out, 4, 4, "%s", plan->why[i]);
	}
}

static void kernel_log(struct us_out *out, const char *log)
{
	if (!log || !*log)
		return;
	fprintf(out->f, "  The kernel's own words:\n");
	while (*log) {
		size_t n = strcspn(log, "\n");

		fprintf(out->f, "    ");
		us_out_para(out, 4, 6, "%.*s", (int)n, log);
		log += n + (log[n] == '\n');
	}
}

static void refused(struct us_out *out, const struct us_outcome *o)
{
	const char *name = strerrorname_np(o->os_errno);

	if (!o->os_errno)
		us_out_para(out, 0, 0, "%s(2) answered that it is done, and it is not.", o->call);
	else
		us_out_para(out, 0, 0, "The kernel refused: %s(2) answered %s (%s, errno %d).",
			    o->call, name ? name : "ENOTSUPP", strerror(o->os_errno), o->os_errno);
}

void us_report_outcome(struct us_out *out, const struct us_plan *plan, const struct us_outcome *o)
{
	enum us_colour colour = o->done ? US_GREEN : US_RED;

	fputs(us_out_colour(out, colour), out->f);
	if (o->done && plan)
		us_out_para(out, 0, 0, "%s %s, by %s(2).",
			    plan->purpose == US_CRASH ? "Armed for a crash:" : "Loaded:",
			    plan->image ? plan->image->path : "the image", o->call);
	else if (o->done)
		us_out_para(out, 0, 0, "Unloaded, by %s(2).", o->call);
	else
		refused(out, o);
	fputs(us_out_colour(out, US_PLAIN), out->f);
	if (o->meaning && *o->meaning) {
		fprintf(out->f, "  ");
		us_out_para(out, 2, 2, "%s", o->meaning);
	}
	if (!o->done)
		kernel_log(out, o->kernel_log);
	if (!o->done && o->armed_with && *o->armed_with)
		us_out_para(out, 0, 2, "Armed for a crash now: %s.", o->armed_with);
}

static void put_segments(json_object *obj, const struct us_plan *plan)
{
	json_object *list = us_json_list(obj, "segments");

	for (size_t i = 0; i < plan->n_segments; i++) {
		const struct us_segment *s = &plan->segments[i];
		json_object *item = us_json_item(list);

		us_json_str(item, "role", us_segment_role_name(s->role));
		us_json_num(item, "start", s->dest.start);
		us_json_num(item, "size", s->dest.size);
		us_json_num(item, "bytes", s->bytes.n);
		us_json_bool(item, "hashed", s->hashed);
		us_json_str(item, "why", s->why);
	}
}

static void put_handover(json_object *obj, const struct us_handover *h)
{
	json_object *list;

	us_json_str(obj, "cmdline", h->cmdline);
	us_json_num(obj, "cmdline_addr", h->cmdline_addr);
	us_json_num(obj, "initrd_addr", h->initrd_addr);
	us_json_num(obj, "initrd_bytes", h->initrd_bytes);
	us_json_num(obj, "setup_data_addr", h->setup_data_addr);
	us_json_num(obj, "acpi_rsdp", h->acpi_rsdp);
	us_json_num(obj, "type_of_loader", h->type_of_loader);
	us_json_bool(obj, "efi", h->efi);
	list = us_json_list(obj, "e820");
	for (size_t i = 0; i < h->n_e820; i++) {
		json_object *item = us_json_item(list);

		us_json_num(item, "start", h->e820[i].range.start);
		us_json_num(item, "size", h->e820[i].range.size);
		us_json_num(item, "type", us_mem_kind_e820(h->e820[i].kind));
		us_json_str(item, "kind", us_mem_kind_name(h->e820[i].kind));
	}
}

json_object *us_json_plan(const struct us_plan *plan)
{
	json_object *obj = us_json_new("plan"), *list;

	if (!obj)
		return NULL;
	us_json_str(obj, "call", us_call_name(plan->call));
	us_json_str(obj, "call_why", plan->call_why);
	us_json_str(obj, "purpose", us_purpose_name(plan->purpose));
	us_json_num(obj, "flags", plan->flags);
	us_json_bool(obj, "predicted", plan->predicted);
	us_json_num(obj, "entry", plan->entry);
	us_json_str(obj, "cmdline", plan->cmdline);
	us_json_str(obj, "no_room", plan->no_room);
	us_json_num(obj, "short_bytes", plan->short_bytes);
	put_segments(obj, plan);
	put_handover(us_json_sub(obj, "handover"), &plan->handover);
	list = us_json_list(obj, "why");
	for (size_t i = 0; plan->why && plan->why[i]; i++)
		json_object_array_add(list, json_object_new_string(plan->why[i]));
	return obj;
}

json_object *us_json_outcome(const struct us_outcome *o)
{
	json_object *obj = us_json_new("outcome");

	if (!obj)
		return NULL;
	us_json_bool(obj, "done", o->done);
	us_json_num(obj, "errno", (uint64_t)o->os_errno);
	us_json_str(obj, "call", o->call);
	us_json_str(obj, "meaning", o->meaning);
	us_json_str(obj, "kernel_log", o->kernel_log);
	us_json_tri(obj, "armed", o->armed);
	us_json_str(obj, "armed_with", o->armed_with);
	return obj;
}
