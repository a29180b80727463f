# SPDX-License-Identifier: GPL-2.0-or-later
"""The seeds of the fuzz target "log" are what their maker makes."""
import pathlib
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / "fixtures/dumps"))
import logs  # noqa: E402

SEEDS = logs.seeds()


@pytest.mark.parametrize("name", SEEDS)
def test_seed_is_what_its_maker_makes(name):
    text, memory = SEEDS[name]
    assert text + b"\0" + memory == (TESTS / "fuzz/corpus/log" / name).read_bytes()
