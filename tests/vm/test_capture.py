# SPDX-License-Identifier: GPL-2.0-or-later
"""The capture program as PID 1 of the capture kernel, by recipes that are written here; the disks are looked at on the host."""

import os
import pathlib
import re
import subprocess

import pytest

import cpio
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

    def ext4(self):
        subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", self.image], check=True, timeout=60)
        return self.mark(1128, 16)

    def mark(self, at, n):
        with open(self.image, "rb") as f:
            f.seek(at)
            return f"mark={at}:{f.read(n).hex()}"

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
