# SPDX-License-Identifier: GPL-2.0-or-later
"""Crash kernels: armed by both system calls, crashed for real, and the dump opened by others' readers."""

import pathlib
import re
import subprocess

import pytest

import scenario
from scenario import CONSOLE, LOADED, loaded
from vm import NEXT_INITRD, Stage, peer

CRASH = ("crash", "echo c > /proc/sysrq-trigger", 60)


def arm(call, image="/boot/k", words=f"{CONSOLE} nr_cpus=1"):
    return f"understudy load --crash --call {call} {image} --initrd {NEXT_INITRD} --cmdline '{words}'; e=$?; {LOADED}; exit $e"


def capture(kernel):
    look = "head -c 4 /proc/vmcore; cat /proc/cmdline"
    return Stage([("look", look), ("send", "send vmcore < /proc/vmcore", 240)], kernel=kernel, modules=("virtio_pci", "virtio_blk"))


def open_with_drgn(core):
    """The release that drgn reads from the dump, without symbols."""
    script = "import sys, drgn; p = drgn.Program(); p.set_core_dump(sys.argv[1]); print(p['UTS_RELEASE'].string_().decode())"
    out = subprocess.run(["/usr/bin/python3", "-c", script, core], capture_output=True, text=True, timeout=120)
    assert out.returncode == 0, out.stderr
    return out.stdout.strip()


def filter_with_makedumpfile(core, to):
    program = peer("makedumpfile", "usr/bin/makedumpfile")
    out = subprocess.run([program, "-l", "-d", "31", core, to], capture_output=True, text=True, timeout=240)
    assert out.returncode == 0, out.stdout + out.stderr
    return to


def check_dump(r, running, tmp_path):
    assert r.step("look").out.startswith("\x7fELF"), r.tail()
    core = r.outputs["vmcore"]
    assert open_with_drgn(core) == running.release
    small = filter_with_makedumpfile(core, tmp_path / "small")
    assert small.stat().st_size > 1 << 20
    assert open_with_drgn(small) == running.release
    core.unlink()


@pytest.mark.parametrize("running,image,call", [
    ("6.12", "6.12", "file"), ("6.12", "6.1", "load"), ("6.1", "6.1", "load"), ("6.1", "6.12", "file"), ("newest", "6.12", "file"),
])
def test_crash_and_capture(vm, kernels, understudy, tmp_path, running, image, call):
    first, second = kernels[running], kernels[image]
    r = vm.boot(first, [[("arm", arm(call)), CRASH], capture(second)],
                files=scenario.program(understudy) | {"/boot/k": second.vmlinuz},
                append="crashkernel=256M", memory="1G", outputs={"vmcore": tmp_path / "vmcore"}, timeout=360)
    assert r.step("arm").rc == 0 and loaded(r.step("arm")) == (0, 1), r.step("arm").out + r.step("arm").err
    assert len(r.boots) == 2 and r.boots[1].vmcore and r.boots[1].release == second.release, r.tail()
    assert "elfcorehdr=" in r.step("look").out
    check_dump(r, first, tmp_path)


@pytest.mark.parametrize("call", ["file", "load"])
def test_reservation_above_4_gib(vm, kernels, understudy, tmp_path, call):
    """6 GiB, the reservation at its top and its default low part: both calls place all of it there."""
    kernel = kernels["6.12-cloud"]
    look = Stage([("look", "head -c 4 /proc/vmcore; cat /proc/cmdline; grep -c . /proc/iomem")], kernel=kernel)
    r = vm.boot(kernel, [[("iomem", "grep 'Crash kernel' /proc/iomem"), ("arm", arm(call)), CRASH], look],
                files=scenario.program(understudy) | {"/boot/k": kernel.vmlinuz},
                append="crashkernel=256M,high", memory="6G", timeout=300)
    ranges = [tuple(int(v, 16) for v in re.findall(r"[0-9a-f]{8,}", line)) for line in r.step("iomem").out.splitlines()]
    assert len(ranges) == 2 and max(start for start, _ in ranges) > 1 << 32
    assert r.step("arm").rc == 0 and loaded(r.step("arm")) == (0, 1), r.step("arm").out + r.step("arm").err
    assert len(r.boots) == 2 and r.boots[1].vmcore, r.tail()
    assert r.step("look").out.startswith("\x7fELF")


@pytest.mark.parametrize("call", ["file", "load"])
def test_refused_reload_leaves_the_first_armed(vm, kernels, understudy, tmp_path, call):
    """Refused by understudy: nothing is called. Refused by the kernel: the first image is loaded again and works."""
    kernel = kernels["6.12-cloud"]
    old = scenario.save(tmp_path / "old", scenario.without_5_level(kernel.vmlinuz))
    force = arm("file", "/boot/old").replace("load --crash", "load --crash --accept paging.5-level-to-4-level")
    steps = [
        ("arm", arm(call)),
        ("refused", arm(call, "/boot/old")),
        ("kernel-refuses", force),
        CRASH,
    ]
    look = Stage([("look", "head -c 4 /proc/vmcore; cat /proc/cmdline")], kernel=kernel)
    r = vm.boot(kernel, [steps, look], files=scenario.program(understudy) | {"/boot/k": kernel.vmlinuz, "/boot/old": old},
                append="crashkernel=256M", memory="1G", timeout=240)
    assert loaded(r.step("arm")) == (0, 1), r.step("arm").out + r.step("arm").err
    step = r.step("refused")
    assert step.rc == 1 and loaded(step) == (0, 1), step.out + step.err
    step = r.step("kernel-refuses")
    assert step.rc == 4 and loaded(step) == (0, 1), step.out + step.err
    assert "ENOEXEC" in step.out + step.err and "previous" in step.out + step.err and "5-level" in step.out + step.err
    assert len(r.boots) == 2 and r.boots[1].vmcore, r.tail()
    assert r.step("look").out.startswith("\x7fELF")


@pytest.mark.parametrize("call", ["file", "load"])
def test_small_kernel_crash_cycle(vm, tiny, understudy, tmp_path, call):
    """The fast cycle: also the whole dump against what the crashed kernel's memory must hold."""
    mark = b"understudy-mark-" * 4096
    steps = [("mark", "mkdir -p /tmp/x; cp /mark /tmp/x/mark; sync"), ("arm", arm(call)), CRASH]
    second = Stage([("look", "head -c 4 /proc/vmcore; cat /proc/cmdline"), ("send", "send vmcore < /proc/vmcore", 60)])
    r = vm.boot(tiny, [steps, second], files=scenario.program(understudy) | {"/boot/k": tiny.vmlinuz, "/mark": mark},
                append="crashkernel=128M", memory="512M", outputs={"vmcore": tmp_path / "vmcore"}, timeout=90)
    assert r.step("arm").rc == 0, r.step("arm").out + r.step("arm").err
    assert len(r.boots) == 2 and r.boots[1].vmcore, r.tail()
    core = r.outputs["vmcore"]
    assert open_with_drgn(core) == tiny.release
    assert core.read_bytes().count(mark[:4096]) >= 16, "pages of the crashed kernel's memory are in the dump"


def test_hotplug_is_kept_up_to_date_by_the_kernel(vm, kernels, understudy, tmp_path):
    """Memory added after arming is in the dump, by both calls, without a reload."""
    kernel = kernels["6.12"]
    add = ["object_add memory-backend-ram,id=m1,size=512M", "device_add pc-dimm,id=d1,memdev=m1"]
    for call in ("file", "load"):
        load = arm(call).replace("load --crash", "load --crash --hotplug")
        steps = [("arm", load), ("files", "cat /sys/devices/system/memory/crash_hotplug /sys/devices/system/cpu/crash_hotplug"),
                 ("plug", "for i in 1 2 3 4 5 6 7 8 9 10; do grep -q 'MemTotal: *1[3-9]' /proc/meminfo && break; sleep 1; done; "
                          "for b in /sys/devices/system/memory/memory*/state; do grep -q offline $b && echo online > $b; done; "
                          "grep 'System RAM' /proc/iomem"), CRASH]
        look = Stage([("look", "dd if=/proc/vmcore bs=4096 count=1 2>/dev/null | send head; cat /proc/cmdline")], kernel=kernel,
                     modules=("virtio_pci", "virtio_blk"))
        r = vm.boot(kernel, [steps, look], files=scenario.program(understudy) | {"/boot/k": kernel.vmlinuz},
                    append="crashkernel=256M", memory="1G,slots=4,maxmem=4G", monitor={"plug": add},
                    outputs={"head": tmp_path / f"head-{call}"}, timeout=300)
        assert r.step("arm").rc == 0, r.step("arm").out + r.step("arm").err
        assert r.step("files").out.split() == ["1", "1"], call
        assert "100000000-11fffffff" in r.step("plug").out
        assert len(r.boots) == 2 and r.boots[1].vmcore, r.tail()
        assert 0x100000000 in loads(r.outputs["head"].read_bytes()), call


def loads(core):
    """Physical starts of the PT_LOADs in the first page of an ELF core."""
    import struct

    offset, = struct.unpack_from("<Q", core, 0x20)
    count, = struct.unpack_from("<H", core, 0x38)
    out = []
    for i in range(min(count, (len(core) - offset) // 56)):
        kind, _, _, _, phys, *_ = struct.unpack_from("<IIQQQQQQ", core, offset + 56 * i)
        out += [phys] if kind == 1 else []
    return out


def test_debians_own_scripts_run_with_it(vm, kernels, understudy):
    """kdump-config and the init scripts of kexec-tools, unchanged, with our program in kexec's place."""
    kernel = kernels["6.12-cloud"]
    kdump = pathlib.Path(peer("kdump-tools", "usr/sbin/kdump-config"))
    scripts = peer("kexec-tools", "etc/init.d/kexec-load")
    logger = "log_action_msg() { echo \"$*\"; }; log_failure_msg() { echo \"FAIL $*\"; }; log_success_msg() { echo \"OK $*\"; }\n" \
             "log_action_begin_msg() { echo \"$*\"; }; log_action_end_msg() { echo \"end $1\"; }; log_warning_msg() { echo \"WARN $*\"; }\n"
    files = scenario.program(understudy) | {
        "/boot/k": kernel.vmlinuz, f"/boot/vmlinuz-{kernel.release}": kernel.vmlinuz, f"/boot/config-{kernel.release}": kernel.config,
        "/usr/sbin/kdump-config": kdump, "/etc/init.d/kexec-load": scripts, "/etc/init.d/kexec": scripts.with_name("kexec"),
        "/lib/lsb/init-functions": logger.encode(), "/etc/default/kdump-tools": b"USE_KDUMP=1\nKDUMP_KERNEL=/boot/k\nKDUMP_INITRD=/boot/initrd2\n",
        "/etc/default/kexec": b"LOAD_KEXEC=true\nKERNEL_IMAGE=/boot/k\nINITRD=/boot/initrd2\nAPPEND='console=ttyS0 panic=-1 quiet by=init'\n",
        "/var/crash/.keep": b"", "/sbin/runlevel": b"#!/bin/sh\necho N 6\n",
    }
    steps = [
        ("prepare", "chmod +x /sbin/runlevel"),
        ("kdump", f"sh /usr/sbin/kdump-config load; e=$?; {LOADED}; exit $e"),
        ("state", "sh /usr/sbin/kdump-config status; sh /usr/sbin/kdump-config show"),
        ("kdump-unload", f"sh /usr/sbin/kdump-config unload; e=$?; {LOADED}; exit $e"),
        ("load", f"sh /etc/init.d/kexec-load stop; {LOADED}"),
        ("jump", "sh /etc/init.d/kexec stop"),
    ]
    second = Stage([("arrived", "cat /proc/cmdline")], kernel=kernel)
    r = vm.boot(kernel, [steps, second], files=files, append="crashkernel=256M", memory="1G", timeout=180)
    assert loaded(r.step("kdump")) == (0, 1), r.step("kdump").out + r.step("kdump").err
    assert "ready to kdump" in r.step("state").out, r.step("state").out
    assert loaded(r.step("kdump-unload")) == (0, 0), r.step("kdump-unload").out + r.step("kdump-unload").err
    assert loaded(r.step("load")) == (1, 0), r.step("load").out + r.step("load").err
    assert len(r.boots) == 2 and "by=init" in r.boots[1].cmdline, r.tail()
