# SPDX-License-Identifier: GPL-2.0-or-later
"""Made machines whose target lies on LVM, md or LUKS, or is reached by SSH: what /sys, /dev and device mapper would say of them, on top of
tests/cli/machines.py's one disk (vda1, 4 GiB). The metadata is written here as the tools write it (lvm2 2.03's text format
1, linux/raid/md_p.h version 1.2), as far as the kernel and understudy read it.
"""
import contextlib
import fcntl
import pathlib
import socket
import struct
import sys

import vm as lab

sys.path[:0] = [str(lab.TOP / "tests/cli"), str(lab.TOP / "tests/fixtures/hosts")]

import machines  # noqa: E402

SECTORS = 8386560  # of vda1, and of vdb as well
VIRTUAL = "sys/devices/virtual/block"
FIRST = f"{machines.DISK}/vda1"
SECOND = machines.DISK.replace("04.0", "05.0").replace("virtio1", "virtio2").replace("vda", "vdb")
AREA = 1044480  # bytes of an LVM metadata area, from 4096 on
PARTS = ("aaaaaa", "bbbb", "cccc", "dddd", "eeee", "ffff", "gggggg")  # of an LVM UUID; the first tells them apart


def second_disk(root):
    """vdb, as large as vda1."""
    machines.text(root, f"{SECOND}/dev", "254:16\n")
    machines.text(root, f"{SECOND}/size", f"{SECTORS}\n")
    machines.link(root, "sys/dev/block/254:16", SECOND)
    machines.link(root, "sys/class/block/vdb", SECOND)
    pci = SECOND.split("/virtio2")[0]
    for folder, bus, driver in ((f"{pci}/virtio2", "virtio", "virtio_blk"), (pci, "pci", "virtio-pci")):
        first = folder.replace("05.0", "04.0").replace("virtio2", "virtio1")
        machines.text(root, f"{folder}/modalias", (root / first / "modalias").read_text())
        machines.link(root, f"{folder}/driver", f"sys/bus/{bus}/drivers/{driver}")
        machines.link(root, f"{folder}/subsystem", f"sys/bus/{bus}")
    return SECOND, "254:16"


def nvme_disk(root):
    """nvme0n1, as large as vda1."""
    pci = "sys/devices/pci0000:00/0000:00:07.0"
    block = f"{pci}/nvme/nvme0/nvme0n1"
    machines.text(root, f"{block}/dev", "259:0\n")
    machines.text(root, f"{block}/size", f"{SECTORS}\n")
    machines.link(root, "sys/dev/block/259:0", block)
    machines.link(root, "sys/class/block/nvme0n1", block)
    machines.text(root, f"{pci}/modalias", "pci:v00001B36d00000010sv00001AF4sd00001100bc01sc08i02\n")
    (root / "sys/bus/pci/drivers/nvme").mkdir(parents=True)
    machines.link(root, f"{pci}/driver", "sys/bus/pci/drivers/nvme")
    machines.link(root, f"{pci}/subsystem", "sys/bus/pci")
    return block, "259:0"


def virtual(root, name, number, sectors, fs="ext4"):
    """An assembled device with a file system's marks, mounted at /."""
    machines.text(root, f"{VIRTUAL}/{name}/dev", f"{number}\n")
    machines.text(root, f"{VIRTUAL}/{name}/size", f"{sectors}\n")
    machines.link(root, f"sys/dev/block/{number}", f"{VIRTUAL}/{name}")
    machines.link(root, f"sys/class/block/{name}", f"{VIRTUAL}/{name}")
    (root / "dev" / name).write_bytes((root / "dev/vda1").read_bytes())
    machines.text(root, "proc/self/mountinfo", f"21 1 {number} / / rw,relatime shared:1 - {fs} /dev/{name} rw\n")


def mapped(root, node, number, name, uuid, table, below, sectors):
    virtual(root, node, number, sectors)
    machines.text(root, f"{VIRTUAL}/{node}/dm/name", f"{name}\n")
    machines.text(root, f"{VIRTUAL}/{node}/dm/uuid", f"{uuid}\n")
    machines.text(root, f"dev/mapper/tables/{number}", table)
    for device in below:
        machines.link(root, f"{VIRTUAL}/{node}/slaves/{device.rsplit('/', 1)[1]}", device)


def put(root, node, pieces):
    """The first MiB and a half of a disk, with pieces {offset: bytes} on zeros."""
    data = bytearray(3 << 19)
    for at, piece in pieces.items():
        data[at:at + len(piece)] = piece
    (root / "dev" / node).write_bytes(data)


# ---- LVM

def lvm_id(letter):
    return "-".join((letter * 6, *PARTS[1:]))


def lvm_crc(data):
    crc = 0xf597a6cf
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xedb88320 if crc & 1 else 0)
    return crc


def physical_volume(letter, text):
    label = struct.pack("<I8s", 32, b"LVM2 001") + lvm_id(letter).replace("-", "").encode()
    label += struct.pack("<Q" + "QQ" * 4, SECTORS * 512, 1 << 20, 0, 0, 0, 4096, AREA, 0, 0)
    label = label.ljust(512 - 20, b"\0")
    head = b" LVM2 x[5A%r0N*>" + struct.pack("<IQQ", 1, 4096, AREA) + struct.pack("<QQII", 512, len(text), lvm_crc(text), 0)
    head = head.ljust(508, b"\0")
    return {512: b"LABELONE" + struct.pack("<QI", 1, lvm_crc(label)) + label, 4096: struct.pack("<I", lvm_crc(head)) + head + text}


def lvm(root, striped=False, nvme=False):
    """vg0-dump, 2 GiB on two physical volumes, one half after the other or striped; nvme: the second is on an NVMe disk."""
    half = 1 << 21
    second, number = nvme_disk(root) if nvme else second_disk(root)
    segment = ('segment1 {\nstart_extent = 0\nextent_count = 512\ntype = "striped"\nstripe_count = 2\nstripe_size = 128\n'
               'stripes = [ "pv0", 0, "pv1", 0 ]\n}\n' if striped else
               'segment1 {\nstart_extent = 0\nextent_count = 256\ntype = "striped"\nstripe_count = 1\nstripes = [ "pv0", 0 ]\n}\n'
               'segment2 {\nstart_extent = 256\nextent_count = 256\ntype = "striped"\nstripe_count = 1\nstripes = [ "pv1", 0 ]\n}\n')
    volumes = "".join(f'pv{i} {{\nid = "{lvm_id(letter)}"\nstatus = ["ALLOCATABLE"]\npe_start = 2048\npe_count = 1023\n}}\n'
                      for i, letter in enumerate("pq"))
    text = (f'vg0 {{\nid = "{lvm_id("v")}"\nseqno = 2\nformat = "lvm2"\nstatus = ["RESIZEABLE", "READ", "WRITE"]\nextent_size = 8192\n'
            f'physical_volumes {{\n{volumes}}}\nlogical_volumes {{\ndump {{\nid = "{lvm_id("l")}"\nstatus = ["READ", "WRITE", "VISIBLE"]\n'
            f'segment_count = 1\n{segment}}}\n}}\n}}\ncontents = "Text Format Volume Group"\nversion = 1\n\0').encode()
    table = (f"0 {2 * half} striped 2 128 254:1 2048 {number} 2048\n" if striped else
             f"0 {half} linear 254:1 2048\n{half} {half} linear {number} 2048\n")
    mapped(root, "dm-0", "253:0", "vg0-dump", "LVM-" + lvm_id("v").replace("-", "") + lvm_id("l").replace("-", ""), table,
           (FIRST, second), 2 * half)
    put(root, "vda1", physical_volume("p", text))
    put(root, second.rsplit("/", 1)[1], physical_volume("q", text))


def thin(root):
    """vg0-dump, a thin volume of 2 GiB in a pool on one physical volume."""
    names = {"pool_tmeta": "m", "pool_tdata": "d", "pool": "t", "dump": "l"}
    segments = {"pool_tmeta": 'type = "striped"\nstripe_count = 1\nstripes = [ "pv0", 0 ]',
                "pool_tdata": 'type = "striped"\nstripe_count = 1\nstripes = [ "pv0", 1 ]',
                "pool": 'type = "thin-pool"\nmetadata = "pool_tmeta"\npool = "pool_tdata"\nchunk_size = 128',
                "dump": 'type = "thin"\nthin_pool = "pool"\ndevice_id = 1'}
    volumes = "".join(f'{name} {{\nid = "{lvm_id(letter)}"\nsegment1 {{\n{segments[name]}\n}}\n}}\n' for name, letter in names.items())
    text = (f'vg0 {{\nid = "{lvm_id("v")}"\nextent_size = 8192\nphysical_volumes {{\npv0 {{\nid = "{lvm_id("p")}"\npe_start = 2048\n}}\n}}\n'
            f'logical_volumes {{\n{volumes}}}\n}}\n\0').encode()
    pool, size = 1 << 22, 1 << 22
    tables = (("pool_tmeta", "pool_tmeta", "0 8192 linear 254:1 2048\n", (FIRST,), 8192),
              ("pool_tdata", "pool_tdata", f"0 {pool} linear 254:1 10240\n", (FIRST,), pool),
              ("pool", "pool-tpool", f"0 {pool} thin-pool 253:0 253:1 128 0 0\n", (f"{VIRTUAL}/dm-0", f"{VIRTUAL}/dm-1"), pool),
              ("dump", "dump", f"0 {size} thin 253:2 1\n", (f"{VIRTUAL}/dm-2",), size))
    for minor, (volume, name, table, below, sectors) in enumerate(tables):
        uuid = "LVM-" + (lvm_id("v") + lvm_id(names[volume])).replace("-", "") + ("-tpool" if volume == "pool" else "")
        mapped(root, f"dm-{minor}", f"253:{minor}", f"vg0-{name}", uuid, table, below, sectors)
    put(root, "vda1", physical_volume("p", text))


# ---- md

LEVELS = {"raid1": (1, 0), "raid0": (0, 128), "linear": (-1, 128), "raid10": (10, 128)}
DATA = 2048  # sectors before a member's data


def super_block(number, level):
    """Version 1.2 of one of two members; clean, without a bitmap."""
    code, chunk = LEVELS[level]
    size = SECTORS - DATA if level == "raid1" else (SECTORS - DATA) // 128 * 128
    sb = bytearray(260)
    struct.pack_into("<III", sb, 0, 0xa92b4efc, 1, 0)
    sb[16:32] = bytes(range(64, 80))
    sb[32:64] = b"lab:0".ljust(32, b"\0")
    struct.pack_into("<QiIQII", sb, 64, 1700000000, code, 0x102 if level == "raid10" else 0, size if level != "linear" else 0, chunk, 2)
    struct.pack_into("<QQQ", sb, 128, DATA, SECTORS - DATA, 8)
    struct.pack_into("<I", sb, 160, number)
    sb[168:184] = bytes([number]) * 16
    struct.pack_into("<QQQ", sb, 192, 1700000000, 7, (1 << 64) - 1)
    struct.pack_into("<I", sb, 220, 2)
    struct.pack_into("<HH", sb, 256, 0, 1)
    total = sum(struct.unpack("<65I", sb))
    struct.pack_into("<I", sb, 216, ((total & 0xffffffff) + (total >> 32)) & 0xffffffff)
    return {4096: bytes(sb)}


def md(root, level="raid1"):
    second_disk(root)
    sectors = (SECTORS - DATA if level == "raid1" else (SECTORS - DATA) // 128 * 128) * (1 if level in ("raid1", "raid10") else 2)
    virtual(root, "md0", "9:0", sectors)
    machines.text(root, f"{VIRTUAL}/md0/md/metadata_version", "1.2\n")
    machines.text(root, f"{VIRTUAL}/md0/md/level", f"{level}\n")
    for number, (name, device) in enumerate((("vda1", FIRST), ("vdb", SECOND))):
        machines.text(root, f"{VIRTUAL}/md0/md/dev-{name}/state", "in_sync\n")
        machines.link(root, f"{VIRTUAL}/md0/md/dev-{name}/block", device)
        put(root, name, super_block(number, level))


# ---- LUKS

LUKS_UUID = "00112233-4455-6677-8899-aabbccddeeff"


def luks(root, name="cdump"):
    sectors = SECTORS - 32768
    mapped(root, "dm-0", "253:0", name, f"CRYPT-LUKS2-{LUKS_UUID.replace('-', '')}-{name}",
           f"0 {sectors} crypt aes-xts-plain64 :64:logon:cryptsetup:{LUKS_UUID}-d0 0 254:1 32768\n", (FIRST,), sectors)
    put(root, "vda1", {0: b"LUKS\xba\xbe\0\2", 168: LUKS_UUID.encode().ljust(40, b"\0")})
    (root / "sys/kernel/config/crash_dm_crypt_keys").mkdir(parents=True)


def lvm_on(root, below, node, number):
    """vg0-root, 1 GiB on a physical volume that is itself assembled: as encrypted installations have it."""
    ext4 = (root / "dev/vda1").read_bytes()
    below(root)
    text = (f'vg0 {{\nid = "{lvm_id("v")}"\nextent_size = 8192\nphysical_volumes {{\npv0 {{\nid = "{lvm_id("p")}"\npe_start = 2048\n}}\n}}\n'
            f'logical_volumes {{\nroot {{\nid = "{lvm_id("l")}"\nsegment1 {{\ntype = "striped"\nstripe_count = 1\nstripes = [ "pv0", 0 ]\n}}\n}}\n'
            "}\n}\n\0").encode()
    mapped(root, "dm-7", "253:7", "vg0-root", "LVM-" + (lvm_id("v") + lvm_id("l")).replace("-", ""), f"0 {1 << 21} linear {number} 2048\n",
           (f"{VIRTUAL}/{node}",), 1 << 21)
    (root / "dev/dm-7").write_bytes(ext4)
    put(root, node, physical_volume("p", text))


# ---- servers

def own_interface():
    """(name, address) of an interface of this machine that is not lo: a made machine's addresses are asked of this one."""
    for _, name in socket.if_nameindex():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s, contextlib.suppress(OSError):
            address = fcntl.ioctl(s, 0x8915, struct.pack("256s", name.encode()))[20:24]  # SIOCGIFADDR
            if name != "lo":
                return name, socket.inet_ntoa(address)
    return None


def far(root):
    """A card with virtio_net on the way to 192.0.2.7, a server that is not there; programs and libraries are this machine's."""
    name = own_interface()[0]
    pci = "sys/devices/pci0000:00/0000:00:06.0"
    card = f"{pci}/virtio3/net/{name}"
    for folder, bus, driver, alias in ((f"{pci}/virtio3", "virtio", "virtio_net", "virtio:d00000001v00001AF4"),
                                       (pci, "pci", "virtio-pci", "pci:v00001AF4d00001041sv00001AF4sd00001100bc02sc00i00")):
        machines.text(root, f"{folder}/modalias", alias + "\n")
        (root / f"sys/bus/{bus}/drivers/{driver}").mkdir(parents=True, exist_ok=True)
        machines.link(root, f"{folder}/driver", f"sys/bus/{bus}/drivers/{driver}")
        machines.link(root, f"{folder}/subsystem", f"sys/bus/{bus}")
    machines.text(root, f"{card}/address", "52:54:00:12:34:56\n")
    machines.text(root, f"{card}/type", "1\n")
    machines.link(root, f"{card}/device", f"{pci}/virtio3")
    machines.link(root, f"sys/class/net/{name}", card)
    machines.text(root, "proc/net/route", "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
                  f"{name}\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n")
    for name, words in (("id_ed25519", "the real key"), ("known_hosts", "192.0.2.7 the real host key"), ("ca.pem", "the real authority"),
                        ("s3", "ACCESSKEY SECRETKEY"), ("web", "Bearer the-real-token")):
        machines.text(root, f"etc/understudy/{name}", words + "\n")
    for path in ("/usr", "/lib64", "/lib/x86_64-linux-gnu"):
        if not (root / path[1:]).exists():
            (root / path[1:]).symlink_to(pathlib.Path(path).resolve())
