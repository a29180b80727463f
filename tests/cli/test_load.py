# SPDX-License-Identifier: GPL-2.0-or-later
"""load: what would be asked of the kernel, what is refused before it is asked, what its refusal is called."""
import os
import re
import xml.etree.ElementTree as ElementTree

import hosts
import pytest

MACHINE = "vm-4level"


def loads(run):
    return [a for a in run.acts if a["call"] in ("kexec_load", "kexec_file_load")]


def test_file_load_comes_first(understudy, image, host):
    r = understudy("load", image(), "--cmdline", "quiet splash", host=host(MACHINE))
    assert [a["call"] for a in loads(r)] == ["kexec_file_load"], r.text
    assert "quiet splash" in str(loads(r)[0])


def test_each_call_can_be_chosen(understudy, image, host):
    for option, call in (("-s", "kexec_file_load"), ("-c", "kexec_load")):
        r = understudy("load", option, image(), host=host(MACHINE))
        assert [a["call"] for a in loads(r)] == [call], r.text


def test_dry_run_prints_the_plan_and_asks_for_nothing(understudy, image, host, archive):
    r = understudy("load", "-c", "--dry-run", "--initrd", archive(), image(), host=host(MACHINE))
    assert r.status == 0 and not r.acts, r.text
    for word in ("kernel", "initrd", "purgatory", "boot", "kexec_load"):
        assert word in r.text.lower()
    assert re.search(r"0x[0-9a-f]+", r.out)


def test_picture_is_a_drawing_with_every_segment(understudy, image, host, tmp_path):
    r = understudy("load", "-c", "--dry-run", "--picture", tmp_path / "plan.svg", image(), host=host(MACHINE))
    assert r.status == 0, r.text
    root = ElementTree.parse(tmp_path / "plan.svg").getroot()
    assert root.tag.endswith("svg")
    words = " ".join(root.itertext()).lower()
    for word in ("kernel", "purgatory"):
        assert word in words


def test_crash_needs_its_reservation(understudy, image, host):
    r = understudy("load", "--crash", image(), host=host("vm-no-crashkernel"))
    assert r.status == 1 and "reservation.missing" in r.text and "crashkernel=" in r.text and not loads(r)


def test_crash_load_goes_to_the_reservation(understudy, image, host):
    r = understudy("load", "--crash", "-c", "--accept-unknown", image(config=CAPTURE), host=host(MACHINE))
    assert [a["call"] for a in loads(r)] == ["kexec_load"], r.text
    assert int(loads(r)[0]["flags"]) & 1


CAPTURE = "".join(f"CONFIG_{s}=y\n" for s in (
    "64BIT X86_64 SMP CRASH_DUMP PROC_VMCORE KEXEC_CORE KEXEC KEXEC_FILE RELOCATABLE X86_5LEVEL BLK_DEV_INITRD RD_GZIP "
    "RD_ZSTD EFI ACPI X86_X2APIC PROC_FS SYSFS").split())


@pytest.mark.parametrize("error, words", ((8, "no loader"), (1, "capability"), (99, "memory"), (129, "signature"), (16, "another")))
def test_a_refusal_by_the_kernel_is_status_4_and_no_fallback(understudy, image, host, error, words):
    r = understudy("load", "--accept-unknown", image(), host=host(MACHINE), env={"UNDERSTUDY_ACT_FAIL": f"kexec_file_load:{error}"})
    assert r.status == 4, r.text
    assert f"errno {error}" in r.text and words in r.text, r.text
    assert [a["call"] for a in loads(r)] == ["kexec_file_load"]


def test_missing_privilege_is_named_before_the_call(understudy, image, host):
    r = understudy("load", image(), host=host("vm-nonroot"))
    assert r.status == 1 and "CAP_SYS_BOOT" in r.text and not loads(r)


def test_recorded_machine_cannot_be_changed(understudy, image, host):
    r = understudy("load", image(), host=host(MACHINE), env={"UNDERSTUDY_ACT": ""})
    assert r.status == 2 and "recorded" in r.text


def test_several_initrds_are_joined_microcode_first(understudy, image, archive):
    first = archive("a.img")
    ucode = archive("ucode.img", ("kernel", "kernel/x86", "kernel/x86/microcode", "kernel/x86/microcode/GenuineIntel.bin"))
    r = understudy("inspect", "--json", "--initrd", first, "--initrd", ucode, image())
    initrd = r.json["initrd"]
    assert [p["microcode"] for p in initrd["parts"]] == [True, False]
    assert "ucode.img" in initrd["order_note"]
    assert initrd["bytes"] >= os.path.getsize(first) + os.path.getsize(ucode)


@pytest.mark.parametrize("length, call, status", ((2047, "load", 0), (2048, "load", 1), (2016, "file", 0), (2017, "file", 1)))
def test_command_line_limits(understudy, image, host, length, call, status):
    r = understudy("check", "--accept-unknown", "--call", call, "--cmdline", "x" * length, image(cmdline_size=2047), host=host(MACHINE))
    assert r.status == status, r.text
    assert not status or "cmdline.too-long" in r.text


def test_reuse_takes_the_running_command_line_without_what_is_not_to_be_inherited(understudy, image, host):
    running = host(MACHINE, hosts.put("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/vda1 crashkernel=256M quiet\n"))
    r = understudy("load", "-s", "--reuse-cmdline", "--append", "more=1", image(), host=running)
    line = str(loads(r)[0])
    assert "root=/dev/vda1" in line and "quiet" in line and "more=1" in line
    assert "BOOT_IMAGE" not in line
