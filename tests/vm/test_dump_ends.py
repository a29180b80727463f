# SPDX-License-Identifier: GPL-2.0-or-later
"""Dumps that are killed, that fill the disk, that meet a limit: other programs open them, and what they hold is right.

drgn and libkdumpfile open each; pages are held against the raw core.
"""
import os
import random
import resource
import signal
import struct
import subprocess
import time

import pytest

import cores
import vm as lab

PAGE = 4096
KILLS, SIZES = 200, 50


class Raw:
    """A raw copy of /proc/vmcore: its pages, without any library."""

    def __init__(self, path):
        self.file = open(path, "rb")
        head = self.file.read(64)
        at, number = struct.unpack_from("<Q", head, 32)[0], struct.unpack_from("<H", head, 56)[0]
        self.file.seek(at)
        loads = [struct.unpack("<IIQQQQQQ", self.file.read(56)) for _ in range(number)]
        self.pages = {}  # page number: file offset
        for kind, _, offset, _, phys, size, _, _ in loads:
            if kind == 1:
                first = -(-phys // PAGE)
                self.pages |= {pfn: offset + pfn * PAGE - phys for pfn in range(first, (phys + size) // PAGE)}

    def page(self, pfn):
        return os.pread(self.file.fileno(), PAGE, self.pages[pfn])


@pytest.fixture(scope="module")
def raw():
    try:
        return Raw(cores.core("6.1"))
    except lab.LabError as e:
        pytest.skip(str(e))


def right_pages(raw, path, sample, seed):
    """How many of a sample of pages libkdumpfile reads, all of them right; drgn opens the file, too."""
    kdumpfile = pytest.importorskip("kdumpfile", reason="python3-libkdumpfile is not installed")
    drgn = pytest.importorskip("drgn", reason="python3-drgn is not installed")
    program = drgn.Program()
    program.set_core_dump(str(path))
    dump = kdumpfile.kdumpfile(file=str(path))
    found = 0
    for pfn in random.Random(seed).sample(sorted(raw.pages), sample):
        try:
            data = dump.read(kdumpfile.KDUMP_MACHPHYSADDR, pfn * PAGE, PAGE)
        except kdumpfile.exceptions.KDumpBaseException:
            continue
        assert data == raw.page(pfn), f"page {pfn:#x} of {path}"
        found += 1
    return found


def dump(understudy, raw, out, *words, **more):
    command = [understudy, "dump", "--no-sync", "--force", *words, raw.file.name, out]
    return subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **more)


def test_killed_at_random_moments_the_file_is_a_dump(understudy, raw, tmp_path):
    """SIGKILL at 200 moments across a dump: either there is no header yet (it comes when notes and bitmaps are there), or readers open it."""
    out = tmp_path / "dump"
    began = time.perf_counter()
    assert dump(understudy, raw, out, "--level", "0", "--jobs", "2").wait() == 0
    took = time.perf_counter() - began
    assert right_pages(raw, out, 2000, 0) == 2000
    out.unlink()
    unfinished, opened, partly = tmp_path / "dump.incomplete", 0, 0
    for n in range(KILLS):
        process = dump(understudy, raw, out, "--level", "0", "--jobs", str(1 + n % 2))
        time.sleep(random.Random(n).uniform(0, took))
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stderr.close()
        path = out if out.exists() else unfinished
        if path.exists() and any(path.open("rb").read(PAGE)):
            found = right_pages(raw, path, 150, n)
            opened += 1
            partly += 0 < found < 150
        for leftover in (out, unfinished):
            leftover.unlink(missing_ok=True)
    print(f"{opened} of {KILLS} had a header, {partly} had part of the pages")
    assert opened > KILLS // 4 and partly > KILLS // 20


def test_no_room_at_50_sizes_gives_a_smaller_dump(understudy, raw, tmp_path):
    """The file may not grow beyond a size (which is the same to a writer as a full disk): the dump is closed."""
    out = tmp_path / "dump"
    assert dump(understudy, raw, out, "--level", "1").wait() == 0
    whole, closed = out.stat().st_size, 0
    for n in range(SIZES):
        out.unlink(missing_ok=True)
        size = whole * (n + 1) // (SIZES + 1)

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it, and children inherit that
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        process = dump(understudy, raw, out, "--level", "1", "--jobs", str(1 + n % 2), preexec_fn=limit)
        _, err = process.communicate()
        if not out.exists():
            assert process.returncode != 0 and err, f"{size} bytes: no dump and no word"
            continue
        closed += 1
        assert out.stat().st_size <= size
        assert not (struct.unpack_from("<I", out.read_bytes()[:512], 424)[0] & 8), "still marked as incomplete"
        right_pages(raw, out, 300, n)
        verify = subprocess.run([understudy, "verify", out], capture_output=True, text=True)
        assert verify.returncode == 0, verify.stdout + verify.stderr
    assert closed > SIZES * 3 // 4


@pytest.mark.parametrize("codec", ["none", "zlib", "lzo", "snappy", "zstd", "auto"])
def test_libkdumpfile_reads_every_page(understudy, raw, tmp_path, codec):
    out = tmp_path / "dump"
    assert dump(understudy, raw, out, "--level", "0", "--codec", codec).wait() == 0
    assert right_pages(raw, out, len(raw.pages), 0) == len(raw.pages)


@pytest.mark.parametrize("form", ["elf", "flat"])
def test_other_forms_hold_the_same(understudy, raw, tmp_path, form):
    """drgn reads the ELF file; makedumpfile makes a plain file of the flattened one."""
    drgn = pytest.importorskip("drgn", reason="python3-drgn is not installed")
    out = tmp_path / "dump"
    assert dump(understudy, raw, out, "--level", "1", "--format", form).wait() == 0
    if form == "flat":
        plain = tmp_path / "plain"
        with open(out, "rb") as f:
            subprocess.run([lab.peer("makedumpfile", "usr/bin/makedumpfile"), "-R", plain], stdin=f, check=True,
                           capture_output=True)
        assert right_pages(raw, plain, 3000, 1) == 3000
        return
    program = drgn.Program()
    program.set_core_dump(str(out))
    for pfn in random.Random(1).sample(sorted(raw.pages), 3000):
        assert program.read(pfn * PAGE, PAGE, True) == raw.page(pfn), hex(pfn)


def test_makedumpfile_reads_ours(understudy, raw, tmp_path):
    """It filters ours again, shows the log in it, and joins our split set; the log is the core's."""
    try:
        theirs = lab.peer("makedumpfile", "usr/bin/makedumpfile")
    except lab.LabError as e:
        pytest.skip(str(e))
    ours, again, joined = tmp_path / "ours", tmp_path / "again", tmp_path / "joined"
    assert dump(understudy, raw, ours, "--level", "1").wait() == 0
    quiet = [theirs, "--message-level", "4"]
    subprocess.run([*quiet, "-c", "-d", "31", ours, again], check=True, capture_output=True)
    assert 0 < right_pages(raw, again, 3000, 2) < 3000
    subprocess.run([understudy, "verify", again], check=True, capture_output=True)  # our checksums are not its own
    for source in (raw.file.name, ours):
        log = tmp_path / ("log-" + str(source)[-4:])
        subprocess.run([*quiet, "-f", "--dump-dmesg", source, log], check=True, capture_output=True)
    logs = sorted(tmp_path.glob("log-*"))
    assert logs[0].read_bytes() == logs[1].read_bytes() and len(logs[0].read_bytes()) > 10000
    parts = [tmp_path / f"part{i}" for i in range(3)]
    drop_in = tmp_path / "makedumpfile"
    drop_in.symlink_to(understudy)
    subprocess.run([drop_in, "-l", "-d", "31", "--split", raw.file.name, *parts], check=True, capture_output=True)
    subprocess.run([*quiet, "--reassemble", *parts, joined], check=True, capture_output=True)
    subprocess.run([understudy, "verify", joined], check=True, capture_output=True)
    whole = tmp_path / "whole"
    assert dump(understudy, raw, whole, "--level", "31").wait() == 0
    assert right_pages(raw, joined, 3000, 3) == right_pages(raw, whole, 3000, 3)
