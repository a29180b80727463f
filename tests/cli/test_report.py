# SPDX-License-Identifier: GPL-2.0-or-later
"""report: what happened in a crash, from made dumps, whole and damaged, and from what was saved beside them."""
import html.parser
import json
import re
import sys
from pathlib import Path

import jsonschema
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "fixtures/dumps"))
import logs  # noqa: E402

SCHEMAS = Path(__file__).parent / "schema"
LOG = """[    0.000000] Linux version 6.1.0-made (nobody@nowhere) #1 SMP
<6>[    1.000000][    T1] EXT4-fs (vda1): mounted filesystem
[    5.000000] CPU: 0 PID: 9 Comm: early Tainted: P           6.1.0-made #1
<1>[    9.000000] BUG: kernel NULL pointer dereference, address: 0000000000000010
<4>[    9.000010] CPU: 1 PID: 612 Comm: sh Kdump: loaded Tainted: G        W  O       6.1.0-made #1
<4>[    9.000020] RIP: 0010:made_write+0x1f/0x40 [made]
<4>[    9.000030] Call Trace:
<4>[    9.000040]  vfs_write+0xc7/0x3f0
<4>[    9.000050] Modules linked in: made(O) ext4
<0>[    9.000060] Kernel panic - not syncing: <script>alert(1)</script> & \x1b[31mred
"""
STATE = """crash=20260102-030405-6.1.0-made
memory_total=67108864
stage=0 610 kernel boot
stage=610 900 <b>modules</b>
stage=900 - dump
memory=610 50000000 9000000
memory=900 20000000 40000000
result=partial it was cut
"""


def valid(document):
    jsonschema.validate(document, json.loads((SCHEMAS / "report.json").read_text()))
    if document["dump"]:
        jsonschema.validate(document["dump"], json.loads((SCHEMAS / "info.json").read_text()))
    return document


class Page(html.parser.HTMLParser):
    """Elements that do not close what they open, ids, and what is loaded from elsewhere."""

    VOID = {"meta", "br", "link", "rect", "line", "circle", "polyline", "polygon"}

    def __init__(self, text):
        super().__init__()
        self.open, self.loads, self.tags, self.text = [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.loads += [v for k, v in attrs if k in ("src", "href") and not v.startswith("#")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data):
        self.text += data


def page_of(path):
    text = path.read_text()
    page = Page(text)
    assert not page.open and not page.loads and "script" not in page.tags and "@import" not in text and "url(" not in text
    return page


@pytest.fixture
def dump(tmp_path):
    def make(name="core", made=None, **more):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(logs.core(made or logs.ring(), **more))
        return tmp_path / name
    return make


@pytest.fixture
def saved(tmp_path):
    """A saved crash: log.txt, state.txt, no dump."""
    folder = tmp_path / "20260102-030405-6.1.0-made"
    folder.mkdir()
    (folder / "log.txt").write_text(LOG)
    (folder / "state.txt").write_text(STATE)
    return folder


def test_a_dump_is_told(understudy, dump, tmp_path):
    notes = logs.prstatus(300, 0xffffffff81234516) + logs.prstatus(0, 0xffffffff81300007)
    r = understudy("report", "--html", tmp_path / "page.html", dump(notes=notes))
    assert r.status == 0, r.text
    assert "sysrq triggered crash" in r.out and "made-host" in r.out and "2023-11-14 22:13:20 UTC" in r.out
    assert re.search(r"registers 0 +task 300 in sysrq_handle_crash\+0x16", r.out)
    assert "taint, modules and tasks by memory" in r.out and "What could not be told" in r.out
    assert (tmp_path / "page.html").stat().st_mode & 0o777 == 0o600
    page = page_of(tmp_path / "page.html")
    assert "sysrq triggered crash" in page.text and "svg" in page.tags and "sysrq_handle_crash+0x16" in page.text


def test_a_dump_as_json(understudy, dump):
    d = valid(understudy("report", "--json", dump(notes=logs.prstatus(0, 0xffffffff81300007))).json)
    assert d["crash"]["panic"] == "sysrq triggered crash" and d["dump"]["schema"] == "understudy.info/1"
    assert d["cpus"][0]["comm"] == "idle" and d["cpus"][0]["function"] == "vfs_write+0x7"
    assert d["signature"] and d["modules"] is None and d["capture"] is None and d["taint"] == []
    assert d["log_tail"][-1]["level"] == 4 and len(d["log_tail"]) >= 12


def test_a_saved_log_alone_is_told(understudy, saved, tmp_path):
    r = understudy("report", "--json", saved)
    assert r.status == 0
    d = valid(r.json)
    assert d["release"] == "6.1.0-made" and d["crash_time"] == 1767323045 and d["dump"] is None
    assert d["signature"] == "BUG: kernel NULL pointer dereference: made_write < vfs_write"
    assert [t["letter"] for t in d["taint"]] == ["W", "O"] and d["modules_in_log"] == "made(O) ext4"
    assert d["log_tail"][1] == {"ns": 1_000_000_000, "level": 6, "text": "EXT4-fs (vda1): mounted filesystem"}
    assert d["log_tail"][2]["level"] is None
    assert d["capture"]["stages"][2] == {"name": "dump", "begin_ms": 900, "end_ms": None}
    assert d["capture"]["memory_total"] == 67108864 and any("dump: there is none" in u for u in d["unknown"])
    text = understudy("report", "--html", tmp_path / "p.html", saved)
    assert "dump: did not end" in text.text and "a module from outside" in text.text and "\x1b" not in text.out
    page = page_of(tmp_path / "p.html")
    assert "<script>alert(1)</script> & ?[31mred" in page.text and "did not end" in page.text


def test_the_log_itself_and_the_dump_in_a_folder_are_the_same_story(understudy, saved, dump):
    assert understudy("report", "--json", saved / "log.txt").json["signature"].startswith("BUG: kernel NULL")
    (saved / "dump").write_bytes(logs.core(logs.ring()))
    for path in (saved, saved / "dump"):
        d = valid(understudy("report", "--json", path).json)
        assert d["crash"]["panic"] == "sysrq triggered crash" and d["capture"]["memory"] and d["dump"]


def test_a_dump_that_is_none_leaves_its_log(understudy, saved):
    (saved / "dump").write_bytes(b"KDUMP   " + bytes(5000))
    r = understudy("report", "--json", saved)
    d = valid(r.json)
    assert r.status == 0 and d["crash"]["cause"].startswith("BUG: kernel NULL") and d["dump"] is None
    assert any(u.startswith("dump: ") for u in d["unknown"])


def test_a_dump_without_its_log_is_told_by_the_file_beside_it(understudy, saved):
    (saved / "dump").write_bytes(logs.core(logs.ring(), missing=(0,)))
    d = valid(understudy("report", "--json", saved).json)
    assert d["crash"]["cause"].startswith("BUG: kernel NULL") and d["dump"]["log_problem"]


def test_what_is_not_there_is_said(understudy, tmp_path, dump):
    (tmp_path / "empty").mkdir()
    r = understudy("report", tmp_path / "empty")
    assert r.status == 3 and "log: there is none" in r.text and "dump: there is none" in r.text
    assert understudy("report", tmp_path / "nothing").status == 3
    r = understudy("report", dump(silent=True))
    assert r.status == 3 and "the kernel log cannot be read" in r.text
    assert understudy("report", "--html", "/nowhere/p.html", dump()).status == 3


def test_names_of_other_tools_are_known(understudy, saved):
    (saved / "log.txt").rename(saved / "dmesg.202601020304")
    assert understudy("report", "--json", saved).json["crash"]["panic"]
    (saved / "dmesg.202601020304").rename(saved / "vmcore-dmesg.txt")
    assert understudy("report", "--json", saved).json["crash"]["panic"]
