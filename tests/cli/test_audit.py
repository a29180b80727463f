# SPDX-License-Identifier: GPL-2.0-or-later
"""audit: what recorded machines let happen, each fact alone, and policies."""
import json
import os
import tempfile
from pathlib import Path

import jsonschema
import pytest

from hosts import drop, put, sub
from machines import KEYRINGS, listed

HERE = Path(__file__).resolve().parent
READY = HERE.parent.parent / "data/policies/file-only-signed.policy"
CONFIG = "boot/config-6.12.117+deb12-amd64"
LOCKED = put("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
DISABLED = put("proc/sys/kernel/kexec_load_disabled", "1\n")


def off(option):
    return sub(CONFIG, f"CONFIG_{option}=y", f"# CONFIG_{option} is not set")


@pytest.fixture
def audit(understudy):
    def audit(host, *more):
        r = understudy("audit", "--json", *more, "--host", host)
        jsonschema.validate(r.json, json.loads((HERE / "schema/audit.json").read_text()))
        assert r.status == r.json["exit"]
        words = understudy("audit", *more, "--host", host)
        assert words.status == r.status
        for line in r.json["lines"]:
            assert f"{line['id']}: {line['value']}" in words.text
            assert (line["open"] is None) == (line["value"] == "unknown")
            assert line["fact"] and line["evidence"] and bool(line["fix"]) == (line["open"] is True)
        return r.json
    return audit


def values(d):
    return {line["id"]: line["value"] for line in d["lines"]}


def test_a_plain_debian_is_open(audit, host):
    v = values(audit(host("vm-la57")))
    assert v | {"keys": 0, "dumps": 0} == {
        "kexec-load": "reachable", "kexec-file-load": "reachable", "signatures": "none", "secure-boot": "off", "lockdown": "none", "load-disabled": "no",
        "limit-panic": "unlimited", "limit-reboot": "unlimited", "loaded": "nothing", "capability": "yes", "initrd": "unsigned", "keys": 0, "dumps": 0}


def test_secure_boot_enforces(audit, host):
    d = audit(host("vm-secureboot", listed()))
    v = values(d)
    assert (v["kexec-load"], v["kexec-file-load"], v["signatures"], v["secure-boot"], v["lockdown"]) == ("refused", "reachable", "enforced", "on", "integrity")
    line = next(line for line in d["lines"] if line["id"] == "kexec-load")
    assert "EACCES" in line["fact"]  # IMA is asked before lockdown
    line = next(line for line in d["lines"] if line["id"] == "signatures")
    assert "Secure Boot" in line["evidence"] and "CONFIG_IMA_ARCH_POLICY" in line["evidence"]
    assert any("Debian Secure Boot CA" in key["description"] for key in d["keys"])
    assert v["keys"] == str(sum(key["use"] == "trusted" for key in d["keys"]))


@pytest.mark.parametrize("changes, expected", (
    ((LOCKED,), {"kexec-load": "refused", "kexec-file-load": "reachable", "signatures": "lockdown", "lockdown": "integrity", "initrd": "unsigned"}),
    ((LOCKED, off("KEXEC_SIG")), {"kexec-load": "refused", "signatures": "none", "lockdown": "integrity"}),
    ((DISABLED,), {"kexec-load": "refused", "kexec-file-load": "refused", "signatures": "closed", "load-disabled": "yes", "initrd": "closed"}),
    ((sub(CONFIG, "# CONFIG_KEXEC_SIG_FORCE is not set", "CONFIG_KEXEC_SIG_FORCE=y"),), {"kexec-load": "reachable", "signatures": "enforced"}),
    ((put("proc/sys/kernel/kexec_load_limit_panic", "0\n"),), {"limit-panic": "0", "kexec-load": "reachable"}),
    ((put("proc/sys/kernel/kexec_load_limit_panic", "0\n"), put("proc/sys/kernel/kexec_load_limit_reboot", "0\n")),
     {"limit-panic": "0", "limit-reboot": "0", "kexec-load": "refused", "kexec-file-load": "refused", "signatures": "closed", "initrd": "closed"}),
    ((put("proc/sys/kernel/kexec_load_limit_reboot", "3\n"),), {"limit-reboot": "3"}),
    ((put("sys/kernel/security/integrity/ima/policy", "appraise func=KEXEC_KERNEL_CHECK appraise_type=imasig\n"),),
     {"kexec-load": "refused", "signatures": "ima"}),
    ((put("sys/kernel/security/integrity/ima/policy", "appraise func=KEXEC_KERNEL_CHECK appraise_type=imasig\n"
          "appraise func=KEXEC_INITRAMFS_CHECK appraise_type=imasig\n"),), {"kexec-load": "refused", "initrd": "ima"}),
    ((put("sys/kernel/security/integrity/ima/policy", "appraise func=KEXEC_KERNEL_CHECK appraise_type=imasig\n"
          "appraise func=KEXEC_INITRAMFS_CHECK\n"),), {"kexec-load": "refused", "initrd": "unsigned"}),  # by a hash that anyone writes
    ((put("sys/kernel/security/integrity/ima/policy", "appraise func=KEXEC_INITRAMFS_CHECK appraise_type=imasig\n"),),
     {"kexec-load": "reachable", "initrd": "unsigned"}),  # kexec_load goes around it
    ((sub(CONFIG, "# CONFIG_KEXEC_SIG_FORCE is not set", "CONFIG_KEXEC_SIG_FORCE=y"), off("KEXEC_BZIMAGE_VERIFY_SIG"), off("KEXEC")),
     {"kexec-load": "absent", "signatures": "closed", "initrd": "closed"}),  # nothing can be verified
    ((sub(CONFIG, "CONFIG_KEXEC_SIG=y", "CONFIG_KEXEC_VERIFY_SIG=y"),), {"signatures": "enforced"}),  # to 5.3
    ((LOCKED, off("KEXEC_BZIMAGE_VERIFY_SIG")), {"kexec-load": "refused", "kexec-file-load": "reachable", "signatures": "closed", "initrd": "closed"}),
    ((put("sys/kernel/kexec_loaded", "1\n"), put("sys/kernel/kexec_crash_loaded", "1\n")), {"loaded": "both"}),
), ids=range(15))
def test_each_fact(audit, host, changes, expected):
    v = values(audit(host("vm-la57", *changes)))
    assert {key: v[key] for key in expected} == expected


def test_what_closes_is_the_evidence(audit, host):
    used_up = [put(f"proc/sys/kernel/kexec_load_limit_{which}", "0\n") for which in ("panic", "reboot")]
    for changes, evidence in ((used_up, "kexec_load_limit_panic"), ([DISABLED], "kexec_load_disabled"), ([off("KEXEC_FILE"), DISABLED], CONFIG)):
        line = next(line for line in audit(host("vm-la57", *changes))["lines"] if line["id"] == "signatures")
        assert line["value"] == "closed" and evidence in line["evidence"]


def test_what_is_not_known_is_told(audit, host):
    v = values(audit(host("vm-la57", drop("proc/sys/kernel/kexec_load_disabled"))))
    assert v["load-disabled"] == "unknown" and v["kexec-load"] == "unknown" and v["initrd"] == "unsigned"
    line = next(line for line in audit(host("vm-secureboot"))["lines"] if line["id"] == "initrd")
    assert line["value"] == "unsigned" and "IMA's policy" in line["fact"] and "not known" in line["fact"]
    v = values(audit(host("vm-la57", drop("sys/kernel/security/lockdown"))))
    assert v["lockdown"] == v["kexec-load"] == v["signatures"] == "unknown"
    v = values(audit(host("vm-secureboot", drop("proc/keys"))))
    assert v["keys"] == "unknown"


def test_the_ready_policy(audit, host):
    d = audit(host("vm-secureboot", listed()), "--policy", READY)
    assert d["exit"] == 0 and d["policy"]["holds"]
    d = audit(host("vm-la57"), "--policy", READY)
    assert d["exit"] == 1 and [b["id"] for b in d["policy"]["broken"] if not b["unknown"]] == ["kexec-load", "signatures"]
    assert d["policy"]["broken"][0]["line"] == 5 and d["policy"]["broken"][0]["text"] == "kexec-load = absent refused"
    # enforced for kexec_file_load, and kexec_load goes around it
    d = audit(host("vm-la57", sub(CONFIG, "# CONFIG_KEXEC_SIG_FORCE is not set", "CONFIG_KEXEC_SIG_FORCE=y")), "--policy", READY)
    assert d["exit"] == 1 and [b["id"] for b in d["policy"]["broken"] if not b["unknown"]] == ["kexec-load"]


def test_what_is_not_known_passes_no_policy(audit, host):
    d = audit(host("vm-secureboot", drop("proc/keys")), "--policy", READY)
    assert d["exit"] == 3 and d["policy"]["broken"] == [{"line": 7, "text": "keys != 0", "id": "keys", "value": "unknown", "unknown": True}]
    d = audit(host("vm-la57", drop("proc/keys")), "--policy", READY)
    assert d["exit"] == 1  # broken is worse


def test_policies_of_ones_own(audit, host, tmp_path):
    policy = tmp_path / "policy"
    policy.write_text("  lockdown=none integrity # either\n\n# comment\nsecure-boot != on\nlimit-panic = unlimited 1 2\n")
    assert audit(host("vm-la57"), "--policy", policy)["exit"] == 0
    d = audit(host("vm-secureboot"), "--policy", policy)
    assert d["exit"] == 1 and [b["line"] for b in d["policy"]["broken"]] == [4]


@pytest.mark.parametrize("text, word", (
    ("kexec-lod = absent\n", "kexec-lod"), ("kexec-load\n", "="), ("kexec-load =\n", "value"), ("kexec-load = refuse\n", "refuse"),
    ("keys = many\n", "many"), ("kexec-load = unknown\n", "unknown"), ("= absent\n", "no line"), ("lockdown == none\n", "=")))
def test_a_slip_in_a_policy_is_an_error(understudy, host, tmp_path, text, word):
    (tmp_path / "policy").write_text("# first\n" + text)
    r = understudy("audit", "--host", host("vm-la57"), "--policy", tmp_path / "policy")
    assert r.status == 2 and f"{tmp_path}/policy:2:" in r.err and word in r.err, r.text


def test_keyrings_that_cannot_be_listed(audit, host):
    """Each alone: how many keys vouch is not known then, and the ready policy does not pass."""
    for name in KEYRINGS:
        d = audit(host("vm-secureboot", listed(name)), "--policy", READY)
        line = next(line for line in d["lines"] if line["id"] == "keys")
        assert line["value"] == "unknown" and f"{name} could not be listed" in line["evidence"] and d["exit"] == 3, name
        assert not d["keyrings_known"]


def test_keys_of_ones_own_vouch_for_nothing(audit, host):
    """A key that is in none of the kernel's keyrings, and one in .ima."""
    more = ("00000077 I------     1 perm 1f010000     0     0 asymmetri Mine: 0123456789abcdef: X509.rsa 89abcdef []\n"
            "00000078 I------     1 perm 1f0b0000     0     0 keyring   .ima: 1\n")
    before, after = (values(audit(host("vm-secureboot", listed(), *change)))["keys"] for change in
                     ((), (lambda tree: tree.__setitem__("proc/keys", tree["proc/keys"] + more.encode()),)))
    assert before == after == "4"


IMA = "sys/kernel/security/integrity/ima/policy"
SIGNED = "appraise func=KEXEC_KERNEL_CHECK appraise_type=imasig \n"


@pytest.mark.parametrize("policy, signatures, load", (
    (SIGNED, "ima", "refused"),
    ("dont_appraise func=KEXEC_KERNEL_CHECK \n" + SIGNED, "none", "refused"),  # the first rule decides, but not for kexec_load
    ("dont_appraise func=MODULE_CHECK \n" + SIGNED, "ima", "refused"),
    ("dont_appraise \n" + SIGNED, "none", "refused"),
    ("dont_appraise fsmagic=0x1021994 \n" + SIGNED, "unknown", "refused"),  # a file on tmpfs gets through
    ("appraise func=KEXEC_KERNEL_CHECK fowner=0 appraise_type=imasig \n", "unknown", "refused"),
    ("appraise fowner=0 \n", "unknown", "reachable"),
    ("appraise mask=MAY_EXEC \n", "none", "reachable"),  # kernels are read
    ("appraise appraise_type=imasig|modsig \n", "ima", "reachable"),
    ("appraise func=KEXEC_KERNEL_CHECK \n", "none", "refused"),  # a hash that anyone writes
    ("measure func=KEXEC_KERNEL_CHECK \n", "none", "reachable")), ids=range(11))
def test_what_an_ima_policy_means(audit, host, policy, signatures, load):
    v = values(audit(host("vm-la57", put(IMA, policy))))
    assert (v["signatures"], v["kexec-load"]) == (signatures, load)


@pytest.mark.parametrize("machine, word, changes, signatures", (
    ("vm-la57", "ima_appraise=off", (), "none"), ("vm-la57", "ima_appraise=log", (), "none"), ("vm-la57", "ima_appraise=fix", (), "none"),
    ("vm-la57", "ima-appraise=log", (), "none"), ("vm-la57", "ima_appraise=enforce", (), "ima"), ("vm-la57", "ima_appraise=log ima_appraise=enforce", (), "ima"),
    ("vm-la57", "ima_appraise=log", (off("IMA_APPRAISE_BOOTPARAM"),), "ima"),  # the kernel does not know the word
    ("vm-la57", "ima_appraise=log", (drop("boot/config-.*"),), "unknown"),
    ("vm-secureboot", "ima_appraise=log", (), "enforced"), ("vm-secureboot", "ima_appraise=log", (off("KEXEC_SIG"),), "ima")), ids=range(10))
def test_ima_that_lets_files_in(audit, host, machine, word, changes, signatures):
    d = audit(host(machine, put(IMA, SIGNED), sub("proc/cmdline", r"\n", f" {word}\n"), *changes))
    assert values(d)["signatures"] == signatures
    if machine == "vm-la57" and signatures == "none":
        assert values(d)["kexec-load"] == "reachable"


def test_what_is_loaded_may_not_be_known(audit, host):
    gone = drop("sys/kernel/kexec_crash_loaded")
    d = audit(host("vm-la57", gone))
    line = next(line for line in d["lines"] if line["id"] == "loaded")
    assert line["value"] == "unknown" and "crash" in line["fact"]
    assert values(audit(host("vm-la57", gone, off("CRASH_DUMP"))))["loaded"] == "nothing"  # from 6.9 on it has no such file


def test_one_is_one(audit, host):
    d = audit(host("vm-la57", put("proc/sys/kernel/kexec_load_limit_panic", "1\n"), put("proc/sys/kernel/kexec_load_limit_reboot", "2\n")))
    facts = {line["id"]: line["fact"] for line in d["lines"]}
    assert facts["limit-panic"] == "1 more load is allowed" and facts["limit-reboot"] == "2 more loads are allowed"


def test_who_may_read_dumps(understudy, tmp_path):
    """On this very machine, with a configuration of the test's."""
    with tempfile.TemporaryDirectory() as top:
        os.chmod(top, 0o755)
        crash = Path(top) / "var/crash"
        (tmp_path / "conf").write_text(f"target = {crash}\n")

        def line(**more):
            d = understudy("audit", "--json", "--config", tmp_path / "conf", **more).json
            return next(line for line in d["lines"] if line["id"] == "dumps")

        assert line()["value"] == "nowhere"
        (crash / "one").mkdir(parents=True)
        (crash / "one/dump").write_bytes(b"memory")
        os.chmod(crash / "one/dump", 0o644)
        os.chmod(crash / "one", 0o700)
        os.chmod(crash.parent, 0o755)
        os.chmod(crash, 0o755)
        assert line()["value"] == "private"
        os.chmod(crash / "one", 0o755)
        found = line()
        assert found["value"] == "readable" and found["open"] and f"{crash}/one/dump" in found["fact"]
        os.chmod(crash, 0o700)
        assert line()["value"] == "private" and f"{crash} (mode 0700)" in line()["fact"]
        os.chmod(crash, 0o755)
        os.chmod(crash.parent, 0o700)  # a door above
        assert line()["value"] == "private" and f"{crash.parent} (mode 0700) keeps others out" in line()["fact"]
        if os.getuid() == 0:  # whoever cannot look behind the door sees the door
            (Path(top) / "conf").write_text((tmp_path / "conf").read_text())
            d = understudy("audit", "--json", "--config", Path(top) / "conf", user=65534, act=False).json
            found = next(line for line in d["lines"] if line["id"] == "dumps")
            assert found["value"] == "private" and f"{crash.parent} (mode 0700)" in found["fact"], found
            assert not d["keyrings_known"] and next(line for line in d["lines"] if line["id"] == "keys")["value"] == "unknown"
        (Path(top) / "link").symlink_to(crash)
        (tmp_path / "conf").write_text(f"target = {top}/link\n")  # the way that counts is the one without links
        assert line()["value"] == "private" and f"{crash.parent} (mode 0700)" in line()["fact"]
        os.chmod(crash.parent, 0o755)
        assert line()["value"] == "readable"
    (tmp_path / "conf").write_text("target = ssh://far/dir\n")
    assert line()["value"] == "elsewhere"
    (tmp_path / "conf").write_text("nonsense\n")
    assert line()["value"] == "unknown" and line()["open"] is None
