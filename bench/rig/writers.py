"""Clients of a database in a process of their own, each a thread that writes one row after another and notes what the server said to it.

Usage: python -m bench.rig.writers, with a `Plan` as a line of JSON on standard input; it goes on until that ends. Each attempt becomes a
line of the file `notes`. A row's token says who wrote it and which one it was; what was acknowledged must be found again.
"""

import contextlib
import json
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pymysql

now = time.monotonic
"""One clock for all processes of a machine."""
TABLE = "CREATE TABLE IF NOT EXISTS written (id BIGINT AUTO_INCREMENT PRIMARY KEY, token VARCHAR(64) NOT NULL UNIQUE)"
DUPLICATE = 1062
"""An attempt made again after the connection broke: the one before was carried out."""
BETWEEN_S = 0.02
"""Before another attempt."""
END_S = 15.0


@cache
def _trusting(authority: str) -> ssl.SSLContext:
    """Of names it is not asked: clients of this machine go to the Service's address. Made once, as it costs more than a connection."""
    context = ssl.create_default_context(cafile=authority)
    context.check_hostname = False
    return context


@dataclass(frozen=True, slots=True)
class Plan:
    """host, port, user, password, authority, database: of the instance; authority is a file. think_s: between two rows.

    attempts: how often a row is tried before it counts as failed; it is given up then, and the next one written. pings: whether a
    connection is tried before each row, as pools do. read_s: how long an answer is waited for. tag: what their tokens begin with.
    """

    host: str
    port: int
    user: str
    password: str
    authority: str
    database: str
    notes: str
    count: int = 4
    think_s: float = 0.0
    attempts: int = 1
    pings: bool = False
    connect_s: float = 1.0
    read_s: float = 2.0
    tag: str = "w"

    def connect(self) -> "pymysql.Connection[Any]":
        return pymysql.connect(
            host=self.host,
            port=self.port,
            user=self.user,
            password=self.password,
            database=self.database,
            ssl=_trusting(self.authority),
            autocommit=True,
            connect_timeout=int(max(1, self.connect_s)),
            read_timeout=self.read_s,
            write_timeout=self.read_s,
        )


@dataclass(frozen=True, slots=True)
class Attempt:
    """At one row. began, ended: seconds of `now`. error: "" when it was acknowledged. number: 1 for the first. server: who was asked."""

    token: str
    number: int
    began: float
    ended: float
    error: str = ""
    server: str = ""

    @property
    def is_acknowledged(self) -> bool:
        return not self.error


@dataclass(frozen=True, slots=True)
class Written:
    """What all writers have tried so far, by the time it ended."""

    attempts: tuple[Attempt, ...]

    @property
    def acknowledged(self) -> list[Attempt]:
        return [each for each in self.attempts if each.is_acknowledged]

    @property
    def failed(self) -> list[Attempt]:
        return [each for each in self.attempts if not each.is_acknowledged]

    def lost(self) -> list[str]:
        """Tokens none of whose attempts was acknowledged."""
        good = {each.token for each in self.acknowledged}
        return sorted({each.token for each in self.failed} - good)

    def next_after(self, moment: float) -> Attempt | None:
        """The first to be acknowledged of those that began after that moment."""
        later = [each for each in self.acknowledged if each.began >= moment]
        return min(later, key=lambda each: each.ended, default=None)

    def longest_gap_s(self) -> float:
        ends = sorted(each.ended for each in self.acknowledged)
        return max((later - earlier for earlier, later in pairwise(ends)), default=0.0)


class Writers:
    """The process. Its notes can be read while it runs."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        Path(self.plan.notes).touch()
        command = [sys.executable, "-m", "bench.rig.writers"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(asdict(self.plan)).encode() + b"\n")
        self._process.stdin.flush()

    def written(self) -> Written:
        lines = Path(self.plan.notes).read_text().split("\n")
        # The last one may be half a line yet.
        return Written(tuple(sorted((Attempt(*json.loads(line)) for line in lines[:-1]), key=lambda each: each.ended)))

    def stop(self) -> Written:
        if self._process is not None:
            assert self._process.stdin is not None
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.close()
            try:
                self._process.wait(END_S + 2 * self.plan.read_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        return self.written()


def tokens(plan: Plan) -> set[str]:
    """Of the plan's rows that are there."""
    connection = plan.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT token FROM written WHERE token LIKE %s", (f"{plan.tag}-%",))
            return {row[0] for row in cursor.fetchall()}
    finally:
        connection.close()


@contextlib.contextmanager
def writing(plan: Plan) -> Iterator[Writers]:
    writers = Writers(plan)
    writers.start()
    try:
        yield writers
    finally:
        writers.stop()


class _Writer(threading.Thread):
    def __init__(self, plan: Plan, number: int, notes: "_Notes", ending: threading.Event) -> None:
        super().__init__(name=f"writer {number}")
        self._plan, self._number, self._notes, self._ending = plan, number, notes, ending
        self._connection: pymysql.Connection[Any] | None = None
        self._server = ""

    def run(self) -> None:
        row = 0
        while not self._ending.is_set():
            row += 1
            self._write(f"{self._plan.tag}-{self._number}-{row}")
            if self._plan.think_s:
                self._ending.wait(self._plan.think_s)
        self._close()

    def _write(self, token: str) -> None:
        for number in range(1, self._plan.attempts + 1):
            began = now()
            error = self._attempt(token, is_again=number > 1)
            self._notes.add(Attempt(token, number, began, now(), error, self._server))
            if not error or self._ending.wait(BETWEEN_S):
                return

    def _attempt(self, token: str, *, is_again: bool) -> str:
        try:
            self._ready().cursor().execute("INSERT INTO written (token) VALUES (%s)", (token,))
        except pymysql.err.IntegrityError as error:
            return "" if is_again and error.args[0] == DUPLICATE else f"{error.args}"
        except (pymysql.err.Error, OSError) as error:
            self._close()
            return f"{type(error).__name__}{error.args}"[:200]
        return ""

    def _ready(self) -> "pymysql.Connection[Any]":
        if self._connection is not None and self._plan.pings:
            try:
                self._connection.ping(reconnect=False)
            except (pymysql.err.Error, OSError):
                self._close()
        if self._connection is None:
            self._connection = self._plan.connect()
            with self._connection.cursor() as cursor:
                cursor.execute("SELECT @@hostname")
                self._server = cursor.fetchall()[0][0]
        return self._connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(pymysql.err.Error, OSError):
                connection._force_close()  # type: ignore[attr-defined]  # a server that hangs is not told


class _Notes:
    """A file that several threads add lines to."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", buffering=1)
        self._lock = threading.Lock()

    def add(self, attempt: Attempt) -> None:
        line = json.dumps([attempt.token, attempt.number, attempt.began, attempt.ended, attempt.error, attempt.server])
        with self._lock:
            self._file.write(line + "\n")


def main() -> None:
    """The plan has a password: it comes on standard input."""
    plan = Plan(**json.loads(sys.stdin.readline()))
    notes, ending = _Notes(Path(plan.notes)), threading.Event()
    threads = [_Writer(plan, number, notes, ending) for number in range(plan.count)]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    ending.set()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
