# SPDX-License-Identifier: GPL-2.0-or-later
"""kdump end to end on what is seen less often: kinds of disks and what lies between them and the file system, and
networks that are more than one card with an address. Each ends with a dump that verify passes and drgn opens."""

import contextlib
import socket
import struct
import subprocess
import threading

import pytest

import kdump
import servers
import vm as lab
from kdump import Machine
from test_kdump import story
from test_kdump_net import check_arrived, layout_of, serving, ssh

pytestmark = pytest.mark.matrix

DISKS = {
    "btrfs-subvolume": kdump.btrfs_subvolume,
    "lvm-striped": lambda: kdump.lvm(kdump.STRIPED),
    "lvm-thin": lambda: kdump.lvm(kdump.THIN),
    "multipath": kdump.multipath,
    "ext3-virtio": lambda: kdump.plain("ext3"),
    "ext2-virtio": lambda: kdump.plain("ext2"),
}


@pytest.mark.parametrize("name", ["6.1", "6.12"])
@pytest.mark.parametrize("kind", list(DISKS))
def test_a_kind_of_disk(vm, kernels, understudy, tmp_path, record_property, name, kind):
    record_property("cell", f"kdump|{kind}|{kernels[name].release}|sysrq")
    story(vm, kernels[name], understudy, tmp_path, DISKS[kind]())


@pytest.mark.parametrize("name", ["6.1", "6.12"])
def test_a_raw_partition_and_its_recovery(vm, kernels, understudy, tmp_path, record_property, name):
    """Not marked yet: a dry run says what arming will do. After the crash the dump is got into a directory."""
    kernel, core = kernels[name], tmp_path / "dump"
    record_property("cell", f"kdump|raw|{kernel.release}|sysrq")
    machine = Machine(vm, kernel, understudy, tmp_path, kdump.raw())
    first = machine.crash(arm="understudy arm --dry-run; echo dry-run $?; understudy arm")
    assert "dry-run 0" in first.step("arm").out and "mark" in first.step("arm").out, first.step("arm").out
    assert any("result saved raw:/dev/vda" in line for line in kdump.told(first)), first.tail()
    second = machine.look(steps=[("recover", "mkdir -m 700 /tmp/got; understudy crashes recover --into /tmp/got", 120),
                                 ("verify", "understudy verify /tmp/got/2*/dump && understudy verify /dev/vda", 120),
                                 ("log", "grep -c 'last words of the lab' /tmp/got/2*/log.txt"),
                                 ("again", "understudy crashes recover --into /tmp/got", 120),
                                 ("send", "send dump < $(ls /tmp/got/2*/dump)", 120)], outputs={"dump": core})
    crash, = kdump.saved(second)
    assert crash["has_dump"] and crash["has_log"] and not crash["incomplete"], crash
    for step in ("recover", "verify", "log", "again"):
        assert second.step(step).rc == 0, second.step(step).out + second.step(step).err
    assert "already" in second.step("again").out
    kdump.check_dump(understudy, core, kernel)


IP = "ip=/usr/sbin/ip; $ip link set lo up; "
ADDRESS = "$ip addr add 10.0.2.15/24 dev {0}; $ip route add default via 10.0.2.2 dev {0}"
LEASE = """#!/bin/sh
[ "$1" = bound ] || exit 0
ifconfig $interface $ip netmask $subnet up
route add default gw $router
"""
# How the first kernel comes to its address, and with which modules; the capture kernel has to find one card for it.
NETS = {
    "bond": (IP + "$ip link add bond1 type bond mode active-backup miimon 100; $ip link set eth0 down; $ip link set eth0 master bond1; "
             "$ip link set bond1 up; sleep 1; " + ADDRESS.format("bond1"), ("bonding",)),
    "bridge": (IP + "$ip link add br0 type bridge; $ip link set eth0 master br0; $ip link set eth0 up; $ip link set br0 up; "
               + ADDRESS.format("br0"), ("bridge",)),
    "vlan": (IP + "$ip link set eth0 up; $ip link add link eth0 name lab type vlan id 9; $ip link set lab up; " + ADDRESS.format("lab"), ("8021q",)),
    "dhcp": ("ifconfig eth0 up; udhcpc -i eth0 -n -q -s /etc/lease", ("af_packet",)),
}


@contextlib.contextmanager
def trunk(vlan):
    """QEMU arguments of a card whose link carries frames of that VLAN only; behind it lies QEMU's user network.

    That network is a QEMU of its own without a machine, since frames are tagged and untagged in between."""
    def netdev(name, there, here):
        return f"dgram,id={name},local.type=inet,local.host=127.0.0.1,local.port={here},remote.type=inet,remote.host=127.0.0.1,remote.port={there}"

    def relay(source, to, change):
        with contextlib.suppress(OSError):  # closed
            while frame := source.recv(1 << 16):
                if frame := change(frame):
                    source.sendto(frame, ("127.0.0.1", to))

    def untagged(frame):
        kind, tag = struct.unpack_from("!HH", frame, 12)
        return frame[:12] + frame[16:] if kind == 0x8100 and tag & 0xFFF == vlan else None

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as back:
        for s in (out, back):
            s.bind(("127.0.0.1", 0))
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        guest, net = servers.free_port(), servers.free_port()
        user = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-M", "none", "-nodefaults", "-display", "none",
                                 "-netdev", "user,id=u", "-netdev", netdev("d", back.getsockname()[1], net),
                                 "-netdev", "hubport,id=h0,hubid=0,netdev=u", "-netdev", "hubport,id=h1,hubid=0,netdev=d"])
        for source, to, change in ((out, net, untagged), (back, guest, lambda f: f[:12] + struct.pack("!HH", 0x8100, vlan) + f[12:])):
            threading.Thread(target=relay, args=(source, to, change), daemon=True).start()
        try:
            yield ["-netdev", netdev("n0", out.getsockname()[1], guest), "-device", "virtio-net-pci,netdev=n0,mac=52:54:00:12:34:56"]
        finally:
            user.kill()
            user.wait()


@pytest.mark.parametrize("name", ["6.1", "6.12"])
@pytest.mark.parametrize("kind", list(NETS))
def test_a_kind_of_network(vm, kernels, understudy, tmp_path, record_property, name, kind):
    kernel = kernels[name]
    record_property("cell", f"kdump|ssh over {kind}|{kernel.release}|sysrq")
    with serving(servers.Ssh(tmp_path / "ssh")) as server, trunk(9) if kind == "vlan" else contextlib.nullcontext() as card:
        layout = layout_of(ssh(server))
        layout.card = card or layout.card
        layout.net_up, modules = NETS[kind]
        layout.modules += tuple(m for m in modules if kdump.known(kernel, m))
        lease = tmp_path / "lease"
        lease.write_text(LEASE)
        lease.chmod(0o755)
        layout.files = layout.files | lab.program(kdump.sbin("ip"), "/usr/sbin/ip") | {"/etc/lease": lease}
        machine = Machine(vm, kernel, understudy, tmp_path, layout)
        first = machine.crash()
        assert any("result saved" in line for line in kdump.told(first)), first.tail(80)
        check_arrived(server, understudy, kernel, tmp_path, flat=False)
