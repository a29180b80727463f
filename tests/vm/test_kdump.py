# SPDX-License-Identifier: GPL-2.0-or-later
"""kdump end to end on each kind of target: arm, crash, capture by our own PID 1, restart, look at what was saved."""

import json
import re
import stat

import pytest

import kdump
from kdump import Machine


def story(vm, kernel, understudy, tmp_path, layout, panic="^sysrq triggered crash$", top="sysrq_handle_crash|panic", death=None, **more):
    """Arms, dies (death: how, as Machine.crash() takes it), is saved, comes back: returns (first boot, second boot, the saved crash)."""
    machine = Machine(vm, kernel, understudy, tmp_path, layout, **more)
    first = machine.crash(**(death or {}))
    core = tmp_path / "dump"
    second = machine.look(dump=core, steps=[("modes", "stat -c '%a %n' /var/crash/* /var/crash/*/*"),
                                            ("log", "grep -c 'last words of the lab' /var/crash/*/log.txt")])
    crashes = kdump.saved(second)
    assert len(crashes) == 1, crashes
    crash = crashes[0]
    assert crash["has_dump"] and crash["has_log"] and not crash["incomplete"], crash
    assert kernel.release in crash["crash"], crash
    for line in second.step("modes").out.splitlines():
        mode, name = line.split()
        wanted = "700" if name.count("/") == 3 else "600"
        assert mode == wanted or "lost+found" in name, line
    assert second.step("log").out.strip() != "0"
    kdump.check_dump(understudy, core, kernel, panic, top)
    core.unlink()
    return first, second, crash


KINDS = {
    "ext4-virtio": kdump.plain,
    "xfs-nvme": lambda: kdump.plain("xfs", "nvme"),
    "lvm": kdump.lvm,
    "md": kdump.md,
}


@pytest.mark.parametrize("name, kind", [("6.1", "ext4-virtio"), ("6.12", "xfs-nvme"), ("6.12", "lvm"), ("6.1", "md")])
def test_a_local_disk(vm, kernels, understudy, tmp_path, name, kind):
    first, second, crash = story(vm, kernels[name], understudy, tmp_path, KINDS[kind]())
    assert f"{crash['crash']}, before this start: saved" in second.step("status").out, second.step("status").out
    assert any("dump" in line for line in kdump.told(first)), first.tail()


DISKS = ("ext4-virtio", "xfs-nvme", "lvm", "md", "btrfs-scsi", "ext4-ahci")
CLOUD = ("6.12-cloud", "newest")  # with the drivers of virtual machines only


@pytest.mark.matrix
@pytest.mark.parametrize("name, kind", [*((n, k) for k in DISKS for n in ("6.1", "6.12", "6.12-rt")), *((n, "ext4-virtio") for n in CLOUD)])
def test_each_kernel_with_each_disk(vm, kernels, understudy, tmp_path, record_property, name, kind):
    record_property("cell", f"kdump|{kind}|{kernels[name].release}|sysrq")
    layouts = KINDS | {"btrfs-scsi": lambda: kdump.plain("btrfs", "scsi"), "ext4-ahci": lambda: kdump.plain("ext4", "ahci")}
    story(vm, kernels[name], understudy, tmp_path, layouts[kind]())


def test_an_encrypted_disk_is_refused_where_its_key_cannot_be_handed_over(vm, kernels, understudy, tmp_path):
    machine = Machine(vm, kernels["6.12"], understudy, tmp_path, kdump.luks())
    r = machine.boot([*machine.bring_up(True), ("arm", "understudy arm", 120), ("armed", "cat /sys/kernel/kexec_crash_loaded")])
    assert r.step("mount").rc == 0, r.step("setup").err
    assert r.step("arm").rc == 1, r.step("arm").out + r.step("arm").err
    assert "crash_dm_crypt_keys" in r.step("arm").out + r.step("arm").err
    assert r.step("armed").out.strip() == "0"


@pytest.mark.matrix
def test_an_encrypted_disk_by_key_hand_over(vm, kernels, understudy, tmp_path, record_property):
    """Linux 7.3 built with CRASH_DM_CRYPT (tools/tiny-kernel keys), too small to print a trace. The name of a key that is
    in no keyring stands there from an earlier target: it goes, or the kernel would refuse the load."""
    kernel, layout = kernels["keys"], kdump.luks(linked=True)
    record_property("cell", f"kdump|luks|{kernel.release}|sysrq")
    layout.setup += ("; keys=/sys/kernel/config/crash_dm_crypt_keys; mount -t configfs configfs /sys/kernel/config; mkdir $keys/old; "
                     "echo -n cryptsetup:gone > $keys/old/description")
    story(vm, kernel, understudy, tmp_path, layout, top="sysrq")


def test_crash_on_another_cpu(vm, kernels, understudy, tmp_path):
    kernel = kernels["6.1"]
    machine = Machine(vm, kernel, understudy, tmp_path, kdump.plain(), cpus=4)
    machine.crash(crash="taskset 2 sh -c 'echo c > /proc/sysrq-trigger'")
    core = tmp_path / "dump"
    second = machine.look(dump=core)
    assert len(kdump.saved(second)) == 1
    report = kdump.check_dump(understudy, core, kernel)
    assert report["crash"]["cpu"] == 1


@pytest.mark.parametrize("first, other", [("6.12", "6.1"), ("6.1", "6.12")])
def test_captured_by_another_kernel(vm, kernels, understudy, tmp_path, first, other):
    running, capture = kernels[first], kernels[other]
    layout = kdump.plain()
    layout.conf += f"kernel = /boot/vmlinuz-{capture.release}\n"
    machine = Machine(vm, running, understudy, tmp_path, layout, also=(capture,))
    result = machine.crash()
    assert f"Linux version {capture.release}" in result.console
    core = tmp_path / "dump"
    machine.look(dump=core)
    kdump.check_dump(understudy, core, running)


def test_first_target_is_down_then_full(vm, kernels, understudy, tmp_path):
    """No server answers, a disk is too small for the dump: the third target gets it, the second the log."""
    kernel = kernels["6.1"]
    layout = kdump.plain()
    small = kdump.Disk("small", bytes=6 << 20, make=("mke2fs", "-q", "-F", "-t", "ext4")).create(tmp_path)
    layout.disks.append(small)
    layout.mount += "; mkdir -p /srv/small && mount -t ext4 /dev/vdb /srv/small"
    layout.conf = "target = /srv/small\ntarget = /var/crash\n"
    machine = Machine(vm, kernel, understudy, tmp_path, layout)
    small.create(tmp_path)
    machine.crash(arm="understudy arm --accept-small; understudy status; true")
    core = tmp_path / "dump"
    second = machine.look(dump=core, steps=[("small", "find /srv/small -type f | xargs ls -la")])
    assert "log.txt" in second.step("small").out, second.step("small").out
    kdump.check_dump(understudy, core, kernel)


def test_arming_again_changes_nothing(vm, kernels, understudy, tmp_path):
    kernel = kernels["6.12"]
    machine = Machine(vm, kernel, understudy, tmp_path, kdump.plain())
    r = machine.boot([*machine.bring_up(True), ("before", "understudy status"), ("arm", "understudy arm --json", 240),
                      ("status", "understudy status --json"), ("again", "understudy arm", 240),
                      ("upgrade", f"echo x >> /boot/vmlinuz-{kernel.release}; understudy status"),
                      ("cut", f"truncate -s 1000000 /boot/vmlinuz-{kernel.release}; understudy arm", 240),
                      ("still", "cat /sys/kernel/kexec_crash_loaded"),
                      ("disarm", "understudy disarm"), ("gone", "cat /sys/kernel/kexec_crash_loaded")])
    assert r.step("before").rc == 1
    assert r.step("arm").rc == 0, r.step("arm").out + r.step("arm").err
    json.loads(r.step("arm").out)
    assert r.step("status").rc == 0, r.step("status").out
    assert r.step("again").rc == 0 and "Already armed" in r.step("again").out, r.step("again").out
    assert r.step("upgrade").rc == 1 and re.search("vmlinuz.*(differs|changed)", r.step("upgrade").out), r.step("upgrade").out
    assert r.step("cut").rc == 1, r.step("cut").out
    assert r.step("still").out.strip() == "1"
    assert r.step("disarm").rc == 0 and r.step("gone").out.strip() == "0"


@pytest.mark.parametrize("reserve, verdict", [("64M", 1), ("72M", 0)])
def test_a_reservation_that_cannot_work_is_refused(vm, kernels, understudy, tmp_path, reserve, verdict):
    machine = Machine(vm, kernels["6.12"], understudy, tmp_path, kdump.plain(), reserve=reserve, memory="2G")
    r = machine.boot([*machine.bring_up(True), ("arm", "understudy arm", 240), ("loaded", "cat /sys/kernel/kexec_crash_loaded"),
                      ("size", "understudy size")])
    assert r.step("arm").rc == verdict, r.step("arm").out + r.step("arm").err
    assert r.step("loaded").out.strip() == str(1 - verdict)
    if verdict:
        assert "crashkernel=" in r.step("arm").out + r.step("arm").err


# At 1952 MiB it lies in one section of 128 MiB; at 1872 MiB it crosses a border, and struct page takes 2 MiB more.
# The kernel that dies stays where it is linked: elsewhere it may lie in the reservation's place.
@pytest.mark.parametrize("name, kind, reserve", [
    ("6.1", "ext4-virtio", "72M@1872M"), ("6.1", "ext4-virtio", "71M@1952M"), ("6.12", "ext4-virtio", "69M@1872M"),
    ("6.12", "ext4-virtio", "67M@1952M"), ("6.1", "xfs-nvme", "80M@1872M")])
def test_saves_in_the_least_reservation(vm, kernels, understudy, tmp_path, name, kind, reserve):
    story(vm, kernels[name], understudy, tmp_path, KINDS[kind](), reserve=f"{reserve} nokaslr", memory="2G")


def test_a_reservation_across_a_border_needs_more(vm, kernels, understudy, tmp_path):
    machine = Machine(vm, kernels["6.1"], understudy, tmp_path, kdump.plain(), reserve="71M@1872M nokaslr", memory="2G")
    r = machine.boot([*machine.bring_up(True), ("arm", "understudy arm", 240), ("size", "understudy size", 60)])
    assert r.step("arm").rc == 1, r.step("arm").out
    assert "the reservation is too small" in r.step("arm").out + r.step("arm").err
    assert "crosses a border" in r.step("size").out, r.step("size").out
