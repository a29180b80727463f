/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text of /proc and /sys -> values: lines, numbers, /proc/iomem, /proc/cpuinfo, /proc/keys, CPU
 * lists, /proc/kallsyms. Formats as Linux 6.12 prints them (kernel/resource.c, arch/x86/kernel/cpu/
 * proc.c, security/keys/proc.c, crypto/asymmetric_keys/asymmetric_type.c). Reads no file.
 */
#include "host/host-int.h"

#include <string.h>

bool us_line_next(struct us_bytes *rest, struct us_bytes *ret)
{
	const uint8_t *nl;
	size_t n;

	if (!rest->n)
		return false;
	nl = memchr(rest->p, '\n', rest->n);
	n = nl ? (size_t)(nl - rest->p) : rest->n;
	*ret = us_bytes_of(rest->p, n);
	*rest = us_bytes_clip(*rest, n + !!nl, rest->n);
	return true;
}

static struct us_bytes skip_blanks(struct us_bytes b)
{
	while (b.n && (*b.p == ' ' || *b.p == '\t'))
		b = us_bytes_of(b.p + 1, b.n - 1);
	return b;
}

bool us_line_after(struct us_bytes line, const char *word, struct us_bytes *ret)
{
	size_t n = strlen(word);

	if (!us_bytes_match(line, 0, word, n))
		return false;
	if (ret)
		*ret = us_bytes_of(line.p + n, line.n - n);
	return true;
}

static int digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 16;
}

bool us_number_at(struct us_bytes b, int base, uint64_t *ret, size_t *ret_used)
{
	size_t i = base == 16 && b.n > 2 && b.p[0] == '0' && b.p[1] == 'x' ? 2 : 0;
	size_t first = i;
	uint64_t v = 0;

	for (; i < b.n && digit(b.p[i]) < base; i++)
		if (!us_mul(v, (uint64_t)base, &v) || !us_add(v, (uint64_t)digit(b.p[i]), &v))
			return false;
	if (i == first)
		return false;
	*ret = v;
	*ret_used = i;
	return true;
}

bool us_field_u64(struct us_bytes text, const char *word, int base, uint64_t *ret)
{
	struct us_bytes line, value;
	size_t used;

	while (us_line_next(&text, &line))
		if (us_line_after(line, word, &value))
			return us_number_at(skip_blanks(value), base, ret, &used);
	return false;
}

bool us_line_has_word(struct us_bytes line, const char *word)
{
	size_t n = strlen(word);

	for (size_t at = 0; (at = us_bytes_find(line, at, word, n)) != SIZE_MAX; at++) {
		bool starts = !at || line.p[at - 1] == ' ' || line.p[at - 1] == '\t';

		if (starts && (at + n == line.n || line.p[at + n] == ' '))
			return true;
	}
	return false;
}

enum us_mem_kind us_mem_kind_of(struct us_bytes name)
{
	for (enum us_mem_kind kind = 0; kind < US_MEM_OTHER; kind++) {
		const char *words = us_mem_kind_name(kind);

		if (us_bytes_equal(name, us_bytes_of(words, strlen(words))))
			return kind;
	}
	return US_MEM_OTHER;
}

/* The kind of a line of /proc/iomem. "System RAM (kmem)" is RAM, and arm64 lists what is taken
 * inside RAM as "reserved". */
static enum us_mem_kind line_kind(struct us_bytes name)
{
	if (us_line_after(name, "System RAM", NULL))
		return US_MEM_RAM;
	if (us_bytes_match(name, 0, "reserved", 8) && name.n == 8)
		return US_MEM_RESERVED;
	if (us_line_after(name, "Kernel rodata", NULL) || us_line_after(name, "Kernel bss", NULL))
		return US_MEM_KERNEL_DATA;
	return us_mem_kind_of(name);
}

/* "  01000000-01ffffff : Kernel code" */
static bool iomem_line(struct us_bytes line, size_t *ret_depth, uint64_t *ret_first,
		       uint64_t *ret_last, struct us_bytes *ret_name)
{
	struct us_bytes at = skip_blanks(line);
	size_t used;

	*ret_depth = (line.n - at.n) / 2;
	if (!us_number_at(at, 16, ret_first, &used))
		return false;
	at = us_bytes_clip(at, used, at.n);
	if (!us_line_after(at, "-", &at) || !us_number_at(at, 16, ret_last, &used))
		return false;
	at = us_bytes_clip(at, used, at.n);
	return us_line_after(at, " : ", ret_name);
}

static struct us_err *iomem_take(struct us_iomem *iomem, size_t depth, struct us_range range,
				 struct us_bytes name)
{
	enum us_mem_kind kind = line_kind(name);

	if (kind == US_MEM_OTHER && depth)
		return NULL;
	if (kind == US_MEM_KERNEL_CODE)
		iomem->code_start = range.start;
	if (us_line_after(name, "Kernel bss", NULL))
		iomem->bss_end = us_range_end(range);
	if (kind == US_MEM_CRASH && iomem->n_crash < us_array_size(iomem->crash))
		iomem->crash[iomem->n_crash++] = range;
	return us_map_set(&iomem->map, range, kind);
}

struct us_err *us_iomem_parse(struct us_bytes text, struct us_iomem *ret)
{
	_us_iomem_deinit_ struct us_iomem iomem = { .masked = true };
	struct us_bytes line, name;
	struct us_range range;
	uint64_t first, last;
	size_t depth;

	while (us_line_next(&text, &line)) {
		iomem.lines++;
		if (!iomem_line(line, &depth, &first, &last, &name))
			return us_err_new(US_ERR_BAD_DATA, "line %zu is no memory range",
					  iomem.lines);
		if (first || last)
			iomem.masked = false;
		if (line_kind(name) == US_MEM_ACPI || line_kind(name) == US_MEM_NVS ||
		    us_bytes_equal(name, us_bytes_of("Reserved", 8)))
			iomem.reserved_entries++;
		if (first == 0 && last == 0)
			continue;
		if (!us_range_from_last(first, last, &range)) {
			if (last == UINT64_MAX && first <= last) /* no kernel memory is there */
				continue;
			return us_err_new(US_ERR_BAD_DATA,
					  "line %zu: the range ends at 0x%" PRIx64
					  " before it starts at 0x%" PRIx64,
					  iomem.lines, last, first);
		}
		US_TRY(iomem_take(&iomem, depth, range, name));
	}
	*ret = iomem;
	iomem.map = (struct us_map){ 0 };
	return NULL;
}

void us_iomem_deinit(struct us_iomem *iomem)
{
	us_map_deinit(&iomem->map);
}

/* The value of "name<tab>: value", as /proc/cpuinfo has them. */
static bool cpu_field(struct us_bytes line, const char *name, struct us_bytes *ret)
{
	struct us_bytes at;

	if (!us_line_after(line, name, &at) || !us_line_after(skip_blanks(at), ":", &at))
		return false;
	*ret = skip_blanks(at);
	return true;
}

struct us_cpuinfo us_cpuinfo_parse(struct us_bytes text)
{
	struct us_cpuinfo cpu = { 0 };
	struct us_bytes line, v;
	uint64_t id;
	size_t used;

	while (us_line_next(&text, &line)) {
		if (cpu_field(line, "processor", &v)) {
			cpu.cpus++;
		} else if (cpu_field(line, "apicid", &v) && us_number_at(v, 10, &id, &used)) {
			cpu.max_apicid =
				!cpu.has_apicid || id > cpu.max_apicid ? id : cpu.max_apicid;
			cpu.has_apicid = true;
		} else if (!cpu.has_flags && cpu_field(line, "flags", &v)) {
			cpu.has_flags = true;
			cpu.la57 = us_line_has_word(v, "la57");
			cpu.x2apic = us_line_has_word(v, "x2apic");
			cpu.sme = us_line_has_word(v, "sme");
			cpu.sev = us_line_has_word(v, "sev") || us_line_has_word(v, "sev_es") ||
				  us_line_has_word(v, "sev_snp");
			cpu.hypervisor = us_line_has_word(v, "hypervisor");
			cpu.tdx_guest = us_line_has_word(v, "tdx_guest");
			cpu.tdx_host = us_line_has_word(v, "tdx_host_platform");
		}
	}
	return cpu;
}

/* Skip n words and the white space behind them. */
static struct us_bytes skip_words(struct us_bytes b, int n)
{
	b = skip_blanks(b);
	while (n--) {
		while (b.n && *b.p != ' ')
			b = us_bytes_of(b.p + 1, b.n - 1);
		b = skip_blanks(b);
	}
	return b;
}

/* The hex digits at the end of "CN: 6ccece7e...", else nothing. */
static struct us_bytes key_id_of(struct us_bytes description)
{
	size_t n = description.n;

	while (n && digit(description.p[n - 1]) < 16)
		n--;
	if (n < 2 || description.p[n - 1] != ' ' || description.p[n - 2] != ':')
		n = description.n;
	return us_bytes_clip(description, n, description.n);
}

/* The description without the subtype ("X509.rsa 0c15ab4e []") that follows its last ": X". */
static struct us_bytes key_description(struct us_bytes rest)
{
	size_t end = rest.n;

	for (size_t at = 0; (at = us_bytes_find(rest, at, ": X509", 6)) != SIZE_MAX; at++)
		end = at;
	for (size_t at = 0;
	     end == rest.n && (at = us_bytes_find(rest, at, ": pkcs", 6)) != SIZE_MAX; at++)
		end = at;
	return us_bytes_clip(rest, 0, end);
}

struct us_err *us_keys_parse(struct us_pool *pool, struct us_bytes text, struct us_host_key **ret,
			     size_t *ret_n)
{
	struct us_bytes all = text, line;
	struct us_host_key *keys;
	size_t n = 0;

	while (us_line_next(&all, &line))
		n++;
	keys = us_pool_array(pool, n + 1, sizeof(*keys));
	if (!keys)
		return us_err_nomem();
	n = 0;
	while (us_line_next(&text, &line)) {
		struct us_bytes at = skip_words(line, 7), description, id;
		struct us_host_key *key = &keys[n];
		bool hash = us_line_after(at, "blacklist", NULL);
		uint64_t serial;
		size_t used;

		if (!hash && !us_line_after(at, "asymmetri", NULL))
			continue;
		description = skip_words(at, 1);
		if (!hash)
			description = key_description(description);
		if (!description.n || !us_number_at(line, 16, &serial, &used))
			continue;
		id = hash ? (struct us_bytes){ 0 } : key_id_of(description);
		key->serial = (uint32_t)serial;
		key->hash = hash;
		key->keyring = hash ? ".blacklist" : "";
		key->description =
			us_pool_strndup(pool, (const char *)description.p, description.n);
		key->key_id = id.n ? us_pool_strndup(pool, (const char *)id.p, id.n) : "";
		if (!key->description || !key->key_id)
			return us_err_nomem();
		n++;
	}
	*ret = keys;
	*ret_n = n;
	return NULL;
}

bool us_cpulist_count(struct us_bytes text, uint64_t *ret)
{
	uint64_t total = 0, first, last;
	size_t used;

	do {
		if (!us_number_at(text, 10, &first, &used))
			return false;
		text = us_bytes_clip(text, used, text.n);
		last = first;
		if (us_line_after(text, "-", &text)) {
			if (!us_number_at(text, 10, &last, &used) || last < first)
				return false;
			text = us_bytes_clip(text, used, text.n);
		}
		if (!us_add(total, last - first, &total) || !us_add(total, 1, &total))
			return false;
	} while (us_line_after(text, ",", &text));
	if (text.n && *text.p != '\n')
		return false;
	*ret = total;
	return true;
}

bool us_bracketed(struct us_bytes text, struct us_bytes *ret)
{
	size_t open = us_bytes_find(text, 0, "[", 1);
	size_t close = open == SIZE_MAX ? SIZE_MAX : us_bytes_find(text, open, "]", 1);

	if (close == SIZE_MAX)
		return false;
	*ret = us_bytes_clip(text, open + 1, close - open - 1);
	return true;
}

bool us_kallsyms_find(struct us_bytes text, const char *symbol, uint64_t *ret_addr)
{
	size_t n = strlen(symbol), used;

	for (size_t at = 0; (at = us_bytes_find(text, at, symbol, n)) != SIZE_MAX; at++) {
		size_t start = at;
		bool ends = at + n == text.n || strchr("\n\t", text.p[at + n]);

		if (!ends || at < 3 || text.p[at - 1] != ' ' || text.p[at - 3] != ' ' ||
		    text.p[at - 2] == 'W' || text.p[at - 2] == 'w')
			continue;
		while (start && text.p[start - 1] != '\n')
			start--;
		if (us_number_at(us_bytes_clip(text, start, text.n), 16, ret_addr, &used))
			return true;
	}
	return false;
}
