# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules as people meet them: one change to a made image or a recorded machine, and what check says of it.

Each case names a rule, a good and a bad situation. (Every rule has its unit cases beside it, src/check/test-*.c; here each
area is walked from the files to the words.)
"""
import pytest
from hosts import put

OLD = {"xloadflags": 0x13, "release": "4.9.0-probe"}
CAPTURE = "".join(f"CONFIG_{s}=y\n" for s in (
    "64BIT X86_64 SMP CRASH_DUMP PROC_VMCORE KEXEC_CORE KEXEC KEXEC_FILE RELOCATABLE X86_5LEVEL BLK_DEV_INITRD RD_GZIP "
    "RD_ZSTD EFI ACPI X86_X2APIC PROC_FS SYSFS").split())


def case(machine="vm-4level", changes=(), words=(), **fields):
    """A situation: machine and its changes, further words of the command line, header fields of the image."""
    return machine, tuple(changes), tuple(words), fields


CASES = {
    # the image
    "image.protocol-too-old": (case(version=0x020b), case()),
    "image.not-64-bit": (case(xloadflags=0x32), case()),
    "image.not-above-4g": (case(xloadflags=0x31, words=["-s"]), case(words=["-s"])),
    "image.not-loaded-high": (case(loadflags=0), case()),
    "image.bad-alignment": (case(kernel_alignment=0x300000), case()),
    "image.init-size-too-small": (case(init_size=0x100), case()),
    "image.payload-damaged": (case(words=["--deep"], payload=b"\x1f\x8b\x08" + b"\xff" * 400), case(words=["--deep"])),
    # paging
    "paging.5-level-to-4-level": (case("vm-la57", **OLD), case("vm-la57")),
    "paging.unmarked-5-level": (case("vm-la57", words=["-c"], xloadflags=0x13, release="5.0.0-probe"), case("vm-la57", words=["-c"])),
    "paging.4-level-above-64-tib": (case("vm-68tib", words=["-s"], xloadflags=0x33), case("vm-68tib", words=["-s"], xloadflags=0x73)),
    # who may load
    "privilege.cap-sys-boot": (case("vm-nonroot"), case("vm-la57")),
    "sysctl.kexec-load-disabled": (case(changes=[put("proc/sys/kernel/kexec_load_disabled", "1\n")]), case()),
    "sysctl.limit-reached": (case(changes=[put("proc/sys/kernel/kexec_load_limit_reboot", "0\n")]), case()),
    "sysctl.limit-last": (case(changes=[put("proc/sys/kernel/kexec_load_limit_reboot", "1\n")]), case()),
    "lockdown.kexec-load": (case("vm-lockdown", words=["-c"]), case("vm-la57", words=["-c"])),
    "ima.kexec-load": (case("vm-secureboot", words=["-c"]), case("vm-la57", words=["-c"])),
    "signature.not-pe": (case("vm-secureboot", words=["-s"]), case("vm-la57", words=["-s"])),
    # the command line
    "cmdline.too-long": (case(words=["--cmdline", "x" * 2100]), case(words=["--cmdline", "quiet"])),
    # the reservation
    "reservation.missing": (case("vm-no-crashkernel", words=["--crash"]), case("vm-la57", words=["--crash"])),
    # the distance between the two kernels
    "distance.beyond-policy": (case(words=["--policy", "block:0"], release="4.19.0-probe"), case(words=["--policy", "block:0"])),
}


def judge(understudy, image, host, situation):
    machine, changes, words, fields = situation
    return understudy("check", "--json", *words, image(**fields), host=host(machine, *changes))


@pytest.mark.parametrize("rule", CASES)
def test_rule_fails_and_says_what_where_and_the_remedy(understudy, image, host, rule):
    r = judge(understudy, image, host, CASES[rule][0])
    finding = r.finding(rule)
    assert finding and finding["result"] == "fail", r.failing
    assert finding["fact"] and finding["evidence"] and finding["remedy"] and finding["says"]
    if finding["severity"] == "block":
        assert r.status == 1 and r.json["verdict"] == "block"


@pytest.mark.parametrize("rule", [r for r in CASES if CASES[r][1]])
def test_rule_passes_without_the_cause(understudy, image, host, rule):
    r = judge(understudy, image, host, CASES[rule][1])
    finding = r.finding(rule)
    assert finding is None or finding["result"] == "pass", finding
