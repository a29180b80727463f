# SPDX-License-Identifier: GPL-2.0-or-later
"""understudy-far, the server of a rehearsal: against curl, against bytes on a socket, and against our own clients."""
import os
import pathlib
import random
import shutil
import socket
import subprocess
import sys
import threading
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("UNDERSTUDY_BINARY", TOP / "build/understudy")).resolve().parent
FAR = BUILD / "understudy-far"
sys.path.insert(0, str(TOP / "tests/cli"))

from test_targets import CRASH, DENIED, NO_ROOM, NOT_FOUND, OTHER, UNSUPPORTED, Tool, core, small_file, tool  # noqa: E402, F401

pytestmark = [pytest.mark.skipif(not FAR.exists(), reason="understudy-far is not built (libssl is missing)"),
              pytest.mark.skipif(not shutil.which("curl"), reason="curl is missing")]


class Inetd:
    """A program for each connection, which is its standard input and output; `with` it, .port is where."""

    def __init__(self, tmp_path, *words, before=None):
        self.words, self.before = [FAR, *map(str, words)], before
        self.log = tmp_path / "far.log"
        self.children, self.listener = [], socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]

    def __enter__(self):
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection, open(self.log, "ab") as log:
                self.children.append(subprocess.Popen(self.words, stdin=connection, stdout=connection, stderr=log,
                                                      preexec_fn=self.before))

    def statuses(self):
        """Of all the connections there were, when they have ended."""
        return [child.wait(10) for child in self.children]

    def said(self):
        return self.log.read_text() if self.log.exists() else ""

    def __exit__(self, *_):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)
        for child in self.children:
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
                raise

    def speak(self, data, half_close=True):
        """What it answers to these bytes."""
        with socket.create_connection(("127.0.0.1", self.port), 10) as s:
            s.sendall(data)
            if half_close:
                s.shutdown(socket.SHUT_WR)
            answer = b""
            while piece := s.recv(1 << 16):
                answer += piece
            return answer


def curl(*words, code=0):
    """(status, body)"""
    run = subprocess.run(["curl", "-q", "-sS", "--noproxy", "*", "-m", "10", "-w", "\n%{http_code}", *map(str, words)],
                         capture_output=True, timeout=20)
    assert run.returncode == code, run.stderr.decode()
    body, _, status = run.stdout.rpartition(b"\n")
    return int(status), body


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "kept"
    folder.mkdir()
    return folder


@pytest.fixture
def http(tmp_path, folder):
    with Inetd(tmp_path, "http", folder) as inetd:
        yield inetd


@pytest.fixture
def noise(tmp_path):
    path = tmp_path / "noise"
    path.write_bytes(random.Random(2).randbytes(3_000_001))
    return path


@pytest.fixture
def pem(tmp_path):
    subprocess.run([FAR, "certificate", tmp_path / "pem", "127.0.0.1"], check=True)
    return tmp_path / "pem"


def certificate_of(pem):
    return pem.with_name(pem.name + ".crt")


def left_over(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


# ---- the program ----

def test_words_that_make_no_sense_are_told():
    for words in ([], ["http"], ["http", "/", "more"], ["ftp", "/"], ["relay", "x"], ["http", "/", "--no-such"]):
        run = subprocess.run([FAR, *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
        assert (run.returncode, run.stdout) == (2, "") and run.stderr.startswith("understudy-far: "), words
        assert run.stderr.count("\n") == 1
    run = subprocess.run([FAR, "--help"], capture_output=True, text=True, timeout=10)
    assert run.returncode == 0 and "certificate FILE ADDRESS" in run.stdout
    run = subprocess.run([FAR, "http", "/no/such"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
    assert run.returncode == 1 and "/no/such: No such file" in run.stderr


def test_certificate(tmp_path, pem):
    assert pem.stat().st_mode & 0o777 == 0o600 and "PRIVATE KEY" in pem.read_text()
    assert "PRIVATE" not in certificate_of(pem).read_text()
    if not shutil.which("openssl"):
        pytest.skip("openssl is missing")
    text = subprocess.run(["openssl", "x509", "-noout", "-text", "-in", pem], capture_output=True, text=True).stdout
    for part in "CA:TRUE", "IP Address:127.0.0.1", "prime256v1", "ecdsa-with-SHA256":
        assert part in text
    verify = ["openssl", "verify", "-CAfile", certificate_of(pem), "-purpose", "sslserver"]
    assert subprocess.run([*verify, "-verify_ip", "127.0.0.1", pem], capture_output=True).returncode == 0
    assert subprocess.run([*verify, "-verify_ip", "127.0.0.2", pem], capture_output=True).returncode != 0
    subprocess.run([FAR, "certificate", pem, "far.example"], check=True)
    assert subprocess.run([*verify, "-verify_hostname", "far.example", pem], capture_output=True).returncode == 0
    assert subprocess.run([FAR, "certificate", pem, "a,IP:1.2.3.4"], capture_output=True).returncode == 2


# ---- HTTP and curl ----

def test_put_get_delete(http, folder, noise):
    url = f"http://127.0.0.1:{http.port}/a/b%20c/d"
    assert curl("-T", noise, url) == (201, b"")
    kept = folder / "a/b c/d"
    assert kept.read_bytes() == noise.read_bytes()
    assert kept.stat().st_mode & 0o777 == 0o600 and kept.parent.stat().st_mode & 0o777 == 0o700
    assert curl(url) == (200, noise.read_bytes())
    assert curl("-T", "-", "-H", "Transfer-Encoding: chunked", url, "--upload-file", noise) == (204, b"")
    assert curl("-X", "DELETE", url) == (204, b"")
    assert curl(url)[0] == 404 and curl("-X", "DELETE", url)[0] == 404
    assert curl("-d", "{}", f"http://127.0.0.1:{http.port}/hook") == (200, b"")
    assert curl("-X", "PATCH", url)[0] == 405
    assert left_over(folder) == [] and set(http.statuses()) == {0}


def test_chunks_and_continue(http, folder, noise):
    url = f"http://127.0.0.1:{http.port}/x"
    run = subprocess.run(["curl", "-q", "-sSv", "--noproxy", "*", "-T", "-", "-H", "Expect: 100-continue", url],
                         input=noise.read_bytes(), capture_output=True, timeout=20)
    assert b"> Transfer-Encoding: chunked" in run.stderr and b"< HTTP/1.1 100" in run.stderr
    assert (folder / "x").read_bytes() == noise.read_bytes()
    head = b"PUT /y HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
    said = http.speak(head + b"3;name=value\r\nabc\r\n000a\r\n0123456789\r\n0\r\nTrailer: t\r\n\r\nGET /y HTTP/1.1\r\nHost: h\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 201 ") and said.endswith(b"\r\n\r\nabc0123456789")
    for bad in b"3\r\nabcd\r\n0\r\n\r\n", b"-3\r\nabc\r\n0\r\n\r\n", b"\r\n", b"11111111111111111\r\n", b"3x\r\nabc\r\n":
        assert http.speak(head.replace(b"/y", b"/z") + bad).startswith(b"HTTP/1.1 400 "), bad
    assert http.speak(head + b"3\r\nab") == b"" and left_over(folder) == ["x", "y"]
    assert http.statuses()[-1] == 1 and "ended within a request" in http.said()


def test_ranges(http, folder):
    (folder / "ten").write_bytes(b"0123456789")
    url = f"http://127.0.0.1:{http.port}/ten"
    for asked, expected in {"2-4": b"234", "7-": b"789", "-3": b"789", "0-99": b"0123456789", "9-9": b"9"}.items():
        assert curl("-r", asked, url) == (206, expected)
    assert curl("-r", "10-12", url)[0] == 416
    for ignored in "bytes=5-2", "bytes=1-2,4-5", "lines=1-2", "bytes=x-", "bytes=-":
        assert curl("-H", f"Range: {ignored}", url) == (200, b"0123456789")
    said = http.speak(b"HEAD /ten HTTP/1.1\r\nHost: h\r\nRange: bytes=0-1\r\n\r\n")
    assert b"Content-Length: 2\r\n" in said and b"Content-Range: bytes 0-1/10\r\n" in said and said.endswith(b"\r\n\r\n")


def test_no_way_out(http, folder, tmp_path):
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path)
    (folder / "file").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "pipe")
    (folder / "plain").write_text("plain")
    base = f"http://127.0.0.1:{http.port}"
    for path in ("/../secret", "/%2e%2e/secret", "/a/%2E./../secret", "//secret", "/a//b", "/./plain", "/plain%00", "/%zz",
                 "/%2", "/.uploads/x", "/" + "n" * 2000):
        assert curl("--path-as-is", base + path)[0] == 400, path
        assert curl("--path-as-is", "-T", tmp_path / "secret", base + path)[0] == 400, path
    for path in "/link/secret", "/file", "/link", "/", "/pipe", "/plain/x":
        assert curl(base + path)[0] == 404, path
    assert curl("-T", tmp_path / "secret", base + "/link/new")[0] == 409
    assert curl("-T", tmp_path / "secret", base + "/plain/new")[0] == 409
    assert curl("-T", tmp_path / "secret", base + "/file")[0] == 204  # the link is replaced, not followed
    assert not (folder / "file").is_symlink() and not (tmp_path / "new").exists()
    assert b"secret" not in http.speak(b"GET /../secret HTTP/1.1\r\nHost: h\r\n\r\n")


def test_heads_that_are_wrong(http):
    first = b"GET /x HTTP/1.1\r\nHost: h\r\n"
    many = b"".join(b"H%d: v\r\n" % i for i in range(101))
    for status, head in ((431, first + b"A: " + b"a" * (70 << 10)), (431, first + many + b"\r\n"), (400, b"GET /x\r\n\r\n"),
                         (400, b"\r\n\r\n"), (505, b"GET /x HTTP/2.0\r\n\r\n"), (400, b"GET /x HTTP/1.1\r\n\r\n"),
                         (400, first + b" folded\r\n\r\n"), (400, first + b"A : b\r\n\r\n"), (400, first + b"A: \0\r\n\r\n"),
                         (400, first + b"Host: i\r\n\r\n"), (400, first + b"Content-Length: -1\r\n\r\n"),
                         (400, first + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"),
                         (501, first + b"Transfer-Encoding: gzip\r\n\r\n"), (400, b"GET http://h/x HTTP/1.1\r\nHost: h\r\n\r\n"),
                         (400, first + b"Content-Length: 99999999999999999999999\r\n\r\n"),
                         (411, b"PUT /x HTTP/1.1\r\nHost: h\r\n\r\n"), (400, first + b"A\r\n\r\n")):
        said = http.speak(head)
        assert said.startswith(b"HTTP/1.1 %d " % status), (head[:80], said)
    assert http.speak(b"") == b"" and http.speak(first) == b""


def test_a_connection_is_kept_and_closed(http, folder):
    (folder / "a").write_text("AAA")
    get = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"
    said = http.speak(get + get.replace(b"/a", b"/none") + get)
    assert said.count(b"HTTP/1.1 200") == 2 and said.count(b"HTTP/1.1 404") == 1 and said.endswith(b"AAA")
    for last in b"Connection: close\r\n", b"":
        closing = get.replace(b"\r\n\r\n", b"\r\n" + last + b"\r\n").replace(b"1.1", b"1.1" if last else b"1.0")
        said = http.speak(closing + get, half_close=False)
        assert said.count(b"HTTP/1.1 200") == 1 and b"Connection: close\r\n" in said


def test_full(tmp_path, folder, noise):
    import resource
    with Inetd(tmp_path, "http", folder, before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))) as inetd:
        assert curl("-T", noise, f"http://127.0.0.1:{inetd.port}/x")[0] == 507
        assert left_over(folder) == [] and inetd.statuses() == [0]
        assert "PUT /x: XMinioStorageFull" in inetd.said()


def test_secrets_and_tls(tmp_path, folder, pem):
    secrets, log = tmp_path / "secrets", tmp_path / "log"
    secrets.write_text("Bearer abc\nmore\n")
    with Inetd(tmp_path, "http", folder, "--tls", pem, "--secrets", secrets, "--log", log) as inetd:
        url = f"https://127.0.0.1:{inetd.port}/x"
        right = ("--cacert", certificate_of(pem), "-H", "Authorization: Bearer abc")
        assert curl("-T", pem, *right, url)[0] == 201 and curl(*right, url) == (200, pem.read_bytes())
        assert curl("--cacert", certificate_of(pem), url)[0] == 401
        assert curl("--cacert", certificate_of(pem), "-H", "Authorization: Bearer abcd", url)[0] == 401
        assert curl(*right, "--tls-max", "1.2", url)[0] == 200
        assert curl(url, code=60)[0] == 0
        statuses = inetd.statuses()
        assert statuses[-1] == 1 and set(statuses[:-1]) == {0}
        assert log.stat().st_mode & 0o777 == 0o600 and "unknown ca" in log.read_text() and "abc" not in log.read_text()
        assert inetd.said() == ""


def test_what_is_said_is_not_mixed_into_the_connection(folder):
    """QEMU makes standard error the connection, too."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        child = subprocess.Popen([FAR, "http", folder], stdin=theirs, stdout=theirs, stderr=theirs)
        theirs.close()
        ours.sendall(b"GET /none HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
        said = b""
        while piece := ours.recv(1 << 16):
            said += piece
        ours.close()
        assert child.wait(10) == 0
        assert said.startswith(b"HTTP/1.1 404") and b"understudy-far" not in said


# ---- the relay ----

def test_relay(tmp_path, noise):
    with socket.create_server(("127.0.0.1", 0)) as server:
        def echo():
            for _ in range(2):
                connection, _ = server.accept()
                with connection:
                    data = b""
                    while piece := connection.recv(1 << 16):
                        data += piece
                    connection.sendall(data[::-1])
        thread = threading.Thread(target=echo, daemon=True)
        thread.start()
        with Inetd(tmp_path, "relay", server.getsockname()[1]) as inetd:
            assert inetd.speak(noise.read_bytes()) == noise.read_bytes()[::-1]
            assert inetd.statuses() == [0]
        piped = subprocess.run([FAR, "relay", str(server.getsockname()[1])], input=b"abc", capture_output=True, timeout=10)
        assert (piped.returncode, piped.stdout) == (0, b"cba")
        thread.join(10)
        port = server.getsockname()[1]
    run = subprocess.run([FAR, "relay", str(port)], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
    assert run.returncode == 1 and "Connection refused" in run.stderr


# ---- our own client ----

def http_target(inetd, tls="", more=""):
    return f"http{tls}://127.0.0.1:{inetd.port}/crash/ {more}"


def test_our_client_over_http(tool, core, http, folder, tmp_path):  # noqa: F811
    tool(http_target(http), "put", CRASH, "log.txt", small_file(tmp_path))
    assert tool(http_target(http), "get", CRASH, "log.txt") == b"hello\n"
    assert f"/crash/{CRASH}/dump\n" in tool(http_target(http), "dump", CRASH, core).decode()
    tool.is_dump(folder / "crash" / CRASH / "dump")
    assert b"the same" in tool(http_target(http), "probe", 100000)
    tool(http_target(http), "dump", OTHER, core, "give-up")
    assert left_over(folder) == [f"crash/{CRASH}/dump", f"crash/{CRASH}/log.txt"]


def test_our_client_over_https(tool, core, tmp_path, folder, pem):  # noqa: F811
    secrets = tmp_path / "secrets"
    secrets.write_text("Basic dTpw\n")
    with Inetd(tmp_path, "http", folder, "--tls", pem, "--secrets", secrets) as inetd:
        ca = f"ca={certificate_of(pem)}"
        tool(http_target(inetd, "s", f"{ca} credentials={secrets}"), "dump", CRASH, core)
        tool.is_dump(folder / "crash" / CRASH / "dump")
        put = ("put", OTHER, "log.txt", small_file(tmp_path))
        tool.fails(http_target(inetd, "s", ca), *put, code=DENIED, says="credentials=")
        tool.fails(http_target(inetd, "s", f"credentials={secrets}"), *put, code=DENIED, says="ca=")
