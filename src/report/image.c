/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Everything that was learned about an image and its initrd, as text. The JSON form of the same is
 * image-json.c.
 */
#include "report/report-int.h"

#include "base/text.h"

#include <inttypes.h>
#include <string.h>

static void nesting(struct us_out *out, const struct us_image *image)
{
	_us_text_deinit_ struct us_text t = { 0 };

	for (size_t i = image->n_nest; i-- > 0;) {
		const struct us_nest *nest = &image->nest[i];

		us_text_add(&t, "%s%s", us_image_kind_name(nest->kind), i ? " in " : "");
		if (nest->codec)
			us_text_add(&t, "%s(%s)%s", i ? "" : " ", nest->codec->name, i ? " " : "");
	}
	if (image->n_nest > 1)
		us_out_row(out, "nesting", "%s", t.failed || !t.s ? "" : t.s);
}

static void general(struct us_out *out, const struct us_image *image)
{
	char size[US_SIZE_LONG];

	bool known = image->kind != US_IMAGE_NONE && image->arch;

	us_out_para(out, 0, 2, "%s: %s%s%s%s%s", image->path, us_image_kind_name(image->kind),
		    known ? ", " : "", known ? image->arch->name : "",
		    image->release ? ", Linux " : "", image->release ? image->release : "");
	if (image->kind == US_IMAGE_NONE && image->why_none)
		us_out_row(out, "why", "%s", image->why_none);
	us_out_row(out, "file", "%s", us_size_long(image->file.n, size));
	nesting(out, image);
	if (image->kernel.n && image->kernel.n != image->file.n)
		us_out_row(out, "kernel", "%s", us_size_long(image->kernel.n, size));
	if (image->banner)
		us_out_row(out, "banner", "%s", image->banner);
}

static void damage(struct us_out *out, const struct us_image *image)
{
	if (!image->n_damage)
		return;
	us_out_head(out, "Damage (%zu)", image->n_damage);
	for (size_t i = 0; i < image->n_damage; i++) {
		char at[32];

		snprintf(at, sizeof(at), "at 0x%" PRIx64, image->damage[i].offset);
		us_out_row(out, at, "%s", image->damage[i].text);
	}
}

static void xloadflags(struct us_out *out, const struct us_setup *s)
{
	_us_text_deinit_ struct us_text t = { 0 };

	us_text_add(&t, "0x%04x:", s->xloadflags);
	for (unsigned int bit = 0; bit < 16; bit++) {
		const char *name = us_xloadflag_name(bit);

		if (!(s->xloadflags & 1u << bit))
			continue;
		if (name)
			us_text_add(&t, " %s", name);
		else
			us_text_add(&t, " bit %u", bit);
	}
	us_out_row(out, "xloadflags", "%s", t.failed ? "" : t.s);
}

static void setup(struct us_out *out, const struct us_image *image)
{
	const struct us_setup *s = &image->setup;
	char size[US_SIZE_LONG];

	if (image->kind != US_IMAGE_BZIMAGE)
		return;
	us_out_head(out, "Setup header");
	us_out_row(out, "protocol", "%u.%02u", s->version >> 8, s->version & 0xff);
	xloadflags(out, s);
	us_out_row(out, "loadflags", "0x%02x%s", s->loadflags,
		   s->loadflags & 1 ? " (loaded high)" : "");
	us_out_row(out, "setup", "%u sectors; header ends at 0x%x; kernel at 0x%x, %s",
		   s->setup_sects, s->header_end, s->kernel_offset,
		   us_size_long(s->kernel_bytes, size));
	us_out_row(out, "payload", "at 0x%x (of the kernel), %s", s->payload_offset,
		   us_size_long(s->payload_length, size));
	us_out_row(out, "initrd", "highest address 0x%x by the 32-bit field", s->initrd_addr_max);
	if (s->handover_offset)
		us_out_row(out, "EFI handover", "entry at 0x%x", s->handover_offset);
	if (s->kernel_info_offset)
		us_out_row(out, "kernel_info", "at 0x%x, setup types to %u", s->kernel_info_offset,
			   s->setup_type_max);
}

static void placement(struct us_out *out, const struct us_image *image)
{
	char size[US_SIZE_LONG];

	if (image->kind == US_IMAGE_NONE)
		return;
	us_out_head(out, "Placement");
	us_out_row(out, "relocatable", "%s", us_tri_name(image->relocatable));
	if (image->align)
		us_out_row(out, "alignment", "%s", us_size_long(image->align, size));
	if (image->pref_address)
		us_out_row(out, "prefers", "address 0x%" PRIx64, image->pref_address);
	if (image->run_bytes)
		us_out_row(out, "needs", "%s at its start", us_size_long(image->run_bytes, size));
	if (image->kind == US_IMAGE_ELF)
		us_out_row(out, "entry", "0x%" PRIx64, image->entry);
	if (image->kind == US_IMAGE_HEADER)
		us_out_row(out, "header",
			   "text offset 0x%" PRIx64 ", image size 0x%" PRIx64 ", flags 0x%" PRIx64,
			   image->text_offset, image->image_size, image->header_flags);
	if (image->cmdline_max)
		us_out_row(out, "command line", "at most %u characters", image->cmdline_max);
}

static void first_line(struct us_out *out, const char *label, struct us_bytes b)
{
	size_t n = us_bytes_trimmed(b), line = us_bytes_find(b, 0, "\n", 1);
	bool more = line < n && line + 1 < n;

	us_out_row(out, label, "%.*s%s", (int)(line < n ? line : n), (const char *)b.p,
		   more ? " ..." : "");
}

static void uki(struct us_out *out, const struct us_image *image)
{
	const struct {
		const char *name;
		struct us_bytes b;
		bool text;
	} sections[] = {
		{ ".cmdline", image->cmdline, true }, { ".uname", image->uname, true },
		{ ".initrd", image->initrd, false },  { ".ucode", image->ucode, false },
		{ ".dtb", image->dtb, false },        { ".osrel", image->osrel, true },
	};
	bool any = false;

	for (size_t i = 0; i < us_array_size(sections); i++) {
		struct us_bytes b = sections[i].b;
		char size[US_SIZE_LONG];

		if (!b.n)
			continue;
		if (!any)
			us_out_head(out, "UKI sections");
		any = true;
		if (sections[i].text)
			first_line(out, sections[i].name, b);
		else
			us_out_row(out, sections[i].name, "%s", us_size_long(b.n, size));
	}
}

static void optional(struct us_out *out, const char *label, const char *v)
{
	if (v && *v)
		us_out_row(out, label, "%s", v);
}

static void signature(struct us_out *out, const char *head, const struct us_signature *s)
{
	const struct us_cert signer = us_signature_signer(s);
	char size[US_SIZE_LONG];

	if (s->present == US_UNKNOWN && !s->problem)
		return;
	us_out_head(out, "%s", head);
	us_out_row(out, "present", "%s", us_tri_name(s->present));
	if (s->present == US_YES)
		us_out_row(out, "certificates", "at 0x%" PRIx64 ", %s", s->offset,
			   us_size_long(s->size, size));
	if (s->problem) {
		const char *name = strerrorname_np(s->problem_errno);

		us_out_row(out, "problem", "%s (the kernel would answer %d, %s)", s->problem,
			   s->problem_errno, name ? name : "ENOTSUPP");
	}
	if (s->present != US_YES)
		return;
	if (!s->verified) {
		us_out_row(out, "verified", "not yet (--deep)");
		return;
	}
	us_out_row(out, "digest", "%s %s", s->digest_name ? s->digest_name : "",
		   s->digest_ok == US_YES  ? "equals the signed one"
		   : s->digest_ok == US_NO ? "DIFFERS from the signed one: the file was changed"
					   : "could not be compared");
	us_out_row(out, "signature", "%s",
		   s->signature_ok == US_YES  ? "verifies with the signer's certificate"
		   : s->signature_ok == US_NO ? "DOES NOT VERIFY with the signer's certificate"
					      : "could not be verified");
	optional(out, "signer", signer.subject);
	optional(out, "signer key", signer.key_id);
	optional(out, "issuer", signer.issuer);
	optional(out, "issuer key", signer.authority_key_id);
}

/* All capabilities with one answer, in one row. */
static void caps_row(struct us_out *out, const struct us_image *image, enum us_tri v)
{
	_us_text_deinit_ struct us_text t = { 0 };

	for (int cap = 0; cap < US_CAP_COUNT; cap++)
		if (image->caps[cap].v == v)
			us_text_add(&t, "%s%s", t.n ? ", " : "", us_cap_name(cap));
	if (t.n)
		us_out_row(out, us_tri_name(v), "%s", t.s);
}

static void caps(struct us_out *out, const struct us_image *image)
{
	us_out_head(out, "Capabilities");
	us_out_row(out, "config", "%s",
		   image->kconfig_from ? image->kconfig_from
				       : "none found: judged by what the kernel's text proves");
	optional(out, "doubt", image->kconfig_note);
	if (!out->verbose) {
		caps_row(out, image, US_YES);
		caps_row(out, image, US_NO);
		caps_row(out, image, US_UNKNOWN);
		return;
	}
	for (int cap = 0; cap < US_CAP_COUNT; cap++) {
		const struct us_cap_fact *fact = &image->caps[cap];

		fprintf(out->f, "  %-8s", us_tri_name(fact->v));
		us_out_para(out, 10, 12, "%s%s%s", us_cap_name(cap), fact->from ? ": " : "",
			    fact->from ? fact->from : "");
	}
}

static void deep(struct us_out *out, const struct us_image *image)
{
	char size[US_SIZE_LONG];

	if (!image->deep) {
		if (image->kind != US_IMAGE_NONE)
			us_out_para(out, 0, 0, "\nThe payload was not unpacked: --deep does.");
		return;
	}
	us_out_head(out, "Payload");
	us_out_row(out, "compression", "%s",
		   image->payload_codec ? image->payload_codec->name : "none");
	us_out_row(out, "whole", "%s", us_tri_name(image->payload_whole));
	if (image->payload_bytes)
		us_out_row(out, "unpacked", "%s", us_size_long(image->payload_bytes, size));
	if (image->vmlinux.n)
		us_out_row(out, "ELF", "%s", us_size_long(image->vmlinux.n, size));
	caps(out, image);
}

static void initrd_part(struct us_out *out, const struct us_initrd_part *p, size_t i)
{
	char size[US_TEXT_SIZE_MAX], unpacked[US_TEXT_SIZE_MAX], label[32];
	_us_text_deinit_ struct us_text t = { 0 };

	snprintf(label, sizeof(label), "part %zu", i + 1);
	us_text_add(&t, "at 0x%" PRIx64 ", %s, %s%s", p->offset, us_text_size(p->size, size),
		    p->codec ? p->codec->name : "not compressed",
		    p->microcode_late ? ", microcode (too late: it must come first)"
		    : p->microcode    ? ", microcode"
				      : "");
	if (p->files)
		us_text_add(&t, ", %u files", p->files);
	if (p->codec && p->unpacked_bytes)
		us_text_add(&t, ", unpacks to %s", us_text_size(p->unpacked_bytes, unpacked));
	if (p->problem)
		us_text_add(&t, ": PROBLEM: %s", p->problem);
	us_out_row(out, label, "%s", t.failed ? "" : t.s);
}

static void initrd_text(struct us_out *out, const struct us_initrd *initrd)
{
	char size[US_SIZE_LONG];

	us_out_head(out, "Initrd");
	us_out_row(out, "size", "%s", us_size_long(initrd->bytes.n, size));
	if (initrd->unpacked_bytes)
		us_out_row(out, "unpacked", "%s", us_size_long(initrd->unpacked_bytes, size));
	for (size_t i = 0; i < initrd->n_parts; i++)
		initrd_part(out, &initrd->parts[i], i);
	for (size_t i = 0; initrd->releases && initrd->releases[i]; i++)
		us_out_row(out, "modules of", "%s", initrd->releases[i]);
	if (initrd->order_note)
		us_out_row(out, "order", "%s", initrd->order_note);
}

void us_report_image(struct us_out *out, const struct us_image *image,
		     const struct us_initrd *initrd)
{
	general(out, image);
	damage(out, image);
	setup(out, image);
	placement(out, image);
	uki(out, image);
	signature(out, "Signature", &image->signature);
	if (image->kernel.p != image->file.p)
		signature(out, "Signature of the inner kernel", &image->inner_signature);
	deep(out, image);
	if (initrd)
		initrd_text(out, initrd);
}
