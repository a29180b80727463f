# SPDX-License-Identifier: GPL-2.0-or-later
"""dump, convert and the name makedumpfile, on made dumps; libkdumpfile reads what they write."""
import json
import os
import random
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from test_commands import valid

DUMPS = Path(__file__).resolve().parents[1] / "fixtures/dumps"
sys.path.insert(0, str(DUMPS))

import logs  # noqa: E402
import makedump as maker  # noqa: E402

KDUMP, FLAT, ELF = b"KDUMP   ", b"makedumpfile\0\0\0\0", b"\x7fELF"
RAM = [*range(1, 6), 8, *range(16, 20)]  # the whole pages of elf.dump


@pytest.fixture
def made(tmp_path):
    """made("elf"): the files of tests/fixtures/dumps/elf.dump; made(TEXT lines): of that description."""
    def make(name):
        text = name if "\n" in name else (DUMPS / f"{name}.dump").read_text()
        path = tmp_path / "made.dump"
        path.write_text(text)
        folder = tmp_path / f"in-{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        files = maker.write(path, folder)
        path.unlink()
        return files
    return make


@pytest.fixture
def core(made):
    return made("elf")[0]


def look(path, *pfns):
    """What libkdumpfile reads at these page numbers: bytes, or None where it reads none."""
    kdumpfile = pytest.importorskip("kdumpfile", reason="python3-libkdumpfile is not installed")
    dump = kdumpfile.kdumpfile(file=str(path))

    def page(pfn):
        try:
            return dump.read(kdumpfile.KDUMP_MACHPHYSADDR, pfn << 12, 4096)
        except kdumpfile.exceptions.KDumpBaseException:
            return None
    return [page(pfn) for pfn in pfns]


def elf_page(pfn):
    return bytes(4096) if pfn in (17, 18, 19) else maker.page_bytes(pfn, 4096)


def holds(path, pages):
    """path is a dump with these pages {pfn: bytes, or None for one that is left out}."""
    got = dict(zip(pages, look(path, *pages)))
    wrong = [pfn for pfn in pages if got[pfn] != pages[pfn]]
    assert not wrong, f"pages {wrong} of {path} are not as they should be"


@pytest.mark.parametrize("codec", ["none", "lzo", "zlib", "zlib:9", "snappy", "zstd", "zstd:-2", "zstd:19", "auto"])
def test_a_core_becomes_a_dump(understudy, core, tmp_path, codec):
    r = understudy("dump", "--level", "0", "--codec", codec, core, tmp_path / "out")
    assert r.status == 0, r.text
    assert (tmp_path / "out").read_bytes()[:8] == KDUMP
    assert str(tmp_path / "out") in r.out and "6.1.0-test" in r.out
    holds(tmp_path / "out", {pfn: elf_page(pfn) for pfn in RAM} | {0: None, 7: None, 12: None})
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["out"]  # nothing is left beside it


@pytest.mark.parametrize("format, magic", [("kdump", KDUMP), ("elf", ELF), ("flat", FLAT)])
@pytest.mark.parametrize("jobs", ["1", "3"])
def test_formats(understudy, core, tmp_path, format, magic, jobs):
    r = understudy("dump", "--exclude", "none", "--format", format, "-j", jobs, "--json", core, tmp_path / "out")
    told = valid(r.json)
    assert r.status == 0 and told["format"] == format and told["complete"] and told["exit"] == 0
    assert told["bytes"] == (tmp_path / "out").stat().st_size and told["release"] == "6.1.0-test"
    assert (tmp_path / "out").read_bytes().startswith(magic)
    if format == "flat":
        assert understudy("convert", tmp_path / "out", tmp_path / "whole").status == 0
        holds(tmp_path / "whole", {pfn: elf_page(pfn) for pfn in RAM})
    else:
        holds(tmp_path / "out", {pfn: elf_page(pfn) for pfn in RAM})


def test_zero_pages_are_stored_once(understudy, core, tmp_path):
    told = valid(understudy("dump", "--exclude", "zero", "--json", core, tmp_path / "out").json)
    assert told["level_used"] == 1 and told["pages"]["zero"] == 3
    holds(tmp_path / "out", {pfn: elf_page(pfn) for pfn in RAM})


def test_a_kernel_that_cannot_be_understood_is_kept_whole(understudy, core, tmp_path):
    r = understudy("dump", "--json", core, tmp_path / "out")
    told = valid(r.json)
    assert told["level"] == 31
    assert r.status == 0 and told["complete"] and not any(told["pages"]["left_out"].values())
    assert any("all pages are kept" in w for w in told["warnings"])
    holds(tmp_path / "out", {pfn: elf_page(pfn) for pfn in RAM})
    assert "all pages are kept" in understudy("dump", "-f", core, tmp_path / "out").text


def test_a_file_that_is_there_stays(understudy, core, tmp_path):
    (tmp_path / "out").write_text("precious")
    r = understudy("dump", "--level", "0", core, tmp_path / "out")
    assert r.status == 2 and str(tmp_path / "out") in r.err
    assert (tmp_path / "out").read_text() == "precious"
    assert understudy("dump", "--level", "0", "--force", core, tmp_path / "out").status == 0
    assert (tmp_path / "out").read_bytes()[:8] == KDUMP


def test_streams_leave_standard_output_to_the_dump(understudy, core, tmp_path):
    def stream(*words):
        run = subprocess.run(["understudy", *words, core, "-"], executable=understudy.path, capture_output=True, timeout=60, check=False)
        assert run.returncode == 0, run.stderr
        return run
    run = stream("dump", "--level", "0", "--json")
    assert run.stdout.startswith(FLAT) and valid(json.loads(run.stderr))["output"] == "-"
    (tmp_path / "flat").write_bytes(run.stdout)
    assert understudy("convert", tmp_path / "flat", tmp_path / "dump").status == 0
    holds(tmp_path / "dump", {pfn: elf_page(pfn) for pfn in RAM})
    run = stream("dump", "--level", "0", "--format", "elf")
    (tmp_path / "elf").write_bytes(run.stdout)
    assert b"holds the dump" in run.stderr
    holds(tmp_path / "elf", {pfn: elf_page(pfn) for pfn in RAM})


def test_estimates_write_nothing(understudy, core, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    r = understudy("dump", "--estimate", "--level", "0", "--json", core)
    told = valid(r.json)
    assert r.status == 0 and told["bytes_estimated"] > 4096 and told["output"] is None and "bytes" not in told
    assert sorted(tmp_path.rglob("*")) == before
    assert "would take about" in understudy("dump", "--estimate", "--level", "0", core).out


def test_a_limit_leaves_a_valid_smaller_dump(understudy, made, tmp_path):
    lines = "format elf\nnote-cpu 1\ninfo OSRELEASE=6.1.0-test\ninfo PAGESIZE=4096\nload 0x1000 0x1000000 0xffff888000001000\n"
    big = made(lines)[0]
    r = understudy("dump", "--level", "0", "--codec", "none", "--limit", "4M", "--json", big, tmp_path / "out")
    told = valid(r.json)
    assert r.status == 1 and not told["complete"] and told["stopped"] == "limit" and told["exit"] == 1
    assert told["pages"]["dropped"] + told["pages"]["kept"] == 0x1000
    assert (tmp_path / "out").stat().st_size <= 4 << 20
    pages = look(tmp_path / "out", *range(1, 0x1001))
    assert sum(p is not None for p in pages) == told["pages"]["kept"] > 100
    assert all(p in (None, maker.page_bytes(pfn, 4096)) for pfn, p in enumerate(pages, 1))


def test_progress_is_told_in_json_lines(understudy, core, tmp_path):
    with open(tmp_path / "progress", "wb") as f:
        subprocess.run(["understudy", "dump", "--level", "0", "--progress-fd", str(f.fileno()), core, tmp_path / "out"],
                       executable=understudy.path, pass_fds=[f.fileno()], check=True, capture_output=True)
    lines = [valid(json.loads(line)) for line in (tmp_path / "progress").read_text().splitlines()]
    assert lines and lines[-1]["done"] == lines[-1]["total"]


@pytest.mark.parametrize("words", [[], ["--codec", "zstd"], ["--format", "elf"]], ids=" ".join)
def test_convert_keeps_all_and_only_what_is_there(understudy, made, tmp_path, words):
    whole = made("\n".join(line for line in (DUMPS / "kdump.dump").read_text().splitlines() if not line.startswith(("status", "pages 18"))))
    r = understudy("convert", *words, *whole, tmp_path / "out")
    assert r.status == 0, r.text
    pages = {pfn: maker.page_bytes(pfn, 4096) for pfn in (*range(1, 11), 34)}
    pages |= {11: bytes(4096), 12: bytes(4096), 13: b"\x55" * 4096, 32: b"\xaa" * 4096, 14: None, 17: None, 25: None}
    holds(tmp_path / "out", pages)


def test_a_split_set_becomes_one(understudy, made, tmp_path):
    parts = made("kdump-split")
    assert len(parts) > 1
    r = understudy("convert", *reversed(parts), tmp_path / "out")
    assert r.status == 0, r.text
    pages = {pfn: maker.page_bytes(pfn, 4096) for pfn in (*range(2, 10), *range(19, 23), 30, 31)}
    r = understudy("--reassemble", *parts, tmp_path / "out2", name="makedumpfile")
    assert r.status == 0 and "The dumpfile is saved to" in r.out, r.text
    for out in ("out", "out2"):
        held = understudy("dump", "--level", "0", "--format", "elf", tmp_path / out, tmp_path / f"{out}.elf")
        assert held.status == 0, held.text
        data = (tmp_path / f"{out}.elf").read_bytes()
        assert all(page in data for page in pages.values()), out


@pytest.mark.parametrize("words", (
    ["dump"], ["dump", "IN"], ["dump", "--level", "32", "IN", "OUT"], ["dump", "--level", "x", "IN", "OUT"],
    ["dump", "--exclude", "free,air", "IN", "OUT"], ["dump", "--exclude", "free", "--level", "16", "IN", "OUT"],
    ["dump", "--codec", "rar", "IN", "OUT"], ["dump", "--codec", "lzo", "--format", "elf", "IN", "OUT"],
    ["dump", "--format", "tar", "IN", "OUT"], ["dump", "--format", "kdump", "IN", "-"], ["dump", "--jobs", "0", "IN", "OUT"],
    ["dump", "--deadline", "soon", "IN", "OUT"], ["dump", "--progress-fd", "77", "IN", "OUT"], ["convert", "IN"],
    ["convert", "--level", "1", "IN", "OUT"], ["dump", "--estimate"]), ids=" ".join)
def test_words_that_make_no_sense(understudy, core, tmp_path, words):
    words = [core if w == "IN" else tmp_path / "out" if w == "OUT" else w for w in words]
    r = understudy(*words)
    assert r.status == 2 and r.err.strip() and not r.out, r.text
    assert not (tmp_path / "out").exists()


def test_what_is_no_dump_is_named(understudy, tmp_path):
    (tmp_path / "text").write_text("no dump at all\n" * 1000)
    r = understudy("dump", tmp_path / "text", tmp_path / "out")
    assert r.status == 3 and "text" in r.err and not (tmp_path / "out").exists()
    r = understudy("dump", "--json", "/nowhere/core", tmp_path / "out")
    assert r.status == 3 and valid(json.loads(r.err))["code"] == "not-found"


# ---- the name makedumpfile ----

@pytest.fixture
def makedumpfile(understudy):
    return lambda *words, **more: understudy(*words, name="makedumpfile", **more)


@pytest.mark.parametrize("flag", ["", "-c", "-l", "-p", "-z", "-E"])
def test_makedumpfile_writes_dumps(makedumpfile, core, tmp_path, flag):
    r = makedumpfile(*[flag][:bool(flag)], "-d", "1", core, tmp_path / "out")
    assert r.status == 0 and r.out.endswith(f"\nThe dumpfile is saved to {tmp_path / 'out'}.\n\nmakedumpfile Completed.\n"), r.text
    assert (tmp_path / "out").read_bytes().startswith(ELF if flag == "-E" else KDUMP)
    holds(tmp_path / "out", {pfn: elf_page(pfn) for pfn in RAM})
    r = makedumpfile("-d1", core, tmp_path / "out")
    assert r.status == 1 and "makedumpfile Failed." in r.out
    assert makedumpfile("-f", "-d1", "--message-level", "0", core, tmp_path / "out").out == ""


def test_makedumpfile_streams_and_rearranges(understudy, core, tmp_path):
    name = ["makedumpfile"]
    first = subprocess.Popen([*name, "-F", "-l", "-d", "1", core], executable=understudy.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    second = subprocess.run([*name, "-R", tmp_path / "out"], executable=understudy.path, stdin=first.stdout, capture_output=True, check=False)
    said = first.stderr.read()
    assert first.wait() == 0 and b"saved to STDOUT" in said
    assert second.returncode == 0, second.stderr
    holds(tmp_path / "out", {pfn: elf_page(pfn) for pfn in RAM})
    cut = subprocess.run([*name, "-R", tmp_path / "cut"], executable=understudy.path, input=b"makedumpfile\0", capture_output=True, check=False)
    assert cut.returncode == 1 and b"ends at" in cut.stderr and not (tmp_path / "cut").exists()


def test_makedumpfile_splits(makedumpfile, made, tmp_path):
    lines = "format elf\nnote-cpu 1\ninfo OSRELEASE=6.1.0-test\ninfo PAGESIZE=4096\nload 0x1000 0x300000 0xffff888000001000\n"
    big = made(lines)[0]
    parts = [tmp_path / f"part{i}" for i in range(3)]
    r = makedumpfile("-l", "--split", big, *parts)
    assert r.status == 0 and f"The dumpfiles are saved to {parts[0]}, {parts[1]}, and {parts[2]}." in r.out, r.text
    sizes = [p.stat().st_size for p in parts]
    assert max(sizes) < 1.3 * min(sizes)
    assert makedumpfile("--reassemble", *parts[::-1], tmp_path / "whole").status == 0
    holds(tmp_path / "whole", {pfn: maker.page_bytes(pfn, 4096) for pfn in range(1, 0x301, 17)})


def test_makedumpfile_dry_run_and_statistics(makedumpfile, core, tmp_path):
    before = sorted(p.name for p in tmp_path.iterdir())
    r = makedumpfile("--dry-run", "--show-stats", "-l", "-d", "1", core, tmp_path / "out")
    assert r.status == 0 and sorted(p.name for p in tmp_path.iterdir()) == before
    pages = {k.strip(): int(v, 16) for k, v in re.findall(r"^ *([^:\n]+?) *: (0x[0-9a-f]{16})$", r.out, re.M)}
    assert pages["Original pages"] == 11 and pages["Pages filled with zero"] == 3 and pages["Total pages"] == 20
    assert int(re.search(r"Write bytes +: (\d+)", r.out).group(1)) > 4096


def test_makedumpfile_dumps_the_log(makedumpfile, tmp_path):
    (tmp_path / "core").write_bytes(logs.core(logs.ring()))
    r = makedumpfile("--dump-dmesg", tmp_path / "core", tmp_path / "log")
    assert r.status == 0 and f"The dmesg log is saved to {tmp_path / 'log'}." in r.out, r.text
    lines = (tmp_path / "log").read_bytes().splitlines()
    assert lines[0] == b"[    0.000000] Linux version 6.12.0-made (nobody@nowhere) #1 SMP"
    assert b"[    3.000000] systemd[1]: Started the second line" in lines and b"               and a third" in lines
    assert makedumpfile("--dump-dmesg", tmp_path / "core", tmp_path / "log").status == 1
    assert makedumpfile("-f", "--dump-dmesg", tmp_path / "core", tmp_path / "log").status == 0


@pytest.mark.parametrize("words", (
    ["-X", "IN", "OUT"], ["--xen-syms", "f", "IN", "OUT"], ["-x", "vmlinux", "IN", "OUT"], ["-i", "f", "IN", "OUT"],
    ["-g", "f", "-x", "v"], ["--config", "f", "IN", "OUT"], ["--eppic", "f", "IN", "OUT"], ["--extension", "f", "IN", "OUT"],
    ["--diskset=f", "IN", "OUT"], ["--vtop", "0", "IN", "OUT"], ["-e", "IN", "OUT"], ["-E", "-F", "IN"], ["-E", "-c", "IN", "OUT"],
    ["--split", "-F", "IN", "OUT", "OUT"], ["--fly", "IN", "OUT"], ["-d", "32", "IN", "OUT"], ["-d", "1,x", "IN", "OUT"], ["IN"],
    ["-F", "IN", "OUT"], ["--num-threads", "many", "IN", "OUT"], ["--message-level", "32", "IN", "OUT"], ["-R"],
    ["--reassemble", "IN", "OUT"], ["--dry-run", "--dump-dmesg", "IN", "OUT"]), ids=" ".join)
def test_makedumpfile_says_what_it_cannot_do(makedumpfile, core, tmp_path, words):
    words = [core if w == "IN" else tmp_path / "out" if w == "OUT" else w for w in words]
    for more in ([], ["--check-params"]):
        r = makedumpfile(*more, *words)
        assert r.status == 1 and r.err.startswith("makedumpfile: ") and "Failed" in r.out + r.err, r.text
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("words", (
    ["-c", "-d", "31"], ["-l", "--message-level", "7", "-d", "31,16"], ["-z", "--num-threads", "4"], ["-E", "-d", "31"],
    ["-L", "1G", "-b", "4", "--cyclic-buffer", "1024", "--non-mmap", "--work-dir", "/var"]), ids=" ".join)
def test_makedumpfile_checks_parameters_without_a_dump(makedumpfile, words):
    r = makedumpfile("--check-params", *words, "/proc/vmcore", "/nowhere/dump")
    assert r.status == 0 and not r.out and not r.err, r.text


def test_makedumpfile_tells_its_version(makedumpfile):
    r = makedumpfile("-v")
    assert r.status == 0 and re.match(r"makedumpfile: version \d+\.\d+\.\d+ \(understudy ", r.out)
    assert "usage: makedumpfile" in makedumpfile("--help").out


# ---- a real kernel's dump, where the lab has made one ----

@pytest.fixture
def real(request):
    """The dump of Debian's 6.1, if it is in the cache; the tests do not make it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "understudy/cores"
    found = sorted(cache.glob("6.1.*-amd64-*-6.1"))
    if not found:
        pytest.skip("no dump of 6.1 in the cache (tests/vm/cores.py 6.1 makes it)")
    return found[-1]


def peer():
    path = Path(__file__).resolve().parents[2] / "build/peers/makedumpfile/usr/bin/makedumpfile"
    if not path.exists():
        pytest.skip("makedumpfile is not under build/peers (make setup fetches it)")
    return path


def test_statistics_are_the_peers(makedumpfile, real, tmp_path):
    def stats(text):
        return {k.strip(): int(v, 16) for k, v in re.findall(r"^ *([^:\n]+?) *: (0x[0-9a-f]{16})$", text, re.M)}
    ours = makedumpfile("-l", "-d", "31", "--show-stats", real, tmp_path / "ours")
    theirs = subprocess.run([peer(), "-l", "-d", "31", "--show-stats", real, tmp_path / "theirs"], capture_output=True, text=True, check=True)
    ours, theirs = stats(ours.out), stats(theirs.stdout + theirs.stderr)
    for row in ("Non-private cache pages", "Private cache pages", "User process data pages", "Free pages"):
        assert ours[row] == theirs[row], row
    size, other = (tmp_path / "ours").stat().st_size, (tmp_path / "theirs").stat().st_size
    assert size <= other * 1.01


def test_the_log_is_the_peers(makedumpfile, real, tmp_path):
    for words in ([], ["--partial-dmesg"]):
        assert makedumpfile("-f", "--dump-dmesg", *words, real, tmp_path / "ours").status == 0
        subprocess.run([peer(), "-f", "--dump-dmesg", *words, real, tmp_path / "theirs"], capture_output=True, check=True)
        assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_mem_usage_counts_the_pages(makedumpfile, real):
    r = makedumpfile("--mem-usage", real)
    rows = dict(re.findall(r"^(\w+)\t+(\d+) +\t", r.out, re.M))
    assert r.status == 0 and set(rows) == {"ZERO", "NON_PRI_CACHE", "PRI_CACHE", "USER", "FREE", "KERN_DATA"}
    assert sum(map(int, rows.values())) == pytest.approx(int(re.search(r"Total pages on system:\t(\d+)", r.out).group(1)), rel=0.01)


def same_pages(path, other, step=37):
    """Every step-th page: what one has the other has, with the same bytes. Returns how many are in both."""
    pfns = range(0, 0x20000, step)
    here, there = look(path, *pfns), look(other, *pfns)
    wrong = [pfn for pfn, a, b in zip(pfns, here, there) if a != b]
    assert not wrong, f"{len(wrong)} pages differ, the first is {wrong[0]:#x}"
    return sum(page is not None for page in here)


def test_the_peer_takes_our_dumps_and_we_take_its(understudy, makedumpfile, real, tmp_path):
    """Filtered again, split, put together and streamed by one, read by the other."""
    def theirs(*words, **more):
        done = subprocess.run([peer(), *map(str, words)], capture_output=True, check=False, **more)
        assert done.returncode == 0, (words, done.stdout[-500:], done.stderr[-500:])
        return done

    def ours(*words):
        r = makedumpfile(*words)
        assert r.status == 0, (words, r.text)

    t = tmp_path
    ours("-l", "-d", "16", real, t / "ours16")
    ours("-l", "-d", "31", real, t / "ours31")
    theirs("-c", "-d", "31", t / "ours16", t / "filtered-by-them")
    ours("-c", "-d", "31", t / "ours16", t / "filtered-by-us")
    assert same_pages(t / "filtered-by-us", t / "ours31") > 500
    theirs("-l", "-d", "31", real, t / "theirs31")
    assert same_pages(t / "filtered-by-them", t / "theirs31") > 500

    ours("-l", "-d", "31", "--split", real, t / "o1", t / "o2", t / "o3")
    theirs("--reassemble", t / "o1", t / "o2", t / "o3", t / "whole-by-them")
    assert same_pages(t / "whole-by-them", t / "ours31") > 500
    theirs("-l", "-d", "31", "--split", real, t / "t1", t / "t2", t / "t3")
    ours("--reassemble", t / "t3", t / "t1", t / "t2", t / "whole-by-us")
    assert same_pages(t / "whole-by-us", t / "theirs31") > 500

    with open(t / "flat", "wb") as out:
        subprocess.run(["makedumpfile", "-F", "-l", "-d", "31", real], executable=understudy.path, stdout=out, stderr=subprocess.DEVNULL,
                       check=True)
    with open(t / "flat", "rb") as stream:
        theirs("-R", t / "unflattened-by-them", stdin=stream)
    assert same_pages(t / "unflattened-by-them", t / "ours31") > 500


def test_levels_are_tried_in_order_where_there_is_no_room(makedumpfile, real, tmp_path):
    r = makedumpfile("-l", "-d", "0,31", "-L", "40M", "--show-stats", real, tmp_path / "out")
    assert r.status == 0 and "trying level 31" in r.err, r.text
    assert makedumpfile("-f", "-l", "-d", "31", real, tmp_path / "plain").status == 0
    assert (tmp_path / "out").stat().st_size == pytest.approx((tmp_path / "plain").stat().st_size, rel=0.01)
    r = makedumpfile("-f", "-l", "-d", "31", "-L", "8M", real, tmp_path / "out")
    assert r.status == 1 and "not in the dump" in r.err and "makedumpfile Failed." in r.out
    assert 4 << 20 < (tmp_path / "out").stat().st_size <= 8 << 20
    assert sum(page is not None for page in look(tmp_path / "out", *range(0, 0x20000, 7))) > 100
    r = makedumpfile("-f", "-l", "-d", "0,31", "-L", "2M", real, tmp_path / "small")  # the first has not even room for its table
    assert r.status == 1 and "trying level 31" in r.err and "not in the dump" in r.err, r.text
    assert 1 << 20 < (tmp_path / "small").stat().st_size <= 2 << 20


@pytest.mark.parametrize("name", ["elf", "elf-flat", "kdump", "kdump-v3", "kdump-split", "kdump-flat", "diskdump"])
def test_damaged_input_is_named_or_survived(understudy, made, tmp_path, name):
    """Bytes changed and ends cut off at places of a fixed sequence: an error that names the file, or a dump."""
    files, chance = made(name), random.Random(name)
    wholes = [f.read_bytes() for f in files]
    for number in range(20):
        for path, whole in zip(files, wholes):
            data = bytearray(whole)
            for _ in range(chance.randint(1, 8)):
                data[min(chance.randrange(len(data)), chance.randrange(len(data)))] = chance.randrange(256)
            path.write_bytes(data[:chance.randint(1, len(data))] if number % 4 == 0 else data)
        command = (["dump"], ["dump", "--level", "1", "--format", "elf"], ["convert"], ["convert", "--format", "flat"])[number % 4]
        r = understudy(*command, "-f", *files, tmp_path / "out", timeout=20)
        assert r.status in (0, 1, 3), (number, r.text)
        assert r.status != 3 or (r.err.startswith("understudy: ") and len(r.err) > 20), (number, r.err)


def right_pages(understudy, path, real, step=37):
    """How many of every step-th page are there; each has the bytes that it has in the input."""
    whole = path.with_name("whole")
    assert understudy("dump", "--level", "0", "--codec", "none", real, whole).status == 0
    pfns = range(0, 0x20000, step)
    pairs = [(a, b) for a, b in zip(look(path, *pfns), look(whole, *pfns)) if a is not None]
    assert all(a == b for a, b in pairs)
    return len(pairs)


def test_a_deadline_closes_the_dump(understudy, real, tmp_path):
    r = understudy("dump", "--level", "0", "-j", "1", "--codec", "zstd:19", "--deadline", "2", "--json", real, tmp_path / "out")
    told = valid(r.json)
    assert r.status == 1 and told["stopped"] == "deadline" and told["pages"]["dropped"] > 1000 and told["seconds"] < 10
    assert right_pages(understudy, tmp_path / "out", real, step=1) == told["pages"]["kept"] > 0
    assert understudy("verify", tmp_path / "out").status == 0


def test_what_is_killed_leaves_a_dump(understudy, real, tmp_path):
    """Without its name, which it gets at the end; what it holds is right."""
    work = subprocess.Popen(["understudy", "dump", "--level", "0", "--codec", "zstd:19", real, tmp_path / "out"],
                            executable=understudy.path, stdout=subprocess.DEVNULL)
    time.sleep(1.5)
    work.kill()
    assert work.wait() == -9 and not (tmp_path / "out").exists()
    left = tmp_path / "out.incomplete"
    r = understudy("convert", "--json", left, tmp_path / "rest")
    assert r.status in (0, 1), r.text
    assert right_pages(understudy, tmp_path / "rest", real, step=1) == valid(r.json)["pages"]["kept"] > 0
