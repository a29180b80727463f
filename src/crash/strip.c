/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kernel modules made small: a relocatable ELF file (gABI, 64 bits, little endian) without what the
 * kernel (Linux 6.1 to 7.3) does not need to run it. Gone are sections that are not loaded
 * (debugging, BTF, comments), tables for unwinding and tracing, the signature behind the file, and
 * symbols that are defined here (kernel/module/main.c: simplify_symbols looks names of undefined
 * ones up only; where they cannot be folded, those that a relocation names stay, without names).
 * Anything unusual is left as it is: a larger module is better than a broken one.
 */
#include "base/cleanup.h"
#include "crash/build-int.h"

#include <elf.h>
#include <string.h>

struct strip {
	struct us_bytes in;
	struct us_pool pool;
	Elf64_Ehdr head;
	Elf64_Shdr *sections;
	Elf64_Sym *symbols;
	uint32_t *section_map, *symbol_map; /* old index -> new one; 0: dropped */
	uint32_t *section_symbol;           /* of each section, where symbols are folded */
	size_t n_sections, n_symbols, symtab, strtab;
	struct us_bytes names; /* of sections */
	struct us_bytes strings;
	uint32_t n_locals; /* kept */
};

/* A symbol that is defined in a section is as good as that section's beginning and an addend, where
 * all relocations are S + A (System V ABI, AMD64 supplement: those that modules have). */
static bool folds(const struct strip *s, const Elf64_Sym *symbol)
{
	return s->head.e_machine == EM_X86_64 && symbol->st_shndx &&
	       symbol->st_shndx < SHN_LORESERVE;
}

static const char *name_at(struct us_bytes table, uint64_t at)
{
	return at < table.n && memchr(table.p + at, 0, table.n - at) ? (const char *)table.p + at
								     : NULL;
}

static bool section_bytes(const struct strip *s, const Elf64_Shdr *section, struct us_bytes *ret)
{
	if (section->sh_type == SHT_NOBITS) {
		*ret = (struct us_bytes){ 0 };
		return true;
	}
	if (!us_bytes_has(s->in, section->sh_offset, section->sh_size))
		return false;
	*ret = us_bytes_of(s->in.p + section->sh_offset, section->sh_size);
	return true;
}

/* Section headers and the tables of names and symbols; false: not a file that we cut. */
static bool strip_open(struct strip *s)
{
	size_t table;

	if (s->in.n < sizeof(s->head))
		return false;
	memcpy(&s->head, s->in.p, sizeof(s->head));
	s->n_sections = s->head.e_shnum;
	if (memcmp(s->head.e_ident, ELFMAG, SELFMAG) != 0 ||
	    s->head.e_ident[EI_CLASS] != ELFCLASS64 || s->head.e_ident[EI_DATA] != ELFDATA2LSB ||
	    s->head.e_type != ET_REL || s->head.e_shentsize != sizeof(Elf64_Shdr) ||
	    !s->n_sections || s->n_sections >= SHN_LORESERVE ||
	    s->head.e_shstrndx >= s->n_sections ||
	    !us_mul(s->n_sections, sizeof(Elf64_Shdr), &table) ||
	    !us_bytes_has(s->in, s->head.e_shoff, table))
		return false;
	s->sections = us_pool_array(&s->pool, s->n_sections, sizeof(Elf64_Shdr));
	s->section_map = us_pool_array(&s->pool, s->n_sections, sizeof(uint32_t));
	if (!s->sections || !s->section_map)
		return false;
	memcpy(s->sections, s->in.p + s->head.e_shoff, table);
	for (size_t i = 1; i < s->n_sections; i++)
		if (s->sections[i].sh_type == SHT_SYMTAB) {
			if (s->symtab)
				return false;
			s->symtab = i;
		}
	s->strtab = s->sections[s->symtab].sh_link;
	return s->symtab && s->strtab && s->strtab < s->n_sections &&
	       section_bytes(s, &s->sections[s->head.e_shstrndx], &s->names) &&
	       section_bytes(s, &s->sections[s->strtab], &s->strings);
}

static bool symbols_read(struct strip *s)
{
	struct us_bytes bytes;

	if (s->sections[s->symtab].sh_entsize != sizeof(Elf64_Sym) ||
	    !section_bytes(s, &s->sections[s->symtab], &bytes) || bytes.n % sizeof(Elf64_Sym) ||
	    bytes.n < sizeof(Elf64_Sym))
		return false;
	s->n_symbols = bytes.n / sizeof(Elf64_Sym);
	s->symbols = us_pool_array(&s->pool, s->n_symbols, sizeof(Elf64_Sym));
	s->symbol_map = us_pool_array(&s->pool, s->n_symbols, sizeof(uint32_t));
	s->section_symbol = us_pool_array(&s->pool, s->n_sections, sizeof(uint32_t));
	if (!s->symbols || !s->symbol_map || !s->section_symbol)
		return false;
	memcpy(s->symbols, bytes.p, bytes.n);
	return true;
}

static bool unneeded(const Elf64_Shdr *section, const char *name)
{
	/* unwinding; ftrace, trace events and BPF; patching for one processor (smp_locks), for
	 * indirect branch tracking and for call depth tracking: each is looked for by name and may
	 * be absent (kernel/module/main.c: find_module_sections, arch/x86/kernel/module.c) */
	static const char *const gone[] = {
		".orc_unwind",        ".orc_unwind_ip",   ".orc_header",
		".note.gnu.property", "__mcount_loc",     "__patchable_function_entries",
		"__tracepoints_ptrs", "__bpf_raw_tp_map", "_ftrace_events",
		"_ftrace_eval_map",   ".smp_locks",       ".ibt_endbr_seal",
		".call_sites",
		".static_call_sites", /* the calls go by their trampolines then */
	};

	if (section->sh_type == SHT_GROUP)
		return true;
	if (!(section->sh_flags & SHF_ALLOC))
		return section->sh_type == SHT_PROGBITS || section->sh_type == SHT_NOTE;
	for (size_t i = 0; i < us_array_size(gone); i++)
		if (!strcmp(gone[i], name))
			return true;
	return false;
}

static bool is_relocation(const Elf64_Shdr *section)
{
	return section->sh_type == SHT_RELA;
}

/* section_map: 1 for each section that stays, then its new index. */
static bool sections_choose(struct strip *s)
{
	uint32_t next = 1;

	for (size_t i = 1; i < s->n_sections; i++) {
		const char *name = name_at(s->names, s->sections[i].sh_name);

		if (!name || s->sections[i].sh_type == SHT_REL ||
		    s->sections[i].sh_type == SHT_SYMTAB_SHNDX)
			return false;
		s->section_map[i] = !unneeded(&s->sections[i], name);
	}
	s->section_map[s->strtab] = s->section_map[s->head.e_shstrndx] = 1;
	for (size_t i = 1; i < s->n_sections; i++) {
		const Elf64_Shdr *section = &s->sections[i];

		if (!is_relocation(section))
			continue;
		if (section->sh_info >= s->n_sections || section->sh_link != s->symtab ||
		    section->sh_entsize != sizeof(Elf64_Rela) ||
		    section->sh_size % sizeof(Elf64_Rela))
			return false;
		s->section_map[i] = s->section_map[section->sh_info];
	}
	for (size_t i = 1; i < s->n_sections; i++)
		if (s->section_map[i])
			s->section_map[i] = next++;
	return true;
}

/* symbol_map: 1 for each symbol that a relocation names. */
static bool symbols_mark(struct strip *s)
{
	for (size_t i = 1; i < s->n_sections; i++) {
		struct us_bytes bytes;

		if (!is_relocation(&s->sections[i]) || !s->section_map[i])
			continue;
		if (!section_bytes(s, &s->sections[i], &bytes))
			return false;
		for (size_t at = 0; at < bytes.n; at += sizeof(Elf64_Rela)) {
			Elf64_Rela rela;

			memcpy(&rela, bytes.p + at, sizeof(rela));
			if (ELF64_R_SYM(rela.r_info) >= s->n_symbols)
				return false;
			s->symbol_map[ELF64_R_SYM(rela.r_info)] = 1;
		}
	}
	s->symbol_map[0] = 0;
	for (size_t i = 1; i < s->n_symbols; i++) {
		uint16_t in = s->symbols[i].st_shndx;

		if (!s->symbol_map[i])
			continue;
		if (in == SHN_XINDEX || in == SHN_COMMON ||
		    (in < SHN_LORESERVE && in && (in >= s->n_sections || !s->section_map[in])))
			return false;
		if (folds(s, &s->symbols[i]))
			s->section_symbol[in] = 1;
	}
	return true;
}

/* New indices: the sections' symbols first, since they are local. */
static void symbols_number(struct strip *s)
{
	uint32_t next = 1;

	for (size_t i = 1; i < s->n_sections; i++)
		if (s->section_symbol[i])
			s->section_symbol[i] = next++;
	s->n_locals = next - 1;
	for (size_t i = 1; i < s->n_symbols; i++) {
		if (!s->symbol_map[i])
			continue;
		if (folds(s, &s->symbols[i])) {
			s->symbol_map[i] = s->section_symbol[s->symbols[i].st_shndx];
			continue;
		}
		s->n_locals += i < s->sections[s->symtab].sh_info;
		s->symbol_map[i] = next++;
	}
}

/* The new tables of symbols and of their names. */
static bool symbols_write(const struct strip *s, struct us_text *symbols, struct us_text *strings)
{
	static const Elf64_Sym none;

	us_text_put(symbols, &none, sizeof(none));
	us_text_put(strings, "", 1);
	for (size_t i = 1; i < s->n_sections; i++) {
		const Elf64_Sym symbol = { .st_info = ELF64_ST_INFO(STB_LOCAL, STT_SECTION),
					   .st_shndx = (uint16_t)s->section_map[i] };

		if (s->section_symbol[i])
			us_text_put(symbols, &symbol, sizeof(symbol));
	}
	for (size_t i = 1; i < s->n_symbols; i++) {
		Elf64_Sym symbol = s->symbols[i];
		const char *name = name_at(s->strings, symbol.st_name);

		if (!s->symbol_map[i] || folds(s, &symbol))
			continue;
		if (!name)
			return false;
		symbol.st_name = 0;
		if (symbol.st_shndx == SHN_UNDEF || !strncmp(name, "__cfi_", 6)) {
			symbol.st_name = (uint32_t)strings->n;
			us_text_put(strings, name, strlen(name) + 1);
		}
		if (symbol.st_shndx && symbol.st_shndx < SHN_LORESERVE)
			symbol.st_shndx = (uint16_t)s->section_map[symbol.st_shndx];
		us_text_put(symbols, &symbol, sizeof(symbol));
	}
	return !symbols->failed && !strings->failed;
}

static void align(struct us_text *out, uint64_t to)
{
	static const char zeros[64] = "";

	while (to > 1 && out->n % to && !out->failed) {
		size_t n = (size_t)(to - out->n % to);

		us_text_put(out, zeros, n < sizeof(zeros) ? n : sizeof(zeros));
	}
}

static void relocations_write(const struct strip *s, struct us_bytes bytes, struct us_text *out)
{
	for (size_t at = 0; at < bytes.n; at += sizeof(Elf64_Rela)) {
		Elf64_Rela rela;

		memcpy(&rela, bytes.p + at, sizeof(rela));
		const Elf64_Sym *symbol = &s->symbols[ELF64_R_SYM(rela.r_info)];
		if (folds(s, symbol))
			rela.r_addend = (Elf64_Sxword)((uint64_t)rela.r_addend + symbol->st_value);
		rela.r_info = ELF64_R_INFO((uint64_t)s->symbol_map[ELF64_R_SYM(rela.r_info)],
					   ELF64_R_TYPE(rela.r_info));
		us_text_put(out, &rela, sizeof(rela));
	}
}

/* One section's contents at the end of out, and its header as it is there. */
static bool section_write(const struct strip *s, size_t i, struct us_bytes symbols,
			  struct us_bytes strings, struct us_text *out, Elf64_Shdr *ret)
{
	struct us_bytes bytes;
	Elf64_Shdr section = s->sections[i];

	if (section.sh_addralign > 4096 || !section_bytes(s, &section, &bytes))
		return false;
	if (i == s->symtab)
		bytes = symbols;
	else if (i == s->strtab)
		bytes = strings;
	align(out, section.sh_addralign);
	section.sh_offset = out->n;
	if (section.sh_type != SHT_NOBITS)
		section.sh_size = bytes.n;
	if (is_relocation(&section))
		relocations_write(s, bytes, out);
	else
		us_text_put(out, bytes.p, bytes.n);
	if (section.sh_link < s->n_sections)
		section.sh_link = s->section_map[section.sh_link];
	if (i == s->symtab)
		section.sh_info = s->n_locals + 1;
	else if (is_relocation(&section) || section.sh_flags & SHF_INFO_LINK)
		section.sh_info =
			section.sh_info < s->n_sections ? s->section_map[section.sh_info] : 0;
	*ret = section;
	return true;
}

static bool strip_write(struct strip *s, struct us_text *out)
{
	_us_text_deinit_ struct us_text symbols = { 0 }, strings = { 0 };
	Elf64_Shdr *headers = us_pool_array(&s->pool, s->n_sections, sizeof(*headers));
	uint32_t n = 1;

	if (!headers || !symbols_write(s, &symbols, &strings))
		return false;
	us_text_put(out, &s->head, sizeof(s->head));
	for (size_t i = 1; i < s->n_sections; i++)
		if (s->section_map[i]) {
			if (!section_write(s, i, us_bytes_of(symbols.s, symbols.n),
					   us_bytes_of(strings.s, strings.n), out, &headers[n]))
				return false;
			n++;
		}
	align(out, 8);
	Elf64_Ehdr head = s->head;
	head.e_shoff = out->n;
	head.e_shnum = (uint16_t)n;
	head.e_shstrndx = (uint16_t)s->section_map[s->head.e_shstrndx];
	us_text_put(out, headers, n * sizeof(*headers));
	if (out->failed)
		return false;
	memcpy(out->s, &head, sizeof(head));
	return true;
}

struct us_err *us_module_strip(struct us_bytes file, struct us_blob *ret)
{
	_us_text_deinit_ struct us_text out = { 0 };
	struct strip s = { .in = file };
	bool cut = strip_open(&s) && symbols_read(&s) && sections_choose(&s) && symbols_mark(&s);

	if (cut) {
		symbols_number(&s);
		cut = strip_write(&s, &out);
	}

	us_pool_deinit(&s.pool);
	if (!cut || out.n > file.n)
		return us_blob_copy(file, ret);
	*ret = (struct us_blob){ .p = (uint8_t *)out.s, .n = out.n };
	out = (struct us_text){ 0 };
	return NULL;
}
