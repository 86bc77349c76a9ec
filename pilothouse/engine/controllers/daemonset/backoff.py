"""How long a node is left alone after a daemon's pod has failed there: a node that rejects the pod would otherwise get one after another.

Source: Kubernetes 1.36, failedPodsBackoff of the DaemonSet controller (1 s, doubled up to 15 minutes).
"""

from dataclasses import dataclass, field
from typing import NamedTuple

FIRST_S = 1.0
MOST_S = 900.0


class _Failure(NamedTuple):
    at: float
    delay_s: float


@dataclass(slots=True)
class Backoff:
    """Lost with the process: a restart begins it anew. What is older than twice the longest wait is forgotten."""

    _last: dict[tuple[str, str], _Failure] = field(default_factory=dict)

    def wait_s(self, uid: str, node: str, now: float) -> float:
        """Seconds until a failed pod of the set may be replaced on the node. A clock that was set back does not make it longer."""
        last = self._last.get((uid, node))
        return 0.0 if last is None else min(last.delay_s, max(0.0, last.at + last.delay_s - now))

    def note(self, uid: str, node: str, now: float) -> None:
        """A failed pod is being replaced."""
        self._last = {key: last for key, last in self._last.items() if now - last.at < 2 * MOST_S}
        last = self._last.get((uid, node))
        self._last[uid, node] = _Failure(now, FIRST_S if last is None else min(MOST_S, last.delay_s * 2))
