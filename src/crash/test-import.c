/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tests of the import: what a Debian and several Fedora configurations become, and what is noted. */
#include "base/cleanup.h"
#include "base/err.h"
#include "crash/import-int.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static struct us_bytes bytes_of(const char *text)
{
	return us_bytes_of(text, text ? strlen(text) : 0);
}

struct imported {
	struct us_pool pool;
	const char *text;
	const char *const *notes;
	struct us_crash_config *config;
};

static void import(const char *debian, const char *conf, const char *sysconfig, const char *fstab,
		   struct imported *ret)
{
	struct us_import_files files = { bytes_of(debian), bytes_of(conf), bytes_of(sysconfig),
					 bytes_of(fstab) };
	struct us_err *err = us_import_texts(&files, &ret->pool, &ret->text, &ret->notes);

	if (!err)
		err = us_crash_config_parse(bytes_of(ret->text), "imported", &ret->config);
	if (err)
		fail_msg("%s", err->text);
}

static void deinit(struct imported *i)
{
	us_crash_config_free(i->config);
	us_pool_deinit(&i->pool);
}
#define _deinit_ __attribute__((cleanup(deinit)))

static void noted(const struct imported *i, const char *words)
{
	for (size_t n = 0; i->notes[n]; n++)
		if (strstr(i->notes[n], words))
			return;
	fail_msg("no note has \"%s\" in:\n%s", words, i->text);
}

static void not_noted(const struct imported *i, const char *words)
{
	for (size_t n = 0; i->notes[n]; n++)
		if (strstr(i->notes[n], words))
			fail_msg("\"%s\" is noted: %s", words, i->notes[n]);
}

/* What the package's own file says when it is installed: the rest of it is comments. */
static void test_debian_as_installed_is_our_default(void **state)
{
	_deinit_ struct imported i = { 0 };

	(void)state;
	import("# kdump-tools\n"
	       "USE_KDUMP=1\n"
	       "\n"
	       "KDUMP_KERNEL=/var/lib/kdump/vmlinuz\n"
	       "KDUMP_INITRD=/var/lib/kdump/initrd.img\n"
	       "KDUMP_COREDIR=\"/var/crash\"\n"
	       "#KDUMP_FAIL_CMD=\"reboot -f\"\n"
	       "#SSH=\"<user at server>\"\n",
	       NULL, NULL, NULL, &i);
	assert_int_equal(i.config->n_targets, 1);
	assert_string_equal(i.config->targets[0].path, "/var/crash");
	assert_string_equal(i.config->kernel, "running");
	assert_int_equal(i.config->level, 31);
	assert_string_equal(i.config->codec, "auto");
	noted(&i, "apt-get remove kdump-tools");
	assert_null(i.notes[1]);
}

static void test_every_key_of_debian_is_taken_or_noted(void **state)
{
	_deinit_ struct imported i = { 0 };

	(void)state;
	import("USE_KDUMP=0\n"
	       "KDUMP_KERNEL=/boot/vmlinuz-6.1.0-49-amd64\n"
	       "KDUMP_INITRD=/boot/initrd-kdump\n"
	       "KDUMP_COREDIR=/srv/crash\n"
	       "KDUMP_FAIL_CMD=\"echo 'makedumpfile FAILED.'; /bin/bash; reboot -f\"\n"
	       "KDUMP_DUMP_DMESG=0\n"
	       "KDUMP_NUM_DUMPS=3\n"
	       "KDUMP_COMPRESSION=xz\n"
	       "MAKEDUMP_ARGS=\"-F -l -d 17 --num-threads 4 --message-level=7 -X -E\"\n"
	       "KDUMP_KEXEC_ARGS=\"-s --elf64-core-headers\"\n"
	       "KDUMP_CMDLINE=\"root=/dev/sda1\"\n"
	       "KDUMP_CMDLINE_APPEND='reset_devices systemd.unit=kdump-tools-dump.service nr_cpus=2 "
	       "irqpoll usbcore.nousb pci=nomsi iommu=off'\n"
	       "HOSTTAG=hostname\n"
	       "NFS=\"filer:/export/crash\"\n"
	       "NFS_TIMEO=\"100\"\n"
	       "export NFS_RETRANS=2 # few\n"
	       "NFS_MOUNT_RETRY=9\n"
	       "FTP=\"ftp.example:/in\"\n"
	       "FTP_USER=u\nFTP_PASSWORD=secret\nFTP_PORT=21\n"
	       "SSH=\"kdump@collector\"\n"
	       "SSH_KEY=/root/.ssh/id\n"
	       "SSH_KDUMP_RETRY=5\n"
	       "MINE=1\n",
	       NULL, NULL, NULL, &i);
	assert_int_equal(i.config->n_targets, 2);
	assert_int_equal(i.config->targets[0].kind, US_TARGET_NFS);
	assert_string_equal(i.config->targets[0].host, "filer");
	assert_string_equal(i.config->targets[0].share, "/export/crash");
	assert_string_equal(i.config->targets[0].options, "timeo=100,retrans=2");
	assert_int_equal(i.config->targets[1].kind, US_TARGET_SSH);
	assert_string_equal(i.config->targets[1].user, "kdump");
	assert_string_equal(i.config->targets[1].host, "collector");
	assert_string_equal(i.config->targets[1].path, "/srv/crash");
	assert_string_equal(i.config->targets[1].identity, "/root/.ssh/id");
	assert_string_equal(i.config->kernel, "/boot/vmlinuz-6.1.0-49-amd64");
	assert_int_equal(i.config->level, 17);
	assert_string_equal(i.config->codec, "lzo");
	assert_int_equal(i.config->jobs, 4);
	assert_int_equal(i.config->cpus, 2);
	assert_true(i.config->keep.may_prune);
	assert_int_equal(i.config->keep.max_crashes, 3);
	assert_string_equal(i.config->call, "file");
	assert_string_equal(i.config->append, "pci=nomsi iommu=off");
	noted(&i, "/etc/default/kdump-tools:1: USE_KDUMP: it is switched off");
	noted(&i, ":5: KDUMP_FAIL_CMD: ");
	noted(&i, "KDUMP_DUMP_DMESG: the kernel log is always saved");
	noted(&i, "KDUMP_COMPRESSION: ");
	noted(&i, "MAKEDUMP_ARGS: -X: this option of makedumpfile has no like");
	noted(&i, "MAKEDUMP_ARGS: -E: dumps are kdump-compressed");
	noted(&i, "KDUMP_KEXEC_ARGS: --elf64-core-headers: ");
	noted(&i, "KDUMP_CMDLINE: ");
	noted(&i, "reset_devices systemd.unit=kdump-tools-dump.service irqpoll usbcore.nousb: the");
	noted(&i, "HOSTTAG: ");
	noted(&i, "NFS_MOUNT_RETRY: ");
	noted(&i, "FTP: there is no FTP target");
	noted(&i, "SSH_KDUMP_RETRY: ");
	noted(&i, "MINE: it is no key");
	not_noted(&i, "secret");
	not_noted(&i, "-F");
	assert_null(strstr(i.text, "secret"));
}

static void test_nothing_is_run(void **state)
{
	_deinit_ struct imported i = { 0 };

	(void)state;
	import("KDUMP_COREDIR=\"/var/crash/$(hostname)\"\n"
	       "MAKEDUMP_ARGS=`touch /tmp/ran`\n"
	       "KDUMP_NUM_DUMPS='$3'\n"
	       "KDUMP_CMDLINE_APPEND=a=1 touch /tmp/ran\n"
	       "SSH=\"a@b\n"
	       ". /etc/other\n"
	       "if true; then\n"
	       "KDUMP_KEXEC_ARGS=\"\\$x \\\"-s\"\n",
	       NULL, NULL, NULL, &i);
	assert_string_equal(i.config->targets[0].path, "/var/crash");
	noted(&i, ":1: KDUMP_COREDIR: a shell would work this out");
	noted(&i, ":2: MAKEDUMP_ARGS: a shell would work this out");
	noted(&i, ":3: KDUMP_NUM_DUMPS: it is no number");
	noted(&i, ":4: KDUMP_CMDLINE_APPEND: a shell would run what stands behind it");
	noted(&i, ":5: SSH: its quotation mark is not closed");
	noted(&i, ":6: \". /etc/other\" is no KEY=VALUE and is not run");
	noted(&i, ":7: ");
	noted(&i, ":8: KDUMP_KEXEC_ARGS: $x: ");
	noted(&i, ":8: KDUMP_KEXEC_ARGS: \"-s: ");
}

static void test_fedora_as_installed_is_our_default(void **state)
{
	_deinit_ struct imported i = { 0 };

	(void)state;
	import(NULL,
	       "#raw /dev/vg/lv_kdump\n"
	       "auto_reset_crashkernel yes\n"
	       "path /var/crash\n"
	       "core_collector makedumpfile -l --message-level 7 -d 31\n",
	       "KDUMP_KERNELVER=\"\"\n"
	       "KDUMP_COMMANDLINE=\"\"\n"
	       "KDUMP_COMMANDLINE_REMOVE=\"hugepages hugepagesz slub_debug quiet log_buf_len\"\n"
	       "KDUMP_COMMANDLINE_APPEND=\"irqpoll nr_cpus=1 reset_devices cgroup_disable=memory "
	       "mce=off numa=off udev.children-max=2 panic=10 acpi_no_memhotplug "
	       "transparent_hugepage=never nokaslr hest_disable novmcoredd cma=0 hugetlb_cma=0\"\n"
	       "KEXEC_ARGS=\"-s\"\n"
	       "KDUMP_IMG=\"vmlinuz\"\n"
	       "KDUMP_STDLOGLVL=3\n",
	       NULL, &i);
	assert_int_equal(i.config->n_targets, 1);
	assert_string_equal(i.config->targets[0].path, "/var/crash");
	assert_string_equal(i.config->codec, "lzo");
	assert_int_equal(i.config->level, 31);
	assert_string_equal(i.config->call, "file");
	assert_string_equal(i.config->append, "");
	assert_string_equal(i.config->kernel, "running");
	noted(&i, "/etc/kdump.conf:2: auto_reset_crashkernel: ");
	noted(&i, "/etc/sysconfig/kdump:7: KDUMP_STDLOGLVL: ");
	noted(&i, "irqpoll reset_devices cgroup_disable=memory");
	noted(&i, "systemctl disable kdump");
	not_noted(&i, "_REMOVE");
}

static void test_fedora_ssh_with_hooks_and_a_fallback(void **state)
{
	_deinit_ struct imported i = { 0 };

	(void)state;
	import(NULL,
	       "ssh kdump@collector.example   # far\n"
	       "sshkey /root/.ssh/mine\n"
	       "path crash\n"
	       "core_collector makedumpfile -F -z -d31,17\n"
	       "kdump_pre /var/crash/scripts/pre.sh\n"
	       "kdump_post /var/crash/scripts/post.sh\n"
	       "kdump_emergency /x\n"
	       "extra_bins /usr/bin/lftp /usr/bin/dig\n"
	       "extra_modules gfs2 extra-one\n"
	       "failure_action dump_to_rootfs\n"
	       "final_action poweroff\n"
	       "force_rebuild 1\n"
	       "dracut_args --omit-drivers \"cfg80211\" --add-drivers \"ext2 ext3\"\n"
	       "fence_kdump_args -p 7411 -f auto -c 0 -i 10\n"
	       "fence_kdump_nodes node1 node2\n"
	       "net host\n",
	       "KDUMP_KERNELVER=6.12.0-1.el10.x86_64+debug\n", NULL, &i);
	assert_int_equal(i.config->n_targets, 2);
	assert_int_equal(i.config->targets[0].kind, US_TARGET_SSH);
	assert_string_equal(i.config->targets[0].host, "collector.example");
	assert_string_equal(i.config->targets[0].path, "/crash");
	assert_string_equal(i.config->targets[0].identity, "/root/.ssh/mine");
	assert_int_equal(i.config->targets[1].kind, US_TARGET_DIR);
	assert_string_equal(i.config->targets[1].path, "/crash");
	assert_string_equal(i.config->codec, "zstd");
	assert_int_equal(i.config->level, 31);
	assert_string_equal(i.config->pre, "/var/crash/scripts/pre.sh");
	assert_string_equal(i.config->post, "/var/crash/scripts/post.sh");
	assert_string_equal(i.config->extra_programs[1], "/usr/bin/dig");
	assert_string_equal(i.config->extra_modules[1], "extra-one");
	assert_string_equal(i.config->final, "poweroff");
	assert_string_equal(i.config->fence_nodes, "node1 node2");
	assert_int_equal(i.config->fence_port, 7411);
	assert_string_equal(i.config->kernel, "/boot/vmlinuz-6.12.0-1.el10.x86_64+debug");
	noted(&i, "kdump_emergency: ");
	noted(&i, "force_rebuild: ");
	noted(&i, "dracut_args: ");
	noted(&i, "net: kdump.conf(5) has no such key any more");
	not_noted(&i, "failure_action");
}

static void test_fedora_nfs_raw_and_devices(void **state)
{
	_deinit_ struct imported nfs = { 0 }, raw = { 0 }, disk = { 0 }, lost = { 0 };

	(void)state;
	import(NULL, "nfs [fd00::1]:/export/tmp\nfailure_action shell\n", NULL, NULL, &nfs);
	assert_string_equal(nfs.config->targets[0].host, "fd00::1");
	assert_string_equal(nfs.config->targets[0].share, "/export/tmp");
	assert_string_equal(nfs.config->targets[0].path, "var/crash");
	noted(&nfs, "failure_action: ");

	import(NULL, "raw /dev/vg/kdump\ncore_collector dd\n", NULL, NULL, &raw);
	assert_int_equal(raw.config->targets[0].kind, US_TARGET_RAW);
	assert_string_equal(raw.config->targets[0].path, "/dev/vg/kdump");
	noted(&raw, "core_collector: only makedumpfile has a like");
	noted(&raw, "raw: understudy arm puts a mark");

	import(NULL, "ext4 LABEL=\"crash\"\npath /dumps\n", NULL,
	       "# fstab\nUUID=1-2 / ext4 defaults 0 1\nLABEL=crash\t/srv/big ext4 noatime 0 2\n",
	       &disk);
	assert_string_equal(disk.config->targets[0].path, "/srv/big/dumps");
	assert_int_equal(disk.config->n_targets, 1);

	import(NULL, "xfs UUID=3-4\n", NULL, "UUID=1-2 / ext4 defaults 0 1\n", &lost);
	assert_string_equal(lost.config->targets[0].path, "/var/crash");
	noted(&lost, "xfs: no line of /etc/fstab mounts it");
}

static void test_what_we_refuse_is_noted_and_left_out(void **state)
{
	_deinit_ struct imported i = { 0 };

	(void)state;
	import(NULL,
	       "path /var/crash\nkdump_pre relative.sh\nfinal_action shell\n"
	       "core_collector makedumpfile -d 99 -d\nfrobnicate 1\nssh host:with:colons\n"
	       "kdump_post /x#y\nextra_bins\n",
	       NULL, NULL, &i);
	assert_int_equal(i.config->n_targets, 1);
	assert_int_equal(i.config->targets[0].kind, US_TARGET_DIR);
	noted(&i, "kdump_pre: pre = relative.sh: it is no absolute path");
	noted(&i, "final_action: final = shell: it is none of");
	noted(&i, "core_collector: level = 99: it is not from 0 to 31");
	noted(&i, "core_collector: -d: its value is missing");
	noted(&i, "frobnicate: it is no key");
	noted(&i, "ssh: target ");
	assert_string_equal(i.config->post, "/x#y");
}

static void test_no_file_at_all(void **state)
{
	_us_pool_deinit_ struct us_pool pool = { 0 };
	struct us_import_files files = { 0 };
	const char *const *notes = NULL;
	const char *text = NULL;
	_us_err_free_ struct us_err *err = us_import_texts(&files, &pool, &text, &notes);

	(void)state;
	assert_non_null(err);
	assert_int_equal(err->code, US_ERR_NOT_FOUND);
	assert_null(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_debian_as_installed_is_our_default),
		cmocka_unit_test(test_every_key_of_debian_is_taken_or_noted),
		cmocka_unit_test(test_nothing_is_run),
		cmocka_unit_test(test_fedora_as_installed_is_our_default),
		cmocka_unit_test(test_fedora_ssh_with_hooks_and_a_fallback),
		cmocka_unit_test(test_fedora_nfs_raw_and_devices),
		cmocka_unit_test(test_what_we_refuse_is_noted_and_left_out),
		cmocka_unit_test(test_no_file_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
