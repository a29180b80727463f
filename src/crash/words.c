/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The capture kernel's command line, built up from facts: what a small kernel needs that runs one
 * program after a crash, what the running kernel's line tells about this machine's hardware, and
 * the user's own words last. Nothing is taken from the running line because it stands there. Words:
 * Documentation/admin-guide/kernel-parameters.txt and kdump/kdump.rst (Linux 6.12). elfcorehdr= is
 * added by whoever loads.
 */
#include "crash/crash.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

#include <string.h>

#define X86           (US_ARCH_BIT(US_ARCH_X86_64) | US_ARCH_BIT(US_ARCH_I386))
#define CPUINFO_BYTES (64 << 20)

/* Words that stand for themselves, each where the capture kernel can make use of it. */
static const struct {
	const char *word;
	const char *config; /* Kconfig symbol that must be y, where the .config is known */
	unsigned int archs; /* 0: any */
	unsigned int since[2];
	const char *why;
} fixed[] = {
	{ "reset_devices",
	  NULL,
	  0,
	  { 0 },
	  "drivers are to reset their devices, which the crashed kernel left running" },
	{ "irqpoll",
	  NULL,
	  X86,
	  { 0 },
	  "an interrupt that the crashed kernel left pending must not disable its line" },
	{ "panic=10",
	  NULL,
	  0,
	  { 0 },
	  "if the capture kernel itself dies, the machine starts anew after 10 seconds" },
	{ "loglevel=6",
	  NULL,
	  0,
	  { 0 },
	  "a serial console takes a second for 11 kB: what is only information stays in memory" },
	{ "printk.devkmsg=on",
	  NULL,
	  0,
	  { 4, 10 },
	  "the capture's own lines on the console are not held back" },
	{ "nokaslr",
	  "RANDOMIZE_BASE",
	  0,
	  { 0 },
	  "the memory use is the same each time, as in a rehearsal" },
	{ "novmcoredd",
	  "PROC_VMCORE_DEVICE_DUMP",
	  0,
	  { 5, 4 },
	  "drivers' own dumps may take any amount of memory" },
	{ "rootfstype=ramfs",
	  NULL,
	  0,
	  { 0 },
	  "a tmpfs would let the initrd take half of the memory at most" },
	{ "numa=off", "NUMA", X86, { 0 }, "one node is enough, and each takes memory" },
	{ "transparent_hugepage=never",
	  "TRANSPARENT_HUGEPAGE",
	  0,
	  { 0 },
	  "2 MiB pages would waste memory" },
	{ "cgroup_disable=memory", "MEMCG", 0, { 0 }, "its accounting takes memory" },
	{ "cgroup.memory=nokmem",
	  "MEMCG",
	  0,
	  { 5, 9 },
	  "each chunk of per-CPU memory has a table for its accounting, and that takes 4 MiB" },
	{ "initramfs_async=0",
	  "BLK_DEV_INITRD",
	  0,
	  { 5, 13 },
	  "the image is unpacked while few drivers are there, and its packed form is free sooner" },
	{ "dhash_entries=512", NULL, 0, { 0 }, "few names are looked up here" },
	{ "ihash_entries=512", NULL, 0, { 0 }, "few files are open here: 0.2 MiB with the names'" },
	/* PID 1 does it (capture-boot.c) */
	{ "initcall_blacklist=init_per_zone_wmark_min",
	  NULL,
	  0,
	  { 5, 0 },
	  "while the kernel starts no free page is held back: that is up to 2.5 MiB" },
	{ "initcall_blacklist=tracer_init_tracefs",
	  "EVENT_TRACING",
	  0,
	  { 3, 17 },
	  "nobody traces here; the files of tracefs take 8 MiB in Linux 6.1" },
	{ "initcall_blacklist=slab_sysfs_init,slab_late_init",
	  "SLUB",
	  0,
	  { 3, 17 },
	  "nobody reads its files here, which take 0.5 to 0.9 MiB" },
	/* all that register functions for BPF in Linux 6.1: the first one has BTF parsed */
	{ "initcall_blacklist=cubictcp_register,kfunc_init,bpf_prog_test_run_init,"
	  "bpf_tcp_ca_kfunc_init,bpf_rstat_kfunc_init,bpf_key_sig_kfuncs_init",
	  "DEBUG_INFO_BTF",
	  0,
	  { 5, 16 },
	  "nobody loads BPF here: its table of the kernel's types takes 1 MiB, twice that while "
	  "it is made" },
	{ "initcall_blacklist=init_zswap,zswap_init",
	  "ZSWAP",
	  0,
	  { 3, 17 },
	  "its pool takes 1 MiB, even where it is off" },
	{ "cryptomgr.notests",
	  "CRYPTO_MANAGER2",
	  0,
	  { 4, 13 },
	  "the running kernel has tested its ciphers: half a second for a program that uses one" },
	{ "kfence.sample_interval=0", "KFENCE", 0, { 5, 12 }, "its pool takes 2 MiB" },
	{ "init_on_alloc=0",
	  "INIT_ON_ALLOC_DEFAULT_ON",
	  0,
	  { 5, 3 },
	  "only one program runs: clearing each page for it costs time" },
	{ "zswap.enabled=0", "ZSWAP_DEFAULT_ON", 0, { 5, 7 }, "there is no swap" },
	{ "acpi_no_memhotplug",
	  "ACPI_HOTPLUG_MEMORY",
	  0,
	  { 3, 16 },
	  "memory beside the reservation must not be added" },
	{ "hest_disable",
	  "ACPI_APEI",
	  0,
	  { 0 },
	  "firmware's reports of hardware errors may hang a kernel that runs after a crash" },
};

/* Words of the running line that tell about the machine: they hold for its next kernel, too. */
static const struct {
	const char *name; /* of the word, or "module." for all its parameters */
	const char *why;
} facts[] = {
	{ "console", "the running kernel's console: the capture is seen where this kernel is" },
	{ "intel_iommu", "the IOMMU is left running by the crashed kernel, in this mode" },
	{ "amd_iommu", "the IOMMU is left running by the crashed kernel, in this mode" },
	{ "iommu", "the IOMMU is left running by the crashed kernel, in this mode" },
	{ "intremap", "interrupts are remapped as the running kernel has it" },
	{ "nox2apic", "how this machine's interrupt controllers are used" },
	{ "noapic", "how this machine's interrupt controllers are used" },
	{ "nolapic", "how this machine's interrupt controllers are used" },
	{ "acpi", "how this machine's ACPI is used" },
	{ "pci", "how this machine's PCI is used" },
	{ "pcie_aspm", "how this machine's PCI is used" },
	{ "efi", "how this machine's firmware is used" },
	{ "noefi", "how this machine's firmware is used" },
	{ "clocksource", "this machine's clocks" },
	{ "tsc", "this machine's clocks" },
	{ "hpet", "this machine's clocks" },
	{ "no_timer_check", "this machine's clocks" },
	{ "libata.", "how this machine's disks are used" },
	{ "nvme_core.", "how this machine's disks are used" },
	{ "nvme.", "how this machine's disks are used" },
	{ "scsi_mod.", "how this machine's disks are used" },
};

struct list {
	struct us_pool *pool;
	struct us_crash_word *words;
	size_t n, cap;
};

static struct us_err *add(struct list *list, const char *word, size_t n, const char *why)
{
	if (list->n == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 32;
		struct us_crash_word *words = us_pool_array(list->pool, cap, sizeof(*words));

		if (!words)
			return us_err_nomem();
		if (list->n)
			memcpy(words, list->words, list->n * sizeof(*words));
		list->words = words;
		list->cap = cap;
	}
	list->words[list->n].word = us_pool_strndup(list->pool, word, n);
	list->words[list->n].why = us_pool_strdup(list->pool, why);
	if (!list->words[list->n].word || !list->words[list->n].why)
		return us_err_nomem();
	list->n++;
	return NULL;
}

static bool is_fact(const struct us_cmdline_word *word, const char *name)
{
	size_t n = strlen(name);

	if (name[n - 1] == '.')
		return word->n > n && !strncmp(word->p, name, n);
	return us_cmdline_is(word, name);
}

static struct us_err *add_facts(struct list *list, const struct us_host *host)
{
	const char *at = us_known(host->cmdline.o) ? host->cmdline.v : "";
	struct us_cmdline_word word;

	while (us_cmdline_next(&at, &word))
		for (size_t i = 0; i < us_array_size(facts); i++)
			if (is_fact(&word, facts[i].name))
				US_TRY(add(list, word.p, word.n, facts[i].why));
	return NULL;
}

static bool is_useful(const struct us_image *kernel, size_t i)
{
	unsigned int major = fixed[i].since[0], minor = fixed[i].since[1];

	if (fixed[i].archs && !(fixed[i].archs & US_ARCH_BIT(kernel->arch->id)))
		return false;
	if (major && kernel->release && !us_release_at_least(kernel->release, major, minor))
		return false;
	return !fixed[i].config || us_kconfig_builtin(kernel->kconfig, fixed[i].config) != US_NO;
}

/* CMA areas that the capture kernel's own configuration asks for. */
static struct us_err *add_cma(struct list *list, const struct us_image *kernel)
{
	const char *mbytes =
		kernel->kconfig ? us_kconfig_value(kernel->kconfig, "CMA_SIZE_MBYTES") : NULL;

	if (!mbytes || !strcmp(mbytes, "0"))
		return NULL;
	return add(list, "cma=0", 5, "its own configuration would set memory aside for devices");
}

/* The first CPU's APIC id, as firmware has it. */
static bool first_apicid(const struct us_host *host, uint64_t *ret)
{
	_us_blob_deinit_ struct us_blob text = { 0 };
	_us_err_free_ struct us_err *err =
		us_file_read_at(host->root_fd, "/proc/cpuinfo", CPUINFO_BYTES, &text);
	const char *line = err ? NULL : strstr((const char *)text.p, "initial apicid");
	const char *colon = line ? strchr(line, ':') : NULL;
	char number[16] = "";

	if (!colon)
		return false;
	snprintf(number, sizeof(number), "%.*s", (int)strcspn(colon + 1, "\n"), colon + 1);
	return us_text_u64(number, 10, ret);
}

static struct us_err *add_cpus(struct list *list, const struct us_host *host,
			       const struct us_crash_config *config, const struct us_image *kernel)
{
	_us_free_ char *word = NULL, *disable = NULL;
	uint64_t apicid;

	US_TRY(us_text_format(&word, "nr_cpus=%u", config->cpus));
	US_TRY(add(list, word, strlen(word),
		   config->cpus == 1 ? "each CPU takes memory, and one is enough"
				     : "as many CPUs as the configuration says (cpus)"));
	if (config->cpus == 1 || !(X86 & US_ARCH_BIT(kernel->arch->id)) ||
	    (kernel->release && us_release_at_least(kernel->release, 6, 9)) ||
	    !first_apicid(host, &apicid))
		return NULL;
	US_TRY(us_text_format(&disable, "disable_cpu_apicid=%" PRIu64, apicid));
	return add(list, disable, strlen(disable),
		   "a kernel before 6.9 that starts several CPUs on another one than the first "
		   "would reset the machine by starting the first one");
}

static struct us_err *add_own(struct list *list, const struct us_crash_config *config)
{
	const char *at = config->append;
	struct us_cmdline_word word;
	_us_free_ char *why = NULL;

	US_TRY(us_text_format(&why, "append in %s", config->path ? config->path : "the defaults"));
	while (us_cmdline_next(&at, &word))
		US_TRY(add(list, word.p, word.n, why));
	return NULL;
}

struct us_err *us_crash_cmdline(const struct us_host *host, const struct us_crash_config *config,
				const struct us_image *kernel, struct us_pool *pool,
				const struct us_crash_word **ret, size_t *ret_n)
{
	struct list list = { .pool = pool };

	US_TRY(add_facts(&list, host));
	US_TRY(add_cpus(&list, host, config, kernel));
	for (size_t i = 0; i < us_array_size(fixed); i++)
		if (is_useful(kernel, i))
			US_TRY(add(&list, fixed[i].word, strlen(fixed[i].word), fixed[i].why));
	US_TRY(add_cma(&list, kernel));
	US_TRY(add_own(&list, config));
	*ret = list.words;
	*ret_n = list.n;
	return NULL;
}
