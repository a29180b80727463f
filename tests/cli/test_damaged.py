# SPDX-License-Identifier: GPL-2.0-or-later
"""Hundreds of damaged images: each gets a verdict within a second, none takes the program down, none that must be noticed passes.

The variants are those of tests/fixtures/images/damage.py, made from a probe kernel. With the sanitizer build
(UNDERSTUDY_BINARY) this is also a walk of the parsers over bad input.
"""
import damage
import pytest

PARTS = 8  # so that they can run side by side
LIMIT = 1.0  # seconds; the sanitizer build is slower, and so is a busy machine
PATIENCE = 5.0


@pytest.fixture
def broken(image):
    return list(damage.variants(image("whole").read_bytes()))


def test_there_are_enough(broken):
    assert len(broken) >= 300
    assert len({v.name for v in broken}) == len(broken)
    assert sum(v.broken for v in broken) >= 100


@pytest.mark.parametrize("part", range(PARTS))
def test_every_damaged_image_gets_a_verdict_in_time(understudy, host, tmp_path, broken, part):
    machine, slow, missed = host("vm-4level"), [], []
    for variant in broken[part::PARTS]:
        path = tmp_path / "damaged"
        path.write_bytes(variant.data)
        r = understudy("check", "--deep", path, host=machine)
        if r.seconds > LIMIT:
            r = min((understudy("check", "--deep", path, host=machine) for _ in range(2)), key=lambda run: run.seconds)
        assert r.seconds < PATIENCE, variant.name
        if r.seconds > LIMIT:
            slow.append(variant.name)
        assert r.status in (0, 1, 3), f"{variant.name}: {r.text}"
        assert r.out.strip(), variant.name
        if variant.broken and r.status != 1:
            missed.append(f"{variant.name}: status {r.status}")
    assert not slow and not missed, (slow, missed)


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_damaged_is_loaded(understudy, host, tmp_path, broken, part):
    machine = host("vm-4level")
    for variant in [v for v in broken if v.broken][part::PARTS]:
        path = tmp_path / "damaged"
        path.write_bytes(variant.data)
        r = understudy("load", "-c", "--deep", path, host=machine)
        assert not r.acts and r.status == 1, f"{variant.name}: {r.text}"


@pytest.mark.parametrize("kind", ("cut", "flipped", "noise"))
def test_damaged_real_kernel(understudy, host, debian, tmp_path, kind):
    data = bytearray(debian("6.1").read_bytes())
    if kind == "cut":
        del data[len(data) // 3:]
    elif kind == "flipped":
        data[len(data) // 2] ^= 0x10
    else:
        data[0x5000:0x6000] = bytes(range(256)) * 16
    (tmp_path / "vmlinuz").write_bytes(data)
    r = understudy("check", "--deep", "--json", tmp_path / "vmlinuz", host=host("vm-4level"))
    assert r.status == 1
    assert any(f["result"] == "fail" and f["id"].startswith("image.") and "0x" in f["evidence"] for f in r.json["findings"]), r.text
