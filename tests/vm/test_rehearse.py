# SPDX-License-Identifier: GPL-2.0-or-later
"""understudy rehearse, run here as a made machine (a Debian kernel, its modules, one disk): QEMU is started by the program
itself, and this machine is asked for nothing but to run it.
"""
import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import sys

import jsonschema
import pytest

import vm as lab

CLI = lab.TOP / "tests/cli"
sys.path[:0] = [str(CLI), str(lab.TOP / "tests/fixtures/hosts")]

import hosts  # noqa: E402
import kdump  # noqa: E402
import machines  # noqa: E402
import stacked  # noqa: E402

SECONDS = 900


def nvme_xfs(root):
    """In place of the virtio disk with ext4: an NVMe disk with xfs."""
    shutil.rmtree(root / "sys/devices/pci0000:00/0000:00:04.0")
    for path in ("sys/dev/block/254:1", "sys/class/block/vda1"):
        (root / path).unlink()
    stacked.nvme_disk(root)
    data = bytearray(64 * 1024)
    data[:4] = b"XFSB"
    data[32:48] = bytes(range(16, 32))
    (root / "dev/vda1").unlink()
    (root / "dev/nvme0n1").write_bytes(data)
    machines.text(root, "proc/self/mountinfo", "21 1 259:0 / / rw,relatime shared:1 - xfs /dev/nvme0n1 rw\n")


@pytest.fixture
def machine(tmp_path, kernels):
    """machine("6.1", reserve=128, change=nvme_xfs): the folder of a made machine that runs this kernel."""
    def make(name, reserve=128, change=None, config=""):
        kernel = kernels[name]
        tree = tmp_path / "kernel"
        (tree / "boot").mkdir(parents=True)
        (tree / "lib").mkdir()
        (tree / "boot/vmlinuz").symlink_to(pathlib.Path(kernel.vmlinuz).resolve())
        (tree / "config").symlink_to(pathlib.Path(kernel.config).resolve())
        (tree / "lib/modules").symlink_to((kernel.root / "lib/modules").resolve())
        root = machines.arm_host(tmp_path / "machine", tree, hosts.put("proc/sys/kernel/osrelease", f"{kernel.release}\n"),
                                 base="vm-6.1", reserve=reserve, release=kernel.release, config=config)
        if change:
            change(root)
        return root
    return make


@pytest.fixture
def rehearse(understudy, tmp_path):
    """rehearse(root, option...): (exit status, JSON)."""
    if not (understudy.parent / "understudy-capture").exists():
        pytest.skip("understudy-capture is not built")

    def run(root, *words):
        with lab.slot():
            done = subprocess.run([understudy, "rehearse", "--json", "--host", root, *map(str, words)], capture_output=True, text=True,
                                  timeout=SECONDS, env=os.environ | {"TMPDIR": str(tmp_path)})
        said = json.loads(done.stdout or done.stderr)
        schema = "error" if said["schema"] == "understudy.error/1" else "rehearse"
        jsonschema.validate(said, json.loads((CLI / f"schema/{schema}.json").read_text()))
        assert not list(tmp_path.glob("understudy-rehearse-*")), "it leaves its folder behind"
        return done.returncode, said
    return run


def noted(root):
    return (root / "var/lib/understudy/rehearsals").read_text().splitlines()


def test_the_very_image_saves_a_dump_of_this_kernel(machine, rehearse, understudy, tmp_path):
    root = machine("6.1")
    status, said = rehearse(root, "--keep", tmp_path / "kept", "--html", tmp_path / "page.html")
    run, = said["runs"]
    assert status == 0 and run["passed"] and run["exact"], run
    assert run["panic"] == "sysrq triggered crash" and run["dump_pages"] > 10000
    assert any("this very capture image" in w for w in run["proved"]) and any("firmware" in w for w in run["not_proved"])
    assert [s["name"] for s in run["stages"]][:2] == ["capture kernel starts", "begin"] and len(run["memory"]) > 5
    assert run["reserve_bytes"] == 128 << 20 and 0 < run["least_available"] < run["memory_total"] < run["reserve_bytes"]
    assert run["peak"] == run["reserve_bytes"] - run["least_available"]
    kept = {p.name for p in (tmp_path / "kept").iterdir()}
    assert {"dump", "disk.img", "crash.console", "look.console"} <= kept and not kept & {"first.cpio", "look.cpio", "out.img"}
    assert subprocess.run([understudy, "verify", tmp_path / "kept/dump"], capture_output=True).returncode == 0
    assert "Crash by sysrq: passed" in (tmp_path / "page.html").read_text()
    words = noted(root)[-1].split()
    assert words[4] == "1" and words[5] == str(128 << 20) and words[6] == str(run["least_available"])


def test_a_null_pointer_on_nvme_with_xfs(machine, rehearse):
    status, said = rehearse(machine("6.12", change=nvme_xfs), "--kind", "null")
    run, = said["runs"]
    assert status == 0 and run["passed"], run
    assert "NULL pointer" in run["panic"] or "Fatal exception" in run["panic"]
    assert any("this very capture image" in w for w in run["proved"])


def test_a_reservation_that_is_too_small_fails_with_its_stage(machine, rehearse):
    root = machine("6.1")
    status, said = rehearse(root, "--reserve", "40M", "--timeout", "240")
    run, = said["runs"]
    assert status == 1 and not run["passed"] and run["failed_at"] and run["console"]
    assert noted(root)[-1].split()[4] == "0"


def whole(run, *words):
    """It passed with the very image, and what is proved names these."""
    assert run["passed"] and run["exact"], run
    assert any("this very capture image" in w for w in run["proved"]) and not any("stands for it" in w for w in run["not_proved"]), run
    for word in words:
        assert any(word in w for w in run["proved"]), run


def test_the_very_image_on_a_logical_volume_over_two_disks(machine, rehearse, tmp_path):
    status, said = rehearse(machine("6.12", change=stacked.lvm), "--keep", tmp_path / "kept")
    run, = said["runs"]
    assert status == 0
    whole(run, "its disks are found, assembled to LVM")
    kept = {p.name for p in (tmp_path / "kept").iterdir()}
    assert {"disk.img", "disk2.img", "dump", "make.console"} <= kept and not kept & {"fill.img", "make.cpio", "piece.img"}


def cell(record_property, kernel, target):
    record_property("cell", f"rehearsal of targets|{kernel.release}|{kernel.release}|{target}")


@pytest.mark.matrix
def test_a_striped_volume_over_two_kinds_of_disks(machine, rehearse, kernels, record_property):
    cell(record_property, kernels["6.1"], "LVM striped")
    status, said = rehearse(machine("6.1", change=lambda root: stacked.lvm(root, striped=True, nvme=True)))
    run, = said["runs"]
    assert status == 0
    whole(run, "assembled to LVM")
    assert any("the disks' other controllers: all scratch disks are behind one that" in w for w in run["not_proved"])


@pytest.mark.matrix
def test_a_thin_volume(machine, rehearse, kernels, record_property):
    cell(record_property, kernels["6.12"], "LVM thin")
    status, said = rehearse(machine("6.12", change=stacked.thin))
    assert status == 0
    whole(*said["runs"], "assembled to LVM")


@pytest.mark.matrix
@pytest.mark.parametrize("level", ["raid1", "raid0", "raid10"])
def test_an_array(machine, rehearse, kernels, record_property, level):
    cell(record_property, kernels["6.12"], f"md {level}")
    status, said = rehearse(machine("6.12", change=lambda root: stacked.md(root, level)))
    assert status == 0
    whole(*said["runs"], "assembled to md")


@pytest.mark.matrix
def test_an_encrypted_volume_with_a_scratch_key(machine, rehearse, kernels, record_property):
    cell(record_property, kernels["keys"], "LUKS")
    status, said = rehearse(machine("keys", change=stacked.luks))
    run, = said["runs"]
    assert status == 0
    whole(run, "assembled to LUKS")
    assert any("key: one of the same name" in w for w in run["not_proved"])


@pytest.mark.matrix
@pytest.mark.parametrize("name,below,node,number", [("keys", stacked.luks, "dm-0", "253:0"), ("6.12", stacked.md, "md0", "9:0")], ids=["LUKS", "md"])
def test_lvm_on_what_is_assembled_itself(machine, rehearse, kernels, record_property, request, name, below, node, number):
    what = request.node.callspec.id
    cell(record_property, kernels[name], f"LVM on {what}")
    status, said = rehearse(machine(name, change=lambda root: stacked.lvm_on(root, below, node, number)))
    assert status == 0
    whole(*said["runs"], f"assembled to {what} and LVM")


def subvolume(root):
    data = bytearray(128 * 1024)
    data[65536 + 64:65536 + 72] = b"_BHRfS_M"
    data[65536 + 32:65536 + 48] = bytes(range(16))
    (root / "dev/vda1").write_bytes(data)
    machines.text(root, "proc/self/mountinfo", "21 1 254:1 /@ / rw shared:1 - btrfs /dev/vda1 rw,subvolid=256,subvol=/@\n")


@pytest.mark.matrix
def test_a_subvolume(machine, rehearse, kernels, record_property):
    cell(record_property, kernels["6.12"], "btrfs subvolume")
    status, said = rehearse(machine("6.12", change=subvolume))
    assert status == 0
    whole(*said["runs"])


# what is in the configuration, what is said of it, and whether the image trusts something else than the real one does
SERVERS = {
    "SSH": ("ssh://crash@192.0.2.7:2222/srv/crash", "is reached by SSH", "an address and keys"),
    "NFS": ("nfs://192.0.2.7/srv/crash//machine", "is mounted by NFS", "an address"),
    "HTTP": ("http://192.0.2.7/crash/", "is reached by HTTP", "an address"),
    "HTTPS": ("https://192.0.2.7:8443/crash/ ca=/etc/understudy/ca.pem credentials=/etc/understudy/web", "is reached by HTTP",
              "an address and a certificate"),
    "S3": ("s3://dumps/machine endpoint=https://192.0.2.7 ca=/etc/understudy/ca.pem credentials=/etc/understudy/s3", "takes the signatures",
           "an address and a certificate"),
}


def far_end(machine, rehearse, understudy, tmp_path, kernels, record_property, name, kind):
    """The far server is played by a program of this machine on a folder of the rehearsal; the keys of the configuration are not its."""
    if kind == "SSH" and not shutil.which("sshd", path="/usr/sbin:/sbin:/usr/bin"):
        pytest.skip("no sshd is here")
    if kind == "NFS" and not (shutil.which("ganesha.nfsd") and os.geteuid() == 0):
        pytest.skip("no nfs-ganesha, or no root")
    if kind == "NFS" and subprocess.run(["unshare", "-n", "-m", "true"], capture_output=True).returncode:
        pytest.skip("no namespaces can be made here")
    if not stacked.own_interface():
        pytest.skip("no network is here")
    cell(record_property, kernels[name], kind)
    with contextlib.suppress(PermissionError, FileExistsError):
        pathlib.Path("/run/sshd").mkdir(mode=0o755)
    target, reached, laid = SERVERS[kind]

    def far(root):
        stacked.far(root)
        (root / "bin").mkdir()
        shutil.copy(understudy.parent / "understudy-http", root / "bin")
    root = machine(name, reserve=192, change=far, config=f"target = {target}\n")
    status, said = rehearse(root, "--keep", tmp_path / "kept")
    assert status == 0, said
    run, = said["runs"]
    assert run["passed"] and not run["exact"], run
    assert any(f"this very capture image, with {laid} of the rehearsal" in w for w in run["proved"]), run
    assert any(reached in w for w in run["proved"]) and any(f"the way to the server of {target.split()[0]}" in w for w in run["not_proved"]), run
    assert {p.name for p in (tmp_path / "kept").iterdir()} == {"dump", "crash.console", "crash.answers", "crash.qemu", "look.answers"}
    assert subprocess.run([understudy, "verify", tmp_path / "kept/dump"], capture_output=True).returncode == 0


@pytest.mark.parametrize("name, kind", [("6.12", "NFS"), ("6.1", "S3")])
def test_a_server_of_this_machine(machine, rehearse, understudy, tmp_path, kernels, record_property, name, kind):
    far_end(machine, rehearse, understudy, tmp_path, kernels, record_property, name, kind)


@pytest.mark.matrix
@pytest.mark.parametrize("name", ["6.1", "6.12"])
@pytest.mark.parametrize("kind", list(SERVERS))
def test_each_server_of_this_machine(machine, rehearse, understudy, tmp_path, kernels, record_property, name, kind):
    far_end(machine, rehearse, understudy, tmp_path, kernels, record_property, name, kind)


@pytest.mark.matrix
def test_ssh_without_a_server_is_played_by_a_plain_disk(machine, rehearse, tmp_path):
    if not stacked.own_interface():
        pytest.skip("no network is here")
    root = machine("6.1", reserve=192, change=stacked.far, config="target = ssh://crash@192.0.2.7:2222/srv/crash\n")
    status, said = rehearse(root, "--keep", tmp_path / "kept here")
    run, = said["runs"]
    assert status == 0 and run["passed"] and not run["exact"], run
    assert any("no server can be had here: QEMU cannot be told \"" in w for w in run["not_proved"]), run
    assert (tmp_path / "kept here/disk.img").exists()


def test_what_cannot_be_made_is_played_by_a_plain_disk(machine, rehearse):
    """An array whose superblocks the kernel does not take: another image is made, and that is said."""
    def damaged(root):
        stacked.md(root)
        for name in ("vda1", "vdb"):
            with open(root / "dev" / name, "r+b") as f:
                f.seek(4096 + 216)
                f.write(b"\0\0\0\0")
    status, said = rehearse(machine("6.12", change=damaged))
    run, = said["runs"]
    assert status == 0 and run["passed"], run
    assert not run["exact"] and any("a capture image like this" in w for w in run["proved"])
    assert any("(md; " in w and "a plain disk with ext4 stands for it" in w for w in run["not_proved"]), run


def raw_partition(root):
    """vda1 has our mark at its end and no file system; the target is the partition itself."""
    size = 8386560 * 512
    with open(root / "dev/vda1", "wb") as f:
        f.truncate(size)
        f.seek(size - 4096)
        f.write(b"UNDERSTUDY-RAW\0\0" + bytes(range(32, 80)))


@pytest.mark.matrix
def test_a_raw_partition(machine, rehearse):
    status, said = rehearse(machine("6.1", change=raw_partition, config="target = raw:/dev/vda1\n"))
    run, = said["runs"]
    assert status == 0 and run["passed"] and run["exact"] and run["dump_bytes"] > 1 << 20 and run["memory"], run


@pytest.mark.matrix
@pytest.mark.parametrize("kind", ["sysrq", "null", "lockup", "oom"])
@pytest.mark.parametrize("name", ["6.1", "6.12", "newest"])
def test_each_kind_on_each_kernel(machine, rehearse, kernels, record_property, name, kind):
    release = kernels[name].release
    record_property("cell", f"rehearsal|{release}|{release}|{kind}")
    status, said = rehearse(machine(name, reserve=192), "--kind", kind)
    run, = said["runs"]
    assert status == 0 and run["passed"], run


@pytest.mark.matrix
def test_the_least_reservation_is_found(machine, rehearse):
    status, said = rehearse(machine("6.1"), "--find-size")
    run, = said["runs"]
    assert status == 0 and run["passed"], run
    assert said["least_bytes"] == run["reserve_bytes"] and said["least_bytes"] % (4 << 20) == 0
    assert (40 << 20) < said["least_bytes"] < (128 << 20) <= (1 << 30) and said["recommended_bytes"] >= said["least_bytes"] + (4 << 20)


def test_without_qemu_it_says_what_to_install(machine, rehearse):
    status, said = rehearse(machine("6.1"), "--qemu", "qemu-that-is-not-there")
    assert status == 3 and said["code"] == "not-found" and "Debian: qemu-system-x86" in said["text"]


@pytest.mark.matrix
@pytest.mark.parametrize("layout", [kdump.md, kdump.lvm], ids=["md", "LVM"])
def test_metadata_that_the_tools_wrote(machine, rehearse, kernels, vm, understudy, tmp_path, layout):
    """mdadm and lvm make the target in a machine that is then switched off; the made machine has its disks, and what it said of them."""
    (tmp_path / "disks").mkdir()
    real = kdump.Machine(vm, kernels["6.12"], understudy, tmp_path / "disks", layout(), reserve=None)
    facts = "cd /sys/class/block; cat md0/size dm-0/size dm-0/dm/uuid 2>/dev/null; /usr/sbin/dmsetup table 2>/dev/null"
    real.layout.programs += ("dmsetup",)
    r = real.boot([*real.bring_up(True), ("facts", facts), ("write", "echo words > /var/crash/file; sync; echo b > /proc/sysrq-trigger", 60)])
    assert r.step("mount").rc == 0, r.step("setup").err
    said = r.step("facts").out.split("\n")

    def change(root):
        ext4 = (root / "dev/vda1").read_bytes()
        if layout is kdump.md:
            stacked.md(root)
            machines.text(root, f"{stacked.VIRTUAL}/md0/size", said[0] + "\n")
        else:
            stacked.lvm(root)
            machines.text(root, f"{stacked.VIRTUAL}/dm-0/size", said[0] + "\n")
            machines.text(root, f"{stacked.VIRTUAL}/dm-0/dm/uuid", said[1] + "\n")
            machines.text(root, "dev/mapper/tables/253:0", "\n".join(said[2:]).replace("254:0", "254:1").replace("vg0-dump: ", ""))
        (root / "dev/md0" if layout is kdump.md else root / "dev/dm-0").write_bytes(ext4)
        for name, path, disk in zip(("vda1", "vdb"), (stacked.FIRST, stacked.SECOND), real.layout.disks):
            machines.text(root, f"{path}/size", f"{disk.bytes // 512}\n")
            (root / "dev" / name).unlink()
            (root / "dev" / name).symlink_to(disk.image)
    status, out = rehearse(machine("6.12", change=change))
    assert status == 0, out
    whole(*out["runs"])
