# SPDX-License-Identifier: GPL-2.0-or-later
"""The values of all symbols of whole kernel trees against the tree's own conf.

Equal means the .config as text, to the byte: then every symbol has the same value, of whatever type, and the order,
the menus and the comments are conf's, too. The plain run takes one architecture and one random configuration of each
tree; the matrix all of both.
"""
import difflib
import random

import conf
import pytest

RANDOM = 20  # configurations of each tree and architecture in the matrix


def differences(ours, theirs):
    """What is not the same, symbols first: (name, our value, conf's)."""
    a, b = conf.values(ours), conf.values(theirs)
    found = [(name, a.get(name), b.get(name)) for name in sorted(a.keys() | b.keys()) if a.get(name) != b.get(name)]
    return found or [line for line in difflib.unified_diff(ours.splitlines(), theirs.splitlines(), "ours", "conf", n=0, lineterm="")]


def check(ours, theirs, what):
    if ours != theirs:
        found = differences(ours, theirs)
        pytest.fail(f"{what}: {len(found)} differences: {found[:10]}")


FROM_NOTHING = {"defaults": conf.alldefconfig, "no": conf.allnoconfig, "yes": conf.allyesconfig, "modules": conf.allmodconfig}


def check_start(k, start):
    """Without any wish, and what came out as wishes again."""
    theirs = FROM_NOTHING[start](k.tree, k.arch)
    check(k.config(start), theirs, f"{k.arch}: {start}")
    check(k.config("defaults", theirs), conf.olddefconfig(k.tree, k.arch, theirs), f"{k.arch}: {start}, once more")


def check_wishes(k, text, what):
    check(k.config("defaults", text), conf.olddefconfig(k.tree, k.arch, text), f"{k.arch}: {what}")


def check_random(k, seed):
    theirs = conf.randconfig(k.tree, k.arch, seed)
    check(k.config("defaults", theirs), theirs, f"{k.arch}: random configuration {seed}")


def check_arch(k, seeds):
    for start in FROM_NOTHING:
        check_start(k, start)
    check_wishes(k, conf.defconfig(k.tree, k.arch), "defconfig")
    check_wishes(k, conf.defconfig_path(k.tree, k.arch).read_text(), "defconfig's file")
    for seed in seeds:
        check_random(k, seed)


@pytest.mark.parametrize("version", conf.TREES)
def test_one_architecture(ktree, tree, seed, version):
    draw = random.Random(seed)
    k = ktree(tree(version), draw.choice(conf.ARCHES))
    check_start(k, draw.choice(list(FROM_NOTHING)))
    check_wishes(k, conf.defconfig(k.tree, k.arch), "defconfig")
    check_random(k, draw.randrange(1, RANDOM + 1))


@pytest.mark.parametrize("version", conf.TREES)
def test_broken_wishes(ktree, tree, seed, version):
    """Half of a random configuration's lines, some of them with values that do not fit, on the defaults of another architecture."""
    draw = random.Random(seed)
    arch, other = draw.sample(conf.ARCHES, 2)
    folder = tree(version)
    lines = [line for line in conf.randconfig(folder, other, draw.randrange(1, RANDOM + 1)).splitlines() if "CONFIG_" in line]
    lines = draw.sample(lines, len(lines) // 2)
    for i in draw.sample(range(len(lines)), 200):
        name = lines[i].removeprefix("# ").split()[0].split("=")[0]
        lines[i] = f"{name}={draw.choice(['y', 'm', 'n', '0', '-1', '99999999999', '0x7f', '017'])}"
    check_wishes(ktree(folder, arch), "\n".join(lines) + "\n", f"a mixture, UNDERSTUDY_SEED={seed}")


@pytest.mark.matrix
@pytest.mark.parametrize("arch", conf.ARCHES)
@pytest.mark.parametrize("version", conf.TREES)
def test_all(ktree, tree, version, arch):
    check_arch(ktree(tree(version), arch), range(1, RANDOM + 1))


@pytest.mark.matrix
@pytest.mark.parametrize("arch", conf.ARCHES)
def test_newest(ktree, tree, arch):
    check_arch(ktree(tree("newest"), arch), range(1, 4))
