"""All databases of the server as SQL, of one moment, in one compressed stream."""

import tempfile
from collections.abc import Iterator

from pilothouse.platform.databases.inside.agent.seed.copy import PIECE
from pilothouse.platform.databases.inside.agent.seed.pipeline import Pipeline
from pilothouse.platform.databases.inside.agent.settings import Settings

_END_WITHIN_S = 60.0
_WHAT = ("--all-databases", "--single-transaction", "--routines", "--triggers", "--events", "--hex-blob", "--gtid", "--master-data=2")


def stream(settings: Settings) -> Iterator[bytes]:
    """mariadb-dump's statements through zstd; the position is told in a comment at their end. Raises Failed, at the end too."""
    with tempfile.TemporaryFile() as log:
        dump = [
            "mariadb-dump",
            f"--defaults-file={settings.configuration}",
            f"--user={settings.user}",
            f"--socket={settings.socket}",
            *_WHAT,
        ]
        with Pipeline([dump, ["zstd", "-q", "-1", "-c"]], log) as pipeline:
            while piece := pipeline.output.read(PIECE):
                yield piece
            pipeline.finish(_END_WITHIN_S)
