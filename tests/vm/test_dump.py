# SPDX-License-Identifier: GPL-2.0-or-later
"""Dumping in the capture kernel: to a disk, as a stream, and by Debian's kdump scripts; opened on the host."""

import json
import re
import subprocess

import pytest

import cpio
import scenario
from scenario import CONSOLE
from vm import NEXT_INITRD, Stage, peer

DRIVERS = ("virtio_pci", "virtio_blk", "ext4")
CRASH = ("crash", "dmesg -c > /dev/null; echo '<3>last words of the lab' > /dev/kmsg; echo c > /proc/sysrq-trigger", 60)
MOUNT = "mount -t ext4 $(grep -l crashdisk /sys/block/vd*/serial | sed 's|/sys/block/|/dev/|; s|/serial||') /mnt"
LSB = "/lib/lsb/init-functions"


def crash_stage():
    words = f"{CONSOLE} nr_cpus=1"
    return [("arm", f"understudy load --crash /boot/k --initrd {NEXT_INITRD} --cmdline '{words}'"), CRASH]


@pytest.fixture
def disk(tmp_path):
    """An empty ext4 disk, and get(path, to) for what is on it afterwards."""
    class Disk:
        image = tmp_path / "disk"
        qemu = ["-drive", f"id=crash,file={image},format=raw,if=none,cache=unsafe",
                "-device", "virtio-blk-pci,drive=crash,serial=crashdisk"]

        def ask(self, command):
            out = subprocess.run(["/sbin/debugfs", "-R", command, self.image], capture_output=True, text=True, timeout=60)
            assert out.returncode == 0, out.stderr
            return out.stdout

        def get(self, path, to):
            self.ask(f"dump {path} {to}")
            assert to.exists() and to.stat().st_size, f"{path} is not on the disk"
            return to

    with open(Disk.image, "wb") as f:
        f.truncate(1 << 30)
    subprocess.run(["/sbin/mke2fs", "-q", "-t", "ext4", Disk.image], check=True, timeout=60)
    yield Disk()
    Disk.image.unlink()


def run(*words, status=0):
    out = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=120)
    assert out.returncode == status, f"{words}: {out.returncode}\n{out.stdout}{out.stderr}"
    return out.stdout


def drgn(core, script):
    return run("/usr/bin/python3", "-c", f"import sys, drgn; p = drgn.Program(); p.set_core_dump(sys.argv[1]); {script}", core).strip()


def check_opens(understudy, core, kernel, zstd=False):
    """Our own verify, drgn and makedumpfile (Debian's knows no zstd) agree that this is a whole dump of that kernel."""
    run(understudy, "verify", core)
    assert drgn(core, "print(p['UTS_RELEASE'].string_().decode())") == kernel.release
    log = core.with_suffix(".log")
    if zstd:
        log.write_text(run(understudy, "log", core))
    else:
        # its mapped windows take p_memsz for p_filesz: runs of zeros in an ELF core break them
        run(peer("makedumpfile", "usr/bin/makedumpfile"), "--non-mmap", "--dump-dmesg", core, log)
    assert "last words of the lab" in log.read_text() and "sysrq: Trigger a crash" in log.read_text()


def capture(vm, kernel, understudy, steps, qemu=(), files=None, **more):
    stage = Stage(steps, modules=DRIVERS, files=scenario.program(understudy) | (files or {}))
    r = vm.boot(kernel, [crash_stage(), stage], files=scenario.program(understudy) | {"/boot/k": kernel.vmlinuz},
                append="crashkernel=256M", memory="1G", cpus=2, qemu=qemu, timeout=360, **more)
    assert r.step("arm").rc == 0, r.step("arm").out + r.step("arm").err
    assert len(r.boots) == 2 and r.boots[1].vmcore, r.tail()
    return r


@pytest.mark.parametrize("name", ["6.1", "6.12"])
def test_dump_to_a_disk(vm, kernels, understudy, disk, tmp_path, name):
    kernel = kernels[name]
    r = capture(vm, kernel, understudy, [
        ("mount", MOUNT),
        ("estimate", "understudy dump --estimate --json /proc/vmcore", 120),
        ("dump", "time -v understudy dump --json --progress-fd 3 /proc/vmcore /mnt/dump 3>/mnt/progress", 240),
        ("again", "understudy dump /proc/vmcore /mnt/dump"),
        ("limit", "understudy dump --codec zlib --limit 8M --json /proc/vmcore /mnt/small", 240),
        ("sync", "ls /mnt; umount /mnt")], qemu=disk.qemu)
    for step in ("mount", "estimate", "dump", "sync"):
        assert r.step(step).rc == 0, f"{step}: {r.step(step).out}{r.step(step).err}"
    done, estimate = json.loads(r.step("dump").out), json.loads(r.step("estimate").out)
    assert done["complete"] and done["level_used"] == 31 and done["release"] == kernel.release
    assert done["pages"]["left_out"]["free"] > done["pages"]["kept"]
    assert done["bytes"] * 0.7 < estimate["bytes_estimated"] < done["bytes"] * 1.4
    # busybox takes the kernel's KiB for pages and says four times as much
    assert int(re.search(r"Maximum resident set size \(kbytes\): (\d+)", r.step("dump").err).group(1)) // 4 < 12 << 10
    assert r.step("again").rc == 2 and "/mnt/dump" in r.step("again").err
    assert r.step("sync").out.split() == ["dump", "lost+found", "progress", "small"]

    progress = [json.loads(line) for line in disk.get("/progress", tmp_path / "progress").read_text().splitlines()]
    assert progress and progress[-1]["done"] == progress[-1]["total"]
    core = disk.get("/dump", tmp_path / "dump")
    assert core.stat().st_size == done["bytes"] < 128 << 20
    check_opens(understudy, core, kernel)

    assert r.step("limit").rc == 1
    limited = json.loads(r.step("limit").out)
    assert not limited["complete"] and limited["stopped"] and limited["pages"]["dropped"] > 0
    small = disk.get("/small", tmp_path / "small")
    assert small.stat().st_size <= 8 << 20
    assert drgn(small, "print(p['UTS_RELEASE'].string_().decode())") == kernel.release


def test_dump_to_a_block_device(vm, kernels, understudy, tmp_path):
    """Written in place: a large one holds all, a small one the most valuable pages; a mounted one is left alone."""
    kernel, sizes = kernels["6.1"], {"large": 512 << 20, "small": 12 << 20}
    qemu, find = [], "$(grep -l {} /sys/block/vd*/serial | sed 's|/sys/block/|/dev/|; s|/serial||')"
    for name, size in sizes.items():
        with open(tmp_path / name, "wb") as f:
            f.write(b"KDUMP   " + bytes(range(256)) * (size // 256 - 1))  # not empty: an old dump, and rubbish
            f.truncate(size)
        qemu += ["-drive", f"id={name},file={tmp_path / name},format=raw,if=none,cache=unsafe",
                 "-device", f"virtio-blk-pci,drive={name},serial={name}"]
    large, small = find.format("large"), find.format("small")
    r = capture(vm, kernel, understudy, [
        ("asked", f"understudy dump /proc/vmcore {large}"),
        ("large", f"understudy dump --force --json /proc/vmcore {large}", 240),
        ("verify", f"understudy verify {large}", 120),
        ("small", f"understudy dump --force --json /proc/vmcore {small}", 240),
        ("again", f"understudy verify {small}", 120),
        ("sync", "sync")], qemu=qemu)
    assert r.step("asked").rc == 2 and "block device" in r.step("asked").err
    for step, status in (("large", 0), ("verify", 0), ("small", 1), ("again", 0)):
        assert r.step(step).rc == status, f"{step}: {r.step(step).out}{r.step(step).err}"
    done = json.loads(r.step("small").out)
    assert done["stopped"] == "no space left" and done["pages"]["dropped"] > 0 and done["bytes"] <= sizes["small"]
    assert json.loads(r.step("large").out)["complete"]
    for name, size in sizes.items():
        assert (tmp_path / name).stat().st_size == size
        run(understudy, "verify", tmp_path / name)
        assert drgn(tmp_path / name, "print(p['UTS_RELEASE'].string_().decode())") == kernel.release
        (tmp_path / name).unlink()


@pytest.mark.parametrize("name", ["6.12"])
def test_dump_as_a_stream(vm, kernels, understudy, tmp_path, name):
    kernel = kernels[name]
    r = capture(vm, kernel, understudy, [
        ("flat", "understudy dump --codec zlib --json /proc/vmcore - | send flat", 240),
        ("elf", "understudy dump --format elf /proc/vmcore - | send elf", 240)],
        outputs={"flat": tmp_path / "flat", "elf": tmp_path / "elf"})
    assert r.step("flat").rc == 0 and r.step("elf").rc == 0, r.step("flat").err + r.step("elf").err
    told = json.loads(r.step("flat").err)
    assert told["complete"] and told["output"] == "-" and told["format"] == "flat"
    run(understudy, "verify", tmp_path / "flat")
    run(understudy, "convert", tmp_path / "flat", tmp_path / "dump")
    check_opens(understudy, tmp_path / "dump", kernel)
    with open(tmp_path / "flat", "rb") as stream:
        subprocess.run(["makedumpfile", "-R", tmp_path / "rearranged"], executable=understudy, stdin=stream, check=True,
                       capture_output=True)
    check_opens(understudy, tmp_path / "rearranged", kernel)
    check_opens(understudy, tmp_path / "elf", kernel)


@pytest.mark.parametrize("settings", ["", "MAKEDUMP_ARGS='-F -z -d 31'\nKDUMP_COMPRESSION=gzip\n"], ids=["plain", "zstd-gzip"])
def test_kdump_tools_save_the_core_with_ours(vm, kernels, understudy, disk, tmp_path, settings):
    """Debian's kdump-config savecore, unchanged, with the names makedumpfile and vmcore-dmesg leading to ours."""
    kernel = kernels["6.1"]
    script = peer("kdump-tools", "usr/sbin/kdump-config")
    config = peer("kdump-tools", "usr/share/kdump-tools/kdump-tools.conf").read_text() + settings
    names = {f"/bin/{name}": cpio.Link("understudy") for name in ("makedumpfile", "vmcore-dmesg", "kexec")}
    r = capture(vm, kernel, understudy, [
        ("mount", f"{MOUNT}; mkdir -p /mnt/crash /var; ln -s /mnt/crash /var/crash"),
        ("savecore", "kdump-config savecore", 240),
        ("check", "makedumpfile --check-params -F -c -d 31 /proc/vmcore && umount /mnt")],
        qemu=disk.qemu, files={"/usr/sbin/kdump-config": script, "/etc/default/kdump-tools": config.encode(), LSB: LSB, **names})
    for step in ("mount", "savecore", "check"):
        assert r.step(step).rc == 0, f"{step}: {r.step(step).out}{r.step(step).err}"
    said = r.step("savecore").out + r.step("savecore").err
    assert "saved vmcore" in said and "saved dmesg content" in said and "failed" not in said
    stamp = re.search(r"/var/crash/(\d{12})", said).group(1)
    suffix = ".gz" if "gzip" in settings else ""
    log = disk.get(f"/crash/{stamp}/dmesg.{stamp}", tmp_path / "dmesg").read_text()
    assert "last words of the lab" in log and re.search(r"^\[ +\d+\.\d{6}\] Linux version 6\.1", log, re.M)
    core = disk.get(f"/crash/{stamp}/dump.{stamp}{suffix}", tmp_path / f"dump{suffix}")
    if suffix:
        run("gzip", "-d", core)
    run(understudy, "verify", tmp_path / "dump")
    run(understudy, "convert", tmp_path / "dump", tmp_path / "whole")
    check_opens(understudy, tmp_path / "whole", kernel, zstd="-z" in settings)


@pytest.mark.parametrize("name", ["6.1", "6.12"])
def test_mem_usage_of_the_running_kernel(vm, kernels, understudy, name):
    """The page array of a kernel that runs: by /proc/kcore, against the kernel's own counters."""
    r = vm.boot(kernels[name], [[("usage", "makedumpfile --mem-usage /proc/kcore; e=$?; cat /proc/meminfo; exit $e")]],
                files=scenario.program(understudy) | {"/bin/makedumpfile": cpio.Link("understudy")}, memory="512M", timeout=120)
    assert r.step("usage").rc == 0, r.step("usage").err
    pages = {k: int(v) for k, v in re.findall(r"^([A-Z_]+)\t+(\d+) +\t", r.step("usage").out, re.M)}
    kb = {k: int(v) for k, v in re.findall(r"^(\w+): +(\d+) kB", r.step("usage").out, re.M)}
    assert pages["FREE"] * 4 == pytest.approx(kb["MemFree"], rel=0.1)
    assert pages["USER"] * 4 == pytest.approx(kb["AnonPages"], rel=0.5, abs=4096)
    assert (pages["NON_PRI_CACHE"] + pages["PRI_CACHE"]) * 4 == pytest.approx(kb["Cached"] + kb["Buffers"], rel=0.2)


def used(step):
    """(seconds, KiB at most resident) of a program that ran by time -v."""
    h, m, s = re.search(r"Elapsed \(wall clock\) time .*?: (?:(\d+)h )?(\d+)m ([\d.]+)s", step.err).groups(default="0")
    return int(h) * 3600 + int(m) * 60 + float(s), int(re.search(r"Maximum resident set size \(kbytes\): (\d+)", step.err).group(1))


def test_beside_makedumpfile_in_the_capture_kernel(vm, kernels, understudy, disk, tmp_path):
    """One CPU, the same memory, the same disk: no larger, no slower, and the same pages' bytes."""
    kernel = kernels["6.1"]
    theirs = peer("makedumpfile", "usr/bin/makedumpfile")
    ours_line = "time -v understudy dump --no-sync --codec lzo /proc/vmcore /mnt/ours"
    r = capture(vm, kernel, understudy, [
        ("mount", MOUNT), ("warm", "/bin/theirs/makedumpfile -l -d 31 /proc/vmcore /mnt/warm && rm /mnt/warm", 120),
        ("theirs", "time -v /bin/theirs/makedumpfile -l -d 31 /proc/vmcore /mnt/theirs", 120), ("ours", ours_line, 120),
        ("umount", "umount /mnt")], qemu=disk.qemu, files=scenario.lab.program(theirs, at="/bin/theirs/makedumpfile"))
    for step in ("theirs", "ours", "umount"):
        assert r.step(step).rc == 0, f"{step}: {r.step(step).out}{r.step(step).err}"
    (our_seconds, our_kb), (their_seconds, their_kb) = used(r.step("ours")), used(r.step("theirs"))
    print(f"ours {our_seconds} s, {our_kb} KiB; makedumpfile {their_seconds} s, {their_kb} KiB")
    ours, theirs = (disk.get(f"/{name}", tmp_path / name) for name in ("ours", "theirs"))
    assert ours.stat().st_size <= theirs.stat().st_size * 1.01
    assert our_seconds <= their_seconds * 1.2 + 0.2
    assert our_kb < 48 << 10
    check_opens(understudy, ours, kernel)


def test_dump_with_little_memory(vm, kernels, understudy, disk, tmp_path):
    """24 MiB are free when the dump begins, the rest is a file in memory."""
    kernel = kernels["6.12"]
    fill = ("mkdir /fill; mount -t tmpfs -o size=100% none /fill; echo 3 > /proc/sys/vm/drop_caches; "
            "n=$(awk '/MemAvailable/ { print int($2 / 1024) - 24 }' /proc/meminfo); "
            "dd if=/dev/zero of=/fill/f bs=1M count=$n 2>/dev/null; grep -E 'MemFree|MemAvailable' /proc/meminfo")
    r = capture(vm, kernel, understudy, [("mount", MOUNT), ("fill", fill),
                                         ("dump", "understudy dump --json /proc/vmcore /mnt/dump", 240),
                                         ("umount", "umount /mnt; grep -c oom_kill /proc/vmstat; grep oom_kill /proc/vmstat")],
                qemu=disk.qemu)
    assert int(re.search(r"MemAvailable: +(\d+)", r.step("fill").out).group(1)) < 32 << 10, r.step("fill").out
    assert r.step("dump").rc == 0, r.step("dump").out + r.step("dump").err
    assert json.loads(r.step("dump").out)["complete"] and "oom_kill 0" in r.step("umount").out
    check_opens(understudy, disk.get("/dump", tmp_path / "dump"), kernel)
