/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of the dumped kernel's functions, from its own kallsyms (Linux 6.12 scripts/kallsyms.c,
 * kernel/kallsyms.c; vmcoreinfo leads there from 6.0 on). Names are packed by a table of 256
 * tokens; addresses are 32-bit offsets in one of three ways, and _stext, whose address is known,
 * tells which. Where that fails nothing is named. Modules have ELF symbols of their own
 * (kernel/module/kallsyms.c), which are looked through only for an address in that module.
 */
#include "base/cleanup.h"
#include "vmcore/kernel-int.h"
#include "vmcore/vmcore-int.h"
#include "vmcore/log-int.h"
#include "vmcore/symbols-int.h"

#include <string.h>

#define SYMBOLS_MAX (4u << 20)
#define STEP        256 /* every so many names their place is kept */
#define TOKENS      256
#define TOKEN_MAX   128 /* bytes of the last token, at most */
#define NAME_BYTES  512
#define ALIASES_MAX 64
#define ELF_SYMBOL  24
#define FAR_AWAY    (1u << 20) /* no function is that long */

struct place {
	const struct us_vmcore *core;
	const struct us_layout *layout;
};

struct us_symbols {
	struct place *place; /* what source reads, or NULL if that is somebody else's */
	struct us_log_source source;
	struct us_log_page page;
	uint64_t names;
	size_t n;
	uint64_t *addresses; /* n, ascending */
	uint64_t *marks;     /* offset in names of each STEPth name */
	uint16_t index[TOKENS];
	uint8_t *tokens;
	size_t n_tokens;
	struct us_pool pool;
	struct us_module_list modules;
};

static struct us_err *read_core(void *data, uint64_t virt, void *buf, size_t n)
{
	const struct place *place = data;

	return us_vmcore_read_virt(place->core, place->layout, virt, buf, n);
}

static struct us_err *symbol(const struct us_symbols *s, const char *name, uint64_t *ret)
{
	return us_vmcoreinfo_symbol(s->source.info, name, ret)
		       ? NULL
		       : us_err_new(US_ERR_NOT_FOUND, "vmcoreinfo has no SYMBOL(%s)", name);
}

static struct us_err *read_all(struct us_symbols *s, const char *name, size_t n, uint8_t **ret)
{
	_us_free_ uint8_t *bytes = malloc(n);
	uint64_t virt;

	if (!bytes)
		return us_err_nomem();
	US_TRY(symbol(s, name, &virt));
	if (us_log_fetch(&s->source, &s->page, virt, bytes, n) != n)
		return us_err_new(US_ERR_NOT_FOUND, "%s at 0x%" PRIx64 " cannot be read", name,
				  virt);
	*ret = us_steal(&bytes);
	return NULL;
}

static struct us_err *read_tokens(struct us_symbols *s)
{
	_us_free_ uint8_t *raw = NULL;
	uint64_t virt;

	US_TRY(read_all(s, "kallsyms_token_index", sizeof(s->index), &raw));
	for (size_t i = 0; i < TOKENS; i++)
		s->index[i] = (uint16_t)us_log_number(&s->source, raw + 2 * i, 2);
	US_TRY(symbol(s, "kallsyms_token_table", &virt));
	s->n_tokens = s->index[TOKENS - 1] + TOKEN_MAX;
	s->tokens = calloc(1, s->n_tokens);
	if (!s->tokens)
		return us_err_nomem();
	(void)us_log_fetch(&s->source, &s->page, virt, s->tokens, s->n_tokens - 1);
	return NULL;
}

/* The packed name at *at, which moves behind it; its bytes, 0 if it cannot be read. */
static size_t packed_name(struct us_symbols *s, uint64_t *at, uint8_t *buf)
{
	uint8_t low, high = 0;
	size_t n;

	if (us_log_fetch(&s->source, &s->page, s->names + *at, &low, 1) != 1)
		return 0;
	(*at)++;
	if (low & 0x80) {
		if (us_log_fetch(&s->source, &s->page, s->names + *at, &high, 1) != 1)
			return 0;
		(*at)++;
	}
	n = (low & 0x7fu) | (size_t)(high & 0x7fu) << 7;
	if (n > NAME_BYTES)
		return 0;
	if (n && buf && us_log_fetch(&s->source, &s->page, s->names + *at, buf, n) != n)
		return 0;
	*at += n;
	return n;
}

static struct us_err *find_names(struct us_symbols *s)
{
	uint64_t at = 0;

	US_TRY(symbol(s, "kallsyms_names", &s->names));
	s->marks = calloc(s->n / STEP + 1, sizeof(*s->marks));
	if (!s->marks)
		return us_err_nomem();
	for (size_t i = 0; i < s->n; i++) {
		if (i % STEP == 0)
			s->marks[i / STEP] = at;
		if (!packed_name(s, &at, NULL))
			return us_err_new(US_ERR_BAD_DATA, "name %zu of kallsyms cannot be read", i);
	}
	return NULL;
}

/* The type and the name of symbol i, unpacked: "Tpanic". */
static bool unpack(struct us_symbols *s, size_t i, char ret[NAME_BYTES])
{
	uint8_t packed[NAME_BYTES];
	uint64_t at = s->marks[i / STEP];
	size_t n = 0, room = NAME_BYTES - 1, bytes = 0;

	for (size_t k = i / STEP * STEP; k <= i; k++)
		bytes = packed_name(s, &at, packed);
	for (size_t k = 0; k < bytes; k++) {
		size_t start = s->index[packed[k]], len;
		const char *token = (const char *)s->tokens + start;

		if (start >= s->n_tokens)
			return false;
		len = strnlen(token, s->n_tokens - start);
		if (len > room - n)
			return false;
		memcpy(ret + n, token, len);
		n += len;
	}
	ret[n] = 0;
	return n > 1;
}

enum form {
	FORM_PER_CPU,  /* from the base down; what is not negative is an address as it stands */
	FORM_RELATIVE, /* from the base up */
	FORM_PLACE,    /* from its own place: there is no base (from 7.0) */
	FORMS
};

static uint64_t address_of(uint32_t offset, uint64_t base, size_t i, enum form form)
{
	int64_t distance = (int32_t)offset;

	if (form == FORM_PLACE)
		return base + 4 * i + (uint64_t)distance;
	if (form == FORM_RELATIVE)
		return base + offset;
	return distance < 0 ? base - 1 - (uint64_t)distance : offset;
}

/* The first of the symbols at the highest address that is not above virt; SIZE_MAX if there is none. */
static size_t find(const struct us_symbols *s, uint64_t virt)
{
	size_t low = 0, high = s->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->addresses[middle] <= virt)
			low = middle + 1;
		else
			high = middle;
	}
	for (size_t i = 0; i < ALIASES_MAX && low > 1; i++)
		if (s->addresses[low - 2] == s->addresses[low - 1])
			low--;
	return low ? low - 1 : SIZE_MAX;
}

/* True if by this reading of the offsets they ascend and _stext stands where vmcoreinfo says. */
static bool fits(struct us_symbols *s, const uint8_t *offsets, uint64_t base, enum form form,
		 uint64_t stext)
{
	char name[NAME_BYTES];
	size_t at;

	for (size_t i = 0; i < s->n; i++) {
		uint32_t offset = (uint32_t)us_log_number(&s->source, offsets + 4 * i, 4);

		s->addresses[i] = address_of(offset, base, i, form);
		if (i && s->addresses[i] < s->addresses[i - 1])
			return false;
	}
	at = find(s, stext);
	for (size_t i = at; i < s->n && i - at < ALIASES_MAX; i++)
		if (s->addresses[i] == stext && unpack(s, i, name) && !strcmp(name + 1, "_stext"))
			return true;
	return false;
}

static struct us_err *read_addresses(struct us_symbols *s)
{
	_us_free_ uint8_t *offsets = NULL;
	uint64_t at, base = 0, place, stext;
	bool has_base;

	US_TRY(symbol(s, "_stext", &stext));
	US_TRY(symbol(s, "kallsyms_offsets", &place));
	has_base = us_vmcoreinfo_symbol(s->source.info, "kallsyms_relative_base", &at);
	if (has_base)
		US_TRY(us_log_value(&s->source, at, 8, "kallsyms_relative_base", &base));
	US_TRY(read_all(s, "kallsyms_offsets", 4 * s->n, &offsets));
	s->addresses = calloc(s->n, sizeof(*s->addresses));
	if (!s->addresses)
		return us_err_nomem();
	for (int form = has_base ? FORM_PER_CPU : FORM_PLACE; form < FORMS; form++)
		if (fits(s, offsets, form == FORM_PLACE ? place : base, (enum form)form, stext))
			return NULL;
	return us_err_new(US_ERR_UNSUPPORTED,
			  "kallsyms puts _stext at another place than 0x%" PRIx64, stext);
}

static struct us_err *read_symbols(struct us_symbols *s)
{
	uint64_t virt, n;

	US_TRY(symbol(s, "kallsyms_num_syms", &virt));
	US_TRY(us_log_value(&s->source, virt, 4, "kallsyms_num_syms", &n));
	if (!n || n > SYMBOLS_MAX)
		return us_err_new(US_ERR_BAD_DATA, "%" PRIu64 " kernel symbols", n);
	s->n = n;
	US_TRY(read_tokens(s));
	US_TRY(find_names(s));
	return read_addresses(s);
}

static void symbols_freep(struct us_symbols **s)
{
	us_symbols_free(*s);
}

struct us_err *us_symbols_of(const struct us_log_source *source, struct us_symbols **ret)
{
	__attribute__((cleanup(symbols_freep))) struct us_symbols *s = calloc(1, sizeof(*s));

	if (!s)
		return us_err_nomem();
	s->source = *source;
	US_TRY(read_symbols(s));
	*ret = us_steal(&s);
	return NULL;
}

struct us_err *us_symbols_read(const struct us_vmcore *core, const struct us_layout *layout,
			       struct us_symbols **ret)
{
	_us_free_ struct place *place = calloc(1, sizeof(*place));
	const struct us_log_source source = {
		.info = core->info,
		.big_endian = core->big_endian,
		.read = read_core,
		.data = place,
	};

	if (!place)
		return us_err_nomem();
	*place = (struct place){ .core = core, .layout = layout };
	US_TRY(us_symbols_of(&source, ret));
	(*ret)->place = us_steal(&place);
	/* without them names of the kernel itself are left */
	us_err_free(us_modules_find(core, layout, &(*ret)->pool, &(*ret)->modules));
	return NULL;
}

/* The last function of module i that begins at or before virt. */
static const char *module_at(struct us_symbols *s, size_t i, uint64_t virt, char *buf, size_t n)
{
	const struct us_module_syms *syms = &s->modules.syms[i];
	const struct us_kernel_module *m = &s->modules.v[i];
	uint64_t best = 0, best_name = 0;
	char name[NAME_BYTES] = "";

	for (uint32_t k = 0; k < syms->n && k < SYMBOLS_MAX; k++) {
		uint8_t raw[ELF_SYMBOL];
		uint64_t value;

		if (us_log_fetch(&s->source, &s->page, syms->table + (uint64_t)ELF_SYMBOL * k, raw,
				 sizeof(raw)) != sizeof(raw))
			break;
		value = us_log_number(&s->source, raw + 8, 8);
		if (value < m->base || value > virt || value < best ||
		    !us_log_number(&s->source, raw, 4))
			continue;
		best = value;
		best_name = syms->strings + us_log_number(&s->source, raw, 4);
	}
	if (best)
		(void)us_log_fetch(&s->source, &s->page, best_name, name, sizeof(name) - 1);
	if (!*name)
		snprintf(buf, n, "+0x%" PRIx64 " [%s]", virt - m->base, m->name);
	else
		snprintf(buf, n, "%s+0x%" PRIx64 " [%s]", us_vmcore_printable(name), virt - best,
			 m->name);
	return buf;
}

const char *us_symbols_at(struct us_symbols *s, uint64_t virt, char *buf, size_t n)
{
	char name[NAME_BYTES];
	size_t best = s ? find(s, virt) : SIZE_MAX;

	for (size_t i = 0; s && i < s->modules.n; i++)
		if (virt - s->modules.v[i].base < s->modules.v[i].bytes)
			return module_at(s, i, virt, buf, n);

	if (best == SIZE_MAX || virt - s->addresses[best] >= FAR_AWAY || !unpack(s, best, name) ||
	    !strchr("tTwW", name[0]))
		return NULL;
	snprintf(buf, n, "%s+0x%" PRIx64, name + 1, virt - s->addresses[best]);
	return buf;
}

enum us_arch_id us_symbols_arch(const struct us_symbols *s)
{
	return s->place ? s->place->core->arch->id : US_ARCH_X86_64;
}

bool us_symbols_fetch(struct us_symbols *s, uint64_t virt, void *buf, size_t n)
{
	return us_log_fetch(&s->source, &s->page, virt, buf, n) == n;
}

bool us_symbols_word(struct us_symbols *s, uint64_t virt, uint64_t *ret)
{
	uint8_t raw[8];

	if (!us_symbols_fetch(s, virt, raw, sizeof(raw)))
		return false;
	*ret = us_log_number(&s->source, raw, sizeof(raw));
	return true;
}

void us_symbols_free(struct us_symbols *s)
{
	if (!s)
		return;
	us_pool_deinit(&s->pool);
	free(s->place);
	free(s->addresses);
	free(s->marks);
	free(s->tokens);
	free(s);
}
