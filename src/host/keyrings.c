/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of the kernel's keyrings each key is in. /proc/keys lists keyrings and keys but not what is
 * in what; the kernel tells that by keyctl(2) KEYCTL_READ (Linux 6.12 security/keys/keyring.c:
 * keyring_read), which changes nothing. A recording has the answers as text: for each keyring a
 * line "SERIAL: MEMBER MEMBER...", in hex; one that could not be listed has none.
 */
#include "host/host-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define MEMBERS_MAX 16384

/* Those that decide about images for kexec (Linux 6.12 certs/system_keyring.c, blacklist.c). */
static const char *const asked[] = { ".builtin_trusted_keys", ".secondary_trusted_keys", ".machine",
				     ".platform", ".blacklist" };

/* The serial and the name of a keyring of the kernel's own: "12436b2c I------ 2 perm 1f0b0000 0 0
 * keyring .builtin_trusted_keys: 1". */
static bool keyring_of_line(struct us_bytes line, uint32_t *ret_serial, struct us_bytes *ret_name)
{
	size_t at = us_bytes_find(line, 0, " keyring   .", 12), end;
	unsigned long serial;
	char hex[9] = "";

	if (at == SIZE_MAX || line.n < 8)
		return false;
	memcpy(hex, line.p, 8);
	serial = strtoul(hex, NULL, 16);
	at += 11;
	end = us_bytes_find(line, at, ":", 1);
	*ret_serial = (uint32_t)serial;
	*ret_name = us_bytes_clip(line, at, (end == SIZE_MAX ? line.n : end) - at);
	return true;
}

static struct us_err *ask_kernel(struct us_bytes keys, struct us_text *out, int *ret_errno)
{
	_us_free_ int32_t *members = calloc(MEMBERS_MAX, sizeof(*members));
	struct us_bytes line, name;
	uint32_t serial;

	if (!members)
		return us_err_nomem();
	while (us_line_next(&keys, &line)) {
		long bytes;

		if (!keyring_of_line(line, &serial, &name))
			continue;
		bytes = syscall(SYS_keyctl, KEYCTL_READ, serial, members,
				MEMBERS_MAX * sizeof(*members));
		if (bytes < 0 || (size_t)bytes > MEMBERS_MAX * sizeof(*members)) {
			*ret_errno = bytes < 0 ? errno : E2BIG;
			continue;
		}
		us_text_add(out, "%08x:", serial);
		for (size_t i = 0; i < (size_t)bytes / sizeof(*members); i++)
			us_text_add(out, " %08x", (uint32_t)members[i]);
		us_text_add(out, "\n");
	}
	return NULL;
}

struct us_err *us_keyrings_read(const struct us_host *host, struct us_pool *pool,
				struct us_bytes keys, struct us_blob *ret,
				struct us_origin *ret_from, const char **ret_why)
{
	_us_text_deinit_ struct us_text text = { 0 };
	int os_errno = 0;
	char *taken;

	*ret_why = "the recording does not have it";
	if (!host->live) {
		us_host_read(host, pool, US_FILE_MADE_KEYRINGS, NULL, ret, ret_from);
		return NULL;
	}
	US_TRY(ask_kernel(keys, &text, &os_errno));
	*ret_from = (struct us_origin){ .path = "keyctl(2): KEYCTL_READ of the keyrings" };
	*ret_why = us_host_say(pool,
			       "%s; root may, outside of a container and where no security policy "
			       "forbids it",
			       strerror(os_errno));
	US_TRY(us_text_take(&text, &taken));
	*ret = (struct us_blob){ .p = (uint8_t *)taken, .n = strlen(taken) };
	return NULL;
}

/* The next hex number of a line of members; false at its end. */
static bool next_serial(struct us_bytes *rest, uint32_t *ret)
{
	char hex[9] = "";
	size_t n = 0;

	while (rest->n && (*rest->p == ' ' || *rest->p == ':'))
		*rest = us_bytes_of(rest->p + 1, rest->n - 1);
	while (n < 8 && n < rest->n && memchr("0123456789abcdef", rest->p[n], 16))
		n++;
	if (!n)
		return false;
	memcpy(hex, rest->p, n);
	*rest = us_bytes_of(rest->p + n, rest->n - n);
	*ret = (uint32_t)strtoul(hex, NULL, 16);
	return true;
}

static struct us_err *name_of_keyring(struct us_pool *pool, struct us_bytes keys, uint32_t wanted,
				      const char **ret)
{
	struct us_bytes line, name;
	uint32_t serial;

	*ret = "";
	while (us_line_next(&keys, &line)) {
		if (!keyring_of_line(line, &serial, &name) || serial != wanted)
			continue;
		*ret = us_pool_strndup(pool, (const char *)name.p, name.n);
		return *ret ? NULL : us_err_nomem();
	}
	return NULL;
}

/* Is there a line of members for that keyring? */
static bool is_listed(struct us_bytes members, uint32_t serial)
{
	struct us_bytes line;
	uint32_t ring;

	while (us_line_next(&members, &line))
		if (next_serial(&line, &ring) && ring == serial)
			return true;
	return false;
}

/* The names of keyrings that are asked and have no line, a space between. */
static struct us_err *name_unlisted(struct us_pool *pool, struct us_bytes keys,
				    struct us_bytes members, const char **ret)
{
	struct us_bytes line, name;
	uint32_t serial;

	*ret = "";
	while (us_line_next(&keys, &line)) {
		if (!keyring_of_line(line, &serial, &name) || is_listed(members, serial))
			continue;
		for (size_t i = 0; i < us_array_size(asked); i++) {
			if (!us_bytes_equal(name, us_bytes_of(asked[i], strlen(asked[i]))))
				continue;
			*ret = us_pool_format(pool, "%s%s%s", *ret, **ret ? " " : "", asked[i]);
			if (!*ret)
				return us_err_nomem();
		}
	}
	return NULL;
}

/* Is .machine in .secondary_trusted_keys? */
static enum us_tri linked_of(const char *unlisted, bool linked)
{
	return linked ? US_YES : strstr(unlisted, ".secondary_trusted_keys") ? US_UNKNOWN : US_NO;
}

struct us_err *us_keyrings_apply(struct us_pool *pool, struct us_bytes keys,
				 struct us_bytes members, struct us_host_key *list, size_t n,
				 struct us_keyrings *ret)
{
	struct us_bytes all = members, line;
	uint32_t ring, member;
	bool linked = false;

	while (us_line_next(&members, &line)) {
		const char *name, *inner;

		if (!next_serial(&line, &ring))
			continue;
		US_TRY(name_of_keyring(pool, keys, ring, &name));
		while (*name && next_serial(&line, &member)) {
			for (size_t i = 0; i < n; i++)
				if (list[i].serial == member)
					list[i].keyring = name;
			if (strcmp(name, ".secondary_trusted_keys") != 0)
				continue;
			US_TRY(name_of_keyring(pool, keys, member, &inner));
			linked |= strcmp(inner, ".machine") == 0;
		}
	}
	US_TRY(name_unlisted(pool, keys, all, &ret->unlisted));
	ret->machine_linked = linked_of(ret->unlisted, linked);
	ret->seen = us_bytes_find(keys, 0, " .builtin_trusted_keys:", 23) != SIZE_MAX;
	return NULL;
}
