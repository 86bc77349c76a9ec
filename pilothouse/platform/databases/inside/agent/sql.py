"""One kept connection to the server over its socket, and the two ways in which a statement fails."""

import socket
import struct
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pymysql
from pymysql.cursors import DictCursor

Row = dict[str, Any]
TIMEOUT_S = 3.0
"""Longer than the longest that a good server takes: to cease to receive from a primary that hangs."""
_MODE = "CONCAT('STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION' /*M! , ',NO_AUTO_CREATE_USER' */)"
"""How texts are quoted and statements read does not hang on the server's own mode, which is a parameter. MariaDB alone reads what is in the
comment: it would make an account of a grant otherwise.
"""
_SPARE_AGAIN_S = 5.0
"""After an attempt to have a spare connection."""


class Unreachable(Exception):
    """The server does not answer, or not in time."""


class Refused(Exception):
    """The server says no. errno: its number."""

    def __init__(self, errno: int, message: str) -> None:
        super().__init__(message)
        self.errno = errno


class Sql:
    """For one thread. user: the account that has the name of the system's user.

    timeout_s: for each statement; one that takes longer ends the connection. keeps_spare: whether there is to be another connection for
    that case, as clients may have taken all that the server gives by then.
    """

    def __init__(self, socket: Path, user: str, timeout_s: float = TIMEOUT_S, *, keeps_spare: bool = False) -> None:
        self._socket = socket
        self._user = user
        self._timeout_s = timeout_s
        self._connection: pymysql.Connection[DictCursor] | None = None
        self._keeps_spare = keeps_spare
        self._spare: pymysql.Connection[DictCursor] | None = None
        self._spare_at = 0.0

    @property
    def peer(self) -> int:
        """The process at the other end; 0 when it is not known."""
        connected = getattr(self._connection, "_sock", None)
        if not isinstance(connected, socket.socket):
            return 0
        try:
            credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            return int(struct.unpack("3i", credentials)[0])
        except OSError:
            return 0

    def rows(self, statement: str, values: Sequence[object] = ()) -> list[Row]:
        """Raises Unreachable, Refused."""
        try:
            with self._connected().cursor() as cursor:
                cursor.execute(statement, tuple(values) or None)
                return list(cursor.fetchall())
        except pymysql.Error as error:
            raise self._failure(error) from error
        except (OSError, ValueError) as error:
            self._give_up()
            raise Unreachable(str(error)) from error

    def row(self, statement: str, values: Sequence[object] = ()) -> Row:
        """The first one; empty when there is none."""
        found = self.rows(statement, values)
        return found[0] if found else {}

    def run(self, *statements: str) -> None:
        for statement in statements:
            self.rows(statement)

    def probe(self) -> None:
        """Raises Unreachable when no new connection is let in, Refused when there are too many."""
        other = Sql(self._socket, self._user, self._timeout_s)
        try:
            other.run("DO 0")
        finally:
            other.close()

    def close(self) -> None:
        self._give_up()
        _close(self._spare)
        self._spare, self._spare_at = None, 0.0

    def _give_up(self) -> None:
        """The spare one stays."""
        _close(self._connection)
        self._connection = None

    def _connected(self) -> "pymysql.Connection[DictCursor]":
        if self._connection is None:
            self._connection, self._spare = self._spare or self._opened(), None
        if self._keeps_spare and self._spare is None and time.monotonic() - self._spare_at >= _SPARE_AGAIN_S:
            self._spare_at = time.monotonic()
            with suppress(pymysql.Error, OSError, ValueError):
                self._spare = self._opened()
        return self._connection

    def _opened(self) -> "pymysql.Connection[DictCursor]":
        # What waits for a lock must not outlive the connection that gave up on it.
        waits = f"lock_wait_timeout = {max(1, int(self._timeout_s) - 1)}, wait_timeout = 31536000"
        return pymysql.connect(
            unix_socket=str(self._socket),
            user=self._user,
            autocommit=True,
            cursorclass=DictCursor,
            charset="utf8mb4",
            connect_timeout=2,
            read_timeout=self._timeout_s,
            write_timeout=self._timeout_s,
            init_command=f"SET SESSION {waits}, sql_mode = {_MODE}",
            ssl_disabled=True,  # PyMySQL reads the system's authorities otherwise, over a socket too
        )

    def _failure(self, error: pymysql.Error) -> Exception:
        errno, message = error.args if len(error.args) == 2 else (0, str(error))
        if isinstance(error, pymysql.err.InterfaceError) or errno in (0, 2003, 2006, 2013, 1053):
            self._give_up()
            return Unreachable(str(message))
        return Refused(int(errno), str(message))


def _close(connection: "pymysql.Connection[DictCursor] | None") -> None:
    if connection is not None:
        with suppress(pymysql.Error, OSError):
            connection.close()
