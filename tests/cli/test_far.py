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

from test_targets import CRASH, DENIED, NO_ROOM, NOT_FOUND, OS, OTHER, core, small_file, tool  # noqa: E402, F401

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
    run = subprocess.run([FAR], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=10)
    assert run.returncode == 2 and run.stdout.startswith(b"understudy-far: ")
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


def test_many_at_a_time(http, folder, tmp_path):
    """The same name, by a process each: what is there is always one of them, whole."""
    url, sizes = f"http://127.0.0.1:{http.port}/deep/er/x", range(1_000_000, 1_000_008)
    for size in sizes:
        (tmp_path / str(size)).write_bytes(bytes([size % 256]) * size)
    puts = [subprocess.Popen(["curl", "-q", "-sSf", "--noproxy", "*", "-m", "20", "-T", tmp_path / str(size), url]) for size in sizes]
    while any(put.poll() is None for put in puts):
        status, body = curl(url)
        assert status == 404 or (len(body) in sizes and set(body) == {len(body) % 256})
    assert [put.returncode for put in puts] == [0] * len(puts) and left_over(folder) == ["deep/er/x"]


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
    run = subprocess.run([FAR, "relay", str(port), "--net", "/proc/0/ns/net"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=10)
    assert run.returncode == 1 and "entering /proc/0/ns/net: No such file" in run.stderr


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
    assert http.statuses()[-1] == 1  # and has tidied up
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


# ---- the object store ----

KEYS = "AKID5 its/Secret+words"


@pytest.fixture
def s3(tmp_path, folder):
    (tmp_path / "keys").write_text(KEYS + "\n")
    with Inetd(tmp_path, "s3", folder, "--bucket", "crash", "--region", "eu-west-9", "--secrets", tmp_path / "keys") as inetd:
        yield inetd


def s3_target(tmp_path, inetd, keys=KEYS, bucket="crash", region="eu-west-9", tls="", more=""):
    path = tmp_path / f"keys-{abs(hash(keys))}"
    path.write_text(keys + "\n")
    return f"s3://{bucket}/ma~chine/ endpoint=http{tls}://127.0.0.1:{inetd.port} region={region} credentials={path} {more}"


def test_our_client_over_s3(tool, core, s3, folder, tmp_path):  # noqa: F811
    target = s3_target(tmp_path, s3)
    tool(target, "put", CRASH, "log.txt", small_file(tmp_path))
    assert tool(target, "get", CRASH, "log.txt") == b"hello\n"
    assert f"{CRASH}/dump\n" in tool(target, "dump", CRASH, core).decode()  # 12 MiB: three parts
    dump = folder / "ma~chine" / CRASH / "dump"
    assert dump.stat().st_size > 10 << 20 and dump.read_bytes()[:8] == b"KDUMP   "
    tool.is_dump(dump)
    tool(target, "put", OTHER, "log.txt", small_file(tmp_path))
    assert tool(target, "list").decode().splitlines() == [f"{CRASH} {dump.stat().st_size + 6} dump log", f"{OTHER} 6 log"]
    tool(target, "remove", CRASH)
    assert b"the same" in tool(target, "probe", 100000)
    tool(target, "dump", CRASH, core, "give-up")
    assert left_over(folder) == [f"ma~chine/{OTHER}/log.txt"] and list((folder / ".uploads").iterdir()) == []
    assert set(s3.statuses()) == {0} and s3.said() == ""


def test_s3_over_tls(tool, core, tmp_path, folder, pem):  # noqa: F811
    (tmp_path / "keys").write_text(KEYS + " TO/KEN=\n")
    with Inetd(tmp_path, "s3", folder, "--bucket", "crash", "--tls", pem, "--secrets", tmp_path / "keys") as inetd:
        ca = f"ca={certificate_of(pem)}"
        tool(s3_target(tmp_path, inetd, KEYS + " TO/KEN=", region="us-east-1", tls="s", more=ca), "dump", CRASH, core)
        tool.is_dump(folder / "ma~chine" / CRASH / "dump")
        for keys in KEYS, KEYS + " OTHER":
            tool.fails(s3_target(tmp_path, inetd, keys, region="us-east-1", tls="s", more=ca), "list", code=OS,
                       says="InvalidToken")


def test_s3_refusals(tool, s3, folder, tmp_path):  # noqa: F811
    put = ("put", CRASH, "log.txt", small_file(tmp_path))
    tool.fails(s3_target(tmp_path, s3, "AKID5 its/Secret+word"), *put, code=DENIED, says=["secret", "SignatureDoesNotMatch"])
    tool.fails(s3_target(tmp_path, s3, "AKID6 its/Secret+words"), *put, code=DENIED, says="InvalidAccessKeyId")
    tool.fails(s3_target(tmp_path, s3, region="eu-west-8"), *put, code=9, says="AuthorizationHeaderMalformed")
    tool.fails(s3_target(tmp_path, s3, bucket="other"), *put, code=NOT_FOUND, says="NoSuchBucket")
    tool.fails(s3_target(tmp_path, s3), "get", CRASH, "none", code=NOT_FOUND, says="NoSuchKey")
    assert left_over(folder) == [] and "SignatureDoesNotMatch" in s3.said() and "its/Secret" not in s3.said()
    status, body = curl("-T", tmp_path / "small", f"http://127.0.0.1:{s3.port}/crash/x")
    assert status == 403 and b"<Code>AccessDenied</Code>" in body


def test_s3_signatures_by_curl(s3, folder, tmp_path):
    """Another maker of signatures than ours; what was signed must be what is sent."""
    def signed(*words, path="/crash/a%20b/%C3%A4%2B", secret="its/Secret+words", headers=()):
        return curl("--aws-sigv4", "aws:amz:eu-west-9:s3", "-u", f"AKID5:{secret}", *words, *headers,
                    f"http://127.0.0.1:{s3.port}{path}")
    empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (folder / "a b").mkdir()
    (folder / "a b/ä+").write_text("abc")
    assert signed(headers=["-H", f"x-amz-content-sha256: {empty}"]) == (200, b"abc")
    status, body = signed(secret="no", headers=["-H", f"x-amz-content-sha256: {empty}"])
    assert status == 403 and b"SignatureDoesNotMatch" in body
    assert signed()[0] == 400  # no hash of the body
    put = ("-X", "PUT", "--data-binary")
    assert signed(*put, "abc", headers=["-H", f"x-amz-content-sha256: {abc}"], path="/crash/n")[0] == 200
    status, body = signed(*put, "abd", headers=["-H", f"x-amz-content-sha256: {abc}"], path="/crash/m")
    assert status in (400, 403) and b"<Error>" in body
    assert left_over(folder) == ["a b/ä+", "n"]


class Client:
    """Requests without signatures, to a store without secrets."""

    def __init__(self, port):
        self.base = f"http://127.0.0.1:{port}"

    def __call__(self, method, path, data=b"", headers=()):
        """(status, body, ETag)"""
        run = subprocess.run(["curl", "-q", "-sS", "-i", "--noproxy", "*", "-m", "10", "-X", method, "--data-binary", "@-",
                              *[w for h in ("Expect:", *headers) for w in ("-H", h)], self.base + path],
                             input=data, capture_output=True, timeout=20, check=True)
        head, _, body = run.stdout.partition(b"\r\n\r\n")
        etag = [line.split(b": ")[1].decode() for line in head.split(b"\r\n") if line.lower().startswith(b"etag:")]
        return int(head.split()[1]), body.decode(), etag[0] if etag else None

    def refused(self, *words, status=400, code):
        got, body, _ = self(*words)
        assert (got, f"<Code>{code}</Code>" in body) == (status, True), body


@pytest.fixture
def store(tmp_path, folder):
    with Inetd(tmp_path, "s3", folder, "--bucket", "crash") as inetd:
        yield Client(inetd.port)


def part_list(*parts):
    inside = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in parts)
    return f"<CompleteMultipartUpload>{inside}</CompleteMultipartUpload>".encode()


def begin(store, key="/crash/big"):
    status, body, _ = store("POST", key + "?uploads")
    assert status == 200
    return f"{key}?uploadId=" + body.split("<UploadId>")[1].split("<")[0]


def test_s3_parts(store, folder):
    upload, least = begin(store), 5 << 20
    etags = {n: store("PUT", f"{upload}&partNumber={n}", bytes([n]) * size)[2]
             for n, size in ((2, least), (7, least), (9, 10), (3, 5))}
    again = store("PUT", f"{upload}&partNumber=2", b"x" * least)[2]
    assert again != etags[2]
    for code, parts in {"InvalidPart": [(2, etags[2]), (9, etags[9])], "InvalidPartOrder": [(7, etags[7]), (2, again)],
                        "EntityTooSmall": [(2, again), (3, etags[3]), (9, etags[9])], "MalformedXML": [],
                        "InvalidPart ": [(2, again), (8, etags[9])]}.items():
        store.refused("POST", upload, part_list(*parts), code=code.strip())
    for bad in b"<a", b"", b"<P><Part><PartNumber>x</PartNumber><ETag>e</ETag></Part></P>":
        store.refused("POST", upload, bad, code="MalformedXML")
    assert store("GET", "/crash/big")[0] == 404 and "<KeyCount>0<" in store("GET", "/crash?list-type=2")[1]
    quoted = etags[7].replace('"', "&quot;")
    status, body, _ = store("POST", upload, part_list((2, again), (7, quoted), (9, etags[9].strip('"'))))
    assert status == 200 and "<Key>big</Key>" in body
    assert (folder / "big").read_bytes() == b"x" * least + b"\7" * least + b"\t" * 10
    assert list((folder / ".uploads").iterdir()) == []
    store.refused("POST", upload, part_list((2, again)), status=404, code="NoSuchUpload")
    upload = begin(store)
    for n in "0", "10001", "x", "-1":
        store.refused("PUT", f"{upload}&partNumber={n}", b"a", code="InvalidArgument")
    store.refused("PUT", upload.replace("big", "other") + "&partNumber=1", b"a", status=404, code="NoSuchUpload")
    store.refused("PUT", "/crash/big?partNumber=1&uploadId=../../x", b"a", status=404, code="NoSuchUpload")
    assert store("PUT", f"{upload}&partNumber=1", b"a")[0] == 200 and store("DELETE", upload)[0] == 204
    store.refused("DELETE", upload, status=404, code="NoSuchUpload")
    assert left_over(folder) == ["big"]


def test_s3_lists(store, folder, tmp_path):
    names = ["a/1", "a/2", "a/b/c", "a&<b", "b", "zz"]
    for name in names:
        assert store("PUT", "/crash/" + name.replace("&", "%26").replace("<", "%3C"), b"12345")[0] == 200
    (folder / "link").symlink_to(tmp_path)

    def listed(query=""):
        status, body, _ = store("GET", "/crash?list-type=2" + query)
        assert status == 200
        return [k.split("<")[0] for k in body.split("<Key>")[1:]], body
    assert listed()[0] == ["a&#38;&#60;b", "a/1", "a/2", "a/b/c", "b", "zz"]
    assert listed("&prefix=a%2F")[0] == ["a/1", "a/2", "a/b/c"] and listed("&start-after=a/b")[0] == ["a/b/c", "b", "zz"]
    seen, query = [], "&max-keys=4"
    for _ in range(2):
        keys, body = listed(query)
        seen += keys
        if "<IsTruncated>true<" in body:
            query += "&continuation-token=" + body.split("<NextContinuationToken>")[1].split("<")[0]
    assert len(seen) == 6 and "<IsTruncated>false<" in body and "<KeyCount>2<" in body
    store.refused("GET", "/crash?list-type=2&max-keys=x", code="InvalidArgument")
    store.refused("GET", "/crash?list-type=2&delimiter=%2F", status=501, code="NotImplemented")
    store.refused("GET", "/crash/b?acl", status=501, code="NotImplemented")
    store.refused("GET", "/other?list-type=2", status=404, code="NoSuchBucket")
    store.refused("GET", "/crash/.uploads/x", code="InvalidURI")
    assert store("DELETE", "/crash/b")[0] == 204 and store("DELETE", "/crash/b")[0] == 204
    assert store("PUT", "/crash/x", b"abc", ["x-amz-content-sha256: " + "0" * 64])[0] == 400
    assert "b" not in listed()[0] and "x" not in listed()[0]
    assert store("GET", "/crash/a/1", b"", ["Range: bytes=1-2"])[:2] == (206, "23")
    assert curl("-I", f"{store.base}/crash/a/1")[1].count(store("GET", "/crash/a/1")[2].encode()) == 1


def test_s3_full(tmp_path, folder, tool):  # noqa: F811
    import resource
    with Inetd(tmp_path, "s3", folder, "--bucket", "crash",
               before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))) as inetd:
        big = tmp_path / "big"
        big.write_bytes(bytes(2 << 20))
        tool.fails(s3_target(tmp_path, inetd), "put", CRASH, "log.txt", big, code=NO_ROOM, says="no space")
        assert left_over(folder) == []
