# SPDX-License-Identifier: GPL-2.0-or-later
"""understudy.conf and targets: the sample file, what is refused and in which words, targets judged on a made machine."""
import json
import os
import re
from pathlib import Path

import jsonschema
import pytest

TOP = Path(__file__).resolve().parent.parent.parent
MAN = TOP / "docs/man"


@pytest.fixture
def targets(understudy, tmp_path):
    """targets(words..., config=lines): runs the command with this configuration."""
    def run(*words, config="", **more):
        (tmp_path / "test.conf").write_text(config.replace("{}", str(tmp_path)))
        return understudy("targets", "--config", "test.conf", *words, cwd=tmp_path, **more)
    run.folder = tmp_path
    return run


def as_json(r):
    document = r.json
    jsonschema.validate(document, json.loads((Path(__file__).parent / "schema/targets.json").read_text()))
    assert document["exit"] == r.status
    return document


@pytest.fixture
def sample(understudy):
    return understudy("--dump-config-sample").out


def test_the_sample_is_all_comments_and_a_configuration(targets, sample):
    assert all(not line or line.startswith("#") for line in sample.splitlines())
    assert max(map(len, sample.splitlines())) <= 80
    assert targets("--need-network", config=sample).status == 1


def test_the_sample_says_each_default_as_a_line_that_is_taken(targets, sample):
    lines = re.findall(r"^#([a-z-]+) = (.*)$", sample, re.M)
    assert len(lines) >= 25 and len({key for key, _ in lines}) == len(lines)
    for key, value in lines:
        if not re.search(r"[A-Z]{3}", value):  # of a key without default the sample shows what a value looks like
            r = targets("--need-network", config=f"{key} = {value}\n")
            assert r.status == 1 and not r.err, r.text


def test_the_manual_page_is_made_from_the_same_keys(understudy, sample):
    scd = understudy("--dump-config").out
    keys = re.findall(r"^#([a-z-]+) = ", sample, re.M)
    assert re.findall(r"^\*([a-z-]+)\* = ", scd, re.M) == keys
    assert "@CONFIG@" in (MAN / "understudy.conf.5.scd").read_text()


def test_the_manual_page_names_the_words_of_a_target(targets):
    page = (MAN / "understudy.conf.5.scd").read_text()
    for word in ("budget", "identity", "known-hosts", "options", "endpoint", "region", "credentials", "ca", "address"):
        assert f"*{word}*" in page, word


@pytest.mark.parametrize("config, words", [
    ("# x\nlevle = 3\n", 'test.conf:2: there is no key "levle"; did you mean "level"?'),
    ("level = 99\n", "test.conf:1: level = 99: it is not from 0 to 31"),
    ("target = ftp://x/y\n", "test.conf:1: target ftp://x/y: neither an absolute path nor"),
    ("max-crashes = 3\n", "test.conf:1: max-crashes: nothing is deleted to keep this limit"),
])
def test_what_makes_no_sense_is_told_with_file_and_line(targets, config, words):
    r = targets(config=config)
    assert r.status == 3 and words in r.err and not r.out
    error = json.loads(targets("--json", config=config).err)
    assert error["code"] == "bad-data" and words in error["text"]


def test_a_file_that_is_named_has_to_be_there(understudy, tmp_path):
    r = understudy("targets", "--config", tmp_path / "none.conf")
    assert r.status == 3 and "none.conf" in r.err


@pytest.mark.parametrize("config, status", [
    ("", 1), ("target = /a\n", 1), ("target = raw:/dev/x\n", 1), ("target = nfs://h/e\n", 0), ("target = ssh://h/d\n", 0),
    ("target = http://h/d/\n", 0), ("target = s3://bucket/x credentials=/etc/k\n", 0), ("target = /a\ntarget = ssh://h/d\n", 0)])
def test_whether_the_network_is_needed(targets, config, status):
    r = targets("--need-network", config=config)
    assert r.status == status and not r.out and not r.err


# ---- a made machine: /srv is ext4 on a partition of a virtio disk, /far is on tmpfs ----

PCI = "sys/devices/pci0000:00/0000:00:04.0/virtio1"


@pytest.fixture
def machine(host, tmp_path):
    root = Path(host("vm-4level"))
    made = tmp_path / "machine"
    made.mkdir()
    for path in root.rglob("*"):
        if path.is_file():
            (made / path.relative_to(root)).parent.mkdir(parents=True, exist_ok=True)
            (made / path.relative_to(root)).write_bytes(path.read_bytes())

    def put(name, data):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_bytes(data if isinstance(data, bytes) else data.encode())

    def link(name, to):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        os.symlink(to, made / name)

    put("proc/self/mountinfo", "21 1 254:1 / / rw - ext4 /dev/vda1 rw\n22 21 0:30 / /far rw - tmpfs tmpfs rw\n")
    for sys, number in ((f"{PCI}/block/vda", "254:0"), (f"{PCI}/block/vda/vda1", "254:1")):
        put(f"{sys}/size", "2048000\n")
        put(f"{sys}/dev", f"{number}\n")
        link(f"sys/dev/block/{number}", f"../../../{sys}")
        link(f"sys/class/block/{Path(sys).name}", f"../../../{sys}")
    put(f"{PCI}/block/vda/vda1/partition", "1\n")
    link(f"{PCI}/driver", "/sys/bus/virtio/drivers/virtio_blk")
    link("sys/bus/virtio/drivers/virtio_blk/module", "../../../../module/virtio_blk")
    data = bytearray(8192)
    data[1024 + 56:1024 + 58] = b"\x53\xef"
    data[1024 + 104:1024 + 120] = b"0123456789abcdef"
    put("dev/vda1", bytes(data))
    return made


def test_a_directory_is_followed_down_to_its_disk(targets, machine):
    d = as_json(targets("--json", "--host", machine, config="target = /srv/crash\n"))
    [target] = d["targets"]
    assert target["usable"] and target["problem"] is None and d["exit"] == 0
    assert target["lies_on"] == ["directory", "ext4", "partition"]
    assert {"virtio_blk", "ext4"} <= set(target["modules"].split())
    r = targets("--host", machine, config="target = /srv/crash\n")
    assert r.status == 0 and "Can be used by what is known of it" in r.text and "partition, whole disk" in r.text


def test_a_target_that_cannot_be_used_says_why(targets, machine):
    config = "target = /far/crash\ntarget = /srv/crash\n"
    d = as_json(targets("--json", "--host", machine, config=config))
    assert d["exit"] == 1 and [t["usable"] for t in d["targets"]] == [False, True]
    assert "tmpfs" in d["targets"][0]["problem"] and "ext4" in d["targets"][0]["problem"]
    assert "Cannot be used" in targets("--host", machine, config=config).text


def test_a_recorded_machine_cannot_be_probed(targets, machine):
    assert targets("--probe", "--host", machine).status == 2


# ---- the table ----

def table(understudy):
    return as_json(understudy("targets", "--table", "--json"))["supported"]


def test_the_table_is_told_in_all_its_forms(understudy):
    rows = table(understudy)
    text, scd = understudy("targets", "--table").text, understudy("--dump-supported").out
    assert "@SUPPORTED@" in (MAN / "understudy-targets.1.scd").read_text()
    for row in rows:
        assert row["name"] in text, row
        assert f"*{row['state']}*" in scd
    assert len({row["key"] for row in rows}) == len(rows)
    assert scd.count("\n- ") == len(rows)


def test_what_is_said_to_be_shown_names_its_test(understudy):
    for row in table(understudy):
        if row["state"] == "shown":
            assert row["test"], row
        if row["state"] == "refused":
            assert row["note"], row
        if row["test"]:
            file, _, name = row["test"].partition("::")
            assert (TOP / file).exists(), row
            assert not name or re.search(rf"^def {name}\(", (TOP / file).read_text(), re.M), row


def test_every_kind_of_target_has_its_row(understudy):
    names = {row["key"] for row in table(understudy) if row["group"] == "Target"}
    assert {"directory", "raw partition", "NFS", "SSH", "HTTP", "S3"} <= names
