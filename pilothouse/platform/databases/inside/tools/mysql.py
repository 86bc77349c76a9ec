"""MySQL's programs. A copy is a tar archive of a folder that a server of the agent's has cloned; data know their position themselves."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pilothouse.platform.databases.inside.tools.compressed import compressed
from pilothouse.platform.databases.inside.tools.seam import Tools

if TYPE_CHECKING:
    from pymysql.connections import Connection

    from pilothouse.platform.databases.inside.scratch import Scratch

_OWN = ("./auto.cnf", "./binlog.*", "./#innodb_temp")
"""A copy's server is another one, with a log of its own."""
_QUIET = ("--mysqlx=OFF", "--performance-schema=OFF", "--auto-generate-certs=OFF", "--caching-sha2-password-auto-generate-rsa-keys=OFF")
_GTID = ("--gtid-mode=ON", "--enforce-gtid-consistency=ON")


def install(folder: Path) -> tuple[str, ...]:
    return ("mysqld", "--no-defaults", "--initialize-insecure", f"--datadir={folder}", *_QUIET)


def unpack(folder: Path) -> tuple[str, ...]:
    return ("tar", "-x", "-C", str(folder))


def prepare(folder: Path) -> tuple[str, ...]:
    """The server does that when it starts."""
    return ()


def position(folder: Path, connection: "Connection") -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT @@GLOBAL.gtid_executed")
        return str(cursor.fetchall()[0][0]).replace("\n", "")


def number_from(connection: "Connection", gtid: str) -> None:
    """A physical copy's data have them; those of a dump do not."""
    with connection.cursor() as cursor:
        if gtid and position(Path(), connection).replace(" ", "") != gtid:
            cursor.execute("RESET MASTER")
            cursor.execute("SET GLOBAL gtid_purged = %s", (gtid,))


def copy(server: "Scratch", folder: Path, room: Path) -> Iterator[bytes]:
    """Of a server that has ended cleanly."""
    server.stop()
    left_out = [f"--exclude={name}" for name in _OWN]
    return compressed(["tar", "-c", "-C", str(folder), *left_out, "."], room / "copy.log")


MYSQL = Tools(
    server=("mysqld", "--no-defaults", "--skip-replica-start", "--secure-file-priv=NULL", *_QUIET, *_GTID),
    replaying=("--innodb-flush-log-at-trx-commit=0", "--innodb-redo-log-capacity=128M"),
    install=install,
    client=("mysql", "--no-defaults", "--user=root", "--binary-mode", "--max-allowed-packet=1G"),
    log=("mysqlbinlog", "--no-defaults"),
    unpack=unpack,
    prepare=prepare,
    dumped=re.compile(rb"SET @@GLOBAL\.GTID_PURGED=[^;]*?'\+?([0-9a-f-]{36}:[^']*)'"),
    kept=("user", "db", "tables_priv", "columns_priv", "procs_priv", "role_edges", "default_roles", "global_grants", "password_history"),
    counted=("password_history",),
    position=position,
    number_from=number_from,
    copy=copy,
)
"""Without a log while the archive is replayed: the numbers are kept in a table then, which is copied with the rest."""
