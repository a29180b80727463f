# SPDX-License-Identifier: GPL-2.0-or-later
"""verify: on the dumps of the makers, whole, incomplete, damaged and split."""
import json
import struct
import sys
from pathlib import Path

import jsonschema
import pytest

TESTS = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / "fixtures/dumps"))
import logs  # noqa: E402

KDUMP, ELF = TESTS / "fuzz/corpus/vmcore-kdump", TESTS / "fuzz/corpus/vmcore-elf"
SOUND = [KDUMP / f"kdump-{name}" for name in ("v1", "v3", "v5", "arm", "big", "i386")] + [ELF / "elf", ELF / "elf-xnum", KDUMP / "diskdump"]


def verify(understudy, *paths):
    r = understudy("verify", "--json", *paths)
    jsonschema.validate(r.json, json.loads((Path(__file__).parent / "schema/verify.json").read_text()))
    assert r.status == r.json["exit"]
    return r.json


@pytest.mark.parametrize("path", SOUND, ids=lambda p: p.name)
def test_sound_dumps_are_sound(understudy, path):
    d = verify(understudy, path)
    assert d["exit"] == 0 and d["complete"] and d["pages"] and d["verdict"].startswith("sound") and not d["problems"]
    r = understudy("verify", path)
    assert r.status == 0 and "sound" in r.text


def test_an_incomplete_dump_is_said_to_be(understudy):
    d = verify(understudy, KDUMP / "kdump")
    assert d["exit"] == 1 and not d["complete"] and d["lost_pages"] == 1 and d["bad_pages"] == 0
    assert "0x12" in d["problems"][0] and d["verdict"].startswith("incomplete")


@pytest.mark.parametrize("codec, magic", (("zlib", b"\x78"), ("zstd", b"\x28\xb5\x2f\xfd")))
def test_a_page_that_does_not_unpack_is_named(understudy, tmp_path, codec, magic):
    data = bytearray((KDUMP / "kdump").read_bytes())
    at = data.index(magic, 6 * 4096)
    data[at:at + 8] = bytes(8)
    (tmp_path / "damaged").write_bytes(data)
    d = verify(understudy, tmp_path / "damaged")
    assert d["exit"] == 1 and d["bad_pages"] >= 1 and d["verdict"] == "damaged"
    assert any("0x" in p and codec in p for p in d["problems"]), d["problems"]


def test_a_split_set_is_whole_together_only(understudy):
    files = [KDUMP / f"kdump-split.{i}" for i in (3, 1, 2)]
    assert verify(understudy, *files)["exit"] == 0
    d = verify(understudy, *files[:2])
    assert d["exit"] == 1 and not d["complete"] and d["warnings"]


def test_a_cut_core_lacks_pages(understudy, tmp_path):
    (tmp_path / "cut").write_bytes(logs.core(logs.ring())[:-6000])
    d = verify(understudy, tmp_path / "cut")
    assert d["exit"] == 1 and d["lost_pages"] == 2 and d["bad_pages"] == 0


@pytest.fixture
def written(understudy, tmp_path):
    """written(codec, ...): a dump that understudy wrote, of a made core."""
    def make(codec, *more):
        (tmp_path / "core").write_bytes(logs.core(logs.ring(), notes=logs.prstatus(300, 0xffffffff81234567)))
        r = understudy("dump", "--level", "1", "--codec", codec, *more, tmp_path / "core", tmp_path / "dump")
        assert r.status == 0, r.text
        return tmp_path / "dump"
    return make


@pytest.mark.parametrize("codec", ("none", "lzo", "zlib", "snappy", "zstd"))
def test_checksums_are_compared(understudy, written, codec):
    path = written(codec)
    d = verify(understudy, path)
    assert d["exit"] == 0 and d["has_sums"] and d["checked_sums"] >= d["pages"] > 10 and d["verdict"] == "sound, by its checksums"


@pytest.mark.parametrize("codec", ("none", "lzo", "zlib", "snappy", "zstd"))
def test_one_changed_bit_of_page_data_is_found(understudy, written, codec):
    path = written(codec)
    whole = path.read_bytes()
    block, sub, bitmaps = struct.unpack_from("<3I", whole, 428)
    table = (1 + sub + bitmaps) * block
    places = {struct.unpack_from("<QI", whole, at) for at in range(table, table + 24 * verify(understudy, path)["pages"], 24)}
    assert len(places) > 5
    for offset, size in sorted(places)[::3]:
        data = bytearray(whole)
        data[offset + size // 2] ^= 0x10
        path.write_bytes(data)
        d = verify(understudy, path)
        assert d["exit"] == 1 and d["verdict"] == "damaged" and d["bad_pages"] + d["bad_sums"] > 0, hex(offset)
        assert any(f"0x{offset:x}" in p for p in d["problems"])


def test_a_dump_tells_what_its_core_told(understudy, written, tmp_path):
    dump = written("zstd")
    mine, cores = (understudy("info", "--json", path).json for path in (dump, tmp_path / "core"))
    for key in ("release", "version", "nodename", "crash_time", "crash", "log", "cpus"):
        assert mine[key] == cores[key], key
    assert understudy("log", dump).out == understudy("log", tmp_path / "core").out
    assert mine["format"] == "kdump-compressed" and mine["dump_level"] == 1


@pytest.mark.parametrize("words, status", ((["--jobs", "0", "DUMP"], 2), (["--jobs", "many", "DUMP"], 2), (["/nowhere"], 3), ([], 2),
                                           (["--jobs", "2", "DUMP"], 0)))
def test_words(understudy, words, status):
    assert understudy("verify", *[ELF / "elf" if w == "DUMP" else w for w in words]).status == status
