# SPDX-License-Identifier: GPL-2.0-or-later
"""Dumping beside makedumpfile, on the memory of a guest that was given work of every kind.

The guest's memory is taken by QEMU's dump-guest-memory once and kept in the cache, as an ELF core that both programs read.
"""
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

TOP = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "tests/vm"))
import vm as lab  # noqa: E402

RECIPE = 1
KERNEL = "6.1"  # what Debian's makedumpfile 1.7.2 filters in full
FLAGS = {"lzo": "-l", "zlib": "-c"}  # Debian builds makedumpfile without snappy and zstd
CODECS = ("lzo", "zlib", "snappy", "zstd")
# (level, codec): how many times as fast as makedumpfile with one job and with two
GOALS = {(31, "lzo"): (1.7, 3), (31, "zlib"): (4, 7), (1, "lzo"): (2, 3.5), (1, "zlib"): (2, 3.5), (0, "lzo"): (2, 3.5),
         (0, "zlib"): (2, 3.5)}

# A twentieth of memory each of noise and of text as anonymous memory, programs in tmpfs, page cache; dentries.
WORK = """
mount -t tmpfs -o size=60% none /mnt
hold() {{ {{ "$@"; sleep 100000; }} | tail -c {part} & }}
texts() {{ i=0; while [ $i -lt {texts} ]; do cat /proc/kallsyms; i=$((i+1)); done; }}
hold head -c {part} /dev/urandom
hold texts
cat /bin/busybox /bin/kx > /mnt/0; i=0
while [ $(stat -c %s /mnt/0) -lt {part} ]; do cat /mnt/0 > /mnt/1; cat /mnt/1 >> /mnt/0; done
head -c {part} /dev/zero > /mnt/disk && mke2fs -F /mnt/disk >/dev/null 2>&1 && mkdir -p /d && mount -t ext2 -o loop /mnt/disk /d
head -c {half} /mnt/0 > /d/file; sync
seq 1 {files} | (cd /run; xargs touch)
head -c {part} /mnt/0 > /mnt/gone; rm /mnt/gone
sleep 20; true
"""


def guest_core(understudy, mebibytes):
    kernel = lab.kernel(KERNEL)
    path = lab.CACHE / "cores" / f"bench-{kernel.release}-{mebibytes}M-r{RECIPE}"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    part = (mebibytes << 20) // 20
    work = WORK.format(part=part, half=part // 2, texts=part // (7 << 20) + 1, files=mebibytes * 10)
    qemu, new = path.with_suffix(".qemu"), path.with_suffix(".new")
    stage = lab.Stage([("work", work, 1500), ("dump", "sleep 3")], modules=("loop", "ext4", "qemu_fw_cfg"))
    r = lab.Vm("bench-core").boot(kernel, [stage], memory=f"{mebibytes}M", cpus=2, qemu=["-device", "vmcoreinfo"],
                                  monitor={"dump": [f"dump-guest-memory {qemu}"]}, timeout=1800)
    if not r.finished:
        raise lab.LabError(f"no core of the guest: {r.tail()}")
    # makedumpfile refuses QEMU's own layout of program headers
    subprocess.run([understudy, "dump", "--level", "0", "--format", "elf", "--force", qemu, new], check=True, capture_output=True)
    qemu.unlink()
    new.rename(path)
    return path


def run(command):
    """(seconds, KiB at most) of a command."""
    begin = time.perf_counter()
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    text = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.stderr.close()
    took = time.perf_counter() - begin
    if status:
        raise lab.LabError(f"{command}: {text.decode(errors='replace')[-500:]}")
    return took, usage.ru_maxrss


def version(makedumpfile):
    said = subprocess.run([makedumpfile, "-v"], capture_output=True, text=True)
    found = re.search(r"version ([\d.]+)", said.stdout + said.stderr)
    return found[1] if found else "?"


def rows(understudy, tmp, turns, mebibytes):
    """(level, codec, seconds with one job, with two, makedumpfile's or None, size, makedumpfile's, goal, met)"""
    core = guest_core(understudy, mebibytes)
    theirs = lab.peer("makedumpfile", "usr/bin/makedumpfile")
    out = tmp / "dump"
    with open(core, "rb") as f:  # both read it from memory
        while f.read(16 << 20):
            pass
    for level in (31, 1, 0):
        for codec in CODECS:
            taken, size = {1: [], 2: [], "peer": []}, {}
            for _ in range(turns):
                for who in taken:
                    if who == "peer" and codec not in FLAGS:
                        continue
                    out.unlink(missing_ok=True)
                    ours = [understudy, "dump", "--no-sync", "--level", level, "--codec", codec, "--jobs", who, core, out]
                    peer = [theirs, "--message-level", "0", FLAGS.get(codec), "-d", level, core, out]
                    taken[who].append(run(peer if who == "peer" else ours)[0])
                    size[who] = out.stat().st_size
            out.unlink()
            one, two = statistics.median(taken[1]), statistics.median(taken[2])
            peer = statistics.median(taken["peer"]) if taken["peer"] else None
            yield level, codec, one, two, peer, size[1], size.get("peer"), GOALS.get((level, codec))


def table(understudy, tmp, turns, mebibytes):
    lines = ["| level | codec | 1 job | 2 jobs | makedumpfile | times as fast (1, 2 jobs) | goal | size | makedumpfile's |",
             "|---|---|---|---|---|---|---|---|---|"]
    for level, codec, one, two, peer, size, peer_size, goal in rows(understudy, tmp, turns, mebibytes):
        fast = f"{peer / one:.2f}, {peer / two:.2f}" if peer else "-"
        wanted = f"{goal[0]}, {goal[1]}" if goal else "-"
        theirs = (f"{peer:.2f} s", f"{peer_size / 1e6:.1f} MB") if peer else ("-", "-")
        lines.append(f"| {level} | {codec} | {one:.2f} s | {two:.2f} s | {theirs[0]} | {fast} | {wanted} | {size / 1e6:.1f} MB | {theirs[1]} |")
    return "\n".join(lines)


def page(understudy, tmp, turns, mebibytes):
    """The part of bench/README.md about dumps."""
    peer = version(lab.peer("makedumpfile", "usr/bin/makedumpfile"))
    return f"""## Dumps

The memory of a guest of {mebibytes} MiB with Debian's {KERNEL} kernel (noise and text in anonymous memory, tmpfs, page cache, dentries),
as an ELF core that is in the page cache, to a file in memory. makedumpfile is Debian's {peer}, without snappy and zstd and with one thread (with
more it is slower). Each number is the median of {turns}; the processes' whole time.

{table(understudy, tmp, turns, mebibytes)}

"times as fast" is makedumpfile's time over ours; the goals are for a quiet machine with two processors.
"""
