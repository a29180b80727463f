# SPDX-License-Identifier: GPL-2.0-or-later
"""Reading dumps that others wrote: memory in the capture kernel, the kernel's, QEMU's and makedumpfile's files.

What is compared is each page's checksum, with the raw copy of /proc/vmcore or with libkdumpfile's reading.
"""

import random
import re
import resource
import subprocess
import zlib

import pytest

import vm as lab
from wanted import core

PAGE = 4096


@pytest.fixture(scope="session")
def memory(understudy):
    path = understudy.parent / "tests/dump/memory"
    assert path.exists(), path
    return path


def parse(text):
    """({page number: checksum or state}, {word: value})"""
    pages, said = {}, {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        if key in ("format", "incomplete", "crc", "failed", "absent", "present", "excluded", "lost", "seconds"):
            said[key] = value
        else:
            pages[int(key, 16)] = value
    return pages, said


def look(memory, *words, **more):
    done = subprocess.run([memory, *words], capture_output=True, text=True, **more)
    assert done.returncode == 0, done.stderr
    return parse(done.stdout)


def test_memory_in_the_capture_kernel_reads_like_its_copy(vm, kernels, memory, tmp_path):
    """/proc/vmcore by mapped windows and by read(2) says what the copy says; 6.1, so that modules are in it."""
    kernel = kernels["6.1-cloud"]
    crash = [("load", f"kx file /boot/k {lab.NEXT_INITRD} 'console=ttyS0 panic=-1 quiet nr_cpus=1' 2"),
             ("crash", "echo c > /proc/sysrq-trigger")]
    capture = lab.Stage([("windows", "time -v memory /proc/vmcore", 120), ("read", "memory --read /proc/vmcore", 240),
                         ("send", "send vmcore < /proc/vmcore", 120)], binaries=[memory],
                        modules=("virtio_pci", "virtio_blk"))
    r = vm.boot(kernel, [crash, capture], files={"/boot/k": kernel.vmlinuz}, append="crashkernel=160M", memory="640M",
                outputs={"vmcore": tmp_path / "vmcore"}, timeout=400)
    assert r.step("load").rc == 0, r.step("load").out
    by_window, by_read = parse(r.step("windows").out)[1], parse(r.step("read").out)[1]
    assert by_window["format"] == "/proc/vmcore" and by_window["failed"] == "0", r.step("windows").err
    _, copy = look(memory, tmp_path / "vmcore")
    assert copy["format"] == "ELF core" and int(copy["present"]) > 30000
    assert by_window["crc"] == by_read["crc"] == copy["crc"]
    peak = int(re.search(r"Maximum resident set size \(kbytes\): (\d+)", r.step("windows").err)[1])
    assert peak < 24 << 10, f"{peak} KiB"
    print(f"peak {peak} KiB; windows {by_window['seconds']} s, read(2) {by_read['seconds']} s for {copy['present']} pages")
    assert float(by_window["seconds"]) < float(by_read["seconds"])


@pytest.mark.parametrize("name", ["6.1", "6.12", "6.1-qemu", "6.1-qemu-paging"])
def test_libkdumpfile_reads_the_same(memory, name):
    kdumpfile = pytest.importorskip("kdumpfile", reason="python3-libkdumpfile is not installed")
    dump = kdumpfile.kdumpfile(file=str(core(name)))
    pages, said = look(memory, "--lines", core(name))
    assert said["failed"] == said["lost"] == said["excluded"] == "0"
    for pfn in random.Random(1).sample(sorted(pages), 3000):
        data = dump.read(kdumpfile.KDUMP_MACHPHYSADDR, pfn * PAGE, PAGE)
        assert f"{zlib.crc32(data):08x}" == pages[pfn], hex(pfn)


FORMS = {
    "zlib": (["-c", "-d", "0"], ["OUT"]), "lzo-d1": (["-l", "-d", "1"], ["OUT"]), "zlib-d31": (["-c", "-d", "31"], ["OUT"]),
    "raw-d31": (["-d", "31"], ["OUT"]), "elf": (["-E", "-d", "0"], ["OUT"]),
    "split": (["-c", "-d", "31", "--splitblock-size", "1024", "--split"], ["OUT.1", "OUT.2", "OUT.3"]),
    "flat": (["-F", "-l", "-d", "31"], None), "flat-elf": (["-F", "-E", "-d", "0"], None),
}


@pytest.mark.parametrize("form", FORMS)
def test_makedumpfiles_output_is_what_went_in(memory, makedumpfile, tmp_path, form):
    words, names = FORMS[form]
    command = [makedumpfile, "--message-level", "0", *words, core("6.1")]
    if names is None:
        out = [tmp_path / "flat"]
        with open(out[0], "wb") as f:
            subprocess.run(command, stdout=f, check=True)
    else:
        out = [tmp_path / n for n in names]
        subprocess.run([*command, *out], check=True, capture_output=True)
    pages, said = look(memory, "--lines", *out)
    whole, _ = look(memory, "--lines", core("6.1"))
    assert said["failed"] == said["lost"] == "0" and said["incomplete"] == "0"
    kept = {pfn: crc for pfn, crc in pages.items() if crc != "excluded"}
    assert pages.keys() == whole.keys() and len(kept) > 15000
    assert (len(kept) == len(whole)) == ("31" not in words)
    assert all(whole[pfn] == crc for pfn, crc in kept.items())
    by_read, _ = look(memory, "--lines", "--read", *reversed(out))
    assert by_read == pages


def test_a_file_that_cannot_be_mapped_whole_is_read_in_windows(memory):
    """With 100 MB of address space a core of 400 MB still reads the same."""
    path = core("6.1")
    if b"asan" in memory.read_bytes():
        pytest.skip("address space can't be limited under AddressSanitizer")
    limit = 100 << 20
    _, less = look(memory, path, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)))
    _, said = look(memory, path)
    assert path.stat().st_size > limit and less["crc"] == said["crc"]


def test_a_cut_core_loses_what_is_cut_only(memory, tmp_path):
    whole, _ = look(memory, "--lines", core("tiny"))
    size = core("tiny").stat().st_size
    cut = tmp_path / "cut"
    with open(core("tiny"), "rb") as f, open(cut, "wb") as out:
        out.write(f.read(size - (3 << 20) - 100))
    pages, said = look(memory, "--lines", cut)
    assert said["incomplete"] == "1" and said["failed"] == "0"
    lost = {pfn for pfn, crc in pages.items() if crc == "lost"}
    assert len(lost) in (768, 769)
    assert all(pages[pfn] == whole[pfn] for pfn in pages.keys() - lost)
