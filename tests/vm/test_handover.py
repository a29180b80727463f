# SPDX-License-Identifier: GPL-2.0-or-later
"""What the next kernel is really handed, field by field against the plan: the probe kernel reports, both system calls."""

import base64
import json
import zlib

import pytest

import scenario
import vm as lab

FILE, LOAD = "file", "load"
E820_RAM = 1
CALLS = pytest.mark.parametrize("call", [FILE, LOAD])


def archive(size):
    """An initrd that is a cpio archive with a file of random bytes."""
    return lab.cpio.archive({"/blob": scenario.payload("rd", size)})


def hand_over(vm, kernel, understudy, probe, call, words="hello probe=1 'quoted words'", initrd=None, options="", crash=False,
              modules=(), **machine):
    files = scenario.program(understudy) | {"/boot/probe": probe}
    if initrd is not None:
        files["/boot/rd"] = initrd
        options += " --initrd /boot/rd"
    if crash:
        options += " --crash --accept capture.no-crash-dump --accept capture.no-proc-vmcore --accept-unknown"
    load = f'understudy load --json --call {call} /boot/probe --cmdline "{words}" {options}'
    go = "echo c > /proc/sysrq-trigger" if crash else "understudy exec --now"
    steps = [("plan", load), ("boot_params", "base64 -w0 /sys/kernel/boot_params/data"),
             ("memmap", "cd /sys/firmware/memmap; for n in $(ls | sort -n); do echo $(cat $n/start $n/end $n/type); done"),
             ("jump", go, 60)]
    r = vm.boot(kernel, [steps], files=files, modules=modules, **machine)
    step = r.step("plan")
    assert step.rc == 0, step.out + step.err + step.kmsg
    document = json.loads(step.out)
    assert document["outcome"]["done"] is True
    assert r.probe is not None and r.probe.complete, r.tail()
    assert "fault_vector" not in r.probe
    return r, document["plan"], r.probe


def segment(plan, role):
    found = [s for s in plan["segments"] if s["role"] == role]
    return found[0] if found else None


def e820_of(plan):
    return [(e["start"], e["size"], e["type"]) for e in plan["handover"]["e820"]]


def check_common(r, plan, p, words, initrd):
    """What holds for both calls."""
    h = plan["handover"]
    running = base64.b64decode(r.step("boot_params").out)
    assert p["entry"] == 64 and p["rip"] == p["load_address"] + 0x200
    assert p["cmdline"] == h["cmdline"] and words in p["cmdline"]
    assert p["type_of_loader"] == h["type_of_loader"] == 0xD0 and p["loadflags"] & ~1 == 0
    assert p["cr4"] >> 12 & 1 == r.boots[0].la57, "the paging mode is the running kernel's"
    assert p["cr0"] & 0x80000001 == 0x80000001 and p["efer"] >> 10 & 1 and p["rflags"] >> 9 & 1 == 0
    assert p["rsi"] % 16 == 0
    assert (p["initrd_size"], h["initrd_bytes"]) == (len(initrd or b""),) * 2
    if initrd:
        assert p["initrd_crc32"] == zlib.crc32(initrd)
    assert p["acpi_rsdp_addr"] == h["acpi_rsdp"]
    assert p["screen_info"][:2] + p["screen_info"][4:] == running[:2] + running[4:64]  # 2-3: memory above 1 MiB, of the new map
    assert p["hardware_subarch"] == int.from_bytes(running[0x23C:0x240], "little")
    assert p["sentinel"] == 0 and p["boot_flag"] == 0xAA55 and p["header"] == 0x53726448
    assert (p["ramdisk_image"] | p["ext_ramdisk_image"] << 32) == p["initrd_addr"]
    assert (p["cmd_line_ptr"] | p["ext_cmd_line_ptr"] << 32) == p["cmdline_addr"]
    assert sorted(p.e820) == sorted(e820_of(plan)), "the memory map"


def check_addresses(plan, p):
    """Each address as planned (kexec_load: understudy decides)."""
    h = plan["handover"]
    assert p["load_address"] == segment(plan, "kernel")["start"]
    assert p["rsi"] == segment(plan, "boot parameters")["start"]
    assert p["cmdline_addr"] == h["cmdline_addr"]
    assert p["initrd_addr"] == h["initrd_addr"]
    assert p["setup_data"] == h["setup_data_addr"]


def check_registers(p):
    """The 64-bit boot protocol: flat segments, and nothing left in the registers but rsi."""
    assert (p["cs"], p["ds"], p["es"], p["ss"]) == (0x10, 0x18, 0x18, 0x18)
    assert all(p[name] == 0 for name in ("rax", "rbx", "rcx", "rdx", "rdi", "rbp", *(f"r{n}" for n in range(8, 16))))


@CALLS
@pytest.mark.parametrize("append", ["", "no5lvl"], ids=["5-level", "4-level"])
def test_report_equals_the_plan(vm, tiny, understudy, probe, call, append):
    initrd = archive(3_000_001)
    words = "hello probe=1 'quoted words'"
    r, plan, p = hand_over(vm, tiny, understudy, probe, call, words, initrd, append=append, timeout=60)
    check_common(r, plan, p, words, initrd)
    assert [n["type"] for n in p.setup_data] == [9], "a seed for the random numbers, and nothing else"
    assert p.setup_data[0]["len"] == 32 and any(p.setup_data[0]["data"])
    assert plan["predicted"] is (call == FILE)
    if call == LOAD:
        check_addresses(plan, p)
        check_registers(p)


@CALLS
def test_report_equals_the_plan_on_debian(vm, kernels, understudy, probe, call):
    initrd = archive(100_000)
    r, plan, p = hand_over(vm, kernels["6.12-cloud"], understudy, probe, call, "x", initrd, timeout=90)
    check_common(r, plan, p, "x", initrd)
    if call == LOAD:
        check_addresses(plan, p)


@CALLS
def test_without_initrd_and_with_no_words(vm, tiny, understudy, probe, call):
    r, plan, p = hand_over(vm, tiny, understudy, probe, call, "", timeout=60)
    check_common(r, plan, p, "", None)


@CALLS
def test_the_longest_command_line_arrives(vm, tiny, understudy, probe, call):
    """2047 characters for kexec_load; kexec_file_load takes 30 of them for itself."""
    room = 2047 if call == LOAD else 2016
    words = "x" * room
    r, plan, p = hand_over(vm, tiny, understudy, probe, call, words, timeout=60)
    assert p["cmdline"] == words
    files = scenario.program(understudy) | {"/boot/probe": probe}
    r = vm.boot(tiny, [[("longer", f"understudy load --call {call} /boot/probe --cmdline {'x' * (room + 1)}; e=$?; {scenario.LOADED}; exit $e")]],
                files=files, timeout=60)
    step = r.step("longer")
    assert step.rc == 1 and "cmdline.too-long" in step.out + step.err and scenario.loaded(step) == (0, 0), step.out + step.err


@CALLS
def test_efi_is_handed_over(vm, kernels, understudy, tmp_path, call):
    """The EFI system table and the runtime map, as the running kernel has them."""
    import probe as probe_maker

    image = probe_maker.make_probe(tmp_path / "probe", xloadflags=0x33)  # EFI_KEXEC
    r, plan, p = hand_over(vm, kernels["6.12-cloud"], understudy, image, call, "x", archive(1000), firmware="uefi", timeout=180)
    check_common(r, plan, p, "x", archive(1000))
    running = base64.b64decode(r.step("boot_params").out)
    assert plan["handover"]["efi"] is True
    assert p["efi_loader_signature"] == int.from_bytes(b"EL64", "little")
    assert p["efi_systab"] | p["efi_systab_hi"] << 32 == int.from_bytes(running[0x1C4:0x1C8], "little") | int.from_bytes(running[0x1D8:0x1DC], "little") << 32
    assert p["efi_memmap_size"] > 0 and p["efi_memmap_size"] % p["efi_memdesc_size"] == 0
    assert p["secure_boot"] == running[0x1EC]
    assert 4 in [n["type"] for n in p.setup_data], "SETUP_EFI"
    if call == LOAD:
        check_addresses(plan, p)


@CALLS
@pytest.mark.parametrize("high", [False, True], ids=["below-4-GiB", "above-4-GiB"])
def test_crash_report_equals_the_plan(vm, kernels, understudy, probe, call, high):
    """Only the reservation and low memory are usable; the ELF core header is where the command line says."""
    machine = {"memory": "6G", "append": "crashkernel=128M,high"} if high else {"memory": "1G", "append": "crashkernel=128M"}
    initrd = archive(200_000)
    r, plan, p = hand_over(vm, kernels["6.12-cloud"], understudy, probe, call, "x", initrd, crash=True, timeout=180, **machine)
    check_common(r, plan, p, "x", initrd)
    core = segment(plan, "ELF core header")
    assert p["elfcorehdr"][:4] == b"\x7fELF" and int.from_bytes(p["elfcorehdr"][16:18], "little") == 4
    usable = sum(size for start, size, kind in p.e820 if kind == E820_RAM and start >= 1 << 20)
    assert usable <= (128 << 20) + (256 << 20 if high else 0), "no memory of the crashed kernel is usable"
    assert (p["load_address"] > 1 << 32) == high
    if call == LOAD:
        check_addresses(plan, p)
        check_registers(p)
        assert p["elfcorehdr_addr"] == core["start"]


def test_changed_bytes_are_noticed_by_the_purgatory(vm, tiny, understudy, probe, tmp_path):
    """A byte of the loaded initrd is changed before the crash: the purgatory says so and enters nothing."""
    initrd = archive(100_000)
    files = scenario.program(understudy) | {"/boot/probe": probe, "/boot/rd": initrd}
    load = ("understudy load --json --crash --accept-unknown --accept capture.no-crash-dump --accept capture.no-proc-vmcore --call load "
            "/boot/probe --initrd /boot/rd --cmdline x")

    def spoil(result):
        at = json.loads(result.step("load").out)["plan"]["handover"]["initrd_addr"] + 5000
        scenario.poke(tmp_path / "gdb", at, initrd[5000] ^ 1)

    r = vm.boot(tiny, [[("load", load), ("spoil", "sleep 1"), ("crash", "echo c > /proc/sysrq-trigger", 60)]], files=files,
                append="crashkernel=64M", qemu=["-gdb", f"unix:{tmp_path}/gdb,server=on,wait=off"], monitor={"spoil": [spoil]}, timeout=60)
    assert r.step("load").rc == 0, r.step("load").out
    assert r.step("spoil").rc == 0
    assert r.probe is None, "the next kernel was entered with a changed initrd"
    assert "the loaded kernel was damaged in memory" in r.console, r.tail()
    assert not r.overdue, "the machine was reset, it did not loop"
