# SPDX-License-Identifier: GPL-2.0-or-later
"""make install: what is put where, with which modes; that systemd takes the units and the udev rule does what it says.

Everything goes below a DESTDIR. The rule is judged by a small reader of its own, since udevadm verify is young.
"""
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent.parent
BUILD = Path(os.environ.get("UNDERSTUDY_BINARY", TOP / "build/understudy")).resolve().parent


def install(destdir):
    if not shutil.which("meson") or not (BUILD / "build.ninja").exists():
        pytest.skip("no meson or no build folder to install from")
    run = subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--quiet"], env=os.environ | {"DESTDIR": str(destdir)},
                         capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    destdir = tmp_path_factory.mktemp("dest")
    install(destdir)
    return destdir


def one(tree, name):
    found = [p for p in tree.rglob(name) if p.is_file()]
    assert len(found) == 1, f"{name}: {found}"
    return found[0]


@pytest.mark.parametrize("name, mode", [
    ("bin/understudy", 0o755),
    ("libexec/understudy/understudy-capture", 0o755),
    ("libexec/understudy/understudy-far", 0o755),
    ("libexec/understudy/understudy-http", 0o755),
    ("lib/systemd/system/understudy-arm.service", 0o644),
    ("lib/systemd/system/understudy-arm-network.service", 0o644),
    ("lib/systemd/system/understudy-rearm.service", 0o644),
    ("lib/systemd/system/understudy-rearm.path", 0o644),
    ("lib/udev/rules.d/60-understudy.rules", 0o644),
    ("lib/tmpfiles.d/understudy.conf", 0o644),
    ("share/understudy/policies/file-only-signed.policy", 0o644),
    ("share/bash-completion/completions/understudy", 0o644),
    ("share/doc/understudy/understudy.conf", 0o644),
    ("share/man/man1/understudy.1", 0o644),
    ("share/man/man5/understudy.conf.5", 0o644),
    ("etc/understudy.conf", 0o600),
    ("etc/kernel/postinst.d/zz-understudy", 0o755),
    ("etc/kernel/postrm.d/zz-understudy", 0o755),
    ("kernel/install.d/95-understudy.install", 0o755),
])
def test_a_file_is_put_in_place_with_its_mode(installed, name, mode):
    if "/man/" in name and not shutil.which("scdoc"):
        pytest.skip("manual pages need scdoc")
    found = [p for p in installed.rglob(Path(name).name) if p.is_file() and str(p).endswith("/" + name)]
    assert len(found) == 1, found
    assert stat.S_IMODE(found[0].stat().st_mode) == mode


def test_nothing_in_the_files_is_left_to_be_replaced(installed):
    for path in [*installed.rglob("*.service"), *installed.rglob("*.path"), *installed.rglob("60-understudy.rules")]:
        assert not re.search(r"@\w+@", path.read_text()), path


def test_a_configuration_that_was_edited_is_kept(tmp_path):
    install(tmp_path)
    config = tmp_path / "etc/understudy.conf"
    config.write_text("level = 1\n")
    install(tmp_path)
    assert config.read_text() == "level = 1\n"


def test_below_usr_the_plugin_lies_where_packages_put_it(tmp_path):
    sample = tmp_path / "sample"
    sample.write_text("# sample\n")
    subprocess.run([TOP / "data/install-files", sample, TOP / "data/kernel-hook", "/usr"], check=True,
                   env=os.environ | {"DESTDIR": str(tmp_path / "dest")})
    assert os.access(tmp_path / "dest/usr/lib/kernel/install.d/95-understudy.install", os.X_OK)
    assert (tmp_path / "dest/etc/understudy.conf").read_text() == "# sample\n"


def test_systemd_takes_the_units(installed, tmp_path):
    """Below a folder of their own, with a program that is there: verify looks for what ExecStart names."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze")
    units = [*installed.rglob("understudy*.service"), *installed.rglob("understudy*.path")]
    assert len(units) >= 4
    for unit in units:
        text = re.sub(r"=/\S*/bin/understudy ", f"={BUILD / 'understudy'} ", unit.read_text())
        (tmp_path / unit.name).write_text(text)
    run = subprocess.run(["systemd-analyze", "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))],
                         capture_output=True, text=True, env=os.environ | {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"})
    told = [line for line in run.stderr.splitlines() if "understudy" in line]
    assert run.returncode == 0 and not told, run.stderr


def test_each_command_that_a_unit_runs_is_one_of_ours(installed, understudy):
    commands = understudy("--help").out
    for unit in installed.rglob("understudy*.service"):
        for words in re.findall(r"^Exec\w+=\S*/understudy (.*)$", unit.read_text(), re.M):
            name, *options = words.split()
            assert re.search(rf"^  {name} ", commands, re.M), f"{unit.name}: {words}"
            offered = understudy(name, "--help").out
            for option in options:
                assert re.search(rf"{option}\b", offered), f"{unit.name}: {words}"


def test_the_early_unit_comes_before_the_network_and_after_the_disks(installed):
    text = one(installed, "understudy-arm.service").read_text()
    assert "DefaultDependencies=no" in text
    assert re.search(r"^After=.*\blocal-fs\.target\b", text, re.M)
    assert re.search(r"^Before=.*\bnetwork-pre\.target\b", text, re.M)
    assert "Wants=network-pre.target" in text  # else the order is of nothing
    assert "ExecStop" not in text
    assert re.search(r"^TimeoutStartSec=\d+s$", text, re.M)


# ---- the udev rule ----

def rules(text):
    """[(line number, [(key, operator, value)...])]"""
    result = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        tokens = re.findall(r'\s*([A-Z]+(?:\{[^}]*\})?)\s*(==|!=|\+=|=)\s*"([^"]*)"\s*(?:,|$)', line)
        rest = re.sub(r'\s*[A-Z]+(?:\{[^}]*\})?\s*(==|!=|\+=|=)\s*"[^"]*"\s*(,|$)', "", line)
        assert tokens and not rest.strip(), f"line {number}: {line}"
        result.append((number, tokens))
    return result


def runs(text, event):
    """The programs that these rules run for an event {key: value}; an absent key equals nothing."""
    parsed, wanted, programs = rules(text), None, []
    for _, tokens in parsed:
        values = dict((key, value) for key, _, value in tokens)
        if wanted is not None:
            if values.get("LABEL") != wanted:
                continue
            wanted = None
        match = True
        for key, operator, value in tokens:
            if operator in ("==", "!="):
                pattern = "|".join(re.escape(p).replace(r"\?", ".").replace(r"\*", ".*") for p in value.split("|"))
                match &= (re.fullmatch(pattern, event.get(key, "")) is not None) == (operator == "==")
        if match:
            programs += [value for key, operator, value in tokens if key == "RUN"]
            wanted = values.get("GOTO")
    assert wanted is None, f"no LABEL {wanted}"
    return programs


CPU = {"SUBSYSTEM": "cpu", "ACTION": "add", "TEST": "/run/understudy"}
TOUCH = ["/bin/touch /run/understudy/rearm"]


@pytest.mark.parametrize("event, expected", [
    (CPU, TOUCH),
    (CPU | {"ACTION": "remove"}, TOUCH),
    (CPU | {"ACTION": "change"}, []),
    (CPU | {"ATTRS{crash_hotplug}": "0"}, TOUCH),
    (CPU | {"ATTRS{crash_hotplug}": "1"}, []),
    (CPU | {"ENV{SYNTH_UUID}": "0"}, []),
    (CPU | {"SUBSYSTEM": "memory", "ACTION": "online"}, TOUCH),
    (CPU | {"SUBSYSTEM": "memory", "ACTION": "offline"}, TOUCH),
    (CPU | {"SUBSYSTEM": "memory", "ACTION": "add"}, []),
    (CPU | {"SUBSYSTEM": "memory", "ACTION": "online", "ATTRS{crash_hotplug}": "1"}, []),
    (CPU | {"SUBSYSTEM": "block"}, []),
    (CPU | {"TEST": "/nowhere"}, []),
])
def test_the_rule_follows_what_comes_and_goes(installed, event, expected):
    assert runs(one(installed, "60-understudy.rules").read_text(), event) == expected


def test_what_the_rule_touches_is_what_the_path_unit_watches(installed):
    watched = re.search(r"^PathExists=(.*)$", one(installed, "understudy-rearm.path").read_text(), re.M).group(1)
    assert watched == TOUCH[0].split()[1]
    service = one(installed, "understudy-rearm.service").read_text()
    assert f"ExecCondition=rm -f {watched}" in service
    assert watched in (TOP / "data/kernel-hook").read_text()
    folders = re.findall(r"^d (\S+) +(\S+) root root -$", (TOP / "data/tmpfiles.conf").read_text(), re.M)
    assert dict(folders) == {"/var/crash": ":0700", "/var/lib/understudy": "0700", "/run/understudy": "0700"}


def test_udev_takes_the_rule(installed):
    if subprocess.run(["udevadm", "verify", "--help"], capture_output=True).returncode:
        pytest.skip("no udevadm verify (systemd 254)")
    subprocess.run(["udevadm", "verify", one(installed, "60-understudy.rules")], check=True)


def test_tmpfiles_takes_its_lines(installed, tmp_path):
    if not shutil.which("systemd-tmpfiles"):
        pytest.skip("no systemd-tmpfiles")
    if os.getuid():
        pytest.skip("its directories belong to root")
    (tmp_path / "var/crash").mkdir(parents=True)
    (tmp_path / "var/crash").chmod(0o1777)
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/passwd").write_text("root:x:0:0::/root:/bin/sh\n")
    (tmp_path / "etc/group").write_text("root:x:0:\n")
    run = subprocess.run(["systemd-tmpfiles", "--create", f"--root={tmp_path}", TOP / "data/tmpfiles.conf"], capture_output=True,
                         text=True)
    assert run.returncode == 0, run.stderr
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("var/crash", "var/lib/understudy", "run/understudy")}
    assert modes == {"var/crash": 0o1777, "var/lib/understudy": 0o700, "run/understudy": 0o700}


@pytest.mark.parametrize("script", ["kernel-hook", "install-files"])
def test_the_scripts_are_clean(script):
    if not shutil.which("shellcheck"):
        pytest.skip("no shellcheck")
    subprocess.run(["shellcheck", TOP / "data" / script], check=True)
