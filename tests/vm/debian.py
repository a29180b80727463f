# SPDX-License-Identifier: GPL-2.0-or-later
"""A stock Debian 12 in a virtual machine (tools/debian-guest): systemd, Debian's kernel and kdump-tools, as installed;
and what `make install` puts on it.

What a scenario does in it is a shell script, handed over by fw_cfg and run when the machine is up; its lines come back
on the console marked "LAB| ". Files are put on a copy of the disk before the boot, by debugfs.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field

import vm as lab

# What kdump-tools would load its own kernel by: the service at each start, the rule at each event of hotplug.
FOREIGN = ("/etc/systemd/system/kdump-tools.service", "/etc/udev/rules.d/50-kdump-tools.rules")


@dataclass
class Seen:
    """Console lines with host seconds since QEMU's start."""

    lines: list = field(default_factory=list)
    overdue: bool = False
    seconds: float = 0.0

    def at(self, pattern, after=0.0):
        """When the first line that matches came; None if none did."""
        return next((t for t, line in self.lines if t >= after and re.search(pattern, line)), None)

    def said(self):
        """What the script said."""
        return [line.split("LAB| ", 1)[1] for _, line in self.lines if "LAB| " in line]

    def tail(self, lines=40):
        return "\n".join(f"[{t:7.2f}] {line}" for t, line in self.lines[-lines:])


def guest():
    """The folder with disk.raw, vmlinuz, initrd.img, release; made on first use."""
    root = ["sudo", "--preserve-env=HOME,XDG_CACHE_HOME", *([] if sys.stdin.isatty() else ["-n"])] if os.getuid() else []
    out = subprocess.run([*root, lab.TOP / "tools/debian-guest"], stdout=subprocess.PIPE, text=True)
    if out.returncode:
        raise lab.LabError("tools/debian-guest could not make the disk")
    return pathlib.Path(out.stdout.strip())


def copy_disk(folder, to):
    subprocess.run(["cp", "--sparse=always", folder / "disk.raw", to], check=True)
    return to


def put(disk, files, links=None):
    """Puts {path in the guest: host path or bytes[, mode]} on an ext4 disk; links: {path: what it points to}."""
    with tempfile.TemporaryDirectory() as tmp:
        commands, made = [], set()

        def folder_of(path):
            parent = pathlib.PurePosixPath(path).parent
            for folder in (*reversed(parent.parents), parent):
                if str(folder) != "/" and folder not in made:
                    made.add(folder)
                    commands.append(f"mkdir {folder}")

        for number, (path, content) in enumerate(files.items()):
            content, mode = content if isinstance(content, tuple) else (content, None)
            source = content
            if isinstance(content, bytes):
                source = pathlib.Path(tmp, str(number))
                source.write_bytes(content)
            folder_of(path)
            mode = mode if mode is not None else pathlib.Path(source).stat().st_mode & 0o777
            commands += [f"rm {path}", f"write {source} {path}", f"sif {path} mode 0{0o100000 | mode:o}",
                         f"sif {path} uid 0", f"sif {path} gid 0"]
        for path, to in (links or {}).items():
            folder_of(path)
            commands += [f"rm {path}", f"symlink {path} {to}"]
        script = pathlib.Path(tmp, "commands")
        script.write_text("".join(c + "\n" for c in commands))
        subprocess.run(["/sbin/debugfs", "-w", "-f", script, disk], check=True, capture_output=True, timeout=120)
        for path in files:
            out = subprocess.run(["/sbin/debugfs", "-R", f"stat {path}", disk], capture_output=True, text=True)
            assert "Type: regular" in out.stdout, f"{path} is not on the disk: {out.stderr}"


def install(understudy, disk, enable=True):
    """What `make install` installs and `systemctl enable` links; kdump-tools is there, but masked."""
    build = pathlib.Path(understudy).parent
    with tempfile.TemporaryDirectory() as tree:
        subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet", "--destdir", tree], check=True, stdout=subprocess.DEVNULL)
        if enable:
            subprocess.run(["systemctl", "--quiet", f"--root={tree}", "enable", "understudy-arm.service"], check=True,
                           stderr=subprocess.DEVNULL)
        names = {f"/{p.relative_to(tree)}": p for p in pathlib.Path(tree).rglob("*") if "/share/man/" not in str(p)}
        put(disk, {name: p for name, p in names.items() if p.is_file() and not p.is_symlink()},
            dict.fromkeys(FOREIGN, "/dev/null") | {name: p.readlink() for name, p in names.items() if p.is_symlink()})


def get(disk, path, to):
    subprocess.run(["/sbin/debugfs", "-R", f"dump {path} {to}", disk], check=True, capture_output=True, timeout=120)
    return pathlib.Path(to)


def boot(name, folder, disk, script, reserve="384M-:128M", append="", memory="2G", cpus=2, timeout=400, stop=None, qemu=(), initrd=None,
         monitor=None, seen=None):
    """Boots the disk and gives the console; ends with the guest's reset or power-off. stop: a pattern that ends it too;
    monitor: {pattern: [what is said to QEMU's monitor at the first line that matches]}; seen: a Seen that another thread watches."""
    seen, monitor = seen or Seen(), dict(monitor or {})
    lab.LOGS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as tmp, lab.slot():
        path = pathlib.Path(tmp, "script")
        path.write_text(script)
        args = ["-accel", lab.accelerator(), "-M", "q35", "-cpu", "max", "-m", memory, "-smp", str(cpus),
                "-drive", f"file={disk},format=raw,if=virtio,cache=writeback", "-device", "virtio-rng-pci",
                "-kernel", folder / "vmlinuz", "-initrd", initrd or folder / "initrd.img", "-fw_cfg", f"name=opt/lab/script,file={path}",
                "-append", f"root=/dev/vda ro console=ttyS0,115200 {f'crashkernel={reserve} ' if reserve else ''}{append}".strip(), *qemu]

        def on_line(port, line, at, say):
            if port == "console":
                text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]|\r", "", line.decode("utf-8", "replace"))
                seen.lines.append((at, text))
                if stop and re.search(stop, text):
                    say("quit")
                for pattern in [p for p in monitor if re.search(p, text)]:
                    for command in monitor.pop(pattern):
                        say(command)

        _, _, seen.overdue, seen.seconds = lab.run_qemu(args, timeout, on_line, log=lab.LOGS / f"{name}.console")
    return seen
