# SPDX-License-Identifier: GPL-2.0-or-later
"""Hundreds of damaged variants of a real dump: no crash, no hang; an error with a name or a partial result.

The dumps are makedumpfile's of the tiny kernel (both formats, level 31), so that page tables, struct pages, the log
and everything else are there to be followed into the wrong. With the sanitizer build (UNDERSTUDY_BINARY) this walks
all readers over bad input.
"""

import collections
import json
import random
import struct
import subprocess

import pytest

import cores
import vm as lab

VARIANTS = 125  # of each form and part
PARTS = 2
PATIENCE = 30.0
EXTREMES = (b"\0" * 8, b"\xff" * 8, b"\1" + bytes(7), b"\0\0\0\x80" * 2, b"\xff" * 7 + b"\x7f", b"\0\xf0" + b"\xff" * 6)


@pytest.fixture(scope="module")
def seeds(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mutated")
    try:
        program = lab.peer("makedumpfile", "usr/bin/makedumpfile")
        core = cores.core("tiny")
    except lab.LabError as e:
        pytest.skip(str(e))
    for name, words in (("kdump", ["-l", "-d", "31"]), ("elf", ["-E", "-d", "31"])):
        subprocess.run([program, "--message-level", "0", *words, core, folder / name], check=True, capture_output=True)
    return folder


def regions(data):
    """Where damage does most: (start, length)."""
    found = [(0, 512), (data.index(b"OSRELEASE="), 3200)]
    if data[:8] == b"KDUMP   ":
        block, sub_blocks, bitmap_blocks = struct.unpack_from("<3I", data, 428)
        bitmap = (1 + sub_blocks) * block
        table = bitmap + bitmap_blocks * block
        found += [(block, 200), (bitmap, bitmap_blocks * block), (table, 24 * 4000), (table, len(data) - table)]
    else:
        headers = struct.unpack_from("<H", data, 56)[0] * 56
        found += [(64, headers), (64, headers), (64 + headers, len(data) - 64 - headers)]
        found += [(at & ~0xFFF, 4096) for at in tables(data)]
    return found


def tables(data):
    """File offsets of what looks like page tables: pages of present, global or user entries."""
    for at in range(0x1000, len(data) - 4096, 4096):
        if data[at] in (0x63, 0x67, 0xE3) and data[at + 7] in (0, 0x80):
            yield at


def damage(rng, places, size):
    """[(offset, bytes)], or a size to cut to."""
    if rng.random() < 0.1:
        return rng.randrange(size)
    changes = []
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        start, length = rng.choice(places)
        value = rng.choice((rng.choice(EXTREMES)[:rng.choice((1, 4, 8))], rng.randbytes(rng.choice((1, 8, 64)))))
        changes.append((min(start + rng.randrange(max(1, length)), size - 64), value))
    return changes


def judge(understudy, *words):
    """"part" or "error"; anything else is a failure."""
    try:
        r = subprocess.run([understudy, *words, "--json"], capture_output=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return "hang"
    if r.returncode not in (0, 1, 3):
        return f"status {r.returncode}: {r.stderr[-600:].decode(errors='replace')}"
    try:
        if r.stdout:
            return "part" if json.loads(r.stdout) else "nothing"
        return "error" if json.loads(r.stderr)["text"] else "an error without words"
    except (ValueError, KeyError) as e:
        return f"no JSON: {e}"


@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize("form", ("kdump", "elf"))
def test_damage_is_survived(understudy, seeds, tmp_path, form, part):
    whole = (seeds / form).read_bytes()
    places, path = regions(whole), tmp_path / "damaged"
    path.write_bytes(whole)
    outcomes, wrong = collections.Counter(), []
    for number in range(part, PARTS * VARIANTS, PARTS):
        change = damage(random.Random(f"{form} {number}"), places, len(whole))
        with open(path, "r+b") as f:
            if isinstance(change, int):
                f.truncate(change)
            else:
                for at, value in change:
                    f.seek(at)
                    f.write(value)
        for command, *words in (("info",), ("log",), ("verify",), ("dump", "--estimate")):
            outcome = judge(understudy, command, *words, path)
            outcomes[command, outcome if outcome in ("part", "error") else "wrong"] += 1
            if outcome not in ("part", "error"):
                wrong.append((number, change, command, outcome))
        with open(path, "r+b") as f:
            if isinstance(change, int):
                f.seek(change)
                f.write(whole[change:])
            else:
                for at, value in change:
                    f.seek(at)
                    f.write(whole[at:at + len(value)])
    print(dict(outcomes))
    assert not wrong, wrong
    assert path.read_bytes() == whole
    assert outcomes["info", "error"] and outcomes["info", "part"] > VARIANTS / 4
