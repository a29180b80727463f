/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Device mapper devices from the tables that the crashed kernel had: created, loaded and resumed by
 * the ioctls of linux/dm-ioctl.h (interface version 4), without any tool. A logical volume of LVM
 * is only assembled if the metadata on its physical volume says that it lies where the table says.
 * Keys of encrypted volumes come back by crash_dm_crypt_keys (Linux 6.16).
 */
#include "base/cleanup.h"
#include "crash/capture-int.h"
#include "crash/lvm-int.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/dm-ioctl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#define CONTROL "/dev/mapper/control"
#define KEYS    "/sys/kernel/config/crash_dm_crypt_keys/restore"

static struct us_err *header(const struct us_recipe_device *d, size_t bytes, struct dm_ioctl *h)
{
	if (strlen(d->name) >= sizeof(h->name) || (d->uuid && strlen(d->uuid) >= sizeof(h->uuid)))
		return us_err_new(US_ERR_BAD_DATA, "%s: the name or the UUID is too long", d->name);
	memset(h, 0, sizeof(*h));
	h->version[0] = 4;
	h->data_size = (uint32_t)bytes;
	h->data_start = sizeof(*h);
	strcpy(h->name, d->name);
	return NULL;
}

/* One line of a table with the numbers of the devices below in place of their names. */
static struct us_err *fill_in(struct us_capture *c, const char *line, us_dm_number_fn number,
			      struct us_text *ret)
{
	for (const char *p = line; *p;) {
		const char *name = strstr(p, "${");
		char got[32], word[128];
		size_t n;

		if (!name) {
			us_text_add(ret, "%s", p);
			break;
		}
		us_text_put(ret, p, (size_t)(name - p));
		n = strcspn(name + 2, "}");
		if (n >= sizeof(word) || name[2 + n] != '}')
			return us_err_new(US_ERR_BAD_DATA, "a name in a table is too long");
		memcpy(word, name + 2, n);
		word[n] = 0;
		US_TRY(number(c, word, got));
		us_text_add(ret, "%s", got);
		p = name + 2 + n + 1;
	}
	return ret->failed ? us_err_nomem() : NULL;
}

/* "START LENGTH TYPE PARAMS" behind what t holds: a dm_target_spec, its parameters, padding. */
static struct us_err *put_target(struct us_text *t, char *line)
{
	struct dm_target_spec spec = { 0 };
	size_t at = t->n, n;
	char *start = strsep(&line, " "), *length = strsep(&line, " "), *type = strsep(&line, " ");
	uint64_t from, count;

	if (!type || !us_text_u64(start, 10, &from) || !us_text_u64(length, 10, &count) || !*type ||
	    strlen(type) >= sizeof(spec.target_type))
		return us_err_new(US_ERR_BAD_DATA, "a table line is not START LENGTH TYPE PARAMS");
	spec.sector_start = from;
	spec.length = count;
	strcpy(spec.target_type, type);
	us_text_put(t, &spec, sizeof(spec));
	us_text_put(t, line ? line : "", line ? strlen(line) + 1 : 1);
	n = (t->n - at + 7) & ~(size_t)7;
	while (t->n - at < n && !t->failed)
		us_text_put(t, "", 1);
	if (t->failed)
		return us_err_nomem();
	((struct dm_target_spec *)(void *)(t->s + at))->next = (uint32_t)n;
	return NULL;
}

/* The key was a "logon" key; it comes back as one of type "user" by the same name (Linux 6.16
 * kernel/crash_dump_dm_crypt.c: add_key_to_keyring()). */
static void name_key_type(char *line)
{
	static const char was[] = ":logon:", is[] = ":user:";
	char *at = line ? strstr(line, was) : NULL;

	if (!at)
		return;
	memcpy(at, is, sizeof(is) - 1);
	memmove(at + sizeof(is) - 1, at + sizeof(was) - 1, strlen(at + sizeof(was) - 1) + 1);
}

/* All of a DM_TABLE_LOAD; freed by the caller. */
static struct us_err *make_table(struct us_capture *c, const struct us_recipe_device *d,
				 us_dm_number_fn number, struct us_text *ret)
{
	struct dm_ioctl h;
	uint32_t n = 0;

	US_TRY(header(d, 0, &h));
	us_text_put(ret, &h, sizeof(h));
	for (const char *const *line = d->table; *line; line++, n++) {
		_us_text_deinit_ struct us_text filled = { 0 };

		US_TRY(fill_in(c, *line, number, &filled));
		if (d->needs_keys)
			name_key_type(filled.s);
		US_TRY(put_target(ret, filled.s ? filled.s : (char[]){ "" }));
	}
	h.data_size = (uint32_t)ret->n;
	h.target_count = n;
	memcpy(ret->s, &h, sizeof(h));
	return NULL;
}

static struct us_err *create(const struct us_dm_io *io, const struct us_recipe_device *d,
			     bool *ret_is_there)
{
	struct dm_ioctl h;

	US_TRY(header(d, sizeof(h), &h));
	if (d->uuid)
		strcpy(h.uuid, d->uuid);
	*ret_is_there = false;
	if (!io->call(io->data, DM_DEV_CREATE, &h))
		return NULL;
	if (errno != EBUSY)
		return us_err_os(errno, "%s: creating it", d->name);
	*ret_is_there = true; /* a second try: with the same UUID it is the same device */
	US_TRY(header(d, sizeof(h), &h));
	if (io->call(io->data, DM_DEV_STATUS, &h))
		return us_err_os(errno, "%s: looking at the one that is there", d->name);
	if (strcmp(h.uuid, d->uuid ? d->uuid : ""))
		return us_err_new(US_ERR_REFUSED, "%s is there and is another device", d->name);
	return NULL;
}

static struct us_err *load(struct us_capture *c, const struct us_dm_io *io,
			   const struct us_recipe_device *d, us_dm_number_fn number)
{
	_us_text_deinit_ struct us_text table = { 0 };
	struct dm_ioctl h;

	US_TRY(make_table(c, d, number, &table));
	if (io->call(io->data, DM_TABLE_LOAD, table.s))
		return us_err_os(errno, "%s: loading its table", d->name);
	US_TRY(header(d, sizeof(h), &h));
	if (io->call(io->data, DM_DEV_SUSPEND, &h)) /* without the flag: resume */
		return us_err_os(errno, "%s: starting it", d->name);
	return NULL;
}

struct us_err *us_dm_assemble(struct us_capture *c, const struct us_dm_io *io,
			      const struct us_recipe_device *d, us_dm_number_fn number,
			      unsigned int *ret_minor)
{
	struct us_err *err = NULL;
	struct dm_ioctl h;
	bool is_there;

	US_TRY(create(io, d, &is_there));
	if (!is_there)
		err = load(c, io, d, number);
	if (err) {
		_us_err_free_ struct us_err *other = header(d, sizeof(h), &h);

		if (!other)
			io->call(io->data, DM_DEV_REMOVE, &h);
		return err;
	}
	US_TRY(header(d, sizeof(h), &h));
	if (io->call(io->data, DM_DEV_STATUS, &h))
		return us_err_os(errno, "%s: asking for its number", d->name);
	*ret_minor = minor(h.dev);
	return NULL;
}

/* ---- in the capture kernel ---- */

static int control(void *data, unsigned long request, void *arg)
{
	return ioctl(*(int *)data, request, arg);
}

/* Devices below were brought up before. */
static struct us_err *number_of(struct us_capture *c, const char *name, char ret[32])
{
	const char *node;
	struct stat st;

	US_TRY(us_capture_device(c, name, us_capture_now_ns(), &node));
	if (stat(node, &st))
		return us_err_os(errno, "%s", node);
	snprintf(ret, 32, "%u:%u", major(st.st_rdev), minor(st.st_rdev));
	return NULL;
}

static struct us_err *bring_up_below(struct us_capture *c, const struct us_recipe_device *d,
				     uint64_t deadline_ns)
{
	const char *node;

	for (const char *const *line = d->table; *line; line++)
		for (const char *p = strstr(*line, "${"); p; p = strstr(p + 2, "${")) {
			char name[128];

			snprintf(name, sizeof(name), "%.*s", (int)strcspn(p + 2, "}"), p + 2);
			US_TRY(us_capture_device(c, name, deadline_ns, &node));
		}
	return NULL;
}

static struct us_err *check_extents(struct us_capture *c, const struct us_recipe_device *d,
				    uint64_t deadline_ns)
{
	_us_blob_deinit_ struct us_blob text = { 0 };
	char hash[US_LVM_HASH_MAX];
	_us_close_ int fd = -1;
	const char *node;

	if (!d->lvm_pv)
		return NULL;
	US_TRY(us_capture_device(c, d->lvm_pv, deadline_ns, &node));
	fd = open(node, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return us_err_os(errno, "%s", node);
	US_TRY(us_lvm_read(fd, &text));
	US_TRY(us_lvm_hash(us_blob_bytes(&text), d->lvm_lv, hash));
	if (strcmp(hash, d->lvm_hash))
		return us_err_new(
			US_ERR_REFUSED,
			"%s: the volume lies elsewhere than when the machine was armed (%s, "
			"now %s); nothing is written to what may belong to another one",
			d->name, d->lvm_hash, hash);
	return NULL;
}

static struct us_err *restore_keys(void)
{
	_us_close_ int fd = -1;

	if (mount("configfs", "/sys/kernel/config", "configfs", MS_NOSUID | MS_NODEV | MS_NOEXEC,
		  NULL) &&
	    errno != EBUSY)
		return us_err_os(errno, "mounting configfs");
	fd = open(KEYS, O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, "1", 1) != 1)
		return us_err_os(errno, "getting the keys back: %s", KEYS);
	return NULL;
}

struct us_err *us_capture_dm(struct us_capture *c, const struct us_recipe_device *d,
			     uint64_t deadline_ns, char ret_node[US_CAPTURE_NODE])
{
	_us_close_ int fd = -1;
	struct us_dm_io io = { control, &fd };
	unsigned int minor_number;

	US_TRY(bring_up_below(c, d, deadline_ns));
	US_TRY(check_extents(c, d, deadline_ns));
	if (d->needs_keys && !c->keys_here)
		US_TRY(restore_keys());
	fd = open(CONTROL, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return us_err_os(errno, "%s: %s", d->name, CONTROL);
	US_TRY(us_dm_assemble(c, &io, d, number_of, &minor_number));
	snprintf(ret_node, US_CAPTURE_NODE, "/dev/dm-%u", minor_number);
	return NULL;
}
