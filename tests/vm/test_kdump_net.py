# SPDX-License-Identifier: GPL-2.0-or-later
"""kdump end to end to real servers on the host: `understudy arm` finds the way, packs the programs and keys, and proves the target."""

import re
import shutil

import kdump
import servers
import vm as lab
from test_capture_net import HOST, check_files, start  # noqa: F401 (a fixture)

PASSWD = {"/etc/passwd": b"root:x:0:0:root:/:/bin/sh\n", "/etc/nsswitch.conf": b"passwd: files\nhosts: files\n",
          "/etc/hosts": b"127.0.0.1 localhost\n10.0.2.2 dumps.lab\n"}


def machine(vm, kernel, understudy, tmp_path, target, files, modules=()):
    layout = kdump.Layout([], "true", conf=f"target = {target}\n", net=True, modules=("virtio_net", *modules), files={**PASSWD, **files})
    return kdump.Machine(vm, kernel, understudy, tmp_path, layout)


def arrived(understudy, folder, kernel):
    crash, = [p for p in folder.iterdir() if re.fullmatch(r"\d{8}-\d{6}-" + re.escape(kernel.release), p.name)]
    check_files(understudy, {p.name: p.read_bytes() for p in crash.iterdir()}, crash / "dump")
    kdump.check_dump(understudy, crash / "dump", kernel)


def ssh_files(identity, known):
    """The client, and the keys where they are looked for (a guest's /tmp is its own)."""
    return lab.program(shutil.which("ssh"), "/usr/bin/ssh") | {"/etc/understudy/id_ed25519": identity, "/etc/understudy/known_hosts": known}


def test_arm_and_dump_to_ssh(vm, kernels, understudy, tmp_path, start):
    """By a name that /etc/hosts has; the capture kernel gets it along."""
    kernel, server = kernels["6.1"], start(servers.Ssh)
    known = server.known_hosts("dumps.lab")
    m = machine(vm, kernel, understudy, tmp_path, f"ssh://root@dumps.lab:{server.port}{server.store}", ssh_files(server.identity, known))
    r = m.crash()
    arrived(understudy, server.store, kernel)
    assert any("result saved root@dumps.lab:" in line for line in kdump.told(r)), r.tail()


def test_arm_and_dump_to_s3(vm, kernels, understudy, tmp_path, start):
    kernel, server = kernels["6.12"], start(servers.S3)
    m = machine(vm, kernel, understudy, tmp_path, server.target(HOST, "/etc/understudy/keys"), {"/etc/understudy/keys": server.credentials})
    r = m.crash()
    assert any("result saved s3://crash/machine/" in line for line in kdump.told(r)), r.tail()
    files = {k.rsplit("/", 1)[1]: server.object(k) for k in server.keys()}
    dump = tmp_path / "dump"
    dump.write_bytes(files["dump"])
    check_files(understudy, files, dump)
    kdump.check_dump(understudy, dump, kernel)


def test_arm_and_dump_to_nfs(vm, kernels, understudy, tmp_path, start):
    kernel, server = kernels["6.12"], start(servers.Nfs)
    m = machine(vm, kernel, understudy, tmp_path, server.target(HOST), {}, modules=("nfsv4",))
    r = m.crash()
    arrived(understudy, server.store / "machine", kernel)
    assert any(f"result saved {HOST}:/crash/machine/" in line for line in kdump.told(r)), r.tail()
