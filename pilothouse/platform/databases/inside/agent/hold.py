"""The end of a pod: a primary that others can take over from holds it up until they have, and the agent outlives the server.

The file `hold` is what the preStop hook of the server's container waits for; it is there as long as this member is such a primary.
"""

import time
from pathlib import Path

from pilothouse.platform.databases.inside.agent.seen import Seen

ALONE_S = 30.0
"""After a signal to the agent: its container alone is ended when the server's supervisor was not told either by then."""


class Hold:
    def __init__(self, run: Path) -> None:
        self._file = run / "hold"
        self._leaving_since: float | None = None

    @property
    def is_leaving(self) -> bool:
        return self._leaving_since is not None

    def leave(self) -> None:
        if self._leaving_since is None:
            self._leaving_since = time.monotonic()

    def keep(self, seen: Seen) -> None:
        """Makes the file or takes it away."""
        if is_held(seen) == self._file.exists():
            return
        if self._file.exists():
            self._file.unlink(missing_ok=True)
        else:
            self._file.touch()

    def is_over(self, is_stopping: bool, pid: int) -> bool:
        """Whether the agent may end. A server whose supervisor goes on is left as it is, for the next agent."""
        if self._leaving_since is None:
            return False
        return not pid if is_stopping else not pid or time.monotonic() - self._leaving_since > ALONE_S


def is_held(seen: Seen) -> bool:
    """Whether another member should become primary before this one ends. Pure."""
    answer = seen.answer
    return answer is not None and seen.mode == "primary" and answer.semi_sync.primary and not answer.read_only
