# SPDX-License-Identifier: GPL-2.0-or-later
"""The examples of the README are what the program says. A line "[...]" there stands for any lines."""
import re
import shlex
from pathlib import Path

import hosts
import pytest

README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
EXAMPLES = re.findall(r"^```console\n\$ understudy (.*)\n((?:.*\n)*?)```$", README, re.M)


def test_there_are_examples():
    assert len(EXAMPLES) >= 2


@pytest.mark.parametrize("command, shown", EXAMPLES, ids=[e[0].split()[0] for e in EXAMPLES])
def test_example_is_what_the_program_says(understudy, image, tmp_path, command, shown):
    image("vmlinuz"), image("vmlinuz-old", xloadflags=0x13, release="4.9.0-probe")
    hosts.make_host("vm-la57", tmp_path / "machine")
    r = understudy(*shlex.split(command), cwd=tmp_path)
    said, at = r.out, 0
    for piece in shown.split("[...]\n"):
        found = said.find(piece, at)
        assert found >= 0, f"the README shows\n{piece}\nand the program says\n{said}"
        at = found + len(piece)
