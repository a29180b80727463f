# SPDX-License-Identifier: GPL-2.0-or-later
"""config roles --fragment --tree: the tree's own conf keeps the lines, and what it makes of them has the roles that were asked."""
import conf
import pytest

ROLES = ("source", "target", "panic", "capture")
ASKED = ("source,target,panic,capture", "capture", "panic")


def fragment(understudy, tree, *words):
    r = understudy("config", "roles", "--fragment", "--json", "--tree", tree, *words)
    assert r.status == 0, r.err + r.out
    return r.json["lines"]


def check(understudy, tmp_path, made, lines, asked):
    """conf's .config has each line and grants the roles."""
    have = conf.values(made)
    assert not {k: v for k, v in conf.values("\n".join(lines)).items() if have.get(k, "n") != v}
    (tmp_path / "made").write_text(made)
    r = understudy("config", "roles", "--json", "--role", asked, tmp_path / "made")
    assert r.status == 0, r.out


def check_arch(understudy, tmp_path, folder, arch, asked):
    lines = fragment(understudy, folder, "--arch", arch, "--role", asked)
    check(understudy, tmp_path, conf.olddefconfig(folder, arch, "\n".join(lines) + "\n"), lines, asked)


@pytest.mark.parametrize("version", conf.TREES)
@pytest.mark.parametrize("arch", ("x86_64", "arm"))
def test_the_lines_are_kept_and_grant_the_roles(understudy, tree, tmp_path, version, arch):
    check_arch(understudy, tmp_path, tree(version), arch, ASKED[0])


@pytest.mark.matrix
@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("arch", conf.ARCHES)
@pytest.mark.parametrize("version", conf.TREES)
def test_every_architecture(understudy, tree, tmp_path, version, arch, asked):
    check_arch(understudy, tmp_path, tree(version), arch, asked)


def test_debian_configuration_gets_back_what_was_taken(understudy, tree, tmp_path):
    folder = tree("6.12")
    path = conf.TOP / "build/kernels/6.12/config"
    if not path.exists():
        pytest.skip("kernel 6.12 is not under build/kernels (make setup fetches it)")
    assert fragment(understudy, folder, path) == []
    taken = "".join(line for line in path.read_text().splitlines(True) if "KEXEC" not in line and "CRASH" not in line)
    base = conf.olddefconfig(folder, "x86_64", taken + "# CONFIG_KEXEC is not set\n# CONFIG_KEXEC_FILE is not set\n")
    (tmp_path / "base").write_text(base)
    assert understudy("config", "roles", "--role", "panic", tmp_path / "base").status == 1
    lines = fragment(understudy, folder, tmp_path / "base")
    made = conf.olddefconfig(folder, "x86_64", base + "\n".join(lines) + "\n")
    check(understudy, tmp_path, made, lines, ASKED[0])
    # nothing else was given up for it
    before, after = conf.values(base), conf.values(made)
    assert not {k for k in before if before[k] != "n" and after.get(k, "n") != before[k]}


def test_a_kernel_that_could_capture_with_no_call_needs_one_now(understudy, tree, tmp_path):
    """32-bit arm with CRASH_DUMP and no kexec call (as 5.15 allowed), without SUSPEND, carried to 6.12."""
    folder = tree("6.12")
    base = conf.olddefconfig(folder, "arm", "CONFIG_SMP=y\n# CONFIG_SUSPEND is not set\nCONFIG_BLK_DEV_INITRD=y\nCONFIG_CRASH_DUMP=y\n")
    assert conf.values(base).get("CRASH_DUMP", "n") == "n"  # lost without a word
    (tmp_path / "base").write_text(base)
    lines = fragment(understudy, folder, tmp_path / "base", "--role", "capture")
    assert "CONFIG_KEXEC=y" in lines and any("HIBERNATION" in line or "SUSPEND" in line for line in lines)
    check(understudy, tmp_path, conf.olddefconfig(folder, "arm", base + "\n".join(lines) + "\n"), lines, "capture")


def test_what_a_tree_forbids_is_told_by_its_lines(understudy, tree):
    folder = tree("6.12")
    r = understudy("config", "roles", "--fragment", "--role", "capture", "--tree", folder, "--arch", "parisc")
    assert r.status == 1 and "does not allow it" in r.out and "kernel/Kconfig.kexec:101" in r.out and "\nCONFIG_" not in r.out
    r = understudy("config", "roles", "--fragment", "--role", "source", "--tree", folder, "--arch", "parisc")
    assert r.status == 0 and "CONFIG_KEXEC_FILE=y" in r.out.splitlines()


@pytest.mark.parametrize("words, says", (
    (["--tree", "TREE"], "--tree is for --fragment"), (["--fragment", "--arch", "arm"], "--arch is for --tree"),
    (["--fragment", "--tree", "TREE"], "--tree needs --arch"), (["--fragment", "--tree", "TREE", "--arch", "vax"], "vax"),
), ids=lambda w: " ".join(w) if isinstance(w, list) else "")
def test_words_that_make_no_sense(understudy, tree, words, says):
    r = understudy("config", "roles", *[tree("6.12") if w == "TREE" else w for w in words])
    assert r.status == 2 and says in r.err and not r.out
