"""What a program gives, compressed, as pieces of bytes."""

import tempfile
from collections.abc import Generator, Sequence

from pilothouse.platform.databases.inside.agent.seed.pipeline import Pipeline

PIECE = 256 << 10
_END_WITHIN_S = 60.0
_SILENT_S = 120.0
"""A backup waits for as long as a commit waits for its acknowledgement; then it is given up."""


def compressed(command: Sequence[str]) -> Generator[bytes]:
    """Through zstd. Raises Failed, at the end too: what came before is worth nothing then."""
    with tempfile.TemporaryFile() as log, Pipeline([command, ["zstd", "-q", "-1", "-c"]], log) as pipeline:
        while piece := pipeline.read(PIECE, _SILENT_S):
            yield piece
        pipeline.finish(_END_WITHIN_S)
