"""MariaDB's programs."""

import contextlib
import os
import pwd
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pilothouse.platform.databases.inside.tools.compressed import compressed
from pilothouse.platform.databases.inside.tools.seam import Tools

if TYPE_CHECKING:
    from pymysql.connections import Connection

    from pilothouse.platform.databases.inside.scratch import Scratch

_INFO = ("mariadb_backup_binlog_info", "xtrabackup_binlog_info")


def install(folder: Path) -> tuple[str, ...]:
    return ("mariadb-install-db", "--no-defaults", f"--datadir={folder}", "--skip-test-db", "--auth-root-authentication-method=socket")


def unpack(folder: Path) -> tuple[str, ...]:
    return ("mbstream", "-x", "-C", str(folder))


def prepare(folder: Path) -> tuple[str, ...]:
    """Applies the log that was copied beside the data, so that the data is of one moment."""
    return ("mariadb-backup", "--prepare", f"--target-dir={folder}", "--use-memory=67108864")


def position(folder: Path, connection: "Connection") -> str:
    """As mariadb-backup has noted it."""
    for name in _INFO:
        with contextlib.suppress(FileNotFoundError):
            words = (folder / name).read_text().split()
            return words[2] if len(words) > 2 else ""
    return ""


def number_from(connection: "Connection", gtid: str) -> None:
    """In the log, so that the copy's position holds it too when nothing is replayed."""
    with connection.cursor() as cursor:
        cursor.execute("RESET MASTER")
        if gtid:
            cursor.execute("SET GLOBAL gtid_binlog_state = %s", (gtid,))


def copy(server: "Scratch", folder: Path, room: Path) -> Iterator[bytes]:
    with server.connect() as connection, connection.cursor() as cursor:
        # The program does not run against a server without accounts; the system's user is let in over the socket.
        cursor.execute("FLUSH PRIVILEGES")
    what = ("--backup", "--stream=mbstream", "--log-copy-interval=20", f"--datadir={folder}", f"--target-dir={room / 'copy'}")
    whom = (f"--socket={server.socket}", f"--user={pwd.getpwuid(os.getuid()).pw_name}")
    return compressed(["mariadb-backup", "--no-defaults", *what, *whom], room / "copy.log")


MARIADB = Tools(
    server=("mariadbd", "--no-defaults", "--skip-slave-start"),
    replaying=(
        *("--log-bin=binlog", "--server-id=1", "--binlog-format=ROW", "--sync-binlog=0", "--innodb-flush-log-at-trx-commit=0"),
        "--innodb-log-file-size=64M",
    ),
    install=install,
    client=("mariadb", "--no-defaults", "--user=root", "--binary-mode", "--max-allowed-packet=1G"),
    log=("mariadb-binlog", "--no-defaults"),
    unpack=unpack,
    prepare=prepare,
    dumped=re.compile(rb"^-- SET GLOBAL gtid_slave_pos='([0-9,-]*)'", re.MULTILINE),
    kept=("global_priv", "db", "tables_priv", "columns_priv", "procs_priv", "roles_mapping", "proc", "event"),
    counted=("proc", "event"),
    position=position,
    number_from=number_from,
    copy=copy,
)
"""With a log while the archive is replayed, of which the copy's position is told; not a durable one: a Job that ends starts anew."""
