# SPDX-License-Identifier: GPL-2.0-or-later
"""An image that cannot be entered with 5-level page tables, on a machine that runs with them.

kexec keeps the running kernel's paging mode over the jump (Linux 6.12 arch/x86/kernel/relocate_kernel_64.S); an image without
XLF_5LEVEL (bit 5 of xloadflags at 0x236) dies there without a word. kexec_load does not look; every door must be shut.
"""
import pytest

RULE = "paging.5-level-to-4-level"
OLD = {"xloadflags": 0x13, "release": "4.9.0-probe"}  # KERNEL_64, ABOVE_4G, EFI_KEXEC; before Linux 4.17
DOORS = {
    "check": (["check"], "understudy"),
    "check for a crash": (["check", "--crash"], "understudy"),
    "load": (["load"], "understudy"),
    "load -s": (["load", "-s"], "understudy"),
    "load -c": (["load", "-c"], "understudy"),
    "load --crash": (["load", "--crash"], "understudy"),
    "load --crash -c": (["load", "--crash", "-c"], "understudy"),
    "kexec -l": (["-l"], "kexec"),
    "kexec -s -l": (["-s", "-l"], "kexec"),
    "kexec -c -l": (["-c", "-l"], "kexec"),
    "kexec -p": (["-p"], "kexec"),
    "kexec -f": (["-f"], "kexec"),
}


@pytest.mark.parametrize("door", DOORS)
def test_every_door_is_shut_and_says_why(understudy, image, host, door):
    words, name = DOORS[door]
    r = understudy(*words, image(**OLD), host=host("vm-la57"), name=name)
    assert r.status == 1, r.text
    assert r.acts == []
    for fact in (RULE, "bit 5", "XLF_5LEVEL", "0x236", "5-level", "no5lvl"):
        assert fact in r.text, r.text


def test_a_real_kernel_with_the_bit_cleared_is_refused(understudy, debian, host, tmp_path):
    old = bytearray(debian("6.1").read_bytes())
    old[0x236] &= ~0x20
    (tmp_path / "vmlinuz").write_bytes(old)
    r = understudy("check", "--json", "-c", tmp_path / "vmlinuz", host=host("vm-la57"))
    finding = r.finding("paging.unmarked-5-level") or r.finding(RULE)
    assert r.status == 1 and r.finding(RULE)["result"] == "fail" and finding


@pytest.mark.parametrize("words", (["check"], ["load"], ["load", "-c"], ["load", "-s"]))
def test_the_same_image_is_taken_by_a_4_level_machine(understudy, image, host, words):
    r = understudy(*words, "--accept-unknown", image(**OLD), host=host("vm-4level"))
    assert r.status == 0, r.text
    assert RULE not in r.out
    calls = [a for a in r.acts if a["call"] in ("kexec_load", "kexec_file_load")]
    assert len(calls) == (1 if words[0] == "load" else 0)


def test_an_image_with_the_bit_is_taken_by_a_5_level_machine(understudy, image, host):
    r = understudy("check", "--json", image(), host=host("vm-la57"))
    assert r.finding(RULE)["result"] == "pass"


def test_the_way_around_must_be_named_and_is_said(understudy, image, host):
    r = understudy("load", "-c", "--accept", RULE, image(**OLD), host=host("vm-la57"))
    assert r.status == 0 and "overridden" in r.text
    assert [a["call"] for a in r.acts].count("kexec_load") == 1
