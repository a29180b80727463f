/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From image, machine and wish to a plan: which system call, why, with which flags. Which image
 * kinds kexec_file_load(2) takes is decided by the running architecture's loaders (Linux 6.12
 * arch/.../kernel/machine_kexec_file.c, kexec_file_loaders[]). Calls nothing and reads nothing.
 */
#include "load/load-int.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

static const char *const role_names[US_SEG_ROLES] = {
	[US_SEG_PURGATORY] = "purgatory",   [US_SEG_BOOT_PARAMS] = "boot parameters",
	[US_SEG_KERNEL] = "kernel",         [US_SEG_INITRD] = "initrd",
	[US_SEG_SETUP_DATA] = "setup data", [US_SEG_ELFCOREHDR] = "ELF core header",
	[US_SEG_DTB] = "device tree",
};

const char *us_segment_role_name(enum us_segment_role role)
{
	return role < US_SEG_ROLES ? role_names[role] : "segment";
}

bool us_call_parse(const char *word, enum us_call *ret)
{
	static const char *const words[] = { [US_CALL_AUTO] = "auto",
					     [US_CALL_FILE] = "file",
					     [US_CALL_LOAD] = "load" };

	for (size_t i = 0; i < us_array_size(words); i++)
		if (!strcmp(words[i], word)) {
			*ret = (enum us_call)i;
			return true;
		}
	return false;
}

/* The image kinds that each architecture's kexec_file_load(2) takes. */
static const struct {
	enum us_arch_id arch;
	enum us_image_kind kind;
} file_takes[] = {
	{ US_ARCH_X86_64, US_IMAGE_BZIMAGE }, { US_ARCH_ARM64, US_IMAGE_HEADER },
	{ US_ARCH_RISCV64, US_IMAGE_ELF },    { US_ARCH_RISCV64, US_IMAGE_HEADER },
	{ US_ARCH_PPC64, US_IMAGE_ELF },      { US_ARCH_S390X, US_IMAGE_ELF },
	{ US_ARCH_S390X, US_IMAGE_HEADER },
};

/* The image kinds that understudy places itself. */
static const struct {
	enum us_arch_id arch;
	enum us_image_kind kind;
} load_takes[] = {
	{ US_ARCH_X86_64, US_IMAGE_BZIMAGE },
	{ US_ARCH_X86_64, US_IMAGE_ELF },
};

/* An image that does not tell (an old boot protocol) is given the benefit of the doubt. */
static bool foreign(const struct us_build *b)
{
	return b->image->arch->id != US_ARCH_UNKNOWN && b->image->arch->id != b->host->arch->id;
}

static bool call_takes(const struct us_build *b, enum us_call call)
{
	const struct us_arch *arch = b->host->arch;

	if (foreign(b))
		return false;
	for (size_t i = 0; call == US_CALL_FILE && i < us_array_size(file_takes); i++)
		if (file_takes[i].arch == arch->id && file_takes[i].kind == b->image->kind)
			return true;
	for (size_t i = 0; call == US_CALL_LOAD && i < us_array_size(load_takes); i++)
		if (load_takes[i].arch == arch->id && load_takes[i].kind == b->image->kind)
			return true;
	return false;
}

/* A wish that only kexec_load can fulfil, or NULL. */
static const char *load_only(const struct us_wanted *w)
{
	return w->mem_min || w->mem_max ? "limits for the addresses"
	       : w->no_efi              ? "leaving out EFI"
	       : w->no_checks           ? "leaving out the digest"
					: NULL;
}

static const char *file_only(const struct us_wanted *w)
{
	return w->no_cma ? "no CMA" : w->force_dtb ? "forcing the device tree" : NULL;
}

static struct us_err *choose_auto(struct us_build *b)
{
	const struct us_host *host = b->host;
	const char *load = load_only(b->wanted);
	bool file_there = host->has_kexec_file_load.v != US_NO;
	bool load_there = host->has_kexec_load.v != US_NO;

	if (load) {
		b->plan->call = US_CALL_LOAD;
		return us_build_text(b, &b->plan->call_why, "only kexec_load can do this: %s", load);
	}
	if (call_takes(b, US_CALL_FILE) && (file_there || !load_there)) {
		b->plan->call = US_CALL_FILE;
		b->plan->call_why = "kexec_file_load comes first: the kernel loads and checks the "
				    "image itself";
		return NULL;
	}
	b->plan->call = US_CALL_LOAD;
	b->plan->call_why = file_there ? "kexec_file_load does not take this kind of image"
				       : "this kernel has no kexec_file_load";
	return NULL;
}

static struct us_err *refuse_mismatch(const struct us_build *b, enum us_call call)
{
	const struct us_image *image = b->image;
	const struct us_arch *arch = b->host->arch;
	const char *name = call == US_CALL_FILE ? "kexec_file_load" : "kexec_load";

	if (image->kind == US_IMAGE_NONE)
		return us_err_new(US_ERR_UNSUPPORTED, "%s is no kernel image: %s", image->path,
				  image->why_none ? image->why_none : "its kind is not known");
	if (foreign(b))
		return us_err_new(US_ERR_UNSUPPORTED, "%s is a kernel for %s, this machine is %s",
				  image->path, image->arch->name, arch->name);
	return us_err_new(US_ERR_UNSUPPORTED, "%s cannot take this image on %s: it is %s", name,
			  arch->name, us_image_kind_name(image->kind));
}

static struct us_err *choose_call(struct us_build *b)
{
	struct us_plan *plan = b->plan;
	const char *other;

	if (b->wanted->call == US_CALL_AUTO) {
		US_TRY(choose_auto(b));
	} else {
		plan->call = b->wanted->call;
		plan->call_why = "it was asked for";
	}
	other = plan->call == US_CALL_FILE ? load_only(b->wanted) : file_only(b->wanted);
	if (other)
		return us_err_new(US_ERR_UNSUPPORTED, "%s cannot do what was asked for: %s",
				  plan->call == US_CALL_FILE ? "kexec_file_load" : "kexec_load",
				  other);
	return call_takes(b, plan->call) ? NULL : refuse_mismatch(b, plan->call);
}

/* An optional flag of kexec_file_load: since when the kernel knows it. */
static const struct {
	size_t wanted; /* offset of the bool in struct us_wanted */
	uint64_t flag;
	unsigned int major, minor;
	const char *name;
	bool may_drop; /* without it the outcome is the same */
} file_flags[] = {
	{ offsetof(struct us_wanted, no_cma), US_KEXEC_FILE_NO_CMA, 6, 17, "KEXEC_FILE_NO_CMA",
	  true },
	{ offsetof(struct us_wanted, force_dtb), US_KEXEC_FILE_FORCE_DTB, 6, 18,
	  "KEXEC_FILE_FORCE_DTB", false },
};

static struct us_err *choose_file_flags(struct us_build *b)
{
	uint64_t flags = b->wanted->purpose == US_CRASH ? US_KEXEC_FILE_ON_CRASH : 0;

	if (!b->initrd || !b->initrd->bytes.n)
		flags |= US_KEXEC_FILE_NO_INITRAMFS;
	for (size_t i = 0; i < us_array_size(file_flags); i++) {
		const char *wanted = (const char *)b->wanted + file_flags[i].wanted;

		if (!*(const bool *)(const void *)wanted)
			continue;
		if (us_release_at_least(b->host->release.v, file_flags[i].major,
					file_flags[i].minor))
			flags |= file_flags[i].flag;
		else if (file_flags[i].may_drop)
			US_TRY(us_build_note(b,
					     "%s is left out: the running kernel (%s) would "
					     "refuse it; it came with %u.%u",
					     file_flags[i].name, b->host->release.v,
					     file_flags[i].major, file_flags[i].minor));
		else
			return us_err_new(US_ERR_UNSUPPORTED,
					  "the running kernel (%s) has no %s; it came with %u.%u",
					  b->host->release.v, file_flags[i].name,
					  file_flags[i].major, file_flags[i].minor);
	}
	b->plan->flags = flags;
	return NULL;
}

static struct us_err *plan_file(struct us_build *b)
{
	const struct us_image *image = b->image;

	US_TRY(choose_file_flags(b));
	if (image->kernel.p != image->file.p || image->kernel.n != image->file.n)
		US_TRY(us_build_note(b,
				     "the kernel inside the file is handed over by itself, in an "
				     "anonymous file: only its own signature counts, and IMA has "
				     "no label to look at"));
	return us_plan_predict(b);
}

/* What the next kernel does not get by this call although the other one would give it. */
static struct us_err *note_losses(struct us_build *b)
{
	if (b->wanted->call == US_CALL_LOAD && b->host->has_kexec_file_load.v == US_YES &&
	    b->image->kind == US_IMAGE_BZIMAGE)
		return us_build_note(b, "kexec_load hands over no IMA measurements and no kexec "
					"handover (KHO) state");
	return NULL;
}

static struct us_err *plan_parts(struct us_build *b)
{
	US_TRY(choose_call(b));
	if (b->plan->call == US_CALL_FILE)
		return plan_file(b);
	US_TRY(note_losses(b));
	return us_plan_x86(b);
}

static struct us_err *copy_wish(struct us_plan *plan, const struct us_wanted *wanted)
{
	plan->wanted = *wanted;
	plan->wanted.cmdline = us_pool_strdup(&plan->pool, wanted->cmdline ? wanted->cmdline : "");
	plan->cmdline = plan->wanted.cmdline;
	return plan->cmdline ? NULL : us_err_nomem();
}

struct us_err *us_plan_make(const struct us_image *image, const struct us_initrd *initrd,
			    const struct us_host *host, const struct us_wanted *wanted,
			    struct us_plan **ret)
{
	static const char *const nothing[] = { NULL };
	_us_plan_free_ struct us_plan *plan = calloc(1, sizeof(*plan));
	struct us_build b = { .plan = plan, .image = image, .initrd = initrd, .host = host };
	struct us_err *err;

	if (!plan)
		return us_err_nomem();
	plan->image = image;
	plan->initrd = initrd;
	plan->purpose = wanted->purpose;
	plan->why = nothing;
	US_TRY(copy_wish(plan, wanted));
	b.wanted = &plan->wanted;
	err = plan_parts(&b);
	us_map_deinit(&b.ram);
	if (err)
		return err;
	*ret = us_steal(&plan);
	return NULL;
}

void us_plan_free(struct us_plan *plan)
{
	if (!plan)
		return;
	us_pool_deinit(&plan->pool);
	free(plan);
}
