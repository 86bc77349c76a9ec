"""All databases of the server as SQL, of one moment, in one compressed stream."""

from collections.abc import Generator

from pilothouse.platform.databases.inside.agent.seed.copy import compressed
from pilothouse.platform.databases.inside.agent.settings import Settings

_WHAT = ("--all-databases", "--single-transaction", "--routines", "--triggers", "--events", "--hex-blob", "--gtid", "--master-data=2")


def stream(settings: Settings) -> Generator[bytes]:
    """mariadb-dump's statements through zstd; the position is told in a comment at their end. Raises Failed, at the end too."""
    places = (f"--defaults-file={settings.configuration}", f"--user={settings.user}", f"--socket={settings.socket}")
    return compressed(["mariadb-dump", *places, *_WHAT])
