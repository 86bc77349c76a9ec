"""A server's binary log from a position on, as a replica gets it, without being one: nothing waits for its acknowledgements.

Source: MariaDB's replication protocol, "Replica registration" and COM_BINLOG_DUMP; the variables are those that a replica sets.
"""

import contextlib
import struct
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any

import pymysql

from pilothouse.platform.databases.inside.archive.events import GTID_LIST, Event, event, gtid_list

if TYPE_CHECKING:
    from pymysql.connections import Connection

HEARTBEAT_S = 0.5
_SILENT_S = 15.0
"""With heartbeats twice a second, a server that says nothing for so long is away."""
_DUMP = 0x12
_MASTER_HAS_PURGED = 1236
_END = 0xFE


class Purged(Exception):
    """The server can't go on from the position: its logs begin later, or it has never had the position. str: its words."""


class Away(Exception):
    """Another attempt may help. str: why."""


def events(connection: "Connection[Any]", position: str, server_id: int) -> Iterator[Event]:
    """What follows the position, for ever. Raises Purged, Away; closes the connection.

    server_id: of nobody else that follows: the server ends the older of two. position: as `archive.position` writes it.
    """
    with connection.cursor() as cursor:
        cursor.execute("SET @slave_connect_state = %s, @slave_gtid_strict_mode = 1", (position,))
    yield from _dump(connection, server_id)


def begin(connection: "Connection[Any]", server_id: int) -> str:
    """The position at which the oldest log that the server keeps begins. Raises Away; closes the connection.

    Who asks without a position gets the files from the first one on; the right to list them is not needed for that.
    """
    try:
        with contextlib.closing(_dump(connection, server_id)) as found:
            return next(gtid_list(each) for each in found if each.kind == GTID_LIST)
    except Purged as purged:
        raise Away(str(purged)) from purged


def _dump(connection: "Connection[Any]", server_id: int) -> Generator[Event]:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SET @mariadb_slave_capability = 4, @master_binlog_checksum = @@GLOBAL.binlog_checksum")
            cursor.execute(f"SET @master_heartbeat_period = {int(HEARTBEAT_S * 1e9)}")
        connection._execute_command(_DUMP, struct.pack("<IHI", 4, 0, server_id))  # type: ignore[attr-defined]
        while True:
            yield event(_packet(connection))
    except pymysql.err.MySQLError as error:
        code, words = (*error.args, "", "")[:2]
        if code == _MASTER_HAS_PURGED:
            raise Purged(str(words)) from error
        raise Away(str(words or error)) from error
    except (OSError, ValueError) as error:
        raise Away(str(error)) from error
    finally:
        connection.close()


def connect(host: str, port: int, user: str, password: str, ca: str | None, socket: str | None = None) -> "Connection[Any]":
    """ca: file of the authority that the server's certificate is signed by; None: without TLS, over the socket. Raises Away."""
    tls: dict[str, Any] = {"ssl": {"ca": ca, "check_hostname": True}} if ca else {"ssl_disabled": True}
    try:
        return pymysql.connect(
            host=host, port=port, user=user, password=password, unix_socket=socket, connect_timeout=5, read_timeout=_SILENT_S, **tls
        )
    except (pymysql.err.MySQLError, OSError) as error:
        raise Away(f"the primary at {host}:{port} does not let the archive in: {error}") from error


def _packet(connection: "Connection[Any]") -> bytes:
    data = bytes(connection._read_packet().get_all_data())  # type: ignore[no-untyped-call]
    if data[0] == _END and len(data) < 9:
        raise Away("the server has ended the stream")
    return data[1:]
