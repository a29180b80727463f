# SPDX-License-Identifier: GPL-2.0-or-later
"""What a disk holds after the power went at any point of time, from the record of all writes that QEMU's blklogwrites
driver keeps (the format of the kernel's dm-log-writes, Documentation/admin-guide/device-mapper/log-writes.rst, version
1): what was flushed is there; of what was written after the last flush any part may be, in any order."""

import os
import random
import struct
import subprocess
from dataclasses import dataclass

MAGIC, VERSION = 0x6A736677736872, 1
FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8


@dataclass
class Entry:
    sector: int
    sectors: int
    flags: int
    at: int  # of the data in the journal
    bytes: int


def entries(journal):
    """(sector size, [Entry...])"""
    with open(journal, "rb") as f:
        magic, version, count, size = struct.unpack("<QQQI", f.read(28))
        assert (magic, version) == (MAGIC, VERSION), f"{journal} is no journal of writes"
        at, found = size, []
        for _ in range(count):
            f.seek(at)
            sector, sectors, flags, n = struct.unpack("<QQQQ", f.read(32))
            has_data = not flags & DISCARD
            found.append(Entry(sector, sectors, flags, at + size, n or (sectors * size if has_data else 0)))
            at += size + (sectors * size if has_data else 0)
    return size, found


def count(journal):
    """Entries so far; the machine may be running."""
    with open(journal, "rb") as f:
        head = f.read(28)
    return struct.unpack_from("<Q", head, 16)[0] if len(head) == 28 else 0


def surviving(found, cut, chance):
    """Of the entries before `cut`, those whose data are on the disk."""
    flushed = max((i for i in range(cut) if found[i].flags & FLUSH), default=0)
    return [e for i, e in enumerate(found[:cut]) if i < flushed or e.flags & FUA or chance.random() < 0.5]


def cut(before, journal, at, to, seed=1):
    """Makes `to` what the disk (`before`, when its journal began) holds when the power goes before entry `at`."""
    size, found = entries(journal)
    subprocess.run(["cp", "--sparse=always", before, to], check=True)
    with open(journal, "rb") as log, open(to, "r+b") as disk:
        for entry in surviving(found, at, random.Random(seed + at)):
            if entry.flags & DISCARD or not entry.sectors:
                continue
            data = os.pread(log.fileno(), entry.sectors * size, entry.at)
            os.pwrite(disk.fileno(), data, entry.sector * size)
    return to
