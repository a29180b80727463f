/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A kernel module that ends its kernel: one of that kernel's own modules (so that its version
 * words, symbol versions and layout are right) whose init function begins with other instructions:
 * a write through a null pointer, or a loop with interrupts off. Relocations of what is overwritten
 * are taken away, and the signature, which is not true any more (ELF gABI; x86_64 psABI; Linux 6.12
 * kernel/module). It never leaves the virtual machine's first file system.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "pack/pack.h"
#include "rehearse/rehearse-int.h"

#include <elf.h>
#include <string.h>

#define MODULE_MAX (64u << 20)

/* Small ones that every distribution has, and that need no other. */
static const char *const candidates[] = {
	"kernel/crypto/crc32c_generic", "kernel/lib/libcrc32c", "kernel/drivers/net/dummy",
	"kernel/drivers/block/loop",    "kernel/lib/crc-itu-t", "kernel/drivers/block/brd",
};
static const char *const suffixes[] = { ".ko", ".ko.xz", ".ko.zst", ".ko.gz" };

/* xor %eax,%eax; mov %eax,(%rax)  -  cli; jmp . */
static const uint8_t null_write[] = { 0x31, 0xc0, 0x89, 0x00 };
static const uint8_t spin[] = { 0xfa, 0xeb, 0xfe };

struct module {
	struct us_blob *bytes;
	Elf64_Ehdr head;
};

static bool section(const struct module *m, size_t i, Elf64_Shdr *ret)
{
	struct us_bytes b = us_blob_bytes(m->bytes);
	uint64_t at;

	if (i >= m->head.e_shnum || !us_add(m->head.e_shoff, (uint64_t)i * sizeof(*ret), &at) ||
	    !us_bytes_has(b, at, sizeof(*ret)))
		return false;
	memcpy(ret, b.p + at, sizeof(*ret));
	return ret->sh_type == SHT_NOBITS || us_bytes_has(b, ret->sh_offset, ret->sh_size);
}

/* Where init_module's code is in the file. */
static struct us_err *find_init(const struct module *m, size_t *ret_section, uint64_t *ret_offset)
{
	struct us_bytes b = us_blob_bytes(m->bytes);

	for (size_t i = 0; i < m->head.e_shnum; i++) {
		Elf64_Shdr table, names;

		if (!section(m, i, &table) || table.sh_type != SHT_SYMTAB ||
		    !section(m, table.sh_link, &names))
			continue;
		for (uint64_t at = 0; at + sizeof(Elf64_Sym) <= table.sh_size;
		     at += sizeof(Elf64_Sym)) {
			static const char init[] = "init_module";
			Elf64_Sym sym;
			uint64_t name;

			memcpy(&sym, b.p + table.sh_offset + at, sizeof(sym));
			if (!us_add(names.sh_offset, (uint64_t)sym.st_name, &name) ||
			    !us_bytes_match(b, name, init, sizeof(init)) ||
			    sym.st_shndx == SHN_UNDEF)
				continue;
			*ret_section = sym.st_shndx;
			*ret_offset = sym.st_value;
			return NULL;
		}
	}
	return us_err_new(US_ERR_NOT_FOUND, "it has no init_module");
}

/* Relocations of section that would write into [from, to) do nothing from now on. */
static void drop_relocations(const struct module *m, size_t target, uint64_t from, uint64_t to)
{
	for (size_t i = 0; i < m->head.e_shnum; i++) {
		Elf64_Shdr s;

		if (!section(m, i, &s) || s.sh_type != SHT_RELA || s.sh_info != target)
			continue;
		for (uint64_t at = 0; at + sizeof(Elf64_Rela) <= s.sh_size;
		     at += sizeof(Elf64_Rela)) {
			Elf64_Rela r;

			memcpy(&r, m->bytes->p + s.sh_offset + at, sizeof(r));
			if (r.r_offset < from || r.r_offset >= to)
				continue;
			r.r_info = ELF64_R_INFO(0, R_X86_64_NONE);
			memcpy(m->bytes->p + s.sh_offset + at, &r, sizeof(r));
		}
	}
}

/* Behind endbr64 and the call of __fentry__, which the kernel looks at. */
static uint64_t behind_entry(struct us_bytes code)
{
	static const uint8_t endbr[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	uint64_t at = 0;

	if (us_bytes_match(code, 0, endbr, sizeof(endbr)))
		at = sizeof(endbr);
	if (at < code.n && code.p[at] == 0xe8)
		at += 5;
	return at;
}

/* The length without an appended signature. */
static size_t unsigned_length(struct us_bytes b)
{
	static const char mark[] = "~Module signature appended~\n";
	size_t n = sizeof(mark) - 1;
	uint32_t length;

	if (b.n < n + 12 || !us_bytes_match(b, b.n - n, mark, n) ||
	    !us_be32(b, b.n - n - 4, &length) || length > b.n - n - 12)
		return b.n;
	return b.n - n - 12 - length;
}

struct us_err *us_trap_patch(struct us_bytes file, enum us_crash_kind kind, struct us_blob *ret)
{
	const uint8_t *code = kind == US_CRASH_LOCKUP ? spin : null_write;
	size_t n = kind == US_CRASH_LOCKUP ? sizeof(spin) : sizeof(null_write), target = 0;
	_us_blob_deinit_ struct us_blob copy = { 0 };
	struct module m = { .bytes = &copy };
	Elf64_Shdr text;
	uint64_t offset = 0, at;

	file.n = unsigned_length(file);
	US_TRY(us_blob_copy(file, &copy));
	if (copy.n < sizeof(m.head))
		return us_err_new(US_ERR_BAD_DATA, "it is no ELF file");
	memcpy(&m.head, copy.p, sizeof(m.head));
	if (memcmp(m.head.e_ident, ELFMAG, SELFMAG) != 0 || m.head.e_machine != EM_X86_64 ||
	    m.head.e_type != ET_REL || m.head.e_shentsize != sizeof(Elf64_Shdr))
		return us_err_new(US_ERR_UNSUPPORTED, "it is no module for x86_64");
	US_TRY(find_init(&m, &target, &offset));
	if (!section(&m, target, &text) || text.sh_type != SHT_PROGBITS || offset > text.sh_size)
		return us_err_new(US_ERR_BAD_DATA, "its init_module is nowhere");
	at = offset + behind_entry(us_bytes_clip(us_blob_bytes(&copy), text.sh_offset + offset,
						 text.sh_size - offset));
	if (at + n > text.sh_size)
		return us_err_new(US_ERR_NO_ROOM, "its init_module is too short");
	memcpy(copy.p + text.sh_offset + at, code, n);
	drop_relocations(&m, target, at, at + n);
	*ret = us_blob_steal(&copy);
	return NULL;
}

static struct us_err *patch_file(const char *path, enum us_crash_kind kind, struct us_blob *ret)
{
	_us_blob_deinit_ struct us_blob file = { 0 }, unpacked = { 0 };
	const struct us_codec *codec;
	struct us_bytes bytes;

	US_TRY(us_file_map(path, &file));
	bytes = us_blob_bytes(&file);
	codec = us_codec_by_magic(bytes);
	if (codec) {
		US_TRY(us_unpack(codec, bytes, MODULE_MAX, 0, NULL, &unpacked, NULL));
		bytes = us_blob_bytes(&unpacked);
	}
	return us_trap_patch(bytes, kind, ret);
}

struct us_err *us_trap_make(const char *modules_dir, enum us_crash_kind kind, struct us_blob *ret)
{
	for (size_t i = 0; i < us_array_size(candidates) * us_array_size(suffixes); i++) {
		char path[4096];
		struct us_err *err;

		snprintf(path, sizeof(path), "%s/%s%s", modules_dir,
			 candidates[i / us_array_size(suffixes)],
			 suffixes[i % us_array_size(suffixes)]);
		if (access(path, R_OK))
			continue;
		err = patch_file(path, kind, ret);
		if (!err || err->code == US_ERR_NOMEM)
			return err;
		us_err_free(err);
	}
	return us_err_new(US_ERR_UNSUPPORTED,
			  "not possible with this kernel: %s has none of the small modules that a "
			  "fault can be put into",
			  modules_dir);
}
