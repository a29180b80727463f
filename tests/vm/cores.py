#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Sample dumps: made once by the lab, kept in the cache, named by what they hold.

    cores.py [NAME...]      makes what is missing, prints "NAME PATH" lines (no name: all)
    cores.core("6.12")      the same from Python; lab.LabError if it cannot be made

NAME             what
6.1 6.12 newest tiny debug-6.1
                 /proc/vmcore of a 512 MiB guest that died by sysrq-c, copied raw in its capture kernel
6.1-qemu         QEMU's dump-guest-memory of such a guest while it runs (ELF), with a vmcoreinfo note
6.1-qemu-paging  the same with QEMU's own virtual addresses (-p)
6.1-qemu-zlib    kdump-compressed (flattened, as QEMU writes them)
"""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import vm as lab  # noqa: E402

FOLDER = lab.CACHE / "cores"
MEMORY = "512M"
RECIPE = 1  # raised when the dumps are to be made anew
QEMU_DUMPS = {"": "", "-paging": "-p ", "-zlib": "-z "}  # Debian builds QEMU without lzo and snappy
CRASHED = ("6.1", "6.12", "newest", "tiny", "debug-6.1")
OWN_MODULES = {"tiny": (), "debug-6.1": ("crc_itu_t",)}  # what the lab's own kernels have
NAMES = (*CRASHED, *(f"6.1-qemu{suffix}" for suffix in QEMU_DUMPS))

# Something of every class that a dump level can leave out: page cache with and without private data,
# anonymous memory, huge pages, dentries; and memory that was used and is free again.
WORK = """
mount -t tmpfs none /mnt && cat /bin/busybox /bin/kx /bin/send > /mnt/shared
head -c 16000000 /dev/zero > /tmp/disk && mke2fs -F /tmp/disk >/dev/null 2>&1 && mkdir -p /d &&
  mount -t ext2 -o loop /tmp/disk /d && cp /bin/kx /bin/send /d && sync
echo 8 > /proc/sys/vm/nr_hugepages
sh -c 'x=$(head -c 3000000 /bin/busybox | base64); sleep 1000' &
head -c 20000000 /dev/urandom > /tmp/gone; rm /tmp/gone
i=0; while [ $i -lt 2000 ]; do : > /run/file$i; i=$((i+1)); done
sleep 3; true
"""


def _modules(kernel):
    return OWN_MODULES.get(kernel.name, ("loop", "ext4"))


def _crash(name, folder):
    kernel = lab.kernel(name)
    reserve = "128M" if name in OWN_MODULES else "192M"
    capture_line = "console=ttyS0 panic=-1 quiet nr_cpus=1 reset_devices"
    first = lab.Stage([("work", WORK), ("load", f"kx file /boot/k {lab.NEXT_INITRD} '{capture_line}' 2"),
                       ("crash", "echo c > /proc/sysrq-trigger")], modules=_modules(kernel))
    drivers = () if name in OWN_MODULES else ("virtio_pci", "virtio_blk")
    capture = lab.Stage([("send", "send vmcore < /proc/vmcore", 300)], modules=drivers)
    r = lab.Vm(f"cores-{name}").boot(kernel, [first, capture], files={"/boot/k": kernel.vmlinuz}, memory=MEMORY, cpus=2,
                                     append=f"crashkernel={reserve}", outputs={"vmcore": folder / name}, timeout=600)
    if "vmcore" not in r.outputs or r.step("send").rc:
        raise lab.LabError(f"no dump of {name}: {r.tail()}")


def _qemu(name, folder):
    kernel = lab.kernel(name)
    say = [f"dump-guest-memory {flag}{folder}/{name}-qemu{suffix}" for suffix, flag in QEMU_DUMPS.items()]
    modules = (*_modules(kernel), "qemu_fw_cfg")
    r = lab.Vm(f"cores-{name}-qemu").boot(kernel, [lab.Stage([("work", WORK), ("dump", "sleep 3")], modules=modules)],
                                          memory=MEMORY, cpus=2, qemu=["-device", "vmcoreinfo"], monitor={"dump": say},
                                          timeout=600)
    if not r.finished:
        raise lab.LabError(f"no QEMU dumps of {name}: {r.tail()}")


def _place(name, kernel):
    key = hashlib.sha256(kernel.vmlinuz.read_bytes()).hexdigest()[:8]
    return FOLDER / f"{kernel.release}-{key}-r{RECIPE}-{name}"


def core(name):
    """The path of a sample dump, made if it is not in the cache."""
    base = name.split("-qemu")[0]
    made = (base,) if base == name else tuple(f"{base}-qemu{suffix}" for suffix in QEMU_DUMPS)
    if name not in made:
        raise lab.LabError(f"no sample dump is called {name} (there are {', '.join(NAMES)})")
    kernel = lab.kernel(base)
    wanted = _place(name, kernel)
    if wanted.exists():
        return wanted
    FOLDER.mkdir(parents=True, exist_ok=True)
    with open(FOLDER / f"lock-{made[0]}", "w") as lock, contextlib.ExitStack() as stack:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if wanted.exists():
            return wanted
        folder = FOLDER / f"new-{made[0]}"
        folder.mkdir(exist_ok=True)
        stack.callback(folder.rmdir)
        stack.callback(lambda: [p.unlink() for p in folder.iterdir()])
        (_crash if name == base else _qemu)(base, folder)
        for one in made:
            if (folder / one).exists():
                os.rename(folder / one, _place(one, kernel))
    if not wanted.exists():
        raise lab.LabError(f"QEMU wrote no {name}")
    return wanted


def main():
    failed = False
    for name in sys.argv[1:] or NAMES:
        try:
            print(name, core(name), flush=True)
        except lab.LabError as e:
            print(f"{name}: {e}", file=sys.stderr)
            failed = True
    return failed


if __name__ == "__main__":
    sys.exit(main())
