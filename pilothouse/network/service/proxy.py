"""The service proxy as a component: watches Services and EndpointSlices and keeps the node's rules in step.

A change goes to the kernel at once; what changes meanwhile goes together in the next transaction. The event loop only says which services
changed: their rules are made, compared and written in the proxy's own thread (`rules`). The barrier hears after each transaction which
addresses are routed to, and a moment later which are left (`leaving`).
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from typing import TypeVar

import structlog

from pilothouse.aio import collector
from pilothouse.aio.tasks import scope
from pilothouse.barrier.endpoints import EndpointBarrier
from pilothouse.client.informers import Informers
from pilothouse.client.recorder import Recorder
from pilothouse.linux.nft import open_nft
from pilothouse.model.json import Object
from pilothouse.model.kinds import ENDPOINTSLICES, NODES, SERVICES
from pilothouse.network.service import kernel, metrics
from pilothouse.network.service.config import ServiceProxyConfig
from pilothouse.network.service.endpoints import SERVICE_NAME_LABEL, ZONE_LABEL
from pilothouse.network.service.flows import forget_unanswered
from pilothouse.network.service.health import HealthServer
from pilothouse.network.service.leaving import Leaving
from pilothouse.network.service.rules import Change, Outcome, Remark, Rules

log = structlog.get_logger("network.service")

INSPECT_S = 1.0
RETRY_S = (0.5, 30.0)
PORTION = 250
"""Services that are handed over at once; between portions the loop does other things."""

T = TypeVar("T")


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
        self._nodes = informers.of(NODES)
        self._barrier = barrier
        self._zone = ""
        self._dirty: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._failures = 0
        self._applied_s = 0.0
        self._services.on_change(self._service_changed)
        self._slices.on_change(self._slice_changed)
        self._nodes.on_change(self._node_changed)

    async def run(self, ready: asyncio.Event) -> None:
        """Raises ProxyFailure when the kernel lacks what is needed. The rules stay when this ends, and when it fails they still count."""
        consumer = self._barrier.join("service-proxy")
        health = HealthServer(self._is_healthy, self._say)
        rules: Rules | None = None
        try:
            with ThreadPoolExecutor(1, "service-proxy") as thread, ThreadPoolExecutor(1, "service-flows") as beside:
                rules = await _in(thread, lambda: Rules(self.config, open_nft()))
                metrics.read(rules, self._dirty)
                for informer in (self._services, self._slices, self._nodes):
                    await informer.wait_synced()
                # Changes of the rules do not wait for a walk through the kernel's flows.
                leaving = Leaving(consumer, lambda addresses: _in(beside, lambda: forget_unanswered(addresses)))
                async with scope() as tasks:
                    tasks.spawn(health.run(), name="service health checks")
                    tasks.spawn(leaving.run(), name="endpoints that are left")
                    await self._keep(thread, rules, leaving, health, ready)
        except asyncio.CancelledError:
            consumer.leave()
            raise
        finally:
            if rules is not None:
                rules.close()

    def teardown(self) -> None:
        """Take the tables away. Blocks; call it after `run` has ended."""
        kernel.teardown(self.config)

    async def _keep(self, thread: ThreadPoolExecutor, rules: Rules, leaving: Leaving, health: HealthServer, ready: asyncio.Event) -> None:
        health.listen_at(rules.node_addresses)
        write = rules.write_whole
        while True:
            began = time.perf_counter()
            # The first time it is all services.
            with nullcontext() if ready.is_set() else collector.filling():
                revision = await self._hand_over(thread, rules)
                outcome = await _in(thread, write)
            self._told(outcome, health)
            metrics.count(outcome, time.perf_counter() - began)
            if outcome.done:
                self._failures, self._applied_s = 0, time.monotonic()
                if ready.is_set():
                    leaving.changes(outcome.routed, outcome.left, revision)
                else:
                    # Whatever an earlier run has said is replaced.
                    leaving.routes(outcome.routed, revision)
                ready.set()
            else:
                self._failures += outcome.wait
            write = await self._next_write(thread, rules, health, retry=not outcome.done)

    async def _hand_over(self, thread: ThreadPoolExecutor, rules: Rules) -> str:
        """What changed, in order of age, so that of two that claim the same the older one has it. Returns the revision of slices that is
        handed over."""
        self._wake.clear()
        keys = list(self._dirty)
        self._dirty.clear()
        revision = self._slices.revision
        if len(keys) > 1:
            keys.sort(key=lambda key: (_created(self._services.get(key)), key))
        for start in range(0, len(keys), PORTION):
            changes = [Change(key, self._services.get(key), self._slices.by_index("service", key)) for key in keys[start : start + PORTION]]
            await _in(thread, lambda changes=changes: rules.take(changes, self._zone))  # type: ignore[misc]
        return revision

    def _told(self, outcome: Outcome, health: HealthServer) -> None:
        for remark in outcome.remarks:
            self._say(remark)
        for key, wanted in outcome.health.items():
            health.serve(key, wanted)

    def _say(self, remark: Remark) -> None:
        service = self._services.get(remark.key)
        if service is not None and self._recorder is not None:
            self._recorder.say(service, "Warning", remark.reason, remark.message)

    def _is_healthy(self) -> bool:
        """Whether what changed is in the kernel, or has been so for less time than a load balancer should care about."""
        return not self._failures or time.monotonic() - self._applied_s < RETRY_S[1]

    def _service_changed(self, old: Object | None, new: Object | None) -> None:
        metadata = (new or old or {})["metadata"]
        self._mark(f"{metadata['namespace']}/{metadata['name']}")
        metrics.SERVICE_CHANGES.add()

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        for slice_ in (old, new):
            key = _service_of(slice_) if slice_ is not None else None
            if key:
                self._mark(key)
        metrics.ENDPOINT_CHANGES.add()

    def _node_changed(self, _: Object | None, new: Object | None) -> None:
        if new is None or new["metadata"]["name"] != self.config.node:
            return
        zone = (new["metadata"].get("labels") or {}).get(ZONE_LABEL) or ""
        if zone != self._zone:
            self._zone = zone
            for key in self._services.keys():  # noqa: SIM118 - no mapping
                self._mark(key)

    def _mark(self, key: str) -> None:
        self._dirty[key] = None
        self._wake.set()

    async def _next_write(self, thread: ThreadPoolExecutor, rules: Rules, health: HealthServer, *, retry: bool) -> Callable[[], Outcome]:
        """Until there is something to do: a change, a failure's retry, or a table that is not there any more."""
        while True:
            failures = max(self._failures, rules.failures)
            first_s, most_s = RETRY_S
            wait_s = min(first_s * 2 ** min(failures - 1, 10), most_s) if failures else INSPECT_S
            if self._failures:
                # What changes meanwhile goes with the next try, which is a whole table: changes make no more of them.
                await asyncio.sleep(wait_s)
                return rules.write
            try:
                async with asyncio.timeout(0 if retry and not failures else wait_s):
                    await self._wake.wait()
            except TimeoutError:
                if retry or failures:
                    return rules.write
                if not await _in(thread, rules.is_in_place):
                    log.warning("the rules of the services are gone, perhaps by a reload of the firewall: writing them again")
                    return rules.write_whole
                if await _in(thread, rules.has_moved):
                    health.listen_at(rules.node_addresses)
                    return rules.write_whole
            else:
                return rules.write


async def _in(thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(thread, work)


def _created(service: Object | None) -> str:
    return str(service["metadata"].get("creationTimestamp", "")) if service else ""
