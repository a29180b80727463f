/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Devices made of devices. Device mapper: the table that works now, with names in place of device
 * numbers, is what the capture kernel is given (Documentation/admin-guide/device-mapper/); no tool
 * of LVM or cryptsetup is needed there. md: the members, by their superblocks
 * (Documentation/admin-guide/md.rst). Of a multipath device one path is enough: it is walked as a
 * disk with the drivers of all paths. Target types that keep state of their own are refused.
 */
#include "base/cleanup.h"
#include "base/text.h"
#include "crash/lvm-int.h"
#include "crash/walk-int.h"

#include <string.h>

#define BELOW_MAX 32
#define LVM_ID    32 /* characters of an identifier */

struct below { /* what a device lies on */
	const char *sys, *number, *name;
};
struct stack {
	struct below below[BELOW_MAX];
	size_t n;
};

static struct us_err *stack_read(struct us_walk *walk, const char *sys, struct stack *ret)
{
	const char *const *names;
	const char *dir = us_pool_format(walk->pool, "%s/slaves", sys);

	if (!dir)
		return us_err_nomem();
	US_TRY(us_walk_list(walk, dir, &names));
	for (ret->n = 0; *names; names++) {
		struct below *b = &ret->below[ret->n];

		if (ret->n == BELOW_MAX)
			return us_err_new(US_ERR_NO_ROOM, "%s lies on more than %d devices",
					  us_walk_base(sys), BELOW_MAX);
		b->sys = us_walk_link(walk, "%s/%s", dir, *names);
		b->number = b->sys ? us_walk_read(walk, "%s/dev", b->sys) : NULL;
		if (!b->number)
			return us_err_new(US_ERR_NOT_FOUND, "/%s/%s leads to no device", dir,
					  *names);
		ret->n++;
	}
	return NULL;
}

static const struct {
	const char *type, *module; /* NULL: part of dm-mod */
} dm_types[] = {
	{ "linear", NULL },         { "striped", NULL },
	{ "thin", "dm-thin-pool" }, { "thin-pool", "dm-thin-pool" },
	{ "crypt", "dm-crypt" },
};

/* What stands on the devices below, by the prefix of the device's UUID that its tool gave it. */
static const struct {
	const char *prefix;
	enum us_mark_use use;
} dm_tools[] = {
	{ "LVM-", US_MARK_LVM },
	{ "CRYPT-LUKS", US_MARK_LUKS },
	{ "part", US_MARK_DISK },
};

static enum us_mark_use use_below(struct us_walk *walk, const char *uuid, const char *sys)
{
	const char *below = us_walk_read(walk, "%s/dm/uuid", sys);

	if (below && !strncmp(below, "LVM-", 4) && !strncmp(uuid, "LVM-", 4))
		return US_MARK_NONE; /* one hidden part of a logical volume on another */
	for (size_t i = 0; i < us_array_size(dm_tools); i++)
		if (!strncmp(uuid, dm_tools[i].prefix, strlen(dm_tools[i].prefix)))
			return dm_tools[i].use;
	return US_MARK_DISK;
}

/* crash_dm_crypt_keys hands keys of the kernel's keyrings to the capture kernel. */
static struct us_err *crypt_params(struct us_walk *walk, char *params,
				   struct us_recipe_device *device)
{
	char *cipher = strtok_r(params, " ", &params), *key = strtok_r(params, " ", &params);

	if (!cipher || !key)
		return us_err_new(US_ERR_BAD_DATA, "a crypt table without cipher or key");
	if (key[0] != ':' || !strstr(key, ":logon:"))
		return us_err_new(US_ERR_UNSUPPORTED,
				  "its key is not in the kernel's keyring, so that it cannot be "
				  "handed to the capture kernel (LUKS2, opened by cryptsetup "
				  "without --disable-keyring, keeps it there)");
	if (!us_walk_exists(walk, "sys/kernel/config/crash_dm_crypt_keys") &&
	    us_kconfig_builtin(walk->host->kconfig, "CRASH_DM_CRYPT") != US_YES)
		return us_err_new(US_ERR_UNSUPPORTED,
				  "this kernel has no crash_dm_crypt_keys (Linux 6.16 with "
				  "CONFIG_CRASH_DM_CRYPT) to hand the key over");
	device->needs_keys = true;
	/* no module is asked for in the capture kernel: all that the cipher's words name is loaded
	 * before */
	for (char *word; (word = strtok_r(cipher, "-:(),", &cipher));) {
		char alias[64];

		if (!strncmp(word, "plain", 5) || !strcmp(word, "capi"))
			continue;
		snprintf(alias, sizeof(alias), "crypto-%s", word);
		US_TRY(us_walk_want(walk, alias, NULL, true, "cipher of an encrypted volume"));
	}
	return us_walk_want(walk, "crypto-ecb", NULL, true, "cipher of an encrypted volume");
}

static struct us_err *line_take(struct us_walk *walk, const struct stack *stack, char *line,
				struct us_recipe_device *device, const char **ret)
{
	_us_text_deinit_ struct us_text text = { 0 };
	const char *start = strtok_r(line, " ", &line), *length = strtok_r(line, " ", &line);
	const char *type = strtok_r(line, " ", &line), *module = NULL;
	size_t i;

	if (!start || !length || !type)
		return us_err_new(US_ERR_BAD_DATA, "a table line without start, length or type");
	for (i = 0; i < us_array_size(dm_types) && strcmp(dm_types[i].type, type) != 0; i++)
		;
	if (i == us_array_size(dm_types))
		return us_err_new(US_ERR_UNSUPPORTED,
				  "device-mapper type \"%s\" is not supported below a target",
				  type);
	module = dm_types[i].module;
	if (module)
		US_TRY(us_walk_want(walk, module, NULL, false, "device-mapper type %s", type));
	if (!strcmp(type, "crypt")) {
		char *copy = us_pool_strdup(walk->pool, line);

		if (!copy)
			return us_err_nomem();
		US_TRY(crypt_params(walk, copy, device));
	}
	us_text_add(&text, "%s %s %s", start, length, type);
	for (const char *word; (word = strtok_r(line, " ", &line));) {
		const char *name = NULL;

		for (i = 0; i < stack->n && !name; i++)
			if (!strcmp(word, stack->below[i].number))
				name = stack->below[i].name;
		us_text_add(&text, name ? " ${%s}" : " %s", name ? name : word);
	}
	*ret = text.failed ? NULL : us_pool_strdup(walk->pool, text.s);
	return *ret ? NULL : us_err_nomem();
}

static struct us_err *table_take(struct us_walk *walk, const struct stack *stack, const char *table,
				 struct us_recipe_device *device)
{
	char *rest = us_pool_strdup(walk->pool, table);
	size_t n = 0, max = 1;

	for (const char *p = table; *p; p++)
		max += *p == '\n';
	const char **lines = us_pool_array(walk->pool, max + 1, sizeof(*lines));
	if (!rest || !lines)
		return us_err_nomem();
	for (char *line; (line = strtok_r(rest, "\n", &rest));)
		US_TRY(line_take(walk, stack, line, device, &lines[n++]));
	if (!n)
		return us_err_new(US_ERR_BAD_DATA, "its table is empty");
	device->table = lines;
	return NULL;
}

/* Where the volume's extents are by LVM's own word: the capture kernel compares it before it writes,
 * for they may have moved since. Only what lies on a physical volume itself is asked for. */
static struct us_err *lvm_note(struct us_walk *walk, const struct stack *stack,
			       struct us_recipe_device *device)
{
	bool on_volume = false;

	if (!device->uuid || strncmp(device->uuid, "LVM-", 4) != 0 ||
	    strlen(device->uuid) < 4 + 2 * LVM_ID)
		return NULL;
	for (size_t i = 0; i < stack->n; i++) {
		const struct below *b = &stack->below[i];
		_us_blob_deinit_ struct us_blob text = { 0 };
		_us_close_ int fd = -1;
		char hash[US_LVM_HASH_MAX];

		if (use_below(walk, device->uuid, b->sys) != US_MARK_LVM)
			continue;
		on_volume = true;
		US_TRY(us_walk_open(walk, b->sys, &fd));
		struct us_err *err = walk->sources->lvm_text(fd, &text);
		if (err && err->code == US_ERR_NOT_FOUND) { /* no copy on this one */
			us_err_free(err);
			continue;
		}
		if (err)
			return us_err_wrap(err, "%s", us_walk_base(b->sys));
		device->lvm_lv = us_pool_strndup(walk->pool, device->uuid + 4 + LVM_ID, LVM_ID);
		if (!device->lvm_lv)
			return us_err_nomem();
		US_TRY(us_lvm_hash(us_blob_bytes(&text), device->lvm_lv, hash));
		device->lvm_pv = b->name;
		device->lvm_hash = us_pool_strdup(walk->pool, hash);
		return device->lvm_hash ? NULL : us_err_nomem();
	}
	return on_volume ? us_err_new(US_ERR_UNSUPPORTED,
				      "no physical volume below it holds the volume group's "
				      "metadata, by which the capture kernel would see that its "
				      "extents have moved")
			 : NULL;
}

static bool is_multipath(const char *table)
{
	unsigned long long start, length;
	char type[16] = "";

	return sscanf(table, "%llu %llu %15s", &start, &length, type) == 3 &&
	       !strcmp(type, "multipath");
}

static struct us_err *dm_take(struct us_walk *walk, const char *sys, unsigned int depth,
			      struct us_recipe_device *device)
{
	struct stack stack;
	unsigned int major, minor;
	const char *number = us_walk_read(walk, "%s/dev", sys), *table;

	device->uuid = us_walk_read(walk, "%s/dm/uuid", sys);
	if (!number || sscanf(number, "%u:%u", &major, &minor) != 2)
		return us_err_new(US_ERR_NOT_FOUND, "/%s/dev cannot be read", sys);
	US_TRY(walk->sources->dm_table(walk->sources->data, major, minor, walk->pool, &table));
	US_TRY(stack_read(walk, sys, &stack));
	if (is_multipath(table)) { /* found as a disk, by any of its paths */
		device->uuid = NULL;
		for (size_t i = 0; i < stack.n; i++)
			US_TRY(us_walk_disk(walk, stack.below[i].sys));
		return NULL;
	}
	device->kind = US_DEVICE_DM;
	device->name = us_walk_read(walk, "%s/dm/name", sys);
	US_TRY(us_walk_want(walk, "dm-mod", NULL, false, "%s, a device-mapper device",
			    device->name ? device->name : us_walk_base(sys)));
	for (size_t i = 0; i < stack.n; i++) {
		struct below *b = &stack.below[i];

		US_TRY(us_walk_block(walk, b->sys,
				     use_below(walk, device->uuid ? device->uuid : "", b->sys),
				     NULL, depth + 1, &b->name));
	}
	US_TRY(lvm_note(walk, &stack, device));
	return table_take(walk, &stack, table, device);
}

struct us_err *us_walk_dm(struct us_walk *walk, const char *sys, unsigned int depth,
			  struct us_recipe_device *device)
{
	struct us_err *err = dm_take(walk, sys, depth, device);
	const char *name = us_walk_read(walk, "%s/dm/name", sys);

	return err ? us_err_wrap(err, "%s", name ? name : us_walk_base(sys)) : NULL;
}

static struct us_err *md_take(struct us_walk *walk, const char *sys, unsigned int depth,
			      struct us_recipe_device *device)
{
	const char *version = us_walk_read(walk, "%s/md/metadata_version", sys);
	const char *level = us_walk_read(walk, "%s/md/level", sys);
	const char *dir = us_pool_format(walk->pool, "%s/md", sys);
	const char *const *names, **members;
	char alias[64];
	size_t n = 0;

	if (!dir)
		return us_err_nomem();
	if (!version || !level)
		return us_err_new(US_ERR_NOT_FOUND, "/%s cannot be read", dir);
	if (sscanf(version, "%u.%u", &device->md_major, &device->md_minor) != 2 ||
	    device->md_major != 1)
		return us_err_new(US_ERR_UNSUPPORTED, "md metadata of version %s", version);
	device->kind = US_DEVICE_MD;
	snprintf(alias, sizeof(alias), "md-%s", level);
	US_TRY(us_walk_want(walk, "md-mod", NULL, false, "%s", us_walk_base(sys)));
	US_TRY(us_walk_want(walk, alias, NULL, false, "%s, level %s", us_walk_base(sys), level));
	US_TRY(us_walk_list(walk, dir, &names));
	members = us_pool_array(walk->pool, US_WALK_DEVICES_MAX + 1, sizeof(*members));
	if (!members)
		return us_err_nomem();
	for (; *names; names++) {
		const char *state = us_walk_read(walk, "%s/%s/state", dir, *names);
		const char *member = us_walk_link(walk, "%s/%s/block", dir, *names);

		if (strncmp(*names, "dev-", 4) != 0 || !member || n == US_WALK_DEVICES_MAX)
			continue;
		if (!state || !strstr(state, "in_sync"))
			continue; /* faulty, spare, or not rebuilt yet: not to be relied on */
		US_TRY(us_walk_block(walk, member, US_MARK_MD, version, depth + 1, &members[n++]));
	}
	if (!n)
		return us_err_new(US_ERR_NOT_FOUND, "no member is in sync");
	device->members = members;
	return NULL;
}

struct us_err *us_walk_md(struct us_walk *walk, const char *sys, unsigned int depth,
			  struct us_recipe_device *device)
{
	struct us_err *err = md_take(walk, sys, depth, device);

	return err ? us_err_wrap(err, "%s", us_walk_base(sys)) : NULL;
}
