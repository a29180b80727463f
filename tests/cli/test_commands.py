# SPDX-License-Identifier: GPL-2.0-or-later
"""Every command: help, words that make no sense, exit statuses, JSON by its schema."""
import json
import os
import re
import shutil
import tempfile
from pathlib import Path

import hosts
import jsonschema
import probe
import pytest

SCHEMAS = Path(__file__).parent / "schema"
COMMANDS = ("inspect", "check", "load", "exec", "unload", "status", "snapshot", "log", "info", "verify", "dump", "convert", "crashes", "targets")
NOBODY = 65534


def valid(document):
    """Checks a document against the schema that it names."""
    name = re.fullmatch(r"understudy\.([a-z-]+)/1", document["schema"]).group(1)
    jsonschema.validate(document, json.loads((SCHEMAS / f"{name}.json").read_text()))
    return document


def test_help_lists_every_command(understudy):
    r = understudy("--help")
    assert r.status == 0
    for command in COMMANDS:
        assert re.search(rf"^\s*{command}\b", r.out, re.M)


def test_version(understudy):
    r = understudy("--version")
    assert r.status == 0 and re.match(r"understudy \d+\.\d+\.\d+", r.out)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(understudy, command):
    r = understudy(command, "--help")
    assert r.status == 0
    assert f"understudy {command}" in r.out and "--json" in r.out and "--help" in r.out
    assert max(map(len, r.out.splitlines())) <= 100


@pytest.mark.parametrize("words", (
    [], ["fly"], ["check"], ["check", "a", "b"], ["inspect"], ["load"], ["snapshot"], ["status", "x"], ["check", "--fly", "a"],
    ["check", "--call", "telepathy", "IMAGE"], ["check", "--initrd"], ["check", "--cmdline", "a", "--reuse-cmdline", "IMAGE"],
    ["check", "--policy", "maybe", "IMAGE"], ["check", "--accept", "no.such-rule", "IMAGE"], ["load", "--mem-min", "lots", "IMAGE"],
    ["load", "-s", "--mem-min", "1M", "IMAGE"], ["load", "-c", "--no-cma", "IMAGE"],
    ["check", "--deep", "--no-deep", "IMAGE"], ["check", "--config", "f", "--no-deep", "IMAGE"], ["check", "--hotplug", "IMAGE"],
    ["check", "--list-rules", "IMAGE"]), ids=" ".join)
def test_words_that_make_no_sense_are_usage(understudy, image, host, words):
    words = [image() if w == "IMAGE" else w for w in words]
    r = understudy(*words, host=host("vm-4level"))
    assert r.status == 2, r.text
    assert r.err.strip() and not r.out.strip() and not r.acts


@pytest.mark.parametrize("words", (["check", "--fly"], ["load"], ["snapshot", "a", "b"], ["check", "--call"]), ids=" ".join)
def test_wrong_words_are_told_in_json(understudy, host, words):
    r = understudy(words[0], "--json", *words[1:], host=host())
    assert r.status == 2 and not r.out
    error = json.loads(r.err)
    assert error["schema"] == "understudy.error/1" and error["code"] == "usage"


def test_a_missing_image_is_status_3_and_named(understudy, host):
    r = understudy("check", "/nowhere/vmlinuz", host=host())
    assert r.status == 3 and "/nowhere/vmlinuz" in r.err and "No such file" in r.err


def test_a_missing_image_in_json(understudy, host):
    r = understudy("check", "--json", "/nowhere/vmlinuz", host=host())
    error = valid(json.loads(r.err if r.err.strip().startswith("{") else r.out))
    assert error["code"] == "not-found" and "/nowhere/vmlinuz" in error["text"]


@pytest.mark.parametrize("words, schema", (
    (["inspect", "IMAGE"], "inspect"), (["inspect", "--deep", "IMAGE"], "inspect"), (["check", "IMAGE"], "check"),
    (["check", "--crash", "IMAGE"], "check"), (["check", "--list-rules"], "rules"), (["status"], "status"), (["unload"], None),
    (["load", "IMAGE"], None), (["load", "--dry-run", "IMAGE"], None), (["load", "--dry-run", "-c", "IMAGE"], None),
    (["load", "--crash", "IMAGE"], None)), ids=lambda w: " ".join(w) if isinstance(w, list) else w)
@pytest.mark.parametrize("machine", ("vm-la57", "vm-nonroot", "vm-uefi"))
def test_json_keeps_its_schema(understudy, image, host, words, schema, machine):
    words = [image() if w == "IMAGE" else w for w in words]
    document = valid(understudy(words[0], "--json", *words[1:], host=host(machine)).json)
    assert schema is None or document["schema"] == f"understudy.{schema}/1"


def test_status_of_a_recorded_machine(understudy, host):
    r = understudy("status", "--host", host("vm-la57"))
    assert r.status == 1 and "a crash will not be saved" in r.text
    for words in ("6.12.117", "paging levels 5", "256 MiB", "crashkernel=256M"):
        assert words in r.text, r.text


def test_nothing_loaded_is_no_reason_to_jump(understudy, host):
    for words in (["exec"], ["exec", "--now"]):
        r = understudy(*words, host=host("vm-4level"))
        assert r.status == 1 and "kexec_loaded" in r.text and not r.acts


def test_what_is_loaded_is_jumped_into(understudy, host):
    loaded = host("vm-4level", hosts.put("sys/kernel/kexec_loaded", "1\n"))
    r = understudy("exec", "--now", host=loaded)
    assert r.status == 0 and [a["call"] for a in r.acts] == ["sync_disks", "reboot_kexec"], r.text


@pytest.fixture
def open_folder():
    """A folder that every user may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        yield Path(folder)


def test_check_needs_no_root(understudy, host, open_folder):
    shutil.copy(understudy.path, open_folder / "understudy")
    understudy.path = open_folder / "understudy"
    image, machine = probe.make_probe(open_folder / "vmlinuz"), hosts.make_host("vm-nonroot", open_folder / "host")
    r = understudy("check", image, host=machine, user=NOBODY if os.getuid() == 0 else None, act=False)
    assert r.status in (0, 3), r.text
    assert "CAP_SYS_BOOT" in r.text and "hand over" in r.text


def test_the_running_machine_can_be_judged_by_any_user(understudy, image):
    r = understudy("check", "--json", image())
    assert r.status in (0, 1, 3)
    assert valid(r.json)["machine"] == "/"


def test_list_rules_names_every_rule_once(understudy):
    rules = understudy("check", "--list-rules", "--json").json["rules"]
    ids = [rule["id"] for rule in rules]
    assert len(ids) == len(set(ids)) > 50
    text = understudy("check", "--list-rules").out
    assert all(i in text for i in ids)


def test_man_page_of_check_has_every_rule(understudy):
    page = Path(__file__).parent.parent.parent / "docs/man/understudy-check.1.scd"
    assert page.exists()


def test_snapshot_is_a_machine_that_can_be_read(understudy, image, host, tmp_path):
    first = host("vm-la57")
    r = understudy("snapshot", tmp_path / "copy", host=first)
    assert r.status == 0, r.text
    before, after = (understudy("check", "--json", image(), host=h).json for h in (first, tmp_path / "copy"))
    strip = lambda d: [(f["id"], f["result"], f["fact"]) for f in d["findings"]]  # noqa: E731
    assert strip(before) == strip(after)
    for words in (["arm", "--dry-run"], ["rehearse"]):
        r = understudy(*words, host=tmp_path / "copy")
        assert r.status == 3 and "is a snapshot" in r.text, r.text


def test_snapshot_does_not_mix_two_machines(understudy, host, tmp_path):
    (tmp_path / "empty").mkdir()
    assert understudy("snapshot", tmp_path / "empty", host=host("vm-la57")).status == 0
    r = understudy("snapshot", tmp_path / "empty", host=host("vm-nonroot"))
    assert r.status == 2 and "not empty" in r.err


def test_snapshot_is_scrubbed(understudy, host, tmp_path):
    told = host("vm-4level", hosts.put("proc/cmdline", "root=UUID=0f9c8a2e-1111-2222-3333-444455556666 password=open-sesame quiet\n"))
    assert understudy("snapshot", tmp_path / "copy", host=told).status == 0
    text = "".join(p.read_text(errors="replace") for p in (tmp_path / "copy").rglob("*") if p.is_file())
    assert "quiet" in text
    assert "open-sesame" not in text and "0f9c8a2e" not in text
