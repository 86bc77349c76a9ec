"""The addresses that this node holds: taken after a probe, announced, renewed, given up.

Taking an address: ask the link three times within a fifth of a second whether somebody has it; nobody answers: the kernel gets the address
with a lifetime, and the link is told, now and a few times more for switches that were busy. Somebody answers: the address is not taken.
Source: RFC 5227, 2.1 and 2.3, with shorter times: the nodes have agreed before who takes it.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import structlog

from pilothouse.linux import interfaces
from pilothouse.linux.interfaces import Address, InterfaceFailure, Link
from pilothouse.linux.nft import NftFailure, open_nft
from pilothouse.network.announce import frames, rules
from pilothouse.network.announce.wire import OnClaim, Wire

log = structlog.get_logger("network.announce")

T = TypeVar("T")

PROBES, PROBE_S = 3, 0.06
REPEATS_S = (1.0, 2.0, 4.0)
"""After which an address is announced again."""
BATCH, PACE_S = 64, 0.002
"""Frames that are sent in one turn of the loop, about a millisecond's work, and the time until the next: links drop what comes at once."""


@dataclass(slots=True)
class Held:
    """links: names of those that have it. since: when it was taken, in the loop's time."""

    links: frozenset[str]
    since: float


class Holder:
    """Owned by the loop; what blocks runs in `thread`. heard: hears of everybody who claims a watched address."""

    def __init__(self, table: str, valid_s: int, thread: Executor, heard: OnClaim) -> None:
        self.held: dict[Address, Held] = {}
        self.links: Mapping[str, Link] = {}
        self._table = table
        self._valid_s = valid_s
        self._thread = thread
        self._heard = heard
        self._wires: dict[str, Wire] = {}
        self._guarded: Mapping[str, Collection[Address]] = {}
        self._probed: dict[Address, bytes] | None = None
        self._probing: dict[str, set[Address]] = {}
        self._ruled: frozenset[Address] | None = None
        self._repeats: set[asyncio.TimerHandle] = set()
        self._macs: frozenset[bytes] = frozenset()

    async def look(self) -> None:
        """See which links there are. Raises InterfaceFailure."""
        found = await self._in_thread(interfaces.links)
        self.links = {link.name: link for link in found}
        self._macs = frozenset(link.mac for link in found)
        gone = [name for name, wire in self._wires.items() if wire.link.index != getattr(self.links.get(name), "index", -1)]
        for name in gone:
            self._wires.pop(name).close()
        if gone:
            self._watch()

    async def settle(self, wanted: Mapping[Address, frozenset[str]], known: Mapping[Address, object]) -> dict[Address, bytes]:
        """Hold these addresses on these links, and of `known` no others. Returns those that somebody else has: his MAC address.

        Raises InterfaceFailure, when the kernel refuses one; the others are held.
        """
        surplus, present, missing = await self._in_thread(_difference, self.links, dict(self.held), wanted, known)
        now = asyncio.get_running_loop().time()
        # From before a restart: the kernel has answered for it all the time.
        self.held.update((address, Held(links, now)) for address, links in present.items())
        await self._drop(surplus)
        taken = await self._probe(missing)
        refused = await self._take({address: links for address, links in missing.items() if address not in taken})
        await self._write_rules()
        if surplus or present or missing:
            self._watch()
        if refused:
            raise InterfaceFailure("; ".join(f"{address}: {why}" for address, why in islice(refused.items(), 3)))
        return taken

    async def renew(self) -> None:
        """Each address has its whole lifetime before it again. Raises InterfaceFailure."""
        due = [(self.links[name].index, address) for address, held in self.held.items() for name in held.links if name in self.links]
        refused = await self._in_thread(interfaces.hold, due, self._valid_s)
        await self._write_rules(again=True)
        if refused:
            raise InterfaceFailure("; ".join(f"{address}: {why}" for address, why in islice(refused.items(), 3)))

    def guard(self, guarded: Mapping[str, Collection[Address]]) -> None:
        """Addresses of others to hear of, by link."""
        if guarded != self._guarded:
            self._guarded = guarded
            self._watch()

    def ask(self, link: str, address: Address, mac: bytes) -> None:
        """Whether that one still answers for the address; the answer is heard as a claim."""
        if (wire := self._wires.get(link)) is not None:
            wire.send(frames.probe(wire.link.mac, address, mac))

    def defend(self, address: Address) -> None:
        self._announce((address,))

    def close(self) -> None:
        """The addresses stay until their lifetime ends."""
        for repeat in self._repeats:
            repeat.cancel()
        for wire in self._wires.values():
            wire.close()
        self._wires.clear()

    def heard(self, link: str, address: Address, mac: bytes) -> None:
        if mac in self._macs:
            return
        if self._probed is not None and address in self._probing.get(link, ()):
            self._probed[address] = mac
        self._heard(link, address, mac)

    async def _probe(self, missing: Mapping[Address, Collection[str]]) -> dict[Address, bytes]:
        found: dict[Address, bytes] = {}
        if not missing:
            return found
        self._probed, self._probing = found, {}
        for address, links in missing.items():
            for name in links:
                self._probing.setdefault(name, set()).add(address)
        self._watch()
        try:
            for _ in range(PROBES):
                for name, addresses in self._probing.items():
                    for batch in _batches(addresses - found.keys()):
                        if (wire := self._wires.get(name)) is not None:
                            for address in batch:
                                wire.send(frames.probe(wire.link.mac, address))
                        await asyncio.sleep(PACE_S)
                await asyncio.sleep(PROBE_S)
        finally:
            self._probed, self._probing = None, {}
        for address, links in missing.items():
            for name in links:
                # The machine's own, by whomever it was given: ours are present, not missing.
                other = self.links[name].has(address) if name in self.links else None
                if other is not None and not other.is_ours:
                    found[address] = self.links[name].mac
        return found

    async def _take(self, free: Mapping[Address, Collection[str]]) -> dict[Address, str]:
        """Returns those that the kernel refuses, and why. Raises InterfaceFailure."""
        refused: dict[Address, str] = {}
        loop = asyncio.get_running_loop()
        for batch in _batches(free):
            places = [(self.links[name].index, address) for address in batch for name in free[address] if name in self.links]
            refused |= await self._in_thread(interfaces.hold, places, self._valid_s)
            held = [address for address in batch if address not in refused]
            for address in held:
                self.held[address] = Held(frozenset(name for name in free[address] if name in self.links), loop.time())
            self._announce(held)
            for after_s in REPEATS_S:
                self._repeat(after_s, held)
            log.info("addresses taken", count=len(held), addresses=[str(address) for address in held[:8]])
            await asyncio.sleep(PACE_S)
        return refused

    def _repeat(self, after_s: float, addresses: Sequence[Address]) -> None:
        def again() -> None:
            self._repeats.discard(handle)
            self._announce(addresses)

        handle = asyncio.get_running_loop().call_later(after_s, again)
        self._repeats.add(handle)

    def _announce(self, addresses: Iterable[Address]) -> None:
        for address in addresses:
            for name in getattr(self.held.get(address), "links", ()):
                if (wire := self._wires.get(name)) is not None:
                    wire.send(frames.announcement(wire.link.mac, address))

    async def _drop(self, addresses: Collection[Address]) -> None:
        if not addresses:
            return
        places = []
        for address in addresses:
            was_held = self.held.pop(address, None)
            for link in self.links.values():
                found = link.has(address)
                if (found is not None and found.is_ours) or (was_held is not None and link.name in was_held.links):
                    places.append((link.index, address))
        try:
            refused = await self._in_thread(interfaces.drop, places)
        except InterfaceFailure as failure:
            refused = dict.fromkeys(addresses, str(failure))
        for address, why in islice(refused.items(), 3):
            log.warning("address not given up", address=str(address), error=why)
        log.info("addresses given up", count=len(addresses) - len(refused), addresses=[str(each) for each in islice(addresses, 8)])

    def _watch(self) -> None:
        by_link: dict[str, set[Address]] = {name: set(addresses) for name, addresses in self._guarded.items()}
        for name, addresses in self._probing.items():
            by_link.setdefault(name, set()).update(addresses)
        for address, held in self.held.items():
            for name in held.links:
                by_link.setdefault(name, set()).add(address)
        for name, addresses in by_link.items():
            if name in self.links:
                if name not in self._wires:
                    self._wires[name] = Wire(self.links[name], self.heard)
                self._wires[name].watch(addresses)
        for name in self._wires.keys() - by_link.keys():
            self._wires[name].watch(())

    async def _write_rules(self, *, again: bool = False) -> None:
        held = frozenset(self.held)
        if held == self._ruled and not (again and held):
            return
        try:
            await self._in_thread(lambda: open_nft().run(rules.table(self._table, held)))
        except NftFailure as failure:
            log.error("rules for addresses of load balancers refused", error=str(failure))
        else:
            self._ruled = held

    async def _in_thread(self, work: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)


def _difference(
    links: Mapping[str, Link], held: Collection[Address], wanted: Mapping[Address, frozenset[str]], known: Mapping[Address, object]
) -> tuple[set[Address], dict[Address, frozenset[str]], dict[Address, frozenset[str]]]:
    """Addresses to give up; those that links have though they are not held, and where; those that are missing, and where.

    Beside the loop: it costs some microseconds an address.
    """
    ours = {each.interface.ip for link in links.values() for each in link.addresses if each.is_ours}
    surplus = ((ours & known.keys()) | set(held)) - wanted.keys()
    found: dict[Address, frozenset[str]] = {}
    missing: dict[Address, frozenset[str]] = {}
    for address, names in wanted.items():
        present = frozenset(
            name for name in names if (link := links.get(name)) is not None and (has := link.has(address)) is not None and has.is_ours
        )
        if present and address not in held:
            found[address] = present
        if not names <= present:
            missing[address] = names
    return surplus, found, missing


def _batches(addresses: Iterable[Address]) -> Iterator[list[Address]]:
    waiting = iter(addresses)
    while batch := list(islice(waiting, BATCH)):
        yield batch
