/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys of encrypted volumes for the capture kernel: each key's name is put below
 * crash_dm_crypt_keys in configfs; kexec_file_load then copies the keys themselves out of the
 * kernel's keyrings (Documentation/admin-guide/kdump/kdump.rst: dm-crypt; Linux 6.16
 * kernel/crash_dump_dm_crypt.c). No key passes through here. That a key is in no keyring is the
 * system call's error, so that names of volumes that are no target any more have to go.
 */
#include "crash/arm-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>

#define CONFIGFS "/sys/kernel/config"
#define KEYS     CONFIGFS "/crash_dm_crypt_keys"

bool us_crash_needs_keys(const struct us_walk_result *walk)
{
	for (size_t i = 0; walk && i < walk->n_devices; i++)
		if (walk->devices[i].needs_keys)
			return true;
	return false;
}

/* The status is not looked at: what failed shows when the key's name is written. */
static struct us_err *run(struct us_host *host, const char *const *argv)
{
	int status, number = host->act.run(host->act.data, argv, &status);

	return number ? us_err_os(number, "%s", argv[0]) : NULL;
}

/* The name of the key in ":64:logon:NAME" of a crypt table's line. */
static struct us_err *name_of(const char *line, struct us_text *ret)
{
	static const char before[] = ":logon:";
	const char *at = strstr(line, before);

	if (!at)
		return NULL;
	at += sizeof(before) - 1;
	us_text_put(ret, at, strcspn(at, " "));
	return ret->failed ? us_err_nomem() : NULL;
}

static struct us_err *hand_over(struct us_host *host, const struct us_recipe_device *device)
{
	_us_free_ char *folder = NULL, *file = NULL;
	_us_text_deinit_ struct us_text name = { 0 };
	int number;

	for (const char *const *line = device->table; *line && !name.n; line++)
		US_TRY(name_of(*line, &name));
	if (!name.n)
		return us_err_new(US_ERR_BAD_DATA, "%s: its table names no key", device->name);
	US_TRY(us_text_format(&folder, KEYS "/%s", device->name));
	US_TRY(us_text_format(&file, "%s/description", folder));
	US_TRY(run(host, (const char *const[]){ "mkdir", "-p", folder, NULL }));
	number = host->act.write_file(host->act.data, file, us_bytes_of(name.s, name.n));
	return number ? us_err_os(number, "naming the key of %s: %s", device->name, file) : NULL;
}

static bool is_wanted(const struct us_walk_result *walk, const char *name)
{
	for (size_t i = 0; walk && i < walk->n_devices; i++)
		if (walk->devices[i].needs_keys && !strcmp(walk->devices[i].name, name))
			return true;
	return false;
}

/* Each key is a folder there; beside them stand files of the kernel's own. */
static struct us_err *drop_others(struct us_host *host, const struct us_walk_result *walk)
{
	int fd = openat(host->root_fd, &KEYS[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	_us_closedir_ DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *e;

	while (dir && (e = readdir(dir))) {
		_us_free_ char *folder = NULL;

		if (*e->d_name == '.' || e->d_type != DT_DIR || is_wanted(walk, e->d_name))
			continue;
		US_TRY(us_text_format(&folder, KEYS "/%s", e->d_name));
		US_TRY(run(host, (const char *const[]){ "rmdir", folder, NULL }));
	}
	return NULL;
}

struct us_err *us_crash_hand_keys(struct us_host *host, const struct us_walk_result *walk)
{
	US_TRY(drop_others(host, walk));
	if (!us_crash_needs_keys(walk))
		return NULL;
	/* fails where it is mounted already */
	US_TRY(run(host,
		   (const char *const[]){ "mount", "-t", "configfs", "configfs", CONFIGFS, NULL }));
	for (size_t i = 0; i < walk->n_devices; i++)
		if (walk->devices[i].needs_keys)
			US_TRY(hand_over(host, &walk->devices[i]));
	return NULL;
}
