/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From each target of the configuration to what it lies on: the mount of its directory, the block
 * device of the mount, and all below; or the interface that leads to its host. A target that cannot
 * be used has its reason in problems and nothing else in the result. Nothing is changed.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "crash/walk-int.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#define MOUNTINFO_MAX (4u << 20)
#define NOTES_MAX     16

/* File systems that can take a dump, and how they are known on a device. */
static const struct {
	const char *type;
	enum us_mark_use use;
} file_systems[] = {
	{ "ext4", US_MARK_EXT }, { "ext3", US_MARK_EXT },    { "ext2", US_MARK_EXT },
	{ "xfs", US_MARK_XFS },  { "btrfs", US_MARK_BTRFS },
};

/* The real path of a directory that need not be there yet: of what is there of it. */
static struct us_err *real_dir(struct us_walk *walk, const char *path, const char **ret)
{
	char *known = us_pool_strdup(walk->pool, path), real[PATH_MAX];

	if (!known)
		return us_err_nomem();
	if (path[0] != '/')
		return us_err_new(US_ERR_USAGE, "%s is no absolute path", path);
	if (!walk->host->live) {
		*ret = known;
		return NULL;
	}
	while (!realpath(*known ? known : "/", real)) {
		if (errno != ENOENT || !*known)
			return us_err_os(errno, "%s", path);
		*strrchr(known, '/') = '\0';
	}
	*ret = us_pool_format(walk->pool, "%s%s", strcmp(real, "/") ? real : "",
			      path + strlen(known));
	return *ret ? NULL : us_err_nomem();
}

/* The value of one option in "rw,subvol=/@", copied; NULL if it is not there. */
static const char *option_value(struct us_walk *walk, const char *options, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = options; p && *p; p += strcspn(p, ","), p += *p == ',')
		if (!strncmp(p, name, n) && p[n] == '=')
			return us_pool_strndup(walk->pool, p + n + 1, strcspn(p + n + 1, ","));
	return NULL;
}

/* The part of the file system that is mounted, and the options it takes to have it again. */
static struct us_err *fs_part(struct us_walk *walk, const struct us_mount *mount,
			      const char **ret_root, const char **ret_options)
{
	const char *subvol = option_value(walk, mount->options, "subvol");

	*ret_root = mount->root;
	*ret_options = "";
	if (!strcmp(mount->type, "xfs") && (option_value(walk, mount->options, "logdev") ||
					    option_value(walk, mount->options, "rtdev")))
		return us_err_new(US_ERR_UNSUPPORTED, "xfs with its log or data on another device");
	if (strcmp(mount->type, "btrfs") != 0 || !subvol)
		return NULL;
	size_t n = strcmp(subvol, "/") ? strlen(subvol) : 0;
	if (strncmp(mount->root, subvol, n) != 0)
		return us_err_new(US_ERR_BAD_DATA, "%s of subvolume %s is mounted", mount->root,
				  subvol);
	*ret_root = mount->root + n;
	*ret_options = us_pool_format(walk->pool, "subvol=%s", subvol);
	return *ret_options ? NULL : us_err_nomem();
}

/* btrfs names no device of its own in mountinfo; one of several is refused. */
static struct us_err *btrfs_alone(struct us_walk *walk, const char *sys)
{
	const char *const *ids, *const *devices;

	US_TRY(us_walk_list(walk, "sys/fs/btrfs", &ids));
	for (; *ids; ids++) {
		const char *dir = us_pool_format(walk->pool, "sys/fs/btrfs/%s/devices", *ids);
		bool here = false;
		size_t n = 0;

		if (!dir)
			return us_err_nomem();
		US_TRY(us_walk_list(walk, dir, &devices));
		for (; devices[n]; n++)
			here = here || !strcmp(devices[n], us_walk_base(sys));
		if (here && n > 1)
			return us_err_new(US_ERR_UNSUPPORTED, "btrfs over %zu devices", n);
	}
	return NULL;
}

static struct us_err *mount_device(struct us_walk *walk, const struct us_mount *mount,
				   const char **ret_sys)
{
	const char *sys = mount->major ? us_walk_block_of(walk, mount->major, mount->minor)
				       : us_walk_block_by_node(walk, mount->source);

	if (!sys)
		return us_err_new(US_ERR_NOT_FOUND, "no block device is known for %s (%u:%u)",
				  mount->source, mount->major, mount->minor);
	if (!strcmp(mount->type, "btrfs"))
		US_TRY(btrfs_alone(walk, sys));
	*ret_sys = sys;
	return NULL;
}

static struct us_err *walk_dir(struct us_walk *walk, struct us_recipe_target *target)
{
	_us_blob_deinit_ struct us_blob text = { 0 };
	struct us_mount mount = { 0 };
	const char *path, *root, *sys = NULL;
	size_t i;

	US_TRY(real_dir(walk, target->spec.path, &path));
	US_TRY(us_file_read_at(walk->host->root_fd, "proc/self/mountinfo", MOUNTINFO_MAX, &text));
	US_TRY(us_mount_find(us_blob_bytes(&text), path, walk->pool, &mount));
	for (i = 0; i < us_array_size(file_systems); i++)
		if (!strcmp(file_systems[i].type, mount.type))
			break;
	if (i == us_array_size(file_systems))
		return us_err_new(US_ERR_UNSUPPORTED,
				  "%s is on %s (mounted at %s), which cannot take a dump; ext4, "
				  "xfs and btrfs can",
				  path, mount.type, mount.point);
	US_TRY(fs_part(walk, &mount, &root, &target->fs_options));
	US_TRY(mount_device(walk, &mount, &sys));
	US_TRY(us_walk_block(walk, sys, file_systems[i].use, NULL, 0, &target->device));
	const char *alias = us_pool_format(walk->pool, "fs-%s", mount.type);
	if (!alias)
		return us_err_nomem();
	US_TRY(us_walk_want(walk, mount.type, alias, false, "the file system of %s", mount.point));
	const char *rest = path + (strcmp(mount.point, "/") ? strlen(mount.point) : 0);
	target->fs = mount.type;
	target->spec.path = us_pool_format(walk->pool, "%s%s", strcmp(root, "/") ? root : "",
					   *rest ? rest : "/");
	return target->spec.path ? NULL : us_err_nomem();
}

static struct us_err *walk_raw(struct us_walk *walk, struct us_recipe_target *target)
{
	const char *sys = us_walk_block_by_node(walk, target->spec.path);

	if (!sys)
		return us_err_new(US_ERR_NOT_FOUND, "%s is no block device", target->spec.path);
	return us_walk_block(walk, sys, US_MARK_RAW, NULL, 0, &target->device);
}

static struct us_err *walk_far(struct us_walk *walk, struct us_recipe_target *target)
{
	struct us_target_needs needs;

	US_TRY(us_target_needs(&target->spec, walk->pool, &needs));
	US_TRY(us_walk_net(walk, target->spec.host));
	for (const char *const *m = needs.modules; *m; m++)
		US_TRY(us_walk_want(walk, *m, NULL, false, "%s",
				    us_target_kind_name(target->spec.kind)));
	target->network = true;
	return NULL;
}

/* All texts of a target copied: the result may outlive the configuration. */
static struct us_err *spec_copy(struct us_pool *pool, const struct us_target_spec *from,
				struct us_target_spec *ret)
{
	const char **texts[] = { &ret->text,     &ret->path,        &ret->host,   &ret->port,
				 &ret->user,     &ret->address,     &ret->share,  &ret->options,
				 &ret->identity, &ret->known_hosts, &ret->region, &ret->credentials,
				 &ret->ca };

	*ret = *from;
	for (size_t i = 0; i < us_array_size(texts); i++)
		if (*texts[i] && !(*texts[i] = us_pool_strdup(pool, *texts[i])))
			return us_err_nomem();
	return NULL;
}

static struct us_err *walk_target(struct us_walk *walk, const struct us_target_spec *spec,
				  struct us_recipe_target *target)
{
	*target = (struct us_recipe_target){ 0 };
	US_TRY(spec_copy(walk->pool, spec, &target->spec));
	switch (spec->kind) {
	case US_TARGET_DIR:
		return walk_dir(walk, target);
	case US_TARGET_RAW:
		return walk_raw(walk, target);
	default:
		return walk_far(walk, target);
	}
}

static struct us_err *note_if(struct us_walk *walk, struct us_err *err, const char *what,
			      const char **notes, size_t *n)
{
	_us_err_free_ struct us_err *held = err;

	if (!held)
		return NULL;
	if (held->code == US_ERR_NOMEM)
		return us_err_nomem();
	notes[*n] = us_pool_format(walk->pool, "%s: %s", what, held->text);
	return notes[(*n)++] ? NULL : us_err_nomem();
}

/* A driver that named no device of its own: those of the watchdog drivers that are loaded. */
static struct us_err *watchdog_modules(struct us_walk *walk)
{
	const char *dir = us_pool_format(walk->pool, "lib/modules/%s/kernel/drivers/watchdog",
					 walk->host->release.v);
	const char *const *files;

	if (!dir)
		return us_err_nomem();
	US_TRY(us_walk_list(walk, dir, &files));
	for (; *files; files++) {
		char *name = us_pool_strndup(walk->pool, *files, strcspn(*files, "."));

		if (!name)
			return us_err_nomem();
		for (char *p = name; *p; p++) /* as /sys/module writes it */
			if (*p == '-')
				*p = '_';
		if (us_walk_exists(walk, "sys/module/%s", name))
			US_TRY(us_walk_want(walk, name, NULL, true, "the watchdog"));
	}
	return NULL;
}

/* The driver of the watchdog that runs now: the capture kernel has to feed it, too. */
static struct us_err *walk_watchdog(struct us_walk *walk)
{
	const char *wish = walk->config->watchdog;
	const char *name = wish && !strncmp(wish, "/dev/", 5) ? us_walk_base(wish) : "watchdog0";

	if (wish && !strcmp(wish, "no"))
		return NULL;
	if (!strcmp(name, "watchdog"))
		name = "watchdog0";
	const char *sys = us_walk_link(walk, "sys/class/watchdog/%s", name);
	if (sys && !strncmp(sys, "sys/devices/virtual/", 20))
		return watchdog_modules(walk);
	return sys ? us_walk_bus(walk, sys) : NULL;
}

/* Where ramoops' memory is and how it is divided: the capture kernel has to use it as the running
 * one does, whatever that was told by (Documentation/admin-guide/ramoops.rst, Linux 6.12). */
static struct us_err *ramoops_params(struct us_walk *walk, const char **ret)
{
	static const char *const names[] = { "mem_address", "mem_size", "mem_type",
					     "record_size", "ecc",      "console_size",
					     "ftrace_size", "pmsg_size" };
	const char *all = "";

	for (size_t i = 0; all && i < us_array_size(names); i++) {
		const char *v = us_walk_read(walk, "sys/module/ramoops/parameters/%s", names[i]);

		if (v && *v)
			all = us_pool_format(walk->pool, "%s%s%s=%s", all, *all ? " " : "",
					     names[i], v);
	}
	*ret = all;
	return all ? NULL : us_err_nomem();
}

/* What keeps the log where no target takes it: a driver of the running kernel's pstore. */
static struct us_err *walk_pstore(struct us_walk *walk)
{
	static const struct {
		const char *backend, *module;
	} stores[] = {
		{ "efi", "efi_pstore" }, /* up to Linux 6.1 at least */
		{ "efi_pstore", "efi_pstore" },
		{ "ramoops", "ramoops" },
	};
	const char *store = us_walk_read(walk, "sys/module/pstore/parameters/backend");
	size_t i = 0;

	while (store && i < us_array_size(stores) && strcmp(store, stores[i].backend))
		i++;
	if (!store || i == us_array_size(stores))
		return NULL;
	walk->target = US_RECIPE_LAST;
	US_TRY(us_walk_want(walk, stores[i].module, NULL, false, "pstore"));
	walk->target = -1;
	for (size_t k = 0; k < walk->out->n_modules; k++)
		if (!strcmp(walk->modules[k].name, "ramoops"))
			return ramoops_params(walk, &walk->modules[k].params);
	return NULL;
}

/* What needs the network or a driver beside the targets: messages about the crash, the watchdog.
 * That they cannot be had is no reason not to arm. */
static struct us_err *walk_beside(struct us_walk *walk)
{
	const struct us_crash_config *c = walk->config;
	const char **notes = us_pool_array(walk->pool, NOTES_MAX + 1, sizeof(*notes));
	char *nodes = us_pool_strdup(walk->pool, c->fence_nodes ? c->fence_nodes : "");
	size_t n = 0;

	if (!notes || !nodes)
		return us_err_nomem();
	walk->out->notes = notes;
	walk->target = -1;
	if (c->webhook && *c->webhook) {
		const char *host = strstr(c->webhook, "://");

		host = host ? host + 3 : c->webhook;
		host = us_pool_strndup(walk->pool, host, strcspn(host, ":/?"));
		if (!host)
			return us_err_nomem();
		US_TRY(note_if(walk, us_walk_net(walk, host), "webhook", notes, &n));
	}
	for (char *node; (node = strtok_r(nodes, " ,", &nodes)) && n < NOTES_MAX;)
		US_TRY(note_if(walk, us_walk_net(walk, node), "fence_kdump", notes, &n));
	US_TRY(walk_pstore(walk));
	return walk_watchdog(walk);
}

static struct us_err *name_nodes(struct us_walk *walk)
{
	size_t n = walk->out->n_devices;
	const char **nodes = us_pool_array(walk->pool, n + 1, sizeof(*nodes));

	if (!nodes)
		return us_err_nomem();
	for (size_t i = 0; i < n; i++) {
		nodes[i] = us_walk_node(walk, walk->device_sys[i]);
		if (!nodes[i])
			return us_err_nomem();
	}
	walk->out->nodes = nodes;
	return NULL;
}

static struct us_err *walk_all(struct us_walk *walk)
{
	struct us_walk_result *out = walk->out;
	size_t n = walk->config->n_targets;
	struct us_recipe_target *targets = us_pool_array(walk->pool, n + 1, sizeof(*targets));
	const char **problems = us_pool_array(walk->pool, n + 1, sizeof(*problems));

	walk->devices = us_pool_array(walk->pool, US_WALK_DEVICES_MAX, sizeof(*walk->devices));
	walk->modules = us_pool_array(walk->pool, US_WALK_MODULES_MAX, sizeof(*walk->modules));
	walk->nets = us_pool_array(walk->pool, US_WALK_NETS_MAX, sizeof(*walk->nets));
	walk->hosts = us_pool_array(walk->pool, US_WALK_NETS_MAX + 1, sizeof(*walk->hosts));
	if (!targets || !problems || !walk->devices || !walk->modules || !walk->nets || !walk->hosts)
		return us_err_nomem();
	out->devices = walk->devices;
	out->modules = walk->modules;
	out->nets = walk->nets;
	out->hosts = walk->hosts;
	out->targets = targets;
	out->problems = problems;
	out->n_targets = n;
	for (size_t i = 0; i < n; i++) {
		struct us_wanted_module before[US_WALK_MODULES_MAX];
		size_t devices = out->n_devices, modules = out->n_modules, nets = out->n_nets;
		size_t hosts = walk->n_hosts;

		memcpy(before, walk->modules, modules * sizeof(*before));
		walk->target = (int)i;
		_us_err_free_ struct us_err *err =
			walk_target(walk, &walk->config->targets[i], &targets[i]);
		if (!err)
			continue;
		if (err->code == US_ERR_NOMEM)
			return us_err_nomem();
		out->n_devices = devices;
		out->n_modules = modules;
		memcpy(walk->modules, before, modules * sizeof(*before));
		out->n_nets = nets;
		walk->n_hosts = hosts;
		memset(walk->hosts + hosts, 0, (US_WALK_NETS_MAX - hosts) * sizeof(*walk->hosts));
		problems[i] = us_pool_strdup(walk->pool, err->text);
		if (!problems[i])
			return us_err_nomem();
	}
	US_TRY(name_nodes(walk));
	return walk_beside(walk);
}

struct us_err *us_walk_with(const struct us_host *host, const struct us_crash_config *config,
			    const struct us_walk_sources *sources, struct us_walk_result **ret)
{
	struct us_walk_result *out = calloc(1, sizeof(*out));

	if (!out)
		return us_err_nomem();
	struct us_walk walk = {
		.host = host,
		.config = config,
		.sources = sources,
		.out = out,
		.pool = &out->pool,
	};
	struct us_err *err = walk_all(&walk);
	if (err) {
		us_walk_result_free(out);
		return us_err_wrap(err, "the way to the targets");
	}
	*ret = out;
	return NULL;
}

struct us_err *us_crash_walk(const struct us_host *host, const struct us_crash_config *config,
			     struct us_walk_result **ret)
{
	const struct us_walk_sources sources = us_walk_sources_of(host);

	return us_walk_with(host, config, &sources, ret);
}

void us_walk_result_free(struct us_walk_result *walk)
{
	if (!walk)
		return;
	us_pool_deinit(&walk->pool);
	free(walk);
}
