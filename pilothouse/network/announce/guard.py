"""Which node answers no more, and at which of its addresses: whom to ask, and what follows from the silence. Pure.

A node that is second for addresses asks the first one for some of them each second, in turn, and again for those that were not
answered. One that stays silent while others answer is lost by itself: the machine is there. When none answers, and it was asked for more
than one, the node is.
"""

from collections.abc import Iterable, Mapping, Sequence

from pilothouse.model.load_balancers import Address

MOST_MISSES = 3
IN_TURN, MOST_AGAIN = 3, 8
"""Addresses of one node that are asked for in one round: others in turn, and those that were silent."""

Silent = tuple[str, Address]
"""A node, and an address that it should answer for."""


class Guard:
    """Owned by the announcer; a round is a second. Times are the loop's."""

    def __init__(self) -> None:
        self._misses: dict[str, dict[Address, int]] = {}
        self._since: dict[Silent, float] = {}
        self._answered_at: dict[str, float] = {}
        self._turn: dict[str, int] = {}

    def questions(self, guarded: Mapping[str, Sequence[Address]], now: float) -> list[Silent]:
        """Whom to ask for what now. guarded: by node, what it says that it holds and this node is second for."""
        self._forget(guarded)
        found: list[Silent] = []
        for node, addresses in guarded.items():
            misses = self._misses.setdefault(node, {})
            chosen = [*list(misses)[:MOST_AGAIN], *self._in_turn(node, addresses)]
            for address in dict.fromkeys(chosen):
                if address not in misses:
                    self._since[node, address] = now
                misses[address] = misses.get(address, 0) + 1
                found.append((node, address))
        return found

    def answered(self, node: str, address: Address, now: float) -> None:
        """The node has said that it has the address."""
        self._answered_at[node] = now
        self._misses.get(node, {}).pop(address, None)
        self._since.pop((node, address), None)

    def lost(self) -> tuple[list[str], list[Silent]]:
        """Nodes that answer for nothing, and single addresses that are not answered for. What is named is begun anew."""
        nodes: list[str] = []
        addresses: list[Silent] = []
        for node, misses in self._misses.items():
            silent = [address for address, count in misses.items() if count >= MOST_MISSES]
            if not silent:
                continue
            since = min(self._since[node, address] for address in silent)
            if len(silent) > 1 and self._answered_at.get(node, -1.0) < since:
                nodes.append(node)
            else:
                addresses += [(node, address) for address in silent]
        for node in nodes:
            self._begin_anew(node, list(self._misses[node]))
        for node, address in addresses:
            self._begin_anew(node, [address])
        return nodes, addresses

    def _in_turn(self, node: str, addresses: Sequence[Address]) -> Iterable[Address]:
        start = self._turn.get(node, 0) % max(len(addresses), 1)
        self._turn[node] = start + IN_TURN
        return [*addresses[start : start + IN_TURN], *addresses[: max(start + IN_TURN - len(addresses), 0)]]

    def _begin_anew(self, node: str, addresses: Iterable[Address]) -> None:
        for address in addresses:
            self._misses[node].pop(address, None)
            self._since.pop((node, address), None)

    def _forget(self, guarded: Mapping[str, Sequence[Address]]) -> None:
        """What this node is not second for any more."""
        for node in [node for node in self._misses if node not in guarded]:
            self._begin_anew(node, list(self._misses[node]))
            del self._misses[node]
            self._answered_at.pop(node, None)
            self._turn.pop(node, None)
        for node, misses in self._misses.items():
            if misses:
                self._begin_anew(node, misses.keys() - set(guarded[node]))
