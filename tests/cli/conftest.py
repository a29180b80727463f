# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the command line cases: the program, recorded machines, made images.

Nothing here can change the machine: every run has UNDERSTUDY_ACT=record, so that what would be asked of the kernel
is written down instead. A run that a signal ends, or in which a sanitizer speaks, fails its test at once.
UNDERSTUDY_BINARY names the program (build/understudy).
"""
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent.parent
sys.path[:0] = [str(TOP / "tests/fixtures/probe"), str(TOP / "tests/fixtures/images"), str(TOP / "tests/fixtures/hosts")]

import hosts  # noqa: E402
import probe as probe_maker  # noqa: E402


class Run:
    """What one run of the program said and did."""

    def __init__(self, status, out, err, seconds, acts):
        self.status, self.out, self.err, self.seconds, self.acts = status, out, err, seconds, acts

    @property
    def json(self):
        return json.loads(self.out)

    @property
    def text(self):
        """All that a person saw, with line breaks and indents taken out."""
        return " ".join((self.out + " " + self.err).split())

    @property
    def failing(self):
        """The ids of what failed or is not known, of the JSON form."""
        return {f["id"]: f["result"] for f in self.json.get("check", self.json)["findings"] if f["result"] != "pass"}

    def finding(self, rule):
        """The finding of that rule in the JSON form, or None if the rule did not apply."""
        found = [f for f in self.json.get("check", self.json)["findings"] if f["id"] == rule]
        return found[0] if found else None


class Program:
    def __init__(self, path, folder):
        self.path, self.folder, self.runs = path, folder, 0

    def __call__(self, *args, host=None, name="understudy", env=None, timeout=60, user=None, act=True, cwd=None):
        """Runs it. host: a recorded machine; name: what it is called by; user: its uid; act: it may record calls."""
        self.runs += 1
        acts = self.folder / f"acts-{self.runs}"
        settings = {"UNDERSTUDY_ACT": f"record:{acts}" if act else "", "LC_ALL": "C.UTF-8", "COLUMNS": "100", **(env or {})}
        if host:
            settings["UNDERSTUDY_HOST"] = str(host)
        begin = time.monotonic()
        run = subprocess.run([name, *map(str, args)], executable=self.path, env=os.environ | settings, timeout=timeout,
                             stdin=subprocess.DEVNULL, capture_output=True, user=user, cwd=cwd)
        seconds = time.monotonic() - begin
        out, err = run.stdout.decode(errors="replace"), run.stderr.decode(errors="replace")
        assert run.returncode >= 0, f"ended by signal {-run.returncode}\n{err}"
        assert "Sanitizer" not in err and "runtime error:" not in err, err
        calls = [json.loads(line) for line in acts.read_text().splitlines()] if acts.exists() else []
        return Run(run.returncode, out, err, seconds, calls)


@pytest.fixture
def understudy(tmp_path):
    path = Path(os.environ.get("UNDERSTUDY_BINARY", TOP / "build/understudy")).resolve()
    assert path.exists(), f"{path} is not built"
    return Program(path, tmp_path)


@pytest.fixture
def image(tmp_path):
    """image(name, field=value...): a probe kernel whose header fields are as said; see probe.make_probe()."""
    def make(name="vmlinuz", **fields):
        return probe_maker.make_probe(tmp_path / name, **fields)
    return make


@pytest.fixture
def archive(tmp_path):
    """archive(name, files): an initrd: a cpio archive (newc) with empty files of these names."""
    def make(name="initrd", files=("init",)):
        data = b""
        for i, file in enumerate([*files, "TRAILER!!!"]):
            raw = file.encode() + b"\0"
            fields = (i + 1, 0o100644, 0, 0, 1, 0, 0, 0, 0, 0, 0, len(raw), 0)
            data += b"070701" + b"".join(b"%08x" % f for f in fields) + raw
            data += bytes(-len(data) % 4)
        (tmp_path / name).write_bytes(data)
        return tmp_path / name
    return make


@pytest.fixture(scope="session")
def plain_hosts(tmp_path_factory):
    return tmp_path_factory.mktemp("hosts")


@pytest.fixture
def host(tmp_path, plain_hosts):
    """host(name, change...): the folder of a recorded machine; changes are those of hosts.py (put, sub, drop...)."""
    def make(name="vm-la57", *changes):
        if changes:
            return hosts.make_host(name, tmp_path / f"{name}-{len(list(tmp_path.iterdir()))}", *changes)
        plain = plain_hosts / name
        return plain if plain.exists() else hosts.make_host(name, plain)
    return make


@pytest.fixture(scope="session")
def debian():
    """debian("6.12"): the path of a real kernel under build/kernels, or a skip."""
    def find(name):
        path = TOP / "build/kernels" / name / "boot/vmlinuz"
        if not path.exists():
            pytest.skip(f"kernel {name} is not under build/kernels (make setup fetches it)")
        return path.resolve()
    return find
