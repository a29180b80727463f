# SPDX-License-Identifier: GPL-2.0-or-later
"""kdump over the network: the guest's capture kernel brings its dump to a real server on the host (10.0.2.2 in QEMU's
user network is the host's 127.0.0.1), and goes on to the next target where a server is gone or refuses it."""

import contextlib
import re

import pytest

import kdump
import servers
import vm as lab
from kdump import Layout, Machine

HOST = "10.0.2.2"
KEY, KNOWN, SECRET = "/etc/understudy/id_ed25519", "/etc/understudy/known_hosts", "/etc/understudy/s3"
NAME = "dumps.lab"  # the same by name: the capture kernel asks no name server, and gets it along
HOSTS = {"/etc/hosts": f"127.0.0.1 localhost\n{HOST} {NAME}\n".encode()}
RESERVE = "256M"


@contextlib.contextmanager
def serving(server):
    """The server runs; what this machine lacks for it is a skip with the reason."""
    try:
        server.start()
    except servers.Unavailable as e:
        pytest.skip(str(e))
    try:
        yield server
    finally:
        server.stop()


def ssh(server):
    return (f"target = {server.target(NAME, KEY, KNOWN)}\n",
            {**lab.program("/usr/bin/ssh"), **HOSTS, KEY: server.identity, KNOWN: server.known_hosts(NAME)}, ())


def nfs(server):
    return f"target = {server.target(HOST)}\n", {}, ("nfsv4",)


def http(server):
    return f"target = {server.target(HOST)}\n", {}, ()


def s3(server):
    return f"target = {server.target(HOST, SECRET)}\n", {SECRET: server.credentials}, ()


def stored(server, name):
    """The file of that name of the only crash that has come."""
    if isinstance(server, servers.S3):
        keys = [k for k in server.keys() if k.endswith(f"/{name}")]
        return [server.object(k) for k in keys]
    return [p.read_bytes() for p in server.store.rglob(name)]


def layout_of(*parts, disk=None):
    """A layout of the targets in order; disk: one that lies below /var/crash."""
    layout = disk or Layout([], "")
    layout.net = True
    layout.modules = (*layout.modules, *(m for _, _, modules in parts for m in modules))
    layout.conf = "".join(conf for conf, _, _ in parts) + (layout.conf if disk else "")
    for _, files, _ in parts:
        layout.files = layout.files | files
    return layout


def check_arrived(server, understudy, kernel, tmp_path, flat, panic="sysrq triggered crash", top="sysrq_handle_crash|panic"):
    log, = stored(server, "log.txt")
    assert b"last words of the lab" in log and re.search(panic, log.decode())
    report, = stored(server, "report.txt")
    assert re.search(panic, report.decode())
    state, = stored(server, "state.txt")
    assert b"\nresult=saved" in b"\n" + state, state.decode()
    dump, = stored(server, "dump")
    core = tmp_path / "dump"
    core.write_bytes(dump)
    if flat:  # a stream: drgn wants it the other way
        kdump.run(understudy, "verify", core)
        again = tmp_path / "dump.again"
        kdump.run(understudy, "dump", core, again)
        core.unlink()
        core = again
    kdump.check_dump(understudy, core, kernel, panic, top)
    core.unlink()


KINDS = {"ssh": (servers.Ssh, ssh), "nfs": (servers.Nfs, nfs), "http": (servers.Http, http), "s3": (servers.S3, s3)}


def story(vm, kernel, understudy, tmp_path, kind, death=None, **how):
    make, part = KINDS[kind]
    with serving(make(tmp_path / kind)) as server:
        machine = Machine(vm, kernel, understudy, tmp_path, layout_of(part(server)), reserve=RESERVE)
        first = machine.crash(**(death or {}))
        assert any("result saved" in line for line in kdump.told(first)), first.tail(80)
        check_arrived(server, understudy, kernel, tmp_path, flat=kind == "http", **how)


@pytest.mark.parametrize("kind, name", [("ssh", "6.1"), ("nfs", "6.12"), ("http", "6.12"), ("s3", "6.1")])
def test_a_server(vm, kernels, understudy, tmp_path, kind, name):
    story(vm, kernels[name], understudy, tmp_path, kind)


@pytest.mark.matrix
@pytest.mark.parametrize("name", ["6.1", "6.12", "6.12-cloud", "6.12-rt"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_each_kernel_with_each_server(vm, kernels, understudy, tmp_path, record_property, name, kind):
    record_property("cell", f"kdump|{kind}|{kernels[name].release}|sysrq")
    story(vm, kernels[name], understudy, tmp_path, kind)


def fall_back(vm, kernel, understudy, tmp_path, parts, lose, files=None):
    """Armed while all servers are well; `lose` makes them what they are when the crash comes. The disk is last."""
    layout = layout_of(*parts, disk=kdump.plain())
    layout.files = layout.files | (files or {})
    machine = Machine(vm, kernel, understudy, tmp_path, layout, reserve=RESERVE)
    first = machine.crash(before=[("lost", "sleep 3")], monitor={"lost": [lambda _: lose()]})
    core = tmp_path / "dump"
    second = machine.look(dump=core, steps=[("state", "cat $(ls -d /var/crash/2*/state.txt | tail -1)")])
    kdump.check_dump(understudy, core, kernel)
    core.unlink()
    return first, second, second.step("state").out


def test_a_server_is_gone_and_another_refuses_the_key(vm, kernels, understudy, tmp_path):
    """Both were fine when the machine was armed. The disk, which is last, gets log and dump; all places tell why."""
    with serving(servers.Http(tmp_path / "http")) as gone, serving(servers.Ssh(tmp_path / "ssh")) as refusing:
        def lose():
            gone.stop()
            (refusing.folder / "authorized").write_text(refusing.other_identity.with_suffix(".pub").read_text())

        first, second, state = fall_back(vm, kernels["6.1"], understudy, tmp_path, [http(gone), ssh(refusing)], lose)
        assert not stored(gone, "dump*") and not stored(refusing, "dump*")
    unreached = [line for line in state.splitlines() if line.startswith("unreached=")]
    assert len(unreached) == 2, state
    assert "http://" in unreached[0] and "the key is refused" in unreached[1], unreached
    assert "result=saved" in state and "where=/var/crash" in state, state
    for words in ("http://", "the key is refused"):
        assert any(words in line for line in kdump.told(first)), first.tail(60)
    assert "sysrq triggered crash" in second.step("status").out, second.step("status").out


@pytest.mark.matrix
def test_a_server_is_full(vm, kernels, understudy, tmp_path):
    """It takes the log and has no room for the dump: that goes to the next one."""
    with serving(servers.Http(tmp_path / "http", room=3 << 20)) as full:
        first, second, state = fall_back(vm, kernels["6.12"], understudy, tmp_path, [http(full)], lambda: None)
        log, = stored(full, "log.txt")
        assert b"last words of the lab" in log and not stored(full, "dump")
    assert "failed=" in state and "result=saved" in state, state
