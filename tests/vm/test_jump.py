# SPDX-License-Identifier: GPL-2.0-or-later
"""Jumps between real Debian kernels, by both system calls, with 5-level paging on and off."""

import pytest

import scenario

PAGING = pytest.mark.parametrize("append", ["", "no5lvl"], ids=["5-level", "4-level"])


def check_paging(r, append):
    assert [b.la57 for b in r.boots] == [not append] * len(r.boots)


@PAGING
@pytest.mark.parametrize("calls", [("file", "load"), ("load", "file")], ids="-".join)
def test_6_1_to_6_12_and_back(vm, kernels, understudy, append, calls):
    old, new = kernels["6.1"], kernels["6.12"]
    r = scenario.hops(vm, old, [(new, calls[0]), (old, calls[1])], append, binary=understudy)
    check_paging(r, append)


@PAGING
@pytest.mark.parametrize("calls", [("file", "load"), ("load", "file")], ids="-".join)
def test_newest_to_both(vm, kernels, understudy, append, calls):
    newest, old, new = kernels["newest"], kernels["6.1"], kernels["6.12"]
    r = scenario.hops(vm, newest, [(old, calls[0]), (newest, calls[0]), (new, calls[1])], append, binary=understudy, timeout=300)
    check_paging(r, append)


@pytest.mark.parametrize("call", ["file", "load"])
def test_cloud_to_rt_and_back(vm, kernels, understudy, call):
    cloud, rt = kernels["6.12-cloud"], kernels["6.12-rt"]
    scenario.hops(vm, cloud, [(rt, call), (cloud, call)], binary=understudy)


@pytest.mark.parametrize("name,call,other", [("tiny-fileonly", "file", "kexec_load"), ("tiny-loadonly", "load", "kexec_file_load")])
def test_kernels_with_one_call_only(vm, kernels, understudy, name, call, other):
    """KEXEC=n and KEXEC_FILE=n: the program finds the one call by itself and says so when the other is asked for."""
    kernel = kernels[name]
    scenario.hops(vm, kernel, [(kernel, "auto")], binary=understudy, timeout=90)
    wrong = "load" if call == "file" else "file"
    steps = [("wrong", f"understudy load --call {wrong} /boot/k; e=$?; {scenario.LOADED}; exit $e"), ("load", f"understudy load /boot/k && {scenario.LOADED}"),
             ("unload", f"understudy unload && {scenario.LOADED}"), ("status", "understudy status")]
    r = vm.boot(kernel, [steps], files=scenario.program(understudy) | {"/boot/k": kernel.vmlinuz}, timeout=60)
    assert r.step("wrong").rc == 1 and other in r.step("wrong").out + r.step("wrong").err
    assert scenario.loaded(r.step("wrong")) == (0, 0)
    assert r.step("load").rc == 0 and scenario.loaded(r.step("load")) == (1, 0), r.step("load").err
    assert r.step("unload").rc == 0 and scenario.loaded(r.step("unload")) == (0, 0), r.step("unload").err
    assert r.step("status").rc == 1  # nothing is armed


def test_exec_with_nothing_loaded_is_refused(vm, tiny, understudy):
    r = vm.boot(tiny, [[("exec", "understudy exec"), ("now", "understudy exec --now"), ("name", "kexec -e")]],
                files=scenario.program(understudy), timeout=60)
    for name in ("exec", "now", "name"):
        step = r.step(name)
        assert step.rc == 1 and "no kernel is loaded" in (step.out + step.err).lower(), step
    assert r.finished


def test_exec_leaves_the_jump_to_systemd(vm, tiny, understudy):
    """Under systemd (here the lab's init by that name) exec asks `systemctl kexec`, and does not jump by itself."""
    systemctl = b"#!/bin/sh\necho \"systemctl $*\" > /dev/kmsg\n[ -e /tmp/hold ] || exec understudy exec --now\n"
    files = scenario.program(understudy) | {
        "/boot/k": tiny.vmlinuz, "/systemd": scenario.lab.cpio.Link("/init"), "/run/systemd/system/.x": b"", "/bin/systemctl": systemctl}
    load = f"understudy load /boot/k --initrd {scenario.lab.NEXT_INITRD} --cmdline '{scenario.CONSOLE}'"
    first = [("pid1", "cat /proc/1/comm"), ("load", load), ("held", "touch /tmp/hold; understudy exec; e=$?; rm /tmp/hold; exit $e"),
             ("still", scenario.LOADED), ("exec", "understudy exec")]
    r = vm.boot(tiny, [first, scenario.lab.Stage([("arrived", "uname -r")])], files=files, append="rdinit=/systemd", timeout=60)
    assert r.step("pid1").out.strip() == "systemd" and r.step("load").rc == 0, r.step("load").out + r.step("load").err
    held = r.step("held")
    assert held.rc == 0 and "systemctl kexec" in held.out, held
    assert held.kmsg.count("systemctl kexec") == 1, held.kmsg
    assert scenario.loaded(r.step("still")) == (1, 0), "nothing jumped while systemctl held still"
    assert len(r.boots) == 2 and r.finished, r.tail()


@pytest.mark.parametrize("call", ["file", "load"])
def test_uki_brings_its_own_initrd_and_command_line(vm, kernels, understudy, tmp_path, call):
    kernel = kernels["6.12-cloud"]
    words = f"{scenario.CONSOLE} from=uki"
    blob = scenario.payload("uki")
    second = scenario.lab.Stage([("arrived", "md5sum < /blob")], files={"/blob": blob}, kernel=kernel)
    inner = scenario.lab.stage_initrd(1, second, kernel, {}, None)
    image = scenario.save(tmp_path / "k.efi", scenario.uki({
        ".osrel": b"ID=lab\n", ".uname": kernel.release.encode(), ".cmdline": words.encode(), ".initrd": inner,
        ".linux": kernel.vmlinuz.read_bytes()}))
    steps = [("load", f"understudy load --call {call} /boot/k.efi"), ("jump", "understudy exec --now")]
    r = vm.boot(kernel, [steps, second], files=scenario.program(understudy) | {"/boot/k.efi": image}, timeout=120)
    assert r.step("load").rc == 0, r.step("load").out + r.step("load").err
    assert len(r.boots) == 2 and r.boots[1].cmdline.strip() == words, r.tail()
    assert r.step("arrived").out.split()[0] == scenario.md5(blob)


@pytest.mark.parametrize("call", ["file", "load"])
def test_efi_runtime_survives(vm, kernels, understudy, call):
    kernel = kernels["6.12-cloud"]
    look = ("efi", "ls /sys/firmware/efi/runtime-map | wc -l; cat /sys/firmware/efi/fw_platform_size; "
                   "[ -n \"$(ls -A /sys/firmware/efi/efivars 2>/dev/null)\" ] && echo variables; dmesg | grep -c 'Unexpected EFI Memory Attributes'")
    files = scenario.program(understudy) | {"/boot/k": kernel.vmlinuz}
    load = f"understudy load --call {call} /boot/k --initrd {scenario.lab.NEXT_INITRD} --cmdline '{scenario.CONSOLE}'"
    second = scenario.lab.Stage([look], kernel=kernel, modules=("efivarfs",))
    r = vm.boot(kernel, [[look, ("load", load), ("jump", "understudy exec --now")], second], files=files, modules=("efivarfs",),
                firmware="uefi", timeout=240)
    assert r.step("load").rc == 0, r.step("load").out + r.step("load").err
    assert [b.efi for b in r.boots] == [True, True], r.tail()
    before, after = r.step("efi", 0).out.split(), r.step("efi", 1).out.split()
    assert int(before[0]) > 0 and after[:2] == before[:2]
    assert after[2] == "variables" and after[-1] == "0", r.tail()
