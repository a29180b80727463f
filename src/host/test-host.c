/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Tests of a machine as a whole: recorded ones (tests/fixtures/hosts/NAME.host, text files that are
 * unpacked here) give the facts that their makers know, changes of single files change single facts,
 * a snapshot of a recording gives the same facts again, and nothing acts on a recorded machine.
 */
#include "host/host-int.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/text.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static void keep(const char *dir, const char *path, const void *p, size_t n)
{
	char full[512];
	FILE *f;

	snprintf(full, sizeof(full), "%s/%s", dir, path);
	for (char *slash = strchr(full + strlen(dir) + 1, '/'); slash;
	     slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(full, 0755);
		*slash = '/';
	}
	f = fopen(full, "w");
	assert_non_null(f);
	assert_int_equal(fwrite(p, 1, n, f), n);
	fclose(f);
}

static void put(const char *dir, const char *path, const char *text)
{
	keep(dir, path, text, strlen(text));
}

static void drop(const char *dir, const char *path)
{
	char full[512];

	snprintf(full, sizeof(full), "%s/%s", dir, path);
	assert_int_equal(unlink(full), 0);
}

/* "0010: 00 ff ..." lines, then "end SIZE". */
static void keep_hex(const char *dir, const char *path, struct us_bytes text)
{
	uint8_t data[8192] = { 0 };
	struct us_bytes line;
	size_t size = 0;

	while (us_line_next(&text, &line)) {
		char row[128] = "", *at = row;
		unsigned long offset;

		memcpy(row, line.p, line.n < sizeof(row) ? line.n : sizeof(row) - 1);
		if (sscanf(row, "end %zx", &size) == 1)
			break;
		offset = strtoul(row, &at, 16);
		for (at++; *at; offset++)
			data[offset] = (uint8_t)strtoul(at, &at, 16);
	}
	assert_true(size && size <= sizeof(data));
	keep(dir, path, data, size);
}

static void unpack(const char *name, const char *dir)
{
	_us_blob_deinit_ struct us_blob file = { 0 };
	char path[512], target[256] = "", how[16];
	const char *start, *next, *end;

	snprintf(path, sizeof(path), "%s/hosts/%s.host", getenv("US_FIXTURES"), name);
	assert_null(us_file_map(path, &file));
	end = (const char *)file.p + file.n;
	start = memmem(file.p, file.n, "\n--- ", 5);
	for (; start; start = next) {
		const char *text = memchr(start + 1, '\n', (size_t)(end - start - 1));
		struct us_bytes body;

		assert_non_null(text++);
		how[0] = '\0';
		assert_true(sscanf(start, "\n--- %255s (%15[a-z ])", target, how) >= 1);
		next = memmem(text - 1, (size_t)(end - text + 1), "\n--- ", 5);
		body = us_bytes_of(text, (size_t)((next ? next + 1 : end) - text));
		if (strcmp(how, "hex") == 0)
			keep_hex(dir, target, body);
		else
			keep(dir, target, body.p, body.n - (strcmp(how, "no newline") == 0));
	}
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void remove_tree(const char *dir)
{
	nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* A fresh copy of a recorded machine; remove_tree() it. */
static void fresh(char *dir, const char *name)
{
	strcpy(dir, "/tmp/us-host-XXXXXX");
	assert_non_null(mkdtemp(dir));
	unpack(name, dir);
}

static struct us_host *opened(const char *dir)
{
	struct us_host *host = NULL;
	_us_err_free_ struct us_err *err = us_host_open(dir, &host);

	if (err)
		fail_msg("%s", err->text);
	return host;
}

static void test_five_level_machine_is_told_with_its_sources(void **state)
{
	char dir[32];
	_us_host_free_ struct us_host *host = NULL;

	(void)state;
	fresh(dir, "vm-la57");
	host = opened(dir);
	assert_false(host->live);
	assert_int_equal(host->arch->id, US_ARCH_X86_64);
	assert_string_equal(host->crashkernel.v, "crashkernel=256M");
	assert_int_equal(host->paging_levels.v, 5);
	assert_string_equal(host->paging_levels.o.path, "/proc/kcore: NUMBER(pgtable_l5_enabled)");
	assert_int_equal(host->possible_cpus.v, 2);
	assert_int_equal(host->max_apicid.v, 1);
	assert_int_equal(host->n_crash, 1);
	assert_int_equal(host->crash[0].size, 256 << 20);
	assert_int_equal(host->crash_size.v, 256 << 20);
	assert_int_equal(us_map_total(&host->map, US_MEM_CRASH), 256 << 20);
	assert_int_equal(host->firmware_entries, 9);
	assert_int_equal(us_map_top(&host->firmware_map, US_MEM_RAM), 0x3ffe0000);
	assert_int_equal(host->n_crash_notes, 2);
	assert_int_equal(host->crash_notes[0].start, 0x3f23d800);
	assert_int_equal(host->crash_notes[1].size, 368);
	assert_int_equal(host->vmcoreinfo_size.v, 0x1024);
	assert_int_equal(host->text_virt.v, 0xffffffffba200000);
	assert_int_equal(host->text_phys.v, 0x16a00000);
	assert_int_equal(host->page_offset.v, 0xff17277f00000000);
	assert_int_equal(host->limit_panic.v, -1);
	assert_int_equal(host->has_kexec_load.v, US_YES);
	assert_int_equal(host->has_kexec_file_load.v, US_YES);
	assert_int_equal(host->has_crash_dump.v, US_YES);
	assert_int_equal(host->cap_sys_boot.v, US_YES);
	assert_int_equal(host->init_pid_ns.v, US_YES);
	assert_int_equal(host->systemd.v, US_NO);
	assert_int_equal(host->efi.v, US_NO);
	assert_int_equal(host->acpi_rsdp.v, 0xf59e0);
	assert_int_equal(host->sig_enforced.v, US_NO);
	assert_int_equal(host->crash_hotplug_cpu.v, US_NO);
	assert_int_equal(host->hibernation_image.v, US_NO);
	remove_tree(dir);
}

static void test_no5lvl_machine_has_four_levels(void **state)
{
	char dir[32];
	_us_host_free_ struct us_host *host = NULL;

	(void)state;
	fresh(dir, "vm-4level");
	host = opened(dir);
	assert_int_equal(host->paging_levels.v, 4);
	us_host_free(host);
	drop(dir, "understudy/vmcoreinfo");
	host = opened(dir);
	assert_int_equal(host->paging_levels.v, 4);
	assert_string_equal(host->paging_levels.o.path, "/proc/cpuinfo: flags has no la57");
	us_host_free(host);
	drop(dir, "proc/cpuinfo");
	host = opened(dir);
	assert_false(us_known(host->paging_levels.o));
	remove_tree(dir);
}

static void test_secure_boot_machine_enforces_signatures(void **state)
{
	char dir[32];
	_us_host_free_ struct us_host *host = NULL;

	(void)state;
	fresh(dir, "vm-secureboot");
	host = opened(dir);
	assert_int_equal(host->secure_boot.v, US_YES);
	assert_int_equal(host->sig_enforced.v, US_YES);
	assert_int_equal(host->ima_appraises_kexec.v, US_NO); /* kexec checks by itself there */
	assert_int_equal(host->ima_refuses_kexec_load.v, US_YES);
	assert_string_equal(host->lockdown.v, "integrity");
	assert_int_equal(host->n_keys, 4);
	assert_string_equal(host->keys[3].description,
			    "Debian Secure Boot CA: 6ccece7e4c6c0d1f6149f3dd27dfcc5cbb419ea1");
	assert_string_equal(host->keys[3].key_id, "6ccece7e4c6c0d1f6149f3dd27dfcc5cbb419ea1");
	assert_int_equal(host->efi_bits.v, 64);
	assert_int_equal(host->efi_systab.v, 0x3f5eb018);
	assert_int_equal(host->efi_smbios.v, 0x3f520000);
	assert_int_equal(host->acpi_rsdp.v, 0x3f77d014);
	assert_int_equal(host->n_efi_regions, 8);
	us_host_free(host);
	put(dir, "boot/config-6.12.117+deb12-amd64", "CONFIG_KEXEC_SIG=y\n");
	host = opened(dir);
	assert_int_equal(host->sig_enforced.v, US_NO);
	us_host_free(host);
	drop(dir, "boot/config-6.12.117+deb12-amd64");
	host = opened(dir);
	assert_int_equal(host->sig_enforced.v, US_UNKNOWN);
	assert_non_null(strstr(host->sig_enforced.o.missing, "configuration"));
	us_host_free(host);
	drop(dir, "sys/kernel/boot_params/data");
	host = opened(dir);
	assert_int_equal(host->secure_boot.v, US_YES);
	assert_non_null(strstr(host->secure_boot.o.path, "efivars"));
	remove_tree(dir);
}

static void test_newest_kernel_is_read_by_its_new_names(void **state)
{
	char dir[32];
	_us_host_free_ struct us_host *host = NULL;

	(void)state;
	fresh(dir, "vm-newest");
	host = opened(dir);
	assert_string_equal(host->crash_size.o.path, "/sys/kernel/kexec/crash_size");
	assert_int_equal(host->crash_size.v, 256 << 20);
	remove_tree(dir);
}

static void test_unaccepted_memory_is_counted(void **state)
{
	char dir[32];
	_us_host_free_ struct us_host *host = NULL;

	(void)state;
	fresh(dir, "vm-newest");
	host = opened(dir);
	assert_true(us_known(host->unaccepted.o));
	assert_int_equal(host->unaccepted.v, 0);
	us_host_free(host);
	put(dir, "proc/meminfo", "MemTotal:  2048 kB\nUnaccepted:    1024 kB\n");
	host = opened(dir);
	assert_int_equal(host->total_ram.v, 2 << 20);
	assert_int_equal(host->unaccepted.v, 1 << 20);
	us_host_free(host);
	put(dir, "proc/meminfo", "MemTotal:  2048 kB\n"); /* a kernel that knows no such memory */
	host = opened(dir);
	assert_true(us_known(host->unaccepted.o));
	assert_int_equal(host->unaccepted.v, 0);
	us_host_free(host);
	drop(dir, "proc/meminfo");
	host = opened(dir);
	assert_false(us_known(host->unaccepted.o));
	assert_false(us_known(host->total_ram.o));
	remove_tree(dir);
}

static void test_older_kernel_lacks_what_came_later(void **state)
{
	char dir[32];
	_us_host_free_ struct us_host *host = NULL;

	(void)state;
	fresh(dir, "vm-6.1");
	host = opened(dir);
	assert_false(us_known(host->elfcorehdr_size.o));
	assert_int_equal(host->crash_hotplug_cpu.v, US_UNKNOWN);
	assert_true(us_known(host->limit_panic.o));
	assert_int_equal(host->limit_panic.v, -1);
	remove_tree(dir);
}

static void test_uefi_machine_without_secure_boot(void **state)
{
	char dir[32];
	_us_host_free_ struct us_host *host = NULL;

	(void)state;
	fresh(dir, "vm-uefi");
	host = opened(dir);
	assert_int_equal(host->efi.v, US_YES);
	assert_int_equal(host->secure_boot.v, US_NO);
	assert_int_equal(host->efi_regions[0].pages != 0, 1);
	assert_true(us_map_total(&host->map, US_MEM_NVS) > 0);
	us_host_free(host);
	drop(dir, "sys/kernel/boot_params/data");
	drop(dir, "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c");
	host = opened(dir);
	assert_int_equal(host->secure_boot.v, US_UNKNOWN);
	assert_non_null(strstr(host->secure_boot.o.missing, "mount efivarfs"));
	remove_tree(dir);
}

static void test_masked_memory_is_unknown_not_empty(void **state)
{
	char dir[32];
	_us_host_free_ struct us_host *host = NULL;

	(void)state;
	fresh(dir, "vm-la57");
	put(dir, "proc/iomem",
	    "00000000-00000000 : System RAM\n  00000000-00000000 : Crash kernel\n");
	put(dir, "understudy/denied", "/sys/devices/system/cpu/cpu0/crash_notes\n");
	drop(dir, "sys/devices/system/cpu/cpu0/crash_notes");
	drop(dir, "sys/devices/system/cpu/cpu1/crash_notes");
	host = opened(dir);
	assert_false(us_known(host->map_from));
	assert_non_null(strstr(host->map_from.missing, "root only"));
	assert_int_equal(host->n_crash, 0);
	assert_false(us_known(host->crash_notes_from));
	assert_string_equal(host->crash_notes_from.missing, "readable by root only");
	remove_tree(dir);
}

static void test_calls_come_from_kallsyms_without_a_config(void **state)
{
	char dir[32];
	_us_host_free_ struct us_host *host = NULL;

	(void)state;
	fresh(dir, "vm-la57");
	drop(dir, "boot/config-6.12.117+deb12-amd64");
	host = opened(dir);
	assert_int_equal(host->config_known.v, US_UNKNOWN);
	assert_int_equal(host->has_kexec_load.v, US_YES);
	assert_int_equal(host->has_kexec_file_load.v, US_YES);
	assert_int_equal(host->has_crash_dump.v, US_YES);
	us_host_free(host);
	put(dir, "proc/kallsyms",
	    "0000000000000000 W __x64_sys_kexec_load\n"
	    "0000000000000000 T __x64_sys_kexec_file_load\n");
	host = opened(dir);
	assert_int_equal(host->has_kexec_load.v, US_NO);
	assert_int_equal(host->has_kexec_file_load.v, US_YES);
	assert_int_equal(host->has_crash_dump.v, US_NO);
	us_host_free(host);
	drop(dir, "proc/kallsyms");
	host = opened(dir);
	assert_int_equal(host->has_kexec_load.v, US_UNKNOWN);
	us_host_free(host);
	drop(dir, "sys/kernel/kexec_loaded");
	drop(dir, "proc/sys/kernel/kexec_load_disabled");
	drop(dir, "proc/sys/kernel/kexec_load_limit_reboot");
	host = opened(dir);
	assert_int_equal(host->has_kexec_load.v, US_NO);
	assert_false(us_known(host->limit_reboot.o));
	remove_tree(dir);
}

static void test_single_files_change_single_facts(void **state)
{
	char dir[32];
	_us_host_free_ struct us_host *host = NULL;

	(void)state;
	fresh(dir, "vm-la57");
	put(dir, "sys/class/iommu/dmar0/uevent", "");
	put(dir, "sys/class/iommu/dmar1/uevent", "");
	put(dir, "sys/class/drm/card0/device/uevent", "DRIVER=i915\nPCI_CLASS=30000\n");
	put(dir, "sys/class/drm/card1/device/uevent", "DRIVER=amdgpu\n");
	put(dir, "sys/class/drm/card0-HDMI-A-1/device/uevent", "DEVTYPE=drm_minor\n");
	put(dir, "sys/power/resume", "254:1\n");
	put(dir, "understudy/hibernation", "yes\n");
	put(dir, "sys/hypervisor/type", "xen\n");
	put(dir, "sys/hypervisor/guest_type", "PV\n");
	put(dir, "proc/sys/kernel/kexec_load_limit_panic", "3\n");
	put(dir, "proc/sys/kernel/kexec_load_limit_reboot", "many\n");
	put(dir, "proc/1/comm", "systemd\n");
	put(dir, "proc/self/ns/pid", "pid:[4026532201]\n");
	put(dir, "sys/kernel/security/lockdown", "none integrity [confidentiality]\n");
	put(dir, "sys/kernel/security/integrity/ima/policy",
	    "measure func=KEXEC_CMDLINE\nappraise func=KEXEC_KERNEL_CHECK appraise_type=imasig\n");
	host = opened(dir);
	assert_int_equal(host->iommus.v, 2);
	assert_string_equal(host->iommu_kind.v, "intel");
	assert_string_equal(host->gpu_drivers.v, "i915 amdgpu");
	assert_int_equal(host->hibernation_image.v, US_YES);
	assert_int_equal(host->xen_pv.v, US_YES);
	assert_string_equal(host->hypervisor.v, "xen");
	assert_int_equal(host->limit_panic.v, 3);
	assert_false(us_known(host->limit_reboot.o));
	assert_int_equal(host->systemd.v, US_YES);
	assert_int_equal(host->init_pid_ns.v, US_NO);
	assert_string_equal(host->lockdown.v, "confidentiality");
	assert_int_equal(host->ima_appraises_kexec.v, US_YES);
	assert_int_equal(host->ima_refuses_kexec_load.v, US_YES);
	remove_tree(dir);
}

static void test_refresh_reads_the_state_again(void **state)
{
	char dir[32];
	_us_host_free_ struct us_host *host = NULL;

	(void)state;
	fresh(dir, "vm-la57");
	host = opened(dir);
	assert_int_equal(host->crash_loaded.v, 0);
	put(dir, "sys/kernel/kexec_crash_loaded", "1\n");
	put(dir, "sys/devices/system/cpu/crash_hotplug", "1\n");
	assert_null(us_host_refresh_kexec(host));
	assert_int_equal(host->crash_loaded.v, 1);
	assert_int_equal(host->crash_hotplug_cpu.v, US_YES);
	remove_tree(dir);
}

static char *read_back(const char *dir, const char *path)
{
	char full[512];
	_us_blob_deinit_ struct us_blob blob = { 0 };

	snprintf(full, sizeof(full), "%s/%s", dir, path);
	assert_null(us_file_map(full, &blob));
	return strndup((const char *)blob.p, blob.n);
}

static void test_snapshot_keeps_facts_and_loses_secrets(void **state)
{
	char dir[32], copy[] = "/tmp/us-snap-XXXXXX";
	_us_host_free_ struct us_host *host = NULL, *again = NULL;
	_us_free_ char *cmdline = NULL, *version = NULL, *keys = NULL;
	size_t files = 0;

	(void)state;
	fresh(dir, "vm-secureboot");
	put(dir, "proc/version", "Linux version 6.12 (joe@secret.example.org) (gcc 12)\n");
	put(dir, "proc/cmdline",
	    "root=UUID=2f9c4b1e-aaaa-4bbb-8ccc-0123456789ab crashkernel=256M "
	    "rd.luks.key=/etc/key wifi_password=hunter2 BOOTIF=01-52-54-00-12-34-56 "
	    "resume=UUID=2f9c4b1e-aaaa-4bbb-8ccc-0123456789ab ip=10.0.0.7::web1:eth0 -- s3cret\n");
	put(dir, "proc/keys",
	    "1a I------ 1 perm 1f010000 0 0 asymmetri CA: 6cce: X509.rsa bb419ea1 []\n"
	    "1b I------ 1 perm 1f010000 0 0 logon     cryptsetup:2f9c4b1e: 64\n");
	host = opened(dir);
	assert_non_null(mkdtemp(copy));
	assert_null(us_host_snapshot(host, copy, &files));
	assert_true(files > 50);
	cmdline = read_back(copy, "proc/cmdline");
	assert_string_equal(cmdline,
			    "root=UUID=00000000-0000-0000-0000-000000000001 crashkernel=256M "
			    "rd.luks.key=SCRUBBED wifi_password=SCRUBBED BOOTIF=SCRUBBED "
			    "resume=UUID=00000000-0000-0000-0000-000000000001 ip=SCRUBBED "
			    "-- SCRUBBED\n");
	version = read_back(copy, "proc/version");
	assert_string_equal(version, "Linux version 6.12 (builder@host) (gcc 12)\n");
	keys = read_back(copy, "proc/keys");
	assert_null(strstr(keys, "cryptsetup"));
	again = opened(copy);
	assert_int_equal(again->secure_boot.v, US_YES);
	assert_int_equal(again->n_keys, 1);
	assert_int_equal(again->paging_levels.v, host->paging_levels.v);
	assert_int_equal(again->map.n, host->map.n);
	assert_int_equal(again->firmware_entries, host->firmware_entries);
	assert_int_equal(again->text_phys.v, host->text_phys.v);
	assert_int_equal(again->n_efi_regions, host->n_efi_regions);
	assert_int_equal(again->n_crash_notes, host->n_crash_notes);
	remove_tree(dir);
	remove_tree(copy);
}

static void test_recorded_machine_refuses_to_act(void **state)
{
	char dir[32];
	_us_host_free_ struct us_host *host = NULL;
	const char *const argv[] = { "true", NULL };
	int status = -1;

	(void)state;
	fresh(dir, "vm-la57");
	host = opened(dir);
	assert_int_equal(host->act.kexec_load(host->act.data, 0, 0, NULL, 0), EPERM);
	assert_int_equal(host->act.kexec_file_load(host->act.data, -1, -1, 0, NULL, 0), EPERM);
	assert_int_equal(host->act.reboot_kexec(host->act.data), EPERM);
	assert_int_equal(host->act.sync_disks(host->act.data), EPERM);
	assert_int_equal(host->act.run(host->act.data, argv, &status), EPERM);
	assert_int_equal(host->act.write_file(host->act.data, "/x", us_bytes_of("1", 1)), EPERM);
	remove_tree(dir);
}

static void test_real_act_runs_and_writes(void **state)
{
	struct us_act act = us_act_real();
	struct us_kexec_segment segments[17] = { 0 };
	const char *const no[] = { "false", NULL }, *const none[] = { "/nonexistent", NULL };
	char path[] = "/tmp/us-act-XXXXXX";
	_us_close_ int fd = mkstemp(path);
	_us_blob_deinit_ struct us_blob blob = { 0 };
	int status = 0;

	(void)state;
	assert_false(act.recording);
	assert_true(fd >= 0);
	assert_int_equal(act.run(act.data, no, &status), 0);
	assert_int_equal(WEXITSTATUS(status), 1);
	assert_int_equal(act.run(act.data, none, &status), ENOENT);
	assert_int_equal(act.write_file(act.data, path, us_bytes_of("42\n", 3)), 0);
	assert_null(us_file_map(path, &blob));
	assert_int_equal(blob.n, 3);
	unlink(path);
	assert_int_equal(act.write_file(act.data, path, us_bytes_of("42\n", 3)), ENOENT);
	/* more segments than the kernel takes: refused before the kernel is asked */
	assert_int_equal(act.kexec_load(act.data, 0, 17, segments, 0), EINVAL);
}

static void test_ima_policy_is_judged_by_what_is_known(void **state)
{
	static const char *const config = "boot/config-6.12.117+deb12-amd64";
	char dir[32];
	_us_host_free_ struct us_host *host = NULL;

	(void)state;
	fresh(dir, "vm-la57");
	put(dir, "proc/cmdline", "quiet ima_policy=tcb\n");
	host = opened(dir);
	assert_int_equal(host->ima_appraises_kexec.v, US_UNKNOWN);
	us_host_free(host);
	put(dir, "proc/cmdline", "quiet ima_policy=\"tcb|secure_boot\"\n");
	host = opened(dir);
	assert_int_equal(host->ima_appraises_kexec.v, US_YES);
	us_host_free(host);
	put(dir, config, "# CONFIG_IMA_APPRAISE is not set\n");
	host = opened(dir);
	assert_int_equal(host->ima_appraises_kexec.v, US_NO);
	us_host_free(host);
	put(dir, "proc/cmdline", "quiet\n");
	put(dir, config, "CONFIG_IMA_APPRAISE=y\nCONFIG_IMA_APPRAISE_REQUIRE_KEXEC_SIGS=y\n");
	host = opened(dir);
	assert_int_equal(host->ima_appraises_kexec.v, US_YES);
	us_host_free(host);
	put(dir, config, "CONFIG_KEXEC_SIG_FORCE=y\n");
	host = opened(dir);
	assert_int_equal(host->sig_enforced.v, US_YES);
	us_host_free(host);
	remove_tree(dir);
	/* Secure Boot, and a kernel that leaves the checking of kexec's images to IMA */
	fresh(dir, "vm-secureboot");
	put(dir, config, "CONFIG_IMA_APPRAISE=y\nCONFIG_IMA_ARCH_POLICY=y\n");
	host = opened(dir);
	assert_int_equal(host->ima_appraises_kexec.v, US_YES);
	assert_int_equal(host->ima_refuses_kexec_load.v, US_YES);
	remove_tree(dir);
}

static void test_recording_writes_calls_down(void **state)
{
	_us_free_ char *text = NULL;
	size_t n = 0;
	struct us_act_recording recording = { .fail_call = "kexec_file_load", .fail_errno = ENOKEY };
	struct us_act act = us_act_recording(&recording);
	struct us_kexec_segment segment = { .bufsz = 5, .mem = 0x1000000, .memsz = 4096 };
	const char *const argv[] = { "systemctl", "kexec", NULL };
	int status = -1;

	(void)state;
	recording.out = open_memstream(&text, &n);
	assert_true(act.recording);
	assert_int_equal(act.kexec_load(act.data, 0x1000000, 1, &segment, 0x3e0000), 0);
	assert_int_equal(act.kexec_file_load(act.data, 3, -1, 3, "a\"", 2), ENOKEY);
	assert_int_equal(act.run(act.data, argv, &status), 0);
	assert_int_equal(status, 0);
	fclose(recording.out);
	assert_string_equal(text, "{\"call\":\"kexec_load\",\"entry\":16777216,\"flags\":4063232,"
				  "\"segments\":[{\"bufsz\":5,\"mem\":16777216,\"memsz\":4096}]}\n"
				  "{\"call\":\"kexec_file_load\",\"kernel\":true,\"initrd\":false,"
				  "\"cmdline_len\":3,\"cmdline\":\"a\\\"\",\"flags\":2}\n"
				  "{\"call\":\"run\",\"argv\":[\"systemctl\",\"kexec\"]}\n");
}

static void test_empty_folder_is_no_machine(void **state)
{
	char dir[] = "/tmp/us-host-XXXXXX";
	_us_host_free_ struct us_host *host = NULL;
	_us_err_free_ struct us_err *err = NULL;

	(void)state;
	assert_non_null(mkdtemp(dir));
	err = us_host_open(dir, &host);
	assert_non_null(err);
	assert_non_null(strstr(err->text, "no recorded machine"));
	rmdir(dir);
}

static void test_this_machine_can_be_opened_by_anyone(void **state)
{
	_us_host_free_ struct us_host *host = opened("/");
	struct us_kmsg *mark = NULL;
	_us_free_ char *lines = NULL;

	(void)state;
	assert_true(host->live);
	assert_true(us_known(host->release.o));
	assert_true(us_known(host->cmdline.o));
	assert_null(us_kmsg_mark(&mark));
	assert_null(us_kmsg_since(mark, &lines));
	assert_non_null(lines);
	if (us_kmsg_missing(mark))
		assert_string_equal(lines, "");
	us_kmsg_free(mark);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_five_level_machine_is_told_with_its_sources),
		cmocka_unit_test(test_no5lvl_machine_has_four_levels),
		cmocka_unit_test(test_secure_boot_machine_enforces_signatures),
		cmocka_unit_test(test_newest_kernel_is_read_by_its_new_names),
		cmocka_unit_test(test_unaccepted_memory_is_counted),
		cmocka_unit_test(test_older_kernel_lacks_what_came_later),
		cmocka_unit_test(test_uefi_machine_without_secure_boot),
		cmocka_unit_test(test_masked_memory_is_unknown_not_empty),
		cmocka_unit_test(test_calls_come_from_kallsyms_without_a_config),
		cmocka_unit_test(test_single_files_change_single_facts),
		cmocka_unit_test(test_refresh_reads_the_state_again),
		cmocka_unit_test(test_snapshot_keeps_facts_and_loses_secrets),
		cmocka_unit_test(test_recorded_machine_refuses_to_act),
		cmocka_unit_test(test_real_act_runs_and_writes),
		cmocka_unit_test(test_ima_policy_is_judged_by_what_is_known),
		cmocka_unit_test(test_recording_writes_calls_down),
		cmocka_unit_test(test_empty_folder_is_no_machine),
		cmocka_unit_test(test_this_machine_can_be_opened_by_anyone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
