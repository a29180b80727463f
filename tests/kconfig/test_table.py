# SPDX-License-Identifier: GPL-2.0-or-later
"""config table, why and diff on real trees: the question of the mail that began it, cell by cell.

CELLS has, per tree and architecture, what can be of KEXEC, KEXEC_FILE and CRASH_DUMP (000 001 010 ... 111):
"+" can be, "." cannot, "-" wants what is not defined. 6.6 is tests/fixtures/kconfig/kexec-6.6.kconfig laid over the
6.12 tree, in the three stages that its stable releases had: select KEXEC, then only depends on ARCH_SUPPORTS_KEXEC,
then neither.
"""
import itertools
import json
from pathlib import Path

import conf
import jsonschema
import pytest

TESTS = Path(__file__).resolve().parent.parent
SYMBOLS = ("KEXEC", "KEXEC_FILE", "CRASH_DUMP")
MINIATURE = TESTS / "fixtures/kconfig/kexec-6.6.kconfig"
KEXEC = "kernel/Kconfig.kexec"
SELECT, DEPENDS = "\tselect KEXEC\n", "\tdepends on ARCH_SUPPORTS_KEXEC\n"
CELLS = {
    "6.1": {
        "x86_64": "++++++++", "i386": "++..++..", "arm64": "++++++++", "arm": "++--++--", "s390": "....++++", "powerpc": "++++++++",
        "riscv": "++++++++", "loongarch": "++--++--", "mips": "++--++--", "sh": "++--++--", "parisc": "+-+-+-+-", "parisc64": "+-+-+-+-",
        "m68k": "+---+---", "ia64": "++--++--"},
    "6.6.0": {
        "x86_64": "+.+.++++", "i386": "+...++..", "arm64": "+.+.++++", "arm": "+...++..", "s390": "+.+.++++", "powerpc": "+.+.++++",
        "riscv": "+.+.++++", "loongarch": "+...++..", "mips": "+...++..", "sh": "+...++..", "parisc": "+.+.+.+.", "parisc64": "+.+.+.+.",
        "m68k": "+...+..."},
    "6.6.8": {
        "x86_64": "++++++++", "i386": "++..++..", "arm64": "++++++++", "arm": "++..++..", "s390": "++++++++", "powerpc": "++++++++",
        "riscv": "++++++++", "loongarch": "++..++..", "mips": "++..++..", "sh": "++..++..", "parisc": "+.+.+.+.", "parisc64": "+.+.+.+.",
        "m68k": "+...+..."},
    "6.12": {
        "x86_64": "+.++++++", "i386": "+...++..", "arm64": "+.++++++", "arm": "+...++..", "s390": "+.++++++", "powerpc": "+.++++++",
        "riscv": "+.++++++", "loongarch": "+...++..", "mips": "+...++..", "sh": "+...++..", "parisc": "+.+.+.+.", "parisc64": "+.+.+.+.",
        "m68k": "+...+..."},
}
ALIKE = {"x86": "x86_64", "sh64": "sh"}  # x86 leaves the width open; sh has been one for long
UNCONCERNED = {"6.1": "+-------", "6.6.0": "+.......", "6.6.8": "+.......", "6.12": "+......."}  # all other architectures
SIGNS = {"yes": "+", "maybe": "+", "no": ".", "undefined": "-"}
CAPTURE_ONLY, MAIL = "CRASH_DUMP=y KEXEC=n KEXEC_FILE=n", "CRASH_DUMP=y KEXEC=n KEXEC_FILE=y"


def checked(r, name):
    document = r.json
    jsonschema.validate(document, json.loads((TESTS / f"cli/schema/{name}.json").read_text()))
    assert document["exit"] == r.status
    return document


def lay(tree, text):
    (tree / KEXEC).write_text(text)
    return tree


@pytest.fixture(scope="session")
def trees(tree):
    return tree


@pytest.fixture(scope="session")
def stages(trees, tmp_path_factory):
    """stages["6.6.0"]: the tree of 6.12 with the definitions of that release; made at its first use."""
    text = MINIATURE.read_text()
    texts = {"6.6.0": text, "6.6.7": text.replace(SELECT, ""), "6.6.8": text.replace(SELECT, "").replace(DEPENDS + "\tselect CRASH_CORE", "\tselect CRASH_CORE")}
    assert len(set(texts.values())) == 3
    made = {}

    class Stages:
        def __getitem__(self, name):
            if name not in texts:
                return trees(name)
            if name not in made:
                made[name] = lay(conf.copy(trees("6.12"), tmp_path_factory.mktemp("stage") / name), texts[name])
            return made[name]
    return Stages()


def line_of(tree, text, after=""):
    lines = (tree / KEXEC).read_text().splitlines()
    first = lines.index(after) if after else 0
    return next(i + 1 for i, line in enumerate(lines) if i >= first and line.strip() == text)


def places(core):
    return [f"{r['file']}:{r['line']}" for r in core if r["file"]]


def rows_of(understudy, tree, *words):
    r = understudy("config", "table", "--json", tree, "--symbols", " ".join(SYMBOLS), *words, timeout=600)
    assert r.status == 0, r.text
    [told] = checked(r, "config-table")["trees"]
    assert told["symbols"] == list(SYMBOLS)
    found = {}
    for row in told["arches"]:
        assert row["problem"] is None, row
        assert [tuple(c["values"][s] for s in SYMBOLS) for c in row["cells"]] == list(itertools.product((False, True), repeat=3))
        found[row["arch"]] = "".join(SIGNS[c["reachable"]] for c in row["cells"])
    return found


# ---- the table ----

@pytest.mark.parametrize("version", CELLS)
def test_the_table_of_the_six(understudy, stages, version):
    found = rows_of(understudy, stages[version], "--arch", ",".join(conf.ARCHES))
    assert found == {arch: CELLS[version][arch] for arch in conf.ARCHES}


@pytest.mark.matrix
@pytest.mark.parametrize("version", CELLS)
def test_the_table_of_all(understudy, stages, version):
    found = rows_of(understudy, stages[version])
    assert set(CELLS[version]) <= set(found)
    assert found == {arch: CELLS[version].get(ALIKE.get(arch, arch), UNCONCERNED[version]) for arch in found}


def want_of(values):
    return " ".join(f"{s}={'y' if v else 'n'}" for s, v in zip(SYMBOLS, values))


def confirmed(tree, arch, want, fragment):
    """Does conf keep the fragment, and give what was wanted?"""
    values = conf.values(conf.olddefconfig(tree, arch, "\n".join(fragment) + "\n"))
    for text in (want.split(), [line.removeprefix("CONFIG_") for line in fragment if line.startswith("CONFIG_")]):
        for name, value in (word.split("=", 1) for word in text):
            assert values.get(name, "n") == value.strip('"'), (arch, want, name)


@pytest.mark.matrix
@pytest.mark.parametrize("version", ("6.1", "6.12"))
@pytest.mark.parametrize("arch", sorted(set(CELLS["6.1"]) & set(CELLS["6.12"])))
def test_each_cell_that_can_be_is_confirmed_by_conf(understudy, trees, arch, version):
    tree = trees(version)
    for values, sign in zip(itertools.product((0, 1), repeat=3), CELLS[version][arch]):
        if sign == "+":
            told = checked(understudy("config", "why", "--json", tree, "--arch", arch, want_of(values)), "config-why")
            assert told["reachable"]
            confirmed(tree, arch, want_of(values), told["fragment"])


# ---- the mail ----

def why(understudy, tree, want, *words, arch="x86_64"):
    return checked(understudy("config", "why", "--json", tree, "--arch", arch, want, *words), "config-why")


def test_the_chain_names_the_select_line(understudy, stages):
    tree = stages["6.6.0"]
    line = line_of(tree, "select KEXEC")
    r = understudy("config", "why", tree, "--arch", "x86_64", MAIL)
    assert r.status == 1 and f"{KEXEC}:{line}" in r.out and "select KEXEC" in r.out
    told = why(understudy, tree, MAIL)
    assert not told["reachable"] and f"{KEXEC}:{line}" in places(told["cores"][0])


def test_without_the_select_line_the_mails_wish_can_be(understudy, stages, tmp_path):
    tree = stages["6.6.0"]
    line = line_of(tree, "select KEXEC")
    told = why(understudy, tree, MAIL, "--drop", f"{KEXEC}:{line}")
    assert told["reachable"] and told["exit"] == 0
    assert told["dropped"] == [{"file": KEXEC, "line": line}]
    # conf agrees on a tree in which the line is really gone, and refuses where it is not
    text = (tree / KEXEC).read_text()
    changed = lay(conf.copy(tree, tmp_path / "changed"), text.replace(SELECT, ""))
    confirmed(changed, "x86_64", MAIL, told["fragment"])
    kept = conf.values(conf.olddefconfig(tree, "x86_64", "\n".join(told["fragment"]) + "\n"))
    assert kept["KEXEC"] == "y"


def test_the_second_regression_shows_under_pins_only(understudy, stages):
    pins = ("--pin", "SUSPEND=n", "--pin", "HIBERNATION=n")
    wish = "CRASH_DUMP=y KEXEC=n"
    for name, bare, pinned in (("6.6.0", False, False), ("6.6.7", True, False), ("6.6.8", True, True)):
        assert why(understudy, stages[name], wish, arch="arm64")["reachable"] is bare
        told = why(understudy, stages[name], wish, *pins, arch="arm64")
        assert told["reachable"] is pinned
        if name == "6.6.7":
            found = places(told["cores"][0])
            after = "config CRASH_DUMP"
            assert f"{KEXEC}:{line_of(stages[name], 'depends on ARCH_SUPPORTS_KEXEC', after)}" in found
            assert any(place.startswith("arch/arm64/Kconfig:") for place in found)


# ---- what 6.12 lost ----

def test_6_12_lost_the_capture_kernel_without_kexec(understudy, trees):
    r = understudy("config", "diff", trees("6.1"), trees("6.12"), "--arch", "x86_64")
    assert r.status == 1, r.text
    assert "lost" in r.out and "bug" not in r.out and "KEXEC=n KEXEC_FILE=n CRASH_DUMP=y" in r.out
    line = line_of(trees("6.12"), "depends on KEXEC_CORE")
    assert f"{KEXEC}:{line}" in r.out
    assert "CRASH_CORE is gone" in r.text and "VMCORE_INFO" in r.text


def combos(told, change):
    return {c["want"] for c in told["changes"] if c["change"] == change and not c["role"]}


def test_s390_gained_what_it_never_had(understudy, trees):
    r = understudy("config", "diff", "--json", trees("6.1"), trees("6.12"), "--arch", "s390")
    [told] = checked(r, "config-diff")["arches"]
    assert r.status == 0 and not combos(told, "lost")
    assert combos(told, "gained") == {f"KEXEC=n KEXEC_FILE={f} CRASH_DUMP={c}" for f, c in ("nn", "yn", "yy")}


def test_6_6_lost_two_and_both_came_back(understudy, stages):
    gone = {"KEXEC=n KEXEC_FILE=n CRASH_DUMP=y CRASH_HOTPLUG=n", "KEXEC=n KEXEC_FILE=y CRASH_DUMP=y CRASH_HOTPLUG=n"}
    gone |= {want.replace("HOTPLUG=n", "HOTPLUG=y") for want in gone}
    for old, new, change, status in (("6.6.8", "6.6.0", "lost", 1), ("6.6.0", "6.6.8", "gained", 0)):
        r = understudy("config", "diff", "--json", stages[old], stages[new], "--arch", "x86_64")
        [told] = checked(r, "config-diff")["arches"]
        assert r.status == status and combos(told, change) == gone
        line = line_of(stages["6.6.0"], "select KEXEC")
        for c in told["changes"]:
            assert f"{KEXEC}:{line}" in places(c["cores"][0]), c


def test_the_silent_victim_is_caught(understudy, trees, tmp_path):
    """A capture kernel's configuration for arm: 6.1 keeps it, conf of 6.12 drops it without a word."""
    wishes = "CONFIG_CRASH_DUMP=y\n# CONFIG_KEXEC is not set\nCONFIG_PROC_VMCORE=y\n"
    old = conf.olddefconfig(trees("6.1"), "arm", wishes)
    assert conf.values(old)["CRASH_DUMP"] == "y" and conf.values(old)["PROC_VMCORE"] == "y"
    assert "CRASH_DUMP" not in {k for k, v in conf.values(conf.olddefconfig(trees("6.12"), "arm", old)).items() if v == "y"}
    (tmp_path / "config").write_text(old)
    r = understudy("config", "diff", trees("6.1"), trees("6.12"), "--base", tmp_path / "config")
    assert r.status == 1 and "CRASH_DUMP=y becomes n" in r.text, r.text
    [told] = checked(understudy("config", "diff", "--json", trees("6.1"), trees("6.12"), "--base", tmp_path / "config"), "config-diff")["arches"]
    assert told["arch"] == "arm"
    victims = {v["symbol"]: v for v in told["victims"]}
    assert victims["CRASH_DUMP"]["had"] == "y" and victims["CRASH_DUMP"]["gets"] == "n"
    assert f"{KEXEC}:{line_of(trees('6.12'), 'depends on KEXEC_CORE')}" in places(victims["CRASH_DUMP"]["cores"][0])
    assert victims["PROC_VMCORE"]["had"] == "y"


def test_a_configuration_that_lives_on_has_no_victim(understudy, trees, tmp_path):
    wishes = "CONFIG_CRASH_DUMP=y\nCONFIG_KEXEC=y\nCONFIG_KEXEC_FILE=y\nCONFIG_PROC_VMCORE=y\n"
    (tmp_path / "config").write_text(conf.olddefconfig(trees("6.1"), "x86_64", wishes))
    r = understudy("config", "diff", "--json", trees("6.1"), trees("6.12"), "--base", tmp_path / "config", "--symbols", "KEXEC KEXEC_FILE")
    [told] = checked(r, "config-diff")["arches"]
    assert r.status == 0 and not told["victims"] and not told["changes"], told
