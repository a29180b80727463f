# SPDX-License-Identifier: GPL-2.0-or-later
"""Made machines that can be armed: a recorded one with a disk, a file system on it, a kernel and its modules.

arm_host() writes what `understudy arm` reads beside /proc and /sys of the recording: mountinfo, the disk's way through
/sys, its first bytes in /dev, /boot and /lib/modules. What would have to be asked of a living kernel is not there.
"""
import os
import pathlib
import shutil
import struct
import subprocess

import hosts

DISK = "sys/devices/pci0000:00/0000:00:04.0/virtio1/block/vda"
RELEASE = "6.12.117+deb12-amd64"


def link(root, path, to):
    full = root / path
    full.parent.mkdir(parents=True, exist_ok=True)
    full.symlink_to(os.path.relpath(root / to, full.parent))


def text(root, path, words):
    full = root / path
    full.parent.mkdir(parents=True, exist_ok=True)
    full.write_text(words)


def disk(root, kind="ext4"):
    """/dev/vda1 with a file system's magic number and UUID, on a virtio disk, mounted at /."""
    text(root, f"{DISK}/dev", "254:0\n")
    text(root, f"{DISK}/size", "8388608\n")
    text(root, f"{DISK}/vda1/dev", "254:1\n")
    text(root, f"{DISK}/vda1/size", "8386560\n")
    text(root, f"{DISK}/vda1/partition", "1\n")
    link(root, "sys/dev/block/254:1", f"{DISK}/vda1")
    link(root, "sys/class/block/vda1", f"{DISK}/vda1")
    link(root, f"{DISK}/vda1/subsystem", "sys/class/block")
    for folder, driver, bus, alias in ((DISK.split("/block")[0], "virtio_blk", "virtio", "virtio:d00000002v00001AF4"),
                                       ("sys/devices/pci0000:00/0000:00:04.0", "virtio-pci", "pci",
                                        "pci:v00001AF4d00001042sv00001AF4sd00001100bc01sc00i00")):
        text(root, f"{folder}/modalias", alias + "\n")
        (root / f"sys/bus/{bus}/drivers/{driver}").mkdir(parents=True, exist_ok=True)
        link(root, f"{folder}/driver", f"sys/bus/{bus}/drivers/{driver}")
        link(root, f"{folder}/subsystem", f"sys/bus/{bus}")
    data = bytearray(64 * 1024)
    struct.pack_into("<H", data, 1024 + 56, 0xef53)
    data[1024 + 104:1024 + 120] = bytes(range(16))
    (root / "dev").mkdir(exist_ok=True)
    (root / "dev/vda1").write_bytes(data)
    text(root, "proc/self/mountinfo", f"21 1 254:1 / / rw,relatime shared:1 - {kind} /dev/vda1 rw\n")


def arm_host(root, kernel, *changes, base="vm-la57", config="", reserve=None, loaded=0,
             release=RELEASE):
    """The folder of a machine whose running kernel is the folder kernel (boot/vmlinuz, config, lib/modules/RELEASE).
    reserve: MiB of memory reserved for a crash kernel instead of the recording's 256."""
    root, kernel = pathlib.Path(root), pathlib.Path(kernel)
    size = [] if reserve is None else [
        hosts.put("sys/kernel/kexec_crash_size", f"{reserve << 20}\n"),
        hosts.sub("proc/iomem", r"([0-9a-f]+)-[0-9a-f]+ : Crash kernel",
                  lambda m: f"{m[1]}-{int(m[1], 16) + (reserve << 20) - 1:08x} : Crash kernel"),
        hosts.cmdline(r"crashkernel=\S+", f"crashkernel={reserve}M")]
    hosts.make_host(base, root, hosts.put("sys/kernel/kexec_crash_loaded", f"{loaded}\n"),
                    hosts.put("proc/sys/kernel/random/boot_id", "11111111-2222-3333-4444-555555555555\n"),
                    *size, *changes)
    disk(root)
    for folder in ("boot", "lib/modules", "var", "etc", "run"):
        (root / folder).mkdir(exist_ok=True, parents=True)
    shutil.copy(kernel / "boot/vmlinuz", root / f"boot/vmlinuz-{release}")
    shutil.copy(kernel / "config", root / f"boot/config-{release}")
    (root / f"lib/modules/{release}").symlink_to((kernel / f"lib/modules/{release}").resolve())
    if config:
        (root / "etc/understudy.conf").write_text(config)
    return root


def capture_program(path):
    """A small static program that stands for understudy-capture where it is only packed, not run."""
    source = path.with_suffix(".c")
    source.write_text("int main(void) { return 0; }\n")
    subprocess.run(["gcc", "-static", "-Os", "-s", "-o", path, source], check=True)
    return path


# What the machine recorded as vm-secureboot says of its keyrings: their serial numbers there, and their keys'.
KEYRINGS = {".blacklist": "1c7d303b:", ".builtin_trusted_keys": "12436b2c: 235da675", ".platform": "1a267046: 1e9e454e 2429b5d1",
            ".secondary_trusted_keys": "2472899f: 12436b2c 35ab09ab", ".machine": "35ab09ab: 37df46b0"}


def listed(*but):
    """A change of that machine, whose recording lacks this: all of its keyrings could be listed but these."""
    return hosts.put("understudy/keyrings", "".join(f"{line}\n" for name, line in KEYRINGS.items() if name not in but))
