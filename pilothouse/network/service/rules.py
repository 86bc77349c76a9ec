"""The rules of all services, from objects to the kernel, in the proxy's own thread.

Objects come in with `take`, in as many portions as the loop likes; `write` brings the kernel to the state of all that was taken, in one
transaction. Level-triggered: a transaction that fails, or a table that someone has flushed, leads to whole tables being written again.
"""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from pilothouse.linux.nft import Nft, NftFailure
from pilothouse.linux.nft_state import NftState
from pilothouse.linux.nft_written import WrittenRules
from pilothouse.model.json import Object
from pilothouse.network.service import kernel
from pilothouse.network.service.book import RuleBook
from pilothouse.network.service.config import ServiceProxyConfig
from pilothouse.network.service.culprits import culprits
from pilothouse.network.service.family import FAMILIES
from pilothouse.network.service.flows import StaleFlows
from pilothouse.network.service.plan import NOTHING, PROTOCOLS, Health, Plan, nothing, plan

log = structlog.get_logger("network.service")
FAULTS_OF_DATA = (ValueError, LookupError, TypeError, AttributeError)
"""What code raises that is given an object of a shape it does not expect."""
NOT_ROUTED, IP_NOT_ROUTED, PROTOCOL_NOT_ROUTED = "ServiceNotRouted", "ExternalIPNotRouted", "ProtocolNotRouted"


class ProxyFailure(Exception):
    """The machine cannot run a service proxy; the text says what it lacks."""


@dataclass(frozen=True, slots=True)
class Change:
    """A service as it is now. service None: it is gone. slices: all of it."""

    key: str
    service: Object | None
    slices: Sequence[Object]


@dataclass(frozen=True, slots=True)
class Remark:
    """What the owner of a Service has to know."""

    key: str
    reason: str
    message: str


@dataclass(slots=True)
class Outcome:
    """What came of a `write`. done: False when it could not be done and is to be tried again, after a wait when `wait` is set.

    routed, left: addresses that traffic goes to since the last one that was done; that it goes to no more, or as the last resort.
    health: by service, None for those that have none any more. nft_s: how long the kernel took.
    """

    done: bool = True
    wait: bool = False
    routed: set[str] = field(default_factory=set)
    left: set[str] = field(default_factory=set)
    remarks: list[Remark] = field(default_factory=list)
    health: dict[str, Health | None] = field(default_factory=dict)
    local_only: dict[str, int] = field(default_factory=dict)
    nft_s: float = 0.0


class Rules:
    """Made and used in one thread, whose network namespace is meant. Raises ProxyFailure when the kernel lacks what is needed."""

    def __init__(self, config: ServiceProxyConfig, nft: Nft) -> None:
        self.config = config
        self._nft = nft
        self._state = NftState()
        self._written = WrittenRules()
        self._books = tuple(RuleBook(each) for each in config.families)
        self._flows = StaleFlows()
        self._taken: dict[str, Plan] = {}
        self._plans: dict[str, Plan] = {}
        self._remarks: list[Remark] = []
        self._touched: set[str] = set()
        self._reported: set[str] = set()
        self._led: set[str] = set()
        self._whole = True
        self._zone = ""
        self.local_only: Counter[str] = Counter()
        self._node_addresses: tuple[str, ...] = ()
        self._protocols: Sequence[str] = PROTOCOLS
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        for each in self._books:
            lacking = kernel.missing(self._nft, f"{self.config.table}-probe", each.config.family)
            if lacking:
                raise ProxyFailure(lacking)
        if not kernel.translates_sctp():
            self._protocols = tuple(each for each in PROTOCOLS if each != "sctp")
        for family in FAMILIES:
            if all(each.config.family != family for each in self._books):
                kernel.remove(self._nft, self.config.table, family)
        self._node_addresses = self._present_addresses()

    def close(self) -> None:
        self._state.close()

    @property
    def failures(self) -> int:
        """Calls in a row that could not end flows."""
        return self._flows.failures

    def take(self, changes: Iterable[Change], zone: str) -> None:
        """Plan what these services need. zone: this node's."""
        self._zone = zone
        for change in changes:
            self._taken[change.key] = self._planned(change)

    def write(self) -> Outcome:
        """Bring the kernel to the state of all that was taken."""
        taken, self._taken = self._taken, {}
        outcome = Outcome(health=self._health_of(taken))
        commands = self._commands(taken)
        try:
            if commands:
                outcome.nft_s = self._timed(commands)
        except NftFailure as failure:
            self._refused(failure, taken, outcome)
        else:
            self._whole = False
            self._report(outcome)
            if self._flows:
                self._flows.end()
        outcome.remarks, self._remarks = self._remarks, []
        outcome.local_only = dict(self.local_only)
        return outcome

    def _timed(self, commands: str) -> float:
        began = time.perf_counter()
        self._nft.run(commands)
        self._written.note(commands)
        return time.perf_counter() - began

    def write_whole(self) -> Outcome:
        self._whole = True
        return self.write()

    def is_in_place(self) -> bool:
        """Whether the rules are there as they were written. Costs one question while nobody has changed any table."""
        try:
            return self._written.is_in_place(self._state)
        except OSError as error:
            log.warning("it cannot be seen whether the rules of the services are in place", error=str(error))
            return True

    def has_moved(self) -> bool:
        """Whether node ports answer at other addresses now, since networks are named and the machine's addresses are others."""
        if not self.config.names_networks:
            return False
        present = self._present_addresses()
        moved = present != self._node_addresses
        self._node_addresses = present
        return moved

    def _present_addresses(self) -> tuple[str, ...]:
        return self.config.node_addresses(kernel.own_addresses() if self.config.names_networks else ())

    @property
    def node_addresses(self) -> tuple[str, ...]:
        return self._node_addresses

    def _planned(self, change: Change) -> Plan:
        try:
            former = [book.get(change.key) for book in self._books]
            found = plan(change.service, change.slices, self.config, self._zone, self._protocols, before=former)
        except FAULTS_OF_DATA as error:
            self._leave_out(change.key, f"no rules can be made of it: {error}")
            return nothing(self.config)
        before = self._plans.get(change.key)
        self._remark(change.key, before, found)
        return found

    def _remark(self, key: str, before: Plan | None, found: Plan) -> None:
        if found.refused and (before is None or found.refused != before.refused):
            named = ", ".join(found.refused[:10])
            message = f"not routed: {named}: addresses of the cluster's Services and pods are nobody's to name; take one outside of them"
            log.warning("external addresses of a service not routed", service=key, addresses=named)
            self._remarks.append(Remark(key, IP_NOT_ROUTED, message))
        if found.sctp and "sctp" not in self._protocols and (before is None or not before.sctp):
            message = (
                f"ports of SCTP get no traffic on node {self.config.node}, whose kernel does not track it (CONFIG_NF_CT_PROTO_SCTP): "
                "use a kernel that does, or a headless Service"
            )
            self._remarks.append(Remark(key, PROTOCOL_NOT_ROUTED, message))

    def _leave_out(self, key: str, why: str) -> None:
        """Until the Service or its endpoints change."""
        log.error("service left out", service=key, why=why)
        self._remarks.append(Remark(key, NOT_ROUTED, f"this Service gets no traffic: {why}"[:1000]))

    def _health_of(self, taken: Mapping[str, Plan]) -> dict[str, Health | None]:
        known = {key: self._plans.get(key) for key in taken}
        return {key: found.health for key, found in taken.items() if found.health or ((before := known[key]) and before.health)}

    def _commands(self, taken: Mapping[str, Plan]) -> str:
        commands = "".join(self._change(number, taken) for number in range(len(self._books)))
        for key, found in taken.items():
            self._keep(key, found)
        return self._tables() if self._whole else commands

    def _keep(self, key: str, found: Plan) -> None:
        before = self._plans.pop(key, None)
        if found != nothing(self.config):
            self._plans[key] = found
        self.local_only.subtract(before.local_only if before else ())
        self.local_only.update(found.local_only)

    def _report(self, outcome: Outcome) -> None:
        routed = {address for address in self._touched if any(book.is_routed(address) for book in self._books)}
        led = {address for address in self._touched if any(book.leads_to(address) for book in self._books)}
        outcome.routed = routed - self._reported
        # One that was the last resort is left a second time, when another one is there.
        outcome.left = (self._touched - routed) & self._reported | (self._touched - led) & self._led
        # In place: they hold the addresses of all services.
        self._reported |= outcome.routed
        self._reported -= outcome.left
        self._led -= self._touched
        self._led |= led
        self._touched = set()

    def _change(self, number: int, taken: Mapping[str, Plan]) -> str:
        """Of one IP family."""
        book = self._books[number]
        wanted = {key: found.fragments[number] for key, found in taken.items()}
        before = {key: book.get(key) for key in wanted}
        commands = ""
        if self._whole:
            book.put(wanted)
        else:
            commands = book.change(wanted)
        addresses = list(book.config.family.of(self._node_addresses))
        for key, fragment in wanted.items():
            self._touched |= before[key].addresses | fragment.addresses
            self._flows.note(before[key], fragment, book.targets, addresses)
        return commands

    def _tables(self) -> str:
        # Who was sent to an endpoint while this did not run, or runs against an older table, stays there.
        known = [kernel.remembered_clients(self._state, book.config, book.client_sets) for book in self._books]
        return "".join(book.whole(self._node_addresses, each) for book, each in zip(self._books, known, strict=True))

    def _refused(self, failure: NftFailure, taken: Mapping[str, Plan], outcome: Outcome) -> None:
        """A change that fails is followed at once by whole tables, without the Services for which they would be refused.

        Of a change these are looked for among the changed ones. Whole tables that fail for another reason wait longer each time.
        """
        log.error("nftables refuses the services' rules", error=str(failure), whole=self._whole)
        found: dict[str, str] = {}
        for book in self._books:
            suspects = book.fragments if self._whole else {key: book.get(key) for key in taken if key in book.fragments}
            found |= culprits(self._nft, book.config, suspects, self._node_addresses)
        for key, why in found.items():
            self._leave_out(key, f"nftables refuses its rules: {why}")
            for book in self._books:
                self._touched |= book.get(key).addresses
                book.put({key: NOTHING})
            self._keep(key, nothing(self.config))
        outcome.done, outcome.wait = False, self._whole and not found
        self._whole = True

    @property
    def elements(self) -> int:
        """That services have in maps of the tables."""
        return sum(book.size for book in self._books)
