# SPDX-License-Identifier: GPL-2.0-or-later
"""report on the sample dumps of real kernels: what happened, by which calls, and what the kernel was made of."""
import json
import subprocess

import pytest

from wanted import core

CALLS = ["sysrq_handle_crash", "__handle_sysrq", "write_sysrq_trigger", "proc_reg_write"]


def tell(understudy, *words):
    done = subprocess.run([understudy, "report", "--json", *words], capture_output=True, text=True)
    assert done.returncode in (0, 1), done.stderr
    return json.loads(done.stdout)


def names(calls):
    return [c.split("+")[0].removesuffix(".cold") for c in calls]


@pytest.mark.parametrize("name", ["6.1", "6.12", "newest"])
def test_a_crash_by_sysrq(understudy, name):
    d = tell(understudy, core(name))
    assert d["crash"]["panic"] == "sysrq triggered crash" and d["crash"]["comm"] == "sh"
    assert d["signature"] == "sysrq: Trigger a crash: " + " < ".join(CALLS)
    stack = names(d["stack"])
    assert [c for c in stack if c in CALLS] == CALLS and stack[-1] == "entry_SYSCALL_64_after_hwframe"
    assert d["cpus"][0]["comm"] == "sh" and d["cpus"][0]["function"].startswith("__crash_kexec+")
    assert d["cpus"][1]["comm"] == "idle" and d["cpus_online"] == 2 and d["taint"] == []
    assert {"loop", "virtio_blk"} <= {m["name"] for m in d["modules"]} and not d["unknown"]
    assert all(m["base"] > 0xffffffffc0000000 and m["bytes"] for m in d["modules"])


def test_a_kernel_without_names_of_variables_says_so(understudy):
    d = tell(understudy, core("tiny"))
    assert d["crash"]["panic"] == "sysrq triggered crash" and d["modules"] is None
    assert any(u.startswith("taint, modules and tasks") for u in d["unknown"])
    assert "write_sysrq_trigger" in names(d["stack"])


def test_a_running_machine_has_no_panic(understudy):
    d = tell(understudy, core("6.1-qemu-zlib"))
    assert d["signature"] is None and d["crash"]["panic"] is None and d["cpus"][0]["cpu"] == 0
    assert "rest_init" in names(d["stack"])


def test_a_filtered_dump_tells_the_same(understudy, tmp_path):
    whole = tell(understudy, core("6.12"))
    subprocess.run([understudy, "dump", "--no-sync", core("6.12"), tmp_path / "dump"], check=True, capture_output=True)
    small = tell(understudy, tmp_path / "dump")
    for key in ("crash", "signature", "stack", "cpus", "modules", "taint", "log_tail"):
        assert small[key] == whole[key], key
    assert small["dump"]["dump_level"] == 31
