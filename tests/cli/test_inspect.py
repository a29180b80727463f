# SPDX-License-Identifier: GPL-2.0-or-later
"""inspect: what an image is, on made images and on Debian's kernels, also wrapped and damaged."""
import bz2
import gzip
import lzma
import os
import pty
import shutil
import struct
import subprocess

import pytest


def zstd(data):
    return subprocess.run(["zstd", "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout


def lz4(data):
    return subprocess.run(["lz4", "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout


def lzop(data):
    return subprocess.run(["lzop", "-qc"], input=data, stdout=subprocess.PIPE, check=True).stdout


WRAPS = {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": zstd, "lz4": lz4, "lzo": lzop,
         "lzma": lambda data: lzma.compress(data, format=lzma.FORMAT_ALONE)}


@pytest.mark.parametrize("words", (["inspect"], ["check"]), ids=" ".join)
def test_opening_a_packed_file_for_seconds_shows_progress(understudy, tmp_path, host, words):
    """One stream of bzip2 many times over: it takes seconds to unpack, and less to make."""
    (tmp_path / "slow").write_bytes(bz2.compress(os.urandom(2 << 20)) * 16)
    ours, theirs = pty.openpty()
    run = subprocess.Popen([understudy.path, *words, tmp_path / "slow"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=theirs, env=os.environ | {"UNDERSTUDY_HOST": str(host("vm-la57"))})
    os.close(theirs)
    said = b""
    try:
        while part := os.read(ours, 65536):
            said += part
    except OSError:  # the end of a terminal
        pass
    os.close(ours)
    assert run.wait(timeout=60) == 1 and b"unpacking: " in said, said


def test_made_image_is_told_by_its_header(understudy, image):
    r = understudy("inspect", image(xloadflags=0x33))
    assert r.status == 0, r.text
    for fact in ("bzImage", "6.12.0-probe", "XLF_KERNEL_64", "XLF_CAN_BE_LOADED_ABOVE_4G", "XLF_5LEVEL", "2.15"):
        assert fact in r.text, r.text
    assert "XLF_EFI_HANDOVER_64" not in r.text


@pytest.mark.parametrize("field, value", (("xloadflags", 0x7f), ("init_size", 0x1234000), ("cmdline_size", 4095), ("kernel_alignment", 0x400000),
                                          ("pref_address", 0x2000000), ("relocatable_kernel", 0), ("hardware_subarch", 2)))
def test_header_fields_are_told_as_they_are(understudy, image, field, value):
    assert understudy("inspect", "--json", image(**{field: value})).json["setup"][field] == value


@pytest.mark.parametrize("codec", WRAPS)
def test_a_packed_image_is_peeled(understudy, image, tmp_path, codec):
    if codec in ("zstd", "lz4", "lzo") and not shutil.which({"lzo": "lzop"}.get(codec, codec)):
        pytest.skip(f"the packer for {codec} is not installed")
    packed = tmp_path / "packed"
    packed.write_bytes(WRAPS[codec](image().read_bytes()))
    r = understudy("inspect", "--json", packed).json
    assert r["kind"] == "bzImage" and r["release"] == "6.12.0-probe"
    assert r["nesting"][0]["codec"] == codec


def uki(kernel, **sections):
    """A PE file with these sections: the smallest that is a Unified Kernel Image."""
    parts = {".linux": kernel, **{"." + k: v for k, v in sections.items()}}
    head = bytearray(b"MZ".ljust(0x3c, b"\0") + struct.pack("<I", 0x80)).ljust(0x80, b"\0")
    head += b"PE\0\0" + struct.pack("<HHIIIHH", 0x8664, len(parts), 0, 0, 0, 240, 0x22)
    head += struct.pack("<HBBIIIIIQIIHHHHHHIIIIHHQQQQII", 0x20b, 0, 0, 0, 0, 0, 0x1000, 0x1000, 0, 4096, 512, 0, 0, 0, 0, 0, 0, 0,
                        1 << 28, 4096, 0, 10, 0, 0, 0, 0, 0, 0, 16) + bytes(128)
    at, virtual, body = 4096, 4096, b""
    for name, data in parts.items():
        raw = data + bytes(-len(data) % 512)
        head += name.encode().ljust(8, b"\0") + struct.pack("<IIIIIIHHI", len(data), virtual, len(raw), at, 0, 0, 0, 0, 0x40000040)
        body, at, virtual = body + raw, at + len(raw), virtual + len(raw) + -len(raw) % 4096
    return bytes(head).ljust(4096, b"\0") + body


def test_a_uki_is_opened(understudy, image, tmp_path):
    (tmp_path / "uki").write_bytes(uki(image().read_bytes(), cmdline=b"root=/dev/x quiet", uname=b"6.12.0-probe", initrd=b"070701" + b"0" * 104))
    r = understudy("inspect", "--json", tmp_path / "uki").json
    assert [n["kind"] for n in r["nesting"]] == ["UKI", "bzImage"]
    assert r["uki"]["cmdline"] == "root=/dev/x quiet" and r["uki"]["uname"] == "6.12.0-probe" and r["uki"]["initrd_bytes"] == 110


def test_own_command_line_of_a_uki_is_used(understudy, image, host, tmp_path):
    (tmp_path / "uki").write_bytes(uki(image().read_bytes(), cmdline=b"root=/dev/x quiet"))
    r = understudy("load", "-c", tmp_path / "uki", "--accept-unknown", "--dry-run", host=host("vm-4level"))
    assert "root=/dev/x quiet" in r.text


@pytest.mark.parametrize("name", ("6.1", "6.12", "6.12-cloud", "6.12-rt"))
def test_debian_kernels_are_told_whole(understudy, debian, name):
    path = debian(name)
    r = understudy("inspect", "--json", "--deep", path).json
    assert r["kind"] == "bzImage" and r["damage"] == [] and r["signature"]["present"] is True
    assert r["release"] == path.name.removeprefix("vmlinuz-")
    assert r["payload"]["whole"] is True and r["payload"]["bytes"] > 20 << 20
    capabilities = r["payload"]["capabilities"]
    for symbol in ("KEXEC_CORE", "CRASH_DUMP", "PROC_VMCORE"):
        assert capabilities[symbol]["value"] is True and capabilities[symbol]["from"]


def test_a_cut_kernel_is_named_with_both_lengths(understudy, debian, tmp_path):
    data = debian("6.1").read_bytes()
    (tmp_path / "half").write_bytes(data[:len(data) // 2])
    r = understudy("inspect", "--json", tmp_path / "half")
    assert r.json["damage"], r.text
    assert any("cut short" in d["text"] or "past" in d["text"] or "end" in d["text"] for d in r.json["damage"])


def test_a_flipped_byte_in_the_payload_is_found(understudy, debian, tmp_path):
    data = bytearray(debian("6.1").read_bytes())
    data[len(data) // 2] ^= 0xff
    (tmp_path / "flipped").write_bytes(data)
    r = understudy("inspect", "--json", "--deep", tmp_path / "flipped").json
    assert r["payload"]["whole"] is False
    assert r["signature"]["digest_ok"] is False


@pytest.mark.parametrize("content, what", ((b"", "empty"), (b"hello\n", "short"), (b"\x7fELF", "elf"), (b"MZ", "mz"), (bytes(65536), "zeros")),
                         ids=lambda c: c if isinstance(c, str) else "")
def test_what_is_no_kernel_is_said(understudy, tmp_path, content, what):
    (tmp_path / "file").write_bytes(content)
    r = understudy("inspect", "--json", tmp_path / "file").json
    assert r["why_none"] or r["damage"]
