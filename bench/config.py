# SPDX-License-Identifier: GPL-2.0-or-later
"""Questions to a kernel's Kconfig, beside the tree's own conf --olddefconfig: Linux 6.12 for x86_64, in one run.

conf runs the compiler tests of the tree with scripts/dummy-tools, as make would; ours leaves them open unless a
toolchain is named, and is measured both ways.
"""
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import conf
import vm as lab

VERSION, ARCH = "6.12", "x86_64"
MAIL, REFUSED = "CRASH_DUMP=y KEXEC=n KEXEC_FILE=y", "CRASH_DUMP=y KEXEC=n KEXEC_FILE=n"


def seconds(command, statuses=(0,), **options):
    begin = time.perf_counter()
    run = subprocess.run([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, **options)
    took = time.perf_counter() - begin
    if run.returncode not in statuses:
        raise lab.LabError(f"{command}: status {run.returncode}: {run.stderr.decode(errors='replace')[-500:]}")
    return took


def olddefconfig(tree, text):
    """A function that runs conf on a whole configuration and says how long it took."""
    program, environment = conf.program(tree), conf.environment(tree, ARCH)

    def run():
        with tempfile.TemporaryDirectory() as work:
            Path(work, ".config").write_text(text)
            Path(work, "auto.conf").touch()
            Path(work, "probes").mkdir()  # the tests keep what probes answered: here each run asks them all
            env = environment | {"KEPT_PROBES": f"{work}/probes", "KCONFIG_CONFIG": f"{work}/.config", "KCONFIG_AUTOCONFIG": f"{work}/auto.conf"}
            return seconds([program, "-s", "--olddefconfig", "Kconfig"], cwd=work, env=env)
    return run


def further(kask, tree, turns):
    """Seconds of a question to a tree that has answered one before: {question: median}."""
    taken = {MAIL: [], REFUSED: []}
    with subprocess.Popen([kask, tree, ARCH, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        for turn in range(turns + 1):
            for question in taken:
                begin = time.perf_counter()
                process.stdin.write(f"ask {question}\n")
                process.stdin.flush()
                said = list(iter(process.stdout.readline, ".\n"))
                if not said or said[0].split()[0] not in ("reachable", "unreachable"):
                    raise lab.LabError(f"{question}: {said}")
                if turn:
                    taken[question].append(time.perf_counter() - begin)
        process.stdin.close()
    return {question: statistics.median(times) for question, times in taken.items()}


def rows(understudy, turns):
    try:
        tree = conf.tree(VERSION)
    except FileNotFoundError as missing:
        raise lab.LabError(str(missing)) from None
    show = [understudy, "config", "show", "KEXEC", tree, "--arch", ARCH]
    why = [understudy, "config", "why", tree, "--arch", ARCH]
    tools = ["--toolchain", f"{tree}/{conf.TOOLCHAIN}"]
    measures = {
        "theirs": olddefconfig(tree, conf.defconfig(tree, ARCH)), "parse": lambda: seconds(show), "mail": lambda: seconds([*why, MAIL]),
        "refused": lambda: seconds([*why, REFUSED], (1,)), "tools": lambda: seconds([*why, MAIL, *tools])}
    taken = {name: [] for name in measures}
    for turn in range(turns + 1):
        for name, measure in measures.items():
            took = measure()
            if turn:  # the first finds nothing in memory
                taken[name].append(took)
    t = {name: statistics.median(times) for name, times in taken.items()}
    warm = further(understudy.parent / "tests/kconfig/kask", tree, turns * 5)
    peer, what = t["theirs"], f"Linux {VERSION} for {ARCH}"
    yield f"reading the Kconfig of {what}, beside `conf --olddefconfig`", t["parse"], peer, "<= 0.33", t["parse"] <= peer / 3
    yield f"{MAIL}: the fragment, read from the tree", t["mail"], peer, "<= 1", t["mail"] <= peer
    yield f"{REFUSED}: the lines that forbid it, read from the tree", t["refused"], peer, "<= 1", t["refused"] <= peer
    yield "the first of these with the compiler tests run, as `conf` does", t["tools"], peer, "-", None
    yield "the first of these, asked again", warm[MAIL], None, "< 100 ms", warm[MAIL] < 0.1
    yield "the second, asked again", warm[REFUSED], None, "< 100 ms", warm[REFUSED] < 0.1
