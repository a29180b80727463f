# SPDX-License-Identifier: GPL-2.0-or-later
"""Ours beside Debian's kdump-tools, each in its own copy of one stock Debian 12: boot to armed, panic to dump saved,
the capture image, the least reservation that works, and how long the machine is without a crash kernel in a reload."""

import pathlib
import re
import statistics
import subprocess
import tempfile

import debian
import vm as lab

# The kernel's word is read as often as a shell can; what it says "0" to is the share of the reload without a crash kernel.
RELOAD = """
now() { awk '{ print int($1 * 1000) }' /proc/uptime; }
look() { while [ ! -e /run/done ]; do read -r a < /sys/kernel/kexec_crash_loaded; echo "$a"; done > /run/looks; }
look & sleep 1; : > /run/looks; b=$(now)
COMMAND > /run/reload.log 2>&1; echo "status $?"; e=$(now)
touch /run/done; wait
echo "unarmed $(grep -c 0 /run/looks) looks $(wc -l < /run/looks) took $((e - b))"
"""
CRASH = "sync; sleep 2; echo c > /proc/sysrq-trigger\n"
SIZES = range(64, 140, 4)


class Side:
    """One of the two, on a disk of its own."""

    def __init__(self, name, folder, disk, armed, saved, reload, image):
        self.name, self.folder, self.disk = name, folder, disk
        self.armed, self.saved, self.reload, self.image = armed, saved, reload, image

    def boot(self, script, **more):
        return debian.boot(f"bench-kdump-{self.name}", self.folder, self.disk, script, **more)

    def prepare(self):
        """The first start makes the capture image."""
        seen = self.boot("cat /sys/kernel/kexec_crash_loaded\n")
        if seen.said()[:1] != ["1"]:
            raise lab.LabError(f"{self.name} is not armed\n{seen.tail()}")

    def crash(self):
        """(seconds from power-on to armed, from the panic to the dump's last byte on disk)"""
        seen = self.boot(CRASH)
        died, armed = seen.at("sysrq: Trigger a crash"), seen.at(self.armed)
        saved = seen.at(self.saved, after=died or 0)
        if not (died and armed and saved):
            raise lab.LabError(f"{self.name}: armed {armed}, died {died}, saved {saved}\n{seen.tail()}")
        return armed, saved - died

    def unarmed(self):
        """(milliseconds without a crash kernel, milliseconds of the reload)"""
        seen = self.boot(RELOAD.replace("COMMAND", self.reload))
        line = next((m for m in (re.match(r"unarmed (\d+) looks (\d+) took (\d+)", l) for l in seen.said()) if m), None)
        if not line or "status 0" not in seen.said():
            raise lab.LabError(f"{self.name}: the reload failed: {seen.said()}")
        without, looks, took = map(int, line.groups())
        return without / looks * took, took

    def image_bytes(self):
        """(packed, unpacked)"""
        with tempfile.TemporaryDirectory() as tmp:
            packed = debian.get(self.disk, self.image(self.folder), pathlib.Path(tmp, "image"))
            plain = subprocess.run(["zstd", "-dcq", packed], stdout=subprocess.PIPE).stdout
            return packed.stat().st_size, len(plain)

    def least(self, start):
        """The least reservation, in steps of 4 MiB from start, with which a dump is saved; and the one before."""
        for size in (s for s in SIZES if s >= start):
            seen = self.boot(self.before_crash + CRASH, reserve=f"{size}M", timeout=150, stop="System is deadlocked on memory|Rebooting in")
            died = seen.at("sysrq: Trigger a crash")
            if died and seen.at(self.saved, after=died):
                return size
        return None

    before_crash = ""


def sides(understudy, tmp):
    folder = debian.guest()
    ours, theirs = (debian.copy_disk(folder, tmp / name) for name in ("ours", "theirs"))
    debian.install(understudy, ours)
    us = Side("ours", folder, ours, r"Finished .*understudy-arm\.service", r"understudy: result saved", "understudy arm --force",
              lambda f: "/var/lib/understudy/armed/initrd")
    us.before_crash = "understudy arm --accept-small > /dev/null 2>&1\n"
    them = Side("theirs", folder, theirs, r"kdump-tools\[\d+\]: loaded kdump kernel", r"kdump-tools: saved vmcore", "kdump-config reload",
                lambda f: f"/var/lib/kdump/initrd.img-{(f / 'release').read_text().strip()}")
    return us, them


def row(what, ours, theirs, unit, goal, met):
    ratio = f"{ours / theirs:.3f}" if isinstance(theirs, (int, float)) and theirs else "-"
    text = ["-" if v is None else f"{v:.{1 if isinstance(v, float) and v < 100 else 0}f} {unit}" for v in (ours, theirs)]
    return f"| {what} | {text[0]} | {text[1]} | {ratio} | {goal} | {'' if met is None else 'met' if met else 'missed'} |"


def page(understudy, tmp, turns):
    us, them = sides(understudy, tmp)
    for side in (us, them):
        side.prepare()
    taken = {side.name: [] for side in (us, them)}
    for _ in range(turns):
        for side in (us, them):
            taken[side.name].append(side.crash())
    armed, saved = ({name: statistics.median(t[i] for t in times) for name, times in taken.items()} for i in (0, 1))
    without = {side.name: side.unarmed() for side in (us, them)}
    size = {side.name: side.image_bytes() for side in (us, them)}
    least = {"ours": us.least(72), "theirs": them.least(112)}
    rows = [
        row("power-on to armed", armed["ours"], armed["theirs"], "s", "-", None),
        row("panic to dump saved", saved["ours"], saved["theirs"], "s", "<= 1/8", saved["ours"] * 8 <= saved["theirs"]),
        row("capture image, packed", size["ours"][0] / 1024, size["theirs"][0] / 1024, "KiB", "<= 2048 KiB", size["ours"][0] <= 2 << 20),
        row("capture image, unpacked", size["ours"][1] / 1024, size["theirs"][1] / 1024, "KiB", "<= 4096 KiB", size["ours"][1] <= 4 << 20),
        row("least crashkernel= that saves a dump", least["ours"], least["theirs"], "MiB", "72 MiB", least["ours"] == 72),
        row("without a crash kernel in a reload", without["ours"][0], without["theirs"][0], "ms", "-", None),
        row("the reload", float(without["ours"][1]), float(without["theirs"][1]), "ms", "-", None),
    ]
    return f"""## kdump, end to end

A stock Debian 12 (kernel {(us.folder / 'release').read_text().strip()}, 2 GiB, 2 CPUs, one virtio disk with ext4), started with systemd, once with Debian's
kdump-tools 1.8.1 as installed (128 MiB reserved) and once with ours; both had made their capture image in an earlier start. Medians of {turns}.

| what | understudy | kdump-tools | ratio | goal | |
|---|---|---|---|---|---|
{chr(10).join(rows)}

- The image is that for a local disk. Debian's starts the whole system again and needs no driver for its disk in a list.
- The least reservation is looked for in steps of 4 MiB, ours from 72 MiB and theirs from 112 MiB up.
- Without a crash kernel: the share of looks at `/sys/kernel/kexec_crash_loaded` in the reload that said 0, times its length. Ours is the length of
  the system call itself; Debian's script unloads first.
"""
