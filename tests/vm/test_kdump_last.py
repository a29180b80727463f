# SPDX-License-Identifier: GPL-2.0-or-later
"""kdump's ends: what arming tells of servers that do not take a dump, a reservation that is shrunk, and what is left when
nothing else holds: the firmware's store for logs, the watchdog, a word to a webhook."""

import json
import re
import shutil

import pytest

import kdump
import servers
import vm as lab
from kdump import Machine
from test_kdump_net import HOST, KEY, KNOWN, layout_of, nfs, serving, ssh

STORE = 256 << 10


def test_arming_tells_of_servers_and_shrinks_the_reservation(vm, kernels, understudy, tmp_path):
    """Nobody listens, the key is refused, the host's key is another one: each with its reason, and nothing is
    armed. With a disk instead it is, and what is reserved beyond need is given back."""
    kernel = kernels["6.12"]
    with serving(servers.Ssh(tmp_path / "ssh")) as server, serving(servers.Nfs(tmp_path / "nfs")) as gone:
        right, down = ssh(server), nfs(gone)
        gone.stop()
        stranger = server.known_hosts("10.0.2.2", "ssh-ed25519 " + server.other_identity.with_suffix(".pub").read_text().split()[1])
        refused = right[0].replace(KEY, f"{KEY}-other")
        changed = right[0].replace("dumps.lab", HOST).replace(KNOWN, f"{KNOWN}-other")
        layout = layout_of(down, right, disk=kdump.plain())
        layout.conf = down[0] + refused + changed
        layout.files |= {f"{KEY}-other": server.other_identity, f"{KNOWN}-other": stranger}
        machine = Machine(vm, kernel, understudy, tmp_path, layout, memory="2G")
        sizes = "cat /sys/kernel/kexec_crash_size /sys/kernel/kexec_crash_loaded"
        r = machine.boot([*machine.bring_up(True), ("refuse", "understudy arm", 200), ("loaded", "cat /sys/kernel/kexec_crash_loaded"),
                          ("disk", "echo 'target = /var/crash' > /etc/understudy.conf; understudy arm", 200), ("before", sizes),
                          ("size", "understudy size --apply", 120), ("after", sizes), ("status", "understudy status"),
                          ("again", "understudy size --apply --json", 120)])
    said = " ".join((r.step("refuse").out + r.step("refuse").err).split())
    assert r.step("refuse").rc == 1 and r.step("loaded").out.strip() == "0", said
    for words in (r"nfs://.*refused", r"the key is refused", r"host key|host's key", r"no target can be used"):
        assert re.search(words, said), f"{words}: {said}"
    assert r.step("disk").rc == 0, r.step("disk").out + r.step("disk").err
    (before, armed), (after, again) = (map(int, r.step(s).out.split()) for s in ("before", "after"))
    assert r.step("size").rc == 0, r.step("size").out + r.step("size").err
    assert before == 256 << 20 and 64 << 20 < after < before and armed == again == 1, (before, after)
    assert f"crashkernel={after >> 20}M" in r.step("size").out and "armed again" in r.step("size").out, r.step("size").out
    assert r.step("status").rc == 0, r.step("status").out
    assert r.step("again").rc == 0 and json.loads(r.step("again").out)["shrunk"] is False, r.step("again").out


def erst(tmp_path, layout):
    """ACPI's store for records: (what QEMU gets to have it, words of the first kernel's command line)."""
    store = tmp_path / "erst"
    with open(store, "wb") as f:
        f.truncate(STORE)
    return {"qemu": ["-object", f"memory-backend-file,id=erst,mem-path={store},size={STORE},share=on", "-device", "acpi-erst,memdev=erst"]}, ""


def efi_pstore(tmp_path, layout):
    """Variables of UEFI."""
    if not lab.OVMF.is_dir():
        pytest.skip("OVMF is not installed")
    variables = tmp_path / "vars.fd"
    shutil.copy(lab.OVMF / "OVMF_VARS_4M.fd", variables)
    layout.modules += ("efi_pstore",)
    return {"qemu": ["-drive", f"if=pflash,format=raw,unit=0,readonly=on,file={lab.OVMF}/OVMF_CODE_4M.fd",
                     "-drive", f"if=pflash,format=raw,unit=1,file={variables}"]}, ""


def ramoops(tmp_path, layout):
    """Memory that outlives a restart, which only the words of the running kernel's own module tell: loaded by hand."""
    at = 0x20000000
    layout.modules += ("reed_solomon", "ramoops")
    layout.setup = layout.assemble = (
        "cd /tmp; for f in $(find /lib/modules -name 'ramoops.ko*'); do case $f in *.xz) xzcat $f;; *) cat $f;; esac > r.ko; done; "
        f"rmmod ramoops; insmod r.ko mem_address={at} mem_size={STORE} record_size=16384 ecc=1")
    return {"machine": "q35,memory-backend=ram",
            "qemu": ["-object", f"memory-backend-file,id=ram,size=1G,mem-path={tmp_path}/ram,share=on"]}, f"memmap={STORE >> 10}K${at:#x}"


@pytest.mark.matrix
@pytest.mark.parametrize("name", ["6.1", "6.12"])
@pytest.mark.parametrize("store", [erst, efi_pstore, ramoops])
def test_the_log_is_in_pstore_where_no_target_holds(vm, kernels, understudy, tmp_path, record_property, name, store):
    """The only server is gone: the end of the crashed kernel's log is in what its pstore uses at the next start, and that is told."""
    kernel = kernels[name]
    record_property("cell", f"kdump|no target, {store.__name__}|{kernel.release}|sysrq")
    with serving(servers.Ssh(tmp_path / "ssh")) as server:
        layout = layout_of(ssh(server))
        options, words = store(tmp_path, layout)
        layout.mount = "mount -t pstore pstore /sys/fs/pstore"
        machine = Machine(vm, kernel, understudy, tmp_path, layout)
        first = machine.crash(before=[("backend", "cat /sys/module/pstore/parameters/backend; ls /sys/fs/pstore"), ("lost", "sleep 2")],
                              monitor={"lost": [lambda _: server.stop()]}, append=words, **options)
    backend, = first.step("backend").out.split()
    assert backend in (store.__name__, store.__name__.removesuffix("_pstore")), backend  # of UEFI: efi in 6.1, efi_pstore in 6.12
    # the old log goes through the kernel's own, so that the console may miss lines; how it ended is what tells
    assert "Attempted to kill init" in first.console, first.tail()
    second = machine.look(steps=[("pstore", "ls -la /sys/fs/pstore; cat /sys/fs/pstore/*")], append=words, **options)
    out = second.step("pstore").out
    assert "last words of the lab" in out and "sysrq triggered crash" in out and "the end of the log of the kernel that crashed" in out, out
    kept = json.loads(second.step("crashes").out)["pstore"]
    assert kept["newest"].startswith(f"/sys/fs/pstore/dmesg-{backend}-") and kept["files"] > 0, kept
    assert kept["newest"] in "".join(second.step("status").out.split()), second.step("status").out


# Linux 6.12 keeps some of the time for processes without priority (its fair server), unless it is told not to.
HANG = """#!/bin/sh
sleep 3
echo -1 > /proc/sys/kernel/sched_rt_runtime_us
/bin/busybox mount -t debugfs debugfs /sys/kernel/debug
for f in /sys/kernel/debug/sched/fair_server/cpu*/runtime; do [ ! -e $f ] || echo 0 > $f; done
exec /usr/bin/chrt -f 99 /bin/busybox sh -c 'while :; do :; done'
"""


@pytest.mark.matrix
@pytest.mark.parametrize("name", ["6.1", "6.12"])
def test_the_watchdog_ends_a_capture_that_hangs(vm, kernels, understudy, tmp_path, record_property, name):
    """A hook takes the only processor for itself, so that nothing else runs, no deadline either. The log is there."""
    kernel, layout = kernels[name], kdump.plain()
    record_property("cell", f"kdump|a hang ended by i6300esb|{kernel.release}|sysrq")
    hang = tmp_path / "hang"
    hang.write_text(HANG)
    hang.chmod(0o755)
    layout.files = {"/etc/understudy/hang": hang} | lab.program(kdump.sbin("chrt"), "/usr/bin/chrt")
    layout.modules += ("i6300esb",)
    layout.conf += "pre = /etc/understudy/hang\nextra-programs = /bin/busybox /usr/bin/chrt\n"
    machine = Machine(vm, kernel, understudy, tmp_path, layout)
    first = machine.crash(qemu=["-device", "i6300esb", "-action", "watchdog=reset"])
    assert any("watchdog: /dev/watchdog0" in line for line in kdump.told(first)), first.tail()
    assert any("stage pre hook" in line for line in kdump.told(first)) and "understudy: the end" not in first.console, first.tail()
    second = machine.look(steps=[("log", "grep -c 'last words of the lab' /var/crash/2*/log.txt"), ("state", "cat /var/crash/2*/state.txt")])
    crash, = kdump.saved(second)
    assert crash["has_log"] and not crash["has_dump"], crash
    assert second.step("log").rc == 0 and "result=saved" not in second.step("state").out


@pytest.mark.matrix
@pytest.mark.parametrize("trusted", [True, False])
def test_a_webhook_over_https(vm, kernels, understudy, tmp_path, trusted):
    """A server with a certificate of its own: told if the machine trusts it, and if not the reason is noted."""
    kernel, layout = kernels["6.12"], layout_of(disk=kdump.plain())
    certificate = servers.certificate(tmp_path, HOST)
    other = tmp_path / "other"
    other.mkdir()
    with serving(servers.Http(tmp_path / "http", certificate=certificate)) as server:
        layout.files = {"/etc/ssl/certs/ca-certificates.crt": certificate[0] if trusted else servers.certificate(other, HOST)[0]}
        layout.conf += f"webhook = https://{HOST}:{server.port}/hook\n"
        machine = Machine(vm, kernel, understudy, tmp_path, layout)
        first = machine.crash()
        posts = [json.loads(p) for p in server.posts]
    assert any("result saved" in line for line in kdump.told(first)), first.tail()
    told = [line for line in kdump.told(first) if "webhook: " in line]
    if trusted:
        post, = posts
        assert post["result"] == "saved" and post["where"].startswith("/var/crash/"), post
        assert "told" in told[-1], told
    else:
        assert not posts and "certificate" in told[-1], told
