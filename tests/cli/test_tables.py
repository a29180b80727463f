# SPDX-License-Identifier: GPL-2.0-or-later
"""What the build makes from the option and rule tables: the bash completion and the manual pages."""
import json
import re
import subprocess
from pathlib import Path

import pytest

DROPINS = ("kexec", "makedumpfile")
PAGES = Path(__file__).resolve().parents[2] / "docs/man"


@pytest.fixture
def complete(understudy, tmp_path):
    """complete(word, ...): what bash offers for the last word."""
    script = tmp_path / "completion"
    script.write_text(understudy("--dump-completion").out)

    def run(*words):
        line = " ".join(f"'{w}'" for w in ["understudy", *words])
        r = subprocess.run(["bash", "-c", f'source "$1"; COMP_WORDS=({line}); COMP_CWORD={len(words)}; _understudy; '
                            'printf "%s\\n" "${COMPREPLY[@]}"', "bash", script], capture_output=True, text=True, check=False,
                           cwd=tmp_path)
        assert not r.stderr, r.stderr
        return set(r.stdout.split())
    return run


def test_commands_are_offered_first(complete):
    assert {"inspect", "check", "load", "exec", "unload", "status", "snapshot", "dump", "convert"} <= complete("")
    assert complete("insp") == {"inspect"}


def test_options_belong_to_their_command(complete):
    assert complete("load", "--pic") == {"--picture"}
    assert complete("check", "--pic") == set()
    assert complete("exec", "--no") == {"--now"}


def test_values_are_offered_where_they_are_known(complete, tmp_path):
    (tmp_path / "initrd.img").touch()
    (tmp_path / "recorded").mkdir()
    assert complete("load", "--call", "f") == {"file"}
    assert complete("load", "--accept", "paging.5-level-to") == {"paging.5-level-to-4-level"}
    assert complete("load", "--initrd", "ini") == {"initrd.img"}
    assert complete("load", "--initrd", "=", "ini") == {"initrd.img"}
    assert complete("check", "--host", "rec") == {"recorded"}
    assert complete("check", "--host", "ini") == set()
    assert complete("load", "--cmdline", "") == set()
    assert complete("load", "ini") == {"initrd.img"}
    assert complete("crashes", "") == {"list", "show", "prune", "recover"}
    assert complete("crashes", "re") == {"recover"}
    assert complete("report", "ini") == {"initrd.img"}


def test_a_word_of_a_command_has_options_of_its_own(complete, tmp_path):
    (tmp_path / "linux").mkdir()
    assert {"why", "table", "diff", "show", "roles"} <= complete("config", "")
    assert complete("config", "wh") == {"why"}
    assert complete("config", "why", "--rand") == {"--randconfig"}
    assert complete("config", "show", "--rand") == set()
    assert complete("config", "why", "li") == {"linux"}


@pytest.mark.parametrize("page", sorted(p.name for p in PAGES.glob("understudy-*.scd")))
def test_each_page_takes_its_options_from_the_table(understudy, page):
    name = page.removeprefix("understudy-").removesuffix(".1.scd")
    words = re.findall(r"^@OPTIONS (.+)@$", (PAGES / page).read_text(), re.M)  # "check", or "config why", "config table", ...
    assert words and all(w.split()[0] == name for w in words)
    for command in words:
        section = understudy(f"--dump-options={command}").out
        said = understudy("--help", name=name).out if name in DROPINS else understudy(*command.split(), "--help").out
        for word in said.split():
            if word.startswith("--") and word.rstrip(":,.;)").isascii() and word[2:].replace("-", "").isalnum():
                assert word in section, word


def test_the_rules_section_has_every_rule(understudy):
    section = understudy("--dump-rules").out
    rules = json.loads(understudy("check", "--list-rules", "--json").out)["rules"]
    assert len(rules) > 50
    for rule in rules:
        assert f"*{rule['id']}* ({rule['severity']}; " in section
