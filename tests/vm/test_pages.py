# SPDX-License-Identifier: GPL-2.0-or-later
"""Which pages a dump level keeps: our page scan against makedumpfile's second bitmap, page by page.

makedumpfile 1.7.2 understands 6.1 fully. Every difference must be one that a rule explains:
  kept by us   protected pages (image, page tables, struct pages, stacks), and what cannot be judged: tails
               without a head, orders that cannot be
  left out     never more than makedumpfile leaves out
"""

import collections
import struct
import subprocess

import pytest

from wanted import core


LEVELS = (1, 2, 4, 8, 16, 31)
MAY_BE_KEPT = {"protected", "kernel"}


def second_bitmap(path):
    """Bitmap 2 of a kdump file as an integer, bit pfn = page is in the dump; and max_mapnr."""
    with open(path, "rb") as f:
        head = f.read(464)
        assert head[:8] == b"KDUMP   "
        block, sub_blocks, bitmap_blocks, max_mapnr = struct.unpack_from("<4I", head, 428)
        f.seek((1 + sub_blocks) * block + bitmap_blocks * block // 2)
        return int.from_bytes(f.read((max_mapnr + 7) // 8), "little"), max_mapnr


def bit_numbers(bits):
    text = bin(bits)[:1:-1]
    at = text.find("1")
    while at >= 0:
        yield at
        at = text.find("1", at + 1)


@pytest.fixture(scope="session")
def runs(understudy):
    path = understudy.parent / "tests/dump/runs"
    assert path.exists(), path
    return path


def scan(runs, dump, *words):
    done = subprocess.run([runs, dump, *map(str, words)], capture_output=True, text=True, check=True)
    found, totals, said = [], {}, collections.defaultdict(list)
    for line in done.stdout.splitlines():
        key, _, rest = line.partition(" ")
        if key.isdigit():
            count, kind = rest.split()
            found.append((int(key), int(count), kind))
        elif key == "total":
            kind, count = rest.split()
            totals[kind] = int(count)
        else:
            said[key].append(rest)
    return found, totals, said


def class_of(found, pfn):
    return next((kind for start, count, kind in found if start <= pfn < start + count), "hole")


@pytest.mark.parametrize("name", ("6.1", "6.12", "newest", "tiny"))
def test_runs_cover_all_memory_once(runs, name):
    found, totals, said = scan(runs, core(name))
    assert all(a + n <= b for (a, n, _), (b, _, _) in zip(found, found[1:]))
    assert not any(a + n == b and k == l for (a, n, k), (b, _, l) in zip(found, found[1:])), "unmerged"
    sums = collections.Counter()
    for _, count, kind in found:
        sums[kind] += count
    assert all(sums[kind] == count for kind, count in totals.items())
    assert said["free_ok"] == ["yes"] and said["slab_ok"] == ["yes"] and not said["note"], said
    assert said["unreadable"] == ["0"]
    assert all(totals[kind] for kind in ("free", "user", "slab", "cache", "protected"))


@pytest.mark.parametrize("level", LEVELS)
def test_kept_pages_equal_makedumpfiles(runs, makedumpfile, tmp_path, level):
    dump = core("6.1")
    subprocess.run([makedumpfile, "-d", str(level), "--message-level", "0", dump, tmp_path / "theirs"], check=True,
                   capture_output=True)
    theirs, max_mapnr = second_bitmap(tmp_path / "theirs")
    scan(runs, dump, "bits", level, tmp_path / "ours")
    ours = int.from_bytes((tmp_path / "ours").read_bytes(), "little")
    assert theirs and ours < 1 << max_mapnr
    found, _, _ = scan(runs, dump)
    left_out = list(bit_numbers(theirs & ~ours))
    assert not left_out, [(hex(pfn), class_of(found, pfn)) for pfn in left_out[:20]]
    kept = collections.Counter(class_of(found, pfn) for pfn in bit_numbers(ours & ~theirs))
    print(f"level {level}: {bin(ours).count('1')} pages kept, {bin(theirs).count('1')} by makedumpfile, more: {dict(kept)}")
    assert set(kept) <= MAY_BE_KEPT
    assert sum(kept.values()) < 64, kept


def test_a_filtered_dump_is_judged_as_its_source(runs, makedumpfile, tmp_path):
    dump = core("6.1")
    subprocess.run([makedumpfile, "-l", "-d", "31", "--message-level", "0", dump, tmp_path / "filtered"], check=True,
                   capture_output=True)
    assert scan(runs, tmp_path / "filtered")[0] == scan(runs, dump)[0]


@pytest.mark.parametrize("form", ("", "-zlib", "-paging"))
def test_qemus_dumps_of_one_guest_agree(runs, form):
    found, totals, said = scan(runs, core(f"6.1-qemu{form}"))
    assert said["free_ok"] == ["yes"] and said["slab_ok"] == ["yes"] and not said["note"], said
    assert totals["protected"] > 10000 and totals["free"] > 50000
