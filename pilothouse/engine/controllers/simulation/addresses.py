"""Which pod has which address of those that lead nowhere; nothing is stored beside the pods."""

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network


class Addresses:
    """network: of which all but the first and the last are given, by turns, so that one comes back as late as may be."""

    def __init__(self, network: IPv4Network) -> None:
        self._network = network
        self._next = 1
        self._taken: set[str] = set()

    def take(self, address: str) -> None:
        """Somebody has it already."""
        self._taken.add(address)

    def give(self) -> str | None:
        """One that nobody has; None when there is none."""
        last = self._network.num_addresses - 2
        for _ in range(last):
            found = str(self._network[self._next])
            self._next = self._next % last + 1
            if found not in self._taken:
                self._taken.add(found)
                return found
        return None

    def release(self, addresses: Iterable[str]) -> None:
        self._taken.difference_update(addresses)

    def __contains__(self, address: str) -> bool:
        try:
            return IPv4Address(address) in self._network
        except ValueError:
            return False
