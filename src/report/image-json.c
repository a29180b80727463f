/* SPDX-License-Identifier: GPL-2.0-or-later */
/* An image and its initrd as JSON: understudy.inspect/1 of docs/json.md. Every fact of image.h. */
#include "report/report-int.h"

static void put_setup(json_object *obj, const struct us_setup *s)
{
	const struct {
		const char *name;
		uint64_t v;
	} fields[] = {
		{ "version", s->version },
		{ "setup_sects", s->setup_sects },
		{ "root_flags", s->root_flags },
		{ "syssize", s->syssize },
		{ "ram_size", s->ram_size },
		{ "vid_mode", s->vid_mode },
		{ "root_dev", s->root_dev },
		{ "boot_flag", s->boot_flag },
		{ "realmode_swtch", s->realmode_swtch },
		{ "start_sys_seg", s->start_sys_seg },
		{ "kernel_version", s->kernel_version },
		{ "type_of_loader", s->type_of_loader },
		{ "loadflags", s->loadflags },
		{ "setup_move_size", s->setup_move_size },
		{ "code32_start", s->code32_start },
		{ "ramdisk_image", s->ramdisk_image },
		{ "ramdisk_size", s->ramdisk_size },
		{ "bootsect_kludge", s->bootsect_kludge },
		{ "heap_end_ptr", s->heap_end_ptr },
		{ "ext_loader_ver", s->ext_loader_ver },
		{ "ext_loader_type", s->ext_loader_type },
		{ "cmd_line_ptr", s->cmd_line_ptr },
		{ "initrd_addr_max", s->initrd_addr_max },
		{ "kernel_alignment", s->kernel_alignment },
		{ "relocatable_kernel", s->relocatable_kernel },
		{ "min_alignment", s->min_alignment },
		{ "xloadflags", s->xloadflags },
		{ "cmdline_size", s->cmdline_size },
		{ "hardware_subarch", s->hardware_subarch },
		{ "hardware_subarch_data", s->hardware_subarch_data },
		{ "payload_offset", s->payload_offset },
		{ "payload_length", s->payload_length },
		{ "setup_data", s->setup_data },
		{ "pref_address", s->pref_address },
		{ "init_size", s->init_size },
		{ "handover_offset", s->handover_offset },
		{ "kernel_info_offset", s->kernel_info_offset },
		{ "header_end", s->header_end },
		{ "kernel_offset", s->kernel_offset },
		{ "kernel_bytes", s->kernel_bytes },
		{ "setup_type_max", s->setup_type_max },
	};
	json_object *list;

	for (size_t i = 0; i < us_array_size(fields); i++)
		us_json_num(obj, fields[i].name, fields[i].v);
	list = us_json_list(obj, "xloadflag_names");
	for (unsigned int bit = 0; bit < 16; bit++)
		if ((s->xloadflags & 1u << bit) && us_xloadflag_name(bit))
			json_object_array_add(list, json_object_new_string(us_xloadflag_name(bit)));
}

static void put_signature(json_object *obj, const struct us_signature *s)
{
	const struct us_cert signer = us_signature_signer(s);

	us_json_tri(obj, "present", s->present);
	us_json_num(obj, "offset", s->offset);
	us_json_num(obj, "size", s->size);
	us_json_str(obj, "problem", s->problem);
	us_json_num(obj, "problem_errno", (uint64_t)s->problem_errno);
	us_json_bool(obj, "verified", s->verified);
	us_json_tri(obj, "digest_ok", s->digest_ok);
	us_json_tri(obj, "signature_ok", s->signature_ok);
	us_json_str(obj, "digest_name", s->digest_name);
	us_json_str(obj, "signer", signer.subject);
	us_json_str(obj, "issuer", signer.issuer);
	us_json_str(obj, "signer_key_id", signer.key_id);
	us_json_str(obj, "authority_key_id", signer.authority_key_id);
}

static void put_deep(json_object *obj, const struct us_image *image)
{
	json_object *list;

	us_json_str(obj, "codec", image->payload_codec ? image->payload_codec->name : NULL);
	us_json_num(obj, "bytes", image->payload_bytes);
	us_json_tri(obj, "whole", image->payload_whole);
	us_json_num(obj, "vmlinux_bytes", image->vmlinux.n);
	us_json_str(obj, "kconfig_from", image->kconfig_from);
	us_json_str(obj, "kconfig_note", image->kconfig_note);
	list = us_json_sub(obj, "capabilities");
	for (int cap = 0; cap < US_CAP_COUNT; cap++) {
		json_object *item = us_json_sub(list, us_cap_name(cap));

		us_json_tri(item, "value", image->caps[cap].v);
		us_json_str(item, "from", image->caps[cap].from);
	}
}

static void put_uki(json_object *obj, const struct us_image *image)
{
	us_json_text(obj, "cmdline", image->cmdline);
	us_json_text(obj, "uname", image->uname);
	us_json_text(obj, "osrel", image->osrel);
	us_json_num(obj, "initrd_bytes", image->initrd.n);
	us_json_num(obj, "ucode_bytes", image->ucode.n);
	us_json_num(obj, "dtb_bytes", image->dtb.n);
}

static void put_initrd(json_object *obj, const struct us_initrd *initrd)
{
	json_object *list;

	us_json_num(obj, "bytes", initrd->bytes.n);
	us_json_num(obj, "unpacked_bytes", initrd->unpacked_bytes);
	us_json_bool(obj, "deep", initrd->deep);
	us_json_str(obj, "order_note", initrd->order_note);
	list = us_json_list(obj, "releases");
	for (size_t i = 0; initrd->releases && initrd->releases[i]; i++)
		json_object_array_add(list, json_object_new_string(initrd->releases[i]));
	list = us_json_list(obj, "parts");
	for (size_t i = 0; i < initrd->n_parts; i++) {
		const struct us_initrd_part *p = &initrd->parts[i];
		json_object *item = us_json_item(list);

		us_json_num(item, "offset", p->offset);
		us_json_num(item, "bytes", p->size);
		us_json_str(item, "codec", p->codec ? p->codec->name : NULL);
		us_json_num(item, "unpacked_bytes", p->unpacked_bytes);
		us_json_num(item, "files", p->files);
		us_json_bool(item, "microcode", p->microcode);
		us_json_bool(item, "microcode_late", p->microcode_late);
		us_json_str(item, "problem", p->problem);
	}
}

static void put_nesting(json_object *obj, const struct us_image *image)
{
	json_object *list = us_json_list(obj, "nesting");

	for (size_t i = 0; i < image->n_nest; i++) {
		json_object *item = us_json_item(list);

		us_json_str(item, "kind", us_image_kind_name(image->nest[i].kind));
		us_json_str(item, "codec", image->nest[i].codec ? image->nest[i].codec->name : NULL);
		us_json_num(item, "offset", image->nest[i].offset);
	}
	list = us_json_list(obj, "damage");
	for (size_t i = 0; i < image->n_damage; i++) {
		json_object *item = us_json_item(list);

		us_json_num(item, "offset", image->damage[i].offset);
		us_json_str(item, "text", image->damage[i].text);
	}
}

json_object *us_json_image(const struct us_image *image, const struct us_initrd *initrd)
{
	json_object *obj = us_json_new("inspect");

	if (!obj)
		return NULL;
	us_json_str(obj, "path", image->path);
	us_json_str(obj, "kind", us_image_kind_name(image->kind));
	us_json_str(obj, "why_none", image->why_none);
	us_json_str(obj, "arch", image->arch ? image->arch->name : NULL);
	us_json_str(obj, "release", image->release);
	us_json_str(obj, "banner", image->banner);
	us_json_num(obj, "file_bytes", image->file.n);
	us_json_num(obj, "kernel_bytes", image->kernel.n);
	put_nesting(obj, image);
	us_json_tri(obj, "relocatable", image->relocatable);
	us_json_num(obj, "align", image->align);
	us_json_num(obj, "pref_address", image->pref_address);
	us_json_num(obj, "run_bytes", image->run_bytes);
	us_json_num(obj, "cmdline_max", image->cmdline_max);
	us_json_num(obj, "entry", image->entry);
	us_json_num(obj, "text_offset", image->text_offset);
	us_json_num(obj, "image_size", image->image_size);
	us_json_num(obj, "header_flags", image->header_flags);
	if (image->kind == US_IMAGE_BZIMAGE)
		put_setup(us_json_sub(obj, "setup"), &image->setup);
	else
		json_object_object_add(obj, "setup", NULL);
	put_uki(us_json_sub(obj, "uki"), image);
	put_signature(us_json_sub(obj, "signature"), &image->signature);
	put_signature(us_json_sub(obj, "inner_signature"), &image->inner_signature);
	if (image->deep)
		put_deep(us_json_sub(obj, "payload"), image);
	else
		json_object_object_add(obj, "payload", NULL);
	if (initrd)
		put_initrd(us_json_sub(obj, "initrd"), initrd);
	else
		json_object_object_add(obj, "initrd", NULL);
	return obj;
}
