/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The supported-targets table: kinds of targets, file systems, what lies between a file system and
 * a disk, disks, networks, kernels. "Shown" is said of what a test of this tree shows, which is
 * named; what the code takes and no machine has crashed on yet is "not tried". The walk
 * (crash/walk*.c) decides; this table tells people beforehand.
 */
#include "cmd/cmd-int.h"
#include "cmd/supported-int.h"

#include "base/err.h"

#include <string.h>

#define WALK      "src/crash/test-walk.c"
#define VM        "tests/vm/test_kdump.py::test_a_local_disk"
#define MANY      "tests/vm/test_kdump.py::test_each_kernel_with_each_disk"
#define RARE      "tests/vm/test_kdump_kinds.py::test_a_kind_of_disk"
#define RARE_NET  "tests/vm/test_kdump_kinds.py::test_a_kind_of_network"
#define NET(what) "tests/vm/test_capture_net.py::test_capture_to_" what
#define KIND      "src/target/test-target.c"
#define WORD      "src/target/test-parse.c"

static const struct us_supported rows[] = {
	{ "Target", "directory", "directory of a local file system", US_SHOWN, NULL, VM },
	{ "Target", "raw partition", "raw partition", US_SHOWN,
	  "one crash at a time; understudy crashes recover gets it into a directory",
	  "tests/vm/test_kdump_kinds.py::test_a_raw_partition_and_its_recovery" },
	{ "Target", "NFS", "NFS version 4", US_SHOWN, NULL, NET("nfs") },
	{ "Target", "SSH", "SSH server (SFTP)", US_SHOWN,
	  "OpenSSH's client; the host key is pinned", NET("ssh") },
	{ "Target", "HTTP", "HTTP PUT, https too", US_SHOWN, "a flattened stream", NET("http") },
	{ "Target", "S3", "S3-compatible object store", US_SHOWN,
	  "multipart, the header last: the object is readable as it is", NET("s3") },
	{ "Target", "FTP", "FTP", US_REFUSED, "passwords in clear; SSH and HTTP do the same", NULL },
	{ "Target", "SMB", "SMB (CIFS)", US_REFUSED, "no client for it fits in a capture image",
	  NULL },

	{ "File system", "ext4", "ext4", US_SHOWN, NULL, VM },
	{ "File system", "ext3", "ext3", US_SHOWN, NULL, RARE },
	{ "File system", "ext2", "ext2", US_SHOWN, NULL, RARE },
	{ "File system", "xfs", "XFS", US_SHOWN, "with log and data on one device", VM },
	{ "File system", "btrfs", "btrfs, subvolumes too", US_SHOWN, "on one device", RARE },
	{ "File system", "btrfs-many", "btrfs over several devices", US_REFUSED,
	  "a member that is missing or late would lose the dump", WALK },
	{ "File system", "other", "any other (overlay, tmpfs, zfs, virtiofs, ...)", US_REFUSED,
	  "name a directory of another file system", WALK },

	{ "Below it", "partition", "partition, whole disk", US_SHOWN, NULL, VM },
	{ "Below it", "linear", "LVM, linear", US_SHOWN,
	  "refused in the capture kernel if its extents have moved since", VM },
	{ "Below it", "striped", "LVM, striped", US_SHOWN, NULL, RARE },
	{ "Below it", "thin", "LVM, thin", US_SHOWN, NULL, RARE },
	{ "Below it", "dm-other", "LVM mirror, RAID, cache, snapshot", US_REFUSED,
	  "their targets keep state of their own", WALK },
	{ "Below it", "md", "md RAID, metadata 1.x", US_SHOWN, NULL, VM },
	{ "Below it", "md-0.90", "md RAID, metadata 0.90 or of a BIOS", US_REFUSED,
	  "its members carry no mark that is theirs alone", WALK },
	{ "Below it", "crypt", "LUKS, with crash_dm_crypt_keys", US_SHOWN,
	  "Linux 6.16 with CONFIG_CRASH_DM_CRYPT; the key has to be in the kernel's keyring", VM },
	{ "Below it", "crypt-old", "LUKS on an older kernel", US_REFUSED,
	  "there is no way to hand the key over", WALK },
	{ "Below it", "multipath", "multipath", US_SHOWN, "one path is enough", RARE },
	{ "Below it", "loop", "loop device, bcache, drbd, zram", US_REFUSED,
	  "they need programs that are not in the capture image", WALK },

	{ "Disk", "virtio", "virtio-blk, virtio-scsi", US_SHOWN, NULL, MANY },
	{ "Disk", "nvme", "NVMe on PCI", US_SHOWN, NULL, VM },
	{ "Disk", "ahci", "SATA (AHCI)", US_SHOWN, NULL, MANY },
	{ "Disk", "scsi", "other SCSI and SAS host adapters, hardware RAID", US_NOT_TRIED,
	  "their drivers are found as those above are", WALK },
	{ "Disk", "nvme-of", "NVMe over TCP, RDMA or Fibre Channel", US_REFUSED,
	  "the capture kernel makes no such connection", WALK },
	{ "Disk", "iscsi", "iSCSI by software, nbd, rbd", US_REFUSED,
	  "the capture kernel makes no such connection", WALK },

	{ "Network", "ethernet", "network card with a static or leased address", US_SHOWN,
	  "the address of arming time is used again", NET("ssh") },
	{ "Network", "bond", "bond, active-backup", US_SHOWN, "by one of its cards", RARE_NET },
	{ "Network", "bridge", "bridge with one card", US_SHOWN, NULL, RARE_NET },
	{ "Network", "vlan", "VLAN, on a card or on one of the above", US_SHOWN, NULL, RARE_NET },
	{ "Network", "bond-other", "bond of another mode, bridge with several cards, team",
	  US_REFUSED, "one card alone does not reach what they do", WALK },
	{ "Network", "wireless", "wireless", US_REFUSED, "it takes programs and secrets", WALK },
};

const struct us_supported *us_supported_at(size_t i)
{
	return i < us_array_size(rows) ? &rows[i] : NULL;
}

const struct us_supported *us_supported_find(const char *key)
{
	for (size_t i = 0; i < us_array_size(rows); i++)
		if (!strcmp(rows[i].key, key))
			return &rows[i];
	return NULL;
}

const char *us_supported_state_name(enum us_supported_state s)
{
	return s == US_SHOWN ? "shown" : s == US_NOT_TRIED ? "not tried" : "refused";
}

void us_supported_scd(FILE *f)
{
	const char *group = "";

	for (size_t i = 0; i < us_array_size(rows); i++) {
		if (strcmp(group, rows[i].group)) {
			fprintf(f, "%s## %s\n\n", *group ? "\n" : "", rows[i].group);
			group = rows[i].group;
		}
		fputs("- ", f);
		us_scd_put(f, rows[i].name);
		fprintf(f, ": *%s*", us_supported_state_name(rows[i].state));
		if (rows[i].note) {
			fputs(", ", f);
			us_scd_put(f, rows[i].note);
		}
		fputc('\n', f);
	}
}
