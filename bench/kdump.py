# SPDX-License-Identifier: GPL-2.0-or-later
"""Ours beside Debian's kdump-tools, each in its own copy of one stock Debian 12: boot to armed, panic to dump saved,
the capture image, the least reservation that works, and how long the machine is without a crash kernel in a reload."""

import debian
import vm as lab

RELOAD = """
t() { awk '{ print int($1 * 1000) }' /proc/uptime; }
: > /run/watch
( while [ ! -e /run/done ]; do echo "$(cat /sys/kernel/kexec_crash_loaded)"; done > /run/watch ) &
b=$(t); %s > /dev/null 2>&1; e=$(t)
touch /run/done; wait
echo "unarmed $(grep -c 0 /run/watch) of $(wc -l < /run/watch) looks in $((e - b)) ms"
"""
SIDES = {
    "theirs": {"reload": "kdump-config reload", "armed": r"loaded kdump kernel", "saved": r"kdump-tools: saved vmcore",
               "image": "ls -lL /var/lib/kdump/initrd.img | awk '{ print \"image\", $5 }'",
               "unpacked": "d=$(mktemp -d); unmkinitramfs /var/lib/kdump/initrd.img $d; du -sb $d | awk '{ print \"unpacked\", $1 }'"},
    "ours": {"reload": "touch /etc/understudy.conf; understudy arm --force", "armed": r"Finished understudy-arm\.service",
             "saved": r"understudy: .*saved", "image": "understudy arm --dry-run --json > /run/arm.json; cat /run/arm.json | tr -d '\\n '",
             "unpacked": "true"},
}


class Side:
    def __init__(self, name, folder, disk):
        self.name, self.folder, self.disk = name, folder, disk
        self.words = SIDES[name]

    def boot(self, script, **more):
        seen = debian.boot(f"bench-kdump-{self.name}", self.folder, self.disk, script, **more)
        if seen.overdue:
            raise lab.LabError(f"{self.name}: the machine did not end\n{seen.tail()}")
        return seen

    def prepare(self):
        """The first boot makes the capture image."""
        self.boot(f"cat /sys/kernel/kexec_crash_loaded; {self.words['image']}; {self.words['unpacked']}\n")

    def crash(self, **more):
        """{measure: seconds} of one boot, crash and capture."""
        seen = self.boot("sync; sleep 2; echo c > /proc/sysrq-trigger\n", **more)
        died, armed = seen.at(r"sysrq: Trigger a crash"), seen.at(self.words["armed"])
        saved = seen.at(self.words["saved"], after=died or 0)
        return {"armed": armed, "saved": saved - died if died and saved else None,
                "second": (seen.at("Linux version", after=died) or 0) - died if died else None, "restart": seen.seconds - died if died else None,
                "seen": seen}
