# SPDX-License-Identifier: GPL-2.0-or-later
"""`make install` on a stock Debian 12 with systemd: armed before the network, followed by hotplug and kernel hooks, crashed,
captured, and told of by the next start, which arms from the saved set."""

import json
import re
import shutil

import pytest

import debian
import kdump
import vm as lab

ASK = """
systemctl is-active understudy-arm.service understudy-rearm.path
systemctl show -P NRestarts -P Result understudy-arm.service
systemctl --failed --no-legend --plain | sed 's/^/failed: /'
stat -c '%A %U %n' /run/understudy /var/lib/understudy /var/crash
grep . /sys/kernel/kexec_crash_loaded
journalctl -b -o cat --no-pager -u understudy-arm.service
"""
STATUS = "understudy status; echo status $?\n"
# Two CPUs and a gigabyte come; one of its blocks goes and comes back fifteen times: some forty real events.
HOTPLUG = """
mark() { journalctl -b --no-pager -o cat -u understudy-rearm.service | grep -c '^Starting'; }
echo "rearmed before: $(mark)"
echo "LAB hotplug" > /dev/console
i=0; until [ -d /sys/devices/system/cpu/cpu3 -a -n "$(grep -l offline /sys/devices/system/memory/memory*/state)" ] || [ $i = 40 ]; do sleep 1; i=$((i + 1)); done
for c in 2 3; do echo 1 > /sys/devices/system/cpu/cpu$c/online; done  # an emulated CPU that was never started takes a crash down
blocks=$(grep -l offline /sys/devices/system/memory/memory*/state)
for b in $blocks; do echo online_movable > $b; done
last=$(echo "$blocks" | tail -1)
i=0; while [ $i -lt 15 ]; do echo offline > $last; echo online_movable > $last; i=$((i + 1)); done
ls -d /sys/devices/system/cpu/cpu[0-9]* | wc -l | sed 's/^/present: /'
echo "blocks: $(echo "$blocks" | wc -l)"
settled() { udevadm settle; sleep 3; while systemctl is-active --quiet understudy-rearm.service || [ "$(systemctl is-active understudy-rearm.service)" = activating ]; do sleep 1; done; }
settled
echo "rearmed by hotplug: $(mark)"
/etc/kernel/postinst.d/zz-understudy $(uname -r) /boot/vmlinuz-$(uname -r)
settled
echo "rearmed by hook: $(mark)"
journalctl -b -o cat --no-pager -u understudy-rearm.service | tail -4
ls /run/understudy
"""
CRASH = "sync; echo '<3>last words of the lab' > /dev/kmsg; echo c > /proc/sysrq-trigger\n"


@pytest.fixture(scope="module")
def guest():
    """The stock disk's folder; made on first use, which takes minutes."""
    for program in ("debootstrap", "systemctl"):
        if not shutil.which(program) and not shutil.which(program, path="/usr/sbin:/sbin"):
            pytest.skip(f"{program} is not installed")
    try:
        return debian.guest()
    except lab.LabError as e:
        pytest.skip(str(e))


def number(said, what):
    return int(next(line.split(": ")[1] for line in said if line.startswith(what)))


def armed_early(seen):
    """The order of a start: disks, armed, network."""
    at = [seen.at(p) for p in (r"Reached target .*local-fs\.target", r"Finished .*understudy-arm\.service", r"Reached target .*network-pre",
                               r"Finished .*networking\.service")]
    assert all(at) and at == sorted(at), f"{at}\n{seen.tail(200)}"


def test_installed_on_debian(vm, guest, understudy, tmp_path):
    disk = debian.copy_disk(guest, tmp_path / "disk.raw")
    debian.install(understudy, disk)
    memory = "2G,slots=1,maxmem=4G"
    come = [f"device_add max-x86_64-cpu,id=cpu{i},socket-id={i},core-id=0,thread-id=0" for i in (2, 3)]
    first = debian.boot(f"{vm.name}-0", guest, disk, ASK + HOTPLUG + STATUS + CRASH, memory=memory, cpus="2,sockets=4,maxcpus=4",
                        monitor={"LAB hotplug": [*come, "object_add memory-backend-ram,id=m0,size=1G", "device_add pc-dimm,id=d0,memdev=m0"]})
    said = first.said()
    text = "\n".join(said)
    assert not first.overdue, first.tail()
    assert said[:2] == ["active", "active"] and "failed:" not in text, text
    for folder in ("/run/understudy", "/var/lib/understudy", "/var/crash"):
        assert f"drwx------ root {folder}" in said
    armed_early(first)
    assert any(line.startswith("Armed for a crash: ") for line in said)
    assert number(said, "present") == 4 and number(said, "blocks") == 8, text
    assert number(said, "rearmed before") == 0
    assert 1 <= number(said, "rearmed by hotplug") <= 4, text
    assert number(said, "rearmed by hook") == number(said, "rearmed by hotplug") + 1, text
    assert "status 0" in said, text
    assert first.at("understudy: result saved /var/crash/"), first.tail(60)

    second = debian.boot(f"{vm.name}-1", guest, disk, ASK + STATUS + "understudy crashes\n")
    said = second.said()
    text = "\n".join(said)
    assert said[:2] == ["active", "active"] and "failed:" not in text, text
    assert "the one that was armed last; nothing of it has changed" in text and not re.search(r"^ +stale", text, re.M), text
    armed_early(second)
    assert re.search(r"^understudy: this start follows the crash \d{8}-\d{6}-\S+: saved", text, re.M), text
    assert re.search(r"last crash +\d{8}-\d{6}-\S+, before this start: saved", text), text
    assert "the dump is whole" in text

    name = re.search(r"result saved /var/crash/(\S+)/dump", "\n".join(line for _, line in first.lines))[1]
    core = debian.get(disk, f"/var/crash/{name}/dump", tmp_path / "dump")
    kdump.run(understudy, "verify", core)
    report = json.loads(kdump.run(understudy, "report", core, "--json"))
    assert report["crash"]["panic"] == "sysrq triggered crash", report["crash"]
    assert "last words of the lab" in kdump.run(understudy, "log", core)
