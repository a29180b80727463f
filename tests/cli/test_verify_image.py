# SPDX-License-Identifier: GPL-2.0-or-later
"""verify-image: images signed here by keys made here, against files of keys and recorded machines."""
import hashlib
import json
import random
import shutil
import struct
import subprocess
import uuid
from pathlib import Path

import jsonschema
import pytest

from hosts import drop, put, sub
from machines import KEYRINGS, listed
from signed import with_certificates

HERE = Path(__file__).resolve().parent
LISTS = {"x509": "a5c059a1-94e4-4aa7-87b5-ab155c2bf072", "sha256": "c1c41626-504c-4092-aca9-41f936934328",
         "x509-sha256": "3bd2a492-96c0-4079-b420-fcf98ef103ed"}
OPENSSL_CONF = """[req]
distinguished_name = dn
[dn]
[ca]
basicConstraints = critical,CA:TRUE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
[leaf]
basicConstraints = CA:FALSE
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
"""


def pe_file():
    """The least that sbsign signs: headers of 512 bytes, one section (PE32+, Microsoft's specification)."""
    coff = struct.pack("<4sHHIIIHH", b"PE", 0x8664, 1, 0, 0, 0, 240, 0x2022)
    fields = {0: (0x20b, "H"), 24: (1 << 20, "Q"), 32: (0x1000, "I"), 36: (0x200, "I"), 56: (0x3000, "I"), 60: (0x200, "I"), 68: (10, "H"), 108: (16, "I")}
    optional = bytearray(240)
    for at, (value, form) in fields.items():
        struct.pack_into("<" + form, optional, at, value)
    section = struct.pack("<8sIIIIIIHHI", b".text", 4096, 0x1000, 4096, 0x200, 0, 0, 0, 0, 0x60000020)
    head = b"MZ".ljust(0x3c, b"\0") + struct.pack("<I", 0x40) + coff + bytes(optional) + section
    return head.ljust(0x200, b"\0") + random.Random(1).randbytes(4096)


def run(*words, **more):
    return subprocess.run([str(w) for w in words], check=True, capture_output=True, timeout=60, **more).stdout


class Keys:
    """NAME.pem, NAME.key, NAME.der: two authorities, and a signer that the first one issued."""

    def __init__(self, folder):
        self.folder = folder
        self.unsigned = folder / "unsigned"
        self.unsigned.write_bytes(pe_file())
        (folder / "conf").write_text(OPENSSL_CONF)
        for name, subject in (("ca", "/O=Test/CN=Test CA"), ("other", "/CN=Other CA")):
            run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "3650", "-config", folder / "conf", "-extensions", "ca",
                "-subj", subject, "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem")
        self.issue("leaf", "ca")
        for name in ("ca", "other"):
            self.to_der(name)
        self.signed = {"ca": self.sign(self.unsigned, "ca"), "leaf": self.sign(self.unsigned, "leaf")}

    def issue(self, name, ca, key="rsa:2048", more=""):
        """A certificate for "Test Signer", number 4711."""
        conf = self.folder / f"{name}.conf"
        conf.write_text(OPENSSL_CONF + more)
        request = run("openssl", "req", "-newkey", key, "-nodes", "-sha256", "-config", conf, "-subj", "/CN=Test Signer", "-keyout", self.folder / f"{name}.key",
                      *(["-pkeyopt", "ec_paramgen_curve:P-256"] if key == "ec" else []))
        run("openssl", "x509", "-req", "-sha384", "-days", "3650", "-CA", self.pem(ca), "-CAkey", self.folder / f"{ca}.key", "-set_serial", "4711",
            "-extfile", conf, "-extensions", "leaf", "-out", self.pem(name), input=request)
        self.to_der(name)

    def to_der(self, name):
        run("openssl", "x509", "-in", self.pem(name), "-outform", "DER", "-out", self.folder / f"{name}.der")

    def carrying(self, image, *names):
        """The signed image with the certificates called so in place of those in it."""
        out = self.folder / f"{image.name}-with-{'-'.join(names) or 'none'}"
        out.write_bytes(with_certificates(image.read_bytes(), [self.der(name) for name in names]))
        return out

    def pem(self, name):
        return self.folder / f"{name}.pem"

    def der(self, name):
        return (self.folder / f"{name}.der").read_bytes()

    def sign(self, image, name, out=None):
        out = out or self.folder / f"signed-{name}"
        run("sbsign", "--key", self.folder / f"{name}.key", "--cert", self.pem(name), "--output", out, image)
        return out

    def tbs(self, name, algorithm="sha256"):
        """The hash of the signed part of a certificate: its first inner sequence."""
        out = self.folder / f"{name}.tbs"
        run("openssl", "asn1parse", "-inform", "DER", "-in", self.folder / f"{name}.der", "-strparse", "4", "-noout", "-out", out)
        return hashlib.new(algorithm, out.read_bytes()).hexdigest()

    def key_id(self, name):
        text = run("openssl", "x509", "-in", self.pem(name), "-noout", "-ext", "subjectKeyIdentifier").decode()
        return text.split("\n")[1].strip().replace(":", "").lower()


def efi_list(kind, *entries):
    """An EFI signature list (UEFI 2.10, 32.4.1)."""
    body = b"".join(bytes(16) + e for e in entries)
    return uuid.UUID(LISTS[kind]).bytes_le + struct.pack("<III", 28 + len(body), 0, 16 + len(entries[0])) + body


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    if not shutil.which("sbsign"):
        pytest.skip("sbsigntool is not installed")
    return Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def ask(understudy):
    def ask(image, *more, host=None):
        r = understudy("verify-image", "--json", image, *more, *(["--host", host] if host else []))
        jsonschema.validate(r.json, json.loads((HERE / "schema/verify-image.json").read_text()))
        assert r.status == r.json["exit"]
        words = understudy("verify-image", "-v", image, *more, *(["--host", host] if host else []))
        assert words.status == r.status and words.out
        if r.json["errno_name"]:
            assert r.json["errno_name"] in words.text and r.json["why"] in words.text
        return r.json
    return ask


def test_who_signed_it_and_how(ask, keys):
    d = ask(keys.signed["leaf"], "--keyring", keys.pem("ca"))
    assert d["verified"] and d["exit"] == 0 and d["kexec_file_load"] is None
    (signature,) = d["signatures"]
    assert signature["digest_name"] == "sha256" and signature["digest_ok"]
    (signer,) = signature["signers"]
    assert signer["verifies"] and signer["hash"] == "sha256" and signer["in_validity"]
    cert = signature["certificates"][signer["certificate"]]
    assert cert["subject"] == "CN=Test Signer" and cert["issuer"] == "O=Test, CN=Test CA" and cert["serial"] == "1267"
    assert cert["key"] == "RSA 2048" and cert["hash"] == "SHA384" and cert["tbs"] == keys.tbs("leaf", "sha384")
    assert cert["key_id"] == keys.key_id("leaf") and cert["authority_key_id"] == keys.key_id("ca")
    assert d["key"]["description"] == "O=Test, CN=Test CA"


@pytest.mark.parametrize("image, key, errno", (
    ("leaf", "ca", None), ("leaf", "leaf", None), ("ca", "ca", None), ("leaf", "other", "ENOKEY"), ("ca", "leaf", "ENOKEY"), ("ca", "other", "ENOKEY")))
def test_which_key_vouches(ask, keys, image, key, errno):
    d = ask(keys.signed[image], "--keyring", keys.pem(key))
    assert (d["errno_name"], d["exit"]) == (errno, 1 if errno else 0)


def test_a_signature_without_its_certificate(ask, keys, tmp_path):
    """The kernel finds the signer by issuer and serial number among its keys; then it must have made the signature."""
    bare = keys.carrying(keys.signed["leaf"])
    d = ask(bare, "--keyring", keys.pem("leaf"))
    assert d["verified"] and d["signatures"][0]["certificates"] == [] and d["key"]["description"] == "CN=Test Signer"
    d = ask(bare, "--keyring", keys.pem("ca"))  # whoever issued it is of no use then
    assert d["errno_name"] == "ENOKEY" and d["exit"] == 1 and not d["unsure"]
    d = ask(bare, "--keyring", keys.pem("leaf"), "--revoked", keys.pem("leaf"))
    assert d["errno_name"] == "EKEYREJECTED" and d["revoked"]
    changed = bytearray(bare.read_bytes())
    changed[0x300] ^= 1
    (tmp_path / "changed").write_bytes(changed)
    assert ask(tmp_path / "changed", "--keyring", keys.pem("leaf"))["errno_name"] == "EKEYREJECTED"
    keys.issue("namesake", "ca")  # the same issuer and number, another key
    assert ask(bare, "--keyring", keys.pem("namesake"))["errno_name"] == "EKEYREJECTED"


def test_a_namesake_is_not_the_key(ask, keys):
    """Certificates that anyone can make: what a key is called does not make it that key."""
    for name, more in (("other-id", ""), ("same-id", f"\n[leaf]\nsubjectKeyIdentifier = {keys.key_id('leaf')}\n")):
        shutil.copy(keys.folder / "ca.pem", keys.folder / "false.pem")
        run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-sha256", "-days", "3650", "-config", keys.folder / "conf", "-extensions", "ca",
            "-subj", "/O=Test/CN=Test CA", "-keyout", keys.folder / "false.key", "-out", keys.folder / "false.pem")
        keys.issue(name, "false", more=more)
        d = ask(keys.sign(keys.unsigned, name), "--keyring", keys.pem("leaf"))
        assert d["errno_name"] == "EKEYREJECTED" and not d["verified"], name
    # issued by a key of another kind, by the name and the id of the authority
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256", "-days", "3650", "-config", keys.folder / "conf",
        "-extensions", "ca", "-subj", "/O=Test/CN=Test CA", "-addext", f"subjectKeyIdentifier={keys.key_id('ca')}",
        "-keyout", keys.folder / "false.key", "-out", keys.folder / "false.pem")
    keys.issue("by-ec", "false")
    image = keys.sign(keys.unsigned, "by-ec")
    for image in (image, keys.carrying(image, "by-ec", "ca")):
        assert ask(image, "--keyring", keys.pem("ca"))["errno_name"] == "EKEYREJECTED", image


def test_keys_come_in_many_files(ask, keys, tmp_path):
    image, cert = keys.signed["leaf"], keys.der("ca")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "README").write_text("no certificate")
    (folder / "ca.crt").write_bytes(cert)
    forms = {"der": cert, "esl": efi_list("x509", cert), "variable": struct.pack("<I", 0x27) + efi_list("sha256", bytes(32)) + efi_list("x509", cert),
             "two.pem": keys.pem("other").read_bytes() + keys.pem("ca").read_bytes()}
    for name, data in forms.items():
        (tmp_path / name).write_bytes(data)
        assert ask(image, "--keyring", tmp_path / name)["verified"], name
    assert ask(image, "--keyring", folder)["verified"]
    assert ask(image, "--keyring", keys.pem("other"), "--keyring", keys.pem("ca"))["verified"]
    assert ask(keys.signed["ca"], "--keyring", tmp_path / "variable")["verified"]


@pytest.mark.parametrize("data", (b"", b"\x30", b"not a key\n", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                                  efi_list("x509", bytes(40))[:40]))
def test_a_file_that_holds_no_key_is_an_error(understudy, keys, tmp_path, data):
    (tmp_path / "bad").write_bytes(data)
    r = understudy("verify-image", keys.signed["ca"], "--keyring", tmp_path / "bad")
    assert r.status == 3 and "bad" in r.err, r.text
    r = understudy("verify-image", keys.signed["ca"], "--keyring", tmp_path / "absent")
    assert r.status == 3 and "absent" in r.err


def test_a_changed_file(ask, keys, tmp_path):
    data = bytearray(keys.signed["ca"].read_bytes())
    data[0x300] ^= 1
    (tmp_path / "changed").write_bytes(data)
    d = ask(tmp_path / "changed", "--keyring", keys.pem("ca"))
    assert d["errno_name"] == "EKEYREJECTED" and "digest" in d["why"] and d["exit"] == 1 and not d["revoked"]
    assert ask(tmp_path / "changed", "--keyring", keys.pem("other"))["errno_name"] == "ENOKEY"  # the signer is looked at first


def test_no_signature_and_no_pe_file(ask, keys, image):
    assert ask(keys.unsigned, "--keyring", keys.pem("ca"))["errno_name"] == "ENODATA"
    assert ask(image(), "--keyring", keys.pem("ca"))["errno_name"] == "ELIBBAD"


def test_only_the_first_of_two_signatures_counts(ask, keys, tmp_path):
    both = keys.sign(keys.signed["leaf"], "other", tmp_path / "both")
    d = ask(both, "--keyring", keys.pem("ca"))
    assert d["verified"] and len(d["signatures"]) == 2
    assert [s["certificates"][0]["subject"] for s in d["signatures"]] == ["CN=Test Signer", "CN=Other CA"]
    assert all(s["digest_ok"] for s in d["signatures"])
    assert ask(both, "--keyring", keys.pem("other"))["errno_name"] == "ENOKEY"


def test_revoked_certificates(ask, keys, tmp_path):
    trusted = ("--keyring", keys.pem("ca"))
    for name in ("leaf", "ca"):
        d = ask(keys.signed["leaf"], *trusted, "--revoked", keys.pem(name))
        assert d["errno_name"] == "EKEYREJECTED" and d["revoked"] and d["exit"] == 1
    assert ask(keys.signed["leaf"], *trusted, "--revoked", keys.pem("other"))["verified"]
    dbx = tmp_path / "dbx-d719b2cb-3d3a-4596-a3bc-dad00e67656f"
    dbx.write_bytes(struct.pack("<I", 0x27) + efi_list("x509", keys.der("ca")))
    assert ask(keys.signed["leaf"], *trusted, "--keyring", dbx)["revoked"]  # the name says what is in it


def test_revoked_hashes(ask, keys, tmp_path):
    trusted = ("--keyring", keys.pem("ca"), "--revoked", tmp_path / "dbx")
    (tmp_path / "dbx").write_bytes(efi_list("x509-sha256", bytes.fromhex(keys.tbs("ca")) + bytes(16)))
    d = ask(keys.signed["ca"], *trusted)
    assert d["revoked"] and d["key"]["hash"] == keys.tbs("ca")
    digest = d["signatures"][0]["digest"]
    (tmp_path / "dbx").write_bytes(efi_list("sha256", bytes(32), bytes.fromhex(digest)))
    d = ask(keys.signed["ca"], *trusted)  # firmware would refuse it; kexec does not look at that
    assert d["verified"] and d["file_revoked"]["hash"] == digest and not d["revoked"]


# ---- recorded machines ----------------------------------------------------------------------------------

def key_line(serial, name, key_id):
    return f"{serial:08x} I------     1 perm 1f010000     0     0 asymmetri {name}: {key_id}: X509.rsa {key_id[-8:]} []\n"


def ring_line(serial, name):
    return f"{serial:08x} I------     1 perm 1f0b0000     0     0 keyring   {name}: 1\n"


def keyrings(keys, ring, more=""):
    """Changes of a machine: the test's authority is in that keyring."""
    return (put("proc/keys", ring_line(1, ring) + ring_line(2, ".secondary_trusted_keys") + ring_line(3, ".machine") +
                key_line(0x10, "Test CA", keys.key_id("ca")) + more),
            put("understudy/keyrings", f"00000001: 00000010\n00000002: {'00000001' if ring != '.machine' else '00000003'}\n00000003:\n"))


@pytest.mark.parametrize("ring, errno", ((".builtin_trusted_keys", None), (".platform", None), (".ima", "ENOKEY"), (".blacklist", "EKEYREJECTED")))
def test_the_keyring_decides(ask, keys, host, ring, errno):
    d = ask(keys.signed["leaf"], host=host("vm-secureboot", *keyrings(keys, ring)))
    assert d["errno_name"] == errno and d["kexec_file_load"]["taken"] is (errno is None)
    assert d["kexec_file_load"]["errno_name"] == errno and d["kexec_file_load"]["keyrings_known"]


def test_a_hash_in_the_blacklist(ask, keys, host):
    for algorithm, name in (("sha384", "leaf"), ("sha256", "ca")):
        line = f"00000020 I------     1 perm 1f010000     0     0 blacklist tbs:{keys.tbs(name, algorithm)}\n"
        d = ask(keys.signed[name], host=host("vm-secureboot", *keyrings(keys, ".builtin_trusted_keys", line)))
        assert d["errno_name"] == "EKEYREJECTED" and d["revoked"] and d["key"]["from"] == ".blacklist"


@pytest.mark.parametrize("release, algorithm, revoked", (("6.12.117", "sha384", True), ("6.12.117", "sha256", False), ("6.19.3", "sha256", False),
                                                         ("7.0.0", "sha256", True), ("7.3.4", "sha256", True), ("7.3.4", "sha384", False)))
def test_which_hash_of_a_certificate_counts(ask, keys, host, release, algorithm, revoked):
    """The one by which it is signed; from 7.0 on SHA-256 in any case."""
    line = f"00000020 I------     1 perm 1f010000     0     0 blacklist tbs:{keys.tbs('leaf', algorithm)}\n"
    d = ask(keys.signed["leaf"], host=host("vm-secureboot", *keyrings(keys, ".builtin_trusted_keys", line), put("proc/sys/kernel/osrelease", f"{release}\n")))
    assert d["revoked"] is revoked


def test_who_insists(ask, keys, host):
    """Secure Boot: the verifier's errno; lockdown alone: EPERM; nobody: it is taken all the same."""
    d = ask(keys.unsigned, host=host("vm-secureboot"))
    assert d["exit"] == 1 and d["kexec_file_load"] | {"why": 0, "from": 0, "keyrings_missing": 0} == {
        "taken": False, "errno": 61, "errno_name": "ENODATA", "why": 0, "from": 0, "verified": False, "key": None, "keyrings_known": False,
        "keyrings_missing": 0}
    d = ask(keys.unsigned, host=host("vm-la57"))
    assert d["exit"] == 1 and d["kexec_file_load"]["taken"] and d["errno_name"] == "ENODATA"
    locked = put("sys/kernel/security/lockdown", "none [integrity] confidentiality\n")
    d = ask(keys.unsigned, host=host("vm-la57", locked))
    assert d["kexec_file_load"]["taken"] is False and d["kexec_file_load"]["errno_name"] == "EPERM"


def test_the_machine_answers_with_its_own_keys(ask, keys, host):
    """Beside keys of files, which are a question of their own."""
    machine, both = host("vm-secureboot", listed()), ("--keyring", "running", "--keyring", keys.pem("ca"))
    d = ask(keys.signed["leaf"], *both, host=machine)
    assert d["verified"] and d["key"]["from"] == str(keys.pem("ca"))
    answer = d["kexec_file_load"]
    assert answer["taken"] is False and answer["errno_name"] == "ENOKEY" and answer["verified"] is False and answer["key"] is None
    assert d["exit"] == 1  # both were asked
    assert {"Debian Secure Boot CA: 6ccece7e4c6c0d1f6149f3dd27dfcc5cbb419ea1", "O=Test, CN=Test CA"} <= {key["description"] for key in d["keys"]}
    own = host("vm-secureboot", *keyrings(keys, ".platform"))
    d = ask(keys.signed["leaf"], "--keyring", "running", "--keyring", keys.pem("other"), host=own)
    assert not d["verified"] and d["kexec_file_load"]["taken"] and d["kexec_file_load"]["key"]["from"] == ".platform" and d["exit"] == 1
    assert ask(keys.signed["leaf"], *both, host=own)["exit"] == 0
    # keys that are to be revoked: the machine does not know of them
    d = ask(keys.signed["leaf"], "--revoked", keys.pem("ca"), host=own)
    assert d["revoked"] and d["exit"] == 1 and d["kexec_file_load"]["taken"]


def test_a_keyring_that_could_not_be_listed(ask, keys, host, debian):
    """Where it may hold the key that decides, the answer is not known; and which one it is, is said."""
    for name, known in ((".ima", True), (".machine", False), (".platform", False), (".secondary_trusted_keys", False), (".builtin_trusted_keys", False)):
        d = ask(keys.signed["leaf"], host=host("vm-secureboot", listed(name)))
        answer = d["kexec_file_load"]
        assert d["exit"] == (1 if known else 3) and (d["verified"], answer["taken"]) == ((False, False) if known else (None, None)), name
        if not known:
            assert f"{name} could not be listed" in answer["keyrings_missing"] and d["unsure"]
    assert ask(keys.unsigned, host=host("vm-secureboot", listed(*KEYRINGS)))["kexec_file_load"]["errno_name"] == "ENODATA"  # no key would help


def test_a_key_of_which_the_keyring_is_not_known(ask, keys, host):
    """A key that is seen, but not where: it may lie in the keyring that could not be listed."""
    rings = ring_line(1, ".platform") + ring_line(2, ".secondary_trusted_keys") + ring_line(3, ".blacklist")
    seen = put("proc/keys", rings + key_line(0x10, "Test CA", keys.key_id("ca")))
    for lines, verified in (("1: 10\n2:\n3:\n", True), ("2:\n3:\n", None), ("1: 10\n2:\n", None), ("1:\n2:\n3:\n", False)):
        d = ask(keys.signed["leaf"], host=host("vm-secureboot", seen, put("understudy/keyrings", lines)))
        assert d["verified"] is verified and d["kexec_file_load"]["taken"] is verified, lines
        assert d["exit"] == {True: 0, False: 1, None: 3}[verified]


def test_the_kernels_keys_show_no_serial_numbers(ask, keys, host):
    """So whether one of them made a signature that does not carry its certificate is not known."""
    bare = keys.carrying(keys.signed["ca"])
    d = ask(bare, host=host("vm-secureboot", *keyrings(keys, ".platform")))
    assert d["exit"] == 3 and d["verified"] is None and d["kexec_file_load"]["taken"] is None and "certificate" in d["unsure"]
    none = (put("proc/keys", ring_line(1, ".builtin_trusted_keys")), put("understudy/keyrings", "1:\n"))
    d = ask(bare, host=host("vm-secureboot", *none))
    assert d["exit"] == 1 and d["kexec_file_load"]["errno_name"] == "ENOKEY"  # there is no key at all


def test_keys_that_cannot_be_read_are_not_missing(ask, keys, host):
    d = ask(keys.signed["leaf"], host=host("vm-secureboot", drop("proc/keys")))
    assert d["exit"] == 3 and d["kexec_file_load"]["taken"] is None
    d = ask(keys.unsigned, host=host("vm-secureboot", drop("proc/keys")))
    assert d["exit"] == 1 and d["kexec_file_load"]["errno_name"] == "ENODATA"


def test_debians_kernel_on_the_machine_it_booted(ask, host, debian):
    d = ask(debian("6.12"), host=host("vm-secureboot", listed()))
    assert d["verified"] and d["kexec_file_load"]["taken"] and "Debian Secure Boot CA" in d["key"]["description"]


def test_what_cannot_go_together(understudy, keys, host):
    r = understudy("verify-image", keys.unsigned, "--keyring", keys.pem("ca"), "--host", host("vm-la57"))
    assert r.status == 2 and "--host" in r.err


def test_damaged_images_have_a_named_end(understudy, keys):
    """200 images with bytes changed where headers and signature are."""
    whole = keys.signed["leaf"].read_bytes()
    seed = random.randrange(1 << 32)
    rng, path, ends = random.Random(seed), keys.folder / "damaged", {}
    spots = [*range(0x400), *range(len(whole) - 2048, len(whole))]
    for i in range(200):
        data = bytearray(whole)
        for at in rng.sample(spots, rng.choice((1, 1, 1, 4, 16))):
            data[at] = rng.randrange(256)
        if i % 20 == 0:
            data = data[:rng.randrange(len(data))]
        path.write_bytes(data)
        r = understudy("verify-image", "--json", path, "--keyring", keys.pem("ca"))
        assert r.status in (0, 1), (seed, i, r.text)
        assert r.status == 0 or r.json["errno_name"] in ("ENODATA", "ENOKEY", "EKEYREJECTED", "ELIBBAD", "ENOPKG", "EBADMSG", "EMSGSIZE", "ENOTSUPP"), \
            (seed, i, r.text)
        ends[r.json["errno_name"]] = ends.get(r.json["errno_name"], 0) + 1
    assert len(ends) > 3, (seed, ends)
