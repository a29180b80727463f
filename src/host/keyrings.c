/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of the kernel's keyrings each key is in. /proc/keys lists keyrings and keys but not what is
 * in what; the kernel tells that by keyctl(2) KEYCTL_READ (Linux 6.12 security/keys/keyring.c:
 * keyring_read), which changes nothing. A recording has the answers as text: for each keyring a
 * line "SERIAL: MEMBER MEMBER...", in hex.
 */
#include "host/host-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <errno.h>
#include <linux/keyctl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#define MEMBERS_MAX 4096

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
		if (bytes < 0) {
			*ret_errno = errno;
			continue;
		}
		us_text_add(out, "%08x:", serial);
		for (size_t i = 0; i < (size_t)bytes / sizeof(*members) && i < MEMBERS_MAX; i++)
			us_text_add(out, " %08x", (uint32_t)members[i]);
		us_text_add(out, "\n");
	}
	return NULL;
}

struct us_err *us_keyrings_read(const struct us_host *host, struct us_pool *pool,
				struct us_bytes keys, struct us_blob *ret,
				struct us_origin *ret_from)
{
	_us_text_deinit_ struct us_text text = { 0 };
	int os_errno = 0;
	char *taken;

	if (!host->live) {
		us_host_read(host, pool, US_FILE_MADE_KEYRINGS, NULL, ret, ret_from);
		return NULL;
	}
	US_TRY(ask_kernel(keys, &text, &os_errno));
	*ret_from = (struct us_origin){ .path = "keyctl(2): KEYCTL_READ of the keyrings" };
	if (!text.n)
		ret_from->missing =
			os_errno ? us_host_say(pool, "%s: only root may list the kernel's keyrings",
					       strerror(os_errno))
				 : "no keyring of the kernel is seen";
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

struct us_err *us_keyrings_apply(struct us_pool *pool, struct us_bytes keys,
				 struct us_bytes members, struct us_host_key *list, size_t n,
				 bool *ret_machine_linked)
{
	struct us_bytes line;
	uint32_t ring, member;

	*ret_machine_linked = false;
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
			if (strcmp(inner, ".machine") == 0)
				*ret_machine_linked = true;
		}
	}
	return NULL;
}
