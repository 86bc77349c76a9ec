"""What a node's proxies say of endpoints on their way out, as a Lease carries it. Pure.

A report says up to which revision of EndpointSlices the rules follow, and which addresses are routed to though they are ready no more. So
an address has left a node's proxies when the report is as new as the slice that called it off, and does not name it.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pilothouse.model.digits import natural
from pilothouse.model.json import Object

PREFIX = "endpoints.pilothouse.dev"
LABEL = f"{PREFIX}/report"
APPLIED, LEAVING = f"{PREFIX}/applied", f"{PREFIX}/leaving"
MOST, ALL = 200, "*"
"""Addresses that are named; of more, all are said to be routed to."""


@dataclass(frozen=True, slots=True)
class Report:
    """applied: a revision. leaving: addresses."""

    applied: int
    leaving: frozenset[str] = frozenset()

    @classmethod
    def of(cls, lease: Object) -> "Report":
        """What cannot be read counts as nothing applied."""
        notes = lease["metadata"].get("annotations") or {}
        return cls(natural(str(notes.get(APPLIED) or "")) or 0, frozenset(filter(None, str(notes.get(LEAVING) or "").split(","))))

    def annotations(self) -> dict[str, str]:
        names = sorted(self.leaving) if len(self.leaving) <= MOST else [ALL]
        return {APPLIED: str(self.applied), LEAVING: ",".join(names)}

    def has_left(self, address: str, revision: int) -> bool:
        """revision: of the slice that called the address off."""
        return self.applied >= revision and address not in self.leaving and ALL not in self.leaving


def ready_addresses(slices: Iterable[Object]) -> set[str]:
    return {
        address
        for each in slices
        for endpoint in each.get("endpoints") or ()
        if (endpoint.get("conditions") or {}).get("ready") is not False
        for address in endpoint.get("addresses") or ()
    }


def addresses(endpoint_slice: Object) -> list[str]:
    """Index values: all that a slice has, in whatever state."""
    return [address for endpoint in endpoint_slice.get("endpoints") or () for address in endpoint.get("addresses") or ()]


def called_off(address: str, slices: Iterable[Object]) -> int:
    """The newest revision of the slices that have the address and do not call it ready; 0 for none."""
    found = [
        natural(str(each["metadata"].get("resourceVersion") or "")) or 0
        for each in slices
        for endpoint in each.get("endpoints") or ()
        if address in (endpoint.get("addresses") or ()) and (endpoint.get("conditions") or {}).get("ready") is False
    ]
    return max(found, default=0)
