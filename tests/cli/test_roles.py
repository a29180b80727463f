# SPDX-License-Identifier: GPL-2.0-or-later
"""config roles: by the .config, by what an image proves, by the running kernel; and what is missing, as a fragment."""
import gzip
import json
import re
import shutil
from pathlib import Path

import hosts
import jsonschema
import pytest

TOP = Path(__file__).resolve().parents[2]
SCHEMAS = Path(__file__).parent / "schema"
ROLES = ("source", "target", "panic", "capture")
KERNELS = ("6.1", "6.1-cloud", "6.12", "6.12-cloud", "6.12-rt", "newest", "tiny", "tiny-fileonly", "tiny-loadonly", "debug-6.1")
YES, FILE, NO, UNKNOWN = "yes", "with kexec_file_load only", "no", "not known"


def valid(document):
    name = document["schema"].split(".")[1].split("/")[0]
    jsonschema.validate(document, json.loads((SCHEMAS / f"{name}.json").read_text()))
    return document


class Roles:
    """One answer: verdicts by role, and each option by role and id."""

    def __init__(self, document):
        self.document = document
        self.verdicts = {r["role"]: r["verdict"] for r in document["roles"]}
        self.options = {(r["role"], o["id"]): o for r in document["roles"] for o in r["options"]}
        self.roles = {r["role"]: r for r in document["roles"]}

    @property
    def four(self):
        return tuple(self.verdicts[role] for role in ROLES)

    def deciding(self, role):
        return {o["id"] for o in self.roles[role]["options"] if o["decides"]}


@pytest.fixture
def roles(understudy):
    """roles(words...): the answer; text and JSON end with the same status."""
    def ask(*words, **settings):
        r = understudy("config", "roles", "--json", *words, **settings)
        assert r.out, r.err
        document = valid(r.json)
        assert document["exit"] == r.status
        text = understudy("config", "roles", *words, **settings)
        assert text.status == r.status
        for role in document["roles"]:
            assert re.search(rf"\({role['role']}\): {re.escape(role['verdict'])}", text.out), text.out
        return Roles(document)
    return ask


@pytest.fixture
def config_of():
    def find(name):
        path = TOP / "build/kernels" / name / "config"
        if not path.exists():
            pytest.skip(f"kernel {name} is not under build/kernels (make setup fetches it)")
        return path.read_text()
    return find


@pytest.fixture
def write(tmp_path):
    def put(text, name="a.config"):
        (tmp_path / name).write_text(text)
        return tmp_path / name
    return put


def off(text, *symbols):
    """Without these options, as the kernel writes it."""
    for symbol in symbols:
        text, n = re.subn(rf"^CONFIG_{symbol}=.*$", f"# CONFIG_{symbol} is not set", text, flags=re.M)
        assert n == 1, symbol
    return text


def on(text, *lines):
    for line in lines:
        symbol = line.split("=")[0]
        text = re.sub(rf"^(CONFIG_{symbol}=.*|# CONFIG_{symbol} is not set)\n", "", text, flags=re.M) + f"CONFIG_{line}\n"
    return text


@pytest.mark.parametrize("name", ("6.1", "6.12", "newest"))
def test_debian_configurations_have_every_role(roles, config_of, write, name):
    answer = roles(write(config_of(name)))
    assert answer.four == (YES,) * 4
    assert answer.document["arch"] == "x86_64" and answer.document["crash_code_apart"] is (name != "6.1")
    assert not [o["id"] for o in answer.options.values() if o["weight"] == "need" and o["holds"] is not True]
    assert {"capture.crash-dump", "capture.proc-vmcore"} <= answer.deciding("capture")
    assert ("panic.crash-dump" in answer.deciding("panic")) is (name != "6.1")


@pytest.mark.parametrize("name", ("6.1", "6.12", "newest"))
def test_debian_images_prove_it_without_a_configuration(roles, debian, tmp_path, name):
    shutil.copy(debian(name), tmp_path / "vmlinuz")
    answer = roles("--role", ",".join(ROLES), tmp_path / "vmlinuz")
    assert answer.document["config_from"] is None and answer.document["kind"] == "image"
    assert answer.four == (YES,) * 4
    for role, option in (("source", "source.kexec-load"), ("source", "source.kexec-file-load"), ("capture", "capture.crash-dump"),
                         ("capture", "capture.proc-vmcore"), ("target", "target.initrd")):
        assert 'string "' in answer.options[role, option]["found"]
    # what no string proves is not known, and said so
    assert answer.options["source", "source.verifier-x86"]["holds"] is None
    assert answer.options["source", "source.forced-without-verifier"]["found"] == "not known"


@pytest.mark.parametrize("name", KERNELS)
def test_image_and_configuration_agree(roles, debian, config_of, write, tmp_path, name):
    """No option is told otherwise by the image than by its .config, and no verdict either."""
    shutil.copy(debian(name), tmp_path / "vmlinuz")
    image, config = roles(tmp_path / "vmlinuz"), roles(write(config_of(name)))
    assert image.four == config.four
    for key, option in image.options.items():
        if option["holds"] is not None and key in config.options:
            assert option["holds"] == config.options[key]["holds"], (key, option["found"])


def test_a_configuration_beside_the_image_is_taken(roles, debian):
    answer = roles(debian("6.12"))
    assert re.search(r"/config-6\.12\.\d+", answer.document["config_from"])
    assert answer.options["source", "source.verifier-x86"]["holds"] is True


def test_a_kernel_with_kexec_file_load_only(roles, debian, config_of, write):
    for what in (debian("tiny-fileonly"), write(config_of("tiny-fileonly")), write(off(config_of("6.12"), "KEXEC"))):
        answer = roles(what)
        assert answer.four == (FILE, YES, FILE, YES)
        assert "source.kexec-load" in answer.deciding("source")
        assert answer.roles["panic"]["by_kexec_load"] is False and answer.roles["panic"]["by_kexec_file_load"] is True


def test_a_kernel_with_kexec_load_only(understudy, roles, debian):
    answer = roles(debian("tiny-loadonly"))
    assert answer.four == (YES,) * 4 and answer.roles["source"]["by_kexec_file_load"] is False
    assert "with kexec_load only" in understudy("config", "roles", debian("tiny-loadonly")).out


def test_a_configuration_without_proc_vmcore(understudy, roles, config_of, write):
    path = write(off(config_of("6.12"), "PROC_VMCORE"))
    answer = roles(path)
    assert answer.four == (YES, YES, YES, NO) and answer.deciding("capture") == {"capture.proc-vmcore"}
    assert "/proc/vmcore" in answer.options["capture", "capture.proc-vmcore"]["costs"]
    assert understudy("config", "roles", "--role", "capture", path).status == 1
    assert understudy("config", "roles", "--role", "panic,source", path).status == 0
    assert understudy("config", "roles", path).status == 0  # nothing was asked for


def test_kasan_costs_memory_and_no_role(roles, config_of, write):
    answer = roles(write(on(config_of("debug-6.1"), "KASAN=y")))
    assert answer.four == (YES,) * 4
    option = answer.options["capture", "capture.kasan"]
    assert option["holds"] is False and option["weight"] == "wish" and "eighth of the memory" in option["costs"]


# symbols off, lines on; what becomes of the roles is in the table of src/check/test-roles.c
CHANGES = (
    (("KEXEC",), ()), (("KEXEC_FILE",), ()), (("KEXEC", "KEXEC_FILE"), ()), (("KEXEC_CORE",), ()), (("CRASH_DUMP",), ()), (("PROC_VMCORE",), ()),
    (("RELOCATABLE",), ()), (("RELOCATABLE",), ("PHYSICAL_START=0x4000000",)), (("BLK_DEV_INITRD",), ()), (("KEXEC_SIG",), ()),
    (("KEXEC_BZIMAGE_VERIFY_SIG",), ()), (("KEXEC_BZIMAGE_VERIFY_SIG", "KEXEC"), ("KEXEC_SIG_FORCE=y",)), (("KEXEC",), ("KEXEC_SIG_FORCE=y",)),
    ((), ("LOCK_DOWN_KERNEL_FORCE_INTEGRITY=y",)), (("EFI",), ()), (("X86_5LEVEL",), ()), (("MAGIC_SYSRQ",), ()))


@pytest.mark.parametrize("name, symbol, four", (
    ("6.1", "CRASH_DUMP", (YES, YES, YES, NO)), ("6.12", "CRASH_DUMP", (YES, YES, NO, NO)), ("6.1", "CRASH_CORE", (YES, YES, NO, YES)),
    ("6.12", "CRASH_RESERVE", (YES, YES, NO, YES)), ("6.12", "VMCORE_INFO", (YES, YES, NO, YES))))
def test_what_changed_its_meaning_in_6_9(roles, config_of, write, name, symbol, four):
    assert roles(write(off(config_of(name), symbol))).four == four


@pytest.mark.parametrize("symbols, lines", CHANGES, ids=lambda w: "+".join(w) or "-")
def test_a_fragment_gives_what_was_missing(understudy, config_of, write, symbols, lines):
    text = on(off(config_of("6.12"), *symbols), *lines)
    had = understudy("config", "roles", "--role", ",".join(ROLES), write(text)).status == 0
    r = understudy("config", "roles", "--fragment", "--json", write(text))
    fragment = valid(r.json)
    assert r.status == 0 and fragment["reachable"] and fragment["tree"] is None
    if set(symbols) == {"KEXEC_CORE"}:  # has no prompt: its parents are there
        return
    assert (not fragment["lines"]) is had
    whole = write(text + "\n".join(fragment["lines"]) + "\n", "b.config")
    assert understudy("config", "roles", "--role", ",".join(ROLES), whole).status == 0
    assert not understudy("config", "roles", "--fragment", "--json", whole).json["lines"]
    # none of its lines is idle
    for left_out in fragment["lines"]:
        less = write(text + "\n".join(x for x in fragment["lines"] if x != left_out) + "\n", "c.config")
        r = understudy("config", "roles", "--fragment", "--json", less)
        assert left_out in r.json["lines"]


def test_a_fragment_as_text_is_a_fragment(understudy, config_of, write):
    r = understudy("config", "roles", "--fragment", "--role", "capture,panic", write(off(config_of("6.12"), "CRASH_DUMP", "PROC_VMCORE")))
    lines = r.out.splitlines()
    assert r.status == 0 and [line for line in lines if not line.startswith("# ")] == ["CONFIG_CRASH_DUMP=y", "CONFIG_PROC_VMCORE=y"]
    assert "panic, capture: Linux 6.12." in lines[0] and "no tree was asked" in lines[1]


def headed(arch, version, *lines):
    return f"# Linux/{arch} {version} Kernel Configuration\n" + "".join(f"CONFIG_{line}\n" for line in lines)


X86_CALLS = ("X86_64=y", "KEXEC_FILE=y", "KEXEC_CORE=y", "CRASH_CORE=y", "CRASH_DUMP=y", "PROC_VMCORE=y", "RELOCATABLE=y", "BLK_DEV_INITRD=y")


def test_the_coupling_of_6_6_is_told_where_it_holds(understudy, roles, write):
    before = roles(write(headed("x86", "6.6.3", *X86_CALLS)))
    after = roles(write(headed("x86", "6.6.8", *X86_CALLS)))
    assert "CRASH_DUMP selects KEXEC" in before.options["panic", "kconfig.crash-dump-sets-kexec"]["costs"]
    assert ("panic", "kconfig.crash-dump-sets-kexec") not in after.options
    assert after.four == (FILE, YES, FILE, YES)
    assert "6.6.7 on" in " ".join(understudy("config", "roles", write(headed("x86", "6.6.3", *X86_CALLS))).out.split())


def test_a_kernel_that_can_only_capture(roles, write):
    """Neither system call, as Ubuntu's kernels for the Raspberry Pi are: capture yes, panic no."""
    answer = roles(write(headed("arm", "5.15.61", "ARM=y", "CRASH_DUMP=y", "PROC_VMCORE=y", "BLK_DEV_INITRD=y", "RD_GZIP=y")))
    assert answer.four == (NO, YES, NO, YES)
    assert ("capture", "capture.would-be-dropped") not in answer.options
    carried = roles(write(headed("arm", "6.12.1", "ARM=y", "CRASH_DUMP=y", "PROC_VMCORE=y", "BLK_DEV_INITRD=y", "RD_GZIP=y")))
    assert "drops CRASH_DUMP and PROC_VMCORE" in carried.options["capture", "capture.would-be-dropped"]["costs"]


def test_kexec_without_crash_dump_holds_no_capture_kernel(roles, write):
    """6.18 for riscv with KEXEC_CORE and without CRASH_DUMP, as AOSC ships it."""
    answer = roles(write(headed("riscv", "6.18.2", "RISCV=y", "64BIT=y", "KEXEC=y", "KEXEC_FILE=y", "KEXEC_CORE=y", "VMCORE_INFO=y",
                                "BLK_DEV_INITRD=y")))
    assert answer.document["arch"] == "riscv64" and answer.four == (YES, YES, NO, NO)
    assert "panic.crash-dump" in answer.deciding("panic") and "source.kexec-load" not in answer.deciding("panic")
    assert "not refused" in answer.options["panic", "panic.crash-dump"]["costs"]


def test_signatures_without_a_verifier(roles, write):
    """6.1 with KEXEC_SIG and no BZIMAGE_VERIFY_SIG, as Amazon ships it."""
    answer = roles(write(headed("x86", "6.1.90", *X86_CALLS, "KEXEC=y", "KEXEC_SIG=y")))
    assert answer.four == (YES,) * 4
    assert "can verify nothing" in answer.options["source", "source.verifier-x86"]["costs"]
    assert answer.options["source", "source.verifier-x86"]["holds"] is False
    arm64 = roles(write(headed("arm64", "5.11.0", "ARM64=y", "KEXEC_FILE=y", "KEXEC_CORE=y", "CRASH_CORE=y", "KEXEC_SIG=y")))
    assert arm64.options["source", "source.verifier-arm64"]["holds"] is False


def test_what_a_kernel_carried_back_decides_not_its_version(roles, write):
    answer = roles(write(headed("x86", "5.14.0", "X86_64=y", "KEXEC=y", "KEXEC_CORE=y", "VMCORE_INFO=y")))
    assert answer.document["crash_code_apart"] is True and answer.four[2] == NO
    older = roles(write(headed("x86", "5.14.0", "X86_64=y", "KEXEC=y", "KEXEC_CORE=y", "CRASH_CORE=y")))
    assert older.document["crash_code_apart"] is False and older.four[2] == YES


def test_a_fragment_is_no_whole_configuration(understudy, roles, write):
    path = write("CONFIG_X86_64=y\nCONFIG_KEXEC=y\n# CONFIG_PROC_VMCORE is not set\n")
    answer = roles(path)
    assert answer.four == (YES, YES, UNKNOWN, NO) and "fragment" in answer.document["doubt"]
    assert understudy("config", "roles", "--role", "panic", path).status == 3
    assert understudy("config", "roles", "--role", "panic,capture", path).status == 1


def test_a_packed_configuration(roles, config_of, tmp_path):
    (tmp_path / "config.gz").write_bytes(gzip.compress(config_of("6.12").encode()))
    assert roles(tmp_path / "config.gz").four == (YES,) * 4


def test_an_image_that_says_nothing(understudy, roles, image):
    answer = roles(image())
    assert answer.four[0] == answer.four[2] == answer.four[3] == UNKNOWN
    assert understudy("config", "roles", "--role", "capture", image("again")).status == 3


def test_the_running_kernel(understudy, roles, host):
    recorded = host("vm-la57")
    for words, settings in (((), {"host": recorded}), (("--running",), {"host": recorded}), (("--host", recorded), {})):
        answer = roles(*words, **settings)
        assert answer.document["kind"] == "running" and answer.document["release"].startswith("6.12.")
        assert answer.verdicts["source"] == answer.verdicts["panic"] == YES
        assert "/boot/config-6.12" in answer.document["config_from"]


def test_the_running_kernel_without_a_configuration(roles, host):
    answer = roles(host=host("vm-la57", hosts.drop(r"boot/config-.*")))
    assert answer.document["config_from"] is None
    assert answer.verdicts["source"] == YES and answer.verdicts["capture"] == UNKNOWN
    assert "/proc/kallsyms" in answer.options["source", "source.kexec-load"]["found"]


def test_verbose_says_where_each_rule_stands(understudy, config_of, write):
    path = write(config_of("6.12"))
    short, long = understudy("config", "roles", path).out, understudy("config", "roles", "-v", path).out
    assert "kernel/crash_reserve.c" in long and "kernel/crash_reserve.c" not in short
    assert "panic.crash-reserve" in long and max(map(len, long.splitlines())) <= 100


@pytest.mark.parametrize("words, says", (
    (["--role", "pilot", "CONFIG"], "no role"), (["--role", "", "CONFIG"], "no role"), (["--running", "CONFIG"], "two things"),
    (["--config", "CONFIG"], "needs an image"), (["CONFIG", "--config", "CONFIG"], "is none"), (["CONFIG", "CONFIG"], "unexpected"),
), ids=lambda w: " ".join(w) if isinstance(w, list) else "")
def test_words_that_make_no_sense(understudy, write, host, words, says):
    path = write(headed("x86", "6.12.1", "X86_64=y"))
    r = understudy("config", "roles", *[path if w == "CONFIG" else w for w in words], host=host())
    assert r.status == 2 and says in r.err and not r.out


def test_a_file_that_is_neither(understudy, write):
    r = understudy("config", "roles", write("nothing of the kind\n"))
    assert r.status == 3 and "neither a kernel image nor a .config" in r.err and "line 1" in r.err
    assert understudy("config", "roles", "/nowhere").status == 3
