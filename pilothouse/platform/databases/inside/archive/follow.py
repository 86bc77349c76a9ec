"""A server's binary log from a position on, as a replica gets it, without being one: nothing waits for its acknowledgements.

Source: MariaDB's replication protocol, "Replica registration" and COM_BINLOG_DUMP; MySQL's reference of COM_BINLOG_DUMP_GTID and of the
text of its GTID sets. The variables are those that a replica sets.
"""

import contextlib
import struct
import uuid
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pymysql

from pilothouse.platform.databases.inside.archive import events as log
from pilothouse.platform.databases.inside.archive.events import Event
from pilothouse.platform.databases.inside.archive.position import Last, position

if TYPE_CHECKING:
    from pymysql.connections import Connection

HEARTBEAT_S = 0.5
_SILENT_S = 15.0
"""With heartbeats twice a second, a server that says nothing for so long is away."""
_DUMP, _DUMP_GTID = 0x12, 0x1E
_THROUGH_GTID = 4
_MASTER_HAS_PURGED = 1236
_END = 0xFE


class Purged(Exception):
    """The server can't go on from the position: its logs begin later, or it has never had the position. str: its words."""


class Away(Exception):
    """Another attempt may help. str: why."""


def events(connection: "Connection[Any]", at: str, server_id: int) -> Iterator[Event]:
    """What follows the position, for ever. Raises Purged, Away; closes the connection.

    server_id: of nobody else that follows: the server ends the older of two. at: as `archive.position` writes it.
    """
    with _told(connection):
        if _is_mariadb(connection):
            _run(connection, "SET @slave_connect_state = %s, @slave_gtid_strict_mode = 1", at)
            yield from _dump(connection, server_id)
        else:
            _check(connection, at)
            yield from _sent(connection, _DUMP_GTID, _gtid_request(at, server_id))


def has(connection: "Connection[Any]", at: str, server_id: int) -> bool:
    """Whether the server can go on from there. Raises Away; closes the connection."""
    try:
        with contextlib.closing(events(connection, at, server_id)) as found:  # type: ignore[type-var]
            return any(each.kind in log.HEARTBEATS or log.head(each) is not None for each in found)
    except Purged:
        return False


def begin(connection: "Connection[Any]", server_id: int) -> str:
    """The position at which the oldest log that the server keeps begins. Raises Away; closes the connection."""
    with _told(connection):
        if not _is_mariadb(connection):
            return _value(connection, "SELECT @@GLOBAL.gtid_purged")
        # Who asks without a position gets the files from the first one on; the right to list them is not needed for that.
        return next(told for each in _dump(connection, server_id) if (told := log.begin(each)) is not None)


def end(connection: "Connection[Any]") -> str:
    """The position of the server now. Raises Away; closes the connection."""
    with _told(connection):
        return _value(connection, f"SELECT @@GLOBAL.{'gtid_binlog_pos' if _is_mariadb(connection) else 'gtid_executed'}")


def connect(host: str, port: int, user: str, password: str, ca: str | None, socket: str | None = None) -> "Connection[Any]":
    """ca: file of the authority that the server's certificate is signed by; None: without TLS, over the socket. Raises Away."""
    tls: dict[str, Any] = {"ssl": {"ca": ca, "check_hostname": True}} if ca else {"ssl_disabled": True}
    try:
        return pymysql.connect(
            host=host, port=port, user=user, password=password, unix_socket=socket, connect_timeout=5, read_timeout=_SILENT_S, **tls
        )
    except (pymysql.err.MySQLError, OSError) as error:
        raise Away(f"the primary at {host}:{port} does not let the archive in: {error}") from error


@contextlib.contextmanager
def _told(connection: "Connection[Any]") -> Iterator[None]:
    try:
        yield
    except pymysql.err.MySQLError as error:
        code, words = (*error.args, "", "")[:2]
        if code == _MASTER_HAS_PURGED:
            raise Purged(str(words)) from error
        raise Away(str(words or error)) from error
    except (OSError, ValueError) as error:
        raise Away(str(error)) from error
    finally:
        connection.close()


def _is_mariadb(connection: "Connection[Any]") -> bool:
    return "MariaDB" in connection.get_server_info()  # type: ignore[no-untyped-call]


def _dump(connection: "Connection[Any]", server_id: int) -> Iterator[Event]:
    """MariaDB's, from where the session has said."""
    _run(connection, "SET @mariadb_slave_capability = 4")
    return _sent(connection, _DUMP, struct.pack("<IHI", 4, 0, server_id))


def _check(connection: "Connection[Any]", at: str) -> None:
    """MySQL would pass over what it lacks itself, and what comes then would be another history's. Raises Purged."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT GTID_SUBSET(%s, @@GLOBAL.gtid_executed), GTID_SUBSET(@@GLOBAL.gtid_purged, %s)", (at, at))
        is_had, is_kept = cursor.fetchall()[0]
    if not is_had:
        raise Purged("the server has not all of the position")
    if not is_kept:
        raise Purged("the server's logs begin later")


def _gtid_request(at: str, server_id: int) -> bytes:
    """The numbers behind a range's last one end it."""
    data = struct.pack("<Q", len(found := position(at)))
    for server, ranges in found.items():
        if isinstance(ranges, Last):
            raise ValueError(f"{at} is no position of MySQL's")
        data += uuid.UUID(server).bytes + struct.pack("<Q", len(ranges)) + b"".join(struct.pack("<QQ", a, b + 1) for a, b in ranges)
    return struct.pack("<HIIQI", _THROUGH_GTID, server_id, 0, 4, len(data)) + data


def _sent(connection: "Connection[Any]", command: int, request: bytes) -> Generator[Event]:
    period = int(HEARTBEAT_S * 1e9)
    _run(connection, "SET @master_binlog_checksum = @@GLOBAL.binlog_checksum, @source_binlog_checksum = @@GLOBAL.binlog_checksum")
    _run(connection, f"SET @master_heartbeat_period = {period}, @source_heartbeat_period = {period}")
    connection._execute_command(command, request)  # type: ignore[attr-defined]
    while True:
        yield log.event(_packet(connection))


def _run(connection: "Connection[Any]", statement: str, *values: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)


def _value(connection: "Connection[Any]", statement: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return str(cursor.fetchall()[0][0]).replace("\n", "")


def _packet(connection: "Connection[Any]") -> bytes:
    data = bytes(connection._read_packet().get_all_data())  # type: ignore[no-untyped-call]
    if data[0] == _END and len(data) < 9:
        raise Away("the server has ended the stream")
    return data[1:]
