# SPDX-License-Identifier: GPL-2.0-or-later
"""The codec "auto" to a sink that takes so many bytes a second and no more: a stream into a pipe that is read at that rate."""
import fcntl
import os
import statistics
import subprocess
import time

import dumps
import vm as lab

STEP = 256 << 10
LEVELS, JOBS = (31, 1), (1, 2)
FAST, SLOW = 250, 100  # MB/s
TIME_SLACK = 1.05  # of the clock, not of the promise
SIZE_MOST = 1.08
TIMED = {FAST: ("lzo", "auto"), SLOW: ("zstd:1", "auto")}


def through(command, rate):
    """How many bytes a command put out, which are read at rate MB/s."""
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out = process.stdout.fileno()
    fcntl.fcntl(out, fcntl.F_SETPIPE_SZ, STEP)
    start, taken = time.perf_counter(), 0
    while part := os.read(out, STEP):
        taken += len(part)
        # never faster than the rate, and what was not used is not saved up
        start = max(start, time.perf_counter() - (taken + STEP) / rate / 1e6)
        time.sleep(max(0, start + taken / rate / 1e6 - time.perf_counter()))
    _, text = process.communicate()
    if process.returncode:
        raise lab.LabError(f"{command}: {text.decode(errors='replace')[-500:]}")
    return taken


def timed(command, rate):
    begin = time.perf_counter()
    taken = through(command, rate)
    return time.perf_counter() - begin, taken


def rows(understudy, core, turns):
    for rate, codecs in TIMED.items():
        for level in LEVELS:
            for jobs in JOBS:
                taken = {codec: [] for codec in codecs}
                for _ in range(turns):
                    for codec in codecs:
                        taken[codec].append(timed([understudy, "dump", "--level", level, "--codec", codec, "--jobs", jobs, core, "-"], rate))
                (other, auto) = ([statistics.median(column) for column in zip(*taken[codec])] for codec in codecs)
                ratio = auto[0] / other[0] if rate == FAST else auto[1] / other[1]
                met = ratio <= (TIME_SLACK if rate == FAST else SIZE_MOST)
                goal = f"time <= {TIME_SLACK}" if rate == FAST else f"size <= {SIZE_MOST}"
                yield (f"| {rate} MB/s | {level} | {jobs} | {auto[0]:.2f} s, {auto[1] / 1e6:.1f} MB | {codecs[0]} | "
                       f"{other[0]:.2f} s, {other[1] / 1e6:.1f} MB | {ratio:.2f} | {goal} | {'met' if met else 'missed'} |")


def page(understudy, turns, mebibytes):
    """The part of bench/README.md about slow sinks."""
    core = dumps.guest_core(understudy, mebibytes)
    lines = "\n".join(rows(understudy, core, turns))
    return f"""## The codec auto

The same memory as a stream into a pipe that is read at a given rate. To a fast sink auto may not be slower than lzo, to a slow one not larger than
zstd:1 plus 8 %. Each number is the median of {turns}.

| sink | level | jobs | auto | beside | | ratio | goal | |
|---|---|---|---|---|---|---|---|---|
{lines}
"""
