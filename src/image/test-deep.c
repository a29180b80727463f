/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of the deep look. A bzImage is made here around a small ELF file with the strings of a
 * kernel; and for every real kernel below build/kernels (or US_KERNELS) what the strings prove is
 * compared with its .config.
 */
#include "base/cleanup.h"
#include "base/file.h"
#include "image/deep-int.h"
#include "image/image.h"
#include "image/test-buffer.h"

#include <dirent.h>
#include <elf.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KERNEL_OFFSET 0x400
#define PAYLOAD       0x20 /* in the protected-mode part */
#define NAMES         "\0.rodata\0.text\0.shstrtab"
#define BANNER        "Linux version 6.12.1-lab (me@here) (gcc) "
#define BASICS        BANNER "# SMP then\n\0" BANNER "#7 SMP then\n\0Kernel panic - not syncing\0"

/* An ELF file with strings in .rodata, and behind it, in .text, text that must not be seen. */
static struct buffer make_elf(const char *strings, size_t n)
{
	static const char hidden[] = "\0elfcorehdr\0";
	Elf64_Ehdr h = { .e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = 1 };
	Elf64_Shdr s[4] = { 0 };
	struct buffer b = { .n = 0 };

	memcpy(h.e_ident, ELFMAG "\2\1\1", 7);
	h.e_ehsize = sizeof(h);
	h.e_shentsize = sizeof(s[0]);
	h.e_shnum = 4;
	h.e_shstrndx = 3;
	h.e_shoff = sizeof(h);
	s[1] = (Elf64_Shdr){ .sh_name = 1, .sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC };
	s[1].sh_offset = sizeof(h) + sizeof(s);
	s[1].sh_size = n;
	s[2] = (Elf64_Shdr){ .sh_name = 9,
			     .sh_type = SHT_PROGBITS,
			     .sh_flags = SHF_ALLOC | SHF_EXECINSTR };
	s[2].sh_offset = s[1].sh_offset + n;
	s[2].sh_size = sizeof(hidden);
	s[3] = (Elf64_Shdr){ .sh_name = 15, .sh_type = SHT_STRTAB };
	s[3].sh_offset = s[2].sh_offset + sizeof(hidden);
	s[3].sh_size = sizeof(NAMES);
	put(&b, &h, sizeof(h));
	put(&b, s, sizeof(s));
	put(&b, strings, n);
	put(&b, hidden, sizeof(hidden));
	put(&b, NAMES, sizeof(NAMES));
	return b;
}

/* A bzImage of protocol 2.15 around payload, whose length includes its last 4 bytes. */
static struct buffer make_bzimage(const struct buffer *payload)
{
	struct buffer b = { .n = KERNEL_OFFSET + PAYLOAD };
	uint8_t *p = b.p;

	p[0x1f1] = 1;
	us_put_le16(p + 0x1fe, 0xaa55);
	memcpy(p + 0x200, "\xeb\x6a", 2);
	memcpy(p + 0x202, "HdrS", 4);
	us_put_le16(p + 0x206, 0x20f);
	us_put_le16(p + 0x20e, 0x100);
	memcpy(p + 0x300, "6.12.1-lab (me@here) #7 SMP then", 33);
	p[0x211] = 1;
	us_put_le32(p + 0x230, 0x200000);
	p[0x234] = 1;
	us_put_le16(p + 0x236, US_XLF_KERNEL_64 | US_XLF_ABOVE_4G | US_XLF_5LEVEL);
	us_put_le32(p + 0x238, 2047);
	us_put_le32(p + 0x248, PAYLOAD);
	us_put_le32(p + 0x24c, (uint32_t)payload->n);
	us_put_le32(p + 0x260, 0x1000000);
	put(&b, payload->p, payload->n);
	while (b.n % 16)
		put(&b, "", 1);
	us_put_le32(b.p + 0x1f4, (uint32_t)(b.n - KERNEL_OFFSET) / 16);
	return b;
}

static struct buffer make_kernel(const char *strings, size_t n)
{
	struct buffer elf = make_elf(strings, n), payload = gzip(&elf);

	return make_bzimage(&payload);
}

static struct us_image *look(const char *path, const struct buffer *b, const char *config)
{
	struct us_image *image = NULL;

	assert_null(us_image_parse(path, us_bytes_of(b->p, b->n), &image));
	assert_int_equal(image->kind, US_IMAGE_BZIMAGE);
	assert_null(us_image_look_deep(image, config, NULL));
	assert_true(image->deep);
	return image;
}

static void test_strings_prove_and_their_absence_too(void **state)
{
	static const char strings[] = BASICS "\0kexec_loaded\0no elfcorehdr=0x1 here\0sys_reboot\0";
	struct buffer b = make_kernel(strings, sizeof(strings));
	_us_image_free_ struct us_image *image = look("vmlinuz", &b, NULL);

	(void)state;
	assert_int_equal(image->n_damage, 0);
	assert_int_equal(image->payload_whole, US_YES);
	assert_string_equal(image->payload_codec->name, "gzip");
	assert_int_equal(image->payload_bytes, image->vmlinux.n);
	assert_string_equal(image->release, "6.12.1-lab");
	assert_string_equal(image->banner, BANNER "#7 SMP then");
	assert_null(image->kconfig);
	assert_int_equal(image->caps[US_CAP_KEXEC_CORE].v, US_YES);
	assert_non_null(
		strstr(image->caps[US_CAP_KEXEC_CORE].from, "string \"kexec_loaded\" at 0x"));
	assert_int_equal(image->caps[US_CAP_CRASH_DUMP].v, US_NO);
	assert_string_equal(image->caps[US_CAP_CRASH_DUMP].from,
			    "no string \"elfcorehdr\" in the image");
	assert_int_equal(image->caps[US_CAP_KEXEC].v, US_NO);
	assert_int_equal(image->caps[US_CAP_KEXEC_SIG].v, US_NO);
	assert_int_equal(image->caps[US_CAP_KEXEC_SIG_FORCE].v, US_NO);
	assert_int_equal(image->caps[US_CAP_SMP].v, US_YES);
	assert_int_equal(image->caps[US_CAP_RELOCATABLE].v, US_YES);
	assert_int_equal(image->caps[US_CAP_X86_5LEVEL].v, US_NO);
}

static void test_absence_proves_nothing_where_strings_may_be_missing(void **state)
{
	static const char mute[] = BANNER "#7 SMP\0";
	static const char no_trace[] = BASICS;
	struct buffer b = make_kernel(mute, sizeof(mute)),
		      old = make_kernel(no_trace, sizeof(no_trace));
	_us_image_free_ struct us_image *image = look("vmlinuz", &b, NULL), *other = NULL;
	_us_image_free_ struct us_image *untraced = look("vmlinuz", &old, NULL);

	(void)state;
	assert_int_equal(image->caps[US_CAP_CRASH_DUMP].v, US_UNKNOWN); /* cannot print at all */
	assert_null(image->caps[US_CAP_CRASH_DUMP].from);
	assert_int_equal(untraced->caps[US_CAP_CRASH_DUMP].v, US_NO);
	assert_int_equal(untraced->caps[US_CAP_KEXEC].v, US_UNKNOWN); /* no FTRACE_SYSCALLS */
	{
		static const char ancient[] = "Linux version 3.10.0 (x) #1 SMP\0"
					      "Kernel panic - not syncing\0";

		old = make_kernel(ancient, sizeof(ancient));
		memcpy(old.p + 0x300, "3.10.0 ", 7);
		other = look("vmlinuz", &old, NULL);
		assert_string_equal(other->release, "3.10.0");
		assert_int_equal(other->caps[US_CAP_CRASH_DUMP].v, US_UNKNOWN);
	}
}

/* From 6.9 on "elfcorehdr" comes with VMCORE_INFO; CRASH_DUMP brings a file in sysfs as well. */
static void test_one_string_is_not_enough_where_another_comes_with_it(void **state)
{
	static const char one[] = BASICS "\0elfcorehdr\0";
	static const char both[] = BASICS "\0elfcorehdr\0kexec_crash_loaded\0";
	static const char old[] = "Linux version 6.8.1-lab (x) #7 SMP\0Kernel panic - not syncing\0"
				  "elfcorehdr\0";
	struct buffer a = make_kernel(one, sizeof(one)), b = make_kernel(both, sizeof(both)),
		      c = make_kernel(old, sizeof(old));
	_us_image_free_ struct us_image *image = look("vmlinuz", &a, NULL);
	_us_image_free_ struct us_image *whole = look("vmlinuz", &b, NULL), *older = NULL;

	(void)state;
	assert_int_equal(image->caps[US_CAP_CRASH_DUMP].v, US_NO);
	assert_string_equal(image->caps[US_CAP_CRASH_DUMP].from,
			    "no string \"kexec_crash_loaded\" in the image");
	assert_int_equal(whole->caps[US_CAP_CRASH_DUMP].v, US_YES);
	assert_non_null(strstr(whole->caps[US_CAP_CRASH_DUMP].from, "string \"elfcorehdr\" at 0x"));
	memcpy(c.p + 0x300, "6.8.1-lab ", 10);
	older = look("vmlinuz", &c, NULL);
	assert_int_equal(older->caps[US_CAP_CRASH_DUMP].v, US_YES);
}

static void test_every_cut_of_the_payload_is_damage(void **state)
{
	static const char strings[] = BASICS;
	struct buffer elf = make_elf(strings, sizeof(strings)), payload = gzip(&elf);
	struct buffer b = make_bzimage(&payload);

	(void)state;
	for (size_t n = KERNEL_OFFSET + PAYLOAD + 16; n < KERNEL_OFFSET + PAYLOAD + payload.n; n++) {
		struct buffer cut = b;
		_us_image_free_ struct us_image *image = NULL;
		bool told = false;

		cut.n = n;
		image = look("vmlinuz", &cut, NULL);
		assert_int_equal(image->payload_whole, US_NO);
		for (size_t i = 0; i < image->n_damage; i++)
			told |= strncmp(image->damage[i].text, "payload: ", 9) == 0;
		assert_true(told);
	}
	for (size_t i = 10; i < payload.n; i += 3) {
		struct buffer bad = b;
		_us_image_free_ struct us_image *image = NULL;

		bad.p[KERNEL_OFFSET + PAYLOAD + i] ^= 0x55;
		image = look("vmlinuz", &bad, NULL);
		assert_int_equal(image->payload_whole, US_NO);
		assert_true(image->n_damage > 0);
	}
}

static void test_promised_size_and_release_must_agree(void **state)
{
	static const char strings[] = BASICS;
	struct buffer elf = make_elf(strings, sizeof(strings)), payload = gzip(&elf), b;
	_us_image_free_ struct us_image *appended = NULL, *wrong = NULL, *more = NULL,
					*other = NULL;
	uint8_t size[4];

	(void)state;
	us_put_le32(size, (uint32_t)elf.n);
	put(&payload, size, 4);
	b = make_bzimage(&payload);
	appended = look("vmlinuz", &b, NULL);
	assert_int_equal(appended->payload_whole, US_YES);
	b.p[KERNEL_OFFSET + PAYLOAD + payload.n - 4] ^= 1;
	wrong = look("vmlinuz", &b, NULL);
	assert_int_equal(wrong->payload_whole, US_NO);
	assert_int_equal(wrong->damage[0].offset, KERNEL_OFFSET + PAYLOAD + payload.n - 4);
	assert_non_null(strstr(wrong->damage[0].text, "its last bytes promise 0x"));
	put(&payload, size, 2);
	b = make_bzimage(&payload);
	more = look("vmlinuz", &b, NULL);
	assert_int_equal(more->payload_whole, US_NO);
	memcpy(b.p + 0x300, "6.12.2-lab", 10);
	other = look("vmlinuz", &b, NULL);
	assert_string_equal(other->damage[other->n_damage - 1].text,
			    "the header says release 6.12.2-lab, the kernel inside is 6.12.1-lab");
}

/* .rodata with an IKCONFIG made of config; flaw: turn this byte of it. */
static struct buffer make_ikconfig_kernel(const char *config, size_t flaw)
{
	struct buffer text = { .n = 0 }, all = { .n = 0 }, packed;

	put(&text, config, strlen(config));
	packed = gzip(&text);
	put(&all, BASICS, sizeof(BASICS));
	put(&all, "IKCFG_ST", 8);
	put(&all, packed.p, packed.n);
	put(&all, "IKCFG_ED", 9);
	if (flaw)
		all.p[all.n - flaw] ^= 1;
	return make_kernel((const char *)all.p, all.n);
}

static void test_ikconfig_is_the_best_witness(void **state)
{
	static const char config[] = "# Linux/x86 6.12.1 Kernel Configuration\n"
				     "CONFIG_CRASH_DUMP=y\nCONFIG_RD_XZ=y\nCONFIG_EFI=m\n";
	struct buffer good = make_ikconfig_kernel(config, 0),
		      bad = make_ikconfig_kernel(config, 20);
	struct buffer endless = make_ikconfig_kernel(config, 2);
	_us_image_free_ struct us_image *image = look("vmlinuz", &good, "/nonexistent/config");
	_us_image_free_ struct us_image *broken = look("vmlinuz", &bad, NULL);
	_us_image_free_ struct us_image *no_end = look("vmlinuz", &endless, NULL);

	(void)state;
	assert_non_null(image->kconfig);
	assert_non_null(strstr(image->kconfig_from, "IKCONFIG in the image at 0x"));
	assert_non_null(strstr(image->kconfig_note, "not used: the image has its own"));
	assert_int_equal(image->caps[US_CAP_CRASH_DUMP].v, US_YES);
	assert_int_equal(image->caps[US_CAP_RD_XZ].v, US_YES);
	assert_int_equal(image->caps[US_CAP_RD_ZSTD].v, US_NO);
	assert_int_equal(image->caps[US_CAP_EFI].v, US_NO);
	assert_null(broken->kconfig);
	assert_non_null(strstr(broken->kconfig_note, "IKCONFIG in the image not used: "));
	assert_int_equal(broken->caps[US_CAP_CRASH_DUMP].v, US_NO);
	assert_null(no_end->kconfig);
	assert_non_null(strstr(no_end->kconfig_note, "no IKCFG_ED at 0x"));
}

static char folder[] = "/tmp/test-deep-XXXXXX";

static const char *path_of(char path[80], const char *name)
{
	snprintf(path, 80, "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	char path[80];

	assert_null(us_file_replace(path_of(path, name), us_bytes_of(text, strlen(text))));
}

#define CONFIG(arch, version) "# Linux/" arch " " version " Kernel Configuration\nCONFIG_RD_XZ=y\n"

static void test_config_file_must_fit(void **state)
{
	static const struct {
		const char *text, *note; /* note: what it holds, NULL: none */
		bool used;
	} cases[] = {
		{ CONFIG("x86", "6.12.1"), NULL, true },
		{ CONFIG("x86", "6.12.7"), "details may differ", true },
		{ CONFIG("x86", "6.1.1"),
		  "not used: it is for Linux/x86 6.1.1, the image is x86 6.12.1", false },
		{ CONFIG("x86", "5.12.1"), "not used", false },
		{ CONFIG("arm64", "6.12.1"), "not used", false },
		{ CONFIG("x86", "nothing"), "does not say which kernel", true },
		{ "CONFIG_RD_XZ=y\n", "does not say which kernel", true },
	};
	static const char strings[] = BASICS;
	struct buffer b = make_kernel(strings, sizeof(strings));
	char path[80];

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++) {
		_us_image_free_ struct us_image *image = NULL;

		write_file("config", cases[i].text);
		image = look("vmlinuz", &b, path_of(path, "config"));
		assert_int_equal(image->kconfig != NULL, cases[i].used);
		assert_int_equal(image->caps[US_CAP_RD_XZ].v, cases[i].used ? US_YES : US_NO);
		if (!cases[i].note)
			assert_null(image->kconfig_note);
		else if (!strstr(image->kconfig_note, cases[i].note))
			fail_msg("case %zu: %s", i, image->kconfig_note);
	}
}

static void test_config_file_that_was_named_must_be_readable(void **state)
{
	static const char strings[] = BASICS;
	struct buffer b = make_kernel(strings, sizeof(strings));
	struct us_image *image = NULL;
	struct us_err *err;
	char path[80];

	(void)state;
	assert_null(us_image_parse("vmlinuz", us_bytes_of(b.p, b.n), &image));
	err = us_image_look_deep(image, "/nonexistent/config", NULL);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_NOT_FOUND);
	us_err_free(err);
	write_file("config", "no config\n");
	err = us_image_look_deep(image, path_of(path, "config"), NULL);
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_BAD_DATA);
	us_err_free(err);
	assert_false(image->deep);
	us_image_free(image);
}

static void test_config_beside_the_image_is_found_and_doubted(void **state)
{
	static const char strings[] = BASICS "\0Input is not in the ZSTD format\0";
	struct buffer b = make_kernel(strings, sizeof(strings));
	_us_image_free_ struct us_image *image = NULL, *broken = NULL;
	char path[80];

	(void)state;
	write_file("config-6.12.1-lab", CONFIG("x86", "6.12.1"));
	image = look(path_of(path, "vmlinuz"), &b, NULL);
	assert_string_equal(image->kconfig_from, path_of(path, "config-6.12.1-lab"));
	assert_int_equal(image->caps[US_CAP_RD_XZ].v, US_YES);
	assert_int_equal(image->caps[US_CAP_RD_LZ4].v, US_NO);
	assert_int_equal(image->caps[US_CAP_RD_ZSTD].v, US_YES); /* the string is there */
	assert_non_null(
		strstr(image->kconfig_note, "is not of this image: it has no CONFIG_RD_ZSTD"));

	write_file("config-6.12.1-lab", "garbage\n");
	broken = look(path_of(path, "vmlinuz"), &b, NULL);
	assert_null(broken->kconfig);
	assert_non_null(strstr(broken->kconfig_note, "not used: "));
}

static void test_scan_sees_every_place(void **state)
{
	struct us_needle needles[] = {
		{ "abcd", 4, US_NOWHERE },
		{ "abcd", 4, US_NOWHERE },
		{ "\0xyz\0", 5, US_NOWHERE },
		{ "abcde", 5, US_NOWHERE },
	};
	static const char text[] = "abcabcdabcd\0xyz\0abcdeabcde";

	(void)state;
	us_scan(us_bytes_of(text, sizeof(text) - 1), 100, needles, us_array_size(needles));
	assert_int_equal(needles[0].at, 103);
	assert_int_equal(needles[1].at, 107);
	assert_int_equal(needles[2].at, 111);
	assert_int_equal(needles[3].at, 116);
	us_scan(us_bytes_of(NULL, 0), 0, needles, us_array_size(needles));
	us_scan(us_bytes_of("abc", 3), 0, needles, us_array_size(needles));
}

/* What strings prove, without the .config that the image may carry. */
static void forget_ikconfig(struct us_image *image)
{
	struct us_needle needles[US_NEEDLES_MAX];
	size_t n = us_cap_needles(needles);

	us_kconfig_free(image->kconfig);
	image->kconfig = NULL;
	memset(image->caps, 0, sizeof(image->caps));
	us_scan(image->vmlinux, 0, needles, n);
	assert_null(us_caps_judge(image, false, needles));
}

static enum us_tri in_config(const struct us_kconfig *config, enum us_cap cap,
			     const struct us_image *image)
{
	unsigned int major, minor, patch;

	if (cap == US_CAP_DEBUG_HEAVY)
		return us_kconfig_wants(config, "PROVE_LOCKING=y | DEBUG_PAGEALLOC=y");
	assert_true(us_release_numbers(image->release, &major, &minor, &patch));
	if (cap == US_CAP_X86_5LEVEL && (major > 6 || (major == 6 && minor >= 17)))
		return US_YES; /* no longer a choice */
	return us_kconfig_builtin(config, us_cap_name(cap));
}

static void compare_with_config(const char *dir, const char *name)
{
	_us_blob_deinit_ struct us_blob file = { 0 }, text = { 0 };
	_us_kconfig_free_ struct us_kconfig *config = NULL;
	_us_image_free_ struct us_image *image = NULL;
	char path[700];

	snprintf(path, sizeof(path), "%s/%s/boot/vmlinuz", dir, name);
	assert_null(us_file_map(path, &file));
	snprintf(path, sizeof(path), "%s/%s/config", dir, name);
	assert_null(us_file_map(path, &text));
	assert_null(us_kconfig_parse(us_blob_bytes(&text), &config));
	assert_null(us_image_parse(name, us_blob_bytes(&file), &image));
	assert_null(us_image_look_deep(image, NULL, NULL));
	assert_int_equal(image->payload_whole, US_YES);
	assert_int_equal(image->n_damage, 0);
	if (image->kconfig)
		forget_ikconfig(image);
	for (enum us_cap cap = 0; cap < US_CAP_COUNT; cap++) {
		const struct us_cap_fact *fact = &image->caps[cap];
		enum us_tri truth = in_config(config, cap, image);
		bool may_hide = cap == US_CAP_KEXEC_SIG_FORCE ||
				(cap == US_CAP_KEXEC &&
				 us_kconfig_wants(config, "FTRACE_SYSCALLS=n") == US_YES);

		if (fact->v != truth && !(fact->v == US_UNKNOWN && may_hide))
			fail_msg("%s: %s is %s by the .config, %s by %s", name, us_cap_name(cap),
				 us_tri_name(truth), us_tri_name(fact->v),
				 fact->from ? fact->from : "nothing");
	}
}

static void test_strings_agree_with_the_config_of_real_kernels(void **state)
{
	const char *fixtures = getenv("US_FIXTURES"), *kernels = getenv("US_KERNELS");
	_us_closedir_ DIR *dir = NULL;
	unsigned int compared = 0;
	const struct dirent *e;
	char path[400], file[700];

	(void)state;
	snprintf(path, sizeof(path), "%s%s",
		 kernels    ? kernels
		 : fixtures ? fixtures
			    : ".",
		 kernels ? "" : "/../../build/kernels");
	dir = opendir(path);
	while (dir && (e = readdir(dir))) {
		snprintf(file, sizeof(file), "%s/%s/config", path, e->d_name);
		if (e->d_name[0] == '.' || access(file, R_OK) < 0)
			continue;
		compare_with_config(path, e->d_name);
		compared++;
	}
	print_message("compared with the .config of %u kernels in %s%s\n", compared, path,
		      compared ? "" : " (make setup fetches them)");
	if (!compared)
		skip();
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int drop_folder(void **state)
{
	static const char *const names[] = { "config", "config-6.12.1-lab" };
	char path[80];

	(void)state;
	for (size_t i = 0; i < us_array_size(names); i++)
		unlink(path_of(path, names[i]));
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_strings_prove_and_their_absence_too),
		cmocka_unit_test(test_absence_proves_nothing_where_strings_may_be_missing),
		cmocka_unit_test(test_one_string_is_not_enough_where_another_comes_with_it),
		cmocka_unit_test(test_every_cut_of_the_payload_is_damage),
		cmocka_unit_test(test_promised_size_and_release_must_agree),
		cmocka_unit_test(test_ikconfig_is_the_best_witness),
		cmocka_unit_test(test_config_file_must_fit),
		cmocka_unit_test(test_config_file_that_was_named_must_be_readable),
		cmocka_unit_test(test_config_beside_the_image_is_found_and_doubted),
		cmocka_unit_test(test_scan_sees_every_place),
		cmocka_unit_test(test_strings_agree_with_the_config_of_real_kernels),
	};

	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
