# SPDX-License-Identifier: GPL-2.0-or-later
"""log, info and the name vmcore-dmesg: on small made dumps, whole and damaged."""
import json
import os
import pty
import random
import re
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import jsonschema
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures/dumps"))
import logs  # noqa: E402

SCHEMAS = Path(__file__).parent / "schema"
FORMS = {"ring": logs.ring, "records": logs.records}


def valid(document, name):
    jsonschema.validate(document, json.loads((SCHEMAS / f"{name}.json").read_text()))
    return document


@pytest.fixture
def dump(tmp_path):
    """dump(made, ...): the path of an ELF core with this log in it."""
    def make(made=None, name="dump", **more):
        (tmp_path / name).write_bytes(logs.core(made or logs.ring(), **more))
        return tmp_path / name
    return make


@pytest.mark.parametrize("form", FORMS)
def test_log_is_told_as_it_was_said(understudy, dump, form):
    r = understudy("log", dump(FORMS[form]()))
    assert r.status == 0, r.text
    lines = r.out.splitlines()
    assert lines[0] == "[    0.000000] Linux version 6.12.0-made (nobody@nowhere) #1 SMP"
    assert lines[3] == "[    0.120500] .... node  #0, CPUs:      #1 #2"
    assert lines[4:6] == ["[    3.000000] systemd[1]: Started the second line", "[    3.000000] and a third"]
    assert lines[6] == "[    3.100000] bell \\x07, tab \t, caf\u00e9 and a stray \\xff byte"
    assert lines[7].rstrip() == "[    3.200000]"
    assert lines[-2] == "[    9.000020] CPU: 1 PID: 300 Comm: sh Kdump: loaded Not tainted 6.12.0-made #1"
    assert not r.err


def test_levels_are_chosen_by_name_and_number(understudy, dump):
    path = dump()
    r = understudy("log", "-l", "warning", path)
    assert [line.split("] ")[1][:6] for line in r.out.splitlines()] == ["bell \\", "Kernel", "CPU: 1", "RIP: 0"]
    assert understudy("log", "--level=4", path).out == r.out
    assert understudy("log", "-l", "7", path).out == understudy("log", path).out
    assert understudy("log", "-l", "loud", path).status == 2


def test_verbose_names_facility_level_and_caller(understudy, dump):
    lines = understudy("log", "-v", dump()).out.splitlines()
    assert re.fullmatch(r"\[    3.000000\] daemon.info +T1 +systemd.*", lines[4])
    assert re.fullmatch(r"\[    9.000010\] kern.emerg +C1 +Kernel panic.*", lines[-3])
    assert re.fullmatch(r"\[    3.100000\] user.warning +T300 +bell.*", lines[6])


def test_wall_clock_is_reckoned_from_the_crash(understudy, dump):
    lines = understudy("log", "--wall", dump(crashtime=1_700_000_000)).out.splitlines()
    assert lines[-1].startswith("[2023-11-14T22:13:20.000Z] RIP")
    assert lines[0].startswith("[2023-11-14T22:13:10.999Z] Linux version")
    r = understudy("log", "--wall", dump(crashtime=0))
    assert r.status == 3 and "does not say when" in r.err


@pytest.mark.parametrize("form", FORMS)
def test_log_as_json(understudy, dump, form):
    d = valid(understudy("log", "--json", dump(FORMS[form]())).json, "log")
    assert d["stats"] == {"records": 12, "lost": 0, "damaged": 0} and d["problem"] is None
    assert d["records"][9] == {"seq": 9, "ns": 9_000_010_000, "time": None, "level": 0, "level_name": "emerg", "facility": "kern",
                               "caller": "C1", "continued": False, "text": "Kernel panic - not syncing: sysrq triggered crash"}
    assert d["records"][4]["continued"] is True and d["records"][5]["text"].endswith("line\nand a third")
    assert d["records"][7]["text"] == ""


def test_overwritten_records_are_counted(understudy, dump):
    many = [logs.Record(f"record {i}", i * 1000) for i in range(100)]
    r = understudy("log", dump(logs.ring(many, 5, 12)))
    assert r.status == 0 and len(r.out.splitlines()) == 32
    assert "68 older records were overwritten" in r.err


def test_an_empty_log_is_a_log(understudy, dump):
    d = understudy("log", "--json", dump(logs.ring(logs.SAID[:1]))).json
    assert valid(d, "log")["stats"]["records"] == 1


def test_a_missing_page_of_texts_leaves_the_rest(understudy, dump):
    many = [logs.Record(f"record {i} {'x' * 50}", i * 1000) for i in range(100)]
    r = understudy("log", "--json", dump(logs.ring(many, 7, 13), missing=(logs.TEXT + 4096,)))
    assert r.status == 1
    d = valid(r.json, "log")
    assert 30 < d["stats"]["records"] < 100 and d["stats"]["damaged"] > 20
    assert d["records"][0]["text"].startswith("record 0")


def test_a_log_that_is_not_there_says_why(understudy, dump):
    text, memory = logs.ring()
    r = understudy("log", dump((text, memory), missing=(0,)))
    assert r.status == 3 and "prb" in r.err and "0xffffffff82000000" in r.err
    r = understudy("log", "--json", dump((text, memory), missing=(0,)))
    assert valid(r.json, "log")["records"] == [] and r.json["problem"]["text"] and r.status == 3
    r = understudy("log", dump((text.replace(b"prb_desc.state_var", b"prb_desc.state_bar"), memory)))
    assert r.status == 3 and "OFFSET(prb_desc.state_var)" in r.err


@pytest.mark.parametrize("form", FORMS)
def test_raw_memory_is_a_dump(understudy, tmp_path, form):
    (tmp_path / "raw").write_bytes(logs.raw(FORMS[form]()))
    (tmp_path / "core").write_bytes(logs.core(FORMS[form]()))
    assert understudy("log", tmp_path / "raw").out == understudy("log", tmp_path / "core").out
    d = valid(understudy("info", "--json", tmp_path / "raw").json, "info")
    assert d["format"] == "raw memory" and d["release"].endswith("-made") and d["crash_time"] == 1_700_000_000
    (tmp_path / "raw").write_bytes(logs.raw(FORMS[form]())[:0x2000000])
    assert understudy("log", tmp_path / "raw").status == 3


@pytest.mark.parametrize("content", (b"", b"hello\n", bytes(65536), b"\x7fELF\x02\x01\x01" + bytes(57)), ids=("empty", "text", "zeros", "header"))
@pytest.mark.parametrize("command", ("log", "info"))
def test_what_is_no_dump_is_refused(understudy, tmp_path, command, content):
    (tmp_path / "file").write_bytes(content)
    r = understudy(command, tmp_path / "file")
    assert r.status == 3 and "file" in r.err and not r.out


def test_vmcore_dmesg_prints_as_its_namesake(understudy, dump):
    r = understudy(dump(), name="vmcore-dmesg")
    assert r.status == 0 and not r.err
    lines = r.out.split("\n")
    assert lines[0] == "[    0.000000] Linux version 6.12.0-made (nobody@nowhere) #1 SMP"
    assert lines[3:5] == ["[    0.120500] .... node  #0, CPUs:      ", "[    0.121000] #1 #2"]
    assert lines[5:7] == ["[    3.000000] systemd[1]: Started the second line", "and a third"]
    assert lines[7] == "[    3.100000] bell \\x07, tab \t, caf\\xc3\\xa9 and a stray \\xff byte"
    assert understudy(name="vmcore-dmesg").status == 2
    assert understudy("/nowhere/vmcore", name="vmcore-dmesg").status == 3


def test_info_tells_the_crash(understudy, dump):
    notes = logs.prstatus(300, 0xffffffff81234567) + logs.prstatus(0, 0xffffffff81000042)
    path = dump(notes=notes)
    d = valid(understudy("info", "--json", path).json, "info")
    assert d["format"].startswith("ELF") and d["arch"] == "x86_64" and d["release"] == "6.12.0-made" and d["crash_time"] == 1_700_000_000
    assert d["version"] == "#1 SMP made" and d["nodename"] == "made-host"
    assert d["crash"]["panic"] == "sysrq triggered crash" and d["crash"]["cause"] == "sysrq: Trigger a crash"
    assert (d["crash"]["cpu"], d["crash"]["pid"], d["crash"]["comm"]) == (1, 300, "sh")
    assert [(c["pid"], c["registers"]["rip"]) for c in d["cpus"]] == [(300, 0xffffffff81234567), (0, 0xffffffff81000042)]
    assert d["log"] == {"records": 12, "lost": 0, "damaged": 0}
    assert d["pages"]["present"] == d["memory_bytes"] // 4096 and d["incomplete"] is False
    r = understudy("info", path)
    for words in ("Linux 6.12.0-made", "sysrq triggered crash", "CPU 1, task 300 (sh)", "2023-11-14 22:13:20 UTC", "rip 0xffffffff81234567"):
        assert words in r.text
    assert "orig_rax" in understudy("info", "-v", path).out and "orig_rax" not in r.out


@pytest.mark.parametrize("per_cpu", (True, False))
@pytest.mark.parametrize("rip, function", ((0xffffffff81234567, "sysrq_handle_crash+0x67"), (0xffffffff81000000, "_stext+0x0"), (0x7f0000000000, None),
                                           (0xffffffff80ffffff, None), (0xffffffff82000500, None), (0xffffffffc0000000, None)))
def test_functions_have_names(understudy, dump, per_cpu, rip, function):
    d = understudy("info", "--quick", "--json", dump(notes=logs.prstatus(300, rip), per_cpu=per_cpu)).json
    assert d["cpus"][0]["function"] == function


def test_info_shows_the_rest_where_a_part_is_missing(understudy, dump):
    r = understudy("info", "--json", dump(missing=(0,)))
    d = valid(r.json, "info")
    assert r.status == 3 == d["exit"]
    assert d["crash"] is None and "prb" in d["log_problem"]["text"] and d["release"] == "6.12.0-made"
    assert sum(d["classes"].values()) == d["pages"]["present"]
    r = understudy("info", dump(missing=(0,)))
    assert r.status == 3 and r.out.count("not known") == 1


def test_info_of_a_dump_without_vmcoreinfo(understudy, dump):
    d = valid(understudy("info", "--json", dump(silent=True, notes=logs.prstatus(5, 6))).json, "info")
    assert d["release"] is None and d["log_problem"]["text"] and d["cpus"][0]["pid"] == 5 and d["exit"] == 3


def test_info_quick_counts_nothing(understudy, dump, tmp_path):
    d = valid(understudy("info", "--quick", "--json", dump()).json, "info")
    assert d["pages"] is None and d["classes"] is None and d["crash"]["panic"] and d["exit"] == 0
    r = understudy("info", "--quick", "--picture", tmp_path / "x.svg", dump())
    assert r.status == 2 and not (tmp_path / "x.svg").exists()


def test_a_picture_is_a_picture(understudy, dump, tmp_path):
    """The made dump has no page structures: all of it counts as the kernel's, in one colour."""
    r = understudy("info", "--picture", tmp_path / "x.svg", dump())
    assert r.status == 0, r.text
    root = xml.etree.ElementTree.parse(tmp_path / "x.svg").getroot()
    texts = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert any("Panic: sysrq triggered crash" in t for t in texts) and any("100.0 %" in t for t in texts)
    assert "0x2000000" in texts


@pytest.mark.parametrize("form", FORMS)
def test_damage_gives_a_part_or_an_error(understudy, tmp_path, form):
    """Bytes changed in vmcoreinfo, in the log's own structures, in page tables and headers; and the file cut short."""
    whole = logs.core(FORMS[form](), notes=logs.prstatus(300, 0xffffffff81234567))
    changed = random.Random(form)
    for i in range(80):
        data = bytearray(whole)
        for _ in range(changed.choice((1, 1, 2, 8, 64))):
            at = changed.choice((changed.randrange(len(data)), changed.randrange(0x2000), changed.randrange(64)))
            data[at] = changed.choice((0, 1, 0x7f, 0x80, 0xff, data[at] ^ 1 << changed.randrange(8)))
        if i % 8 == 0:
            del data[changed.randrange(len(data)):]
        (tmp_path / "damaged").write_bytes(data)
        for command in ("log", "info", "verify")[:3 if i < 24 else 2]:
            r = understudy(command, "--json", tmp_path / "damaged", timeout=20)
            assert r.status in (0, 1, 3)
            if r.out:
                valid(r.json, command)
            else:
                assert valid(json.loads(r.err), "error")["text"]


def on_a_terminal(understudy, *words, **env):
    """What a terminal of 200 columns is sent."""
    ours, theirs = pty.openpty()
    settings = {k: v for k, v in os.environ.items() if k != "NO_COLOR"} | {"TERM": "xterm"} | env
    run = subprocess.Popen(["understudy", *map(str, words)], executable=understudy.path, stdin=theirs, stdout=theirs, env=settings)
    os.close(theirs)
    said = b""
    try:
        while part := os.read(ours, 65536):
            said += part
    except OSError:  # the end of a terminal
        pass
    os.close(ours)
    assert run.wait(timeout=60) == 0
    return said.decode(errors="replace").replace("\r\n", "\n")


def test_colours_are_for_terminals(understudy, dump):
    path = dump()
    plain = understudy("log", path).out
    said = on_a_terminal(understudy, "log", path)
    assert re.search(r"\x1b\[1;31mKernel panic - not syncing", said) and re.search(r"\x1b\[1;33mbell", said)
    assert re.sub(r"\x1b\[[0-9;]*m", "", said) == plain and "\x1b" not in plain
    assert on_a_terminal(understudy, "log", path, NO_COLOR="1") == plain
    assert on_a_terminal(understudy, "log", path, TERM="dumb") == plain


def test_colours_are_no_text(understudy, dump, tmp_path):
    path = dump()
    for words in (("info", path), ("verify", path), ("dump", "--estimate", path), ("convert", path, tmp_path / "out")):
        said = on_a_terminal(understudy, *words)
        assert "\x1b[" in said and "\\x1b" not in said, said
