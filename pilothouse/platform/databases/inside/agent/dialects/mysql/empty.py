"""A server's folder with nothing in it but the system tables and the one account of the agent, which is let in over the socket alone.

Of the server's own accounts `root` becomes the agent's; those that stay are locked.
"""

import tempfile
from pathlib import Path

from pilothouse.platform.databases.inside.agent.dialects.mysql.offline import serve
from pilothouse.platform.databases.inside.agent.objects import names
from pilothouse.platform.databases.inside.agent.seed import zones
from pilothouse.platform.databases.inside.agent.settings import Settings

_OPTIONS = (
    "--initialize-insecure",
    "--innodb-redo-log-capacity=48M",
    "--innodb-flush-method=nosync",  # all of it is flushed once, before it gets its name
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-doublewrite=OFF",
)


def make_empty(settings: Settings, place: Path) -> None:
    """Raises Failed, OSError."""
    with tempfile.TemporaryFile() as log:
        serve(place, [*statements(settings.user), *_zones()], _OPTIONS, log)
    (place / "auto.cnf").unlink(missing_ok=True)


def _zones() -> list[str]:
    return ["USE mysql", "START TRANSACTION", *zones.statements("mysql_tzinfo_to_sql"), "COMMIT"]


def statements(user: str) -> list[str]:
    """user: the system's user that may connect, over the socket. The tables are written: while they are made no plugin can be named."""
    account = f"User = {names.text(user)}"
    return [
        f"UPDATE mysql.user SET {account}, plugin = 'auth_socket', authentication_string = '' WHERE User = 'root'",  # noqa: S608 -- a quoted name of the system's
        f"UPDATE mysql.global_grants SET {account} WHERE USER = 'root'",  # noqa: S608
        "DELETE FROM mysql.proxies_priv",
    ]
