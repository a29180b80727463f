# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a combination can be, and why not, against the tree's own conf.

Random questions about symbols that lie near each other. An example has to come out of conf as it went in. What cannot
be has to be refused by conf and to be in none of many random configurations; each line named as a reason has to be a
cause: with an edit of it conf gives the combination. Where independent reasons stand against a combination as well,
one line of each of them is edited, too, but none of the reason under test. The plain run takes a few questions of one
architecture of each tree; the matrix 200 of all.
"""
import os
import random
import re
import shutil
from pathlib import Path

import conf
import conftest
import pytest

QUESTIONS = 200  # of each tree and architecture in the matrix
DRAWN = 200      # random configurations that are looked through
EDITS = 64       # lines edited at most, until a combination can be: many drivers may select one symbol
KEXEC = ["KEXEC", "KEXEC_FILE", "KEXEC_CORE", "CRASH_DUMP", "PROC_VMCORE", "CRASH_HOTPLUG", "KEXEC_SIG", "RELOCATABLE", "SMP"]


class Asker(conftest.Ktree):
    """tests/kconfig/kask.c: a parsed tree that is asked what can be."""

    def __init__(self, program, tree, arch, toolchain=conf.TOOLCHAIN, more=()):
        super().__init__(program, tree, arch, toolchain or "-", more)

    def can_be(self, want):
        """(reachable, the fragment's lines, the cores as lists of (file, line, text, sentence))."""
        head, *lines = self.ask(f"ask {want}").splitlines()
        fragment = [line[2:] for line in lines if line.startswith("+ ")]
        cores = []
        for line in lines:
            if line == "core":
                cores.append([])
            elif line.startswith("- "):
                at, text, says = line[2:].split("\t")
                file, _, number = at.rpartition(":")
                cores[-1].append((file, int(number), text, says))
        return not head.startswith("unreachable"), fragment, cores


class Drawn:
    """Many random configurations of conf: which of them have a symbol at a value, as the bits of a number."""

    def __init__(self, tree, arch, count):
        self.count, self.bits = count, {}
        for i in range(count):
            for name, value in conf.values(conf.randconfig(tree, arch, i + 1)).items():
                if value != "n":
                    bits = self.bits.setdefault(name, {})
                    bits[value] = bits.get(value, 0) | 1 << i

    def having(self, want):
        found = (1 << self.count) - 1
        for name, values in parse(want):
            bits = self.bits.get(name, {})
            unset = ~sum(bits.values())  # no two values share a bit
            found &= sum(bits.get(v, 0) for v in values) | (unset if "n" in values else 0)
        return found


def parse(want):
    return [(name, values.split("|")) for name, values in (part.split("=", 1) for part in want.split())]


def shows(config, want):
    values = conf.values(config)
    return all(values.get(name, "n") in wanted for name, wanted in parse(want))


def make_question(k, draw, symbols):
    """Two to four symbols that lie near each other, with values of their types."""
    if draw.random() < 0.25:
        names = draw.sample([n for n in KEXEC if n in symbols], draw.randint(2, 4))
    else:
        names = []
        while len(names) < 2:
            names = [draw.choice(list(symbols))]
            for _ in range(draw.randint(1, 3)):
                near = [n for n in k.ask(f"near {draw.choice(names)}").split() if n in symbols and n not in names]
                if near:
                    names.append(draw.choice(near))
    return " ".join(f"{n}={draw.choice(['y', 'n'] if symbols[n] == 'bool' else ['y', 'm', 'n', 'y|m'])}" for n in names)


def check_example(k, want, fragment):
    """conf keeps the example as it is, and it is what was asked."""
    config = conf.run(k.tree, k.arch, "olddefconfig", config="\n".join(fragment) + "\n", keep=False)
    assert shows(config, want), f"{k.arch}: {want}: conf does not keep {fragment}"
    values = conf.values(config)
    for name, value in conf.values("\n".join(fragment)).items():
        assert values.get(name, "n") == value, f"{k.arch}: {want}: conf makes {values.get(name)} of {name}={value}"


def check_refused(k, want, drawn):
    """Nothing that conf makes of it, or has made, shows it."""
    pins = "".join(f"CONFIG_{name}={values[0]}\n" for name, values in parse(want))
    for mode in ("alldefconfig", "allyesconfig"):
        config = conf.run(k.tree, k.arch, mode, allconfig=pins, keep=False)
        assert not shows(config, want), f"{k.arch}: {want}: said to be impossible, but --{mode} gives it"
    found = drawn.having(want)
    assert not found, f"{k.arch}: {want}: said to be impossible, but random configuration {found.bit_length()} has it"


def edit_choice(lines, i):
    """Without the choice around its members: what they depend on stays, as an if."""
    depth, end = 1, i
    while depth:
        end += 1
        word = lines[end].split("#")[0].split()[:1]
        depth += (word == ["choice"]) - (word == ["endchoice"])
    members = i + 1
    while not re.match(r"\s*((menu)?config\s+\w+\s*$|if\s+[A-Z!(])", lines[members]):
        members += 1
    depends = re.findall(r"^\s*depends on (.*)", "".join(lines[i:members]).replace("\\\n", " "), re.MULTILINE)
    lines[i:members] = ["\n"] * (members - i)
    lines[end] = "\n"
    if depends:
        lines[i] = "if " + " && ".join(f"({d.split('#')[0]})" for d in depends) + "\n"
        lines[end] = "endif\n"


def edit_line(path, number, text):
    """Takes from a file of Kconfig what a reason names."""
    lines = path.read_text().splitlines(keepends=True)
    i = number - 1
    end = i
    while lines[end].rstrip().endswith("\\"):
        end += 1
    if text == "choice":
        edit_choice(lines, i)
    elif text.startswith("config "):  # it has no prompt: it gets one
        while not (found := re.match(r"\s*(def_bool|def_tristate|bool|tristate|int|hex|string)\b", lines[i])):
            i += 1
        lines[i] = f'\t{found[1].removeprefix("def_")} "a prompt"\n'
    elif text.startswith("prompt "):  # only its condition
        whole = "".join(lines[i:end + 1]).replace("\\\n", " ")
        lines[i:end + 1] = [re.sub(r'^(.*"[^"]*"|.*\'[^\']*\')\s+if\s.*', r"\1", whole.rstrip()) + "\n"]
    elif re.match(r"\s*if\b", lines[i]):
        lines[i:end + 1] = ["if y\n"]
    elif found := re.match(r"\s*def_(bool|tristate)\b", lines[i]):
        lines[i:end + 1] = [f"\t{found[1]}\n"]
    else:
        lines[i:end + 1] = ["\n"] * (end + 1 - i)  # the numbers of the others stay
    path.write_text("".join(lines))


class Copies:
    """A copy of a tree whose edits are taken back."""

    def __init__(self, tree, folder):
        self.tree, self.folder, self.edited = tree, folder, set()
        if not folder.exists():
            conf.copy(tree, folder)

    def edit(self, reason):
        self.edited.add(reason[0])
        edit_line(self.folder / reason[0], reason[1], reason[2])

    def restore(self):
        for file in self.edited:
            shutil.copy(self.tree / file, self.folder / file)
        self.edited.clear()


def is_line(reason):
    return reason[1] != 0


def gives(program, copies, arch, want, toolchain):
    """Whether the edited tree can show want, which conf then has to confirm; why not, else."""
    changed = Asker(program, copies.folder, arch, toolchain)
    reachable, fragment, cores = changed.can_be(want)
    changed.close()
    if not reachable:
        return False, cores
    config = conf.run(copies.folder, arch, "olddefconfig", config="\n".join(fragment) + "\n")
    if shows(config, want):
        return True, []
    assert toolchain is None, f"{arch}: {want}: in an edited tree conf does not keep {fragment}"
    return gives(program, copies, arch, want, conf.TOOLCHAIN)  # some probe came out otherwise


def check_cause(program, k, copies, want, core, reason):
    """With an edit of the line, and of one line of each other reason that is in the way, conf gives the combination."""
    own = {r[:3] for r in core}
    edits, reached, cores = [reason], False, []
    try:
        while not reached:
            copies.restore()
            for one in edits:  # no edit moves another line
                copies.edit(one)
            reached, cores = gives(program, copies, k.arch, want, None)
            if not reached:
                others = [r for r in cores[0] if is_line(r) and r[:3] not in own]
                assert others and len(edits) < EDITS, f"{k.arch}: {want}: {reason} is no cause: without {edits} still {cores[0]}"
                edits.append(others[-1])
    finally:
        copies.restore()
    return len(edits)


def check_core(program, k, copies, want, core):
    """All of its lines are causes; how many of them alone."""
    lines = [r for r in core if is_line(r)]
    return sum(check_cause(program, k, copies, want, core, reason) == 1 for reason in lines), len(lines)


def check_question(program, k, copies, want, drawn, causes, found):
    reachable, fragment, cores = k.can_be(want)
    found["reachable" if reachable else "unreachable"] += 1
    if reachable:
        check_example(k, want, fragment)
        return
    check_refused(k, want, drawn)
    assert cores and cores[0], f"{k.arch}: {want}: no reason"
    if found["unreachable"] % causes == 0:
        alone, lines = check_core(program, k, copies, want, cores[0])
        found["cores"] += 1
        found["lines"] += lines
        found["alone"] += alone


def check_arch(program, tree, arch, seed, count, drawn, causes, folder):
    """count random questions; of every causes-th that cannot be, each line of the reason. What was found, in numbers."""
    draw = random.Random(f"{seed} {tree.name} {arch}")
    k = Asker(program, tree, arch)
    symbols = dict(line.split() for line in k.ask("symbols").splitlines())
    copies = Copies(tree, folder)
    found = dict.fromkeys(["reachable", "unreachable", "cores", "lines", "alone"], 0)
    wrong = []
    for _ in range(count):
        want = make_question(k, draw, symbols)
        try:
            check_question(program, k, copies, want, drawn, causes, found)
        except (AssertionError, conftest.Refused, conf.Refused) as said:
            wrong.append(f"{want}: {str(said).splitlines()[0]}")
    k.close()
    assert not wrong, f"{len(wrong)} of {count} ({found}):\n" + "\n".join(wrong)
    return found


@pytest.fixture(scope="session")
def kask(program):
    path = Path(program).with_name("kask")
    if not path.exists():
        pytest.fail(f"{path} is not built")
    return path


@pytest.mark.parametrize("version", conf.TREES)
def test_some_questions(kask, tree, seed, version, tmp_path):
    arch = random.Random(seed).choice(conf.ARCHES)
    folder = tree(version)
    print(check_arch(kask, folder, arch, seed, 6, Drawn(folder, arch, 5), 2, tmp_path / "tree"))


@pytest.mark.matrix
@pytest.mark.parametrize("arch", conf.ARCHES)
@pytest.mark.parametrize("version", conf.TREES)
def test_all_questions(kask, tree, version, arch, tmp_path):
    folder = tree(version)
    count = int(os.environ.get("UNDERSTUDY_QUESTIONS", QUESTIONS))
    print(version, arch, check_arch(kask, folder, arch, 1, count, Drawn(folder, arch, DRAWN), 1, tmp_path / "tree"))
