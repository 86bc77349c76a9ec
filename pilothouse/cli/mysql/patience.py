"""How long trouble of an instance is waited out that may end by itself."""

import time

from pilothouse.cli.mysql import standing
from pilothouse.model.json import Object

GIVE_UP_S = 20.0
"""How long trouble may stay without a change until nothing is expected to change any more."""


class Patience:
    """Of one wait for one instance, which is shown to it in each round."""

    def __init__(self, give_up_s: float = GIVE_UP_S) -> None:
        self._give_up_s = give_up_s
        self._trouble, self._since = "", time.monotonic()

    def lost(self, instance: Object) -> str:
        """Why waiting is of no use: the trouble, which has not changed for long, a sentence without an end; "" to wait on."""
        trouble = standing.trouble(instance)
        if trouble != self._trouble:
            self._trouble, self._since = trouble, time.monotonic()
        is_lost = trouble and time.monotonic() - self._since > self._give_up_s
        return f"nothing has changed for {self._give_up_s:g} s: {trouble}" if is_lost else ""
