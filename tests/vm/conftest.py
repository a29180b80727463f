# SPDX-License-Identifier: GPL-2.0-or-later
"""Fixtures of the VM scenarios. What a scenario lacks becomes a skip with its reason, never a silent pass."""

import os
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

import vm as lab  # noqa: E402

import probe as probe_maker  # noqa: E402


class Kernels:
    """kernels["6.12"]: a kernel under build/kernels, or a skip."""

    def __getitem__(self, name):
        try:
            return lab.kernel(name)
        except lab.LabError as e:
            pytest.skip(str(e))


@pytest.fixture(scope="session")
def kernels():
    return Kernels()


@pytest.fixture(scope="session")
def tiny(kernels):
    return kernels["tiny"]


@pytest.fixture(scope="session")
def probe(tmp_path_factory):
    """The plain probe kernel; variants come from probe.make_probe(path, field=value...)."""
    return probe_maker.make_probe(tmp_path_factory.mktemp("probe") / "probe.bz")


@pytest.fixture(scope="session")
def understudy():
    path = pathlib.Path(os.environ.get("UNDERSTUDY_BINARY", lab.TOP / "build/understudy"))
    if not path.exists():
        pytest.skip(f"{path} is not built")
    return path.resolve()


@pytest.fixture(scope="session")
def makedumpfile():
    """Debian's own program, unpacked."""
    try:
        return lab.peer("makedumpfile", "usr/bin/makedumpfile")
    except lab.LabError as e:
        pytest.skip(str(e))


@pytest.fixture
def vm(request):
    if not shutil.which("qemu-system-x86_64"):
        pytest.skip("qemu-system-x86_64 is not installed")
    machine = lab.Vm(f"{request.node.path.stem}-{request.node.name}")
    request.node.lab_vm = machine
    return machine


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    machine = getattr(item, "lab_vm", None)
    if report.failed and machine:
        for result in machine.results:
            report.sections.append((f"console: {result.log}", result.tail(60)))
