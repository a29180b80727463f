/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Cleaning what a snapshot keeps: UUIDs and MAC addresses become numbers (the same one each time it
 * occurs, so that two mentions can still be matched), secrets on the command line and the builder of
 * the kernel vanish, files that list much keep only what is read of them. Pure: bytes in, bytes out.
 */
#include "host/host-int.h"

#include "base/cleanup.h"
#include "base/text.h"

#include <ctype.h>
#include <string.h>

#define UUID_CHARS 36
#define MAC_CHARS  17

struct us_scrubber {
	struct us_pool pool;
	const char **seen; /* what was replaced, in the order of its numbers */
	size_t n;
};

struct us_err *us_scrubber_new(struct us_scrubber **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? NULL : us_err_nomem();
}

void us_scrubber_free(struct us_scrubber *scrubber)
{
	if (!scrubber)
		return;
	free(scrubber->seen);
	us_pool_deinit(&scrubber->pool);
	free(scrubber);
}

/* Does at have the shape of pattern: x a hex digit, anything else itself? Not inside a longer run. */
static bool shaped(struct us_bytes b, size_t at, const char *pattern)
{
	size_t n = strlen(pattern);

	if (!us_bytes_has(b, at, n) || (at && isxdigit(b.p[at - 1])) ||
	    (at + n < b.n && isxdigit(b.p[at + n])))
		return false;
	for (size_t i = 0; i < n; i++) {
		if (pattern[i] == 'x' ? !isxdigit(b.p[at + i]) : b.p[at + i] != pattern[i])
			return false;
	}
	return true;
}

/* The number of an identity, counted from 1; 0 without memory. */
static size_t number_of(struct us_scrubber *scrubber, const uint8_t *p, size_t n)
{
	const char **more;
	char *copy;

	for (size_t i = 0; i < scrubber->n; i++)
		if (strlen(scrubber->seen[i]) == n &&
		    strncasecmp(scrubber->seen[i], (const char *)p, n) == 0)
			return i + 1;
	more = reallocarray(scrubber->seen, scrubber->n + 1, sizeof(*more));
	if (!more)
		return 0;
	scrubber->seen = more;
	copy = us_pool_strndup(&scrubber->pool, (const char *)p, n);
	if (!copy)
		return 0;
	more[scrubber->n++] = copy;
	return scrubber->n;
}

/* The firmware's own UUIDs in names of EFI variables are part of a path, never of contents. */
static void put_clean(struct us_scrubber *scrubber, struct us_bytes in, struct us_text *out)
{
	size_t i = 0;

	while (i < in.n) {
		if (shaped(in, i, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")) {
			us_text_add(out, "00000000-0000-0000-0000-%012zx",
				    number_of(scrubber, in.p + i, UUID_CHARS));
			i += UUID_CHARS;
		} else if (shaped(in, i, "xx:xx:xx:xx:xx:xx") ||
			   shaped(in, i, "xx-xx-xx-xx-xx-xx")) {
			us_text_add(out, "02:00:00:00:00:%02zx",
				    number_of(scrubber, in.p + i, MAC_CHARS) & 0xff);
			i += MAC_CHARS;
		} else {
			us_text_put(out, in.p + i++, 1);
		}
	}
}

/* Words whose value is a secret or names a machine. */
static bool is_private(const struct us_cmdline_word *word)
{
	static const char *const parts[] = { "password", "passwd",     "passphrase", "secret",
					     "token",    "credential", "key" };
	static const char *const names[] = { "ip",
					     "nfsroot",
					     "netroot",
					     "hostname",
					     "rd.luks.name",
					     "systemd.hostname",
					     "nfs.nfs4_unique_id",
					     "ifname",
					     "rd.iscsi.initiator",
					     "iscsi_initiator",
					     "netconsole",
					     "BOOTIF" };
	const char *equals = memchr(word->p, '=', word->n);
	size_t n = equals ? (size_t)(equals - word->p) : 0;

	for (size_t i = 0; i < us_array_size(parts); i++) {
		size_t len = strlen(parts[i]);

		for (size_t at = 0; at + len <= n; at++)
			if (strncasecmp(word->p + at, parts[i], len) == 0)
				return true;
	}
	for (size_t i = 0; n && i < us_array_size(names); i++)
		if (us_cmdline_is(word, names[i]))
			return true;
	return false;
}

static void put_cmdline(struct us_scrubber *scrubber, struct us_bytes in, struct us_text *out)
{
	const char *text = (const char *)in.p, *at = text;
	struct us_cmdline_word word;
	size_t done = 0;

	while (us_cmdline_next(&at, &word)) {
		size_t start = (size_t)(word.p - text), name;
		const char *equals = memchr(word.p, '=', word.n);

		put_clean(scrubber, us_bytes_clip(in, done, start - done), out);
		if (is_private(&word)) {
			name = (size_t)(equals - word.p) + 1;
			us_text_add(out, "%.*sSCRUBBED", (int)name, word.p);
		} else {
			put_clean(scrubber, us_bytes_of(word.p, word.n), out);
		}
		done = start + word.n;
	}
	/* what stands behind "--" is for init: unknown to us, so not kept */
	us_text_add(out, "%s", strncmp(at, "--", 2) == 0 ? " -- SCRUBBED\n" : "\n");
}

/* "Linux version 6.12 (user@host) (gcc ...": who built it is blanked where it names a host. */
static void put_version(struct us_bytes in, struct us_text *out)
{
	size_t open = us_bytes_find(in, 0, "(", 1);
	size_t close = open == SIZE_MAX ? SIZE_MAX : us_bytes_find(in, open, ")", 1);

	if (close == SIZE_MAX ||
	    us_bytes_find(us_bytes_clip(in, open, close - open), 0, "@", 1) == SIZE_MAX) {
		us_text_put(out, in.p, in.n);
		return;
	}
	us_text_put(out, in.p, open);
	us_text_add(out, "(builder@host)");
	us_text_put(out, in.p + close + 1, in.n - close - 1);
}

/* The lines that a chooser wants. */
static void put_lines(struct us_bytes in, struct us_text *out,
		      bool (*wants)(struct us_bytes line, size_t *state))
{
	struct us_bytes line;
	size_t state = 0;

	while (us_line_next(&in, &line)) {
		if (!wants(line, &state))
			continue;
		us_text_put(out, line.p, line.n);
		us_text_put(out, "\n", 1);
	}
}

/* The first processor in full, of the others what tells their number. */
static bool wants_cpu(struct us_bytes line, size_t *state)
{
	if (us_line_after(line, "processor", NULL))
		++*state;
	return *state <= 1 || us_line_after(line, "processor", NULL) ||
	       us_line_after(line, "apicid", NULL);
}

static bool wants_status(struct us_bytes line, size_t *state)
{
	(void)state;
	return us_line_after(line, "Cap", NULL) || us_line_after(line, "NSpid:", NULL) ||
	       us_line_after(line, "NoNewPrivs:", NULL);
}

/* Certificates and the kernel's own keyrings; nobody's session, logon or disk keys. */
static bool wants_key(struct us_bytes line, size_t *state)
{
	(void)state;
	return us_bytes_find(line, 0, " asymmetri ", 11) != SIZE_MAX ||
	       us_bytes_find(line, 0, " blacklist ", 11) != SIZE_MAX ||
	       us_bytes_find(line, 0, " keyring   .", 12) != SIZE_MAX;
}

static bool wants_symbol(struct us_bytes line, size_t *state)
{
	static const char *const ends[] = {
		"kexec_load", "kexec_file_load",   " _text",           " _stext",
		" _end",      " elfcorehdr_alloc", " copy_oldmem_page"
	};

	(void)state;
	for (size_t i = 0; i < us_array_size(ends); i++) {
		size_t n = strlen(ends[i]);

		if (line.n >= n && memcmp(line.p + line.n - n, ends[i], n) == 0)
			return true;
	}
	return false;
}

/* Disk signatures (EDD, zero page 0x290 and 0xd00) identify a machine. */
static void put_boot_params(struct us_bytes in, struct us_text *out)
{
	static const uint8_t zeros[0x1ec];
	static const struct {
		size_t at, n;
	} holes[] = { { 0x290, 0x40 }, { 0xd00, 0x1ec } };
	size_t done = 0;

	for (size_t i = 0; i < us_array_size(holes); i++) {
		if (!us_bytes_has(in, holes[i].at, holes[i].n))
			break;
		us_text_put(out, in.p + done, holes[i].at - done);
		us_text_put(out, zeros, holes[i].n);
		done = holes[i].at + holes[i].n;
	}
	us_text_put(out, in.p + done, in.n - done);
}

struct us_err *us_scrub(struct us_scrubber *scrubber, enum us_scrub how, struct us_bytes in,
			struct us_blob *ret)
{
	_us_text_deinit_ struct us_text out = { 0 };
	size_t n;
	char *text;

	if (how == US_SCRUB_BINARY)
		us_text_put(&out, in.p, in.n);
	else if (how == US_SCRUB_BOOT_PARAMS)
		put_boot_params(in, &out);
	else if (how == US_SCRUB_CMDLINE)
		put_cmdline(scrubber, in, &out);
	else if (how == US_SCRUB_VERSION)
		put_version(in, &out);
	else if (how == US_SCRUB_CPUINFO)
		put_lines(in, &out, wants_cpu);
	else if (how == US_SCRUB_STATUS)
		put_lines(in, &out, wants_status);
	else if (how == US_SCRUB_KEYS)
		put_lines(in, &out, wants_key);
	else if (how == US_SCRUB_KALLSYMS)
		put_lines(in, &out, wants_symbol);
	else
		put_clean(scrubber, in, &out);
	n = out.n;
	US_TRY(us_text_take(&out, &text));
	*ret = (struct us_blob){ .p = (uint8_t *)text, .n = n };
	return NULL;
}
