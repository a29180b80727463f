/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rules about the next kernel's command line: its length, and words that must not or had better be
 * there. Length: Linux 6.12 arch/x86/kernel/kexec-bzimage64.c: bzImage64_load() keeps 30 bytes for
 * elfcorehdr= even when none is added. Words: Documentation/admin-guide/kernel-parameters.txt and
 * kdump/kdump.rst.
 */
#include "check/check-int.h"

#include <stdlib.h>
#include <string.h>

/* MAX_ELFCOREHDR_STR_LEN of kexec-bzimage64.c */
#define ELFCOREHDR_WORD 30
#define KASLR_MEMMAPS   4

static void read_words(struct us_detail *d)
{
	us_read(d, "the next command line");
}

static enum us_result too_long(const struct us_case *c, struct us_detail *d)
{
	size_t n = strlen(us_next_cmdline(c));

	if (!c->image->cmdline_max)
		return us_cannot_tell(d, "an image whose header gives a limit");
	us_fact(d, "the next command line has %zu characters, the image takes %u", n,
		c->image->cmdline_max);
	us_read(d, "%s of %s",
		c->image->kind == US_IMAGE_BZIMAGE ? "offset 0x238 (cmdline_size)" : "header",
		c->image->path);
	return us_fail_if(n > c->image->cmdline_max);
}

static enum us_result too_long_for_file_load(const struct us_case *c, struct us_detail *d)
{
	const char *given = c->plan ? c->plan->cmdline : c->wanted ? c->wanted->cmdline : NULL;
	size_t n = given ? strlen(given) : 0;
	uint32_t size = c->image->setup.cmdline_size;

	us_fact(d,
		"the command line has %zu characters; kexec_file_load takes %u with this image "
		"(cmdline_size %u less %d bytes for elfcorehdr= and the ending zero)",
		n, size > ELFCOREHDR_WORD ? size - ELFCOREHDR_WORD - 1 : 0, size,
		ELFCOREHDR_WORD + 1);
	us_read_at(d, c->image, 0x238);
	/* the kernel counts the ending zero; an empty line is given as no line */
	return us_fail_if(n && n + 1 + ELFCOREHDR_WORD > size);
}

static enum us_result resume(const struct us_case *c, struct us_detail *d)
{
	const char *line = us_next_cmdline(c), *device;
	const struct us_fact_tri *image = &c->host->hibernation_image;

	if (!us_words(line, "resume", d->pool, &device) || us_has_word(line, "noresume"))
		return US_PASS;
	/* while this system runs its swap area is in use and holds no image */
	if (c->purpose == US_REBOOT && image->v == US_NO)
		return US_PASS;
	us_fact(d, "resume=%s, and a hibernation image there: %s", device ? device : "",
		us_tri_name(image->v));
	us_read(d, "the next command line; %s", us_path(image->o));
	return US_FAIL;
}

static enum us_result many_memmaps(const struct us_case *c, struct us_detail *d)
{
	size_t n = us_words(us_next_cmdline(c), "memmap", NULL, NULL);

	us_fact(d, "%zu memmap= words", n);
	read_words(d);
	return us_fail_if(n > KASLR_MEMMAPS && !us_has_word(us_next_cmdline(c), "nokaslr"));
}

static enum us_result takes_capture_memory(const struct us_case *c, struct us_detail *d)
{
	static const char *const words[] = { "hugepages",   "hugetlb_cma", "cma",
					     "crashkernel", "movablecore", "kernelcore" };
	const char *line = us_next_cmdline(c), *value;

	for (size_t i = 0; i < us_array_size(words); i++) {
		if (!us_words(line, words[i], d->pool, &value) || (value && !strcmp(value, "0")))
			continue;
		us_fact(d, "%s=%s", words[i], value ? value : "");
		read_words(d);
		return US_FAIL;
	}
	return US_PASS;
}

/* How many CPUs the next kernel starts; 0 = no limit given. */
static unsigned long cpu_limit(const struct us_case *c, struct us_detail *d, const char **ret_word)
{
	static const char *const words[] = { "nr_cpus", "maxcpus" };
	const char *line = us_next_cmdline(c), *value = NULL;

	*ret_word = "nosmp";
	if (us_has_word(line, "nosmp"))
		return 1;
	for (size_t i = 0; i < us_array_size(words); i++) {
		*ret_word = words[i];
		if (us_words(line, words[i], d->pool, &value) && value)
			return strtoul(value, NULL, 10);
	}
	*ret_word = "neither nr_cpus= nor maxcpus=";
	return 0;
}

static enum us_result all_cpus(const struct us_case *c, struct us_detail *d)
{
	const char *word;
	unsigned long n = cpu_limit(c, d, &word);

	us_fact(d, "%s is there", word);
	read_words(d);
	return us_fail_if(n == 0);
}

static enum us_result bsp_not_disabled(const struct us_case *c, struct us_detail *d)
{
	const char *word;
	unsigned long n = cpu_limit(c, d, &word);
	enum us_tri old = us_release_before(c->image->release, 6, 9);

	if (n == 1 || old == US_NO || us_has_word(us_next_cmdline(c), "disable_cpu_apicid"))
		return US_PASS;
	if (old == US_UNKNOWN)
		return us_cannot_tell(d, "an image that names its release");
	us_fact(d, "Linux %s with more than one CPU, and no disable_cpu_apicid=", c->image->release);
	us_read(d, "%s; the next command line", c->image->path);
	return US_FAIL;
}

static enum us_result no_reset_devices(const struct us_case *c, struct us_detail *d)
{
	us_fact(d, "reset_devices is not there");
	read_words(d);
	return us_fail_if(!us_has_word(us_next_cmdline(c), "reset_devices"));
}

static enum us_result no_root(const struct us_case *c, struct us_detail *d)
{
	const char *line = us_next_cmdline(c);

	us_fact(d, "there is no initrd and no root=");
	us_read(d, "the next command line; the options given");
	return us_fail_if(!c->initrd && !us_has_word(line, "root") &&
			  !(c->image && c->image->initrd.n));
}

static enum us_result elfcorehdr_by_hand(const struct us_case *c, struct us_detail *d)
{
	const char *given = c->wanted ? c->wanted->cmdline : NULL, *value;
	size_t n = us_words(given, "elfcorehdr", d->pool, &value);

	us_fact(d, "elfcorehdr=%s", n && value ? value : "");
	us_read(d, "the command line that was given");
	return us_fail_if(n > 0);
}

static enum us_result no_crashkernel(const struct us_case *c, struct us_detail *d)
{
	const struct us_fact_str *now = &c->host->crashkernel;

	if (!us_known(now->o))
		return us_missing(d, now->o);
	us_fact(d, "this kernel was booted with %s, the next command line has no crashkernel=",
		now->v);
	us_read(d, "%s; the next command line", us_path(now->o));
	return us_fail_if(*now->v && !us_has_word(us_next_cmdline(c), "crashkernel"));
}

static const struct us_rule rules[] = {
	{
		.id = "cmdline.too-long",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.needs = US_NEEDS_IMAGE | US_NEEDS_CMDLINE,
		.says = "The command line is longer than the image can take, which would lose its end",
		.fix = "Shorten the command line",
		.see = "Documentation/arch/x86/boot.rst, field cmdline_size; COMMAND_LINE_SIZE "
		       "elsewhere",
		.test = too_long,
	},
	{
		.id = "cmdline.too-long-for-file-load",
		.severity = US_BLOCK,
		.when = US_ON_BOTH,
		.arch = US_X86,
		.by = US_BY_FILE,
		.needs = US_NEEDS_IMAGE | US_NEEDS_BZIMAGE | US_NEEDS_CMDLINE,
		.says = "kexec_file_load keeps room for elfcorehdr= and refuses this command line",
		.fix = "Shorten the command line, or use kexec_load (--call load)",
		.see = "arch/x86/kernel/kexec-bzimage64.c (Linux 6.12): EINVAL, \"Kernel command line "
		       "too long\"; Linux 6.1 says it at debug level only",
		.test = too_long_for_file_load,
	},
	{
		.id = "cmdline.resume",
		.severity = US_WARN,
		.when = US_ON_BOTH,
		.needs = US_NEEDS_HOST | US_NEEDS_CMDLINE,
		.says = "The next kernel is told to resume from hibernation: it would wake an old "
			"system over the disks of this one",
		.fix = "Take resume= off the next command line, or add noresume",
		.see = "Documentation/power/swsusp.rst",
		.test = resume,
	},
	{
		.id = "cmdline.many-memmaps",
		.severity = US_NOTE,
		.when = US_ON_BOTH,
		.arch = US_X86,
		.needs = US_NEEDS_IMAGE | US_NEEDS_CMDLINE,
		.says = "More than four memmap= words switch off the randomisation of the kernel's "
			"place",
		.fix = "Use fewer memmap= words, or accept it by nokaslr",
		.see = "arch/x86/boot/compressed/kaslr.c (Linux 6.12): MAX_MEMMAP_REGIONS",
		.test = many_memmaps,
	},
	{
		.id = "cmdline.takes-capture-memory",
		.severity = US_WARN,
		.when = US_ON_CRASH,
		.role = US_ROLE_CAPTURE,
		.needs = US_NEEDS_CMDLINE,
		.says = "A word of the capture kernel's command line takes away the little memory that "
			"it has",
		.fix = "Take the word off the capture command line",
		.see = "Documentation/admin-guide/kdump/kdump.rst",
		.test = takes_capture_memory,
	},
	{
		.id = "cmdline.all-cpus",
		.severity = US_WARN,
		.when = US_ON_CRASH,
		.role = US_ROLE_CAPTURE,
		.needs = US_NEEDS_CMDLINE,
		.says = "The capture kernel will start all CPUs, which takes memory for each",
		.fix = "Add nr_cpus=1 (or a small number) to the capture command line",
		.see = "Documentation/admin-guide/kdump/kdump.rst",
		.test = all_cpus,
	},
	{
		.id = "cmdline.bsp-not-disabled",
		.severity = US_WARN,
		.when = US_ON_CRASH,
		.role = US_ROLE_CAPTURE,
		.arch = US_X86,
		.needs = US_NEEDS_IMAGE | US_NEEDS_CMDLINE,
		.says = "A capture kernel before 6.9 that starts several CPUs may reset the machine "
			"when the crash was not on the first CPU",
		.fix = "Add nr_cpus=1, or disable_cpu_apicid= with the APIC id of the first CPU",
		.see = "Documentation/admin-guide/kernel-parameters.txt: disable_cpu_apicid",
		.test = bsp_not_disabled,
	},
	{
		.id = "cmdline.no-reset-devices",
		.severity = US_NOTE,
		.when = US_ON_CRASH,
		.role = US_ROLE_CAPTURE,
		.needs = US_NEEDS_CMDLINE,
		.says = "Drivers of the capture kernel are not told to reset their devices first",
		.fix = "Add reset_devices to the capture command line",
		.see = "Documentation/admin-guide/kdump/kdump.rst",
		.test = no_reset_devices,
	},
	{
		.id = "cmdline.no-root",
		.severity = US_WARN,
		.when = US_ON_BOTH,
		.needs = US_NEEDS_CMDLINE,
		.says = "The next kernel gets neither an initrd nor the name of a root file system, and "
			"panics unless an initramfs is built into it",
		.fix = "Give --initrd FILE, or root= on the command line",
		.see = "init/do_mounts.c (Linux 6.12)",
		.test = no_root,
	},
	{
		.id = "cmdline.elfcorehdr-by-hand",
		.severity = US_WARN,
		.when = US_ON_BOTH,
		.needs = US_NEEDS_CMDLINE,
		.says = "elfcorehdr= is computed when a crash kernel is loaded; an inherited one makes "
			"the next kernel believe that a crash came before it",
		.fix = "Take elfcorehdr= off the command line",
		.see = "kernel/elfcorehdr.c (Linux 6.12): is_kdump_kernel()",
		.test = elfcorehdr_by_hand,
	},
	{
		.id = "cmdline.no-crashkernel",
		.severity = US_NOTE,
		.when = US_ON_REBOOT,
		.needs = US_NEEDS_HOST | US_NEEDS_CMDLINE,
		.says = "The next kernel reserves no memory for a crash kernel, and this one does",
		.fix = "Add the crashkernel= words to the next command line",
		.see = "Documentation/admin-guide/kdump/kdump.rst",
		.test = no_crashkernel,
	},
};

const struct us_rule_table us_rules_cmdline = US_RULE_TABLE(rules);
