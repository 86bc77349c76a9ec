"""The server's configuration file. Pure.

What keeps promises is fixed and comes last, so that no parameter undoes it: durable commits, replication by GTID, TLS, and that a server
starts read-only and follows nobody until the agent has told it to.
"""

from collections.abc import Mapping

from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.sizing import sizes
from pilothouse.platform.databases.inside.agent.wanted import Server

_DEFAULTS = {
    "character-set-server": "utf8mb4",
    "collation-server": "utf8mb4_unicode_ci",
    "performance-schema": "OFF",
    "innodb-buffer-pool-load-at-startup": "OFF",
    "innodb-buffer-pool-dump-at-shutdown": "OFF",
    "key-buffer-size": "1M",
    "aria-pagecache-buffer-size": "8M",
    "thread-cache-size": "32",
    "slow-query-log": "ON",
    "long-query-time": "1",
    "binlog-expire-logs-seconds": "604800",
    "max-binlog-size": "128M",
    "max-allowed-packet": "64M",
    "sync-relay-log": "1",  # an acknowledged transaction is on two disks
}
_LOOSE = "loose-"
"""Before the name of an option: a server that does not know it starts nevertheless."""
_FIXED = {
    "default-storage-engine": "InnoDB",
    "skip-name-resolve": "ON",
    "skip-external-locking": "ON",
    "local-infile": "OFF",
    "skip-symbolic-links": "ON",
    "feedback": "OFF",
    # durable
    "innodb-flush-log-at-trx-commit": "1",
    "sync-binlog": "1",
    "innodb-doublewrite": "ON",
    # replication
    "log-bin": "binlog",
    "log-bin-index": "binlog.index",
    "relay-log": "relay",
    "relay-log-index": "relay.index",
    "relay-log-recovery": "OFF",  # what was acknowledged may lie there alone
    "binlog-format": "ROW",
    "log-slave-updates": "ON",
    "gtid-strict-mode": "ON",
    "gtid-domain-id": "0",
    "read-only": "ON",
    "skip-slave-start": "ON",
    "slave-net-timeout": "3",
    "slave-parallel-threads": "0",  # the agent raises it: 10.11 crashes with more while it applies a relay log by file
    "slave-parallel-mode": "optimistic",
    "rpl-semi-sync-master-enabled": "OFF",
    "rpl-semi-sync-slave-enabled": "OFF",
    "rpl-semi-sync-slave-kill-conn-timeout": "1",  # so long it takes to cease to receive from a primary that hangs
    "rpl-semi-sync-master-wait-point": "AFTER_SYNC",
    "rpl-semi-sync-master-timeout": "18446744073709551615",
    # who may connect
    "require-secure-transport": "ON",
    "tls-version": "TLSv1.2,TLSv1.3",
}


def text(settings: Settings, server: Server, volume_bytes: int, *, term: int, truncates: bool) -> str:
    """Of my.cnf.

    truncates: recovery takes back what no replica has acknowledged. It may only where another member has become primary since.
    """
    values = {
        **{name if name in _DEFAULTS else f"{_LOOSE}{name}": value for name, value in _open(server, volume_bytes).items()},
        **_FIXED,
        **_places(settings),
        "server-id": str(server_id(settings, term)),
        "init-rpl-role": "SLAVE" if truncates else "MASTER",
    }
    return _file(values)


def online(server: Server, volume_bytes: int) -> dict[str, str]:
    """Settings that a running server may take, by the names of its variables: defaults, what its memory asks for, and parameters."""
    return {name.replace("-", "_"): value for name, value in _open(server, volume_bytes).items()}


def removed(old: str, new: str) -> list[str]:
    """Names of the variables that the old file sets and the new one does not."""
    gone = [line.partition(" = ")[0] for line in old.splitlines() if " = " in line]
    return [name.removeprefix(_LOOSE).replace("-", "_") for name in gone if f"\n{name} = " not in new]


def _open(server: Server, volume_bytes: int) -> dict[str, str]:
    """By option: all that is not fixed."""
    of_memory = sizes(server.memory_bytes, volume_bytes)
    values = {
        **_DEFAULTS,
        "innodb-buffer-pool-size": str(of_memory.buffer_pool),
        "innodb-log-file-size": str(of_memory.redo_log),
        "max-connections": str(of_memory.connections),
        "table-open-cache": str(of_memory.table_cache),
        "table-definition-cache": str(of_memory.table_cache),
        **{_option(name): value for name, value in server.parameters.items()},
    }
    return {name: value for name, value in values.items() if name not in _FIXED}


def server_id(settings: Settings, term: int) -> int:
    """Of a member at a term: an old primary takes back from the new one even what it wrote itself, as its id is no longer that of these."""
    return (term << 4) + settings.ordinal + 1


def _option(name: str) -> str:
    return name.replace("_", "-").lower()


def _places(settings: Settings) -> dict[str, str]:
    return {
        "datadir": str(settings.mysql),
        "socket": str(settings.socket),
        "pid-file": str(settings.run / "mariadbd.pid"),
        "log-error": str(settings.error_log),
        "slow-query-log-file": str(settings.slow_log),
        "tmpdir": str(settings.data / "tmp"),
        "secure-file-priv": str(settings.data / "tmp"),
        "bind-address": settings.sql_address,
        "port": str(settings.sql_port),
        "report-host": settings.member,
        "ssl-ca": str(settings.tls / "ca.crt"),
        "ssl-cert": str(settings.tls / "tls.crt"),
        "ssl-key": str(settings.tls / "tls.key"),
    }


def _file(values: Mapping[str, str]) -> str:
    lines = [f"{name} = {_quoted(value)}" for name, value in values.items()]
    return "\n".join(["[mariadbd]", *lines, "", "[client]", f"socket = {values['socket']}", ""])


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"' if any(sign in value for sign in ' #;"\\\n') else value
