/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The VMCOREINFO note -> a sorted table of KEY and value. The text is lines of "KEY=value" (Linux
 * 6.12 kernel/vmcore_info.c: append_elf_note, vmcoreinfo_append_str); the kernel cuts it at the end
 * of its page, so a last line without its end that stops there is dropped instead of believed. What
 * the keys mean is not known here (layout.def).
 */
#include "base/text.h"
#include "vmcore/vmcore.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_MAX  256
#define CUT_UNIT 4096 /* the kernel's room for the text is a number of such pages */

struct entry {
	const char *key, *value;
	size_t line;
};

struct us_vmcoreinfo {
	struct entry *entries;
	size_t n;
};

static int by_key_then_line(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;
	int order = strcmp(x->key, y->key);

	return order ? order : (x->line > y->line) - (x->line < y->line);
}

/* Of entries with the same key the last one stays. */
static size_t drop_elder(struct entry *entries, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (i + 1 < n && strcmp(entries[i].key, entries[i + 1].key) == 0)
			continue;
		entries[kept++] = entries[i];
	}
	return kept;
}

static size_t count_lines(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += *s == '\n';
	return n + 1;
}

static struct us_err *split(char *text, struct us_vmcoreinfo *info)
{
	bool cut = strlen(text) % CUT_UNIT == 0;
	size_t number = 0;

	for (char *line = text, *next; line; line = next) {
		char *end = strchr(line, '\n'), *equals;

		next = end ? end + 1 : NULL;
		if (end)
			*end = '\0';
		number++;
		if (!*line)
			continue;
		equals = strchr(line, '=');
		if (!end && (cut || !equals))
			break;
		if (!equals || equals == line || equals - line >= KEY_MAX)
			return us_err_new(US_ERR_BAD_DATA,
					  "vmcoreinfo line %zu \"%.40s\" is not KEY=value", number,
					  line);
		*equals = '\0';
		info->entries[info->n++] =
			(struct entry){ .key = line, .value = equals + 1, .line = number };
	}
	return NULL;
}

struct us_err *us_vmcoreinfo_parse(struct us_bytes text, struct us_pool *pool,
				   const struct us_vmcoreinfo **ret)
{
	struct us_vmcoreinfo *info = us_pool_alloc(pool, sizeof(*info));
	char *copy = us_pool_strndup(pool, (const char *)text.p, text.n);

	if (!info || !copy)
		return us_err_nomem();
	info->entries = us_pool_array(pool, count_lines(copy), sizeof(*info->entries));
	if (!info->entries)
		return us_err_nomem();
	US_TRY(split(copy, info));
	qsort(info->entries, info->n, sizeof(*info->entries), by_key_then_line);
	info->n = drop_elder(info->entries, info->n);
	*ret = info;
	return NULL;
}

const char *us_vmcoreinfo_text(const struct us_vmcoreinfo *info, const char *key)
{
	size_t low = 0, high = info ? info->n : 0;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(key, info->entries[middle].key);

		if (order == 0)
			return info->entries[middle].value;
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return NULL;
}

static const char *find(const struct us_vmcoreinfo *info, const char *kind, const char *name)
{
	char key[KEY_MAX];
	int n = snprintf(key, sizeof(key), "%s(%s)", kind, name);

	return n > 0 && (size_t)n < sizeof(key) ? us_vmcoreinfo_text(info, key) : NULL;
}

bool us_vmcoreinfo_symbol(const struct us_vmcoreinfo *info, const char *name, uint64_t *ret)
{
	const char *value = find(info, "SYMBOL", name);

	return value && us_text_u64(value, 16, ret);
}

bool us_vmcoreinfo_number(const struct us_vmcoreinfo *info, const char *kind, const char *name,
			  int64_t *ret)
{
	const char *value = find(info, kind, name);
	uint64_t magnitude;

	if (!value)
		return false;
	if (*value != '-') {
		/* large hexadecimal ones are addresses: their bits are kept */
		if (!us_text_u64(value, strncmp(value, "0x", 2) == 0 ? 16 : 10, &magnitude))
			return false;
		*ret = (int64_t)magnitude;
		return true;
	}
	if (value[1] < '0' || value[1] > '9' || !us_text_u64(value + 1, 10, &magnitude) ||
	    magnitude > (uint64_t)INT64_MAX)
		return false;
	*ret = -(int64_t)magnitude;
	return true;
}
