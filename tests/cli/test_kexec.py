# SPDX-License-Identifier: GPL-2.0-or-later
"""The name kexec: every option of kexec-tools 2.0.32 for x86 acts or is an error; none is ignored."""
import hosts
import pytest

MACHINE = "vm-4level"


@pytest.fixture
def kexec(understudy, host):
    def run(*words, machine=None, **options):
        return understudy(*words, name="kexec", host=machine or host(MACHINE), **options)
    return run


def calls(run):
    return [a["call"] for a in run.acts]


def loads(run):
    return [a for a in run.acts if a["call"] in ("kexec_load", "kexec_file_load")]


@pytest.mark.parametrize("words, expect", (
    ("-l", ["kexec_file_load"]), ("--load", ["kexec_file_load"]), ("-a -l", ["kexec_file_load"]),
    ("--kexec-syscall-auto -l", ["kexec_file_load"]), ("-s -l", ["kexec_file_load"]), ("--kexec-file-syscall -l", ["kexec_file_load"]),
    ("-c -l", ["kexec_load"]), ("--kexec-syscall -l", ["kexec_load"]), ("-l -d", ["kexec_file_load"]), ("-l --debug", ["kexec_file_load"]),
    ("-c -i -l", ["kexec_load"]), ("-c --no-checks -l", ["kexec_load"]), ("-c --noefi -l", ["kexec_load"]),
    ("-l -t bzImage64", ["kexec_file_load"]), ("-l --type=bzImage", ["kexec_file_load"]),
    ("-c -l --args-linux --reuse-video-type --elf64-core-headers", ["kexec_load"]),
    ("-l --reuse-cmdline", ["kexec_file_load"]), ("-f", ["kexec_file_load", "sync_disks", "reboot_kexec"]),
    ("-f -y", ["kexec_file_load", "reboot_kexec"]), ("-f -x", ["kexec_file_load", "sync_disks", "reboot_kexec"])))
def test_what_loads(kexec, image, words, expect):
    r = kexec(*words.split(), image())
    assert r.status == 0, r.text
    assert [c for c in calls(r) if c != "run"] == expect


def test_a_load_is_quiet_when_all_is_well(kexec, image):
    r = kexec("-l", image())
    assert r.status == 0 and not r.out.strip()


def test_debug_changes_words_only(kexec, image):
    plain, debug = kexec("-c", "-l", image()), kexec("-c", "-l", "-d", image())
    assert loads(plain)[0]["flags"] == loads(debug)[0]["flags"] and loads(plain)[0]["entry"] == loads(debug)[0]["entry"]
    assert len(debug.err) > len(plain.err)


@pytest.mark.parametrize("option", ("--append", "--command-line"))
def test_command_line_arrives(kexec, image, option):
    r = kexec("-s", "-l", f"{option}=root=/dev/x quiet", image())
    assert "root=/dev/x quiet" in str(loads(r)[0]), r.acts


def test_last_command_line_wins(kexec, image):
    r = kexec("-s", "-l", "--append=first", "--command-line=second", image())
    assert "second" in str(loads(r)[0]) and "first" not in str(loads(r)[0])


def test_reuse_cmdline_and_append_are_joined(kexec, image, host):
    running = host(MACHINE, hosts.put("proc/cmdline", "BOOT_IMAGE=/k root=/dev/y quiet\n"))
    line = str(loads(kexec("-s", "-l", "--reuse-cmdline", "--append=more=1", image(), machine=running))[0])
    assert "root=/dev/y" in line and "more=1" in line and "BOOT_IMAGE" not in line


@pytest.mark.parametrize("option", ("--initrd", "--ramdisk"))
def test_several_initrds_are_joined(kexec, image, archive, option):
    one, two = (kexec("-c", "-l", *[f"{option}={archive(n)}" for n in names], image()) for names in ("a", "ab"))
    assert one.status == 0 and two.status == 0, two.text
    assert str(loads(one)[0]) != str(loads(two)[0])


@pytest.mark.parametrize("words", (
    "--dtb=x -l", "--module=x -l", "--serial=0x3f8 -l", "--serial-baud=9600 -l", "--entry=0x1000 -l", "--real-mode -l", "--entry-32bit -l",
    "--reset-vga -l", "--console-vga -l", "--console-serial -l", "--elf32-core-headers -l", "--pass-memmap-cmdline -l", "--args-elf -l",
    "--args-none -l", "--reuseinitrd -l", "--load-preserve-context -l", "--load-jump-back-helper -l", "--load-live-update -l",
    "--exec-live-update -l", "-l -t zImage", "-s --mem-min=1M -l", "-s --no-checks -l", "-c --no-cma -l", "-c --force-dtb -l",
    "-l --hotplug", "-l -y", "-l -x", "-e -u", "-e -p", "-f -l", "--fly -l"))
def test_what_cannot_act_is_an_error_that_names_it(kexec, image, words):
    words = words.split()
    r = kexec(*words, image())
    assert r.status == 2, r.text
    assert not r.acts
    named = [w.split("=")[0] for w in words if w != "-l"]
    assert any(n in r.err for n in named), r.err


@pytest.mark.parametrize("words", (
    "-u --noefi", "-e --no-cma", "-u --force-dtb", "-u -p --hotplug", "-e --args-linux", "-e -c", "-S --initrd=x", "-S -u", "-S -f",
    "--print-ckr-size --append=x"))
def test_what_is_for_loading_is_an_error_elsewhere(kexec, host, words):
    r = kexec(*words.split(), machine=host(MACHINE, hosts.put("sys/kernel/kexec_loaded", "1\n")))
    assert r.status == 2 and "no effect with" in r.err and not r.acts, r.text


@pytest.mark.parametrize("words", ("-s --noefi -l", "-s -i -l"))
def test_what_acts_with_the_other_call_only_says_which(kexec, image, words):
    r = kexec(*words.split(), image())
    assert r.status == 2 and "kexec_load" in r.err and not r.acts


def test_a_flag_that_the_kernel_lacks_is_a_reason(kexec, image):
    r = kexec("-l", "--force-dtb", image())
    assert r.status == 1 and not r.acts
    assert "cannot hand over" in r.text and "call.no-plan" in r.text and "KEXEC_FILE_FORCE_DTB" in r.text


def test_a_wrong_type_is_refused(kexec, image):
    r = kexec("-l", "-t", "elf-x86_64", image())
    assert r.status != 0 and "bzImage" in r.err and not r.acts


def test_mem_limits_hold(kexec, image):
    r = kexec("-c", "-l", "--mem-min=64M", "--mem-max=512M", image())
    assert r.status == 0, r.text
    for s in loads(r)[0]["segments"]:
        assert 64 << 20 <= int(str(s["mem"]), 0) < 512 << 20


def test_unload(kexec):
    for words in (["-u"], ["--unload"], ["-u", "-p"]):
        r = kexec(*words)
        assert r.status == 0 and len(loads(r)) == 1, r.text


@pytest.mark.parametrize("crash, normal, words, status", (
    (0, 0, ["-S"], 0), (1, 0, ["-S"], 1), (1, 0, ["--status"], 1), (0, 1, ["-S"], 0), (0, 1, ["-S", "-l"], 1), (1, 0, ["-S", "-p"], 1)))
def test_status_is_the_exit_status(kexec, host, crash, normal, words, status):
    machine = host(MACHINE, hosts.put("sys/kernel/kexec_crash_loaded", f"{crash}\n"), hosts.put("sys/kernel/kexec_loaded", f"{normal}\n"))
    assert kexec(*words, machine=machine).status == status


def test_exec_of_nothing_is_refused(kexec):
    r = kexec("-e")
    assert r.status == 1 and not r.acts


def test_exec_of_what_is_loaded(kexec, host):
    r = kexec("-e", machine=host(MACHINE, hosts.put("sys/kernel/kexec_loaded", "1\n")))
    assert r.status == 0 and calls(r)[-1] == "reboot_kexec"


def test_disks_are_synced_before_the_network_goes_down(kexec, host):
    machine = host(MACHINE, hosts.put("sys/kernel/kexec_loaded", "1\n"), hosts.put("sys/class/net/eth0/type", "1\n"),
                   hosts.put("sys/class/net/lo/type", "772\n"))
    r = kexec("-e", machine=machine)
    assert calls(r) == ["sync_disks", "run", "reboot_kexec"] and r.acts[1]["argv"][-2:] == ["eth0", "down"], r.acts
    assert calls(kexec("-e", "-x", "-y", machine=machine)) == ["reboot_kexec"]


def test_bare_kernel_loads_and_reboots_in_order(kexec, image):
    r = kexec(image())
    assert r.status == 0 and loads(r) and r.acts[-1]["call"] == "run" and "reboot_kexec" not in calls(r)


def test_print_ckr_size(kexec):
    r = kexec("--print-ckr-size")
    assert r.status == 0 and int(r.out) == 256 << 20


def test_help_and_version(kexec):
    assert kexec("--help").status == 0 and kexec("-h").status == 0
    assert "understudy" in kexec("-v").out


def test_a_refusal_by_the_kernel_does_not_fall_back(kexec, image):
    r = kexec("-l", image(), env={"UNDERSTUDY_ACT_FAIL": "kexec_file_load:8"})
    assert r.status == 4 and "errno 8" in r.err
    assert [a["call"] for a in loads(r)] == ["kexec_file_load"]
