# SPDX-License-Identifier: GPL-2.0-or-later
"""Refusals: said before any call, with the reason named, and nothing is loaded."""

import pytest

import probe as probe_maker
import scenario
from scenario import LOADED, findings, loaded


def test_4_level_image_on_a_5_level_kernel(vm, kernels, understudy, tmp_path):
    """The peers load this image without a word and the machine hangs after the jump."""
    debian = kernels["6.12"]
    old = scenario.save(tmp_path / "old", scenario.without_5_level(debian.vmlinuz))
    words = "--cmdline 'console=ttyS0'"
    steps = [
        ("check", f"understudy check /boot/old {words}"),
        ("json", f"understudy check --json /boot/old {words}"),
        ("file", f"understudy load -s /boot/old {words}; e=$?; {LOADED}; exit $e"),
        ("load", f"understudy load -c /boot/old {words}; e=$?; {LOADED}; exit $e"),
        ("auto", f"understudy load /boot/old {words}; e=$?; {LOADED}; exit $e"),
        ("name", f"kexec -l /boot/old --append=console=ttyS0; e=$?; {LOADED}; exit $e"),
        ("name-c", f"kexec -c -l /boot/old --append=console=ttyS0; e=$?; {LOADED}; exit $e"),
    ]
    r = vm.boot(debian, [steps], files=scenario.program(understudy) | {"/boot/old": old}, timeout=180)
    assert r.boots[0].la57
    assert "paging.5-level-to-4-level" in findings(r.step("json"))
    for name in ("check", "file", "load", "auto", "name", "name-c"):
        step = r.step(name)
        text = step.out + step.err
        assert step.rc == 1, (name, text)
        for word in ("XLF_5LEVEL", "bit 5", "0x236", "5-level"):
            assert word in text, (name, word, text)
        if name != "check":
            assert loaded(step) == (0, 0), name

    steps = [("file", f"understudy load -s /boot/old {words}; e=$?; {LOADED}; exit $e"), ("unload", "understudy unload"),
             ("load", f"understudy load -c /boot/old {words}; e=$?; {LOADED}; exit $e")]
    r = vm.boot(debian, [steps], files=scenario.program(understudy) | {"/boot/old": old}, append="no5lvl", timeout=180)
    assert not r.boots[0].la57
    for name in ("file", "load"):
        assert r.step(name).rc == 0 and loaded(r.step(name)) == (1, 0), r.step(name).out + r.step(name).err


def test_limits_and_switches(vm, kernels, understudy, probe):
    """kexec_load_disabled, the load limits and a missing reservation are seen without trying."""
    debian = kernels["6.12-cloud"]
    steps = [
        ("no-reservation", f"understudy load --crash /boot/probe; e=$?; {LOADED}; exit $e"),
        ("limit", f"echo 0 > /proc/sys/kernel/kexec_load_limit_reboot; understudy load /boot/probe; e=$?; {LOADED}; exit $e"),
        ("disabled", f"echo 1 > /proc/sys/kernel/kexec_load_disabled; understudy load /boot/probe; e=$?; {LOADED}; exit $e"),
    ]
    r = vm.boot(debian, [steps], files=scenario.program(understudy) | {"/boot/probe": probe}, timeout=90)
    for name, word in (("no-reservation", "reservation.missing"), ("limit", "kexec_load_limit_reboot"), ("disabled", "kexec_load_disabled")):
        step = r.step(name)
        assert step.rc == 1 and word in step.out + step.err, (name, step.out, step.err)
        assert loaded(step) == (0, 0)


def test_unprivileged_user(vm, kernels, understudy, probe):
    debian = kernels["6.12-cloud"]
    as_nobody = "su -s /bin/sh nobody -c"
    steps = [
        ("check", f"{as_nobody} 'understudy check /boot/probe --cmdline x'"),
        ("load", f"{as_nobody} 'understudy load /boot/probe --cmdline x'; e=$?; {LOADED}; exit $e"),
        ("status", f"{as_nobody} 'understudy status'"),
        ("inspect", f"{as_nobody} 'understudy inspect /boot/probe'"),
    ]
    r = vm.boot(debian, [steps], files=scenario.program(understudy) | {"/boot/probe": probe}, timeout=90)
    assert r.step("check").rc == 0, r.step("check").out + r.step("check").err
    assert "Not known" in r.step("check").out and "root" in r.step("check").out
    step = r.step("load")
    assert step.rc == 1 and "CAP_SYS_BOOT" in step.out + step.err and loaded(step) == (0, 0)
    assert r.step("status").rc == 1 and r.step("inspect").rc == 0


@pytest.fixture(scope="module")
def signed_images(kernels, tmp_path_factory):
    """Debian's signed kernel, and what becomes of it: stripped, changed, signed by somebody else."""
    import shutil
    import subprocess

    if not shutil.which("sbsign"):
        pytest.skip("sbsigntool is not installed")
    tmp = tmp_path_factory.mktemp("signed")
    signed = kernels["6.12"].vmlinuz
    run = lambda *words: subprocess.run(words, check=True, capture_output=True)  # noqa: E731
    unsigned, foreign = tmp / "unsigned", tmp / "foreign"
    shutil.copy(signed, unsigned)
    run("sbattach", "--remove", unsigned)
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=Somebody Else", "-days", "2",
        "-keyout", tmp / "key", "-out", tmp / "cert")
    run("sbsign", "--key", tmp / "key", "--cert", tmp / "cert", "--output", foreign, unsigned)
    return {"signed": signed, "unsigned": unsigned, "foreign": foreign,
            "tampered": scenario.save(tmp / "tampered", scenario.flipped(signed))}


def test_secure_boot(vm, kernels, understudy, signed_images):
    """kexec_load is closed, the file call takes what the keys vouch for; everything else is refused before the call."""
    debian = kernels["6.12"]
    files = scenario.program(understudy) | {f"/boot/{name}": image for name, image in signed_images.items()}
    files[f"/boot/config-{debian.release}"] = debian.config
    steps = [("status", "understudy status")]
    for name in ("unsigned", "tampered", "foreign"):
        steps += [(name, f"understudy load -s /boot/{name} --cmdline x; e=$?; {LOADED}; exit $e"),
                  (f"{name}-json", f"understudy check --json --call file /boot/{name} --cmdline x"),
                  (f"{name}-kernel", f"kx file /boot/{name} - x")]
    steps += [
        ("load", f"understudy load -c /boot/signed --cmdline x; e=$?; {LOADED}; exit $e"),
        ("load-kernel", "kx load"),
        ("file", f"understudy load /boot/signed --initrd {scenario.lab.NEXT_INITRD} --cmdline '{scenario.CONSOLE} hop=1'; e=$?; {LOADED}; exit $e"),
        ("unload", f"understudy unload; e=$?; {LOADED}; exit $e"),
        ("again", f"understudy load -s /boot/signed --initrd {scenario.lab.NEXT_INITRD} --cmdline '{scenario.CONSOLE} hop=1'"),
        ("jump", "understudy exec --now"),
    ]
    second = scenario.lab.Stage([("lockdown", "cat /sys/kernel/security/lockdown")], kernel=debian)
    r = vm.boot(debian, [steps, second], files=files, firmware="secureboot", memory="1536M", timeout=400)
    assert "lockdown" in r.step("status").out.lower() and "integrity" in r.step("status").out
    for name, errno, rule, word in (("unsigned", "ENODATA", "signature.missing", "the image has none"),
                                    ("tampered", "EKEYREJECTED", "signature.tampered", "digest"),
                                    ("foreign", "ENOKEY", "signature.unknown-signer", "Somebody Else")):
        assert errno in r.step(f"{name}-kernel").out  # what the kernel says of it
        step = r.step(name)
        text = step.out + step.err
        assert step.rc == 1 and loaded(step) == (0, 0), (name, text)
        assert rule in text and word in text and errno in text, (name, text)
        assert rule in findings(r.step(f"{name}-json")), name
    assert "EACCES" in r.step("load-kernel").out
    step = r.step("load")
    assert step.rc == 1 and loaded(step) == (0, 0) and "EACCES" in step.out + step.err, step.out + step.err
    assert r.step("file").rc == 0 and loaded(r.step("file")) == (1, 0), r.step("file").out + r.step("file").err
    assert r.step("unload").rc == 0 and loaded(r.step("unload")) == (0, 0), r.step("unload").err
    assert r.step("again").rc == 0
    assert len(r.boots) == 2 and "hop=1" in r.boots[1].cmdline and r.boots[1].efi, r.tail()
    assert "[integrity]" in r.step("lockdown").out


def test_lockdown_without_secure_boot(vm, kernels, understudy, signed_images):
    """No key vouches for anything there: both calls answer EPERM, even for the signed kernel."""
    debian = kernels["6.12"]
    files = scenario.program(understudy) | {"/boot/signed": signed_images["signed"], "/boot/unsigned": signed_images["unsigned"]}
    steps = [("kernel", "kx file /boot/signed - x"), ("kernel-load", "kx load")]
    for call in ("file", "load"):
        for name in ("signed", "unsigned"):
            steps.append((f"{call}-{name}", f"understudy load --call {call} /boot/{name} --cmdline x; e=$?; {LOADED}; exit $e"))
    r = vm.boot(debian, [steps], files=files, append="lockdown=integrity", timeout=180)
    assert "EPERM" in r.step("kernel").out and "EPERM" in r.step("kernel-load").out
    for name, *_ in steps[2:]:
        step = r.step(name)
        text = step.out + step.err
        assert step.rc == 1 and loaded(step) == (0, 0), (name, text)
        assert "lockdown" in text.lower() and "EPERM" in text, (name, text)


def test_damaged_images_are_refused_where_the_peers_load_them(vm, tiny, understudy, tmp_path):
    """Half an image and an absurd init_size: kexec-tools loads both and the machine hangs."""
    whole = tiny.vmlinuz.read_bytes()
    half = scenario.save(tmp_path / "half", whole[:len(whole) // 2])
    small = probe_maker.make_probe(tmp_path / "small", init_size=0x1000)
    steps = []
    for name in ("half", "small"):
        for call in ("file", "load"):
            steps.append((f"{name}-{call}", f"understudy load --call {call} /boot/{name}; e=$?; {LOADED}; exit $e"))
    r = vm.boot(tiny, [steps], files=scenario.program(understudy) | {"/boot/half": half, "/boot/small": small}, timeout=60)
    for name, _ in steps:
        step = r.step(name)
        assert step.rc == 1 and loaded(step) == (0, 0) and "0x" in step.out + step.err, (name, step.out, step.err)
