# SPDX-License-Identifier: GPL-2.0-or-later
"""Rules as people meet them: one change to a made image or a recorded machine, and what check says of it.

Each case names a rule, a good and a bad situation. (Every rule has its unit cases beside it, src/check/test-*.c; here each
area is walked from the files to the words.)
"""
import lzma

import pytest
from hosts import put, sub

OLD = {"xloadflags": 0x13, "release": "4.9.0-probe"}
CAPTURE = "".join(f"CONFIG_{s}=y\n" for s in (
    "64BIT X86_64 SMP CRASH_DUMP PROC_VMCORE KEXEC_CORE KEXEC KEXEC_FILE RELOCATABLE X86_5LEVEL BLK_DEV_INITRD RD_GZIP "
    "RD_ZSTD EFI ACPI X86_X2APIC PROC_FS SYSFS MODULES").split())


def symbol(name, value):
    """A change of the running kernel's configuration."""
    def change(tree):
        config = next(n for n in tree if n.startswith("boot/config-"))
        lines = [line for line in tree[config].decode().splitlines() if f"CONFIG_{name}=" not in line]
        lines.append(f"CONFIG_{name}={value}" if value != "n" else f"# CONFIG_{name} is not set")
        tree[config] = ("\n".join(lines) + "\n").encode()
        for n in [n for n in tree if n.endswith("kallsyms")]:
            del tree[n]
    return change


def capture(**changes):
    """The configuration of a capture kernel, with some symbols otherwise."""
    lines = [line for line in CAPTURE.splitlines() if line.split("=")[0].removeprefix("CONFIG_") not in changes]
    return "".join(f"{line}\n" for line in lines + [f"CONFIG_{k}={v}" for k, v in changes.items() if v != "n"])


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
    "cmdline.no-root": (case(), case(words=["--cmdline", "root=/dev/vda1"])),
    "cmdline.elfcorehdr-by-hand": (case(words=["--cmdline", "elfcorehdr=0x1000"]), case(words=["--cmdline", "quiet"])),
    "cmdline.no-reset-devices": (case(words=["--crash", "--cmdline", "root=/dev/vda1"]),
                                 case(words=["--crash", "--cmdline", "root=/dev/vda1 reset_devices"])),
    # which system call there is
    "syscall.no-kexec-load": (case(changes=[symbol("KEXEC", "n")], words=["-c"]), case(words=["-c"])),
    "syscall.no-kexec-file-load": (case(changes=[symbol("KEXEC_FILE", "n")], words=["-s"]), case(words=["-s"])),
    # memory
    "memory.no-room": (case(words=["-c", "--mem-min", "3G"]), case(words=["-c"])),
    "memory.init-size": (case(init_size=0x7f000000, words=["-c"]), case(words=["-c"])),
    "e820.over-128": (case("vm-many-e820", words=["-s"]), case("vm-4level", words=["-s"])),
    # firmware and devices
    "firmware.efi-32bit": (case("vm-uefi", [put("sys/firmware/efi/fw_platform_size", "32\n")], ["-s"]), case("vm-uefi", words=["-s"])),
    "host.xen": (case(changes=[put("sys/hypervisor/type", "xen\n"), put("sys/hypervisor/guest_type", "PV\n")]), case()),
    "guest.unaccepted-memory": (case(changes=[sub("proc/meminfo", "^(Unaccepted: *) 0 kB", r"\1 4194304 kB")]), case()),
    # both sides of a crash
    "panic-side.oops-continues": (case(words=["--crash"]), case(words=["--crash"], changes=[put("proc/sys/kernel/panic_on_oops", "1\n")])),
    "capture.no-crash-dump": (case(words=["--crash"], config=capture(CRASH_DUMP="n")), case(words=["--crash"], config=capture())),
    "capture.no-proc-vmcore": (case(words=["--crash"], config=capture(PROC_VMCORE="n")), case(words=["--crash"], config=capture())),
    "capture.kasan": (case(words=["--crash"], config=capture(KASAN="y")), case(words=["--crash"], config=capture())),
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


def test_a_policy_is_told_apart_from_what_the_kernel_allows(understudy, image, host):
    far = image(release="4.19.0-probe")
    r = understudy("check", "--json", "--policy", "block:0", far, host=host("vm-4level"))
    assert r.finding("distance.beyond-policy")["question"] == "policy"
    assert r.json["answers"]["policy"] == "no" and r.json["answers"]["permission"] == "yes"
    allowed = understudy("check", "--json", "--policy", "block:0,4.19.0-probe", far, host=host("vm-4level"))
    assert allowed.json["answers"]["policy"] == "yes"
    assert understudy("check", "--json", far, host=host("vm-4level")).json["answers"]["policy"] == "none"
    assert "policy no is the image close enough" in understudy("check", "--policy", "block:0", far, host=host("vm-4level")).text
    assert "close enough" not in understudy("check", far, host=host("vm-4level")).text


def initrd_check(understudy, image, host, *files):
    words = [w for f in files for w in ("--initrd", f)]
    return understudy("check", "--deep", "--json", *words, image(config=CAPTURE), host=host("vm-4level"))


def test_modules_of_another_kernel_are_noticed(understudy, image, host, archive):
    for release, result in (("5.10.0-other", "fail"), ("6.12.0-probe", "pass")):
        files = ["lib", "lib/modules", f"lib/modules/{release}", f"lib/modules/{release}/x.ko"]
        finding = initrd_check(understudy, image, host, archive(files=files)).finding("initrd.wrong-modules")
        assert finding["result"] == result, finding
        assert result == "pass" or release in finding["fact"]


def test_a_damaged_initrd_is_noticed(understudy, image, host, archive):
    whole = archive()
    assert initrd_check(understudy, image, host, whole).finding("initrd.damaged")["result"] == "pass"
    whole.write_bytes(b"070701zz" + whole.read_bytes()[8:])
    r = initrd_check(understudy, image, host, whole)
    assert r.status == 1 and r.finding("initrd.damaged")["result"] == "fail" and "0x0" in r.finding("initrd.damaged")["evidence"]


def test_an_initrd_that_the_image_cannot_unpack_is_noticed(understudy, image, host, archive):
    packed = archive()
    packed.write_bytes(lzma.compress(packed.read_bytes(), check=lzma.CHECK_CRC32))
    r = initrd_check(understudy, image, host, packed)
    assert r.finding("initrd.codec-unsupported")["result"] == "fail" and "xz" in r.finding("initrd.codec-unsupported")["fact"]
