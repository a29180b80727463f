# SPDX-License-Identifier: GPL-2.0-or-later
"""Each check of lint.py finds what it is there for in a made-up tree, and is content with a good one."""
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
import lint  # noqa: E402

SPDX = "/* SPDX-License-Identifier: GPL-2.0-or-later */\n"
TABLE = "| folder | may include |\n|---|---|\n| base | - |\n| mem | base |\n| image | base mem |\n| cmd | everything |\n"
GOOD = {
    "docs/ARCHITECTURE.md": TABLE,
    "src/base/err.h": SPDX + "int us_err_new(void);\n",
    "src/mem/mem.h": SPDX + '#include "base/err.h"\n',
    "src/image/image.h": SPDX,
    "src/image/image-int.h": SPDX,
    "src/image/open.c": SPDX + "/* Opens. */\n" + '#include "image/image-int.h"\n#include "mem/mem.h"\n'
        'static const char *const words = "goto /* { */ TOD";\nint us_open(int a)\n{\n\tif (a) {\n\t\treturn 1;\n\t}\n\treturn 0; /* goto */\n}\n',
    "src/check/rules-a.c": SPDX + "/* Rules. */\n" + 'static const int x[] = { { .id = "area.wrong" } };\n',
    "src/check/test-a.c": SPDX + '/* Cases. */\nPASSES("area.wrong", x)\nFAILS("area.wrong", x)\n',
    "src/cmd/load.c": SPDX + "/* Loads. */\nconst struct us_cmd us_cmd_load = { 0 };\nvoid f(void)\n{\n\tprintf(\"x\");\n}\n",
    "docs/man/understudy-load.1.scd": "understudy-load(1)\n",
}
GOOD["docs/ARCHITECTURE.md"] += "| check | base |\n"


def body(lines):
    return "int f(void)\n{\n" + "\tx();\n" * (lines - 3) + "}\n"


# (check, file, its text, words that the problem must have)
BAD = [
    (lint.check_layers, "src/mem/a.c", '#include "image/image.h"\n', "mem may not include image"),
    (lint.check_layers, "src/base/a.c", '#include "mem/mem.h"\n', "base may not include mem"),
    (lint.check_layers, "src/image/a.c", '#include "image-int.h"\n', "does not name its folder"),
    (lint.check_layers, "src/cmd/a.c", '#include "image/image-int.h"\n', "private to image"),
    (lint.check_layers, "src/cmd/a.c", '#include "mem/hole.h"\n', "its face is mem/mem.h"),
    (lint.check_layers, "src/new/a.c", "", "folder new is not in the layer table"),
    (lint.check_layers, "docs/ARCHITECTURE.md", "nothing\n", "has no table"),
    (lint.check_sizes, "src/mem/a.c", body(121), "f() has 121 lines"),
    (lint.check_sizes, "src/mem/a.c", "#define M { \\\n {\n" + body(130), "f() has 130 lines"),
    (lint.check_sizes, "src/mem/test-a.c", "static void __attribute__((x)) f(int a)\n" + body(121)[len("int f(void)\n"):], "f() has 121"),
    (lint.check_sizes, "src/mem/a.c", body(61) * 9, "they have 61"),
    (lint.check_sizes, "src/mem/a.c", "int x;\n" * 901, "901 lines"),
    (lint.check_sizes, "src/mem/mem.h", "int x;\n" * 251, "251 lines"),
    (lint.check_spdx, "src/mem/a.c", "/* Nothing. */\n", "has no 'SPDX"),
    (lint.check_spdx, "src/mem/a.c", SPDX + "int x;\n", "does not open with a comment"),
    (lint.check_spdx, "tools/run", "#!/bin/sh\nexit 0\n", "has no 'SPDX"),
    (lint.check_spdx, "meson.build", "project('x')\n", "has no 'SPDX"),
    (lint.check_arch_ifdefs, "src/mem/a.c", "#ifdef __x86_64__\n#endif\n", "__x86_64__ is asked for"),
    (lint.check_arch_ifdefs, "src/mem/a.h", "#if defined(A) || defined(__aarch64__)\n#endif\n", "__aarch64__ is asked for"),
    (lint.check_goto, "src/mem/a.c", "int f(void)\n{\n\tgoto out;\n}\n", "goto"),
    (lint.check_printing, "src/mem/a.c", "int f(void)\n{\n\tprintf(1);\n}\n", "printf: only"),
    (lint.check_printing, "src/mem/a.c", "int f(void)\n{\n\tfputs(s, stderr);\n}\n", "stderr: only"),
    (lint.check_rules, "src/check/rules-b.c", 'x = { .id = "area.other" };\n', 'has no PASSES("area.other"'),
    (lint.check_rules, "src/check/test-a.c", 'PASSES("area.wrong", x)\n', 'has no FAILS("area.wrong"'),
    (lint.check_man_pages, "src/cmd/unload.c", "const struct us_cmd us_cmd_unload = { 0 };\n", "has no docs/man/understudy-unload.1.scd"),
    (lint.check_words, "README.md", "see /wor" + "k/x\n", "path of a build machine"),
    (lint.check_words, "src/mem/a.c", "/* TO" + "DO: all */\n", "unfinished work"),
    (lint.check_words, "tools/get", "fetch deb.debi" + "an.org\n", "package registry"),
    (lint.check_links, "docs/A.md", "[b](B.md)\n", "link to B.md"),
]


def plant(root, files):
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    return lint.Tree(root)


@pytest.mark.parametrize("check", lint.CHECKS, ids=lambda c: c.__name__)
def test_good_tree_has_no_problem(tmp_path, check):
    assert list(check(plant(tmp_path, GOOD))) == []


@pytest.mark.parametrize("check, path, text, words", BAD, ids=[f"{b[0].__name__}-{b[3]}" for b in BAD])
def test_bad_tree_is_found(tmp_path, check, path, text, words):
    found = [f"{p}: {t}" for p, _, t in check(plant(tmp_path, {**GOOD, path: text}))]
    assert any(words in f for f in found), found


def test_every_check_has_a_bad_tree():
    assert {b[0] for b in BAD} | {lint.check_mutable_state} == set(lint.CHECKS)


@pytest.mark.parametrize("source, name", [
    ("int counter = 1;", "counter"), ("static int hidden; int *f(void) { return &hidden; }", "hidden"),
    ("int *f(void) { static int kept; return &kept; }", "kept"), ("_Thread_local int own;", "own"), ("int common;", "common"),
    ("static const int fine = 1; const char *const also[] = { \"a\" }; const int *f(void) { return &fine; }", None)])
def test_mutable_state_is_found_in_objects(tmp_path, source, name):
    objects = tmp_path / "build" / "understudy.p"
    objects.mkdir(parents=True)
    subprocess.run(["cc", "-fPIE", "-c", "-x", "c", "-o", objects / "a.o", "-"], input=source, text=True, check=True)
    found = [t for _, _, t in lint.check_mutable_state(lint.Tree(tmp_path, tmp_path / "build"))]
    assert len(found) == (1 if name else 0), found
    assert not name or name in found[0]


def test_build_directory_without_objects_is_a_problem(tmp_path):
    assert "build first" in list(lint.check_mutable_state(lint.Tree(tmp_path, tmp_path)))[0][2]


def test_program_exits_1_and_names_the_place(tmp_path):
    plant(tmp_path, {**GOOD, "src/mem/a.c": SPDX + "/* A. */\nint f(void)\n{\n\tgoto out;\n}\n"})
    run = subprocess.run([sys.executable, lint.__file__, "--root", tmp_path], stdout=subprocess.PIPE, text=True)
    assert run.returncode == 1
    assert "src/mem/a.c:5: goto" in run.stdout
