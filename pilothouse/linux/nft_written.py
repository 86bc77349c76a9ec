"""Whether rules that were written are in the kernel still. Others change tables, too: a firewall that is loaded anew, a person with nft(8).

What is known is how many rules each chain has got, by the commands themselves. While nobody has changed any table a look costs one
question, else the names of the chains of all rules in the own tables; somebody who changes tables all the time costs a twentieth of a
processor at most. Rules that others have put into a chain are left there.
"""

import time
from collections.abc import Callable

from pilothouse.linux.nft_state import NftState

FAMILIES = {"inet": 1, "ip": 2, "ip6": 10}
"""As netfilter numbers them."""
SHARE = 0.05
"""Of the time may go into looks."""
_CONCERNING = ("add rule ", "flush chain ", "delete chain ", "delete table ")

Place = tuple[str, str]
"""A table's family and name."""


class WrittenRules:
    """For one thread at a time."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, worked: Callable[[], float] = time.thread_time) -> None:
        """worked: for how many seconds the calling thread has had a processor."""
        self._clock, self._worked = clock, worked
        self._rules: dict[Place, dict[str, int]] = {}
        self._generation = -1
        self._not_before = 0.0

    def note(self, commands: str) -> None:
        """They have been run. One command a line, with the table's family and name."""
        for line in commands.splitlines():
            if line.startswith(_CONCERNING):
                self._note(*line.split(" ", 5)[:5])

    def _note(self, verb: str, what: str, family: str, table: str, chain: str = "") -> None:
        chains = self._rules.setdefault((family, table), {})
        if what == "table":
            del self._rules[family, table]
        elif verb == "add":
            chains[chain] = chains.get(chain, 0) + 1
        else:
            chains.pop(chain, None)

    def is_in_place(self, state: NftState, further: Callable[[], bool] = lambda: True) -> bool:
        """False when a chain has fewer rules than were written. further: what else must hold, asked only when some table has changed.

        Raises OSError when the kernel does not answer.
        """
        began, worked = self._clock(), self._worked()
        generation = state.generation()
        if generation == self._generation or began < self._not_before:
            return True
        found = self._are_there(state) and further()
        # What was being changed meanwhile is asked once more.
        found = found or (self._are_there(state) and further())
        self._generation = generation if found else -1
        self._not_before = began + (self._worked() - worked) / SHARE
        return found

    def _are_there(self, state: NftState) -> bool:
        for (family, table), chains in self._rules.items():
            present = state.rules(FAMILIES[family], table)
            if any(present[chain] < count for chain, count in chains.items()):
                return False
        return True
