"""The service proxy as a component: watches Services and EndpointSlices and keeps the node's rules in step.

A change goes to the kernel at once; what changes meanwhile goes together in the next transaction. The barrier hears after each
one which addresses are still routed to. Level-triggered: a transaction that fails, or a table that someone has flushed, leads
to the whole table being written again.
"""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import structlog

from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.linux.nft import Nft, NftFailure, open_nft
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, SERVICES
from pilothouse.network.service import kernel
from pilothouse.network.service.book import RuleBook
from pilothouse.network.service.config import ServiceProxyConfig
from pilothouse.network.service.culprits import culprits
from pilothouse.network.service.endpoints import SERVICE_NAME_LABEL
from pilothouse.network.service.flows import StaleFlows
from pilothouse.network.service.plan import NOTHING, Fragment, plan

log = structlog.get_logger("network.service")

INSPECT_S = 10.0
RETRY_S = (0.5, 30.0)
FAULTS_OF_DATA = (ValueError, LookupError, TypeError, AttributeError)
"""What code raises that is given an object of a shape it does not expect."""


class ProxyFailure(Exception):
    """The machine cannot run a service proxy; the text says what it lacks."""


def _service_of(slice_: Object) -> str | None:
    metadata = slice_["metadata"]
    name = (metadata.get("labels") or {}).get(SERVICE_NAME_LABEL)
    return f"{metadata['namespace']}/{name}" if name else None


def _index(slice_: Object) -> list[str]:
    key = _service_of(slice_)
    return [key] if key else []


class ServiceProxy:
    """informers: not yet running or already; the proxy asks them for what it needs when it is made.

    recorder: hears of the Services that are left out.
    """

    def __init__(
        self, informers: Informers, barrier: EndpointBarrier, config: ServiceProxyConfig, *, recorder: Recorder | None = None
    ) -> None:
        self.config = config
        self._recorder = recorder
        self._services = informers.of(SERVICES)
        self._slices = informers.of(ENDPOINTSLICES, indexes={"service": _index})
        self._barrier = barrier
        self._book = RuleBook(config)
        self._stale_flows = StaleFlows(config)
        self._dirty: dict[str, None] = {}
        self._whole = True
        self._wake = asyncio.Event()
        self._failures = 0
        self._services.on_change(self._service_changed)
        self._slices.on_change(self._slice_changed)

    async def run(self, ready: asyncio.Event) -> None:
        """Raises ProxyFailure when the kernel lacks what is needed. The rules stay when this ends, and when it fails they still count."""
        consumer = self._barrier.join("service-proxy")
        with ThreadPoolExecutor(1, "service-proxy") as thread:
            loop = asyncio.get_running_loop()
            try:
                nft = await loop.run_in_executor(thread, open_nft)
                lacking = await loop.run_in_executor(thread, kernel.missing, nft, f"{self.config.table}-probe")
                if lacking:
                    raise ProxyFailure(lacking)
                await self._services.wait_synced()
                await self._slices.wait_synced()
                while True:
                    if await self._apply(thread, nft):
                        consumer.routes(self._book.addresses, self._slices.revision)
                        ready.set()
                    await self._next_change(thread, nft)
            except asyncio.CancelledError:
                consumer.leave()
                raise

    def teardown(self) -> None:
        """Take the table away. Blocks; call it after `run` has ended."""
        kernel.teardown(self.config)

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        metadata = (new or old or {})["metadata"]
        self._mark(f"{metadata['namespace']}/{metadata['name']}")

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        for slice_ in (old, new):
            key = _service_of(slice_) if slice_ is not None else None
            if key:
                self._mark(key)

    def _mark(self, key: str) -> None:
        self._dirty[key] = None
        self._wake.set()

    async def _next_change(self, thread: ThreadPoolExecutor, nft: Nft) -> None:
        """Until there is something to do: a change, a failure's retry, or a table that is not there any more."""
        failures = max(self._failures, self._stale_flows.failures)
        first_s, most_s = RETRY_S
        wait_s = min(first_s * 2 ** min(failures - 1, 10), most_s) if failures else INSPECT_S
        try:
            async with asyncio.timeout(wait_s):
                await self._wake.wait()
        except TimeoutError:
            if not failures and not await self._is_in_place(thread, nft):
                log.warning("the rules of the services are gone, perhaps by a reload of the firewall: writing them again")
                self._whole = True

    async def _is_in_place(self, thread: ThreadPoolExecutor, nft: Nft) -> bool:
        try:
            await asyncio.get_running_loop().run_in_executor(thread, nft.run, f"list chain ip {self.config.table} services\n")
        except NftFailure:
            return False
        return True

    async def _apply(self, thread: ThreadPoolExecutor, nft: Nft) -> bool:
        """Bring the kernel to the caches' state. False: it could not be done and is tried again later."""
        began = time.perf_counter()
        self._wake.clear()
        wanted = self._wanted()
        before = {key: self._book.get(key) for key in wanted}
        commands = self._book.change(wanted)
        for key, fragment in wanted.items():
            self._stale_flows.note(before[key], fragment, self._book.udp_endpoints)
        loop = asyncio.get_running_loop()
        if self._whole:
            # Who was sent to an endpoint while this did not run, or runs against an older table, stays there.
            known = await loop.run_in_executor(thread, kernel.remembered_clients, self.config) if self._book.has_affinity else {}
            commands = self._book.whole(known)
        try:
            if commands:
                await loop.run_in_executor(thread, nft.run, commands)
        except NftFailure as failure:
            await self._failed(failure, thread, nft)
            return False
        self._whole, self._failures = False, 0
        if self._stale_flows:
            await loop.run_in_executor(thread, self._stale_flows.end)
        if commands:
            took_ms = round((time.perf_counter() - began) * 1000, 2)
            log.debug("rules changed", services=list(wanted)[:5], count=len(wanted), took_ms=took_ms)
        return True

    async def _failed(self, failure: NftFailure, thread: ThreadPoolExecutor, nft: Nft) -> None:
        """A change that fails is followed at once by the whole table, without the Services for which that would be refused.

        A whole table that fails for another reason waits longer each time.
        """
        log.error("nftables refuses the services' rules", error=str(failure), whole=self._whole, failures=self._failures)
        loop = asyncio.get_running_loop()
        refused = await loop.run_in_executor(thread, culprits, nft, self.config, dict(self._book.fragments))
        for key, why in refused.items():
            self._leave_out(key, f"nftables refuses its rules: {why}")
        self._book.change(dict.fromkeys(refused, NOTHING))
        if self._whole and not refused:
            self._failures += 1
        else:
            self._wake.set()
        self._whole = True

    def _leave_out(self, key: str, why: str) -> None:
        """Until the Service or its endpoints change."""
        log.error("service left out", service=key, why=why)
        service = self._services.get(key)
        if service is not None and self._recorder is not None:
            self._recorder.say(service, "Warning", "ServiceNotRouted", f"this Service gets no traffic: {why}"[:1000])

    def _wanted(self) -> dict[str, Fragment]:
        """The changed services' rules. At the start in order of age, so that of two that claim the same the older one has it."""
        keys = list(self._dirty)
        self._dirty.clear()
        if len(keys) > 1:
            keys.sort(key=lambda key: (_created(self._services.get(key)), key))
        return {key: self._fragment(key) for key in keys}

    def _fragment(self, key: str) -> Fragment:
        try:
            found = plan(self._services.get(key), self._slices.by_index("service", key), self.config)
        except FAULTS_OF_DATA as error:
            self._leave_out(key, f"no rules can be made of it: {error}")
            return NOTHING
        if found.refused != self._book.get(key).refused:
            self._tell_refused(key, found.refused)
        return found

    def _tell_refused(self, key: str, addresses: Sequence[str]) -> None:
        service = self._services.get(key)
        if addresses and service is not None:
            named = ", ".join(addresses[:10])
            log.warning("external addresses of a service not routed", service=key, addresses=named)
            if self._recorder is not None:
                message = (
                    f"not routed: {named}: addresses of the cluster's Services and pods are nobody's to name; take one outside of them"
                )
                self._recorder.say(service, "Warning", "ExternalIPNotRouted", message)


def _created(service: Object | None) -> str:
    return str(service["metadata"].get("creationTimestamp", "")) if service else ""
