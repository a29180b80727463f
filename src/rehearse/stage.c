/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What plays what: the target that is rehearsed, the disks and the controller that stand for the
 * real ones, the server for a target over a network (far.c), and the capture image. Where all of it
 * can be had in QEMU, the image is the very one that is armed; LVM, md and LUKS are made on the
 * scratch disks by a machine of their own. Where not (a controller or a card that QEMU does not
 * have, what cannot be made, a server that cannot be had), an image is made with the same
 * configuration and, but for a server, a plain disk with the same kind of file system, and what
 * that leaves unproved is said.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "rehearse/far-int.h"

#include <stdarg.h>
#include <string.h>

#define NOT_PROVED_MAX 16

struct making {
	const struct us_host *host;
	const struct us_arming *arming;
	const char *not_built; /* why what lies below a target cannot be made; NULL: it can */
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

/* ---- what the target lies on ---- */

/* Does it lie on the one of that name? */
static bool lies_on(const struct us_recipe_device *device, const char *name)
{
	size_t n = strlen(name);

	for (const char *const *m = device->members; m && *m; m++)
		if (!strcmp(*m, name))
			return true;
	for (const char *const *line = device->table; line && *line; line++)
		for (const char *p = *line; (p = strstr(p, "${")); p += 2)
			if (!strncmp(p + 2, name, n) && p[2 + n] == '}')
				return true;
	return false;
}

static const char *node_of(const struct us_walk_result *walk, const char *name)
{
	for (size_t i = 0; i < walk->n_devices; i++)
		if (!strcmp(walk->devices[i].name, name))
			return walk->nodes[i];
	return NULL;
}

/* The target's device and all below it, in the recipe's order: what lies on others comes later. */
static struct us_err *take_devices(struct making *m, const struct us_recipe *recipe,
				   const char *target)
{
	struct us_recipe_device *devices =
		us_pool_array(m->pool, recipe->n_devices + 1, sizeof(*devices));
	const char **nodes = us_pool_array(m->pool, recipe->n_devices + 1, sizeof(*nodes));
	bool *wanted = us_pool_array(m->pool, recipe->n_devices + 1, sizeof(*wanted));

	if (!devices || !nodes || !wanted)
		return us_err_nomem();
	for (size_t i = recipe->n_devices; target && i-- > 0;) {
		const char *name = recipe->devices[i].name;

		wanted[i] = !strcmp(name, target);
		for (size_t k = i + 1; k < recipe->n_devices; k++)
			wanted[i] |= wanted[k] && lies_on(&recipe->devices[k], name);
	}
	for (size_t i = 0; i < recipe->n_devices; i++) {
		if (!wanted[i])
			continue;
		nodes[m->s->n_devices] = node_of(m->arming->walk, recipe->devices[i].name);
		devices[m->s->n_devices++] = recipe->devices[i];
		m->s->n_disks += recipe->devices[i].kind == US_DEVICE_FOUND;
	}
	m->s->devices = devices;
	m->s->nodes = nodes;
	return NULL;
}

static const char *tool_of(const struct us_recipe_device *device)
{
	const char *uuid = device->uuid ? device->uuid : "";

	return device->kind == US_DEVICE_FOUND ? NULL
	       : device->kind == US_DEVICE_MD  ? "md"
	       : !strncmp(uuid, "LVM-", 4)     ? "LVM"
	       : !strncmp(uuid, "CRYPT-", 6)   ? "LUKS"
					       : "device mapper";
}

static struct us_err *name_below(struct making *m)
{
	_us_text_deinit_ struct us_text t = { 0 };

	for (size_t i = 0; i < m->s->n_devices; i++) {
		const char *tool = tool_of(&m->s->devices[i]);

		if (tool && !(t.s && strstr(t.s, tool)))
			us_text_add(&t, "%s%s", t.n ? " and " : "", tool);
		m->s->crypt |= m->s->devices[i].needs_keys;
	}
	m->s->below = t.n ? us_pool_strdup(m->pool, t.s) : NULL;
	return t.failed || (t.n && !m->s->below) ? us_err_nomem() : NULL;
}

static bool is_subvolume(const struct us_recipe_target *target)
{
	return target->fs_options && strstr(target->fs_options, "subvol=");
}

/* Why a table cannot be had in a virtual machine; NULL: it can. */
static const char *odd_table(const struct us_recipe_device *device)
{
	static const char *const known[] = { "linear", "striped", "thin", "thin-pool", "crypt" };

	for (const char *const *line = device->table; line && *line; line++) {
		char type[17] = "";
		size_t i = 0;

		if (sscanf(*line, "%*u %*u %16s", type) != 1)
			return "a table that is none";
		while (i < us_array_size(known) && strcmp(known[i], type))
			i++;
		if (i == us_array_size(known))
			return "a volume of a kind that a rehearsal cannot make";
	}
	return NULL;
}

/* Why what lies below cannot be made in a virtual machine; NULL: it can, or there is nothing. */
static const char *not_built(const struct making *m)
{
	size_t most = us_vm_disks_max(m->s->controller ? m->s->controller : "virtio_blk");

	if (m->not_built)
		return m->not_built;
	if (m->s->n_disks >= most)
		return "more disks than the controller takes in QEMU";
	for (size_t i = 0; i < m->s->n_devices; i++) {
		const struct us_recipe_device *d = &m->s->devices[i];
		const char *odd = odd_table(d);

		if (odd)
			return odd;
		if (d->kind == US_DEVICE_FOUND && d->members && *d->members)
			return "a partition of an array";
	}
	return NULL;
}

/* The first device of QEMU's that a module of the image speaks to. */
static const char *device_for(const struct us_walk_result *walk,
			      const char *(*of)(const char *module))
{
	for (size_t i = 0; i < walk->n_modules; i++) {
		const char *found = of(walk->modules[i].name);

		if (found)
			return found;
	}
	return NULL;
}

/* The letters that a device's name begins with tell families of drivers apart: vd, sd, nvme. */
static bool one_controller(const struct making *m)
{
	const char *first = NULL, *found = NULL;

	for (size_t i = 0; i < m->s->n_devices; i++) {
		const char *node = m->s->nodes[i];
		size_t n;

		if (m->s->devices[i].kind != US_DEVICE_FOUND || !node)
			continue;
		n = strcspn(node, "0123456789");
		if (!strncmp(node, "dev/sd", 6) || !strncmp(node, "dev/vd", 6))
			n = 6;
		if (first && (strncmp(first, node, n) || strlen(first) < n))
			return false;
		first = node;
	}
	for (size_t i = 0; i < m->arming->walk->n_modules; i++) {
		const char *now = us_vm_controller(m->arming->walk->modules[i].name);

		if (now && found && strcmp(now, found))
			return false;
		found = now ? now : found;
	}
	return true;
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

/* A target over a network: a server of this machine plays it, unless none can be had. */
static struct us_err *judge_far(struct making *m, const struct us_recipe_target *target,
				bool *ret_plain)
{
	m->s->far = m->not_built ? NULL : us_far_kind(target->spec.kind);
	*ret_plain = !m->s->far;
	if (!m->s->far)
		return leave_out(m,
				 "the target %s: a plain disk stands for it, and nothing is "
				 "sent over a network%s%s (rehearse --live-parts tries it)",
				 text_of(target),
				 m->not_built ? "; no server can be had here: " : "",
				 m->not_built ? m->not_built : "");
	m->s->card = device_for(m->arming->walk, us_vm_card);
	if (!m->s->card)
		US_TRY(leave_out(m, "the driver of this machine's network card: QEMU does not have "
				    "that card, virtio-net stands for it"));
	return leave_out(m,
			 "the way to the server of %s, how it lets in and its room: %s on another "
			 "address stands for it (rehearse --live-parts tries the server)",
			 text_of(target), m->s->far->server);
}

/* Why the very image cannot play: said. *ret_plain: a plain disk stands for what lies below. */
static struct us_err *judge(struct making *m, const struct us_recipe *recipe, bool *ret_exact,
			    bool *ret_plain)
{
	const struct us_recipe_target *target = recipe->n_targets ? &recipe->targets[0] : NULL;
	const char *why;

	if (!target)
		return us_err_new(US_ERR_NOT_FOUND,
				  "no target can be used, so there is nothing to rehearse "
				  "(understudy arm --dry-run says why)");
	m->s->controller = device_for(m->arming->walk, us_vm_controller);
	US_TRY(take_devices(m, recipe, target->device));
	US_TRY(name_below(m));
	for (size_t i = 1; i < recipe->n_targets; i++)
		US_TRY(leave_out(m, "the target %s: only the first one is rehearsed",
				 text_of(&recipe->targets[i])));
	why = us_disk_possible(target) ? not_built(m) : "a kind that a rehearsal cannot make";
	m->s->built = m->s->n_devices != m->s->n_disks || is_subvolume(target);
	*ret_plain = !m->s->n_devices || !us_disk_possible(target) || (m->s->built && why);
	*ret_exact = !*ret_plain && m->s->controller && recipe->n_targets == 1;
	if (!m->s->n_devices)
		return judge_far(m, target, ret_plain);
	if (*ret_plain)
		return leave_out(m,
				 "what lies below the target %s (%s; %s): a plain disk with %s "
				 "stands for it",
				 text_of(target),
				 m->s->below  ? m->s->below
				 : target->fs ? target->fs
					      : "raw",
				 why, stand_in_fs(target));
	if (m->s->controller && !one_controller(m))
		US_TRY(leave_out(m,
				 "the drivers of the disks' other controllers: all scratch disks "
				 "are behind one that %s drives",
				 m->s->controller));
	if (m->s->crypt)
		US_TRY(leave_out(m, "the encrypted volume's own key: one of the same name and "
				    "length was made up for the rehearsal and handed over"));
	if (!m->s->controller)
		US_TRY(leave_out(m, "the drivers of this machine's disk: QEMU does not have that "
				    "controller, virtio-blk stands for it"));
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
	m->s->devices = device;
	m->s->n_devices = m->s->n_disks = 1;
	m->s->nodes = NULL;
	m->s->below = NULL;
	m->s->built = m->s->crypt = false;
	m->s->target = target;
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
	const struct us_wanted_module far[] = {
		{ .name = "virtio_pci", .reason = "the rehearsal's network", .target = -1 },
		{ .name = "virtio_net", .reason = "the rehearsal's network", .target = -1 },
	};
	const struct us_wanted_module *added = m->s->far ? far : more;
	size_t n_added = m->s->far ? us_array_size(far) : us_array_size(more);
	static const char *const no_problems[] = { NULL };
	struct us_walk_result walk = { 0 };
	size_t n = m->arming->walk->n_modules;
	struct us_wanted_module *modules = us_pool_array(m->pool, n + n_added, sizeof(*modules));

	if (!modules || !alias)
		return us_err_nomem();
	if (n)
		memcpy(modules, m->arming->walk->modules, n * sizeof(*modules));
	for (size_t i = 0; i < n; i++) /* all for the one target there is */
		modules[i].target = modules[i].target > 0 ? 0 : modules[i].target;
	memcpy(modules + n, added, n_added * sizeof(*added));
	if (m->s->far) {
		walk.nets = m->arming->walk->nets;
		walk.n_nets = m->arming->walk->n_nets;
		walk.hosts = m->arming->walk->hosts;
	}
	walk.devices = m->s->devices;
	walk.n_devices = m->s->n_devices;
	walk.nodes = m->s->nodes;
	walk.targets = m->s->target;
	walk.n_targets = 1;
	walk.modules = modules;
	walk.n_modules = n + n_added;
	walk.problems = no_problems;
	US_TRY(us_capture_image_build(m->host, m->arming->config, &walk, m->arming->kernel,
				      &m->s->made));
	m->s->image = m->s->made->bytes;
	m->s->recipe = m->s->made->recipe;
	m->s->image_words = "a capture image like this";
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

/* What is said of the armed image with a recipe of the rehearsal's in it. */
static const char *laid_over(const struct us_stage *s, struct us_pool *pool)
{
	bool proof = *s->far->proof && (!s->far->only_tls || s->target->spec.tls);

	return us_pool_format(pool,
			      "this very capture image, with an address%s%s of the rehearsal laid "
			      "over its own,",
			      proof ? " and " : "", proof ? s->far->proof : "");
}

struct us_err *us_stage_make(const struct us_host *host, const struct us_arming *arming,
			     const char *not_built, struct us_pool *pool, struct us_stage *ret)
{
	struct us_stage s = { 0 };
	struct making m = {
		.host = host, .arming = arming, .not_built = not_built, .pool = pool, .s = &s
	};
	const struct us_recipe *recipe;
	bool plain = false;

	if (!arming->walk || !arming->image)
		return us_err_new(US_ERR_NOT_FOUND, "nothing was built that could be rehearsed");
	s.not_proved = us_pool_array(pool, NOT_PROVED_MAX + 1, sizeof(*s.not_proved));
	if (!s.not_proved)
		return us_err_nomem();
	US_TRY(running_kernel(&m));
	US_TRY(words(&m));
	recipe = arming->image->recipe;
	US_TRY(judge(&m, recipe, &s.exact, &plain));
	s.target = &recipe->targets[0];
	if (plain)
		US_TRY(play_plain(&m, s.target));
	if (s.exact || (s.far && s.card && recipe->n_targets == 1)) {
		s.image = arming->image->bytes;
		s.recipe = recipe;
		s.image_words = s.exact ? "this very capture image" : laid_over(&s, pool);
		if (!s.image_words)
			return us_err_nomem();
	} else {
		US_TRY(make_image(&m));
	}
	if (s.far && !s.card)
		s.card = us_vm_card("virtio_net");
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
