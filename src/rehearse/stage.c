/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What plays what: the target that is rehearsed, the disk and the controller that stand for the
 * real ones, and the capture image. Where all of it can be had in QEMU, the image is the very one
 * that is armed. Where not (LVM, md, LUKS, a network, a controller that QEMU does not have), an
 * image is made with the same configuration and a plain disk with the same kind of file system, and
 * what that leaves unproved is said.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "rehearse/rehearse-int.h"

#include <stdarg.h>
#include <string.h>

#define NOT_PROVED_MAX 16

struct making {
	const struct us_host *host;
	const struct us_arming *arming;
	struct us_pool *pool;
	struct us_stage *s;
};

static struct us_err *leave_out(struct making *m, const char *fmt, ...)
	us_must_check us_printf(2, 3);
static struct us_err *leave_out(struct making *m, const char *fmt, ...)
{
	_us_text_deinit_ struct us_text t = { 0 };
	const char *words;
	va_list ap;

	va_start(ap, fmt);
	us_text_vadd(&t, fmt, ap);
	va_end(ap);
	words = t.failed ? NULL : us_pool_strdup(m->pool, t.s);
	if (!words)
		return us_err_nomem();
	if (m->s->n_not_proved < NOT_PROVED_MAX)
		m->s->not_proved[m->s->n_not_proved++] = words;
	return NULL;
}

static const struct us_recipe_device *device_of(const struct us_recipe *recipe, const char *name)
{
	for (size_t i = 0; name && i < recipe->n_devices; i++)
		if (!strcmp(recipe->devices[i].name, name))
			return &recipe->devices[i];
	return NULL;
}

/* The controller that the modules of the image speak to. */
static const char *controller_of(const struct us_walk_result *walk)
{
	for (size_t i = 0; i < walk->n_modules; i++) {
		const char *found = us_vm_controller(walk->modules[i].name);

		if (found)
			return found;
	}
	return NULL;
}

static const char *text_of(const struct us_recipe_target *target)
{
	return target->spec.text ? target->spec.text : us_target_kind_name(target->spec.kind);
}

/* A plain disk has the target's kind of file system, where it has one. */
static const char *stand_in_fs(const struct us_recipe_target *target)
{
	struct us_recipe_mark marks[2];

	return us_disk_marks(target->fs, (struct us_bytes){ 0 }, marks) ? target->fs : "ext4";
}

/* Why the very image cannot play: said, and a stand-in is needed. */
static struct us_err *judge(struct making *m, const struct us_recipe *recipe, bool *ret_exact)
{
	const struct us_recipe_target *target = recipe->n_targets ? &recipe->targets[0] : NULL;
	const struct us_recipe_device *device = target ? device_of(recipe, target->device) : NULL;
	size_t before = m->s->n_not_proved;

	m->s->controller = controller_of(m->arming->walk);
	if (!target)
		return us_err_new(US_ERR_NOT_FOUND,
				  "no target can be used, so there is nothing to rehearse "
				  "(understudy arm --dry-run says why)");
	for (size_t i = 1; i < recipe->n_targets; i++)
		US_TRY(leave_out(m, "the target %s: only the first one is rehearsed",
				 text_of(&recipe->targets[i])));
	if (!device)
		US_TRY(leave_out(m,
				 "the target %s: a plain disk stands for it, and nothing is "
				 "sent over a network (rehearse --live-parts tries it)",
				 text_of(target)));
	else if (!us_disk_possible(device, target))
		US_TRY(leave_out(m,
				 "what lies below the target %s (%s): a plain disk with %s "
				 "stands for it",
				 text_of(target),
				 device->kind == US_DEVICE_MD ? "md"
				 : device->kind == US_DEVICE_DM
					 ? "device mapper: LVM, LUKS or the like"
				 : target->fs ? "a subvolume"
					      : "its kind",
				 stand_in_fs(target)));
	else if (!m->s->controller)
		US_TRY(leave_out(m, "the drivers of this machine's disk: QEMU does not have that "
				    "controller, virtio-blk stands for it"));
	*ret_exact = m->s->n_not_proved == before;
	return NULL;
}

static struct us_err *play_itself(struct making *m, const struct us_recipe *recipe)
{
	m->s->exact = true;
	m->s->image = m->arming->image->bytes;
	m->s->target = &recipe->targets[0];
	m->s->device = device_of(recipe, m->s->target->device);
	return NULL;
}

/* A plain disk with a file system of the same kind and a UUID of its own, and the first target's
 * place on it. */
static struct us_err *play_plain(struct making *m, const struct us_recipe_target *real)
{
	static const uint8_t uuid[16] = "understudy-plays";
	struct us_recipe_mark *marks = us_pool_array(m->pool, 2, sizeof(*marks));
	struct us_recipe_device *device = us_pool_alloc(m->pool, sizeof(*device));
	struct us_recipe_target *target = us_pool_alloc(m->pool, sizeof(*target));

	if (!marks || !device || !target)
		return us_err_nomem();
	us_disk_marks(stand_in_fs(real), us_bytes_of(uuid, sizeof(uuid)), marks);
	*device = (struct us_recipe_device){ .name = "d0", .marks = marks, .n_marks = 2 };
	*target = (struct us_recipe_target){
		.spec = { .kind = US_TARGET_DIR, .text = "/var/crash", .path = "/var/crash" },
		.device = "d0",
		.fs = stand_in_fs(real),
		.fs_options = "",
	};
	target->spec.budget_s = real->spec.budget_s;
	m->s->device = device;
	m->s->target = target;
	return NULL;
}

/* The real target on the real kind of disk, but alone. */
static struct us_err *play_alone(struct making *m, const struct us_recipe *recipe)
{
	const struct us_recipe_device *device = device_of(recipe, recipe->targets[0].device);

	if (!device || !us_disk_possible(device, &recipe->targets[0]))
		return play_plain(m, &recipe->targets[0]);
	m->s->target = &recipe->targets[0];
	m->s->device = device;
	return NULL;
}

static struct us_err *make_image(struct making *m)
{
	const char *fs = m->s->target->fs ? m->s->target->fs : "ext4";
	const char *alias = us_pool_format(m->pool, "fs-%s", fs);
	const struct us_wanted_module more[] = {
		{ .name = "virtio_pci", .reason = "the rehearsal's disk", .target = -1 },
		{ .name = "virtio_blk", .reason = "the rehearsal's disk", .target = -1 },
		{ .name = fs, .alias = alias, .reason = "the rehearsal's disk", .target = -1 },
		{ .name = "crc32c_generic", .reason = "ext4", .target = -1, .optional = true },
	};
	static const char *const no_problems[] = { NULL };
	struct us_walk_result walk = { 0 };
	size_t n = m->arming->walk->n_modules;
	struct us_wanted_module *modules =
		us_pool_array(m->pool, n + us_array_size(more), sizeof(*modules));

	if (!modules || !alias)
		return us_err_nomem();
	if (n)
		memcpy(modules, m->arming->walk->modules, n * sizeof(*modules));
	for (size_t i = 0; i < n; i++) /* all for the one target there is */
		modules[i].target = modules[i].target > 0 ? 0 : modules[i].target;
	memcpy(modules + n, more, sizeof(more));
	walk.devices = m->s->device;
	walk.n_devices = 1;
	walk.targets = m->s->target;
	walk.n_targets = 1;
	walk.modules = modules;
	walk.n_modules = n + us_array_size(more);
	walk.problems = no_problems;
	US_TRY(us_capture_image_build(m->host, m->arming->config, &walk, m->arming->kernel,
				      &m->s->made));
	m->s->image = m->s->made->bytes;
	return NULL;
}

/* The serial port shows what is not on the disk; a machine may not have it on its command line. */
static struct us_err *words(struct making *m)
{
	const char *cmdline = m->arming->cmdline;
	bool has = strstr(cmdline, "console=ttyS0");

	m->s->cmdline = us_pool_format(m->pool, "%s%s", cmdline, has ? "" : " console=ttyS0");
	return m->s->cmdline ? NULL : us_err_nomem();
}

static struct us_err *running_kernel(struct making *m)
{
	static const char *const places[] = { "/boot/vmlinuz-", "/lib/modules/",
					      "/usr/lib/modules/" };
	const char *root = m->host->live ? "" : m->host->root;

	for (size_t i = 0; i < us_array_size(places); i++) {
		const char *path = us_pool_format(m->pool, "%s%s%s%s", root, places[i],
						  m->host->release.v, i ? "/vmlinuz" : "");

		if (!path)
			return us_err_nomem();
		m->s->kernel = path;
		if (!access(path, R_OK))
			return NULL;
	}
	return us_err_new(
		US_ERR_NOT_FOUND,
		"the running kernel's image cannot be read (looked for %s/boot/vmlinuz-%s)", root,
		m->host->release.v);
}

struct us_err *us_stage_make(const struct us_host *host, const struct us_arming *arming,
			     struct us_pool *pool, struct us_stage *ret)
{
	struct us_stage s = { 0 };
	struct making m = { .host = host, .arming = arming, .pool = pool, .s = &s };
	bool exact = false;

	if (!arming->walk || !arming->image)
		return us_err_new(US_ERR_NOT_FOUND, "nothing was built that could be rehearsed");
	s.not_proved = us_pool_array(pool, NOT_PROVED_MAX + 1, sizeof(*s.not_proved));
	if (!s.not_proved)
		return us_err_nomem();
	US_TRY(running_kernel(&m));
	US_TRY(words(&m));
	US_TRY(judge(&m, arming->image->recipe, &exact));
	if (exact) {
		US_TRY(play_itself(&m, arming->image->recipe));
	} else {
		US_TRY(play_alone(&m, arming->image->recipe));
		US_TRY(make_image(&m));
	}
	if (!s.controller)
		s.controller = "virtio_blk";
	US_TRY(leave_out(&m, "this machine's firmware, its processors and other devices, and "
			     "whether they keep still after a crash"));
	*ret = s;
	return NULL;
}

void us_stage_deinit(struct us_stage *stage)
{
	us_capture_image_free(stage->made);
	stage->made = NULL;
}
