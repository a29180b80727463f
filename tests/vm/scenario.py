# SPDX-License-Identifier: GPL-2.0-or-later
"""What the scenarios share: images with something changed, hops from kernel to kernel, and the program in the guest.

A hop's stage carries a file of random bytes, whose checksum the next kernel has to report: an initrd
that arrived, and arrived whole.
"""

import hashlib
import json
import random
import socket
import struct

import vm as lab

CONSOLE = "console=ttyS0 panic=-1 quiet"
XLF = 0x236  # xloadflags in the setup header (Documentation/arch/x86/boot.rst)
BIT_5LEVEL = 0x20


def without_5_level(image):
    """The bytes of image with XLF_5LEVEL taken away: what a kernel before Linux 5.3 looks like."""
    data = bytearray(image.read_bytes())
    flags, = struct.unpack_from("<H", data, XLF)
    assert flags & BIT_5LEVEL, "the image has no XLF_5LEVEL to take away"
    struct.pack_into("<H", data, XLF, flags & ~BIT_5LEVEL)
    return bytes(data)


def flipped(image, offset=0x100000):
    """The bytes of image with one bit changed at offset."""
    data = bytearray(image.read_bytes())
    data[offset] ^= 1
    return bytes(data)


def payload(seed, size=1 << 20):
    return random.Random(seed).randbytes(size)


def md5(data):
    return hashlib.md5(data).hexdigest()


def uki(sections):
    """A minimal unified kernel image (PE32+, x86-64) of {section name: bytes}."""
    names = list(sections)
    head, align = 0x1000, 0x1000
    dos = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40)
    coff = b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, len(names), 0, 0, 0, 240, 0x2022)
    table, body, at = b"", b"", head
    for name in names:
        data = sections[name]
        raw = -(-len(data) // 0x200) * 0x200
        table += struct.pack("<8sIIIIIIHHI", name.encode(), len(data), at, raw, at, 0, 0, 0, 0, 0x40000040)
        room = -(-raw // align) * align
        body += data.ljust(room, b"\0")
        at += room
    optional = struct.pack("<HBBIIIIIQIIHHHHHHIIIIHHQQQQII", 0x20B, 0, 0, 0, 0, 0, 0, 0, 0x140000000, align, 0x200,
                           0, 0, 0, 0, 0, 0, 0, at, head, 0, 10, 0x100, 0, 0, 0, 0, 0, 16) + bytes(128)
    return (dos + coff + optional + table).ljust(head, b"\0") + body


def program(path):
    """The program and its drop-in name, for a guest."""
    return lab.program(path, at="/bin/understudy") | {"/sbin/kexec": lab.cpio.Link("/bin/understudy")}


def loaded(step):
    """(kexec_loaded, kexec_crash_loaded) as a step that ends with LOADED printed them."""
    normal, crash = step.out.split()[-2:]
    return int(normal), int(crash)


LOADED = "cat /sys/kernel/kexec_loaded /sys/kernel/kexec_crash_loaded"


def hops(vm, start, ways, append="", firmware="bios", modules=(), timeout=240, **more):
    """Jumps from start along ways [(kernel, call)]; returns the result, every boot of it already looked at.

    Each hop loads with the program under test, with a command line of its own and an initrd that
    carries random bytes; the kernel it leads to has to show both.
    """
    binary = more.pop("binary")
    stages, release = [], [start.release]
    for number, (kernel, call) in enumerate([*ways, (None, None)]):
        blob = payload(number)
        steps = [("arrived", "md5sum < /blob")]
        files = {"/blob": blob} | program(binary)
        if kernel:
            words = f"{CONSOLE} {append} hop={number + 1}".replace("  ", " ")
            steps += [
                ("load", f"understudy load --call {call} /boot/next --initrd {lab.NEXT_INITRD} --cmdline '{words}'", 120),
                ("loaded", LOADED),
                ("jump", "understudy exec --now", 60),
            ]
            files["/boot/next"] = kernel.vmlinuz
            release.append(kernel.release)
        stage = lab.Stage(steps, files=files)
        if number:
            stage.kernel = ways[number - 1][0]
        stages.append(stage)
    r = vm.boot(start, stages, append=append, firmware=firmware, modules=modules, timeout=timeout, **more)
    for number in range(len(ways)):
        step = r.step("load", number)
        assert step.rc == 0, f"hop {number}: {step.out}{step.err}{step.kmsg}"
        assert loaded(r.step("loaded", number)) == (1, 0)
    assert [b.release for b in r.boots] == release, r.tail()
    for number in range(len(release)):
        assert r.step("arrived", number).out.split()[0] == md5(payload(number)), f"initrd of stage {number}"
        if number:
            words = f"{CONSOLE} {append} hop={number}".replace("  ", " ")
            assert r.boots[number].cmdline.strip() == words, "the command line did not arrive intact"
    return r


def findings(step):
    """The rule ids that failed, of a step whose output is a verdict in JSON."""
    verdict = json.loads(step.out)
    return {f["id"] for f in verdict["findings"] if f["result"] == "fail"}


def poke(gdb, phys, byte):
    """Changes one byte of a running guest's physical memory through QEMU's debugger port (a socket path)."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(10)
        s.connect(str(gdb))
        for packet in ("Qqemu.PhyMemMode:1", f"M{phys:x},1:{byte:02x}", "D"):
            s.sendall(f"${packet}#{sum(packet.encode()) & 0xFF:02x}".encode())
            reply = b""
            while b"$OK#9a" not in reply:
                reply += s.recv(4096)
                assert b"$E" not in reply, (packet, reply)
            s.sendall(b"+")


def save(path, data):
    path.write_bytes(data)
    return path

