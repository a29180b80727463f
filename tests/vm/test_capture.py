# SPDX-License-Identifier: GPL-2.0-or-later
"""The capture program as PID 1 of the capture kernel, by recipes that are written here; the disks are looked at on the host."""

import os
import pathlib
import re
import subprocess

import pytest

import cpio
import kdump
import scenario
import vm as lab
from scenario import CONSOLE

CRASH = ("crash", "dmesg -c > /dev/null; echo '<3>last words of the lab' > /dev/kmsg; echo c > /proc/sysrq-trigger", 200)


@pytest.fixture(scope="session")
def capture_program(understudy):
    path = pathlib.Path(os.environ.get("UNDERSTUDY_CAPTURE", understudy.parent / "understudy-capture"))
    if not path.exists():
        pytest.skip(f"{path} is not built")
    return path


def image(program, kernel, recipe, modules, extra=()):
    """The capture image: PID 1, the recipe, the modules in their order."""
    files = {"/init": program, "/dev/console": cpio.Node(5, 1)}
    lines = [recipe[0]]
    for name, data in kernel.modules(modules):
        files[f"/m/{name}"] = data
        lines.append(f"module file=/m/{name} target=-1 budget=20")
    files["/recipe"] = "".join(f"{line}\n" for line in [*lines, *recipe[1:]]).encode()
    files.update(extra)
    return cpio.compress(cpio.archive(files), "zstd")


class Disk:
    def __init__(self, path, name, size=1 << 30, driver="virtio-blk-pci"):
        self.image = path / name
        with open(self.image, "wb") as f:
            f.truncate(size)
        self.qemu = ["-drive", f"id={name},file={self.image},format=raw,if=none,cache=unsafe",
                     "-device", f"{driver},drive={name},serial={name}"]

    def read(self, at, n):
        with open(self.image, "rb") as f:
            f.seek(at)
            return f.read(n)

    def ext4(self):
        subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", self.image], check=True, timeout=60)
        return self.mark(1128, 16)

    def mark(self, at, n):
        return f"mark={at}:{self.read(at, n).hex()}"

    def ask(self, command):
        out = subprocess.run(["/sbin/debugfs", "-R", command, self.image], capture_output=True, text=True, timeout=60)
        assert out.returncode == 0, out.stderr
        return out.stdout

    def files(self, folder):
        """{name: mode} of a folder on ext4."""
        rows = [line.split("/") for line in self.ask(f"ls -p {folder}").splitlines() if line.startswith("/")]
        return {row[5]: int(row[2], 8) for row in rows if row[5] not in (".", "..", "lost+found")}

    def get(self, path, to):
        self.ask(f"dump {path} {to}")
        return to


def die(vm, kernel, understudy, initrd, disks, crashkernel="128M", memory="1G", before=(), cpus=1, words="", **more):
    """Arms with the image, crashes, and lets the capture go on until the machine starts anew (which ends it)."""
    cmdline = f"{CONSOLE} nr_cpus=1 reset_devices irqpoll cgroup_disable=memory numa=off {words}".strip()
    steps = [*before, ("arm", f"understudy load --crash --accept-unknown /boot/k --initrd /boot/capture --cmdline '{cmdline}'"), CRASH]
    files = scenario.program(understudy) | {"/boot/k": kernel.vmlinuz, "/boot/capture": initrd}
    r = vm.boot(kernel, [steps], files=files, append=f"crashkernel={crashkernel}", memory=memory, cpus=cpus,
                qemu=[arg for disk in disks for arg in disk.qemu], timeout=300, **more)
    arm = r.step("arm")
    assert arm.rc == 0, arm.out + arm.err + arm.kmsg
    assert "understudy: the end" in r.console and not r.overdue, r.tail()
    print("\n".join(line for _, line in r.console_lines if "understudy:" in line))
    return r


def state_of(text):
    pairs = [line.split("=", 1) for line in text.splitlines() if "=" in line]
    return {k: [v for key, v in pairs if key == k] for k, _ in pairs}


def check_crash(understudy, disk, folder, tmp_path, kernel):
    """What a whole capture leaves on a disk, with nobody else allowed to read it; returns its state."""
    crash, = disk.files(folder)
    assert re.fullmatch(r"\d{8}-\d{6}-" + re.escape(kernel.release), crash)
    assert disk.files(folder)[crash] & 0o777 == 0o700
    files = disk.files(f"{folder}/{crash}")
    assert set(files) == {"dump", "log.txt", "report.txt", "state.txt"} and {m & 0o777 for m in files.values()} == {0o600}, files
    got = {name: disk.get(f"{folder}/{crash}/{name}", tmp_path / name) for name in files}
    log = got["log.txt"].read_text()
    assert "last words of the lab" in log and "sysrq: Trigger a crash" in log and re.search(r"^\[ +\d+\.\d{6}\] Linux version", log, re.M)
    assert "sysrq triggered crash" in got["report.txt"].read_text()
    out = subprocess.run([understudy, "verify", got["dump"]], capture_output=True, text=True)
    assert out.returncode == 0, out.stdout + out.stderr
    return state_of(got["state.txt"].read_text())


@pytest.mark.parametrize("name", ["6.1", "6.12"])
def test_capture_to_ext4(vm, kernels, understudy, capture_program, tmp_path, name):
    kernel, disk = kernels[name], Disk(tmp_path, "crash")
    recipe = ["recipe host=lab level=31 jobs=1 codec=auto budget=240 final=reboot prune=yes",
              f"device name=d0 kind=found {disk.ext4()}",
              "target kind=dir text=/var/crash path=/crash device=d0 fs=ext4 budget=200"]
    r = die(vm, kernel, understudy, image(capture_program, kernel, recipe, ("virtio_pci", "virtio_blk", "ext4")), [disk],
            crashkernel=os.environ.get("CK", "128M"))
    state = check_crash(understudy, disk, "/crash", tmp_path, kernel)
    assert state["result"] == ["saved"] and state["target"] == ["/var/crash"] and "abandoned" not in state
    assert len(state["memory"]) > 5 and [s.split()[2] for s in state["stage"]][:3] == ["begin", "modules", "core"]
    assert "understudy: result saved" in r.console


def set_up(vm, kernel, layout, path):
    """The disks of a layout, as a first boot has made them."""
    disks = [Disk(path, d.name) for d in layout.disks]
    files = dict(layout.files)
    for name in layout.programs:
        files.update(lab.program(kdump.sbin(name), at=f"/usr/sbin/{name}"))
    r = vm.boot(kernel, [[("setup", layout.setup, 120), ("sync", f"sync; mkdir -p /var/crash; {layout.mount} && umount /var/crash")]],
                modules=("virtio_pci", *layout.modules), files=files, qemu=[arg for d in disks for arg in d.qemu])
    assert r.step("sync").rc == 0, r.step("setup").out + r.step("setup").err + r.step("sync").err
    return disks


def look_again(vm, kernel, understudy, layout, disks, steps):
    """A boot afterwards, with the layout's file system at /var/crash."""
    files = dict(layout.files) | scenario.program(understudy)
    for name in layout.programs:
        files.update(lab.program(kdump.sbin(name), at=f"/usr/sbin/{name}"))
    r = vm.boot(kernel, [[("mount", f"mkdir -p /var/crash; {layout.assemble}; {layout.mount}", 120), *steps]],
                modules=("virtio_pci", *layout.modules), files=files, qemu=[arg for d in disks for arg in d.qemu])
    assert r.step("mount").rc == 0, r.step("mount").out + r.step("mount").err
    return r


RECIPE = "recipe host=lab level=31 jobs=1 codec=auto budget=240 final=reboot prune=yes"
LOOK = ("look", "cd /var/crash/*-*-*; stat -c '%a %n' . *; cat state.txt; understudy verify dump", 120)
LOOKED = {"700 .", "600 dump", "600 log.txt", "600 report.txt", "600 state.txt"}


def lvm_recipe(disks, fingerprint):
    """The recipe's device lines for the volume dump, by the metadata on the first disk."""
    text = max(re.findall(rb"vg0 \{\n.*?\n# Generated[^\0]*", disks[0].read(4096, 1 << 20), re.S), key=lambda t: int(re.search(rb"seqno = (\d+)", t)[1])).decode()
    volume = re.search(r"\n\s*dump \{\n(.*?)\n\s*\}\n\s*\}", text, re.S).group(1)
    uuid, lv = re.search(r'id = "(\S+)"', text).group(1), re.search(r'id = "(\S+)"', volume).group(1)
    table = []
    for first, count, pv, at in re.findall(r'start_extent = (\d+)\s+extent_count = (\d+).*?"pv(\d)", (\d+)', volume, re.S):
        table.append(f'table="{int(first) * 8192} {int(count) * 8192} linear ${{pv{pv}}} {2048 + int(at) * 8192}"')
    assert len(table) == 2, text
    return [*(f"device name=pv{n} kind=found {d.mark(544, 32)}" for n, d in enumerate(disks)),
            f"device name=vg0-dump kind=dm uuid=LVM-{(uuid + lv).replace('-', '')} {' '.join(table)} "
            f"lvm-pv=pv0 lvm-lv={lv} lvm-hash={fingerprint}"]


def test_capture_to_a_logical_volume(vm, kernels, understudy, capture_program, tmp_path):
    """First with a fingerprint that is none: nothing is written. Then with the right one, as the refusal has told it."""
    kernel, layout = kernels["6.12"], kdump.lvm()
    disks = set_up(vm, kernel, layout, tmp_path)
    target = "target kind=dir text=/var/crash path=/ device=vg0-dump fs=ext4 budget=200"
    drivers = ("virtio_pci", *layout.modules)
    before = [d.read(0, 64 << 20) for d in disks]
    r = die(vm, kernel, understudy, image(capture_program, kernel, [RECIPE, *lvm_recipe(disks, "0" * 16), target], drivers), disks,
            modules=("virtio_pci",))
    assert "the volume lies elsewhere" in r.console and "understudy: result nothing" in r.console
    assert "last words of the lab" in r.console.partition("the end of the crashed kernel's log")[2]
    assert before == [d.read(0, 64 << 20) for d in disks]
    right = re.search(r"now ([0-9a-f]{16})", r.console).group(1)

    r = die(vm, kernel, understudy, image(capture_program, kernel, [RECIPE, *lvm_recipe(disks, right), target], drivers), disks)
    assert "understudy: result saved /var/crash/" in r.console
    r = look_again(vm, kernel, understudy, layout, disks, [LOOK])
    assert r.step("look").rc == 0 and LOOKED <= set(r.step("look").out.splitlines()), r.step("look").out + r.step("look").err


@pytest.mark.parametrize("missing", [False, True], ids=["whole", "degraded"])
def test_capture_to_a_mirror(vm, kernels, understudy, capture_program, tmp_path, missing):
    kernel, layout = kernels["6.1"], kdump.md()
    disks = set_up(vm, kernel, layout, tmp_path)
    devices = [*(f"device name=m{n} kind=found {d.mark(4096, 4)} {d.mark(4096 + 16, 16)} {d.mark(4096 + 168, 16)}" for n, d in enumerate(disks)),
               "device name=md0 kind=md md-major=1 md-minor=2 member=m0 member=m1"]
    target = "target kind=dir text=/var/crash path=/ device=md0 fs=ext4 budget=200"
    there = disks[:1] if missing else disks
    r = die(vm, kernel, understudy, image(capture_program, kernel, [RECIPE, *devices, target], ("virtio_pci", *layout.modules)), there)
    assert "understudy: result saved /var/crash/" in r.console
    assert ("member: md0" in r.console) == missing
    r = look_again(vm, kernel, understudy, layout, disks, [LOOK])
    assert r.step("look").rc == 0 and LOOKED <= set(r.step("look").out.splitlines()), r.step("look").out + r.step("look").err


def test_capture_to_a_raw_partition(vm, kernels, understudy, capture_program, tmp_path):
    """The dump begins at the first byte, log and state stand behind it; the log goes to a second target as well."""
    kernel, raw, other = kernels["6.12"], Disk(tmp_path, "raw"), Disk(tmp_path, "other")
    end = (1 << 30) - 4096
    mark = b"UNDERSTUDY-RAW\0\0" + bytes(range(16)) + (1 << 30).to_bytes(8, "little")
    with open(raw.image, "r+b") as f:
        f.seek(end)
        f.write(mark)
    recipe = [RECIPE, f"device name=d0 kind=found mark={end}:{mark.hex()}", f"device name=d1 kind=found {other.ext4()}",
              "target kind=raw text=raw:/dev/vda device=d0 budget=200",
              "target kind=dir text=/var/crash path=crash device=d1 fs=ext4 budget=200"]
    r = die(vm, kernel, understudy, image(capture_program, kernel, recipe, ("virtio_pci", "virtio_blk", "ext4")), [raw, other])
    assert "understudy: result saved raw:/dev/vda" in r.console
    out = subprocess.run([understudy, "verify", raw.image], capture_output=True, text=True)
    assert out.returncode == 0, out.stdout + out.stderr
    tail = raw.read((1 << 30) - (1 << 20), 1 << 20)
    assert tail.startswith(b"UNDERSTUDY-SLOTS20") and b"last words of the lab" in tail and b"\nresult=saved\n" in tail
    crash, = other.files("/crash")
    assert set(other.files(f"/crash/{crash}")) == {"log.txt", "report.txt", "state.txt"}


def small_disk(path, size, old=()):
    """An ext4 disk of that size with crashes on it already: {name: bytes of its dump}."""
    for name, n in dict(old).items():
        folder = path / "old/crash" / name
        folder.mkdir(parents=True)
        (folder / "dump").write_bytes(os.urandom(n))
        (folder / "log.txt").write_text("an older crash\n")
    (path / "old").mkdir(exist_ok=True)
    disk = Disk(path, "small", size)
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", "-d", path / "old", disk.image], check=True, timeout=60)
    return disk, f"device name=d0 kind=found {disk.mark(1128, 16)}", "target kind=dir text=/var/crash path=/crash device=d0 fs=ext4 budget=200"


def test_older_crashes_make_room(vm, kernels, understudy, capture_program, tmp_path):
    """The dump does not fit beside two older ones: the oldest goes, the other stays."""
    kernel = kernels["6.1"]
    disk, *lines = small_disk(tmp_path, 128 << 20, {"20240101-000000-6.1": 40 << 20, "20240102-000000-6.1": 40 << 20})
    r = die(vm, kernel, understudy, image(capture_program, kernel, [RECIPE, *lines], ("virtio_pci", "virtio_blk", "ext4")), [disk])
    assert "understudy: pruned: 20240101-000000-6.1" in r.console and "understudy: result saved" in r.console
    first, second = sorted(disk.files("/crash"))
    assert first == "20240102-000000-6.1" and set(disk.files(f"/crash/{second}")) == {"dump", "log.txt", "report.txt", "state.txt"}


def test_a_full_disk_gets_a_smaller_dump(vm, kernels, understudy, capture_program, tmp_path):
    """Nothing may be deleted and 20 MiB are free: a valid dump without the least valuable pages, beside what was there."""
    kernel = kernels["6.12"]
    disk, *lines = small_disk(tmp_path, 64 << 20, {"20240101-000000-6.1": 30 << 20})
    recipe = [RECIPE.replace(" prune=yes", ""), *lines]
    r = die(vm, kernel, understudy, image(capture_program, kernel, recipe, ("virtio_pci", "virtio_blk", "ext4")), [disk])
    assert "understudy: result partial /var/crash/" in r.console and "pruned" not in r.console
    old, crash = sorted(disk.files("/crash"))
    assert old == "20240101-000000-6.1" and disk.files(f"/crash/{old}").keys() == {"dump", "log.txt"}
    dump = disk.get(f"/crash/{crash}/dump", tmp_path / "dump")
    assert 8 << 20 < dump.stat().st_size < 28 << 20
    out = subprocess.run([understudy, "info", dump], capture_output=True, text=True)
    assert kernel.release in out.stdout and "registers" in out.stdout, out.stdout + out.stderr
    assert "sysrq: Trigger a crash" in disk.get(f"/crash/{crash}/log.txt", tmp_path / "log").read_text()
    state = state_of(disk.get(f"/crash/{crash}/state.txt", tmp_path / "state").read_text())
    assert state["result"] == ["partial"] and state["estimated"]


def test_without_a_recipe_the_log_is_on_the_console(vm, kernels, understudy, capture_program, tmp_path):
    """A damaged recipe: the end of the log is told where it can be, and the machine starts anew."""
    kernel, disk = kernels["6.1"], Disk(tmp_path, "crash")
    r = die(vm, kernel, understudy, image(capture_program, kernel, ["recipe level=nine"], ()), [disk])
    assert 'understudy: the recipe, line 1: level: "nine" is no number' in r.console and "understudy: result nothing" in r.console
    assert "last words of the lab" in r.console.partition("the end of the crashed kernel's log")[2]
