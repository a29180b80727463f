# SPDX-License-Identifier: GPL-2.0-or-later
"""The VM driver: boots a kernel in QEMU, runs steps in it and in the kernels that follow, returns what they said.

Results come over the second serial port (JSON lines of guest/init.c, or a probe's report), the console goes
to a log under build/vm-logs/. Each VM has a deadline and is ended by its own handle; two may run at a time on
the whole machine. QEMU's exit status is never the judgment: a triple fault ends with 0, too.
KVM is used only where a guest was seen to boot with it.
"""

import base64
import contextlib
import fcntl
import functools
import hashlib
import json
import lzma
import os
import pathlib
import platform
import re
import selectors
import shlex
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field

HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parent.parent
sys.path[:0] = [str(p) for p in (HERE, TOP / "tests/fixtures/probe") if str(p) not in sys.path]

import cpio  # noqa: E402
from probe import Report, parse_report  # noqa: E402

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "understudy"
LOGS = TOP / "build/vm-logs"
KERNELS = TOP / "build/kernels"
HEADERS = TOP / "build/headers"  # what modules of theirs are built with
PEERS = TOP / "build/peers"  # unpacked packages: what the project is compared with
GUEST_LIBS = "/lib/x86_64-linux-gnu"
OVMF = pathlib.Path("/usr/share/OVMF")
NEXT_INITRD = "/boot/initrd2"  # where a stage finds the initrd of the stage after it
OUTPUT_DISK = 8 << 30  # sparse
SLOTS = 2
STEP_SECONDS = 120
# Without KVM, a kernel that patches its own code while it starts may meet QEMU's translation of what stood there before,
# and on a busy host the timer may answer too late.
BOOT_TRIES = 3
NOT_THE_KERNELS = (b"Oops: int3", b"IO-APIC + timer doesn't work")


class LabError(Exception):
    """The lab itself could not do its work (a tool is missing, QEMU did not start)."""


# ---- kernels ------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Kernel:
    """A kernel under build/kernels/: boot/vmlinuz, config, and for Debian's also lib/modules/RELEASE."""

    name: str
    root: pathlib.Path

    @property
    def vmlinuz(self):
        return self.root / "boot/vmlinuz"

    @property
    def config(self):
        return self.root / "config"

    @property
    def vmlinux(self):
        return self.root / "vmlinux"

    @property
    def release(self):
        return (self.root / "release").read_text().strip()

    def modules(self, names):
        """(file name, bytes) of the modules and what they need, in the order in which they load."""
        names = list(names)
        if not names or not (self.root / "lib/modules").is_dir():
            return []
        found = {}
        for name in names:
            out = subprocess.run(["/sbin/modprobe", "-n", "--show-depends", "-d", self.root, "-S", self.release, name],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            if out.returncode:
                raise LabError(f"module {name} of {self.release}: {out.stderr.strip()}")
            for line in out.stdout.splitlines():
                kind, _, path = line.partition(" ")
                if kind == "insmod":
                    found[path.split()[0]] = None
        loaded = []
        for path in map(pathlib.Path, found):
            data = path.read_bytes()
            loaded.append((path.name.removesuffix(".xz"), lzma.decompress(data) if path.suffix == ".xz" else data))
        return loaded


def kernel(name):
    root = KERNELS / name
    if not (root / "boot/vmlinuz").exists():
        raise LabError(f"kernel {name} is not under build/kernels (make setup fetches and builds them)")
    return Kernel(name, root.resolve())


# ---- what a guest holds -------------------------------------------------------------------------------

@dataclass
class Stage:
    """One kernel's part of a scenario. steps: (name, shell command[, seconds]) in order."""

    steps: list
    kernel: Kernel = None  # whose modules are meant, where it is not the first kernel
    modules: tuple = ()
    files: dict = field(default_factory=dict)
    binaries: tuple = ()
    compress: str = None


@functools.lru_cache(maxsize=None)
def guest_tool(name):
    """guest/NAME.c, built static into the cache."""
    source = HERE / "guest" / f"{name}.c"
    key = hashlib.sha256(source.read_bytes()).hexdigest()[:16]
    out = CACHE / "guest" / f"{name}-{key}"
    if not out.exists():
        out.parent.mkdir(parents=True, exist_ok=True)
        tmp = out.with_suffix(f".{os.getpid()}")
        subprocess.run(["gcc", "-std=gnu17", "-Wall", "-Wextra", "-Werror", "-static", "-Os", "-s", "-o", tmp, source],
                       check=True)
        tmp.rename(out)
    return out


@functools.lru_cache(maxsize=None)
def base_files():
    """Busybox with its links, the lab's own tools, and the few files that programs expect."""
    files = {p: b"" for p in ("/proc/.x", "/sys/.x", "/dev/.x", "/tmp/.x", "/run/.x", "/mnt/.x", "/root/.x", "/boot/.x", "/var/.x")}
    files["/dev/console"] = cpio.Node(5, 1)
    files["/bin/busybox"] = "/bin/busybox"
    applets = subprocess.run(["/bin/busybox", "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    for name in applets:
        if name != "busybox":
            files[f"/bin/{name}"] = cpio.Link("busybox")
    files["/init"] = guest_tool("init")
    for name in ("kx", "send"):
        files[f"/bin/{name}"] = guest_tool(name)
    files["/etc/passwd"] = b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n"
    files["/etc/group"] = b"root:x:0:\nnogroup:x:65534:\n"
    return files


def peer(package, program):
    """The host path of a program in an unpacked package, e.g. peer("kexec-tools", "sbin/kexec")."""
    path = PEERS / package / program
    if not path.exists():
        raise LabError(f"{package} is not under build/peers (tools/fetch-kernels fetches it)")
    return path


@functools.lru_cache(maxsize=None)
def libraries(path):
    """The shared libraries of a program; those that only an unpacked package has are found there."""
    search = ":".join(map(str, PEERS.glob(f"lib*/usr{GUEST_LIBS}")))
    out = subprocess.run(["ldd", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                         env=os.environ | {"LD_LIBRARY_PATH": search}).stdout
    if "not found" in out:
        raise LabError(f"{path}: a library is missing: {out.strip()}")
    return tuple(re.findall(r"(/\S+\.so\S*)", out))


def program(path, at=None):
    """{guest path: host path} of a program and the shared libraries it needs."""
    path = pathlib.Path(path)
    files = {at or f"/bin/{path.name}": path.resolve()}
    for lib in map(pathlib.Path, libraries(str(path))):
        guest = lib if PEERS not in lib.parents else pathlib.Path(GUEST_LIBS, lib.name)
        files[str(guest)] = lib.resolve()
    return files


def step_file(number, steps):
    out = [b"%d %d\n" % (number, len(steps))]
    for _, command, *limit in steps:
        text = command.encode()
        out.append(b"%d %d\n" % ((limit[0] if limit else STEP_SECONDS) * 1000, len(text)) + text)
    return b"".join(out)


def stage_initrd(number, stage, first_kernel, shared, next_initrd):
    files = dict(base_files())
    for path in stage.binaries:
        files.update(program(path))
    for path, content in shared.items() if number == 0 else ():
        files[path] = content
    files.update(stage.files)
    loaded = (stage.kernel or first_kernel).modules(stage.modules)
    files["/m/list"] = "".join(f"{name}\n" for name, _ in loaded).encode()
    files.update((f"/m/{name}", data) for name, data in loaded)
    files["/steps"] = step_file(number, stage.steps)
    if next_initrd is not None:
        files[NEXT_INITRD] = next_initrd
    return cpio.compress(cpio.archive(files), stage.compress)


def make_initrd(stages, first_kernel, files):
    """The initrd of the first stage; each later one lies inside the one before it."""
    data = None
    for number in reversed(range(len(stages))):
        data = stage_initrd(number, stages[number], first_kernel, files, data)
    return data


# ---- what came back -----------------------------------------------------------------------------------

@dataclass
class Boot:
    """A kernel came up and started the lab's init."""

    stage: int
    release: str
    cmdline: str
    la57: bool
    uptime_ms: int
    efi: bool
    vmcore: bool
    memtotal_kb: int
    at: float  # host seconds since QEMU's start


@dataclass
class Step:
    """rc is None if the step never returned (a jump, a crash), -1 if its deadline ended it."""

    name: str
    stage: int
    rc: int = None
    out: str = ""
    err: str = ""
    kmsg: str = ""
    ms: int = None
    cut: bool = False
    started_at: float = None
    ended_at: float = None


@dataclass
class Result:
    boots: list = field(default_factory=list)
    steps: list = field(default_factory=list)
    probe: Report = None
    console: str = ""
    console_lines: list = field(default_factory=list)  # (host seconds, text)
    finished: bool = False  # the last init that ran got to its end
    overdue: bool = False  # ended at the deadline
    seconds: float = 0.0
    log: pathlib.Path = None
    outputs: dict = field(default_factory=dict)

    def step(self, name, stage=None):
        for step in self.steps:
            if step.name == name and stage in (None, step.stage):
                return step
        ran = ", ".join(f"{s.stage}:{s.name}" for s in self.steps) or "none"
        raise AssertionError(f"step {name!r} never started (ran: {ran}); console in {self.log}\n{self.tail()}")

    def tail(self, lines=40):
        return "\n".join(self.console.splitlines()[-lines:])


def _text(record, key):
    return base64.b64decode(record.get(key, "")).decode("utf-8", "replace")


def read_record(result, stages, line, at):
    """Takes one line of init into the result; returns the step that has just started, if any."""
    try:
        r = json.loads(line)
    except ValueError:
        return None
    if not isinstance(r, dict) or "kind" not in r:
        return None
    result.finished = r["kind"] == "done"
    if r["kind"] == "boot":
        result.boots.append(Boot(r["stage"], _text(r, "release"), _text(r, "cmdline"), bool(r["la57"]), r["uptime_ms"],
                                 bool(r["efi"]), bool(r["vmcore"]), r["memtotal_kb"], at))
    elif r["kind"] == "start":
        step = Step(stages[r["stage"]].steps[r["index"]][0], r["stage"], started_at=at)
        result.steps.append(step)
        return step
    elif r["kind"] == "end":
        step = result.steps[-1]
        step.rc, step.ms, step.cut, step.ended_at = r["rc"], r["ms"], bool(r["cut"]), at
        step.out, step.err, step.kmsg = _text(r, "out"), _text(r, "err"), _text(r, "kmsg")
    return None


def take_outputs(disk, wanted):
    """Copies the records of guest/send.c from the output disk to the host paths asked for."""
    found = {}
    with open(disk, "rb") as f:
        at = 0
        while True:
            f.seek(at)
            head = f.read(512)
            if head[:8] != b"LABSEND1":
                return found
            size, = struct.unpack_from("<Q", head, 8)
            name = head[16:].split(b"\0")[0].decode("utf-8", "replace")
            if name in wanted:
                with open(wanted[name], "wb") as out:
                    left = size
                    while left:
                        chunk = f.read(min(left, 1 << 20))
                        if not chunk:
                            break
                        left -= len(chunk)
                        if chunk.count(0) == len(chunk):
                            out.seek(len(chunk), os.SEEK_CUR)
                        else:
                            out.write(chunk)
                    out.truncate(size)
                found[name] = pathlib.Path(wanted[name])
            at += 512 + (size + 511) // 512 * 512


# ---- QEMU ---------------------------------------------------------------------------------------------

@contextlib.contextmanager
def slot():
    """One of the machine's two places for a VM; waits for it."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(open(CACHE / f"vm-slot-{n}", "w")) for n in range(SLOTS)]
        while True:
            for f in files:
                try:
                    fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    continue
                yield
                return
            time.sleep(0.1)


class Wire:
    """A chardev of QEMU: our end of a socket pair."""

    def __init__(self, name):
        self.name = name
        self.ours, self.theirs = socket.socketpair()
        self.data = bytearray()

    def args(self):
        return ["-chardev", f"socket,id={self.name},fd={self.theirs.fileno()}"]

    def close(self):
        self.ours.close()
        self.theirs.close()


def run_qemu(args, timeout, on_line=None, log=None):
    """Runs one QEMU with console and result ports; returns (console, results, overdue, seconds).

    on_line(port, line, seconds, say) is called for each full line; say(command) talks to the monitor.
    """
    wires = {name: Wire(name) for name in ("console", "results", "monitor")}
    # setpriv: a QEMU never outlives the run that started it
    command = ["setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-display", "none", "-nodefaults", "-vga", "std", "-no-reboot", "-net", "none"]
    for w in wires.values():
        command += w.args()
    command += ["-serial", "chardev:console", "-serial", "chardev:results", "-mon", "chardev=monitor,mode=readline", *args]
    if log:
        log.with_suffix(".cmd").write_text(shlex.join(map(str, command)) + "\n")
    console = open(log.with_suffix(".console"), "wb") if log else None
    start = time.monotonic()
    child = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                             stderr=subprocess.PIPE, pass_fds=[w.theirs.fileno() for w in wires.values()])
    for w in wires.values():
        w.theirs.close()
    overdue = False
    say = lambda text: wires["monitor"].ours.sendall(text.encode() + b"\n")  # noqa: E731
    try:
        with selectors.DefaultSelector() as sel:
            for w in wires.values():
                sel.register(w.ours, selectors.EVENT_READ, w)
            while sel.get_map():
                left = start + timeout - time.monotonic()
                if left <= 0:
                    overdue = True
                    break
                for key, _ in sel.select(left):
                    w = key.data
                    try:
                        chunk = w.ours.recv(1 << 16)
                    except ConnectionResetError:
                        chunk = b""
                    if not chunk:
                        sel.unregister(w.ours)
                        continue
                    if w.name == "console" and console:
                        console.write(chunk)
                        console.flush()
                    before = w.data.rfind(b"\n") + 1
                    w.data += chunk
                    end = w.data.rfind(b"\n") + 1
                    if on_line:
                        for line in bytes(w.data[before:end]).split(b"\n")[:-1]:
                            on_line(w.name, line, time.monotonic() - start, say)
    except BaseException:
        child.kill()
        raise
    finally:
        if overdue:
            child.kill()
        try:
            errors = child.communicate(timeout=10)[1]
        except subprocess.TimeoutExpired:
            child.kill()
            errors = child.communicate()[1]
        for w in wires.values():
            w.ours.close()
        if console:
            console.close()
    if errors.strip() and not wires["console"].data and not overdue:
        raise LabError(f"QEMU: {errors.decode('utf-8', 'replace').strip()}")
    if log:
        log.with_suffix(".results").write_bytes(wires["results"].data)
    return bytes(wires["console"].data), bytes(wires["results"].data), overdue, time.monotonic() - start


@functools.lru_cache(maxsize=None)
def accelerator():
    """"kvm" if a small kernel boots with it, else "tcg"; the answer is remembered for this host kernel."""
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    model = next((l for l in open("/proc/cpuinfo") if l.startswith("model name")), "")
    version = subprocess.run(["qemu-system-x86_64", "--version"], stdout=subprocess.PIPE, text=True).stdout
    key = hashlib.sha256(f"{platform.release()}{model}{version}".encode()).hexdigest()[:16]
    known = CACHE / f"accelerator-{key}"
    with contextlib.suppress(OSError):
        return known.read_text()
    for name in ("tiny", "6.12-cloud", "6.12", "6.1"):
        with contextlib.suppress(LabError):
            guest = kernel(name)
            break
    else:
        return "tcg"
    with tempfile.TemporaryDirectory() as tmp, slot():
        initrd = pathlib.Path(tmp, "initrd")
        initrd.write_bytes(make_initrd([Stage([])], guest, {}))
        args = ["-accel", "kvm", "-cpu", "max", "-M", "q35", "-m", "512", "-kernel", guest.vmlinuz, "-initrd", initrd,
                "-append", "console=ttyS0 panic=-1 quiet"]
        try:
            boots = b'"kind":"done"' in run_qemu(args, 20)[1]
        except LabError:
            boots = False
    CACHE.mkdir(parents=True, exist_ok=True)
    known.write_text("kvm" if boots else "tcg")
    return known.read_text()


def firmware_args(kind, tmp, kernel_file, initrd, append):
    """How the first kernel gets in: by QEMU's own loader (bios, uefi) or by shim and grub (secureboot)."""
    direct = ["-kernel", kernel_file, "-initrd", initrd, "-append", append]
    if kind == "bios":
        return direct
    if kind not in ("uefi", "secureboot"):
        raise LabError(f"unknown firmware {kind!r}")
    variables = tmp / "vars.fd"
    shutil.copy(OVMF / ("OVMF_VARS_4M.ms.fd" if kind == "secureboot" else "OVMF_VARS_4M.fd"), variables)
    flash = ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={OVMF}/OVMF_CODE_4M.fd",
             "-drive", f"if=pflash,format=raw,unit=1,file={variables}"]
    if kind == "uefi":
        return flash + direct
    disk = esp_image(tmp, kernel_file, initrd, append)
    return flash + ["-drive", f"file={disk},format=raw,if=virtio,cache=unsafe"]


def esp_image(tmp, kernel_file, initrd, append):
    """A FAT image that the firmware boots: Debian's signed shim and grub, the kernel and the initrd."""
    shim = PEERS / "shim-signed/usr/lib/shim/shimx64.efi.signed"
    grub = PEERS / "grub-efi-amd64-signed/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed"
    if not shim.exists() or not grub.exists():
        raise LabError("no signed shim and grub under build/peers (tools/fetch-kernels fetches them)")
    disk = tmp / "esp.img"
    size = (kernel_file.stat().st_size + initrd.stat().st_size >> 20) + 64
    with open(disk, "wb") as f:
        f.truncate(max(size, 64) << 20)
    config = tmp / "grub.cfg"
    config.write_text("serial --unit=0\nterminal_output serial\nset timeout=0\n"
                      f"linux /vmlinuz {append}\ninitrd /initrd\nboot\n")
    mtools = functools.partial(subprocess.run, check=True, stdout=subprocess.DEVNULL)
    mtools(["mformat", "-i", disk, "-F", "-v", "ESP", "::"])
    mtools(["mmd", "-i", disk, "::/EFI", "::/EFI/BOOT", "::/EFI/debian"])
    for source, target in ((shim, "/EFI/BOOT/BOOTX64.EFI"), (grub, "/EFI/BOOT/grubx64.efi"),
                           (config, "/EFI/debian/grub.cfg"), (kernel_file, "/vmlinuz"), (initrd, "/initrd")):
        mtools(["mcopy", "-i", disk, source, f"::{target}"])
    return disk


class Vm:
    """Boots machines and keeps their logs under one name (a test's)."""

    def __init__(self, name):
        self.name = re.sub(r"[^A-Za-z0-9_.-]+", "-", name)
        self.results = []

    def boot(self, kernel, stages, modules=(), files=None, binaries=(), append="", memory="1G", cpus=1, cpu="max",
             machine="q35", qemu=(), firmware="bios", timeout=120, outputs=None, compress=None, quiet=True, monitor=None):
        """Boots kernel (a Kernel, or a path to an image) and runs the stages; see Result.

        stages    lists of steps or Stage objects; a stage finds the next one's initrd at NEXT_INITRD
        modules   names, for the first stage; binaries: dynamic programs that go to /bin; files: {guest: host or bytes}
        outputs   {name: host path}: what a step hands out with `send NAME < FILE`
        monitor   {step name: [...]} when that step starts: QEMU monitor commands, (seconds, command) for later, or
                  functions of the result so far
        """
        stages = [s if isinstance(s, Stage) else Stage(list(s)) for s in stages]
        if not isinstance(kernel, Kernel):
            kernel = Kernel(str(kernel), pathlib.Path("/nonexistent"))
        image = kernel.vmlinuz if kernel.vmlinuz.exists() else pathlib.Path(kernel.name)
        drivers = [*modules, *(("virtio_pci", "virtio_blk") if outputs else ())]
        stages[0].modules = (*drivers, *stages[0].modules)
        stages[0].binaries = (*binaries, *stages[0].binaries)
        stages[0].compress = stages[0].compress or compress
        LOGS.mkdir(parents=True, exist_ok=True)
        result = Result(log=LOGS / f"{self.name}-{len(self.results)}.console")
        self.results.append(result)
        with tempfile.TemporaryDirectory(prefix="understudy-vm-") as directory:
            tmp = pathlib.Path(directory)
            initrd = tmp / "initrd"
            initrd.write_bytes(make_initrd(stages, kernel, files or {}))
            append = f"console=ttyS0 panic=-1 {'quiet ' if quiet else ''}{append}".strip()
            args = ["-accel", accelerator(), "-M", machine, "-cpu", cpu, "-m", str(memory), "-smp", str(cpus),
                    *firmware_args(firmware, tmp, image, initrd, append), *qemu]
            if outputs:
                disk = tmp / "outputs"
                with open(disk, "wb") as f:
                    f.truncate(OUTPUT_DISK)
                args += ["-drive", f"id=labout,file={disk},format=raw,if=none,cache=unsafe",
                         "-device", "virtio-blk-pci,drive=labout,serial=labout"]
            self._run(result, args, stages, timeout, monitor or {})
            if outputs:
                result.outputs = take_outputs(disk, outputs)
        return result

    def _run(self, result, args, stages, timeout, monitor):
        def tell(say, text):
            with contextlib.suppress(OSError):  # it has ended before
                say(text)

        def on_line(port, line, at, say):
            if port == "console":
                result.console_lines.append((at, line.decode("utf-8", "replace").rstrip("\r")))
            elif port == "results":
                step = read_record(result, stages, line.strip(), at)
                for command in monitor.get(step.name, ()) if step else ():
                    if callable(command):
                        command(result)
                    else:
                        after, text = command if isinstance(command, tuple) else (0, command)
                        threading.Timer(after, tell, [say, text]).start() if after else say(text)

        for _ in range(BOOT_TRIES):
            result.console_lines.clear()
            with slot():
                console, results, result.overdue, result.seconds = run_qemu(args, timeout, on_line, log=result.log)
            if result.boots or not any(words in console for words in NOT_THE_KERNELS):
                break
        result.console = console.decode("utf-8", "replace").replace("\r", "")
        result.probe = parse_report(results)
