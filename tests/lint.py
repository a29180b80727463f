#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The rules of CONTRIBUTING.md that a program can hold: layers, sizes, shared state, names, words.

usage: tests/lint.py [--root DIR] [--build DIR]

Each check is one function: it takes the tree and yields (path, line, text). It reads the sources as
text (comments and string literals blanked) and, for mutable variables, the symbol tables of the
objects in --build; it compiles nothing. Its own tests are in tests/cli/test_lint.py.
"""
import argparse
import functools
import os
import re
import subprocess
import sys
from pathlib import Path

FUNCTION_MAX, FUNCTION_P90, FILE_MAX, FACE_MAX = 120, 60, 900, 250
MANY_FACES = {"base", "kconfig"}  # folders whose headers are a face each, but for *-int.h
SKIPPED_DIRS = re.compile(r"build.*|__pycache__|\.(?!ci$).*")
# Spelt so that this file does not match itself.
FORBIDDEN = [
    (re.compile(r"/wor[k]/|/tm[p]/wt?\b|/hom[e]/[a-z]+/"), "path of a build machine"),
    (re.compile(r"\b(TOD[O]|FIXM[E]|XX[X]|HAC[K])\b"), "unfinished work: do it, or say it where the user meets it"),
    (re.compile(
        r"\.debia[n]\.org|pypi\.or[g]|pythonhoste[d]|registry\.npmj[s]|crates\.i[o]"), "host of a package registry"),
]


class Tree:
    """The files of one source tree, each read once."""

    def __init__(self, root, build=None):
        self.root, self.build = Path(root), Path(build) if build else None

    @functools.cached_property
    def files(self):
        """All text files, as paths relative to the root."""
        found = []
        for folder, folders, names in os.walk(self.root):
            folders[:] = sorted(d for d in folders if not SKIPPED_DIRS.fullmatch(d))
            found += [Path(folder, n).relative_to(self.root).as_posix() for n in sorted(names) if n != ".git"]
        return [f for f in found if self.is_text(f)]

    def is_text(self, path):
        full = self.root / path
        if full.is_symlink() or not full.is_file():
            return False
        with open(full, "rb") as f:
            return b"\0" not in f.read(4096)

    @functools.lru_cache(maxsize=None)
    def text(self, path):
        return (self.root / path).read_text(errors="replace")

    @functools.lru_cache(maxsize=None)
    def code(self, path):
        return blank(self.text(path))

    def glob(self, pattern):
        return [f for f in self.files if re.fullmatch(pattern, f)]


def spaces(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def blank(text):
    """C text with comments and literals replaced by spaces; lines stay where they are."""
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', spaces, text, flags=re.S)


def line_of(text, pos):
    return text.count("\n", 0, pos) + 1


def functions(code):
    """(name, first line, number of lines) of each function in blanked C code."""
    code = re.sub(r"^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", spaces, code, flags=re.M)
    depth, start, opened, name = 0, 0, 0, None
    for m in re.finditer(r"[{};]", code):
        c = m.group(0)
        if c == "{":
            if depth == 0:
                head = code[start:m.start()]
                found = re.search(r"\b(?!__attribute__)(\w+)\s*\(.*\)\s*$", head, re.S)
                name = found.group(1) if found and "=" not in head else None
                opened = start + len(head) - len(head.lstrip())
            depth += 1
        elif c == "}":
            depth = max(0, depth - 1)
            if depth == 0:
                if name:
                    first = line_of(code, opened)
                    yield name, first, line_of(code, m.start()) - first + 1
                start, name = m.end(), None
        elif depth == 0:
            start = m.end()


def is_test(path):
    return "/test-" in path or path.startswith("tests/")


def layer_table(tree):
    """{folder: set of folders} as the table of docs/ARCHITECTURE.md gives it."""
    table = {}
    if "docs/ARCHITECTURE.md" not in tree.files:
        return table
    rows = re.search(r"^\| folder \| may include \|\n\|[-|]+\|\n((?:\|.*\n)+)", tree.text("docs/ARCHITECTURE.md"), re.M)
    for row in rows.group(1).splitlines() if rows else []:
        folder, allowed = [c.strip() for c in row.split("|")[1:3]]
        table[folder] = set(allowed.replace("-", "").replace("`", "").split())
    for folder, allowed in table.items():
        if allowed == {"everything"}:
            table[folder] = set(table) - {folder}
    return table


def check_layers(tree):
    """An include names its folder, and that folder's face, and only folders that the table allows."""
    table = layer_table(tree)
    if not table:
        yield "docs/ARCHITECTURE.md", 1, "has no table '| folder | may include |'"
    for path in tree.glob(r"src/\w+/[^/]+\.[ch]"):
        own = path.split("/")[1]
        if own not in table:
            yield path, 1, f"folder {own} is not in the layer table of docs/ARCHITECTURE.md"
            continue
        for m in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', tree.text(path), re.M):
            folder, _, header = m.group(1).rpartition("/")
            line = line_of(tree.text(path), m.start())
            if not folder:
                yield path, line, f'"{header}" does not name its folder'
            elif folder == own:
                continue
            elif folder not in table[own]:
                yield path, line, f"{own} may not include {folder} (docs/ARCHITECTURE.md, layers)"
            elif header.endswith("-int.h") or (folder not in MANY_FACES and header != folder + ".h"):
                yield path, line, f"{m.group(1)} is private to {folder}; its face is {folder}/{folder}.h"


def check_sizes(tree):
    """Functions, files and faces keep their budgets."""
    lengths = []
    for path in tree.glob(r"(src|purgatory|tests)/.*\.[ch]"):
        lines = tree.text(path).count("\n")
        limit = FACE_MAX if path.endswith(".h") and not path.endswith("-int.h") and not is_test(path) else FILE_MAX
        if lines > limit:
            yield path, lines, f"{lines} lines, at most {limit} are allowed"
        for name, first, length in functions(tree.code(path)):
            if not is_test(path):
                lengths.append(length)
            if length > FUNCTION_MAX:
                yield path, first, f"{name}() has {length} lines, at most {FUNCTION_MAX} are allowed"
    lengths.sort()
    if lengths and lengths[(len(lengths) * 9 - 1) // 10] > FUNCTION_P90:
        p90 = lengths[(len(lengths) * 9 - 1) // 10]
        yield "src", 0, f"nine of ten functions must have at most {FUNCTION_P90} lines; they have {p90}"


def check_mutable_state(tree):
    """No object has a writable variable at file scope or a static one in a function."""
    if not tree.build:
        return
    programs = re.compile(r"(libunderstudy-core\.a|understudy(-\w+)?)\.p")
    objects = [o for o in sorted(tree.build.glob("*.p/*.o")) if programs.fullmatch(o.parent.name)]
    writable = re.compile(r"\.t?(data|bss)(?!\.rel\.ro)|\*COM")
    if not objects:
        yield str(tree.build), 0, "holds no objects: build first"
    for obj in objects:
        run = subprocess.run(["nm", "--format=sysv", obj], capture_output=True, text=True, check=True)
        for row in run.stdout.splitlines():
            cells = [c.strip() for c in row.split("|")]
            if len(cells) != 7 or cells[3] not in ("OBJECT", "TLS") or cells[0].startswith("__"):
                continue
            if writable.match(cells[6]):
                yield obj.name, 0, f"variable {cells[0]} is writable ({cells[6]})"


def check_spdx(tree):
    """Each source opens with its licence, and a .c file then says what it knows."""
    for path in tree.files:
        text = tree.text(path)
        script = text.startswith("#!")
        source = re.search(r"\.([chS]|asm|py|sh)$|(^|/)(meson\.build|meson_options\.txt|Makefile)$", path)
        if not script and not source:
            continue
        head = text.split("\n", 3)
        if "SPDX-License-Identifier: GPL-2.0-or-later" not in head[1 if script and len(head) > 1 else 0]:
            yield path, 1, "has no 'SPDX-License-Identifier: GPL-2.0-or-later' line at its top"
        elif re.fullmatch(r"(src|purgatory)/.*\.c", path) and not (len(head) > 1 and head[1].startswith("/*")):
            yield path, 2, "does not open with a comment that says what it knows"


def check_arch_ifdefs(tree):
    """Architectures are chosen by values: the preprocessor asks in two places only."""
    machines = "x86_64|i386|aarch64|arm|riscv|powerpc|powerpc64|s390x?"
    asks = re.compile(rf"^[ \t]*#[ \t]*(?:el)?if(?:n?def)?\b[^\n]*\b(__(?:{machines})__)", re.M)
    for path in set(tree.glob(r"src/.*\.[ch]")) - {"src/host/act.c"}:
        for m in asks.finditer(tree.code(path)):
            yield path, line_of(tree.code(path), m.start()), f"{m.group(1)} is asked for; only host/act.c and purgatory may"


def check_goto(tree):
    """Ownership is by the cleanup attribute."""
    for path in tree.glob(r"(src|purgatory|tests)/.*\.[ch]"):
        for m in re.finditer(r"\bgoto\b", tree.code(path)):
            yield path, line_of(tree.code(path), m.start()), "goto"


def check_printing(tree):
    """Only cmd/ and report/ speak to people."""
    speaks = re.compile(r"\b(stdout|stderr|STD(?:OUT|ERR)_FILENO|(?:v?printf|puts|putchar|perror|warnx?|errx?)(?=\s*\())")
    for path in tree.glob(r"src/(?!cmd/|report/)\w+/.*\.[ch]"):
        if is_test(path):
            continue
        for m in speaks.finditer(tree.code(path)):
            yield path, line_of(tree.code(path), m.start()), f"{m.group(1)}: only src/cmd and src/report print"


def check_rules(tree):
    """Each rule has a unit test that passes and one that fails."""
    tests = "".join(tree.text(p) for p in tree.glob(r"src/check/test-.*\.c"))
    proved = {kind: set(re.findall(kind + r'\s*\(\s*"([^"]+)"', tests)) for kind in ("PASSES", "FAILS")}
    for path in tree.glob(r"src/check/rules-.*\.c"):
        for m in re.finditer(r'\.id\s*=\s*"([^"]+)"', tree.text(path)):
            line, rule = line_of(tree.text(path), m.start()), m.group(1)
            for kind in ("PASSES", "FAILS"):
                if rule not in proved[kind]:
                    yield path, line, f'rule {rule} has no {kind}("{rule}", ...) in src/check/test-*.c'


def check_man_pages(tree):
    """Each command has its manual page."""
    for path in tree.glob(r"src/cmd/.*\.c"):
        for m in re.finditer(r"^const struct us_cmd us_cmd_(\w+)", tree.code(path), re.M):
            page = f"docs/man/understudy-{m.group(1).replace('_', '-')}"
            if not tree.glob(re.escape(page) + r"\.[18]\.scd"):
                yield path, line_of(tree.code(path), m.start()), f"command {m.group(1)} has no {page}.1.scd"


def check_words(tree):
    """No path of a build machine, no registry, no promise of later work."""
    for path in tree.files:
        if path == "COPYING":
            continue
        for pattern, why in FORBIDDEN:
            for m in pattern.finditer(tree.text(path)):
                yield path, line_of(tree.text(path), m.start()), f"{m.group(0)}: {why}"


def check_links(tree):
    """A relative link in a document leads to a file that is there."""
    for path in tree.glob(r"(docs/|bench/)?[^/]+\.md"):
        for m in re.finditer(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", tree.text(path)):
            if not ((tree.root / path).parent / m.group(1)).exists():
                yield path, line_of(tree.text(path), m.start()), f"link to {m.group(1)}, which is not there"


CHECKS = [check_layers, check_sizes, check_mutable_state, check_spdx, check_arch_ifdefs, check_goto, check_printing,
          check_rules, check_man_pages, check_words, check_links]


def main():
    here = Path(__file__).resolve().parent.parent
    parser = argparse.ArgumentParser(description="Hold the rules of CONTRIBUTING.md.")
    parser.add_argument("--root", default=here, help="the source tree")
    parser.add_argument("--build", help="a build directory, for the check of mutable variables")
    args = parser.parse_args()
    tree = Tree(args.root, args.build)
    problems = 0
    for check in CHECKS:
        for path, line, text in check(tree):
            print(f"{path}:{line}: {text}")
            problems += 1
    unseen = "" if args.build else " (mutable variables not looked at: no --build)"
    print(f"lint: {len(CHECKS)} checks, {problems} problems{unseen}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
