/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the rules about the image file and about paging levels: see test-rules.h for the form. */
#include "check/test-rules.h"

static void test_image_files(void **state)
{
	struct bench *b = *state;

	FAILS("image.not-a-kernel", "a text file", {
		image->kind = US_IMAGE_NONE;
		image->why_none = "no HdrS at 0x202, no PE header";
	});
	PASSES("image.not-a-kernel", "a bzImage", {});
	SILENT("image.cut-short", "what is no kernel is not judged further",
	       { image->kind = US_IMAGE_NONE; });
	FAILS("image.foreign-architecture", "arm64 on x86_64", {
		image->kind = US_IMAGE_HEADER;
		image->arch = us_arch_by_id(US_ARCH_ARM64);
	});
	PASSES("image.foreign-architecture", "the same", {});
	PASSES("image.foreign-architecture", "32-bit x86 is judged by its header",
	       { image->arch = us_arch_by_id(US_ARCH_I386); });
	UNKNOWN("image.foreign-architecture", "machine not readable",
		{ host->machine.o.missing = "not there"; });
	FAILS("image.cut-short", "half a file", { image->kernel.n /= 2; });
	FAILS("image.cut-short", "one byte less", { image->kernel.n -= 1; });
	PASSES("image.cut-short", "whole", {});
	FAILS("image.cut-short", "a vmlinux that lacks its end", {
		b->damage = (struct us_damage){ 0x40, "cut short: segment 2 ends past the file" };
		image->kind = US_IMAGE_ELF;
		image->damage = &b->damage;
		image->n_damage = 1;
	});
	FAILS("image.damaged", "a header that contradicts itself", {
		b->damage = (struct us_damage){ 0x248, "payload_offset points past the file" };
		image->damage = &b->damage;
		image->n_damage = 1;
	});
	PASSES("image.damaged", "no contradiction", {});
	PASSES("image.damaged", "what image.bad-alignment says", {
		b->damage = (struct us_damage){ 0x230, "kernel_alignment 0x3 is no power of two" };
		image->damage = &b->damage;
		image->n_damage = 1;
	});
	FAILS("image.odd-flags", "bit 6 without bit 5", {
		b->damage = (struct us_damage){ 0x236, "XLF_5LEVEL_ENABLED without XLF_5LEVEL" };
		image->damage = &b->damage;
		image->n_damage = 1;
	});
	PASSES("image.odd-flags", "no contradiction", {});
	FAILS("image.payload-damaged", "payload ends early", { image->payload_whole = US_NO; });
	PASSES("image.payload-damaged", "payload whole", {});
	UNKNOWN("image.payload-damaged", "not looked into", { image->deep = false; });
	UNKNOWN("image.payload-damaged", "unknown compression",
		{ image->payload_whole = US_UNKNOWN; });
}

static void test_image_config(void **state)
{
	struct bench *b = *state;

	FAILS("image.config-doubtful", "of another image",
	      { image->kconfig_note = "/tmp/config is not of this image"; });
	PASSES("image.config-doubtful", "nothing noted", {});
	PASSES("image.config-doubtful", "not looked into", { image->deep = false; });
}

static void test_image_headers(void **state)
{
	struct bench *b = *state;

	FAILS("image.protocol-too-old", "2.11", { image->setup.version = 0x020b; });
	PASSES("image.protocol-too-old", "2.12", { image->setup.version = 0x020c; });
	FAILS("image.not-loaded-high", "zImage", { image->setup.loadflags = 0x80; });
	PASSES("image.not-loaded-high", "bzImage", {});
	FAILS("image.not-64-bit", "bit 0 clear", { image->setup.xloadflags = 0x7e; });
	PASSES("image.not-64-bit", "bit 0 set", { image->setup.xloadflags = 0x01; });
	FAILS("image.not-above-4g", "bit 1 clear", { image->setup.xloadflags = 0x7d; });
	PASSES("image.not-above-4g", "bit 1 set", {});
	SILENT("image.not-above-4g", "kexec_load does not ask", {
		by_load(b);
		image->setup.xloadflags = 0x7d;
	});
	FAILS("image.bad-alignment", "0", { image->setup.kernel_alignment = 0; });
	FAILS("image.bad-alignment", "no power of two",
	      { image->setup.kernel_alignment = 0x300000; });
	FAILS("image.bad-alignment", "minimum above it", { image->setup.min_alignment = 22; });
	PASSES("image.bad-alignment", "2 MiB", {});
	PASSES("image.bad-alignment", "16 MiB, minimum 2 MiB",
	       { image->setup.kernel_alignment = 16 * MIB; });
	FAILS("image.init-size-too-small", "a page", { image->setup.init_size = 4096; });
	PASSES("image.init-size-too-small", "exactly the image",
	       { image->setup.init_size = image->setup.kernel_bytes; });
}

static void test_image_placement_and_calls(void **state)
{
	struct bench *b = *state;

	FAILS("image.not-relocatable", "the plan has another place", {
		by_load(b);
		image->relocatable = US_NO;
	});
	PASSES("image.not-relocatable", "the plan has its place", {
		by_load(b);
		image->relocatable = US_NO;
		plan->segments[0].dest.start = image->pref_address;
	});
	FAILS("image.not-relocatable", "not inside the reservation", {
		on_crash(b);
		by_load(b);
		plan->n_segments = 0;
		image->relocatable = US_NO;
	});
	PASSES("image.not-relocatable", "inside the reservation", {
		on_crash(b);
		by_load(b);
		plan->n_segments = 0;
		image->relocatable = US_NO;
		host->crash[0] = (struct us_range){ 16 * MIB, 256 * MIB };
	});
	PASSES("image.not-relocatable", "can be moved", { by_load(b); });
	FAILS("image.kind-not-for-file-load", "vmlinux", { image->kind = US_IMAGE_ELF; });
	PASSES("image.kind-not-for-file-load", "bzImage", {});
	FAILS("image.kind-not-for-load", "arm64 Image", {
		by_load(b);
		image->kind = US_IMAGE_HEADER;
		image->arch = us_arch_by_id(US_ARCH_ARM64);
	});
	PASSES("image.kind-not-for-load", "vmlinux", {
		by_load(b);
		image->kind = US_IMAGE_ELF;
	});
}

static void test_paging_marks(void **state)
{
	struct bench *b = *state;

	FAILS("paging.5-level-to-4-level", "no mark", { image->setup.xloadflags = 0x1f; });
	FAILS("paging.5-level-to-4-level", "no mark, by kexec_load", {
		by_load(b);
		image->setup.xloadflags = 0x1f;
	});
	FAILS("paging.5-level-to-4-level", "Linux 3.10 by kexec_load", {
		by_load(b);
		image->setup.xloadflags = 0x03;
		image->release = "3.10.0-1160.el7.x86_64";
	});
	FAILS("paging.5-level-to-4-level", "Linux 4.19: the kernel's own check refuses", {
		image->setup.xloadflags = 0x1f;
		image->release = "4.19.0";
	});
	FAILS("paging.5-level-to-4-level", "no mark and no version", {
		by_load(b);
		image->setup.xloadflags = 0x1f;
		image->release = NULL;
	});
	PASSES("paging.5-level-to-4-level", "no mark, 4 levels in use", {
		image->setup.xloadflags = 0x1f;
		host->paging_levels.v = 4;
	});
	PASSES("paging.5-level-to-4-level", "a mark needs no machine",
	       { host->paging_levels.o.missing = "not readable"; });
	UNKNOWN("paging.5-level-to-4-level", "levels not known", {
		image->setup.xloadflags = 0x1f;
		host->paging_levels.o.missing = "not readable";
	});
	SILENT("paging.5-level-to-4-level", "Linux 4.19 by kexec_load is another rule's", {
		by_load(b);
		image->setup.xloadflags = 0x1f;
		image->release = "4.19.0";
	});
	FAILS("paging.unmarked-5-level", "Linux 4.19 by kexec_load", {
		by_load(b);
		image->setup.xloadflags = 0x1f;
		image->release = "4.19.0";
	});
	FAILS("paging.unmarked-5-level", "a later kernel that dropped the mark", {
		by_load(b);
		image->setup.xloadflags = 0x1f;
		image->release = "7.9.1";
	});
	PASSES("paging.unmarked-5-level", "marked", { by_load(b); });
	PASSES("paging.unmarked-5-level", "4 levels in use", {
		by_load(b);
		image->setup.xloadflags = 0x1f;
		image->release = "4.19.0";
		host->paging_levels.v = 4;
	});
}

static void test_paging_of_a_vmlinux(void **state)
{
	struct bench *b = *state;

	FAILS("paging.4-level-vmlinux", "4 levels only", {
		by_load(b);
		image->kind = US_IMAGE_ELF;
		image->caps[US_CAP_X86_5LEVEL].v = US_NO;
	});
	PASSES("paging.4-level-vmlinux", "5 levels built in", {
		by_load(b);
		image->kind = US_IMAGE_ELF;
	});
	PASSES("paging.4-level-vmlinux", "4 levels in use", {
		by_load(b);
		image->kind = US_IMAGE_ELF;
		image->caps[US_CAP_X86_5LEVEL].v = US_NO;
		host->paging_levels.v = 4;
	});
	UNKNOWN("paging.4-level-vmlinux", "not looked into", {
		by_load(b);
		image->kind = US_IMAGE_ELF;
		image->deep = false;
		image->caps[US_CAP_X86_5LEVEL].v = US_UNKNOWN;
	});
	SILENT("paging.4-level-vmlinux", "a bzImage", { by_load(b); });
}

static void test_paging_places(void **state)
{
	struct bench *b = *state;

	FAILS("paging.4-level-above-64-tib", "4-level image placed high", {
		image->setup.xloadflags = 0x3f;
		plan->segments[0].dest.start = 65 * TIB;
	});
	FAILS("paging.4-level-above-64-tib", "no5lvl and memory above, no plan yet", {
		without_plan(b);
		wanted->cmdline = "root=/dev/sda1 no5lvl";
		b->ram[2].range.size = 65 * TIB;
	});
	FAILS("paging.4-level-above-64-tib", "the kernel will choose, from the top", {
		image->setup.xloadflags = 0x3f;
		plan->predicted = true;
		plan->segments[0].dest.start = 0;
		b->ram[2].range.size = 65 * TIB;
	});
	PASSES("paging.4-level-above-64-tib", "4-level image placed low",
	       { image->setup.xloadflags = 0x3f; });
	PASSES("paging.4-level-above-64-tib", "5-level image placed high",
	       { plan->segments[0].dest.start = 65 * TIB; });
	UNKNOWN("paging.4-level-above-64-tib", "memory not known", {
		without_plan(b);
		image->setup.xloadflags = 0x3f;
		host->map_from = HIDDEN;
		host->firmware_map_from = HIDDEN;
	});
	FAILS("paging.no-low-memory", "has to switch", {
		by_load(b);
		image->setup.xloadflags = 0x3f;
		b->e820[0].range.size = 0x1000;
	});
	FAILS("paging.no-low-memory", "may have to switch back", {
		by_load(b);
		host->paging_levels.v = 4;
		b->e820[0].range.size = 0x1000;
	});
	PASSES("paging.no-low-memory", "low memory there", { by_load(b); });
	PASSES("paging.no-low-memory", "no switch", {
		by_load(b);
		b->e820[0].range.size = 0x1000;
	});
}

static void test_every_rule_is_covered(void **state)
{
	bench_done(*state, &us_rules_image);
	bench_done(*state, &us_rules_paging);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_image_files),
		cmocka_unit_test(test_image_config),
		cmocka_unit_test(test_image_headers),
		cmocka_unit_test(test_image_placement_and_calls),
		cmocka_unit_test(test_paging_marks),
		cmocka_unit_test(test_paging_of_a_vmlinux),
		cmocka_unit_test(test_paging_places),
		cmocka_unit_test(test_every_rule_is_covered),
	};

	return cmocka_run_group_tests(tests, bench_open, bench_close);
}
