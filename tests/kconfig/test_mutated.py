# SPDX-License-Identifier: GPL-2.0-or-later
"""Damaged kernel trees: each is refused with a file and a line, or read; none crashes the parser or keeps it busy.

The mutations are of a kind that a bad merge, a cut download or a hostile author makes. What can be read is evaluated,
too: a mutation may have tied a dependency into a loop.
"""
import os
import random
import re
import subprocess

import conf
import pytest

PLAIN, MATRIX = 120, 1000  # trees
WORDS = ["config", "menuconfig", "choice", "endchoice", "menu", "endmenu", "if", "endif", "source", "depends on", "select", "imply", "default",
         "bool", "tristate", "int", "range", "prompt", "visible if", "help", "modules", "optional", "comment", "def_bool", "frobnicate"]


def lines_of(data):
    return data.splitlines(keepends=True)


def on_lines(change):
    """A mutation that changes a list of lines in place."""
    def mutate(draw, data):
        lines = lines_of(data)
        change(draw, lines)
        return b"".join(lines)
    return mutate


def put(draw, lines, text):
    lines.insert(draw.randrange(len(lines) + 1), text)


def swap(draw, lines):
    a, b = (draw.randrange(len(lines)) for _ in range(2))
    lines[a], lines[b] = lines[b], lines[a]


def other_keyword(draw, lines):
    at = [i for i, line in enumerate(lines) if line.strip() and line.split()[0].decode("utf-8", "replace") in WORDS]
    if at:
        i = draw.choice(at)
        lines[i] = lines[i].replace(lines[i].split()[0], draw.choice(WORDS).encode(), 1)


def noise(draw, data):
    data = bytearray(data)
    for _ in range(draw.randrange(1, 30)):
        data[draw.randrange(len(data))] = draw.randrange(256)
    return bytes(data)


MUTATIONS = {
    "a line gone": on_lines(lambda draw, lines: lines.pop(draw.randrange(len(lines)))),
    "a line twice": on_lines(lambda draw, lines: put(draw, lines, draw.choice(lines))),
    "two lines swapped": on_lines(swap),
    "another keyword": on_lines(other_keyword),
    "cut": lambda draw, data: data[:draw.randrange(len(data))],
    "noise": noise,
    "a piece gone": lambda draw, data: data[:(at := draw.randrange(len(data)))] + data[at + draw.randrange(1, 100):],
    "an unknown statement": on_lines(lambda draw, lines: put(draw, lines, b"\tfrobnicate X if Y\n")),
    "an open string": on_lines(lambda draw, lines: put(draw, lines, b'\tdefault "no end\n')),
    "an open macro": on_lines(lambda draw, lines: put(draw, lines, b"\tdefault $(shell,echo (\n")),
    "reads itself": on_lines(lambda draw, lines: put(draw, lines, b'source "Kconfig"\n')),
    "reads nothing": on_lines(lambda draw, lines: put(draw, lines, b'source "no/such/file"\n')),
    "reads what is outside": on_lines(lambda draw, lines: put(draw, lines, b'source "../../../../etc/passwd"\n')),
    "a macro bomb": on_lines(lambda draw, lines: put(
        draw, lines, b"lol = $(1)$(1)$(1)$(1)$(1)$(1)$(1)$(1)\nLOL = $(lol,$(lol,$(lol,$(lol,$(1)))))\nX = $(LOL,$(LOL,ha))\nconfig $(X)\n")),
    "an endless macro": on_lines(lambda draw, lines: put(draw, lines, b"f = $(f,x$(1))\nconfig $(f,a)\n")),
    "a long line": on_lines(lambda draw, lines: put(draw, lines, b"\tdepends on " + b"A && " * 300_000 + b"B\n")),
    "parentheses": on_lines(lambda draw, lines: put(draw, lines, b"\tdepends on " + b"(" * 300_000 + b"\n")),
    "blocks": on_lines(lambda draw, lines: put(draw, lines, b"if A\n" * 50_000)),
    "a loop": on_lines(lambda draw, lines: put(
        draw, lines, b"\nconfig LOOP_A\n\tbool \"a\"\n\tdepends on LOOP_B\nconfig LOOP_B\n\tbool \"b\"\n\tdepends on LOOP_A\n")),
    "empty": lambda draw, data: b"",
}


class Copy:
    """A copy of a tree, in which one file at a time is another."""

    def __init__(self, tree, to):
        self.folder = conf.copy(tree, to)
        self.files = sorted(p.relative_to(to) for p in to.rglob("Kconfig*") if p.is_file() and p.stat().st_size)

    def parse(self, program, arch, file, data):
        """What the parser says with that file replaced."""
        path = self.folder / file
        kept = path.read_bytes()
        try:
            path.write_bytes(data)
            return subprocess.run([program, self.folder, arch], input="evaluate defaults\n", capture_output=True, text=True, errors="replace",
                                  timeout=60, check=False)
        finally:
            path.write_bytes(kept)


def check(program, copy, draw):
    arch = draw.choice(conf.ARCHES)
    srcarch = conf.SRCARCH.get(arch, arch)
    read = [f for f in copy.files if f.parts[0] != "arch" or f.parts[1] in ("Kconfig", srcarch)]
    name, file = draw.choice(list(MUTATIONS)), draw.choice(read)
    what = f"{name} in {file} for {arch}"
    try:
        done = copy.parse(program, arch, file, MUTATIONS[name](draw, (copy.folder / file).read_bytes()))
    except subprocess.TimeoutExpired:
        pytest.fail(f"{what}: still busy after a minute")
    if done.returncode == 0:
        assert done.stdout.endswith(".\n"), what
        return "read"
    assert done.returncode == 1, f"{what}: status {done.returncode}: {done.stderr}"
    place = re.match(r"ktree: (\S+?):(\d+): \S", done.stderr)
    assert place, f"{what}: no file and line in: {done.stderr}"
    assert place[1] == "Kconfig" or (copy.folder / place[1]).exists(), f"{what}: {done.stderr}"
    return "refused"


@pytest.mark.parametrize("count", [PLAIN, pytest.param(MATRIX, marks=pytest.mark.matrix)])
@pytest.mark.parametrize("version", conf.TREES)
def test_damaged_trees(program, tree, seed, tmp_path, version, count):
    draw = random.Random(seed)
    copy = Copy(tree(version), tmp_path / "tree")
    outcomes = [check(program, copy, draw) for _ in range(count if count == MATRIX else count // len(conf.TREES))]
    assert {"read", "refused"} == set(outcomes)


def test_nothing_outside_the_tree_is_read(program, tree, tmp_path):
    copy = Copy(tree("6.12"), tmp_path / "tree")
    (tmp_path / "secret").write_text("config SECRET\n")
    os.symlink(tmp_path / "secret", copy.folder / "link")
    for path in ("../secret", f"{tmp_path}/secret", "link"):
        done = copy.parse(program, "x86_64", "Kconfig", f'source "{path}"\n'.encode())
        assert done.returncode == 1 and done.stderr.startswith("ktree: Kconfig:1: "), (path, done.stderr)
