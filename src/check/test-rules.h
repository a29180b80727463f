/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The form of the rules' tests. A bench is a good case: nothing fails, for both purposes and both
 * system calls. FAILS and PASSES start from it, change one thing, and say what one rule makes of it:
 *	FAILS("image.cut-short", "half a file", { image->kernel.n /= 2; });
 * Each file of tests covers whole tables; at its end bench_done() insists that every rule of them
 * was seen to fail and to pass.
 */
#ifndef US_CHECK_TEST_RULES_H
#define US_CHECK_TEST_RULES_H

#include "check/check-int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define MIB UINT64_C(0x100000)
#define GIB UINT64_C(0x40000000)
#define TIB UINT64_C(0x10000000000)

#define KNOWN(what)                                                                                \
	{                                                                                          \
		.path = (what)                                                                     \
	}
#define HIDDEN                                                                                     \
	(struct us_origin)                                                                         \
	{                                                                                          \
		.path = "/hidden", .missing = "readable by root only"                              \
	}

struct bench {
	struct us_image image;
	struct us_initrd initrd;
	struct us_host host;
	struct us_plan plan;
	struct us_wanted wanted;
	struct us_policy policy;
	struct us_case c;
	struct us_map_entry ram[8], e820[4];
	struct us_initrd_part parts[2];
	struct us_damage damage;
	struct us_nest nest[2];
	struct us_host_key key;
	char text[4096];
	struct us_kconfig *host_config,
		*other_config;         /* with all that is asked for, with nothing */
	bool failed[256], passed[256]; /* by index of us_rule_at() */
};

static inline struct us_kconfig *bench_config(const char *text)
{
	struct us_kconfig *config = NULL;

	assert_null(us_kconfig_parse(us_bytes_of(text, strlen(text)), &config));
	return config;
}

static inline void bench_image(struct bench *b)
{
	static const struct us_cert cert = {
		.subject = "CN=Example Signer 2025",
		.issuer = "CN=Example Secure Boot CA",
		.serial = "0a",
		.key_id = "14011249c2675ea8e5148542202005810584b25f",
		.authority_key_id = "6ccece7e4c6c0d1f6149f3dd27dfcc5cbb419ea1",
		.hash_name = "SHA256",
		.tbs = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff",
		.tbs_sha256 = "",
		.issued_by = -1,
	};
	static const struct us_signer signer = {
		.issuer = "CN=Example Secure Boot CA",
		.serial = "0a",
		.hash_name = "sha256",
		.known_hash = true,
		.ok = US_YES,
	};
	struct us_signature good = {
		.certs = &cert,
		.n_certs = 1,
		.signers = &signer,
		.n_signers = 1,
		.digest = "aabb",
		.present = US_YES,
		.verified = true,
		.digest_ok = US_YES,
		.signature_ok = US_YES,
		.digest_name = "sha256",
	};

	b->nest[0] = (struct us_nest){ .kind = US_IMAGE_BZIMAGE };
	b->image = (struct us_image){
		.path = "/boot/vmlinuz",
		.nest = b->nest,
		.n_nest = 1,
		.kind = US_IMAGE_BZIMAGE,
		.arch = us_arch_by_id(US_ARCH_X86_64),
		.kernel = { .p = (const uint8_t *)"", .n = 12 * MIB + 20480 },
		.setup = { .setup_sects = 39,
			   .kernel_offset = 20480,
			   .syssize = 12 * MIB / 16,
			   .kernel_bytes = 12 * MIB,
			   .version = 0x020f,
			   .loadflags = 1,
			   .xloadflags = 0x7f,
			   .kernel_alignment = 2 * MIB,
			   .min_alignment = 21,
			   .relocatable_kernel = 1,
			   .cmdline_size = 2047,
			   .init_size = 58 * MIB,
			   .pref_address = 16 * MIB,
			   .setup_type_max = 10 },
		.relocatable = US_YES,
		.align = 2 * MIB,
		.pref_address = 16 * MIB,
		.run_bytes = 58 * MIB,
		.cmdline_max = 2047,
		.release = "6.12.0-test",
		.signature = good,
		.inner_signature = good,
		.deep = true,
		.payload_bytes = 66 * MIB,
		.payload_whole = US_YES,
	};
	for (int cap = 0; cap < US_CAP_COUNT; cap++)
		b->image.caps[cap] = (struct us_cap_fact){ US_YES, "the test" };
	b->image.caps[US_CAP_KASAN].v = US_NO;
	b->image.caps[US_CAP_DEBUG_HEAVY].v = US_NO;
}

static inline void bench_initrd(struct bench *b)
{
	static const char *const releases[] = { "6.12.0-test", NULL };

	b->parts[0] = (struct us_initrd_part){ .size = 10 * MIB,
					       .unpacked_bytes = 30 * MIB,
					       .codec = us_codec_by_id(US_CODEC_ZSTD) };
	b->initrd = (struct us_initrd){
		.bytes = { .p = (const uint8_t *)"", .n = 10 * MIB },
		.parts = b->parts,
		.n_parts = 1,
		.releases = releases,
		.unpacked_bytes = 30 * MIB,
		.deep = true,
	};
}

static inline void bench_machine(struct us_host *h)
{
	h->root = "/";
	h->arch = us_arch_by_id(US_ARCH_X86_64);
	h->machine = (struct us_fact_str){ KNOWN("uname"), "x86_64" };
	h->release = (struct us_fact_str){ KNOWN("/proc/sys/kernel/osrelease"), "6.12.0-test" };
	h->cmdline = (struct us_fact_str){ KNOWN("/proc/cmdline"), "root=/dev/sda1" };
	h->config_known = (struct us_fact_tri){ KNOWN("/boot/config"), US_YES };
	h->paging_levels = (struct us_fact_u64){ KNOWN("/proc/cpuinfo"), 5 };
	h->possible_cpus = (struct us_fact_u64){ KNOWN("/sys/devices/system/cpu/possible"), 4 };
	h->max_apicid = (struct us_fact_u64){ KNOWN("/proc/cpuinfo"), 3 };
	h->x2apic = (struct us_fact_tri){ KNOWN("/proc/cpuinfo"), US_YES };
	h->sme_active = h->sev_guest = h->tdx_guest = h->tdx_host = h->xen_pv =
		(struct us_fact_tri){ KNOWN("/proc/cpuinfo"), US_NO };
	h->hypervisor = (struct us_fact_str){ KNOWN("/proc/cpuinfo"), "" };
	h->efi = (struct us_fact_tri){ KNOWN("/sys/firmware/efi"), US_YES };
	h->efi_bits = (struct us_fact_u64){ KNOWN("/sys/firmware/efi/fw_platform_size"), 64 };
	h->efi_systab = (struct us_fact_u64){ KNOWN("/sys/firmware/efi/systab"), 0x7f000000 };
	h->acpi_rsdp = (struct us_fact_u64){ KNOWN("/sys/kernel/boot_params/data"), 0x7f001000 };
	h->n_efi_regions = 3;
	h->efi_regions_from = (struct us_origin)KNOWN("/sys/firmware/efi/runtime-map");
	h->boot_params_from = (struct us_origin)KNOWN("/sys/kernel/boot_params/data");
	h->iommus = (struct us_fact_u64){ KNOWN("/sys/class/iommu"), 1 };
	h->iommu_kind = (struct us_fact_str){ KNOWN("/sys/class/iommu"), "intel" };
	h->gpu_drivers = (struct us_fact_str){ KNOWN("/sys/class/drm"), "" };
	h->resume_device = (struct us_fact_str){ KNOWN("/sys/power/resume"), "0:0" };
	h->hibernation_image = (struct us_fact_tri){ KNOWN("/proc/swaps"), US_NO };
}

static inline void bench_memory(struct bench *b)
{
	struct us_host *h = &b->host;

	b->ram[0] = (struct us_map_entry){ { 0x1000, 0x9e000 }, US_MEM_RAM };
	b->ram[1] = (struct us_map_entry){ { MIB, 2 * GIB - MIB }, US_MEM_RAM };
	b->ram[2] = (struct us_map_entry){ { 4 * GIB, 4 * GIB }, US_MEM_RAM };
	h->map = (struct us_map){ .entries = b->ram, .n = 3, .cap = 0 };
	h->map_from = (struct us_origin)KNOWN("/proc/iomem");
	h->firmware_map = h->map;
	h->firmware_map_from = (struct us_origin)KNOWN("/sys/firmware/memmap");
	h->firmware_entries = 12;
	h->reserved_entries = 8;
	h->total_ram = (struct us_fact_u64){ KNOWN("/proc/meminfo"), 6 * GIB };
	h->unaccepted = (struct us_fact_u64){ KNOWN("/proc/meminfo: Unaccepted"), 0 };
	h->crash[0] = (struct us_range){ GIB, 256 * MIB };
	h->crash[1] = (struct us_range){ 6 * GIB, 512 * MIB };
	h->n_crash = 2;
	h->crash_size = (struct us_fact_u64){ KNOWN("/sys/kernel/kexec_crash_size"), 768 * MIB };
	h->crashkernel = (struct us_fact_str){ KNOWN("/proc/cmdline"), "crashkernel=512M" };
	h->elfcorehdr_size =
		(struct us_fact_u64){ KNOWN("/sys/kernel/crash_elfcorehdr_size"), 917616 };
	h->vmcoreinfo_addr = (struct us_fact_u64){ KNOWN("/sys/kernel/vmcoreinfo"), 0x1000000 };
	h->vmcoreinfo_size = (struct us_fact_u64){ KNOWN("/sys/kernel/vmcoreinfo"), 4096 };
}

static inline void bench_kexec(struct bench *b)
{
	struct us_host *h = &b->host;

	h->kexec_loaded = (struct us_fact_u64){ KNOWN("/sys/kernel/kexec_loaded"), 0 };
	h->crash_loaded = (struct us_fact_u64){ KNOWN("/sys/kernel/kexec_crash_loaded"), 0 };
	h->has_kexec_load = h->has_kexec_file_load = h->has_crash_dump =
		(struct us_fact_tri){ KNOWN("/proc/kallsyms"), US_YES };
	h->load_disabled = (struct us_fact_u64){ KNOWN("/proc/sys/kernel/kexec_load_disabled"), 0 };
	h->limit_panic = h->limit_reboot =
		(struct us_fact_i64){ KNOWN("/proc/sys/kernel/kexec_load_limit_panic"), -1 };
	h->crash_hotplug_cpu = h->crash_hotplug_memory =
		(struct us_fact_tri){ KNOWN("/sys/devices/system/cpu/crash_hotplug"), US_YES };
	h->panic_on_oops = (struct us_fact_u64){ KNOWN("/proc/sys/kernel/panic_on_oops"), 1 };
	h->crash_post_notifiers = (struct us_fact_u64){
		KNOWN("/sys/module/kernel/parameters/crash_kexec_post_notifiers"), 0
	};
	h->cap_sys_boot = h->init_pid_ns = h->init_user_ns = h->systemd =
		(struct us_fact_tri){ KNOWN("/proc/self/status"), US_YES };
	h->lockdown = (struct us_fact_str){ KNOWN("/sys/kernel/security/lockdown"), "none" };
	h->secure_boot = h->sig_enforced = h->ima_appraises_kexec = h->ima_refuses_kexec_load =
		(struct us_fact_tri){ KNOWN("efivar SecureBoot"), US_NO };
	b->key = (struct us_host_key){ .keyring = ".builtin_trusted_keys",
				       .description = "Example Secure Boot CA: 6ccece7e",
				       .key_id = "6ccece7e4c6c0d1f6149f3dd27dfcc5cbb419ea1" };
	h->keys = &b->key;
	h->n_keys = 1;
	h->keys_from = (struct us_origin)KNOWN("/proc/keys");
	h->unlisted = "";
}

static inline void bench_plan(struct bench *b)
{
	struct us_plan *p = &b->plan;

	b->e820[0] = (struct us_map_entry){ { 0x1000, 0x9e000 }, US_MEM_RAM };
	b->e820[1] = (struct us_map_entry){ { MIB, 2 * GIB - MIB }, US_MEM_RAM };
	*p = (struct us_plan){ .call = US_CALL_FILE,
			       .purpose = US_REBOOT,
			       .image = &b->image,
			       .initrd = &b->initrd,
			       .n_segments = 3,
			       .cmdline = "root=/dev/sda1 nr_cpus=1 reset_devices" };
	p->segments[0] = (struct us_segment){ .role = US_SEG_KERNEL,
					      .bytes = { NULL, 12 * MIB },
					      .dest = { 6 * GIB + 16 * MIB, 58 * MIB } };
	p->segments[1] = (struct us_segment){ .role = US_SEG_INITRD,
					      .bytes = { NULL, 10 * MIB },
					      .dest = { 6 * GIB + 128 * MIB, 10 * MIB } };
	p->segments[2] = (struct us_segment){ .role = US_SEG_BOOT_PARAMS,
					      .bytes = { NULL, 4096 },
					      .dest = { 6 * GIB + MIB, 8192 } };
	p->handover = (struct us_handover){
		.cmdline = p->cmdline, .e820 = b->e820, .n_e820 = 2, .efi = true
	};
}

/* The good case again: a reboot by kexec_file_load. */
static inline void bench_reset(struct bench *b)
{
	bench_image(b);
	bench_initrd(b);
	b->host = (struct us_host){ .kconfig = b->host_config };
	bench_machine(&b->host);
	bench_memory(b);
	bench_kexec(b);
	b->wanted = (struct us_wanted){ .purpose = US_REBOOT,
					.call = US_CALL_AUTO,
					.cmdline = "root=/dev/sda1 nr_cpus=1 reset_devices" };
	bench_plan(b);
	b->policy = (struct us_policy){ .severity = US_BLOCK, .max_major = 1, .max_minor = -1 };
	b->c = (struct us_case){
		.purpose = US_REBOOT,
		.image = &b->image,
		.initrd = &b->initrd,
		.host = &b->host,
		.plan = &b->plan,
		.wanted = &b->wanted,
		.policy = &b->policy,
		.acting = true,
	};
}

/* Changes that many cases share. */
static inline void on_crash(struct bench *b)
{
	b->c.purpose = b->plan.purpose = b->wanted.purpose = US_CRASH;
}
static inline void by_load(struct bench *b)
{
	b->plan.call = US_CALL_LOAD;
}
static inline void without_plan(struct bench *b)
{
	b->c.plan = NULL;
}
static inline void next_cmdline(struct bench *b, const char *cmdline)
{
	b->wanted.cmdline = b->plan.cmdline = b->plan.handover.cmdline = cmdline;
}

static inline const struct us_finding *bench_find(const struct us_verdict *v, const char *id)
{
	for (size_t i = 0; i < v->n_findings; i++)
		if (strcmp(v->findings[i].rule->id, id) == 0)
			return &v->findings[i];
	return NULL;
}

static inline void bench_expect(struct bench *b, const char *id, const char *name,
				enum us_result expect)
{
	static const char *const words[] = { "passes", "fails", "cannot tell", "does not apply" };
	_us_verdict_free_ struct us_verdict *v = NULL;
	const struct us_rule *rule = us_rule_by_id(id);
	const struct us_finding *f;
	enum us_result got;
	size_t i = 0;

	if (!rule)
		fail_msg("%s: no such rule", id);
	assert_null(us_check(&b->c, &v));
	f = bench_find(v, id);
	got = f ? f->result : US_NOT_APPLICABLE;
	if (got != expect)
		fail_msg("%s: %s: %s (%s), should be: %s", id, name, words[got],
			 f && f->d.fact ? f->d.fact : "no fact", words[expect]);
	while (us_rule_at(i) != rule)
		i++;
	assert_true(i < us_array_size(b->failed));
	b->failed[i] |= got == US_FAIL;
	b->passed[i] |= got == US_PASS;
}

#define BENCH_CASE_(id, name, expect, ...)                                                         \
	do {                                                                                       \
		struct us_image *image = &b->image;                                                \
		struct us_host *host = &b->host;                                                   \
		struct us_plan *plan = &b->plan;                                                   \
		struct us_wanted *wanted = &b->wanted;                                             \
		bench_reset(b);                                                                    \
		(void)image, (void)host, (void)plan, (void)wanted;                                 \
		__VA_ARGS__                                                                        \
		bench_expect(b, id, name, expect);                                                 \
	} while (0)
#define FAILS(id, name, ...)   BENCH_CASE_(id, name, US_FAIL, __VA_ARGS__)
#define PASSES(id, name, ...)  BENCH_CASE_(id, name, US_PASS, __VA_ARGS__)
#define UNKNOWN(id, name, ...) BENCH_CASE_(id, name, US_CANNOT_TELL, __VA_ARGS__)
#define SILENT(id, name, ...)  BENCH_CASE_(id, name, US_NOT_APPLICABLE, __VA_ARGS__)

static inline int bench_open(void **state)
{
	struct bench *b = calloc(1, sizeof(*b));

	if (!b)
		return -1;
	b->host_config = bench_config("CONFIG_KEXEC_SIG=y\nCONFIG_KEXEC_BZIMAGE_VERIFY_SIG=y\n"
				      "CONFIG_KEXEC_HANDOVER=y\nCONFIG_CRASH_HOTPLUG=y\n");
	b->other_config = bench_config("CONFIG_64BIT=y\n");
	*state = b;
	return 0;
}

static inline int bench_close(void **state)
{
	struct bench *b = *state;

	us_kconfig_free(b->host_config);
	us_kconfig_free(b->other_config);
	free(b);
	return 0;
}

/* Every rule of table was seen both ways. */
static inline void bench_done(const struct bench *b, const struct us_rule_table *table)
{
	for (size_t i = 0; us_rule_at(i); i++) {
		const struct us_rule *rule = us_rule_at(i);

		if (rule < table->rules || rule >= table->rules + table->n)
			continue;
		if (!b->failed[i])
			fail_msg("%s: no case in which it fails", rule->id);
		if (!b->passed[i])
			fail_msg("%s: no case in which it passes", rule->id);
	}
}

#endif
