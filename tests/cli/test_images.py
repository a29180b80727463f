# SPDX-License-Identifier: GPL-2.0-or-later
"""The makers of images: seeds are what their descriptions say, damage is always the same and enough."""
import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / "fixtures/images"))
import damage  # noqa: E402
import make  # noqa: E402

DESCRIPTIONS = sorted((TESTS / "fixtures/images").glob("*.img"))
CORPUS = TESTS / "fuzz/corpus/image"


@pytest.mark.parametrize("path", DESCRIPTIONS, ids=lambda p: p.stem)
def test_seed_is_what_its_description_makes(path):
    assert make.make(path) == (CORPUS / path.stem).read_bytes()


def test_damage_is_plenty_and_always_the_same():
    data = (CORPUS / "bzimage-pe").read_bytes()
    variants = list(damage.variants(data))
    names = [v.name for v in variants]
    assert len(variants) >= 300
    assert len(set(names)) == len(names)
    assert sum(v.broken for v in variants) >= 100
    assert all(v.data != data for v in variants)
    assert list(damage.variants(data)) == variants


@pytest.mark.parametrize("statement, problem", [
    ("fill 8\nto 4", "already at 0x8"),
    ("u24 1", "unknown statement 'u24'"),
])
def test_a_wrong_description_names_its_line(tmp_path, statement, problem):
    path = tmp_path / "wrong.img"
    path.write_text(statement + "\n")
    with pytest.raises(SystemExit) as raised:
        make.make(path)
    assert problem in str(raised.value) and "wrong.img:" in str(raised.value)


def test_labels_count_from_the_start_of_their_block(tmp_path):
    path = tmp_path / "labels.img"
    path.write_text('u8 end-start here size\nbig\nu16 start\nstart:\ntext "ab\\0"\nend:\nalign 4 0xff\n')
    assert make.make(path) == b"\x03\x00\x08\x00\x05ab\x00"
