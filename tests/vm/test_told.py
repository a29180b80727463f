# SPDX-License-Identifier: GPL-2.0-or-later
"""What log, info and vmcore-dmesg tell of real dumps: against kexec-tools and makedumpfile, and in a capture kernel."""

import json
import re
import struct
import subprocess
import xml.etree.ElementTree

import pytest

import scenario
import vm as lab
from scenario import CONSOLE
from vm import NEXT_INITRD, Stage
from wanted import core

CRASHED = ("6.1", "6.12", "tiny")


def peer(package, program):
    try:
        return lab.peer(package, program)
    except lab.LabError as e:
        pytest.skip(str(e))


def say(program, *words, name="understudy"):
    out = subprocess.run([name, *map(str, words)], executable=program, capture_output=True, timeout=120)
    assert out.returncode == 0, out.stderr.decode()
    return out.stdout


@pytest.mark.parametrize("name", CRASHED)
def test_vmcore_dmesg_equals_its_namesake(understudy, name):
    theirs = subprocess.run([peer("kexec-tools", "sbin/vmcore-dmesg"), core(name)], capture_output=True, timeout=120)
    assert theirs.returncode == 0 and theirs.stdout.count(b"\n") > 100
    assert say(understudy, core(name), name="vmcore-dmesg") == theirs.stdout


def test_makedumpfile_finds_the_same_log(understudy, tmp_path):
    """It indents the further lines of a record where we repeat the time; the words are the same."""
    program = peer("makedumpfile", "usr/bin/makedumpfile")
    subprocess.run([program, "--dump-dmesg", core("6.1"), tmp_path / "log"], check=True, capture_output=True, timeout=120)
    words = [re.sub(r"^\[ *\d+\.\d+\] ", "", line).strip() for line in (tmp_path / "log").read_text().splitlines()]
    assert [line.split("] ", 1)[1].strip() for line in say(understudy, "log", core("6.1")).decode().splitlines()] == words


def test_a_filtered_dump_has_the_whole_log(understudy, tmp_path):
    program = peer("makedumpfile", "usr/bin/makedumpfile")
    subprocess.run([program, "-l", "-d", "31", core("6.1"), tmp_path / "small"], check=True, capture_output=True, timeout=240)
    assert say(understudy, "log", "--json", tmp_path / "small").split(b"\n", 1)[1] == \
        say(understudy, "log", "--json", core("6.1")).split(b"\n", 1)[1]
    told = json.loads(say(understudy, "info", "--json", tmp_path / "small"))
    assert told["dump_level"] == 31 and told["pages"]["excluded"] > told["pages"]["present"] > 1000
    assert told["crash"]["panic"] == "sysrq triggered crash"


def test_qemu_dumps_have_the_log_of_their_guest(understudy):
    logs = {say(understudy, "log", core(f"6.1-qemu{suffix}")) for suffix in ("", "-paging", "-zlib")}
    assert len(logs) == 1 and logs.pop().count(b"\n") > 300


def test_memory_without_a_header_is_read(understudy, tmp_path):
    """What pmemsave would write: each part of QEMU's dump at its address."""
    with open(core("6.1-qemu"), "rb") as f, open(tmp_path / "raw", "wb") as raw:
        head = f.read(64)
        table, count = struct.unpack_from("<Q", head, 32)[0], struct.unpack_from("<H", head, 56)[0]
        for i in range(count):
            f.seek(table + 56 * i)
            kind, _, offset, _, address, size, _, _ = struct.unpack("<IIQQQQQQ", f.read(56))
            if kind == 1 and address < 1 << 31:
                f.seek(offset)
                raw.seek(address)
                raw.write(f.read(size))
    assert say(understudy, "log", tmp_path / "raw") == say(understudy, "log", core("6.1-qemu"))
    told = json.loads(say(understudy, "info", "--json", tmp_path / "raw"))
    assert told["format"] == "raw memory" and told["free_ok"] is True and told["classes"]["free"] > 10000


@pytest.mark.parametrize("name", CRASHED)
def test_info_tells_how_it_died(understudy, tmp_path, name):
    told = json.loads(say(understudy, "info", "--json", "--picture", tmp_path / "x.svg", core(name)))
    crash = told["crash"]
    assert crash["panic"] == "sysrq triggered crash" and crash["cause"] == "sysrq: Trigger a crash"
    if name != "tiny":  # which prints no traces
        assert crash["comm"] == "sh" and crash["pid"] > 1 and any("sysrq_handle_crash" in t for t in crash["trace"])
        assert crash["pid"] in [c["pid"] for c in told["cpus"]]
    assert all(c["registers"]["rip"] >> 63 for c in told["cpus"]), "both stopped in the kernel"
    functions = [c["function"] for c in told["cpus"]]
    assert any(re.match(r"(panic|__crash_kexec|crash_setup_regs|machine_)", f or "") for f in functions), functions
    assert sum(told["classes"].values()) == told["memory_bytes"] // 4096 == told["pages"]["present"]
    assert told["classes"]["free"] and told["classes"]["user"] and told["classes"]["slab"]
    assert told["free_ok"] is True
    xml.etree.ElementTree.parse(tmp_path / "x.svg")


def test_a_capture_kernel_reads_its_own_vmcore(vm, kernels, understudy, tmp_path):
    """The log first, then what it was, straight from /proc/vmcore with 192 MiB of memory."""
    kernel = kernels["6.12"]
    arm = f"understudy load --crash /boot/k --initrd {NEXT_INITRD} --cmdline '{CONSOLE} nr_cpus=1'"
    look = Stage([("log", "understudy log /proc/vmcore"), ("json", "understudy info --json /proc/vmcore"),
                  ("dmesg", "vmcore-dmesg /proc/vmcore | tail -n 40")],
                 kernel=kernel, files=scenario.program(understudy) | {"/sbin/vmcore-dmesg": lab.cpio.Link("/bin/understudy")})
    files = scenario.program(understudy) | {"/boot/k": kernel.vmlinuz}
    r = vm.boot(kernel, [[("arm", arm), ("say", "echo the last words > /dev/kmsg"), ("crash", "echo c > /proc/sysrq-trigger", 60)], look],
                files=files, append="crashkernel=192M", memory="1G", timeout=300)
    assert r.step("arm").rc == 0 and len(r.boots) == 2 and r.boots[1].vmcore, r.tail()
    assert r.step("log").rc == 0, r.step("log").err
    assert "the last words" in r.step("log").out and "sysrq triggered crash" in r.step("log").out
    told = json.loads(r.step("json").out)
    assert told["format"] == "/proc/vmcore" and told["release"] == kernel.release and told["crash"]["panic"] == "sysrq triggered crash"
    assert re.search(r"\[ +\d+\.\d{6}\] Kernel panic - not syncing: sysrq", r.step("dmesg").out)
