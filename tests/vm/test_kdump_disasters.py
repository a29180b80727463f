# SPDX-License-Identifier: GPL-2.0-or-later
"""What else may go wrong: a module that never comes back, the power that goes while a dump is written, a crash while
arming, memory that came later, and ways to die that are no sysrq. Each ends with a machine that starts anew."""

import json
import re
import shutil

import pytest

import kdump
import power_cut
import test_kdump
import test_kdump_net
import vm as lab
from kdump import Machine

CUTS = 10
HOTPLUG_AT = 0x100000000  # where q35 puts memory that is plugged
HOTPLUG_BYTES = 512 << 20


def trouble_of(kernel):
    """The lab's own module for that kernel, or a skip."""
    try:
        return kdump.trouble(kernel)
    except lab.LabError as e:
        pytest.skip(str(e))


@pytest.fixture
def trouble(kernels):
    return trouble_of(kernels["6.1"])


def state_of(machine, core, steps=(), **more):
    second = machine.look(dump=core, steps=[("state", "cat $(ls -d /var/crash/2*/state.txt | tail -1)"), *steps], **more)
    return second, second.step("state").out


# ---- a module that hangs ----

def test_a_module_that_never_comes_back(vm, kernels, understudy, trouble, tmp_path):
    """It is left behind when its time is over; log and dump are saved as if it were not there."""
    kernel, layout = kernels["6.1"], kdump.plain()
    layout.files = layout.files | trouble
    layout.conf += "extra-modules = trouble\nmodule-budget = 3s\n"
    machine = Machine(vm, kernel, understudy, tmp_path, layout)
    first = machine.crash(files=trouble)
    assert any(re.search(r"abandoned.*trouble\.ko", line) for line in kdump.told(first)), first.tail(60)
    core = tmp_path / "dump"
    _, state = state_of(machine, core, files=trouble)
    assert re.search(r"^abandoned=.*trouble", state, re.M) and "result=saved" in state, state
    kdump.check_dump(understudy, core, kernel)


# ---- the power goes ----

def power_story(vm, kernel, understudy, tmp_path, layout):
    """One capture with a journal of its writes: (machine, journal, the disk before it, entries at the crash and at its end)."""
    machine = Machine(vm, kernel, understudy, tmp_path, layout)
    disk, = layout.disks
    before = tmp_path / "before.img"
    shutil.copyfile(disk.image, before)
    disk.journal, crashed = tmp_path / "journal", []
    disk.journal.touch()
    first = machine.crash(before=[("quiet", "sync; sleep 1")], monitor={"crash": [lambda _: crashed.append(power_cut.count(disk.journal))]})
    assert any("result saved" in line for line in kdump.told(first)), first.tail(60)
    return disk, before, crashed[0], power_cut.count(disk.journal)


LOOK = ("cd {at}; for d in 2*; do [ -e $d/log.txt ] && grep -q 'last words of the lab' $d/log.txt && echo log; "
        "for f in $d/dump $d/dump.incomplete; do [ -e $f ] || continue; understudy info $f > /tmp/info 2>&1; i=$?; "
        "understudy verify $f > /tmp/verify 2>&1; echo ${{f##*/}} info=$i verify=$?; tail -3 /tmp/verify; done; done; "
        "understudy crashes --target {at} > /tmp/crashes 2>&1; echo crashes=$?; cat /tmp/crashes; cd /; umount {at}")


@pytest.mark.parametrize("fs", ["ext4", pytest.param("xfs", marks=pytest.mark.matrix)])
def test_the_power_goes_while_the_dump_is_written(vm, kernels, understudy, tmp_path, fs):
    """Ten points of one capture. What was not flushed is lost, in part and in any order. Each disk mounts; its log is
    there; what calls itself a dump is whole, one that is not yet whole can be read as far as it got, and nothing chokes on
    what is there."""
    kernel = kernels["6.1"]
    disk, before, begun, ended = power_story(vm, kernel, understudy, tmp_path, kdump.plain(fs))
    assert ended - begun > 2 * CUTS, f"only {ended - begun} writes"
    points = [begun + (ended - begun) * (n + 1) // CUTS for n in range(CUTS)]
    disks = [kdump.Disk(f"cut{n}", image=power_cut.cut(before, disk.journal, point, tmp_path / f"cut{n}.img"))
             for n, point in enumerate(points)]
    steps = []
    for n in range(CUTS):
        at = f"/srv/{n}"
        steps += [(f"mount{n}", f"mkdir -p {at} && mount -t {fs} /dev/vd{chr(ord('a') + n)} {at}", 60), (f"look{n}", LOOK.format(at=at), 120)]
    later = vm.boot(kernel, [steps], modules=("virtio_pci", "virtio_blk", fs), files=lab.program(understudy), memory="1G", cpus=2,
                    timeout=kdump.SECONDS, qemu=[a for d in disks for a in d.qemu()])
    seen = []
    for n in range(CUTS):
        assert later.step(f"mount{n}").rc == 0, f"cut {n}: {later.step(f'mount{n}').err}"
        out = later.step(f"look{n}").out
        seen.append(out)
        assert "crashes=0" in out, f"cut {n}: {out}"
        for name, info, verify in re.findall(r"(dump\S*) info=(\d+) verify=(\d+)", out):
            assert int(info) < 4 and int(verify) < 4, f"cut {n}: {out}"
            assert name == "dump.incomplete" or verify == "0", f"cut {n}: what is called a dump is none: {out}"
    logs = ["log\n" in out for out in seen]
    assert logs == sorted(logs) and sum(logs) >= CUTS - 2, [*zip(points, seen)]
    assert "dump info=0 verify=0" in seen[-1], seen[-1]
    partial = [re.search(r"dump\.incomplete info=1 verify=1.*an incomplete dump.*\d MiB\)", out, re.S) is not None for out in seen]
    assert sum(partial) >= 2, [*zip(points, seen)]  # what was flushed on the way


# ---- a crash while arming ----

def crash_while(vm, kernel, understudy, tmp_path, command, delay, **more):
    machine = Machine(vm, kernel, understudy, tmp_path, kdump.plain(), **more)
    r = machine.boot([*machine.bring_up(True), *command[:-1],
                      ("crash", f"{command[-1]} > /dev/null 2>&1 & sleep {delay}; echo '<3>last words of the lab' > /dev/kmsg; "
                                "echo c > /proc/sysrq-trigger", 200)])
    assert not r.overdue, f"the machine hangs\n{r.tail(60)}"
    assert "sysrq triggered crash" in r.console or "sysrq: Trigger a crash" in r.console, r.tail()
    return machine, r


@pytest.mark.parametrize("delay", [1.5, *(pytest.param(d, marks=pytest.mark.matrix) for d in (0.3, 3, 5))])
def test_a_crash_while_arming_anew(vm, kernels, understudy, tmp_path, delay):
    """The old set or the new one captures."""
    kernel = kernels["6.1"]
    machine, r = crash_while(vm, kernel, understudy, tmp_path, [("arm", "understudy arm", 240), "understudy arm --force"], delay)
    assert r.step("arm").rc == 0, r.step("arm").out + r.step("arm").err
    core = tmp_path / "dump"
    second = machine.look(dump=core)
    assert [c["has_dump"] for c in kdump.saved(second)] == [True]
    kdump.check_dump(understudy, core, kernel)


@pytest.mark.parametrize("delay", [1, *(pytest.param(d, marks=pytest.mark.matrix) for d in (0.3, 3, 5))])
def test_a_crash_before_the_machine_is_armed(vm, kernels, understudy, tmp_path, delay):
    """Nothing can be saved: the machine starts anew, nothing is left half done, and it arms."""
    kernel = kernels["6.1"]
    machine, r = crash_while(vm, kernel, understudy, tmp_path, ["understudy arm"], delay)
    second = machine.look(steps=[("arm", "understudy arm", 240), ("left", "ls -A /var/crash")])
    assert second.step("arm").rc == 0, second.step("arm").out + second.step("arm").err
    assert set(second.step("left").out.split()) == {"lost+found", *[c["crash"] for c in kdump.saved(second)]}


# ---- memory and processors that come later ----

FIND = r"""
import sys, drgn
p = drgn.Program()
p.set_core_dump(sys.argv[1])
begin, size, found, there = int(sys.argv[2]), int(sys.argv[3]), 0, 0
for at in range(begin, begin + size, 4096):
    try:
        page = p.read(at, 4096, physical=True)
    except drgn.FaultError:
        continue
    there += 1
    found += page.startswith(b"the lab was here")
print(there, found)
"""
PLUG = [f"object_add memory-backend-ram,id=m1,size={HOTPLUG_BYTES >> 20}M", "device_add pc-dimm,id=d1,memdev=m1",
        "device_add max-x86_64-cpu,id=c1,socket-id=2,core-id=0,thread-id=0"]
# 6.12 counts processors that may come only on a hypervisor that it knows
PLUGGABLE = {"memory": "1G,slots=4,maxmem=4G", "machine": "q35,vmport=on", "cpu": "max,hypervisor=off",
             "cpus": "2,maxcpus=4,sockets=4,cores=1,threads=1"}


@pytest.mark.parametrize("name", ["6.12", "6.1"])
def test_memory_and_a_processor_that_came_after_arming(vm, kernels, understudy, tmp_path, name):
    """6.12 follows by itself; on 6.1 the machine is armed again, as the udev rule does. What is in the new memory is
    in the dump."""
    kernel, layout = kernels[name], kdump.plain()
    layout.conf += "level = 0\n"
    machine = Machine(vm, kernel, understudy, tmp_path, layout)
    online = ("for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1; [ -e /sys/devices/system/memory/memory32 ] && [ -e /sys/devices/system/cpu/cpu2 ] && break; done; "
              "for m in /sys/devices/system/memory/memory*/state; do grep -q offline $m && echo online > $m; done; "
              "echo 1 > /sys/devices/system/cpu/cpu2/online; cat /sys/devices/system/cpu/online; grep MemTotal /proc/meminfo")
    mark = ("mkdir -p /tmp/m; mount -t tmpfs -o size=64m none /tmp/m; yes 'the lab was here' | tr -d '\\n' | head -c 4096 > /tmp/page; "
            "for i in $(seq 1000); do cat /tmp/page; done > /tmp/m/mark; ls -l /tmp/m/mark")
    again = [("again", "understudy arm", 240)] if name == "6.1" else [("again", "cat /sys/devices/system/memory/crash_hotplug /sys/devices/system/cpu/crash_hotplug")]
    first = machine.crash(before=[("plug", online, 60), *again, ("status", "understudy status"), ("mark", mark, 60)],
                          monitor={"plug": PLUG}, qemu=["-smbios", "type=1,serial=VMware-1"], **PLUGGABLE)
    assert "0-2" in first.step("plug").out, first.step("plug").out + first.step("plug").err
    assert first.step("again").rc == 0, first.step("again").out + first.step("again").err
    if name == "6.12":
        assert first.step("again").out.split() == ["1", "1"], first.step("again").out
    assert first.step("status").rc == 0, first.step("status").out
    core = tmp_path / "dump"
    machine.look(dump=core)
    kdump.check_dump(understudy, core, kernel)
    info = json.loads(kdump.run(understudy, "info", core, "--json"))
    assert info["memory_bytes"] > HOTPLUG_BYTES + (700 << 20), info["memory_bytes"]
    there, found = map(int, kdump.run("/usr/bin/python3", "-c", FIND, core, HOTPLUG_AT, HOTPLUG_BYTES).split())
    assert found > 500, (there, found)
    assert len(info["cpus"]) == 3, info["cpus"]
    core.unlink()


# ---- other ways to die ----

INSMOD = "insmod $(find /lib/modules -name trouble.ko)"
# What is done before, what kills, what QEMU's monitor does then; the panic's words, and what the trace names.
WAYS = {
    "oom": ("echo 2 > /proc/sys/vm/panic_on_oom", "tail /dev/zero > /dev/null", [], r"Out of memory: .*panic_on_oom", r"out_of_memory"),
    "null": ("echo 1 > /proc/sys/kernel/panic_on_oops", f"{INSMOD} kind=null", [], r"NULL pointer dereference", r"trouble_null"),
    "soft-lockup": ("echo 3 > /proc/sys/kernel/watchdog_thresh; echo 1 > /proc/sys/kernel/softlockup_panic",
                    f"{INSMOD} kind=soft-lockup", [], r"softlockup: hung tasks", r"trouble|watchdog"),
    # QEMU's processor counts no cycles, so no watchdog of the kernel sees it; the operator's button does
    "nmi": ("echo 1 > /proc/sys/kernel/unknown_nmi_panic", "sleep 100", [(2, "nmi")], r"NMI: Not continuing", r"nmi|idle|halt"),
    "hard-lockup": ("echo 1 > /proc/sys/kernel/unknown_nmi_panic", f"{INSMOD} kind=hard-lockup", [(10, "nmi")], r"NMI: Not continuing", r"nmi|trouble"),
}


def death_by(way, files):
    """(how Machine.crash() brings it about, the panic's words and what the trace names)."""
    before, kill, button, panic, top = WAYS[way]
    return {"before": [("before", before)], "crash": kill, "files": files, "monitor": {"crash": button}}, {"panic": panic, "top": top}


@pytest.mark.parametrize("way", ["oom", "hard-lockup", *(pytest.param(w, marks=pytest.mark.matrix) for w in ("null", "soft-lockup", "nmi"))])
def test_a_way_to_die(vm, kernels, understudy, trouble, tmp_path, record_property, way):
    kernel = kernels["6.1"]
    record_property("cell", f"kdump|ext4-virtio|{kernel.release}|{way}")
    machine = Machine(vm, kernel, understudy, tmp_path, kdump.plain())
    death, seen = death_by(way, trouble)
    machine.crash(**death)
    core = tmp_path / "dump"
    machine.look(dump=core)
    kdump.check_dump(understudy, core, kernel, **seen)


# Each target with a way to die that is no sysrq, another one on each kernel: which way makes no difference to where the dump goes.
OTHERS = {
    "6.1": [("xfs-nvme", "hard-lockup"), ("lvm", "oom"), ("md", "null"), ("btrfs-scsi", "soft-lockup"),
            ("ssh", "null"), ("nfs", "oom"), ("http", "hard-lockup"), ("s3", "soft-lockup")],
    "6.12": [("xfs-nvme", "oom"), ("lvm", "null"), ("md", "soft-lockup"), ("btrfs-scsi", "hard-lockup"),
             ("ssh", "oom"), ("nfs", "null"), ("http", "soft-lockup"), ("s3", "nmi")],
}


@pytest.mark.matrix
@pytest.mark.parametrize("name, kind, way", [(name, *pair) for name, pairs in OTHERS.items() for pair in pairs])
def test_each_target_after_another_death(vm, kernels, understudy, tmp_path, record_property, name, kind, way):
    kernel = kernels[name]
    record_property("cell", f"kdump|{kind}|{kernel.release}|{way}")
    death, seen = death_by(way, trouble_of(kernel))
    disks = test_kdump.KINDS | {"btrfs-scsi": lambda: kdump.plain("btrfs", "scsi")}
    if kind in disks:
        test_kdump.story(vm, kernel, understudy, tmp_path, disks[kind](), death=death, **seen)
    else:
        test_kdump_net.story(vm, kernel, understudy, tmp_path, kind, death=death, **seen)


@pytest.mark.matrix
@pytest.mark.parametrize("name, way", [*(("6.12", way) for way in WAYS), ("6.12-rt", "oom"), ("6.12-rt", "nmi")])
def test_a_way_to_die_of_a_newer_kernel(vm, kernels, understudy, tmp_path, record_property, name, way):
    kernel = kernels[name]
    record_property("cell", f"kdump|ext4-virtio|{kernel.release}|{way}")
    death, seen = death_by(way, trouble_of(kernel) if INSMOD in WAYS[way][1] else {})
    test_kdump.story(vm, kernel, understudy, tmp_path, kdump.plain(), death=death, **seen)


# ---- what was there before ----

def test_debians_configuration_is_taken_over(vm, kernels, understudy, tmp_path):
    """kdump-tools' own /etc/default/kdump-tools, as its package brings it."""
    kernel, layout = kernels["6.1"], kdump.plain()
    try:
        conf = lab.peer("kdump-tools", "usr/share/kdump-tools/kdump-tools.conf")
    except lab.LabError as e:
        pytest.skip(str(e))
    layout.files = {"/etc/default/kdump-tools": conf}
    machine = Machine(vm, kernel, understudy, tmp_path, layout)
    first = machine.crash(arm="rm /etc/understudy.conf; understudy arm --import && cat /etc/understudy.conf")
    assert "target = /var/crash" in first.step("arm").out, first.step("arm").out
    core = tmp_path / "dump"
    machine.look(dump=core)
    kdump.check_dump(understudy, core, kernel)
