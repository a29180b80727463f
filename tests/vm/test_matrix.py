# SPDX-License-Identifier: GPL-2.0-or-later
"""The long product, run by `make test-matrix`: every kernel to every kernel, by both calls; jumps in both paging modes, and crashes.

What ran is written to docs/tested.md (tools/test does that from the report).
"""

import pytest

import scenario
from test_crash import CRASH, arm
from vm import Stage

pytestmark = pytest.mark.matrix

KERNELS = ["6.1", "6.12", "6.12-rt", "newest"]
FROM = pytest.mark.parametrize("start", KERNELS)
TO = pytest.mark.parametrize("to", KERNELS)
CALL = pytest.mark.parametrize("call", ["file", "load"])


@FROM
@TO
@CALL
@pytest.mark.parametrize("append", ["", "no5lvl"], ids=["5-level", "4-level"])
def test_jump(vm, kernels, understudy, record_property, start, to, call, append):
    first, second = kernels[start], kernels[to]
    record_property("cell", f"jump, {'4' if append else '5'}-level|{first.release}|{second.release}|{call}")
    r = scenario.hops(vm, first, [(second, call)], append, binary=understudy, timeout=300)
    assert [b.la57 for b in r.boots] == [not append] * 2


@FROM
@TO
@CALL
def test_crash(vm, kernels, understudy, record_property, start, to, call):
    first, second = kernels[start], kernels[to]
    record_property("cell", f"crash|{first.release}|{second.release}|{call}")
    look = Stage([("look", "head -c 4 /proc/vmcore; cat /proc/cmdline")], kernel=second)
    r = vm.boot(first, [[("arm", arm(call)), CRASH], look], files=scenario.program(understudy) | {"/boot/k": second.vmlinuz},
                append="crashkernel=256M", memory="1G", timeout=400)
    assert r.step("arm").rc == 0 and scenario.loaded(r.step("arm")) == (0, 1), r.step("arm").out + r.step("arm").err
    assert [b.release for b in r.boots] == [first.release, second.release] and r.boots[1].vmcore, r.tail()
    assert r.step("look").out.startswith("\x7fELF")
