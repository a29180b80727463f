/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The walk from a target to its devices, on made machines: files and links below a directory. */
#include "crash/test-machine.h"

static void mount_is_the_longest_and_the_last(void **state)
{
	static const char text[] =
		"21 1 254:1 / / rw - ext4 /dev/vda1 rw\n"
		"30 21 254:2 / /var rw,relatime shared:7 master:1 - xfs /dev/vda2 rw,attr2\n"
		"31 21 254:3 / /var\\040log rw - ext4 /dev/vda3 rw\n"
		"32 21 0:40 /@x /var rw - btrfs /dev/vda4 rw,subvol=/@x\n";
	struct us_bytes bytes = us_bytes_of(text, strlen(text));
	struct machine *m = *state;
	struct us_mount mount;

	no_error(us_mount_find(bytes, "/var/crash", &m->host.pool, &mount));
	assert_string_equal(mount.type, "btrfs");
	assert_string_equal(mount.root, "/@x");
	no_error(us_mount_find(bytes, "/variety", &m->host.pool, &mount));
	assert_string_equal(mount.point, "/");
	no_error(us_mount_find(bytes, "/var log", &m->host.pool, &mount));
	assert_int_equal(mount.minor, 3);
	struct us_err *err = us_mount_find(us_bytes_of(text, 30), "/", &m->host.pool, &mount);
	assert_non_null(err);
	us_err_free(err);
}

static void partition_leads_to_its_disk_and_drivers(void **state)
{
	struct machine *m = *state;

	put(m, "proc/self/mountinfo", "21 1 254:1 / / rw - ext4 /dev/vda1 rw\n");
	put_virtio(m);
	put_ext4(m, "dev/vda1");
	const struct us_walk_result *w = walk(m, "target = /var/crash\n");
	assert_null(w->problems[0]);
	assert_string_equal(wanted(m), "virtio_pci virtio_blk ext4 ");
	assert_string_equal(w->modules[0].alias, "pci:v00001AF4");
	assert_string_equal(w->modules[2].alias, "fs-ext4");
	assert_int_equal(w->n_devices, 1);
	assert_int_equal(w->devices[0].kind, US_DEVICE_FOUND);
	assert_int_equal(w->devices[0].bytes, 2048000 * 512ull);
	assert_int_equal(w->devices[0].n_marks, 2);
	assert_int_equal(w->devices[0].marks[1].at, 1128);
	assert_memory_equal(w->devices[0].marks[1].bytes.p, "0123456789abcdef", 16);
	assert_string_equal(w->targets[0].device, "d0");
	assert_string_equal(w->targets[0].spec.path, "/var/crash");
	assert_string_equal(w->targets[0].fs, "ext4");
}

static void two_targets_on_one_disk_share_it(void **state)
{
	struct machine *m = *state;

	put(m, "proc/self/mountinfo", "21 1 254:1 / / rw - ext4 /dev/vda1 rw\n");
	put_virtio(m);
	put_ext4(m, "dev/vda1");
	const struct us_walk_result *w = walk(m, "target = /a\ntarget = /b\n");
	assert_int_equal(w->n_devices, 1);
	assert_string_equal(w->targets[1].device, "d0");
	assert_int_equal(w->modules[0].target, -1);
}

static void a_target_that_cannot_be_used_leaves_nothing(void **state)
{
	struct machine *m = *state;

	put(m, "proc/self/mountinfo",
	    "21 1 254:1 / / rw - ext4 /dev/vda1 rw\n"
	    "22 21 0:30 / /tmp rw - tmpfs tmpfs rw\n"
	    "23 21 7:0 / /loop rw - ext4 /dev/loop0 rw\n");
	put_virtio(m);
	put_ext4(m, "dev/vda1");
	put_block(m, "sys/devices/virtual/block/loop0", "7:0", false);
	const struct us_walk_result *w =
		walk(m, "target = /tmp/crash\ntarget = /loop\ntarget = /var\n");
	assert_non_null(strstr(w->problems[0], "tmpfs (mounted at /tmp)"));
	assert_non_null(strstr(w->problems[1], "loop0 is a file that is used as a disk"));
	assert_null(w->problems[2]);
	assert_int_equal(w->n_devices, 1);
	assert_string_equal(wanted(m), "virtio_pci virtio_blk ext4 ");
	assert_int_equal(w->modules[0].target, 2);
}

static void wrong_bytes_on_a_device_are_told(void **state)
{
	struct machine *m = *state;

	put(m, "proc/self/mountinfo", "21 1 254:1 / / rw - ext4 /dev/vda1 rw\n");
	put_virtio(m);
	put_bytes(m, "dev/vda1", 8191, "", 1);
	const struct us_walk_result *w = walk(m, "target = /var/crash\n");
	assert_string_equal(w->problems[0], "vda1: no ext2/3/4 file system on it");
}

static void nvme_is_local_or_refused(void **state)
{
	struct machine *m = *state;

	put(m, "proc/self/mountinfo",
	    "21 1 259:0 / / rw - xfs /dev/nvme0n1 rw\n22 1 259:1 / /far rw - xfs /dev/nvme1n1 rw\n"
	    "23 1 259:2 / /log rw - xfs /dev/nvme0n1 rw,logdev=/dev/x\n");
	put_block(m, PCI "0000:00:05.0/nvme/nvme0/nvme0n1", "259:0", false);
	put(m, PCI "0000:00:05.0/nvme/nvme0/transport", "pcie\n");
	put_driver(m, PCI "0000:00:05.0", "nvme", "nvme");
	put_bytes(m, "dev/nvme0n1", 0, "XFSB", 4);
	put_bytes(m, "dev/nvme0n1", 32, "0123456789abcdef", 16);
	put_block(m, "sys/devices/virtual/nvme-fabrics/ctl/nvme1/nvme1n1", "259:1", false);
	put(m, "sys/devices/virtual/nvme-fabrics/ctl/nvme1/transport", "tcp\n");
	const struct us_walk_result *w = walk(m, "target = /c\ntarget = /far/c\ntarget = /log\n");
	assert_null(w->problems[0]);
	assert_string_equal(wanted(m), "nvme xfs ");
	assert_non_null(strstr(w->problems[1], "over tcp"));
	assert_non_null(strstr(w->problems[2], "another device"));
}

static void nvme_of_several_controllers_wants_each(void **state)
{
	struct machine *m = *state;
	static const char subsystem[] = "sys/devices/virtual/nvme-subsystem/nvme-subsys0";
	char path[128];

	put(m, "proc/self/mountinfo", "21 1 259:0 / / rw - xfs /dev/nvme0n1 rw\n");
	snprintf(path, sizeof(path), "%s/nvme0n1", subsystem);
	put_block(m, path, "259:0", false);
	snprintf(path, sizeof(path), "%s/nvme0", subsystem);
	put_link(m, path, "../../../pci0000:00/0000:00:05.0/nvme/nvme0");
	put(m, PCI "0000:00:05.0/nvme/nvme0/transport", "pcie\n");
	put_driver(m, PCI "0000:00:05.0", "nvme", "nvme");
	put_bytes(m, "dev/nvme0n1", 0, "XFSB", 4);
	put_bytes(m, "dev/nvme0n1", 48, "", 1);
	assert_null(walk(m, "target = /c\n")->problems[0]);
	assert_string_equal(wanted(m), "nvme xfs ");
}

static void btrfs_keeps_its_subvolume(void **state)
{
	struct machine *m = *state;

	put(m, "proc/self/mountinfo",
	    "21 1 0:33 /@/data /srv rw - btrfs /dev/vda1 rw,subvolid=256,subvol=/@\n");
	put_virtio(m);
	put_bytes(m, "dev/vda1", 65536 + 64, "_BHRfS_M", 8);
	put_bytes(m, "dev/vda1", 65536 + 32, "0123456789abcdef", 16);
	put(m, "sys/fs/btrfs/3031/devices/vda1", "");
	const struct us_walk_result *w = walk(m, "target = /srv/crash\n");
	assert_null(w->problems[0]);
	assert_string_equal(w->targets[0].fs_options, "subvol=/@");
	assert_string_equal(w->targets[0].spec.path, "/data/crash");
	us_walk_result_free(m->walk);
	us_crash_config_free(m->config);
	put(m, "sys/fs/btrfs/3031/devices/vdb", "");
	assert_non_null(strstr(walk(m, "target = /srv/crash\n")->problems[0], "over 2 devices"));
}

/* vg-lv on vda1 and sda; the tables name device numbers. */
static void put_lvm(struct machine *m)
{
	static const char pv[] = "sys/devices/virtual/block/dm-0";
	char path[128];

	put(m, "proc/self/mountinfo", "21 1 253:0 / / rw - ext4 /dev/mapper/vg-lv rw\n");
	put_virtio(m);
	put_block(m, PCI "0000:00:03.0/ata1/host0/target0:0:0/0:0:0:0/block/sda", "8:0", false);
	put_driver(m, PCI "0000:00:03.0", "ahci", "ahci");
	put_driver(m, PCI "0000:00:03.0/ata1/host0/target0:0:0/0:0:0:0", "sd", "sd_mod");
	put_block(m, pv, "253:0", false);
	snprintf(path, sizeof(path), "%s/dm/name", pv);
	put(m, path, "vg-lv\n");
	snprintf(path, sizeof(path), "%s/dm/uuid", pv);
	put(m, path, "LVM-aaaabbbbccccddddeeeeffffgggghhhh00001111222233334444555566667777\n");
	put_link(m, "sys/devices/virtual/block/dm-0/slaves/vda1",
		 "../../../../pci0000:00/0000:00:02.0/virtio1/block/vda/vda1");
	put_link(m, "sys/devices/virtual/block/dm-0/slaves/sda",
		 "../../../../pci0000:00/0000:00:03.0/ata1/host0/target0:0:0/0:0:0:0/block/sda");
	for (int i = 0; i < 2; i++) {
		put_bytes(m, i ? "dev/sda" : "dev/vda1", 512, "LABELONE", 8);
		put_bytes(m, i ? "dev/sda" : "dev/vda1", 544,
			  i ? "s1111111111111111111111111111111"
			    : "v0000000000000000000000000000000",
			  32);
	}
	put_bytes(m, "dev/vda1", 0, "x", 1);
	put_ext4(m, "dev/dm-0");
	m->tables[0][0] = "253:0";
	m->tables[0][1] = "0 1000 linear 254:1 2048\n1000 1000 striped 2 128 8:0 0 254:1 4096\n";
}

static void lvm_is_its_table_with_names(void **state)
{
	struct machine *m = *state;

	put_lvm(m);
	const struct us_walk_result *w = walk(m, "target = /var/crash\n");
	assert_null(w->problems[0]);
	assert_int_equal(w->n_devices, 3);
	assert_string_equal(w->devices[0].name, "d0"); /* sda: the first by name */
	assert_int_equal(w->devices[2].kind, US_DEVICE_DM);
	assert_string_equal(w->devices[2].name, "vg-lv");
	assert_string_equal(w->devices[2].table[0], "0 1000 linear ${d1} 2048");
	assert_string_equal(w->devices[2].table[1], "1000 1000 striped 2 128 ${d0} 0 ${d1} 4096");
	assert_null(w->devices[2].table[2]);
	assert_int_equal(w->devices[2].n_marks, 2); /* of the file system */
	assert_memory_equal(w->devices[1].marks[1].bytes.p, "v0000", 5);
	assert_string_equal(w->targets[0].device, "vg-lv");
	assert_string_equal(w->devices[2].lvm_pv, "d1");
	assert_string_equal(w->devices[2].lvm_lv, "00001111222233334444555566667777");
	assert_int_equal(strlen(w->devices[2].lvm_hash), US_LVM_HASH_MAX - 1);
	assert_string_equal(wanted(m), "dm-mod ahci sd_mod virtio_pci virtio_blk ext4 ");
}

static void a_volume_named_like_ours_gets_our_name(void **state)
{
	struct machine *m = *state;

	put_lvm(m);
	remove(us_pool_format(&m->host.pool, "%s/sys/devices/virtual/block/dm-0/dm/name", m->dir));
	put(m, "sys/devices/virtual/block/dm-0/dm/name", "d0\n");
	const struct us_walk_result *w = walk(m, "target = /c\n");
	assert_null(w->problems[0]);
	assert_string_equal(w->devices[2].name, "d2");
	assert_string_equal(w->targets[0].device, "d2");
}

static void lvm_without_its_metadata_is_refused(void **state)
{
	struct machine *m = *state;

	put_lvm(m);
	put_bytes(m, "dev/vda1", 0, "", 1);
	assert_non_null(strstr(walk(m, "target = /c\n")->problems[0], "extents have moved"));
}

static void unknown_target_types_are_refused(void **state)
{
	struct machine *m = *state;

	put_lvm(m);
	m->tables[0][1] = "0 1000 raid raid1 3 0 region_size 1024 2 254:1 8:0 - -\n";
	assert_non_null(strstr(walk(m, "target = /c\n")->problems[0],
			       "vg-lv: device-mapper type \"raid\" is not supported"));
}

static void put_luks(struct machine *m, const char *key)
{
	static char table[256];

	put_lvm(m);
	put_bytes(m, "dev/vda1", 0, "LUKS\xba\xbe", 6);
	put_bytes(m, "dev/vda1", 168, "0123456789abcdef0123456789abcdef01234567", 40);
	char path[128];
	snprintf(path, sizeof(path), "%s/sys/devices/virtual/block/dm-0/slaves/sda", m->dir);
	assert_int_equal(remove(path), 0);
	snprintf(path, sizeof(path), "%s/sys/devices/virtual/block/dm-0/dm/uuid", m->dir);
	assert_int_equal(remove(path), 0);
	put(m, "sys/devices/virtual/block/dm-0/dm/uuid", "CRYPT-LUKS2-0123-x\n");
	snprintf(table, sizeof(table), "0 2000 crypt aes-xts-plain64 %s 0 254:1 32768\n", key);
	m->tables[0][1] = table;
}

static void luks_needs_a_key_that_can_be_handed_over(void **state)
{
	struct machine *m = *state;

	put_luks(m, ":64:logon:cryptsetup:0123-d0");
	assert_non_null(strstr(walk(m, "target = /c\n")->problems[0], "no crash_dm_crypt_keys"));
	us_walk_result_free(m->walk);
	us_crash_config_free(m->config);
	put(m, "sys/kernel/config/crash_dm_crypt_keys/count", "0\n");
	const struct us_walk_result *w = walk(m, "target = /c\n");
	assert_null(w->problems[0]);
	assert_true(w->devices[1].needs_keys);
	assert_string_equal(
		w->devices[1].table[0],
		"0 2000 crypt aes-xts-plain64 :64:logon:cryptsetup:0123-d0 0 ${d0} 32768");
	assert_non_null(strstr(wanted(m), "dm-crypt crypto-aes crypto-xts crypto-ecb"));
}

static void luks_with_a_bare_key_is_refused(void **state)
{
	struct machine *m = *state;

	put_luks(m, "00112233");
	put(m, "sys/kernel/config/crash_dm_crypt_keys/count", "0\n");
	const struct us_walk_result *w = walk(m, "target = /c\n");
	assert_non_null(strstr(w->problems[0], "not in the kernel's keyring"));
	assert_null(strstr(w->problems[0], "0011"));
}

static void multipath_is_one_disk_by_any_path(void **state)
{
	struct machine *m = *state;

	put_lvm(m);
	m->tables[0][1] = "0 2000 multipath 0 0 1 1 round-robin 0 2 1 254:1 1 8:0 1\n";
	const struct us_walk_result *w = walk(m, "target = /c\n");
	assert_null(w->problems[0]);
	assert_int_equal(w->n_devices, 1);
	assert_int_equal(w->devices[0].kind, US_DEVICE_FOUND);
	assert_non_null(strstr(wanted(m), "sd_mod"));
	assert_null(strstr(wanted(m), "multipath"));
}

static void put_md_member(const struct machine *m, const char *node, const char *id)
{
	put_bytes(m, node, 4096, "\xfc\x4e\x2b\xa9", 4);
	put_bytes(m, node, 4096 + 16, "arrayarrayarray0", 16);
	put_bytes(m, node, 4096 + 168, id, 16);
	put_bytes(m, node, 8191, "", 1);
}

static void md_has_its_members_that_are_in_sync(void **state)
{
	struct machine *m = *state;
	static const char md[] = "sys/devices/virtual/block/md0/md";

	put_lvm(m);
	remove(us_pool_format(&m->host.pool, "%s/proc/self/mountinfo", m->dir));
	put(m, "proc/self/mountinfo", "21 1 259:7 / / rw - ext4 /dev/md0p1 rw\n");
	put_block(m, "sys/devices/virtual/block/md0", "9:0", false);
	put_block(m, "sys/devices/virtual/block/md0/md0p1", "259:7", true);
	put_ext4(m, "dev/md0p1");
	put_bytes(m, "dev/md0", 510, "\x55\xaa", 2);
	put_md_member(m, "dev/vda1", "member0member000");
	put_md_member(m, "dev/sda", "member1member111");
	put(m, us_pool_format(&m->host.pool, "%s/metadata_version", md), "1.2\n");
	put(m, us_pool_format(&m->host.pool, "%s/level", md), "raid1\n");
	put(m, us_pool_format(&m->host.pool, "%s/dev-vda1/state", md), "in_sync,write_mostly\n");
	put(m, us_pool_format(&m->host.pool, "%s/dev-sda/state", md), "faulty\n");
	put_link(m, us_pool_format(&m->host.pool, "%s/dev-vda1/block", md),
		 "../../../../../pci0000:00/0000:00:02.0/virtio1/block/vda/vda1");
	put_link(m, us_pool_format(&m->host.pool, "%s/dev-sda/block", md),
		 "../../../../../pci0000:00/0000:00:03.0/ata1/host0/target0:0:0/0:0:0:0/block/sda");
	const struct us_walk_result *w = walk(m, "target = /c\n");
	if (w->problems[0])
		fail_msg("%s", w->problems[0]);
	assert_int_equal(w->n_devices, 3);
	assert_int_equal(w->devices[0].n_marks, 3);
	assert_memory_equal(w->devices[0].marks[2].bytes.p, "member0", 7);
	assert_int_equal(w->devices[1].kind, US_DEVICE_MD);
	assert_string_equal(w->devices[1].members[0], "d0");
	assert_null(w->devices[1].members[1]);
	assert_int_equal(w->devices[1].md_minor, 2);
	assert_string_equal(w->devices[2].members[0], "d1"); /* the partition on it */
	assert_string_equal(wanted(m), "md-mod md-raid1 virtio_pci virtio_blk ext4 ");
}

static const struct us_walk_result *again(struct machine *m)
{
	const struct us_walk_sources sources = { dm_table, addresses, resolve, lvm_text, m };

	us_walk_result_free(m->walk);
	no_error(us_walk_with(&m->host, m->config, &sources, &m->walk));
	return m->walk;
}

static void raw_partition_needs_our_mark(void **state)
{
	struct machine *m = *state;

	put_virtio(m);
	put_bytes(m, "dev/vda1", 2048000 * 512ull - 1, "", 1);
	assert_non_null(strstr(walk(m, "target = raw:/dev/vda1\n")->problems[0],
			       "no mark of understudy on it yet"));
	m->config->only_judged = true;
	assert_null(again(m)->problems[0]);
	put_ext4(m, "dev/vda1");
	assert_non_null(strstr(again(m)->problems[0], "an ext2, ext3 or ext4 file system"));
	us_walk_result_free(m->walk);
	us_crash_config_free(m->config);
	put_bytes(m, "dev/vda1", 2048000 * 512ull - 4096, "UNDERSTUDY-RAW\0\0uuid", 20);
	const struct us_walk_result *w = walk(m, "target = raw:/dev/vda1\n");
	assert_null(w->problems[0]);
	assert_int_equal(w->devices[0].marks[0].at, 2048000 * 512ull - 4096);
	assert_int_equal(w->devices[0].marks[0].bytes.n, 64);
	assert_string_equal(wanted(m), "virtio_pci virtio_blk ");
}

static void put_net(struct machine *m)
{
	put(m, "proc/net/route",
	    "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
	    "eth0\t00000000\t0202000A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
	    "eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n");
	put(m, "proc/net/ipv6_route",
	    "20010db8000000000000000000000000 40 00000000000000000000000000000000 00 "
	    "00000000000000000000000000000000 00000100 00000001 00000000 00000001     eth0\n");
	put(m, PCI "0000:00:06.0/virtio3/net/eth0/address", "52:54:00:12:34:56\n");
	put(m, PCI "0000:00:06.0/virtio3/net/eth0/device", "");
	put_driver(m, PCI "0000:00:06.0", "virtio-pci", "virtio_pci");
	put_driver(m, PCI "0000:00:06.0/virtio3", "virtio_net", "virtio_net");
	put_link(m, "sys/class/net/eth0", "../../devices/pci0000:00/0000:00:06.0/virtio3/net/eth0");
}

static void a_route_leads_to_a_card(void **state)
{
	struct machine *m = *state;

	put_net(m);
	const struct us_walk_result *w =
		walk(m, "target = ssh://u@far/d identity=/k known-hosts=/h\n"
			"target = nfs://10.0.2.9/x\ntarget = nfs://[2001:db8::9]/x\n");
	for (size_t i = 0; i < 3; i++)
		if (w->problems[i])
			fail_msg("%s", w->problems[i]);
	assert_int_equal(w->n_nets, 2);
	assert_string_equal(w->nets[0].mac, "52:54:00:12:34:56");
	assert_string_equal(w->nets[0].address, "10.0.2.15/24"); /* the gateway's network */
	assert_string_equal(w->nets[0].gateway, "10.0.2.2");
	assert_string_equal(w->nets[1].address, "2001:db8::15/64");
	assert_null(w->nets[1].gateway);
	assert_string_equal(w->hosts[0], "198.51.100.7 far");
	assert_null(w->hosts[1]);
	assert_true(w->targets[0].network);
	assert_string_equal(wanted(m), "virtio_pci virtio_net nfsv4 ");
}

static void only_plain_cards_are_taken(void **state)
{
	static const struct {
		const char *file, *text, *problem;
	} cases[] = {
		{ "proc/net/vlan/eth0", "eth0  VID: 0\n", "names no VLAN" },
		{ PCI "0000:00:06.0/virtio3/net/eth0/wireless/x", "", "is wireless" },
		{ PCI "0000:00:06.0/virtio3/net/eth0/type", "32\n", "no Ethernet card" },
		{ PCI "0000:00:06.0/virtio3/net/eth0/bonding/mode", "802.3ad 4\n",
		  "only active-backup" },
		{ PCI "0000:00:06.0/virtio3/net/eth0/bridge/x", "", "has 0 network cards" },
	};
	struct machine *m = *state;

	put_net(m);
	for (size_t i = 0; i < us_array_size(cases); i++) {
		char full[PATH_MAX];

		put(m, cases[i].file, cases[i].text);
		const struct us_walk_result *w = walk(m, "target = nfs://10.0.2.9/x\n");
		assert_non_null(w->problems[0]);
		if (!strstr(w->problems[0], cases[i].problem))
			fail_msg("%s: %s", cases[i].file, w->problems[0]);
		us_walk_result_free(m->walk);
		us_crash_config_free(m->config);
		snprintf(full, sizeof(full), "%s/%s", m->dir, cases[i].file);
		assert_int_equal(remove(full), 0);
		*strrchr(full, '/') = '\0';
		remove(full);
	}
	m->walk = NULL;
	m->config = NULL;
}

static void bond_and_bridge_with_one_card_are_that_card(void **state)
{
	struct machine *m = *state;

	put_net(m);
	put_link(m, "sys/class/net/br0", "../../devices/virtual/net/br0");
	put_link(m, "sys/devices/virtual/net/br0/brif/eth0", "../../eth0");
	put(m, "sys/devices/virtual/net/br0/bridge/x", "");
	put_link(m, "sys/class/net/bond0", "../../devices/virtual/net/bond0");
	put(m, "sys/devices/virtual/net/bond0/bonding/mode", "active-backup 1\n");
	put(m, "sys/devices/virtual/net/bond0/bonding/active_slave", "eth0\n");
	put(m, PCI "0000:00:06.0/virtio3/net/eth0/bonding_slave/perm_hwaddr", "52:54:00:00:00:01\n");
	remove(us_pool_format(&m->host.pool, "%s/proc/net/route", m->dir));
	put(m, "proc/net/route",
	    "br0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
	    "bond0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n");
	const struct us_walk_result *w =
		walk(m, "target = nfs://10.0.2.9/x\ntarget = nfs://192.0.2.9/x\n");
	for (size_t i = 0; i < 2; i++)
		if (w->problems[i])
			fail_msg("%s", w->problems[i]);
	assert_string_equal(w->nets[0].name, "eth0");
	assert_string_equal(w->nets[1].mac, "52:54:00:00:00:01");
	assert_string_equal(w->nets[1].address, "192.0.2.15/24");
}

static void a_vlan_is_kept(void **state)
{
	struct machine *m = *state;

	put_net(m);
	put_link(m, "sys/class/net/bond0", "../../devices/virtual/net/bond0");
	put(m, "sys/devices/virtual/net/bond0/lower_eth0/x", "");
	put(m, "proc/net/vlan/bond0",
	    "bond0  VID: 9\t REORDER_HDR: 1  dev->priv_flags: 1021\n"
	    "         total frames received            0\n");
	remove(us_pool_format(&m->host.pool, "%s/proc/net/route", m->dir));
	put(m, "proc/net/route", "bond0\t000200C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n");
	const struct us_walk_result *w = walk(m, "target = nfs://192.0.2.9/x\n");
	if (w->problems[0])
		fail_msg("%s", w->problems[0]);
	assert_string_equal(w->nets[0].name, "eth0");
	assert_int_equal(w->nets[0].vlan, 9);
	assert_string_equal(w->nets[0].address, "192.0.2.15/24");
	assert_non_null(strstr(wanted(m), "8021q "));
	put(m, "proc/net/vlan/eth0", "eth0  VID: 10\n");
	assert_non_null(strstr(again(m)->problems[0], "a VLAN below a VLAN"));
}

static void no_way_to_a_webhook_is_a_note(void **state)
{
	struct machine *m = *state;

	put(m, "proc/self/mountinfo", "21 1 254:1 / / rw - ext4 /dev/vda1 rw\n");
	put_virtio(m);
	put_ext4(m, "dev/vda1");
	const struct us_walk_result *w = walk(m, "target = /c\nwebhook = http://far:8080/crash\n");
	assert_null(w->problems[0]);
	assert_non_null(strstr(w->notes[0], "webhook: the way to far"));
	assert_null(w->notes[1]);
}

/* i6300esb names no device in sysfs. */
static void a_watchdog_without_a_device_is_known_by_its_module(void **state)
{
	struct machine *m = *state;

	put(m, "proc/self/mountinfo", "21 1 254:1 / / rw - ext4 /dev/vda1 rw\n");
	put_virtio(m);
	put_ext4(m, "dev/vda1");
	m->host.release.v = "6.1";
	put_link(m, "sys/class/watchdog/watchdog0", "../../devices/virtual/watchdog/watchdog0");
	put(m, "lib/modules/6.1/kernel/drivers/watchdog/i6300-esb.ko.xz", "");
	put(m, "lib/modules/6.1/kernel/drivers/watchdog/softdog.ko", "");
	put(m, "sys/module/i6300_esb/refcnt", "1\n");
	walk(m, "target = /c\n");
	assert_non_null(strstr(wanted(m), "i6300_esb "));
	assert_null(strstr(wanted(m), "softdog"));
	us_crash_config_free(m->config);
	us_walk_result_free(m->walk);
	walk(m, "target = /c\nwatchdog = no\n");
	assert_null(strstr(wanted(m), "i6300_esb"));
}

/* The module of the running kernel's pstore, to be loaded when nothing else holds; ramoops as it is. */
static void the_store_of_logs_is_wanted_last(void **state)
{
	struct machine *m = *state;
	const struct us_wanted_module *last;

	put(m, "proc/self/mountinfo", "21 1 254:1 / / rw - ext4 /dev/vda1 rw\n");
	put_virtio(m);
	put_ext4(m, "dev/vda1");
	put(m, "sys/module/pstore/parameters/backend", "efi\n");
	walk(m, "target = /c\n");
	last = &m->walk->modules[m->walk->n_modules - 1];
	assert_string_equal(last->name, "efi_pstore");
	assert_int_equal(last->target, US_RECIPE_LAST);
	assert_null(last->params);
	put(m, "sys/module/pstore/parameters/backend", "ramoops\n");
	put(m, "sys/module/ramoops/parameters/mem_address", "536870912\n");
	put(m, "sys/module/ramoops/parameters/mem_size", "262144\n");
	put(m, "sys/module/ramoops/parameters/ecc", "1\n");
	again(m);
	last = &m->walk->modules[m->walk->n_modules - 1];
	assert_string_equal(last->name, "ramoops");
	assert_string_equal(last->params, "mem_address=536870912 mem_size=262144 ecc=1");
	put(m, "sys/module/pstore/parameters/backend", "erst\n"); /* no module */
	again(m);
	assert_null(strstr(wanted(m), "erst"));
	assert_null(strstr(wanted(m), "ramoops"));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(mount_is_the_longest_and_the_last),
		TEST(partition_leads_to_its_disk_and_drivers),
		TEST(two_targets_on_one_disk_share_it),
		TEST(a_target_that_cannot_be_used_leaves_nothing),
		TEST(wrong_bytes_on_a_device_are_told),
		TEST(nvme_is_local_or_refused),
		TEST(nvme_of_several_controllers_wants_each),
		TEST(btrfs_keeps_its_subvolume),
		TEST(lvm_is_its_table_with_names),
		TEST(a_volume_named_like_ours_gets_our_name),
		TEST(lvm_without_its_metadata_is_refused),
		TEST(unknown_target_types_are_refused),
		TEST(luks_needs_a_key_that_can_be_handed_over),
		TEST(luks_with_a_bare_key_is_refused),
		TEST(multipath_is_one_disk_by_any_path),
		TEST(md_has_its_members_that_are_in_sync),
		TEST(raw_partition_needs_our_mark),
		TEST(a_route_leads_to_a_card),
		TEST(only_plain_cards_are_taken),
		TEST(bond_and_bridge_with_one_card_are_that_card),
		TEST(a_vlan_is_kept),
		TEST(no_way_to_a_webhook_is_a_note),
		TEST(a_watchdog_without_a_device_is_known_by_its_module),
		TEST(the_store_of_logs_is_wanted_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
