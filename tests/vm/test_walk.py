# SPDX-License-Identifier: GPL-2.0-or-later
"""Arming on a machine with one target of each kind of disk: what the walk finds, and what the capture image holds."""

import json
import re
import subprocess

import kdump
import pytest

SETUP = """
lvm="/usr/sbin/lvm"; mke2fs="/usr/sbin/mke2fs -q -F -t ext4"; set -e
$lvm pvcreate --nolocking -ff -y /dev/vdb /dev/vdc; $lvm vgcreate --nolocking vg0 /dev/vdb /dev/vdc
$lvm lvcreate --nolocking -y -Wn -n dump -L 300M vg0
/usr/sbin/mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --metadata=1.2 --assume-clean /dev/vdd /dev/vde
for d in /sys/block/sd*; do case $(readlink -f $d) in */ata*) ahci=/dev/${d##*/};; *) scsi=/dev/${d##*/};; esac; done
echo -n secret > /tmp/key
/usr/sbin/cryptsetup --batch-mode -q luksFormat --type luks2 --pbkdf pbkdf2 --pbkdf-force-iterations 1000 $scsi /tmp/key
/usr/sbin/cryptsetup open --key-file /tmp/key $scsi cdump
for d in mapper/vg0-dump md0 mapper/cdump; do $mke2fs /dev/$d; done
mkdir -p /t/ext4 /t/lvm /t/md /t/luks /t/xfs /t/btrfs
mount -t ext4 /dev/vda /t/ext4; mount -t ext4 /dev/mapper/vg0-dump /t/lvm; mount -t ext4 /dev/md0 /t/md
mount -t ext4 /dev/mapper/cdump /t/luks; mount -t xfs /dev/nvme0n1 /t/xfs; mount -t btrfs $ahci /t/btrfs
"""
ARMED = "/var/lib/understudy/armed/initrd"
MODULES = ("virtio_blk", "nvme", "virtio_scsi", "ahci", "sd_mod", "dm_mod", "dm_crypt", "aesni_intel", "xts", "af_alg",
           "algif_skcipher", "algif_hash", "sha256_ssse3", "md_mod", "raid1", "ext4", "xfs", "btrfs")


def layout():
    disk = lambda name, how="virtio", make=(): kdump.Disk(name, how, 400 << 20, make)  # noqa: E731
    disks = [disk("plain", make=("mke2fs", "-q", "-F", "-t", "ext4")), disk("pv0"), disk("pv1"), disk("m0"), disk("m1"),
             disk("x", "nvme", ("mkfs.xfs", "-q", "-f")), disk("enc", "scsi"), disk("b", "ahci", ("mkfs.btrfs", "-q", "-f"))]
    files = {"/etc/lvm/lvm.conf": kdump.LVM_CONF, "/run/lvm/.x": b"", "/run/mdadm/.x": b"", "/run/cryptsetup/.x": b""}
    conf = "".join(f"target = /t/{t}/crash\n" for t in ("ext4", "lvm", "md", "luks", "xfs", "btrfs"))
    return kdump.Layout(disks, "true", setup=SETUP, programs=("lvm", "mdadm", "cryptsetup", "mke2fs"), modules=MODULES,
                        files=files, conf=conf)


def unpacked(image, folder):
    """{name: bytes} of a capture image."""
    raw = subprocess.run(["zstd", "-dcq", image], stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["cpio", "-idm", "--quiet", "--no-absolute-filenames"], input=raw, cwd=folder, stderr=subprocess.DEVNULL)
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def statements(recipe, kind):
    """The statements of a recipe that begin with kind: {word: [values]}."""
    found = []
    for line in recipe.splitlines():
        if line.startswith(f"{kind} "):
            words = {}
            for name, quoted, plain in re.findall(r'([a-z-]+)=(?:"([^"]*)"|(\S*))', line):
                words.setdefault(name, []).append(quoted or plain)
            found.append(words)
    return found


def below(devices, name):
    """A device's line of descent: its kind, and those of what it lies on."""
    d = next(d for d in devices if d["name"] == [name])
    names = d.get("member", []) + re.findall(r"\$\{([^}]*)\}", " ".join(d.get("table", [])))
    return d["kind"][0], sorted(below(devices, n)[0] for n in dict.fromkeys(names))


@pytest.mark.parametrize("name", ["6.1", "6.12"])
def test_walk_of_every_kind_of_disk(vm, kernels, understudy, tmp_path, name):
    kernel = kernels[name]
    machine = kdump.Machine(vm, kernel, understudy, tmp_path, layout(), reserve="192M")
    image = tmp_path / "image"
    moved = "umount /t/ext4 /t/lvm; understudy status"
    steps = [*machine.bring_up(True), ("arm", "understudy arm --json", 240), ("again", "understudy arm --dry-run", 120),
             ("send", f"send image < {ARMED}", 60), ("moved", moved, 60)]
    r = machine.boot(steps, outputs={"image": image})
    assert r.step("setup").rc == 0, r.step("setup").out + r.step("setup").err
    arm = r.step("arm")
    assert arm.rc == 0, arm.out + arm.err
    problems = {t["target"]: t.get("problem") for t in json.loads(arm.out)["targets"]}
    assert "crash_dm_crypt_keys" in problems.pop("/t/luks/crash")
    assert set(problems.values()) == {None}, problems

    (tmp_path / "root").mkdir()
    files = unpacked(image, tmp_path / "root")
    recipe = files["recipe"].decode()
    modules = [m["file"][0] for m in statements(recipe, "module")]
    assert modules == list(dict.fromkeys(modules))
    assert all(m.lstrip("/") in files for m in modules), (modules, list(files))
    for driver, user in (("virtio_blk", "ext4"), ("crc32c_generic", "ext4"), ("nvme", "xfs"), ("ahci", "btrfs"), ("scsi_mod", "sd_mod"),
                         ("md_mod", "raid1")):
        assert modules.index(f"/m/{driver}.ko") < modules.index(f"/m/{user}.ko"), modules
    assert not {"/m/dm_crypt.ko", "/m/virtio_scsi.ko", "/m/virtio_net.ko"} & set(modules), "only what a usable target needs"
    devices = statements(recipe, "device")
    targets = {t["text"][0]: t for t in statements(recipe, "target")}
    assert {t: below(devices, targets[t]["device"][0]) for t in targets} == {
        "/t/ext4/crash": ("found", []), "/t/lvm/crash": ("dm", ["found"]), "/t/md/crash": ("md", ["found", "found"]),
        "/t/xfs/crash": ("found", []), "/t/btrfs/crash": ("found", [])}
    assert {t["path"][0] for t in targets.values()} == {"/crash"}
    assert all(len(d["mark"]) >= 2 for d in devices)
    assert [d["lvm-hash"] for d in devices if d["kind"] == ["dm"]]
    assert "directory on /dev/mapper/vg0-dump, path /crash" in files["manifest"].decode()
    assert re.search(r"table 0 \d+ linear \(LVM physical volume \S+\) \d+", files["manifest"].decode()), files["manifest"]
    moved = r.step("moved").out + r.step("moved").err
    assert "ext file system" in moved and "/dev/mapper/vg0-dump is no longer" in moved, moved
