# SPDX-License-Identifier: GPL-2.0-or-later
"""Small random trees and .configs: the same text as each era's conf writes, whatever the language allows."""
import os
import random
import subprocess

import conf
import pytest
from conftest import Ktree
from small import Small

MODES = {"alldefconfig": "defaults", "allnoconfig": "no", "allyesconfig": "yes", "allmodconfig": "modules"}


def run_conf(program, folder, mode, wishes=None, allconfig=False):
    """None: conf refuses the tree."""
    work = folder / "work"
    work.mkdir(exist_ok=True)
    config, given = work / ".config", work / "given"
    config.unlink(missing_ok=True)
    (work / "auto.conf").touch()
    env = {"PATH": os.environ["PATH"], "srctree": str(folder), "ARCH": "x86", "SRCARCH": "x86", "KCONFIG_CONFIG": str(config),
           "KCONFIG_AUTOCONFIG": str(work / "auto.conf")}
    if wishes is not None:
        (given if allconfig else config).write_text(wishes)
    if allconfig:
        env["KCONFIG_ALLCONFIG"] = str(given)
    done = subprocess.run([program, "-s", f"--{mode}", "Kconfig"], cwd=work, env=env, capture_output=True, text=True)
    return None if done.returncode else config.read_text()


def check_tree(program, conf_program, folder, small, draw):
    """False: conf refuses the tree."""
    small.write(folder)
    theirs = run_conf(conf_program, folder, "alldefconfig")
    if theirs is None:
        return False
    k = Ktree(program, folder, "x86")
    cases = [(mode, start, None, False) for mode, start in MODES.items()]
    cases += [("olddefconfig", "defaults", small.wishes(), False) for _ in range(4)]
    cases += [(mode, start, small.wishes(), True) for mode, start in MODES.items() if mode != "alldefconfig"]
    for mode, start, wishes, allconfig in cases:
        theirs = run_conf(conf_program, folder, mode, wishes, allconfig)
        ours = k.config(start, wishes)
        assert ours == theirs, f"{mode} in {folder}\n{small.text}\nwishes:\n{wishes}\n"
    k.close()
    return True


def check_many(program, version, folder, tmp_path, draw, count):
    conf_program = conf.program(folder)
    major, minor = (int(part) for part in conf.version(folder).split(".")[:2])
    taken = [check_tree(program, conf_program, tmp_path / str(i), Small(draw, (major, minor)), draw) for i in range(count)]
    assert sum(taken) > count / 6, f"{version}'s conf takes only {sum(taken)} of {count} trees"


@pytest.mark.parametrize("version", conf.TREES)
def test_small_trees(program, tree, tmp_path, seed, version):
    check_many(program, version, tree(version), tmp_path, random.Random(seed), 40)


@pytest.mark.matrix
@pytest.mark.parametrize("version", (*conf.TREES, "newest"))
def test_many_small_trees(program, tree, tmp_path, seed, version):
    check_many(program, version, tree(version), tmp_path, random.Random(seed), 1000)
