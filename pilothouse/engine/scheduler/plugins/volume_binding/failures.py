"""Where the volume of a claim could not be made: such a node is left out for a while, so that others get their turn.

Only the node knows whether it has room, and only once it is asked; without this memory the scheduler would name the same node to the
claim's provisioner again as soon as that has given the claim back, round after round.
"""

import asyncio
from collections.abc import Callable

REST_S = 30.0
"""How long a node is left out. Room that is made there is found after this at the latest."""


class Failures:
    """changed: called when a node may be asked again. For one event loop; holds at most one entry a claim and node."""

    def __init__(self) -> None:
        self.changed: Callable[[], None] = lambda: None
        self._known: set[tuple[str, str]] = set()

    def note(self, claim_uid: str, node: str) -> None:
        failure = claim_uid, node
        if failure not in self._known:
            self._known.add(failure)
            asyncio.get_running_loop().call_later(REST_S, self._forget, failure)

    def has(self, claim_uid: str, node: str) -> bool:
        return (claim_uid, node) in self._known

    def _forget(self, failure: tuple[str, str]) -> None:
        self._known.discard(failure)
        self.changed()
