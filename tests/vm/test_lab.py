# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab tests itself: what it reports must be what happened."""

import zlib

import pytest

import probe as probe_maker
import vm as lab


def test_steps_report_back(vm, tiny):
    r = vm.boot(tiny, [[("hello", "echo out; echo err >&2; exit 3"), ("log", "echo '<3>lab says hi' > /dev/kmsg"),
                        ("uname", "uname -r")]], timeout=60)
    assert [b.stage for b in r.boots] == [0] and r.finished and not r.overdue
    assert r.boots[0].release == tiny.release and "console=ttyS0" in r.boots[0].cmdline
    assert (r.step("hello").rc, r.step("hello").out, r.step("hello").err) == (3, "out\n", "err\n")
    assert "lab says hi" in r.step("log").kmsg
    assert r.step("uname").out.strip() == tiny.release


def test_large_output_arrives_whole(vm, tiny):
    r = vm.boot(tiny, [[("large", "seq 1 30000")]], timeout=60)
    assert r.step("large").out == "".join(f"{n}\n" for n in range(1, 30001))


def test_paging_levels_are_seen(vm, tiny):
    assert vm.boot(tiny, [[]], timeout=60).boots[0].la57
    assert not vm.boot(tiny, [[]], append="no5lvl", timeout=60).boots[0].la57


def test_step_past_its_deadline_is_ended(vm, tiny):
    r = vm.boot(tiny, [[("slow", "echo begun; sleep 60", 1), ("after", "echo on")]], timeout=60)
    assert r.step("slow").rc == -1 and r.step("slow").out == "begun\n"
    assert r.step("after").out == "on\n" and r.finished


def test_hanging_guest_is_ended_and_its_console_kept(vm, tiny):
    r = vm.boot(tiny, [[("hang", "sleep 1000", 1000)]], timeout=8)
    assert r.overdue and not r.finished and r.seconds < 12
    assert r.step("hang").rc is None
    assert "sleep 1000" in r.tail() and "sleep 1000" in r.log.read_text()


def test_outputs_leave_the_guest(vm, tiny, tmp_path):
    r = vm.boot(tiny, [[("make", "seq 1 100000 > /tmp/a; send a < /tmp/a && echo short | send b")]],
                outputs={"a": tmp_path / "a", "b": tmp_path / "b"}, timeout=60)
    assert r.step("make").rc == 0, r.step("make").err
    assert (tmp_path / "a").read_text() == "".join(f"{n}\n" for n in range(1, 100001))
    assert (tmp_path / "b").read_text() == "short\n"


def test_probe_reports_what_it_was_handed(vm, tiny, probe):
    initrd = bytes(range(256)) * 999 + b"tail"
    r = vm.boot(tiny, [[("load", "kx file /boot/probe /boot/rd 'hello probe=1'"), ("exec", "kx exec")]],
                files={"/boot/probe": probe, "/boot/rd": initrd}, timeout=60)
    assert r.step("load").rc == 0, r.step("load").out
    p = r.probe
    assert p and p.complete and p["entry"] == 64, r.tail()
    assert p["cmdline"] == "hello probe=1" and p["cmdline_len"] == 13
    assert p["initrd_size"] == len(initrd) and p["initrd_crc32"] == zlib.crc32(initrd)
    assert p["cr4"] >> 12 & 1 == 1  # la57 stays on across the jump
    assert p["rip"] == p["load_address"] + 0x200 and p["rsi"] & 0xF == 0
    assert p["header"] == 0x53726448 and p["boot_params"][0x1FE:0x200] == b"\x55\xaa"
    assert len(p.e820) == p["e820_entries"] > 2 and p["type_of_loader"] == 0xD0
    assert 9 in [n["type"] for n in p.setup_data]  # the seed for the random numbers


def test_probe_in_the_reservation_reports_the_elf_headers(vm, tiny, probe):
    r = vm.boot(tiny, [[("load", "kx file /boot/probe - capture 2"), ("crash", "echo c > /proc/sysrq-trigger")]],
                files={"/boot/probe": probe}, append="crashkernel=64M no5lvl", memory="512M", timeout=60)
    assert r.step("load").rc == 0, r.step("load").out
    assert r.probe and r.probe.complete and r.probe["cr4"] >> 12 & 1 == 0, r.tail()
    assert r.probe["elfcorehdr"][:4] == b"\x7fELF" and len(r.probe["elfcorehdr"]) > 64 + 2 * 56


def test_probe_survives_what_it_cannot_read(vm, tiny, probe):
    r = vm.boot(tiny, [[("load", "kx file /boot/probe - elfcorehdr=1K@0x800000000000"), ("exec", "kx exec")]],
                files={"/boot/probe": probe}, timeout=60)
    assert r.probe and r.probe.complete, r.tail()
    assert r.probe["fault_vector"] == 14 and r.probe["fault_cr2"] == 1 << 47


def test_image_without_the_5_level_bit_is_refused_by_the_kernel(vm, tiny, tmp_path):
    old = probe_maker.make_probe(tmp_path / "old", xloadflags=0x03)
    r = vm.boot(tiny, [[("load", "kx file /boot/old - x")]], files={"/boot/old": old}, timeout=60)
    assert r.step("load").out == "file: ENOEXEC 8\n" and "5-level" in r.step("load").kmsg


def test_variants_have_the_calls_they_are_named_for(vm, kernels, probe):
    steps = [("file", "kx file /boot/probe - x"), ("load", "kx load")]
    r = vm.boot(kernels["tiny-fileonly"], [steps], files={"/boot/probe": probe}, timeout=60)
    assert (r.step("file").out, r.step("load").out) == ("file: ok\n", "load: ENOSYS 38\n")
    r = vm.boot(kernels["tiny-loadonly"], [steps], files={"/boot/probe": probe}, timeout=60)
    assert (r.step("file").out, r.step("load").out) == ("file: ENOSYS 38\n", "load: ok\n")


def test_crash_brings_up_the_capture_kernel(vm, tiny, tmp_path):
    crash = [("load", f"kx file /boot/k {lab.NEXT_INITRD} 'console=ttyS0 panic=-1 quiet' 2"),
             ("crash", "echo c > /proc/sysrq-trigger")]
    capture = [("look", "head -c 4 /proc/vmcore"), ("send", "send vmcore < /proc/vmcore", 60)]
    r = vm.boot(tiny, [crash, capture], files={"/boot/k": tiny.vmlinuz}, append="crashkernel=128M", memory="512M",
                outputs={"vmcore": tmp_path / "vmcore"}, timeout=90)
    assert r.step("load").rc == 0, r.step("load").out
    assert [b.vmcore for b in r.boots] == [False, True], r.tail()
    assert r.step("look").out == "\x7fELF"
    with open(r.outputs["vmcore"], "rb") as f:
        assert f.read(4) == b"\x7fELF"
    assert (tmp_path / "vmcore").stat().st_size > 256 << 20


@pytest.mark.parametrize("name", ["6.1", "6.12", "6.12-cloud", "6.12-rt", "newest"])
def test_debian_kernels_boot_with_modules(vm, kernels, name, tmp_path):
    debian = kernels[name]
    r = vm.boot(debian, [[("out", "echo from $(uname -r) | send word")]], outputs={"word": tmp_path / "word"}, timeout=120)
    assert r.finished and r.boots[0].release == debian.release, r.tail()
    assert r.boots[0].la57
    assert r.step("out").rc == 0, r.step("out").err
    assert (tmp_path / "word").read_text() == f"from {debian.release}\n"


def test_two_stages_are_two_kernels(vm, kernels):
    """A jump between two Debian kernels; kexec-tools' own program runs in the guest, libraries and all."""
    first, second = kernels["6.12-cloud"], kernels["6.1"]
    load = f"kexec -s -l /boot/k --initrd={lab.NEXT_INITRD} --command-line='console=ttyS0 panic=-1 quiet word=2'"
    r = vm.boot(first, [[("load", load), ("jump", "kx exec")],
                        lab.Stage([("modules", "wc -l < /proc/modules")], kernel=second, modules=("ext4",))],
                files={"/boot/k": second.vmlinuz}, binaries=[lab.peer("kexec-tools", "sbin/kexec")], timeout=180)
    assert r.step("load").rc == 0, r.step("load").err
    assert [b.release for b in r.boots] == [first.release, second.release], r.tail()
    assert "word=2" in r.boots[1].cmdline and int(r.step("modules").out) > 3


def test_uefi_firmware_is_seen(vm, kernels):
    debian = kernels["6.12-cloud"]
    r = vm.boot(debian, [[("vars", "ls /sys/firmware/efi/runtime-map | wc -l")]], firmware="uefi", timeout=180)
    assert r.boots[0].efi and int(r.step("vars").out) > 0, r.tail()


def test_secure_boot_locks_the_kernel_down(vm, kernels):
    debian = kernels["6.12"]
    r = vm.boot(debian, [[("lockdown", "cat /sys/kernel/security/lockdown"), ("load", "kx load")]], firmware="secureboot",
                timeout=240)
    assert r.boots and r.boots[0].efi, r.tail()
    assert "[integrity]" in r.step("lockdown").out
    assert r.step("load").out == "load: EACCES 13\n"
