# SPDX-License-Identifier: GPL-2.0-or-later
"""What others say of our dumps, and what we say of theirs.

makedumpfile 1.7.2 keeps the same pages and takes our files for its own; libkdumpfile and drgn read from them what
they read from the raw core; crash's commands print the same of both. The raw cores are cores.py's.
"""

import collections
import json
import re
import subprocess
import zlib

import pytest

import vm as lab
from test_pages import LEVELS, MAY_BE_KEPT, bit_numbers, class_of, scan, second_bitmap
from wanted import core

ALL_CORES = ("6.1", "6.12", "newest", "tiny", "6.1-qemu")
ZEROS = f"{zlib.crc32(bytes(4096)):08x}"
# crash 8.0.2 finds no tasks but the running ones where struct pid ends in an array without a size, as in late 6.1: its ps
# is short. So the list of tasks is walked as well; drgn knows them all.
TASK_LIST = "list task_struct.tasks -s task_struct.pid,comm,stack -h init_task"
CRASH_COMMANDS = ("sys", "bt -a", "ps", "kmem -i", "log", "mod", "foreach bt", TASK_LIST, "mount")


@pytest.fixture(autouse=True)
def emptied(tmp_path):
    """pytest keeps the folders of three runs, and dumps are large."""
    yield
    for path in tmp_path.iterdir():
        path.unlink()


@pytest.fixture(scope="session")
def debug(kernels):
    """(vmlinux, core) of the kernel with symbols."""
    return kernels["debug-6.1"].vmlinux, core("debug-6.1")


def run(*words, name=None, **more):
    """The output of a program that ends well; name is what it is called by."""
    words = [str(w) for w in words]
    done = subprocess.run([name or words[0], *words[1:]], executable=words[0], capture_output=True, timeout=300, **more)
    assert done.returncode == 0, f"{' '.join(words)}: {done.returncode}\n{done.stdout[-2000:]!r}\n{done.stderr.decode()}"
    return done.stdout


@pytest.fixture(scope="session")
def theirs(makedumpfile):
    """makedumpfile itself."""
    return lambda *words, **more: run(makedumpfile, "--message-level", "0", *words, **more)


@pytest.fixture(scope="session")
def ours(understudy):
    return lambda *words, **more: run(understudy, *words, **more)


@pytest.fixture(scope="session")
def as_makedumpfile(understudy):
    return lambda *words, **more: run(understudy, *words, name="makedumpfile", **more)


@pytest.fixture(scope="session")
def pages(understudy):
    """pages(DUMP...): {page number: checksum, or why there is none}, as libkdumpfile reads it."""
    program = understudy.parent / "tests/dump/kdump-pages"
    if not program.exists():
        pytest.skip("kdump-pages is not built: libkdumpfile-dev was not there")
    return lambda *dumps: dict(line.split(" ", 1) for line in run(program, *dumps).decode().splitlines())


@pytest.fixture(scope="session")
def our_pages(understudy):
    """The same as our own readers read it."""
    program = understudy.parent / "tests/dump/memory"
    said = re.compile(r"^([0-9a-f]+) ([0-9a-f]{8}|excluded|lost|failed)$", re.M)

    def read(*dumps):
        # Words of the summary at the end look like lines of pages: "failed 0".
        return dict(said.findall(run(program, "--lines", *dumps).decode().split("\nformat ")[0]))
    return read


def stored(found):
    kept = {pfn: crc for pfn, crc in found.items() if crc != "excluded"}
    assert all(re.fullmatch("[0-9a-f]{8}", crc) for crc in kept.values()), set(kept.values()) - {""}
    return kept


@pytest.fixture(scope="session")
def raw(pages):
    """raw(name): libkdumpfile's reading of a raw core, read once."""
    known = {}

    def read(name):
        if name not in known:
            known[name] = stored(pages(core(name)))
            assert len(known[name]) > 60000
        return known[name]
    return read


# ---- makedumpfile keeps the same pages ----------------------------------------------------------------

@pytest.mark.parametrize("name", ["6.1", "debug-6.1"])
@pytest.mark.parametrize("level", LEVELS)
def test_a_dump_holds_makedumpfiles_pages_bit_for_bit(ours, theirs, understudy, pages, raw, tmp_path, name, level):
    """Every difference is a page that the class rules protect; every page that is there is the input's."""
    theirs("-l", "-d", level, core(name), tmp_path / "theirs")
    told = json.loads(ours("dump", "--json", "--level", level, core(name), tmp_path / "ours"))
    assert told["complete"] and told["level_used"] == level and not told["warnings"]
    they_keep, max_mapnr = second_bitmap(tmp_path / "theirs")
    we_keep, ours_max = second_bitmap(tmp_path / "ours")
    assert ours_max == max_mapnr
    found, _, _ = scan(understudy.parent / "tests/dump/runs", core(name))
    missing = [(hex(pfn), class_of(found, pfn)) for pfn in bit_numbers(they_keep & ~we_keep)]
    assert not missing, missing[:20]
    more = collections.Counter(class_of(found, pfn) for pfn in bit_numbers(we_keep & ~they_keep))
    print(f"{name} level {level}: {told['pages']['kept']} kept, more than makedumpfile: {dict(more)}")
    assert set(more) <= MAY_BE_KEPT and sum(more.values()) < 64

    kept = stored(pages(tmp_path / "ours"))
    assert {int(pfn, 16) for pfn in kept} == set(bit_numbers(we_keep)) and len(kept) == told["pages"]["kept"]
    wrong = [pfn for pfn, crc in kept.items() if raw(name)[pfn] != crc]
    assert not wrong, wrong[:20]


# ---- libkdumpfile reads every page --------------------------------------------------------------------

@pytest.mark.parametrize("name", ALL_CORES)
def test_libkdumpfile_reads_every_page(ours, pages, our_pages, raw, tmp_path, name):
    told = json.loads(ours("dump", "--json", core(name), tmp_path / "dump"))
    assert told["level_used"] == 31 and told["free_consistent"]
    found = pages(tmp_path / "dump")
    kept = stored(found)
    assert kept.items() <= raw(name).items() and len(kept) == told["pages"]["kept"] > 5000
    assert found.keys() == raw(name).keys()
    assert our_pages(tmp_path / "dump") == found


@pytest.mark.parametrize("codec", ["none", "lzo", "zlib", "zlib:9", "snappy", "zstd", "zstd:-2", "auto"])
def test_libkdumpfile_unpacks_every_codec(ours, pages, raw, tmp_path, codec):
    """Nothing is left out here: the dump is the core."""
    ours("dump", "--codec", codec, "--level", "0", core("tiny"), tmp_path / "dump")
    assert stored(pages(tmp_path / "dump")) == raw("tiny")


@pytest.mark.parametrize("jobs", [1, 2])
def test_libkdumpfile_reads_an_elf_core(ours, pages, raw, tmp_path, jobs):
    """What is left out is no memory there; zero pages are memory without bytes in the file."""
    told = json.loads(ours("dump", "--json", "--format", "elf", "--jobs", jobs, core("6.1"), tmp_path / "elf"))
    ours("dump", core("6.1"), tmp_path / "kdump")
    found = pages(tmp_path / "elf")
    assert found.keys() == stored(pages(tmp_path / "kdump")).keys() and len(found) == told["pages"]["kept"]
    assert stored(found).items() <= raw("6.1").items()
    assert {raw("6.1")[pfn] for pfn, crc in found.items() if crc == "excluded"} == {ZEROS}


# ---- drgn -----------------------------------------------------------------------------------------------

def drgn(*words, pages=()):
    return run("/usr/bin/python3", lab.HERE / "drgn_look.py", *words, input=" ".join(pages).encode()).decode()


@pytest.mark.parametrize("name", ["6.1", "6.12", "newest"])
def test_drgn_without_symbols_says_the_same(ours, pages, raw, tmp_path, name):
    """The release, and every page; zero pages of an ELF core are zeros to it."""
    ours("dump", core(name), tmp_path / "kdump")
    ours("dump", "--format", "elf", core(name), tmp_path / "elf")
    kept = stored(pages(tmp_path / "kdump"))
    said = drgn(core(name), pages=kept)
    assert f"release {lab.kernel(name).release}\n" in said
    assert {tuple(line.split()) for line in said.splitlines()[2:]} == kept.items()
    assert drgn(tmp_path / "kdump", pages=kept) == said == drgn(tmp_path / "elf", pages=kept)


@pytest.mark.parametrize("name", ["6.1", "6.12", "newest"])
def test_vmcoreinfo_and_registers_are_the_cores(ours, tmp_path, name):
    kdumpfile = pytest.importorskip("kdumpfile", reason="python3-libkdumpfile is not installed")

    def look(path):
        dump = kdumpfile.kdumpfile(file=str(path))
        registers = [dump.attr[f"cpu.{n}.reg"] for n in range(2)]
        return bytes(memoryview(dump.attr["linux.vmcoreinfo.raw"])).decode(), [{k: cpu[k] for k in cpu} for cpu in registers]

    info, cpus = look(core(name))
    assert f"OSRELEASE={lab.kernel(name).release}" in info and all(cpu["rip"] >> 63 for cpu in cpus)
    for form in ("kdump", "elf"):
        ours("dump", "--format", form, core(name), tmp_path / form)
        assert look(tmp_path / form) == (info, cpus), form


def test_drgn_with_symbols_says_the_same(debug, ours, tmp_path):
    vmlinux, dump = debug
    said = drgn(dump, vmlinux)
    tasks, stacks = re.findall(r"^task (\d+) (\S+)", said, re.M), re.findall(r"^#\d+ ", said, re.M)
    assert len(tasks) > 10 and len(stacks) > 30 and ("0", "swapper/0") not in tasks
    assert re.search(r"^crashed \d+ sh$", said, re.M) and "sysrq_handle_crash" in said
    assert re.search(r"^module crc_itu_t ", said, re.M) and "Kernel panic - not syncing: sysrq triggered crash" in said
    ours("dump", dump, tmp_path / "kdump")
    ours("dump", "--format", "elf", dump, tmp_path / "elf")
    assert drgn(tmp_path / "kdump", vmlinux) == said
    assert drgn(tmp_path / "elf", vmlinux) == said


# ---- crash ----------------------------------------------------------------------------------------------

def crash(vmlinux, dump, commands=CRASH_COMMANDS):
    """{command: what crash prints}, without the line that names the file."""
    script = "".join(f"echo == {c}\n{c}\n" for c in commands) + "quit\n"
    said = run("/usr/bin/crash", "-s", vmlinux, dump, input=script.encode()).decode("utf-8", "replace")
    parts = re.split(r"^== (.*)\n", said, flags=re.M)
    assert tuple(parts[1::2]) == tuple(commands), said[:2000]
    return {name: re.sub(r"^ *DUMPFILE: .*\n", "", text, flags=re.M) for name, text in zip(parts[1::2], parts[2::2])}


@pytest.fixture(scope="session")
def crash_of_the_core(debug):
    if not lab.shutil.which("crash"):
        pytest.skip("crash is not installed")
    said = crash(*debug)
    assert 'PANIC: "Kernel panic - not syncing: sysrq triggered crash"' in said["sys"] and "CPUS: 2" in said["sys"]
    assert said["bt -a"].count("PID:") == 2 and "__handle_sysrq" in said["bt -a"] and "do_idle" in said["bt -a"]
    assert re.search(r"^> +\d+ .* sh$", said["ps"], re.M) and "[swapper/1]" in said["ps"]
    assert "kthreadd" in said[TASK_LIST] and said[TASK_LIST].count("pid = ") > 20
    assert re.search(r"TOTAL MEM +\d+", said["kmem -i"]) and "ext2" in said["mount"]
    assert len(said["log"].splitlines()) > 100 and "crc_itu_t" in said["mod"]
    return said


@pytest.mark.parametrize("words", [["--codec", "lzo"], ["--codec", "zstd", "--jobs", "1"], ["--format", "elf"], ["--level", "1"]],
                         ids=" ".join)
def test_crash_says_the_same(debug, crash_of_the_core, ours, tmp_path, words):
    vmlinux, dump = debug
    ours("dump", *words, dump, tmp_path / "dump")
    said = crash(vmlinux, tmp_path / "dump")
    for command, text in crash_of_the_core.items():
        assert said[command] == text, command


def test_crash_opens_a_stream_and_a_split_set(debug, crash_of_the_core, ours, as_makedumpfile, tmp_path):
    vmlinux, dump = debug
    (tmp_path / "stream").write_bytes(ours("dump", dump, "-"))
    assert crash(vmlinux, tmp_path / "stream") == crash_of_the_core
    parts = [tmp_path / f"part{n}" for n in range(3)]
    as_makedumpfile("--split", "-d", "31", dump, *parts)
    as_makedumpfile("--reassemble", *parts, tmp_path / "whole")
    assert crash(vmlinux, tmp_path / "whole") == crash_of_the_core


# ---- makedumpfile takes our files -----------------------------------------------------------------------

def test_makedumpfile_filters_ours_further(ours, theirs, pages, raw, tmp_path):
    """From all our pages it comes to the same dump as from the core; from a filtered one to no page more."""
    theirs("-l", "-d", "31", core("6.1"), tmp_path / "direct")
    direct = second_bitmap(tmp_path / "direct")
    for level, codec in ((0, "zlib"), (1, "lzo"), (31, "zlib")):
        ours("dump", "--level", level, "--codec", codec, core("6.1"), tmp_path / f"ours{level}")
        theirs("-c", "-d", "31", tmp_path / f"ours{level}", tmp_path / f"again{level}")
        assert second_bitmap(tmp_path / f"again{level}") == direct, level
        assert stored(pages(tmp_path / f"again{level}")).items() <= raw("6.1").items()


def test_makedumpfile_reassembles_rearranges_and_finds_the_log(ours, theirs, as_makedumpfile, pages, raw, tmp_path):
    ours("dump", "--codec", "lzo", core("6.1"), tmp_path / "whole")
    want = stored(pages(tmp_path / "whole"))
    parts = [tmp_path / f"part{n}" for n in range(3)]
    as_makedumpfile("--split", "-l", "-d", "31", core("6.1"), *parts)
    theirs("--reassemble", *parts, tmp_path / "reassembled")
    assert stored(pages(tmp_path / "reassembled")) == want == stored(pages(*parts))
    (tmp_path / "stream").write_bytes(ours("dump", "--codec", "lzo", core("6.1"), "-"))
    with open(tmp_path / "stream", "rb") as stream:
        theirs("-R", tmp_path / "rearranged", stdin=stream)
    assert stored(pages(tmp_path / "rearranged")) == want
    theirs("--dump-dmesg", core("6.1"), tmp_path / "log")
    assert "sysrq triggered crash" in (tmp_path / "log").read_text()
    ours("dump", "--format", "elf", core("6.1"), tmp_path / "elf")
    for name in ("whole", "reassembled", "rearranged", "elf"):
        theirs("--dump-dmesg", tmp_path / name, tmp_path / f"{name}.log")
        assert (tmp_path / f"{name}.log").read_bytes() == (tmp_path / "log").read_bytes(), name


# ---- we take theirs, QEMU's and our own -----------------------------------------------------------------

def make_theirs(theirs, folder):
    """{what: files} as makedumpfile writes them."""
    made = {}
    for what, words in {"zlib": ["-c"], "lzo": ["-l"], "raw": [], "elf": ["-E"]}.items():
        theirs(*words, "-d", "31", core("6.1"), folder / what)
        made[what] = [folder / what]
    (folder / "stream").write_bytes(theirs("-F", "-l", "-d", "31", core("6.1")))
    parts = [folder / f"split{n}" for n in range(3)]
    theirs("-c", "-d", "31", "--splitblock-size", "1024", "--split", core("6.1"), *parts)
    return made | {"stream": [folder / "stream"], "split": parts}


def make_ours(ours, as_makedumpfile, folder):
    made = {}
    for what in ("kdump", "elf"):
        ours("dump", "--format", what, core("6.1"), folder / what)
        made[what] = [folder / what]
    (folder / "stream").write_bytes(ours("dump", core("6.1"), "-"))
    parts = [folder / f"split{n}" for n in range(3)]
    as_makedumpfile("--split", "-z", "-d", "31", core("6.1"), *parts)
    return made | {"stream": [folder / "stream"], "split": parts}


def check_read_back(ours, our_pages, files, folder, log, known):
    """info, verify, log and convert of one dump. known: {page: checksum} in the order of truth; None for ELF cores of
    makedumpfile, in which what was left out cannot be told from zeros."""
    what = files[0].name
    told = json.loads(ours("info", "--json", *files))
    assert told["release"] == lab.kernel("6.1").release and not told["incomplete"], what
    checked = json.loads(ours("verify", "--json", *files))
    assert checked["exit"] == 0 and checked["pages"] and not checked["bad_pages"] and not checked["lost_pages"], what
    assert ours("log", *files) == log, what
    found = stored(our_pages(*files))
    assert known is None or found.items() <= known.items(), what
    for form in ("kdump", "elf"):
        ours("convert", "--format", form, *files, folder / "converted")
        assert stored(our_pages(folder / "converted")) == found, (what, form)
        (folder / "converted").unlink()


@pytest.mark.parametrize("who", ["theirs", "ours"])
def test_dumps_are_read_back(ours, theirs, as_makedumpfile, our_pages, raw, tmp_path, who):
    made = make_theirs(theirs, tmp_path) if who == "theirs" else make_ours(ours, as_makedumpfile, tmp_path)
    log = ours("log", core("6.1"))
    assert b"sysrq triggered crash" in log
    for what, files in made.items():
        check_read_back(ours, our_pages, files, tmp_path, log, None if (who, what) == ("theirs", "elf") else raw("6.1"))


@pytest.mark.parametrize("form", ["", "-zlib"])
def test_qemus_dumps_are_read_back(ours, theirs, pages, our_pages, tmp_path, form):
    """libkdumpfile 0.5.1 does not know streams, so it reads what makedumpfile makes of QEMU's."""
    dump = plain = core(f"6.1-qemu{form}")
    if form == "-zlib":
        plain = tmp_path / "plain"
        with open(dump, "rb") as stream:
            theirs("-R", plain, stdin=stream)
    check_read_back(ours, our_pages, [dump], tmp_path, ours("log", core("6.1-qemu")), stored(pages(plain)))
