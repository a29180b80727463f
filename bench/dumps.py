# SPDX-License-Identifier: GPL-2.0-or-later
"""Dumping beside makedumpfile, on the memory of a guest that was given work of every kind.

The guest's memory is taken by QEMU's dump-guest-memory once and kept in the cache, as an ELF core that both programs read.
"""
import json
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
FLAGS = {"lzo": "-l", "zlib": "-c", "zstd": "-z"}  # Debian builds makedumpfile without snappy
NEWER = "zstd"  # what only the makedumpfile of the Debian after this one has
CODECS = ("lzo", "zlib", "snappy", "zstd")
# (level, codec): how many times as fast as makedumpfile with one job and with two
GOALS = {(31, "lzo"): (1.7, 3), (31, "zlib"): (4, 7), (31, "zstd"): (1.6, 3)} | {
    (level, codec): (2, 3.5) for level in (1, 0) for codec in ("lzo", "zlib", "zstd")}
FLOOR_GOALS = (1.2, 0.65)
SCAN_GOAL = 4

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


def peer_of(codec):
    """The makedumpfile that has the codec, or None."""
    if codec not in FLAGS:
        return None
    if codec != NEWER:
        return lab.peer("makedumpfile", "usr/bin/makedumpfile")
    newer = lab.PEERS / "makedumpfile-newer/usr/bin/makedumpfile"
    return newer if newer.exists() else None


def floor(understudy, codec, core, dump, turns):
    """Seconds of the bare codec over the pages of the dump and of one read of the page array (floor.c)."""
    out = subprocess.run([understudy.parent / "bench/floor", codec, core, dump, str(turns)], check=True, capture_output=True, text=True)
    return sum(float(word) / 1000 for word in out.stdout.split()[:2])


def row(understudy, core, out, level, codec, turns):
    """Medians of ours with one job, with two, and makedumpfile's; the floor; sizes of ours and theirs."""
    theirs = peer_of(codec)
    flags = ["-d", level, core, out]
    ours = [understudy, "dump", "--no-sync", "--level", level, "--codec", codec, "--jobs"]
    commands = {"peer": [theirs, "--message-level", "0", FLAGS.get(codec), *flags]} if theirs else {}
    commands |= {1: [*ours, 1, core, out], 2: [*ours, 2, core, out]}
    taken, size = {who: [] for who in commands}, {}
    for _ in range(turns):
        for who, command in commands.items():
            out.unlink(missing_ok=True)
            taken[who].append(run(command)[0])
            size[who] = out.stat().st_size
    took = {who: statistics.median(values) for who, values in taken.items()}
    least = floor(understudy, codec, core, out, turns)
    out.unlink()
    return took, least, size


def scan_row(understudy, core, out, turns):
    """Medians of the seconds in which ours and makedumpfile sort all pages, as each says itself."""
    theirs, taken = lab.peer("makedumpfile", "usr/bin/makedumpfile"), ([], [])
    for _ in range(turns):
        said = subprocess.run([understudy, "dump", "--no-sync", "--force", "--json", "--level", "31", core, out], check=True,
                              capture_output=True, text=True).stdout
        taken[0].append(json.loads(said)["scan_seconds"])
        out.unlink()
        said = subprocess.run([theirs, "--message-level", "31", "-l", "-d", "31", core, out], check=True, capture_output=True, text=True)
        out.unlink()
        steps = re.findall(r"STEP \[(?:Checking for memory holes|Excluding unnecessary pages) *\] : ([\d.]+) s", said.stdout + said.stderr)
        taken[1].append(sum(map(float, steps)))
    return [statistics.median(t) for t in taken]


def in_memory(core):
    with open(core, "rb") as f:
        while f.read(16 << 20):
            pass


def tables(understudy, tmp, turns, mebibytes):
    """(beside makedumpfile, beside the floor, the scan's line)"""
    core, out = guest_core(understudy, mebibytes), tmp / "dump"
    in_memory(core)
    subprocess.run(["ninja", "-C", understudy.parent, "bench/floor"], check=True, stdout=subprocess.DEVNULL)
    beside = ["| level | codec | 1 job | 2 jobs | makedumpfile | times as fast (1, 2 jobs) | goal | size | makedumpfile's |",
              "|---|---|---|---|---|---|---|---|---|"]
    least = ["| level | codec | floor | 1 job | 2 jobs | of the floor (1, 2 jobs) | goal | |", "|---|---|---|---|---|---|---|---|"]
    for level in (31, 1, 0):
        for codec in CODECS:
            took, bare, size = row(understudy, core, out, level, codec, turns)
            one, two, peer = took[1], took[2], took.get("peer")
            goal = GOALS.get((level, codec)) if peer else None
            fast = f"{peer / one:.2f}, {peer / two:.2f}" if peer else "-"
            wanted = f"{goal[0]}, {goal[1]}" if goal else "-"
            theirs = (f"{peer:.2f} s", f"{size['peer'] / 1e6:.1f} MB") if peer else ("-", "-")
            beside.append(f"| {level} | {codec} | {one:.2f} s | {two:.2f} s | {theirs[0]} | {fast} | {wanted} | {size[1] / 1e6:.1f} MB | {theirs[1]} |")
            met = one <= FLOOR_GOALS[0] * bare and two <= FLOOR_GOALS[1] * bare
            least.append(f"| {level} | {codec} | {bare:.3f} s | {one:.3f} s | {two:.3f} s | {one / bare:.2f}, {two / bare:.2f} | "
                         f"<= {FLOOR_GOALS[0]}, {FLOOR_GOALS[1]} | {'met' if met else 'missed'} |")
    ours, theirs = scan_row(understudy, core, out, max(turns, 5))
    scan = (f"Sorting the pages takes {ours * 1000:.1f} ms, makedumpfile {theirs * 1000:.1f} ms: {theirs / ours:.1f} times as fast "
            f"(goal {SCAN_GOAL}: {'met' if theirs >= SCAN_GOAL * ours else 'missed'}).")
    return "\n".join(beside), "\n".join(least), scan


def page(understudy, tmp, turns, mebibytes):
    """The part of bench/README.md about dumps."""
    peer, newer = version(peer_of("lzo")), peer_of(NEWER)
    zstd = f"its rows of {NEWER} are of {version(newer)}, from the Debian after" if newer else f"none with {NEWER} is at hand"
    beside, least, scan = tables(understudy, tmp, turns, mebibytes)
    return f"""## Dumps

The memory of a guest of {mebibytes} MiB with Debian's {KERNEL} kernel (noise and text in anonymous memory, tmpfs, page cache, dentries),
as an ELF core that is in the page cache, to a file in memory. makedumpfile is Debian's {peer}; {zstd}; none of them has snappy. It runs with one
thread (with more it is slower). Each number is the median of {turns}; the processes' whole time.

{beside}

"times as fast" is makedumpfile's time over ours; the goals are for a quiet machine with two processors.

{least}

The floor is what no dump can do without: the library's bare codec, one page after the other from memory to one page of output that goes
nowhere (lzo1x_1 of liblzo2, libdeflate's zlib at level 1, snappy, zstd at level 1), over all pages that are kept but those of zeros; and one
read of all struct pages. Reading the core, writing the dump, checksums and the start of the process are not in it.

{scan}
"""
