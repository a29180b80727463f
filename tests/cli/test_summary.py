# SPDX-License-Identifier: GPL-2.0-or-later
"""What tools/test makes of JUnit reports: nothing that was left out counts as passed in silence."""
import importlib.machinery
import importlib.util
from pathlib import Path

import pytest

TOOL = Path(__file__).resolve().parents[2] / "tools/test"
CMOCKA = """[ RUN      ] test_a
[       OK ] test_a
[ RUN      ] test_b
compared with nothing
[  SKIPPED ] test_b
[ RUN      ] test_c
[  SKIPPED ] test_c
[==========] 3 test(s) run."""
REPORT = f"""<testsuites><testsuite name="understudy">
<testcase name="base" classname="understudy"/>
<testcase name="image" classname="understudy"><system-out>{CMOCKA}</system-out>
<system-err>[  PASSED  ] 1 test(s).
[  SKIPPED ] 2 test(s), listed below:
[  SKIPPED ] test_b
[  SKIPPED ] test_c</system-err></testcase>
<testcase name="vm" classname="understudy"><skipped message="no QEMU"/></testcase>
<testcase name="bad" classname="understudy"><failure message="x"/><system-out>[  SKIPPED ] test_d</system-out></testcase>
</testsuite></testsuites>"""


@pytest.fixture
def run(monkeypatch):
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    loader = importlib.machinery.SourceFileLoader("tools_test", str(TOOL))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("tools_test", loader))
    loader.exec_module(module)
    return module.Run()


def test_what_is_left_out_inside_a_program_is_told(run, tmp_path, capsys):
    (tmp_path / "report.xml").write_text(REPORT)
    run.count("unit", tmp_path / "report.xml")
    assert run.close() == 1
    said = capsys.readouterr().out
    assert "SKIPPED unit: understudy image: test_b: compared with nothing\n" in said
    assert "SKIPPED unit: understudy image: test_c: no reason given\n" in said
    assert "SKIPPED unit: understudy vm: no QEMU\n" in said
    assert "FAILED unit: understudy bad" in said
    assert "2 passed, 1 failed, 3 skipped" in said
