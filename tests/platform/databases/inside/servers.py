"""Real servers as processes, and an agent that serves copies of one as the real one does."""

import contextlib
import functools
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pymysql
import trustme

from tests.platform.databases.orphans import end_with_us

_OPTIONS = (
    *("--log-bin=binlog", "--log-slave-updates", "--binlog-format=ROW", "--gtid-strict-mode", "--sync-binlog=1"),
    *("--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M", "--skip-name-resolve", "--bind-address=127.0.0.1"),
)


@functools.cache
def user() -> str:
    """The system's user that servers and Jobs run as: mariadbd refuses to run as root."""
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid()).pw_name
    return "mysql" if any(entry.pw_name == "mysql" for entry in pwd.getpwall()) else "nobody"


def as_user() -> dict[str, Any]:
    """Options of Popen."""
    if os.getuid() != 0:
        return {}
    found = pwd.getpwnam(user())
    return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}


def _own(path: Path) -> None:
    if os.getuid() == 0:
        found = pwd.getpwnam(user())
        os.chown(path, found.pw_uid, found.pw_gid)


def own_folder(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    _own(folder)
    return folder


@functools.cache
def _template() -> Path:
    folder = own_folder(Path(tempfile.mkdtemp(prefix="ph-template-")))
    end_with_us(folder, is_removed=True)
    by_socket = ("--auth-root-authentication-method=socket", f"--auth-root-socket-user={user()}")
    argv = ["mariadb-install-db", "--no-defaults", f"--datadir={folder}", "--skip-test-db", *by_socket]
    made = subprocess.run(
        argv, capture_output=True, text=True, cwd="/", env=dict(os.environ) | {"TMPDIR": str(folder)}, **as_user(), check=False
    )
    assert made.returncode == 0, made.stdout + made.stderr
    return folder


def remove_template() -> None:
    if _template.cache_info().currsize:
        shutil.rmtree(_template(), ignore_errors=True)
        _template.cache_clear()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """A mariadbd on data of its own; `data` may hold some already."""

    def __init__(self, folder: Path, data: Path | None = None, server_id: int = 1, options: tuple[str, ...] = ()) -> None:
        self.folder, self.port, self.data = own_folder(folder), free_port(), data or folder / "data"
        self._options, self._server_id = options, server_id
        self.socket = folder / "s"
        if not self.data.exists():
            self.make_data()
        end_with_us(self.folder)
        self.start()

    def make_data(self) -> None:
        shutil.copytree(_template(), self.data, copy_function=_copied)
        _owned(self.data)

    def argv(self) -> list[str]:
        return [
            *("mariadbd", "--no-defaults", f"--datadir={self.data}", f"--socket={self.socket}", f"--port={self.port}"),
            *(f"--server-id={self._server_id}", f"--log-error={self.folder / 'log'}", f"--pid-file={self.folder / 'pid'}"),
            f"--tmpdir={self.folder}",
            *(*_OPTIONS, *self._options),
        ]

    def start(self) -> None:
        self._start_as(as_user())

    def _start_as(self, who: dict[str, Any]) -> None:
        self.process = subprocess.Popen(self.argv(), stdin=subprocess.DEVNULL, **who)
        end = time.monotonic() + 30
        while True:
            try:
                with socket.socket(socket.AF_UNIX) as probe:
                    probe.connect(str(self.socket))
                return
            except OSError:
                assert time.monotonic() < end
                assert self.process.poll() is None, (self.folder / "log").read_text()
                time.sleep(0.05)

    def connect(self) -> "pymysql.connections.Connection[Any]":
        return pymysql.connect(unix_socket=str(self.socket), user="root", autocommit=True, ssl_disabled=True)

    def position(self) -> str:
        return str(self.sql("SELECT @@gtid_binlog_pos")[0][0])

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        with self.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def _copied(source: str, target: str) -> str:
    return str(shutil.copy2(source, target))


def _owned(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        _own(path)


@contextlib.contextmanager
def server(folder: Path, **more: Any) -> Iterator[Server]:
    running = Server(folder, **more)
    try:
        yield running
    finally:
        running.kill()


class FakeAgent:
    """Serves copies of a server over TLS to whoever has a certificate of the CA. tls: the folder of a Job's certificate.

    cut_after: bytes of a copy after which the connection ends, as that of an agent that is killed. seeded: what PUT /v1/seed gave it.
    """

    def __init__(self, folder: Path, of: Server) -> None:
        self.server, self.cut_after, self.seeded = of, 0, folder / "seeded"
        authority = trustme.CA()
        self.tls = own_folder(folder / "tls")
        job = authority.issue_cert(common_name="job")
        (self.tls / "ca.crt").write_bytes(authority.cert_pem.bytes())
        (self.tls / "tls.crt").write_bytes(b"".join(pem.bytes() for pem in job.cert_chain_pems))
        (self.tls / "tls.key").write_bytes(job.private_key_pem.bytes())
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)
        authority.issue_cert("localhost").configure_cert(context)
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, self))
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.port = self._http.server_port
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def command(self, path: str) -> list[str]:
        return ["bash", "-o", "pipefail", "-c", self.script(path)]

    def who(self) -> dict[str, Any]:
        return as_user()

    def script(self, path: str) -> str:
        place = f"--no-defaults --socket={self.server.socket} --user={user()}"
        if path == "/v1/clone":
            folders = f"--datadir={self.server.data} --target-dir={self.server.folder / 'copy'}"
            return f"mariadb-backup {place} --backup --stream=mbstream {folders} 2>{self.server.folder}/copy.log | zstd -q -1 -c"
        what = "--all-databases --single-transaction --routines --triggers --events --gtid --master-data=2"
        return f"mariadb-dump {place} {what} | zstd -q -1 -c"


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, agent: FakeAgent, *rest: Any) -> None:
        self.agent = agent
        super().__init__(*rest)

    def log_message(self, format: str, *args: object) -> None:
        return

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        sent = 0
        with subprocess.Popen(self.agent.command(self.path), stdout=subprocess.PIPE, **self.agent.who()) as copy:
            assert copy.stdout is not None
            while part := copy.stdout.read1(65536):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                sent += len(part)
                if self.agent.cut_after and sent > self.agent.cut_after:
                    copy.kill()
                    self.close_connection = True
                    return
        if copy.returncode == 0:
            self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def do_PUT(self) -> None:
        with open(self.agent.seeded, "wb") as out:
            while size := int(self.rfile.readline() or b"0", 16):
                out.write(self.rfile.read(size))
                self.rfile.readline()
        self.rfile.readline()
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextlib.contextmanager
def agent(folder: Path, of: Server) -> Iterator[FakeAgent]:
    running = FakeAgent(folder, of)
    try:
        yield running
    finally:
        running.close()
