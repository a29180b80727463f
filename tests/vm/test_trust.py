# SPDX-License-Identifier: GPL-2.0-or-later
"""Trust: what audit and verify-image say of a machine is what its kernel then does."""

import json
import pathlib
import shutil
import subprocess
import sys

import pytest

import kdump
import scenario
from scenario import LOADED, loaded

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "fixtures/images"))

from signed import patched, with_certificates  # noqa: E402

PATIENT = "no_timer_check"  # a busy host may answer the timer too late for a small kernel that knows no hypervisor
POLICY = scenario.lab.TOP / "data/policies/file-only-signed.policy"
SYSTEMCTL = b"#!/bin/sh\necho \"systemctl $*\" > /dev/console\nexec understudy exec --now\n"
BARE = ("bare", "bare-foreign")  # without a certificate: the kernel's keys do not show what would find the signer's


def run(*words, **more):
    return subprocess.run([str(w) for w in words], check=True, capture_output=True, timeout=60, **more).stdout


def make_key(folder, name, issuer=None):
    """NAME.key and NAME.pem, self-signed or issued by the key and certificate given."""
    key, cert = folder / f"{name}.key", folder / f"{name}.pem"
    if not issuer:
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN=Lab {name}", "-days", "2", "-keyout", key, "-out", cert)
        return key, cert
    (folder / "ext").write_text("subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid:always\n")
    request = run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN=Lab {name}", "-keyout", key)
    run("openssl", "x509", "-req", "-days", "2", "-set_serial", "4711", "-extfile", folder / "ext", "-CAkey", issuer[0], "-CA", issuer[1], "-out", cert,
        input=request)
    return key, cert


def sign(image, key, out):
    run("sbsign", "--key", key[0], "--cert", key[1], "--output", out, image)
    return out


def variants(signed, folder):
    """What becomes of a signed kernel: every way in which a signature can be wrong."""
    unsigned = folder / "unsigned"
    shutil.copy(signed, unsigned)
    run("sbattach", "--remove", unsigned)
    foreign = make_key(folder, "foreign")
    images = {"signed": signed, "unsigned": unsigned, "foreign": sign(unsigned, foreign, folder / "signed-foreign"),
              "both": sign(signed, foreign, folder / "both")}
    data = signed.read_bytes()
    lies = {"tampered": scenario.flipped(signed), "revision": patched(data, 4, "<H", 0x100), "length": patched(data, 0, "<I", 0x7fffffff)}
    return images | {name: scenario.save(folder / name, lie) for name, lie in lies.items()}


@pytest.fixture(scope="module")
def own_images(kernels, tmp_path_factory):
    """Kernels signed by the keys that tiny-signed knows."""
    kernel, folder = kernels["tiny-signed"], tmp_path_factory.mktemp("own")
    images = variants(kernel.vmlinuz, folder)
    own = {name: (kernel.root / f"keys/{name}.key", kernel.root / f"keys/{name}.pem") for name in ("trusted", "revoked", "withdrawn")}
    own["issued"] = make_key(folder, "issued", own["trusted"])
    images |= {name: sign(images["unsigned"], key, folder / name) for name, key in own.items() if name != "trusted"}
    for name, image in zip(BARE, ("signed", "foreign")):
        images[name] = scenario.save(folder / name, with_certificates(images[image].read_bytes(), []))
    return images


def ask_both(images):
    """Steps: what verify-image says of each image, and what the system call answers."""
    steps = []
    for name in images:
        steps += [(f"say-{name}", f"understudy verify-image --json /boot/{name}"), (f"do-{name}", f"kx file /boot/{name} - x")]
    return steps


def number(step):
    """The errno that kx printed, 0 for a call that went well."""
    last = step.out.split()[-1]
    return 0 if last == "ok" else int(last)


def compare(r, images, prefix=""):
    """{image: errno}, said and done alike."""
    found = {}
    for name in images:
        said = json.loads(r.step(f"{prefix}say-{name}").out)
        done = number(r.step(f"{prefix}do-{name}"))
        found[name] = done
        if name in BARE:
            assert said["kexec_file_load"]["taken"] is None and said["exit"] == 3, (name, said)
            continue
        assert said["kexec_file_load"]["taken"] is (done == 0) and said["kexec_file_load"]["errno"] == done, (name, said["kexec_file_load"], done)
        assert said["kexec_file_load"]["keyrings_known"]
    return found


def values(step):
    return {line["id"]: line["value"] for line in json.loads(step.out)["lines"]}


def test_signatures_enforced_by_configuration(vm, kernels, understudy, own_images):
    """KEXEC=n, KEXEC_FILE=y, KEXEC_SIG_FORCE=y: each kind of signature, the limits, and the commands."""
    kernel = kernels["tiny-signed"]
    files = scenario.program(understudy) | {f"/boot/{name}": image for name, image in own_images.items()} | {
        "/policy": POLICY, "/trusted.pem": kernel.root / "keys/trusted.pem",
        "/systemd": scenario.lab.cpio.Link("/init"), "/run/systemd/system/.x": b"", "/bin/systemctl": SYSTEMCTL}
    audit, sysctl = "understudy audit --json", "/proc/sys/kernel/kexec_load"
    hop = f"--initrd {scenario.lab.NEXT_INITRD} --cmdline '{scenario.CONSOLE} hop=1'"
    steps = [("audit", "understudy audit --json --policy /policy"), ("by-load", "kx load"), *ask_both(own_images), ("clear", "kx file-unload"),
             ("bare", "understudy verify-image --json --keyring running --keyring /trusted.pem /boot/bare"),
             ("roles", "understudy config roles --running"), ("inspect", "understudy inspect --deep /boot/signed"), ("check", "understudy check /boot/signed --cmdline x"),
             ("refuse", f"understudy load /boot/unsigned --cmdline x; e=$?; {LOADED}; exit $e"),
             ("wrong", f"understudy load -c /boot/signed --cmdline x; e=$?; {LOADED}; exit $e"),
             ("load", f"understudy load /boot/signed --cmdline x && {LOADED}"), ("unload", f"understudy unload && {LOADED}"),
             ("kexec", f"kexec -l /boot/signed --append=x && {LOADED}"), ("kexec-u", f"kexec -u && {LOADED}"),
             ("snapshot", "understudy snapshot /tmp/me"), ("again", "understudy verify-image --json --host /tmp/me /boot/issued"),
             ("one-left", f"echo 1 > {sysctl}_limit_reboot; {audit}"), ("last", f"understudy load -s /boot/signed {hop}"),
             ("none-left", audit), ("refused", "kx file /boot/signed - x"),
             ("shut", f"echo 0 > {sysctl}_limit_panic; {audit}"), ("disabled", f"echo 1 > {sysctl}_disabled; {audit}"),
             ("still", "kx file /boot/signed - x"), ("exec", "understudy exec")]
    second = scenario.lab.Stage([("second", "understudy status")], kernel=kernel)
    r = vm.boot(kernel, [steps, second], files=files, append=f"{PATIENT} rdinit=/systemd", memory="1G", timeout=180)
    v = values(r.step("audit"))
    assert r.step("audit").rc == 0, r.step("audit").out  # the ready policy holds
    assert (v["kexec-load"], v["kexec-file-load"], v["signatures"], v["keys"]) == ("absent", "reachable", "enforced", "2"), v
    assert "ENOSYS" in r.step("by-load").out
    assert compare(r, own_images) == {"signed": 0, "both": 0, "issued": 0, "unsigned": 61, "foreign": 126, "tampered": 129, "revoked": 129, "withdrawn": 129,
                                      "revision": 524, "length": 80, "bare": 0, "bare-foreign": 126}
    said = json.loads(r.step("bare").out)
    assert said["verified"] and said["kexec_file_load"]["verified"] is None and said["exit"] == 3, said  # the file of the key tells what the kernel does
    assert json.loads(r.step("say-revoked").out)["revoked"] and json.loads(r.step("say-withdrawn").out)["revoked"]
    for name, rc, state in (("roles", 0, None), ("inspect", 0, None), ("check", 0, None), ("refuse", 1, (0, 0)), ("wrong", 1, (0, 0)), ("load", 0, (1, 0)), ("unload", 0, (0, 0)),
                            ("kexec", 0, (1, 0)), ("kexec-u", 0, (0, 0)), ("snapshot", 0, None), ("again", 0, None), ("last", 0, None)):
        step = r.step(name)
        assert step.rc == rc, (name, step.out, step.err)
        assert state is None or loaded(step) == state, name
    assert json.loads(r.step("again").out)["kexec_file_load"]["keyrings_known"]  # the recording has them
    assert values(r.step("one-left"))["limit-reboot"] == "1"
    v = values(r.step("none-left"))
    assert v["limit-reboot"] == "0" and v["loaded"] == "next" and number(r.step("refused")) == 1
    v = values(r.step("shut"))
    assert (v["kexec-file-load"], v["signatures"], v["initrd"]) == ("refused", "closed", "closed"), v
    assert values(r.step("disabled"))["load-disabled"] == "yes" and number(r.step("still")) == 1
    assert len(r.boots) == 2 and "hop=1" in r.boots[1].cmdline, r.tail()  # what was loaded before can still be started
    assert "systemctl kexec" in r.console, r.tail()  # by systemd (the lab's init by that name)


def test_kdump_where_signatures_are_enforced(vm, kernels, understudy, tmp_path):
    """The same kernel arms itself, dies, is saved by itself; all commands that follow work there."""
    kernel, dump = kernels["tiny-signed"], "$(ls -d /var/crash/*/dump)"
    own = f"/boot/vmlinuz-{kernel.release}"
    machine = kdump.Machine(vm, kernel, understudy, tmp_path, kdump.plain(), memory="768M")
    r = machine.crash(append=PATIENT, before=[("size", "understudy size"), ("targets", "understudy targets"), ("status", "understudy status"),
                              ("exec", f"understudy load {own} --cmdline x && understudy exec; e=$?; understudy unload; exit $e"),
                              ("rehearse", "understudy rehearse"), ("disarm", f"understudy disarm; {LOADED}"), ("rearm", f"understudy arm && {LOADED}"),
                              ("audit", "understudy audit --json")])
    assert loaded(r.step("disarm")) == (0, 0) and loaded(r.step("rearm")) == (0, 1)
    for name in ("size", "targets", "status"):
        assert r.step(name).rc == 0, (name, r.step(name).out, r.step(name).err)
    # what cannot work there is refused in words: without systemd nobody would stop services, without QEMU nothing can be played
    for name, rc, words in (("exec", 1, "systemd does not run here"), ("rehearse", 3, "a rehearsal needs QEMU")):
        step = r.step(name)
        assert step.rc == rc and words in " ".join(step.err.split()), (name, step.rc, step.out, step.err)
    v = values(r.step("audit"))
    assert v["loaded"] == "crash" and v["dumps"] == "private", v
    core = tmp_path / "dump"
    commands = {"info": f"understudy info {dump}", "log": f"understudy log {dump}", "verify": f"understudy verify {dump}",
                "report": f"understudy report {dump}", "convert": f"understudy convert --format elf {dump} /tmp/elf",
                "dump": f"understudy dump --level 31 {dump} /tmp/smaller",
                "makedumpfile": f"ln -s /bin/understudy /tmp/makedumpfile; /tmp/makedumpfile -d 31 -l {dump} /tmp/by-name",
                "vmcore-dmesg": f"ln -s /bin/understudy /tmp/vmcore-dmesg; /tmp/vmcore-dmesg {dump}"}
    r = machine.look(append=PATIENT, dump=core, steps=list(commands.items()))
    crash, = kdump.saved(r)
    assert crash["has_dump"] and crash["has_log"] and not crash["incomplete"], crash
    for name in commands:
        assert r.step(name).rc == 0, (name, r.step(name).out, r.step(name).err)
    kdump.check_dump(understudy, core, kernel, top="sysrq")


def test_lockdown_without_the_code_to_verify(vm, tiny, understudy, tmp_path):
    """A kernel with lockdown and without KEXEC_SIG refuses kexec_load and takes any file."""
    steps = [("audit", "understudy audit --json --policy /policy"), ("say", "understudy verify-image --json /boot/k"), ("file", "kx file /boot/k - x"),
             ("load", "kx load"), ("try", f"understudy load /boot/k --cmdline x; e=$?; {LOADED}; exit $e")]
    r = vm.boot(tiny, [steps], files=scenario.program(understudy) | {"/boot/k": tiny.vmlinuz, "/policy": POLICY}, append=f"lockdown=integrity {PATIENT}", timeout=90)
    v = values(r.step("audit"))
    assert (v["kexec-load"], v["kexec-file-load"], v["signatures"], v["lockdown"]) == ("refused", "reachable", "none", "integrity"), v
    assert r.step("audit").rc == 1
    assert json.loads(r.step("say").out)["kexec_file_load"]["taken"] and number(r.step("file")) == 0
    assert number(r.step("load")) == 1
    assert r.step("try").rc == 0 and loaded(r.step("try")) == (1, 0), r.step("try").out + r.step("try").err


@pytest.mark.matrix
def test_secure_boot(vm, kernels, understudy, tmp_path):
    """Debian's signed kernel under shim: who may load what, by both calls."""
    debian = kernels["6.12"]
    images = variants(debian.vmlinuz, tmp_path)
    files = scenario.program(understudy) | {f"/boot/{name}": image for name, image in images.items()} | {"/policy": POLICY}
    files[f"/boot/config-{debian.release}"] = debian.config
    steps = [("audit", "understudy audit --json --policy /policy"), ("words", "understudy audit"), ("by-load", "kx load"), *ask_both(images),
             ("disabled", "echo 1 > /proc/sys/kernel/kexec_load_disabled; understudy audit --json"), ("still", "kx file /boot/signed - x")]
    r = vm.boot(debian, [steps], files=files, firmware="secureboot", memory="1536M", timeout=400)
    v = values(r.step("audit"))
    assert r.step("audit").rc == 0, r.step("audit").out
    assert (v["kexec-load"], v["kexec-file-load"], v["signatures"], v["secure-boot"], v["lockdown"]) == ("refused", "reachable", "enforced", "on", "integrity")
    assert "EACCES" in r.step("by-load").out and "EACCES" in r.step("words").out
    keys = json.loads(r.step("audit").out)["keys"]
    assert any(key["from"] == ".machine" and "Debian Secure Boot CA" in key["description"] for key in keys), keys
    assert compare(r, images) == {"signed": 0, "both": 0, "unsigned": 61, "foreign": 126, "tampered": 129, "revision": 524, "length": 80}
    assert values(r.step("disabled"))["kexec-file-load"] == "refused" and number(r.step("still")) == 1


@pytest.mark.matrix
@pytest.mark.parametrize("name", ["6.1", "6.12"])
def test_lockdown_on_the_command_line(vm, kernels, understudy, tmp_path, name):
    """No key vouches for anything there: EPERM for every image, by both calls."""
    debian = kernels[name]
    images = variants(debian.vmlinuz, tmp_path)
    files = scenario.program(understudy) | {f"/boot/{name}": image for name, image in images.items()}
    files[f"/boot/config-{debian.release}"] = debian.config
    steps = [("audit", "understudy audit --json"), ("by-load", "kx load"), *ask_both(images)]
    r = vm.boot(debian, [steps], files=files, append="lockdown=integrity", memory="1536M", timeout=240)
    v = values(r.step("audit"))
    assert (v["kexec-load"], v["signatures"], v["lockdown"]) == ("refused", "lockdown", "integrity"), v
    assert number(r.step("by-load")) == 1
    assert set(compare(r, images).values()) == {1}


@pytest.mark.matrix
def test_nobody_insists(vm, kernels, understudy, tmp_path):
    """A plain Debian takes whatever it is given, and audit says so."""
    debian = kernels["6.12"]
    images = variants(debian.vmlinuz, tmp_path)
    files = scenario.program(understudy) | {f"/boot/{name}": image for name, image in images.items()} | {"/policy": POLICY}
    files[f"/boot/config-{debian.release}"] = debian.config
    r = vm.boot(debian, [[("audit", "understudy audit --json --policy /policy"), *ask_both(images)]], files=files, memory="1536M", timeout=240)
    v = values(r.step("audit"))
    assert r.step("audit").rc == 1 and (v["kexec-load"], v["signatures"]) == ("reachable", "none"), v
    assert set(compare(r, images).values()) == {0}
    assert json.loads(r.step("say-unsigned").out)["exit"] == 1  # taken is not verified
