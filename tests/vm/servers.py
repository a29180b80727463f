# SPDX-License-Identifier: GPL-2.0-or-later
"""Servers that take dumps, each on a free port of 127.0.0.1 (which a guest sees as 10.0.2.2): SSH, HTTP, S3, NFS.

Each is a context manager: `with servers.Ssh(folder) as s:` gives .port, .store (where files arrive) and .target(host)
(the words of a target in understudy.conf). It is ended by its own process id. What a machine lacks to run one is an
Unavailable with the reason, which a test turns into a skip.
"""
import contextlib
import getpass
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
UP_SECONDS = 60


class Unavailable(Exception):
    pass


def program(name, package):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
    if not found:
        raise Unavailable(f"{name} is missing (package {package})")
    return found


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port, process=None, log=None):
    end = time.monotonic() + UP_SECONDS
    while time.monotonic() < end:
        if process and process.poll() is not None:
            break
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    text = log.read_text(errors="replace")[-2000:] if log and log.exists() else ""
    raise Unavailable(f"no server came up on port {port}\n{text}")


class Server:
    """A program that listens: .start() begins it, leaving the block ends it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.store = self.folder / "store"
        self.store.mkdir(exist_ok=True)
        self.log = self.folder / "log"
        self.port = free_port()
        self.process = None

    def run(self, *words, env=None):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(w) for w in words], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=env, start_new_session=True)
        wait_for_port(self.port, self.process, self.log)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        if not self.process:
            return
        for sent in signal.SIGTERM, signal.SIGKILL:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, sent)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(5)
                break
        self.process = None


class Ssh(Server):
    """OpenSSH's server; .identity is a key that it lets in, .other_identity one that it refuses."""

    def __init__(self, folder, subsystem=True, v6=False):
        super().__init__(folder)
        self.subsystem, self.v6 = subsystem, v6
        self.identity, self.other_identity = self.folder / "id", self.folder / "id-other"
        self.host_key = self.folder / "host-key"

    def key(self, path):
        if not path.exists():
            subprocess.run([program("ssh-keygen", "openssh-client"), "-q", "-t", "ed25519", "-N", "", "-C", path.name,
                            "-f", path], check=True, timeout=60)
        return path.with_suffix(".pub").read_text()

    def start(self):
        sshd = program("sshd", "openssh-server")
        host_key = self.key(self.host_key).split()
        self.key(self.other_identity)
        (self.folder / "authorized").write_text(self.key(self.identity))
        self.host_key_words = " ".join(host_key[:2])
        with contextlib.suppress(PermissionError, FileExistsError):
            pathlib.Path("/run/sshd").mkdir(mode=0o755)
        lines = [f"Port {self.port}", "ListenAddress 127.0.0.1", *["ListenAddress ::1"] * self.v6, f"HostKey {self.host_key}",
                 f"AuthorizedKeysFile {self.folder}/authorized", "StrictModes no", "UsePAM no", "PasswordAuthentication no",
                 "KbdInteractiveAuthentication no", f"PidFile {self.folder}/pid", "PermitRootLogin yes"]
        lines += ["Subsystem sftp internal-sftp"] if self.subsystem else []
        (self.folder / "sshd.conf").write_text("\n".join(lines) + "\n")
        self.run(sshd, "-D", "-e", "-f", self.folder / "sshd.conf")

    def known_hosts(self, host="127.0.0.1", words=None):
        """A file that pins the host's key (or other words) for that name."""
        path = self.folder / f"known-{host.replace(':', '.')}{'-other' if words else ''}"
        path.write_text(f"[{host}]:{self.port} {words or self.host_key_words}\n")
        return path

    def target(self, host="127.0.0.1", identity=None, known_hosts=None):
        return (f"ssh://{getpass.getuser()}@{host}:{self.port}{self.store} identity={identity or self.identity} "
                f"known-hosts={known_hosts or self.known_hosts(host)}")


class Http(Server):
    """Python's own HTTP server, taught PUT (with a length or chunked), GET, DELETE. TLS with certificate=(cert, key).

    .fail(n): the next n requests get 503. .authorization: what a request has to bring. .room: bytes that it takes.
    """

    def __init__(self, folder, certificate=None, authorization=None, room=None):
        super().__init__(folder)
        self.certificate, self.authorization, self.room = certificate, authorization, room
        self.failures, self.requests, self.posts, self.drops = 0, [], [], 0
        self.server = None

    def fail(self, n):
        self.failures = n

    def start(self):
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, form, *args):
                with open(outer.log, "a") as log:
                    log.write(form % args + "\n")

            def answer(self, status, body=b"", close=False):
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                if close:
                    self.send_header("Connection", "close")
                    self.close_connection = True
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def begin(self):
                """True if the request may go on. Its body is still unread otherwise, so the connection closes."""
                outer.requests.append((self.command, self.path, dict(self.headers)))
                if outer.drops:
                    outer.drops -= 1
                    self.close_connection = True
                    self.connection.close()
                elif outer.failures:
                    outer.failures -= 1
                    self.answer(503, b"busy", close=True)
                elif outer.authorization and self.headers.get("Authorization") != outer.authorization:
                    self.answer(401, b"who are you?", close=True)
                else:
                    return True
                return False

            def linger(self):
                """Closing on unread bytes would take the answer from the client."""
                self.connection.settimeout(5)
                with contextlib.suppress(OSError):
                    while self.connection.recv(1 << 16):
                        pass

            def file(self):
                path = (outer.store / urllib.parse.unquote(self.path.split("?")[0]).lstrip("/")).resolve()
                return path if outer.store.resolve() in path.parents else None

            def pieces(self):
                if self.headers.get("Transfer-Encoding") == "chunked":
                    while n := int(self.rfile.readline().split(b";")[0], 16):
                        yield self.rfile.read(n)
                        self.rfile.readline()
                    self.rfile.readline()
                    return
                left = int(self.headers.get("Content-Length", 0))
                while left:
                    piece = self.rfile.read(min(left, 1 << 20))
                    if not piece:
                        raise ConnectionError("cut")
                    left -= len(piece)
                    yield piece

            def do_PUT(self):
                path = self.file()
                if not self.begin():
                    return
                if self.headers.get("Expect") == "100-continue":
                    pass  # BaseHTTPRequestHandler has answered it
                path.parent.mkdir(parents=True, exist_ok=True)
                part, n = path.with_name(path.name + ".part"), 0
                with open(part, "wb") as out:
                    for piece in self.pieces():
                        n += len(piece)
                        if outer.room is not None and n > outer.room:
                            part.unlink()
                            self.answer(507, b"full", close=True)
                            self.linger()
                            return
                        out.write(piece)
                part.rename(path)
                self.answer(201)

            def do_GET(self):
                if not self.begin():
                    return
                path = self.file()
                if not path or not path.is_file():
                    self.answer(404)
                    return
                body, asked = path.read_bytes(), self.headers.get("Range", "")
                if asked.startswith("bytes=0-"):
                    body = body[:int(asked[8:]) + 1]
                    self.answer(206, body)
                else:
                    self.answer(200, body)

            do_HEAD = do_GET

            def do_POST(self):
                if self.begin():
                    outer.posts.append(b"".join(self.pieces()))
                    self.answer(200)

            def do_DELETE(self):
                if not self.begin():
                    return
                path = self.file()
                if path and path.is_file():
                    path.unlink()
                    self.answer(204)
                else:
                    self.answer(404)

        class Listener(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                with open(outer.log, "a") as log:
                    log.write(f"a connection from {client_address} broke\n")

        self.server = Listener(("127.0.0.1", self.port), Handler)
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*map(str, self.certificate))
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        if self.server:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def target(self, host="127.0.0.1", more=""):
        scheme = "https" if self.certificate else "http"
        return f"{scheme}://{host}:{self.port}/crash/{' ' if more else ''}{more}"


def certificate(folder, name="127.0.0.1"):
    """(certificate, key): self-signed, for that name or address."""
    cert, key = pathlib.Path(folder) / "cert.pem", pathlib.Path(folder) / "key.pem"
    kind = "IP" if name[0].isdigit() else "DNS"
    subprocess.run([program("openssl", "openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={kind}:{name}",
                    "-keyout", key, "-out", cert], check=True, capture_output=True, timeout=60)
    return cert, key


class S3(Server):
    """s3rver, an object store in a folder. It looks at access keys and at the form of signatures, not at their value."""

    VERSION = "3.7.1"
    KEYS = "S3RVER S3RVER"

    def __init__(self, folder, bucket="crash", certificate=None):
        super().__init__(folder)
        self.bucket, self.certificate = bucket, certificate

    def installed(self):
        cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "understudy"
        place = cache / f"s3rver-{self.VERSION}"
        main = place / "node_modules/s3rver/bin/s3rver.js"
        if not main.exists():
            place.mkdir(parents=True, exist_ok=True)
            run = subprocess.run([program("npm", "npm"), "install", "--no-audit", "--no-fund", "--loglevel=error", "--prefix",
                                  place, f"s3rver@{self.VERSION}"], capture_output=True, text=True, timeout=300)
            if not main.exists():
                raise Unavailable(f"s3rver could not be installed: {run.stderr[-500:]}")
        return main

    def start(self):
        node, main = program("node", "nodejs"), self.installed()
        tls = ["--cert", self.certificate[0], "--key", self.certificate[1]] if self.certificate else []
        self.run(node, main, "-d", self.store, "-a", "127.0.0.1", "-p", self.port, "--configure-bucket", self.bucket, *tls)
        self.credentials = self.folder / "credentials"
        self.credentials.write_text(self.KEYS + "\n")
        self.credentials.chmod(0o600)

    def object(self, key):
        """The bytes of an object, or None."""
        path = self.store / self.bucket / f"{key}._S3rver_object"
        return path.read_bytes() if path.exists() else None

    def keys(self):
        root = self.store / self.bucket
        return sorted(p.relative_to(root).as_posix().removesuffix("._S3rver_object")
                      for p in root.rglob("*._S3rver_object"))

    def target(self, host="127.0.0.1", credentials=None, bucket=None, prefix="machine"):
        tls = f" ca={self.certificate[0]}" if self.certificate else ""
        return (f"s3://{bucket or self.bucket}/{prefix} endpoint=http{'s' if tls else ''}://{host}:{self.port} "
                f"region=us-east-1 credentials={credentials or self.credentials}{tls}")


class Nfs(Server):
    """NFS-Ganesha: version 4 alone, over TCP, no portmapper. It needs root and a file system that has file handles."""

    def start(self):
        ganesha = program("ganesha.nfsd", "nfs-ganesha nfs-ganesha-vfs")
        if os.geteuid():
            raise Unavailable("the NFS server needs root")
        recovery = self.folder / "recovery"
        recovery.mkdir(exist_ok=True)
        (self.folder / "ganesha.conf").write_text(f"""
NFS_CORE_PARAM {{
    NFS_Port = {self.port}; Bind_addr = 127.0.0.1; Protocols = 4;
    Enable_NLM = false; Enable_RQUOTA = false; Rquota_Port = 0; MNT_Port = 0;
    Plugins_Dir = "/usr/lib/ganesha";
}}
NFSV4 {{ RecoveryBackend = fs; RecoveryRoot = "{recovery}"; Grace_Period = 5; Lease_Lifetime = 90; Graceless = true; }}
EXPORT {{
    Export_Id = 1; Path = "{self.store}"; Pseudo = "/crash"; Access_Type = RW; Squash = No_Root_Squash;
    Protocols = 4; Transports = TCP; SecType = sys; FSAL {{ Name = VFS; }}
}}
""")
        text = (self.folder / "ganesha.conf").read_text().replace("    Plugins_Dir = \"/usr/lib/ganesha\";\n", "")
        (self.folder / "ganesha.conf").write_text(text)
        self.run(ganesha, "-F", "-f", self.folder / "ganesha.conf", "-L", self.log, "-p", self.folder / "pid")

    def target(self, host="127.0.0.1", folder="machine"):
        return f"nfs://{host}:{self.port}/crash//{folder}"


KINDS = {"ssh": Ssh, "http": Http, "s3": S3, "nfs": Nfs}

if __name__ == "__main__":  # a server by hand: servers.py KIND FOLDER
    import sys
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with KINDS[sys.argv[1]](sys.argv[2]) as server:
        print(json.dumps({"port": server.port, "target": server.target()}), flush=True)
        signal.pause()
