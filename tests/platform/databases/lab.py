"""Real servers with their agents as processes of this machine, for tests of what happens to them.

Each member has its folders under one temporary folder, its ports on 127.0.0.1, a supervisor and an agent, started as the user `mysql`
(or `nobody`) from the very archive that pods get. Nothing is left when the lab is closed.

MySQL's servers are not those of the machine: they and their agents run with the root file system that PILOTHOUSE_MYSQL_ROOT names, such
as the image's, as tests that are root can have them do.
"""

import http.client
import json
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pymysql
import pytest
from pymysql.cursors import DictCursor

from pilothouse.platform.databases.bundle import bundle
from pilothouse.platform.databases.mysql.supervisor import TEXT
from pilothouse.wire.pki import CertificateAuthority
from tests.platform.databases.orphans import end_with_us

UID = "11111111-2222-3333-4444-555555555555"
ACCOUNT = {"name": "orders", "password": "secret", "grants": [{"privileges": ["ALL"], "on": "orders"}], "version": "1"}
MIB = 1 << 20
PYTHON = "/usr/bin/python3"
"""Debian's, with Debian's PyMySQL, as in the image; the test's own may lie where other users do not get."""
State = dict[str, Any]
MYSQL_ROOT = os.environ.get("PILOTHOUSE_MYSQL_ROOT", "")
needs_mysql = pytest.mark.skipif(
    not MYSQL_ROOT or os.getuid() != 0,
    reason="PILOTHOUSE_MYSQL_ROOT names no root file system with MySQL's server, or the test is not root",
)
FLAVOURS = ("mariadb", pytest.param("mysql", marks=needs_mysql))
VERSIONS = {"mariadb": "10.11", "mysql": "8.0"}
_WITHIN = """
root=$1 user=$2
shift 2
mount --rbind /proc "$root/proc" && mount --rbind /dev "$root/dev" && mount --bind /tmp "$root/tmp" || exit
exec chroot --userspec="$user" --groups= "$root" "$@"
"""
"""Runs a program with another root file system, in a mount namespace of its own."""


class Lab:
    """count: members. What is wanted of each begins as a single primary's, on an empty data folder for the first and none for others."""

    def __init__(self, count: int = 1, flavour: str = "mariadb") -> None:
        self.flavour = flavour
        self.folder = Path(tempfile.mkdtemp(prefix="ph-lab-"))
        self.folder.chmod(0o755)
        end_with_us(self.folder, is_removed=True)
        self.authority = CertificateAuthority.create(self.folder / "authority")
        for client in ("operator", "member", "job", "nobody"):
            self.authority.issue_client(client).write(self.folder, client)
        self.program = self.folder / "agent.pyz"
        self.program.write_bytes(bundle())
        self.members = [Member(self, ordinal) for ordinal in range(count)]

    def __getitem__(self, ordinal: int) -> "Member":
        return self.members[ordinal]

    def start(self) -> None:
        for member in self.members:
            member.start()

    def close(self) -> None:
        for member in self.members:
            member.end()
        shutil.rmtree(self.folder)


class Member:
    """One pod. wanted: the document as it was put last."""

    def __init__(self, lab: Lab, ordinal: int) -> None:
        self.name = f"orders-{ordinal}"
        self.lab = lab
        self.folder = lab.folder / self.name
        self.sql_port, self.port = _free_port(), _free_port()
        self.wanted: State = {
            "instance": "orders",
            "uid": UID,
            "term": 1,
            "role": "primary",
            "server": {"version": VERSIONS[lab.flavour], "memory_bytes": 256 * MIB, "cpu_millis": 500, "parameters": {}},
            "accounts": [ACCOUNT],
            "databases": [{"name": "orders", "character_set": "utf8mb4", "collation": "", "version": "1"}],
            "replication": {"user": "replication", "password": "follow"},
        }
        self.supervisor: subprocess.Popen[bytes] | None = None
        self.agent: subprocess.Popen[bytes] | None = None
        self._make_folders()

    # the pod

    def start(self) -> None:
        self.start_supervisor()
        self.start_agent()

    def start_supervisor(self) -> None:
        self.supervisor = self._spawn(["/bin/sh", "-c", TEXT], "supervisor.log")

    def start_agent(self) -> None:
        self.agent = self._spawn([PYTHON, "-I", str(self.lab.program), "agent"], "agent.log")

    def kill_agent(self) -> None:
        _kill(self.agent)

    def kill_server(self) -> int:
        """Returns the pid that it had."""
        pid = self.server_pid
        os.kill(pid, signal.SIGKILL)
        return pid

    def hang_server(self) -> None:
        """It runs and answers nobody, as behind a network that is cut."""
        os.kill(self.server_pid, signal.SIGSTOP)

    def wake_server(self) -> None:
        os.kill(self.server_pid, signal.SIGCONT)

    def crash(self) -> None:
        """All at once, as with a machine that loses its power; what the disk was told stays."""
        _kill(self.agent)
        _kill(self.supervisor)
        with suppress(ProcessLookupError, FileNotFoundError, ValueError):
            self.kill_server()
        shutil.rmtree(self.folder / "run")
        self._own_folder("run")

    def end(self) -> None:
        for process in (self.agent, self.supervisor):
            _kill(process)
        with suppress(ProcessLookupError, FileNotFoundError, ValueError):
            _until_gone(self.kill_server())

    @property
    def server_pid(self) -> int:
        return int((self.folder / "run" / "server.pid").read_text())

    # the agent

    def put(self, **changes: object) -> State:
        """Changes what is wanted and puts it; returns the state answered. Fails when it is refused."""
        self.wanted |= changes
        code, answer = self.ask("PUT", "/v1/wanted", self.wanted)
        assert code == 200, (code, answer)
        return answer

    def state(self, after: int = -1, wait_s: float = 0) -> State:
        code, answer = self.ask("GET", f"/v1/state?after={after}&wait={wait_s}")
        assert code == 200, (code, answer)
        return answer

    def until(self, holds: Callable[[State], object], within_s: float = 20) -> State:
        """The first state for which it holds. Fails with the last one when there is none in time."""
        end, state = time.monotonic() + within_s, {}
        while time.monotonic() < end:
            with suppress(OSError, http.client.HTTPException):
                state = self.state(state.get("sequence", -1), wait_s=0.5)
                if holds(state):
                    return state
            time.sleep(0.01)
        raise AssertionError(f"{self.name} did not get there within {within_s} s: {state}\n{self.log()}")

    def applied(self, within_s: float = 20, **changes: object) -> State:
        """Puts the changes and waits until they are carried out."""
        self.until_up()
        digest = self.put(**changes) and self.digest
        return self.until(lambda state: state["applied"] and state["wanted"] == digest, within_s)

    def until_up(self, within_s: float = 10) -> None:
        self.until(lambda state: True, within_s)

    @property
    def digest(self) -> str:
        import hashlib

        return hashlib.sha256(json.dumps(self.wanted, sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    def ask(
        self, method: str, path: str, document: object = None, *, client: str | None = "operator", timeout_s: float = 10
    ) -> tuple[int, Any]:
        """client: the name in the certificate that is shown, None to show none."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout_s, context=self._context(client))
        try:
            connection.request(method, path, None if document is None else json.dumps(document))
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def fetch(self, path: str, *, client: str = "job") -> bytes:
        """The whole of a body of any length. Raises what http.client raises for one that breaks off."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=self._context(client))
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == 200, answer.read()
            return answer.read()
        finally:
            connection.close()

    def push(self, path: str, body: bytes, *, client: str = "job") -> tuple[int, Any]:
        """In chunks."""
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=self._context(client))
        try:
            connection.request("PUT", path, iter([body]), encode_chunked=True, headers={"Transfer-Encoding": "chunked"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    # the server

    @contextmanager
    def connected(self, user: str = "orders", password: str = "secret", **options: Any) -> Iterator["pymysql.Connection[DictCursor]"]:
        """Over TLS, as a client is."""
        options = {"database": "orders", "ssl_ca": str(self.folder / "tls" / "ca.crt"), "read_timeout": 20, **options}
        connection = pymysql.connect(
            host="127.0.0.1", port=self.sql_port, user=user, password=password, autocommit=True, cursorclass=DictCursor, **options
        )
        try:
            yield connection
        finally:
            connection.close()

    def sql(self, statement: str, *values: object, **options: Any) -> list[dict[str, Any]]:
        with self.connected(**options) as connection, connection.cursor() as cursor:
            cursor.execute(statement, values or None)
            return list(cursor.fetchall())

    def root(self, *statements: str) -> str:
        """Over the socket, as the system's user; what the client prints."""
        client = {"mariadb": "mariadb", "mysql": "mysql"}[self.lab.flavour]
        options = ["--no-defaults", f"--socket={self.folder}/run/server.sock", f"--user={user()}", "--batch", "--skip-column-names"]
        how = self._how([client, *options])
        done = subprocess.run(**how, input="; ".join(statements).encode(), capture_output=True, timeout=30)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def within(self, *command: str) -> str:
        """What a program prints that is run as the server is."""
        done = subprocess.run(**self._how(list(command)), capture_output=True, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode(errors="replace")

    def certificate(self) -> str:
        """PEM of what the agent shows."""
        return ssl.get_server_certificate(("127.0.0.1", self.port))

    def server_certificate(self) -> str:
        """PEM of what the server shows."""
        command = ["openssl", "s_client", "-starttls", "mysql", "-connect", f"127.0.0.1:{self.sql_port}"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
        begin, end = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
        return (begin + done.stdout.partition(begin)[2].partition(end)[0] + end + b"\n").decode()

    def log(self) -> str:
        """The last lines of the agent's and the server's."""
        paths = (self.folder / "agent.log", self.folder / "data" / "log" / "error.log")
        return "\n".join(path.read_text(errors="replace")[-2500:] for path in paths if path.exists())

    def server_log(self) -> str:
        return (self.folder / "data" / "log" / "error.log").read_text(errors="replace")

    def _context(self, client: str | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.folder / "tls" / "ca.crt"))
        if client is not None:
            context.load_cert_chain(self.lab.folder / f"{client}.crt", self.lab.folder / f"{client}.key")
        return context

    def _make_folders(self) -> None:
        for name in ("data", "run", "tls"):
            self._own_folder(name)
        tls = self.folder / "tls"
        self.issue()
        (tls / "ca.crt").write_bytes(self.lab.authority.certificate)
        self.lab.authority.issue_client("member").write(tls, "member")
        _own(tls)

    def issue(self) -> None:
        """A new certificate for the server."""
        pair = self.lab.authority.issue_server([self.name, "localhost"], ["127.0.0.1"], common_name=self.name)
        pair.write(self.folder / "tls", "tls")
        _own(self.folder / "tls")

    def _own_folder(self, name: str) -> None:
        (self.folder / name).mkdir(parents=True)
        _own(self.folder / name)

    def _spawn(self, command: list[str], log: str) -> subprocess.Popen[bytes]:
        environ = {
            "PATH": os.environ["PATH"],
            "POD_NAME": self.name,
            "POD_NAMESPACE": "default",
            "INSTANCE": "orders",
            "INSTANCE_UID": UID,
            "FLAVOUR": self.lab.flavour,
            "DATA": str(self.folder / "data"),
            "RUN": str(self.folder / "run"),
            "TLS": str(self.folder / "tls"),
            "AGENT_ADDRESS": "127.0.0.1",
            "AGENT_PORT": str(self.port),
            "SQL_ADDRESS": "127.0.0.1",
            "SQL_PORT": str(self.sql_port),
        }
        with (self.folder / log).open("ab") as output:
            return subprocess.Popen(
                **self._how(command), stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environ, cwd="/", start_new_session=True
            )

    def _how(self, command: list[str]) -> dict[str, Any]:
        """As the servers' user, and with their root file system."""
        if self.lab.flavour == "mariadb":
            return {"args": command, **_as_user()}
        entry = pwd.getpwnam(user())
        within = ["/bin/sh", "-c", _WITHIN, "sh", MYSQL_ROOT, f"{entry.pw_uid}:{entry.pw_gid}", *command]
        return {"args": ["unshare", "--mount", "--propagation", "private", *within]}


def user() -> str:
    """The system's user that servers run as: they refuse to run as root."""
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "mysql" if "mysql" in names else "nobody"


def _as_user() -> dict[str, Any]:
    if os.getuid() != 0:
        return {}
    entry = pwd.getpwnam(user())
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _own(folder: Path) -> None:
    if os.getuid() == 0:
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, user=pwd.getpwnam(user()).pw_uid, group=pwd.getpwnam(user()).pw_gid)


def _kill(process: subprocess.Popen[bytes] | None) -> None:
    """With all that it has started."""
    if process is not None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)


def _until_gone(pid: int, within_s: float = 10) -> None:
    end = time.monotonic() + within_s
    while time.monotonic() < end and Path(f"/proc/{pid}").exists():
        time.sleep(0.02)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
