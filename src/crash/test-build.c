/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The capture image on a made machine: its archive, modules in order from a made index, what is cut
 * from a module, programs with their libraries, and the manifest. The index is that of libkmod
 * (libkmod-index.h: a tree of prefixes, here of one level: no two keys begin with one letter).
 */
#include "crash/build-int.h"
#include "crash/capture.h"
#include "crash/test-machine.h"
#include "pack/pack.h"

#include <elf.h>
#include <fcntl.h>

/* ---- made modules ---- */
struct row {
	const char *key, *value;
};

static void put_be32(uint8_t *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (24 - 8 * i));
}

/* rows are sorted by their first letters. */
static void put_index(const struct machine *m, const char *path, const struct row *rows, size_t n)
{
	uint8_t file[4096] = { 0 };
	size_t at = 12;
	uint32_t child[256] = { 0 };

	put_be32(file, 0xb007f457);
	put_be32(file + 4, 0x00020001);
	for (size_t i = 0; i < n; i++) {
		child[(uint8_t)rows[i].key[0]] = (uint32_t)at | 0x80000000 | 0x40000000;
		at += (size_t)sprintf((char *)file + at, "%s", rows[i].key + 1) + 1;
		put_be32(file + at, 1); /* values */
		at += 8;                /* and its priority 0 */
		at += (size_t)sprintf((char *)file + at, "%s", rows[i].value) + 1;
	}
	put_be32(file + 8, (uint32_t)at | (n ? 0x20000000 : 0));
	if (n) {
		uint8_t first = (uint8_t)rows[0].key[0], last = (uint8_t)rows[n - 1].key[0];

		file[at++] = first;
		file[at++] = last;
		for (unsigned int c = first; c <= last; c++, at += 4)
			put_be32(file + at, child[c]);
	}
	put_bytes(m, path, 0, file, at);
}

#define TREE "lib/modules/1.2.3/"
static void put_tree(const struct machine *m)
{
	static const struct row deps[] = {
		{ "ext4", "kernel/ext4.ko: kernel/jbd2.ko" },
		{ "gpu", "kernel/drivers/gpu/drm/gpu.ko:" },
		{ "jbd2", "kernel/jbd2.ko:" },
		{ "sum", "kernel/sum.ko:" },
		{ "virtio_blk", "kernel/virtio_blk.ko: kernel/weak.ko" },
		{ "weak", "kernel/weak.ko:" },
	};
	static const struct row aliases[] = { { "crypto_sum", "sum" }, { "fs_toy", "ext4" } };
	static const struct row builtin[] = { { "virtio_pci", "" } };

	put_index(m, TREE "modules.dep.bin", deps, us_array_size(deps));
	put_index(m, TREE "modules.alias.bin", aliases, us_array_size(aliases));
	put_index(m, TREE "modules.builtin.bin", builtin, us_array_size(builtin));
	put_index(m, TREE "modules.builtin.alias.bin", NULL, 0);
	put_index(m, TREE "modules.symbols.bin", NULL, 0);
	put(m, TREE "modules.softdep", "softdep ext4 pre: crypto-sum post: gpu\n");
	put(m, TREE "modules.weakdep", "# made\nweakdep jbd2 weak nothing\n");
	put(m, "etc/modprobe.d/a.conf", "options ext4 debug=1\n");
	for (size_t i = 0; i < us_array_size(deps); i++) {
		char path[128];

		snprintf(path, sizeof(path), TREE "%.*s", (int)strcspn(deps[i].value, ":"),
			 deps[i].value);
		put(m, path, deps[i].key);
	}
}

static struct us_module_set resolve_modules(struct machine *m, const struct us_wanted_module *w,
					    size_t n)
{
	const char *dir = us_pool_format(&m->host.pool, "%s/lib/modules/1.2.3", m->dir);
	struct us_module_set set;

	no_error(us_modules_resolve(&m->host, dir, w, n, &m->host.pool, &set));
	return set;
}

static const char *names_of(struct machine *m, const struct us_module_set *set)
{
	char *names = us_pool_strdup(&m->host.pool, "");

	for (size_t i = 0; i < set->n_files; i++)
		names = us_pool_format(&m->host.pool, "%s%s ", names, set->files[i].name);
	return names;
}

static void modules_come_after_what_they_need(void **state)
{
	static const struct us_wanted_module want[] = {
		{ .name = "virtio_pci", .reason = "a", .target = 0 },
		{ .name = "toy", .alias = "fs-toy", .reason = "b", .target = 1 },
		{ .name = "virtio-blk", .reason = "c", .target = 0 },
		{ .name = "absent", .reason = "d", .target = 0 },
		{ .name = "helpful", .reason = "e", .target = 0, .optional = true },
	};
	struct machine *m = *state;

	put_tree(m);
	struct us_module_set set = resolve_modules(m, want, us_array_size(want));
	assert_string_equal(names_of(m, &set), "sum weak jbd2 ext4 virtio_blk ");
	assert_string_equal(set.files[3].options, "debug=1");
	assert_string_equal(set.files[0].options, "");
	assert_int_equal(set.files[0].target, 1);
	assert_int_equal(set.files[1].target, -1); /* weak: of both */
	assert_int_equal(set.files[2].target, 1);
	assert_string_equal(set.files[2].wanted->reason, "b");
	assert_string_equal(set.left_out[0], "built in: virtio_pci");
	assert_string_equal(set.left_out[1], "never: gpu drives a display");
	assert_string_equal(set.left_out[2], "missing: absent (d)");
	assert_null(set.left_out[3]);
}

static void what_a_shared_module_needs_is_shared(void **state)
{
	static const struct us_wanted_module want[] = {
		{ .name = "ext4", .reason = "a", .target = 0 },
		{ .name = "ext4", .reason = "b", .target = 1 },
		{ .name = "weak", .reason = "b", .target = 2 },
	};
	struct machine *m = *state;

	put_tree(m);
	struct us_module_set set = resolve_modules(m, want, us_array_size(want));
	assert_string_equal(names_of(m, &set), "sum weak jbd2 ext4 ");
	for (size_t i = 0; i < set.n_files; i++) /* by a soft, a weak and a plain dependency */
		assert_int_equal(set.files[i].target, -1);
}

/* What another target needs as well is not left until the end; a module's own words are its alone. */
static void what_is_wanted_at_the_end_comes_before_if_others_want_it(void **state)
{
	static const struct us_wanted_module want[] = {
		{ .name = "ext4", .reason = "a", .target = US_RECIPE_LAST, .params = "at=1" },
		{ .name = "jbd2", .reason = "b", .target = -1 },
	};
	struct machine *m = *state;

	put_tree(m);
	struct us_module_set set = resolve_modules(m, want, us_array_size(want));
	assert_string_equal(names_of(m, &set), "sum weak jbd2 ext4 ");
	assert_int_equal(set.files[0].target, US_RECIPE_LAST);
	assert_int_equal(set.files[1].target, -1); /* weak: jbd2 wants it */
	assert_int_equal(set.files[2].target, -1);
	assert_int_equal(set.files[3].target, US_RECIPE_LAST);
	assert_string_equal(set.files[3].options, "at=1");
	assert_string_equal(set.files[2].options, "");
}

static void a_tree_that_is_not_there_is_an_error(void **state)
{
	struct machine *m = *state;
	struct us_module_set set;
	struct us_err *err =
		us_modules_resolve(&m->host, "/nonexistent", NULL, 0, &m->host.pool, &set);

	assert_int_equal(err->code, US_ERR_NOT_FOUND);
	us_err_free(err);
}

/* ---- what is cut ---- */
enum { TEXT = 1, RELA, BTF, ORC, RELA_ORC, SYMTAB, STRTAB, NAMES, SECTIONS };
struct made_module {
	Elf64_Ehdr head;
	uint8_t text[16];
	Elf64_Rela rela[2], rela_orc;
	uint8_t btf[64], orc[8];
	Elf64_Sym symbols[5]; /* none, local "here", local "unused", global "there", undefined */
	char strings[32], names[96];
	Elf64_Shdr sections[SECTIONS];
};

static void section(struct made_module *m, int i, const char *name, uint32_t type, uint64_t flags,
		    const void *p, size_t n)
{
	size_t at = 1;

	while (m->names[at])
		at += strlen(m->names + at) + 1;
	strcpy(m->names + at, name);
	m->sections[i] = (Elf64_Shdr){
		.sh_name = (uint32_t)at,
		.sh_type = type,
		.sh_flags = flags,
		.sh_offset = (uint64_t)((const char *)p - (const char *)m),
		.sh_size = n,
		.sh_addralign = 8,
	};
}

/* info: what .BTF holds, and then it is .modinfo; or NULL */
static void make_module_with(struct made_module *m, uint16_t machine, const char *info)
{
	static const char strings[] = "\0here\0unused\0there\0printk";

	*m = (struct made_module){ 0 };
	memcpy(m->head.e_ident, ELFMAG, SELFMAG);
	m->head.e_ident[EI_CLASS] = ELFCLASS64;
	m->head.e_ident[EI_DATA] = ELFDATA2LSB;
	m->head.e_type = ET_REL;
	m->head.e_machine = machine;
	m->head.e_shoff = offsetof(struct made_module, sections);
	m->head.e_shentsize = sizeof(Elf64_Shdr);
	m->head.e_shnum = SECTIONS;
	m->head.e_shstrndx = NAMES;
	memcpy(m->strings, strings, sizeof(strings));
	memset(m->text, 0x90, sizeof(m->text));
	section(m, TEXT, ".text", SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, m->text, sizeof(m->text));
	section(m, RELA, ".rela.text", SHT_RELA, SHF_INFO_LINK, m->rela, sizeof(m->rela));
	section(m, BTF, info ? ".modinfo" : ".BTF", SHT_PROGBITS, info ? SHF_ALLOC : 0, m->btf,
		sizeof(m->btf));
	if (info)
		strcpy((char *)m->btf, info);
	section(m, ORC, ".orc_unwind_ip", SHT_PROGBITS, SHF_ALLOC, m->orc, sizeof(m->orc));
	section(m, RELA_ORC, ".rela.orc_unwind_ip", SHT_RELA, SHF_INFO_LINK, &m->rela_orc,
		sizeof(m->rela_orc));
	section(m, SYMTAB, ".symtab", SHT_SYMTAB, 0, m->symbols, sizeof(m->symbols));
	section(m, STRTAB, ".strtab", SHT_STRTAB, 0, m->strings, sizeof(m->strings));
	section(m, NAMES, ".shstrtab", SHT_STRTAB, 0, m->names, sizeof(m->names));
	m->sections[RELA].sh_link = m->sections[RELA_ORC].sh_link = SYMTAB;
	m->sections[RELA].sh_info = TEXT;
	m->sections[RELA_ORC].sh_info = ORC;
	m->sections[RELA].sh_entsize = m->sections[RELA_ORC].sh_entsize = sizeof(Elf64_Rela);
	m->sections[SYMTAB].sh_link = STRTAB;
	m->sections[SYMTAB].sh_info = 3;
	m->sections[SYMTAB].sh_entsize = sizeof(Elf64_Sym);
	m->symbols[1] = (Elf64_Sym){ .st_name = 1, .st_shndx = TEXT, .st_value = 4 };
	m->symbols[2] = (Elf64_Sym){ .st_name = 6, .st_shndx = TEXT };
	m->symbols[3] = (Elf64_Sym){ .st_name = 13,
				     .st_shndx = TEXT,
				     .st_value = 8,
				     .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC) };
	m->symbols[4] =
		(Elf64_Sym){ .st_name = 19, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE) };
	m->rela[0] = (Elf64_Rela){ 1, ELF64_R_INFO(3ull, R_X86_64_PC32), -4 };
	m->rela[1] = (Elf64_Rela){ 9, ELF64_R_INFO(4ull, R_X86_64_PLT32), -4 };
	m->rela_orc = (Elf64_Rela){ 0, ELF64_R_INFO(1ull, R_X86_64_PC32), 0 };
}

static void make_module(struct made_module *m, uint16_t machine)
{
	make_module_with(m, machine, NULL);
}

/* A view of what came out, by the numbers in its own header. */
struct cut {
	Elf64_Ehdr head;
	Elf64_Shdr sections[SECTIONS];
	const uint8_t *p;
};

static struct cut cut_of(const struct us_blob *blob)
{
	struct cut c = { .p = blob->p };

	memcpy(&c.head, blob->p, sizeof(c.head));
	assert_true(c.head.e_shnum <= SECTIONS);
	assert_true(us_bytes_has(us_blob_bytes(blob), c.head.e_shoff,
				 c.head.e_shnum * sizeof(Elf64_Shdr)));
	memcpy(c.sections, blob->p + c.head.e_shoff, c.head.e_shnum * sizeof(Elf64_Shdr));
	return c;
}

static void a_module_keeps_what_the_kernel_needs(void **state)
{
	_us_blob_deinit_ struct us_blob out = { 0 };
	struct made_module module;
	Elf64_Sym symbols[3];
	Elf64_Rela rela[2];

	(void)state;
	make_module(&module, EM_X86_64);
	no_error(us_module_strip(us_bytes_of(&module, sizeof(module)), &out));
	assert_true(out.n < sizeof(module));
	struct cut c = cut_of(&out);
	assert_int_equal(c.head.e_shnum, 6); /* none, text, rela, symtab, strtab, shstrtab */
	assert_int_equal(c.sections[2].sh_type, SHT_RELA);
	assert_int_equal(c.sections[2].sh_info, 1);
	assert_int_equal(c.sections[2].sh_link, 3);
	assert_int_equal(c.sections[3].sh_link, 4);
	assert_int_equal(c.sections[3].sh_size, sizeof(symbols));
	assert_int_equal(c.sections[3].sh_info, 2); /* first that is not local */
	memcpy(symbols, c.p + c.sections[3].sh_offset, sizeof(symbols));
	memcpy(rela, c.p + c.sections[2].sh_offset, sizeof(rela));
	assert_int_equal(ELF64_ST_TYPE(symbols[1].st_info), STT_SECTION);
	assert_int_equal(symbols[1].st_shndx, 1);
	assert_int_equal(rela[0].r_addend, 8 - 4); /* "there" is 8 bytes into the section */
	assert_int_equal(ELF64_R_SYM(rela[0].r_info), 1);
	assert_int_equal(ELF64_R_TYPE(rela[0].r_info), R_X86_64_PC32);
	assert_int_equal(ELF64_R_SYM(rela[1].r_info), 2);
	assert_int_equal(rela[1].r_addend, -4);
	assert_string_equal((const char *)c.p + c.sections[4].sh_offset + symbols[2].st_name,
			    "printk");
	assert_memory_equal(c.p + c.sections[1].sh_offset, module.text, sizeof(module.text));
}

static void other_machines_keep_their_symbols(void **state)
{
	_us_blob_deinit_ struct us_blob out = { 0 };
	struct made_module module;
	Elf64_Sym symbols[3];

	(void)state;
	make_module(&module, EM_AARCH64);
	no_error(us_module_strip(us_bytes_of(&module, sizeof(module)), &out));
	struct cut c = cut_of(&out);
	assert_int_equal(c.sections[3].sh_size, sizeof(symbols));
	memcpy(symbols, c.p + c.sections[3].sh_offset, sizeof(symbols));
	assert_int_equal(symbols[1].st_value, 8);
	assert_int_equal(symbols[1].st_name, 0);
}

static void what_is_unusual_is_left_alone(void **state)
{
	struct made_module module;

	(void)state;
	for (int i = 0; i < 6; i++) {
		_us_blob_deinit_ struct us_blob out = { 0 };

		make_module(&module, EM_X86_64);
		switch (i) {
		case 0:
			module.head.e_type = ET_EXEC;
			break;
		case 1:
			module.sections[RELA].sh_size -= 1;
			break;
		case 2:
			module.rela[0].r_info = ELF64_R_INFO(99ull, 1);
			break;
		case 3:
			module.symbols[3].st_shndx = SHN_COMMON;
			break;
		case 4:
			module.sections[TEXT].sh_offset = UINT64_MAX - 4;
			break;
		case 5:
			module.symbols[3].st_shndx = BTF; /* in what would be dropped */
			break;
		}
		no_error(us_module_strip(us_bytes_of(&module, sizeof(module)), &out));
		if (out.n != sizeof(module) || memcmp(out.p, &module, out.n) != 0)
			fail_msg("case %d was cut", i);
	}
}

/* ---- the archive ---- */
static void an_archive_is_the_same_each_time(void **state)
{
	_us_blob_deinit_ struct us_blob first = { 0 }, second = { 0 };

	(void)state;
	for (int i = 0; i < 2; i++) {
		_us_archive_deinit_ struct us_archive a = { 0 };

		no_error(us_archive_file(&a, "/m/x.ko", 0600, us_bytes_of("12345", 5)));
		no_error(us_archive_file(&a, "/m/y.ko", 0600, us_bytes_of("", 0)));
		no_error(us_archive_link(&a, "/bin/sh", "x"));
		no_error(us_archive_device(&a, "/dev/console", 5, 1));
		no_error(us_archive_take(&a, i ? &second : &first));
	}
	assert_true(us_bytes_equal(us_blob_bytes(&first), us_blob_bytes(&second)));
	assert_int_equal(first.n % 4, 0);
	assert_memory_equal(first.p, "070701", 6);
	assert_string_equal((const char *)first.p + 110, "m");
	/* "m" once, before its files; the contents padded to 4 */
	struct us_bytes b = us_blob_bytes(&first);
	assert_int_equal(us_bytes_find(b, 116, "m\0", 3), SIZE_MAX);
	assert_true(us_bytes_match(b, 112 + 110 + 8 + 2,
				   "12345\0\0\0"
				   "070701",
				   14));
	assert_true(us_bytes_find(b, 0, "TRAILER!!!", 11) != SIZE_MAX);
}

/* ---- all of it ---- */
static const struct us_image *kernel_of(struct us_image *k)
{
	*k = (struct us_image){ .release = "1.2.3" };
	k->caps[US_CAP_RD_ZSTD].v = US_NO;
	k->caps[US_CAP_RD_XZ].v = US_YES;
	k->caps[US_CAP_RD_GZIP].v = US_YES;
	return k;
}

static void put_whole(struct machine *m)
{
	put(m, "proc/self/mountinfo", "21 1 254:1 / / rw - ext4 /dev/vda1 rw\n");
	put(m, "proc/sys/kernel/hostname", "made\n");
	put(m, "capture", "the program");
	put(m, "etc/understudy.conf", "target = /var/crash\ntarget = /nowhere\n");
	m->host.release.v = "6.6.6";
	m->host.cmdline.v = "";
	m->host.lockdown.v = "";
	put_virtio(m);
	put_ext4(m, "dev/vda1");
	put_tree(m);
	setenv("UNDERSTUDY_CAPTURE", us_pool_format(&m->host.pool, "%s/capture", m->dir), 1);
}

static struct us_capture_image *image_of(struct machine *m)
{
	const struct us_walk_sources sources = { dm_table, addresses, resolve, lvm_text, m };
	struct us_image kernel;

	us_walk_result_free(m->walk);
	us_crash_config_free(m->config);
	us_capture_image_free(m->image);
	no_error(us_crash_config_read(m->host.root_fd, NULL, &m->config));
	no_error(us_walk_with(&m->host, m->config, &sources, &m->walk));
	no_error(us_capture_image_build(&m->host, m->config, m->walk, kernel_of(&kernel),
					&m->image));
	return m->image;
}

static const char *const *stale(struct machine *m)
{
	const struct us_walk_sources sources = { dm_table, addresses, resolve, lvm_text, m };
	const char *const *changes;

	no_error(us_manifest_stale_with(&m->host, &sources, m->image->manifest, false,
					&m->host.pool, &changes));
	return changes;
}

static void an_image_has_a_recipe_that_reads_back(void **state)
{
	_us_recipe_free_ struct us_recipe *recipe = NULL;
	_us_blob_deinit_ struct us_blob cpio = { 0 };
	struct machine *m = *state;

	put_whole(m);
	const struct us_capture_image *image = image_of(m);
	assert_string_equal(image->codec, "xz");
	no_error(us_unpack(us_codec_by_name("xz"), image->bytes, 1 << 20, 0, NULL, &cpio, NULL));
	assert_int_equal(cpio.n, image->unpacked_bytes);
	struct us_bytes b = us_blob_bytes(&cpio);
	assert_true(us_bytes_find(b, 0, "the program", 11) != SIZE_MAX);
	size_t at = us_bytes_find(b, 0, "recipe host=", 12);
	size_t end = us_bytes_find(b, at, "070701", 6);
	assert_true(at != SIZE_MAX && end != SIZE_MAX);
	size_t n = us_bytes_trimmed(us_bytes_of(b.p + at, end - at));
	no_error(us_recipe_parse(us_bytes_of(b.p + at, n), &recipe));
	assert_string_equal(recipe->host_tag, "made");
	assert_string_equal(recipe->capture_release, "1.2.3");
	assert_int_equal(recipe->n_targets, 2);
	assert_int_equal(recipe->n_modules, 5);
	assert_string_equal(recipe->modules[4].file, "/m/ext4.ko");
	assert_string_equal(recipe->modules[4].params, "debug=1");
	assert_int_equal(recipe->modules[4].target, -1); /* of both */
}

static void a_kernel_without_modules_needs_no_tree(void **state)
{
	static const char config[] = "# CONFIG_MODULES is not set\nCONFIG_EXT4_FS=y\n";
	struct machine *m = *state;
	struct us_image kernel;

	put_whole(m);
	image_of(m); /* reads the configuration and walks */
	us_capture_image_free(us_steal(&m->image));
	kernel_of(&kernel);
	kernel.release = "9.9.9";
	no_error(us_kconfig_parse(us_bytes_of(config, strlen(config)), &kernel.kconfig));
	no_error(us_capture_image_build(&m->host, m->config, m->walk, &kernel, &m->image));
	us_kconfig_free(kernel.kconfig);
	assert_int_equal(m->image->recipe->n_modules, 0);
	assert_non_null(strstr(m->image->left_out[0], "has no modules"));
}

static void a_module_is_unpacked_when_it_is_loaded(void **state)
{
	_us_blob_deinit_ struct us_blob module = { 0 }, packed = { 0 }, seen = { 0 };
	struct us_recipe_module m = { .bytes = 300000 };
	struct machine *machine = *state;
	_us_close_ int fd = -1;

	no_error(us_blob_new(m.bytes, &module));
	for (size_t i = 0; i < module.n; i++)
		module.p[i] = (uint8_t)(i / 11 * (i % 13));
	no_error(us_module_pack(us_blob_bytes(&module), &packed));
	assert_true(packed.n < module.n / 2);
	put_bytes(machine, "some.ko", 0, packed.p, packed.n);
	m.file = us_pool_format(&machine->host.pool, "%s/some.ko", machine->dir);
	no_error(us_module_open(&m, &fd));
	no_error(us_blob_new(m.bytes + 1, &seen));
	assert_int_equal(read(fd, seen.p, seen.n), m.bytes);
	assert_memory_equal(seen.p, module.p, m.bytes);
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(access(us_pool_format(&machine->host.pool, "%s.unpacked", m.file), F_OK),
			 -1);
}

static void a_module_that_does_not_unpack_is_told(void **state)
{
	static const uint8_t zero[4096];
	_us_blob_deinit_ struct us_blob packed = { 0 };
	struct machine *machine = *state;

	no_error(us_module_pack(us_bytes_of(zero, sizeof(zero)), &packed));
	const struct {
		const char *name;
		size_t n;       /* of the file */
		uint64_t bytes; /* as the recipe says */
		enum us_err_code code;
	} cases[] = {
		{ "absent.ko", 0, 4096, US_ERR_NOT_FOUND },
		{ "long.ko", packed.n, 4095, US_ERR_BAD_DATA },
		{ "short.ko", packed.n, 4097, US_ERR_BAD_DATA },
		{ "cut.ko", packed.n - 1, 4096, US_ERR_BAD_DATA },
		{ "empty.ko", 0, 4096, US_ERR_BAD_DATA },
	};
	for (size_t i = 0; i < us_array_size(cases); i++) {
		const struct us_recipe_module m = {
			.file = us_pool_format(&machine->host.pool, "%s/%s", machine->dir,
					       cases[i].name),
			.bytes = cases[i].bytes,
		};
		int fd = -1;

		if (cases[i].code != US_ERR_NOT_FOUND)
			put_bytes(machine, cases[i].name, 0, packed.p, cases[i].n);
		_us_err_free_ struct us_err *err = us_module_open(&m, &fd);
		assert_non_null(err);
		assert_int_equal(err->code, cases[i].code);
		assert_non_null(strstr(err->text, cases[i].name));
		assert_int_equal(fd, -1);
	}
}

static void firmware_that_is_there_comes_along(void **state)
{
	_us_blob_deinit_ struct us_blob cpio = { 0 };
	struct machine *m = *state;
	struct made_module module;

	put_whole(m);
	make_module_with(&module, EM_X86_64, "firmware=made/it.bin");
	put_bytes(m, TREE "kernel/virtio_blk.ko", 0, &module, sizeof(module));
	make_module_with(&module, EM_X86_64, "firmware=made/other.bin");
	put_bytes(m, TREE "kernel/sum.ko", 0, &module, sizeof(module));
	put(m, "lib/firmware/made/it.bin", "the firmware");
	const struct us_capture_image *image = image_of(m);
	no_error(us_unpack(us_codec_by_name("xz"), image->bytes, 1 << 20, 0, NULL, &cpio, NULL));
	struct us_bytes b = us_blob_bytes(&cpio);
	assert_true(us_bytes_find(b, 0, "lib/firmware/made/it.bin", 25) != SIZE_MAX);
	assert_true(us_bytes_find(b, 0, "the firmware", 12) != SIZE_MAX);
	assert_true(us_bytes_find(b, 0, "lib/firmware/made/other.bin", 27) == SIZE_MAX);
	assert_null(stale(m)[0]);
	put(m, "lib/firmware/made/it.bin", "The firmware");
	assert_non_null(strstr(stale(m)[0], "it.bin has changed"));
}

static void targets_that_cannot_be_used_are_no_part_of_it(void **state)
{
	struct machine *m = *state;

	put_whole(m);
	put(m, "etc/understudy.conf", "target = raw:/dev/absent\ntarget = /var/crash\n   ");
	const struct us_capture_image *image = image_of(m);
	assert_int_equal(image->recipe->n_targets, 1);
	assert_string_equal(image->recipe->targets[0].spec.text, "/var/crash");
	assert_int_equal(image->recipe->modules[0].target, 0);
}

static void the_same_machine_gives_the_same_image(void **state)
{
	_us_blob_deinit_ struct us_blob first = { 0 };
	struct machine *m = *state;

	put_whole(m);
	no_error(us_blob_copy(image_of(m)->bytes, &first));
	assert_true(us_bytes_equal(us_blob_bytes(&first), image_of(m)->bytes));
}

static void one_change(struct machine *m, const char *words)
{
	const char *const *changes = stale(m);

	if (!changes[0] || !strstr(changes[0], words))
		fail_msg("\"%s\" is not told: %s", words, changes[0] ? changes[0] : "nothing");
	if (changes[1])
		fail_msg("more than one: %s; %s", changes[0], changes[1]);
}

static void what_has_changed_is_named(void **state)
{
	struct machine *m = *state;

	put_whole(m);
	image_of(m);
	assert_null(stale(m)[0]);
	put(m, TREE "kernel/jbd2.ko", "JBD2");
	one_change(m, "kernel/jbd2.ko has changed");
	image_of(m);
	remove(us_pool_format(&m->host.pool, "%s/" TREE "kernel/sum.ko", m->dir));
	one_change(m, "kernel/sum.ko is gone");
	put(m, TREE "kernel/sum.ko", "sum");
	put_bytes(m, "dev/vda1", 1024 + 104, "another", 7);
	assert_non_null(
		strstr(stale(m)[0], "device ext file system 30313233-3435-3637-3839-616263646566"));
	image_of(m);
	m->host.release.v = "6.6.7";
	one_change(m, "running kernel release: was 6.6.6, is 6.6.7");
}

static void before_the_network_only_the_rest_is_compared(void **state)
{
	const struct us_walk_sources sources = { dm_table, addresses, resolve, lvm_text, *state };
	const char *const *changes, *manifest;
	struct machine *m = *state;

	put_whole(m);
	manifest = us_pool_format(&m->host.pool,
				  "%snetwork card\t52:54:00:12:34:56 with address x\tnone\n"
				  "module\tvirtio_net\twanted\ntarget\tssh://h/d\tSSH, path /d\n",
				  (image_of(m), m->image->manifest));
	no_error(us_manifest_stale_with(&m->host, &sources, manifest, true, &m->host.pool,
					&changes));
	assert_null(changes[0]);
	no_error(us_manifest_stale_with(&m->host, &sources, manifest, false, &m->host.pool,
					&changes));
	assert_non_null(changes[2]);
	put(m, TREE "kernel/jbd2.ko", "JBD2");
	no_error(us_manifest_stale_with(&m->host, &sources, manifest, true, &m->host.pool,
					&changes));
	assert_non_null(strstr(changes[0], "jbd2.ko has changed"));
	assert_null(changes[1]);
}

static void a_changed_configuration_is_told(void **state)
{
	struct machine *m = *state;

	put_whole(m);
	image_of(m);
	put(m, "etc/understudy.conf", "target = /var/crash\nlevel = 17\n#     ");
	const char *const *changes = stale(m);
	assert_non_null(strstr(changes[0], "/etc/understudy.conf has changed"));
	assert_non_null(strstr(changes[1], "target /nowhere is no longer needed"));
}

/* ---- programs ---- */
static void a_program_that_is_not_there_is_told(void **state)
{
	struct machine *m = *state;
	struct us_program_set set = { .pool = &m->host.pool, .root = m->dir };
	struct us_err *err = us_program_add(&set, "ssh");

	assert_string_equal(err->text, "program ssh is not installed");
	us_err_free(err);
	put(m, "hook", "#!/bin/sh\ntrue\n");
	err = us_program_add(&set, "/hook");
	assert_non_null(strstr(err->text, "/bin/sh"));
	us_err_free(err);
	put(m, "no-program", "text");
	err = us_program_add(&set, "/no-program");
	assert_non_null(strstr(err->text, "is no program"));
	us_err_free(err);
}

static void a_program_brings_its_libraries(void **state)
{
	struct machine *m = *state;
	struct us_program_set set = { .pool = &m->host.pool, .root = "" };
	bool libc = false, loader = false;

	no_error(us_program_add(&set, "/bin/sh"));
	assert_string_equal(set.files[0].path, "/bin/sh");
	for (size_t i = 0; i < set.n; i++) {
		libc = libc || strstr(set.files[i].path, "/libc.so.6");
		loader = loader || strstr(set.files[i].path, "/ld-linux");
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(set.files[i].path, set.files[k].path);
	}
	assert_true(libc && loader);
	size_t n = set.n;
	no_error(us_program_add(&set, "/bin/sh"));
	assert_int_equal(set.n, n);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(modules_come_after_what_they_need),
		TEST(what_a_shared_module_needs_is_shared),
		TEST(what_is_wanted_at_the_end_comes_before_if_others_want_it),
		TEST(a_tree_that_is_not_there_is_an_error),
		TEST(a_module_keeps_what_the_kernel_needs),
		TEST(other_machines_keep_their_symbols),
		TEST(what_is_unusual_is_left_alone),
		TEST(an_archive_is_the_same_each_time),
		TEST(an_image_has_a_recipe_that_reads_back),
		TEST(a_kernel_without_modules_needs_no_tree),
		TEST(a_module_is_unpacked_when_it_is_loaded),
		TEST(a_module_that_does_not_unpack_is_told),
		TEST(firmware_that_is_there_comes_along),
		TEST(targets_that_cannot_be_used_are_no_part_of_it),
		TEST(the_same_machine_gives_the_same_image),
		TEST(what_has_changed_is_named),
		TEST(before_the_network_only_the_rest_is_compared),
		TEST(a_changed_configuration_is_told),
		TEST(a_program_that_is_not_there_is_told),
		TEST(a_program_brings_its_libraries),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
