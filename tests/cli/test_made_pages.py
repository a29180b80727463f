# SPDX-License-Identifier: GPL-2.0-or-later
"""The page scan on made cores of both architectures, all numbers of levels and page sizes."""
import pathlib
import subprocess
import sys

import pytest

TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TESTS / "fixtures/dumps"))
import pages  # noqa: E402

SEEDS = pages.seeds()
MACHINES = [("x86_64", 4, 4096, "percpu"), ("x86_64", 5, 4096, "base"), ("x86_64", 4, 4096, "place"),
            ("arm64", 3, 4096, "base"), ("arm64", 4, 4096, "base"), ("arm64", 4, 16384, "place"),
            ("arm64", 3, 16384, "base"), ("arm64", 2, 65536, "base"), ("arm64", 3, 65536, "place")]


@pytest.mark.parametrize("name", SEEDS)
def test_seed_is_what_its_maker_makes(name):
    assert SEEDS[name] == (TESTS / "fuzz/corpus/pages" / name).read_bytes()


def check(understudy, core, era="6.12.0"):
    expected = dict(pages.CLASSES)
    if not pages.ERAS[era].offline:
        expected["offline"] = 0
    out = subprocess.run([pathlib.Path(understudy.path).parent / "tests/dump/runs", core], capture_output=True, text=True)
    assert out.returncode == 0, out.stderr
    totals = {w[1]: int(w[2]) for w in map(str.split, out.stdout.splitlines()) if w[0] == "total"}
    assert {kind: totals[kind] for kind in expected} == expected, out.stdout
    assert sum(totals.values()) == pages.PAGES
    assert f"{pages.PER_CPU} 2 protected" in out.stdout  # by kallsyms, without what was given back of the unit
    assert "unreadable 0\nfree_ok yes\nslab_ok yes\nseconds" in out.stdout


@pytest.mark.parametrize("arch,levels,page,form", MACHINES)
def test_every_class_is_found(understudy, tmp_path, arch, levels, page, form):
    (tmp_path / "core").write_bytes(pages.core(arch, levels, page, form))
    check(understudy, tmp_path / "core")


@pytest.mark.parametrize("era", pages.ERAS)
def test_every_era_is_understood(understudy, tmp_path, era):
    (tmp_path / "core").write_bytes(pages.core("x86_64", era=era))
    check(understudy, tmp_path / "core", era)
