# SPDX-License-Identifier: GPL-2.0-or-later
"""Network targets with real servers on 127.0.0.1: OpenSSH, Python's HTTP, s3rver. The program is tests/dump/target.c."""
import os
import pathlib
import random
import struct
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(TOP / "tests/vm"))

import servers  # noqa: E402

CRASH, OTHER = "20260102-030405-6.1", "20260203-040506-6.12"
PAGES = 4000
DENIED, NOT_FOUND, NO_ROOM, UNSUPPORTED, OS = 7, 5, 6, 4, 2  # 1 + enum us_err_code


class Tool:
    def __init__(self):
        build = pathlib.Path(os.environ.get("UNDERSTUDY_BINARY", TOP / "build/understudy")).resolve().parent
        self.path, self.http = build / "tests/dump/target", build / "understudy-http"
        self.verify = build / "understudy"

    def run(self, target, *words, seconds=60):
        env = {**os.environ, "UNDERSTUDY_HTTP": str(self.http), "LC_ALL": "C.UTF-8"}
        return subprocess.run([self.path, str(seconds), target, *map(str, words)], env=env, capture_output=True,
                              timeout=seconds + 60)

    def __call__(self, target, *words, seconds=60):
        run = self.run(target, *words, seconds=seconds)
        assert run.returncode == 0, run.stderr.decode()
        return run.stdout

    def fails(self, target, *words, code, says, seconds=60):
        run = self.run(target, *words, seconds=seconds)
        assert run.returncode == code, (run.returncode, run.stderr.decode())
        for word in [says] if isinstance(says, str) else says:
            assert word in run.stderr.decode()

    def is_dump(self, path):
        """It verifies, and has all its pages."""
        run = subprocess.run([self.verify, "verify", path], capture_output=True, text=True, timeout=120)
        assert run.returncode == 0, run.stdout + run.stderr


@pytest.fixture(scope="module")
def tool():
    tool = Tool()
    if not tool.path.exists() or not tool.http.exists():
        pytest.skip(f"{tool.path} or {tool.http} is not built")
    return tool


@pytest.fixture(scope="module")
def core(tmp_path_factory):
    """An ELF core of 16 MiB: pages of zeros, of one word, and of noise."""
    path, rng = tmp_path_factory.mktemp("core") / "core", random.Random(1)
    info = b"OSRELEASE=6.1.0-test\nPAGESIZE=4096\nNUMBER(phys_base)=4096\n"
    note = struct.pack("<III", 11, len(info), 0) + b"VMCOREINFO\0\0" + info + b"\0" * (-len(info) % 4)
    head = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HHIQQQIHHHHHH", 4, 62, 1, 0, 64, 0, 0, 64, 56, 2, 0, 0, 0)
    head += struct.pack("<IIQQQQQQ", 4, 0, 4096, 0, 0, len(note), 0, 0)
    head += struct.pack("<IIQQQQQQ", 1, 7, 8192, 0xffff888000100000, 0x100000, PAGES * 4096, PAGES * 4096, 0)
    pages = [bytes(4096) if i % 4 == 0 else struct.pack("<Q", i) * 512 if i % 8 == 1 else rng.randbytes(4096)
             for i in range(PAGES)]
    path.write_bytes(head.ljust(4096, b"\0") + note.ljust(4096, b"\0") + b"".join(pages))
    return path


def started(kind, folder, **settings):
    server = kind(folder, **settings)
    try:
        server.start()
    except servers.Unavailable as e:
        pytest.skip(str(e))
    return server


@pytest.fixture
def ssh(tmp_path):
    server = started(servers.Ssh, tmp_path / "ssh")
    yield server
    server.stop()


@pytest.fixture
def http(tmp_path):
    server = started(servers.Http, tmp_path / "http")
    yield server
    server.stop()


@pytest.fixture
def s3(tmp_path):
    server = started(servers.S3, tmp_path / "s3")
    yield server
    server.stop()


def small_file(tmp_path, text="hello\n"):
    path = tmp_path / "small"
    path.write_text(text)
    return path


# ---- SSH ----

def test_ssh_saves_lists_and_removes(tool, ssh, core, tmp_path):
    target = ssh.target()
    tool(target, "put", CRASH, "log.txt", small_file(tmp_path))
    assert tool(target, "get", CRASH, "log.txt") == b"hello\n"
    out = tool(target, "dump", CRASH, core).decode()
    assert f"{CRASH}/dump\n" in out and "complete" in out
    folder = ssh.store / CRASH
    assert sorted(p.name for p in folder.iterdir()) == ["dump", "log.txt"]
    assert folder.stat().st_mode & 0o777 == 0o700 and (folder / "dump").stat().st_mode & 0o777 == 0o600
    tool.is_dump(folder / "dump")
    tool(target, "put", OTHER, "log.txt", small_file(tmp_path))
    (ssh.store / "somebody-else").mkdir()
    size = (folder / "dump").stat().st_size + 6
    assert tool(target, "list").decode().splitlines() == [f"{CRASH} {size} dump log", f"{OTHER} 6 log"]
    tool(target, "remove", CRASH)
    assert not folder.exists()
    assert int(tool(target, "free")) > 1 << 20


def test_ssh_dump_that_is_given_up_is_marked(tool, ssh, core):
    tool(ssh.target(), "dump", CRASH, core, "give-up")
    assert [p.name for p in (ssh.store / CRASH).iterdir()] == ["dump.incomplete"]
    assert " incomplete" in tool(ssh.target(), "list").decode()


def test_ssh_makes_the_folder_and_is_probed(tool, ssh):
    target = ssh.target().replace(str(ssh.store), f"{ssh.store}/new/deep", 1)
    assert b"wrote 1048576 bytes" in tool(target, "probe", 1 << 20)
    assert list((ssh.store / "new/deep").iterdir()) == []


def test_ssh_refusals_are_told_at_once(tool, ssh, tmp_path):
    begin = time.monotonic()
    tool.fails(ssh.target(identity=ssh.other_identity), "list", code=DENIED, says=["key is refused", "authorized_keys"])
    other = ssh.other_identity.with_suffix(".pub").read_text().strip()
    tool.fails(ssh.target(known_hosts=ssh.known_hosts("127.0.0.1", other)), "list", code=DENIED, says="pinned")
    (tmp_path / "empty").write_text("")
    tool.fails(ssh.target(known_hosts=tmp_path / "empty"), "list", code=DENIED, says="known-hosts")
    tool.fails(ssh.target(identity=tmp_path / "none"), "list", code=NOT_FOUND, says="ssh-keygen")
    target = ssh.target()
    ssh.stop()
    tool.fails(target, "list", code=NOT_FOUND, says="nothing listens")
    assert time.monotonic() - begin < 30


def test_ssh_without_sftp_is_told(tool, tmp_path):
    with servers.Ssh(tmp_path / "ssh", subsystem=False) as server:
        tool.fails(server.target(), "list", code=UNSUPPORTED, says="SFTP")


def test_ssh_server_that_is_silent_costs_its_time_only(tool, tmp_path):
    import socket
    with servers.Ssh(tmp_path / "ssh") as server, socket.create_server(("127.0.0.1", 0)) as silent:
        target = server.target().replace(f":{server.port}", f":{silent.getsockname()[1]}")
        begin = time.monotonic()
        tool.fails(target, "list", code=OS, says="in time", seconds=3)
        assert time.monotonic() - begin < 10


# ---- HTTP ----

def test_http_saves_and_reads_back(tool, http, core, tmp_path):
    target = http.target()
    tool(target, "put", CRASH, "log.txt", small_file(tmp_path))
    assert tool(target, "get", CRASH, "log.txt") == b"hello\n"
    assert f"/crash/{CRASH}/dump\n" in tool(target, "dump", CRASH, core).decode()
    tool.is_dump(http.store / "crash" / CRASH / "dump")
    assert b"the same" in tool(target, "probe", 100000)
    tool.fails(target, "list", code=UNSUPPORTED, says="listed")


def test_http_tries_again(tool, http, tmp_path):
    http.fail(2)
    tool(http.target(), "put", CRASH, "log.txt", small_file(tmp_path))
    http.drops = 1
    tool(http.target(), "put", CRASH, "state.txt", small_file(tmp_path))
    assert [m for m, *_ in http.requests] == ["PUT"] * 5
    http.fail(100)
    tool.fails(http.target(), "put", CRASH, "log.txt", small_file(tmp_path), code=OS, says="503", seconds=4)


def test_http_full_and_gone(tool, core, tmp_path):
    with servers.Http(tmp_path / "h", room=3 << 20) as server:
        target = server.target()
        tool.fails(target, "dump", CRASH, core, code=NO_ROOM, says="no space")
        assert not (server.store / "crash" / CRASH / "dump").exists()
    begin = time.monotonic()
    tool.fails(target, "put", CRASH, "log.txt", small_file(tmp_path), code=NOT_FOUND, says="nothing answers")
    assert time.monotonic() - begin < 15


def test_http_given_up_leaves_nothing(tool, http, core):
    tool(http.target(), "dump", CRASH, core, "give-up")
    assert not (http.store / "crash" / CRASH / "dump").exists()


def test_http_credentials_and_certificates(tool, tmp_path):
    pair = servers.certificate(tmp_path)
    words = tmp_path / "credentials"
    words.write_text("Basic dTpw\n")
    with servers.Http(tmp_path / "h", certificate=pair, authorization="Basic dTpw") as server:
        put = ("put", CRASH, "log.txt", small_file(tmp_path))
        tool(server.target(more=f"ca={pair[0]} credentials={words}"), *put)
        tool.fails(server.target(more=f"ca={pair[0]}"), *put, code=DENIED, says="credentials=")
        tool.fails(server.target(more=f"credentials={words}"), *put, code=DENIED, says="ca=")
        assert "dTpw" not in str(server.log.read_text())


# ---- S3 ----

def test_s3_saves_lists_and_removes(tool, s3, core, tmp_path):
    target = s3.target()
    tool(target, "put", CRASH, "log.txt", small_file(tmp_path))
    assert tool(target, "get", CRASH, "log.txt") == b"hello\n"
    assert f"s3://crash/machine/{CRASH}/dump\n" in tool(target, "dump", CRASH, core).decode()
    assert s3.keys() == [f"machine/{CRASH}/dump", f"machine/{CRASH}/log.txt"]
    dump = tmp_path / "dump"
    dump.write_bytes(s3.object(f"machine/{CRASH}/dump"))
    assert dump.read_bytes()[:8] == b"KDUMP   "
    tool.is_dump(dump)
    tool(target, "put", OTHER, "log.txt", small_file(tmp_path))
    assert tool(target, "list").decode().splitlines() == [f"{CRASH} {dump.stat().st_size + 6} dump log", f"{OTHER} 6 log"]
    tool(target, "remove", CRASH)
    assert s3.keys() == [f"machine/{OTHER}/log.txt"]
    assert b"the same" in tool(target, "probe", 100000)
    assert s3.keys() == [f"machine/{OTHER}/log.txt"]


def test_s3_given_up_leaves_nothing(tool, s3, core):
    tool(s3.target(), "dump", CRASH, core, "give-up")
    assert s3.keys() == []


def test_s3_refusals_are_told(tool, s3, tmp_path):
    put = ("put", CRASH, "log.txt", small_file(tmp_path))
    stranger = tmp_path / "stranger"
    stranger.write_text("NOBODY SECRET\n")
    tool.fails(s3.target(credentials=stranger), *put, code=DENIED, says="access key")
    tool.fails(s3.target(bucket="other"), *put, code=NOT_FOUND, says="no such bucket")
    tool.fails(s3.target(credentials=tmp_path / "none"), *put, code=NOT_FOUND, says="none")
    stranger.write_text("ONLY-ONE-WORD\n")
    tool.fails(s3.target(credentials=stranger), *put, code=4 - 1, says="ACCESS_KEY SECRET")


def test_s3_over_tls(tool, core, tmp_path):
    server = started(servers.S3, tmp_path / "s3", certificate=servers.certificate(tmp_path))
    try:
        tool(server.target(), "dump", CRASH, core)
        assert server.object(f"machine/{CRASH}/dump")[:5] == b"KDUMP"
        without = server.target().rsplit(" ca=", 1)[0]
        tool.fails(without, "list", code=DENIED, says="certificate")
    finally:
        server.stop()


class Store:
    """A server that answers what it is told to: [(status, headers, body)...], and remembers what it was asked."""

    def __init__(self, *answers):
        outer = self
        self.answers, self.asked = list(answers), []

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def date_time_string(self, timestamp=None):
                return outer.date or super().date_time_string(timestamp)

            def do(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                outer.asked.append((self.command, self.path, self.headers, body))
                status, headers, body = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                outer.date = headers.pop("Date", None)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": len(body)}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(body)

            do_GET = do_PUT = do_POST = do_DELETE = do

        self.date = None
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_port

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def target(self, tmp_path, endpoint="127.0.0.1", more="", path="crash/machine"):
        (tmp_path / "keys").write_text("AKID SECRET TOKEN\n")
        return f"s3://{path} endpoint=http://{endpoint}:{self.port} credentials={tmp_path}/keys region=eu-central-1 {more}"


def test_s3_corrects_the_clock(tool, tmp_path):
    skewed = b"<Error><Code>RequestTimeTooSkewed</Code><Message>no</Message></Error>"
    with Store((403, {"Date": "Sat, 02 Jan 2044 03:04:05 GMT"}, skewed), (200, {}, b"")) as store:
        tool(store.target(tmp_path), "put", CRASH, "log.txt", small_file(tmp_path))
        first, second = [headers["x-amz-date"] for _, _, headers, _ in store.asked]
        assert not first.startswith("2044") and second.startswith("20440102T0304")
        assert store.asked[1][2]["x-amz-security-token"] == "TOKEN"
        assert "/20440102/eu-central-1/s3/aws4_request" in store.asked[1][2]["Authorization"]
        assert store.asked[1][3] == b"hello\n"


def test_s3_at_amazon_has_the_bucket_in_the_host(tool, tmp_path):
    with Store((200, {}, b"")) as store:
        put = ("put", CRASH, "log.txt", small_file(tmp_path))
        tool(store.target(tmp_path, "s3.eu-central-1.amazonaws.com", "address=127.0.0.1"), *put)
        tool(store.target(tmp_path, "s3.eu-central-1.amazonaws.com", "address=127.0.0.1", "with.dots/a/"), *put)
        hosts = [(headers["Host"], path) for _, path, headers, _ in store.asked]
        assert hosts == [(f"crash.s3.eu-central-1.amazonaws.com:{store.port}", f"/machine/{CRASH}/log.txt"),
                         (f"s3.eu-central-1.amazonaws.com:{store.port}", f"/with.dots/a/{CRASH}/log.txt")]


def test_s3_lists_page_by_page(tool, tmp_path):
    page = "<L><IsTruncated>{}</IsTruncated>{}<Contents><Key>machine/{}</Key><Size>{}</Size></Contents></L>"
    first = page.format("true", "<NextContinuationToken>a/b+</NextContinuationToken>", f"{CRASH}/log.txt", 7).encode()
    second = page.format("false", "", f"{CRASH}/dump", 5).encode()
    with Store((200, {}, first), (200, {}, second)) as store:
        assert tool(store.target(tmp_path), "list").decode() == f"{CRASH} 12 dump log\n"
        assert [path for _, path, _, _ in store.asked] == [
            "/crash?list-type=2&prefix=machine%2F", "/crash?continuation-token=a%2Fb%2B&list-type=2&prefix=machine%2F"]


@pytest.mark.parametrize("status,code,expected,says", [
    (403, "AccessDenied", DENIED, "may not do that"), (403, "SignatureDoesNotMatch", DENIED, "secret"),
    (404, "NoSuchBucket", NOT_FOUND, "no such bucket"), (301, "PermanentRedirect", 9, "endpoint="),
    (507, "XMinioStorageFull", NO_ROOM, "no space"), (403, "", DENIED, "refuses these credentials")])
def test_s3_errors_have_a_reason(tool, tmp_path, status, code, expected, says):
    with Store((status, {}, f"<Error><Code>{code}</Code></Error>".encode() if code else b"")) as store:
        tool.fails(store.target(tmp_path), "put", CRASH, "log.txt", small_file(tmp_path), code=expected, says=says)
        assert len(store.asked) == 1


def test_s3_parts_that_cannot_be_put_together_are_no_dump(tool, core, tmp_path):
    begun = b"<R><UploadId>x/y</UploadId></R>"
    broken = b"<Error><Code>InternalError</Code></Error>"
    answers = [(200, {}, begun), *[(200, {"ETag": '"1"'}, b"")] * 3, (200, {}, broken)]
    with Store(*answers) as store:
        tool.fails(store.target(tmp_path), "dump", CRASH, core, code=8, says="put the parts together")
        assert [(m, p.split("?")[1]) for m, p, _, _ in store.asked][1:4] == [
            ("PUT", f"partNumber={n}&uploadId=x%2Fy") for n in (2, 3, 1)]
