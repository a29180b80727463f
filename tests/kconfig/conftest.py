# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the Kconfig tests: parsed trees that answer (tests/kconfig/ktree.c), a seed that changes from run to run.

UNDERSTUDY_BINARY names the program (build/understudy); ktree lies in the same build folder.
"""
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(Path(__file__).resolve().parent))

import conf  # noqa: E402

spec = importlib.util.spec_from_file_location("cli_conftest", TOP / "tests/cli/conftest.py")
cli = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cli)
understudy = cli.understudy  # the program, as tests/cli runs it


class Refused(Exception):
    """ktree answered with an error."""


class Ktree:
    """One parsed tree. toolchain: as make's CROSS_COMPILE, from the top of the tree; None: nothing is run."""

    def __init__(self, program, tree, arch, toolchain=None, more=()):
        self.tree, self.arch = tree, arch
        prefix = [f"{tree}/{toolchain}" if "/" in toolchain else toolchain] if toolchain is not None else []
        self.process = subprocess.Popen([program, str(tree), arch, *prefix, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def ask(self, request):
        """The lines that a request is answered with, as one text."""
        try:
            self.process.stdin.write(request + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended and says why
        said = []
        for line in self.process.stdout:
            if line == ".\n":
                if said and said[-1].startswith("error: "):
                    raise Refused(said[-1][len("error: "):].strip())
                return "".join(said)
            said.append(line)
        raise Refused(self.process.stderr.read().strip() or f"ktree ended with {self.process.wait()}")

    def config(self, start="defaults", wishes=None):
        """The .config of a start ("defaults", "no", "yes", "modules"), with the lines of another as wishes."""
        with tempfile.NamedTemporaryFile("w") as file:
            if wishes is not None:
                file.write(wishes)
                file.flush()
            self.ask(f"evaluate {start}" + (f" {file.name}" if wishes is not None else ""))
        return self.ask("write")

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(60) == 0, self.process.stderr.read()
        self.process.stdout.close()
        self.process.stderr.close()


@pytest.fixture(scope="session")
def program():
    binary = Path(os.environ.get("UNDERSTUDY_BINARY", TOP / "build/understudy"))
    path = binary.parent / "tests/kconfig/ktree"
    if not path.exists():
        pytest.fail(f"{path} is not built")
    return path


@pytest.fixture(scope="module")
def ktree(program):
    """ktree(tree, arch, toolchain): the same for the same arguments, within a module."""
    open_ones = {}

    def get(tree, arch, toolchain=conf.TOOLCHAIN):
        key = (str(tree), arch, toolchain)
        if key not in open_ones:
            open_ones[key] = Ktree(program, tree, arch, toolchain)
        return open_ones[key]

    yield get
    for one in open_ones.values():
        one.close()


@pytest.fixture(scope="session")
def tree():
    """tree("6.12"): conf.tree(), or the test is skipped."""

    def get(version):
        try:
            return conf.tree(version)
        except FileNotFoundError as missing:
            pytest.skip(str(missing))

    return get


@pytest.fixture
def seed(request):
    """Another one each run; UNDERSTUDY_SEED repeats one. It is shown where a test fails."""
    value = int(os.environ.get("UNDERSTUDY_SEED") or time.time_ns() // 1000 % 1_000_000_000) or 1
    print(f"UNDERSTUDY_SEED={value}")
    request.node.user_properties.append(("seed", str(value)))
    return value
