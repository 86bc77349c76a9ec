"""A server's folder with nothing in it but the system tables and the one account of the agent, which is let in over the socket alone.

MariaDB's own script does the same and more than once as slowly: it flushes each table to disk as it goes, and fills tables of help texts.
"""

import json
import subprocess
from pathlib import Path

from pilothouse.platform.databases.inside.agent.job import Failed
from pilothouse.platform.databases.inside.agent.seed import zones
from pilothouse.platform.databases.inside.agent.settings import Settings

_SCRIPTS = ("mysql_system_tables.sql", "mysql_performance_tables.sql", "mysql_system_tables_data.sql")
_WITHIN_S = 120
_OPTIONS = (
    "--no-defaults",
    "--bootstrap",
    "--default-storage-engine=InnoDB",
    "--innodb-buffer-pool-size=24M",
    "--innodb-log-file-size=48M",
    "--innodb-flush-method=nosync",  # all of it is flushed once, before it gets its name
    "--innodb-flush-log-at-trx-commit=0",
    "--skip-innodb-doublewrite",
    "--skip-log-bin",
    "--max-allowed-packet=8M",
)


def make_empty(settings: Settings, place: Path) -> None:
    """Raises Failed, OSError."""
    command = ["mariadbd", *_OPTIONS, f"--datadir={place}"]
    try:
        done = subprocess.run(command, input=script(settings.user).encode(), capture_output=True, cwd=place, timeout=_WITHIN_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise Failed(f"an empty data folder was not made within {_WITHIN_S} s") from error
    if done.returncode:
        raise Failed(f"mariadbd could not make an empty data folder: {_reason(done.stderr.decode(errors='replace'))}")


def script(user: str, share: Path = Path("/usr/share/mysql")) -> str:
    """user: the system's user that may connect, over the socket. Nobody else may: no root, no anonymous account."""
    rights = json.dumps({"access": (1 << 64) - 1, "plugin": "unix_socket", "authentication_string": ""})
    own = [
        "DELETE FROM global_priv WHERE User <> 'mariadb.sys';",
        "DELETE FROM proxies_priv;",
        f"INSERT INTO global_priv SET Host = 'localhost', User = '{user}', Priv = '{rights}';",
        "ALTER TABLE gtid_slave_pos ENGINE = InnoDB;",
    ]
    texts = [(share / name).read_text() for name in _SCRIPTS]
    named = [f"{each};" for each in zones.statements("mariadb-tzinfo-to-sql")]
    return "\n".join(["CREATE DATABASE mysql;", "USE mysql;", *texts, *own, *named, ""])


def _reason(output: str) -> str:
    errors = [line for line in output.splitlines() if "ERROR" in line]
    return (errors or output.splitlines() or ["it said nothing"])[-1]
