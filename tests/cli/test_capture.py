# SPDX-License-Identifier: GPL-2.0-or-later
"""understudy-capture, as small and static as it goes into the capture image, by hand on a core that is made here: what it
packs, the full program reads. Its build leaves parts of libzstd out, which must never be missed."""
import os
import random
import stat
import struct
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
BESIDE = Path(os.environ.get("UNDERSTUDY_BINARY", TOP / "build/understudy")).resolve().parent / "understudy-capture"
PROGRAMS = sorted({p for p in (BESIDE, TOP / "build/understudy-capture") if p.exists()})
PAGE = 4096
INFO = b"OSRELEASE=6.1.0-test\nPAGESIZE=4096\nCRASHTIME=1700000000\n"


def memory():
    """Pages of zeros, of noise, of words, of tables; and each mixed with the one before."""
    rng = random.Random(7)
    words = [rng.randbytes(rng.randrange(2, 12)) for _ in range(300)]
    pages = []
    for i in range(600):
        kind = i % 5
        if kind == 0:
            page = bytes(PAGE)
        elif kind == 1:
            page = rng.randbytes(PAGE)
        elif kind == 2:
            page = b"".join(rng.choices(words, k=PAGE // 2))[:PAGE]
        elif kind == 3:
            page = b"".join(struct.pack("<Q", 0xffff888000000000 + 64 * rng.randrange(i + 1)) for _ in range(PAGE // 8))
        else:
            page = bytes(a if rng.random() < 0.9 else b for a, b in zip(pages[-1], pages[-2]))
        pages.append(page)
    return b"".join(pages)


def pages_of(path):
    """{address: bytes} of an ELF core's pages that are not zeros."""
    data, pages = path.read_bytes(), {}
    at, = struct.unpack_from("<Q", data, 32)
    size, n = struct.unpack_from("<HH", data, 54)
    for i in range(n):
        kind, _, offset, _, phys, file_bytes = struct.unpack_from("<IIQQQQ", data, at + i * size)
        for page in range(0, file_bytes if kind == 1 else 0, PAGE):
            if any(content := data[offset + page:offset + page + PAGE]):
                pages[phys + page] = content
    return pages


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """(path, its pages): an ELF core of x86-64 whose VMCOREINFO names no structure: all pages are kept."""
    ram = memory()
    note = struct.pack("<III", 11, len(INFO), 0) + b"VMCOREINFO\0\0" + INFO + bytes(-len(INFO) % 4)
    head = b"\x7fELF\2\1\1".ljust(16, b"\0") + struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    head += struct.pack("<IIQQQQQQ", 4, 0, PAGE, 0, 0, len(note), len(note), 4)
    head += struct.pack("<IIQQQQQQ", 1, 7, 2 * PAGE, 0, 1 << 20, len(ram), len(ram), PAGE)
    path = tmp_path_factory.mktemp("core") / "core"
    path.write_bytes(head.ljust(PAGE, b"\0") + note.ljust(PAGE, b"\0") + ram)
    return path, pages_of(path)


def recipe(folder, words):
    path = folder / "recipe"
    path.write_text(f"recipe host=here level=0 jobs=1 budget=120 {words}\n"
                    f"target kind=dir text=the-place path={folder}/place budget=60\n")
    return path


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.parent.name)
@pytest.mark.parametrize("codec", ["none", "lzo", "auto", "zstd", *(f"zstd:{n}" for n in (-50, -5, -1, 1, 2, 3))])
def test_what_it_packs_is_read_as_it_was(understudy, core, tmp_path, program, codec):
    path, pages = core
    run = subprocess.run([program, recipe(tmp_path, f"codec={codec}"), path], capture_output=True, timeout=300)
    assert run.returncode == 0, run.stderr.decode()
    crash, = (tmp_path / "place").iterdir()
    assert stat.S_IMODE(crash.stat().st_mode) == 0o700
    assert {stat.S_IMODE(f.stat().st_mode) for f in crash.iterdir()} == {0o600}
    state = (crash / "state.txt").read_text()
    assert "\nresult=saved\n" in state and "\ncodec=" not in state, state
    assert understudy("verify", crash / "dump").status == 0
    assert understudy("convert", "--format", "elf", crash / "dump", tmp_path / "elf").status == 0
    assert pages_of(tmp_path / "elf") == pages


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.parent.name)
def test_what_it_does_not_have_is_said(core, tmp_path, program):
    """A codec of the full program only: auto instead, noted; no target that holds: status 3; wrong words: 2."""
    run = subprocess.run([program, recipe(tmp_path, "codec=snappy"), core[0]], capture_output=True, timeout=300)
    assert run.returncode == 0, run.stderr.decode()
    state, = (tmp_path / "place").glob("*/state.txt")
    assert "snappy is not known here: auto" in state.read_text()
    (tmp_path / "file").touch()
    bad = tmp_path / "bad"
    bad.write_text(f"recipe budget=60\ntarget kind=dir text=none path={tmp_path}/file/x budget=20\n")
    assert subprocess.run([program, bad, core[0]], capture_output=True, timeout=300).returncode == 3
    assert subprocess.run([program], capture_output=True, timeout=60).returncode == 2
