/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of opening images: whole ones are known and read in full, each contradiction is named at
 * its offset. The inputs are the seeds of the fuzzer (made from tests/fixtures/images), patched.
 */
#include "image/image.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "image/image-int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>
#include <cmocka.h>

static struct us_blob seed(const char *name)
{
	const char *fixtures = getenv("US_FIXTURES");
	struct us_blob mapped = { 0 }, copy = { 0 };
	char path[4096];

	assert_non_null(fixtures);
	snprintf(path, sizeof(path), "%s/../fuzz/corpus/image/%s", fixtures, name);
	assert_null(us_file_map(path, &mapped));
	assert_null(us_blob_copy(us_blob_bytes(&mapped), &copy));
	us_blob_deinit(&mapped);
	return copy;
}

static struct us_image *parse(struct us_bytes file)
{
	struct us_image *image = NULL;

	assert_null(us_image_parse("made", file, &image));
	assert_non_null(image);
	return image;
}

static void put(struct us_blob *blob, size_t off, size_t bytes, uint64_t v)
{
	assert_true(us_bytes_has(us_blob_bytes(blob), off, bytes));
	for (size_t i = 0; i < bytes; i++)
		blob->p[off + i] = (uint8_t)(v >> 8 * i);
}

static const struct us_damage *find_damage(const struct us_image *image, const char *text)
{
	for (size_t i = 0; i < image->n_damage; i++)
		if (strstr(image->damage[i].text, text))
			return &image->damage[i];
	return NULL;
}

static void test_whole_images_are_known(void **state)
{
	static const struct {
		const char *name;
		enum us_image_kind kind;
		size_t layers;
		const char *codec; /* of the outermost layer */
		enum us_arch_id arch;
		uint64_t run_bytes, align, pref_address;
		uint32_t cmdline_max;
		enum us_tri relocatable;
	} cases[] = {
#define BZ  US_ARCH_X86_64, 0x800000, 0x200000, 0x1000000, 2047, US_YES
#define ARM US_ARCH_ARM64, 0x20000, 0x200000, 0, 2047, US_YES
		{ "bzimage", US_IMAGE_BZIMAGE, 1, NULL, BZ },
		{ "bzimage-pe", US_IMAGE_BZIMAGE, 1, NULL, BZ },
		{ "bzimage-lzo", US_IMAGE_BZIMAGE, 1, NULL, BZ },
		{ "packed-bzip2", US_IMAGE_BZIMAGE, 2, "bzip2", BZ },
		{ "packed-lz4", US_IMAGE_BZIMAGE, 2, "lz4", BZ },
		{ "packed-lz4frame", US_IMAGE_BZIMAGE, 2, "lz4", BZ },
		{ "packed-lzma", US_IMAGE_BZIMAGE, 2, "lzma", BZ },
		{ "packed-lzo", US_IMAGE_BZIMAGE, 2, "lzo", BZ },
		{ "packed-xz", US_IMAGE_BZIMAGE, 2, "xz", BZ },
		{ "packed-zstd", US_IMAGE_BZIMAGE, 2, "zstd", BZ },
		{ "uki", US_IMAGE_BZIMAGE, 2, NULL, BZ },
		{ "arm64", US_IMAGE_HEADER, 1, NULL, ARM },
		{ "zboot", US_IMAGE_HEADER, 2, "gzip", ARM },
		{ "zboot-xz", US_IMAGE_HEADER, 2, "xz", ARM },
		{ "zboot-zstd", US_IMAGE_HEADER, 2, "zstd", ARM },
		{ "riscv", US_IMAGE_HEADER, 1, NULL, US_ARCH_RISCV64, 0x20000, 0x200000, 0, 1023,
		  US_YES },
		{ "vmlinux", US_IMAGE_ELF, 1, NULL, US_ARCH_X86_64, 0x1188, 0x200000, 0x1000000,
		  2047, US_UNKNOWN },
		{ "vmlinux32be", US_IMAGE_ELF, 1, NULL, US_ARCH_UNKNOWN, 0x40, 0x1000, 0x1000, 0,
		  US_UNKNOWN },
		{ "packed-twice", US_IMAGE_ELF, 3, "xz", US_ARCH_X86_64, 0x1188, 0x200000,
		  0x1000000, 2047, US_UNKNOWN },
	};

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++) {
		_us_blob_deinit_ struct us_blob blob = seed(cases[i].name);
		_us_image_free_ struct us_image *image = parse(us_blob_bytes(&blob));

		assert_int_equal(image->kind, cases[i].kind);
		assert_null(image->why_none);
		assert_int_equal(image->n_damage, 0);
		assert_int_equal(image->n_nest, cases[i].layers);
		assert_int_equal(image->nest[image->n_nest - 1].kind, cases[i].kind);
		if (cases[i].codec)
			assert_string_equal(image->nest[0].codec->name, cases[i].codec);
		else
			assert_null(image->nest[0].codec);
		assert_int_equal(image->arch->id, cases[i].arch);
		assert_int_equal(image->run_bytes, cases[i].run_bytes);
		assert_int_equal(image->align, cases[i].align);
		assert_int_equal(image->pref_address, cases[i].pref_address);
		assert_int_equal(image->cmdline_max, cases[i].cmdline_max);
		assert_int_equal(image->relocatable, cases[i].relocatable);
		if (image->kind == US_IMAGE_BZIMAGE)
			assert_string_equal(image->release, "6.12.0-made");
	}
}

static void test_setup_header_is_read_in_full(void **state)
{
	_us_blob_deinit_ struct us_blob blob = seed("bzimage");
	_us_image_free_ struct us_image *image = parse(us_blob_bytes(&blob));
	const struct us_setup *s = &image->setup;

	(void)state;
	assert_int_equal(s->setup_sects, 1);
	assert_int_equal(s->root_flags, 1);
	assert_int_equal(s->vid_mode, 0xffff);
	assert_int_equal(s->boot_flag, 0xaa55);
	assert_int_equal(s->version, 0x20f);
	assert_int_equal(s->start_sys_seg, 0x1000);
	assert_int_equal(s->loadflags, 1);
	assert_int_equal(s->setup_move_size, 0x8000);
	assert_int_equal(s->code32_start, 0x100000);
	assert_int_equal(s->heap_end_ptr, 0x5500);
	assert_int_equal(s->initrd_addr_max, 0x7fffffff);
	assert_int_equal(s->kernel_alignment, 0x200000);
	assert_int_equal(s->relocatable_kernel, 1);
	assert_int_equal(s->min_alignment, 21);
	assert_int_equal(s->xloadflags, 0x7f);
	assert_int_equal(s->cmdline_size, 2047);
	assert_int_equal(s->payload_offset, 64);
	assert_int_equal(s->pref_address, 0x1000000);
	assert_int_equal(s->init_size, 0x800000);
	assert_int_equal(s->handover_offset, 0x10);
	assert_int_equal(s->header_end, 0x26c);
	assert_int_equal(s->kernel_offset, 1024);
	assert_int_equal(s->kernel_bytes, blob.n - 1024);
	assert_int_equal(s->kernel_bytes, s->syssize * 16);
	assert_int_equal(s->setup_type_max, 9);
	assert_int_equal(image->payload_codec->id, US_CODEC_GZIP);
	assert_string_equal(image->banner, "6.12.0-made (nobody@nowhere) #1 SMP PREEMPT_DYNAMIC");
}

static void test_older_protocols_lack_the_newer_fields(void **state)
{
	_us_blob_deinit_ struct us_blob blob = seed("bzimage");
	_us_image_free_ struct us_image *image = NULL;

	(void)state;
	put(&blob, 0x206, 2, 0x205);
	image = parse(us_blob_bytes(&blob));
	assert_int_equal(image->kind, US_IMAGE_BZIMAGE);
	assert_int_equal(image->n_damage, 0);
	assert_int_equal(image->setup.kernel_alignment, 0x200000);
	assert_int_equal(image->setup.xloadflags, 0);
	assert_int_equal(image->setup.init_size, 0);
	assert_int_equal(image->setup.payload_length, 0);
	assert_int_equal(image->cmdline_max, 255);
	assert_int_equal(image->arch->id, US_ARCH_UNKNOWN);
	assert_int_equal(image->relocatable, US_YES);
}

static void test_a_zero_of_setup_sects_means_four(void **state)
{
	_us_blob_deinit_ struct us_blob blob = seed("bzimage");
	_us_image_free_ struct us_image *image = NULL;

	(void)state;
	put(&blob, 0x1f1, 1, 0);
	image = parse(us_blob_bytes(&blob));
	assert_int_equal(image->setup.setup_sects, 4);
	assert_int_equal(image->setup.kernel_offset, 5 * 512);
	assert_non_null(find_damage(image, "cut short"));
}

struct poke {
	size_t off, bytes;
	uint64_t v;
	uint64_t at;      /* where the damage must be told */
	const char *text; /* and what it must say */
};

static void assert_pokes(const char *name, const struct poke *pokes, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		_us_blob_deinit_ struct us_blob blob = seed(name);
		_us_image_free_ struct us_image *image = NULL;
		const struct us_damage *damage;

		put(&blob, pokes[i].off, pokes[i].bytes, pokes[i].v);
		image = parse(us_blob_bytes(&blob));
		damage = find_damage(image, pokes[i].text);
		if (!damage)
			fail_msg("%s at 0x%zx: no damage says \"%s\"", name, pokes[i].off,
				 pokes[i].text);
		assert_int_equal(damage->offset, pokes[i].at);
	}
}

static void test_damage_of_a_bzimage_is_named_at_its_field(void **state)
{
	static const struct poke pokes[] = {
		{ 0x1f1, 1, 255, 0x1f1, "real-mode part" },
		{ 0x1f4, 4, 0, 0x1f4, "syssize is 0" },
		{ 0x1f4, 4, 0x1000, 0x1f4, "cut short: the header promises 0x10400 bytes" },
		{ 0x1f4, 4, UINT32_MAX, 0x1f4, "cut short" },
		{ 0x1fe, 2, 0x1234, 0x1fe, "0x1234 instead of 0xaa55" },
		{ 0x200, 1, 0xe9, 0x200, "no short jump" },
		{ 0x201, 1, 0x60, 0x201, "the header ends at 0x262, protocol 2.15" },
		{ 0x201, 1, 0xff, 0x201, "boot_params has room to 0x290" },
		{ 0x206, 2, 0x1ff, 0x206, "protocol version 0x01ff" },
		{ 0x20e, 2, 0xffff, 0x20e, "past the real-mode part" },
		{ 0x20e, 2, 0x1, 0x20e, "is no text" },
		{ 0x230, 4, 0x300000, 0x230, "no power of two" },
		{ 0x230, 4, 0, 0x230, "no power of two" },
		{ 0x234, 1, 2, 0x234, "neither 0 nor 1" },
		{ 0x234, 1, 0, 0x236, "relocatable_kernel is 0" },
		{ 0x235, 1, 22, 0x235, "min_alignment" },
		{ 0x235, 1, 255, 0x235, "min_alignment" },
		{ 0x236, 2, 0x5f, 0x236, "XLF_5LEVEL_ENABLED without XLF_5LEVEL" },
		{ 0x236, 2, 0x7e, 0x236, "XLF_5LEVEL without XLF_KERNEL_64" },
		{ 0x238, 4, 0, 0x238, "cmdline_size" },
		{ 0x238, 4, UINT32_MAX, 0x238, "cmdline_size" },
		{ 0x248, 4, UINT32_MAX, 0x248, "leaves the protected-mode part" },
		{ 0x248, 4, 0, 0x400, "f4 f4 f4 f4 f4 f4: neither an ELF" },
		{ 0x24c, 4, 3, 0x24c, "holds no kernel" },
		{ 0x24c, 4, 0x100000, 0x248, "leaves the protected-mode part" },
		{ 0x258, 8, 0x1000001, 0x258, "no multiple of kernel_alignment" },
		{ 0x258, 8, 0xfffffffffff00000, 0x258, "beyond any physical address" },
		{ 0x260, 4, 0, 0x260, "not what a kernel needs" },
		{ 0x260, 4, UINT32_MAX, 0x260, "not what a kernel needs" },
		{ 0x260, 4, 0x20, 0x260, "less than the packed payload" },
		{ 0x260, 4, 0x1f0, 0x260, "less than what the payload unpacks to, 0x200" },
		{ 0x264, 4, 0x100000, 0x264, "handover_offset" },
		{ 0x268, 4, 0x20, 0x268, "no kernel_info (\"LToP\") at 0x420" },
		{ 0x268, 4, UINT32_MAX, 0x268, "kernel_info_offset" },
	};

	(void)state;
	assert_pokes("bzimage", pokes, us_array_size(pokes));
}

static void test_damage_of_an_elf_is_named(void **state)
{
	static const struct poke pokes[] = {
		{ 0x20, 8, 0xfff0, 0x20, "program headers at 0xfff0" },
		{ 0x20, 8, UINT64_MAX, 0x20, "program headers at" },
		{ 0x18, 8, 0x5000000, 0x18, "entry 0x5000000 is in no loadable segment" },
		{ 0x36, 2, 32, 0x36, "32 bytes instead of 56" },
		{ 0x38, 2, 0, 0x38, "no program headers" },
		{ 0x40, 4, 3, 0x40, "PT_INTERP" },
		{ 0x40, 4, 2, 0x40, "no loadable segment" },
		{ 0x48, 8, 0x1ff, 0x40, "cut short: segment 0" },
		{ 0x48, 8, UINT64_MAX, 0x40, "cut short: segment 0" },
		{ 0x58, 8, UINT64_MAX - 1, 0x40, "past the last address" },
		{ 0x68, 8, 1, 0x40, "only 0x1 in memory" },
		{ 0x70, 8, 3, 0x40, "no power of two" },
	};

	(void)state;
	assert_pokes("vmlinux", pokes, us_array_size(pokes));
}

static void test_damage_of_wrappers_is_named(void **state)
{
	static const struct poke zboot[] = {
		{ 8, 4, 0xffffff, 8, "EFI zboot: cut short" },
		{ 12, 4, 0, 8, "EFI zboot: cut short" },
		{ 24, 1, 'x', 24, "unknown compression \"xzip\"" },
		{ 24, 1, 7, 24, "unknown compression \"\"" },
		{ 0xf8 + 12, 4, UINT32_MAX, 0xf8,
		  "EFI zboot: gzip payload at 0xf8: unpacking: gzip" },
	};
	static const struct poke uki[] = {
		{ 0xf8 + 6 * 40 + 20, 4, 0xffffff, 0x1e8, "UKI: cut short: section .linux" },
		{ 0xf8 + 1 * 40 + 20, 4, 0xffffff, 0x120, "UKI: cut short: section .cmdline" },
		{ 0xf8 + 6 * 40 + 16, 4, 0, 0x1e8, "section .linux is empty" },
	};
	static const struct poke packed[] = {
		{ 20, 4, UINT32_MAX, 0, "packed file: unpacking: zstd: " },
	};

	(void)state;
	assert_pokes("zboot", zboot, us_array_size(zboot));
	assert_pokes("uki", uki, us_array_size(uki));
	assert_pokes("packed-zstd", packed, us_array_size(packed));
}

static void test_damage_of_an_image_header_is_named(void **state)
{
	static const struct poke pokes[] = {
		{ 8, 8, UINT64_MAX, 8, "text_offset" },
		{ 16, 8, UINT64_MAX, 16, "image_size" },
	};

	(void)state;
	assert_pokes("arm64", pokes, us_array_size(pokes));
}

/* Every prefix of an image that says how long it is: cut short, or not an image any more. */
static void test_every_cut_is_noticed(void **state)
{
	static const char *const names[] = { "bzimage",   "bzimage-zstd", "vmlinux32be", "zboot",
					     "packed-xz", "packed-bzip2", "packed-lzo" };

	(void)state;
	for (size_t i = 0; i < us_array_size(names); i++) {
		_us_blob_deinit_ struct us_blob blob = seed(names[i]);

		for (size_t n = 0; n < blob.n; n++) {
			_us_blob_deinit_ struct us_blob cut = { 0 };
			_us_image_free_ struct us_image *image = NULL;

			assert_null(us_blob_copy(us_bytes_of(blob.p, n), &cut));
			image = parse(us_blob_bytes(&cut));
			if (!image->n_damage && image->kind != US_IMAGE_NONE)
				fail_msg("%s cut to 0x%zx bytes passes", names[i], n);
		}
	}
}

static void assert_bytes(struct us_bytes b, const char *text)
{
	assert_int_equal(b.n, strlen(text));
	assert_memory_equal(b.p, text, b.n);
}

static void test_a_uki_gives_its_parts(void **state)
{
	_us_blob_deinit_ struct us_blob blob = seed("uki");
	_us_image_free_ struct us_image *image = parse(us_blob_bytes(&blob));

	(void)state;
	assert_int_equal(image->nest[0].kind, US_IMAGE_UKI);
	assert_int_equal(image->nest[0].offset, image->kernel.p - blob.p);
	assert_bytes(image->cmdline, "root=LABEL=made quiet");
	assert_bytes(image->uname, "6.12.0-made");
	assert_bytes(image->osrel, "ID=made\n");
	assert_bytes(image->ucode, "070701");
	assert_true(us_bytes_match(image->initrd, 0, "\x1f\x8b", 2));
	assert_true(us_bytes_match(image->dtb, 0, "\xd0\x0d\xfe\xed", 4));
	assert_int_equal(image->dtb.n, 4);
}

static void test_the_first_profile_of_a_uki_holds(void **state)
{
	_us_blob_deinit_ struct us_blob blob = seed("uki-profiles");
	_us_image_free_ struct us_image *image = parse(us_blob_bytes(&blob));

	(void)state;
	assert_int_equal(image->kind, US_IMAGE_BZIMAGE);
	assert_bytes(image->cmdline, "first");
}

static void test_what_is_no_image_says_what_was_looked_for(void **state)
{
	static const struct {
		const char *p;
		size_t n;
		const char *guess;
	} cases[] = {
		{ "", 0, "in 0x0 bytes" },
		{ "070701", 6, "cpio archive" },
		{ "\x7f"
		  "ELF\2\1\1\0\0\0\0\0\0\0\0\0\1\0",
		  18, "kernel module" },
		{ "MZ......", 8, "PE file" },
		{ "#!/bin/sh", 9, "a script" },
		{ "hello", 5, "in 0x5 bytes" },
	};

	(void)state;
	for (size_t i = 0; i < us_array_size(cases); i++) {
		_us_image_free_ struct us_image *image = parse(us_bytes_of(cases[i].p, cases[i].n));

		assert_int_equal(image->kind, US_IMAGE_NONE);
		assert_non_null(strstr(image->why_none, cases[i].guess));
		assert_non_null(strstr(image->why_none, "\"HdrS\" at 0x202"));
		assert_non_null(strstr(image->why_none, ".linux section"));
		assert_int_equal(image->n_nest, 0);
	}
}

/* A gzip member with one stored block: a layer around b without a compressor. */
static struct us_blob wrapped(struct us_bytes b)
{
	static const uint8_t head[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1 };
	struct us_blob out = { 0 };
	size_t at = sizeof(head);

	assert_true(b.n < 0x10000);
	assert_null(us_blob_new(at + 4 + b.n + 8, &out));
	memcpy(out.p, head, at);
	us_put_le16(out.p + at, (uint16_t)b.n);
	us_put_le16(out.p + at + 2, (uint16_t)~b.n);
	memcpy(out.p + at + 4, b.p, b.n);
	us_put_le32(out.p + at + 4 + b.n, (uint32_t)crc32(0, b.p, (uInt)b.n));
	us_put_le32(out.p + at + 8 + b.n, (uint32_t)b.n);
	return out;
}

static void test_layers_have_a_limit(void **state)
{
	struct us_blob blob = seed("vmlinux");

	(void)state;
	for (unsigned int layers = 1; layers <= 9; layers++) {
		_us_image_free_ struct us_image *image = NULL;
		struct us_blob outer = wrapped(us_blob_bytes(&blob));

		us_blob_deinit(&blob);
		blob = outer;
		image = parse(us_blob_bytes(&blob));
		assert_int_equal(image->kind, layers < 8 ? US_IMAGE_ELF : US_IMAGE_NONE);
		if (layers >= 8)
			assert_non_null(strstr(image->why_none, "more than 8 layers"));
	}
	us_blob_deinit(&blob);
}

static void test_a_layer_around_no_image_is_named(void **state)
{
	_us_blob_deinit_ struct us_blob blob = wrapped(us_bytes_of("hello", 5));
	_us_image_free_ struct us_image *image = parse(us_blob_bytes(&blob));

	(void)state;
	assert_int_equal(image->kind, US_IMAGE_NONE);
	assert_int_equal(image->n_nest, 1);
	assert_non_null(strstr(image->why_none, "inside the gzip layer: in 0x5 bytes"));
}

static void test_unpacking_is_bounded(void **state)
{
	(void)state;
	assert_int_equal(us_image_unpack_max(0), 64u << 20);
	assert_int_equal(us_image_unpack_max(1u << 20), 256u << 20);
	assert_int_equal(us_image_unpack_max(SIZE_MAX), 1u << 30);
}

static void test_bits_of_xloadflags_have_names(void **state)
{
	(void)state;
	assert_string_equal(us_xloadflag_name(0), "XLF_KERNEL_64");
	assert_string_equal(us_xloadflag_name(5), "XLF_5LEVEL");
	assert_string_equal(us_xloadflag_name(7), "XLF_MEM_ENCRYPTION");
	assert_null(us_xloadflag_name(8));
	for (unsigned int kind = 0; kind < US_IMAGE_KINDS; kind++)
		assert_non_null(us_image_kind_name((enum us_image_kind)kind));
}

static void test_a_missing_file_is_an_error(void **state)
{
	struct us_image *image = NULL;
	_us_err_free_ struct us_err *err = us_image_open("/nonexistent/vmlinuz", NULL, &image);

	(void)state;
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_NOT_FOUND);
	assert_null(image);
}

static void told(struct us_progress *p, const char *what, uint64_t done, uint64_t total)
{
	assert_non_null(what);
	*(bool *)p->data = done == total;
}

static void test_opening_a_packed_image_tells_how_far_it_is(void **state)
{
	static const char *const names[] = { "packed-xz", "packed-lz4", "zboot-xz" };
	char path[4096];

	(void)state;
	for (size_t i = 0; i < us_array_size(names); i++) {
		_us_image_free_ struct us_image *image = NULL;
		bool finished = false;
		struct us_progress progress = { .at = told, .data = &finished };

		snprintf(path, sizeof(path), "%s/../fuzz/corpus/image/%s", getenv("US_FIXTURES"),
			 names[i]);
		assert_null(us_image_open(path, &progress, &image));
		assert_int_equal(image->n_nest, 2);
		assert_true(finished);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_images_are_known),
		cmocka_unit_test(test_setup_header_is_read_in_full),
		cmocka_unit_test(test_older_protocols_lack_the_newer_fields),
		cmocka_unit_test(test_a_zero_of_setup_sects_means_four),
		cmocka_unit_test(test_damage_of_a_bzimage_is_named_at_its_field),
		cmocka_unit_test(test_damage_of_an_elf_is_named),
		cmocka_unit_test(test_damage_of_wrappers_is_named),
		cmocka_unit_test(test_damage_of_an_image_header_is_named),
		cmocka_unit_test(test_every_cut_is_noticed),
		cmocka_unit_test(test_a_uki_gives_its_parts),
		cmocka_unit_test(test_the_first_profile_of_a_uki_holds),
		cmocka_unit_test(test_what_is_no_image_says_what_was_looked_for),
		cmocka_unit_test(test_layers_have_a_limit),
		cmocka_unit_test(test_a_layer_around_no_image_is_named),
		cmocka_unit_test(test_unpacking_is_bounded),
		cmocka_unit_test(test_bits_of_xloadflags_have_names),
		cmocka_unit_test(test_a_missing_file_is_an_error),
		cmocka_unit_test(test_opening_a_packed_image_tells_how_far_it_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
