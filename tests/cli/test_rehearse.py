# SPDX-License-Identifier: GPL-2.0-or-later
"""rehearse without a virtual machine: what makes no sense, what is missing, and the half that the living machine can try."""
import json
import signal
from pathlib import Path

import jsonschema
import pytest
from test_arm import machine, program, run  # noqa: F401 (fixtures)

SCHEMAS = Path(__file__).parent / "schema"


@pytest.mark.parametrize("words", [["--kind", "quietly"], ["--cpus", "0"], ["--timeout", "soon"], ["--kind", "all", "--find-size"],
                                   ["--reserve", "much"]])
def test_words_without_sense(run, machine, words):  # noqa: F811
    assert run("rehearse", *words, host=machine()).status == 2


def test_without_qemu_nothing_is_tried(run, machine):  # noqa: F811
    r = run("rehearse", "--qemu", "/nowhere/qemu", host=machine())
    assert r.status == 3 and "a rehearsal needs QEMU" in r.text and not r.acts


def test_a_program_that_is_no_qemu_is_a_rehearsal_that_failed(run, machine, tmp_path):  # noqa: F811
    root = machine()
    r = run("rehearse", "--json", "--qemu", "/bin/false", host=root, env={"TMPDIR": str(tmp_path)})
    assert r.status == 1 and "did not come to the crash" in r.json["runs"][0]["failed_at"] and not r.acts
    jsonschema.validate(r.json, json.loads((SCHEMAS / "rehearse.json").read_text()))
    assert not list(tmp_path.glob("understudy-rehearse-*"))
    assert " 0 " in (root / "var/lib/understudy/rehearsals").read_text()


@pytest.mark.parametrize("name", ["INT", "TERM"])
def test_ended_in_the_middle_it_leaves_nothing_behind(run, machine, tmp_path, name):  # noqa: F811
    """A machine that sends its starter the signal, and would run on."""
    root, qemu = machine(), tmp_path / "qemu"
    qemu.write_text(f"#!/bin/sh\nkill -{name} $PPID\nexec sleep 60\n")
    qemu.chmod(0o755)
    was = signal.signal(getattr(signal, f"SIG{name}"), signal.SIG_DFL)  # it may be ignored where the tests run
    try:
        r = run("rehearse", "--qemu", qemu, host=root, env={"TMPDIR": str(tmp_path)})
    finally:
        signal.signal(getattr(signal, f"SIG{name}"), was)
    assert r.status == 3 and "was ended" in r.text and r.seconds < 30, r.text
    assert not list(tmp_path.glob("understudy-rehearse-*")) and not (root / "var/lib/understudy/rehearsals").exists()


def test_the_result_need_not_be_noted(run, machine):  # noqa: F811
    root = machine()
    assert run("rehearse", "--no-note", "--qemu", "/bin/false", host=root).status == 1
    assert not (root / "var/lib/understudy").exists()


def test_the_living_half_tries_the_target(run, machine):  # noqa: F811
    root = machine()
    r = run("rehearse", "--live-parts", "--json", host=root)
    assert r.status == 0 and not r.acts, r.text
    jsonschema.validate(r.json, json.loads((SCHEMAS / "rehearse-live.json").read_text()))
    parts = r.json["parts"]
    assert any(p["what"] == "modules" and p["ok"] for p in parts)
    assert any(p["what"] == "/var/crash" and p["ok"] and "wrote" in p["result"] for p in parts), parts
    assert not list((root / "var/crash").iterdir())


def test_the_living_half_says_what_fails(run, machine):  # noqa: F811
    root = machine()
    (root / "var/crash").write_text("a file where the directory should be")
    r = run("rehearse", "--live-parts", host=root)
    assert r.status == 1 and "NO: " in r.text, r.text
