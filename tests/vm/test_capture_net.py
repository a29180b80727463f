# SPDX-License-Identifier: GPL-2.0-or-later
"""The capture program and the network: real servers on the host, which a guest sees as 10.0.2.2; recipes are written here."""

import json
import pathlib
import re
import shutil
import socket
import subprocess
import threading

import pytest

import servers
import vm as lab
from test_capture import RECIPE, Disk, capture_program, die, image, state_of  # noqa: F401 (a fixture)

MAC = "52:54:00:aa:bb:0c"
NET = f"net mac={MAC} address=10.0.2.15/24 gateway=10.0.2.2 name=eth0"
HOST = "10.0.2.2"
DRIVERS = ("virtio_pci", "virtio_net")


class Card:
    image = None
    qemu = ["-netdev", "user,id=n0,ipv6-net=fec0::/64,ipv6-host=fec0::2", "-device", f"virtio-net-pci,netdev=n0,mac={MAC}"]


def with_program(path, *more):
    """Files of the capture image: a program in /bin with its libraries, and what looks names up."""
    files = lab.program(path) | {"/etc/passwd": b"root:x:0:0:root:/:/bin/false\n", "/dev/null": lab.cpio.Node(1, 3),
                                 "/dev/urandom": lab.cpio.Node(1, 9),
                                 "/etc/nsswitch.conf": b"passwd: files\nhosts: files\n", "/etc/hosts": b"127.0.0.1 localhost\n"}
    for file in more:
        files[str(file)] = pathlib.Path(file)
    return files


@pytest.fixture
def start(tmp_path):
    running = []

    def begin(kind, **settings):
        server = kind(tmp_path / kind.__name__.lower(), **settings)
        try:
            server.start()
        except servers.Unavailable as e:
            pytest.skip(str(e))
        running.append(server)
        return server

    yield begin
    for server in running:
        server.stop()


def ssh_target(server, host=HOST):
    known = server.known_hosts(host)
    return (f"target kind=ssh text=ssh://lab path={server.store} host={host} port={server.port} user=root identity={server.identity} "
            f"known-hosts={known} budget=200 network=yes", with_program(shutil.which("ssh"), server.identity, known))




def check_saved(understudy, folder, kernel, r):
    crash, = [p for p in folder.iterdir() if re.fullmatch(r"\d{8}-\d{6}-" + re.escape(kernel.release), p.name)]
    assert {p.name for p in crash.iterdir()} == {"dump", "log.txt", "report.txt", "state.txt"}
    check_files(understudy, {p.name: p.read_bytes() for p in crash.iterdir()}, crash / "dump")
    assert "understudy: result saved" in r.console


def check_files(understudy, files, dump):
    assert b"last words of the lab" in files["log.txt"] and b"sysrq triggered crash" in files["report.txt"]
    state = state_of(files["state.txt"].decode())
    assert state["result"] == ["saved"] and "unreached" not in state, state
    out = subprocess.run([understudy, "verify", dump], capture_output=True, text=True)
    assert out.returncode == 0, out.stdout + out.stderr


@pytest.fixture(params=["6.1", "6.12"])
def kernel(request, kernels):
    return kernels[request.param]


def test_capture_to_ssh(vm, kernel, understudy, capture_program, start, tmp_path):
    server = start(servers.Ssh)
    target, extra = ssh_target(server)
    r = die(vm, kernel, understudy, image(capture_program, kernel, [RECIPE, NET, target], DRIVERS, extra), [Card],
            crashkernel="192M")
    check_saved(understudy, server.store, kernel, r)


def test_capture_over_ipv6(vm, kernels, understudy, capture_program, start):
    """The guest's fec0::2 is the host's ::1."""
    kernel, server = kernels["6.12"], start(servers.Ssh, v6=True)
    target, extra = ssh_target(server, "fec0::2")
    net = f"net mac={MAC} address=fec0::15/64 gateway=fec0::2 name=eth0"
    r = die(vm, kernel, understudy, image(capture_program, kernel, [RECIPE, net, target], DRIVERS, extra), [Card], crashkernel="192M")
    check_saved(understudy, server.store, kernel, r)


def test_capture_to_nfs(vm, kernel, understudy, capture_program, start, tmp_path):
    server = start(servers.Nfs)
    target = f"target kind=nfs text=nfs://lab path=machine/a host={HOST} port={server.port} share=/crash budget=200 network=yes"
    r = die(vm, kernel, understudy, image(capture_program, kernel, [RECIPE, NET, target], (*DRIVERS, "nfsv4")), [Card],
            crashkernel="192M")
    check_saved(understudy, server.store / "machine/a", kernel, r)
    assert f"{HOST}:/crash/machine/a/" in r.console


def http_program(understudy):
    path = understudy.parent / "understudy-http"
    if not path.exists():
        pytest.skip(f"{path} is not built")
    return path


def test_capture_to_http(vm, kernels, understudy, capture_program, start, tmp_path):
    """Told over the same network: cluster nodes and a webhook."""
    kernel, server = kernels["6.12"], start(servers.Http)
    target = f"target kind=http text=http://lab path=/crash/ host={HOST} port={server.port} budget=200 network=yes"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as node:
        node.bind(("127.0.0.1", 0))
        node.settimeout(300)
        heard = []
        threading.Thread(target=lambda: heard.append(node.recv(64)), daemon=True).start()
        recipe = f"{RECIPE} webhook=http://{HOST}:{server.port}/hook fence-nodes={HOST} fence-port={node.getsockname()[1]}"
        r = die(vm, kernel, understudy, image(capture_program, kernel, [recipe, NET, target], DRIVERS,
                                              with_program(http_program(understudy))), [Card], crashkernel="192M")
    check_saved(understudy, server.store / "crash", kernel, r)
    assert heard == [bytes.fromhex("402a301b01000000")]
    assert ("POST", "/hook") in [(m, p) for m, p, _ in server.requests]
    told = json.loads(server.posts[0])
    assert told["result"] == "saved" and told["host"] == "lab" and told["where"].startswith("http://lab/")


def test_capture_to_s3(vm, kernels, understudy, capture_program, start, tmp_path):
    kernel, server = kernels["6.1"], start(servers.S3)
    target = (f"target kind=s3 text=s3://crash/lab path=lab share=crash region=us-east-1 host={HOST} port={server.port} "
              f"credentials={server.credentials} budget=200 network=yes")
    extra = with_program(http_program(understudy), server.credentials)
    r = die(vm, kernel, understudy, image(capture_program, kernel, [RECIPE, NET, target], DRIVERS, extra), [Card], crashkernel="192M")
    assert "understudy: result saved s3://crash/lab/" in r.console
    folder, = {k.rsplit("/", 1)[0] for k in server.keys()}
    files = {k.rsplit("/", 1)[1]: server.object(k) for k in server.keys()}
    assert folder.startswith("lab/2") and set(files) == {"dump", "log.txt", "report.txt", "state.txt"}
    dump = tmp_path / "dump"
    dump.write_bytes(files["dump"])
    assert files["dump"].startswith(b"KDUMP")
    check_files(understudy, files, dump)


def test_the_second_target_takes_what_the_first_does_not(vm, kernels, understudy, capture_program, start, tmp_path):
    """A server that is down, then one that refuses the key, then the disk."""
    kernel, server, disk = kernels["6.12"], start(servers.Ssh), Disk(tmp_path, "crash")
    target, extra = ssh_target(server)
    refused = target.replace(f"identity={server.identity}", f"identity={server.other_identity}").replace("ssh://lab", "ssh://refused")
    down = target.replace(f"port={server.port}", f"port={servers.free_port()}").replace("ssh://lab", "ssh://down")
    extra[str(server.other_identity)] = server.other_identity
    recipe = [RECIPE, f"device name=d0 kind=found {disk.ext4()}", NET, down, refused,
              "target kind=dir text=/var/crash path=/crash device=d0 fs=ext4 budget=200"]
    r = die(vm, kernel, understudy, image(capture_program, kernel, recipe, (*DRIVERS, "virtio_blk", "ext4"), extra), [disk, Card],
            crashkernel="192M")
    assert "understudy: result saved /var/crash/" in r.console
    assert "ssh://down: nothing listens" in r.console and "ssh://refused: the key is refused" in r.console
