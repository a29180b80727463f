# SPDX-License-Identifier: GPL-2.0-or-later
"""crashes: on directories and a raw partition (a file stands for it) with made crashes."""
import json
import os
import shutil
import struct
from pathlib import Path

import jsonschema
import pytest

TESTS = Path(__file__).resolve().parent.parent
DUMP = TESTS / "fuzz/corpus/vmcore-kdump/kdump-v5"
A, B, C = "20260102-030405-6.1.0-49-amd64", "20260203-040506-6.12.0", "20260304-050607-6.12.0"

STATE = """stage=10 500 modules
stage=500 9500 writing the dump
memory_total=75497472
memory=100 60000000 10485760
memory=200 50000000 20971520
abandoned=nvme.ko: it took too long
result=saved
"""


def save(folder, name, **files):
    (folder / name).mkdir(mode=0o700, parents=True)
    for file, data in files.items():
        path = folder / name / {"log": "log.txt", "state": "state.txt", "incomplete": "dump.incomplete"}.get(file, file)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())


@pytest.fixture
def crashes(understudy, tmp_path):
    """crashes(words..., config=lines): runs the command on targets that config names; {} is the test's folder."""
    def run(*words, config="target = {}/a\n", **more):
        path = tmp_path / "understudy.conf"
        path.write_text(config.replace("{}", str(tmp_path)))
        return understudy("crashes", *words, "--config", path, **more)
    run.folder = tmp_path
    return run


def as_json(r):
    document = r.json
    jsonschema.validate(document, json.loads((Path(__file__).parent / "schema/crashes.json").read_text()))
    assert document["exit"] == r.status
    return document


def three(folder):
    save(folder / "a", B, log="one\ntwo\n", state=STATE, dump=DUMP.read_bytes())
    save(folder / "a", A, log="older\n", incomplete=b"x" * 5000)
    save(folder / "a", C, log="cut\n", state="stage=10 500 modules\nstage=500 - the log\n")


def test_a_list_says_how_each_went(crashes):
    three(crashes.folder)
    (crashes.folder / "a/lost+found").mkdir()
    r = crashes()
    assert r.status == 0, r.text
    names = [line.split(":")[0].strip() for line in r.out.splitlines() if line.startswith("  20")]
    assert names == [A, B, C]
    assert f"{A}: an incomplete dump: the capture was cut off" in r.text
    assert f"{B}: the dump is whole" in r.text
    assert f'{C}: the kernel log: the capture was cut off; it last told of "the log"' in r.text
    assert "lost+found" not in r.text
    d = as_json(crashes("list", "--json"))
    first, second, third = d["targets"][0]["crashes"]
    assert first["incomplete"] and not first["has_dump"] and first["result"] is None and first["dump"].endswith(f"{A}/dump.incomplete")
    assert second["result"] == "saved" and second["time"] == "2026-02-03 04:05:06 UTC" and second["release"] == "6.12.0"
    assert second["dump"] == f"{crashes.folder}/a/{B}/dump" and second["has_log"]
    assert third["dump"] is None


def test_a_capture_that_was_cut_off_is_not_believed(crashes):
    """What state.txt says is what the capture had when it wrote it: here before the dump."""
    save(crashes.folder / "a", A, state="stage=1 5 core\nstage=5 - log to target 0\nresult=nothing\n", log="x\n", incomplete=b"x")
    [saved] = as_json(crashes("--json"))["targets"][0]["crashes"]
    assert saved["result"] is None and saved["says"].startswith("an incomplete dump: the capture was cut off")


def test_a_target_with_the_log_alone_says_where_the_dump_is(crashes):
    save(crashes.folder / "a", A, state="target=/b\nwhere=/b/x/dump\nresult=saved\n", log="x\n")
    assert as_json(crashes("--json"))["targets"][0]["crashes"][0]["says"] == "the kernel log; the dump is whole in /b/x/dump"


@pytest.mark.parametrize("result, says", [
    ("saved", "the dump is whole"), ("partial no space left", "a partial dump: no space left"), ("log", "the kernel log only"),
    ("nothing", "nothing was saved"), ("gibberish", "it says: gibberish")])
def test_a_result_is_told_in_words(crashes, result, says):
    save(crashes.folder / "a", A, state=f"result={result}\n", dump=b"x")
    assert as_json(crashes("--json"))["targets"][0]["crashes"][0]["says"] == says


def test_a_directory_that_is_not_there_is_not_made(crashes):
    r = crashes(config="target = {}/none\n")
    assert r.status == 0 and "not there" in r.text
    assert not (crashes.folder / "none").exists()


def test_what_cannot_be_asked_is_named(crashes):
    (crashes.folder / "file").write_text("no directory")
    save(crashes.folder / "a", A, log="x\n")
    r = crashes(config="target = {}/file\ntarget = nfs://127.0.0.1:1/export\ntarget = {}/a\n")
    assert r.status == 3
    assert "cannot be asked" in r.text and "Not a directory" in r.text
    assert "nfs://127.0.0.1:1/export It cannot be asked" in r.text and A in r.text
    d = as_json(crashes("--json", config="target = {}/file\ntarget = {}/a\n"))
    assert d["exit"] == 3 and d["targets"][0]["problem"] and d["targets"][1]["problem"] is None


def test_one_target_alone(crashes):
    three(crashes.folder)
    save(crashes.folder / "b", A, log="x\n")
    r = crashes("--target", f"{crashes.folder}/b")
    assert r.status == 0 and A in r.text and B not in r.text
    assert crashes("--target", "relative").status == 2


@pytest.mark.parametrize("name", [B, "202602", "20260203-040506"])
def test_show_tells_all_of_one(crashes, name):
    three(crashes.folder)
    r = crashes("show", name)
    assert r.status == 0, r.text
    for words in ("2026-02-03 04:05:06 UTC", "6.12.0", "the dump is whole", f"{crashes.folder}/a/{B}/dump", "modules: 490 ms",
                  "writing the dump: 9000 ms", "at most 20 MiB of 72 MiB", "abandoned: nvme.ko: it took too long", "one", "two"):
        assert words in r.text, words
    d = as_json(crashes("show", name, "--json"))
    assert d["log"] == ["one", "two"] and [s["stage"] for s in d["stages"]] == ["modules", "writing the dump"]
    assert {"key": "result", "value": "saved"} in d["state"] and len(d["memory"]) == 2


def test_show_last_and_only_the_end_of_the_log(crashes):
    save(crashes.folder / "a", B, log="".join(f"[{i}] line\n" for i in range(100)))
    assert as_json(crashes("show", "last", "--json"))["log"] == [f"[{i}] line" for i in range(80, 100)]
    assert as_json(crashes("show", "last", "--json", "-n", "2"))["log"] == ["[98] line", "[99] line"]
    assert as_json(crashes("show", "last", "--json", "-n", "0"))["log"] == []
    (crashes.folder / f"a/{B}/log.txt").write_text("no newline at the end\n[1] last")
    assert as_json(crashes("show", "last", "--json", "-n", "1"))["log"] == ["[1] last"]


def test_a_log_is_shown_without_what_a_terminal_would_act_on(crashes):
    save(crashes.folder / "a", A, log=b"\x1b[31mred\x07\n")
    r = crashes("show", "last")
    assert "\x1b" not in r.out and "\\x1b[31mred\\x07" in r.out


def test_one_crash_on_two_targets_is_one(crashes):
    save(crashes.folder / "a", A, log="x\n")
    save(crashes.folder / "b", A, log="x\n", state=STATE, dump=DUMP.read_bytes())
    r = crashes("show", "last", config="target = {}/a\ntarget = {}/b\n")
    assert r.status == 0 and f"{crashes.folder}/b/{A}/dump" in r.text and f"{crashes.folder}/a/{A}/log.txt" in r.text
    assert "the dump is whole" in r.text


@pytest.mark.parametrize("words, status", [
    (["show", "2027"], 3), (["show", "2026"], 3), (["show"], 2), (["show", A, "x"], 2), (["delete"], 2), (["list", "x"], 2),
    (["show", "last", "-n", "many"], 2), (["prune"], 2), (["recover"], 2)])
def test_words_that_make_no_sense(crashes, words, status):
    three(crashes.folder)
    r = crashes(*words)
    assert r.status == status and r.err.strip() and len(os.listdir(crashes.folder / "a")) == 3, r.text


def test_prune_takes_incomplete_ones_first_and_the_newest_never(crashes):
    three(crashes.folder)
    limit = "target = {}/a\nprune = no\nmax-crashes = 1\n"
    d = as_json(crashes("prune", "--dry-run", "--json", config=limit))
    assert d["targets"][0]["pruned"] == [A, B]
    assert len(os.listdir(crashes.folder / "a")) == 3
    r = crashes("prune", config=limit)
    assert r.status == 0 and f"deleted {A}" in r.text and f"deleted {B}" in r.text
    assert os.listdir(crashes.folder / "a") == [C]
    assert "Nothing has to be deleted" in crashes("prune", config=limit).text


def test_prune_by_bytes(crashes):
    save(crashes.folder / "a", A, dump=b"x" * 100000)
    save(crashes.folder / "a", B, dump=b"x" * 100000)
    d = as_json(crashes("prune", "--json", config="target = {}/a\nprune = yes\nmax-bytes = 150K\n"))
    assert d["targets"][0]["pruned"] == [A] and os.listdir(crashes.folder / "a") == [B]


# ---- raw partitions ----

def fnv(data):
    value = 0xcbf29ce484222325
    for byte in data:
        value = (value ^ byte) * 0x100000001b3 & (1 << 64) - 1
    return value


def partition(path, dump, whole=True, size=4 << 20, **files):
    """A partition as the capture leaves it: the dump at its beginning, small files and their table in the last MiB."""
    tail, at, table = bytearray(1 << 20), 4096, b""
    for name, data in files.items():
        data = data.encode()
        table += struct.pack("<40sQQQ", f"{name}.txt".encode(), at, len(data), 4096)
        tail[at:at + len(data)] = data
        at += 4096
    head = struct.pack("<16s128sQQQ", b"UNDERSTUDY-SLOTS", A.encode(), len(dump) if whole else size - (1 << 20), 2 if whole else 1,
                       len(files)) + table
    tail[:len(head)] = head
    tail[4088:4096] = struct.pack("<Q", fnv(tail[:4088]))
    path.write_bytes(dump.ljust(size - (1 << 20), b"\xaa") + tail)


RAW = "target = raw:{}/disk\ntarget = {}/a\n"


def test_a_raw_partition_is_listed(crashes):
    partition(crashes.folder / "disk", DUMP.read_bytes(), log="one\n", state=STATE)
    d = as_json(crashes("--json", config=RAW))
    [saved] = d["targets"][0]["crashes"]
    assert saved["crash"] == A and saved["has_dump"] and saved["dump"] == f"{crashes.folder}/disk" and saved["result"] == "saved"
    assert "the dump is whole" in crashes("show", "last", config=RAW).text


def test_a_raw_partition_is_recovered(crashes, understudy):
    partition(crashes.folder / "disk", DUMP.read_bytes(), log="one\n", state=STATE)
    assert "would recover" in crashes("recover", "--dry-run", config=RAW).text
    assert not (crashes.folder / "a").exists() or not os.listdir(crashes.folder / "a")
    r = crashes("recover", config=RAW)
    assert r.status == 0, r.text
    into = crashes.folder / "a" / A
    assert (into / "log.txt").read_text() == "one\n" and (into / "state.txt").read_text() == STATE
    assert into.stat().st_mode & 0o777 == 0o700
    assert all(f.stat().st_mode & 0o777 == 0o600 for f in into.iterdir())
    assert understudy("verify", into / "dump").status == 0
    pages = [understudy("info", "--json", path).json["pages"] for path in (DUMP, into / "dump")]
    assert pages[0] == pages[1]
    assert "already" in crashes("recover", config=RAW).text


def test_recover_into_a_directory_that_is_named(crashes):
    partition(crashes.folder / "disk", DUMP.read_bytes(), log="one\n")
    (crashes.folder / "other").mkdir()
    d = as_json(crashes("recover", "--json", "--into", crashes.folder / "other", config=RAW))
    assert d["targets"][0]["recovered"] == [f"{crashes.folder}/other/{A}/dump"]
    assert crashes("recover", "--into", crashes.folder / "nowhere", config=RAW).status == 3


def test_a_dump_that_was_cut_off_is_recovered_as_far_as_it_goes(crashes, understudy):
    incomplete = (TESTS / "fuzz/corpus/vmcore-kdump/kdump").read_bytes()
    partition(crashes.folder / "disk", incomplete, whole=False, log="one\n")
    r = crashes("recover", config=RAW)
    assert r.status == 1 and "partial" in r.text
    assert (crashes.folder / "a" / A / "dump").stat().st_size < 1 << 20


def test_a_partition_without_a_crash_has_nothing(crashes):
    (crashes.folder / "disk").write_bytes(bytes(4 << 20))
    assert "Nothing is saved" in crashes(config=RAW).text
    r = crashes("recover", config=RAW)
    assert r.status == 0 and "Nothing is saved" in r.text
    shutil.copy(DUMP, crashes.folder / "disk")
    assert crashes(config=RAW).status == 3


def test_a_directory_right_below_the_root_need_not_be_there(understudy, tmp_path):
    (tmp_path / "conf").write_text("target = /us-is-not-there\n")
    r = understudy("targets", "--config", tmp_path / "conf", "--json")
    assert "No such file" not in (r.json["targets"][0]["problem"] or ""), r.text  # it is judged by what it would lie on
