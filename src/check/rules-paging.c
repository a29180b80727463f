/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules about x86-64 page-table levels. A jump keeps CR4.LA57 as it is (Linux 6.12
 * arch/x86/kernel/relocate_kernel_64.S), so the next kernel is entered in the mode of this one.
 * Three classes of images: without switching code (before 4.17), able but unmarked (4.17 to 5.2),
 * marked by XLF_5LEVEL (5.3 and later). Linux 6.17 to 7.3 always set the mark; for a later image
 * that lacks it the version speaks (see paging.unmarked-5-level).
 */
#include "check/check-int.h"

#define TIB64   (UINT64_C(64) << 40)
#define LOW_640 0xa0000
/* the trampoline's page table and code (arch/x86/boot/compressed/pgtable.h: TRAMPOLINE_32BIT_SIZE) */
#define TRAMPOLINE_BYTES 8192

/* Able to leave 5-level mode although the header does not say so. */
static bool unmarked_but_able(const struct us_image *image)
{
	const char *release = image->release;

	return (us_release_before(release, 4, 17) == US_NO &&
		us_release_before(release, 5, 3) == US_YES) ||
	       us_release_before(release, 7, 4) == US_NO;
}

static void say_mark(const struct us_case *c, struct us_detail *d)
{
	const struct us_host *host = c->host;

	us_fact(d,
		"xloadflags = 0x%04x, bit 5 (XLF_5LEVEL) is %d; the running kernel uses %d-level "
		"page tables",
		c->image->setup.xloadflags, !!(c->image->setup.xloadflags & US_XLF_5LEVEL),
		(int)host->paging_levels.v);
	us_read(d, "offset 0x236 of %s%s; %s", c->image->n_nest > 1 ? "the kernel in " : "",
		c->image->path, us_path(host->paging_levels.o));
}

static enum us_result five_to_four(const struct us_case *c, struct us_detail *d)
{
	if (c->image->setup.xloadflags & US_XLF_5LEVEL)
		return US_PASS;
	if (!us_known(c->host->paging_levels.o))
		return us_missing(d, c->host->paging_levels.o);
	say_mark(c, d);
	/* only the kernel's own check insists on the mark, see paging.unmarked-5-level */
	if (us_check_call(c) == US_CALL_LOAD && unmarked_but_able(c->image))
		return US_NOT_APPLICABLE;
	return us_fail_if(c->host->paging_levels.v == 5);
}

static enum us_result unmarked(const struct us_case *c, struct us_detail *d)
{
	if (c->image->setup.xloadflags & US_XLF_5LEVEL)
		return US_PASS;
	if (!us_known(c->host->paging_levels.o))
		return us_missing(d, c->host->paging_levels.o);
	if (!unmarked_but_able(c->image))
		return US_NOT_APPLICABLE; /* paging.5-level-to-4-level judges it */
	say_mark(c, d);
	return us_fail_if(c->host->paging_levels.v == 5);
}

/* A vmlinux is entered without the decompressor, which could have switched. */
static enum us_result vmlinux(const struct us_case *c, struct us_detail *d)
{
	const struct us_fact_u64 *levels = &c->host->paging_levels;

	if (c->image->kind != US_IMAGE_ELF)
		return US_NOT_APPLICABLE;
	if (!us_known(levels->o))
		return us_missing(d, levels->o);
	/* from 6.17 on every kernel can */
	if (levels->v != 5 || us_release_before(c->image->release, 6, 17) == US_NO)
		return US_PASS;
	return us_judge_cap(c, d, US_CAP_X86_5LEVEL, US_NO);
}

/* Will the next kernel run with 4 levels, whatever the CPU can? */
static bool stays_at_4(const struct us_case *c, const char **ret_why)
{
	if (!(c->image->setup.xloadflags & US_XLF_5LEVEL_ENABLED)) {
		*ret_why = "xloadflags bit 6 (XLF_5LEVEL_ENABLED) is 0";
		return true;
	}
	*ret_why = "the next command line says no5lvl";
	return us_has_word(us_next_cmdline(c), "no5lvl");
}

static enum us_result above_64_tib(const struct us_case *c, struct us_detail *d)
{
	const struct us_segment *kernel = us_plan_segment(c->plan, US_SEG_KERNEL);
	const struct us_map *ram;
	struct us_origin from;
	uint64_t top = 0;
	const char *why;

	if (!stays_at_4(c, &why))
		return US_PASS;
	/* a place that the kernel will choose and that could not be foreseen is 0 */
	if (kernel && (!kernel->dest.start || c->plan->no_room))
		kernel = NULL;
	for (size_t i = 0; kernel && i < c->plan->n_segments; i++)
		if (us_range_end(c->plan->segments[i].dest) > top)
			top = us_range_end(c->plan->segments[i].dest);
	if (kernel) {
		us_fact(d, "%s, and the plan reaches up to 0x%" PRIx64, why, top);
		us_read(d, "offset 0x236 of %s; the plan", c->image->path);
		return us_fail_if(top > TIB64);
	}
	ram = us_ram(c->host, &from);
	if (!ram)
		return us_missing(d, from);
	top = us_map_top(ram, US_MEM_RAM);
	us_fact(d, "%s, and memory reaches up to 0x%" PRIx64, why, top);
	us_read(d, "offset 0x236 of %s; %s", c->image->path, us_path(from));
	/* the kernel searches from the top */
	return us_fail_if(top > TIB64);
}

static bool has_low_memory(const struct us_handover *h, uint64_t *ret_best)
{
	struct us_range low = { .start = 0, .size = LOW_640 };

	*ret_best = 0;
	for (size_t i = 0; i < h->n_e820; i++) {
		struct us_range in = us_range_intersect(h->e820[i].range, low);

		if (h->e820[i].kind == US_MEM_RAM && in.size > *ret_best)
			*ret_best = in.size;
	}
	return *ret_best >= TRAMPOLINE_BYTES;
}

static enum us_result no_low_memory(const struct us_case *c, struct us_detail *d)
{
	const struct us_handover *h = &c->plan->handover;
	const char *why;
	uint64_t best;
	bool four = stays_at_4(c, &why);

	if (!h->n_e820)
		return us_cannot_tell(d,
				      "a plan whose memory map is known beforehand (--call load)");
	if (!us_known(c->host->paging_levels.o))
		return us_missing(d, c->host->paging_levels.o);
	if (has_low_memory(h, &best))
		return US_PASS;
	us_fact(d,
		"the largest piece of usable memory below 640 KiB has %" PRIu64
		" bytes, and the next kernel %s leave %d-level paging",
		best, c->host->paging_levels.v == 5 ? "has to" : "may have to",
		(int)c->host->paging_levels.v);
	us_read(d, "the e820 table of the plan; %s", us_path(c->host->paging_levels.o));
	if (four && c->host->paging_levels.v == 4)
		return US_PASS; /* no switch */
	if (c->host->paging_levels.v == 4)
		d->severity = US_WARN; /* only on a CPU with 5 levels that runs with no5lvl */
	return us_fail_if(four || c->host->paging_levels.v == 4);
}

static const struct us_rule rules[] = {
	{
		.id = "paging.5-level-to-4-level",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.arch = US_X86_64B,
		.needs = US_NEEDS_IMAGE | US_NEEDS_HOST | US_NEEDS_BZIMAGE,
		.says = "This kernel runs with 5-level page tables and the image cannot be entered in "
			"that mode",
		.fix = "Boot this kernel with no5lvl, or choose an image with XLF_5LEVEL (Linux 5.3 or "
		       "later)",
		.see = "arch/x86/kernel/kexec-bzimage64.c (Linux 6.12): ENOEXEC, \"bzImage cannot "
		       "handle 5-level paging mode\"; kexec_load checks nothing and hangs after the "
		       "jump",
		.test = five_to_four,
	},
	{
		.id = "paging.unmarked-5-level",
		.severity = US_WARN,
		.when = US_ON_BOTH,
		.arch = US_X86_64B,
		.by = US_BY_LOAD,
		.needs = US_NEEDS_IMAGE | US_NEEDS_HOST | US_NEEDS_BZIMAGE,
		.says = "This kernel runs with 5-level page tables; the image's version can leave that "
			"mode, but its header does not promise it",
		.fix = "Try it by a rehearsal first, boot this kernel with no5lvl, or choose an image "
		       "with XLF_5LEVEL",
		.see = "boot-time switching came with Linux 4.17, the header bit with 5.3",
		.test = unmarked,
	},
	{
		.id = "paging.4-level-vmlinux",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.arch = US_X86_64B,
		.by = US_BY_LOAD,
		.needs = US_NEEDS_IMAGE | US_NEEDS_HOST,
		.says = "This kernel runs with 5-level page tables, and the vmlinux knows only 4 levels",
		.fix = "Boot this kernel with no5lvl, or load the bzImage of that kernel, which can "
		       "switch",
		.see = "arch/x86/kernel/head_64.S (Linux 6.12); CONFIG_X86_5LEVEL",
		.test = vmlinux,
	},
	{
		.id = "paging.4-level-above-64-tib",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.arch = US_X86_64B,
		.needs = US_NEEDS_IMAGE | US_NEEDS_HOST | US_NEEDS_BZIMAGE,
		.unknown_ok = true,
		.says = "The next kernel will use 4-level page tables and cannot run above 64 TiB, where "
			"it would be placed",
		.fix = "Use kexec_load with a limit (--call load --mem-max 64T), or an image with "
		       "XLF_5LEVEL_ENABLED and no no5lvl",
		.see = "no kernel checks this for a plain kexec; the crash reservation stays below "
		       "64 TiB (arch/x86/include/asm/crash_reserve.h)",
		.test = above_64_tib,
	},
	{
		.id = "paging.no-low-memory",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.arch = US_X86_64B,
		.by = US_BY_LOAD,
		.needs = US_NEEDS_IMAGE | US_NEEDS_HOST | US_NEEDS_BZIMAGE | US_NEEDS_PLAN,
		.unknown_ok = true,
		.says = "The next kernel must change the paging mode and gets no usable memory below "
			"640 KiB to do it in",
		.fix = "Start this kernel in the mode of the next one (no5lvl on both or on neither)",
		.see = "arch/x86/boot/compressed/pgtable_64.c (Linux 6.12): "
		       "find_trampoline_placement()",
		.test = no_low_memory,
	},
};

const struct us_rule_table us_rules_paging = US_RULE_TABLE(rules);
