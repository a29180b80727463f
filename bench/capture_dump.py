# SPDX-License-Identifier: GPL-2.0-or-later
"""Dumping inside the capture kernel, beside makedumpfile: sysrq-c in a guest, then both dump /proc/vmcore in turn."""
import re
import statistics

import vm as lab

KERNEL = "6.1"  # what Debian's makedumpfile 1.7.2 filters in full
MEMORY, RESERVED = "2G", "256M"
BUSYBOX_TIMES = 4  # busybox's time takes KiB for pages of 4 KiB
CONSOLE = "console=ttyS0 panic=-1 quiet nr_cpus=1"
WORK = """
(head -c 200000000 /dev/urandom; sleep 100000) | tail -c 200000000 &
(i=0; while [ $i -lt 40 ]; do cat /proc/kallsyms; i=$((i+1)); done; sleep 100000) | tail -c 200000000 &
sleep 25; true
"""
# (what, ours, makedumpfile's); the dumps go to memory of the capture kernel
PAIRS = (("level 31, lzo", "understudy dump --no-sync --level 31 --codec lzo", "makedumpfile --message-level 0 -l -d 31"),
         ("level 31, zlib", "understudy dump --no-sync --level 31 --codec zlib", "makedumpfile --message-level 0 -c -d 31"))


def rows(understudy, turns):
    kernel = lab.kernel(KERNEL)
    programs = lab.program(understudy, "/bin/understudy")
    arm = [("work", WORK, 300), ("arm", f"understudy load --crash /boot/k --initrd {lab.NEXT_INITRD} --cmdline '{CONSOLE}'"),
           ("crash", "echo c > /proc/sysrq-trigger", 60)]
    steps = [(f"{what} {who} {turn}", f"rm -f /dump; time -v {command} /proc/vmcore /dump && stat -c 'size %s' /dump", 240)
             for turn in range(turns) for what, ours, theirs in PAIRS for who, command in (("ours", ours), ("theirs", theirs))]
    capture = lab.Stage(steps, files=programs | lab.program(lab.peer("makedumpfile", "usr/bin/makedumpfile"), "/bin/makedumpfile"))
    r = lab.Vm("bench-capture").boot(kernel, [arm, capture], files=programs | {"/boot/k": kernel.vmlinuz}, memory=MEMORY, cpus=2,
                                     append=f"crashkernel={RESERVED}", timeout=1500)
    bad = [s for s in r.steps if s.rc]
    if bad or not r.finished:
        raise lab.LabError(f"dumps in the capture kernel: {bad[:1]} {r.tail(10)}")

    def of(what, who):
        taken = [r.step(f"{what} {who} {turn}") for turn in range(turns)]
        peak = max(int(re.search(r"Maximum resident set size \(kbytes\): (\d+)", s.err)[1]) // BUSYBOX_TIMES for s in taken)
        return statistics.median(s.ms / 1000 for s in taken), peak / 1024, int(re.search(r"size (\d+)", taken[0].out)[1]) / 1e6

    for what, *_ in PAIRS:
        ours, theirs = of(what, "ours"), of(what, "theirs")
        yield (f"| {what} | {ours[0]:.2f} s | {theirs[0]:.2f} s | {theirs[0] / ours[0]:.2f} | {ours[1]:.1f} MiB | {theirs[1]:.1f} MiB | "
               f"{ours[2]:.1f} MB | {theirs[2]:.1f} MB |")


def page(understudy, turns):
    """The part of bench/README.md about the capture kernel."""
    lines = "\n".join(rows(understudy, turns))
    return f"""## Dumps inside the capture kernel

A guest of {MEMORY} with Debian's {KERNEL} kernel dies; its capture kernel ({RESERVED}, one processor, {lab.accelerator()}) dumps /proc/vmcore to memory, both
programs in turn. Each time is the median of {turns}, each peak the largest resident set, libraries and program included.

| what | understudy | makedumpfile | times as fast | peak | makedumpfile's | size | makedumpfile's |
|---|---|---|---|---|---|---|---|
{lines}
"""
