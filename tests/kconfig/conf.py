# SPDX-License-Identifier: GPL-2.0-or-later
"""The oracle of the Kconfig tests: each kernel tree's own scripts/kconfig/conf, run for any architecture.

tree("6.1") is a folder with what conf reads of Debian's linux-source-6.1; run() and its short forms give a .config
as text; values() takes one apart. The compiler is the tree's scripts/dummy-tools, so that no cross compiler is
needed and every machine gets the same. Trees, built programs and what runs gave are kept below CACHE; a tree that
a test changed itself (copy()) is run afresh each time.
"""
import contextlib
import fcntl
import functools
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent.parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "understudy/conf"
PROBES = CACHE / "probes"
TOOLCHAIN = "scripts/dummy-tools/"  # as make's CROSS_COMPILE, from the top of the tree
ARCHES = ("x86_64", "arm64", "arm", "s390", "powerpc", "riscv")
TREES = ("6.1", "6.12")
SRCARCH = {"x86_64": "x86", "i386": "x86", "parisc64": "parisc", "sparc32": "sparc", "sparc64": "sparc"}
DEFCONFIG = {"x86_64": "x86_64_defconfig", "i386": "i386_defconfig", "arm": "multi_v7_defconfig", "powerpc": "ppc64_defconfig"}
WANTED = ("*/Kconfig*", "*/scripts/*", "*/arch/*/configs/*", "*/arch/*/tools/*.sh")


class Refused(Exception):
    """conf ended with an error; the text is what it said."""


@contextlib.contextmanager
def alone(path):
    """At most one process at a time past here, for that path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(f"{path}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def archive(version):
    """The Debian source archive of a kernel series ("6.1"), or of the newest that was fetched; None if it is not there."""
    if version == "newest":
        found = sorted((TOP / "build/kernels/source/usr/src").glob("linux-source-*.tar.xz"))
        return found[-1] if found else None
    path = Path(f"/usr/src/linux-source-{version}.tar.xz")
    return path if path.exists() else None


def tree(version):
    """A folder with what conf reads of that kernel. FileNotFoundError: its source is not installed.

    It is the kernel's but for one thing: two of powerpc's scripts want every end of a pipe to succeed (pipefail), which
    the dummy compiler, that reads no input, does or does not by chance. Here the last word decides.
    """
    source = archive(version)
    if not source:
        raise FileNotFoundError(f"linux-source-{version} is not installed")
    stat = source.stat()
    key = hashlib.sha256(f"{source.name} {stat.st_size} {int(stat.st_mtime)} {WANTED} pipefail".encode()).hexdigest()[:12]
    folder = CACHE / "trees" / f"{version}-{key}"
    with alone(folder):
        if not folder.exists():
            fresh = folder.with_name(folder.name + ".new")
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir()
            subprocess.run(["tar", "-C", fresh, "--strip-components=1", "--wildcards", "-xf", source,
                            f"{source.name.removesuffix('.tar.xz')}/Makefile", *WANTED], check=True)
            for script in fresh.glob("arch/powerpc/tools/*.sh"):
                script.write_text(script.read_text().replace("set -o pipefail\n", ""))
            fresh.rename(folder)
    return folder


def copy(folder, to):
    """A copy of a tree that a test may change; at to, which is not there yet."""
    subprocess.run(["cp", "-r", "--reflink=auto", folder, to], check=True)
    return Path(to)


def version(folder):
    """"6.1.192": VERSION, PATCHLEVEL and SUBLEVEL of the Makefile."""
    text = (folder / "Makefile").read_text()
    parts = [re.search(rf"^{name} *= *(\S*)", text, re.M)[1] for name in ("VERSION", "PATCHLEVEL", "SUBLEVEL", "EXTRAVERSION")]
    return ".".join(filter(None, parts[:3])) + parts[3]


def program(folder):
    """The tree's own conf, built once for each text of its sources. It asks each probe of the toolchain once (kept-popen.c)."""
    kconfig, include = folder / "scripts/kconfig", folder / "scripts/include"
    sources = sorted(p for d in (kconfig, include) if d.exists() for p in d.glob("*.[chly]"))
    key = hashlib.sha256(b"".join(p.read_bytes() for p in sources)).hexdigest()[:12]
    conf = CACHE / f"{version(folder)}-{key}" / "conf-kept"
    with alone(conf):
        if not conf.exists():
            with tempfile.TemporaryDirectory() as work:
                subprocess.run(["bison", "-o", f"{work}/parser.tab.c", f"--defines={work}/parser.tab.h", "-t", "-l", kconfig / "parser.y"], check=True)
                subprocess.run(["flex", "-o", f"{work}/lexer.lex.c", "-L", kconfig / "lexer.l"], check=True)
                parts = [kconfig / f"{name}.c" for name in ("conf", "confdata", "expr", "menu", "preprocess", "symbol", "util")]
                subprocess.run(["gcc", "-O2", "-w", "-Dpopen=kept_popen", "-Dpclose=kept_pclose", f"-I{kconfig}", f"-I{include}", f"-I{work}",
                                "-c", *parts, f"{work}/parser.tab.c", f"{work}/lexer.lex.c"], cwd=work, check=True)
                subprocess.run(["gcc", "-O2", "-w", "-o", f"{conf}.new", *sorted(Path(work).glob("*.o")), TOP / "tests/kconfig/kept-popen.c"], check=True)
            os.rename(f"{conf}.new", conf)
    return conf


@functools.cache
def tools():
    """The versions of the tools that probes ask for and a machine may or may not have: what was kept holds for them only."""
    found = [path for name in ("rustc", "bindgen", "pahole") if (path := shutil.which(name))]
    return [subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout for path in found]


def probes(folder):
    """Where is kept what the probes of that tree answered: by the text of all that they run, and the machine's tools."""
    scripts = [p for pattern in ("scripts/dummy-tools/*", "scripts/*.sh", "arch/*/tools/*.sh") for p in sorted(folder.glob(pattern)) if p.is_file()]
    kept = PROBES / hashlib.sha256(b"".join(p.read_bytes() for p in scripts) + repr(tools()).encode()).hexdigest()[:12]
    kept.mkdir(parents=True, exist_ok=True)
    return str(kept)


def environment(folder, arch, toolchain=TOOLCHAIN):
    """What the top Makefile exports to conf, for make ARCH=arch CROSS_COMPILE=toolchain."""
    prefix = f"{folder}/{toolchain}" if "/" in toolchain else toolchain
    tools = {name: prefix + name.lower() for name in ("LD", "NM", "AR", "OBJCOPY", "OBJDUMP", "READELF", "STRIP")}
    env = {k: os.environ[k] for k in ("PATH", "HOME", "TMPDIR") if k in os.environ}
    env |= tools | {
        "ARCH": arch, "SRCARCH": SRCARCH.get(arch, arch), "srctree": str(folder), "CC": prefix + "gcc", "HOSTCC": "gcc", "CROSS_COMPILE": prefix,
        "CONFIG_SHELL": "/bin/sh", "KERNELVERSION": version(folder), "KEPT_PROBES": probes(folder),
        "RUSTC": "rustc", "BINDGEN": "bindgen", "PAHOLE": "pahole", "LC_ALL": "C"}
    if arch == "um":
        env |= {"SUBARCH": "x86_64", "HEADER_ARCH": "x86"}

    def says(*command):
        with contextlib.suppress(OSError):
            return subprocess.run(command, env=env, capture_output=True, text=True).stdout.partition("\n")[0].replace("#", "")
        return ""

    env["CC_VERSION_TEXT"] = says(env["CC"], "--version")
    env["RUSTC_VERSION_TEXT"] = says("rustc", "--version")
    env["PAHOLE_VERSION"] = says(folder / "scripts/pahole-version.sh", "pahole")
    return env


def run(folder, arch, mode, config=None, allconfig=None, settings=None, keep=True):
    """conf --MODE: the .config that it writes. config: the text of the .config before; allconfig: of KCONFIG_ALLCONFIG.

    keep: of a tree that no test changes, what a run gave is kept."""
    what = repr((mode, config, allconfig, sorted((settings or {}).items()), arch, tools()))
    conf = program(folder)
    kept = None
    if keep and folder.parent == CACHE / "trees":
        key = hashlib.sha256(f"{folder.name} {conf.parent.name} {what}".encode()).hexdigest()[:24]
        kept = CACHE / "runs" / folder.name / arch / f"{key}.gz"
        if kept.exists():
            return gzip.decompress(kept.read_bytes()).decode()
    with tempfile.TemporaryDirectory() as work:
        Path(work, "auto.conf").touch()  # there, conf does not write a file for each symbol
        env = environment(folder, arch) | {"KCONFIG_CONFIG": f"{work}/.config", "KCONFIG_AUTOCONFIG": f"{work}/auto.conf"} | (settings or {})
        if config is not None:
            Path(work, ".config").write_text(config)
        if allconfig is not None:
            Path(work, "all").write_text(allconfig)
            env["KCONFIG_ALLCONFIG"] = f"{work}/all"
        done = subprocess.run([conf, "-s", f"--{mode}", "Kconfig"], cwd=work, env=env, capture_output=True, text=True)
        if done.returncode:
            raise Refused(done.stderr)
        text = Path(work, ".config").read_text()
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as fresh:
            fresh.write(gzip.compress(text.encode(), 3))
        os.rename(fresh.name, kept)
    return text


def olddefconfig(folder, arch, text):
    """A .config or fragment carried to this tree, what it leaves open by default."""
    return run(folder, arch, "olddefconfig", config=text)


def alldefconfig(folder, arch, allconfig=None):
    return run(folder, arch, "alldefconfig", allconfig=allconfig)


def allnoconfig(folder, arch, allconfig=None):
    return run(folder, arch, "allnoconfig", allconfig=allconfig)


def allyesconfig(folder, arch, allconfig=None):
    return run(folder, arch, "allyesconfig", allconfig=allconfig)


def allmodconfig(folder, arch, allconfig=None):
    return run(folder, arch, "allmodconfig", allconfig=allconfig)


def randconfig(folder, arch, seed, probability=None, allconfig=None):
    """probability: as KCONFIG_PROBABILITY ("50", "20:30", "10:40:30"); None: 50 for bool, a third each for tristate."""
    settings = {"KCONFIG_SEED": str(seed)} | ({"KCONFIG_PROBABILITY": probability} if probability else {})
    return run(folder, arch, "randconfig", allconfig=allconfig, settings=settings)


def defconfig_path(folder, arch):
    return folder / "arch" / SRCARCH.get(arch, arch) / "configs" / DEFCONFIG.get(arch, "defconfig")


def defconfig(folder, arch):
    return run(folder, arch, f"defconfig={defconfig_path(folder, arch)}")


def values(text):
    """{name: value} of a .config: "y", "m", "n", a number as it stands, a string without quotes. What is absent is not there."""
    found = {}
    for line in text.splitlines():
        if line.startswith("CONFIG_"):
            name, _, value = line[len("CONFIG_"):].partition("=")
            if value.startswith('"'):
                value = re.sub(r"\\(.)", r"\1", value[1:-1])
            found[name] = value
        elif line.startswith("# CONFIG_") and line.endswith(" is not set"):
            found[line[len("# CONFIG_"):-len(" is not set")]] = "n"
    return found
