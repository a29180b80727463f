/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A made module, and what becomes of its first instructions. */
#include "rehearse/rehearse-int.h"

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum { NOTHING, TEXT, RELA, SYMTAB, STRTAB, SECTIONS };
#define TEXT_AT 512
#define CODE_AT 16 /* of init_module in its section */
#define RELA_AT 640
#define SYM_AT  768
#define STR_AT  896
#define SIGNED  4096

struct made {
	uint8_t bytes[SIGNED + 64];
	size_t n;
};

static void make(struct made *m, const void *code, size_t n)
{
	static const char names[] = "\0other\0init_module";
	const Elf64_Shdr sections[SECTIONS] = {
		[TEXT] = { .sh_type = SHT_PROGBITS, .sh_offset = TEXT_AT, .sh_size = 64 },
		[RELA] = { .sh_type = SHT_RELA,
			   .sh_offset = RELA_AT,
			   .sh_size = 3 * sizeof(Elf64_Rela),
			   .sh_info = TEXT },
		[SYMTAB] = { .sh_type = SHT_SYMTAB,
			     .sh_offset = SYM_AT,
			     .sh_size = 2 * sizeof(Elf64_Sym),
			     .sh_link = STRTAB },
		[STRTAB] = { .sh_type = SHT_STRTAB, .sh_offset = STR_AT, .sh_size = sizeof(names) },
	};
	const Elf64_Rela relocations[] = {
		{ .r_offset = CODE_AT + 5, .r_info = ELF64_R_INFO(1, R_X86_64_PLT32) },
		{ .r_offset = CODE_AT + 10, .r_info = ELF64_R_INFO(1, R_X86_64_PC32) },
		{ .r_offset = CODE_AT + 20, .r_info = ELF64_R_INFO(1, R_X86_64_PC32) },
	};
	const Elf64_Sym symbols[] = { { .st_name = 1, .st_shndx = TEXT },
				      { .st_name = 7, .st_shndx = TEXT, .st_value = CODE_AT } };
	const Elf64_Ehdr head = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB },
				  .e_type = ET_REL,
				  .e_machine = EM_X86_64,
				  .e_shoff = 64,
				  .e_shentsize = sizeof(Elf64_Shdr),
				  .e_shnum = SECTIONS };

	memset(m, 0, sizeof(*m));
	m->n = 1024;
	memcpy(m->bytes, &head, sizeof(head));
	memcpy(m->bytes + 64, sections, sizeof(sections));
	memset(m->bytes + TEXT_AT, 0x90, 64);
	memcpy(m->bytes + TEXT_AT + CODE_AT, code, n);
	memcpy(m->bytes + RELA_AT, relocations, sizeof(relocations));
	memcpy(m->bytes + SYM_AT, symbols, sizeof(symbols));
	memcpy(m->bytes + STR_AT, names, sizeof(names));
}

static uint64_t relocation(const struct us_blob *blob, size_t i)
{
	Elf64_Rela r;

	memcpy(&r, blob->p + RELA_AT + i * sizeof(r), sizeof(r));
	return r.r_info;
}

static void test_what_is_overwritten_is_not_relocated(void **unused)
{
	static const uint8_t entry[] = { 0xf3, 0x0f, 0x1e, 0xfa, 0xe8, 0, 0, 0, 0, 0x55 };
	static const uint8_t fault[] = { 0x31, 0xc0, 0x89, 0x00 };
	_us_blob_deinit_ struct us_blob out = { 0 };
	struct made m;

	(void)unused;
	make(&m, entry, sizeof(entry));
	assert_null(us_trap_patch(us_bytes_of(m.bytes, m.n), US_CRASH_NULL, &out));
	assert_int_equal(out.n, m.n);
	assert_memory_equal(out.p + TEXT_AT + CODE_AT, entry, 9);
	assert_memory_equal(out.p + TEXT_AT + CODE_AT + 9, fault, sizeof(fault));
	assert_int_equal(relocation(&out, 0), ELF64_R_INFO(1, R_X86_64_PLT32)); /* of __fentry__ */
	assert_int_equal(relocation(&out, 1), 0);
	assert_int_equal(relocation(&out, 2), ELF64_R_INFO(1, R_X86_64_PC32));
}

static void test_a_signature_that_is_not_true_any_more_goes(void **unused)
{
	static const uint8_t spin[] = { 0xfa, 0xeb, 0xfe };
	static const char mark[] = "~Module signature appended~\n";
	_us_blob_deinit_ struct us_blob out = { 0 };
	struct made m;

	(void)unused;
	make(&m, "\x55", 1);
	memset(m.bytes + m.n, 0xaa, 100);
	m.bytes[m.n + 100 + 11] = 100; /* big-endian length, the last of 12 bytes */
	memcpy(m.bytes + m.n + 112, mark, sizeof(mark) - 1);
	assert_null(us_trap_patch(us_bytes_of(m.bytes, m.n + 112 + sizeof(mark) - 1),
				  US_CRASH_LOCKUP, &out));
	assert_int_equal(out.n, m.n);
	assert_memory_equal(out.p + TEXT_AT + CODE_AT, spin, sizeof(spin));
}

static void test_what_is_no_module_is_refused(void **unused)
{
	struct us_blob out = { 0 };
	struct us_err *err;
	struct made m;

	(void)unused;
	make(&m, "\x55", 1);
	for (size_t n = 0; n < m.n;
	     n += 7) { /* cut anywhere: an error or a result, never a crash */
		err = us_trap_patch(us_bytes_of(m.bytes, n), US_CRASH_NULL, &out);
		us_err_free(err);
		us_blob_deinit(&out);
	}
	m.bytes[STR_AT + 7] = 'x';
	err = us_trap_patch(us_bytes_of(m.bytes, m.n), US_CRASH_NULL, &out);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_NOT_FOUND);
	us_err_free(err);
	err = us_trap_patch(us_bytes_of("not an ELF file", 15), US_CRASH_NULL, &out);
	assert_non_null(err);
	us_err_free(err);
}

static void test_a_kernel_without_such_modules_is_told(void **unused)
{
	struct us_blob out = { 0 };
	struct us_err *err;

	(void)unused;
	err = us_trap_make("/nowhere/lib/modules", US_CRASH_NULL, &out);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_UNSUPPORTED);
	assert_non_null(strstr(err->text, "not possible with this kernel"));
	us_err_free(err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_overwritten_is_not_relocated),
		cmocka_unit_test(test_a_signature_that_is_not_true_any_more_goes),
		cmocka_unit_test(test_what_is_no_module_is_refused),
		cmocka_unit_test(test_a_kernel_without_such_modules_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
