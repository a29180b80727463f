# SPDX-License-Identifier: GPL-2.0-or-later
"""config why, table, diff and show on two small source trees, made here: text, JSON, exit statuses, words that make no sense."""
import json
import re
import shlex
import shutil
import tarfile
from pathlib import Path

import jsonschema
import pytest

SCHEMAS = Path(__file__).parent / "schema"
MAKEFILE = "VERSION = {}\nPATCHLEVEL = {}\nSUBLEVEL = 3\nEXTRAVERSION =\nifeq ($(ARCH),x86_64)\n        SRCARCH := x86\nendif\n"
TOP = """mainmenu "Small/$(ARCH) $(KERNELVERSION)"

success = $(shell,{ $(1); } >/dev/null 2>&1 && echo y || echo n)

config MODULES
	bool "Modules"
	modules

source "arch/$(SRCARCH)/Kconfig"
source "kernel/Kconfig.jump"
"""
ARCHES = {
    "x86": "config 64BIT\n\tdef_bool \"$(ARCH)\" = \"x86_64\"\n\nconfig CAN_JUMP\n\tdef_bool y\n\nconfig HAS_CC\n\tdef_bool $(success,$(CC) -mjump)\n",
    "arm": "config SLEEP\n\tbool \"Sleep\"\n\nconfig CAN_JUMP\n\tdef_bool SLEEP\n",
    "toy": "config TOY\n\tdef_bool y\n"}
OLD = """config JUMP_CORE
	bool

config JUMP
	bool "Jump"
	depends on CAN_JUMP
	select JUMP_CORE

config SAVE
	bool "Save"

config PACK
	tristate "Pack what is saved"
	depends on SAVE
	default m
"""
NEW = OLD.replace('	bool "Save"\n', '	bool "Save"\n	depends on JUMP_CORE\n') + """
config FAST
	bool "Fast"
	depends on HAS_CC
"""
DEPENDS, CORE = "kernel/Kconfig.jump:11", "kernel/Kconfig.jump:1"


def make(folder, text, version):
    files = {"Makefile": MAKEFILE.format(*version.split(".")), "Kconfig": TOP, "kernel/Kconfig.jump": text}
    files |= {f"arch/{name}/Kconfig": arch for name, arch in ARCHES.items()}
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return folder


@pytest.fixture
def old(tmp_path):
    return make(tmp_path / "old", OLD, "6.1")


@pytest.fixture
def new(tmp_path):
    return make(tmp_path / "new", NEW, "6.12")


def told(r, word):
    document = r.json
    jsonschema.validate(document, json.loads((SCHEMAS / f"config-{word}.json").read_text()))
    assert document.get("exit", 0) == r.status
    return document


def test_what_cannot_be_is_told_line_by_line(understudy, new):
    r = understudy("config", "why", new, "--arch", "x86_64", "SAVE=y", "JUMP=n")
    assert r.status == 1
    assert "Linux 6.12.3 for x86_64 cannot have SAVE=y JUMP=n." in r.text
    assert DEPENDS in r.out and "depends on JUMP_CORE" in r.out and CORE in r.out
    core = told(understudy("config", "why", "--json", new, "--arch", "x86_64", "SAVE=y JUMP=n"), "why")["cores"][0]
    places = {f"{line['file']}:{line['line']}" for line in core if line["file"]}
    assert places == {DEPENDS, CORE}


def test_what_can_be_is_a_fragment_to_use(understudy, new):
    r = understudy("config", "why", new, "--arch", "x86_64", "SAVE=y", "PACK=y")
    lines = r.out.splitlines()
    assert r.status == 0 and all(line.startswith(("#", "CONFIG_")) for line in lines)
    assert {"CONFIG_SAVE=y", "CONFIG_PACK=y", "CONFIG_JUMP=y"} == {line for line in lines if not line.startswith("#")}
    answer = told(understudy("config", "why", "--json", new, "--arch", "x86_64", "SAVE=y PACK=y"), "why")
    assert answer["reachable"] and not answer["maybe"] and not answer["cores"]
    assert sorted(answer["fragment"]) == ["CONFIG_JUMP=y", "CONFIG_PACK=y", "CONFIG_SAVE=y"]


def test_nothing_of_a_tree_acts_on_a_terminal(understudy, new):
    with open(new / "kernel/Kconfig.jump", "a", encoding="ascii") as f:
        f.write('config BELL\n\tstring "Bell" if JUMP\n\tdefault "\033[2J"\nconfig RINGS\n\tbool "Rings"\n\tdepends on BELL="\033]0;x\a"\n')
    shutil.copytree(new / "arch/toy", new / "arch/\033[31mred")
    words = new, "--arch", "x86_64"
    for asked in (("why", *words, "RINGS=y"), ("why", *words, "RINGS=y JUMP=n"), ("show", "BELL", *words), ("table", new, "--symbols", "TOY")):
        r = understudy("config", *asked)
        assert r.status in (0, 1) and not re.search(r"[\0-\x08\x0b-\x1f\x7f]", r.out), (asked, r.out)
    r = understudy("config", "why", *words, "RINGS=y")
    assert '# Left out for its control characters: CONFIG_BELL="\\x1b]0;x\\x07"' in r.text and "CONFIG_RINGS=y" in r.out.splitlines()


def test_a_line_can_be_dropped(understudy, new):
    answer = told(understudy("config", "why", "--json", new, "--arch", "x86_64", "SAVE=y JUMP=n", "--drop", DEPENDS), "why")
    assert answer["reachable"] and answer["dropped"] == [{"file": "kernel/Kconfig.jump", "line": 11}]


def test_what_is_not_proved_is_said(understudy, new):
    with open(new / "kernel/Kconfig.jump", "a", encoding="ascii") as f:
        f.write("".join(f'config N{i}\n\tint "n"\n' for i in range(6)))
        f.write('config ROW\n\tbool "Row"\n' + "".join(f"\tdepends on N{i} > N{i + 1}\n" for i in range(5)))
    words = new, "--arch", "x86_64"
    answer = told(understudy("config", "why", "--json", *words, "ROW=y"), "why")
    assert not answer["reachable"] and not answer["proved"] and answer["unproved"] == [f"N{i}" for i in range(6)] and answer["cores"]
    assert "This is not proved: not all values that may matter were tried of N0, N1, N2, N3, N4, N5." in understudy("config", "why", *words, "ROW=y").text
    answer = told(understudy("config", "why", "--json", *words, "ROW=y JUMP_CORE=y JUMP=n"), "why")
    assert not answer["reachable"] and answer["proved"] and not answer["unproved"]
    assert ["x86_64", "+", "?"] in [line.split() for line in understudy("config", "table", *words, "--symbols", "ROW").out.splitlines()]


def test_a_pin_makes_the_difference(understudy, new):
    assert understudy("config", "why", new, "--arch", "arm", "JUMP=y").status == 0
    r = understudy("config", "why", new, "--arch", "arm", "JUMP=y", "--pin", "SLEEP=n")
    assert r.status == 1 and "SLEEP=n" in r.text and "arch/arm/Kconfig" in r.out


def test_what_a_base_would_have_to_change_is_told(understudy, new, tmp_path):
    base = tmp_path / "base"
    base.write_text("# CONFIG_SLEEP is not set\n# CONFIG_SAVE is not set\n")
    words = new, "--arch", "arm", "--base", base
    answer = told(understudy("config", "why", "--json", *words, "SAVE=y"), "why")
    assert not answer["reachable"] and answer["cores"][0][-1]["says"] == "SLEEP=n is set in the base configuration, line 1"
    assert answer["near"]["reachable"] and answer["near"]["changed"] == [{"symbol": "SLEEP", "had": "n", "gets": "y"}]
    assert sorted(answer["near"]["fragment"]) == ["CONFIG_JUMP=y", "CONFIG_SAVE=y", "CONFIG_SLEEP=y"]
    r = understudy("config", "why", *words, "SAVE=y")
    assert r.status == 1 and "It can be had by changing SLEEP: n becomes y:" in r.text and "  CONFIG_SLEEP=y" in r.out.splitlines()
    answer = told(understudy("config", "why", "--json", *words, "SAVE=y", "--pin", "SLEEP=n"), "why")
    assert not answer["reachable"] and not (answer["near"] or {}).get("reachable")
    r = understudy("config", "why", *words, "SAVE=y JUMP=n")
    assert r.status == 1 and "base configuration" not in r.text and "by changing" not in r.text
    answer = told(understudy("config", "why", "--json", new, "--arch", "x86_64", "--base", base, "JUMP=y"), "why")
    assert answer["reachable"] and answer["near"] is None and answer["changed"] == []


def test_a_compiler_test_is_left_open(understudy, new):
    answer = told(understudy("config", "why", "--json", new, "--arch", "x86_64", "FAST=y"), "why")
    assert answer["reachable"] and answer["maybe"] and "-mjump" in answer["assumed"][0]
    answer = told(understudy("config", "why", "--json", new, "--arch", "x86_64", "FAST=y", "--pin", "HAS_CC=n"), "why")
    assert not answer["reachable"]


def test_a_toolchain_may_be_named_by_a_relative_path(understudy, new, tmp_path):
    for folder, yes in ((new / "tools", "false"), (tmp_path / "bin", "true")):
        folder.mkdir()
        (folder / "x-gcc").write_text(f"#!/bin/sh\n{yes}\n")
        (folder / "x-gcc").chmod(0o755)
    answers = []
    for prefix in ("tools/x-", "bin/x-", "./bin/../bin/x-"):  # from the top of the tree, and from here
        r = understudy("config", "why", "--json", new, "--arch", "x86_64", "FAST=y", "--toolchain", prefix, cwd=tmp_path)
        answers.append(told(r, "why")["reachable"])
    assert answers == [False, True, True]
    r = understudy("config", "why", new, "--arch", "x86_64", "FAST=y", "--toolchain", "lib/x-", cwd=tmp_path)
    assert r.status == 2 and "no compiler lib/x-gcc" in r.err


def test_a_symbol_that_is_not_there_is_named(understudy, new):
    answer = told(understudy("config", "why", "--json", new, "--arch", "x86_64", "NEVER=y"), "why")
    assert not answer["reachable"] and answer["unknown"] == ["NEVER"]
    assert "NEVER is not defined there" in understudy("config", "why", new, "--arch", "x86_64", "NEVER=y").text


def test_configurations_are_drawn_by_seed(understudy, new, tmp_path):
    words = ("config", "why", "--json", new, "--arch", "x86_64", "SAVE=y", "--randconfig", "5", "--seed", "7")
    drawn = [Path(p) for p in told(understudy(*words, "--out", tmp_path / "a"), "why")["drawn"]]
    assert [p.name for p in drawn] == [f"config-{n}" for n in range(7, 12)]
    texts = [p.read_text() for p in drawn]
    assert all("CONFIG_SAVE=y\n" in text for text in texts) and len(set(texts)) > 1
    again = told(understudy(*words, "--out", tmp_path / "b"), "why")["drawn"]
    assert [Path(p).read_text() for p in again] == texts
    assert understudy("config", "why", new, "--arch", "x86_64", "SAVE=y", "JUMP=n", "--randconfig", "1", "--out", tmp_path / "c").status == 1


def test_a_table_of_all_architectures(understudy, old, new):
    r = understudy("config", "table", old, new, "--symbols", "JUMP,SAVE")
    assert r.status == 0
    rows = [line.split() for line in r.out.splitlines()]
    assert ["arm", "+", "+", "+", "+"] in rows and ["x86_64", "+", ".", "+", "+"] in rows and ["toy", "+", ".", ".", "."] in rows
    document = told(understudy("config", "table", "--json", old, new, "--symbols", "JUMP SAVE PACK"), "table")
    assert [t["version"] for t in document["trees"]] == ["6.1.3", "6.12.3"]
    assert [row["arch"] for row in document["trees"][0]["arches"]] == ["arm", "toy", "x86", "x86_64"]
    [x86] = [row for row in document["trees"][1]["arches"] if row["arch"] == "x86_64"]
    assert {"values": {"JUMP": False, "SAVE": True, "PACK": False}, "reachable": "no"} in x86["cells"]
    assert {"values": {"JUMP": True, "SAVE": True, "PACK": True}, "reachable": "yes"} in x86["cells"]


def test_the_usual_symbols_may_be_undefined(understudy, old):
    r = understudy("config", "table", old)
    assert r.status == 0 and "None of these symbols: arm, toy, x86, x86_64." in r.text
    cells = told(understudy("config", "table", "--json", old, "--arch", "arm"), "table")["trees"][0]["arches"][0]["cells"]
    assert len(cells) == 16 and {c["reachable"] for c in cells} == {"yes", "undefined"}


def test_what_was_lost(understudy, old, new):
    r = understudy("config", "diff", old, new, "--symbols", "JUMP SAVE", "--arch", "x86_64")
    assert r.status == 1 and "lost JUMP=n SAVE=y" in r.text and DEPENDS in r.out
    [arch] = told(understudy("config", "diff", "--json", old, new, "--symbols", "JUMP SAVE", "--arch", "x86_64"), "diff")["arches"]
    assert [(c["change"], c["want"]) for c in arch["changes"]] == [("lost", "JUMP=n SAVE=y")]
    r = understudy("config", "diff", new, old, "--symbols", "JUMP SAVE", "--arch", "x86_64")
    assert r.status == 0 and "gained JUMP=n SAVE=y" in r.text and DEPENDS in r.out
    r = understudy("config", "diff", old, old)
    assert r.status == 0 and "Nothing lost, nothing gained: arm, toy, x86, x86_64." in r.text


def test_an_architecture_that_is_gone(understudy, old, new):
    (new / "arch/toy/Kconfig").unlink()
    document = told(understudy("config", "diff", "--json", old, new, "--symbols", "JUMP"), "diff")
    assert {a["arch"]: a["only"] for a in document["arches"]} == {"arm": None, "toy": "OLD", "x86": None, "x86_64": None}
    assert document["exit"] == 1
    r = understudy("config", "diff", old, new, "--symbols", "JUMP", "--arch", "toy")
    assert r.status == 1 and "all that it allowed there is lost" in r.text
    r = understudy("config", "diff", new, old, "--symbols", "JUMP", "--arch", "toy")
    assert r.status == 0 and "only NEW has this architecture" in r.text


def test_a_configuration_that_does_not_live_on(understudy, old, new, tmp_path):
    base = tmp_path / "config"
    base.write_text("#\n# Automatically generated file; DO NOT EDIT.\n# Small/x86_64 6.1.3\n#\n# CONFIG_JUMP is not set\nCONFIG_SAVE=y\nCONFIG_PACK=y\n")
    document = told(understudy("config", "diff", "--json", old, new, "--base", base, "--symbols", "SAVE PACK"), "diff")
    [arch] = document["arches"]
    assert arch["arch"] == "x86_64" and document["exit"] == 1
    assert [(v["symbol"], v["had"], v["gets"]) for v in arch["victims"]] == [("SAVE", "y", "n"), ("PACK", "y", "n")]
    assert DEPENDS in {f"{line['file']}:{line['line']}" for line in arch["victims"][0]["cores"][0]}
    r = understudy("config", "diff", old, new, "--base", base, "--symbols", "SAVE PACK")
    assert r.status == 1 and "not kept SAVE=y becomes n" in r.text


def test_a_text_with_quotes_does_not_live_on(understudy, tmp_path):
    text = 'config KEXEC_NOTE\n\tstring "Note"\n\tdefault ""\n'
    old, new = (make(tmp_path / name, OLD + t, "6.1") for name, t in (("old", text), ("new", text + "\tdepends on JUMP\n")))
    base = tmp_path / "a base"
    base.write_text('# CONFIG_JUMP is not set\nCONFIG_KEXEC_NOTE="it\'s \\"so\\" \\\\ here"\n')
    r = understudy("config", "diff", "--json", old, new, "--arch", "x86_64", "--base", base, "--symbols", "JUMP")
    [victim] = told(r, "diff")["arches"][0]["victims"]
    assert victim["had"] == 'it\'s "so" \\ here' and victim["gets"] == "" and victim["could_be_kept"]
    r = understudy("config", "diff", old, new, "--arch", "x86_64", "--base", base, "--symbols", "JUMP")
    [command] = re.findall(r"config why NEW (.*) has the fragment", r.text)
    word, option, path = shlex.split(command)
    assert (option, path) == ("--base", str(base))
    r = understudy("config", "why", new, word, option, path, "--arch", "x86_64")
    assert r.status == 0 and 'CONFIG_KEXEC_NOTE="it\'s \\"so\\" \\\\ here"' in r.out.splitlines(), r.text


@pytest.mark.parametrize("word", ("table", "diff"))
def test_a_number_makes_no_columns(understudy, old, word):
    with open(old / "kernel/Kconfig.jump", "a", encoding="ascii") as f:
        f.write('config JUMPS\n\tint "Jumps"\n')
    r = understudy("config", word, *[old] * (1 + (word == "diff")), "--symbols", "JUMP JUMPS")
    assert r.status == 2 and not r.out and "--symbols JUMPS: it is of type int" in r.err


def test_all_that_is_said_of_a_symbol(understudy, new, tmp_path):
    r = understudy("config", "show", "SAVE", new, "--arch", "arm")
    assert r.status == 0
    for words in ('prompt "Save"', "depends on JUMP_CORE", DEPENDS, "bool"):
        assert words in r.text
    lines = told(understudy("config", "show", "--json", "CONFIG_JUMP_CORE", new, "--arch", "x86_64"), "show")["lines"]
    assert [(line["kind"], line["symbol"], line["line"]) for line in lines if line["kind"] == "selected-by"] == [("selected-by", "JUMP", 7)]
    base = tmp_path / "config"
    base.write_text("CONFIG_JUMP=y\nCONFIG_SAVE=y\n")
    shown = told(understudy("config", "show", "--json", "SAVE", new, "--arch", "x86_64", "--base", base), "show")
    assert shown["value"] == "y" and shown["why"]
    assert understudy("config", "show", "NEVER", new, "--arch", "arm").status == 3


def test_an_archive_is_a_tree(understudy, new, tmp_path):
    with tarfile.open(tmp_path / "new.tar.gz", "w:gz") as tar:
        tar.add(new, "linux-6.12.3")
    r = understudy("config", "table", "--json", tmp_path / "new.tar.gz", "--symbols", "JUMP SAVE")
    assert told(r, "table")["trees"][0]["arches"] == told(understudy("config", "table", "--json", new, "--symbols", "JUMP SAVE"), "table")["trees"][0]["arches"]


def test_what_is_not_understood_is_named_with_its_line(understudy, new):
    with open(new / "arch/toy/Kconfig", "a", encoding="ascii") as f:
        f.write("\nconfig ODD\n\tfrobnicate y\n")
    r = understudy("config", "why", new, "--arch", "toy", "TOY=y")
    assert r.status == 3 and "arch/toy/Kconfig:5" in r.err
    r = understudy("config", "table", new, "--symbols", "JUMP")
    assert r.status == 3 and "toy could not be read" in r.text and "x86_64 + +" in r.text


@pytest.mark.parametrize("words", (
    [], ["why"], ["why", "TREE"], ["fly"], ["why", "TREE", "SAVE"], ["why", "TREE", "SAVE=y", "--drop", "kernel"], ["why", "TREE", "SAVE=y", "--all", "0"],
    ["why", "TREE", "SAVE=y", "--randconfig", "3"], ["why", "TREE", "SAVE=y", "--seed", "3"], ["why", "TREE", "SAVE=y", "--arch", "vax"],
    ["why", "TREE", "SAVE=y", "--drop", "kernel/Kconfig.jump:99"], ["table"], ["table", "TREE", "--symbols", "A B C D E F G"],
    ["table", "TREE", "--symbols", " "], ["diff", "TREE"], ["diff", "TREE", "TREE", "--arch", "x86_64,vax"], ["show", "SAVE"]), ids=" ".join)
def test_words_that_make_no_sense_are_usage(understudy, new, words):
    words = [new if w == "TREE" else w for w in words]
    arch = ["--arch", "arm"] if words[:1] == ["why"] and "--arch" not in words else []
    r = understudy("config", *words, *arch)
    assert r.status == 2, r.text
    assert r.err.strip() and not r.out.strip()


@pytest.mark.parametrize("word", ("why", "table", "diff", "show"))
def test_help_of_each_word(understudy, word):
    assert f"  {word} " in understudy("config", "--help").out
    r = understudy("config", word, "--help")
    assert r.status == 0 and f"usage: understudy config {word}" in r.out and "--json" in r.out
    assert max(map(len, r.out.splitlines())) <= 100
