# SPDX-License-Identifier: GPL-2.0-or-later
"""kdump end to end: a guest arms itself with `understudy arm`, dies, our own PID 1 saves what is to be saved, the
machine restarts; a second boot of the same disks looks at what is there.

The guest's root is its initramfs: kernel and modules where Debian has them (/boot, /lib/modules), understudy in
/bin, its parts in /usr/libexec/understudy, the dump target on disks of its own.
"""

import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field

import vm as lab

LIBEXEC = "/usr/local/libexec/understudy"
INDEXES = ("modules.dep", "modules.dep.bin", "modules.alias", "modules.alias.bin", "modules.softdep", "modules.symbols",
           "modules.symbols.bin", "modules.builtin", "modules.builtin.bin", "modules.builtin.alias.bin", "modules.builtin.modinfo",
           "modules.order", "modules.devname")
# What a scenario's machine may need, whoever asks for it: the capture image picks its own from these.
DRIVERS = ("virtio_pci", "virtio_blk", "virtio_net", "ext4", "crc32c_generic")
LVM_CONF = (b"activation { udev_sync=0 udev_rules=0 verify_udev_operations=0 monitoring=0 }\n"
            b'devices { use_devicesfile=0 obtain_device_list_from_udev=0 external_device_info_source="none" }\n'
            b'global { thin_check_executable="" }\n')
SECONDS = 420
NET_UP = "ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up; route add default gw 10.0.2.2"


def sbin(name):
    for folder in ("/usr/sbin", "/sbin", "/usr/bin", "/bin"):
        if os.path.exists(f"{folder}/{name}"):
            return f"{folder}/{name}"
    raise lab.LabError(f"{name} is not installed (packages.txt has its package)")


@functools.lru_cache(maxsize=None)
def module_tree(kernel, names):
    """{guest path: host path} of /lib/modules/RELEASE: the modules named with what they need, and all indexes."""
    root = kernel.root / "lib/modules" / kernel.release
    base = f"/lib/modules/{kernel.release}"
    files = {f"{base}/{i}": root / i for i in INDEXES if (root / i).exists()}
    for name in names:
        out = subprocess.run(["/sbin/modprobe", "-n", "--show-depends", "-d", kernel.root, "-S", kernel.release, name],
                             capture_output=True, text=True)
        for line in out.stdout.splitlines():
            if line.startswith("insmod "):
                path = pathlib.Path(line.split()[1])
                files[f"{base}/{str(path).split(kernel.release + '/', 1)[1]}"] = path
    return files


def known(kernel, module):
    """Does the kernel have it as a module or built in? Faster variants of a cipher are not everywhere."""
    try:
        kernel.modules([module])
    except lab.LabError:
        return False
    return True


def boot_files(kernel):
    return {f"/boot/vmlinuz-{kernel.release}": kernel.vmlinuz, f"/boot/config-{kernel.release}": kernel.config}


@dataclass
class Disk:
    """A disk of the machine. how: how the host attaches it; setup: what the first boot does with it; mount: what
    mounts it (any boot) at /var/crash; programs: what both need in the guest; modules: for the guest itself."""

    name: str
    how: str = "virtio"
    bytes: int = 1 << 30
    make: tuple = ()  # host command, the image's path is added
    image: pathlib.Path = None
    journal: pathlib.Path = None  # every write to it is kept there, in order (power_cut.py)
    paths: int = 1  # controllers that lead to it, where how is scsi

    def create(self, folder):
        self.image = folder / f"{self.name}.img"
        with open(self.image, "wb") as f:
            f.truncate(self.bytes)
        if self.make:
            subprocess.run([sbin(self.make[0]), *self.make[1:], self.image], check=True, capture_output=True, timeout=120)
        return self

    def qemu(self):
        drive = ["-drive", f"id={self.name},file={self.image},format=raw,if=none,cache=unsafe"]
        if self.journal:
            name = self.name
            drive = ["-blockdev", f"file,node-name={name}-file,filename={self.image}", "-blockdev", f"raw,node-name={name}-raw,file={name}-file",
                     "-blockdev", f"file,node-name={name}-kept,filename={self.journal}", "-blockdev", f"raw,node-name={name}-log,file={name}-kept",
                     "-blockdev", f"blklogwrites,node-name={name},file={name}-raw,log={name}-log,log-super-update-interval=1"]
        device = {"virtio": f"virtio-blk-pci,drive={self.name},serial={self.name}",
                  "nvme": f"nvme,drive={self.name},serial={self.name}",
                  "ahci": f"ide-hd,drive={self.name},serial={self.name},bus=ide.0"}.get(self.how)
        if self.how == "scsi":
            return [w for n in range(self.paths) for w in self.scsi(n)]
        return [*drive, "-device", device]

    def scsi(self, number):
        """A controller of its own, and the disk on it: the same one on each."""
        name = f"{self.name}p{number}"
        return ["-device", f"virtio-scsi-pci,id={name}c", "-blockdev", f"raw,node-name={name},file.driver=file,file.filename={self.image},file.locking=off",
                "-device", f"scsi-hd,bus={name}c.0,drive={name},serial={self.name},share-rw=on"]


@dataclass
class Layout:
    """Disks and how they become /var/crash."""

    disks: list
    mount: str  # shell: mounts /var/crash, in the first and in the later boot
    setup: str = ""  # shell: once, before mount
    assemble: str = ""  # shell: in a later boot, before mount
    programs: tuple = ()
    modules: tuple = ()
    conf: str = "target = /var/crash\n"
    files: dict = field(default_factory=dict)
    net: bool = False
    net_up: str = NET_UP
    card: list = field(default_factory=lambda: ["-netdev", "user,id=n0", "-device", "virtio-net-pci,netdev=n0,mac=52:54:00:12:34:56"])


def plain(fs="ext4", how="virtio", **more):
    make = {**{f"ext{n}": ("mke2fs", "-q", "-F", "-t", f"ext{n}") for n in (2, 3, 4)}, "xfs": ("mkfs.xfs", "-q", "-f"), "btrfs": ("mkfs.btrfs", "-q", "-f")}[fs]
    node = {"virtio": "/dev/vda", "nvme": "/dev/nvme0n1", "scsi": "/dev/sda", "ahci": "/dev/sda"}[how]
    drivers = {"virtio": ("virtio_blk",), "nvme": ("nvme",), "scsi": ("virtio_scsi", "sd_mod"), "ahci": ("ahci", "sd_mod")}[how]
    # the one driver of all ext* has the name of the newest
    return Layout([Disk("crash", how, make=make, **more)], f"mount -t {fs} {node} /var/crash", modules=(*drivers, "ext4" if fs[:3] == "ext" else fs))


def btrfs_subvolume():
    layout = plain("btrfs")
    layout.setup = "mkdir -p /top; mount -t btrfs /dev/vda /top && /usr/sbin/btrfs subvolume create /top/@crash; umount /top"
    layout.mount = "mount -t btrfs -o subvol=/@crash /dev/vda /var/crash"
    layout.programs = ("btrfs",)
    return layout


def raw():
    return Layout([Disk("raw")], "", modules=("virtio_blk",), conf="target = raw:/dev/vda\n")


def multipath():
    """One disk behind two controllers, and the map that multipathd would make of it."""
    make = ("/usr/sbin/dmsetup create --noudevsync --noudevrules --uuid mpath-crash mpatha --table "
            "\"0 $(cat /sys/class/block/sda/size) multipath 0 0 1 1 round-robin 0 2 1 $(cat /sys/class/block/sda/dev) 1000 $(cat /sys/class/block/sdb/dev) 1000\"")
    return Layout([Disk("crash", "scsi", make=("mke2fs", "-q", "-F", "-t", "ext4"), paths=2)],
                  f"{make} && mount -t ext4 /dev/dm-0 /var/crash", programs=("dmsetup",),
                  modules=("virtio_scsi", "sd_mod", "dm_mod", "dm_multipath", "dm_round_robin", "ext4"))


LINEAR = "lvcreate -y -Wn -n dump -L 1500M vg0"
STRIPED = "lvcreate -y -Wn -i 2 -n dump -L 1500M vg0"
THIN = "lvcreate -y -Wn -Zn --type thin -L 1200M -V 1500M -n dump --thinpool pool vg0"


def lvm(create=LINEAR):
    return Layout([Disk("pv0"), Disk("pv1")], "mount -t ext4 /dev/mapper/vg0-dump /var/crash",
                  setup="/usr/sbin/lvm pvcreate -ff -y /dev/vda /dev/vdb; /usr/sbin/lvm vgcreate vg0 /dev/vda /dev/vdb; "
                        f"/usr/sbin/lvm {create}; /usr/sbin/mke2fs -q -F -t ext4 /dev/mapper/vg0-dump",
                  assemble="/usr/sbin/lvm vgchange -ay vg0", programs=("lvm", "mke2fs"),
                  modules=("virtio_blk", "dm_mod", "dm_thin_pool", "ext4"), files={"/etc/lvm/lvm.conf": LVM_CONF, "/run/lvm/.x": b""})


def md():
    return Layout([Disk("m0"), Disk("m1")], "mount -t ext4 /dev/md0 /var/crash",
                  setup="/usr/sbin/mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --metadata=1.2 --assume-clean /dev/vda /dev/vdb; "
                        "/usr/sbin/mke2fs -q -F -t ext4 /dev/md0",
                  assemble="/usr/sbin/mdadm --assemble --run /dev/md0 /dev/vda /dev/vdb", programs=("mdadm", "mke2fs"),
                  modules=("virtio_blk", "md_mod", "raid1", "ext4"), files={"/run/mdadm/.x": b""})


LINK_KEY = ("; u=$(/usr/sbin/cryptsetup luksUUID /dev/vda); /usr/sbin/cryptsetup -q luksDump --dump-volume-key --volume-key-file /tmp/vk "
            "--key-file /tmp/key /dev/vda; /usr/sbin/keyctl padd logon cryptsetup:$u-d0 @u < /tmp/vk; rm /tmp/vk")


def luks(linked=False):
    """linked: the volume key is in root's keyring, too, as cryptsetup 2.7 does with --link-vk-to-keyring."""
    layout = _luks()
    if linked:
        layout.setup += LINK_KEY
        layout.programs += ("keyctl",)
    return layout


def _luks():
    return Layout([Disk("enc")], "mount -t ext4 /dev/mapper/cdump /var/crash",
                  setup="echo -n secret > /tmp/key; /usr/sbin/cryptsetup --batch-mode -q luksFormat --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 "
                        "/dev/vda /tmp/key; /usr/sbin/cryptsetup open --key-file /tmp/key /dev/vda cdump; /usr/sbin/mke2fs -q -F -t ext4 /dev/mapper/cdump",
                  assemble="echo -n secret > /tmp/key; /usr/sbin/cryptsetup open --key-file /tmp/key /dev/vda cdump", programs=("cryptsetup", "mke2fs"),
                  modules=("virtio_blk", "dm_mod", "dm_crypt", "aesni_intel", "xts", "af_alg", "algif_skcipher", "algif_hash",
                           "sha256_ssse3", "ext4"), files={"/run/cryptsetup/.x": b""})


class Machine:
    """The machine of a scenario: its disks stay from boot to boot."""

    def __init__(self, vm, kernel, understudy, folder, layout, also=(), reserve="256M", memory="1G", cpus=2):
        self.vm, self.kernel, self.understudy, self.layout = vm, kernel, pathlib.Path(understudy), layout
        self.also, self.reserve, self.memory, self.cpus = also, reserve, memory, cpus
        self.folder = folder
        for disk in layout.disks:
            disk.create(folder)

    def files(self):
        build = self.understudy.parent
        files = {**lab.program(self.understudy), **boot_files(self.kernel), **self.layout.files,
                 "/etc/understudy.conf": self.layout.conf.encode(), "/var/crash/.x": b"", "/var/lib/.x": b"", "/usr/lib/.x": b"",
                 "/etc/hostname": b"lab\n"}
        for part in ("understudy-capture", "understudy-http"):
            if (build / part).exists():
                files.update(lab.program(build / part, f"{LIBEXEC}/{part}"))
        for kernel in (self.kernel, *self.also):
            files.update(boot_files(kernel))
            files.update(module_tree(kernel, tuple(dict.fromkeys((*DRIVERS, *self.layout.modules)))))
        for name in self.layout.programs:
            files.update(lab.program(sbin(name), f"/usr/sbin/{name}"))  # busybox has a mke2fs of its own
        return files

    def qemu(self):
        args = [a for d in self.layout.disks for a in d.qemu()]
        if self.layout.net:
            args += self.layout.card
        return args

    def boot(self, steps, append="", timeout=SECONDS, files=None, **more):
        modules = tuple(dict.fromkeys(("virtio_pci", *self.layout.modules, *(("virtio_net",) if self.layout.net else ()))))
        modules = tuple(m for m in modules if known(self.kernel, m))
        words = f"crashkernel={self.reserve} {append}" if self.reserve else append
        options = {"memory": self.memory, "cpus": self.cpus, "qemu": self.qemu() + list(more.pop("qemu", ()))} | more
        return self.vm.boot(self.kernel, [steps], modules=modules, files=self.files() | (files or {}), append=words, timeout=timeout,
                            compress="zstd", **options)

    def bring_up(self, first):
        net = f"ifconfig lo 127.0.0.1 up; {self.layout.net_up}" if self.layout.net else "true"
        return [("net", net), ("setup", (self.layout.setup if first else self.layout.assemble) or "true", 180),
                ("mount", self.layout.mount or "true")]

    def crash(self, before=(), crash="echo c > /proc/sysrq-trigger", arm="understudy arm", **more):
        """Sets up, arms, dies. The result's console has the capture kernel's words."""
        r = self.boot([*self.bring_up(True), ("arm", arm, 240), *before,
                       ("crash", f"dmesg -c > /dev/null; echo '<3>last words of the lab' > /dev/kmsg; {crash}", 200)], **more)
        for name in ("setup", "mount"):
            assert r.step(name).rc == 0, f"{name}: {r.step(name).out}{r.step(name).err}"
        assert r.step("arm").rc == 0, f"arm: {r.step('arm').out}{r.step('arm').err}"
        assert not r.overdue, f"the machine did not restart\n{r.tail(60)}"
        return r

    def look(self, dump=None, steps=(), **more):
        """Boots again with the same disks: what `crashes` and `status` say; brings the newest dump to the host."""
        more = {"cpus": 1} | more
        out = {"outputs": {"dump": dump}} if dump else {}
        r = self.boot([*self.bring_up(False), ("crashes", "understudy crashes --json", 60), ("status", "understudy status", 60),
                       *([("send", "send dump < $(ls -d /var/crash/*/dump | tail -1)", 120)] if dump else []), *steps], **out, **more)
        assert r.step("mount").rc == 0, r.step("mount").err
        return r


def saved(result):
    """The saved crashes of all targets as `understudy crashes --json` lists them."""
    step = result.step("crashes")
    assert step.rc == 0, step.out + step.err
    return [crash for target in json.loads(step.out)["targets"] for crash in target["crashes"]]


def told(result):
    """The capture program's own lines of the console."""
    return [line for line in result.console.splitlines() if "understudy:" in line]


def run(*words, status=0):
    out = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=180)
    assert out.returncode == status, f"{words}: {out.returncode}\n{out.stdout}{out.stderr}"
    return out.stdout


def check_dump(understudy, core, kernel, panic="^sysrq triggered crash$", top=r"sysrq_handle_crash|panic"):
    """Whole by our own verify, opened by drgn, and reported with the panic and the trace that match these patterns."""
    run(understudy, "verify", core)
    out = run("/usr/bin/python3", "-c", "import sys, drgn; p = drgn.Program(); p.set_core_dump(sys.argv[1]); "
              "print(p['UTS_RELEASE'].string_().decode())", core)
    assert out.strip() == kernel.release
    report = json.loads(run(understudy, "report", core, "--json"))
    assert re.search(panic, report["crash"]["panic"] or report["crash"]["cause"]), report["crash"]  # an oops may need no panic
    assert re.search(top, f"{report['crash']['trace'][:8]} {report['signature']}"), report["crash"]
    return report


@functools.lru_cache(maxsize=None)
def trouble(kernel):
    """guest/trouble/trouble.c as a module of that kernel, and the indexes that name it: {guest path: host path}."""
    headers = next(lab.HEADERS.glob(f"*/usr/src/linux-headers-{kernel.release}"), None)
    if not headers:
        raise lab.LabError(f"linux-headers-{kernel.release} was not fetched (tools/fetch-kernels)")
    source = lab.HERE / "guest/trouble/trouble.c"
    key = hashlib.sha256(source.read_bytes() + kernel.release.encode()).hexdigest()[:16]
    place, base = lab.CACHE / f"trouble-{key}", f"lib/modules/{kernel.release}"
    if not place.exists():
        lab.CACHE.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=lab.CACHE) as tmp:
            work, tree = pathlib.Path(tmp, "work"), pathlib.Path(tmp, "tree")
            work.mkdir()
            shutil.copy(source, work)
            (work / "Makefile").write_text("obj-m := trouble.o\n")
            subprocess.run(["make", "-s", "-C", headers, f"M={work}", "modules"], check=True, capture_output=True, timeout=300)
            shutil.copytree(kernel.root / base, tree / base, symlinks=True, ignore=lambda folder, names: [n for n in names if n in ("build", "source")])
            shutil.copy(work / "trouble.ko", tree / base / "trouble.ko")
            subprocess.run([sbin("depmod"), "-b", tree, kernel.release], check=True, timeout=120)
            for file in (tree / base).rglob("*.ko*"):
                if file.name != "trouble.ko":
                    file.unlink()
            tree.rename(place)
    files = {f"/{base}/{i}": place / base / i for i in INDEXES if (place / base / i).exists()}
    return files | {f"/{base}/trouble.ko": place / base / "trouble.ko"}
