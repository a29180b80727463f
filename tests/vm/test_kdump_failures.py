# SPDX-License-Identifier: GPL-2.0-or-later
"""What goes wrong with kdump in the field: each is told while arming, or what can be saved is saved; nothing hangs."""

import re

import pytest

import kdump
import scenario
from kdump import Machine

ARMED = "cat /sys/kernel/kexec_crash_loaded"


def steps(machine, *more):
    return [*machine.bring_up(True), ("arm", "understudy arm", 240), ("armed", ARMED), *more]


def test_the_disk_is_too_small(vm, kernels, understudy, tmp_path):
    """A dump that cannot fit: told at arm time; after the crash the log and a valid, smaller dump are there."""
    kernel = kernels["6.1"]
    layout = kdump.plain(bytes=16 << 20)
    machine = Machine(vm, kernel, understudy, tmp_path, layout)
    first = machine.crash(arm="understudy arm; understudy status; true")
    assert re.search(r"free|room|space", first.step("arm").out), first.step("arm").out
    core = tmp_path / "dump"
    second = machine.look(dump=core)
    crash, = kdump.saved(second)
    assert crash["has_log"]
    assert crash["has_dump"], crash
    kdump.run(understudy, "verify", core)
    assert core.stat().st_size < 16 << 20


def test_kernel_missing_cut_or_damaged(vm, kernels, understudy, tmp_path):
    """Each is refused, and what was armed before stays armed, and works."""
    kernel = kernels["6.1"]
    machine = Machine(vm, kernel, understudy, tmp_path, kdump.plain())
    image = f"/boot/vmlinuz-{kernel.release}"
    first = machine.crash(before=[
        ("keep", f"cp {image} /tmp/k"),
        ("cut", f"truncate -s 1000000 {image}; understudy arm", 200), ("after-cut", ARMED),
        ("damaged", f"cp /tmp/k {image}; dd if=/dev/zero of={image} bs=64k seek=40 count=1 conv=notrunc; understudy arm", 200),
        ("after-damaged", ARMED),
        ("missing", f"rm {image}; understudy arm", 200), ("after-missing", ARMED), ("status", "understudy status")])
    for what in ("cut", "damaged", "missing"):
        step = first.step(what)
        assert step.rc in (1, 3), f"{what}: {step.rc} {step.out}{step.err}"
        assert image in step.out + step.err, step.out + step.err
        assert first.step(f"after-{what}").out.strip() == "1", what
    assert first.step("status").rc == 1 and image in first.step("status").out
    core = tmp_path / "dump"
    machine.look(dump=core, files={image: kernel.vmlinuz})
    kdump.check_dump(understudy, core, kernel)


def test_an_upgrade_that_was_not_followed(vm, kernels, understudy, tmp_path):
    """The kernel's modules and image are gone: what is armed still saves the dump; status tells that it is stale."""
    kernel = kernels["6.12"]
    machine = Machine(vm, kernel, understudy, tmp_path, kdump.plain())
    first = machine.crash(before=[
        ("upgrade", f"mv /boot/vmlinuz-{kernel.release} /boot/old; mv /lib/modules/{kernel.release} /lib/modules/old; understudy status")])
    assert first.step("upgrade").rc == 1, first.step("upgrade").out
    assert "stale" in first.step("upgrade").out, first.step("upgrade").out
    core = tmp_path / "dump"
    machine.look(dump=core)
    kdump.check_dump(understudy, core, kernel)


def test_a_refused_reload_stays_armed(vm, kernels, understudy, tmp_path):
    """A 4-level kernel on a machine with 5-level page tables: refused before the call; the good set stays, and works."""
    kernel = kernels["6.1"]
    machine = Machine(vm, kernel, understudy, tmp_path, kdump.plain())
    first = machine.crash(before=[
        ("la57", "grep -o -m1 la57 /proc/cpuinfo"),
        ("refused", "cp /etc/understudy.conf /tmp/conf; echo 'kernel = /boot/vmlinuz-old' >> /etc/understudy.conf; understudy arm; r=$?; "
                    "cp /tmp/conf /etc/understudy.conf; exit $r", 200),
        ("after", ARMED)],
        files={"/boot/vmlinuz-old": scenario.without_5_level(kernel.vmlinuz)})
    assert first.step("la57").rc == 0
    assert first.step("refused").rc == 1, first.step("refused").out + first.step("refused").err
    assert "5-level" in first.step("refused").out + first.step("refused").err
    assert first.step("after").out.strip() == "1"
    core = tmp_path / "dump"
    machine.look(dump=core)
    kdump.check_dump(understudy, core, kernel)


@pytest.mark.parametrize("line, words", [
    ("codec = zstdd", "codec"), ("level = 77", "level"), ("no-such-key = 1", "no-such-key"), ("target = ftp://x/y", "target"),
    ("pre = /no/such/program", "/no/such/program")])
def test_wrong_settings_are_told_at_arm_time(vm, kernels, understudy, tmp_path, line, words):
    machine = Machine(vm, kernels["6.12-cloud"], understudy, tmp_path, kdump.plain())
    machine.layout.conf += line + "\n"
    r = machine.boot([*machine.bring_up(True), ("arm", "understudy arm", 120), ("armed", ARMED)])
    said = r.step("arm").out + r.step("arm").err
    assert r.step("arm").rc in (1, 2, 3) and words in said and ("understudy.conf" in said or "the hook pre" in said), f"{r.step('arm').rc}: {said}"
    assert r.step("armed").out.strip() == "0"
