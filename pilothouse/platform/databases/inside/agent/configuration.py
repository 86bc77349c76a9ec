"""The server's configuration file. Pure.

What keeps promises is fixed and comes last, so that no parameter undoes it: durable commits, replication by GTID, TLS, and that a server
starts read-only and follows nobody until the agent has told it to.
"""

from collections.abc import Mapping

from pilothouse.platform.databases.inside.agent.dialects.seam import Options
from pilothouse.platform.databases.inside.agent.settings import Settings
from pilothouse.platform.databases.inside.agent.wanted import Server, Wanted

_LOOSE = "loose-"
"""Before the name of an option: a server that does not know it starts nevertheless."""


def truncates(wanted: Wanted, led: int) -> bool:
    """Whether recovery is to take back what nobody has acknowledged. led: see `memory.Memory`."""
    return wanted.role == "replica" and wanted.source is not None and not wanted.graceful and 0 < led < wanted.term


def text(options: Options, settings: Settings, server: Server, volume_bytes: int, *, term: int, truncates: bool) -> str:
    """Of my.cnf.

    truncates: recovery takes back what no replica has acknowledged. It may only where another member has become primary since.
    """
    values = {
        **{name if name in options.defaults else f"{_LOOSE}{name}": value for name, value in _open(options, server, volume_bytes).items()},
        **options.fixed,
        **_places(settings),
        "server-id": str(server_id(settings, term)),
        **options.recovery(truncates),
    }
    return _file(options.group, values)


def online(options: Options, server: Server, volume_bytes: int) -> dict[str, str]:
    """Settings that a running server may take, by the names of its variables: defaults, what its memory asks for, and parameters."""
    return {name.replace("-", "_"): value for name, value in _open(options, server, volume_bytes).items()}


def removed(old: str, new: str) -> list[str]:
    """Names of the variables that the old file sets and the new one does not."""
    gone = [line.partition(" = ")[0] for line in old.splitlines() if " = " in line]
    return [name.removeprefix(_LOOSE).replace("-", "_") for name in gone if f"\n{name} = " not in new]


def _open(options: Options, server: Server, volume_bytes: int) -> dict[str, str]:
    """By option: all that is not fixed."""
    parameters = {_option(name): value for name, value in server.parameters.items()}
    values = {**options.defaults, **options.sized(server.memory_bytes, volume_bytes), **parameters}
    return {name: value for name, value in values.items() if name not in options.fixed}


def server_id(settings: Settings, term: int) -> int:
    """Of a member at a term: an old primary takes back from the new one even what it wrote itself, as its id is no longer that of these."""
    return (term << 4) + settings.ordinal + 1


def _option(name: str) -> str:
    return name.replace("_", "-").lower()


def _places(settings: Settings) -> dict[str, str]:
    return {
        "datadir": str(settings.mysql),
        "socket": str(settings.socket),
        "pid-file": str(settings.run / "mysqld.pid"),
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


def _file(group: str, values: Mapping[str, str]) -> str:
    lines = [f"{name} = {_quoted(value)}" for name, value in values.items()]
    return "\n".join([f"[{group}]", *lines, "", "[client]", f"socket = {values['socket']}", ""])


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"' if any(sign in value for sign in ' #;"\\\n') else value
