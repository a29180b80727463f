# SPDX-License-Identifier: GPL-2.0-or-later
"""arm, disarm, size: what is built and loaded, what is refused before the call, what is noted and compared later."""
import fcntl
import json
import os
import shutil
import subprocess

import hosts
import machines
import pytest
from test_commands import valid

CONF = "etc/understudy.conf"
BOOT = f"boot/vmlinuz-{machines.RELEASE}"


@pytest.fixture(scope="session")
def program(tmp_path_factory):
    return machines.capture_program(tmp_path_factory.mktemp("capture") / "understudy-capture")


@pytest.fixture
def machine(tmp_path, debian):
    """machine(...): as machines.arm_host(), of the 6.12 kernel."""
    def make(*changes, name="machine", **how):
        return machines.arm_host(tmp_path / name, debian("6.12").parents[1], *changes, **how)
    return make


@pytest.fixture
def run(understudy, program):
    def call(*words, host, **how):
        env = {"UNDERSTUDY_CAPTURE": str(program), **how.pop("env", {})}
        return understudy(*words, host=host, env=env, **how)
    return call


def loads(r):
    """The calls that load something."""
    return [a for a in r.acts if a["call"] == "kexec_load" and a["segments"] or a["call"] == "kexec_file_load" and a["kernel"]]


def loaded(root):
    """The kernel says from now on that something is armed, which a recording cannot."""
    (root / "sys/kernel/kexec_crash_loaded").write_text("1\n")


def words_of(r):
    return {w["word"]: w["why"] for w in r.json["words"]}


def test_a_dry_run_lists_each_word_with_its_reason_and_changes_nothing(run, machine):
    root = machine()
    r = run("arm", "--dry-run", host=root)
    assert r.status == 0 and not r.acts, r.text
    for words in ("nr_cpus=1", "one is enough", "reset_devices", "panic=10", "72", "/var/crash", "ext4"):
        assert words in r.text or words == "72" or words == "ext4", r.text
    assert not (root / "var/lib").exists() and not (root / "var/crash").exists()


def test_the_json_keeps_its_schema_and_names_what_is_in_the_image(run, machine):
    d = valid(run("arm", "--dry-run", "--json", host=machine()).json)
    assert d["exit"] == 0 and d["release"] == machines.RELEASE
    assert {"/init", "/m/ext4.ko", "/m/virtio_blk.ko"} <= {f["path"] for f in d["image"]["files"]}
    assert d["cmdline"] == " ".join(w["word"] for w in d["words"])
    assert all(w["why"] for w in d["words"])


def test_words_are_built_up_from_facts(run, machine):
    root = machine(hosts.put("proc/cmdline", "BOOT_IMAGE=/vmlinuz root=/dev/vda1 quiet console=tty0 console=ttyS1,9600 hugepages=64 "
                             "intel_iommu=on crashkernel=256M nvme_core.default_ps_max_latency_us=0 init=/bin/sh -- console=no\n"),
                   config="append = mce=off panic=1\n")
    words = list(words_of(run("arm", "--dry-run", "--json", host=root)))
    assert words[:4] == ["console=tty0", "console=ttyS1,9600", "intel_iommu=on", "nvme_core.default_ps_max_latency_us=0"]
    assert words[-2:] == ["mce=off", "panic=1"]
    line = " ".join(words)
    for word in ("root=", "quiet", "BOOT_IMAGE", "hugepages", "crashkernel", "init=", "console=no"):
        assert word not in line


def test_several_cpus_of_an_old_kernel_name_the_first_one(run, machine, tmp_path, debian):
    root = machines.arm_host(tmp_path / "m", debian("6.1").parents[1], hosts.sub("proc/cpuinfo", r"^initial apicid\t: 0$", "initial apicid\t: 6"),
                             config="cpus = 2\n", base="vm-6.1", release="6.1.0-56-amd64")
    words = words_of(run("arm", "--dry-run", "--json", host=root))
    assert "nr_cpus=2" in words and "disable_cpu_apicid=6" in words


def test_arming_loads_once_and_notes_what_it_loaded(run, machine):
    root = machine()
    r = run("arm", host=root)
    assert r.status == 0 and len(loads(r)) == 1, r.text
    state = root / "var/lib/understudy"
    assert state.stat().st_mode & 0o777 == 0o700
    assert (state / "armed/initrd").stat().st_mode & 0o77 == 0
    assert f"capture={machines.RELEASE}\n" in (state / "armed/noted").read_text()
    loaded(root)
    r = run("arm", host=root)
    assert r.status == 0 and not r.acts and "Already armed" in r.text
    assert [a["call"] for a in run("arm", "--force", host=root).acts] == ["kexec_file_load"]


def test_what_a_packed_kernel_unpacks_to_is_kept_and_not_trusted_when_damaged(run, tmp_path, debian):
    old = debian("6.1").parents[1]
    root = machines.arm_host(tmp_path / "machine", old, hosts.put("proc/sys/kernel/osrelease", (old / "release").read_text()),
                             release=(old / "release").read_text().strip())
    kept = root / "var/lib/understudy/armed/unpacked"
    first = run("arm", host=root)
    assert first.status == 0, first.text
    segments, good = loads(first)[0]["segments"], kept.read_bytes()
    assert len(segments) > 5 and len(good) > 1 << 20
    for damage in (lambda d: d, lambda d: d[:1000] + b"\xff" + d[1001:], lambda d: d[:1 << 20], lambda d: b""):
        kept.write_bytes(damage(good))
        r = run("arm", "--force", host=root)
        assert r.status == 0 and [s["bufsz"] for s in loads(r)[0]["segments"]] == [s["bufsz"] for s in segments], r.text
        assert kept.read_bytes() == good


def test_a_load_that_nobody_noted_is_not_taken_for_ours(run, machine):
    root = machine(loaded=1)
    assert len(loads(run("arm", host=root))) == 1
    (root / "proc/sys/kernel/random/boot_id").write_text("99999999-2222-3333-4444-555555555555\n")  # another start
    assert len(loads(run("arm", host=root))) == 1


def test_what_was_disarmed_is_armed_again(run, machine):
    root = machine()
    run("arm", host=root)
    loaded(root)
    r = run("disarm", host=root)
    assert [a["call"] for a in r.acts] == ["kexec_file_load"] and not r.acts[0]["kernel"]
    assert len(loads(run("arm", host=root))) == 1  # the recording still says that something is loaded


def test_nothing_armed_is_nothing_to_disarm(run, machine):
    r = run("disarm", "--json", host=machine())
    assert r.status == 0 and not r.acts and valid(r.json)["outcome"] is None


def test_a_refused_reload_loads_the_last_good_set_again(run, machine):
    root = machine()
    good = loads(run("arm", host=root))
    loaded(root)
    (root / CONF).write_text("append = debug\n")
    # the recording cannot say that the kernel dropped the armed image, so only the refusal is seen here
    r = run("arm", host=root, env={"UNDERSTUDY_ACT_FAIL": "kexec_file_load:22"})
    assert r.status == 4 and "before" in r.text, r.text
    assert "debug" not in (root / "var/lib/understudy/armed/noted").read_text()
    assert loads(run("arm", host=root))[0]["cmdline"] == good[0]["cmdline"] + " debug"


def test_early_takes_the_last_set_if_nothing_has_changed(run, machine):
    root = machine()
    first = run("arm", host=root)
    r = run("arm", "--early", "--json", host=root)
    assert r.status == 0 and r.json["saved"] and r.json["image"] is None, r.text
    assert loads(r)[0]["cmdline"] == loads(first)[0]["cmdline"]
    valid(r.json)


@pytest.mark.parametrize("change", ("config", "kernel", "disk", "copy"))
def test_early_makes_anew_what_is_stale(run, machine, change):
    root = machine()
    run("arm", host=root)
    if change == "config":
        (root / CONF).write_text("level = 1\n")
    elif change == "kernel":
        with open(root / BOOT, "ab") as f:
            f.write(bytes(4096))
    elif change == "disk":
        data = bytearray((root / "dev/vda1").read_bytes())
        data[1024 + 104] ^= 255
        (root / "dev/vda1").write_bytes(data)
    else:
        (root / "var/lib/understudy/armed/initrd").write_bytes(b"")
    r = run("arm", "--early", "--json", host=root)
    assert not r.json["saved"] and r.json["image"], r.text
    assert r.json["warnings"] and r.status == 0


def test_a_missing_kernel_is_named(run, machine):
    root = machine(loaded=1)
    (root / BOOT).unlink()
    r = run("arm", host=root)
    assert r.status == 3 and f"/{BOOT}" in r.text and not r.acts
    r = run("arm", host=machine(name="other", config="kernel = /boot/none\n"))
    assert r.status == 3 and "/boot/none" in r.text and not r.acts


@pytest.mark.parametrize("damage", ("cut", "zeroed"))
def test_a_damaged_kernel_is_not_armed(run, machine, damage):
    root = machine()
    data = bytearray((root / BOOT).read_bytes())
    (root / BOOT).write_bytes(data[:1_000_000] if damage == "cut" else data[:3 << 20] + bytes(65536) + data[(3 << 20) + 65536:])
    r = run("arm", host=root)
    assert r.status in (1, 3) and not r.acts, r.text
    assert "vmlinuz" in r.text


def test_no_reservation_is_named_with_its_remedy(run, machine):
    r = run("arm", host=machine(base="vm-no-crashkernel"))
    assert r.status == 1 and "reservation.missing" in r.text and "crashkernel=" in r.text and not r.acts


def test_a_reservation_that_cannot_work_is_refused(run, machine):
    root = machine(reserve=64)
    r = run("arm", "--json", host=root)
    assert r.status == 1 and not r.acts
    assert "64 MiB" in r.json["blocks"][0] and r.json["need"]["parameter"] in r.json["blocks"][0]
    r = run("arm", "--accept-small", "--json", host=root)
    assert r.status == 0 and len(loads(r)) == 1 and "64 MiB" in r.json["warnings"][0], r.text


@pytest.mark.parametrize("mib, status", ((64, 1), (72, 0), (80, 0)))
def test_the_size_is_judged(run, machine, mib, status):
    r = run("size", "--json", host=machine(reserve=mib))
    d = valid(r.json)
    assert r.status == status == d["exit"], d["need"]
    assert d["need"]["recommended"] % (8 << 20) == 0 and d["need"]["recommended"] >= d["need"]["total"] - d["need"]["border"] + d["need"]["margin"]


def test_a_rehearsal_takes_the_place_of_the_estimate(run, machine):
    root = machine()
    run("arm", host=root)
    chosen = run("arm", "--dry-run", "--json", host=root).json["set"]
    (root / "var/lib/understudy/rehearsals").write_text(
        f"{chosen} 2026-01-02T03:04:05Z 6.12 6.12 1 {128 << 20} {58 << 20} 12 passed\n"
        f"{'0' * 64} 2026-01-02T03:04:05Z 6.12 6.12 1 {128 << 20} {1 << 20} 12 passed\nnonsense\n")
    need = run("size", "--json", host=root).json["need"]
    assert need["measured"] and need["total"] == (70 << 20) + need["border"]
    assert need["border"] == 2 << 20  # 128 MiB that do not begin at a section's border, of which they cross one
    assert "2026-01-02T03:04:05Z" in " ".join(need["why"])


def test_shrinking_unloads_shrinks_and_loads_again(run, machine):
    root = machine(reserve=256)
    run("arm", host=root)
    loaded(root)
    r = run("size", "--apply", "--json", host=root)
    assert r.status == 0 and r.json["shrunk"] and r.json["armed"], r.text
    assert [(a["call"], a.get("kernel")) for a in r.acts] == [("kexec_file_load", False), ("write_file", None), ("kexec_file_load", True)]
    assert int(r.acts[1]["bytes"]) == r.json["need"]["recommended"] and "crash" in r.acts[1]["path"]


def test_what_is_not_armed_is_only_shrunk(run, machine):
    r = run("size", "--apply", "--json", host=machine(reserve=256))
    assert r.status == 0 and [a["call"] for a in r.acts] == ["write_file"]
    r = run("size", "--apply", host=machine(name="small", reserve=72))
    assert not r.acts and "not larger" in r.text


def test_a_machine_is_the_same_wherever_its_root_lies(run, machine):
    """A rehearsal of a machine elsewhere proves what is armed on it: nothing built has the root's path in it."""
    root = machine()
    armed = run("arm", "--json", host=root)
    assert armed.status == 0, armed.text
    loaded(root)
    moved = root.rename(root.with_name("elsewhere"))
    assert run("rehearse", "--live-parts", "--json", host=moved).status in (0, 1)
    r = run("arm", host=moved)
    assert r.status == 0 and not r.acts and "Already armed" in r.text, r.text
    assert run("arm", "--dry-run", "--json", host=moved).json["set"] == armed.json["set"]
    assert "stale" not in run("status", host=moved).text


def unmarked(root, content=b""):
    (root / "dev/vda1").write_bytes(content.ljust(1 << 18, b"\0"))
    with open(root / "dev/vda1", "r+b") as f:
        f.truncate(8386560 * 512)


def test_a_dry_run_tells_that_a_raw_partition_will_be_marked(run, machine):
    root = machine(config="target = raw:/dev/vda1\n")
    unmarked(root)
    r = run("arm", "--dry-run", host=root)
    assert r.status == 0 and "raw:/dev/vda1 does not carry our mark yet: arming writes it into its last 4 KiB" in " ".join(r.text.split()), r.text
    unmarked(root, b"XFSB")
    r = run("arm", "--dry-run", host=root)
    assert r.status == 1 and "an XFS file system" in r.text, r.text


def test_a_refused_shrink_arms_again_all_the_same(run, machine):
    root = machine(loaded=1)
    r = run("size", "--apply", host=root, env={"UNDERSTUDY_ACT_FAIL": "write_file:16"})
    assert r.status == 4 and "under way" in r.text
    assert [a["call"] for a in r.acts] == ["kexec_file_load", "write_file", "kexec_file_load"]


def test_no_target_is_no_arming(run, machine):
    root = machine()
    (root / "proc/self/mountinfo").write_text("21 1 0:25 / / rw - tmpfs tmpfs rw\n")
    r = run("arm", host=root)
    assert r.status == 1 and "no target can be used" in r.text and not r.acts, r.text


def test_one_target_that_fails_is_a_warning(run, machine):
    root = machine(config="target = /var/crash\ntarget = /var/crash-file\n")
    (root / "var/crash-file").write_text("in the way\n")
    r = run("arm", "--json", host=root)
    assert r.status == 0 and len(loads(r)) == 1, r.text
    assert [t["problem"] is None for t in r.json["targets"]] == [True, False]
    assert "crash-file" in " ".join(r.json["warnings"])


def test_an_unknown_key_is_named_with_its_line(run, machine):
    root = machine(config="# mine\nlevle = 31\n", loaded=1)
    r = run("arm", host=root)
    assert r.status == 3 and f"{CONF}:2" in r.text and "levle" in r.text and not r.acts


def test_hooks_are_looked_at(run, machine):
    root = machine(config="pre = /etc/kdump-pre\n")
    r = run("arm", host=root)
    assert r.status in (1, 3) and "/etc/kdump-pre" in r.text and not r.acts


def test_a_policy_holds_for_the_capture_kernel(run, machine, debian):
    root = machine(config="kernel = /boot/other\npolicy = block:0.0\n")
    other = debian("6.1").parents[1]
    shutil.copy(other / "boot/vmlinuz", root / "boot/other")
    shutil.copy(other / "config", root / "boot/config-6.1.0-56-amd64")
    (root / "lib/modules/6.1.0-56-amd64").symlink_to((other / "lib/modules/6.1.0-56-amd64").resolve())
    r = run("arm", "--dry-run", "--json", host=root)
    assert r.status == 1 and r.finding("distance.beyond-policy")["result"] == "fail", r.text
    (root / CONF).write_text("kernel = /boot/other\n")
    d = run("arm", "--json", host=root).json
    assert d["exit"] == 0 and d["release"] == "6.1.0-56-amd64" and "6.1" in json.dumps(d["image"]["files"])


def test_debians_configuration_is_imported(run, machine):
    root = machine()
    (root / "etc/default").mkdir()
    (root / "etc/default/kdump-tools").write_text('USE_KDUMP=1\nKDUMP_COREDIR="/var/dumps"\nMAKEDUMP_ARGS="-c -d 17"\nKDUMP_NUM_DUMPS=3\n')
    r = run("arm", "--import", "--dry-run", host=root)
    assert r.status == 0 and "target = /var/dumps" in r.out and "level = 17" in r.out and not (root / CONF).exists(), r.text
    (root / CONF).write_text("# only a comment\n\n")
    r = run("arm", "--import", host=root)
    assert r.status == 0 and len(loads(r)) == 1 and "/var/dumps: written to" in r.text, r.text
    assert "max-crashes = 3" in (root / CONF).read_text()
    r = run("arm", "--import", host=root)
    assert r.status == 2 and "has settings already" in r.text and not r.acts


def test_nothing_to_import_is_said(run, machine):
    root = machine()
    r = run("arm", "--import", host=root)
    assert r.status == 3 and not r.acts and not (root / CONF).exists(), r.text


# ---- status -------------------------------------------------------------------------------------------

def test_status_of_an_armed_machine(run, machine):
    root = machine()
    run("arm", host=root)
    loaded(root)
    r = run("status", host=root)
    assert r.status == 0, r.text
    for words in ("armed yes, with", machines.RELEASE, "256 MiB reserved", "/var/crash:", "free", "never with this set", "a dump now"):
        assert words in r.text, words
    d = valid(run("status", "--json", host=root).json)
    assert d["armed"]["by_arm"] and not d["armed"]["stale"] and d["exit"] == 0 and d["predicted_bytes"] > 1 << 20


@pytest.mark.parametrize("change, words", ((lambda root: (root / BOOT).unlink(), "capture kernel"),
                                           (lambda root: (root / BOOT).write_bytes(b"new"), "capture kernel"),
                                           (lambda root: (root / CONF).write_text("level = 1\n"), "configuration"),
                                           (lambda root: (root / CONF).write_text("levle = 1\n"), "levle"),
                                           (lambda root: (root / "dev/vda1").write_bytes(bytes(65536)), "/var/crash")),
                         ids=("kernel gone", "kernel new", "configuration", "configuration wrong", "disk"))
def test_status_says_what_is_stale(run, machine, change, words):
    root = machine()
    run("arm", host=root)
    loaded(root)
    change(root)
    r = run("status", host=root)
    assert r.status == 1 and "stale" in r.text and words in r.text, r.text
    d = run("status", "--json", host=root).json
    assert words in " ".join(d["armed"]["stale"]) and d["exit"] == 1


def test_status_without_anything_armed(run, machine):
    root = machine()
    r = run("status", host=root)
    assert r.status == 1 and "a crash will not be saved" in r.text
    assert not (root / "var/crash").exists()


def test_status_tells_what_another_program_armed(run, machine):
    r = run("status", host=machine(loaded=1))
    assert r.status == 0 and "not by understudy arm" in r.text


def saved(root, name, state, *files):
    folder = root / "var/crash" / name
    folder.mkdir(parents=True)
    (folder / "state.txt").write_text(state)
    for file in files:
        (folder / file).write_text("x")


def test_the_last_crash_is_told_by_status_and_at_the_next_start(run, machine):
    root = machine(hosts.put("proc/stat", "cpu 1 2\nbtime 1767323100\n"))  # 2026-01-02 03:05:00
    saved(root, "20251231-030405-6.12", "result=log no target held\n", "log.txt")
    saved(root, "20260102-030405-6.12", "result=saved 12 MiB\npanic=Fatal exception\n", "log.txt", "dump")
    run("arm", host=root)
    r = run("arm", "--early", host=root)
    assert "20260102-030405-6.12: saved 12 MiB (/var/crash)" in r.text, r.text
    assert "taken as it is" in r.text and "may or may not" not in r.text, r.text
    r = run("status", host=root)
    assert "20260102-030405-6.12, before this start: saved 12 MiB" in r.text and "2 saved crashes" in r.text, r.text
    assert "Fatal exception" in r.text and valid(run("status", "--json", host=root).json)["last_crash"]["panic"] == "Fatal exception"
    (root / "proc/stat").write_text("cpu 1 2\nbtime 1777323100\n")
    assert "this start follows" not in run("arm", "--early", host=root).text
    assert "before this start" not in run("status", host=root).text


@pytest.mark.parametrize("folder", ["sys/fs/pstore", "var/lib/systemd/pstore/170/001"])
def test_logs_of_crashes_in_pstore_are_told(run, machine, folder):
    root = machine()
    assert valid(run("status", "--json", host=root).json)["pstore"] is None and "logs of crashes" not in run("status", host=root).text
    (root / folder).mkdir(parents=True)
    for number, name in enumerate(("dmesg-efi_pstore-1", "dmesg-efi_pstore-2", "pmsg-ramoops-0")):
        (root / folder / name).write_text("x")
        os.utime(root / folder / name, (1767323100 + number,) * 2)
    assert valid(run("status", "--json", host=root).json)["pstore"] == {
        "files": 2, "newest": f"/{folder}/dmesg-efi_pstore-2", "at": "2026-01-02T03:05:01Z"}
    assert "has 2 parts of logs of crashes" in run("status", host=root).text


def test_the_last_rehearsal_of_this_set_is_shown(run, machine):
    root = machine()
    chosen = run("arm", "--json", host=root).json["set"]
    (root / "var/lib/understudy/rehearsals").write_text(f"{chosen} 2026-01-02T03:04:05Z 6.12 6.12 0 {128 << 20} {58 << 20} 12 at dump: out of memory\n")
    d = valid(run("status", "--json", host=root).json)
    assert d["rehearsed"]["passed"] is False and d["rehearsed"]["result"] == "at dump: out of memory"
    assert "2026-01-02 03:04 UTC" in run("status", host=root).text


def test_what_could_not_be_put_back_is_told(run, machine):
    root = machine()
    run("arm", host=root)
    loaded(root)
    (root / "var/lib/understudy/armed/initrd").write_bytes(b"damaged")
    (root / CONF).write_text("append = debug\n")
    r = run("arm", "--json", host=root)
    assert r.status == 0 and "could not have been put back" in r.json["warnings"][-1]


def test_two_armings_wait_for_one_another(run, machine, debian):
    root = machine()
    run("arm", host=root)
    with open(root / "var/lib/understudy/lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(subprocess.TimeoutExpired):
            run("arm", host=root, timeout=2)
        assert run("arm", "--dry-run", host=root).status == 0
        loaded(root)
        for words in (("disarm",), ("load", "--crash", debian("6.12")), ("unload", "--crash")):
            with pytest.raises(subprocess.TimeoutExpired):
                run(*words, host=root, timeout=2)
    assert run("arm", host=root).status == 0
    assert run("load", "--crash", debian("6.12"), host=root).acts
